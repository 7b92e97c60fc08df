//! Sums over records, and their time range.

use serde::{Deserialize, Serialize};

use crate::record::Flow;
use crate::record::timestamp::Timestamp;

/// Flows, packets, and bytes. Each record counts as one flow. Sums saturate at 2^64 − 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Counters {
    /// Records.
    pub flows: u64,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Counters {
    /// Adds one record.
    #[inline(always)]
    pub fn observe(&mut self, flow: &Flow<'_>) {
        self.merge(Counters { flows: 1, packets: flow.packets, bytes: flow.bytes });
    }

    /// Adds other counters.
    #[inline(always)]
    pub fn merge(&mut self, other: Counters) {
        self.flows = self.flows.saturating_add(other.flows);
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Earliest start and latest end of a set of records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TimeRange {
    /// Earliest `start`.
    pub first_seen: Option<Timestamp>,
    /// Latest `end`.
    pub last_seen: Option<Timestamp>,
}

impl TimeRange {
    /// Extends the range by one record.
    #[inline(always)]
    pub fn observe(&mut self, start: Option<Timestamp>, end: Option<Timestamp>) {
        self.first_seen = min_some(self.first_seen, start);
        self.last_seen = self.last_seen.max(end);
    }

    /// Extends the range by another range.
    pub fn merge(&mut self, other: TimeRange) {
        self.observe(other.first_seen, other.last_seen);
    }
}

/// Returns the smaller of two values, ignoring `None` (which `Option`'s own order puts first).
#[inline(always)]
pub fn min_some<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Option<Timestamp> {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn sums_saturate_at_the_maximum() {
        let mut tally = Counters { flows: 1, packets: u64::MAX - 1, bytes: 3 };
        tally.merge(Counters { flows: 1, packets: 2, bytes: 4 });
        assert_eq!(tally, Counters { flows: 2, packets: u64::MAX, bytes: 7 });
    }

    #[test]
    fn an_absent_time_does_not_extend_the_range() {
        let mut seen = TimeRange::default();
        seen.observe(None, at(20));
        seen.observe(at(10), None);
        seen.observe(at(15), at(18));
        assert_eq!(seen, TimeRange { first_seen: at(10), last_seen: at(20) });
    }
}
