//! Paths to and from the internet and other outside networks.

use serde_json::json;

use crate::network::{Network, add_entries, add_route, entry, permission, resource, set_routes};

#[test]
fn public_host_reaches_the_internet_by_its_gateway() {
    let run = Network::new().explain("proxy", "internet:443");
    assert_eq!(run.status, Some(0), "{:?}", run.obstacles());
    let expected = [
        "forward security-groups sg-proxy pass",
        "forward network-acl acl-public pass",
        "forward route-table rtb-public pass",
        "forward internet-gateway igw-1 pass",
        "return security-groups sg-proxy pass",
        "return network-acl acl-public pass",
    ];
    assert_eq!(run.hops(), expected);
    let json = run.json();
    assert_eq!(json["hops"][3]["reason"], "10.1.2.9 is translated to 52.0.0.9");
    assert_eq!((&json["destination"]["scope"], &json["destination"]["address"]), (&json!("internet"), &json!(null)));
    assert_eq!(json["source"]["public_address"], "52.0.0.9");
}

#[test]
fn no_public_address_blocks_at_the_internet_gateway() {
    let network = Network::with(|topology| {
        set_routes(topology, "rtb-a", json!([{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1"}]));
    });
    let run = network.explain("web", "internet:443");
    let reason = "forward internet-gateway igw-1 block: the source, 10.1.1.5, has no public address";
    assert_eq!((run.status, run.obstacles()), (Some(1), vec![reason.to_owned()]));
    let run = network.explain("10.1.1.77", "8.8.8.8:443");
    assert_eq!(
        (run.status, run.hops().last().map(String::as_str)),
        (Some(3), Some("forward internet-gateway igw-1 unknown"))
    );
    let run = network.explain("web", "192.168.1.1:443");
    let reason = "192.168.1.1 is not a public address: the internet does not route it";
    assert!(run.obstacles()[0].ends_with(reason), "{:?}", run.obstacles());
}

#[test]
fn nat_gateway_has_an_acl_and_a_route_of_its_own() {
    let run = Network::new().explain("web", "8.8.8.8:443");
    assert_eq!(run.status, Some(0), "{:?}", run.obstacles());
    let expected = [
        "forward security-groups sg-web pass",
        "forward network-acl acl-a pass",
        "forward route-table rtb-a pass",
        "forward network-acl acl-public pass",
        "forward nat-gateway nat-1 pass",
        "forward network-acl acl-public pass",
        "forward route-table rtb-public pass",
        "forward internet-gateway igw-1 pass",
        "return security-groups sg-web pass",
        "return network-acl acl-public pass",
        "return network-acl acl-public pass",
        "return network-acl acl-a pass",
    ];
    assert_eq!(run.hops(), expected);
    let run = Network::with(|topology| {
        add_entries(topology, "acl-public", &[entry(1, "deny", false, "0.0.0.0/0", (1024, 65_535))]);
    })
    .explain("web", "8.8.8.8:443");
    let blocked = "return network-acl acl-public block: rule 1 denies 1024-65535/TCP from 8.8.8.8";
    assert_eq!((run.status, run.obstacles()), (Some(1), vec![blocked.to_owned()]));
    let run = Network::with(|topology| set_routes(topology, "rtb-public", json!([]))).explain("web", "8.8.8.8:443");
    assert_eq!(
        (run.status, run.obstacles()),
        (Some(1), vec!["forward route-table rtb-public block: no route to 8.8.8.8".to_owned()])
    );
    let run = Network::with(|topology| {
        resource(topology, "NetworkInterfaces", "eni-nat")["Association"] = json!(null);
    })
    .explain("web", "8.8.8.8:443");
    let blocked = "forward internet-gateway igw-1 block: the NAT gateway, 10.1.2.4, has no public address";
    assert_eq!((run.status, run.obstacles()), (Some(1), vec![blocked.to_owned()]));
    let run = Network::with(|topology| {
        resource(topology, "NetworkInterfaces", "eni-nat")["Description"] = json!("Interface for NAT Gateway nat-2");
    })
    .explain("web", "8.8.8.8:443");
    let unknown = "forward nat-gateway nat-1 unknown: the topology has no interface of this NAT gateway";
    assert_eq!((run.status, run.obstacles()), (Some(3), vec![unknown.to_owned()]));
    let run = Network::with(|topology| {
        set_routes(topology, "rtb-public", json!([{"DestinationCidrBlock": "0.0.0.0/0", "TransitGatewayId": "tgw-1"}]));
    })
    .explain("web", "8.8.8.8:443");
    assert_eq!(
        (run.status, run.hops().last().map(String::as_str)),
        (Some(3), Some("forward transit-gateway tgw-1 unknown"))
    );
}

#[test]
fn ipv6_leaves_by_the_egress_only_gateway() {
    let run = Network::new().explain("web", "[2001:4860:4860::8888]:443");
    assert_eq!(run.status, Some(0), "{:?}", run.obstacles());
    assert_eq!(run.hops()[3], "forward egress-only-internet-gateway eigw-1 pass");
    // It lets no connection in.
    let run = Network::with(|topology| {
        resource(topology, "SecurityGroups", "sg-web")["IpPermissions"] = json!([permission(443, &[], &["::/0"])]);
    })
    .explain("2001:4860:4860::8888", "[2600:1f18:a:1::5]:443");
    assert_eq!(
        (run.status, run.hops().last().map(String::as_str)),
        (Some(1), Some("return egress-only-internet-gateway eigw-1 block"))
    );
}

#[test]
fn rules_for_a_part_of_the_internet_are_unknown() {
    let run = Network::with(|topology| {
        add_entries(topology, "acl-public", &[entry(1, "deny", true, "198.0.0.0/8", (443, 443))]);
    })
    .explain("proxy", "internet:443");
    let mixed = "forward network-acl acl-public unknown: of 443/TCP (https) to the internet, rule 1 denies 443/TCP (https) to 198.0.0.0-198.17.255.255";
    assert_eq!((run.status, run.obstacles()), (Some(3), vec![mixed.to_owned()]));
    // Private addresses do not belong to it.
    let run = Network::with(|topology| {
        add_entries(topology, "acl-public", &[entry(1, "deny", true, "10.0.0.0/8", (443, 443))]);
    })
    .explain("proxy", "internet:443");
    assert_eq!(run.status, Some(0), "{:?}", run.obstacles());
    let run = Network::with(|topology| {
        add_route(topology, "rtb-public", json!({"DestinationCidrBlock": "52.1.0.0/16", "GatewayId": "vgw-1"}));
    })
    .explain("proxy", "internet:443");
    let mixed = "forward route-table rtb-public unknown: most of the internet: 0.0.0.0/0 is routed to igw-1; a part: 52.1.0.0/16 is routed to vgw-1";
    assert_eq!((run.status, run.obstacles()), (Some(3), vec![mixed.to_owned()]));
    assert_eq!(run.hops().len(), 6);
}

#[test]
fn internet_reaches_public_addresses_only() {
    // 198.18.0.0/15 is not public: the internet gateway does not lead back to it.
    let run = Network::new().explain("198.18.0.1", "proxy:443");
    assert_eq!(run.hops().first().map(String::as_str), Some("forward external-network - unknown"));
    let last = run.hops().last().cloned();
    assert_eq!((run.status, last.as_deref()), (Some(1), Some("return internet-gateway igw-1 block")));
    for destination in ["proxy:443", "52.0.0.9:443"] {
        let run = Network::new().explain("8.8.8.8", destination);
        assert_eq!(run.status, Some(0), "{:?}", run.obstacles());
        let expected = [
            "forward internet-gateway igw-1 pass",
            "forward network-acl acl-public pass",
            "forward security-groups sg-proxy pass",
            "return security-groups sg-proxy pass",
            "return network-acl acl-public pass",
            "return route-table rtb-public pass",
            "return internet-gateway igw-1 pass",
        ];
        assert_eq!(run.hops(), expected);
        assert_eq!(run.json()["destination"]["public_address"], "52.0.0.9");
    }
    let run = Network::new().explain("8.8.8.8", "db:5432");
    let blocked = "forward internet-gateway - block: the destination, 10.2.1.5, has no public address";
    assert_eq!((run.status, run.obstacles()), (Some(1), vec![blocked.to_owned()]));
    let run = Network::with(|topology| set_routes(topology, "rtb-public", json!([]))).explain("8.8.8.8", "proxy:443");
    assert_eq!(run.obstacles(), ["return route-table rtb-public block: no route to 8.8.8.8"]);
    let run = Network::with(|topology| {
        topology["RouteTables"].as_array_mut().expect("a list").push(json!({"RouteTableId": "rtb-edge", "VpcId": "vpc-a",
            "Associations": [{"GatewayId": "igw-1"}], "Routes": [{"DestinationCidrBlock": "10.1.2.0/24", "GatewayId": "vpce-firewall"}]}));
    })
    .explain("8.8.8.8", "proxy:443");
    assert_eq!(
        (run.status, run.hops().last().map(String::as_str)),
        (Some(3), Some("forward vpc-endpoint vpce-firewall unknown"))
    );
}

#[test]
fn own_public_address_is_reached_over_the_internet() {
    let run = Network::new().explain("web", "52.0.0.9:443");
    assert_eq!(run.status, Some(0), "{:?}", run.obstacles());
    let hops = run.hops();
    let gateways: Vec<&String> = hops.iter().filter(|hop| hop.contains("gateway")).collect();
    let expected = [
        "forward nat-gateway nat-1 pass",
        "forward internet-gateway igw-1 pass",
        "forward internet-gateway igw-1 pass",
        "return internet-gateway igw-1 pass",
    ];
    assert_eq!(gateways, expected);
    // The destination sees the address of the NAT gateway.
    let run = Network::with(|topology| {
        resource(topology, "SecurityGroups", "sg-proxy")["IpPermissions"] =
            json!([permission(443, &["10.0.0.0/8"], &[])]);
    })
    .explain("web", "52.0.0.9:443");
    let blocked =
        "forward security-groups sg-proxy block: no rule of sg-proxy (proxy) lets 52.0.0.4 in at 443/TCP (https)";
    assert_eq!((run.status, run.obstacles()), (Some(1), vec![blocked.to_owned()]));
}

#[test]
fn a_private_network_outside_is_unknown() {
    let network = Network::with(|topology| {
        resource(topology, "SecurityGroups", "sg-db")["IpPermissions"] =
            json!([permission(5432, &["192.168.0.0/16"], &[])]);
        add_route(topology, "rtb-b", json!({"DestinationCidrBlock": "192.168.0.0/16", "GatewayId": "vgw-1"}));
    });
    let run = network.explain("192.168.1.1", "db:5432");
    assert_eq!(run.status, Some(3));
    let expected = [
        "forward external-network - unknown",
        "forward network-acl acl-b pass",
        "forward security-groups sg-db pass",
        "return security-groups sg-db pass",
        "return network-acl acl-b pass",
        "return route-table rtb-b pass",
        "return virtual-private-gateway vgw-1 unknown",
    ];
    assert_eq!(run.hops(), expected);
    let run = network.explain("192.168.1.1", "192.168.1.2:22");
    assert_eq!((run.status, run.hops()), (Some(3), vec!["forward external-network - unknown".to_owned()]));
}

#[test]
fn addresses_of_vpcs_are_not_on_the_internet() {
    let network = |change: fn(&mut serde_json::Value)| {
        Network::with(|topology| {
            let to_igw = json!({"DestinationIpv6CidrBlock": "::/0", "GatewayId": "igw-1"});
            let to_peer = json!({"DestinationIpv6CidrBlock": "2600:1f18:b::/56", "VpcPeeringConnectionId": "pcx-ab"});
            set_routes(topology, "rtb-a", json!([to_igw, to_peer]));
            change(topology);
        })
    };
    let run = network(|_| {}).explain("2600:1f18:a:1::5", "internet:443");
    assert_eq!(run.status, Some(0), "{:?}", run.obstacles());
    let run = network(|topology| {
        add_entries(topology, "acl-a", &[entry(1, "deny", true, "2600:1f18:b::/56", (0, 65_535))]);
    });
    let run = run.explain("2600:1f18:a:1::5", "internet:443");
    assert_eq!(run.status, Some(0), "{:?}", run.obstacles());
    let run = network(|topology| {
        add_entries(topology, "acl-a", &[entry(1, "deny", true, "2600:1f18::/32", (0, 65_535))]);
    });
    let run = run.explain("2600:1f18:a:1::5", "internet:443");
    assert_eq!(run.status, Some(3), "{:?}", run.obstacles());
}

#[test]
fn the_route_back_decides_whether_a_source_is_on_the_internet() {
    let explain = |target: serde_json::Value| {
        let mut route = target;
        route["DestinationCidrBlock"] = json!("52.1.0.0/16");
        Network::with(|topology| {
            resource(topology, "SecurityGroups", "sg-db")["IpPermissions"] =
                json!([permission(5432, &["52.1.0.0/16"], &[])]);
            add_route(topology, "rtb-b", route);
        })
        .explain("52.1.2.3", "db:5432")
    };
    let run = explain(json!({"GatewayId": "vgw-1"}));
    assert_eq!(run.status, Some(3), "{:?}", run.obstacles());
    let expected = [
        "forward external-network - unknown",
        "forward network-acl acl-b pass",
        "forward security-groups sg-db pass",
        "return security-groups sg-db pass",
        "return network-acl acl-b pass",
        "return route-table rtb-b pass",
        "return virtual-private-gateway vgw-1 unknown",
    ];
    assert_eq!(run.hops(), expected);
    let reason = "rtb-b leads replies to vgw-1: whether 52.1.2.3 is on the internet or in another network is unknown";
    assert_eq!(run.json()["hops"][0]["reason"], reason);
    let run = explain(json!({"TransitGatewayId": "tgw-1"}));
    assert_eq!((run.status, run.hops()[0].as_str()), (Some(3), "forward external-network - unknown"));
    // The source may be in the VPC of a connection that the topology does not have, but not in one that it has.
    assert_eq!(explain(json!({"VpcPeeringConnectionId": "pcx-9"})).status, Some(3));
    assert_eq!(explain(json!({"VpcPeeringConnectionId": "pcx-bc"})).status, Some(1));
    let run = explain(json!({"GatewayId": "igw-1"}));
    let blocked = "forward internet-gateway igw-1 block: the destination, 10.2.1.5, has no public address";
    assert_eq!((run.status, run.obstacles()), (Some(1), vec![blocked.to_owned()]));
    let run = Network::with(|topology| topology["RouteTables"] = json!([])).explain("8.8.8.8", "proxy:443");
    assert_eq!((run.status, run.hops()[0].as_str()), (Some(3), "forward external-network - unknown"));
}

#[test]
fn a_nat_gateway_in_the_subnet_that_it_serves() {
    let run = Network::with(|topology| {
        let nat = resource(topology, "NetworkInterfaces", "eni-nat");
        nat["SubnetId"] = json!("subnet-a");
        nat["PrivateIpAddress"] = json!("10.1.1.4");
    })
    .explain("web", "8.8.8.8:443");
    let unknown = "forward nat-gateway nat-1 unknown: rtb-a of its own subnet leads back to it: what it does then is not evaluated";
    assert_eq!((run.status, run.obstacles()), (Some(3), vec![unknown.to_owned()]));
}
