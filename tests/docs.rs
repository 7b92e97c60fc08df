//! Compares the tables of the docs with the code: every setting, limit, metric, code, finding, and log message has exactly one
//! row, and the documented defaults are the actual ones. Private items are read from the sources.
//!
//! `UPDATE_GOLDEN=1 cargo test --test docs` writes the table of findings in the reference, which is generated from the code.

#![cfg(feature = "aws")]
#![expect(clippy::disallowed_methods, reason = "docs and sources are files")]

#[path = "support/flow_log.rs"]
mod flow_log;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use flowsentry::config::exceptions::SUPPRESS;
use flowsentry::config::{Config, LOG_FORMATS, Limits, TRUSTED_SCANNERS, Thresholds};
use flowsentry::findings;
use flowsentry::findings::topology_check::TopologyFindingType;
use flowsentry::findings::types::FindingType;
use flowsentry::lambda::metrics::{self, IgnoreReason};
use flowsentry::lambda::settings::Settings;
use flowsentry::topology::Topology;
use flowsentry::topology::describe_output::Resources;
use serde_json::Value;
use walkdir::WalkDir;

type Names = BTreeSet<String>;

/// Returns the cells of the rows of all tables with this head.
fn rows(page: &str, head: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(page).expect("a page");
    let mut rows = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line == head {
            inside = true;
        } else if inside && line.starts_with('|') {
            rows.push(line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect());
        } else {
            inside = false;
        }
    }
    rows.retain(|cells: &Vec<String>| !cells[0].starts_with("---"));
    assert!(!rows.is_empty(), "{page} has no table {head}");
    rows
}

/// Returns the code in backticks at the start of the cell, or the whole cell.
fn code(cell: &str) -> &str {
    cell.strip_prefix('`').and_then(|text| text.split('`').next()).unwrap_or(cell)
}

/// Returns the first cells of the rows. Asserts that each occurs once.
fn first_cells(page: &str, head: &str) -> Names {
    let rows = rows(page, head);
    let names: Names = rows.iter().map(|cells| code(&cells[0]).to_owned()).collect();
    assert_eq!(names.len(), rows.len(), "{page}: {head} has a row twice");
    names
}

/// Returns the text of a source file without its tests.
fn source(path: impl AsRef<Path>) -> String {
    let text = fs::read_to_string(path).expect("a source");
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

/// Returns the text between two marks.
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).expect(from);
    rest.split_once(to).expect(to).0
}

/// Returns the quoted texts that consist of these characters only.
fn quoted(text: &str, is_part: impl Fn(char) -> bool) -> Names {
    let texts = text.split('"').skip(1).step_by(2);
    texts.filter(|text| !text.is_empty() && text.chars().all(&is_part)).map(str::to_owned).collect()
}

/// Reports whether codes contain this character.
fn is_code(character: char) -> bool {
    character.is_ascii_lowercase() || character == '_' || character == '-'
}

fn names<const N: usize>(names: [&str; N]) -> Names {
    names.map(str::to_owned).into()
}

const REFERENCE: &str = "docs/reference.md";
const VARIABLES: &str = "| variable | parameter | default | meaning |";

/// Reads the required settings and this one.
fn settings_with(name: &str, value: &str) -> Result<Settings, Vec<String>> {
    // With a bus, so that the severity of alerts shows.
    let required = [("OUTPUT_BUCKET", "bucket"), ("EVENT_BUS_NAME", "bus")].into_iter().filter(|(of, _)| *of != name);
    let variables = required.chain([(name, value)]).map(|(name, value)| (name.to_owned(), value.to_owned()));
    Settings::from_variables(variables).map_err(|error| error.errors)
}

#[test]
fn every_variable_has_a_row_and_each_row_is_a_variable() {
    let is_variable = |c: char| c.is_ascii_uppercase() || c == '_';
    let mut variables = quoted(&source("src/lambda/settings/env.rs"), is_variable);
    // These variables are Lambda's; they are not settings.
    for name in ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_REGION"] {
        assert!(variables.remove(name), "{name}");
    }
    assert_eq!(first_cells(REFERENCE, VARIABLES), variables);
    for name in variables {
        let errors = settings_with(&name, "\u{1}").expect_err("a control character is invalid");
        assert!(errors.iter().any(|error| error.starts_with(&format!("{name} is "))), "{name}: {errors:?}");
    }
}

