//! Sums over records, and when they were seen.

use serde::Serialize;

use crate::record::Flow;
use crate::record::timestamp::Timestamp;

/// Flows, packets and bytes. A record is one flow. Sums stay at 2^64 − 1 rather than overflow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
    /// Counts one more record.
    #[inline(always)]
    pub fn observe(&mut self, flow: &Flow<'_>) {
        self.merge(Counters { flows: 1, packets: flow.packets, bytes: flow.bytes });
    }

    /// Adds what another tally counted.
    #[inline(always)]
    pub fn merge(&mut self, other: Counters) {
        self.flows = self.flows.saturating_add(other.flows);
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Least start and greatest end of some records, where any has one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TimeRange {
    /// Least `start`.
    pub first_seen: Option<Timestamp>,
    /// Greatest `end`.
    pub last_seen: Option<Timestamp>,
}

impl TimeRange {
    /// Widens the span to hold one more record.
    #[inline(always)]
    pub fn observe(&mut self, start: Option<Timestamp>, end: Option<Timestamp>) {
        self.first_seen = least(self.first_seen, start);
        self.last_seen = self.last_seen.max(end);
    }

    /// Widens the span to hold another.
    pub fn merge(&mut self, other: TimeRange) {
        self.observe(other.first_seen, other.last_seen);
    }
}

/// The lesser of two where both are there (`None` is least to `Option`'s own order, so `min` won't do).
#[inline(always)]
pub fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
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
    fn sums_stay_at_the_maximum() {
        let mut tally = Counters { flows: 1, packets: u64::MAX - 1, bytes: 3 };
        tally.merge(Counters { flows: 1, packets: 2, bytes: 4 });
        assert_eq!(tally, Counters { flows: 2, packets: u64::MAX, bytes: 7 });
    }

    #[test]
    fn an_absent_time_widens_nothing() {
        let mut seen = TimeRange::default();
        seen.observe(None, at(20));
        seen.observe(at(10), None);
        seen.observe(at(15), at(18));
        assert_eq!(seen, TimeRange { first_seen: at(10), last_seen: at(20) });
    }
}
