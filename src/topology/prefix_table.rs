//! Longest prefix match: which of many blocks an address is in, at a cost that hardly grows with their number.
//!
//! Blocks nest or are apart, so they cut the addresses into spans, each with one longest block. Of IPv6 the spans are
//! searched by halves. Of IPv4 a table says it by the second octet, which the first octet has chosen; where these do not tell it
//! another by the third, then one by the next 4 bits: a VPC's block is no smaller. All first octets without a block share a
//! table, so that the many addresses of the internet are looked up in few bytes. `cargo bench --bench prefix_lookup` has it side by
//! side with a trie and with a linear scan.

use std::net::IpAddr;

use ipnet::IpNet;

/// The number of a block, by the order in which the distinct blocks were given.
pub type BlockNumber = u32;

/// Finds the longest of some blocks that holds an address.
#[derive(Debug, Clone)]
pub struct PrefixTable {
    /// By the first octet: where its table begins in the next. At 0 is that of the octets without a block.
    first: [u32; 1 << 8],
    /// By the second octet, table after table.
    upper: Vec<Entry>,
    /// By the third.
    middle: Vec<[Entry; 1 << 8]>,
    /// By the next 4.
    lower: Vec<[Entry; 1 << 4]>,
    v4: Intervals<u32>,
    v6: Intervals<u128>,
}

/// What a table says of addresses: no block, a block, the number of a finer table, or that the spans are to be searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry(u32);

impl Entry {
    const NONE: Entry = Entry(0);
    const SEARCH: Entry = Entry(u32::MAX);
    const TABLE: u32 = 1 << 31;

    fn of(block: Option<BlockNumber>) -> Entry {
        // There are never 2^31 blocks: each takes memory.
        Entry(block.map_or(0, |number| number + 1))
    }

    fn table(number: usize) -> Entry {
        Entry(Entry::TABLE | number as u32)
    }

    fn is_table(self) -> bool {
        self.0 & Entry::TABLE != 0
    }

    /// The number of the table.
    fn number(self) -> usize {
        (self.0 & !Entry::TABLE) as usize
    }
}

/// Intervals from each start to the next, with the block that holds them.
#[derive(Debug, Clone)]
struct Intervals<A> {
    starts: Vec<A>,
    blocks: Vec<Option<BlockNumber>>,
}

impl PrefixTable {
    /// Of blocks of which none stands twice.
    pub fn new(blocks: &[IpNet]) -> PrefixTable {
        let numbered = || (0..).zip(blocks);
        let v4 = numbered().filter_map(|(number, block)| match block {
            IpNet::V4(v4) => Some(Block { first: v4.network().to_bits(), last: v4.broadcast().to_bits(), number }),
            IpNet::V6(_) => None,
        });
        let v6 = numbered().filter_map(|(number, block)| match block {
            IpNet::V6(v6) => Some(Block { first: v6.network().to_bits(), last: v6.broadcast().to_bits(), number }),
            IpNet::V4(_) => None,
        });
        let v4 = Intervals::cut(v4.collect(), 0, |last| last.checked_add(1));
        let v6 = Intervals::cut(v6.collect(), 0, |last| last.checked_add(1));
        let upper = vec![Entry::NONE; 1 << 8];
        let mut prefixes = PrefixTable { first: [0; 1 << 8], upper, middle: Vec::new(), lower: Vec::new(), v4, v6 };
        prefixes.fill_tables();
        prefixes
    }

    fn fill_tables(&mut self) {
        for place in 0..self.v4.starts.len() {
            let last = self.v4.starts.get(place + 1).map_or(u32::MAX, |next| next - 1);
            let entry = Entry::of(self.v4.blocks[place]);
            let first = self.v4.starts[place];
            let whole = first.div_ceil(1 << 16) as usize..((u64::from(last) + 1) >> 16) as usize;
            if entry != Entry::NONE {
                whole.for_each(|upper| *self.upper_mut(upper) = entry);
            }
            let ends = [(first, last.min(first | 0xffff)), (last & !0xffff, last)];
            let different = if first >> 16 == last >> 16 { 1 } else { 2 };
            for (first, last) in ends.into_iter().take(different) {
                if last - first < 0xffff {
                    self.fill_middle((first >> 16) as usize, (first & 0xffff, last & 0xffff), entry);
                }
            }
        }
    }

