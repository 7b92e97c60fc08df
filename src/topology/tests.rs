use super::*;

fn topology(documents: &[&str]) -> Topology {
    let mut resources = Resources::default();
    for (number, document) in (1..).zip(documents) {
        resources.read(&format!("{number}"), document.as_bytes()).expect("JSON");
    }
    Topology::new(resources)
}

fn vpc(id: &str, block: &str) -> String {
    format!(r#"{{"Vpcs": [{{"VpcId": "{id}", "CidrBlock": "{block}"}}]}}"#)
}

/// A connection; each side is the id of its VPC, its region and its block.
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

/// Where an address is, for a record whose own VPC is that.
fn located(topology: &Topology, text: &str, own: Option<&str>) -> String {
    match topology.locate(address(text), || topology.number(own?)) {
        Location::Outside => "outside".to_owned(),
        Location::In(number) => topology.vpc(number).id.clone(),
        Location::Ambiguous(tie) => {
            let OverlappingBlock { block, vpcs } = topology.block(tie);
            let ids: Vec<&str> = vpcs.iter().map(|number| topology.vpc(*number).id.as_str()).collect();
            format!("{block}: {}", ids.join(" or "))
        }
    }
}

fn problems(topology: &Topology) -> Vec<String> {
    topology.problems().iter().map(Problem::to_string).collect()
}

#[test]
fn the_longest_block_over_all_vpcs_holds() {
    let documents = [vpc("vpc-a", "10.0.0.0/8"), vpc("vpc-b", "10.1.0.0/16"), vpc("vpc-c", "2600:1f18::/56")];
    let topology = topology(&documents.each_ref().map(String::as_str));
    for (text, expected) in [
        ("10.0.255.255", "vpc-a"),
        ("10.1.0.0", "vpc-b"),
        ("10.1.255.255", "vpc-b"),
        ("10.2.0.0", "vpc-a"),
        ("11.0.0.0", "outside"),
        ("2600:1f18:0:ff::1", "vpc-c"),
        ("2600:1f18:0:100::1", "outside"),
    ] {
        // The own VPC settles ties alone: a longer block goes before it.
        assert_eq!(located(&topology, text, Some("vpc-a")), expected, "{text}");
    }
}

#[test]
fn a_peer_is_known_through_active_connections_alone_by_all_blocks_that_they_give() {
    let topology = topology(&[
        &connection("pcx-1", "active", [["vpc-a", "r", "10.1.0.0/16"], ["vpc-x", "r", "10.7.0.0/16"]]),
        &connection("pcx-2", "active", [["vpc-x", "r", "10.8.0.0/16"], ["vpc-b", "r", "10.2.0.0/16"]]),
        &connection("pcx-3", "deleted", [["vpc-x", "r", "10.9.0.0/16"], ["vpc-y", "r", "10.6.0.0/16"]]),
    ]);
    assert_eq!(problems(&topology), [""; 0]);
    for (text, expected) in [
        ("10.7.0.1", "vpc-x"),
        ("10.8.0.1", "vpc-x"),
        ("10.9.0.1", "outside"),
        ("10.6.0.1", "outside"),
        ("10.1.0.1", "vpc-a"),
    ] {
        assert_eq!(located(&topology, text, None), expected, "{text}");
    }
    assert_eq!(
        topology.vpcs().map(|(_, vpc)| vpc.id.as_str()).collect::<Vec<_>>(),
        ["vpc-a", "vpc-b", "vpc-x", "vpc-y"]
    );
}

#[test]
fn a_vpc_that_is_described_has_the_blocks_that_it_says() {
    let topology = topology(&[
        &connection("pcx-1", "active", [["vpc-a", "r", "10.1.0.0/16"], ["vpc-b", "r", "10.99.0.0/16"]]),
        &vpc("vpc-b", "10.2.0.0/16"),
    ]);
    assert_eq!(located(&topology, "10.2.0.1", None), "vpc-b");
    assert_eq!(located(&topology, "10.99.0.1", None), "outside");
}

#[test]
fn an_active_connection_to_a_vpc_without_blocks_leads_nowhere() {
    let bare = |status: &str| {
        format!(
            r#"{{"VpcPeeringConnections": [{{"VpcPeeringConnectionId": "pcx-1", "Status": {{"Code": "{status}"}},
                 "RequesterVpcInfo": {{"VpcId": "vpc-a"}}, "AccepterVpcInfo": {{"VpcId": "vpc-b"}}}}]}}"#
        )
    };
    let described = vpc("vpc-a", "10.1.0.0/16");
    let problem = "2: pcx-1: leads to vpc-b, whose CIDR blocks are unknown";
    assert_eq!(problems(&topology(&[&described, &bare("active")])), [problem]);
    assert_eq!(problems(&topology(&[&described, &bare("pending-acceptance")])), [""; 0]);
    assert_eq!(problems(&topology(&[&described, &bare("active"), &vpc("vpc-b", "10.2.0.0/16")])), [""; 0]);
}

