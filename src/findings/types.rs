//! The types of a finding: what deserves a look.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::aggregate::counters::{Counters, TimeRange};
use crate::aggregate::rejected::cause::Cause;
use crate::record::{Action, Direction};
use crate::topology::endpoint::Scope;

/// Something that deserves a look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// A hash of type and subject: the same trouble in the next file has the same id.
    pub id: String,
    /// What kind of trouble.
    #[serde(rename = "type")]
    pub finding_type: FindingType,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// One line for people.
    pub title: String,
    /// What it is about.
    pub subject: Subject,
    /// What may differ from report to report.
    pub details: Details,
    /// What the verdict rests on, in fixed words.
    pub evidence: BTreeSet<Evidence>,
    /// Sums over the records that make the finding hold.
    #[serde(flatten)]
    pub tally: Counters,
    /// When those were seen.
    #[serde(flatten)]
    pub seen: TimeRange,
    /// False where a memory limit made the finding approximate.
    pub exact: bool,
    /// Up to five of those records.
    pub examples: Vec<Example>,
}

/// The kinds of trouble. The order is that of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FindingType {
    /// Blocks that several VPCs have make an address ambiguous.
    AmbiguousAddress,
    /// Traffic through a peering connection to what lies beyond the peer.
    EdgeToEdgeRouting,
    /// An interface is refused its way to public addresses.
    EgressBlocked,
    /// One source is refused at one port of many hosts.
    HostSweep,
    /// Traffic between VPCs whose connection is not active.
    InactivePeering,
    /// Traffic to a peer that gets no answer.
    OneWayPeering,
    /// Traffic between peers that takes another path.
    PeeringPathMismatch,
    /// One source is refused at many ports of one host.
    PortScan,
    /// Traffic between peers that is refused.
    RejectedPeering,
    /// The same connection is refused again and again.
    RepeatedRejects,
    /// Requests are let through, and their answers are refused.
    ReplyBlocked,
    /// AWS left records out.
    SkippedData,
    /// Traffic that tries to pass through a peer.
    TransitivePeering,
    /// Traffic between VPCs that nothing connects.
    UnpeeredVpc,
}

impl FindingType {
    /// Every type.
    pub const ALL: &[FindingType] = &[
        FindingType::AmbiguousAddress,
        FindingType::EdgeToEdgeRouting,
        FindingType::EgressBlocked,
        FindingType::HostSweep,
        FindingType::InactivePeering,
        FindingType::OneWayPeering,
        FindingType::PeeringPathMismatch,
        FindingType::PortScan,
        FindingType::RejectedPeering,
        FindingType::RepeatedRejects,
        FindingType::ReplyBlocked,
        FindingType::SkippedData,
        FindingType::TransitivePeering,
        FindingType::UnpeeredVpc,
    ];

    /// The word in JSON, metrics and reports.
    pub fn name(self) -> &'static str {
        match self {
            FindingType::AmbiguousAddress => "ambiguous-address",
            FindingType::EdgeToEdgeRouting => "edge-to-edge-routing",
            FindingType::EgressBlocked => "egress-blocked",
            FindingType::HostSweep => "host-sweep",
            FindingType::InactivePeering => "inactive-peering",
            FindingType::OneWayPeering => "one-way-peering",
            FindingType::PeeringPathMismatch => "peering-path-mismatch",
            FindingType::PortScan => "port-scan",
            FindingType::RejectedPeering => "rejected-peering",
            FindingType::RepeatedRejects => "repeated-rejects",
            FindingType::ReplyBlocked => "reply-blocked",
            FindingType::SkippedData => "skipped-data",
            FindingType::TransitivePeering => "transitive-peering",
            FindingType::UnpeeredVpc => "unpeered-vpc",
        }
    }
}

/// How bad it is, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Severity; 3] = [Severity::Low, Severity::Medium, Severity::High];

    /// The word in JSON and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
        }
    }
}

/// How sure it is, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// A hint.
    Low,
    /// What the log shows, but the log does not show all.
    Medium,
    /// What the log shows.
    High,
}

impl Confidence {
    /// The word in JSON and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }
}

