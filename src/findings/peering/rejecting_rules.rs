//! The rules that reject traffic between peered VPCs, and the kinds of the rejected records.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::VpcDirection;
use crate::aggregate::interner::Symbol;
use crate::aggregate::peering::{Ends, TrafficClass};
use crate::aggregate::rejected::cause::Cause;
use crate::aggregate::rejected::{GroupKey, Subgroup};
use crate::findings::Context;
use crate::findings::explanation::ExampleKind;
use crate::findings::rule_share::RuleShares;
use crate::findings::types::Example;
use crate::topology::VpcIndex;

/// What is known of the rejected groups between peered VPCs.
#[derive(Default)]
pub(super) struct RejectingRules {
    by_direction: HashMap<(VpcIndex, VpcIndex), RuleShares, RandomState>,
    kinds: HashMap<GroupKey, ExampleKind, RandomState>,
}

impl RejectingRules {
    /// Attributes the rejected groups to directions between VPCs.
    pub(super) fn new(context: &Context<'_>) -> RejectingRules {
        let mut directions: HashMap<(Option<Symbol>, Ends), (VpcIndex, VpcIndex), RandomState> = HashMap::default();
        for (class, view) in context.classes {
            if let TrafficClass::Between(src, dst) = *class {
                directions.extend(view.rejected().map(|flows| ((flows.interface, flows.addresses.ends()), (src, dst))));
            }
        }
        let mut rules = RejectingRules::default();
        if directions.is_empty() {
            return rules;
        }
        for (key, subgroup) in context.groups.subgroups() {
            if let Some(direction) = directions.get(&(key.interface, (key.protocol, key.src, key.dst))) {
                rules.by_direction.entry(*direction).or_default().add(context, &key, &subgroup);
                let kind = kind_of(&subgroup);
                rules.kinds.entry(key).and_modify(|known| *known = either(*known, kind)).or_insert(kind);
            }
        }
        rules
    }

    /// Removes and returns the rules that reject traffic of a direction.
    pub(super) fn take(&mut self, direction: VpcDirection) -> RuleShares {
        self.by_direction.remove(&(direction.src, direction.dst)).unwrap_or_default()
    }

    /// Returns the kind of a rejected example.
    pub(super) fn kind_of(&self, interface: Option<Symbol>, example: &Example) -> Option<ExampleKind> {
        let Example { srcaddr: src, dstaddr: dst, dstport, protocol, .. } = *example;
        self.kinds.get(&GroupKey { interface, src, dst, dstport, protocol }).copied()
    }
}

fn kind_of(subgroup: &Subgroup) -> ExampleKind {
    if subgroup.is_answer() || subgroup.has_answer_shape {
        ExampleKind::Reply
    } else if subgroup.cause == Cause::OutOfState {
        ExampleKind::Late
    } else {
        ExampleKind::Request
    }
}

/// Returns the kind of records of two kinds. An attempt says most, late packets say least.
fn either(one: ExampleKind, other: ExampleKind) -> ExampleKind {
    let rank = |kind: ExampleKind| match kind {
        ExampleKind::Request => 0,
        ExampleKind::Reply => 1,
        ExampleKind::Late => 2,
    };
    if rank(one) <= rank(other) { one } else { other }
}
