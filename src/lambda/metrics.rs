//! Metrics in CloudWatch's embedded metric format, one document a line: CloudWatch Logs makes metrics of them.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! A document's time is the end of the object's window: a graph shows when the traffic was, not when it was read.
//! Where there is no window, or its end is further ahead than CloudWatch takes, it is the time given by the caller, and
//! nothing is said of how late the data is.
//! No dimension has values that an outsider can choose: each would be a metric to pay for. The ids of peering
//! connections are those of the topology.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use metrique_writer::Entry;
use metrique_writer::format::Format;
use metrique_writer::unit::{AsBytes, AsCount, AsSeconds};
use metrique_writer_format_emf::Emf;

use crate::findings::types::FindingType;
use crate::summary::{ConnectionTraffic, Summary};

/// CloudWatch refuses data points that are further ahead of its clock.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(2 * 60 * 60);
/// And those that are more than two weeks old. A day less, as they take their time to get there:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>
const MAX_METRIC_AGE: Duration = Duration::from_secs(13 * 24 * 60 * 60);

/// The ids of AWS's resources are far shorter.
const MAX_ID_BYTES: usize = 64;

/// Every metric. One that a document has nothing to say of is left out of it.
#[derive(Default, Entry)]
#[entry(rename_all = "PascalCase")]
struct Metrics {
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
    /// What was let through between the VPCs of a peering connection.
    peering_bytes: Option<AsBytes<u64>>,
    /// And what was not.
    peering_rejected_flows: Option<AsCount<u64>>,
    /// Looks at the topology's documents that found none or none that could be used.
    topology_refresh_failures: Option<AsCount<u64>>,
    /// Objects that a summary was stored of.
    objects_processed: Option<AsCount<u64>>,
    /// Objects that are not flowsentry's to read: all, and those of each reason.
    objects_ignored: Option<AsCount<u64>>,
    /// Objects that can never be read: all, and those of each reason.
    objects_quarantined: Option<AsCount<u64>>,
    /// Objects that must come again.
    objects_failed: Option<AsCount<u64>>,
    /// From the request for the object to the stored summary, in milliseconds.
    processing_duration: Option<Duration>,
    /// From the end of the window to now; 0 where that is slightly ahead, as clocks differ.
    delivery_lag: Option<AsSeconds<u64>>,
}

#[derive(Entry)]
#[entry(rename_all = "PascalCase")]
struct Document {
    #[entry(timestamp)]
    time: SystemTime,
    /// The only dimension, or one of the others, or none.
    finding_type: Option<&'static str>,
    reason: Option<&'static str>,
    peering_connection_id: Option<String>,
    #[entry(flatten)]
    metrics: Metrics,
}

impl Document {
    fn without_dimension(time: SystemTime, metrics: Metrics) -> Document {
        Document { time, finding_type: None, reason: None, peering_connection_id: None, metrics }
    }
}

/// Why an object is not flowsentry's to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IgnoreReason {
    /// It lies among flowsentry's own outputs.
    OwnOutput,
    /// flowsentry stored it, this one or another, wherever it lies.
    FlowsentryOutput,
    /// What happened to it creates no object: it was deleted, restored, tagged …
    CreatesNoObject,
    /// It lies outside the allowed sources.
    NotAllowed,
    /// A newer version, whose own event comes, replaced it before it was read.
    Superseded,
}

impl IgnoreReason {
    /// Its name in metrics and logs, which stays.
    pub fn name(self) -> &'static str {
        match self {
            IgnoreReason::OwnOutput => "own-output",
            IgnoreReason::FlowsentryOutput => "flowsentry-output",
            IgnoreReason::CreatesNoObject => "not-a-creation-event",
            IgnoreReason::NotAllowed => "not-allowed",
            IgnoreReason::Superseded => "superseded",
        }
    }
}

/// The metrics of an object whose summary is stored: one document without dimensions, one for each type of finding that
/// occurs, and one for each peering connection with traffic. Of an object whose window ended more than 13 days ago there
/// are none: CloudWatch would refuse them, or, at another time, put the traffic where it was not.
pub fn processed(namespace: &str, summary: &Summary, duration: Duration, now: SystemTime) -> Vec<u8> {
    let window_end = summary.window.and_then(|window| window.end).map(|end| unix_time(end.seconds()));
    let window_end = window_end.filter(|end| *end <= now + MAX_CLOCK_SKEW);
    if window_end.is_some_and(|end| end + MAX_METRIC_AGE < now) {
        return Vec::new();
    }
    let time = window_end.unwrap_or(now);
    let metrics = Metrics {
        processing_duration: Some(duration),
        delivery_lag: window_end.map(|end| now.duration_since(end).unwrap_or_default().as_secs().into()),
        ..totals(summary)
    };
    let mut lines = render(namespace, &Document::without_dimension(time, metrics));
    for (finding_type, findings) in by_type(summary) {
        lines.extend(render(namespace, &of_type(time, finding_type, findings)));
    }
    let connections = summary.peering.iter().flat_map(|peering| &peering.connections);
    for document in connections.filter_map(|connection| of_connection(time, connection)) {
        lines.extend(render(namespace, &document));
    }
    lines
}

