//! Runs the commands on stored summaries as people and scripts do.

#![expect(clippy::disallowed_methods, reason = "the commands read files")]

#[expect(dead_code, reason = "other tests use the other helpers")]
#[path = "support/flow_log.rs"]
mod flow_log;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/made-every-finding/summary.json");

/// Runs the command with these arguments.
fn flowsentry(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flowsentry")).args(arguments).output().expect("the command ends")
}

/// Returns stdout, after checking the exit status.
fn stdout(arguments: &[&str], status: i32) -> String {
    let output = flowsentry(arguments);
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A folder of summaries and logs.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    /// Writes a file, and returns its path.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("a file");
        path.display().to_string()
    }

    /// Writes the golden summary after a change.
    fn summary(&self, name: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut summary: Value = serde_json::from_slice(&fs::read(GOLDEN).expect("a file")).expect("JSON");
        summary["records"]["skip_data"] = json!(0);
        change(&mut summary);
        self.write(name, summary.to_string())
    }
}

/// Three minutes, of which the last has the rejected records.
const LOG: &str = "\
2 1 eni-1 10.0.0.1 10.0.0.2 50000 443 6 9 4000 1795413600 1795413660 ACCEPT OK
2 1 eni-1 10.0.0.1 10.0.0.2 50001 443 6 9 2000 1795413660 1795413720 ACCEPT OK
2 1 eni-1 10.0.0.2 10.0.0.1 443 50000 6 9 9000 1795413601 1795413720 ACCEPT OK
2 1 eni-1 8.8.8.8 10.0.0.1 50000 22 6 1 40 1795413720 1795413780 REJECT OK
2 1 eni-1 8.8.8.8 10.0.0.1 50000 23 6 1 40 1795413721 1795413780 REJECT OK
";

#[test]
fn report_renders_a_stored_summary_as_analyze_does() {
    let folder = Folder::new();
    let log = folder.write("a.log", LOG);
    let summary = folder.write("a.json", stdout(&["analyze", "--format", "json", &log], 0));
    let expected = stdout(&["analyze", &log], 0);
    assert_eq!(stdout(&["report", &summary], 0), expected);
    let zipped = folder.write("a.json.gz", flow_log::gzip(&fs::read(Path::new(&summary)).expect("a file")));
    assert_eq!(stdout(&["report", &zipped], 0), expected);
    let again = stdout(&["report", "--format", "json", &zipped], 0);
    assert_eq!(again.as_bytes(), fs::read(&summary).expect("a file"));
}

#[test]
fn a_stored_summary_has_the_names_of_the_topology() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Folder::new();
    let path = |path: &str| root.join(path).display().to_string();
    let logs = fs::read_dir(root.join("examples/sample")).expect("a folder").map(|file| file.expect("a file").path());
    let is_log = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "gz");
    let sample = logs.filter(is_log).map(|path| path.display().to_string()).collect();
    let golden = "tests/golden/made-every-finding";
    let (log, peering) = (path(&format!("{golden}/input-1.log")), path(&format!("{golden}/input-2-peering.log")));
    for (inputs, topology, name) in [
        (sample, path("examples/sample/topology"), "shared-web-25 (eni-02795860bfd706979)"),
        (vec![log, peering], path(&format!("{golden}/topology.json")), "web-1 (eni-"),
    ] {
        let with_topology = [vec!["--topology", &topology], inputs.iter().map(String::as_str).collect()].concat();
        let analyze = |options: &[&str]| stdout(&[&["analyze"], options, &with_topology].concat(), 0);
        let summary = folder.write("a.json", analyze(&["--format", "json"]));
        for options in [&["--verbose"][..], &[], &["--verbose", "--top", "20"]] {
            let report = stdout(&[&["report"], options, &[&summary[..]]].concat(), 0);
            assert_eq!(report, analyze(options), "{options:?}");
            assert!(options.is_empty() || report.contains(name), "{name}: {report}");
        }
    }
}

#[test]
fn the_full_report_has_100_rules_and_interfaces() {
    let folder = Folder::new();
    let report = |count: usize| {
        let rules = GOLDEN.replace("made-every-finding", "made-rules");
        let mut summary: Value = serde_json::from_slice(&fs::read(rules).expect("a file")).expect("JSON");
        for list in ["by_rule", "by_interface"] {
            let rows = summary["rejected"][list].as_array_mut().expect("a list");
            let first = rows.first().expect("a row").clone();
            rows.resize(count, first);
        }
        let summary = folder.write("a.json", summary.to_string());
        stdout(&["report", "--verbose", &summary], 0)
    };
    let (all, most) = (report(20), report(176));
    assert!(all.contains("\nREJECTED BY RULE  20 of 20 rules\n"), "{all}");
    assert!(all.contains("\nREJECTED BY INTERFACE  20 of 20 interfaces\n"), "{all}");
    assert!(most.contains("\nREJECTED BY RULE  100 of 176 rules\n"), "{most}");
    assert!(most.contains("\nREJECTED BY INTERFACE  100 of 176 interfaces\n"), "{most}");
}

