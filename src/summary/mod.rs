//! The summary of one object (Lambda function) or of all inputs of one run (command).
//!
//! Input: the aggregated state of the records, and the topology if there is one. Output: a [`Summary`], as types that serialize to
//! JSON. [`build`] creates it, and [`json`] writes and reads it. [`diff`] compares two. [`doubt`] decides whether an empty list of
//! findings is an all-clear. [`explain`] has the evidence of an explained path.
//!
//! These types and the types of a finding are the JSON contract. Fields may be added. No field may be renamed or removed, or
//! change its meaning. The JSON Schema `docs/summary.schema.json` is generated from these types and their doc comments.

pub mod build;
mod by_rule;
mod by_scope;
pub mod diff;
pub mod doubt;
pub mod explain;
mod filters;
pub mod json;
mod peering;
mod stored;
mod timeline;
mod top;
mod top_groups;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use by_rule::{DeniedBy, RuleRejects};
pub use filters::Filters;
pub use peering::{ConnectionTraffic, Peering, ServiceTraffic, VpcPair};
pub use timeline::TimeBucket;
pub use top::{PortRejects, SourceRejects, Talker, Top};

use crate::aggregate::counters::{Counters, TimeRange};
pub use crate::aggregate::inputs::{
    InputFailure, InputIdentity, InputSource, LogEventsIdentity, MalformedSample, ObjectIdentity, RecordCounts,
    WindowIdentity,
};
use crate::aggregate::rejected::cause::Cause;
use crate::findings::stored::known;
use crate::findings::types::Finding;
use crate::record::Direction;
use crate::record::timestamp::Timestamp;
use crate::topology::endpoint::Endpoint;

/// A word of this crate. The alias keeps serde from borrowing it from the input.
type Keyword = &'static str;

/// The value of [`Summary::schema`].
pub const SCHEMA: &str = "flowsentry/summary/v1";

/// Summary of one object (Lambda function) or of all inputs of one run (command).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary {
    /// Always `flowsentry/summary/v1`.
    #[serde(deserialize_with = "stored::schema")]
    pub schema: Keyword,
    /// Inputs that were read completely, in the given order.
    #[serde(deserialize_with = "known")]
    pub sources: Vec<InputSource>,
    /// Inputs that could not be read completely. Their records are excluded.
    pub failed: Vec<InputFailure>,
    /// Which records and findings the user selected. Absent if all, and in outputs of the function.
    #[serde(default, deserialize_with = "stored::filters", skip_serializing_if = "Option::is_none")]
    pub filters: Option<Filters>,
    /// Earliest start and latest end of the analyzed records.
    pub window: Option<Window>,
    /// Distinct column lists, in the order of their first occurrence.
    pub formats: Vec<ObservedFormat>,
    /// Number of records by class.
    pub records: RecordCounts,
    /// Accepted and rejected traffic.
    pub traffic: Traffic,
    /// First ten malformed records.
    pub malformed: Vec<MalformedSample>,
    /// Accepted and rejected traffic by the `start` of the records: at most 240 intervals without a gap. Records without `start` are
    /// not in it.
    #[serde(default, deserialize_with = "known")]
    pub timeline: Vec<TimeBucket>,
    /// Rejected connections.
    pub rejected: Rejected,
    /// The heaviest sources, ports, and pairs of addresses.
    #[serde(default)]
    pub top: Top,
    /// The topology of the analysis, if it is a snapshot of the discovery. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topology: Option<TopologySource>,
    /// Traffic between VPCs. Null without a topology.
    pub peering: Option<Peering>,
    /// Traffic by the AWS service that owns the interface. Empty unless the topology has interfaces.
    #[serde(deserialize_with = "known")]
    pub services: Vec<ServiceTraffic>,
    /// Problems, sorted by severity (highest first), flows (most first), type, and subject.
    #[serde(deserialize_with = "known")]
    pub findings: Vec<Finding>,
    /// Names of the memory limits that were reached.
    #[serde(default, deserialize_with = "stored::limits")]
    pub limits_reached: Vec<Keyword>,
    /// Number of elements of a stored summary that this version does not know and leaves out, by list. `filters` has the selected
    /// keywords and members, and `findings.evidence` the words of findings that are not left out.
    #[serde(skip)]
    pub unknown: Vec<(Keyword, u64)>,
    /// Members that a stored summary of an earlier version does not have, such as `rejected.by_rule`.
    #[serde(skip)]
    pub absent: Vec<Keyword>,
}

