//! The rows of the heaviest pairs.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{PairSums, TalkerKey, Talkers};
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
    counted: Counters,
    /// Maximum number of its bytes that are not counted.
    lost: u64,
}

/// What is known besides the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TalkersState {
    /// Maximum number of bytes of a pair without a row.
    lost: u64,
}

impl Talkers {
    /// Returns what is known besides the rows.
    pub fn state(&self) -> TalkersState {
        TalkersState { lost: self.error_bound() }
    }

    /// Restores what is known besides the rows. Call it before the first row.
    pub fn restore_state(&mut self, state: TalkersState) {
        self.lost = state.lost;
    }

    /// Returns all rows in the order of their keys.
    pub fn rows(&self) -> impl Iterator<Item = TalkerRow> {
        let row = |(TalkerKey { interface, src, dst }, PairSums { counted, lost })| TalkerRow {
            interface: number(interface),
            src,
            dst,
            counted,
            lost,
        };
        let mut rows: Vec<TalkerRow> = self.closed().map(row).collect();
        rows.sort_unstable_by_key(|row| (row.interface, row.src, row.dst));
        rows.into_iter()
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If its interface has no name, the pair occurs twice, has no records, is above the limit, or lost more bytes than any pair.
    pub fn restore(&mut self, row: TalkerRow, interfaces: &Interner) -> Result<(), InvalidRow> {
        let key = TalkerKey { interface: interfaces.symbol(row.interface)?, src: row.src, dst: row.dst };
        if row.counted.flows == 0 || self.pairs.len() >= self.limit || self.pairs.contains_key(&key) {
            return Err(InvalidRow("a pair of addresses occurs twice, is above the limit, or has no records"));
        }
        if row.lost > self.lost {
            return Err(InvalidRow("a pair of addresses lost more bytes than any pair"));
        }
        self.pairs.insert(key, PairSums { counted: row.counted, lost: row.lost });
        Ok(())
    }
}
