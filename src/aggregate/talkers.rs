//! Accepted traffic by interface, source, and destination, to find the pairs of addresses with the most bytes.
//!
//! While there are few pairs, all records are counted, and the sums are exact. Beyond the limit, the lightest three quarters are dropped, and
//! records are skipped from then on that have fewer bytes than those of the lightest pair that remains have on average. Most bytes are in few large records, so nearly all
//! records then cost one comparison. The sums become lower bounds.
//!
//! Invariant: `min_bytes` is 0 if and only if every record with both addresses is counted.

mod rows;

use std::cmp::Reverse;
use std::net::IpAddr;

pub use self::rows::{TalkerRow, TalkersState};
use crate::aggregate::counters::Counters;
use crate::aggregate::interfaces::InterfaceRef;
use crate::aggregate::interner::{Symbol, SymbolRemap};
use crate::aggregate::packed_map::{PackedKey, PackedMap};
use crate::record::Flow;

/// Maximum number of pairs. More would cost time for every record of a log that has more.
pub const MAX_TALKERS: usize = 1024;

/// The share of the pairs that stays when there are too many.
const KEPT_SHARE: usize = 4;

/// Interface, source, and destination of accepted records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TalkerKey {
    /// Interface, if the records name one.
    pub interface: Option<Symbol>,
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
}

impl PackedKey for TalkerKey {
    fn pack(&self) -> Option<u128> {
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (self.src, self.dst) else { return None };
        let addresses = u128::from(src.to_bits()) << 32 | u128::from(dst.to_bits());
        Some(u128::from(self.interface.map_or(0, Symbol::get)) << 64 | addresses)
    }

    fn unpack(packed: u128) -> TalkerKey {
        // Each cast keeps the bits of one field.
        TalkerKey {
            interface: Symbol::new((packed >> 64) as u32),
            src: IpAddr::from(((packed >> 32) as u32).to_be_bytes()),
            dst: IpAddr::from((packed as u32).to_be_bytes()),
        }
    }
}

/// Accepted traffic of the heaviest pairs.
#[derive(Debug, Clone)]
pub struct Talkers {
    pairs: PackedMap<TalkerKey, Counters>,
    /// Records with fewer bytes are skipped.
    min_bytes: u64,
    limit: usize,
}

impl Default for Talkers {
    fn default() -> Talkers {
        Talkers::new(MAX_TALKERS)
    }
}

impl Talkers {
    /// Creates an empty collection of at most `limit` pairs.
    fn new(limit: usize) -> Talkers {
        Talkers { pairs: PackedMap::default(), min_bytes: 0, limit }
    }

    /// Returns whether every record with both addresses is counted.
    pub fn is_exact(&self) -> bool {
        self.min_bytes == 0
    }

    /// Returns all pairs, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (TalkerKey, Counters)> {
        self.pairs.iter().map(|(key, sums)| (key, *sums))
    }

    /// Returns the number of counted records.
    pub fn kept_flows(&self) -> u64 {
        self.pairs.values().fold(0, |flows, sums| flows.saturating_add(sums.flows))
    }

    /// Adds an accepted record.
    #[inline(always)]
    pub fn observe(&mut self, interface: InterfaceRef, flow: &Flow<'_>) {
        if flow.bytes >= self.min_bytes {
            let sums = Counters { flows: 1, packets: flow.packets, bytes: flow.bytes };
            self.count(interface.id, (flow.src, flow.dst), sums);
        }
    }

    /// Adds a record by its values: a reference from the hot loop would force all of it out of registers.
    #[inline(never)]
    fn count(&mut self, interface: Option<Symbol>, ends: (Option<IpAddr>, Option<IpAddr>), sums: Counters) {
        if let (Some(src), Some(dst)) = ends {
            self.add(TalkerKey { interface, src, dst }, sums);
        }
    }

    /// Adds the pairs of another analysis. `interfaces` maps its symbols.
    pub fn merge(&mut self, other: &Talkers, interfaces: &SymbolRemap) {
        self.min_bytes = self.min_bytes.max(other.min_bytes);
        for (key, sums) in other.iter() {
            let interface = key.interface.and_then(|id| interfaces.get(id));
            self.add(TalkerKey { interface, ..key }, sums);
        }
    }

    fn add(&mut self, key: TalkerKey, sums: Counters) {
        self.pairs.entry(key, Counters::default).merge(sums);
        if self.pairs.len() > self.limit {
            self.drop_lightest();
        }
    }

    /// Keeps the heaviest quarter of the pairs, in their order. Doubles the minimum at least, so that dropping is rare.
    #[cold]
    fn drop_lightest(&mut self) {
        let all: Vec<Counters> = self.pairs.values().copied().collect();
        let mut ranks: Vec<(Reverse<u64>, usize)> = all.iter().map(|sums| Reverse(sums.bytes)).zip(0..).collect();
        let kept = ranks.len() / KEPT_SHARE;
        let (heavier, (Reverse(heaviest_dropped), first_dropped), _) = ranks.select_nth_unstable(kept);
        let lightest = heavier.iter().max().and_then(|(_, index)| all.get(*index)).copied().unwrap_or_default();
        let is_kept = |rank: (u64, usize)| (Reverse(rank.0), rank.1) < (Reverse(*heaviest_dropped), *first_dropped);
        let mut pairs = PackedMap::default();
        for (index, (key, sums)) in self.pairs.iter().enumerate() {
            if is_kept((sums.bytes, index)) {
                pairs.entry(key, || *sums);
            }
        }
        self.pairs = pairs;
        let record = lightest.bytes / lightest.flows.max(1);
        self.min_bytes = record.max(self.min_bytes.saturating_mul(2)).max(1);
    }
}

#[cfg(test)]
mod tests;
