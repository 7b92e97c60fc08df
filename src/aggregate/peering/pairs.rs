//! Sums of the records between two addresses, by direction, action, class pair, and interface.

use super::classes::ClassTable;
use super::goes_through_peering;
use crate::aggregate::counters::{Counters, TimeRange, min_some};
use crate::aggregate::interner::Symbol;
use crate::record::{Action, Flow};

/// Sums of classified records with the same addresses.
#[derive(Debug, Clone, Copy, Default)]
pub struct FlowStats {
    /// Flows, packets, and bytes.
    pub tally: Counters,
    /// Time range of the records.
    pub seen: TimeRange,
    /// The smallest ports, as an example.
    pub least_ports: Option<(Option<u16>, Option<u16>)>,
    /// Whether `traffic-path` of a record is not that of a peering connection.
    pub some_without_peering_path: bool,
    /// Whether a record has no `tcp-flags`.
    pub some_without_flags: bool,
}

impl FlowStats {
    /// Adds one record.
    pub(super) fn observe(&mut self, flow: &Flow<'_>) {
        self.tally.observe(flow);
        self.seen.observe(flow.start, flow.end);
        self.least_ports = min_some(self.least_ports, Some((flow.srcport, flow.dstport)));
        self.some_without_peering_path |= !goes_through_peering(flow.traffic_path);
        self.some_without_flags |= !flow.tcp_flags.are_present();
    }

    /// Adds the sums of other records.
    pub fn merge(&mut self, other: &FlowStats) {
        self.tally.merge(other.tally);
        self.seen.merge(other.seen);
        self.least_ports = min_some(self.least_ports, other.least_ports);
        self.some_without_peering_path |= other.some_without_peering_path;
        self.some_without_flags |= other.some_without_flags;
    }
}

/// What the records of one sum have in common, besides addresses, direction, and action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SumKey {
    /// Id of their class pair.
    pub(super) class: u32,
    /// Interface that recorded them. `None` also above the limit of sums, where those of several interfaces are joined.
    pub(super) interface: Option<Symbol>,
    /// Whether their `tcp-flags` show that they were answered.
    pub(super) shows_answer: bool,
}

/// The records of both directions between two addresses.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    /// By direction: the accepted records of the key that came first. Nearly all pairs need no others.
    accepted: [Option<(SumKey, FlowStats)>; 2],
    /// All other sums, in the order of their first record.
    further: Vec<Further>,
    /// Maximum undercount of the pair: the total decrement when it was added.
    pub(super) max_undercount: u32,
    /// By direction: whether an accepted record may be a reply.
    pub(super) may_be_reply: [bool; 2],
    /// By direction: whether a record between two VPCs was rejected.
    pub(super) has_rejected: [bool; 2],
}

/// The records of one direction, action, and key.
#[derive(Debug, Clone, Copy)]
struct Further {
    direction: u8,
    action: Action,
    key: SumKey,
    sums: FlowStats,
}

/// The actions, in the order of the sums.
pub(super) const ACTIONS: [Action; 2] = [Action::Accept, Action::Reject];
/// Limit of further sums per pair, direction, and action. AWS has eight values of `traffic-path`; above the limit, records count
/// without theirs and without their interface.
const MAX_FURTHER: usize = 16;

impl Pair {
    /// Creates a pair without records.
    pub(super) fn new(max_undercount: u32) -> Pair {
        Pair {
            accepted: [None; 2],
            further: Vec::new(),
            max_undercount,
            may_be_reply: [false; 2],
            has_rejected: [false; 2],
        }
    }

    /// Adds records of one direction, action, and key, and counts new further sums. Returns `false` above the limit: then the
    /// records were added without their path.
    pub(super) fn add(
        &mut self,
        (further_sums, classes): (&mut u64, &mut ClassTable),
        ends: (usize, Action),
        key: SumKey,
        sums: &FlowStats,
    ) -> bool {
        let before = self.further.len();
        let is_complete = self.add_up_to(MAX_FURTHER, ends, key, sums) || {
            let rest = SumKey { class: classes.without_path(key.class), interface: None, ..key };
            self.add_up_to(usize::MAX, ends, rest, sums);
            rest == key
        };
        *further_sums += (self.further.len() - before) as u64;
        is_complete
    }

    /// Adds records within this limit of further sums. Returns `false` if there is no room.
    #[expect(clippy::indexing_slicing, reason = "a direction is 0 or 1")]
    fn add_up_to(&mut self, limit: usize, (direction, action): (usize, Action), key: SumKey, sums: &FlowStats) -> bool {
        if action == Action::Accept {
            match &mut self.accepted[direction] {
                Some((first, all)) if *first == key => {
                    all.merge(sums);
                    return true;
                }
                Some(_) => {}
                first @ None => {
                    *first = Some((key, *sums));
                    return true;
                }
            }
        }
        let mut count = 0;
        for further in self.further.iter_mut().filter(|further| further.is_of(direction, action)) {
            if further.key == key {
                further.sums.merge(sums);
                return true;
            }
            count += 1;
        }
        let has_room = count < limit;
        if has_room {
            // The default growth is four entries; most pairs have one or two.
            self.further.reserve_exact(1);
            self.further.push(Further { direction: direction as u8, action, key, sums: *sums });
        }
        has_room
    }

    /// Returns the number of flows.
    pub(super) fn flows(&self) -> u64 {
        let accepted = self.accepted.iter().flatten().map(|(_, sums)| sums);
        let all = accepted.chain(self.further.iter().map(|further| &further.sums));
        all.fold(0, |flows: u64, sums| flows.saturating_add(sums.tally.flows))
    }

    /// Returns the number of further sums.
    pub(super) fn further_sums(&self) -> u64 {
        self.further.len() as u64
    }

    /// Returns the sums of one direction and action, each with its key.
    #[expect(clippy::indexing_slicing, reason = "a direction is 0 or 1")]
    pub(super) fn sums(&self, direction: usize, action: Action) -> impl Iterator<Item = (SumKey, &FlowStats)> {
        let first = self.accepted[direction].as_ref().filter(|_| action == Action::Accept);
        let further = self.further.iter().filter(move |further| further.is_of(direction, action));
        first.map(|(key, sums)| (*key, sums)).into_iter().chain(further.map(|of| (of.key, &of.sums)))
    }
}

impl Further {
    /// Returns whether these are the sums of this direction and action.
    fn is_of(&self, direction: usize, action: Action) -> bool {
        usize::from(self.direction) == direction && self.action == action
    }
}
