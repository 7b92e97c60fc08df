//! The result of `diff`. It serializes to JSON.

use std::net::IpAddr;

use serde::Serialize;

use crate::aggregate::counters::Counters;
use crate::aggregate::rejected::cause::Cause;
use crate::findings::types::{Confidence, FindingType, Severity};
use crate::summary::{RejectedGroup, Traffic, Window};

/// Remark on a list of new elements, some of which may be older.
pub const NOT_NEW: &str = "not certain: the summary before does not have everything";
/// Remark on a list of elements that are gone, some of which may last.
pub const NOT_GONE: &str = "not certain: the summary after does not have everything";
/// Remark on two summaries whose sums cannot be compared as they are.
pub const DIFFERENT_WINDOWS: &str = "The windows have different lengths: compare flows and bytes with care.";

/// What differs between two summaries.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// Always `flowsentry/diff/v1`.
    pub schema: &'static str,
    /// The first summary.
    pub before: Side,
    /// The second summary.
    pub after: Side,
    /// Why a finding of the second summary may be worse although none that it lists is: what hides findings, in words.
    pub undecided: Vec<String>,
    /// Findings that are in one summary only, or that changed.
    pub findings: FindingDiff,
    /// Rejected groups that are in one summary only.
    pub rejected_groups: GroupDiff,
    /// Traffic between VPCs, by the change of accepted bytes, the greatest first. Null unless both summaries have a topology.
    pub vpc_pairs: Option<Vec<PairRow>>,
}

/// Whether the second summary is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffVerdict {
    /// A finding is new, or has a higher severity.
    Worse,
    /// No listed finding is worse, and the second summary hides none.
    NoWorse,
    /// No listed finding is worse, but the second summary may hide some.
    Unknown,
}

/// One of the summaries.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// The file.
    pub file: String,
    /// Earliest start and latest end of its records.
    pub window: Option<Window>,
    /// Accepted and rejected traffic.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// What it lacks, so that something else may be missing from it. Empty if it is complete.
    pub lacks: Vec<String>,
}

/// Findings that are in one summary only, or in both.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FindingDiff {
    /// Those of the second summary only.
    pub new: Vec<FindingRow>,
    /// Those of the first summary only.
    pub gone: Vec<FindingRow>,
    /// Those of both whose severity or confidence changed, or which the configuration suppresses in one only.
    pub changed: Vec<Change>,
    /// All other findings of both.
    pub ongoing: Vec<Change>,
    /// False if the first summary lacks something: a new finding may be older.
    pub new_certain: bool,
    /// False if the second summary lacks something: a finding that is gone may last.
    pub gone_certain: bool,
}

/// A finding of one summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingRow {
    /// Id of the finding.
    pub id: String,
    /// Type of the problem.
    #[serde(rename = "type")]
    pub finding_type: FindingType,
    /// Description in one line.
    pub title: String,
    /// What may change.
    #[serde(flatten)]
    pub facts: FindingFacts,
}

/// A finding of both summaries. The title is that of the second one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Id of the finding.
    pub id: String,
    /// Type of the problem.
    #[serde(rename = "type")]
    pub finding_type: FindingType,
    /// Description in one line.
    pub title: String,
    /// In the first summary.
    pub before: FindingFacts,
    /// In the second summary.
    pub after: FindingFacts,
}

/// What may change of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FindingFacts {
    /// Severity of the problem.
    pub severity: Severity,
    /// Confidence in the finding.
    pub confidence: Confidence,
    /// Whether the configuration suppresses it.
    pub suppressed: bool,
    /// Sums of the records that support it.
    #[serde(flatten)]
    pub tally: Counters,
}

/// Rejected groups that one summary lists, and the other does not have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GroupDiff {
    /// Those of the second summary only.
    pub new: Vec<GroupRow>,
    /// Those of the first summary only.
    pub gone: Vec<GroupRow>,
    /// False if the first summary does not list all of its groups: a new one may be among the others.
    pub new_certain: bool,
    /// False if the second summary does not list all of its groups.
    pub gone_certain: bool,
}

