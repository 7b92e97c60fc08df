//! Compiles the permissions of security groups for fast evaluation.
//!
//! The permissions of a group are compiled by direction and kind of peer ([`CompiledPermissions`]): those by CIDR block into a table of
//! prefixes, those by prefix list and by group into lists. The members of the groups that a permission references are kept by their
//! addresses.
//!
//! Invariants: the second part of a [`Rule`] is the index of its permission in the group's permissions of the direction. A `u32` in
//! `by_list` is an index into [`GroupTables::lists`], one in `by_member` is the number of a referenced group.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::{RuleDirection, Traffic};
use crate::topology::BlockId;
use crate::topology::describe_output::{Fit, Permission, Resources, TrafficKind};
use crate::topology::prefix_index::PrefixIndex;
use crate::topology::prefix_table::IntervalTable;

/// The permissions of all groups, compiled.
#[derive(Debug, Clone, Default)]
pub(super) struct GroupTables {
    groups: HashMap<String, CompiledGroup, RandomState>,
    /// The blocks of each prefix list that a permission names.
    lists: Vec<IntervalTable>,
    /// The referenced groups of the interface that has an address.
    members: HashMap<IpAddr, Vec<u32>, RandomState>,
    /// The referenced groups of the interfaces that prefixes are delegated to.
    member_prefixes: PrefixIndex<Vec<u32>>,
}

/// A security group.
#[derive(Debug, Clone, Default)]
pub(super) struct CompiledGroup {
    ingress: CompiledPermissions,
    egress: CompiledPermissions,
}

impl CompiledGroup {
    /// Returns the permissions of a direction.
    pub(super) fn permissions(&self, direction: RuleDirection) -> &CompiledPermissions {
        match direction {
            RuleDirection::Ingress => &self.ingress,
            RuleDirection::Egress => &self.egress,
        }
    }
}

/// A permission's traffic, and its index.
type Rule = (TrafficKind, u32);

/// Permissions of one direction, by the kind of their peers.
#[derive(Debug, Clone, Default)]
pub(super) struct CompiledPermissions {
    by_block: BlockRules,
    by_list: Vec<(u32, Rule)>,
    by_member: Vec<(u32, Rule)>,
    /// With peers that cannot be read, or prefix lists that the topology lacks.
    by_unknown: Vec<Rule>,
    /// With groups whose members are not all known.
    by_unknown_group: Vec<Rule>,
}

/// How permissions by group apply.
#[derive(Debug, Clone, Copy)]
pub(super) struct References {
    /// Whether they count.
    pub(super) count: bool,
    /// Whether the remote address belongs to an interface that has any referenced group. This saves most look-ups of members.
    pub(super) is_any_member: bool,
}

/// Numbers what the permissions refer to, while they are compiled.
struct Compiler<'a> {
    resources: &'a Resources,
    lists: HashMap<&'a str, Option<u32>, RandomState>,
    tables: GroupTables,
    /// The referenced groups.
    groups: HashMap<&'a str, u32, RandomState>,
    /// The groups that interfaces have.
    attached: HashSet<&'a str, RandomState>,
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

    /// Returns a group.
    pub(super) fn group(&self, id: &str) -> Option<&CompiledGroup> {
        self.groups.get(id)
    }

    /// Reports whether an address belongs to an interface that has any referenced group.
    pub(super) fn is_any_member(&self, address: IpAddr) -> bool {
        self.members.contains_key(&address) || self.member_prefixes.matches(address).next().is_some()
    }

    /// Reports whether an address belongs to an interface that has a referenced group.
    fn is_member(&self, address: IpAddr, group: u32) -> bool {
        self.members.get(&address).is_some_and(|groups| groups.contains(&group))
            || self.member_prefixes.matches(address).any(|groups| groups.contains(&group))
    }

    fn list_contains(&self, list: u32, address: IpAddr) -> bool {
        self.lists.get(list as usize).is_some_and(|blocks| blocks.longest(address).is_some())
    }
}

