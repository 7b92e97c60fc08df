//! Measures prefix lookup: 1,000,000 addresses, 80 % of them in one of 10,000 CIDR blocks.
//!
//! ```text
//! cargo bench --no-default-features --bench prefix_lookup
//! ```
//!
//! Compares a linear scan and a trie (crate `prefix-trie`). All three must give the same results before anything is timed.
//! Each time is the best of several rounds.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark prints its results")]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use flowsentry::topology::prefix_table::{BlockId, PrefixTable};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const BLOCKS: usize = 10_000;
const ADDRESSES: usize = 1_000_000;
/// Addresses for the linear scan, which is slow.
const ADDRESSES_TO_SCAN: usize = 10_000;
const ROUNDS: usize = 5;

/// One block in this many is IPv6.
const IPV6_SHARE: usize = 10;
/// One address in this many is random, so usually in no block.
const OUTSIDE_SHARE: usize = 5;

fn main() {
    let mut chance = ChaCha8Rng::seed_from_u64(1);
    let blocks = blocks(&mut chance);
    let addresses: Vec<IpAddr> = (0..ADDRESSES).map(|n| address(&mut chance, &blocks, n)).collect();
    let (prefixes, trie) = (PrefixTable::new(&blocks), Trie::new(&blocks));
    let found = agree(&blocks, &addresses, &prefixes, &trie);
    println!("{ADDRESSES} addresses, {found} of them in one of {BLOCKS} blocks; ns for each look-up:");
    let all = &addresses[..];
    let few = &addresses[..ADDRESSES_TO_SCAN];
    report("Prefixes (spans, searched by halves)", all, |address| prefixes.longest(address));
    report("prefix-trie", all, |address| trie.longest(address));
    report("linear scan", few, |address| linear(&blocks, address));
    for (family, is_of) in [("IPv4", IpAddr::is_ipv4 as fn(&IpAddr) -> bool), ("IPv6", IpAddr::is_ipv6)] {
        let addresses: Vec<IpAddr> = all.iter().copied().filter(is_of).collect();
        report(&format!("Prefixes, {family} alone"), &addresses, |address| prefixes.longest(address));
        report(&format!("prefix-trie, {family} alone"), &addresses, |address| trie.longest(address));
    }
    let start = Instant::now();
    black_box(PrefixTable::new(black_box(&blocks)));
    println!("{:>12.1} ms  to make Prefixes of the blocks", start.elapsed().as_secs_f64() * 1e3);
}

/// Distinct blocks as VPCs and their parts have them: IPv4 of /16 to /28, IPv6 of /44 to /64. Many nest.
fn blocks(chance: &mut ChaCha8Rng) -> Vec<IpNet> {
    let mut blocks = BTreeSet::new();
    while blocks.len() < BLOCKS {
        let block = if blocks.len().is_multiple_of(IPV6_SHARE) {
            let bits = 0x2600_1f18_u128 << 96 | u128::from(chance.next_u32()) << 64;
            IpNet::new(IpAddr::from(bits.to_be_bytes()), between(chance, 44, 64))
        } else {
            let bits = 10 << 24 | chance.next_u32() >> 8;
            IpNet::new(IpAddr::from(bits.to_be_bytes()), between(chance, 16, 28))
        };
        blocks.insert(block.expect("the length fits").trunc());
    }
    blocks.into_iter().collect()
}

fn between(chance: &mut ChaCha8Rng, low: u8, high: u8) -> u8 {
    low + (chance.next_u32() % u32::from(high - low + 1)) as u8
}

/// The nth address: any IPv4 address, or one of a block.
fn address(chance: &mut ChaCha8Rng, blocks: &[IpNet], n: usize) -> IpAddr {
    if n.is_multiple_of(OUTSIDE_SHARE) {
        return IpAddr::from(chance.next_u32().to_be_bytes());
    }
    match blocks[chance.next_u32() as usize % blocks.len()] {
        IpNet::V4(block) => {
            let host = u32::from(block.hostmask()) & chance.next_u32();
            IpAddr::from((u32::from(block.network()) | host).to_be_bytes())
        }
        IpNet::V6(block) => {
            let host =
                u128::from(block.hostmask()) & (u128::from(chance.next_u64()) << 64 | u128::from(chance.next_u64()));
            IpAddr::from((u128::from(block.network()) | host).to_be_bytes())
        }
    }
}

fn linear(blocks: &[IpNet], address: IpAddr) -> Option<BlockId> {
    let holding = (0..).zip(blocks).filter(|(_, block)| block.contains(&address));
    holding.max_by_key(|(_, block)| block.prefix_len()).map(|(number, _)| number)
}

struct Trie {
    v4: PrefixMap<Ipv4Net, BlockId>,
    v6: PrefixMap<Ipv6Net, BlockId>,
}

impl Trie {
    fn new(blocks: &[IpNet]) -> Trie {
        let mut trie = Trie { v4: PrefixMap::new(), v6: PrefixMap::new() };
        for (number, block) in (0..).zip(blocks) {
            match block {
                IpNet::V4(block) => trie.v4.insert(*block, number),
                IpNet::V6(block) => trie.v6.insert(*block, number),
            };
        }
        trie
    }

    fn longest(&self, address: IpAddr) -> Option<BlockId> {
        match address {
            IpAddr::V4(v4) => self.v4.get_lpm(&Ipv4Net::from(v4)).map(|(_, number)| *number),
            IpAddr::V6(v6) => self.v6.get_lpm(&Ipv6Net::from(v6)).map(|(_, number)| *number),
        }
    }
}

/// Checks that all give the same results, and counts the addresses that are in a block.
fn agree(blocks: &[IpNet], addresses: &[IpAddr], prefixes: &PrefixTable, trie: &Trie) -> usize {
    for (n, address) in addresses.iter().enumerate() {
        let answer = prefixes.longest(*address);
        assert_eq!(answer, trie.longest(*address), "{address}");
        if n < ADDRESSES_TO_SCAN {
            assert_eq!(answer, linear(blocks, *address), "{address}");
        }
    }
    addresses.iter().filter(|address| prefixes.longest(**address).is_some()).count()
}

fn report(what: &str, addresses: &[IpAddr], longest: impl Fn(IpAddr) -> Option<BlockId>) {
    let round = || -> Duration {
        let start = Instant::now();
        for address in addresses {
            black_box(longest(black_box(*address)));
        }
        start.elapsed()
    };
    let best = (0..ROUNDS).map(|_| round()).min().unwrap_or_default();
    println!("{:>12.1} ns  {what}", best.as_secs_f64() * 1e9 / addresses.len() as f64);
}
