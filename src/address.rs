//! Addresses as bytes of a log, and which of them are public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use wide::{i16x8, i32x4, u8x16};

use crate::buffer::Buffer;
use crate::cpu::Simd;

/// The address that these bytes write, IPv4 or IPv6 without a zone. An IPv4-mapped IPv6 address is its IPv4 one.
pub fn parse(text: &[u8]) -> Option<IpAddr> {
    match parse_v4(text) {
        Some(v4) => Some(IpAddr::V4(v4)),
        None => parse_v6(text),
    }
}

/// The IPv4 address that stands there in a text, if it is one; else it is to be parsed by itself. Up to four times a record,
/// so all four numbers are read without a branch on their lengths.
#[inline(always)]
pub fn parse_v4_in<S: Simd>(simd: S, text: &Buffer, start: u32, end: u32) -> Option<Ipv4Addr> {
    if S::SHUFFLES { parse_v4_shuffled(simd, text, start, end) } else { parse_v4_in_words(text, start, end) }
}

/// Where the digits of an address are, by where its numbers end.
struct V4Layout {
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
const V4_LAYOUTS: usize = 3 * 3 * 3 * 3;

/// The layouts, and by the bits of the places at which the four numbers end: which one it is, from 1.
static V4: ([V4Layout; V4_LAYOUTS], [u8; 1 << 16]) = {
    let mut layouts = [const { V4Layout { upper: [NO_DIGIT; 16], ones: [NO_DIGIT; 16], least: [0; 4] } }; V4_LAYOUTS];
    let mut by_ends = [0; 1 << 16];
    let mut number = 0;
    while number < V4_LAYOUTS {
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
fn parse_v4_shuffled(simd: impl Simd, text: &Buffer, start: u32, end: u32) -> Option<Ipv4Addr> {
    let length = end.wrapping_sub(start);
    if !(7..=15).contains(&length) {
        return None;
    }
    let window = text.word(start);
    let ends = dots(window) & ((1 << length) - 1) | 1 << length;
    let (layouts, by_ends) = &V4;
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
    let in_order = u8x16::new([12, 8, 4, 0, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 128]);
    let [bits, ..]: [u32; 4] = bytemuck::cast(simd.shuffle(bytemuck::cast(octets), in_order));
    Some(Ipv4Addr::from_bits(bits))
}

/// Two numbers a word.
#[inline(always)]
fn parse_v4_in_words(text: &Buffer, start: u32, end: u32) -> Option<Ipv4Addr> {
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
fn parse_v4(text: &[u8]) -> Option<Ipv4Addr> {
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

/// As `Ipv6Addr::from_str` takes them, which looks for an IPv4 address in every group: six times as long. What is not written
/// as AWS writes it is left to that.
fn parse_v6(text: &[u8]) -> Option<IpAddr> {
    parse_usual_v6(text).or_else(|| standard_v6(text))
}

/// Bytes before the text, so that the four up to the end of its first group can be read.
const BEFORE_V6: usize = 4;
/// Eight groups of four digits, and seven colons.
const LONGEST_V6: usize = 8 * 4 + 7;

/// Groups of one to four digits, eight or with a gap between two: all digits at once, then each group in one word.
fn parse_usual_v6(text: &[u8]) -> Option<IpAddr> {
    if text.len() > LONGEST_V6 {
        return None;
    }
    let mut padded = [0; 3 * 16];
    padded[BEFORE_V6..BEFORE_V6 + text.len()].copy_from_slice(text);
    let (mut colons, mut digits) = (0_u64, 0_u64);
    let (sixteens, _) = padded.as_chunks_mut::<16>();
    for sixteen in sixteens.iter_mut().rev() {
        let bytes = u8x16::new(*sixteen);
        let (decimal, letter) = (bytes - u8x16::splat(b'0'), (bytes | u8x16::splat(0x20)) - u8x16::splat(b'a'));
        let is_decimal = decimal.min(u8x16::splat(9)).simd_eq(decimal);
        let is_letter = letter.min(u8x16::splat(5)).simd_eq(letter);
        colons = colons << 16 | u64::from(bytes.simd_eq(u8x16::splat(b':')).to_bitmask());
        digits = digits << 16 | u64::from((is_decimal | is_letter).to_bitmask());
        *sixteen = (is_decimal & decimal | is_letter & (letter + u8x16::splat(10))).to_array();
    }
    let (mut start, end) = (BEFORE_V6, BEFORE_V6 + text.len());
    let own = (1 << end) - (1 << start);
    if (colons | digits) & own != own {
        return None;
    }
    let mut ends = colons & own | 1 << end;
    let (mut groups, mut count, mut gap) = ([0_u16; 8], 0, None);
    while ends != 0 {
        let end = ends.trailing_zeros() as usize;
        match end - start {
            length @ 1..=4 => {
                let word = u32::from_le_bytes(*padded[end - 4..].first_chunk()?) & u32::MAX << (32 - 8 * length);
                let pairs = (word << 4 | word >> 8) & 0x00ff_00ff;
                *groups.get_mut(count)? = ((pairs & 0xff) << 8 | pairs >> 16) as u16;
                count += 1;
            }
            0 if gap.is_none() && count > 0 && end < BEFORE_V6 + text.len() => gap = Some(count),
            _ => return None,
        }
        ends &= ends - 1;
        start = end + 1;
    }
    match gap {
        None if count == 8 => {}
        Some(gap) if count < 8 => groups[gap..].rotate_right(8 - count),
        _ => return None,
    }
    Some(unmapped(Ipv6Addr::from(groups)))
}

fn standard_v6(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok().map(unmapped)
}

fn unmapped(v6: Ipv6Addr) -> IpAddr {
    v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: u16, second: u16, last: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, last), prefix)
}

/// Blocks that IANA's special-purpose registries keep from the public internet.
const NOT_PUBLIC_V4: [Ipv4Net; 14] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// The same for IPv6.
const NOT_PUBLIC_V6: [Ipv6Net; 8] = [
    v6(0, 0, 0, 128),
    v6(0, 0, 1, 128),
    v6(0x100, 0, 0, 64),
    v6(0x2001, 0xdb8, 0, 32),
    v6(0x3fff, 0, 0, 20),
    v6(0xfc00, 0, 0, 7),
    v6(0xfe80, 0, 0, 10),
    v6(0xff00, 0, 0, 8),
];

/// Whether an address that is in no known VPC is one of the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !NOT_PUBLIC_V4.iter().any(|block| block.contains(&v4)),
        IpAddr::V6(v6) => !NOT_PUBLIC_V6.iter().any(|block| block.contains(&v6)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cpu::Plain;

    fn public(text: &str) -> bool {
        is_public(parse(text.as_bytes()).expect("an address"))
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        assert_eq!(parse(b"::ffff:10.0.0.1"), Some(IpAddr::from([10, 0, 0, 1])));
        assert_eq!(parse(b"::ffff:0a00:0001"), Some(IpAddr::from([10, 0, 0, 1])));
        assert_eq!(parse(b"::10.0.0.1"), Some("::a00:1".parse().expect("an address")));
    }

    #[test]
    fn what_is_no_address() {
        for text in [
            "",
            "-",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "01.2.3.4",
            "1.2.3.04",
            "1..2.3",
            ".1.2.3",
            "1.2.3.",
            "1.2.3.4 ",
            "+1.2.3.4",
            "fe80::1%eth0",
            "fe80::1%1",
            "1::2::3",
            "12345::",
            "::ffff:1.2.3.256",
            "0x1.2.3.4",
            "2001:db8",
            "999.999.999.999",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"1.2.3.\xff"), None);
        assert_eq!(parse(b"2001:db8::\xff"), None);
    }

    #[test]
    fn blocks_end_where_they_end() {
        for (inside, outside) in [
            ("0.255.255.255", "1.0.0.0"),
            ("10.255.255.255", "11.0.0.0"),
            ("100.64.0.0", "100.63.255.255"),
            ("100.127.255.255", "100.128.0.0"),
            ("127.0.0.1", "128.0.0.0"),
            ("169.254.169.254", "169.255.0.0"),
            ("172.31.255.255", "172.32.0.0"),
            ("192.0.0.255", "192.0.1.0"),
            ("192.0.2.255", "192.0.3.0"),
            ("192.168.0.0", "192.167.255.255"),
            ("198.19.255.255", "198.20.0.0"),
            ("198.51.100.0", "198.51.101.0"),
            ("203.0.113.12", "203.0.114.0"),
            ("224.0.0.1", "223.255.255.255"),
            ("255.255.255.255", "8.8.8.8"),
            ("::", "::2"),
            ("::1", "::3"),
            ("100::ffff", "100:0:0:1::"),
            ("2001:db8:ffff::", "2001:db9::"),
            ("3fff:fff::", "3fff:1000::"),
            ("fdff::1", "fe00::1"),
            ("febf::1", "fec0::1"),
            ("ff02::1", "2600::1"),
        ] {
            assert!(!public(inside), "{inside}");
            assert!(public(outside), "{outside}");
        }
    }

    fn parse_in(before: &str, text: &str, behind: &str) -> Option<Ipv4Addr> {
        let mut buffer = Buffer::default();
        let line = [before, text, behind].concat();
        buffer.bytes[..line.len()].copy_from_slice(line.as_bytes());
        let (start, end) = (before.len() as u32, (before.len() + text.len()) as u32);
        let found = parse_v4_in_words(&buffer, start, end);
        // Without an instruction for it shuffling is slow, and gives the same.
        assert_eq!(parse_v4_shuffled(Plain, &buffer, start, end), found, "{text}");
        found
    }

    proptest! {
        #[test]
        fn within_a_line_ipv4_is_the_same_and_all_else_is_left(
            before in ".{4,8}", text in "([0-9]{1,4}\\.){3}[0-9]{1,4}|[0-9.:a/]{7,15}|\\PC{1,16}",
        ) {
            let found = parse_in(&before, &text, " more and more, behind it");
            prop_assert_eq!(found, text.parse::<Ipv4Addr>().ok());
        }

        #[test]
        fn within_a_line_every_ipv4_address_is_found(address: Ipv4Addr) {
            prop_assert_eq!(parse_in("eni-1 ", &address.to_string(), " 172.31.16.21 20641"), Some(address));
        }

        #[test]
        fn agrees_with_the_standard_library(text in "[0-9a-f.:]{0,20}|([0-9]{1,3}\\.){3}[0-9]{1,3}|[0-9a-fA-F]{0,5}(::?[0-9a-f]{0,5}){0,9}") {
            let standard = text.parse::<IpAddr>().ok().map(|address| match address {
                IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
                IpAddr::V4(_) => address,
            });
            prop_assert_eq!(parse(text.as_bytes()), standard);
        }

        #[test]
        fn reads_what_is_shown(address: IpAddr) {
            let canonical = parse(address.to_string().as_bytes());
            let expected = match address {
                IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
                IpAddr::V4(_) => address,
            };
            prop_assert_eq!(canonical, Some(expected));
        }
    }
}
