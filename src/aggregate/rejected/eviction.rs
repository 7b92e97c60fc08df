//! What becomes of the groups where there are more than are kept.

use datasketches::hll::{HllSketch, HllType};

use super::keys::{SubgroupKey, identity};
use super::{DISTINCT_LG_K, RejectedFlows, SubgroupStats};
use crate::aggregate::interfaces::Interfaces;

impl RejectedFlows {
    /// Whether the groups are all there, with all their records and causes.
    pub fn is_exact(&self) -> bool {
        self.split_by_port && self.lowered == 0
    }

    /// No group has more flows than are told of it, or than none if it is not there, but for so many. `rejected` are the flows of
    /// all, `of_no_interface` those of records that name none that is kept.
    pub fn error_bound(&self, rejected: u64, of_no_interface: u64) -> u64 {
        let told_of_none = if self.interfaces_split { of_no_interface } else { 0 };
        self.lowered_flows(rejected).saturating_add(told_of_none)
    }

    /// Says that records of interfaces that are kept may be among those of none.
    pub fn mark_interfaces_split(&mut self) {
        self.interfaces_split = true;
    }

    /// No group has lost more flows to the limit.
    fn lowered_flows(&self, rejected: u64) -> u64 {
        if self.lowered == 0 {
            return 0;
        }
        let told = self.parts.iter().fold(0, |flows: u64, (_, sums)| flows.saturating_add(sums.tally.flows));
        let left = rejected.saturating_sub(told);
        let of_each = self.lowered.saturating_mul(u64::from(self.causes.count_ones().max(1)));
        if self.merged_after_eviction { left } else { of_each.min(left) }
    }

    /// Counts all groups that come, and those that are there.
    pub(super) fn count_distinct(&mut self, interfaces: &Interfaces) -> &mut HllSketch {
        let parts = &self.parts;
        self.distinct.get_or_insert_with(|| {
            let mut distinct = HllSketch::new(DISTINCT_LG_K, HllType::Hll8).expect("it is a size that sketches have");
            parts.iter().for_each(|(key, _)| distinct.update(identity(&key.group, interfaces)));
            distinct
        })
    }

    /// How many groups there are, with a standard error of 0.8 %, if some were dropped.
    #[expect(clippy::cast_sign_loss, reason = "an estimate is not negative, and a cast stays in range")]
    pub fn group_count(&self) -> Option<u64> {
        self.distinct.as_ref().map(|distinct| distinct.estimate().round() as u64)
    }

    pub(super) fn enforce_limit(&mut self, interfaces: &Interfaces) {
        let most = self.limits.max_rejected_groups;
        if self.parts.len() as u64 > most {
            self.merge_ports();
            if self.parts.len() as u64 > most {
                self.count_distinct(interfaces);
                let lowered = self.lowered;
                self.lowered += self
                    .parts
                    .lower(|sums| sums.tally.flows.saturating_add(u64::from(sums.missing)).saturating_sub(lowered));
            }
        }
    }

    /// Keeps source ports apart no more: what hung on them can't be decided.
    pub(super) fn merge_ports(&mut self) {
        if self.split_by_port {
            self.split_by_port = false;
            self.parts.rekey(|key| SubgroupKey { basis: key.basis.closed(), ..key }, SubgroupStats::add);
        }
    }
}
