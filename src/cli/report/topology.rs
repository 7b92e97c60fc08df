//! The result of `topology check`.

use super::format::{escape_unprintable, plural};
use super::{Renderer, severity_style};
use crate::findings::topology_check::Check;

impl Renderer<'_> {
    /// Appends the number of resources, and the problems grouped by type.
    pub(super) fn check(&mut self, check: &Check) {
        let counts = [
            plural(check.vpcs as u64, "VPC"),
            plural(check.peering_connections as u64, "peering connection"),
            plural(check.route_tables as u64, "route table"),
        ];
        self.wrapped("", "  ", &counts.join(", "));
        if check.findings.is_empty() {
            self.heading("FINDINGS", "none");
        }
        let mut last = None;
        for finding in &check.findings {
            let group = (finding.severity, finding.finding_type);
            if last != Some(group) {
                last = Some(group);
                let style = severity_style(finding.severity);
                let severity = finding.severity.name().to_uppercase();
                self.line(format!("\n{style}{severity}{style:#} {}", finding.finding_type.name()));
                self.wrapped("  ", "  ", finding.finding_type.advice());
            }
            self.wrapped("  - ", "    ", &escape_unprintable(&finding.title));
        }
    }
}
