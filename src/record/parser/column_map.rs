//! Which columns of a format give what the analysis reads.

use std::sync::Arc;

use super::fields::{ADDRESSES, NUMBERS, TEXTS, address_place, number_slot, text_place};
use crate::input::delimiters::MAX_FIELDS;
use crate::record::field::{Field, FieldType};
use crate::record::format::{Column, Format};

/// Where a format's columns are. Of the formats that are met most it is known when the program is compiled.
#[derive(Debug, Clone)]
pub enum KnownFormat {
    /// AWS's default.
    Version2,
    /// All fields of the versions 2 to 5, in AWS's order.
    Version5,
    /// Any other.
    Other(Arc<Layout>),
}

/// Which columns of a format give what the analysis reads, and which others have to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// How many there are; more than any line has if it is not told where they are.
    columns: usize,
    numbers: [u8; NUMBERS],
    addresses: [u8; ADDRESSES],
    texts: [u8; TEXTS],
    /// Numbers that the analysis does not read, and the greatest of each.
    checked: Box<[(u8, u64)]>,
}

/// The place of a column that the format lacks.
pub(super) const ABSENT: u8 = u8::MAX;

/// A layout, or one that is known when the program is compiled.
pub trait ColumnMap {
    /// Whether all fields of version 2 are there, at the places of [`LeadingFields`].
    const HAS_V2_FIELDS: bool;

    /// How many there are.
    fn columns(&self) -> usize;
    /// The column of a number.
    fn number(&self, place: usize) -> u8;
    /// The column of an address.
    fn address(&self, place: usize) -> u8;
    /// The column of a text.
    fn text(&self, place: usize) -> u8;
    /// The columns of numbers that the analysis does not read, and the greatest of each.
    fn checked(&self) -> &[(u8, u64)];
}

impl ColumnMap for Layout {
    const HAS_V2_FIELDS: bool = false;

    #[inline(always)]
    fn columns(&self) -> usize {
        self.columns
    }

    #[inline(always)]
    fn number(&self, place: usize) -> u8 {
        self.numbers[place]
    }

    #[inline(always)]
    fn address(&self, place: usize) -> u8 {
        self.addresses[place]
    }

    #[inline(always)]
    fn text(&self, place: usize) -> u8 {
        self.texts[place]
    }

    #[inline(always)]
    fn checked(&self) -> &[(u8, u64)] {
        &self.checked
    }
}

/// The first so many fields of the table of all fields, in its order.
pub struct LeadingFields<const COLUMNS: usize>;

impl<const COLUMNS: usize> LeadingFields<COLUMNS> {
    const LAYOUT: ([u8; NUMBERS], [u8; ADDRESSES], [u8; TEXTS]) = {
        let mut layout = ([ABSENT; NUMBERS], [ABSENT; ADDRESSES], [ABSENT; TEXTS]);
        let mut place = 0;
        while place < COLUMNS {
            let field = Field::ALL[place];
            match field.kind() {
                FieldType::Integer(_) if number_slot(field) < NUMBERS => layout.0[number_slot(field)] = place as u8,
                FieldType::Address => layout.1[address_place(field)] = place as u8,
                FieldType::Text if text_place(field) < TEXTS => layout.2[text_place(field)] = place as u8,
                FieldType::Integer(_) | FieldType::Text => {}
            }
            place += 1;
        }
        layout
    };
}

impl<const COLUMNS: usize> ColumnMap for LeadingFields<COLUMNS> {
    const HAS_V2_FIELDS: bool = COLUMNS >= 14;

    #[inline(always)]
    fn columns(&self) -> usize {
        COLUMNS
    }

    #[inline(always)]
    fn number(&self, place: usize) -> u8 {
        Self::LAYOUT.0[place]
    }

    #[inline(always)]
    fn address(&self, place: usize) -> u8 {
        Self::LAYOUT.1[place]
    }

    #[inline(always)]
    fn text(&self, place: usize) -> u8 {
        Self::LAYOUT.2[place]
    }

    /// Of the fields up to version 5, `version` is the only number that the analysis does not read.
    #[inline(always)]
    fn checked(&self) -> &[(u8, u64)] {
        &[(0, u64::MAX)]
    }
}

impl KnownFormat {
    pub(super) fn new(format: &Format) -> KnownFormat {
        let layout = Layout::new(format);
        if layout == Layout::first::<14>() {
            KnownFormat::Version2
        } else if layout == Layout::first::<29>() {
            KnownFormat::Version5
        } else {
            KnownFormat::Other(Arc::new(layout))
        }
    }
}

impl Layout {
    fn new(format: &Format) -> Layout {
        let few = format.columns().len() <= MAX_FIELDS;
        let mut layout = Layout {
            columns: if few { format.columns().len() } else { usize::MAX },
            numbers: [ABSENT; NUMBERS],
            addresses: [ABSENT; ADDRESSES],
            texts: [ABSENT; TEXTS],
            checked: Box::default(),
        };
        let mut checked = Vec::new();
        for (place, column) in (0..ABSENT).zip(format.columns()) {
            match *column {
                Column::Skip => {}
                Column::Number(field, max) if number_slot(field) == NUMBERS => checked.push((place, max)),
                Column::Number(field, _) => layout.numbers[number_slot(field)] = place,
                Column::Address(field) => layout.addresses[address_place(field)] = place,
                Column::Text(field) if text_place(field) == TEXTS => {}
                Column::Text(field) => layout.texts[text_place(field)] = place,
            }
        }
        layout.checked = checked.into();
        layout
    }

    fn first<const COLUMNS: usize>() -> Layout {
        let (numbers, addresses, texts) = LeadingFields::<COLUMNS>::LAYOUT;
        Layout { columns: COLUMNS, numbers, addresses, texts, checked: LeadingFields::<COLUMNS>.checked().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layouts_that_are_known_are_those_of_awss_formats() {
        let of = |columns: usize| {
            let names: Vec<&str> = Field::ALL[..columns].iter().map(|field| field.name()).collect();
            Format::from_header(names.join(" ").as_bytes()).expect("a header")
        };
        assert!(matches!(KnownFormat::new(&Format::version_2()), KnownFormat::Version2));
        assert!(matches!(KnownFormat::new(&of(14)), KnownFormat::Version2));
        assert!(matches!(KnownFormat::new(&of(29)), KnownFormat::Version5));
        assert!(matches!(KnownFormat::new(&of(28)), KnownFormat::Other(_)));
    }
}
