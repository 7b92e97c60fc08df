//! The hops of a network ACL and of security groups.

use super::end::End;
use super::hop::{HopKind, HopRule, HopSite, HopVerdict};
use super::references::References;
use super::segments::{AddressRange, Part, PortRange, Remote, SetVerdict, decide, port_parts, remote_parts};
use super::walk::{Resource, Walk};
use crate::record::names;
use crate::topology::describe_output::{DEFAULT_RULE_NUMBER, Interface, Permission, RulePorts, TrafficKind};
use crate::topology::rules::{AclDoubt, AclVerdict, GroupDoubt, GroupsVerdict, InterfaceRules, RuleDirection, Traffic};

/// Maximum number of groups in a reason. AWS allows 16 groups for an interface.
const MAX_LISTED_GROUPS: usize = 16;

/// Traffic that a network ACL or security groups evaluate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Check {
    pub(super) site: HopSite,
    pub(super) direction: RuleDirection,
    pub(super) remote: Remote,
}

/// The ranges of ports of rules.
fn ranges<'t>(kinds: impl Iterator<Item = &'t TrafficKind>) -> impl Iterator<Item = std::ops::RangeInclusive<u16>> {
    kinds.filter_map(|kind| match &kind.ports {
        RulePorts::Range(range) => Some(range.clone()),
        RulePorts::All | RulePorts::Unknown => None,
    })
}

impl<'a> Walk<'a> {
    /// Adds the hop of the network ACL of an end's subnet.
    pub(super) fn check_acl(&mut self, end: &End<'a>, check: Check) {
        let Check { site, direction, remote } = check;
        let ports = self.ports();
        let Some(subnet_id) = end.subnet_id else {
            let resource = Resource { kind: HopKind::NetworkAcl, id: None, site };
            let reason = format!("the topology does not have the subnet of {}", end.address);
            return self.push(&resource, HopVerdict::Unknown, reason, None);
        };
        let topology = self.topology;
        let acl = topology.network_acl_of_subnet(subnet_id).ok();
        let entries = acl.map_or(&[][..], |(_, acl)| acl.entries(direction));
        let remotes = remote_parts(remote, entries.iter().filter_map(|entry| entry.block));
        let ports = parts_of_ports(ports, ranges(entries.iter().map(|entry| &entry.traffic)));
        let verdict = decide(&remotes, &ports, |remote, dstport| {
            let traffic = Traffic { direction, remote, protocol: self.protocol, dstport };
            let verdict = topology.evaluate_network_acl(Some(subnet_id), &traffic);
            (verdict.verdict(), verdict)
        });
        self.push_acl(acl.map(|(id, _)| id), subnet_id, check, verdict);
    }

    fn push_acl(&mut self, id: Option<&'a str>, subnet_id: &str, check: Check, verdict: SetVerdict<AclVerdict<'a>>) {
        let what = self.describe(check, None);
        let (hop_verdict, reason, by) = match verdict {
            SetVerdict::Allows(by @ AclVerdict::SameSubnet { .. }) => {
                (HopVerdict::Pass, "no network ACL applies within a subnet".to_owned(), Some(by))
            }
            SetVerdict::Allows(by) => (HopVerdict::Pass, format!("{} allows {what}", rule_name(&by)), Some(by)),
            SetVerdict::Denies(by) => (HopVerdict::Block, format!("{} denies {what}", rule_name(&by)), Some(by)),
            SetVerdict::Mixed { denied, by } => {
                let part = self.describe(check, Some(denied));
                (HopVerdict::Unknown, format!("of {what}, {} denies {part}", rule_name(&by)), Some(by))
            }
            SetVerdict::Undecided(by) => (HopVerdict::Unknown, self.describe_acl_doubt(&by, subnet_id), Some(by)),
            SetVerdict::TooManyParts => (HopVerdict::Unknown, "there are too many rules to decide".to_owned(), None),
        };
        let resource = Resource { kind: HopKind::NetworkAcl, id, site: check.site };
        self.push(&resource, hop_verdict, reason, by.as_ref().and_then(acl_rule));
    }

