//! Rejected groups, after all records are read.
//!
//! Invariants: `members` has the index of each subgroup once, sorted by group. `starts` has the index in `members` where each group
//! starts; it ends where the next one starts. No group is empty.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::SubgroupStats;
use super::keys::{GroupKey, SubgroupKey};
use crate::aggregate::consensus::{Consensus, ReportedId};
use crate::aggregate::counters::{Counters, TimeRange};
use crate::aggregate::packed_map::{PackedKey, PackedMap};
use crate::aggregate::rejected::cause::{Cause, RuleId, RuleOutcome, TrafficCause};
use crate::record::Direction;

/// All groups of rejected records, in the order of their first record.
#[derive(Debug)]
pub struct Groups {
    subgroups: PackedMap<SubgroupKey, SubgroupStats>,
    /// Indexes of the subgroups, grouped by group.
    members: Vec<u32>,
    /// Start of each group in `members`.
    starts: Vec<u32>,
    /// Sums of each group.
    tallies: Vec<Counters>,
}

/// A group of rejected records.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    /// Key of the group.
    pub key: GroupKey,
    subgroups: &'a PackedMap<SubgroupKey, SubgroupStats>,
    members: &'a [u32],
}

/// Records of one group with the same cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subgroup {
    /// Cause of the rejection.
    pub cause: Cause,
    /// The cause as far as the traffic shows it.
    pub by_traffic: TrafficCause,
    /// Rule that rejects the records.
    pub rule: Option<RuleId>,
    /// Whether the records look like answers, whose requests another input may have.
    pub has_answer_shape: bool,
    /// Smallest source port.
    pub srcport: Option<u16>,
    /// Whether `tcp-flags` shows for each record that it opens a connection.
    pub is_syn: bool,
    /// Whether the records have SYN and ACK.
    pub is_syn_ack: bool,
    /// Sums of the records.
    pub tally: Counters,
    /// Time range of the records.
    pub seen: TimeRange,
}

/// What the rules say about the records of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleOutcomes {
    /// About the records whose traffic leaves the cause open.
    pub open: Option<RuleOutcome>,
    /// About the answers.
    pub answers: Option<RuleOutcome>,
}

impl Subgroup {
    /// Reports whether the records are answers, whose requests were accepted.
    pub fn is_answer(&self) -> bool {
        self.by_traffic == TrafficCause::Answer
    }

    /// Reports whether the records may be attempts to open a connection: neither late packets, nor answers, nor what may be an answer.
    pub fn may_be_attempt(&self) -> bool {
        self.cause != Cause::OutOfState && !self.is_answer() && !self.has_answer_shape
    }

    /// Creates a subgroup, and decides its cause.
    fn new(key: SubgroupKey, sums: &SubgroupStats) -> Subgroup {
        let by_traffic = key.hint.by_traffic(key.group.protocol, key.group.dstport, sums.facts);
        Subgroup {
            cause: sums.facts.cause(by_traffic),
            by_traffic,
            rule: sums.facts.rule(by_traffic),
            has_answer_shape: key.hint.has_answer_shape,
            srcport: sums.least_srcport,
            is_syn: !sums.syn_unconfirmed,
            is_syn_ack: key.hint.is_syn_ack(),
            tally: sums.tally,
            seen: sums.seen,
        }
    }
}

