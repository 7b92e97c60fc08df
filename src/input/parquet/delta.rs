//! Decodes the encodings that store differences: DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY, and DELTA_BYTE_ARRAY:
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/#delta-encoding-delta_binary_packed--5>.
//!
//! Positions are those of the page's buffer, which the caller has. Values are decoded one by one, so that a count reserves nothing.
//! The decoders of the crate `parquet` panic or reserve by a count. A check before them would have to find the second and third list
//! of lengths of a page, that is, to walk through all blocks of the first, which is most of this file.

use super::thrift::{Damage, Decoded, Reader};

/// Integers, as differences to the one before. A block has the least difference, and miniblocks of the rest.
#[derive(Debug, Clone)]
pub(super) struct DeltaIntegers {
    /// Position of the next miniblock or block, and the end of the buffer's part.
    at: usize,
    end: usize,
    miniblocks: usize,
    values_per_miniblock: usize,
    /// Integers that are left.
    left: usize,
    is_first: bool,
    value: i64,
    least_delta: i64,
    /// Position of the widths of this block's miniblocks, each a byte.
    widths_at: usize,
    /// Index of the current miniblock in its block.
    miniblock: usize,
    left_in_miniblock: usize,
    /// Bits per difference, and the position of the next.
    width: usize,
    bit: usize,
}

impl DeltaIntegers {
    /// Reads the head. `most` is the number of values in the page.
    pub(super) fn new(buffer: &[u8], at: usize, end: usize, most: usize) -> Decoded<DeltaIntegers> {
        let mut reader = Reader::new(buffer.get(at..end).ok_or(Damage::Truncated)?);
        let mut size = || usize::try_from(reader.varint()?).map_err(|_| Damage::Truncated);
        let (block, miniblocks, count) = (size()?, size()?, size()?);
        let value = reader.integer()?;
        let values_per_miniblock = block.checked_div(miniblocks).unwrap_or(0);
        let is_valid = block.is_multiple_of(128) && values_per_miniblock.checked_mul(miniblocks) == Some(block);
        if !is_valid || values_per_miniblock == 0 || !values_per_miniblock.is_multiple_of(32) {
            return Err(Damage::Invalid("the size of a block of differences is invalid"));
        }
        if count > most {
            return Err(Damage::Invalid("it has more differences than values"));
        }
        Ok(DeltaIntegers {
            at: at + reader.position(),
            end,
            miniblocks,
            values_per_miniblock,
            left: count,
            is_first: true,
            value,
            least_delta: 0,
            widths_at: 0,
            miniblock: miniblocks,
            left_in_miniblock: 0,
            width: 0,
            bit: 0,
        })
    }

    /// Returns the next integer.
    pub(super) fn next(&mut self, buffer: &[u8]) -> Decoded<i64> {
        self.left = self.left.checked_sub(1).ok_or(Damage::Truncated)?;
        if self.is_first {
            self.is_first = false;
            return Ok(self.value);
        }
        if self.left_in_miniblock == 0 {
            self.start_miniblock(buffer)?;
        }
        self.left_in_miniblock -= 1;
        let delta = bits(buffer, self.bit, self.width)?;
        self.bit += self.width;
        // Differences wrap around, as those of the writer did.
        self.value = self.value.wrapping_add(self.least_delta).wrapping_add(delta.cast_signed());
        Ok(self.value)
    }

    fn start_miniblock(&mut self, buffer: &[u8]) -> Decoded<()> {
        self.miniblock += 1;
        if self.miniblock >= self.miniblocks {
            let mut reader = Reader::new(buffer.get(self.at..self.end).ok_or(Damage::Truncated)?);
            self.least_delta = reader.integer()?;
            self.widths_at = self.at + reader.position();
            self.at = self.widths_at.checked_add(self.miniblocks).ok_or(Damage::Truncated)?;
            self.miniblock = 0;
        }
        let width = buffer.get(self.widths_at..self.end).and_then(|widths| widths.get(self.miniblock));
        self.width = usize::from(*width.filter(|_| self.at <= self.end).ok_or(Damage::Truncated)?);
        if self.width > 64 {
            return Err(Damage::Invalid("a difference has more than 64 bits"));
        }
        self.left_in_miniblock = self.values_per_miniblock;
        self.bit = self.at.checked_mul(8).ok_or(Damage::Truncated)?;
        // The last miniblock may lack the bytes of values that do not count.
        let bytes = (self.values_per_miniblock / 8).saturating_mul(self.width);
        self.at = self.at.saturating_add(bytes).min(self.end);
        Ok(())
    }