impl Summary {
    /// Returns the number of findings that this version does not know.
    pub fn unknown_findings(&self) -> u64 {
        self.unknown_of("findings")
    }

    /// Returns whether filters that this version does not know left out records.
    pub fn has_unknown_filters(&self) -> bool {
        let is_explained = || self.filters.as_ref().is_some_and(|filters| !filters.record_options().is_empty());
        self.records.filtered > 0 && (self.unknown_of("filters") > 0 || !is_explained())
    }

    /// Returns the number of elements of a list that this version does not know.
    pub fn unknown_of(&self, list: &str) -> u64 {
        self.unknown.iter().find(|(unknown, _)| *unknown == list).map_or(0, |(_, count)| *count)
    }

    /// Returns whether a stored summary has this member, which earlier versions did not write.
    pub fn has_member(&self, member: &str) -> bool {
        !self.absent.contains(&member)
    }
}

/// Where the topology comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TopologySource {
    /// Id of the snapshot, which is the time at which the network was described.
    pub snapshot: String,
}

/// Time range of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Window {
    /// Earliest `start`. Null if no record has one.
    pub start: Option<Timestamp>,
    /// Latest `end`. Null if no record has one.
    pub end: Option<Timestamp>,
}

/// A column list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ObservedFormat {
    /// Highest flow log version among its known fields.
    pub version: Option<u8>,
    /// Field names, with underscores for hyphens. Unknown names are unchanged.
    pub fields: Vec<String>,
}

/// Sums of the analyzed records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Traffic {
    /// Accepted traffic (ACCEPT).
    pub accepted: Counters,
    /// Rejected traffic (REJECT): by a security group, a network ACL, or another rule.
    pub rejected: Counters,
}

impl Traffic {
    /// Returns the number of accepted and rejected flows.
    pub fn flows(&self) -> u64 {
        self.accepted.flows.saturating_add(self.rejected.flows)
    }

    /// Adds the sums of other records.
    pub fn merge(&mut self, other: Traffic) {
        self.accepted.merge(other.accepted);
        self.rejected.merge(other.rejected);
    }
}

/// Rejected connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rejected {
    /// Number of distinct (interface_id, srcaddr, dstaddr, dstport, protocol). If a memory limit dropped some, an estimate with a
    /// standard error of 0.8 %.
    pub group_count: u64,
    /// False if a memory limit made the groups approximate.
    pub exact: bool,
    /// Maximum undercount of a group, in flows. A listed group has at most this many more flows than reported. A group that is
    /// not listed has at most this many more flows than the last listed group. 0 if no memory limit dropped a group. Groups of
    /// untracked interfaces are reported without an interface.
    #[serde(default)]
    pub error_bound: u64,
    /// Groups with the most flows.
    #[serde(deserialize_with = "stored::groups")]
    pub groups: Vec<RejectedGroup>,
    /// Rejected traffic by interface.
    #[serde(deserialize_with = "known")]
    pub by_interface: Vec<InterfaceRejects>,
    /// Rejected traffic by subnet.
    #[serde(deserialize_with = "known")]
    pub by_subnet: Vec<SubnetRejects>,
    /// Rejected traffic by VPC.
    #[serde(deserialize_with = "known")]
    pub by_vpc: Vec<VpcRejects>,
    /// Rejected traffic by cause. Records whose group a memory limit dropped count as `security-group-or-network-acl`, as do all
    /// records whose cause is unknown.
    #[serde(default, deserialize_with = "known")]
    pub by_cause: Vec<CauseRejects>,
    /// False if a memory limit left causes open, so that `by_cause` and `by_rule` are approximate.
    #[serde(default)]
    pub by_cause_exact: bool,
    /// Rejected traffic by the rule that rejects it. Empty unless the topology has security groups or network ACLs.
    #[serde(default, deserialize_with = "known")]
    pub by_rule: Vec<RuleRejects>,
}

