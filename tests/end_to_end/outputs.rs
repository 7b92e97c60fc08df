//! Outputs that somebody meddled with: nothing is made of what is not understood, and nothing contradicts in silence.

use s3s::S3ErrorCode;
use serde_json::Value;

use super::failures::failure;
use super::local::{Answer, Local, SOURCE};
use super::{json, port_scan, s3_event, sums};

/// One object with a summary whose findings could not be stored.
async fn interrupted() -> (Local, String) {
    let local = Local::start().await;
    local.store("x.log", port_scan().into_bytes()).await;
    local.refuse("PutObject", "/findings/", S3ErrorCode::InternalError);
    failure(&local, &s3_event(&["x.log"])).await;
    local.refuse_nothing();
    let summary = local.output_keys().await.pop().expect("a summary");
    (local, summary)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_summary_is_an_error_and_never_used() {
    for damaged in
        [r#"{"findings": [1, 2]}"#, r#"{"schema": "flowsentry/summary/v1", "sources": [], "findings": []}"#, "no"]
    {
        let (local, summary) = interrupted().await;
        local.replace_output(&summary, damaged.into()).await;
        let message = failure(&local, &s3_event(&["x.log"])).await;
        assert!(message.contains("is not the summary of this object: "), "{message}");
        assert_eq!(local.output_keys().await, std::slice::from_ref(&summary), "nothing is stored");
        local.forget_output(&summary).await;
        assert_eq!(local.invoke(&s3_event(&["x.log"])).await, Answer::Response(Value::Null));
        let keys = local.output_keys().await;
        let summary = json(&local.output(&keys[1]).await.1);
        assert_eq!(summary["findings"], json!([json(&local.output(&keys[0]).await.1)]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_of_a_removed_summary_are_an_error() {
    let local = Local::start().await;
    local.store("x.log", port_scan().into_bytes()).await;
    assert_eq!(local.invoke(&s3_event(&["x.log"])).await, Answer::Response(Value::Null));
    let keys = local.output_keys().await;
    local.forget_output(&keys[1]).await;
    for _ in 0..2 {
        let message = failure(&local, &s3_event(&["x.log"])).await;
        let expected = format!("{} belongs to a summary that was removed", keys[0]);
        assert!(message.contains(&expected), "{message}");
    }
    local.forget_output(&keys[0]).await;
    assert_eq!(local.invoke(&s3_event(&["x.log"])).await, Answer::Response(Value::Null));
    assert_eq!(local.output_keys().await, keys);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_without_metadata_is_completed_from_its_content() {
    let (local, summary) = interrupted().await;
    let bytes = local.output(&summary).await.1;
    local.forget_output(&summary).await;
    local.put_output(&summary, bytes).await;
    assert_eq!(local.invoke(&s3_event(&["x.log"])).await, Answer::Response(Value::Null));
    assert_eq!(local.output_keys().await.len(), 2);

    println!("-- and one without findings has none");
    local.store("quiet.log", Vec::new()).await;
    assert_eq!(local.invoke(&s3_event(&["quiet.log"])).await, Answer::Response(Value::Null));
    let quiet = local.output_keys().await.into_iter().find(|key| key.contains("/quiet-")).expect("a summary");
    let bytes = local.output(&quiet).await.1;
    local.forget_output(&quiet).await;
    local.put_output(&quiet, bytes).await;
    assert_eq!(local.invoke(&s3_event(&["quiet.log"])).await, Answer::Response(Value::Null));
    assert_eq!(local.output_keys().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_version_is_identified_by_its_entity_tag() {
    let local = Local::start().await;
    let etag = local.store("x.log", port_scan().into_bytes()).await;
    let mut event = s3_event(&["x.log"]);
    event["Records"][0]["s3"]["object"]["eTag"] = json!(etag);
    event["Records"][0]["s3"]["object"]["versionId"] = json!("null");
    local.store("x.log", b"another".to_vec()).await;
    assert_eq!(local.invoke(&event).await, Answer::Response(Value::Null));
    assert_eq!(local.finish().log[0]["reason"], "superseded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bucket_does_not_mean_a_deleted_object() {
    for code in [S3ErrorCode::NoSuchBucket, S3ErrorCode::from_bytes(b"NoSuchAccessPoint").expect("a code")] {
        let local = Local::start().await;
        local.refuse("GetObject", "x.log", code);
        let message = failure(&local, &s3_event(&["x.log"])).await;
        assert!(message.contains(&format!("GetObject of s3://{SOURCE}/x.log failed: NoSuch")), "{message}");
        assert!(local.output_keys().await.is_empty());
        assert_eq!(sums(&local.finish().metrics)["ObjectsFailed"], 1.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_head_object_names_the_missing_permission() {
    let local = Local::start().await;
    local.store("x.log", port_scan().into_bytes()).await;
    assert_eq!(local.invoke(&s3_event(&["x.log"])).await, Answer::Response(Value::Null));
    local.refuse("HeadObject", "/summaries/", S3ErrorCode::AccessDenied);
    let message = failure(&local, &s3_event(&["x.log"])).await;
    assert!(message.contains(" failed: AccessDenied: HTTP status 403"), "{message}");
    assert!(message.contains("; the function's role needs s3:GetObject there"), "{message}");
}
