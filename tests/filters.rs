//! Filters: what a report counts, that records which it leaves out still decide, and the exit status.

#![expect(clippy::disallowed_methods, reason = "the command reads files")]

#[path = "support/any_records.rs"]
mod any_records;

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use any_records::{ALL_COLUMNS, TOPOLOGY, log, record};
use flowsentry::aggregate::Analysis;
use flowsentry::aggregate::filter::RecordFilter;
use flowsentry::findings::types::Confidence;
use flowsentry::pipeline::{self, Options};
use flowsentry::record::Action;
use flowsentry::record::timestamp::Timestamp;
use flowsentry::summary::build::{self, SummaryOptions};
use flowsentry::summary::{RejectedGroup, Summary};
use proptest::prelude::*;

/// Summarizes the records that pass, with the topology.
fn summarize(inputs: &[Vec<u8>], filter: &RecordFilter) -> Summary {
    let options = Options { topology: Some(TOPOLOGY.clone()), ..Options::default() };
    let mut merged = Analysis::default();
    for input in inputs {
        merged.merge(pipeline::analyze_filtered("log", &input[..], &options, filter).expect("a flow log"));
    }
    let options = SummaryOptions { max_listed_groups: 1000, ..SummaryOptions::default() };
    let mut summary = build::build_summary(merged, &options, Some(&TOPOLOGY));
    summary.sources.clear();
    summary
}

