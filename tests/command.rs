//! Runs the command as people and scripts do, and checks exit status, stdout, and stderr.

#![expect(clippy::disallowed_methods, reason = "the command reads files")]

#[path = "support/flow_log.rs"]
mod flow_log;

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

const LOG: &str = "2 1 eni-1 10.0.0.1 10.0.0.2 50000 22 6 1 40 1795413600 1795413660 REJECT OK\n";

/// Runs the command with these arguments and this stdin.
fn flowsentry(arguments: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_flowsentry"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // A command that does not read its stdin closes the pipe, and writing fails.
    drop(child.stdin.take().expect("a pipe").write_all(stdin));
    child.wait_with_output().expect("the command ends")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// Parses the summary that the command wrote to stdout.
fn summary(output: &Output) -> serde_json::Value {
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1, "one document on one line");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn a_complete_input_exits_with_0() {
    for stdin in [LOG.as_bytes().to_vec(), flow_log::gzip(LOG.as_bytes())] {
        let output = flowsentry(&["analyze", "--format", "json", "-"], &stdin);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(text(&output.stderr), "");
        let summary = summary(&output);
        assert_eq!(summary, serde_json::to_value(flow_log::summarize([("-", &stdin[..])], None)).expect("JSON"));
        assert_eq!(summary["records"]["rejected"], 1);
        assert_eq!(summary["sources"][0]["compressed_bytes"], stdin.len());
        assert_eq!(summary["sources"][0]["bytes"], LOG.len());
    }
}

#[test]
fn a_failed_input_is_reported_and_the_others_are_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let complete = flow_log::gzip(LOG.as_bytes());
    fs::write(path("a.log.gz"), &complete).expect("a file");
    fs::write(path("b.log.gz"), &complete[..complete.len() - 1]).expect("a file");
    fs::write(path("c.parquet"), "PAR1....PAR1").expect("a file");
    let missing = path("missing.log");
    let output = flowsentry(&["analyze", "--format", "json", &path(""), &missing], b"");
    assert_eq!(output.status.code(), Some(1));
    let summary = summary(&output);
    assert_eq!(summary["records"]["total"], 1);
    assert_eq!(summary["sources"].as_array().map(Vec::len), Some(1));
    let failed: Vec<_> = summary["failed"].as_array().expect("a list").iter().map(|f| f["uri"].as_str()).collect();
    assert_eq!(failed, [&path("b.log.gz"), &path("c.parquet"), &missing].map(|path| Some(path.as_str())));
    let lines: Vec<_> = text(&output.stderr).lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with(&format!("flowsentry: {}: truncated gzip stream at byte", path("b.log.gz"))));
    assert!(lines[1].contains("corrupt Parquet file") && lines[1].contains("re-download"));
    assert!(lines[2].contains("cannot be opened"));
}

#[test]
fn an_error_is_printed_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("a.log"), LOG).expect("a file");
    fs::write(path("b.log"), LOG.replace(' ', ",")).expect("a file");
    let output = flowsentry(&["analyze", &path("")], b"");
    assert_eq!(output.status.code(), Some(1));
    let (report, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(stderr.lines().count(), 1);
    assert!(
        stderr.starts_with(&format!("flowsentry: {}: not a flow log: its only line is not a record", path("b.log")))
    );
    assert!(report.contains("UNREADABLE INPUTS") && report.contains(&path("b.log")), "{report}");
    assert!(!report.contains("not a flow log"), "{report}");
    let output = flowsentry(&["analyze", "--format", "json", &path("b.log")], b"");
    let message = summary(&output)["failed"][0]["error"].as_str().expect("text").to_owned();
    assert_eq!(text(&output.stderr), format!("flowsentry: {}: {message}\n", path("b.log")));
}

