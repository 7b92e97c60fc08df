//! Settings: each one has an effect, and an invalid one prevents the start.

use serde_json::Value;

use super::local::{Encryption, InvocationResult, Local, OUTPUT, SOURCE};
use super::{json, message, pick, port_scan, s3_event, sums};

/// Starts the function with these settings and the required ones.
async fn start_with(settings: &[(&str, &str)]) -> Local {
    Local::start_with(&[&[("OUTPUT_BUCKET", OUTPUT)], settings].concat()).await
}

/// Summarizes a log. Returns the summary and the keys of all outputs.
async fn summary(local: &Local, log: &str) -> (Value, Vec<String>) {
    local.store("x.log", log.as_bytes().to_vec()).await;
    assert_eq!(local.invoke(&s3_event(&["x.log"])).await, InvocationResult::Response(Value::Null));
    let keys = local.output_keys().await;
    (json(&local.output(keys.last().expect("a summary")).await.1), keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_invalid_settings_are_reported_before_the_first_event() {
    let settings = [
        ("METRICS_NAMESPACE", ":x"),
        ("TOP", "many"),
        ("TOPOLOGY_URI", "s3:x"),
        ("EVENT_BUS_NAME", "my bus"),
        ("LOG_FORMAT", "srcaddr dst-port"),
        ("OUTPUT_KMS_KEY_ARN", "alias/outputs"),
    ];
    let (status, log, polls) = Local::start_with(&settings).await.wait().await;
    assert_eq!((status, log.len(), polls), (Some(1), 1, 0));
    let error = log[0]["error"].as_str().expect("an error");
    for part in [
        "7 invalid environment variable(s): OUTPUT_BUCKET is not set",
        "METRICS_NAMESPACE is \":x\", but must be",
        "TOP is \"many\", but must be",
        "LOG_FORMAT is \"srcaddr dst-port\", but must be a list of flow log fields",
        "unknown field \"dst-port\", did you mean \"dstport\"?",
        "OUTPUT_KMS_KEY_ARN is \"alias/outputs\", but must be the ARN of a KMS key",
        "TOPOLOGY_URI is \"s3:x\", but must be s3://bucket/key.json for one document",
        "EVENT_BUS_NAME is \"my bus\", but must be the name of an event bus or its ARN",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log_format_gives_the_columns_without_a_header() {
    let local = start_with(&[("LOG_FORMAT", "${action} ${dstaddr} ${srcaddr} ${dstport}")]).await;
    let (summary, _) = summary(&local, "REJECT 10.0.0.5 10.0.0.9 22\nACCEPT 10.0.0.5 10.0.0.9 443\n").await;
    assert_eq!(summary["formats"][0]["fields"], json!(["action", "dstaddr", "srcaddr", "dstport"]));
    let group = &summary["rejected"]["groups"][0];
    assert_eq!((&group["srcaddr"], &group["dstport"]), (&json!("10.0.0.9"), &json!(22)));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_above_max_object_bytes_is_quarantined() {
    let log = port_scan();
    let local = start_with(&[("MAX_OBJECT_BYTES", &log.len().to_string())]).await;
    local.store("larger.log", format!("{log}\n").into_bytes()).await;
    assert_eq!(local.invoke(&s3_event(&["larger.log"])).await, InvocationResult::Response(Value::Null));
    let receipt = json(&local.output(&local.output_keys().await[0]).await.1);
    let size = format!(
        "the decompressed text exceeds {} bytes; raise MAX_OBJECT_BYTES (function only) or split the object",
        log.len()
    );
    assert_eq!(pick(&receipt, &["error", "message"]), json!({"error": "too_large", "message": size}));
    assert_eq!(summary(&local, &log).await.0["records"]["total"], 16);

    let sums = sums(&local.finish().metrics);
    assert_eq!((&sums["ObjectsQuarantined"], &sums["ObjectsProcessed"]), (&json!(1.0), &json!(1.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_above_max_lines_is_quarantined() {
    let log = port_scan();
    let local = start_with(&[("MAX_LINES", "17")]).await;
    local.store("longer.log", format!("{log}\n").into_bytes()).await;
    assert_eq!(local.invoke(&s3_event(&["longer.log"])).await, InvocationResult::Response(Value::Null));
    let receipt = json(&local.output(&local.output_keys().await[0]).await.1);
    assert_eq!(receipt["error"], "too_many_lines");
    assert_eq!(summary(&local, &log).await.0["records"]["total"], 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_permanent_failure_fail_fails_the_message() {
    let local = start_with(&[("ON_PERMANENT_FAILURE", "fail")]).await;
    local.store("no-log.txt", b"hello world\n".to_vec()).await;
    let messages = ["no-log.txt", "gone.log"].map(|key| message(key, &s3_event(&[key])));
    let failed = json!({"batchItemFailures": [{"itemIdentifier": "no-log.txt"}, {"itemIdentifier": "gone.log"}]});
    assert_eq!(local.invoke(&json!({"Records": messages})).await, InvocationResult::Response(failed));
    assert!(local.output_keys().await.is_empty());
    let written = local.finish();
    let codes: Vec<&Value> = written.log.iter().filter_map(|line| line.get("code")).collect();
    assert_eq!(codes, ["not_a_flow_log", "object_deleted"]);
    assert_eq!(sums(&written.metrics), *json!({"ObjectsFailed": 2.0}).as_object().expect("an object"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_allowed_sources_are_read() {
    let sources = format!("{SOURCE}/AWSLogs/, elsewhere");
    let local = start_with(&[("ALLOWED_SOURCES", &sources)]).await;
    for key in ["AWSLogs/x.log", "AWSLogsX/x.log", "x.log"] {
        local.store(key, port_scan().into_bytes()).await;
    }
    let event = s3_event(&["AWSLogs/x.log", "AWSLogsX/x.log", "x.log", "AWSLogs%2F..%2Fx.log"]);
    assert_eq!(local.invoke(&event).await, InvocationResult::Response(Value::Null));
    let gets = local.reads(SOURCE);
    assert_eq!(gets, ["AWSLogs/x.log", "AWSLogs/../x.log"], "the others were not requested");
    let sums = sums(&local.finish().metrics);
    assert_eq!((&sums["ObjectsProcessed"], &sums["ObjectsIgnored"]), (&json!(1.0), &json!(2.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn top_is_the_number_of_listed_groups() {
    let local = start_with(&[("TOP", "3")]).await;
    let rejected = summary(&local, &port_scan()).await.0["rejected"].take();
    assert_eq!((&rejected["group_count"], rejected["groups"].as_array().map(Vec::len)), (&json!(15), Some(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_output_is_encrypted_with_the_given_key() {
    const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let local = start_with(&[("OUTPUT_KMS_KEY_ARN", KEY)]).await;
    summary(&local, &port_scan()).await;
    local.store("no-log.txt", b"hello world\n".to_vec()).await;
    assert_eq!(local.invoke(&s3_event(&["no-log.txt"])).await, InvocationResult::Response(Value::Null));
    let encryptions = local.encryptions(OUTPUT);
    let kinds: Vec<&str> = encryptions.iter().filter_map(|(key, _)| key.split('/').nth(1)).collect();
    assert_eq!(kinds, ["summaries", "findings", "quarantine"]);
    for (key, encryption) in encryptions {
        let expected = Encryption { algorithm: "aws:kms".to_owned(), kms_key_id: Some(KEY.to_owned()) };
        assert_eq!(encryption, Some(expected), "{key}");
    }

    let local = start_with(&[]).await;
    summary(&local, &port_scan()).await;
    let encryptions = local.encryptions(OUTPUT);
    assert_eq!(encryptions.len(), 2);
    assert!(encryptions.iter().all(|(_, encryption)| encryption.is_none()), "the bucket decides: {encryptions:?}");
}
