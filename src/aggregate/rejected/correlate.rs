//! Correlates rejected with accepted flows, by 5-tuple and by reverse 5-tuple.

use super::RejectedFlows;
use super::keys::{GroupKey, SubgroupKey};
use crate::aggregate::accepted::{AcceptedFlows, BloomFilter, FiveTuple};
use crate::aggregate::rejected::cause::{CauseFacts, CauseHint};

impl RejectedFlows {
    /// Marks the subgroups whose cause depends on accepted flows with the tuples that are among those.
    pub fn correlate_accepted(&mut self, accepted: &AcceptedFlows) {
        if !accepted.is_complete() {
            // A request may be among the discarded tuples, so open causes stay open.
            return self.merge_ports();
        }
        let needed = BloomFilter::new(self.subgroups.iter().filter_map(|(key, _)| key.tuple()), self.subgroups.len());
        accepted.for_each_candidate(&needed, |tuple| {
            self.for_each_undecided(tuple, |facts| facts.same_tuple_accepted = true);
            self.for_each_undecided(tuple.reversed(), |facts| facts.reverse_tuple_accepted = true);
        });
    }

    /// Changes the subgroups of this tuple whose cause depends on accepted flows.
    fn for_each_undecided(&mut self, tuple: FiveTuple, change: impl Fn(&mut CauseFacts)) {
        let FiveTuple { interface, protocol, src, dst, srcport, dstport } = tuple;
        let group =
            GroupKey { interface, src: Some(src), dst: Some(dst), dstport: Some(dstport), protocol: Some(protocol) };
        for hint in CauseHint::with_port(srcport) {
            if let Some(sums) = self.subgroups.get_mut(SubgroupKey { group, hint }) {
                change(&mut sums.facts);
            }
        }
    }
}
