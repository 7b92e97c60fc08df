//! The heaviest sources, ports, and pairs of addresses.

use maud::{Markup, html};

use super::list::Bounds;
use super::page::{
    self,
    Column::{Number, Text},
    RejectedShares,
};
use super::text::{address, bytes, count, if_filtered, resource};
use crate::summary::{PortRejects, SourceRejects, Summary, Talker};

/// A summary has ten of each.
const ROWS: Bounds = Bounds { entries: 10, bytes: 12_000 };

/// Renders the section of the heaviest sources, ports and pairs.
pub(super) fn section(summary: &Summary) -> Markup {
    let top = &summary.top;
    let is_empty = top.rejected_sources.is_empty() && top.rejected_ports.is_empty() && top.talkers.is_empty();
    html! {
        section #top aria-labelledby="top-title" {
            h2 #top-title { "Top sources, ports and talkers" }
            @if !summary.has_member("top") {
                p.empty { "The summary is of an earlier version, and does not have them." }
            } @else if is_empty {
                p.empty { "No traffic" (if_filtered(summary)) " that has addresses or ports." }
            }
            @if !is_empty && !top.exact {
                p.note { "A memory limit was reached: rejected sources and ports are approximate." }
            }
            div.beside {
                @if !top.rejected_sources.is_empty() { div { (sources(summary)) } }
                @if !top.rejected_ports.is_empty() { div { (ports(summary)) } }
            }
            @if !top.talkers.is_empty() { (talkers(summary)) }
        }
    }
}

fn sources(summary: &Summary) -> Markup {
    let rows = &summary.top.rejected_sources;
    let shares = RejectedShares::new(summary, rows.iter().map(|row| row.tally.flows));
    let row = |row: &SourceRejects| {
        html! { tr { th scope="row" { (address(row.srcaddr, &row.src)) } (shares.cells(row.tally.flows)) } }
    };
    let bounded = ROWS.render(rows, row);
    let columns = [Text("Source"), Number("Flows"), Text("Share")];
    html! {
        h3 { "Rejected sources" }
        (bounded.table("Sources with the most rejected flows", &columns, "top.rejected_sources"))
    }
}

fn ports(summary: &Summary) -> Markup {
    let rows = &summary.top.rejected_ports;
    let shares = RejectedShares::new(summary, rows.iter().map(|row| row.tally.flows));
    let row = |row: &PortRejects| {
        let port = page::port(row.dstport, row.protocol);
        html! { tr { th scope="row" { (port) } (shares.cells(row.tally.flows)) } }
    };
    let bounded = ROWS.render(rows, row);
    let columns = [Text("Port"), Number("Flows"), Text("Share")];
    html! {
        h3 { "Rejected ports" }
        (bounded.table("Ports with the most rejected flows", &columns, "top.rejected_ports"))
    }
}

fn talkers(summary: &Summary) -> Markup {
    let top = &summary.top;
    let row = |row: &Talker| {
        html! {
            tr {
                th scope="row" { (address(Some(row.srcaddr), &row.src)) }
                td { (address(Some(row.dstaddr), &row.dst)) }
                td.number { (bytes(row.accepted.bytes)) }
                td.number { (count(row.accepted.flows)) }
                td { (resource(row.interface_id.as_deref(), row.interface_name.as_deref())) }
            }
        }
    };
    let bounded = ROWS.render(&top.talkers, row);
    let columns = [Text("Source"), Text("Destination"), Number("Bytes"), Number("Flows"), Text("Interface")];
    html! {
        h3 { "Talkers" }
        (bounded.table("Pairs of addresses with the most accepted bytes", &columns, "top.talkers"))
        @if !top.talkers_exact {
            p.note {
                "There are too many pairs to count all of their records: each has at most " (bytes(top.talkers_error_bound)) " more."
            }
        }
    }
}