/// Runs the command with a file as stdin.
fn with_stdin(arguments: &[&str], file: &str, status: i32) -> String {
    let stdin = fs::File::open(file).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_flowsentry")).args(arguments).stdin(stdin).output().expect("it ends");
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8")
}

#[test]
fn a_summary_is_read_from_stdin_as_from_a_file() {
    let folder = Folder::new();
    let log = folder.write("a.log", LOG);
    let text = stdout(&["analyze", "--format", "json", &log], 0);
    let summary = folder.write("a.json", &text);
    let zipped = folder.write("a.json.gz", flow_log::gzip(text.as_bytes()));
    let marked = folder.write("marked.json", format!("\u{feff}\n{text}"));
    for command in ["report", "top", "timeline"] {
        let expected = stdout(&[command, &summary], 0);
        assert_eq!(stdout(&[command, &marked], 0), expected, "{command}");
        for file in [&summary, &zipped, &marked] {
            assert_eq!(with_stdin(&[command, "-"], file, 0), expected, "{command} {file}");
        }
    }
    // The name of the input is another one.
    let rows = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    for command in ["top", "timeline"] {
        assert_eq!(rows(&with_stdin(&[command, "-"], &log, 0)), rows(&stdout(&[command, &log], 0)), "{command}");
    }
    assert!(with_stdin(&["diff", "-", &summary], &summary, 0).starts_with("before  -: 3 accepted, 2 rejected"));
    let message = "flowsentry: stdin cannot be both summaries: give at least one file\n";
    assert_eq!(with_stdin(&["diff", "-", "-"], &summary, 2), message);
}

#[test]
fn a_summary_without_all_findings_is_no_all_clear() {
    let folder = Folder::new();
    // The findings that are listed are suppressed, gone, or of high severity.
    let left_out = |listed: bool| {
        move |summary: &mut Value| {
            summary["filters"] = json!({"since": null, "until": null, "interface_ids": [], "vpc_ids": [], "addresses": [], "ports": [],
                                        "actions": [], "min_severity": "high", "findings_left_out": 15});
            let findings = summary["findings"].as_array_mut().expect("findings");
            findings.retain(|finding| listed && finding["severity"] == "high");
        }
    };
    let (none, high) = (folder.summary("none.json", left_out(false)), folder.summary("high.json", left_out(true)));
    let unknown = folder.summary("unknown.json", |summary| {
        let findings = summary["findings"].as_array_mut().expect("findings");
        findings.iter_mut().for_each(|finding| finding["type"] = json!("time-travel"));
    });
    let failed = folder.summary("failed.json", |summary| {
        summary["findings"] = json!([]);
        summary["failed"] = json!([{"uri": "a.log", "error": "truncated"}]);
    });
    for (arguments, status, message) in [
        (vec!["report", &none], 0, ""),
        (vec!["report", "--fail-on", "high", &none], 0, ""),
        (
            vec!["report", "--fail-on", "medium", &none],
            1,
            "--fail-on cannot be decided: 15 findings below high are not listed",
        ),
        (vec!["report", "--fail-on", "medium", &high], 4, ""),
        (vec!["report", &unknown], 1, "21 of findings are unknown to this version"),
        (vec!["report", "--fail-on", "high", &unknown], 1, "21 of findings are unknown to this version"),
        (vec!["report", &failed], 0, "flowsentry: a.log: truncated\n"),
        (vec!["report", "--fail-on", "low", &failed], 1, "--fail-on cannot be decided: 1 input could not be read"),
    ] {
        let output = flowsentry(&arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?} {output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(message) && stderr.is_empty() == message.is_empty(), "{arguments:?} {stderr}");
    }
    for (summary, status, verdict) in [
        (&none, 0, "VERDICT  UNKNOWN  no findings listed, but 15 findings below high are not listed"),
        (&high, 0, "incomplete: 15 findings below high are not listed"),
        (&unknown, 1, "VERDICT  UNKNOWN  no findings listed, but 21 findings are unknown to this version"),
        (&failed, 0, "VERDICT  UNKNOWN  no findings listed, but 1 input could not be read"),
    ] {
        for arguments in [vec!["report", summary], vec!["report", "--verbose", summary]] {
            let text = stdout(&arguments, status);
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let verdict = verdict.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(words.matches(&verdict).count(), 2, "{arguments:?}: {text}");
        }
    }
}

#[test]
fn reasons_of_failed_inputs_are_on_stderr() {
    let folder = Folder::new();
    let with_failed = |count: usize| {
        let failed = |number| json!({"uri": format!("{number}\u{1b}.log"), "error": "truncated\n".repeat(1000)});
        let failed: Vec<Value> = (0..count).map(failed).collect();
        folder.summary("failed.json", |summary| summary["failed"] = json!(failed))
    };
    for (count, lines, last) in [
        (10, 10, "flowsentry: 9\\u{1b}.log: truncated"),
        (12, 11, "flowsentry: 2 more of the inputs of the summary could not be read; \"failed\" in it has all"),
    ] {
        let summary = with_failed(count);
        for arguments in [vec!["report", &summary], vec!["report", "-v", &summary], vec!["top", &summary]] {
            let output = flowsentry(&arguments);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), stderr.lines().count()), (Some(0), lines), "{stderr}");
            assert!(stderr.lines().last().is_some_and(|line| line.starts_with(last)), "{stderr}");
            assert!(stderr.lines().all(|line| line.chars().count() < 2_000));
        }
    }
}

