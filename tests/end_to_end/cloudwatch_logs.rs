//! Subscriptions of CloudWatch Logs: the promises of objects hold for log events too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::failures::failure;
use super::local::{InvocationResult, Local, OUTPUT, SOURCE};
use super::{assert_valid, gzip, json, message, pick, port_scan, s3_event, sums};

const DONE: InvocationResult = InvocationResult::Response(Value::Null);

/// Settings by which a message of one token is a record.
const ONE_COLUMN: [(&str, &str); 2] = [("OUTPUT_BUCKET", OUTPUT), ("LOG_FORMAT", "interface-id")];

/// Builds the event of these messages, whose first and last event have these ids.
fn log_events(log_group: &str, ids: [&str; 2], messages: &[&str]) -> Value {
    let last = messages.len() - 1;
    let event = |(index, message): (usize, &&str)| {
        let id = if index == last { ids[1].to_owned() } else { format!("{}{index}", ids[0]) };
        json!({"id": id, "timestamp": 1_529_511_600_000_u64, "message": message})
    };
    let message = json!({
        "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": log_group, "logStream": "eni-0a1b-all",
        "subscriptionFilters": ["all"], "logEvents": messages.iter().enumerate().map(event).collect::<Vec<Value>>(),
    });
    json!({"awslogs": {"data": STANDARD.encode(gzip(&message.to_string()))}})
}

