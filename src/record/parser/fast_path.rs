//! The fast path: parses lines with known field ranges, in words, at the columns that the format gives.
//!
//! It parses a subset of the lines that the slow path ([`super::parse`]) accepts, with the same result, and returns `None` for all
//! others. It never decides that a line is malformed. Property tests compare both.

use std::net::IpAddr;

use wide::u8x16;

use super::column_map::{ABSENT, ColumnMap};
use super::decimal;
use super::fields::{self, FieldValues, address_slot, number_slot, text_slot};
use crate::input::lines::FieldRanges;
use crate::input::padded_buffer::Buffer;
use crate::record::field::{Field, FieldType};
use crate::record::ip;
use crate::record::{Flow, Record};

/// Parses a plain accepted or rejected record. With `V4`, all its addresses must be IPv4, as in nearly every line; the code for
/// addresses is then compiled for IPv4 alone.
#[inline(always)]
pub fn flow<'a, const V4: bool, P: ColumnMap>(places: &P, columns: &FieldRanges<'a>) -> Option<Flow<'a>> {
    if columns.count != places.columns() || !has_prefix(places, columns) {
        return None;
    }
    let mut values = FieldValues::default();
    addresses::<V4>(places, columns, &mut values)?;
    if P::HAS_V2_FIELDS {
        values.set_first_numbers(v2_numbers(places, columns)?);
    } else {
        numbers(places, columns, &mut values)?;
    }
    remaining_fields(places, columns, &mut values)?;
    values.into_flow(|field| has(places, field))
}

/// Parses a plain record of any class. Numbers may be absent or long.
#[inline(always)]
pub fn record<'a>(places: &impl ColumnMap, columns: &FieldRanges<'a>) -> Option<Record<'a>> {
    if columns.count != places.columns() || !has_prefix(places, columns) {
        return None;
    }
    let mut values = FieldValues::default();
    addresses::<false>(places, columns, &mut values)?;
    numbers(places, columns, &mut values)?;
    remaining_fields(places, columns, &mut values)?;
    values.classify(|field| has(places, field)).ok()
}

/// Returns whether the line begins with the prefix of the column map.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "field ranges lie in the buffer")]
fn has_prefix(places: &impl ColumnMap, columns: &FieldRanges<'_>) -> bool {
    places.prefix().matches(|column| {
        let (start, end) = columns.range(column);
        &columns.text.bytes[start as usize..end as usize]
    })
}

#[inline(always)]
fn has(places: &impl ColumnMap, field: Field) -> bool {
    places.address(address_slot(field)) != ABSENT
}

/// Parses the version 2 numbers one by one, and validates the numbers that are not read.
#[inline(always)]
fn numbers(places: &impl ColumnMap, columns: &FieldRanges<'_>, values: &mut FieldValues<'_>) -> Option<()> {
    number(places, columns, Field::Srcport, values)?;
    number(places, columns, Field::Dstport, values)?;
    number(places, columns, Field::Protocol, values)?;
    number(places, columns, Field::Packets, values)?;
    number(places, columns, Field::Bytes, values)?;
    number(places, columns, Field::Start, values)?;
    number(places, columns, Field::End, values)?;
    for (place, max) in places.validate_only() {
        let (start, end) = columns.range(*place);
        if read_number(columns.text, start, end)?.is_some_and(|value| value > *max) {
            return None;
        }
    }
    Some(())
}

#[inline(always)]
fn addresses<const V4: bool>(
    places: &impl ColumnMap,
    columns: &FieldRanges<'_>,
    values: &mut FieldValues<'_>,
) -> Option<()> {
    address::<V4>(places, columns, Field::Srcaddr, values)?;
    address::<V4>(places, columns, Field::Dstaddr, values)?;
    packet_address::<V4>(places, columns, (Field::PktSrcaddr, Field::Srcaddr), values)?;
    packet_address::<V4>(places, columns, (Field::PktDstaddr, Field::Dstaddr), values)
}

/// Parses the fields that are neither addresses nor version 2 numbers.
#[inline(always)]
fn remaining_fields<'a>(
    places: &impl ColumnMap,
    columns: &FieldRanges<'a>,
    values: &mut FieldValues<'a>,
) -> Option<()> {
    short_number(places, columns, Field::TcpFlags, values)?;
    short_number(places, columns, Field::TrafficPath, values)?;
    text(places, columns, Field::InterfaceId, values);
    text(places, columns, Field::VpcId, values);
    text(places, columns, Field::SubnetId, values);
    text(places, columns, Field::Action, values);
    text(places, columns, Field::LogStatus, values);
    text(places, columns, Field::FlowDirection, values);
    text(places, columns, Field::RejectReason, values);
    Some(())
}

/// Parses the version 2 numbers at once, in the form of nearly every record. Returns them in the order of [`number_slot`].
#[inline(always)]
fn v2_numbers(places: &impl ColumnMap, columns: &FieldRanges<'_>) -> Option<[u64; 7]> {
    let start = range(places, columns, Field::Start);
    let end = range(places, columns, Field::End);
    // Timestamps have ten digits until the year 2286: two, then eight.
    if (start.1.wrapping_sub(start.0) ^ 10) | (end.1.wrapping_sub(end.0) ^ 10) != 0 {
        return None;
    }
    let upper = decimal::timestamp_high_digits(columns.text, start.0, end.0)?;
    let packets = range(places, columns, Field::Packets);
    let bytes = range(places, columns, Field::Bytes);
    let times = [(start.1.wrapping_sub(8), start.1), (end.1.wrapping_sub(8), end.1)];
    let sums = decimal::parse_4(columns.text, [packets, bytes, times[0], times[1]], [i32::MAX; 4])?;
    let srcport = range(places, columns, Field::Srcport);
    let dstport = range(places, columns, Field::Dstport);
    let protocol = range(places, columns, Field::Protocol);
    let most = [i32::MAX, 0xffff, 0xffff, 0xff];
    let ports = decimal::parse_4(columns.text, [columns.range(VERSION), srcport, dstport, protocol], most)?;
    // Tells the compiler the bounds.
    Some([
        u64::from(ports[1] & 0xffff),
        u64::from(ports[2] & 0xffff),
        u64::from(ports[3] & 0xff),
        sums[0].into(),
        sums[1].into(),
        upper[0] + u64::from(sums[2]),
        upper[1] + u64::from(sums[3]),
    ])
}

