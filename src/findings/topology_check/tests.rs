use serde_json::{Value, json};

use super::*;
use crate::topology::describe_output::Resources;

fn vpc(id: &str, block: &str) -> Value {
    json!({"VpcId": id, "CidrBlock": block})
}

fn connection(id: &str, status: &str, requester: &str, accepter: &str) -> Value {
    json!({
        "VpcPeeringConnectionId": id,
        "Status": {"Code": status},
        "RequesterVpcInfo": {"VpcId": requester},
        "AccepterVpcInfo": {"VpcId": accepter},
    })
}

fn table(id: &str, vpc_id: &str, routes: &[(&str, &str, &str)]) -> Value {
    let route = |(destination, connection, state): &(&str, &str, &str)| {
        let kind = if destination.starts_with("pl-") { "DestinationPrefixListId" } else { "DestinationCidrBlock" };
        json!({kind: destination, "VpcPeeringConnectionId": connection, "State": state})
    };
    json!({"RouteTableId": id, "VpcId": vpc_id, "Routes": routes.iter().map(route).collect::<Vec<_>>()})
}

/// Returns type, severity, and subject of each finding.
fn found(document: &Value) -> Vec<(&'static str, &'static str, Value)> {
    let mut resources = Resources::default();
    resources.read("case.json", document.to_string().as_bytes()).expect("JSON");
    let check = check(&Topology::new(resources));
    let subject = |finding: &TopologyFinding| serde_json::to_value(&finding.subject).expect("JSON");
    check.findings.iter().map(|f| (f.finding_type.name(), f.severity.name(), subject(f))).collect()
}

#[test]
fn overlapping_blocks_are_found_if_a_peer_can_reach_both() {
    let overlap = |blocks: [&str; 3], connections: Vec<Value>| {
        let vpcs = [vpc("vpc-a", blocks[0]), vpc("vpc-b", blocks[1]), vpc("vpc-c", blocks[2])];
        found(&json!({"Vpcs": vpcs, "VpcPeeringConnections": connections}))
    };
    let hub =
        || vec![connection("pcx-ab", "active", "vpc-a", "vpc-b"), connection("pcx-bc", "active", "vpc-b", "vpc-c")];
    let subject = json!({"vpc_ids": ["vpc-a", "vpc-c"]});
    let expected = vec![("overlapping-cidr", "medium", subject.clone())];
    assert_eq!(overlap(["10.1.0.0/16", "10.2.0.0/16", "10.1.128.0/17"], hub()), expected);
    let direct = vec![connection("pcx-ac", "active", "vpc-a", "vpc-c")];
    let expected = vec![("overlapping-cidr", "high", subject)];
    assert_eq!(overlap(["10.1.0.0/16", "10.2.0.0/16", "10.1.128.0/17"], direct), expected);
    // No overlap, no common peer, or a common peer only over an inactive connection.
    assert_eq!(overlap(["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"], hub()), vec![]);
    assert_eq!(overlap(["10.1.0.0/16", "10.2.0.0/16", "10.1.0.0/16"], hub()[..1].to_vec()), vec![]);
    let inactive = vec![hub()[0].clone(), connection("pcx-bc", "expired", "vpc-b", "vpc-c")];
    assert_eq!(overlap(["10.1.0.0/16", "10.2.0.0/16", "10.1.0.0/16"], inactive), vec![]);
}

