//! Parses the destination with its port, and the protocol.

use std::net::Ipv6Addr;
use std::num::NonZero;
use std::str::FromStr;

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
                Ok(Destination { end: end.to_owned(), port: Some(parse_port(port)?) })
            }
            _ => Ok(without_port(text)),
        }
    }
}

/// Returns a source as given or, if it is an IPv6 address in brackets, the address.
pub(super) fn without_brackets(source: &str) -> &str {
    let inner = source.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.filter(|inner| inner.parse::<Ipv6Addr>().is_ok()).unwrap_or(source)
}

fn parse_port(text: &str) -> Result<u16, String> {
    text.parse::<NonZero<u16>>().map(NonZero::get).map_err(|_| "the port must be 1 to 65535".to_owned())
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