    /// The entry of the upper 16 bits, in a table of their first octet's own.
    fn upper_mut(&mut self, upper: usize) -> &mut Entry {
        let (first, second) = (upper >> 8, upper & 0xff);
        if self.first[first] == 0 {
            self.first[first] = self.upper.len() as u32;
            self.upper.resize(self.upper.len() + (1 << 8), Entry::NONE);
        }
        &mut self.upper[self.first[first] as usize + second]
    }

    fn fill_middle(&mut self, upper: usize, (first, last): (u32, u32), entry: Entry) {
        let next = Entry::table(self.middle.len());
        let upper = self.upper_mut(upper);
        if !upper.is_table() {
            *upper = next;
        }
        let middle = upper.number();
        if middle == self.middle.len() {
            self.middle.push([Entry::NONE; 1 << 8]);
        }
        for (place, first, last) in pieces(first, last, 8) {
            if first == 0 && last == (1 << 8) - 1 {
                self.middle[middle][place] = entry;
                continue;
            }
            if !self.middle[middle][place].is_table() {
                self.middle[middle][place] = Entry::table(self.lower.len());
                self.lower.push([Entry::NONE; 1 << 4]);
            }
            let lower = self.middle[middle][place].number();
            for (place, first, last) in pieces(first, last, 4) {
                let whole = first == 0 && last == (1 << 4) - 1;
                self.lower[lower][place] = if whole { entry } else { Entry::SEARCH };
            }
        }
    }

    /// The longest block that holds the address.
    #[inline(always)]
    pub fn longest(&self, address: IpAddr) -> Option<BlockNumber> {
        self.lookup_one_based(address).checked_sub(1)
    }

    /// The same, blocks counted from 1: 0 is none. So whoever has a table of blocks need not ask whether there is one, which
    /// of the addresses of a flow log nobody can foresee.
    #[inline(always)]
    pub fn lookup_one_based(&self, address: IpAddr) -> u32 {
        match address {
            IpAddr::V4(v4) => {
                let bits = v4.to_bits();
                let mut entry = self.upper[(self.first[(bits >> 24) as usize] + (bits >> 16 & 0xff)) as usize];
                if entry.is_table() {
                    entry = self.middle[entry.number()][(bits >> 8 & 0xff) as usize];
                    if entry.is_table() {
                        entry = self.lower[entry.number()][(bits >> 4 & 0xf) as usize];
                        if entry == Entry::SEARCH {
                            entry = Entry::of(self.v4.block(bits));
                        }
                    }
                }
                entry.0
            }
            IpAddr::V6(v6) => Entry::of(self.v6.block(v6.to_bits())).0,
        }
    }
}

/// Cuts the addresses from `first` to `last` by all but their lower bits: gives those, and in each piece the first and last
/// lower bits.
fn pieces(first: u32, last: u32, lower_bits: u32) -> impl Iterator<Item = (usize, u32, u32)> {
    let most = (1 << lower_bits) - 1;
    let (from, to) = (first >> lower_bits, last >> lower_bits);
    (from..=to).map(move |upper| {
        let least = if upper == from { first & most } else { 0 };
        let greatest = if upper == to { last & most } else { most };
        (upper as usize, least, greatest)
    })
}

#[derive(Debug, Clone, Copy)]
struct Block<A> {
    first: A,
    last: A,
    number: BlockNumber,
}

impl<A: Copy + Ord> Intervals<A> {
    /// Cuts all addresses from `zero` on into spans.
    fn cut(mut blocks: Vec<Block<A>>, zero: A, next: impl Fn(A) -> Option<A>) -> Intervals<A> {
        // A block comes before those that it holds.
        blocks.sort_unstable_by_key(|block| (block.first, std::cmp::Reverse(block.last)));
        let mut spans = Intervals { starts: vec![zero], blocks: vec![None] };
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

    /// The block of the span that holds the address.
    fn block(&self, address: A) -> Option<BlockNumber> {
        self.blocks[self.starts.partition_point(|start| *start <= address).saturating_sub(1)]
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
        let tables = |blocks: &[&str]| {
            let blocks: Vec<IpNet> = blocks.iter().map(|block| block.parse().expect("a block")).collect();
            PrefixTable::new(&blocks).upper.len() >> 8
        };
        assert_eq!(tables(&[]), 1);
        assert_eq!(tables(&["10.0.0.0/16", "10.9.0.0/20", "2001:db8::/32", "10.0.0.0/8"]), 2);
        assert_eq!(tables(&["10.0.0.0/16", "255.255.255.255/32", "100.64.0.0/10"]), 4);
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
