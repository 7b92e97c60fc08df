//! IPv4 addresses, by themselves and in a line.

use std::net::Ipv4Addr;

use wide::{i16x8, i32x4, u8x16};

use crate::input::cpu::Simd;
use crate::input::padded_buffer::Buffer;

/// The IPv4 address that stands there in a text, if it is one; else it is to be parsed by itself. Up to four times a record,
/// so all four numbers are read without a branch on their lengths.
#[inline(always)]
pub fn parse_at<S: Simd>(simd: S, text: &Buffer, start: u32, end: u32) -> Option<Ipv4Addr> {
    if S::SHUFFLES { parse_simd(simd, text, start, end) } else { parse_swar(text, start, end) }
}

/// Where the digits of an address are, by where its numbers end.
struct Layout {
    /// Of each number the hundreds and the tens, each in two bytes.
    upper: [u8; 16],
    /// Of each number the ones, in four bytes.
    ones: [u8; 16],
    /// The least number of so many digits.
    least: [i32; 4],
}

/// The place of a digit that a number lacks.
const NO_DIGIT: u8 = 128;
/// Four numbers of one to three digits each.
const LAYOUTS: usize = 3 * 3 * 3 * 3;

/// The layouts, and by the bits of the places at which the four numbers end: which one it is, from 1.
static BY_LAYOUT: ([Layout; LAYOUTS], [u8; 1 << 16]) = {
    let mut layouts = [const { Layout { upper: [NO_DIGIT; 16], ones: [NO_DIGIT; 16], least: [0; 4] } }; LAYOUTS];
    let mut by_ends = [0; 1 << 16];
    let mut number = 0;
    while number < LAYOUTS {
        let lengths = [1 + number / 27, 1 + number / 9 % 3, 1 + number / 3 % 3, 1 + number % 3];
        let (mut ends, mut start, mut octet) = (0, 0, 0);
        while octet < 4 {
            let end = start + lengths[octet];
            layouts[number].ones[4 * octet] = end as u8 - 1;
            if lengths[octet] > 1 {
                layouts[number].upper[4 * octet + 2] = end as u8 - 2;
                layouts[number].least[octet] = 10;
            }
            if lengths[octet] > 2 {
                layouts[number].upper[4 * octet] = end as u8 - 3;
                layouts[number].least[octet] = 100;
            }
            ends |= 1 << end;
            (start, octet) = (end + 1, octet + 1);
        }
        by_ends[ends] = number as u8 + 1;
        number += 1;
    }
    (layouts, by_ends)
};

/// All digits to their places by two instructions.
#[inline(always)]
fn parse_simd(simd: impl Simd, text: &Buffer, start: u32, end: u32) -> Option<Ipv4Addr> {
    let length = end.wrapping_sub(start);
    if !(7..=15).contains(&length) {
        return None;
    }
    let window = text.word(start);
    let ends = dots(window) & ((1 << length) - 1) | 1 << length;
    let (layouts, by_ends) = &BY_LAYOUT;
    let layout = layouts.get(usize::from(by_ends[(ends & 0xffff) as usize]).checked_sub(1)?)?;
    let digits = u8x16::new(*window) - u8x16::splat(b'0');
    let upper = simd.shuffle(digits, u8x16::new(layout.upper));
    let ones = simd.shuffle(digits, u8x16::new(layout.ones));
    let no_digit: i32x4 = bytemuck::cast(upper.max(ones).saturating_sub(u8x16::splat(9)));
    let upper: i16x8 = bytemuck::cast(upper);
    let octets = upper.dot(i16x8::new([100, 10, 100, 10, 100, 10, 100, 10])) + bytemuck::cast::<_, i32x4>(ones);
    let too_great = octets & i32x4::splat(!0xff);
    let zero_in_front = i32x4::new(layout.least).simd_gt(octets);
    if bytemuck::cast::<_, u128>(no_digit | too_great | zero_in_front) != 0 {
        return None;
    }
    let list = u8x16::new([12, 8, 4, 0, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128]);
    let [bits, ..]: [u32; 4] = bytemuck::cast(simd.shuffle(bytemuck::cast(octets), list));
    Some(Ipv4Addr::from_bits(bits))
}

