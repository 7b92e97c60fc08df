//! The main loop: reads the bytes of one object and aggregates its records. Read this first.
//!
//! The first bytes of the content decide how it is read: `json` for JSON, `parquet` for Parquet, and for all else
//! `line_reader`, which recognizes CSV and exports of CloudWatch Logs by their first line. Each gives its records to a `sink`.
//!
//! Nearly every line takes the fast path: its fields are at known positions and have common lengths. Every other line takes the slow
//! path, which alone decides whether a line is a header, blank, a record, or malformed.
//!
//! ```
//! use flowsentry::record::format::Format;
//! use flowsentry::pipeline::{self, Options};
//! use flowsentry::summary::build::{self, SummaryOptions};
//!
//! let log = b"2 123456789010 eni-1235b8ca123456789 172.31.9.69 172.31.9.12 49761 3389 6 20 4249 1418530010 1418530070 REJECT OK";
//! let analysis = pipeline::analyze("rdp.log", &log[..], &Options::default())?;
//! let summary = build::build_summary(analysis, &SummaryOptions::default(), None);
//! assert_eq!(summary.records.rejected, 1);
//! assert_eq!(summary.rejected.groups[0].service_name, Some("rdp"));
//! # Ok::<(), flowsentry::error::ObjectError>(())
//! ```

mod csv;
mod filtered;
mod flows;
mod json;
mod line_reader;
mod not_a_flow_log;
mod parquet;
mod sink;

use std::io::Read;
use std::sync::Arc;
use std::thread;

pub use self::filtered::analyze_filtered;
pub use self::flows::for_each_flow;
use self::line_reader::LineReader;
pub use self::sink::ReadRecords;
use self::sink::{AnalysisSink, RecordSink};
use crate::aggregate::Analysis;
use crate::aggregate::inputs::InputSource;
use crate::config::{Limits, LogFormats};
use crate::error::ObjectError;
use crate::input::decoder::{self, Decoder};
use crate::input::json::JsonReader;
use crate::input::lines::{self, ChunkReader, Lines};
use crate::input::other_format::HEAD_BYTES;
use crate::input::shape::Shape;
use crate::record::format::Format;
use crate::topology::Topology;

/// Options for reading an object.
#[derive(Debug, Clone)]
pub struct Options {
    /// The columns before any header, unless `log_formats` has those of the input.
    pub format: Format,
    /// The columns before any header, by prefix of the input's URI.
    pub log_formats: LogFormats,
    /// Limit of text bytes.
    pub max_object_bytes: u64,
    /// Limit of lines.
    pub max_lines: u64,
    /// The topology, if there is one.
    pub topology: Option<Arc<Topology>>,
    /// Limits of the state that grows with the cardinality of the log.
    pub limits: Limits,
    /// Whether to decompress on a background thread. With two cores this takes two thirds of the wall time, and hardly more CPU
    /// time.
    pub decompress_in_background: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            format: Format::version_2(),
            log_formats: LogFormats::default(),
            max_object_bytes: decoder::DEFAULT_MAX_OBJECT_BYTES,
            max_lines: lines::DEFAULT_MAX_LINES,
            topology: None,
            limits: Limits::default(),
            decompress_in_background: false,
        }
    }
}

impl Options {
    /// Returns the columns of an input before any header.
    fn format_for(&self, uri: &str) -> &Format {
        self.log_formats.format_for(uri).unwrap_or(&self.format)
    }
}

/// Reads one object to its verified end and returns its analysis.
///
/// # Errors
/// If the object cannot be read completely, or is not a flow log. Then none of its records counts.
pub fn analyze(uri: &str, reader: impl Read + Send, options: &Options) -> Result<Analysis, ObjectError> {
    let mut sink = AnalysisSink::new(uri, options);
    let read = read_object(uri, reader, options, &mut sink)?;
    Ok(with_source(sink.analysis, uri, &read))
}

/// Adds the input that was read to its analysis.
fn with_source(mut analysis: Analysis, uri: &str, read: &ReadObject) -> Analysis {
    let ReadObject { shape, compressed_bytes, bytes } = *read;
    let (uri, records) = (uri.to_owned(), analysis.records.total);
    let (object, log_events, window) = (None, None, None);
    let source = InputSource { uri, shape, compressed_bytes, bytes, records, object, log_events, window };
    analysis.sources.push(source);
    analysis
}

/// What is known of an object that was read completely.
struct ReadObject {
    shape: Shape,
    /// Bytes of the object.
    compressed_bytes: u64,
    /// Bytes of its content.
    bytes: u64,
}

/// Reads one object to its verified end.
fn read_object(
    uri: &str,
    reader: impl Read + Send,
    options: &Options,
    sink: &mut impl RecordSink,
) -> Result<ReadObject, ObjectError> {
    let mut content = Decoder::open(reader, options.max_object_bytes)?;
    let head = content.peek(HEAD_BYTES)?.to_vec();
    not_a_flow_log::check_signature(&head)?;
    let format = options.format_for(uri);
    match Shape::from_head(&head) {
        Shape::Parquet => parquet::read(content, options, sink),
        Shape::Json => read_json(&head, JsonReader::open(content)?, format, options, sink),
        Shape::Text | Shape::CloudwatchExport | Shape::Csv if !options.decompress_in_background => {
            read_text(&head, ChunkReader::here(content), format, options, sink)
        }
        Shape::Text | Shape::CloudwatchExport | Shape::Csv => {
            let (chunks, worker) = ChunkReader::ahead(content);
            thread::scope(|scope| {
                scope.spawn(move || worker.run());
                read_text(&head, chunks, format, options, sink)
            })
        }
    }
}

