//! Reads stored summaries: those of the golden cases, of other versions, and damaged ones.

#![expect(clippy::disallowed_methods, reason = "golden folders are files")]

#[path = "support/flow_log.rs"]
mod flow_log;

use std::fs;
use std::path::Path;

use flowsentry::error::ObjectError;
use flowsentry::findings::types::Severity;
use flowsentry::summary::Summary;
use flowsentry::summary::json::{self, SummaryError};
use serde_json::{Value, json};

/// Returns the stored summaries of the golden cases, by name.
fn golden() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let cases = fs::read_dir(folder).expect("golden folders").map(|case| case.expect("a folder").path());
    let mut all: Vec<_> =
        cases.map(|case| (case.display().to_string(), fs::read(case.join("summary.json")).expect("a file"))).collect();
    all.sort();
    assert!(all.len() >= 28);
    all
}

/// Returns the summary that has a finding of every type.
fn every_finding() -> Value {
    let (_, text) = golden().into_iter().find(|(case, _)| case.ends_with("made-every-finding")).expect("the case");
    serde_json::from_slice(&text).expect("JSON")
}

fn read(summary: &Value) -> Summary {
    json::read(summary.to_string().as_bytes()).expect("a summary")
}

fn error(text: &[u8]) -> String {
    json::read(text).expect_err("no summary").to_string()
}

#[test]
fn a_summary_is_the_same_after_reading() {
    for (case, text) in golden() {
        let stored = json::read(&text[..]).unwrap_or_else(|error| panic!("{case}: {error}"));
        assert_eq!(stored.unknown, [], "{case}");
        let again = serde_json::to_string_pretty(&stored).expect("JSON") + "\n";
        assert!(again.as_bytes() == text, "{case}: {again}");
        assert_eq!(json::read(&flow_log::gzip(&text)[..]).expect("gzip"), stored, "{case}");
        assert_eq!(json::read(&json::render(&stored)[..]).expect("one line"), stored, "{case}");
    }
}

#[test]
fn all_rejected_groups_are_read_with_their_names() {
    let record = |n: u32| {
        format!("10.0.{}.{} 10.1.0.7 {} {} REJECT\n", n / 256, n % 256, n * 5, [6, 17, 1, 253][n as usize % 4])
    };
    let log = format!("srcaddr dstaddr dstport protocol action\n{}", (0..100).map(record).collect::<String>());
    let summary = flow_log::summarize([("made.log", log.as_bytes())], None);
    assert_eq!(summary.rejected.groups.len(), 100);
    assert_eq!(json::read(&json::render(&summary)[..]).expect("a summary"), summary);
}

#[test]
fn members_that_earlier_versions_lack_are_empty() {
    let mut old = every_finding();
    for name in ["timeline", "top", "limits_reached"] {
        old.as_object_mut().expect("an object").remove(name).expect(name);
    }
    for name in ["by_rule", "by_cause", "by_cause_exact", "error_bound"] {
        old["rejected"].as_object_mut().expect("an object").remove(name).expect(name);
    }
    let summary = read(&old);
    assert_eq!((summary.timeline.len(), summary.top.exact, summary.limits_reached.len()), (0, false, 0));
    assert_eq!((summary.rejected.by_rule.len(), summary.rejected.by_cause_exact), (0, false));
    assert_eq!((summary.findings.len(), summary.unknown), (old["findings"].as_array().expect("a list").len(), vec![]));
    assert_eq!(
        summary.absent,
        ["timeline", "top", "rejected.by_cause", "rejected.by_cause_exact", "rejected.by_rule", "limits_reached"]
    );
    assert_eq!(read(&every_finding()).absent, [""; 0]);
}

#[test]
fn what_later_versions_add_is_ignored_or_counted() {
    let before = read(&every_finding());
    let mut later = every_finding();
    later["weather"] = json!({"sun": [1, {"a": null}]});
    later["findings"][0]["mood"] = json!("calm");
    later["findings"][0]["details"]["color"] = json!("red");
    assert_eq!(read(&later), before);
    later["findings"][0]["evidence"].as_array_mut().expect("a list").push(json!("crystal-ball"));
    let with_word = read(&later);
    assert_eq!((with_word.findings, with_word.unknown), (before.findings.clone(), vec![("findings.evidence", 1)]));
    later["findings"][1]["type"] = json!("time-travel");
    later["findings"][2]["severity"] = json!("critical");
    later["rejected"]["groups"][0]["cause"] = json!("cosmic-rays");
    later["sources"][0]["shape"] = json!("clay-tablet");
    later["limits_reached"] = json!(["max_interfaces", "max_patience", "max_hope"]);
    later["findings"][2]["evidence"] = json!(["tea-leaves"]);
    later["top"]["talkers"][0]["src"]["scope"] = json!("onprem");
    later["top"]["rejected_sources"][0]["src"]["scope"] = json!("onprem");
    later["peering"]["vpc_pairs"][0]["accepted"]["flows"] = json!("many");
    let summary = read(&later);
    let rows =
        [("sources", 1), ("rejected.groups", 1), ("top.rejected_sources", 1), ("top.talkers", 1), ("findings", 2)];
    let others = [("peering.vpc_pairs", 1), ("findings.evidence", 1)];
    assert_eq!(summary.unknown, [&rows[..], &others[..]].concat());
    assert_eq!(summary.top.talkers.len() + 1, before.top.talkers.len());
    assert_eq!(summary.findings.len() + 2, before.findings.len());
    assert_eq!(summary.limits_reached, ["max_interfaces", "a limit of a later version"]);
}

