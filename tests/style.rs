//! Checks the names of all Rust tests in `src`, `tests`, and `benches`: at most 60 characters.
//!
//! The test parses the sources. It finds functions with a test attribute, also inside of macros such as `proptest!`.

#![expect(clippy::disallowed_methods, reason = "the test reads the sources")]

use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, File, ItemFn, Macro, Path as SynPath};
use walkdir::WalkDir;

const FOLDERS: [&str; 3] = ["src", "tests", "benches"];
const MAX_NAME_CHARS: usize = 60;

/// The names of the tests in one source file.
#[derive(Default)]
struct TestNames(Vec<String>);

impl TestNames {
    /// Returns the names of the tests in a file.
    fn in_file(file: &File) -> Vec<String> {
        let mut names = TestNames::default();
        names.visit_file(file);
        names.0
    }

    /// Collects the tests among the tokens of a macro, which are not parsed as Rust.
    fn collect_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut has_test_attribute = false;
        for (index, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    has_test_attribute |= tokens.get(index + 1).is_some_and(is_test_token);
                }
                TokenTree::Ident(ident) if ident == "fn" => {
                    if let Some(TokenTree::Ident(name)) = tokens.get(index + 1)
                        && has_test_attribute
                    {
                        self.0.push(name.to_string());
                    }
                    has_test_attribute = false;
                }
                TokenTree::Group(group) => self.collect_tokens(group.stream()),
                _ => {}
            }
        }
    }
}

impl Visit<'_> for TestNames {
    fn visit_item_fn(&mut self, function: &ItemFn) {
        if function.attrs.iter().any(is_test) {
            self.0.push(function.sig.ident.to_string());
        }
        visit::visit_item_fn(self, function);
    }

    fn visit_macro(&mut self, invocation: &Macro) {
        self.collect_tokens(invocation.tokens.clone());
        visit::visit_macro(self, invocation);
    }
}

/// Reports whether the attribute is `#[test]`, or another crate's such as `#[tokio::test]`.
fn is_test(attribute: &Attribute) -> bool {
    is_test_path(attribute.path())
}

fn is_test_path(path: &SynPath) -> bool {
    path.segments.last().is_some_and(|segment| segment.ident == "test")
}

/// Reports whether the token is the brackets of a test attribute.
fn is_test_token(token: &TokenTree) -> bool {
    let TokenTree::Group(group) = token else { return false };
    syn::parse2::<syn::Meta>(group.stream()).is_ok_and(|meta| is_test_path(meta.path()))
}

#[test]
fn test_names_have_at_most_60_characters() {
    let mut too_long = Vec::new();
    let mut count = 0;
    for folder in FOLDERS {
        let files = WalkDir::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).sort_by_file_name();
        for path in files.into_iter().map(|entry| entry.expect("a file").into_path()) {
            if path.extension().is_some_and(|extension| extension == "rs") {
                let file = syn::parse_file(&fs::read_to_string(&path).expect("a source")).expect("Rust");
                let names = TestNames::in_file(&file);
                count += names.len();
                let long = names.into_iter().filter(|name| name.chars().count() > MAX_NAME_CHARS);
                too_long.extend(long.map(|name| format!("{}: {name}", path.display())));
            }
        }
    }
    assert!(count > 300, "only {count} tests were found");
    assert!(too_long.is_empty(), "longer than {MAX_NAME_CHARS} characters:\n{}", too_long.join("\n"));
}

#[test]
fn tests_are_found_in_modules_and_macros() {
    let text = "#[test] fn plain() {}\n\
        #[tokio::test(flavor = \"multi_thread\")] async fn asynchronous() {}\n\
        fn helper() {}\n\
        #[cfg(test)] mod tests { #[test] #[should_panic] fn nested() {} }\n\
        proptest! { #[test] fn property(bytes: Vec<u8>) { let f = |x| x; } fn helper() {} }";
    let names = TestNames::in_file(&syn::parse_file(text).expect("Rust"));
    assert_eq!(names, ["plain", "asynchronous", "nested", "property"]);
}
