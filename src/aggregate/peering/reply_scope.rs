//! Where the reply to a record is recorded.

use std::net::IpAddr;

use crate::aggregate::interner::{Symbol, SymbolRemap};
use crate::aggregate::recorder::VpcRef;
use crate::topology::VpcIndex;

/// Where the reply to a record is recorded: in the same own VPC, or at the same interface if that is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplyScope {
    /// In this own VPC.
    Vpc(VpcRef),
    /// At this interface, or at none.
    Interface(Option<Symbol>),
}

/// What the interfaces tell about accepted records.
pub trait InterfaceFacts {
    /// Returns whether the interface owns the address.
    fn owns(&self, interface: Option<Symbol>, address: IpAddr) -> bool;

    /// Returns where the records of an interface with or without a `vpc-id` count as replies, or `None` if their ids differ.
    fn reply_scope(&self, interface: Option<Symbol>, has_vpc_id: bool) -> Option<ReplyScope>;
}

impl ReplyScope {
    /// Creates the scope of a record. An interface counts only where the own VPC is unknown.
    pub(crate) fn new(own: VpcRef, interface: Option<Symbol>) -> ReplyScope {
        if own == VpcRef::Unknown { ReplyScope::Interface(interface) } else { ReplyScope::Vpc(own) }
    }

    /// Returns whether a record of this scope and interface and one of another count as recorded at the same place.
    #[cfg(test)]
    pub(crate) fn is_same_place(self, interface: Option<Symbol>, other: (ReplyScope, Option<Symbol>)) -> bool {
        match (self, other.0) {
            (ReplyScope::Vpc(own), ReplyScope::Vpc(other)) => own == other,
            _ => interface == other.1,
        }
    }

    /// Returns the own VPC.
    pub(super) fn own(self) -> VpcRef {
        match self {
            ReplyScope::Vpc(own) => own,
            ReplyScope::Interface(_) => VpcRef::Unknown,
        }
    }

    /// Packs the scope into 34 bits.
    pub(crate) fn pack(self) -> u64 {
        let (kind, value) = match self {
            ReplyScope::Vpc(VpcRef::Known(vpc)) => (0, vpc.number()),
            ReplyScope::Vpc(VpcRef::Named(name)) => (1, name.get()),
            ReplyScope::Vpc(VpcRef::Unknown) => (2, 0),
            ReplyScope::Interface(interface) => (3, interface.map_or(0, Symbol::get)),
        };
        kind << 32 | u64::from(value)
    }

    /// Returns the scope that [`ReplyScope::pack`] packed.
    pub(crate) fn unpack(packed: u64) -> ReplyScope {
        // The cast keeps the lower 32 bits.
        let value = packed as u32;
        match (packed >> 32 & 3, Symbol::new(value)) {
            (0, _) => ReplyScope::Vpc(VpcRef::Known(VpcIndex::new(value))),
            (1, Some(name)) => ReplyScope::Vpc(VpcRef::Named(name)),
            (3, interface) => ReplyScope::Interface(interface),
            _ => ReplyScope::Vpc(VpcRef::Unknown),
        }
    }

    /// Returns the scope with the symbols of another analysis, or `None` if there was no room for its name.
    pub(crate) fn remap(self, interfaces: &SymbolRemap, places: &SymbolRemap) -> Option<ReplyScope> {
        Some(match self {
            ReplyScope::Vpc(VpcRef::Named(name)) => ReplyScope::Vpc(VpcRef::Named(places.get(name)?)),
            ReplyScope::Interface(Some(interface)) => ReplyScope::Interface(Some(interfaces.get(interface)?)),
            scope => scope,
        })
    }
}
