//! Formats records as lines: the table of columns and how to write each.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use super::network::{ACCOUNT_ID, Interface, REGION, VPCS};
use super::record::{Action, Content, Damage, Direction, Flow, Record};

/// Output format of the log.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Format {
    /// The default format: the 14 fields of version 2.
    Default,
    /// A custom format of all 29 fields of versions 2 to 5.
    Wide,
}

enum Value<'a> {
    Text(&'a str),
    Number(u64),
    Address(IpAddr),
    Absent,
}
use Value::{Absent, Address, Number, Text};

/// How to get the value of a column.
enum Column {
    /// In every record.
    Always(for<'a> fn(&'a Line<'a>) -> Value<'a>),
    /// Absent without a flow, in NODATA and SKIPDATA records.
    OfFlow(fn(&Flow) -> Value<'_>),
    /// Also absent without a flow.
    OfInterface(fn(&Interface) -> Value<'_>),
}
use Column::{Always, OfFlow, OfInterface};

/// All fields of versions 2 to 5 in AWS's order. The first [`DEFAULT_COLUMNS`] are the default format.
const COLUMNS: [(&str, Column); 29] = [
    ("version", Always(|line| Number(line.version))),
    ("account-id", Always(|_| Text(ACCOUNT_ID))),
    ("interface-id", Always(|line| Text(&line.interface.id))),
    ("srcaddr", OfFlow(|flow| Address(flow.src.address))),
    ("dstaddr", OfFlow(|flow| Address(flow.dst.address))),
    ("srcport", OfFlow(|flow| Number(flow.src.port.into()))),
    ("dstport", OfFlow(|flow| Number(flow.dst.port.into()))),
    ("protocol", OfFlow(|flow| Number(flow.protocol.into()))),
    ("packets", OfFlow(|flow| Number(flow.packets.into()))),
    ("bytes", OfFlow(|flow| Number(flow.bytes))),
    ("start", Always(|line| Number(line.record.capture_window.start))),
    ("end", Always(|line| Number(line.record.capture_window.end))),
    ("action", OfFlow(|flow| Text(action(flow)))),
    ("log-status", Always(|line| Text(log_status(line.record)))),
    ("vpc-id", OfInterface(|interface| Text(VPCS[interface.vpc].id))),
    ("subnet-id", OfInterface(|interface| Text(&interface.subnet_id))),
    ("instance-id", OfInterface(|interface| text_or_absent(interface.instance_id.as_deref()))),
    ("tcp-flags", OfFlow(|flow| Number(flow.tcp_flags.into()))),
    ("type", OfFlow(|flow| Text(address_type(flow)))),
    ("pkt-srcaddr", OfFlow(|flow| Address(flow.src.packet_address))),
    ("pkt-dstaddr", OfFlow(|flow| Address(flow.dst.packet_address))),
    ("region", OfFlow(|_| Text(REGION))),
    ("az-id", OfInterface(|interface| Text(interface.az_id))),
    ("sublocation-type", Always(|_| Absent)),
    ("sublocation-id", Always(|_| Absent)),
    ("pkt-src-aws-service", OfFlow(|flow| text_or_absent(flow.src.aws_service))),
    ("pkt-dst-aws-service", OfFlow(|flow| text_or_absent(flow.dst.aws_service))),
    ("flow-direction", OfFlow(|flow| Text(direction(flow)))),
    ("traffic-path", OfFlow(traffic_path)),
];
const DEFAULT_COLUMNS: usize = 14;

struct Line<'a> {
    version: u64,
    record: &'a Record,
    interface: &'a Interface,
}

impl Format {
    fn columns(self) -> &'static [(&'static str, Column)] {
        match self {
            Self::Default => &COLUMNS[..DEFAULT_COLUMNS],
            Self::Wide => &COLUMNS,
        }
    }

    fn version(self) -> u64 {
        match self {
            Self::Default => 2,
            Self::Wide => 5,
        }
    }

    /// Returns the header line, including its line end.
    pub fn header(self) -> String {
        let names: Vec<_> = self.columns().iter().map(|(name, _)| *name).collect();
        names.join(" ") + "\n"
    }

    /// Appends the line of a record, including its line end, to `text`.
    pub fn render(self, record: &Record, interface: &Interface, text: &mut Vec<u8>) {
        let line = Line { version: self.version(), record, interface };
        let (flow, damage) = match &record.content {
            Content::Flow(flow) => (Some(flow), None),
            Content::Malformed(damage, flow) => (Some(flow), Some(damaged(*damage))),
            Content::NoData | Content::SkipData => (None, None),
        };
        for (name, column) in self.columns() {
            match damage {
                Some((damaged, None)) if damaged == *name => continue,
                Some((damaged, Some(bytes))) if damaged == *name => text.extend_from_slice(bytes),
                _ => column.value(&line, flow).render(text),
            }
            text.push(b' ');
        }
        text.pop();
        text.push(b'\n');
    }
}

/// Returns the damaged column and its replacement; no replacement means that the column is missing.
fn damaged(damage: Damage) -> (&'static str, Option<&'static [u8]>) {
    match damage {
        Damage::PortTooLarge => ("dstport", Some(b"70000")),
        Damage::MissingColumn => ("dstport", None),
        Damage::NotUtf8 => ("srcaddr", Some(b"\xff\xfe")),
    }
}

impl Column {
    fn value<'a>(&self, line: &'a Line<'a>, flow: Option<&'a Flow>) -> Value<'a> {
        match (self, flow) {
            (Always(value), _) => value(line),
            (OfFlow(value), Some(flow)) => value(flow),
            (OfInterface(value), Some(_)) => value(line.interface),
            (OfFlow(_) | OfInterface(_), None) => Absent,
        }
    }
}

fn text_or_absent(text: Option<&str>) -> Value<'_> {
    text.map_or(Absent, Text)
}

fn action(flow: &Flow) -> &'static str {
    match flow.action {
        Action::Accept => "ACCEPT",
        Action::Reject => "REJECT",
    }
}

fn log_status(record: &Record) -> &'static str {
    match record.content {
        Content::Flow(_) | Content::Malformed(..) => "OK",
        Content::NoData => "NODATA",
        Content::SkipData => "SKIPDATA",
    }
}

fn address_type(flow: &Flow) -> &'static str {
    match flow.src.address {
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) => "IPv6",
    }
}

fn direction(flow: &Flow) -> &'static str {
    match flow.direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

fn traffic_path(flow: &Flow) -> Value<'static> {
    flow.traffic_path.map_or(Absent, |code| Number(code.into()))
}

impl Value<'_> {
    fn render(&self, text: &mut Vec<u8>) {
        match *self {
            Text(value) => text.extend_from_slice(value.as_bytes()),
            Number(value) => push_number(value, text),
            Address(IpAddr::V4(value)) => push_ipv4(value, text),
            Address(IpAddr::V6(value)) => {
                write!(text, "{value}").expect("a vector takes every byte");
            }
            Absent => text.push(b'-'),
        }
    }
}

/// Does the same as `write!`, but faster.
fn push_number(mut value: u64, text: &mut Vec<u8>) {
    const MAX_DIGITS: usize = 20;
    let mut digits = [b'0'; MAX_DIGITS];
    let mut first = MAX_DIGITS;
    loop {
        first -= 1;
        digits[first] += (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[first..]);
}

fn push_ipv4(address: Ipv4Addr, text: &mut Vec<u8>) {
    for octet in address.octets() {
        push_number(octet.into(), text);
        text.push(b'.');
    }
    text.pop();
}
