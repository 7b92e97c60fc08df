//! Traffic between VPCs, as a report's records have it: by interface, protocol and both addresses, the two directions
//! beside each other, so that replies are found wherever they stand.
//!
//! The pairs of addresses have a limit. Where it is reached the lightest go, as among the rejected groups
//! ([`crate::aggregate::rejected`]); of a pair that came after that, nobody knows whether it had a reply before.

mod by_label;
mod labels;
mod pairs;

use std::net::IpAddr;

pub use self::by_label::{ClassView, ClassifiedFlows, FlowsByClass};
use self::labels::{ClassId, ClassPair, ClassTable};
pub use self::labels::{ExternalScope, Origin, TrafficClass};
pub use self::pairs::Sums;
use self::pairs::{ACTIONS, Pair};
use crate::aggregate::interfaces::InterfaceRef;
use crate::aggregate::interner::{Symbol, SymbolRemap};
use crate::aggregate::packed_map::{PackedKey, PackedMap};
use crate::record::{Action, Flow};
use crate::topology::{Location, PackedLocation, Topology, VpcIndex};

/// Values of `traffic-path` that are a peering connection: in one region, and between two.
pub const PEERING_PATHS: [u64; 2] = [4, 5];
/// The value of `traffic-path` that is another resource in the same VPC.
pub const SAME_VPC_PATH: u64 = 1;

/// Interface, protocol and addresses: what a record and its reply have in common, the addresses the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressPair {
    /// Interface, if the records name one.
    pub interface: Option<Symbol>,
    /// IANA protocol number.
    pub protocol: Option<u8>,
    /// InputSource.
    pub src: Option<IpAddr>,
    /// Destination.
    pub dst: Option<IpAddr>,
}

impl AddressPair {
    /// The same for both directions, and which of them it is.
    #[inline]
    fn pair(self) -> (AddressPair, usize) {
        let is_turned = match (self.src, self.dst) {
            (Some(IpAddr::V4(src)), Some(IpAddr::V4(dst))) => dst.to_bits() < src.to_bits(),
            (src, dst) => dst < src,
        };
        if is_turned { (AddressPair { src: self.dst, dst: self.src, ..self }, 1) } else { (self, 0) }
    }

    /// Those of a direction of a pair.
    fn direction(self, direction: usize) -> AddressPair {
        if direction == 0 { self } else { AddressPair { src: self.dst, dst: self.src, ..self } }
    }
}

impl PackedKey for AddressPair {
    fn pack(&self) -> Option<u128> {
        let (Some(IpAddr::V4(src)), Some(IpAddr::V4(dst))) = (self.src, self.dst) else { return None };
        let interface = u128::from(self.interface.map_or(0, Symbol::get));
        let protocol = self.protocol.map_or(0, |protocol| 1 << 8 | u128::from(protocol));
        Some(interface << 80 | protocol << 64 | u128::from(src.to_bits()) << 32 | u128::from(dst.to_bits()))
    }

    fn unpack(packed: u128) -> AddressPair {
        // Each cast keeps the bits of one part.
        let protocol = (packed >> 64) as u16;
        AddressPair {
            interface: Symbol::new((packed >> 80) as u32),
            protocol: (protocol >> 8 != 0).then_some(protocol as u8),
            src: Some(IpAddr::from(((packed >> 32) as u32).to_be_bytes())),
            dst: Some(IpAddr::from((packed as u32).to_be_bytes())),
        }
    }
}

/// The noteworthy records of a report.
#[derive(Debug, Clone)]
pub struct InterVpcTraffic {
    pairs: PackedMap<AddressPair, Pair>,
    /// The sums in the pairs beside the first ones.
    further_sums: u64,
    remarks: ClassTable,
    limit: u64,
    /// By how much all weights were lowered.
    lowered: u64,
    /// Whether no row was left out of a pair that has too many.
    complete: bool,
    /// Whether any pair may have a reply that is not known as its.
    replies_may_be_missing: bool,
    /// Whether no record was of an interface that is not kept.
    all_interfaces_kept: bool,
}

/// The limit of further sums, as a multiple of that of pairs. Most pairs have none, or one or two with `traffic-path`.
const FURTHER_SUMS_PER_PAIR: u64 = 2;

