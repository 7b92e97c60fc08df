use super::*;

fn topology_of(documents: &[&str]) -> Topology {
    let mut resources = Resources::default();
    for (number, document) in (1..).zip(documents) {
        resources.read(&format!("{number}"), document.as_bytes()).expect("JSON");
    }
    Topology::new(resources)
}

/// Builds a document with a VPC.
fn vpc(id: &str, block: &str) -> String {
    format!(r#"{{"Vpcs": [{{"VpcId": "{id}", "CidrBlock": "{block}"}}]}}"#)
}

/// Builds a document with a peering connection. A side is the id, region and block of its VPC.
fn connection(id: &str, status: &str, sides: [[&str; 3]; 2]) -> String {
    let [requester, accepter] = sides
        .map(|[vpc, region, block]| format!(r#"{{"VpcId": "{vpc}", "Region": "{region}", "CidrBlock": "{block}"}}"#));
    format!(
        r#"{{"VpcPeeringConnections": [{{"VpcPeeringConnectionId": "{id}", "Status": {{"Code": "{status}"}},
             "RequesterVpcInfo": {requester}, "AccepterVpcInfo": {accepter}}}]}}"#
    )
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Locates an address for a record of this VPC.
fn locate(topology: &Topology, text: &str, recording_vpc: Option<&str>) -> String {
    match topology.locate(
        address(text),
        &mut KnownRecorder { vpc: recording_vpc.and_then(|id| topology.vpc_index(id)), subnet: None },
    ) {
        Location::Outside => "outside".to_owned(),
        Location::In(vpc) => topology.vpc(vpc).id.clone(),
        Location::Ambiguous(tie) => {
            let ids: Vec<&str> = topology.tied_vpcs(tie).map(|vpc| topology.vpc(vpc).id.as_str()).collect();
            format!("{}: {}", topology.block(tie.block).block, ids.join(" or "))
        }
    }
}

fn problems(topology: &Topology) -> Vec<String> {
    topology.problems().iter().map(Problem::to_string).collect()
}

#[test]
fn longest_block_of_all_vpcs_wins() {
    let documents = [vpc("vpc-a", "10.0.0.0/8"), vpc("vpc-b", "10.1.0.0/16"), vpc("vpc-c", "2600:1f18::/56")];
    let topology = topology_of(&documents.each_ref().map(String::as_str));
    for (text, expected) in [
        ("10.0.255.255", "vpc-a"),
        ("10.1.0.0", "vpc-b"),
        ("10.1.255.255", "vpc-b"),
        ("10.2.0.0", "vpc-a"),
        ("11.0.0.0", "outside"),
        ("2600:1f18:0:ff::1", "vpc-c"),
        ("2600:1f18:0:100::1", "outside"),
    ] {
        assert_eq!(locate(&topology, text, None), expected, "{text}");
        assert_eq!(locate(&topology, text, Some("vpc-c")), expected, "{text}");
    }
    // AWS routes the own blocks of a VPC first.
    assert_eq!(locate(&topology, "10.1.0.0", Some("vpc-a")), "vpc-a");
    assert_eq!(locate(&topology, "10.1.0.0", Some("vpc-b")), "vpc-b");
    assert_eq!(locate(&topology, "10.2.0.0", Some("vpc-b")), "vpc-a");
}

#[test]
fn a_peer_takes_precedence_over_a_longer_block() {
    let topology = topology_of(&[
        &vpc("vpc-a", "10.1.0.0/16"),
        &vpc("vpc-b", "10.2.0.0/16"),
        &vpc("vpc-c", "10.2.8.0/24"),
        &vpc("vpc-d", "10.2.8.0/23"),
        &connection("pcx-1", "active", [["vpc-a", "r", "10.1.0.0/16"], ["vpc-b", "r", "10.2.0.0/16"]]),
        &connection("pcx-2", "deleted", [["vpc-a", "r", "10.1.0.0/16"], ["vpc-d", "r", "10.2.8.0/23"]]),
    ]);
    for (text, expected) in [("10.2.8.1", "vpc-b"), ("10.2.9.1", "vpc-b"), ("10.2.10.1", "vpc-b")] {
        assert_eq!(locate(&topology, text, Some("vpc-a")), expected, "{text}");
    }
    for (text, expected) in [("10.2.8.1", "vpc-c"), ("10.2.9.1", "vpc-d"), ("10.2.10.1", "vpc-b")] {
        assert_eq!(locate(&topology, text, None), expected, "{text}");
    }
}

