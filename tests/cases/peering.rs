//! Traffic between peered VPCs, of which another interface, VPC, or input has the answer or the rejection.

use serde_json::json;

use crate::build::{
    SYN, SYN_ACK, SYN_FIN, Version2, Version5, WithoutVpc, app_and_db, connection, found, none, pairs, subjects,
    summary, summary_of_logs, topology, vpc, with_srcports,
};
use crate::records::{Record, log};

/// Returns a request from `vpc-app` to `vpc-db`, recorded where it leaves.
fn request() -> Record {
    Record::new("eni-app", "10.40.1.5:40000", "10.50.4.20:5432").at("eni-app", "vpc-app").flags(SYN).egress().path(4)
}

/// Returns the same request, recorded where it arrives at the given interface.
fn arrival(interface: &str) -> Record {
    Record { path: None, ..request().at(interface, "vpc-db").ingress() }
}

/// Returns `count` records, and an answer to each at this interface.
fn answered(count: u16, request: &Record, interface: &str) -> Vec<Record> {
    let requests = with_srcports(count, request);
    let answer =
        |request: &Record| Record { interface: interface.to_owned(), ..request.clone().swapped().flags(SYN_ACK) };
    let answers: Vec<Record> = requests.iter().map(answer).collect();
    [requests, answers].concat()
}

#[test]
fn an_answer_by_another_interface_of_the_vpc_counts() {
    let topology = app_and_db();
    let ipv6 = |record: Record| Record {
        src: "[fd00:40::5]:40000".parse().expect("an end"),
        dst: "[fd00:50::20]:5432".parse().expect("an end"),
        ..record
    };
    for arrival in [arrival("eni-db-1"), ipv6(arrival("eni-db-1"))] {
        let log = answered(6, &arrival, "eni-db-2");
        let summary_of = |records: &[Record]| summary(Some(&topology), Version5, records);
        assert_eq!(found(&summary_of(&log)), none());
        assert_eq!(pairs(&summary_of(&log)), ["vpc-app vpc-db pcx-1 6 0", "vpc-db vpc-app pcx-1 6 0"]);
        // Control: no answers. Near miss: one request less.
        assert_eq!(found(&summary_of(&log[..6])), ["high one-way-peering 6"]);
        assert_eq!(found(&summary_of(&log[..5])), ["high one-way-peering 5"]);
        assert_eq!(found(&summary_of(&log[..4])), none());
        // Control: the interface of the answers is in another VPC.
        let elsewhere = log.iter().map(|record| match &*record.interface {
            "eni-db-2" => Record { vpc: Some("vpc-app".to_owned()), ..record.clone() },
            _ => record.clone(),
        });
        assert_eq!(found(&summary_of(&elsewhere.collect::<Vec<_>>())), ["high one-way-peering 6"]);
    }
}

#[test]
fn without_vpc_ids_the_topology_joins_the_interfaces() {
    let with_interfaces = |ids: &[&str]| {
        let interface = |id: &&str| json!({"NetworkInterfaceId": id, "VpcId": "vpc-db"});
        topology(&json!({
            "Vpcs": [vpc("vpc-app", &["10.40.0.0/16"]), vpc("vpc-db", &["10.50.0.0/16"])],
            "VpcPeeringConnections": [connection("pcx-1", "vpc-app", "vpc-db")],
            "NetworkInterfaces": ids.iter().map(interface).collect::<Vec<_>>(),
        }))
    };
    for columns in [Version2, WithoutVpc] {
        let found_with = |ids: &[&str], answering: &str| {
            let mut records = answered(6, &arrival("eni-db-1"), answering);
            // Answers without flags, so that nothing in them shows that they are answers.
            records.iter_mut().filter(|record| record.src.port() == 5432).for_each(|answer| answer.flags = None);
            records.retain(|record| columns == Version2 || record.flags.is_some() || answering == record.interface);
            found(&summary(Some(&with_interfaces(ids)), columns, &records))
        };
        assert_eq!(found_with(&["eni-db-1", "eni-db-2"], "eni-db-2"), none());
        assert_eq!(found_with(&[], "eni-db-1"), none());
        // Control: nothing shows that both interfaces are in one VPC. Neither direction has a reply.
        let lost = found_with(&[], "eni-db-2");
        assert_eq!(lost, ["high one-way-peering 6", "high one-way-peering 6"], "{columns:?}");
    }
}

