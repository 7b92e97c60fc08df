//! Finds spaces and line ends, 64 bytes at a time.
//!
//! A tab separates fields too, but is not in the index: a chunk with a tab counts as one with repeated delimiters, so that the slow
//! path splits its lines. One minimum finds out whether there is a tab, as no byte of a usual line is less than a line end.
//!
//! Invariants: positions are written in fixed groups of `GROUP`, so up to `GROUP` entries after the last valid one are
//! over-written slack; `count` and `end_count` are the valid lengths. `positions` has at least `SLACK` entries after `count`, so that
//! [`FieldRanges`](super::lines::FieldRanges) may take a fixed-size window of it. A new chunk resets all fields except `columns`.

use wide::u8x32;

use crate::input::padded_buffer::Buffer;

/// Bytes that are compared at once.
pub(super) const BLOCK_BYTES: usize = 64;
/// Limit of fields per line. Lines with more have no field ranges.
pub const MAX_FIELDS: usize = 63;

/// Positions of all spaces and line ends of a chunk, and a cursor over its lines.
pub(super) struct DelimiterIndex {
    /// The position before the first line, then the positions of all delimiters, then over-written slack.
    positions: Vec<u32>,
    count: usize,
    /// The positions of line ends, then over-written slack.
    line_ends: Vec<u32>,
    /// The number of line ends.
    end_count: usize,
    /// Index of the next line end.
    next: usize,
    /// Index of the position before the next line.
    before: usize,
    /// Number of fields of the last line, which is the guess for the next line.
    columns: usize,
    /// Whether no two delimiters are neighbors, and no byte is a tab.
    single_spaced: bool,
}

/// Positions written at once: about as many as a block has.
const GROUP: usize = 10;
const _: () = assert!(GROUP.is_multiple_of(2), "positions are written in pairs");
/// Bytes scanned between two checks for room.
const STRIDE_BYTES: usize = 64 * BLOCK_BYTES;
/// Entries after the last position that may be over-written, or read as part of the field ranges of a line.
const SLACK: usize = GROUP + MAX_FIELDS + 1;

impl Default for DelimiterIndex {
    fn default() -> DelimiterIndex {
        DelimiterIndex {
            positions: Vec::new(),
            count: 0,
            line_ends: Vec::new(),
            end_count: 0,
            next: 0,
            before: 0,
            columns: 1,
            single_spaced: true,
        }
    }
}

impl DelimiterIndex {
    /// Indexes the bytes from `from` to `to`, and forgets the previous text. The buffer must have room for a block after `to`.
    #[expect(clippy::indexing_slicing, reason = "the vector was just grown to one entry")]
    pub(super) fn find(&mut self, buffer: &Buffer, from: usize, to: usize) {
        ensure_len(&mut self.positions, 1);
        self.positions[0] = before(from);
        (self.next, self.before) = (0, 0);
        let mut scan =
            ScanState { count: 1, end_count: 0, neighbors: 0, last_bit: 0, least: u8x32::splat(b'\n'), has_tab: false };
        let mut at = from;
        while at < to {
            ensure_len(&mut self.positions, scan.count + STRIDE_BYTES + SLACK);
            ensure_len(&mut self.line_ends, scan.end_count + STRIDE_BYTES);
            let (positions, line_ends) = (&mut self.positions[..], &mut self.line_ends[..]);
            let piece_end = to.min(at + STRIDE_BYTES);
            while piece_end - at >= BLOCK_BYTES {
                scan.observe_least(buffer, at);
                scan.push_positions((positions, line_ends), buffer, at, u64::MAX);
                at += BLOCK_BYTES;
            }
            if at < piece_end {
                scan.has_tab |= buffer.bytes[at..piece_end].contains(&b'\t');
                scan.push_positions((positions, line_ends), buffer, at, (1 << (piece_end - at)) - 1);
                at = piece_end;
            }
        }
        self.single_spaced = scan.neighbors == 0 && !scan.has_tab();
        (self.count, self.end_count) = (scan.count, scan.end_count);
    }

    /// Moves the start of the first line to `start`. No delimiter may precede it.
    #[expect(clippy::indexing_slicing, reason = "`find` wrote at least one position, and `count` of them")]
    pub(super) fn start_at(&mut self, start: usize) {
        let (before, first) = (before(start), self.positions[..self.count].get(1));
        self.single_spaced &= first.is_none_or(|first| *first != before + 1);
        self.positions[0] = before;
    }

