//! The types of a finding. They are part of the JSON contract: see [`crate::summary`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::aggregate::counters::{Counters, TimeRange};
use crate::aggregate::rejected::cause::Cause;
use crate::record::{Action, Direction, LossReason};
use crate::topology::endpoint::Scope;
use crate::topology::path::Hop;

/// A problem, or a suspected one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// Hash of type and subject. The same problem in the next input has the same id.
    pub id: String,
    /// Type of the problem.
    #[serde(rename = "type")]
    pub finding_type: FindingType,
    /// Severity of the problem.
    pub severity: Severity,
    /// Confidence in the finding.
    pub confidence: Confidence,
    /// Description in one line.
    pub title: String,
    /// What to change, if the topology shows the rule that rejects the records.
    pub next_step: Option<String>,
    /// Resources or addresses that have the problem.
    pub subject: Subject,
    /// More facts, which may differ between inputs.
    pub details: Details,
    /// Kinds of evidence, as fixed keywords.
    pub evidence: BTreeSet<Evidence>,
    /// Sums of the records that support the finding.
    #[serde(flatten)]
    pub tally: Counters,
    /// Time range of these records.
    #[serde(flatten)]
    pub seen: TimeRange,
    /// False if a memory limit made the finding approximate.
    pub exact: bool,
    /// Up to five of these records.
    pub examples: Vec<Example>,
    /// Name tags of the resources whose ids occur in the finding, by id. Only those that the topology has.
    pub names: BTreeMap<String, String>,
    /// Why it is not sent as an alert, if the configuration suppresses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressed: Option<Suppressed>,
}

/// Why a finding is not sent as an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Suppressed {
    /// The reason in the configuration.
    pub reason: String,
    /// The first day, in UTC, on which such findings are sent again, such as `2027-01-31`.
    pub expires: String,
}

/// The types of findings, in the order of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FindingType {
    /// An address is ambiguous because several VPCs use its CIDR block.
    AmbiguousAddress,
    /// Traffic through a peering connection to a destination beyond the peer VPC.
    EdgeToEdgeRouting,
    /// Traffic from an interface to public addresses is rejected.
    EgressBlocked,
    /// Health checks of a load balancer are rejected.
    HealthChecksRejected,
    /// One source is rejected at one port of many hosts.
    HostSweep,
    /// Traffic between VPCs whose peering connection is not active.
    InactivePeering,
    /// Connections from an interface to an address and port that get no answer.
    NoAnswer,
    /// Traffic to a peer VPC that gets no reply.
    OneWayPeering,
    /// Traffic between peered VPCs that takes another path.
    PeeringPathMismatch,
    /// One source is rejected at many ports of one host.
    PortScan,
    /// Traffic between peered VPCs that is rejected.
    RejectedPeering,
    /// The same connection is rejected repeatedly.
    RepeatedRejects,
    /// Requests are accepted, but their replies are rejected.
    ReplyBlocked,
    /// AWS skipped records (SKIPDATA).
    SkippedData,
    /// A transit gateway lost packets.
    TransitGatewayLoss,
    /// Traffic that tries to pass through a peer VPC.
    TransitivePeering,
    /// Traffic between VPCs without a peering connection.
    UnpeeredVpc,
}

impl FindingType {
    /// All types, in order.
    pub const ALL: &[FindingType] = &[
        FindingType::AmbiguousAddress,
        FindingType::EdgeToEdgeRouting,
        FindingType::EgressBlocked,
        FindingType::HealthChecksRejected,
        FindingType::HostSweep,
        FindingType::InactivePeering,
        FindingType::NoAnswer,
        FindingType::OneWayPeering,
        FindingType::PeeringPathMismatch,
        FindingType::PortScan,
        FindingType::RejectedPeering,
        FindingType::RepeatedRejects,
        FindingType::ReplyBlocked,
        FindingType::SkippedData,
        FindingType::TransitGatewayLoss,
        FindingType::TransitivePeering,
        FindingType::UnpeeredVpc,
    ];

