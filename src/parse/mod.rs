//! One line of a flow log, as its columns say: parsed, checked, and put into its class.
//!
//! Nearly every line has one space between columns, and numbers and addresses of the usual lengths: those are read many
//! bytes at a time ([`Parser`]). Whatever is unusual, right or wrong, is read anew the slow way ([`parse`]), which alone
//! says what is malformed.

mod digits;
pub mod usual;

use std::net::IpAddr;
use std::sync::Arc;

use thiserror::Error;

use self::usual::{First, Places, Usual};
use crate::address;
use crate::cpu::{Cpu, Simd, Work};
use crate::field::{Field, Kind};
use crate::format::{self, Format};
use crate::lines::{Columns, Line};
use crate::record::{Action, Direction, Flow, Gap, Record, RejectReason, TcpFlags};
use crate::time::Timestamp;

/// The SYN bit of `tcp-flags`. AWS logs FIN 1, SYN 2, RST 4 and SYN-ACK 18, ORed over the capture window:
/// <https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html>.
const SYN: u64 = 2;

/// Why a line is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The line is longer than [`crate::lines::MAX_LINE_BYTES`].
    #[error("the line is longer than {} bytes", crate::lines::MAX_LINE_BYTES)]
    TooLong,
    /// The columns are not those of the header.
    #[error("the number of columns is {found}, and not {expected} as the format's")]
    ColumnCount {
        /// Columns of the line.
        found: usize,
        /// Columns of the format.
        expected: usize,
    },
    /// A number does not parse, or is too large.
    #[error("{} is not a whole number from 0 to {max}", .field.name())]
    Number {
        /// The field.
        field: Field,
        /// Its greatest value.
        max: u64,
    },
    /// An address does not parse.
    #[error("{} is not an IPv4 or IPv6 address", .field.name())]
    Address {
        /// The field.
        field: Field,
    },
    /// ACCEPT or REJECT, and an address of the format is absent.
    #[error("{} is absent from a record with an action", .field.name())]
    NoAddress {
        /// The field.
        field: Field,
    },
}

/// Parses lines of one format.
#[derive(Debug, Clone)]
pub struct Parser {
    format: Arc<Format>,
    usual: Usual,
    cpu: Cpu,
}

impl Parser {
    /// For lines of this format.
    pub fn new(format: Arc<Format>) -> Parser {
        Parser { usual: Usual::new(&format), format, cpu: Cpu::detect() }
    }

    /// The format.
    pub fn format(&self) -> &Arc<Format> {
        &self.format
    }

    /// Where its columns are.
    pub fn usual(&self) -> &Usual {
        &self.usual
    }

    /// The record that a line is, if nothing about it is unusual; else [`Parser::parse_any`] says what it is.
    pub fn parse<'a>(&self, line: &Line<'a>) -> Option<Record<'a>> {
        self.cpu.run(Parse { usual: &self.usual, columns: line.columns.as_ref()? })
    }

    /// What any line is.
    ///
    /// # Errors
    /// Where the line is malformed, as [`parse`] says.
    pub fn parse_any<'a>(&self, line: &Line<'a>) -> Result<Record<'a>, Malformed> {
        parse(line.bytes, &self.format)
    }
}

/// A line to be parsed.
struct Parse<'p, 'a> {
    usual: &'p Usual,
    columns: &'p Columns<'a>,
}

impl<'a> Work for Parse<'_, 'a> {
    type Output = Option<Record<'a>>;

    #[inline(always)]
    fn run(self, simd: impl Simd) -> Option<Record<'a>> {
        match self.usual {
            Usual::Version2 => parse_by(simd, &First::<14>, self.columns),
            Usual::Version5 => parse_by(simd, &First::<29>, self.columns),
            Usual::Other(layout) => parse_by(simd, &**layout, self.columns),
        }
    }
}