#[test]
fn the_route_of_the_own_subnet_decides_between_peers() {
    let routes = r#"{"RouteTables": [
        {"RouteTableId": "rtb-1", "VpcId": "vpc-b", "Associations": [{"SubnetId": "subnet-1"}, {"Main": true}],
         "Routes": [{"DestinationCidrBlock": "10.9.0.0/16", "VpcPeeringConnectionId": "pcx-1", "State": "active"},
                    {"DestinationCidrBlock": "10.9.8.0/24", "VpcPeeringConnectionId": "pcx-2", "State": "active"},
                    {"DestinationCidrBlock": "10.9.9.0/24", "GatewayId": "igw-1", "State": "active"}]}]}"#;
    let documents = [
        vpc("vpc-f", "10.9.0.0/16"),
        vpc("vpc-g", "10.9.0.0/16"),
        vpc("vpc-b", "10.2.0.0/16"),
        connection("pcx-1", "active", [["vpc-b", "r", "10.2.0.0/16"], ["vpc-f", "r", "10.9.0.0/16"]]),
        connection("pcx-2", "active", [["vpc-g", "r", "10.9.0.0/16"], ["vpc-b", "r", "10.2.0.0/16"]]),
    ];
    let documents = documents.each_ref().map(String::as_str);
    let topology = topology_of(&[documents.as_slice(), &[routes]].concat());
    let own = topology.vpc_index("vpc-b");
    let vpc_of = |text: &str, own, subnet| match topology
        .locate(address(text), &mut KnownRecorder { vpc: own, subnet: Some(subnet) })
    {
        Location::In(vpc) => topology.vpc(vpc).id.clone(),
        other => format!("{other:?}"),
    };
    assert_eq!(vpc_of("10.9.1.1", own, "subnet-1"), "vpc-f");
    assert_eq!(vpc_of("10.9.8.1", own, "subnet-1"), "vpc-g");
    assert_eq!(vpc_of("10.9.8.1", None, "subnet-1"), "vpc-g");
    // Only routes to one of the VPCs count.
    assert_eq!(vpc_of("10.9.9.1", own, "subnet-1"), "vpc-f");
    // A subnet that is not described has the main table of the own VPC, if that is known.
    assert_eq!(vpc_of("10.9.1.1", own, "subnet-2"), "vpc-f");
    assert!(vpc_of("10.9.1.1", None, "subnet-2").starts_with("Ambiguous"));
    // Where tables are associated with subnets, an unknown subnet may have any.
    let unknown = topology.locate(address("10.9.1.1"), &mut KnownRecorder { vpc: own, subnet: None });
    assert!(matches!(unknown, Location::Ambiguous(_)));
    let main_only = routes.replace(r#"{"SubnetId": "subnet-1"}, "#, "");
    let topology = topology_of(&[documents.as_slice(), &[main_only.as_str()]].concat());
    let known = topology.locate(address("10.9.1.1"), &mut KnownRecorder { vpc: own, subnet: None });
    assert_eq!(known, Location::In(topology.vpc_index("vpc-f").expect("it is described")));
}

#[test]
fn undescribed_peer_has_the_blocks_of_its_connections() {
    let topology = topology_of(&[
        &connection("pcx-1", "active", [["vpc-a", "r", "10.1.0.0/16"], ["vpc-x", "r", "10.7.0.0/16"]]),
        &connection("pcx-2", "active", [["vpc-x", "r", "10.8.0.0/16"], ["vpc-b", "r", "10.2.0.0/16"]]),
        &connection("pcx-3", "deleted", [["vpc-x", "r", "10.9.0.0/16"], ["vpc-y", "r", "10.6.0.0/16"]]),
    ]);
    assert_eq!(problems(&topology), [""; 0]);
    for (text, expected) in [
        ("10.7.0.1", "vpc-x"),
        ("10.8.0.1", "vpc-x"),
        ("10.9.0.1", "vpc-x"),
        ("10.6.0.1", "vpc-y"),
        ("10.1.0.1", "vpc-a"),
    ] {
        assert_eq!(locate(&topology, text, None), expected, "{text}");
    }
    assert_eq!(
        topology.vpcs().map(|(_, vpc)| vpc.id.as_str()).collect::<Vec<_>>(),
        ["vpc-a", "vpc-b", "vpc-x", "vpc-y"]
    );
}

#[test]
fn described_vpc_ignores_the_blocks_of_connections() {
    let topology = topology_of(&[
        &connection("pcx-1", "active", [["vpc-a", "r", "10.1.0.0/16"], ["vpc-b", "r", "10.99.0.0/16"]]),
        &vpc("vpc-b", "10.2.0.0/16"),
    ]);
    assert_eq!(locate(&topology, "10.2.0.1", None), "vpc-b");
    assert_eq!(locate(&topology, "10.99.0.1", None), "outside");
}