#[test]
fn nothing_read_is_no_all_clear() {
    let header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
                  log-status\n";
    let report = |stdin: &str| {
        let output = flowsentry(&["analyze", "-"], stdin.as_bytes());
        (output.status.code(), text(&output.stdout).to_owned())
    };
    let (status, garbage) = report(&format!("{header}foo\nbar baz\n"));
    assert_eq!(status, Some(1));
    assert!(
        garbage.contains("UNREADABLE INPUTS  1")
            && garbage.ends_with("VERDICT  UNKNOWN  no records were read; 1 input could not be read\n")
    );
    let no_data = LOG.replace("OK", "NODATA");
    for (log, expected) in [
        ("", "VERDICT  UNKNOWN  no records were read\n"),
        (header, "VERDICT  UNKNOWN  no records were read\n"),
        (&no_data, "VERDICT  UNKNOWN  no record is of accepted or rejected traffic\n"),
    ] {
        let (status, report) = report(log);
        assert_eq!(status, Some(0));
        assert!(report.contains(expected), "{report}");
    }
    assert!(report(LOG).1.contains("VERDICT  OK  no findings\n"));
}

#[test]
fn a_majority_of_malformed_records_is_warned_of() {
    let run = |malformed: usize, format: &str| {
        let log = LOG.repeat(4) + &LOG.replace("10.0.0.1", "host").repeat(malformed);
        let output = flowsentry(&["analyze", "--format", format, "-"], log.as_bytes());
        assert_eq!(output.status.code(), Some(0));
        (text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
    };
    let warning = "5 of 9 records (55.6 %) are malformed and do not count. First: - line 5: srcaddr is not an IPv4 or IPv6 \
                   address. The columns of these records are probably not those of their header or, in files without one, of \
                   --log-format.";
    // Once: in the report, or beside the JSON.
    let (report, stderr) = run(5, "text");
    assert_eq!(stderr, "");
    let words = report.split_whitespace().collect::<Vec<_>>().join(" ");
    let (before, after) = words.split_once(warning).expect("the warning");
    assert!(before.ends_with("MOSTLY MALFORMED "), "{report}");
    assert!(after.contains("rejected 4 flows"), "{report}");
    assert_eq!(run(5, "json").1, format!("flowsentry: {warning}\n"));
    // Near miss: one half.
    let (report, stderr) = run(4, "text");
    assert_eq!(stderr, "");
    assert!(!report.contains("MOSTLY") && report.contains("other records: 4\n  malformed"), "{report}");
}

#[test]
fn invalid_usage_exits_with_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("limits.toml").display().to_string();
    fs::write(&config, "port_scan_ports = 0").expect("a file");
    let columns = folder.path().join("columns.toml").display().to_string();
    fs::write(&columns, "[log_formats]\n\"logs/\" = \"srcadr\"").expect("a file");
    for (arguments, expected) in [
        (&["analyze"][..], "<INPUT>"),
        (&["analyze", "--format", "yaml", "-"], "text, json"),
        (&["analyze", "--top", "ten", "-"], "--top"),
        (&["analyze", "--log-format", "${a} ${b}", "-"], "unknown field \"a\"; unknown field \"b\""),
        (&["analyze", "--log-format", "srcaddr dstadr action", "-"], "\"dstadr\", did you mean \"dstaddr\"?"),
        (&["analyze", "--log-format", " ", "-"], "must be a list of flow log fields"),
        (&["analyze", "--config", &config, "-"], "port_scan_ports is \"0\""),
        (&["analyze", "--config", &columns, "-"], "log_formats of \"logs/\" is \"srcadr\", but must be a list of"),
        (&["analyze", "--config", "/nowhere.toml", "-"], "/nowhere.toml"),
        #[cfg(unix)]
        (&["analyze", "--config", "/dev/zero", "-"], "is longer than 1 MiB, which is the limit of a configuration"),
        #[cfg(unix)]
        (&["analyze", "--inputs-from", "/dev/zero"], "is longer than 64 MiB, which is the limit of a list of inputs"),
        (&["analyse", "-"], "analyse"),
        (&[], "Usage"),
    ] {
        let output = flowsentry(arguments, LOG.as_bytes());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(expected), "{arguments:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

/// The records are of 2026-11-29.
#[test]
fn exceptions_end_by_the_time_of_the_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("exceptions.toml").display().to_string();
    let record =
        |port: u16| format!("2 1 eni-1 10.9.0.1 10.0.0.2 40000 {port} 6 1 40 1795910400 1795910460 REJECT OK\n");
    let log: String = (1..=20).map(record).collect();
    let run = |format: &str, expires: &str| {
        let suppress = format!("[[suppress]]\ntypes = [\"port-scan\"]\nreason = \"a drill\"\nexpires = {expires}\n");
        fs::write(&config, suppress).expect("a file");
        flowsentry(&["analyze", "--format", format, "--config", &config, "-"], log.as_bytes())
    };
    let (current, expired) = (run("json", "2026-11-30"), run("json", "2026-11-29"));
    let expected = serde_json::json!({"reason": "a drill", "expires": "2026-11-30"});
    assert_eq!(summary(&current)["findings"][0]["suppressed"], expected);
    assert_eq!(summary(&expired)["findings"][0].get("suppressed"), None);
    let warning = "suppress: \"a drill\" has expired on 2026-11-29; renew or remove it";
    let (before, after) = (text(&current.stderr), text(&expired.stderr));
    assert_eq!((before.matches("expired").count(), after.matches(warning).count()), (0, 1), "{before}{after}");
    let report = text(&run("text", "2026-11-30").stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(report.contains("[suppressed until 2026-11-30: a drill]"), "{report}");
}

#[test]
fn options_and_configuration_are_applied() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("limits.toml").display().to_string();
    fs::write(&config, "port_scan_ports = 2").expect("a file");
    let log = "10.0.0.1 REJECT 10.0.0.2 22 6 1\n10.0.0.1 REJECT 10.0.0.2 23 6 1\n";
    let format = "${srcaddr} ${action} ${dstaddr} ${dstport} ${protocol} ${version}";
    let arguments = ["analyze", "--format", "json", "--top", "1", "--config", &config, "--log-format", format, "-"];
    let output = flowsentry(&arguments, log.as_bytes());
    assert_eq!(text(&output.stderr), "");
    let summary = summary(&output);
    assert_eq!(summary["findings"][0]["type"], "port-scan");
    assert_eq!(summary["rejected"]["group_count"], 2);
    assert_eq!(summary["rejected"]["groups"].as_array().map(Vec::len), Some(1));
}

#[test]
fn columns_of_a_prefix_go_before_those_of_the_option() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::create_dir(path("own")).expect("a folder");
    fs::write(path("own/x.log"), "REJECT 10.0.0.2 10.0.0.1\n").expect("a file");
    fs::write(path("y.log"), "10.0.0.1 REJECT 10.0.0.2\n").expect("a file");
    let toml = format!("[log_formats]\n\"{}\" = \"action dstaddr srcaddr\"\n", path("own/"));
    fs::write(path("ours.toml"), toml).expect("a file");
    let (config, format, own, other) = (path("ours.toml"), "srcaddr action dstaddr", path("own"), path("y.log"));
    let arguments = ["analyze", "--format", "json", "--config", &config, "--log-format", format, &own, &other];
    let summary = summary(&flowsentry(&arguments, b""));
    assert_eq!((&summary["records"]["rejected"], &summary["failed"]), (&2.into(), &serde_json::json!([])));
    assert_eq!(summary["rejected"]["groups"][0]["srcaddr"], "10.0.0.1");
    assert_eq!(summary["rejected"]["group_count"], 1);
}

