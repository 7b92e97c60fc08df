//! The topology: which VPCs, subnets, interfaces and peering connections there are, and whose an address is.
//!
//! Made of AWS's own describe output; see [`describe_output`].

pub mod describe_output;
pub mod endpoint;
mod location;
pub mod prefix_table;
pub mod service;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

pub use self::location::{Location, PackedLocation};
use crate::record::ip;
use crate::topology::endpoint::Endpoint;
use crate::topology::endpoint::Scope;
use describe_output::{Interface, PeeringConnection, Problem, Resources};
use prefix_table::PrefixTable;

/// The number of a VPC in a topology, by the order of the ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VpcIndex(u32);

/// A VPC that the topology knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VpcInfo {
    /// Its id.
    pub id: String,
    /// Its associated blocks; if it is known through peering connections alone, those that the active ones give.
    pub blocks: Vec<IpNet>,
    /// Its Name tag.
    pub name: Option<String>,
    /// Its region, as peering connections tell it.
    pub region: Option<String>,
}

/// A block, and the VPCs that have it: if they are several, they tie on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlappingBlock {
    /// The block.
    pub block: IpNet,
    /// The VPCs, in order.
    pub vpcs: Vec<VpcIndex>,
}

/// The number of a block in a topology.
pub type BlockId = prefix_table::BlockNumber;

