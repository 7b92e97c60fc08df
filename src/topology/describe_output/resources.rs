//! The resources of the describe output that do not concern routes.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Vpc {
    /// Associated CIDR blocks.
    pub blocks: Vec<IpNet>,
    /// Account that owns it.
    pub owner_id: Option<String>,
    /// Name tag.
    pub name: Option<String>,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subnet {
    /// VPC id.
    pub vpc_id: String,
    /// Associated CIDR blocks.
    pub blocks: Vec<IpNet>,
    /// Whether there may be more blocks, because one cannot be read.
    pub is_incomplete: bool,
    /// Name tag.
    pub name: Option<String>,
}

/// A VPC peering connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PeeringConnection {
    /// Status code, such as `active`.
    pub status: String,
    /// VPC that requested the connection.
    pub requester: Side,
    /// VPC that accepts the connection.
    pub accepter: Side,
    /// Name tag.
    pub name: Option<String>,
}

impl PeeringConnection {
    /// Reports whether the connection is active, so that it can carry traffic.
    pub fn is_active(&self) -> bool {
        self.status == "active"
    }

    /// Returns the other side of the connection, or `None` if this VPC is neither side.
    pub fn other_side(&self, vpc_id: &str) -> Option<&Side> {
        match (self.requester.vpc_id == vpc_id, self.accepter.vpc_id == vpc_id) {
            (true, _) => Some(&self.accepter),
            (_, true) => Some(&self.requester),
            (false, false) => None,
        }
    }
}

/// One side of a peering connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// VPC id.
    pub vpc_id: String,
    /// Account that owns the VPC.
    pub owner_id: Option<String>,
    /// Region of the VPC.
    pub region: Option<String>,
    /// CIDR blocks of the VPC. AWS lists the blocks of the peer only while the connection is active.
    pub blocks: Vec<IpNet>,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// VPC id.
    pub vpc_id: Option<String>,
    /// Subnet id.
    pub subnet_id: Option<String>,
    /// Instance that the interface is attached to.
    pub instance_id: Option<String>,
    /// Private IPv4 addresses and IPv6 addresses.
    pub addresses: Vec<IpAddr>,
    /// Primary private IPv4 address.
    pub primary_address: Option<IpAddr>,
    /// Public addresses that AWS translates to the private IPv4 addresses.
    pub public_addresses: Vec<IpAddr>,
    /// Each private address that has a public one, and this public address.
    pub translations: Vec<(IpAddr, IpAddr)>,
    /// Prefixes that are delegated to the interface.
    pub prefixes: Vec<IpNet>,
    /// Security groups of the interface, in order.
    pub group_ids: Vec<String>,
    /// AWS service that owns the interface.
    pub service: &'static str,
    /// NAT gateway or VPC endpoint that the interface belongs to.
    pub gateway_id: Option<String>,
    /// Name tag.
    pub name: Option<String>,
    /// Description, unless there is a Name tag.
    pub description: Option<String>,
}

impl Interface {
    /// Reports whether an address belongs to the interface.
    pub fn owns(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address) || self.prefixes.iter().any(|prefix| prefix.contains(&address))
    }

    /// Returns the public address that AWS translates to a private address of the interface.
    pub fn public_address_of(&self, private: IpAddr) -> Option<IpAddr> {
        self.translations.iter().find(|(address, _)| *address == private).map(|(_, public)| *public)
    }

    /// Returns the address of the interface that has this public address: the private one that AWS translates, or the same, for IPv6.
    pub fn private_address_of(&self, public: IpAddr) -> Option<IpAddr> {
        let translated = self.translations.iter().find(|(_, address)| *address == public).map(|(private, _)| *private);
        translated.or_else(|| self.addresses.contains(&public).then_some(public))
    }

    /// Returns the Name tag, or the description.
    pub fn name_or_description(&self) -> Option<&str> {
        self.name.as_deref().or(self.description.as_deref())
    }
}
