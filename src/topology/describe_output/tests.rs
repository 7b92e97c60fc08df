use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::json;

use super::*;

/// Reads documents, which are named 1, 2 and so on. Checks that the lenient path gives the same result.
fn read(documents: &[&str]) -> Resources {
    let mut resources = Resources::default();
    let mut lenient = Resources::default();
    for (number, document) in (1..).zip(documents) {
        resources.read(&format!("{number}"), document.as_bytes()).expect("JSON");
        let document = document.trim_start_matches('\u{feff}');
        lenient.add_document(&format!("{number}"), document.as_bytes(), None).expect("JSON");
    }
    assert_eq!(resources, lenient, "both paths give the same result");
    resources
}

/// Reads a document without problems.
fn read_valid(document: &str) -> Resources {
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
fn strict_parse_rejects_unexpected_forms() {
    let vpc = r#"{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"}"#;
    let is_strict = |json: &[u8]| DescribeOutput::parse_strict(json).is_some();
    assert!(is_strict(format!(r#" {{"Vpcs": [{vpc}], "NextToken": 1e999}} "#).as_bytes()));
    assert!(is_strict(format!(r#"{{"Vpcs": [{vpc}, {{"VpcId": "vpc-b", "Odd": "\ud800"}}]}}"#).as_bytes()));
    for document in [
        format!(r#"[[{vpc}], null, null, null, null, null, null, null]"#),
        format!(r#"{{"Vpcs": [{vpc}], "Vpcs": []}}"#),
        format!(r#"{{"Vpcs": [{vpc}, {{"VpcId": 1}}]}}"#),
        format!(r#"{{"Vpcs": [{vpc}, {{"VpcId": "vpc-b", "VpcId": "vpc-c"}}]}}"#),
        format!(r#"{{"Vpcs": [{vpc}], "Subnets": {{}}}}"#),
        format!(r#"{{"Vpcs": [{vpc}]}} {{}}"#),
        r#"{"Vpcs": null}"#.to_owned(),
        "{}".to_owned(),
    ] {
        assert!(!is_strict(document.as_bytes()), "{document}");
    }
    let not_utf8 = [format!(r#"{{"Vpcs": [{vpc}], "Odd": ""#).as_bytes(), b"\xff\"}"].concat();
    assert!(!is_strict(&not_utf8));
}

#[test]
fn only_associated_blocks_of_a_vpc_count() {
    let resources = read_valid(
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
        let resources = read_valid(&format!(r#"{{"Vpcs": [{{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"{set}}}]}}"#));
        assert_eq!(texts(&resources.vpcs["vpc-a"].blocks), ["10.1.0.0/16"]);
    }
    let without_state = r#"{"Vpcs": [{"VpcId": "vpc-a", "CidrBlockAssociationSet": [{"CidrBlock": "10.2.0.0/16"}]}]}"#;
    assert_eq!(texts(&read_valid(without_state).vpcs["vpc-a"].blocks), ["10.2.0.0/16"]);
}

#[test]
fn subnet_has_its_ipv4_and_ipv6_blocks() {
    let resources = read_valid(
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
fn side_of_a_connection_has_all_its_blocks() {
    let resources = read_valid(
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
fn interface_has_all_its_addresses_and_prefixes() {
    let resources = read_valid(
        r#"{"NetworkInterfaces": [{
            "NetworkInterfaceId": "eni-1", "VpcId": "vpc-a", "SubnetId": "subnet-1", "InterfaceType": "interface",
            "PrivateIpAddress": "10.1.1.5", "Ipv6Address": "2600:1f18:1:1::5",
            "PrivateIpAddresses": [{"Primary": true, "PrivateIpAddress": "10.1.1.5"},
                                   {"Primary": false, "PrivateIpAddress": "10.1.1.6",
                                    "Association": {"PublicIp": "198.51.100.2"}},
                                   {"PrivateIpAddress": "10.1.1.6", "Association": {"IpOwnerId": "amazon"}}],
            "Ipv6Addresses": [{"Ipv6Address": "2600:1f18:1:1::5"}, {"Ipv6Address": "2600:1f18:1:1::6"}],
            "Ipv4Prefixes": [{"Ipv4Prefix": "10.1.1.16/28"}], "Ipv6Prefixes": [{"Ipv6Prefix": "2600:1f18:1:1:1::/80"}],
            "Association": {"PublicIp": "198.51.100.1"}, "Attachment": {"InstanceId": "i-1", "Status": "attached"},
            "Description": "aws-K8S-i-1", "TagSet": [], "Tags": [{"Key": "Name", "Value": "not here"}]}]}"#,
    );
    let interface = &resources.interfaces["eni-1"];
    let addresses: Vec<String> = interface.addresses.iter().map(IpAddr::to_string).collect();
    assert_eq!(addresses, ["10.1.1.5", "10.1.1.6", "2600:1f18:1:1::5", "2600:1f18:1:1::6"]);
    let public: Vec<String> = interface.public_addresses.iter().map(IpAddr::to_string).collect();
    assert_eq!(public, ["198.51.100.1", "198.51.100.2"]);
    let address = |text: &str| text.parse::<IpAddr>().expect("an address");
    assert_eq!(interface.primary_address, Some(address("10.1.1.5")));
    for (private, public) in [("10.1.1.5", "198.51.100.1"), ("10.1.1.6", "198.51.100.2")] {
        assert_eq!(interface.public_address_of(address(private)), Some(address(public)));
        assert_eq!(interface.private_address_of(address(public)), Some(address(private)));
    }
    assert_eq!(interface.public_address_of(address("2600:1f18:1:1::5")), None);
    assert_eq!(interface.private_address_of(address("2600:1f18:1:1::5")), Some(address("2600:1f18:1:1::5")));
    assert_eq!(interface.instance_id.as_deref(), Some("i-1"));
    assert_eq!(texts(&interface.prefixes), ["10.1.1.16/28", "2600:1f18:1:1:1::/80"]);
    assert_eq!((interface.service, interface.name_or_description()), ("eks", Some("aws-K8S-i-1")));
    let owns = |address: &str| interface.owns(address.parse().expect("an address"));
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
        assert_eq!(owns(address), expected, "{address}");
    }
}

#[test]
fn interface_of_a_gateway_has_the_id_of_the_gateway() {
    let gateway_id = |interface_type: &str, description: &str| {
        let resources = read_valid(&format!(
            r#"{{"NetworkInterfaces": [{{"NetworkInterfaceId": "eni-1", "InterfaceType": "{interface_type}",
                "Description": "{description}", "TagSet": [{{"Key": "Name", "Value": "nat"}}]}}]}}"#
        ));
        resources.interfaces["eni-1"].gateway_id.clone()
    };
    assert_eq!(gateway_id("nat_gateway", "Interface for NAT Gateway nat-0123").as_deref(), Some("nat-0123"));
    assert_eq!(gateway_id("vpc_endpoint", "VPC Endpoint Interface vpce-0123").as_deref(), Some("vpce-0123"));
    // Users may write any description.
    assert_eq!(gateway_id("interface", "Interface for NAT Gateway nat-0123"), None);
    assert_eq!(gateway_id("nat_gateway", ""), None);
}

#[test]
fn interface_name_is_the_name_tag_or_the_description() {
    let names = |more: &str| {
        let resources = read_valid(&format!(r#"{{"NetworkInterfaces": [{{"NetworkInterfaceId": "eni-1"{more}}}]}}"#));
        let interface = &resources.interfaces["eni-1"];
        [interface.name.clone(), interface.name_or_description().map(str::to_owned)]
    };
    let tag = |value: &str| format!(r#", "Description": "d", "TagSet": [{{"Key": "Name", "Value": {value}}}]"#);
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(names(&tag("\"db\"")), [some("db"), some("db")]);
    assert_eq!(names(&tag("\"\"")), [None, some("d")]);
    assert_eq!(names(&tag("null")), [None, some("d")]);
    assert_eq!(names(r#", "Description": """#), [None, None]);
    assert_eq!(names(""), [None, None]);
}

#[test]
fn names_that_aws_would_not_allow_are_truncated() {
    let tag = |length: usize| json!([{"Key": "Name", "Value": "é".repeat(length)}]);
    let document = json!({
        "Vpcs": [{"VpcId": "vpc-1", "Tags": tag(256)}, {"VpcId": "vpc-2", "Tags": tag(257)}],
        "NetworkInterfaces": [
            {"NetworkInterfaceId": "eni-1", "Description": "a".repeat(1_000_000)},
            {"NetworkInterfaceId": "eni-2", "TagSet": tag(1_000_000)}],
        "SecurityGroups": [{"GroupId": "sg-1", "GroupName": "b".repeat(300)}],
    });
    let resources = read_valid(&document.to_string());
    let truncated = |letter: &str| Some(letter.repeat(255) + "…");
    assert_eq!(resources.vpcs["vpc-1"].name, Some("é".repeat(256)));
    assert_eq!(resources.vpcs["vpc-2"].name, truncated("é"));
    assert_eq!(resources.interfaces["eni-1"].name_or_description(), truncated("a").as_deref());
    assert_eq!(resources.interfaces["eni-2"].name, truncated("é"));
    assert_eq!(resources.security_groups["sg-1"].name, truncated("b"));
    // They are no reason to doubt the rules that name the interfaces.
    assert!(!resources.has_unreadable_interface);
}

#[test]
fn interface_owner_depends_on_all_traits() {
    let service = |traits: &str| {
        let resources =
            read_valid(&format!(r#"{{"NetworkInterfaces": [{{"NetworkInterfaceId": "eni-1", {traits}}}]}}"#));
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
fn last_of_two_resources_with_one_id_wins() {
    let vpc = |block: &str| format!(r#"{{"Vpcs": [{{"VpcId": "vpc-a", "CidrBlock": "{block}"}}]}}"#);
    let resources = read(&[&vpc("10.1.0.0/16"), &vpc("10.1.0.0/16"), &vpc("10.2.0.0/16")]);
    assert_eq!(texts(&resources.vpcs["vpc-a"].blocks), ["10.2.0.0/16"]);
    assert_eq!(&*resources.origins["vpc-a"], "3");
    assert_eq!(problems(&resources), ["3: vpc-a: duplicate with different content; the last one is used"]);
}

#[test]
fn invalid_block_or_address_is_reported_and_skipped() {
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
fn incomplete_connection_is_reported_and_skipped() {
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
fn resource_of_the_wrong_type_is_reported_and_skipped() {
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
    let resources = read_valid(
        r#"{"NextToken": "more", "ResponseMetadata": {}, "Subnets": null, "RouteTables": [
                {"RouteTableId": "rtb-1", "VpcId": "vpc-a", "Routes": null}],
            "Vpcs": [{"VpcId": "vpc-a", "OwnerId": null, "CidrBlock": "10.1.0.0/16", "CidrBlockAssociationSet": null,
                "Ipv6CidrBlockAssociationSet": null, "Tags": null, "Tomorrow": [1]}],
            "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "VpcId": null, "SubnetId": null, "InterfaceType": null,
                "RequesterId": null, "RequesterManaged": null, "Description": null, "PrivateIpAddress": null,
                "PrivateIpAddresses": null, "Ipv6Address": null, "Ipv6Addresses": null, "Ipv4Prefixes": null,
                "Ipv6Prefixes": null, "Operator": null, "Association": null, "Attachment": null, "TagSet": null}]}"#,
    );
    assert_eq!(texts(&resources.vpcs["vpc-a"].blocks), ["10.1.0.0/16"]);
    assert_eq!((resources.interfaces["eni-1"].service, resources.interfaces["eni-1"].addresses.len()), ("ec2", 0));
}

#[test]
fn value_of_an_unknown_key_is_not_parsed() {
    // The number and the string have no representation in Rust.
    let document = r#"{"NextToken": "\ud800", "Tags": {"a": 1e999}, "Count": -1e999, "Vpcs": [{"VpcId": "vpc-a"}]}"#;
    assert_eq!(read_valid(document).vpcs.len(), 1);
}

#[test]
fn unusable_document_is_an_error_or_a_problem() {
    let error = Resources::default().read("vpcs.json", b"{\"Vpcs\": [").expect_err("it is cut off");
    assert_eq!(error.to_string(), "vpcs.json: not JSON: EOF while parsing a list at line 1 column 10");
    let error = Resources::default().read("flows.log.gz", b"\x1f\x8b").expect_err("it is gzip");
    assert!(error.to_string().starts_with("flows.log.gz: not JSON: "), "{error}");
    for document in ["{}", "[]", "7", "null", r#"{"Reservations": []}"#, r#"[{"Vpcs": []}]"#] {
        let keys = "Vpcs, Subnets, VpcPeeringConnections, NetworkInterfaces, RouteTables, SecurityGroups, NetworkAcls, PrefixLists, Entries";
        assert_eq!(problems(&read(&[document])), [format!("1: the document: has none of the keys {keys}")]);
    }
    assert_eq!(problems(&read(&[r#"{"Vpcs": []}"#, r#"{"RouteTables": null}"#])), [""; 0]);
}

#[test]
fn byte_order_mark_is_skipped() {
    assert_eq!(read_valid("\u{feff}{\"Vpcs\": [{\"VpcId\": \"vpc-a\"}]}").vpcs.len(), 1);
}

#[test]
fn the_manifest_of_a_snapshot_is_no_document() {
    let mut resources = Resources::default();
    resources.read("manifest.json", br#"{"schema": "flowsentry/topology-snapshot/v1", "pairs": []}"#).expect("JSON");
    assert!(resources.is_empty() && resources.problems.is_empty());
    resources.read("other.json", br#"{"schema": "flowsentry/summary/v1"}"#).expect("JSON");
    assert_eq!(resources.problems.len(), 1);
}
