//! The facts of a finding: its subject, its details and its evidence, in words.
//!
//! Subject and details are taken as JSON, so that a new kind of either is shown without a change here.

use maud::{Markup, html};
use serde::Serialize;
use serde_json::{Map, Value};

use super::text::{MAX_SENTENCE_CHARS, clean, count, name};
use crate::findings::types::{Details, Evidence, Finding};
use crate::record::names;
use crate::topology::path::Hop;

/// Maximum number of values of a list.
const MAX_VALUES: usize = 5;

/// Words for the members of subjects and details. Others are shown as they are.
const LABELS: &[(&str, &str)] = &[
    ("accepted_flows", "Accepted from it"),
    ("cidr_block", "CIDR block"),
    ("dst_interface_id", "Interface of the destination"),
    ("dst_scope", "Destinations"),
    ("dst_vpc_id", "Destination VPC"),
    ("dstaddr", "Destination"),
    ("dstport", "Port"),
    ("interface_id", "Interface"),
    ("interface_ids", "Interfaces"),
    ("peering_connection_id", "Peering connection"),
    ("peering_connection_ids", "Peering connections"),
    ("route_table_ids", "Route tables"),
    ("src_vpc_id", "Source VPC"),
    ("srcaddr", "Source"),
    ("tgw_dst_vpc_id", "Destination VPC"),
    ("tgw_id", "Transit gateway"),
    ("tgw_src_vpc_id", "Source VPC"),
    ("via_vpc_ids", "VPCs between them"),
    ("vpc_ids", "VPCs"),
];

/// Renders subject and details as a list of terms.
pub(super) fn facts(finding: &Finding) -> Markup {
    let (subject, details) = (members(&finding.subject), members(&finding.details));
    let protocol = subject.get("protocol").and_then(Value::as_u64).and_then(|number| u8::try_from(number).ok());
    let has_port = subject.get("dstport").is_some_and(Value::is_number);
    // The port names its protocol.
    let all = subject.iter().chain(&details).filter(|(key, _)| !(*key == "protocol" && has_port));
    let shown = all.filter(|(key, value)| *key != "explanation" && !is_empty(value));
    html! {
        dl.facts {
            @for (key, value) in shown {
                div { dt { (label(key)) } dd { (fact(finding, key, value, protocol)) } }
            }
            @if let Some(hop) = explanation(&finding.details) {
                div { dt { "Blocked by" } dd { (clean(&hop.in_words(), MAX_SENTENCE_CHARS)) } }
            }
        }
    }
}

fn members(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(members)) => members,
        // Subjects and details are structs.
        _ => Map::new(),
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn label(key: &str) -> String {
    let known = LABELS.iter().find(|(known, _)| *known == key);
    known.map_or_else(
        || {
            let words = key.replace('_', " ");
            let mut letters = words.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        },
        |(_, label)| (*label).to_owned(),
    )
}

/// Renders the value of a member.
fn fact(finding: &Finding, key: &str, value: &Value, protocol: Option<u8>) -> Markup {
    html! {
        @match value {
            Value::Array(values) => {
                @for (index, value) in values.iter().take(MAX_VALUES).enumerate() {
                    @if index > 0 { ", " }
                    (fact(finding, key, value, protocol))
                }
                @if values.len() > MAX_VALUES { " and " (count((values.len() - MAX_VALUES) as u64)) " more, in " code { (key) } }
            }
            Value::Number(number) => { (number_of(key, number.as_u64().unwrap_or_default(), protocol)) }
            Value::String(text) => {
                @match finding.names.get(text) {
                    Some(tag) => { bdi { (name(tag)) } " " code.id { (name(text)) } }
                    None => { code { (name(text)) } }
                }
            }
            other => { (clean(&other.to_string(), MAX_SENTENCE_CHARS)) }
        }
    }
}

fn number_of(key: &str, number: u64, protocol: Option<u8>) -> String {
    match (key, u16::try_from(number), u8::try_from(number)) {
        ("dstport", Ok(port), _) => names::port(port, protocol),
        ("protocol", _, Ok(number)) => names::protocol(Some(number)),
        ("accepted_flows", ..) => super::text::plural(number, "flow"),
        _ => count(number),
    }
}

/// Returns the hop that blocks.
fn explanation(details: &Details) -> Option<&Hop> {
    match details {
        Details::Hosts { explanation, .. }
        | Details::Explained { explanation }
        | Details::Via { explanation, .. }
        | Details::NoReturnRoute { explanation, .. }
        | Details::Answerer { explanation, .. } => explanation.as_deref(),
        _ => None,
    }
}

/// Returns what a kind of evidence says, as part of a sentence.
pub(super) fn evidence(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::AcceptedFlows => "other traffic of the source was accepted",
        Evidence::AcceptedRequest => "the same interface accepted the request",
        Evidence::ConstantAddress => "all records of the interface share one address",
        Evidence::DistinctHosts => "distinct destinations",
        Evidence::DistinctPorts => "distinct ports",
        Evidence::FlowDirection => "the direction in the records",
        Evidence::NoAcceptedRecords => "no accepted records, which the log may leave out",
        Evidence::NoReply => "no reply in the log",
        Evidence::RejectedFlows => "the number of rejected records",
        Evidence::RejectedReply => "replies arrived and were rejected",
        Evidence::SeenAtDestination => "records of the destination VPC",
        Evidence::SkipData => "records that AWS skipped",
        Evidence::TcpFlags => "TCP flags",
        Evidence::Topology => "the topology",
        Evidence::TrafficPath => "the traffic path in the records",
        Evidence::TransitGatewayRecords => "losses in the records of the transit gateway",
    }
}
