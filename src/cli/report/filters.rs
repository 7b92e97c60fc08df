//! The filters of a report: which records it counts, and which findings it lists.

use super::format::{escape_unprintable, format_count, plural};
use super::{Renderer, YELLOW};
use crate::summary::Summary;

impl Renderer<'_> {
    /// Appends the filters, and what they left out. A report of a part must not look like that of the whole.
    pub(super) fn filters(&mut self, summary: &Summary) {
        let Some(filters) = &summary.filters else { return };
        let (filtered, total) = (summary.records.filtered, summary.records.total);
        let mut parts = Vec::new();
        let records = escape_unprintable(&filters.record_options());
        if !records.is_empty() {
            parts.push(format!("{} of {} left out by {records}", format_count(filtered), plural(total, "record")));
        }
        if let Some(severity) = filters.min_severity {
            let findings = plural(filters.findings_left_out, "finding");
            parts.push(format!("{findings} below {} not listed", severity.name()));
        }
        let text = format!("{YELLOW}FILTERED{YELLOW:#}  {}", parts.join("; "));
        self.line("");
        self.wrapped("", "  ", &text);
    }
}
