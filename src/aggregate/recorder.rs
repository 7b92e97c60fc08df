//! The own VPC and subnet of a record: those of the interface that recorded it.

use std::borrow::Cow;

use crate::aggregate::interfaces::InterfaceRef;
use crate::aggregate::interner::{Symbol, index};
use crate::record::Flow;
use crate::topology::{Recorder, Topology, VpcIndex};

/// A VPC that a record names, or that the topology knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VpcRef {
    /// A VPC of the topology.
    Known(VpcIndex),
    /// A VPC that only records name.
    Named(Symbol),
    /// No VPC is named or known.
    Unknown,
}

/// Finds the own VPC and subnet of a record on demand: only few records need them.
pub struct FlowRecorder<'a, 'f> {
    /// The record.
    pub flow: &'a Flow<'f>,
    /// Its interface.
    pub interface: InterfaceRef,
    /// The topology.
    pub topology: &'a Topology,
    /// VPCs that were looked up before.
    pub cache: &'a mut VpcCache,
}

impl FlowRecorder<'_, '_> {
    /// Returns the own VPC, or `None` if the record names one for which there was no room.
    pub fn own_vpc(&mut self) -> Option<VpcRef> {
        match (self.vpc(), self.flow.vpc_id, self.interface.vpc) {
            (Some(vpc), ..) => Some(VpcRef::Known(vpc)),
            (None, Some(_), Some(name)) => Some(VpcRef::Named(name)),
            (None, Some(_), None) => None,
            (None, None, _) => Some(VpcRef::Unknown),
        }
    }
}

impl Recorder for FlowRecorder<'_, '_> {
    #[inline(always)]
    fn vpc(&mut self) -> Option<VpcIndex> {
        match self.flow.vpc_id {
            Some(id) => self.cache.by_id(id, self.interface.vpc, self.topology),
            None => self.cache.by_interface(self.interface, self.flow.interface_id, self.topology),
        }
    }

    fn subnet(&mut self) -> Option<Cow<'_, str>> {
        if let Some(id) = self.flow.subnet_id {
            return Some(String::from_utf8_lossy(id));
        }
        let interface = self.topology.interface(&String::from_utf8_lossy(self.flow.interface_id?))?;
        interface.subnet_id.as_deref().map(Cow::Borrowed)
    }
}

/// An entry of [`VpcCache`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CachedVpc {
    /// Not looked up yet.
    NotLookedUp,
    /// The VPC, or `None` if the topology does not know it.
    Known(Option<VpcIndex>),
}

/// Caches the own VPCs of records, so that ids are not looked up in the topology for each record.
#[derive(Debug, Clone, Default)]
pub struct VpcCache {
    /// By interface symbol.
    by_interface: Vec<CachedVpc>,
    /// By VPC symbol.
    by_id: Vec<CachedVpc>,
}

impl VpcCache {
    /// Returns the VPC with this id, whose symbol is `name`.
    #[inline(always)]
    fn by_id(&mut self, id: &[u8], name: Option<Symbol>, topology: &Topology) -> Option<VpcIndex> {
        match self.by_id.get(index(name)) {
            Some(CachedVpc::Known(vpc)) => *vpc,
            _ => cache(&mut self.by_id, name, topology.vpc_index(&String::from_utf8_lossy(id))),
        }
    }

    /// Returns the VPC of an interface.
    #[inline(always)]
    fn by_interface(&mut self, interface: InterfaceRef, id: Option<&[u8]>, topology: &Topology) -> Option<VpcIndex> {
        let id = id?;
        match self.by_interface.get(index(interface.id)) {
            Some(CachedVpc::Known(vpc)) => *vpc,
            _ => {
                let vpc = topology.vpc_of_interface(&String::from_utf8_lossy(id));
                cache(&mut self.by_interface, interface.id, vpc)
            }
        }
    }
}

/// Caches a VPC, if the name has a symbol. Names above the limit have none.
#[cold]
#[expect(clippy::indexing_slicing, reason = "the vector was resized to hold this index")]
fn cache(known: &mut Vec<CachedVpc>, name: Option<Symbol>, vpc: Option<VpcIndex>) -> Option<VpcIndex> {
    if name.is_some() {
        known.resize(known.len().max(index(name) + 1), CachedVpc::NotLookedUp);
        known[index(name)] = CachedVpc::Known(vpc);
    }
    vpc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_symbol_is_not_cached() {
        let mut known = Vec::new();
        assert_eq!(cache(&mut known, None, None), None);
        assert_eq!(known, []);
        assert_eq!(cache(&mut known, Symbol::new(2), None), None);
        assert_eq!(known, [CachedVpc::NotLookedUp, CachedVpc::NotLookedUp, CachedVpc::Known(None)]);
    }
}