impl<'a> Compiler<'a> {
    fn compile(&mut self, permissions: &'a [Permission]) -> CompiledPermissions {
        let mut compiled = CompiledPermissions::default();
        let mut by_block: BTreeMap<IpNet, Vec<Rule>> = BTreeMap::new();
        for (permission, index) in permissions.iter().zip(0..) {
            let rule: Rule = (permission.traffic.clone(), index);
            for block in &permission.blocks {
                by_block.entry(*block).or_default().push(rule.clone());
            }
            let lists: Vec<Option<u32>> = permission.prefix_list_ids.iter().map(|id| self.list(id)).collect();
            let groups: Vec<Option<u32>> = permission.group_ids.iter().map(|id| self.group(id)).collect();
            let mut known = permission.prefix_list_ids.iter().filter_map(|id| self.resources.prefix_lists.get(id));
            if permission.has_unreadable_peer || lists.contains(&None) || known.any(|list| list.is_incomplete) {
                compiled.by_unknown.push(rule.clone());
            }
            let may_lack_members = self.resources.has_unreadable_interface && !groups.is_empty();
            if groups.contains(&None) || may_lack_members {
                compiled.by_unknown_group.push(rule.clone());
            }
            compiled.by_list.extend(lists.into_iter().flatten().map(|list| (list, rule.clone())));
            compiled.by_member.extend(groups.into_iter().flatten().map(|group| (group, rule.clone())));
        }
        compiled.by_block = BlockRules::new(by_block);
        compiled
    }

    /// Returns the index of a prefix list, or `None` if its blocks are unknown.
    fn list(&mut self, id: &'a str) -> Option<u32> {
        let (resources, tables) = (self.resources, &mut self.tables);
        *self.lists.entry(id).or_insert_with(|| {
            tables.lists.push(IntervalTable::new(&resources.prefix_lists.get(id)?.blocks));
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

impl CompiledPermissions {
    /// Returns the best fit of a permission, and the index of this permission.
    pub(super) fn fit(&self, traffic: &Traffic, tables: &GroupTables, references: References) -> (Fit, u32) {
        let Traffic { remote, protocol, dstport, .. } = *traffic;
        let fit = |(kind, index): &Rule| (kind.fits(protocol, dstport), *index);
        let by_block = self.by_block.containing(remote).map(fit);
        // The look-up of a member or of a list is skipped for permissions for other traffic.
        let by_list = self.by_list.iter().map(|(list, rule)| (*list, fit(rule)));
        let by_list = by_list.filter(|(list, (fit, _))| *fit > Fit::No && tables.list_contains(*list, remote));
        let by_member = if references.count && references.is_any_member { &self.by_member[..] } else { &[] };
        let by_member = by_member.iter().map(|(group, rule)| (*group, fit(rule)));
        let by_member = by_member.filter(|(group, (fit, _))| *fit > Fit::No && tables.is_member(remote, *group));
        let by_unknown_group = if references.count { &self.by_unknown_group[..] } else { &[] };
        let by_unknown = self.by_unknown.iter().chain(by_unknown_group).map(fit);
        let by_unknown = by_unknown.map(|(fit, index)| (fit.min(Fit::Unknown), index));
        let mut best = (Fit::No, 0);
        for (fit, index) in by_block.chain(by_list.chain(by_member).map(|(_, fit)| fit)).chain(by_unknown) {
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

/// Rules by CIDR block.
#[derive(Debug, Clone, Default)]
struct BlockRules {
    table: IntervalTable,
    /// By the number of the block: its rules, and the block that contains it.
    blocks: Vec<(Box<[Rule]>, Option<BlockId>)>,
}

impl BlockRules {
    fn new(rules: BTreeMap<IpNet, Vec<Rule>>) -> BlockRules {
        let nets: Vec<IpNet> = rules.keys().copied().collect();
        // Blocks are in order, so those that contain the current one are the last that do not end before it.
        let mut containing: Vec<(IpNet, BlockId)> = Vec::new();
        let blocks = rules.into_iter().zip(0..).map(|((net, rules), id)| {
            while containing.pop_if(|(outer, _)| !outer.contains(&net)).is_some() {}
            let outer = containing.last().map(|(_, id)| *id);
            containing.push((net, id));
            (rules.into_boxed_slice(), outer)
        });
        BlockRules { blocks: blocks.collect(), table: IntervalTable::new(&nets) }
    }

    /// Returns the rules of all blocks that contain an address, the longest block first.
    fn containing(&self, address: IpAddr) -> impl Iterator<Item = &Rule> {
        let block = |id: BlockId| self.blocks.get(id as usize);
        let longest = self.table.longest(address).and_then(block);
        std::iter::successors(longest, move |(_, outer)| block((*outer)?)).flat_map(|(rules, _)| rules)
    }
}
