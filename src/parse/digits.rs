//! Decimal numbers, eight digits at a time.

/// Eight digits `0`.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The number that stands in these bytes of a line, if it has 1 to 16 digits and nothing else, and enough stands before it
/// to be read in words; else it is to be read the slow way.
pub(super) fn number(line: &[u8], start: usize, end: usize) -> Option<u64> {
    match end - start {
        length @ 1..=8 => eight(line, end, length),
        length @ 9..=16 => Some(eight(line, end - 8, length - 8)? * 100_000_000 + eight(line, end, 8)?),
        _ => None,
    }
}

/// The last `length` of the eight bytes up to `end`.
fn eight(line: &[u8], end: usize, length: usize) -> Option<u64> {
    let bytes = line.get(end.checked_sub(8)?..end)?;
    let word = u64::from_le_bytes(bytes.try_into().ok()?);
    // What stands before the number makes way for zeros. The shift is of 0 to 56 bits.
    let before = 8 * (8 - length);
    let word = (word >> before) << before | ZEROS & !(u64::MAX << before);
    let digits = word ^ ZEROS;
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
        let line = format!("{before}{text} more");
        number(line.as_bytes(), before.len(), before.len() + text.len())
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
    fn what_stands_too_near_the_beginning_is_for_the_slow_way() {
        assert_eq!((of("2 ", "1"), of("1234567", "1"), of("123456", "1")), (None, Some(1), None));
        assert_eq!((of("1234567", "123456789"), of("123456", "123456789")), (Some(123_456_789), None));
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(before in ".{16,20}", text in "[0-9]{1,16}|[0-9./:a]{1,16}|\\PC{1,4}") {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() <= 16;
            prop_assert_eq!(of(&before, &text), text.parse().ok().filter(|_| digits));
        }
    }
}
