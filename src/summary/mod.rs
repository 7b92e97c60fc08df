//! The summary: what flowsentry says about one object, or about all inputs of one run.
//!
//! These types are the JSON contract. Fields may be added; none may be renamed, dropped or change its meaning. The
//! JSON Schema made from them is `docs/summary.schema.json`.

pub mod build;
mod by_scope;
pub mod json;
mod peering;
mod top_groups;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

pub use peering::{ConnectionTraffic, Peering, ServiceTraffic, VpcPair};

use crate::aggregate::counters::{Counters, TimeRange};
pub use crate::aggregate::inputs::{InputFailure, InputSource, MalformedSample, ObjectIdentity, RecordCounts};
use crate::aggregate::rejected::cause::Cause;
use crate::findings::types::Finding;
use crate::record::Direction;
use crate::record::timestamp::Timestamp;
use crate::topology::endpoint::Endpoint;

/// The value of [`Summary::schema`].
pub const SCHEMA: &str = "flowsentry/summary/v1";

/// Everything that flowsentry says about one report: one object in the function, all inputs of the command.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary {
    /// Always `flowsentry/summary/v1`.
    pub schema: &'static str,
    /// The inputs that were read whole, in the order given.
    pub sources: Vec<InputSource>,
    /// The inputs that could not be read whole. None of their records counts.
    pub failed: Vec<InputFailure>,
    /// Least start and greatest end of the analysed records.
    pub window: Option<Window>,
    /// The distinct column lists met, in the order met.
    pub formats: Vec<ObservedFormat>,
    /// Every record by its class.
    pub records: RecordCounts,
    /// What was let through and what was refused.
    pub traffic: Traffic,
    /// The first ten malformed records.
    pub malformed: Vec<MalformedSample>,
    /// Rejected connections.
    pub rejected: Rejected,
    /// Traffic between VPCs; null without a topology.
    pub peering: Option<Peering>,
    /// Traffic by the AWS service that owns the interface; empty unless the topology has interfaces.
    pub services: Vec<ServiceTraffic>,
    /// What deserves a look, the worst first.
    pub findings: Vec<Finding>,
    /// Interner of the settings that limit how much of the variety is kept and by which something was left out.
    pub limits_reached: Vec<&'static str>,
}

/// A span of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Window {
    /// Least `start`; null if no record has one.
    pub start: Option<Timestamp>,
    /// Greatest `end`; null if no record has one.
    pub end: Option<Timestamp>,
}

/// A column list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ObservedFormat {
    /// The highest version among its known fields.
    pub version: Option<u8>,
    /// Field names, hyphens as underscores; unknown ones as they stand.
    pub fields: Vec<String>,
}

/// Sums over the analysed records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Traffic {
    /// Let through.
    pub accepted: Counters,
    /// Refused by a security group, a network ACL or the like.
    pub rejected: Counters,
}

impl Traffic {
    /// Accepted and rejected together.
    pub fn flows(&self) -> u64 {
        self.accepted.flows.saturating_add(self.rejected.flows)
    }

    /// Adds other records' sums.
    pub fn merge(&mut self, other: Traffic) {
        self.accepted.merge(other.accepted);
        self.rejected.merge(other.rejected);
    }
}

/// Rejected connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rejected {
    /// Distinct (interface_id, srcaddr, dstaddr, dstport, protocol); where some were left out for lack of memory, an estimate
    /// with a standard error of 0.8 %.
    pub group_count: u64,
    /// False where a memory limit made the groups approximate.
    pub exact: bool,
    /// A listed group has at most so many more flows than are told of it, and a group that is not listed no more than the
    /// last that is and so many besides; 0 where none was dropped for lack of memory. Groups of interfaces that are not kept
    /// are told without an interface.
    pub error_bound: u64,
    /// The groups with the most flows.
    pub groups: Vec<RejectedGroup>,
    /// Rejected traffic by interface.
    pub by_interface: Vec<InterfaceRejects>,
    /// Rejected traffic by subnet.
    pub by_subnet: Vec<SubnetRejects>,
    /// Rejected traffic by VPC.
    pub by_vpc: Vec<VpcRejects>,
}

/// Rejected records of one interface, source, destination, destination port and protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RejectedGroup {
    /// Interface that recorded the traffic.
    pub interface_id: Option<String>,
    /// InputSource: `pkt-srcaddr` where present, else `srcaddr`.
    pub srcaddr: Option<IpAddr>,
    /// Destination: `pkt-dstaddr` where present, else `dstaddr`.
    pub dstaddr: Option<IpAddr>,
    /// Destination port.
    pub dstport: Option<u16>,
    /// IANA protocol number.
    pub protocol: Option<u8>,
    /// IANA keyword of the protocol.
    pub protocol_name: Option<&'static str>,
    /// IANA service name of the destination port.
    pub service_name: Option<&'static str>,
    /// TimeRange from the interface.
    pub direction: Direction,
    /// The cause of most of its flows.
    pub cause: Cause,
    /// Flows by cause.
    pub causes: BTreeMap<Cause, u64>,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Counters,
    /// First and last time seen.
    #[serde(flatten)]
    pub seen: TimeRange,
    /// What is known of the source.
    pub src: Endpoint,
    /// What is known of the destination.
    pub dst: Endpoint,
}

/// Rejected traffic of one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct InterfaceRejects {
    /// Null for records without an interface.
    pub interface_id: Option<String>,
    /// The VPC that its records agree on.
    pub vpc_id: Option<String>,
    /// The subnet that its records agree on.
    pub subnet_id: Option<String>,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Counters,
}

/// Rejected traffic of one subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SubnetRejects {
    /// Null for records whose subnet is not known.
    pub subnet_id: Option<String>,
    /// The VPC that its records agree on.
    pub vpc_id: Option<String>,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Counters,
}

/// Rejected traffic of one VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VpcRejects {
    /// Null for records whose VPC is not known.
    pub vpc_id: Option<String>,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Counters,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE_GOLDEN=1 cargo test the_schema_is_that_of_the_types` writes it anew.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test holds a file of the repository against the types")]
    fn the_schema_is_that_of_the_types() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/summary.schema.json");
        let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
        let mut schema = settings.into_generator().into_root_schema_for::<Summary>();
        schema.insert("$id".to_owned(), SCHEMA.into());
        let schema = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &schema).expect("the file can be written");
        }
        assert!(std::fs::read_to_string(path).is_ok_and(|kept| kept == schema), "{path} is not what the types give");
    }
}
