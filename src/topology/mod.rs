//! The topology: the VPCs, subnets, interfaces and peering connections of an AWS account, and the owner of an address.
//!
//! In: AWS's describe output, read by [`describe_output`]. Out: a [`Topology`], which
//! - locates an address in a VPC ([`Topology::locate`], two to four table look-ups per IPv4 address; see [`prefix_table`]);
//! - relates two VPCs by their peering connections ([`Topology::peering_status`]);
//! - names the subnet, the interface and the AWS service of an address ([`Topology::endpoint`], see [`service`]);
//! - follows the route tables ([`routes`]);
//! - evaluates network ACLs and security groups ([`rules`]);
//! - explains whether traffic can pass between two ends, hop by hop ([`path`]).
//!
//! Invariants, established by `build` and unchanged afterwards:
//! - A [`VpcIndex`] is an index into `vpcs`, which is sorted by id. A [`BlockId`] is an index into `blocks`.
//! - `locations` has one entry more than `blocks`: entry 0 is for addresses outside all blocks, entry `n + 1` for block `n`.
//!   The numbers of [`PrefixTable::lookup_one_based`] are indices into it.

mod build;
pub mod describe_output;
pub mod endpoint;
mod location;
mod names;
pub mod path;
mod prefix_index;
pub mod prefix_table;
pub mod routes;
pub mod rules;
pub mod service;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

pub use self::location::{KnownRecorder, Location, PackedLocation, Recorder, Tie};
pub use self::prefix_table::BlockId;
use crate::record::ip;
use describe_output::{Interface, PeeringConnection, Problem, Resources};
use endpoint::{Endpoint, Scope};
use prefix_index::{OnlyId, PrefixIndex};
use prefix_table::PrefixTable;
use routes::RouteTableIndex;
use rules::RuleIndex;

/// Index of a VPC in a topology. The VPCs are sorted by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VpcIndex(u32);

impl VpcIndex {
    /// Creates the index with this number.
    pub(crate) fn new(number: u32) -> VpcIndex {
        VpcIndex(number)
    }

    /// Returns the number of the index.
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// A VPC of the topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VpcInfo {
    /// VPC id.
    pub id: String,
    /// Associated CIDR blocks. For a VPC that is known only from peering connections, the blocks that these list.
    pub blocks: Vec<IpNet>,
    /// Name tag.
    pub name: Option<String>,
    /// Region, which only peering connections list.
    pub region: Option<String>,
}

/// A CIDR block and the VPCs that use it. The addresses of a block that several VPCs use are ambiguous.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VpcBlock {
    /// The CIDR block.
    pub block: IpNet,
    /// The VPCs, in order.
    pub vpcs: Vec<VpcIndex>,
}

