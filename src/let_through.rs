//! What was let through: the accepted 5-tuples of each interface, kept so that a rejected record can be judged by
//! them, wherever in the report they stand.
//!
//! Nearly all records are accepted, and the rejected ones that ask come in between: so accepted tuples are only
//! appended, and looked up in one go when the report ends.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr};

use foldhash::fast::RandomState;

use crate::names::{NameId, Renumbered};
use crate::record::Flow;

/// Interface, protocol, addresses and ports of a record, all but the interface present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// Interface, if the record names one.
    pub interface: Option<NameId>,
    /// IANA protocol number.
    pub protocol: u8,
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Source port.
    pub srcport: u16,
    /// Destination port.
    pub dstport: u16,
}

impl Tuple {
    /// The tuple of a record, unless a part is absent.
    pub fn of(interface: Option<NameId>, flow: &Flow<'_>) -> Option<Tuple> {
        Some(Tuple {
            interface,
            protocol: flow.protocol?,
            src: flow.src?,
            dst: flow.dst?,
            srcport: flow.srcport?,
            dstport: flow.dstport?,
        })
    }

    /// The tuple of an answer.
    pub fn reversed(self) -> Tuple {
        Tuple { src: self.dst, dst: self.src, srcport: self.dstport, dstport: self.srcport, ..self }
    }

    /// In 128 bits, if it fits: IPv4, and not beyond the interface number 2^24 − 1.
    fn pack(&self) -> Option<u128> {
        let interface = self.interface.map_or(0, NameId::get);
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) if interface < 1 << 24 => Some(
                u128::from(interface) << 104
                    | u128::from(self.protocol) << 96
                    | u128::from(src.to_bits()) << 64
                    | u128::from(dst.to_bits()) << 32
                    | u128::from(self.srcport) << 16
                    | u128::from(self.dstport),
            ),
            _ => None,
        }
    }

    fn unpack(packed: u128) -> Tuple {
        // Each cast keeps the bits of one part.
        Tuple {
            interface: NameId::new((packed >> 104) as u32),
            protocol: (packed >> 96) as u8,
            src: Ipv4Addr::from_bits((packed >> 64) as u32).into(),
            dst: Ipv4Addr::from_bits((packed >> 32) as u32).into(),
            srcport: (packed >> 16) as u16,
            dstport: packed as u16,
        }
    }
}

/// The accepted tuples of a report.
#[derive(Debug, Clone, Default)]
pub struct LetThrough {
    packed: Log<u128>,
    wide: Log<Tuple>,
}

impl LetThrough {
    /// Takes in the tuple of an accepted record.
    pub fn observe(&mut self, tuple: Tuple) {
        match tuple.pack() {
            Some(packed) => self.packed.add(packed),
            None => self.wide.add(tuple),
        }
    }

    /// Takes in another report's tuples, whose interfaces have those numbers here.
    pub fn merge(&mut self, other: &LetThrough, interfaces: &Renumbered) {
        let packed = other.packed.entries.iter().map(|&packed| Tuple::unpack(packed));
        for tuple in packed.chain(other.wide.entries.iter().copied()) {
            self.observe(Tuple { interface: tuple.interface.map(|id| interfaces.of(id)), ..tuple });
        }
    }

    /// Those of the tuples asked for that were let through.
    pub fn among(&self, asked: impl Iterator<Item = Tuple>) -> HashSet<Tuple, RandomState> {
        let mut asked_packed: HashSet<u128, RandomState> = HashSet::default();
        let mut asked_wide: HashSet<Tuple, RandomState> = HashSet::default();
        for tuple in asked {
            match tuple.pack() {
                Some(packed) => asked_packed.insert(packed),
                None => asked_wide.insert(tuple),
            };
        }
        // Few of all tuples are asked for, and the set of those does not fit into a cache: most are told apart before.
        let hasher = asked_packed.hasher().clone();
        let filter = Filter::of(asked_packed.iter().map(|packed| hasher.hash_one(packed)), asked_packed.len());
        let may_be_asked = |packed: &&u128| filter.may_hold(hasher.hash_one(packed));
        let packed = self.packed.entries.iter().filter(may_be_asked).filter(|packed| asked_packed.contains(packed));
        let wide = self.wide.entries.iter().filter(|tuple| asked_wide.contains(tuple));
        packed.map(|&packed| Tuple::unpack(packed)).chain(wide.copied()).collect()
    }
}

/// A bit for each hash that a set has: who has none is not in the set.
struct Filter {
    bits: Vec<u64>,
}

impl Filter {
    /// Sixteen bits an entry let one in sixteen pass that is not in the set.
    fn of(hashes: impl Iterator<Item = u64>, count: usize) -> Filter {
        let mut filter = Filter { bits: vec![0; (count / 4).next_power_of_two()] };
        for hash in hashes {
            let (word, bit) = filter.place(hash);
            filter.bits[word] |= bit;
        }
        filter
    }

