//! Checks a topology for problems, without any log: overlapping CIDR blocks, missing routes, and routes without an active
//! connection. The types here are part of the JSON output of `topology check`.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::Serialize;

use crate::findings::types::{self, Severity};
use crate::topology::describe_output::{Destination, PeeringConnection, PeeringRoute, RouteTable, Side};
use crate::topology::{Topology, VpcIndex};

/// The value of [`Check::schema`].
pub const SCHEMA: &str = "flowsentry/topology-check/v1";

/// Result of the check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Always `flowsentry/topology-check/v1`.
    pub schema: &'static str,
    /// Number of known VPCs.
    pub vpcs: usize,
    /// Number of known peering connections.
    pub peering_connections: usize,
    /// Number of known route tables.
    pub route_tables: usize,
    /// Entries of the documents that could not be used, each with the reason.
    pub problems: Vec<String>,
    /// Problems, sorted by severity (highest first), type, and subject.
    pub findings: Vec<TopologyFinding>,
}

/// A problem of a topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopologyFinding {
    /// Hash of type and subject. The same problem has the same id in the next check.
    pub id: String,
    /// Type of the problem.
    #[serde(rename = "type")]
    pub finding_type: TopologyFindingType,
    /// Severity of the problem.
    pub severity: Severity,
    /// Description in one line.
    pub title: String,
    /// Resources that have the problem.
    pub subject: TopologySubject,
    /// More facts.
    pub details: TopologyDetails,
}

/// The types of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TopologyFindingType {
    /// A route to a peering connection is in state blackhole.
    BlackholeRoute,
    /// A route targets a peering connection that is not active.
    InactivePeeringRoute,
    /// One side of an active peering connection has no route to it.
    MissingRoute,
    /// Two VPCs have overlapping CIDR blocks and are peered or have a common peer.
    OverlappingCidr,
}

impl TopologyFindingType {
    /// Returns the keyword used in JSON and reports.
    pub fn name(self) -> &'static str {
        match self {
            TopologyFindingType::BlackholeRoute => "blackhole-route",
            TopologyFindingType::InactivePeeringRoute => "inactive-peering-route",
            TopologyFindingType::MissingRoute => "missing-route",
            TopologyFindingType::OverlappingCidr => "overlapping-cidr",
        }
    }

    /// Returns the meaning and the recommended next step, as text for users.
    pub fn advice(self) -> &'static str {
        match self {
            TopologyFindingType::BlackholeRoute => {
                "Traffic that matches the route is dropped. Remove the route, or create a new connection and route to it."
            }
            TopologyFindingType::InactivePeeringRoute => {
                "A connection that is not active carries no traffic. Accept it or remove the route."
            }
            TopologyFindingType::MissingRoute => {
                "Peering needs routes on both sides; otherwise requests are not sent or replies do not return. Add a route \
                 to the CIDR blocks of the other side."
            }
            TopologyFindingType::OverlappingCidr => {
                "The same address exists in both VPCs, so a reply may go to the wrong VPC. Use routes to the parts of the \
                 blocks that do not overlap, or change the CIDR blocks of one VPC."
            }
        }
    }
}

/// Resources that have a problem. The fields depend on the type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum TopologySubject {
    /// Used by `overlapping-cidr`.
    Vpcs {
        /// The two VPCs, in order.
        vpc_ids: Vec<String>,
    },
    /// Used by `missing-route`.
    Side {
        /// VPC without a route.
        vpc_id: String,
        /// Peering connection.
        peering_connection_id: String,
    },
    /// Used by `blackhole-route` and `inactive-peering-route`.
    Route {
        /// Route table.
        route_table_id: String,
        /// Destination of the route: a CIDR block or a prefix list.
        destination: String,
        /// Target of the route.
        peering_connection_id: String,
    },
}

