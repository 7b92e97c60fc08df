//! Plans of reports over many objects: the command, the loop of the docs, and a scan that no object shows.

#![expect(clippy::disallowed_methods, reason = "the command reads and writes files")]

#[expect(dead_code, reason = "these tests run the command")]
#[path = "support/flow_log.rs"]
mod flow_log;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use flowsentry::plan::Plan;
use serde_json::Value;

const FOLDER: &str = "logs/AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/11/23";
const HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
                      log-status tcp-flags flow-direction\n";

/// Runs a command in a folder, with the programs of this build first in the path.
fn run(folder: &Path, program: &str, arguments: &[&str], stdin: &[u8]) -> Output {
    let programs = Path::new(env!("CARGO_BIN_EXE_flowsentry")).parent().expect("a folder");
    let mut path = programs.as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").expect("a path"));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("PATH", path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    drop(child.stdin.take().expect("a pipe").write_all(stdin));
    child.wait_with_output().expect("the command ends")
}

fn flowsentry(folder: &Path, arguments: &[&str]) -> Output {
    run(folder, "flowsentry", arguments, b"")
}

/// Returns the standard output of a run that succeeded without a warning.
fn stdout(output: &Output) -> String {
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{}", text(&output.stdout));
    text(&output.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn write(folder: &Path, flow_log: u32, minute: usize, records: &str) {
    let name = format!("123456789012_vpcflowlogs_eu-west-1_fl-{flow_log:017x}_20261123T06{minute:02}Z_0a1b2c3d.log.gz");
    let path = folder.join(FOLDER).join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, flow_log::gzip(format!("{HEADER}{records}").as_bytes())).expect("a file");
}

/// Writes an hour of one flow log: a host of the VPC tries two ports of another every five minutes, 24 in all.
fn write_slow_scan(folder: &Path) {
    for slot in 0..12_usize {
        let record = |index: usize| {
            let (port, start) = (8000 + 2 * slot + index, 1_795_413_600 + 300 * slot + 120 * index);
            let end = start + 5;
            format!("3 123456789012 eni-1 10.20.7.77 10.20.0.9 50000 {port} 6 1 44 {start} {end} REJECT OK 2 ingress\n")
        };
        write(folder, 1, 5 * slot, &(record(0) + &record(1)));
    }
}

/// Returns an accepted connection of another flow log.
fn traffic(flow_log: u32) -> String {
    format!(
        "3 123456789012 eni-{flow_log} 10.20.0.9 10.30.0.1 50000 443 6 9 1000 1795413600 1795413660 ACCEPT OK 2 egress\n"
    )
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn plan_of(folder: &Path) -> Plan {
    serde_json::from_slice(&fs::read(folder.join("plan.json")).expect("a plan")).expect("a plan")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

/// Returns type, severity, distinct ports, and `exact` of each finding.
fn findings(json: &str) -> Vec<(String, String, Value, Value)> {
    let summary: Value = serde_json::from_str(json).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let finding = |finding: &Value| {
        let ports = finding["details"]["distinct_ports"].clone();
        (text(&finding["type"]), text(&finding["severity"]), ports, finding["exact"].clone())
    };
    summary["findings"].as_array().expect("findings").iter().map(finding).collect()
}

#[test]
fn slow_scan_shows_only_in_the_merged_report() {
    let folder = folder();
    write_slow_scan(folder.path());
    stdout(&flowsentry(folder.path(), &["plan", "--max-batch-objects", "1", "--output", "plan", "logs"]));
    let batches = files(&folder.path().join("plan/batches"));
    assert_eq!(batches.len(), 12);
    let mut partials = vec![];
    for (index, batch) in batches.iter().enumerate() {
        let (batch, partial) = (batch.display().to_string(), format!("{index}.fspart"));
        let alone = stdout(&flowsentry(folder.path(), &["analyze", "--inputs-from", &batch, "--format", "json"]));
        assert_eq!(findings(&alone), [], "{batch}");
        stdout(&flowsentry(folder.path(), &["analyze", "--inputs-from", &batch, "--partial", &partial, "--close"]));
        partials.push(partial);
    }
    let arguments = [vec!["merge", "--format", "json"], partials.iter().map(String::as_str).collect()].concat();
    let scans = findings(&stdout(&flowsentry(folder.path(), &arguments)));
    let whole = findings(&stdout(&flowsentry(folder.path(), &["analyze", "--format", "json", "logs"])));
    let scan = |exact: bool| ("port-scan".to_owned(), "high".to_owned(), Value::from(24), Value::from(exact));
    assert_eq!((scans, whole), (vec![scan(false)], vec![scan(true)]));
}

/// Returns the shell blocks of the section about plans.
fn documented_blocks() -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/command-line.md")).expect("a page");
    let (_, section) = page.split_once("\n### In a shell\n").expect("the section");
    let section = section.split("\n## ").next().expect("the section");
    section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().expect("a block").to_owned()).collect()
}

#[test]
fn the_documented_loop_makes_the_report() {
    let folder = folder();
    write_slow_scan(folder.path());
    (2..300).for_each(|flow_log| write(folder.path(), flow_log, 5, &traffic(flow_log)));
    let topology = folder.path().join("topology");
    fs::create_dir(&topology).expect("a folder");
    let vpcs = r#"{"Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.20.0.0/16"}]}"#;
    fs::write(topology.join("vpcs.json"), vpcs).expect("a file");
    let [plan, analyze, merge] = &documented_blocks()[..] else { panic!("three blocks") };
    let sh = |script: &str| stdout(&run(folder.path(), "sh", &["-ec", script], b""));
    let summary = sh(plan);
    assert!(summary.contains("objects  310, "), "{summary}");
    assert_eq!(plan_of(&folder.path().join("plan")).batches.len(), 2);
    let partials = folder.path().join("plan/partials");
    let mut reports = Vec::new();
    for _ in 0..2 {
        sh(analyze);
        assert_eq!(files(&partials), ["00000", "00001"].map(|name| partials.join(format!("{name}.fspart"))));
        reports.push(sh(merge));
        // Only the missing part is made again.
        fs::write(partials.join("00000.fspart"), "kept").expect("a file");
        fs::remove_file(partials.join("00001.fspart")).expect("a file");
        sh(analyze);
        assert_eq!(fs::read(partials.join("00000.fspart")).expect("a file"), b"kept");
        fs::remove_file(partials.join("00000.fspart")).expect("a file");
    }
    assert_eq!(reports[0], reports[1]);
    assert!(reports[0].contains("10.20.7.77 was rejected at 24 ports of 10.20.0.9"), "{}", reports[0]);
}

#[test]
fn the_plan_names_what_it_leaves_out() {
    let folder = folder();
    write_slow_scan(folder.path());
    let window = ["--from", "2026-11-23T06:10:00Z", "--to", "2026-11-23T06:20:00Z"];
    let arguments = [&["plan", "--output", "plan", "logs", "missing.log"], &window[..]].concat();
    let output = flowsentry(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("flowsentry: missing.log: cannot be opened: "));
    let bytes: u64 = plan_of(&folder.path().join("plan")).bytes();
    let first =
        format!("{FOLDER}/123456789012_vpcflowlogs_eu-west-1_fl-00000000000000001_20261123T0600Z_0a1b2c3d.log.gz");
    let expected = format!(
        "window   2026-11-23T06:10:00Z to 2026-11-23T06:20:00Z\n\
         objects  2, {bytes} B\n\
         batches  1, of at most {bytes} B and 2 objects\n\
         skipped  10 outside the window, such as {first}\n"
    );
    // A long key has several lines.
    let indent = "\n         ";
    let printed = text(&output.stdout).replace(&format!("such as{indent}"), "such as ").replace(indent, "");
    assert_eq!(printed, expected);
    let batch = fs::read_to_string(folder.path().join("plan/batches/00000.txt")).expect("a batch");
    let lines = [10, 15].map(|minute| first.replace("T0600Z", &format!("T06{minute}Z")) + "\n");
    assert_eq!(batch, lines.concat());
}

#[test]
fn a_folder_with_another_plan_is_refused() {
    let folder = folder();
    write_slow_scan(folder.path());
    stdout(&flowsentry(folder.path(), &["plan", "--output", "plan", "logs"]));
    let output = flowsentry(folder.path(), &["plan", "--output", "plan", "logs"]);
    let problem = "flowsentry: --output plan: is not empty; remove it, or choose another folder\n";
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(2), problem));
}

