//! Direction of a rejected group as seen from its interface, and the location of addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::aggregate::interfaces::Interfaces;
use crate::aggregate::interner::{Interner, Symbol, index};
use crate::aggregate::peering::{InterfaceFacts, ReplyScope};
use crate::aggregate::recorder::VpcRef;
use crate::aggregate::rejected::{Group, GroupKey};
use crate::findings::types::Evidence;
use crate::record::Direction;
use crate::record::ip;
use crate::sanitize::{NAME_CHARACTERS, escape_truncated};
use crate::topology::describe_output::Interface;
use crate::topology::endpoint::{Endpoint, Scope};
use crate::topology::{KnownRecorder, Location, Topology, VpcIndex};

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
    /// of the interface share, which is not public if there are two.
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
        let own = KnownRecorder { vpc: Some(vpc), subnet: None };
        let is_inside = |address: Option<IpAddr>| self.locate(address, own) == Location::In(vpc);
        match (is_inside(group.key.src), is_inside(group.key.dst)) {
            (false, true) => Some(Direction::Ingress),
            (true, false) => Some(Direction::Egress),
            _ => None,
        }
    }

    fn by_shared_address(&self, key: GroupKey) -> Option<Direction> {
        let shared = self.interfaces.get(Some(key.interface?)).shared_addresses;
        let shared = shared.sole_or_not_public(|address| self.is_public(address))?;
        direction_of(key, |address| address == shared)
    }

    /// Returns the VPC of a group's interface, if it is in the topology and the records do not disagree.
    pub(crate) fn interface_vpc(&self, group: &Group<'_>) -> Option<VpcIndex> {
        let known = self.known_interface(group.key.interface).and_then(|known| known.vpc_id.as_deref());
        self.topology?.vpc_index(group.vpc().resolve(known, self.places)?)
    }

    /// Returns the own VPC and subnet of a group, as far as its records agree.
    pub(crate) fn recorder(&self, group: &Group<'_>) -> KnownRecorder<'a> {
        let known = self.known_interface(group.key.interface).and_then(|known| known.subnet_id.as_deref());
        KnownRecorder { vpc: self.interface_vpc(group), subnet: group.subnet().resolve(known, self.places) }
    }

    /// Returns the own VPC and subnet of an interface, as far as its records agree.
    pub(crate) fn interface_recorder(&self, id: Option<Symbol>) -> KnownRecorder<'a> {
        let known = self.known_interface(id);
        let (vpc, subnet) = (self.interfaces.get(id).vpc, self.interfaces.get(id).subnet);
        let vpc_id = vpc.resolve(known.and_then(|known| known.vpc_id.as_deref()), self.places);
        let subnet = subnet.resolve(known.and_then(|known| known.subnet_id.as_deref()), self.places);
        KnownRecorder { vpc: vpc_id.zip(self.topology).and_then(|(id, topology)| topology.vpc_index(id)), subnet }
    }

    /// Returns the location of an address in a record of this recorder.
    pub(crate) fn locate(&self, address: Option<IpAddr>, mut recorder: KnownRecorder<'_>) -> Location {
        let location = address.zip(self.topology).map(|(address, topology)| topology.locate(address, &mut recorder));
        location.unwrap_or(Location::Outside)
    }

    /// Returns the known facts of an address in a record of this recorder.
    pub(crate) fn endpoint(&self, address: Option<IpAddr>, recorder: KnownRecorder<'_>) -> Endpoint {
        match (address, self.topology) {
            (None, _) => Endpoint::default(),
            (Some(known), Some(topology)) => topology.endpoint(known, self.locate(address, recorder)),
            (Some(known), None) => {
                let scope = if self.is_public(known) { Scope::Public } else { Scope::Private };
                Endpoint { scope: Some(scope), ..Endpoint::default() }
            }
        }
    }

    /// Formats an address for titles, with the name of the interface that has it: `10.0.0.5 (db-1)`.
    pub(crate) fn address_label(&self, address: IpAddr, recorder: KnownRecorder<'_>) -> String {
        let Endpoint { scope, name, interface_id, .. } = self.endpoint(Some(address), recorder);
        // A public address says little by itself.
        match name.or_else(|| interface_id.filter(|_| scope == Some(Scope::Public))) {
            Some(name) => format!("{address} ({})", escape_truncated(&name, NAME_CHARACTERS)),
            None => address.to_string(),
        }
    }

    /// Formats an interface for titles, with its name: `web-1 (eni-1)`.
    pub(crate) fn interface_label(&self, id: Option<Symbol>) -> Option<String> {
        self.interface_name(id).map(|id| self.resource_label(id))
    }

    /// Formats the id of a resource for titles, with its Name tag: `prod (vpc-1)`.
    pub(crate) fn resource_label(&self, id: &str) -> String {
        self.topology.map_or_else(|| id.to_owned(), |topology| topology.label(id))
    }

    /// Returns the Name tags of the resources whose ids occur in a value, by id.
    pub(crate) fn names_in(&self, value: impl Serialize) -> BTreeMap<String, String> {
        self.topology.map(|topology| topology.names_in(value)).unwrap_or_default()
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

impl InterfaceFacts for NetworkContext<'_> {
    fn owns(&self, interface: Option<Symbol>, address: IpAddr) -> bool {
        self.known_interface(interface).is_some_and(|known| known.owns(address))
    }

    fn reply_scope(&self, interface: Option<Symbol>, has_vpc_id: bool) -> Option<ReplyScope> {
        let index = |id: &str| self.topology.and_then(|topology| topology.vpc_index(id));
        let own = if has_vpc_id {
            let name = self.interfaces.get(interface).vpc.id.one()?;
            index(self.places.name(name)).map_or(VpcRef::Named(name), VpcRef::Known)
        } else {
            let known = self.known_interface(interface).and_then(|known| known.vpc_id.as_deref());
            known.and_then(index).map_or(VpcRef::Unknown, VpcRef::Known)
        };
        Some(ReplyScope::new(own, interface))
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
