//! Paths over peering connections, and their routes.

use serde_json::json;

use crate::network::{Network, add_route, interface, resource, set_routes};

#[test]
fn everything_open_is_reachable() {
    let run = Network::new().explain("web", "10.2.1.5:5432");
    assert_eq!(run.status, Some(0), "{}{}", run.stdout, run.stderr);
    let expected = [
        "forward security-groups sg-web pass",
        "forward network-acl acl-a pass",
        "forward route-table rtb-a pass",
        "forward peering-connection pcx-ab pass",
        "forward network-acl acl-b pass",
        "forward security-groups sg-db pass",
        "return security-groups sg-db pass",
        "return network-acl acl-b pass",
        "return route-table rtb-b pass",
        "return peering-connection pcx-ab pass",
        "return network-acl acl-a pass",
    ];
    assert_eq!(run.hops(), expected);
    let json = run.json();
    assert_eq!(json["verdict"], "reachable");
    assert_eq!((&json["blocked_by"], &json["evidence"]), (&json!(null), &json!(null)));
    assert_eq!((&json["protocol"], &json["protocol_name"], &json["port"]), (&json!(6), &json!("TCP"), &json!(5432)));
    let source = json!({"scope": "vpc", "address": "10.1.1.5", "public_address": null, "interface_id": "eni-web", "name": "web",
        "service": "ec2", "instance_id": "i-web", "subnet_id": "subnet-a", "subnet_name": null, "vpc_id": "vpc-a", "vpc_name": null});
    assert_eq!(json["source"], source);
    assert_eq!(json["destination"]["interface_id"], "eni-db");
    let rule = |index: usize| json["hops"][index]["rule"].clone();
    assert_eq!(rule(1), json!({"rule_number": 100, "cidr_block": "0.0.0.0/0", "traffic": "all traffic"}));
    assert_eq!(rule(2), json!({"destination": "10.2.0.0/16", "target": "pcx-ab"}));
    assert_eq!(rule(5), json!({"group_id": "sg-db", "group_ids": ["sg-db"], "traffic": "5432/TCP"}));
    assert_eq!(rule(6), json!(null));
    assert_eq!(json["hops"][7]["reason"], "rule 100 allows 1024-65535/TCP to 10.1.1.5");
    let keys: Vec<&String> = json.as_object().expect("an object").keys().collect();
    assert_eq!(keys.len(), 9, "{keys:?}");
}

#[test]
fn text_has_the_verdict_and_a_table_of_the_hops() {
    let text = Network::new().text("web", "db:5432");
    let mut lines = text.lines();
    let title = "REACHABLE  10.1.1.5 (web, eni-web) to 10.2.1.5 (db, eni-db), 5432/TCP (postgresql)";
    assert_eq!((lines.next(), lines.next()), (Some(title), Some("")));
    let expected = "  WAY      VERDICT  HOP                         REASON\n  \
        forward  pass     security groups web (sg-web)  web (sg-web) allows 5432/TCP (postgresql) to 10.2.1.5 (all traffic)";
    let rows: Vec<&str> = lines.collect();
    assert_eq!(rows.len(), 12, "{text}");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected: Vec<String> = expected.lines().map(words).collect();
    assert_eq!(rows[..2].iter().map(|row| words(row)).collect::<Vec<_>>(), expected);
    assert!(rows.iter().all(|row| row.chars().count() <= 120), "{text}");
}

#[test]
fn missing_route_ends_the_walk() {
    let run = Network::with(|topology| set_routes(topology, "rtb-a", json!([]))).explain("web", "db:5432");
    assert_eq!(run.status, Some(1));
    let expected =
        ["forward security-groups sg-web pass", "forward network-acl acl-a pass", "forward route-table rtb-a block"];
    assert_eq!(run.hops(), expected);
    assert_eq!(run.obstacles(), ["forward route-table rtb-a block: no route to 10.2.1.5"]);
}

