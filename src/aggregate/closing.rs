//! Closing an analysis: accepted records decide what they can, and are dropped.

use serde::{Deserialize, Serialize};

/// Whether an analysis has the accepted records that decide causes and answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Closing {
    /// It has them all, unless a limit was reached.
    #[default]
    Open,
    /// They were dropped after all of them had decided.
    Closed,
    /// Parts were merged, and one was closed before: its records were not compared with those of the others.
    Joined,
}

impl Closing {
    /// Returns the state of two parts that both have accepted or rejected records.
    pub(super) fn join(self, other: Closing) -> Closing {
        match (self, other) {
            (Closing::Open, Closing::Open) => Closing::Open,
            _ => Closing::Joined,
        }
    }

    /// Returns the state after the accepted records were dropped.
    pub(crate) fn close(self) -> Closing {
        match self {
            Closing::Open | Closing::Closed => Closing::Closed,
            Closing::Joined => Closing::Joined,
        }
    }

    /// Returns whether no accepted record was dropped by closing.
    pub fn is_open(self) -> bool {
        self == Closing::Open
    }

    /// Returns whether all accepted records were compared with all others.
    pub fn is_whole(self) -> bool {
        self != Closing::Joined
    }
}
