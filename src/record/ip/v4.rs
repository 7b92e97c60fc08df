//! Parses IPv4 addresses: a fast parser for addresses within a line, and a plain one for any text.

use std::net::Ipv4Addr;

use wide::{bytemuck, i16x8, i32x4, u8x16, u16x8, u32x4};

use crate::input::padded_buffer::Buffer;

/// Positions and lengths of the four numbers of an address.
struct Layout {
    /// End of each number, from the start of the address.
    ends: [u8; 4],
    /// Mask of the digits of each number among the four bytes before its end.
    masks: [u32; 4],
    /// Smallest number with this many digits. A smaller value has a leading zero.
    min_values: [i32; 4],
}

/// Four numbers of one to three digits each.
const LAYOUTS: usize = 3 * 3 * 3 * 3;

/// All layouts, and a table that gives the layout's index plus 1 for a word with a bit at the end of each number. 0 means that no
/// address has this pattern.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
static BY_ENDS: ([Layout; LAYOUTS], [u8; 1 << 16]) = {
    let mut layouts = [const { Layout { ends: [0; 4], masks: [0; 4], min_values: [0; 4] } }; LAYOUTS];
    let mut by_ends = [0; 1 << 16];
    let mut number = 0;
    while number < LAYOUTS {
        let lengths = [1 + number / 27, 1 + number / 9 % 3, 1 + number / 3 % 3, 1 + number % 3];
        let (mut bits, mut start, mut octet) = (0, 0, 0);
        while octet < 4 {
            let end = start + lengths[octet];
            layouts[number].ends[octet] = end as u8;
            layouts[number].masks[octet] = u32::MAX << (32 - 8 * lengths[octet]);
            layouts[number].min_values[octet] = [0, 0, 10, 100][lengths[octet]];
            bits |= 1 << end;
            (start, octet) = (end + 1, octet + 1);
        }
        by_ends[bits] = number as u8 + 1;
        number += 1;
    }
    (layouts, by_ends)
};

/// Parses the IPv4 address between two positions of a line. Returns `None` for anything else; [`super::parse`] then decides.
///
/// This runs up to four times per record. The positions of the dots select a layout, so that all four numbers are read at once,
/// without a branch on their lengths, by instructions that every x86-64 and arm64 processor has.
#[inline(always)]
#[expect(
    clippy::indexing_slicing,
    reason = "16 bits index a table of 2^16, and 16 positions leave four bytes of the window"
)]
pub fn parse_at(text: &Buffer, start: u32, end: u32) -> Option<Ipv4Addr> {
    let length = end.wrapping_sub(start);
    if !(7..=15).contains(&length) {
        return None;
    }
    let window: &[u8; 32] = text.read_at(start.wrapping_sub(4));
    let (_, address) = window.split_first_chunk::<4>()?;
    let ends = dots(address.first_chunk()?) & ((1 << length) - 1) | 1 << length;
    let (layouts, by_ends) = &BY_ENDS;
    let layout = layouts.get(usize::from(by_ends[(ends & 0xffff) as usize]).checked_sub(1)?)?;
    // The window begins four bytes before the address, so the four bytes before an end begin at that index.
    let words = layout.ends.map(|end| {
        let last_four = window[usize::from(end % 16)..].first_chunk().unwrap_or(&[0; 4]);
        u32::from_le_bytes(*last_four)
    });
    let digits = (u32x4::new(words) ^ u32x4::splat(0x3030_3030)) & u32x4::new(layout.masks);
    let not_digits: i32x4 = bytemuck::cast(bytemuck::cast::<_, u8x16>(digits).saturating_sub(u8x16::splat(9)));
    // Each number is two pairs of digits: hundreds, then tens and ones.
    let digits: u16x8 = bytemuck::cast(digits);
    let pairs: i16x8 = bytemuck::cast((digits & u16x8::splat(0xff)) * u16x8::splat(10) + (digits >> 8));
    let octets = pairs.dot(i16x8::new([100, 1, 100, 1, 100, 1, 100, 1]));
    let too_great = octets & i32x4::splat(!0xff);
    let leading_zeros = i32x4::new(layout.min_values).simd_gt(octets);
    if bytemuck::cast::<_, u128>(not_digits | too_great | leading_zeros) != 0 {
        return None;
    }
    let [first, second]: [u64; 2] = bytemuck::cast(octets);
    let two = |octets: u64| (octets as u32) << 8 | (octets >> 32) as u32;
    Some(Ipv4Addr::from_bits(two(first) << 16 | two(second)))
}

/// Returns a bit for each byte that is a dot. The lowest bit is that of the first byte.
fn dots(window: &[u8; 16]) -> u32 {
    u8x16::new(*window).simd_eq(u8x16::splat(b'.')).to_bitmask()
}

/// Parses four decimal numbers up to 255 without leading zeros, like `Ipv4Addr::from_str`, but from bytes.
#[expect(clippy::indexing_slicing, reason = "an address has at most four octets")]
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

    /// Parses an address within a line by both parsers, and compares the results.
    fn both(before: &str, text: &str, after: &str) -> Option<Ipv4Addr> {
        let mut buffer = Buffer::default();
        let line = [before, text, after].concat();
        buffer.bytes[..line.len()].copy_from_slice(line.as_bytes());
        let (start, end) = (before.len() as u32, (before.len() + text.len()) as u32);
        let found = parse_at(&buffer, start, end);
        assert_eq!(parse(text.as_bytes()), found, "{text}");
        found
    }

    proptest! {
        #[test]
        fn both_parsers_agree_within_a_line(
            before in ".{4,8}", text in "([0-9]{1,4}\\.){3}[0-9]{1,4}|[0-9.:a/]{7,15}|\\PC{1,16}",
        ) {
            let found = both(&before, &text, " more and more, after it");
            prop_assert_eq!(found, text.parse::<Ipv4Addr>().ok());
        }

        #[test]
        fn every_ipv4_address_is_parsed_within_a_line(address: Ipv4Addr) {
            prop_assert_eq!(both("eni-1 ", &address.to_string(), " 172.31.16.21 20641"), Some(address));
        }
    }
}
