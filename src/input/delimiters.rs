//! Where spaces and line ends stand, 64 bytes at a time.

use wide::u8x16;

use crate::input::cpu::{Cpu, Simd, Work};
use crate::input::padded_buffer::Buffer;

/// Bytes that are looked at in one go.
pub(super) const BLOCK_BYTES: usize = 64;
/// Of a line with more columns it is not told where they are.
pub const MAX_FIELDS: usize = 63;

/// The places of all spaces and line ends of some text in a buffer, and how far its lines are handed out.
pub(super) struct DelimiterIndex {
    cpu: Cpu,
    /// First the place before the first line; then those of the separators, and some that were written in vain.
    places: Vec<u32>,
    count: usize,
    /// Which of the places are line ends, and some that were written in vain.
    line_ends: Vec<u32>,
    /// How many line ends there are.
    end_count: usize,
    /// The next of these.
    next: usize,
    /// Which of the places stands before the line that it ends.
    before: usize,
    /// Whether no two separators are neighbours.
    single_spaced: bool,
}

struct Find<'a> {
    separators: &'a mut DelimiterIndex,
    buffer: &'a Buffer,
    from: usize,
    to: usize,
}

impl Work for Find<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, _: impl Simd) {
        self.separators.find_all(self.buffer, self.from, self.to);
    }
}

/// So many places are written at once, as a block has about as many.
const AT_ONCE: usize = 10;
const _: () = assert!(AT_ONCE.is_multiple_of(2), "two are written in a word");
/// So many bytes are looked at before it is asked again whether there is room.
const STRIDE_BYTES: usize = 64 * BLOCK_BYTES;
/// What may be written in vain behind the places, or read by whoever reads the columns of a line.
const SLACK: usize = AT_ONCE + MAX_FIELDS + 1;

/// Of no text.
impl Default for DelimiterIndex {
    fn default() -> DelimiterIndex {
        DelimiterIndex {
            cpu: Cpu::detect(),
            places: Vec::new(),
            count: 0,
            line_ends: Vec::new(),
            end_count: 0,
            next: 0,
            before: 0,
            single_spaced: true,
        }
    }
}

impl DelimiterIndex {
    /// Looks at the bytes from `from` up to `to`, and forgets what it found before. Behind `to` has to be room for a block.
    pub(super) fn find(&mut self, buffer: &Buffer, from: usize, to: usize) {
        self.cpu.run(Find { separators: self, buffer, from, to });
    }

    /// The first line starts there, and no separator stands before.
    pub(super) fn start_at(&mut self, start: usize) {
        let (before, first) = (before(start), self.places[..self.count].get(1));
        self.single_spaced &= first.is_none_or(|first| *first != before + 1);
        self.places[0] = before;
    }

    /// Goes behind the first line, and says where that ends, if it does.
    pub(super) fn skip_line(&mut self) -> Option<usize> {
        if !self.has_line() {
            return None;
        }
        let (bounds, count, _) = self.take_line();
        Some(bounds[count] as usize)
    }

    #[inline(always)]
    fn find_all(&mut self, buffer: &Buffer, from: usize, to: usize) {
        ensure_len(&mut self.places, 1);
        self.places[0] = before(from);
        (self.next, self.before) = (0, 0);
        let mut found = ScanState { count: 1, end_count: 0, neighbours: 0, behind: 0 };
        let mut at = from;
        while at < to {
            ensure_len(&mut self.places, found.count + STRIDE_BYTES + SLACK);
            ensure_len(&mut self.line_ends, found.end_count + STRIDE_BYTES);
            let (places, line_ends) = (&mut self.places[..], &mut self.line_ends[..]);
            let piece_end = to.min(at + STRIDE_BYTES);
            while piece_end - at >= BLOCK_BYTES {
                found.note((places, line_ends), buffer, at, u64::MAX);
                at += BLOCK_BYTES;
            }
            if at < piece_end {
                found.note((places, line_ends), buffer, at, (1 << (piece_end - at)) - 1);
                at = piece_end;
            }
        }
        self.single_spaced = found.neighbours == 0;
        (self.count, self.end_count) = (found.count, found.end_count);
    }

    /// Whether there is a line whose end is known.
    #[inline]
    pub(super) fn has_line(&self) -> bool {
        self.next < self.end_count
    }

    /// The place before that line, those of its spaces, that of its end, and others behind it; how many columns it has; and
    /// whether none of the separators around are neighbours.
    #[inline]
    pub(super) fn take_line(&mut self) -> (&[u32], usize, bool) {
        let end = self.line_ends[self.next] as usize;
        let start = std::mem::replace(&mut self.before, end);
        self.next += 1;
        (&self.places[start..], end - start, self.single_spaced)
    }
}

/// A buffer has fewer than 2^32 bytes, and headroom.
fn before(start: usize) -> u32 {
    (start - 1) as u32
}

/// What is found, as it stays in registers.
struct ScanState {
    /// How many separators there are, and line ends among them.
    count: usize,
    end_count: usize,
    /// Bits of neighbours, if there are any.
    neighbours: u64,
    /// Whether the last byte was a separator.
    behind: u64,
}

