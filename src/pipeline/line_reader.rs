//! Reads the lines of an object: text, with a time before each record or without, rows of CSV, and messages that are lines.

use std::io::Read;
use std::sync::Arc;

use super::csv::{CsvRows, Row};
use super::sink::RecordSink;
use super::{Options, not_a_flow_log};
use crate::error::ObjectError;
use crate::input::lines::{BufferedLines, FieldRanges, Line, Lines};
use crate::input::shape::Shape;
use crate::record::Record;
use crate::record::format::{self, Format};
use crate::record::parser::column_map::{ColumnMap, KnownFormat, LeadingFields};
use crate::record::parser::prefix::{self, Prefix};
use crate::record::parser::{ParseError, Parser, fast_path};

/// State of reading the lines of one object.
pub(super) struct LineReader<'a, S> {
    sink: &'a mut S,
    max_lines: u64,
    /// Parser for the current columns.
    parser: Parser,
    shape: Shape,
    /// The rows, if the lines are those of CSV.
    csv: Option<CsvRows>,
    /// Whether the sink has the current format already.
    format_recorded: bool,
    header_seen: bool,
}

/// A line, by its kind.
enum ParsedLine<'a> {
    Record(Prefix, Record<'a>),
    Header,
    Blank,
    Malformed(ParseError),
}

