//! Aggregates traffic between VPCs by own VPC, protocol, and both addresses. A pair has both directions, so that replies are found in
//! any order of the records. Replies may come in by another interface of the same VPC, but what the far VPC sent is no proof that it
//! arrived; so the records of each VPC make pairs of their own.
//!
//! Invariants: the sums in `ClassTable` include every classified record, also above the limits. The number of pairs and of their
//! further sums is limited; above the limit the lightest pairs are evicted, as among the rejected groups
//! ([`crate::aggregate::rejected`]). For a pair that was added after an eviction, an absent reply proves nothing, and `max_undercount` is
//! above 0.

mod by_class;
mod classes;
mod left_out;
mod pairs;
mod reply_scope;
mod rows;

use std::net::IpAddr;

pub use self::by_class::{ClassView, ClassifiedFlows, FlowsByClass};
use self::classes::{ClassId, ClassPair, ClassTable};
pub use self::classes::{ClassTotals, ExternalScope, Side, TrafficClass};
use self::left_out::LeftOutTraffic;
pub use self::pairs::FlowStats;
use self::pairs::{ACTIONS, Pair, SumKey};
pub use self::reply_scope::{InterfaceFacts, ReplyScope};
pub use self::rows::{ClassRow, PairRow, PeeringState, ScopeRow};
use crate::aggregate::interfaces::InterfaceRef;
use crate::aggregate::interner::SymbolRemap;
use crate::aggregate::packed_map::{PackedKey, PackedMap};
use crate::aggregate::recorder::{FlowRecorder, VpcCache, VpcRef};
use crate::record::{Action, Flow, TCP};
use crate::topology::{Location, PackedLocation, Topology};

/// Values of `traffic-path` for a peering connection: within a region, and between regions.
pub const PEERING_PATHS: [u64; 2] = [4, 5];
/// Value of `traffic-path` for another resource in the same VPC.
pub const SAME_VPC_PATH: u64 = 1;

/// Recorder, protocol, and addresses. A record and its reply have the same, with the addresses swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressPair {
    /// Where a reply is recorded.
    pub scope: ReplyScope,
    /// IANA protocol number.
    pub protocol: Option<u8>,
    /// Source.
    pub src: Option<IpAddr>,
    /// Destination.
    pub dst: Option<IpAddr>,
}

/// Protocol, source, and destination.
pub type Ends = (Option<u8>, Option<IpAddr>, Option<IpAddr>);

impl AddressPair {
    /// Returns the key of both directions, and which direction this is.
    #[inline]
    fn pair(self) -> (AddressPair, usize) {
        let is_turned = match (self.src, self.dst) {
            (Some(IpAddr::V4(src)), Some(IpAddr::V4(dst))) => dst.to_bits() < src.to_bits(),
            (src, dst) => dst < src,
        };
        if is_turned { (AddressPair { src: self.dst, dst: self.src, ..self }, 1) } else { (self, 0) }
    }

    /// Returns protocol, source, and destination.
    pub fn ends(&self) -> Ends {
        (self.protocol, self.src, self.dst)
    }

    /// Returns the addresses of one direction of the pair.
    fn direction(self, direction: usize) -> AddressPair {
        if direction == 0 { self } else { AddressPair { src: self.dst, dst: self.src, ..self } }
    }
}

impl PackedKey for AddressPair {
    fn pack(&self) -> Option<u128> {
        let (Some(IpAddr::V4(src)), Some(IpAddr::V4(dst))) = (self.src, self.dst) else { return None };
        let protocol = self.protocol.map_or(0, |protocol| 1 << 8 | u128::from(protocol));
        let addresses = u128::from(src.to_bits()) << 32 | u128::from(dst.to_bits());
        Some(u128::from(self.scope.pack()) << 80 | protocol << 64 | addresses)
    }

    fn unpack(packed: u128) -> AddressPair {
        // Each cast keeps the bits of one field.
        let protocol = (packed >> 64) as u16;
        AddressPair {
            scope: ReplyScope::unpack((packed >> 80) as u64),
            protocol: (protocol >> 8 != 0).then_some(protocol as u8),
            src: Some(IpAddr::from(((packed >> 32) as u32).to_be_bytes())),
            dst: Some(IpAddr::from((packed as u32).to_be_bytes())),
        }
    }
}

