//! Field values of a line, and their classification as a record.

use std::net::IpAddr;

use super::ParseError;
use crate::record::field::{Field, FieldType};
use crate::record::ip;
use crate::record::timestamp::Timestamp;
use crate::record::{Action, Direction, Flow, Origin, OtherRecord, Record, RejectReason, SkipDataRecord, TcpFlags};

/// The field values that the analysis reads, each in the slot of its field. All other values go to a slot that is never read.
pub(super) struct FieldValues<'a> {
    numbers: [u64; NUMBERS + 1],
    /// A bit for each present number.
    present: u32,
    addresses: [Option<IpAddr>; ADDRESSES + 1],
    texts: [&'a [u8]; TEXTS + 1],
}

/// Numbers of slots that are read. One more slot takes the values that are not read.
pub(super) const NUMBERS: usize = 9;
pub(super) const ADDRESSES: usize = 4;
pub(super) const TEXTS: usize = 7;

impl Default for FieldValues<'_> {
    fn default() -> Self {
        FieldValues { numbers: [0; NUMBERS + 1], present: 0, addresses: [None; ADDRESSES + 1], texts: [b""; TEXTS + 1] }
    }
}

pub(super) const fn number_slot(field: Field) -> usize {
    match field {
        Field::Srcport => 0,
        Field::Dstport => 1,
        Field::Protocol => 2,
        Field::Packets => 3,
        Field::Bytes => 4,
        Field::Start => 5,
        Field::End => 6,
        Field::TcpFlags => 7,
        Field::TrafficPath => 8,
        _ => NUMBERS,
    }
}

pub(super) const fn address_slot(field: Field) -> usize {
    match field {
        Field::Srcaddr => 0,
        Field::Dstaddr => 1,
        Field::PktSrcaddr => 2,
        Field::PktDstaddr => 3,
        _ => ADDRESSES,
    }
}

pub(super) const fn text_slot(field: Field) -> usize {
    match field {
        Field::InterfaceId => 0,
        Field::VpcId => 1,
        Field::SubnetId => 2,
        Field::Action => 3,
        Field::LogStatus => 4,
        Field::FlowDirection => 5,
        Field::RejectReason => 6,
        _ => TEXTS,
    }
}