#[test]
fn active_connection_to_a_vpc_without_blocks_is_a_problem() {
    let without_blocks = |status: &str| {
        format!(
            r#"{{"VpcPeeringConnections": [{{"VpcPeeringConnectionId": "pcx-1", "Status": {{"Code": "{status}"}},
                 "RequesterVpcInfo": {{"VpcId": "vpc-a"}}, "AccepterVpcInfo": {{"VpcId": "vpc-b"}}}}]}}"#
        )
    };
    let described = vpc("vpc-a", "10.1.0.0/16");
    let problem = "2: pcx-1: leads to vpc-b, whose CIDR blocks are unknown";
    assert_eq!(problems(&topology_of(&[&described, &without_blocks("active")])), [problem]);
    assert_eq!(problems(&topology_of(&[&described, &without_blocks("pending-acceptance")])), [""; 0]);
    assert_eq!(problems(&topology_of(&[&described, &without_blocks("active"), &vpc("vpc-b", "10.2.0.0/16")])), [""; 0]);
}

#[test]
fn shared_block_prefers_the_recording_vpc_then_its_only_peer() {
    let topology = topology_of(&[
        &vpc("vpc-f", "10.9.0.0/16"),
        &vpc("vpc-g", "10.9.0.0/16"),
        &vpc("vpc-h", "10.9.0.0/16"),
        &vpc("vpc-d", "10.4.0.0/16"),
        &connection("pcx-1", "active", [["vpc-a", "r", "10.1.0.0/16"], ["vpc-g", "r", "10.9.0.0/16"]]),
        &connection("pcx-2", "active", [["vpc-f", "r", "10.9.0.0/16"], ["vpc-b", "r", "10.2.0.0/16"]]),
        &connection("pcx-3", "active", [["vpc-h", "r", "10.9.0.0/16"], ["vpc-b", "r", "10.2.0.0/16"]]),
        &connection("pcx-4", "expired", [["vpc-c", "r", "10.3.0.0/16"], ["vpc-h", "r", "10.9.0.0/16"]]),
    ]);
    let ambiguous = "10.9.0.0/16: vpc-f or vpc-g or vpc-h";
    let ambiguous_peers = "10.9.0.0/16: vpc-f or vpc-h";
    for (recording_vpc, expected) in [
        (Some("vpc-h"), "vpc-h"),
        (Some("vpc-a"), "vpc-g"),
        (Some("vpc-b"), ambiguous_peers),
        (Some("vpc-c"), ambiguous),
        (Some("vpc-d"), ambiguous),
        (Some("vpc-nowhere"), ambiguous),
        (None, ambiguous),
    ] {
        assert_eq!(locate(&topology, "10.9.0.1", recording_vpc), expected, "{recording_vpc:?}");
    }
    assert_eq!(locate(&topology, "10.4.0.1", Some("vpc-f")), "vpc-d");
}

#[test]
fn peering_status_has_the_least_active_connection() {
    let sides = |b| [["vpc-a", "r", "10.1.0.0/16"], [b, "r", "10.2.0.0/16"]];
    let documents = [
        connection("pcx-1", "deleted", sides("vpc-b")),
        connection("pcx-3", "active", sides("vpc-b")),
        connection("pcx-2", "active", [["vpc-b", "r", "10.2.0.0/16"], ["vpc-a", "r", "10.1.0.0/16"]]),
        connection("pcx-4", "failed", sides("vpc-c")),
        connection("pcx-0", "expired", sides("vpc-c")),
        vpc("vpc-d", "10.4.0.0/16"),
    ];
    let topology = topology_of(&documents.each_ref().map(String::as_str));
    let index = |id: &str| topology.vpc_index(id).expect("it is known");
    let (a, b, c, d) = (index("vpc-a"), index("vpc-b"), index("vpc-c"), index("vpc-d"));
    assert_eq!(
        (topology.peering_status(a, b), topology.peering_status(b, a)),
        (PeeringStatus::Peered("pcx-2"), PeeringStatus::Peered("pcx-2"))
    );
    let inactive = BTreeSet::from(["pcx-0".to_owned(), "pcx-4".to_owned()]);
    assert_eq!(topology.peering_status(c, a), PeeringStatus::Inactive(&inactive));
    assert_eq!(topology.peering_status(b, c), PeeringStatus::None);
    assert_eq!((topology.common_peers(b, c), topology.common_peers(a, d)), (vec![], vec![]));
    assert_eq!(topology.peers(a).collect::<Vec<_>>(), [b]);
    assert_eq!(topology.vpc_index("vpc-z"), None);
}