#[test]
fn every_variable_of_the_discovery_has_a_row() {
    let is_variable = |c: char| c.is_ascii_uppercase() || c == '_';
    let variables = quoted(&source("src/lambda/settings/discovery.rs"), is_variable);
    assert!(variables.contains("TOPOLOGY_REGIONS"), "{variables:?}");
    assert_eq!(first_cells(REFERENCE, "| discovery | parameter | default | meaning |"), variables);
}

#[test]
fn documented_defaults_are_the_actual_defaults() {
    for cells in rows(REFERENCE, VARIABLES) {
        let (name, default) = (code(&cells[0]), code(&cells[2]));
        match default {
            "required" => {
                let errors = settings_with(name, "").expect_err("required");
                assert_eq!(errors.len(), 1, "{name}");
            }
            "none" | "all" | "version 2" => {
                settings_with(name, "").unwrap_or_else(|errors| panic!("{name} is not required: {errors:?}"));
            }
            default => {
                let unset = settings_with(name, "").expect("a default");
                let set = settings_with(name, default).expect("the default is allowed");
                assert_eq!(format!("{set:?}"), format!("{unset:?}"), "{name}");
                let other = if default.parse::<u64>().is_ok() { "7" } else { "HIGH/fail/debug/hourly" };
                let differs = other.split('/').filter_map(|other| settings_with(name, other).ok());
                assert!(
                    differs.map(|it| format!("{it:?}")).any(|it| it != format!("{unset:?}")),
                    "{name} has no effect"
                );
            }
        }
    }
}

#[test]
fn the_configuration_file_has_a_row_for_each_name() {
    let head = "| name | default | meaning |";
    let counts = Limits::NAMES.iter().chain(Thresholds::NAMES).map(|name| (*name).to_owned());
    let names: Names = counts.chain([TRUSTED_SCANNERS, SUPPRESS, LOG_FORMATS].map(str::to_owned)).collect();
    assert_eq!(first_cells(REFERENCE, head), names);
    for cells in rows(REFERENCE, head) {
        let (name, default) = (code(&cells[0]), &cells[1]);
        let with = |value: &str| Config::from_toml(&format!("{name} = {value}")).expect("a valid value");
        let (default, other) = match (name, &default[..]) {
            (TRUSTED_SCANNERS, "none") => ("[]", "[\"10.0.0.1\"]"),
            (SUPPRESS, "none") => ("[]", "[{types = [\"port-scan\"], reason = \"x\", expires = 2027-01-31}]"),
            (LOG_FORMATS, "none") => ("{}", "{ \"s3://bucket/\" = \"version\" }"),
            (_, number) => (number, "7"),
        };
        assert_eq!(with(default), Config::default(), "{name}");
        assert_ne!(with(other), Config::default(), "{name} has no effect");
    }
    // The example of the reference, and that of the page about the command.
    for page in [REFERENCE, "docs/command-line.md"] {
        let text = fs::read_to_string(page).expect("a page");
        let example = between(&text, "```toml\n", "```");
        assert_ne!(Config::from_toml(example), Ok(Config::default()), "{page}");
        assert!(Config::from_toml(example).is_ok(), "{page}");
    }
}

#[test]
fn every_limit_has_a_row() {
    let limits: Names = Limits::NAMES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(first_cells(REFERENCE, "| limit | beyond it |"), limits);
}

/// Returns the name, unit, and dimension of each metric in these EMF documents.
fn emitted(lines: &[u8]) -> BTreeSet<[String; 3]> {
    let text = std::str::from_utf8(lines).expect("UTF-8");
    let documents = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let mut metrics = BTreeSet::new();
    for document in documents {
        let directive = &document["_aws"]["CloudWatchMetrics"][0];
        let dimension = directive["Dimensions"][0][0].as_str().unwrap_or_default();
        for metric in directive["Metrics"].as_array().expect("metrics") {
            let text = |name: &str| metric[name].as_str().expect("text").to_owned();
            metrics.insert([text("Name"), text("Unit"), dimension.to_owned()]);
        }
    }
    metrics
}

