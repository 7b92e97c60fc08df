use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::pipeline::{self, Options};
use crate::summary::build::{self, SummaryOptions};
use crate::topology::Topology;
use crate::topology::describe_output::Resources;

/// Builds the summary of a log with one source that is rejected at 15 ports of one destination and once at another, one
/// accepted record, one `SKIPDATA` record and one malformed line. The window ends at 1418530070.
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

/// Parses the lines, and checks each against AWS's schema and against the rules that the schema can't express.
fn documents(lines: &[u8]) -> Vec<Value> {
    let schema = serde_json::from_str(include_str!("../../../tests/emf.schema.json")).expect("JSON");
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
            for name in directive["Dimensions"].as_array().expect("sets").iter().filter_map(Value::as_array).flatten() {
                assert!(document[name.as_str().expect("a name")].is_string(), "{name}");
            }
        }
    }
    documents
}

#[test]
fn metrics_have_the_time_of_the_window() {
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
    let connection_documents = |id: &str| {
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
    assert_eq!(connection_documents("pcx-1"), [expected]);
    for invalid in ["", "pcx 1", "é", &"x".repeat(65)] {
        assert!(connection_documents(invalid).is_empty(), "{invalid}");
    }
}

#[test]
fn windows_older_than_13_days_have_no_metrics() {
    let thirteen_days_after = 1_418_530_070 + 13 * 24 * 60 * 60;
    let at = |now: u64| processed("Net", &summary(), Duration::ZERO, unix_time(now));
    assert_eq!(documents(&at(thirteen_days_after))[0]["DeliveryLag"], 13 * 24 * 60 * 60);
    assert!(at(thirteen_days_after + 1).is_empty());
}

#[test]
fn without_a_window_the_caller_s_time_is_used() {
    let empty = &documents(&processed("Net", &summary_of(""), Duration::ZERO, unix_time(7)))[0];
    assert_eq!(empty["_aws"]["Timestamp"], 7000);
    assert_eq!(empty["RecordsProcessed"], 0);
    assert_eq!(empty.get("DeliveryLag"), None);
}

#[test]
fn a_window_far_in_the_future_is_not_used() {
    let window_end = 1_418_530_070;
    let at = |now: u64| documents(&processed("Net", &summary(), Duration::ZERO, unix_time(now))).remove(0);
    for accepted in [window_end - 1, window_end - 2 * 60 * 60] {
        assert_eq!(at(accepted)["DeliveryLag"], 0);
        assert_eq!(at(accepted)["_aws"]["Timestamp"], window_end * 1000);
    }
    for now in [window_end - 2 * 60 * 60 - 1, 1_000_000_000] {
        assert_eq!(at(now).get("DeliveryLag"), None);
        assert_eq!(at(now)["_aws"]["Timestamp"], now * 1000);
    }
}

#[test]
fn ignored_and_quarantined_objects_are_counted_by_reason() {
    for (reason, name) in [
        (IgnoreReason::OwnOutput, "own-output"),
        (IgnoreReason::FlowsentryOutput, "flowsentry-output"),
        (IgnoreReason::NotACreationEvent, "not-a-creation-event"),
        (IgnoreReason::NotAllowed, "not-allowed"),
        (IgnoreReason::NotALog, "not-a-log"),
        (IgnoreReason::ControlMessage, "control-message"),
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
fn failures_have_the_caller_s_time() {
    let failed = documents(&failed("Net", 3, unix_time(7)));
    assert_eq!((&failed[0]["ObjectsFailed"], &failed[0]["_aws"]["Timestamp"]), (&json!(3), &json!(7000)));
    assert_eq!(failed[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().map(Vec::len), Some(1));
    let refresh = documents(&topology_refresh_failed("Net", unix_time(7)));
    assert_eq!((&refresh[0]["TopologyRefreshFailures"], &refresh[0]["_aws"]["Timestamp"]), (&json!(1), &json!(7000)));
}
