//! The main loop: reads the bytes of one object and aggregates its records. Read this first.
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

mod flows;
mod not_a_flow_log;

use std::io::Read;
use std::sync::Arc;
use std::thread;

pub use self::flows::for_each_flow;
use crate::aggregate::Analysis;
use crate::aggregate::inputs::InputSource;
use crate::config::{Limits, LogFormats};
use crate::error::ObjectError;
use crate::input::decoder::{self, Decoder};
use crate::input::lines::{self, ChunkReader, FieldRanges, Line, Lines};
use crate::record::Record;
use crate::record::format::{self, Format};
use crate::record::parser::column_map::{ColumnMap, KnownFormat, LeadingFields};
use crate::record::parser::{ParseError, Parser, fast_path};
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
    /// Creates the parser of an input, for the columns before any header.
    fn parser(&self, uri: &str) -> Parser {
        Parser::new(Arc::new(self.log_formats.format_for(uri).unwrap_or(&self.format).clone()))
    }
}

/// Reads one object to its verified end and returns its analysis.
///
/// # Errors
/// If the object cannot be read completely, or is not a flow log. Then none of its records counts.
pub fn analyze(uri: &str, reader: impl Read + Send, options: &Options) -> Result<Analysis, ObjectError> {
    let text = Decoder::open(reader, options.max_object_bytes)?;
    if !options.decompress_in_background {
        return analyze_chunks(uri, ChunkReader::here(text), options);
    }
    let (chunks, worker) = ChunkReader::ahead(text);
    thread::scope(|scope| {
        scope.spawn(move || worker.run());
        analyze_chunks(uri, chunks, options)
    })
}

/// Analyzes the lines of an object.
fn analyze_chunks<R: Read>(uri: &str, chunks: ChunkReader<R>, options: &Options) -> Result<Analysis, ObjectError> {
    let mut lines = Lines::open(chunks)?;
    let head = lines.head().to_vec();
    not_a_flow_log::check_signature(&head)?;
    let mut object = ObjectAnalyzer::new(uri, options, head);
    loop {
        BufferedLines { lines: &mut lines, object: &mut object }.observe_all()?;
        match lines.next_line()? {
            Some(line) => object.observe(line)?,
            None => break,
        }
    }
    object.finish(lines.compressed_bytes(), lines.bytes())
}

/// The lines that are in the buffer.
struct BufferedLines<'w, 'a, R> {
    lines: &'w mut Lines<R>,
    object: &'w mut ObjectAnalyzer<'a>,
}

impl<R: Read> BufferedLines<'_, '_, R> {
    /// Consumes all buffered lines.
    fn observe_all(mut self) -> Result<(), ObjectError> {
        loop {
            let drained = match self.object.parser.known_format().clone() {
                KnownFormat::Version2 => self.observe(&LeadingFields::<14>)?,
                KnownFormat::Version5 => self.observe(&LeadingFields::<29>)?,
                KnownFormat::Other(layout) => self.observe(&*layout)?,
            };
            if drained {
                return Ok(());
            }
        }
    }

