//! What is wrong with the topology itself, before any traffic shows it.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::Serialize;

use crate::findings::types::{self, Severity};
use crate::topology::describe_output::{Destination, PeeringConnection, PeeringRoute, RouteTable, Side};
use crate::topology::{Topology, VpcIndex};

/// The value of [`Check::schema`].
pub const SCHEMA: &str = "flowsentry/topology-check/v1";

/// Everything that there is to say about a topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Always `flowsentry/topology-check/v1`.
    pub schema: &'static str,
    /// VPCs that are known.
    pub vpcs: usize,
    /// Peering connections that are known.
    pub peering_connections: usize,
    /// Route tables that are known.
    pub route_tables: usize,
    /// What could not be used of the documents.
    pub problems: Vec<String>,
    /// What is wrong, the worst first.
    pub findings: Vec<TopologyFinding>,
}

/// Something that is wrong with a topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopologyFinding {
    /// A hash of type and subject: the same trouble has the same id the next time.
    pub id: String,
    /// What kind of trouble.
    #[serde(rename = "type")]
    pub finding_type: TopologyFindingType,
    /// How bad it is.
    pub severity: Severity,
    /// One line for people.
    pub title: String,
    /// What it is about.
    pub subject: TopologySubject,
    /// What else there is to know.
    pub details: TopologyDetails,
}

/// The kinds of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TopologyFindingType {
    /// A route to a peering connection that leads nowhere.
    BlackholeRoute,
    /// A route to a peering connection that is not active.
    InactivePeeringRoute,
    /// An active connection that one side has no route to.
    MissingRoute,
    /// VPCs whose blocks overlap, and that are peered or have a peer in common.
    OverlappingCidr,
}

impl TopologyFindingType {
    /// The word in JSON and in reports.
    pub fn name(self) -> &'static str {
        match self {
            TopologyFindingType::BlackholeRoute => "blackhole-route",
            TopologyFindingType::InactivePeeringRoute => "inactive-peering-route",
            TopologyFindingType::MissingRoute => "missing-route",
            TopologyFindingType::OverlappingCidr => "overlapping-cidr",
        }
    }

    /// What it means and what to do, for people.
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

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum TopologySubject {
    /// Of `overlapping-cidr`.
    Vpcs {
        /// The two, in order.
        vpc_ids: Vec<String>,
    },
    /// Of `missing-route`.
    Side {
        /// The side without a route.
        vpc_id: String,
        /// The connection.
        peering_connection_id: String,
    },
    /// Of `blackhole-route` and `inactive-peering-route`.
    Route {
        /// The route table.
        route_table_id: String,
        /// Its destination: a block, or a prefix list.
        destination: String,
        /// The target.
        peering_connection_id: String,
    },
}

/// What else there is to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TopologyDetails {
    /// Of `overlapping-cidr`.
    Overlap {
        /// What is in both: the smaller block of each pair that overlaps.
        cidr_blocks: Vec<IpNet>,
        /// The VPCs that both are peered with.
        via_vpc_ids: Vec<String>,
    },
    /// Of `missing-route`.
    Unrouted {
        /// The other side's blocks.
        cidr_blocks: Vec<IpNet>,
    },
    /// Of the routes.
    Connection {
        /// The connection's status; null if it is not in the topology.
        status: Option<String>,
    },
}