/// Peering connections between two VPCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeeringStatus<'a> {
    /// There is an active connection. If there are several, this is the least id.
    Peered(&'a str),
    /// There are only inactive connections, by id.
    Inactive(&'a BTreeSet<String>),
    /// There is no connection.
    None,
}

/// Resources of the describe output, prepared for look-ups.
#[derive(Debug, Clone)]
pub struct Topology {
    resources: Resources,
    vpcs: Vec<VpcInfo>,
    blocks: Vec<VpcBlock>,
    /// Location of the addresses of each block, contested if the block alone does not determine it. Block ids count from 1 here;
    /// index 0 is for addresses outside all blocks.
    locations: Vec<PackedLocation>,
    /// The blocks that contain a contested one, itself included, longest first. Contested blocks overlap with a block of another VPC.
    enclosing: HashMap<BlockId, Vec<BlockId>, RandomState>,
    prefixes: PrefixTable,
    /// The key has the lesser VPC first.
    links: HashMap<(VpcIndex, VpcIndex), PeeringLinks, RandomState>,
    peers: BTreeMap<VpcIndex, BTreeSet<VpcIndex>>,
    interfaces_by_address: HashMap<IpAddr, Vec<String>, RandomState>,
    interfaces_by_public_address: HashMap<IpAddr, String, RandomState>,
    /// The interfaces by their NAT gateway or VPC endpoint.
    interfaces_by_gateway: HashMap<String, Vec<String>, RandomState>,
    /// The interfaces by their delegated prefixes.
    interfaces_by_prefix: HashMap<VpcIndex, PrefixIndex<OnlyId>, RandomState>,
    /// Of a block that several subnets of a VPC have, the subnet with the greatest id.
    subnets_by_block: HashMap<VpcIndex, PrefixIndex<String>, RandomState>,
    route_tables: RouteTableIndex,
    rules: RuleIndex,
    /// A map of its own, because it is read for many records.
    vpc_by_interface: HashMap<String, VpcIndex, RandomState>,
}

/// Ids of the peering connections between two VPCs.
#[derive(Debug, Clone, Default)]
struct PeeringLinks {
    active: BTreeSet<String>,
    inactive: BTreeSet<String>,
}

impl Topology {
    /// Returns the parts of the documents that cannot be used or contradict each other.
    pub fn problems(&self) -> &[Problem] {
        &self.resources.problems
    }

    /// Returns all resources.
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// Finds a VPC by its id.
    pub fn vpc_index(&self, id: &str) -> Option<VpcIndex> {
        let index = self.vpcs.binary_search_by(|vpc| vpc.id.as_str().cmp(id)).ok()?;
        Some(VpcIndex(index as u32))
    }

    /// Returns a VPC.
    #[expect(clippy::indexing_slicing, reason = "a VpcIndex is an index into the VPCs of its topology")]
    pub fn vpc(&self, index: VpcIndex) -> &VpcInfo {
        &self.vpcs[index.0 as usize]
    }

    /// Returns all VPCs, by id.
    pub fn vpcs(&self) -> impl ExactSizeIterator<Item = (VpcIndex, &VpcInfo)> {
        self.vpcs.iter().enumerate().map(|(index, vpc)| (VpcIndex(index as u32), vpc))
    }

    /// Returns the number of blocks.
    pub fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// Returns a block and its VPCs.
    #[expect(clippy::indexing_slicing, reason = "a BlockId is an index into the blocks of its topology")]
    pub fn block(&self, id: BlockId) -> &VpcBlock {
        &self.blocks[id as usize]
    }

    /// Finds an interface by its id.
    pub fn interface(&self, id: &str) -> Option<&Interface> {
        self.resources.interfaces.get(id)
    }

    /// Returns the VPC of the interface with this id.
    pub fn vpc_of_interface(&self, id: &str) -> Option<VpcIndex> {
        self.vpc_by_interface.get(id).copied()
    }

    /// Returns the VPC of an address in a record: the recorder's own VPC if one of its blocks has the address, otherwise the peer of the
    /// own VPC with the longest block that has it, otherwise the VPC with the longest one. Where several VPCs tie, the route of
    /// the own subnet decides.
    pub fn locate(&self, address: IpAddr, recorder: &mut impl Recorder) -> Location {
        self.decide(self.locate_alone(address), address, recorder)
    }

    /// Returns the location of an address as far as it does not depend on the record.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "the table returns 0 to the number of blocks: the indices of `locations`"
    )]
    pub fn locate_alone(&self, address: IpAddr) -> PackedLocation {
        self.locations[self.prefixes.lookup_one_based(address) as usize]
    }

    /// Returns the location of an address in a record, given the one that does not depend on it.
    pub fn decide(&self, location: PackedLocation, address: IpAddr, recorder: &mut impl Recorder) -> Location {
        match location.contested_block() {
            Some(longest) => self.decide_contested(longest, address, recorder),
            None => location.location(),
        }
    }

    /// Returns the location of an address whose longest block is contested.
    #[cold]
    fn decide_contested(&self, longest: BlockId, address: IpAddr, recorder: &mut impl Recorder) -> Location {
        let own = recorder.vpc();
        let enclosing = self.enclosing.get(&longest).map_or(&[][..], Vec::as_slice);
        if let Some(own) = own.filter(|own| enclosing.iter().any(|id| self.block(*id).vpcs.contains(own))) {
            return Location::In(own);
        }
        let tie_of_peers = own.and_then(|own| {
            let is_peer = |vpc: &VpcIndex| self.is_peered(own, *vpc);
            enclosing.iter().find_map(|id| {
                let peers: Vec<VpcIndex> = self.block(*id).vpcs.iter().copied().filter(is_peer).collect();
                (!peers.is_empty()).then_some((Tie { block: *id, peers_of: Some(own) }, peers))
            })
        });
        let (tie, candidates) =
            tie_of_peers.unwrap_or_else(|| (Tie { block: longest, peers_of: None }, self.block(longest).vpcs.clone()));
        if let [only] = candidates[..] {
            return Location::In(only);
        }
        let routed = self.routed_peer(recorder.subnet().as_deref(), own, address, &candidates);
        routed.map_or(Location::Ambiguous(tie), Location::In)
    }

    /// Returns the VPCs of a tie.
    pub fn tied_vpcs(&self, tie: Tie) -> impl Iterator<Item = VpcIndex> {
        let vpcs = self.block(tie.block).vpcs.iter().copied();
        vpcs.filter(move |vpc| tie.peers_of.is_none_or(|own| self.is_peered(own, *vpc)))
    }

    /// Reports whether an address is on the public internet: in no VPC of the topology and in no private or special-use
    /// block.
    pub fn is_public(&self, address: IpAddr) -> bool {
        self.prefixes.longest(address).is_none() && ip::is_public(address)
    }

    /// Returns the peering connections between two VPCs.
    pub fn peering_status(&self, a: VpcIndex, b: VpcIndex) -> PeeringStatus<'_> {
        let Some(links) = self.links.get(&ordered(a, b)) else { return PeeringStatus::None };
        links.active.first().map_or(PeeringStatus::Inactive(&links.inactive), |id| PeeringStatus::Peered(id))
    }

    /// Reports whether two VPCs have an active peering connection.
    pub fn is_peered(&self, a: VpcIndex, b: VpcIndex) -> bool {
        matches!(self.peering_status(a, b), PeeringStatus::Peered(_))
    }

    /// Returns the VPCs that are peered with both.
    pub fn common_peers(&self, a: VpcIndex, b: VpcIndex) -> Vec<VpcIndex> {
        match (self.peers.get(&a), self.peers.get(&b)) {
            (Some(peers_of_a), Some(peers_of_b)) => peers_of_a.intersection(peers_of_b).copied().collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the VPCs that are peered with a VPC.
    pub fn peers(&self, vpc: VpcIndex) -> impl Iterator<Item = VpcIndex> {
        self.peers.get(&vpc).into_iter().flatten().copied()
    }

    /// Finds a peering connection by its id.
    pub fn connection(&self, id: &str) -> Option<&PeeringConnection> {
        self.resources.peering_connections.get(id)
    }

    /// Describes an address, given its location.
    pub fn endpoint(&self, address: IpAddr, location: Location) -> Endpoint {
        match location {
            Location::In(vpc) => self.endpoint_in_vpc(address, vpc),
            Location::Ambiguous(_) => Endpoint { scope: Some(Scope::Vpc), ..Endpoint::default() },
            Location::Outside => self.endpoint_outside(address),
        }
    }

    fn endpoint_in_vpc(&self, address: IpAddr, index: VpcIndex) -> Endpoint {
        let vpc = self.vpc(index);
        let owner = self.owner(index, address);
        let subnet_of_owner = owner.and_then(|(_, owner)| owner.subnet_id.clone());
        let subnet_id = subnet_of_owner.or_else(|| self.subnet(index, address).map(str::to_owned));
        Endpoint {
            scope: Some(Scope::Vpc),
            vpc_id: Some(vpc.id.clone()),
            vpc_name: vpc.name.clone(),
            subnet_name: subnet_id.as_deref().and_then(|id| self.name_of(id)).map(str::to_owned),
            subnet_id,
            interface_id: owner.map(|(id, _)| id.to_owned()),
            service: owner.map(|(_, owner)| owner.service.to_owned()),
            name: owner.and_then(|(_, owner)| owner.name_or_description()).map(str::to_owned),
        }
    }

    /// Describes an address in no known VPC. An interface may have it as its public address.
    fn endpoint_outside(&self, address: IpAddr) -> Endpoint {
        let scope = if ip::is_public(address) { Scope::Public } else { Scope::Private };
        let owner = self.interface_of_public_address(address);
        let Some((id, owner)) = owner else { return Endpoint { scope: Some(scope), ..Endpoint::default() } };
        let name_of = |id: &Option<String>| id.as_deref().and_then(|id| self.name_of(id)).map(str::to_owned);
        Endpoint {
            scope: Some(scope),
            vpc_id: owner.vpc_id.clone(),
            vpc_name: name_of(&owner.vpc_id),
            subnet_id: owner.subnet_id.clone(),
            subnet_name: name_of(&owner.subnet_id),
            interface_id: Some(id.to_owned()),
            service: Some(owner.service.to_owned()),
            name: owner.name_or_description().map(str::to_owned),
        }
    }

    /// Finds the interface that has this public address: by address translation, or as its own public IPv6 address.
    pub fn interface_of_public_address(&self, address: IpAddr) -> Option<(&str, &Interface)> {
        let ipv6 = || self.interfaces_by_address.get(&address)?.first();
        let ipv6 = || if address.is_ipv6() && ip::is_public(address) { ipv6() } else { None };
        let id = self.interfaces_by_public_address.get(&address).or_else(ipv6)?;
        self.resources.interfaces.get_key_value(id).map(|(id, interface)| (id.as_str(), interface))
    }

    /// Finds the subnet of a VPC whose block is the longest match of the address.
    fn subnet(&self, vpc: VpcIndex, address: IpAddr) -> Option<&str> {
        self.subnets_by_block.get(&vpc)?.matches(address).next().map(String::as_str)
    }

    /// Finds the interface of a VPC that owns an address: by the address itself, otherwise by a prefix that is delegated
    /// to the interface. Returns `None` if several have it, as documents of different times may say.
    fn owner(&self, vpc: VpcIndex, address: IpAddr) -> Option<(&str, &Interface)> {
        let by_address = self.interfaces_by_address.get(&address).into_iter().flatten();
        let mut by_address = by_address.map(String::as_str).filter(|id| self.vpc_of_interface(id) == Some(vpc));
        let id = match by_address.next() {
            Some(id) => by_address.next().is_none().then_some(id)?,
            None => self.interfaces_by_prefix.get(&vpc)?.only_id(address)?,
        };
        self.interface(id).map(|interface| (id, interface))
    }
}

/// Returns two VPCs with the lesser one first.
fn ordered(a: VpcIndex, b: VpcIndex) -> (VpcIndex, VpcIndex) {
    (a.min(b), a.max(b))
}

#[cfg(test)]
mod tests;
