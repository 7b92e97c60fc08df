//! A Bloom filter over the 5-tuples that rejected flows need: it skips most accepted tuples without a hash lookup.

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::FiveTuple;
use super::encoding::Ipv4Row;
use crate::aggregate::interner::Symbol;

/// A Bloom filter (*Space/time trade-offs in hash coding with allowable errors*, 1970) of two bits in one word for each tuple. A
/// tuple and its reverse have the same bits, so one probe covers both directions.
pub struct BloomFilter {
    /// Random odd numbers: the keys are untrusted input.
    seeds: [u64; 2],
    /// The length is a power of two.
    words: Vec<u64>,
}

impl BloomFilter {
    /// Builds the filter of about `count` tuples. Each has at least 16 bits, so that at most one in fifty others seems to be among
    /// them. An attacker who crafts tuples can raise that share, which costs time and changes no result.
    #[expect(clippy::indexing_slicing, reason = "`bits_of` masks the index with the length, a power of two")]
    pub fn new(tuples: impl Iterator<Item = FiveTuple>, count: usize) -> BloomFilter {
        let seeds = [0_u64, 1].map(|seed| RandomState::default().hash_one(seed) | 1);
        let mut filter = BloomFilter { seeds, words: vec![0; (count / 4).next_power_of_two()] };
        for tuple in tuples {
            let (word, bits) = filter.probe(&tuple);
            filter.words[word] |= bits;
        }
        filter
    }

    /// Returns `false` if neither the tuple nor its reverse is among those of the filter.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "`bits_of` masks the index with the length, a power of two")]
    pub fn may_contain(&self, tuple: &FiveTuple) -> bool {
        let (word, bits) = self.probe(tuple);
        self.words[word] & bits == bits
    }

    /// Returns `false` if neither the tuple of a row nor its reverse is among those of the filter.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "`bits_of` masks the index with the length, a power of two")]
    pub(super) fn may_contain_ipv4(&self, row: &Ipv4Row) -> bool {
        let (interface, protocol) = row.interface_and_protocol();
        let (word, bits) = self.bits_of(u64::from(row.src ^ row.dst), row.srcport ^ row.dstport, protocol, interface);
        self.words[word] & bits == bits
    }

    /// Returns the index of a tuple's word, and its bits in there.
    #[inline]
    fn probe(&self, tuple: &FiveTuple) -> (usize, u64) {
        let fold = |address: IpAddr| match address {
            IpAddr::V4(v4) => u64::from(v4.to_bits()),
            IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64 ^ (v6.to_bits() as u64).rotate_left(23),
        };
        let (addresses, ports) = (fold(tuple.src) ^ fold(tuple.dst), tuple.srcport ^ tuple.dstport);
        self.bits_of(addresses, ports, tuple.protocol, tuple.interface.map_or(0, Symbol::get))
    }

    /// Returns the index of a word and the bits in there. The addresses and ports are those of both ends, joined by XOR.
    #[inline]
    fn bits_of(&self, addresses: u64, ports: u16, protocol: u8, interface: u32) -> (usize, u64) {
        let key = addresses ^ u64::from(ports) << 40 ^ u64::from(protocol) << 56;
        let product = key.wrapping_mul(self.seeds[0]);
        let with_interface = (product ^ product >> 32).wrapping_add(u64::from(interface));
        let hash = with_interface.wrapping_mul(self.seeds[1]) >> 16;
        ((hash >> 12) as usize & (self.words.len() - 1), 1 << (hash & 63) | 1 << (hash >> 6 & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contained_tuples_and_few_others_pass() {
        let tuple = |n: u32| FiveTuple {
            interface: Symbol::new(n % 7),
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
        let filter = BloomFilter::new((0..10_000).map(tuple), 10_000);
        assert!(
            (0..10_000).map(tuple).all(|tuple| filter.may_contain(&tuple) && filter.may_contain(&tuple.reversed()))
        );
        let passed = (10_000..110_000).filter(|n| filter.may_contain(&tuple(*n))).count();
        assert!(passed < 4_000, "{passed} of 100,000");
        assert!(!BloomFilter::new(std::iter::empty(), 0).may_contain(&tuple(1)));
    }
}