impl ScanState {
    /// Takes in the bytes of a block of which `own` has bits.
    #[inline(always)]
    fn note(&mut self, (places, line_ends): (&mut [u32], &mut [u32]), buffer: &Buffer, at: usize, own: u64) {
        let block = buffer.word(at as u32);
        let ends = equal(block, b'\n') & own;
        let all = equal(block, b' ') & own | ends;
        self.neighbours |= all & (all << 1 | self.behind);
        self.behind = all >> 63;
        // Whether a block has a line end nobody can foresee, so one is written anyway. Hardly any has two.
        let first = ends & ends.wrapping_neg();
        line_ends[self.end_count] = self.count as u32 + (all & first.wrapping_sub(1)).count_ones();
        self.end_count += usize::from(ends != 0);
        if ends != first {
            self.end_count += note_more_ends(&mut line_ends[self.end_count..], self.count as u32, all, ends ^ first);
        }
        note(&mut places[self.count..], at as u32, all);
        self.count += all.count_ones() as usize;
    }
}

/// A bit for each byte that is this one, the first byte's lowest.
#[inline(always)]
fn equal(block: &[u8; BLOCK_BYTES], byte: u8) -> u64 {
    let (sixteens, _) = block.as_chunks::<16>();
    let is = |sixteen: &[u8; 16]| u8x16::new(*sixteen).simd_eq(u8x16::splat(byte)).to_bitmask();
    sixteens.iter().rev().fold(0, |bits, sixteen| bits << 16 | u64::from(is(sixteen)))
}

/// It is made some times at first: what is there lasts for the largest slice so far.
#[inline]
fn ensure_len(places: &mut Vec<u32>, least: usize) {
    if places.len() < least {
        places.resize(least.next_multiple_of(1 << 12), 0);
    }
}

/// Writes the places of all line ends but the first, and says how many they are.
#[cold]
fn note_more_ends(line_ends: &mut [u32], count: u32, all: u64, mut ends: u64) -> usize {
    let more = ends.count_ones() as usize;
    for line_end in &mut line_ends[..more] {
        let first = ends & ends.wrapping_neg();
        *line_end = count + (all & (first - 1)).count_ones();
        ends ^= first;
    }
    more
}

/// Writes the places of the bits, and some in vain.
#[inline(always)]
fn note(mut places: &mut [u32], at: u32, mut bits: u64) {
    // Two in a word: the compiler gathers more into wider registers, which takes longer than to write them.
    let both = u64::from(at) << 32 | u64::from(at);
    while let Some((some, rest)) = places.split_first_chunk_mut::<AT_ONCE>() {
        let (pairs, _) = some.as_chunks_mut::<2>();
        for pair in pairs {
            let first = u64::from(bits.trailing_zeros());
            bits &= bits.wrapping_sub(1);
            let second = u64::from(bits.trailing_zeros());
            bits &= bits.wrapping_sub(1);
            let places = both + (first | second << 32);
            *pair = [places as u32, (places >> 32) as u32];
        }
        if bits == 0 {
            return;
        }
        places = rest;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_separator_is_found_once(
            text in prop::collection::vec(
                prop_oneof![3 => Just(b' '), 1 => Just(b'\n'), 6 => any::<u8>(), 1 => Just(b' ' | 0x80), 1 => Just(b'!')],
                0..500),
            earlier in prop::collection::vec(any::<bool>(), 0..200),
            starts_there: bool,
        ) {
            const START: usize = 100;
            let mut buffer = Buffer::default();
            buffer.bytes[..START].fill(b'\n');
            for cpu in [Cpu::detect(), Cpu::plain()] {
                let mut separators = DelimiterIndex { cpu, ..DelimiterIndex::default() };
                // What was found before is forgotten.
                for (byte, is_end) in buffer.bytes[START..].iter_mut().zip(&earlier) {
                    *byte = if *is_end { b'\n' } else { b' ' };
                }
                separators.find(&buffer, START, START + earlier.len());
                buffer.bytes[START..].fill(b' ');
                buffer.bytes[START..START + text.len()].copy_from_slice(&text);
                let end = START + text.len();
                separators.find(&buffer, START, end);
                let found = &separators.places[1..separators.count];
                let is = |at: &usize| matches!(buffer.bytes[*at], b' ' | b'\n');
                let expected: Vec<u32> = (START..end).filter(is).map(|at| at as u32).collect();
                prop_assert_eq!(found, &expected[..]);
                let apart = found.windows(2).all(|two| two[1] - two[0] > 1);
                prop_assert_eq!(separators.single_spaced, apart);
                let mut start = START;
                if starts_there {
                    separators.start_at(START);
                    prop_assert_eq!(separators.single_spaced, apart && !is(&START) | text.is_empty());
                } else {
                    let first_end = (START..end).find(|at| buffer.bytes[*at] == b'\n');
                    prop_assert_eq!(separators.skip_line(), first_end);
                    start = first_end.map_or(start, |end| end + 1);
                }
                while separators.has_line() {
                    let (bounds, count, _) = separators.take_line();
                    prop_assert_eq!(bounds[0] as usize, start - 1);
                    start = bounds[count] as usize + 1;
                    prop_assert_eq!(buffer.bytes[start - 1], b'\n');
                }
                prop_assert!(!buffer.bytes[start..end].contains(&b'\n'));
                prop_assert_eq!(separators.skip_line(), None);
            }
        }
    }
}