    fn describe_acl_doubt(&self, verdict: &AclVerdict<'_>, subnet_id: &str) -> String {
        let subnet = self.label(subnet_id);
        match verdict {
            AclVerdict::Undecided(AclDoubt::SeveralAcls) => {
                format!("the topology has several network ACLs of {subnet}")
            }
            AclVerdict::Undecided(AclDoubt::Entry { entry, .. }) => {
                format!(
                    "rule {} for {} may match: it has one ICMP type, or cannot be read",
                    entry.rule_number, entry.traffic
                )
            }
            AclVerdict::Undecided(AclDoubt::UnknownSubnet { .. }) => {
                format!("the topology does not have {subnet}, so the traffic may stay within it")
            }
            _ => format!("the topology does not have the network ACL of {subnet}"),
        }
    }

    /// Adds the hop of the security groups of an end.
    pub(super) fn check_groups(&mut self, end: &End<'a>, check: Check, references: &References) {
        let topology = self.topology;
        let Some((interface_id, interface)) = end.interface else {
            let resource = Resource { kind: HopKind::SecurityGroups, id: None, site: check.site };
            let reason =
                format!("the topology has no interface with {}, so its security groups are unknown", end.address);
            return self.push(&resource, HopVerdict::Unknown, reason, None);
        };
        let rules = topology.rules_of(interface);
        let (remotes, ports) = self.parts_of_groups(interface, check);
        let evaluate = |with_references: bool| {
            decide(&remotes, &ports, |remote, dstport| {
                let traffic = Traffic { direction: check.direction, remote, protocol: self.protocol, dstport };
                let verdict = evaluate_groups(&rules, &traffic, with_references);
                (verdict.verdict(), verdict)
            })
        };
        let all = evaluate(true);
        let without = if *references == References::Apply { all } else { evaluate(false) };
        let differs = std::mem::discriminant(&all) != std::mem::discriminant(&without);
        self.push_groups((interface_id, interface), check, without);
        if let (true, Some(hop)) = (differs, self.hops.last_mut()) {
            match references {
                References::Apply => {}
                References::DoNotApply(why) => {
                    hop.reason = format!("{}; a rule that references a group does not apply: {why}", hop.reason);
                }
                References::Unknown(why) => {
                    hop.verdict = HopVerdict::Unknown;
                    hop.reason = format!("a rule that references a group allows it only if it applies: {why}");
                }
            }
        }
    }

    /// Returns the parts that no permission of an interface divides.
    fn parts_of_groups(&self, interface: &Interface, check: Check) -> (Vec<AddressRange>, Vec<Option<PortRange>>) {
        let resources = self.topology.resources();
        let groups = interface.group_ids.iter().filter_map(|id| resources.security_groups.get(id));
        let permissions: Vec<&Permission> = groups.flat_map(|group| group.permissions(check.direction)).collect();
        let lists = permissions.iter().flat_map(|permission| &permission.prefix_list_ids);
        let lists = lists.filter_map(|id| resources.prefix_lists.get(id)).flat_map(|list| &list.blocks);
        let blocks = permissions.iter().flat_map(|permission| &permission.blocks).chain(lists).copied();
        let kinds = permissions.iter().map(|permission| &permission.traffic);
        (remote_parts(check.remote, blocks), parts_of_ports(self.ports(), ranges(kinds)))
    }

    fn push_groups(
        &mut self,
        (interface_id, interface): (&str, &Interface),
        check: Check,
        verdict: SetVerdict<GroupsVerdict<'a>>,
    ) {
        let what = self.describe(check, None);
        let names = self.label_groups(&interface.group_ids);
        let only = if let [only] = &interface.group_ids[..] { Some(only.as_str()) } else { None };
        let mut rule = HopRule::SecurityGroups {
            group_id: only.map(str::to_owned),
            group_ids: interface.group_ids.clone(),
            traffic: None,
        };
        let mut id = only;
        let (hop_verdict, reason) = match verdict {
            SetVerdict::Allows(GroupsVerdict::Allowed { group_id, permission }) => {
                id = Some(group_id);
                let traffic = Some(permission.traffic.to_string());
                let group_ids = interface.group_ids.clone();
                rule = HopRule::SecurityGroups { group_id: Some(group_id.to_owned()), group_ids, traffic };
                (HopVerdict::Pass, format!("{} allows {what} ({})", self.label(group_id), permission.traffic))
            }
            SetVerdict::Allows(_) => {
                (HopVerdict::Pass, format!("{} has no security groups: nothing is rejected", self.label(interface_id)))
            }
            SetVerdict::Denies(_) => (HopVerdict::Block, format!("no rule of {names} allows {what}")),
            SetVerdict::Mixed { denied, .. } => {
                let part = self.describe(check, Some(denied));
                (HopVerdict::Unknown, format!("of {what}, no rule of {names} allows {part}"))
            }
            SetVerdict::Undecided(by) => (HopVerdict::Unknown, self.describe_group_doubt(&by)),
            SetVerdict::TooManyParts => (HopVerdict::Unknown, "there are too many rules to decide".to_owned()),
        };
        let rule = (!interface.group_ids.is_empty()).then_some(rule);
        self.push(&Resource { kind: HopKind::SecurityGroups, id, site: check.site }, hop_verdict, reason, rule);
    }

