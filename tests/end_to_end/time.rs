//! Time that runs out: what is slow takes nothing else with it, and everything is answered before the end.

use std::time::Duration;

use serde_json::Value;

use super::local::{Answer, Local, OUTPUT, TOPOLOGY};
use super::{json, message, port_scan, s3_event, some, sums};

const TOPOLOGY_KEY: &str = "vpc.json";
const LONG: Duration = Duration::from_secs(60);

/// So much time for work, and what the function keeps for its answer.
fn seconds_of_work(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds + 3.75)
}

async fn with_topology(documents: &[(&str, &Value)]) -> Local {
    let uri = format!("s3://{TOPOLOGY}/{TOPOLOGY_KEY}");
    let settings = [("OUTPUT_BUCKET", OUTPUT), ("TOPOLOGY_URI", &uri), ("TOPOLOGY_TTL_SECONDS", "1")];
    let local = Local::start_beside(&settings, documents).await;
    local.store("x.log", port_scan().into_bytes()).await;
    local.store("y.log", port_scan().into_bytes()).await;
    local
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_topology_download_uses_the_last_good_one() {
    let local = with_topology(&[(TOPOLOGY_KEY, &json!({"Vpcs": []}))]).await;
    assert_eq!(local.invoke(&s3_event(&["x.log"])).await, Answer::Response(Value::Null));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    local.delay("GetObject", TOPOLOGY_KEY, LONG);
    let answer = local.invoke_within(seconds_of_work(6.0), &s3_event(&["y.log"])).await;
    assert_eq!(answer, Answer::Response(Value::Null));
    let written = local.finish();
    let sums = sums(&written.metrics);
    assert_eq!((&sums["ObjectsProcessed"], &sums["TopologyRefreshFailures"]), (&json!(2.0), &json!(1.0)));
    let slow = written.log.iter().find(|line| line["code"] == "topology_timeout").expect("a line");
    assert_eq!(slow["last_good_in_use"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_topology_only_objects_to_read_fail() {
    let local = with_topology(&[]).await;
    let test_event = json(include_bytes!("../../events/s3-test-event.json"));
    let messages = [message("test", &test_event), message("read", &s3_event(&["x.log"]))];
    let failed = json!({"batchItemFailures": [{"itemIdentifier": "read"}]});
    assert_eq!(local.invoke(&json!({"Records": messages})).await, Answer::Response(failed));
    let mut removed = s3_event(&["x.log"]);
    removed["Records"][0]["eventName"] = json!("ObjectRemoved:Delete");
    assert_eq!(local.invoke(&removed).await, Answer::Response(Value::Null));

    local.delay("GetObject", TOPOLOGY_KEY, LONG);
    let Answer::Error { error_type, message } = local.invoke_within(seconds_of_work(1.0), &s3_event(&["x.log"])).await
    else {
        panic!("it fails")
    };
    assert_eq!(error_type, "TopologyUnavailable");
    assert!(message.contains("timed out reading s3://"), "{message}");
    let sums = sums(&local.finish().metrics);
    assert_eq!(
        (&sums["ObjectsFailed"], &sums["TopologyRefreshFailures"]),
        (&json!(2.0), &json!(3.0)),
        "once at the start"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_object_leaves_time_for_the_others() {
    let local = Local::start().await;
    for key in ["slow-1.log", "slow-2.log", "good.log"] {
        local.store(key, port_scan().into_bytes()).await;
    }
    local.delay("GetObject", "slow", LONG);
    let messages = ["slow-1", "slow-2", "good"].map(|name| message(name, &s3_event(&[&format!("{name}.log")])));
    let answer = local.invoke_within(seconds_of_work(8.0), &json!({"Records": messages})).await;
    let failed = json!({"batchItemFailures": [{"itemIdentifier": "slow-1"}, {"itemIdentifier": "slow-2"}]});
    assert_eq!(answer, Answer::Response(failed));
    let written = local.finish();
    let codes: Vec<&Value> = written.log.iter().filter_map(|line| line.get("code")).collect();
    assert_eq!(codes, ["deadline_exceeded"; 2]);
    assert_eq!(sums(&written.metrics)["ObjectsProcessed"], 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_not_started_in_time_are_one_log_line() {
    let local = Local::start().await;
    let messages: Vec<Value> = (0..30).map(|n| message(&n.to_string(), &s3_event(&[&format!("{n}.log")]))).collect();
    let answer = local.invoke_within(Duration::from_millis(3200), &json!({"Records": messages})).await;
    let Answer::Response(answer) = answer else { panic!("a queue is answered") };
    assert_eq!(answer["batchItemFailures"].as_array().map(Vec::len), Some(30));
    let written = local.finish();
    let expected = json!({"outcome": "failed", "objects": 30, "code": "deadline_exceeded"});
    assert_eq!((written.log.len(), some(&written.log[0], &["outcome", "objects", "code"])), (1, expected));
    let first = written.log[0]["first"].as_str().expect("names");
    assert!(first.ends_with("/9.log") && first.split(' ').count() == 10, "{first}");
    assert_eq!(sums(&written.metrics)["ObjectsFailed"], 30.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_summary_is_stored_in_the_last_second() {
    let local = Local::start().await;
    local.store("x.log", port_scan().into_bytes()).await;
    local.delay("GetObject", "x.log", Duration::from_millis(700));
    let event = json!({"Records": [message("1", &s3_event(&["x.log"]))]});
    local.invoke_within(seconds_of_work(1.2), &event).await;
    assert!(local.writes(OUTPUT).is_empty());
    local.refuse_nothing();
    local.delay("PutObject", "summaries", Duration::from_millis(900));
    let done = Answer::Response(json!({"batchItemFailures": []}));
    assert_eq!(local.invoke_within(seconds_of_work(4.0), &event).await, done);
    assert_eq!(sums(&local.finish().metrics)["ObjectsProcessed"], 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_analyses_do_not_accumulate_in_memory() {
    let local = Local::start().await;
    let record = |n: u32| {
        let source = std::net::Ipv4Addr::from(0x0a00_0000 + n);
        format!("2 1 eni-1 {source} 10.9.9.9 40000 22 6 2 120 1529511600 1529511660 REJECT OK\n")
    };
    let log: String = (0..20_000).map(record).collect();
    local.store("x.log", log.clone().into_bytes()).await;
    assert_eq!(local.invoke(&s3_event(&["x.log"])).await, Answer::Response(Value::Null));
    let Some(of_one) = local.peak_memory() else { return };
    local.forget_outputs().await;
    for _ in 0..8 {
        local.invoke_within(seconds_of_work(0.2), &s3_event(&["x.log"])).await;
    }
    let of_all = local.peak_memory().expect("as before");
    println!("peak memory: {of_one} bytes of one analysis, {of_all} of eight that were given up");
    assert!(of_all < of_one + of_one / 2, "{of_one} {of_all}");
}