    /// Returns the keyword used in JSON, metrics, and reports.
    pub fn name(self) -> &'static str {
        match self {
            FindingType::AmbiguousAddress => "ambiguous-address",
            FindingType::EdgeToEdgeRouting => "edge-to-edge-routing",
            FindingType::EgressBlocked => "egress-blocked",
            FindingType::HealthChecksRejected => "health-checks-rejected",
            FindingType::HostSweep => "host-sweep",
            FindingType::InactivePeering => "inactive-peering",
            FindingType::NoAnswer => "no-answer",
            FindingType::OneWayPeering => "one-way-peering",
            FindingType::PeeringPathMismatch => "peering-path-mismatch",
            FindingType::PortScan => "port-scan",
            FindingType::RejectedPeering => "rejected-peering",
            FindingType::RepeatedRejects => "repeated-rejects",
            FindingType::ReplyBlocked => "reply-blocked",
            FindingType::SkippedData => "skipped-data",
            FindingType::TransitGatewayLoss => "transit-gateway-loss",
            FindingType::TransitivePeering => "transitive-peering",
            FindingType::UnpeeredVpc => "unpeered-vpc",
        }
    }
}

/// Severity of a problem, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// For information.
    Low,
    /// Review today.
    Medium,
    /// Review now.
    High,
}

impl Severity {
    /// All severities, in ascending order.
    pub const ALL: [Severity; 3] = [Severity::Low, Severity::Medium, Severity::High];

    /// Returns the keyword used in JSON and reports.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
        }
    }
}

/// Confidence in a finding, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// The log gives only a hint.
    Low,
    /// The log shows it, but the log is incomplete.
    Medium,
    /// The log shows it.
    High,
}

impl Confidence {
    /// Returns the keyword used in JSON and reports.
    pub fn name(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }
}

/// A kind of evidence for a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Records from the same source to the same host, or to the same port, were accepted.
    AcceptedFlows,
    /// The same interface accepted a request.
    AcceptedRequest,
    /// The one address that all records of the interface share.
    ConstantAddress,
    /// Distinct destinations.
    DistinctHosts,
    /// Distinct destination ports.
    DistinctPorts,
    /// `flow-direction` of the records.
    FlowDirection,
    /// The input has no accepted records. The flow log may be limited to rejected traffic.
    NoAcceptedRecords,
    /// The input has no reply to the records.
    NoReply,
    /// The number of rejected records.
    RejectedFlows,
    /// Replies arrived and were rejected.
    RejectedReply,
    /// Records were seen in the destination VPC.
    SeenAtDestination,
    /// AWS skipped records (SKIPDATA).
    SkipData,
    /// `tcp-flags` of the records.
    TcpFlags,
    /// The topology.
    Topology,
    /// `traffic-path` of the records.
    TrafficPath,
    /// The `packets-lost-…` fields of a transit gateway's records.
    TransitGatewayRecords,
}