/// Traffic between VPCs, while records are read.
#[derive(Debug, Clone)]
pub struct InterVpcTraffic {
    pairs: PackedMap<AddressPair, Pair>,
    /// Number of further sums in all pairs.
    further_sums: u64,
    classes: ClassTable,
    limit: u64,
    /// Total decrement of all weights (Misra-Gries).
    evicted_weight: u64,
    /// Whether all records have their class pair.
    complete: bool,
    /// Whether replies may be missing from the pairs, so that an absent reply proves nothing.
    replies_incomplete: bool,
    /// Whether all records are of tracked interfaces.
    all_interfaces_kept: bool,
    left_out: LeftOutTraffic,
}

/// Limit of further sums per pair of the limit. Most pairs have none, or one or two with `traffic-path`.
const FURTHER_SUMS_PER_PAIR: u64 = 2;

impl InterVpcTraffic {
    /// Creates an empty collection of at most `limit` pairs of addresses.
    pub fn new(limit: u64) -> InterVpcTraffic {
        InterVpcTraffic {
            pairs: PackedMap::default(),
            further_sums: 0,
            classes: ClassTable::default(),
            limit,
            evicted_weight: 0,
            complete: true,
            replies_incomplete: false,
            all_interfaces_kept: true,
            left_out: LeftOutTraffic::default(),
        }
    }

    /// Returns whether all pairs are kept, with all their records.
    pub fn is_exact(&self) -> bool {
        !self.limit_reached() && self.all_interfaces_kept
    }

    /// Returns whether a limit was reached.
    pub fn limit_reached(&self) -> bool {
        !self.complete || self.evicted_weight > 0
    }

    /// Returns the number of classified records.
    pub fn classified_flows(&self) -> u64 {
        self.classes.all.iter().fold(0, |flows: u64, (_, totals)| flows.saturating_add(totals.records().flows))
    }

    /// Returns the number of classified records that are kept by address.
    pub fn kept_flows(&self) -> u64 {
        self.pairs.values().fold(0, |flows: u64, pair| flows.saturating_add(pair.flows()))
    }

    /// Adds a record. Returns whether it goes from one known VPC to another, or through a peering connection to an address in none. A
    /// record that is not `COUNTED` was left out by a filter: it may be a reply, but is in no sum.
    #[inline(always)]
    pub fn observe<const COUNTED: bool>(
        &mut self,
        interface: InterfaceRef,
        flow: &Flow<'_>,
        topology: &Topology,
        cache: &mut VpcCache,
    ) -> bool {
        let (src, dst) = (locate(flow.src, topology), locate(flow.dst, topology));
        // Nearly all records stay in one VPC, or come from or go to an address outside of all VPCs.
        let stays = (src == dst) & src.is_in_one_vpc();
        let goes_out = (dst == PackedLocation::OUTSIDE) & !goes_through_peering(flow.traffic_path);
        let comes_in = (src == PackedLocation::OUTSIDE) & dst.is_in_one_vpc();
        let is_plain = stays | goes_out | comes_in;
        if is_plain & !src.is_contested(dst) {
            return false;
        }
        // By value: a reference would force every record out of registers.
        self.observe_classified::<COUNTED>((interface, *flow), topology, cache, (src, dst))
    }

