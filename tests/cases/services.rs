//! Load balancers, and public addresses of the topology's interfaces.

use std::sync::Arc;

use flowsentry::topology::Topology;
use serde_json::{Value, json};

use crate::build::{
    SYN, SYN_ACK, SYN_FIN, Version2, Version5, found, none, subjects, summary, topology, vpc, with_dstports,
    with_srcports,
};
use crate::records::Record;

/// Returns the interface of a load balancer with this address.
fn balancer(id: &str, address: &str) -> Value {
    json!({
        "NetworkInterfaceId": id, "VpcId": "vpc-app", "PrivateIpAddress": address, "RequesterId": "amazon-elb",
        "RequesterManaged": true, "Description": "ELB app/shop/50dc6c495c0c9188",
    })
}

fn with_balancers() -> Arc<Topology> {
    topology(&json!({
        "Vpcs": [vpc("vpc-app", &["10.40.0.0/16"])],
        "NetworkInterfaces": [
            balancer("eni-lb-1", "10.40.100.1"), balancer("eni-lb-2", "10.40.100.2"),
            {"NetworkInterfaceId": "eni-task", "VpcId": "vpc-app", "PrivateIpAddress": "10.40.100.3"},
        ],
    }))
}

fn check(src: &str, dst: &str) -> Record {
    Record::new("eni-target", src, dst).flags(SYN).ingress().rejected()
}

#[test]
fn rejected_health_checks_are_found_for_each_target() {
    let topology = with_balancers();
    let log = |dst: &str| {
        let from = |balancer: &str| with_srcports(15, &check(&format!("{balancer}:20000"), dst));
        [from("10.40.100.1"), from("10.40.100.2")].concat()
    };
    let both = [log("10.40.1.21:8080"), log("10.40.2.22:8080")].concat();
    let rejected = summary(Some(&topology), Version5, &both);
    assert_eq!(found(&rejected), ["medium health-checks-rejected 30", "medium health-checks-rejected 30"]);
    let subject = |dstaddr| json!({"dstaddr": dstaddr, "dstport": 8080, "protocol": 6});
    assert_eq!(subjects(&rejected), [subject("10.40.1.21"), subject("10.40.2.22")]);
    let details = serde_json::to_value(&rejected.findings[0].details).expect("JSON");
    assert_eq!(details, json!({"interface_ids": ["eni-lb-1", "eni-lb-2"]}));
    // Near miss: two checks. Controls: another source, and no topology.
    assert_eq!(found(&summary(Some(&topology), Version5, &both[..3])), ["medium health-checks-rejected 3"]);
    assert_eq!(found(&summary(Some(&topology), Version5, &both[..2])), none());
    let of_a_task = with_srcports(30, &check("10.40.100.3:20000", "10.40.1.21:8080"));
    assert_eq!(found(&summary(Some(&topology), Version5, &of_a_task)), none());
    assert_eq!(found(&summary(None, Version5, &both)), none());
}

#[test]
fn health_checks_of_many_targets_are_no_scan() {
    let topology = with_balancers();
    let hosts =
        |src: &str, count: u8| (1..=count).map(|host| check(src, &format!("10.40.1.{host}:8080"))).collect::<Vec<_>>();
    assert_eq!(found(&summary(Some(&topology), Version5, &hosts("10.40.100.1:20000", 25))), none());
    assert_eq!(found(&summary(Some(&topology), Version5, &hosts("10.40.100.3:20000", 25))), ["high host-sweep 25"]);
    assert_eq!(found(&summary(Some(&topology), Version5, &hosts("10.40.100.3:20000", 24))), none());
    let ports = |src: &str| with_dstports(9000..9015, &check(src, "10.40.1.21:1"));
    assert_eq!(found(&summary(Some(&topology), Version5, &ports("10.40.100.1:20000"))), none());
    assert_eq!(found(&summary(Some(&topology), Version5, &ports("10.40.100.3:20000"))), ["high port-scan 15"]);
}