#[test]
fn region_comes_from_any_connection() {
    let topology = topology_of(&[
        &vpc("vpc-d", "10.4.0.0/16"),
        &connection("pcx-1", "deleted", [["vpc-a", "us-east-1", "10.1.0.0/16"], ["vpc-b", "eu-west-1", "10.2.0.0/16"]]),
    ]);
    let region = |id: &str| topology.vpc(topology.vpc_index(id).expect("it is known")).region.as_deref();
    assert_eq!((region("vpc-a"), region("vpc-b"), region("vpc-d")), (Some("us-east-1"), Some("eu-west-1"), None));
}

const INTERFACES: &str = r#"{
    "Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"}, {"VpcId": "vpc-f", "CidrBlock": "10.9.0.0/16"},
             {"VpcId": "vpc-g", "CidrBlock": "10.9.0.0/16"}],
    "Subnets": [{"SubnetId": "subnet-all", "VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"},
                {"SubnetId": "subnet-1", "VpcId": "vpc-a", "CidrBlock": "10.1.1.0/24"},
                {"SubnetId": "subnet-g", "VpcId": "vpc-g", "CidrBlock": "10.9.0.0/24"},
                {"SubnetId": "subnet-f", "VpcId": "vpc-f", "CidrBlock": "10.9.0.0/24"}],
    "NetworkInterfaces": [
        {"NetworkInterfaceId": "eni-1", "VpcId": "vpc-a", "SubnetId": "subnet-1", "PrivateIpAddress": "10.1.1.5",
         "TagSet": [{"Key": "Name", "Value": "web"}]},
        {"NetworkInterfaceId": "eni-2", "VpcId": "vpc-a", "SubnetId": "subnet-1", "Description": "aws-K8S-i-1",
         "Ipv4Prefixes": [{"Ipv4Prefix": "10.1.1.16/28"}]},
        {"NetworkInterfaceId": "eni-3", "VpcId": "vpc-a", "SubnetId": "subnet-1", "PrivateIpAddress": "10.1.1.17",
         "RequesterId": "amazon-rds", "RequesterManaged": true},
        {"NetworkInterfaceId": "eni-f", "VpcId": "vpc-f", "PrivateIpAddress": "10.9.0.5", "InterfaceType": "nat_gateway"},
        {"NetworkInterfaceId": "eni-g", "VpcId": "vpc-g", "PrivateIpAddress": "10.9.0.5",
         "Ipv4Prefixes": [{"Ipv4Prefix": "10.9.0.64/28"}]},
        {"NetworkInterfaceId": "eni-4", "VpcId": "vpc-a", "Ipv4Prefixes": [{"Ipv4Prefix": "10.1.1.64/28"}]},
        {"NetworkInterfaceId": "eni-5", "VpcId": "vpc-a", "Ipv4Prefixes": [{"Ipv4Prefix": "10.1.1.64/27"}]}]}"#;

#[test]
fn endpoint_describes_an_address() {
    let topology = topology_of(&[INTERFACES]);
    let endpoint = |text: &str, recording_vpc: Option<&str>| {
        let location = topology.locate(
            address(text),
            &mut KnownRecorder { vpc: recording_vpc.and_then(|id: &str| topology.vpc_index(id)), subnet: None },
        );
        let endpoint = topology.endpoint(address(text), location);
        let scope = endpoint.scope.map(|scope| format!("{scope:?}"));
        [scope, endpoint.vpc_id, endpoint.subnet_id, endpoint.interface_id, endpoint.service, endpoint.name]
            .map(|part| part.unwrap_or("-".to_owned()))
            .join(" ")
    };
    for (text, own, expected) in [
        ("10.1.1.5", None, "Vpc vpc-a subnet-1 eni-1 ec2 web"),
        ("10.1.1.16", None, "Vpc vpc-a subnet-1 eni-2 eks aws-K8S-i-1"),
        ("10.1.1.31", None, "Vpc vpc-a subnet-1 eni-2 eks aws-K8S-i-1"),
        ("10.1.1.17", None, "Vpc vpc-a subnet-1 eni-3 rds -"),
        ("10.1.1.32", None, "Vpc vpc-a subnet-1 - - -"),
        ("10.1.2.5", None, "Vpc vpc-a subnet-all - - -"),
        ("10.9.0.5", None, "Vpc - - - - -"),
        ("10.9.0.5", Some("vpc-f"), "Vpc vpc-f subnet-f eni-f nat-gateway -"),
        ("10.9.0.5", Some("vpc-g"), "Vpc vpc-g subnet-g eni-g ec2 -"),
        // Two interfaces have the first prefix. The other VPC with the block has no prefix.
        ("10.1.1.79", None, "Vpc vpc-a subnet-1 - - -"),
        ("10.1.1.80", None, "Vpc vpc-a subnet-1 eni-5 ec2 -"),
        ("10.9.0.79", Some("vpc-g"), "Vpc vpc-g subnet-g eni-g ec2 -"),
        ("10.9.0.79", Some("vpc-f"), "Vpc vpc-f subnet-f - - -"),
        ("10.77.0.5", None, "Private - - - - -"),
        ("8.8.8.8", None, "Public - - - - -"),
    ] {
        assert_eq!(endpoint(text, own), expected, "{text} {own:?}");
    }
}

