//! The findings of a stored summary, and which of them are sent.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{MAX_TITLE_CHARACTERS, truncate};
use crate::findings;
use crate::findings::suppressions::member_text;
use crate::findings::types::{Confidence, Finding, FindingType, Severity};
use crate::sanitize::escape_truncated;

/// Maximum number of values of a subject in a text.
const MAX_SUBJECT_VALUES: usize = 8;

/// Which findings of an input are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// The minimum severity.
    pub min_severity: Severity,
    /// Whether to leave out findings that another input may refute: those whose confidence is not high.
    pub only_certain: bool,
}

impl Selection {
    /// Reports whether a finding is sent, unless it is suppressed: then only its memory changes.
    pub fn includes(&self, finding: &Finding) -> bool {
        self.allows(finding.severity, finding.confidence.name())
    }

    fn allows(&self, severity: Severity, confidence: &str) -> bool {
        severity >= self.min_severity && (!self.only_certain || confidence == Confidence::High.name())
    }
}

/// A finding in a stored summary.
#[derive(Debug, Clone, Deserialize)]
pub struct StoredFinding {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) finding_type: String,
    pub(crate) severity: Severity,
    pub(super) confidence: String,
    pub(crate) title: String,
    /// What to change, if the topology shows it. Summaries of older versions do not have it.
    #[serde(default)]
    next_step: Option<String>,
    pub(super) subject: Map<String, Value>,
    pub(super) details: Map<String, Value>,
    pub(super) evidence: BTreeSet<String>,
    pub(super) flows: u64,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) first_seen: Option<String>,
    pub(super) last_seen: Option<String>,
    pub(super) exact: bool,
    pub(super) examples: Vec<StoredExample>,
    /// Name tags of resources, by id. Summaries without a topology have none.
    #[serde(default)]
    pub(super) names: BTreeMap<String, String>,
    /// Set if the configuration suppresses it.
    #[serde(default)]
    suppressed: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct StoredExample {
    pub(super) interface_id: Option<String>,
    pub(super) srcaddr: Option<String>,
    pub(super) dstaddr: Option<String>,
    pub(super) srcport: Option<u16>,
    pub(super) dstport: Option<u16>,
    pub(super) protocol: Option<u8>,
    pub(super) action: String,
}

/// Returns the findings to send, in their order: lines of JSON with the most severe first. Suppressed ones, which are not sent, are among
/// them.
///
/// # Errors
/// If a line is not a finding.
pub fn select(findings: &[u8], selection: Selection) -> Result<Vec<StoredFinding>, serde_json::Error> {
    let lines = findings.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let mut selected: Vec<StoredFinding> = lines.map(serde_json::from_slice).collect::<Result<_, _>>()?;
    selected.retain(|finding| selection.allows(finding.severity, &finding.confidence));
    Ok(selected)
}

impl StoredFinding {
    /// Reports whether the configuration suppresses it.
    pub fn is_suppressed(&self) -> bool {
        self.suppressed.is_some()
    }

    /// Returns what to do: what the finding says, else what applies to all findings of its type.
    pub(crate) fn remediation(&self) -> Option<&str> {
        let known = FindingType::ALL.iter().find(|known| known.name() == self.finding_type);
        self.next_step.as_deref().or_else(|| known.map(|known| findings::next_step(*known)))
    }

    /// Returns the time of its first and of its last record, in seconds since the Unix epoch, as far as they are known.
    pub fn seen(&self) -> (Option<i64>, Option<i64>) {
        let seconds = |time: &Option<String>| time.as_deref().and_then(|time| time.parse::<Timestamp>().ok());
        (seconds(&self.first_seen).map(Timestamp::as_second), seconds(&self.last_seen).map(Timestamp::as_second))
    }

    /// Returns the subject as text, such as `src_vpc_id vpc-1 (shop), dst_vpc_id vpc-2`.
    pub(crate) fn subject_text(&self) -> String {
        let members = self.subject.iter().filter(|(_, value)| !value.is_null()).take(MAX_SUBJECT_VALUES);
        let texts: Vec<String> = members.map(|(name, value)| format!("{name} {}", self.named(value))).collect();
        escape_truncated(&texts.join(", "), MAX_TITLE_CHARACTERS)
    }

    /// Returns the members of the subject that are one value, as text.
    pub fn subject_members(&self) -> BTreeMap<String, String> {
        let members = self.subject.iter().take(MAX_SUBJECT_VALUES);
        members.filter_map(|(name, value)| Some((truncate(name), truncate(&member_text(value)?)))).collect()
    }

    /// Returns a value of the subject, with the names of the resources in it.
    fn named(&self, value: &Value) -> String {
        match value {
            Value::String(id) => match self.names.get(id) {
                Some(name) => format!("{} ({})", truncate(id), truncate(name)),
                None => truncate(id),
            },
            Value::Array(values) => {
                values.iter().take(MAX_SUBJECT_VALUES).map(|value| self.named(value)).collect::<Vec<_>>().join(" ")
            }
            other => other.to_string(),
        }
    }
}