#[test]
fn what_is_no_summary_exits_with_2() {
    let folder = Folder::new();
    let log = folder.write("a.log", LOG);
    let other = folder.write("b.json", r#"{"schema": "flowsentry/summary/v9"}"#);
    let text = folder.write("notes.txt", "port 22 is open\n");
    let topology = folder.write("vpcs.json", r#"{"Vpcs": [{"VpcId": "vpc-1"}]}"#);
    let wide = folder.write("wide.json", b"\xff\xfe{\0\"\0");
    let place = folder.0.path().display().to_string();
    for (path, message) in [
        (text.as_str(), "is not a summary of flowsentry: it does not begin with {"),
        (&log, "looks like a flow log: read it with flowsentry analyze, top, or timeline"),
        (&topology, "looks like output of aws ec2 describe-…: give it with --topology"),
        (&wide, "is text in UTF-16, as some versions of PowerShell write it: save it as UTF-8"),
        (&place, ": is a folder: give one summary"),
        (
            "s3://b/a.json",
            "copy it with aws s3 cp s3://b/a.json ./ and give the copy, or pipe it to -: aws s3 cp s3://b/a.json -",
        ),
        ("no/*.json", "cannot be opened: the shell leaves a pattern as it is if it is in quotes or nothing matches"),
        (other.as_str(), "has the schema flowsentry/summary/v9, not flowsentry/summary/v1"),
        ("missing.json", "missing.json: cannot be opened: "),
    ] {
        for arguments in [&["report", path][..], &["diff", path, GOLDEN], &["diff", GOLDEN, path]] {
            let output = flowsentry(arguments);
            assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b""[..]));
            assert!(String::from_utf8_lossy(&output.stderr).contains(message), "{output:?}");
        }
    }
    // As an input of top, it is not taken for a flow log.
    let output = flowsentry(&["top", &other]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("summary/v9") && output.status.code() == Some(2));
}

