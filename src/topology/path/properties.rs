//! Property tests of the walk: it ends, never panics, and depends only on its input.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::topology::describe_output::Resources;

/// Words of the generated documents: ids, blocks, and addresses that refer to each other often.
fn word(words: &'static str) -> impl Strategy<Value = Value> {
    prop::sample::select(words.split(' ').collect::<Vec<_>>()).prop_map(Value::from)
}

fn block() -> impl Strategy<Value = Value> {
    word("10.1.0.0/16 10.1.1.0/24 10.2.0.0/16 10.0.0.0/8 0.0.0.0/0 8.8.8.0/24 10.1.1.5/32 192.168.0.0/16")
}

fn route() -> impl Strategy<Value = Value> {
    let target = prop_oneof![
        word("local igw-1 vgw-1 vpce-1").prop_map(|id| json!({"GatewayId": id})),
        word("nat-1 nat-2").prop_map(|id| json!({"NatGatewayId": id})),
        word("pcx-1 pcx-2 pcx-3").prop_map(|id| json!({"VpcPeeringConnectionId": id})),
        Just(json!({"TransitGatewayId": "tgw-1"})),
        Just(json!({"NetworkInterfaceId": "eni-1"})),
        Just(json!({"EgressOnlyInternetGatewayId": "eigw-1"})),
        Just(json!({})),
    ];
    let destination = prop_oneof![
        4 => block().prop_map(|block| ("DestinationCidrBlock", block)),
        1 => word("::/0 2600::/16 2600:1::/64").prop_map(|block| ("DestinationIpv6CidrBlock", block)),
        1 => word("pl-1 pl-2").prop_map(|list| ("DestinationPrefixListId", list)),
    ];
    (target, destination, word("active active active blackhole filtered")).prop_map(
        |(mut route, (key, destination), state)| {
            route[key] = destination;
            route["State"] = state;
            route
        },
    )
}

fn permissions() -> impl Strategy<Value = Value> {
    let permission =
        (word("tcp udp icmp -1"), 0..2000_u16, 0..65_535_u16, block(), word("sg-1 sg-2 sg-9"), word("pl-1 pl-2"));
    let permission = permission.prop_map(|(protocol, first, length, block, group, list)| {
        json!({"IpProtocol": protocol, "FromPort": first, "ToPort": first.saturating_add(length),
               "IpRanges": [{"CidrIp": block}], "UserIdGroupPairs": [{"GroupId": group}], "PrefixListIds": [{"PrefixListId": list}]})
    });
    prop::collection::vec(permission, 0..3).prop_map(Value::from)
}

fn entries() -> impl Strategy<Value = Value> {
    let entry = (1..200_u32, any::<bool>(), any::<bool>(), word("-1 6 17 1"), block(), 0..65_535_u16);
    let entry = entry.prop_map(|(number, is_egress, allows, protocol, block, port)| {
        json!({"RuleNumber": number, "Egress": is_egress, "RuleAction": if allows { "allow" } else { "deny" }, "Protocol": protocol,
               "CidrBlock": block, "PortRange": {"From": port.min(1000), "To": port}})
    });
    prop::collection::vec(entry, 0..5).prop_map(Value::from)
}

fn interface() -> impl Strategy<Value = Value> {
    let addresses = word("10.1.1.5 10.1.1.6 10.1.2.5 10.2.1.5 10.3.1.5");
    (1..6_u8, addresses, word("vpc-1 vpc-2 vpc-3"), 1..5_u8, word("sg-1 sg-2 sg-8"), any::<bool>()).prop_map(
        |(id, address, vpc, subnet, group, has_public)| {
            let public = has_public.then(|| json!({"PublicIp": format!("52.0.0.{id}")}));
            json!({"NetworkInterfaceId": format!("eni-{id}"), "VpcId": vpc, "SubnetId": format!("subnet-{subnet}"),
                   "PrivateIpAddress": address, "Association": public, "Groups": [{"GroupId": group}],
                   "Ipv6Addresses": [{"Ipv6Address": format!("2600:1::{id}")}], "Attachment": {"InstanceId": "i-1"},
                   "InterfaceType": if id == 5 { "nat_gateway" } else { "interface" }, "TagSet": [{"Key": "Name", "Value": "node"}],
                   "Description": "Interface for NAT Gateway nat-1"})
        },
    )
}

