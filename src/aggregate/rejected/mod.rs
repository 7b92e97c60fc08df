//! Rejected records, by group and by what each group's records say of the cause.
//!
//! What is kept has a limit. Where it is reached, first the source ports go that causes hang on; where that is not enough,
//! the lightest entries, by the algorithm of Misra and Gries (*Finding repeated elements*, 1982): all weights are lowered by
//! the median, and what falls to nothing is dropped. What was dropped may come again; so the flows of an entry are too few by
//! no more than all that was lowered before it came.

pub mod cause;
mod correlate;
mod eviction;
mod groups;
mod keys;

use datasketches::hll::{HllSketch, HllType, HllUnion};

pub use self::groups::{Group, Groups, Subgroup};
pub use self::keys::{GroupKey, Placement};
use self::keys::{SubgroupKey, identity};
use crate::aggregate::consensus::{Consensus, ReportedId};
use crate::aggregate::counters::{Counters, TimeRange, least};
use crate::aggregate::interfaces::{InterfaceRef, Interfaces};
use crate::aggregate::interner::{Interner, Symbol, SymbolRemap};
use crate::aggregate::packed_map::{self, PackedMap, Sought};
use crate::aggregate::rejected::cause::CauseHint;
use crate::config::Limits;
use crate::record::{Direction, Flow, SynFlag, TCP};

/// The rejected records of a report, while it is being read.
#[derive(Debug, Clone)]
pub struct RejectedFlows {
    parts: PackedMap<SubgroupKey, SubgroupStats>,
    /// Records that are still to be added to these: fewer than are looked for at once.
    waiting: Vec<(Sought<SubgroupKey>, SubgroupStats)>,
    /// Rejected traffic by the places that the records themselves name.
    places: PackedMap<Placement, Counters>,
    limits: Limits,
    /// Whether causes that hang on source ports are still kept apart.
    split_by_port: bool,
    /// By how much all weights were lowered.
    lowered: u64,
    /// Whether groups that had been lowered became one: of interfaces for which there was no room in a merged report.
    merged_after_eviction: bool,
    /// Whether records of interfaces that are kept may be among those of none: of merged reports each keeps its own first ones.
    interfaces_split: bool,
    /// Of which causes there are records, as bits: a group may have an entry for each.
    causes: u8,
    /// How many groups there are, about, since some were dropped.
    distinct: Option<HllSketch>,
    /// Whether no record was summed without its interface, VPC or subnet for lack of room.
    places_are_complete: bool,
}

/// The sums of a part.
#[derive(Debug, Clone, Copy, Default)]
struct SubgroupStats {
    tally: Counters,
    seen: TimeRange,
    /// By how much all weights had been lowered when it came: so many of its flows may be missing.
    missing: u32,
    vpc: ReportedId,
    direction: Consensus<Direction>,
    least_srcport: Option<u16>,
    /// Whether there is a record that does not say it opened a connection.
    unproven: bool,
    /// Whether an accepted record is alike.
    alike: bool,
    /// Whether one is alike the other way round.
    reverse_tuple_accepted: bool,
}

/// The sketch has 2^14 registers.
const DISTINCT_LG_K: u8 = 14;

impl Default for RejectedFlows {
    fn default() -> RejectedFlows {
        RejectedFlows::new(&Limits::default())
    }
}

impl RejectedFlows {
    /// Which keep no more than that.
    pub fn new(limits: &Limits) -> RejectedFlows {
        RejectedFlows {
            parts: PackedMap::default(),
            waiting: Vec::new(),
            places: PackedMap::default(),
            limits: *limits,
            split_by_port: true,
            lowered: 0,
            merged_after_eviction: false,
            interfaces_split: false,
            causes: 0,
            distinct: None,
            places_are_complete: true,
        }
    }

