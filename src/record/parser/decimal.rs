//! Parses decimal numbers, eight digits at a time, and four such numbers at once.
//!
//! All functions read words that end at the last digit; the buffer's padding makes this safe at any position. A mask replaces the
//! bytes before the number by zeros.

use wide::{bytemuck, i16x8, i32x4, u8x16, u16x8, u64x2};

use crate::input::padded_buffer::Buffer;

/// Eight ASCII zeros.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Parses a number of 1 to 16 digits. Returns `None` for anything else, which the slow path then parses.
#[inline(always)]
pub(super) fn number(text: &Buffer, start: u32, end: u32) -> Option<u64> {
    match end.wrapping_sub(start) {
        length @ 1..=8 => parse_8(text, end, length),
        // A timestamp has ten digits: two, then eight.
        10 => Some(two(text, start)? * 100_000_000 + parse_8(text, end, 8)?),
        length @ 9..=16 => Some(parse_8(text, end - 8, length - 8)? * 100_000_000 + parse_8(text, end, 8)?),
        _ => None,
    }
}

/// Parses at most 4 digits, or `-`. Returns the number (0 for `-`) and whether it is present. There is no branch on that, because it
/// is unpredictable.
#[inline(always)]
pub(super) fn parse_short_or_dash(text: &Buffer, start: u32, end: u32) -> Option<(u64, bool)> {
    let length = end.wrapping_sub(start);
    if !(1..=4).contains(&length) {
        return None;
    }
    let parse_4 = u32::from_le_bytes(*text.read_at(end.wrapping_sub(4)));
    // Zeros replace the bytes before the number. The shift is 0 to 24 bits.
    let digits = (parse_4 ^ ZEROS as u32) & u32::MAX.wrapping_shl(8 * (4 - length));
    let is_none = (length == 1) & (digits == u32::from(b'-' ^ b'0') << 24);
    let digits = digits & u32::from(is_none).wrapping_sub(1);
    if (digits | digits.wrapping_add(0x0606_0606)) & 0xf0f0_f0f0 != 0 {
        return None;
    }
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff;
    Some((u64::from(pairs.wrapping_mul(100 << 16 | 1) >> 16), !is_none))
}

#[inline(always)]
fn two(text: &Buffer, start: u32) -> Option<u64> {
    let digits = u16::from_le_bytes(*text.read_at(start)) ^ ZEROS as u16;
    if (digits | digits.wrapping_add(0x0606)) & 0xf0f0 != 0 {
        return None;
    }
    Some(u64::from((digits & 0xf) * 10 + (digits >> 8)))
}

/// Parses the last `length` of the eight bytes up to `end`.
#[inline(always)]
fn parse_8(text: &Buffer, end: u32, length: u32) -> Option<u64> {
    sum(mask_digits(text, end, length))
}

/// Returns the digits of these bytes, with zeros before them. The first digit is the lowest byte.
#[inline(always)]
fn mask_digits(text: &Buffer, end: u32, length: u32) -> u64 {
    let word = u64::from_le_bytes(*text.read_at(end.wrapping_sub(8)));
    // Zeros replace the bytes before the number. The shift is 0 to 56 bits.
    let own = u64::MAX.wrapping_shl(8 * (8 - length));
    (word ^ ZEROS) & own
}

/// Returns the value of eight digits, or `None` if a byte is not a digit.
#[inline(always)]
fn sum(digits: u64) -> Option<u64> {
    if (digits | digits.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0 != 0 {
        return None;
    }
    // Combines pairs, fours, then all eight: each step multiplies the earlier half, which is the lower one, and adds the later.
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000 << 32 | 1) >> 32)
}

/// Mask of the last `length` of eight bytes, by length.
#[expect(clippy::indexing_slicing, reason = "indexes run over arrays of the same constant length")]
const LAST: [u64; 16] = {
    let mut last = [0; 16];
    let mut length = 1;
    while length <= 8 {
        last[length] = u64::MAX << (64 - 8 * length);
        length += 1;
    }
    last
};

