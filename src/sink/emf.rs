//! Metrics in CloudWatch's embedded metric format, one document a line: CloudWatch Logs makes metrics of them.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! A document's time is the end of the object's window: a graph shows when the traffic was, not when it was read.
//! Where there is no window, or its end is further ahead than CloudWatch takes, it is the time given by the caller.
//! No dimension has values that an outsider can choose: each would be a metric to pay for.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use metrique_writer::Entry;
use metrique_writer::format::Format;
use metrique_writer::unit::{AsBytes, AsCount, AsSeconds};
use metrique_writer_format_emf::Emf;

use crate::finding::FindingType;
use crate::summary::Summary;

/// CloudWatch refuses data points that are further ahead of its clock.
const MOST_AHEAD: Duration = Duration::from_secs(2 * 60 * 60);

/// Every metric. One that a document has nothing to say of is left out of it.
#[derive(Default, Entry)]
#[entry(rename_all = "PascalCase")]
struct Catalogue {
    /// Records of every class.
    records_processed: Option<AsCount<u64>>,
    accepted_flows: Option<AsCount<u64>>,
    rejected_flows: Option<AsCount<u64>>,
    rejected_packets: Option<AsCount<u64>>,
    rejected_bytes: Option<AsBytes<u64>>,
    malformed_records: Option<AsCount<u64>>,
    skipped_data_records: Option<AsCount<u64>>,
    /// All findings, and those of each type.
    findings: Option<AsCount<u64>>,
    /// Objects that a summary was stored of.
    objects_processed: Option<AsCount<u64>>,
    /// Objects that are not flowsentry's to read.
    objects_ignored: Option<AsCount<u64>>,
    /// Objects that must come again.
    objects_failed: Option<AsCount<u64>>,
    /// From the request for the object to the stored summary, in milliseconds.
    processing_duration: Option<Duration>,
    /// From the end of the window to now.
    delivery_lag: Option<AsSeconds<u64>>,
}

#[derive(Entry)]
#[entry(rename_all = "PascalCase")]
struct Document {
    #[entry(timestamp)]
    time: SystemTime,
    /// The only dimension, or none.
    finding_type: Option<&'static str>,
    #[entry(flatten)]
    metrics: Catalogue,
}

/// The metrics of an object whose summary is stored: one document without dimensions, and one for each type of finding
/// that occurs.
pub fn processed(namespace: &str, summary: &Summary, duration: Duration, now: SystemTime) -> Vec<u8> {
    let window_end = summary.window.and_then(|window| window.end).map(|end| unix_time(end.seconds()));
    let time = window_end.filter(|end| *end <= now + MOST_AHEAD).unwrap_or(now);
    let (accepted, rejected) = (summary.traffic.accepted, summary.traffic.rejected);
    let metrics = Catalogue {
        records_processed: count(summary.records.total),
        accepted_flows: count(accepted.flows),
        rejected_flows: count(rejected.flows),
        rejected_packets: count(rejected.packets),
        rejected_bytes: Some(rejected.bytes.into()),
        malformed_records: count(summary.records.malformed),
        skipped_data_records: count(summary.records.skip_data),
        findings: count(summary.findings.len() as u64),
        objects_processed: count(1),
        processing_duration: Some(duration),
        delivery_lag: window_end.map(|end| now.duration_since(end).unwrap_or_default().as_secs().into()),
        ..Catalogue::default()
    };
    let mut lines = render(namespace, &Document { time, finding_type: None, metrics });
    for (finding_type, findings) in by_type(summary) {
        let metrics = Catalogue { findings: count(findings), ..Catalogue::default() };
        lines.extend(render(namespace, &Document { time, finding_type: Some(finding_type.name()), metrics }));
    }
    lines
}

/// The metrics of an object that was not flowsentry's to read.
pub fn ignored(namespace: &str, now: SystemTime) -> Vec<u8> {
    let metrics = Catalogue { objects_ignored: count(1), ..Catalogue::default() };
    render(namespace, &Document { time: now, finding_type: None, metrics })
}

/// The metrics of an object that must come again.
pub fn failed(namespace: &str, now: SystemTime) -> Vec<u8> {
    let metrics = Catalogue { objects_failed: count(1), ..Catalogue::default() };
    render(namespace, &Document { time: now, finding_type: None, metrics })
}

fn count(number: u64) -> Option<AsCount<u64>> {
    Some(number.into())
}

fn by_type(summary: &Summary) -> BTreeMap<FindingType, u64> {
    let mut counts = BTreeMap::new();
    for finding in &summary.findings {
        *counts.entry(finding.finding_type).or_default() += 1;
    }
    counts
}

