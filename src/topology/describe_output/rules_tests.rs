//! Tests of reading security groups and network ACLs.

use serde_json::{Value, json};

use super::routing_tests::{problems, read};
use super::*;

fn group(permission: &Value) -> String {
    json!({"SecurityGroups": [{"GroupId": "sg-1", "IpPermissions": [permission]}]}).to_string()
}

/// Returns the only permission, and the problems.
fn permission(permission: &Value) -> (Permission, Vec<String>) {
    let resources = read(&[("1", &group(permission))]);
    (resources.security_groups["sg-1"].ingress[0].clone(), problems(&resources))
}

#[test]
fn permission_has_all_its_peers() {
    let (permission, problems) = permission(&json!({
        "IpProtocol": "tcp", "FromPort": 80, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "all"}],
        "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}], "PrefixListIds": [{"PrefixListId": "pl-1"}],
        "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": "123456789012", "PeeringStatus": "active"}],
    }));
    assert_eq!(problems, [""; 0]);
    let expected = Permission {
        traffic: TrafficKind { protocol: RuleProtocol::Number(6), ports: RulePorts::Range(80..=443) },
        blocks: vec!["10.0.0.0/8".parse().expect("a block"), "2001:db8::/32".parse().expect("a block")],
        prefix_list_ids: vec!["pl-1".to_owned()],
        group_ids: vec!["sg-2".to_owned()],
        has_unreadable_peer: false,
    };
    assert_eq!(permission, expected);
}

#[test]
fn name_of_a_group_is_its_tag_or_its_own() {
    let name = |name: &str, tags: Value| {
        let group = json!({"SecurityGroups": [{"GroupId": "sg-1", "GroupName": name, "Tags": tags}]}).to_string();
        read(&[("1", &group)]).security_groups["sg-1"].name.clone()
    };
    assert_eq!(name("web", json!([])).as_deref(), Some("web"));
    assert_eq!(name("launch-wizard-1", json!([{"Key": "Name", "Value": "web"}])).as_deref(), Some("web"));
    assert_eq!(name("", json!(null)), None);
}

#[test]
fn unreadable_part_is_named_and_leaves_its_permission_uncertain() {
    let kind = |protocol, ports| TrafficKind { protocol, ports };
    let tcp = RuleProtocol::Number(6);
    for (json, expected, is_uncertain, problem) in [
        (
            json!({"IpProtocol": "TCP"}),
            kind(RuleProtocol::Unreadable, RulePorts::All),
            false,
            "\"TCP\" is not a protocol",
        ),
        (
            json!({"IpProtocol": "256"}),
            kind(RuleProtocol::Unreadable, RulePorts::All),
            false,
            "\"256\" is not a protocol",
        ),
        (
            json!({"IpProtocol": "tcp", "FromPort": 1, "ToPort": 65536}),
            kind(tcp, RulePorts::Unknown),
            false,
            "ports 1 to 65536 are not a range of 0 to 65535",
        ),
        (
            json!({"IpProtocol": "6", "FromPort": 9, "ToPort": 8}),
            kind(tcp, RulePorts::Unknown),
            false,
            "ports 9 to 8 are not a range of 0 to 65535",
        ),
        (
            json!({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/33"}]}),
            kind(RuleProtocol::All, RulePorts::All),
            true,
            "\"10.0.0.0/33\" is not a CIDR block",
        ),
    ] {
        let (permission, problems) = permission(&json);
        assert_eq!((&permission.traffic, permission.has_unreadable_peer), (&expected, is_uncertain), "{json}");
        assert_eq!(problems, [format!("1: sg-1: {problem}")]);
    }
    let (permission, problems) = permission(&json!({"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupName": "old"}]}));
    assert_eq!((permission.has_unreadable_peer, problems), (true, Vec::new()));
}

#[test]
fn acl_entries_are_by_direction_and_number() {
    let entry = |number: u32, egress: bool, action: &str| {
        json!({"RuleNumber": number, "Egress": egress, "RuleAction": action, "Protocol": "6", "CidrBlock": "10.0.0.0/8",
               "PortRange": {"From": 22, "To": 22}})
    };
    let document = json!({"NetworkAcls": [{
        "NetworkAclId": "acl-1", "Associations": [{"SubnetId": "subnet-2"}, {"SubnetId": "subnet-1"}, {}],
        "Entries": [entry(200, false, "deny"), entry(100, false, "allow"), entry(100, true, "deny")],
    }]});
    let resources = read(&[("1", &document.to_string())]);
    assert_eq!(problems(&resources), [""; 0]);
    let acl = &resources.network_acls["acl-1"];
    let numbers =
        |entries: &[AclEntry]| entries.iter().map(|entry| (entry.rule_number, entry.allows)).collect::<Vec<_>>();
    assert_eq!((numbers(&acl.ingress), numbers(&acl.egress)), (vec![(100, true), (200, false)], vec![(100, false)]));
    assert_eq!(acl.subnet_ids, ["subnet-1", "subnet-2"]);
    assert_eq!(acl.ingress[0].traffic.to_string(), "22/TCP");
}

