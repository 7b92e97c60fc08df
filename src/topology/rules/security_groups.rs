//! Evaluates the security groups of an interface.
//!
//! Traffic is allowed if any permission of any group allows it. [`compiled_groups`](super::compiled_groups) finds that permission.

use super::compiled_groups::{CompiledGroup, References};
use super::{InterfaceRules, RuleDirection, Traffic, Verdict};
use crate::topology::Topology;
use crate::topology::describe_output::{Fit, Permission, SecurityGroup};

/// Maximum number of groups of an interface that are evaluated. AWS's maximum is 16. Beyond it, the groups only allow or are undecided.
pub(super) const MAX_GROUPS: usize = 100;

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

impl Topology {
    /// Returns the rules of a group, or `None` if the topology does not have the group.
    pub(super) fn group_rules(&self, id: &str) -> Option<GroupRules<'_>> {
        let (id, group) = self.resources.security_groups.get_key_value(id)?;
        Some(GroupRules { id, group, compiled: self.rules.groups.group(id)? })
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
        let tables = &self.topology.rules.groups;
        let references = References { count: with_references, is_any_member: tables.is_any_member(traffic.remote) };
        let mut doubt = None;
        if let Some(group_id) = self.interface.group_ids.get(MAX_GROUPS) {
            doubt = Some(GroupDoubt::UnknownGroup { group_id });
        }
        for (id, rules) in self.interface.group_ids.iter().zip(&self.groups) {
            let Some(rules) = rules else {
                doubt = doubt.or(Some(GroupDoubt::UnknownGroup { group_id: id }));
                continue;
            };
            let compiled = rules.compiled.permissions(traffic.direction);
            let (group_id, (fit, index)) = (rules.id, compiled.fit(traffic, tables, references));
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