/// Parses four numbers of 1 to 8 digits. Returns `None` if one has another form or exceeds its maximum; then each has to be parsed by
/// itself.
#[inline(always)]
#[expect(clippy::indexing_slicing, reason = "indexes run over arrays of the same constant length")]
pub(super) fn parse_4(text: &Buffer, places: [(u32, u32); 4], maxima: [i32; 4]) -> Option<[u32; 4]> {
    let mut lengths = [0; 4];
    let mut words = [0; 4];
    let mut own = [0; 4];
    let mut invalid = 0;
    for number in 0..4 {
        let (start, end) = places[number];
        lengths[number] = end.wrapping_sub(start);
        invalid |= lengths[number].wrapping_sub(1);
        words[number] = u64::from_le_bytes(*text.read_at(end.wrapping_sub(8)));
        own[number] = LAST[lengths[number] as usize % LAST.len()];
    }
    if invalid >= 8 {
        return None;
    }
    let first = digits([words[0], words[2]], [own[0], own[2]]);
    let second = digits([words[1], words[3]], [own[1], own[3]]);
    let no_digit: i32x4 = bytemuck::cast(first.max(second).saturating_sub(u8x16::splat(9)));
    let (first, second) = (fours(first), fours(second));
    let (first, second) = ((first | first >> 16) & u64x2::splat(0xffff_ffff), (second | second >> 16) << 32);
    let all: i16x8 = bytemuck::cast(first | second);
    let numbers = all.dot(i16x8::new([10_000, 1, 10_000, 1, 10_000, 1, 10_000, 1]));
    if bytemuck::cast::<_, u128>(no_digit | numbers.simd_gt(i32x4::new(maxima))) != 0 {
        return None;
    }
    Some(bytemuck::cast(numbers))
}

/// Returns the digits of two words, with zeros outside of `own`.
#[inline(always)]
fn digits(words: [u64; 2], own: [u64; 2]) -> u8x16 {
    let words: u8x16 = bytemuck::cast(u64x2::new(words));
    (words ^ u8x16::splat(b'0')) & bytemuck::cast::<_, u8x16>(u64x2::new(own))
}

/// Combines pairs of digits, then fours in the halves of the words, with the earlier ones in the lower half.
#[inline(always)]
fn fours(digits: u8x16) -> u64x2 {
    let digits: u16x8 = bytemuck::cast(digits);
    let pairs = (digits & u16x8::splat(0xff)) * u16x8::splat(10) + (digits >> 8);
    bytemuck::cast(bytemuck::cast::<_, i16x8>(pairs).dot(i16x8::new([100, 1, 100, 1, 100, 1, 100, 1])))
}

