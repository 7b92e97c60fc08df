//! What is wrong with the topology itself, before any traffic shows it.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::Serialize;

use super::document::{Destination, PeeringConnection, PeeringRoute, RouteTable, Side};
use super::{Topology, VpcNumber};
use crate::finding::{self, Severity};

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
                "What the route takes is dropped. Remove it, or make the connection anew and route to that."
            }
            TopologyFindingType::InactivePeeringRoute => {
                "Nothing passes a connection that is not active. Accept it, or remove the route."
            }
            TopologyFindingType::MissingRoute => {
                "Peering needs routes on both sides: without one, requests are not sent or answers do not come back. \
                 Add a route to the other side's blocks."
            }
            TopologyFindingType::OverlappingCidr => {
                "The same address is in both. AWS checks no reverse path: an answer may go to the wrong VPC. Use routes \
                 to parts of the blocks that do not overlap, or give one of them other blocks."
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
    TopologyFinding { id: finding::id(finding_type.name(), &subject), finding_type, severity, title, subject, details }
}

/// Two VPCs that are peered, which AWS does not allow with overlapping blocks, or that have a peer in common, where it
/// does.
fn overlapping(topology: &Topology) -> Vec<TopologyFinding> {
    let mut pairs: BTreeMap<(VpcNumber, VpcNumber), BTreeSet<VpcNumber>> = BTreeMap::new();
    for (number, _) in topology.vpcs() {
        let peers: Vec<VpcNumber> = topology.peers(number).collect();
        for (place, &a) in peers.iter().enumerate() {
            pairs.entry((number.min(a), number.max(a))).or_default();
            for &b in &peers[place + 1..] {
                pairs.entry((a.min(b), a.max(b))).or_default().insert(number);
            }
        }
    }
    pairs.into_iter().filter_map(|((a, b), via)| overlap(topology, a, b, via)).collect()
}