#[inline(always)]
fn parse_by<'a>(simd: impl Simd, places: &impl Places, columns: &Columns<'a>) -> Option<Record<'a>> {
    let flow = usual::flow(simd, places, columns).map(Record::Flow);
    flow.or_else(|| usual::record(simd, places, columns))
}

/// Parses any line by its format, one byte after another: what is malformed is decided here.
///
/// # Errors
/// Where the line is malformed: the number of columns first, then the first value that does not parse.
#[cold]
pub fn parse<'a>(line: &'a [u8], format: &Format) -> Result<Record<'a>, Malformed> {
    let mut values = Values::default();
    let mut columns = format.columns().iter();
    let mut first_bad = None;
    let mut found = 0;
    for token in format::tokens(line) {
        found += 1;
        if let Some(field) = columns.next().and_then(|column| column.field())
            && token != b"-"
            && let Err(bad) = values.set(field, token)
        {
            first_bad.get_or_insert(bad);
        }
    }
    let expected = format.columns().len();
    if found != expected {
        return Err(Malformed::ColumnCount { found, expected });
    }
    match first_bad {
        Some(bad) => Err(bad),
        None => values.classify(|field| format.has(field)),
    }
}

/// The values of a line that the analysis reads, each at the place of its field; what it does not read is put where
/// nothing looks.
struct Values<'a> {
    numbers: [u64; NUMBERS + 1],
    /// A bit for each number that is present.
    present: u32,
    addresses: [Option<IpAddr>; ADDRESSES + 1],
    texts: [&'a [u8]; TEXTS + 1],
}

/// How many the analysis reads. One place more is for those that it does not read.
const NUMBERS: usize = 9;
const ADDRESSES: usize = 4;
const TEXTS: usize = 7;

impl Default for Values<'_> {
    fn default() -> Self {
        Values { numbers: [0; NUMBERS + 1], present: 0, addresses: [None; ADDRESSES + 1], texts: [b""; TEXTS + 1] }
    }
}

const fn number_place(field: Field) -> usize {
    match field {
        Field::Srcport => 0,
        Field::Dstport => 1,
        Field::Protocol => 2,
        Field::Packets => 3,
        Field::Bytes => 4,
        Field::Start => 5,
        Field::End => 6,
        Field::TcpFlags => 7,
        Field::TrafficPath => 8,
        _ => NUMBERS,
    }
}

const fn address_place(field: Field) -> usize {
    match field {
        Field::Srcaddr => 0,
        Field::Dstaddr => 1,
        Field::PktSrcaddr => 2,
        Field::PktDstaddr => 3,
        _ => ADDRESSES,
    }
}

const fn text_place(field: Field) -> usize {
    match field {
        Field::InterfaceId => 0,
        Field::VpcId => 1,
        Field::SubnetId => 2,
        Field::Action => 3,
        Field::LogStatus => 4,
        Field::FlowDirection => 5,
        Field::RejectReason => 6,
        _ => TEXTS,
    }
}

