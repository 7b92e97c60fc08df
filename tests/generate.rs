//! The tests of the generator, and that `examples/sample` is what it writes. It is a program of a package of its own,
//! which needs nothing else of this one.

#[expect(dead_code, reason = "its main is not run")]
#[path = "../benches/compare/generate/main.rs"]
mod generate;
