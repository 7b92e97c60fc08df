//! The filters of a report: which records it counts, and which findings it lists.

use super::format::{escape_unprintable, format_count, plural};
use super::{Renderer, YELLOW};
use crate::summary::Summary;

impl Renderer<'_> {
    /// Appends the filters, and what they left out. A report of a part must not look like that of the whole.
    pub(super) fn filters(&mut self, summary: &Summary) {
        let filters = summary.filters.clone().unwrap_or_default();
        let (filtered, total) = (summary.records.filtered, summary.records.total);
        let mut parts = Vec::new();
        let known = Some(escape_unprintable(&filters.record_options())).filter(|options| !options.is_empty());
        let unknown = summary.has_unknown_filters().then(|| "filters that this version does not know".to_owned());
        let by: Vec<String> = known.into_iter().chain(unknown).collect();
        if !by.is_empty() {
            let (filtered, total) = (format_count(filtered), plural(total, "record"));
            parts.push(format!("{filtered} of {total} left out by {}", by.join(" and ")));
        }
        if let Some(severity) = filters.min_severity {
            let findings = plural(filters.findings_left_out, "finding");
            parts.push(format!("{findings} below {} not listed", severity.name()));
        }
        if parts.is_empty() {
            return;
        }
        let text = format!("{YELLOW}FILTERED{YELLOW:#}  {}", parts.join("; "));
        self.line("");
        self.wrapped("", "  ", &text);
    }
}