/// Rejected records of one interface, source, destination, destination port and protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RejectedGroup {
    /// Interface that recorded the traffic.
    pub interface_id: Option<String>,
    /// Name tag of the interface.
    pub interface_name: Option<String>,
    /// Source: `pkt-srcaddr` if present, otherwise `srcaddr`.
    pub srcaddr: Option<IpAddr>,
    /// Destination: `pkt-dstaddr` if present, otherwise `dstaddr`.
    pub dstaddr: Option<IpAddr>,
    /// Destination port.
    pub dstport: Option<u16>,
    /// IANA protocol number.
    pub protocol: Option<u8>,
    /// IANA keyword of the protocol.
    #[serde(deserialize_with = "stored::derived")]
    pub protocol_name: Option<Keyword>,
    /// Name of the service that usually uses the destination port.
    #[serde(deserialize_with = "stored::derived")]
    pub service_name: Option<Keyword>,
    /// Direction as seen from the interface.
    pub direction: Direction,
    /// Cause of most of its flows.
    pub cause: Cause,
    /// Number of flows by cause.
    pub causes: BTreeMap<Cause, u64>,
    /// Rules that reject the traffic, in the order in which a packet meets them. Empty if the rules are unknown, undecided, or
    /// allow the traffic.
    #[serde(default)]
    pub denied_by: Vec<DeniedBy>,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Counters,
    /// Time range of its records.
    #[serde(flatten)]
    pub seen: TimeRange,
    /// Scope, VPC, and other known facts of the source.
    pub src: Endpoint,
    /// Scope, VPC, and other known facts of the destination.
    pub dst: Endpoint,
}

/// Rejected traffic of one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InterfaceRejects {
    /// Null for records without an interface.
    pub interface_id: Option<String>,
    /// Name tag of the interface.
    pub name: Option<String>,
    /// VPC on which its records agree.
    pub vpc_id: Option<String>,
    /// Name tag of the VPC.
    pub vpc_name: Option<String>,
    /// Subnet on which its records agree.
    pub subnet_id: Option<String>,
    /// Name tag of the subnet.
    pub subnet_name: Option<String>,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Counters,
}

/// Rejected traffic of one subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SubnetRejects {
    /// Null for records whose subnet is unknown.
    pub subnet_id: Option<String>,
    /// Name tag of the subnet.
    pub name: Option<String>,
    /// VPC on which its records agree.
    pub vpc_id: Option<String>,
    /// Name tag of the VPC.
    pub vpc_name: Option<String>,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Counters,
}

/// Rejected traffic of one VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VpcRejects {
    /// Null for records whose VPC is unknown.
    pub vpc_id: Option<String>,
    /// Name tag of the VPC.
    pub name: Option<String>,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Counters,
}

/// Rejected traffic with one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CauseRejects {
    /// Cause of the rejection.
    pub cause: Cause,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Counters,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Set `UPDATE_GOLDEN=1` to rewrite the schema.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test compares a file of the repository with the types")]
    fn the_schema_is_that_of_the_types() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/summary.schema.json");
        let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
        let mut schema = settings.into_generator().into_root_schema_for::<Summary>();
        schema.insert("$id".to_owned(), SCHEMA.into());
        let schema = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &schema).expect("the file can be written");
        }
        assert!(std::fs::read_to_string(path).is_ok_and(|stored| stored == schema), "{path} does not match the types");
    }
}
