//! The sources and ports with the most rejected flows, and the pairs of addresses with the most accepted bytes.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::Keyword;
use crate::aggregate::counters::Counters;
use crate::topology::endpoint::Endpoint;

/// The heaviest sources, ports, and pairs of addresses: at most ten of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Top {
    /// False if a memory limit made `rejected_sources` or `rejected_ports` approximate.
    pub exact: bool,
    /// Sources with the most rejected flows.
    pub rejected_sources: Vec<SourceRejects>,
    /// Destination ports with the most rejected flows.
    #[serde(deserialize_with = "super::stored::ports")]
    pub rejected_ports: Vec<PortRejects>,
    /// Pairs of source and destination with the most accepted bytes. A pair that several interfaces record counts once: at the interface
    /// with the most bytes.
    pub talkers: Vec<Talker>,
    /// False if there are too many pairs to count all of their records. The sums of `talkers` are then lower bounds, and a pair of many
    /// small records may be missing.
    pub talkers_exact: bool,
}

/// Rejected traffic of one source, over all interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SourceRejects {
    /// Source address. Null for records without one.
    pub srcaddr: Option<IpAddr>,
    /// What is known of the source. Null where its records lead to different results.
    pub src: Endpoint,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Counters,
}

/// Rejected traffic to one port, over all interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PortRejects {
    /// IANA protocol number. Null for records without one.
    pub protocol: Option<u8>,
    /// IANA keyword of the protocol.
    #[serde(deserialize_with = "super::stored::derived")]
    pub protocol_name: Option<Keyword>,
    /// Destination port. Null for records without one.
    pub dstport: Option<u16>,
    /// Name of the service that usually uses the port.
    #[serde(deserialize_with = "super::stored::derived")]
    pub service_name: Option<Keyword>,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Counters,
}

/// Accepted traffic from one address to another, as one interface recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Talker {
    /// Interface that recorded the traffic.
    pub interface_id: Option<String>,
    /// Name tag of the interface.
    pub interface_name: Option<String>,
    /// Source: `pkt-srcaddr` if present, otherwise `srcaddr`.
    pub srcaddr: IpAddr,
    /// Destination: `pkt-dstaddr` if present, otherwise `dstaddr`.
    pub dstaddr: IpAddr,
    /// Scope, VPC, and other known facts of the source.
    pub src: Endpoint,
    /// Scope, VPC, and other known facts of the destination.
    pub dst: Endpoint,
    /// Accepted traffic.
    pub accepted: Counters,
}
