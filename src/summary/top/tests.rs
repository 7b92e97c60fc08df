use std::sync::Arc;

use super::super::build::{SummaryOptions, build_summary};
use super::*;
use crate::config::Limits;
use crate::pipeline::{self, Options};
use crate::topology::Topology;
use crate::topology::describe_output::Resources;

/// Returns the top of records of `interface-id vpc-id srcaddr dstaddr dstport protocol packets bytes action`.
fn top(records: &[String], topology: Option<&str>) -> Top {
    let topology = topology.map(|document| {
        let mut resources = Resources::default();
        resources.read("case.json", document.as_bytes()).expect("JSON");
        Arc::new(Topology::new(resources))
    });
    let header = "interface-id vpc-id srcaddr dstaddr dstport protocol packets bytes action";
    let log = format!("{header}\n{}\n", records.join("\n"));
    let options = Options { topology: topology.clone(), ..Options::default() };
    let analysis = pipeline::analyze("case", log.as_bytes(), &options).expect("a flow log");
    assert_eq!(analysis.records.malformed, 0);
    build_summary(analysis, &SummaryOptions::default(), topology.as_deref()).top
}

fn lines(records: &[&str]) -> Vec<String> {
    records.iter().map(|record| (*record).to_owned()).collect()
}

/// Two VPCs that have the same address.
const TOPOLOGY: &str = r#"{
    "Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.0.0.0/16"}, {"VpcId": "vpc-b", "CidrBlock": "10.0.0.0/16"}],
    "NetworkInterfaces": [
        {"NetworkInterfaceId": "eni-a", "VpcId": "vpc-a", "PrivateIpAddress": "10.0.0.1", "TagSet": [{"Key": "Name", "Value": "web"}]},
        {"NetworkInterfaceId": "eni-b", "VpcId": "vpc-b", "PrivateIpAddress": "10.0.0.1"}]
}"#;

#[test]
fn sources_are_summed_over_interfaces_and_ports() {
    let top = top(
        &lines(&[
            "eni-1 - 8.8.8.8 10.0.0.1 22 6 1 10 REJECT",
            "eni-1 - 8.8.8.8 10.0.0.1 23 6 2 20 REJECT",
            "eni-2 - 8.8.8.8 10.0.0.2 22 6 4 40 REJECT",
            "eni-2 - 9.9.9.9 10.0.0.2 22 17 8 80 REJECT",
            "eni-2 - 10.0.0.2 9.9.9.9 - 1 16 160 REJECT",
            "eni-2 - 10.0.0.2 9.9.9.9 22 6 32 320 ACCEPT",
        ]),
        None,
    );
    let source = |row: &SourceRejects| (row.srcaddr.map(|ip| ip.to_string()), row.tally.flows, row.tally.bytes);
    let sources: Vec<_> = top.rejected_sources.iter().map(source).collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(sources, [(some("8.8.8.8"), 3, 70), (some("10.0.0.2"), 1, 160), (some("9.9.9.9"), 1, 80)]);
    let port = |row: &PortRejects| (row.protocol_name, row.dstport, row.service_name, row.tally.flows);
    let ports: Vec<_> = top.rejected_ports.iter().map(port).collect();
    let expected = [
        (Some("TCP"), Some(22), Some("ssh"), 2),
        (Some("ICMP"), None, None, 1),
        (Some("UDP"), Some(22), None, 1),
        (Some("TCP"), Some(23), Some("telnet"), 1),
    ];
    assert_eq!(ports, expected);
    assert!(top.exact && top.talkers_exact);
    assert_eq!(top.talkers_error_bound, 0);
}