impl<'a, S: RecordSink> LineReader<'a, S> {
    /// Creates a reader of lines that have this shape as far as it is known.
    pub(super) fn new(shape: Shape, format: Format, options: &Options, sink: &'a mut S) -> LineReader<'a, S> {
        LineReader {
            sink,
            max_lines: options.max_lines,
            parser: Parser::new(Arc::new(format)),
            shape,
            csv: None,
            format_recorded: false,
            header_seen: false,
        }
    }

    /// Reads all lines of a text.
    pub(super) fn read_all<R: Read>(&mut self, lines: &mut Lines<R>) -> Result<(), ObjectError> {
        loop {
            self.read_buffered(lines)?;
            match lines.next_line()? {
                Some(line) => {
                    self.check_line_limit(&line)?;
                    self.observe_slow(line);
                }
                None => return Ok(()),
            }
        }
    }

    /// Reads the lines that are in the buffer.
    pub(super) fn read_buffered(&mut self, lines: &mut impl BufferedLines) -> Result<(), ObjectError> {
        loop {
            if self.csv.is_some() {
                return self.read_rows(lines);
            }
            let drained = match self.parser.known_format().clone() {
                KnownFormat::Version2 => self.read_with(&LeadingFields::<14>, lines)?,
                KnownFormat::Version5 => self.read_with(&LeadingFields::<29>, lines)?,
                KnownFormat::Other(layout) => self.read_with(&*layout, lines)?,
            };
            if drained {
                return Ok(());
            }
        }
    }

    /// Reads the rows of CSV that are in the buffer.
    fn read_rows(&mut self, lines: &mut impl BufferedLines) -> Result<(), ObjectError> {
        while let Some(line) = lines.next_buffered_line() {
            self.check_line_limit(&line)?;
            self.observe_row(line);
        }
        Ok(())
    }

    /// Ends the object, and returns its shape. `head` has the first bytes of its content.
    ///
    /// # Errors
    /// If there are records, and none of them parses: the object is not a flow log.
    pub(super) fn finish(self, head: &[u8]) -> Result<Shape, ObjectError> {
        let (records, (malformed, first)) = (self.sink.records(), self.sink.malformed());
        if records == 0 || malformed < records {
            return Ok(self.shape);
        }
        let head = if self.header_seen { &[] } else { head };
        Err(not_a_flow_log::error(self.shape, records, first, head, self.parser.format()))
    }

    /// Consumes buffered lines with this column map. Returns `true` when the buffer is drained, `false` when a line may have changed
    /// the format.
    #[inline(always)]
    fn read_with(&mut self, map: &impl ColumnMap, lines: &mut impl BufferedLines) -> Result<bool, ObjectError> {
        let cannot_be_header = self.parser.format().cannot_be_header(true);
        while let Some(line) = lines.next_buffered_line() {
            self.check_line_limit(&line)?;
            // Nearly every line is a plain record that cannot be a header.
            if let Some(columns) = &line.columns
                && cannot_be_header
                && (self.try_fast_path::<true>(map, columns) || self.try_fast_path::<false>(map, columns))
            {
                self.record_format_once();
            } else {
                self.observe_slow(line);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Checks the number of records of an object that need not have lines.
    pub(super) fn check_record_limit(&self) -> Result<(), ObjectError> {
        if self.sink.records() > self.max_lines {
            return Err(ObjectError::TooManyLines { max_lines: self.max_lines });
        }
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
        self.sink.observe_flow(&flow);
        true
    }

    /// Parses a line by the slow path. Takes the line by value: a reference from the hot loop would force it out of registers.
    #[cold]
    fn observe_slow(&mut self, line: Line<'_>) {
        if self.csv.is_some() {
            return self.observe_row(line);
        }
        match self.csv_header(&line) {
            Some(rows) => self.start_rows(rows),
            None => self.observe_line(line),
        }
    }

    fn observe_line(&mut self, line: Line<'_>) {
        match parse_line(&self.parser, &line) {
            ParsedLine::Record(prefix, record) => {
                self.set_prefix(prefix);
                self.observe_record(&record);
            }
            ParsedLine::Header => self.observe_header(without_time(line.bytes)),
            ParsedLine::Blank => {}
            ParsedLine::Malformed(reason) => self.observe_malformed(&line, &reason),
        }
    }

    /// Returns the rows of CSV below this line, if it is the first one and their header.
    fn csv_header(&self, line: &Line<'_>) -> Option<CsvRows> {
        let is_first = self.shape == Shape::Text && self.sink.records() == 0 && !self.header_seen;
        if is_first && !line.too_long && !line.bytes.trim_ascii().is_empty() {
            CsvRows::from_header(line.bytes)
        } else {
            None
        }
    }

    fn start_rows(&mut self, rows: CsvRows) {
        self.shape = Shape::Csv;
        if let Some(format) = rows.format() {
            self.set_format(format.clone());
        }
        self.csv = Some(rows);
    }

    /// Parses a row of CSV.
    fn observe_row(&mut self, line: Line<'_>) {
        let Some(mut rows) = self.csv.take() else { return };
        match rows.parse(&line) {
            Ok(Row::Record(record)) => self.observe_record(&record),
            Ok(Row::Message(message)) => {
                self.observe_line(Line { bytes: message, columns: None, ..line });
            }
            Ok(Row::Header(header)) => return self.start_rows(*header),
            Ok(Row::Blank) => {}
            Err(reason) => self.observe_malformed(&line, &reason),
        }
        self.csv = Some(rows);
    }

    fn observe_record(&mut self, record: &Record<'_>) {
        self.record_format_once();
        self.sink.observe_record(record);
    }

    /// Adds the columns of a record that is not a line.
    pub(super) fn observe_other_format(&mut self, format: &Arc<Format>) {
        self.sink.observe_format(format);
    }

    /// Adds a record that is not a line.
    pub(super) fn observe_other_record(&mut self, record: &Record<'_>) {
        self.sink.observe_record(record);
    }

    /// Expects this prefix before the records that follow, which is faster than to find it in each.
    fn set_prefix(&mut self, prefix: Prefix) {
        if prefix == self.parser.prefix() {
            return;
        }
        let has_records = self.sink.records() > self.sink.malformed().0;
        if self.shape == Shape::Text && !has_records {
            self.shape = Shape::CloudwatchExport;
            self.sink.number_malformed_by_record();
        }
        self.parser = Parser::with_prefix(Arc::clone(self.parser.format()), prefix);
    }

    fn observe_header(&mut self, line: &[u8]) {
        if let Some(format) = Format::from_header(line) {
            self.set_format(format);
        }
    }

    /// Sets the columns of the lines that follow.
    fn set_format(&mut self, format: Format) {
        self.parser = Parser::with_prefix(Arc::new(format), self.parser.prefix());
        self.format_recorded = false;
        self.header_seen = true;
        self.record_format_once();
    }

    fn observe_malformed(&mut self, line: &Line<'_>, reason: &ParseError) {
        // An editor shows lines of text by their number. Elsewhere, records have no lines.
        let number = if self.shape == Shape::Text { line.number } else { self.sink.records() + 1 };
        self.record_format_once();
        self.sink.observe_malformed(number, line.bytes, reason);
    }

    /// Adds a malformed record that is not a line.
    pub(super) fn observe_malformed_value(&mut self, text: &[u8], reason: &ParseError) {
        self.sink.observe_malformed(self.sink.records() + 1, text, reason);
    }

    fn record_format_once(&mut self) {
        if !self.format_recorded {
            self.format_recorded = true;
            self.sink.observe_format(self.parser.format());
        }
    }
}

/// Parses any line.
#[inline]
fn parse_line<'a>(parser: &Parser, line: &Line<'a>) -> ParsedLine<'a> {
    if line.too_long {
        return ParsedLine::Malformed(ParseError::TooLong);
    }
    let is_record = |record: &Record<'_>| parser.format().cannot_be_header(record.has_class());
    if let Some(record) = parser.parse(line).filter(is_record) {
        return ParsedLine::Record(parser.prefix(), record);
    }
    match parser.parse_slow(line) {
        Ok((prefix, record)) if is_record(&record) => ParsedLine::Record(prefix, record),
        _ if line.bytes.trim_ascii().is_empty() => ParsedLine::Blank,
        _ if format::is_header(without_time(line.bytes)) => ParsedLine::Header,
        Ok((prefix, record)) => ParsedLine::Record(prefix, record),
        Err(malformed) => ParsedLine::Malformed(malformed),
    }
}

/// Returns a line without the time that CloudWatch Logs may put before it.
fn without_time(line: &[u8]) -> &[u8] {
    prefix::split_time(line).map_or(line, |(_, rest)| rest)
}
