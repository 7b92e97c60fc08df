//! The report of `top`: the sources and ports with the most rejected flows, and the pairs with the most accepted bytes.

use std::net::IpAddr;

use indicatif::DecimalBytes;

use super::Renderer;
use super::format::{display_id, display_name, format_address, format_count, format_percent, format_port};
use super::table::{Cell, Column};
use crate::summary::{PortRejects, SourceRejects, Summary, Talker};
use crate::topology::endpoint::Endpoint;

const SOURCE_COLUMNS: [Column; 5] = [
    Column::number("FLOWS", 0),
    Column::number("SHARE", 1),
    Column::number("PACKETS", 3),
    Column::number("BYTES", 2),
    Column::text("SOURCE", 0),
];
const PORT_COLUMNS: [Column; 5] = [
    Column::number("FLOWS", 0),
    Column::number("SHARE", 1),
    Column::number("PACKETS", 3),
    Column::number("BYTES", 2),
    Column::text("PORT", 0),
];
const TALKER_COLUMNS: [Column; 6] = [
    Column::number("BYTES", 0),
    Column::number("SHARE", 1),
    Column::number("FLOWS", 2),
    Column::text("SOURCE", 0),
    Column::text("DESTINATION", 0),
    Column::text("INTERFACE", 3),
];

/// Heading of the pairs.
pub(super) const TALKERS: &str = "ACCEPTED BYTES BY PAIR";

/// Renders the heaviest sources, ports, and pairs, for a terminal with this number of columns.
pub(in crate::cli) fn render_top(summary: &Summary, width: usize) -> String {
    let mut renderer = Renderer::new(width);
    renderer.header(summary);
    renderer.failures(summary);
    renderer.filters(summary);
    let top = &summary.top;
    if top.rejected_sources.is_empty() && top.talkers.is_empty() {
        let rejected = summary.traffic.rejected.flows;
        let text = if rejected > 0 || summary.traffic.accepted.flows > 0 {
            "No list: an earlier version made the summary, or the records have no addresses. Analyze the logs again."
        } else {
            "No accepted or rejected records."
        };
        renderer.wrapped("\n", "", text);
        return renderer.text;
    }
    renderer.heaviest(summary);
    renderer.text
}

impl Renderer<'_> {
    /// Appends the lists that are not empty.
    pub(super) fn heaviest(&mut self, summary: &Summary) {
        self.top_sources(summary);
        self.top_ports(summary);
        self.top_talkers(summary);
    }

    fn top_sources(&mut self, summary: &Summary) {
        let (rows, all) = (&summary.top.rejected_sources, summary.traffic.rejected.flows);
        let row = |row: &SourceRejects| {
            vec![
                format_count(row.tally.flows).into(),
                format_percent(row.tally.flows, all).into(),
                format_count(row.tally.packets).into(),
                DecimalBytes(row.tally.bytes).to_string().into(),
                end(row.srcaddr, &row.src),
            ]
        };
        self.top_list(
            "REJECTED BY SOURCE",
            rejects_note(summary),
            &SOURCE_COLUMNS,
            &rows.iter().map(row).collect::<Vec<_>>(),
        );
    }

    fn top_ports(&mut self, summary: &Summary) {
        let (rows, all) = (&summary.top.rejected_ports, summary.traffic.rejected.flows);
        let row = |row: &PortRejects| {
            vec![
                format_count(row.tally.flows).into(),
                format_percent(row.tally.flows, all).into(),
                format_count(row.tally.packets).into(),
                DecimalBytes(row.tally.bytes).to_string().into(),
                format_port(row.dstport, row.protocol).into(),
            ]
        };
        self.top_list(
            "REJECTED BY PORT",
            rejects_note(summary),
            &PORT_COLUMNS,
            &rows.iter().map(row).collect::<Vec<_>>(),
        );
    }

    fn top_talkers(&mut self, summary: &Summary) {
        let (rows, all) = (&summary.top.talkers, summary.traffic.accepted.bytes);
        let row = |row: &Talker| {
            let id = display_id(row.interface_id.as_deref());
            let full = row
                .interface_name
                .as_deref()
                .map_or_else(|| id.clone(), |name| format!("{} ({id})", display_name(name)));
            vec![
                DecimalBytes(row.accepted.bytes).to_string().into(),
                format_percent(row.accepted.bytes, all).into(),
                format_count(row.accepted.flows).into(),
                end(Some(row.srcaddr), &row.src),
                end(Some(row.dstaddr), &row.dst),
                Cell { full, short: id },
            ]
        };
        self.top_list(TALKERS, &talkers_note(summary), &TALKER_COLUMNS, &rows.iter().map(row).collect::<Vec<_>>());
    }

    fn top_list(&mut self, heading: &str, note: &str, columns: &[Column], rows: &[Vec<Cell>]) {
        if rows.is_empty() {
            return;
        }
        self.heading(heading, note);
        self.table(columns, rows);
    }
}

fn rejects_note(summary: &Summary) -> &'static str {
    if summary.top.exact { "" } else { "at least: there are too many to count all of their records" }
}

/// Returns how exact the sums of the pairs are, or nothing if they are.
pub(super) fn talkers_note(summary: &Summary) -> String {
    let bound = DecimalBytes(summary.top.talkers_error_bound);
    if summary.top.talkers_exact { String::new() } else { format!("at least: each has at most {bound} more") }
}

/// Formats an address with its name: `10.0.1.5 (web-1)`, or that of the service that owns it.
fn end(address: Option<IpAddr>, endpoint: &Endpoint) -> Cell {
    let short = format_address(address);
    let service = endpoint.service.as_deref().filter(|service| *service != "ec2");
    let full = match endpoint.name.as_deref().or(service) {
        Some(name) => format!("{short} ({})", display_name(name)),
        None => short.clone(),
    };
    Cell { full, short }
}
