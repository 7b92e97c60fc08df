//! Limits and merging of the evidence. `tests/explain.rs` has the cases of whole logs.

use serde_json::json;

use super::*;
use crate::pipeline::{self, Options};
use crate::topology::describe_output::Resources;

fn topology() -> Topology {
    let document = json!({
        "Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"}],
        "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "VpcId": "vpc-a", "PrivateIpAddress": "10.1.0.5"}],
    });
    let mut resources = Resources::default();
    resources.read("case.json", document.to_string().as_bytes()).expect("JSON");
    Topology::new(resources)
}

/// Reads logs of version 2, one after another, for the way from 10.1.0.5 to the internet at port 443.
fn evidence(logs: &[String]) -> Evidence {
    let topology = topology();
    let (source, destination) = topology.resolve_ends("10.1.0.5", "internet").expect("an interface");
    let question = crate::topology::path::Question { source, destination, protocol: TCP, port: Some(443) };
    let explanation = topology.explain(&question);
    let mut reader = EvidenceReader::new(&topology, &explanation);
    for log in logs {
        let mut one = EvidenceReader::new(&topology, &explanation);
        pipeline::for_each_flow("x.log", log.as_bytes(), &Options::default(), |flow| one.observe(flow))
            .expect("a flow log");
        reader.merge(one);
    }
    reader.finish(Vec::new())
}

fn record(interface: &str, dst: &str) -> String {
    format!("2 1 {interface} 10.1.0.5 {dst} 50000 443 6 1 40 1795413600 1795413660 ACCEPT OK\n")
}

#[test]
fn unanswered_flows_are_unknown_above_the_limit_of_pairs() {
    let log = |first: usize, count: usize| -> String {
        (first..first + count)
            .map(|n| record("eni-1", &format!("52.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255)))
            .collect()
    };
    let flows = |logs: &[String]| {
        let forward = evidence(logs).forward;
        (forward.accepted.flows, forward.unanswered.map(|unanswered| unanswered.flows))
    };
    let limit = MAX_PAIRS as u64;
    assert_eq!(flows(&[log(0, MAX_PAIRS)]), (limit, Some(limit)));
    assert_eq!(flows(&[log(0, MAX_PAIRS + 1)]), (limit + 1, None));
    assert_eq!(flows(&[log(0, MAX_PAIRS), log(MAX_PAIRS, 1)]), (limit + 1, None));
}

#[test]
fn interfaces_have_a_limit() {
    let log: String = (0..300).map(|number| record(&format!("eni-{number:03}"), "52.0.0.1")).collect();
    let forward = evidence(&[log]).forward;
    assert_eq!((forward.accepted.flows, forward.interface_ids.len()), (300, MAX_INTERFACES));
    assert_eq!(forward.interface_ids.last().map(String::as_str), Some("eni-099"));
}

#[test]
fn late_packets_are_unknown_above_the_limit_of_tuples() {
    let topology = topology();
    let (source, destination) = topology.resolve_ends("10.1.0.5", "internet").expect("an interface");
    let question = crate::topology::path::Question { source, destination, protocol: TCP, port: Some(443) };
    let explanation = topology.explain(&question);
    // The rejected flow has no accepted one alike.
    let rejected = |count: usize| {
        let accepted = (0..count).map(|n| record("eni-1", &format!("52.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255)));
        let log = record("eni-1", "53.0.0.1").replace("ACCEPT", "REJECT") + &accepted.collect::<String>();
        let mut reader = EvidenceReader::new(&topology, &explanation);
        pipeline::for_each_flow("x.log", log.as_bytes(), &Options::default(), |flow| reader.observe(flow))
            .expect("a flow log");
        reader.add_rejected();
        reader.sites[0][0].rejected.flows
    };
    assert_eq!([rejected(1), rejected(MAX_TUPLES - 1), rejected(MAX_TUPLES)], [1, 1, 0]);
}
