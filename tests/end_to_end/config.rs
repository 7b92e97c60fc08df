//! The configuration of the function: its refreshes, and invocations without a usable one.

use std::time::Duration;

use serde_json::Value;

use super::local::{InvocationResult, Local, OUTPUT, TOPOLOGY};
use super::{json, message, pick, port_scan, s3_event, sums};

const KEY: &str = "flowsentry.toml";

/// Longer than a TTL of one second.
const OVER_ONE_SECOND: Duration = Duration::from_millis(1100);

/// Starts the function with a configuration that does not exist yet, and a log in which 15 ports are rejected.
async fn start() -> Local {
    let uri = format!("s3://{TOPOLOGY}/{KEY}");
    let settings = [("OUTPUT_BUCKET", OUTPUT), ("CONFIG_URI", &uri), ("TOPOLOGY_TTL_SECONDS", "1"), ("TOP", "3")];
    let local = Local::start_with(&settings).await;
    local.store("x.log", port_scan().into_bytes()).await;
    local
}

/// Deletes the outputs, invokes the function, and returns the new summary.
async fn summary(local: &Local) -> Value {
    local.delete_outputs().await;
    assert_eq!(local.invoke(&s3_event(&["x.log"])).await, InvocationResult::Response(Value::Null));
    json(&local.output(local.output_keys().await.last().expect("a summary")).await.1)
}

/// Returns the number of findings of the log.
async fn findings(local: &Local) -> Option<usize> {
    summary(local).await["findings"].as_array().map(Vec::len)
}

/// Replaces the configuration, and waits until the function checks it.
async fn set(local: &Local, toml: Option<&str>) {
    local.set_topology(KEY, toml).await;
    tokio::time::sleep(OVER_ONE_SECOND).await;
}

/// Invokes the function, which must fail for lack of a configuration. Returns the error message.
async fn unavailable(local: &Local, event: &Value) -> String {
    let InvocationResult::Error { error_type, message } = local.invoke(event).await else { panic!("a failure") };
    assert_eq!(error_type, "ConfigUnavailable");
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_refreshed_and_the_last_good_one_is_kept() {
    let local = start().await;
    println!("-- missing, then invalid");
    let missing = format!("configuration unavailable: GetObject of s3://{TOPOLOGY}/{KEY} failed: NoSuchKey: ");
    let error = unavailable(&local, &s3_event(&["x.log"])).await;
    assert!(error.starts_with(&missing), "{error}");
    set(&local, Some("port_scan_ports = 0")).await;
    let batch = json!({"Records": [message("1", &s3_event(&["x.log"]))]});
    let invalid = format!(
        "configuration unavailable: s3://{TOPOLOGY}/{KEY}: port_scan_ports is \"0\", but must be an integer from 1 to "
    );
    let error = unavailable(&local, &batch).await;
    assert!(error.starts_with(&invalid), "{error}");
    assert!(local.output_keys().await.is_empty());

    println!("-- valid");
    set(&local, Some("port_scan_ports = 16")).await;
    assert_eq!(findings(&local).await, Some(0), "15 ports are not a scan");

    println!("-- changed");
    set(&local, Some("port_scan_ports = 15")).await;
    let changed = summary(&local).await;
    assert_eq!(changed["findings"][0]["type"], "port-scan");
    assert_eq!(changed["rejected"]["groups"].as_array().map(Vec::len), Some(3), "TOP is a variable");

    println!("-- an unknown name, then deleted: the last good one stays in use");
    for broken in [Some("port_scan_port = 1"), None] {
        set(&local, broken).await;
        assert_eq!(summary(&local).await, changed);
    }

    println!("-- valid again, with a limit");
    set(&local, Some("max_rejected_groups = 4")).await;
    assert_eq!(summary(&local).await["limits_reached"], json!(["max_rejected_groups"]));

    let written = local.finish();
    assert_eq!(sums(&written.metrics)["ConfigRefreshFailures"], 5.0, "one at the start, and four in invocations");
    let mut lines = written.log.iter().filter(|line| line.get("code").is_some() && line.get("document").is_some());
    let mut next = || pick(lines.next().unwrap_or(&Value::Null), &["document", "code", "last_good_in_use"]);
    let failure =
        |code: &str, in_use: bool| json!({"document": "configuration", "code": code, "last_good_in_use": in_use});
    assert_eq!(next(), failure("NoSuchKey", false));
    assert_eq!(next(), failure("NoSuchKey", false));
    assert_eq!(next(), failure("config_invalid", false));
    assert_eq!(next(), failure("config_invalid", true));
    assert_eq!(next(), failure("NoSuchKey", true));
    let loaded = written.log.iter().filter(|line| line["message"] == "configuration loaded").collect::<Vec<_>>();
    assert_eq!(loaded.len(), 3);
    assert_eq!(loaded[0]["uri"], format!("s3://{TOPOLOGY}/{KEY}"));
    assert_eq!(loaded[0]["etag"].as_str().map(str::len), Some(32));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_uses_one_version_of_the_configuration() {
    let uri = format!("s3://{TOPOLOGY}/{KEY}");
    let settings = [("OUTPUT_BUCKET", OUTPUT), ("CONFIG_URI", &uri), ("TOPOLOGY_TTL_SECONDS", "1")];
    let local = Local::start_with(&settings).await;
    for key in ["x.log", "y.log"] {
        local.store(key, port_scan().into_bytes()).await;
    }
    set(&local, Some("port_scan_ports = 16")).await;
    assert_eq!(local.invoke(&s3_event(&["x.log"])).await, InvocationResult::Response(Value::Null));
    local.delete_outputs().await;
    local.topology_reads();
    // The configuration changes while the first object is read, and its TTL ends before the second one.
    set(&local, Some("port_scan_ports = 15")).await;
    local.inject_delay("GetObject", "x.log", OVER_ONE_SECOND);
    assert_eq!(local.invoke(&s3_event(&["x.log", "y.log"])).await, InvocationResult::Response(Value::Null));
    assert_eq!(local.topology_reads(), [format!("GetObject {KEY}")]);
    let kinds: Vec<String> =
        local.output_keys().await.iter().filter_map(|key| key.split('/').nth(1).map(str::to_owned)).collect();
    assert_eq!(kinds, ["findings", "findings", "summaries", "summaries"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_the_configuration_prevent_the_start() {
    let settings = [("OUTPUT_BUCKET", OUTPUT), ("PORT_SCAN_PORTS", "16")];
    let (status, log, polls) = Local::start_with(&settings).await.wait().await;
    assert_eq!((status, log.len(), polls), (Some(1), 1, 0));
    let error = log[0]["error"].as_str().expect("an error");
    let expected = "1 invalid environment variable(s): PORT_SCAN_PORTS is \"16\", but must be unset: write port_scan_ports \
                    into a TOML file in S3 and set CONFIG_URI to its URI";
    assert_eq!(error, expected);
}
