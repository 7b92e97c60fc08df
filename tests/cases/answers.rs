//! Rejected answers and late packets. They belong to connections that were accepted, so that they are no scan.

use serde_json::json;

use crate::build::{
    SYN, SYN_ACK, SYN_FIN, UDP, Version2, Version5, causes, found, none, subjects, summary, with_dstports,
    with_srcports,
};
use crate::records::Record;

const UNDECIDED: &str = "security-group-or-network-acl";

/// Returns ports of clients, 701 apart.
fn client_ports(count: u16) -> impl Iterator<Item = u16> {
    (0..count).map(|number| 1031 + 701 * number)
}

#[test]
fn backscatter_is_out_of_state_and_no_scan() {
    for (from, to) in [("81.2.69.142:443", "10.40.0.9:1"), ("[2600::9]:8443", "[fd00:40::9]:1")] {
        let syn_ack = Record::new("eni-1", from, to).flags(SYN_ACK).ingress().rejected();
        let backscatter = summary(None, Version5, &with_dstports(client_ports(20), &syn_ack));
        assert_eq!((found(&backscatter), causes(&backscatter)), (none(), vec![("out-of-state", 20)]));
        // Control: the same with SYN alone.
        let scan = summary(None, Version5, &with_dstports(client_ports(15), &syn_ack.clone().flags(SYN)));
        assert_eq!((found(&scan), causes(&scan)), (vec!["medium port-scan 15".to_owned()], vec![(UNDECIDED, 15)]));
        // Near miss of the control: one port less.
        assert_eq!(found(&summary(None, Version5, &with_dstports(client_ports(14), &syn_ack.flags(SYN)))), none());
    }
}

#[test]
fn a_rejected_syn_ack_on_its_way_out_is_a_blocked_reply() {
    let syn_ack = Record::new("eni-db", "10.40.5.10:5432", "10.40.1.7:1").flags(SYN_ACK).egress().rejected();
    let blocked = summary(None, Version5, &with_dstports(client_ports(20), &syn_ack));
    assert_eq!(found(&blocked), ["medium reply-blocked 20"]);
    assert_eq!(causes(&blocked), [("network-acl", 20)]);
    // Control: SYNs from the port of a database, by a private source.
    let scan = summary(None, Version5, &with_dstports(client_ports(20), &syn_ack.flags(SYN)));
    assert_eq!((found(&scan), causes(&scan)), (vec!["high port-scan 20".to_owned()], vec![(UNDECIDED, 20)]));
}

#[test]
fn answers_to_low_client_ports_are_blocked_replies() {
    for (server, protocol) in [("10.40.5.10:27017", 6), ("[fd00:40::10]:9092", 6), ("10.40.5.10:53", UDP)] {
        let client = if server.starts_with('[') { "[fd00:40::7]:1" } else { "10.40.1.7:1" };
        let answer = Record::new("eni-db", server, client).over(protocol).rejected();
        let answers = with_dstports(client_ports(20), &answer);
        let requests = answers.iter().map(|answer| Record { action: "ACCEPT", ..answer.clone().swapped() });
        let log: Vec<Record> = requests.clone().chain(answers.clone()).collect();
        let blocked = summary(None, Version2, &log);
        assert_eq!(found(&blocked), ["medium reply-blocked 20"]);
        assert_eq!(causes(&blocked), [("network-acl", 20)]);
        // The order of requests and answers does not matter.
        let reversed: Vec<Record> = log.into_iter().rev().collect();
        assert_eq!(summary(None, Version2, &reversed).findings, blocked.findings);
        // Control: requests of another client. The rejected records still look like answers.
        let others = requests.map(|mut request| {
            request
                .src
                .set_ip(if server.starts_with('[') { "fd00:40::8" } else { "10.40.1.8" }.parse().expect("an address"));
            request
        });
        let unasked = summary(None, Version2, &answers.iter().cloned().chain(others).collect::<Vec<_>>());
        assert_eq!((found(&unasked), causes(&unasked)), (none(), vec![(UNDECIDED, 20)]));
    }
}