    fn label_groups(&self, ids: &[String]) -> String {
        let names: Vec<String> = ids.iter().take(MAX_LISTED_GROUPS).map(|id| self.label(id)).collect();
        let more = ids.len().saturating_sub(MAX_LISTED_GROUPS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        names.join(" and ") + &more
    }

    fn describe_group_doubt(&self, verdict: &GroupsVerdict<'_>) -> String {
        match verdict {
            GroupsVerdict::Undecided(GroupDoubt::Permission { group_id, permission }) => format!(
                "the rule of {} for {} may apply: its prefix list, group, or ICMP type is unknown",
                self.label(group_id),
                permission.traffic
            ),
            GroupsVerdict::Undecided(GroupDoubt::UnknownGroup { group_id }) => {
                format!("the topology does not have {}", self.label(group_id))
            }
            _ => "the topology does not have the security groups".to_owned(),
        }
    }

    /// Describes traffic, such as `5432/TCP (postgresql) from 10.0.1.5`, or a part of it.
    fn describe(&self, check: Check, part: Option<Part>) -> String {
        let whole = self.ports();
        let ports = part.map_or(whole, |part| part.ports);
        let service = match ports {
            Some(range) if range.first == range.last => names::port(range.first, Some(self.protocol)),
            Some(range) => format!("{range}/{}", names::protocol(Some(self.protocol))),
            None => names::protocol(Some(self.protocol)),
        };
        let remote = match part {
            Some(part) if matches!(check.remote, Remote::Internet { .. }) => part.remotes.to_string(),
            _ => check.remote.to_string(),
        };
        match check.direction {
            RuleDirection::Ingress => format!("{service} from {remote}"),
            RuleDirection::Egress => format!("{service} to {remote}"),
        }
    }
}

fn parts_of_ports(
    ports: Option<PortRange>,
    bounds: impl Iterator<Item = std::ops::RangeInclusive<u16>>,
) -> Vec<Option<PortRange>> {
    ports.map_or_else(|| vec![None], |ports| port_parts(ports, bounds).into_iter().map(Some).collect())
}

fn evaluate_groups<'a>(rules: &InterfaceRules<'a>, traffic: &Traffic, with_references: bool) -> GroupsVerdict<'a> {
    if with_references { rules.security_groups(traffic) } else { rules.security_groups_without_references(traffic) }
}

/// Names the entry of a network ACL that decides: `rule 100`.
fn rule_name(verdict: &AclVerdict<'_>) -> String {
    match verdict {
        AclVerdict::Entry { entry, .. } if entry.rule_number != DEFAULT_RULE_NUMBER => {
            format!("rule {}", entry.rule_number)
        }
        _ => "the default rule (*)".to_owned(),
    }
}

fn acl_rule(verdict: &AclVerdict<'_>) -> Option<HopRule> {
    match verdict {
        AclVerdict::Entry { entry, .. } | AclVerdict::Undecided(AclDoubt::Entry { entry, .. }) => {
            Some(HopRule::NetworkAcl {
                rule_number: Some(entry.rule_number),
                cidr_block: entry.block.map(|block| block.to_string()),
                traffic: Some(entry.traffic.to_string()),
            })
        }
        AclVerdict::NoEntry { .. } => Some(HopRule::NetworkAcl { rule_number: None, cidr_block: None, traffic: None }),
        AclVerdict::SameSubnet { .. } | AclVerdict::Undecided(_) => None,
    }
}
