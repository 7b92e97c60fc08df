//! Summaries and findings as JSON, one document a line, as programs and Athena read them.

use crate::finding::Finding;
use crate::summary::Summary;

/// The summary on one line.
pub fn render(summary: &Summary) -> Vec<u8> {
    line(summary)
}

/// One line for each finding.
pub fn render_findings(findings: &[Finding]) -> Vec<u8> {
    findings.iter().flat_map(line).collect()
}

fn line(value: &impl serde::Serialize) -> Vec<u8> {
    let mut line =
        serde_json::to_vec(value).expect("the summary's types are all JSON, and their map has names as keys");
    line.push(b'\n');
    line
}
