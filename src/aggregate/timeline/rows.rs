//! The rows of the timeline: its buckets in order.

use serde::{Deserialize, Serialize};

use super::{BucketSums, MAX_BUCKETS, MINUTE, Timeline};
use crate::aggregate::counters::Counters;
use crate::aggregate::invalid_row::InvalidRow;
use crate::record::timestamp::Timestamp;

/// A bucket. Each follows the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineRow {
    accepted: Counters,
    rejected: Counters,
}

/// What is known besides the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineState {
    /// How often the length was doubled.
    doublings: u32,
    /// Number of the first bucket.
    first: u64,
}

/// More doublings than all times need, from 1970 to 9999.
const MAX_DOUBLINGS: u32 = 32;

impl Timeline {
    /// Returns what is known besides the rows.
    pub fn state(&self) -> TimelineState {
        TimelineState { doublings: (self.seconds / MINUTE).ilog2(), first: self.first }
    }

    /// Returns all buckets in order.
    pub fn rows(&self) -> impl Iterator<Item = TimelineRow> {
        self.sums().map(|BucketSums { accepted, rejected }| TimelineRow { accepted, rejected })
    }

    /// Restores what is known besides the rows.
    ///
    /// # Errors
    /// If the buckets begin after the year 9999.
    pub fn restore_state(&mut self, state: TimelineState) -> Result<(), InvalidRow> {
        if state.doublings > MAX_DOUBLINGS {
            return Err(InvalidRow("its time buckets are too long"));
        }
        self.seconds = MINUTE << state.doublings;
        self.first = state.first;
        self.check_start(0)
    }

    /// Adds the next bucket.
    ///
    /// # Errors
    /// If there are too many, or it begins after the year 9999.
    pub fn restore(&mut self, row: TimelineRow) -> Result<(), InvalidRow> {
        if self.buckets.len() >= MAX_BUCKETS {
            return Err(InvalidRow("it has too many time buckets"));
        }
        self.check_start(self.buckets.len() as u64)?;
        let TimelineRow { accepted, rejected } = row;
        self.buckets.push(BucketSums { accepted, rejected });
        Ok(())
    }

    fn check_start(&self, index: u64) -> Result<(), InvalidRow> {
        let start = self.first.checked_add(index).and_then(|number| number.checked_mul(self.seconds));
        let is_valid = start.and_then(Timestamp::from_seconds).is_some();
        is_valid.then_some(()).ok_or(InvalidRow("a time bucket begins after the year 9999"))
    }
}
