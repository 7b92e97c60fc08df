//! Parses the destination with its port, and the protocol.

use std::net::Ipv6Addr;
use std::num::NonZero;
use std::str::FromStr;

use ipnet::IpNet;

use crate::record::{ICMP, ICMPV6, TCP, UDP, ip};

/// The destination of a question, as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Destination {
    /// The end, without the port.
    pub(in crate::cli) end: String,
    /// The port.
    pub(in crate::cli) port: Option<u16>,
}

impl FromStr for Destination {
    type Err = String;

    /// Parses `10.2.1.5:443`, `[2600::5]:443`, `web:443`, or an end without a port. A bare IPv6 address has no port.
    fn from_str(text: &str) -> Result<Destination, String> {
        let without_port = |end: &str| Destination { end: end.to_owned(), port: None };
        let is_address = |end: &str| ip::parse(end.as_bytes()).is_some() || is_block(end);
        if ip::parse(text.as_bytes()).is_some() {
            return Ok(without_port(text));
        }
        if let Some(rest) = text.strip_prefix('[') {
            let (address, rest) = rest.split_once(']').ok_or("a [ needs a ]: [2600::5]:443")?;
            return match rest.strip_prefix(':') {
                Some(port) => Ok(Destination { end: address.to_owned(), port: Some(parse_port(port)?) }),
                None if rest.is_empty() => Ok(without_port(address)),
                None => Err("after ] comes :PORT or nothing".to_owned()),
            };
        }
        match text.rsplit_once(':') {
            // A name may have a colon.
            Some((end, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                let port = parse_port(port)?;
                if is_block(end) {
                    Err(ONE_ADDRESS.to_owned())
                } else {
                    Ok(Destination { end: end.to_owned(), port: Some(port) })
                }
            }
            Some((end, _)) if is_address(end) => Err(PORT_RANGE.to_owned()),
            _ if is_block(text) => Err(ONE_ADDRESS.to_owned()),
            _ => Ok(without_port(text)),
        }
    }
}

const ONE_ADDRESS: &str = "a block has many addresses: give one of them";
const PORT_RANGE: &str = "the port must be a number from 1 to 65535";

fn is_block(text: &str) -> bool {
    text.contains('/') && text.parse::<IpNet>().is_ok()
}

/// Returns the error about a source that is no end.
pub(super) fn wrong_source(source: &str) -> Option<&'static str> {
    let has_port = |(end, _): (&str, &str)| ip::parse(end.as_bytes()).is_some();
    if is_block(source) {
        Some(ONE_ADDRESS)
    } else if ip::parse(source.as_bytes()).is_none() && source.rsplit_once(':').is_some_and(has_port) {
        Some("the source has no port: give that of the destination")
    } else {
        None
    }
}

/// Returns a source as given or, if it is an IPv6 address in brackets, the address.
pub(super) fn without_brackets(source: &str) -> &str {
    let inner = source.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.filter(|inner| inner.parse::<Ipv6Addr>().is_ok()).unwrap_or(source)
}

fn parse_port(text: &str) -> Result<u16, String> {
    text.parse::<NonZero<u16>>().map(NonZero::get).map_err(|_| PORT_RANGE.to_owned())
}

/// A protocol, as given: ICMP has another number for IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum ProtocolName {
    /// ICMP of the family of the addresses.
    Icmp,
    /// This number.
    Number(u8),
}

impl FromStr for ProtocolName {
    type Err = String;

    fn from_str(text: &str) -> Result<ProtocolName, String> {
        match text.to_ascii_lowercase().as_str() {
            "tcp" => Ok(ProtocolName::Number(TCP)),
            "udp" => Ok(ProtocolName::Number(UDP)),
            "icmp" => Ok(ProtocolName::Icmp),
            number => number
                .parse()
                .map(ProtocolName::Number)
                .map_err(|_| "must be tcp, udp, icmp, or a protocol number from 0 to 255".to_owned()),
        }
    }
}

impl ProtocolName {
    /// Returns the protocol number.
    pub(super) fn number(self, is_ipv6: bool) -> u8 {
        match self {
            ProtocolName::Number(number) => number,
            ProtocolName::Icmp if is_ipv6 => ICMPV6,
            ProtocolName::Icmp => ICMP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destination_has_an_optional_port() {
        for (text, end, port) in [
            ("10.2.1.5", "10.2.1.5", None),
            ("10.2.1.5:443", "10.2.1.5", Some(443)),
            ("2600::5", "2600::5", None),
            ("2600::5:443", "2600::5:443", None),
            ("[2600::5]:443", "2600::5", Some(443)),
            ("[2600::5]", "2600::5", None),
            ("web-1:65535", "web-1", Some(65_535)),
            ("a:b", "a:b", None),
            ("a:b:80", "a:b", Some(80)),
            ("web:", "web:", None),
            ("internet:443", "internet", Some(443)),
        ] {
            assert_eq!(text.parse(), Ok(Destination { end: end.to_owned(), port }), "{text}");
        }
        for text in ["web:0", "web:65536", "[2600::5", "[2600::5]443", "[2600::5]:", "10.2.1.5:99999999999999999999"] {
            assert!(text.parse::<Destination>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_wrong_port_and_a_block_are_explained() {
        for text in ["10.1.1.36:https", "10.0.1.23:", "10.2.0.0/16:https", "2600::5:https", "web:0"] {
            assert_eq!(text.parse::<Destination>(), Err(PORT_RANGE.to_owned()), "{text}");
        }
        for text in ["10.2.0.0/16", "10.2.0.0/16:443", "2600::/64"] {
            assert_eq!(text.parse::<Destination>(), Err(ONE_ADDRESS.to_owned()), "{text}");
        }
        assert_eq!(wrong_source("10.2.0.0/16"), Some(ONE_ADDRESS));
        assert!(wrong_source("10.2.0.1:80").is_some_and(|reason| reason.starts_with("the source has no port")));
        for text in ["10.2.0.1", "2600::5", "web:80", "web/1", "eni-1"] {
            assert_eq!(wrong_source(text), None, "{text}");
        }
    }

    #[test]
    fn a_source_may_have_brackets() {
        for (text, expected) in [
            ("[2600::5]", "2600::5"),
            ("2600::5", "2600::5"),
            ("[web]", "[web]"),
            ("[10.1.1.5]", "[10.1.1.5]"),
            ("[]", "[]"),
        ] {
            assert_eq!(without_brackets(text), expected);
        }
    }

    #[test]
    fn icmp_has_the_number_of_its_family() {
        let number = |text: &str, is_ipv6| text.parse::<ProtocolName>().map(|name| name.number(is_ipv6));
        assert_eq!([number("icmp", false), number("ICMP", true)], [Ok(1), Ok(58)]);
        assert_eq!([number("tcp", true), number("17", false), number("132", false)], [Ok(6), Ok(17), Ok(132)]);
        assert!(number("256", false).is_err() && number("sctp", false).is_err());
    }
}
