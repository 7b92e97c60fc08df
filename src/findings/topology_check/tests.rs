use serde_json::{Value, json};

use super::*;
use crate::topology::describe_output::Resources;

fn vpc(id: &str, block: &str) -> Value {
    json!({"VpcId": id, "CidrBlock": block})
}

pub(super) fn connection(id: &str, status: &str, requester: &str, accepter: &str) -> Value {
    json!({
        "VpcPeeringConnectionId": id,
        "Status": {"Code": status},
        "RequesterVpcInfo": {"VpcId": requester},
        "AccepterVpcInfo": {"VpcId": accepter},
    })
}

/// Builds a main route table.
fn table(id: &str, vpc_id: &str, routes: &[(&str, &str, &str)]) -> Value {
    table_of(id, vpc_id, &["main"], routes)
}

/// Builds a route table. An association is `main` or a subnet. A route has a destination, a target and a state.
fn table_of(id: &str, vpc_id: &str, associations: &[&str], routes: &[(&str, &str, &str)]) -> Value {
    let association = |name: &&str| match *name {
        "main" => json!({"Main": true}),
        subnet => json!({"Main": false, "SubnetId": subnet}),
    };
    let route = |(destination, target, state): &(&str, &str, &str)| {
        let kind = match destination {
            list if list.starts_with("pl-") => "DestinationPrefixListId",
            ipv6 if ipv6.contains(':') => "DestinationIpv6CidrBlock",
            _ => "DestinationCidrBlock",
        };
        let target_kind = if target.starts_with("pcx-") { "VpcPeeringConnectionId" } else { "GatewayId" };
        json!({kind: destination, target_kind: target, "State": state})
    };
    json!({"RouteTableId": id, "VpcId": vpc_id, "Associations": associations.iter().map(association).collect::<Vec<_>>(),
           "Routes": routes.iter().map(route).collect::<Vec<_>>()})
}

fn check_document(document: &Value) -> Check {
    let mut resources = Resources::default();
    resources.read("case.json", document.to_string().as_bytes()).expect("JSON");
    check(&Topology::new(resources))
}

/// Returns type, severity, and subject of each finding.
fn found(document: &Value) -> Vec<(&'static str, &'static str, Value)> {
    let subject = |finding: &TopologyFinding| serde_json::to_value(&finding.subject).expect("JSON");
    check_document(document).findings.iter().map(|f| (f.finding_type.name(), f.severity.name(), subject(f))).collect()
}

/// Returns type, place and block of each finding: a side and the block that it does not reach, or a table and a destination.
pub(super) fn routes_found(document: &Value) -> Vec<String> {
    let text = |finding: &TopologyFinding| match &finding.subject {
        TopologySubject::Block { vpc_id, cidr_block, .. } => {
            format!("{} {vpc_id} {cidr_block}", finding.finding_type.name())
        }
        TopologySubject::Route { route_table_id, destination, .. } => {
            format!("{} {route_table_id} {destination}", finding.finding_type.name())
        }
        TopologySubject::Vpcs { vpc_ids } => format!("{} {vpc_ids:?}", finding.finding_type.name()),
    };
    check_document(document).findings.iter().map(text).collect()
}

/// Builds two peered VPCs, whose blocks are 10.1.0.0/16, and 10.2.0.0/16 with 10.3.0.0/16.
fn peers(status: &str, tables: &[Value]) -> Value {
    let b = json!({"VpcId": "vpc-b", "CidrBlockAssociationSet": [{"CidrBlock": "10.2.0.0/16"}, {"CidrBlock": "10.3.0.0/16"}],
                   "Tags": [{"Key": "Name", "Value": "data"}]});
    json!({
        "Vpcs": [vpc("vpc-a", "10.1.0.0/16"), b],
        "VpcPeeringConnections": [connection("pcx-ab", status, "vpc-a", "vpc-b")],
        "RouteTables": tables,
    })
}

