//! The way to the destination.

use super::checks::Check;
use super::end::End;
use super::hop::{HopKind, HopSite, HopVerdict};
use super::next_hop::NextHop;
use super::references::references;
use super::segments::Remote;
use super::walk::{Resource, Step, Walk};
use super::way::Way;
use crate::record::ip;
use crate::sanitize::{NAME_CHARACTERS, escape_truncated};
use crate::topology::describe_output::Target;
use crate::topology::rules::RuleDirection;
use crate::topology::{Topology, VpcIndex};

impl Topology {
    /// Locates a destination that is given by its address alone: it is where the route of the source leads.
    pub(super) fn settle<'a>(&'a self, source: &End<'a>, destination: End<'a>) -> End<'a> {
        let Some(own) = source.vpc.filter(|_| !destination.is_named && !destination.is_internet) else {
            return destination;
        };
        let address = destination.address;
        let next = self.table_of(source.subnet_id, source.vpc).map(|(_, table)| self.next_hop(table, own, address));
        let vpc = match next {
            Some(NextHop::Route(route)) => route.connection_id().and_then(|id| self.peer(id, own)),
            _ => Some(own),
        };
        let vpc = vpc.filter(|vpc| self.own_block(*vpc, address).is_some());
        vpc.map_or(destination, |vpc| self.end_in_vpc(address, vpc))
    }

    /// Returns the VPC on the other side of a connection.
    fn peer(&self, connection_id: &str, own: VpcIndex) -> Option<VpcIndex> {
        let side = self.connection(connection_id)?.other_side(&self.vpc(own).id)?;
        self.vpc_index(&side.vpc_id)
    }
}