fn any_filter() -> impl Strategy<Value = RecordFilter> {
    let time = || prop::option::of((0..400u64).prop_map(|seconds| Timestamp::from_seconds(1_795_413_600 + seconds)));
    let names = |names: &'static [&'static str]| {
        prop::collection::vec(prop::sample::select(names).prop_map(str::to_owned), 0..2)
    };
    let block = prop::sample::select(&["10.0.0.1/32", "10.1.0.0/16", "8.8.8.0/24", "2001:db8::/32"][..]);
    let addresses = prop::collection::vec(block.prop_map(|block| block.parse().expect("a block")), 0..2);
    let ports = prop::collection::vec(prop::sample::select(&[22, 443, 50_001][..]), 0..2);
    let actions = prop::collection::vec(prop::sample::select(&[Action::Accept, Action::Reject][..]), 0..2);
    let recorders = (names(&["eni-0", "eni-1", "eni-3"]), names(&["vpc-0", "vpc-2", "vpc-2b"]));
    ((time(), time()), recorders, addresses, ports, actions).prop_map(
        |((since, until), (interfaces, vpcs), addresses, ports, actions)| RecordFilter {
            since: since.flatten(),
            until: until.flatten(),
            interfaces,
            vpcs,
            addresses,
            ports,
            actions,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_record_is_counted_or_filtered(records in prop::collection::vec(record(), 1..80), filter in any_filter()) {
        let counts = summarize(&[log(&records, &ALL_COLUMNS)], &filter).records;
        let passed = counts.accepted + counts.rejected + counts.no_data + counts.skip_data + counts.other;
        prop_assert_eq!((counts.total, passed + counts.filtered), (records.len() as u64, counts.total));
    }

    #[test]
    fn a_filter_that_all_pass_changes_nothing(records in prop::collection::vec(record(), 1..150)) {
        let inputs = [log(&records, &ALL_COLUMNS)];
        let all = RecordFilter { since: Some(Timestamp::EPOCH), ..RecordFilter::default() };
        prop_assert_eq!(summarize(&inputs, &all), summarize(&inputs, &RecordFilter::default()));
    }

    #[test]
    fn a_split_into_inputs_changes_nothing(records in prop::collection::vec(record(), 1..150), filter in any_filter(),
                                           parts in 2usize..5) {
        let inputs: Vec<_> =
            records.chunks(records.len().div_ceil(parts)).map(|part| log(part, &ALL_COLUMNS)).collect();
        let confident = |mut summary: Summary| {
            summary.findings.iter_mut().for_each(|found| found.confidence = found.confidence.max(Confidence::Medium));
            summary
        };
        let whole = summarize(&[log(&records, &ALL_COLUMNS)], &filter);
        prop_assert_eq!(confident(summarize(&inputs, &filter)), confident(whole));
    }

    /// The groups of an interface have the same causes, directions, and rules as in the report of all interfaces.
    #[test]
    fn groups_that_pass_are_those_of_the_whole(records in prop::collection::vec(record(), 1..150), number in 0..5u8) {
        let inputs = [log(&records, &ALL_COLUMNS)];
        let name = format!("eni-{number}");
        let filter = RecordFilter { interfaces: vec![name.clone()], ..RecordFilter::default() };
        let mut expected = summarize(&inputs, &RecordFilter::default()).rejected;
        expected.groups.retain(|group| group.interface_id.as_ref() == Some(&name));
        expected.by_interface.retain(|row| row.interface_id.as_ref() == Some(&name));
        let actual = summarize(&inputs, &filter).rejected;
        prop_assert_eq!(actual.group_count, expected.groups.len() as u64);
        prop_assert_eq!((actual.groups, actual.by_interface), (expected.groups, expected.by_interface));
    }

    /// A filter finds no trouble between VPCs that the whole does not have, and never more of it.
    #[test]
    fn a_filter_makes_no_new_finding(records in prop::collection::vec(record(), 1..300), filter in any_filter()) {
        let inputs = [log(&records, &ALL_COLUMNS)];
        let whole = summarize(&inputs, &RecordFilter::default()).findings;
        for finding in summarize(&inputs, &filter).findings {
            let same = whole.iter().find(|other| other.id == finding.id);
            prop_assert!(same.is_some_and(|same| finding.tally.flows <= same.tally.flows), "{:?}", finding);
        }
    }

    /// A filter changes neither the direction nor the causes of a group.
    #[test]
    fn a_filter_changes_no_direction(records in prop::collection::vec(record(), 1..300), filter in any_filter()) {
        let inputs: Vec<_> = records.chunks(100).map(|part| log(part, &ALL_COLUMNS)).collect();
        let whole = summarize(&inputs, &RecordFilter::default()).rejected.groups;
        for group in summarize(&inputs, &filter).rejected.groups {
            let key = |group: &RejectedGroup| (group.interface_id.clone(), group.srcaddr, group.dstaddr, group.dstport, group.protocol);
            let same = whole.iter().find(|other| key(other) == key(&group)).expect("the same group");
            prop_assert_eq!((group.direction, &group.src, &group.dst), (same.direction, &same.src, &same.dst));
            prop_assert!(group.causes.iter().all(|(cause, flows)| same.causes.get(cause) >= Some(flows)), "{:?}", group);
        }
    }
}

/// Runs the command with these arguments and this stdin.
fn flowsentry(arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_flowsentry"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    drop(child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()));
    child.wait_with_output().expect("the command ends")
}

/// Returns the exit status and the summary of `analyze` over stdin.
fn analyze(arguments: &[&str], stdin: &str) -> (Option<i32>, serde_json::Value) {
    let output = flowsentry(&[&["analyze", "--format", "json"], arguments, &["-"]].concat(), stdin);
    let summary = serde_json::from_slice(&output.stdout);
    assert!(summary.is_ok(), "{output:?}");
    (output.status.code(), summary.expect("JSON"))
}

const HEADER: &str = "interface-id vpc-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status \
                      tcp-flags\n";
const DAY: &str = "\
    eni-1 vpc-a 10.1.0.5 10.1.0.9 50000 443 6 1 40 1795413600 1795413660 ACCEPT OK 2\n\
    eni-1 vpc-a 10.1.0.9 10.1.0.5 443 50000 6 1 40 1795413600 1795413660 ACCEPT OK 18\n\
    eni-2 vpc-b 8.8.8.8 10.2.0.5 50000 22 6 1 40 1795417200 1795417260 REJECT OK 2\n\
    eni-2 vpc-b - - - - - - - 1795417200 1795417260 - NODATA -\n\
    eni-2 vpc-b - - - - - - - 1795417200 1795417260 - SKIPDATA -\n\
    eni-1 vpc-a 10.1.0.5 host 50000 443 6 1 40 1795413600 1795413660 ACCEPT OK 2\n";

#[test]
fn each_filter_counts_what_it_leaves_out() {
    let counts = |arguments: &[&str]| {
        let (status, summary) = analyze(arguments, &(HEADER.to_owned() + DAY));
        assert_eq!(status, Some(0));
        let names = ["total", "accepted", "rejected", "no_data", "skip_data", "other", "malformed", "filtered"];
        names.map(|name| summary["records"][name].as_u64().expect(name))
    };
    assert_eq!(counts(&[]), [6, 2, 1, 1, 1, 0, 1, 0]);
    assert_eq!(counts(&["--interface", "eni-2"]), [6, 0, 1, 1, 1, 0, 1, 2]);
    assert_eq!(counts(&["--interface", "eni-1", "--interface", "eni-2"]), [6, 2, 1, 1, 1, 0, 1, 0]);
    assert_eq!(counts(&["--vpc", "vpc-a"]), [6, 2, 0, 0, 0, 0, 1, 3]);
    assert_eq!(counts(&["--since", "2026-11-23T06:01:01Z"]), [6, 0, 1, 1, 1, 0, 1, 2]);
    assert_eq!(counts(&["--until", "2026-11-23T07:00:00Z"]), [6, 2, 0, 0, 0, 0, 1, 3]);
    assert_eq!(counts(&["--since", "100w"])[7], 0);
    assert_eq!(counts(&["--address", "10.1.0.0/16"]), [6, 2, 0, 0, 0, 0, 1, 3]);
    assert_eq!(counts(&["--address", "8.8.8.8", "--action", "accept"]), [6, 0, 0, 0, 0, 0, 1, 5]);
    assert_eq!(counts(&["--port", "22", "--port", "50000"]), [6, 2, 1, 0, 0, 0, 1, 2]);
    assert_eq!(counts(&["--action", "REJECT"]), [6, 0, 1, 0, 0, 0, 1, 4]);
}

#[test]
fn the_report_has_its_filters() {
    let log = HEADER.to_owned() + DAY;
    assert_eq!(analyze(&[], &log).1.get("filters"), None);
    let arguments =
        ["--since", "2026-11-23T07:00:00+01:00", "--address", "10.1.0.7/16", "--port", "443", "--action", "accept"];
    let (_, summary) = analyze(&arguments, &log);
    let expected = serde_json::json!({
        "since": "2026-11-23T06:00:00Z", "until": null, "interface_ids": [], "vpc_ids": [], "addresses": ["10.1.0.0/16"],
        "ports": [443], "actions": ["ACCEPT"], "min_severity": null, "findings_left_out": 0,
    });
    assert_eq!(summary["filters"], expected);
    let output = flowsentry(&[&["analyze"], &arguments[..], &["-"]].concat(), &log);
    let report = String::from_utf8(output.stdout).expect("UTF-8");
    let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = "FILTERED 3 of 6 records left out by --since 2026-11-23T06:00:00Z --address 10.1.0.0/16 --port 443 --action ACCEPT";
    assert!(words.contains(line), "{report}");
}

#[test]
fn filters_that_leave_nothing_are_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("day.log").display().to_string();
    fs::write(&log, HEADER.to_owned() + DAY.split_inclusive('\n').take(5).collect::<String>().as_str())
        .expect("a file");
    let stderr = |arguments: &[&str], input: &str| {
        let output =
            flowsentry(&[&["analyze"], arguments, &[input]].concat(), &fs::read_to_string(&log).expect("a file"));
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let late = ["--since", "2026-11-24T06:00:00Z"];
    let warning = "flowsentry: all 5 records are left out by --since 2026-11-24T06:00:00Z";
    assert_eq!(stderr(&late, "-"), format!("{warning}\n"));
    let times = format!("{warning}; the traffic of {log} is from 2026-11-23T06:00:00Z to 2026-11-23T07:01:00Z\n");
    assert_eq!(stderr(&late, &log), times);
    assert_eq!(stderr(&["--since", "2026-11-23T07:00:00Z"], &log), "");
    // A malformed record passes no filter, and is left out by none.
    let malformed = folder.path().join("malformed.log").display().to_string();
    fs::write(&malformed, HEADER.to_owned() + DAY).expect("a file");
    assert_eq!(
        stderr(&late, &malformed),
        times.replace("all 5 records", "all 5 records that are not malformed").replace(&log, &malformed)
    );
    let prefix = |option: &str, id: &str| stderr(&[option, id], "-");
    let expected = "flowsentry: --vpc eni-1: ids with eni- are those of --interface: give --interface eni-1\n";
    assert_eq!(prefix("--vpc", "eni-1"), expected);
    let expected = "flowsentry: --interface vpc-a: ids with vpc- are those of --vpc: give --vpc vpc-a\n";
    assert_eq!(prefix("--interface", "vpc-a"), expected);
    assert_eq!(prefix("--interface", "eni-9") + &prefix("--vpc", "vpc-a"), "");
}

#[test]
fn a_wrong_filter_is_wrong_usage() {
    let folder = tempfile::tempdir().expect("a folder");
    let partial = folder.path().join("x.fspart").display().to_string();
    for (arguments, message) in [
        (vec!["--since", "soon"], "must be a time such as 2026-11-23T06:00:00Z"),
        (vec!["--since", "1h", "--until", "2h"], "--since must be before --until"),
        (vec!["--address", "web-1"], "must be an IPv4 or IPv6 address"),
        (vec!["--port", "70000"], "70000"),
        (vec!["--interface", ""], "is empty: give an id"),
        (vec!["--vpc", " "], "is empty: give an id"),
        (vec!["--action", "drop"], "[possible values: ACCEPT, REJECT]"),
        (vec!["--min-severity", "worst"], "[possible values: low, medium, high]"),
        (vec!["--interface", "eni-1", "--partial", &partial], "cannot be used with"),
        (vec!["--fail-on", "low", "--partial", &partial], "cannot be used with"),
    ] {
        let output = flowsentry(&[&["analyze"], &arguments[..], &["-"]].concat(), DAY);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(message), "{output:?}");
    }
}

