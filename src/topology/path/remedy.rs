//! Advice about a hop that is in the way.

use super::hop::{Hop, HopDirection, HopKind, HopRule, HopSite, HopVerdict};
use crate::sanitize::{NAME_CHARACTERS, escape_truncated};
use crate::topology::Topology;
use crate::topology::rules::{Refusal, RuleDirection};

/// The next step if no hop is in the way, and the traffic does not pass all the same.
pub const NOTHING_IN_THE_WAY: &str = "Nothing in the topology is in the way. If the connection fails all the same, check that the host \
    listens, and what is not evaluated here: the firewall of the host, AWS Network Firewall, VPC Block Public Access, and VPC Encryption \
    Controls.";

impl Topology {
    /// Returns the next step about a hop that blocks or is unknown, as a sentence. Ids and names are escaped.
    pub fn remedy(&self, hop: &Hop) -> String {
        match hop.verdict {
            HopVerdict::Pass => NOTHING_IN_THE_WAY.to_owned(),
            HopVerdict::Block => self.remedy_of_block(hop),
            HopVerdict::Unknown => self.remedy_of_doubt(hop),
        }
    }

    fn remedy_of_block(&self, hop: &Hop) -> String {
        let is_return = hop.direction == HopDirection::Return;
        if let Some(refusal) = refusal(hop) {
            let what = if is_return { "the replies" } else { "the traffic" };
            let rules = self.describe_rule_to_add(&refusal, direction(hop));
            return format!("If {what} should pass, allow {} in {rules}.", if is_return { "them" } else { "it" });
        }
        match (hop.kind, &hop.rule) {
            (HopKind::RouteTable, Some(HopRule::Route { destination, .. })) => {
                let destination = escape_truncated(destination, NAME_CHARACTERS);
                format!("Replace the route to {destination} in {} by one whose target works.", self.resource(hop))
            }
            (HopKind::RouteTable, _) => {
                let end = if is_return { "the source" } else { "the destination" };
                format!("Add a route that leads to {end} to {}.", self.resource(hop))
            }
            _ if is_return => "Route the replies back by the way by which the traffic came.".to_owned(),
            (HopKind::PeeringConnection, _) => {
                "Route the traffic over a peering connection that is active and leads to the VPC of the destination."
                    .to_owned()
            }
            (HopKind::InternetGateway, _) => {
                "Give both ends public addresses, or route the traffic over a NAT gateway or \
                a peering connection."
                    .to_owned()
            }
            _ => "Route the traffic over a gateway that leads to the destination.".to_owned(),
        }
    }

    fn remedy_of_doubt(&self, hop: &Hop) -> String {
        match hop.kind {
            HopKind::SecurityGroups
            | HopKind::NetworkAcl
            | HopKind::RouteTable
            | HopKind::PeeringConnection
            | HopKind::InternetGateway
            | HopKind::EgressOnlyInternetGateway
            | HopKind::NatGateway => {
                "Add what the reason names to the topology, or ask about one port and one address. \
                Otherwise check the resource itself."
                    .to_owned()
            }
            _ => format!(
                "Check {} itself: the topology does not show whether it lets the traffic pass.",
                self.resource(hop)
            ),
        }
    }

    /// Names the resource of a hop: `route table rtb-1 (public)`.
    fn resource(&self, hop: &Hop) -> String {
        let kind = hop.kind.words();
        match hop.id.as_deref() {
            Some(id) => format!("{kind} {}", self.id_with_name(&escape_truncated(id, NAME_CHARACTERS))),
            None => format!("the {kind}"),
        }
    }
}

/// Returns the rule that rejects the traffic at a hop, if rules decide there.
fn refusal(hop: &Hop) -> Option<Refusal<'_>> {
    match (hop.kind, &hop.rule) {
        (HopKind::NetworkAcl, rule) => {
            let rule_number = match rule {
                Some(HopRule::NetworkAcl { rule_number, .. }) => *rule_number,
                _ => None,
            };
            Some(Refusal::NetworkAcl { acl_id: hop.id.as_deref()?, rule_number })
        }
        (HopKind::SecurityGroups, Some(HopRule::SecurityGroups { group_ids, .. })) => {
            Some(Refusal::SecurityGroups { group_ids })
        }
        _ => None,
    }
}

/// Returns the direction of the rules at a hop, as seen from the interface of its end. Between the ends, it is unknown.
fn direction(hop: &Hop) -> Option<RuleDirection> {
    match (hop.direction, hop.site) {
        (HopDirection::Forward, HopSite::Source) | (HopDirection::Return, HopSite::Destination) => {
            Some(RuleDirection::Egress)
        }
        (HopDirection::Forward, HopSite::Destination) | (HopDirection::Return, HopSite::Source) => {
            Some(RuleDirection::Ingress)
        }
        (_, HopSite::Between) => None,
    }
}