#[test]
#[cfg(unix)]
fn names_that_cannot_be_lines_are_refused_by_name() {
    use std::os::unix::ffi::OsStrExt;
    let folder = folder();
    write_slow_scan(folder.path());
    fs::write(folder.path().join("logs/a\nb.log"), "x").expect("a file");
    let is_written = fs::write(folder.path().join("logs").join(std::ffi::OsStr::from_bytes(b"\xff.log")), "x").is_ok();
    let output = flowsentry(folder.path(), &["plan", "--output", "plan", "logs"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    let problem = r"flowsentry: logs/a\u{a}b.log: has a line break in its name, so that it cannot be a line of a batch; not planned";
    assert!(stderr.lines().any(|line| line == problem), "{stderr}");
    assert_eq!(stderr.contains("has a name that is not UTF-8; not planned"), is_written, "{stderr}");
    assert_eq!(plan_of(&folder.path().join("plan")).objects(), 12);
}

#[test]
fn listings_are_planned_as_s3_uris() {
    let folder = folder();
    let key =
        |minute: u32| format!("AWSLogs/x/123456789012_vpcflowlogs_eu-west-1_fl-1_20261123T06{minute:02}Z_h.log.gz");
    let page = |minute: u32, tokens: &str| {
        format!(r#"{{"Name": "b", "Contents": [{{"Key": "{}", "Size": 5, "ETag": "\"e\""}}], {tokens}}}"#, key(minute))
    };
    let pages =
        page(5, r#""IsTruncated": true, "NextContinuationToken": "t""#) + &page(0, r#""ContinuationToken": "t""#);
    let arguments = ["plan", "--output", "plan", "--listing", "-"];
    stdout(&run(folder.path(), "flowsentry", &arguments, pages.as_bytes()));
    let batch = fs::read_to_string(folder.path().join("plan/batches/00000.txt")).expect("a batch");
    assert_eq!(batch, format!("s3://b/{}\ns3://b/{}\n", key(0), key(5)));
    let object = &plan_of(&folder.path().join("plan")).batches[0].objects[0];
    assert_eq!((object.bytes, object.etag.as_deref()), (5, Some("e")));
    let output = flowsentry(folder.path(), &["analyze", "--inputs-from", "plan/batches/00000.txt"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr)
            .contains("_h.log.gz: is in S3, which this command does not read: copy it with aws s3 cp s3://b/")
    );
}

#[test]
fn wrong_usage_exits_with_2() {
    let folder = folder();
    fs::write(folder.path().join("empty.txt"), "\n").expect("a file");
    let times = ["--from", "2026-11-23T07:00:00Z", "--to", "2026-11-23T07:00:00Z"];
    for (arguments, problem) in [
        ([&["plan", "--output", "p", "x"], &times[..]].concat(), "--from 2026-11-23T07:00:00Z is not before --to"),
        (vec!["plan", "--output", "p", "--from", "yesterday", "x"], "--from <TIME>"),
        (vec!["plan", "--output", "p", "--fan-in", "1", "x"], "must be an integer of at least 2"),
        (vec!["plan", "--output", "p", "--max-batch-bytes", "0", "x"], "--max-batch-bytes <N>"),
        (vec!["plan", "--output", "p", "-"], "stdin cannot be planned"),
        (vec!["plan", "--output", "p"], "<INPUT>..."),
        (vec!["plan", "--output", "p", "--listing", "empty.txt", "x"], "cannot be used with"),
        (vec!["plan", "--output", "p", "--listing", "missing.json"], "--listing missing.json: "),
        (vec!["analyze", "--inputs-from", "empty.txt"], "--inputs-from empty.txt: has no inputs"),
        (vec!["analyze", "--inputs-from", "missing.txt"], "--inputs-from missing.txt: "),
        (vec!["analyze", "--inputs-from", "-", "-"], "--inputs-from -: stdin cannot be an input, too"),
    ] {
        let output = flowsentry(folder.path(), &arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(problem), "{arguments:?}: {stderr}");
    }
}
