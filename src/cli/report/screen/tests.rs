use std::sync::Arc;

use serde_json::{Value, json};
use textwrap::core::display_width;

use super::list::ProblemList;
use super::problems::Problem;
use super::*;
use crate::config::exceptions::Exceptions;
use crate::findings::types::Severity;
use crate::pipeline::{self, Options};
use crate::summary::build::{SummaryOptions, build_summary};
use crate::summary::{InputFailure, PortRejects, SourceRejects};
use crate::topology::Topology;
use crate::topology::describe_output::Resources;

const HEADER: &str =
    "interface-id srcaddr dstaddr srcport dstport protocol tcp-flags bytes start end action flow-direction";

/// Creates a topology of this many VPCs, `10.N.0.0/16`, each peered with the next one. The first two have names.
fn topology(vpcs: usize) -> Arc<Topology> {
    let tags = |number: usize| match number {
        1 => json!([{"Key": "Name", "Value": "shop"}]),
        2 => json!([{"Key": "Name", "Value": "data"}]),
        _ => json!([]),
    };
    let vpc = |number: usize| json!({"VpcId": format!("vpc-{number}"), "CidrBlock": format!("10.{number}.0.0/16"), "Tags": tags(number)});
    let side = |number: usize| json!({"VpcId": format!("vpc-{number}"), "CidrBlock": format!("10.{number}.0.0/16")});
    let connection = |number: usize| {
        json!({"VpcPeeringConnectionId": format!("pcx-{number}"), "RequesterVpcInfo": side(number),
               "AccepterVpcInfo": side(number + 1), "Status": {"Code": "active"}})
    };
    let document = json!({
        "Vpcs": (1..=vpcs).map(vpc).collect::<Vec<Value>>(),
        "VpcPeeringConnections": (1..vpcs).map(connection).collect::<Vec<Value>>(),
    });
    let mut resources = Resources::default();
    resources.read("case.json", document.to_string().as_bytes()).expect("JSON");
    Arc::new(Topology::new(resources))
}

fn summarize(records: &[String], topology: Option<&Arc<Topology>>, options: &SummaryOptions) -> Summary {
    let log = format!("{HEADER}\n{}\n", records.join("\n"));
    let pipeline_options = Options { topology: topology.cloned(), ..Options::default() };
    let analysis = pipeline::analyze("case", log.as_bytes(), &pipeline_options).expect("a flow log");
    assert_eq!(analysis.records.malformed, 0);
    build_summary(analysis, options, topology.map(Arc::as_ref))
}

fn summary(records: &[String]) -> Summary {
    summarize(records, None, &SummaryOptions::default())
}

/// Renders a summary without its styles.
fn screen(summary: &Summary, width: usize, topology: Option<&Topology>) -> String {
    let report = render(summary, RenderOptions { width, groups: None, topology });
    anstream::adapter::strip_str(&report).to_string()
}

fn record(ends: &str, action: &str, direction: &str) -> String {
    format!("eni-1 {ends} 6 2 1000 1795910400 1795910460 {action} {direction}")
}

/// Returns the probes of a port scan.
fn port_scan(src: &str, dst: &str, ports: usize) -> Vec<String> {
    (1..=ports).map(|port| record(&format!("{src} {dst} 50000 {port}"), "REJECT", "ingress")).collect()
}

/// Returns a connection from one VPC to another, and its reply.
fn connection(src: usize, dst: usize, port: u16) -> [String; 2] {
    let (src, dst) = (format!("10.{src}.0.5"), format!("10.{dst}.0.5"));
    [
        record(&format!("{src} {dst} {port} 443"), "ACCEPT", "egress"),
        record(&format!("{dst} {src} 443 {port}"), "ACCEPT", "ingress"),
    ]
}

/// Returns a day with hundreds of findings of several types, between many VPCs.
fn busy() -> (Summary, Arc<Topology>) {
    let topology = topology(30);
    let mut records: Vec<String> = Vec::new();
    for number in 1..=60 {
        records.extend(port_scan(&format!("8.8.{number}.8"), "10.1.0.1", 20));
        records.extend(port_scan(&format!("10.1.{number}.7"), "10.2.0.1", 20));
    }
    for src in 1..30 {
        records.extend(connection(src, src + 1, 40_000));
        records.extend(
            (0..9).map(|port| record(&format!("10.{src}.0.9 9.9.9.{src} {} 443", 40_000 + port), "REJECT", "egress")),
        );
        records.extend((3..30).map(|step| {
            record(&format!("10.{src}.0.5 10.{}.0.5 40000 443", (src + step) % 30 + 1), "ACCEPT", "egress")
        }));
    }
    let mut summary = summarize(&records, Some(&topology), &SummaryOptions::default());
    add_top(&mut summary);
    (summary, topology)
}

fn add_top(summary: &mut Summary) {
    let groups = &summary.rejected.groups;
    summary.top.exact = true;
    summary.top.rejected_sources = groups
        .iter()
        .take(10)
        .map(|group| SourceRejects { srcaddr: group.srcaddr, src: group.src.clone(), tally: group.tally })
        .collect();
    summary.top.rejected_ports = groups
        .iter()
        .take(10)
        .map(|group| PortRejects {
            protocol: group.protocol,
            protocol_name: group.protocol_name,
            dstport: group.dstport,
            service_name: group.service_name,
            tally: group.tally,
        })
        .collect();
}