#[test]
fn public_address_is_shown_with_its_interface() {
    let topology = topology_of(&[r#"{
        "Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16", "Tags": [{"Key": "Name", "Value": "prod"}]}],
        "Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-a", "CidrBlock": "10.1.1.0/24",
                     "Tags": [{"Key": "Name", "Value": "prod-a"}]}],
        "NetworkInterfaces": [
            {"NetworkInterfaceId": "eni-1", "VpcId": "vpc-a", "SubnetId": "subnet-1", "PrivateIpAddress": "10.1.1.5",
             "Association": {"PublicIp": "22.31.77.88"}, "TagSet": [{"Key": "Name", "Value": "db"}]},
            {"NetworkInterfaceId": "eni-2", "VpcId": "vpc-b", "PrivateIpAddress": "10.1.1.5",
             "PrivateIpAddresses": [{"Association": {"PublicIp": "22.31.77.90"}}],
             "Ipv6Addresses": [{"Ipv6Address": "2600:1f18::5"}, {"Ipv6Address": "fd00::5"}]}]}"#]);
    let endpoint =
        |text: &str| topology.endpoint(address(text), topology.locate(address(text), &mut KnownRecorder::default()));
    let expected = Endpoint {
        scope: Some(Scope::Public),
        vpc_id: Some("vpc-a".to_owned()),
        vpc_name: Some("prod".to_owned()),
        subnet_id: Some("subnet-1".to_owned()),
        subnet_name: Some("prod-a".to_owned()),
        interface_id: Some("eni-1".to_owned()),
        service: Some("ec2".to_owned()),
        name: Some("db".to_owned()),
    };
    assert_eq!(endpoint("22.31.77.88"), expected);
    assert_eq!(endpoint("10.1.1.5"), Endpoint { scope: Some(Scope::Vpc), ..expected });
    for (text, expected) in [
        ("22.31.77.90", Some("eni-2")),
        ("2600:1f18::5", Some("eni-2")),
        ("22.31.77.89", None),
        ("2600:1f18::6", None),
        ("fd00::5", None),
    ] {
        assert_eq!(endpoint(text).interface_id.as_deref(), expected, "{text}");
    }
}

#[test]
fn address_of_a_vpc_with_a_public_block_is_not_public() {
    let topology = topology_of(&[&vpc("vpc-a", "198.50.0.0/16")]);
    assert!(!topology.is_public(address("198.50.0.1")));
    assert!(topology.is_public(address("198.49.0.1")));
    assert!(!topology.is_public(address("10.0.0.1")));
}

#[test]
fn side_without_a_region_keeps_the_known_region() {
    let side = |region: &str| format!(r#"{{"VpcId": "vpc-a"{region}}}"#);
    let connection = |id: &str, region: &str| {
        format!(
            r#"{{"VpcPeeringConnectionId": "{id}", "Status": {{"Code": "active"}},
                "RequesterVpcInfo": {}, "AccepterVpcInfo": {{"VpcId": "vpc-b"}}}}"#,
            side(region)
        )
    };
    let connections = [connection("pcx-1", r#", "Region": "eu-west-1""#), connection("pcx-2", "")].join(", ");
    let mut resources = Resources::default();
    resources.read("case.json", format!(r#"{{"VpcPeeringConnections": [{connections}]}}"#).as_bytes()).expect("JSON");
    let topology = Topology::new(resources);
    let vpc = topology.vpc_index("vpc-a").map(|index| topology.vpc(index));
    assert_eq!(vpc.and_then(|vpc| vpc.region.as_deref()), Some("eu-west-1"));
}
