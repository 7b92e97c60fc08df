//! The hops of a NAT gateway: its subnet's network ACL and route table, and its public address.

use super::checks::Check;
use super::end::End;
use super::hop::{HopKind, HopSite, HopVerdict};
use super::segments::Remote;
use super::walk::{Resource, Step, Walk};
use super::way::Way;
use crate::topology::describe_output::Target;
use crate::topology::rules::RuleDirection;

impl<'a> Walk<'a> {
    /// Follows the route of the source's subnet to a NAT gateway, and that gateway's route to the internet.
    pub(super) fn leave_by_nat_gateway(&mut self, id: &'a str) -> Option<Way<'a>> {
        let resource = Resource::between(HopKind::NatGateway, id);
        let end = match self.nat_end(id) {
            Ok(end) => end,
            Err(reason) => {
                self.push(&resource, HopVerdict::Unknown, reason, None);
                return None;
            }
        };
        let remote = self.destination_remote();
        let from_source = Remote::Address(self.source.address);
        if !self.shares_subnet(&end) {
            self.check_acl(&end, nat_check(RuleDirection::Ingress, from_source));
        }
        self.push(&resource, HopVerdict::Pass, format!("translates {} to {}", self.source.address, end.address), None);
        self.check_acl(&end, nat_check(RuleDirection::Egress, remote));
        match self.route(&end, remote, HopSite::Between)? {
            Step::Target(Target::InternetGateway(gateway_id)) => {
                let seen_as = self.check_internet_gateway(gateway_id, &end, "the NAT gateway")?;
                self.arrive_from_internet(Some(end), seen_as)
            }
            Step::Target(Target::NatGateway(next)) if next == id => {
                let table = self.table_of_end(&end).map(|(id, _)| id);
                let table_label = table.map_or_else(|| "its route table".to_owned(), |id| self.label(id));
                let reason =
                    format!("{table_label} of its own subnet leads back to it: what it does then is not evaluated");
                self.push(&resource, HopVerdict::Unknown, reason, None);
                None
            }
            step => {
                self.leave_privately(&resource, step);
                None
            }
        }
    }

    /// Adds the hop of a NAT gateway's route that does not lead to the internet.
    fn leave_privately(&mut self, nat: &Resource<'_>, step: Step<'a>) {
        match step {
            Step::Target(Target::PeeringConnection(id)) => {
                let resource = Resource::between(HopKind::PeeringConnection, id);
                self.push(&resource, HopVerdict::Unknown, "traffic of a private NAT gateway is not evaluated", None);
            }
            Step::Target(target) => self.unknown_target(target),
            Step::Local => self.push(nat, HopVerdict::Unknown, "translation within a VPC is not evaluated", None),
        }
    }

    /// Adds the hops of replies at the NAT gateway.
    pub(super) fn return_by_nat_gateway(&mut self, nat: &End<'a>) {
        let remote = self.destination_remote();
        self.check_acl(nat, nat_check(RuleDirection::Ingress, remote));
        if !self.shares_subnet(nat) {
            self.check_acl(nat, nat_check(RuleDirection::Egress, Remote::Address(self.source.address)));
        }
    }

    fn shares_subnet(&self, nat: &End<'_>) -> bool {
        nat.subnet_id.is_some() && nat.subnet_id == self.source.subnet_id
    }

    /// Returns the only interface of a NAT gateway, or the reason why it cannot be evaluated.
    fn nat_end(&self, id: &str) -> Result<End<'a>, String> {
        if self.source.address.is_ipv6() {
            return Err("translation between IPv6 and IPv4 (NAT64) is not evaluated".to_owned());
        }
        let ids = self.topology.interfaces_by_gateway.get(id).map_or(&[][..], Vec::as_slice);
        let [interface_id] = ids else {
            let count = if ids.is_empty() { "no interface" } else { "several interfaces" };
            return Err(format!("the topology has {count} of this NAT gateway"));
        };
        let interface = self.topology.interface(interface_id);
        let address = interface.and_then(|interface| {
            let first = interface.addresses.iter().find(|address| address.is_ipv4()).copied();
            interface.primary_address.or(first)
        });
        let known = interface.zip(address).ok_or_else(|| format!("the address of {interface_id} is unknown"))?;
        Ok(self.topology.end_of_interface(interface_id, known.0, known.1))
    }
}

fn nat_check(direction: RuleDirection, remote: Remote) -> Check {
    Check { site: HopSite::Between, direction, remote }
}
