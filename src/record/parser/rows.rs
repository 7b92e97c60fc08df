//! Rows of a table to records.
//!
//! A distinct value is parsed once: a row has the index of its value ([`ColumnBatch`]). Nearly every row takes the fast path
//! ([`RowBatch::flow`]). All others take the slow path ([`RowBatch::parse`]), which alone decides that a row is malformed, by the same
//! rules as [`super::parse`] does for a line.

mod batch;
mod column;

use std::sync::Arc;

pub use self::batch::RowBatch;
use self::column::Column;
use super::fields::{TEXTS, text_slot};
use crate::input::parquet::ColumnBatch;
use crate::record::LossReason;
use crate::record::field::{Field, FieldType};
use crate::record::format::Format;

/// Parses rows with the columns of one format.
#[derive(Debug)]
pub struct RowParser {
    format: Arc<Format>,
    columns: Vec<Column>,
}

impl RowParser {
    /// Creates a parser for rows of this format.
    pub fn new(format: Arc<Format>) -> RowParser {
        let has_losses =
            format.columns().iter().any(|column| column.field().and_then(LossReason::from_field).is_some());
        let is_needed = |field: Field| match field.kind() {
            // Numbers and addresses that are not read are validated.
            FieldType::Integer(_) | FieldType::Address => true,
            FieldType::Text => text_slot(field) < TEXTS || has_losses && is_of_loss(field),
        };
        let columns = format.columns().iter().enumerate();
        let columns =
            columns.filter_map(|(index, column)| Some((index, column.field().filter(|field| is_needed(*field))?)));
        let columns = columns.map(|(index, field)| Column::new(index, field)).collect();
        RowParser { columns, format }
    }

    /// Returns the columns that are read: index in the format, and field. The values of a batch have their order.
    pub fn columns(&self) -> impl Iterator<Item = (usize, Field)> {
        self.columns.iter().map(|column| (column.index, column.field))
    }

    /// Parses the values of a batch, and returns its rows.
    pub fn load<'a>(&'a mut self, batch: Vec<ColumnBatch<'a>>) -> RowBatch<'a> {
        for (column, values) in self.columns.iter_mut().zip(&batch) {
            column.load(values);
        }
        let requires = (self.format.has(Field::Srcaddr), self.format.has(Field::Dstaddr));
        RowBatch::new(&self.columns, requires, batch)
    }
}

/// Returns whether a transit gateway's losses have this text.
fn is_of_loss(field: Field) -> bool {
    matches!(field, Field::TgwId | Field::TgwSrcVpcId | Field::TgwDstVpcId)
}
