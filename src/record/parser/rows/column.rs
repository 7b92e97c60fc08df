//! The values of one column, parsed. A distinct value is parsed once.

use std::net::IpAddr;

use super::super::{ParseError, fields, is_absent};
use crate::input::parquet::{BATCH_ROWS, ColumnBatch, ColumnValues};
use crate::record::field::{Field, FieldType};
use crate::record::ip;

/// Values whose memory is reused. That of a large dictionary is freed.
const KEPT_VALUES: usize = 4 * BATCH_ROWS;

/// A column that is read.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) field: Field,
    /// Index in the format.
    pub(super) index: usize,
    /// The dictionary whose values are parsed.
    dictionary: Option<u64>,
    pub(super) parsed: ParsedValues,
    /// Whether one of the values is bad.
    pub(super) has_bad: bool,
}

/// The values of a column. The first of each list is that of rows without a value.
#[derive(Debug)]
pub(super) enum ParsedValues {
    Numbers(Vec<Parsed<u64>>),
    Addresses(Vec<Parsed<IpAddr>>),
    /// Texts are not parsed.
    Texts,
}

/// A number or an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parsed<T> {
    Absent,
    /// A value that is not one.
    Bad,
    Present(T),
}

impl Column {
    pub(super) fn new(index: usize, field: Field) -> Column {
        let parsed = match field.kind() {
            FieldType::Integer(_) => ParsedValues::Numbers(Vec::new()),
            FieldType::Address => ParsedValues::Addresses(Vec::new()),
            FieldType::Text => ParsedValues::Texts,
        };
        Column { field, index, dictionary: None, parsed, has_bad: false }
    }

    /// Parses the values, unless they are those of a dictionary that is parsed.
    pub(super) fn load(&mut self, batch: &ColumnBatch<'_>) {
        if batch.dictionary.is_some() && batch.dictionary == self.dictionary {
            return;
        }
        self.dictionary = batch.dictionary;
        let max = if let FieldType::Integer(max) = self.field.kind() { max } else { 0 };
        match (&mut self.parsed, batch.values) {
            (ParsedValues::Numbers(numbers), ColumnValues::Integers { values, is_signed }) => {
                self.has_bad = load(numbers, values.iter().map(|value| integer(*value, is_signed, max)));
            }
            (ParsedValues::Numbers(numbers), ColumnValues::Texts { bytes, ranges }) => {
                let value = |text: &[u8]| fields::number(text).filter(|value| *value <= max);
                self.has_bad =
                    load(numbers, ranges.iter().map(|range| text(bytes, *range)).map(|text| parsed(text, value)));
            }
            (ParsedValues::Addresses(addresses), ColumnValues::Texts { bytes, ranges }) => {
                self.has_bad =
                    load(addresses, ranges.iter().map(|range| text(bytes, *range)).map(|text| parsed(text, ip::parse)));
            }
            // The types of columns are checked when they are selected.
            (ParsedValues::Addresses(_) | ParsedValues::Texts, _) => {}
        }
    }

    /// Returns the reason why a row with a bad value is malformed.
    pub(super) fn error(&self) -> ParseError {
        let field = self.field;
        match field.kind() {
            FieldType::Integer(max) => ParseError::Number { field, max },
            FieldType::Address | FieldType::Text => ParseError::Address { field },
        }
    }
}

/// Replaces the list by the one for rows without a value and these. Returns whether one of them is bad.
fn load<T: Copy + PartialEq>(list: &mut Vec<Parsed<T>>, values: impl Iterator<Item = Parsed<T>>) -> bool {
    list.clear();
    list.shrink_to(KEPT_VALUES);
    list.push(Parsed::Absent);
    list.extend(values);
    list.contains(&Parsed::Bad)
}

fn integer(value: i64, is_signed: bool, max: u64) -> Parsed<u64> {
    if is_signed && value < 0 || value.cast_unsigned() > max {
        return Parsed::Bad;
    }
    Parsed::Present(value.cast_unsigned())
}

fn parsed<T>(text: &[u8], value: impl Fn(&[u8]) -> Option<T>) -> Parsed<T> {
    match text {
        absent if is_absent(absent) => Parsed::Absent,
        text => value(text).map_or(Parsed::Bad, Parsed::Present),
    }
}

/// Returns a text of a column.
pub(super) fn text(bytes: &[u8], (start, end): (u32, u32)) -> &[u8] {
    bytes.get(start as usize..end as usize).unwrap_or_default()
}
