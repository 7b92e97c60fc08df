//! Keys of rejected groups and subgroups, and their packed form.
//!
//! A packed key has, from the highest bit: interface (16), source (32), destination (32), port with a presence bit (17), protocol with a
//! presence bit (9), cause hint. `pack` and `unpack` must change together.

use std::net::IpAddr;

use crate::aggregate::accepted::FiveTuple;
use crate::aggregate::interfaces::Interfaces;
use crate::aggregate::interner::Symbol;
use crate::aggregate::packed_map::PackedKey;
use crate::aggregate::rejected::cause::CauseHint;

/// Key of a group of rejected records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GroupKey {
    /// Interface, if the records name one.
    pub interface: Option<Symbol>,
    /// Source address.
    pub src: Option<IpAddr>,
    /// Destination address.
    pub dst: Option<IpAddr>,
    /// Destination port.
    pub dstport: Option<u16>,
    /// IANA protocol number.
    pub protocol: Option<u8>,
}

/// Interface, VPC, and subnet that a record reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Placement {
    /// Interface.
    pub interface: Option<Symbol>,
    /// VPC.
    pub vpc: Option<Symbol>,
    /// Subnet.
    pub subnet: Option<Symbol>,
    /// Whether this is the whole placement. Otherwise the record reports a VPC or subnet for which there was no room; the topology's
    /// knowledge of the interface does not apply then.
    pub is_complete: bool,
}

/// Key of a subgroup: the records of a group that get the same cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SubgroupKey {
    pub group: GroupKey,
    pub hint: CauseHint,
}

impl SubgroupKey {
    /// Returns the 5-tuple of the records, if their cause depends on accepted flows.
    pub fn tuple(&self) -> Option<FiveTuple> {
        Some(FiveTuple {
            srcport: self.hint.srcport()?,
            interface: self.group.interface,
            protocol: self.group.protocol?,
            src: self.group.src?,
            dst: self.group.dst?,
            dstport: self.group.dstport?,
        })
    }
}

/// Returns a value that identifies a group in every analysis.
pub(super) fn identity(group: &GroupKey, interfaces: &Interfaces) -> [u64; 6] {
    // The kind of an address, and its two halves.
    let parts = |address: Option<IpAddr>| match address {
        None => [0, 0, 0],
        Some(IpAddr::V4(v4)) => [1, 0, u64::from(v4.to_bits())],
        Some(IpAddr::V6(v6)) => [2, (v6.to_bits() >> 64) as u64, v6.to_bits() as u64],
    };
    let ([src_kind, src, src_rest], [dst_kind, dst, dst_rest]) = (parts(group.src), parts(group.dst));
    let kinds = src_kind << 2 | dst_kind;
    let dstport = group.dstport.map_or(0, |port| 1 << 16 | u64::from(port));
    let protocol = group.protocol.map_or(0, |protocol| 1 << 8 | u64::from(protocol));
    [interfaces.fingerprint(group.interface), src, src_rest, dst, dst_rest, (kinds << 17 | dstport) << 9 | protocol]
}

/// Bits of a packed group key: interface, both addresses, then port and protocol with a presence bit each.
const PACKED_GROUP_BITS: u32 = 16 + 32 + 32 + 17 + 9;

impl PackedKey for GroupKey {
    fn pack(&self) -> Option<u128> {
        let interface = self.interface.map_or(0, Symbol::get);
        let (Some(IpAddr::V4(src)), Some(IpAddr::V4(dst))) = (self.src, self.dst) else { return None };
        if interface >= 1 << 16 {
            return None;
        }
        let dstport = self.dstport.map_or(0, |port| 1 << 16 | u32::from(port));
        let protocol = self.protocol.map_or(0, |protocol| 1 << 8 | u32::from(protocol));
        let addresses = u128::from(src.to_bits()) << 32 | u128::from(dst.to_bits());
        Some((u128::from(interface) << 64 | addresses) << 26 | u128::from(dstport << 9 | protocol))
    }

    fn unpack(packed: u128) -> GroupKey {
        // Each cast keeps the bits of one field.
        let (addresses, rest) = ((packed >> 26) as u64, packed as u32 & ((1 << 26) - 1));
        let (dstport, protocol) = (rest >> 9, rest & ((1 << 9) - 1));
        GroupKey {
            interface: Symbol::new((packed >> 90) as u32),
            src: Some(IpAddr::from(((addresses >> 32) as u32).to_be_bytes())),
            dst: Some(IpAddr::from((addresses as u32).to_be_bytes())),
            dstport: (dstport >> 16 != 0).then_some(dstport as u16),
            protocol: (protocol >> 8 != 0).then_some(protocol as u8),
        }
    }
}

impl PackedKey for SubgroupKey {
    fn pack(&self) -> Option<u128> {
        const _: () = assert!(PACKED_GROUP_BITS + CauseHint::BITS <= u128::BITS);
        Some(self.group.pack()? << CauseHint::BITS | u128::from(self.hint.pack()))
    }

    fn unpack(packed: u128) -> SubgroupKey {
        let hint = packed as u32 & ((1 << CauseHint::BITS) - 1);
        SubgroupKey { group: GroupKey::unpack(packed >> CauseHint::BITS), hint: CauseHint::unpack(hint) }
    }
}
