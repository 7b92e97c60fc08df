//! Rows of fixed size in which accepted records are kept.

use std::net::IpAddr;

use super::{AcceptedRow, FiveTuple, Ports};
use crate::aggregate::connection_stage::ConnectionStage;
use crate::aggregate::interner::Symbol;

/// An accepted record over IPv4, as nearly all are. The interface index is 0 for "no interface".
#[derive(Debug, Clone, Copy)]
pub(super) struct Ipv4Row {
    src: u32,
    dst: u32,
    srcport: u16,
    dstport: u16,
    /// From the highest bit: the interface index, the kind of 4 bits, the protocol number of 8 bits.
    rest: u32,
}

/// Interface indexes from here on do not fit in an [`Ipv4Row`].
pub(super) const INTERFACE_END: u32 = 1 << 20;

/// Kinds of rows whose ports are all present: one for each stage.
const STAGES: u32 = ConnectionStage::ALL.len() as u32;

impl Ipv4Row {
    /// Returns the row of a record, or `None` if it does not fit in one.
    #[inline]
    pub fn new(row: &AcceptedRow) -> Option<Ipv4Row> {
        let tuple = &row.tuple;
        let interface = tuple.interface.map_or(0, Symbol::get);
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (tuple.src, tuple.dst) else { return None };
        // A record without a destination port belongs to no connection, so its stage does not matter.
        let kind = match row.ports {
            Ports::Both => row.stage as u32,
            Ports::OnlyDestination => STAGES + row.stage as u32,
            Ports::NoDestination => 2 * STAGES,
        };
        (interface < INTERFACE_END).then(|| Ipv4Row {
            src: src.to_bits(),
            dst: dst.to_bits(),
            srcport: tuple.srcport,
            dstport: tuple.dstport,
            rest: interface << 12 | kind << 8 | u32::from(tuple.protocol),
        })
    }

    /// Returns the record that this row was made from.
    #[inline]
    pub fn record(self) -> AcceptedRow {
        let kind = self.rest >> 8 & 15;
        let (ports, stage) = match kind {
            _ if kind < STAGES => (Ports::Both, kind),
            _ if kind < 2 * STAGES => (Ports::OnlyDestination, kind - STAGES),
            _ => (Ports::NoDestination, 0),
        };
        let tuple = FiveTuple {
            interface: Symbol::new(self.rest >> 12),
            // The cast keeps the lowest 8 bits.
            protocol: self.rest as u8,
            src: IpAddr::V4(self.src.into()),
            dst: IpAddr::V4(self.dst.into()),
            srcport: self.srcport,
            dstport: self.dstport,
        };
        AcceptedRow { tuple, ports, stage: ConnectionStage::from_number(stage) }
    }
}
