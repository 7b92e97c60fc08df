//! Overlapping CIDR blocks: the own VPC's blocks come first, then its peers' blocks. A route decides between peers that tie.

use std::sync::Arc;

use flowsentry::topology::Topology;
use serde_json::{Value, json};

use crate::build::{
    SYN, SYN_FIN, UDP, Version5, connection, found, none, pairs, route_table, subjects, summary, topology, vpc,
    with_srcports,
};
use crate::records::Record;

fn request(dst: &str) -> Record {
    Record::new("eni-hub", "10.40.1.5:40000", dst).at("eni-hub", "vpc-hub").flags(SYN).egress()
}

#[test]
fn the_own_block_comes_before_a_longer_one() {
    let vpcs = json!([vpc("vpc-hub", &["10.40.0.0/16"]), vpc("vpc-small", &["10.40.8.0/24"])]);
    let unrelated = topology(&json!({"Vpcs": vpcs}));
    let peered =
        topology(&json!({"Vpcs": vpcs, "VpcPeeringConnections": [connection("pcx-1", "vpc-hub", "vpc-small")]}));
    for topology in [&unrelated, &peered] {
        // TCP without an answer is a finding of its own, but not one about peering.
        for (protocol, expected) in [(6, vec!["medium no-answer 6".to_owned()]), (UDP, none())] {
            let inside = with_srcports(6, &request("10.40.8.9:514").over(protocol).path(1));
            let summary = summary(Some(topology), Version5, &inside);
            assert_eq!((found(&summary), pairs(&summary)), (expected, none()), "{protocol}");
        }
    }
    // Control: at an interface of a third VPC, the longest block applies.
    let third = with_srcports(6, &request("10.40.8.9:514").at("eni-x", "vpc-x").path(4));
    let summary = summary(Some(&unrelated), Version5, &third);
    assert_eq!(found(&summary), ["medium unpeered-vpc 6"]);
    assert_eq!(pairs(&summary), ["vpc-hub vpc-small none 0 0"]);
}

#[test]
fn a_peer_comes_before_a_longer_block_of_a_stranger() {
    let topology = topology(&json!({
        "Vpcs": [
            vpc("vpc-hub", &["10.40.0.0/16", "fd00:40::/48"]),
            vpc("vpc-peer", &["10.50.0.0/16", "fd00:50::/48"]),
            vpc("vpc-stranger", &["10.50.8.0/24", "fd00:50:0:8::/64"]),
        ],
        "VpcPeeringConnections": [connection("pcx-1", "vpc-hub", "vpc-peer")],
    }));
    let peer = json!({"src_vpc_id": "vpc-hub", "dst_vpc_id": "vpc-peer", "peering_connection_id": "pcx-1"});
    for dst in ["10.50.9.9:5432", "10.50.8.9:5432"] {
        let lost = summary(Some(&topology), Version5, &with_srcports(6, &request(dst).path(4)));
        assert_eq!(
            (found(&lost), subjects(&lost)),
            (vec!["high one-way-peering 6".to_owned()], vec![peer.clone()]),
            "{dst}"
        );
    }
    let ipv6 = Record { src: "[fd00:40::5]:40000".parse().expect("an end"), ..request("[fd00:50:0:8::9]:5432") };
    assert_eq!(subjects(&summary(Some(&topology), Version5, &with_srcports(6, &ipv6))), [peer]);
}

/// Returns a hub with two spokes that have the same block, and these route tables.
fn hub_and_spokes(route_tables: &[Value]) -> Arc<Topology> {
    topology(&json!({
        "Vpcs": [
            vpc("vpc-hub", &["10.40.0.0/16"]), vpc("vpc-left", &["10.50.0.0/16"]), vpc("vpc-right", &["10.50.0.0/16"]),
        ],
        "VpcPeeringConnections": [
            connection("pcx-left", "vpc-hub", "vpc-left"), connection("pcx-right", "vpc-right", "vpc-hub"),
        ],
        "RouteTables": route_tables,
    }))
}

