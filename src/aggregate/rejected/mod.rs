//! Aggregates rejected records by group, and within a group by subgroups, whose records have the same cause hint.
//!
//! The number of subgroups is limited. At the limit, subgroups that differ only by source port are merged first. If that is not enough,
//! the lightest subgroups are evicted by the algorithm of Misra and Gries (*Finding repeated elements*, 1982): all weights are decremented
//! by the median, and subgroups whose weight falls to 0 are dropped.
//!
//! Invariants: the flows of a subgroup are too low by at most its `max_undercount`, which is the total decrement at the time when it was
//! added; a dropped group had at most `evicted_weight` flows per cause hint. Sums by placement are not limited in this way and stay exact.

pub mod cause;
mod correlate;
mod distinct;
mod eviction;
mod groups;
mod keys;
mod left_out;
mod rows;

use std::net::IpAddr;

use datasketches::hll::{HllSketch, HllType, HllUnion};

pub use self::groups::{Group, Groups, RuleOutcomes, Subgroup};
pub use self::keys::{GroupKey, Placement};
use self::keys::{SubgroupKey, identity};
use self::left_out::LeftOutGroups;
pub use self::rows::{PlacementRow, RejectedRow, RejectedState};
use crate::aggregate::consensus::{Consensus, ReportedId};
use crate::aggregate::counters::{Counters, TimeRange, min_some};
use crate::aggregate::interfaces::{InterfaceRef, Interfaces};
use crate::aggregate::interner::{Interner, Symbol, SymbolRemap};
use crate::aggregate::packed_map::{OrderedMap, PackedMap};
use crate::aggregate::rejected::cause::{CauseFacts, CauseHint};
use crate::config::Limits;
use crate::record::{Direction, Flow, TCP, UDP};

/// Rejected records, while they are read.
#[derive(Debug, Clone)]
pub struct RejectedFlows {
    subgroups: PackedMap<SubgroupKey, SubgroupStats>,
    /// Rejected traffic by interface, VPC, and subnet, as reported by the records.
    places: OrderedMap<Placement, Counters>,
    limits: Limits,
    /// Whether subgroups are still split by source port, so that causes can be decided by accepted flows.
    split_by_port: bool,
    /// Total decrement of all weights.
    evicted_weight: u64,
    /// Whether a merge joined groups after an eviction, because their interfaces had no room.
    merged_after_eviction: bool,
    /// Whether a tracked interface may also have records counted under "no interface". This happens when merged inputs tracked different
    /// interfaces.
    interfaces_split: bool,
    /// Bit set of the cause hints that occur: a group may have a subgroup for each.
    causes: u32,
    /// Estimates the number of groups, once groups were dropped.
    distinct: Option<HllSketch>,
    /// Whether all records are summed under the placement that they report.
    places_are_complete: bool,
    left_out: LeftOutGroups,
}

/// Sums of a subgroup.
#[derive(Debug, Clone, Copy, Default)]
struct SubgroupStats {
    tally: Counters,
    seen: TimeRange,
    /// Maximum undercount: the total decrement when the subgroup was added.
    max_undercount: u32,
    vpc: ReportedId,
    subnet: ReportedId,
    direction: Consensus<Direction>,
    least_srcport: Option<u16>,
    /// Whether a record is not known to open a connection.
    syn_unconfirmed: bool,
    /// What decides the cause, once all records are read.
    facts: CauseFacts,
}

/// Base-2 logarithm of the number of registers of the sketch.
const DISTINCT_LG_K: u8 = 14;

impl Default for RejectedFlows {
    fn default() -> RejectedFlows {
        RejectedFlows::new(&Limits::default())
    }
}

impl RejectedFlows {
    /// Creates an empty collection with these limits.
    pub fn new(limits: &Limits) -> RejectedFlows {
        RejectedFlows {
            subgroups: PackedMap::default(),
            places: OrderedMap::default(),
            limits: *limits,
            split_by_port: true,
            evicted_weight: 0,
            merged_after_eviction: false,
            interfaces_split: false,
            causes: 0,
            distinct: None,
            places_are_complete: true,
            left_out: LeftOutGroups::default(),
        }
    }

