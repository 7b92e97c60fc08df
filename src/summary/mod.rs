//! The summary: what flowsentry says about one object, or about all inputs of one run.
//!
//! These types are the JSON contract. Fields may be added; none may be renamed, dropped or change its meaning. The
//! JSON Schema made from them is `docs/summary.schema.json`.

mod peering;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

pub use peering::{ConnectionTraffic, Peering, ServiceTraffic, VpcPair};

use crate::cause::Cause;
use crate::finding::Finding;
use crate::record::Direction;
use crate::scope::Scope;
use crate::tally::{Seen, Tally};
use crate::time::Timestamp;

/// The value of [`Summary::schema`].
pub const SCHEMA: &str = "flowsentry/summary/v1";

/// Everything that flowsentry says about one report: one object in the function, all inputs of the command.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary {
    /// Always `flowsentry/summary/v1`.
    pub schema: &'static str,
    /// The inputs that were read whole, in the order given.
    pub sources: Vec<Source>,
    /// The inputs that could not be read whole. None of their records counts.
    pub failed: Vec<Failure>,
    /// Least start and greatest end of the analysed records.
    pub window: Option<Window>,
    /// The distinct column lists met, in the order met.
    pub formats: Vec<FormatSeen>,
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
    /// Names of the settings that limit how much of the variety is kept and by which something was left out.
    pub limits_reached: Vec<&'static str>,
}

/// An input that was read whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Source {
    /// The input as given, or `s3://bucket/key`.
    pub uri: String,
    /// Bytes of the input as stored.
    pub compressed_bytes: u64,
    /// Bytes of text after decompression.
    pub bytes: u64,
    /// Records of every class.
    pub records: u64,
    /// What S3 calls the object.
    #[serde(flatten)]
    pub object: Option<ObjectIdentity>,
}

/// One version of one S3 object, as GetObject named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ObjectIdentity {
    /// Name of the bucket.
    pub bucket: String,
    /// Key, decoded.
    pub key: String,
    /// Version, where the bucket is versioned.
    pub version_id: Option<String>,
    /// Entity tag, without quotes.
    pub etag: Option<String>,
}

/// An input that could not be read whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Failure {
    /// The input as given.
    pub uri: String,
    /// What is wrong with it, where, and what to do.
    pub error: String,
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
pub struct FormatSeen {
    /// The highest version among its known fields.
    pub version: Option<u8>,
    /// Field names, hyphens as underscores; unknown ones as they stand.
    pub fields: Vec<String>,
}

/// How many records fell into each class; every record is in exactly one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecordCounts {
    /// All records.
    pub total: u64,
    /// Action ACCEPT.
    pub accepted: u64,
    /// Action REJECT.
    pub rejected: u64,
    /// Log status NODATA: no traffic in the interval.
    pub no_data: u64,
    /// Log status SKIPDATA: AWS left records out.
    pub skip_data: u64,
    /// Records without an action, such as those of a transit gateway.
    pub other: u64,
    /// Lines that do not parse.
    pub malformed: u64,
}

/// Sums over the analysed records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Traffic {
    /// Let through.
    pub accepted: Tally,
    /// Refused by a security group, a network ACL or the like.
    pub rejected: Tally,
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

/// One malformed record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MalformedSample {
    /// The input.
    pub uri: String,
    /// Line number from 1, headers and blank lines counted.
    pub line: u64,
    /// What does not parse.
    pub reason: String,
    /// The line's beginning, at most 200 characters.
    pub text: String,
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
    /// Source: `pkt-srcaddr` where present, else `srcaddr`.
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
    /// Seen from the interface.
    pub direction: Direction,
    /// The cause of most of its flows.
    pub cause: Cause,
    /// Flows by cause.
    pub causes: BTreeMap<Cause, u64>,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Tally,
    /// First and last time seen.
    #[serde(flatten)]
    pub seen: Seen,
    /// What is known of the source.
    pub src: Endpoint,
    /// What is known of the destination.
    pub dst: Endpoint,
}

/// What is known of an address. Without a topology, only the scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Endpoint {
    /// Null where the record has no such address.
    pub scope: Option<Scope>,
    /// VPC of the address.
    pub vpc_id: Option<String>,
    /// Subnet of the address.
    pub subnet_id: Option<String>,
    /// Interface that owns the address.
    pub interface_id: Option<String>,
    /// AWS service that owns the interface.
    pub service: Option<String>,
    /// Its Name tag, or its description.
    pub name: Option<String>,
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
    pub tally: Tally,
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
    pub tally: Tally,
}

/// Rejected traffic of one VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VpcRejects {
    /// Null for records whose VPC is not known.
    pub vpc_id: Option<String>,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Tally,
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
