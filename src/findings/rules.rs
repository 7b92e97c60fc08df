//! Attributes rejected groups to the rules of the topology that reject them.
//!
//! A group is evaluated if the topology has its interface, and its direction, addresses, and protocol are known. All groups that memory
//! limits kept are evaluated, so their number bounds the time.

use foldhash::fast::RandomState;
use indexmap::IndexSet;

use super::NetworkContext;
use crate::aggregate::interner::{Symbol, index};
use crate::aggregate::rejected::cause::{Cause, RuleId, RuleOutcome, TrafficCause};
use crate::aggregate::rejected::{Group, Groups, RuleOutcomes};
use crate::record::Direction;
use crate::topology::Topology;
use crate::topology::rules::{InterfaceRules, Judgement, Refusal, RuleDirection, Traffic};

/// The rules of the interfaces that recorded rejected traffic, and the rules that reject some.
pub(crate) struct Rules<'a> {
    network: NetworkContext<'a>,
    topology: Option<&'a Topology>,
    /// In the order of the interfaces. `None` for an interface that the topology lacks, or that rejected nothing.
    by_interface: Vec<Option<InterfaceRules<'a>>>,
    /// The index of a rule is its [`RuleId`].
    rejecting: IndexSet<RejectingRule<'a>, RandomState>,
    /// Outcomes of the judgements at each interface. There are few, and comparing them is faster than hashing their rules.
    known: Vec<Vec<(JudgementKey, RuleOutcomes)>>,
}

/// Identifies a judgement among those of one interface, whose rules have the same network ACL and security groups.
type JudgementKey = (RuleDirection, Option<Option<u32>>, bool, bool);

fn key_of(judgement: &Judgement<'_>) -> JudgementKey {
    let rule_number = judgement.acl.map(|refusal| match refusal {
        Refusal::NetworkAcl { rule_number, .. } => rule_number,
        Refusal::SecurityGroups { .. } => None,
    });
    (judgement.direction, rule_number, judgement.groups.is_some(), judgement.both_allow)
}

/// A rule that rejects traffic of a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RejectingRule<'a> {
    /// What a packet meets first.
    pub(crate) refusal: Refusal<'a>,
    /// What would reject it next.
    pub(crate) next: Option<Refusal<'a>>,
    pub(crate) direction: RuleDirection,
}

impl<'a> Rules<'a> {
    /// Looks up the rules of the interfaces. Without security groups and network ACLs, no group is evaluated.
    pub(crate) fn new(network: NetworkContext<'a>) -> Rules<'a> {
        let topology = network.topology.filter(|topology| topology.has_rules());
        let rules_of = |(id, interface): (_, &crate::aggregate::interfaces::Interface)| {
            let known = network.known_interface(id).filter(|_| interface.rejected.flows > 0);
            known.zip(topology).map(|(known, topology)| topology.rules_of(known))
        };
        let by_interface: Vec<Option<InterfaceRules<'a>>> = network.interfaces.iter().map(rules_of).collect();
        let known = vec![Vec::new(); by_interface.len()];
        Rules { network, topology, by_interface, rejecting: IndexSet::default(), known }
    }

    /// Decides the causes that the traffic leaves open, and collects the rules that reject traffic.
    pub(crate) fn attribute(&mut self, groups: &mut Groups) {
        if self.topology.is_some() {
            groups.decide_by_rules(|group| self.outcomes(group));
        }
    }

    fn outcomes(&mut self, group: &Group<'_>) -> RuleOutcomes {
        let Some(judgement) = self.judge(group) else {
            return RuleOutcomes { open: None, answers: None };
        };
        let (interface, key) = (index(group.key.interface), key_of(&judgement));
        let known = self.known.get(interface).into_iter().flatten().find(|(known, _)| *known == key);
        if let Some((_, outcomes)) = known {
            return *outcomes;
        }
        let outcomes = self.outcomes_of(&judgement);
        self.known.get_mut(interface).into_iter().for_each(|known| known.push((key, outcomes)));
        outcomes
    }

    fn outcomes_of(&mut self, judgement: &Judgement<'a>) -> RuleOutcomes {
        let direction = judgement.direction;
        let mut rejected = |refusal: Refusal<'a>, next: Option<Refusal<'a>>| {
            self.rejecting.insert(RejectingRule { refusal, next: None, direction });
            let (rule, _) = self.rejecting.insert_full(RejectingRule { refusal, next, direction });
            let cause = match refusal {
                Refusal::NetworkAcl { .. } => Cause::NetworkAcl,
                Refusal::SecurityGroups { .. } => Cause::SecurityGroup,
            };
            RuleOutcome::RejectedBy { cause, rule: rule_id(rule) }
        };
        let mut denied_by = judgement.denied_by();
        let open = denied_by.next().map(|first| rejected(first, denied_by.next()));
        let allowed = judgement.both_allow.then_some(RuleOutcome::Allowed);
        RuleOutcomes { open: open.or(allowed), answers: judgement.acl.map(|acl| rejected(acl, None)) }
    }

    /// Evaluates the rules for a group. Returns `None` if it is not evaluated.
    pub(crate) fn judge(&self, group: &Group<'_>) -> Option<Judgement<'a>> {
        let rules = self.of_interface(group.key.interface)?;
        let (mut has_open, mut has_answers) = (false, false);
        for subgroup in group.subgroups() {
            has_open |= subgroup.by_traffic == TrafficCause::Open;
            has_answers |= subgroup.is_answer();
        }
        if !has_open && !has_answers {
            return None;
        }
        let (src, dst) = (group.key.src?, group.key.dst?);
        let (direction, remote) = match self.network.direction(group).0 {
            Direction::Ingress => (RuleDirection::Ingress, src),
            Direction::Egress => (RuleDirection::Egress, dst),
            Direction::Unknown => return None,
        };
        let traffic = Traffic { direction, remote, protocol: group.key.protocol?, dstport: group.key.dstport };
        Some(rules.judge(&traffic, !has_open))
    }

    /// Returns the same rule regardless of what would reject the traffic next.
    pub(crate) fn without_next(&self, id: RuleId) -> Option<RuleId> {
        let rule = RejectingRule { next: None, ..self.rule(id)? };
        self.rejecting.get_index_of(&rule).map(rule_id)
    }

    /// Returns the rules of an interface that rejected traffic.
    pub(crate) fn of_interface(&self, id: Option<Symbol>) -> Option<&InterfaceRules<'a>> {
        self.by_interface.get(index(id))?.as_ref()
    }

    /// Returns whether no rule rejects anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.rejecting.is_empty()
    }

    /// Returns a rule that rejects traffic.
    pub(crate) fn rule(&self, id: RuleId) -> Option<RejectingRule<'a>> {
        self.rejecting.get_index(id.0 as usize).copied()
    }
}

/// Returns the id of the rule at an index. There are at most four for a group, and fewer than 2^30 groups.
fn rule_id(index: usize) -> RuleId {
    RuleId(index as u32)
}
