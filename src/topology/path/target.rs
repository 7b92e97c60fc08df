//! Targets of routes that the topology does not describe.

use super::hop::{HopKind, HopSite, HopVerdict};
use super::walk::{Resource, Walk};
use crate::topology::describe_output::Target;

impl Walk<'_> {
    /// Adds the hop of a target that the topology does not describe. The walk ends here.
    pub(super) fn unknown_target(&mut self, target: &Target) {
        let kind = kind(target);
        let id = target.id();
        let what = match kind {
            HopKind::TransitGateway => "a transit gateway has route tables of its own",
            HopKind::VirtualPrivateGateway => "a virtual private gateway leads to a VPN or Direct Connect",
            HopKind::VpcEndpoint => "a VPC endpoint leads to a service or an appliance",
            HopKind::NetworkInterface | HopKind::Instance => "an appliance decides by rules of its own",
            HopKind::LocalGateway | HopKind::CarrierGateway | HopKind::CoreNetwork => "its configuration decides",
            _ => "where it leads depends on its configuration",
        };
        let reason = match kind {
            HopKind::InternetGateway
            | HopKind::EgressOnlyInternetGateway
            | HopKind::NatGateway
            | HopKind::PeeringConnection => "a path that leads here from another gateway is not evaluated".to_owned(),
            _ => format!("{what}, which the topology does not have"),
        };
        let resource = Resource { kind, id: Some(id).filter(|id| !id.is_empty()), site: HopSite::Between };
        self.push(&resource, HopVerdict::Unknown, reason, None);
    }
}

/// Returns the kind of a route's target.
fn kind(target: &Target) -> HopKind {
    match target {
        Target::Local => HopKind::RouteTable,
        Target::PeeringConnection(_) => HopKind::PeeringConnection,
        Target::InternetGateway(_) => HopKind::InternetGateway,
        Target::EgressOnlyInternetGateway(_) => HopKind::EgressOnlyInternetGateway,
        Target::NatGateway(_) => HopKind::NatGateway,
        Target::TransitGateway(_) => HopKind::TransitGateway,
        Target::VirtualPrivateGateway(_) => HopKind::VirtualPrivateGateway,
        Target::VpcEndpoint(_) => HopKind::VpcEndpoint,
        Target::Interface(_) => HopKind::NetworkInterface,
        Target::Other(id) if id.starts_with("i-") => HopKind::Instance,
        Target::Other(id) if id.starts_with("lgw-") => HopKind::LocalGateway,
        Target::Other(id) if id.starts_with("cagw-") => HopKind::CarrierGateway,
        Target::Other(id) if id.contains(":core-network/") => HopKind::CoreNetwork,
        Target::Other(_) => HopKind::RouteTarget,
    }
}