    /// Takes in a rejected record of this one of the interfaces. `places` holds the names of VPCs and subnets.
    #[inline(never)]
    pub fn observe(&mut self, interface: InterfaceRef, interfaces: &Interfaces, flow: Flow<'_>, places: &mut Interner) {
        let flow = &flow;
        let InterfaceRef { id: interface, is_tracked, vpc } = interface;
        let group =
            GroupKey { interface, src: flow.src, dst: flow.dst, dstport: flow.dstport, protocol: flow.protocol };
        let basis = CauseHint::of(interface, flow);
        // What other records say of an interface that is not known by itself is not said of this one.
        let basis = if is_tracked { basis } else { basis.closed() };
        let subnet = flow.subnet_id.and_then(|name| places.intern(name));
        let is_whole = vpc.is_some() == flow.vpc_id.is_some() && subnet.is_some() == flow.subnet_id.is_some();
        let place = Placement { interface, vpc, subnet, is_whole };
        let mut sums = SubgroupStats {
            vpc: ReportedId::of(flow.vpc_id, place.vpc),
            least_srcport: flow.srcport,
            unproven: flow.protocol != Some(TCP) || flow.tcp_flags != SynFlag::WithSyn,
            ..SubgroupStats::default()
        };
        flow.direction.into_iter().for_each(|direction| sums.direction.observe(direction));
        sums.tally.observe(flow);
        sums.seen.observe(flow.start, flow.end);
        self.waiting.push((self.parts.seek(SubgroupKey { group, basis }), sums));
        self.place(place).observe(flow);
        if self.waiting.len() >= packed_map::AT_ONCE {
            self.settle(interfaces);
        }
    }

    /// Adds the records that wait.
    pub fn settle(&mut self, interfaces: &Interfaces) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.iter_mut().for_each(|(part, _)| self.parts.locate(part));
        for (part, _) in &waiting {
            if let Some(sums) = self.parts.prefetch(part) {
                // Read, so that it is fetched with those of the others.
                std::hint::black_box(sums.missing);
            }
        }
        for (part, sums) in &waiting {
            let missing = u32::try_from(self.lowered).unwrap_or(u32::MAX);
            self.entry(part, missing, interfaces).add(sums);
            self.enforce_limit(interfaces);
        }
        waiting.clear();
        self.waiting = waiting;
    }

    /// Takes in another report's rejected records, whose interfaces, which are among these, and places have those numbers
    /// here.
    pub fn merge(
        &mut self,
        other: &RejectedFlows,
        (interfaces, numbers): (&Interfaces, &SymbolRemap),
        places: &SymbolRemap,
    ) {
        let interface_here = |id: Option<Symbol>| id.and_then(|id| numbers.of(id));
        let theirs_lowered = u32::try_from(other.lowered).unwrap_or(u32::MAX);
        if !other.split_by_port {
            self.merge_ports();
        }
        if let Some(theirs) = &other.distinct {
            let ours = self.count_distinct(interfaces);
            let mut both = HllUnion::new(DISTINCT_LG_K).ok();
            if let Some(both) = &mut both {
                both.update(ours);
                both.update(theirs);
                *ours = both.to_sketch(HllType::Hll8);
            }
        }
        // What only one of the two has may have been dropped by the other.
        if theirs_lowered > 0 {
            self.parts.iter_mut().for_each(|(_, sums)| sums.missing = sums.missing.saturating_add(theirs_lowered));
        }
        self.lowered += other.lowered;
        self.merged_after_eviction |= other.merged_after_eviction || other.lowered > 0 && !numbers.is_complete();
        self.interfaces_split |= other.interfaces_split;
        for (key, theirs) in other.parts.iter() {
            let interface = interface_here(key.group.interface);
            let is_tracked = interface.is_some() || key.group.interface.is_none();
            let group = GroupKey { interface, ..key.group };
            let basis = if is_tracked { key.basis } else { key.basis.closed() };
            let lowered = u32::try_from(self.lowered).unwrap_or(u32::MAX);
            let part = self.parts.seek(SubgroupKey { group, basis });
            let ours = self.entry(&part, lowered, interfaces);
            ours.missing = ours.missing.saturating_sub(theirs_lowered).saturating_add(theirs.missing);
            ours.merge(theirs, places);
            self.enforce_limit(interfaces);
        }
        for (place, tally) in other.places.iter() {
            let place_here = |id: Option<Symbol>| id.and_then(|id| places.of(id));
            let (vpc, subnet) = (place_here(place.vpc), place_here(place.subnet));
            let are_kept = vpc.is_some() == place.vpc.is_some() && subnet.is_some() == place.subnet.is_some();
            let is_whole = place.is_whole && are_kept;
            let here = Placement { interface: interface_here(place.interface), vpc, subnet, is_whole };
            self.place(here).merge(*tally);
        }
        self.causes |= other.causes;
        self.places_are_complete &= other.places_are_complete;
    }

    /// Rejected traffic by place, as first met.
    pub fn places(&self) -> impl Iterator<Item = (Placement, Counters)> {
        self.places.iter().map(|(place, tally)| (place, *tally))
    }

    /// Whether the sums by place are by the places that all records name.
    pub fn places_are_complete(&self) -> bool {
        self.places_are_complete
    }

    /// The groups. Their causes are decided by what was let through, if that has been [looked at](RejectedFlows::correlate_accepted).
    pub fn into_groups(self) -> Groups {
        Groups::of(self.parts)
    }

    fn entry(&mut self, part: &Sought<SubgroupKey>, missing: u32, interfaces: &Interfaces) -> &mut SubgroupStats {
        let key = part.key();
        let basis = if self.split_by_port { key.basis } else { key.basis.closed() };
        self.causes |= basis.bit();
        let distinct = &mut self.distinct;
        let new = || {
            distinct.iter_mut().for_each(|distinct| distinct.update(identity(&key.group, interfaces)));
            SubgroupStats { missing, ..SubgroupStats::default() }
        };
        if basis == key.basis {
            self.parts.entry_for(part, new)
        } else {
            self.parts.entry(SubgroupKey { basis, ..key }, new)
        }
    }

    fn place(&mut self, place: Placement) -> &mut Counters {
        // Those of no VPC and subnet are no more than there are interfaces, which have a limit of their own.
        let is_beyond = self.places.len() as u64 >= self.limits.max_interfaces
            && (place.vpc.is_some() || place.subnet.is_some())
            && self.places.get_mut(place).is_none();
        self.places_are_complete &= !is_beyond;
        let place = if is_beyond { Placement { vpc: None, subnet: None, is_whole: false, ..place } } else { place };
        self.places.entry(place, Counters::default)
    }
}