impl InterVpcTraffic {
    /// For at most so many pairs of addresses.
    pub fn new(limit: u64) -> InterVpcTraffic {
        InterVpcTraffic {
            pairs: PackedMap::default(),
            further_sums: 0,
            remarks: ClassTable::default(),
            limit,
            lowered: 0,
            complete: true,
            replies_may_be_missing: false,
            all_interfaces_kept: true,
        }
    }

    /// Whether all pairs are there, with all their records.
    pub fn is_exact(&self) -> bool {
        !self.limit_reached() && self.all_interfaces_kept
    }

    /// Whether there were more than are kept.
    pub fn limit_reached(&self) -> bool {
        !self.complete || self.lowered > 0
    }

    /// Takes in a record of this interface. `own` gives the record's own VPC, in the topology's terms and by its name.
    #[inline(always)]
    pub fn observe(
        &mut self,
        interface: InterfaceRef,
        flow: &Flow<'_>,
        topology: &Topology,
        mut own: impl FnMut() -> (Option<VpcIndex>, Option<Symbol>),
    ) {
        let (src, dst) = (locate(flow.src, topology, &mut own), locate(flow.dst, topology, &mut own));
        // Nearly all records stay in one VPC, or come from the outside or go there.
        let stays = (src == dst) & src.is_in_one_vpc();
        let goes_out = (dst == PackedLocation::OUTSIDE) & !goes_through_peering(flow.traffic_path);
        let comes_in = (src == PackedLocation::OUTSIDE) & dst.is_in_one_vpc();
        let is_plain = stays | goes_out | comes_in;
        if is_plain && !topology.has_overlapping_blocks() {
            return;
        }
        self.observe_noteworthy(interface, *flow, topology, (src.location(), dst.location()), own);
    }

    #[inline(never)]
    fn observe_noteworthy(
        &mut self,
        interface: InterfaceRef,
        flow: Flow<'_>,
        topology: &Topology,
        (src, dst): (Location, Location),
        mut own: impl FnMut() -> (Option<VpcIndex>, Option<Symbol>),
    ) {
        let tied = || [flow.src, flow.dst].into_iter().flatten().any(|address| topology.is_ambiguous(address));
        let remark = noteworthy(&flow, (src, dst), &mut own);
        let is_between = matches!(remark, Some((TrafficClass::Between(..), _)));
        let replies = flow.action == Action::Accept && (is_between || tied());
        if remark.is_none() && !replies {
            return;
        }
        let number = remark.map(|remark| self.remarks.count(remark, &flow, self.limit));
        let InterfaceRef { id, is_tracked, .. } = interface;
        if !is_tracked {
            // Records of other interfaces would be taken for its replies: nothing but its traffic is told.
            self.all_interfaces_kept = false;
            return;
        }
        self.complete &= number.is_none_or(|number| number.is_whole);
        let arrived = matches!((src, dst), (Location::In(a), Location::In(b)) if a != b && own().0 == Some(b));
        let mut sums = Sums { arrived, ..Sums::default() };
        sums.observe(&flow);
        let addresses = AddressPair { interface: id, protocol: flow.protocol, src: flow.src, dst: flow.dst };
        let (key, direction) = addresses.pair();
        let missing = u32::try_from(self.lowered).unwrap_or(u32::MAX);
        let pair = self.pairs.entry(key, || Pair::new(missing));
        pair.replied[direction] |= replies;
        pair.refused[direction] |= flow.action == Action::Reject && is_between;
        if let Some(ClassId { number, .. }) = number {
            let ends = (direction, flow.action);
            self.complete &= pair.add((&mut self.further_sums, &mut self.remarks), ends, number, &sums);
        }
        self.enforce_limit();
    }

    /// What has no reply yet may have one that can't be told.
    pub fn mark_replies_incomplete(&mut self) {
        self.all_interfaces_kept = false;
        self.replies_may_be_missing = true;
    }

