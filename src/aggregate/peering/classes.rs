//! Traffic classes: the reasons for which traffic between VPCs is kept, and the table that numbers them.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use crate::aggregate::counters::Counters;
use crate::aggregate::recorder::VpcRef;
use crate::record::{Action, Flow};
use crate::topology::endpoint::Scope;
use crate::topology::{Tie, VpcIndex};

/// A class of traffic that is kept because of the topology. A record has one class or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrafficClass {
    /// Traffic from one known VPC to another.
    Between(VpcIndex, VpcIndex),
    /// Traffic from one known VPC to another with this value of `traffic-path`.
    Path(VpcIndex, VpcIndex, u64),
    /// Traffic that left through a peering connection, to an address in no known VPC. Its origin is the VPC of its source, otherwise its own
    /// VPC.
    External(VpcRef, ExternalScope),
    /// Traffic with an address in a block that several VPCs have.
    Ambiguous(Tie),
}

/// Scope of an address outside of all known VPCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExternalScope {
    /// The public internet.
    Public,
    /// Any other address.
    Private,
}

impl ExternalScope {
    /// Returns the scope in the summary's terms.
    pub fn scope(self) -> Scope {
        match self {
            ExternalScope::Public => Scope::Public,
            ExternalScope::Private => Scope::Private,
        }
    }
}

/// The class of a record, and its second class, if it has one.
pub(super) type ClassPair = (TrafficClass, Option<TrafficClass>);

/// Where a record between two VPCs was recorded. A flow between VPCs is usually logged at both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// In the VPC of its source, or its own VPC is not known.
    Source,
    /// In the VPC of its destination.
    Destination,
    /// In a third VPC.
    Elsewhere,
}

impl Side {
    /// Returns the side of a record of this class.
    pub(super) fn of(class: TrafficClass, own: VpcRef) -> Side {
        match (class, own) {
            (TrafficClass::Between(_, dst) | TrafficClass::Path(_, dst, _), VpcRef::Known(own)) if own == dst => {
                Side::Destination
            }
            (TrafficClass::Between(src, _) | TrafficClass::Path(src, ..), VpcRef::Known(own)) if own != src => {
                Side::Elsewhere
            }
            (TrafficClass::Between(..) | TrafficClass::Path(..), VpcRef::Named(_)) => Side::Elsewhere,
            _ => Side::Source,
        }
    }
}

/// Sums of all records of a class. Limits do not affect them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassTotals {
    /// Accepted records by [`Side`].
    accepted: [Counters; 3],
    /// Rejected records: each end rejects by itself.
    pub rejected: Counters,
}

impl ClassTotals {
    /// Adds a record.
    #[expect(clippy::indexing_slicing, reason = "a side is an index of the three sums")]
    fn observe(&mut self, flow: &Flow<'_>, side: Side) {
        match flow.action {
            Action::Accept => self.accepted[side as usize].observe(flow),
            Action::Reject => self.rejected.observe(flow),
        }
    }

    /// Adds other records of the class.
    pub(super) fn merge(&mut self, other: &ClassTotals) {
        self.accepted.iter_mut().zip(&other.accepted).for_each(|(ours, theirs)| ours.merge(*theirs));
        self.rejected.merge(other.rejected);
    }

    /// Returns the side whose accepted records stand for the flows, so that each flow counts once: the source's, if it has any.
    pub fn counted_side(&self) -> Side {
        let [at_source, ..] = self.accepted;
        if at_source.flows > 0 { Side::Source } else { Side::Destination }
    }

    /// Returns the accepted flows, each counted once.
    #[expect(clippy::indexing_slicing, reason = "a side is an index of the three sums")]
    pub fn accepted(&self) -> Counters {
        self.accepted[self.counted_side() as usize]
    }

    /// Returns the sums of all records.
    pub fn records(&self) -> Counters {
        let mut all = self.rejected;
        self.accepted.iter().for_each(|accepted| all.merge(*accepted));
        all
    }
}

/// All class pairs that occurred, each with an id and the sums of its records.
#[derive(Debug, Clone, Default)]
pub(super) struct ClassTable {
    ids: HashMap<ClassPair, u32, RandomState>,
    /// The last pair: records of one interface come in runs.
    last: Option<(ClassPair, u32)>,
    pub(super) all: Vec<(ClassPair, ClassTotals)>,
    /// Number of pairs with a [`TrafficClass::Path`]: with AWS's values, and with others. Forged values cannot displace AWS's.
    paths: [u64; 2],
}

/// Largest value of `traffic-path` that AWS uses; they are 1 to 8.
const MAX_KNOWN_PATH: u64 = 8;

/// Id of a class pair.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClassId {
    pub(super) id: u32,
    /// Whether the id stands for the whole pair. An attacker can forge any number of `traffic-path` values; above the limit, pairs lose
    /// their path.
    pub(super) is_complete: bool,
}

impl ClassTable {
    /// Adds a record to the sums of its class pair. Returns the id of the pair.
    #[expect(
        clippy::indexing_slicing,
        reason = "a label is an index that this table gave out; the other arrays have two entries, for bools"
    )]
    pub(super) fn count(&mut self, pair: ClassPair, flow: &Flow<'_>, side: Side, limit: u64) -> ClassId {
        let id = self.id_of(pair, limit);
        self.all[id.id as usize].1.observe(flow, side);
        id
    }

    /// Returns the id of a class pair. The VPCs and overlapping blocks of the topology and the interned names bound the number of
    /// pairs without a path. The limit bounds the number of the others.
    pub(super) fn id_of(&mut self, pair: ClassPair, limit: u64) -> ClassId {
        if let Some((last, id)) = self.last
            && last == pair
        {
            return ClassId { id, is_complete: true };
        }
        let id = match self.ids.get(&pair).copied() {
            Some(id) => id,
            None if self.has_room(pair, limit) => {
                let id = self.all.len() as u32;
                self.ids.insert(pair, id);
                self.all.push((pair, ClassTotals::default()));
                id
            }
            None => return ClassId { is_complete: false, ..self.id_of((pair.0, None), limit) },
        };
        self.last = Some((pair, id));
        ClassId { id, is_complete: true }
    }

    /// Returns the id of a class pair without its path.
    #[cold]
    #[expect(
        clippy::indexing_slicing,
        reason = "a label is an index that this table gave out; the other arrays have two entries, for bools"
    )]
    pub(super) fn without_path(&mut self, id: u32) -> u32 {
        let ((first, _), _) = self.all[id as usize];
        self.id_of((first, None), u64::MAX).id
    }

    /// Counts the path of a pair. Returns `false` if the limit is reached.
    #[expect(
        clippy::indexing_slicing,
        reason = "a label is an index that this table gave out; the other arrays have two entries, for bools"
    )]
    fn has_room(&mut self, pair: ClassPair, limit: u64) -> bool {
        let Some(TrafficClass::Path(_, _, path)) = pair.1 else { return true };
        let count = &mut self.paths[usize::from(path > MAX_KNOWN_PATH)];
        let has_room = *count < limit;
        *count += u64::from(has_room);
        has_room
    }
}
