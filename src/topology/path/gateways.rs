//! The hops of internet gateways and egress-only internet gateways, in both directions.

use std::net::IpAddr;

use super::end::End;
use super::hop::{HopKind, HopSite, HopVerdict};
use super::next_hop::NextHop;
use super::segments::Remote;
use super::walk::{Resource, Walk};
use super::way::{InternetWay, Way};
use crate::record::ip;
use crate::topology::describe_output::Target;

impl<'a> Walk<'a> {
    /// Follows the route of the source's subnet to an internet gateway.
    pub(super) fn leave_by_internet_gateway(&mut self, id: &'a str) -> Option<Way<'a>> {
        let source = self.source;
        let seen_as = self.check_internet_gateway(id, &source, "the source")?;
        self.arrive_from_internet(None, seen_as)
    }

    /// Adds the hop of an internet gateway that packets leave by. `end` is the source, or the NAT gateway. Returns the public address
    /// that the packets have from then on.
    pub(super) fn check_internet_gateway(&mut self, id: &str, end: &End<'a>, role: &str) -> Option<IpAddr> {
        let resource = Resource::between(HopKind::InternetGateway, id);
        if let Some(reason) = self.reason_not_internet() {
            self.push(&resource, HopVerdict::Block, reason, None);
            return None;
        }
        let address = end.address;
        let (verdict, reason, seen_as) = match (self.public_address_of(end), end.interface) {
            (Some(public), _) if public == address => (HopVerdict::Pass, format!("{address} is public"), Some(public)),
            (Some(public), _) => (HopVerdict::Pass, format!("{address} is translated to {public}"), Some(public)),
            (None, None) if address.is_ipv4() => {
                let reason = format!("the topology has no interface with {address}, so its public address is unknown");
                (HopVerdict::Unknown, reason, None)
            }
            (None, _) => (HopVerdict::Block, format!("{role}, {address}, has no public address"), None),
        };
        self.push(&resource, verdict, reason, None);
        seen_as
    }

    /// Follows the route of the source's subnet to an egress-only internet gateway.
    pub(super) fn leave_by_egress_only_gateway(&mut self, id: &'a str) -> Option<Way<'a>> {
        let resource = Resource::between(HopKind::EgressOnlyInternetGateway, id);
        let address = self.source.address;
        let problem = match address {
            IpAddr::V4(_) => Some("it forwards IPv6 only".to_owned()),
            IpAddr::V6(_) if !ip::is_public(address) => Some(format!("the source, {address}, has no public address")),
            IpAddr::V6(_) => self.reason_not_internet(),
        };
        if let Some(reason) = problem {
            self.push(&resource, HopVerdict::Block, reason, None);
            return None;
        }
        self.push(&resource, HopVerdict::Pass, format!("{address} is public"), None);
        self.arrive_from_internet(None, address)
    }

    /// Returns the reason why the internet does not route the destination, if it does not.
    fn reason_not_internet(&self) -> Option<String> {
        let End { is_internet, is_ambiguous, vpc, public_address, .. } = self.destination;
        let address = self.destination.packet_address();
        // A private IPv4 block of a VPC may be one that is public elsewhere.
        let is_of_vpc = address.is_ipv4() && public_address.is_none() && (vpc.is_some() || is_ambiguous);
        match (is_internet, vpc) {
            (true, _) => None,
            (_, Some(vpc)) if is_of_vpc => {
                let vpc = self.label(&self.topology.vpc(vpc).id);
                Some(format!("{address} is a private address of {vpc}: the internet does not route it"))
            }
            _ if is_of_vpc || !ip::is_public(address) => {
                Some(format!("{address} is not a public address: the internet does not route it"))
            }
            _ => None,
        }
    }

    /// Returns the public address of an end: the one that AWS translates, or its own for IPv6.
    fn public_address_of(&self, end: &End<'_>) -> Option<IpAddr> {
        if end.address.is_ipv6() {
            return Some(end.address).filter(|address| ip::is_public(*address));
        }
        end.public_address.or_else(|| end.interface?.1.public_address_of(end.address))
    }

    /// Continues from the internet to the destination, if the topology has it.
    pub(super) fn arrive_from_internet(&mut self, nat: Option<End<'a>>, seen_as: IpAddr) -> Option<Way<'a>> {
        if self.destination.vpc.is_none() {
            return Some(Way::Internet(InternetWay { has_source: true, nat, seen_as: None }));
        }
        self.enter_from_internet(seen_as)?;
        Some(Way::Internet(InternetWay { has_source: true, nat, seen_as: Some(seen_as) }))
    }

    /// Starts at the destination, for a source that the topology does not have.
    pub(super) fn enter(&mut self) -> Option<Way<'a>> {
        let source = self.source;
        let address = source.address;
        let has_destination = self.destination.vpc.is_some();
        let reason = match (source.interface, has_destination) {
            (Some((id, _)), _) => format!("the topology does not have the VPC of {}", self.label(id)),
            _ if source.is_ambiguous => format!("several VPCs have {address}, and nothing shows which one is meant"),
            (None, false) => format!("neither {address} nor {} is in a VPC of the topology", self.destination_remote()),
            (None, true) if ip::is_public(address) => match self.reason_not_from_internet() {
                Some(reason) => reason,
                None => {
                    self.enter_from_internet(address)?;
                    let seen_as = Some(address);
                    return Some(Way::Internet(InternetWay { has_source: false, nat: None, seen_as }));
                }
            },
            (None, true) => {
                format!("{address} is in no VPC of the topology: its rules and its way to the VPC are unknown")
            }
        };
        let resource = Resource { kind: HopKind::ExternalNetwork, id: None, site: HopSite::Source };
        self.push(&resource, HopVerdict::Unknown, reason, None);
        if source.interface.is_some() || source.is_ambiguous || !has_destination {
            return None;
        }
        self.check_destination(Remote::Address(address));
        Some(Way::External)
    }

    /// Returns the reason why a source with a public address may be elsewhere than on the internet, if there is one. Networks that are
    /// connected by a VPN, Direct Connect, or a transit gateway have public addresses, too: the route back to the source decides.
    fn reason_not_from_internet(&self) -> Option<String> {
        let (source, destination) = (self.source.address, self.destination);
        let Some(((table_id, table), vpc)) = self.table_of_end(&destination).zip(destination.vpc) else {
            let subnet = self.subnet_label(&destination);
            return Some(format!(
                "the topology does not have the route table of {subnet}: whether {source} is on the internet is unknown"
            ));
        };
        let targets = match self.topology.next_hop(table, vpc, source) {
            NextHop::Local(_) | NextHop::NoRoute => return None,
            NextHop::Route(route) if is_of_internet(&route.target) => return None,
            NextHop::Route(route) | NextHop::UnknownList(route) => self.label_target(&route.target),
            NextHop::Tie(a, b) => format!("{} and to {}", self.label_target(&a.target), self.label_target(&b.target)),
        };
        let table = self.label(table_id);
        Some(format!(
            "{table} leads replies to {targets}: whether {source} is on the internet or in another network is unknown"
        ))
    }

    fn label_target(&self, target: &Target) -> String {
        match target.id() {
            "" => "an unknown target".to_owned(),
            id => self.label(id),
        }
    }

    /// Adds the hops from the internet to the destination, for packets with this source.
    fn enter_from_internet(&mut self, from: IpAddr) -> Option<()> {
        let destination = self.destination;
        let next = self.table_of_end(&destination).zip(destination.vpc);
        let next = next.map(|((_, table), vpc)| self.topology.next_hop(table, vpc, from));
        let gateway_id = match next {
            Some(NextHop::Route(route)) => match &route.target {
                Target::InternetGateway(id) => Some(id.as_str()),
                _ => None,
            },
            _ => None,
        };
        let resource = Resource { kind: HopKind::InternetGateway, id: gateway_id, site: HopSite::Destination };
        let address = destination.address;
        let (verdict, reason) = match (self.public_address_of(&destination), destination.interface) {
            (Some(public), _) if public == address => (HopVerdict::Pass, format!("{address} is public")),
            (Some(public), _) => (HopVerdict::Pass, format!("{public} is translated to {address}")),
            (None, None) if address.is_ipv4() => {
                let reason = format!("the topology has no interface with {address}, so its public address is unknown");
                (HopVerdict::Unknown, reason)
            }
            (None, _) => (HopVerdict::Block, format!("the destination, {address}, has no public address")),
        };
        self.push(&resource, verdict, reason, None);
        if verdict != HopVerdict::Pass {
            return None;
        }
        self.check_edge_table(gateway_id)?;
        self.check_destination(Remote::Address(from));
        Some(())
    }

    /// Checks the route table of the internet gateway, which may lead to an appliance. Without one, traffic goes to its destination.
    fn check_edge_table(&mut self, gateway_id: Option<&'a str>) -> Option<()> {
        let (Some(gateway_id), Some(vpc)) = (gateway_id, self.destination.vpc) else { return Some(()) };
        let tables = &self.topology.resources().route_tables;
        let table = tables.iter().find(|(_, table)| table.gateway_ids.iter().any(|id| id == gateway_id));
        let Some((_, table)) = table else { return Some(()) };
        match self.topology.next_hop(table, vpc, self.destination.address) {
            NextHop::Route(route) if route.target != Target::Local => {
                self.unknown_target(&route.target);
                None
            }
            _ => Some(()),
        }
    }
}

/// Reports whether a route to this target is one to the internet.
fn is_of_internet(target: &Target) -> bool {
    use Target::{EgressOnlyInternetGateway, InternetGateway, Local, NatGateway};
    matches!(target, Local | InternetGateway(_) | EgressOnlyInternetGateway(_) | NatGateway(_))
}
