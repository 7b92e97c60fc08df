//! Accepted TCP connections that only open: their records have SYN and nothing else, and may get no answer.
//!
//! A group has the records of one interface, source, destination, and destination port. Answers are looked up at the end, among all
//! accepted records. The number of groups is limited; above the limit the lightest are evicted, as among the rejected groups
//! ([`crate::aggregate::rejected`]).

mod awaited_replies;
mod rows;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use self::awaited_replies::AwaitedReplies;
pub use self::rows::{OpeningRow, OpeningState};
use crate::aggregate::accepted::{AcceptedFlows, AcceptedRow, AddressFilter};
use crate::aggregate::counters::{Counters, TimeRange, min_some};
use crate::aggregate::interner::{Symbol, SymbolRemap};
use crate::aggregate::packed_map::{PackedKey, PackedMap};
use crate::aggregate::peering::{InterfaceFacts, ReplyScope};
use crate::record::{Direction, Flow, TCP};

/// Key of records that only open connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct OpeningKey {
    /// Where an answer is recorded.
    scope: ReplyScope,
    interface: Option<Symbol>,
    src: Option<IpAddr>,
    dst: IpAddr,
    dstport: u16,
    is_directed: bool,
}

impl PackedKey for OpeningKey {
    fn pack(&self) -> Option<u128> {
        let (Some(IpAddr::V4(src)), IpAddr::V4(dst)) = (self.src, self.dst) else { return None };
        let (scope, interface) = (self.scope.pack(), self.interface.map_or(0, Symbol::get));
        // A scope has 34 bits, of which the lower 32 are a number that is usually small.
        let (kind, number) = (scope >> 32, scope & u64::from(u32::MAX));
        if number >> 26 != 0 || interface >> 19 != 0 {
            return None;
        }
        let recorder = u128::from(kind << 26 | number) << 19 | u128::from(interface);
        let port = u128::from(self.dstport) << 1 | u128::from(self.is_directed);
        Some((recorder << 17 | port) << 64 | u128::from(src.to_bits()) << 32 | u128::from(dst.to_bits()))
    }

    fn unpack(packed: u128) -> OpeningKey {
        // Each cast keeps the bits of one field.
        let (scope, interface) = ((packed >> 100) as u64, (packed >> 81) as u32 & ((1 << 19) - 1));
        OpeningKey {
            scope: ReplyScope::unpack(scope >> 26 << 32 | scope & ((1 << 26) - 1)),
            interface: Symbol::new(interface),
            src: Some(IpAddr::from(((packed >> 32) as u32).to_be_bytes())),
            dst: IpAddr::from((packed as u32).to_be_bytes()),
            dstport: (packed >> 65) as u16,
            is_directed: packed >> 64 & 1 != 0,
        }
    }
}

/// Sums of records with the same key.
#[derive(Debug, Clone, Copy, Default)]
struct OpeningStats {
    tally: Counters,
    seen: TimeRange,
    least_srcport: Option<u16>,
    /// Maximum undercount: the total decrement when the entry was added.
    max_undercount: u32,
}

/// Accepted records that only open connections.
#[derive(Debug, Clone)]
pub struct OpeningFlows {
    openings: PackedMap<OpeningKey, OpeningStats>,
    limit: u64,
    /// Total decrement of all weights (Misra-Gries).
    evicted_weight: u64,
    /// Whether the recorder of each record has a name.
    all_attributed: bool,
}

/// Interface, destination address, and destination port.
type Service = (Option<Symbol>, IpAddr, u16);

/// Connections from one interface to one address and port that all got no answer.
#[derive(Debug, Clone)]
pub struct UnansweredGroup {
    /// Interface that opens the connections.
    pub interface: Option<Symbol>,
    /// Destination address.
    pub dst: IpAddr,
    /// Destination port.
    pub dstport: u16,
    /// The records by source address.
    pub sources: Vec<UnansweredSource>,
    /// Whether `flow-direction` of all records says that they leave the interface.
    pub all_directed: bool,
    /// Whether that of some records does.
    pub some_directed: bool,
}

/// The records of one source address.
#[derive(Debug, Clone, Copy)]
pub struct UnansweredSource {
    /// Source address, if the records have one.
    pub src: Option<IpAddr>,
    /// Smallest source port.
    pub srcport: Option<u16>,
    /// Sums of the records.
    pub tally: Counters,
    /// Time range of the records.
    pub seen: TimeRange,
    scope: ReplyScope,
}

impl OpeningFlows {
    /// Creates an empty collection of at most `limit` entries.
    pub fn new(limit: u64) -> OpeningFlows {
        OpeningFlows { openings: PackedMap::default(), limit, evicted_weight: 0, all_attributed: true }
    }

