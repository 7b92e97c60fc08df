//! Routes that are missing, and routes that lead nowhere.

use ipnet::IpNet;

use super::types::{TopologyDetails, TopologyFinding, TopologyFindingType, TopologySubject};
use crate::findings::types::Severity;
use crate::topology::describe_output::{Destination, Route, RouteState, RouteTable};
use crate::topology::routes::{Reach, TableInUse};
use crate::topology::{Topology, VpcIndex};

/// Route tables that a title names. It counts more of them.
const MAX_NAMED_TABLES: usize = 3;

/// One side of an active connection, and the other side.
struct ConnectionSide<'a> {
    topology: &'a Topology,
    connection_id: &'a str,
    side: VpcIndex,
    other: VpcIndex,
}

/// Finds the blocks of active connections that all or some route tables in use do not reach.
pub(super) fn unrouted_blocks(topology: &Topology) -> Vec<TopologyFinding> {
    let mut findings = Vec::new();
    for (id, connection) in topology.resources().peering_connections.iter().filter(|(_, c)| c.is_active()) {
        let sides = [&connection.requester, &connection.accepter].map(|side| topology.vpc_index(&side.vpc_id));
        let [Some(requester), Some(accepter)] = sides else { continue };
        for (side, other) in [(requester, accepter), (accepter, requester)] {
            findings.extend(ConnectionSide { topology, connection_id: id, side, other }.unrouted_blocks());
        }
    }
    findings
}

