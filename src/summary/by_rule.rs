//! Rows of the rules that reject traffic.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::build::SummaryBuilder;
use crate::aggregate::counters::Counters;
use crate::aggregate::rejected::{Group, Groups, Subgroup};
use crate::findings::RejectingRule;
use crate::record::Direction;
use crate::topology::rules::{Refusal, RuleDirection};

/// A rule that rejects traffic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DeniedBy {
    /// A network ACL.
    NetworkAcl {
        /// Id of the ACL.
        id: String,
        /// Name tag of the ACL.
        name: Option<String>,
        /// Number of the entry. Null if no entry matches.
        rule_number: Option<u32>,
    },
    /// The security groups of the interface: none of their rules allows the traffic.
    SecurityGroup {
        /// Ids of the groups, in order.
        ids: Vec<String>,
        /// Name tag or name of each group, by id. Only those that the topology has.
        names: BTreeMap<String, String>,
    },
}

/// Rejected traffic of one rule. A packet that several rules would reject counts for the first one that it meets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RuleRejects {
    /// The rule.
    #[serde(flatten)]
    pub rule: DeniedBy,
    /// Direction of the traffic as seen from the interface.
    pub direction: Direction,
    /// Number of rejected groups.
    pub group_count: u64,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Counters,
}

/// Sums of a rule.
#[derive(Default)]
struct RuleSums {
    group_count: u64,
    /// The last group that counted: both of its subgroups may have the rule.
    last_group: Option<u32>,
    tally: Counters,
}

impl SummaryBuilder<'_> {
    /// Returns the rules that reject a group, in the order in which a packet meets them.
    pub(super) fn denied_by(&self, group: &Group<'_>) -> Vec<DeniedBy> {
        let denied_by = self.rules.judge(group).into_iter().flat_map(|judgement| judgement.denied_by());
        denied_by.map(|refusal| self.denied_by_of(refusal)).collect()
    }

    fn denied_by_of(&self, refusal: Refusal<'_>) -> DeniedBy {
        match refusal {
            Refusal::NetworkAcl { acl_id, rule_number } => {
                DeniedBy::NetworkAcl { id: acl_id.to_owned(), name: self.name_of(Some(acl_id)), rule_number }
            }
            Refusal::SecurityGroups { group_ids } => {
                DeniedBy::SecurityGroup { ids: group_ids.to_vec(), names: self.network.names_in(group_ids) }
            }
        }
    }

    /// Returns the rejected traffic of each rule that rejects some.
    pub(super) fn by_rule(&self, groups: &Groups) -> Vec<RuleRejects> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let mut sums: BTreeMap<(Refusal<'_>, RuleDirection), RuleSums> = BTreeMap::new();
        for (group, number) in groups.iter().zip(0..) {
            let rule = |subgroup: &Subgroup| self.rules.rule(subgroup.rule?);
            let rejected = group.subgroups().filter_map(|subgroup| Some((rule(&subgroup)?, subgroup.tally)));
            for (RejectingRule { refusal, direction, .. }, tally) in rejected {
                let sums = sums.entry((refusal, direction)).or_default();
                sums.group_count += u64::from(sums.last_group != Some(number));
                sums.last_group = Some(number);
                sums.tally.merge(tally);
            }
        }
        let row = |((refusal, direction), sums): ((Refusal<'_>, RuleDirection), RuleSums)| {
            let RuleSums { group_count, tally, .. } = sums;
            let direction = match direction {
                RuleDirection::Ingress => Direction::Ingress,
                RuleDirection::Egress => Direction::Egress,
            };
            RuleRejects { rule: self.denied_by_of(refusal), direction, group_count, tally }
        };
        let mut rows: Vec<RuleRejects> = sums.into_iter().map(row).collect();
        rows.sort_unstable_by(|a, b| {
            (Reverse(a.tally), &a.rule, a.direction.name()).cmp(&(Reverse(b.tally), &b.rule, b.direction.name()))
        });
        rows
    }
}
