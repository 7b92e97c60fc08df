//! The log: one JSON object a line whatever happens, of the levels asked for, and never as long as strangers like.

use s3s::S3ErrorCode;
use serde_json::Value;

use super::local::{Answer, Local, OUTPUT};
use super::{json, message, port_scan, s3_event, sums};

/// So much of a stranger's text is shown.
const SHOWN: usize = 1500;

async fn start_at(level: &str) -> Local {
    let local = Local::start_with(&[("OUTPUT_BUCKET", OUTPUT), ("AWS_LAMBDA_LOG_LEVEL", level)]).await;
    local.store("good.log", port_scan().into_bytes()).await;
    local.refuse("GetObject", "denied", S3ErrorCode::AccessDenied);
    local
}

/// The characters of a member.
fn length(line: &Value, name: &str) -> usize {
    line[name].as_str().unwrap_or_else(|| panic!("{name} in {line}")).chars().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn level_error_logs_only_failures_and_keeps_all_metrics() {
    let local = start_at("ERROR").await;
    let event = json!({"Records": [message("1", &s3_event(&["good.log", "denied.log"]))]});
    local.invoke(&event).await;
    let written = local.finish();
    let told: Vec<(&Value, &Value)> = written.log.iter().map(|line| (&line["level"], &line["message"])).collect();
    let error = json!("ERROR");
    assert_eq!(told, [(&error, &json!("object failed")), (&error, &json!("message failed, will be retried"))]);
    let sums = sums(&written.metrics);
    assert_eq!((&sums["ObjectsFailed"], &sums["ObjectsProcessed"]), (&json!(1.0), &json!(1.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn level_debug_includes_the_libraries() {
    let local = start_at("DEBUG").await;
    assert_eq!(local.invoke(&s3_event(&["good.log"])).await, Answer::Response(Value::Null));
    let log = local.finish().log;
    assert!(log.iter().any(|line| line["level"] == "DEBUG"));
    assert!(log.iter().any(|line| line["level"] == "INFO" && line["outcome"] == "summarized"));
}

#[tokio::test(flavor = "multi_thread")]
async fn untrusted_text_in_a_log_line_is_truncated() {
    let local = Local::start().await;
    let long = "x".repeat(5000);
    let denied = s3_event(&[&long]);
    local.refuse("GetObject", "xxx", S3ErrorCode::AccessDenied);
    let Answer::Error { message: of_invocation, .. } = local.invoke(&denied).await else { panic!("it fails") };
    assert!((SHOWN..SHOWN + 100).contains(&of_invocation.len()), "{of_invocation}");
    local.invoke(&json!({"Records": [message(&long, &denied)]})).await;
    let mut removed = denied.clone();
    removed["Records"][0]["eventName"] = json!(format!("ObjectRemoved:{long}"));
    assert_eq!(local.invoke(&removed).await, Answer::Response(Value::Null));

    let log = local.finish().log;
    let with = |name: &str, value: &str| log.iter().find(|line| line[name] == value).expect("such a line");
    let (failed, ignored) = (with("outcome", "failed"), with("outcome", "ignored"));
    assert_eq!((length(failed, "uri"), length(failed, "error")), (SHOWN, SHOWN));
    assert_eq!((length(ignored, "uri"), length(ignored, "event_name")), (SHOWN, SHOWN));
    assert_eq!(length(with("message", "message failed, will be retried"), "message_id"), SHOWN);
    for text in log.iter().filter_map(Value::as_object).flat_map(|line| line.values()).filter_map(Value::as_str) {
        assert!(text.len() < SHOWN + 100, "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_one_line_of_json() {
    // What the runtime does with a memory size that Lambda would never give.
    let settings = [("OUTPUT_BUCKET", OUTPUT), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "much")];
    let (status, log, polls) = Local::start_with(&settings).await.wait().await;
    assert_eq!((status, log.len(), polls), (Some(101), 1, 0));
    assert_eq!((&log[0]["level"], &log[0]["message"]), (&json!("ERROR"), &json!("internal error (panic)")));
    let error = log[0]["error"].as_str().expect("an error");
    assert!(error.contains("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), "{error}");
}
