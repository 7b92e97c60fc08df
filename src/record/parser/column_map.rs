//! Maps the fields that the analysis reads to the columns of a format.

use std::sync::Arc;

use super::fields::{ADDRESSES, NUMBERS, TEXTS, address_slot, number_slot, text_slot};
use super::prefix::Prefix;
use crate::input::delimiters::MAX_FIELDS;
use crate::record::LossReason;
use crate::record::field::{Field, FieldType};
use crate::record::format::{Column, Format};

/// The column map of a format. The maps of the two most common formats are constants.
#[derive(Debug, Clone)]
pub enum KnownFormat {
    /// AWS's default.
    Version2,
    /// All fields of the versions 2 to 5, in AWS's order.
    Version5,
    /// Any other format.
    Other(Arc<Layout>),
}

/// A column map that is computed at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Number of columns. Above [`MAX_FIELDS`] it is larger than that of any line with field ranges.
    columns: usize,
    prefix: Prefix,
    numbers: [u8; NUMBERS],
    addresses: [u8; ADDRESSES],
    texts: [u8; TEXTS],
    /// Columns of numbers that are only validated, with the maximum that the fast path accepts.
    validate_only: Box<[(u8, u64)]>,
}

/// Marks a field without a column.
pub(super) const ABSENT: u8 = u8::MAX;

/// A column map, computed at run time or at compile time. Slots are indexes of the arrays in `super::fields`.
pub trait ColumnMap {
    /// Whether the format has all version 2 fields, in the columns of [`LeadingFields`].
    const HAS_V2_FIELDS: bool;

    /// Returns the number of columns, those of the prefix included.
    fn columns(&self) -> usize;
    /// Returns what stands before each record.
    fn prefix(&self) -> Prefix;
    /// Returns the column of a number.
    fn number(&self, slot: usize) -> u8;
    /// Returns the column of an address.
    fn address(&self, slot: usize) -> u8;
    /// Returns the column of a text.
    fn text(&self, slot: usize) -> u8;
    /// Returns the columns of numbers that are only validated, with the maximum that the fast path accepts.
    fn validate_only(&self) -> &[(u8, u64)];
}

impl ColumnMap for Layout {
    const HAS_V2_FIELDS: bool = false;

    #[inline(always)]
    fn columns(&self) -> usize {
        self.columns
    }

    #[inline(always)]
    fn prefix(&self) -> Prefix {
        self.prefix
    }

    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "slots are below the lengths of the arrays by construction of the field table"
    )]
    fn number(&self, slot: usize) -> u8 {
        self.numbers[slot]
    }

    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "slots are below the lengths of the arrays by construction of the field table"
    )]
    fn address(&self, slot: usize) -> u8 {
        self.addresses[slot]
    }

    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "slots are below the lengths of the arrays by construction of the field table"
    )]
    fn text(&self, slot: usize) -> u8 {
        self.texts[slot]
    }

    #[inline(always)]
    fn validate_only(&self) -> &[(u8, u64)] {
        &self.validate_only
    }
}

/// The column map of a format that consists of the first `COLUMNS` fields, in the order of the field table.
pub struct LeadingFields<const COLUMNS: usize>;

impl<const COLUMNS: usize> LeadingFields<COLUMNS> {
    #[expect(
        clippy::indexing_slicing,
        reason = "slots are below the lengths of the arrays by construction of the field table"
    )]
    const LAYOUT: ([u8; NUMBERS], [u8; ADDRESSES], [u8; TEXTS]) = {
        let mut map = ([ABSENT; NUMBERS], [ABSENT; ADDRESSES], [ABSENT; TEXTS]);
        let mut slot = 0;
        while slot < COLUMNS {
            let field = Field::ALL[slot];
            match field.kind() {
                FieldType::Integer(_) if number_slot(field) < NUMBERS => map.0[number_slot(field)] = slot as u8,
                FieldType::Address => map.1[address_slot(field)] = slot as u8,
                FieldType::Text if text_slot(field) < TEXTS => map.2[text_slot(field)] = slot as u8,
                FieldType::Integer(_) | FieldType::Text => {}
            }
            slot += 1;
        }
        map
    };
}

