//! AWS's documented behavior of network ACLs and security groups.

use serde_json::{Value, json};

use super::*;
use crate::topology::describe_output::Resources;

/// Creates a topology of one subnet, with the interface `eni-1` and what a case adds.
fn topology(parts: &[Value]) -> Topology {
    let base = json!({
        "Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}],
        "Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24",
                     "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2600:1f18::/64"}]}],
        "NetworkInterfaces": [interface("eni-1", "10.0.1.10", &["sg-1"])],
    });
    let mut resources = Resources::default();
    for (number, document) in std::iter::once(&base).chain(parts).enumerate() {
        resources.read(&format!("{number}.json"), document.to_string().as_bytes()).expect("JSON");
    }
    assert_eq!(resources.problems, []);
    Topology::new(resources)
}

fn interface(id: &str, address: &str, groups: &[&str]) -> Value {
    let groups: Vec<Value> = groups.iter().map(|id| json!({"GroupId": id, "GroupName": "unused"})).collect();
    json!({"NetworkInterfaceId": id, "VpcId": "vpc-1", "SubnetId": "subnet-1", "Groups": groups,
           "PrivateIpAddresses": [{"PrivateIpAddress": address}]})
}

/// Creates a network ACL of `subnet-1` from entries such as `ingress 100 allow 6 0.0.0.0/0 443-443`.
fn acl(entries: &[&str]) -> Value {
    let entries: Vec<Value> = entries.iter().map(|entry| acl_entry(entry)).collect();
    json!({"NetworkAcls": [{"NetworkAclId": "acl-1", "VpcId": "vpc-1", "Entries": entries,
                            "Associations": [{"SubnetId": "subnet-1"}]}]})
}

fn acl_entry(text: &str) -> Value {
    let parts: Vec<&str> = text.split(' ').collect();
    let block = if parts[4].contains(':') { "Ipv6CidrBlock" } else { "CidrBlock" };
    let mut entry = json!({"RuleNumber": parts[1].parse::<u32>().expect("a number"), "Egress": parts[0] == "egress",
                           "RuleAction": parts[2], "Protocol": parts[3], block: parts[4]});
    match parts.get(5).and_then(|ports| ports.split_once('-')) {
        Some((from, to)) => entry["PortRange"] = json!({"From": number(from), "To": number(to)}),
        None if parts.len() > 5 => {
            entry["IcmpTypeCode"] = json!({"Type": number(parts[5].trim_start_matches("type")), "Code": -1});
        }
        None => {}
    }
    entry
}

fn number(text: &str) -> i64 {
    text.replace('m', "-").parse().expect("a number")
}

/// Creates a security group from its incoming and outgoing permissions.
fn group(id: &str, ingress: &Value, egress: &Value) -> Value {
    json!({"SecurityGroups": [{"GroupId": id, "GroupName": "web", "VpcId": "vpc-1", "IpPermissions": ingress,
                               "IpPermissionsEgress": egress}]})
}

/// Parses traffic such as `ingress 10.0.2.5 6 443`. `-` is an unknown port.
fn traffic(text: &str) -> Traffic {
    let parts: Vec<&str> = text.split(' ').collect();
    Traffic {
        direction: if parts[0] == "egress" { RuleDirection::Egress } else { RuleDirection::Ingress },
        remote: parts[1].parse().expect("an address"),
        protocol: parts[2].parse().expect("a number"),
        dstport: parts[3].parse().ok(),
    }
}

/// Returns the result of the ACL as text: `allow 100`, `deny *`, `same subnet`, or the doubt.
fn by_acl(topology: &Topology, text: &str) -> String {
    let interface = topology.interface("eni-1").expect("the interface");
    let acl = topology.rules_of(interface).network_acl(&traffic(text));
    let words = describe_acl(&acl);
    let expected = match words.split(' ').next() {
        Some("allow" | "same") => Verdict::Allows,
        Some("deny") => Verdict::Denies,
        _ => Verdict::Undecided,
    };
    assert_eq!((acl.verdict(), acl.refusal().is_some()), (expected, expected == Verdict::Denies), "{text}");
    words
}

