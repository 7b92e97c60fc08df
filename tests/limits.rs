//! What must hold however little of a log's variety is kept: totals are those of all records, and all else is never more
//! than the truth, lacks no more than it says, and is called exact only where it is the truth.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use flowsentry::aggregate::Analysis;
use flowsentry::aggregate::counters::Counters;
use flowsentry::aggregate::rejected::cause::Cause;
use flowsentry::config::Limits;
use flowsentry::config::Thresholds;
use flowsentry::findings::types::{FindingType, Severity};
use flowsentry::pipeline::{self, Options};
use flowsentry::summary::build::{self, SummaryOptions};
use flowsentry::summary::json;
use flowsentry::summary::{Rejected, RejectedGroup, Summary};
use flowsentry::topology::Topology;
use flowsentry::topology::describe_output::Resources;
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
    fn record(&self, client_port: u16, reverse_tuple_accepted: bool, number: u64) -> String {
        let Talk { place, ends: [client, server], server_port, rest: [protocol, what] } = self;
        let (packets, start) = (number % 7 + 1, 1_795_413_600 + number);
        let ends = match reverse_tuple_accepted {
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

/// The records of one input or several: runs of a few talks, so that these meet again in the next input.
fn inputs() -> impl Strategy<Value = Vec<Vec<String>>> {
    let run = (any::<Index>(), 50_000..50_003u16, prop::bool::weighted(0.3), 1..9usize);
    (vec(talk(), 1..30), vec(vec(run, 0..20), 1..=6)).prop_map(|(talks, inputs)| {
        let mut numbers = 0..;
        let mut records =
            |(talk, client_port, reverse_tuple_accepted, times): (Index, u16, bool, usize)| -> Vec<String> {
                let numbers = numbers.by_ref().take(times);
                numbers.map(|number| talk.get(&talks).record(client_port, reverse_tuple_accepted, number)).collect()
            };
        inputs.into_iter().map(|runs| runs.into_iter().flat_map(&mut records).collect()).collect()
    })
}

/// Some limits that may be reached, and others that are not.
fn limits() -> impl Strategy<Value = Limits> {
    let one = |count: std::ops::Range<u64>, default: u64| prop_oneof![count, Just(default)];
    let default = Limits::default();
    let groups_and_tuples = (one(1..30, default.max_rejected_groups), one(1..200, default.max_accepted_tuples));
    let pairs_and_interfaces = (one(1..20, default.max_address_pairs), one(1..8, default.max_interfaces));
    (groups_and_tuples, pairs_and_interfaces).prop_map(
        |((max_rejected_groups, max_accepted_tuples), (max_address_pairs, max_interfaces))| Limits {
            max_rejected_groups,
            max_accepted_tuples,
            max_address_pairs,
            max_interfaces,
            ..Limits::default()
        },
    )
}

fn summarise(inputs: &[Vec<String>], limits: &Limits, top: usize) -> Summary {
    let options = Options { topology: Some(Arc::clone(&KNOWN)), limits: *limits, ..Options::default() };
    let mut merged = Analysis::new(limits);
    for records in inputs {
        let log = format!("{HEADER}\n{}\n", records.join("\n"));
        merged.merge(pipeline::analyze("log", log.as_bytes(), &options).expect("a flow log"));
    }
    let thresholds = Thresholds { repeated_reject_flows: 5, one_way_min_flows: 2, ..Thresholds::default() };
    let summary = build::build_summary(merged, &SummaryOptions { thresholds, max_listed_groups: top }, Some(&KNOWN));
    assert_eq!(summary.records.malformed, 0, "{:?}", summary.malformed);
    summary
}

/// The summary with these limits, and the one with such as are not reached.
fn told_and_truth(inputs: &[Vec<String>], limits: &Limits, top: usize) -> (Summary, Summary) {
    let truth = summarise(inputs, &Limits::default(), usize::MAX);
    assert_eq!(truth.limits_reached, [""; 0]);
    (summarise(inputs, limits, top), truth)
}

fn reached(summary: &Summary, names: &[&str]) -> bool {
    summary.limits_reached.iter().any(|name| names.contains(name))
}

/// The groups of a summary that records of this one are of. Every record here names an interface: a group without one has
/// records of those that were not kept.
fn same<'a>(group: &'a RejectedGroup, summary: &'a Summary) -> impl Iterator<Item = &'a RejectedGroup> {
    let ends = |g: &RejectedGroup| (g.srcaddr, g.dstaddr, g.dstport, g.protocol);
    let is_same = move |other: &&RejectedGroup| {
        ends(group) == ends(other) && (group.interface_id.is_none() || group.interface_id == other.interface_id)
    };
    summary.rejected.groups.iter().filter(is_same)
}

fn sum(tallies: impl Iterator<Item = Counters>) -> Counters {
    tallies.fold(Counters::default(), |mut sum, tally| {
        sum.merge(tally);
        sum
    })
}

fn is_within(told: Counters, truth: Counters) -> bool {
    told.flows <= truth.flows && told.packets <= truth.packets && told.bytes <= truth.bytes
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

fn unanswered(summary: &Summary) -> BTreeMap<String, Counters> {
    let pairs = summary.peering.iter().flat_map(|peering| &peering.vpc_pairs);
    pairs.map(|pair| (format!("{} {}", pair.src_vpc_id, pair.dst_vpc_id), pair.unanswered)).collect()
}

proptest! {
    #[test]
    fn without_a_reached_limit_nothing_is_missing(inputs in inputs(), limits in limits()) {
        let (told, truth) = told_and_truth(&inputs, &limits, usize::MAX);
        if told.limits_reached.is_empty() {
            prop_assert!(told.rejected.exact && told.rejected.error_bound == 0);
            prop_assert!(told.peering.as_ref().is_some_and(|peering| peering.exact));
            prop_assert!(told.findings.iter().all(|finding| finding.exact));
            prop_assert_eq!(told, truth);
        }
    }

    #[test]
    fn results_that_depend_on_a_reached_limit_are_not_exact(inputs in inputs(), limits in limits()) {
        let told = summarise(&inputs, &limits, 3);
        let of_rejects = reached(&told, &["max_rejected_groups", "max_accepted_tuples", "max_interfaces"]);
        prop_assert_eq!(told.rejected.exact, !of_rejects, "{:?}", told.limits_reached);
        let of_peering = reached(&told, &["max_address_pairs", "max_interfaces"]);
        let exact = told.peering.as_ref().map(|peering| peering.exact);
        prop_assert_eq!(exact, Some(!of_peering), "{:?}", told.limits_reached);
    }

    #[test]
        fn a_limit_that_is_not_reached_is_not_listed(inputs in inputs(), name in select(Limits::NAMES), count in 1..20u8) {
        let mut limits = Limits::default();
        prop_assert_eq!(limits.set(name, &count.to_string()), Some(Ok(())));
        let reached = summarise(&inputs, &limits, 3).limits_reached;
        prop_assert!(reached.iter().all(|reached| *reached == name), "{:?}", reached);
    }

    #[test]
    fn totals_include_every_record(inputs in inputs(), limits in limits()) {
        let (told, truth) = told_and_truth(&inputs, &limits, 3);
        prop_assert_eq!((told.records, told.traffic, told.window), (truth.records, truth.traffic, truth.window));
        let (rows, all) = (&told.rejected, truth.traffic.rejected);
        prop_assert_eq!(sum(rows.by_interface.iter().map(|row| row.tally)), all);
        prop_assert_eq!(sum(rows.by_subnet.iter().map(|row| row.tally)), all);
        prop_assert_eq!(sum(rows.by_vpc.iter().map(|row| row.tally)), all);
        if !reached(&told, &["max_interfaces"]) {
            prop_assert_eq!(&rows.by_interface, &truth.rejected.by_interface);
            prop_assert_eq!(&rows.by_subnet, &truth.rejected.by_subnet);
            prop_assert_eq!(&rows.by_vpc, &truth.rejected.by_vpc);
            prop_assert_eq!(told.services, truth.services);
        }
        let [told, truth] = [told.peering, truth.peering].map(|peering| {
            let mut peering = peering.expect("there is a topology");
            peering.vpc_pairs.iter_mut().for_each(|pair| pair.unanswered = Counters::default());
            peering
        });
        prop_assert_eq!((told.connections, told.vpc_pairs), (truth.connections, truth.vpc_pairs));
    }

    #[test]
    fn a_group_lacks_at_most_error_bound_flows(inputs in inputs(), limits in limits(), top in select(&[1, 3, usize::MAX][..])) {
        let (told, truth) = told_and_truth(&inputs, &limits, top);
        let Rejected { groups: listed, error_bound, group_count, .. } = &told.rejected;
        for told in listed {
            let truth: Vec<_> = same(told, &truth).collect();
            prop_assert!(is_within(told.tally, sum(truth.iter().map(|group| group.tally))), "{:?}, in truth {:?}", told, truth);
            prop_assert!(truth.iter().any(|truth| told.seen.first_seen >= truth.seen.first_seen));
            prop_assert!(truth.iter().any(|truth| told.seen.last_seen <= truth.seen.last_seen));
        }
        if !reached(&told, &["max_interfaces"]) {
            // It is an estimate once some are dropped; so few are hardly ever taken for each other.
            prop_assert!(group_count.abs_diff(truth.rejected.group_count) <= 1);
        }
        // What is not listed has no more than the last that is, unless all are.
        let last = listed.last().filter(|_| listed.len() == top).map_or(0, |last| last.tally.flows);
        for truth in &truth.rejected.groups {
            // Of an interface that is not kept, the group is one of none.
            let of_none = RejectedGroup { interface_id: None, ..truth.clone() };
            let is_of_none = |told: &&RejectedGroup| told.interface_id.is_none();
            let found = same(truth, &told).next().or_else(|| same(&of_none, &told).find(is_of_none));
            let at_most = found.map_or(last, |told| told.tally.flows) + error_bound;
            prop_assert!(truth.tally.flows <= at_most, "{} at most: {:?}", at_most, truth);
        }
    }

    #[test]
    fn a_cause_is_correct_or_undecided(inputs in inputs(), limits in limits()) {
        let (told, truth) = told_and_truth(&inputs, &limits, usize::MAX);
        for told in &told.rejected.groups {
            prop_assert_eq!(told.causes.values().sum::<u64>(), told.tally.flows);
            for (cause, flows) in told.causes.iter().filter(|(cause, _)| **cause != Cause::SecurityGroupOrNetworkAcl) {
                let in_truth: u64 = same(told, &truth).filter_map(|group| group.causes.get(cause)).sum();
                prop_assert!(*flows <= in_truth, "{:?} of {:?}, in truth {}", cause, told, in_truth);
            }
        }
    }

    #[test]
    fn a_finding_never_exceeds_the_exact_one(inputs in inputs(), limits in limits()) {
        let (told, truth) = told_and_truth(&inputs, &limits, 3);
        let names_are_missing = reached(&told, &["max_interfaces"]);
        for told in told.findings {
            let may_be_more = ATTEMPTS.contains(&told.finding_type)
                || names_are_missing && !UNANSWERED.contains(&told.finding_type);
            match truth.findings.iter().find(|truth| truth.id == told.id) {
                Some(truth) => {
                    prop_assert!(may_be_more || is_within(told.tally, truth.tally), "{:?}, in truth {:?}", told, truth);
                    prop_assert!(!told.exact || told == *truth, "{:?}, in truth {:?}", told, truth);
                }
                None => prop_assert!(may_be_more && !told.exact, "there is no such trouble: {:?}", told),
            }
        }
    }

    #[test]
    fn unanswered_flows_never_exceed_the_exact_count(inputs in inputs(), limits in limits()) {
        let (told, truth) = told_and_truth(&inputs, &limits, 3);
        let truth = unanswered(&truth);
        for (pair, told) in unanswered(&told) {
            prop_assert!(is_within(told, truth[&pair]), "{}: {:?}, in truth {:?}", pair, told, truth[&pair]);
        }
    }

    /// Hashes have other seeds in each analysis.
    #[test]
    fn the_same_inputs_give_the_same_bytes(inputs in inputs(), limits in limits()) {
        let run = || String::from_utf8(json::render(&summarise(&inputs, &limits, 10))).expect("JSON is UTF-8");
        let first = run();
        for _ in 0..3 {
            prop_assert_eq!(run(), &first[..]);
        }
    }
}

#[test]
fn findings_not_based_on_replies_count_dropped_pairs() {
    let refused = |host: u8| record("eni-0", &format!("10.0.0.{host} 10.1.0.1 50000 22"), "REJECT", "2");
    let log: Vec<String> = (1..=9).map(refused).collect();
    let told = summarise(&[log], &Limits { max_address_pairs: 2, ..Limits::default() }, 9);
    let found = told.findings.iter().find(|finding| finding.finding_type == FindingType::RejectedPeering);
    let found = found.map(|found| (found.tally.flows, found.tally.bytes, found.exact));
    assert_eq!(found, Some((9, 9 * 40, false)));
    // Of an interface that nobody knows: in which of the VPCs with this block?
    let ambiguous = |host: u8| record("-", &format!("10.0.0.{host} 10.5.0.1 50000 22"), "ACCEPT", "2");
    let log: Vec<String> = (1..=9).map(ambiguous).collect();
    let told = summarise(&[log], &Limits { max_address_pairs: 2, ..Limits::default() }, 9);
    assert_eq!(flows(&told, FindingType::AmbiguousAddress), [9]);
}

#[test]
fn no_group_is_dropped_if_merging_source_ports_is_enough() {
    // Two groups of two source ports each, which may all be late or answers.
    let at = |ends: &str| record("eni-0", ends, "REJECT", "-");
    let log = ["8.8.8.8 10.0.0.1 1 80", "8.8.8.8 10.0.0.1 2 80", "8.8.8.8 10.0.0.1 1 81", "8.8.8.8 10.0.0.1 2 81"];
    let log = [log.map(at).to_vec()];
    for max_rejected_groups in [2, 3] {
        let told = summarise(&log, &Limits { max_rejected_groups, ..Limits::default() }, 9);
        let groups: Vec<u64> = told.rejected.groups.iter().map(|group| group.tally.flows).collect();
        assert_eq!((groups, told.rejected.error_bound), (vec![2, 2], 0), "{max_rejected_groups}");
    }
}

fn record(interface: &str, ends: &str, action: &str, flags: &str) -> String {
    format!("{interface} - - {ends} 6 1 40 1795413600 1795413660 {action} OK {flags} - - -")
}

/// As many records of `eni-0` that were refused at each port.
fn refused(flows: &[(u16, usize)]) -> Vec<String> {
    let at = |port: u16| record("eni-0", &format!("8.8.8.8 10.0.0.1 50000 {port}"), "REJECT", "2");
    flows.iter().flat_map(|(port, flows)| vec![at(*port); *flows]).collect()
}

/// Accepted records of `eni-0`.
fn accepted(ends: &[&str]) -> Vec<String> {
    ends.iter().map(|ends| record("eni-0", &format!("{ends} 50000 22"), "ACCEPT", "-")).collect()
}

fn ports(summary: &Summary) -> Vec<(Option<u16>, u64)> {
    summary.rejected.groups.iter().map(|group| (group.dstport, group.tally.flows)).collect()
}

fn causes(summary: &Summary) -> Vec<Cause> {
    summary.rejected.groups.iter().map(|group| group.cause).collect()
}

fn flows(summary: &Summary, finding_type: FindingType) -> Vec<u64> {
    let of_type = summary.findings.iter().filter(|finding| finding.finding_type == finding_type);
    of_type.map(|finding| finding.tally.flows).collect()
}

#[test]
fn above_max_rejected_groups_the_heaviest_are_kept() {
    let limits = Limits { max_rejected_groups: 4, ..Limits::default() };
    let told = summarise(&[refused(&[(22, 6), (23, 3), (24, 1), (25, 1), (26, 1)])], &limits, 9);
    assert_eq!(told.limits_reached, ["max_rejected_groups"]);
    assert_eq!((told.rejected.exact, told.rejected.error_bound, told.rejected.group_count), (false, 1, 5));
    assert_eq!(ports(&told), [(Some(22), 6), (Some(23), 3)]);
    assert_eq!((told.rejected.by_interface[0].tally.flows, told.records.rejected), (12, 12));
    assert!(told.peering.is_some_and(|peering| peering.exact));
}

#[test]
fn source_ports_are_merged_before_groups_are_dropped() {
    let both =
        |port| ["ACCEPT", "REJECT"].map(|action| record("eni-0", &format!("8.8.8.8 10.0.0.1 {port} 22"), action, "-"));
    let log = [50_000, 50_001, 50_002, 50_003, 50_004].map(both).concat();
    let told = |max_rejected_groups| {
        let told = summarise(std::slice::from_ref(&log), &Limits { max_rejected_groups, ..Limits::default() }, 9);
        assert_eq!((told.rejected.error_bound, ports(&told)), (0, vec![(Some(22), 5)]));
        (told.rejected.exact, causes(&told)[0])
    };
    assert_eq!(told(5), (true, Cause::OutOfState));
    assert_eq!(told(4), (false, Cause::SecurityGroupOrNetworkAcl));
}

#[test]
fn above_max_accepted_tuples_no_cause_uses_tuples() {
    let log = ["8.8.4.4", "8.8.8.8"].map(|client| {
        [
            record("eni-0", &format!("{client} 10.0.0.1 50000 443"), "ACCEPT", "2"),
            record("eni-0", &format!("10.0.0.1 {client} 443 50000"), "REJECT", "18"),
        ]
    });
    let told =
        |max_accepted_tuples| summarise(&[log.concat()], &Limits { max_accepted_tuples, ..Limits::default() }, 9);
    assert_eq!(causes(&told(2)), [Cause::NetworkAcl; 2]);
    assert_eq!((told(2).limits_reached, flows(&told(2), FindingType::ReplyBlocked)), (vec![], vec![1, 1]));
    assert_eq!(causes(&told(1)), [Cause::SecurityGroupOrNetworkAcl; 2]);
    assert_eq!((told(1).limits_reached, told(1).rejected.exact), (vec!["max_accepted_tuples"], false));
    assert_eq!(flows(&told(1), FindingType::ReplyBlocked), [0; 0]);
}

#[test]
fn above_max_address_pairs_the_heaviest_are_kept() {
    let once = ["10.0.0.2 10.3.0.1", "10.0.0.3 10.3.0.1", "10.0.0.2 10.3.0.1"];
    let log = accepted(&[&["10.0.0.1 10.3.0.1"; 5][..], &once].concat());
    let told = summarise(&[log], &Limits { max_address_pairs: 2, ..Limits::default() }, 9);
    assert_eq!(
        (&told.limits_reached[..], flows(&told, FindingType::UnpeeredVpc)),
        (&["max_address_pairs"][..], vec![5])
    );
    let peering = told.peering.expect("there is a topology");
    let pair = &peering.vpc_pairs[0];
    assert_eq!((peering.exact, pair.traffic.accepted.flows, pair.unanswered.flows), (false, 8, 5));
    assert!(told.rejected.exact && !told.findings[0].exact);
}

#[test]
fn groups_within_the_limit_after_merging_ports_are_kept() {
    // 80 groups, of which 30 may each be late from two source ports.
    let at =
        |srcport: u16, dstport: u16| record("eni-0", &format!("8.8.8.8 10.0.0.1 {srcport} {dstport}"), "REJECT", "-");
    let log = [(0..80).map(|port| at(1, port)).collect::<Vec<_>>(), (0..30).map(|port| at(2, port)).collect()].concat();
    let told = summarise(&[log], &Limits { max_rejected_groups: 100, ..Limits::default() }, 99).rejected;
    assert_eq!((told.groups.len(), told.group_count, told.error_bound, told.exact), (80, 80, 0, false));
}

#[test]
fn the_error_bound_covers_dropped_groups_joined_by_a_merge() {
    let accepted_of = |n| record(&format!("eni-a{n}"), "8.8.8.8 10.0.0.1 50000 22", "ACCEPT", "2");
    let refused_of = |n| vec![record(&format!("eni-b{n}"), "8.8.8.8 10.0.0.1 50000 22", "REJECT", "2"); 9];
    let heavier = (100..112)
        .flat_map(|port| vec![record("eni-b0", &format!("8.8.8.8 10.0.0.1 50000 {port}"), "REJECT", "2"); 20]);
    // There is no room for the second input's interfaces: their groups are one of no interface.
    let inputs = [(0..6).map(accepted_of).collect(), (0..6).flat_map(refused_of).chain(heavier).collect()];
    let limits = Limits { max_rejected_groups: 8, max_interfaces: 6, ..Limits::default() };
    let told = summarise(&inputs, &limits, 99).rejected;
    let group = told.groups.iter().find(|group| group.dstport == Some(22));
    let flows = group.map_or(0, |group| group.tally.flows);
    assert!(flows + told.error_bound >= 54, "{flows} and {}", told.error_bound);
    // Nor is it more than all that is told of no group.
    let listed = told.groups.iter().fold(0, |flows, group| flows + group.tally.flows);
    assert!(listed + told.error_bound <= 54 + 240, "{listed} and {}", told.error_bound);
}

#[test]
fn the_error_bound_covers_interfaces_kept_in_one_input_only() {
    let refused = |interface: &str| record(interface, "8.8.8.8 10.0.0.1 50000 22", "REJECT", "2");
    let accepted = record("eni-b", "8.8.8.8 10.0.0.1 50000 22", "ACCEPT", "2");
    let told = |inputs: &[Vec<String>]| {
        let told = summarise(inputs, &Limits { max_interfaces: 1, ..Limits::default() }, 9).rejected;
        let groups = told.groups.iter().map(|group| (group.interface_id.clone(), group.tally.flows));
        (groups.collect::<Vec<_>>(), told.error_bound)
    };
    let (first, second) = (vec![refused("eni-a")], [vec![accepted], vec![refused("eni-a"); 7]].concat());
    assert_eq!(told(&[first.clone(), second.clone()]), (vec![(None, 7), (Some("eni-a".to_owned()), 1)], 7));
    // Whatever is merged on.
    assert_eq!(told(&[vec![], first, second.clone(), vec![refused("eni-c")]]).1, 8);
    // In one input all records of an interface are told alike.
    assert_eq!(told(&[second]), (vec![(None, 7)], 0));
}

#[test]
fn peering_paths_are_reported_above_max_address_pairs() {
    // From vpc-a to nowhere that the topology knows, behind more notes than there may be pairs.
    let through = |dst: &str, path: &str| {
        record("eni-0", &format!("10.0.0.1 {dst} 50000 22"), "ACCEPT", "2").replace("2 - - -", &format!("2 - {path} -"))
    };
    let made_up = (0..9).map(|n| through("10.1.0.1", &(1000 + n).to_string()));
    let elsewhere = vec![through("10.1.0.1", "8"); 5];
    let log: Vec<String> = made_up.chain(elsewhere).chain(vec![through("172.31.0.9", "4"); 7]).collect();
    let told = summarise(&[log], &Limits { max_address_pairs: 3, ..Limits::default() }, 9);
    assert_eq!(flows(&told, FindingType::EdgeToEdgeRouting), [7]);
    // Three paths that AWS does not have are kept, and all that it has.
    assert_eq!(flows(&told, FindingType::PeeringPathMismatch), [3 + 5]);
    assert_eq!(told.limits_reached, ["max_address_pairs"]);
}

#[test]
fn records_of_untracked_interfaces_make_no_finding() {
    let egress = |interface: &str| {
        record(interface, "10.0.0.1 8.8.8.8 50000 443", "REJECT", "2").replace("2 - - -", "2 egress - -")
    };
    let found = |log: &[String], max_interfaces| {
        let told = summarise(&[log.to_vec()], &Limits { max_interfaces, ..Limits::default() }, 9);
        [flows(&told, FindingType::EgressBlocked), flows(&told, FindingType::RepeatedRejects)].concat()
    };
    let of_seven: Vec<String> = (0..7).map(|n| egress(&format!("eni-{n}"))).collect();
    assert_eq!(found(&of_seven, 1), [0; 0]);
    assert_eq!(found(&of_seven, 7), [0; 0]);
    let of_none = vec![egress("-"); 7];
    assert_eq!(found(&of_none, 1), [7, 7]);
    assert_eq!(found(&[of_none, of_seven].concat(), 6), [0; 0]);
}

#[test]
fn rejects_of_a_tracked_interface_stay_with_it() {
    let refused = |place: &str| record("-", "8.8.8.8 10.0.0.1 50000 22", "REJECT", "2").replacen("- - -", place, 1);
    let told = |places: &[&str], max_interfaces| {
        let log = places.iter().map(|place| refused(place)).collect();
        let told = summarise(&[log], &Limits { max_interfaces, ..Limits::default() }, 9);
        let rows = told.rejected.by_interface.iter();
        (told.limits_reached, rows.map(|row| (row.interface_id.clone(), row.tally.flows)).collect::<Vec<_>>())
    };
    let eni = Some("eni-9".to_owned());
    assert_eq!(told(&["eni-9 - -", "- - -"], 1), (vec![], vec![(None, 1), (eni.clone(), 1)]));
    let of_none = ["- vpc-1 -", "- vpc-1 subnet-1", "- vpc-2 -", "- vpc-2 subnet-2", "- vpc-1 subnet-2"];
    let places = [&of_none[..], &["eni-9 vpc-2 -"; 2]].concat();
    assert_eq!(told(&places, 4), (vec!["max_interfaces"], vec![(None, 5), (eni, 2)]));
}

#[test]
fn the_topology_adds_no_vpc_or_subnet_above_max_interfaces() {
    let refused = |place: &&str| record("-", "8.8.8.8 10.0.0.1 50000 22", "REJECT", "2").replacen("- - -", place, 1);
    let told = |inputs: &[&[&str]], max_interfaces| {
        let inputs: Vec<Vec<String>> = inputs.iter().map(|places| places.iter().map(refused).collect()).collect();
        let told = summarise(&inputs, &Limits { max_interfaces, ..Limits::default() }, 9).rejected;
        let vpcs: Vec<_> = told.by_vpc.iter().map(|row| (row.vpc_id.clone(), row.tally.flows)).collect();
        let subnets: Vec<_> = told.by_subnet.iter().map(|row| (row.subnet_id.clone(), row.tally.flows)).collect();
        (vpcs, subnets)
    };
    let name = |name: &str| Some(name.to_owned());
    // By the topology eni-0 is in vpc-a and subnet-0: so are its records that name neither.
    let places = ["eni-0 vpc-x subnet-x", "eni-0 vpc-y -", "eni-0 - -"];
    let vpcs = vec![(None, 1), (name("vpc-a"), 1), (name("vpc-x"), 1)];
    let expected = (vpcs, vec![(None, 2), (name("subnet-0"), 1)]);
    for inputs in [&[&places[..]][..], &[&places[..1], &places[1..]]] {
        assert_eq!(told(inputs, 1), expected);
    }
    // Nor of a combination for which there was none.
    let (vpcs, _) = told(&[&["- vpc-x -", "- vpc-y -", "eni-0 vpc-x -"]], 2);
    assert_eq!(vpcs, [(None, 1), (name("vpc-x"), 1), (name("vpc-y"), 1)]);
}

#[test]
fn more_classes_of_a_pair_than_the_limit_are_not_exact() {
    let at = |path| {
        record("eni-0", "10.0.0.1 10.3.0.1 50000 22", "ACCEPT", "2").replace("2 - - -", &format!("2 - {path} -"))
    };
    // One pair of addresses: between two VPCs, by paths that AWS does not have.
    let log = [1000, 1001].map(at).to_vec();
    let told = |max_address_pairs| {
        let told = summarise(std::slice::from_ref(&log), &Limits { max_address_pairs, ..Limits::default() }, 9);
        (told.limits_reached, told.peering.is_some_and(|peering| peering.exact))
    };
    assert_eq!(told(2), (vec![], true));
    assert_eq!(told(1), (vec!["max_address_pairs"], false));
}

#[test]
fn unanswered_records_count_for_any_number_of_paths() {
    let at = |action: &str, path: u32| {
        record("eni-0", "10.0.0.1 10.1.0.1 50000 22", action, "2").replace("2 - - -", &format!("2 - {path} -"))
    };
    for (action, finding) in [("ACCEPT", FindingType::OneWayPeering), ("REJECT", FindingType::RejectedPeering)] {
        let made_up = (1000..1040).map(|path| at(action, path));
        let log: Vec<String> = made_up.chain(vec![at(action, 4); 7]).collect();
        let halves = [log[..20].to_vec(), log[20..].to_vec()];
        for inputs in [vec![log], halves.to_vec()] {
            let told = summarise(&inputs, &Limits::default(), 9);
            assert_eq!((flows(&told, finding), &told.limits_reached[..]), (vec![47], &["max_address_pairs"][..]));
            let pairs = told.peering.map(|peering| peering.vpc_pairs).unwrap_or_default();
            assert_eq!(pairs[0].unanswered.flows, if action == "ACCEPT" { 47 } else { 0 });
        }
    }
}

#[test]
fn records_above_max_interfaces_count_for_no_interface() {
    let refused = |interface, flows| vec![record(interface, "8.8.8.8 10.0.0.1 50000 22", "REJECT", "2"); flows];
    let log = [refused("eni-0", 2), refused("eni-1", 1), refused("eni-2", 3), refused("eni-4", 4)].concat();
    let told = summarise(&[log], &Limits { max_interfaces: 2, ..Limits::default() }, 9);
    assert_eq!(told.limits_reached, ["max_interfaces"]);
    let rows = told.rejected.by_interface.iter().map(|row| (row.interface_id.as_deref(), row.tally.flows));
    assert_eq!(rows.collect::<Vec<_>>(), [(None, 7), (Some("eni-0"), 2), (Some("eni-1"), 1)]);
    assert_eq!((told.traffic.rejected.flows, told.rejected.exact), (10, false));
    assert!(told.peering.is_some_and(|peering| !peering.exact));
}

#[test]
fn untracked_interfaces_do_not_explain_each_other() {
    let of = |interface, action| record(interface, "10.0.0.1 10.0.0.2 50000 22", action, "-");
    let log = [of("eni-0", "ACCEPT"), of("eni-1", "ACCEPT"), of("eni-2", "REJECT")];
    let told = |max_interfaces| summarise(&[log.to_vec()], &Limits { max_interfaces, ..Limits::default() }, 9);
    // What left one interface was refused at the other.
    assert_eq!(causes(&told(3)), [Cause::SecurityGroupOrNetworkAcl]);
    assert_eq!(causes(&told(1)), [Cause::SecurityGroupOrNetworkAcl]);
}

#[test]
fn formats_above_max_formats_are_used_but_not_listed() {
    let log = "srcaddr action\n8.8.8.8 REJECT\nsrcaddr dstaddr action\n8.8.8.8 10.0.0.1 REJECT\n\
               action srcaddr\nREJECT 8.8.8.8\nsrcaddr action\n8.8.8.8 REJECT\n";
    let limits = Limits { max_formats: 2, ..Limits::default() };
    let analysis = pipeline::analyze("log", log.as_bytes(), &Options { limits, ..Options::default() });
    let told = build::build_summary(analysis.expect("a flow log"), &SummaryOptions::default(), None);
    assert_eq!(told.limits_reached, ["max_formats"]);
    let formats: Vec<String> = told.formats.iter().map(|format| format.fields.join(" ")).collect();
    assert_eq!(formats, ["srcaddr action", "srcaddr dstaddr action"]);
    let flows: Vec<u64> = told.rejected.groups.iter().map(|group| group.tally.flows).collect();
    assert_eq!((told.rejected.exact, told.records.malformed, flows), (true, 0, vec![3, 1]));
}

#[test]
fn long_names_use_no_more_memory_than_the_limit_allows() {
    let long = "x".repeat(60 << 10);
    let mut merged = Analysis::default();
    for input in 0..20 {
        let record = |n: u32| record(&format!("eni-{input}-{n}-{long}"), "8.8.8.8 10.0.0.1 50000 22", "REJECT", "2");
        let log = format!("{HEADER}\n{}\n", (0..100).map(record).collect::<Vec<_>>().join("\n"));
        merged.merge(pipeline::analyze("log", log.as_bytes(), &Options::default()).expect("a flow log"));
    }
    let told = build::build_summary(merged, &SummaryOptions::default(), None);
    assert_eq!((told.limits_reached.contains(&"max_interfaces"), told.records.rejected), (true, 2000));
    // Of 65,535 names of 64 bytes at most.
    let [others, kept @ ..] = &told.rejected.by_interface[..] else { panic!("there are records") };
    assert_eq!((&others.interface_id, others.tally.flows, kept.len()), (&None, 1932, 68));
    assert!(json::render(&told).len() < 20 << 20);
}

#[test]
fn a_group_dropped_by_a_merge_lacks_its_earlier_flows() {
    let limits = Limits { max_rejected_groups: 4, ..Limits::default() };
    let first = refused(&[(1, 3), (2, 5), (3, 5), (4, 5)]);
    let second = refused(&[(5, 1), (1, 5), (6, 1), (7, 1)]);
    let told = summarise(&[first, second, refused(&[(8, 1), (9, 1)])], &limits, 9);
    assert_eq!((ports(&told), told.rejected.error_bound), (vec![(Some(1), 5)], 6), "in truth port 1 has 8");
}

#[test]
fn a_pair_dropped_by_a_merge_may_have_had_a_reply() {
    let limits = Limits { max_address_pairs: 2, ..Limits::default() };
    let first = accepted(&["10.3.0.1 10.0.0.1", "10.3.0.1 10.0.0.2"]);
    let second = accepted(&["10.3.0.1 10.0.0.3", "10.0.0.1 10.3.0.1"]);
    let told = summarise(&[first, second], &limits, 9);
    assert_eq!(flows(&told, FindingType::UnpeeredVpc), [0; 0]);
}

#[test]
fn dropped_pairs_may_have_been_answered() {
    let answered = ["10.0.0.2 10.1.0.1", "10.1.0.1 10.0.0.2"];
    let log = accepted(&[&["10.0.0.1 10.1.0.1"; 5][..], &answered, &["10.0.0.9 10.1.0.1"]].concat());
    let severity = |max_address_pairs| {
        let told = summarise(std::slice::from_ref(&log), &Limits { max_address_pairs, ..Limits::default() }, 9);
        let found = told.findings.iter().find(|finding| finding.finding_type == FindingType::OneWayPeering);
        found.map(|found| (found.tally.flows, found.severity))
    };
    assert_eq!(severity(3), Some((6, Severity::Medium)));
    assert_eq!(severity(2), Some((5, Severity::Medium)));
}
