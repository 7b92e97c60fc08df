//! Inputs from which nothing can be read: an error, never an all-clear. These cases run the command.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
                      log-status";
const RECORD: &str = "2 123456789012 eni-1 81.2.69.142 10.40.0.9 51515 23 6 1 40 1795413600 1795413660 REJECT OK";

/// Runs `flowsentry analyze --format json` with these further arguments on stdin.
fn analyze(arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_flowsentry"))
        .args([&["analyze", "--format", "json"], arguments, &["-"]].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // A command that does not read its stdin closes the pipe, and writing fails.
    drop(child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()));
    child.wait_with_output().expect("the command ends")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("UTF-8")
}

fn summary(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn garbage_below_a_header_is_an_error() {
    for garbage in ["foo\nbar baz\n", "1\n", "{}\n", "\u{feff}nothing here\n"] {
        let output = analyze(&[], &format!("{HEADER}\n{garbage}"));
        let summary = summary(&output);
        let error = summary["failed"][0]["error"].as_str().expect("an error");
        assert_eq!(output.status.code(), Some(1), "{garbage}");
        assert!(error.starts_with("not a flow log"), "{error}");
        assert!(stderr(&output).contains(error), "{}", stderr(&output));
        assert_eq!((&summary["records"]["total"], &summary["sources"]), (&0.into(), &Value::Array(Vec::new())));
    }
    // Near misses: one record among the garbage, and a header alone.
    let output = analyze(&[], &format!("{HEADER}\nfoo\n{RECORD}\n"));
    let records = summary(&output)["records"].clone();
    assert_eq!((output.status.code(), &records["malformed"], &records["rejected"]), (Some(0), &1.into(), &1.into()));
    let output = analyze(&[], &format!("{HEADER}\n"));
    assert_eq!((output.status.code(), &summary(&output)["records"]["total"]), (Some(0), &0.into()));
}

#[test]
fn tabs_between_the_fields_of_text_are_spaces() {
    let records: String =
        (0..30).map(|number| RECORD.replace("51515", &(51_515 + number).to_string()) + "\n").collect();
    let spaces = analyze(&[], &format!("{HEADER}\n{records}"));
    let tabs = analyze(&[], &format!("{HEADER}\n{}", records.replace(' ', "\t")));
    assert_eq!((spaces.status.code(), tabs.status.code(), stderr(&tabs)), (Some(0), Some(0), ""));
    assert_eq!(summary(&tabs)["records"]["rejected"], 30);
    assert_eq!(summary(&tabs)["rejected"], summary(&spaces)["rejected"]);
    // Control: other separators do not parse.
    let semicolons = analyze(&[], &format!("{HEADER}\n{}", records.replace(' ', ";")));
    assert_eq!((semicolons.status.code(), summary(&semicolons)["records"]["total"].as_u64()), (Some(1), Some(0)));
}

#[test]
fn an_unknown_name_in_the_log_format_is_wrong_usage() {
    let output = analyze(&["--log-format", &HEADER.replace("dstport", "dst-port")], RECORD);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b""[..]));
    assert!(stderr(&output).contains("\"dst-port\""), "{}", stderr(&output));
    // Controls: known names, and an unknown name in a header, which is a column to skip.
    let output = analyze(&["--log-format", HEADER], RECORD);
    assert_eq!((output.status.code(), &summary(&output)["records"]["rejected"]), (Some(0), &1.into()));
    let output = analyze(&[], &format!("{}\n{RECORD}\n", HEADER.replace("dstport", "dst-port")));
    let group = summary(&output)["rejected"]["groups"][0].clone();
    assert_eq!((output.status.code(), &group["flows"], &group["dstport"]), (Some(0), &1.into(), &Value::Null));
}
