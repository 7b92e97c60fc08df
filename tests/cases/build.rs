//! Builders of records and topologies, and the parts of a summary that the cases compare.

use std::sync::Arc;

use flowsentry::summary::Summary;
use flowsentry::topology::Topology;
use flowsentry::topology::describe_output::Resources;
use serde_json::{Value, json};

use crate::flow_log::{gzip, summarize};
use crate::records::{Columns, Record, log};

pub use Columns::{Version2, Version5, WithoutVpc};

pub const UDP: u8 = 17;
pub const SYN: u8 = 2;
pub const SYN_ACK: u8 = 18;
/// A complete connection within one record of the client, which had an answer: SYN and FIN.
pub const SYN_FIN: u8 = 3;

/// Changes of a record, for tables of records.
impl Record {
    pub fn rejected(self) -> Record {
        Record { action: "REJECT", ..self }
    }

    pub fn over(self, protocol: u8) -> Record {
        Record { protocol, ..self }
    }

    pub fn flags(self, flags: u8) -> Record {
        Record { flags: Some(flags), ..self }
    }

    pub fn at(self, interface: &str, vpc: &str) -> Record {
        Record { interface: interface.to_owned(), vpc: Some(vpc.to_owned()), ..self }
    }

    pub fn ingress(self) -> Record {
        Record { direction: Some("ingress"), ..self }
    }

    pub fn egress(self) -> Record {
        Record { direction: Some("egress"), ..self }
    }

    pub fn path(self, path: u8) -> Record {
        Record { path: Some(path), ..self }
    }

    /// Swaps the ends, as in the answer to this record.
    pub fn swapped(self) -> Record {
        Record { src: self.dst, dst: self.src, ..self }
    }
}

/// Repeats a record with consecutive source ports and times.
pub fn with_srcports(count: u16, record: &Record) -> Vec<Record> {
    let changed = |number: u16| {
        let mut record = record.clone();
        record.src.set_port(record.src.port() + number);
        record.start += u64::from(number);
        record
    };
    (0..count).map(changed).collect()
}

/// Repeats a record with these destination ports.
pub fn with_dstports(ports: impl IntoIterator<Item = u16>, record: &Record) -> Vec<Record> {
    let changed = |(number, port): (u64, u16)| {
        let mut record = record.clone();
        record.dst.set_port(port);
        record.start += number;
        record
    };
    (0..).zip(ports).map(changed).collect()
}

/// Summarizes one log.
pub fn summary(topology: Option<&Arc<Topology>>, columns: Columns, records: &[Record]) -> Summary {
    summary_of_logs(topology, &[log(columns, records)])
}

/// Summarizes logs, which are compressed first. Their records must be well-formed.
pub fn summary_of_logs(topology: Option<&Arc<Topology>>, logs: &[Vec<u8>]) -> Summary {
    let inputs: Vec<_> = (1..).zip(logs).map(|(number, log)| (format!("{number}.log.gz"), gzip(log))).collect();
    let summary = summarize(inputs.iter().map(|(uri, bytes)| (uri.as_str(), &bytes[..])), topology);
    assert_eq!((&summary.failed[..], summary.records.malformed), (&[][..], 0));
    summary
}

/// Returns severity, type, and flows of each finding.
pub fn found(summary: &Summary) -> Vec<String> {
    let text = |severity: &str, name: &str, flows: u64| format!("{severity} {name} {flows}");
    summary.findings.iter().map(|f| text(f.severity.name(), f.finding_type.name(), f.tally.flows)).collect()
}

/// Returns the subject of each finding.
pub fn subjects(summary: &Summary) -> Vec<Value> {
    summary.findings.iter().map(|finding| serde_json::to_value(&finding.subject).expect("JSON")).collect()
}

/// Returns the flows of each cause.
pub fn causes(summary: &Summary) -> Vec<(&'static str, u64)> {
    summary.rejected.by_cause.iter().map(|rejects| (rejects.cause.name(), rejects.tally.flows)).collect()
}

