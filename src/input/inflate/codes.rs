//! Huffman codes → tables in which the next bits find what they mean.

/// Bits by which literals and lengths are looked up: 8 KiB of entries, so that with a window they stay in the fastest cache.
pub(super) const SYMBOL_BITS: u32 = 11;
/// Bits by which distances are looked up.
pub(super) const DISTANCE_BITS: u32 = 8;
/// Bits by which the lengths of codes are looked up.
pub(super) const LENGTH_BITS: u32 = 7;
/// The longest code.
const LONGEST: usize = 15;
/// Symbols that stand for a literal byte; the next one ends a block.
const LITERALS: u16 = 256;

/// What the next bits mean: in bits 0 to 5 how many of them to skip, with those that are read as a number. Bit 6 is set for
/// a match's length, bit 7 for that which has a literal before it, and else for what is neither literals nor a distance.
///
/// | bits | a length | a distance | literals | all else |
/// | --- | --- | --- | --- | --- |
/// | 8 to 15 | the literal before it | bits before the number | how many: 1 or 2 | its kind |
/// | 16 to 22 | bits before the number | | from 16 on | from 12 on where its table begins |
/// | 23 to 31 | what is added to the number | the same, from 17 on | the two bytes | from 28 on by how many bits it is looked up |
///
/// A number's bits before it are less than 16, with two bits above that are 0: so nothing has to be masked for a shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(u32);

/// What an entry is that is neither literals nor a length nor a distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Special {
    /// No code begins like this.
    None,
    EndOfBlock,
    /// A longer code: the table for what follows.
    Table {
        start: usize,
        bits: u64,
    },
}

impl Entry {
    const LENGTH: u32 = 1 << 6;
    const LITERAL_BEFORE: u32 = 1 << 7;
    const SPECIAL: u32 = 1 << 7;
    pub(super) const NONE: Entry = Entry(Self::SPECIAL);

    fn literal(bits: u32, byte: u16) -> Entry {
        Entry(bits | 1 << 8 | u32::from(byte) << 16)
    }

    fn end_of_block(bits: u32) -> Entry {
        Entry(bits | Self::SPECIAL | 1 << 8)
    }

    fn table(start: usize, bits: u32) -> Entry {
        Entry(Self::SPECIAL | 2 << 8 | (start as u32) << 12 | bits << 28)
    }

    /// What a symbol of literals and lengths means.
    pub(super) fn of_symbol(symbol: u16, bits: u32) -> Entry {
        const LEAST: u16 = LITERALS + 1;
        match symbol {
            ..LITERALS => Entry::literal(bits, symbol),
            LITERALS => Entry::end_of_block(bits),
            LEAST.. => match LENGTHS.get(usize::from(symbol - LEAST)) {
                Some((base, extra)) => Entry((bits + extra) | Self::LENGTH | bits << 16 | base << 23),
                None => Entry::NONE,
            },
        }
    }

    /// What a symbol of distances means.
    pub(super) fn of_distance(symbol: u16, bits: u32) -> Entry {
        let symbol = u32::from(symbol);
        let (base, extra) = match symbol {
            ..4 => (symbol + 1, 0),
            4..30 => (((2 + symbol % 2) << (symbol / 2 - 1)) + 1, symbol / 2 - 1),
            30.. => return Entry::NONE,
        };
        Entry((bits + extra) | bits << 8 | base << 17)
    }

    /// What a symbol of code lengths means: itself.
    pub(super) fn of_code_length(symbol: u16, bits: u32) -> Entry {
        Entry::literal(bits, symbol)
    }

