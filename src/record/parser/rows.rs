//! Rows of a table to records.
//!
//! A distinct value is parsed once: a row has the index of its value ([`ColumnBatch`]). Nearly every row takes the fast path
//! ([`RowBatch::flow`]). All others take the slow path ([`RowBatch::parse`]), which alone decides that a row is malformed, by the same
//! rules as [`super::parse`] does for a line.

use std::net::IpAddr;
use std::sync::Arc;

use super::fields::{self, ADDRESSES, FieldValues, NUMBERS, TEXTS, address_slot, number_slot, text_slot};
use super::{ParseError, is_absent, transit_gateway};
use crate::input::parquet::{BATCH_ROWS, ColumnBatch, ColumnValues};
use crate::record::field::{Field, FieldType};
use crate::record::format::Format;
use crate::record::{Flow, LossReason, Record, TransitGatewayLoss, ip};

/// Values whose memory is reused. That of a large dictionary is freed.
const KEPT_VALUES: usize = 4 * BATCH_ROWS;
/// Bytes of a malformed row that are shown.
const SHOWN_BYTES: usize = 1024;

/// Parses rows with the columns of one format.
#[derive(Debug)]
pub struct RowParser {
    format: Arc<Format>,
    columns: Vec<Column>,
}

/// A column that is read.
#[derive(Debug)]
struct Column {
    field: Field,
    /// Index in the format.
    index: usize,
    /// The dictionary whose values are parsed.
    dictionary: Option<u64>,
    parsed: ParsedValues,
    has_bad: bool,
}

/// The values of a column. The first of each list is that of rows without a value.
#[derive(Debug)]
enum ParsedValues {
    Numbers(Vec<Parsed<u64>>),
    Addresses(Vec<Parsed<IpAddr>>),
    /// Texts are not parsed.
    Texts,
}

/// A number or an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parsed<T> {
    Absent,
    /// A value that is not one.
    Bad,
    Present(T),
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
        RowBatch::new(self, batch)
    }
}

/// Returns whether a transit gateway's losses have this text.
fn is_of_loss(field: Field) -> bool {
    matches!(field, Field::TgwId | Field::TgwSrcVpcId | Field::TgwDstVpcId)
}

impl Column {
    fn new(index: usize, field: Field) -> Column {
        let parsed = match field.kind() {
            FieldType::Integer(_) => ParsedValues::Numbers(Vec::new()),
            FieldType::Address => ParsedValues::Addresses(Vec::new()),
            FieldType::Text => ParsedValues::Texts,
        };
        Column { field, index, dictionary: None, parsed, has_bad: false }
    }

    /// Parses the values, unless they are those of a dictionary that is parsed.
    fn load(&mut self, batch: &ColumnBatch<'_>) {
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

    fn error(&self) -> ParseError {
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
fn text(bytes: &[u8], (start, end): (u32, u32)) -> &[u8] {
    bytes.get(start as usize..end as usize).unwrap_or_default()
}

/// The rows of a batch.
pub struct RowBatch<'a> {
    parser: &'a RowParser,
    batch: Vec<ColumnBatch<'a>>,
    numbers: [Lookup<'a, u64>; NUMBERS],
    addresses: [Lookup<'a, IpAddr>; ADDRESSES],
    texts: [TextLookup<'a>; TEXTS],
    has_bad: bool,
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
    fn new(parser: &'a RowParser, batch: Vec<ColumnBatch<'a>>) -> RowBatch<'a> {
        let requires = (parser.format.has(Field::Srcaddr), parser.format.has(Field::Dstaddr));
        let has_bad = parser.columns.iter().any(|column| column.has_bad);
        let mut rows = RowBatch {
            numbers: [Lookup::ABSENT; NUMBERS],
            addresses: [Lookup::ABSENT; ADDRESSES],
            texts: [TextLookup::ABSENT; TEXTS],
            parser,
            batch: Vec::new(),
            has_bad,
            requires,
        };
        for (column, ColumnBatch { values, indexes, .. }) in parser.columns.iter().zip(&batch) {
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
        for (column, batch) in self.parser.columns.iter().zip(&self.batch) {
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
            Record::Other(_) => Ok(Record::Other(loss.losses().next().is_some().then_some(loss))),
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
