//! Longest prefix match: finds the block of an address in near constant time.
//!
//! Two blocks either nest or are disjoint. They split the address space into intervals, each with one longest block
//! (`Intervals`); a binary search over their starts finds any address, and is used for IPv6.
//!
//! IPv4 uses tables of up to four levels, 8 + 8 + 8 + 4 bits. An `Entry` is a block, or refers to a table of the next level.
//! 28 bits suffice, because a VPC block is a /28 or larger; the binary search handles smaller blocks. All first octets without a
//! block share one second-level table, so that addresses of the internet need few cache lines.
//!
//! Invariants of the tables, which [`PrefixTable::lookup_one_based`] and the `fill_…` functions share:
//! - `first[octet]` is the start of 256 entries of `second`, and 0 for an octet without a block. The first 256 entries of
//!   `second` are empty.
//! - An entry that refers to a table holds a valid index: an entry of `second` into `third`, an entry of `third` into `fourth`.
//! - `Entry::SEARCH` occurs in `fourth` only, and looks like a reference to a table.
//!
//! `cargo bench --bench prefix_lookup` compares this table with a trie and a linear scan.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

/// Index of a block in the list that the table was built from.
pub type BlockId = u32;

/// Finds the longest block that contains an address.
#[derive(Debug, Clone)]
pub struct PrefixTable {
    /// By the first octet: start of its entries in `second`.
    first: [u32; 1 << 8],
    /// By the second octet, 256 entries per table.
    second: Vec<Entry>,
    /// By the third octet.
    third: Vec<[Entry; 1 << 8]>,
    /// By the upper 4 bits of the fourth octet.
    fourth: Vec<[Entry; 1 << 4]>,
    intervals: IntervalTable,
}

/// Finds the longest block that contains an address, by a binary search. It is smaller and slower than a [`PrefixTable`].
#[derive(Debug, Clone)]
pub(super) struct IntervalTable {
    v4: Intervals<u32>,
    v6: Intervals<u128>,
}

impl Default for IntervalTable {
    fn default() -> IntervalTable {
        IntervalTable::new(&[])
    }
}

impl IntervalTable {
    /// Builds a table of distinct blocks.
    pub(super) fn new(blocks: &[IpNet]) -> IntervalTable {
        let numbered = || (0..).zip(blocks);
        let v4 = numbered().filter_map(|(id, block)| match block {
            IpNet::V4(v4) => Some(Block { first: v4.network().to_bits(), last: v4.broadcast().to_bits(), id }),
            IpNet::V6(_) => None,
        });
        let v6 = numbered().filter_map(|(id, block)| match block {
            IpNet::V6(v6) => Some(Block { first: v6.network().to_bits(), last: v6.broadcast().to_bits(), id }),
            IpNet::V4(_) => None,
        });
        IntervalTable {
            v4: Intervals::build(v4.collect(), 0, |last| last.checked_add(1)),
            v6: Intervals::build(v6.collect(), 0, |last| last.checked_add(1)),
        }
    }

    /// Returns the longest block that contains the address.
    pub(super) fn longest(&self, address: IpAddr) -> Option<BlockId> {
        match address {
            IpAddr::V4(v4) => self.v4.block(v4.to_bits()),
            IpAddr::V6(v6) => self.v6.block(v6.to_bits()),
        }
    }
}

/// Result for the addresses of a table entry: no block (0), a block (its id + 1), a table of the next level, or a search of
/// the intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry(u32);

impl Entry {
    const NONE: Entry = Entry(0);
    const SEARCH: Entry = Entry(u32::MAX);
    const TABLE: u32 = 1 << 31;

    fn from_block(block: Option<BlockId>) -> Entry {
        // The id is below 2^31, because 2^31 blocks do not fit into memory.
        Entry(block.map_or(0, |id| id + 1))
    }

    fn from_table(index: usize) -> Entry {
        Entry(Entry::TABLE | index as u32)
    }

    fn is_table(self) -> bool {
        self.0 & Entry::TABLE != 0
    }

    fn table_index(self) -> usize {
        (self.0 & !Entry::TABLE) as usize
    }
}

impl PrefixTable {
    /// Builds a table of distinct blocks.
    pub fn new(blocks: &[IpNet]) -> PrefixTable {
        let intervals = IntervalTable::new(blocks);
        let second = vec![Entry::NONE; 1 << 8];
        let mut table = PrefixTable { first: [0; 1 << 8], second, third: Vec::new(), fourth: Vec::new(), intervals };
        table.fill_tables();
        table
    }

    fn fill_tables(&mut self) {
        let intervals: Vec<(u32, u32, Entry)> = self.intervals.v4.iter(u32::MAX, |next| next - 1).collect();
        for (first, last, entry) in intervals {
            self.fill_interval(first, last, entry);
        }
    }