#[test]
fn a_report_says_when_it_is_approximate() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("few.toml"), "max_rejected_groups = 4\n").expect("a file");
    let record = |host: u32| LOG.replace("10.0.0.1", &format!("10.0.1.{host}"));
    let log: String = (0..40).map(|number| record(if number % 2 == 0 { 250 } else { number })).collect();
    fs::write(path("many.log"), log).expect("a file");
    let report = |options: &[&str]| {
        let output = flowsentry(&[&["analyze", &path("many.log")], options].concat(), b"");
        assert_eq!(output.status.code(), Some(0));
        text(&output.stdout).to_owned()
    };
    let approximate = report(&["--top", "10", "--config", &path("few.toml")]);
    assert!(approximate.contains("APPROXIMATE  Totals are exact."), "{approximate}");
    let words = approximate.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("Limits reached: max_rejected_groups."), "{approximate}");
    let all = report(&["--verbose", "--config", &path("few.toml")]);
    assert!(all.contains("APPROXIMATE  results are approximate: memory limits were reached"), "{all}");
    assert!(approximate.contains("of about 21 rejected connections"), "{approximate}");
    assert!(approximate.contains("10.0.1.250"), "{approximate}");
    let complete = report(&["--top", "10"]);
    assert!(!complete.contains("APPROXIMATE") && complete.contains("of 21 rejected connections"), "{complete}");
}

