//! The rules that reject traffic between peered VPCs.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::VpcDirection;
use crate::aggregate::interner::Symbol;
use crate::aggregate::peering::{Ends, TrafficClass};
use crate::findings::Context;
use crate::findings::rule_share::RuleShares;
use crate::topology::VpcIndex;

/// The rules that reject traffic between peered VPCs, by direction.
pub(super) struct RejectingRules(HashMap<(VpcIndex, VpcIndex), RuleShares, RandomState>);

impl RejectingRules {
    /// Attributes the rejected groups to directions between VPCs.
    pub(super) fn new(context: &Context<'_>) -> RejectingRules {
        let mut rules = HashMap::default();
        if context.rules.is_empty() {
            return RejectingRules(rules);
        }
        let mut directions: HashMap<(Option<Symbol>, Ends), (VpcIndex, VpcIndex), RandomState> = HashMap::default();
        for (class, view) in context.classes {
            if let TrafficClass::Between(src, dst) = *class {
                directions.extend(view.rejected().map(|flows| ((flows.interface, flows.addresses.ends()), (src, dst))));
            }
        }
        for (key, subgroup) in context.groups.subgroups() {
            if let Some(direction) = directions.get(&(key.interface, (key.protocol, key.src, key.dst))) {
                rules.entry(*direction).or_insert_with(RuleShares::default).add(context, &key, &subgroup);
            }
        }
        RejectingRules(rules)
    }

    /// Removes and returns the rules that reject traffic of a direction.
    pub(super) fn take(&mut self, direction: VpcDirection) -> RuleShares {
        self.0.remove(&(direction.src, direction.dst)).unwrap_or_default()
    }
}
