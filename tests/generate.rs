//! Runs the tests of the generator of flow logs; one of them checks that it writes the files of `examples/sample`. The
//! generator is a package of its own that does not use this crate.

#[expect(dead_code, reason = "its main is not run")]
#[path = "../benches/compare/generate/main.rs"]
mod generate;
