//! Objects that the function ignores: its own outputs, but not objects with similar keys.

use serde_json::Value;

use super::local::{InvocationResult, Local, OUTPUT, SOURCE};
use super::{json, pick, port_scan, s3_event, sums};

#[tokio::test(flavor = "multi_thread")]
async fn own_outputs_and_other_events_are_ignored() {
    let local =
        Local::start_with(&[("OUTPUT_BUCKET", SOURCE), ("OUTPUT_PREFIX", "own"), ("METRICS_NAMESPACE", "Net")]).await;
    let mut event = s3_event(&["own/summaries/x.json", "own%2Ffindings/x.ndjson", "gone.log.gz"]);
    event["Records"][2]["eventName"] = json!("ObjectRemoved:Delete");
    assert_eq!(local.invoke(&event).await, InvocationResult::Response(Value::Null));
    let test_event = json(include_bytes!("../../events/s3-test-event.json"));
    assert_eq!(local.invoke(&test_event).await, InvocationResult::Response(Value::Null));

    let written = local.finish();
    assert_eq!(Value::Object(sums(&written.metrics)), json!({"ObjectsIgnored": 3.0}));
    assert_eq!(written.metrics[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Net");
    let by_reason = written.metrics.iter().filter_map(|document| document.get("Reason"));
    assert_eq!(by_reason.collect::<Vec<_>>(), ["own-output", "own-output", "not-a-creation-event"]);
    let logged: Vec<Value> = written.log.iter().map(|line| pick(line, &["outcome", "reason", "event_name"])).collect();
    let own = json!({"outcome": "ignored", "reason": "own-output", "event_name": null});
    let removed = json!({"outcome": "ignored", "reason": "not-a-creation-event", "event_name": "ObjectRemoved:Delete"});
    assert_eq!(logged, [own.clone(), own, removed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_aws_stores_beside_logs_are_ignored() {
    let local = Local::start().await;
    local.store("exports/aws-logs-write-test.log", Vec::new()).await;
    let beside =
        ["exports/aws-logs-write-test", "firehose/processing-failed%2F2026/11/23/06/x", "decompression-failed/x.gz"];
    let event = s3_event(&[&beside[..], &["exports/aws-logs-write-test.log"]].concat());
    assert_eq!(local.invoke(&event).await, InvocationResult::Response(Value::Null));
    assert_eq!(local.reads(SOURCE), ["exports/aws-logs-write-test.log"], "the others are not requested");
    let written = local.finish();
    let reasons: Vec<&Value> = written.log.iter().map(|line| &line["reason"]).collect();
    assert_eq!(reasons, [&json!("not-a-log"), &json!("not-a-log"), &json!("not-a-log"), &Value::Null]);
    assert_eq!(sums(&written.metrics)["ObjectsIgnored"], 3.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn own_outputs_are_recognized_by_their_key_prefix() {
    let local = Local::start_with(&[("OUTPUT_BUCKET", SOURCE), ("OUTPUT_PREFIX", "/own/flow/")]).await;
    for key in ["team/own/flow/x.log", "own/x.log", "own/flows.log", "own/flow/x.log", "flowsentry/x.log"] {
        local.store(key, port_scan().into_bytes()).await;
    }
    local.writes(SOURCE);
    let event = s3_event(&["team/own/flow/x.log", "own/x.log", "own/flows.log", "flowsentry/x.log"]);
    assert_eq!(local.invoke(&event).await, InvocationResult::Response(Value::Null));
    let written = local.writes(SOURCE);
    assert_eq!(written.len(), 8, "a summary and findings each");
    assert!(written.iter().all(|key| key.starts_with("own/flow/")), "{written:?}");

    // A bucket with notifications for all objects sends events for the outputs too.
    let keys: Vec<&str> = written.iter().map(String::as_str).chain(["own/flow/x.log"]).collect();
    assert_eq!(local.invoke(&s3_event(&keys)).await, InvocationResult::Response(Value::Null));
    assert!(local.writes(SOURCE).is_empty());
    let sums = sums(&local.finish().metrics);
    assert_eq!((&sums["ObjectsProcessed"], &sums["ObjectsIgnored"]), (&json!(4.0), &json!(9.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn output_keys_in_another_bucket_are_read() {
    let local = Local::start_with(&[("OUTPUT_BUCKET", OUTPUT), ("OUTPUT_PREFIX", "/")]).await;
    local.store("flowsentry/x.log", port_scan().into_bytes()).await;
    assert_eq!(local.invoke(&s3_event(&["flowsentry/x.log"])).await, InvocationResult::Response(Value::Null));
    let keys = local.output_keys().await;
    assert!(keys.len() == 2 && keys[0].starts_with("findings/") && keys[1].starts_with("summaries/"), "{keys:?}");
    assert_eq!(Value::Object(object_sums(&local.finish().metrics)), json!({"ObjectsProcessed": 1.0}));

    let local = Local::start().await;
    local.store("flowsentry/x.log", port_scan().into_bytes()).await;
    assert_eq!(local.invoke(&s3_event(&["flowsentry/x.log"])).await, InvocationResult::Response(Value::Null));
    assert_eq!(local.output_keys().await.len(), 2);
}

/// Returns the sums of the metrics of objects.
fn object_sums(metrics: &[Value]) -> serde_json::Map<String, Value> {
    sums(metrics).into_iter().filter(|(name, _)| name.starts_with("Objects")).collect()
}