/// More facts about a problem. The fields depend on the type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TopologyDetails {
    /// Used by `overlapping-cidr`.
    Overlap {
        /// Overlap: the smaller block of each overlapping pair.
        cidr_blocks: Vec<IpNet>,
        /// VPCs that are peered with both.
        via_vpc_ids: Vec<String>,
    },
    /// Used by `missing-route`.
    Unrouted {
        /// CIDR blocks of the other side.
        cidr_blocks: Vec<IpNet>,
    },
    /// Used by `blackhole-route` and `inactive-peering-route`.
    Connection {
        /// Status of the connection. Null if it is not in the topology.
        status: Option<String>,
    },
}

/// Checks a topology for all types of problems.
pub fn check(topology: &Topology) -> Check {
    let mut findings = overlapping_vpcs(topology);
    findings.extend(missing_routes(topology));
    findings.extend(bad_routes(topology));
    findings.sort_by(|a, b| {
        (b.severity, a.finding_type.name(), &a.subject).cmp(&(a.severity, b.finding_type.name(), &b.subject))
    });
    // A route table may list the same route twice.
    findings.dedup_by(|a, b| a.id == b.id);
    let resources = topology.resources();
    Check {
        schema: SCHEMA,
        vpcs: topology.vpcs().count(),
        peering_connections: resources.peering_connections.len(),
        route_tables: resources.route_tables.len(),
        problems: topology.problems().iter().map(ToString::to_string).collect(),
        findings,
    }
}

impl TopologyFinding {
    fn new(
        finding_type: TopologyFindingType,
        severity: Severity,
        title: String,
        subject: TopologySubject,
        details: TopologyDetails,
    ) -> TopologyFinding {
        let id = types::id(finding_type.name(), &subject);
        TopologyFinding { id, finding_type, severity, title, subject, details }
    }
}

/// Finds VPCs with overlapping blocks that are peered or have a common peer. AWS rejects the first, but allows the second.
fn overlapping_vpcs(topology: &Topology) -> Vec<TopologyFinding> {
    // Pairs of VPCs, each with the common peers.
    let mut pairs: BTreeMap<(VpcIndex, VpcIndex), BTreeSet<VpcIndex>> = BTreeMap::new();
    for (vpc, _) in topology.vpcs() {
        let mut peers: Vec<VpcIndex> = topology.peers(vpc).collect();
        while let Some(a) = peers.pop() {
            pairs.entry((vpc.min(a), vpc.max(a))).or_default();
            for &b in &peers {
                pairs.entry((a.min(b), a.max(b))).or_default().insert(vpc);
            }
        }
    }
    pairs.into_iter().filter_map(|((a, b), common)| overlap(topology, a, b, common)).collect()
}

fn overlap(topology: &Topology, a: VpcIndex, b: VpcIndex, common: BTreeSet<VpcIndex>) -> Option<TopologyFinding> {
    let [vpc_a, vpc_b] = [a, b].map(|vpc| topology.vpc(vpc));
    let cidr_blocks = common_blocks(&vpc_a.blocks, &vpc_b.blocks);
    let first = cidr_blocks.first()?;
    let peered = topology.is_peered(a, b);
    let via_vpc_ids: Vec<String> = common.into_iter().map(|vpc| topology.vpc(vpc).id.clone()).collect();
    let how = if peered { "are peered".to_owned() } else { format!("are both peered with {}", via_vpc_ids.join(", ")) };
    let title = format!("{} and {} {how} and overlap in {first}", vpc_a.id, vpc_b.id);
    let severity = if peered { Severity::High } else { Severity::Medium };
    let subject = TopologySubject::Vpcs { vpc_ids: vec![vpc_a.id.clone(), vpc_b.id.clone()] };
    let details = TopologyDetails::Overlap { cidr_blocks, via_vpc_ids };
    Some(TopologyFinding::new(TopologyFindingType::OverlappingCidr, severity, title, subject, details))
}

