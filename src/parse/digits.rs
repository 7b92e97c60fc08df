//! Decimal numbers, eight digits at a time.

use crate::buffer::Buffer;

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
    let word = u64::from_le_bytes(*text.word(end.wrapping_sub(8)));
    // What stands before the number makes way for zeros. The shift is of 0 to 56 bits.
    let own = u64::MAX.wrapping_shl(8 * (8 - length));
    let digits = (word ^ ZEROS) & own;
    if (digits | digits.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0 != 0 {
        return None;
    }
    // Pairs, fours, and all eight: each step multiplies the earlier half, which is the lower one, and adds the later.
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000 << 32 | 1) >> 32)
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

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(before in ".{16,20}", text in "[0-9]{1,16}|[0-9./:a]{1,16}|\\PC{1,4}") {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 16;
            prop_assert_eq!(of(&before, &text), text.parse().ok().filter(|_| digits));
        }
    }
}
