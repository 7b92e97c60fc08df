//! Parses a line by its columns: validates each value and classifies the record.
//!
//! Nearly every line has single spaces between fields, and numbers and addresses of common lengths. The fast path parses these many
//! bytes at a time ([`Parser`]). All other lines take the slow path ([`parse`]), which alone decides that a line is malformed.

pub mod column_map;
mod decimal;
pub mod fast_path;
mod fields;
pub mod prefix;
pub mod rows;
mod transit_gateway;

use std::sync::Arc;

use thiserror::Error;

use self::column_map::{ColumnMap, KnownFormat, LeadingFields};
use self::fields::FieldValues;
use self::prefix::Prefix;
use crate::input::lines::{FieldRanges, Line};
use crate::record::field::Field;
use crate::record::format::{self, Format};
use crate::record::{OtherRecord, Record};

/// Error for a malformed line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ParseError {
    /// The line is longer than [`crate::input::MAX_LINE_BYTES`].
    #[error("the line exceeds {} bytes", crate::input::MAX_LINE_BYTES)]
    TooLong,
    /// The number of columns differs from the header's.
    #[error("{found} columns instead of {expected}")]
    ColumnCount {
        /// Columns of the line.
        found: usize,
        /// Columns of the format.
        expected: usize,
    },
    /// A number does not parse, or is too large.
    #[error("{} is not an integer from 0 to {max}", .field.name())]
    Number {
        /// The field.
        field: Field,
        /// Its maximum.
        max: u64,
    },
    /// An address does not parse.
    #[error("{} is not an IPv4 or IPv6 address", .field.name())]
    Address {
        /// The field.
        field: Field,
    },
    /// A value of an array, or one of the values of an object, is not JSON.
    #[error("not JSON")]
    NotJson,
    /// A JSON value is none of those in which flow logs arrive.
    #[error("a JSON value without a message, log events, or mostly names of flow log fields")]
    NotARecord,
    /// A log event has no message.
    #[error("a log event without a message")]
    NoMessage,
    /// An accepted or rejected record lacks an address whose column the format has.
    #[error("{} is missing in a record with an action", .field.name())]
    MissingAddress {
        /// The field.
        field: Field,
    },
}

/// Parses lines of one format.
#[derive(Debug, Clone)]
pub struct Parser {
    format: Arc<Format>,
    prefix: Prefix,
    usual: KnownFormat,
}

impl Parser {
    /// Creates a parser for lines of this format.
    pub fn new(format: Arc<Format>) -> Parser {
        Parser::with_prefix(format, Prefix::None)
    }

    /// Creates a parser for lines of this format. The fast path expects the prefix before each record.
    pub fn with_prefix(format: Arc<Format>, prefix: Prefix) -> Parser {
        Parser { usual: KnownFormat::new(&format, prefix), format, prefix }
    }

    /// Returns what the fast path expects before each record.
    pub fn prefix(&self) -> Prefix {
        self.prefix
    }

    /// Returns the format.
    pub fn format(&self) -> &Arc<Format> {
        &self.format
    }

    /// Returns the column map of the format.
    pub fn known_format(&self) -> &KnownFormat {
        &self.usual
    }

    /// Parses a line by the fast path. Returns `None` if [`Parser::parse_slow`] must parse it.
    pub fn parse<'a>(&self, line: &Line<'a>) -> Option<Record<'a>> {
        let columns = line.columns.as_ref()?;
        match &self.usual {
            KnownFormat::Version2 => parse_by(&LeadingFields::<14>, columns),
            KnownFormat::Version5 => parse_by(&LeadingFields::<29>, columns),
            KnownFormat::Other(layout) => parse_by(&**layout, columns),
        }
    }

    /// Parses any line. Returns what stands before the record, too.
    ///
    /// # Errors
    /// If the line is malformed, as in [`parse`].
    pub fn parse_slow<'a>(&self, line: &Line<'a>) -> Result<(Prefix, Record<'a>), ParseError> {
        let (prefix, record) = Prefix::split(line.bytes, self.format.columns().len());
        Ok((prefix, parse(record, &self.format)?))
    }
}

#[inline(always)]
fn parse_by<'a>(places: &impl ColumnMap, columns: &FieldRanges<'a>) -> Option<Record<'a>> {
    let flow = fast_path::flow::<false, _>(places, columns).map(Record::Flow);
    flow.or_else(|| fast_path::record(places, columns))
}

/// Parses any line by its format, byte by byte. This function decides which lines are malformed.
///
/// # Errors
/// If the line is malformed: by its number of columns, else by the first value that does not parse.
#[cold]
pub fn parse<'a>(line: &'a [u8], format: &Format) -> Result<Record<'a>, ParseError> {
    parse_values(format::tokens(line), format)
}