    /// Takes in another report's records, whose interfaces and VPCs have those numbers here.
    pub fn merge(&mut self, other: &InterVpcTraffic, interfaces: &SymbolRemap, places: &SymbolRemap) {
        let note_here = |note: TrafficClass| match note {
            TrafficClass::ExternalScope(Origin::Named(name), beyond) => {
                TrafficClass::ExternalScope(places.of(name).map_or(Origin::Unknown, Origin::Named), beyond)
            }
            note => note,
        };
        let mut remarks_here = Vec::with_capacity(other.remarks.all.len());
        for ((first, second), totals) in &other.remarks.all {
            let remark = (note_here(*first), second.map(note_here));
            let ClassId { number, is_whole } = self.remarks.number(remark, self.limit);
            let ours = &mut self.remarks.all[number as usize].1;
            ours.iter_mut().zip(totals).for_each(|(ours, theirs)| ours.merge(*theirs));
            self.complete &= is_whole;
            remarks_here.push(number);
        }
        let theirs_lowered = u32::try_from(other.lowered).unwrap_or(u32::MAX);
        // What only one of the two has may have been dropped by the other.
        if theirs_lowered > 0 {
            self.pairs.values_mut().for_each(|pair| pair.missing = pair.missing.saturating_add(theirs_lowered));
        }
        self.lowered += other.lowered;
        for (key, theirs) in other.pairs.iter() {
            let interface = key.interface.and_then(|id| interfaces.of(id));
            if interface.is_none() && key.interface.is_some() {
                // As of a record of an interface that is not kept: the totals are told.
                self.all_interfaces_kept = false;
                continue;
            }
            let key = AddressPair { interface, ..key };
            let lowered = u32::try_from(self.lowered).unwrap_or(u32::MAX);
            let ours = self.pairs.entry(key, || Pair::new(lowered));
            ours.missing = ours.missing.saturating_sub(theirs_lowered).saturating_add(theirs.missing);
            for direction in 0..2 {
                ours.replied[direction] |= theirs.replied[direction];
                ours.refused[direction] |= theirs.refused[direction];
                for action in ACTIONS {
                    for (remark, sums) in theirs.sums(direction, action) {
                        let remark = remarks_here[remark as usize];
                        let ends = (direction, action);
                        self.complete &= ours.add((&mut self.further_sums, &mut self.remarks), ends, remark, sums);
                    }
                }
            }
            self.enforce_limit();
        }
        self.complete &= other.complete;
        self.all_interfaces_kept &= other.all_interfaces_kept;
        self.replies_may_be_missing |= other.replies_may_be_missing;
    }

    fn enforce_limit(&mut self) {
        if self.pairs.len() as u64 > self.limit || self.further_sums > self.limit.saturating_mul(FURTHER_SUMS_PER_PAIR)
        {
            self.lower();
        }
    }

    /// Drops the lightest pairs.
    fn lower(&mut self) {
        let lowered = self.lowered;
        self.lowered += self.pairs.decrement_all(|pair| {
            // A pair without sums may still be a reply.
            pair.flows().max(1).saturating_add(u64::from(pair.missing)).saturating_sub(lowered)
        });
        self.further_sums = self.pairs.values().map(Pair::further_sums).sum();
    }
}

/// What is noteworthy of a record between these.
fn noteworthy(
    flow: &Flow<'_>,
    (src, dst): (Location, Location),
    own: impl FnOnce() -> (Option<VpcIndex>, Option<Symbol>),
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
            let beyond =
                |dst| if crate::record::ip::is_public(dst) { ExternalScope::Public } else { ExternalScope::Private };
            Some((TrafficClass::ExternalScope(origin(src, own()), beyond(flow.dst?)), None))
        }
        _ => None,
    }
}

fn origin(src: Location, own: (Option<VpcIndex>, Option<Symbol>)) -> Origin {
    match (src, own) {
        (Location::In(vpc), _) | (_, (Some(vpc), _)) => Origin::InterfaceRef(vpc),
        (_, (None, Some(name))) => Origin::Named(name),
        (_, (None, None)) => Origin::Unknown,
    }
}

/// Whether a record says that it went through a peering connection.
#[inline(always)]
fn goes_through_peering(traffic_path: Option<u64>) -> bool {
    traffic_path.is_some_and(|path| (path == PEERING_PATHS[0]) | (path == PEERING_PATHS[1]))
}

/// Where an address of a record is, whose own VPC is `own`'s.
#[inline(always)]
fn locate(
    address: Option<IpAddr>,
    topology: &Topology,
    own: impl FnOnce() -> (Option<VpcIndex>, Option<Symbol>),
) -> PackedLocation {
    match address {
        Some(address) => topology.locate_packed(address, || own().0),
        None => PackedLocation::OUTSIDE,
    }
}
