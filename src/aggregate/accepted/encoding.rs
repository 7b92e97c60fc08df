//! Rows of fixed size in which accepted records are kept.

use std::net::{IpAddr, Ipv4Addr};

use super::{AcceptedRow, FiveTuple, TupleParts};
use crate::aggregate::connection_stage::ConnectionStage;
use crate::aggregate::interner::Symbol;

/// An accepted record over IPv4, as nearly all are. The interface index is 0 for "no interface".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ipv4Row {
    pub(super) src: u32,
    pub(super) dst: u32,
    pub(super) srcport: u16,
    pub(super) dstport: u16,
    /// From the highest bit: the interface index, a bit for `vpc-id`, the kind of 4 bits, the protocol number of 8 bits.
    rest: u32,
}

/// Interface indexes from here on do not fit in an [`Ipv4Row`].
pub(super) const INTERFACE_END: u32 = 1 << 19;

/// Kinds of rows whose parts are all present: one for each stage.
const STAGES: u32 = ConnectionStage::ALL.len() as u32;

impl Ipv4Row {
    /// Returns the row of a complete 5-tuple with protocol, stage, and whether it has a `vpc-id`, or `None` if it does not fit in one.
    #[inline(always)]
    pub(super) fn complete(
        interface: Option<Symbol>,
        (src, dst): (Ipv4Addr, Ipv4Addr),
        (srcport, dstport): (u16, u16),
        (protocol, stage, has_vpc_id): (u8, ConnectionStage, bool),
    ) -> Option<Ipv4Row> {
        let interface = interface.map_or(0, Symbol::get);
        (interface < INTERFACE_END).then(|| Ipv4Row {
            src: src.to_bits(),
            dst: dst.to_bits(),
            srcport,
            dstport,
            rest: interface << 13 | u32::from(has_vpc_id) << 12 | (stage as u32) << 8 | u32::from(protocol),
        })
    }

    /// Returns the interface index and the protocol number.
    #[inline]
    pub(super) fn interface_and_protocol(&self) -> (u32, u8) {
        // The cast keeps the lowest 8 bits.
        (self.rest >> 13, self.rest as u8)
    }

    /// Returns the row of a record, or `None` if it does not fit in one.
    pub(super) fn new(row: &AcceptedRow) -> Option<Ipv4Row> {
        let tuple = &row.tuple;
        let interface = tuple.interface.map_or(0, Symbol::get);
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (tuple.src, tuple.dst) else { return None };
        // A record without protocol, destination, or destination port belongs to no connection, so its stage does not matter.
        let kind = match row.parts {
            TupleParts::All => row.stage as u32,
            TupleParts::NoSourcePort => STAGES + row.stage as u32,
            TupleParts::NoDestinationPort => 2 * STAGES,
            TupleParts::NoProtocol => 2 * STAGES + 1,
            TupleParts::NoDestination => 2 * STAGES + 2,
        };
        (interface < INTERFACE_END).then(|| Ipv4Row {
            src: src.to_bits(),
            dst: dst.to_bits(),
            srcport: tuple.srcport,
            dstport: tuple.dstport,
            rest: interface << 13 | u32::from(row.has_vpc_id) << 12 | kind << 8 | u32::from(tuple.protocol),
        })
    }

    /// Returns the record that this row was made from.
    #[inline]
    pub(super) fn record(self) -> AcceptedRow {
        let kind = self.rest >> 8 & 15;
        let (parts, stage) = match kind {
            _ if kind < STAGES => (TupleParts::All, kind),
            _ if kind < 2 * STAGES => (TupleParts::NoSourcePort, kind - STAGES),
            _ if kind == 2 * STAGES => (TupleParts::NoDestinationPort, 0),
            _ if kind == 2 * STAGES + 1 => (TupleParts::NoProtocol, 0),
            _ => (TupleParts::NoDestination, 0),
        };
        let tuple = FiveTuple {
            interface: Symbol::new(self.rest >> 13),
            // The cast keeps the lowest 8 bits.
            protocol: self.rest as u8,
            src: IpAddr::V4(self.src.into()),
            dst: IpAddr::V4(self.dst.into()),
            srcport: self.srcport,
            dstport: self.dstport,
        };
        let has_vpc_id = self.rest >> 12 & 1 != 0;
        AcceptedRow { tuple, parts, stage: ConnectionStage::from_number(stage), has_vpc_id }
    }
}