#[test]
fn ties_go_to_the_own_vpc_else_to_its_only_peer_among_them() {
    let topology = topology(&[
        &vpc("vpc-f", "10.9.0.0/16"),
        &vpc("vpc-g", "10.9.0.0/16"),
        &vpc("vpc-h", "10.9.0.0/16"),
        &vpc("vpc-d", "10.4.0.0/16"),
        &connection("pcx-1", "active", [["vpc-a", "r", "10.1.0.0/16"], ["vpc-g", "r", "10.9.0.0/16"]]),
        &connection("pcx-2", "active", [["vpc-f", "r", "10.9.0.0/16"], ["vpc-b", "r", "10.2.0.0/16"]]),
        &connection("pcx-3", "active", [["vpc-h", "r", "10.9.0.0/16"], ["vpc-b", "r", "10.2.0.0/16"]]),
        &connection("pcx-4", "expired", [["vpc-c", "r", "10.3.0.0/16"], ["vpc-h", "r", "10.9.0.0/16"]]),
    ]);
    let tied = "10.9.0.0/16: vpc-f or vpc-g or vpc-h";
    for (own, expected) in [
        (Some("vpc-h"), "vpc-h"),
        (Some("vpc-a"), "vpc-g"),
        (Some("vpc-b"), tied),
        (Some("vpc-c"), tied),
        (Some("vpc-d"), tied),
        (Some("vpc-nowhere"), tied),
        (None, tied),
    ] {
        assert_eq!(located(&topology, "10.9.0.1", own), expected, "{own:?}");
    }
    assert_eq!(located(&topology, "10.4.0.1", Some("vpc-f")), "vpc-d");
    assert!(topology.is_ambiguous(address("10.9.255.255")) && !topology.is_ambiguous(address("10.4.0.1")));
}

#[test]
fn two_vpcs_are_peered_by_their_least_active_connection() {
    let sides = |b| [["vpc-a", "r", "10.1.0.0/16"], [b, "r", "10.2.0.0/16"]];
    let documents = [
        connection("pcx-1", "deleted", sides("vpc-b")),
        connection("pcx-3", "active", sides("vpc-b")),
        connection("pcx-2", "active", [["vpc-b", "r", "10.2.0.0/16"], ["vpc-a", "r", "10.1.0.0/16"]]),
        connection("pcx-4", "failed", sides("vpc-c")),
        connection("pcx-0", "expired", sides("vpc-c")),
        vpc("vpc-d", "10.4.0.0/16"),
    ];
    let topology = topology(&documents.each_ref().map(String::as_str));
    let number = |id: &str| topology.number(id).expect("it is known");
    let (a, b, c, d) = (number("vpc-a"), number("vpc-b"), number("vpc-c"), number("vpc-d"));
    assert_eq!(
        (topology.relation(a, b), topology.relation(b, a)),
        (PeeringStatus::Peered("pcx-2"), PeeringStatus::Peered("pcx-2"))
    );
    let inactive = BTreeSet::from(["pcx-0".to_owned(), "pcx-4".to_owned()]);
    assert_eq!(topology.relation(c, a), PeeringStatus::Inactive(&inactive));
    assert_eq!(topology.relation(b, c), PeeringStatus::None);
    assert_eq!((topology.between(b, c), topology.between(a, d)), (vec![], vec![]));
    assert_eq!(topology.peers(a).collect::<Vec<_>>(), [b]);
    assert_eq!(topology.number("vpc-z"), None);
}

#[test]
fn a_region_is_that_of_the_side_in_a_connection() {
    let topology = topology(&[
        &vpc("vpc-d", "10.4.0.0/16"),
        &connection("pcx-1", "deleted", [["vpc-a", "us-east-1", "10.1.0.0/16"], ["vpc-b", "eu-west-1", "10.2.0.0/16"]]),
    ]);
    let region = |id: &str| topology.vpc(topology.number(id).expect("it is known")).region.as_deref();
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
        {"NetworkInterfaceId": "eni-g", "VpcId": "vpc-g", "PrivateIpAddress": "10.9.0.5"}]}"#;

#[test]
fn what_is_known_of_an_address() {
    let topology = topology(&[INTERFACES]);
    let endpoint = |text: &str, own: Option<&str>| {
        let located = topology.locate(address(text), || topology.number(own?));
        let known = topology.endpoint(address(text), located);
        let scope = known.scope.map(|scope| format!("{scope:?}"));
        [scope, known.vpc_id, known.subnet_id, known.interface_id, known.service, known.name]
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
        ("10.77.0.5", None, "Private - - - - -"),
        ("8.8.8.8", None, "Public - - - - -"),
    ] {
        assert_eq!(endpoint(text, own), expected, "{text} {own:?}");
    }
}

#[test]
fn an_address_in_a_known_vpc_is_not_public_though_its_block_is() {
    let topology = topology(&[&vpc("vpc-a", "198.50.0.0/16")]);
    assert!(!topology.is_public(address("198.50.0.1")));
    assert!(topology.is_public(address("198.49.0.1")));
    assert!(!topology.is_public(address("10.0.0.1")));
}

#[test]
fn a_side_without_a_region_takes_none_away() {
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
    let vpc = topology.number("vpc-a").map(|number| topology.vpc(number));
    assert_eq!(vpc.and_then(|vpc| vpc.region.as_deref()), Some("eu-west-1"));
}
