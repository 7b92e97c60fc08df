//! Views of the classified records by traffic class, for the detectors.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use super::pairs::ACTIONS;
use super::{AddressPair, FlowStats, InterVpcTraffic, TrafficClass};
use crate::aggregate::counters::Counters;
use crate::record::{Action, TCP};

/// All classified records, by class.
pub type FlowsByClass<'a> = BTreeMap<TrafficClass, ClassView<'a>>;

/// The records of one traffic class.
#[derive(Debug, Clone)]
pub struct ClassView<'a> {
    /// Sums of all accepted and all rejected records. Limits do not affect them.
    pub totals: [Counters; 2],
    peering: &'a InterVpcTraffic,
    entries: Vec<Entry<'a>>,
}

/// The sums of one pair, direction, action, and class pair.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    sums: &'a FlowStats,
    /// Index of the pair. Records with a second class have sums of their own, which are adjacent to the other sums of the same pair,
    /// direction, and action.
    pair: u32,
    direction: u8,
    action: Action,
    has_reply: bool,
}

impl<'a> ClassView<'a> {
    /// Returns the sums of accepted and rejected records together.
    pub fn tally(&self) -> Counters {
        let [mut tally, rejected] = self.totals;
        tally.merge(rejected);
        tally
    }

    /// Returns the records by addresses, as far as these are kept, in no particular order.
    pub fn flows(&self) -> impl Iterator<Item = ClassifiedFlows> {
        self.flows_if(|_| true)
    }

    /// Returns the rejected records.
    pub fn rejected(&self) -> impl Iterator<Item = ClassifiedFlows> {
        self.flows_if(|entry| entry.action == Action::Reject)
    }

    /// Returns the records without a reply.
    pub fn unanswered(&self) -> impl Iterator<Item = ClassifiedFlows> {
        self.flows_if(|entry| !entry.has_reply)
    }

    /// Returns the records that match. Does not read the others.
    #[expect(clippy::indexing_slicing, reason = "a group is a chunk of entries with equal keys, and no chunk is empty")]
    fn flows_if(&self, which: impl Fn(&Entry<'a>) -> bool) -> impl Iterator<Item = ClassifiedFlows> {
        let peering = self.peering;
        let ends = |entry: &Entry<'_>| (entry.pair, entry.direction, entry.action);
        let group = self.entries.chunk_by(move |a, b| ends(a) == ends(b));
        group.filter(move |group| which(&group[0])).map(|group| peering.flows(group))
    }
}

/// Classified records with the same addresses and action.
#[derive(Debug, Clone, Copy)]
pub struct ClassifiedFlows {
    /// Their addresses.
    pub addresses: AddressPair,
    /// Accepted or rejected.
    pub action: Action,
    /// Their sums.
    pub sums: FlowStats,
    /// Whether there is a reply, or one may have been dropped by a memory limit.
    pub has_reply: bool,
    /// Whether a record of the other direction, a reply, was rejected.
    pub reply_was_rejected: bool,
}

impl ClassifiedFlows {
    /// Returns whether these are accepted TCP records, which should have replies.
    pub fn is_accepted_tcp(&self) -> bool {
        self.action == Action::Accept && self.addresses.protocol == Some(TCP)
    }
}

impl InterVpcTraffic {
    /// Returns all classified records by class.
    #[expect(clippy::indexing_slicing, reason = "a label has an entry in the table, and a direction is 0 or 1")]
    pub fn by_class(&self) -> FlowsByClass<'_> {
        let mut ids: HashMap<TrafficClass, usize, RandomState> = HashMap::default();
        let mut views: Vec<(TrafficClass, ClassView<'_>)> = Vec::new();
        let mut id = |class: TrafficClass, totals: &[Counters; 2]| {
            let id = *ids.entry(class).or_insert_with(|| {
                views.push((class, ClassView { totals: Default::default(), peering: self, entries: Vec::new() }));
                views.len() - 1
            });
            views[id].1.totals.iter_mut().zip(totals).for_each(|(all, more)| all.merge(*more));
            id
        };
        let view_ids: Vec<(usize, Option<usize>)> = (self.classes.all.iter())
            .map(|((first, second), totals)| (id(*first, totals), second.map(|second| id(second, totals))))
            .collect();
        for (pair, (_, both)) in (0..).zip(self.pairs.iter()) {
            for direction in [0, 1] {
                let has_reply =
                    both.may_be_reply[usize::from(1 - direction)] || both.max_undercount > 0 || self.replies_incomplete;
                for action in ACTIONS {
                    for (class, sums) in both.sums(usize::from(direction), action) {
                        let (first, second) = view_ids[class as usize];
                        for id in std::iter::once(first).chain(second) {
                            views[id].1.entries.push(Entry { sums, pair, direction, action, has_reply });
                        }
                    }
                }
            }
        }
        views.into_iter().collect()
    }

    /// Merges entries of one pair, direction, and action.
    #[expect(clippy::indexing_slicing, reason = "a group is a chunk of entries with equal keys, and no chunk is empty")]
    fn flows(&self, group: &[Entry<'_>]) -> ClassifiedFlows {
        let entry = group[0];
        let (key, pair) = self.pairs.at(entry.pair as usize);
        let direction = usize::from(entry.direction);
        let mut all = *entry.sums;
        group[1..].iter().for_each(|entry| all.merge(entry.sums));
        ClassifiedFlows {
            addresses: key.direction(direction),
            action: entry.action,
            sums: all,
            has_reply: entry.has_reply,
            reply_was_rejected: pair.has_rejected[1 - direction],
        }
    }
}
