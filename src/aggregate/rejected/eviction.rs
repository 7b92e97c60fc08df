//! Enforces the limit of rejected groups, and bounds the error that this causes.

use datasketches::hll::{HllSketch, HllType};

use super::keys::{SubgroupKey, identity};
use super::{DISTINCT_LG_K, RejectedFlows, SubgroupStats};
use crate::aggregate::interfaces::Interfaces;

impl RejectedFlows {
    /// Returns whether all groups are kept, with all their records and causes, and with what records that a filter left out decide.
    pub fn is_exact(&self) -> bool {
        self.split_by_port && self.evicted_weight == 0 && self.left_out.is_complete()
    }

    /// Returns whether groups were dropped.
    pub fn has_dropped_groups(&self) -> bool {
        self.evicted_weight > 0
    }

    /// Returns the maximum undercount of any group. A dropped group had at most this many flows. `rejected` is the number of all
    /// rejected flows, `of_no_interface` that of flows counted under "no interface".
    pub fn error_bound(&self, rejected: u64, of_no_interface: u64) -> u64 {
        let without_interface = if self.interfaces_split { of_no_interface } else { 0 };
        self.max_evicted_flows(rejected).saturating_add(without_interface)
    }

    /// Marks that tracked interfaces may also have records counted under "no interface".
    pub fn mark_interfaces_split(&mut self) {
        self.interfaces_split = true;
    }

    /// Returns the number of flows of all groups that are kept.
    pub fn kept_flows(&self) -> u64 {
        self.subgroups.values().fold(0, |flows: u64, sums| flows.saturating_add(sums.tally.flows))
    }

    /// Returns the maximum number of flows that a group lost to the limit.
    fn max_evicted_flows(&self, rejected: u64) -> u64 {
        if self.evicted_weight == 0 {
            return 0;
        }
        let uncounted = rejected.saturating_sub(self.kept_flows());
        let per_group = self.evicted_weight.saturating_mul(u64::from(self.causes.count_ones().max(1)));
        if self.merged_after_eviction { uncounted } else { per_group.min(uncounted) }
    }

    /// Starts the estimate of the number of groups with those that are kept, and returns it.
    #[expect(clippy::expect_used, reason = "the size is a constant that sketches have")]
    pub(super) fn count_distinct(&mut self, interfaces: &Interfaces) -> &mut HllSketch {
        let subgroups = &self.subgroups;
        self.distinct.get_or_insert_with(|| {
            let mut distinct = HllSketch::new(DISTINCT_LG_K, HllType::Hll8).expect("a valid sketch size");
            subgroups.iter().for_each(|(key, _)| distinct.update(identity(&key.group, interfaces)));
            distinct
        })
    }

    /// Estimates the number of groups, with a standard error of 0.8 %, if groups were dropped.
    #[expect(clippy::cast_sign_loss, reason = "an estimate is not negative, and a cast stays in range")]
    pub fn group_count(&self) -> Option<u64> {
        self.distinct.as_ref().map(|distinct| distinct.estimate().round() as u64)
    }

    /// Merges ports, then evicts subgroups, if the limit is exceeded.
    pub(super) fn enforce_limit(&mut self, interfaces: &Interfaces) {
        let limit = self.limits.max_rejected_groups;
        if self.subgroups.len() as u64 > limit {
            self.merge_ports();
            if self.subgroups.len() as u64 > limit {
                self.count_distinct(interfaces);
                let evicted_weight = self.evicted_weight;
                let weight = |sums: &SubgroupStats| {
                    sums.tally.flows.saturating_add(u64::from(sums.max_undercount)).saturating_sub(evicted_weight)
                };
                let amount = self.subgroups.decrement_all(weight);
                self.evicted_weight = evicted_weight.saturating_add(amount);
            }
        }
    }

    /// Merges subgroups that differ only by source port. Their causes can no longer be decided by accepted flows.
    pub(super) fn merge_ports(&mut self) {
        if self.split_by_port {
            self.split_by_port = false;
            self.subgroups.rekey(|key| SubgroupKey { hint: key.hint.without_port(), ..key }, SubgroupStats::add);
        }
    }
}
