//! Rejections whose rule the topology shows: the words of titles, and what to change.

use std::sync::Arc;

use flowsentry::summary::Summary;
use flowsentry::topology::Topology;
use flowsentry::topology::describe_output::Resources;
use serde_json::{Value, json};

use crate::build::{SYN, SYN_ACK, UDP, Version5, summary, with_dstports, with_srcports};
use crate::records::Record;

/// Creates a VPC with the subnets `app` (10.0.1.0/24) and `db` (10.0.2.0/24), whose network ACL has these entries, and the interface
/// `eni-db` with the group `sg-db`, which has these incoming and no outgoing permissions.
fn network(entries: &Value, permissions: &Value) -> Arc<Topology> {
    let subnet = |id: &str, third: u8| {
        json!({"SubnetId": id, "VpcId": "vpc-1", "CidrBlock": format!("10.0.{third}.0/24"),
               "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": format!("2600:1f18:0:{third}::/64")}]})
    };
    let document = json!({
        "Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16",
                  "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2600:1f18::/56"}]}],
        "Subnets": [subnet("app", 1), subnet("db", 2)],
        "NetworkInterfaces": [{"NetworkInterfaceId": "eni-db", "VpcId": "vpc-1", "SubnetId": "db", "PrivateIpAddress": "10.0.2.5",
                               "Ipv6Addresses": [{"Ipv6Address": "2600:1f18:0:2::5"}], "Groups": [{"GroupId": "sg-db"}]}],
        "SecurityGroups": [{"GroupId": "sg-db", "GroupName": "db", "IpPermissions": permissions}],
        "NetworkAcls": [{"NetworkAclId": "acl-1", "Associations": [{"SubnetId": "db"}], "Entries": entries,
                         "Tags": [{"Key": "Name", "Value": "data"}]}],
    });
    let mut resources = Resources::default();
    resources.read("network.json", document.to_string().as_bytes()).expect("JSON");
    assert_eq!(resources.problems, []);
    Arc::new(Topology::new(resources))
}

fn entry(number: u32, egress: bool, action: &str, block: &str) -> Value {
    let key = if block.contains(':') { "Ipv6CidrBlock" } else { "CidrBlock" };
    json!({"RuleNumber": number, "Egress": egress, "RuleAction": action, "Protocol": "-1", key: block})
}

/// Lets all traffic pass, except for what AWS's last entries deny.
fn open_acl() -> Value {
    let both = |egress| [entry(100, egress, "allow", "0.0.0.0/0"), entry(101, egress, "allow", "::/0")];
    json!([both(false), both(true)].concat())
}

/// Returns the part of the title after the first colon, and the next step.
fn words(summary: &Summary) -> Vec<(String, String)> {
    let part = |title: &str| title.split_once(": ").map(|(_, words)| words.to_owned()).unwrap_or_default();
    summary.findings.iter().map(|f| (part(&f.title), f.next_step.clone().unwrap_or_default())).collect()
}

fn rejected(src: &str, dst: &str) -> Record {
    Record::new("eni-db", src, dst).flags(SYN).ingress().rejected()
}

fn repeated(topology: &Arc<Topology>, record: &Record) -> (String, String) {
    let summary = summary(Some(topology), Version5, &with_srcports(100, record));
    assert_eq!(summary.findings.len(), 1, "{:?}", summary.findings);
    words(&summary).remove(0)
}

#[test]
fn security_group_is_named_with_the_subnet_to_allow() {
    let topology = network(&open_acl(), &json!([]));
    let (words, next_step) = repeated(&topology, &rejected("10.0.1.9:40000", "10.0.2.5:5432"));
    assert_eq!(words, "no rule of sg-db (db) lets 10.0.1.9 in at 5432/TCP (postgresql)");
    assert_eq!(next_step, "If it is intended, allow 5432/TCP from 10.0.1.0/24 in sg-db (db) (inbound).");
    let (words, next_step) = repeated(&topology, &rejected("[2600:1f18:0:1::9]:40000", "[2600:1f18:0:2::5]:5432"));
    assert_eq!(words, "no rule of sg-db (db) lets 2600:1f18:0:1::9 in at 5432/TCP (postgresql)");
    assert_eq!(next_step, "If it is intended, allow 5432/TCP from 2600:1f18:0:1::/64 in sg-db (db) (inbound).");
    // An address outside of all subnets is allowed by itself.
    let (_, next_step) = repeated(&topology, &rejected("10.0.9.9:40000", "10.0.2.5:53").over(UDP));
    assert_eq!(next_step, "If it is intended, allow 53/UDP from 10.0.9.9 in sg-db (db) (inbound).");
}

