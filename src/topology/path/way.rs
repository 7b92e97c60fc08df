//! The way by which traffic reached the destination. It determines the way back.

use std::net::IpAddr;

use super::end::End;

/// How the traffic reached the destination.
#[derive(Debug, Clone, Copy)]
pub(super) enum Way<'a> {
    /// Within a subnet: neither route tables nor network ACLs apply.
    Subnet,
    /// Within a VPC.
    Local,
    /// Over a peering connection.
    Peering,
    /// Over the internet.
    Internet(InternetWay<'a>),
    /// From a network that the topology does not have.
    External,
}

/// A way over the internet.
#[derive(Debug, Clone, Copy)]
pub(super) struct InternetWay<'a> {
    /// Whether the source is in the topology.
    pub(super) has_source: bool,
    /// The NAT gateway of the source, by its interface, if it uses one.
    pub(super) nat: Option<End<'a>>,
    /// Source address of the packets, as the destination receives them. `None` if the destination is not in the topology.
    pub(super) seen_as: Option<IpAddr>,
}
