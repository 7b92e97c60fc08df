//! The noteworthy records, as those who look for findings see them.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use super::pairs::{ACTIONS, Row};
use super::{AddressPair, InterVpcTraffic, Sums, TrafficClass};
use crate::aggregate::counters::Counters;
use crate::record::{Action, TCP};

/// All noteworthy records by what is noteworthy of them.
pub type FlowsByClass<'a> = BTreeMap<TrafficClass, ClassView<'a>>;

/// What is noteworthy in the same way.
#[derive(Debug, Clone)]
pub struct ClassView<'a> {
    /// Sums over all accepted and all rejected records, whatever the limits.
    pub totals: [Counters; 2],
    peering: &'a InterVpcTraffic,
    places: Vec<Place>,
}

/// Where a row is.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The pair's. What is noteworthy in this way and in another besides has a row of its own, beside the others of the same pair,
    /// direction and action.
    pair: u32,
    /// [`NO_ROW`](super::pairs::NO_ROW) is that of the first accepted ones.
    row: u32,
    direction: u8,
    action: Action,
    has_reply: bool,
}

impl<'a> ClassView<'a> {
    /// Both together.
    pub fn tally(&self) -> Counters {
        let [mut tally, rejected] = self.totals;
        tally.merge(rejected);
        tally
    }

    /// The records by their addresses, as far as these are kept, in no order.
    pub fn noted(&self) -> impl Iterator<Item = ClassifiedFlows> {
        self.noted_if(|_| true)
    }

    /// Those that were refused.
    pub fn rejected(&self) -> impl Iterator<Item = ClassifiedFlows> {
        self.noted_if(|place| place.action == Action::Reject)
    }

    /// Those without a reply.
    pub fn unanswered(&self) -> impl Iterator<Item = ClassifiedFlows> {
        self.noted_if(|place| !place.has_reply)
    }

    /// Of the others nothing is read.
    fn noted_if(&self, which: impl Fn(&Place) -> bool) -> impl Iterator<Item = ClassifiedFlows> {
        let peering = self.peering;
        let ends = |place: &Place| (place.pair, place.direction, place.action);
        let rows = self.places.chunk_by(move |a, b| ends(a) == ends(b));
        rows.filter(move |rows| which(&rows[0])).map(|rows| peering.noted(rows))
    }
}

/// Some noteworthy records.
#[derive(Debug, Clone, Copy)]
pub struct ClassifiedFlows {
    /// Their addresses.
    pub addresses: AddressPair,
    /// Let through or refused.
    pub action: Action,
    /// Their sums.
    pub sums: Sums,
    /// Whether the report has a reply to them, or one may have been left out for lack of memory.
    pub has_reply: bool,
    /// Whether it has a rejected record the other way round: an answer that was refused.
    pub reply_was_rejected: bool,
}

impl ClassifiedFlows {
    /// Whether they are accepted TCP records, of which replies are to be expected.
    pub fn is_accepted_tcp(&self) -> bool {
        self.action == Action::Accept && self.addresses.protocol == Some(TCP)
    }
}

impl InterVpcTraffic {
    /// All noteworthy records by what is noteworthy of them.
    pub fn by_note(&self) -> FlowsByClass<'_> {
        let mut numbers: HashMap<TrafficClass, usize, RandomState> = HashMap::default();
        let mut of_notes: Vec<(TrafficClass, ClassView<'_>)> = Vec::new();
        let mut number = |note: TrafficClass, totals: &[Counters; 2]| {
            let number = *numbers.entry(note).or_insert_with(|| {
                of_notes.push((note, ClassView { totals: Default::default(), peering: self, places: Vec::new() }));
                of_notes.len() - 1
            });
            of_notes[number].1.totals.iter_mut().zip(totals).for_each(|(all, more)| all.merge(*more));
            number
        };
        let of_remarks: Vec<(usize, Option<usize>)> = (self.remarks.all.iter())
            .map(|((first, second), totals)| (number(*first, totals), second.map(|second| number(second, totals))))
            .collect();
        for (pair, (_, entry)) in (0..).zip(self.pairs.iter()) {
            for direction in [0, 1] {
                let has_reply =
                    entry.replied[usize::from(1 - direction)] || entry.missing > 0 || self.replies_may_be_missing;
                for action in ACTIONS {
                    for (row, Row { remark, .. }) in entry.rows(&self.rows, usize::from(direction), action) {
                        let (first, second) = of_remarks[*remark as usize];
                        for number in std::iter::once(first).chain(second) {
                            of_notes[number].1.places.push(Place { pair, row, direction, action, has_reply });
                        }
                    }
                }
            }
        }
        of_notes.into_iter().collect()
    }

    /// What stands in these rows, all of one pair, direction and action.
    fn noted(&self, rows: &[Place]) -> ClassifiedFlows {
        let place = rows[0];
        let (key, pair) = self.pairs.at(place.pair as usize);
        let direction = usize::from(place.direction);
        let sums = |place: &Place| self.rows.get(place.row as usize).unwrap_or(&pair.accepted[direction]).sums;
        let mut all = sums(&place);
        rows[1..].iter().for_each(|place| all.merge(&sums(place)));
        ClassifiedFlows {
            addresses: key.direction(direction),
            action: place.action,
            sums: all,
            has_reply: place.has_reply,
            reply_was_rejected: pair.refused[1 - direction],
        }
    }
}
