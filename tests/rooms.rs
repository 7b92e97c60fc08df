//! Holds the order of the rooms: a room uses the rooms before it and none after it, nothing uses the programs' rooms,
//! and no two modules use each other.
//!
//! The test parses the sources and resolves each path, whether it stands in a `use`, in an expression or in a macro.

#![expect(clippy::disallowed_methods, reason = "the test reads the sources")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, UseTree};
use walkdir::WalkDir;

/// The rooms, from the bottom up. A module uses its own room and those before it.
const ROOMS: &[&str] = &[
    "error",
    "sanitize",
    "config",
    "input",
    "record",
    "topology",
    "aggregate",
    "pipeline",
    "findings",
    "summary",
    "cli",
    "lambda",
];
/// Rooms of one program each. Not even a later room uses them.
const PROGRAMS: &[&str] = &["cli", "lambda"];

/// A path of modules below the crate's root.
type ModulePath = Vec<String>;

/// The uses of one source file, with paths from the crate's root.
struct Uses {
    module: ModulePath,
    used: BTreeSet<ModulePath>,
}

impl Uses {
    /// Parses a source file. Skips what is compiled for tests only.
    fn parse(root: &Path, path: &Path) -> Uses {
        let below = path.strip_prefix(root).expect("below src").with_extension("");
        let mut module: ModulePath = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        let file = syn::parse_file(&fs::read_to_string(path).expect("a source")).expect("Rust");
        let mut uses = Uses { module, used: BTreeSet::new() };
        uses.visit_file(&file);
        uses
    }

    /// Records a path if it leads into the crate.
    fn record(&mut self, segments: &[String]) {
        let supers = segments.iter().take_while(|segment| *segment == "super").count();
        let base = match segments.first().map(String::as_str) {
            Some("crate") => &[],
            Some("self") => &self.module[..],
            Some("super") => &self.module[..self.module.len().saturating_sub(supers)],
            _ => return,
        };
        let rest = &segments[supers.max(1)..];
        self.used.insert(base.iter().chain(rest).cloned().collect());
    }

    fn record_tree(&mut self, tree: &UseTree, mut before: ModulePath) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.record_tree(&path.tree, before);
            }
            UseTree::Group(group) => group.items.iter().for_each(|item| self.record_tree(item, before.clone())),
            UseTree::Name(name) => {
                if name.ident != "self" {
                    before.push(name.ident.to_string());
                }
                self.record(&before);
            }
            UseTree::Rename(rename) => {
                before.push(rename.ident.to_string());
                self.record(&before);
            }
            UseTree::Glob(_) => self.record(&before),
        }
    }

    /// Records the paths among the tokens of a macro, which are not parsed as Rust.
    fn record_tokens(&mut self, tokens: TokenStream) {
        let mut path = ModulePath::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) if colons == 2 && !path.is_empty() => {
                    path.push(ident.to_string());
                    colons = 0;
                }
                other => {
                    self.record(&std::mem::take(&mut path));
                    colons = 0;
                    match other {
                        TokenTree::Ident(ident) => path.push(ident.to_string()),
                        TokenTree::Group(group) => self.record_tokens(group.stream()),
                        TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                    }
                }
            }
        }
        self.record(&path);
    }
}

impl Visit<'_> for Uses {
    fn visit_item(&mut self, item: &Item) {
        let attributes: &[Attribute] = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => &[],
        };
        let is_test = |attribute: &Attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|cfg| cfg.is_ident("test"))
        };
        if !attributes.iter().any(is_test) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        self.record_tree(&item.tree, ModulePath::new());
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.record(&segments);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &syn::Macro) {
        self.record_tokens(invocation.tokens.clone());
        visit::visit_macro(self, invocation);
    }
}

/// Parses the library's sources, without those of the programs and of tests.
fn uses() -> Vec<Uses> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = WalkDir::new(&root).into_iter().map(|entry| entry.expect("a source").into_path());
    let is_source = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "rs")
            && !path.ends_with("tests.rs")
            && !path.ends_with("lib.rs")
            && !path.starts_with(root.join("bin"))
    };
    files.filter(is_source).map(|path| Uses::parse(&root, &path)).collect()
}

fn room(path: &[String]) -> Option<usize> {
    let name = path.first()?;
    ROOMS.iter().position(|room| room == name)
}

#[test]
fn every_module_is_in_a_room() {
    let strays: BTreeSet<ModulePath> =
        uses().into_iter().map(|uses| uses.module).filter(|module| room(module).is_none()).collect();
    assert_eq!(strays, BTreeSet::new());
}

#[test]
fn rooms_use_only_the_rooms_before_them() {
    let mut wrong = Vec::new();
    for Uses { module, used } in uses() {
        for path in used {
            let (Some(from), Some(to)) = (room(&module), room(&path)) else { continue };
            if to > from || (to != from && PROGRAMS.contains(&ROOMS[to])) {
                wrong.push(format!("{} uses {}", module.join("::"), path.join("::")));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_two_modules_use_each_other() {
    let uses = uses();
    let modules: BTreeSet<&ModulePath> = uses.iter().map(|uses| &uses.module).collect();
    // A path ends with items and variants: the module is its longest beginning that is one.
    let module_of =
        |path: &ModulePath| (1..=path.len()).rev().map(|end| path[..end].to_vec()).find(|p| modules.contains(p));
    let mut edges: BTreeMap<ModulePath, BTreeSet<ModulePath>> = BTreeMap::new();
    for Uses { module, used } in &uses {
        // A module and its parent are one design: `mod.rs` names its parts, and these use its types.
        let others =
            used.iter().filter_map(module_of).filter(|other| !other.starts_with(module) && !module.starts_with(other));
        edges.insert(module.clone(), others.collect());
    }
    let circles: Vec<String> =
        edges.keys().filter(|module| reaches(&edges, module)).map(|module| module.join("::")).collect();
    assert_eq!(circles, Vec::<String>::new(), "modules that use themselves by way of others");
}

/// Returns whether a module uses itself by way of others.
fn reaches(edges: &BTreeMap<ModulePath, BTreeSet<ModulePath>>, start: &ModulePath) -> bool {
    let mut open: Vec<&ModulePath> = edges[start].iter().collect();
    let mut seen = BTreeSet::new();
    while let Some(module) = open.pop() {
        if module == start {
            return true;
        }
        if seen.insert(module) {
            open.extend(&edges[module]);
        }
    }
    false
}

#[test]
fn every_form_of_use_is_found() {
    let text = "use crate::{input::lines, record};\n\
        use super::labels::{self, Label as Other};\n\
        fn f() -> crate::config::Limits { println!(\"{}\", crate::sanitize::quoted(x)); self::g() }\n\
        #[cfg(test)] mod tests { use crate::cli; }";
    let mut uses = Uses { module: vec!["aggregate".into(), "pairs".into()], used: BTreeSet::new() };
    uses.visit_file(&syn::parse_file(text).expect("Rust"));
    let found: Vec<String> = uses.used.iter().map(|path| path.join("::")).collect();
    let expected = [
        "aggregate::labels",
        "aggregate::labels::Label",
        "aggregate::pairs::g",
        "config::Limits",
        "input::lines",
        "record",
        "sanitize::quoted",
    ];
    assert_eq!(found, expected);
}