fn totals(summary: &Summary) -> Metrics {
    let (accepted, rejected) = (summary.traffic.accepted, summary.traffic.rejected);
    Metrics {
        records_processed: count(summary.records.total),
        accepted_flows: count(accepted.flows),
        rejected_flows: count(rejected.flows),
        rejected_packets: count(rejected.packets),
        rejected_bytes: Some(rejected.bytes.into()),
        malformed_records: count(summary.records.malformed),
        skipped_data_records: count(summary.records.skip_data),
        findings: count(summary.findings.len() as u64),
        objects_processed: count(1),
        ..Metrics::default()
    }
}

fn of_type(time: SystemTime, finding_type: FindingType, findings: u64) -> Document {
    let metrics = Metrics { findings: count(findings), ..Metrics::default() };
    Document { finding_type: Some(finding_type.name()), ..Document::without_dimension(time, metrics) }
}

/// What is no id of AWS's makes no metric. The summary has it all the same.
fn of_connection(time: SystemTime, connection: &ConnectionTraffic) -> Option<Document> {
    let id = &connection.peering_connection_id;
    let named = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let metrics = Metrics {
        peering_bytes: Some(connection.traffic.accepted.bytes.into()),
        peering_rejected_flows: count(connection.traffic.rejected.flows),
        ..Metrics::default()
    };
    (named && (1..=MAX_ID_BYTES).contains(&id.len()))
        .then(|| Document { peering_connection_id: Some(id.clone()), ..Document::without_dimension(time, metrics) })
}

/// The metrics of an object that was not flowsentry's to read: one document without dimensions, one for the reason.
pub fn ignored(namespace: &str, reason: IgnoreReason, now: SystemTime) -> Vec<u8> {
    let metrics = || Metrics { objects_ignored: count(1), ..Metrics::default() };
    with_and_without_reason(namespace, reason.name(), metrics, now)
}

/// The metrics of an object that can never be read: one document without dimensions, one for the error's code.
pub fn quarantined(namespace: &str, code: &'static str, now: SystemTime) -> Vec<u8> {
    let metrics = || Metrics { objects_quarantined: count(1), ..Metrics::default() };
    with_and_without_reason(namespace, code, metrics, now)
}

fn with_and_without_reason(
    namespace: &str,
    reason: &'static str,
    metrics: impl Fn() -> Metrics,
    now: SystemTime,
) -> Vec<u8> {
    let document = || Document::without_dimension(now, metrics());
    let mut lines = render(namespace, &document());
    lines.extend(render(namespace, &Document { reason: Some(reason), ..document() }));
    lines
}

/// The metrics of objects that must come again.
pub fn failed(namespace: &str, objects: u64, now: SystemTime) -> Vec<u8> {
    let metrics = Metrics { objects_failed: count(objects), ..Metrics::default() };
    render(namespace, &Document::without_dimension(now, metrics))
}

