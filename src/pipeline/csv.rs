//! Rows of comma-separated or tab-separated values.

use crate::input::csv::RowSplitter;
use crate::input::lines::Line;
use crate::record::Record;
use crate::record::format::Format;
use crate::record::parser::{self, ParseError};

/// Characters between the fields of a row.
const SEPARATORS: [u8; 2] = [b',', b'\t'];

/// Columns that hold a whole line each, in exports of CloudWatch Logs and of its queries.
const MESSAGE_COLUMNS: [&[u8]; 2] = [b"message", b"@message"];

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
    Header(CsvRows),
    /// A row without values.
    Blank,
}

impl Columns {
    /// Recognizes the names of a header: at least half of them are those of fields, or one is that of a message.
    fn from_names<'a>(names: impl Iterator<Item = &'a [u8]> + Clone) -> Option<Columns> {
        if let Some(format) = Format::from_columns(names.clone()) {
            return Some(Columns::Record(format));
        }
        let at = names.clone().position(|name| MESSAGE_COLUMNS.contains(&name))?;
        Some(Columns::Message(at, names.count()))
    }

    /// Returns whether a row may be a header, which spares nearly all of them the search for names.
    fn may_be_header(&self, row: &Result<Row<'_>, ParseError>) -> bool {
        match (row, self) {
            (Ok(Row::Record(record)), Columns::Record(format)) => !format.cannot_be_header(record.has_class()),
            (Ok(Row::Message(message)), _) => MESSAGE_COLUMNS.contains(message),
            _ => true,
        }
    }
}

impl CsvRows {
    /// Returns the rows below this line, if it is a header.
    pub(super) fn from_header(line: &[u8]) -> Option<CsvRows> {
        let used = SEPARATORS.into_iter().filter(|separator| line.contains(separator));
        used.filter_map(|separator| {
            let mut splitter = RowSplitter::new(separator);
            let columns = Columns::from_names(splitter.split(line).iter())?;
            Some(CsvRows { splitter, separator, columns })
        })
        .next()
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
            // Tabs are between the names, and spaces between the values.
            Columns::Record(format) if self.separator == b'\t' && fields.iter().count() == 1 => {
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
            && let Some(header) = CsvRows::from_header(line.bytes)
        {
            return Ok(Row::Header(header));
        }
        row
    }
}