#[test]
fn network_acl_is_named_with_the_place_of_a_new_rule() {
    let all =
        json!([{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]);
    let replies = [entry(100, true, "allow", "0.0.0.0/0"), entry(101, true, "allow", "::/0")];
    let with = |entries: &[Value]| network(&json!([entries, &replies].concat()), &all);
    let record = rejected("10.0.1.9:40000", "10.0.2.5:22");
    let (words, next_step) = repeated(&with(&[entry(90, false, "deny", "10.0.1.0/24")]), &record);
    assert_eq!(words, "network ACL acl-1 (data) rule 90 denies");
    let expected = "If it is intended, allow 22/TCP from 10.0.1.0/24 in network ACL acl-1 (data) (inbound, with a number below 90).";
    assert_eq!(next_step, expected);
    let (_, next_step) = repeated(&with(&[entry(1, false, "deny", "10.0.1.0/24")]), &record);
    assert!(next_step.ends_with("(inbound, before rule 1, which needs another number)."), "{next_step}");
    let last = "network ACL acl-1 (data) default rule (*) denies";
    assert_eq!(repeated(&with(&[entry(32_767, false, "deny", "0.0.0.0/0")]), &record).0, last);
    assert_eq!(repeated(&with(&[]), &record).0, last);
    let ipv6 = rejected("[2600:1f18:0:1::9]:40000", "[2600:1f18:0:2::5]:22");
    let (words, next_step) = repeated(&with(&[entry(32_768, false, "deny", "::/0")]), &ipv6);
    assert_eq!(words, last);
    let expected = "If it is intended, allow 22/TCP from 2600:1f18:0:1::/64 in network ACL acl-1 (data) (inbound).";
    assert_eq!(next_step, expected);
}

#[test]
fn both_rules_have_to_change_if_both_deny() {
    let entries = json!([entry(90, false, "deny", "0.0.0.0/0"), entry(90, true, "allow", "0.0.0.0/0")]);
    let topology = network(&entries, &json!([]));
    let (words, next_step) = repeated(&topology, &rejected("10.0.1.9:40000", "10.0.2.5:22"));
    assert_eq!(words, "network ACL acl-1 (data) rule 90 denies");
    let expected = "If it is intended, allow 22/TCP from 10.0.1.0/24 in network ACL acl-1 (data) (inbound, with a number below 90) \
                    and in sg-db (db) (inbound).";
    assert_eq!(next_step, expected);
}

#[test]
fn replies_that_the_acl_would_reject_are_part_of_the_next_step() {
    let topology = network(&json!([entry(90, true, "deny", "10.0.0.0/8")]), &json!([]));
    let (_, next_step) = repeated(&topology, &rejected("10.0.1.9:40000", "10.0.2.5:22"));
    let expected = "If it is intended, allow 22/TCP from 10.0.1.0/24 in network ACL acl-1 (data) (inbound) and in sg-db (db) \
                    (inbound). The network ACL denies the replies, too: allow 1024-65535/TCP to 10.0.1.0/24 in its outbound rules.";
    assert_eq!(next_step, expected);
}

#[test]
fn one_acl_rule_is_counted_once_whatever_the_groups_do() {
    let https = json!([{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]);
    let entries = json!([entry(90, false, "deny", "10.0.0.0/8"), entry(90, true, "allow", "0.0.0.0/0")]);
    let document = json!({"NetworkInterfaces": [{"NetworkInterfaceId": "eni-lb", "VpcId": "vpc-1", "SubnetId": "app",
                          "PrivateIpAddress": "10.0.1.9", "RequesterId": "amazon-elb", "RequesterManaged": true}]});
    let mut resources = network(&entries, &https).resources().clone();
    resources.read("later.json", document.to_string().as_bytes()).expect("JSON");
    let topology = Arc::new(Topology::new(resources));
    // The groups allow the first target, and reject the second one.
    let checks = |port: u16| with_srcports(4, &rejected("10.0.1.9:40000", &format!("10.0.2.5:{port}")));
    let summary = summary(Some(&topology), Version5, &[checks(443), checks(444)].concat());
    let rules: Vec<_> = summary.rejected.by_rule.iter().map(|row| (row.group_count, row.tally.flows)).collect();
    assert_eq!(rules, [(2, 8)]);
    let found = words(&summary);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|(words, _)| words == "network ACL acl-1 (data) rule 90 denies"), "{found:?}");
}