/// Returns the smaller block of each overlapping pair, sorted and without duplicates.
fn common_blocks(a: &[IpNet], b: &[IpNet]) -> Vec<IpNet> {
    let mut common: Vec<IpNet> = Vec::new();
    for block in a {
        let overlapping = b.iter().filter(|other| overlaps(block, other));
        common.extend(overlapping.map(|other| if block.prefix_len() > other.prefix_len() { *block } else { *other }));
    }
    common.sort_unstable();
    common.dedup();
    common
}

fn overlaps(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// Finds active connections to which one side has no route for any block of the other side. A side is checked only if its route
/// tables are known.
fn missing_routes(topology: &Topology) -> Vec<TopologyFinding> {
    let connections = topology.resources().peering_connections.iter().filter(|(_, connection)| connection.is_active());
    let sides = connections.flat_map(|(id, connection)| {
        let PeeringConnection { requester, accepter, .. } = connection;
        [(id, requester, accepter), (id, accepter, requester)]
    });
    let mut tables: BTreeMap<&str, Vec<&RouteTable>> = BTreeMap::new();
    for table in topology.resources().route_tables.values() {
        tables.entry(&table.vpc_id).or_default().push(table);
    }
    let checked = sides.filter_map(|(id, side, other)| Some((id, side, other, tables.get(side.vpc_id.as_str())?)));
    checked.filter_map(|(id, side, other, tables)| missing_route(topology, id, side, other, tables)).collect()
}

fn missing_route(
    topology: &Topology,
    id: &str,
    side: &Side,
    other: &Side,
    tables: &[&RouteTable],
) -> Option<TopologyFinding> {
    let blocks = &topology.vpc(topology.vpc_index(&other.vpc_id)?).blocks;
    let reaches_other = |route: &PeeringRoute| {
        route.peering_connection_id == id
            && !route.blackhole
            && match &route.destination {
                Destination::Block(destination) => blocks.iter().any(|block| overlaps(destination, block)),
                // The content of a prefix list is not known, so it counts as a route.
                Destination::PrefixList(_) => true,
            }
    };
    if blocks.is_empty() || tables.iter().flat_map(|table| &table.routes).any(reaches_other) {
        return None;
    }
    let title = format!("{} has no route to {} via {id}", side.vpc_id, other.vpc_id);
    let subject = TopologySubject::Side { vpc_id: side.vpc_id.clone(), peering_connection_id: id.to_owned() };
    let details = TopologyDetails::Unrouted { cidr_blocks: blocks.clone() };
    Some(TopologyFinding::new(TopologyFindingType::MissingRoute, Severity::Medium, title, subject, details))
}

/// Finds routes in state blackhole and routes to a connection that is not active.
fn bad_routes(topology: &Topology) -> Vec<TopologyFinding> {
    let mut findings = Vec::new();
    for (id, table) in &topology.resources().route_tables {
        for route in &table.routes {
            findings.extend(bad_route(topology, id, route));
        }
    }
    findings
}

fn bad_route(topology: &Topology, table_id: &str, route: &PeeringRoute) -> impl Iterator<Item = TopologyFinding> {
    let id = &route.peering_connection_id;
    let connection = topology.connection(id);
    let subject = TopologySubject::Route {
        route_table_id: table_id.to_owned(),
        destination: route.destination.to_string(),
        peering_connection_id: id.clone(),
    };
    let details = TopologyDetails::Connection { status: connection.map(|connection| connection.status.clone()) };
    let finding = |finding_type, title| {
        TopologyFinding::new(finding_type, Severity::Medium, title, subject.clone(), details.clone())
    };
    let route_text = format!("{table_id} routes {} to {id}", route.destination);
    let blackhole = route.blackhole.then(|| {
        finding(TopologyFindingType::BlackholeRoute, format!("{route_text}, but the route is in state blackhole"))
    });
    let inactive = connection.filter(|connection| !connection.is_active()).map(|connection| {
        finding(TopologyFindingType::InactivePeeringRoute, format!("{route_text}, which is {}", connection.status))
    });
    blackhole.into_iter().chain(inactive)
}

#[cfg(test)]
mod tests;
