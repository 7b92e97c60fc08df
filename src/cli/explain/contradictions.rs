//! Where flow logs contradict the rules of an explained path.

use crate::aggregate::counters::Counters;
use crate::record::{Action, Flow};
use crate::sanitize::{NAME_CHARACTERS, escape_truncated};
use crate::topology::Topology;
use crate::topology::path::{Explanation, Hop, HopDirection, HopKind, HopSite, HopVerdict, PathVerdict};

/// The reason why a log and the rules of a topology differ.
const OUTDATED: &str = "the rules were changed since, or the topology is outdated";

/// Flows that the interface of an end recorded, in one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SiteFlows {
    pub(super) accepted: Counters,
    /// Accepted flows that answer a connection of the source.
    pub(super) replies: Counters,
    /// Rejected flows that are neither late packets nor have a reason of their own.
    pub(super) rejected: Counters,
    /// Rejected by VPC Block Public Access or VPC Encryption Controls.
    pub(super) rejected_otherwise: Counters,
}

impl SiteFlows {
    pub(super) fn merge(&mut self, other: SiteFlows) {
        self.accepted.merge(other.accepted);
        self.replies.merge(other.replies);
        self.rejected.merge(other.rejected);
        self.rejected_otherwise.merge(other.rejected_otherwise);
    }
}

/// Flows back to the source, at any interface.
#[derive(Debug, Clone, Default)]
pub(super) struct Replies {
    accepted: RepliesOf,
    rejected: RepliesOf,
}

/// Flows back to the source with the same action.
#[derive(Debug, Clone, Default)]
struct RepliesOf {
    counters: Counters,
    /// The least interface that recorded one.
    interface_id: Option<String>,
}

impl Replies {
    pub(super) fn observe(&mut self, flow: &Flow<'_>) {
        let replies = match flow.action {
            Action::Accept => &mut self.accepted,
            Action::Reject => &mut self.rejected,
        };
        replies.counters.observe(flow);
        let is_less = |id: &&[u8]| replies.interface_id.as_deref().is_none_or(|least| *id < least.as_bytes());
        if let Some(id) = flow.interface_id.filter(is_less) {
            replies.interface_id = Some(String::from_utf8_lossy(id).into_owned());
        }
    }

    pub(super) fn merge(&mut self, other: Replies) {
        self.accepted.merge(other.accepted);
        self.rejected.merge(other.rejected);
    }
}

impl RepliesOf {
    fn merge(&mut self, other: RepliesOf) {
        self.counters.merge(other.counters);
        self.interface_id = match (self.interface_id.take(), other.interface_id) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

/// Returns the contradictions, in words. `silent` are the accepted flows to the destination, if none has a reply in the same VPC, and the
/// flows back elsewhere. The flows at the ends are given by direction, then by end.
pub(super) fn find(
    topology: &Topology,
    explanation: &Explanation,
    silent: Option<(Counters, &Replies)>,
    sites: &[[SiteFlows; 2]; 2],
) -> Vec<String> {
    Comparison { topology, explanation }.find(silent, sites)
}

struct Comparison<'a> {
    topology: &'a Topology,
    explanation: &'a Explanation,
}

impl Comparison<'_> {
    fn find(&self, silent: Option<(Counters, &Replies)>, sites: &[[SiteFlows; 2]; 2]) -> Vec<String> {
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
        found.extend(self.answered_but_blocked(into_source));
        let silent = silent.filter(|_| self.explanation.verdict() == PathVerdict::Reachable);
        found.extend(silent.map(|(silent, replies)| self.unanswered(silent, replies)));
        found
    }

    /// Describes flows without a reply in the same VPC, although no hop blocks.
    fn unanswered(&self, silent: Counters, replies: &Replies) -> String {
        let flows = flows_in_words(silent);
        let at = |replies: &RepliesOf| {
            let id = replies.interface_id.as_deref();
            id.map_or_else(String::new, |id| {
                format!(" at {}", self.topology.id_with_name(&escape_truncated(id, NAME_CHARACTERS)))
            })
        };
        let Replies { accepted, rejected } = replies;
        if rejected.counters.flows > 0 {
            let back = flows_in_words(rejected.counters);
            return format!("{flows} accepted and not answered: {back} sent back, but rejected{}", at(rejected));
        }
        if accepted.counters.flows > 0 {
            let back = flows_in_words(accepted.counters);
            return format!(
                "{flows} accepted and not answered in the same VPC, but {back} sent back and accepted{}: \
                 replies were lost in between, or the log is incomplete",
                at(accepted)
            );
        }
        format!(
            "{flows} accepted and not answered, although no hop blocks: check the host, which may not listen or may reject it"
        )
    }

    /// Describes replies at the interface of the source, if a hop blocks the traffic that they answer.
    fn answered_but_blocked(&self, into_source: &SiteFlows) -> Option<String> {
        let is_block = |hop: &&Hop| hop.direction == HopDirection::Forward && hop.verdict == HopVerdict::Block;
        let hop = self.explanation.hops.iter().find(is_block).filter(|_| into_source.replies.flows > 0)?;
        let replies = match into_source.replies.flows {
            1 => "1 reply was".to_owned(),
            replies => format!("{replies} replies were"),
        };
        let (interface, hop) = (self.interface(HopSite::Source), hop.in_words());
        Some(format!("{replies} accepted at {interface}, but {hop}: {OUTDATED}"))
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
        Some(format!("{accepted} accepted at {interface}, but {}: {OUTDATED}", hop.in_words()))
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
        let them = if flows.rejected.flows == 1 { "it" } else { "them" };
        Some(format!("{rejected} rejected at {interface}, but its rules let {them} pass: {OUTDATED}"))
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