    /// Returns the position behind the integers.
    pub(super) fn end(&self, buffer: &[u8]) -> Decoded<usize> {
        let mut rest = self.clone();
        rest.left = rest.left.saturating_sub(1);
        while rest.left > 0 {
            rest.start_miniblock(buffer)?;
            rest.left = rest.left.saturating_sub(rest.values_per_miniblock);
        }
        Ok(rest.at)
    }
}

/// Reads a number of up to 64 bits.
fn bits(buffer: &[u8], bit: usize, width: usize) -> Decoded<u64> {
    if width == 0 {
        return Ok(0);
    }
    let bytes = buffer.get(bit / 8..(bit + width).div_ceil(8)).ok_or(Damage::Truncated)?;
    let word = bytes.iter().rev().fold(0_u128, |word, byte| word << 8 | u128::from(*byte));
    Ok((word >> (bit % 8)) as u64 & u64::MAX >> (64 - width))
}

/// Strings of bytes: first all lengths, then all bytes.
#[derive(Debug, Clone)]
pub(super) struct DeltaLengths {
    lengths: DeltaIntegers,
    /// Position of the next string, and the end of the buffer's part.
    at: usize,
    end: usize,
}

impl DeltaLengths {
    pub(super) fn new(buffer: &[u8], at: usize, end: usize, most: usize) -> Decoded<DeltaLengths> {
        let lengths = DeltaIntegers::new(buffer, at, end, most)?;
        Ok(DeltaLengths { at: lengths.end(buffer)?, lengths, end })
    }

    /// Returns the start and the end of the next string.
    pub(super) fn next(&mut self, buffer: &[u8]) -> Decoded<(usize, usize)> {
        let length =
            usize::try_from(self.lengths.next(buffer)?).map_err(|_| Damage::Invalid("a length is negative"))?;
        let start = self.at;
        self.at = start.checked_add(length).filter(|end| *end <= self.end).ok_or(Damage::Truncated)?;
        Ok((start, self.at))
    }
}

/// Strings of bytes, each as the number of bytes that it shares with the start of the one before, and the rest.
#[derive(Debug, Clone)]
pub(super) struct DeltaStrings {
    prefixes: DeltaIntegers,
    suffixes: DeltaLengths,
    previous: Vec<u8>,
}

impl DeltaStrings {
    pub(super) fn new(buffer: &[u8], at: usize, end: usize, most: usize) -> Decoded<DeltaStrings> {
        let prefixes = DeltaIntegers::new(buffer, at, end, most)?;
        let suffixes = DeltaLengths::new(buffer, prefixes.end(buffer)?, end, most)?;
        Ok(DeltaStrings { prefixes, suffixes, previous: Vec::new() })
    }