fn describe_acl(verdict: &AclVerdict<'_>) -> String {
    match *verdict {
        AclVerdict::SameSubnet { .. } => "same subnet".to_owned(),
        AclVerdict::Entry { entry, .. } if entry.allows => format!("allow {}", entry.rule_number),
        AclVerdict::Entry { entry, .. } => format!("deny {}", entry.rule_number),
        AclVerdict::NoEntry { acl_id } => format!("deny by {acl_id}"),
        AclVerdict::Undecided(AclDoubt::Entry { entry, .. }) => format!("undecided at {}", entry.rule_number),
        AclVerdict::Undecided(AclDoubt::NoAcl) => "no ACL".to_owned(),
        AclVerdict::Undecided(AclDoubt::SeveralAcls) => "several ACLs".to_owned(),
        AclVerdict::Undecided(AclDoubt::UnknownSubnet { .. }) => "unknown subnet".to_owned(),
    }
}

/// Returns the result of the security groups as text.
fn by_groups(topology: &Topology, text: &str) -> String {
    let interface = topology.interface("eni-1").expect("the interface");
    describe_groups(topology.rules_of(interface).security_groups(&traffic(text)))
}

fn describe_groups(verdict: GroupsVerdict<'_>) -> String {
    match verdict {
        GroupsVerdict::NoGroups => "no groups".to_owned(),
        GroupsVerdict::Allowed { group_id, .. } => format!("allowed by {group_id}"),
        GroupsVerdict::Denied => "denied".to_owned(),
        GroupsVerdict::Undecided(GroupDoubt::UnknownGroup { group_id }) => format!("{group_id} is unknown"),
        GroupsVerdict::Undecided(GroupDoubt::Permission { group_id, .. }) => format!("undecided by {group_id}"),
    }
}

fn check(verdict: impl Fn(&str) -> String, expected: &[(&str, &str)]) {
    for (traffic, expected) in expected {
        assert_eq!(verdict(traffic), *expected, "{traffic}");
    }
}

#[test]
fn first_matching_entry_decides() {
    // The numbers decide, not the order of the document.
    let topology = topology(&[acl(&[
        "ingress 32767 deny -1 0.0.0.0/0",
        "ingress 120 allow 6 0.0.0.0/0 22-22",
        "ingress 100 deny 6 192.0.2.0/24 22-23",
        "ingress 110 allow 6 0.0.0.0/0 80-443",
        "ingress 111 deny 6 0.0.0.0/0 443-443",
        "egress 100 allow -1 0.0.0.0/0",
    ])]);
    check(
        |text| by_acl(&topology, text),
        &[
            ("ingress 192.0.2.0 6 22", "deny 100"),
            ("ingress 192.0.2.255 6 23", "deny 100"),
            ("ingress 192.0.3.0 6 22", "allow 120"),
            ("ingress 192.0.1.255 6 22", "allow 120"),
            ("ingress 192.0.2.1 6 21", "deny 32767"),
            ("ingress 192.0.2.1 6 24", "deny 32767"),
            ("ingress 192.0.2.1 6 443", "allow 110"),
            ("ingress 192.0.2.1 6 80", "allow 110"),
            ("ingress 192.0.2.1 6 79", "deny 32767"),
            ("ingress 192.0.2.1 6 444", "deny 32767"),
            // Another protocol with the same port.
            ("ingress 192.0.2.1 17 22", "deny 32767"),
            // The directions have rules of their own.
            ("egress 192.0.2.1 6 22", "allow 100"),
            // An entry has a block of IPv4 or of IPv6.
            ("ingress 2001:db8::1 6 22", "deny by acl-1"),
            ("egress 2001:db8::1 6 22", "deny by acl-1"),
        ],
    );
}

