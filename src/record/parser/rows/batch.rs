//! The rows of a batch.

use std::net::IpAddr;

use super::super::fields::{ADDRESSES, FieldValues, NUMBERS, TEXTS, address_slot, number_slot, text_slot};
use super::super::{ParseError, is_absent, transit_gateway};
use super::column::{Column, Parsed, ParsedValues, text};
use crate::input::parquet::{BATCH_ROWS, ColumnBatch, ColumnValues};
use crate::record::field::Field;
use crate::record::{Flow, OtherRecord, Record, TransitGatewayLoss};

/// Bytes of a malformed row that are shown.
const SHOWN_BYTES: usize = 1024;

/// The rows of a batch.
pub struct RowBatch<'a> {
    columns: &'a [Column],
    batch: Vec<ColumnBatch<'a>>,
    numbers: [Lookup<'a, u64>; NUMBERS],
    addresses: [Lookup<'a, IpAddr>; ADDRESSES],
    texts: [TextLookup<'a>; TEXTS],
    has_bad: bool,
    /// Whether records with an action must have a source, and a destination.
    requires: (bool, bool),
}

/// The values of one column by row.
#[derive(Clone, Copy)]
struct Lookup<'a, T> {
    values: &'a [Parsed<T>],
    indexes: &'a [u32],
}

/// The texts of one column by row.
#[derive(Clone, Copy)]
struct TextLookup<'a> {
    bytes: &'a [u8],
    ranges: &'a [(u32, u32)],
    indexes: &'a [u32],
}

/// The indexes of a column that the format lacks.
static NO_VALUES: [u32; BATCH_ROWS] = [0; BATCH_ROWS];

impl<T: Copy> Lookup<'_, T> {
    const ABSENT: Self = Lookup { values: &[Parsed::Absent], indexes: &NO_VALUES };

    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "a batch has an index for each row, and a value for each index")]
    fn get(&self, row: usize) -> Parsed<T> {
        self.values[self.indexes[row] as usize]
    }
}

impl<'a> TextLookup<'a> {
    const ABSENT: Self = TextLookup { bytes: &[], ranges: &[], indexes: &NO_VALUES };

    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "a batch has an index for each row, and a value for each index")]
    fn get(&self, row: usize) -> &'a [u8] {
        match self.indexes[row] {
            0 => b"",
            index => text(self.bytes, self.ranges[index as usize - 1]),
        }
    }
}

