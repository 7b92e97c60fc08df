//! Reads the records of a Parquet file.

use std::io::Read;
use std::sync::Arc;

use super::Options;
use super::sink::{ReadBytes, RecordSink};
use crate::error::ObjectError;
use crate::input::decoder::Decoder;
use crate::input::parquet::{self, Expected, ParquetFile};
use crate::input::spool::Spool;
use crate::record::Record;
use crate::record::field::FieldType;
use crate::record::format::Format;
use crate::record::parser::ParseError;
use crate::record::parser::rows::{RowBatch, RowParser};
use crate::sanitize::{NAME_CHARACTERS, quoted};

/// Column names that a message lists. The command shows at most 1,000 characters of a message.
const MAX_NAMES: usize = 20;
/// Columns by which a file of Security Lake is recognized.
const OCSF_COLUMNS: [&str; 3] = ["class_uid", "category_uid", "metadata"];

/// Returns whether an object that begins with these bytes is a Parquet file.
pub(super) fn is_parquet(head: &[u8]) -> bool {
    parquet::MAGIC.iter().any(|magic| head.starts_with(*magic))
}

/// Reads all records of a Parquet file.
pub(super) fn read<R: Read>(
    mut text: Decoder<R>,
    options: &Options,
    sink: &mut impl RecordSink,
) -> Result<ReadBytes, ObjectError> {
    let spool = Spool::read_all(&mut text)?;
    let compressed_bytes = text.compressed_bytes();
    drop(text);
    let mut file = ParquetFile::open(spool, compressed_bytes, options.max_object_bytes)?;
    let format = Arc::new(format(&file)?);
    if file.rows() > options.max_lines {
        return Err(ObjectError::TooManyLines { max_lines: options.max_lines });
    }
    let mut parser = RowParser::new(Arc::clone(&format));
    for (index, field) in parser.columns() {
        let is_integer = matches!(field.kind(), FieldType::Integer(_));
        file.select(index, if is_integer { Expected::IntegersOrTexts } else { Expected::Texts })?;
    }
    sink.observe_format(&format);
    let mut rows = Rows { sink, number: 0, malformed: 0, first_malformed: None };
    while let count @ 1.. = file.next_batch()? {
        let columns = 0..parser.columns().count();
        let batch = parser.load(columns.filter_map(|column| file.batch(column, count)).collect());
        rows.observe(&batch, count);
    }
    rows.finish()?;
    Ok(ReadBytes { compressed_bytes, bytes: file.page_bytes() })
}

/// The rows that were read.
struct Rows<'s, S> {
    sink: &'s mut S,
    number: u64,
    malformed: u64,
    first_malformed: Option<(u64, ParseError, Vec<u8>)>,
}

impl<S: RecordSink> Rows<'_, S> {
    fn observe(&mut self, batch: &RowBatch<'_>, count: usize) {
        for row in 0..count {
            self.number += 1;
            match batch.flow(row) {
                Some(flow) => self.sink.observe_record(&Record::Flow(flow)),
                None => self.observe_slow(batch, row),
            }
        }
    }

    #[cold]
    fn observe_slow(&mut self, batch: &RowBatch<'_>, row: usize) {
        match batch.parse(row) {
            Ok(record) => self.sink.observe_record(&record),
            Err(reason) => {
                let text = batch.text(row);
                self.malformed += 1;
                self.sink.observe_malformed(self.number, &text, &reason);
                self.first_malformed.get_or_insert((self.number, reason, text));
            }
        }
    }

    /// Returns an error if there are rows, and none is a record.
    fn finish(self) -> Result<(), ObjectError> {
        match self.first_malformed {
            Some((line, reason, text)) if self.malformed == self.number => Err(ObjectError::NotAFlowLog {
                diagnosis: format!("it is a Parquet file, and none of its {} rows is a record: {reason}", self.number),
                next_step: "check the program that wrote it",
                line,
                text: quoted(&String::from_utf8_lossy(&text), NAME_CHARACTERS),
            }),
            _ => Ok(()),
        }
    }
}

/// Returns the columns of a file, if they are those of a flow log.
fn format(file: &ParquetFile) -> Result<Format, ObjectError> {
    let names: Vec<&[u8]> = file.column_names().map(str::as_bytes).collect();
    Format::from_column_names(&names).ok_or_else(|| {
        let is_ocsf = OCSF_COLUMNS.iter().all(|name| file.column_names().any(|column| column == *name));
        let (kind, next_step) = if is_ocsf {
            (
                "it is a Parquet file in OCSF, as Security Lake writes it",
                "create a flow log that delivers to S3, and read that",
            )
        } else {
            (
                "it is a Parquet file, and its columns are not those of a flow log",
                "keep other files out of the folder or prefix of the flow logs",
            )
        };
        ObjectError::NotAFlowLog { diagnosis: kind.to_owned(), next_step, line: 1, text: shown_names(file) }
    })
}

fn shown_names(file: &ParquetFile) -> String {
    let names: Vec<&str> = file.column_names().take(MAX_NAMES).collect();
    quoted(&names.join(" "), 10 * NAME_CHARACTERS)
}
