//! Tests the function from end to end: the real program, with a Runtime API and an S3 that the test serves on the loopback
//! interface. `cargo test --test end_to_end -- --nocapture` prints all events, results, and outputs.
#![cfg(feature = "aws")]
#![expect(clippy::panic, clippy::print_stdout, reason = "tests print their steps, and fail by a panic")]

#[path = "end_to_end/cloudwatch_logs.rs"]
mod cloudwatch_logs;
#[path = "end_to_end/config.rs"]
mod config;
#[path = "end_to_end/failures.rs"]
mod failures;
#[path = "end_to_end/ignored.rs"]
mod ignored;
#[path = "support/local/mod.rs"]
mod local;
#[path = "end_to_end/log.rs"]
mod log;
#[path = "end_to_end/outputs.rs"]
mod outputs;
#[path = "end_to_end/pipes.rs"]
mod pipes;
#[path = "end_to_end/s3_batch.rs"]
mod s3_batch;
#[path = "end_to_end/settings.rs"]
mod settings;
#[path = "end_to_end/shapes.rs"]
mod shapes;
#[path = "end_to_end/time.rs"]
mod time;
#[path = "end_to_end/topology.rs"]
mod topology;

use std::io::Write;
use std::sync::LazyLock;
use std::time::{Instant, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use flowsentry::record::timestamp::Timestamp;
use serde_json::{Value, json};

use local::{InvocationResult, Local, OUTPUT, SOURCE};

const FILE: &str = "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456";
const HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end \
                      action log-status\n";

/// Returns start and end of a minute ten minutes ago. Metrics are emitted only for data of the last 13 days.
#[expect(clippy::disallowed_methods, reason = "the logs are recent")]
fn window() -> [u64; 2] {
    static START: LazyLock<u64> = LazyLock::new(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
        (now / 60 - 10) * 60
    });
    [*START, *START + 60]
}

/// Formats a log: one source is rejected at 15 ports of a private address, and accepted once.
fn port_scan() -> String {
    let [start, end] = window();
    let record = |port: u16, action: &str| {
        format!("2 123456789012 eni-0a1b 10.0.0.9 10.0.0.5 40000 {port} 6 2 120 {start} {end} {action} OK\n")
    };
    let rejected: String = (1..=15).map(|port| record(port, "REJECT")).collect();
    format!("{HEADER}{rejected}{}", record(443, "ACCEPT"))
}

/// Compresses a text into one gzip member.
fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("writing to memory succeeds");
    encoder.finish().expect("writing to memory succeeds")
}

/// Parses JSON.
fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

/// Builds an S3 notification with these keys.
fn s3_event(keys: &[&str]) -> Value {
    let record = |key: &&str| {
        json!({
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": SOURCE}, "object": {"key": key}},
        })
    };
    json!({"Records": keys.iter().map(record).collect::<Vec<Value>>()})
}

/// Builds a message of an SQS batch.
fn message(id: &str, body: &Value) -> Value {
    json!({"messageId": id, "eventSource": "aws:sqs", "body": body.to_string()})
}

/// Asserts that the documents match the schema.
fn assert_valid(schema: &str, documents: &[Value]) {
    let schema = jsonschema::validator_for(&json(schema.as_bytes())).expect("a schema");
    for document in documents {
        assert_eq!(schema.validate(document).map_err(|error| error.to_string()), Ok(()), "{document}");
    }
}

/// Returns the sums of the metrics without dimensions.
fn sums(metrics: &[Value]) -> serde_json::Map<String, Value> {
    assert_valid(include_str!("emf.schema.json"), metrics);
    let mut sums = serde_json::Map::new();
    let without = |document: &&Value| document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == json!([[]]);
    for document in metrics.iter().filter(without) {
        for metric in document["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().expect("metrics") {
            let name = metric["Name"].as_str().expect("a name");
            let sum = sums.get(name).and_then(Value::as_f64).unwrap_or_default();
            sums.insert(name.to_owned(), json!(sum + document[name].as_f64().expect("a number")));
        }
    }
    sums
}

