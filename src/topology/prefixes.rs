//! Longest prefix match: which of many blocks an address is in, at a cost that hardly grows with their number.
//!
//! Blocks nest or are apart, so they cut the addresses into spans, each with one longest block. The spans are kept in
//! order and searched by halves; of IPv4 a table by the upper 16 bits first narrows the search to one /16, so that
//! even with 10,000 blocks few spans are left. `cargo bench --bench locate` has it side by side with a trie and with
//! a linear scan.

use std::net::IpAddr;

use ipnet::IpNet;

/// The number of a block, by the order in which the distinct blocks were given.
pub type BlockNumber = u32;

/// Finds the longest of some blocks that holds an address.
#[derive(Debug, Clone)]
pub struct Prefixes {
    v4: Spans<u32>,
    /// By the upper 16 bits of an address: where its span can be, at the earliest and at the latest.
    v4_index: Box<[u32]>,
    v6: Spans<u128>,
}

/// Spans from each start to the next, with the block that holds them.
#[derive(Debug, Clone)]
struct Spans<A> {
    starts: Vec<A>,
    blocks: Vec<Option<BlockNumber>>,
}

const UPPER_VALUES: usize = 1 << 16;

impl Prefixes {
    /// Of blocks of which none stands twice.
    pub fn new(blocks: &[IpNet]) -> Prefixes {
        let numbered = || (0..).zip(blocks);
        let v4 = numbered().filter_map(|(number, block)| match block {
            IpNet::V4(v4) => Some(Block { first: v4.network().to_bits(), last: v4.broadcast().to_bits(), number }),
            IpNet::V6(_) => None,
        });
        let v6 = numbered().filter_map(|(number, block)| match block {
            IpNet::V6(v6) => Some(Block { first: v6.network().to_bits(), last: v6.broadcast().to_bits(), number }),
            IpNet::V4(_) => None,
        });
        let v4 = Spans::cut(v4.collect(), 0, |last| last.checked_add(1));
        let v6 = Spans::cut(v6.collect(), 0, |last| last.checked_add(1));
        let v4_index = (0..=UPPER_VALUES as u32)
            .map(|upper| match upper.checked_shl(16).filter(|_| upper < UPPER_VALUES as u32) {
                Some(first) => v4.place(first, 0, v4.starts.len()) as u32,
                None => v4.starts.len() as u32 - 1,
            })
            .collect();
        Prefixes { v4, v4_index, v6 }
    }

