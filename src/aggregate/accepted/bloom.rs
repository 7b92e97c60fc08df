//! Which tuples are asked for: few of all, and they do not fit into a cache, so most others are told apart by two bits.

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::Tuple;
use crate::aggregate::interner::NameId;

/// A set of tuples, each as it is or the other way round, in which some others seem to be: a Bloom filter (*Space/time
/// trade-offs in hash coding with allowable errors*, 1970) in blocks of one word.
pub struct Asked {
    /// Random odd numbers: keys come from strangers.
    seeds: [u64; 2],
    /// As many as a power of two.
    words: Vec<u64>,
}

impl Asked {
    /// Of about so many tuples. Each has sixteen bits or more, if they are not a handful: so of those that are not there, one in
    /// fifty at most seems to be. Who makes up tuples can make more, and so have them looked up, which takes time and no more.
    pub fn of(tuples: impl Iterator<Item = Tuple>, count: usize) -> Asked {
        let seeds = [0_u64, 1].map(|seed| RandomState::default().hash_one(seed) | 1);
        let mut asked = Asked { seeds, words: vec![0; (count / 4).next_power_of_two()] };
        for tuple in tuples {
            let (word, bits) = asked.place_of(&tuple);
            asked.words[word] |= bits;
        }
        asked
    }

    /// Whether it may be one of these. Of those, as of their answers, none is denied.
    pub fn may_hold(&self, tuple: &Tuple) -> bool {
        let (word, bits) = self.place_of(tuple);
        self.words[word] & bits == bits
    }

    /// The same of a tuple with that interface and protocol, of whose addresses and ports nothing but the bits that differ are
    /// looked at: those of its answer are the same.
    #[inline(always)]
    pub fn may_hold_of(&self, interface: Option<NameId>, protocol: u8, addresses: u64, ports: u16) -> bool {
        let (word, bits) = self.place(interface, protocol, addresses, ports);
        self.words[word] & bits == bits
    }

    fn place_of(&self, tuple: &Tuple) -> (usize, u64) {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(v4) => u64::from(v4.to_bits()),
            IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64 ^ (v6.to_bits() as u64).rotate_left(23),
        };
        let addresses = bits(tuple.src) ^ bits(tuple.dst);
        self.place(tuple.interface, tuple.protocol, addresses, tuple.srcport ^ tuple.dstport)
    }

    #[inline(always)]
    fn place(&self, interface: Option<NameId>, protocol: u8, addresses: u64, ports: u16) -> (usize, u64) {
        let word = addresses ^ u64::from(ports) << 40 ^ u64::from(protocol) << 56;
        let product = word.wrapping_mul(self.seeds[0]);
        let of_interface = (product ^ product >> 32).wrapping_add(u64::from(interface.map_or(0, NameId::get)));
        let hash = of_interface.wrapping_mul(self.seeds[1]) >> 16;
        ((hash >> 12) as usize & (self.words.len() - 1), 1 << (hash & 63) | 1 << (hash >> 6 & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_that_is_asked_for_is_denied_either_way_and_few_others_pass() {
        let tuple = |n: u32| Tuple {
            interface: NameId::new(n % 7),
            protocol: 6,
            src: IpAddr::from(n.to_be_bytes()),
            dst: if n.is_multiple_of(2) {
                IpAddr::from([10, 0, 0, 1])
            } else {
                "2001:db8::1".parse().expect("an address")
            },
            srcport: n as u16,
            dstport: 443,
        };
        let asked = Asked::of((0..10_000).map(tuple), 10_000);
        assert!((0..10_000).map(tuple).all(|tuple| asked.may_hold(&tuple) && asked.may_hold(&tuple.reversed())));
        let passed = (10_000..110_000).filter(|n| asked.may_hold(&tuple(*n))).count();
        assert!(passed < 4_000, "{passed} of 100,000");
        assert!(!Asked::of(std::iter::empty(), 0).may_hold(&tuple(1)));
    }
}