#[test]
fn elements_of_later_versions_are_counted_on_stderr() {
    let folder = Folder::new();
    let later = folder.summary("later.json", |summary| summary["findings"][0]["type"] = json!("time-travel"));
    let output = flowsentry(&["report", &later]);
    let expected = "1 of findings are unknown to this version or damaged, and left out";
    assert!(
        String::from_utf8_lossy(&output.stderr).contains(expected) && output.status.code() == Some(1),
        "{output:?}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn unknown_elements_take_no_memory() {
    let folder = Folder::new();
    let many = folder.summary("many.json", |summary| summary["rejected"]["groups"] = json!(vec![0; 500_000]));
    let limited = ["-c", "ulimit -v 200000; exec \"$0\" report \"$1\"", env!("CARGO_BIN_EXE_flowsentry"), &many];
    let output = Command::new("sh").args(limited).output().expect("the command ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("500000 of rejected.groups are unknown"), "{errors}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_severity_of_a_later_version_decides_nothing() {
    let folder = Folder::new();
    let later = folder.summary("later.json", |summary| {
        summary["filters"] = json!({"since": null, "until": null, "interface_ids": [], "vpc_ids": [], "addresses": [], "ports": [],
            "actions": [], "min_severity": "critical", "findings_left_out": 3});
        summary["findings"] = json!([]);
    });
    let output = flowsentry(&["report", "--fail-on", "high", &later]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("1 of filters are unknown to this version"), "{errors}");
    assert!(errors.ends_with("--fail-on cannot be decided: 3 findings are not listed\n"), "{errors}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn top_shows_logs_and_summaries_alike() {
    let folder = Folder::new();
    let log = folder.write("a.log", LOG);
    let summary = folder.write("a.json", stdout(&["analyze", "--format", "json", &log], 0));
    let text = stdout(&["top", &log], 0);
    assert_eq!(text, stdout(&["top", &summary], 0));
    for expected in ["REJECTED BY SOURCE", "8.8.8.8", "22/TCP (ssh)", "ACCEPTED BYTES BY PAIR", "6.00 kB", "9.00 kB"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let top: Value = serde_json::from_str(&stdout(&["top", "--format", "json", &log], 0)).expect("JSON");
    assert_eq!(top["talkers"][0]["accepted"], json!({"flows": 1, "packets": 9, "bytes": 9000}));
    assert_eq!(top["talkers"][1]["accepted"], json!({"flows": 2, "packets": 18, "bytes": 6000}));
    assert_eq!((&top["exact"], &top["talkers_exact"]), (&json!(true), &json!(true)));
    let missing = flowsentry(&["top", &log, "missing.log"]);
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
}

#[test]
fn timeline_has_a_row_for_each_interval() {
    let folder = Folder::new();
    let log = folder.write("a.log", LOG);
    let rows: Value = serde_json::from_str(&stdout(&["timeline", "--format", "json", &log], 0)).expect("JSON");
    let flows =
        |row: &Value| (row["start"].clone(), row["accepted"]["flows"].clone(), row["rejected"]["flows"].clone());
    let rows: Vec<_> = rows.as_array().expect("a list").iter().map(flows).collect();
    let time = |minute| json!(format!("2026-11-23T06:0{minute}:00Z"));
    let expected = [(0, 2, 0), (1, 1, 0), (2, 0, 2)].map(|(minute, a, r)| (time(minute), json!(a), json!(r)));
    assert_eq!(rows, expected);
    let text = stdout(&["timeline", &log], 0);
    assert!(text.contains("flows in intervals of 1 min") && text.contains("2026-11-23T06:02:00Z"), "{text}");
    assert!(text.contains('█') && text.contains('▒'));
    assert!(stdout(&["timeline", "--rows", "1", &log], 0).contains("intervals of 4 min"));
}

#[test]
fn timeline_in_json_has_all_intervals() {
    let folder = Folder::new();
    let line = |minute: u64| {
        let start = 1_795_413_600 + 60 * minute;
        format!("2 1 eni-1 10.0.0.1 10.0.0.2 50000 443 6 1 40 {start} {start} ACCEPT OK\n")
    };
    let log = folder.write("a.log", (0..100).map(line).collect::<String>());
    let json = |arguments: &[&str]| -> Value { serde_json::from_str(&stdout(arguments, 0)).expect("JSON") };
    let all = json(&["analyze", "--format", "json", &log])["timeline"].clone();
    assert_eq!(all.as_array().map(Vec::len), Some(100));
    assert_eq!(json(&["timeline", "--format", "json", &log]), all);
    let joined = json(&["timeline", "--format", "json", "--rows", "50", &log]);
    assert_eq!((joined.as_array().map(Vec::len), &joined[0]["seconds"]), (Some(50), &json!(120)));
    assert!(stdout(&["timeline", &log], 0).contains("intervals of 4 min"));
}

#[test]
fn diff_has_names_and_all_numbers_at_each_width() {
    let folder = Folder::new();
    let logs = ["analyze", "--format", "json", "--topology", "examples/sample/topology", "examples/sample"];
    let sample = stdout(&logs, 0);
    let mut summary: Value = serde_json::from_str(&sample).expect("JSON");
    summary["peering"]["vpc_pairs"][0]["rejected"]["flows"] = json!(7);
    let (before, after) = (folder.write("a.json", sample), folder.write("b.json", summary.to_string()));
    let text = |columns: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_flowsentry"))
            .args(["diff", &before, &after])
            .env("COLUMNS", columns)
            .output()
            .expect("the command ends");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let (wide, medium, narrow, small) = (text("170"), text("100"), text("80"), text("40"));
    assert!(
        wide.contains("data (vpc-0ca201b4f6d8e5973)  ") && wide.contains("  shop-shared (pcx-0bd681fd4c20588b9)  "),
        "{wide}"
    );
    let heading = "  FROM      TO        VIA            BYTES BEFORE  BYTES AFTER  REJECTED BEFORE  REJECTED AFTER\n";
    assert!(medium.contains(heading) && medium.contains("  shop      shared    shop-shared  "), "{medium}");
    let heading = "  FROM      TO        BYTES BEFORE  BYTES AFTER  REJECTED BEFORE  REJECTED AFTER\n";
    assert!(narrow.contains(heading) && narrow.contains("narrow): VIA"), "{narrow}");
    assert!(small.contains("  shop to shared\n") && small.contains("rejected 0 → 7"), "{small}");
    for text in [medium, narrow, small] {
        assert!(!text.contains("vpc-"), "{text}");
    }
    let json: Value = serde_json::from_str(&stdout(&["diff", "--format", "json", &before, &after], 0)).expect("JSON");
    let names: Vec<&Value> = (0..8).map(|row| &json["vpc_pairs"][row]["peering_connection_name"]).collect();
    assert!(names.contains(&&json!("shop-shared")) && names.contains(&&Value::Null), "{names:?}");
}

#[test]
fn diff_says_what_is_new_and_gone() {
    let folder = Folder::new();
    let whole = folder.summary("whole.json", |_| {});
    let fewer = folder.summary("fewer.json", |summary| {
        summary["findings"].as_array_mut().expect("a list").remove(0);
        summary["rejected"]["groups"].as_array_mut().expect("a list").remove(0);
    });
    let summary: Value = serde_json::from_slice(&fs::read(GOLDEN).expect("a file")).expect("JSON");
    let title = summary["findings"][0]["title"].as_str().expect("text");
    let first_words: String = title.chars().take(20).collect();
    let worse = stdout(&["diff", &fewer, &whole], 1);
    for expected in ["WORSE", "NEW FINDINGS", "NEW REJECTED CONNECTIONS  not certain", &first_words] {
        assert!(worse.contains(expected), "{expected}: {worse}");
    }
    let better = stdout(&["diff", &whole, &fewer], 0);
    for expected in ["NO WORSE", "GONE FINDINGS", "GONE REJECTED CONNECTIONS  not certain", "TRAFFIC BETWEEN VPCS"] {
        assert!(better.contains(expected), "{expected}: {better}");
    }
    assert!(!stdout(&["diff", &whole, &whole], 0).contains("NEW"));
    let json: Value = serde_json::from_str(&stdout(&["diff", "--format", "json", &fewer, &whole], 1)).expect("JSON");
    assert_eq!((&json["schema"], &json["findings"]["new"][0]["title"]), (&json!("flowsentry/diff/v1"), &json!(title)));
    assert_eq!(json["rejected_groups"]["new_certain"], json!(false));
}

#[test]
fn the_page_of_diff_says_what_its_text_says() {
    let folder = Folder::new();
    let fewer =
        folder.summary("fewer.json", |summary| drop(summary["findings"].as_array_mut().map(|list| list.remove(0))));
    let failed = folder.summary("failed.json", |summary| {
        summary["failed"] = json!([{"uri": "a.log", "error": "truncated"}]);
    });
    for (before, after, status) in
        [(fewer.as_str(), GOLDEN, 1), (GOLDEN, fewer.as_str(), 0), (GOLDEN, failed.as_str(), 1), (GOLDEN, GOLDEN, 0)]
    {
        let page = stdout(&["diff", "--format", "html", before, after], status);
        assert!(page.starts_with("<!DOCTYPE html>"), "{page}");
        let text = stdout(&["diff", before, after], status);
        let verdict = text.lines().find(|line| line.contains("  findings: ")).expect("a verdict");
        let headline = verdict.replace("  findings: ", ". Findings: ");
        assert!(page.contains(&format!("<h1>{headline}</h1>")), "{headline}");
        assert_eq!(page.contains("may hide some: 1 input could not be read"), after == failed);
        assert_eq!(page.contains("not certain: the summary before"), text.contains("not certain: the summary before"));
    }
    assert_eq!(flowsentry(&["top", "--format", "html", GOLDEN]).status.code(), Some(2), "it has no page");
}

#[test]
fn diff_with_hidden_findings_is_no_all_clear() {
    let folder = Folder::new();
    let failed = folder.summary("failed.json", |summary| {
        summary["findings"] = json!([]);
        summary["failed"] = json!([{"uri": "a.log", "error": "truncated"}]);
    });
    let unknown = folder.summary("unknown.json", |summary| {
        let findings = summary["findings"].as_array_mut().expect("findings");
        findings.iter_mut().for_each(|finding| finding["type"] = json!("time-travel"));
    });
    for (after, reason) in
        [(&failed, "1 input could not be read"), (&unknown, "21 findings are unknown to this version")]
    {
        let text = stdout(&["diff", GOLDEN, after], 1);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("UNKNOWN findings: 0 new, 0 changed, 21 gone, 0 ongoing"), "{text}");
        let expected = format!("No listed finding is worse, but the summary after may hide some: {reason}");
        assert!(words.contains(&expected) && !words.contains("NO WORSE"), "{text}");
        let json: Value = serde_json::from_str(&stdout(&["diff", "--format", "json", GOLDEN, after], 1)).expect("JSON");
        assert_eq!(json["undecided"], json!([reason]));
    }
}

#[test]
fn a_majority_of_malformed_records_is_no_all_clear() {
    let folder = Folder::new();
    let line = "2 1 eni-1 host 10.0.0.2 50000 443 6 9 4000 1795413600 1795413660 ACCEPT OK\n";
    let malformed = |number: usize| LOG.to_owned() + &line.repeat(number);
    let (half, most) = (folder.write("half.log", malformed(5)), folder.write("most.log", malformed(6)));
    let partial = |log: &str| {
        let path = format!("{log}.fspart");
        stdout(&["analyze", "--partial", &path, log], 0);
        path
    };
    let (half_partial, most_partial) = (partial(&half), partial(&most));
    let (half_summary, most_summary) = (
        folder.write("half.json", stdout(&["analyze", "--format", "json", &half], 0)),
        folder.write("most.json", stdout(&["analyze", "--format", "json", &most], 0)),
    );
    for (log, summary, partial, is_most) in
        [(&half, &half_summary, &half_partial, false), (&most, &most_summary, &most_partial, true)]
    {
        for arguments in [["top", log], ["timeline", log], ["top", summary], ["timeline", summary]] {
            let output = flowsentry(&arguments);
            let stderr = String::from_utf8_lossy(&output.stderr);
            let warns = stderr.starts_with("flowsentry: 6 of 11 records (54.5 %) are malformed and do not count.");
            assert_eq!(
                (output.status.code(), warns, stderr.is_empty()),
                (Some(0), is_most, !is_most),
                "{arguments:?} {stderr}"
            );
        }
        for (command, input) in [("analyze", log), ("merge", partial), ("report", summary)] {
            let output = flowsentry(&[command, "--fail-on", "low", input]);
            assert_eq!(output.status.code(), Some(i32::from(is_most)), "{command} {output:?}");
            let stderr = String::from_utf8_lossy(&output.stderr);
            let expected = "flowsentry: --fail-on cannot be decided: 6 of 11 records are malformed\n";
            assert_eq!(stderr, if is_most { expected } else { "" }, "{command}");
        }
    }
    let empty = folder.write("empty.log", "version srcaddr dstaddr action\n");
    let empty_partial = partial(&empty);
    let empty_summary = folder.write("empty.json", stdout(&["analyze", "--format", "json", &empty], 0));
    for (command, input) in [("analyze", empty), ("merge", empty_partial), ("report", empty_summary)] {
        let output = flowsentry(&[command, "--fail-on", "low", &input]);
        let expected = "flowsentry: --fail-on cannot be decided: no records were read\n";
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(1), expected), "{command}");
    }
    // A finding decides.
    let with_finding =
        folder.summary("finding.json", |summary| summary["records"]["malformed"] = summary["records"]["total"].clone());
    assert_eq!(flowsentry(&["report", "--fail-on", "low", &with_finding]).status.code(), Some(4));
}

/// Filters as a summary has them, with other members.
fn filters(others: &Value) -> Value {
    let mut filters = json!({"since": null, "until": null, "interface_ids": [], "vpc_ids": [], "addresses": [], "ports": [],
        "actions": [], "min_severity": null, "findings_left_out": 0});
    let members = filters.as_object_mut().expect("an object");
    members.extend(others.as_object().expect("an object").clone());
    filters
}

#[test]
fn what_may_hide_findings_is_unknown_in_every_output() {
    let folder = Folder::new();
    let total =
        serde_json::from_slice::<Value>(&fs::read(GOLDEN).expect("a file")).expect("JSON")["records"]["total"].clone();
    let limits = |name: &str| {
        let reason = if name == "max_patience" { "a limit of a later version" } else { name };
        (json!({"limits_reached": ["max_formats", name]}), format!("memory limits were reached: {reason}"))
    };
    let by_unknown = format!("7 of {total} records are left out by filters that this version does not know");
    let cases = [
        limits("max_rejected_groups"),
        limits("max_accepted_tuples"),
        limits("max_address_pairs"),
        limits("max_unanswered_groups"),
        limits("max_interfaces"),
        limits("max_patience"),
        (json!({"failed": [{"uri": "a.log", "error": "cut off"}]}), "1 input could not be read".to_owned()),
        (json!({"filters": filters(&json!({"protocols": [6]})), "records": {"filtered": 7}}), by_unknown.clone()),
        (
            json!({"filters": filters(&json!({"protocols": [6], "ports": [443]})), "records": {"filtered": 7}}),
            by_unknown.clone(),
        ),
        (json!({"records": {"filtered": 7}}), by_unknown),
        (
            json!({"filters": filters(&json!({"min_severity": "high", "findings_left_out": 5}))}),
            "5 findings below high are not listed".to_owned(),
        ),
    ];
    for (change, reason) in cases {
        let is_later = change["filters"]["protocols"].is_array();
        let summary = folder.summary("a.json", |summary| {
            summary["findings"] = json!([]);
            merge(summary, &change);
        });
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let report =
            |arguments: &[&str]| words(&stdout(&[&["report", &summary], arguments].concat(), i32::from(is_later)));
        let verdict = format!("VERDICT UNKNOWN no findings listed, but {reason}");
        for arguments in [&[][..], &["--verbose"]] {
            assert_eq!(report(arguments).matches(&verdict).count(), 2, "{}", report(arguments));
        }
        assert!(report(&["--verbose"]).contains(&format!("FINDINGS unknown: {reason}")));
        let page = report(&["--format", "html"]);
        assert!(page.contains(&format!("<h1>Unknown: no problem listed in your network, but {reason}</h1>")), "{page}");
        assert!(page.contains(&format!("No findings are listed, but {reason}.")), "{page}");
        let output = flowsentry(&["report", "--fail-on", "low", &summary]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        let expected = format!("flowsentry: --fail-on cannot be decided: {reason}\n");
        assert!(output.status.code() == Some(1) && stderr.ends_with(&expected), "{output:?}");
        let diff = words(&stdout(&["diff", GOLDEN, &summary], 1));
        assert!(diff.contains("UNKNOWN findings: 0 new") && diff.contains(&reason), "{diff}");
    }
    // No finding needs the column lists, and a later version may have filters that select nothing.
    let whole = folder.summary("a.json", |summary| {
        summary["findings"] = json!([]);
        merge(
            summary,
            &json!({"limits_reached": ["max_formats"], "filters": filters(&json!({"protocols": [], "zones": null}))}),
        );
    });
    assert!(stdout(&["report", "--fail-on", "low", &whole], 0).contains("VERDICT  OK  no findings\n"));
    assert_eq!(flowsentry(&["diff", GOLDEN, &whole]).status.code(), Some(0));
}

/// Puts members into a value.
fn merge(value: &mut Value, members: &Value) {
    match (value, members) {
        (Value::Object(object), Value::Object(members)) => {
            members.iter().for_each(|(name, member)| merge(object.entry(name).or_insert(Value::Null), member));
        }
        (value, member) => *value = member.clone(),
    }
}

#[test]
fn a_limit_that_an_attacker_reaches_is_no_all_clear() {
    let folder = Folder::new();
    let config = folder.write("limits.toml", "max_rejected_groups = 1\n");
    let line = |src: &str, port: u32| {
        format!("2 1 eni-1 {src} 10.0.0.1 50000 {port} 6 1 40 1795413600 1795413660 REJECT OK\n")
    };
    let scan: String = (1..=30).map(|port| line("10.0.7.7", port)).collect();
    let noise: String = (1..=50).map(|host| line(&format!("10.9.0.{host}"), 443).repeat(2)).collect();
    let log = folder.write("a.log", scan + &noise);
    assert!(stdout(&["analyze", "--fail-on", "high", &log], 4).contains("VERDICT  HIGH  "));
    let output = flowsentry(&["analyze", "--fail-on", "high", "--config", &config, &log]);
    let (text, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let verdict = "VERDICT  UNKNOWN  no findings listed, but memory limits were reached: max_rejected_groups\n";
    assert_eq!((output.status.code(), text.matches(verdict).count()), (Some(1), 2), "{text}");
    assert_eq!(stderr, "flowsentry: --fail-on cannot be decided: memory limits were reached: max_rejected_groups\n");
}

#[test]
fn nothing_that_could_have_a_finding_decides_nothing() {
    let folder = Folder::new();
    let no_data = folder.write("a.log", "2 1 eni-1 - - - - - - - 1795413600 1795413660 - NODATA\n");
    let rejected =
        folder.write("b.log", "2 1 eni-1 10.0.0.2 10.0.0.1 50000 22 6 1 40 1795413600 1795413660 REJECT OK\n");
    let nothing = "flowsentry: --fail-on cannot be decided: no record is of accepted or rejected traffic\n";
    for (arguments, status, message) in [
        (&[&*no_data][..], 1, nothing),
        (&["--interface", "eni-2", &rejected], 1, nothing),
        (&["--interface", "eni-1", &rejected], 0, ""),
    ] {
        let output = flowsentry(&[&["analyze", "--fail-on", "low"], arguments].concat());
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(status), message));
    }
    // Records of a transit gateway have no action.
    let summary = folder.summary("a.json", |summary| {
        summary["findings"] = json!([]);
        merge(summary, &json!({"records": {"accepted": 0, "rejected": 0, "other": 9}}));
    });
    assert!(stdout(&["report", "--fail-on", "low", &summary], 0).contains("VERDICT  UNKNOWN  "));
}

#[test]
fn a_finding_below_the_severity_decides_nothing() {
    let folder = Folder::new();
    let summary = folder.summary("a.json", |summary| {
        summary["findings"].as_array_mut().expect("findings").retain(|finding| finding["severity"] == "low");
        summary["limits_reached"] = json!(["max_interfaces"]);
    });
    let message = "flowsentry: --fail-on cannot be decided: memory limits were reached: max_interfaces\n";
    for (severity, status, message) in [("high", 1, message), ("medium", 1, message), ("low", 4, "")] {
        let output = flowsentry(&["report", "--fail-on", severity, &summary]);
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(status), message));
    }
    let text = stdout(&["report", &summary], 0);
    assert_eq!(text.matches("; incomplete: memory limits were reached: max_interfaces").count(), 2, "{text}");
}

