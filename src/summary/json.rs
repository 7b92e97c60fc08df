//! Serializes summaries and findings as JSON Lines: one document per line, as Amazon Athena reads them. [`read`] reads a stored summary.

use serde::Serialize;

pub(crate) use super::stored::UNKNOWN_LIMIT;
pub use super::stored::{MAX_SUMMARY_BYTES, SummaryError, is_summary, read};
use crate::findings::topology_check::Check;
use crate::findings::types::Finding;
use crate::summary::Summary;

/// Serializes a summary as one line.
pub fn render(summary: &Summary) -> Vec<u8> {
    line(summary)
}

/// Serializes each finding as one line.
pub fn render_findings(findings: &[Finding]) -> Vec<u8> {
    findings.iter().flat_map(line).collect()
}

/// Serializes the result of a topology check as one line.
pub(crate) fn render_check(check: &Check) -> Vec<u8> {
    line(check)
}

/// Serializes a value as one line of JSON.
#[expect(
    clippy::expect_used,
    reason = "all serialized types are structs of JSON values, and their maps have string keys"
)]
pub(crate) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("the type serializes to JSON");
    line.push(b'\n');
    line
}