impl SubgroupStats {
    fn merge(&mut self, other: &SubgroupStats, places: &SymbolRemap) {
        let vpc = self.vpc;
        self.add(other);
        self.vpc = vpc;
        self.vpc.merge(other.vpc, places);
    }

    /// Takes in sums of the same report.
    fn add(&mut self, other: &SubgroupStats) {
        self.tally.merge(other.tally);
        self.seen.merge(other.seen);
        self.vpc.add(other.vpc);
        self.direction.merge(other.direction);
        self.least_srcport = least(self.least_srcport, other.least_srcport);
        self.unproven |= other.unproven;
    }
}

#[cfg(test)]
mod tests {
    use crate::aggregate::rejected::cause::Cause;
    use crate::pipeline::{self, Options};
    use crate::summary::Rejected;
    use crate::summary::build::{self, SummaryOptions};

    fn rejected(header: &str, records: &[&str]) -> Rejected {
        let log = format!("{header}\n{}", records.join("\n"));
        let analysis = pipeline::analyze("case", log.as_bytes(), &Options::default()).expect("a flow log");
        assert_eq!(analysis.records.malformed, 0, "{:?}", analysis.malformed);
        build::finish(analysis, &SummaryOptions::default(), None).rejected
    }

    #[test]
    fn the_cause_of_a_group_is_that_of_most_flows_and_at_a_tie_the_earlier() {
        // Without SYN they are late; with it, nobody knows.
        let causes = |late: usize, open: usize| {
            let record = |flags: u8| format!("10.0.0.1 10.0.0.2 40000 22 6 {flags} REJECT");
            let records = [vec![record(0); late], vec![record(2); open]].concat();
            let records: Vec<&str> = records.iter().map(String::as_str).collect();
            let rejected = rejected("srcaddr dstaddr srcport dstport protocol tcp-flags action", &records);
            (rejected.groups[0].cause, rejected.groups[0].causes.clone())
        };
        let (late, open) = (Cause::OutOfState, Cause::SecurityGroupOrNetworkAcl);
        assert_eq!(causes(1, 2), (open, [(late, 1), (open, 2)].into()));
        assert_eq!(causes(2, 2), (late, [(late, 2), (open, 2)].into()));
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