#[test]
fn a_screen_has_40_rows_however_many_findings() {
    let (summary, topology) = busy();
    assert!(summary.findings.len() > 200, "{}", summary.findings.len());
    for topology in [None, Some(&*topology)] {
        let report = screen(&summary, 100, topology);
        assert!(report.lines().count() < 40, "{report}");
        let hidden: Vec<&str> = report.lines().filter(|line| line.contains("more finding")).collect();
        assert_eq!(hidden.len(), 1, "{report}");
        assert!(hidden[0].ends_with("(--verbose)"), "{report}");
    }
}

#[test]
fn no_row_is_wider_than_the_terminal() {
    let (summary, topology) = busy();
    for width in [40, 60, 80, 100, 132, 160, 200, 400] {
        let report = screen(&summary, width, Some(&topology));
        let widest = report.lines().max_by_key(|line| display_width(line)).expect("a row");
        assert!(display_width(widest) <= width, "{width}: {widest}");
    }
}

#[test]
fn the_verdict_is_first_and_last() {
    let (summary, topology) = busy();
    for width in [80, 100, 200] {
        let report = screen(&summary, width, Some(&topology));
        let rows: Vec<&str> = report.lines().collect();
        let verdicts: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].starts_with("VERDICT  HIGH  ")).collect();
        let [first, last] = verdicts[..] else { panic!("{report}") };
        assert!(first < 4 && rows.len() - last <= 8, "{report}");
        // The worst problem and what to do are in 24 rows from the top, and in the last 24.
        let (top, bottom) = (rows[..24].join(" "), rows[rows.len() - 24..].join(" "));
        for part in [top, bottom] {
            let words = part.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains("10.1.1.7 was rejected at 20 ports of 10.2.0.1"), "{report}");
            assert!(words.contains("Next: If flows from it were accepted there, check that host first."), "{report}");
        }
    }
}

#[test]
fn the_findings_that_are_shown_and_hidden_are_all() {
    let (summary, topology) = busy();
    let names = ShortNames::new(&summary);
    let problems = problems::problems(&summary, Some(&topology), &names);
    assert_eq!(problems.iter().map(|problem| problem.findings).sum::<usize>(), summary.findings.len());
    let outside = problems.iter().filter(|problem| problem.is_from_outside).count();
    assert_eq!(outside, 60);
    let report = screen(&summary, 100, Some(&topology));
    assert!(report.contains("60 sources on the internet scan your network; the worst is 8.8."), "{report}");
    let shown = report.split("more finding").next().expect("the list");
    let shown = shown.lines().filter(|line| ["HIGH  ", "MEDIUM ", "LOW "].iter().any(|word| line.starts_with(word)));
    let shown = shown.filter(|line| !line.contains("sources on the internet"));
    let expected = format!("and {} more findings: ", summary.findings.len() - outside - shown.count());
    assert!(report.contains(&expected), "{expected} {report}");
}

fn problem(severity: Severity, types: &str, title: &str) -> Problem {
    Problem {
        severity,
        is_from_outside: title.contains("internet"),
        types: types.to_owned(),
        source: None,
        findings: 1,
        title: title.to_owned(),
        extent: "9 flows".to_owned(),
        next_step: "Check it.".to_owned(),
    }
}

#[test]
fn each_high_type_has_a_row_before_lower_ones() {
    let problems = [
        problem(Severity::High, "port-scan", "a scans b"),
        problem(Severity::High, "port-scan", "c scans d"),
        problem(Severity::High, "egress-blocked", "e is blocked"),
        problem(Severity::Medium, "no-answer", "f has no reply"),
        problem(Severity::Medium, "port-scan", "g on the internet scans h"),
    ];
    let list = ProblemList::new(&problems);
    let render = |rows| anstream::adapter::strip_str(&list.render(rows, 80).join("\n")).to_string();
    let (first, step) = ("HIGH    a scans b (9 flows)", "        Next: Check it.");
    let (second, egress) = ("HIGH    c scans d (9 flows)", "HIGH    e is blocked (9 flows)");
    let (no_reply, outside) = ("MEDIUM  f has no reply (9 flows)", "MEDIUM  g on the internet scans h (9 flows)");
    let more = "        and 3 more findings: port-scan, no-answer (--verbose)";
    // The titles need their rows, and the last rows of the screen have the step.
    assert_eq!(render(2), [first, egress, more].join("\n"));
    assert_eq!(render(3), [first, egress, more].join("\n"));
    assert_eq!(render(4), [first, step, egress, more].join("\n"));
    let more = "        and 2 more findings: port-scan, no-answer (--verbose)";
    assert_eq!(render(5), [first, step, egress, outside, more].join("\n"));
    let more = "        and 1 more finding: no-answer (--verbose)";
    assert_eq!(render(6), [first, step, second, egress, outside, more].join("\n"));
    assert_eq!(render(99), [first, step, second, egress, no_reply, outside].join("\n"));
    // A wide screen has its limit.
    let wide = anstream::adapter::strip_str(&list.render(2, 100).join("\n")).to_string();
    assert_eq!(
        wide,
        [first, "        and 4 more findings: port-scan, egress-blocked, no-answer (--verbose)"].join("\n")
    );
}