#[test]
fn a_side_without_a_route_is_found() {
    let routes = |routes_of_a: &[(&str, &str, &str)], status: &str| {
        found(&json!({
            "Vpcs": [vpc("vpc-a", "10.1.0.0/16"), vpc("vpc-b", "10.2.0.0/16")],
            "VpcPeeringConnections": [connection("pcx-ab", status, "vpc-a", "vpc-b")],
            "RouteTables": [table("rtb-a", "vpc-a", routes_of_a)],
        }))
    };
    let missing = ("missing-route", "medium", json!({"vpc_id": "vpc-a", "peering_connection_id": "pcx-ab"}));
    // No route table of vpc-b is known, so it is not checked.
    assert_eq!(routes(&[], "active"), vec![missing.clone()]);
    assert_eq!(routes(&[("10.3.0.0/16", "pcx-ab", "active")], "active"), vec![missing.clone()]);
    assert_eq!(routes(&[("10.2.0.0/16", "pcx-other", "active")], "active"), vec![missing]);
    // The whole block, a part of it, a larger block, or a prefix list.
    for destination in ["10.2.0.0/16", "10.2.3.4/32", "10.0.0.0/8", "pl-1"] {
        assert_eq!(routes(&[(destination, "pcx-ab", "active")], "active"), vec![], "{destination}");
    }
    assert_eq!(routes(&[], "pending-acceptance"), vec![]);
}

#[test]
fn blackhole_and_inactive_routes_are_found() {
    let routes = |status: &str, state: &str| {
        found(&json!({
            "Vpcs": [vpc("vpc-a", "10.1.0.0/16"), vpc("vpc-b", "10.2.0.0/16")],
            "VpcPeeringConnections": [connection("pcx-ab", status, "vpc-a", "vpc-b")],
            "RouteTables": [table("rtb-a", "vpc-a", &[("10.2.0.0/16", "pcx-ab", state)])],
        }))
    };
    let subject = json!({
        "route_table_id": "rtb-a", "destination": "10.2.0.0/16", "peering_connection_id": "pcx-ab",
    });
    let blackhole = ("blackhole-route", "medium", subject.clone());
    let inactive = ("inactive-peering-route", "medium", subject);
    assert_eq!(routes("active", "active"), vec![]);
    assert_eq!(routes("deleted", "active"), vec![inactive.clone()]);
    assert_eq!(routes("deleted", "blackhole"), vec![blackhole.clone(), inactive]);
    let missing = ("missing-route", "medium", json!({"vpc_id": "vpc-a", "peering_connection_id": "pcx-ab"}));
    assert_eq!(routes("active", "blackhole"), vec![blackhole, missing]);
}

#[test]
fn overlapping_blocks_and_common_peers_are_reported() {
    let blocks = [("vpc-a", "10.1.0.0/16"), ("vpc-b", "10.2.0.0/16"), ("vpc-c", "10.1.128.0/17")];
    let details = |connections: &[Value]| {
        let vpcs: Vec<Value> = blocks.iter().map(|(id, block)| vpc(id, block)).collect();
        let document = json!({"Vpcs": vpcs, "VpcPeeringConnections": connections});
        let mut resources = Resources::default();
        resources.read("case.json", document.to_string().as_bytes()).expect("JSON");
        serde_json::to_value(&check(&Topology::new(resources)).findings[0].details).expect("JSON")
    };
    let hub = [connection("pcx-ab", "active", "vpc-a", "vpc-b"), connection("pcx-bc", "active", "vpc-b", "vpc-c")];
    assert_eq!(details(&hub), json!({"cidr_blocks": ["10.1.128.0/17"], "via_vpc_ids": ["vpc-b"]}));
    let direct = [connection("pcx-ac", "active", "vpc-a", "vpc-c")];
    assert_eq!(details(&direct), json!({"cidr_blocks": ["10.1.128.0/17"], "via_vpc_ids": []}));
}

#[test]
fn a_duplicate_route_is_one_finding() {
    let routes = [("10.2.0.0/16", "pcx-gone", "blackhole"), ("10.2.0.0/16", "pcx-gone", "blackhole")];
    assert_eq!(found(&json!({"RouteTables": [table("rtb-a", "vpc-a", &routes)]})).len(), 1);
}

#[test]
fn a_blackhole_route_to_an_unknown_connection_is_found() {
    let document = json!({"RouteTables": [table("rtb-a", "vpc-a", &[("10.2.0.0/16", "pcx-gone", "blackhole")])]});
    let types: Vec<_> = found(&document).into_iter().map(|(finding_type, ..)| finding_type).collect();
    assert_eq!(types, ["blackhole-route"]);
}