#[test]
fn many_services_are_not_advised() {
    let topology = network(&open_acl(), &json!([]));
    let out =
        |port: u16| Record::new("eni-db", "10.0.2.5:40000", &format!("8.8.8.8:{port}")).flags(SYN).egress().rejected();
    let next_step = |ports: &[u16]| {
        let records: Vec<Record> = ports.iter().map(|port| out(*port)).collect();
        words(&summary(Some(&topology), Version5, &records)).remove(0).1
    };
    let expected = "If it is intended, allow 9/TCP, 25/TCP, 80/TCP and 2 more to 8.8.8.8 in sg-db (db) (outbound).";
    assert_eq!(next_step(&[80, 443, 9, 25, 587]), expected);
    assert_eq!(next_step(&[80, 443, 9, 25, 587, 143]), "");
}

#[test]
fn answers_need_the_ports_of_clients() {
    let entries = json!([entry(100, false, "allow", "0.0.0.0/0"), entry(80, true, "deny", "10.0.1.0/24")]);
    let topology = network(&entries, &json!([]));
    let syn_ack = Record::new("eni-db", "10.0.2.5:5432", "10.0.1.9:1").flags(SYN_ACK).egress().rejected();
    let summary = summary(Some(&topology), Version5, &with_dstports([40_000, 50_000], &syn_ack));
    let titles: Vec<&str> = summary.findings.iter().map(|finding| finding.title.as_str()).collect();
    assert_eq!(titles, ["Network ACL acl-1 (data) rule 80 rejects the TCP replies from 10.0.2.5 to 10.0.1.9"]);
    let expected =
        "Allow 1024-65535/TCP to 10.0.1.0/24 in network ACL acl-1 (data) (outbound, with a number below 80).";
    assert_eq!(summary.findings[0].next_step.as_deref(), Some(expected));
}

#[test]
fn several_destinations_are_listed_with_their_ports() {
    let topology = network(&open_acl(), &json!([]));
    let out = |dst: &str| Record::new("eni-db", "10.0.2.5:40000", dst).flags(SYN).egress().rejected();
    let records: Vec<Record> =
        (1..=5).map(|host| out(&format!("8.8.8.{host}:443"))).chain([out("8.8.4.4:25")]).collect();
    let found = words(&summary(Some(&topology), Version5, &records));
    let next_step = "If it is intended, allow 25/TCP to 8.8.4.4; 443/TCP to 8.8.8.1, 8.8.8.2, 8.8.8.3 and 2 more in \
                     sg-db (db) (outbound).";
    assert_eq!(found, [("no rule of sg-db (db) allows it".to_owned(), next_step.to_owned())]);
}

#[test]
fn a_part_of_the_flows_is_counted() {
    // The rules allow the SYNs to 443, and reject the others.
    let https = json!([{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "8.8.8.0/24"}]}]);
    let mut document =
        json!({"SecurityGroups": [{"GroupId": "sg-db", "GroupName": "db", "IpPermissionsEgress": https}]});
    document["NetworkAcls"] = json!([]);
    let mut resources = network(&open_acl(), &json!([])).resources().clone();
    resources.read("later.json", document.to_string().as_bytes()).expect("JSON");
    let topology = Arc::new(Topology::new(resources));
    let out = |dst: &str| Record::new("eni-db", "10.0.2.5:40000", dst).flags(SYN).egress().rejected();
    let records = [with_srcports(3, &out("8.8.8.8:443")), with_srcports(4, &out("8.8.8.8:80"))].concat();
    let summary = summary(Some(&topology), Version5, &records);
    assert_eq!(
        words(&summary)[0].0,
        "no rule of sg-db (db) lets traffic out to 8.8.8.8 at 80/TCP (http) (4 of 7 flows)"
    );
    let causes: Vec<_> = summary.rejected.by_cause.iter().map(|row| (row.cause.name(), row.tally.flows)).collect();
    assert_eq!(causes, [("security-group", 4), ("rules-allow", 3)]);
}

#[test]
fn scans_are_attributed_but_no_rule_is_advised() {
    let topology = network(&open_acl(), &json!([]));
    let scan = with_dstports(1..=15, &rejected("8.8.8.8:40000", "10.0.2.5:1"));
    let summary = summary(Some(&topology), Version5, &scan);
    assert_eq!((summary.findings.len(), &summary.findings[0].next_step), (1, &None));
    let rules: Vec<_> = summary.rejected.by_rule.iter().map(|row| (row.group_count, row.tally.flows)).collect();
    assert_eq!(rules, [(15, 15)]);
    // Nor for other findings about the same source.
    let more = with_srcports(100, &rejected("8.8.8.8:40000", "10.0.2.5:1"));
    let both = crate::build::summary(Some(&topology), Version5, &[scan, more].concat());
    let advised: Vec<_> = both.findings.iter().map(|f| (f.finding_type.name(), f.next_step.is_some())).collect();
    assert_eq!(advised, [("port-scan", false), ("repeated-rejects", false)]);
}
