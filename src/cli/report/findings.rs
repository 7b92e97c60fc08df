//! The findings of a run.

use super::format::{
    display_id, escape_unprintable, format_address, format_count, format_port, format_time_range, plural,
};
use super::{BOLD, Renderer, severity_style};
use crate::findings;
use crate::findings::types::{Example, Finding, FindingType, Severity};
use crate::summary::Summary;

const MAX_FINDINGS_PER_GROUP: usize = 5;

impl Renderer {
    /// Appends the findings, grouped by type and severity.
    pub(super) fn findings(&mut self, summary: &Summary) {
        if summary.findings.is_empty() {
            let records = summary.records;
            let has_flows = records.accepted + records.rejected > 0;
            self.heading(
                "FINDINGS",
                if has_flows { "none" } else { "none, because no accepted or rejected record was read" },
            );
            return;
        }
        let by_severity: Vec<String> = [Severity::High, Severity::Medium, Severity::Low]
            .into_iter()
            .map(|severity| (severity, summary.findings.iter().filter(|f| f.severity == severity).count()))
            .filter(|(_, count)| *count > 0)
            .map(|(severity, count)| format!("{} {}", format_count(count as u64), severity.name()))
            .collect();
        self.heading("FINDINGS", &by_severity.join(", "));
        for group in group_by_type(&summary.findings) {
            self.finding_group(&group);
        }
    }

    /// Appends findings of one type and severity: their meaning once, then each of them.
    fn finding_group(&mut self, findings: &[&Finding]) {
        let Some(first) = findings.first() else { return };
        let style = severity_style(first.severity);
        let (severity, name) = (first.severity.name().to_uppercase(), first.finding_type.name());
        self.line(format!("\n{style}{severity}{style:#} {BOLD}{name}{BOLD:#}"));
        self.wrapped("  ", "  ", findings::meaning(first.finding_type));
        for finding in findings.iter().take(MAX_FINDINGS_PER_GROUP) {
            self.finding(finding);
        }
        if let Some(more) = findings.len().checked_sub(MAX_FINDINGS_PER_GROUP).filter(|more| *more > 0) {
            self.line(format!("  - and {} more (--format json lists all)", format_count(more as u64)));
        }
        self.wrapped("  Next: ", "  ", findings::next_step(first.finding_type));
    }

    fn finding(&mut self, finding: &Finding) {
        let unit = if finding.finding_type == FindingType::SkippedData { "record" } else { "flow" };
        let flows = plural(finding.tally.flows, unit);
        let example = finding.examples.first();
        let example = example.map_or_else(String::new, |example| format!("; e.g. {}", format_example(example)));
        let seen = format_time_range(finding.seen);
        let details = format!("({flows}{seen}, {} confidence{example})", finding.confidence.name());
        self.wrapped("  - ", "    ", &format!("{} {details}", escape_unprintable(&finding.title)));
    }
}

/// Formats an example as `10.0.0.1 to 10.0.0.2 443/TCP (https) at eni-…`.
fn format_example(example: &Example) -> String {
    let port = format_port(example.dstport, example.protocol);
    let interface = display_id(example.interface_id.as_deref());
    format!("{} to {} {port} at {interface}", format_address(example.srcaddr), format_address(example.dstaddr))
}

/// Returns the findings grouped by type and severity. Keeps the order of the findings, so that the group with the worst finding is
/// first.
fn group_by_type(findings: &[Finding]) -> Vec<Vec<&Finding>> {
    let mut groups: Vec<Vec<&Finding>> = Vec::new();
    let key = |finding: &Finding| (finding.finding_type, finding.severity);
    for finding in findings {
        let same = |group: &&mut Vec<&Finding>| group.first().is_some_and(|first| key(first) == key(finding));
        match groups.iter_mut().find(same) {
            Some(group) => group.push(finding),
            None => groups.push(vec![finding]),
        }
    }
    groups
}
