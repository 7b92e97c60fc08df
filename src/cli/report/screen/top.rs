//! The sources and the ports that are rejected most, and the pairs of addresses with the most accepted bytes.

use std::net::IpAddr;

use indicatif::DecimalBytes;
use textwrap::core::display_width;

use super::GAP;
use crate::aggregate::counters::Counters;
use crate::cli::report::Renderer;
use crate::cli::report::format::{display_name, format_address, format_count, format_percent, format_port};
use crate::cli::report::heaviest::{TALKERS, talkers_note};
use crate::cli::report::short_names::ShortNames;
use crate::cli::report::table::{Cell, Column};
use crate::summary::{Filters, SourceRejects, Summary, Talker};
use crate::topology::endpoint::Endpoint;

/// Maximum number of pairs of addresses.
const MAX_TALKERS: usize = 5;

/// One of the two lists, the most flows first.
pub(super) struct TopList {
    heading: &'static str,
    rows: Vec<(Cell, Counters)>,
    /// Flows of which a row has a share.
    all: u64,
}

/// Returns the lists that are not empty. Summaries of earlier versions have none.
pub(super) fn lists(summary: &Summary, names: &ShortNames<'_>) -> Vec<TopList> {
    let (top, all) = (&summary.top, summary.traffic.rejected.flows);
    let heading = |exact, approximate| if top.exact { exact } else { approximate };
    let sources = top.rejected_sources.iter();
    let ports = top.rejected_ports.iter();
    let lists = [
        TopList {
            heading: heading("REJECTED BY SOURCE", "REJECTED BY SOURCE, ABOUT"),
            rows: sources.map(|row| (source(row, names), row.tally)).collect(),
            all,
        },
        TopList {
            heading: heading("REJECTED BY PORT", "REJECTED BY PORT, ABOUT"),
            rows: ports.map(|row| (Cell::from(format_port(row.dstport, row.protocol)), row.tally)).collect(),
            all,
        },
    ];
    lists.into_iter().filter(|list| !list.rows.is_empty()).collect()
}

/// Returns the pairs of addresses with the most accepted bytes, below a heading, if a filter asks for a part of the network.
pub(super) fn talkers(summary: &Summary, names: &ShortNames<'_>, width: usize, rows: usize) -> Vec<String> {
    let asks_for_part = summary.filters.as_ref().is_some_and(|filters| {
        let Filters { interface_ids, vpc_ids, addresses, ports, .. } = filters;
        !(interface_ids.is_empty() && vpc_ids.is_empty() && addresses.is_empty() && ports.is_empty())
    });
    let talkers = &summary.top.talkers;
    if !asks_for_part || talkers.is_empty() {
        return Vec::new();
    }
    let columns = [
        Column::text("SOURCE", 0),
        Column::text("DESTINATION", 0),
        Column::number("BYTES", 0),
        Column::number("SHARE", 1),
    ];
    let row = |row: &Talker| {
        vec![
            end(Some(row.srcaddr), &row.src, names),
            end(Some(row.dstaddr), &row.dst, names),
            DecimalBytes(row.accepted.bytes).to_string().into(),
            format_percent(row.accepted.bytes, summary.traffic.accepted.bytes).into(),
        ]
    };
    let mut renderer = Renderer::new(width);
    renderer.heading(TALKERS, &talkers_note(summary));
    renderer.table(&columns, &talkers.iter().take(rows.min(MAX_TALKERS)).map(row).collect::<Vec<_>>());
    renderer.text.trim_start().lines().map(str::to_owned).collect()
}

fn source(row: &SourceRejects, names: &ShortNames<'_>) -> Cell {
    end(row.srcaddr, &row.src, names)
}

/// Formats an address with the name of the interface that has it: `10.0.1.5 (web-1)`, or that of the service that owns it.
fn end(address: Option<IpAddr>, endpoint: &Endpoint, names: &ShortNames<'_>) -> Cell {
    let address = format_address(address);
    let name = endpoint.interface_id.as_deref().and_then(|id| names.name(id));
    let service = endpoint.service.as_deref().filter(|service| *service != "ec2");
    match name.or(service).or(endpoint.name.as_deref()) {
        Some(name) => Cell { full: format!("{address} ({})", display_name(name)), short: address },
        None => Cell::from(address),
    }
}

impl TopList {
    /// Returns the columns of an address or port and its flows, without a name.
    pub(super) fn min_width(&self, rows: usize) -> usize {
        let rows = || self.rows.iter().take(rows);
        let labels = rows().map(|(label, _)| display_width(&label.short)).max().unwrap_or(0);
        let flows = rows().map(|(_, tally)| format_count(tally.flows).len()).fold("FLOWS".len(), usize::max);
        GAP + labels.max(self.heading.len()) + GAP + flows
    }

    /// Renders at most this number of rows below the heading.
    pub(super) fn render(&self, rows: usize, width: usize) -> Vec<String> {
        let columns = [Column::text(self.heading, 0), Column::number("FLOWS", 0), Column::number("SHARE", 1)];
        let row = |(label, tally): &(Cell, Counters)| {
            vec![label.clone(), format_count(tally.flows).into(), format_percent(tally.flows, self.all).into()]
        };
        let mut renderer = Renderer::new(width);
        renderer.table(&columns, &self.rows.iter().take(rows).map(row).collect::<Vec<_>>());
        renderer.text.lines().map(str::to_owned).collect()
    }
}