fn overlap(topology: &Topology, a: VpcNumber, b: VpcNumber, via: BTreeSet<VpcNumber>) -> Option<TopologyFinding> {
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
    let title = format!("{} and {} {how}, and both have addresses in {first}", of_a.id, of_b.id);
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
    let blocks = &topology.vpc(topology.number(&other.vpc_id)?).blocks;
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
    let title = format!("{} has no route to {} over {id}", side.vpc_id, other.vpc_id);
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
            let title = format!("{to}, and the route is a black hole");
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
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::topology::document::Resources;

    fn vpc(id: &str, block: &str) -> Value {
        json!({"VpcId": id, "CidrBlock": block})
    }

    fn connection(id: &str, status: &str, requester: &str, accepter: &str) -> Value {
        json!({
            "VpcPeeringConnectionId": id,
            "Status": {"Code": status},
            "RequesterVpcInfo": {"VpcId": requester},
            "AccepterVpcInfo": {"VpcId": accepter},
        })
    }

    fn table(id: &str, vpc_id: &str, routes: &[(&str, &str, &str)]) -> Value {
        let route = |(destination, connection, state): &(&str, &str, &str)| {
            let kind = if destination.starts_with("pl-") { "DestinationPrefixListId" } else { "DestinationCidrBlock" };
            json!({kind: destination, "VpcPeeringConnectionId": connection, "State": state})
        };
        json!({"RouteTableId": id, "VpcId": vpc_id, "Routes": routes.iter().map(route).collect::<Vec<_>>()})
    }

    /// Type, severity and subject of what is found.
    fn found(document: &Value) -> Vec<(&'static str, &'static str, Value)> {
        let mut resources = Resources::default();
        resources.read("case.json", document.to_string().as_bytes()).expect("JSON");
        let check = check(&Topology::new(resources));
        let subject = |finding: &TopologyFinding| serde_json::to_value(&finding.subject).expect("JSON");
        check.findings.iter().map(|f| (f.finding_type.name(), f.severity.name(), subject(f))).collect()
    }

    #[test]
    fn blocks_that_overlap_are_found_where_a_peer_sees_both() {
        let overlap = |blocks: [&str; 3], connections: Vec<Value>| {
            let vpcs = [vpc("vpc-a", blocks[0]), vpc("vpc-b", blocks[1]), vpc("vpc-c", blocks[2])];
            found(&json!({"Vpcs": vpcs, "VpcPeeringConnections": connections}))
        };
        let hub =
            || vec![connection("pcx-ab", "active", "vpc-a", "vpc-b"), connection("pcx-bc", "active", "vpc-b", "vpc-c")];
        let subject = json!({"vpc_ids": ["vpc-a", "vpc-c"]});
        let expected = vec![("overlapping-cidr", "medium", subject.clone())];
        assert_eq!(overlap(["10.1.0.0/16", "10.2.0.0/16", "10.1.128.0/17"], hub()), expected);
        let direct = vec![connection("pcx-ac", "active", "vpc-a", "vpc-c")];
        let expected = vec![("overlapping-cidr", "high", subject)];
        assert_eq!(overlap(["10.1.0.0/16", "10.2.0.0/16", "10.1.128.0/17"], direct), expected);
        // Apart; or without a peer in common; or with one by a connection that is not active.
        assert_eq!(overlap(["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"], hub()), vec![]);
        assert_eq!(overlap(["10.1.0.0/16", "10.2.0.0/16", "10.1.0.0/16"], hub()[..1].to_vec()), vec![]);
        let inactive = vec![hub()[0].clone(), connection("pcx-bc", "expired", "vpc-b", "vpc-c")];
        assert_eq!(overlap(["10.1.0.0/16", "10.2.0.0/16", "10.1.0.0/16"], inactive), vec![]);
    }

    #[test]
    fn a_side_without_a_route_is_found() {
        let routes = |routes_of_a: &[(&str, &str, &str)], status: &str| {
            found(&json!({
                "Vpcs": [vpc("vpc-a", "10.1.0.0/16"), vpc("vpc-b", "10.2.0.0/16")],
                "VpcPeeringConnections": [connection("pcx-ab", status, "vpc-a", "vpc-b")],
                "RouteTables": [table("rtb-a", "vpc-a", routes_of_a)],
            }))
        };
        let missing = ("missing-route", "medium", json!({"vpc_id": "vpc-a", "peering_connection_id": "pcx-ab"}));
        // Of vpc-b no route table is known, so that it is not judged.
        assert_eq!(routes(&[], "active"), vec![missing.clone()]);
        assert_eq!(routes(&[("10.3.0.0/16", "pcx-ab", "active")], "active"), vec![missing.clone()]);
        assert_eq!(routes(&[("10.2.0.0/16", "pcx-other", "active")], "active"), vec![missing]);
        // The whole, a part, more than the whole, or what may be anything.
        for destination in ["10.2.0.0/16", "10.2.3.4/32", "10.0.0.0/8", "pl-1"] {
            assert_eq!(routes(&[(destination, "pcx-ab", "active")], "active"), vec![], "{destination}");
        }
        assert_eq!(routes(&[], "pending-acceptance"), vec![]);
    }

    #[test]
    fn routes_that_lead_nowhere_are_found() {
        let routes = |status: &str, state: &str| {
            found(&json!({
                "Vpcs": [vpc("vpc-a", "10.1.0.0/16"), vpc("vpc-b", "10.2.0.0/16")],
                "VpcPeeringConnections": [connection("pcx-ab", status, "vpc-a", "vpc-b")],
                "RouteTables": [table("rtb-a", "vpc-a", &[("10.2.0.0/16", "pcx-ab", state)])],
            }))
        };
        let subject = json!({
            "route_table_id": "rtb-a", "destination": "10.2.0.0/16", "peering_connection_id": "pcx-ab",
        });
        let blackhole = ("blackhole-route", "medium", subject.clone());
        let inactive = ("inactive-peering-route", "medium", subject);
        assert_eq!(routes("active", "active"), vec![]);
        assert_eq!(routes("deleted", "active"), vec![inactive.clone()]);
        assert_eq!(routes("deleted", "blackhole"), vec![blackhole.clone(), inactive]);
        let missing = ("missing-route", "medium", json!({"vpc_id": "vpc-a", "peering_connection_id": "pcx-ab"}));
        assert_eq!(routes("active", "blackhole"), vec![blackhole, missing]);
    }

    #[test]
    fn what_overlaps_is_told_with_the_vpcs_between() {
        let blocks = [("vpc-a", "10.1.0.0/16"), ("vpc-b", "10.2.0.0/16"), ("vpc-c", "10.1.128.0/17")];
        let details = |connections: &[Value]| {
            let vpcs: Vec<Value> = blocks.iter().map(|(id, block)| vpc(id, block)).collect();
            let document = json!({"Vpcs": vpcs, "VpcPeeringConnections": connections});
            let mut resources = Resources::default();
            resources.read("case.json", document.to_string().as_bytes()).expect("JSON");
            serde_json::to_value(&check(&Topology::new(resources)).findings[0].details).expect("JSON")
        };
        let hub = [connection("pcx-ab", "active", "vpc-a", "vpc-b"), connection("pcx-bc", "active", "vpc-b", "vpc-c")];
        assert_eq!(details(&hub), json!({"cidr_blocks": ["10.1.128.0/17"], "via_vpc_ids": ["vpc-b"]}));
        let direct = [connection("pcx-ac", "active", "vpc-a", "vpc-c")];
        assert_eq!(details(&direct), json!({"cidr_blocks": ["10.1.128.0/17"], "via_vpc_ids": []}));
    }

    #[test]
    fn a_route_that_a_table_has_twice_is_one_finding() {
        let routes = [("10.2.0.0/16", "pcx-gone", "blackhole"), ("10.2.0.0/16", "pcx-gone", "blackhole")];
        assert_eq!(found(&json!({"RouteTables": [table("rtb-a", "vpc-a", &routes)]})).len(), 1);
    }

    #[test]
    fn a_black_hole_to_a_connection_that_is_not_known_is_found_too() {
        let document = json!({"RouteTables": [table("rtb-a", "vpc-a", &[("10.2.0.0/16", "pcx-gone", "blackhole")])]});
        let types: Vec<_> = found(&document).into_iter().map(|(finding_type, ..)| finding_type).collect();
        assert_eq!(types, ["blackhole-route"]);
    }
}
