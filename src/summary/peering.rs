//! Traffic between VPCs, by connection and by VPC pair.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::aggregate::counters::Counters;
use crate::aggregate::peering::{ClassView, FlowsByClass, TrafficClass};
use crate::findings::stored::known;
use crate::record::Action;
use crate::summary::Traffic;
use crate::topology::{PeeringStatus, Topology};

/// Traffic between VPCs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Peering {
    /// False if a memory limit made replies or pairs approximate.
    pub exact: bool,
    /// Peering connections with traffic.
    #[serde(deserialize_with = "known")]
    pub connections: Vec<ConnectionTraffic>,
    /// Traffic between two different known VPCs, each direction separately. A flow that both ends log counts once: its accepted records
    /// at the source, or at the destination if the source has none.
    #[serde(deserialize_with = "known")]
    pub vpc_pairs: Vec<VpcPair>,
}

/// Traffic between the two VPCs of a peering connection, both directions together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConnectionTraffic {
    /// Id of the connection, `pcx-…`.
    pub peering_connection_id: String,
    /// Name tag of the connection.
    pub name: Option<String>,
    /// Status of the connection, such as `active`.
    pub status: String,
    /// VPC of the requester.
    pub requester_vpc_id: String,
    /// Name tag of this VPC.
    pub requester_vpc_name: Option<String>,
    /// VPC of the accepter.
    pub accepter_vpc_id: String,
    /// Name tag of this VPC.
    pub accepter_vpc_name: Option<String>,
    /// Whether the VPCs are in different regions. Null if a region is unknown.
    pub inter_region: Option<bool>,
    /// Whether the VPCs belong to different accounts. Null if an account is unknown.
    pub cross_account: Option<bool>,
    /// Accepted and rejected traffic.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// Traffic from one VPC to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VpcPair {
    /// VPC of the sources.
    pub src_vpc_id: String,
    /// Name tag of this VPC.
    pub src_vpc_name: Option<String>,
    /// VPC of the destinations.
    pub dst_vpc_id: String,
    /// Name tag of this VPC.
    pub dst_vpc_name: Option<String>,
    /// Active connection between them, otherwise an inactive one. Null if there is neither.
    pub peering_connection_id: Option<String>,
    /// Name tag of the connection.
    pub peering_connection_name: Option<String>,
    /// Accepted and rejected traffic.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// The part of the accepted traffic without a reply in the input.
    pub unanswered: Counters,
}

/// Traffic of the interfaces of one AWS service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServiceTraffic {
    /// Service that owns the interfaces, such as `ec2` or `rds`. Null for interfaces that are not in the topology.
    pub service: Option<String>,
    /// Number of its interfaces with traffic.
    pub interfaces: u64,
    /// Accepted and rejected traffic.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// Returns the traffic of all connections and VPC pairs, sorted by flows (most first).
pub(super) fn peering(topology: &Topology, classes: &FlowsByClass<'_>, exact: bool) -> Peering {
    let mut connections: BTreeMap<&str, Traffic> = BTreeMap::new();
    let mut vpc_pairs = Vec::new();
    for (class, view) in classes {
        let TrafficClass::Between(src, dst) = *class else { continue };
        let (traffic, unanswered) = sums(view);
        let connection = match topology.peering_status(src, dst) {
            PeeringStatus::Peered(id) => Some(id),
            PeeringStatus::Inactive(ids) => ids.first().map(String::as_str),
            PeeringStatus::None => None,
        };
        // Records of a third VPC are no traffic of the pair.
        if let Some(id) = connection.filter(|_| traffic.flows() > 0) {
            connections.entry(id).or_default().merge(traffic);
        }
        let (src, dst) = (topology.vpc(src), topology.vpc(dst));
        vpc_pairs.push(VpcPair {
            src_vpc_id: src.id.clone(),
            src_vpc_name: src.name.clone(),
            dst_vpc_id: dst.id.clone(),
            dst_vpc_name: dst.name.clone(),
            peering_connection_id: connection.map(str::to_owned),
            peering_connection_name: connection.and_then(|id| topology.name_of(id)).map(str::to_owned),
            traffic,
            unanswered,
        });
    }
    // Pairs and connections are in the order of their ids. A stable sort keeps this order for equal flows.
    vpc_pairs.sort_by_key(|pair| Reverse(pair.traffic.flows()));
    let mut connections: Vec<ConnectionTraffic> =
        connections.into_iter().filter_map(|(id, traffic)| connection(topology, id, traffic)).collect();
    connections.sort_by_key(|connection| Reverse(connection.traffic.flows()));
    Peering { exact, connections, vpc_pairs }
}