/// Parses the values of a record, in the order of the format's columns. An absent value is `-` or empty.
///
/// # Errors
/// As in [`parse`].
pub fn parse_values<'a>(
    values: impl Iterator<Item = &'a [u8]> + Clone,
    format: &Format,
) -> Result<Record<'a>, ParseError> {
    let mut parsed = FieldValues::default();
    let mut columns = format.columns().iter();
    let mut first_bad = None;
    let mut found = 0;
    for value in values.clone() {
        found += 1;
        if let Some(field) = columns.next().and_then(|column| column.field())
            && !is_absent(value)
            && let Err(bad) = parsed.set(field, value)
        {
            first_bad.get_or_insert(bad);
        }
    }
    let expected = format.columns().len();
    if found != expected {
        return Err(ParseError::ColumnCount { found, expected });
    }
    match first_bad {
        Some(bad) => Err(bad),
        None => match parsed.classify(|field| format.has(field))? {
            Record::Other(other) => {
                Ok(Record::Other(OtherRecord { loss: transit_gateway::loss(values, format), ..other }))
            }
            record => Ok(record),
        },
    }
}

fn is_absent(value: &[u8]) -> bool {
    matches!(value, b"-" | b"")
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::input::decoder::Decoder;
    use crate::input::delimiters::MAX_FIELDS;
    use crate::input::lines::{ChunkReader, Lines};
    use crate::record::Action;
    use crate::record::timestamp::Timestamp;

    fn reason(line: &str) -> String {
        parse(line.as_bytes(), &Format::version_2()).expect_err("malformed").to_string()
    }

    #[test]
    fn the_reason_names_the_field() {
        let of = |srcaddr: &str, dstport: &str, protocol: &str, start: &str| {
            reason(&format!("2 1 eni-1 {srcaddr} 10.0.0.2 1 {dstport} {protocol} 1 1 {start} 2 ACCEPT OK"))
        };
        assert_eq!(of("10.0.0.1", "70000", "6", "1"), "dstport is not an integer from 0 to 65535");
        assert_eq!(of("10.0.0.1", "1", "256", "1"), "protocol is not an integer from 0 to 255");
        assert_eq!(of("10.0.0.1", "1", "6", "soon"), "start is not an integer from 0 to 18446744073709551615");
        assert_eq!(of("10.0.0", "1", "6", "1"), "srcaddr is not an IPv4 or IPv6 address");
        assert_eq!(of("-", "1", "6", "1"), "srcaddr is missing in a record with an action");
        assert_eq!(reason("2 1 eni-1 - - - - - - - 1 2 -"), "13 columns instead of 14");
        assert_eq!(reason("2 x 3 bad"), "4 columns instead of 14");
    }

    #[test]
    fn a_record_has_the_first_matching_class() {
        let class = |addresses: &str, action: &str, status: &str| {
            let line = format!("2 1 eni-1 {addresses} 1 2 6 1 1 1 2 {action} {status}");
            parse(line.as_bytes(), &Format::version_2()).map(|record| match record {
                Record::Flow(flow) => match flow.action {
                    Action::Accept => "accepted",
                    Action::Reject => "rejected",
                },
                Record::NoData(_) => "no_data",
                Record::SkipData(_) => "skip_data",
                Record::Other(_) => "other",
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
        assert_eq!(class("- 10.0.0.2", "ACCEPT", "NODATA"), Err(ParseError::MissingAddress { field: Field::Srcaddr }));
        assert_eq!(class("10.0.0.1 -", "REJECT", "OK"), Err(ParseError::MissingAddress { field: Field::Dstaddr }));
    }

    /// Returns whether the fast path parses a line, and checks that the slow path gives the same record.
    fn is_fast(line: &str, format: &Format) -> bool {
        let parser = Parser::new(Arc::new(format.clone()));
        let text = format!("before\n{line}\nafter\n");
        let text = Decoder::open(text.as_bytes(), u64::MAX).expect("text");
        let mut lines = Lines::open(ChunkReader::here(text)).expect("lines");
        assert!(lines.next_line().expect("a line").is_some());
        let found = lines.next_line().expect("a line").expect("a line");
        assert_eq!(found.bytes, line.as_bytes());
        let usual = parser.parse(&found);
        if let Some(usual) = usual {
            assert_eq!(Ok((Prefix::None, usual)), parser.parse_slow(&found), "{line}");
        }
        usual.is_some()
    }

    #[test]
    fn fast_and_slow_path_agree() {
        let version_2 =
            |rest: &str| is_fast(&format!("2 123456789012 eni-1235b8ca123456789 {rest}"), &Format::version_2());
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
    fn both_paths_agree_on_one_odd_value() {
        let line = "2 123456789012 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1795413600 1795413660 ACCEPT OK";
        let columns: Vec<&str> = line.split(' ').collect();
        // By column.
        let right = [
            (0, "-"),
            (0, "99999999"),
            (5, "-"),
            (5, "65535"),
            (6, "00443"),
            (7, "255"),
            (8, "123456789"),
            (9, "-"),
            (9, "18446744073709551615"),
            (10, "2147483647"),
            (11, "9999999999"),
            (10, "7"),
            (11, "0000000000"),
            (12, "-"),
            (12, "REJECT"),
            (12, "ACCEPTED"),
            (13, "-"),
            (13, "NODATA"),
            (13, "SKIPDATA"),
            (13, "FAILURE"),
            (13, "SUCCESS"),
        ];
        let wrong = [
            (0, "x"),
            (3, "-"),
            (4, "-"),
            (3, "1.2.3"),
            (5, "65536"),
            (6, "99999999"),
            (7, "256"),
            (7, "262"),
            (8, "1x"),
            (9, "-1"),
            (10, "17954136OO"),
            (11, "1?95413660"),
            (10, "soon"),
        ];
        let with = |(column, value): (usize, &'static str)| {
            let mut columns = columns.clone();
            columns[column] = value;
            columns.join(" ")
        };
        assert!(is_fast(line, &Format::version_2()));
        for line in right.map(with) {
            assert!(is_fast(&line, &Format::version_2()), "{line}");
        }
        for line in wrong.map(with) {
            assert!(!is_fast(&line, &Format::version_2()), "{line}");
            assert!(parse(line.as_bytes(), &Format::version_2()).is_err(), "{line}");
        }
    }

    #[test]
    fn the_fast_path_takes_any_column_order() {
        let format = |names: &str| Format::from_header(names.as_bytes()).expect("a header");
        let all: Vec<&str> = Field::ALL.iter().take(MAX_FIELDS).map(|field| field.name()).collect();
        assert!(is_fast(&["-"; MAX_FIELDS].join(" "), &format(&all.join(" "))));
        let columns = "log-status action new end start bytes pkt-dstaddr srcaddr tcp-flags encryption-status dstaddr";
        assert!(is_fast("OK REJECT ? 2 1 40 10.0.0.9 10.0.0.1 2 7 10.0.0.2", &format(columns)));
        assert!(!is_fast("OK REJECT ? 2 1 40 10.0.0.9 10.0.0.1 2 high 10.0.0.2", &format(columns)));
    }

    #[test]
    fn only_records_without_lost_packets_are_fast() {
        let format = Format::from_header(b"tgw-id packets-lost-no-route packets-lost-blackhole").expect("a header");
        assert!(is_fast("tgw-1 0 -", &format));
        assert!(!is_fast("tgw-1 0 1", &format));
        assert!(matches!(parse(b"tgw-1 0 1", &format), Ok(Record::Other(OtherRecord { loss: Some(_), .. }))));
    }

    #[test]
    fn a_column_above_the_fast_path_limit_is_validated() {
        for columns in [64, 254, 255, 256, 600] {
            let names = Field::ALL.iter().map(|field| field.name()).filter(|name| *name != "dstport");
            let header: Vec<&str> = names.cycle().take(columns - 1).chain(["dstport"]).collect();
            let format = Format::from_header(header.join(" ").as_bytes()).expect("a header");
            let line = |dstport: &str| "- ".repeat(columns - 1) + dstport;
            assert_eq!(parse(line("65535").as_bytes(), &format), Ok(Record::Other(OtherRecord::default())));
            let malformed = ParseError::Number { field: Field::Dstport, max: 65535 };
            assert_eq!(parse(line("65536").as_bytes(), &format), Err(malformed), "{columns}");
        }
    }

    #[test]
    fn a_format_without_an_address_column_is_valid() {
        let format = Format::from_header(b"action pkt-srcaddr dstport").expect("a header");
        let Ok(Record::Flow(flow)) = parse(b"REJECT 10.0.0.9 22", &format) else { panic!("a flow") };
        assert_eq!((flow.src, flow.dst, flow.dstport), (Some(IpAddr::from([10, 0, 0, 9])), None, Some(22)));
        assert_eq!((flow.packets, flow.bytes), (0, 0));
    }

    #[test]
    fn packet_addresses_replace_flow_addresses() {
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
    fn unread_fields_are_validated() {
        let format = Format::from_header(b"srcaddr encryption-status instance-id").expect("a header");
        assert_eq!(parse(b"10.0.0.1 3 i-1", &format), Ok(Record::Other(OtherRecord::default())));
        assert_eq!(
            parse(b"10.0.0.1 high i-1", &format),
            Err(ParseError::Number { field: Field::EncryptionStatus, max: u64::MAX })
        );
    }

    #[test]
    fn a_time_after_the_year_9999_is_absent() {
        let line = b"2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 1 253402300799 253402300800 ACCEPT OK";
        let Ok(Record::Flow(flow)) = parse(line, &Format::version_2()) else { panic!("a flow") };
        assert_eq!((flow.start, flow.end), (Timestamp::from_seconds(253_402_300_799), None));
    }
}
