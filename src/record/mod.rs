//! Lines to records.
//!
//! In comes a [`Line`](crate::input::lines::Line) and the [format](mod@format) that holds for it: a header's columns, or the order that
//! a setting gives. [`parser`] checks each value by the table of fields in [`field`] and puts the line into one class. Out
//! goes a [`Record`], which borrows its names from the line, or the reason why the line is malformed.
//!
//! [`ip`] and [`timestamp`] have the two kinds of values that need types of their own, [`names`] the names of protocols and
//! ports. Nothing here keeps state between lines, except the parser's column map.

pub mod field;
pub mod format;
pub mod ip;
pub mod names;
pub mod parser;
pub mod timestamp;

use std::net::IpAddr;

use serde::Serialize;

use crate::record::timestamp::Timestamp;

/// IANA protocol number of TCP.
pub const TCP: u8 = 6;
/// IANA protocol number of UDP.
pub const UDP: u8 = 17;

/// A parsed record, by its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// Accepted or rejected traffic: the only class that is analyzed.
    Flow(Flow<'a>),
    /// NODATA: the interface had no traffic in the capture window.
    NoData,
    /// SKIPDATA: AWS skipped records of this interface.
    SkipData(SkipDataRecord<'a>),
    /// Any other record, such as one of a transit gateway, which has no action.
    Other,
}

impl Record<'_> {
    /// Returns whether an action or a log status determines the class.
    #[inline]
    pub fn has_class(&self) -> bool {
        !matches!(self, Record::Other)
    }
}

/// An accepted or rejected record. An absent value (no such column, or `-`) is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow<'a> {
    /// Accepted or rejected.
    pub action: Action,
    /// Interface that recorded the traffic.
    pub interface_id: Option<&'a [u8]>,
    /// VPC of the interface.
    pub vpc_id: Option<&'a [u8]>,
    /// Subnet of the interface.
    pub subnet_id: Option<&'a [u8]>,
    /// `pkt-srcaddr` where present, else `srcaddr`.
    pub src: Option<IpAddr>,
    /// `pkt-dstaddr` where present, else `dstaddr`.
    pub dst: Option<IpAddr>,
    /// Source port.
    pub srcport: Option<u16>,
    /// Destination port.
    pub dstport: Option<u16>,
    /// IANA protocol number.
    pub protocol: Option<u8>,
    /// Packets; 0 where absent.
    pub packets: u64,
    /// Bytes; 0 where absent.
    pub bytes: u64,
    /// First packet of the capture window.
    pub start: Option<Timestamp>,
    /// Last packet of the capture window.
    pub end: Option<Timestamp>,
    /// `flow-direction`, if it is a documented word.
    pub direction: Option<Direction>,
    /// The part of `tcp-flags` that matters.
    pub tcp_flags: SynFlag,
    /// `traffic-path`. AWS gives it for egress traffic only.
    pub traffic_path: Option<u64>,
    /// The documented value of `reject-reason`.
    pub reject_reason: RejectReason,
}

/// A SKIPDATA record: a gap in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkipDataRecord<'a> {
    /// Interface whose records were skipped.
    pub interface_id: Option<&'a [u8]>,
    /// Packets. AWS writes `-` here.
    pub packets: u64,
    /// Bytes. AWS writes `-` here.
    pub bytes: u64,
    /// Start of the capture window.
    pub start: Option<Timestamp>,
    /// End of the capture window.
    pub end: Option<Timestamp>,
}

/// The values of `action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Action {
    /// ACCEPT.
    Accept,
    /// REJECT.
    Reject,
}

/// Direction of traffic, seen from the recording interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the interface.
    Ingress,
    /// From the interface.
    Egress,
    /// The log does not show it.
    Unknown,
}

impl Direction {
    /// Returns the word used in JSON and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
            Direction::Unknown => "unknown",
        }
    }
}

/// The part of `tcp-flags` that matters: whether the record opens a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SynFlag {
    /// No such column, or AWS could not compute the flags.
    Absent,
    /// The record has SYN.
    WithSyn,
    /// The record has flags, but not SYN: packets of an open connection.
    WithoutSyn,
}

/// Documented values of `reject-reason`. Rejections by a security group or a network ACL have `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectReason {
    /// Absent, or a word that AWS does not document.
    Unspecified,
    /// `BPA`: VPC Block Public Access.
    BlockPublicAccess,
    /// `EC`: VPC Encryption Controls.
    EncryptionControls,
}
