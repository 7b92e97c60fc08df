//! The differences of two summaries. [`compare`] depends on the summaries alone.
//!
//! A summary may lack data: its list of rejected groups is cut, a limit was reached, or an input failed. What is missing on one side only,
//! because it may be lacking there, is not certain, and the result says so.

mod rows;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

pub use self::rows::{
    Change, DIFFERENT_WINDOWS, Diff, DiffVerdict, FindingDiff, FindingFacts, FindingRow, GroupDiff, GroupRow, NOT_GONE,
    NOT_NEW, PairRow, Side, TrafficChange,
};
use crate::findings::types::Finding;
use crate::summary::doubt::Doubt;
use crate::summary::{Filters, Peering, Rejected, RejectedGroup, Summary, VpcPair};

/// The value of [`Diff::schema`].
const SCHEMA: &str = "flowsentry/diff/v1";

/// Windows whose lengths differ by more than this share of the longer one are not comparable by their sums.
const COMPARABLE_SHARE: u64 = 10;

const WITHOUT_TOPOLOGY: &str = "it was made without a topology";

/// Compares a summary, with the name of its file, with a later one.
pub fn compare(before: (&str, &Summary), after: (&str, &Summary)) -> Diff {
    let (old, new) = (before.1, after.1);
    let undecided = undecided(old, new);
    let (before, after) = (side(before), side(after));
    let findings = findings(old, new, before.lacks.is_empty(), after.lacks.is_empty());
    Diff {
        schema: SCHEMA,
        undecided,
        findings,
        rejected_groups: groups(&old.rejected, &new.rejected, before.lacks.is_empty(), after.lacks.is_empty()),
        vpc_pairs: old.peering.as_ref().zip(new.peering.as_ref()).map(|(old, new)| pairs(old, new)),
        before,
        after,
    }
}

impl Diff {
    /// Returns whether the windows have about the same length, so that their sums can be compared. `None` if a length is unknown.
    pub fn has_comparable_windows(&self) -> Option<bool> {
        let length = |side: &Side| {
            let window = side.window?;
            Some(window.end?.seconds().saturating_sub(window.start?.seconds()))
        };
        let (before, after) = (length(&self.before)?, length(&self.after)?);
        Some(before.abs_diff(after) <= before.max(after) / COMPARABLE_SHARE)
    }
}

fn side((file, summary): (&str, &Summary)) -> Side {
    let lacks = hidden(summary).into_iter().chain(lacks(summary)).collect();
    Side { file: file.to_owned(), window: summary.window, traffic: summary.traffic, lacks }
}

/// Returns why a finding of the second summary may be worse although none that it lists is. Filters of records count unless the first
/// summary has the same: then both are of the same part.
fn undecided(old: &Summary, new: &Summary) -> Vec<String> {
    // Two days have other times.
    let part = |summary: &Summary| {
        let filters = Filters { since: None, until: None, ..summary.filters.clone().unwrap_or_default() };
        filters.record_options()
    };
    let mut reasons = hidden(new);
    let part_of_new = part(new);
    if !part_of_new.is_empty() && part_of_new != part(old) {
        reasons.push(format!("filters left out records: {part_of_new}"));
    }
    if old.peering.is_some() && new.peering.is_none() {
        reasons.push(WITHOUT_TOPOLOGY.to_owned());
    }
    reasons
}

/// Returns why findings of a summary may be missing, in words. [`undecided`] and [`lacks`] have its filters.
fn hidden(summary: &Summary) -> Vec<String> {
    let hides = |doubt: &Doubt| match doubt {
        Doubt::Filtered { .. } => false,
        Doubt::NoTraffic { other } => *other == 0,
        _ => true,
    };
    summary.doubts().iter().filter(|doubt| hides(doubt)).map(Doubt::to_string).collect()
}

/// Returns what else a summary lacks, in words.
fn lacks(summary: &Summary) -> Vec<String> {
    let mut lacks = Vec::new();
    let filters = summary.filters.as_ref().map(Filters::record_options).unwrap_or_default();
    if !filters.is_empty() {
        lacks.push(format!("filters left out records: {filters}"));
    }
    if !summary.rejected.by_cause_exact {
        lacks.push("causes were decided in parts".to_owned());
    }
    if summary.peering.as_ref().is_some_and(|peering| !peering.exact) {
        lacks.push("replies are not certain".to_owned());
    }
    if summary.records.skip_data > 0 {
        lacks.push("AWS skipped records".to_owned());
    }
    if summary.peering.is_none() {
        lacks.push(WITHOUT_TOPOLOGY.to_owned());
    }
    for (list, count) in summary.unknown.iter().filter(|(list, _)| !["findings", "filters"].contains(list)) {
        lacks.push(format!("{count} of {list} are unknown to this version"));
    }
    lacks
}