fn unix_time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn render(namespace: &str, document: &Document) -> Vec<u8> {
    let dimensions = document.finding_type.map(|_| "FindingType".to_owned()).into_iter().collect();
    let mut emf = Emf::all_validations(namespace.to_owned(), vec![dimensions]);
    let mut line = Vec::new();
    emf.format(document, &mut line).expect("the names are fixed, no number is negative, and memory takes all bytes");
    line
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::pipeline::{self, Options};
    use crate::report::{self, Settings};

    /// Of one source that is refused at 15 ports of one destination and once more at another, one record that was let
    /// through, one gap and one malformed line. The window ends at 1418530070.
    fn summary() -> Summary {
        let record = |dst: &str, port: u16, action: &str| {
            format!("2 123456789010 eni-1 172.31.9.69 {dst} 49761 {port} 6 20 4249 1418530010 1418530070 {action} OK\n")
        };
        let mut log: String = (1..=15).map(|port| record("172.31.9.12", port, "REJECT")).collect();
        log += &record("172.31.9.13", 22, "REJECT");
        log += &record("172.31.9.13", 443, "ACCEPT");
        log += "2 123456789010 eni-2 - - - - - - - 1431280876 1431280934 - SKIPDATA\nnonsense\n";
        summary_of(&log)
    }

    fn summary_of(log: &str) -> Summary {
        let analysis = pipeline::analyze("x.log", log.as_bytes(), &Options::default()).expect("a flow log");
        report::finish(&analysis, &Settings::default(), None)
    }

    /// Each line by itself, held against AWS's schema and against what the schema can't say.
    fn documents(lines: &[u8]) -> Vec<Value> {
        let schema = serde_json::from_str(include_str!("../../tests/emf.schema.json")).expect("JSON");
        let schema = jsonschema::validator_for(&schema).expect("a schema");
        let text = std::str::from_utf8(lines).expect("UTF-8");
        assert!(text.ends_with('\n'));
        let documents: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        for document in &documents {
            assert_eq!(schema.validate(document).map_err(|error| error.to_string()), Ok(()));
            for directive in document["_aws"]["CloudWatchMetrics"].as_array().expect("directives") {
                for metric in directive["Metrics"].as_array().expect("metrics") {
                    assert!(document[metric["Name"].as_str().expect("a name")].is_number(), "{metric}");
                }
                for name in
                    directive["Dimensions"].as_array().expect("sets").iter().filter_map(Value::as_array).flatten()
                {
                    assert!(document[name.as_str().expect("a name")].is_string(), "{name}");
                }
            }
        }
        documents
    }

    #[test]
    fn an_object_s_numbers_are_metrics_at_the_time_of_its_window() {
        let lines = processed("Net", &summary(), Duration::from_micros(1500), unix_time(1_418_530_100));
        let documents = documents(&lines);
        let unit = |name: &str, unit: &str| json!({"Name": name, "Unit": unit});
        let metrics = [
            unit("RecordsProcessed", "Count"),
            unit("AcceptedFlows", "Count"),
            unit("RejectedFlows", "Count"),
            unit("RejectedPackets", "Count"),
            unit("RejectedBytes", "Bytes"),
            unit("MalformedRecords", "Count"),
            unit("SkippedDataRecords", "Count"),
            unit("Findings", "Count"),
            unit("ObjectsProcessed", "Count"),
            unit("ProcessingDuration", "Milliseconds"),
            unit("DeliveryLag", "Seconds"),
        ];
        let expected = json!({
            "_aws": {
                "CloudWatchMetrics": [{"Namespace": "Net", "Dimensions": [[]], "Metrics": metrics}],
                "Timestamp": 1_418_530_070_000_u64,
            },
            "RecordsProcessed": 19,
            "AcceptedFlows": 1,
            "RejectedFlows": 16,
            "RejectedPackets": 320,
            "RejectedBytes": 67_984,
            "MalformedRecords": 1,
            "SkippedDataRecords": 1,
            "Findings": 2,
            "ObjectsProcessed": 1,
            "ProcessingDuration": 1.5,
            "DeliveryLag": 30,
        });
        assert_eq!(documents[0], expected);
    }

    #[test]
    fn findings_are_counted_by_type() {
        let documents = documents(&processed("Net", &summary(), Duration::ZERO, unix_time(1_418_530_100)));
        let of_type = |name: &str| {
            let metrics = json!([{"Name": "Findings", "Unit": "Count"}]);
            json!({
                "_aws": {
                    "CloudWatchMetrics": [
                        {"Namespace": "Net", "Dimensions": [["FindingType"]], "Metrics": metrics}
                    ],
                    "Timestamp": 1_418_530_070_000_u64,
                },
                "FindingType": name,
                "Findings": 1,
            })
        };
        assert_eq!(documents[1..], [of_type("port-scan"), of_type("skipped-data")]);
    }

    #[test]
    fn without_a_window_the_time_is_the_caller_s() {
        let empty = &documents(&processed("Net", &summary_of(""), Duration::ZERO, unix_time(7)))[0];
        assert_eq!(empty["_aws"]["Timestamp"], 7000);
        assert_eq!(empty["RecordsProcessed"], 0);
        assert_eq!(empty.get("DeliveryLag"), None);
    }

    #[test]
    fn a_window_ahead_of_the_clock_has_no_lag_and_is_not_believed_for_long() {
        let at = |now: u64| documents(&processed("Net", &summary(), Duration::ZERO, unix_time(now))).remove(0);
        let slightly_ahead = at(1_418_530_000);
        assert_eq!(slightly_ahead["DeliveryLag"], 0);
        assert_eq!(slightly_ahead["_aws"]["Timestamp"], 1_418_530_070_000_u64);
        assert_eq!(at(1_000_000_000)["_aws"]["Timestamp"], 1_000_000_000_000_u64);
    }

    #[test]
    fn what_was_not_summarized_is_counted_now() {
        let ignored = documents(&ignored("Net", unix_time(7)));
        assert_eq!((&ignored[0]["ObjectsIgnored"], &ignored[0]["_aws"]["Timestamp"]), (&json!(1), &json!(7000)));
        let failed = documents(&failed("Net", unix_time(7)));
        assert_eq!((&failed[0]["ObjectsFailed"], &failed[0]["_aws"]["Timestamp"]), (&json!(1), &json!(7000)));
        assert_eq!(failed[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().map(Vec::len), Some(1));
    }
}