#[test]
fn scans_from_the_internet_come_before_less_urgent_ones() {
    let problems = [
        problem(Severity::Medium, "port-scan", "a on the internet scans b"),
        problem(Severity::Low, "skipped-data", "records are missing"),
    ];
    let list = ProblemList::new(&problems);
    assert_eq!(list.worst(), Some(&problems[0]));
    let text = anstream::adapter::strip_str(&list.render(99, 80).join("\n")).to_string();
    let rows = [
        "MEDIUM  a on the internet scans b (9 flows)",
        "LOW     records are missing (9 flows)",
        "        Next: Check it.",
    ];
    assert_eq!(text, rows.join("\n"));
}

#[test]
fn scans_from_the_internet_alone_break_nothing() {
    let report = screen(&summary(&port_scan("8.8.8.8", "10.0.0.1", 20)), 100, None);
    let verdict = "VERDICT  MEDIUM  1 finding: 1 medium; all are scans from the internet\n";
    assert!(report.contains(verdict), "{report}");
    assert!(
        report.contains("MEDIUM  8.8.8.8 was rejected at 20 ports of 10.0.0.1 (20 flows since 00:00:00Z"),
        "{report}"
    );
    assert!(!report.contains("more finding"), "{report}");
}

#[test]
fn an_empty_list_is_ok_only_if_all_was_read() {
    let mut summary = summary(&port_scan("8.8.8.8", "10.0.0.1", 1));
    assert!(screen(&summary, 100, None).contains("VERDICT  OK  no findings\n"));
    summary.failed.push(InputFailure { uri: "b.gz".to_owned(), error: "truncated".to_owned() });
    let report = screen(&summary, 100, None);
    assert!(report.contains("VERDICT  UNKNOWN  no findings listed, but 1 input could not be read\n"), "{report}");
    assert!(report.contains("UNREADABLE INPUTS  1, whose records are excluded: b.gz; the reasons"), "{report}");
}

#[test]
fn suppressed_findings_are_counted_beside_the_verdict() {
    let toml = "[[suppress]]\ntypes = [\"port-scan\"]\nreason = \"a drill\"\nexpires = 2099-01-01\n";
    let config = crate::config::Config::from_toml(toml).expect("a configuration");
    let exceptions: Exceptions = config.exceptions;
    let options = SummaryOptions { exceptions, ..SummaryOptions::default() };
    let report = screen(&summarize(&port_scan("10.0.7.7", "10.0.0.1", 20), None, &options), 100, None);
    assert!(report.contains("VERDICT  OK  no findings; suppressed by the configuration: 1"), "{report}");
    let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("[suppressed until 2099-01-01: a drill]"), "{report}");
}

#[test]
fn few_pairs_are_a_list_and_many_a_matrix() {
    let render = |vpcs: usize| {
        let topology = topology(vpcs);
        let records: Vec<String> = (1..vpcs).flat_map(|src| connection(src, src + 1, 40_000)).collect();
        screen(&summarize(&records, Some(&topology), &SummaryOptions::default()), 100, Some(&topology))
    };
    let list = render(2);
    assert!(list.contains("FROM  TO    FLOWS    BYTES  REJECTED  NO REPLY  VIA"), "{list}");
    assert!(list.contains("shop  data      1  1.00 kB         0         0  pcx-1"), "{list}");
    let matrix = render(4);
    let rows: Vec<&str> = matrix.lines().skip_while(|line| !line.starts_with("PEERING")).take(6).collect();
    let expected = [
        "PEERING  accepted bytes, row to column",
        "            data    vpc-3     shop    vpc-4",
        "  data         -  1.00 kB  1.00 kB        -",
        "  vpc-3  1.00 kB        -        -  1.00 kB",
        "  shop   1.00 kB        -        -        -",
        "  vpc-4        -  1.00 kB        -        -",
    ];
    assert_eq!(rows, expected);
    let wide = render(12);
    assert!(wide.contains("and 14 pairs with 6 more VPCs; --format json has all pairs"), "{wide}");
}

#[test]
fn a_time_has_its_date_if_the_window_has_it_twice() {
    let time = |seconds| crate::record::timestamp::Timestamp::from_seconds(seconds);
    let window = |end| Some(crate::summary::Window { start: time(50), end: time(end) });
    let format = |seconds, end| problems::short_time(time(seconds).expect("a time"), window(end));
    assert_eq!(format(100, 86_499), "00:01:40Z");
    assert_eq!(format(100, 86_500), "1970-01-01T00:01:40Z");
    assert_eq!(format(86_500, 86_500), "1970-01-02T00:01:40Z");
    assert_eq!(format(86_440, 86_500), "00:00:40Z");
    assert_eq!(problems::short_time(time(0).expect("a time"), None), "1970-01-01T00:00:00Z");
}
