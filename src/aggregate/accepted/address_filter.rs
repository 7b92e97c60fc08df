//! A small filter over addresses: it skips most accepted records without a hash look-up.

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::fast::RandomState;

/// A Bloom filter of one bit for each address. It fits into the first level of the cache.
pub struct AddressFilter {
    /// A random odd number: the addresses are untrusted input.
    seed: u64,
    bits: Box<[u64; AddressFilter::WORDS]>,
}

impl AddressFilter {
    const WORDS: usize = 1 << 10;

    /// Builds the filter of these addresses.
    #[expect(clippy::indexing_slicing, reason = "`bit_of` shifts the index below the number of words")]
    pub fn new(addresses: impl Iterator<Item = IpAddr>) -> AddressFilter {
        let seed = RandomState::default().hash_one(0) | 1;
        let mut filter = AddressFilter { seed, bits: Box::new([0; AddressFilter::WORDS]) };
        for address in addresses {
            let (word, bit) = filter.probe(address);
            filter.bits[word] |= bit;
        }
        filter
    }

    /// Returns `false` if the address is not among those of the filter.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "`bit_of` shifts the index below the number of words")]
    pub fn may_contain(&self, address: IpAddr) -> bool {
        let (word, bit) = self.probe(address);
        self.bits[word] & bit != 0
    }

    /// Returns `false` if the IPv4 address with these bits is not among those of the filter.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "`bit_of` shifts the index below the number of words")]
    pub(super) fn may_contain_ipv4(&self, bits: u32) -> bool {
        let (word, bit) = self.bit_of(u64::from(bits));
        self.bits[word] & bit != 0
    }

    /// Returns the index of an address's word, and its bit in there.
    #[inline]
    fn probe(&self, address: IpAddr) -> (usize, u64) {
        self.bit_of(match address {
            IpAddr::V4(v4) => u64::from(v4.to_bits()),
            IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64 ^ (v6.to_bits() as u64).rotate_left(23),
        })
    }

    /// Returns the index of a word and the bit in there of a folded address.
    #[inline]
    fn bit_of(&self, folded: u64) -> (usize, u64) {
        let hash = folded.wrapping_mul(self.seed) >> 48;
        ((hash >> 6) as usize, 1 << (hash & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contained_addresses_and_few_others_pass() {
        let address = |n: u32| IpAddr::from((n.wrapping_mul(2_654_435_761)).to_be_bytes());
        let v6: IpAddr = "2001:db8::1".parse().expect("an address");
        let filter = AddressFilter::new((0..500).map(address).chain([v6]));
        assert!((0..500).map(address).chain([v6]).all(|address| filter.may_contain(address)));
        assert!((500..100_000).map(address).filter(|address| filter.may_contain(*address)).count() < 5000);
    }
}
