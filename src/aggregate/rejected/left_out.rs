//! Rejected records that a filter left out: they decide the direction, VPC, and subnet on which all records of a group agree.

use super::RejectedFlows;
use super::keys::GroupKey;
use crate::aggregate::consensus::{Consensus, ReportedId};
use crate::aggregate::interfaces::InterfaceRef;
use crate::aggregate::interner::{Interner, Symbol, SymbolRemap};
use crate::aggregate::packed_map::PackedMap;
use crate::record::{Direction, Flow};

/// Groups of records that a filter left out, up to the limit of rejected groups. Empty without a filter.
#[derive(Debug, Clone, Default)]
pub(super) struct LeftOutGroups {
    groups: PackedMap<GroupKey, Reported>,
    /// Whether groups are missing.
    overflowed: bool,
}

/// The values on which the records of a group should agree.
#[derive(Debug, Clone, Copy, Default)]
struct Reported {
    vpc: ReportedId,
    subnet: ReportedId,
    direction: Consensus<Direction>,
}

impl LeftOutGroups {
    /// Returns the values of a group, if there is room for it.
    fn entry(&mut self, group: GroupKey, limit: u64) -> Option<&mut Reported> {
        if self.groups.len() as u64 >= limit && self.groups.get_mut(group).is_none() {
            self.overflowed = true;
            return None;
        }
        Some(self.groups.entry(group, Reported::default))
    }

    /// Adds the groups of another analysis. `interfaces` and `places` map its symbols.
    pub(super) fn merge(&mut self, other: &LeftOutGroups, limit: u64, interfaces: &SymbolRemap, places: &SymbolRemap) {
        self.overflowed |= other.overflowed;
        for (group, theirs) in other.groups.iter() {
            let interface = group.interface.and_then(|id: Symbol| interfaces.get(id));
            if let Some(ours) = self.entry(GroupKey { interface, ..group }, limit) {
                ours.vpc.merge(theirs.vpc, places);
                ours.subnet.merge(theirs.subnet, places);
                ours.direction.merge(theirs.direction);
            }
        }
    }

    /// Returns whether no group is missing.
    pub(super) fn is_complete(&self) -> bool {
        !self.overflowed
    }
}

impl RejectedFlows {
    /// Adds a rejected record that a filter left out. `places` interns VPC and subnet ids.
    pub fn observe_left_out(&mut self, interface: InterfaceRef, flow: &Flow<'_>, places: &mut Interner) {
        let Flow { src, dst, dstport, protocol, .. } = *flow;
        let group = GroupKey { interface: interface.id, src, dst, dstport, protocol };
        let subnet = flow.subnet_id.and_then(|name| places.intern(name));
        if let Some(ours) = self.left_out.entry(group, self.limits.max_rejected_groups) {
            ours.vpc.add(ReportedId::new(flow.vpc_id, interface.vpc));
            ours.subnet.add(ReportedId::new(flow.subnet_id, subnet));
            flow.direction.into_iter().for_each(|direction| ours.direction.observe(direction));
        }
    }

    /// Adds the values of the records that a filter left out to the groups that passed. If some are missing, the other groups have no
    /// direction on which their records agree.
    pub fn join_left_out(&mut self) {
        let LeftOutGroups { mut groups, overflowed } = std::mem::take(&mut self.left_out);
        if groups.is_empty() {
            return;
        }
        let missing = Reported { direction: Consensus::Conflict, ..Reported::default() };
        let reported = |group| groups.get_mut(group).copied().or(overflowed.then_some(missing));
        let left_out: Vec<Option<Reported>> = self.subgroups.iter().map(|(key, _)| key.group).map(reported).collect();
        for (sums, left_out) in self.subgroups.values_mut().zip(left_out) {
            let Some(left_out) = left_out else { continue };
            sums.vpc.add(left_out.vpc);
            sums.subnet.add(left_out.subnet);
            sums.direction.merge(left_out.direction);
        }
    }
}