/// Returns each direction between two VPCs: source, destination, connection, accepted flows, and rejected flows.
pub fn pairs(summary: &Summary) -> Vec<String> {
    let pairs = &summary.peering.as_ref().expect("a topology").vpc_pairs;
    let text = |pair: &flowsentry::summary::VpcPair| {
        let id = pair.peering_connection_id.as_deref().unwrap_or("none");
        let (accepted, rejected) = (pair.traffic.accepted.flows, pair.traffic.rejected.flows);
        format!("{} {} {id} {accepted} {rejected}", pair.src_vpc_id, pair.dst_vpc_id)
    };
    pairs.iter().map(text).collect()
}

/// Returns an empty list of texts, which `found` and `pairs` are compared with.
pub fn none() -> Vec<String> {
    Vec::new()
}

/// Builds a topology from a document of the describe calls' format.
pub fn topology(document: &Value) -> Arc<Topology> {
    let mut resources = Resources::default();
    resources.read("case.json", document.to_string().as_bytes()).expect("JSON");
    let topology = Topology::new(resources);
    assert_eq!(topology.problems(), []);
    Arc::new(topology)
}

/// Returns a VPC with these blocks, of IPv4 and IPv6.
pub fn vpc(id: &str, blocks: &[&str]) -> Value {
    let (ipv6, ipv4): (Vec<&str>, Vec<&str>) = blocks.iter().partition(|block| block.contains(':'));
    let ipv4 = ipv4.iter().map(|block| json!({"CidrBlock": block, "CidrBlockState": {"State": "associated"}}));
    let ipv6 = ipv6.iter().map(|block| json!({"Ipv6CidrBlock": block, "Ipv6CidrBlockState": {"State": "associated"}}));
    json!({
        "VpcId": id,
        "CidrBlockAssociationSet": ipv4.collect::<Vec<_>>(),
        "Ipv6CidrBlockAssociationSet": ipv6.collect::<Vec<_>>(),
    })
}

/// Returns an active peering connection within a Region.
pub fn connection(id: &str, requester: &str, accepter: &str) -> Value {
    json!({
        "VpcPeeringConnectionId": id,
        "Status": {"Code": "active"},
        "RequesterVpcInfo": {"VpcId": requester, "Region": "eu-west-1"},
        "AccepterVpcInfo": {"VpcId": accepter, "Region": "eu-west-1"},
    })
}

/// Returns a route table. An association is `main` or a subnet. A route has a destination and a target.
pub fn route_table(id: &str, vpc_id: &str, associations: &[&str], routes: &[(&str, &str)]) -> Value {
    let association = |name: &&str| match *name {
        "main" => json!({"Main": true}),
        subnet => json!({"Main": false, "SubnetId": subnet}),
    };
    let route = |(destination, target): &(&str, &str)| {
        let destination_key =
            if destination.contains(':') { "DestinationIpv6CidrBlock" } else { "DestinationCidrBlock" };
        let target_key = if target.starts_with("pcx-") { "VpcPeeringConnectionId" } else { "GatewayId" };
        json!({destination_key: destination, target_key: target, "State": "active"})
    };
    json!({
        "RouteTableId": id,
        "VpcId": vpc_id,
        "Associations": associations.iter().map(association).collect::<Vec<_>>(),
        "Routes": routes.iter().map(route).collect::<Vec<_>>(),
    })
}

/// Returns a topology of the VPCs `vpc-app` (10.40.0.0/16) and `vpc-db` (10.50.0.0/16), which are peered by `pcx-1`. Both have
/// an IPv6 block, too.
pub fn app_and_db() -> Arc<Topology> {
    topology(&json!({
        "Vpcs": [vpc("vpc-app", &["10.40.0.0/16", "fd00:40::/48"]), vpc("vpc-db", &["10.50.0.0/16", "fd00:50::/48"])],
        "VpcPeeringConnections": [connection("pcx-1", "vpc-app", "vpc-db")],
    }))
}