impl<'a> Values<'a> {
    /// With the first numbers, all present.
    #[inline(always)]
    fn with_numbers<const COUNT: usize>(numbers: [u64; COUNT]) -> Values<'a> {
        let mut values = Values { present: (1 << COUNT) - 1, ..Values::default() };
        values.numbers[..COUNT].copy_from_slice(&numbers);
        values
    }

    fn set(&mut self, field: Field, token: &'a [u8]) -> Result<(), Malformed> {
        match field.kind() {
            Kind::Integer(max) => {
                let value = number(token).filter(|value| *value <= max);
                self.set_number(field, value.ok_or(Malformed::Number { field, max })?);
            }
            Kind::Address => self.set_address(field, address::parse(token).ok_or(Malformed::Address { field })?),
            Kind::Text => self.set_text(field, token),
        }
        Ok(())
    }

    #[inline(always)]
    fn set_number(&mut self, field: Field, value: u64) {
        let place = number_place(field);
        self.numbers[place] = value;
        self.present |= 1 << place;
    }

    #[inline(always)]
    fn set_address(&mut self, field: Field, address: IpAddr) {
        self.addresses[address_place(field)] = Some(address);
    }

    #[inline(always)]
    fn set_text(&mut self, field: Field, token: &'a [u8]) {
        self.texts[text_place(field)] = token;
    }

    /// A number, if it is present.
    #[inline(always)]
    fn number(&self, field: Field) -> Option<u64> {
        let place = number_place(field);
        (self.present & 1 << place != 0).then_some(self.numbers[place])
    }

    #[inline(always)]
    fn address(&self, field: Field) -> Option<IpAddr> {
        self.addresses[address_place(field)]
    }

    /// A text; an absent one is empty.
    #[inline(always)]
    fn text(&self, field: Field) -> &'a [u8] {
        self.texts[text_place(field)]
    }

    #[inline(always)]
    fn named(&self, field: Field) -> Option<&'a [u8]> {
        Some(self.text(field)).filter(|text| !text.is_empty())
    }

    #[inline(always)]
    fn time(&self, field: Field) -> Option<Timestamp> {
        self.number(field).and_then(Timestamp::from_seconds)
    }

    #[inline(always)]
    fn action(&self) -> Option<Action> {
        // Compared one by one, as whole words: a `match` would go byte by byte.
        let action = self.text(Field::Action);
        if action == b"ACCEPT" {
            Some(Action::Accept)
        } else if action == b"REJECT" {
            Some(Action::Reject)
        } else {
            None
        }
    }

    /// The accepted or rejected record that they are, unless it is malformed or another.
    #[inline(always)]
    fn into_flow(self, has: impl Fn(Field) -> bool) -> Option<Flow<'a>> {
        let action = self.action()?;
        self.require_addresses(has).ok()?;
        let status = self.text(Field::LogStatus);
        let is_usual = status == b"OK" || !matches!(status, b"NODATA" | b"SKIPDATA" | b"FAILURE");
        is_usual.then(|| self.flow(action))
    }

    #[inline(always)]
    fn classify(&self, has: impl Fn(Field) -> bool) -> Result<Record<'a>, Malformed> {
        let action = self.action();
        if action.is_some() {
            self.require_addresses(has)?;
        }
        Ok(match (self.text(Field::LogStatus), action) {
            (b"NODATA", _) => Record::NoData,
            // FAILURE is not a word of AWS's documentation, but of its users': it says what SKIPDATA says.
            (b"SKIPDATA" | b"FAILURE", _) => Record::SkipData(Gap {
                interface_id: self.named(Field::InterfaceId),
                packets: self.number(Field::Packets).unwrap_or_default(),
                bytes: self.number(Field::Bytes).unwrap_or_default(),
                start: self.time(Field::Start),
                end: self.time(Field::End),
            }),
            (_, Some(action)) => Record::Flow(self.flow(action)),
            (_, None) => Record::Other,
        })
    }

    #[inline(always)]
    fn require_addresses(&self, has: impl Fn(Field) -> bool) -> Result<(), Malformed> {
        self.require_address(Field::Srcaddr, &has)?;
        self.require_address(Field::Dstaddr, &has)
    }

    #[inline(always)]
    fn require_address(&self, field: Field, has: impl Fn(Field) -> bool) -> Result<(), Malformed> {
        if self.address(field).is_none() && has(field) { Err(Malformed::NoAddress { field }) } else { Ok(()) }
    }

    #[inline(always)]
    fn flow(&self, action: Action) -> Flow<'a> {
        let port = |field: Field| self.number(field).and_then(|port| u16::try_from(port).ok());
        Flow {
            action,
            interface_id: self.named(Field::InterfaceId),
            vpc_id: self.named(Field::VpcId),
            subnet_id: self.named(Field::SubnetId),
            src: self.address(Field::PktSrcaddr).or(self.address(Field::Srcaddr)),
            dst: self.address(Field::PktDstaddr).or(self.address(Field::Dstaddr)),
            srcport: port(Field::Srcport),
            dstport: port(Field::Dstport),
            protocol: self.number(Field::Protocol).and_then(|protocol| u8::try_from(protocol).ok()),
            packets: self.number(Field::Packets).unwrap_or_default(),
            bytes: self.number(Field::Bytes).unwrap_or_default(),
            start: self.time(Field::Start),
            end: self.time(Field::End),
            direction: match self.text(Field::FlowDirection) {
                b"ingress" => Some(Direction::Ingress),
                b"egress" => Some(Direction::Egress),
                _ => None,
            },
            tcp_flags: match self.number(Field::TcpFlags) {
                None => TcpFlags::Absent,
                Some(flags) if flags & SYN != 0 => TcpFlags::WithSyn,
                Some(_) => TcpFlags::WithoutSyn,
            },
            traffic_path: self.number(Field::TrafficPath),
            reject_reason: match self.text(Field::RejectReason) {
                b"BPA" => RejectReason::BlockPublicAccess,
                b"EC" => RejectReason::EncryptionControls,
                _ => RejectReason::Unstated,
            },
        }
    }
}