#[test]
fn what_the_far_vpc_rejects_is_not_one_way() {
    let topology = app_and_db();
    let left = with_srcports(6, &request());
    let rejected = with_srcports(6, &arrival("eni-db").rejected());
    let log = [left.clone(), rejected.clone()].concat();
    let refused = summary(Some(&topology), Version5, &log);
    assert_eq!(found(&refused), ["medium rejected-peering 6"]);
    assert_eq!(
        subjects(&refused),
        [json!({"src_vpc_id": "vpc-app", "dst_vpc_id": "vpc-db", "peering_connection_id": "pcx-1"})]
    );
    assert_eq!(pairs(&refused), ["vpc-app vpc-db pcx-1 6 6"]);
    // The two VPCs may log into different inputs.
    let parts = [self::log(Version5, &rejected), self::log(Version5, &left)];
    assert_eq!(summary_of_logs(Some(&topology), &parts).findings, refused.findings);
    // One rejected record between the addresses is enough.
    assert_eq!(found(&summary(Some(&topology), Version5, &log[..7])), ["medium rejected-peering 1"]);
    // Control: traffic to another address was rejected.
    let others = rejected.into_iter().map(|mut record| {
        record.dst.set_ip("10.50.4.21".parse().expect("an address"));
        record
    });
    let lost = summary(Some(&topology), Version5, &left.into_iter().chain(others).collect::<Vec<_>>());
    assert_eq!(found(&lost), ["high one-way-peering 6", "medium rejected-peering 6"]);
}

#[test]
fn flags_show_answers_that_another_input_has() {
    let topology = app_and_db();
    let requests = with_srcports(6, &request().flags(SYN_FIN));
    let answers: Vec<Record> = requests.iter().map(|record| record.clone().swapped().ingress().flags(19)).collect();
    let middle = with_srcports(6, &request().flags(0));
    let parts = [&requests, &answers, &[&requests[..], &answers].concat(), &middle].map(|part| log(Version5, part));
    for part in &parts {
        assert_eq!(found(&summary_of_logs(Some(&topology), std::slice::from_ref(part))), none());
    }
    assert_eq!(found(&summary_of_logs(Some(&topology), &parts)), none());
    // Control: SYNs alone, or with PSH or with the ECN bits, which are not evaluated.
    for flags in [SYN, 10, 194] {
        let lost = summary(Some(&topology), Version5, &with_srcports(6, &request().flags(flags)));
        assert_eq!(found(&lost), ["high one-way-peering 6"], "{flags}");
    }
    for flags in [SYN | 1, SYN | 4, SYN | 16, 1, 4, 16, 8] {
        let answered = summary(Some(&topology), Version5, &with_srcports(6, &request().flags(flags)));
        assert_eq!(found(&answered), none(), "{flags}");
    }
    // Over UDP, flags are no evidence, and a missing answer is none either.
    assert_eq!(found(&summary(Some(&topology), Version5, &with_srcports(6, &request().over(17).flags(0)))), none());
}

#[test]
fn some_answered_requests_lower_the_severity() {
    let topology = app_and_db();
    let lost = with_srcports(5, &request());
    let mut served = request().flags(SYN_FIN);
    served.dst.set_ip("10.50.4.21".parse().expect("an address"));
    let all = [lost.clone(), vec![served]].concat();
    assert_eq!(found(&summary(Some(&topology), Version5, &lost)), ["high one-way-peering 5"]);
    assert_eq!(found(&summary(Some(&topology), Version5, &all)), ["medium one-way-peering 5"]);
}
