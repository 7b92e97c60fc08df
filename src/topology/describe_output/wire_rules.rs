//! JSON of the security groups and network ACLs, and its conversion.
//!
//! A part that cannot be read makes its permission or entry uncertain rather than absent: without it, the rest would reject or allow
//! traffic that the whole does not.

use serde::Deserialize;

use super::rules::{AclEntry, NetworkAcl, Permission, RulePorts, RuleProtocol, SecurityGroup, TrafficKind};
use super::wire::{CidrReader, Converted, Tag, bounded_name, name_tag};
use crate::record::{ICMP, ICMPV6, TCP, UDP};
use crate::sanitize::{NAME_CHARACTERS, quoted};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireSecurityGroup {
    group_id: String,
    group_name: Option<String>,
    vpc_id: Option<String>,
    ip_permissions: Option<Vec<WirePermission>>,
    ip_permissions_egress: Option<Vec<WirePermission>>,
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WirePermission {
    ip_protocol: String,
    from_port: Option<i64>,
    to_port: Option<i64>,
    ip_ranges: Option<Vec<WireIpRange>>,
    ipv6_ranges: Option<Vec<WireIpv6Range>>,
    prefix_list_ids: Option<Vec<WirePrefixListId>>,
    user_id_group_pairs: Option<Vec<WireGroupPair>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireIpRange {
    cidr_ip: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireIpv6Range {
    cidr_ipv6: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WirePrefixListId {
    prefix_list_id: String,
}

/// A referenced group. AWS names it by its id; only the retired EC2-Classic had names instead.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireGroupPair {
    group_id: Option<String>,
}

/// Maximum number of entries of a network ACL in each direction. AWS's maximum is 40.
const MAX_ACL_ENTRIES: usize = 1_000;
/// Maximum number of rules of a security group in each direction: of pairs of traffic and peer. AWS's maximum is 1,000 for all groups of an
/// interface. The limit bounds the time of an evaluation.
const MAX_GROUP_RULES: usize = 10_000;

pub(super) fn security_group(reader: &mut CidrReader<'_>, wire: WireSecurityGroup) -> Converted<SecurityGroup> {
    let mut permissions = |wire: Option<Vec<WirePermission>>| -> Vec<Permission> {
        wire.unwrap_or_default().into_iter().map(|wire| permission(reader, wire)).collect()
    };
    let (ingress, egress) = (permissions(wire.ip_permissions), permissions(wire.ip_permissions_egress));
    let name = name_tag(wire.tags).or_else(|| bounded_name(wire.group_name));
    let rules = |permissions: &[Permission]| permissions.iter().map(Permission::rule_count).sum::<usize>();
    let is_too_large = [&ingress, &egress].into_iter().any(|permissions| rules(permissions) > MAX_GROUP_RULES);
    let group = SecurityGroup { vpc_id: wire.vpc_id, name, ingress, egress };
    let too_large = || Err(format!("has more than {MAX_GROUP_RULES} rules in a direction, which AWS does not allow"));
    Converted { id: wire.group_id, resource: if is_too_large { too_large() } else { Ok(group) } }
}

fn permission(reader: &mut CidrReader<'_>, wire: WirePermission) -> Permission {
    let protocol = protocol(reader, &wire.ip_protocol);
    let ports = match protocol {
        RuleProtocol::Number(TCP | UDP) => group_ports(reader, wire.from_port, wire.to_port),
        // In a permission for ICMP, the ports are type and code; -1 is any type.
        RuleProtocol::Number(ICMP | ICMPV6) if wire.from_port != Some(-1) => RulePorts::Unknown,
        _ => RulePorts::All,
    };
    let errors_before = reader.errors.len();
    let ranges = wire.ip_ranges.iter().flatten().map(|range| &range.cidr_ip);
    let blocks = reader.blocks(ranges.chain(wire.ipv6_ranges.iter().flatten().map(|range| &range.cidr_ipv6)));
    let has_invalid_block = reader.errors.len() > errors_before;
    let pairs = wire.user_id_group_pairs.unwrap_or_default();
    let has_nameless_group = pairs.iter().any(|pair| pair.group_id.is_none());
    Permission {
        traffic: TrafficKind { protocol, ports },
        blocks,
        prefix_list_ids: wire.prefix_list_ids.into_iter().flatten().map(|list| list.prefix_list_id).collect(),
        group_ids: pairs.into_iter().filter_map(|pair| pair.group_id).collect(),
        has_unreadable_peer: has_invalid_block || has_nameless_group,
    }
}

/// Returns the ports of a permission for TCP or UDP. A missing port and -1 stand for all ports.
fn group_ports(reader: &mut CidrReader<'_>, from: Option<i64>, to: Option<i64>) -> RulePorts {
    match (from, to) {
        (None | Some(-1), _) | (_, None | Some(-1)) => RulePorts::All,
        (Some(from), Some(to)) => port_range(reader, from, to),
    }
}

fn port_range(reader: &mut CidrReader<'_>, from: i64, to: i64) -> RulePorts {
    match (u16::try_from(from), u16::try_from(to)) {
        (Ok(first), Ok(last)) if first <= last => RulePorts::Range(first..=last),
        _ => {
            reader.errors.push(format!("ports {from} to {to} are not a range of 0 to 65535"));
            RulePorts::Unknown
        }
    }
}

/// Parses a protocol: -1 for all, an IANA number, or one of the four names that the API uses.
fn protocol(reader: &mut CidrReader<'_>, text: &str) -> RuleProtocol {
    let number = match text {
        "-1" => return RuleProtocol::All,
        "tcp" => Some(TCP),
        "udp" => Some(UDP),
        "icmp" => Some(ICMP),
        "icmpv6" => Some(ICMPV6),
        number => number.parse().ok(),
    };
    if number.is_none() {
        reader.errors.push(format!("{} is not a protocol", quoted(text, NAME_CHARACTERS)));
    }
    number.map_or(RuleProtocol::Unreadable, RuleProtocol::Number)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireNetworkAcl {
    network_acl_id: String,
    vpc_id: Option<String>,
    associations: Option<Vec<WireAclAssociation>>,
    entries: Option<Vec<WireAclEntry>>,
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireAclAssociation {
    subnet_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireAclEntry {
    rule_number: u32,
    egress: bool,
    rule_action: String,
    protocol: String,
    port_range: Option<WirePortRange>,
    icmp_type_code: Option<WireIcmpTypeCode>,
    cidr_block: Option<String>,
    ipv6_cidr_block: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WirePortRange {
    from: i64,
    to: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireIcmpTypeCode {
    r#type: Option<i64>,
}

pub(super) fn network_acl(reader: &mut CidrReader<'_>, wire: WireNetworkAcl) -> Converted<NetworkAcl> {
    let mut acl = NetworkAcl {
        vpc_id: wire.vpc_id,
        name: name_tag(wire.tags),
        subnet_ids: wire.associations.into_iter().flatten().filter_map(|a| a.subnet_id).collect(),
        ingress: Vec::new(),
        egress: Vec::new(),
    };
    acl.subnet_ids.sort_unstable();
    acl.subnet_ids.dedup();
    for wire in wire.entries.unwrap_or_default() {
        let entries = if wire.egress { &mut acl.egress } else { &mut acl.ingress };
        entries.push(acl_entry(reader, &wire));
    }
    if acl.ingress.len().max(acl.egress.len()) > MAX_ACL_ENTRIES {
        let message = format!("has more than {MAX_ACL_ENTRIES} entries in a direction, which AWS does not allow");
        return Converted { id: wire.network_acl_id, resource: Err(message) };
    }
    acl.ingress.sort_by_key(|entry| entry.rule_number);
    acl.egress.sort_by_key(|entry| entry.rule_number);
    Converted { id: wire.network_acl_id, resource: Ok(acl) }
}

fn acl_entry(reader: &mut CidrReader<'_>, wire: &WireAclEntry) -> AclEntry {
    let WireAclEntry { rule_number, .. } = *wire;
    let protocol = protocol(reader, &wire.protocol);
    let ports = match (protocol, &wire.port_range, &wire.icmp_type_code) {
        (RuleProtocol::Number(TCP | UDP), Some(range), _) => port_range(reader, range.from, range.to),
        (RuleProtocol::Number(ICMP | ICMPV6), _, Some(icmp)) if icmp.r#type.is_some_and(|number| number != -1) => {
            RulePorts::Unknown
        }
        _ => RulePorts::All,
    };
    let block = wire.cidr_block.as_ref().or(wire.ipv6_cidr_block.as_ref());
    let entry = AclEntry {
        rule_number,
        allows: wire.rule_action == "allow",
        traffic: TrafficKind { protocol, ports },
        block: block.and_then(|block| reader.block(block)),
    };
    if block.is_none() {
        reader.errors.push(format!("rule {rule_number} has neither CidrBlock nor Ipv6CidrBlock"));
    }
    if matches!(wire.rule_action.as_str(), "allow" | "deny") {
        return entry;
    }
    let action = quoted(&wire.rule_action, NAME_CHARACTERS);
    reader.errors.push(format!("rule {rule_number}: the action {action} is neither allow nor deny"));
    let traffic = TrafficKind { protocol: RuleProtocol::Unreadable, ports: RulePorts::Unknown };
    AclEntry { traffic, block: None, ..entry }
}