/// A rejected group of one summary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct GroupRow {
    /// Interface that recorded the traffic.
    pub interface_id: Option<String>,
    /// Name tag of the interface.
    pub interface_name: Option<String>,
    /// Source address.
    pub srcaddr: Option<IpAddr>,
    /// Name of the interface that has it.
    pub src_name: Option<String>,
    /// Destination address.
    pub dstaddr: Option<IpAddr>,
    /// Name of the interface that has it.
    pub dst_name: Option<String>,
    /// Destination port.
    pub dstport: Option<u16>,
    /// IANA protocol number.
    pub protocol: Option<u8>,
    /// Cause of most of its flows.
    pub cause: Cause,
    /// Sums of its records.
    #[serde(flatten)]
    pub tally: Counters,
}

/// Traffic from one VPC to another, in both summaries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PairRow {
    /// VPC of the sources.
    pub src_vpc_id: String,
    /// Name tag of this VPC.
    pub src_vpc_name: Option<String>,
    /// VPC of the destinations.
    pub dst_vpc_id: String,
    /// Name tag of this VPC.
    pub dst_vpc_name: Option<String>,
    /// Connection between them, as the second summary has it.
    pub peering_connection_id: Option<String>,
    /// Name tag of the connection.
    pub peering_connection_name: Option<String>,
    /// The traffic.
    #[serde(flatten)]
    pub change: TrafficChange,
}

/// Traffic in both summaries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TrafficChange {
    /// In the first summary.
    pub before: Traffic,
    /// In the second summary.
    pub after: Traffic,
}

impl DiffVerdict {
    /// Returns the verdict in words.
    pub fn words(self) -> &'static str {
        match self {
            DiffVerdict::Worse => "WORSE",
            DiffVerdict::NoWorse => "NO WORSE",
            DiffVerdict::Unknown => "UNKNOWN",
        }
    }
}

impl FindingDiff {
    /// Returns the number of findings in each list, and the word for it.
    pub fn counts(&self) -> [(usize, &'static str); 4] {
        [
            (self.new.len(), "new"),
            (self.changed.len(), "changed"),
            (self.gone.len(), "gone"),
            (self.ongoing.len(), "ongoing"),
        ]
    }
}

impl Change {
    /// Describes what changed, apart from the tally: `severity low → high`.
    pub fn in_words(&self) -> String {
        let Change { before, after, .. } = self;
        let mut changes = Vec::new();
        if before.severity != after.severity {
            changes.push(format!("severity {} → {}", before.severity.name(), after.severity.name()));
        }
        if before.confidence != after.confidence {
            changes.push(format!("confidence {} → {}", before.confidence.name(), after.confidence.name()));
        }
        if before.suppressed != after.suppressed {
            changes.push(if after.suppressed { "now suppressed" } else { "no longer suppressed" }.to_owned());
        }
        changes.join(", ")
    }
}

impl Diff {
    /// Returns why the verdict is unknown, as a sentence. `None` for the other verdicts. Names of the summary are not escaped.
    pub fn doubt(&self) -> Option<String> {
        let reasons = || self.undecided.join("; ");
        (self.verdict() == DiffVerdict::Unknown)
            .then(|| format!("No listed finding is worse, but the summary after may hide some: {}", reasons()))
    }

    /// Returns whether the second summary is worse.
    pub fn verdict(&self) -> DiffVerdict {
        match (self.is_worse(), self.undecided.is_empty()) {
            (true, _) => DiffVerdict::Worse,
            (false, true) => DiffVerdict::NoWorse,
            (false, false) => DiffVerdict::Unknown,
        }
    }

    /// Returns whether a finding is new, or has a higher severity. Suppressed ones do not count.
    pub fn is_worse(&self) -> bool {
        let FindingDiff { new, changed, .. } = &self.findings;
        let is_worse = |change: &Change| {
            !change.after.suppressed && (change.after.severity > change.before.severity || change.before.suppressed)
        };
        new.iter().any(|finding| !finding.facts.suppressed) || changed.iter().any(is_worse)
    }
}

impl TrafficChange {
    /// Returns the difference of the accepted bytes.
    pub fn accepted_bytes(&self) -> u64 {
        self.before.accepted.bytes.abs_diff(self.after.accepted.bytes)
    }
}

impl From<&RejectedGroup> for GroupRow {
    fn from(group: &RejectedGroup) -> GroupRow {
        GroupRow {
            interface_id: group.interface_id.clone(),
            interface_name: group.interface_name.clone(),
            srcaddr: group.srcaddr,
            src_name: group.src.name.clone(),
            dstaddr: group.dstaddr,
            dst_name: group.dst.name.clone(),
            dstport: group.dstport,
            protocol: group.protocol,
            cause: group.cause,
            tally: group.tally,
        }
    }
}
