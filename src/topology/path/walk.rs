//! The state of a walk, and the hops that look up one route.

use std::net::IpAddr;

use super::end::End;
use super::hop::{Hop, HopDirection, HopKind, HopRule, HopSite, HopVerdict};
use super::next_hop::{InternetRoutes, NextHop};
use super::segments::{PortRange, Remote};
use crate::record::{TCP, UDP};
use crate::sanitize::{NAME_CHARACTERS, escape_truncated};
use crate::topology::Topology;
use crate::topology::describe_output::{Route, RouteState, RouteTable, Target};

/// Ports of clients, to which replies go.
const EPHEMERAL_PORTS: PortRange = PortRange { first: 1024, last: 65_535 };
/// Destination ports of a question about TCP or UDP without a port. Port 0 is reserved.
const ALL_PORTS: PortRange = PortRange { first: 1, last: 65_535 };

/// A walk along a path.
pub(super) struct Walk<'a> {
    pub(super) topology: &'a Topology,
    pub(super) protocol: u8,
    pub(super) port: Option<u16>,
    pub(super) source: End<'a>,
    pub(super) destination: End<'a>,
    pub(super) direction: HopDirection,
    pub(super) hops: Vec<Hop>,
}

/// The next step of a walk, after a route was found.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    /// Within the VPC.
    Local,
    /// To this target.
    Target(&'a Target),
}

/// The resource of a hop.
pub(super) struct Resource<'r> {
    pub(super) kind: HopKind,
    pub(super) id: Option<&'r str>,
    pub(super) site: HopSite,
}

impl<'r> Resource<'r> {
    /// Returns a resource that is at neither end.
    pub(super) fn between(kind: HopKind, id: &'r str) -> Resource<'r> {
        Resource { kind, id: Some(id), site: HopSite::Between }
    }
}

impl<'a> Walk<'a> {
    /// Returns the destination ports of the traffic in the current direction. `None` for a protocol without ports.
    pub(super) fn ports(&self) -> Option<PortRange> {
        let has_ports = matches!(self.protocol, TCP | UDP);
        let forward = self.port.map_or(ALL_PORTS, |port| PortRange { first: port, last: port });
        match self.direction {
            _ if !has_ports => None,
            HopDirection::Forward => Some(forward),
            HopDirection::Return => Some(EPHEMERAL_PORTS),
        }
    }

    /// Returns the destination of the packets to the destination.
    pub(super) fn destination_remote(&self) -> Remote {
        if self.destination.is_internet {
            return Remote::Internet { is_ipv6: self.destination.address.is_ipv6() };
        }
        Remote::Address(self.destination.packet_address())
    }

    /// Adds a hop.
    pub(super) fn push(
        &mut self,
        resource: &Resource<'_>,
        verdict: HopVerdict,
        reason: impl Into<String>,
        rule: Option<HopRule>,
    ) {
        let name = resource.id.and_then(|id| self.topology.name_of(id)).map(str::to_owned);
        self.hops.push(Hop {
            direction: self.direction,
            kind: resource.kind,
            id: resource.id.map(str::to_owned),
            name,
            verdict,
            reason: reason.into(),
            rule,
            site: resource.site,
        });
    }

    /// Returns an id with its name, for a reason.
    pub(super) fn label(&self, id: &str) -> String {
        self.topology.id_with_name(&escape_truncated(id, NAME_CHARACTERS))
    }

    /// Returns the name of the subnet or, if it is unknown, of the address for a reason.
    pub(super) fn subnet_label(&self, end: &End<'_>) -> String {
        end.subnet_id.map_or_else(|| format!("the subnet of {}", end.address), |id| self.label(id))
    }

    /// Returns the route table of the subnet of an end.
    pub(super) fn table_of_end(&self, end: &End<'a>) -> Option<(&'a str, &'a RouteTable)> {
        self.topology.table_of(end.subnet_id, end.vpc)
    }

