//! What is noteworthy of a record, and all that is of a report's.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::aggregate::counters::Tally;
use crate::aggregate::interner::NameId;
use crate::record::Flow;
use crate::topology::endpoint::Scope;
use crate::topology::{TieNumber, VpcNumber};

/// What is noteworthy of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Note {
    /// It goes from one known VPC to another.
    Between(VpcNumber, VpcNumber),
    /// So it does, and says to have taken this path.
    Path(VpcNumber, VpcNumber, u64),
    /// It left through a peering connection, for an address in no known VPC.
    Beyond(Origin, Beyond),
    /// One of its addresses is in a block that VPCs tie on.
    Ambiguous(TieNumber),
}

/// Where a record comes from: the VPC of its source, else its own VPC, else it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A VPC of the topology.
    Known(VpcNumber),
    /// A VPC that only the record names.
    Named(NameId),
    /// Not known.
    Unknown,
}

/// What is outside all known VPCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Beyond {
    /// The public internet.
    Public,
    /// Anything else.
    Private,
}

impl Beyond {
    /// The same in the words of the summary.
    pub fn scope(self) -> Scope {
        match self {
            Beyond::Public => Scope::Public,
            Beyond::Private => Scope::Private,
        }
    }
}

/// What is noteworthy of a record, in one way or two.
pub(super) type Remark = (Note, Option<Note>);

/// All remarks that were made, each known by a number, with the sums over all records of which it was, by action.
#[derive(Debug, Clone, Default)]
pub(super) struct Remarks {
    numbers: HashMap<Remark, u32, RandomState>,
    /// The last one, as records of one interface come in runs.
    last: Option<(Remark, u32)>,
    pub(super) all: Vec<(Remark, [Tally; 2])>,
    /// How many of them have a [`Note::Path`]: with AWS's values, and with others, which strangers can't crowd those out with.
    paths: [u64; 2],
}

/// AWS's values of `traffic-path` are 1 to 8.
const MOST_PATH: u64 = 8;

/// The number of a remark.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    pub(super) number: u32,
    /// Whether it is of all that was noteworthy. Strangers can make as many values of `traffic-path` as they like: where there
    /// are too many, further ones are left out.
    pub(super) is_whole: bool,
}

impl Remarks {
    /// Adds a record to the sums over all of which the same is noteworthy. Says what number that has.
    pub(super) fn count(&mut self, remark: Remark, flow: &Flow<'_>, limit: u64) -> Number {
        let number = self.number(remark, limit);
        self.all[number.number as usize].1[flow.action as usize].observe(flow);
        number
    }

    /// The number of a remark. Of those without a path there are no more than the topology's VPCs and ties and the names that are
    /// kept allow; of the others as many as the limit.
    pub(super) fn number(&mut self, remark: Remark, limit: u64) -> Number {
        if let Some((last, number)) = self.last
            && last == remark
        {
            return Number { number, is_whole: true };
        }
        let number = match self.numbers.get(&remark).copied() {
            Some(number) => number,
            None if self.has_room(remark, limit) => {
                let number = self.all.len() as u32;
                self.numbers.insert(remark, number);
                self.all.push((remark, [Tally::default(); 2]));
                number
            }
            None => return Number { is_whole: false, ..self.number((remark.0, None), limit) },
        };
        self.last = Some((remark, number));
        Number { number, is_whole: true }
    }

    /// The number of what is left of a remark without its path.
    #[cold]
    pub(super) fn without_path(&mut self, number: u32) -> u32 {
        let ((first, _), _) = self.all[number as usize];
        self.number((first, None), u64::MAX).number
    }

    /// Counts its path, if there is room for that.
    fn has_room(&mut self, remark: Remark, limit: u64) -> bool {
        let Some(Note::Path(_, _, path)) = remark.1 else { return true };
        let count = &mut self.paths[usize::from(path > MOST_PATH)];
        let has_room = *count < limit;
        *count += u64::from(has_room);
        has_room
    }
}