/// Reads the lines of an object.
fn read_text<R: Read, S: RecordSink>(
    head: &[u8],
    chunks: ChunkReader<R>,
    format: &Format,
    options: &Options,
    sink: &mut S,
) -> Result<ReadObject, ObjectError> {
    let mut lines = Lines::open(chunks)?;
    let mut reader = LineReader::new(Shape::Text, format.clone(), options, sink);
    reader.read_all(&mut lines)?;
    let shape = reader.finish(head)?;
    Ok(ReadObject { shape, compressed_bytes: lines.compressed_bytes(), bytes: lines.bytes() })
}

/// Reads the JSON values of an object.
fn read_json<R: Read, S: RecordSink>(
    head: &[u8],
    mut values: JsonReader<R>,
    format: &Format,
    options: &Options,
    sink: &mut S,
) -> Result<ReadObject, ObjectError> {
    let mut reader = LineReader::new(Shape::Json, format.clone(), options, sink);
    json::read_all(&mut values, &mut reader)?;
    let shape = reader.finish(head)?;
    let (compressed_bytes, bytes) = values.bytes_read();
    Ok(ReadObject { shape, compressed_bytes, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2 1 eni-1 10.0.0.1 10.0.0.2 1 22 6 1 40 1418530010 1418530070 REJECT OK\n";

    #[test]
    fn one_line_above_the_limit_is_an_error() {
        let options = |max_lines| Options { max_lines, ..Options::default() };
        let of = |lines: &str, max_lines| {
            analyze("x.log", lines.as_bytes(), &options(max_lines)).map(|analysis| analysis.records.total)
        };
        assert_eq!(of(&LOG.repeat(3), 3).ok(), Some(3));
        let error = of(&LOG.repeat(4), 3).expect_err("too many");
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            ("too_many_lines", "the text has more than 3 lines; raise MAX_LINES (function only) or split the object")
        );
        assert!(of(&"\n".repeat(4), 3).is_err(), "blank lines are lines");
    }

    #[test]
    fn columns_are_those_of_header_then_prefix_then_option() {
        let toml = "[log_formats]\n\"s3://logs/\" = \"action dstaddr srcaddr\"";
        let log_formats = crate::config::Config::from_toml(toml).expect("valid").log_formats;
        let format = Format::from_setting("srcaddr action dstaddr").expect("fields");
        let options = Options { format, log_formats, ..Options::default() };
        let rejected = |uri: &str, log: &str| {
            let analysis = analyze(uri, log.as_bytes(), &options).map(|analysis| analysis.records.rejected);
            let mut flows = 0;
            let read = for_each_flow(uri, log.as_bytes(), &options, |_| flows += 1).map(|_| flows);
            assert_eq!(analysis.as_ref().ok(), read.as_ref().ok());
            analysis.map_err(|error| error.code())
        };
        let (by_prefix, by_option) = ("REJECT 10.0.0.2 10.0.0.1\n", "10.0.0.1 REJECT 10.0.0.2\n");
        assert_eq!(rejected("s3://logs/x.log", by_prefix), Ok(1));
        assert_eq!(rejected("s3://logs/x.log", by_option), Err("not_a_flow_log"));
        assert_eq!(rejected("s3://other/x.log", by_option), Ok(1));
        assert_eq!(rejected("s3://other/x.log", by_prefix), Err("not_a_flow_log"));
        let header = "dstaddr srcaddr action\n10.0.0.2 10.0.0.1 REJECT\n";
        assert_eq!(rejected("s3://logs/x.log", header), Ok(1));
    }

    #[test]
    fn tabs_separate_fields_like_spaces() {
        let with_tabs = LOG.replace(' ', "\t");
        let read = |log: String| {
            let analysis = analyze("x.log", log.as_bytes(), &Options::default()).expect("a flow log");
            (analysis.records, analysis.window)
        };
        let expected = read(LOG.repeat(100));
        assert_eq!(expected.0.rejected, 100);
        assert_eq!(read(with_tabs.repeat(100)), expected);
        assert_eq!(read(LOG.repeat(99) + &with_tabs), expected);
        assert_eq!(read(LOG.replace(' ', " \t").repeat(100)), expected);
        // Near miss: a tab in a name makes two columns of it.
        assert_eq!(read(LOG.repeat(99) + &LOG.replace("eni-1", "eni\t1")).0.malformed, 1);
    }

    #[test]
    fn a_header_applies_from_the_next_line_on() {
        let log = "2 1 eni-1 10.0.0.1 10.0.0.2 50000 22 6 1 40 1418530010 1418530070 REJECT OK\n\
            version account-id interface-id dstaddr srcaddr dstport srcport protocol packets bytes start end action log-status\n\
            2 1 eni-1 10.0.0.3 10.0.0.4 443 50000 6 1 40 1418530010 1418530070 REJECT OK\n";
        let analysis = analyze("x.log", log.as_bytes(), &Options::default()).expect("a flow log");
        let summary =
            crate::summary::build::build_summary(analysis, &crate::summary::build::SummaryOptions::default(), None);
        let groups = summary.rejected.groups.iter();
        let found: Vec<_> = groups.map(|group| (group.srcaddr.map(|src| src.to_string()), group.dstport)).collect();
        assert_eq!(found, [(Some("10.0.0.1".to_owned()), Some(22)), (Some("10.0.0.4".to_owned()), Some(443))]);
    }
}
