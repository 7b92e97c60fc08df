//! Routes that `topology check` reports, and traffic to an on-premises network through a peer.

use flowsentry::findings::topology_check::check;
use serde_json::{Value, json};

use crate::build::{
    SYN, SYN_FIN, Version2, Version5, connection, found, none, route_table, subjects, summary, topology, vpc,
    with_srcports,
};
use crate::records::Record;

/// Returns type and subject of the findings about two peered VPCs with these route tables. `vpc-db` has two blocks.
fn checked(route_tables: &[Value]) -> Vec<String> {
    let document = json!({
        "Vpcs": [vpc("vpc-app", &["10.40.0.0/16"]), vpc("vpc-db", &["10.50.0.0/16", "10.51.0.0/16"])],
        "Subnets": [{"SubnetId": "subnet-app", "VpcId": "vpc-app"}, {"SubnetId": "subnet-db", "VpcId": "vpc-db"}],
        "VpcPeeringConnections": [connection("pcx-1", "vpc-app", "vpc-db")],
        "RouteTables": route_tables,
    });
    let text = |finding: &flowsentry::findings::topology_check::TopologyFinding| {
        let subject = serde_json::to_value(&finding.subject).expect("JSON");
        let place = [&subject["vpc_id"], &subject["route_table_id"]].into_iter().find_map(Value::as_str);
        let block = [&subject["cidr_block"], &subject["destination"]].into_iter().find_map(Value::as_str);
        format!("{} {} {}", finding.finding_type.name(), place.unwrap_or("-"), block.unwrap_or("-"))
    };
    check(&topology(&document)).findings.iter().map(text).collect()
}

const COMPLETE: [(&str, &str); 2] = [("10.50.0.0/16", "pcx-1"), ("10.51.0.0/16", "pcx-1")];

fn db_table() -> Value {
    route_table("rtb-db", "vpc-db", &["main"], &[("10.40.0.0/16", "pcx-1")])
}

#[test]
fn a_block_without_a_route_in_use_is_missing() {
    let checked =
        |routes: &[(&str, &str)]| checked(&[route_table("rtb-app", "vpc-app", &["main"], routes), db_table()]);
    assert_eq!(checked(&COMPLETE), none());
    assert_eq!(checked(&[]), ["missing-route vpc-app 10.50.0.0/16", "missing-route vpc-app 10.51.0.0/16"]);
    // The secondary block alone.
    assert_eq!(checked(&COMPLETE[..1]), ["missing-route vpc-app 10.51.0.0/16"]);
    // A route to a part of the block is enough.
    assert_eq!(checked(&[("10.50.7.0/24", "pcx-1"), ("10.51.0.0/16", "pcx-1")]), none());
    // A longer route to another target takes the whole block.
    let taken = [("10.50.0.0/15", "pcx-1"), ("10.51.0.0/16", "tgw-1")];
    assert_eq!(checked(&taken), ["missing-route vpc-app 10.51.0.0/16"]);
}

#[test]
fn a_table_that_no_subnet_uses_does_not_count() {
    let main = |routes: &[(&str, &str)]| route_table("rtb-main", "vpc-app", &["main"], routes);
    let other = |associations: &[&str]| route_table("rtb-other", "vpc-app", associations, &COMPLETE);
    let missing = ["missing-route vpc-app 10.50.0.0/16", "missing-route vpc-app 10.51.0.0/16"];
    assert_eq!(checked(&[main(&[]), other(&[]), db_table()]), missing);
    // Controls: the table is in use, or it is the main table.
    assert_eq!(checked(&[main(&[]), other(&["subnet-app"]), db_table()]), none());
    assert_eq!(checked(&[main(&COMPLETE), db_table()]), none());
}

#[test]
fn a_mistyped_destination_is_missing_and_useless() {
    let checked = |destination| {
        let routes = [(destination, "pcx-1"), ("10.51.0.0/16", "pcx-1")];
        checked(&[route_table("rtb-app", "vpc-app", &["main"], &routes), db_table()])
    };
    assert_eq!(checked("10.5.0.0/16"), ["missing-route vpc-app 10.50.0.0/16", "useless-route rtb-app 10.5.0.0/16"]);
    assert_eq!(checked("10.50.0.0/17"), none());
}

#[test]
fn an_on_premises_network_of_a_peer_is_out_of_reach() {
    let beyond_peer = ["192.168.50.0/24", "0.0.0.0/0"].map(|destination| (destination, "pcx-1"));
    let app_table = route_table("rtb-app", "vpc-app", &["main"], &[&COMPLETE[..], &beyond_peer].concat());
    assert_eq!(
        checked(&[app_table, db_table()]),
        ["useless-route rtb-app 0.0.0.0/0", "useless-route rtb-app 192.168.50.0/24"]
    );

    let topology = topology(&json!({
        "Vpcs": [vpc("vpc-app", &["10.40.0.0/16"]), vpc("vpc-db", &["10.50.0.0/16"])],
        "VpcPeeringConnections": [connection("pcx-1", "vpc-app", "vpc-db")],
    }));
    let request =
        |dst: &str| Record::new("eni-app", "10.40.1.5:40000", dst).at("eni-app", "vpc-app").flags(SYN).egress();
    let log = |path: u8| {
        let destinations = ["192.168.50.10:443", "81.2.69.142:443"];
        destinations.map(|dst| with_srcports(6, &request(dst).path(path))).concat()
    };
    for path in [4, 5] {
        let edge = summary(Some(&topology), Version5, &log(path));
        assert_eq!(found(&edge), ["high edge-to-edge-routing 6", "high edge-to-edge-routing 6"]);
        let subject = |scope| json!({"src_vpc_id": "vpc-app", "dst_scope": scope});
        assert_eq!(subjects(&edge), [subject("private"), subject("public")]);
    }
    // Controls: through a gateway of the own VPC, only the missing answers are left. Answered traffic is fine.
    assert_eq!(found(&summary(Some(&topology), Version5, &log(8))), ["medium no-answer 6", "low no-answer 6"]);
    let served: Vec<Record> = log(8).into_iter().map(|record| record.flags(SYN_FIN)).collect();
    assert_eq!(found(&summary(Some(&topology), Version5, &served)), none());
    // Version 2 has neither paths nor flags.
    assert_eq!(found(&summary(Some(&topology), Version2, &log(4))), none());
}
