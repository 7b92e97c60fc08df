use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::topology::Topology;

/// What is read of documents that are called 1, 2 and so on.
fn read(documents: &[&str]) -> Resources {
    let mut resources = Resources::default();
    let mut one_by_one = Resources::default();
    for (number, document) in (1..).zip(documents) {
        resources.read(&format!("{number}"), document.as_bytes()).expect("JSON");
        let document = document.trim_start_matches('\u{feff}');
        one_by_one.take(&format!("{number}"), document.as_bytes(), None).expect("JSON");
    }
    assert_eq!(resources, one_by_one, "all at once is the same as one by one");
    resources
}

/// What is read of a document that has nothing wrong.
fn read_whole(document: &str) -> Resources {
    let resources = read(&[document]);
    assert_eq!(problems(&resources), [""; 0]);
    resources
}

fn problems(resources: &Resources) -> Vec<String> {
    resources.problems.iter().map(Problem::to_string).collect()
}

fn texts(blocks: &[IpNet]) -> Vec<String> {
    blocks.iter().map(IpNet::to_string).collect()
}

#[test]
fn documents_in_which_anything_is_odd_are_read_one_by_one() {
    let vpc = r#"{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"}"#;
    let at_once = |json: &[u8]| wire::DescribeOutput::of(json).is_some();
    assert!(at_once(format!(r#" {{"Vpcs": [{vpc}], "NextToken": 1e999}} "#).as_bytes()));
    assert!(at_once(format!(r#"{{"Vpcs": [{vpc}, {{"VpcId": "vpc-b", "Odd": "\ud800"}}]}}"#).as_bytes()));
    for odd in [
        format!(r#"[[{vpc}], null, null, null, null]"#),
        format!(r#"{{"Vpcs": [{vpc}], "Vpcs": []}}"#),
        format!(r#"{{"Vpcs": [{vpc}, {{"VpcId": 1}}]}}"#),
        format!(r#"{{"Vpcs": [{vpc}, {{"VpcId": "vpc-b", "VpcId": "vpc-c"}}]}}"#),
        format!(r#"{{"Vpcs": [{vpc}], "Subnets": {{}}}}"#),
        format!(r#"{{"Vpcs": [{vpc}]}} {{}}"#),
        r#"{"Vpcs": null}"#.to_owned(),
        "{}".to_owned(),
    ] {
        assert!(!at_once(odd.as_bytes()), "{odd}");
    }
    let not_utf8 = [format!(r#"{{"Vpcs": [{vpc}], "Odd": ""#).as_bytes(), b"\xff\"}"].concat();
    assert!(!at_once(&not_utf8));
}

#[test]
fn only_associated_blocks_of_a_vpc_count() {
    let resources = read_whole(
        r#"{"Vpcs": [{
            "VpcId": "vpc-a", "OwnerId": "012345678901", "CidrBlock": "10.1.0.0/16", "IsDefault": false,
            "CidrBlockAssociationSet": [
                {"CidrBlock": "10.1.0.0/16", "CidrBlockState": {"State": "associated"}},
                {"CidrBlock": "100.64.0.0/20", "CidrBlockState": {"State": "associated"}},
                {"CidrBlock": "10.11.0.0/16", "CidrBlockState": {"State": "associating"}},
                {"CidrBlock": "10.12.0.0/16", "CidrBlockState": {"State": "disassociating"}},
                {"CidrBlock": "10.13.0.0/16", "CidrBlockState": {"State": "disassociated"}},
                {"CidrBlock": "10.14.0.0/16", "CidrBlockState": {"State": "failing"}},
                {"CidrBlock": "10.15.0.0/16", "CidrBlockState": {"State": "failed"}}],
            "Ipv6CidrBlockAssociationSet": [
                {"Ipv6CidrBlock": "2600:1f18:1::/56", "Ipv6CidrBlockState": {"State": "associated"}},
                {"Ipv6CidrBlock": "2600:1f18:2::/56", "Ipv6CidrBlockState": {"State": "disassociated"}}],
            "Tags": [{"Key": "name", "Value": "no"}, {"Key": "Name", "Value": "production"}]}]}"#,
    );
    let vpc = &resources.vpcs["vpc-a"];
    assert_eq!(texts(&vpc.blocks), ["10.1.0.0/16", "100.64.0.0/20", "2600:1f18:1::/56"]);
    assert_eq!((vpc.owner_id.as_deref(), vpc.name.as_deref()), (Some("012345678901"), Some("production")));
    assert_eq!(&*resources.origins["vpc-a"], "1");
}

#[test]
fn a_vpc_without_the_set_has_its_primary_block() {
    for set in ["", r#", "CidrBlockAssociationSet": null"#] {
        let resources = read_whole(&format!(r#"{{"Vpcs": [{{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"{set}}}]}}"#));
        assert_eq!(texts(&resources.vpcs["vpc-a"].blocks), ["10.1.0.0/16"]);
    }
    let stateless = r#"{"Vpcs": [{"VpcId": "vpc-a", "CidrBlockAssociationSet": [{"CidrBlock": "10.2.0.0/16"}]}]}"#;
    assert_eq!(texts(&read_whole(stateless).vpcs["vpc-a"].blocks), ["10.2.0.0/16"]);
}

#[test]
fn a_subnet_has_its_blocks_of_both_kinds() {
    let resources = read_whole(
        r#"{"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-a", "CidrBlock": "10.1.1.0/24",
            "Ipv6CidrBlockAssociationSet": [
                {"Ipv6CidrBlock": "2600:1f18:1:1::/64", "Ipv6CidrBlockState": {"State": "associated"}},
                {"Ipv6CidrBlock": "2600:1f18:1:2::/64", "Ipv6CidrBlockState": {"State": "failed"}}]}]}"#,
    );
    let subnet = &resources.subnets["subnet-1"];
    assert_eq!(
        (subnet.vpc_id.as_str(), texts(&subnet.blocks)),
        ("vpc-a", vec!["10.1.1.0/24".to_owned(), "2600:1f18:1:1::/64".to_owned()])
    );
}

#[test]
fn a_side_of_a_connection_has_all_blocks_that_it_gives() {
    let resources = read_whole(
        r#"{"VpcPeeringConnections": [{
            "VpcPeeringConnectionId": "pcx-1", "Status": {"Code": "active", "Message": "Active"}, "ExpirationTime": null,
            "RequesterVpcInfo": {"VpcId": "vpc-a", "OwnerId": "1", "Region": "us-east-1", "CidrBlock": "10.1.0.0/16",
                "CidrBlockSet": [{"CidrBlock": "10.1.0.0/16"}, {"CidrBlock": "10.0.0.0/16"}],
                "Ipv6CidrBlockSet": [{"Ipv6CidrBlock": "2600:1f18:1::/56"}],
                "PeeringOptions": {"AllowDnsResolutionFromRemoteVpc": true}},
            "AccepterVpcInfo": {"VpcId": "vpc-b"}}]}"#,
    );
    let connection = &resources.peering_connections["pcx-1"];
    assert!(connection.is_active());
    assert_eq!(texts(&connection.requester.blocks), ["10.0.0.0/16", "10.1.0.0/16", "2600:1f18:1::/56"]);
    assert_eq!(connection.requester.region.as_deref(), Some("us-east-1"));
    let accepter = Side { vpc_id: "vpc-b".to_owned(), owner_id: None, region: None, blocks: Vec::new() };
    assert_eq!(connection.accepter, accepter);
}

#[test]
fn an_interface_has_all_its_addresses_and_prefixes() {
    let resources = read_whole(
        r#"{"NetworkInterfaces": [{
            "NetworkInterfaceId": "eni-1", "VpcId": "vpc-a", "SubnetId": "subnet-1", "InterfaceType": "interface",
            "PrivateIpAddress": "10.1.1.5", "Ipv6Address": "2600:1f18:1:1::5",
            "PrivateIpAddresses": [{"Primary": true, "PrivateIpAddress": "10.1.1.5"},
                                   {"Primary": false, "PrivateIpAddress": "10.1.1.6"}],
            "Ipv6Addresses": [{"Ipv6Address": "2600:1f18:1:1::5"}, {"Ipv6Address": "2600:1f18:1:1::6"}],
            "Ipv4Prefixes": [{"Ipv4Prefix": "10.1.1.16/28"}], "Ipv6Prefixes": [{"Ipv6Prefix": "2600:1f18:1:1:1::/80"}],
            "Association": {"PublicIp": "198.51.100.1"},
            "Description": "aws-K8S-i-1", "TagSet": [], "Tags": [{"Key": "Name", "Value": "not here"}]}]}"#,
    );
    let interface = &resources.interfaces["eni-1"];
    let addresses: Vec<String> = interface.addresses.iter().map(IpAddr::to_string).collect();
    assert_eq!(addresses, ["10.1.1.5", "10.1.1.6", "2600:1f18:1:1::5", "2600:1f18:1:1::6"]);
    assert_eq!(texts(&interface.prefixes), ["10.1.1.16/28", "2600:1f18:1:1:1::/80"]);
    assert_eq!((interface.service, interface.name.as_deref()), ("eks", Some("aws-K8S-i-1")));
    let owned = |address: &str| interface.owns(address.parse().expect("an address"));
    for (address, expected) in [
        ("10.1.1.6", true),
        ("10.1.1.15", false),
        ("10.1.1.16", true),
        ("10.1.1.31", true),
        ("10.1.1.32", false),
        ("2600:1f18:1:1:1::9", true),
        ("2600:1f18:1:1:2::9", false),
        ("198.51.100.1", false),
    ] {
        assert_eq!(owned(address), expected, "{address}");
    }
}

#[test]
fn an_interface_is_called_by_its_name_tag_else_by_its_description() {
    let name = |more: &str| {
        let resources = read_whole(&format!(r#"{{"NetworkInterfaces": [{{"NetworkInterfaceId": "eni-1"{more}}}]}}"#));
        resources.interfaces["eni-1"].name.clone()
    };
    let tag = |value: &str| format!(r#", "Description": "d", "TagSet": [{{"Key": "Name", "Value": {value}}}]"#);
    assert_eq!(name(&tag("\"db\"")).as_deref(), Some("db"));
    assert_eq!(name(&tag("\"\"")).as_deref(), Some("d"));
    assert_eq!(name(&tag("null")).as_deref(), Some("d"));
    assert_eq!(name(r#", "Description": """#), None);
    assert_eq!(name(""), None);
}

#[test]
fn the_owner_of_an_interface_is_told_by_all_its_traits() {
    let service = |traits: &str| {
        let resources =
            read_whole(&format!(r#"{{"NetworkInterfaces": [{{"NetworkInterfaceId": "eni-1", {traits}}}]}}"#));
        resources.interfaces["eni-1"].service
    };
    assert_eq!(service(r#""InterfaceType": "nat_gateway""#), "nat-gateway");
    assert_eq!(service(r#""RequesterId": "amazon-rds""#), "rds");
    assert_eq!(service(r#""RequesterManaged": true, "Description": "ElastiCache redis""#), "elasticache");
    assert_eq!(service(r#""RequesterManaged": false, "Description": "ElastiCache redis""#), "ec2");
    assert_eq!(service(r#""Operator": {"Managed": true, "Principal": "eks.amazonaws.com"}"#), "aws");
    assert_eq!(service(r#""Operator": {"Managed": false, "Principal": "eks.amazonaws.com"}"#), "ec2");
    assert_eq!(service(r#""Operator": {"Managed": false}"#), "ec2");
}

#[test]
fn of_a_route_table_the_routes_to_connections_are_read() {
    let resources = read_whole(
        r#"{"RouteTables": [{"RouteTableId": "rtb-1", "VpcId": "vpc-a", "Associations": [{"Main": true}], "Routes": [
            {"DestinationCidrBlock": "10.1.0.0/16", "GatewayId": "local", "State": "active"},
            {"DestinationCidrBlock": "10.2.0.0/16", "VpcPeeringConnectionId": "pcx-1", "State": "active"},
            {"DestinationIpv6CidrBlock": "2600:1f18:2::/56", "VpcPeeringConnectionId": "pcx-1", "State": "blackhole"},
            {"DestinationPrefixListId": "pl-1", "VpcPeeringConnectionId": "pcx-2"}]}]}"#,
    );
    let table = &resources.route_tables["rtb-1"];
    let routes: Vec<String> = table
        .routes
        .iter()
        .map(|route| format!("{} {} {}", route.destination, route.peering_connection_id, route.blackhole))
        .collect();
    assert_eq!(routes, ["10.2.0.0/16 pcx-1 false", "2600:1f18:2::/56 pcx-1 true", "pl-1 pcx-2 false"]);
    assert_eq!(table.vpc_id, "vpc-a");
}

#[test]
fn of_a_resource_that_is_read_twice_the_last_holds() {
    let vpc = |block: &str| format!(r#"{{"Vpcs": [{{"VpcId": "vpc-a", "CidrBlock": "{block}"}}]}}"#);
    let resources = read(&[&vpc("10.1.0.0/16"), &vpc("10.1.0.0/16"), &vpc("10.2.0.0/16")]);
    assert_eq!(texts(&resources.vpcs["vpc-a"].blocks), ["10.2.0.0/16"]);
    assert_eq!(&*resources.origins["vpc-a"], "3");
    assert_eq!(problems(&resources), ["3: vpc-a: duplicate with different content; the last one is used"]);
}

#[test]
fn what_is_no_block_or_address_is_named_and_the_rest_is_used() {
    let resources = read(&[
        r#"{"NextToken": null}"#,
        r#"{"Vpcs": [{"VpcId": "vpc-a", "CidrBlockAssociationSet": [
                {"CidrBlock": "10.1.0.0/16"}, {"CidrBlock": "10.2.0.0/33"}, {"CidrBlock": "10.2.0.1/16"}]}],
            "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "PrivateIpAddress": "10.1.1.256",
                "Ipv6Address": "2600::1", "Ipv4Prefixes": [{"Ipv4Prefix": "10.1.1.1"}]}],
            "RouteTables": [{"RouteTableId": "rtb-1", "VpcId": "vpc-a", "Routes": [
                {"DestinationCidrBlock": "ten", "VpcPeeringConnectionId": "pcx-1"},
                {"VpcPeeringConnectionId": "pcx-2"},
                {"DestinationCidrBlock": "10.2.0.0/16", "VpcPeeringConnectionId": "pcx-3"}]}]}"#,
    ]);
    assert_eq!(
        problems(&resources)[1..],
        [
            r#"2: vpc-a: "10.2.0.0/33" is not a CIDR block"#,
            r#"2: vpc-a: "10.2.0.1/16" is not a CIDR block"#,
            r#"2: eni-1: "10.1.1.256" is not an address"#,
            r#"2: eni-1: "10.1.1.1" is not a CIDR block"#,
            r#"2: rtb-1: "ten" is not a CIDR block"#,
            "2: rtb-1: the route to pcx-2 has no destination",
        ]
    );
    assert_eq!(texts(&resources.vpcs["vpc-a"].blocks), ["10.1.0.0/16"]);
    assert_eq!(resources.interfaces["eni-1"].addresses, ["2600::1".parse::<IpAddr>().expect("an address")]);
    assert_eq!(resources.route_tables["rtb-1"].routes.len(), 1);
}

#[test]
fn a_connection_that_leads_nowhere_is_named_and_the_others_are_used() {
    let resources = read(&[r#"{"VpcPeeringConnections": [
        {"VpcPeeringConnectionId": "pcx-1", "Status": {"Code": "active"}, "RequesterVpcInfo": {"VpcId": "vpc-a"}},
        {"VpcPeeringConnectionId": "pcx-2", "Status": {"Code": "active"}, "RequesterVpcInfo": {"OwnerId": "1"},
         "AccepterVpcInfo": {"VpcId": "vpc-a"}},
        {"VpcPeeringConnectionId": "pcx-3", "RequesterVpcInfo": {"VpcId": "vpc-a"}, "AccepterVpcInfo": {"VpcId": "vpc-b"}},
        {"VpcPeeringConnectionId": "pcx-4", "Status": {"Code": "active"}, "RequesterVpcInfo": {"VpcId": "vpc-a"},
         "AccepterVpcInfo": {"VpcId": "vpc-a"}},
        {"VpcPeeringConnectionId": "pcx-5", "Status": {"Code": "expired"}, "RequesterVpcInfo": {"VpcId": "vpc-a"},
         "AccepterVpcInfo": {"VpcId": "vpc-b"}}]}"#]);
    assert_eq!(
        problems(&resources),
        [
            "1: pcx-1: AccepterVpcInfo has no VpcId",
            "1: pcx-2: RequesterVpcInfo has no VpcId",
            "1: pcx-3: has no Status.Code",
            "1: pcx-4: requester and accepter are both vpc-a",
        ]
    );
    assert_eq!(resources.peering_connections.keys().collect::<Vec<_>>(), ["pcx-5"]);
}

#[test]
fn a_resource_of_another_shape_is_named_and_the_others_are_used() {
    let resources = read(&[r#"{
        "Vpcs": [null, {"VpcId": "vpc-x", "CidrBlock": 7}, {"VpcId": 7}, {"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"}],
        "Subnets": {"SubnetId": "subnet-1"},
        "NetworkInterfaces": "none"}"#]);
    assert_eq!(
        problems(&resources),
        [
            "1: Vpcs[0]: invalid type: null, expected struct WireVpc",
            "1: vpc-x: invalid type: integer `7`, expected a string",
            "1: Vpcs[2]: invalid type: integer `7`, expected a string",
            "1: Subnets: not a list",
            "1: NetworkInterfaces: not a list",
        ]
    );
    assert_eq!(resources.vpcs.keys().collect::<Vec<_>>(), ["vpc-a"]);
}

#[test]
fn null_is_absent_and_unknown_keys_are_ignored() {
    let resources = read_whole(
        r#"{"NextToken": "more", "ResponseMetadata": {}, "Subnets": null, "RouteTables": [
                {"RouteTableId": "rtb-1", "VpcId": "vpc-a", "Routes": null}],
            "Vpcs": [{"VpcId": "vpc-a", "OwnerId": null, "CidrBlock": "10.1.0.0/16", "CidrBlockAssociationSet": null,
                "Ipv6CidrBlockAssociationSet": null, "Tags": null, "Tomorrow": [1]}],
            "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "VpcId": null, "SubnetId": null, "InterfaceType": null,
                "RequesterId": null, "RequesterManaged": null, "Description": null, "PrivateIpAddress": null,
                "PrivateIpAddresses": null, "Ipv6Address": null, "Ipv6Addresses": null, "Ipv4Prefixes": null,
                "Ipv6Prefixes": null, "Operator": null, "TagSet": null}]}"#,
    );
    assert_eq!(texts(&resources.vpcs["vpc-a"].blocks), ["10.1.0.0/16"]);
    assert_eq!((resources.interfaces["eni-1"].service, resources.interfaces["eni-1"].addresses.len()), ("ec2", 0));
}

#[test]
fn what_stands_at_an_unknown_key_is_not_even_read() {
    // Neither a number nor a text that Rust has.
    let document = r#"{"NextToken": "\ud800", "Tags": {"a": 1e999}, "Count": -1e999, "Vpcs": [{"VpcId": "vpc-a"}]}"#;
    assert_eq!(read_whole(document).vpcs.len(), 1);
}

#[test]
fn a_document_that_is_of_no_use_says_so() {
    let error = Resources::default().read("vpcs.json", b"{\"Vpcs\": [").expect_err("it is cut off");
    assert_eq!(error.to_string(), "vpcs.json: not JSON: EOF while parsing a list at line 1 column 10");
    let error = Resources::default().read("flows.log.gz", b"\x1f\x8b").expect_err("it is gzip");
    assert!(error.to_string().starts_with("flows.log.gz: not JSON: "), "{error}");
    for document in ["{}", "[]", "7", "null", r#"{"Reservations": []}"#, r#"[{"Vpcs": []}]"#] {
        let keys = "Vpcs, Subnets, VpcPeeringConnections, NetworkInterfaces, RouteTables";
        assert_eq!(problems(&read(&[document])), [format!("1: the document: has none of the keys {keys}")]);
    }
    assert_eq!(problems(&read(&[r#"{"Vpcs": []}"#, r#"{"RouteTables": null}"#])), [""; 0]);
}

#[test]
fn a_byte_order_mark_is_skipped() {
    assert_eq!(read_whole("\u{feff}{\"Vpcs\": [{\"VpcId\": \"vpc-a\"}]}").vpcs.len(), 1);
}

/// Any JSON, of keys and values that mean something here.
fn any_json() -> impl Strategy<Value = Value> {
    let fields = "VpcId SubnetId NetworkInterfaceId RouteTableId CidrBlock CidrBlockAssociationSet CidrBlockState State \
                  Ipv6CidrBlockAssociationSet Ipv6CidrBlock Ipv6CidrBlockState Tags Key Value Status Code Routes \
                  RequesterVpcInfo AccepterVpcInfo CidrBlockSet Ipv6CidrBlockSet Region PrivateIpAddress TagSet \
                  PrivateIpAddresses Ipv6Addresses Ipv4Prefixes Ipv6Prefixes Operator Principal Description";
    let keys: Vec<&str> = fields.split_whitespace().chain(KEYS).collect();
    let words =
        ["vpc-a", "vpc-b", "pcx-1", "eni-1", "active", "associated", "10.1.0.0/16", "10.1.0.5", "::/0", "Name", ""];
    let leaf = prop_oneof![
        1 => Just(json!(null)),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        6 => prop::sample::select(words.to_vec()).prop_map(Value::from),
        1 => "\\PC{0,9}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 96, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(prop::sample::select(keys.clone()), inner, 0..6)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>()),
        ]
    })
}

/// Resources that don't contradict each other, each in a document of its own.
fn documents() -> Vec<String> {
    let vpc = |id: u8| json!({"Vpcs": [{"VpcId": format!("vpc-{id}"), "CidrBlock": format!("10.{}.0.0/16", id % 3)}]});
    let subnet = |id: u8| json!({"Subnets": [{"SubnetId": format!("subnet-{id}"), "VpcId": format!("vpc-{id}")}]});
    let connection = |id: u8| {
        let side = |id: u8| {
            json!({"VpcId": format!("vpc-{id}"), "CidrBlock": format!("10.{}.0.0/16", 100 + id),
                                   "Region": format!("region-{id}")})
        };
        json!({"VpcPeeringConnections": [{"VpcPeeringConnectionId": format!("pcx-{id}"), "Status": {"Code": "active"},
               "RequesterVpcInfo": side(id), "AccepterVpcInfo": side(id + 1)}]})
    };
    let interface = |id: u8| {
        json!({"NetworkInterfaces": [{"NetworkInterfaceId": format!("eni-{id}"),
                                    "VpcId": format!("vpc-{id}"), "PrivateIpAddress": "10.1.0.5"}]})
    };
    let all = (0..5).flat_map(|id| [vpc(id), subnet(id), connection(id + 2), interface(id)]);
    all.map(|document| document.to_string()).collect()
}

proptest! {
    #[test]
    fn any_json_is_read_without_a_panic(list in prop::collection::vec(any_json(), 0..6), key in 0..KEYS.len(),
                                        other in any_json(), address: IpAddr) {
        let mut resources = Resources::default();
        for document in [json!({ KEYS[key]: list }), other] {
            resources.read("any", document.to_string().as_bytes()).expect("it is JSON");
        }
        let topology = Topology::new(resources);
        for (number, vpc) in topology.vpcs() {
            prop_assert_eq!(topology.number(&vpc.id), Some(number));
        }
        for address in [address, IpAddr::from([10, 1, 0, 5])] {
            topology.endpoint(address, topology.locate(address, || topology.number("vpc-a")));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let mut resources = Resources::default();
        let read = resources.read("any", &bytes).is_ok();
        prop_assert_eq!(read, serde_json::from_slice::<Value>(&bytes).is_ok());
    }

    #[test]
    fn the_order_of_documents_changes_nothing(shuffled in Just(documents()).prop_shuffle()) {
        let all = |documents: &[String]| {
            let mut resources = Resources::default();
            for document in documents {
                resources.read("one", document.as_bytes()).expect("JSON");
            }
            let vpcs: Vec<_> = Topology::new(resources.clone()).vpcs().map(|(_, vpc)| vpc.clone()).collect();
            (vpcs, resources)
        };
        prop_assert_eq!(all(&shuffled), all(&documents()));
    }
}
