//! Checks the order of the rooms: a room uses the rooms before it and none after it, nothing uses the programs' rooms,
//! and no two modules use each other.
//!
//! The test parses the sources and resolves every path: in a `use`, in an expression, and in a macro.

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
    "plan",
    "input",
    "record",
    "config",
    "topology",
    "aggregate",
    "pipeline",
    "findings",
    "partial",
    "summary",
    "html",
    "discovery",
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
    /// Parses a source file, without the items that are compiled for tests only.
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

    /// Records a path if it leads into the crate. A path to the root itself, by an alias or a glob, would hide later uses, so it is
    /// recorded under a name that is not a room.
    fn record(&mut self, segments: &[String]) {
        let mut segments = segments.iter().map(|segment| segment.trim_start_matches("r#")).peekable();
        let mut path = match segments.peek().copied() {
            Some("crate") => ModulePath::new(),
            Some("self" | "super") => self.module.clone(),
            _ => return,
        };
        while let Some(segment) = segments.next_if(|segment| ["crate", "self", "super"].contains(segment)) {
            if segment == "super" {
                path.pop();
            }
        }
        path.extend(segments.map(str::to_owned));
        self.used.insert(if path.is_empty() { vec!["(the root)".to_owned()] } else { path });
    }

    /// Records a construct that hides paths from this test.
    fn record_hidden(&mut self, construct: &str) {
        self.used.insert(vec![format!("({construct})")]);
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

    /// Records the paths among the tokens of a macro or an attribute, which are not parsed as Rust. `prefix` is the path before a group.
    fn record_tokens(&mut self, tokens: TokenStream, prefix: &[String]) {
        let mut path = prefix.to_vec();
        let mut colons = if prefix.is_empty() { 0 } else { 2 };
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) if colons == 2 && !path.is_empty() => {
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Group(group) if colons == 2 && !path.is_empty() => self.record_tokens(group.stream(), &path),
                TokenTree::Punct(punct) if punct.as_char() == ',' => {
                    self.record(&path);
                    path = prefix.to_vec();
                    colons = if prefix.is_empty() { 0 } else { 2 };
                }
                other => {
                    self.record(&std::mem::take(&mut path));
                    colons = 0;
                    match other {
                        TokenTree::Ident(ident) => path.push(ident.to_string()),
                        TokenTree::Group(group) => self.record_tokens(group.stream(), &[]),
                        TokenTree::Literal(literal) => self.record_text(&literal.to_string()),
                        TokenTree::Punct(_) => {}
                    }
                }
            }
        }
        if path.len() > prefix.len() {
            self.record(&path);
        }
    }

    /// Records a path in a string, as in `#[serde(with = "crate::…")]`.
    fn record_text(&mut self, literal: &str) {
        let text = literal.trim_matches('"');
        if text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            self.record(&text.split("::").map(str::to_owned).collect::<Vec<_>>());
        }
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
        if invocation.path.is_ident("include") {
            self.record_hidden("include!");
        }
        self.record_tokens(invocation.tokens.clone(), &[]);
        visit::visit_macro(self, invocation);
    }

    fn visit_attribute(&mut self, attribute: &Attribute) {
        if attribute.path().is_ident("path") {
            self.record_hidden("#[path]");
        }
        if let syn::Meta::List(list) = &attribute.meta {
            self.record_tokens(list.tokens.clone(), &[]);
        }
        visit::visit_attribute(self, attribute);
    }

    /// `pub(crate)` and `pub(in …)` use nothing.
    fn visit_vis_restricted(&mut self, _: &syn::VisRestricted) {}

    fn visit_item_extern_crate(&mut self, item: &syn::ItemExternCrate) {
        if item.ident == "self" {
            self.record_hidden("extern crate self");
        }
    }
}

/// Parses the sources of the library, without those of the programs and of tests.
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
fn the_root_has_only_the_rooms() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let file = syn::parse_file(&fs::read_to_string(root).expect("a source")).expect("Rust");
    let others = file.items.iter().filter(|item| match item {
        Item::Mod(item) => !ROOMS.contains(&item.ident.to_string().as_str()),
        Item::Macro(item) => !item.mac.path.is_ident("compile_error"),
        _ => true,
    });
    assert_eq!(others.count(), 0, "a re-export would hide uses");
}

#[test]
fn rooms_use_only_the_rooms_before_them() {
    let mut wrong = Vec::new();
    for Uses { module, used } in uses() {
        for path in used {
            let allowed = match (room(&module), room(&path)) {
                (Some(from), Some(to)) => to == from || (to < from && !PROGRAMS.contains(&ROOMS[to])),
                _ => false,
            };
            if !allowed {
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
        use self::super::super::lambda::Settings;\n\
        use crate as me;\n\
        use crate::r#cli::args;\n\
        extern crate self as us;\n\
        #[serde(with = \"crate::lambda::event\")] struct S;\n\
        m! { $crate::{findings::types, summary} }\n\
        fn f() -> crate::config::Limits { println!(\"{}\", crate::sanitize::quoted(x)); self::g() }\n\
        #[cfg(test)] mod tests { use crate::pipeline; }";
    let mut uses = Uses { module: vec!["aggregate".into(), "pairs".into()], used: BTreeSet::new() };
    uses.visit_file(&syn::parse_file(text).expect("Rust"));
    let found: Vec<String> = uses.used.iter().map(|path| path.join("::")).collect();
    let expected = [
        "(extern crate self)",
        "(the root)",
        "aggregate::labels",
        "aggregate::labels::Label",
        "aggregate::pairs::g",
        "cli::args",
        "config::Limits",
        "findings::types",
        "input::lines",
        "lambda::Settings",
        "lambda::event",
        "record",
        "sanitize::quoted",
        "summary",
    ];
    assert_eq!(found, expected);
}
