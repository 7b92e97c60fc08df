//! Compares summaries and reports with the stored ones, one folder of `tests/golden` per case. A folder has the inputs
//! `input*.log` as text (the test compresses them), possibly the topology `topology*.json`, the expected `summary.json`, and
//! for some cases the expected `report.txt` (everything, at 120 columns) and `screen.txt` (one screen, at 100 columns).
//!
//! To accept new output, run this command, and read `git diff tests/golden` before you commit:
//!
//! ```text
//! UPDATE_GOLDEN=1 cargo test --no-default-features --test golden
//! ```
//!
//! `aws-*` has the records that AWS documents, unchanged
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-records-examples.html>). `made-*` has our own records.
//! `peering-*` has the traffic between three VPCs A, B, and C in formats of version 2 and version 5. A and B are peered, and B
//! and C are; each case changes one fact.

#![expect(clippy::disallowed_methods, reason = "golden folders are files")]

#[path = "support/flow_log.rs"]
mod flow_log;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flowsentry::cli::report;
use flowsentry::cli::report::RenderOptions;
use flowsentry::config::exceptions::FINDINGS;
use flowsentry::findings::types::FindingType;
use flowsentry::summary::Summary;
use flowsentry::summary::json;
use flowsentry::topology::Topology;
use flowsentry::topology::describe_output::Resources;

/// The command that stores the new output.
const ACCEPT_COMMAND: &str = "UPDATE_GOLDEN=1 cargo test --no-default-features --test golden";

/// Returns the folders of all cases.
fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<_> =
        fs::read_dir(folder).expect("golden folders").map(|e| e.expect("a folder").path()).collect();
    cases.sort();
    cases
}

/// Returns the names and contents of a case's files with this extension, ordered by name.
fn files(case: &Path, extension: &str) -> Vec<(String, Vec<u8>)> {
    let mut paths: Vec<_> = fs::read_dir(case).expect("a case").map(|e| e.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    paths.iter().map(|path| (name(path), fs::read(path).expect("a file"))).collect()
}

/// Returns the topology of a case, if it has one.
fn topology_of(case: &Path) -> Option<Arc<Topology>> {
    let mut documents = files(case, "json");
    documents.retain(|(name, _)| name.starts_with("topology"));
    let mut resources = Resources::default();
    documents.iter().for_each(|(name, json)| resources.read(name, json).expect("JSON"));
    let topology = Topology::new(resources);
    assert_eq!(topology.problems(), [], "{}", case.display());
    (!documents.is_empty()).then(|| Arc::new(topology))
}

/// Summarizes the inputs of a case.
fn summary_of(case: &Path) -> Summary {
    let logs = files(case, "log");
    let inputs: Vec<_> = logs.iter().map(|(name, log)| (format!("{name}.gz"), flow_log::gzip(log))).collect();
    flow_log::summarize(inputs.iter().map(|(uri, bytes)| (uri.as_str(), &bytes[..])), topology_of(case).as_ref())
}

/// Compares an output with the stored one. Stores it first if `UPDATE_GOLDEN` is set.
fn compare(path: &Path, actual: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, actual).expect("a file");
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(
        expected == actual,
        "{} differs. To accept the new output: {ACCEPT_COMMAND}\nThe new output:\n{actual}",
        path.display()
    );
}

#[test]
fn every_case_gives_its_stored_summary() {
    let cases = cases();
    assert!(cases.len() >= 28, "{cases:?}");
    for case in cases {
        let summary = serde_json::to_string_pretty(&summary_of(&case)).expect("JSON") + "\n";
        compare(&case.join("summary.json"), &summary);
    }
}

#[test]
fn exceptions_know_the_subjects_of_all_findings() {
    let mut found: BTreeSet<(&str, Vec<String>)> = BTreeSet::new();
    for summary in cases().iter().map(|case| summary_of(case)) {
        found.extend(summary.findings.iter().map(|finding| {
            let subject = serde_json::to_value(&finding.subject).expect("JSON");
            let mut members: Vec<String> = subject.as_object().expect("an object").keys().cloned().collect();
            members.sort();
            (finding.finding_type.name(), members)
        }));
    }
    let known = FINDINGS.map(|(name, members)| (name, members.iter().map(|member| (*member).to_owned()).collect()));
    assert_eq!(found, BTreeSet::from(known));
}

#[test]
fn one_case_has_every_type_of_finding() {
    let case = cases().into_iter().find(|folder| folder.ends_with("made-every-finding")).expect("the case");
    let found: BTreeSet<FindingType> = summary_of(&case).findings.iter().map(|finding| finding.finding_type).collect();
    let missing: Vec<&str> = FindingType::ALL.iter().filter(|it| !found.contains(it)).map(|it| it.name()).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_summary_matches_the_schema() {
    let schema = include_str!("../docs/summary.schema.json").parse().expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    for case in cases() {
        let summary = json::render(&summary_of(&case));
        let summary: serde_json::Value = serde_json::from_slice(&summary).expect("JSON");
        let errors: Vec<_> = validator.iter_errors(&summary).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", case.display());
    }
}

#[test]
fn the_schema_rejects_invalid_summaries() {
    let schema = include_str!("../docs/summary.schema.json").parse().expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("a valid schema");
    let summary = serde_json::to_value(summary_of(&cases()[0])).expect("JSON");
    assert!(validator.is_valid(&summary));
    for (pointer, invalid) in [("/records/total", "\"1\""), ("/window/start", "12"), ("/rejected/exact", "null")] {
        let mut broken = summary.clone();
        *broken.pointer_mut(pointer).expect("a field") = invalid.parse().expect("JSON");
        assert!(!validator.is_valid(&broken), "{pointer}");
    }
    let mut broken = summary;
    broken.as_object_mut().expect("an object").remove("findings");
    assert!(!validator.is_valid(&broken));
}

#[test]
fn the_text_report_equals_the_stored_one() {
    for case in ["made-every-finding", "peering-before-v5", "peering-with-a-c-v5"] {
        let case = cases().into_iter().find(|folder| folder.ends_with(case)).expect("the case");
        let topology = topology_of(&case);
        let summary = summary_of(&case);
        let options = |width| RenderOptions { width, groups: None, topology: topology.as_deref() };
        let plain = |report: &str| anstream::adapter::strip_str(report).to_string();
        compare(&case.join("report.txt"), &plain(&report::render_all(&summary, options(120))));
        compare(&case.join("screen.txt"), &plain(&report::render(&summary, options(100))));
    }
}
