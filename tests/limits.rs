//! Properties of summaries at every memory limit: totals include all records. All other counts never exceed the exact ones,
//! lack at most the error bound, and are marked exact only where they are.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use flowsentry::aggregate::Analysis;
use flowsentry::aggregate::counters::Counters;
use flowsentry::aggregate::rejected::cause::Cause;
use flowsentry::config::{Config, Limits, Thresholds};
use flowsentry::findings::types::{FindingType, Severity};
use flowsentry::partial::{self, Context};
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
const DESCRIBE_OUTPUT: &str = r#"{
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

static TOPOLOGY: LazyLock<Arc<Topology>> = LazyLock::new(|| {
    let mut resources = Resources::default();
    resources.read("topology.json", DESCRIBE_OUTPUT.as_bytes()).expect("JSON");
    Arc::new(Topology::new(resources))
});

const HEADER: &str = "interface-id vpc-id subnet-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
                      log-status tcp-flags flow-direction traffic-path reject-reason";

const ADDRESSES: &[&str] =
    &["10.0.0.1", "10.0.0.2", "10.1.0.1", "10.2.0.1", "10.3.0.1", "10.4.0.1", "10.5.0.1", "8.8.8.8", "fd00::1"];

/// A client, a server, and the other fields of their records.
#[derive(Debug, Clone)]
struct Connection {
    /// Interface, VPC, and subnet.
    interface: String,
    /// Client and server.
    addresses: [&'static str; 2],
    server_port: u16,
    protocol: &'static str,
    /// The fields after the times.
    outcome: String,
}

impl Connection {
    /// Formats a record of a client with this port, or of the reply to it.
    fn record(&self, client_port: u16, is_reply: bool, index: u64) -> String {
        let Connection { interface, addresses: [client, server], server_port, protocol, outcome } = self;
        let (packets, start) = (index % 7 + 1, 1_795_413_600 + index);
        let tuple = match is_reply {
            false => format!("{client} {server} {client_port} {server_port}"),
            true => format!("{server} {client} {server_port} {client_port}"),
        };
        format!("{interface} {tuple} {protocol} {packets} {} {start} {} {outcome}", packets * 40, start + 60)
    }
}

/// Generates connections with few different values.
fn connection() -> impl Strategy<Value = Connection> {
    let one_of = |words: &'static [&str]| select(words);
    let vpcs_and_subnets =
        one_of(&["- -", "- -", "vpc-a -", "vpc-a subnet-0", "vpc-f subnet-5", "vpc-elsewhere subnet-9"]);
    let actions = one_of(&["ACCEPT OK", "ACCEPT OK", "REJECT OK", "REJECT OK", "REJECT OK", "- SKIPDATA"]);
    let outcome = (actions, one_of(&["- -", "0 -", "2 -", "2 egress"]), one_of(&["- -", "1 -", "4 -", "8 -", "- BPA"]));
    let kind = ((0..5u8, vpcs_and_subnets), select(&[22, 443, 60_000][..]), one_of(&["6", "6", "17"]), outcome);
    ([one_of(ADDRESSES), one_of(ADDRESSES)], kind).prop_map(
        |(addresses, ((interface, vpc_and_subnet), server_port, protocol, outcome))| {
            let outcome = format!("{} {} {}", outcome.0, outcome.1, outcome.2);
            Connection {
                interface: format!("eni-{interface} {vpc_and_subnet}"),
                addresses,
                server_port,
                protocol,
                outcome,
            }
        },
    )
}

/// Generates the records of one to six inputs. All inputs use the same few connections, so that merging combines them.
fn inputs() -> impl Strategy<Value = Vec<Vec<String>>> {
    let run = (any::<Index>(), 50_000..50_003u16, prop::bool::weighted(0.3), 1..9usize);
    (vec(connection(), 1..30), vec(vec(run, 0..20), 1..=6)).prop_map(|(connections, inputs)| {
        let mut indexes = 0..;
        let mut records = |(connection, client_port, is_reply, times): (Index, u16, bool, usize)| -> Vec<String> {
            let connection = connection.get(&connections);
            indexes.by_ref().take(times).map(|index| connection.record(client_port, is_reply, index)).collect()
        };
        inputs.into_iter().map(|runs| runs.into_iter().flat_map(&mut records).collect()).collect()
    })
}

/// Generates limits, some so low that they may be reached, the others at their defaults.
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

/// Analyzes inputs with these limits and the topology, and merges them.
fn analyze(inputs: &[Vec<String>], limits: &Limits) -> Analysis {
    let options = Options { topology: Some(Arc::clone(&TOPOLOGY)), limits: *limits, ..Options::default() };
    let mut merged = Analysis::new(limits);
    for records in inputs {
        let log = format!("{HEADER}\n{}\n", records.join("\n"));
        merged.merge(pipeline::analyze("log", log.as_bytes(), &options).expect("a flow log"));
    }
    merged
}

/// As [`analyze`], by way of two partials.
fn merge_partials(inputs: &[Vec<String>], limits: &Limits) -> Analysis {
    let config = Config { limits: *limits, ..Config::default() };
    let context = Context::new(Some(&TOPOLOGY), &config);
    let (first, second) = inputs.split_at(inputs.len() / 2);
    let mut merged = Analysis::new(limits);
    for inputs in [first, second] {
        let mut file = Vec::new();
        partial::write(analyze(inputs, limits), &context, &mut file).expect("writing to memory succeeds");
        merged.merge(partial::read(&file[..], &context).expect("a partial"));
    }
    merged
}

/// Summarizes the merged inputs with these limits and the topology. Every other case is made of partials.
fn summarize(inputs: &[Vec<String>], limits: &Limits, top: usize) -> Summary {
    let uses_partials = inputs.iter().map(Vec::len).sum::<usize>() % 2 == 1;
    let merged = if uses_partials { merge_partials(inputs, limits) } else { analyze(inputs, limits) };
    let thresholds = Thresholds { repeated_reject_flows: 5, one_way_min_flows: 2, ..Thresholds::default() };
    let summary = build::build_summary(
        merged,
        &SummaryOptions { thresholds, max_listed_groups: top, ..SummaryOptions::default() },
        Some(&TOPOLOGY),
    );
    assert_eq!(summary.records.malformed, 0, "{:?}", summary.malformed);
    summary
}

/// Returns the summary with these limits, and the exact one, for which no limit was reached.
fn limited_and_exact(inputs: &[Vec<String>], limits: &Limits, top: usize) -> (Summary, Summary) {
    let exact = summarize(inputs, &Limits::default(), usize::MAX);
    assert_eq!(exact.limits_reached, [""; 0]);
    (summarize(inputs, limits, top), exact)
}

/// Reports whether one of these limits was reached.
fn reached(summary: &Summary, names: &[&str]) -> bool {
    summary.limits_reached.iter().any(|name| names.contains(name))
}

/// Returns the groups of a summary that the records of this group belong to. Every record here names an interface, so a group
/// without one has records of untracked interfaces.
fn matching_groups<'a>(group: &'a RejectedGroup, summary: &'a Summary) -> impl Iterator<Item = &'a RejectedGroup> {
    let tuple = |g: &RejectedGroup| (g.srcaddr, g.dstaddr, g.dstport, g.protocol);
    let is_same = move |other: &&RejectedGroup| {
        tuple(group) == tuple(other) && (group.interface_id.is_none() || group.interface_id == other.interface_id)
    };
    summary.rejected.groups.iter().filter(is_same)
}

/// Adds counters.
fn sum(tallies: impl Iterator<Item = Counters>) -> Counters {
    tallies.fold(Counters::default(), |mut sum, tally| {
        sum.merge(tally);
        sum
    })
}

/// Reports whether no count exceeds the exact one.
fn is_within(limited: Counters, exact: Counters) -> bool {
    limited.flows <= exact.flows && limited.packets <= exact.packets && limited.bytes <= exact.bytes
}

/// Findings that are based on a missing reply.
const UNANSWERED: &[FindingType] = &[
    FindingType::InactivePeering,
    FindingType::OneWayPeering,
    FindingType::TransitivePeering,
    FindingType::UnpeeredVpc,
];

/// Findings that may have more flows than the exact ones if causes are undecided: an undecided flow counts as a new connection.
const ATTEMPTS: &[FindingType] = &[FindingType::EgressBlocked, FindingType::HostSweep, FindingType::PortScan];

/// Returns the unanswered flows of each pair of VPCs.
fn unanswered(summary: &Summary) -> BTreeMap<String, Counters> {
    let pairs = summary.peering.iter().flat_map(|peering| &peering.vpc_pairs);
    pairs.map(|pair| (format!("{} {}", pair.src_vpc_id, pair.dst_vpc_id), pair.unanswered)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn without_a_reached_limit_nothing_is_missing(inputs in inputs(), limits in limits()) {
        let (limited, exact) = limited_and_exact(&inputs, &limits, usize::MAX);
        if limited.limits_reached.is_empty() {
            prop_assert!(limited.rejected.exact && limited.rejected.error_bound == 0);
            prop_assert!(limited.peering.as_ref().is_some_and(|peering| peering.exact));
            prop_assert!(limited.findings.iter().all(|finding| finding.exact));
            prop_assert_eq!(limited, exact);
        }
    }

    #[test]
    fn results_that_depend_on_a_reached_limit_are_not_exact(inputs in inputs(), limits in limits()) {
        let limited = summarize(&inputs, &limits, 3);
        let rejects_limited = reached(&limited, &["max_rejected_groups", "max_accepted_tuples", "max_interfaces"]);
        prop_assert_eq!(limited.rejected.exact, !rejects_limited, "{:?}", limited.limits_reached);
        let peering_limited = reached(&limited, &["max_address_pairs", "max_interfaces"]);
        let exact = limited.peering.as_ref().map(|peering| peering.exact);
        prop_assert_eq!(exact, Some(!peering_limited), "{:?}", limited.limits_reached);
    }

    #[test]
        fn a_limit_that_is_not_reached_is_not_listed(inputs in inputs(), name in select(Limits::NAMES), count in 1..20u8) {
        let mut limits = Limits::default();
        prop_assert_eq!(limits.set(name, &count.to_string()), Some(Ok(())));
        let reached = summarize(&inputs, &limits, 3).limits_reached;
        prop_assert!(reached.iter().all(|reached| *reached == name), "{:?}", reached);
    }

    #[test]
    fn totals_include_every_record(inputs in inputs(), limits in limits()) {
        let (limited, exact) = limited_and_exact(&inputs, &limits, 3);
        prop_assert_eq!((limited.records, limited.traffic, limited.window), (exact.records, exact.traffic, exact.window));
        let (rows, all) = (&limited.rejected, exact.traffic.rejected);
        prop_assert_eq!(sum(rows.by_interface.iter().map(|row| row.tally)), all);
        prop_assert_eq!(sum(rows.by_subnet.iter().map(|row| row.tally)), all);
        prop_assert_eq!(sum(rows.by_vpc.iter().map(|row| row.tally)), all);
        prop_assert_eq!(sum(rows.by_cause.iter().map(|row| row.tally)), all);
        if !reached(&limited, &["max_interfaces"]) {
            prop_assert_eq!(&rows.by_interface, &exact.rejected.by_interface);
            prop_assert_eq!(&rows.by_subnet, &exact.rejected.by_subnet);
            prop_assert_eq!(&rows.by_vpc, &exact.rejected.by_vpc);
            prop_assert_eq!(limited.services, exact.services);
        }
        let [limited, exact] = [limited.peering, exact.peering].map(|peering| {
            let mut peering = peering.expect("there is a topology");
            peering.vpc_pairs.iter_mut().for_each(|pair| pair.unanswered = Counters::default());
            peering
        });
        prop_assert_eq!((limited.connections, limited.vpc_pairs), (exact.connections, exact.vpc_pairs));
    }

    #[test]
    fn a_group_lacks_at_most_error_bound_flows(inputs in inputs(), limits in limits(), top in select(&[1, 3, usize::MAX][..])) {
        let (limited, exact) = limited_and_exact(&inputs, &limits, top);
        let Rejected { groups: listed, error_bound, group_count, .. } = &limited.rejected;
        for limited in listed {
            let exact: Vec<_> = matching_groups(limited, &exact).collect();
            prop_assert!(is_within(limited.tally, sum(exact.iter().map(|group| group.tally))), "{:?}, exact: {:?}", limited, exact);
            prop_assert!(exact.iter().any(|exact| limited.seen.first_seen >= exact.seen.first_seen));
            prop_assert!(exact.iter().any(|exact| limited.seen.last_seen <= exact.seen.last_seen));
        }
        if !reached(&limited, &["max_interfaces"]) {
            // The number of groups is an estimate once groups were dropped. It is nearly exact for so small a number.
            prop_assert!(group_count.abs_diff(exact.rejected.group_count) <= 1);
        }
        // If not all groups are listed, the others have at most as many flows as the last one.
        let last = listed.last().filter(|_| listed.len() == top).map_or(0, |last| last.tally.flows);
        for exact in &exact.rejected.groups {
            // Groups of untracked interfaces are merged into one without an interface.
            let without_interface = RejectedGroup { interface_id: None, ..exact.clone() };
            let has_no_interface = |limited: &&RejectedGroup| limited.interface_id.is_none();
            let merged = || matching_groups(&without_interface, &limited).find(has_no_interface);
            let found = matching_groups(exact, &limited).next().or_else(merged);
            let at_most = found.map_or(last, |limited| limited.tally.flows) + error_bound;
            prop_assert!(exact.tally.flows <= at_most, "{} at most: {:?}", at_most, exact);
        }
    }

    #[test]
    fn a_cause_is_correct_or_undecided(inputs in inputs(), limits in limits()) {
        let (limited, exact) = limited_and_exact(&inputs, &limits, usize::MAX);
        for limited in &limited.rejected.groups {
            prop_assert_eq!(limited.causes.values().sum::<u64>(), limited.tally.flows);
            for (cause, flows) in limited.causes.iter().filter(|(cause, _)| **cause != Cause::SecurityGroupOrNetworkAcl) {
                let exact_flows: u64 = matching_groups(limited, &exact).filter_map(|group| group.causes.get(cause)).sum();
                prop_assert!(*flows <= exact_flows, "{:?} of {:?}, exact: {}", cause, limited, exact_flows);
            }
        }
    }

    #[test]
    fn a_finding_never_exceeds_the_exact_one(inputs in inputs(), limits in limits()) {
        let (limited, exact) = limited_and_exact(&inputs, &limits, 3);
        let interfaces_limited = reached(&limited, &["max_interfaces"]);
        for limited in limited.findings {
            let may_be_more = ATTEMPTS.contains(&limited.finding_type)
                || interfaces_limited && !UNANSWERED.contains(&limited.finding_type);
            match exact.findings.iter().find(|exact| exact.id == limited.id) {
                Some(exact) => {
                    prop_assert!(may_be_more || is_within(limited.tally, exact.tally), "{:?}, exact: {:?}", limited, exact);
                    prop_assert!(!limited.exact || limited == *exact, "{:?}, exact: {:?}", limited, exact);
                }
                None => prop_assert!(may_be_more && !limited.exact, "not an exact finding: {:?}", limited),
            }
        }
    }

    #[test]
    fn unanswered_flows_never_exceed_the_exact_count(inputs in inputs(), limits in limits()) {
        let (limited, exact) = limited_and_exact(&inputs, &limits, 3);
        let exact = unanswered(&exact);
        for (pair, limited) in unanswered(&limited) {
            prop_assert!(is_within(limited, exact[&pair]), "{}: {:?}, exact: {:?}", pair, limited, exact[&pair]);
        }
    }

    /// Each analysis seeds its hashes differently.
    #[test]
    fn the_same_inputs_give_the_same_bytes(inputs in inputs(), limits in limits()) {
        let run = || String::from_utf8(json::render(&summarize(&inputs, &limits, 10))).expect("JSON is UTF-8");
        let first = run();
        for _ in 0..3 {
            prop_assert_eq!(run(), &first[..]);
        }
    }
}

#[test]
fn findings_not_based_on_replies_count_dropped_pairs() {
    let rejected = |host: u8| record("eni-0", &format!("10.0.0.{host} 10.1.0.1 50000 22"), "REJECT", "2");
    let log: Vec<String> = (1..=9).map(rejected).collect();
    let limited = summarize(&[log], &Limits { max_address_pairs: 2, ..Limits::default() }, 9);
    let found = limited.findings.iter().find(|finding| finding.finding_type == FindingType::RejectedPeering);
    let found = found.map(|found| (found.tally.flows, found.tally.bytes, found.exact));
    assert_eq!(found, Some((9, 9 * 40, false)));
    // The interface is unknown, so either of the two VPCs with this block may be meant.
    let ambiguous = |host: u8| record("-", &format!("10.0.0.{host} 10.5.0.1 50000 22"), "ACCEPT", "2");
    let log: Vec<String> = (1..=9).map(ambiguous).collect();
    let limited = summarize(&[log], &Limits { max_address_pairs: 2, ..Limits::default() }, 9);
    assert_eq!(flows(&limited, FindingType::AmbiguousAddress), [9]);
}

#[test]
fn no_group_is_dropped_if_merging_source_ports_is_enough() {
    // Two groups with two source ports each. Every record may be a late packet or a reply.
    let at = |ends: &str| record("eni-0", ends, "REJECT", "-");
    let log = ["8.8.8.8 10.0.0.1 1 80", "8.8.8.8 10.0.0.1 2 80", "8.8.8.8 10.0.0.1 1 81", "8.8.8.8 10.0.0.1 2 81"];
    let log = [log.map(at).to_vec()];
    for max_rejected_groups in [2, 3] {
        let limited = summarize(&log, &Limits { max_rejected_groups, ..Limits::default() }, 9);
        let groups: Vec<u64> = limited.rejected.groups.iter().map(|group| group.tally.flows).collect();
        assert_eq!((groups, limited.rejected.error_bound), (vec![2, 2], 0), "{max_rejected_groups}");
    }
}

/// Formats a record of one TCP packet.
fn record(interface: &str, ends: &str, action: &str, flags: &str) -> String {
    format!("{interface} - - {ends} 6 1 40 1795413600 1795413660 {action} OK {flags} - - -")
}

/// Formats rejected records of `eni-0`: the number of records for each destination port.
fn rejected(flows: &[(u16, usize)]) -> Vec<String> {
    let at = |port: u16| record("eni-0", &format!("8.8.8.8 10.0.0.1 50000 {port}"), "REJECT", "2");
    flows.iter().flat_map(|(port, flows)| vec![at(*port); *flows]).collect()
}

/// Formats accepted records of `eni-0` between these addresses.
fn accepted(ends: &[&str]) -> Vec<String> {
    ends.iter().map(|ends| record("eni-0", &format!("{ends} 50000 22"), "ACCEPT", "-")).collect()
}

/// Returns the destination port and the flows of each rejected group.
fn ports(summary: &Summary) -> Vec<(Option<u16>, u64)> {
    summary.rejected.groups.iter().map(|group| (group.dstport, group.tally.flows)).collect()
}

/// Returns the cause of each rejected group.
fn causes(summary: &Summary) -> Vec<Cause> {
    summary.rejected.groups.iter().map(|group| group.cause).collect()
}

/// Returns the flows of each finding of this type.
fn flows(summary: &Summary, finding_type: FindingType) -> Vec<u64> {
    let of_type = summary.findings.iter().filter(|finding| finding.finding_type == finding_type);
    of_type.map(|finding| finding.tally.flows).collect()
}

#[test]
fn above_max_rejected_groups_the_heaviest_are_kept() {
    let limits = Limits { max_rejected_groups: 4, ..Limits::default() };
    let limited = summarize(&[rejected(&[(22, 6), (23, 3), (24, 1), (25, 1), (26, 1)])], &limits, 9);
    assert_eq!(limited.limits_reached, ["max_rejected_groups"]);
    assert_eq!((limited.rejected.exact, limited.rejected.error_bound, limited.rejected.group_count), (false, 1, 5));
    assert_eq!(ports(&limited), [(Some(22), 6), (Some(23), 3)]);
    assert_eq!((limited.rejected.by_interface[0].tally.flows, limited.records.rejected), (12, 12));
    assert!(limited.peering.is_some_and(|peering| peering.exact));
}

#[test]
fn source_ports_are_merged_before_groups_are_dropped() {
    let both =
        |port| ["ACCEPT", "REJECT"].map(|action| record("eni-0", &format!("8.8.8.8 10.0.0.1 {port} 22"), action, "-"));
    let log = [50_000, 50_001, 50_002, 50_003, 50_004].map(both).concat();
    let limited = |max_rejected_groups| {
        let limited = summarize(std::slice::from_ref(&log), &Limits { max_rejected_groups, ..Limits::default() }, 9);
        assert_eq!((limited.rejected.error_bound, ports(&limited)), (0, vec![(Some(22), 5)]));
        (limited.rejected.exact, causes(&limited)[0])
    };
    assert_eq!(limited(5), (true, Cause::OutOfState));
    assert_eq!(limited(4), (false, Cause::SecurityGroupOrNetworkAcl));
}

#[test]
fn above_max_accepted_tuples_no_cause_uses_tuples() {
    let log = ["8.8.4.4", "8.8.8.8"].map(|client| {
        [
            record("eni-0", &format!("{client} 10.0.0.1 50000 443"), "ACCEPT", "-"),
            record("eni-0", &format!("10.0.0.1 {client} 443 50000"), "REJECT", "-"),
        ]
    });
    let limited =
        |max_accepted_tuples| summarize(&[log.concat()], &Limits { max_accepted_tuples, ..Limits::default() }, 9);
    assert_eq!(causes(&limited(2)), [Cause::NetworkAcl; 2]);
    assert_eq!((limited(2).limits_reached, flows(&limited(2), FindingType::ReplyBlocked)), (vec![], vec![1, 1]));
    assert_eq!(causes(&limited(1)), [Cause::SecurityGroupOrNetworkAcl; 2]);
    assert_eq!((limited(1).limits_reached, limited(1).rejected.exact), (vec!["max_accepted_tuples"], false));
    assert_eq!(flows(&limited(1), FindingType::ReplyBlocked), [0; 0]);
}

#[test]
fn above_max_address_pairs_the_heaviest_are_kept() {
    let once = ["10.0.0.2 10.3.0.1", "10.0.0.3 10.3.0.1", "10.0.0.2 10.3.0.1"];
    let log = accepted(&[&["10.0.0.1 10.3.0.1"; 5][..], &once].concat());
    let limited = summarize(&[log], &Limits { max_address_pairs: 2, ..Limits::default() }, 9);
    assert_eq!(
        (&limited.limits_reached[..], flows(&limited, FindingType::UnpeeredVpc)),
        (&["max_address_pairs"][..], vec![5])
    );
    let peering = limited.peering.expect("there is a topology");
    let pair = &peering.vpc_pairs[0];
    assert_eq!((peering.exact, pair.traffic.accepted.flows, pair.unanswered.flows), (false, 8, 5));
    assert!(limited.rejected.exact && !limited.findings[0].exact);
}

#[test]
fn groups_within_the_limit_after_merging_ports_are_kept() {
    // 80 groups. 30 of them have two source ports that may each have late packets.
    let at =
        |srcport: u16, dstport: u16| record("eni-0", &format!("8.8.8.8 10.0.0.1 {srcport} {dstport}"), "REJECT", "-");
    let log = [(0..80).map(|port| at(1, port)).collect::<Vec<_>>(), (0..30).map(|port| at(2, port)).collect()].concat();
    let limited = summarize(&[log], &Limits { max_rejected_groups: 100, ..Limits::default() }, 99).rejected;
    assert_eq!((limited.groups.len(), limited.group_count, limited.error_bound, limited.exact), (80, 80, 0, false));
}

#[test]
fn the_error_bound_covers_dropped_groups_joined_by_a_merge() {
    let accepted_of = |n| record(&format!("eni-a{n}"), "8.8.8.8 10.0.0.1 50000 22", "ACCEPT", "2");
    let rejected_of = |n| vec![record(&format!("eni-b{n}"), "8.8.8.8 10.0.0.1 50000 22", "REJECT", "2"); 9];
    let heavier = (100..112)
        .flat_map(|port| vec![record("eni-b0", &format!("8.8.8.8 10.0.0.1 50000 {port}"), "REJECT", "2"); 20]);
    // The interfaces of the second input exceed the limit: their groups are merged into one without an interface.
    let inputs = [(0..6).map(accepted_of).collect(), (0..6).flat_map(rejected_of).chain(heavier).collect()];
    let limits = Limits { max_rejected_groups: 8, max_interfaces: 6, ..Limits::default() };
    let limited = summarize(&inputs, &limits, 99).rejected;
    let group = limited.groups.iter().find(|group| group.dstport == Some(22));
    let flows = group.map_or(0, |group| group.tally.flows);
    assert!(flows + limited.error_bound >= 54, "{flows} and {}", limited.error_bound);
    // The bound does not exceed the flows that are not listed.
    let listed = limited.groups.iter().fold(0, |flows, group| flows + group.tally.flows);
    assert!(listed + limited.error_bound <= 54 + 240, "{listed} and {}", limited.error_bound);
}

#[test]
fn the_error_bound_covers_interfaces_kept_in_one_input_only() {
    let rejected = |interface: &str| record(interface, "8.8.8.8 10.0.0.1 50000 22", "REJECT", "2");
    let accepted = record("eni-b", "8.8.8.8 10.0.0.1 50000 22", "ACCEPT", "2");
    let limited = |inputs: &[Vec<String>]| {
        let limited = summarize(inputs, &Limits { max_interfaces: 1, ..Limits::default() }, 9).rejected;
        let groups = limited.groups.iter().map(|group| (group.interface_id.clone(), group.tally.flows));
        (groups.collect::<Vec<_>>(), limited.error_bound)
    };
    let (first, second) = (vec![rejected("eni-a")], [vec![accepted], vec![rejected("eni-a"); 7]].concat());
    assert_eq!(limited(&[first.clone(), second.clone()]), (vec![(None, 7), (Some("eni-a".to_owned()), 1)], 7));
    // Further merges keep the bound.
    assert_eq!(limited(&[vec![], first, second.clone(), vec![rejected("eni-c")]]).1, 8);
    // Within one input, all records of an interface are counted the same way.
    assert_eq!(limited(&[second]), (vec![(None, 7)], 0));
}

#[test]
fn peering_paths_are_reported_above_max_address_pairs() {
    // From vpc-a to an address outside of the topology, after more classes of traffic than the limit of pairs.
    let through = |dst: &str, path: &str| {
        record("eni-0", &format!("10.0.0.1 {dst} 50000 22"), "ACCEPT", "2").replace("2 - - -", &format!("2 - {path} -"))
    };
    let made_up = (0..9).map(|n| through("10.1.0.1", &(1000 + n).to_string()));
    let elsewhere = vec![through("10.1.0.1", "8"); 5];
    let log: Vec<String> = made_up.chain(elsewhere).chain(vec![through("172.31.0.9", "4"); 7]).collect();
    let limited = summarize(&[log], &Limits { max_address_pairs: 3, ..Limits::default() }, 9);
    assert_eq!(flows(&limited, FindingType::EdgeToEdgeRouting), [7]);
    // Three unknown paths are kept, and every path that AWS documents.
    assert_eq!(flows(&limited, FindingType::PeeringPathMismatch), [3 + 5]);
    assert_eq!(limited.limits_reached, ["max_address_pairs"]);
}

#[test]
fn records_of_untracked_interfaces_make_no_finding() {
    let egress = |interface: &str| {
        record(interface, "10.0.0.1 8.8.8.8 50000 443", "REJECT", "2").replace("2 - - -", "2 egress - -")
    };
    let found = |log: &[String], max_interfaces| {
        let limited = summarize(&[log.to_vec()], &Limits { max_interfaces, ..Limits::default() }, 9);
        [flows(&limited, FindingType::EgressBlocked), flows(&limited, FindingType::RepeatedRejects)].concat()
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
    let rejected = |place: &str| record("-", "8.8.8.8 10.0.0.1 50000 22", "REJECT", "2").replacen("- - -", place, 1);
    let limited = |places: &[&str], max_interfaces| {
        let log = places.iter().map(|place| rejected(place)).collect();
        let limited = summarize(&[log], &Limits { max_interfaces, ..Limits::default() }, 9);
        let rows = limited.rejected.by_interface.iter();
        (limited.limits_reached, rows.map(|row| (row.interface_id.clone(), row.tally.flows)).collect::<Vec<_>>())
    };
    let eni = Some("eni-9".to_owned());
    assert_eq!(limited(&["eni-9 - -", "- - -"], 1), (vec![], vec![(None, 1), (eni.clone(), 1)]));
    let of_none = ["- vpc-1 -", "- vpc-1 subnet-1", "- vpc-2 -", "- vpc-2 subnet-2", "- vpc-1 subnet-2"];
    let places = [&of_none[..], &["eni-9 vpc-2 -"; 2]].concat();
    assert_eq!(limited(&places, 4), (vec!["max_interfaces"], vec![(None, 5), (eni, 2)]));
}

#[test]
fn the_topology_adds_no_vpc_or_subnet_above_max_interfaces() {
    let rejected = |place: &&str| record("-", "8.8.8.8 10.0.0.1 50000 22", "REJECT", "2").replacen("- - -", place, 1);
    let limited = |inputs: &[&[&str]], max_interfaces| {
        let inputs: Vec<Vec<String>> = inputs.iter().map(|places| places.iter().map(rejected).collect()).collect();
        let limited = summarize(&inputs, &Limits { max_interfaces, ..Limits::default() }, 9).rejected;
        let vpcs: Vec<_> = limited.by_vpc.iter().map(|row| (row.vpc_id.clone(), row.tally.flows)).collect();
        let subnets: Vec<_> = limited.by_subnet.iter().map(|row| (row.subnet_id.clone(), row.tally.flows)).collect();
        (vpcs, subnets)
    };
    let name = |name: &str| Some(name.to_owned());
    // In the topology, eni-0 is in vpc-a and subnet-0. That applies to its records without these fields.
    let places = ["eni-0 vpc-x subnet-x", "eni-0 vpc-y -", "eni-0 - -"];
    let vpcs = vec![(None, 1), (name("vpc-a"), 1), (name("vpc-x"), 1)];
    let expected = (vpcs, vec![(None, 2), (name("subnet-0"), 1)]);
    for inputs in [&[&places[..]][..], &[&places[..1], &places[1..]]] {
        assert_eq!(limited(inputs, 1), expected);
    }
    // It adds none for combinations above the limit either.
    let (vpcs, _) = limited(&[&["- vpc-x -", "- vpc-y -", "eni-0 vpc-x -"]], 2);
    assert_eq!(vpcs, [(None, 1), (name("vpc-x"), 1), (name("vpc-y"), 1)]);
}

#[test]
fn more_classes_of_a_pair_than_the_limit_are_not_exact() {
    let at = |path| {
        record("eni-0", "10.0.0.1 10.3.0.1 50000 22", "ACCEPT", "2").replace("2 - - -", &format!("2 - {path} -"))
    };
    // One pair of addresses, between two VPCs, with two unknown paths.
    let log = [1000, 1001].map(at).to_vec();
    let limited = |max_address_pairs| {
        let limited = summarize(std::slice::from_ref(&log), &Limits { max_address_pairs, ..Limits::default() }, 9);
        (limited.limits_reached, limited.peering.is_some_and(|peering| peering.exact))
    };
    assert_eq!(limited(2), (vec![], true));
    assert_eq!(limited(1), (vec!["max_address_pairs"], false));
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
            let limited = summarize(&inputs, &Limits::default(), 9);
            assert_eq!((flows(&limited, finding), &limited.limits_reached[..]), (vec![47], &["max_address_pairs"][..]));
            let pairs = limited.peering.map(|peering| peering.vpc_pairs).unwrap_or_default();
            assert_eq!(pairs[0].unanswered.flows, if action == "ACCEPT" { 47 } else { 0 });
        }
    }
}

#[test]
fn records_above_max_interfaces_count_for_no_interface() {
    let rejected = |interface, flows| vec![record(interface, "8.8.8.8 10.0.0.1 50000 22", "REJECT", "2"); flows];
    let log = [rejected("eni-0", 2), rejected("eni-1", 1), rejected("eni-2", 3), rejected("eni-4", 4)].concat();
    let limited = summarize(&[log], &Limits { max_interfaces: 2, ..Limits::default() }, 9);
    assert_eq!(limited.limits_reached, ["max_interfaces"]);
    let rows = limited.rejected.by_interface.iter().map(|row| (row.interface_id.as_deref(), row.tally.flows));
    assert_eq!(rows.collect::<Vec<_>>(), [(None, 7), (Some("eni-0"), 2), (Some("eni-1"), 1)]);
    assert_eq!((limited.traffic.rejected.flows, limited.rejected.exact), (10, false));
    assert!(limited.peering.is_some_and(|peering| !peering.exact));
}

#[test]
fn untracked_interfaces_do_not_explain_each_other() {
    let of = |interface, action| record(interface, "10.0.0.1 10.0.0.2 50000 22", action, "-");
    let log = [of("eni-0", "ACCEPT"), of("eni-1", "ACCEPT"), of("eni-2", "REJECT")];
    let limited = |max_interfaces| summarize(&[log.to_vec()], &Limits { max_interfaces, ..Limits::default() }, 9);
    // Records that left one interface were rejected at the other.
    assert_eq!(causes(&limited(3)), [Cause::SecurityGroupOrNetworkAcl]);
    assert_eq!(causes(&limited(1)), [Cause::SecurityGroupOrNetworkAcl]);
}

#[test]
fn formats_above_max_formats_are_used_but_not_listed() {
    let log = "srcaddr action\n8.8.8.8 REJECT\nsrcaddr dstaddr action\n8.8.8.8 10.0.0.1 REJECT\n\
               action srcaddr\nREJECT 8.8.8.8\nsrcaddr action\n8.8.8.8 REJECT\n";
    let limits = Limits { max_formats: 2, ..Limits::default() };
    let analysis = pipeline::analyze("log", log.as_bytes(), &Options { limits, ..Options::default() });
    let limited = build::build_summary(analysis.expect("a flow log"), &SummaryOptions::default(), None);
    assert_eq!(limited.limits_reached, ["max_formats"]);
    let formats: Vec<String> = limited.formats.iter().map(|format| format.fields.join(" ")).collect();
    assert_eq!(formats, ["srcaddr action", "srcaddr dstaddr action"]);
    let flows: Vec<u64> = limited.rejected.groups.iter().map(|group| group.tally.flows).collect();
    assert_eq!((limited.rejected.exact, limited.records.malformed, flows), (true, 0, vec![3, 1]));
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
    let limited = build::build_summary(merged, &SummaryOptions::default(), None);
    assert_eq!((limited.limits_reached.contains(&"max_interfaces"), limited.records.rejected), (true, 2000));
    // The limit is the size of 65,535 names of 64 bytes.
    let [others, kept @ ..] = &limited.rejected.by_interface[..] else { panic!("there are records") };
    assert_eq!((&others.interface_id, others.tally.flows, kept.len()), (&None, 1932, 68));
    assert!(json::render(&limited).len() < 20 << 20);
}

#[test]
fn a_group_dropped_by_a_merge_lacks_its_earlier_flows() {
    let limits = Limits { max_rejected_groups: 4, ..Limits::default() };
    let first = rejected(&[(1, 3), (2, 5), (3, 5), (4, 5)]);
    let second = rejected(&[(5, 1), (1, 5), (6, 1), (7, 1)]);
    let limited = summarize(&[first, second, rejected(&[(8, 1), (9, 1)])], &limits, 9);
    assert_eq!((ports(&limited), limited.rejected.error_bound), (vec![(Some(1), 5)], 6), "port 1 has exactly 8");
}

#[test]
fn a_pair_dropped_by_a_merge_may_have_had_a_reply() {
    let limits = Limits { max_address_pairs: 2, ..Limits::default() };
    let first = accepted(&["10.3.0.1 10.0.0.1", "10.3.0.1 10.0.0.2"]);
    let second = accepted(&["10.3.0.1 10.0.0.3", "10.0.0.1 10.3.0.1"]);
    let limited = summarize(&[first, second], &limits, 9);
    assert_eq!(flows(&limited, FindingType::UnpeeredVpc), [0; 0]);
}

#[test]
fn dropped_pairs_may_have_been_answered() {
    let answered = ["10.0.0.2 10.1.0.1", "10.1.0.1 10.0.0.2"];
    let log = accepted(&[&["10.0.0.1 10.1.0.1"; 5][..], &answered, &["10.0.0.9 10.1.0.1"]].concat());
    let severity = |max_address_pairs| {
        let limited = summarize(std::slice::from_ref(&log), &Limits { max_address_pairs, ..Limits::default() }, 9);
        let found = limited.findings.iter().find(|finding| finding.finding_type == FindingType::OneWayPeering);
        found.map(|found| (found.tally.flows, found.severity))
    };
    assert_eq!(severity(3), Some((6, Severity::Medium)));
    assert_eq!(severity(2), Some((5, Severity::Medium)));
}
