//! Helpers of several tests: compress flow logs as AWS does, and summarize them as the programs do.

use std::io::Write;
use std::sync::Arc;

use flate2::{Compression, write::GzEncoder};
use flowsentry::aggregate::Analysis;
use flowsentry::pipeline::{self, Options};
use flowsentry::summary::Summary;
use flowsentry::summary::build::{self, SummaryOptions};
use flowsentry::topology::Topology;

/// Compresses a text into one gzip member.
pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).and_then(|()| encoder.finish()).expect("writing to memory succeeds")
}

/// Summarizes these inputs, each `(uri, bytes)`, with this topology.
pub fn summarize<'a>(
    inputs: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    topology: Option<&Arc<Topology>>,
) -> Summary {
    let options = Options { topology: topology.cloned(), ..Options::default() };
    let mut merged = Analysis::default();
    for (uri, bytes) in inputs {
        match pipeline::analyze(uri, bytes, &options) {
            Ok(analysis) => merged.merge(analysis),
            Err(error) => merged.observe_failure(uri.to_owned(), error.to_string()),
        }
    }
    build::build_summary(merged, &SummaryOptions::default(), topology.map(Arc::as_ref))
}
