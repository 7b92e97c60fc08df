//! Findings that rest on a missing reply: no network, format, or packaging of the records makes one as long as each connection
//! has its reply somewhere, and one appears when the replies of a connection are removed.
//!
//! `PROPTEST_CASES` sets the number of cases.

#[path = "missing_replies/network.rs"]
mod network;
#[path = "support/records.rs"]
mod records;
#[path = "missing_replies/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use flowsentry::aggregate::Analysis;
use flowsentry::config::Thresholds;
use flowsentry::findings::types::{Finding, FindingType};
use flowsentry::pipeline::{self, Options};
use flowsentry::summary::Summary;
use flowsentry::summary::build::{self, SummaryOptions};
use flowsentry::topology::Topology;
use network::{Relation, vpc_id};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use records::Columns;
use serde_json::{Value, json};
use world::{Logged, Missing, World, world};

const TYPES: [FindingType; 5] = [
    FindingType::InactivePeering,
    FindingType::NoAnswer,
    FindingType::OneWayPeering,
    FindingType::TransitivePeering,
    FindingType::UnpeeredVpc,
];

/// Formats one log per input.
fn logs(world: &World, records: &[Logged]) -> Vec<Vec<u8>> {
    let log = |(number, columns): (usize, &Columns)| {
        records::log(*columns, records.iter().filter(|logged| logged.input == number).map(|logged| &logged.record))
    };
    world.inputs.iter().enumerate().map(log).collect()
}

/// Summarizes logs. One record without a reply is enough for a finding.
fn summarize<'a>(logs: impl IntoIterator<Item = &'a Vec<u8>>, topology: &Arc<Topology>) -> Summary {
    let options = Options { topology: Some(Arc::clone(topology)), ..Options::default() };
    let mut merged = Analysis::default();
    for log in logs {
        merged.merge(pipeline::analyze("log", &log[..], &options).expect("a flow log"));
    }
    let thresholds = Thresholds { one_way_min_flows: 1, no_answer_flows: 1, ..Thresholds::default() };
    let options = SummaryOptions { thresholds, ..SummaryOptions::default() };
    let summary = build::build_summary(merged, &options, Some(topology));
    assert_eq!(summary.malformed, []);
    summary
}

/// Returns type, subject, and flows of the findings that rest on a missing reply.
fn missing_replies(findings: &[Finding]) -> Vec<(FindingType, Value, u64)> {
    let missing = findings.iter().filter(|finding| TYPES.contains(&finding.finding_type));
    let row = |finding: &Finding| {
        let subject = serde_json::to_value(&finding.subject).expect("JSON");
        (finding.finding_type, subject, finding.tally.flows)
    };
    missing.map(row).collect()
}

/// Returns the findings about the lost connection, by a direct reading of their definitions.
fn expected(world: &World, records: &[Logged]) -> Vec<(FindingType, Value, u64)> {
    let lost: Vec<&Logged> = records.iter().filter(|logged| logged.is_lost).collect();
    let [(client, _), (server, server_address)] = world.lost_ends();
    let client = client.expect("the client is in a VPC");
    let Some(server) = server else { return unanswered_targets(world, &lost, server_address) };
    let (src_vpc_id, dst_vpc_id) = (vpc_id(client), vpc_id(server));
    let vpcs = json!({"src_vpc_id": src_vpc_id, "dst_vpc_id": dst_vpc_id});
    let (finding_type, subject) = match world.network.relation(client, server) {
        Relation::Peered(id) => {
            let peers = json!({"src_vpc_id": src_vpc_id, "dst_vpc_id": dst_vpc_id, "peering_connection_id": id});
            (FindingType::OneWayPeering, peers)
        }
        Relation::Inactive => (FindingType::InactivePeering, vpcs),
        Relation::CommonPeer => (FindingType::TransitivePeering, vpcs),
        Relation::None => (FindingType::UnpeeredVpc, vpcs),
    };
    vec![(finding_type, subject, lost.len() as u64)]
}

