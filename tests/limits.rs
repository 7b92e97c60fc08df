//! What must hold however little of a log's variety is kept: totals are those of all records, and all else is never more
//! than the truth, lacks no more than it says, and is called exact only where it is the truth.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use flowsentry::analysis::Analysis;
use flowsentry::cause::Cause;
use flowsentry::finding::{Finding, FindingType};
use flowsentry::limits::Limits;
use flowsentry::pipeline::{self, Options};
use flowsentry::report::{self, Settings};
use flowsentry::sink::json;
use flowsentry::summary::{RejectedGroup, Summary, VpcPair};
use flowsentry::tally::Tally;
use flowsentry::thresholds::Thresholds;
use flowsentry::topology::Topology;
use flowsentry::topology::document::Resources;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// B is peered with A and with C; A and E were peered; nothing connects D. F and G have the same block.
const TOPOLOGY: &str = r#"{
  "Vpcs": [
    {"VpcId": "vpc-a", "CidrBlock": "10.0.0.0/16"}, {"VpcId": "vpc-b", "CidrBlock": "10.1.0.0/16"},
    {"VpcId": "vpc-c", "CidrBlock": "10.2.0.0/16"}, {"VpcId": "vpc-d", "CidrBlock": "10.3.0.0/16"},
    {"VpcId": "vpc-e", "CidrBlock": "10.4.0.0/16"}, {"VpcId": "vpc-f", "CidrBlock": "10.5.0.0/16"},
    {"VpcId": "vpc-g", "CidrBlock": "10.5.0.0/16"}],
  "VpcPeeringConnections": [
    {"VpcPeeringConnectionId": "pcx-ab", "Status": {"Code": "active"},
     "RequesterVpcInfo": {"VpcId": "vpc-a"}, "AccepterVpcInfo": {"VpcId": "vpc-b"}},
    {"VpcPeeringConnectionId": "pcx-bc", "Status": {"Code": "active"},
     "RequesterVpcInfo": {"VpcId": "vpc-b"}, "AccepterVpcInfo": {"VpcId": "vpc-c"}},
    {"VpcPeeringConnectionId": "pcx-ae", "Status": {"Code": "deleted"},
     "RequesterVpcInfo": {"VpcId": "vpc-a"}, "AccepterVpcInfo": {"VpcId": "vpc-e"}}],
  "NetworkInterfaces": [
    {"NetworkInterfaceId": "eni-0", "VpcId": "vpc-a", "SubnetId": "subnet-0", "PrivateIpAddress": "10.0.0.1"},
    {"NetworkInterfaceId": "eni-3", "VpcId": "vpc-f", "PrivateIpAddress": "10.5.0.1", "InterfaceType": "lambda"}]}"#;

static KNOWN: LazyLock<Arc<Topology>> = LazyLock::new(|| {
    let mut resources = Resources::default();
    resources.read("topology.json", TOPOLOGY.as_bytes()).expect("JSON");
    Arc::new(Topology::new(resources))
});

const HEADER: &str = "interface-id vpc-id subnet-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
                      log-status tcp-flags flow-direction traffic-path reject-reason";

const ADDRESSES: &[&str] =
    &["10.0.0.1", "10.0.0.2", "10.1.0.1", "10.2.0.1", "10.3.0.1", "10.4.0.1", "10.5.0.1", "8.8.8.8", "fd00::1"];