    /// Adds the hop of the route table of an end's subnet, for traffic to a remote address. Returns the next step, or `None` if the
    /// walk ends here.
    pub(super) fn route(&mut self, end: &End<'a>, remote: Remote, site: HopSite) -> Option<Step<'a>> {
        let table = self.table_of_end(end);
        let local = end.vpc.zip(address_of(remote)).and_then(|(vpc, to)| self.topology.own_block(vpc, to));
        match (table, end.vpc) {
            (Some((id, table)), Some(own)) => {
                let resource = Resource { kind: HopKind::RouteTable, id: Some(id), site };
                match remote {
                    Remote::Address(address) => {
                        let next = self.topology.next_hop(table, own, address);
                        self.route_hop(&resource, next, remote)
                    }
                    Remote::Internet { is_ipv6 } => {
                        let routes = self.topology.next_hops_of_internet(table, own, is_ipv6);
                        self.internet_route_hop(&resource, &routes, remote)
                    }
                }
            }
            _ => {
                let resource = Resource { kind: HopKind::RouteTable, id: None, site };
                let Some(block) = local else {
                    let reason = format!("the topology does not have the route table of {}", self.subnet_label(end));
                    self.push(&resource, HopVerdict::Unknown, reason, None);
                    return None;
                };
                self.route_hop(&resource, NextHop::Local(block), remote)
            }
        }
    }

    /// Adds the hop of a route.
    fn route_hop(&mut self, resource: &Resource<'_>, next: NextHop<'a>, remote: Remote) -> Option<Step<'a>> {
        let (verdict, reason, rule, step) = match next {
            NextHop::Local(block) => {
                let reason = format!("{remote} is local: {block} is a block of the VPC");
                let rule = HopRule::Route { destination: block.to_string(), target: "local".to_owned() };
                (HopVerdict::Pass, reason, Some(rule), Some(Step::Local))
            }
            NextHop::Route(route) if route.state == RouteState::Blackhole => {
                (HopVerdict::Block, self.describe_blackhole(route), Some(rule(route)), None)
            }
            NextHop::Route(route) => (HopVerdict::Pass, describe(route), Some(rule(route)), Some(step(route))),
            NextHop::NoRoute => (HopVerdict::Block, format!("no route to {remote}"), None, None),
            NextHop::UnknownList(route) => {
                let (list, target) = (&route.destination, self.label(route.target.id()));
                let reason = format!("the blocks of {list} are unknown: {remote} may be routed to {target}");
                (HopVerdict::Unknown, reason, Some(rule(route)), None)
            }
            NextHop::Tie(a, b) => {
                let (a_target, b_target) = (self.label(a.target.id()), self.label(b.target.id()));
                let reason = format!("{} is routed to {a_target} and to {b_target}", a.destination);
                (HopVerdict::Unknown, reason, None, None)
            }
        };
        self.push(resource, verdict, reason, rule);
        step
    }

    /// Adds the hop of the routes to the internet. An exception makes it unknown, but the walk follows most addresses.
    fn internet_route_hop(
        &mut self,
        resource: &Resource<'_>,
        routes: &InternetRoutes<'a>,
        remote: Remote,
    ) -> Option<Step<'a>> {
        if routes.is_too_large {
            self.push(resource, HopVerdict::Unknown, "the route table has too many routes to decide", None);
            return None;
        }
        let step = self.route_hop(resource, routes.most, remote);
        if let (Some(exception), Some(hop)) = (routes.exception, self.hops.last_mut()) {
            let exception = match exception {
                NextHop::Route(route) | NextHop::UnknownList(route) => describe(route),
                NextHop::NoRoute | NextHop::Local(_) | NextHop::Tie(..) => "no route".to_owned(),
            };
            hop.verdict = HopVerdict::Unknown;
            hop.reason = format!("most of the internet: {}; a part: {exception}", hop.reason);
        }
        step
    }

    fn describe_blackhole(&self, route: &Route) -> String {
        let connection = route.connection_id().and_then(|id| self.topology.connection(id));
        let status = connection.filter(|connection| !connection.is_active());
        let status = status.map_or_else(String::new, |connection| {
            format!(", which is {}", escape_truncated(&connection.status, NAME_CHARACTERS))
        });
        format!("{}{status}: the route is in state blackhole and drops the traffic", describe(route))
    }
}

fn address_of(remote: Remote) -> Option<IpAddr> {
    match remote {
        Remote::Address(address) => Some(address),
        Remote::Internet { .. } => None,
    }
}

fn step(route: &Route) -> Step<'_> {
    match &route.target {
        Target::Local => Step::Local,
        target => Step::Target(target),
    }
}

fn describe(route: &Route) -> String {
    let target = match route.target.id() {
        "" => "an unknown target".to_owned(),
        id => escape_truncated(id, NAME_CHARACTERS),
    };
    format!("{} is routed to {target}", escape_truncated(&route.destination.to_string(), NAME_CHARACTERS))
}

fn rule(route: &Route) -> HopRule {
    HopRule::Route { destination: route.destination.to_string(), target: route.target.id().to_owned() }
}
