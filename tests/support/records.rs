//! Flow records for tests: built as values, written as the log text of several formats.

use std::net::SocketAddr;

/// 2026-11-23T06:00:00Z, the start of the first record.
pub const START: u64 = 1_795_413_600;

/// The columns of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// The default format.
    Version2,
    /// With VPC, subnet, flags, direction, and path.
    Version5,
    /// Version 5 without the VPC and the subnet.
    WithoutVpc,
}

impl Columns {
    /// Returns whether the format has `tcp-flags`, `flow-direction`, and `traffic-path`.
    pub fn has_flags(self) -> bool {
        self != Columns::Version2
    }

    fn header(self) -> &'static str {
        match self {
            Columns::Version2 => {
                "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
                 log-status"
            }
            Columns::Version5 => {
                "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
                 log-status tcp-flags flow-direction traffic-path vpc-id subnet-id"
            }
            Columns::WithoutVpc => {
                "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
                 log-status tcp-flags flow-direction traffic-path"
            }
        }
    }
}

/// A flow record. The fields that are not set by [`Record::new`] are absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub interface: String,
    pub src: SocketAddr,
    pub dst: SocketAddr,
    pub protocol: u8,
    pub action: &'static str,
    pub flags: Option<u8>,
    pub direction: Option<&'static str>,
    pub path: Option<u8>,
    pub vpc: Option<String>,
    pub subnet: Option<String>,
    pub start: u64,
}

impl Record {
    /// Creates an accepted TCP record. The ends are addresses with ports, such as `10.0.0.1:22` or `[fd00::1]:22`.
    pub fn new(interface: &str, src: &str, dst: &str) -> Record {
        let end = |text: &str| text.parse().expect("an address and a port");
        Record {
            interface: interface.to_owned(),
            src: end(src),
            dst: end(dst),
            protocol: 6,
            action: "ACCEPT",
            flags: None,
            direction: None,
            path: None,
            vpc: None,
            subnet: None,
            start: START,
        }
    }

    /// Formats the record as a line of three packets of 60 bytes.
    fn line(&self, columns: Columns) -> String {
        let Record { interface, src, dst, protocol, action, start, .. } = self;
        let version = if columns == Columns::Version2 { 2 } else { 5 };
        let (srcport, dstport, end) = (src.port(), dst.port(), start + 60);
        let (src, dst) = (src.ip(), dst.ip());
        let mut line = format!(
            "{version} 123456789012 {interface} {src} {dst} {srcport} {dstport} {protocol} 3 180 {start} {end} {action} OK"
        );
        let or_absent = |number: Option<u8>| number.map_or("-".to_owned(), |number| number.to_string());
        if columns.has_flags() {
            let direction = self.direction.unwrap_or("-");
            line += &format!(" {} {direction} {}", or_absent(self.flags), or_absent(self.path));
        }
        if columns == Columns::Version5 {
            let text = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
            line += &format!(" {} {}", text(&self.vpc), text(&self.subnet));
        }
        line + "\n"
    }
}

/// Formats a log of these records, below a header.
pub fn log<'a>(columns: Columns, records: impl IntoIterator<Item = &'a Record>) -> Vec<u8> {
    let lines: String = records.into_iter().map(|record| record.line(columns)).collect();
    format!("{}\n{lines}", columns.header()).into_bytes()
}
