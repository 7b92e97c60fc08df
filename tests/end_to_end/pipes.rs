//! Pipes of EventBridge: an array of messages is a queue, and any other array fails as a whole.

use s3s::S3ErrorCode;
use serde_json::Value;

use super::failures::failure;
use super::local::{InvocationResult, Local};
use super::{json, message, port_scan, s3_event, sums};

#[tokio::test(flavor = "multi_thread")]
async fn only_the_failed_messages_of_a_pipe_are_returned() {
    let local = Local::start().await;
    local.store("good.log", port_scan().into_bytes()).await;
    local.inject_error("GetObject", "denied", S3ErrorCode::AccessDenied);
    let [good, denied] = ["good", "denied"].map(|name| message(name, &s3_event(&[&format!("{name}.log")])));
    let failed = json!({"batchItemFailures": [{"itemIdentifier": "denied"}, {"itemIdentifier": "unknown"}]});
    for _ in 0..2 {
        let batch = json!([good, denied, message("unknown", &json!({"hello": 1}))]);
        assert_eq!(local.invoke(&batch).await, InvocationResult::Response(failed.clone()));
    }
    assert_eq!(local.output_keys().await.len(), 2, "outputs of good.log only");
    let sums = sums(&local.finish().metrics);
    assert_eq!((&sums["ObjectsProcessed"], &sums["ObjectsFailed"]), (&json!(1.0), &json!(4.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_without_ids_fail_the_invocation_together() {
    let local = Local::start().await;
    local.store("good.log", port_scan().into_bytes()).await;
    local.inject_error("GetObject", "denied", S3ErrorCode::AccessDenied);
    let (good, denied) = (s3_event(&["good.log"]), s3_event(&["denied.log"]));
    let message = failure(&local, &json!([denied, good, good])).await;
    assert!(message.starts_with("1 of 3 object(s) failed; first: GetObject of s3://"), "{message}");
    assert_eq!(local.output_keys().await.len(), 2, "the others were read");
    local.clear_faults();
    local.store("denied.log", Vec::new()).await;
    assert_eq!(local.invoke(&json!([denied, good, good])).await, InvocationResult::Response(Value::Null));
    assert_eq!(local.output_keys().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_kinesis_are_a_clear_error() {
    let local = Local::start().await;
    let record = json!({"eventSource": "aws:kinesis", "data": "H4sI", "partitionKey": "1"});
    let message = failure(&local, &json!([record])).await;
    let expected =
        "1 of 1 object(s) failed; first: records of Kinesis Data Streams are not supported; deliver the logs to S3";
    assert!(message.starts_with(expected), "{message}");
    assert_eq!(local.finish().log[0]["code"], "unknown_event");
}
