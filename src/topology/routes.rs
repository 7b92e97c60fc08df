//! Follows the route tables: which ones are in use, and where they send traffic.
//!
//! AWS picks the longest destination that has the address. A destination may be a prefix list; its blocks count if they are
//! known. A route in state blackhole takes traffic as well, and drops it.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::describe_output::{Destination, Resources, Route, RouteState, RouteTable};
use super::{Location, Topology, VpcIndex, ordered};

/// A route table in use, with the subnets that it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInUse<'a> {
    /// Id of the table.
    pub id: &'a str,
    /// The table.
    pub table: &'a RouteTable,
    /// Known subnets that use the table, in order.
    pub subnet_ids: Vec<&'a str>,
}

/// The route tables in use of a VPC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TablesInUse<'a> {
    /// The tables, by id.
    pub tables: Vec<TableInUse<'a>>,
    /// Whether these are all. False if subnets use a main table that the topology does not have.
    pub is_complete: bool,
}

/// Whether a route table leads to a block through a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// No route leads there.
    No,
    /// Only a route to a prefix list whose blocks are unknown may lead there.
    Possible,
    /// A route leads there.
    Yes,
}

/// Look-ups of the route tables by VPC and by subnet.
#[derive(Debug, Clone, Default)]
pub(super) struct RouteTableIndex {
    /// By VPC id.
    by_vpc: HashMap<String, VpcTables, RandomState>,
    /// Ids of the associated tables, by subnet id.
    by_subnet: HashMap<String, String, RandomState>,
}

/// Route tables of a VPC.
#[derive(Debug, Clone, Default)]
struct VpcTables {
    main: Option<String>,
    /// Tables that are associated with a subnet.
    associated: BTreeSet<String>,
    has_known_subnets: bool,
    /// Known subnets without a table of their own.
    subnets_of_main: Vec<String>,
}

impl VpcTables {
    /// Reports whether the main table is in use. If no subnets are known, it is assumed to be.
    fn uses_main(&self) -> bool {
        !self.has_known_subnets || !self.subnets_of_main.is_empty()
    }
}

impl RouteTableIndex {
    /// If outdated documents give a subnet two tables, or a VPC two main tables, the least id wins.
    pub(super) fn new(resources: &Resources) -> RouteTableIndex {
        let mut index = RouteTableIndex::default();
        for (id, table) in &resources.route_tables {
            let vpc = index.by_vpc.entry(table.vpc_id.clone()).or_default();
            if table.is_main && vpc.main.is_none() {
                vpc.main = Some(id.clone());
            }
            if !table.subnet_ids.is_empty() {
                vpc.associated.insert(id.clone());
            }
            for subnet_id in &table.subnet_ids {
                index.by_subnet.entry(subnet_id.clone()).or_insert_with(|| id.clone());
            }
        }
        for (id, subnet) in &resources.subnets {
            let Some(vpc) = index.by_vpc.get_mut(&subnet.vpc_id) else { continue };
            vpc.has_known_subnets = true;
            if !index.by_subnet.contains_key(id) {
                vpc.subnets_of_main.push(id.clone());
            }
        }
        index
    }
}

