//! Tests of reading route tables and prefix lists.

use super::*;

pub(super) fn read(documents: &[(&str, &str)]) -> Resources {
    let mut resources = Resources::default();
    let mut lenient = Resources::default();
    for (name, document) in documents {
        resources.read(name, document.as_bytes()).expect("JSON");
        lenient.add_document(name, document.as_bytes(), None).expect("JSON");
    }
    assert_eq!(resources, lenient, "both paths give the same result");
    resources
}

pub(super) fn problems(resources: &Resources) -> Vec<String> {
    resources.problems.iter().map(Problem::to_string).collect()
}

fn blocks(resources: &Resources, id: &str) -> Option<Vec<String>> {
    Some(resources.prefix_lists.get(id)?.blocks.iter().map(ToString::to_string).collect())
}

#[test]
fn route_table_has_all_its_routes() {
    let resources = read(&[(
        "1",
        r#"{"RouteTables": [{"RouteTableId": "rtb-1", "VpcId": "vpc-a", "Routes": [
            {"DestinationCidrBlock": "10.1.0.0/16", "GatewayId": "local", "State": "active", "Origin": "CreateRouteTable"},
            {"DestinationCidrBlock": "10.2.0.0/16", "VpcPeeringConnectionId": "pcx-1", "State": "active"},
            {"DestinationIpv6CidrBlock": "2600:1f18:2::/56", "VpcPeeringConnectionId": "pcx-1", "State": "blackhole"},
            {"DestinationPrefixListId": "pl-1", "VpcPeeringConnectionId": "pcx-2"},
            {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"},
            {"DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1", "State": "active"},
            {"DestinationPrefixListId": "pl-2", "GatewayId": "vpce-1", "State": "active"},
            {"DestinationCidrBlock": "10.3.0.0/16", "TransitGatewayId": "tgw-1", "State": "active"},
            {"DestinationCidrBlock": "10.4.0.0/16", "GatewayId": "vgw-1", "State": "filtered"},
            {"DestinationCidrBlock": "10.5.0.0/16", "InstanceId": "i-1", "NetworkInterfaceId": "eni-1", "State": "active"},
            {"DestinationCidrBlock": "10.6.0.0/16", "NatGatewayId": "nat-1", "State": "blackhole"},
            {"DestinationCidrBlock": "10.7.0.0/16", "CoreNetworkArn": "arn:1", "State": "active"},
            {"DestinationCidrBlock": "10.8.0.0/16", "State": "blackhole"}]}]}"#,
    )]);
    assert_eq!(problems(&resources), [""; 0]);
    let route = |route: &Route| format!("{} {:?} {:?}", route.destination, route.target, route.state);
    let routes: Vec<String> = resources.route_tables["rtb-1"].routes.iter().map(route).collect();
    assert_eq!(
        routes,
        [
            "10.1.0.0/16 Local Active",
            r#"10.2.0.0/16 PeeringConnection("pcx-1") Active"#,
            r#"2600:1f18:2::/56 PeeringConnection("pcx-1") Blackhole"#,
            r#"pl-1 PeeringConnection("pcx-2") Active"#,
            r#"0.0.0.0/0 InternetGateway("igw-1") Active"#,
            r#"::/0 EgressOnlyInternetGateway("eigw-1") Active"#,
            r#"pl-2 VpcEndpoint("vpce-1") Active"#,
            r#"10.3.0.0/16 TransitGateway("tgw-1") Active"#,
            r#"10.4.0.0/16 VirtualPrivateGateway("vgw-1") Unused"#,
            r#"10.5.0.0/16 Interface("eni-1") Active"#,
            r#"10.6.0.0/16 NatGateway("nat-1") Blackhole"#,
            r#"10.7.0.0/16 Other("arn:1") Active"#,
            r#"10.8.0.0/16 Other("") Blackhole"#,
        ]
    );
}

