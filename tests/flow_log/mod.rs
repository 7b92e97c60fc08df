//! What the tests share: flow logs compressed as AWS does, and analysed as the programs do.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use flowsentry::analysis::Analysis;
use flowsentry::pipeline::{self, Options};
use flowsentry::report::{self, Settings};
use flowsentry::summary::Summary;

/// One gzip member.
pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).and_then(|()| encoder.finish()).expect("memory takes everything")
}

/// The summary over these inputs, each `(uri, bytes)`.
pub fn summarise<'a>(inputs: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Summary {
    let mut merged = Analysis::default();
    for (uri, bytes) in inputs {
        match pipeline::analyze(uri, bytes, &Options::default()) {
            Ok(analysis) => merged.merge(analysis),
            Err(error) => merged.observe_failure(uri.to_owned(), error.to_string()),
        }
    }
    report::finish(&merged, &Settings::default(), None)
}
