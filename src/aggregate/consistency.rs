//! Checks that the sums of an analysis agree, for one that comes from a file.

use crate::aggregate::Analysis;
use crate::aggregate::interfaces::Interface;
use crate::aggregate::invalid_row::InvalidRow;
use crate::aggregate::timeline::BucketSums;

/// More records than any report has. Sums of flows over several stores stay below 2^64.
const MAX_RECORDS: u64 = 1 << 48;

impl Analysis {
    /// Checks that every record is in one class, in one input, and in the sums of one interface, and that no store has more records than
    /// there are.
    ///
    /// # Errors
    /// If the sums contradict each other.
    pub(crate) fn check_sums(&self) -> Result<(), InvalidRow> {
        let counts = &self.records;
        let classes =
            [counts.accepted, counts.rejected, counts.no_data, counts.skip_data, counts.other, counts.malformed];
        let sources = sum(self.sources.iter().map(|source| source.records));
        let interfaces =
            |flows: fn(&Interface) -> u64| sum(self.interfaces.iter().map(|(_, interface)| flows(interface)));
        let timeline = |flows: fn(&BucketSums) -> u64| sum(self.timeline.buckets().map(|(_, sums)| flows(&sums)));
        let analyzed = counts.accepted.saturating_add(counts.rejected);
        let agree = counts.total <= MAX_RECORDS
            && sum(classes) == counts.total
            && sources == counts.total
            && self.malformed.len() as u64 <= counts.malformed
            && interfaces(|interface| interface.accepted.flows) == counts.accepted
            && interfaces(|interface| interface.rejected.flows) == counts.rejected
            && interfaces(|interface| interface.skipped.flows) == counts.skip_data
            && sum(self.rejects.places().map(|(_, tally)| tally.flows)) == counts.rejected
            && timeline(|sums| sums.accepted.flows) <= counts.accepted
            && timeline(|sums| sums.rejected.flows) <= counts.rejected
            && self.rejects.kept_flows() <= counts.rejected
            && self.openings.kept_flows() <= counts.accepted
            && self.talkers.counted().flows <= counts.accepted
            && self.accepted.kept_flows() <= counts.accepted
            && self.let_through.kept_flows() <= counts.accepted
            && self.peering.classified_flows() <= analyzed
            && self.peering.kept_flows() <= analyzed
            // A record has up to four reasons.
            && sum(self.losses.iter().map(|(_, loss)| loss.tally.flows)) <= counts.other.saturating_mul(4);
        if agree { Ok(()) } else { Err(InvalidRow("its sums contradict each other")) }
    }
}

/// Returns the sum, at most 2^64 − 1.
fn sum(values: impl IntoIterator<Item = u64>) -> u64 {
    values.into_iter().fold(0, u64::saturating_add)
}
