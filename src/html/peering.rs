//! The section of traffic between VPCs, with the table of pairs.

use maud::{Markup, html};

use super::list::Bounds;
use super::page::{
    self,
    Column::{Number, Text},
};
use super::text::{bytes, count, if_filtered, name, resource};
use super::vpcs::by_traffic;
use super::{graph, matrix};
use crate::summary::json::UNKNOWN_LIMIT;
use crate::summary::{Peering, Summary, VpcPair};

const PAIRS: Bounds = Bounds { entries: 100, bytes: 40_000 };

/// Renders the section of traffic between VPCs.
pub(super) fn section(summary: &Summary) -> Markup {
    html! {
        section #vpcs aria-labelledby="vpcs-title" {
            h2 #vpcs-title { "Traffic between VPCs" }
            @match &summary.peering {
                None => { p.empty { "Not judged: the analysis had no topology (--topology)." } }
                Some(peering) if peering.vpc_pairs.is_empty() => { p.empty { "No record" (if_filtered(summary)) " is of traffic between known VPCs." } }
                Some(peering) => {
                    @if !peering.exact { p.note { (approximate(summary)) } }
                    @let vpcs = by_traffic(peering);
                    div.beside {
                        div { (graph::figure(peering, &vpcs, matrix::MAX_VPCS)) }
                        div { (matrix::table(peering, &vpcs)) }
                    }
                    (pairs(peering))
                }
            }
        }
    }
}

/// Returns why pairs and replies are approximate.
fn approximate(summary: &Summary) -> &'static str {
    if !summary.has_member("limits_reached") {
        "Pairs and replies are approximate. The summary is of an earlier version, and does not have the reason."
    } else if ["max_address_pairs", "max_interfaces", UNKNOWN_LIMIT]
        .iter()
        .any(|limit| summary.limits_reached.contains(limit))
    {
        "A memory limit was reached: pairs and replies are approximate."
    } else {
        "Closed partials were merged: replies are approximate, because the VPC of some records is unknown."
    }
}

fn pairs(peering: &Peering) -> Markup {
    let rows = PAIRS.render(&peering.vpc_pairs, |pair| self::pair(peering, pair));
    let columns = [
        Text("From"),
        Text("To"),
        Text("Connection"),
        Number("Flows"),
        Number("Bytes"),
        Number("Rejected"),
        Number("No reply"),
    ];
    page::as_table(&rows.table("Flows between VPCs, by direction", &columns, "peering.vpc_pairs"))
}

fn pair(peering: &Peering, pair: &VpcPair) -> Markup {
    let (accepted, rejected) = (pair.traffic.accepted, pair.traffic.rejected);
    let status = pair.peering_connection_id.as_ref().and_then(|id| {
        let connection = peering.connections.iter().find(|connection| connection.peering_connection_id == *id)?;
        (connection.status != "active").then_some(connection.status.as_str())
    });
    html! {
        tr {
            th scope="row" { (resource(Some(&pair.src_vpc_id), pair.src_vpc_name.as_deref())) }
            td { (resource(Some(&pair.dst_vpc_id), pair.dst_vpc_name.as_deref())) }
            td {
                @match &pair.peering_connection_id {
                    Some(id) => { (resource(Some(id), pair.peering_connection_name.as_deref())) }
                    None => { "no connection" }
                }
                @if let Some(status) = status { " (" (name(status)) ")" }
            }
            td.number { (count(accepted.flows)) }
            td.number { (bytes(accepted.bytes)) }
            td.number { (count(rejected.flows)) }
            td.number { (count(pair.unanswered.flows)) }
        }
    }
}
