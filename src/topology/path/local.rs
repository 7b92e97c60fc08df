//! Destinations to which no route leads: link-local addresses, and those of the source's own interface.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::hop::{HopKind, HopSite, HopVerdict};
use super::walk::{Resource, Walk};

/// Services of AWS at the link, for IPv4 and IPv6. Neither network ACLs nor security groups
/// filter their traffic:
/// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html>,
/// <https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html>.
const SERVICES: [(IpAddr, &str); 6] = [
    (IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), METADATA),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 169, 253)), DNS),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 169, 123)), TIME_SYNC),
    (IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), METADATA),
    (IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253)), DNS),
    (IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x123)), TIME_SYNC),
];

const METADATA: &str = "the instance metadata service";
const DNS: &str = "the Amazon DNS server";
const TIME_SYNC: &str = "the Amazon Time Sync Service";

/// A destination on the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnLink {
    Service(&'static str),
    Other,
}

impl Walk<'_> {
    /// Adds the only hop of a path to a link-local destination. Returns whether the destination is one.
    pub(super) fn reach_on_link(&mut self) -> bool {
        let address = self.destination.address;
        let Some(found) = on_link(address).filter(|_| !self.destination.is_internet) else { return false };
        let (verdict, reason) = match found {
            OnLink::Service(service) => (
                HopVerdict::Pass,
                format!(
                    "{address} is {service}: no route leads to it, and neither network ACLs nor security groups filter it"
                ),
            ),
            OnLink::Other => (
                HopVerdict::Unknown,
                format!("{address} is link-local: no route leads to it, and what has it is unknown"),
            ),
        };
        let resource = Resource { kind: HopKind::LinkLocalService, id: None, site: HopSite::Between };
        self.push(&resource, verdict, reason, None);
        true
    }
}

impl Walk<'_> {
    /// Adds the only hop of a path to the source's own interface. Returns whether the destination is there.
    pub(super) fn reach_itself(&mut self) -> bool {
        let (source, destination) = (&self.source, &self.destination);
        // Packets to the public address leave by the gateway.
        if destination.is_internet || destination.public_address.is_some() || source.vpc != destination.vpc {
            return false;
        }
        let address = destination.address;
        let is_same_interface = source.interface.is_some() && source.interface_id() == destination.interface_id();
        let (verdict, reason) = if source.address == address {
            let reason =
                format!("{address} is the source itself: packets to it do not leave the host, and no rule applies");
            (HopVerdict::Pass, reason)
        } else if is_same_interface {
            let reason = format!(
                "it has both {} and {address}: no rule applies to packets that do not leave the host, which decides by itself",
                source.address
            );
            (HopVerdict::Unknown, reason)
        } else {
            return false;
        };
        let resource = Resource { kind: HopKind::NetworkInterface, id: source.interface_id(), site: HopSite::Between };
        self.push(&resource, verdict, reason, None);
        true
    }
}

/// Returns what a destination on the link is, or `None` for all other addresses.
fn on_link(address: IpAddr) -> Option<OnLink> {
    if let Some((_, service)) = SERVICES.iter().find(|(known, _)| *known == address) {
        return Some(OnLink::Service(service));
    }
    let is_link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    is_link_local.then_some(OnLink::Other)
}