#[inline(always)]
fn range(places: &impl ColumnMap, columns: &FieldRanges<'_>, field: Field) -> (u32, u32) {
    columns.range(places.number(number_slot(field)))
}

/// Column of `version` in AWS's formats. It is only validated.
const VERSION: u8 = 0;

#[inline(always)]
fn number(
    places: &impl ColumnMap,
    columns: &FieldRanges<'_>,
    field: Field,
    values: &mut FieldValues<'_>,
) -> Option<()> {
    let place = places.number(number_slot(field));
    if place != ABSENT {
        let (start, end) = columns.range(place);
        if let Some(value) = read_number(columns.text, start, end)? {
            if matches!(field.kind(), FieldType::Integer(max) if value > max) {
                return None;
            }
            values.set_number(field, value, true);
        }
    }
    Some(())
}

/// Parses a number of at most four digits, or `-`.
#[inline(always)]
fn short_number(
    places: &impl ColumnMap,
    columns: &FieldRanges<'_>,
    field: Field,
    values: &mut FieldValues<'_>,
) -> Option<()> {
    let place = places.number(number_slot(field));
    if place != ABSENT {
        let (start, end) = columns.range(place);
        let Some((value, is_present)) = decimal::parse_short_or_dash(columns.text, start, end) else {
            return number(places, columns, field, values);
        };
        values.set_number(field, value, is_present);
    }
    Some(())
}

/// Parses a packet address, which usually has the same text as the flow's address.
#[inline(always)]
fn packet_address<const V4: bool>(
    places: &impl ColumnMap,
    columns: &FieldRanges<'_>,
    (field, of_flow): (Field, Field),
    values: &mut FieldValues<'_>,
) -> Option<()> {
    let (place, place_of_flow) = (places.address(address_slot(field)), places.address(address_slot(of_flow)));
    if place != ABSENT
        && place_of_flow != ABSENT
        && let Some(same) = values.address(of_flow)
        && same_bytes(columns, columns.range(place), columns.range(place_of_flow))
    {
        values.set_address(field, same);
        return Some(());
    }
    address::<V4>(places, columns, field, values)
}

/// Returns whether two fields have the same bytes. Compares IPv4 addresses as one word.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "field ranges lie in the buffer")]
fn same_bytes(columns: &FieldRanges<'_>, a: (u32, u32), b: (u32, u32)) -> bool {
    let length = a.1.wrapping_sub(a.0);
    if length != b.1.wrapping_sub(b.0) {
        return false;
    }
    if length > 16 {
        let text = |(start, end): (u32, u32)| &columns.text.bytes[start as usize..end as usize];
        return text(a) == text(b);
    }
    let word = |start: u32| u8x16::new(*columns.text.read_at(start));
    let own = (1 << length) - 1;
    word(a.0).simd_eq(word(b.0)).to_bitmask() & own == own
}

#[inline(always)]
fn address<const V4: bool>(
    places: &impl ColumnMap,
    columns: &FieldRanges<'_>,
    field: Field,
    values: &mut FieldValues<'_>,
) -> Option<()> {
    let place = places.address(address_slot(field));
    if place != ABSENT {
        let (start, end) = columns.range(place);
        match ip::parse_v4_in(columns.text, start, end) {
            Some(v4) => values.set_address(field, v4.into()),
            None if V4 => return None,
            None => {
                if let Some(other) = other_address(columns, place)? {
                    values.set_address(field, other);
                }
            }
        }
    }
    Some(())
}

#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "field ranges lie in the buffer")]
fn text<'a>(places: &impl ColumnMap, columns: &FieldRanges<'a>, field: Field, values: &mut FieldValues<'a>) {
    let place = places.text(text_slot(field));
    if place != ABSENT {
        let (start, end) = columns.range(place);
        values.set_text(field, &columns.text.bytes[start as usize..end as usize]);
    }
}

/// Parses an address that is not IPv4. The inner `None` is `-`.
#[cold]
#[expect(clippy::indexing_slicing, reason = "field ranges lie in the buffer")]
fn other_address(columns: &FieldRanges<'_>, place: u8) -> Option<Option<IpAddr>> {
    let (start, end) = columns.range(place);
    let text = &columns.text.bytes[start as usize..end as usize];
    if text == b"-" { Some(None) } else { ip::parse(text).map(Some) }
}

/// Parses a number. The inner `None` is `-`; the outer one means that the slow path must parse the line.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "field ranges lie in the buffer")]
fn read_number(text: &Buffer, start: u32, end: u32) -> Option<Option<u64>> {
    match decimal::number(text, start, end) {
        Some(value) => Some(Some(value)),
        None => other_number(&text.bytes[start as usize..end as usize]),
    }
}

#[cold]
fn other_number(text: &[u8]) -> Option<Option<u64>> {
    if text == b"-" { Some(None) } else { fields::number(text).map(Some) }
}