#[test]
fn without_a_matching_entry_the_acl_denies() {
    let topology = topology(&[acl(&["ingress 100 allow 6 0.0.0.0/0 443-443"])]);
    check(
        |text| by_acl(&topology, text),
        &[
            ("ingress 8.8.8.8 6 443", "allow 100"),
            ("ingress 8.8.8.8 6 80", "deny by acl-1"),
            ("egress 8.8.8.8 6 443", "deny by acl-1"),
        ],
    );
}

#[test]
fn no_acl_is_evaluated_within_a_subnet() {
    let topology = topology(&[acl(&["ingress 1 deny -1 0.0.0.0/0", "ingress 2 deny -1 ::/0"])]);
    check(
        |text| by_acl(&topology, text),
        &[
            ("ingress 10.0.1.0 6 443", "same subnet"),
            ("ingress 10.0.1.255 6 443", "same subnet"),
            ("egress 10.0.1.7 6 443", "same subnet"),
            ("ingress 10.0.2.0 6 443", "deny 1"),
            ("ingress 10.0.0.255 6 443", "deny 1"),
            ("ingress 2600:1f18::7 6 443", "same subnet"),
            ("ingress 2600:1f18:0:1::7 6 443", "deny 2"),
        ],
    );
}

#[test]
fn icmp_types_and_absent_ports_leave_an_entry_undecided() {
    let topology = topology(&[acl(&[
        "ingress 10 allow 1 198.51.100.0/24 type8",
        "ingress 20 allow 1 203.0.113.0/24 typem1",
        "ingress 30 allow 58 2001:db8::/32 type128",
        "ingress 40 allow 17 0.0.0.0/0 0-65535",
        "ingress 50 deny 6 0.0.0.0/0 22-22",
        "ingress 60 allow 6 0.0.0.0/0",
        "ingress 70 deny -1 0.0.0.0/0",
    ])]);
    check(
        |text| by_acl(&topology, text),
        &[
            ("ingress 198.51.100.1 1 0", "undecided at 10"),
            ("ingress 203.0.113.1 1 0", "allow 20"),
            ("ingress 192.0.2.1 1 0", "deny 70"),
            ("ingress 2001:db8::1 58 0", "undecided at 30"),
            ("ingress 192.0.2.1 17 -", "allow 40"),
            ("ingress 192.0.2.1 6 -", "undecided at 50"),
            ("ingress 192.0.2.1 6 23", "allow 60"),
            ("ingress 192.0.2.1 6 22", "deny 50"),
            ("ingress 192.0.2.1 47 -", "deny 70"),
        ],
    );
}

#[test]
fn ports_count_only_for_tcp_and_udp() {
    let any = topology(&[acl(&["ingress 10 allow -1 192.0.2.0/24 443-443", "ingress 20 allow 47 0.0.0.0/0 443-443"])]);
    check(
        |text| by_acl(&any, text),
        &[
            ("ingress 192.0.2.1 6 22", "allow 10"),
            ("ingress 192.0.2.1 6 -", "allow 10"),
            ("ingress 8.8.8.8 47 -", "allow 20"),
        ],
    );
}

#[test]
fn missing_and_contradicting_acls_leave_it_undecided() {
    assert_eq!(by_acl(&topology(&[]), "ingress 8.8.8.8 6 443"), "no ACL");
    let other =
        json!({"NetworkAcls": [{"NetworkAclId": "acl-2", "Entries": [], "Associations": [{"SubnetId": "subnet-1"}]}]});
    let both = topology(&[acl(&[]), other]);
    assert_eq!(by_acl(&both, "ingress 8.8.8.8 6 443"), "several ACLs");
    let without_subnet = json!({"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1"}]});
    let mut resources = topology(&[acl(&[])]).resources().clone();
    resources.read("later", without_subnet.to_string().as_bytes()).expect("JSON");
    assert_eq!(by_acl(&Topology::new(resources), "ingress 8.8.8.8 6 443"), "no ACL");
}

