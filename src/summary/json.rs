//! Summaries and findings as JSON, one document a line, as programs and Athena read them.

use serde::Serialize;

use crate::findings::topology_check::Check;
use crate::findings::types::Finding;
use crate::summary::Summary;

/// The summary on one line.
pub fn render(summary: &Summary) -> Vec<u8> {
    line(summary)
}

/// One line for each finding.
pub fn render_findings(findings: &[Finding]) -> Vec<u8> {
    findings.iter().flat_map(line).collect()
}

/// What is wrong with a topology, on one line.
pub fn render_check(check: &Check) -> Vec<u8> {
    line(check)
}

/// Writes one value as one line of JSON.
pub(crate) fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line =
        serde_json::to_vec(value).expect("the summary's types are all JSON, and their map has names as keys");
    line.push(b'\n');
    line
}