#[test]
fn a_report_to_a_pipe_has_no_escape_sequences() {
    let hostile = LOG.replace("eni-1", "eni-\u{1b}[2J\u{202e}x");
    let output = flowsentry(&["analyze", "--verbose", "-"], hostile.as_bytes());
    let report = text(&output.stdout);
    assert!(!report.contains('\u{1b}') && !report.contains('\u{202e}'), "{report}");
    assert!(report.contains("eni-\\u{1b}[2J\\u{202e}x"), "{report}");
}

#[test]
fn json_keeps_every_character_of_a_name() {
    for name in ["eni-\u{7f}x", "eni-\u{1b}[2Jx", "eni-\u{202e}x"] {
        let output = flowsentry(&["analyze", "--format", "json", "-"], LOG.replace("eni-1", name).as_bytes());
        assert_eq!(summary(&output)["rejected"]["groups"][0]["interface_id"], name);
    }
}

#[test]
fn topology_check_exits_with_0_1_or_2() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let vpcs = r#"{"Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16", "Tags": [{"Key": "Name", "Value": "app\u001b"}]},
        {"VpcId": "vpc-b", "CidrBlock": "10.2.0.0/16"}]}"#;
    let connection = r#"{"VpcPeeringConnections": [{"VpcPeeringConnectionId": "pcx-1", "Status": {"Code": "active"},
        "RequesterVpcInfo": {"VpcId": "vpc-a"}, "AccepterVpcInfo": {"VpcId": "vpc-b"}}]}"#;
    fs::write(path("vpcs.json"), vpcs).expect("a file");
    fs::write(path("connections.json"), connection).expect("a file");
    let check = |options: &[&str]| flowsentry(&[&["topology", "check", &path("")], options].concat(), b"");
    assert_eq!(check(&[]).status.code(), Some(0), "{:?}", check(&[]));
    fs::write(path("routes.json"), r#"{"RouteTables": [{"RouteTableId": "rtb-1", "VpcId": "vpc-a", "Associations": [{"Main": true}], "Routes": []}]}"#)
        .expect("a file");
    let output = check(&["--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(document["schema"], "flowsentry/topology-check/v1");
    assert_eq!(document["findings"][0]["type"], "missing-route");
    assert_eq!(document["findings"][0]["names"], serde_json::json!({"vpc-a": "app\u{1b}"}));
    assert!(text(&check(&[]).stdout).contains(r"app\u{1b} (vpc-a) has no route to 10.2.0.0/16 of vpc-b through pcx-1"));
    fs::write(path("useless"), "[]").expect("a file");
    let output = flowsentry(&["topology", "check", &path("useless")], b"");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""));
    assert!(text(&output.stderr).contains("no usable resources in the topology"), "{}", text(&output.stderr));
    fs::write(path("vpcs.json"), "{").expect("a file");
    let output = check(&[]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""));
    assert!(text(&output.stderr).contains("vpcs.json: not JSON"), "{}", text(&output.stderr));
    assert_eq!(flowsentry(&["topology", "check", &path("nowhere")], b"").status.code(), Some(2));
    assert_eq!(flowsentry(&["analyze", "--topology", &path("nowhere"), "-"], LOG.as_bytes()).status.code(), Some(2));
}