#[test]
fn denial_is_certain_only_if_the_subnet_is_known() {
    let mut resources = topology(&[acl(&["ingress 5 allow 6 0.0.0.0/0 443-443"])]).resources().clone();
    resources.subnets.clear();
    let topology = Topology::new(resources);
    check(
        |text| by_acl(&topology, text),
        &[("ingress 8.8.8.8 6 443", "allow 5"), ("ingress 8.8.8.8 6 444", "unknown subnet")],
    );
}

#[test]
fn permissions_are_by_direction_protocol_port_and_block() {
    let ingress = json!([
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.2.0/24"}, {"CidrIp": "10.0.8.0/24"}],
         "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]},
        {"IpProtocol": "17", "IpRanges": [{"CidrIp": "10.0.3.0/24"}]},
        {"IpProtocol": "udp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.4.0/24"}]},
        {"IpProtocol": "50", "IpRanges": [{"CidrIp": "10.0.5.0/24"}]},
        {"IpProtocol": "-1", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.6.0/24"}]},
    ]);
    let egress =
        json!([{"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]);
    let topology = topology(&[group("sg-1", &ingress, &egress)]);
    check(
        |text| by_groups(&topology, text),
        &[
            ("ingress 10.0.2.0 6 80", "allowed by sg-1"),
            ("ingress 10.0.2.255 6 443", "allowed by sg-1"),
            ("ingress 10.0.8.1 6 100", "allowed by sg-1"),
            ("ingress 10.0.2.0 6 79", "denied"),
            ("ingress 10.0.2.0 6 444", "denied"),
            ("ingress 10.0.2.0 17 80", "denied"),
            ("ingress 10.0.1.255 6 80", "denied"),
            ("ingress 10.0.3.0 6 80", "denied"),
            ("ingress 2001:db8::1 6 80", "allowed by sg-1"),
            ("ingress 2001:db9::1 6 80", "denied"),
            ("ingress 10.0.3.7 17 1", "allowed by sg-1"),
            ("ingress 10.0.3.7 17 -", "allowed by sg-1"),
            ("ingress 10.0.4.7 17 65535", "allowed by sg-1"),
            ("ingress 10.0.5.7 50 0", "allowed by sg-1"),
            ("ingress 10.0.5.7 51 0", "denied"),
            ("ingress 10.0.6.7 6 22", "allowed by sg-1"),
            ("ingress 10.0.6.7 1 0", "allowed by sg-1"),
            ("ingress 10.0.2.7 6 -", "undecided by sg-1"),
            ("ingress 10.0.7.7 6 -", "denied"),
            // Groups are evaluated within a subnet, too.
            ("ingress 10.0.1.7 6 80", "denied"),
            ("egress 8.8.8.8 6 5432", "allowed by sg-1"),
            ("egress 8.8.8.8 6 5433", "denied"),
            ("egress 2001:db8::1 6 5432", "denied"),
        ],
    );
}

#[test]
fn any_group_of_an_interface_may_allow() {
    let tcp = |port: u16| json!([{"IpProtocol": "6", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]);
    let groups = [group("sg-1", &tcp(22), &json!([])), group("sg-2", &tcp(443), &json!([]))];
    let with = |ids: &[&str]| {
        let interfaces = json!({"NetworkInterfaces": [interface("eni-1", "10.0.1.10", ids)]});
        let mut resources = topology(&groups).resources().clone();
        resources.read("later", interfaces.to_string().as_bytes()).expect("JSON");
        Topology::new(resources)
    };
    let both = with(&["sg-2", "sg-1"]);
    check(
        |text| by_groups(&both, text),
        &[
            ("ingress 8.8.8.8 6 22", "allowed by sg-1"),
            ("ingress 8.8.8.8 6 443", "allowed by sg-2"),
            ("ingress 8.8.8.8 6 80", "denied"),
        ],
    );
    let unknown = with(&["sg-1", "sg-9"]);
    check(
        |text| by_groups(&unknown, text),
        &[("ingress 8.8.8.8 6 22", "allowed by sg-1"), ("ingress 8.8.8.8 6 80", "sg-9 is unknown")],
    );
    assert_eq!(by_groups(&with(&[]), "ingress 8.8.8.8 6 80"), "no groups");
}

#[test]
fn icmp_permissions_with_a_type_are_undecided() {
    let ingress = json!([
        {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.2.0/24"}]},
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.3.0/24"}]},
        {"IpProtocol": "icmpv6", "FromPort": 0, "ToPort": 0, "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]},
        {"IpProtocol": "58", "FromPort": -1, "ToPort": -1, "Ipv6Ranges": [{"CidrIpv6": "2001:db9::/32"}]},
    ]);
    let topology = topology(&[group("sg-1", &ingress, &json!([]))]);
    check(
        |text| by_groups(&topology, text),
        &[
            ("ingress 10.0.2.1 1 0", "undecided by sg-1"),
            ("ingress 10.0.3.1 1 0", "allowed by sg-1"),
            ("ingress 10.0.4.1 1 0", "denied"),
            ("ingress 2001:db8::1 58 0", "undecided by sg-1"),
            ("ingress 2001:db9::1 58 0", "allowed by sg-1"),
        ],
    );
}

#[test]
fn prefix_lists_count_if_their_blocks_are_known() {
    let to = |port: u16, list: &str| json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "PrefixListIds": [{"PrefixListId": list}]});
    let egress = json!([to(443, "pl-1"), to(80, "pl-2"), to(8080, "pl-9")]);
    let lists = json!({"PrefixLists": [{"PrefixListId": "pl-1", "Cidrs": ["52.216.0.0/15", "2600:9000::/28"]}]});
    let entries = json!({"PrefixListId": "pl-2", "Entries": [{"Cidr": "10.9.0.0/16"}]});
    let topology = topology(&[group("sg-1", &json!([]), &egress), lists, entries]);
    check(
        |text| by_groups(&topology, text),
        &[
            ("egress 52.217.255.255 6 443", "allowed by sg-1"),
            ("egress 2600:9000::1 6 443", "allowed by sg-1"),
            ("egress 52.218.0.0 6 443", "denied"),
            ("egress 10.9.0.1 6 80", "allowed by sg-1"),
            ("egress 10.9.0.1 6 443", "denied"),
            ("egress 10.9.0.1 6 8080", "undecided by sg-1"),
            ("egress 10.9.0.1 6 -", "undecided by sg-1"),
            ("ingress 52.217.0.1 6 443", "denied"),
        ],
    );
}

#[test]
fn referenced_groups_allow_the_addresses_of_their_interfaces() {
    let from = |port: u16, groups: &[&str]| {
        let pairs: Vec<Value> = groups.iter().map(|id| json!({"GroupId": id, "UserId": "123456789012"})).collect();
        json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "UserIdGroupPairs": pairs})
    };
    let nameless = json!({"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupName": "old"}]});
    let ingress = json!([
        from(5432, &["sg-app"]),
        from(22, &["sg-empty"]),
        from(80, &["sg-far"]),
        from(443, &["sg-1"]),
        nameless
    ]);
    let mut member = interface("eni-app", "10.0.7.7", &["sg-app", "sg-other"]);
    member["Ipv6Addresses"] = json!([{"Ipv6Address": "2600:1f18:0:7::7"}]);
    member["Ipv4Prefixes"] = json!([{"Ipv4Prefix": "10.0.7.16/28"}]);
    member["Association"] = json!({"PublicIp": "52.1.2.3"});
    let members = json!({"NetworkInterfaces": [member, interface("eni-2", "10.0.7.8", &["sg-other"]),
                                               interface("eni-3", "10.0.7.9", &["sg-1"])]});
    let topology = topology(&[group("sg-1", &ingress, &json!([])), group("sg-empty", &json!([]), &json!([])), members]);
    check(
        |text| by_groups(&topology, text),
        &[
            ("ingress 10.0.7.7 6 5432", "allowed by sg-1"),
            ("ingress 2600:1f18:0:7::7 6 5432", "allowed by sg-1"),
            ("ingress 10.0.7.16 6 5432", "allowed by sg-1"),
            ("ingress 10.0.7.32 6 5432", "denied"),
            // Only private addresses count.
            ("ingress 52.1.2.3 6 5432", "denied"),
            ("ingress 10.0.7.8 6 5432", "denied"),
            ("ingress 10.0.7.7 6 5433", "denied"),
            ("ingress 10.0.7.7 6 22", "denied"),
            ("ingress 10.0.7.7 6 80", "undecided by sg-1"),
            ("ingress 10.0.7.7 6 1", "undecided by sg-1"),
            // A group may reference itself.
            ("ingress 10.0.7.9 6 443", "allowed by sg-1"),
            ("ingress 10.0.1.10 6 443", "allowed by sg-1"),
        ],
    );
}

