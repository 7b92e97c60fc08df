//! Traffic by the `start` of the records, in buckets of equal length without a gap.
//!
//! A bucket has a minute, times the least power of two by which all records fit into [`MAX_BUCKETS`]. So buckets depend on the records alone, not
//! on their order, nor on how they are divided among analyses that are merged.
//!
//! Invariants: `buckets` begins with the bucket of number `first`, which is its start divided by `seconds`. The last records of the bucket at
//! `index` are in `accepted` and `rejected` and not yet in `buckets`: records of one bucket come in runs.

mod rows;

pub use self::rows::{TimelineRow, TimelineState};
use crate::aggregate::counters::Counters;
use crate::record::Flow;
use crate::record::timestamp::Timestamp;

/// Maximum number of buckets.
pub const MAX_BUCKETS: usize = 240;

/// Length of the shortest bucket, in seconds.
pub const MINUTE: u64 = 60;

/// No time lies in a bucket that begins here.
const NEVER: u64 = 1 << 63;

/// Sums of the records of one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BucketSums {
    /// Accepted records.
    pub accepted: Counters,
    /// Rejected records.
    pub rejected: Counters,
}

impl BucketSums {
    fn merge(&mut self, other: BucketSums) {
        self.accepted.merge(other.accepted);
        self.rejected.merge(other.rejected);
    }
}

/// Sums of a run of records. They cannot overflow, so that a record costs few instructions.
#[derive(Debug, Clone, Copy, Default)]
struct RunSums {
    flows: u64,
    packets: u128,
    bytes: u128,
}

impl RunSums {
    #[inline(always)]
    fn observe(&mut self, flow: &Flow<'_>) {
        self.flows += 1;
        self.packets += u128::from(flow.packets);
        self.bytes += u128::from(flow.bytes);
    }

    /// Returns the sums, at most 2^64 − 1.
    fn saturated(self) -> Counters {
        let saturate = |sum: u128| u64::try_from(sum).unwrap_or(u64::MAX);
        Counters { flows: self.flows, packets: saturate(self.packets), bytes: saturate(self.bytes) }
    }
}

/// Sums by time.
#[derive(Debug, Clone)]
pub struct Timeline {
    /// Length of each bucket.
    seconds: u64,
    /// Start of the current bucket, or [`NEVER`].
    begin: u64,
    accepted: RunSums,
    rejected: RunSums,
    index: usize,
    first: u64,
    buckets: Vec<BucketSums>,
}

impl Default for Timeline {
    fn default() -> Timeline {
        let (accepted, rejected) = (RunSums::default(), RunSums::default());
        Timeline { seconds: MINUTE, begin: NEVER, accepted, rejected, index: 0, first: 0, buckets: Vec::new() }
    }
}

impl Timeline {
    /// Adds an accepted record. One without `start` is not counted.
    #[inline(always)]
    pub fn observe_accepted(&mut self, flow: &Flow<'_>) {
        if let Some(start) = flow.start {
            self.select(start);
            self.accepted.observe(flow);
        }
    }

    /// Adds a rejected record. One without `start` is not counted.
    #[inline(always)]
    pub fn observe_rejected(&mut self, flow: &Flow<'_>) {
        if let Some(start) = flow.start {
            self.select(start);
            self.rejected.observe(flow);
        }
    }

    #[inline(always)]
    fn select(&mut self, start: Timestamp) {
        if start.seconds().wrapping_sub(self.begin) >= self.seconds {
            self.switch_to(start.seconds());
        }
    }

    /// Adds the sums of other records.
    pub fn merge(&mut self, other: &Timeline) {
        let Some(last) = other.buckets.len().checked_sub(1) else { return };
        self.leave_bucket();
        self.widen(other.seconds);
        self.cover(other.first * other.seconds);
        self.cover((other.first + last as u64) * other.seconds);
        for (start, sums) in other.starts().zip(other.sums()) {
            let index = self.index_of(start);
            if let Some(bucket) = index.and_then(|index| self.buckets.get_mut(index)) {
                bucket.merge(sums);
            }
        }
    }