/// Returns the contribution of the first two digits of two timestamps of ten digits.
#[inline(always)]
pub(super) fn timestamp_high_digits(text: &Buffer, first: u32, second: u32) -> Option<[u64; 2]> {
    let first = u32::from(u16::from_le_bytes(*text.read_at(first)));
    let second = u32::from(u16::from_le_bytes(*text.read_at(second)));
    let digits = (first | second << 16) ^ ZEROS as u32;
    if (digits | digits.wrapping_add(0x0606_0606)) & 0xf0f0_f0f0 != 0 {
        return None;
    }
    let tens = digits.wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff;
    Some([u64::from(tens & 0xffff) * 100_000_000, u64::from(tens >> 16) * 100_000_000])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(before: &str, text: &str) -> Option<u64> {
        let mut buffer = Buffer::default();
        let line = format!("{before}{text} more");
        buffer.bytes[..line.len()].copy_from_slice(line.as_bytes());
        number(&buffer, before.len() as u32, (before.len() + text.len()) as u32)
    }

    #[test]
    fn one_to_sixteen_digits_are_a_number() {
        for text in ["0", "7", "12345678", "123456789", "00000000", "9999999999999999", "1795413660"] {
            assert_eq!(of("version 2 x ", text), text.parse().ok());
        }
        for text in ["", "12345678901234567", "1 2", "-1", "+1", "1a", "/", ":", "٣", "99999999x9999999", "\u{0}"] {
            assert_eq!(of("version 2 x ", text), None, "{text}");
        }
    }

    #[test]
    fn a_short_number_or_dash_is_parsed() {
        let of = |text: &str| {
            let mut buffer = Buffer::default();
            let line = format!("eni-1 443 {text} -");
            buffer.bytes[..line.len()].copy_from_slice(line.as_bytes());
            parse_short_or_dash(&buffer, 10, 10 + text.len() as u32)
        };
        for text in ["0", "7", "42", "255", "0008", "9999"] {
            assert_eq!(of(text), Some((text.parse().expect("a number"), true)));
        }
        assert_eq!(of("-"), Some((0, false)));
        for text in ["", "0-", "-0", "--", "00-", "12345", "+", "/", ":", "1 2"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    /// Parses four numbers, each after the text `before`.
    fn four_of(before: &str, numbers: &[String], maxima: [i32; 4]) -> Option<[u32; 4]> {
        let mut buffer = Buffer::default();
        let mut end = 0;
        let mut places = [(0, 0); 4];
        for (place, number) in places.iter_mut().zip(numbers) {
            let start = end + before.len();
            buffer.bytes[end..start].copy_from_slice(before.as_bytes());
            end = start + number.len();
            buffer.bytes[start..end].copy_from_slice(number.as_bytes());
            *place = (start as u32, end as u32);
        }
        parse_4(&buffer, places, maxima)
    }

    #[test]
    fn four_numbers_are_parsed_if_short_and_in_range() {
        let of =
            |numbers: [&str; 4]| four_of("from 443 ", &numbers.map(str::to_owned), [i32::MAX, 0xffff, 0xffff, 0xff]);
        assert_eq!(of(["2", "65535", "0", "255"]), Some([2, 65535, 0, 255]));
        assert_eq!(of(["99999999", "00443", "7", "6"]), Some([99_999_999, 443, 7, 6]));
        for wrong in [["2", "65536", "0", "6"], ["2", "1", "1", "256"], ["123456789", "1", "1", "1"]] {
            assert_eq!(of(wrong), None);
        }
        for (place, text) in [(0, ""), (1, "-"), (2, "1:"), (3, "/"), (0, "1 2"), (1, "x"), (2, "\u{0}"), (3, "+1")] {
            let mut numbers = ["1"; 4];
            numbers[place] = text;
            assert_eq!(of(numbers), None, "{text:?}");
        }
    }

    #[test]
    fn the_first_two_digits_of_timestamps_are_parsed() {
        let of = |first: &str, second: &str| {
            let mut buffer = Buffer::default();
            buffer.bytes[20..22].copy_from_slice(first.as_bytes());
            buffer.bytes[40..42].copy_from_slice(second.as_bytes());
            timestamp_high_digits(&buffer, 20, 40)
        };
        assert_eq!(of("17", "99"), Some([1_700_000_000, 9_900_000_000]));
        assert_eq!(of("00", "08"), Some([0, 800_000_000]));
        for wrong in ["1-", " 7", "1:", "/0", "a1"] {
            assert_eq!([of(wrong, "17"), of("17", wrong)], [None, None]);
        }
    }

    proptest! {
        #[test]
        fn four_numbers_agree_with_the_standard_library(
            before in "[ -~]{9,20}",
            numbers in prop::collection::vec("[0-9]{1,8}|[0-9]{1,5}|[0-9]{8,10}|[0-9./:a-]{1,8}", 4),
            maxima in prop_oneof![Just(i32::MAX), 0..100_000],
        ) {
            let read = |number: &String| {
                let digits = number.bytes().all(|byte| byte.is_ascii_digit()) && number.len() <= 8;
                number.parse().ok().filter(|value: &u32| digits && i64::from(*value) <= i64::from(maxima))
            };
            let expected: Option<Vec<u32>> = numbers.iter().map(read).collect();
            prop_assert_eq!(four_of(&before, &numbers, [maxima; 4]).map(Vec::from), expected);
        }

        #[test]
        fn agrees_with_the_standard_library(before in ".{16,20}", text in "[0-9]{1,16}|[0-9./:a]{1,16}|\\PC{1,4}") {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 16;
            prop_assert_eq!(of(&before, &text), text.parse().ok().filter(|_| digits));
        }
    }
}
