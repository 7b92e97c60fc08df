//! What is noteworthy of a record, and all that is of a report's.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::names::NameId;
use crate::record::Flow;
use crate::scope::Scope;
use crate::tally::Tally;
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

/// All that is noteworthy, each known by a number, with the sums over all its records by action.
#[derive(Debug, Clone, Default)]
pub(super) struct Notes {
    numbers: HashMap<Note, u32, RandomState>,
    /// The last one, as records of one interface come in runs.
    last: Option<(Note, u32)>,
    pub(super) all: Vec<(Note, [Tally; 2])>,
    /// How many of them strangers made up.
    made_up: u64,
}

/// AWS's values of `traffic-path` are 1 to 8; so may be some that it adds.
const MOST_PATH: u64 = 64;

impl Notes {
    /// Adds a record to the sums over all that are noteworthy so. Says the number of that, as [`Notes::number`] does.
    pub(super) fn count(&mut self, note: Note, flow: &Flow<'_>, limit: u64) -> Option<u32> {
        let number = self.number(note, limit)?;
        self.all[number as usize].1[flow.action as usize].observe(flow);
        Some(number)
    }

    /// The number of a note. None if it is of a kind of which strangers can make as many as they like, and there are so many
    /// already. Of the others there are no more than the topology's VPCs and the names that are kept allow.
    pub(super) fn number(&mut self, note: Note, limit: u64) -> Option<u32> {
        if let Some((last, number)) = self.last
            && last == note
        {
            return Some(number);
        }
        if let Some(number) = self.numbers.get(&note) {
            self.last = Some((note, *number));
            return Some(*number);
        }
        let is_made_up = matches!(note, Note::Path(_, _, path) if path > MOST_PATH);
        let number = u32::try_from(self.all.len()).ok().filter(|_| !is_made_up || self.made_up < limit)?;
        self.made_up += u64::from(is_made_up);
        self.numbers.insert(note, number);
        self.all.push((note, [Tally::default(); 2]));
        Some(number)
    }
}
