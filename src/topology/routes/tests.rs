use serde_json::{Value, json};

use super::*;

fn topology(document: &Value) -> Topology {
    let mut resources = Resources::default();
    resources.read("case.json", document.to_string().as_bytes()).expect("JSON");
    assert_eq!(resources.problems, []);
    Topology::new(resources)
}

/// Builds a route table. An association is `main` or a subnet. A route is a destination, a target, and possibly a state.
fn table(id: &str, vpc_id: &str, associations: &[&str], routes: &[&str]) -> Value {
    let association = |name: &&str| match *name {
        "main" => json!({"Main": true}),
        subnet => json!({"Main": false, "SubnetId": subnet, "AssociationState": {"State": "associated"}}),
    };
    let route = |text: &&str| {
        let parts: Vec<&str> = text.split(' ').collect();
        let kind = match parts[0] {
            list if list.starts_with("pl-") => "DestinationPrefixListId",
            ipv6 if ipv6.contains(':') => "DestinationIpv6CidrBlock",
            _ => "DestinationCidrBlock",
        };
        let target = if parts[1].starts_with("pcx-") { "VpcPeeringConnectionId" } else { "GatewayId" };
        json!({kind: parts[0], target: parts[1], "State": parts.get(2).unwrap_or(&"active")})
    };
    json!({"RouteTableId": id, "VpcId": vpc_id, "Associations": associations.iter().map(association).collect::<Vec<_>>(),
           "Routes": routes.iter().map(route).collect::<Vec<_>>()})
}

/// Builds a topology of four VPCs, whose blocks are 10.1.0.0/16 to 10.4.0.0/16. A hub, vpc-1, is peered with vpc-2 and vpc-3.
fn hub(subnets: &[[&str; 2]], tables: &[Value]) -> Topology {
    let connection = |number: u8| {
        json!({"VpcPeeringConnectionId": format!("pcx-{number}"), "Status": {"Code": "active"},
               "RequesterVpcInfo": {"VpcId": "vpc-1"}, "AccepterVpcInfo": {"VpcId": format!("vpc-{number}")}})
    };
    let vpc = |number: u8| json!({"VpcId": format!("vpc-{number}"), "CidrBlock": format!("10.{number}.0.0/16")});
    let subnet = |[id, vpc]: &[&str; 2]| {
        let block = if *id == "subnet-a" { "10.1.1.0/24" } else { "10.1.2.0/24" };
        json!({"SubnetId": id, "VpcId": vpc, "CidrBlock": block})
    };
    topology(&json!({
        "Vpcs": [vpc(1), vpc(2), vpc(3), vpc(4)],
        "Subnets": subnets.iter().map(subnet).collect::<Vec<_>>(),
        "VpcPeeringConnections": [connection(2), connection(3)],
        "RouteTables": tables,
        "PrefixLists": [{"PrefixListId": "pl-known", "Cidrs": ["10.2.0.0/17", "172.16.0.0/16"]}],
    }))
}

fn index(topology: &Topology, id: &str) -> VpcIndex {
    topology.vpc_index(id).expect("it is known")
}

/// Returns the tables in use of vpc-1 with their subnets, and whether these are all.
fn in_use(topology: &Topology) -> (Vec<String>, bool) {
    let in_use = topology.route_tables_in_use(index(topology, "vpc-1"));
    let text = |table: &TableInUse<'_>| format!("{}: {}", table.id, table.subnet_ids.join(" "));
    (in_use.tables.iter().map(text).collect(), in_use.is_complete)
}

#[test]
fn main_table_is_in_use_if_a_subnet_has_no_other() {
    let tables = [
        table("rtb-main", "vpc-1", &["main"], &[]),
        table("rtb-own", "vpc-1", &["subnet-b"], &[]),
        table("rtb-unused", "vpc-1", &[], &[]),
        table("rtb-else", "vpc-2", &["main", "subnet-z"], &[]),
    ];
    let both = (vec!["rtb-main: subnet-a".to_owned(), "rtb-own: subnet-b".to_owned()], true);
    assert_eq!(in_use(&hub(&[["subnet-a", "vpc-1"], ["subnet-b", "vpc-1"]], &tables)), both);
    // Every subnet has its own table; the subnet of the other VPC does not count.
    let own = (vec!["rtb-own: subnet-b".to_owned()], true);
    assert_eq!(in_use(&hub(&[["subnet-b", "vpc-1"], ["subnet-y", "vpc-2"]], &tables)), own);
    // No subnet is known.
    let unknown = (vec!["rtb-main: ".to_owned(), "rtb-own: subnet-b".to_owned()], true);
    assert_eq!(in_use(&hub(&[], &tables)), unknown);
}

