//! Tasks of S3 Batch Operations: each has a result.

use s3s::S3ErrorCode;
use serde_json::Value;

use super::local::{InvocationResult, Local, OUTPUT, SOURCE, TOPOLOGY};
use super::{json, pick, port_scan, sums};

/// Builds an event with these keys, whose tasks have the keys as ids.
fn job(keys: &[&str]) -> Value {
    let task = |key: &&str| json!({"taskId": key, "s3Key": key, "s3VersionId": null, "s3Bucket": SOURCE});
    let tasks: Vec<Value> = keys.iter().map(task).collect();
    json!({"invocationSchemaVersion": "2.0", "invocationId": "i", "job": {"id": "j"}, "tasks": tasks})
}

/// Delivers an event, and returns the id, code, and text of each result.
async fn results(local: &Local, event: &Value) -> Vec<[String; 3]> {
    let InvocationResult::Response(response) = local.invoke(event).await else { panic!("a response") };
    let names = ["invocationSchemaVersion", "invocationId", "treatMissingKeysAs"];
    let mut expected = pick(event, &names);
    expected["treatMissingKeysAs"] = json!("PermanentFailure");
    assert_eq!(pick(&response, &names), expected);
    let text = |result: &Value, name: &str| result[name].as_str().expect("text").to_owned();
    let results = response["results"].as_array().expect("results").iter();
    results.map(|result| ["taskId", "resultCode", "resultString"].map(|name| text(result, name))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_either_version_gives_the_summary_of_its_object() {
    let local = Local::start().await;
    let events =
        [json(include_bytes!("../../events/s3-batch-v1.json")), json(include_bytes!("../../events/s3-batch-v2.json"))];
    let key = events[0]["tasks"][0]["s3Key"].as_str().expect("a key");
    local.store(key, port_scan().into_bytes()).await;
    for event in &events {
        let results = results(&local, event).await;
        let summary = local.output_keys().await.pop().expect("a summary");
        assert!(summary.starts_with("flowsentry/summaries/account_id=123456789012/region=us-east-1/date=2018-06-20/"));
        let expected = ["dGFza2lkZ29lc2hlcmUK", "Succeeded", &format!("summarized: {summary}")].map(str::to_owned);
        assert_eq!(results, [expected]);
    }
    assert_eq!(local.output_keys().await.len(), 2);
    assert_eq!(sums(&local.finish().metrics)["ObjectsProcessed"], 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_task_has_its_own_result() {
    let local = Local::start().await;
    local.store("good+1.log", port_scan().into_bytes()).await;
    local.store("bad.log", "no\u{1b} log\n".repeat(100).into_bytes()).await;
    local.inject_error("GetObject", "denied", S3ErrorCode::AccessDenied);
    let mut event = job(&["good%2B1.log", "bad.log", "flowsentry/aws-logs-write-test", "denied.log", "gone.log", "x"]);
    event["tasks"][5]["s3Key"] = Value::Null;
    let results = results(&local, &event).await;
    let starts = [
        ("Succeeded", "summarized: flowsentry/summaries/"),
        ("Succeeded", "quarantined: not_a_flow_log: flowsentry/quarantine/"),
        ("Succeeded", "ignored: not-a-log"),
        ("TemporaryFailure", "failed: AccessDenied: GetObject of s3://amzn-s3-demo-bucket/denied.log failed"),
        ("Succeeded", "quarantined: object_deleted: flowsentry/quarantine/"),
        ("PermanentFailure", "failed: unknown_event: unsupported event"),
    ];
    assert_eq!(results.len(), starts.len());
    for ([id, code, text], (index, (expected_code, start))) in results.iter().zip(starts.iter().enumerate()) {
        assert_eq!(
            (id.as_str(), code.as_str()),
            (event["tasks"][index]["taskId"].as_str().expect("an id"), *expected_code)
        );
        assert!(text.starts_with(start), "{text}");
        assert!(text.chars().count() <= 1000 && !text.contains(char::is_control), "{text}");
    }
    let sums = sums(&local.finish().metrics);
    let names = ["ObjectsProcessed", "ObjectsQuarantined", "ObjectsIgnored", "ObjectsFailed"];
    assert_eq!(names.map(|name| sums[name].as_f64()), [1.0, 2.0, 1.0, 2.0].map(Some));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_task_fails_if_the_settings_say_so() {
    let local = Local::start_with(&[("OUTPUT_BUCKET", OUTPUT), ("ON_PERMANENT_FAILURE", "fail")]).await;
    local.store("bad.log", b"no log\n".to_vec()).await;
    let [[_, code, text]] = &results(&local, &job(&["bad.log"])).await[..] else { panic!("one result") };
    assert_eq!(code, "PermanentFailure");
    assert!(text.starts_with(&format!("failed: not_a_flow_log: s3://{SOURCE}/bad.log: not a flow log")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_configuration_all_tasks_are_tried_again() {
    let uri = format!("s3://{TOPOLOGY}/flowsentry.toml");
    let local = Local::start_with(&[("OUTPUT_BUCKET", OUTPUT), ("CONFIG_URI", &uri)]).await;
    for [_, code, text] in results(&local, &job(&["x.log", "y.log"])).await {
        assert_eq!(code, "TemporaryFailure");
        assert!(text.starts_with("failed: config_unavailable: configuration unavailable: "), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_without_an_id_fails_the_invocation() {
    let local = Local::start().await;
    let mut event = job(&["x.log"]);
    event["tasks"][0]["taskId"] = Value::Null;
    let InvocationResult::Error { error_type, message } = local.invoke(&event).await else { panic!("a failure") };
    assert_eq!(error_type, "UnknownEvent");
    assert!(message.starts_with("a task of S3 Batch Operations has no taskId: an object with the keys"), "{message}");
}