/// Returns requests from VPC A to VPC B, at one interface, and their replies, at another interface of A.
fn requests_and_replies() -> (String, String) {
    let line = |n: u32, interface: &str, ends: &str, action: &str| {
        format!("{interface} vpc-a {ends} 6 1 40 {} {} {action} OK 2\n", 1_795_413_600 + n, 1_795_413_660 + n)
    };
    let request = |n| line(n, "eni-1", &format!("10.1.0.5 10.2.0.9 {} 443", 50_000 + n), "ACCEPT");
    let reply = |n| line(n, "eni-2", &format!("10.2.0.9 10.1.0.5 443 {}", 50_000 + n), "ACCEPT");
    ((0..5).map(request).collect(), (0..5).map(reply).collect())
}

#[test]
fn a_reply_that_is_left_out_is_a_reply() {
    let folder = tempfile::tempdir().expect("a folder");
    let topology = folder.path().join("topology.json").display().to_string();
    let document = r#"{"Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"}, {"VpcId": "vpc-b", "CidrBlock": "10.2.0.0/16"}],
        "VpcPeeringConnections": [{"VpcPeeringConnectionId": "pcx-ab", "Status": {"Code": "active"},
            "RequesterVpcInfo": {"VpcId": "vpc-a"}, "AccepterVpcInfo": {"VpcId": "vpc-b"}}]}"#;
    fs::write(&topology, document).expect("a file");
    let titles = |log: &str, arguments: &[&str]| {
        let (_, summary) = analyze(&[&["--topology", &topology], arguments].concat(), &(HEADER.to_owned() + log));
        let findings = summary["findings"].as_array().expect("findings").clone();
        findings.iter().map(|found| found["title"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    let (requests, replies) = requests_and_replies();
    let (first, _) = replies.split_once('\n').expect("a reply");
    // A reply at another interface, at another time, or of another kind.
    for arguments in [["--interface", "eni-1"], ["--until", "2026-11-23T06:00:10Z"]] {
        assert_eq!(titles(&(requests.clone() + &replies), &arguments), [""; 0], "{arguments:?}");
    }
    let late = first.replace("17954136", "17954172");
    assert_eq!(titles(&(requests.clone() + &late), &["--until", "2026-11-23T06:30:00Z"]), [""; 0]);
    // Records that were rejected at the other end never arrived to be answered.
    let refused = "eni-9 vpc-b 10.1.0.5 10.2.0.9 50000 443 6 1 40 1795413600 1795413660 REJECT OK 2\n";
    assert_eq!(titles(&(requests.clone() + refused), &["--interface", "eni-1"]), [""; 0]);
    // Without replies, the filter leaves nothing out, or other traffic between the two.
    let none = "None of the TCP traffic from 10.1.0.0/16 (vpc-a) to 10.2.0.0/16 (vpc-b) via pcx-ab gets a reply";
    assert_eq!(titles(&requests, &["--interface", "eni-1"]), [none]);
    let other = "eni-3 vpc-a 10.1.0.7 10.2.0.9 50000 443 6 1 40 1795413600 1795413660 ACCEPT OK 19\n";
    let some =
        "5 of 5 selected TCP flows from 10.1.0.0/16 (vpc-a) to 10.2.0.0/16 (vpc-b) via pcx-ab did not get a reply";
    assert_eq!(titles(&(requests + other), &["--interface", "eni-1"]), [some]);
}

#[test]
fn causes_are_decided_by_all_records() {
    let header = "interface-id srcaddr dstaddr srcport dstport protocol action log-status start end\n";
    let log = "eni-1 10.0.0.1 10.0.0.9 50000 443 6 ACCEPT OK 100 160\neni-1 10.0.0.9 10.0.0.1 443 50000 6 REJECT OK 200 260\n\
               eni-1 10.0.0.7 10.0.0.1 50000 22 6 ACCEPT OK 100 160\n";
    let (_, whole) = analyze(&[], &(header.to_owned() + log));
    for arguments in [["--action", "reject"], ["--since", "1970-01-01T00:03:00Z"]] {
        let (_, part) = analyze(&arguments, &(header.to_owned() + log));
        assert_eq!(part["rejected"], whole["rejected"]);
        assert_eq!(part["rejected"]["groups"][0]["causes"], serde_json::json!({"network-acl": 1}));
        // The address that all records of the interface share shows the direction: also that is decided by all.
        assert_eq!(part["rejected"]["groups"][0]["direction"], "ingress");
        assert_eq!(part["findings"], whole["findings"]);
        assert_eq!((&part["records"]["accepted"], &part["records"]["filtered"]), (&0.into(), &2.into()));
    }
}

#[test]
fn directions_are_decided_by_all_records() {
    let header =
        "interface-id srcaddr dstaddr srcport dstport protocol action log-status start end tcp-flags flow-direction\n";
    let log = "eni-1 10.0.0.5 10.0.0.9 443 40000 6 REJECT OK 100 160 18 egress\n\
               eni-1 10.0.0.5 10.0.0.9 443 40000 6 REJECT OK 200 260 18 ingress\n";
    for (arguments, flows) in [(vec![], 2), (vec!["--until", "1970-01-01T00:03:00Z"], 1)] {
        let (_, summary) = analyze(&arguments, &(header.to_owned() + log));
        let group = &summary["rejected"]["groups"][0];
        assert_eq!(
            (&group["direction"], &group["causes"]),
            (&"unknown".into(), &serde_json::json!({"out-of-state": flows}))
        );
        assert_eq!(summary["findings"], serde_json::json!([]));
    }
    // Above the limit, records that are left out may be missing: then no direction is guessed.
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.toml").display().to_string();
    fs::write(&config, "max_rejected_groups = 1\n").expect("a file");
    let other = "eni-1 10.0.0.5 10.0.0.9 443 40001 6 REJECT OK 200 260 18 egress\n";
    let log = [header, other, log].concat();
    let (_, summary) = analyze(&["--config", &config, "--until", "1970-01-01T00:03:00Z"], &log);
    assert_eq!(
        (&summary["rejected"]["groups"][0]["direction"], &summary["findings"]),
        (&"unknown".into(), &serde_json::json!([]))
    );
    assert_eq!(summary["limits_reached"], serde_json::json!(["max_rejected_groups"]));
}

/// A port scan from the internet (medium), and one connection that is rejected a hundred times (low).
fn findings_log() -> String {
    let line = |src: &str, port: u32, n: u32| {
        format!("eni-1 vpc-a {src} 10.1.0.5 {} {port} 6 1 40 1795413600 1795413660 REJECT OK 2\n", 40_000 + n)
    };
    let scan = (0..20).map(|n| line("8.8.8.8", 1000 + n, n));
    let repeated = (0..100).map(|n| line("10.1.0.7", 443, n));
    HEADER.to_owned() + &scan.chain(repeated).collect::<String>()
}

#[test]
fn the_exit_status_tells_of_findings() {
    let log = findings_log();
    let status = |arguments: &[&str]| analyze(arguments, &log).0;
    assert_eq!(status(&[]), Some(0));
    assert_eq!(status(&["--fail-on", "low"]), Some(4));
    assert_eq!(status(&["--fail-on", "Medium"]), Some(4));
    assert_eq!(status(&["--fail-on", "high"]), Some(0));
    // Findings that are not listed count, those of records that are left out do not.
    assert_eq!(status(&["--fail-on", "low", "--min-severity", "high"]), Some(4));
    assert_eq!(status(&["--fail-on", "low", "--port", "1000"]), Some(0));
    // An input that was not read is worse.
    assert_eq!(status(&["--fail-on", "low", "no-such-file.log"]), Some(1));
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("config.toml").display().to_string();
    let suppress = "[[suppress]]\ntypes = [\"port-scan\"]\nreason = \"ours\"\nexpires = \"2099-01-01\"\n";
    fs::write(&config, suppress).expect("a file");
    assert_eq!(status(&["--fail-on", "medium", "--config", &config]), Some(0));
    assert_eq!(status(&["--fail-on", "low", "--config", &config]), Some(4));
}

#[test]
fn min_severity_leaves_out_findings_not_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let partial = folder.path().join("day.fspart").display().to_string();
    let log = findings_log();
    let (_, all) = analyze(&[], &log);
    let (_, summary) = analyze(&["--min-severity", "medium"], &log);
    let types = |summary: &serde_json::Value| {
        let findings = summary["findings"].as_array().expect("findings").clone();
        findings.iter().map(|found| found["type"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (types(&all), types(&summary)),
        (vec!["port-scan".into(), "repeated-rejects".into()], vec!["port-scan".into()])
    );
    assert_eq!((&summary["records"], &summary["rejected"]), (&all["records"], &all["rejected"]));
    let filters = &summary["filters"];
    assert_eq!((&filters["min_severity"], &filters["findings_left_out"]), (&"medium".into(), &1.into()));
    // A merge lists and judges findings as an analysis does.
    assert_eq!(flowsentry(&["analyze", "--partial", &partial, "-"], &log).status.code(), Some(0));
    let arguments = ["merge", "--format", "json", "--min-severity", "medium", "--fail-on", "medium", &partial];
    let merged = flowsentry(&arguments, "");
    assert_eq!(merged.status.code(), Some(4));
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&merged.stdout).expect("JSON"), summary);
    let report = flowsentry(&["merge", "--min-severity", "high", &partial], "");
    let report = String::from_utf8(report.stdout).expect("UTF-8");
    assert!(report.contains("FILTERED  2 findings below high not listed"), "{report}");
}

#[test]
fn csv_lists_the_rejected_groups() {
    let folder = tempfile::tempdir().expect("a folder");
    let partial = folder.path().join("day.fspart").display().to_string();
    let log = findings_log();
    let output = flowsentry(&["analyze", "--format", "csv", "-"], &log);
    let csv = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    assert_eq!((output.status.code(), csv.matches("\r\n").count(), output.stderr.len()), (Some(0), 22, 0), "{csv}");
    let second = csv.lines().nth(1).expect("a row");
    let expected = "eni-1,,ingress,10.1.0.7,private,,,10.1.0.5,private,,,443,https,6,TCP,security-group-or-network-acl,\
                    security-group-or-network-acl 100,,100,100,4000,2026-11-23T06:00:00Z,2026-11-23T06:01:00Z";
    assert_eq!(second, expected);
    assert_eq!(flowsentry(&["analyze", "--partial", &partial, "-"], &log).status.code(), Some(0));
    assert_eq!(flowsentry(&["merge", "--format", "csv", &partial], "").stdout, output.stdout);
    let top = flowsentry(&["analyze", "--format", "csv", "--top", "3", "-"], &log);
    let note = "flowsentry: the CSV lists 3 of 21 rejected connections; --top of analyze or merge lists more\n";
    assert_eq!(String::from_utf8_lossy(&top.stderr), note);
}

/// Returns the commands of a page that analyze, with the sample as logs and topology.
fn documented_commands() -> Vec<Vec<String>> {
    let page = fs::read_to_string("docs/command-line.md").expect("a page");
    let (_, filters) = page.split_once("\n## Filters\n").expect("a section");
    let (filters, rest) = filters.split_once("\n## Partials\n").expect("the next section");
    let (_, questions) = rest.split_once("\n## Questions\n").expect("a section");
    let words = |command: &str| {
        let word = |word: &str| match word {
            "topology/" => "examples/sample/topology".to_owned(),
            "logs/" => "examples/sample".to_owned(),
            word => word.to_owned(),
        };
        command.split_whitespace().take_while(|word| !["#", ">"].contains(word)).map(word).collect::<Vec<String>>()
    };
    let lines = filters.lines().filter_map(|line| line.strip_prefix("flowsentry "));
    let cells = questions
        .split('`')
        .filter_map(|text| text.strip_prefix("flowsentry analyze "))
        .map(|rest| format!("analyze {rest}"));
    lines.map(words).chain(cells.map(|command| words(&command))).collect()
}

#[test]
fn documented_questions_have_answers() {
    let commands = documented_commands();
    assert!(commands.len() >= 10, "{commands:?}");
    for command in commands {
        let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        let output = flowsentry(&arguments, "");
        let expected = if arguments.contains(&"--fail-on") { 4 } else { 0 };
        // The sample is older than an hour.
        let is_late = arguments.contains(&"--since");
        assert_eq!(
            (output.status.code(), output.stderr.is_empty()),
            (Some(expected), !is_late),
            "{command:?}: {output:?}"
        );
        assert!(output.stdout.len() > 200, "{command:?}");
    }
}

#[test]
fn the_sample_answers_who_talks_over_a_connection() {
    let sample = ["analyze", "--format", "json", "--topology", "examples/sample/topology", "examples/sample"];
    let summary = |filters: &[&str]| {
        let output = flowsentry(&[&sample, filters].concat(), "");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON")
    };
    let peering = summary(&["--vpc", "vpc-0a11ce5f3d7b90246", "--address", "10.1.0.0/16"]);
    let pairs = peering["peering"]["vpc_pairs"].as_array().expect("pairs");
    let rows: Vec<_> =
        pairs.iter().map(|pair| (&pair["src_vpc_name"], &pair["dst_vpc_name"], &pair["accepted"]["flows"])).collect();
    assert_eq!(
        rows,
        [(&"shop".into(), &"shared".into(), &366.into()), (&"shared".into(), &"shop".into(), &366.into())]
    );
    let interface = summary(&["--interface", "eni-04fad8879896d31fb"]);
    let (rejected, by_interface) = (&interface["traffic"]["rejected"]["flows"], &interface["rejected"]["by_interface"]);
    assert_eq!(
        (rejected, &by_interface[0]["flows"], by_interface.as_array().map(Vec::len)),
        (&79.into(), &79.into(), Some(1))
    );
    assert_eq!(interface["records"]["skip_data"], 3);
    let late = summary(&["--since", "2026-11-23T06:04:30Z"]);
    assert_eq!(late["records"]["total"], 20_000);
    assert_eq!(late["window"]["end"], "2026-11-23T06:04:59Z");
}
