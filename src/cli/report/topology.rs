//! What is wrong with a topology, as people read it.

use super::format::{plural, printable};
use super::{SummaryBuilder, severity_style};
use crate::findings::topology_check::Check;

impl SummaryBuilder {
    pub(super) fn check(&mut self, check: &Check) {
        let counts = [
            plural(check.vpcs as u64, "VPC"),
            plural(check.peering_connections as u64, "peering connection"),
            plural(check.route_tables as u64, "route table"),
        ];
        self.line(counts.join(", "));
        if check.findings.is_empty() {
            self.heading("FINDINGS", "none");
        }
        let mut last = None;
        for finding in &check.findings {
            let kind = (finding.severity, finding.finding_type);
            if last != Some(kind) {
                last = Some(kind);
                let style = severity_style(finding.severity);
                let severity = finding.severity.name().to_uppercase();
                self.line(format!("\n{style}{severity}{style:#} {}", finding.finding_type.name()));
                self.wrapped("  ", "  ", finding.finding_type.advice());
            }
            self.wrapped("  - ", "    ", &printable(&finding.title));
        }
    }
}