/// Resources or addresses that have a problem. The fields depend on the type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Subject {
    /// Used by `repeated-rejects`.
    Group {
        /// Interface that recorded the traffic.
        interface_id: Option<String>,
        /// Source address.
        srcaddr: Option<IpAddr>,
        /// Destination address.
        dstaddr: Option<IpAddr>,
        /// Destination port.
        dstport: Option<u16>,
        /// IANA protocol number.
        protocol: Option<u8>,
    },
    /// Used by `reply-blocked`.
    ReplyFlow {
        /// Interface that recorded the traffic.
        interface_id: Option<String>,
        /// Source of the replies.
        srcaddr: Option<IpAddr>,
        /// Destination of the replies.
        dstaddr: Option<IpAddr>,
        /// IANA protocol number.
        protocol: Option<u8>,
    },
    /// Used by `host-sweep`.
    SourceAndPort {
        /// Source address.
        srcaddr: IpAddr,
        /// Destination port.
        dstport: u16,
        /// IANA protocol number.
        protocol: u8,
    },
    /// Used by `port-scan`.
    SourceAndDestination {
        /// Source address.
        srcaddr: IpAddr,
        /// Destination address.
        dstaddr: IpAddr,
    },
    /// Used by `no-answer`.
    Target {
        /// Interface that opens the connections.
        interface_id: Option<String>,
        /// Destination address.
        dstaddr: IpAddr,
        /// Destination port.
        dstport: u16,
    },
    /// Used by `health-checks-rejected`.
    Service {
        /// Destination address.
        dstaddr: IpAddr,
        /// Destination port.
        dstport: Option<u16>,
        /// IANA protocol number.
        protocol: Option<u8>,
    },
    /// Used by `transit-gateway-loss`.
    TransitGateway {
        /// Transit gateway.
        tgw_id: Option<String>,
        /// VPC from which the packets came.
        tgw_src_vpc_id: Option<String>,
        /// VPC for which the packets were.
        tgw_dst_vpc_id: Option<String>,
        /// Reason of the loss.
        reason: LossReason,
    },
    /// Used by `ambiguous-address`.
    CidrBlock {
        /// CIDR block that several VPCs use.
        #[cfg_attr(test, schemars(with = "String"))]
        cidr_block: IpNet,
    },
    /// Used by `transitive-peering`, `unpeered-vpc` and `inactive-peering`.
    Vpcs {
        /// VPC of the sources.
        src_vpc_id: String,
        /// VPC of the destinations.
        dst_vpc_id: String,
    },
    /// Used by `one-way-peering`, `rejected-peering` and `peering-path-mismatch`.
    Peers {
        /// VPC of the sources.
        src_vpc_id: String,
        /// VPC of the destinations.
        dst_vpc_id: String,
        /// Active connection between them. If there are several, the one with the smallest id.
        peering_connection_id: String,
    },
    /// Used by `edge-to-edge-routing`.
    Edge {
        /// VPC of the sources, if known.
        src_vpc_id: Option<String>,
        /// Scope of the destinations beyond the peer VPC.
        dst_scope: Scope,
    },
    /// Used by `egress-blocked` and `skipped-data`.
    Interface {
        /// Null for records without an interface.
        interface_id: Option<String>,
    },
}

impl Subject {
    /// Returns the interface that recorded the traffic, if the subject has one.
    pub fn interface_id(&self) -> Option<&str> {
        match self {
            Subject::Group { interface_id, .. }
            | Subject::ReplyFlow { interface_id, .. }
            | Subject::Target { interface_id, .. }
            | Subject::Interface { interface_id } => interface_id.as_deref(),
            Subject::SourceAndPort { .. }
            | Subject::SourceAndDestination { .. }
            | Subject::Service { .. }
            | Subject::TransitGateway { .. }
            | Subject::CidrBlock { .. }
            | Subject::Vpcs { .. }
            | Subject::Peers { .. }
            | Subject::Edge { .. } => None,
        }
    }
}

