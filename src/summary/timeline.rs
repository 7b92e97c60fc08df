//! Traffic by time.

use std::num::NonZero;

use serde::{Deserialize, Serialize};

use super::Traffic;
use crate::record::timestamp::Timestamp;

/// Traffic of the records whose `start` lies in one interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TimeBucket {
    /// Start of the interval.
    pub start: Timestamp,
    /// Length of the interval, in seconds: 60, or 60 times a power of two. All intervals of a summary have the same length.
    pub seconds: u64,
    /// Accepted and rejected traffic.
    #[serde(flatten)]
    pub traffic: Traffic,
}

impl TimeBucket {
    /// Joins neighbors, until there are at most `max` intervals. Their length is doubled as often as necessary; a single interval is not joined.
    pub fn join(buckets: &[TimeBucket], max: NonZero<usize>) -> Vec<TimeBucket> {
        let mut buckets = buckets.to_vec();
        while buckets.len() > max.get() {
            let mut joined: Vec<TimeBucket> = Vec::with_capacity(buckets.len() / 2 + 1);
            for bucket in buckets {
                let seconds = bucket.seconds.saturating_mul(2).max(1);
                let start = Timestamp::from_seconds(bucket.start.seconds() / seconds * seconds);
                let start = start.unwrap_or(bucket.start);
                match joined.last_mut() {
                    Some(last) if last.start == start => last.traffic.merge(bucket.traffic),
                    _ => joined.push(TimeBucket { start, seconds, traffic: bucket.traffic }),
                }
            }
            // Intervals of a damaged file may start anywhere, in any order: they might never become fewer.
            if joined.iter().any(|bucket| bucket.seconds > MAX_SECONDS) {
                return joined;
            }
            buckets = joined;
        }
        buckets
    }
}

/// More seconds than there are from 1970 to 9999.
const MAX_SECONDS: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::counters::Counters;

    /// Returns buckets of a length that start at these seconds, with as many accepted flows as their number from 1.
    fn buckets(seconds: u64, starts: &[u64]) -> Vec<TimeBucket> {
        let bucket = |(number, start): (u64, &u64)| TimeBucket {
            start: Timestamp::from_seconds(*start).expect("a time"),
            seconds,
            traffic: Traffic { accepted: Counters { flows: number, packets: 0, bytes: 1 }, ..Traffic::default() },
        };
        (1..).zip(starts).map(bucket).collect()
    }

    fn joined(buckets: &[TimeBucket], max: usize) -> Vec<(u64, u64, u64)> {
        let joined = TimeBucket::join(buckets, NonZero::new(max).expect("not 0"));
        joined.iter().map(|b| (b.start.seconds(), b.seconds, b.traffic.accepted.flows)).collect()
    }

    #[test]
    fn neighbors_are_joined_at_multiples_of_the_length() {
        let five = buckets(60, &[60, 120, 180, 240, 300]);
        assert_eq!(joined(&five, 5).len(), 5);
        assert_eq!(joined(&five, 4), [(0, 120, 1), (120, 120, 5), (240, 120, 9)]);
        assert_eq!(joined(&five, 2), [(0, 240, 6), (240, 240, 9)]);
        assert_eq!(joined(&five, 1), [(0, 480, 15)]);
        assert_eq!(joined(&[], 1), []);
    }

    #[test]
    fn buckets_of_a_damaged_file_end_the_search() {
        assert!(joined(&buckets(0, &[5, 3, 4, 1 << 37]), 1).len() <= 4);
        assert!(joined(&buckets(u64::MAX, &[5, 3]), 1).len() <= 2);
        assert!(joined(&buckets(7, &[253_402_300_799, 0]), 1).len() <= 2);
    }
}
