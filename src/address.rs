//! Addresses as bytes of a log, and which of them are public.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use wide::u8x16;

/// The address that these bytes write, IPv4 or IPv6 without a zone. An IPv4-mapped IPv6 address is its IPv4 one.
pub fn parse(text: &[u8]) -> Option<IpAddr> {
    match parse_v4(text) {
        Some(v4) => Some(IpAddr::V4(v4)),
        None => parse_v6(text),
    }
}

/// So many bytes that end with an address let each of its four numbers be read with the byte before it.
const WINDOW_BYTES: usize = 18;

/// The IPv4 address that stands in these bytes of a line, if it is one and eighteen bytes end with it; else it is to be
/// parsed by itself. Up to four times a record, so all four numbers are read without a branch on their lengths.
pub fn parse_v4_in(line: &[u8], start: usize, end: usize) -> Option<IpAddr> {
    let length = end - start;
    if !(7..=15).contains(&length) {
        return None;
    }
    let window: &[u8; WINDOW_BYTES] = line.get(end.checked_sub(WINDOW_BYTES)?..end)?.try_into().ok()?;
    let (_, last_sixteen) = window.split_last_chunk::<16>()?;
    let first = dots(last_sixteen) >> (16 - length);
    let second = first & first.wrapping_sub(1);
    let third = second & second.wrapping_sub(1);
    if third == 0 || third & (third - 1) != 0 {
        return None;
    }
    let ends = [first, second, third].map(|dots| dots.trailing_zeros() as usize);
    let lengths = [ends[0], ends[1] - ends[0] - 1, ends[2] - ends[1] - 1, length - ends[2] - 1];
    if lengths.iter().any(|length| !(1..=3).contains(length)) {
        return None;
    }
    let before = WINDOW_BYTES - length;
    let octets = [
        octet(window, before + ends[0], lengths[0])?,
        octet(window, before + ends[1], lengths[1])?,
        octet(window, before + ends[2], lengths[2])?,
        octet(window, WINDOW_BYTES, lengths[3])?,
    ];
    Some(IpAddr::V4(Ipv4Addr::from(octets)))
}

/// The number of one to three digits that ends there, if it is one of 0 to 255 without leading zeros.
fn octet(window: &[u8; WINDOW_BYTES], end: usize, length: usize) -> Option<u8> {
    /// The least number of so many digits, a digit a byte.
    const LEAST: [u32; 4] = [0, 0, 0x00_01_00, 0x01_00_00];
    const MOST: u32 = 0x02_05_05;
    const ZEROS: u32 = 0x3030_3030;
    let four = u32::from_be_bytes(window.get(end.checked_sub(4)?..end)?.try_into().ok()?);
    // What stands before the number makes way for zeros.
    let own = u32::MAX >> (32 - 8 * length);
    let digits = ((four & own) | (ZEROS & !own)) ^ ZEROS;
    let no_digit = (digits | digits.wrapping_add(0x0606_0606)) & 0xf0f0_f0f0;
    if no_digit != 0 || digits < LEAST[length & 3] || digits > MOST {
        return None;
    }
    let [_, hundreds, tens, ones] = digits.to_be_bytes();
    Some(100 * hundreds + 10 * tens + ones)
}

/// A bit for each byte that is a dot, the first byte's lowest.
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

fn parse_v6(text: &[u8]) -> Option<IpAddr> {
    if !text.contains(&b':') {
        return None;
    }
    let v6: Ipv6Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4))
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

    proptest! {
        #[test]
        fn within_a_line_ipv4_is_the_same_and_all_else_is_left(
            before in ".{18,22}", text in "([0-9]{1,4}\\.){3}[0-9]{1,4}|[0-9.:a/]{7,15}|\\PC{1,16}",
        ) {
            let line = format!("{before}{text} more");
            let found = parse_v4_in(line.as_bytes(), before.len(), before.len() + text.len());
            prop_assert_eq!(found, text.parse::<Ipv4Addr>().ok().map(IpAddr::V4));
        }

        #[test]
        fn within_a_line_every_ipv4_address_is_found(address: Ipv4Addr) {
            let line = format!("2 123456789012 eni-1 {address} x");
            prop_assert_eq!(parse_v4_in(line.as_bytes(), 21, line.len() - 2), Some(IpAddr::V4(address)));
        }

        #[test]
        fn agrees_with_the_standard_library(text in "[0-9a-f.:]{0,20}|([0-9]{1,3}\\.){3}[0-9]{1,3}") {
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
