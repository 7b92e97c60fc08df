//! Finds out whether accepted flows have the tuples of rejected flows, or their reverse tuples.

use super::keys::{GroupKey, SubgroupKey};
use super::{RejectedFlows, SubgroupStats};
use crate::aggregate::accepted::{AcceptedFlows, BloomFilter, FiveTuple};
use crate::aggregate::rejected::cause::CauseHint;

impl RejectedFlows {
    /// Marks the subgroups whose cause depends on accepted flows with the tuples that are among those.
    pub fn correlate_accepted(&mut self, accepted: &AcceptedFlows) {
        let needed = BloomFilter::new(self.parts.iter().filter_map(|(key, _)| key.tuple()), self.parts.len());
        accepted.for_each_candidate(&needed, |tuple| {
            self.for_each_undecided(tuple, |sums| sums.alike = true);
            self.for_each_undecided(tuple.reversed(), |sums| sums.reverse_tuple_accepted = true);
        });
    }

    /// Changes the subgroups of this tuple whose cause depends on accepted flows.
    fn for_each_undecided(&mut self, tuple: FiveTuple, change: impl Fn(&mut SubgroupStats)) {
        let FiveTuple { interface, protocol, src, dst, srcport, dstport } = tuple;
        let group =
            GroupKey { interface, src: Some(src), dst: Some(dst), dstport: Some(dstport), protocol: Some(protocol) };
        for basis in [CauseHint::PossibleReply(srcport), CauseHint::PossibleLateOrReply(srcport)] {
            if let Some(sums) = self.parts.get_mut(SubgroupKey { group, basis }) {
                change(sums);
            }
        }
    }
}
