//! Evaluates the security groups of an interface.
//!
//! The permissions of a group are compiled by direction: those by CIDR block into a table of prefixes, those by prefix list and by
//! group into lists. The members of the groups that a permission references are kept by their addresses.
//!
//! Invariants: the second part of a [`Rule`] is the index of its permission in the group's permissions of the direction. A `u32` in
//! `by_list` is an index into [`GroupTables::lists`], one in `by_member` is the number of a referenced group.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::{InterfaceRules, RuleDirection, Traffic, Verdict};
use crate::topology::Topology;
use crate::topology::describe_output::{Fit, Permission, Resources, SecurityGroup, TrafficKind};
use crate::topology::prefix_index::PrefixIndex;

/// The permissions of all groups, compiled.
#[derive(Debug, Clone, Default)]
pub(super) struct GroupTables {
    groups: HashMap<String, CompiledGroup, RandomState>,
    /// The blocks of each prefix list that a permission names.
    lists: Vec<PrefixIndex<()>>,
    /// The referenced groups of the interface that has an address.
    members: HashMap<IpAddr, Vec<u32>, RandomState>,
    /// The referenced groups of the interfaces that prefixes are delegated to.
    member_prefixes: PrefixIndex<Vec<u32>>,
}

#[derive(Debug, Clone, Default)]
struct CompiledGroup {
    ingress: CompiledPermissions,
    egress: CompiledPermissions,
}

/// A permission's traffic, and its index.
type Rule = (TrafficKind, u32);

/// Permissions of one direction, by the kind of their peers.
#[derive(Debug, Clone, Default)]
struct CompiledPermissions {
    by_block: PrefixIndex<Vec<Rule>>,
    by_list: Vec<(u32, Rule)>,
    by_member: Vec<(u32, Rule)>,
    /// With peers that the topology lacks.
    by_unknown: Vec<Rule>,
}

/// A security group and its compiled permissions.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupRules<'a> {
    id: &'a str,
    group: &'a SecurityGroup,
    compiled: &'a CompiledGroup,
}

/// The result of the security groups of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupsVerdict<'a> {
    /// The interface has no security groups, as that of a NAT gateway: nothing is rejected.
    NoGroups,
    /// A permission allows the traffic.
    Allowed {
        /// Id of the group.
        group_id: &'a str,
        /// The permission.
        permission: &'a Permission,
    },
    /// No permission allows the traffic.
    Denied,
    /// The topology or the log lacks what decides.
    Undecided(GroupDoubt<'a>),
}

/// What is missing to evaluate security groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupDoubt<'a> {
    /// The topology does not have the group.
    UnknownGroup {
        /// Id of the group.
        group_id: &'a str,
    },
    /// Whether this permission applies cannot be decided.
    Permission {
        /// Id of the group.
        group_id: &'a str,
        /// The permission.
        permission: &'a Permission,
    },
}

impl GroupsVerdict<'_> {
    /// Returns whether the groups let the traffic pass.
    pub fn verdict(&self) -> Verdict {
        match self {
            GroupsVerdict::NoGroups | GroupsVerdict::Allowed { .. } => Verdict::Allows,
            GroupsVerdict::Denied => Verdict::Denies,
            GroupsVerdict::Undecided(_) => Verdict::Undecided,
        }
    }
}

impl SecurityGroup {
    /// Returns the permissions of a direction.
    pub fn permissions(&self, direction: RuleDirection) -> &[Permission] {
        match direction {
            RuleDirection::Ingress => &self.ingress,
            RuleDirection::Egress => &self.egress,
        }
    }
}

/// Numbers what the permissions refer to, while they are compiled.
struct Compiler<'a> {
    resources: &'a Resources,
    lists: HashMap<&'a str, Option<u32>, RandomState>,
    tables: GroupTables,
    /// The referenced groups.
    groups: HashMap<&'a str, u32, RandomState>,
    /// The groups that interfaces have.
    attached: std::collections::HashSet<&'a str, RandomState>,
}

impl GroupTables {
    pub(super) fn new(resources: &Resources) -> GroupTables {
        let interfaces = resources.interfaces.values();
        let mut compiler = Compiler {
            resources,
            lists: HashMap::default(),
            tables: GroupTables::default(),
            groups: HashMap::default(),
            attached: interfaces.flat_map(|interface| &interface.group_ids).map(String::as_str).collect(),
        };
        for (id, group) in &resources.security_groups {
            let compiled =
                CompiledGroup { ingress: compiler.compile(&group.ingress), egress: compiler.compile(&group.egress) };
            compiler.tables.groups.insert(id.clone(), compiled);
        }
        compiler.index_members();
        compiler.tables
    }

    /// Reports whether an address belongs to an interface that has a referenced group.
    fn is_member(&self, address: IpAddr, group: u32) -> bool {
        self.members.get(&address).is_some_and(|groups| groups.contains(&group))
            || self.member_prefixes.matches(address).any(|groups| groups.contains(&group))
    }

    fn list_contains(&self, list: u32, address: IpAddr) -> bool {
        self.lists.get(list as usize).is_some_and(|blocks| blocks.matches(address).next().is_some())
    }
}