    /// The longest block that holds the address.
    pub fn longest(&self, address: IpAddr) -> Option<BlockNumber> {
        match address {
            IpAddr::V4(v4) => {
                let bits = v4.to_bits();
                let upper = (bits >> 16) as usize;
                let (from, to) = (self.v4_index[upper] as usize, self.v4_index[upper + 1] as usize);
                self.v4.blocks[self.v4.place(bits, from, to + 1)]
            }
            IpAddr::V6(v6) => self.v6.blocks[self.v6.place(v6.to_bits(), 0, self.v6.starts.len())],
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Block<A> {
    first: A,
    last: A,
    number: BlockNumber,
}

impl<A: Copy + Ord> Spans<A> {
    /// Cuts all addresses from `zero` on into spans.
    fn cut(mut blocks: Vec<Block<A>>, zero: A, next: impl Fn(A) -> Option<A>) -> Spans<A> {
        // A block comes before those that it holds.
        blocks.sort_unstable_by_key(|block| (block.first, std::cmp::Reverse(block.last)));
        let mut spans = Spans { starts: vec![zero], blocks: vec![None] };
        let mut open: Vec<Block<A>> = Vec::new();
        for block in blocks {
            spans.close(&mut open, |last| last < block.first, &next);
            spans.begin(block.first, Some(block.number));
            open.push(block);
        }
        spans.close(&mut open, |_| true, &next);
        spans
    }

    /// Ends the open blocks that have to be, the innermost first: behind it goes on the block that holds it.
    fn close(&mut self, open: &mut Vec<Block<A>>, ends: impl Fn(A) -> bool, next: impl Fn(A) -> Option<A>) {
        while let Some(block) = open.pop_if(|block| ends(block.last)) {
            if let Some(behind) = next(block.last) {
                self.begin(behind, open.last().map(|outer| outer.number));
            }
        }
    }

    fn begin(&mut self, start: A, block: Option<BlockNumber>) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.blocks.pop();
        }
        self.starts.push(start);
        self.blocks.push(block);
    }

    /// The place, from `from` on and before `to`, of the span that holds the address.
    fn place(&self, address: A, from: usize, to: usize) -> usize {
        from + self.starts[from..to].partition_point(|start| *start <= address).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn linear(blocks: &[IpNet], address: IpAddr) -> Option<BlockNumber> {
        let holding = (0..).zip(blocks).filter(|(_, block)| block.contains(&address));
        holding.max_by_key(|(_, block)| block.prefix_len()).map(|(number, _)| number)
    }

    fn block() -> impl Strategy<Value = IpNet> {
        // Few distinct bits, so that blocks nest and touch.
        let v4 = (
            prop::sample::select(vec![0u32, 0x0a00_0000, 0x0a00_ffff, 0x0a01_0000, 0xffff_ffff, 0x0a00_0080]),
            0u8..=32,
        )
            .prop_map(|(bits, length)| IpNet::new(IpAddr::from(bits.to_be_bytes()), length));
        let v6 = (
            prop::sample::select(vec![0u128, 1, 0x2001_0db8 << 96, u128::MAX, (0x2001_0db8 << 96) + (1 << 64)]),
            0u8..=128,
        )
            .prop_map(|(bits, length)| IpNet::new(IpAddr::from(bits.to_be_bytes()), length));
        prop_oneof![3 => v4, 1 => v6].prop_map(|block| block.expect("the length fits").trunc())
    }

    #[test]
    fn the_longest_block_wins_and_an_outer_goes_on_behind_it() {
        let blocks = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "255.255.255.255/32", "::/0"]
            .map(|block| block.parse::<IpNet>().expect("a block"));
        let prefixes = Prefixes::new(&blocks);
        for (address, expected) in [
            ("9.255.255.255", None),
            ("10.0.0.0", Some(0)),
            ("10.0.255.255", Some(0)),
            ("10.1.0.0", Some(1)),
            ("10.1.1.255", Some(1)),
            ("10.1.2.0", Some(2)),
            ("10.1.2.255", Some(2)),
            ("10.1.3.0", Some(1)),
            ("10.2.0.0", Some(0)),
            ("10.255.255.255", Some(0)),
            ("11.0.0.0", None),
            ("255.255.255.254", None),
            ("255.255.255.255", Some(3)),
            ("::", Some(4)),
            ("ffff::", Some(4)),
        ] {
            assert_eq!(prefixes.longest(address.parse().expect("an address")), expected, "{address}");
        }
        assert_eq!(Prefixes::new(&[]).longest(IpAddr::from([10, 0, 0, 1])), None);
    }

    proptest! {
        #[test]
        fn agrees_with_a_linear_scan(blocks in prop::collection::btree_set(block(), 0..30), v4: [u8; 4], near: prop::sample::Index) {
            let blocks: Vec<IpNet> = blocks.into_iter().collect();
            let prefixes = Prefixes::new(&blocks);
            let mut addresses = vec![IpAddr::from(v4), IpAddr::from([0u8; 16])];
            if !blocks.is_empty() {
                let block = blocks[near.index(blocks.len())];
                addresses.extend([block.network(), block.broadcast()]);
                if let IpAddr::V4(last) = block.broadcast() {
                    addresses.push(IpAddr::from(last.to_bits().wrapping_add(1).to_be_bytes()));
                }
            }
            for address in addresses {
                prop_assert_eq!(prefixes.longest(address), linear(&blocks, address), "{}", address);
            }
        }
    }
}