#[test]
fn overlapping_blocks_are_found_if_a_peer_can_reach_both() {
    let overlap = |blocks: [&str; 3], connections: Vec<Value>| {
        let vpcs = [vpc("vpc-a", blocks[0]), vpc("vpc-b", blocks[1]), vpc("vpc-c", blocks[2])];
        found(&json!({"Vpcs": vpcs, "VpcPeeringConnections": connections}))
    };
    let hub =
        || vec![connection("pcx-ab", "active", "vpc-a", "vpc-b"), connection("pcx-bc", "active", "vpc-b", "vpc-c")];
    let subject = json!({"vpc_ids": ["vpc-a", "vpc-c"]});
    let expected = vec![("overlapping-cidr", "medium", subject.clone())];
    assert_eq!(overlap(["10.1.0.0/16", "10.2.0.0/16", "10.1.128.0/17"], hub()), expected);
    let direct = vec![connection("pcx-ac", "active", "vpc-a", "vpc-c")];
    let expected = vec![("overlapping-cidr", "high", subject)];
    assert_eq!(overlap(["10.1.0.0/16", "10.2.0.0/16", "10.1.128.0/17"], direct), expected);
    // No overlap, no common peer, or a common peer only over an inactive connection.
    assert_eq!(overlap(["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"], hub()), vec![]);
    assert_eq!(overlap(["10.1.0.0/16", "10.2.0.0/16", "10.1.0.0/16"], hub()[..1].to_vec()), vec![]);
    let inactive = vec![hub()[0].clone(), connection("pcx-bc", "expired", "vpc-b", "vpc-c")];
    assert_eq!(overlap(["10.1.0.0/16", "10.2.0.0/16", "10.1.0.0/16"], inactive), vec![]);
}

#[test]
fn block_that_no_table_in_use_reaches_is_a_missing_route() {
    let routes = |routes: &[(&str, &str, &str)]| routes_found(&peers("active", &[table("rtb-a", "vpc-a", routes)]));
    let both = ["missing-route vpc-a 10.2.0.0/16", "missing-route vpc-a 10.3.0.0/16"];
    assert_eq!(routes(&[]), both);
    assert_eq!(routes(&[("10.2.0.0/16", "pcx-other", "active"), ("0.0.0.0/0", "igw-1", "active")]), both);
    // One block, a part of each, a block with both, an unknown prefix list.
    assert_eq!(routes(&[("10.2.0.0/16", "pcx-ab", "active")]), both[1..]);
    assert_eq!(routes(&[("10.2.9.0/24", "pcx-ab", "active"), ("10.3.0.1/32", "pcx-ab", "active")]), [""; 0]);
    assert_eq!(routes(&[("10.2.0.0/15", "pcx-ab", "active")]), [""; 0]);
    assert_eq!(routes(&[("pl-unknown", "pcx-ab", "active")]), [""; 0]);
    // A longer destination takes one block, or a part of it.
    let default = ("0.0.0.0/0", "pcx-ab", "active");
    assert_eq!(routes(&[default, ("10.3.0.0/16", "tgw-1", "active")]), both[1..]);
    assert_eq!(routes(&[default, ("10.3.0.0/17", "tgw-1", "active")]), [""; 0]);
    // No table of vpc-b is known, so it is not checked. Nor is a connection that is not active.
    assert_eq!(routes_found(&peers("pending-acceptance", &[table("rtb-a", "vpc-a", &[])])), [""; 0]);
}

#[test]
fn missing_route_has_its_connection_and_tables() {
    let mut document = peers("active", &[table("rtb-a", "vpc-a", &[("10.2.0.0/16", "pcx-ab", "active")])]);
    document["Subnets"] = json!([{"SubnetId": "subnet-1", "VpcId": "vpc-a"}]);
    let finding = &check_document(&document).findings[0];
    assert_eq!(
        serde_json::to_value(finding).expect("JSON"),
        json!({
            "id": finding.id,
            "type": "missing-route",
            "severity": "medium",
            "title": "vpc-a has no route to 10.3.0.0/16 of data (vpc-b) through pcx-ab: add it to rtb-a",
            "advice": TopologyFindingType::MissingRoute.advice(),
            "subject": {"vpc_id": "vpc-a", "peering_connection_id": "pcx-ab", "cidr_block": "10.3.0.0/16"},
            "details": {"peer_vpc_id": "vpc-b", "route_table_ids": ["rtb-a"], "subnet_ids": ["subnet-1"]},
            // The ids without a Name tag have no entry.
            "names": {"vpc-b": "data"},
        })
    );
}

