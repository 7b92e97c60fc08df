//! Rows of fixed size in which accepted 5-tuples are kept.

use std::net::IpAddr;

use super::FiveTuple;
use crate::aggregate::interner::Symbol;

/// An IPv4 5-tuple, as nearly all are. The interface index is 0 for "no interface".
#[derive(Debug, Clone, Copy)]
pub(super) struct Ipv4Row {
    src: u32,
    dst: u32,
    srcport: u16,
    dstport: u16,
    /// The interface index above the protocol number, which has 8 bits.
    interface_and_protocol: u32,
}

/// Interface indexes from here on do not fit in an [`Ipv4Row`].
const INTERFACE_END: u32 = 1 << 24;

impl Ipv4Row {
    /// Returns the row of a tuple, or `None` if the tuple does not fit in one.
    #[inline]
    pub fn from_tuple(tuple: &FiveTuple) -> Option<Ipv4Row> {
        let interface = tuple.interface.map_or(0, Symbol::get);
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (tuple.src, tuple.dst) else { return None };
        (interface < INTERFACE_END).then(|| Ipv4Row {
            src: src.to_bits(),
            dst: dst.to_bits(),
            srcport: tuple.srcport,
            dstport: tuple.dstport,
            interface_and_protocol: interface << 8 | u32::from(tuple.protocol),
        })
    }

    /// Returns the tuple that this row was made from.
    #[inline]
    pub fn tuple(self) -> FiveTuple {
        FiveTuple {
            interface: Symbol::new(self.interface_and_protocol >> 8),
            // The cast keeps the lowest 8 bits.
            protocol: self.interface_and_protocol as u8,
            src: IpAddr::V4(self.src.into()),
            dst: IpAddr::V4(self.dst.into()),
            srcport: self.srcport,
            dstport: self.dstport,
        }
    }
}