fn findings(old: &Summary, new: &Summary, new_certain: bool, gone_certain: bool) -> FindingDiff {
    let (before, after) = (by_id(old), by_id(new));
    let mut diff = FindingDiff { new_certain, gone_certain, ..FindingDiff::default() };
    for finding in &new.findings {
        let Some(known) = before.get(finding.id.as_str()) else {
            diff.new.push(row(finding));
            continue;
        };
        let change = Change {
            id: finding.id.clone(),
            finding_type: finding.finding_type,
            title: finding.title.clone(),
            before: facts(known),
            after: facts(finding),
        };
        let state = |facts: FindingFacts| (facts.severity, facts.confidence, facts.suppressed);
        let list = if state(change.before) == state(change.after) { &mut diff.ongoing } else { &mut diff.changed };
        list.push(change);
    }
    diff.gone = old.findings.iter().filter(|finding| !after.contains_key(finding.id.as_str())).map(row).collect();
    diff
}

/// Returns the findings of a summary by their ids.
fn by_id(summary: &Summary) -> HashMap<&str, &Finding> {
    summary.findings.iter().map(|finding| (finding.id.as_str(), finding)).collect()
}

fn row(finding: &Finding) -> FindingRow {
    FindingRow {
        id: finding.id.clone(),
        finding_type: finding.finding_type,
        title: finding.title.clone(),
        facts: facts(finding),
    }
}

fn facts(finding: &Finding) -> FindingFacts {
    FindingFacts {
        severity: finding.severity,
        confidence: finding.confidence,
        suppressed: finding.suppressed.is_some(),
        tally: finding.tally,
    }
}

/// What identifies a rejected group.
type GroupId<'a> = (Option<&'a str>, Option<IpAddr>, Option<IpAddr>, Option<u16>, Option<u8>);

fn id(group: &RejectedGroup) -> GroupId<'_> {
    (group.interface_id.as_deref(), group.srcaddr, group.dstaddr, group.dstport, group.protocol)
}

fn groups(old: &Rejected, new: &Rejected, old_is_complete: bool, new_is_complete: bool) -> GroupDiff {
    let missing = |from: &Rejected, of: &Rejected| -> Vec<GroupRow> {
        let known: HashSet<GroupId<'_>> = from.groups.iter().map(id).collect();
        of.groups.iter().filter(|group| !known.contains(&id(group))).map(GroupRow::from).collect()
    };
    let lists_all = |rejected: &Rejected| rejected.exact && rejected.groups.len() as u64 == rejected.group_count;
    GroupDiff {
        new: missing(old, new),
        gone: missing(new, old),
        new_certain: old_is_complete && lists_all(old),
        gone_certain: new_is_complete && lists_all(new),
    }
}

fn pairs(old: &Peering, new: &Peering) -> Vec<PairRow> {
    let mut rows: BTreeMap<(&str, &str), PairRow> = BTreeMap::new();
    for pair in &old.vpc_pairs {
        rows.entry((&pair.src_vpc_id, &pair.dst_vpc_id)).or_insert_with(|| pair_row(pair)).change.before = pair.traffic;
    }
    for pair in &new.vpc_pairs {
        let row = rows.entry((&pair.src_vpc_id, &pair.dst_vpc_id)).or_insert_with(|| pair_row(pair));
        let before = row.change.before;
        *row = PairRow { change: TrafficChange { before, after: pair.traffic }, ..pair_row(pair) };
    }
    let mut rows: Vec<PairRow> = rows.into_values().collect();
    rows.sort_by_key(|row| Reverse(row.change.accepted_bytes()));
    rows
}

fn pair_row(pair: &VpcPair) -> PairRow {
    PairRow {
        src_vpc_id: pair.src_vpc_id.clone(),
        src_vpc_name: pair.src_vpc_name.clone(),
        dst_vpc_id: pair.dst_vpc_id.clone(),
        dst_vpc_name: pair.dst_vpc_name.clone(),
        peering_connection_id: pair.peering_connection_id.clone(),
        peering_connection_name: pair.peering_connection_name.clone(),
        change: TrafficChange::default(),
    }
}

#[cfg(test)]
mod tests;
