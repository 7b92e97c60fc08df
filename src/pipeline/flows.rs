//! Reads the accepted and rejected records of one object, without an analysis.

use std::io::Read;
use std::sync::Arc;

use super::{Options, ParsedLine, not_a_flow_log, parse_line};
use crate::aggregate::inputs::MalformedSample;
use crate::error::ObjectError;
use crate::input::decoder::Decoder;
use crate::input::lines::{ChunkReader, Line, Lines};
use crate::record::format::Format;
use crate::record::parser::{ParseError, Parser};
use crate::record::{Flow, Record};
use crate::sanitize::{NAME_CHARACTERS, truncate_chars};

/// Reads one object to its verified end, and calls `observe` for each accepted or rejected record. The classes are those of
/// [`analyze`](super::analyze).
///
/// # Errors
/// If the object cannot be read completely, or is not a flow log. Then the caller discards all records that it observed.
pub fn for_each_flow(
    uri: &str,
    reader: impl Read,
    options: &Options,
    mut observe: impl FnMut(&Flow<'_>),
) -> Result<(), ObjectError> {
    let mut lines = Lines::open(ChunkReader::here(Decoder::open(reader, options.max_object_bytes)?))?;
    let head = lines.head().to_vec();
    not_a_flow_log::check_signature(&head)?;
    let mut object =
        ObjectReader { parser: options.parser(uri), head, records: 0, malformed: 0, first_malformed: None };
    while let Some(line) = lines.next_line()? {
        if line.number > options.max_lines {
            return Err(ObjectError::TooManyLines { max_lines: options.max_lines });
        }
        if let Some(flow) = object.read(&line) {
            observe(&flow);
        }
    }
    object.finish()
}

/// State of reading one object.
struct ObjectReader {
    parser: Parser,
    /// First bytes of the text, unless it has a header.
    head: Vec<u8>,
    records: u64,
    malformed: u64,
    first_malformed: Option<MalformedSample>,
}

impl ObjectReader {
    /// Reads a line. Returns the record if it is an accepted or rejected one.
    fn read<'a>(&mut self, line: &Line<'a>) -> Option<Flow<'a>> {
        match parse_line(&self.parser, line) {
            ParsedLine::Record(record) => {
                self.records += 1;
                if let Record::Flow(flow) = record { Some(flow) } else { None }
            }
            ParsedLine::Header => {
                self.parser = Parser::new(Arc::new(Format::from_header(line.bytes)?));
                self.head.clear();
                None
            }
            ParsedLine::Blank => None,
            ParsedLine::Malformed(reason) => {
                self.records += 1;
                self.malformed += 1;
                self.first_malformed.get_or_insert_with(|| sample(line, &reason));
                None
            }
        }
    }

    fn finish(self) -> Result<(), ObjectError> {
        if self.records > 0 && self.malformed == self.records {
            let first = self.first_malformed.as_ref();
            return Err(not_a_flow_log::error(self.records, first, &self.head, self.parser.format()));
        }
        Ok(())
    }
}

fn sample(line: &Line<'_>, reason: &ParseError) -> MalformedSample {
    let text = String::from_utf8_lossy(line.bytes);
    let text = truncate_chars(&text, NAME_CHARACTERS).to_owned();
    MalformedSample { uri: String::new(), line: line.number, reason: reason.to_string(), text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::analyze;
    use crate::record::Action;

    const LOG: &str = "2 1 eni-1 10.0.0.1 10.0.0.2 1 22 6 1 40 1418530010 1418530070 REJECT OK\n";

    /// Returns the number of accepted and of rejected records, or the error.
    fn flows(log: &str, options: &Options) -> Result<(u64, u64), String> {
        let (mut accepted, mut rejected) = (0, 0);
        let result = for_each_flow("x.log", log.as_bytes(), options, |flow| match flow.action {
            Action::Accept => accepted += 1,
            Action::Reject => rejected += 1,
        });
        result.map(|()| (accepted, rejected)).map_err(|error| error.to_string())
    }

    #[test]
    fn flows_and_errors_are_those_of_the_analysis() {
        let header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end \
                      action log-status\n";
        let options = Options::default();
        let few = Options { max_lines: 2, ..Options::default() };
        let logs = [
            (LOG.repeat(3), &options),
            (LOG.replace("REJECT", "ACCEPT") + LOG + "garbage\n\n" + &LOG.replace("OK", "NODATA"), &options),
            (header.to_owned() + LOG, &options),
            (format!("{header}foo\nbar baz\n"), &options),
            ("foo\n".to_owned(), &options),
            (LOG.repeat(3), &few),
            (String::new(), &options),
            ("PAR1....PAR1".to_owned(), &options),
        ];
        for (log, options) in logs {
            let analyzed = analyze("x", log.as_bytes(), options).map_err(|error| error.to_string());
            let analyzed = analyzed.map(|analysis| (analysis.records.accepted, analysis.records.rejected));
            assert_eq!(flows(&log, options), analyzed, "{log}");
        }
        assert_eq!(flows(&(LOG.replace("REJECT", "ACCEPT") + LOG), &options), Ok((1, 1)));
    }
}