#[test]
fn an_answer_counts_only_for_its_own_request() {
    let answer = Record::new("eni-db", "10.40.5.10:27017", "10.40.1.7:1031").rejected();
    let request = Record { action: "ACCEPT", ..answer.clone().swapped() };
    let cause = |request: Record| causes(&summary(None, Version2, &[request, answer.clone()]))[0].0;
    assert_eq!(cause(request.clone()), "network-acl");
    let elsewhere = Record { interface: "eni-other".to_owned(), ..request.clone() };
    let mut other_port = request.clone();
    other_port.src.set_port(1032);
    for control in [elsewhere, other_port, request.over(UDP)] {
        assert_eq!(cause(control.clone()), UNDECIDED, "{control:?}");
    }
}

#[test]
fn late_packets_without_flags_are_no_scan() {
    let late = |server: &str, client: &str, protocol| {
        with_dstports(client_ports(20), &Record::new("eni-1", server, client).over(protocol).rejected())
    };
    for records in [
        late("81.2.69.142:443", "10.40.0.9:1", 6),
        late("10.40.0.53:53", "10.40.0.9:1", UDP),
        late("[2600::9]:443", "[fd00:40::9]:1", 6),
    ] {
        let summary = summary(None, Version2, &records);
        assert_eq!((found(&summary), causes(&summary)), (none(), vec![(UNDECIDED, 20)]));
    }
    // Control: a client's source port, and the ports of servers.
    let probe = Record::new("eni-1", "81.2.69.142:50000", "10.40.0.9:1").rejected();
    let scan = |count| summary(None, Version2, &with_dstports((0..count).map(|number| 20 + number), &probe));
    assert_eq!(found(&scan(20)), ["medium port-scan 20"]);
    assert_eq!(subjects(&scan(20)), [json!({"srcaddr": "81.2.69.142", "dstaddr": "10.40.0.9"})]);
    assert_eq!((found(&scan(15)), found(&scan(14))), (vec!["medium port-scan 15".to_owned()], none()));
}

#[test]
fn the_last_packets_of_a_web_server_are_not_blocked_egress() {
    let to_client = |number: u16| {
        Record::new("eni-web", "10.40.0.9:443", &format!("81.2.69.{}:{}", number + 1, 51_000 + number)).rejected()
    };
    let served = Record::new("eni-web", "10.40.3.3:44000", "10.40.0.9:443");
    let served = [served.clone(), served.swapped()];
    let late: Vec<Record> = (0..6).map(to_client).chain(served.clone()).collect();
    assert_eq!(found(&summary(None, Version2, &late)), none());
    // Control: a client's ports.
    let swap_ports = |mut record: Record| {
        let (srcport, dstport) = (record.src.port(), record.dst.port());
        record.src.set_port(dstport);
        record.dst.set_port(srcport);
        record
    };
    let opened = |count| (0..count).map(to_client).map(swap_ports).chain(served.clone()).collect::<Vec<_>>();
    assert_eq!(found(&summary(None, Version2, &opened(5))), ["medium egress-blocked 5"]);
    assert_eq!(found(&summary(None, Version2, &opened(4))), none());
}

#[test]
fn late_packets_of_a_known_connection_are_out_of_state() {
    let accepted = Record::new("eni-1", "10.40.0.9:40000", "81.2.69.142:9999");
    let late = accepted.clone().rejected();
    let cause = |records: &[Record]| causes(&summary(None, Version2, records))[0].0;
    assert_eq!(cause(&[accepted.clone(), late.clone()]), "out-of-state");
    assert_eq!(cause(&[late.clone(), accepted.clone()]), "out-of-state");
    // Control: another connection was accepted.
    assert_eq!(cause(&[with_srcports(2, &accepted)[1].clone(), late.clone()]), UNDECIDED);
    // With flags, the record itself shows what it is.
    let flagged = |flags| causes(&summary(None, Version5, &[late.clone().flags(flags)]))[0].0;
    assert_eq!((flagged(16), flagged(SYN_FIN), flagged(SYN)), ("out-of-state", UNDECIDED, UNDECIDED));
}