/// Generates a document with all kinds of resources, some of which contradict each other or are missing.
fn topology() -> impl Strategy<Value = Value> {
    let vpc = (1..4_u8, block()).prop_map(|(id, block)| {
        json!({"VpcId": format!("vpc-{id}"), "CidrBlock": block,
               "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2600:1::/64"}]})
    });
    let subnet = (1..5_u8, word("vpc-1 vpc-2 vpc-3"), block())
        .prop_map(|(id, vpc, block)| json!({"SubnetId": format!("subnet-{id}"), "VpcId": vpc, "CidrBlock": block}));
    let connection = (1..4_u8, 1..4_u8, 1..4_u8, word("active active deleted"), word("eu us"), block()).prop_map(
        |(id, a, b, status, region, block)| {
            json!({"VpcPeeringConnectionId": format!("pcx-{id}"), "Status": {"Code": status},
                   "RequesterVpcInfo": {"VpcId": format!("vpc-{a}"), "Region": "eu"},
                   "AccepterVpcInfo": {"VpcId": format!("vpc-{b}"), "Region": region, "CidrBlock": block}})
        },
    );
    let table = (1..5_u8, word("vpc-1 vpc-2 vpc-3"), any::<bool>(), prop::collection::vec(route(), 0..6)).prop_map(
        |(id, vpc, is_main, routes)| {
            let association = if is_main { json!({"Main": true}) } else { json!({"SubnetId": format!("subnet-{id}")}) };
            let associations = json!([association, {"GatewayId": format!("igw-{id}")}]);
            json!({"RouteTableId": format!("rtb-{id}"), "VpcId": vpc, "Associations": associations, "Routes": routes})
        },
    );
    let group = (1..3_u8, permissions(), permissions()).prop_map(|(id, ingress, egress)| {
        json!({"GroupId": format!("sg-{id}"), "IpPermissions": ingress, "IpPermissionsEgress": egress})
    });
    let acl = (1..3_u8, 1..5_u8, entries()).prop_map(|(id, subnet, entries)| {
        json!({"NetworkAclId": format!("acl-{id}"), "Associations": [{"SubnetId": format!("subnet-{subnet}")}], "Entries": entries})
    });
    let list = block().prop_map(|block| json!({"PrefixListId": "pl-1", "Cidrs": [block]}));
    let many = |count| 0..count;
    (
        prop::collection::vec(vpc, many(4)),
        prop::collection::vec(subnet, many(6)),
        prop::collection::vec(connection, many(4)),
        prop::collection::vec(interface(), many(6)),
        prop::collection::vec(table, many(5)),
        prop::collection::vec(group, many(3)),
        prop::collection::vec(acl, many(3)),
        prop::collection::vec(list, many(2)),
    )
        .prop_map(|(vpcs, subnets, connections, interfaces, tables, groups, acls, lists)| {
            json!({"Vpcs": vpcs, "Subnets": subnets, "VpcPeeringConnections": connections, "NetworkInterfaces": interfaces,
                   "RouteTables": tables, "SecurityGroups": groups, "NetworkAcls": acls, "PrefixLists": lists})
        })
}

fn read(document: &Value) -> Topology {
    let mut resources = Resources::default();
    resources.read("any", document.to_string().as_bytes()).expect("it is JSON");
    Topology::new(resources)
}

const ENDS: [&str; 15] = [
    "10.1.1.5",
    "10.1.2.5",
    "10.2.1.5",
    "10.3.1.5",
    "192.168.0.1",
    "8.8.8.8",
    "52.0.0.1",
    "2600:1::1",
    "2600:1::2",
    "eni-1",
    "i-1",
    "node",
    "internet",
    "169.254.169.254",
    "169.254.0.9",
];

/// Asserts the properties of each walk.
fn check(explanation: &Explanation) {
    let hops = &explanation.hops;
    assert!((1..=16).contains(&hops.len()), "{hops:?}");
    assert!(hops.is_sorted_by_key(|hop| hop.direction), "{hops:?}");
    assert!(hops.iter().all(|hop| !hop.reason.is_empty() && hop.reason.len() < 1000), "{hops:?}");
    let expected = match (explanation.blocked_by(), explanation.unknown_at()) {
        (Some(_), _) => PathVerdict::Blocked,
        (None, Some(_)) => PathVerdict::Unknown,
        (None, None) => PathVerdict::Reachable,
    };
    assert_eq!(explanation.verdict(), expected);
    // Nothing is reachable without a way back, unless no route leads there.
    let has_return = hops.iter().any(|hop| hop.direction == HopDirection::Return);
    let is_local = matches!(hops[..], [Hop { kind: HopKind::LinkLocalService | HopKind::NetworkInterface, .. }]);
    assert!(has_return || is_local || expected != PathVerdict::Reachable, "{hops:?}");
}

proptest! {
    #[test]
    fn a_walk_ends_and_is_deterministic(
        document in topology(),
        source in prop::sample::select(&ENDS[..]),
        destination in prop::sample::select(&ENDS[..]),
        protocol in prop::sample::select(&[1_u8, 6, 6, 17, 58, 132][..]),
        port: Option<u16>,
        interface_id in prop::sample::select(&["eni-1", "eni-2", "eni-9"][..]),
    ) {
        let (topology, again) = (read(&document), read(&document));
        if let Ok((source_end, destination_end)) = topology.resolve_ends(source, destination) {
            let question = Question { source: source_end, destination: destination_end, protocol, port };
            let explanation = topology.explain(&question);
            check(&explanation);
            let (source_end, destination_end) = again.resolve_ends(source, destination).expect("as before");
            let question = Question { source: source_end, destination: destination_end, protocol, port };
            prop_assert_eq!(explanation, again.explain(&question));
        }
        if let (Ok(src), Ok(dst)) = (source.parse(), destination.parse()) {
            check(&topology.explain(&topology.question_of_flow(src, dst, protocol, port, Some(interface_id))));
        }
    }
}
