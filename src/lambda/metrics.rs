//! Metrics in CloudWatch's embedded metric format: one JSON document per line, which CloudWatch Logs turns into metrics.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! The timestamp of a document is the end of the object's window, so that graphs show when the traffic was, not when it was
//! read. If there is no window, or its end is further in the future than CloudWatch accepts, the caller's time is used and
//! the lag is omitted.
//!
//! No dimension has values that an outsider can choose, because each value is a billed metric. Ids of peering connections
//! come from the topology, and names of windows from those who may start a report.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use metrique_writer::Entry;
use metrique_writer::format::Format;
use metrique_writer::unit::{AsBytes, AsCount, AsSeconds};
use metrique_writer_format_emf::Emf;

use crate::findings::types::FindingType;
use crate::summary::{ConnectionTraffic, Summary};

/// CloudWatch rejects data points that are further in the future.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(2 * 60 * 60);
/// CloudWatch rejects data points older than two weeks. This is one day less, because documents arrive with a delay:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html>
const MAX_METRIC_AGE: Duration = Duration::from_secs(13 * 24 * 60 * 60);

/// Longer than any id of an AWS resource.
const MAX_ID_BYTES: usize = 64;

/// All metrics. A document omits the ones without a value. A test compares the fields with the reference in `docs`.
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
    /// All findings, or the findings of one type.
    findings: Option<AsCount<u64>>,
    /// Accepted bytes between the VPCs of a peering connection.
    peering_bytes: Option<AsBytes<u64>>,
    /// Rejected flows between the VPCs of a peering connection.
    peering_rejected_flows: Option<AsCount<u64>>,
    /// Checks of the topology's documents that failed, or found no usable documents.
    topology_refresh_failures: Option<AsCount<u64>>,
    /// Accounts and Regions that a check of the network could not describe.
    topology_stale: Option<AsCount<u64>>,
    /// Checks of the configuration that failed, or found an invalid one.
    config_refresh_failures: Option<AsCount<u64>>,
    /// Reports of windows.
    window_reports: Option<AsCount<u64>>,
    /// Objects of a window that could not be read.
    window_objects_failed: Option<AsCount<u64>>,
    /// Records of a window, of every class.
    window_records: Option<AsCount<u64>>,
    /// Rejected flows of a window.
    window_rejected_flows: Option<AsCount<u64>>,
    /// Findings of a window.
    window_findings: Option<AsCount<u64>>,
    /// Objects with a stored summary.
    objects_processed: Option<AsCount<u64>>,
    /// Objects that were not processed: all, or those with one reason.
    objects_ignored: Option<AsCount<u64>>,
    /// Objects that can never be read: all, or those with one reason.
    objects_quarantined: Option<AsCount<u64>>,
    /// Objects that failed and are retried.
    objects_failed: Option<AsCount<u64>>,
    /// Time from the request for the object to the stored summary, in milliseconds.
    processing_duration: Option<Duration>,
    /// Time from the end of the window to now. It is 0 if the end is slightly in the future, because clocks differ.
    delivery_lag: Option<AsSeconds<u64>>,
}

#[derive(Entry)]
#[entry(rename_all = "PascalCase")]
struct Document {
    #[entry(timestamp)]
    time: SystemTime,
    /// A document has at most one dimension: this or one of the next three.
    finding_type: Option<&'static str>,
    reason: Option<&'static str>,
    peering_connection_id: Option<String>,
    window_name: Option<String>,
    #[entry(flatten)]
    metrics: Metrics,
}

impl Document {
    fn without_dimension(time: SystemTime, metrics: Metrics) -> Document {
        Document { time, finding_type: None, reason: None, peering_connection_id: None, window_name: None, metrics }
    }
}

/// Why an object was not processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IgnoreReason {
    /// The object is in the output prefix.
    OwnOutput,
    /// A flowsentry function stored the object, this one or another.
    FlowsentryOutput,
    /// The event is not a creation: the object was deleted, restored, tagged …
    NotACreationEvent,
    /// The object or the log group is outside the allowed sources.
    NotAllowed,
    /// AWS stores the object beside logs, and it is none: the test object of an export, or errors of Firehose.
    NotALog,
    /// CloudWatch Logs checks whether it can reach the function.
    ControlMessage,
    /// A newer version, which has its own event, replaced the object before it was read.
    Superseded,
}

impl IgnoreReason {
    /// Returns the stable name of the reason in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            IgnoreReason::OwnOutput => "own-output",
            IgnoreReason::FlowsentryOutput => "flowsentry-output",
            IgnoreReason::NotACreationEvent => "not-a-creation-event",
            IgnoreReason::NotAllowed => "not-allowed",
            IgnoreReason::NotALog => "not-a-log",
            IgnoreReason::ControlMessage => "control-message",
            IgnoreReason::Superseded => "superseded",
        }
    }
}

