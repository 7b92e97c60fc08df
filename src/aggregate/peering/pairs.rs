//! What is kept of two addresses: the sums of their records, by direction, action and what is noteworthy.

use super::labels::ClassTable;
use super::{SAME_VPC_PATH, goes_through_peering};
use crate::aggregate::counters::{Counters, TimeRange, min_some};
use crate::record::{Action, Flow, SynFlag};

/// Noteworthy records with the same addresses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    /// Flows, packets and bytes.
    pub tally: Counters,
    /// When they were seen.
    pub seen: TimeRange,
    /// The min_some ports among them, as an example.
    pub least_ports: Option<(Option<u16>, Option<u16>)>,
    /// Whether one says to have left through a peering connection.
    pub through_peering: bool,
    /// Whether one says to have taken another path.
    pub by_another_path: bool,
    /// Whether one was seen in the VPC of its destination: it arrived.
    pub arrived: bool,
    /// Whether one has `tcp-flags`.
    pub has_flags: bool,
}

impl Sums {
    pub(super) fn observe(&mut self, flow: &Flow<'_>) {
        self.tally.observe(flow);
        self.seen.observe(flow.start, flow.end);
        self.least_ports = min_some(self.least_ports, Some((flow.srcport, flow.dstport)));
        let path = flow.traffic_path.filter(|path| *path != SAME_VPC_PATH);
        let through_peering = path.map(|path| goes_through_peering(Some(path)));
        self.through_peering |= through_peering == Some(true);
        self.by_another_path |= through_peering == Some(false);
        self.has_flags |= flow.tcp_flags != SynFlag::Absent;
    }

    /// Adds what others are.
    pub fn merge(&mut self, other: &Sums) {
        self.tally.merge(other.tally);
        self.seen.merge(other.seen);
        self.least_ports = min_some(self.least_ports, other.least_ports);
        self.through_peering |= other.through_peering;
        self.by_another_path |= other.by_another_path;
        self.arrived |= other.arrived;
        self.has_flags |= other.has_flags;
    }
}

/// Both directions between two addresses.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    /// By direction: the sums of the accepted records with the remark that came first. Nearly all pairs need no others.
    accepted: [Option<(u32, Sums)>; 2],
    /// All other sums, in the order in which they came.
    further: Vec<Further>,
    /// The sum of the amounts by which all weights had been lowered when the pair came.
    pub(super) missing: u32,
    /// By direction: whether there is an accepted record that may be a reply.
    pub(super) replied: [bool; 2],
    /// By direction: whether there is a rejected record between two VPCs.
    pub(super) refused: [bool; 2],
}

/// The records of one direction, with one action and one remark.
#[derive(Debug, Clone, Copy)]
struct Further {
    direction: u8,
    action: Action,
    remark: u32,
    sums: Sums,
}

pub(super) const ACTIONS: [Action; 2] = [Action::Accept, Action::Reject];
/// The limit of further sums of one pair, direction and action. AWS has eight values of `traffic-path`; beyond the limit records
/// count without theirs.
const MAX_FURTHER: usize = 16;

impl Pair {
    pub(super) fn new(missing: u32) -> Pair {
        Pair { accepted: [None; 2], further: Vec::new(), missing, replied: [false; 2], refused: [false; 2] }
    }

    /// Adds records of one direction and action with one remark, and counts new further sums. Returns whether there was room for
    /// the whole remark: beyond the limit, the records are added without their path.
    pub(super) fn add(
        &mut self,
        (further_sums, remarks): (&mut u64, &mut ClassTable),
        ends: (usize, Action),
        remark: u32,
        sums: &Sums,
    ) -> bool {
        let before = self.further.len();
        let is_whole = self.add_up_to(MAX_FURTHER, ends, remark, sums) || {
            let rest = remarks.without_path(remark);
            self.add_up_to(MAX_FURTHER + 1, ends, rest, sums) && rest == remark
        };
        *further_sums += (self.further.len() - before) as u64;
        is_whole
    }

    /// Returns whether there was room, with this limit of further sums.
    #[expect(clippy::indexing_slicing, reason = "a direction is 0 or 1")]
    fn add_up_to(&mut self, limit: usize, (direction, action): (usize, Action), remark: u32, sums: &Sums) -> bool {
        if action == Action::Accept {
            match &mut self.accepted[direction] {
                Some((first, all)) if *first == remark => {
                    all.merge(sums);
                    return true;
                }
                Some(_) => {}
                first @ None => {
                    *first = Some((remark, *sums));
                    return true;
                }
            }
        }
        let mut count = 0;
        for further in self.further.iter_mut().filter(|further| further.is_of(direction, action)) {
            if further.remark == remark {
                further.sums.merge(sums);
                return true;
            }
            count += 1;
        }
        let has_room = count < limit;
        if has_room {
            // By default there would be room for four at once: most pairs have one or two.
            self.further.reserve_exact(1);
            self.further.push(Further { direction: direction as u8, action, remark, sums: *sums });
        }
        has_room
    }

    /// Returns the number of all its records.
    pub(super) fn flows(&self) -> u64 {
        let accepted = self.accepted.iter().flatten().map(|(_, sums)| sums);
        let all = accepted.chain(self.further.iter().map(|further| &further.sums));
        all.fold(0, |flows: u64, sums| flows.saturating_add(sums.tally.flows))
    }

    /// Returns how many sums it has beside the first ones.
    pub(super) fn further_sums(&self) -> u64 {
        self.further.len() as u64
    }

    /// Returns its sums of one direction and action, each with its remark.
    #[expect(clippy::indexing_slicing, reason = "a direction is 0 or 1")]
    pub(super) fn sums(&self, direction: usize, action: Action) -> impl Iterator<Item = (u32, &Sums)> {
        let first = self.accepted[direction].as_ref().filter(|_| action == Action::Accept);
        let further = self.further.iter().filter(move |further| further.is_of(direction, action));
        first.map(|(remark, sums)| (*remark, sums)).into_iter().chain(further.map(|of| (of.remark, &of.sums)))
    }
}

impl Further {
    fn is_of(&self, direction: usize, action: Action) -> bool {
        usize::from(self.direction) == direction && self.action == action
    }
}
