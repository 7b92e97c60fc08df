//! Properties of every log: neither order nor packaging changes a summary, and any bytes give a summary or an error.

#[path = "support/flow_log.rs"]
mod flow_log;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use flow_log::{gzip, summarize};
use flowsentry::cli::report::{self, RenderOptions};
use flowsentry::findings::types::{Confidence, FindingType};
use flowsentry::pipeline::{self, Options};
use flowsentry::summary::Summary;
use flowsentry::summary::build::{self, SummaryOptions};
use flowsentry::topology::Topology;
use flowsentry::topology::describe_output::Resources;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const FIELDS: [&str; 19] = [
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
    "vpc-id",
    "subnet-id",
    "tcp-flags",
    "flow-direction",
    "traffic-path",
];

/// A topology that matches the generated records: several VPCs with the same CIDR block (one, both, or none of them peered
/// with a third VPC), blocks within blocks, and connections in every state.
const DESCRIBE_OUTPUT: &str = r#"{
  "Vpcs": [
    {"VpcId": "vpc-0", "CidrBlock": "10.0.0.0/16"},
    {"VpcId": "vpc-1", "CidrBlock": "10.1.0.0/16"},
    {"VpcId": "vpc-2", "CidrBlock": "10.2.0.0/16"}, {"VpcId": "vpc-2b", "CidrBlock": "10.2.0.0/16"},
    {"VpcId": "vpc-3", "CidrBlock": "10.3.0.0/16"}, {"VpcId": "vpc-3b", "CidrBlock": "10.3.0.0/16"},
    {"VpcId": "vpc-4", "CidrBlock": "10.0.0.4/32"},
    {"VpcId": "vpc-5", "CidrBlock": "10.1.0.4/32"}
  ],
  "VpcPeeringConnections": [
    {"VpcPeeringConnectionId": "pcx-01", "Status": {"Code": "active"},
     "RequesterVpcInfo": {"VpcId": "vpc-0", "Region": "r1"}, "AccepterVpcInfo": {"VpcId": "vpc-1", "Region": "r1"}},
    {"VpcPeeringConnectionId": "pcx-12", "Status": {"Code": "active"},
     "RequesterVpcInfo": {"VpcId": "vpc-1", "Region": "r1"}, "AccepterVpcInfo": {"VpcId": "vpc-2", "Region": "r2"}},
    {"VpcPeeringConnectionId": "pcx-13", "Status": {"Code": "active"},
     "RequesterVpcInfo": {"VpcId": "vpc-1"}, "AccepterVpcInfo": {"VpcId": "vpc-3"}},
    {"VpcPeeringConnectionId": "pcx-13b", "Status": {"Code": "active"},
     "RequesterVpcInfo": {"VpcId": "vpc-3b"}, "AccepterVpcInfo": {"VpcId": "vpc-1"}},
    {"VpcPeeringConnectionId": "pcx-05", "Status": {"Code": "deleted"},
     "RequesterVpcInfo": {"VpcId": "vpc-0"}, "AccepterVpcInfo": {"VpcId": "vpc-5"}}
  ],
  "NetworkInterfaces": [
    {"NetworkInterfaceId": "eni-0", "VpcId": "vpc-0", "PrivateIpAddress": "10.0.0.1"},
    {"NetworkInterfaceId": "eni-1", "VpcId": "vpc-2", "PrivateIpAddress": "10.2.0.1", "InterfaceType": "lambda"},
    {"NetworkInterfaceId": "eni-2", "VpcId": "vpc-nowhere"}
  ]}"#;

static TOPOLOGY: LazyLock<Arc<Topology>> = LazyLock::new(|| {
    let mut resources = Resources::default();
    resources.read("topology.json", DESCRIBE_OUTPUT.as_bytes()).expect("JSON");
    Arc::new(Topology::new(resources))
});

