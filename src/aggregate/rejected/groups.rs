//! Rejected groups, once all records are read.

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
use crate::aggregate::rejected::cause::Cause;
use crate::record::Direction;

/// All groups of rejected records, in the order in which they were first met.
#[derive(Debug)]
pub struct Groups {
    parts: PackedMap<SubgroupKey, SubgroupStats>,
    /// The places of the parts, those of one group beside each other.
    places: Vec<u32>,
    /// Where among these each group begins. It ends where the next one begins.
    starts: Vec<u32>,
    /// The sums of each group.
    tallies: Vec<Counters>,
}

/// A group of rejected records.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    /// What its records have in common.
    pub key: GroupKey,
    parts: &'a PackedMap<SubgroupKey, SubgroupStats>,
    places: &'a [u32],
}

/// Records of one group with one cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subgroup {
    /// Why they were rejected.
    pub cause: Cause,
    /// The least source port among them.
    pub srcport: Option<u16>,
    /// Whether `tcp-flags` of each shows that it was to open a connection.
    pub opening: bool,
    /// Their sums.
    pub tally: Counters,
    /// When they were seen.
    pub seen: TimeRange,
}

impl Subgroup {
    fn of(key: SubgroupKey, sums: &SubgroupStats) -> Subgroup {
        Subgroup {
            cause: key.basis.decide(key.group.dstport, sums.alike, sums.reverse_tuple_accepted),
            srcport: sums.least_srcport,
            opening: !sums.unproven,
            tally: sums.tally,
            seen: sums.seen,
        }
    }
}

impl Groups {
    /// Of all parts, those of each group put beside each other.
    pub(super) fn of(parts: PackedMap<SubgroupKey, SubgroupStats>) -> Groups {
        let hasher = RandomState::default();
        let hash =
            |group: GroupKey| group.pack().map_or_else(|| hasher.hash_one(group), |packed| hasher.hash_one(packed));
        let group = |place: u32| parts.at(place as usize).0.group;
        // By the first part of each group: which group it is.
        let mut numbers: HashTable<(u32, u32)> = HashTable::with_capacity(parts.len());
        // Nearly all groups have one part.
        let mut starts: Vec<u32> = Vec::with_capacity(parts.len());
        let mut tallies: Vec<Counters> = Vec::with_capacity(parts.len());
        let mut of_parts = Vec::with_capacity(parts.len());
        for (place, (key, sums)) in (0..).zip(parts.iter()) {
            let hash_of_group = hash(key.group);
            let known = numbers.find(hash_of_group, |(first, _)| group(*first) == key.group);
            let number = known.map_or(starts.len() as u32, |(_, number)| *number);
            if known.is_none() {
                numbers.insert_unique(hash_of_group, (place, number), |(first, _)| hash(group(*first)));
                starts.push(0);
                tallies.push(Counters::default());
            }
            starts[number as usize] += 1;
            tallies[number as usize].merge(sums.tally);
            of_parts.push(number);
        }
        // From how many parts each group has to where it begins.
        let mut next = 0;
        for start in &mut starts {
            next += std::mem::replace(start, next);
        }
        let mut places = vec![0; of_parts.len()];
        for (place, number) in (0..).zip(of_parts) {
            let end = &mut starts[number as usize];
            places[*end as usize] = place;
            *end += 1;
        }
        // Now each says where it ends, which is where the next one begins.
        let mut begin = 0;
        starts.iter_mut().for_each(|start| begin = std::mem::replace(start, begin));
        Groups { parts, places, starts, tallies }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Group<'_>> {
        (0..self.starts.len()).map(|number| self.get(number))
    }

    /// One of them, by its number.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn get(&self, number: usize) -> Group<'_> {
        let end = self.starts.get(number + 1).map_or(self.places.len(), |end| *end as usize);
        let places = &self.places[self.starts[number] as usize..end];
        let key = self.parts.at(places[0] as usize).0.group;
        Group { key, parts: &self.parts, places }
    }

    /// The parts of all groups, in no order.
    pub fn parts(&self) -> impl Iterator<Item = (GroupKey, Subgroup)> {
        self.parts.iter().map(|(key, sums)| (key.group, Subgroup::of(key, sums)))
    }

    /// One of [`Groups::parts`], by its place there.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn part(&self, place: usize) -> (GroupKey, Subgroup) {
        let (key, sums) = self.parts.at(place);
        (key.group, Subgroup::of(key, sums))
    }

    /// The sums of each group, in the order of [`Groups::iter`].
    pub fn tallies(&self) -> &[Counters] {
        &self.tallies
    }
}

impl<'a> Group<'a> {
    fn entries(&self) -> impl Iterator<Item = (SubgroupKey, &'a SubgroupStats)> + use<'a> {
        let parts = self.parts;
        self.places.iter().map(|place| parts.at(*place as usize))
    }

    /// Its records by cause and, where the cause hung on it, by source port; in no order.
    pub fn parts(&self) -> impl Iterator<Item = Subgroup> + use<'a> {
        self.entries().map(|(key, sums)| Subgroup::of(key, sums))
    }

    /// `flow-direction`, as its records have it.
    pub fn direction(&self) -> Consensus<Direction> {
        let mut direction = Consensus::Unknown;
        self.entries().for_each(|(_, sums)| direction.merge(sums.direction));
        direction
    }

    /// The VPC that its records name.
    pub fn vpc(&self) -> ReportedId {
        let mut vpc = ReportedId::default();
        self.entries().for_each(|(_, sums)| vpc.add(sums.vpc));
        vpc
    }

    /// When its records were seen.
    pub fn seen(&self) -> TimeRange {
        let mut seen = TimeRange::default();
        self.entries().for_each(|(_, sums)| seen.merge(sums.seen));
        seen
    }

    /// Flows by cause.
    pub fn causes(&self) -> BTreeMap<Cause, u64> {
        let mut causes = BTreeMap::new();
        for part in self.parts() {
            *causes.entry(part.cause).or_default() += part.tally.flows;
        }
        causes
    }

    /// The cause of most flows; at a tie, the first in the order of [`Cause`].
    pub fn cause(&self) -> Cause {
        let causes = self.causes().into_iter();
        let most = causes.max_by_key(|(cause, flows)| (*flows, Reverse(*cause)));
        most.map_or(Cause::SecurityGroupOrNetworkAcl, |(cause, _)| cause)
    }
}
