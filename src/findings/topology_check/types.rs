//! The types of the JSON output of `topology check`.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::Serialize;

use crate::findings::types::{self, Severity};
use crate::topology::Topology;

/// The value of [`Check::schema`].
pub const SCHEMA: &str = "flowsentry/topology-check/v1";

/// Result of the check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Always `flowsentry/topology-check/v1`.
    pub schema: &'static str,
    /// Number of known VPCs.
    pub vpcs: usize,
    /// Number of known peering connections.
    pub peering_connections: usize,
    /// Number of known route tables.
    pub route_tables: usize,
    /// Entries of the documents that could not be used, each with the reason.
    pub problems: Vec<String>,
    /// Problems, sorted by severity (highest first), type, and subject.
    pub findings: Vec<TopologyFinding>,
}

/// A problem of a topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopologyFinding {
    /// Hash of type and subject. The same problem has the same id in the next check.
    pub id: String,
    /// Type of the problem.
    #[serde(rename = "type")]
    pub finding_type: TopologyFindingType,
    /// Severity of the problem.
    pub severity: Severity,
    /// Description in one line, with the names of the resources.
    pub title: String,
    /// Meaning of the type, and the recommended next step.
    pub advice: &'static str,
    /// Resources that have the problem.
    pub subject: TopologySubject,
    /// More facts.
    pub details: TopologyDetails,
    /// Name tags of the resources whose ids occur in subject and details, by id. Only those that the topology has.
    pub names: BTreeMap<String, String>,
}

impl TopologyFinding {
    pub(super) fn new(
        topology: &Topology,
        finding_type: TopologyFindingType,
        severity: Severity,
        title: String,
        subject: TopologySubject,
        details: TopologyDetails,
    ) -> TopologyFinding {
        let id = types::id(finding_type.name(), &subject);
        let names = topology.names_in((&subject, &details));
        TopologyFinding { id, finding_type, severity, title, advice: finding_type.advice(), subject, details, names }
    }
}

/// The types of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TopologyFindingType {
    /// A route is in state blackhole.
    BlackholeRoute,
    /// A route targets a peering connection that is not active.
    InactivePeeringRoute,
    /// No route table in use of one side of an active peering connection reaches a block of the other side.
    MissingRoute,
    /// Two VPCs have overlapping CIDR blocks and are peered or have a common peer.
    OverlappingCidr,
    /// Some route tables in use reach a block of the other side, and some do not.
    PartialRoute,
    /// A route to an active peering connection has nothing in common with the blocks of the other side.
    UselessRoute,
}

impl TopologyFindingType {
    /// All types, in order.
    pub const ALL: [TopologyFindingType; 6] = [
        TopologyFindingType::BlackholeRoute,
        TopologyFindingType::InactivePeeringRoute,
        TopologyFindingType::MissingRoute,
        TopologyFindingType::OverlappingCidr,
        TopologyFindingType::PartialRoute,
        TopologyFindingType::UselessRoute,
    ];

    /// Returns the keyword used in JSON and reports.
    pub fn name(self) -> &'static str {
        match self {
            TopologyFindingType::BlackholeRoute => "blackhole-route",
            TopologyFindingType::InactivePeeringRoute => "inactive-peering-route",
            TopologyFindingType::MissingRoute => "missing-route",
            TopologyFindingType::OverlappingCidr => "overlapping-cidr",
            TopologyFindingType::PartialRoute => "partial-route",
            TopologyFindingType::UselessRoute => "useless-route",
        }
    }

    /// Returns the meaning and the recommended next step, as text for users.
    pub fn advice(self) -> &'static str {
        match self {
            TopologyFindingType::BlackholeRoute => {
                "The target is gone or not available, so traffic that matches the route is dropped. Remove the route, or \
                 route to a target that exists."
            }
            TopologyFindingType::InactivePeeringRoute => {
                "A connection that is not active carries no traffic. Accept it or remove the route."
            }
            TopologyFindingType::MissingRoute => {
                "Peering needs routes on both sides; otherwise requests are not sent or replies do not return. Add a route \
                 for the CIDR block to the route tables of the subnets that need it."
            }
            TopologyFindingType::OverlappingCidr => {
                "The same address exists in both VPCs, so a reply may go to the wrong VPC. Use routes to the parts of the \
                 blocks that do not overlap, or change the CIDR blocks of one VPC."
            }
            TopologyFindingType::PartialRoute => {
                "The subnets of these route tables cannot use the connection; the other subnets can. Ignore it if that is \
                 intended; otherwise add the route."
            }
            TopologyFindingType::UselessRoute => {
                "Peering leads to the peer VPC alone: not through it to a third VPC, the internet, or an on-premises network. \
                 The traffic is dropped. Correct the destination, or remove the route and connect the two networks directly."
            }
        }
    }
}

/// Resources that have a problem. The fields depend on the type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum TopologySubject {
    /// Used by `overlapping-cidr`.
    Vpcs {
        /// The two VPCs, in order.
        vpc_ids: Vec<String>,
    },
    /// Used by `missing-route` and `partial-route`.
    Block {
        /// VPC without a route.
        vpc_id: String,
        /// Peering connection.
        peering_connection_id: String,
        /// CIDR block of the other side.
        cidr_block: IpNet,
    },
    /// Used by `blackhole-route`, `inactive-peering-route` and `useless-route`.
    Route {
        /// Route table.
        route_table_id: String,
        /// Destination of the route: a CIDR block or a prefix list.
        destination: String,
        /// Target of the route. Null if it is not a peering connection.
        peering_connection_id: Option<String>,
    },
}

/// More facts about a problem. The fields depend on the type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TopologyDetails {
    /// Used by `overlapping-cidr`.
    Overlap {
        /// Overlap: the smaller block of each overlapping pair.
        cidr_blocks: Vec<IpNet>,
        /// VPCs that are peered with both.
        via_vpc_ids: Vec<String>,
    },
    /// Used by `missing-route` and `partial-route`.
    Unrouted {
        /// VPC on the other side.
        peer_vpc_id: String,
        /// Route tables in use that do not reach the block.
        route_table_ids: Vec<String>,
        /// Known subnets that use these route tables.
        subnet_ids: Vec<String>,
    },
    /// Used by `useless-route`.
    Useless {
        /// VPC on the other side, the only one that the connection leads to.
        peer_vpc_id: String,
        /// VPCs that have the addresses of the destination.
        destination_vpc_ids: Vec<String>,
    },
    /// Used by `blackhole-route` and `inactive-peering-route`.
    Connection {
        /// Id of the target of the route.
        target: String,
        /// Status of the peering connection. Null if it is not in the topology, or if the target is not one.
        status: Option<String>,
    },
}