    fn may_hold(&self, hash: u64) -> bool {
        let (word, bit) = self.place(hash);
        self.bits[word] & bit != 0
    }

    fn place(&self, hash: u64) -> (usize, u64) {
        ((hash >> 6) as usize & (self.bits.len() - 1), 1 << (hash & 63))
    }
}

/// A set that is only added to, and now and then rid of what is in it twice.
#[derive(Debug, Clone)]
struct Log<T> {
    entries: Vec<T>,
    compact_at: usize,
}

/// So many entries stand before the first look for repeated ones.
const FIRST_COMPACTION: usize = 1 << 22;

impl<T> Default for Log<T> {
    fn default() -> Log<T> {
        Log { entries: Vec::new(), compact_at: FIRST_COMPACTION }
    }
}

impl<T: Ord> Log<T> {
    fn add(&mut self, entry: T) {
        if self.entries.len() == self.compact_at {
            self.entries.sort_unstable();
            self.entries.dedup();
            self.compact_at = FIRST_COMPACTION.max(2 * self.entries.len());
        }
        self.entries.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::names::Names;

    fn tuple(interface: Option<NameId>, src: &str, srcport: u16) -> Tuple {
        let address = |text: &str| crate::address::parse(text.as_bytes()).expect("an address");
        Tuple { interface, protocol: 6, src: address(src), dst: address("10.0.0.9"), srcport, dstport: 443 }
    }

    #[test]
    fn finds_what_was_let_through_and_nothing_else() {
        let interface = NameId::new(1);
        let mut let_through = LetThrough::default();
        for accepted in [tuple(interface, "10.0.0.1", 1000), tuple(None, "2001:db8::1", 1000)] {
            let_through.observe(accepted);
            let_through.observe(accepted);
        }
        let asked = [
            tuple(interface, "10.0.0.1", 1000),
            tuple(None, "10.0.0.1", 1000),
            tuple(interface, "10.0.0.1", 1001),
            tuple(interface, "10.0.0.1", 1000).reversed(),
            tuple(None, "2001:db8::1", 1000),
            tuple(interface, "2001:db8::1", 1000),
        ];
        let found = let_through.among(asked.into_iter());
        assert_eq!(found.len(), 2);
        assert!(found.contains(&asked[0]) && found.contains(&asked[4]));
    }

    #[test]
    fn merged_tuples_have_the_numbers_of_the_report_they_came_to() {
        let (mut ours, mut theirs) = (Names::default(), Names::default());
        ours.intern(b"eni-a");
        let b_there = theirs.intern(b"eni-b");
        let mut other = LetThrough::default();
        other.observe(tuple(Some(b_there), "10.0.0.1", 1));
        other.observe(tuple(Some(b_there), "2001:db8::1", 1));
        let mut merged = LetThrough::default();
        merged.merge(&other, &ours.merge(&theirs));
        let b_here = Some(ours.intern(b"eni-b"));
        assert_ne!(b_here, Some(b_there));
        let asked =
            [tuple(b_here, "10.0.0.1", 1), tuple(b_here, "2001:db8::1", 1), tuple(Some(b_there), "10.0.0.1", 1)];
        assert_eq!(merged.among(asked.into_iter()), asked[..2].iter().copied().collect());
    }

    #[test]
    fn repeated_entries_are_thrown_out() {
        let mut log = Log { entries: Vec::new(), compact_at: 4 };
        for entry in [3, 1, 3, 2, 3, 5] {
            log.add(entry);
        }
        assert_eq!(log.entries, [1, 2, 3, 3, 5]);
    }

    #[test]
    fn a_filter_holds_all_of_a_set_and_little_else() {
        for count in [0_usize, 1, 3, 1000] {
            let hash = |n: usize| (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let filter = Filter::of((0..count).map(hash), count);
            assert!((0..count).all(|n| filter.may_hold(hash(n))));
            let others = (count..count + 10_000).filter(|n| filter.may_hold(hash(*n))).count();
            assert!(others < 2_000, "{others} of 10,000 pass {count}");
        }
    }

    proptest! {
        #[test]
        fn packing_loses_nothing(interface in 0u32..1 << 24, protocol: u8, src: Ipv4Addr, dst: Ipv4Addr,
                                 srcport: u16, dstport: u16) {
            let interface = NameId::new(interface);
            let tuple = Tuple { interface, protocol, src: src.into(), dst: dst.into(), srcport, dstport };
            prop_assert_eq!(tuple.pack().map(Tuple::unpack), Some(tuple));
        }
    }
}
