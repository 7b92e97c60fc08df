//! What is noteworthy of a record, and all that is of a report's.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::aggregate::counters::Counters;
use crate::aggregate::interner::Symbol;
use crate::record::Flow;
use crate::topology::endpoint::Scope;
use crate::topology::{BlockId, VpcIndex};

/// What is noteworthy of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrafficClass {
    /// It goes from one known VPC to another.
    Between(VpcIndex, VpcIndex),
    /// So it does, and says to have taken this path.
    Path(VpcIndex, VpcIndex, u64),
    /// It left through a peering connection, for an address in no known VPC.
    ExternalScope(Origin, ExternalScope),
    /// One of its addresses is in a block that VPCs tie on.
    Ambiguous(BlockId),
}

/// Where a record comes from: the VPC of its source, else its own VPC, else it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A VPC of the topology.
    InterfaceRef(VpcIndex),
    /// A VPC that only the record names.
    Named(Symbol),
    /// Not known.
    Unknown,
}

/// What is outside all known VPCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExternalScope {
    /// The public internet.
    Public,
    /// Anything else.
    Private,
}

impl ExternalScope {
    /// The same in the words of the summary.
    pub fn scope(self) -> Scope {
        match self {
            ExternalScope::Public => Scope::Public,
            ExternalScope::Private => Scope::Private,
        }
    }
}

/// What is noteworthy of a record, in one way or two.
pub(super) type ClassPair = (TrafficClass, Option<TrafficClass>);

/// All remarks that were made, each known by a number, with the sums over all records of which it was, by action.
#[derive(Debug, Clone, Default)]
pub(super) struct ClassTable {
    numbers: HashMap<ClassPair, u32, RandomState>,
    /// The last one, as records of one interface come in runs.
    last: Option<(ClassPair, u32)>,
    pub(super) all: Vec<(ClassPair, [Counters; 2])>,
    /// How many of them have a [`TrafficClass::Path`]: with AWS's values, and with others, which strangers can't crowd those out with.
    paths: [u64; 2],
}

/// AWS's values of `traffic-path` are 1 to 8.
const MAX_KNOWN_PATH: u64 = 8;

/// The number of a remark.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClassId {
    pub(super) number: u32,
    /// Whether it is of all that was noteworthy. Strangers can make as many values of `traffic-path` as they like: where there
    /// are too many, further ones are left out.
    pub(super) is_whole: bool,
}

impl ClassTable {
    /// Adds a record to the sums over all of which the same is noteworthy. Says what number that has.
    pub(super) fn count(&mut self, remark: ClassPair, flow: &Flow<'_>, limit: u64) -> ClassId {
        let number = self.number(remark, limit);
        self.all[number.number as usize].1[flow.action as usize].observe(flow);
        number
    }

    /// The number of a remark. Of those without a path there are no more than the topology's VPCs and ties and the names that are
    /// kept allow; of the others as many as the limit.
    pub(super) fn number(&mut self, remark: ClassPair, limit: u64) -> ClassId {
        if let Some((last, number)) = self.last
            && last == remark
        {
            return ClassId { number, is_whole: true };
        }
        let number = match self.numbers.get(&remark).copied() {
            Some(number) => number,
            None if self.has_room(remark, limit) => {
                let number = self.all.len() as u32;
                self.numbers.insert(remark, number);
                self.all.push((remark, [Counters::default(); 2]));
                number
            }
            None => return ClassId { is_whole: false, ..self.number((remark.0, None), limit) },
        };
        self.last = Some((remark, number));
        ClassId { number, is_whole: true }
    }

    /// The number of what is left of a remark without its path.
    #[cold]
    pub(super) fn without_path(&mut self, number: u32) -> u32 {
        let ((first, _), _) = self.all[number as usize];
        self.number((first, None), u64::MAX).number
    }

    /// Counts its path, if there is room for that.
    fn has_room(&mut self, remark: ClassPair, limit: u64) -> bool {
        let Some(TrafficClass::Path(_, _, path)) = remark.1 else { return true };
        let count = &mut self.paths[usize::from(path > MAX_KNOWN_PATH)];
        let has_room = *count < limit;
        *count += u64::from(has_room);
        has_room
    }
}