impl Groups {
    /// Groups all subgroups by their group, with a counting sort.
    #[expect(
        clippy::indexing_slicing,
        reason = "each subgroup has the index of a group, and each group has a first subgroup"
    )]
    pub(super) fn new(subgroups: PackedMap<SubgroupKey, SubgroupStats>) -> Groups {
        let hasher = RandomState::default();
        let hash =
            |group: GroupKey| group.pack().map_or_else(|| hasher.hash_one(group), |packed| hasher.hash_one(packed));
        let group = |index: u32| subgroups.at(index as usize).0.group;
        // By the first subgroup of each group: which group it is.
        let mut ids: HashTable<(u32, u32)> = HashTable::with_capacity(subgroups.len());
        // Nearly all groups have one subgroup.
        let mut starts: Vec<u32> = Vec::with_capacity(subgroups.len());
        let mut tallies: Vec<Counters> = Vec::with_capacity(subgroups.len());
        let mut group_of = Vec::with_capacity(subgroups.len());
        for (index, (key, sums)) in (0..).zip(subgroups.iter()) {
            let hash_of_group = hash(key.group);
            let known = ids.find(hash_of_group, |(first, _)| group(*first) == key.group);
            let id = known.map_or(starts.len() as u32, |(_, id)| *id);
            if known.is_none() {
                ids.insert_unique(hash_of_group, (index, id), |(first, _)| hash(group(*first)));
                starts.push(0);
                tallies.push(Counters::default());
            }
            starts[id as usize] += 1;
            tallies[id as usize].merge(sums.tally);
            group_of.push(id);
        }
        // Converts the number of subgroups of each group to its start.
        let mut next = 0;
        for start in &mut starts {
            next += std::mem::replace(start, next);
        }
        let mut members = vec![0; group_of.len()];
        for (index, id) in (0..).zip(group_of) {
            let end = &mut starts[id as usize];
            members[*end as usize] = index;
            *end += 1;
        }
        // Each start now is an end, which is the start of the next group.
        let mut previous = 0;
        for start in &mut starts {
            previous = std::mem::replace(start, previous);
        }
        Groups { subgroups, members, starts, tallies }
    }

    /// Decides the causes that depend on the direction of a group.
    #[expect(clippy::indexing_slicing, reason = "a member is the index of a subgroup")]
    pub fn decide_by_direction(&mut self, is_egress: impl Fn(&Group<'_>) -> bool) {
        let mut decided: Vec<bool> = Vec::new();
        for group in self.iter().filter(Group::needs_direction) {
            if is_egress(&group) {
                decided.resize(self.subgroups.len(), false);
                group.members.iter().for_each(|member| decided[*member as usize] = true);
            }
        }
        for (sums, is_egress) in self.subgroups.values_mut().zip(decided) {
            sums.facts.is_egress = is_egress;
        }
    }

    /// Decides the causes that the traffic leaves open, by the rules of the topology. `outcome` evaluates them for a group and the cause by
    /// traffic of some of its records.
    #[expect(clippy::indexing_slicing, reason = "a member is the index of a subgroup")]
    pub fn decide_by_rules(&mut self, mut outcomes: impl FnMut(&Group<'_>) -> RuleOutcomes) {
        let mut decided = vec![None; self.subgroups.len()];
        for group in self.iter() {
            let RuleOutcomes { open, answers } = outcomes(&group);
            if open.is_none() && answers.is_none() {
                continue;
            }
            for (member, subgroup) in group.members.iter().zip(group.subgroups()) {
                decided[*member as usize] = match subgroup.by_traffic {
                    TrafficCause::Open => open,
                    TrafficCause::Answer => answers,
                    TrafficCause::Known(_) | TrafficCause::Dropped => None,
                };
            }
        }
        for (sums, outcome) in self.subgroups.values_mut().zip(decided) {
            sums.facts.by_rules = outcome;
        }
    }

    /// Returns the number of groups.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Returns whether there are no groups.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Returns all groups.
    pub fn iter(&self) -> impl Iterator<Item = Group<'_>> {
        (0..self.starts.len()).map(|id| self.get(id))
    }

    /// Returns the group with this index.
    ///
    /// # Panics
    /// If there are fewer.
    #[expect(
        clippy::indexing_slicing,
        reason = "each subgroup has the index of a group, and each group has a first subgroup"
    )]
    pub fn get(&self, id: usize) -> Group<'_> {
        let end = self.starts.get(id + 1).map_or(self.members.len(), |end| *end as usize);
        let members = &self.members[self.starts[id] as usize..end];
        let key = self.subgroups.at(members[0] as usize).0.group;
        Group { key, subgroups: &self.subgroups, members }
    }

    /// Returns the key of the group with this index.
    ///
    /// # Panics
    /// If there are fewer.
    #[expect(
        clippy::indexing_slicing,
        reason = "each subgroup has the index of a group, and each group has a first subgroup"
    )]
    pub fn key(&self, id: usize) -> GroupKey {
        let first = self.members[self.starts[id] as usize];
        self.subgroups.at(first as usize).0.group
    }

    /// Returns the subgroups of all groups, in no particular order.
    pub fn subgroups(&self) -> impl Iterator<Item = (GroupKey, Subgroup)> {
        self.subgroups.iter().map(|(key, sums)| (key.group, Subgroup::new(key, sums)))
    }

    /// Returns the subgroup at this index of [`Groups::subgroups`].
    ///
    /// # Panics
    /// If there are fewer.
    pub fn subgroup(&self, index: usize) -> (GroupKey, Subgroup) {
        let (key, sums) = self.subgroups.at(index);
        (key.group, Subgroup::new(key, sums))
    }

    /// Returns the sums of each group, in the order of [`Groups::iter`].
    pub fn tallies(&self) -> &[Counters] {
        &self.tallies
    }
}

impl<'a> Group<'a> {
    /// Returns the subgroups with their keys.
    fn entries(&self) -> impl Iterator<Item = (SubgroupKey, &'a SubgroupStats)> + use<'a> {
        let subgroups = self.subgroups;
        self.members.iter().map(|index| subgroups.at(*index as usize))
    }

    /// Returns whether the cause of a record depends on the direction.
    fn needs_direction(&self) -> bool {
        self.entries().any(|(key, _)| key.hint.needs_direction())
    }

    /// Returns its subgroups, in no particular order.
    pub fn subgroups(&self) -> impl Iterator<Item = Subgroup> + use<'a> {
        self.entries().map(|(key, sums)| Subgroup::new(key, sums))
    }

    /// Returns the consensus on `flow-direction`.
    pub fn direction(&self) -> Consensus<Direction> {
        let mut direction = Consensus::Unknown;
        self.entries().for_each(|(_, sums)| direction.merge(sums.direction));
        direction
    }

    /// Returns the VPC that its records report.
    pub fn vpc(&self) -> ReportedId {
        let mut vpc = ReportedId::default();
        self.entries().for_each(|(_, sums)| vpc.add(sums.vpc));
        vpc
    }

    /// Returns the subnet that its records report.
    pub fn subnet(&self) -> ReportedId {
        let mut subnet = ReportedId::default();
        self.entries().for_each(|(_, sums)| subnet.add(sums.subnet));
        subnet
    }

    /// Returns the time range of its records.
    pub fn seen(&self) -> TimeRange {
        let mut seen = TimeRange::default();
        self.entries().for_each(|(_, sums)| seen.merge(sums.seen));
        seen
    }

    /// Returns the number of flows by cause.
    pub fn causes(&self) -> BTreeMap<Cause, u64> {
        let mut causes = BTreeMap::new();
        for subgroup in self.subgroups() {
            *causes.entry(subgroup.cause).or_default() += subgroup.tally.flows;
        }
        causes
    }

    /// Returns the cause of most flows. At a tie, the first in the order of [`Cause`] wins.
    pub fn cause(&self) -> Cause {
        let causes = self.causes().into_iter();
        let most = causes.max_by_key(|(cause, flows)| (*flows, Reverse(*cause)));
        most.map_or(Cause::SecurityGroupOrNetworkAcl, |(cause, _)| cause)
    }
}
