//! The rows of the timeline: its buckets in order.

use serde::{Deserialize, Serialize};

use super::{Bucket, BucketSums, MAX_BUCKETS, MAX_DOUBLINGS, Timeline};
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

const TOO_LATE: InvalidRow = InvalidRow("a time bucket begins after the year 9999");

impl Timeline {
    /// Returns what is known besides the rows.
    pub fn state(&self) -> TimelineState {
        TimelineState { doublings: self.doublings, first: self.begin / self.seconds() }
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
        self.doublings = state.doublings;
        let begin = state.first.checked_mul(self.seconds()).filter(|begin| Timestamp::from_seconds(*begin).is_some());
        self.begin = begin.ok_or(TOO_LATE)?;
        Ok(())
    }

    /// Adds the next bucket.
    ///
    /// # Errors
    /// If there are too many, or it begins after the year 9999.
    pub fn restore(&mut self, row: TimelineRow) -> Result<(), InvalidRow> {
        if self.buckets.len() >= MAX_BUCKETS {
            return Err(InvalidRow("it has too many time buckets"));
        }
        // Neither factor is large, nor is the sum.
        let start = self.begin + self.buckets.len() as u64 * self.seconds();
        Timestamp::from_seconds(start).ok_or(TOO_LATE)?;
        let TimelineRow { accepted, rejected } = row;
        self.buckets.push(Bucket { accepted: accepted.into(), rejected: rejected.into() });
        Ok(())
    }
}