impl<'a> FieldValues<'a> {
    /// Sets the first `COUNT` numbers as present.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "slots are below the lengths of the arrays by construction of the field table"
    )]
    pub(super) fn set_first_numbers<const COUNT: usize>(&mut self, numbers: [u64; COUNT]) {
        self.present |= (1 << COUNT) - 1;
        self.numbers[..COUNT].copy_from_slice(&numbers);
    }

    pub(super) fn set(&mut self, field: Field, token: &'a [u8]) -> Result<(), ParseError> {
        match field.kind() {
            FieldType::Integer(max) => {
                let value = number(token).filter(|value| *value <= max);
                self.set_number(field, value.ok_or(ParseError::Number { field, max })?, true);
            }
            FieldType::Address => self.set_address(field, ip::parse(token).ok_or(ParseError::Address { field })?),
            FieldType::Text => self.set_text(field, token),
        }
        Ok(())
    }

    /// Sets a number and whether it is present, without a branch.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "slots are below the lengths of the arrays by construction of the field table"
    )]
    pub(super) fn set_number(&mut self, field: Field, value: u64, is_present: bool) {
        let place = number_slot(field);
        self.numbers[place] = value;
        self.present |= u32::from(is_present) << place;
    }

    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "slots are below the lengths of the arrays by construction of the field table"
    )]
    pub(super) fn set_address(&mut self, field: Field, address: IpAddr) {
        self.addresses[address_slot(field)] = Some(address);
    }

    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "slots are below the lengths of the arrays by construction of the field table"
    )]
    pub(super) fn set_text(&mut self, field: Field, token: &'a [u8]) {
        self.texts[text_slot(field)] = token;
    }

    /// Returns a number, if present.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "slots are below the lengths of the arrays by construction of the field table"
    )]
    fn number(&self, field: Field) -> Option<u64> {
        let place = number_slot(field);
        (self.present & 1 << place != 0).then_some(self.numbers[place])
    }

    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "slots are below the lengths of the arrays by construction of the field table"
    )]
    pub(super) fn address(&self, field: Field) -> Option<IpAddr> {
        self.addresses[address_slot(field)]
    }

    /// Returns a text. An absent one is empty or `-`.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "slots are below the lengths of the arrays by construction of the field table"
    )]
    fn text(&self, field: Field) -> &'a [u8] {
        self.texts[text_slot(field)]
    }

    #[inline(always)]
    fn id(&self, field: Field) -> Option<&'a [u8]> {
        Some(self.text(field)).filter(|text| text.len() > 1 || !matches!(text, [] | [b'-']))
    }

    #[inline(always)]
    fn time(&self, field: Field) -> Option<Timestamp> {
        self.number(field).and_then(Timestamp::from_seconds)
    }

    #[inline(always)]
    fn action(&self) -> Option<Action> {
        // Compares whole words; a `match` would compare byte by byte.
        let action = self.text(Field::Action);
        if action == b"ACCEPT" {
            Some(Action::Accept)
        } else if action == b"REJECT" {
            Some(Action::Reject)
        } else {
            None
        }
    }

    /// Returns the direction, without a branch, because it is unpredictable.
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "two bits index an array of four")]
    fn direction(&self) -> Option<Direction> {
        const DIRECTIONS: [Option<Direction>; 4] = [None, Some(Direction::Ingress), Some(Direction::Egress), None];
        let text = self.text(Field::FlowDirection);
        let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) else { return None };
        let ends = u64::from(u32::from_le_bytes(*last)) << 32 | u64::from(u32::from_le_bytes(*first));
        let is_ingress = (ends == u64::from_le_bytes(*b"ingrress")) & (text.len() == b"ingress".len());
        let is_egress = (ends == u64::from_le_bytes(*b"egreress")) & (text.len() == b"egress".len());
        DIRECTIONS[usize::from(is_ingress) | usize::from(is_egress) << 1]
    }

    /// Returns the accepted or rejected record, unless it is malformed or of another class.
    #[inline(always)]
    pub(super) fn into_flow(self, has: impl Fn(Field) -> bool) -> Option<Flow<'a>> {
        let action = self.action()?;
        self.require_addresses(has).ok()?;
        let status = self.text(Field::LogStatus);
        let is_usual = status == b"OK" || !matches!(status, b"NODATA" | b"SKIPDATA" | b"FAILURE");
        // Compilers do not always inline a closure here.
        if is_usual { Some(self.flow(action)) } else { None }
    }

    #[inline(always)]
    pub(super) fn classify(&self, has: impl Fn(Field) -> bool) -> Result<Record<'a>, ParseError> {
        let action = self.action();
        if action.is_some() {
            self.require_addresses(has)?;
        }
        Ok(match (self.text(Field::LogStatus), action) {
            (b"NODATA", _) => Record::NoData(self.origin()),
            // AWS does not document FAILURE, but users report it. It means the same as SKIPDATA.
            (b"SKIPDATA" | b"FAILURE", _) => Record::SkipData(SkipDataRecord {
                origin: self.origin(),
                packets: self.number(Field::Packets).unwrap_or_default(),
                bytes: self.number(Field::Bytes).unwrap_or_default(),
            }),
            (_, Some(action)) => Record::Flow(self.flow(action)),
            (_, None) => Record::Other(OtherRecord { origin: self.origin(), loss: None }),
        })
    }

    /// Returns where and when the record was made.
    fn origin(&self) -> Origin<'a> {
        Origin {
            interface_id: self.id(Field::InterfaceId),
            vpc_id: self.id(Field::VpcId),
            start: self.time(Field::Start),
            end: self.time(Field::End),
        }
    }

    #[inline(always)]
    fn require_addresses(&self, has: impl Fn(Field) -> bool) -> Result<(), ParseError> {
        self.require_address(Field::Srcaddr, &has)?;
        self.require_address(Field::Dstaddr, &has)
    }

    #[inline(always)]
    fn require_address(&self, field: Field, has: impl Fn(Field) -> bool) -> Result<(), ParseError> {
        if self.address(field).is_none() && has(field) { Err(ParseError::MissingAddress { field }) } else { Ok(()) }
    }

    #[inline(always)]
    fn flow(&self, action: Action) -> Flow<'a> {
        let port = |field: Field| self.number(field).and_then(|port| u16::try_from(port).ok());
        Flow {
            action,
            interface_id: self.id(Field::InterfaceId),
            vpc_id: self.id(Field::VpcId),
            subnet_id: self.id(Field::SubnetId),
            src: self.address(Field::PktSrcaddr).or(self.address(Field::Srcaddr)),
            dst: self.address(Field::PktDstaddr).or(self.address(Field::Dstaddr)),
            srcport: port(Field::Srcport),
            dstport: port(Field::Dstport),
            protocol: self.number(Field::Protocol).and_then(|protocol| u8::try_from(protocol).ok()),
            packets: self.number(Field::Packets).unwrap_or_default(),
            bytes: self.number(Field::Bytes).unwrap_or_default(),
            start: self.time(Field::Start),
            end: self.time(Field::End),
            direction: self.direction(),
            tcp_flags: self.number(Field::TcpFlags).map_or(TcpFlags::ABSENT, TcpFlags::new),
            traffic_path: self.number(Field::TrafficPath),
            reject_reason: match self.text(Field::RejectReason) {
                b"BPA" => RejectReason::BlockPublicAccess,
                b"EC" => RejectReason::EncryptionControls,
                _ => RejectReason::Unspecified,
            },
        }
    }
}

/// Parses one or more decimal digits, up to 2^64 − 1.
pub(super) fn number(token: &[u8]) -> Option<u64> {
    /// Digits that cannot overflow.
    const SAFE_DIGITS: usize = 19;
    if token.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    if token.len() <= SAFE_DIGITS {
        for byte in token {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + u64::from(digit);
        }
    } else {
        for byte in token {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_digits_up_to_the_maximum() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"18446744073709551616"), None);
        assert_eq!(number(b"9999999999999999999"), Some(9_999_999_999_999_999_999));
        assert_eq!(number(b"000000000000000000000000001"), Some(1));
        for text in ["", "-1", "+1", "1.0", "0x1", "1e3", " 1", "\u{661}"] {
            assert_eq!(number(text.as_bytes()), None, "{text:?}");
        }
    }
}