    /// Returns whether the limit was reached.
    pub fn limit_reached(&self) -> bool {
        self.evicted_weight > 0
    }

    /// Returns whether all records are kept.
    pub fn is_exact(&self) -> bool {
        self.all_attributed && !self.limit_reached()
    }

    /// Returns the number of flows that are kept.
    pub fn kept_flows(&self) -> u64 {
        self.openings.values().fold(0, |flows: u64, stats| flows.saturating_add(stats.tally.flows))
    }

    /// Adds a record that only opens a connection. `scope` is where an answer would be recorded, if that has a name.
    #[inline(never)]
    pub fn observe(&mut self, scope: Option<ReplyScope>, interface: Option<Symbol>, flow: &Flow<'_>) {
        let mut stats = OpeningStats { least_srcport: flow.srcport, ..OpeningStats::default() };
        stats.tally.observe(flow);
        stats.seen.observe(flow.start, flow.end);
        self.observe_stats(scope, interface, flow, &stats);
    }

    /// Adds a record that a filter left out: an answer to it shows that the destination answers.
    pub fn observe_left_out(&mut self, scope: Option<ReplyScope>, interface: Option<Symbol>, flow: &Flow<'_>) {
        self.observe_stats(scope, interface, flow, &OpeningStats::default());
    }

    fn observe_stats(
        &mut self,
        scope: Option<ReplyScope>,
        interface: Option<Symbol>,
        flow: &Flow<'_>,
        stats: &OpeningStats,
    ) {
        let (Some(dst), Some(dstport)) = (flow.dst, flow.dstport) else { return };
        let Some(scope) = scope else {
            self.all_attributed = false;
            return;
        };
        let is_directed = flow.direction == Some(Direction::Egress);
        self.add(OpeningKey { scope, interface, src: flow.src, dst, dstport, is_directed }, stats, 0);
    }

    /// Merges the records of another analysis. `interfaces` and `places` map its symbols.
    pub fn merge(&mut self, other: &OpeningFlows, interfaces: &SymbolRemap, places: &SymbolRemap) {
        let their_evicted_weight = u32::try_from(other.evicted_weight).unwrap_or(u32::MAX);
        if their_evicted_weight > 0 {
            let stats = self.openings.values_mut();
            stats.for_each(|stats| stats.max_undercount = stats.max_undercount.saturating_add(their_evicted_weight));
        }
        self.evicted_weight = self.evicted_weight.saturating_add(other.evicted_weight);
        for (key, stats) in other.openings.iter() {
            let interface = key.interface.and_then(|id| interfaces.get(id));
            match key.scope.remap(interfaces, places) {
                Some(scope) if interface.is_some() == key.interface.is_some() => {
                    self.add(OpeningKey { scope, interface, ..key }, stats, their_evicted_weight);
                }
                _ => self.all_attributed = false,
            }
        }
        self.all_attributed &= other.all_attributed;
    }

    /// Adds records, of which an entry that another analysis lacks may have lost this many.
    fn add(&mut self, key: OpeningKey, stats: &OpeningStats, lost_there: u32) {
        let max_undercount = u32::try_from(self.evicted_weight).unwrap_or(u32::MAX);
        let ours = self.openings.entry(key, || OpeningStats { max_undercount, ..OpeningStats::default() });
        ours.max_undercount = ours.max_undercount.saturating_sub(lost_there).saturating_add(stats.max_undercount);
        ours.tally.merge(stats.tally);
        ours.seen.merge(stats.seen);
        ours.least_srcport = min_some(ours.least_srcport, stats.least_srcport);
        if self.openings.len() as u64 > self.limit {
            let evicted_weight = self.evicted_weight;
            let amount = self.openings.decrement_all(|stats| {
                // A record that a filter left out has no flows.
                let flows = stats.tally.flows.max(1);
                flows.saturating_add(u64::from(stats.max_undercount)).saturating_sub(evicted_weight)
            });
            self.evicted_weight = evicted_weight.saturating_add(amount);
        }
    }

