//! Where flow logs contradict the rules of an explained path.

use crate::aggregate::counters::Counters;
use crate::topology::Topology;
use crate::topology::path::{Explanation, Hop, HopDirection, HopKind, HopSite, HopVerdict, PathVerdict};

/// Flows that the interface of an end recorded, in one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SiteFlows {
    pub(super) accepted: Counters,
    /// Rejected flows that are neither late packets nor have a reason of their own.
    pub(super) rejected: Counters,
    /// Rejected by VPC Block Public Access or VPC Encryption Controls.
    pub(super) rejected_otherwise: Counters,
}

/// Returns the contradictions, in words. `silent` are the accepted flows to the destination, if none has a reply. The flows at the ends
/// are given by direction, then by end.
pub(super) fn find(
    topology: &Topology,
    explanation: &Explanation,
    silent: Option<Counters>,
    sites: &[[SiteFlows; 2]; 2],
) -> Vec<String> {
    Comparison { topology, explanation }.find(silent, sites)
}

struct Comparison<'a> {
    topology: &'a Topology,
    explanation: &'a Explanation,
}

impl Comparison<'_> {
    fn find(&self, silent: Option<Counters>, sites: &[[SiteFlows; 2]; 2]) -> Vec<String> {
        let [[out_of_source, into_destination], [into_source, out_of_destination]] = sites;
        let sites = [
            (out_of_source, HopDirection::Forward, HopSite::Source),
            (into_destination, HopDirection::Forward, HopSite::Destination),
            (out_of_destination, HopDirection::Return, HopSite::Destination),
            (into_source, HopDirection::Return, HopSite::Source),
        ];
        let mut found: Vec<String> = Vec::new();
        for (flows, direction, site) in sites {
            found.extend(self.accepted_but_blocked(flows, direction, site));
            found.extend(self.rejected_but_allowed(flows, direction, site));
            found.extend(self.rejected_otherwise(flows, site));
        }
        if let Some(silent) = silent.filter(|_| self.explanation.verdict() == PathVerdict::Reachable) {
            let flows = flows_in_words(silent);
            found.push(format!(
                "{flows} accepted and not answered, although no hop blocks: check the host, which may not listen or may reject it"
            ));
        }
        found
    }

    /// Describes accepted flows at an interface, if a hop blocks before or at it.
    fn accepted_but_blocked(&self, flows: &SiteFlows, direction: HopDirection, site: HopSite) -> Option<String> {
        // Traffic starts at the source, replies at the destination: only their own rules come before.
        let is_start = (direction == HopDirection::Forward) == (site == HopSite::Source);
        let is_rule = |hop: &Hop| matches!(hop.kind, HopKind::SecurityGroups | HopKind::NetworkAcl);
        let blocks = |hop: &&Hop| {
            let is_before = !is_start || (hop.site == site && is_rule(hop));
            hop.direction == direction && hop.verdict == HopVerdict::Block && is_before
        };
        let hop = self.explanation.hops.iter().find(blocks).filter(|_| flows.accepted.flows > 0)?;
        let (accepted, interface) = (flows_in_words(flows.accepted), self.interface(site));
        Some(format!(
            "{accepted} accepted at {interface}, but {}: the rules were changed since, or the topology is outdated",
            hop.in_words()
        ))
    }

    /// Describes rejected flows at an interface whose rules let the traffic pass.
    fn rejected_but_allowed(&self, flows: &SiteFlows, direction: HopDirection, site: HopSite) -> Option<String> {
        let is_rule = |hop: &&Hop| {
            let is_own = hop.direction == direction && hop.site == site;
            is_own && matches!(hop.kind, HopKind::SecurityGroups | HopKind::NetworkAcl)
        };
        let mut rules = self.explanation.hops.iter().filter(is_rule).peekable();
        rules.peek()?;
        if flows.rejected.flows == 0 || rules.any(|hop| hop.verdict != HopVerdict::Pass) {
            return None;
        }
        let (rejected, interface) = (flows_in_words(flows.rejected), self.interface(site));
        Some(format!(
            "{rejected} rejected at {interface}, but its rules let them pass: the rules were changed since, or the topology is outdated"
        ))
    }

    fn rejected_otherwise(&self, flows: &SiteFlows, site: HopSite) -> Option<String> {
        let rejected = flows.rejected_otherwise;
        (rejected.flows > 0).then(|| {
            let (rejected, interface) = (flows_in_words(rejected), self.interface(site));
            format!("{rejected} rejected at {interface} by VPC Block Public Access or Encryption Controls, which are not evaluated here")
        })
    }

    fn interface(&self, site: HopSite) -> String {
        let end = if site == HopSite::Source { &self.explanation.source } else { &self.explanation.destination };
        end.interface_id.as_deref().map_or_else(String::new, |id| self.topology.id_with_name(id))
    }
}

fn flows_in_words(counters: Counters) -> String {
    match counters.flows {
        1 => "1 flow was".to_owned(),
        flows => format!("{flows} flows were"),
    }
}
