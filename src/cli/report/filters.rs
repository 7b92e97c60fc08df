//! The filters of a report: which records it counts, and which findings it lists.

use super::format::{escape_unprintable, format_count, plural};
use super::{Renderer, YELLOW};
use crate::record::Action;
use crate::summary::{Filters, Summary};

impl Renderer<'_> {
    /// Appends the filters, and what they left out. A report of a part must not look like that of the whole.
    pub(super) fn filters(&mut self, summary: &Summary) {
        let Some(filters) = &summary.filters else { return };
        let (filtered, total) = (summary.records.filtered, summary.records.total);
        let mut parts = Vec::new();
        let records = record_filters(filters);
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

/// Returns the filters of records as the options of the command.
fn record_filters(filters: &Filters) -> String {
    let Filters { since, until, interface_ids, vpc_ids, addresses, ports, actions, .. } = filters;
    let mut options = Vec::new();
    let mut add = |name: &str, value: String| options.push(format!("--{name} {value}"));
    since.iter().for_each(|time| add("since", time.to_string()));
    until.iter().for_each(|time| add("until", time.to_string()));
    interface_ids.iter().for_each(|id| add("interface", escape_unprintable(id)));
    vpc_ids.iter().for_each(|id| add("vpc", escape_unprintable(id)));
    addresses.iter().for_each(|block| add("address", block.to_string()));
    ports.iter().for_each(|port| add("port", port.to_string()));
    actions.iter().for_each(|action| {
        let name = match action {
            Action::Accept => "ACCEPT",
            Action::Reject => "REJECT",
        };
        add("action", name.to_owned());
    });
    options.join(" ")
}