    /// Returns the groups of at least `min_flows` flows from their interface of which none was answered, in no particular order.
    /// Returns none if accepted records were discarded, because an answer may be among them.
    pub fn unanswered(
        &self,
        min_flows: u64,
        accepted: &AcceptedFlows,
        facts: &impl InterfaceFacts,
    ) -> Vec<UnansweredGroup> {
        let mut groups: HashMap<Service, UnansweredGroup, RandomState> = HashMap::default();
        for (key, stats) in self.openings.iter() {
            let OpeningKey { scope, interface, src, dst, dstport, is_directed } = key;
            if is_directed || src.is_some_and(|src| facts.owns(interface, src)) {
                let group = groups.entry((interface, dst, dstport)).or_insert_with(|| UnansweredGroup {
                    interface,
                    dst,
                    dstport,
                    sources: Vec::new(),
                    all_directed: true,
                    some_directed: false,
                });
                let is_counted = stats.tally.flows > 0;
                group.all_directed &= is_directed || !is_counted;
                group.some_directed |= is_directed && is_counted;
                let OpeningStats { tally, seen, least_srcport: srcport, .. } = *stats;
                group.sources.push(UnansweredSource { src, srcport, tally, seen, scope });
            }
        }
        groups.retain(|_, group| group.tally().flows >= min_flows);
        if groups.is_empty() || !accepted.is_complete() {
            return Vec::new();
        }
        remove_answered(&mut groups, accepted, facts);
        let mut groups: Vec<UnansweredGroup> = groups.into_values().collect();
        // Sources of records that a filter left out have only helped to find answers.
        groups.iter_mut().for_each(|group| group.sources.retain(|source| source.tally.flows > 0));
        groups
    }
}

impl OpeningFlows {
    /// Keeps the records that nothing answered.
    pub fn close(&mut self, accepted: &AcceptedFlows, facts: &impl InterfaceFacts) {
        let groups = self.unanswered(1, accepted, facts);
        let kept: HashSet<Service, RandomState> =
            groups.iter().map(|group| (group.interface, group.dst, group.dstport)).collect();
        let all = std::mem::take(&mut self.openings);
        for (key, stats) in all.iter() {
            let OpeningKey { interface, src, dst, dstport, is_directed, .. } = key;
            let leaves = is_directed || src.is_some_and(|src| facts.owns(interface, src));
            if leaves && kept.contains(&(interface, dst, dstport)) {
                self.openings.entry(key, || *stats);
            }
        }
    }
}

impl UnansweredGroup {
    /// Returns the sums of all records.
    pub fn tally(&self) -> Counters {
        let mut tally = Counters::default();
        self.sources.iter().for_each(|source| tally.merge(source.tally));
        tally
    }
}

/// Removes the groups of which an accepted record shows an answer.
fn remove_answered(
    groups: &mut HashMap<Service, UnansweredGroup, RandomState>,
    accepted: &AcceptedFlows,
    facts: &impl InterfaceFacts,
) {
    let filter = AddressFilter::new(groups.keys().map(|(_, dst, _)| *dst));
    let mut awaited = AwaitedReplies::default();
    for (key, group) in &*groups {
        awaited.add(*key, &group.sources);
    }
    accepted.for_each_at(&filter, |row| {
        let AcceptedRow { tuple, stage, has_vpc_id, .. } = row;
        if stage.is_answered() && filter.may_contain(tuple.dst) {
            let key = (tuple.interface, tuple.dst, tuple.dstport);
            if groups.contains_key(&key) && (stage.is_directed() || facts.owns(tuple.interface, tuple.src)) {
                groups.remove(&key);
            }
        }
        if row.ends().is_some_and(|(protocol, ..)| protocol == Some(TCP)) && filter.may_contain(tuple.src) {
            let here = || facts.reply_scope(tuple.interface, has_vpc_id);
            awaited.take((tuple.src, tuple.dst), tuple.interface, here, |service| {
                groups.remove(&service);
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::recorder::VpcRef;
    use crate::topology::VpcIndex;

    fn scope() -> impl Strategy<Value = ReplyScope> {
        prop_oneof![
            any::<u32>().prop_map(|vpc| ReplyScope::Vpc(VpcRef::Known(VpcIndex::new(vpc)))),
            (1_u32..).prop_map(|name| ReplyScope::Vpc(Symbol::new(name).map_or(VpcRef::Unknown, VpcRef::Named))),
            (0_u32..9).prop_map(|id| ReplyScope::Interface(Symbol::new(id))),
        ]
    }

    proptest! {
        #[test]
        fn a_packed_key_unpacks_to_itself(scope in scope(), interface in 0_u32..1 << 20, src: [u8; 4], dst: [u8; 4],
                                          dstport: u16, is_directed: bool) {
            let (src, dst) = (IpAddr::from(src), IpAddr::from(dst));
            let key = OpeningKey { scope, interface: Symbol::new(interface), src: Some(src), dst, dstport, is_directed };
            prop_assert!(key.pack().is_none_or(|packed| OpeningKey::unpack(packed) == key));
        }
    }
}
