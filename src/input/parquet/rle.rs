//! Decodes runs of small numbers: levels, and indexes of dictionary entries. A run repeats one number, or has groups of eight that
//! are packed into bits: <https://parquet.apache.org/docs/file-format/data-pages/encodings/#RLE>.

use super::thrift::{Damage, Decoded, Reader};

/// A position in runs, which lie in a buffer that the caller has.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs {
    /// Position of the next run in the buffer, and the end of the runs.
    at: usize,
    end: usize,
    /// Bits per number, at most 32.
    width: u32,
    run: Run,
    /// Numbers that are left, in this run and in all that follow.
    left: usize,
}

#[derive(Debug, Clone, Copy)]
enum Run {
    Repeated {
        number: u32,
        left: usize,
    },
    /// `bit` is the position of the next number, counted from the start of the buffer.
    Packed {
        bit: usize,
        left: usize,
    },
}

impl Default for Run {
    fn default() -> Run {
        Run::Repeated { number: 0, left: 0 }
    }
}

impl Runs {
    /// Starts at `at` in the buffer. `count` numbers are read at most.
    pub(super) fn new(at: usize, end: usize, width: u32, count: usize) -> Decoded<Runs> {
        if width > 32 {
            return Err(Damage::Invalid("a number has more than 32 bits"));
        }
        Ok(Runs { at, end, width, run: Run::default(), left: count })
    }

    /// Reads the head of the next run, if this one is used up.
    fn start_run(&mut self, buffer: &[u8]) -> Decoded<()> {
        while let Run::Repeated { left: 0, .. } | Run::Packed { left: 0, .. } = self.run {
            let runs = buffer.get(self.at..self.end).ok_or(Damage::Truncated)?;
            let mut reader = Reader::new(runs);
            let head = reader.varint()?;
            let count = usize::try_from(head >> 1).map_err(|_| Damage::Truncated)?;
            self.at += reader.position();
            self.run = if head & 1 == 0 { self.repeated(buffer, count)? } else { self.packed(count)? };
        }
        Ok(())
    }

    fn repeated(&mut self, buffer: &[u8], count: usize) -> Decoded<Run> {
        if count > self.left {
            return Err(Damage::Invalid("a run is longer than its page"));
        }
        let bytes = self.width.div_ceil(8) as usize;
        let value = buffer.get(self.at..self.end).and_then(|runs| runs.get(..bytes)).ok_or(Damage::Truncated)?;
        let number = value.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte));
        self.at += bytes;
        Ok(Run::Repeated { number, left: count })
    }

    fn packed(&mut self, groups: usize) -> Decoded<Run> {
        let bit = self.at.checked_mul(8).ok_or(Damage::Truncated)?;
        let bytes = groups.saturating_mul(self.width as usize);
        let bits = bytes.min(self.end - self.at).saturating_mul(8);
        // The last group has numbers that do not count. Some writers leave out their bytes.
        let present = bits.checked_div(self.width as usize).unwrap_or(usize::MAX);
        let left = groups.saturating_mul(8).min(present).min(self.left);
        if left == 0 && groups > 0 {
            return Err(Damage::Truncated);
        }
        self.at = self.end.min(self.at.saturating_add(bytes));
        Ok(Run::Packed { bit, left })
    }

    /// Returns the number that the next `count` numbers all have, if the current run shows it. Then they are used.
    pub(super) fn next_repeated(&mut self, buffer: &[u8], count: usize) -> Decoded<Option<u32>> {
        if count == 0 || count > self.left {
            return Ok(None);
        }
        self.start_run(buffer)?;
        let Run::Repeated { number, left } = &mut self.run else { return Ok(None) };
        if *left < count {
            return Ok(None);
        }
        *left -= count;
        self.left -= count;
        Ok(Some(*number))
    }

    /// Fills `out` with the next numbers.
    pub(super) fn read(&mut self, buffer: &[u8], mut out: &mut [u32]) -> Decoded<()> {
        if out.len() > self.left {
            return Err(Damage::Truncated);
        }
        while !out.is_empty() {
            self.start_run(buffer)?;
            let (Run::Repeated { left, .. } | Run::Packed { left, .. }) = &mut self.run;
            let count = out.len().min(*left);
            *left -= count;
            self.left -= count;
            let (numbers, rest) = out.split_at_mut(count);
            out = rest;
            match &mut self.run {
                Run::Repeated { number, .. } => numbers.fill(*number),
                Run::Packed { bit, .. } => {
                    unpack(buffer, *bit, self.width, numbers);
                    *bit += count * self.width as usize;
                }
            }
        }
        Ok(())
    }
}

