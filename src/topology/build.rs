//! Builds the tables of a [`Topology`] from the resources of the describe output.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::describe_output::{Interface, Problem, Resources};
use super::prefix_index::{OnlyId, PrefixIndex};
use super::prefix_table::PrefixTable;
use super::routes::RouteTableIndex;
use super::rules::RuleIndex;
use super::{BlockId, PackedLocation, Topology, VpcBlock, VpcIndex, VpcInfo, ordered};

impl Topology {
    /// Builds the topology from all resources. Adds resources that contradict each other to their problems.
    pub fn new(mut resources: Resources) -> Topology {
        let vpcs = known_vpcs(&resources);
        let blocks = vpc_blocks(&vpcs);
        let enclosing = enclosing_blocks(&blocks);
        let vpc_by_interface = vpc_by_interface(&resources, &vpcs);
        let mut topology = Topology {
            locations: locations(&blocks, &enclosing),
            enclosing,
            prefixes: PrefixTable::new(&blocks.iter().map(|block| block.block).collect::<Vec<_>>()),
            blocks,
            links: HashMap::default(),
            peers: BTreeMap::new(),
            interfaces_by_address: interfaces_by_address(&resources),
            interfaces_by_public_address: interfaces_by_public_address(&resources),
            interfaces_by_gateway: interfaces_by_gateway(&resources),
            route_tables: RouteTableIndex::new(&resources),
            rules: RuleIndex::new(&resources),
            interfaces_by_prefix: interfaces_by_prefix(&resources, &vpc_by_interface),
            subnets_by_block: subnets_by_block(&resources, &vpcs),
            vpc_by_interface,
            vpcs,
            resources: Resources::default(),
        };
        topology.add_links(&resources);
        let mut problems = topology.unknown_peer_blocks(&resources);
        resources.problems.append(&mut problems);
        topology.resources = resources;
        topology
    }