/// What a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// A request was let through by the same interface.
    AcceptedRequest,
    /// The one address that all records of the interface share.
    ConstantAddress,
    /// Distinct destinations.
    DistinctHosts,
    /// Distinct destination ports.
    DistinctPorts,
    /// `flow-direction` of the records.
    FlowDirection,
    /// The report has no accepted records at all: what is logged may be rejects alone.
    NoAcceptedRecords,
    /// The report has no reply to the records.
    NoReply,
    /// The number of rejected records.
    RejectedFlows,
    /// Answers came, and were refused.
    RejectedReply,
    /// Records were seen in the VPC that they were to go to.
    SeenAtDestination,
    /// AWS left records out.
    SkipData,
    /// `tcp-flags` of the records.
    TcpFlags,
    /// The topology.
    Topology,
    /// `traffic-path` of the records.
    TrafficPath,
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Subject {
    /// Of `repeated-rejects`.
    Group {
        /// Interface that recorded the traffic.
        interface_id: Option<String>,
        /// Source.
        srcaddr: Option<IpAddr>,
        /// Destination.
        dstaddr: Option<IpAddr>,
        /// Destination port.
        dstport: Option<u16>,
        /// IANA protocol number.
        protocol: Option<u8>,
    },
    /// Of `reply-blocked`.
    ReplyFlow {
        /// Interface that recorded the traffic.
        interface_id: Option<String>,
        /// Source of the replies.
        srcaddr: IpAddr,
        /// Destination of the replies.
        dstaddr: IpAddr,
        /// IANA protocol number.
        protocol: u8,
    },
    /// Of `host-sweep`.
    SourceAndPort {
        /// Source.
        srcaddr: IpAddr,
        /// Destination port.
        dstport: u16,
        /// IANA protocol number.
        protocol: u8,
    },
    /// Of `port-scan`.
    SourceAndDestination {
        /// Source.
        srcaddr: IpAddr,
        /// Destination.
        dstaddr: IpAddr,
    },
    /// Of `ambiguous-address`.
    CidrBlock {
        /// The block that VPCs tie on.
        #[cfg_attr(test, schemars(with = "String"))]
        cidr_block: IpNet,
    },
    /// Of `transitive-peering`, `unpeered-vpc` and `inactive-peering`.
    Vpcs {
        /// VPC of the sources.
        src_vpc_id: String,
        /// VPC of the destinations.
        dst_vpc_id: String,
    },
    /// Of `one-way-peering`, `rejected-peering` and `peering-path-mismatch`.
    Peers {
        /// VPC of the sources.
        src_vpc_id: String,
        /// VPC of the destinations.
        dst_vpc_id: String,
        /// The active connection between them: the least id of several.
        peering_connection_id: String,
    },
    /// Of `edge-to-edge-routing`.
    Edge {
        /// VPC of the sources, if known.
        src_vpc_id: Option<String>,
        /// What lies beyond the peer.
        dst_scope: Scope,
    },
    /// Of `egress-blocked` and `skipped-data`.
    Interface {
        /// Null for records without an interface.
        interface_id: Option<String>,
    },
}

/// What may differ from report to report, by type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Details {
    /// Of `port-scan`.
    Ports {
        /// Distinct (protocol, port).
        distinct_ports: u64,
    },
    /// Of `host-sweep` and `egress-blocked`.
    Hosts {
        /// Distinct destinations.
        distinct_hosts: u64,
    },
    /// Of `repeated-rejects`.
    Group {
        /// TimeRange from the interface.
        direction: Direction,
        /// The cause of most of its flows.
        cause: Cause,
    },
    /// Of `transitive-peering`.
    Via {
        /// The VPCs that are peered with both.
        via_vpc_ids: Vec<String>,
    },
    /// Of `inactive-peering`.
    Inactive {
        /// The connections between the two.
        peering_connection_ids: Vec<String>,
        /// What their statuses are, each once.
        statuses: Vec<String>,
    },
    /// Of `peering-path-mismatch`.
    Paths {
        /// The paths that were taken.
        traffic_paths: Vec<u64>,
    },
    /// Of `ambiguous-address`.
    CandidateVpcs {
        /// The VPCs that tie.
        vpc_ids: Vec<String>,
    },
    /// Of the others.
    None {},
}

/// A record that makes a finding hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Example {
    /// Interface that recorded it.
    pub interface_id: Option<String>,
    /// Source.
    pub srcaddr: Option<IpAddr>,
    /// Destination.
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

/// The id of a finding: 128 bits of a SHA-256 over its type and its subject as JSON, in hexadecimal digits. It is the
/// same wherever the same trouble is found.
#[expect(clippy::missing_panics_doc, reason = "what it expects holds of every subject")]
pub fn id(finding_type: &str, subject: &impl Serialize) -> String {
    let subject = serde_json::to_string(subject).expect("text, numbers and addresses are JSON");
    let digest = Sha256::digest(format!("{finding_type}\0{subject}"));
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_that_of_type_and_subject_and_stays() {
        let subject = |interface_id: Option<&str>| Subject::Interface { interface_id: interface_id.map(str::to_owned) };
        let ids = [
            id(FindingType::SkippedData.name(), &subject(Some("eni-1"))),
            id(FindingType::EgressBlocked.name(), &subject(Some("eni-1"))),
            id(FindingType::SkippedData.name(), &subject(None)),
            id(FindingType::SkippedData.name(), &subject(Some("null"))),
        ];
        assert_eq!(ids[0], "2e68d639fc923aaa0ad239fcda548f24", "ids are an interface: this one may never change");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }
}
