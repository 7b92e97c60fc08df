//! Measures each stage of an analysis separately, on a sample file with its 29 columns and with the 14 columns of version 2.
//!
//! ```text
//! cargo bench --no-default-features --bench stages
//! ```
//!
//! The time of parsing does not include line splitting.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, LazyLock};

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box_drop};
use flate2::Compression;
use flate2::write::GzEncoder;
use flowsentry::aggregate::Analysis;
use flowsentry::input::decoder::{DEFAULT_MAX_OBJECT_BYTES, Decoder};
use flowsentry::input::lines::{ChunkReader, Lines};
use flowsentry::pipeline::{self, Options};
use flowsentry::record::format::Format;
use flowsentry::record::parser::Parser;
use flowsentry::summary::build::{self, SummaryOptions};
use flowsentry::summary::json;

const SAMPLE: &[u8] = include_bytes!(
    "../examples/sample/123456789012_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20261123T0600Z_2371c8a9.log.gz"
);
const COLUMNS_OF_VERSION_2: usize = 14;
const SLICE_BYTES: usize = 128 << 10;

fn main() {
    divan::main();
}

/// A flow log in memory.
struct Log {
    name: &'static str,
    text: Vec<u8>,
    gzip: Vec<u8>,
    format: Format,
    records: usize,
}

fn logs() -> impl Iterator<Item = &'static Log> {
    LOGS.iter()
}

static LOGS: LazyLock<[Log; 2]> = LazyLock::new(|| {
    let wide = text_of(SAMPLE);
    [Log::new("version 2", version_2(&wide)), Log::new("29 columns", wide)]
});

impl Log {
    fn new(name: &'static str, text: Vec<u8>) -> Log {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&text).expect("memory can be written");
        let header = text.split(|byte| *byte == b'\n').next().and_then(Format::from_header);
        Log {
            name,
            gzip: encoder.finish().expect("memory can be written"),
            format: header.expect("the sample has a header"),
            records: text.iter().filter(|byte| **byte == b'\n').count() - 1,
            text,
        }
    }

    fn analysis(&self) -> Analysis {
        pipeline::analyze(self.name, &self.gzip[..], &Options::default()).expect("the sample can be read")
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

fn text_of(gzip: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    read(gzip, |slice| text.extend_from_slice(slice));
    text
}

fn read(gzip: &[u8], mut take: impl FnMut(&[u8])) {
    let mut text = Decoder::open(gzip, DEFAULT_MAX_OBJECT_BYTES).expect("it is gzip");
    let mut slice = vec![0; SLICE_BYTES];
    while let count @ 1.. = text.read(&mut slice).expect("it is whole") {
        take(&slice[..count]);
    }
}

/// Returns the first 14 columns of each line, which are those of version 2.
fn version_2(wide: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for line in wide.split_inclusive(|byte| *byte == b'\n') {
        let columns: Vec<&[u8]> = line.split(|byte| *byte == b' ').take(COLUMNS_OF_VERSION_2).collect();
        let line = columns.join(&b' ');
        text.extend_from_slice(if line.starts_with(b"5 ") { b"2" } else { &line[..1] });
        text.extend_from_slice(&line[1..]);
        text.push(b'\n');
    }
    text
}

fn lines(text: &[u8]) -> Lines<&[u8]> {
    let text = Decoder::open(text, DEFAULT_MAX_OBJECT_BYTES).expect("it is text");
    Lines::open(ChunkReader::here(text)).expect("it is text")
}

fn counted<'a, 'b>(bencher: Bencher<'a, 'b>, log: &Log) -> Bencher<'a, 'b> {
    bencher.counter(BytesCount::of_slice(&log.text[..])).counter(ItemsCount::new(log.records))
}

#[divan::bench(args = logs())]
fn decompression(bencher: Bencher<'_, '_>, log: &Log) {
    counted(bencher, log).bench(|| read(&log.gzip, |slice| black_box_drop(slice)));
}

/// Splits plain text into lines.
#[divan::bench(args = logs())]
fn line_splitting(bencher: Bencher<'_, '_>, log: &Log) {
    counted(bencher, log).bench(|| {
        let mut lines = lines(&log.text);
        while let Some(line) = lines.next_line().expect("it is text") {
            black_box_drop(line);
        }
    });
}

/// Splits lines and parses them.
#[divan::bench(args = logs())]
fn parsing(bencher: Bencher<'_, '_>, log: &Log) {
    let parser = Parser::new(Arc::new(log.format.clone()));
    counted(bencher, log).bench(|| {
        let mut lines = lines(&log.text);
        while let Some(line) = lines.next_line().expect("it is text") {
            black_box_drop(parser.parse(&line));
        }
    });
}

/// Runs the whole pipeline on gzip in memory.
#[divan::bench(args = logs())]
fn pipeline(bencher: Bencher<'_, '_>, log: &Log) {
    counted(bencher, log).bench(|| log.analysis());
}

#[divan::bench(args = logs())]
fn report(bencher: Bencher<'_, '_>, log: &Log) {
    let settings = SummaryOptions::default();
    bencher.with_inputs(|| log.analysis()).bench_values(|analysis| build::build_summary(analysis, &settings, None));
}

#[divan::bench(args = logs())]
fn json(bencher: Bencher<'_, '_>, log: &Log) {
    let summary = build::build_summary(log.analysis(), &SummaryOptions::default(), None);
    bencher.bench(|| json::render(&summary));
}