    /// Adds a rejected record of this interface. `places` interns VPC and subnet ids.
    #[inline(never)]
    pub fn observe(&mut self, interface: InterfaceRef, interfaces: &Interfaces, flow: Flow<'_>, places: &mut Interner) {
        let flow = &flow;
        let InterfaceRef { id: interface, is_tracked, vpc } = interface;
        let group =
            GroupKey { interface, src: flow.src, dst: flow.dst, dstport: flow.dstport, protocol: flow.protocol };
        let hint = CauseHint::from_flow(interface, flow);
        // Untracked interfaces share one entry, so accepted flows of one must not decide the cause of another.
        let hint = if is_tracked { hint } else { hint.without_port() };
        let subnet = flow.subnet_id.and_then(|name| places.intern(name));
        let is_complete = vpc.is_some() == flow.vpc_id.is_some() && subnet.is_some() == flow.subnet_id.is_some();
        let place = Placement { interface, vpc, subnet, is_complete };
        let mut sums = SubgroupStats {
            vpc: ReportedId::new(flow.vpc_id, place.vpc),
            subnet: ReportedId::new(flow.subnet_id, place.subnet),
            least_srcport: flow.srcport,
            syn_unconfirmed: flow.protocol != Some(TCP) || !flow.tcp_flags.are_present() || !flow.tcp_flags.may_open(),
            ..SubgroupStats::default()
        };
        if let Some(direction) = flow.direction {
            sums.direction.observe(direction);
        }
        sums.tally.observe(flow);
        sums.seen.observe(flow.start, flow.end);
        let max_undercount = u32::try_from(self.evicted_weight).unwrap_or(u32::MAX);
        self.entry(SubgroupKey { group, hint }, max_undercount, interfaces).add(&sums);
        self.enforce_limit(interfaces);
        self.counters_of(place).observe(flow);
    }

    /// Merges the rejected records of another analysis. `numbers` maps its interface symbols to those of `interfaces`, `places` its VPC and
    /// subnet symbols.
    pub fn merge(
        &mut self,
        other: &RejectedFlows,
        (interfaces, numbers): (&Interfaces, &SymbolRemap),
        places: &SymbolRemap,
    ) {
        let interface_here = |id: Option<Symbol>| id.and_then(|id| numbers.get(id));
        let their_evicted_weight = u32::try_from(other.evicted_weight).unwrap_or(u32::MAX);
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
        // A subgroup that only one of the two has may have been evicted from the other.
        if their_evicted_weight > 0 {
            self.subgroups
                .values_mut()
                .for_each(|sums| sums.max_undercount = sums.max_undercount.saturating_add(their_evicted_weight));
        }
        self.evicted_weight = self.evicted_weight.saturating_add(other.evicted_weight);
        self.merged_after_eviction |= other.merged_after_eviction || other.evicted_weight > 0 && !numbers.is_complete();
        self.interfaces_split |= other.interfaces_split;
        for (key, theirs) in other.subgroups.iter() {
            let interface = interface_here(key.group.interface);
            let is_tracked = interface.is_some() || key.group.interface.is_none();
            let group = GroupKey { interface, ..key.group };
            let hint = if is_tracked { key.hint } else { key.hint.without_port() };
            let evicted_weight = u32::try_from(self.evicted_weight).unwrap_or(u32::MAX);
            let ours = self.entry(SubgroupKey { group, hint }, evicted_weight, interfaces);
            ours.max_undercount =
                ours.max_undercount.saturating_sub(their_evicted_weight).saturating_add(theirs.max_undercount);
            ours.merge(theirs, places);
            self.enforce_limit(interfaces);
        }
        for (place, tally) in &other.places {
            let symbol_here = |id: Option<Symbol>| id.and_then(|id| places.get(id));
            let (vpc, subnet) = (symbol_here(place.vpc), symbol_here(place.subnet));
            let is_kept = vpc.is_some() == place.vpc.is_some() && subnet.is_some() == place.subnet.is_some();
            let is_complete = place.is_complete && is_kept;
            let here = Placement { interface: interface_here(place.interface), vpc, subnet, is_complete };
            self.counters_of(here).merge(*tally);
        }
        self.causes |= other.causes;
        self.left_out.merge(&other.left_out, self.limits.max_rejected_groups, numbers, places);
        self.places_are_complete &= other.places_are_complete;
    }