#[test]
fn inputs_read_in_parallel_are_merged_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut names = Vec::new();
    for number in 0..40 {
        let name = folder.path().join(format!("{number:02}.log")).display().to_string();
        fs::write(&name, LOG.repeat(1 + 500 * (40 - number)) + "not a record\n").expect("a file");
        names.push(name);
    }
    let output = flowsentry(&["analyze", "--format", "json", &folder.path().display().to_string()], b"");
    let summary = summary(&output);
    let uris = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().expect("a list").iter().map(|s| s["uri"].as_str().expect("text").to_owned()).collect()
    };
    assert_eq!(uris(&summary["sources"]), names);
    assert_eq!(uris(&summary["malformed"]), names[..10]);
    assert_eq!(summary["records"]["rejected"], (1..=40).map(|n| 1 + 500 * n).sum::<u64>());
}

#[test]
fn a_closed_stdout_is_not_an_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_flowsentry"))
        .args(["analyze", "--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    drop(child.stdout.take());
    child.stdin.take().expect("a pipe").write_all(LOG.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("the command ends");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

/// Lines that stand for others contain `[…`.
#[test]
fn the_readme_shows_what_its_commands_print() {
    let readme = fs::read_to_string("README.md").expect("the README");
    let commands: [&[&str]; 3] = [
        &["analyze", "--topology", "examples/sample/topology", "examples/sample"],
        &["explain", "--topology", "examples/sample/topology", "10.0.1.49", "10.2.200.40:5432"],
        &["topology", "check", "examples/sample/topology"],
    ];
    let blocks: Vec<&str> = readme.split("```text\n").skip(1).filter_map(|part| part.split("```").next()).collect();
    assert_eq!(blocks.len(), commands.len());
    for (block, arguments) in blocks.iter().zip(commands) {
        let output = Command::new(env!("CARGO_BIN_EXE_flowsentry")).args(arguments).output().expect("the program runs");
        let printed = String::from_utf8(output.stdout).expect("text");
        let printed: Vec<&str> = printed.lines().collect();
        for line in block.lines().filter(|line| !line.is_empty() && !line.contains("[…")) {
            assert!(printed.contains(&line), "{arguments:?} does not print {line:?}");
        }
    }
}

/// Writes three logs and a broken one into a folder, and returns their paths.
fn logs(folder: &tempfile::TempDir) -> Vec<String> {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let texts = [LOG.to_owned(), LOG.replace(" 22 ", " 23 "), "PK\x03\x04".to_owned(), LOG.replace("REJECT", "ACCEPT")];
    let write = |(number, text): (usize, String)| {
        let path = path(&format!("{number}.log"));
        fs::write(&path, text).expect("a file");
        path
    };
    texts.into_iter().enumerate().map(write).collect()
}

#[test]
fn merge_prints_what_analyze_prints() {
    let folder = tempfile::tempdir().expect("a folder");
    let partial = |name: &str| folder.path().join(name).display().to_string();
    let logs = logs(&folder);
    let all: Vec<&str> = logs.iter().map(String::as_str).collect();
    let (first, second) = (partial("first"), partial("second"));
    for (inputs, file, status) in [(&all[..2], &first, 0), (&all[2..], &second, 1)] {
        let output = flowsentry(&[&["analyze", "--partial", file], inputs].concat(), b"");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(status), 0), "{output:?}");
        assert_eq!(text(&output.stderr).lines().count(), usize::from(status == 1), "{output:?}");
    }
    for format in ["json", "text"] {
        let analyzed = flowsentry(&[&["analyze", "--format", format], &all[..]].concat(), b"");
        let merged = flowsentry(&["merge", "--format", format, &first, &second], b"");
        assert_eq!(merged, analyzed);
        assert_eq!(merged.status.code(), Some(1));
    }
    // By stdout and stdin, and by way of another partial.
    let piped = flowsentry(&["merge", "--partial", "-", &first, &second], b"");
    assert!(piped.stdout.starts_with(b"FSPART"));
    let merged = flowsentry(&["merge", "--format", "json", "-"], &piped.stdout);
    assert_eq!(merged.stdout, flowsentry(&["merge", "--format", "json", &first, &second], b"").stdout);
    let left: Vec<_> =
        fs::read_dir(folder.path()).expect("a folder").map(|entry| entry.expect("a file").file_name()).collect();
    assert_eq!(left.len(), 6, "{left:?}");
}

#[test]
fn a_damaged_partial_fails_and_another_run_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (good, bad, config) = (path("good"), path("bad"), path("config.toml"));
    assert_eq!(flowsentry(&["analyze", "--partial", &good, "-"], LOG.as_bytes()).status.code(), Some(0));
    let mut bytes = fs::read(&good).expect("a partial");
    bytes.pop();
    fs::write(&bad, bytes).expect("a file");
    let output = flowsentry(&["merge", "--format", "json", &bad, &good, &good, &path("missing")], b"");
    assert_eq!(output.status.code(), Some(1));
    let summary = summary(&output);
    assert_eq!((&summary["records"]["total"], &summary["failed"][0]["uri"]), (&1.into(), &bad.as_str().into()));
    let stderr = text(&output.stderr);
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines[0], format!("flowsentry: {good}: given twice, merged once"));
    assert_eq!(lines[1], format!("flowsentry: {bad}: truncated partial; copy it again, or make it again"));
    assert!(lines[2].contains("missing: cannot be opened: "), "{stderr}");
    fs::write(&config, "port_scan_ports = 3").expect("a file");
    for (arguments, message) in [
        (vec!["merge", "--config", &config, &good], "good: partial made with configuration "),
        (vec!["merge", &config], "config.toml: not a partial; make one with flowsentry analyze --partial"),
        (vec!["merge"], "required arguments"),
        (vec!["analyze", "--close", "-"], "--partial <FILE>"),
        (vec!["analyze", "--partial", "x", "--top", "3", "-"], "cannot be used with"),
    ] {
        let output = flowsentry(&arguments, b"");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{output:?}");
        assert!(text(&output.stderr).contains(message), "{output:?}");
    }
    let unwritable = flowsentry(&["analyze", "--partial", &path("no/folder"), "-"], LOG.as_bytes());
    assert_eq!(unwritable.status.code(), Some(2));
    assert!(text(&unwritable.stderr).ends_with("no is not a folder\n"), "{unwritable:?}");
}

