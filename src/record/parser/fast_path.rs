//! Lines in which nothing is unusual, their values read in words at the places that the format gives.

use std::net::IpAddr;

use wide::u8x16;

use super::column_map::{ABSENT, ColumnMap};
use super::decimal;
use super::fields::{self, FieldValues, address_place, number_slot, text_place};
use crate::input::cpu::Simd;
use crate::input::lines::FieldRanges;
use crate::input::padded_buffer::Buffer;
use crate::record::field::{Field, FieldType};
use crate::record::ip;
use crate::record::{Flow, Record};

/// The accepted or rejected record that a line is, if nothing about it is unusual; with `V4`, if all its addresses are of IPv4
/// as well, as of nearly every line: whatever is done with them then is compiled for these alone.
#[inline(always)]
pub fn flow<'a, const V4: bool, P: ColumnMap>(
    simd: impl Simd,
    places: &P,
    columns: &FieldRanges<'a>,
) -> Option<Flow<'a>> {
    if columns.count != places.columns() {
        return None;
    }
    let mut values = FieldValues::default();
    addresses::<V4>(simd, places, columns, &mut values)?;
    if P::HAS_V2_FIELDS {
        values.set_first_numbers(v2_numbers(places, columns)?);
    } else {
        numbers(places, columns, &mut values)?;
    }
    others(places, columns, &mut values)?;
    values.into_flow(|field| has(places, field))
}

/// The record that a line is, unless something about it is unusual, right or wrong: numbers may lack or be long.
#[inline(always)]
pub fn record<'a>(simd: impl Simd, places: &impl ColumnMap, columns: &FieldRanges<'a>) -> Option<Record<'a>> {
    if columns.count != places.columns() {
        return None;
    }
    let mut values = FieldValues::default();
    addresses::<false>(simd, places, columns, &mut values)?;
    numbers(places, columns, &mut values)?;
    others(places, columns, &mut values)?;
    values.classify(|field| has(places, field)).ok()
}

#[inline(always)]
fn has(places: &impl ColumnMap, field: Field) -> bool {
    places.address(address_place(field)) != ABSENT
}

/// The numbers of version 2, each by itself, and those that are checked alone.
#[inline(always)]
fn numbers(places: &impl ColumnMap, columns: &FieldRanges<'_>, values: &mut FieldValues<'_>) -> Option<()> {
    number(places, columns, Field::Srcport, values)?;
    number(places, columns, Field::Dstport, values)?;
    number(places, columns, Field::Protocol, values)?;
    number(places, columns, Field::Packets, values)?;
    number(places, columns, Field::Bytes, values)?;
    number(places, columns, Field::Start, values)?;
    number(places, columns, Field::End, values)?;
    for (place, max) in places.checked() {
        let (start, end) = columns.range(*place);
        if read_number(columns.text, start, end)?.is_some_and(|value| value > *max) {
            return None;
        }
    }
    Some(())
}

#[inline(always)]
fn addresses<const V4: bool>(
    simd: impl Simd,
    places: &impl ColumnMap,
    columns: &FieldRanges<'_>,
    values: &mut FieldValues<'_>,
) -> Option<()> {
    address::<V4>(simd, places, columns, Field::Srcaddr, values)?;
    address::<V4>(simd, places, columns, Field::Dstaddr, values)?;
    packet_address::<V4>(simd, places, columns, (Field::PktSrcaddr, Field::Srcaddr), values)?;
    packet_address::<V4>(simd, places, columns, (Field::PktDstaddr, Field::Dstaddr), values)
}

/// What the line has beside addresses and the numbers of version 2.
#[inline(always)]
fn others<'a>(places: &impl ColumnMap, columns: &FieldRanges<'a>, values: &mut FieldValues<'a>) -> Option<()> {
    short_number(places, columns, Field::SynFlag, values)?;
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

