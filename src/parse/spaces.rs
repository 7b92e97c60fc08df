//! Where the columns of a line end, sixteen bytes at a time.

use wide::u8x16;

/// A format with more columns, or a line with more spaces, is read the slow way.
pub(super) const MOST_COLUMNS: usize = 64;

/// Where the columns of a line end if each pair of them is parted by one space: that is nearly every line. Their number
/// comes first; it is more than [`MOST_COLUMNS`] if there are more.
pub(super) fn column_ends(line: &[u8], ends: &mut [u32; MOST_COLUMNS]) -> usize {
    let mut count = 0;
    let mut note = |base: usize, mut mask: u64| {
        while mask != 0 {
            if let Some(end) = ends.get_mut(count) {
                // A line is no longer than 64 KiB.
                *end = (base + mask.trailing_zeros() as usize) as u32;
            }
            count += 1;
            mask &= mask - 1;
        }
    };
    let (blocks, rest) = line.as_chunks::<64>();
    for (number, block) in blocks.iter().enumerate() {
        note(64 * number, spaces(block));
    }
    let mut block = [0; 64];
    block[..rest.len()].copy_from_slice(rest);
    note(64 * blocks.len(), spaces(&block));
    if let Some(end) = ends.get_mut(count) {
        *end = line.len() as u32;
    }
    count + 1
}

/// A bit for each byte that is a space, the first byte's lowest.
fn spaces(block: &[u8; 64]) -> u64 {
    let (sixteens, _) = block.as_chunks::<16>();
    let mask = |sixteen: &[u8; 16]| u64::from(u8x16::new(*sixteen).simd_eq(u8x16::splat(b' ')).to_bitmask());
    sixteens.iter().rev().fold(0, |all, sixteen| all << 16 | mask(sixteen))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ends(line: &[u8]) -> Vec<u32> {
        let mut ends = [0; MOST_COLUMNS];
        let count = column_ends(line, &mut ends);
        ends[..count.min(MOST_COLUMNS)].to_vec()
    }

    #[test]
    fn columns_end_at_spaces_and_at_the_end() {
        assert_eq!(ends(b""), [0]);
        assert_eq!(ends(b"a"), [1]);
        assert_eq!(ends(b"ab c  d "), [2, 4, 5, 7, 8]);
        assert_eq!(column_ends(&[b' '; 200], &mut [0; MOST_COLUMNS]), 201);
    }

    proptest! {
        #[test]
        fn agrees_with_a_search_byte_by_byte(line in prop::collection::vec(
            prop_oneof![2 => Just(b' '), 3 => any::<u8>(), 1 => Just(b' ' | 0x80), 1 => Just(b'!')], 0..200)) {
            let spaces = line.iter().enumerate().filter(|(_, byte)| **byte == b' ').map(|(at, _)| at as u32);
            let expected: Vec<u32> = spaces.chain([line.len() as u32]).collect();
            prop_assert_eq!(column_ends(&line, &mut [0; MOST_COLUMNS]), expected.len());
            prop_assert_eq!(&ends(&line)[..], &expected[..expected.len().min(MOST_COLUMNS)]);
        }
    }
}