/// Returns the members with these names.
fn pick(object: &Value, names: &[&str]) -> Value {
    names.iter().map(|name| ((*name).to_owned(), object[*name].clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "the duration is compared with the function's own")]
async fn a_notification_gives_a_summary_findings_and_metrics() {
    let local = Local::start().await;
    let key = format!(
        "team a/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2018/month=06/\
         day=20/{FILE}.log.gz"
    );
    let object = gzip(&port_scan());
    let mut event = json(include_bytes!("../events/s3-put-hive.json"));
    event["Records"][0]["s3"]["object"]["eTag"] = json!(local.store(&key, object.clone()).await);
    let invoked = Instant::now();
    assert_eq!(local.invoke(&event).await, InvocationResult::Response(Value::Null));
    let elapsed_ms = invoked.elapsed().as_secs_f64() * 1000.0;

    let keys = local.output_keys().await;
    let written = local.writes(OUTPUT);
    assert_eq!(written, [keys[1].clone(), keys[0].clone()], "the summary is stored first");
    let folders = "account_id=123456789012/region=us-east-1/date=2018-06-20";
    let name = keys[0].strip_prefix(&format!("flowsentry/findings/{folders}/{FILE}-")).expect("findings first");
    let fingerprint = name.strip_suffix(".ndjson").expect("the findings' extension");
    assert_eq!(fingerprint.len(), 32);
    assert_eq!(keys[1..], [format!("flowsentry/summaries/{folders}/{FILE}-{fingerprint}.json")]);

    let (content_type, summary_bytes) = local.output(&keys[1]).await;
    assert_eq!(content_type, "application/json");
    let summary = json(&summary_bytes);
    assert_valid(include_str!("../docs/summary.schema.json"), std::slice::from_ref(&summary));
    let source = &summary["sources"][0];
    assert_eq!(source["uri"], format!("s3://{SOURCE}/{key}"));
    assert_eq!(
        pick(source, &["bucket", "key", "version_id", "compressed_bytes", "bytes", "records"]),
        json!({
            "bucket": SOURCE, "key": key, "version_id": null,
            "compressed_bytes": object.len(), "bytes": port_scan().len(), "records": 16,
        })
    );
    assert_eq!(source["etag"].as_str().map(str::len), Some(32));
    let [start, end] = window().map(|seconds| Timestamp::from_seconds(seconds).expect("before 9999").to_string());
    assert_eq!(summary["window"], json!({"start": start, "end": end}));
    assert_eq!(summary["traffic"]["rejected"], json!({"flows": 15, "packets": 30, "bytes": 1800}));
    assert_eq!(summary["rejected"]["group_count"], 15);
    assert_eq!((&summary["peering"], &summary["services"]), (&Value::Null, &json!([])), "there is no topology");

    let (content_type, findings_bytes) = local.output(&keys[0]).await;
    assert_eq!(content_type, "application/x-ndjson");
    let findings = json(&findings_bytes);
    assert_eq!(summary["findings"], json!([findings]));
    assert_eq!(
        pick(&findings, &["type", "severity", "subject", "flows"]),
        json!({
            "type": "port-scan", "severity": "high", "flows": 15,
            "subject": {"srcaddr": "10.0.0.9", "dstaddr": "10.0.0.5"},
        })
    );

    // A second delivery changes nothing.
    assert_eq!(local.invoke(&event).await, InvocationResult::Response(Value::Null));
    assert_eq!(local.output_keys().await, keys);
    assert_eq!(local.output(&keys[1]).await.1, summary_bytes);
    assert_eq!(local.output(&keys[0]).await.1, findings_bytes);

    let written = local.finish();
    let [metrics, by_type] = &written.metrics[..] else { panic!("two documents: the second delivery emits none") };
    assert_valid(include_str!("emf.schema.json"), &written.metrics);
    assert_eq!(metrics["_aws"]["Timestamp"], window()[1] * 1000);
    assert_eq!(
        pick(
            metrics,
            &[
                "RecordsProcessed",
                "AcceptedFlows",
                "RejectedFlows",
                "RejectedPackets",
                "RejectedBytes",
                "MalformedRecords",
                "SkippedDataRecords",
                "Findings",
                "ObjectsProcessed",
            ]
        ),
        json!({
            "RecordsProcessed": 16, "AcceptedFlows": 1, "RejectedFlows": 15, "RejectedPackets": 30,
            "RejectedBytes": 1800, "MalformedRecords": 0, "SkippedDataRecords": 0, "Findings": 1,
            "ObjectsProcessed": 1,
        })
    );
    let duration_ms = metrics["ProcessingDuration"].as_f64().expect("a number");
    assert!(duration_ms > 0.0 && duration_ms < elapsed_ms, "{duration_ms} of {elapsed_ms}");
    let logged_ms = written.log[0]["duration_ms"].as_f64().expect("a number");
    assert!(logged_ms + 1.0 > duration_ms, "{duration_ms} to the summary, {logged_ms} in all");
    assert!(metrics["DeliveryLag"].as_u64().is_some_and(|lag| (500..1000).contains(&lag)), "{metrics}");
    assert_eq!(pick(by_type, &["FindingType", "Findings"]), json!({"FindingType": "port-scan", "Findings": 1}));
    assert_eq!(
        pick(&written.log[0], &["outcome", "uri", "records", "findings", "summary"]),
        json!({
            "outcome": "summarized", "uri": format!("s3://{SOURCE}/{key}"), "records": 16, "findings": 1,
            "summary": keys[1],
        })
    );
    assert_eq!((written.log.len(), &written.log[1]["outcome"]), (2, &json!("already_summarized")));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_object_version_has_its_own_outputs() {
    let local = Local::start().await;
    let mut event = json(include_bytes!("../events/s3-put.json"));
    let object = &mut event["Records"][0]["s3"]["object"];
    object["eTag"] = json!(local.store(object["key"].as_str().expect("a key"), gzip(HEADER)).await);
    let object = object.clone();
    assert_eq!(local.invoke(&event).await, InvocationResult::Response(Value::Null));
    let mut suspended = event.clone();
    suspended["Records"][0]["s3"]["object"]["versionId"] = json!("null");
    assert_eq!(local.invoke(&suspended).await, InvocationResult::Response(Value::Null));

    let mut versions = Vec::new();
    for key in local.output_keys().await {
        versions.push(json(&local.output(&key).await.1)["sources"][0]["version_id"].clone());
    }
    assert_eq!(versions.len(), 2);
    assert!(versions.contains(&object["versionId"]) && versions.contains(&Value::Null), "{versions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_failed_messages_of_a_batch_are_returned() {
    let local = Local::start().await;
    let whole = gzip(&port_scan());
    local.store("good.log.gz", whole.clone()).await;
    local.store("cut.log.gz", whole[..whole.len() - 9].to_vec()).await;
    let test_event = json(include_bytes!("../events/s3-test-event.json"));
    let event = json!({"Records": [
        message("cut", &s3_event(&["cut.log.gz"])),
        message("denied", &s3_event(&["denied.log.gz"])),
        message("test", &test_event),
        message("unknown", &json!({"hello": 1})),
        message("good", &s3_event(&["good.log.gz"])),
        message("both", &s3_event(&["cut.log.gz", "denied.log.gz", "good.log.gz"])),
    ]});
    local.inject_error("GetObject", "denied", s3s::S3ErrorCode::AccessDenied);
    let failed = json!({"batchItemFailures": [
        {"itemIdentifier": "denied"}, {"itemIdentifier": "unknown"}, {"itemIdentifier": "both"},
    ]});
    assert_eq!(local.invoke(&event).await, InvocationResult::Response(failed));

    let keys = local.output_keys().await;
    let folders = "account_id=unknown/region=unknown/date=unknown";
    let beginnings = ["findings/{}/good-", "quarantine/{}/cut-", "summaries/{}/good-"];
    assert_eq!(keys.len(), beginnings.len(), "{keys:?}");
    for (key, beginning) in keys.iter().zip(beginnings) {
        assert!(key.starts_with(&format!("flowsentry/{}", beginning.replace("{}", folders))), "{key}");
    }
    let (content_type, receipt) = local.output(&keys[1]).await;
    assert_eq!(content_type, "application/json");
    let receipt = json(&receipt);
    let message = receipt["message"].as_str().expect("a message");
    assert!(message.starts_with("truncated gzip stream at byte"), "{message}");
    let expected = json!({
        "uri": format!("s3://{SOURCE}/cut.log.gz"), "version_id": null, "etag": receipt["etag"],
        "error": "gzip_truncated", "message": message,
    });
    assert_eq!(receipt, expected);
    assert_eq!(receipt["etag"].as_str().map(str::len), Some(32));

    // A batch in AWS's own form: its object is deleted, and its test event succeeds.
    let fixture = json(include_bytes!("../events/sqs-s3.json"));
    assert_eq!(local.invoke(&fixture).await, InvocationResult::Response(json!({"batchItemFailures": []})));

    let written = local.finish();
    let sums = sums(&written.metrics);
    assert_eq!((&sums["ObjectsProcessed"], &sums["RejectedFlows"]), (&json!(1.0), &json!(15.0)));
    assert_eq!((&sums["ObjectsFailed"], &sums["ObjectsQuarantined"]), (&json!(3.0), &json!(2.0)));
    let outcomes: Vec<(&Value, &Value)> = written.log.iter().map(|line| (&line["outcome"], &line["code"])).collect();
    let (summarized, cut) = (("summarized", None), ("quarantined", Some("gzip_truncated")));
    let (denied, unknown) = (("failed", Some("AccessDenied")), ("failed", Some("unknown_event")));
    let message = ("", None);
    let expected = [
        cut,
        denied,
        message,
        unknown,
        message,
        summarized,
        ("already_quarantined", Some("gzip_truncated")),
        denied,
        ("already_summarized", None),
        message,
        ("quarantined", Some("object_deleted")),
    ];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let outcomes: Vec<(String, String)> = outcomes.iter().map(|(a, b)| (text(a), text(b))).collect();
    let expected = expected.map(|(a, b)| (a.to_owned(), b.unwrap_or_default().to_owned()));
    assert_eq!(outcomes, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_members_and_empty_objects_are_summarized() {
    let local = Local::start().await;
    let log = port_scan();
    let (first, second) = log.split_at(log.len() / 2);
    local.store("two members.log.gz", [gzip(first), gzip(second)].concat()).await;
    local.store("empty.log.gz", Vec::new()).await;
    let result = local.invoke(&s3_event(&["two+members.log.gz", "empty.log.gz"])).await;
    assert_eq!(result, InvocationResult::Response(Value::Null));

    let keys = local.output_keys().await;
    assert_eq!(keys.len(), 3, "an empty object has no findings");
    let empty = json(&local.output(&keys[1]).await.1);
    assert_eq!(empty["sources"][0]["key"], "empty.log.gz");
    assert_eq!((&empty["records"]["total"], &empty["window"]), (&json!(0), &Value::Null));
    let two_members = json(&local.output(&keys[2]).await.1);
    assert_eq!(two_members["sources"][0]["key"], "two members.log.gz");
    assert_eq!((&two_members["records"]["total"], &two_members["records"]["malformed"]), (&json!(16), &json!(0)));
    assert_valid(include_str!("../docs/summary.schema.json"), &[empty, two_members]);

    let metrics = local.finish().metrics;
    assert_eq!(metrics.iter().filter(|document| document.get("DeliveryLag").is_some()).count(), 1);
    assert_eq!(sums(&metrics)["ObjectsProcessed"], 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_streamed_not_held_in_memory() {
    let local = Local::start().await;
    let [start, end] = window();
    let record = format!("2 123456789012 eni-0a1b 10.0.0.9 10.0.0.5 40000 22 6 2 120 {start} {end} REJECT OK\n");
    let count = 600_000;
    local.store("plain.log", record.repeat(count).into_bytes()).await;
    assert_eq!(local.invoke(&s3_event(&["plain.log"])).await, InvocationResult::Response(Value::Null));
    let keys = local.output_keys().await;
    let summary = json(&local.output(keys.last().expect("a summary")).await.1);
    assert_eq!(summary["rejected"]["groups"][0]["flows"], count);
    assert_eq!(summary["sources"][0]["bytes"], count * record.len());
    if let Some(peak) = local.peak_memory() {
        println!("{} bytes were read with {peak} bytes of memory", count * record.len());
        assert!(peak < (count * record.len()) as u64, "{peak}");
    }
    assert_eq!(sums(&local.finish().metrics)["RejectedFlows"], 600_000.0);
}