/// Two numbers a word.
#[inline(always)]
fn parse_swar(text: &Buffer, start: u32, end: u32) -> Option<Ipv4Addr> {
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    const ONES: u64 = 0x0000_00ff_0000_00ff;
    /// The least number of so many digits.
    const LEAST: [u64; 4] = [0, 0, 10, 100];
    let length = end.wrapping_sub(start);
    if !(7..=15).contains(&length) {
        return None;
    }
    let first = dots(text.word(start)) & ((1 << length) - 1);
    let second = first & first.wrapping_sub(1);
    let third = second & second.wrapping_sub(1);
    let no_number = ((first << 1) | 1) & (first | 1 << length);
    if third == 0 || third & (third - 1) != 0 || no_number != 0 {
        return None;
    }
    let [a, b, c] = [first, second, third].map(u32::trailing_zeros);
    let lengths = [a, b - a - 1, c - b - 1, length - c - 1];
    if lengths.iter().fold(0, |all, length| all | length) > 3 {
        return None;
    }
    // The three digits before each end: what stands before the number makes way for zeros.
    let digits = |end: u32, length: u32| {
        let four = u32::from_le_bytes(*text.word(start.wrapping_add(end).wrapping_sub(4)));
        let before = 32 - 8 * (length & 3);
        u64::from((four ^ ZEROS as u32) & u32::MAX.wrapping_shl(before))
    };
    let low = digits(a, lengths[0]) | digits(b, lengths[1]) << 32;
    let high = digits(c, lengths[2]) | digits(length, lengths[3]) << 32;
    let no_digit = |digits: u64| digits | digits.wrapping_add(0x0606_0606_0606_0606);
    if (no_digit(low) | no_digit(high)) & 0xf0f0_f0f0_f0f0_f0f0 != 0 {
        return None;
    }
    let values = |digits: u64| (digits >> 8 & ONES) * 100 + (digits >> 16 & ONES) * 10 + (digits >> 24 & ONES);
    let (low, high) = (values(low), values(high));
    let octets = [low & 0xffff, low >> 32, high & 0xffff, high >> 32];
    let least = lengths.map(|length| LEAST[(length & 3) as usize]);
    if octets.iter().zip(least).any(|(octet, least)| *octet < least) || (low | high) & !ONES != 0 {
        return None;
    }
    Some(Ipv4Addr::from_bits((octets[0] << 24 | octets[1] << 16 | octets[2] << 8 | octets[3]) as u32))
}

/// A bit for each byte that is a dot, the first byte's lowest.
#[inline(always)]
fn dots(window: &[u8; 16]) -> u32 {
    u8x16::new(*window).simd_eq(u8x16::splat(b'.')).to_bitmask()
}

/// Four decimal numbers to 255 without leading zeros, as `Ipv4Addr::from_str` takes them, without the detour over
/// `str`: this runs up to four times a record.
pub(super) fn parse(text: &[u8]) -> Option<Ipv4Addr> {
    if text.len() < 7 || text.len() > 15 {
        return None;
    }
    let mut octets = [0u8; 4];
    let mut octet = 0;
    let mut value: u16 = 0;
    let mut digits = 0;
    for &byte in text {
        if byte == b'.' {
            if digits == 0 || octet == 3 {
                return None;
            }
            octets[octet] = value as u8;
            (octet, value, digits) = (octet + 1, 0, 0);
        } else {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 || (digits > 0 && value == 0) {
                return None;
            }
            value = value * 10 + u16::from(digit);
            digits += 1;
            if value > 255 {
                return None;
            }
        }
    }
    if octet != 3 || digits == 0 {
        return None;
    }
    octets[3] = value as u8;
    Some(Ipv4Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::input::cpu::Plain;

    fn both(before: &str, text: &str, behind: &str) -> Option<Ipv4Addr> {
        let mut buffer = Buffer::default();
        let line = [before, text, behind].concat();
        buffer.bytes[..line.len()].copy_from_slice(line.as_bytes());
        let (start, end) = (before.len() as u32, (before.len() + text.len()) as u32);
        let found = parse_swar(&buffer, start, end);
        // Without an instruction for it shuffling is slow, and gives the same.
        assert_eq!(parse_simd(Plain, &buffer, start, end), found, "{text}");
        found
    }

    proptest! {
        #[test]
        fn within_a_line_ipv4_is_the_same_and_all_else_is_left(
            before in ".{4,8}", text in "([0-9]{1,4}\\.){3}[0-9]{1,4}|[0-9.:a/]{7,15}|\\PC{1,16}",
        ) {
            let found = both(&before, &text, " more and more, behind it");
            prop_assert_eq!(found, text.parse::<Ipv4Addr>().ok());
        }

        #[test]
        fn within_a_line_every_ipv4_address_is_found(address: Ipv4Addr) {
            prop_assert_eq!(both("eni-1 ", &address.to_string(), " 172.31.16.21 20641"), Some(address));
        }
    }
}