/// What connects two VPCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeeringStatus<'a> {
    /// An active connection: the least id of several.
    Peered(&'a str),
    /// Connections of which none is active, by id.
    Inactive(&'a BTreeSet<String>),
    /// No connection.
    None,
}

/// What there is, ready for look-ups.
#[derive(Debug, Clone)]
pub struct Topology {
    resources: Resources,
    vpcs: Vec<VpcInfo>,
    ties: Vec<OverlappingBlock>,
    /// By the number of the block, from 1: where its addresses are, as far as the block alone tells it. At 0 those of none.
    locations: Vec<PackedLocation>,
    /// Whether any block is that of several VPCs: as a rule none is.
    has_ties: bool,
    prefixes: PrefixTable,
    links: HashMap<(VpcIndex, VpcIndex), Links, RandomState>,
    peers: BTreeMap<VpcIndex, BTreeSet<VpcIndex>>,
    owners: HashMap<IpAddr, Vec<String>, RandomState>,
    /// The interfaces that prefixes were delegated to.
    prefixed: Vec<String>,
    /// The VPCs of the interfaces, by the interfaces' ids: asked for many a record.
    vpcs_of_interfaces: HashMap<String, VpcIndex, RandomState>,
}

/// The ids of the connections between two VPCs.
#[derive(Debug, Clone, Default)]
struct Links {
    active: BTreeSet<String>,
    inactive: BTreeSet<String>,
}

impl Topology {
    /// Of all resources that were read. What does not fit together is added to their problems.
    pub fn new(mut resources: Resources) -> Topology {
        let vpcs = known_vpcs(&resources);
        let ties = ties(&vpcs);
        let mut topology = Topology {
            locations: locations(&ties),
            has_ties: ties.iter().any(|tie| tie.vpcs.len() > 1),
            prefixes: PrefixTable::new(&ties.iter().map(|tie| tie.block).collect::<Vec<_>>()),
            ties,
            links: HashMap::default(),
            peers: BTreeMap::new(),
            owners: owners(&resources),
            prefixed: prefixed(&resources),
            vpcs_of_interfaces: vpcs_of_interfaces(&resources, &vpcs),
            vpcs,
            resources: Resources::default(),
        };
        topology.connect(&resources);
        for (id, connection) in &resources.peering_connections {
            for side in [&connection.requester, &connection.accepter] {
                let known = topology.number(&side.vpc_id).map(|number| topology.vpc(number));
                if connection.is_active() && known.is_none_or(|vpc| vpc.blocks.is_empty()) {
                    let message = format!("leads to {}, whose CIDR blocks are unknown", side.vpc_id);
                    let document =
                        resources.origins.get(id).map(|document| (**document).to_owned()).unwrap_or_default();
                    resources.problems.push(Problem { document, resource: id.clone(), message });
                }
            }
        }
        topology.resources = resources;
        topology
    }

    /// What of the documents could not be used, or does not fit together.
    pub fn problems(&self) -> &[Problem] {
        &self.resources.problems
    }

    /// All that was read.
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// The VPC with this id.
    pub fn number(&self, id: &str) -> Option<VpcIndex> {
        let place = self.vpcs.binary_search_by(|vpc| vpc.id.as_str().cmp(id)).ok()?;
        Some(VpcIndex(place as u32))
    }

    /// What is known of a VPC.
    pub fn vpc(&self, number: VpcIndex) -> &VpcInfo {
        &self.vpcs[number.0 as usize]
    }

    /// All VPCs, by id.
    pub fn vpcs(&self) -> impl Iterator<Item = (VpcIndex, &VpcInfo)> {
        (0..).map(VpcIndex).zip(&self.vpcs)
    }

    /// A block and its VPCs.
    pub fn block(&self, number: BlockId) -> &OverlappingBlock {
        &self.ties[number as usize]
    }

    /// The interface with this id.
    pub fn interface(&self, id: &str) -> Option<&Interface> {
        self.resources.interfaces.get(id)
    }

    /// The VPC of the interface with this id.
    pub fn vpc_of_interface(&self, id: &str) -> Option<VpcIndex> {
        self.vpcs_of_interfaces.get(id).copied()
    }

    /// The VPC that the longest block with this address belongs to. If several have that block, it is `own`, the VPC
    /// of the record, if that is one of them; else the one that is peered with `own`, if it is the only one.
    pub fn locate(&self, address: IpAddr, own: impl FnOnce() -> Option<VpcIndex>) -> Location {
        self.located(address, own).location()
    }

    /// The same, in one number.
    #[inline(always)]
    pub fn located(&self, address: IpAddr, own: impl FnOnce() -> Option<VpcIndex>) -> PackedLocation {
        let located = self.locations[self.prefixes.lookup_one_based(address) as usize];
        match located.tie() {
            None => located,
            Some(tie) => self.untie(tie, own()).into(),
        }
    }

    #[cold]
    fn untie(&self, number: BlockId, own: Option<VpcIndex>) -> Location {
        let tied = &self.ties[number as usize].vpcs;
        let Some(own) = own else { return Location::Ambiguous(number) };
        if tied.contains(&own) {
            return Location::In(own);
        }
        let mut peered = tied.iter().filter(|vpc| self.is_peered(own, **vpc));
        match (peered.next(), peered.next()) {
            (Some(one), None) => Location::In(*one),
            _ => Location::Ambiguous(number),
        }
    }

    /// Whether an address is on the public internet: in no VPC here, and in no block that is kept from it.
    pub fn is_public(&self, address: IpAddr) -> bool {
        self.prefixes.longest(address).is_none() && ip::is_public(address)
    }

    /// Whether any block is that of several VPCs.
    #[inline]
    pub fn has_ties(&self) -> bool {
        self.has_ties
    }

    /// Whether an address is in a block that several VPCs have.
    pub fn is_ambiguous(&self, address: IpAddr) -> bool {
        let tied = |number: BlockId| self.ties[number as usize].vpcs.len() > 1;
        self.has_ties && self.prefixes.longest(address).is_some_and(tied)
    }

    /// What connects two VPCs.
    pub fn relation(&self, a: VpcIndex, b: VpcIndex) -> PeeringStatus<'_> {
        let Some(links) = self.links.get(&ordered(a, b)) else { return PeeringStatus::None };
        links.active.first().map_or(PeeringStatus::Inactive(&links.inactive), |id| PeeringStatus::Peered(id))
    }

    /// Whether an active connection is between two VPCs.
    pub fn is_peered(&self, a: VpcIndex, b: VpcIndex) -> bool {
        matches!(self.relation(a, b), PeeringStatus::Peered(_))
    }

    /// The VPCs that are peered with both.
    pub fn between(&self, a: VpcIndex, b: VpcIndex) -> Vec<VpcIndex> {
        match (self.peers.get(&a), self.peers.get(&b)) {
            (Some(of_a), Some(of_b)) => of_a.intersection(of_b).copied().collect(),
            _ => Vec::new(),
        }
    }

    /// The VPCs that a VPC is peered with.
    pub fn peers(&self, vpc: VpcIndex) -> impl Iterator<Item = VpcIndex> {
        self.peers.get(&vpc).into_iter().flatten().copied()
    }

    /// A connection by its id.
    pub fn connection(&self, id: &str) -> Option<&PeeringConnection> {
        self.resources.peering_connections.get(id)
    }

    /// What is known of an address that was located so.
    pub fn endpoint(&self, address: IpAddr, location: Location) -> Endpoint {
        let Location::In(number) = location else {
            let scope = match location {
                Location::Outside if ip::is_public(address) => Scope::Public,
                Location::Outside => Scope::Private,
                Location::In(_) | Location::Ambiguous(_) => Scope::Vpc,
            };
            return Endpoint { scope: Some(scope), ..Endpoint::default() };
        };
        let vpc_id = &self.vpc(number).id;
        let owner = self.owner(vpc_id, address);
        Endpoint {
            scope: Some(Scope::Vpc),
            vpc_id: Some(vpc_id.clone()),
            subnet_id: self.subnet(vpc_id, address).or_else(|| owner.and_then(|(_, owner)| owner.subnet_id.clone())),
            interface_id: owner.map(|(id, _)| id.to_owned()),
            service: owner.map(|(_, owner)| owner.service.to_owned()),
            name: owner.and_then(|(_, owner)| owner.name.clone()),
        }
    }

    fn subnet(&self, vpc_id: &str, address: IpAddr) -> Option<String> {
        let subnets = self.resources.subnets.iter().filter(|(_, subnet)| subnet.vpc_id == vpc_id);
        let holding = subnets.flat_map(|(id, subnet)| subnet.blocks.iter().map(move |block| (block, id)));
        let longest = holding.filter(|(block, _)| block.contains(&address)).max_by_key(|(block, _)| block.prefix_len());
        longest.map(|(_, id)| id.clone())
    }

    /// The interface that owns an address: by the address itself, else by a prefix that was delegated to it.
    fn owner(&self, vpc_id: &str, address: IpAddr) -> Option<(&str, &Interface)> {
        let here = |(id, interface): &(&String, &Interface)| {
            interface.vpc_id.as_deref() == Some(vpc_id) && self.resources.interfaces.contains_key(*id)
        };
        let by_address = self.owners.get(&address).into_iter().flatten();
        let by_address = by_address.filter_map(|id| self.resources.interfaces.get_key_value(id)).find(here);
        let by_prefix = || {
            let prefixed = self.prefixed.iter().filter_map(|id| self.resources.interfaces.get_key_value(id));
            prefixed.filter(|(_, interface)| interface.owns(address)).find(here)
        };
        by_address.or_else(by_prefix).map(|(id, interface)| (id.as_str(), interface))
    }

    fn connect(&mut self, resources: &Resources) {
        for (id, connection) in &resources.peering_connections {
            let sides = self.number(&connection.requester.vpc_id).zip(self.number(&connection.accepter.vpc_id));
            let Some((a, b)) = sides else { continue };
            let links = self.links.entry(ordered(a, b)).or_default();
            if connection.is_active() {
                links.active.insert(id.clone());
                self.peers.entry(a).or_default().insert(b);
                self.peers.entry(b).or_default().insert(a);
            } else {
                links.inactive.insert(id.clone());
            }
        }
    }
}

