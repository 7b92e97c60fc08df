//! The hop of the security groups of an interface.

use std::collections::BTreeSet;

use super::checks::{Check, describe_traffic_doubt, parts_of_ports, ranges};
use super::end::End;
use super::hop::{HopKind, HopRule, HopVerdict};
use super::references::References;
use super::segments::{Parts, SetVerdict, decide, remote_parts};
use super::walk::{Resource, Walk};
use crate::sanitize::{NAME_CHARACTERS, escape_truncated};
use crate::topology::describe_output::{Fit, Interface, Permission};
use crate::topology::rules::{GroupDoubt, GroupsVerdict, InterfaceRules, Traffic};

/// Maximum number of groups in a reason. AWS allows 16 groups for an interface.
const MAX_LISTED_GROUPS: usize = 16;

impl<'a> Walk<'a> {
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
        let parts = self.parts_of_groups(interface, check);
        let evaluate = |with_references: bool| {
            decide(&parts, |remote, dstport| {
                let traffic = Traffic { direction: check.direction, remote, protocol: self.protocol, dstport };
                let verdict = evaluate_groups(&rules, &traffic, with_references);
                (verdict.verdict(), verdict)
            })
        };
        let all = evaluate(true);
        let without = if *references == References::Apply { all } else { evaluate(false) };
        self.push_groups((interface_id, interface), check, without);
        if std::mem::discriminant(&all) != std::mem::discriminant(&without) {
            self.mention_references(references);
        }
    }

    /// Adds to the last hop that references to groups would change its verdict.
    fn mention_references(&mut self, references: &References) {
        let Some(hop) = self.hops.last_mut() else { return };
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

    /// Returns the parts that no permission of an interface divides.
    fn parts_of_groups(&self, interface: &Interface, check: Check) -> Parts {
        let resources = self.topology.resources();
        let groups = interface.group_ids.iter().filter_map(|id| resources.security_groups.get(id));
        let permissions: Vec<&Permission> = groups.flat_map(|group| group.permissions(check.direction)).collect();
        // Many permissions may reference the same list.
        let lists: BTreeSet<&String> = permissions.iter().flat_map(|permission| &permission.prefix_list_ids).collect();
        let lists = lists.into_iter().filter_map(|id| resources.prefix_lists.get(id)).flat_map(|list| &list.blocks);
        let blocks = permissions.iter().flat_map(|permission| &permission.blocks).chain(lists).copied();
        let remotes = remote_parts(check.remote, blocks, self.topology.vpc_blocks());
        let kinds = permissions.iter().map(|permission| &permission.traffic);
        let kinds = kinds.filter(|kind| kind.fits(self.protocol, None) > Fit::No);
        // Blocks are looked up, but lists and groups are tried one after another.
        let tried = |permission: &&Permission| 1 + permission.prefix_list_ids.len() + permission.group_ids.len();
        let rules = permissions.iter().map(tried).sum();
        Parts { remotes, ports: parts_of_ports(self.ports(), ranges(kinds)), rules }
    }

    fn push_groups(
        &mut self,
        (interface_id, interface): (&str, &Interface),
        check: Check,
        verdict: SetVerdict<GroupsVerdict<'a>>,
    ) {
        let what = self.describe(check, None);
        let names = self.label_groups(&interface.group_ids);
        let (hop_verdict, reason) = match verdict {
            SetVerdict::Allows(GroupsVerdict::Allowed { group_id, permission }) => {
                (HopVerdict::Pass, format!("{} allows {what} ({})", self.label(group_id), permission.traffic))
            }
            SetVerdict::Allows(_) => {
                (HopVerdict::Pass, format!("{} has no security groups: nothing is rejected", self.label(interface_id)))
            }
            SetVerdict::Denies(_) => {
                (HopVerdict::Block, format!("no rule of {names} {}", self.describe_passing(check, None)))
            }
            SetVerdict::Mixed { denied, .. } => {
                let part = self.describe_passing(check, Some(denied));
                (HopVerdict::Unknown, format!("of {what}, no rule of {names} {part}"))
            }
            SetVerdict::Undecided(by) => (HopVerdict::Unknown, self.describe_group_doubt(&by)),
            SetVerdict::TooManyParts => (HopVerdict::Unknown, "there are too many rules to decide".to_owned()),
        };
        let (id, rule) = group_rule(interface, &verdict);
        self.push(&Resource { kind: HopKind::SecurityGroups, id, site: check.site }, hop_verdict, reason, rule);
    }

    /// Returns the names of groups, as in `A or B`.
    fn label_groups(&self, ids: &[String]) -> String {
        let names: Vec<String> = ids.iter().take(MAX_LISTED_GROUPS).map(|id| self.label(id)).collect();
        let more = ids.len().saturating_sub(MAX_LISTED_GROUPS);
        let more = if more > 0 { format!(" or {more} more") } else { String::new() };
        names.join(" or ") + &more
    }

    fn describe_group_doubt(&self, verdict: &GroupsVerdict<'_>) -> String {
        match verdict {
            GroupsVerdict::Undecided(GroupDoubt::Permission { group_id, permission }) => format!(
                "the rule of {} for {} may apply: {}",
                self.label(group_id),
                permission.traffic,
                self.describe_permission_doubt(permission)
            ),
            GroupsVerdict::Undecided(GroupDoubt::UnknownGroup { group_id }) => {
                format!("the topology does not have {}", self.label(group_id))
            }
            _ => "the topology does not have the security groups".to_owned(),
        }
    }
}

impl Walk<'_> {
    /// Names the part of a permission that is unknown.
    fn describe_permission_doubt(&self, permission: &Permission) -> String {
        if let Some(doubt) = describe_traffic_doubt(&permission.traffic) {
            return doubt.to_owned();
        }
        if permission.has_unreadable_peer {
            return "one of its peers cannot be read".to_owned();
        }
        let resources = self.topology.resources();
        if let Some(id) = permission.prefix_list_ids.iter().find(|id| !resources.prefix_lists.contains_key(*id)) {
            return format!("the blocks of {} are unknown", escape_truncated(id, NAME_CHARACTERS));
        }
        let group = permission.group_ids.iter().find(|id| !resources.security_groups.contains_key(*id));
        group.map_or_else(
            || "its peers are unknown".to_owned(),
            |id| format!("the members of {} are unknown", self.label(id)),
        )
    }
}

fn evaluate_groups<'a>(rules: &InterfaceRules<'a>, traffic: &Traffic, with_references: bool) -> GroupsVerdict<'a> {
    if with_references { rules.security_groups(traffic) } else { rules.security_groups_without_references(traffic) }
}

/// Returns the group that decides, or the only one, and the rule.
fn group_rule<'r>(
    interface: &'r Interface,
    verdict: &SetVerdict<GroupsVerdict<'r>>,
) -> (Option<&'r str>, Option<HopRule>) {
    let only = if let [only] = &interface.group_ids[..] { Some(only.as_str()) } else { None };
    let (id, traffic) = match verdict {
        SetVerdict::Allows(GroupsVerdict::Allowed { group_id, permission }) => (Some(*group_id), Some(permission)),
        _ => (only, None),
    };
    let rule = HopRule::SecurityGroups {
        group_id: id.map(str::to_owned),
        group_ids: interface.group_ids.clone(),
        traffic: traffic.map(|permission| permission.traffic.to_string()),
    };
    (id, (!interface.group_ids.is_empty()).then_some(rule))
}
