//! Route tables and prefix lists of the describe output.

use std::fmt;

use ipnet::IpNet;
use serde::Serialize;

/// A route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteTable {
    /// VPC id.
    pub vpc_id: String,
    /// Name tag.
    pub name: Option<String>,
    /// Whether this is the main route table, which applies to the subnets without a table of their own.
    pub is_main: bool,
    /// Subnets that are associated with the table, in order.
    pub subnet_ids: Vec<String>,
    /// Internet gateways and virtual private gateways that are associated with the table, in order. The table applies to traffic
    /// that enters the VPC through them.
    pub gateway_ids: Vec<String>,
    /// All routes.
    pub routes: Vec<Route>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Destination of the traffic.
    pub destination: Destination,
    /// Next hop.
    pub target: Target,
    /// State of the route.
    pub state: RouteState,
}

impl Route {
    /// Reports whether the route carries traffic.
    pub fn is_active(&self) -> bool {
        self.state == RouteState::Active
    }

    /// Returns the peering connection that the route leads to.
    pub fn connection_id(&self) -> Option<&str> {
        match &self.target {
            Target::PeeringConnection(id) => Some(id),
            _ => None,
        }
    }
}

/// State of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum RouteState {
    /// The route is in use. A route without a state counts as active.
    Active,
    /// The target is unavailable, so the traffic is dropped.
    Blackhole,
    /// The route is not in the table's forwarding, such as a propagated route in state `filtered`.
    Unused,
}

/// Destination of a route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Destination {
    /// An IPv4 or IPv6 CIDR block.
    Block(IpNet),
    /// Id of a prefix list.
    PrefixList(String),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Block(block) => block.fmt(f),
            Destination::PrefixList(id) => id.fmt(f),
        }
    }
}

/// Next hop of a route: the resource with this id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Target {
    /// The VPC itself.
    Local,
    /// A VPC peering connection.
    PeeringConnection(String),
    /// An internet gateway.
    InternetGateway(String),
    /// An egress-only internet gateway, for IPv6.
    EgressOnlyInternetGateway(String),
    /// A NAT gateway.
    NatGateway(String),
    /// A transit gateway.
    TransitGateway(String),
    /// A virtual private gateway, which leads to a VPN or Direct Connect.
    VirtualPrivateGateway(String),
    /// A gateway endpoint or a Gateway Load Balancer endpoint.
    VpcEndpoint(String),
    /// A network interface, such as that of an appliance.
    Interface(String),
    /// Any other target. Empty if the describe output has none.
    Other(String),
}

impl Target {
    /// Returns the id of the target: `local` for the VPC itself, empty if there is no target.
    pub fn id(&self) -> &str {
        match self {
            Target::Local => "local",
            Target::PeeringConnection(id)
            | Target::InternetGateway(id)
            | Target::EgressOnlyInternetGateway(id)
            | Target::NatGateway(id)
            | Target::TransitGateway(id)
            | Target::VirtualPrivateGateway(id)
            | Target::VpcEndpoint(id)
            | Target::Interface(id)
            | Target::Other(id) => id,
        }
    }
}

/// A prefix list whose blocks are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrefixList {
    /// CIDR blocks.
    pub blocks: Vec<IpNet>,
    /// Whether a part of the list cannot be read, so that it may have more blocks.
    pub is_incomplete: bool,
}