#[test]
fn traffic_is_named_as_people_read_it() {
    let words = |protocol, ports| TrafficKind { protocol, ports }.to_string();
    let tcp = RuleProtocol::Number(6);
    assert_eq!(words(tcp, RulePorts::Range(443..=443)), "443/TCP");
    assert_eq!(words(tcp, RulePorts::Range(80..=443)), "80-443/TCP");
    assert_eq!(words(tcp, RulePorts::All), "all TCP");
    assert_eq!(words(RuleProtocol::Number(1), RulePorts::Unknown), "some ICMP");
    assert_eq!(words(RuleProtocol::All, RulePorts::All), "all traffic");
    assert_eq!(words(RuleProtocol::Unreadable, RulePorts::All), "unreadable traffic");
}

#[test]
fn last_entries_have_no_number_of_their_own() {
    let numbers = [None, Some(1), Some(32_766), Some(32_767), Some(32_768)].map(own_rule_number);
    assert_eq!(numbers, [None, Some(1), Some(32_766), None, None]);
}

#[test]
fn unreadable_acl_entry_is_named_and_matches_perhaps() {
    let address = "10.0.0.1".parse().expect("an address");
    for (change, problem) in [
        (json!({"RuleAction": "pass"}), "rule 7: the action \"pass\" is neither allow nor deny"),
        (json!({"CidrBlock": "10.0.0.1/8"}), "\"10.0.0.1/8\" is not a CIDR block"),
        (json!({"CidrBlock": null}), "rule 7 has neither CidrBlock nor Ipv6CidrBlock"),
        (json!({"Protocol": "tcp6"}), "\"tcp6\" is not a protocol"),
        (json!({"PortRange": {"From": -1, "To": 5}}), "ports -1 to 5 are not a range of 0 to 65535"),
    ] {
        let mut entry = json!({"RuleNumber": 7, "Egress": false, "RuleAction": "allow", "Protocol": "6", "CidrBlock": "10.0.0.0/8"});
        entry.as_object_mut().expect("an object").extend(change.as_object().expect("an object").clone());
        let document = json!({"NetworkAcls": [{"NetworkAclId": "acl-1", "Entries": [entry]}]}).to_string();
        let resources = read(&[("1", &document)]);
        assert_eq!(problems(&resources), [format!("1: acl-1: {problem}")]);
        assert_eq!(resources.network_acls["acl-1"].ingress[0].fits(address, 6, Some(22)), Fit::Unknown, "{change}");
    }
}

#[test]
fn malformed_resource_is_named_and_the_others_are_used() {
    let permissions: Vec<Value> = (0..60)
        .map(|port| {
            let blocks: Vec<Value> = (0..40).map(|host| json!({"CidrIp": format!("10.{port}.{host}.0/24")})).collect();
            json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": blocks, "Ipv6Ranges": []})
        })
        .collect();
    let group = |id: usize| json!({"GroupId": format!("sg-{id}"), "IpPermissions": permissions});
    let mut groups: Vec<Value> = (0..150).map(group).collect();
    groups[70] = json!({"GroupId": "sg-70", "IpPermissions": [{"FromPort": 1}]});
    groups[80] = json!({"GroupName": "nameless"});
    groups[90] = json!({"GroupId": "sg-90", "IpPermissions": "none"});
    let acls = json!([{"NetworkAclId": "acl-1", "Entries": [{"RuleNumber": -1}]}, {"NetworkAclId": "acl-2"}]);
    let document = json!({"SecurityGroups": groups, "NetworkAcls": acls}).to_string();
    assert!(document.len() > 10_000_000, "{}", document.len());
    let mut resources = Resources::default();
    resources.read("1", document.as_bytes()).expect("JSON");
    let problems = problems(&resources);
    let start = |problem: &String| problem.split(": ").nth(1).map(str::to_owned);
    let named: Vec<_> = problems.iter().filter_map(start).collect();
    assert_eq!(named, ["sg-70", "SecurityGroups[80]", "sg-90", "acl-1"], "{problems:?}");
    assert_eq!((resources.security_groups.len(), resources.network_acls.len()), (147, 1));
}