    /// Returns the length of a bucket in seconds.
    pub fn seconds(&self) -> u64 {
        self.seconds
    }

    /// Returns the start and the sums of each bucket.
    pub fn buckets(&self) -> impl Iterator<Item = (Timestamp, BucketSums)> {
        self.starts().zip(self.sums()).filter_map(|(start, sums)| Some((Timestamp::from_seconds(start)?, sums)))
    }

    fn starts(&self) -> impl Iterator<Item = u64> {
        (self.first..).map(|number| number * self.seconds)
    }

    fn sums(&self) -> impl Iterator<Item = BucketSums> {
        let run = |index: usize| if index == self.index { self.run() } else { BucketSums::default() };
        self.buckets.iter().enumerate().map(move |(index, sums)| {
            let mut sums = *sums;
            sums.merge(run(index));
            sums
        })
    }

    /// Returns the sums that are not yet in a bucket.
    fn run(&self) -> BucketSums {
        BucketSums { accepted: self.accepted.saturated(), rejected: self.rejected.saturated() }
    }

    /// Makes the bucket of a time the current one.
    #[inline(never)]
    fn switch_to(&mut self, start: u64) {
        self.leave_bucket();
        let index = self.index_of(start).or_else(|| {
            self.cover(start);
            self.index_of(start)
        });
        self.index = index.unwrap_or(0);
        self.begin = (self.first + self.index as u64) * self.seconds;
    }

    /// Stores the sums of the current bucket.
    fn leave_bucket(&mut self) {
        let run = self.run();
        if let Some(bucket) = self.buckets.get_mut(self.index) {
            bucket.merge(run);
        }
        (self.accepted, self.rejected) = (RunSums::default(), RunSums::default());
        self.begin = NEVER;
    }

    /// Returns the index of the bucket of a time, if it exists.
    fn index_of(&self, start: u64) -> Option<usize> {
        let index = usize::try_from((start / self.seconds).checked_sub(self.first)?).ok()?;
        (index < self.buckets.len()).then_some(index)
    }

    /// Adds the buckets up to a time, and widens all until they are few enough. There is no current bucket.
    fn cover(&mut self, start: u64) {
        if self.buckets.is_empty() {
            self.first = start / self.seconds;
            self.buckets.push(BucketSums::default());
            return;
        }
        let end = self.first + self.buckets.len() as u64;
        let mut seconds = self.seconds;
        let span = |seconds: u64| {
            let first = (self.first * self.seconds).min(start) / seconds;
            let last = ((end - 1) * self.seconds).max(start) / seconds;
            (first, last - first + 1)
        };
        while span(seconds).1 > MAX_BUCKETS as u64 {
            seconds *= 2;
        }
        let (first, length) = span(seconds);
        self.widen(seconds);
        let missing_before = self.first.saturating_sub(first);
        self.buckets.splice(..0, (0..missing_before).map(|_| BucketSums::default()));
        self.first = first;
        self.buckets.resize(usize::try_from(length).unwrap_or(MAX_BUCKETS), BucketSums::default());
    }

    /// Joins buckets until they have a length, if they are shorter. There is no current bucket.
    fn widen(&mut self, seconds: u64) {
        while self.seconds < seconds {
            let is_odd = self.first % 2 == 1 && !self.buckets.is_empty();
            let padding = is_odd.then(BucketSums::default);
            let all: Vec<BucketSums> = padding.into_iter().chain(self.buckets.iter().copied()).collect();
            let join = |pair: &[BucketSums]| {
                let mut sums = BucketSums::default();
                pair.iter().for_each(|one| sums.merge(*one));
                sums
            };
            self.buckets = all.chunks(2).map(join).collect();
            self.first /= 2;
            self.seconds *= 2;
        }
    }
}

#[cfg(test)]
mod tests;