#[test]
fn every_metric_has_a_row_with_its_unit_and_dimension() {
    let case = Path::new("tests/golden/peering-before-v5");
    let read = |name: &str| fs::read(case.join(name)).expect("a file of the case");
    let mut resources = Resources::default();
    for name in ["topology-1-vpcs.json", "topology-2-connections.json"] {
        resources.read(name, &read(name)).expect("JSON");
    }
    let topology = Arc::new(Topology::new(resources));
    let log = flow_log::gzip(&read("input-3-a-to-c.log"));
    let other = flow_log::gzip(&read("input-1-a-to-b.log"));
    let summary = flow_log::summarize([("a.log.gz", &log[..]), ("b.log.gz", &other[..])], Some(&topology));
    let now = SystemTime::UNIX_EPOCH
        + Duration::from_secs(summary.window.and_then(|window| window.end).expect("a window").seconds());

    let mut metrics = emitted(&metrics::processed("x", &summary, Duration::from_secs(1), now));
    metrics.extend(emitted(&metrics::ignored("x", IgnoreReason::Superseded, now)));
    metrics.extend(emitted(&metrics::quarantined("x", "object_deleted", now)));
    metrics.extend(emitted(&metrics::failed("x", 1, now)));
    metrics.extend(emitted(&metrics::topology_refresh_failed("x", now)));
    metrics.extend(emitted(&metrics::config_refresh_failed("x", now)));
    metrics.extend(emitted(&metrics::topology_checked("x", 1, now)));
    metrics.extend(emitted(&metrics::window_reported("x", "hourly", &summary, now)));

    // All declared metrics were emitted.
    let catalogue = source("src/lambda/metrics.rs");
    let fields =
        between(&catalogue, "struct Metrics {", "\n}").lines().filter_map(|line| line.trim().split_once(": Option<"));
    let pascal = |name: &str| {
        let words = name.split('_').map(|word| word[..1].to_ascii_uppercase() + &word[1..]);
        words.collect::<String>()
    };
    let declared: Names = fields.map(|(name, _)| pascal(name)).collect();
    assert_eq!(metrics.iter().map(|[name, ..]| name.clone()).collect::<Names>(), declared);

    let rows = rows(REFERENCE, "| metric | unit | dimension | counts | what to do |");
    let documented: BTreeSet<[String; 3]> =
        rows.iter().map(|cells| [&cells[0], &cells[1], &cells[2]].map(|cell| code(cell).to_owned())).collect();
    assert_eq!(documented, metrics);
    assert_eq!(documented.len(), rows.len(), "a row occurs twice");
}

#[test]
fn the_table_of_findings_is_generated_from_the_code() {
    let (from, to) = ("<!-- findings: made from src/findings -->\n", "<!-- end of findings -->");
    let mut table = "| finding | means | what to do |\n| --- | --- | --- |\n".to_owned();
    for finding_type in FindingType::ALL {
        let (meaning, next_step) = (findings::meaning(*finding_type), findings::next_step(*finding_type));
        table += &format!("| `{}` | {meaning} | {next_step} |\n", finding_type.name());
    }
    let page = fs::read_to_string(REFERENCE).expect("the page");
    let (before, rest) = page.split_once(from).expect("where the table begins");
    let (_, after) = rest.split_once(to).expect("where it ends");
    let made = format!("{before}{from}\n{table}\n{to}{after}");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(REFERENCE, &made).expect("the page");
    } else {
        assert_eq!(page, made);
    }
}

