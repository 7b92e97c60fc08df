//! The result of a walk: its hops, and the verdict that follows from them.

use serde::{Deserialize, Serialize};

use super::end::PathEnd;

/// Whether the traffic of a question can pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The end that opens the connection.
    pub source: PathEnd,
    /// The other end.
    pub destination: PathEnd,
    /// IANA protocol number.
    pub protocol: u8,
    /// Destination port.
    pub port: Option<u16>,
    /// The hops, in the order in which a packet meets them: first those to the destination, then those of the replies.
    pub hops: Vec<Hop>,
}

impl Explanation {
    /// Returns the first hop that blocks.
    pub fn blocked_by(&self) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.verdict == HopVerdict::Block)
    }

    /// Returns the first hop that is unknown.
    pub fn unknown_at(&self) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.verdict == HopVerdict::Unknown)
    }

    /// Returns the verdict: blocked if any hop blocks, otherwise unknown if any hop is unknown.
    pub fn verdict(&self) -> PathVerdict {
        if self.blocked_by().is_some() {
            PathVerdict::Blocked
        } else if self.hops.is_empty() || self.unknown_at().is_some() {
            PathVerdict::Unknown
        } else {
            PathVerdict::Reachable
        }
    }
}

/// Verdict on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathVerdict {
    /// Every hop lets the traffic pass, there and back.
    Reachable,
    /// A hop blocks.
    Blocked,
    /// No hop is known to block, but the topology does not have everything that decides.
    Unknown,
}

/// One hop of a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Hop {
    /// To the destination, or back.
    pub direction: HopDirection,
    /// Kind of the resource.
    pub kind: HopKind,
    /// Id of the resource. If an interface has several security groups, this is the one that decides. Null if there is none, or it is
    /// unknown.
    pub id: Option<String>,
    /// Name tag of the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the traffic passes.
    pub verdict: HopVerdict,
    /// The reason, in words.
    pub reason: String,
    /// The rule or route that decides.
    pub rule: Option<HopRule>,
    /// The end where the hop is.
    #[serde(skip)]
    pub site: HopSite,
}

/// Direction of the traffic at a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum HopDirection {
    /// From the source to the destination.
    Forward,
    /// Replies, from the destination to the source.
    Return,
}

impl HopDirection {
    /// Returns the word used in JSON and in reports.
    pub fn name(self) -> &'static str {
        match self {
            HopDirection::Forward => "forward",
            HopDirection::Return => "return",
        }
    }
}

/// Kind of the resource at a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum HopKind {
    /// The security groups of an interface.
    SecurityGroups,
    /// The network ACL of a subnet.
    NetworkAcl,
    /// A subnet that has both ends.
    Subnet,
    /// The route table of a subnet or of an internet gateway.
    RouteTable,
    /// A VPC peering connection.
    PeeringConnection,
    /// An internet gateway.
    InternetGateway,
    /// An egress-only internet gateway.
    EgressOnlyInternetGateway,
    /// A NAT gateway.
    NatGateway,
    /// A transit gateway.
    TransitGateway,
    /// A virtual private gateway, which leads to a VPN or Direct Connect.
    VirtualPrivateGateway,
    /// A gateway endpoint or a Gateway Load Balancer endpoint.
    VpcEndpoint,
    /// A network interface, such as that of an appliance.
    NetworkInterface,
    /// An instance, such as an appliance.
    Instance,
    /// A local gateway, of an Outpost.
    LocalGateway,
    /// A carrier gateway, of a Wavelength Zone.
    CarrierGateway,
    /// A core network, of Cloud WAN.
    CoreNetwork,
    /// The target of a route that is none of the others.
    RouteTarget,
    /// A network that the topology does not have.
    ExternalNetwork,
    /// A link-local address, or a service that AWS serves at one, such as instance metadata.
    LinkLocalService,
}

impl HopKind {
    /// Returns the kind in words.
    pub fn words(self) -> &'static str {
        match self {
            HopKind::SecurityGroups => "security groups",
            HopKind::NetworkAcl => "network ACL",
            HopKind::Subnet => "subnet",
            HopKind::RouteTable => "route table",
            HopKind::PeeringConnection => "peering connection",
            HopKind::InternetGateway => "internet gateway",
            HopKind::EgressOnlyInternetGateway => "egress-only internet gateway",
            HopKind::NatGateway => "NAT gateway",
            HopKind::TransitGateway => "transit gateway",
            HopKind::VirtualPrivateGateway => "virtual private gateway",
            HopKind::VpcEndpoint => "VPC endpoint",
            HopKind::NetworkInterface => "network interface",
            HopKind::Instance => "instance",
            HopKind::LocalGateway => "local gateway",
            HopKind::CarrierGateway => "carrier gateway",
            HopKind::CoreNetwork => "core network",
            HopKind::RouteTarget => "route target",
            HopKind::ExternalNetwork => "external network",
            HopKind::LinkLocalService => "link-local service",
        }
    }
}

/// Whether traffic passes a hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum HopVerdict {
    /// It passes.
    Pass,
    /// It is rejected or dropped.
    Block,
    /// The topology lacks the resource that decides, or the rules treat parts of the traffic differently.
    Unknown,
}

impl HopVerdict {
    /// Returns the word used in JSON and in reports.
    pub fn name(self) -> &'static str {
        match self {
            HopVerdict::Pass => "pass",
            HopVerdict::Block => "block",
            HopVerdict::Unknown => "unknown",
        }
    }

    /// Returns the word for a table, where a block must catch the eye.
    pub fn label(self) -> &'static str {
        match self {
            HopVerdict::Block => "BLOCK",
            other => other.name(),
        }
    }
}

/// The rule or route that decides at a hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
// Variants that require a member come first, because reading tries one after another.
pub enum HopRule {
    /// A permission of a security group, or groups none of whose permissions applies.
    SecurityGroups {
        /// Group of the permission. Null if none of several groups has one.
        group_id: Option<String>,
        /// All groups of the interface.
        group_ids: Vec<String>,
        /// Protocol and ports of the permission, such as `443/TCP`.
        traffic: Option<String>,
    },
    /// A route.
    Route {
        /// CIDR block or prefix list.
        destination: String,
        /// Id of the target; `local` for the VPC itself.
        target: String,
    },
    /// An entry of a network ACL.
    NetworkAcl {
        /// Number of the entry. Null if no entry matches.
        rule_number: Option<u32>,
        /// Block of the entry.
        cidr_block: Option<String>,
        /// Protocol and ports of the entry, such as `443/TCP`.
        traffic: Option<String>,
    },
}

/// The end where a hop is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HopSite {
    /// At the source.
    Source,
    /// Neither.
    #[default]
    Between,
    /// At the destination.
    Destination,
}

impl Hop {
    /// Describes the resource and the reason, such as `network ACL acl-1: rule 100 denies 443/TCP from 10.0.1.5`. The id is not
    /// escaped.
    pub fn in_words(&self) -> String {
        let id = self.id.as_deref().map_or_else(String::new, |id| format!(" {id}"));
        format!("{}{id}: {}", self.kind.words(), self.reason)
    }
}
