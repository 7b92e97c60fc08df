//! Lines to records.
//!
//! In comes a [`Line`](crate::input::lines::Line) and the [format](mod@format) that holds for it: a header's columns, or the order that
//! a setting gives. [`parser`] checks each value by the table of fields in [`field`] and puts the line into one class. Out
//! goes a [`Record`], which borrows its names from the line, or the reason why the line is malformed. [`parser::rows`] does the same
//! with the rows of a Parquet file.
//!
//! [`ip`] and [`timestamp`] have the two kinds of values that need types of their own, [`names`] the names of protocols and
//! ports. Nothing here keeps state between lines, except the parser's column map.

pub mod field;
pub mod format;
pub mod ip;
pub mod names;
pub mod parser;
pub mod timestamp;

use std::cmp::Ordering;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::record::field::Field;
use crate::record::timestamp::Timestamp;

/// IANA protocol number of TCP.
pub const TCP: u8 = 6;
/// IANA protocol number of UDP.
pub const UDP: u8 = 17;
/// IANA protocol number of ICMP.
pub const ICMP: u8 = 1;
/// IANA protocol number of ICMP for IPv6.
pub const ICMPV6: u8 = 58;

/// A parsed record, by its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record<'a> {
    /// Accepted or rejected traffic: the only class that is analyzed.
    Flow(Flow<'a>),
    /// NODATA: the interface had no traffic in the capture window.
    NoData(Origin<'a>),
    /// SKIPDATA: AWS skipped records of this interface.
    SkipData(SkipDataRecord<'a>),
    /// Any other record, such as one of a transit gateway, which has no action.
    Other(OtherRecord<'a>),
}

/// Where and when a record was made. An absent value is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Interface that recorded it.
    pub interface_id: Option<&'a [u8]>,
    /// VPC of the interface.
    pub vpc_id: Option<&'a [u8]>,
    /// Start of the capture window.
    pub start: Option<Timestamp>,
    /// End of the capture window.
    pub end: Option<Timestamp>,
}

/// A record that is neither of traffic with an action nor of a gap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OtherRecord<'a> {
    /// Where and when it was made.
    pub origin: Origin<'a>,
    /// The packets that a transit gateway lost, if any.
    pub loss: Option<TransitGatewayLoss<'a>>,
}

impl Record<'_> {
    /// Returns whether an action or a log status determines the class.
    #[inline]
    pub fn has_class(&self) -> bool {
        !matches!(self, Record::Other(_))
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
    /// `tcp-flags`.
    pub tcp_flags: TcpFlags,
    /// `traffic-path`. AWS gives it for egress traffic only.
    pub traffic_path: Option<u64>,
    /// The documented value of `reject-reason`.
    pub reject_reason: RejectReason,
}

impl<'a> Flow<'a> {
    /// Returns where and when the record was made.
    pub fn origin(&self) -> Origin<'a> {
        let Flow { interface_id, vpc_id, start, end, .. } = *self;
        Origin { interface_id, vpc_id, start, end }
    }
}

/// A SKIPDATA record: a gap in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkipDataRecord<'a> {
    /// Interface whose records were skipped, its VPC, and the capture window.
    pub origin: Origin<'a>,
    /// Packets. AWS writes `-` here.
    pub packets: u64,
    /// Bytes. AWS writes `-` here.
    pub bytes: u64,
}

/// A Transit Gateway record with lost packets: at least one count is above 0. An absent value is `None`, an absent count 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransitGatewayLoss<'a> {
    /// The transit gateway.
    pub tgw_id: Option<&'a [u8]>,
    /// VPC of the source.
    pub tgw_src_vpc_id: Option<&'a [u8]>,
    /// VPC of the destination. A packet without a route has none.
    pub tgw_dst_vpc_id: Option<&'a [u8]>,
    /// Lost packets, indexed by [`LossReason`].
    pub packets_lost: [u64; LossReason::ALL.len()],
    /// Start of the capture window.
    pub start: Option<Timestamp>,
    /// End of the capture window.
    pub end: Option<Timestamp>,
}

