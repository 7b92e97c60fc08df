//! Cases of the library: questions of flows, words, and verdicts. `tests/explain.rs` has the cases of whole paths.

use serde_json::{Value, json};

use super::*;
use crate::topology::describe_output::Resources;

fn read(document: &Value) -> Topology {
    let mut resources = Resources::default();
    resources.read("case.json", document.to_string().as_bytes()).expect("JSON");
    Topology::new(resources)
}

/// Builds `vpc-hub`, which is peered with two VPCs that have the same block, each with a host 10.2.0.5.
fn hub() -> Topology {
    let vpc = |id: &str, block: &str| json!({"VpcId": id, "CidrBlock": block});
    let subnet = |id: &str, vpc: &str, block: &str| json!({"SubnetId": id, "VpcId": vpc, "CidrBlock": block});
    let connection = |id: &str, accepter: &str| {
        json!({"VpcPeeringConnectionId": id, "Status": {"Code": "active"}, "RequesterVpcInfo": {"VpcId": "vpc-hub", "Region": "r"},
               "AccepterVpcInfo": {"VpcId": accepter, "Region": "r"}})
    };
    let interface = |id: &str, subnet: &str, vpc: &str, address: &str| json!({"NetworkInterfaceId": id, "SubnetId": subnet, "VpcId": vpc, "PrivateIpAddress": address});
    let to_hub = |id: &str, vpc: &str, connection: &str| {
        json!({"RouteTableId": id, "VpcId": vpc, "Associations": [{"Main": true}],
               "Routes": [{"DestinationCidrBlock": "10.1.0.0/16", "VpcPeeringConnectionId": connection}]})
    };
    read(&json!({
        "Vpcs": [vpc("vpc-hub", "10.1.0.0/16"), vpc("vpc-x", "10.2.0.0/16"), vpc("vpc-y", "10.2.0.0/16")],
        "Subnets": [subnet("subnet-hub", "vpc-hub", "10.1.0.0/24"), subnet("subnet-x", "vpc-x", "10.2.0.0/24"),
                    subnet("subnet-y", "vpc-y", "10.2.0.0/24")],
        "VpcPeeringConnections": [connection("pcx-x", "vpc-x"), connection("pcx-y", "vpc-y")],
        "NetworkInterfaces": [interface("eni-hub", "subnet-hub", "vpc-hub", "10.1.0.5"), interface("eni-x", "subnet-x", "vpc-x", "10.2.0.5"),
                              interface("eni-y", "subnet-y", "vpc-y", "10.2.0.5")],
        "RouteTables": [{"RouteTableId": "rtb-hub", "VpcId": "vpc-hub", "Associations": [{"Main": true}],
                         "Routes": [{"DestinationCidrBlock": "10.2.0.0/16", "VpcPeeringConnectionId": "pcx-y"}]},
                        to_hub("rtb-x", "vpc-x", "pcx-x"), to_hub("rtb-y", "vpc-y", "pcx-y")],
    }))
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn question_of_a_flow_is_located_by_its_interface() {
    let topology = hub();
    let ends = |src: &str, dst: &str, interface_id| {
        let question = topology.question_of_flow(address(src), address(dst), 6, Some(443), interface_id);
        [question.source.interface_id(), question.destination.interface_id()]
    };
    assert_eq!(ends("10.1.0.5", "10.2.0.5", Some("eni-hub")), [Some("eni-hub"), Some("eni-y")]);
    assert_eq!(ends("10.2.0.5", "10.1.0.5", Some("eni-x")), [Some("eni-x"), Some("eni-hub")]);
    assert_eq!(ends("10.2.0.5", "10.1.0.5", None), [None, Some("eni-hub")]);
}

#[test]
fn a_source_of_several_vpcs_is_unknown() {
    let topology = hub();
    let question = topology.question_of_flow(address("10.2.0.5"), address("10.1.0.5"), 6, Some(443), None);
    let explanation = topology.explain(&question);
    assert_eq!((explanation.verdict(), explanation.hops.len()), (PathVerdict::Unknown, 1));
    assert_eq!(explanation.hops[0].reason, "several VPCs have 10.2.0.5, and nothing shows which one is meant");
}

#[test]
fn replies_to_the_wrong_vpc_block() {
    let topology = hub();
    let explain = |src: &str, dst: &str, interface_id| {
        topology.explain(&topology.question_of_flow(address(src), address(dst), 6, Some(443), Some(interface_id)))
    };
    // vpc-x asks, but the hub routes the block that both have to vpc-y.
    let explanation = explain("10.2.0.5", "10.1.0.5", "eni-x");
    let hop = explanation.blocked_by().map(Hop::in_words);
    let expected = "peering connection pcx-y: it leads replies to vpc-y, not back to 10.2.0.5 in vpc-x";
    assert_eq!(hop.as_deref(), Some(expected));
    assert_eq!(explanation.verdict(), PathVerdict::Blocked);
    // The network ACLs are missing, so that nothing is reachable for sure.
    let explanation = explain("10.2.0.5", "10.1.0.5", "eni-y");
    assert_eq!((explanation.verdict(), explanation.blocked_by()), (PathVerdict::Unknown, None));
}

#[test]
fn an_empty_topology_explains_nothing() {
    let topology = read(&json!({"Vpcs": []}));
    let explanation =
        topology.explain(&topology.question_of_flow(address("10.0.0.1"), address("10.0.0.2"), 17, None, None));
    assert_eq!((explanation.verdict(), explanation.blocked_by()), (PathVerdict::Unknown, None));
    let reason = "neither 10.0.0.1 nor 10.0.0.2 is in a VPC of the topology";
    assert_eq!(explanation.unknown_at().map(|hop| hop.reason.as_str()), Some(reason));
    assert_eq!(explanation.source.scope, "private");
}