impl<'a> Walk<'a> {
    /// Walks to the destination. Returns `None` if the walk does not arrive there.
    pub(super) fn walk_forward(&mut self) -> Option<Way<'a>> {
        let Some(own) = self.source.vpc else { return self.enter() };
        if self.reach_on_link() {
            return None;
        }
        self.destination = self.topology.settle(&self.source, self.destination);
        if self.reach_itself() {
            return None;
        }
        if self.is_within_subnet() {
            return Some(self.cross_subnet());
        }
        let (source, remote) = (self.source, self.destination_remote());
        self.check_groups_of_source(&source, remote);
        self.check_acl(&source, Check { site: HopSite::Source, direction: RuleDirection::Egress, remote });
        match self.route(&source, remote, HopSite::Source)? {
            Step::Local => self.arrive_locally(own),
            Step::Target(target) => self.follow(target, own),
        }
    }

    fn is_within_subnet(&self) -> bool {
        let Walk { source, destination, .. } = self;
        let is_same = source.subnet_id.is_some() && source.subnet_id == destination.subnet_id;
        is_same && source.vpc == destination.vpc && destination.public_address.is_none()
    }

    fn cross_subnet(&mut self) -> Way<'a> {
        let (source, destination) = (self.source, self.destination);
        self.check_groups_of_source(&source, Remote::Address(destination.address));
        let resource = Resource { kind: HopKind::Subnet, id: source.subnet_id, site: HopSite::Between };
        let reason = "both ends are in it: neither its network ACL nor its route table applies";
        self.push(&resource, HopVerdict::Pass, reason, None);
        self.check_groups_of_destination(Remote::Address(source.address));
        Way::Subnet
    }

    fn check_groups_of_source(&mut self, source: &End<'a>, remote: Remote) {
        let references = references(self.topology, source, &self.destination, remote);
        let check = Check { site: HopSite::Source, direction: RuleDirection::Egress, remote };
        self.check_groups(source, check, &references);
    }

    fn check_groups_of_destination(&mut self, remote: Remote) {
        let destination = self.destination;
        let references = references(self.topology, &destination, &self.source, remote);
        let check = Check { site: HopSite::Destination, direction: RuleDirection::Ingress, remote };
        self.check_groups(&destination, check, &references);
    }

    /// Adds the hops at the destination, for packets with this source.
    pub(super) fn check_destination(&mut self, remote: Remote) {
        let destination = self.destination;
        self.check_acl(&destination, Check { site: HopSite::Destination, direction: RuleDirection::Ingress, remote });
        self.check_groups_of_destination(remote);
    }

    /// Follows a route to its target.
    fn follow(&mut self, target: &'a Target, own: VpcIndex) -> Option<Way<'a>> {
        match target {
            Target::Local => self.arrive_locally(own),
            Target::PeeringConnection(id) => self.cross_peering(id, own),
            Target::InternetGateway(id) => self.leave_by_internet_gateway(id),
            Target::EgressOnlyInternetGateway(id) => self.leave_by_egress_only_gateway(id),
            Target::NatGateway(id) => self.leave_by_nat_gateway(id),
            other => {
                self.unknown_target(other);
                None
            }
        }
    }

    fn arrive_locally(&mut self, own: VpcIndex) -> Option<Way<'a>> {
        let destination = self.destination;
        if destination.is_internet || destination.vpc != Some(own) {
            let id = self.table_of_end(&self.source).map(|(id, _)| id);
            let resource = Resource { kind: HopKind::RouteTable, id, site: HopSite::Source };
            let vpc = self.label(&self.topology.vpc(own).id);
            let reason = format!("{vpc} has {} itself: it is not the destination", self.destination_remote());
            let verdict = if destination.vpc.is_some() { HopVerdict::Block } else { HopVerdict::Unknown };
            self.push(&resource, verdict, reason, None);
            return None;
        }
        self.check_destination(Remote::Address(self.source.address));
        Some(Way::Local)
    }

    /// Adds the hop of a peering connection, and the hops at the destination on its far side.
    fn cross_peering(&mut self, id: &'a str, own: VpcIndex) -> Option<Way<'a>> {
        let resource = Resource::between(HopKind::PeeringConnection, id);
        let peer = self.check_connection(&resource, id, own)?;
        let remote = self.destination_remote();
        if let Some(reason) = self.reason_to_drop(id, peer, remote) {
            self.push(&resource, HopVerdict::Block, reason, None);
            return None;
        }
        let reason = format!("is active, and {remote} is in {}", self.label(&self.topology.vpc(peer).id));
        self.push(&resource, HopVerdict::Pass, reason, None);
        self.check_destination(Remote::Address(self.source.address));
        Some(Way::Peering)
    }

    /// Returns the VPC on the other side of an active connection. Otherwise adds a hop with the reason.
    pub(super) fn check_connection(&mut self, resource: &Resource<'_>, id: &str, own: VpcIndex) -> Option<VpcIndex> {
        let peer = self.topology.peer(id, own);
        let connection = self.topology.connection(id);
        let (verdict, reason) = match (connection, peer) {
            (None, _) => (HopVerdict::Unknown, "the topology does not have this connection".to_owned()),
            (Some(connection), _) if !connection.is_active() => {
                let status = escape_truncated(&connection.status, NAME_CHARACTERS);
                (HopVerdict::Block, format!("its status is {status}: only an active connection carries traffic"))
            }
            (Some(_), None) => {
                let vpc = self.label(&self.topology.vpc(own).id);
                (HopVerdict::Unknown, format!("by the topology, it does not connect {vpc}"))
            }
            (Some(_), Some(peer)) if self.topology.vpc(peer).blocks.is_empty() => {
                let peer = self.label(&self.topology.vpc(peer).id);
                (HopVerdict::Unknown, format!("the CIDR blocks of {peer} are unknown"))
            }
            (Some(_), Some(peer)) => return Some(peer),
        };
        self.push(resource, verdict, reason, None);
        None
    }

    /// Returns the reason why the far side of a connection drops the packets to a remote address, if it does.
    fn reason_to_drop(&self, id: &str, peer: VpcIndex, remote: Remote) -> Option<String> {
        let (destination, peer_label) = (&self.destination, self.label(&self.topology.vpc(peer).id));
        let is_of_peer = match remote {
            Remote::Address(address) => self.topology.own_block(peer, address).is_some(),
            Remote::Internet { .. } => false,
        };
        match destination.vpc.filter(|_| destination.public_address.is_none()) {
            Some(vpc) if vpc == peer => None,
            Some(vpc) => {
                let vpc = self.label(&self.topology.vpc(vpc).id);
                Some(if is_of_peer {
                    format!("it leads to {peer_label}, which has {remote} too; the destination is in {vpc}")
                } else {
                    format!("it leads only to {peer_label}, and {remote} is in {vpc}: peering is not transitive")
                })
            }
            None => {
                let id = self.label(id);
                let is_public = match remote {
                    Remote::Address(address) => ip::is_public(address),
                    Remote::Internet { .. } => true,
                };
                let beyond = if is_public { "gateways" } else { "connections" };
                Some(format!(
                    "{id} leads only to {peer_label}, not to {remote}: a peer cannot use the {beyond} of that VPC (no edge-to-edge routing)"
                ))
            }
        }
    }
}
