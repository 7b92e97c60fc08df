//! Rows of comma-separated or tab-separated values.

use crate::input::csv::RowSplitter;
use crate::input::lines::Line;
use crate::input::shape::MESSAGE_NAMES;
use crate::record::Record;
use crate::record::format::Format;
use crate::record::parser::{self, ParseError};

/// Characters between the fields of a row.
const SEPARATORS: [u8; 2] = [b',', b'\t'];

/// The rows below a header.
pub(super) struct CsvRows {
    splitter: RowSplitter,
    separator: u8,
    columns: Columns,
}

/// What the columns of a row are.
enum Columns {
    /// The fields of a record.
    Record(Format),
    /// The column with this index, of so many, is a line.
    Message(usize, usize),
}

/// A row, by its kind.
pub(super) enum Row<'a> {
    /// A record.
    Record(Record<'a>),
    /// A line.
    Message(&'a [u8]),
    /// Another header, as in files that were put one after another.
    Header(Box<CsvRows>),
    /// A row without values.
    Blank,
}

impl Columns {
    /// Recognizes the names of a header: one is that of a message, or the names are those of a flow log.
    fn from_names<'a>(names: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Columns> {
        if let Some(at) = names.clone().position(is_message) {
            return Some(Columns::Message(at, names.count()));
        }
        Format::from_columns(names).map(Columns::Record)
    }

    /// Returns whether a row may be a header, which spares nearly all of them the search for names.
    fn may_be_header(&self, row: &Result<Row<'_>, ParseError>) -> bool {
        match (row, self) {
            (Ok(Row::Record(record)), Columns::Record(format)) => !format.cannot_be_header(record.has_class()),
            (Ok(Row::Message(message)), _) => is_message(message),
            _ => true,
        }
    }
}

impl CsvRows {
    /// Returns the rows below this line, if it is a header.
    pub(super) fn from_header(line: &[u8]) -> Option<CsvRows> {
        // Tabs next to spaces are those of a text.
        let is_used = |separator: &u8| match *separator {
            b'\t' => line.contains(&b'\t') && !line.contains(&b' '),
            separator => line.contains(&separator) || is_message(without_quotes(line.trim_ascii())),
        };
        SEPARATORS.into_iter().filter(is_used).find_map(|separator| {
            let columns = Columns::from_names(RowSplitter::new(separator).split(line).iter())?;
            Some(CsvRows::below(columns, separator))
        })
    }

    fn below(columns: Columns, separator: u8) -> CsvRows {
        CsvRows { splitter: RowSplitter::new(separator), separator, columns }
    }

    /// Returns the format of the records, if the header names their fields.
    pub(super) fn format(&self) -> Option<&Format> {
        match &self.columns {
            Columns::Record(format) => Some(format),
            Columns::Message(..) => None,
        }
    }

    /// Parses a row.
    ///
    /// # Errors
    /// If the row is malformed, as a line.
    pub(super) fn parse<'a>(&'a mut self, line: &Line<'a>) -> Result<Row<'a>, ParseError> {
        if line.too_long {
            return Err(ParseError::TooLong);
        }
        let fields = self.splitter.split(line.bytes);
        let row = match &self.columns {
            _ if fields.iter().all(<[u8]>::is_empty) => return Ok(Row::Blank),
            // Tabs are between the names, and spaces between the values, which have none themselves.
            Columns::Record(format) if self.separator == b'\t' && line.bytes.contains(&b' ') => {
                parser::parse(line.bytes, format).map(Row::Record)
            }
            Columns::Record(format) => parser::parse_values(fields.iter(), format).map(Row::Record),
            Columns::Message(at, expected) => {
                let found = fields.iter().count();
                let message = fields.iter().nth(*at).filter(|_| found == *expected);
                message.map(Row::Message).ok_or(ParseError::ColumnCount { found, expected: *expected })
            }
        };
        if self.columns.may_be_header(&row)
            && let Some(columns) = Columns::from_names(fields.iter())
        {
            return Ok(Row::Header(Box::new(CsvRows::below(columns, self.separator))));
        }
        row
    }
}

/// Returns a value without the quotes around it.
fn without_quotes(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// Returns whether this is the name of a column with whole lines.
fn is_message(name: &[u8]) -> bool {
    MESSAGE_NAMES.iter().any(|message| message.as_bytes() == name)
}