    /// Fills the entries of an interval: whole /16 networks in `second`, and parts at its two ends in finer tables.
    fn fill_interval(&mut self, first: u32, last: u32, entry: Entry) {
        let whole = first.div_ceil(1 << 16) as usize..((u64::from(last) + 1) >> 16) as usize;
        if entry != Entry::NONE {
            for upper in whole {
                *self.second_mut(upper) = entry;
            }
        }
        let ends = [(first, last.min(first | 0xffff)), (last & !0xffff, last)];
        let distinct_ends = if first >> 16 == last >> 16 { 1 } else { 2 };
        for (first, last) in ends.into_iter().take(distinct_ends) {
            if last - first < 0xffff {
                self.fill_third((first >> 16) as usize, first & 0xffff..=last & 0xffff, entry);
            }
        }
    }

    /// Returns the second-level entry of the upper 16 bits of an address. Adds a table for their first octet if it has
    /// none.
    #[expect(clippy::indexing_slicing, reason = "`first` has an entry per octet, which is the start of 256 entries")]
    fn second_mut(&mut self, upper: usize) -> &mut Entry {
        let (first, second) = (upper >> 8, upper & 0xff);
        if self.first[first] == 0 {
            self.first[first] = self.second.len() as u32;
            self.second.resize(self.second.len() + (1 << 8), Entry::NONE);
        }
        &mut self.second[self.first[first] as usize + second]
    }

    /// Fills a range of the lower 16 bits of the addresses whose upper 16 bits are `upper`.
    #[expect(
        clippy::indexing_slicing,
        reason = "an entry that refers to a table holds a valid index; 8 bits are below 256"
    )]
    fn fill_third(&mut self, upper: usize, lower: RangeInclusive<u32>, entry: Entry) {
        let next = Entry::from_table(self.third.len());
        let second = self.second_mut(upper);
        if !second.is_table() {
            *second = next;
        }
        let third = second.table_index();
        if third == self.third.len() {
            self.third.push([Entry::NONE; 1 << 8]);
        }
        for piece in split_range(lower, 8) {
            if piece.is_whole {
                self.third[third][piece.upper] = entry;
                continue;
            }
            if !self.third[third][piece.upper].is_table() {
                self.third[third][piece.upper] = Entry::from_table(self.fourth.len());
                self.fourth.push([Entry::NONE; 1 << 4]);
            }
            let fourth = self.third[third][piece.upper].table_index();
            for piece in split_range(piece.lower, 4) {
                self.fourth[fourth][piece.upper] = if piece.is_whole { entry } else { Entry::SEARCH };
            }
        }
    }

    /// Returns the longest block that contains the address.
    #[inline(always)]
    pub fn longest(&self, address: IpAddr) -> Option<BlockId> {
        self.lookup_one_based(address).checked_sub(1)
    }

    /// Returns the longest block that contains the address as its id + 1, or 0 if there is none. A caller with a table of
    /// blocks can use the result as an index without a branch, which would be mispredicted often.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "the invariants of the tables; each index has as many bits as its table"
    )]
    pub fn lookup_one_based(&self, address: IpAddr) -> u32 {
        match address {
            IpAddr::V4(v4) => {
                let bits = v4.to_bits();
                let mut entry = self.second[(self.first[(bits >> 24) as usize] + (bits >> 16 & 0xff)) as usize];
                if entry.is_table() {
                    entry = self.third[entry.table_index()][(bits >> 8 & 0xff) as usize];
                    if entry.is_table() {
                        entry = self.fourth[entry.table_index()][(bits >> 4 & 0xf) as usize];
                        if entry == Entry::SEARCH {
                            entry = Entry::from_block(self.intervals.v4.block(bits));
                        }
                    }
                }
                entry.0
            }
            IpAddr::V6(v6) => Entry::from_block(self.intervals.v6.block(v6.to_bits())).0,
        }
    }
}

/// Part of a range whose values share their upper bits.
struct Piece {
    upper: usize,
    lower: RangeInclusive<u32>,
    /// Whether the part has all values of the lower bits.
    is_whole: bool,
}

/// Splits a range by all but the `lower_bits` lower bits of its values.
fn split_range(range: RangeInclusive<u32>, lower_bits: u32) -> impl Iterator<Item = Piece> {
    let (first, last) = range.into_inner();
    let max = (1 << lower_bits) - 1;
    let (first_upper, last_upper) = (first >> lower_bits, last >> lower_bits);
    (first_upper..=last_upper).map(move |upper| {
        let start = if upper == first_upper { first & max } else { 0 };
        let end = if upper == last_upper { last & max } else { max };
        Piece { upper: upper as usize, lower: start..=end, is_whole: start == 0 && end == max }
    })
}