#[test]
fn late_answers_of_a_load_balancer_are_no_health_checks() {
    let topology = with_balancers();
    // Near miss: the packets of a connection from the target to the load balancer.
    let late = with_dstports(30_000..30_030, &check("10.40.100.1:443", "10.40.1.21:1"));
    let with_flags: Vec<Record> = late.iter().map(|record| record.clone().flags(SYN_ACK)).collect();
    for (columns, records) in [(Version2, &late), (Version5, &with_flags)] {
        assert_eq!(found(&summary(Some(&topology), columns, records)), none(), "{columns:?}");
    }
    let check = with_srcports(3, &check("10.40.100.1:30000", "10.40.1.21:443"));
    assert_eq!(found(&summary(Some(&topology), Version2, &check)), ["medium health-checks-rejected 3"]);
}

#[test]
fn a_target_that_answers_once_has_an_answer() {
    let topology = with_balancers();
    for (target, severity) in [("10.40.1.21:443", "medium"), ("192.168.7.9:443", "medium"), ("81.2.69.142:443", "low")]
    {
        let request = Record::new("eni-task", "10.40.100.3:40000", target).flags(SYN).egress();
        let requests = with_srcports(5, &request);
        let with = |more: &[Record]| found(&summary(Some(&topology), Version5, &[&requests[..], more].concat()));
        assert_eq!(with(&[]), [format!("{severity} no-answer 5")]);
        // Near miss: one request less.
        assert_eq!(found(&summary(Some(&topology), Version5, &requests[..4])), none());
        // Either flags or an answer show that the target is there.
        assert_eq!(with(&[request.clone().flags(SYN_FIN)]), none());
        assert_eq!(with(&[request.clone().swapped().flags(SYN_ACK).ingress()]), none());
        // Controls: answers of another port or interface, and a rejected answer.
        let mut other_port = request.clone().flags(SYN_FIN);
        other_port.dst.set_port(80);
        let elsewhere = Record { interface: "eni-other".to_owned(), ..request.clone().flags(SYN_FIN) };
        for control in [other_port, elsewhere, request.swapped().flags(SYN_ACK).ingress().rejected()] {
            let found = with(std::slice::from_ref(&control));
            assert!(found.contains(&format!("{severity} no-answer 5")), "{control:?}: {found:?}");
        }
    }
}

#[test]
fn a_public_address_is_shown_with_its_interface() {
    let topology = topology(&json!({
        "Vpcs": [vpc("vpc-app", &["10.40.0.0/16"]), vpc("vpc-db", &["10.50.0.0/16"])],
        "NetworkInterfaces": [{
            "NetworkInterfaceId": "eni-db", "VpcId": "vpc-db", "SubnetId": "subnet-db", "PrivateIpAddress": "10.50.1.9",
            "PrivateIpAddresses": [{"PrivateIpAddress": "10.50.1.9", "Association": {"PublicIp": "81.2.69.142"}}],
            "TagSet": [{"Key": "Name", "Value": "db-primary"}],
        }],
    }));
    let request = |dst: &str| {
        let request =
            Record::new("eni-app", "10.40.1.5:40000", dst).at("eni-app", "vpc-app").flags(SYN).egress().path(8);
        summary(Some(&topology), Version5, &[with_srcports(6, &request), vec![request.rejected()]].concat())
    };
    let (known, unknown) = (request("81.2.69.142:5432"), request("81.2.69.143:5432"));
    let endpoint = &known.rejected.groups[0].dst;
    let scope = endpoint.scope.map(|scope| serde_json::to_value(scope).expect("JSON"));
    assert_eq!(scope, Some(json!("public")));
    assert_eq!((endpoint.interface_id.as_deref(), endpoint.vpc_id.as_deref()), (Some("eni-db"), Some("vpc-db")));
    assert_eq!(endpoint.name.as_deref(), Some("db-primary"));
    assert_eq!(found(&known), ["low no-answer 6"]);
    assert!(known.findings[0].title.contains("81.2.69.142 (db-primary)"), "{}", known.findings[0].title);
    // It is no traffic of the VPC pair: it takes the internet.
    assert_eq!(crate::build::pairs(&known), none());
    // Control: an address that no interface has.
    let endpoint = &unknown.rejected.groups[0].dst;
    assert_eq!((&endpoint.interface_id, &endpoint.vpc_id, &endpoint.name), (&None, &None, &None));
    assert!(!unknown.findings[0].title.contains("db-primary"), "{}", unknown.findings[0].title);
}
