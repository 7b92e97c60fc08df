//! Correlates rejected with accepted flows, by 5-tuple and by reverse 5-tuple.

use super::keys::{GroupKey, SubgroupKey};
use super::{RejectedFlows, SubgroupStats};
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

    /// Decides the causes that depend on accepted flows, and joins the subgroups that differ only by source port.
    pub fn close(&mut self, accepted: &AcceptedFlows) {
        self.correlate_accepted(accepted);
        for (key, sums) in std::mem::take(&mut self.subgroups).iter() {
            let hint = key.hint.decide(key.group.protocol, key.group.dstport, sums.facts);
            self.causes |= hint.mask();
            let mut is_new = false;
            let ours = self.subgroups.entry(SubgroupKey { hint, ..key }, || {
                is_new = true;
                SubgroupStats { facts: CauseFacts::default(), ..*sums }
            });
            if !is_new {
                ours.add(sums);
            }
        }
    }

    /// Returns whether accepted flows decide the cause of a record.
    pub fn needs_accepted(&self) -> bool {
        self.causes & CauseHint::masks_of_ports() != 0
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
