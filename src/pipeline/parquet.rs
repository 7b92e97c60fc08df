//! Reads the records of a Parquet file.

use std::io::Read;
use std::sync::Arc;

use super::sink::RecordSink;
use super::{Options, ReadObject, not_a_flow_log};
use crate::error::ObjectError;
use crate::input::decoder::Decoder;
use crate::input::parquet::{Expected, ParquetFile};
use crate::input::shape::Shape;
use crate::input::spool::Spool;
use crate::record::field::FieldType;
use crate::record::format::Format;
use crate::record::parser::rows::{RowBatch, RowParser};
use crate::sanitize::{NAME_CHARACTERS, quoted};

/// Column names that a message lists. The command shows at most 1,000 characters of a message.
const MAX_NAMES: usize = 20;
/// Columns by which a file of Security Lake is recognized.
const OCSF_COLUMNS: [&str; 3] = ["class_uid", "category_uid", "metadata"];

/// Reads all records of a Parquet file.
pub(super) fn read<R: Read>(
    mut content: Decoder<R>,
    options: &Options,
    sink: &mut impl RecordSink,
) -> Result<ReadObject, ObjectError> {
    let spool = Spool::read_all(&mut content)?;
    let compressed_bytes = content.compressed_bytes();
    drop(content);
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
    let mut number = 0;
    while let count @ 1.. = file.next_batch()? {
        let columns = 0..parser.columns().count();
        let batch = parser.load(columns.filter_map(|column| file.batch(column, count)).collect());
        for row in 0..count {
            number += 1;
            match batch.flow(row) {
                Some(flow) => sink.observe_flow(&flow),
                None => observe_slow(&batch, row, number, sink),
            }
        }
    }
    let (records, (malformed, first)) = (sink.records(), sink.malformed());
    if records > 0 && malformed == records {
        return Err(not_a_flow_log::error(Shape::Parquet, records, first, &[], &format));
    }
    Ok(ReadObject { shape: Shape::Parquet, compressed_bytes, bytes: file.page_bytes() })
}

/// Parses a row by the slow path.
#[cold]
fn observe_slow(batch: &RowBatch<'_>, row: usize, number: u64, sink: &mut impl RecordSink) {
    match batch.parse(row) {
        Ok(record) => sink.observe_record(&record),
        Err(reason) => sink.observe_malformed(number, &batch.text(row), &reason),
    }
}

/// Returns the columns of a file, if they are those of a flow log.
fn format(file: &ParquetFile) -> Result<Format, ObjectError> {
    Format::from_columns(file.column_names().map(str::as_bytes)).ok_or_else(|| {
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
        ObjectError::NotAFlowLog {
            diagnosis: kind.to_owned(),
            next_step,
            unit: "column",
            number: 1,
            text: shown_names(file),
        }
    })
}

fn shown_names(file: &ParquetFile) -> String {
    let names: Vec<&str> = file.column_names().take(MAX_NAMES).collect();
    quoted(&names.join(" "), 10 * NAME_CHARACTERS)
}