    /// Skips the next line. Returns the position of its line end, if it has one.
    #[expect(clippy::indexing_slicing, reason = "`ensure_len` keeps room for all delimiters of a chunk and the slack")]
    pub(super) fn skip_line(&mut self) -> Option<usize> {
        if !self.has_line() {
            return None;
        }
        let (bounds, count, _) = self.take_line();
        Some(bounds[count] as usize)
    }

    /// Returns whether a line with its line end is left.
    #[inline]
    pub(super) fn has_line(&self) -> bool {
        self.next < self.end_count
    }

    /// Takes the next line. Returns its delimiter positions (preceding delimiter, spaces, line end, trailing slack), its number of
    /// fields, and whether all lines are single-spaced.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "`ensure_len` keeps room for all delimiters of a chunk and the slack")]
    pub(super) fn take_line(&mut self) -> (&[u32], usize, bool) {
        let end = self.line_ends[self.next];
        let start = self.before;
        if self.positions[..self.count].get(start + self.columns) != Some(&end) {
            self.columns = count_columns(&self.positions[start..self.count], end);
        }
        self.before += self.columns;
        self.next += 1;
        (&self.positions[start..], self.columns, self.single_spaced)
    }
}

/// Returns the index of a line's end among its bounds, which is its number of columns.
#[cold]
fn count_columns(bounds: &[u32], end: u32) -> usize {
    bounds.iter().position(|bound| *bound == end).unwrap_or_default()
}

/// Returns the position before `start`. A buffer has fewer than 2^32 bytes, and a chunk starts after its headroom.
fn before(start: usize) -> u32 {
    (start - 1) as u32
}

/// State of a scan, small enough to stay in registers.
struct ScanState {
    /// Number of delimiters, and of line ends among them.
    count: usize,
    end_count: usize,
    /// Not zero if two delimiters are neighbors.
    neighbors: u64,
    /// 1 if the last byte was a delimiter.
    last_bit: u64,
    /// The least bytes of all whole blocks, or line ends.
    least: u8x32,
    /// Whether a partial block has a tab.
    has_tab: bool,
}

impl ScanState {
    /// Notes the least bytes of a whole block.
    #[inline(always)]
    fn observe_least(&mut self, buffer: &Buffer, at: usize) {
        let (halves, _) = buffer.read_at::<BLOCK_BYTES>(at as u32).as_chunks::<32>();
        self.least = halves.iter().fold(self.least, |least, half| least.min(u8x32::new(*half)));
    }

    /// Returns whether there may be a tab. Bytes below a tab, which text does not have, count as one.
    fn has_tab(&self) -> bool {
        self.has_tab || self.least.to_array().iter().any(|least| *least < b'\n')
    }

    /// Scans a block. `own` has a bit for each byte that belongs to the text.
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "`ensure_len` keeps room for all delimiters of a chunk and the slack")]
    fn push_positions(
        &mut self,
        (positions, line_ends): (&mut [u32], &mut [u32]),
        buffer: &Buffer,
        at: usize,
        own: u64,
    ) {
        let block = buffer.read_at(at as u32);
        let ends = equal(block, b'\n') & own;
        let all = equal(block, b' ') & own | ends;
        self.neighbors |= all & (all << 1 | self.last_bit);
        self.last_bit = all >> 63;
        // Whether a block has a line end is unpredictable, so one is always written. Few blocks have two.
        line_ends[self.end_count] = at as u32 + ends.trailing_zeros();
        self.end_count += usize::from(ends != 0);
        let more = ends & ends.wrapping_sub(1);
        if more != 0 {
            self.end_count += push_more_ends(&mut line_ends[self.end_count..], at as u32, more);
        }
        push_positions(&mut positions[self.count..], at as u32, all);
        self.count += all.count_ones() as usize;
    }
}

/// Returns a bit for each byte that equals `byte`. The lowest bit is that of the first byte.
#[inline(always)]
fn equal(block: &[u8; BLOCK_BYTES], byte: u8) -> u64 {
    let (halves, _) = block.as_chunks::<32>();
    let is = |half: &[u8; 32]| u8x32::new(*half).simd_eq(u8x32::splat(byte)).to_bitmask();
    halves.iter().rev().fold(0, |bits, half| bits << 32 | u64::from(is(half)))
}