/// Generates records with few different values, so that tuples, groups, and subjects repeat.
fn record() -> impl Strategy<Value = [String; 19]> {
    let address = prop_oneof![
        8 => (0..4u8, 1..5u8).prop_map(|(net, host)| format!("10.{net}.0.{host}")),
        2 => (1..4u8).prop_map(|host| format!("8.8.8.{host}")),
        1 => (1..4u8).prop_map(|host| format!("2001:db8::{host}")),
    ];
    let port =
        || prop_oneof![Just("22".to_owned()), Just("443".to_owned()), (50_000..50_020u32).prop_map(|p| p.to_string())];
    let ends = (address.clone(), address, port(), port());
    let kind = (
        prop_oneof![Just("6"), Just("17"), Just("1")],
        prop_oneof![4 => Just(("ACCEPT", "OK")), 4 => Just(("REJECT", "OK")), 1 => Just(("-", "NODATA")), 1 => Just(("-", "SKIPDATA"))],
        prop_oneof![Just("-"), Just("0"), Just("2"), Just("18")],
        prop_oneof![Just("-"), Just("ingress"), Just("egress")],
    );
    let vpc_and_path = (
        prop_oneof![Just("-"), Just("vpc-0"), Just("vpc-1"), Just("vpc-2b"), Just("vpc-elsewhere")],
        prop_oneof![4 => Just("-"), 1 => Just("1"), 2 => Just("4"), 2 => Just("5"), 1 => Just("8")],
    );
    let sums = (0..5u8, 0..100u64, 0..9000u64, 0..300u64);
    (ends, kind, vpc_and_path, sums).prop_map(
        |(ends, (protocol, (action, status), flags, direction), (vpc, path), sums)| {
            let (src, dst, srcport, dstport) = ends;
            let (interface, packets, bytes, start) = sums;
            [
                "5".to_owned(),
                "123456789012".to_owned(),
                format!("eni-{interface}"),
                src,
                dst,
                srcport,
                dstport,
                protocol.to_owned(),
                packets.to_string(),
                bytes.to_string(),
                (1_795_413_600 + start).to_string(),
                (1_795_413_660 + start).to_string(),
                action.to_owned(),
                status.to_owned(),
                vpc.to_owned(),
                format!("subnet-{}", bytes % 3),
                flags.to_owned(),
                direction.to_owned(),
                path.to_owned(),
            ]
        },
    )
}

/// Formats a log with these columns of the records, below a header.
fn log(records: &[[String; 19]], columns: &[usize]) -> Vec<u8> {
    let line = |values: &[&str]| columns.iter().map(|&column| values[column]).collect::<Vec<_>>().join(" ") + "\n";
    let mut text = line(&FIELDS);
    for record in records {
        text += &line(&record.each_ref().map(String::as_str));
    }
    text.into_bytes()
}

const ALL_COLUMNS: [usize; 19] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];

/// Returns the summary without sources and formats, which depend on the packaging of the input.
fn without_packaging(mut summary: Summary) -> Summary {
    assert!(summary.failed.is_empty(), "{:?}", summary.failed);
    summary.sources.clear();
    summary.formats.clear();
    summary
}

/// Summarizes the inputs without a topology and with one, without sources and formats.
fn summaries(inputs: &[Vec<u8>]) -> [Summary; 2] {
    let inputs = || inputs.iter().map(|bytes| ("log", &bytes[..]));
    [without_packaging(summarize(inputs(), None)), without_packaging(summarize(inputs(), Some(&TOPOLOGY)))]
}

#[test]
fn generated_records_cover_every_peering_finding() {
    let mut runner = TestRunner::deterministic();
    let mut types = BTreeSet::new();
    for count in [150, 5_000] {
        let records = prop::collection::vec(record(), count).new_tree(&mut runner).expect("records").current();
        // Among few hosts, rejected records explain nearly all missing replies.
        let accepted: Vec<_> = records.iter().filter(|record| record[12] == "ACCEPT").cloned().collect();
        for records in [records, accepted] {
            let [_, summary] = summaries(&[log(&records, &ALL_COLUMNS)]);
            types.extend(summary.findings.iter().map(|finding| finding.finding_type));
        }
    }
    let expected = [
        FindingType::AmbiguousAddress,
        FindingType::EdgeToEdgeRouting,
        FindingType::InactivePeering,
        FindingType::OneWayPeering,
        FindingType::PeeringPathMismatch,
        FindingType::RejectedPeering,
        FindingType::TransitivePeering,
        FindingType::UnpeeredVpc,
    ];
    assert!(types.is_superset(&expected.into()), "{types:?}");
}