    /// Both, if this is one literal, and the other one literal or a length, and if all of it is in the bits of one look-up.
    fn before(self, other: Entry) -> Option<Entry> {
        let is_literal = |entry: Entry| entry.0 & (Self::LENGTH | Self::SPECIAL | 3 << 8) == 1 << 8;
        let bits = self.0 & 63;
        if !is_literal(self) {
            None
        } else if other.0 & (Self::LENGTH | Self::LITERAL_BEFORE) == Self::LENGTH {
            let literal = Self::LITERAL_BEFORE | (self.0 >> 16 & 0xff) << 8;
            ((other.0 >> 16 & 15) + bits <= SYMBOL_BITS).then_some(Entry((other.0 | literal) + bits + (bits << 16)))
        } else if is_literal(other) {
            let bits = bits + (other.0 & 63);
            let literals = self.0 & 0xff << 16 | (other.0 & 0xff << 16) << 8;
            (bits <= SYMBOL_BITS).then_some(Entry(bits | 2 << 8 | literals))
        } else {
            None
        }
    }

    /// How many bits to skip, in the lowest six bits.
    #[inline(always)]
    pub(super) fn bits(self) -> u64 {
        u64::from(self.0)
    }

    #[inline(always)]
    pub(super) fn is_length(self) -> bool {
        self.0 & Self::LENGTH != 0
    }

    /// Of what is no length.
    #[inline(always)]
    pub(super) fn is_special(self) -> bool {
        self.0 & Self::SPECIAL != 0
    }

    pub(super) fn special(self) -> Special {
        match self.0 >> 8 & 3 {
            1 => Special::EndOfBlock,
            2 => Special::Table { start: (self.0 >> 12 & 0xffff) as usize, bits: u64::from(self.0 >> 28) },
            _ => Special::None,
        }
    }

    /// Two bytes of which the first so many are literals.
    #[inline(always)]
    pub(super) fn literals(self) -> ([u8; 2], usize) {
        ([(self.0 >> 16) as u8, (self.0 >> 24) as u8], (self.0 >> 8 & 3) as usize)
    }

    /// A byte, and whether it is a literal before the length: 0 or 1.
    #[inline(always)]
    pub(super) fn literal_before(self) -> (u8, usize) {
        ((self.0 >> 8) as u8, (self.0 >> 7 & 1) as usize)
    }

    /// A length, of all the bits that it skips.
    #[inline(always)]
    pub(super) fn length(self, bits: u64) -> usize {
        (self.0 >> 23) as usize + (bits >> (self.0 >> 16 & 63)) as usize
    }

    /// A distance, of all the bits that it skips.
    #[inline(always)]
    pub(super) fn distance(self, bits: u64) -> usize {
        (self.0 >> 17) as usize + (bits >> (self.0 >> 8 & 63)) as usize
    }
}

/// The lengths' least values and the bits of what is added (RFC 1951, 3.2.5).
const LENGTHS: [(u32, u32); 29] = {
    let mut lengths = [(0, 0); 29];
    let (mut symbol, mut base) = (0, 3);
    while symbol < 28 {
        let extra = if symbol < 8 { 0 } else { symbol as u32 / 4 - 1 };
        lengths[symbol] = (base, extra);
        base += 1 << extra;
        symbol += 1;
    }
    lengths[28] = (258, 0);
    lengths
};

/// A table of `SIZE` entries, a power of two, and further ones for longer codes.
pub(super) struct Table<const SIZE: usize> {
    entries: [Entry; SIZE],
    more: Vec<Entry>,
}

impl<const SIZE: usize> Table<SIZE> {
    const BITS: u32 = SIZE.ilog2();

    /// In which there is no code.
    pub(super) fn new() -> Table<SIZE> {
        Table { entries: [Entry::NONE; SIZE], more: Vec::new() }
    }

    #[inline(always)]
    pub(super) fn entry(&self, place: usize) -> Entry {
        self.entries[place % SIZE]
    }

    /// What stands in a further table.
    #[inline(always)]
    pub(super) fn further(&self, place: usize) -> Entry {
        self.more.get(place).copied().unwrap_or(Entry::NONE)
    }

    /// Takes the codes of symbols, by the lengths of these: 0 for a symbol that has none. Says whether they can be read: any bits
    /// have to begin with a code. Where they may be `sparse`, there may also be one code of one bit, or none.
    pub(super) fn fill(&mut self, lengths: &[u8], sparse: bool, entry: impl Fn(u16, u32) -> Entry) -> bool {
        let Some(codes) = Codes::new(lengths) else { return false };
        self.more.clear();
        if codes.are_complete {
            self.fill_completely(&codes, lengths, entry);
        } else if sparse && codes.longest <= 1 {
            self.entries.fill(Entry::NONE);
            if let Some(symbol) = codes.symbols().first() {
                self.entries.iter_mut().step_by(2).for_each(|one| *one = entry(*symbol, 1));
            }
        } else {
            return false;
        }
        true
    }