#[test]
fn only_associations_in_force_count() {
    let resources = read(&[(
        "1",
        r#"{"RouteTables": [
            {"RouteTableId": "rtb-1", "VpcId": "vpc-a", "Tags": [{"Key": "Name", "Value": "main"}], "Associations": [
                {"Main": true, "AssociationState": {"State": "associated"}},
                {"Main": false, "SubnetId": "subnet-2", "AssociationState": {"State": "associated"}},
                {"Main": false, "SubnetId": "subnet-1"},
                {"Main": false, "GatewayId": "igw-1", "AssociationState": {"State": "associated"}},
                {"Main": false, "SubnetId": "subnet-3", "AssociationState": {"State": "disassociated"}}]},
            {"RouteTableId": "rtb-2", "VpcId": "vpc-a", "Associations": [
                {"Main": true, "AssociationState": {"State": "failed"}}]},
            {"RouteTableId": "rtb-3", "VpcId": "vpc-a"}]}"#,
    )]);
    let table = &resources.route_tables["rtb-1"];
    assert_eq!((table.is_main, table.name.as_deref()), (true, Some("main")));
    assert_eq!(
        (&table.subnet_ids[..], &table.gateway_ids[..]),
        (&["subnet-1", "subnet-2"].map(String::from)[..], &["igw-1".to_owned()][..])
    );
    let others =
        ["rtb-2", "rtb-3"].map(|id| (resources.route_tables[id].is_main, resources.route_tables[id].subnet_ids.len()));
    assert_eq!(others, [(false, 0), (false, 0)]);
}

#[test]
fn prefix_list_has_its_blocks() {
    let resources = read(&[(
        "1",
        r#"{"PrefixLists": [
            {"PrefixListId": "pl-1", "PrefixListName": "s3", "Cidrs": ["52.218.0.0/17", "3.5.0.0/19"]},
            {"PrefixListId": "pl-2", "Cidrs": []}]}"#,
    )]);
    assert_eq!(blocks(&resources, "pl-1"), Some(vec!["3.5.0.0/19".to_owned(), "52.218.0.0/17".to_owned()]));
    assert_eq!((blocks(&resources, "pl-2"), blocks(&resources, "pl-3")), (Some(vec![]), None));
}

#[test]
fn prefix_list_without_cidrs_is_unknown_and_replaces_nothing() {
    // The output of describe-managed-prefix-lists.
    let managed = r#"{"PrefixLists": [{"PrefixListId": "pl-1", "State": "create-complete", "MaxEntries": 5}]}"#;
    assert_eq!(read(&[("1", managed)]).prefix_lists.len(), 0);
    let entries = r#"{"PrefixListId": "pl-1", "Entries": [{"Cidr": "10.2.0.0/16"}]}"#;
    let resources = read(&[("1", entries), ("2", managed)]);
    assert_eq!((blocks(&resources, "pl-1"), problems(&resources)), (Some(vec!["10.2.0.0/16".to_owned()]), vec![]));
}

#[test]
fn entries_without_an_id_belong_to_the_list_of_the_name() {
    let entries = r#"{"Entries": [{"Cidr": "10.2.0.0/16", "Description": "b"}]}"#;
    for name in ["pl-1.json", "topology/pl-1.json", "s3://bucket/topology/pl-1.json"] {
        assert_eq!(blocks(&read(&[(name, entries)]), "pl-1"), Some(vec!["10.2.0.0/16".to_owned()]), "{name}");
    }
    for name in ["pl-1", "entries.json", "pl-1/entries.json", "my-pl-1.json"] {
        let resources = read(&[(name, entries)]);
        assert_eq!(resources.prefix_lists.len(), 0, "{name}");
        let message = "no PrefixListId; add it, or name the document after the list: pl-….json";
        assert_eq!(problems(&resources), [format!("{name}: Entries: {message}")]);
    }
    let with_id = r#"{"PrefixListId": "pl-2", "Entries": [{"Cidr": "10.3.0.0/16"}]}"#;
    assert_eq!(blocks(&read(&[("pl-1.json", with_id)]), "pl-1"), None);
}

#[test]
fn invalid_block_of_a_prefix_list_is_reported() {
    let entries = r#"{"PrefixListId": "pl-1", "Entries": [{"Cidr": "ten"}, {"Cidr": "10.2.0.0/16"}]}"#;
    let resources = read(&[("1", entries)]);
    assert_eq!(problems(&resources), [r#"1: pl-1: "ten" is not a CIDR block"#]);
    assert_eq!(blocks(&resources, "pl-1"), Some(vec!["10.2.0.0/16".to_owned()]));
}