impl Topology {
    /// Returns the route tables in use of a VPC: those that are associated with a subnet, and the main table if a subnet has
    /// no table of its own or no subnets are known.
    pub fn route_tables_in_use(&self, vpc: VpcIndex) -> TablesInUse<'_> {
        let Some(tables) = self.route_tables.by_vpc.get(&self.vpc(vpc).id) else { return TablesInUse::default() };
        let main = tables.main.as_ref().filter(|_| tables.uses_main());
        let ids: BTreeSet<&String> = tables.associated.iter().chain(main).collect();
        let in_use = |id: &String| {
            let (id, table) = self.resources.route_tables.get_key_value(id)?;
            let mut subnet_ids: Vec<&str> = table.subnet_ids.iter().map(String::as_str).collect();
            if main == Some(id) {
                subnet_ids.extend(tables.subnets_of_main.iter().map(String::as_str));
                subnet_ids.sort_unstable();
            }
            Some(TableInUse { id, table, subnet_ids })
        };
        let is_complete = main.is_some() || !tables.uses_main();
        TablesInUse { tables: ids.into_iter().filter_map(in_use).collect(), is_complete }
    }

    /// Returns the route table of a subnet with its id: the associated one, else the main table of the subnet's VPC.
    pub fn route_table_of_subnet(&self, subnet_id: &str) -> Option<(&str, &RouteTable)> {
        let main = || self.route_tables.by_vpc.get(&self.resources.subnets.get(subnet_id)?.vpc_id)?.main.as_ref();
        let id = self.route_tables.by_subnet.get(subnet_id).or_else(main)?;
        self.resources.route_tables.get_key_value(id).map(|(id, table)| (id.as_str(), table))
    }

    /// Returns the route table of a subnet, with its id. The main table of `own` applies to a subnet that is not described, and to an
    /// unknown one if no table of the VPC is associated with a subnet.
    pub(super) fn table_of(&self, subnet_id: Option<&str>, own: Option<VpcIndex>) -> Option<(&str, &RouteTable)> {
        let main = || {
            let tables = self.route_tables.by_vpc.get(&self.vpc(own?).id)?;
            let is_sure = subnet_id.is_some() || tables.associated.is_empty();
            let main = tables.main.as_ref().filter(|_| is_sure)?;
            self.resources.route_tables.get_key_value(main).map(|(id, table)| (id.as_str(), table))
        };
        subnet_id.and_then(|id| self.route_table_of_subnet(id)).or_else(main)
    }

    /// Returns the route table that an address of a VPC uses, and its route to another address: the one with the longest destination,
    /// if there is one. Returns `None` if the table is unknown, or has a prefix list whose blocks are.
    pub fn route_between(&self, vpc: VpcIndex, from: IpAddr, to: IpAddr) -> Option<(&str, Option<&Route>)> {
        let subnet = self.endpoint(from, Location::In(vpc)).subnet_id;
        let (id, table) = self.table_of(subnet.as_deref(), Some(vpc))?;
        let to = IpNet::from(to);
        let length = |route: &Route| self.longest_containing(&route.destination, &to);
        let routes = table.routes.iter().filter(|route| route.state != RouteState::Unused);
        if routes.clone().any(|route| self.blocks_of(&route.destination).is_none()) {
            return None;
        }
        let longest = routes.filter_map(|route| Some((length(route)?, route))).max_by_key(|(length, _)| *length);
        Some((id, longest.map(|(_, route)| route)))
    }

    /// Returns whether a route leads to an active peering connection between two VPCs.
    pub fn leads_between(&self, route: &Route, a: VpcIndex, b: VpcIndex) -> bool {
        route.is_active() && self.active_connections(a, b).any(|id| route.connection_id() == Some(id))
    }

    /// Returns the VPC to which a subnet routes an address, if several may have it: the one behind the longest destination with the
    /// address whose target is a connection to one of `candidates`. `own` is the own VPC of the record. Its main table applies to a
    /// subnet that is not described, and to an unknown one if no table of the VPC is associated with a subnet.
    pub fn routed_peer(
        &self,
        subnet_id: Option<&str>,
        own: Option<VpcIndex>,
        address: IpAddr,
        candidates: &[VpcIndex],
    ) -> Option<VpcIndex> {
        let (_, table) = self.table_of(subnet_id, own)?;
        let address = IpNet::from(address);
        let target = |route: &Route| {
            let connection = self.connection(route.connection_id()?)?;
            let vpc = self.vpc_index(&connection.other_side(&table.vpc_id)?.vpc_id)?;
            let length = self.longest_containing(&route.destination, &address)?;
            candidates.contains(&vpc).then_some((length, vpc))
        };
        let targets: BTreeSet<(u8, VpcIndex)> = table.routes.iter().filter_map(target).collect();
        let (longest, vpc) = targets.last()?;
        let is_sole = targets.iter().filter(|(length, _)| length == longest).count() == 1;
        is_sole.then_some(*vpc)
    }

    /// Returns the blocks of `other` that `side` needs routes to: those of IPv6 only if both have one.
    pub fn blocks_to_route(&self, side: VpcIndex, other: VpcIndex) -> impl Iterator<Item = IpNet> {
        let is_ipv6 = |block: &IpNet| matches!(block, IpNet::V6(_));
        let side_has_ipv6 = self.vpc(side).blocks.iter().any(is_ipv6);
        self.vpc(other).blocks.iter().filter(move |block| side_has_ipv6 || !is_ipv6(block)).copied()
    }

    /// Returns the VPCs that have a block that contains all addresses of this one, in order.
    pub fn vpcs_containing(&self, block: &IpNet) -> Vec<VpcIndex> {
        let supernets = std::iter::successors(Some(*block), IpNet::supernet);
        let found = supernets.filter_map(|net| self.blocks.binary_search_by(|known| known.block.cmp(&net)).ok());
        let vpcs = found.filter_map(|index| self.blocks.get(index)).flat_map(|known| &known.vpcs);
        vpcs.copied().collect::<BTreeSet<VpcIndex>>().into_iter().collect()
    }

    /// Reports whether a route table reaches a block through a connection: it has an active route to the connection whose
    /// destination contains the block or lies in it, and no longer destination to another target takes the whole block.
    pub fn reach(&self, table: &RouteTable, connection_id: &str, block: &IpNet) -> Reach {
        let is_to_connection = |route: &&Route| route.connection_id() == Some(connection_id);
        let routes = table.routes.iter().filter(is_to_connection).filter(|route| route.is_active());
        let others = || table.routes.iter().filter(|route| !is_to_connection(route));
        let reach = |route| match self.blocks_of(route) {
            None => Reach::Possible,
            Some(destinations) if self.leads_to(destinations, block, others) => Reach::Yes,
            Some(_) => Reach::No,
        };
        routes.map(|route| reach(&route.destination)).max().unwrap_or(Reach::No)
    }

    /// Reports whether a route of a table has something in common with one of the blocks that no longer destination of the
    /// table takes. Returns `None` if the route is to a prefix list whose blocks are unknown.
    pub fn route_has_any_of(&self, table: &RouteTable, route: &Route, blocks: &[IpNet]) -> Option<bool> {
        let destinations = self.blocks_of(&route.destination)?;
        Some(blocks.iter().any(|block| self.leads_to(destinations, block, || table.routes.iter())))
    }

    /// Reports whether one of the destinations contains the block or lies in it, unless a longer destination of the other routes
    /// takes the whole block.
    fn leads_to<'a, I: Iterator<Item = &'a Route>>(
        &self,
        destinations: &[IpNet],
        block: &IpNet,
        others: impl Fn() -> I,
    ) -> bool {
        let is_taken = |length: u8| {
            let mut lengths = others().filter(|route| route.state != RouteState::Unused);
            lengths.any(|route| self.longest_containing(&route.destination, block) > Some(length))
        };
        destinations.iter().any(|destination| {
            block.contains(destination) || destination.contains(block) && !is_taken(destination.prefix_len())
        })
    }

    /// Returns the prefix length of the destination's longest block that contains a block.
    pub(super) fn longest_containing(&self, destination: &Destination, block: &IpNet) -> Option<u8> {
        let destinations = self.blocks_of(destination)?.iter();
        destinations.filter(|destination| destination.contains(block)).map(IpNet::prefix_len).max()
    }

    /// Returns the blocks of a destination, or `None` for a prefix list whose blocks are unknown.
    pub(super) fn blocks_of<'a>(&'a self, destination: &'a Destination) -> Option<&'a [IpNet]> {
        match destination {
            Destination::Block(block) => Some(std::slice::from_ref(block)),
            Destination::PrefixList(id) => self.resources.prefix_lists.get(id).map(|list| list.blocks.as_slice()),
        }
    }

    fn active_connections(&self, a: VpcIndex, b: VpcIndex) -> impl Iterator<Item = &str> {
        self.links.get(&ordered(a, b)).into_iter().flat_map(|links| &links.active).map(String::as_str)
    }
}
#[cfg(test)]
mod tests;