    fn fill_completely(&mut self, codes: &Codes, lengths: &[u8], entry: impl Fn(u16, u32) -> Entry) {
        let (mut filled, mut table) = (1, None);
        let (mut code, mut code_length) = (0_u32, 0);
        for &symbol in codes.symbols() {
            let length = u32::from(lengths[usize::from(symbol)]);
            code <<= length - std::mem::replace(&mut code_length, length);
            let reversed = (code.reverse_bits() >> (u32::BITS - length)) as usize;
            code += 1;
            if length <= Self::BITS {
                filled = self.grow(filled, 1 << length);
                self.entries[reversed] = entry(symbol, length);
                continue;
            }
            filled = self.grow(filled, SIZE);
            let (place, rest, bits) = (reversed % SIZE, reversed / SIZE, codes.longest - Self::BITS);
            // Longer codes that begin alike follow each other.
            let start = match table {
                Some((begin, start)) if begin == place => start,
                _ => {
                    let start = self.more.len();
                    self.more.resize(start + (1 << bits), Entry::NONE);
                    self.entries[place] = Entry::table(start, bits);
                    table = Some((place, start));
                    start
                }
            };
            let one = entry(symbol, length - Self::BITS);
            let alike = self.more[start..].iter_mut().skip(rest).step_by(1 << (length - Self::BITS));
            alike.for_each(|more| *more = one);
        }
        self.grow(filled, SIZE);
    }

    /// Repeats what is filled behind each further bit, up to that many entries: of a code all that follows begins alike, and what
    /// is no code yet longer codes write over.
    fn grow(&mut self, mut filled: usize, to: usize) -> usize {
        while filled < to {
            self.entries.copy_within(..filled, filled);
            filled *= 2;
        }
        filled
    }
}

impl Table<{ 1 << SYMBOL_BITS }> {
    /// Puts what follows a literal into its entry, where both are looked up by the same bits. In flow logs seven of eight matches
    /// stand behind one literal or none, and nobody can foresee which: so both are read in the same way.
    pub(super) fn combine(&mut self) {
        for place in (0..self.entries.len()).rev() {
            let one = self.entries[place];
            if one.is_length() || one.is_special() {
                continue;
            }
            // Where nothing is changed yet: before this place, or it itself.
            let next = self.entries[place >> (one.0 & 63)];
            if let Some(both) = one.before(next) {
                self.entries[place] = both;
            }
        }
    }
}

/// Which symbols have codes, the shortest first, those of one length in the symbols' order: so the codes count up.
struct Codes {
    symbols: [u16; Self::MOST],
    count: usize,
    longest: u32,
    /// Whether any bits begin with a code.
    are_complete: bool,
}

impl Codes {
    const MOST: usize = 288;

    /// None if they are more than the bits can tell apart.
    fn new(lengths: &[u8]) -> Option<Codes> {
        let mut counts = [0_u16; LONGEST + 1];
        for length in lengths.iter().filter(|length| **length > 0) {
            counts[usize::from(*length) & LONGEST] += 1;
        }
        let mut starts = [0; LONGEST + 1];
        let (mut count, mut longest, mut left) = (0, 0, 1_i32);
        for length in 1..=LONGEST {
            left = 2 * left - i32::from(counts[length]);
            if left < 0 {
                return None;
            }
            starts[length] = count;
            count += usize::from(counts[length]);
            if counts[length] > 0 {
                longest = length as u32;
            }
        }
        let mut symbols = [0; Self::MOST];
        for (symbol, length) in (0..).zip(lengths).filter(|(_, length)| **length > 0) {
            let start = &mut starts[usize::from(*length) & LONGEST];
            symbols[*start] = symbol;
            *start += 1;
        }
        Some(Codes { symbols, count, longest, are_complete: left == 0 })
    }