/// Decimal digits, at least one and nothing else, to 2^64 − 1.
fn number(token: &[u8]) -> Option<u64> {
    /// So many digits never overflow.
    const SAFE_DIGITS: usize = 19;
    if token.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    if token.len() <= SAFE_DIGITS {
        for byte in token {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + u64::from(digit);
        }
    } else {
        for byte in token {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::{Lines, MOST_COLUMNS, Slices};
    use crate::text::Text;

    fn reason(line: &str) -> String {
        parse(line.as_bytes(), &Format::version_2()).expect_err("malformed").to_string()
    }

    #[test]
    fn numbers_are_decimal_digits_to_the_maximum() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"18446744073709551616"), None);
        assert_eq!(number(b"9999999999999999999"), Some(9_999_999_999_999_999_999));
        assert_eq!(number(b"000000000000000000000000001"), Some(1));
        for text in ["", "-1", "+1", "1.0", "0x1", "1e3", " 1", "\u{661}"] {
            assert_eq!(number(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn the_reason_names_the_field() {
        let of = |srcaddr: &str, dstport: &str, protocol: &str, start: &str| {
            reason(&format!("2 1 eni-1 {srcaddr} 10.0.0.2 1 {dstport} {protocol} 1 1 {start} 2 ACCEPT OK"))
        };
        assert_eq!(of("10.0.0.1", "70000", "6", "1"), "dstport is not a whole number from 0 to 65535");
        assert_eq!(of("10.0.0.1", "1", "256", "1"), "protocol is not a whole number from 0 to 255");
        assert_eq!(of("10.0.0.1", "1", "6", "soon"), "start is not a whole number from 0 to 18446744073709551615");
        assert_eq!(of("10.0.0", "1", "6", "1"), "srcaddr is not an IPv4 or IPv6 address");
        assert_eq!(of("-", "1", "6", "1"), "srcaddr is absent from a record with an action");
        assert_eq!(reason("2 1 eni-1 - - - - - - - 1 2 -"), "the number of columns is 13, and not 14 as the format's");
        assert_eq!(reason("2 x 3 bad"), "the number of columns is 4, and not 14 as the format's");
    }

    #[test]
    fn the_first_class_that_holds_is_the_records() {
        let class = |addresses: &str, action: &str, status: &str| {
            let line = format!("2 1 eni-1 {addresses} 1 2 6 1 1 1 2 {action} {status}");
            parse(line.as_bytes(), &Format::version_2()).map(|record| match record {
                Record::Flow(flow) => match flow.action {
                    Action::Accept => "accepted",
                    Action::Reject => "rejected",
                },
                Record::NoData => "no_data",
                Record::SkipData(_) => "skip_data",
                Record::Other => "other",
            })
        };
        let both = "10.0.0.1 10.0.0.2";
        assert_eq!(class(both, "ACCEPT", "OK"), Ok("accepted"));
        assert_eq!(class(both, "REJECT", "OK"), Ok("rejected"));
        assert_eq!(class(both, "REJECT", "SUCCESS"), Ok("rejected"));
        assert_eq!(class(both, "REJECT", "-"), Ok("rejected"));
        assert_eq!(class(both, "REJECT", "NEW-STATUS"), Ok("rejected"));
        assert_eq!(class(both, "REJECT", "NODATA"), Ok("no_data"));
        assert_eq!(class(both, "ACCEPT", "SKIPDATA"), Ok("skip_data"));
        assert_eq!(class(both, "ACCEPT", "FAILURE"), Ok("skip_data"));
        assert_eq!(class("- -", "-", "NODATA"), Ok("no_data"));
        assert_eq!(class("- -", "-", "OK"), Ok("other"));
        assert_eq!(class(both, "DROP", "OK"), Ok("other"));
        assert_eq!(class(both, "accept", "OK"), Ok("other"));
        assert_eq!(class("- 10.0.0.2", "ACCEPT", "NODATA"), Err(Malformed::NoAddress { field: Field::Srcaddr }));
        assert_eq!(class("10.0.0.1 -", "REJECT", "OK"), Err(Malformed::NoAddress { field: Field::Dstaddr }));
    }

    /// Whether a line is read the usual way, which then has to say the same as the other one.
    fn is_usual(line: &str, format: &Format) -> bool {
        let parser = Parser::new(Arc::new(format.clone()));
        let text = format!("before\n{line}\nbehind\n");
        let text = Text::open(text.as_bytes(), u64::MAX).expect("text");
        let mut lines = Lines::open(Slices::here(text)).expect("lines");
        assert!(lines.next_line().expect("a line").is_some());
        let found = lines.next_line().expect("a line").expect("a line");
        assert_eq!(found.bytes, line.as_bytes());
        let usual = parser.parse(&found);
        if let Some(usual) = usual {
            assert_eq!(Ok(usual), parser.parse_any(&found), "{line}");
        }
        usual.is_some()
    }

    #[test]
    fn the_usual_way_and_the_other_say_the_same() {
        let version_2 =
            |rest: &str| is_usual(&format!("2 123456789012 eni-1235b8ca123456789 {rest}"), &Format::version_2());
        for usual in [
            "172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK",
            "1.2.3.4 255.255.255.255 0 65535 255 9999999999999999 123456789 0 253402300800 REJECT NEW",
            "2001:db8::1 ::ffff:10.0.0.1 0 65535 255 18446744073709551615 12345678901234567 0 0 REJECT OK",
            "- - - - - - - 1431280876 1431280934 - NODATA",
            "10.0.0.1 10.0.0.1 - - - - - - - - -",
        ] {
            assert!(version_2(usual), "{usual}");
        }
        for unusual in [
            "10.0.0.256 10.0.0.1 1 2 6 1 1 1 1 ACCEPT OK",
            "10.0.0.01 10.0.0.1 1 2 6 1 1 1 1 ACCEPT OK",
            "10.0.0.1 10.0.0.1 1 65536 6 1 1 1 1 ACCEPT OK",
            "10.0.0.1 10.0.0.1 1 2 6 1 1 1 1 ACCEPT",
            "10.0.0.1 10.0.0.1 1 2 6 1 18446744073709551616 1 1 ACCEPT OK",
            "10.0.0.1 10.0.0.1 1 2 6 1 1x 1 1 ACCEPT OK",
            "10.0.0.1  10.0.0.1 1 2 6 1 1 1 1 ACCEPT OK",
            "10.0.0.1 10.0.0.1 1 2 6 1 1 1 1 ACCEPT OK ",
            "- 10.0.0.1 1 2 6 1 1 1 1 ACCEPT OK",
        ] {
            assert!(!version_2(unusual), "{unusual}");
        }
    }

    #[test]
    fn any_order_of_columns_is_read_the_usual_way() {
        let format = |names: &str| Format::from_header(names.as_bytes()).expect("a header");
        let all: Vec<&str> = Field::ALL.iter().take(MOST_COLUMNS).map(|field| field.name()).collect();
        assert!(is_usual(&["-"; MOST_COLUMNS].join(" "), &format(&all.join(" "))));
        let columns = "log-status action new end start bytes pkt-dstaddr srcaddr tcp-flags encryption-status dstaddr";
        assert!(is_usual("OK REJECT ? 2 1 40 10.0.0.9 10.0.0.1 2 7 10.0.0.2", &format(columns)));
        assert!(!is_usual("OK REJECT ? 2 1 40 10.0.0.9 10.0.0.1 2 high 10.0.0.2", &format(columns)));
    }

    #[test]
    fn a_column_beyond_those_of_the_usual_way_is_checked_too() {
        for columns in [64, 254, 255, 256, 600] {
            let names = Field::ALL.iter().map(|field| field.name()).filter(|name| *name != "dstport");
            let header: Vec<&str> = names.cycle().take(columns - 1).chain(["dstport"]).collect();
            let format = Format::from_header(header.join(" ").as_bytes()).expect("a header");
            let line = |dstport: &str| "- ".repeat(columns - 1) + dstport;
            assert_eq!(parse(line("65535").as_bytes(), &format), Ok(Record::Other));
            let malformed = Malformed::Number { field: Field::Dstport, max: 65535 };
            assert_eq!(parse(line("65536").as_bytes(), &format), Err(malformed), "{columns}");
        }
    }

    #[test]
    fn an_address_column_that_the_format_lacks_is_no_fault() {
        let format = Format::from_header(b"action pkt-srcaddr dstport").expect("a header");
        let Ok(Record::Flow(flow)) = parse(b"REJECT 10.0.0.9 22", &format) else { panic!("a flow") };
        assert_eq!((flow.src, flow.dst, flow.dstport), (Some(IpAddr::from([10, 0, 0, 9])), None, Some(22)));
        assert_eq!((flow.packets, flow.bytes), (0, 0));
    }

    #[test]
    fn packet_addresses_come_before_the_interfaces() {
        let format = Format::from_header(b"srcaddr dstaddr pkt-srcaddr pkt-dstaddr action").expect("a header");
        let ends = |line: &'static str| match parse(line.as_bytes(), &format) {
            Ok(Record::Flow(flow)) => (flow.src.map(|a| a.to_string()), flow.dst.map(|a| a.to_string())),
            other => panic!("{other:?}"),
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(ends("10.0.0.1 10.0.0.2 10.9.9.1 10.9.9.2 ACCEPT"), (some("10.9.9.1"), some("10.9.9.2")));
        assert_eq!(ends("10.0.0.1 10.0.0.2 - - ACCEPT"), (some("10.0.0.1"), some("10.0.0.2")));
    }

    #[test]
    fn fields_that_nothing_reads_are_checked_too() {
        let format = Format::from_header(b"srcaddr encryption-status instance-id").expect("a header");
        assert_eq!(parse(b"10.0.0.1 3 i-1", &format), Ok(Record::Other));
        assert_eq!(
            parse(b"10.0.0.1 high i-1", &format),
            Err(Malformed::Number { field: Field::EncryptionStatus, max: u64::MAX })
        );
    }

    #[test]
    fn a_time_after_the_year_9999_is_absent() {
        let line = b"2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 1 253402300799 253402300800 ACCEPT OK";
        let Ok(Record::Flow(flow)) = parse(line, &Format::version_2()) else { panic!("a flow") };
        assert_eq!((flow.start, flow.end), (Timestamp::from_seconds(253_402_300_799), None));
    }
}