/// More facts about a problem, which may differ between inputs. The fields depend on the type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Details {
    /// Used by `port-scan`.
    Ports {
        /// Number of distinct pairs of protocol and port.
        distinct_ports: u64,
        /// Accepted flows from the same source to the same host. If `exact` is false, there may be more. Null if a memory limit or a
        /// closed partial dropped the accepted records, and none is known.
        accepted_flows: Option<u64>,
    },
    /// Used by `host-sweep`.
    SweptHosts {
        /// Number of distinct destinations.
        distinct_hosts: u64,
        /// Accepted flows from the same source to the same port and protocol. If `exact` is false, there may be more. Null if a memory
        /// limit or a closed partial dropped the accepted records, and none is known.
        accepted_flows: Option<u64>,
    },
    /// Used by `egress-blocked`.
    Hosts {
        /// Number of distinct destinations.
        distinct_hosts: u64,
        /// First hop that blocks the first example, if the topology shows it.
        explanation: Option<Box<Hop>>,
    },
    /// Used by `rejected-peering`.
    Explained {
        /// First hop that blocks the first example, if the topology shows it.
        explanation: Option<Box<Hop>>,
    },
    /// Used by `repeated-rejects`.
    Group {
        /// Direction as seen from the interface.
        direction: Direction,
        /// Cause of most of its flows.
        cause: Cause,
    },
    /// Used by `transitive-peering`.
    Via {
        /// VPCs that are peered with both.
        via_vpc_ids: Vec<String>,
        /// Route tables of the source that route the records to one of these VPCs.
        route_table_ids: Vec<String>,
        /// First hop that blocks the first example, if the topology shows it.
        explanation: Option<Box<Hop>>,
    },
    /// Used by `edge-to-edge-routing`.
    RouteTables {
        /// Route tables of the source that route the records to a peering connection.
        route_table_ids: Vec<String>,
    },
    /// Used by `one-way-peering`.
    NoReturnRoute {
        /// Route tables of the destination that do not route replies to the connection.
        route_table_ids: Vec<String>,
        /// First hop that blocks the first example or its reply, if the topology shows it.
        explanation: Option<Box<Hop>>,
    },
    /// Used by `no-answer`.
    Answerer {
        /// Interface that has the destination address, if the topology has it.
        dst_interface_id: Option<String>,
        /// First hop that blocks the first example or its reply, if the topology shows it.
        explanation: Option<Box<Hop>>,
    },
    /// Used by `health-checks-rejected`.
    LoadBalancers {
        /// Interfaces of the load balancers that check.
        interface_ids: Vec<String>,
    },
    /// Used by `inactive-peering`.
    Inactive {
        /// Connections between the two VPCs.
        peering_connection_ids: Vec<String>,
        /// Their distinct statuses.
        statuses: Vec<String>,
        /// Route tables of the source that route the records to one of these connections.
        route_table_ids: Vec<String>,
    },
    /// Used by `peering-path-mismatch`.
    Paths {
        /// Values of `traffic-path` in the records.
        traffic_paths: Vec<u64>,
        /// Route tables of the source that route the records elsewhere.
        route_table_ids: Vec<String>,
    },
    /// Used by `ambiguous-address`.
    CandidateVpcs {
        /// VPCs that use the CIDR block.
        vpc_ids: Vec<String>,
    },
    /// Used by all other types.
    None {},
}

/// A record that supports a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Example {
    /// Interface that recorded the traffic.
    pub interface_id: Option<String>,
    /// Source address.
    pub srcaddr: Option<IpAddr>,
    /// Destination address.
    pub dstaddr: Option<IpAddr>,
    /// Source port.
    pub srcport: Option<u16>,
    /// Destination port.
    pub dstport: Option<u16>,
    /// IANA protocol number.
    pub protocol: Option<u8>,
    /// `ACCEPT` or `REJECT`.
    pub action: Action,
}

/// Returns the id of a finding: 128 bits of the SHA-256 hash of its type and its subject as JSON, in hexadecimal. The same problem
/// has the same id in every input. Ids are part of the contract: never change this function.
#[expect(
    clippy::expect_used,
    reason = "a subject is a struct of text, numbers, and addresses, which serialize to JSON"
)]
pub(crate) fn id(finding_type: &str, subject: &impl Serialize) -> String {
    let subject = serde_json::to_string(subject).expect("a subject serializes to JSON");
    let digest = Sha256::digest(format!("{finding_type}\0{subject}"));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_stable_hash_of_type_and_subject() {
        let subject = |interface_id: Option<&str>| Subject::Interface { interface_id: interface_id.map(str::to_owned) };
        let ids = [
            id(FindingType::SkippedData.name(), &subject(Some("eni-1"))),
            id(FindingType::EgressBlocked.name(), &subject(Some("eni-1"))),
            id(FindingType::SkippedData.name(), &subject(None)),
            id(FindingType::SkippedData.name(), &subject(Some("null"))),
        ];
        assert_eq!(
            ids[0], "2e68d639fc923aaa0ad239fcda548f24",
            "ids are part of the contract: this one must never change"
        );
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }
}
