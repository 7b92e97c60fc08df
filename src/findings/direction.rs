//! Direction of a rejected group as seen from its interface, and the location of addresses.

use std::net::IpAddr;

use crate::aggregate::interfaces::Interfaces;
use crate::aggregate::interner::{Interner, Symbol, index};
use crate::aggregate::rejected::{Group, GroupKey};
use crate::findings::types::Evidence;
use crate::record::Direction;
use crate::record::ip;
use crate::topology::describe_output::Interface;
use crate::topology::{Location, Topology, VpcIndex};

/// Interfaces and topology, which locate addresses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NetworkContext<'a> {
    /// All interfaces of the records.
    pub(crate) interfaces: &'a Interfaces,
    /// Ids of VPCs and subnets.
    pub(crate) places: &'a Interner,
    /// VPCs and their peering, if known.
    pub(crate) topology: Option<&'a Topology>,
    /// The topology's entry of each interface, in the order of `interfaces`.
    pub(crate) known_interfaces: &'a [Option<&'a Interface>],
}

/// Returns the topology's entry of each interface. This saves a lookup per group.
pub(crate) fn known_interfaces<'a>(
    interfaces: &Interfaces,
    topology: Option<&'a Topology>,
) -> Vec<Option<&'a Interface>> {
    interfaces.iter().map(|(id, _)| topology?.interface(interfaces.name(id?))).collect()
}

impl<'a> NetworkContext<'a> {
    /// Returns the direction of a group and its evidence. Uses the first source that is conclusive: the `flow-direction` of the
    /// records, the addresses of the interface in the topology, the VPC of the interface, or the one address that all records
    /// of the interface share.
    pub(crate) fn direction(&self, group: &Group<'_>) -> (Direction, Option<Evidence>) {
        let reported = group.direction().one().map(|direction| (direction, Evidence::FlowDirection));
        let direction = reported
            .or_else(|| self.by_owner(group.key).map(|direction| (direction, Evidence::Topology)))
            .or_else(|| self.by_interface_vpc(group).map(|direction| (direction, Evidence::Topology)))
            .or_else(|| self.by_shared_address(group.key).map(|direction| (direction, Evidence::ConstantAddress)));
        direction.map_or((Direction::Unknown, None), |(direction, evidence)| (direction, Some(evidence)))
    }

    fn by_owner(&self, key: GroupKey) -> Option<Direction> {
        let owner = self.known_interface(key.interface)?;
        direction_of(key, |address| owner.owns(address))
    }

    fn by_interface_vpc(&self, group: &Group<'_>) -> Option<Direction> {
        let vpc = self.interface_vpc(group)?;
        let is_inside = |address: Option<IpAddr>| self.locate(address, Some(vpc)) == Location::In(vpc);
        match (is_inside(group.key.src), is_inside(group.key.dst)) {
            (false, true) => Some(Direction::Ingress),
            (true, false) => Some(Direction::Egress),
            _ => None,
        }
    }

    fn by_shared_address(&self, key: GroupKey) -> Option<Direction> {
        let shared = self.interfaces.get(Some(key.interface?)).shared_addresses.sole()?;
        direction_of(key, |address| address == shared)
    }

    /// Returns the VPC of a group's interface, if it is in the topology and the records do not disagree.
    pub(crate) fn interface_vpc(&self, group: &Group<'_>) -> Option<VpcIndex> {
        let known = self.known_interface(group.key.interface).and_then(|known| known.vpc_id.as_deref());
        self.topology?.vpc_index(group.vpc().resolve(known, self.places)?)
    }

    /// Returns the location of an address in a record of an interface in this VPC.
    pub(crate) fn locate(&self, address: Option<IpAddr>, interface_vpc: Option<VpcIndex>) -> Location {
        let location = address.zip(self.topology).map(|(address, topology)| topology.locate(address, || interface_vpc));
        location.unwrap_or(Location::Outside)
    }

    /// Returns the id of an interface as text.
    pub(crate) fn interface_name(&self, id: Option<Symbol>) -> Option<&'a str> {
        id.map(|id| self.interfaces.name(id))
    }

    /// Returns the topology's entry of an interface, if there is one.
    pub(crate) fn known_interface(&self, id: Option<Symbol>) -> Option<&'a Interface> {
        *self.known_interfaces.get(index(id))?
    }

    /// Reports whether an address is on the public internet. Addresses in a VPC of the topology are not.
    pub(crate) fn is_public(&self, address: IpAddr) -> bool {
        self.topology.map_or_else(|| ip::is_public(address), |topology| topology.is_public(address))
    }
}

/// Returns the direction of a group, given a predicate for the addresses of its interface.
fn direction_of(key: GroupKey, is_interface_address: impl Fn(IpAddr) -> bool) -> Option<Direction> {
    if key.dst.is_some_and(&is_interface_address) {
        Some(Direction::Ingress)
    } else if key.src.is_some_and(&is_interface_address) {
        Some(Direction::Egress)
    } else {
        None
    }
}