/// Grows a vector to at least this length. After a few chunks it is long enough.
#[inline]
fn ensure_len(positions: &mut Vec<u32>, least: usize) {
    if positions.len() < least {
        positions.resize(least.next_multiple_of(1 << 12), 0);
    }
}

/// Writes the positions of all line ends but the first. Returns their number.
#[cold]
#[expect(clippy::indexing_slicing, reason = "`ensure_len` keeps room for all delimiters of a chunk and the slack")]
fn push_more_ends(line_ends: &mut [u32], at: u32, mut ends: u64) -> usize {
    let more = ends.count_ones() as usize;
    for line_end in &mut line_ends[..more] {
        *line_end = at + ends.trailing_zeros();
        ends &= ends - 1;
    }
    more
}

/// Writes the positions of the set bits, in groups of [`GROUP`].
#[inline(always)]
fn push_positions(mut positions: &mut [u32], at: u32, mut bits: u64) {
    // Two positions per 64-bit word: wider gathers by the compiler are slower than the writes.
    let both = u64::from(at) << 32 | u64::from(at);
    while let Some((some, rest)) = positions.split_first_chunk_mut::<GROUP>() {
        let (pairs, _) = some.as_chunks_mut::<2>();
        for pair in pairs {
            let first = u64::from(bits.trailing_zeros());
            bits &= bits.wrapping_sub(1);
            let second = u64::from(bits.trailing_zeros());
            bits &= bits.wrapping_sub(1);
            let positions = both + (first | second << 32);
            *pair = [positions as u32, (positions >> 32) as u32];
        }
        if bits == 0 {
            return;
        }
        positions = rest;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_delimiter_is_found_once(
            text in prop::collection::vec(
                prop_oneof![30 => Just(b' '), 10 => Just(b'\n'), 60 => b'\n'..=255, 10 => Just(b' ' | 0x80), 10 => Just(b'!'),
                            1 => any::<u8>()],
                0..500),
            tab: Option<prop::sample::Index>,
            earlier in prop::collection::vec(any::<bool>(), 0..200),
            starts_there: bool,
            last_columns in 0_usize..40,
        ) {
            const START: usize = 100;
            let mut text = text;
            if let Some(tab) = tab.filter(|_| !text.is_empty()) {
                *tab.get_mut(&mut text) = b'\t';
            }
            let mut buffer = Buffer::default();
            buffer.bytes[..START].fill(b'\n');
            let mut delimiters = DelimiterIndex::default();
            // The index must forget this text.
            for (byte, is_end) in buffer.bytes[START..].iter_mut().zip(&earlier) {
                *byte = if *is_end { b'\n' } else { b' ' };
            }
            delimiters.find(&buffer, START, START + earlier.len());
            buffer.bytes[START..].fill(b' ');
            buffer.bytes[START..START + text.len()].copy_from_slice(&text);
            let end = START + text.len();
            delimiters.find(&buffer, START, end);
            delimiters.columns = last_columns;
            let scan = &delimiters.positions[1..delimiters.count];
            let is = |at: &usize| matches!(buffer.bytes[*at], b' ' | b'\n');
            let expected: Vec<u32> = (START..end).filter(is).map(|at| at as u32).collect();
            prop_assert_eq!(scan, &expected[..]);
            let apart = scan.windows(2).all(|two| two[1] - two[0] > 1);
            let plain = apart && !text.iter().any(|byte| *byte < b'\n');
            prop_assert!(!delimiters.single_spaced | apart & !text.contains(&b'\t'));
            prop_assert!(delimiters.single_spaced | !plain);
            let single_spaced = delimiters.single_spaced;
            let mut start = START;
            if starts_there {
                delimiters.start_at(START);
                prop_assert_eq!(delimiters.single_spaced, single_spaced && !is(&START) | text.is_empty());
            } else {
                let first_end = (START..end).find(|at| buffer.bytes[*at] == b'\n');
                prop_assert_eq!(delimiters.skip_line(), first_end);
                start = first_end.map_or(start, |end| end + 1);
            }
            while delimiters.has_line() {
                let (bounds, count, _) = delimiters.take_line();
                prop_assert_eq!(bounds[0] as usize, start - 1);
                start = bounds[count] as usize + 1;
                prop_assert_eq!(buffer.bytes[start - 1], b'\n');
            }
            prop_assert!(!buffer.bytes[start..end].contains(&b'\n'));
            prop_assert_eq!(delimiters.skip_line(), None);
        }
    }
}
