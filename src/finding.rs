//! The types of a finding: what deserves a look.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::Serialize;

use crate::cause::Cause;
use crate::record::{Action, Direction};
use crate::tally::{Seen, Tally};

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
    pub tally: Tally,
    /// When those were seen.
    #[serde(flatten)]
    pub seen: Seen,
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
    /// An interface is refused its way to public addresses.
    EgressBlocked,
    /// One source is refused at one port of many hosts.
    HostSweep,
    /// One source is refused at many ports of one host.
    PortScan,
    /// The same connection is refused again and again.
    RepeatedRejects,
    /// Requests are let through, and their answers are refused.
    ReplyBlocked,
    /// AWS left records out.
    SkippedData,
}

impl FindingType {
    /// Every type.
    pub const ALL: &[FindingType] = &[
        FindingType::EgressBlocked,
        FindingType::HostSweep,
        FindingType::PortScan,
        FindingType::RepeatedRejects,
        FindingType::ReplyBlocked,
        FindingType::SkippedData,
    ];

    /// The word in JSON, metrics and reports.
    pub fn name(self) -> &'static str {
        match self {
            FindingType::EgressBlocked => "egress-blocked",
            FindingType::HostSweep => "host-sweep",
            FindingType::PortScan => "port-scan",
            FindingType::RepeatedRejects => "repeated-rejects",
            FindingType::ReplyBlocked => "reply-blocked",
            FindingType::SkippedData => "skipped-data",
        }
    }
}

/// How bad it is, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
    /// The number of rejected records.
    RejectedFlows,
    /// AWS left records out.
    SkipData,
    /// `tcp-flags` of the records.
    TcpFlags,
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
    Replies {
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
        /// Seen from the interface.
        direction: Direction,
        /// The cause of most of its flows.
        cause: Cause,
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
