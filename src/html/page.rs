//! Parts that all sections use: tables, bars, severities.

use maud::{Markup, html};

use super::text::{count, percent};
use crate::findings::types::Severity;
use crate::record::names;
use crate::summary::Summary;

/// Width of a full bar in pixels.
const BAR_WIDTH: f64 = 120.0;

/// Heading of a column.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    /// Text, which begins at the left.
    Text(&'static str),
    /// Numbers, which end at the right. Their cells have the class `number`.
    Number(&'static str),
}

/// Renders a table that scrolls where it is too wide. `rows` are `tr` elements.
pub(super) fn table(caption: &str, columns: &[Column], rows: &Markup) -> Markup {
    html! {
        div.scroll role="region" aria-label=(caption) tabindex="0" {
            table {
                caption { (caption) }
                thead {
                    tr {
                        @for column in columns {
                            @match column {
                                Column::Text(heading) => { th scope="col" { (heading) } }
                                Column::Number(heading) => { th.number scope="col" { (heading) } }
                            }
                        }
                    }
                }
                tbody { (rows) }
            }
        }
    }
}

/// Renders a picture's numbers as a table that opens on demand.
pub(super) fn as_table(table: &Markup) -> Markup {
    html! { details.data.twin { summary { "Show as a table" } (table) } }
}

/// Renders a severity as a shape and a word: colors alone say nothing to some readers.
pub(super) fn severity(severity: Severity) -> Markup {
    let (shape, word) = match severity {
        Severity::High => ("▲", "High"),
        Severity::Medium => ("◆", "Medium"),
        Severity::Low => ("●", "Low"),
    };
    html! { span.severity.(severity.name()) { span aria-hidden="true" { (shape) } " " (word) } }
}

/// The scale of the bars of a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct RejectedShares {
    largest: u64,
    whole: u64,
}

impl RejectedShares {
    /// Creates the scale for these numbers of rejected flows.
    pub(super) fn new(summary: &Summary, flows: impl Iterator<Item = u64>) -> RejectedShares {
        RejectedShares { largest: flows.max().unwrap_or(0), whole: summary.traffic.rejected.flows }
    }

    /// Renders two cells: the number, and its share of all rejected flows with a bar.
    pub(super) fn cells(self, flows: u64) -> Markup {
        let width = BAR_WIDTH * flows as f64 / self.largest.max(1) as f64;
        html! {
            td.number { (count(flows)) }
            td.share {
                svg.bar width=(BAR_WIDTH) height="8" viewBox={ "0 0 " (BAR_WIDTH) " 8" } preserveAspectRatio="none" aria-hidden="true" {
                    rect width=(format!("{:.1}", width.max(1.0))) height="8" rx="2" {}
                }
                " " (percent(flows, self.whole))
            }
        }
    }
}

/// Formats a port and its protocol, or the protocol alone.
pub(super) fn port(port: Option<u16>, protocol: Option<u8>) -> String {
    port.map_or_else(|| names::protocol(protocol), |port| names::port(port, protocol))
}