#[test]
fn route_in_a_table_that_no_subnet_uses_does_not_count() {
    let routed = [("10.2.0.0/15", "pcx-ab", "active")];
    let tables = |main: &[(&str, &str, &str)], own: &[(&str, &str, &str)]| {
        let tables = [
            table("rtb-main", "vpc-a", main),
            table_of("rtb-own", "vpc-a", &["subnet-own"], own),
            table_of("rtb-unused", "vpc-a", &[], &routed),
        ];
        let mut document = peers("active", &tables);
        document["Subnets"] = json!([{"SubnetId": "subnet-own", "VpcId": "vpc-a"}]);
        document
    };
    let both = |kind: &str| ["10.2.0.0/16", "10.3.0.0/16"].map(|block| format!("{kind} vpc-a {block}"));
    assert_eq!(routes_found(&tables(&[], &[])), both("missing-route"));
    // The main table serves no subnet.
    assert_eq!(routes_found(&tables(&routed, &[])), both("missing-route"));
    assert_eq!(routes_found(&tables(&[], &routed)), [""; 0]);
    // A second subnet uses the main table.
    let mut document = tables(&[], &routed);
    document["Subnets"] =
        json!([{"SubnetId": "subnet-own", "VpcId": "vpc-a"}, {"SubnetId": "subnet-x", "VpcId": "vpc-a"}]);
    assert_eq!(routes_found(&document), both("partial-route"));
}

#[test]
fn side_with_an_unknown_main_table_has_no_missing_route() {
    let own = |routes: &[(&str, &str, &str)]| peers("active", &[table_of("rtb-own", "vpc-a", &["subnet-own"], routes)]);
    assert_eq!(routes_found(&own(&[])), [""; 0]);
    let mut document = own(&[]);
    document["Subnets"] = json!([{"SubnetId": "subnet-own", "VpcId": "vpc-a"}]);
    assert_eq!(routes_found(&document).len(), 2);
}

#[test]
fn partial_route_names_the_tables_without_the_route() {
    let routed = [("10.2.0.0/15", "pcx-ab", "active")];
    let tables = [
        table("rtb-main", "vpc-a", &[]),
        table_of("rtb-own", "vpc-a", &["subnet-own"], &routed),
        table_of("rtb-part", "vpc-a", &["subnet-p", "subnet-q"], &routed[..]),
        table_of("rtb-tgw", "vpc-a", &["subnet-t"], &[("10.2.0.0/16", "tgw-1", "active"), routed[0]]),
    ];
    let mut document = peers("active", &tables);
    document["Subnets"] =
        json!([{"SubnetId": "subnet-own", "VpcId": "vpc-a"}, {"SubnetId": "subnet-x", "VpcId": "vpc-a"}]);
    let check = check_document(&document);
    let texts: Vec<(&str, &str, Value)> = check
        .findings
        .iter()
        .map(|f| (f.severity.name(), f.title.as_str(), serde_json::to_value(&f.details).expect("JSON")))
        .collect();
    let details = |tables: &[&str], subnets: &[&str]| json!({"peer_vpc_id": "vpc-b", "route_table_ids": tables, "subnet_ids": subnets});
    assert_eq!(
        texts,
        [
            (
                "low",
                "2 of 4 route tables in use of vpc-a have no route to 10.2.0.0/16 of data (vpc-b) through pcx-ab: rtb-main, rtb-tgw",
                details(&["rtb-main", "rtb-tgw"], &["subnet-t", "subnet-x"])
            ),
            (
                "low",
                "1 of 4 route tables in use of vpc-a have no route to 10.3.0.0/16 of data (vpc-b) through pcx-ab: rtb-main",
                details(&["rtb-main"], &["subnet-x"])
            ),
        ]
    );
}

#[test]
fn ipv6_block_needs_a_route_if_both_sides_have_one() {
    let routes = |ipv6_of_a: &[&str], routes: &[(&str, &str, &str)]| {
        let mut document = peers("active", &[table("rtb-a", "vpc-a", routes)]);
        let set = |blocks: &[&str]| blocks.iter().map(|block| json!({"Ipv6CidrBlock": block})).collect::<Value>();
        document["Vpcs"][0]["Ipv6CidrBlockAssociationSet"] = set(ipv6_of_a);
        document["Vpcs"][1]["Ipv6CidrBlockAssociationSet"] = set(&["2600:2::/56"]);
        routes_found(&document)
    };
    let ipv4 = ("10.2.0.0/15", "pcx-ab", "active");
    assert_eq!(routes(&["2600:1::/56"], &[ipv4]), ["missing-route vpc-a 2600:2::/56"]);
    assert_eq!(routes(&["2600:1::/56"], &[ipv4, ("2600:2::/56", "pcx-ab", "active")]), [""; 0]);
    assert_eq!(routes(&[], &[ipv4]), [""; 0]);
}

