//! What is kept of two addresses: the sums of their records, by direction, action and what is noteworthy.

use super::labels::ClassTable;
use super::{SAME_VPC_PATH, goes_through_peering};
use crate::aggregate::counters::{Counters, TimeRange, least};
use crate::record::{Action, Flow, SynFlag};

/// Noteworthy records with the same addresses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    /// Flows, packets and bytes.
    pub tally: Counters,
    /// When they were seen.
    pub seen: TimeRange,
    /// The least ports among them, as an example.
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
        self.least_ports = least(self.least_ports, Some((flow.srcport, flow.dstport)));
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
        self.least_ports = least(self.least_ports, other.least_ports);
        self.through_peering |= other.through_peering;
        self.by_another_path |= other.by_another_path;
        self.arrived |= other.arrived;
        self.has_flags |= other.has_flags;
    }
}

/// Both directions between two addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    /// By direction: the first row of the accepted records, as hardly any pair is without one.
    pub(super) accepted: [Row; 2],
    /// By direction: the number of the first row of the rejected records, [`NO_ROW`] if there is none.
    pub(super) rejected: [u32; 2],
    /// By how much all weights had been lowered when it came.
    pub(super) missing: u32,
    /// By direction: whether there is an accepted record that may be a reply.
    pub(super) replied: [bool; 2],
    /// By direction: whether there is a rejected record between two VPCs.
    pub(super) refused: [bool; 2],
}

/// The records of one direction with one action and one remark.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) remark: u32,
    pub(super) next: u32,
    pub(super) sums: Sums,
}

pub(super) const NO_ROW: u32 = u32::MAX;
/// Of a row that is not in use.
const NO_REMARK: u32 = u32::MAX;
pub(super) const ACTIONS: [Action; 2] = [Action::Accept, Action::Reject];
/// What is noteworthy of the records of one pair, direction and action: AWS has eight values of `traffic-path`. ExternalScope that records
/// count without theirs.
const MOST_REMARKS: usize = 16;

impl Pair {
    pub(super) fn new(missing: u32) -> Pair {
        Pair { accepted: [Row::EMPTY; 2], rejected: [NO_ROW; 2], missing, replied: [false; 2], refused: [false; 2] }
    }

    /// Adds records of one direction with one action and one remark. Whether there was room for all that is noteworthy of them:
    /// where a pair's records have too many paths, they are added without.
    pub(super) fn add(
        &mut self,
        (rows, remarks): (&mut Vec<Row>, &mut ClassTable),
        direction: usize,
        action: Action,
        remark: u32,
        sums: &Sums,
    ) -> bool {
        if self.add_row(rows, direction, action, (remark, MOST_REMARKS), sums) {
            return true;
        }
        let rest = remarks.without_path(remark);
        self.add_row(rows, direction, action, (rest, MOST_REMARKS + 1), sums) && rest == remark
    }

    /// Whether there was room for it.
    fn add_row(
        &mut self,
        rows: &mut Vec<Row>,
        direction: usize,
        action: Action,
        (remark, most): (u32, usize),
        sums: &Sums,
    ) -> bool {
        if action == Action::Reject {
            return add(rows, &mut self.rejected[direction], (remark, most), sums);
        }
        let row = &mut self.accepted[direction];
        if row.remark == NO_REMARK {
            *row = Row { remark, next: NO_ROW, sums: *sums };
            true
        } else if row.remark == remark {
            row.sums.merge(sums);
            true
        } else {
            add(rows, &mut row.next, (remark, most), sums)
        }
    }

    /// All its records.
    pub(super) fn flows(&self, rows: &[Row]) -> u64 {
        let all = ACTIONS.into_iter().flat_map(|action| [0, 1].map(|direction| (direction, action)));
        let all = all.flat_map(|(direction, action)| self.rows(rows, direction, action));
        all.fold(0, |flows, (_, row)| flows.saturating_add(row.sums.tally.flows))
    }

    /// Its rows of one direction and action, each with its number; [`NO_ROW`] is that of the first accepted ones.
    pub(super) fn rows<'a>(
        &'a self,
        rows: &'a [Row],
        direction: usize,
        action: Action,
    ) -> impl Iterator<Item = (u32, &'a Row)> {
        let row = |number: u32| rows.get(number as usize).map(|row| (number, row));
        let first = match action {
            Action::Accept => Some((NO_ROW, &self.accepted[direction])).filter(|(_, row)| row.remark != NO_REMARK),
            Action::Reject => row(self.rejected[direction]),
        };
        std::iter::successors(first, move |(_, last)| row(last.next))
    }
}

impl Row {
    pub(super) const EMPTY: Row = Row {
        remark: NO_REMARK,
        next: NO_ROW,
        sums: Sums {
            tally: Counters { flows: 0, packets: 0, bytes: 0 },
            seen: TimeRange { first_seen: None, last_seen: None },
            least_ports: None,
            through_peering: false,
            by_another_path: false,
            arrived: false,
            has_flags: false,
        },
    };
}

/// Adds to the row with this remark in the chain that begins there, which may have so many. Whether there was room for it.
fn add(rows: &mut Vec<Row>, first: &mut u32, (remark, most): (u32, usize), sums: &Sums) -> bool {
    let end = rows.len() as u32;
    let mut place = *first;
    let mut last = None;
    for _ in 0..most {
        let Some(row) = rows.get_mut(place as usize) else {
            match last.and_then(|last: u32| rows.get_mut(last as usize)) {
                Some(last) => last.next = end,
                None => *first = end,
            }
            rows.push(Row { remark, next: NO_ROW, sums: *sums });
            return true;
        };
        if row.remark == remark {
            row.sums.merge(sums);
            return true;
        }
        (last, place) = (Some(place), row.next);
    }
    false
}