#[test]
fn references_may_not_apply() {
    let from_group = json!({"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
                            "UserIdGroupPairs": [{"GroupId": "sg-app"}, {"GroupId": "sg-far"}]});
    let from_block =
        json!({"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.7.0/24"}]});
    let members = json!({"NetworkInterfaces": [interface("eni-app", "10.0.7.7", &["sg-app"])]});
    let topology = topology(&[group("sg-1", &json!([from_group, from_block]), &json!([])), members]);
    let rules = topology.rules_of(topology.interface("eni-1").expect("the interface"));
    let with = |text: &str| describe_groups(rules.security_groups(&traffic(text)));
    let without = |text: &str| describe_groups(rules.security_groups_without_references(&traffic(text)));
    for (text, expected) in [
        ("ingress 10.0.7.7 6 22", ["allowed by sg-1", "denied"]),
        ("ingress 10.0.7.8 6 22", ["undecided by sg-1", "denied"]),
        ("ingress 10.0.7.7 6 80", ["allowed by sg-1", "allowed by sg-1"]),
    ] {
        assert_eq!([with(text), without(text)], expected, "{text}");
    }
}

#[test]
fn first_doubtful_permission_is_named() {
    let typed =
        |port: i64| json!({"IpProtocol": "icmp", "FromPort": port, "ToPort": 0, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]});
    let topology = topology(&[group("sg-1", &json!([typed(8), typed(0)]), &json!([]))]);
    let rules = topology.rules_of(topology.interface("eni-1").expect("the interface"));
    let group = &topology.resources().security_groups["sg-1"];
    let doubt = GroupDoubt::Permission { group_id: "sg-1", permission: &group.ingress[0] };
    assert_eq!(rules.security_groups(&traffic("ingress 8.8.8.8 1 0")), GroupsVerdict::Undecided(doubt));
}

