//! Traffic between VPCs, and by the services that own the interfaces.

use serde::Serialize;

use super::Traffic;
use crate::aggregate::counters::Tally;

/// Traffic between VPCs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Peering {
    /// False where a memory limit made replies or pairs approximate.
    pub exact: bool,
    /// The peering connections with traffic.
    pub connections: Vec<ConnectionTraffic>,
    /// All traffic between two different known VPCs.
    pub vpc_pairs: Vec<VpcPair>,
}

/// Traffic between the VPCs that a connection connects, both ways together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConnectionTraffic {
    /// `pcx-…`.
    pub peering_connection_id: String,
    /// Such as `active`.
    pub status: String,
    /// VPC of the side that asked for it.
    pub requester_vpc_id: String,
    /// VPC of the side that was asked.
    pub accepter_vpc_id: String,
    /// Whether the sides are in different regions; null if a region is not known.
    pub inter_region: Option<bool>,
    /// Whether the sides belong to different accounts; null if an account is not known.
    pub cross_account: Option<bool>,
    /// Accepted and rejected.
    #[serde(flatten)]
    pub traffic: Traffic,
}

/// Traffic from one VPC to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VpcPair {
    /// VPC of the sources.
    pub src_vpc_id: String,
    /// VPC of the destinations.
    pub dst_vpc_id: String,
    /// The active connection between them; else an inactive one; else null.
    pub peering_connection_id: Option<String>,
    /// Accepted and rejected.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Of it, what was accepted and has no reply in the report.
    pub unanswered: Tally,
}

/// Traffic of the interfaces that one AWS service owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServiceTraffic {
    /// Such as `ec2` or `rds`; null for interfaces that the topology does not know.
    pub service: Option<String>,
    /// How many of its interfaces were seen.
    pub interfaces: u64,
    /// Accepted and rejected.
    #[serde(flatten)]
    pub traffic: Traffic,
}