/// Returns the outcome and the reason in each line of the log that has an outcome.
fn outcomes(log: &[Value]) -> Vec<Value> {
    let with_outcome = log.iter().filter(|line| line.get("outcome").is_some());
    with_outcome.map(|line| pick(line, &["outcome", "reason"])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn log_events_have_one_summary_however_often_they_arrive() {
    let local = Local::start_with(&ONE_COLUMN).await;
    let event = log_events("/vpc/flow-logs", ["1", "2"], &["eni-0a1b", "eni-0a1b"]);
    assert_eq!(local.invoke(&event).await, DONE);
    let keys = local.output_keys().await;
    let folders = "account_id=123456789012/region=us-east-1/date=2018-06-20";
    let [key] = &keys[..] else { panic!("one summary: {keys:?}") };
    assert!(key.starts_with(&format!("flowsentry/summaries/{folders}/eni-0a1b-all-")), "{key}");
    let stored = local.output(key).await;
    let summary = json(&stored.1);
    assert_valid(include_str!("../../docs/summary.schema.json"), std::slice::from_ref(&summary));
    let source = &summary["sources"][0];
    assert_eq!(source["uri"], "cloudwatch-logs:/vpc/flow-logs/eni-0a1b-all:10-2");
    let names = ["owner", "log_group", "log_stream", "first_event_id", "last_event_id"];
    let expected = json!({
        "owner": "123456789012", "log_group": "/vpc/flow-logs", "log_stream": "eni-0a1b-all",
        "first_event_id": "10", "last_event_id": "2",
    });
    assert_eq!(pick(source, &names), expected);
    assert_eq!((source.get("bucket"), source.get("etag")), (None, None));

    println!("-- again, in every envelope");
    let failed = json!({"version": "1.0", "requestPayload": event});
    assert_eq!(local.invoke(&event).await, DONE);
    assert_eq!(local.invoke(&failed).await, DONE);
    assert_eq!(local.invoke(&json!([event])).await, DONE);
    for body in [&event, &failed] {
        let done = InvocationResult::Response(json!({"batchItemFailures": []}));
        assert_eq!(local.invoke(&json!({"Records": [message("1", body)]})).await, done);
    }
    assert_eq!(local.output_keys().await, keys);
    assert_eq!(local.output(key).await, stored);

    println!("-- removed, and delivered again: the same bytes");
    local.delete_outputs().await;
    assert_eq!(local.invoke(&event).await, DONE);
    assert_eq!(local.output(key).await, stored);
    println!("-- other log events");
    assert_eq!(local.invoke(&log_events("/vpc/flow-logs", ["1", "3"], &["eni-0a1b", "eni-0a1b"])).await, DONE);
    assert_eq!(local.output_keys().await.len(), 2);
    assert_eq!(local.reads(SOURCE), [""; 0]);

    let written = local.finish();
    assert_eq!(sums(&written.metrics)["ObjectsProcessed"], 3.0);
    let first: Vec<bool> = outcomes(&written.log).iter().map(|line| line["outcome"] == "summarized").collect();
    assert_eq!(first, [true, false, false, false, false, false, true, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn log_events_that_are_no_flow_log_are_quarantined() {
    let event = log_events("/vpc/flow-logs", ["1", "2"], &["hello", "how are you?"]);
    let local = Local::start().await;
    assert_eq!(local.invoke(&event).await, DONE);
    assert_eq!(local.invoke(&event).await, DONE);
    let keys = local.output_keys().await;
    let [key] = &keys[..] else { panic!("one receipt: {keys:?}") };
    assert!(
        key.starts_with("flowsentry/quarantine/account_id=123456789012/region=us-east-1/date=2018-06-20/"),
        "{key}"
    );
    let receipt = json(&local.output(key).await.1);
    let names = ["uri", "version_id", "etag", "error"];
    let uri = "cloudwatch-logs:/vpc/flow-logs/eni-0a1b-all:10-2";
    let expected = json!({"uri": uri, "version_id": null, "etag": null, "error": "not_a_flow_log"});
    assert_eq!(pick(&receipt, &names), expected);
    assert_eq!(sums(&local.finish().metrics)["ObjectsQuarantined"], 1.0);

    let local = Local::start_with(&[("OUTPUT_BUCKET", OUTPUT), ("ON_PERMANENT_FAILURE", "fail")]).await;
    let message = failure(&local, &json!([event])).await;
    assert!(message.starts_with(&format!("1 of 1 object(s) failed; first: {uri}: not a flow log")), "{message}");
    assert!(local.output_keys().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn control_messages_and_other_log_groups_are_ignored() {
    let allowed = format!("{SOURCE}/x, cloudwatch-logs:/vpc/");
    let [bucket, format] = ONE_COLUMN;
    let local = Local::start_with(&[bucket, format, ("ALLOWED_SOURCES", &allowed)]).await;
    let control = json(include_bytes!("../../events/cloudwatch-logs-control.json"));
    assert_eq!(local.invoke(&control).await, DONE);
    assert_eq!(local.invoke(&log_events("/other/flow-logs", ["1", "2"], &["eni-0a1b"])).await, DONE);
    assert_eq!(local.invoke(&log_events("/vpc/flow-logs", ["1", "2"], &["eni-0a1b"])).await, DONE);
    assert_eq!(local.output_keys().await.len(), 1);
    let written = local.finish();
    let ignored = |reason: &str| json!({"outcome": "ignored", "reason": reason});
    let summarized = json!({"outcome": "summarized", "reason": null});
    assert_eq!(outcomes(&written.log), [ignored("control-message"), ignored("not-allowed"), summarized]);
    assert_eq!(sums(&written.metrics)["ObjectsIgnored"], 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn log_events_that_cannot_be_identified_fail_the_invocation() {
    let local = Local::start().await;
    let whole = json(include_bytes!("../../events/cloudwatch-logs.json"));
    let data = STANDARD.decode(whole["awslogs"]["data"].as_str().expect("text")).expect("base64");
    let cut = json!({"awslogs": {"data": STANDARD.encode(&data[..data.len() - 9])}});
    let InvocationResult::Error { error_type, message: error } = local.invoke(&cut).await else { panic!("a failure") };
    assert_eq!(error_type, "UnknownEvent");
    assert!(error.starts_with("the log events of CloudWatch Logs cannot be read: truncated gzip stream"), "{error}");

    println!("-- in a batch, only its message fails");
    local.store("x.log", port_scan().into_bytes()).await;
    let batch = json!({"Records": [message("cut", &cut), message("good", &s3_event(&["x.log"]))]});
    let failed = json!({"batchItemFailures": [{"itemIdentifier": "cut"}]});
    assert_eq!(local.invoke(&batch).await, InvocationResult::Response(failed));
    assert_eq!(local.output_keys().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_messages_are_records_in_the_columns_of_the_log_group() {
    let local = Local::start().await;
    assert_eq!(local.invoke(&json(include_bytes!("../../events/cloudwatch-logs.json"))).await, DONE);
    let keys = local.output_keys().await;
    assert_eq!(keys.len(), 2, "a summary and its findings");
    let summary = json(&local.output(&keys[1]).await.1);
    assert_eq!((&summary["records"]["total"], &summary["records"]["rejected"]), (&json!(16), &json!(15)));
    assert_eq!(summary["findings"][0]["type"], "port-scan");
    assert_eq!(summary["window"], json!({"start": "2018-06-20T16:20:00Z", "end": "2018-06-20T16:21:00Z"}));

    let uri = format!("s3://{}/flowsentry.toml", super::local::TOPOLOGY);
    let config = json!("[log_formats]\n\"cloudwatch-logs:/vpc/\" = \"srcaddr action dstaddr\"");
    let local = Local::start_with(&[("OUTPUT_BUCKET", OUTPUT), ("CONFIG_URI", &uri)]).await;
    local.set_topology("flowsentry.toml", config.as_str()).await;
    let event = log_events("/vpc/flow-logs", ["1", "2"], &["10.0.0.1 REJECT 10.0.0.2"]);
    assert_eq!(local.invoke(&event).await, DONE);
    let summary = json(&local.output(&local.output_keys().await[0]).await.1);
    assert_eq!(summary["rejected"]["groups"][0]["srcaddr"], "10.0.0.1");
}