#[test]
fn a_number_of_findings_does_not_overflow() {
    let folder = Folder::new();
    let summary = folder.summary("a.json", |summary| {
        summary["findings"].as_array_mut().expect("findings").retain(|finding| finding["severity"] == "low");
        summary["filters"] = filters(&json!({"min_severity": "low", "findings_left_out": u64::MAX}));
    });
    let text = stdout(&["report", "--min-severity", "medium", &summary], 0);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let verdict =
        "VERDICT UNKNOWN no findings listed, but 18,446,744,073,709,551,615 findings below medium are not listed";
    assert_eq!(words.matches(verdict).count(), 2, "{text}");
}

#[test]
fn what_is_approximate_says_so_in_both_texts() {
    let folder = Folder::new();
    let report = |is_exact: bool, options: &[&str]| {
        let summary = folder.summary("a.json", |summary| {
            summary["rejected"]["by_cause_exact"] = json!(is_exact);
            summary["findings"]
                .as_array_mut()
                .expect("findings")
                .iter_mut()
                .for_each(|it| it["exact"] = json!(is_exact));
        });
        let text = stdout(&[&["report", &summary], options].concat(), 0);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let (full, screen) = (report(false, &["--verbose"]), report(false, &[]));
    assert!(full.contains("REJECTED BY CAUSE approximate"), "{full}");
    assert!(full.matches(" confidence, approximate").count() >= 15, "{full}");
    assert!(screen.contains("rejected by (approximate):") && screen.contains("Z, approximate)"), "{screen}");
    assert!(!(report(true, &["--verbose"]) + &report(true, &[])).contains("approximate"));
}

#[test]
fn options_for_logs_are_refused_with_a_summary() {
    let folder = Folder::new();
    let summary = folder.summary("a.json", |_| {});
    for (command, option) in [("top", "--topology"), ("top", "--config"), ("timeline", "--topology")] {
        let output = flowsentry(&[command, &summary, option, "/nowhere"]);
        let expected = format!("flowsentry: {summary}: is a summary, and {option} is for flow logs: leave it out\n");
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(2), &*expected));
        let text = with_stdin(&[command, "-", option, "/nowhere"], &summary, 2);
        assert_eq!(text, expected.replace(&summary, "-"));
    }
}