/// Reads numbers of `width` bits each, from this bit of the buffer on. The caller has checked that they lie in it.
#[expect(
    clippy::indexing_slicing,
    reason = "the numbers lie in the buffer, and the last eight bytes are read one by one"
)]
fn unpack(buffer: &[u8], mut bit: usize, width: u32, out: &mut [u32]) {
    let mask = (1_u64 << width) - 1;
    // Eight bytes from the byte of the first bit have a number of up to 32 bits.
    let whole = buffer.len().saturating_sub(8) * 8;
    let fast = if bit > whole || width == 0 { 0 } else { out.len().min((whole - bit) / width as usize) };
    let (fast, slow) = out.split_at_mut(fast);
    for number in fast {
        let word = buffer[bit / 8..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        *number = (word >> (bit % 8) & mask) as u32;
        bit += width as usize;
    }
    for number in slow {
        let bytes = buffer[bit / 8..].iter().take(8).rev();
        let word = bytes.fold(0, |word, byte| word << 8 | u64::from(*byte));
        *number = (word >> (bit % 8) & mask) as u32;
        bit += width as usize;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], width: u32, count: usize) -> Decoded<Vec<u32>> {
        let mut out = vec![0; count];
        Runs::new(0, bytes.len(), width, count)?.read(bytes, &mut out)?;
        Ok(out)
    }

    #[test]
    fn both_kinds_of_runs_are_read() {
        // The example of Parquet's documentation: the numbers 0 to 7 of three bits each.
        assert_eq!(read(&[3, 0b1000_1000, 0b1100_0110, 0b1111_1010], 3, 8), Ok((0..8).collect()));
        assert_eq!(read(&[6, 5, 4, 7], 3, 5), Ok(vec![5, 5, 5, 7, 7]));
        assert_eq!(read(&[4, 0x34, 0x12], 12, 2), Ok(vec![0x1234; 2]));
        assert_eq!(read(&[4], 0, 2), Ok(vec![0; 2]));
    }

    #[test]
    fn a_lying_run_is_an_error() {
        assert_eq!(read(&[8, 5], 3, 3), Err(Damage::Invalid("a run is longer than its page")));
        assert_eq!(
            read(&[0xfe, 0xff, 0xff, 0xff, 0x0f, 5], 3, 3),
            Err(Damage::Invalid("a run is longer than its page"))
        );
        assert_eq!(read(&[6], 3, 3), Err(Damage::Truncated));
        assert_eq!(read(&[3, 1], 3, 8), Err(Damage::Truncated));
        assert_eq!(read(&[1], 3, 8), Err(Damage::Truncated));
        assert_eq!(read(&[0, 0, 0, 0], 3, 8), Err(Damage::Truncated));
        assert_eq!(read(&[6, 5], 3, 4), Err(Damage::Truncated));
        assert_eq!(read(&[6, 5], 33, 3), Err(Damage::Invalid("a number has more than 32 bits")));
        // The bytes of numbers that do not count may be missing.
        assert_eq!(read(&[3, 0b1000_1000], 3, 2), Ok(vec![0, 1]));
    }

    #[test]
    fn a_repeated_number_is_found_without_reading() {
        let bytes = [8, 1, 3, 0b0000_0101];
        let mut runs = Runs::new(0, bytes.len(), 1, 12).expect("a width");
        assert_eq!(runs.next_repeated(&bytes, 3), Ok(Some(1)));
        assert_eq!(runs.next_repeated(&bytes, 2), Ok(None));
        let mut out = [9; 4];
        assert_eq!(runs.read(&bytes, &mut out), Ok(()));
        assert_eq!(out, [1, 1, 0, 1]);
        assert_eq!(runs.next_repeated(&bytes, 2), Ok(None));
    }

    /// Packs numbers, the reverse of [`unpack`].
    fn pack(numbers: &[u32], width: u32) -> Vec<u8> {
        let mut bytes = vec![0; (numbers.len() * width as usize).div_ceil(8)];
        for (index, number) in numbers.iter().enumerate() {
            for bit in 0..width as usize {
                let to = index * width as usize + bit;
                bytes[to / 8] |= u8::from(number >> bit & 1 != 0) << (to % 8);
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn packed_numbers_are_unpacked(width in 1_u32..=32, numbers in prop::collection::vec(any::<u32>(), 1..200),
                                       cut in any::<prop::sample::Index>()) {
            let mask = u32::MAX >> (32 - width);
            let numbers: Vec<u32> = numbers.iter().map(|number| number & mask).collect();
            let groups = numbers.len().div_ceil(8) as u8;
            let bytes = [vec![groups << 1 | 1], pack(&numbers, width)].concat();
            let mut out = vec![0; numbers.len()];
            let mut runs = Runs::new(0, bytes.len(), width, numbers.len()).expect("a width");
            let (first, second) = out.split_at_mut(cut.index(numbers.len()));
            runs.read(&bytes, first).expect("the first part");
            runs.read(&bytes, second).expect("the second part");
            prop_assert_eq!(out, numbers);
        }
    }
}