#[test]
fn an_input_in_several_partials_is_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("a.log"), LOG).expect("a file");
    for name in ["one", "two"] {
        flowsentry(&["analyze", "--partial", &path(name), "--close", &path("a.log")], b"");
    }
    let output = flowsentry(&["merge", "--format", "json", &path("one"), &path("two")], b"");
    assert_eq!((output.status.code(), &summary(&output)["records"]["total"]), (Some(0), &2.into()));
    let expected = format!("flowsentry: {}: in several partials, so its records count several times\n", path("a.log"));
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn a_file_of_another_kind_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("a.log"), LOG).expect("a file");
    fs::write(path("vpcs.json"), r#"{"Vpcs": [{"VpcId": "vpc-1"}]}"#).expect("a file");
    fs::write(path("summary.json"), flowsentry(&["analyze", "--format", "json", &path("a.log")], b"").stdout)
        .expect("a file");
    assert_eq!(flowsentry(&["analyze", "--partial", &path("a.fspart"), &path("a.log")], b"").status.code(), Some(0));
    for (arguments, status, expected) in [
        (&["analyze", &path("summary.json")][..], 1, "looks like a summary of flowsentry; keep summaries out"),
        (&["analyze", &path("vpcs.json")], 1, "output of aws ec2 describe-…; give it with --topology"),
        (&["analyze", &path("a.fspart")], 1, "a partial of flowsentry; give it to flowsentry merge"),
        (&["analyze", "--topology", &path("a.log"), "-"], 2, "a.log: looks like a flow log: give it as an input"),
        (&["topology", "check", &path("summary.json")], 2, "summary.json: is a summary of flowsentry"),
        (
            &["analyze", "--topology", &path("a.fspart"), "-"],
            2,
            "is a partial of flowsentry: give it to flowsentry merge",
        ),
        (&["merge", &path("a.log")], 2, "a.log: looks like a flow log: read it with flowsentry analyze"),
        (&["merge", &path("summary.json")], 2, "is a summary of flowsentry, which cannot be merged"),
        (
            &["analyze", "s3://b/AWSLogs/"],
            1,
            "copy it with aws s3 sync s3://b/AWSLogs/ logs/ and give logs/, or deploy",
        ),
        (&["merge", "s3://b/a.fspart"], 1, "copy it with aws s3 cp s3://b/a.fspart partials/"),
        (&["topology", "check", "s3://b/t/"], 2, "copy it with aws s3 sync s3://b/t/ topology/"),
        (&["analyze", &path("*.gz")], 1, "in quotes or nothing matches"),
    ] {
        let output = flowsentry(arguments, LOG.as_bytes());
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(expected), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn completions_and_man_pages_name_all_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = flowsentry(&["completions", shell], b"");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        assert!(text(&output.stdout).contains("analyze") && text(&output.stdout).contains("log-format"), "{shell}");
    }
    let page = flowsentry(&["man"], b"");
    assert!(text(&page.stdout).contains(".TH flowsentry 1") && text(&page.stdout).contains("Examples"));
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("share/man1");
    let output = flowsentry(&["man", "--to", &pages.display().to_string()], b"");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    for name in ["flowsentry", "flowsentry-analyze", "flowsentry-merge", "flowsentry-topology-check"] {
        let page = fs::read_to_string(pages.join(format!("{name}.1"))).expect("a page");
        assert!(page.contains(&format!(".TH {name} 1")), "{name}: {}", &page[..200]);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, missing) = (folder.path().join("file"), folder.path().join("missing/day.fspart"));
    fs::write(&file, "").expect("a file");
    let (file, missing) = (file.display().to_string(), missing.display().to_string());
    let man = flowsentry(&["man", "--to", &file], b"");
    let stderr = text(&man.stderr);
    assert!(stderr.starts_with(&format!("flowsentry: cannot create the folder {file}: ")), "{stderr}");
    assert_eq!(man.status.code(), Some(1));
    let partial = flowsentry(&["analyze", "--partial", &missing, "-"], LOG.as_bytes());
    let stderr = text(&partial.stderr);
    assert!(stderr.contains("day.fspart: ") && !stderr.contains("/.flowsentry-"), "{stderr}");
}

#[test]
fn a_pipe_has_the_width_of_columns_or_100() {
    let widest = |columns: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flowsentry"));
        command.args(["analyze", "--topology", "examples/sample/topology", "examples/sample"]).env_remove("COLUMNS");
        if let Some(columns) = columns {
            command.env("COLUMNS", columns);
        }
        let output = command.output().expect("the program runs");
        text(&output.stdout).lines().map(|line| line.chars().count()).max().expect("a row")
    };
    assert!((91..=100).contains(&widest(None)), "{}", widest(None));
    assert!((71..=80).contains(&widest(Some("80"))), "{}", widest(Some("80")));
    assert!((151..=200).contains(&widest(Some("200"))), "{}", widest(Some("200")));
    assert_eq!(widest(Some("wide")), widest(None));
}
