//! Network ACLs, security groups, ports, and paths within a VPC.

use serde_json::json;

use crate::network::{Network, add_entries, add_route, entry, permission, resource, set_routes};

#[test]
fn within_a_subnet_only_groups_apply() {
    let network = Network::with(|topology| {
        add_entries(topology, "acl-a", &[entry(1, "deny", false, "0.0.0.0/0", (0, 65_535))]);
    });
    let run = network.explain("web", "app:8080");
    assert_eq!(run.status, Some(0));
    let expected = [
        "forward security-groups sg-web pass",
        "forward subnet subnet-a pass",
        "forward security-groups sg-app pass",
        "return security-groups sg-app pass",
    ];
    assert_eq!(run.hops(), expected);
    assert_eq!(network.explain("web", "app:22").status, Some(1));
}

#[test]
fn within_a_vpc_the_route_is_local() {
    let run = Network::new().explain("web", "10.1.2.9:443");
    assert_eq!(run.status, Some(0), "{:?}", run.obstacles());
    assert_eq!(run.json()["hops"][2]["rule"], json!({"destination": "10.1.0.0/16", "target": "local"}));
    let run = Network::with(|topology| topology["RouteTables"] = json!([])).explain("web", "10.1.2.9:443");
    assert_eq!((run.status, run.hops()[2].as_str()), (Some(0), "forward route-table - pass"));
    let run = Network::with(|topology| {
        add_route(
            topology,
            "rtb-a",
            json!({"DestinationCidrBlock": "10.1.2.0/24", "NetworkInterfaceId": "eni-firewall"}),
        );
    })
    .explain("web", "10.1.2.9:443");
    assert_eq!(
        (run.status, run.hops().last().map(String::as_str)),
        (Some(3), Some("forward network-interface eni-firewall unknown"))
    );
}

#[test]
fn prefix_lists_of_routes_count_if_their_blocks_are_known() {
    let network = |lists: serde_json::Value| {
        Network::with(|topology| {
            set_routes(
                topology,
                "rtb-a",
                json!([{"DestinationPrefixListId": "pl-1", "VpcPeeringConnectionId": "pcx-ab"}]),
            );
            topology["PrefixLists"] = lists;
        })
    };
    let run = network(json!([{"PrefixListId": "pl-1", "Cidrs": ["10.2.0.0/16"]}])).explain("web", "db:5432");
    assert_eq!(run.status, Some(0), "{:?}", run.obstacles());
    assert_eq!(run.json()["hops"][2]["rule"], json!({"destination": "pl-1", "target": "pcx-ab"}));
    let run = network(json!([])).explain("web", "db:5432");
    let unknown = "forward route-table rtb-a unknown: the blocks of pl-1 are unknown: 10.2.1.5 may be routed to pcx-ab";
    assert_eq!((run.status, run.obstacles()), (Some(3), vec![unknown.to_owned()]));
    let run = network(json!([{"PrefixListId": "pl-1", "Cidrs": ["10.9.0.0/16"]}])).explain("web", "db:5432");
    assert_eq!((run.status, run.obstacles().len()), (Some(1), 1));
}

