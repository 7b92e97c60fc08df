//! Rejected records, by group and by what each group's records say of the cause.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::cause::{Basis, Cause};
use crate::let_through::{LetThrough, Tuple};
use crate::names::{Agreed, NameId, Names, Renumbered};
use crate::record::{Direction, Flow, TCP, TcpFlags};
use crate::tally::{Seen, Tally, least};

/// What makes rejected records one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GroupKey {
    /// Interface, if the records name one.
    pub interface: Option<NameId>,
    /// Source address.
    pub src: Option<IpAddr>,
    /// Destination address.
    pub dst: Option<IpAddr>,
    /// Destination port.
    pub dstport: Option<u16>,
    /// IANA protocol number.
    pub protocol: Option<u8>,
}

/// The rejected records of a report, while it is being read.
#[derive(Debug, Clone, Default)]
pub struct Rejects {
    numbers: HashMap<GroupKey, u32, RandomState>,
    groups: Vec<OpenGroup>,
    parts: HashMap<PartKey, PartSums, RandomState>,
    /// Rejected traffic by the places that the records themselves name.
    places: HashMap<Place, Tally, RandomState>,
}

/// A group, while its causes are open.
#[derive(Debug, Clone, Copy)]
struct OpenGroup {
    key: GroupKey,
    direction: Agreed<Direction>,
}

/// Interface, VPC and subnet that a record names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Interface.
    pub interface: Option<NameId>,
    /// VPC.
    pub vpc: Option<NameId>,
    /// Subnet.
    pub subnet: Option<NameId>,
}

/// The records of a group that stand and fall together when the causes are decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct PartKey {
    group: u32,
    basis: Basis,
}

#[derive(Debug, Clone, Copy, Default)]
struct PartSums {
    tally: Tally,
    seen: Seen,
    least_srcport: Option<u16>,
    /// Whether there is a record that does not say it opened a connection.
    unproven: bool,
}

/// A group of rejected records, its causes decided.
#[derive(Debug, Clone)]
pub struct Group {
    /// What its records have in common.
    pub key: GroupKey,
    /// `flow-direction`, as its records have it.
    pub direction: Agreed<Direction>,
    /// Its records by cause and, where the cause hung on it, by source port. Sorted.
    pub parts: Vec<Part>,
}

/// Records of one group with one cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Why they were rejected.
    pub cause: Cause,
    /// The least source port among them.
    pub srcport: Option<u16>,
    /// Whether `tcp-flags` of each shows that it was to open a connection.
    pub opening: bool,
    /// Their sums.
    pub tally: Tally,
    /// When they were seen.
    pub seen: Seen,
}

impl Rejects {
    /// Takes in a rejected record of this interface. `places` holds the names of VPCs and subnets.
    pub fn observe(&mut self, interface: Option<NameId>, flow: &Flow<'_>, places: &mut Names) {
        let key = GroupKey { interface, src: flow.src, dst: flow.dst, dstport: flow.dstport, protocol: flow.protocol };
        let group = self.number(key);
        if let Some(direction) = flow.direction {
            self.groups[group as usize].direction.observe(direction);
        }
        let basis = Basis::of(interface, flow);
        let part = self.parts.entry(PartKey { group, basis }).or_default();
        part.tally.observe(flow);
        part.seen.observe(flow.start, flow.end);
        part.least_srcport = least(part.least_srcport, flow.srcport);
        part.unproven |= flow.protocol != Some(TCP) || flow.tcp_flags != TcpFlags::WithSyn;
        let mut intern = |name: Option<&[u8]>| name.map(|name| places.intern(name));
        let place = Place { interface, vpc: intern(flow.vpc_id), subnet: intern(flow.subnet_id) };
        self.places.entry(place).or_default().observe(flow);
    }

    /// Takes in another report's rejected records, whose interfaces and places have those numbers here.
    pub fn merge(&mut self, other: &Rejects, interfaces: &Renumbered, places: &Renumbered) {
        let interface_here = |id: Option<NameId>| id.map(|id| interfaces.of(id));
        let mut numbers = Vec::with_capacity(other.groups.len());
        for theirs in &other.groups {
            let number = self.number(GroupKey { interface: interface_here(theirs.key.interface), ..theirs.key });
            self.groups[number as usize].direction.merge(theirs.direction);
            numbers.push(number);
        }
        for (key, theirs) in &other.parts {
            let ours = self.parts.entry(PartKey { group: numbers[key.group as usize], ..*key }).or_default();
            ours.tally.merge(theirs.tally);
            ours.seen.merge(theirs.seen);
            ours.least_srcport = least(ours.least_srcport, theirs.least_srcport);
            ours.unproven |= theirs.unproven;
        }
        for (place, tally) in &other.places {
            let place_here = |id: Option<NameId>| id.map(|id| places.of(id));
            let here = Place {
                interface: interface_here(place.interface),
                vpc: place_here(place.vpc),
                subnet: place_here(place.subnet),
            };
            self.places.entry(here).or_default().merge(*tally);
        }
    }

    /// Rejected traffic by place, in no order.
    pub fn places(&self) -> impl Iterator<Item = (Place, Tally)> {
        self.places.iter().map(|(place, tally)| (*place, *tally))
    }

    /// Decides the causes by what was let through, and gives the groups in the order in which they were first met.
    pub fn decide(&self, let_through: &LetThrough) -> Vec<Group> {
        let asked = self.parts.keys().filter_map(|key| self.tuple(*key));
        let accepted = let_through.among(asked.flat_map(|tuple| [tuple, tuple.reversed()]));
        let mut groups: Vec<Group> = self
            .groups
            .iter()
            .map(|open| Group { key: open.key, direction: open.direction, parts: Vec::new() })
            .collect();
        for (key, sums) in &self.parts {
            let cause = key.basis.decide(self.tuple(*key), &accepted);
            groups[key.group as usize].parts.push(Part {
                cause,
                srcport: sums.least_srcport,
                opening: !sums.unproven,
                tally: sums.tally,
                seen: sums.seen,
            });
        }
        for group in &mut groups {
            group.parts.sort_unstable_by_key(|part| (part.cause, part.srcport, part.tally));
        }
        groups
    }

    fn number(&mut self, key: GroupKey) -> u32 {
        let next = self.groups.len();
        *self.numbers.entry(key).or_insert_with(|| {
            self.groups.push(OpenGroup { key, direction: Agreed::Unsaid });
            u32::try_from(next).expect("every group takes memory: there are never 2^32")
        })
    }

    /// The tuple of records whose cause hangs on what was let through.
    fn tuple(&self, key: PartKey) -> Option<Tuple> {
        let srcport = key.basis.srcport()?;
        let group = self.groups[key.group as usize].key;
        Some(Tuple {
            interface: group.interface,
            protocol: group.protocol?,
            src: group.src?,
            dst: group.dst?,
            srcport,
            dstport: group.dstport?,
        })
    }
}

impl Group {
    /// The sums over all its records.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.parts.iter().for_each(|part| tally.merge(part.tally));
        tally
    }

    /// When its records were seen.
    pub fn seen(&self) -> Seen {
        let mut seen = Seen::default();
        self.parts.iter().for_each(|part| seen.merge(part.seen));
        seen
    }

    /// Flows by cause.
    pub fn causes(&self) -> BTreeMap<Cause, u64> {
        let mut causes = BTreeMap::new();
        for part in &self.parts {
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