/// The numbers of version 2 at once, as they are in nearly every record, in the order of [`number_slot`].
#[inline(always)]
fn v2_numbers(places: &impl ColumnMap, columns: &FieldRanges<'_>) -> Option<[u64; 7]> {
    let start = range(places, columns, Field::Start);
    let end = range(places, columns, Field::End);
    // Ten digits, as they have until the year 2286: two by themselves, and eight.
    if (start.1.wrapping_sub(start.0) ^ 10) | (end.1.wrapping_sub(end.0) ^ 10) != 0 {
        return None;
    }
    let upper = decimal::timestamp_high_digits(columns.text, start.0, end.0)?;
    let packets = range(places, columns, Field::Packets);
    let bytes = range(places, columns, Field::Bytes);
    let times = [(start.1.wrapping_sub(8), start.1), (end.1.wrapping_sub(8), end.1)];
    let sums = decimal::four(columns.text, [packets, bytes, times[0], times[1]], [i32::MAX; 4])?;
    let srcport = range(places, columns, Field::Srcport);
    let dstport = range(places, columns, Field::Dstport);
    let protocol = range(places, columns, Field::Protocol);
    let most = [i32::MAX, 0xffff, 0xffff, 0xff];
    let ports = decimal::four(columns.text, [columns.range(VERSION), srcport, dstport, protocol], most)?;
    // They are no greater: the compiler sees it so.
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

/// The first column of AWS's formats: `version`, which is checked alone.
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

/// A number that is short or lacks.
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

/// The address of a packet, which as a rule is written as that of the flow.
#[inline(always)]
fn packet_address<const V4: bool>(
    simd: impl Simd,
    places: &impl ColumnMap,
    columns: &FieldRanges<'_>,
    (field, of_flow): (Field, Field),
    values: &mut FieldValues<'_>,
) -> Option<()> {
    let (place, place_of_flow) = (places.address(address_place(field)), places.address(address_place(of_flow)));
    if place != ABSENT
        && place_of_flow != ABSENT
        && let Some(same) = values.address(of_flow)
        && same_bytes(columns, columns.range(place), columns.range(place_of_flow))
    {
        values.set_address(field, same);
        return Some(());
    }
    address::<V4>(simd, places, columns, field, values)
}

/// Whether the same is written at two places: of an IPv4 address in one word.
#[inline(always)]
fn same_bytes(columns: &FieldRanges<'_>, a: (u32, u32), b: (u32, u32)) -> bool {
    let length = a.1.wrapping_sub(a.0);
    if length != b.1.wrapping_sub(b.0) {
        return false;
    }
    if length > 16 {
        let text = |(start, end): (u32, u32)| &columns.text.bytes[start as usize..end as usize];
        return text(a) == text(b);
    }
    let word = |start: u32| u8x16::new(*columns.text.word(start));
    let own = (1 << length) - 1;
    word(a.0).simd_eq(word(b.0)).to_bitmask() & own == own
}

#[inline(always)]
fn address<const V4: bool>(
    simd: impl Simd,
    places: &impl ColumnMap,
    columns: &FieldRanges<'_>,
    field: Field,
    values: &mut FieldValues<'_>,
) -> Option<()> {
    let place = places.address(address_place(field));
    if place != ABSENT {
        let (start, end) = columns.range(place);
        match ip::parse_v4_in(simd, columns.text, start, end) {
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
fn text<'a>(places: &impl ColumnMap, columns: &FieldRanges<'a>, field: Field, values: &mut FieldValues<'a>) {
    let place = places.text(text_place(field));
    if place != ABSENT {
        let (start, end) = columns.range(place);
        values.set_text(field, &columns.text.bytes[start as usize..end as usize]);
    }
}

/// An address that is not an IPv4 one, or none for `-`.
#[cold]
fn other_address(columns: &FieldRanges<'_>, place: u8) -> Option<Option<IpAddr>> {
    let (start, end) = columns.range(place);
    let text = &columns.text.bytes[start as usize..end as usize];
    if text == b"-" { Some(None) } else { ip::parse(text).map(Some) }
}

/// The number that stands there, or none for `-`; nothing if it has to be read the other way.
#[inline(always)]
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