impl<'a> Compiler<'a> {
    fn compile(&mut self, permissions: &'a [Permission]) -> CompiledPermissions {
        let mut compiled = CompiledPermissions::default();
        for (permission, index) in permissions.iter().zip(0..) {
            let rule: Rule = (permission.traffic.clone(), index);
            for block in &permission.blocks {
                compiled.by_block.get_or_default(*block).push(rule.clone());
            }
            let mut has_unknown_peer = permission.has_unreadable_peer;
            for id in &permission.prefix_list_ids {
                match self.list(id) {
                    Some(list) => compiled.by_list.push((list, rule.clone())),
                    None => has_unknown_peer = true,
                }
            }
            for id in &permission.group_ids {
                match self.group(id) {
                    Some(group) => compiled.by_member.push((group, rule.clone())),
                    None => has_unknown_peer = true,
                }
            }
            if has_unknown_peer {
                compiled.by_unknown.push(rule);
            }
        }
        compiled
    }

    /// Returns the index of a prefix list, or `None` if its blocks are unknown.
    fn list(&mut self, id: &'a str) -> Option<u32> {
        let (resources, tables) = (self.resources, &mut self.tables);
        *self.lists.entry(id).or_insert_with(|| {
            let list = resources.prefix_lists.get(id)?;
            let mut blocks = PrefixIndex::default();
            for block in &list.blocks {
                blocks.insert(*block, ());
            }
            tables.lists.push(blocks);
            u32::try_from(tables.lists.len() - 1).ok()
        })
    }

    /// Returns the number of a referenced group, or `None` if the topology knows nothing of it.
    fn group(&mut self, id: &'a str) -> Option<u32> {
        if !self.resources.security_groups.contains_key(id) && !self.attached.contains(id) {
            return None;
        }
        let next = u32::try_from(self.groups.len()).ok()?;
        Some(*self.groups.entry(id).or_insert(next))
    }

    /// Fills the members of the referenced groups.
    fn index_members(&mut self) {
        if self.groups.is_empty() {
            return;
        }
        for interface in self.resources.interfaces.values() {
            let groups: Vec<u32> =
                interface.group_ids.iter().filter_map(|id| self.groups.get(id.as_str()).copied()).collect();
            if groups.is_empty() {
                continue;
            }
            for address in &interface.addresses {
                self.tables.members.entry(*address).or_default().extend(&groups);
            }
            for prefix in &interface.prefixes {
                self.tables.member_prefixes.get_or_default(*prefix).extend(&groups);
            }
        }
    }
}

impl Topology {
    /// Returns the rules of a group, or `None` if the topology does not have the group.
    pub(super) fn group_rules(&self, id: &str) -> Option<GroupRules<'_>> {
        let (id, group) = self.resources.security_groups.get_key_value(id)?;
        Some(GroupRules { id, group, compiled: self.rules.groups.groups.get(id)? })
    }
}

impl<'a> InterfaceRules<'a> {
    /// Evaluates the security groups of the interface.
    pub fn security_groups(&self, traffic: &Traffic) -> GroupsVerdict<'a> {
        self.evaluate_groups(traffic, true)
    }

    /// Evaluates the security groups of the interface for traffic to which references to other groups do not apply, such as traffic
    /// between Regions.
    pub fn security_groups_without_references(&self, traffic: &Traffic) -> GroupsVerdict<'a> {
        self.evaluate_groups(traffic, false)
    }

    fn evaluate_groups(&self, traffic: &Traffic, with_references: bool) -> GroupsVerdict<'a> {
        if self.groups.is_empty() {
            return GroupsVerdict::NoGroups;
        }
        let mut doubt = None;
        for (id, rules) in self.interface.group_ids.iter().zip(&self.groups) {
            let Some(rules) = rules else {
                doubt = doubt.or(Some(GroupDoubt::UnknownGroup { group_id: id }));
                continue;
            };
            let (group_id, (fit, index)) = (rules.id, rules.fit(traffic, &self.topology.rules.groups, with_references));
            let permission = rules.group.permissions(traffic.direction).get(index as usize);
            match (fit, permission) {
                (Fit::Yes, Some(permission)) => return GroupsVerdict::Allowed { group_id, permission },
                (Fit::Unknown, Some(permission)) => {
                    doubt = doubt.or(Some(GroupDoubt::Permission { group_id, permission }));
                }
                _ => {}
            }
        }
        doubt.map_or(GroupsVerdict::Denied, GroupsVerdict::Undecided)
    }
}

impl GroupRules<'_> {
    /// Returns the best fit of a permission, and the index of this permission.
    fn fit(&self, traffic: &Traffic, tables: &GroupTables, with_references: bool) -> (Fit, u32) {
        let Traffic { direction, remote, protocol, dstport } = *traffic;
        let compiled = match direction {
            RuleDirection::Ingress => &self.compiled.ingress,
            RuleDirection::Egress => &self.compiled.egress,
        };
        let fit = |(kind, index): &Rule| (kind.fits(protocol, dstport), *index);
        let by_block = compiled.by_block.matches(remote).flatten().map(fit);
        // The look-up of a member or of a list is skipped for permissions for other traffic.
        let by_list = compiled.by_list.iter().map(|(list, rule)| (*list, fit(rule)));
        let by_list = by_list.filter(|(list, (fit, _))| *fit > Fit::No && tables.list_contains(*list, remote));
        let by_member = compiled.by_member.iter().filter(|_| with_references).map(|(group, rule)| (*group, fit(rule)));
        let by_member = by_member.filter(|(group, (fit, _))| *fit > Fit::No && tables.is_member(remote, *group));
        let by_unknown = compiled.by_unknown.iter().map(fit).map(|(fit, index)| (fit.min(Fit::Unknown), index));
        let fits = by_block.chain(by_list.chain(by_member).map(|(_, fit)| fit)).chain(by_unknown);
        let mut best = (Fit::No, 0);
        for (fit, index) in fits {
            if fit == Fit::Yes {
                return (fit, index);
            }
            if fit > best.0 {
                best = (fit, index);
            }
        }
        best
    }
}
