//! Failures that are retried: each has a code, leaves no summary, and does not affect other objects.

use s3s::S3ErrorCode;
use serde_json::Value;

use super::local::{InvocationResult, Local, OUTPUT, SOURCE, TRUNCATED_IN_TRANSIT};
use super::{gzip, json, message, pick, port_scan, s3_event, sums};

/// Invokes the function, which must fail with `ObjectsFailed`. Returns the error message.
pub async fn failure(local: &Local, event: &Value) -> String {
    let InvocationResult::Error { error_type, message } = local.invoke(event).await else { panic!("a failure") };
    assert_eq!(error_type, "ObjectsFailed");
    message
}

/// Returns the codes of the failed objects in the log.
fn codes(log: &[Value]) -> Vec<&str> {
    let failed = log.iter().filter(|line| line["outcome"] == "failed");
    failed.map(|line| line["code"].as_str().expect("a code")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_named_and_the_function_continues() {
    let local = Local::start().await;
    local.store("good.log", port_scan().into_bytes()).await;
    local.inject_error("GetObject", "denied", S3ErrorCode::AccessDenied);
    let message = failure(&local, &s3_event(&["den%1B%E2%80%AEied denied.log.gz", "good.log"])).await;
    let first = format!(
        r"1 of 2 object(s) failed; first: GetObject of s3://{SOURCE}/den\u{{1b}}\u{{202e}}ied denied.log.gz failed: AccessDenied: "
    );
    assert!(message.starts_with(&first), "{message}");
    assert!(message.contains("; the function's role needs s3:GetObject there"), "{message}");
    assert_eq!(local.output_keys().await.len(), 2, "the other object was read");

    let result = local.invoke(&json!({"detail": {}, "source": "aws.ec2"})).await;
    let InvocationResult::Error { error_type, message } = result else { panic!("a failure") };
    assert_eq!(error_type, "UnknownEvent");
    assert!(message.ends_with("an object with the keys \"detail\", \"source\""), "{message}");
    let unknown = message;

    let written = local.finish();
    assert_eq!(sums(&written.metrics)["ObjectsFailed"], 1.0);
    assert!(written.log.iter().any(|line| line["message"] == format!("UnknownEvent: {unknown}")));
    let codes: Vec<&str> = written.log.iter().filter_map(|line| line["code"].as_str()).collect();
    assert_eq!(codes, ["AccessDenied"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_truncated_in_transit_is_a_failure() {
    let local = Local::start().await;
    let key = format!("x{TRUNCATED_IN_TRANSIT}");
    // The object is large enough that its first bytes are sent.
    local.store(&key, port_scan().repeat(1000).into_bytes()).await;
    let result = local.invoke(&s3_event(&[&key])).await;
    let InvocationResult::Error { message, .. } = result else { panic!("a failure") };
    assert!(message.contains(&format!("s3://{SOURCE}/{key}: reading failed: ")), "{message}");
    assert!(local.output_keys().await.is_empty());
    assert!(local.finish().log.iter().any(|line| line["code"] == "read_failed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_error_fails_one_object_and_the_others_are_read() {
    let local = Local::start().await;
    for key in ["denied.log", "good.log", "broken.log"] {
        local.store(key, port_scan().into_bytes()).await;
    }
    local.inject_error("GetObject", "denied", S3ErrorCode::AccessDenied);
    local.inject_error("GetObject", "broken", S3ErrorCode::InternalError);
    let messages = ["denied", "good", "broken"].map(|name| message(name, &s3_event(&[&format!("{name}.log")])));
    let failed = json!({"batchItemFailures": [{"itemIdentifier": "denied"}, {"itemIdentifier": "broken"}]});
    assert_eq!(local.invoke(&json!({"Records": messages})).await, InvocationResult::Response(failed));
    let keys = local.output_keys().await;
    assert_eq!(keys.len(), 2, "outputs of good.log only");
    assert!(keys.iter().all(|key| key.contains("/good-")));

    let message = failure(&local, &s3_event(&["denied.log", "broken.log"])).await;
    let first = format!("2 of 2 object(s) failed; first: GetObject of s3://{SOURCE}/denied.log failed: AccessDenied");
    assert!(message.starts_with(&first), "{message}");
    assert_eq!(local.output_keys().await, keys);

    let written = local.finish();
    assert_eq!(codes(&written.log), ["AccessDenied", "InternalError"].repeat(2));
    let sums = sums(&written.metrics);
    assert_eq!((&sums["ObjectsFailed"], &sums["ObjectsProcessed"]), (&json!(4.0), &json!(1.0)));
    assert_eq!(sums.get("ObjectsIgnored"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_stores_missing_findings_and_repeats_no_metrics() {
    let local = Local::start().await;
    local.store("good.log.gz", gzip(&port_scan())).await;
    local.inject_error("PutObject", "/findings/", S3ErrorCode::InternalError);
    let message = failure(&local, &s3_event(&["good.log.gz"])).await;
    let first = format!("1 of 1 object(s) failed; first: PutObject of s3://{OUTPUT}/flowsentry/findings/");
    assert!(message.starts_with(&first) && message.contains(" failed: InternalError: "), "{message}");
    let keys = local.output_keys().await;
    assert!(keys.len() == 1 && keys[0].contains("/summaries/"), "{keys:?}");

    local.clear_faults();
    assert_eq!(local.invoke(&s3_event(&["good.log.gz"])).await, InvocationResult::Response(Value::Null));
    let now = local.output_keys().await;
    assert_eq!((now.len(), &now[1]), (2, &keys[0]));
    let summary = json(&local.output(&now[1]).await.1);
    assert_eq!(summary["findings"], json!([json(&local.output(&now[0]).await.1)]));

    let written = local.finish();
    assert_eq!(codes(&written.log), ["InternalError"]);
    let sums = sums(&written.metrics);
    assert_eq!((&sums["ObjectsFailed"], &sums["ObjectsProcessed"]), (&json!(1.0), &json!(1.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_that_cannot_be_stored_emits_no_metrics() {
    let local = Local::start().await;
    local.store("good.log.gz", gzip(&port_scan())).await;
    local.inject_error("PutObject", "/summaries/", S3ErrorCode::AccessDenied);
    let message = failure(&local, &s3_event(&["good.log.gz"])).await;
    let first = format!("1 of 1 object(s) failed; first: PutObject of s3://{OUTPUT}/flowsentry/summaries/");
    assert!(message.starts_with(&first) && message.contains(" failed: AccessDenied: "), "{message}");
    assert!(
        message.ends_with("needs s3:PutObject there, and kms:GenerateDataKey if the bucket is encrypted with KMS"),
        "{message}"
    );
    assert!(local.output_keys().await.is_empty());

    local.clear_faults();
    assert_eq!(local.invoke(&s3_event(&["good.log.gz"])).await, InvocationResult::Response(Value::Null));
    assert_eq!(local.output_keys().await.len(), 2);

    let written = local.finish();
    assert_eq!(codes(&written.log), ["AccessDenied"]);
    let sums = sums(&written.metrics);
    let counts = [&sums["ObjectsFailed"], &sums["ObjectsProcessed"], &sums["RecordsProcessed"]];
    assert_eq!(counts, [&json!(1.0), &json!(1.0), &json!(16.0)], "the first attempt emits nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_replaced_before_it_was_read_is_ignored() {
    let local = Local::start().await;
    let etag = local.store("x.log", port_scan().into_bytes()).await;
    let mut event = s3_event(&["x.log"]);
    event["Records"][0]["s3"]["object"]["eTag"] = json!(etag);
    let newer = local.store("x.log", b"another".to_vec()).await;
    assert_eq!(local.invoke(&event).await, InvocationResult::Response(Value::Null));
    println!("-- the newer version cannot be looked up");
    local.inject_error("HeadObject", "x.log", S3ErrorCode::AccessDenied);
    assert_eq!(local.invoke(&event).await, InvocationResult::Response(Value::Null));
    assert!(local.output_keys().await.is_empty());
    let written = local.finish();
    let names = ["outcome", "reason", "etag", "version_id", "current_etag", "current_version_id"];
    let expected = |current_etag: Option<String>| {
        json!({
            "outcome": "ignored", "reason": "superseded", "etag": etag, "version_id": null,
            "current_etag": current_etag, "current_version_id": null,
        })
    };
    let logged: Vec<Value> = written.log.iter().map(|line| pick(line, &names)).collect();
    assert_eq!(logged, [expected(Some(newer)), expected(None)]);
    assert_eq!(sums(&written.metrics), *json!({"ObjectsIgnored": 2.0}).as_object().expect("an object"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_of_a_deleted_object_is_completed() {
    let local = Local::start().await;
    let etag = local.store("x.log", port_scan().into_bytes()).await;
    let mut event = s3_event(&["x.log"]);
    event["Records"][0]["s3"]["object"]["eTag"] = json!(etag);
    local.inject_error("PutObject", "/findings/", S3ErrorCode::InternalError);
    failure(&local, &event).await;
    local.clear_faults();
    local.remove("x.log").await;
    assert_eq!(local.invoke(&event).await, InvocationResult::Response(Value::Null));
    let keys = local.output_keys().await;
    assert!(keys.len() == 2 && keys[0].contains("/findings/") && keys[1].contains("/summaries/"), "{keys:?}");
    let outcomes: Vec<Value> = local.finish().log.into_iter().filter_map(|line| line.get("outcome").cloned()).collect();
    assert_eq!(outcomes, ["failed", "already_summarized"]);
}