    /// Fills `links` and `peers`.
    fn add_links(&mut self, resources: &Resources) {
        for (id, connection) in &resources.peering_connections {
            let sides = self.vpc_index(&connection.requester.vpc_id).zip(self.vpc_index(&connection.accepter.vpc_id));
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

    /// Returns a problem for each side of an active connection whose VPC has no known block.
    fn unknown_peer_blocks(&self, resources: &Resources) -> Vec<Problem> {
        let mut problems = Vec::new();
        let active = resources.peering_connections.iter().filter(|(_, connection)| connection.is_active());
        for (id, connection) in active {
            for side in [&connection.requester, &connection.accepter] {
                let vpc = self.vpc_index(&side.vpc_id).map(|index| self.vpc(index));
                if vpc.is_none_or(|vpc| vpc.blocks.is_empty()) {
                    let message = format!("leads to {}, whose CIDR blocks are unknown", side.vpc_id);
                    let document =
                        resources.origins.get(id).map(|document| (**document).to_owned()).unwrap_or_default();
                    problems.push(Problem { document, resource: id.clone(), message });
                }
            }
        }
        problems
    }
}

/// Returns the VPCs that are described, that are a side of a connection, or that contain an interface; by id. A VPC that is not
/// described has the blocks that its connections list, whatever their status.
fn known_vpcs(resources: &Resources) -> Vec<VpcInfo> {
    let mut vpcs: BTreeMap<&str, VpcInfo> = BTreeMap::new();
    for (id, vpc) in &resources.vpcs {
        let info = VpcInfo { id: id.clone(), blocks: vpc.blocks.clone(), name: vpc.name.clone(), region: None };
        vpcs.insert(id, info);
    }
    for connection in resources.peering_connections.values() {
        for side in [&connection.requester, &connection.accepter] {
            let info = vpcs.entry(&side.vpc_id).or_insert_with(|| without_blocks(&side.vpc_id));
            info.region = info.region.take().or_else(|| side.region.clone());
            if !resources.vpcs.contains_key(&side.vpc_id) {
                info.blocks.extend(&side.blocks);
                info.blocks.sort_unstable();
                info.blocks.dedup();
            }
        }
    }
    // Many interfaces share a VPC, so their ids are deduplicated before the slower look-up in the ordered map.
    let vpc_ids = resources.interfaces.values().filter_map(|interface| interface.vpc_id.as_deref());
    for vpc_id in vpc_ids.collect::<HashSet<&str, RandomState>>() {
        vpcs.entry(vpc_id).or_insert_with(|| without_blocks(vpc_id));
    }
    vpcs.into_values().collect()
}

fn without_blocks(id: &str) -> VpcInfo {
    VpcInfo { id: id.to_owned(), blocks: Vec::new(), name: None, region: None }
}

/// Returns the distinct blocks of all VPCs, in order.
fn vpc_blocks(vpcs: &[VpcInfo]) -> Vec<VpcBlock> {
    let mut blocks: BTreeMap<IpNet, Vec<VpcIndex>> = BTreeMap::new();
    for (index, vpc) in (0..).map(VpcIndex).zip(vpcs) {
        for block in &vpc.blocks {
            blocks.entry(*block).or_default().push(index);
        }
    }
    blocks.into_iter().map(|(block, vpcs)| VpcBlock { block, vpcs }).collect()
}

/// Returns the blocks that contain each contested block, longest first. A block is contested if blocks of different VPCs contain it.
fn enclosing_blocks(blocks: &[VpcBlock]) -> HashMap<BlockId, Vec<BlockId>, RandomState> {
    let mut contested = HashMap::default();
    // Blocks are in order, so those that contain the current one are the last that do not end before it.
    let mut containing: Vec<(BlockId, &VpcBlock)> = Vec::new();
    for (id, block) in (0..).zip(blocks) {
        while containing.pop_if(|(_, outer)| !outer.block.contains(&block.block)).is_some() {}
        containing.push((id, block));
        let mut vpcs = containing.iter().flat_map(|(_, outer)| &outer.vpcs);
        let first = vpcs.next();
        if vpcs.any(|vpc| Some(vpc) != first) {
            contested.insert(id, containing.iter().rev().map(|(id, _)| *id).collect());
        }
    }
    contested
}

/// Returns the location of addresses outside all blocks, followed by the location of each block.
fn locations(blocks: &[VpcBlock], contested: &HashMap<BlockId, Vec<BlockId>, RandomState>) -> Vec<PackedLocation> {
    let location = |(id, block): (BlockId, &VpcBlock)| match block.vpcs[..] {
        [vpc] if !contested.contains_key(&id) => PackedLocation::inside(vpc),
        _ => PackedLocation::contested(id),
    };
    std::iter::once(PackedLocation::OUTSIDE).chain((0..).zip(blocks).map(location)).collect()
}

fn interfaces_by_prefix(
    resources: &Resources,
    vpc_by_interface: &HashMap<String, VpcIndex, RandomState>,
) -> HashMap<VpcIndex, PrefixIndex<OnlyId>, RandomState> {
    let mut by_vpc: HashMap<VpcIndex, PrefixIndex<OnlyId>, RandomState> = HashMap::default();
    for (id, interface) in resources.interfaces.iter().filter(|(_, interface)| !interface.prefixes.is_empty()) {
        let Some(vpc) = vpc_by_interface.get(id) else { continue };
        let index = by_vpc.entry(*vpc).or_default();
        interface.prefixes.iter().for_each(|prefix| index.add(*prefix, id));
    }
    by_vpc
}

fn subnets_by_block(resources: &Resources, vpcs: &[VpcInfo]) -> HashMap<VpcIndex, PrefixIndex<String>, RandomState> {
    let indices = indices_by_id(vpcs);
    let mut by_vpc: HashMap<VpcIndex, PrefixIndex<String>, RandomState> = HashMap::default();
    for (id, subnet) in &resources.subnets {
        let Some(vpc) = indices.get(subnet.vpc_id.as_str()) else { continue };
        let index = by_vpc.entry(*vpc).or_default();
        for block in &subnet.blocks {
            index.insert(*block, id.clone());
        }
    }
    by_vpc
}

fn interfaces_by_address(resources: &Resources) -> HashMap<IpAddr, Vec<String>, RandomState> {
    let mut interfaces: HashMap<IpAddr, Vec<String>, RandomState> = map_with_capacity(resources.interfaces.len());
    for (id, interface) in &resources.interfaces {
        for address in &interface.addresses {
            interfaces.entry(*address).or_insert_with(|| Vec::with_capacity(1)).push(id.clone());
        }
    }
    interfaces
}

/// Returns the interface of each public address. Two interfaces have the same one only if a document is outdated; the least id
/// wins.
fn interfaces_by_public_address(resources: &Resources) -> HashMap<IpAddr, String, RandomState> {
    let mut interfaces: HashMap<IpAddr, String, RandomState> = HashMap::default();
    for (id, interface) in &resources.interfaces {
        for address in &interface.public_addresses {
            interfaces.entry(*address).or_insert_with(|| id.clone());
        }
    }
    interfaces
}

fn interfaces_by_gateway(resources: &Resources) -> HashMap<String, Vec<String>, RandomState> {
    let mut interfaces: HashMap<String, Vec<String>, RandomState> = HashMap::default();
    for (id, interface) in &resources.interfaces {
        if let Some(gateway_id) = &interface.gateway_id {
            interfaces.entry(gateway_id.clone()).or_default().push(id.clone());
        }
    }
    interfaces
}

fn vpc_by_interface(resources: &Resources, vpcs: &[VpcInfo]) -> HashMap<String, VpcIndex, RandomState> {
    let indices = indices_by_id(vpcs);
    let vpc_of = |interface: &Interface| indices.get(interface.vpc_id.as_deref()?).copied();
    let mut by_interface = map_with_capacity(resources.interfaces.len());
    by_interface
        .extend(resources.interfaces.iter().filter_map(|(id, interface)| Some((id.clone(), vpc_of(interface)?))));
    by_interface
}

fn indices_by_id(vpcs: &[VpcInfo]) -> HashMap<&str, VpcIndex, RandomState> {
    let mut indices = map_with_capacity(vpcs.len());
    indices.extend(vpcs.iter().map(|vpc| vpc.id.as_str()).zip((0..).map(VpcIndex)));
    indices
}

fn map_with_capacity<K, V>(capacity: usize) -> HashMap<K, V, RandomState> {
    HashMap::with_capacity_and_hasher(capacity, RandomState::default())
}