fn ordered(a: VpcIndex, b: VpcIndex) -> (VpcIndex, VpcIndex) {
    (a.min(b), a.max(b))
}

/// Those that were described, those that are a side of a connection, and those that interfaces are in. Connections that
/// are not active bring no blocks: AWS gives none, and what was written down before may be another's by now.
fn known_vpcs(resources: &Resources) -> Vec<VpcInfo> {
    let mut vpcs: BTreeMap<&str, VpcInfo> = BTreeMap::new();
    for (id, vpc) in &resources.vpcs {
        let known = VpcInfo { id: id.clone(), blocks: vpc.blocks.clone(), name: vpc.name.clone(), region: None };
        vpcs.insert(id, known);
    }
    for connection in resources.peering_connections.values() {
        for side in [&connection.requester, &connection.accepter] {
            let known = vpcs.entry(&side.vpc_id).or_insert_with(|| without_blocks(&side.vpc_id));
            known.region = known.region.take().or_else(|| side.region.clone());
            if connection.is_active() && !resources.vpcs.contains_key(&side.vpc_id) {
                known.blocks.extend(&side.blocks);
                known.blocks.sort_unstable();
                known.blocks.dedup();
            }
        }
    }
    // Many interfaces are in one VPC.
    let of_interfaces = resources.interfaces.values().filter_map(|interface| interface.vpc_id.as_deref());
    for vpc_id in of_interfaces.collect::<HashSet<&str, RandomState>>() {
        vpcs.entry(vpc_id).or_insert_with(|| without_blocks(vpc_id));
    }
    vpcs.into_values().collect()
}