/// Who talks to whom, and what becomes of it.
#[derive(Debug, Clone)]
struct Talk {
    place: String,
    ends: [&'static str; 2],
    server_port: u16,
    rest: [String; 2],
}

impl Talk {
    /// A record of a client at this port, or of the answer to it.
    fn record(&self, client_port: u16, is_answer: bool, number: u64) -> String {
        let Talk { place, ends: [client, server], server_port, rest: [protocol, what] } = self;
        let (packets, start) = (number % 7 + 1, 1_795_413_600 + number);
        let ends = match is_answer {
            false => format!("{client} {server} {client_port} {server_port}"),
            true => format!("{server} {client} {server_port} {client_port}"),
        };
        format!("{place} {ends} {protocol} {packets} {} {start} {} {what}", packets * 40, start + 60)
    }
}

fn talk() -> impl Strategy<Value = Talk> {
    let one_of = |words: &'static [&str]| select(words);
    let places = one_of(&["- -", "- -", "vpc-a -", "vpc-a subnet-0", "vpc-f subnet-5", "vpc-elsewhere subnet-9"]);
    let actions = one_of(&["ACCEPT OK", "ACCEPT OK", "REJECT OK", "REJECT OK", "REJECT OK", "- SKIPDATA"]);
    let what = (actions, one_of(&["- -", "0 -", "2 -", "2 egress"]), one_of(&["- -", "1 -", "4 -", "8 -", "- BPA"]));
    let kind = ((0..5u8, places), select(&[22, 443, 60_000][..]), one_of(&["6", "6", "17"]), what);
    ([one_of(ADDRESSES), one_of(ADDRESSES)], kind).prop_map(
        |(ends, ((interface, place), server_port, protocol, what))| {
            let what = format!("{} {} {}", what.0, what.1, what.2);
            Talk { place: format!("eni-{interface} {place}"), ends, server_port, rest: [protocol.to_owned(), what] }
        },
    )
}

/// The records of up to so many inputs: runs of a few talks, so that these meet again in the next input.
fn inputs(most: usize) -> impl Strategy<Value = Vec<Vec<String>>> {
    let run = (any::<Index>(), 50_000..50_003u16, prop::bool::weighted(0.3), 1..9usize);
    (vec(talk(), 1..30), vec(vec(run, 0..20), 1..=most)).prop_map(|(talks, inputs)| {
        let mut numbers = 0..;
        let mut records = |(talk, client_port, is_answer, times): (Index, u16, bool, usize)| -> Vec<String> {
            let numbers = numbers.by_ref().take(times);
            numbers.map(|number| talk.get(&talks).record(client_port, is_answer, number)).collect()
        };
        inputs.into_iter().map(|runs| runs.into_iter().flat_map(&mut records).collect()).collect()
    })
}

/// Limits of groups, tuples and pairs.
fn limits() -> impl Strategy<Value = Limits> {
    (1..30u64, 1..200u64, 1..20u64).prop_map(|(max_rejected_groups, max_let_through_tuples, max_address_pairs)| {
        Limits { max_rejected_groups, max_let_through_tuples, max_address_pairs, ..Limits::default() }
    })
}

fn limits_of_interfaces() -> impl Strategy<Value = Limits> {
    (1..8u64).prop_map(|max_interfaces| Limits { max_interfaces, ..Limits::default() })
}

fn summarise(inputs: &[Vec<String>], limits: &Limits, top: usize) -> Summary {
    let options = Options { topology: Some(Arc::clone(&KNOWN)), limits: *limits, ..Options::default() };
    let mut merged = Analysis::new(limits);
    for records in inputs {
        let log = format!("{HEADER}\n{}\n", records.join("\n"));
        merged.merge(pipeline::analyze("log", log.as_bytes(), &options).expect("a flow log"));
    }
    let thresholds = Thresholds { repeated_reject_flows: 5, one_way_min_flows: 2, ..Thresholds::default() };
    let summary = report::finish(merged, &Settings { thresholds, top }, Some(&KNOWN));
    assert_eq!(summary.records.malformed, 0, "{:?}", summary.malformed);
    summary
}

/// The summary with these limits, and the one with such as are not reached.
fn told_and_truth(inputs: &[Vec<String>], limits: &Limits, top: usize) -> (Summary, Summary) {
    let truth = summarise(inputs, &Limits::default(), usize::MAX);
    assert_eq!(truth.limits_reached, [""; 0]);
    (summarise(inputs, limits, top), truth)
}

fn by_key(summary: &Summary) -> BTreeMap<String, &RejectedGroup> {
    let groups = summary.rejected.groups.iter();
    let key = |g: &RejectedGroup| format!("{:?}", (&g.interface_id, g.srcaddr, g.dstaddr, g.dstport, g.protocol));
    groups.map(|group| (key(group), group)).collect()
}

fn is_within(told: Tally, truth: Tally) -> bool {
    told.flows <= truth.flows && told.packets <= truth.packets && told.bytes <= truth.bytes
}

fn totals_hold_all((told, truth): (Summary, Summary)) -> Result<(), TestCaseError> {
    prop_assert_eq!((told.records, told.traffic, told.window), (truth.records, truth.traffic, truth.window));
    let sum = |rows: &mut dyn Iterator<Item = Tally>| {
        rows.fold(Tally::default(), |mut sum, row| {
            sum.merge(row);
            sum
        })
    };
    prop_assert_eq!(sum(&mut told.rejected.by_interface.iter().map(|row| row.tally)), truth.traffic.rejected);
    prop_assert_eq!(sum(&mut told.rejected.by_subnet.iter().map(|row| row.tally)), truth.traffic.rejected);
    prop_assert_eq!(sum(&mut told.rejected.by_vpc.iter().map(|row| row.tally)), truth.traffic.rejected);
    let [told, truth] = [told, truth].map(|summary| summary.peering.expect("there is a topology"));
    prop_assert_eq!(told.connections, truth.connections);
    let pairs = |pairs: Vec<VpcPair>| -> Vec<VpcPair> {
        pairs.into_iter().map(|pair| VpcPair { unanswered: Tally::default(), ..pair }).collect()
    };
    prop_assert_eq!(pairs(told.vpc_pairs), pairs(truth.vpc_pairs));
    Ok(())
}

fn groups_are_within_the_bound((told, truth): (Summary, Summary), top: usize) -> Result<(), TestCaseError> {
    let (bound, listed, all) = (told.rejected.error_bound, by_key(&told), by_key(&truth));
    // It is an estimate; so few are hardly ever taken for each other.
    prop_assert!(told.rejected.group_count.abs_diff(all.len() as u64) <= 1);
    // What is not listed has no more than the last that is, unless all are.
    let last = told.rejected.groups.last().filter(|_| listed.len() == top).map_or(0, |last| last.tally.flows);
    for (key, told) in &listed {
        let Some(truth) = all.get(key) else {
            return Err(TestCaseError::fail(format!("there is no such group: {told:?}")));
        };
        prop_assert!(is_within(told.tally, truth.tally), "{:?}, in truth {:?}", told, truth);
        prop_assert!(told.seen.first_seen >= truth.seen.first_seen && told.seen.last_seen <= truth.seen.last_seen);
    }
    for (key, truth) in &all {
        let least = listed.get(key).map_or(last, |told| told.tally.flows);
        prop_assert!(truth.tally.flows <= least + bound, "{} and {} at most: {:?}", least, bound, truth);
    }
    Ok(())
}

fn causes_are_true_or_left_open((told, truth): (Summary, Summary)) -> Result<(), TestCaseError> {
    let all = by_key(&truth);
    for told in by_key(&told).into_values() {
        prop_assert_eq!(told.causes.values().sum::<u64>(), told.tally.flows);
        for (cause, flows) in told.causes.iter().filter(|(cause, _)| **cause != Cause::SecurityGroupOrNetworkAcl) {
            // Those of interfaces that are not kept are told as those of none.
            let is_it = |group: &&&RejectedGroup| {
                let ends = |group: &RejectedGroup| (group.srcaddr, group.dstaddr, group.dstport, group.protocol);
                ends(group) == ends(told) && (told.interface_id.is_none() || group.interface_id == told.interface_id)
            };
            let truth: u64 = all.values().filter(is_it).filter_map(|group| group.causes.get(cause)).sum();
            prop_assert!(*flows <= truth, "{:?} of {:?}, in truth {}", cause, told, truth);
        }
    }
    Ok(())
}

/// Those that rest on a missing reply.
const UNANSWERED: &[FindingType] = &[
    FindingType::InactivePeering,
    FindingType::OneWayPeering,
    FindingType::TransitivePeering,
    FindingType::UnpeeredVpc,
];

/// Of a cause that is left open there are more of these: they are of attempts of one's own.
const ATTEMPTS: &[FindingType] = &[FindingType::EgressBlocked, FindingType::HostSweep, FindingType::PortScan];

fn findings_are_true(
    (told, truth): &(Summary, Summary),
    which: impl Fn(&Finding) -> bool,
) -> Result<(), TestCaseError> {
    for told in told.findings.iter().filter(|told| which(told)) {
        let Some(truth) = truth.findings.iter().find(|truth| truth.id == told.id) else {
            return Err(TestCaseError::fail(format!("there is no such trouble: {told:?}")));
        };
        prop_assert!(is_within(told.tally, truth.tally), "{:?}, in truth {:?}", told, truth);
        prop_assert!(told == truth || !told.exact, "{:?}, in truth {:?}", told, truth);
    }
    Ok(())
}

fn missing_replies_are_missing((told, truth): &(Summary, Summary)) -> Result<(), TestCaseError> {
    findings_are_true(&(told.clone(), truth.clone()), |told| UNANSWERED.contains(&told.finding_type))?;
    let unanswered = |summary: &Summary| -> BTreeMap<String, Tally> {
        let pairs = summary.peering.iter().flat_map(|peering| &peering.vpc_pairs);
        pairs.map(|pair| (format!("{} {}", pair.src_vpc_id, pair.dst_vpc_id), pair.unanswered)).collect()
    };
    let truth = unanswered(truth);
    for (pair, told) in unanswered(told) {
        let truth = truth.get(&pair).copied().unwrap_or_default();
        prop_assert!(is_within(told, truth), "{}: {:?}, in truth {:?}", pair, told, truth);
    }
    Ok(())
}

fn no_finding_is_worse((told, truth): (Summary, Summary)) -> Result<(), TestCaseError> {
    for told in &told.findings {
        let truth = truth.findings.iter().find(|truth| truth.id == told.id);
        prop_assert!(truth.is_none_or(|truth| told.severity <= truth.severity), "{:?}, in truth {:?}", told, truth);
    }
    Ok(())
}

fn exactness_is_told(told: &Summary) -> Result<(), TestCaseError> {
    let reached = |names: &[&str]| told.limits_reached.iter().any(|name| names.contains(name));
    let of_rejects = reached(&["max_rejected_groups", "max_let_through_tuples", "max_interfaces"]);
    prop_assert_eq!(told.rejected.exact, !of_rejects, "{:?}", told.limits_reached);
    let of_peering = reached(&["max_address_pairs", "max_interfaces"]);
    let exact = told.peering.as_ref().map(|peering| peering.exact);
    prop_assert_eq!(exact, Some(!of_peering), "{:?}", told.limits_reached);
    Ok(())
}

/// Hashes have other seeds in each analysis.
fn bytes_are_the_same(inputs: &[Vec<String>], limits: &Limits) -> Result<(), TestCaseError> {
    let run = || String::from_utf8(json::render(&summarise(inputs, limits, 10))).expect("JSON is UTF-8");
    let first = run();
    for _ in 0..3 {
        prop_assert_eq!(run(), &first[..]);
    }
    Ok(())
}

proptest! {
    #[test]
    fn where_no_limit_is_reached_nothing_is_missing(inputs in inputs(6), counts in [20..200u64, 20..200, 20..200, 5..15, 1..3]) {
        let [max_rejected_groups, max_let_through_tuples, max_address_pairs, max_interfaces, max_formats] = counts;
        let limits =
            Limits { max_rejected_groups, max_let_through_tuples, max_address_pairs, max_interfaces, max_formats };
        let (told, truth) = told_and_truth(&inputs, &limits, usize::MAX);
        if told.limits_reached.is_empty() {
            prop_assert!(told.rejected.exact && told.rejected.error_bound == 0);
            prop_assert!(told.peering.as_ref().is_some_and(|peering| peering.exact));
            prop_assert!(told.findings.iter().all(|finding| finding.exact));
            prop_assert_eq!(told, truth);
        }
    }

    #[test]
    fn totals_are_of_all_records(inputs in inputs(6), limits in limits()) {
        let (told, truth) = told_and_truth(&inputs, &limits, 3);
        prop_assert_eq!(&told.rejected.by_interface, &truth.rejected.by_interface);
        prop_assert_eq!(&told.rejected.by_subnet, &truth.rejected.by_subnet);
        prop_assert_eq!(&told.rejected.by_vpc, &truth.rejected.by_vpc);
        prop_assert_eq!(&told.services, &truth.services);
        totals_hold_all((told, truth))?;
    }

    #[test]
    fn what_hangs_on_a_limit_that_is_reached_is_not_exact(inputs in inputs(6), limits in limits()) {
        exactness_is_told(&summarise(&inputs, &limits, 3))?;
    }

    #[test]
    fn a_group_lacks_no_more_flows_than_is_told(inputs in inputs(1), limits in limits(), top in select(&[1, 3, usize::MAX][..])) {
        groups_are_within_the_bound(told_and_truth(&inputs, &limits, top), top)?;
    }

    #[test]
    fn a_group_of_merged_inputs_lacks_no_more_either(inputs in inputs(6), limits in limits(), top in select(&[1, 3, usize::MAX][..])) {
        groups_are_within_the_bound(told_and_truth(&inputs, &limits, top), top)?;
    }

    #[test]
    fn a_cause_is_true_or_left_open(inputs in inputs(6), limits in limits()) {
        causes_are_true_or_left_open(told_and_truth(&inputs, &limits, usize::MAX))?;
    }

    #[test]
    fn a_finding_is_no_more_than_the_truth(inputs in inputs(6), limits in limits()) {
        let which = |told: &Finding| ![ATTEMPTS, UNANSWERED].concat().contains(&told.finding_type);
        findings_are_true(&told_and_truth(&inputs, &limits, 3), which)?;
    }

    #[test]
    fn a_reply_that_is_missing_is_missing_in_truth(inputs in inputs(1), limits in limits()) {
        missing_replies_are_missing(&told_and_truth(&inputs, &limits, 3))?;
    }

    #[test]
    fn a_reply_that_is_missing_in_merged_inputs_is_missing_in_truth(inputs in inputs(6), limits in limits()) {
        missing_replies_are_missing(&told_and_truth(&inputs, &limits, 3))?;
    }

    #[test]
    fn a_finding_is_no_worse_than_the_truth(inputs in inputs(6), limits in limits()) {
        no_finding_is_worse(told_and_truth(&inputs, &limits, 3))?;
    }

    #[test]
    fn the_same_inputs_give_the_same_bytes(inputs in inputs(6), limits in limits()) {
        bytes_are_the_same(&inputs, &limits)?;
    }

    #[test]
    fn whatever_interfaces_are_kept_totals_are_of_all_records(inputs in inputs(6), limits in limits_of_interfaces()) {
        totals_hold_all(told_and_truth(&inputs, &limits, 3))?;
    }

    #[test]
    fn whatever_interfaces_are_kept_nothing_is_called_exact(inputs in inputs(6), limits in limits_of_interfaces()) {
        exactness_is_told(&summarise(&inputs, &limits, 3))?;
    }

    #[test]
    fn whatever_interfaces_are_kept_a_group_is_theirs_or_of_none(inputs in inputs(6), limits in limits_of_interfaces()) {
        let (told, truth) = told_and_truth(&inputs, &limits, usize::MAX);
        let by_ends = |summary: &Summary| {
            let mut sums = BTreeMap::<String, Tally>::new();
            for group in &summary.rejected.groups {
                let ends = format!("{:?}", (group.srcaddr, group.dstaddr, group.dstport, group.protocol));
                sums.entry(ends).or_default().merge(group.tally);
            }
            sums
        };
        prop_assert_eq!(by_ends(&told), by_ends(&truth));
        let truth = by_key(&truth);
        for (key, told) in by_key(&told).into_iter().filter(|(_, told)| told.interface_id.is_some()) {
            prop_assert!(truth.get(&key).is_some_and(|truth| is_within(told.tally, truth.tally)), "{:?}", told);
        }
    }

    #[test]
    fn whatever_interfaces_are_kept_a_cause_is_true_or_left_open(inputs in inputs(6), limits in limits_of_interfaces()) {
        causes_are_true_or_left_open(told_and_truth(&inputs, &limits, usize::MAX))?;
    }

    #[test]
    fn whatever_interfaces_are_kept_a_finding_is_true_or_not_exact(inputs in inputs(6), limits in limits_of_interfaces()) {
        findings_are_true(&told_and_truth(&inputs, &limits, 3), |told| told.exact)?;
    }

    #[test]
    fn whatever_interfaces_are_kept_a_reply_that_is_missing_is_missing_in_truth(inputs in inputs(6), limits in limits_of_interfaces()) {
        missing_replies_are_missing(&told_and_truth(&inputs, &limits, 3))?;
    }

    #[test]
    fn whatever_interfaces_are_kept_the_bytes_are_the_same(inputs in inputs(6), limits in limits_of_interfaces()) {
        bytes_are_the_same(&inputs, &limits)?;
    }
}