#[test]
fn filters_of_later_versions_are_counted() {
    let filters = json!({"since": null, "until": null, "interface_ids": [], "vpc_ids": [], "addresses": ["10.0.0.0/8"], "ports": [443],
        "actions": [], "min_severity": null, "findings_left_out": 3});
    let read_with = |name: &str, value: Value| {
        let mut later = every_finding();
        later["filters"] = filters.clone();
        later["filters"][name] = value;
        let summary = read(&later);
        let unknown = summary.unknown_of("filters");
        let filters = summary.filters.expect("filters");
        assert_eq!((&filters.ports[..], filters.findings_left_out), (&[443][..], 3), "{name}");
        (unknown, filters.actions.len(), filters.min_severity)
    };
    assert_eq!(read_with("actions", json!(["DROP", "REJECT"])), (1, 1, None));
    assert_eq!(read_with("min_severity", json!("critical")), (1, 0, None));
    assert_eq!(read_with("min_severity", json!("high")), (0, 0, Some(Severity::High)));
    assert_eq!(read_with("protocols", json!([6])), (1, 0, None));
    assert_eq!([json!([]), Value::Null].map(|none| read_with("protocols", none)), [(0, 0, None); 2]);
    let mut damaged = every_finding();
    damaged["filters"] = json!({"ports": ["x"]});
    assert!(error(damaged.to_string().as_bytes()).contains("invalid type: string"));
}

#[test]
fn long_rows_of_unknown_members_are_left_out() {
    let mut later = every_finding();
    later["rejected"]["groups"][0]["hops"] = json!(vec![0; 600_000]);
    later["rejected"]["by_interface"][0]["hops"] = json!(vec![0; 400_000]);
    assert_eq!(read(&later).unknown, [("rejected.groups", 1)]);
}

#[test]
fn an_explanation_of_a_later_version_is_left_out() {
    let mut later = every_finding();
    let findings = later["findings"].as_array_mut().expect("a list");
    let explained = findings.iter_mut().find(|finding| finding["details"]["explanation"].is_object());
    explained.expect("an explanation")["details"]["explanation"]["kind"] = json!("wormhole");
    let count = findings.len();
    let summary = read(&later);
    assert_eq!((summary.findings.len(), summary.unknown.len()), (count, 0));
}

#[test]
fn a_summary_that_is_too_large_is_refused_with_advice() {
    let error = SummaryError::from(ObjectError::TooLarge { max_bytes: 1 }).to_string();
    assert_eq!(error, "is larger than 128 MiB; analyze fewer inputs at once, or list fewer rejected groups (--top)");
    let error = SummaryError::from(ObjectError::CompressionRatio { compressed_bytes: 1, bytes: 300 }).to_string();
    assert!(error.contains("which no summary reaches; write it again with analyze"), "{error}");
}

#[test]
fn other_files_are_named() {
    assert!(error(b"").contains("not a summary"));
    assert!(error(b"2 123456789010 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 1 1 2 ACCEPT OK").contains("does not begin with {"));
    assert!(error(b"{\"Vpcs\": []}").contains("missing field `schema`"));
    let with_schema = |schema: &str| error(json!({"schema": schema}).to_string().as_bytes());
    assert!(with_schema("flowsentry/summary/v2").starts_with("has the schema flowsentry/summary/v2, not"));
    assert!(with_schema("a\u{1b}[31m").contains("a\\u{1b}[31m"));
    let line = json::render(&read(&every_finding()));
    assert_eq!(error(&[&line[..], &line].concat()), "has several documents; give one summary in one file");
}

#[test]
fn damaged_files_are_errors_with_a_position() {
    let text = every_finding().to_string().into_bytes();
    for length in (1..text.len()).step_by(977) {
        assert!(error(&text[..length]).contains("line 1 column"), "{length}");
    }
    let gzip = flow_log::gzip(&text);
    assert!(matches!(json::read(&gzip[..gzip.len() - 9]), Err(SummaryError::Input(_))));
    let mut wrong = every_finding();
    wrong["records"]["total"] = json!("many");
    assert!(error(wrong.to_string().as_bytes()).contains("expected u64"));
}

#[test]
fn any_change_of_a_byte_is_read_or_an_error() {
    let text = every_finding().to_string().into_bytes();
    for position in (0..text.len()).step_by(1999) {
        for byte in [b'"', b'{', b'9', b'-', 0, 0xff] {
            let mut damaged = text.clone();
            damaged[position] = byte;
            // Neither a panic nor a summary that cannot be written.
            if let Ok(stored) = json::read(&damaged[..]) {
                assert!(!json::render(&stored).is_empty());
            }
        }
    }
}
