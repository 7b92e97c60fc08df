//! The way of the replies. Security groups are stateful; network ACLs and routes are not.

use super::checks::Check;
use super::end::End;
use super::hop::{HopKind, HopSite, HopVerdict};
use super::segments::Remote;
use super::walk::{Resource, Step, Walk};
use super::way::{InternetWay, Way};
use crate::topology::describe_output::Target;
use crate::topology::rules::RuleDirection;

impl<'a> Walk<'a> {
    /// Walks back from the destination. The hops end early if the replies do.
    pub(super) fn walk_back(&mut self, way: &Way<'a>) {
        self.pass_stateful_groups();
        match way {
            Way::Subnet => {}
            Way::Internet(internet) => self.return_over_internet(internet),
            Way::Local | Way::Peering | Way::External => self.return_directly(way),
        }
    }

    /// Adds the hop of the security groups, which let the replies to allowed traffic pass.
    fn pass_stateful_groups(&mut self) {
        let (end, site) = match self.destination.interface {
            Some(_) => (self.destination, HopSite::Destination),
            None => (self.source, HopSite::Source),
        };
        let groups = end.interface.map_or(&[][..], |(_, interface)| &interface.group_ids[..]);
        let id = if let [only] = groups { Some(only.as_str()) } else { None };
        let reason = "stateful: replies to traffic that the groups allow pass";
        self.push(&Resource { kind: HopKind::SecurityGroups, id, site }, HopVerdict::Pass, reason, None);
    }

    fn return_directly(&mut self, way: &Way<'a>) {
        let (source, destination) = (self.source, self.destination);
        let remote = Remote::Address(source.address);
        self.check_acl(&destination, Check { site: HopSite::Destination, direction: RuleDirection::Egress, remote });
        let Some(step) = self.route(&destination, remote, HopSite::Destination) else { return };
        if self.follow_back(way, step).is_some() {
            let remote = Remote::Address(destination.address);
            self.check_acl(&source, Check { site: HopSite::Source, direction: RuleDirection::Ingress, remote });
        }
    }

    /// Follows the route of the replies. Returns `None` if they do not get to the source.
    fn follow_back(&mut self, way: &Way<'a>, step: Step<'a>) -> Option<()> {
        match (way, step) {
            (Way::Local, Step::Local) => Some(()),
            (Way::Peering | Way::External, Step::Target(Target::PeeringConnection(id))) => self.return_over_peering(id),
            (_, step) => {
                self.leave_the_way(step);
                None
            }
        }
    }

    /// Adds the hop of a route that does not lead replies back the way the traffic came. Other gateways than these may do so by
    /// another way.
    fn leave_the_way(&mut self, step: Step<'a>) {
        match step {
            Step::Local => {
                let id = self.table_of_end(&self.destination).map(|(id, _)| id);
                self.stray("the route table", HopKind::RouteTable, id);
            }
            Step::Target(Target::PeeringConnection(id)) => {
                self.stray("a peering connection", HopKind::PeeringConnection, Some(id));
            }
            Step::Target(Target::InternetGateway(id)) => {
                self.stray("an internet gateway", HopKind::InternetGateway, Some(id));
            }
            Step::Target(Target::EgressOnlyInternetGateway(id)) => {
                self.stray("an egress-only internet gateway", HopKind::EgressOnlyInternetGateway, Some(id));
            }
            Step::Target(Target::NatGateway(id)) => {
                self.stray("a NAT gateway, which changes their source,", HopKind::NatGateway, Some(id));
            }
            Step::Target(target) => self.unknown_target(target),
        }
    }

    /// Adds the hop of a target that does not lead back to the source.
    fn stray(&mut self, what: &str, kind: HopKind, id: Option<&str>) {
        let reason = format!("{what} does not lead replies back to {}", self.source_label());
        self.push(&Resource { kind, id, site: HopSite::Between }, HopVerdict::Block, reason, None);
    }

    fn source_label(&self) -> String {
        let vpc = self.source.vpc.map(|vpc| self.label(&self.topology.vpc(vpc).id));
        let address = self.source.address;
        vpc.map_or_else(|| address.to_string(), |vpc| format!("{address} in {vpc}"))
    }

    fn return_over_peering(&mut self, id: &'a str) -> Option<()> {
        let resource = Resource::between(HopKind::PeeringConnection, id);
        let peer = self.check_connection(&resource, id, self.destination.vpc?)?;
        let label = self.label(&self.topology.vpc(peer).id);
        if self.source.vpc != Some(peer) {
            let reason = format!("it leads replies to {label}, not back to {}", self.source_label());
            self.push(&resource, HopVerdict::Block, reason, None);
            return None;
        }
        self.push(&resource, HopVerdict::Pass, format!("is active, and leads back to {label}"), None);
        Some(())
    }

    fn return_over_internet(&mut self, way: &InternetWay<'a>) {
        if let Some(seen_as) = way.seen_as
            && self.return_to_internet(Remote::Address(seen_as)).is_none()
        {
            return;
        }
        if let Some(nat) = &way.nat {
            self.return_by_nat_gateway(nat);
        }
        if way.has_source {
            let (source, remote) = (self.source, self.destination_remote());
            self.check_acl(&source, Check { site: HopSite::Source, direction: RuleDirection::Ingress, remote });
        }
    }

    /// Adds the hops of replies from a destination of the topology to the internet.
    fn return_to_internet(&mut self, remote: Remote) -> Option<()> {
        let destination: End<'a> = self.destination;
        self.check_acl(&destination, Check { site: HopSite::Destination, direction: RuleDirection::Egress, remote });
        match self.route(&destination, remote, HopSite::Destination)? {
            Step::Target(Target::InternetGateway(id)) => {
                let reason = "replies leave by it, as the traffic came";
                self.push(&Resource::between(HopKind::InternetGateway, id), HopVerdict::Pass, reason, None);
                Some(())
            }
            Step::Target(Target::EgressOnlyInternetGateway(id)) => {
                let reason = "an egress-only internet gateway does not let connections from the internet in";
                let resource = Resource::between(HopKind::EgressOnlyInternetGateway, id);
                self.push(&resource, HopVerdict::Block, reason, None);
                None
            }
            step => {
                self.leave_the_way(step);
                None
            }
        }
    }
}