#[test]
fn tables_are_incomplete_without_a_main_table_in_use() {
    let tables = [table("rtb-own", "vpc-1", &["subnet-b"], &[])];
    let own = || vec!["rtb-own: subnet-b".to_owned()];
    assert_eq!(in_use(&hub(&[["subnet-a", "vpc-1"], ["subnet-b", "vpc-1"]], &tables)), (own(), false));
    assert_eq!(in_use(&hub(&[["subnet-b", "vpc-1"]], &tables)), (own(), true));
    assert_eq!(in_use(&hub(&[], &tables)), (own(), false));
    assert_eq!(in_use(&hub(&[], &[])), (vec![], false));
}

#[test]
fn subnet_uses_its_own_table_or_the_main_one() {
    let tables =
        [table("rtb-main", "vpc-1", &["main"], &[]), table("rtb-own", "vpc-1", &["subnet-b", "subnet-unknown"], &[])];
    let topology = hub(&[["subnet-a", "vpc-1"], ["subnet-b", "vpc-1"], ["subnet-c", "vpc-2"]], &tables);
    for (subnet, expected) in [
        ("subnet-a", Some("rtb-main")),
        ("subnet-b", Some("rtb-own")),
        ("subnet-unknown", Some("rtb-own")),
        ("subnet-c", None),
        ("subnet-nowhere", None),
    ] {
        assert_eq!(topology.route_table_of_subnet(subnet).map(|(id, _)| id), expected, "{subnet}");
    }
}

#[test]
fn routed_peer_is_behind_the_longest_route() {
    let routes = [
        "10.9.0.0/16 pcx-2",
        "10.9.1.0/24 pcx-3",
        "10.9.1.128/25 pcx-3 blackhole",
        "10.9.2.0/24 tgw-1",
        "10.9.3.0/24 pcx-unknown",
        "pl-known pcx-3",
        "172.0.0.0/8 pcx-2",
        "pl-unknown pcx-2",
        "2600::/16 pcx-2",
    ];
    let topology = hub(&[["subnet-a", "vpc-1"]], &[table("rtb-1", "vpc-1", &["main"], &routes)]);
    let candidates = ["vpc-2", "vpc-3"].map(|id| index(&topology, id));
    let peer = |subnet: &str, address: &str| {
        let address = address.parse().expect("an address");
        topology.routed_peer(Some(subnet), None, address, &candidates).map(|vpc| topology.vpc(vpc).id.as_str())
    };
    for (address, expected) in [
        ("10.9.0.1", Some("vpc-2")),
        ("10.9.1.1", Some("vpc-3")),
        ("10.9.1.129", Some("vpc-3")),
        // Only routes to one of the candidates count.
        ("10.9.2.1", Some("vpc-2")),
        ("10.9.3.1", Some("vpc-2")),
        ("10.8.0.1", None),
        ("172.16.0.1", Some("vpc-3")),
        ("172.17.0.1", Some("vpc-2")),
        ("2600::1", Some("vpc-2")),
        ("2601::1", None),
    ] {
        assert_eq!(peer("subnet-a", address), expected, "{address}");
    }
    assert_eq!(peer("subnet-b", "10.9.0.1"), None);
}

#[test]
fn reach_follows_the_longest_destination() {
    let reach = |routes: &[&str]| {
        let topology = hub(&[], &[table("rtb-1", "vpc-1", &["main"], routes)]);
        let table = &topology.resources().route_tables["rtb-1"];
        topology.reach(table, "pcx-2", &"10.2.0.0/16".parse().expect("a block"))
    };
    for (routes, expected) in [
        (&["10.2.0.0/16 pcx-2"][..], Reach::Yes),
        (&["10.0.0.0/8 pcx-2"], Reach::Yes),
        (&["10.2.3.4/32 pcx-2"], Reach::Yes),
        (&["10.3.0.0/16 pcx-2"], Reach::No),
        (&["::/0 pcx-2"], Reach::No),
        (&["10.2.0.0/16 pcx-3"], Reach::No),
        (&["10.2.0.0/16 pcx-2 blackhole"], Reach::No),
        // A longer destination takes the whole block, also in state blackhole; or a part of it.
        (&["10.0.0.0/8 pcx-2", "10.2.0.0/16 tgw-1"], Reach::No),
        (&["10.0.0.0/8 pcx-2", "10.2.0.0/15 tgw-1"], Reach::No),
        (&["10.0.0.0/8 pcx-2", "10.2.0.0/16 tgw-1 blackhole"], Reach::No),
        (&["10.0.0.0/8 pcx-2", "10.2.0.0/16 tgw-1 filtered"], Reach::Yes),
        (&["10.0.0.0/8 pcx-2", "10.2.0.0/17 tgw-1"], Reach::Yes),
        (&["10.2.0.0/16 pcx-2", "10.0.0.0/8 tgw-1"], Reach::Yes),
        (&["10.2.1.0/24 pcx-2", "10.2.0.0/16 tgw-1"], Reach::Yes),
        (&["10.0.0.0/8 pcx-2", "10.2.0.0/16 pcx-2"], Reach::Yes),
        // Prefix lists.
        (&["pl-known pcx-2"], Reach::Yes),
        (&["10.0.0.0/8 pcx-2", "pl-known tgw-1"], Reach::Yes),
        (&["pl-unknown pcx-2"], Reach::Possible),
        (&["pl-unknown pcx-2 blackhole"], Reach::No),
        (&["pl-unknown pcx-2", "10.2.0.0/16 pcx-2"], Reach::Yes),
        (&[], Reach::No),
    ] {
        assert_eq!(reach(routes), expected, "{routes:?}");
    }
}