#[test]
fn missing_route_back_blocks() {
    let run = Network::with(|topology| set_routes(topology, "rtb-b", json!([]))).explain("web", "db:5432");
    assert_eq!((run.status, run.hops().len()), (Some(1), 9));
    assert_eq!(run.obstacles(), ["return route-table rtb-b block: no route to 10.1.1.5"]);
    let elsewhere = json!([{"DestinationCidrBlock": "10.0.0.0/8", "VpcPeeringConnectionId": "pcx-bc"}]);
    let run = Network::with(|topology| set_routes(topology, "rtb-b", elsewhere)).explain("web", "db:5432");
    let stray = "return peering-connection pcx-bc block: it leads replies to vpc-c, not back to 10.1.1.5 in vpc-a";
    assert_eq!((run.status, run.obstacles()), (Some(1), vec![stray.to_owned()]));
    let internet = json!([{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-2"}]);
    let run = Network::with(|topology| set_routes(topology, "rtb-b", internet)).explain("web", "db:5432");
    assert_eq!(
        (run.status, run.hops().last().map(String::as_str)),
        (Some(1), Some("return internet-gateway igw-2 block"))
    );
}

#[test]
fn inactive_connection_blocks_and_names_its_status() {
    let run = Network::with(|topology| {
        resource(topology, "VpcPeeringConnections", "pcx-ab")["Status"]["Code"] = json!("pending-acceptance");
    })
    .explain("web", "db:5432");
    assert_eq!(run.status, Some(1));
    let reason = "forward peering-connection pcx-ab block: its status is pending-acceptance: only an active connection carries traffic";
    assert_eq!(run.obstacles(), [reason]);
}

#[test]
fn blackhole_route_drops_the_traffic() {
    let run = Network::with(|topology| {
        resource(topology, "VpcPeeringConnections", "pcx-ab")["Status"]["Code"] = json!("deleted");
        add_route(
            topology,
            "rtb-a",
            json!({"DestinationCidrBlock": "10.2.1.0/24", "VpcPeeringConnectionId": "pcx-ab", "State": "blackhole"}),
        );
    })
    .explain("web", "db:5432");
    let reason = "forward route-table rtb-a block: 10.2.1.0/24 is routed to pcx-ab, which is deleted: the route is in state blackhole and drops the traffic";
    assert_eq!((run.status, run.obstacles()), (Some(1), vec![reason.to_owned()]));
    assert_eq!(run.json()["blocked_by"]["rule"], json!({"destination": "10.2.1.0/24", "target": "pcx-ab"}));
}

#[test]
fn a_third_vpc_is_not_reached_through_a_peer() {
    let run = Network::with(|topology| {
        add_route(
            topology,
            "rtb-a",
            json!({"DestinationCidrBlock": "10.3.0.0/16", "VpcPeeringConnectionId": "pcx-ab"}),
        );
    })
    .explain("web", "cache:6379");
    assert_eq!(run.status, Some(1));
    let reason = "forward peering-connection pcx-ab block: it leads only to vpc-b, and 10.3.1.5 is in vpc-c: peering is not transitive";
    assert_eq!(run.obstacles(), [reason]);
    let run = Network::with(|topology| {
        add_route(topology, "rtb-a", json!({"DestinationCidrBlock": "8.8.8.0/24", "VpcPeeringConnectionId": "pcx-ab"}));
    })
    .explain("web", "8.8.8.8:53");
    let reason = &run.obstacles()[0];
    assert!(reason.contains("no edge-to-edge routing"), "{reason}");
}

#[test]
fn a_transit_gateway_is_unknown() {
    let run = Network::with(|topology| {
        add_route(topology, "rtb-a", json!({"DestinationCidrBlock": "10.3.0.0/16", "TransitGatewayId": "tgw-1"}));
    })
    .explain("web", "cache:6379");
    assert_eq!((run.status, run.json()["verdict"].clone()), (Some(3), json!("unknown")));
    let unknown = "forward transit-gateway tgw-1 unknown: a transit gateway has route tables of its own, which the topology does not have";
    assert_eq!(run.obstacles(), [unknown]);
    assert_eq!(run.hops().len(), 4);
}

#[test]
fn groups_across_a_peering_need_the_same_region() {
    let network = |region: &str| {
        Network::with(|topology| {
            resource(topology, "VpcPeeringConnections", "pcx-ab")["AccepterVpcInfo"]["Region"] = json!(region);
            resource(topology, "SecurityGroups", "sg-db")["IpPermissions"] = json!([
                {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432,
                 "UserIdGroupPairs": [{"GroupId": "sg-web", "PeeringStatus": "active", "VpcPeeringConnectionId": "pcx-ab"}]}]);
            let bc = resource(topology, "VpcPeeringConnections", "pcx-bc");
            bc["RequesterVpcInfo"]["Region"] = json!(region);
        })
    };
    let run = network("eu-west-1").explain("web", "db:5432");
    assert_eq!(run.status, Some(0), "{:?}", run.obstacles());
    let run = network("us-east-1").explain("web", "db:5432");
    let blocked = "forward security-groups sg-db block: no rule of sg-db (db) lets 10.1.1.5 in at 5432/TCP (postgresql); \
        a rule that references a group does not apply: the VPCs are in different Regions";
    assert_eq!((run.status, run.obstacles()), (Some(1), vec![blocked.to_owned()]));
}

#[test]
fn ipv6_has_routes_and_rules_of_its_own() {
    let run = Network::new().explain("web", "[2600:1f18:b:1::5]:5432");
    assert_eq!(run.status, Some(0), "{:?}", run.obstacles());
    assert_eq!(run.json()["source"]["address"], "2600:1f18:a:1::5");
    assert_eq!(run.json()["hops"][2]["rule"]["destination"], "2600:1f18:b::/56");
    let run = Network::with(|topology| {
        set_routes(
            topology,
            "rtb-b",
            json!([{"DestinationCidrBlock": "10.1.0.0/16", "VpcPeeringConnectionId": "pcx-ab"}]),
        );
    })
    .explain("web", "[2600:1f18:b:1::5]:5432");
    assert_eq!(run.obstacles(), ["return route-table rtb-b block: no route to 2600:1f18:a:1::5"]);
}

#[test]
fn an_address_of_several_vpcs_is_where_the_route_leads() {
    let network = |target: &str| {
        Network::with(|topology| {
            let vpcs = topology["Vpcs"].as_array_mut().expect("a list");
            vpcs.push(json!({"VpcId": "vpc-d", "CidrBlock": "10.2.0.0/16"}));
            topology["Subnets"]
                .as_array_mut()
                .expect("a list")
                .push(json!({"SubnetId": "subnet-d", "VpcId": "vpc-d", "CidrBlock": "10.2.1.0/24"}));
            let mut twin = interface("twin", "subnet-d", "10.2.1.5", None, &["sg-web"]);
            twin["VpcId"] = json!("vpc-d");
            topology["NetworkInterfaces"].as_array_mut().expect("a list").push(twin);
            let mut connection = topology["VpcPeeringConnections"][0].clone();
            connection["VpcPeeringConnectionId"] = json!("pcx-ad");
            connection["AccepterVpcInfo"]["VpcId"] = json!("vpc-d");
            topology["VpcPeeringConnections"].as_array_mut().expect("a list").push(connection);
            set_routes(
                topology,
                "rtb-a",
                json!([{"DestinationCidrBlock": "10.2.0.0/16", "VpcPeeringConnectionId": target}]),
            );
        })
    };
    let destination =
        |target: &str| network(target).explain("web", "10.2.1.5:5432").json()["destination"]["interface_id"].clone();
    assert_eq!([destination("pcx-ab"), destination("pcx-ad")], ["eni-db", "eni-twin"]);
    let run = network("pcx-ad").explain("web", "db:5432");
    let reason = "forward peering-connection pcx-ad block: it leads to vpc-d, which has 10.2.1.5 too; the destination is in vpc-b";
    assert_eq!((run.status, run.obstacles()), (Some(1), vec![reason.to_owned()]));
}
