//! Events in every shape in which AWS delivers them.

use s3s::S3ErrorCode;
use serde_json::Value;

use super::local::{InvocationResult, Local, OUTPUT, SOURCE};
use super::{json, pick, port_scan, s3_event, sums};

const KEY: &str = "AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/\
                   123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz";

macro_rules! fixtures {
    ($($name:literal),*) => { [$(($name, json(include_bytes!(concat!("../../events/", $name, ".json"))))),*] };
}

/// Builds an event of EventBridge.
fn object_created(key: &str, etag: Option<&str>) -> Value {
    json!({"source": "aws.s3", "detail-type": "Object Created",
        "detail": {"bucket": {"name": SOURCE}, "object": {"key": key, "etag": etag}}})
}

/// Returns the outcomes in the log.
fn outcomes(log: &[Value]) -> Vec<&str> {
    log.iter().filter_map(|line| line["outcome"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_shape_gives_the_same_summary() {
    let local = Local::start().await;
    // The fixtures have the entity tag of an empty object.
    let etag = local.store(KEY, Vec::new()).await;
    assert_eq!(etag, "d41d8cd98f00b204e9800998ecf8427e");
    for (name, event) in fixtures!["sns-s3", "eventbridge", "destination-s3", "pipes-eventbridge"] {
        assert_eq!(local.invoke(&event).await, InvocationResult::Response(Value::Null), "{name}");
    }
    for (name, event) in fixtures!["sqs-s3", "sqs-sns-s3", "sqs-eventbridge", "sqs-destination-s3", "pipes-sqs"] {
        assert_eq!(local.invoke(&event).await, InvocationResult::Response(json!({"batchItemFailures": []})), "{name}");
    }
    for (name, event) in fixtures!["s3-batch-v1", "s3-batch-v2"] {
        let InvocationResult::Response(response) = local.invoke(&event).await else { panic!("{name}") };
        assert_eq!(response["results"][0]["resultCode"], "Succeeded", "{name}");
    }
    assert_eq!(local.output_keys().await.len(), 1);
    let written = local.finish();
    let expected = [&["summarized"][..], &["already_summarized"; 10]].concat();
    assert_eq!(outcomes(&written.log), expected);
    assert_eq!(sums(&written.metrics)["ObjectsProcessed"], 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_eventbridge_key_is_raw_or_decoded_if_the_etag_matches() {
    let local = Local::start().await;
    let raw = local.store("a+b%41.log", port_scan().into_bytes()).await;
    let invoked = async |etag: Option<&str>| local.invoke(&object_created("a+b%41.log", etag)).await;
    assert_eq!(invoked(Some(&raw)).await, InvocationResult::Response(Value::Null));
    let decoded = local.store("a bA.log", format!("{}\n", port_scan()).into_bytes()).await;
    println!("-- both exist, and the entity tag identifies one of them");
    assert_eq!(invoked(Some(&decoded)).await, InvocationResult::Response(Value::Null));
    println!("-- only the decoded one exists");
    local.remove("a+b%41.log").await;
    local.delete_outputs().await;
    assert_eq!(invoked(Some(&decoded)).await, InvocationResult::Response(Value::Null));
    println!("-- without an entity tag, or with another one, the decoded key is not used");
    assert_eq!(invoked(None).await, InvocationResult::Response(Value::Null));
    assert_eq!(invoked(Some("0123456789abcdef0123456789abcdef")).await, InvocationResult::Response(Value::Null));

    let written = local.finish();
    let summarized = |line: &&Value| line["outcome"] == "summarized";
    assert_eq!(outcomes(&written.log), ["summarized", "summarized", "summarized", "quarantined", "quarantined"]);
    let stems: Vec<bool> = written
        .log
        .iter()
        .filter(summarized)
        .map(|line| line["summary"].as_str().is_some_and(|key| key.contains("/a_bA-")))
        .collect();
    assert_eq!(stems, [false, true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decoded_key_never_leads_to_an_output_or_other_prefix() {
    let settings = [
        ("OUTPUT_BUCKET", SOURCE),
        ("OUTPUT_PREFIX", "own"),
        ("ALLOWED_SOURCES", &format!("{SOURCE}/a%2F,{SOURCE}/own%2F")),
    ];
    let local = Local::start_with(&settings).await;
    let output = local.store("own/x.log", port_scan().into_bytes()).await;
    let other = local.store("a/x.log", port_scan().into_bytes()).await;
    for (key, etag) in [("own%2Fx.log", &output), ("a%2Fx.log", &other)] {
        assert_eq!(local.invoke(&object_created(key, Some(etag))).await, InvocationResult::Response(Value::Null));
    }
    let reads = local.reads(SOURCE);
    assert_eq!(reads, ["own%2Fx.log", "a%2Fx.log"], "the decoded keys are not requested");
    assert_eq!(outcomes(&local.finish().log), ["quarantined"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_output_is_ignored_by_its_metadata() {
    let local = Local::start().await;
    local.store("x.log", port_scan().into_bytes()).await;
    assert_eq!(local.invoke(&s3_event(&["x.log"])).await, InvocationResult::Response(Value::Null));
    let summary = local.output_keys().await.pop().expect("a summary");
    println!("-- a copy of an output, as if two functions watched each other's outputs");
    local.copy_output(&summary, "copy.log").await;
    assert_eq!(local.invoke(&s3_event(&["copy.log"])).await, InvocationResult::Response(Value::Null));
    let log = local.finish().log;
    assert_eq!(pick(&log[1], &["outcome", "reason"]), json!({"outcome": "ignored", "reason": "flowsentry-output"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_to_the_region_of_the_event() {
    let local = Local::start().await;
    local.store("x.log", Vec::new()).await;
    let mut event = s3_event(&["x.log"]);
    event["Records"][0]["awsRegion"] = json!("eu-central-1");
    assert_eq!(local.invoke(&event).await, InvocationResult::Response(Value::Null));
    assert_eq!(local.regions(SOURCE), ["eu-central-1"]);
    assert_eq!(local.regions(OUTPUT), ["us-east-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_object_is_quarantined() {
    let local = Local::start().await;
    local.store("x.log", Vec::new()).await;
    local.inject_error("GetObject", "x.log", S3ErrorCode::InvalidObjectState);
    assert_eq!(local.invoke(&s3_event(&["x.log"])).await, InvocationResult::Response(Value::Null));
    let receipt = json(&local.output(&local.output_keys().await[0]).await.1);
    assert_eq!(receipt["error"], "archived");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_and_files_do_not_grow_with_invocations() {
    let local = Local::start().await;
    let mut open = Vec::new();
    for n in 0..30 {
        let key = format!("{n}.log");
        local.store(&key, port_scan().into_bytes()).await;
        local.store(&format!("{n}-bad.log"), b"no log\n".to_vec()).await;
        let bad = format!("{n}-bad.log");
        assert_eq!(local.invoke(&s3_event(&[&key, &bad, &key])).await, InvocationResult::Response(Value::Null));
        open.extend(local.open_files());
    }
    println!("open files: {open:?}");
    assert!(open.is_empty() || open[29] <= open[4], "{open:?}");
}
