//! Security groups, network ACLs, and a prefix list of the topology. They fit the traffic: they allow what is accepted, and most of what
//! is rejected has a rule that rejects it.
//!
//! - Each tier of a VPC has a group. It allows HTTPS and ICMP from anywhere and the internal services from the hosts of the prefix
//!   list. Port scans try HTTPS as well: there the rules allow what the log shows as rejected.
//! - The groups of functions name a prefix list that the topology lacks, so they leave it undecided who rejects.
//! - NAT gateways have no groups, as in AWS.
//! - Each VPC has a network ACL. It denies the networks of some scenarios.

use serde_json::{Value, json};

use super::network::{ACCOUNT_ID, SUBNETS_PER_VPC, VPCS, resource_id, subnet_id};

/// Tiers and services with a group of their own.
pub const GROUPS: [&str; 6] = ["web", "app", "db", "elb", "rds", "lambda"];

/// TCP ports of the internal services, as the connections use them.
const INTERNAL_PORTS: [u16; 7] = [443, 2049, 3306, 5432, 6379, 8080, 9092];

/// Returns the id of the group of a VPC.
pub fn group_id(vpc: usize, group: &str) -> String {
    let index = GROUPS.iter().position(|known| *known == group).expect("a known group");
    resource_id("sg", 6_000 + (vpc * GROUPS.len() + index) as u32)
}

/// Returns the id of the prefix list that has the hosts of all VPCs.
pub fn prefix_list_id() -> String {
    resource_id("pl", 8_000)
}

/// Returns the entries of the prefix list, in the format of `get-managed-prefix-list-entries`.
pub fn prefix_list_entries() -> Value {
    let entry = |vpc: usize| json!({"Cidr": format!("10.{vpc}.128.0/18"), "Description": format!("hosts of {}", VPCS[vpc].name)});
    json!({"Entries": (0..VPCS.len()).map(entry).collect::<Vec<Value>>()})
}

/// Returns the groups of a VPC.
pub fn security_groups(vpc: usize) -> Vec<Value> {
    GROUPS
        .iter()
        .filter(|group| vpc == VPCS.len() - 1 || !is_service(group))
        .map(|group| security_group(vpc, group))
        .collect()
}

/// Reports whether the group belongs to an AWS service. Only the last VPC has interfaces of these services.
fn is_service(group: &str) -> bool {
    matches!(group, "elb" | "rds" | "lambda")
}

fn security_group(vpc: usize, group: &str) -> Value {
    let mut permissions = vec![
        permission("tcp", Some((443, 443)), &anywhere()),
        permission("udp", Some((443, 443)), &anywhere()),
        permission("icmp", Some((-1, -1)), &anywhere()),
        permission("icmpv6", Some((-1, -1)), &anywhere()),
        permission("udp", Some((53, 53)), &hosts()),
    ];
    permissions.extend(INTERNAL_PORTS.map(|port| permission("tcp", Some((port.into(), port.into())), &hosts())));
    if vpc == VPCS.len() - 1 && !is_service(group) {
        let balancers = json!({"UserIdGroupPairs": [{"GroupId": group_id(vpc, "elb"), "UserId": ACCOUNT_ID}]});
        permissions.push(permission("tcp", Some((8080, 8081)), &balancers));
    }
    if group == "lambda" {
        let unknown = json!({"PrefixListIds": [{"PrefixListId": resource_id("pl", 8_001)}]});
        permissions.push(permission("-1", None, &unknown));
    }
    json!({
        "Description": format!("{group} of {}", VPCS[vpc].name),
        "GroupId": group_id(vpc, group),
        "GroupName": format!("{}-{group}", VPCS[vpc].name),
        "IpPermissions": permissions,
        "IpPermissionsEgress": [permission("-1", None, &anywhere())],
        "OwnerId": ACCOUNT_ID,
        "Tags": [],
        "VpcId": VPCS[vpc].id,
    })
}

fn anywhere() -> Value {
    json!({"IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]})
}

fn hosts() -> Value {
    json!({"PrefixListIds": [{"PrefixListId": prefix_list_id()}]})
}

/// Returns a permission for these peers, with the lists that AWS always writes.
fn permission(protocol: &str, ports: Option<(i32, i32)>, peers: &Value) -> Value {
    let mut permission = json!({
        "IpProtocol": protocol, "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": [],
    });
    if let Some((from, to)) = ports {
        permission["FromPort"] = json!(from);
        permission["ToPort"] = json!(to);
    }
    for (key, list) in peers.as_object().expect("an object") {
        permission[key] = list.clone();
    }
    permission
}

/// Returns the network ACL of a VPC, which all its subnets use.
pub fn network_acl(vpc: usize) -> Value {
    let id = resource_id("acl", 7_000 + vpc as u32);
    let association = |place: usize| json!({"NetworkAclId": id, "SubnetId": subnet_id(vpc, place)});
    let mut entries = Vec::new();
    for egress in [false, true] {
        for (number, block) in [(100, "0.0.0.0/0"), (101, "::/0")] {
            entries.push(entry(number, egress, "allow", "-1", block, None));
        }
        for (number, block) in [(32_767, "0.0.0.0/0"), (32_768, "::/0")] {
            entries.push(entry(number, egress, "deny", "-1", block, None));
        }
    }
    // The source of the host sweep.
    entries.push(entry(50, false, "deny", "6", "22.0.2.0/24", Some((22, 22))));
    match VPCS[vpc].name {
        // The client whose replies are blocked.
        "shop" => entries.push(entry(80, true, "deny", "6", "22.0.4.0/24", Some((1024, 65_535)))),
        // The destinations of the blocked egress.
        "data" => entries.push(entry(90, true, "deny", "6", "22.0.3.0/24", Some((443, 443)))),
        _ => {}
    }
    json!({
        "Associations": (0..SUBNETS_PER_VPC).map(association).collect::<Vec<Value>>(),
        "Entries": entries,
        "IsDefault": false,
        "NetworkAclId": id,
        "OwnerId": ACCOUNT_ID,
        "Tags": [{"Key": "Name", "Value": VPCS[vpc].name}],
        "VpcId": VPCS[vpc].id,
    })
}

fn entry(number: u32, egress: bool, action: &str, protocol: &str, block: &str, ports: Option<(u16, u16)>) -> Value {
    let key = if block.contains(':') { "Ipv6CidrBlock" } else { "CidrBlock" };
    let mut entry =
        json!({key: block, "Egress": egress, "Protocol": protocol, "RuleAction": action, "RuleNumber": number});
    if let Some((from, to)) = ports {
        entry["PortRange"] = json!({"From": from, "To": to});
    }
    entry
}