/// A block as a range of addresses.
#[derive(Debug, Clone, Copy)]
struct Block<A> {
    first: A,
    last: A,
    id: BlockId,
}

/// Intervals that cover all addresses. Each ends at the start of the next one and has at most one longest block.
///
/// Both vectors have the same length, of at least 1. The first start is the least address.
#[derive(Debug, Clone)]
struct Intervals<A> {
    starts: Vec<A>,
    blocks: Vec<Option<BlockId>>,
}

impl<A: Copy + Ord> Intervals<A> {
    /// Splits the addresses from `zero` on at the bounds of the blocks. `next` returns the next address, if there is one.
    fn build(mut blocks: Vec<Block<A>>, zero: A, next: impl Fn(A) -> Option<A>) -> Intervals<A> {
        // Sorts a block before the blocks that it contains.
        blocks.sort_unstable_by_key(|block| (block.first, std::cmp::Reverse(block.last)));
        let mut intervals = Intervals { starts: vec![zero], blocks: vec![None] };
        let mut open: Vec<Block<A>> = Vec::new();
        for block in blocks {
            intervals.close(&mut open, |last| last < block.first, &next);
            intervals.begin(block.first, Some(block.id));
            open.push(block);
        }
        intervals.close(&mut open, |_| true, &next);
        intervals
    }

    /// Closes the open blocks that end, the innermost first. After each of them, the block that contains it continues.
    fn close(&mut self, open: &mut Vec<Block<A>>, ends: impl Fn(A) -> bool, next: impl Fn(A) -> Option<A>) {
        while let Some(block) = open.pop_if(|block| ends(block.last)) {
            if let Some(start) = next(block.last) {
                self.begin(start, open.last().map(|outer| outer.id));
            }
        }
    }

    /// Begins an interval. Replaces the last one if it would be empty.
    fn begin(&mut self, start: A, block: Option<BlockId>) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.blocks.pop();
        }
        self.starts.push(start);
        self.blocks.push(block);
    }

    /// Returns the block of the interval that contains the address.
    #[expect(clippy::indexing_slicing, reason = "the index is below the length of `starts`, which is that of `blocks`")]
    fn block(&self, address: A) -> Option<BlockId> {
        self.blocks[self.starts.partition_point(|start| *start <= address).saturating_sub(1)]
    }

    /// Returns the first and last address and the entry of each interval. `max` is the greatest address; `previous`
    /// returns the address before.
    fn iter(&self, max: A, previous: impl Fn(A) -> A) -> impl Iterator<Item = (A, A, Entry)> {
        let lasts = self.starts.iter().skip(1).map(move |next| previous(*next)).chain([max]);
        let entries = self.blocks.iter().map(|block| Entry::from_block(*block));
        self.starts.iter().copied().zip(lasts).zip(entries).map(|((first, last), entry)| (first, last, entry))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn linear(blocks: &[IpNet], address: IpAddr) -> Option<BlockId> {
        let holding = (0..).zip(blocks).filter(|(_, block)| block.contains(&address));
        holding.max_by_key(|(_, block)| block.prefix_len()).map(|(id, _)| id)
    }

    fn block() -> impl Strategy<Value = IpNet> {
        // Few distinct bits, so that blocks often nest or touch.
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
    fn longest_block_wins_and_the_outer_block_continues_after_it() {
        let blocks = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "255.255.255.255/32", "::/0"]
            .map(|block| block.parse::<IpNet>().expect("a block"));
        let prefixes = PrefixTable::new(&blocks);
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
        assert_eq!(PrefixTable::new(&[]).longest(IpAddr::from([10, 0, 0, 1])), None);
    }

    #[test]
    fn first_octets_without_a_block_share_a_table() {
        let second_level_tables = |blocks: &[&str]| {
            let blocks: Vec<IpNet> = blocks.iter().map(|block| block.parse().expect("a block")).collect();
            PrefixTable::new(&blocks).second.len() >> 8
        };
        assert_eq!(second_level_tables(&[]), 1);
        assert_eq!(second_level_tables(&["10.0.0.0/16", "10.9.0.0/20", "2001:db8::/32", "10.0.0.0/8"]), 2);
        assert_eq!(second_level_tables(&["10.0.0.0/16", "255.255.255.255/32", "100.64.0.0/10"]), 4);
    }

    proptest! {
        #[test]
        fn agrees_with_a_linear_scan(blocks in prop::collection::btree_set(block(), 0..30), v4: [u8; 4], near: prop::sample::Index) {
            let blocks: Vec<IpNet> = blocks.into_iter().collect();
            let prefixes = PrefixTable::new(&blocks);
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