/// Returns the sums of a traffic class, and of its accepted records without a reply.
fn sums(view: &ClassView<'_>) -> (Traffic, Counters) {
    let side = view.totals.counted_side();
    let mut unanswered = Counters::default();
    for flows in view.unanswered().filter(|flows| flows.action == Action::Accept && flows.side == side) {
        unanswered.merge(flows.sums.tally);
    }
    (Traffic { accepted: view.totals.accepted(), rejected: view.totals.rejected }, unanswered)
}

fn connection(topology: &Topology, id: &str, traffic: Traffic) -> Option<ConnectionTraffic> {
    let connection = topology.connection(id)?;
    let (requester, accepter) = (&connection.requester, &connection.accepter);
    let differ = |a: &Option<String>, b: &Option<String>| a.as_ref().zip(b.as_ref()).map(|(a, b)| a != b);
    let name_of = |vpc_id: &str| topology.name_of(vpc_id).map(str::to_owned);
    Some(ConnectionTraffic {
        peering_connection_id: id.to_owned(),
        name: connection.name.clone(),
        status: connection.status.clone(),
        requester_vpc_id: requester.vpc_id.clone(),
        requester_vpc_name: name_of(&requester.vpc_id),
        accepter_vpc_id: accepter.vpc_id.clone(),
        accepter_vpc_name: name_of(&accepter.vpc_id),
        inter_region: differ(&requester.region, &accepter.region),
        cross_account: differ(&requester.owner_id, &accepter.owner_id),
        traffic,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::pipeline::{self, Options};
    use crate::summary::build::{self, SummaryOptions};
    use crate::summary::{Summary, Traffic};
    use crate::topology::Topology;
    use crate::topology::describe_output::Resources;

    const TOPOLOGY: &str = r#"{
      "Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"}, {"VpcId": "vpc-b", "CidrBlock": "10.2.0.0/16"},
               {"VpcId": "vpc-c", "CidrBlock": "10.3.0.0/16"}, {"VpcId": "vpc-d", "CidrBlock": "10.4.0.0/16"}],
      "VpcPeeringConnections": [
        {"VpcPeeringConnectionId": "pcx-1", "Status": {"Code": "active"},
         "RequesterVpcInfo": {"VpcId": "vpc-b", "Region": "r1", "OwnerId": "1"},
         "AccepterVpcInfo": {"VpcId": "vpc-a", "Region": "r2", "OwnerId": "1"}},
        {"VpcPeeringConnectionId": "pcx-2", "Status": {"Code": "active"},
         "RequesterVpcInfo": {"VpcId": "vpc-a"}, "AccepterVpcInfo": {"VpcId": "vpc-c", "OwnerId": "2"}},
        {"VpcPeeringConnectionId": "pcx-3", "Status": {"Code": "expired"},
         "RequesterVpcInfo": {"VpcId": "vpc-a", "Region": "r1", "OwnerId": "1"},
         "AccepterVpcInfo": {"VpcId": "vpc-d", "Region": "r1", "OwnerId": "2"}},
        {"VpcPeeringConnectionId": "pcx-4", "Status": {"Code": "active"},
         "RequesterVpcInfo": {"VpcId": "vpc-c"}, "AccepterVpcInfo": {"VpcId": "vpc-d"}}],
      "NetworkInterfaces": [
        {"NetworkInterfaceId": "eni-1"}, {"NetworkInterfaceId": "eni-2", "RequesterId": "amazon-rds"},
        {"NetworkInterfaceId": "eni-3", "RequesterId": "amazon-rds"}, {"NetworkInterfaceId": "eni-4"}]}"#;

    /// Summarizes records, each `interface-id srcaddr dstaddr action`.
    fn summarize(topology: &str, records: &[&str]) -> Summary {
        let mut resources = Resources::default();
        resources.read("topology.json", topology.as_bytes()).expect("JSON");
        let topology = Arc::new(Topology::new(resources));
        let options = Options { topology: Some(Arc::clone(&topology)), ..Options::default() };
        let log = format!("interface-id srcaddr dstaddr action log-status\n{}", records.join(" OK\n") + " OK\n");
        let analysis = pipeline::analyze("case", log.as_bytes(), &options).expect("a flow log");
        build::build_summary(analysis, &SummaryOptions::default(), Some(&topology))
    }

    fn flows(traffic: Traffic) -> String {
        format!("{} {}", traffic.accepted.flows, traffic.rejected.flows)
    }

    const RECORDS: [&str; 8] = [
        "eni-1 10.1.0.1 10.4.0.1 ACCEPT",
        "eni-1 10.1.0.1 10.2.0.1 ACCEPT",
        "eni-1 10.1.0.1 10.2.0.2 REJECT",
        "eni-1 10.2.0.1 10.1.0.1 ACCEPT",
        "eni-1 10.3.0.1 10.1.0.1 ACCEPT",
        "eni-1 10.3.0.2 10.1.0.1 ACCEPT",
        "eni-1 10.1.0.1 10.1.0.2 ACCEPT",
        "eni-1 10.2.0.1 10.3.0.1 ACCEPT",
    ];

    #[test]
    fn connections_have_the_traffic_of_both_directions() {
        let peering = summarize(TOPOLOGY, &RECORDS).peering.expect("there is a topology");
        let rows: Vec<String> = peering
            .connections
            .iter()
            .map(|connection| {
                let (id, status) = (&connection.peering_connection_id, &connection.status);
                let (requester, accepter) = (&connection.requester_vpc_id, &connection.accepter_vpc_id);
                let (region, account) = (connection.inter_region, connection.cross_account);
                format!("{id} {status} {requester} {accepter} {region:?} {account:?} {}", flows(connection.traffic))
            })
            .collect();
        assert_eq!(
            rows,
            [
                "pcx-1 active vpc-b vpc-a Some(true) Some(false) 2 1",
                "pcx-2 active vpc-a vpc-c None None 2 0",
                "pcx-3 expired vpc-a vpc-d Some(false) Some(true) 1 0",
            ]
        );
        assert!(peering.exact);
    }

    #[test]
    fn each_direction_between_vpcs_is_a_pair() {
        let peering = summarize(TOPOLOGY, &RECORDS).peering.expect("there is a topology");
        let rows: Vec<String> = peering
            .vpc_pairs
            .iter()
            .map(|pair| {
                let id = pair.peering_connection_id.as_deref().unwrap_or("-");
                let (src, dst, unanswered) = (&pair.src_vpc_id, &pair.dst_vpc_id, pair.unanswered.flows);
                format!("{src} {dst} {id} {} {unanswered}", flows(pair.traffic))
            })
            .collect();
        assert_eq!(
            rows,
            [
                "vpc-a vpc-b pcx-1 1 1 0",
                "vpc-c vpc-a pcx-2 2 0 2",
                "vpc-a vpc-d pcx-3 1 0 1",
                "vpc-b vpc-a pcx-1 1 0 0",
                "vpc-b vpc-c - 1 0 1",
            ]
        );
    }

    #[test]
    fn services_own_the_interfaces_with_traffic() {
        let services = |topology: &str| -> Vec<String> {
            let records = [
                "eni-1 1.1.1.1 10.1.0.1 REJECT",
                "eni-2 1.1.1.1 10.1.0.2 ACCEPT",
                "eni-3 1.1.1.1 10.1.0.3 ACCEPT",
                "eni-3 1.1.1.1 10.1.0.3 REJECT",
                "eni-9 1.1.1.1 10.1.0.9 ACCEPT",
                "- 1.1.1.1 10.1.0.8 ACCEPT",
                "- 1.1.1.1 10.1.0.8 ACCEPT",
                "- 1.1.1.1 10.1.0.8 ACCEPT",
            ];
            let rows = summarize(topology, &records).services;
            rows.iter().map(|row| format!("{:?} {} {}", row.service, row.interfaces, flows(row.traffic))).collect()
        };
        assert_eq!(services(TOPOLOGY), ["None 1 4 0", "Some(\"rds\") 2 2 1", "Some(\"ec2\") 1 0 1"]);
        assert_eq!(services(r#"{"Vpcs": []}"#), [""; 0]);
    }

    #[test]
    fn an_empty_topology_gives_empty_lists() {
        let peering = summarize(r#"{"Vpcs": []}"#, &RECORDS).peering.expect("there is a topology");
        assert_eq!((peering.connections.len(), peering.vpc_pairs.len()), (0, 0));
    }

    #[test]
    fn an_interface_without_analyzed_records_is_not_counted() {
        let mut resources = Resources::default();
        resources.read("topology.json", TOPOLOGY.as_bytes()).expect("JSON");
        let topology = Arc::new(Topology::new(resources));
        let options = Options { topology: Some(Arc::clone(&topology)), ..Options::default() };
        let log =
            "interface-id srcaddr dstaddr action log-status\neni-1 10.1.0.1 8.8.8.8 ACCEPT OK\neni-2 - - - SKIPDATA\n";
        let analysis = pipeline::analyze("case", log.as_bytes(), &options).expect("a flow log");
        let services = build::build_summary(analysis, &SummaryOptions::default(), Some(&topology)).services;
        let rows: Vec<_> = services.iter().map(|row| (row.service.as_deref(), row.interfaces)).collect();
        assert_eq!(rows, [(Some("ec2"), 1)]);
    }
}