#[test]
fn a_route_decides_between_peers_with_the_same_block() {
    let routes = [("10.50.1.0/24", "pcx-left"), ("10.50.2.0/24", "pcx-right")];
    let served = with_srcports(6, &request("10.50.1.9:5432").flags(SYN_FIN).path(4));
    let log = [served, with_srcports(6, &request("10.50.2.9:5432").path(4))].concat();
    let routed =
        summary(Some(&hub_and_spokes(&[route_table("rtb-hub", "vpc-hub", &["main"], &routes)])), Version5, &log);
    assert_eq!(found(&routed), ["high one-way-peering 6"]);
    assert_eq!(
        subjects(&routed),
        [json!({"src_vpc_id": "vpc-hub", "dst_vpc_id": "vpc-right", "peering_connection_id": "pcx-right"})]
    );
    assert_eq!(pairs(&routed), ["vpc-hub vpc-left pcx-left 6 0", "vpc-hub vpc-right pcx-right 6 0"]);
    // Control: without the table, and with a table of another subnet alone.
    let expected = ["medium no-answer 6", "low ambiguous-address 12"];
    for tables in [&[][..], &[route_table("rtb-1", "vpc-hub", &["subnet-1"], &routes)]] {
        let ambiguous = summary(Some(&hub_and_spokes(tables)), Version5, &log);
        assert_eq!((found(&ambiguous), pairs(&ambiguous)), (expected.map(str::to_owned).to_vec(), none()));
    }
}

#[test]
fn the_table_of_the_own_subnet_and_the_longest_route_decide() {
    let topology = hub_and_spokes(&[
        route_table("rtb-main", "vpc-hub", &["main"], &[("10.50.0.0/16", "pcx-left"), ("10.50.2.0/24", "pcx-right")]),
        route_table("rtb-1", "vpc-hub", &["subnet-1"], &[("10.50.0.0/16", "pcx-right"), ("10.50.2.9/32", "local")]),
    ]);
    let dst_vpc = |subnet: &str, dst: &str| {
        let record = Record { subnet: Some(subnet.to_owned()), ..request(dst) };
        let summary = summary(Some(&topology), Version5, &with_srcports(6, &record));
        let finding = summary.findings.first().map(|finding| finding.finding_type.name());
        (finding, subjects(&summary)[0]["dst_vpc_id"].as_str().map(str::to_owned))
    };
    let lost = |vpc: &str| (Some("one-way-peering"), Some(vpc.to_owned()));
    assert_eq!(dst_vpc("subnet-2", "10.50.1.9:22"), lost("vpc-left"));
    assert_eq!(dst_vpc("subnet-2", "10.50.2.8:22"), lost("vpc-right"));
    assert_eq!(dst_vpc("subnet-1", "10.50.1.9:22"), lost("vpc-right"));
}

#[test]
fn an_answer_counts_where_its_subnet_has_no_route() {
    let topology = hub_and_spokes(&[
        route_table("rtb-main", "vpc-hub", &["main"], &[("10.50.0.0/16", "pcx-left")]),
        route_table("rtb-1", "vpc-hub", &["subnet-1"], &[]),
    ]);
    let in_subnet = |subnet: &str, record: Record| Record { subnet: Some(subnet.to_owned()), ..record };
    let requests = with_srcports(6, &in_subnet("subnet-2", request("10.50.1.9:5432")));
    let answer = |request: &Record| Record {
        interface: "eni-hub-1".to_owned(),
        flags: None,
        direction: None,
        ..in_subnet("subnet-1", request.clone().swapped())
    };
    let answers: Vec<Record> = requests.iter().map(answer).collect();
    let answered = summary(Some(&topology), Version5, &[&requests[..], &answers].concat());
    // Where the answers were recorded, nothing shows from which of the two VPCs they are.
    assert_eq!(found(&answered), ["low ambiguous-address 6"]);
    assert_eq!(pairs(&answered), ["vpc-hub vpc-left pcx-left 6 0"]);
    // Control: answers to another address.
    let elsewhere = answers.into_iter().map(|mut answer| {
        answer.dst.set_ip("10.40.1.6".parse().expect("an address"));
        answer
    });
    let lost = summary(Some(&topology), Version5, &requests.into_iter().chain(elsewhere).collect::<Vec<_>>());
    assert_eq!(found(&lost), ["high one-way-peering 6", "low ambiguous-address 6"]);
}