proptest! {
    #[test]
    fn gzip_member_boundaries_change_nothing(records in prop::collection::vec(record(), 1..60),
                                            boundaries in prop::collection::vec(any::<prop::sample::Index>(), 0..5)) {
        let text = log(&records, &ALL_COLUMNS);
        let mut boundaries: Vec<usize> = boundaries.iter().map(|boundary| boundary.index(text.len())).chain([0, text.len()]).collect();
        boundaries.sort_unstable();
        let members: Vec<u8> = boundaries.windows(2).flat_map(|ends| gzip(&text[ends[0]..ends[1]])).collect();
        prop_assert_eq!(summaries(&[members]), summaries(&[text]));
    }

    #[test]
    fn column_order_changes_nothing(records in prop::collection::vec(record(), 1..60),
                                            columns in Just(ALL_COLUMNS.to_vec()).prop_shuffle()) {
        prop_assert_eq!(summaries(&[log(&records, &columns)]), summaries(&[log(&records, &ALL_COLUMNS)]));
    }

    #[test]
    fn tabs_instead_of_spaces_change_nothing(records in prop::collection::vec(record(), 1..60),
                                             places in prop::collection::vec(any::<prop::sample::Index>(), 0..200)) {
        let text = log(&records, &ALL_COLUMNS);
        let mut with_tabs = text.clone();
        for place in places {
            let byte = place.get_mut(&mut with_tabs);
            *byte = if *byte == b' ' { b'\t' } else { *byte };
        }
        prop_assert_eq!(summaries(&[with_tabs]), summaries(&[text]));
    }

    #[test]
    fn record_order_changes_nothing(
        (records, shuffled) in prop::collection::vec(record(), 1..150)
            .prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle()))) {
        prop_assert_eq!(summaries(&[log(&shuffled, &ALL_COLUMNS)]), summaries(&[log(&records, &ALL_COLUMNS)]));
    }

    #[test]
    fn the_split_into_inputs_changes_nothing(records in prop::collection::vec(record(), 1..150), parts in 1usize..6) {
        let inputs: Vec<Vec<u8>> =
            records.chunks(records.len().div_ceil(parts)).map(|part| gzip(&log(part, &ALL_COLUMNS))).collect();
        // With several inputs, a missing reply weighs more.
        let confident = |summaries: [Summary; 2]| summaries.map(|mut summary| {
            summary.findings.iter_mut().for_each(|finding| finding.confidence = finding.confidence.max(Confidence::Medium));
            summary
        });
        prop_assert_eq!(confident(summaries(&inputs)), confident(summaries(&[log(&records, &ALL_COLUMNS)])));
    }

    #[test]
    fn every_record_has_exactly_one_class(records in prop::collection::vec(record(), 1..60), noise: Vec<Vec<u8>>) {
        let mut text = log(&records, &ALL_COLUMNS);
        let noise: Vec<Vec<u8>> = noise.into_iter().map(|line| line.into_iter().filter(|b| *b != b'\n').collect()).collect();
        noise.iter().for_each(|line| text.extend(line.iter().chain(b"\n")));
        let counts = summarize([("log", &text[..])], Some(&TOPOLOGY)).records;
        let classes = counts.accepted + counts.rejected + counts.no_data + counts.skip_data + counts.other + counts.malformed;
        prop_assert_eq!(counts.total, classes);
        let blank = noise.iter().filter(|line| line.trim_ascii().is_empty()).count();
        prop_assert_eq!(counts.total, (records.len() + noise.len() - blank) as u64);
    }

    #[test]
    fn any_bytes_give_a_summary_or_an_error(bytes: Vec<u8>) {
        read(&bytes);
        read(&gzip(&bytes));
    }

    #[test]
    fn any_words_give_a_summary_or_an_error(
        words in prop::collection::vec(prop_oneof![
            Just(" ".to_owned()), Just("\t".to_owned()), Just("\n".to_owned()), Just("\r\n".to_owned()), Just("-".to_owned()),
            prop::sample::select(&FIELDS[..]).prop_map(str::to_owned), "[0-9]{1,21}", "[0-9a-f:.]{1,39}",
            Just("ACCEPT".to_owned()), Just("REJECT".to_owned()), "\\PC{0,9}",
        ], 0..200)) {
        read(words.concat().as_bytes());
    }
}

/// Analyzes any bytes. Asserts that the report of a summary has no control characters.
fn read(bytes: &[u8]) {
    let options = Options { topology: Some(Arc::clone(&TOPOLOGY)), ..Options::default() };
    if let Ok(analysis) = pipeline::analyze("any", bytes, &options) {
        let summary = build::build_summary(analysis, &SummaryOptions::default(), Some(&TOPOLOGY));
        let report = report::render(&summary, RenderOptions { width: 80, groups: None, topology: Some(&TOPOLOGY) });
        assert!(!anstream::adapter::strip_str(&report).to_string().contains(|c: char| c.is_control() && c != '\n'));
    }
}
