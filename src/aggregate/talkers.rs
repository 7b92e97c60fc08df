//! Accepted traffic by interface, source, and destination, to find the pairs of addresses with the most bytes.
//!
//! While there are few pairs, all sums are exact. Above the limit, the weight of one is subtracted from all, which drops the lightest: the
//! algorithm of Misra and Gries. Then the sums are lower bounds, and a pair has at most [`Talkers::error_bound`] more bytes, listed or not. A
//! pair weighs its bytes and flows, because records may have no bytes. The bound is at most eight times all bytes and flows, divided by the
//! limit.
//!
//! Most records of a log with many pairs are small, and their pairs are new. So a record first tries `SmallRecords`, which costs a few
//! instructions and is part of the bound.
//!
//! Invariants: `lost` is 0 if and only if no pair was dropped. The weight of a pair is what it counted, and what it may have
//! lost before, less `lost`; none lost more than `lost`. The sum of all weights never exceeds the bytes and flows of all records.

mod rows;
mod small;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};

use foldhash::fast::RandomState;

pub use self::rows::{TalkerRow, TalkersState};
use self::small::SmallRecords;
use crate::aggregate::counters::Counters;
use crate::aggregate::interfaces::InterfaceRef;
use crate::aggregate::interner::{Symbol, SymbolRemap};
use crate::record::Flow;

/// Maximum number of pairs.
pub const MAX_TALKERS: usize = 2048;

/// A quarter of the pairs stays when there are too many, so that dropping is rare.
const KEPT_SHARE: usize = 4;

/// Each step subtracts an amount from a quarter of the pairs at least, and the small records may lose that amount again.
#[cfg(test)]
const ERROR_SHARE: u64 = 2 * KEPT_SHARE as u64;

/// Interface, source, and destination of accepted records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TalkerKey {
    /// Interface, if the records name one.
    pub interface: Option<Symbol>,
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
}

impl Hash for TalkerKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let interface = u128::from(self.interface.map_or(0, Symbol::get));
        match (self.src, self.dst) {
            // One number is hashed faster than many.
            (IpAddr::V4(src), IpAddr::V4(dst)) => state.write_u128(interface << 64 | u128::from(joined(src, dst))),
            (src, dst) => (interface, src, dst).hash(state),
        }
    }
}

fn joined(src: Ipv4Addr, dst: Ipv4Addr) -> u64 {
    u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits())
}

/// Sums of a pair.
#[derive(Debug, Clone, Copy, Default)]
struct PairSums {
    counted: Counters,
    /// Maximum number of its bytes that were dropped before.
    lost: u64,
}

impl PairSums {
    fn weight(&self, lost: u64) -> u64 {
        self.counted.bytes.saturating_add(self.counted.flows).saturating_add(self.lost).saturating_sub(lost)
    }
}

/// Accepted traffic of the heaviest pairs.
#[derive(Debug, Clone)]
pub struct Talkers {
    pairs: HashMap<TalkerKey, PairSums, RandomState>,
    small: SmallRecords,
    /// Sum of all amounts that were subtracted: the maximum number of bytes of a pair that was dropped.
    lost: u64,
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
        Talkers { pairs: HashMap::default(), small: SmallRecords::default(), lost: 0, limit }
    }

    /// Returns whether every record with both addresses is counted.
    pub fn is_exact(&self) -> bool {
        self.lost == 0
    }

    /// Returns the maximum undercount of any pair, in bytes. A pair that is not kept had at most this many bytes.
    pub fn error_bound(&self) -> u64 {
        self.lost.saturating_add(self.small.max_lost())
    }

    /// Returns all pairs with the records that are counted, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (TalkerKey, Counters)> {
        self.pairs.iter().map(|(key, sums)| (*key, sums.counted))
    }

    /// Returns the sums of all records that are counted.
    pub fn counted(&self) -> Counters {
        let mut all = Counters::default();
        self.pairs.values().for_each(|sums| all.merge(sums.counted));
        all
    }

    /// Adds an accepted record.
    #[inline(always)]
    pub fn observe(&mut self, interface: InterfaceRef, flow: &Flow<'_>) {
        if let (Some(IpAddr::V4(src)), Some(IpAddr::V4(dst))) = (flow.src, flow.dst)
            && self.small.take(joined(src, dst), flow.bytes.max(1))
        {
            return;
        }
        let sums = Counters { flows: 1, packets: flow.packets, bytes: flow.bytes };
        self.count(interface.id, (flow.src, flow.dst), sums);
    }

    /// Adds a record by its values: a reference from the hot loop would force all of it out of registers.
    #[inline(never)]
    fn count(&mut self, interface: Option<Symbol>, ends: (Option<IpAddr>, Option<IpAddr>), sums: Counters) {
        let (Some(src), Some(dst)) = ends else { return };
        let lost = self.lost;
        let key = TalkerKey { interface, src, dst };
        self.pairs.entry(key).or_insert(PairSums { lost, ..PairSums::default() }).counted.merge(sums);
        if self.pairs.len() > self.limit {
            let amount = self.drop_lightest(self.limit / KEPT_SHARE);
            self.small.allow(amount);
        }
    }

    /// Adds the pairs of another analysis. `interfaces` maps its symbols.
    pub fn merge(&mut self, other: &Talkers, interfaces: &SymbolRemap) {
        let (ours, theirs) = (self.lost, other.error_bound());
        // A pair that only one of the two has may have been dropped from the other.
        self.pairs.values_mut().for_each(|sums| sums.lost = sums.lost.saturating_add(theirs));
        self.lost = ours.saturating_add(theirs);
        let lost = self.lost;
        for (key, sums) in other.closed() {
            let interface = key.interface.and_then(|id| interfaces.get(id));
            // Interfaces without room share a pair: its losses are the sum of theirs, as far as they are known.
            let has_room = interface.is_some() == key.interface.is_some();
            let here = TalkerKey { interface, ..key };
            let pair = self.pairs.entry(here).or_insert(PairSums { lost, ..PairSums::default() });
            let known = pair.lost.saturating_sub(if has_room { theirs } else { 0 });
            pair.lost = known.saturating_add(sums.lost).min(lost);
            pair.counted.merge(sums.counted);
        }
        if self.pairs.len() > self.limit {
            self.drop_lightest(self.limit);
        }
    }

    /// Returns all pairs. Their losses include the small records.
    fn closed(&self) -> impl Iterator<Item = (TalkerKey, PairSums)> {
        let small = self.small.max_lost();
        self.pairs.iter().map(move |(key, sums)| (*key, PairSums { lost: sums.lost.saturating_add(small), ..*sums }))
    }

    /// Keeps at most this many pairs of more. Returns the weight that is subtracted from all.
    #[cold]
    fn drop_lightest(&mut self, kept: usize) -> u64 {
        let lost = self.lost;
        let mut weights: Vec<u64> = self.pairs.values().map(|sums| sums.weight(lost)).collect();
        let heaviest_dropped = weights.len().saturating_sub(kept + 1);
        let (_, amount, _) = weights.select_nth_unstable(heaviest_dropped);
        let amount = (*amount).max(1);
        self.pairs.retain(|_, sums| sums.weight(lost) > amount);
        self.lost = lost.saturating_add(amount);
        amount
    }
}

#[cfg(test)]
mod tests;
