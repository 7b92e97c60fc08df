//! Lines to records.
//!
//! In comes a [`Line`](crate::input::lines::Line) and the [`format`] that holds for it: a header's columns, or the order that
//! a setting gives. [`parser`] checks each value by the table of fields in [`field`] and puts the line into one class. Out
//! goes a [`Record`], which borrows its names from the line, or the reason why the line is malformed.
//!
//! [`ip`] and [`timestamp`] have the two kinds of values that need types of their own, [`iana`] the names of protocols and
//! ports. Nothing here keeps state between lines, except the parser's column map.

pub mod field;
pub mod format;
pub mod iana;
pub mod ip;
pub mod parser;
pub mod timestamp;

use std::net::IpAddr;

use serde::Serialize;

use crate::record::timestamp::Timestamp;

/// IANA's number of TCP.
pub const TCP: u8 = 6;
/// IANA's number of UDP.
pub const UDP: u8 = 17;

/// A record that parses, by its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// Traffic that was let through or refused: what is analysed.
    Flow(Flow<'a>),
    /// NODATA: the interface had no traffic in the capture window.
    NoData,
    /// SKIPDATA: AWS left records of this interface out.
    SkipData(SkipDataRecord<'a>),
    /// Anything else, such as a record of a transit gateway, which has no action.
    Other,
}

impl Record<'_> {
    /// Whether an action or a log status tells the class.
    #[inline]
    pub fn has_class(&self) -> bool {
        !matches!(self, Record::Other)
    }
}

/// An accepted or rejected record. What the record lacks, as a column or by `-`, is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow<'a> {
    /// Let through or refused.
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
    /// `flow-direction`, where it is a word that AWS documents.
    pub direction: Option<Direction>,
    /// What `tcp-flags` says.
    pub tcp_flags: SynFlag,
    /// `traffic-path`, which AWS gives for egress alone.
    pub traffic_path: Option<u64>,
    /// What `reject-reason` says.
    pub reject_reason: RejectReason,
}

/// A hole in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkipDataRecord<'a> {
    /// Interface whose records were left out.
    pub interface_id: Option<&'a [u8]>,
    /// Packets; AWS gives none here.
    pub packets: u64,
    /// Bytes; AWS gives none here.
    pub bytes: u64,
    /// Begin of the capture window.
    pub start: Option<Timestamp>,
    /// End of the capture window.
    pub end: Option<Timestamp>,
}

/// `action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Action {
    /// Let through.
    Accept,
    /// Refused.
    Reject,
}

/// Which way traffic goes, seen from the interface that recorded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the interface.
    Ingress,
    /// From the interface.
    Egress,
    /// The log does not tell.
    Unknown,
}

impl Direction {
    /// The word in JSON and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
            Direction::Unknown => "unknown",
        }
    }
}

/// What matters of `tcp-flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SynFlag {
    /// The column lacks, or AWS could not compute it.
    Absent,
    /// A connection was being opened.
    WithSyn,
    /// Packets of a connection that was open before.
    WithoutSyn,
}

/// What matters of `reject-reason`: every reject by a security group or a network ACL has `-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RejectReason {
    /// Absent, or a word that AWS does not document.
    Unspecified,
    /// `BPA`: VPC Block Public Access.
    BlockPublicAccess,
    /// `EC`: VPC Encryption Controls.
    EncryptionControls,
}