impl<'a> RowBatch<'a> {
    /// Takes the columns with the values of this batch, and these values. `requires` is whether the format has a source, and a
    /// destination.
    pub(super) fn new(columns: &'a [Column], requires: (bool, bool), batch: Vec<ColumnBatch<'a>>) -> RowBatch<'a> {
        let has_bad = columns.iter().any(|column| column.has_bad);
        let mut rows = RowBatch {
            numbers: [Lookup::ABSENT; NUMBERS],
            addresses: [Lookup::ABSENT; ADDRESSES],
            texts: [TextLookup::ABSENT; TEXTS],
            columns,
            batch: Vec::new(),
            has_bad,
            requires,
        };
        for (column, ColumnBatch { values, indexes, .. }) in columns.iter().zip(&batch) {
            match (&column.parsed, *values) {
                (ParsedValues::Numbers(values), _) => {
                    if let Some(number) = rows.numbers.get_mut(number_slot(column.field)) {
                        *number = Lookup { values, indexes };
                    }
                }
                (ParsedValues::Addresses(values), _) => {
                    if let Some(address) = rows.addresses.get_mut(address_slot(column.field)) {
                        *address = Lookup { values, indexes };
                    }
                }
                (ParsedValues::Texts, ColumnValues::Texts { bytes, ranges }) => {
                    if let Some(text) = rows.texts.get_mut(text_slot(column.field)) {
                        *text = TextLookup { bytes, ranges, indexes };
                    }
                }
                (ParsedValues::Texts, ColumnValues::Integers { .. }) => {}
            }
        }
        rows.batch = batch;
        rows
    }

    /// Parses an accepted or rejected row. Returns `None` if [`RowBatch::parse`] must parse it.
    #[inline(always)]
    pub fn flow(&self, row: usize) -> Option<Flow<'a>> {
        const NUMBER_FIELDS: [Field; NUMBERS] = [
            Field::Srcport,
            Field::Dstport,
            Field::Protocol,
            Field::Packets,
            Field::Bytes,
            Field::Start,
            Field::End,
            Field::TcpFlags,
            Field::TrafficPath,
        ];
        const ADDRESS_FIELDS: [Field; ADDRESSES] =
            [Field::Srcaddr, Field::Dstaddr, Field::PktSrcaddr, Field::PktDstaddr];
        const TEXT_FIELDS: [Field; TEXTS] = [
            Field::InterfaceId,
            Field::VpcId,
            Field::SubnetId,
            Field::Action,
            Field::LogStatus,
            Field::FlowDirection,
            Field::RejectReason,
        ];
        if self.has_bad {
            return None;
        }
        let mut values = FieldValues::default();
        for (field, lookup) in NUMBER_FIELDS.into_iter().zip(&self.numbers) {
            if let Parsed::Present(number) = lookup.get(row) {
                values.set_number(field, number, true);
            }
        }
        for (field, lookup) in ADDRESS_FIELDS.into_iter().zip(&self.addresses) {
            if let Parsed::Present(address) = lookup.get(row) {
                values.set_address(field, address);
            }
        }
        for (field, lookup) in TEXT_FIELDS.into_iter().zip(&self.texts) {
            values.set_text(field, lookup.get(row));
        }
        values.into_flow(|field| self.requires(field))
    }

    fn requires(&self, field: Field) -> bool {
        if field == Field::Srcaddr { self.requires.0 } else { self.requires.1 }
    }

    /// Parses any row.
    ///
    /// # Errors
    /// If the row is malformed: by the first value that does not parse, or because an address is missing.
    #[cold]
    pub fn parse(&self, row: usize) -> Result<Record<'a>, ParseError> {
        let mut values = FieldValues::default();
        let mut loss = TransitGatewayLoss::default();
        for (column, batch) in self.columns.iter().zip(&self.batch) {
            let field = column.field;
            let indexes = batch.indexes;
            match (&column.parsed, batch.values) {
                (ParsedValues::Numbers(values_of), _) => match (Lookup { values: values_of, indexes }).get(row) {
                    Parsed::Absent => {}
                    Parsed::Bad => return Err(column.error()),
                    Parsed::Present(number) => {
                        values.set_number(field, number, true);
                        transit_gateway::set_number(&mut loss, field, number);
                    }
                },
                (ParsedValues::Addresses(values_of), _) => match (Lookup { values: values_of, indexes }).get(row) {
                    Parsed::Absent => {}
                    Parsed::Bad => return Err(column.error()),
                    Parsed::Present(address) => values.set_address(field, address),
                },
                (ParsedValues::Texts, ColumnValues::Texts { bytes, ranges }) => {
                    let text = TextLookup { bytes, ranges, indexes }.get(row);
                    values.set_text(field, text);
                    if !is_absent(text) {
                        transit_gateway::set_text(&mut loss, field, text);
                    }
                }
                (ParsedValues::Texts, ColumnValues::Integers { .. }) => {}
            }
        }
        match values.classify(|field| self.requires(field))? {
            Record::Other(other) => {
                let loss = loss.losses().next().is_some().then_some(loss);
                Ok(Record::Other(OtherRecord { loss, ..other }))
            }
            record => Ok(record),
        }
    }

    /// Returns the values of a row as text, with spaces between them, for a message about a malformed row.
    pub fn text(&self, row: usize) -> Vec<u8> {
        let mut line = Vec::new();
        for batch in &self.batch {
            if !line.is_empty() {
                line.push(b' ');
            }
            let index = batch.indexes.get(row).and_then(|index| (*index as usize).checked_sub(1));
            match (batch.values, index) {
                (ColumnValues::Integers { values, is_signed }, Some(index)) => match values.get(index).copied() {
                    Some(value) if is_signed => line.extend(value.to_string().bytes()),
                    Some(value) => line.extend(value.cast_unsigned().to_string().bytes()),
                    None => {}
                },
                (ColumnValues::Texts { bytes, ranges }, Some(index)) => {
                    let text = ranges.get(index).map(|range| text(bytes, *range)).unwrap_or_default();
                    line.extend(text.iter().take(SHOWN_BYTES));
                }
                (_, None) => line.push(b'-'),
            }
            if line.len() > SHOWN_BYTES {
                break;
            }
        }
        line
    }
}