#[test]
fn a_pair_counts_at_the_interface_with_the_most_bytes() {
    let top = top(
        &lines(&[
            "eni-1 - 10.0.0.1 10.1.0.1 22 6 1 100 ACCEPT",
            "eni-2 - 10.0.0.1 10.1.0.1 22 6 1 100 ACCEPT",
            "eni-2 - 10.0.0.1 10.1.0.1 23 6 1 50 ACCEPT",
            "eni-2 - 10.1.0.1 10.0.0.1 23 6 1 120 ACCEPT",
            "eni-3 - 10.1.0.1 10.0.0.1 23 6 1 120 ACCEPT",
            "eni-3 - 10.1.0.1 10.0.0.1 23 6 1 990 REJECT",
            "eni-3 - - 10.0.0.1 23 6 1 0 -",
        ]),
        None,
    );
    let row = |row: &Talker| format!("{:?} {} {} {}", row.interface_id, row.srcaddr, row.dstaddr, row.accepted.bytes);
    let rows: Vec<_> = top.talkers.iter().map(row).collect();
    assert_eq!(rows, ["Some(\"eni-2\") 10.0.0.1 10.1.0.1 150", "Some(\"eni-2\") 10.1.0.1 10.0.0.1 120"]);
    assert_eq!(top.talkers[0].accepted, Counters { flows: 2, packets: 2, bytes: 150 });
}

#[test]
fn a_pair_of_many_small_records_is_found_among_many_pairs() {
    // The second pair has most bytes, in records that are smaller than those of all others.
    let other = |n: u32| format!("eni-1 - 10.1.{}.{} 10.0.0.1 443 6 9 {} ACCEPT", n / 256, n % 256, 1_000_000 + n % 7);
    let records: Vec<String> = (0..6000)
        .map(other)
        .chain((0..5000).map(|_| "eni-1 - 10.9.9.9 10.0.0.2 443 6 9 900000 ACCEPT".to_owned()))
        .collect();
    let top = top(&records, None);
    let heaviest = &top.talkers[0];
    assert_eq!((heaviest.srcaddr, heaviest.dstaddr), ([10, 9, 9, 9].into(), [10, 0, 0, 2].into()));
    let missing = 5000 * 900_000 - heaviest.accepted.bytes;
    assert!(!top.talkers_exact && missing <= top.talkers_error_bound, "{missing} of {}", top.talkers_error_bound);
    assert!(top.talkers_error_bound <= 10_500_018_000 / 256);
    assert_eq!((top.exact, top.talkers.len()), (true, 10));
}

#[test]
fn bytes_without_an_interface_are_part_of_the_bound() {
    // There is room for one interface: the other may have any bytes that are counted without one.
    let log = "interface-id srcaddr dstaddr bytes action\n\
        eni-1 10.0.0.1 10.0.0.2 5 ACCEPT\neni-2 10.0.0.3 10.0.0.4 70 ACCEPT\n";
    let limits = Limits { max_interfaces: 1, ..Limits::default() };
    let analysis = pipeline::analyze("case", log.as_bytes(), &Options { limits, ..Options::default() });
    let top = build_summary(analysis.expect("a flow log"), &SummaryOptions::default(), None).top;
    assert_eq!((top.talkers.len(), top.talkers_exact, top.talkers_error_bound), (2, false, 70));
}

#[test]
fn each_list_has_ten_rows() {
    let record =
        |n: usize| format!("eni-1 - 10.0.0.{} 10.1.0.1 {} 6 1 {} {}", n / 2, n / 2, n, ["ACCEPT", "REJECT"][n % 2]);
    let top = top(&(0..60).map(record).collect::<Vec<_>>(), None);
    assert_eq!((top.rejected_sources.len(), top.rejected_ports.len(), top.talkers.len()), (10, 10, 10));
    let bytes: Vec<u64> = top.talkers.iter().map(|row| row.accepted.bytes).collect();
    assert_eq!(bytes, [58, 56, 54, 52, 50, 48, 46, 44, 42, 40]);
    assert_eq!(top.rejected_ports[0].dstport, Some(29));
}

#[test]
fn a_source_has_only_the_facts_that_its_records_agree_on() {
    let in_a = "eni-a vpc-a 10.0.0.1 8.8.8.8 22 6 1 1 REJECT";
    let in_b = "eni-b vpc-b 10.0.0.1 8.8.8.8 22 6 1 1 REJECT";
    let source = |records: &[&str]| top(&lines(records), Some(TOPOLOGY)).rejected_sources.remove(0).src;
    let alone = source(&[in_a]);
    assert_eq!((alone.vpc_id.as_deref(), alone.name.as_deref()), (Some("vpc-a"), Some("web")));
    let both = source(&[in_a, in_b]);
    assert_eq!((both.scope, both.vpc_id, both.name), (alone.scope, None, None));
    assert_eq!(both.service.as_deref(), Some("ec2"));
}
