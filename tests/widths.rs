//! No line of a text report is wider than the terminal, and the screen has a maximum number of rows.

#![expect(clippy::disallowed_methods, reason = "the commands read files")]

use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use textwrap::core::display_width;

const SAMPLE: &str = "examples/sample";
const TOPOLOGY: &str = "examples/sample/topology";
const EVERY_FINDING: &str = "tests/golden/made-every-finding";
const WIDTHS: [usize; 5] = [40, 60, 80, 100, 200];

/// Returns what a command prints to a pipe whose reader has this number of columns.
fn stdout(columns: usize, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowsentry"));
    let output = command.args(arguments).env("COLUMNS", columns.to_string()).stdin(Stdio::null()).output();
    String::from_utf8(output.expect("the command ends").stdout).expect("UTF-8")
}

/// Asserts that a command prints something, and nothing wider than the terminal.
fn assert_fits(arguments: &[&str]) {
    for columns in WIDTHS {
        let text = stdout(columns, arguments);
        assert!(!text.trim().is_empty(), "{arguments:?} prints nothing");
        for line in text.lines() {
            assert!(display_width(line) <= columns, "{arguments:?} at {columns}: {line}");
            assert!(!line.contains(": ,") && !line.contains(", ,"), "{arguments:?} at {columns}: {line}");
        }
    }
}

/// The summaries of the sample, and of records with every finding and a failed input with a long name.
struct Summaries {
    folder: TempDir,
    sample: String,
    every: String,
}

impl Summaries {
    fn new() -> Summaries {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (sample, every) = (path("sample.json"), path("every.json"));
        fs::write(&sample, stdout(100, &["analyze", "--format", "json", "--topology", TOPOLOGY, SAMPLE]))
            .expect("a file");
        let text = fs::read_to_string(format!("{EVERY_FINDING}/summary.json")).expect("a file");
        let mut summary: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let long = "日本/production-private-subnet-".repeat(8);
        summary["failed"] = serde_json::json!([{"uri": long, "error": "truncated"}]);
        summary["limits_reached"] = serde_json::json!(["max_rejected_groups", "max_interfaces"]);
        let pairs = summary["peering"]["vpc_pairs"].as_array_mut().expect("pairs");
        pairs.iter_mut().for_each(|pair| pair["src_vpc_name"] = long.as_str().into());
        fs::write(&every, summary.to_string()).expect("a file");
        Summaries { sample, every, folder }
    }
}

#[test]
fn no_report_of_a_summary_is_wider_than_the_terminal() {
    let summaries = Summaries::new();
    for summary in [&summaries.sample, &summaries.every] {
        for arguments in
            [&["report"][..], &["report", "--verbose"], &["report", "--top", "20"], &["top"], &["timeline"]]
        {
            assert_fits(&[arguments, &[summary]].concat());
        }
    }
    assert_fits(&["diff", &summaries.sample, &summaries.every]);
    assert_fits(&["report", "--min-severity", "high", &summaries.every]);
}

#[test]
fn no_other_report_is_wider_than_the_terminal() {
    let topology = format!("{EVERY_FINDING}/topology.json");
    let log = format!("{EVERY_FINDING}/input-1.log");
    let folder = tempfile::tempdir().expect("a folder");
    let partial = folder.path().join("a.fspart").display().to_string();
    stdout(100, &["analyze", "--topology", &topology, "--partial", &partial, &log]);
    assert_fits(&["merge", "--topology", &topology, &partial]);
    assert_fits(&["analyze", "--topology", &topology, "--port", "443", "--action", "REJECT", &log]);
    assert_fits(&["analyze", "--topology", &topology, &log, "missing.log"]);
    assert_fits(&["explain", "--topology", TOPOLOGY, "10.0.1.49", "10.2.200.40:5432"]);
    assert_fits(&["explain", "--topology", &topology, "10.1.0.10", "10.2.0.90:443", &log]);
    assert_fits(&["topology", "check", TOPOLOGY]);
    assert_fits(&["topology", "check", &topology]);
    for columns in WIDTHS {
        let plan = folder.path().join(columns.to_string()).display().to_string();
        let text = stdout(columns, &["plan", "--output", &plan, "--from", "2027-01-01T00:00:00Z", SAMPLE]);
        assert!(text.contains("skipped"), "{text}");
        assert!(text.lines().all(|line| display_width(line) <= columns), "{columns}: {text}");
    }
}

#[test]
fn the_most_urgent_is_first_at_each_width() {
    let summary = format!("{EVERY_FINDING}/summary.json");
    let sample = ["analyze", "--topology", TOPOLOGY, SAMPLE];
    for columns in [40, 60, 70, 78, 80, 100, 200] {
        let severities = |arguments: &[&str]| -> Vec<String> {
            let text = stdout(columns, arguments);
            let first = text.lines().filter_map(|line| line.split_whitespace().next());
            first.filter(|word| ["HIGH", "MEDIUM", "LOW"].contains(word)).map(str::to_owned).collect()
        };
        // Five types are of high severity here, and two there.
        for (arguments, high) in [(&["report", summary.as_str()][..], 5), (&sample[..], 2)] {
            let found = severities(arguments);
            let count = found.iter().filter(|severity| *severity == "HIGH").count();
            assert!(count >= high, "{columns}: {found:?}");
            assert!(
                found.is_sorted_by_key(|severity| ["HIGH", "MEDIUM", "LOW"].iter().position(|word| word == severity))
            );
        }
    }
}

#[test]
fn a_part_of_the_network_has_its_talkers() {
    let part = ["--vpc", "vpc-0a11ce5f3d7b90246", "--address", "10.1.0.0/16"];
    let text = |part: &[&str]| stdout(100, &[&["analyze", "--topology", TOPOLOGY, SAMPLE], part].concat());
    let report = text(&part);
    let rows: Vec<&str> = report.lines().skip_while(|line| !line.starts_with("ACCEPTED BYTES")).take(4).collect();
    let expected = [
        "ACCEPTED BYTES BY PAIR",
        "  SOURCE                   DESTINATION                 BYTES  SHARE",
        "  10.1.178.245             10.0.1.36 (shop-web-24)  17.90 MB  9.7 %",
        "  10.1.189.11              10.0.1.10 (shop-web-0)   14.79 MB  8.0 %",
    ];
    assert_eq!(rows, expected);
    assert!(report.lines().count() < 40, "{report}");
    assert!(text(&["--port", "5432"]).contains("ACCEPTED BYTES BY PAIR"));
    for others in [&[][..], &["--since", "2026-11-23T06:00:00Z"]] {
        assert!(!text(others).contains("BY PAIR"), "{others:?}");
    }
}

#[test]
fn the_screen_has_at_most_so_many_rows() {
    let summaries = Summaries::new();
    for (columns, rows) in [(80, 48), (100, 39)] {
        assert!(stdout(columns, &["report", &summaries.sample]).lines().count() <= rows, "{columns}");
        // The name of the input that failed has rows of its own.
        let text = stdout(columns, &["report", &summaries.every]);
        assert!(text.lines().count() <= rows + 8, "{columns}: {text}");
    }
    drop(summaries.folder);
}