#[test]
fn judgement_has_the_order_in_which_a_packet_meets_the_rules() {
    let topology = topology(&[
        acl(&["ingress 100 deny 6 0.0.0.0/0 22-22", "egress 100 deny 6 0.0.0.0/0 22-22"]),
        group("sg-1", &json!([]), &json!([])),
    ]);
    let rules = topology.rules_of(topology.interface("eni-1").expect("the interface"));
    let words = |text: &str, are_answers: bool| {
        let traffic = traffic(text);
        let judgement = rules.judge(&traffic, are_answers);
        judgement.denied_by().map(|refusal| topology.describe_refusal(&refusal, &traffic)).collect::<Vec<_>>()
    };
    assert_eq!(
        words("ingress 8.8.8.8 6 22", false),
        ["network ACL acl-1 rule 100 denies", "no rule of sg-1 (web) lets 8.8.8.8 in at 22/TCP (ssh)"]
    );
    assert_eq!(
        words("egress 8.8.8.8 6 22", false),
        ["no rule of sg-1 (web) lets traffic out to 8.8.8.8 at 22/TCP (ssh)", "network ACL acl-1 rule 100 denies"]
    );
    // Stateful groups let answers pass.
    assert_eq!(words("egress 8.8.8.8 6 22", true), ["network ACL acl-1 rule 100 denies"]);
    assert_eq!(words("egress 8.8.8.8 6 23", true), ["network ACL acl-1 default rule (*) denies"]);
    // Of traffic in the same subnet, only the groups decide.
    assert_eq!(words("ingress 10.0.1.7 1 0", false), ["no rule of sg-1 (web) lets 10.0.1.7 in over ICMP"]);
}