    /// Returns the next string.
    pub(super) fn next(&mut self, buffer: &[u8]) -> Decoded<&[u8]> {
        const INVALID: Damage = Damage::Invalid("a string shares more bytes than the one before has");
        let shared = usize::try_from(self.prefixes.next(buffer)?).map_err(|_| INVALID)?;
        if shared > self.previous.len() {
            return Err(INVALID);
        }
        let (start, end) = self.suffixes.next(buffer)?;
        self.previous.truncate(shared);
        self.previous.extend_from_slice(buffer.get(start..end).ok_or(Damage::Truncated)?);
        Ok(&self.previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integers(bytes: &[u8], most: usize) -> Decoded<Vec<i64>> {
        let mut integers = DeltaIntegers::new(bytes, 0, bytes.len(), most)?;
        (0..integers.left).map(|_| integers.next(bytes)).collect()
    }

    #[test]
    fn the_examples_of_the_documentation_are_read() {
        // 1 to 5: a block of 128 values in 4 miniblocks, five values, the first is 1, all differences are 1.
        let same = [0x80, 1, 4, 5, 2, 2, 0, 0, 0, 0];
        assert_eq!(integers(&same, 5), Ok(vec![1, 2, 3, 4, 5]));
        // 7 5 3 1 2 3 4 5: the least difference is -2, the others are 0 0 0 3 3 3 3 in two bits.
        let mut other = vec![0x80, 1, 4, 8, 14, 3, 2, 0, 0, 0, 0b1100_0000, 0b0011_1111];
        assert_eq!(integers(&other, 8), Ok(vec![7, 5, 3, 1, 2, 3, 4, 5]));
        assert_eq!(DeltaIntegers::new(&other, 0, other.len(), 8).and_then(|all| all.end(&other)), Ok(12));
        other.resize(30, 0);
        assert_eq!(DeltaIntegers::new(&other, 0, other.len(), 8).and_then(|all| all.end(&other)), Ok(18));
    }

    #[test]
    fn a_lying_head_is_an_error() {
        let block = Damage::Invalid("the size of a block of differences is invalid");
        assert_eq!(integers(&[0x80, 1, 0, 5, 2], 5), Err(block));
        assert_eq!(integers(&[0x81, 1, 4, 5, 2], 5), Err(block));
        assert_eq!(integers(&[0x80, 1, 8, 5, 2], 5), Err(block));
        assert_eq!(integers(&[0, 4, 5, 2], 5), Err(block));
        let many = Damage::Invalid("it has more differences than values");
        assert_eq!(integers(&[0x80, 1, 4, 0xff, 0xff, 0xff, 0x7f, 2], 5), Err(many));
        assert_eq!(integers(&[0x80, 1, 4, 5, 2], 5), Err(Damage::Truncated));
        assert_eq!(integers(&[0x80, 1, 4, 5, 2, 2, 0], 5), Err(Damage::Truncated));
        let wide = Damage::Invalid("a difference has more than 64 bits");
        assert_eq!(integers(&[0x80, 1, 4, 5, 2, 2, 65, 0, 0, 0], 5), Err(wide));
        assert_eq!(integers(&[0x80, 1, 4, 5, 2, 2, 64, 0, 0, 0, 1, 2, 3], 5), Err(Damage::Truncated));
    }

    #[test]
    fn strings_share_their_beginnings() {
        // The lengths of the shared beginnings 0 2 0 3, the lengths of the rests 4 2 5 2, and the rests: axis, axle, babble, babyhood.
        let heads = |values: [i64; 4]| {
            let byte = |value: i64| value.to_le_bytes()[0];
            let mut bytes = vec![0x80, 1, 4, 4, byte(values[0] * 2)];
            let deltas: Vec<i64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let least = *deltas.iter().min().expect("three");
            bytes.extend([byte((least << 1) ^ (least >> 63)), 8, 0, 0, 0]);
            bytes.extend(deltas.iter().map(|delta| byte(delta - least)));
            bytes.resize(bytes.len() + 29, 0);
            bytes
        };
        let bytes = [heads([0, 2, 0, 3]), heads([4, 2, 6, 5]), b"axislebabbleyhood".to_vec()].concat();
        let mut strings = DeltaStrings::new(&bytes, 0, bytes.len(), 4).expect("heads");
        for expected in ["axis", "axle", "babble", "babyhood"] {
            assert_eq!(strings.next(&bytes), Ok(expected.as_bytes()));
        }
        assert_eq!(strings.next(&bytes), Err(Damage::Truncated));
        let shared = [heads([1, 2, 0, 3]), heads([4, 2, 6, 5]), b"axislebabbleyhood".to_vec()].concat();
        let mut strings = DeltaStrings::new(&shared, 0, shared.len(), 4).expect("heads");
        assert!(matches!(strings.next(&shared), Err(Damage::Invalid(_))));
    }
}