/// The metrics of a topology that could not be read.
pub fn topology_refresh_failed(namespace: &str, now: SystemTime) -> Vec<u8> {
    let metrics = Metrics { topology_refresh_failures: count(1), ..Metrics::default() };
    render(namespace, &Document::without_dimension(now, metrics))
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
    let dimensions = [
        document.finding_type.map(|_| "FindingType"),
        document.reason.map(|_| "Reason"),
        document.peering_connection_id.as_ref().map(|_| "PeeringConnectionId"),
    ];
    let dimensions = dimensions.into_iter().flatten().map(str::to_owned).collect();
    let mut emf = Emf::all_validations(namespace.to_owned(), vec![dimensions]);
    let mut line = Vec::new();
    emf.format(document, &mut line).expect("the names are fixed, no number is negative, and memory takes all bytes");
    line
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::pipeline::{self, Options};
    use crate::summary::build::{self, SummaryOptions};
    use crate::topology::Topology;
    use crate::topology::describe_output::Resources;

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
        build::build_summary(analysis, &SummaryOptions::default(), None)
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
    fn each_peering_connection_with_traffic_has_a_document() {
        let of_connection_named = |id: &str| {
            let json = json!({"VpcPeeringConnections": [{
                "VpcPeeringConnectionId": id, "Status": {"Code": "active"},
                "RequesterVpcInfo": {"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"},
                "AccepterVpcInfo": {"VpcId": "vpc-b", "CidrBlock": "10.2.0.0/16"},
            }]});
            let mut resources = Resources::default();
            resources.read("x.json", json.to_string().as_bytes()).expect("JSON");
            let topology = Arc::new(Topology::new(resources));
            let record = |action: &str| format!("2 1 eni-1 10.1.0.5 10.2.0.5 4000 22 6 1 50 7 8 {action} OK\n");
            let log = record("ACCEPT") + &record("ACCEPT") + &record("REJECT");
            let options = Options { topology: Some(Arc::clone(&topology)), ..Options::default() };
            let analysis = pipeline::analyze("x.log", log.as_bytes(), &options).expect("a flow log");
            let summary = build::build_summary(analysis, &SummaryOptions::default(), Some(&topology));
            let mut documents = documents(&processed("Net", &summary, Duration::ZERO, unix_time(9)));
            documents.retain(|document| document.get("PeeringConnectionId").is_some());
            documents
        };
        let metrics = json!([
            {"Name": "PeeringBytes", "Unit": "Bytes"}, {"Name": "PeeringRejectedFlows", "Unit": "Count"},
        ]);
        let directive = json!({"Namespace": "Net", "Dimensions": [["PeeringConnectionId"]], "Metrics": metrics});
        let expected = json!({
            "_aws": {"CloudWatchMetrics": [directive], "Timestamp": 8000},
            "PeeringConnectionId": "pcx-1",
            "PeeringBytes": 100,
            "PeeringRejectedFlows": 1,
        });
        assert_eq!(of_connection_named("pcx-1"), [expected]);
        for no_id in ["", "pcx 1", "é", &"x".repeat(65)] {
            assert!(of_connection_named(no_id).is_empty(), "{no_id}");
        }
    }

    #[test]
    fn what_is_older_than_13_days_has_no_metrics() {
        let thirteen_days_after = 1_418_530_070 + 13 * 24 * 60 * 60;
        let at = |now: u64| processed("Net", &summary(), Duration::ZERO, unix_time(now));
        assert_eq!(documents(&at(thirteen_days_after))[0]["DeliveryLag"], 13 * 24 * 60 * 60);
        assert!(at(thirteen_days_after + 1).is_empty());
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
        let window_end = 1_418_530_070;
        let at = |now: u64| documents(&processed("Net", &summary(), Duration::ZERO, unix_time(now))).remove(0);
        for believed in [window_end - 1, window_end - 2 * 60 * 60] {
            assert_eq!(at(believed)["DeliveryLag"], 0);
            assert_eq!(at(believed)["_aws"]["Timestamp"], window_end * 1000);
        }
        for now in [window_end - 2 * 60 * 60 - 1, 1_000_000_000] {
            assert_eq!(at(now).get("DeliveryLag"), None);
            assert_eq!(at(now)["_aws"]["Timestamp"], now * 1000);
        }
    }

    #[test]
    fn ignored_and_quarantined_objects_are_counted_by_reason_too() {
        for (reason, name) in [
            (IgnoreReason::OwnOutput, "own-output"),
            (IgnoreReason::FlowsentryOutput, "flowsentry-output"),
            (IgnoreReason::CreatesNoObject, "not-a-creation-event"),
            (IgnoreReason::NotAllowed, "not-allowed"),
            (IgnoreReason::Superseded, "superseded"),
        ] {
            let expected = with_and_without("ObjectsIgnored", name);
            assert_eq!(documents(&ignored("Net", reason, unix_time(7))), expected);
        }
        let expected = with_and_without("ObjectsQuarantined", "gzip_corrupt");
        assert_eq!(documents(&quarantined("Net", "gzip_corrupt", unix_time(7))), expected);
    }

    fn with_and_without(metric: &str, reason: &str) -> [Value; 2] {
        let document = |dimensions: Value| {
            let metrics = json!([{"Name": metric, "Unit": "Count"}]);
            let directive = json!({"Namespace": "Net", "Dimensions": [dimensions], "Metrics": metrics});
            let mut document = json!({"_aws": {"CloudWatchMetrics": [directive], "Timestamp": 7000}});
            document[metric] = json!(1);
            document
        };
        let mut of_reason = document(json!(["Reason"]));
        of_reason["Reason"] = json!(reason);
        [document(json!([])), of_reason]
    }

    #[test]
    fn what_failed_is_counted_now() {
        let failed = documents(&failed("Net", 3, unix_time(7)));
        assert_eq!((&failed[0]["ObjectsFailed"], &failed[0]["_aws"]["Timestamp"]), (&json!(3), &json!(7000)));
        assert_eq!(failed[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().map(Vec::len), Some(1));
        let unread = documents(&topology_refresh_failed("Net", unix_time(7)));
        assert_eq!((&unread[0]["TopologyRefreshFailures"], &unread[0]["_aws"]["Timestamp"]), (&json!(1), &json!(7000)));
    }
}
