//! The topology of the function: its location, its refreshes, and invocations without a readable topology.

use std::time::{Duration, Instant};

use flowsentry::lambda::document_cache::DocumentCache;
use flowsentry::lambda::document_uri::DocumentUri;
use flowsentry::topology::Topology;
use serde_json::Value;

use super::local::{InvocationResult, Local, OUTPUT, TOPOLOGY};
use super::{assert_valid, json, message, pick, s3_event, sums, window};

const KEY: &str = "vpc/all.json";

/// Longer than a TTL of one second.
const OVER_ONE_SECOND: Duration = Duration::from_millis(1100);

/// Formats records from one VPC to another: two accepted and one rejected.
fn flows() -> Vec<u8> {
    let record = |port: u16, action: &str| {
        let [start, end] = window();
        format!("2 123456789012 eni-a 10.1.0.5 10.2.0.5 40000 {port} 6 2 120 {start} {end} {action} OK\n")
    };
    (record(443, "ACCEPT") + &record(80, "ACCEPT") + &record(22, "REJECT")).into_bytes()
}

fn vpcs() -> Value {
    json!({"Vpcs": [
        {"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"}, {"VpcId": "vpc-b", "CidrBlock": "10.2.0.0/16"},
    ]})
}

fn connections(id: &str) -> Value {
    json!({"VpcPeeringConnections": [{
        "VpcPeeringConnectionId": id, "Status": {"Code": "active"},
        "RequesterVpcInfo": {"VpcId": "vpc-a"}, "AccepterVpcInfo": {"VpcId": "vpc-b"},
    }]})
}

fn interfaces() -> Value {
    json!({"NetworkInterfaces": [{
        "NetworkInterfaceId": "eni-a", "VpcId": "vpc-a", "InterfaceType": "interface",
        "PrivateIpAddresses": [{"PrivateIpAddress": "10.1.0.5"}],
    }]})
}

/// Builds one document with all resources.
fn complete(id: &str) -> String {
    let mut document = vpcs();
    document["VpcPeeringConnections"] = connections(id)["VpcPeeringConnections"].take();
    document.to_string()
}

/// Starts the function with this topology, its TTL in seconds, and a log.
async fn start(uri: &str, ttl: &str, documents: &[(&str, &Value)]) -> Local {
    let uri = format!("s3://{TOPOLOGY}/{uri}");
    let settings = [("OUTPUT_BUCKET", OUTPUT), ("TOPOLOGY_URI", &uri), ("TOPOLOGY_TTL_SECONDS", ttl)];
    let local = Local::start_with_topology(&settings, documents).await;
    local.store("flows.log", flows()).await;
    local
}

/// Deletes the outputs, invokes the function, and returns the new summary.
async fn summary(local: &Local) -> Value {
    local.delete_outputs().await;
    assert_eq!(local.invoke(&s3_event(&["flows.log"])).await, InvocationResult::Response(Value::Null));
    let keys = local.output_keys().await;
    let summary = json(&local.output(keys.last().expect("a summary")).await.1);
    println!("peering: {:#}", summary["peering"]);
    assert_valid(include_str!("../../docs/summary.schema.json"), std::slice::from_ref(&summary));
    summary
}

/// Summarizes the log. Returns the id of the connection with traffic.
async fn connection(local: &Local) -> Value {
    summary(local).await["peering"]["connections"][0]["peering_connection_id"].take()
}

