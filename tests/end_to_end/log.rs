//! The log: every line is one JSON object, has an enabled level, and has a bounded length.

use s3s::S3ErrorCode;
use serde_json::Value;

use super::local::{InvocationResult, Local, OUTPUT};
use super::{json, message, port_scan, s3_event, sums};

/// The maximum number of characters of untrusted text in a log line.
const MAX_TEXT: usize = 1500;

/// Starts the function with this log level, a good object, and an object that cannot be read.
async fn start_at(level: &str) -> Local {
    let local = Local::start_with(&[("OUTPUT_BUCKET", OUTPUT), ("AWS_LAMBDA_LOG_LEVEL", level)]).await;
    local.store("good.log", port_scan().into_bytes()).await;
    local.inject_error("GetObject", "denied", S3ErrorCode::AccessDenied);
    local
}

/// Returns the number of characters of a member.
fn length(line: &Value, name: &str) -> usize {
    line[name].as_str().unwrap_or_else(|| panic!("{name} in {line}")).chars().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn level_error_logs_only_failures_and_keeps_all_metrics() {
    let local = start_at("ERROR").await;
    let event = json!({"Records": [message("1", &s3_event(&["good.log", "denied.log"]))]});
    local.invoke(&event).await;
    let written = local.finish();
    let logged: Vec<(&Value, &Value)> = written.log.iter().map(|line| (&line["level"], &line["message"])).collect();
    let error = json!("ERROR");
    assert_eq!(logged, [(&error, &json!("object failed")), (&error, &json!("message failed, will be retried"))]);
    let sums = sums(&written.metrics);
    assert_eq!((&sums["ObjectsFailed"], &sums["ObjectsProcessed"]), (&json!(1.0), &json!(1.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn level_debug_includes_the_libraries() {
    let local = start_at("DEBUG").await;
    assert_eq!(local.invoke(&s3_event(&["good.log"])).await, InvocationResult::Response(Value::Null));
    let log = local.finish().log;
    assert!(log.iter().any(|line| line["level"] == "DEBUG"));
    assert!(log.iter().any(|line| line["level"] == "INFO" && line["outcome"] == "summarized"));
}

#[tokio::test(flavor = "multi_thread")]
async fn untrusted_text_in_a_log_line_is_truncated() {
    let local = Local::start().await;
    let long = "x".repeat(5000);
    let denied = s3_event(&[&long]);
    local.inject_error("GetObject", "xxx", S3ErrorCode::AccessDenied);
    let InvocationResult::Error { message: error_message, .. } = local.invoke(&denied).await else {
        panic!("a failure")
    };
    assert!((MAX_TEXT..MAX_TEXT + 100).contains(&error_message.len()), "{error_message}");
    local.invoke(&json!({"Records": [message(&long, &denied)]})).await;
    let mut removed = denied.clone();
    removed["Records"][0]["eventName"] = json!(format!("ObjectRemoved:{long}"));
    assert_eq!(local.invoke(&removed).await, InvocationResult::Response(Value::Null));

    let log = local.finish().log;
    let with = |name: &str, value: &str| log.iter().find(|line| line[name] == value).expect("such a line");
    let (failed, ignored) = (with("outcome", "failed"), with("outcome", "ignored"));
    assert_eq!((length(failed, "uri"), length(failed, "error")), (MAX_TEXT, MAX_TEXT));
    assert_eq!((length(ignored, "uri"), length(ignored, "event_name")), (MAX_TEXT, MAX_TEXT));
    assert_eq!(length(with("message", "message failed, will be retried"), "message_id"), MAX_TEXT);
    for text in log.iter().filter_map(Value::as_object).flat_map(|line| line.values()).filter_map(Value::as_str) {
        assert!(text.len() < MAX_TEXT + 100, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_one_line_of_json() {
    // The runtime library panics if Lambda's memory size is not a number.
    let settings = [("OUTPUT_BUCKET", OUTPUT), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "much")];
    let (status, log, polls) = Local::start_with(&settings).await.wait().await;
    assert_eq!((status, log.len(), polls), (Some(101), 1, 0));
    assert_eq!((&log[0]["level"], &log[0]["message"]), (&json!("ERROR"), &json!("internal error (panic)")));
    let error = log[0]["error"].as_str().expect("an error");
    assert!(error.contains("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), "{error}");
}