/// Text that clears a terminal, reorders text, and forges a verdict.
const EVIL: &str = "\u{1b}[2J\u{7}\u{9b}\r\n\u{202e}\u{2066}\u{200b}\nVERDICT  OK  no findings\n";

/// The position of a value: names of members, without the positions in lists.
type Pattern = Vec<String>;

/// Calls a function with all texts and nulls below a value.
fn visit(value: &mut Value, pattern: &mut Pattern, call: &mut dyn FnMut(&Pattern, &mut Value)) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| visit(value, pattern, call)),
        Value::Object(members) => members.iter_mut().for_each(|(name, value)| {
            pattern.push(name.clone());
            visit(value, pattern, call);
            pattern.pop();
        }),
        Value::String(_) | Value::Null => call(pattern, value),
        _ => {}
    }
}

/// Returns a summary whose texts are all [`EVIL`], except those that have a fixed form.
fn hostile_summary() -> Value {
    let mut summary: Value = serde_json::from_slice(&fs::read(GOLDEN).expect("a file")).expect("JSON");
    summary["failed"] = json!([{"uri": "a.log", "error": "cut off"}]);
    summary["malformed"] = json!([{"uri": "a.log", "line": 1, "reason": "no address", "text": "x y"}]);
    summary["topology"] = json!({"snapshot": "2026-11-23T06:00:00Z"});
    summary["filters"] = filters(&json!({"interface_ids": ["eni-1"], "vpc_ids": ["vpc-1"]}));
    summary["findings"][0]["suppressed"] = json!({"reason": "a drill", "expires": "2027-01-31"});
    summary["findings"][1]["names"][EVIL] = json!("web");
    summary["records"]["malformed"] = summary["records"]["total"].clone();
    let mut patterns = std::collections::BTreeSet::new();
    visit(&mut summary, &mut Vec::new(), &mut |pattern, _| patterns.extend([pattern.clone()]));
    for of in patterns {
        let (mut filled, mut count) = (summary.clone(), 0);
        visit(&mut filled, &mut Vec::new(), &mut |pattern, value| {
            if *pattern == of {
                *value = json!(EVIL);
                count += 1;
            }
        });
        // The form is fixed if another text is an error, or is left out.
        let Ok(read) = flowsentry::summary::json::read(filled.to_string().as_bytes()) else { continue };
        let mut read = serde_json::to_value(&read).expect("JSON");
        visit(&mut read, &mut Vec::new(), &mut |pattern, value| count -= i32::from(*pattern == of && value == EVIL));
        if count == 0 {
            summary = filled;
        }
    }
    summary
}