    /// Consumes buffered lines with this column map. Returns `true` when the buffer is drained, `false` when a line may have changed
    /// the format.
    #[inline(always)]
    fn observe(&mut self, map: &impl ColumnMap) -> Result<bool, ObjectError> {
        while let Some(line) = self.lines.next_buffered_line() {
            self.object.check_line_limit(&line)?;
            // Nearly every line is a plain record that cannot be a header.
            if let Some(columns) = &line.columns
                && self.object.parser.format().cannot_be_header(true)
                && (self.object.try_fast_path::<true>(map, columns) || self.object.try_fast_path::<false>(map, columns))
            {
                self.object.record_format_once();
            } else {
                self.object.observe_slow(line);
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A line, by its kind.
enum ParsedLine<'a> {
    Record(Record<'a>),
    Header,
    Blank,
    Malformed(ParseError),
}

/// Parses any line.
#[inline]
fn parse_line<'a>(parser: &Parser, line: &Line<'a>) -> ParsedLine<'a> {
    if line.too_long {
        return ParsedLine::Malformed(ParseError::TooLong);
    }
    let is_record = |record: &Record<'_>| parser.format().cannot_be_header(record.has_class());
    if let Some(record) = parser.parse(line).filter(is_record) {
        return ParsedLine::Record(record);
    }
    match parser.parse_slow(line) {
        Ok(record) if is_record(&record) => ParsedLine::Record(record),
        _ if line.bytes.trim_ascii().is_empty() => ParsedLine::Blank,
        _ if format::is_header(line.bytes) => ParsedLine::Header,
        Ok(record) => ParsedLine::Record(record),
        Err(malformed) => ParsedLine::Malformed(malformed),
    }
}

/// State of the analysis of one object.
struct ObjectAnalyzer<'a> {
    uri: &'a str,
    max_lines: u64,
    topology: Option<&'a Topology>,
    analysis: Analysis,
    /// Parser for the current columns.
    parser: Parser,
    /// Whether the current format is already listed in the analysis.
    format_recorded: bool,
    header_seen: bool,
    /// First bytes of the text, for the error if it is not a flow log.
    head: Vec<u8>,
}

impl<'a> ObjectAnalyzer<'a> {
    fn new(uri: &'a str, options: &'a Options, head: Vec<u8>) -> ObjectAnalyzer<'a> {
        ObjectAnalyzer {
            uri,
            max_lines: options.max_lines,
            analysis: Analysis::new(&options.limits),
            topology: options.topology.as_deref(),
            parser: options.parser(uri),
            format_recorded: false,
            header_seen: false,
            head,
        }
    }

    /// Consumes one line.
    fn observe(&mut self, line: Line<'_>) -> Result<(), ObjectError> {
        self.check_line_limit(&line)?;
        self.observe_slow(line);
        Ok(())
    }

    #[inline(always)]
    fn check_line_limit(&self, line: &Line<'_>) -> Result<(), ObjectError> {
        if line.number > self.max_lines {
            return Err(ObjectError::TooManyLines { max_lines: self.max_lines });
        }
        Ok(())
    }

    /// Tries the fast path. Returns `false` if the line must be parsed by the slow path. `V4` restricts it to IPv4-only records.
    #[inline(always)]
    fn try_fast_path<const V4: bool>(&mut self, map: &impl ColumnMap, columns: &FieldRanges<'_>) -> bool {
        let Some(flow) = fast_path::flow::<V4, _>(map, columns) else { return false };
        self.analysis.observe_flow(&flow, self.topology);
        true
    }

    /// Parses a line by the slow path. Takes the line by value: a reference from the hot loop would force it out of registers.
    #[cold]
    fn observe_slow(&mut self, line: Line<'_>) {
        match parse_line(&self.parser, &line) {
            ParsedLine::Record(record) => self.observe_record(&record),
            ParsedLine::Header => self.observe_header(line.bytes),
            ParsedLine::Blank => {}
            ParsedLine::Malformed(malformed) => self.observe_malformed(&line, malformed),
        }
    }

    fn observe_record(&mut self, record: &Record<'_>) {
        self.record_format_once();
        self.analysis.observe(record, self.topology);
    }

    fn observe_header(&mut self, line: &[u8]) {
        if let Some(format) = Format::from_header(line) {
            self.parser = Parser::new(Arc::new(format));
            self.format_recorded = false;
            self.header_seen = true;
            self.record_format_once();
        }
    }

    fn observe_malformed(&mut self, line: &Line<'_>, malformed: ParseError) {
        self.record_format_once();
        self.analysis.observe_malformed(self.uri, line.number, line.bytes, &malformed);
    }

    fn record_format_once(&mut self) {
        if !self.format_recorded {
            self.format_recorded = true;
            self.analysis.observe_format(self.parser.format());
        }
    }

    fn finish(mut self, compressed_bytes: u64, bytes: u64) -> Result<Analysis, ObjectError> {
        let records = self.analysis.records;
        if records.total > 0 && records.malformed == records.total {
            let format = self.parser.format();
            let head = if self.header_seen { &[] } else { &self.head[..] };
            return Err(not_a_flow_log::error(records.total, self.analysis.malformed.first(), head, format));
        }
        let (uri, records) = (self.uri.to_owned(), records.total);
        let source = InputSource { uri, compressed_bytes, bytes, records, object: None, log_events: None };
        self.analysis.sources.push(source);
        Ok(self.analysis)
    }
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
            let read = for_each_flow(uri, log.as_bytes(), &options, |_| flows += 1).map(|()| flows);
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
