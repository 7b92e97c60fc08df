//! The noteworthy records, as those who look for findings see them.

use std::collections::BTreeMap;

use super::pairs::{ACTIONS, Row};
use super::{Addresses, Note, Peering, Sums};
use crate::record::{Action, TCP};
use crate::tally::Tally;

/// All noteworthy records by what is noteworthy of them.
pub type ByNote<'a> = BTreeMap<Note, OfNote<'a>>;

/// What is noteworthy in the same way.
#[derive(Debug, Clone)]
pub struct OfNote<'a> {
    /// Sums over all accepted and all rejected records, whatever the limits.
    pub totals: [Tally; 2],
    peering: &'a Peering,
    places: Vec<Place>,
}

/// Where a row is.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The pair's.
    pair: u32,
    /// [`NO_ROW`](super::pairs::NO_ROW) is that of the first accepted ones.
    row: u32,
    direction: u8,
    action: Action,
    has_reply: bool,
}

impl<'a> OfNote<'a> {
    /// Both together.
    pub fn tally(&self) -> Tally {
        let [mut tally, rejected] = self.totals;
        tally.merge(rejected);
        tally
    }

    /// The records by their addresses, as far as these are kept, in no order.
    pub fn noted(&self) -> impl Iterator<Item = Noted<'a>> {
        self.noted_if(|_| true)
    }

    /// Those that were refused.
    pub fn rejected(&self) -> impl Iterator<Item = Noted<'a>> {
        self.noted_if(|place| place.action == Action::Reject)
    }

    /// Those without a reply.
    pub fn unanswered(&self) -> impl Iterator<Item = Noted<'a>> {
        self.noted_if(|place| !place.has_reply)
    }

    /// Of the others nothing is read.
    fn noted_if(&self, which: impl Fn(&Place) -> bool) -> impl Iterator<Item = Noted<'a>> {
        let peering = self.peering;
        self.places.iter().filter(move |place| which(place)).map(|place| peering.noted(*place))
    }
}

/// Some noteworthy records.
#[derive(Debug, Clone, Copy)]
pub struct Noted<'a> {
    /// Their addresses.
    pub addresses: Addresses,
    /// Let through or refused.
    pub action: Action,
    /// Their sums.
    pub sums: &'a Sums,
    /// Whether the report has a reply to them, or one may have been left out for lack of memory.
    pub has_reply: bool,
    /// Whether it has a rejected record the other way round: an answer that was refused.
    pub reply_was_rejected: bool,
}

impl Noted<'_> {
    /// Whether they are accepted TCP records, of which replies are to be expected.
    pub fn is_accepted_tcp(&self) -> bool {
        self.action == Action::Accept && self.addresses.protocol == Some(TCP)
    }
}

impl Peering {
    /// All noteworthy records by what is noteworthy of them.
    pub fn by_note(&self) -> ByNote<'_> {
        let of_note = |(_, totals): &(Note, [Tally; 2])| OfNote { totals: *totals, peering: self, places: Vec::new() };
        let mut of_notes: Vec<OfNote<'_>> = self.notes.all.iter().map(of_note).collect();
        for (pair, (_, entry)) in (0..).zip(self.pairs.iter()) {
            for direction in [0, 1] {
                let has_reply =
                    entry.replied[usize::from(1 - direction)] || entry.missing > 0 || self.replies_may_be_missing;
                for action in ACTIONS {
                    for (row, Row { note, .. }) in entry.rows(&self.rows, usize::from(direction), action) {
                        of_notes[*note as usize].places.push(Place { pair, row, direction, action, has_reply });
                    }
                }
            }
        }
        self.notes.all.iter().map(|(note, _)| *note).zip(of_notes).collect()
    }

    fn noted(&self, place: Place) -> Noted<'_> {
        let (key, pair) = self.pairs.at(place.pair as usize);
        let direction = usize::from(place.direction);
        let row = self.rows.get(place.row as usize).unwrap_or(&pair.accepted[direction]);
        Noted {
            addresses: key.direction(direction),
            action: place.action,
            sums: &row.sums,
            has_reply: place.has_reply,
            reply_was_rejected: pair.refused[1 - direction],
        }
    }
}