#[test]
fn no_text_of_a_summary_acts_on_a_terminal() {
    let folder = Folder::new();
    let mut summary = hostile_summary();
    let mut filled = 0;
    visit(&mut summary, &mut Vec::new(), &mut |_, value| filled += i32::from(value == EVIL));
    assert!(filled > 500, "{filled}");
    let hostile = folder.write("hostile.json", summary.to_string());
    // Other findings, and the same with another severity.
    let findings = summary["findings"].as_array_mut().expect("findings");
    findings.iter_mut().for_each(|finding| finding["severity"] = json!("low"));
    summary["findings"][0]["suppressed"] = Value::Null;
    let changed = folder.write("changed.json", summary.to_string());
    let commands: [&[&str]; 11] = [
        &["report", &hostile],
        &["report", &changed],
        &["report", "--top", "1000", &hostile],
        &["report", "--verbose", "--top", "1000", &hostile],
        &["report", "--verbose", "--fail-on", "low", &changed],
        &["report", "--format", "csv", &hostile],
        &["top", &hostile],
        &["timeline", &hostile],
        &["diff", GOLDEN, &hostile],
        &["diff", &hostile, GOLDEN],
        &["diff", &hostile, &changed],
    ];
    for (arguments, columns) in commands.iter().flat_map(|arguments| ["40", "100", "2000"].map(|it| (arguments, it))) {
        let program = env!("CARGO_BIN_EXE_flowsentry");
        let output = Command::new(program).args(*arguments).env("COLUMNS", columns).output().expect("it ends");
        assert!(!output.stdout.is_empty(), "{output:?}");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("UTF-8").replace("\r\n", "\n");
        let acts = |c: &char| *c != '\n' && (c.is_control() || "\u{202e}\u{2066}\u{200b}".contains(*c));
        assert_eq!(text.chars().find(acts), None, "{arguments:?} {text}");
        assert!(!text.lines().any(|line| line.starts_with("VERDICT  OK")), "{arguments:?} {text}");
    }
}