/// Looks for all kinds of trouble.
pub fn check(topology: &Topology) -> Check {
    let mut findings = overlapping(topology);
    findings.extend(missing_routes(topology));
    findings.extend(bad_routes(topology));
    findings.sort_by(|a, b| {
        (b.severity, a.finding_type.name(), &a.subject).cmp(&(a.severity, b.finding_type.name(), &b.subject))
    });
    // A table may have the same route twice.
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

fn finding(
    finding_type: TopologyFindingType,
    severity: Severity,
    title: String,
    subject: TopologySubject,
    details: TopologyDetails,
) -> TopologyFinding {
    TopologyFinding { id: types::id(finding_type.name(), &subject), finding_type, severity, title, subject, details }
}

/// Two VPCs that are peered, which AWS does not allow with overlapping blocks, or that have a peer in common, where it
/// does.
fn overlapping(topology: &Topology) -> Vec<TopologyFinding> {
    let mut pairs: BTreeMap<(VpcIndex, VpcIndex), BTreeSet<VpcIndex>> = BTreeMap::new();
    for (number, _) in topology.vpcs() {
        let peers: Vec<VpcIndex> = topology.peers(number).collect();
        for (place, &a) in peers.iter().enumerate() {
            pairs.entry((number.min(a), number.max(a))).or_default();
            for &b in &peers[place + 1..] {
                pairs.entry((a.min(b), a.max(b))).or_default().insert(number);
            }
        }
    }
    pairs.into_iter().filter_map(|((a, b), via)| overlap(topology, a, b, via)).collect()
}

fn overlap(topology: &Topology, a: VpcIndex, b: VpcIndex, via: BTreeSet<VpcIndex>) -> Option<TopologyFinding> {
    let [of_a, of_b] = [a, b].map(|number| topology.vpc(number));
    let mut cidr_blocks: Vec<IpNet> = Vec::new();
    for block in &of_a.blocks {
        let common = of_b.blocks.iter().filter(|other| overlaps(block, other));
        cidr_blocks.extend(common.map(|other| if block.prefix_len() > other.prefix_len() { *block } else { *other }));
    }
    cidr_blocks.sort_unstable();
    cidr_blocks.dedup();
    let first = cidr_blocks.first()?;
    let peered = topology.is_peered(a, b);
    let via_vpc_ids: Vec<String> = via.into_iter().map(|number| topology.vpc(number).id.clone()).collect();
    let how = if peered { "are peered".to_owned() } else { format!("are both peered with {}", via_vpc_ids.join(", ")) };
    let title = format!("{} and {} {how} and overlap in {first}", of_a.id, of_b.id);
    let severity = if peered { Severity::High } else { Severity::Medium };
    let subject = TopologySubject::Vpcs { vpc_ids: vec![of_a.id.clone(), of_b.id.clone()] };
    let details = TopologyDetails::Overlap { cidr_blocks, via_vpc_ids };
    Some(finding(TopologyFindingType::OverlappingCidr, severity, title, subject, details))
}

fn overlaps(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// Active connections of which a side routes nothing inside the other's blocks to them. A side is judged only if its
/// route tables are known; a prefix list may hold anything, and so counts as a route.
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
    let judged = sides.filter_map(|(id, side, other)| Some((id, side, other, tables.get(side.vpc_id.as_str())?)));
    judged.filter_map(|(id, side, other, tables)| missing_route(topology, id, side, other, tables)).collect()
}

fn missing_route(
    topology: &Topology,
    id: &str,
    side: &Side,
    other: &Side,
    tables: &[&RouteTable],
) -> Option<TopologyFinding> {
    let blocks = &topology.vpc(topology.vpc_index(&other.vpc_id)?).blocks;
    let leads_there = |route: &PeeringRoute| {
        route.peering_connection_id == id
            && !route.blackhole
            && match &route.destination {
                Destination::Block(destination) => blocks.iter().any(|block| overlaps(destination, block)),
                Destination::PrefixList(_) => true,
            }
    };
    if blocks.is_empty() || tables.iter().flat_map(|table| &table.routes).any(leads_there) {
        return None;
    }
    let title = format!("{} has no route to {} via {id}", side.vpc_id, other.vpc_id);
    let subject = TopologySubject::Side { vpc_id: side.vpc_id.clone(), peering_connection_id: id.to_owned() };
    let details = TopologyDetails::Unrouted { cidr_blocks: blocks.clone() };
    Some(finding(TopologyFindingType::MissingRoute, Severity::Medium, title, subject, details))
}

fn bad_routes(topology: &Topology) -> Vec<TopologyFinding> {
    let mut findings = Vec::new();
    for (table, route) in
        topology.resources().route_tables.iter().flat_map(|(id, t)| t.routes.iter().map(move |r| (id, r)))
    {
        let id = &route.peering_connection_id;
        let connection = topology.connection(id);
        let status = connection.map(|connection| connection.status.clone());
        let subject = TopologySubject::Route {
            route_table_id: table.clone(),
            destination: route.destination.to_string(),
            peering_connection_id: id.clone(),
        };
        let details = TopologyDetails::Connection { status: status.clone() };
        let to = format!("{table} routes {} to {id}", route.destination);
        if route.blackhole {
            let title = format!("{to}, but the route is in state blackhole");
            let (subject, details) = (subject.clone(), details.clone());
            findings.push(finding(TopologyFindingType::BlackholeRoute, Severity::Medium, title, subject, details));
        }
        if let Some(status) = status.filter(|_| connection.is_some_and(|connection| !connection.is_active())) {
            let title = format!("{to}, which is {status}");
            findings.push(finding(
                TopologyFindingType::InactivePeeringRoute,
                Severity::Medium,
                title,
                subject,
                details,
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests;
