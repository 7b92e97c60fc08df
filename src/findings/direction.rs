//! Which way a rejected group goes, seen from its interface.

use std::net::IpAddr;

use crate::aggregate::interfaces::Interfaces;
use crate::aggregate::interner::{Interner, Symbol, index};
use crate::aggregate::rejected::{Group, GroupKey};
use crate::findings::types::Evidence;
use crate::record::Direction;
use crate::record::ip;
use crate::topology::describe_output::Interface;
use crate::topology::{Location, Topology, VpcIndex};

/// What tells where an address is and whose it is.
#[derive(Debug, Clone, Copy)]
pub struct NetworkContext<'a> {
    /// Interfaces.
    pub interfaces: &'a Interfaces,
    /// Interner of VPCs and subnets.
    pub places: &'a Interner,
    /// What is known of VPCs and their peering.
    pub topology: Option<&'a Topology>,
    /// What the topology knows of each of the interfaces, in their order.
    pub known_interfaces: &'a [Option<&'a Interface>],
}

/// What the topology knows of each interface: looked up once, not by every group.
pub fn known_interfaces<'a>(interfaces: &Interfaces, topology: Option<&'a Topology>) -> Vec<Option<&'a Interface>> {
    interfaces.iter().map(|(id, _)| topology?.interface(interfaces.name(id?))).collect()
}

impl<'a> NetworkContext<'a> {
    /// Which way a group goes, and what tells it: its records; else the addresses that its interface owns; else its VPC; else
    /// the address that all records of its interface share.
    pub fn direction(&self, group: &Group<'_>) -> (Direction, Option<Evidence>) {
        let said = group.direction().one().map(|direction| (direction, Evidence::FlowDirection));
        let judged = said
            .or_else(|| self.by_owner(group.key).map(|direction| (direction, Evidence::Topology)))
            .or_else(|| self.by_own_vpc(group).map(|direction| (direction, Evidence::Topology)))
            .or_else(|| self.by_shared_address(group.key).map(|direction| (direction, Evidence::ConstantAddress)));
        judged.map_or((Direction::Unknown, None), |(direction, evidence)| (direction, Some(evidence)))
    }

    fn by_owner(&self, key: GroupKey) -> Option<Direction> {
        let owner = self.known_interface(key.interface)?;
        way(key, |address| owner.owns(address))
    }

    fn by_own_vpc(&self, group: &Group<'_>) -> Option<Direction> {
        let own = self.own_vpc(group)?;
        let is_in = |address: Option<IpAddr>| self.locate(address, Some(own)) == Location::In(own);
        match (is_in(group.key.src), is_in(group.key.dst)) {
            (false, true) => Some(Direction::Ingress),
            (true, false) => Some(Direction::Egress),
            _ => None,
        }
    }

    fn by_shared_address(&self, key: GroupKey) -> Option<Direction> {
        let own = self.interfaces.get(Some(key.interface?)).shared_addresses.sole()?;
        way(key, |address| address == own)
    }

    /// The VPC that the records of a group agree on.
    pub fn own_vpc(&self, group: &Group<'_>) -> Option<VpcIndex> {
        let known = self.known_interface(group.key.interface).and_then(|known| known.vpc_id.as_deref());
        self.topology?.vpc_index(group.vpc().resolve(known, self.places)?)
    }

    /// Where an address of a record with this own VPC is.
    pub fn locate(&self, address: Option<IpAddr>, own: Option<VpcIndex>) -> Location {
        let located = address.zip(self.topology).map(|(address, topology)| topology.locate(address, || own));
        located.unwrap_or(Location::Outside)
    }

    /// The name of an interface.
    pub fn interface_name(&self, id: Option<Symbol>) -> Option<&'a str> {
        id.map(|id| self.interfaces.name(id))
    }

    /// The interface, if the topology knows it.
    pub fn known_interface(&self, id: Option<Symbol>) -> Option<&'a Interface> {
        *self.known_interfaces.get(index(id))?
    }

    /// Whether an address is on the public internet.
    pub fn is_public(&self, address: IpAddr) -> bool {
        self.topology.map_or_else(|| ip::is_public(address), |topology| topology.is_public(address))
    }
}

/// To what is one's own, or from it.
fn way(key: GroupKey, is_own: impl Fn(IpAddr) -> bool) -> Option<Direction> {
    if key.dst.is_some_and(&is_own) {
        Some(Direction::Ingress)
    } else if key.src.is_some_and(&is_own) {
        Some(Direction::Egress)
    } else {
        None
    }
}
