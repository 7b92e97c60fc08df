//! Rejected records, by group and by what each group's records say of the cause.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::cause::{Basis, Cause};
use crate::let_through::{LetThrough, Tuple};
use crate::names::{Agreed, NameId, Names, Renumbered, Said};
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
    vpc: Said,
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
    /// The VPC that its records name.
    pub vpc: Said,
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
        let open = &mut self.groups[group as usize];
        flow.direction.into_iter().for_each(|direction| open.direction.observe(direction));
        open.vpc.observe(flow.vpc_id, places);
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
            let ours = &mut self.groups[number as usize];
            ours.direction.merge(theirs.direction);
            ours.vpc.merge(theirs.vpc, places);
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
        // Only what goes to a port that is not lower may be an answer.
        let answered = |tuple: Tuple| (tuple.srcport <= tuple.dstport).then(|| tuple.reversed());
        let accepted = let_through.among(asked.flat_map(|tuple| std::iter::once(tuple).chain(answered(tuple))));
        let mut groups: Vec<Group> = self
            .groups
            .iter()
            .map(|open| Group { key: open.key, direction: open.direction, vpc: open.vpc, parts: Vec::new() })
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
            self.groups.push(OpenGroup { key, direction: Agreed::Unsaid, vpc: Said::default() });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{self, Options};
    use crate::report::{self, Settings};
    use crate::summary::Rejected;

    fn rejected(header: &str, records: &[&str]) -> Rejected {
        let log = format!("{header}\n{}", records.join("\n"));
        let analysis = pipeline::analyze("case", log.as_bytes(), &Options::default()).expect("a flow log");
        assert_eq!(analysis.records.malformed, 0, "{:?}", analysis.malformed);
        report::finish(&analysis, &Settings::default(), None).rejected
    }

    #[test]
    fn the_cause_of_a_group_is_that_of_most_flows_and_at_a_tie_the_earlier() {
        let part = |cause, flows| Part {
            cause,
            srcport: None,
            opening: false,
            tally: Tally { flows, packets: 1, bytes: 1 },
            seen: Seen::default(),
        };
        let key = GroupKey { interface: None, src: None, dst: None, dstport: None, protocol: None };
        let group =
            |parts: &[Part]| Group { key, direction: Agreed::Unsaid, vpc: Said::default(), parts: parts.to_vec() };
        let (late, open) = (Cause::OutOfState, Cause::SecurityGroupOrNetworkAcl);
        assert_eq!(group(&[part(open, 2), part(late, 1)]).cause(), open);
        assert_eq!(group(&[part(open, 2), part(late, 1), part(late, 1)]).cause(), late);
        assert_eq!(group(&[part(open, 2), part(late, 1)]).causes(), [(late, 1), (open, 2)].into());
    }

    #[test]
    fn an_absent_part_makes_a_group_of_its_own() {
        let header = "interface-id srcaddr dstaddr dstport protocol action";
        let rejected = rejected(
            header,
            &[
                "eni-1 10.0.0.1 10.0.0.2 22 6 REJECT",
                "- 10.0.0.1 10.0.0.2 22 6 REJECT",
                "eni-1 10.0.0.1 10.0.0.2 - 6 REJECT",
                "eni-1 10.0.0.1 10.0.0.2 22 - REJECT",
            ],
        );
        let keys: Vec<_> = rejected.groups.iter().map(|g| (g.interface_id.as_deref(), g.dstport, g.protocol)).collect();
        let eni = Some("eni-1");
        assert_eq!(
            keys,
            [(None, Some(22), Some(6)), (eni, None, Some(6)), (eni, Some(22), None), (eni, Some(22), Some(6))]
        );
    }

    #[test]
    fn groups_are_ordered_by_flows_packets_bytes_and_then_by_value() {
        let header = "interface-id srcaddr dstaddr dstport protocol packets bytes action";
        let rejected = rejected(
            header,
            &[
                "eni-1 2001:db8::1 10.0.0.2 22 6 1 10 REJECT",
                "eni-1 10.0.0.10 10.0.0.2 22 6 1 10 REJECT",
                "eni-1 10.0.0.9 10.0.0.2 100 6 1 10 REJECT",
                "eni-1 10.0.0.9 10.0.0.2 22 6 1 10 REJECT",
                "eni-1 10.0.0.8 10.0.0.2 22 6 1 11 REJECT",
                "eni-1 10.0.0.7 10.0.0.2 22 6 2 1 REJECT",
                "eni-1 10.0.0.6 10.0.0.2 22 6 1 1 REJECT",
                "eni-1 10.0.0.6 10.0.0.2 22 6 - - REJECT",
            ],
        );
        let order: Vec<_> = rejected
            .groups
            .iter()
            .map(|g| format!("{} {}", g.srcaddr.expect("an address"), g.dstport.expect("a port")))
            .collect();
        assert_eq!(
            order,
            [
                "10.0.0.6 22",
                "10.0.0.7 22",
                "10.0.0.8 22",
                "10.0.0.9 22",
                "10.0.0.9 100",
                "10.0.0.10 22",
                "2001:db8::1 22",
            ]
        );
    }

    #[test]
    fn equal_sums_are_ordered_by_name_and_what_is_absent_comes_first() {
        let header = "interface-id vpc-id subnet-id srcaddr dstaddr action";
        let rejected = rejected(
            header,
            &[
                "eni-2 vpc-2 subnet-2 10.0.0.1 10.0.0.2 REJECT",
                "- - - 10.0.0.1 10.0.0.2 REJECT",
                "eni-1 vpc-1 subnet-1 10.0.0.1 10.0.0.2 REJECT",
            ],
        );
        let [none, one, two] = ["-", "1", "2"];
        let last = |id: &Option<String>| id.as_deref().map_or(none, |id| if id.ends_with('1') { one } else { two });
        assert_eq!(
            rejected.by_interface.iter().map(|row| last(&row.interface_id)).collect::<Vec<_>>(),
            [none, one, two]
        );
        assert_eq!(rejected.by_subnet.iter().map(|row| last(&row.subnet_id)).collect::<Vec<_>>(), [none, one, two]);
        assert_eq!(rejected.by_vpc.iter().map(|row| last(&row.vpc_id)).collect::<Vec<_>>(), [none, one, two]);
    }

    #[test]
    fn every_sum_holds_every_record() {
        let header = "interface-id vpc-id subnet-id srcaddr dstaddr packets bytes action";
        let rejected = rejected(
            header,
            &[
                "eni-1 vpc-1 subnet-1 10.0.0.1 10.0.0.2 1 10 REJECT",
                "eni-1 vpc-1 - 10.0.0.1 10.0.0.2 2 20 REJECT",
                "eni-1 vpc-2 subnet-1 10.0.0.1 10.0.0.2 4 40 REJECT",
                "eni-2 - subnet-2 10.0.0.1 10.0.0.2 8 80 REJECT",
                "- vpc-2 - 10.0.0.1 10.0.0.2 16 160 REJECT",
                "eni-2 vpc-9 subnet-2 10.0.0.1 10.0.0.2 32 320 ACCEPT",
            ],
        );
        let name = |id: &Option<String>| id.clone().unwrap_or_else(|| "-".to_owned());
        let interfaces: Vec<_> = rejected
            .by_interface
            .iter()
            .map(|r| {
                format!("{} {} {} {}", name(&r.interface_id), name(&r.vpc_id), name(&r.subnet_id), r.tally.packets)
            })
            .collect();
        // Of eni-1 the VPC is disputed; of eni-2 an accepted record tells it.
        assert_eq!(interfaces, ["eni-1 - subnet-1 7", "- vpc-2 - 16", "eni-2 vpc-9 subnet-2 8"]);
        let subnets: Vec<_> = rejected
            .by_subnet
            .iter()
            .map(|r| format!("{} {} {}", name(&r.subnet_id), name(&r.vpc_id), r.tally.packets))
            .collect();
        assert_eq!(subnets, ["- - 18", "subnet-1 - 5", "subnet-2 - 8"]);
        let vpcs: Vec<_> = rejected.by_vpc.iter().map(|r| format!("{} {}", name(&r.vpc_id), r.tally.packets)).collect();
        assert_eq!(vpcs, ["vpc-2 20", "vpc-1 3", "- 8"]);
    }
}