#[test]
fn route_beyond_the_peer_is_useless() {
    let useless = |routes: &[(&str, &str, &str)], status: &str| {
        let mut document = peers(status, &[table_of("rtb-a", "vpc-a", &[], routes)]);
        document["PrefixLists"] = json!([{"PrefixListId": "pl-part", "Cidrs": ["10.9.0.0/16", "10.2.7.0/24"]},
                                         {"PrefixListId": "pl-beyond", "Cidrs": ["10.9.0.0/16"]}]);
        routes_found(&document)
    };
    let to_peer = |destination: &'static str| (destination, "pcx-ab", "active");
    let is_useless = |destination: &'static str| useless(&[to_peer(destination)], "active");
    for destination in ["10.4.0.0/16", "192.168.50.0/24", "8.8.8.8/32", "::/0", "pl-beyond"] {
        assert_eq!(is_useless(destination), [format!("useless-route rtb-a {destination}")]);
    }
    for destination in ["10.2.0.0/16", "10.3.4.0/24", "10.0.0.0/8", "0.0.0.0/0", "pl-part", "pl-unknown"] {
        assert_eq!(is_useless(destination), [""; 0], "{destination}");
    }
    // Longer destinations take all that the default route has in common with the peer, or not all.
    let default = to_peer("0.0.0.0/0");
    let expected = ["useless-route rtb-a 0.0.0.0/0"];
    assert_eq!(useless(&[default, to_peer("10.2.0.0/16"), to_peer("10.3.0.0/16")], "active"), expected);
    assert_eq!(useless(&[default, ("10.2.0.0/15", "tgw-1", "active")], "active"), expected);
    assert_eq!(useless(&[default, to_peer("10.2.0.0/16")], "active"), [""; 0]);
    assert_eq!(useless(&[to_peer("10.4.0.0/16")], "deleted"), ["inactive-peering-route rtb-a 10.4.0.0/16"]);
}

#[test]
fn useless_route_names_the_owner_of_the_addresses() {
    let mut document = peers("active", &[table_of("rtb-a", "vpc-a", &[], &[("10.9.1.0/24", "pcx-ab", "active")])]);
    let title = |document: &Value| {
        let finding = &check_document(document).findings[0];
        (finding.title.clone(), serde_json::to_value(&finding.details).expect("JSON"))
    };
    let text = "rtb-a routes 10.9.1.0/24 to pcx-ab, but the connection leads to data (vpc-b) alone".to_owned();
    assert_eq!(title(&document), (text, json!({"peer_vpc_id": "vpc-b", "destination_vpc_ids": []})));
    document["Vpcs"].as_array_mut().expect("a list").push(vpc("vpc-c", "10.9.0.0/16"));
    let text = "rtb-a routes 10.9.1.0/24 to pcx-ab, but these addresses are in vpc-c; the connection leads to data (vpc-b) alone";
    assert_eq!(title(&document), (text.to_owned(), json!({"peer_vpc_id": "vpc-b", "destination_vpc_ids": ["vpc-c"]})));
}

#[test]
fn blackhole_and_inactive_routes_are_found() {
    let routes = |status: &str, state: &str| {
        let routes = [("10.2.0.0/15", "pcx-ab", state)];
        found(&peers(status, &[table_of("rtb-a", "vpc-a", &[], &routes)]))
    };
    let subject = json!({
        "route_table_id": "rtb-a", "destination": "10.2.0.0/15", "peering_connection_id": "pcx-ab",
    });
    let blackhole = ("blackhole-route", "medium", subject.clone());
    let inactive = ("inactive-peering-route", "medium", subject);
    assert_eq!(routes("active", "active"), vec![]);
    assert_eq!(routes("active", "filtered"), vec![]);
    assert_eq!(routes("deleted", "active"), vec![inactive.clone()]);
    assert_eq!(routes("deleted", "blackhole"), vec![blackhole.clone(), inactive]);
    assert_eq!(routes("active", "blackhole"), vec![blackhole]);
}