/// Returns one finding for each interface: it needs `tcp-flags`, and a direction by the record or by the interface's addresses.
fn unanswered_targets(world: &World, lost: &[&Logged], dstaddr: IpAddr) -> Vec<(FindingType, Value, u64)> {
    let is_shown = |logged: &Logged| {
        let has_fields = world.inputs[logged.input].has_flags();
        let leaves_peering = has_fields && matches!(logged.record.path, Some(4 | 5));
        let is_egress = has_fields && logged.record.direction.is_some();
        has_fields
            && logged.record.flags.is_some()
            && !leaves_peering
            && (is_egress || world.network.knows_interface(logged.vpc, logged.interface))
    };
    let shown: Vec<&str> =
        lost.iter().filter(|logged| is_shown(logged)).map(|logged| &*logged.record.interface).collect();
    let interfaces: BTreeSet<&str> = shown.iter().copied().collect();
    let finding = |interface: &str| {
        let flows = shown.iter().filter(|shown| **shown == interface).count() as u64;
        (FindingType::NoAnswer, json!({"interface_id": interface, "dstaddr": dstaddr, "dstport": 8443}), flows)
    };
    interfaces.into_iter().map(finding).collect()
}

/// Returns the summary without what depends on the packaging of the records.
fn without_packaging(mut summary: Summary) -> Summary {
    summary.sources.clear();
    summary.formats.clear();
    summary
}

fn sorted(mut rows: Vec<(FindingType, Value, u64)>) -> Vec<(FindingType, Value, u64)> {
    rows.sort_by_key(|(finding_type, subject, _)| (*finding_type, subject.to_string()));
    rows
}

proptest! {
    #[test]
    fn answered_connections_make_no_finding(world in world(), order in any::<[Index; 4]>()) {
        let topology = world.network.topology(&world.owned_addresses());
        let mut logs = logs(&world, &world.records(Missing::Nothing));
        let summary = summarize(&logs, &topology);
        prop_assert_eq!(missing_replies(&summary.findings), []);
        // The order of the inputs does not matter.
        for end in (1..logs.len()).rev() {
            logs.swap(end, order[end].index(end + 1));
        }
        prop_assert_eq!(without_packaging(summarize(&logs, &topology)), without_packaging(summary));
    }

    #[test]
    fn a_lost_connection_makes_its_finding(world in world(), at_client: bool) {
        let topology = world.network.topology(&world.owned_addresses());
        let records = world.records(if at_client { Missing::AtClient } else { Missing::Everywhere });
        let found = missing_replies(&summarize(&logs(&world, &records), &topology).findings);
        prop_assert_eq!(sorted(found), sorted(expected(&world, &records)));
    }

    #[test]
    fn record_order_within_an_input_changes_nothing(
        (world, records, shuffled) in world().prop_flat_map(|world| {
            let records = world.records(Missing::AtClient);
            (Just(world), Just(records.clone()), Just(records).prop_shuffle())
        })) {
        let topology = world.network.topology(&world.owned_addresses());
        prop_assert_eq!(summarize(&logs(&world, &shuffled), &topology), summarize(&logs(&world, &records), &topology));
    }

    #[test]
    fn any_cut_into_inputs_of_one_format_changes_nothing(world in world(), cut in any::<[Index; 8]>()) {
        let topology = world.network.topology(&world.owned_addresses());
        let mut records = world.records(Missing::AtClient);
        let columns = world.inputs[0];
        records.iter_mut().for_each(|logged| logged.input = 0);
        let whole = summarize(&logs(&world, &records)[..1], &topology);
        let input_of = |number: usize| cut[number % 8].index(4);
        let parts: Vec<Vec<u8>> = (0..4).map(|input| {
            let part = records.iter().enumerate().filter(|(number, _)| input_of(*number) == input);
            records::log(columns, part.map(|(_, logged)| &logged.record))
        }).collect();
        let split = summarize(&parts, &topology);
        prop_assert_eq!(missing_replies(&split.findings), missing_replies(&whole.findings));
        prop_assert_eq!((split.records, split.rejected, split.peering), (whole.records, whole.rejected, whole.peering));
    }
}

#[test]
fn lost_connections_make_findings_of_every_type() {
    let mut runner = TestRunner::deterministic();
    let mut types = BTreeSet::new();
    for _ in 0..100 {
        let world = world().new_tree(&mut runner).expect("a world").current();
        types.extend(
            expected(&world, &world.records(Missing::AtClient)).into_iter().map(|(finding_type, ..)| finding_type),
        );
    }
    assert_eq!(types, TYPES.into());
}
