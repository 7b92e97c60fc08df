//! Traffic by the `start` of the records, in buckets of equal length without a gap.
//!
//! A bucket has a minute, times the least power of two by which all records fit into [`MAX_BUCKETS`]. So buckets depend on the records alone, not
//! on their order, nor on how they are divided among analyses that are merged.
//!
//! Invariants: `begin` is the start of the first bucket, and a multiple of the length. `doublings` is at most `MAX_DOUBLINGS`.

mod rows;

pub use self::rows::{TimelineRow, TimelineState};
use crate::aggregate::counters::Counters;
use crate::record::Flow;
use crate::record::timestamp::Timestamp;

/// Maximum number of buckets.
pub const MAX_BUCKETS: usize = 240;

/// Length of the shortest bucket, in seconds.
pub const MINUTE: u64 = 60;

/// More doublings than all times need, from 1970 to 9999.
const MAX_DOUBLINGS: u32 = 32;

/// Sums of the records of one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BucketSums {
    /// Accepted records.
    pub accepted: Counters,
    /// Rejected records.
    pub rejected: Counters,
}

/// Sums that cannot overflow, so that a record costs few instructions.
#[derive(Debug, Clone, Copy, Default)]
struct WideSums {
    flows: u64,
    packets: u128,
    bytes: u128,
}

impl WideSums {
    #[inline(always)]
    fn observe(&mut self, flow: &Flow<'_>) {
        self.flows += 1;
        self.packets += u128::from(flow.packets);
        self.bytes += u128::from(flow.bytes);
    }

    fn merge(&mut self, other: WideSums) {
        self.flows = self.flows.saturating_add(other.flows);
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// Returns the sums, at most 2^64 − 1.
    fn saturated(self) -> Counters {
        let saturate = |sum: u128| u64::try_from(sum).unwrap_or(u64::MAX);
        Counters { flows: self.flows, packets: saturate(self.packets), bytes: saturate(self.bytes) }
    }
}

impl From<Counters> for WideSums {
    fn from(sums: Counters) -> WideSums {
        WideSums { flows: sums.flows, packets: sums.packets.into(), bytes: sums.bytes.into() }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    accepted: WideSums,
    rejected: WideSums,
}

/// Sums by time.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// How often the length of a minute was doubled.
    doublings: u32,
    /// In seconds since 1970.
    begin: u64,
    buckets: Vec<Bucket>,
}

impl Timeline {
    /// Adds an accepted record. One without `start` is not counted.
    #[inline(always)]
    pub fn observe_accepted(&mut self, flow: &Flow<'_>) {
        self.observe(flow, |bucket| &mut bucket.accepted);
    }

    /// Adds a rejected record. One without `start` is not counted.
    #[inline(always)]
    pub fn observe_rejected(&mut self, flow: &Flow<'_>) {
        self.observe(flow, |bucket| &mut bucket.rejected);
    }

    #[inline(always)]
    fn observe(&mut self, flow: &Flow<'_>, sums: impl Fn(&mut Bucket) -> &mut WideSums) {
        let Some(start) = flow.start.map(Timestamp::seconds) else { return };
        let index = self.index_of(start);
        match self.buckets.get_mut(index) {
            Some(bucket) => sums(bucket).observe(flow),
            None => {
                if let Some(bucket) = self.new_bucket(start) {
                    sums(bucket).observe(flow);
                }
            }
        }
    }

    /// Adds the sums of other records.
    pub fn merge(&mut self, other: &Timeline) {
        if let Some((first, last)) = other.span() {
            self.cover(first, last, other.doublings);
            self.add(other);
        }
    }

    /// Returns the length of a bucket in seconds.
    pub fn seconds(&self) -> u64 {
        MINUTE << self.doublings
    }

    /// Returns the start and the sums of each bucket.
    pub fn buckets(&self) -> impl Iterator<Item = (Timestamp, BucketSums)> {
        self.starts().zip(self.sums()).filter_map(|(start, sums)| Some((Timestamp::from_seconds(start)?, sums)))
    }

    fn starts(&self) -> impl Iterator<Item = u64> {
        (0..).map(|index| self.begin + index * self.seconds())
    }

    fn sums(&self) -> impl Iterator<Item = BucketSums> {
        self.buckets.iter().map(|Bucket { accepted, rejected }| BucketSums {
            accepted: accepted.saturated(),
            rejected: rejected.saturated(),
        })
    }

    /// Returns the index of the bucket of a time. It is that of no bucket if the time is before the first: the difference wraps.
    #[inline(always)]
    fn index_of(&self, start: u64) -> usize {
        let minutes = (start.wrapping_sub(self.begin) >> self.doublings) / MINUTE;
        usize::try_from(minutes).unwrap_or(usize::MAX)
    }

    /// Returns the bucket of a time that has none.
    #[cold]
    #[inline(never)]
    fn new_bucket(&mut self, start: u64) -> Option<&mut Bucket> {
        self.cover(start, start, 0);
        let index = self.index_of(start);
        self.buckets.get_mut(index)
    }

    /// Returns the starts of the first and the last bucket.
    fn span(&self) -> Option<(u64, u64)> {
        self.starts().zip(&self.buckets).last().map(|(last, _)| (self.begin, last))
    }

    /// Adds buckets from one time to another, and widens all until they are few enough, and were doubled this often.
    fn cover(&mut self, first: u64, last: u64, doublings: u32) {
        let (begin, end) = self.span().unwrap_or((first, last));
        let (first, last) = (first.min(begin), last.max(end));
        let mut doublings = doublings.max(self.doublings);
        let number = |time: u64, doublings: u32| (time / MINUTE) >> doublings;
        let length = |doublings: u32| number(last, doublings) - number(first, doublings) + 1;
        while length(doublings) > MAX_BUCKETS as u64 {
            doublings += 1;
        }
        let buckets = (0..length(doublings)).map(|_| Bucket::default()).collect();
        let begin = number(first, doublings) * (MINUTE << doublings);
        let narrower = std::mem::replace(self, Timeline { doublings, begin, buckets });
        self.add(&narrower);
    }

    /// Adds the sums of other buckets. Each lies within one of these.
    fn add(&mut self, other: &Timeline) {
        for (start, sums) in other.starts().zip(&other.buckets) {
            let index = self.index_of(start);
            if let Some(bucket) = self.buckets.get_mut(index) {
                bucket.accepted.merge(sums.accepted);
                bucket.rejected.merge(sums.rejected);
            }
        }
    }
}

#[cfg(test)]
mod tests;