impl ConnectionSide<'_> {
    fn unrouted_blocks(&self) -> Vec<TopologyFinding> {
        let in_use = self.topology.route_tables_in_use(self.side);
        let mut findings = Vec::new();
        for block in self.topology.blocks_to_route(self.side, self.other) {
            let reaches =
                |table: &&TableInUse<'_>| self.topology.reach(table.table, self.connection_id, &block) != Reach::No;
            let (reaching, lacking): (Vec<_>, Vec<_>) = in_use.tables.iter().partition(reaches);
            match (reaching.is_empty(), lacking.is_empty()) {
                // If the main table is unknown, it may have the route.
                (true, false) if in_use.is_complete => findings.push(self.missing_route(block, &lacking)),
                (false, false) => findings.push(self.partial_route(block, &lacking, in_use.tables.len())),
                _ => {}
            }
        }
        findings
    }

    fn missing_route(&self, block: IpNet, lacking: &[&TableInUse<'_>]) -> TopologyFinding {
        let title = format!(
            "{} has no route to {block} of {} through {}: add it to {}",
            self.label(self.side),
            self.label(self.other),
            self.topology.label(self.connection_id),
            self.table_labels(lacking)
        );
        self.finding(TopologyFindingType::MissingRoute, Severity::Medium, title, block, lacking)
    }

    fn partial_route(&self, block: IpNet, lacking: &[&TableInUse<'_>], tables: usize) -> TopologyFinding {
        let title = format!(
            "{} of {tables} route tables in use of {} have no route to {block} of {} through {}: {}",
            lacking.len(),
            self.label(self.side),
            self.label(self.other),
            self.topology.label(self.connection_id),
            self.table_labels(lacking)
        );
        self.finding(TopologyFindingType::PartialRoute, Severity::Low, title, block, lacking)
    }

    fn finding(
        &self,
        finding_type: TopologyFindingType,
        severity: Severity,
        title: String,
        cidr_block: IpNet,
        lacking: &[&TableInUse<'_>],
    ) -> TopologyFinding {
        let subject = TopologySubject::Block {
            vpc_id: self.topology.vpc(self.side).id.clone(),
            peering_connection_id: self.connection_id.to_owned(),
            cidr_block,
        };
        let mut subnet_ids: Vec<String> =
            lacking.iter().flat_map(|table| &table.subnet_ids).map(|id| (*id).to_owned()).collect();
        subnet_ids.sort_unstable();
        let details = TopologyDetails::Unrouted {
            peer_vpc_id: self.topology.vpc(self.other).id.clone(),
            route_table_ids: lacking.iter().map(|table| table.id.to_owned()).collect(),
            subnet_ids,
        };
        TopologyFinding::new(self.topology, finding_type, severity, title, subject, details)
    }

    fn label(&self, vpc: VpcIndex) -> String {
        self.topology.label(&self.topology.vpc(vpc).id)
    }

    fn table_labels(&self, tables: &[&TableInUse<'_>]) -> String {
        if tables.len() > MAX_NAMED_TABLES {
            return format!("{} route tables", tables.len());
        }
        tables.iter().map(|table| self.topology.label(table.id)).collect::<Vec<_>>().join(", ")
    }
}

/// Finds routes in state blackhole, routes to a connection that is not active, and routes beyond the peer.
pub(super) fn bad_routes(topology: &Topology) -> Vec<TopologyFinding> {
    let mut findings = Vec::new();
    for (id, table) in &topology.resources().route_tables {
        for route in &table.routes {
            let route = TableRoute { topology, table_id: id, table, route };
            findings.extend(route.blackhole());
            findings.extend(route.inactive_peering());
            findings.extend(route.useless());
        }
    }
    findings
}

/// A route of a table.
struct TableRoute<'a> {
    topology: &'a Topology,
    table_id: &'a str,
    table: &'a RouteTable,
    route: &'a Route,
}

impl TableRoute<'_> {
    fn blackhole(&self) -> Option<TopologyFinding> {
        let is_blackhole = self.route.state == RouteState::Blackhole;
        let title = || format!("{}, but the route is in state blackhole", self.text());
        is_blackhole.then(|| self.finding(TopologyFindingType::BlackholeRoute, title(), self.connection_details()))
    }

    fn inactive_peering(&self) -> Option<TopologyFinding> {
        let connection = self.topology.connection(self.route.connection_id()?)?;
        let title = || format!("{}, which is {}", self.text(), connection.status);
        let finding = || self.finding(TopologyFindingType::InactivePeeringRoute, title(), self.connection_details());
        (!connection.is_active()).then(finding)
    }

    /// Finds a route for other addresses than those of the peer. A default route next to the routes to the peer is one,
    /// because the longer destinations take the traffic for the peer.
    fn useless(&self) -> Option<TopologyFinding> {
        let connection = self.topology.connection(self.route.connection_id()?).filter(|c| c.is_active())?;
        let peer = &connection.other_side(&self.table.vpc_id)?.vpc_id;
        let blocks = &self.topology.vpc(self.topology.vpc_index(peer)?).blocks;
        if blocks.is_empty() || self.topology.route_has_any_of(self.table, self.route, blocks)? {
            return None;
        }
        let destination_vpc_ids = self.vpcs_of_destination();
        let peer_label = self.topology.label(peer);
        let title = match destination_vpc_ids.first() {
            Some(vpc) => format!(
                "{}, but these addresses are in {}; the connection leads to {peer_label} alone",
                self.text(),
                self.topology.label(vpc)
            ),
            None => format!("{}, but the connection leads to {peer_label} alone", self.text()),
        };
        let details = TopologyDetails::Useless { peer_vpc_id: peer.clone(), destination_vpc_ids };
        Some(self.finding(TopologyFindingType::UselessRoute, title, details))
    }

    /// Returns the VPCs that have all addresses of the destination.
    fn vpcs_of_destination(&self) -> Vec<String> {
        let Destination::Block(destination) = &self.route.destination else { return Vec::new() };
        let vpcs = self.topology.vpcs_containing(destination).into_iter();
        vpcs.map(|vpc| self.topology.vpc(vpc).id.clone()).collect()
    }

    fn text(&self) -> String {
        let target = self.route.target.id();
        let target = if target.is_empty() { "no target".to_owned() } else { self.topology.label(target) };
        format!("{} routes {} to {target}", self.topology.label(self.table_id), self.route.destination)
    }

    fn connection_details(&self) -> TopologyDetails {
        let connection = self.route.connection_id().and_then(|id| self.topology.connection(id));
        TopologyDetails::Connection {
            target: self.route.target.id().to_owned(),
            status: connection.map(|connection| connection.status.clone()),
        }
    }

    fn finding(&self, finding_type: TopologyFindingType, title: String, details: TopologyDetails) -> TopologyFinding {
        let subject = TopologySubject::Route {
            route_table_id: self.table_id.to_owned(),
            destination: self.route.destination.to_string(),
            peering_connection_id: self.route.connection_id().map(str::to_owned),
        };
        TopologyFinding::new(self.topology, finding_type, Severity::Medium, title, subject, details)
    }
}