    /// Returns rejected traffic by placement, in the order of the first record.
    pub fn places(&self) -> impl Iterator<Item = (Placement, Counters)> {
        self.places.iter().map(|(place, tally)| (*place, *tally))
    }

    /// Returns whether all records are summed under the placement that they report.
    pub fn places_are_complete(&self) -> bool {
        self.places_are_complete
    }

    /// Returns source, destination, port, and protocol of the records over TCP and UDP that may be attempts to open a connection.
    pub fn attempts(&self) -> impl Iterator<Item = (IpAddr, IpAddr, u16, u8)> {
        let attempts = self.subgroups.iter().filter(|(key, _)| key.hint.may_be_attempt());
        attempts.filter_map(|(SubgroupKey { group, .. }, _)| {
            let protocol = group.protocol.filter(|protocol| [TCP, UDP].contains(protocol))?;
            Some((group.src?, group.dst?, group.dstport?, protocol))
        })
    }

    /// Returns the groups. Call [`RejectedFlows::correlate_accepted`] before, so that accepted flows decide their causes.
    pub fn into_groups(self) -> Groups {
        Groups::new(self.subgroups)
    }

    /// Returns the sums of a subgroup, which may be new.
    fn entry(&mut self, key: SubgroupKey, max_undercount: u32, interfaces: &Interfaces) -> &mut SubgroupStats {
        let hint = if self.split_by_port { key.hint } else { key.hint.without_port() };
        self.causes |= hint.mask();
        let distinct = &mut self.distinct;
        self.subgroups.entry(SubgroupKey { hint, ..key }, || {
            distinct.iter_mut().for_each(|distinct| distinct.update(identity(&key.group, interfaces)));
            SubgroupStats { max_undercount, ..SubgroupStats::default() }
        })
    }

    /// Returns the counters of a placement, or of its interface alone if there is no room for it.
    fn counters_of(&mut self, place: Placement) -> &mut Counters {
        // Placements without VPC and subnet are bounded by the limit of interfaces.
        let is_above_limit = self.places.len() as u64 >= self.limits.max_interfaces
            && (place.vpc.is_some() || place.subnet.is_some())
            && !self.places.contains_key(&place);
        self.places_are_complete &= !is_above_limit;
        let place =
            if is_above_limit { Placement { vpc: None, subnet: None, is_complete: false, ..place } } else { place };
        self.places.entry(place).or_default()
    }
}

impl SubgroupStats {
    /// Adds the sums of another analysis.
    fn merge(&mut self, other: &SubgroupStats, places: &SymbolRemap) {
        let (vpc, subnet) = (self.vpc, self.subnet);
        self.add(other);
        (self.vpc, self.subnet) = (vpc, subnet);
        self.vpc.merge(other.vpc, places);
        self.subnet.merge(other.subnet, places);
    }

    /// Adds sums of the same analysis.
    fn add(&mut self, other: &SubgroupStats) {
        self.tally.merge(other.tally);
        self.seen.merge(other.seen);
        self.vpc.add(other.vpc);
        self.subnet.add(other.subnet);
        self.direction.merge(other.direction);
        self.least_srcport = min_some(self.least_srcport, other.least_srcport);
        self.syn_unconfirmed |= other.syn_unconfirmed;
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
        build::build_summary(analysis, &SummaryOptions::default(), None).rejected
    }

    #[test]
    fn a_group_has_the_cause_of_most_flows() {
        // Without SYN they are late; with it, the cause is open.
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
    fn an_absent_key_part_makes_its_own_group() {
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
    fn groups_are_sorted_by_flows_packets_bytes_and_key() {
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
    fn equal_sums_are_sorted_by_name_with_null_first() {
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
    fn every_sum_includes_every_record() {
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
        // The VPC of eni-1 is disputed; for eni-2, an accepted record reports it.
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