/// Invokes the function, which must fail for lack of a topology. Returns the error message.
async fn unavailable(local: &Local, event: &Value) -> String {
    let InvocationResult::Error { error_type, message } = local.invoke(event).await else { panic!("a failure") };
    assert_eq!(error_type, "TopologyUnavailable");
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topology_is_refreshed_and_the_last_good_one_is_kept() {
    let local = start(KEY, "1", &[]).await;
    println!("-- missing");
    let missing = format!("topology unavailable: GetObject of s3://{TOPOLOGY}/{KEY} failed: NoSuchKey: ");
    let message_of_failure = unavailable(&local, &s3_event(&["flows.log"])).await;
    assert!(message_of_failure.starts_with(&missing), "{message_of_failure}");
    let batch = json!({"Records": [message("1", &s3_event(&["flows.log"]))]});
    unavailable(&local, &batch).await;
    let test_event = json(include_bytes!("../../events/s3-test-event.json"));
    assert_eq!(
        local.invoke(&test_event).await,
        InvocationResult::Response(Value::Null),
        "a test event needs no topology"
    );
    assert!(local.output_keys().await.is_empty());

    println!("-- valid");
    local.set_topology(KEY, Some(&complete("pcx-1"))).await;
    assert_eq!(connection(&local).await, "pcx-1");

    println!("-- broken");
    local.set_topology(KEY, Some(&complete("pcx-2")[..40])).await;
    tokio::time::sleep(OVER_ONE_SECOND).await;
    assert_eq!(connection(&local).await, "pcx-1");

    println!("-- changed");
    local.set_topology(KEY, Some(&complete("pcx-2"))).await;
    tokio::time::sleep(OVER_ONE_SECOND).await;
    assert_eq!(connection(&local).await, "pcx-2");

    println!("-- deleted");
    local.set_topology(KEY, None).await;
    tokio::time::sleep(OVER_ONE_SECOND).await;
    assert_eq!(connection(&local).await, "pcx-2");

    println!("-- restored");
    local.set_topology(KEY, Some(&complete("pcx-1"))).await;
    tokio::time::sleep(OVER_ONE_SECOND).await;
    assert_eq!(connection(&local).await, "pcx-1");

    let written = local.finish();
    assert_eq!(sums(&written.metrics)["TopologyRefreshFailures"], 5.0, "one at the start, and four in invocations");
    let is_topology =
        |line: &&Value| line["message"] == "topology loaded" || line["message"] == "document refresh failed";
    let mut of_topology = written.log.iter().filter(is_topology);
    let mut next = |names: &[&str]| pick(of_topology.next().unwrap_or(&Value::Null), names);
    let (failed, read) =
        (["code", "last_good_in_use"], ["uri", "documents", "vpcs", "peering_connections", "problems"]);
    let failure = |code: &str, in_use: bool| json!({"code": code, "last_good_in_use": in_use});
    let success = json!({
        "uri": format!("s3://{TOPOLOGY}/{KEY}"), "documents": 1, "vpcs": 2, "peering_connections": 1, "problems": 0,
    });
    for _ in 0..3 {
        assert_eq!(next(&failed), failure("NoSuchKey", false));
    }
    assert_eq!(next(&read), success);
    assert_eq!(next(&failed), failure("topology_not_json", true));
    assert_eq!(next(&read), success);
    assert_eq!(next(&failed), failure("NoSuchKey", true));
    assert_eq!(next(&read), success);
    assert_eq!(of_topology.next(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topology_folder_is_read_once_per_ttl() {
    let not_ours = json!("not a document");
    let documents = [
        ("vpc/eu/interfaces.json", &interfaces()),
        ("vpc/peering.json", &connections("pcx-1")),
        ("vpc/vpcs.json", &vpcs()),
        ("vpc/notes.txt", &not_ours),
        ("vpc-old/vpcs.json", &not_ours),
    ];
    let local = start("vpc", "300", &documents).await;
    let first = summary(&local).await;
    let connection = &first["peering"]["connections"][0];
    let traffic = |flows: u64, packets: u64, bytes: u64| json!({"flows": flows, "packets": packets, "bytes": bytes});
    assert_eq!(
        pick(connection, &["peering_connection_id", "status", "accepted", "rejected"]),
        json!({
            "peering_connection_id": "pcx-1", "status": "active",
            "accepted": traffic(2, 4, 240), "rejected": traffic(1, 2, 120),
        })
    );
    assert_eq!(first["services"][0]["service"], "ec2");
    // Two pages of the list, and each document.
    let list = "ListObjectsV2 vpc/";
    let documents = ["GetObject vpc/eu/interfaces.json", "GetObject vpc/peering.json", "GetObject vpc/vpcs.json"];
    assert_eq!(local.topology_reads(), [&[list, list][..], &documents].concat());

    local.set_topology("vpc/peering.json", Some("nonsense")).await;
    assert_eq!(summary(&local).await, first);
    local.store("other.log", flows()).await;
    let result = local.invoke(&s3_event(&["flows.log", "other.log", "flows.log"])).await;
    assert_eq!(result, InvocationResult::Response(Value::Null));
    assert!(local.topology_reads().is_empty(), "no request per object or invocation");

    let written = local.finish();
    let of_connection = written.metrics.iter().filter(|document| document.get("PeeringConnectionId").is_some());
    let of_connection: Vec<Value> = of_connection
        .map(|document| pick(document, &["PeeringConnectionId", "PeeringBytes", "PeeringRejectedFlows"]))
        .collect();
    let expected = json!({"PeeringConnectionId": "pcx-1", "PeeringBytes": 240, "PeeringRejectedFlows": 1});
    assert_eq!(of_connection, vec![expected; 3], "an object that has a summary emits none");
    assert_eq!(sums(&written.metrics).get("TopologyRefreshFailures"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_topology_folder_is_only_listed() {
    let documents = [("vpc/peering.json", &connections("pcx-1")), ("vpc/vpcs.json", &vpcs())];
    let local = start("vpc/", "1", &documents).await;
    assert_eq!(connection(&local).await, "pcx-1");
    let list = "ListObjectsV2 vpc/";
    local.topology_reads();

    tokio::time::sleep(OVER_ONE_SECOND).await;
    assert_eq!(connection(&local).await, "pcx-1");
    assert_eq!(local.topology_reads(), [list]);

    println!("-- one more document, with an invalid resource");
    let subnets = json!({"Subnets": [{"SubnetId": "subnet-a", "VpcId": "vpc-a", "CidrBlock": "10.1.0.0/99"}]});
    local.set_topology("vpc/subnets.json", Some(&subnets.to_string())).await;
    tokio::time::sleep(OVER_ONE_SECOND).await;
    assert_eq!(connection(&local).await, "pcx-1");
    let documents = ["GetObject vpc/peering.json", "GetObject vpc/subnets.json", "GetObject vpc/vpcs.json"];
    assert_eq!(local.topology_reads(), [&[list, list][..], &documents].concat());

    println!("-- two documents deleted");
    local.set_topology("vpc/subnets.json", None).await;
    local.set_topology("vpc/peering.json", None).await;
    tokio::time::sleep(OVER_ONE_SECOND).await;
    let peering = summary(&local).await["peering"].take();
    assert_eq!(
        (&peering["connections"], &peering["vpc_pairs"][0]["peering_connection_id"]),
        (&json!([]), &Value::Null)
    );
    assert_eq!(local.topology_reads(), [list, "GetObject vpc/vpcs.json"]);

    println!("-- none left");
    local.set_topology("vpc/vpcs.json", None).await;
    tokio::time::sleep(OVER_ONE_SECOND).await;
    assert_eq!(summary(&local).await["peering"], peering);
    assert_eq!(local.topology_reads(), [list]);

    let written = local.finish();
    assert_eq!(sums(&written.metrics)["TopologyRefreshFailures"], 1.0);
    let problems: Vec<&Value> = written.log.iter().filter_map(|line| line.get("problem")).collect();
    let problem = format!("s3://{TOPOLOGY}/vpc/subnets.json: subnet-a: \"10.1.0.0/99\" is not a CIDR block");
    assert_eq!(problems, [&json!(problem)]);
    assert!(written.log.iter().any(|line| line["code"] == "topology_missing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_document_is_not_downloaded_or_logged() {
    let all = json(complete("pcx-1").as_bytes());
    let local = start(KEY, "1", &[(KEY, &all)]).await;
    for _ in 0..3 {
        assert_eq!(connection(&local).await, "pcx-1");
        assert_eq!(local.topology_reads(), [format!("GetObject {KEY}")]);
        tokio::time::sleep(OVER_ONE_SECOND).await;
    }
    let written = local.finish();
    assert_eq!(written.log.iter().filter(|line| line["message"] == "topology loaded").count(), 1, "it was loaded once");
    assert_eq!(sums(&written.metrics).get("TopologyRefreshFailures"), None);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "an instant can only come from the clock")]
async fn a_failed_refresh_is_not_repeated_before_the_ttl() {
    let local = Local::start().await;
    let uri = DocumentUri::parse_topology(&format!("s3://{TOPOLOGY}/{KEY}")).expect("a URI");
    let cache = DocumentCache::<Topology>::new(local.client(), uri, Duration::from_secs(300));
    let start = Instant::now();
    let at = |seconds| cache.current(start + Duration::from_secs(seconds), Duration::from_secs(60));
    let get = format!("GetObject {KEY}");
    assert!(at(0).await.expect_err("missing").last_good.is_none());
    assert!(at(1).await.expect_err("missing").last_good.is_none());
    assert_eq!(local.topology_reads(), [&get[..], &get], "without a topology, every call tries again");

    local.set_topology(KEY, Some(&complete("pcx-1"))).await;
    let first = at(2).await.expect("read");
    local.set_topology(KEY, Some("broken")).await;
    assert_eq!(at(301).await.expect("fresh").vpcs().count(), 2);
    assert_eq!(local.topology_reads(), [&get[..]]);

    let failed = at(302).await.expect_err("broken");
    assert_eq!((failed.error.code(), failed.last_good.is_some()), ("topology_not_json", true));
    let stale = at(601).await.expect("the last good one, without a request");
    assert!(std::sync::Arc::ptr_eq(&stale, &first));
    assert_eq!(local.topology_reads(), [&get[..]]);
    assert_eq!(at(602).await.expect_err("broken").error.code(), "topology_not_json");

    local.set_topology(KEY, Some(&complete("pcx-1"))).await;
    assert!(std::sync::Arc::ptr_eq(&at(902).await.expect("back again"), &first), "the topology that was read first");
    assert_eq!(local.topology_reads(), [&get[..], &get]);
}