    /// Adds a record that may have a class or be a reply.
    #[inline(never)]
    #[expect(clippy::indexing_slicing, reason = "a direction is 0 or 1")]
    fn observe_classified<const COUNTED: bool>(
        &mut self,
        (interface, flow): (InterfaceRef, Flow<'_>),
        topology: &Topology,
        cache: &mut VpcCache,
        (src, dst): (PackedLocation, PackedLocation),
    ) -> bool {
        let is_contested = src.is_contested(dst);
        let mut recorder = FlowRecorder { flow: &flow, interface, topology, cache };
        let mut decide = |location, address: Option<IpAddr>| {
            address.map_or(Location::Outside, |address| topology.decide(location, address, &mut recorder))
        };
        let (src, dst) = (decide(src, flow.src), decide(dst, flow.dst));
        let class = classify(&flow, (src, dst), &mut recorder);
        let is_between = matches!(class, Some((TrafficClass::Between(..), _)));
        let leaves_vpc = is_between || matches!(class, Some((TrafficClass::External(..), _)));
        // Another route may locate a contested address elsewhere, so that this record is the reply to one of another class.
        let replies = flow.action == Action::Accept && (is_between || is_contested);
        if class.is_none() && !replies {
            return leaves_vpc;
        }
        if !COUNTED {
            class.iter().for_each(|(class, _)| self.left_out.observe(*class, &flow));
        }
        let own = recorder.own_vpc();
        let class = class.filter(|_| COUNTED).map(|class| {
            // There was no room for the name of an own VPC that the topology does not know: it is neither of the two.
            let side = own.map_or(Side::Elsewhere, |own| Side::of(class.0, own));
            self.classes.count(class, &flow, side, self.limit)
        });
        let InterfaceRef { id: interface, is_tracked, .. } = interface;
        // Without room for the name of the own VPC, or of the interface where that is unknown, replies cannot be attributed.
        let Some(own) = own.filter(|own| is_tracked || *own != VpcRef::Unknown) else {
            self.mark_replies_incomplete();
            return leaves_vpc;
        };
        self.all_interfaces_kept &= is_tracked;
        self.complete &= class.is_none_or(|class| class.is_complete);
        let scope = ReplyScope::new(own, interface);
        let addresses = AddressPair { scope, protocol: flow.protocol, src: flow.src, dst: flow.dst };
        let (key, direction) = addresses.pair();
        let max_undercount = u32::try_from(self.evicted_weight).unwrap_or(u32::MAX);
        let pair = self.pairs.entry(key, || Pair::new(max_undercount));
        pair.may_be_reply[direction] |= replies;
        pair.has_rejected[direction] |= flow.action == Action::Reject && is_between;
        // Records of untracked interfaces have no example; only the totals count.
        if let Some(ClassId { id, .. }) = class.filter(|_| is_tracked) {
            let mut sums = FlowStats::default();
            sums.observe(&flow);
            let shows_answer = flow.protocol == Some(TCP) && flow.tcp_flags.show_an_answer();
            let key = SumKey { class: id, interface, shows_answer };
            let ends = (direction, flow.action);
            self.complete &= pair.add((&mut self.further_sums, &mut self.classes), ends, key, &sums);
        }
        self.enforce_limit();
        leaves_vpc
    }

    /// Marks replies as incomplete: any record may have a reply that is not kept.
    pub fn mark_replies_incomplete(&mut self) {
        self.all_interfaces_kept = false;
        self.replies_incomplete = true;
    }

    /// Merges the traffic of another analysis. `interfaces` and `places` map its symbols.
    #[expect(clippy::indexing_slicing, reason = "a direction is 0 or 1, and a label is an index of its table")]
    pub fn merge(&mut self, other: &InterVpcTraffic, interfaces: &SymbolRemap, places: &SymbolRemap) {
        let class_here = |class: TrafficClass| match class {
            TrafficClass::External(VpcRef::Named(name), scope) => {
                TrafficClass::External(places.get(name).map_or(VpcRef::Unknown, VpcRef::Named), scope)
            }
            class => class,
        };
        let mut classes_here = Vec::with_capacity(other.classes.all.len());
        for ((first, second), totals) in &other.classes.all {
            let class = (class_here(*first), second.map(class_here));
            let ClassId { id, is_complete } = self.classes.id_of(class, self.limit);
            self.classes.all[id as usize].1.merge(totals);
            self.complete &= is_complete;
            classes_here.push(id);
        }
        let their_evicted_weight = u32::try_from(other.evicted_weight).unwrap_or(u32::MAX);
        // A pair that only one of the two has may have been evicted from the other.
        if their_evicted_weight > 0 {
            self.pairs
                .values_mut()
                .for_each(|pair| pair.max_undercount = pair.max_undercount.saturating_add(their_evicted_weight));
        }
        self.evicted_weight = self.evicted_weight.saturating_add(other.evicted_weight);
        for (key, theirs) in other.pairs.iter() {
            let Some(scope) = key.scope.remap(interfaces, places) else {
                // Without room for its name: only the totals count.
                self.mark_replies_incomplete();
                continue;
            };
            let key = AddressPair { scope, ..key };
            let evicted_weight = u32::try_from(self.evicted_weight).unwrap_or(u32::MAX);
            let ours = self.pairs.entry(key, || Pair::new(evicted_weight));
            ours.max_undercount =
                ours.max_undercount.saturating_sub(their_evicted_weight).saturating_add(theirs.max_undercount);
            for direction in 0..2 {
                ours.may_be_reply[direction] |= theirs.may_be_reply[direction];
                ours.has_rejected[direction] |= theirs.has_rejected[direction];
                for action in ACTIONS {
                    for (key, sums) in theirs.sums(direction, action) {
                        let interface = key.interface.and_then(|id| interfaces.get(id));
                        if interface.is_none() && key.interface.is_some() {
                            // An untracked interface: only the totals count.
                            self.all_interfaces_kept = false;
                            continue;
                        }
                        let key = SumKey { class: classes_here[key.class as usize], interface, ..key };
                        let ends = (direction, action);
                        self.complete &= ours.add((&mut self.further_sums, &mut self.classes), ends, key, sums);
                    }
                }
            }
            self.enforce_limit();
        }
        self.left_out.merge(&other.left_out, self.limit);
        self.complete &= other.complete;
        self.all_interfaces_kept &= other.all_interfaces_kept;
        self.replies_incomplete |= other.replies_incomplete;
    }

    /// Evicts pairs if a limit is exceeded.
    fn enforce_limit(&mut self) {
        if self.pairs.len() as u64 > self.limit || self.further_sums > self.limit.saturating_mul(FURTHER_SUMS_PER_PAIR)
        {
            self.evict();
        }
    }

    /// Evicts the lightest pairs.
    fn evict(&mut self) {
        let evicted_weight = self.evicted_weight;
        let amount = self.pairs.decrement_all(|pair| {
            // A pair without sums may still have a reply.
            pair.flows().max(1).saturating_add(u64::from(pair.max_undercount)).saturating_sub(evicted_weight)
        });
        self.evicted_weight = evicted_weight.saturating_add(amount);
        self.further_sums = self.pairs.values().map(Pair::further_sums).sum();
    }
}

/// Returns the class pair of a record between these locations.
fn classify(
    flow: &Flow<'_>,
    (src, dst): (Location, Location),
    recorder: &mut FlowRecorder<'_, '_>,
) -> Option<ClassPair> {
    match (src, dst) {
        (Location::Ambiguous(a), Location::Ambiguous(b)) => {
            Some((TrafficClass::Ambiguous(a), (a != b).then_some(TrafficClass::Ambiguous(b))))
        }
        (Location::Ambiguous(tie), _) | (_, Location::Ambiguous(tie)) => Some((TrafficClass::Ambiguous(tie), None)),
        (Location::In(a), Location::In(b)) if a != b => {
            Some((TrafficClass::Between(a, b), flow.traffic_path.map(|path| TrafficClass::Path(a, b, path))))
        }
        (src, Location::Outside) if goes_through_peering(flow.traffic_path) => {
            let scope =
                |dst| if crate::record::ip::is_public(dst) { ExternalScope::Public } else { ExternalScope::Private };
            let origin = match src {
                Location::In(vpc) => VpcRef::Known(vpc),
                _ => recorder.own_vpc().unwrap_or(VpcRef::Unknown),
            };
            Some((TrafficClass::External(origin, scope(flow.dst?)), None))
        }
        _ => None,
    }
}

/// Returns whether `traffic-path` is a peering connection.
#[inline(always)]
fn goes_through_peering(traffic_path: Option<u64>) -> bool {
    traffic_path.is_some_and(|path| (path == PEERING_PATHS[0]) | (path == PEERING_PATHS[1]))
}

/// Locates an address of a record, as far as it does not depend on the record. An absent address is outside of all VPCs.
#[inline(always)]
fn locate(address: Option<IpAddr>, topology: &Topology) -> PackedLocation {
    match address {
        Some(address) => topology.locate_alone(address),
        None => PackedLocation::OUTSIDE,
    }
}