#[test]
fn the_docs_have_every_finding_with_severity_and_threshold() {
    let rows = rows("docs/findings.md", "| finding | it means | severity |");
    let documented: Names = rows.iter().map(|cells| code(&cells[0]).to_owned()).collect();
    assert_eq!(
        documented,
        FindingType::ALL.iter().map(|finding_type| finding_type.name().to_owned()).collect::<Names>()
    );
    assert_eq!(documented.len(), rows.len(), "a row occurs twice");
    let row = |name: &str| rows.iter().find(|cells| code(&cells[0]) == name).expect("a row");

    let mut severities = BTreeSet::new();
    for file in WalkDir::new("tests/golden").into_iter().map(|file| file.expect("a file").into_path()) {
        if file.ends_with("summary.json") {
            let summary: Value = serde_json::from_slice(&fs::read(file).expect("a summary")).expect("JSON");
            let text = |finding: &Value, name: &str| finding[name].as_str().expect("text").to_owned();
            let findings = summary["findings"].as_array().expect("findings");
            severities.extend(findings.iter().map(|finding| (text(finding, "type"), text(finding, "severity"))));
        }
    }
    let types: Names = severities.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(types, documented, "each type occurs in a golden summary");
    for (name, severity) in severities {
        assert!(row(&name)[2].contains(&severity), "{name} is {severity} in a golden summary");
    }

    let Thresholds {
        port_scan_ports,
        host_sweep_hosts,
        repeated_reject_flows,
        egress_blocked_flows,
        one_way_min_flows,
        no_answer_flows,
        health_check_flows,
    } = Thresholds::default();
    for (name, threshold) in [
        ("port-scan", port_scan_ports),
        ("host-sweep", host_sweep_hosts),
        ("repeated-rejects", repeated_reject_flows),
        ("egress-blocked", egress_blocked_flows),
        ("one-way-peering", one_way_min_flows),
        ("no-answer", no_answer_flows),
        ("health-checks-rejected", health_check_flows),
    ] {
        let words = row(name)[1].split(|c: char| !c.is_ascii_digit()).map(str::to_owned).collect::<Names>();
        assert!(words.contains(&threshold.to_string()), "{name}: {threshold}");
    }
}

/// Returns the names of the variants of an enum in kebab case, from its source.
fn variants(source: &str, of: &str) -> Names {
    let lines = between(source, &format!("pub enum {of} {{"), "\n}").lines().map(str::trim);
    let names = lines.filter_map(|line| line.strip_suffix(',')).filter(|name| name.starts_with(char::is_uppercase));
    let kebab = |name: &str| {
        let letters = name.chars().flat_map(|c| [c.is_uppercase().then_some('-'), Some(c.to_ascii_lowercase())]);
        letters.flatten().collect::<String>().trim_start_matches('-').to_owned()
    };
    names.map(kebab).collect()
}

#[test]
fn findings_have_rows_for_subjects_confidence_and_evidence() {
    const PAGE: &str = "docs/findings.md";
    let all: Names = FindingType::ALL.iter().map(|finding_type| finding_type.name().to_owned()).collect();
    assert_eq!(first_cells(PAGE, "| finding | subject | records that count |"), all);
    // These rows have several names.
    let codes = |head: &str| {
        let names = rows(PAGE, head)
            .into_iter()
            .flat_map(|cells| cells[0].split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<String>>());
        names.collect::<Vec<String>>()
    };
    let confidence = codes("| finding | `high` if each record has | else `medium` with | else `low` with |");
    assert_eq!((confidence.len(), confidence.into_iter().collect::<Names>()), (all.len(), all));

    let evidence = codes("| word | fact |");
    let words = variants(&source("src/findings/types.rs"), "Evidence");
    assert!(words.contains("transit-gateway-records"), "{words:?}");
    assert_eq!((evidence.len(), evidence.into_iter().collect::<Names>()), (words.len(), words));

    let causes: Names = rows(PAGE, "| cause | derived from |").iter().map(|cells| code(&cells[0]).to_owned()).collect();
    assert_eq!(causes, variants(&source("src/aggregate/rejected/cause.rs"), "Cause"));
}

#[test]
fn the_docs_have_every_topology_finding() {
    let all: Names = TopologyFindingType::ALL.iter().map(|finding_type| finding_type.name().to_owned()).collect();
    assert_eq!(first_cells("docs/findings.md", "| topology finding | it means | severity |"), all);
    let rows = rows(REFERENCE, "| topology finding | advice | subject | details |");
    let advice: BTreeSet<(&str, &str)> = rows.iter().map(|cells| (code(&cells[0]), &*cells[1])).collect();
    let types = TopologyFindingType::ALL.iter();
    assert_eq!(advice, types.map(|finding_type| (finding_type.name(), finding_type.advice())).collect());
}