#[test]
fn the_route_between_two_addresses_is_that_of_the_subnet() {
    let tables = [
        table(
            "rtb-a",
            "vpc-1",
            &["subnet-a"],
            &["10.2.0.0/16 pcx-2", "10.2.9.0/24 tgw-1", "10.2.8.0/24 pcx-2 blackhole"],
        ),
        table("rtb-b", "vpc-1", &["subnet-b"], &["10.3.0.0/16 pcx-3"]),
        table("rtb-list", "vpc-2", &["main"], &["10.1.0.0/16 pcx-2", "pl-unknown pcx-2"]),
    ];
    let topology = hub(&[["subnet-a", "vpc-1"], ["subnet-b", "vpc-1"]], &tables);
    let between = |from: &str, to: &str| {
        let [from, to] = [from, to].map(|address| address.parse().expect("an address"));
        let (table, route) = topology.route_between(index(&topology, "vpc-1"), from, to)?;
        let leads =
            route.map(|route| topology.leads_between(route, index(&topology, "vpc-1"), index(&topology, "vpc-2")));
        Some((table, leads))
    };
    assert_eq!(between("10.1.1.5", "10.2.0.1"), Some(("rtb-a", Some(true))));
    assert_eq!(between("10.1.1.5", "10.2.9.1"), Some(("rtb-a", Some(false))), "to another target");
    assert_eq!(between("10.1.1.5", "10.2.8.1"), Some(("rtb-a", Some(false))), "blackhole");
    assert_eq!(between("10.1.1.5", "10.4.0.1"), Some(("rtb-a", None)));
    assert_eq!(between("10.1.2.5", "10.2.0.1"), Some(("rtb-b", None)));
    assert_eq!(between("10.1.9.5", "10.2.0.1"), None, "in no known subnet");
    let listed = topology.route_between(
        index(&topology, "vpc-2"),
        "10.2.0.1".parse().expect("an address"),
        "10.1.0.1".parse().expect("an address"),
    );
    assert!(listed.is_none(), "the blocks of a prefix list are unknown");
}

#[test]
fn ipv6_needs_a_route_if_both_sides_have_a_block() {
    let vpc = |id: &str, block: &str, ipv6: &[&str]| {
        let ipv6: Vec<Value> = ipv6.iter().map(|block| json!({"Ipv6CidrBlock": block})).collect();
        json!({"VpcId": id, "CidrBlock": block, "Ipv6CidrBlockAssociationSet": ipv6})
    };
    let topology = topology(&json!({"Vpcs": [
        vpc("vpc-1", "10.1.0.0/16", &["2600:1::/56"]), vpc("vpc-2", "10.2.0.0/16", &["2600:2::/56"]), vpc("vpc-3", "10.3.0.0/16", &[]),
    ]}));
    let blocks = |side, other| -> Vec<String> {
        topology
            .blocks_to_route(index(&topology, side), index(&topology, other))
            .map(|block| block.to_string())
            .collect()
    };
    assert_eq!(blocks("vpc-1", "vpc-2"), ["10.2.0.0/16", "2600:2::/56"]);
    assert_eq!(blocks("vpc-3", "vpc-2"), ["10.2.0.0/16"]);
    assert_eq!(blocks("vpc-1", "vpc-3"), ["10.3.0.0/16"]);
}

#[test]
fn vpcs_containing_a_block_have_all_its_addresses() {
    let vpc = |id: &str, block: &str| json!({"VpcId": id, "CidrBlock": block});
    let topology = topology(&json!({"Vpcs": [
        vpc("vpc-3", "10.1.0.0/16"), vpc("vpc-1", "10.0.0.0/8"), vpc("vpc-2", "10.1.0.0/16"), vpc("vpc-6", "2600:1::/56"),
    ]}));
    let vpcs = |block: &str| -> Vec<&str> {
        let found = topology.vpcs_containing(&block.parse().expect("a block"));
        found.into_iter().map(|vpc| topology.vpc(vpc).id.as_str()).collect()
    };
    assert_eq!(vpcs("10.1.2.0/24"), ["vpc-1", "vpc-2", "vpc-3"]);
    assert_eq!(vpcs("10.1.0.0/16"), ["vpc-1", "vpc-2", "vpc-3"]);
    assert_eq!(vpcs("10.0.0.0/15"), ["vpc-1"]);
    assert_eq!(vpcs("0.0.0.0/0"), [""; 0]);
    assert_eq!(vpcs("2600:1:0:0:1::/80"), ["vpc-6"]);
}