impl TransitGatewayLoss<'_> {
    /// Returns each reason for which packets were lost, with their number.
    pub fn losses(&self) -> impl Iterator<Item = (LossReason, u64)> {
        LossReason::ALL.into_iter().zip(self.packets_lost).filter(|(_, packets)| *packets > 0)
    }
}

/// Why a transit gateway lost packets: the `packets-lost-…` columns, in AWS's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LossReason {
    /// The route table has no route to the destination.
    NoRoute,
    /// The route is a blackhole.
    Blackhole,
    /// The packet exceeds the MTU.
    MtuExceeded,
    /// The TTL expired.
    TtlExpired,
}

/// By name, as findings sort their subjects.
impl Ord for LossReason {
    fn cmp(&self, other: &LossReason) -> Ordering {
        self.name().cmp(other.name())
    }
}

impl PartialOrd for LossReason {
    fn partial_cmp(&self, other: &LossReason) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl LossReason {
    /// All reasons, in AWS's order.
    pub const ALL: [LossReason; 4] =
        [LossReason::NoRoute, LossReason::Blackhole, LossReason::MtuExceeded, LossReason::TtlExpired];

    /// Returns the word used in JSON and in reports.
    pub fn name(self) -> &'static str {
        match self {
            LossReason::NoRoute => "no-route",
            LossReason::Blackhole => "blackhole",
            LossReason::MtuExceeded => "mtu-exceeded",
            LossReason::TtlExpired => "ttl-expired",
        }
    }

    /// Returns the reason whose packets the field counts.
    pub fn from_field(field: Field) -> Option<LossReason> {
        match field {
            Field::PacketsLostNoRoute => Some(LossReason::NoRoute),
            Field::PacketsLostBlackhole => Some(LossReason::Blackhole),
            Field::PacketsLostMtuExceeded => Some(LossReason::MtuExceeded),
            Field::PacketsLostTtlExpired => Some(LossReason::TtlExpired),
            _ => None,
        }
    }
}

/// The values of `action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Action {
    /// ACCEPT.
    Accept,
    /// REJECT.
    Reject,
}

/// Direction of traffic, seen from the recording interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// The bits of `tcp-flags` that AWS logs, ORed over the capture window: FIN, SYN, RST, and SYN-ACK. An ACK alone is not logged, so a
/// record in the middle of a connection has 0:
/// <https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-records-examples.html#flow-log-example-tcp-flag>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpFlags(u8);

impl TcpFlags {
    /// No such column, or AWS could not compute the flags.
    pub const ABSENT: TcpFlags = TcpFlags(0);
    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;
    /// Set if the flags are present. TCP's own bit with this value is CWR, which is not kept.
    const PRESENT: u8 = 1 << 7;

    /// Returns the flags of a present `tcp-flags`.
    #[inline(always)]
    pub fn new(flags: u64) -> TcpFlags {
        // The cast keeps the lowest 8 bits, which have all flags that matter.
        let kept = flags as u8 & (TcpFlags::FIN | TcpFlags::SYN | TcpFlags::RST | TcpFlags::ACK);
        TcpFlags(kept | TcpFlags::PRESENT)
    }

    /// Returns whether the record has flags.
    #[inline]
    pub fn are_present(self) -> bool {
        self != TcpFlags::ABSENT
    }

    /// Returns whether the record may open a connection: it has no flags, or SYN without ACK.
    #[inline]
    pub fn may_open(self) -> bool {
        !self.are_present() || self.0 & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN
    }

    /// Returns whether the record has SYN and ACK, as the answer to a SYN.
    #[inline]
    pub fn is_syn_ack(self) -> bool {
        self.0 & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN | TcpFlags::ACK
    }

    /// Returns whether the record has SYN and nothing else, so that nothing shows an answer.
    #[inline]
    pub fn is_syn_only(self) -> bool {
        self.0 == TcpFlags::PRESENT | TcpFlags::SYN
    }

    /// Returns whether the flags show that the connection was answered: packets in the middle of a connection or at its end, or a
    /// SYN-ACK.
    #[inline]
    pub fn show_an_answer(self) -> bool {
        self.are_present() && !self.is_syn_only()
    }
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