impl<const COLUMNS: usize> ColumnMap for LeadingFields<COLUMNS> {
    const HAS_V2_FIELDS: bool = COLUMNS >= 14;

    #[inline(always)]
    fn columns(&self) -> usize {
        COLUMNS
    }

    #[inline(always)]
    fn prefix(&self) -> Prefix {
        Prefix::None
    }

    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "slots are below the lengths of the arrays by construction of the field table"
    )]
    fn number(&self, slot: usize) -> u8 {
        Self::LAYOUT.0[slot]
    }

    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "slots are below the lengths of the arrays by construction of the field table"
    )]
    fn address(&self, slot: usize) -> u8 {
        Self::LAYOUT.1[slot]
    }

    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "slots are below the lengths of the arrays by construction of the field table"
    )]
    fn text(&self, slot: usize) -> u8 {
        Self::LAYOUT.2[slot]
    }

    /// Returns only `version`: the analysis reads all other numbers up to version 5.
    #[inline(always)]
    fn validate_only(&self) -> &[(u8, u64)] {
        &[(0, u64::MAX)]
    }
}

impl KnownFormat {
    pub(super) fn new(format: &Format, prefix: Prefix) -> KnownFormat {
        let map = Layout::new(format, prefix);
        if map == Layout::first::<14>() {
            KnownFormat::Version2
        } else if map == Layout::first::<29>() {
            KnownFormat::Version5
        } else {
            KnownFormat::Other(Arc::new(map))
        }
    }
}

impl Layout {
    #[expect(
        clippy::indexing_slicing,
        reason = "slots are below the lengths of the arrays by construction of the field table"
    )]
    fn new(format: &Format, prefix: Prefix) -> Layout {
        let columns = format.columns().len() + usize::from(prefix.columns());
        let mut map = Layout {
            columns: if columns <= MAX_FIELDS { columns } else { usize::MAX },
            prefix,
            numbers: [ABSENT; NUMBERS],
            addresses: [ABSENT; ADDRESSES],
            texts: [ABSENT; TEXTS],
            validate_only: Box::default(),
        };
        let mut validate_only = Vec::new();
        for (slot, column) in (prefix.columns()..ABSENT).zip(format.columns()) {
            match *column {
                Column::Skip => {}
                // The slow path reads the record of a loss.
                Column::Number(field, _) if LossReason::from_field(field).is_some() => validate_only.push((slot, 0)),
                Column::Number(field, max) if number_slot(field) == NUMBERS => validate_only.push((slot, max)),
                Column::Number(field, _) => map.numbers[number_slot(field)] = slot,
                Column::Address(field) => map.addresses[address_slot(field)] = slot,
                Column::Text(field) if text_slot(field) == TEXTS => {}
                Column::Text(field) => map.texts[text_slot(field)] = slot,
            }
        }
        map.validate_only = validate_only.into();
        map
    }

    fn first<const COLUMNS: usize>() -> Layout {
        let (numbers, addresses, texts) = LeadingFields::<COLUMNS>::LAYOUT;
        Layout {
            columns: COLUMNS,
            prefix: Prefix::None,
            numbers,
            addresses,
            texts,
            validate_only: LeadingFields::<COLUMNS>.validate_only().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_maps_equal_computed_maps() {
        let of = |columns: usize| {
            let names: Vec<&str> = Field::ALL[..columns].iter().map(|field| field.name()).collect();
            Format::from_header(names.join(" ").as_bytes()).expect("a header")
        };
        assert!(matches!(KnownFormat::new(&Format::version_2(), Prefix::None), KnownFormat::Version2));
        assert!(matches!(KnownFormat::new(&of(14), Prefix::None), KnownFormat::Version2));
        assert!(matches!(KnownFormat::new(&of(29), Prefix::None), KnownFormat::Version5));
        assert!(matches!(KnownFormat::new(&of(28), Prefix::None), KnownFormat::Other(_)));
    }
}
