//! The rules that reject the records of a finding: their words for the title, and what to change.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Context;
use super::rules::RejectingRule;
use crate::aggregate::interner::Symbol;
use crate::aggregate::rejected::cause::RuleId;
use crate::aggregate::rejected::{GroupKey, Subgroup};
use crate::topology::rules::{Refusal, RuleDirection, Traffic};

/// Maximum number of pairs of a service and a remote address that are kept.
pub(super) const MAX_KEPT: usize = 64;
/// The rules that reject the records of a finding.
#[derive(Default)]
pub(super) struct RuleShares {
    by_rule: BTreeMap<RuleId, Share>,
}

/// The records that one rule rejects.
#[derive(Default)]
pub(super) struct Share {
    pub(super) flows: u64,
    /// Whether all of them are answers.
    pub(super) are_answers: bool,
    /// The rule with each of those that would reject some of the records next.
    pub(super) variants: BTreeSet<RuleId>,
    /// Protocol, destination port, and remote address.
    pub(super) traffic: BTreeSet<(Service, IpAddr)>,
    /// Whether more traffic than [`MAX_KEPT`] was seen.
    pub(super) has_more: bool,
    /// The interfaces that recorded the traffic, and locate the addresses.
    pub(super) interfaces: BTreeSet<Option<Symbol>>,
}

/// Protocol and destination port.
pub(super) type Service = (u8, Option<u16>);

impl RuleShares {
    /// Adds the records of a subgroup.
    pub(super) fn add(&mut self, context: &Context<'_>, key: &GroupKey, subgroup: &Subgroup) {
        let Some((variant, rule)) = subgroup.rule.and_then(|id| Some((id, context.rules.rule(id)?))) else { return };
        let Some(id) = context.rules.without_next(variant) else { return };
        let remote = match rule.direction {
            RuleDirection::Ingress => key.src,
            RuleDirection::Egress => key.dst,
        };
        let share = self.by_rule.entry(id).or_insert_with(|| Share { are_answers: true, ..Share::default() });
        share.flows = share.flows.saturating_add(subgroup.tally.flows);
        share.are_answers &= subgroup.is_answer();
        share.variants.insert(variant);
        share.interfaces.insert(key.interface);
        share.traffic.extend(key.protocol.zip(remote).map(|(protocol, remote)| ((protocol, key.dstport), remote)));
        if share.traffic.len() > MAX_KEPT {
            share.traffic.pop_last();
            share.has_more = true;
        }
    }

    /// Returns the rule that rejects most records. At a tie, the least one wins.
    pub(super) fn main<'a>(&self, context: &Context<'a>) -> Option<(RejectingRule<'a>, &Share)> {
        let rules = self.by_rule.iter().filter_map(|(id, share)| Some((context.rules.rule(*id)?, share)));
        rules.max_by_key(|(rule, share)| (share.flows, Reverse(*rule)))
    }

    /// Names the main rule for a title: `: no rule of sg-1 (web) lets 10.0.0.5 in at 22/TCP (ssh)`. Empty if no rule is known. `flows` are all
    /// flows of the finding.
    pub(super) fn describe(&self, context: &Context<'_>, flows: u64) -> String {
        let Some(((rule, share), topology)) = self.main(context).zip(context.network.topology) else {
            return String::new();
        };
        let words = match share.single_traffic(rule.direction) {
            Some(traffic) => topology.describe_refusal(&rule.refusal, &traffic),
            None => topology.describe_refusal_of_any(&rule.refusal),
        };
        if share.flows == flows {
            format!(": {words}")
        } else {
            format!(": {words} ({} of {flows} flows)", share.flows)
        }
    }

    /// Names the main rule if it is a network ACL that rejects all records.
    pub(super) fn sole_acl(&self, context: &Context<'_>, flows: u64) -> Option<String> {
        let (rule, share) = self.main(context).filter(|(_, share)| share.flows == flows)?;
        debug_assert!(share.flows > 0);
        match rule.refusal {
            Refusal::NetworkAcl { .. } => Some(context.network.topology?.describe_rule(&rule.refusal)),
            Refusal::SecurityGroups { .. } => None,
        }
    }
}

impl Share {
    /// Returns the traffic, if all records have the same.
    fn single_traffic(&self, direction: RuleDirection) -> Option<Traffic> {
        let ((protocol, dstport), remote) = self.traffic.first().filter(|_| self.traffic.len() == 1)?;
        Some(Traffic { direction, remote: *remote, protocol: *protocol, dstport: *dstport })
    }
}
