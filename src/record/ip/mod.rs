//! Parses IP addresses, and classifies public ones.

mod v4;
mod v6;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub use self::v4::parse_at as parse_v4_in;

/// Parses an IPv4 address, or an IPv6 address without a zone. Returns an IPv4-mapped IPv6 address as IPv4.
pub fn parse(text: &[u8]) -> Option<IpAddr> {
    match v4::parse(text) {
        Some(v4) => Some(IpAddr::V4(v4)),
        None => v6::parse(text),
    }
}

const fn net_v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn net_v6(first: u16, second: u16, last: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, last), prefix)
}

/// IPv4 blocks of IANA's special-purpose registry that are not globally reachable.
const SPECIAL_PURPOSE_V4: [Ipv4Net; 14] = [
    net_v4(0, 0, 0, 0, 8),
    net_v4(10, 0, 0, 0, 8),
    net_v4(100, 64, 0, 0, 10),
    net_v4(127, 0, 0, 0, 8),
    net_v4(169, 254, 0, 0, 16),
    net_v4(172, 16, 0, 0, 12),
    net_v4(192, 0, 0, 0, 24),
    net_v4(192, 0, 2, 0, 24),
    net_v4(192, 168, 0, 0, 16),
    net_v4(198, 18, 0, 0, 15),
    net_v4(198, 51, 100, 0, 24),
    net_v4(203, 0, 113, 0, 24),
    net_v4(224, 0, 0, 0, 4),
    net_v4(240, 0, 0, 0, 4),
];

/// IPv6 blocks that are not globally reachable.
const SPECIAL_PURPOSE_V6: [Ipv6Net; 8] = [
    net_v6(0, 0, 0, 128),
    net_v6(0, 0, 1, 128),
    net_v6(0x100, 0, 0, 64),
    net_v6(0x2001, 0xdb8, 0, 32),
    net_v6(0x3fff, 0, 0, 20),
    net_v6(0xfc00, 0, 0, 7),
    net_v6(0xfe80, 0, 0, 10),
    net_v6(0xff00, 0, 0, 8),
];

/// Returns whether an address is public. The caller has ruled out addresses of known VPCs.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !SPECIAL_PURPOSE_V4.iter().any(|block| block.contains(&v4)),
        IpAddr::V6(v6) => !SPECIAL_PURPOSE_V6.iter().any(|block| block.contains(&v6)),
    }
}

/// Returns the blocks whose addresses are not public.
pub fn special_purpose_blocks() -> impl Iterator<Item = IpNet> {
    let v4 = SPECIAL_PURPOSE_V4.into_iter().map(IpNet::V4);
    v4.chain(SPECIAL_PURPOSE_V6.into_iter().map(IpNet::V6))
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
    fn other_text_is_not_an_address() {
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
            "1:2:3:4::5:6:7:8",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
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
    fn special_purpose_blocks_have_exact_bounds() {
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
        fn agrees_with_the_standard_library(text in "[0-9a-f.:]{0,20}|([0-9]{1,3}\\.){3}[0-9]{1,3}|[0-9a-fA-F]{0,5}(::?[0-9a-f]{0,5}){0,9}") {
            let standard = text.parse::<IpAddr>().ok().map(|address| match address {
                IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
                IpAddr::V4(_) => address,
            });
            prop_assert_eq!(parse(text.as_bytes()), standard);
        }

        #[test]
        fn parses_what_display_writes(address: IpAddr) {
            let canonical = parse(address.to_string().as_bytes());
            let expected = match address {
                IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
                IpAddr::V4(_) => address,
            };
            prop_assert_eq!(canonical, Some(expected));
        }
    }
}