#[test]
fn blackhole_route_to_any_target_is_found() {
    let routes = [("0.0.0.0/0", "igw-1", "blackhole"), ("10.0.0.0/8", "vgw-1", "active")];
    let check = check_document(&json!({"RouteTables": [table("rtb-a", "vpc-a", &routes)]}));
    let finding = serde_json::to_value(&check.findings[0]).expect("JSON");
    let subject = json!({"route_table_id": "rtb-a", "destination": "0.0.0.0/0", "peering_connection_id": null});
    assert_eq!((check.findings.len(), &finding["type"], &finding["subject"]), (1, &json!("blackhole-route"), &subject));
    assert_eq!(finding["details"], json!({"target": "igw-1", "status": null}));
    assert_eq!(finding["title"], "rtb-a routes 0.0.0.0/0 to igw-1, but the route is in state blackhole");
}

#[test]
fn overlapping_blocks_and_common_peers_are_reported() {
    let blocks = [("vpc-a", "10.1.0.0/16"), ("vpc-b", "10.2.0.0/16"), ("vpc-c", "10.1.128.0/17")];
    let details = |connections: &[Value]| {
        let vpcs: Vec<Value> = blocks.iter().map(|(id, block)| vpc(id, block)).collect();
        let document = json!({"Vpcs": vpcs, "VpcPeeringConnections": connections});
        serde_json::to_value(&check_document(&document).findings[0].details).expect("JSON")
    };
    let hub = [connection("pcx-ab", "active", "vpc-a", "vpc-b"), connection("pcx-bc", "active", "vpc-b", "vpc-c")];
    assert_eq!(details(&hub), json!({"cidr_blocks": ["10.1.128.0/17"], "via_vpc_ids": ["vpc-b"]}));
    let direct = [connection("pcx-ac", "active", "vpc-a", "vpc-c")];
    assert_eq!(details(&direct), json!({"cidr_blocks": ["10.1.128.0/17"], "via_vpc_ids": []}));
}

#[test]
fn duplicate_route_is_one_finding() {
    let routes = [("10.2.0.0/16", "pcx-gone", "blackhole"), ("10.2.0.0/16", "pcx-gone", "blackhole")];
    assert_eq!(found(&json!({"RouteTables": [table("rtb-a", "vpc-a", &routes)]})).len(), 1);
}

#[test]
fn blackhole_route_to_an_unknown_connection_is_found() {
    let document = json!({"RouteTables": [table("rtb-a", "vpc-a", &[("10.2.0.0/16", "pcx-gone", "blackhole")])]});
    let types: Vec<_> = found(&document).into_iter().map(|(finding_type, ..)| finding_type).collect();
    assert_eq!(types, ["blackhole-route"]);
}

#[test]
fn on_premises_network_beyond_the_peer_is_found() {
    let routes_of_b = [
        ("10.2.0.0/16", "local", "active"),
        ("10.1.0.0/16", "pcx-ab", "active"),
        ("192.168.50.0/24", "pcx-ab", "active"),
        ("0.0.0.0/0", "pcx-ab", "active"),
    ];
    let routes_of_a = [("10.2.0.0/15", "pcx-ab", "active"), ("192.168.50.0/24", "vgw-1", "active")];
    let tables = [table("rtb-b", "vpc-b", &routes_of_b), table("rtb-a", "vpc-a", &routes_of_a)];
    let expected = ["useless-route rtb-b 0.0.0.0/0", "useless-route rtb-b 192.168.50.0/24"];
    assert_eq!(routes_found(&peers("active", &tables)), expected);
}

#[test]
fn wrong_digit_is_a_missing_and_a_useless_route() {
    let tables = [table("rtb-b", "vpc-b", &[("10.11.0.0/16", "pcx-ab", "active")])];
    let expected = ["missing-route vpc-b 10.1.0.0/16", "useless-route rtb-b 10.11.0.0/16"];
    assert_eq!(routes_found(&peers("active", &tables)), expected);
}

#[test]
fn names_of_types_are_in_order() {
    assert!(TopologyFindingType::ALL.is_sorted_by_key(|finding_type| finding_type.name()));
}

#[test]
fn docs_have_a_row_for_each_type() {
    let pages = [include_str!("../../../docs/findings.md"), include_str!("../../../docs/reference.md")];
    for finding_type in TopologyFindingType::ALL {
        let name = finding_type.name();
        assert!(pages[0].contains(&format!("\n| `{name}` | ")), "{name}");
        assert!(pages[1].contains(&format!("\n| `{name}` | {} | ", finding_type.advice())), "{name}");
    }
}
