//! Findings that name the first hop that stops their first example.

use std::sync::Arc;

use flowsentry::findings::types::{Details, Finding, FindingType};
use flowsentry::summary::Summary;
use flowsentry::topology::Topology;
use flowsentry::topology::describe_output::Resources;
use serde_json::{Value, json};

use crate::build::{SYN, SYN_ACK, Version5, summary, with_dstports, with_srcports};
use crate::records::Record;

/// Creates the VPCs a, b, and c, 10.1.0.0/16 to 10.3.0.0/16, peered in a row, each with one subnet, an interface, an open group, and an
/// open network ACL. The routes of each VPC lead to both others, and to an internet gateway. `change` replaces some resources.
fn network(change: &Value) -> Arc<Topology> {
    let number = |vpc: char| 1 + u32::from(vpc) - u32::from('a');
    let anywhere = json!([{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]);
    let allow = |egress: bool| json!({"RuleNumber": 100, "Egress": egress, "RuleAction": "allow", "Protocol": "-1", "CidrBlock": "0.0.0.0/0"});
    let route = |(destination, key, target): (&str, &str, &str)| json!({"DestinationCidrBlock": destination, key: target, "State": "active"});
    let (peering, gateway) = ("VpcPeeringConnectionId", "GatewayId");
    let routes = |vpc: char| match vpc {
        'a' => {
            vec![("10.1.0.0/16", gateway, "local"), ("10.2.0.0/15", peering, "pcx-ab"), ("0.0.0.0/0", gateway, "igw-a")]
        }
        'b' => vec![
            ("10.2.0.0/16", gateway, "local"),
            ("10.1.0.0/16", peering, "pcx-ab"),
            ("10.3.0.0/16", peering, "pcx-bc"),
        ],
        _ => vec![("10.3.0.0/16", gateway, "local"), ("10.2.0.0/16", peering, "pcx-bc")],
    };
    let all = |make: &dyn Fn(char) -> Value| ['a', 'b', 'c'].map(make);
    let connection = |a: char, b: char| {
        json!({"VpcPeeringConnectionId": format!("pcx-{a}{b}"), "Status": {"Code": "active"},
               "RequesterVpcInfo": {"VpcId": format!("vpc-{a}"), "Region": "eu-west-1"},
               "AccepterVpcInfo": {"VpcId": format!("vpc-{b}"), "Region": "eu-west-1"}})
    };
    let document = json!({
        "Vpcs": all(&|vpc| json!({"VpcId": format!("vpc-{vpc}"), "CidrBlock": format!("10.{}.0.0/16", number(vpc))})),
        "Subnets": all(&|vpc| json!({"SubnetId": format!("subnet-{vpc}"), "VpcId": format!("vpc-{vpc}"),
                                     "CidrBlock": format!("10.{}.1.0/24", number(vpc))})),
        "NetworkInterfaces": all(&|vpc| json!({"NetworkInterfaceId": format!("eni-{vpc}"), "VpcId": format!("vpc-{vpc}"),
            "SubnetId": format!("subnet-{vpc}"), "Groups": [{"GroupId": format!("sg-{vpc}")}],
            "PrivateIpAddress": format!("10.{}.1.5", number(vpc)), "Association": {"PublicIp": format!("52.0.0.{}", number(vpc))}})),
        "SecurityGroups": all(&|vpc| json!({"GroupId": format!("sg-{vpc}"), "IpPermissions": anywhere, "IpPermissionsEgress": anywhere})),
        "NetworkAcls": all(&|vpc| json!({"NetworkAclId": format!("acl-{vpc}"), "Entries": [allow(false), allow(true)],
                                         "Associations": [{"SubnetId": format!("subnet-{vpc}")}]})),
        "RouteTables": all(&|vpc| json!({"RouteTableId": format!("rtb-{vpc}"), "VpcId": format!("vpc-{vpc}"),
            "Associations": [{"Main": true}], "Routes": routes(vpc).into_iter().map(route).collect::<Vec<_>>()})),
        "VpcPeeringConnections": [connection('a', 'b'), connection('b', 'c')],
    });
    let mut resources = Resources::default();
    for (name, document) in [("network", &document), ("change", change)] {
        resources.read(name, document.to_string().as_bytes()).expect("JSON");
    }
    Arc::new(Topology::new(resources))
}

/// Returns the explanation of the only finding of a type in words. Empty if it has none.
fn explained(summary: &Summary, finding_type: FindingType) -> String {
    let found: Vec<&Finding> = summary.findings.iter().filter(|found| found.finding_type == finding_type).collect();
    assert_eq!(found.len(), 1, "{:?}", summary.findings);
    let explanation = match &found[0].details {
        Details::Hosts { explanation, .. }
        | Details::Explained { explanation }
        | Details::Via { explanation, .. }
        | Details::NoReturnRoute { explanation, .. }
        | Details::Answerer { explanation, .. } => explanation,
        other => unreachable!("{other:?} has no explanation"),
    };
    explanation.as_ref().map(|hop| hop.in_words()).unwrap_or_default()
}

fn syn(interface: char, src: &str, dst: &str) -> Record {
    Record::new(&format!("eni-{interface}"), src, dst)
        .flags(SYN)
        .at(&format!("eni-{interface}"), &format!("vpc-{interface}"))
}

fn explain(change: &Value, record: &Record, finding_type: FindingType) -> String {
    explained(&summary(Some(&network(change)), Version5, &with_srcports(6, record)), finding_type)
}

#[test]
fn one_way_peering_has_the_missing_route_back() {
    let attempt = syn('a', "10.1.1.5:40000", "10.2.1.5:5432").egress().path(4);
    let routes = json!({"RouteTables": [{"RouteTableId": "rtb-b", "VpcId": "vpc-b", "Associations": [{"Main": true}], "Routes": []}]});
    assert_eq!(explain(&routes, &attempt, FindingType::OneWayPeering), "route table rtb-b: no route to 10.1.1.5");
    let acl =
        json!({"NetworkAcls": [{"NetworkAclId": "acl-b", "Associations": [{"SubnetId": "subnet-b"}], "Entries": []}]});
    let denied = "network ACL acl-b: the default rule (*) denies 5432/TCP (postgresql) from 10.1.1.5";
    assert_eq!(explain(&acl, &attempt, FindingType::OneWayPeering), denied);
    // Control: with all rules and routes, the topology shows no reason.
    assert_eq!(explain(&json!({}), &attempt, FindingType::OneWayPeering), "");
}

#[test]
fn no_answer_has_the_rule_at_the_destination() {
    let attempt = syn('a', "10.1.1.5:40000", "10.1.9.9:5432").egress();
    let acl = json!({"NetworkAcls": [{"NetworkAclId": "acl-9", "Associations": [{"SubnetId": "subnet-9"}], "Entries": []}],
                     "Subnets": [{"SubnetId": "subnet-9", "VpcId": "vpc-a", "CidrBlock": "10.1.9.0/24"}]});
    let denied = "network ACL acl-9: the default rule (*) denies 5432/TCP (postgresql) from 10.1.1.5";
    assert_eq!(explain(&acl, &attempt, FindingType::NoAnswer), denied);
    assert_eq!(explain(&json!({}), &attempt, FindingType::NoAnswer), "");
}

#[test]
fn egress_blocked_and_rejected_peering_have_the_group() {
    let closed =
        |id: &str| json!({"SecurityGroups": [{"GroupId": id, "IpPermissions": [], "IpPermissionsEgress": []}]});
    let out = syn('a', "10.1.1.5:40000", "8.8.8.8:443").egress().rejected();
    let denied = "security groups sg-a: no rule of sg-a lets traffic out to 8.8.8.8 at 443/TCP (https)";
    assert_eq!(explain(&closed("sg-a"), &out, FindingType::EgressBlocked), denied);
    let peer = syn('b', "10.1.1.5:40000", "10.2.1.5:5432").ingress().rejected();
    let denied = "security groups sg-b: no rule of sg-b lets 10.1.1.5 in at 5432/TCP (postgresql)";
    assert_eq!(explain(&closed("sg-b"), &peer, FindingType::RejectedPeering), denied);
    assert_eq!(explain(&json!({}), &peer, FindingType::RejectedPeering), "");
}

#[test]
fn rejected_replies_are_explained_by_their_request() {
    let deny = json!({"RuleNumber": 1, "Egress": true, "RuleAction": "deny", "Protocol": "6", "CidrBlock": "10.1.0.0/16",
                      "PortRange": {"From": 1024, "To": 65535}});
    let allow =
        json!({"RuleNumber": 2, "Egress": false, "RuleAction": "allow", "Protocol": "-1", "CidrBlock": "0.0.0.0/0"});
    let acl = json!({"NetworkAcls": [{"NetworkAclId": "acl-b", "Associations": [{"SubnetId": "subnet-b"}], "Entries": [deny, allow]}]});
    let reply = syn('b', "10.2.1.5:5432", "10.1.1.5:1").flags(SYN_ACK).egress().rejected();
    let summary = summary(Some(&network(&acl)), Version5, &with_dstports(40_000..40_006, &reply));
    let denied = "network ACL acl-b: rule 1 denies 1024-65535/TCP to 10.1.1.5";
    assert_eq!(explained(&summary, FindingType::RejectedPeering), denied);
}

#[test]
fn transitive_peering_has_the_connection() {
    let attempt = syn('a', "10.1.1.5:40000", "10.3.1.5:5432").egress().path(4);
    let ends = "peering connection pcx-ab: it leads only to vpc-b, and 10.3.1.5 is in vpc-c: peering is not transitive";
    assert_eq!(explain(&json!({}), &attempt, FindingType::TransitivePeering), ends);
}

#[test]
fn hosts_of_another_vpc_with_the_same_addresses_are_not_blamed() {
    // The interface of the records is not described, and an unrelated VPC has an interface with the source's address.
    let other = json!({
        "Vpcs": [{"VpcId": "vpc-e", "CidrBlock": "10.1.1.0/24"}],
        "NetworkInterfaces": [{"NetworkInterfaceId": "eni-e", "VpcId": "vpc-e", "PrivateIpAddress": "10.1.1.5",
                               "Groups": [{"GroupId": "sg-e"}]}],
        "SecurityGroups": [{"GroupId": "sg-e", "IpPermissions": [], "IpPermissionsEgress": []}],
    });
    let attempt = syn('a', "10.1.1.5:40000", "10.2.1.5:5432").egress().path(4);
    let gone = |record: Record, vpc: &str| record.at("eni-gone", vpc);
    assert_eq!(explain(&other, &gone(attempt, "vpc-a"), FindingType::OneWayPeering), "");
    let rejected = syn('b', "10.1.1.5:40000", "10.2.1.5:5432").ingress().rejected();
    assert_eq!(explain(&other, &gone(rejected, "vpc-b"), FindingType::RejectedPeering), "");
}

#[test]
fn replies_and_late_packets_are_no_new_connections() {
    let closed = json!({"SecurityGroups": [{"GroupId": "sg-a", "IpPermissions": []}]});
    // Neither port is that of a server, so only the flags and the request show what it is.
    let request = syn('a', "10.1.1.5:40000", "10.2.1.5:9999").egress();
    let reply = |flags| request.clone().swapped().flags(flags).ingress().rejected();
    for flags in [SYN_ACK, 17] {
        let records = with_srcports(6, &reply(flags));
        let requests: Vec<Record> =
            records.iter().map(|reply| Record { action: "ACCEPT", ..reply.clone().swapped().flags(SYN) }).collect();
        let summary = summary(Some(&network(&closed)), Version5, &[requests, records].concat());
        assert_eq!(explained(&summary, FindingType::RejectedPeering), "", "{flags}");
    }
}

#[test]
fn rules_that_a_record_passed_are_not_blamed() {
    let closed = json!({"SecurityGroups": [{"GroupId": "sg-a", "IpPermissionsEgress": []}],
                        "RouteTables": [{"RouteTableId": "rtb-b", "VpcId": "vpc-b", "Associations": [{"Main": true}], "Routes": []}]});
    let accepted = syn('a', "10.1.1.5:40000", "10.2.1.5:5432").egress().path(4);
    assert_eq!(explain(&closed, &accepted, FindingType::OneWayPeering), "route table rtb-b: no route to 10.1.1.5");
    let there = syn('a', "10.1.1.5:40000", "10.3.1.5:5432").egress().path(4);
    let ends = "peering connection pcx-ab: it leads only to vpc-b, and 10.3.1.5 is in vpc-c: peering is not transitive";
    assert_eq!(explain(&closed, &there, FindingType::TransitivePeering), ends);
    let local = syn('a', "10.1.1.5:40000", "10.1.9.9:5432").egress();
    assert_eq!(explain(&closed, &local, FindingType::NoAnswer), "");
}