#[test]
fn every_code_has_a_row() {
    let object = source("src/error.rs");
    let object = quoted(between(&object, "pub fn code(&self)", "\n    }"), is_code);
    let (handler, failure) = (source("src/lambda/handler/object.rs"), source("src/lambda/handler/error.rs"));
    let handler_codes =
        handler.split("code: \"").skip(1).map(|text| text.split('"').next().unwrap_or_default().to_owned());
    let mut quarantined: Names = handler_codes.chain(object.iter().cloned()).collect();
    // A failed download is not a property of the object: it is retried.
    assert!(quarantined.remove("read_failed"));
    assert!(quarantined.len() > 8, "{quarantined:?}");
    assert_eq!(first_cells(REFERENCE, "| quarantined | means | what to do |"), quarantined);

    let mut failed = quoted(between(&failure, "fn code(&self)", "\n    }"), is_code);
    assert!(failed.len() > 5, "{failed:?}");
    failed.insert("read_failed".to_owned());
    // Codes that are not in snake_case are AWS's own. The reference has the ones that operators see most.
    let mut documented = first_cells(REFERENCE, "| failed | means | what to do |");
    for aws in ["AccessDenied", "NoSuchBucket", "RequestFailed"] {
        assert!(documented.remove(aws), "{aws}");
        assert!(source("src/lambda/aws/error.rs").contains(&format!("\"{aws}\"")), "{aws}");
    }
    assert_eq!(documented, failed);

    let documents = source("src/lambda/aws/documents/error.rs");
    let documents = quoted(between(&documents, "pub fn code(&self)", "\n    }"), is_code);
    assert!(documents.len() > 8, "{documents:?}");
    assert_eq!(first_cells(REFERENCE, "| document | means | what to do |"), documents);

    let response = source("src/lambda/handler/response.rs");
    let invocation = quoted(between(&response, "pub fn name(&self)", "\n    }"), |c| c.is_ascii_alphabetic());
    assert_eq!(
        invocation,
        names([
            "UnknownEvent",
            "ObjectsFailed",
            "TopologyUnavailable",
            "ConfigUnavailable",
            "DigestFailed",
            "WindowFailed",
            "WindowInvalid",
        ])
    );
    assert_eq!(first_cells(REFERENCE, "| invocation | means | what to do |"), invocation);

    let discovery = source("src/lambda/discovery.rs");
    let discovery = between(&discovery, "let error_type = match", "};");
    let discovery = quoted(discovery, |c| c.is_ascii_alphabetic());
    assert_eq!(first_cells(REFERENCE, "| discovery error | means | what to do |"), discovery);

    let reasons = source("src/lambda/metrics.rs");
    let ignored = quoted(between(&reasons, "pub fn name(self)", "\n    }"), is_code);
    assert!(ignored.contains(IgnoreReason::Superseded.name()), "{ignored:?}");
    assert_eq!(first_cells(REFERENCE, "| ignored | means | what to do |"), ignored);
}

/// Returns the level and the message of each log call in a source.
fn logged(source: &str) -> Vec<[String; 2]> {
    let mut lines = Vec::new();
    for level in ["info", "warn", "error"] {
        for call in source.split(&format!("{level}!(")).skip(1) {
            let call = call.split(");").next().unwrap_or_default();
            let message = call.rsplit('"').nth(1).expect("a message");
            lines.push([level.to_ascii_uppercase(), message.to_owned()]);
        }
    }
    lines
}

#[test]
fn every_log_line_has_a_row() {
    let mut lines = BTreeSet::new();
    for file in WalkDir::new("src").into_iter().map(|file| file.expect("a file").into_path()) {
        if file.extension().is_some_and(|extension| extension == "rs") {
            let text = source(&file);
            if text.contains("use tracing::") {
                lines.extend(logged(&text));
            }
        }
    }
    let rows = rows(REFERENCE, "| level | message | has | when |");
    let documented: BTreeSet<[String; 2]> = rows.iter().map(|cells| [cells[0].clone(), cells[1].clone()]).collect();
    assert_eq!(documented, lines);
    assert_eq!(documented.len(), rows.len(), "a row occurs twice");
}