    fn symbols(&self) -> &[u16] {
        &self.symbols[..self.count]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_mean_what_the_standard_says() {
        // RFC 1951, 3.2.5: the least, and the bits of what is added.
        for (symbol, least, extra) in
            [(257, 3, 0), (264, 10, 0), (265, 11, 1), (276, 59, 3), (284, 227, 5), (285, 258, 0)]
        {
            let entry = Entry::of_symbol(symbol, 7);
            assert_eq!((entry.length(0), entry.bits() & 63), (least, 7 + extra), "{symbol}");
        }
        for (symbol, least, extra) in [(0, 1, 0), (3, 4, 0), (4, 5, 1), (5, 7, 1), (17, 385, 7), (29, 24_577, 13)] {
            let entry = Entry::of_distance(symbol, 5);
            assert_eq!((entry.distance(0), entry.bits() & 63), (least, 5 + extra), "{symbol}");
        }
        for none in
            [Entry::of_symbol(286, 8), Entry::of_symbol(287, 8), Entry::of_distance(30, 5), Entry::of_distance(31, 5)]
        {
            assert_eq!((none.is_length(), none.is_special(), none.special()), (false, true, Special::None));
        }
        assert_eq!(Entry::of_symbol(256, 7).special(), Special::EndOfBlock);
        assert_eq!(Entry::of_symbol(255, 9).literals(), ([255, 0], 1));
    }

    #[test]
    fn a_literal_takes_what_follows_if_it_is_in_the_same_bits() {
        let (literal, other) = (Entry::of_symbol(7, 5), Entry::of_symbol(9, 6));
        let both = literal.before(other).expect("in 11 bits");
        assert_eq!((both.literals(), both.bits() & 63), (([7, 9], 2), 11));
        assert_eq!(literal.before(Entry::of_symbol(9, 7)), None);
        let length = Entry::of_symbol(284, 6);
        let both = literal.before(length).expect("the number does not count");
        assert!(both.is_length());
        assert_eq!((both.literal_before(), both.bits() & 63, both.length(0b10101 << 11)), ((7, 1), 16, 227 + 0b10101));
        assert_eq!(literal.before(Entry::of_symbol(284, 7)), None);
        assert_eq!(literal.before(both), None);
        assert_eq!(literal.before(Entry::of_symbol(256, 2)), None);
        assert_eq!(length.before(literal), None);
    }

    #[test]
    fn codes_are_complete_or_there_is_one_at_most() {
        let fills = |lengths: &[u8], sparse| Table::<128>::new().fill(lengths, sparse, Entry::of_code_length);
        assert!(fills(&[1, 1], false) && fills(&[1, 2, 2], false) && fills(&[2, 2, 2, 2], false));
        assert!(!fills(&[1, 1, 1], true) && !fills(&[1, 2], true) && !fills(&[2], true));
        assert!(fills(&[0, 1], true) && fills(&[0, 0], true));
        assert!(!fills(&[0, 1], false) && !fills(&[0, 0], false));
    }

    #[test]
    fn longer_codes_are_looked_up_twice() {
        // One code of each length up to 14, and two of 15: each begins with one bit more that is set.
        let lengths: Vec<u8> = (1..=15).chain([15]).collect();
        let mut table = Table::<128>::new();
        assert!(table.fill(&lengths, false, Entry::of_symbol));
        for (symbol, length) in (0_u16..).zip(&lengths) {
            let ones = if symbol == 15 { 15 } else { usize::from(*length) - 1 };
            let code = (1_usize << ones) - 1;
            let first = table.entry(code % 128);
            let found = match first.special() {
                Special::Table { start, bits } if first.is_special() => {
                    table.further(start + (code >> 7) % (1 << bits))
                }
                _ => first,
            };
            let told = u64::from(*length) - if *length > 7 { 7 } else { 0 };
            assert_eq!((found.literals().0[0], found.bits() & 63), (symbol as u8, told));
        }
    }
}