/// All blocks of VPCs, in order.
fn ties(vpcs: &[VpcInfo]) -> Vec<OverlappingBlock> {
    let mut blocks: BTreeMap<IpNet, Vec<VpcIndex>> = BTreeMap::new();
    for (number, vpc) in (0..).map(VpcIndex).zip(vpcs) {
        for block in &vpc.blocks {
            blocks.entry(*block).or_default().push(number);
        }
    }
    blocks.into_iter().map(|(block, vpcs)| OverlappingBlock { block, vpcs }).collect()
}

/// Where the addresses of none of these are, and then those of each.
fn locations(ties: &[OverlappingBlock]) -> Vec<PackedLocation> {
    let location = |(number, tie): (BlockId, &OverlappingBlock)| match tie.vpcs[..] {
        [sole] => Location::In(sole),
        _ => Location::Ambiguous(number),
    };
    let locations = std::iter::once(Location::Outside).chain((0..).zip(ties).map(location));
    locations.map(PackedLocation::from).collect()
}

fn without_blocks(id: &str) -> VpcInfo {
    VpcInfo { id: id.to_owned(), blocks: Vec::new(), name: None, region: None }
}

fn prefixed(resources: &Resources) -> Vec<String> {
    let prefixed = resources.interfaces.iter().filter(|(_, interface)| !interface.prefixes.is_empty());
    prefixed.map(|(id, _)| id.clone()).collect()
}

fn owners(resources: &Resources) -> HashMap<IpAddr, Vec<String>, RandomState> {
    let mut owners: HashMap<IpAddr, Vec<String>, RandomState> = with_room_for(resources.interfaces.len());
    for (id, interface) in &resources.interfaces {
        for address in &interface.addresses {
            owners.entry(*address).or_insert_with(|| Vec::with_capacity(1)).push(id.clone());
        }
    }
    owners
}

fn vpcs_of_interfaces(resources: &Resources, vpcs: &[VpcInfo]) -> HashMap<String, VpcIndex, RandomState> {
    let mut numbers: HashMap<&str, VpcIndex, RandomState> = with_room_for(vpcs.len());
    numbers.extend(vpcs.iter().map(|vpc| vpc.id.as_str()).zip((0..).map(VpcIndex)));
    let number = |interface: &Interface| numbers.get(interface.vpc_id.as_deref()?).copied();
    let mut of_interfaces = with_room_for(resources.interfaces.len());
    of_interfaces
        .extend(resources.interfaces.iter().filter_map(|(id, interface)| Some((id.clone(), number(interface)?))));
    of_interfaces
}

fn with_room_for<K, V>(count: usize) -> HashMap<K, V, RandomState> {
    HashMap::with_capacity_and_hasher(count, RandomState::default())
}

#[cfg(test)]
mod tests;
