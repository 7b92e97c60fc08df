//! Decimal numbers, eight digits at a time, and four such numbers at once.

use wide::{i16x8, i32x4, u8x16, u16x8, u64x2};

use crate::input::padded_buffer::Buffer;

/// Eight digits `0`.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The number that stands there, if it has 1 to 16 digits and nothing else; else it is to be read the slow way.
#[inline(always)]
pub(super) fn number(text: &Buffer, start: u32, end: u32) -> Option<u64> {
    match end.wrapping_sub(start) {
        length @ 1..=8 => eight(text, end, length),
        // Of a time, the first two digits by themselves.
        10 => Some(two(text, start)? * 100_000_000 + eight(text, end, 8)?),
        length @ 9..=16 => Some(eight(text, end - 8, length - 8)? * 100_000_000 + eight(text, end, 8)?),
        _ => None,
    }
}

/// The same of at most 4 digits, or of `-`, which is no number and reads as 0: whether it is one nobody can foresee, so that is
/// no branch.
#[inline(always)]
pub(super) fn parse_short_or_dash(text: &Buffer, start: u32, end: u32) -> Option<(u64, bool)> {
    let length = end.wrapping_sub(start);
    if !(1..=4).contains(&length) {
        return None;
    }
    let four = u32::from_le_bytes(*text.word(end.wrapping_sub(4)));
    // What stands before the number makes way for zeros. The shift is of 0 to 24 bits.
    let digits = (four ^ ZEROS as u32) & u32::MAX.wrapping_shl(8 * (4 - length));
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
    let digits = u16::from_le_bytes(*text.word(start)) ^ ZEROS as u16;
    if (digits | digits.wrapping_add(0x0606)) & 0xf0f0 != 0 {
        return None;
    }
    Some(u64::from((digits & 0xf) * 10 + (digits >> 8)))
}

/// The last `length` of the eight bytes up to `end`.
#[inline(always)]
fn eight(text: &Buffer, end: u32, length: u32) -> Option<u64> {
    sum(mask_digits(text, end, length))
}

/// The digits of those bytes, the first one lowest, and zeros before them.
#[inline(always)]
fn mask_digits(text: &Buffer, end: u32, length: u32) -> u64 {
    let word = u64::from_le_bytes(*text.word(end.wrapping_sub(8)));
    // What stands before the number makes way for zeros. The shift is of 0 to 56 bits.
    let own = u64::MAX.wrapping_shl(8 * (8 - length));
    (word ^ ZEROS) & own
}

/// What eight digits come to, if they are digits.
#[inline(always)]
fn sum(digits: u64) -> Option<u64> {
    if (digits | digits.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0 != 0 {
        return None;
    }
    // Pairs, fours, and all eight: each step multiplies the earlier half, which is the lower one, and adds the later.
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000 << 32 | 1) >> 32)
}

/// Of eight bytes the last so many.
const LAST: [u64; 16] = {
    let mut last = [0; 16];
    let mut length = 1;
    while length <= 8 {
        last[length] = u64::MAX << (64 - 8 * length);
        length += 1;
    }
    last
};

/// The numbers that stand between those places, if each has 1 to 8 digits and nothing else, and none is greater than its
/// maximum; else each is to be read by itself.
#[inline(always)]
pub(super) fn four(text: &Buffer, places: [(u32, u32); 4], most: [i32; 4]) -> Option<[u32; 4]> {
    let mut lengths = [0; 4];
    let mut words = [0; 4];
    let mut own = [0; 4];
    let mut others = 0;
    for number in 0..4 {
        let (start, end) = places[number];
        lengths[number] = end.wrapping_sub(start);
        others |= lengths[number].wrapping_sub(1);
        words[number] = u64::from_le_bytes(*text.word(end.wrapping_sub(8)));
        own[number] = LAST[lengths[number] as usize % LAST.len()];
    }
    if others >= 8 {
        return None;
    }
    let first = digits([words[0], words[2]], [own[0], own[2]]);
    let second = digits([words[1], words[3]], [own[1], own[3]]);
    let no_digit: i32x4 = bytemuck::cast(first.max(second).saturating_sub(u8x16::splat(9)));
    let (first, second) = (fours(first), fours(second));
    let (first, second) = ((first | first >> 16) & u64x2::splat(0xffff_ffff), (second | second >> 16) << 32);
    let all: i16x8 = bytemuck::cast(first | second);
    let numbers = all.dot(i16x8::new([10_000, 1, 10_000, 1, 10_000, 1, 10_000, 1]));
    if bytemuck::cast::<_, u128>(no_digit | numbers.simd_gt(i32x4::new(most))) != 0 {
        return None;
    }
    Some(bytemuck::cast(numbers))
}

/// The digits of two words, and zeros where they are not their own.
#[inline(always)]
fn digits(words: [u64; 2], own: [u64; 2]) -> u8x16 {
    let words: u8x16 = bytemuck::cast(u64x2::new(words));
    (words ^ u8x16::splat(b'0')) & bytemuck::cast::<_, u8x16>(u64x2::new(own))
}

/// Pairs of digits, then fours in the words' halves, the earlier ones in the lower.
#[inline(always)]
fn fours(digits: u8x16) -> u64x2 {
    let digits: u16x8 = bytemuck::cast(digits);
    let pairs = (digits & u16x8::splat(0xff)) * u16x8::splat(10) + (digits >> 8);
    bytemuck::cast(bytemuck::cast::<_, i16x8>(pairs).dot(i16x8::new([100, 1, 100, 1, 100, 1, 100, 1])))
}

/// What two times of ten digits owe to their first two.
#[inline(always)]
pub(super) fn timestamp_high_digits(text: &Buffer, first: u32, second: u32) -> Option<[u64; 2]> {
    let first = u32::from(u16::from_le_bytes(*text.word(first)));
    let second = u32::from(u16::from_le_bytes(*text.word(second)));
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
    fn a_short_number_or_none() {
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

    /// Four numbers, each at the end of text that begins with what stands before it.
    fn four_of(before: &str, numbers: &[String], most: [i32; 4]) -> Option<[u32; 4]> {
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
        four(&buffer, places, most)
    }

    #[test]
    fn four_numbers_are_read_if_all_are_short_and_none_is_too_great() {
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
    fn the_first_two_digits_of_times() {
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
            most in prop_oneof![Just(i32::MAX), 0..100_000],
        ) {
            let read = |number: &String| {
                let digits = number.bytes().all(|byte| byte.is_ascii_digit()) && number.len() <= 8;
                number.parse().ok().filter(|value: &u32| digits && i64::from(*value) <= i64::from(most))
            };
            let expected: Option<Vec<u32>> = numbers.iter().map(read).collect();
            prop_assert_eq!(four_of(&before, &numbers, [most; 4]).map(Vec::from), expected);
        }

        #[test]
        fn agrees_with_the_standard_library(before in ".{16,20}", text in "[0-9]{1,16}|[0-9./:a]{1,16}|\\PC{1,4}") {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 16;
            prop_assert_eq!(of(&before, &text), text.parse().ok().filter(|_| digits));
        }
    }
}
