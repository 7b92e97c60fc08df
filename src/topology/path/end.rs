//! The ends of a path, with everything that the topology has on them.

use std::net::IpAddr;

use serde::Serialize;

use crate::record::ip;
use crate::topology::describe_output::Interface;
use crate::topology::{Location, Recorder, Topology, VpcIndex};

/// One end of a path, resolved in a topology.
#[derive(Debug, Clone, Copy)]
pub struct End<'a> {
    /// The address. The private one, if AWS translates a public address to it.
    pub address: IpAddr,
    /// The public address of this end, if the question gives it.
    pub public_address: Option<IpAddr>,
    /// Whether this end is the internet: any public address of the family of `address`.
    pub is_internet: bool,
    /// VPC of the address.
    pub vpc: Option<VpcIndex>,
    /// Subnet of the address.
    pub subnet_id: Option<&'a str>,
    /// Interface that owns the address, with its id.
    pub interface: Option<(&'a str, &'a Interface)>,
    /// Whether the question names the interface, rather than an address that several VPCs may have.
    pub is_named: bool,
    /// Whether several VPCs have the address, and nothing shows which one is meant.
    pub is_ambiguous: bool,
}

impl<'a> End<'a> {
    /// Returns the internet, for IPv4 or for IPv6.
    pub fn internet(is_ipv6: bool) -> End<'a> {
        let unspecified = if is_ipv6 { IpAddr::from([0; 16]) } else { IpAddr::from([0; 4]) };
        End { is_internet: true, ..End::outside(unspecified) }
    }

    /// Returns an end that the topology does not have.
    fn outside(address: IpAddr) -> End<'a> {
        let (public_address, vpc, subnet_id, interface) = (None, None, None, None);
        End {
            address,
            public_address,
            is_internet: false,
            vpc,
            subnet_id,
            interface,
            is_named: false,
            is_ambiguous: false,
        }
    }

    /// Returns the address that packets to this end have as their destination.
    pub fn packet_address(&self) -> IpAddr {
        self.public_address.unwrap_or(self.address)
    }

    /// Returns the id of the interface.
    pub fn interface_id(&self) -> Option<&'a str> {
        self.interface.map(|(id, _)| id)
    }
}

/// Description of an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathEnd {
    /// `vpc`, `public`, `private`, or `internet` for any public address.
    pub scope: &'static str,
    /// The address. Null for the internet.
    pub address: Option<IpAddr>,
    /// Public address that AWS translates to the address.
    pub public_address: Option<IpAddr>,
    /// Interface that owns the address.
    pub interface_id: Option<String>,
    /// Name tag of the interface.
    pub name: Option<String>,
    /// AWS service that owns the interface.
    pub service: Option<&'static str>,
    /// Instance that the interface is attached to.
    pub instance_id: Option<String>,
    /// Subnet of the address.
    pub subnet_id: Option<String>,
    /// Name tag of the subnet.
    pub subnet_name: Option<String>,
    /// VPC of the address.
    pub vpc_id: Option<String>,
    /// Name tag of the VPC.
    pub vpc_name: Option<String>,
}

impl Topology {
    /// Resolves an address, which the recorder helps to locate. A public address that AWS translates is that of the interface.
    pub fn end_of_address(&self, address: IpAddr, mut recorder: impl Recorder) -> End<'_> {
        match self.locate(address, &mut recorder) {
            Location::In(vpc) => self.end_in_vpc(address, vpc),
            Location::Ambiguous(_) => End { is_ambiguous: true, ..End::outside(address) },
            Location::Outside => self.end_of_public_address(address).unwrap_or_else(|| End::outside(address)),
        }
    }

    /// Resolves an address of a VPC.
    pub fn end_in_vpc(&self, address: IpAddr, vpc: VpcIndex) -> End<'_> {
        let interface = self.owner(vpc, address);
        let subnet_of_interface = interface.and_then(|(_, interface)| interface.subnet_id.as_deref());
        let subnet_id = subnet_of_interface.or_else(|| self.subnet(vpc, address));
        End { vpc: Some(vpc), subnet_id, interface, ..End::outside(address) }
    }

    /// Resolves an interface by one of its addresses.
    pub fn end_of_interface<'a>(&'a self, id: &'a str, interface: &'a Interface, address: IpAddr) -> End<'a> {
        End {
            vpc: self.vpc_of_interface(id),
            subnet_id: interface.subnet_id.as_deref(),
            interface: Some((id, interface)),
            is_named: true,
            ..End::outside(address)
        }
    }

    /// Resolves a public address that an interface has.
    fn end_of_public_address(&self, public: IpAddr) -> Option<End<'_>> {
        let (id, interface) = self.interface_of_public_address(public)?;
        let address = interface.private_address_of(public)?;
        let public_address = (public != address).then_some(public);
        Some(End { public_address, ..self.end_of_interface(id, interface, address) })
    }

    /// Describes an end.
    pub(crate) fn describe_end(&self, end: &End<'_>) -> PathEnd {
        let name_of = |id: Option<&str>| id.and_then(|id| self.name_of(id)).map(str::to_owned);
        let interface = end.interface.map(|(_, interface)| interface);
        let vpc = end.vpc.map(|vpc| self.vpc(vpc));
        let scope = match end {
            End { is_internet: true, .. } => "internet",
            End { vpc: Some(_), .. } | End { interface: Some(_), .. } | End { is_ambiguous: true, .. } => "vpc",
            End { address, .. } if ip::is_public(*address) => "public",
            End { .. } => "private",
        };
        let translated = || interface.and_then(|interface| interface.public_address_of(end.address));
        PathEnd {
            scope,
            address: (!end.is_internet).then_some(end.address),
            public_address: end.public_address.or_else(translated),
            interface_id: end.interface_id().map(str::to_owned),
            name: name_of(end.interface_id()),
            service: interface.map(|interface| interface.service),
            instance_id: interface.and_then(|interface| interface.instance_id.clone()),
            subnet_id: end.subnet_id.map(str::to_owned),
            subnet_name: name_of(end.subnet_id),
            vpc_id: vpc.map(|vpc| vpc.id.clone()),
            vpc_name: vpc.and_then(|vpc| vpc.name.clone()),
        }
    }
}
