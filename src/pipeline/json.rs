//! Values of JSON: messages that are lines, and records by field name.

use std::io::Read;
use std::sync::Arc;

use super::line_reader::LineReader;
use super::sink::RecordSink;
use crate::error::ObjectError;
use crate::input::json::{JsonItem, JsonProblem, JsonReader, Members};
use crate::record::format::Format;
use crate::record::parser::{self, ParseError};

/// Reads all values of an object.
pub(super) fn read_all<R: Read, S: RecordSink>(
    json: &mut JsonReader<R>,
    lines: &mut LineReader<'_, S>,
) -> Result<(), ObjectError> {
    let mut records = RecordObjects::default();
    while let Some(item) = json.next_item()? {
        match item {
            JsonItem::Lines(batch) => lines.read_buffered(batch)?,
            JsonItem::Object(members, json) => records.observe(&members, json, lines),
            JsonItem::Malformed(problem, json) => lines.observe_malformed_value(json, &reason(problem)),
        }
        lines.check_record_limit()?;
    }
    Ok(())
}

/// The objects that are records. Their columns are those of their members, and change nothing for messages that are lines.
#[derive(Default)]
struct RecordObjects {
    /// Names of the members of the last record.
    names: Vec<Box<[u8]>>,
    /// Their columns.
    format: Option<Arc<Format>>,
}

impl RecordObjects {
    /// Adds an object.
    fn observe<S: RecordSink>(&mut self, members: &Members<'_>, json: &[u8], lines: &mut LineReader<'_, S>) {
        if !members.names().eq(self.names.iter().map(|name| &name[..])) {
            self.names = members.names().map(Box::from).collect();
            self.format = Format::from_columns(members.names()).map(Arc::new);
            self.format.iter().for_each(|format| lines.observe_other_format(format));
        }
        let Some(format) = &self.format else { return lines.observe_malformed_value(json, &ParseError::NotARecord) };
        let values = members.values();
        let record = parser::parse_values(values.iter().map(|value| &value[..]), format);
        match record {
            Ok(record) => lines.observe_other_record(&record),
            Err(reason) => lines.observe_malformed_value(json, &reason),
        }
    }
}

fn reason(problem: JsonProblem) -> ParseError {
    match problem {
        JsonProblem::TooLong => ParseError::TooLong,
        JsonProblem::NotJson => ParseError::NotJson,
        JsonProblem::NotARecord => ParseError::NotARecord,
        JsonProblem::NoMessage => ParseError::NoMessage,
    }
}