#[test]
fn only_the_first_of_many_groups_are_listed() {
    let words = |count: usize| {
        let ids: Vec<String> = (1..=count).map(|number| format!("sg-{number}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut resources = topology(&[]).resources().clone();
        let interfaces = json!({"NetworkInterfaces": [interface("eni-1", "10.0.1.10", &ids)]});
        resources.read("many", interfaces.to_string().as_bytes()).expect("JSON");
        let topology = Topology::new(resources);
        let group_ids = &topology.interface("eni-1").expect("the interface").group_ids;
        topology.describe_refusal_of_any(&Refusal::SecurityGroups { group_ids })
    };
    assert_eq!(words(2), "no rule of sg-1 or sg-2 allows it");
    assert_eq!(words(5), "no rule of sg-1 or sg-2 or sg-3 or sg-4 or sg-5 allows it");
    assert_eq!(words(7), "no rule of sg-1 or sg-2 or sg-3 or sg-4 or sg-5 or 2 more allows it");
}

#[test]
fn both_allow_only_if_neither_is_undecided() {
    let all = json!([{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]);
    let allow = acl(&["ingress 1 allow -1 0.0.0.0/0"]);
    let both_allow = |parts: &[Value]| {
        let topology = topology(parts);
        let rules = topology.rules_of(topology.interface("eni-1").expect("the interface"));
        rules.judge(&traffic("ingress 8.8.8.8 6 22"), false).both_allow
    };
    assert!(both_allow(&[allow.clone(), group("sg-1", &all, &json!([]))]));
    assert!(!both_allow(&[group("sg-1", &all, &json!([]))]), "no ACL");
    assert!(!both_allow(std::slice::from_ref(&allow)), "the group is unknown");
    assert!(!both_allow(&[allow, group("sg-1", &json!([]), &all)]), "the group denies");
}

/// Returns the cause of a rejected TCP record to port 22 of `eni-1`, with a document that has parts that cannot be read.
fn by_groups_with_problems(parts: &[Value], text: &str) -> (String, usize) {
    let mut resources = topology(&[]).resources().clone();
    for (number, document) in parts.iter().enumerate() {
        resources.read(&format!("part-{number}.json"), document.to_string().as_bytes()).expect("JSON");
    }
    let problems = resources.problems.len();
    (by_groups(&Topology::new(resources), text), problems)
}

#[test]
fn unreadable_lists_and_members_leave_it_undecided() {
    let permission = |key: &str, peer: Value| json!([{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, key: [peer]}]);
    let by_list = permission("PrefixListIds", json!({"PrefixListId": "pl-1"}));
    let group_by_list = group("sg-1", &by_list, &json!([]));
    for list in [
        json!({"PrefixListId": "pl-1", "Entries": [{"Cidr": "9.9.9.9/32"}, {"Cidr": "zzz"}]}),
        json!({"PrefixListId": "pl-1", "Entries": [{"Cidr": "9.9.9.9/32"}, {"Cidr": 5}]}),
        json!({"PrefixLists": [{"PrefixListId": "pl-1", "Cidrs": ["9.9.9.9/32", "zzz"]}]}),
    ] {
        let verdict = |text: &str| by_groups_with_problems(&[group_by_list.clone(), list.clone()], text);
        assert_eq!(verdict("ingress 8.8.8.8 6 22"), ("undecided by sg-1".to_owned(), 1), "{list}");
        assert_eq!(verdict("ingress 9.9.9.9 6 22").0, "allowed by sg-1");
        assert_eq!(verdict("ingress 8.8.8.8 6 23").0, "denied");
    }
    let by_member = permission("UserIdGroupPairs", json!({"GroupId": "sg-2"}));
    let groups = [group("sg-1", &by_member, &json!([])), group("sg-2", &json!([]), &json!([]))];
    let mut odd = interface("eni-2", "10.0.7.7", &["sg-2"]);
    let with = |odd: &Value, text: &str| {
        let interfaces = json!({"NetworkInterfaces": [odd]});
        by_groups_with_problems(&[groups[0].clone(), groups[1].clone(), interfaces], text)
    };
    assert_eq!(with(&odd, "ingress 10.0.7.8 6 22"), ("denied".to_owned(), 0));
    odd["PrivateIpAddress"] = json!("10.0.7");
    assert_eq!(with(&odd, "ingress 10.0.7.8 6 22"), ("undecided by sg-1".to_owned(), 1));
    odd["PrivateIpAddress"] = json!(7);
    assert_eq!(with(&odd, "ingress 10.0.7.7 6 22"), ("undecided by sg-1".to_owned(), 1));
}

#[test]
fn unreadable_block_of_the_subnet_leaves_a_denial_undecided() {
    let mut resources = topology(&[acl(&["ingress 5 allow 6 0.0.0.0/0 443-443"])]).resources().clone();
    let subnet = json!({"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/33"}]});
    resources.read("later", subnet.to_string().as_bytes()).expect("JSON");
    let topology = Topology::new(resources);
    check(
        |text| by_acl(&topology, text),
        &[("ingress 10.0.1.7 6 443", "allow 5"), ("ingress 10.0.1.7 6 444", "unknown subnet")],
    );
}

#[test]
fn more_than_aws_allows_is_refused_by_name() {
    let entries: Vec<String> = (1..=1_001).map(|number| format!("ingress {number} deny 6 192.0.2.0/24")).collect();
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let blocks: Vec<Value> =
        (0..10_001).map(|n| json!({"CidrIp": format!("10.{}.{}.0/24", n / 256, n % 256)})).collect();
    let large = json!([{"IpProtocol": "-1", "IpRanges": blocks}]);
    let mut resources = topology(&[acl(&entries[..1_000])]).resources().clone();
    assert_eq!(resources.network_acls.len(), 1);
    for document in [acl(&entries), group("sg-1", &large, &json!([]))] {
        resources.read("large", document.to_string().as_bytes()).expect("JSON");
    }
    let messages: Vec<String> = resources.problems.iter().map(ToString::to_string).collect();
    let expected = [
        "large: acl-1: has more than 1000 entries in a direction, which AWS does not allow",
        "large: sg-1: has more than 10000 rules in a direction, which AWS does not allow",
    ];
    assert_eq!(messages, expected);
    assert_eq!(by_groups(&Topology::new(resources), "ingress 8.8.8.8 6 22"), "sg-1 is unknown");
    // An interface with more groups than AWS allows is never judged to reject.
    let ids: Vec<String> = (0..101).map(|number| format!("sg-{number}")).collect();
    let by_count = |count: usize| {
        let ids: Vec<&str> = ids[..count].iter().map(String::as_str).collect();
        let groups: Vec<Value> = ids.iter().map(|id| json!({"GroupId": id})).collect();
        let mut resources = topology(&[]).resources().clone();
        let interfaces =
            json!({"NetworkInterfaces": [interface("eni-1", "10.0.1.10", &ids)], "SecurityGroups": groups});
        resources.read("many", interfaces.to_string().as_bytes()).expect("JSON");
        by_groups(&Topology::new(resources), "ingress 8.8.8.8 6 22")
    };
    assert_eq!((by_count(100), by_count(101)), ("denied".to_owned(), "sg-99 is unknown".to_owned()));
}