/// Renders the metrics of an object whose summary is stored: one document without dimensions, one per type of finding, and
/// one per peering connection with traffic. The result is empty if the window ended more than 13 days ago: CloudWatch would
/// reject the metrics, and with another time they would show traffic when there was none.
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
    for (finding_type, findings) in findings_by_type(summary) {
        lines.extend(render(namespace, &type_document(time, finding_type, findings)));
    }
    let connections = summary.peering.iter().flat_map(|peering| &peering.connections);
    for document in connections.filter_map(|connection| connection_document(time, connection)) {
        lines.extend(render(namespace, &document));
    }
    lines
}

/// Renders the metrics of a window's report: one document with the name of the report as its dimension, and one without dimensions. They have names of their own, because
/// the records were counted when each object was processed. The timestamp is the time of the report, since the window may be years ago.
pub fn window_reported(namespace: &str, name: &str, summary: &Summary, now: SystemTime) -> Vec<u8> {
    let metrics = Metrics {
        window_reports: count(1),
        window_objects_failed: count(summary.failed.len() as u64),
        window_records: count(summary.records.total),
        window_rejected_flows: count(summary.traffic.rejected.flows),
        window_findings: count(summary.findings.len() as u64),
        ..Metrics::default()
    };
    let mut lines = render(
        namespace,
        &Document { window_name: Some(name.to_owned()), ..Document::without_dimension(now, metrics) },
    );
    // Without a dimension for an alarm, which does not know the names.
    let failed = Metrics { window_objects_failed: count(summary.failed.len() as u64), ..Metrics::default() };
    lines.extend(render(namespace, &Document::without_dimension(now, failed)));
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

fn type_document(time: SystemTime, finding_type: FindingType, findings: u64) -> Document {
    let metrics = Metrics { findings: count(findings), ..Metrics::default() };
    Document { finding_type: Some(finding_type.name()), ..Document::without_dimension(time, metrics) }
}

/// Returns the document of a peering connection, or `None` if its id is not a valid AWS id. The summary includes it anyway.
fn connection_document(time: SystemTime, connection: &ConnectionTraffic) -> Option<Document> {
    let id = &connection.peering_connection_id;
    let is_valid = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let metrics = Metrics {
        peering_bytes: Some(connection.traffic.accepted.bytes.into()),
        peering_rejected_flows: count(connection.traffic.rejected.flows),
        ..Metrics::default()
    };
    (is_valid && (1..=MAX_ID_BYTES).contains(&id.len()))
        .then(|| Document { peering_connection_id: Some(id.clone()), ..Document::without_dimension(time, metrics) })
}

/// Renders the metrics of an object that was not processed: one document without dimensions, and one for the reason.
pub fn ignored(namespace: &str, reason: IgnoreReason, now: SystemTime) -> Vec<u8> {
    let metrics = || Metrics { objects_ignored: count(1), ..Metrics::default() };
    with_and_without_reason(namespace, reason.name(), metrics, now)
}

/// Renders the metrics of an object that can never be read: one document without dimensions, and one for the error code.
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

/// Renders the metrics of objects that failed and are retried.
pub fn failed(namespace: &str, objects: u64, now: SystemTime) -> Vec<u8> {
    let metrics = Metrics { objects_failed: count(objects), ..Metrics::default() };
    render(namespace, &Document::without_dimension(now, metrics))
}

/// Renders the metrics of a topology that could not be read.
pub fn topology_refresh_failed(namespace: &str, now: SystemTime) -> Vec<u8> {
    let metrics = Metrics { topology_refresh_failures: count(1), ..Metrics::default() };
    render(namespace, &Document::without_dimension(now, metrics))
}

/// Renders the metrics of a check of the network.
pub fn topology_checked(namespace: &str, stale: u64, now: SystemTime) -> Vec<u8> {
    let metrics = Metrics { topology_stale: count(stale), ..Metrics::default() };
    render(namespace, &Document::without_dimension(now, metrics))
}

/// Renders the metrics of a configuration that could not be read or used.
pub fn config_refresh_failed(namespace: &str, now: SystemTime) -> Vec<u8> {
    let metrics = Metrics { config_refresh_failures: count(1), ..Metrics::default() };
    render(namespace, &Document::without_dimension(now, metrics))
}

fn count(number: u64) -> Option<AsCount<u64>> {
    Some(number.into())
}

fn findings_by_type(summary: &Summary) -> BTreeMap<FindingType, u64> {
    let mut counts = BTreeMap::new();
    for finding in &summary.findings {
        *counts.entry(finding.finding_type).or_default() += 1;
    }
    counts
}

fn unix_time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[expect(clippy::expect_used, reason = "names are valid, numbers are not negative, and writing to memory can't fail")]
fn render(namespace: &str, document: &Document) -> Vec<u8> {
    let dimensions = [
        document.finding_type.map(|_| "FindingType"),
        document.reason.map(|_| "Reason"),
        document.peering_connection_id.as_ref().map(|_| "PeeringConnectionId"),
        document.window_name.as_ref().map(|_| "WindowName"),
    ];
    let dimensions = dimensions.into_iter().flatten().map(str::to_owned).collect();
    let mut emf = Emf::all_validations(namespace.to_owned(), vec![dimensions]);
    let mut line = Vec::new();
    emf.format(document, &mut line).expect("a valid document, written to memory");
    line
}

#[cfg(test)]
mod tests;
