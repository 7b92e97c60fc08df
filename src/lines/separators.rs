//! Where spaces and line ends stand, 64 bytes at a time.

use super::MOST_COLUMNS;
use crate::buffer::Buffer;
use crate::cpu::{Cpu, Simd, Work};

/// Bytes that are looked at in one go.
pub(super) const BLOCK_BYTES: usize = 64;

/// The places of all spaces and line ends of the lines in a buffer, and how far they are handed out.
pub(super) struct Separators {
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
    all_apart: bool,
}

struct Find<'a> {
    separators: &'a mut Separators,
    buffer: &'a Buffer,
    from: usize,
    to: usize,
}

impl Work for Find<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self, simd: impl Simd) {
        self.separators.find_all(simd, self.buffer, self.from, self.to);
    }
}

/// So many places are written at once, as a block has about as many.
const AT_ONCE: usize = 10;
const _: () = assert!(AT_ONCE.is_multiple_of(2), "two are written in a word");
/// So many bytes are looked at before it is asked again whether there is room.
const PIECE_BYTES: usize = 16 * BLOCK_BYTES;
/// What may be written in vain behind the places, or read by whoever reads the columns of a line.
const BEHIND: usize = AT_ONCE + MOST_COLUMNS + 1;

impl Separators {
    /// Of a buffer whose first line starts there.
    pub(super) fn before(start: usize) -> Separators {
        let mut separators = Separators {
            cpu: Cpu::detect(),
            places: Vec::new(),
            count: 0,
            line_ends: Vec::new(),
            end_count: 0,
            next: 0,
            before: 0,
            all_apart: true,
        };
        separators.begin(start);
        separators
    }

    /// Forgets all: the next line starts there.
    pub(super) fn begin(&mut self, start: usize) {
        make_room(&mut self.places, 1 + BEHIND);
        self.places[0] = before(start);
        self.count = 1;
        (self.end_count, self.next, self.before, self.all_apart) = (0, 0, 0, true);
    }

    /// The lines that were handed out are gone, and the next one starts there now.
    pub(super) fn move_to(&mut self, start: usize) {
        let begun = self.before..self.count;
        let by = before(start).wrapping_sub(self.places[self.before]);
        self.places.copy_within(begun.clone(), 0);
        self.count = begun.len();
        let begun = &mut self.places[..self.count];
        begun.iter_mut().for_each(|place| *place = place.wrapping_add(by));
        self.all_apart = begun.windows(2).all(|two| two[0] + 1 < two[1]);
        (self.end_count, self.next, self.before) = (0, 0, 0);
    }

    /// Looks at the bytes from `from` up to `to`, which follow those that were looked at before. Behind `to` has to be room
    /// for a block.
    pub(super) fn find(&mut self, buffer: &Buffer, from: usize, to: usize) {
        self.cpu.run(Find { separators: self, buffer, from, to });
    }

    #[inline(always)]
    fn find_all(&mut self, simd: impl Simd, buffer: &Buffer, from: usize, to: usize) {
        let last = self.places[self.count - 1] as usize;
        let mut found =
            Found { count: self.count, end_count: self.end_count, neighbours: 0, behind: u64::from(last + 1 == from) };
        let mut at = from;
        while at < to {
            make_room(&mut self.places, found.count + PIECE_BYTES + BEHIND);
            make_room(&mut self.line_ends, found.end_count + PIECE_BYTES);
            let (places, line_ends) = (&mut self.places[..], &mut self.line_ends[..]);
            let piece_end = to.min(at + PIECE_BYTES);
            while piece_end - at >= BLOCK_BYTES {
                found.note(simd, (places, line_ends), buffer, at, u64::MAX);
                at += BLOCK_BYTES;
            }
            if at < piece_end {
                found.note(simd, (places, line_ends), buffer, at, (1 << (piece_end - at)) - 1);
                at = piece_end;
            }
        }
        self.all_apart &= found.neighbours == 0;
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
        (&self.places[start..], end - start, self.all_apart)
    }
}

/// A buffer has fewer than 2^32 bytes, and headroom.
fn before(start: usize) -> u32 {
    (start - 1) as u32
}

/// What is found, as it stays in registers.
struct Found {
    /// How many separators there are, and line ends among them.
    count: usize,
    end_count: usize,
    /// Bits of neighbours, if there are any.
    neighbours: u64,
    /// Whether the last byte was a separator.
    behind: u64,
}

impl Found {
    /// Takes in the bytes of a block of which `own` has bits.
    #[inline(always)]
    fn note(
        &mut self,
        simd: impl Simd,
        (places, line_ends): (&mut [u32], &mut [u32]),
        buffer: &Buffer,
        at: usize,
        own: u64,
    ) {
        let block = buffer.word(at as u32);
        let ends = simd.equal(block, b'\n') & own;
        let all = simd.equal(block, b' ') & own | ends;
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

/// As a rule it is made but once or twice: what is there lasts for the largest slice so far.
#[inline]
fn make_room(places: &mut Vec<u32>, least: usize) {
    if places.len() < least {
        places.resize(least.next_power_of_two(), 0);
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
        fn every_separator_is_found_once_whatever_the_pieces(
            text in prop::collection::vec(
                prop_oneof![3 => Just(b' '), 1 => Just(b'\n'), 6 => any::<u8>(), 1 => Just(b' ' | 0x80), 1 => Just(b'!')],
                0..500),
            cut in 0usize..500,
        ) {
            const START: usize = 100;
            let mut buffer = Buffer::default();
            buffer.bytes[..START].fill(b'\n');
            buffer.bytes[START..].fill(b' ');
            buffer.bytes[START..START + text.len()].copy_from_slice(&text);
            let (cut, end) = (START + cut.min(text.len()), START + text.len());
            for cpu in [Cpu::detect(), Cpu::plain()] {
                let mut separators = Separators { cpu, ..Separators::before(START) };
                separators.find(&buffer, START, cut);
                separators.find(&buffer, cut, end);
                let found = &separators.places[1..separators.count];
                let is = |at: &usize| matches!(buffer.bytes[*at], b' ' | b'\n');
                let expected: Vec<u32> = (START..end).filter(is).map(|at| at as u32).collect();
                prop_assert_eq!(found, &expected[..]);
                let apart = separators.places[..separators.count].windows(2).all(|two| two[1] - two[0] > 1);
                prop_assert_eq!(separators.all_apart, apart);
                let mut start = START;
                while separators.has_line() {
                    let (bounds, count, _) = separators.take_line();
                    prop_assert_eq!(bounds[0] as usize, start - 1);
                    start = bounds[count] as usize + 1;
                    prop_assert_eq!(buffer.bytes[start - 1], b'\n');
                }
                prop_assert!(!buffer.bytes[start..end].contains(&b'\n'));
                separators.move_to(64);
                prop_assert_eq!(separators.places[0], 63);
                let begun: Vec<u32> = (start..end).filter(is).map(|at| (at - start + 64) as u32).collect();
                prop_assert_eq!(&separators.places[1..separators.count], &begun[..]);
            }
        }
    }
}
