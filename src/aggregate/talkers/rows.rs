//! The rows of the heaviest pairs.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{TalkerKey, Talkers};
use crate::aggregate::counters::Counters;
use crate::aggregate::interner::Interner;
use crate::aggregate::invalid_row::InvalidRow;
use crate::aggregate::rows::number;

/// Accepted traffic of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TalkerRow {
    interface: u32,
    src: IpAddr,
    dst: IpAddr,
    tally: Counters,
}

/// What is known besides the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TalkersState {
    min_bytes: u64,
}

impl Talkers {
    /// Returns what is known besides the rows.
    pub fn state(&self) -> TalkersState {
        TalkersState { min_bytes: self.min_bytes }
    }

    /// Restores what is known besides the rows.
    pub fn restore_state(&mut self, state: TalkersState) {
        self.min_bytes = state.min_bytes;
    }

    /// Returns all rows.
    pub fn rows(&self) -> impl Iterator<Item = TalkerRow> {
        self.iter().map(|(key, tally)| TalkerRow {
            interface: number(key.interface),
            src: key.src,
            dst: key.dst,
            tally,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If its interface has no name, the pair occurs twice, has no records, or is above the limit.
    pub fn restore(&mut self, row: TalkerRow, interfaces: &Interner) -> Result<(), InvalidRow> {
        let key = TalkerKey { interface: interfaces.symbol(row.interface)?, src: row.src, dst: row.dst };
        if row.tally.flows == 0 || self.pairs.len() >= self.limit || self.pairs.get_mut(key).is_some() {
            return Err(InvalidRow("a pair of addresses occurs twice, is above the limit, or has no records"));
        }
        self.add(key, row.tally);
        Ok(())
    }
}