#[test]
fn icmp_has_no_ports() {
    let network = Network::with(|topology| {
        resource(topology, "SecurityGroups", "sg-db")["IpPermissions"] =
            json!([{"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "10.1.0.0/16"}]}]);
    });
    let run = network.run(&["--format", "json", "--protocol", "icmp", "web", "db"]);
    assert_eq!((run.status, run.json()["protocol"].clone()), (Some(0), json!(1)));
    assert_eq!(run.json()["hops"][7]["reason"], "rule 100 allows ICMP to 10.1.1.5");
    let run = network.run(&["--protocol", "icmp", "web", "db:22"]);
    assert_eq!((run.status, run.stdout.as_str()), (Some(2), ""));
    assert!(run.stderr.contains("ICMP has no ports that rules can name: leave out :22"), "{}", run.stderr);
}

#[test]
fn missing_resources_make_hops_unknown() {
    let run = Network::with(|topology| topology["NetworkAcls"] = json!([])).explain("web", "db:5432");
    assert_eq!((run.status, run.obstacles().len()), (Some(3), 4));
    assert!(
        run.obstacles()[0].ends_with("the topology does not have the network ACL of subnet-a"),
        "{:?}",
        run.obstacles()
    );
    let run = Network::new().explain("web", "10.2.1.77:5432");
    let unknown = "forward security-groups - unknown: the topology has no interface with 10.2.1.77, so its security groups are unknown";
    assert_eq!((run.status, run.obstacles()), (Some(3), vec![unknown.to_owned()]));
    let run = Network::with(|topology| topology["RouteTables"] = json!([])).explain("web", "db:5432");
    assert_eq!((run.status, run.hops().len()), (Some(3), 3));
}

#[test]
fn all_ports_of_tcp_are_decided_together() {
    let run = Network::new().explain("web", "db");
    assert_eq!((run.status, run.json()["port"].clone()), (Some(3), json!(null)));
    let mixed = "forward security-groups sg-db unknown: of 1-65535/TCP from 10.1.1.5, no rule of sg-db (db) lets 10.1.1.5 in at 1-5431/TCP";
    assert_eq!(run.obstacles(), [mixed]);
}

#[test]
fn security_groups_block() {
    let run = Network::new().explain("web", "db:3306");
    assert_eq!(run.status, Some(1));
    let obstacle = "forward security-groups sg-db block: no rule of sg-db (db) lets 10.1.1.5 in at 3306/TCP (mysql)";
    assert_eq!(run.obstacles(), [obstacle]);
    let json = run.json();
    assert_eq!(json["blocked_by"]["name"], "db");
    assert_eq!(json["blocked_by"]["rule"], json!({"group_id": "sg-db", "group_ids": ["sg-db"], "traffic": null}));
    let run = Network::with(|topology| {
        resource(topology, "SecurityGroups", "sg-web")["IpPermissionsEgress"] =
            json!([permission(443, &["0.0.0.0/0"], &[])]);
    })
    .explain("web", "db:5432");
    let obstacle = "forward security-groups sg-web block: no rule of sg-web (web) lets traffic out to 10.2.1.5 at 5432/TCP (postgresql)";
    assert_eq!(run.obstacles(), [obstacle]);
}

#[test]
fn network_acl_of_the_destination_blocks() {
    let network = Network::with(|topology| {
        add_entries(topology, "acl-b", &[entry(90, "deny", false, "10.1.1.0/24", (5000, 6000))]);
    });
    let run = network.explain("web", "db:5432");
    assert_eq!(run.status, Some(1));
    let blocked_by = json!({"direction": "forward", "kind": "network-acl", "id": "acl-b", "verdict": "block",
        "reason": "rule 90 denies 5432/TCP (postgresql) from 10.1.1.5",
        "rule": {"rule_number": 90, "cidr_block": "10.1.1.0/24", "traffic": "5000-6000/TCP"}});
    assert_eq!(run.json()["blocked_by"], blocked_by);
    assert_eq!(run.json()["verdict"], "blocked");
    // All other hops are evaluated as well.
    assert_eq!(run.hops().len(), 11);
    let text = network.text("web", "db:5432");
    let blocked = "BLOCKED  10.1.1.5 (web, eni-web) to 10.2.1.5 (db, eni-db), 5432/TCP (postgresql)\n  \
        network ACL acl-b: rule 90 denies 5432/TCP (postgresql) from 10.1.1.5\n";
    assert!(text.starts_with(blocked), "{text}");
    assert!(text.contains("forward  BLOCK    network ACL acl-b"), "{text}");
}

#[test]
fn network_acl_on_the_way_back_blocks() {
    let run = Network::with(|topology| {
        add_entries(topology, "acl-a", &[entry(90, "deny", false, "10.2.0.0/16", (1024, 65_535))]);
    })
    .explain("web", "db:5432");
    assert_eq!(run.status, Some(1));
    assert_eq!(run.obstacles(), ["return network-acl acl-a block: rule 90 denies 1024-65535/TCP from 10.2.1.5"]);
    let run = Network::with(|topology| {
        add_entries(topology, "acl-b", &[entry(90, "deny", true, "0.0.0.0/0", (1024, 32_767))]);
    })
    .explain("web", "db:5432");
    // Whether the client uses one of the denied ports is unknown.
    assert_eq!(run.status, Some(3));
    let mixed =
        "return network-acl acl-b unknown: of 1024-65535/TCP to 10.1.1.5, rule 90 denies 1024-32767/TCP to 10.1.1.5";
    assert_eq!(run.obstacles(), [mixed]);
}

#[test]
fn link_local_services_are_on_the_link() {
    // Nothing is allowed, and no route leads anywhere.
    let network = Network::with(|topology| {
        resource(topology, "SecurityGroups", "sg-web")["IpPermissionsEgress"] = json!([]);
        resource(topology, "NetworkAcls", "acl-a")["Entries"] = json!([]);
        set_routes(topology, "rtb-a", json!([]));
    });
    let hop = |destination: &str| {
        let run = network.explain("web", destination);
        let reason = run.json()["hops"][0]["reason"].as_str().expect("a reason").to_owned();
        (run.status, run.hops(), reason)
    };
    for (destination, service) in [
        ("169.254.169.254:80", "169.254.169.254 is the instance metadata service"),
        ("169.254.169.253:53", "169.254.169.253 is the Amazon DNS server"),
        ("169.254.169.123", "169.254.169.123 is the Amazon Time Sync Service"),
        ("[fd00:ec2::254]:80", "fd00:ec2::254 is the instance metadata service"),
        ("fd00:ec2::253", "fd00:ec2::253 is the Amazon DNS server"),
        ("fd00:ec2::123", "fd00:ec2::123 is the Amazon Time Sync Service"),
    ] {
        let reason = format!("{service}: no route leads to it, and neither network ACLs nor security groups filter it");
        let expected = (Some(0), vec!["forward link-local-service - pass".to_owned()], reason);
        assert_eq!(hop(destination), expected, "{destination}");
    }
    for destination in ["169.254.0.9", "fe80::1"] {
        let reason = format!("{destination} is link-local: no route leads to it, and what has it is unknown");
        let expected = (Some(3), vec!["forward link-local-service - unknown".to_owned()], reason);
        assert_eq!(hop(destination), expected);
    }
    // Only a source in a VPC has them on its link.
    let run = network.explain("8.8.8.8", "169.254.169.254:80");
    assert_eq!((run.status, run.hops()), (Some(3), vec!["forward external-network - unknown".to_owned()]));
}

#[test]
fn an_end_reaches_itself_without_rules() {
    let network = Network::with(|topology| {
        resource(topology, "NetworkInterfaces", "eni-web")["PrivateIpAddresses"] =
            json!([{"PrivateIpAddress": "10.1.1.5", "Primary": true}, {"PrivateIpAddress": "10.1.1.50"}]);
    });
    for (source, destination) in
        [("web", "web:443"), ("10.1.1.5", "10.1.1.5:443"), ("eni-web", "[2600:1f18:a:1::5]:443")]
    {
        let run = network.explain(source, destination);
        assert_eq!(run.status, Some(0), "{:?}", run.obstacles());
        assert_eq!(run.hops(), ["forward network-interface eni-web pass"]);
    }
    let reason = &network.explain("web", "web:443").json()["hops"][0]["reason"];
    assert_eq!(*reason, "10.1.1.5 is the source itself: packets to it do not leave the host, and no rule applies");
    let run = network.explain("10.1.1.5", "10.1.1.50:443");
    let unknown = "forward network-interface eni-web unknown: it has both 10.1.1.5 and 10.1.1.50: no rule applies to packets that \
                   do not leave the host, which decides by itself";
    assert_eq!((run.status, run.obstacles()), (Some(3), vec![unknown.to_owned()]));
    let run = network.explain("10.1.1.77", "10.1.1.77:443");
    assert_eq!((run.status, run.hops()), (Some(0), vec!["forward network-interface - pass".to_owned()]));
    // The public address is reached over the internet.
    let run = network.explain("proxy", "52.0.0.9:443");
    assert!(run.hops().contains(&"forward internet-gateway igw-1 pass".to_owned()), "{:?}", run.hops());
}

#[test]
fn the_unknown_part_of_a_rule_is_named() {
    let obstacles = |permission: serde_json::Value| {
        Network::with(|topology| {
            resource(topology, "SecurityGroups", "sg-db")["IpPermissions"] = json!([permission]);
        })
        .explain("web", "db:5432")
        .obstacles()
    };
    let all = json!([{"CidrIp": "0.0.0.0/0"}]);
    for (permission, doubt) in [
        (
            json!({"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": "10.1.0.0/99"}]}),
            "5432/TCP may apply: one of its peers cannot be read",
        ),
        (
            json!({"IpProtocol": "tcp", "FromPort": 99_999, "ToPort": 99_999, "IpRanges": all}),
            "some TCP may apply: its ports cannot be read",
        ),
        (json!({"IpProtocol": "foo", "IpRanges": all}), "unreadable traffic may apply: its protocol cannot be read"),
        (
            json!({"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": "pl-9"}]}),
            "all traffic may apply: the blocks of pl-9 are unknown",
        ),
        (
            json!({"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-9"}]}),
            "all traffic may apply: the members of sg-9 are unknown",
        ),
    ] {
        let expected = format!("forward security-groups sg-db unknown: the rule of sg-db (db) for {doubt}");
        let found = obstacles(permission.clone());
        // References apply only within a Region, which is known.
        assert_eq!(found, [expected], "{permission}");
    }
    let run = Network::with(|topology| {
        let mut entry = entry(1, "deny", true, "0.0.0.0/0", (5432, 5432));
        entry["CidrBlock"] = json!("10.0.0.0/99");
        add_entries(topology, "acl-a", &[entry]);
    })
    .explain("web", "db:5432");
    let unknown = "forward network-acl acl-a unknown: rule 1 for 5432/TCP may match: its CIDR block cannot be read";
    assert_eq!(run.obstacles(), [unknown]);
}

#[test]
fn several_groups_are_alternatives() {
    let run = Network::with(|topology| {
        resource(topology, "NetworkInterfaces", "eni-db")["Groups"] =
            json!([{"GroupId": "sg-db"}, {"GroupId": "sg-cache"}]);
    })
    .explain("web", "db:22");
    let blocked = "no rule of sg-cache (cache) or sg-db (db) lets 10.1.1.5 in at 22/TCP (ssh)";
    assert!(run.obstacles()[0].ends_with(blocked), "{:?}", run.obstacles());
}
