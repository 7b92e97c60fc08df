//! The content of one log line, independent of its columns.

use std::net::IpAddr;

pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ICMPV6: u8 = 58;

/// A service's protocol and port.
pub type Service = (u8, u16);

/// Bits of tcp-flags in VPC flow logs; ACK occurs only together with SYN.
pub mod flags {
    pub const FIN: u8 = 1;
    pub const SYN: u8 = 2;
    pub const RST: u8 = 4;
    pub const ACK: u8 = 16;
    pub const SYN_ACK: u8 = SYN | ACK;
}

/// Values of traffic-path.
pub mod path {
    pub const SAME_VPC: u8 = 1;
    pub const PEERING: u8 = 4;
    pub const GATEWAY_ENDPOINT: u8 = 7;
    pub const INTERNET_GATEWAY: u8 = 8;
}

/// Consecutive records of one interface in one capture window; never empty.
pub struct Run {
    /// Index of the network interface.
    pub interface: usize,
    pub contents: Vec<Content>,
}

pub struct Record {
    /// Index of the network interface.
    pub interface: usize,
    pub capture_window: CaptureWindow,
    pub content: Content,
}

/// Unix seconds.
#[derive(Clone, Copy)]
pub struct CaptureWindow {
    pub start: u64,
    pub end: u64,
}

#[derive(Clone, Copy)]
pub enum Content {
    Flow(Flow),
    NoData,
    SkipData,
    /// A flow whose line is damaged.
    Malformed(Damage, Flow),
}

#[derive(Clone, Copy)]
pub enum Damage {
    /// The destination port is 70000.
    PortTooLarge,
    /// The destination port's column is missing.
    MissingColumn,
    /// The source address is the bytes FF FE.
    NotUtf8,
}

#[derive(Clone, Copy)]
pub struct Flow {
    pub src: Endpoint,
    pub dst: Endpoint,
    pub protocol: u8,
    pub tcp_flags: u8,
    pub packets: u32,
    pub bytes: u64,
    pub action: Action,
    pub direction: Direction,
    pub traffic_path: Option<u8>,
}

#[derive(Clone, Copy)]
pub struct Endpoint {
    pub address: IpAddr,
    /// The address in the packet; it differs from `address` behind a NAT gateway.
    pub packet_address: IpAddr,
    pub port: u16,
    pub aws_service: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Action {
    Accept,
    Reject,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Direction {
    Ingress,
    Egress,
}

impl Endpoint {
    pub fn new(address: impl Into<IpAddr>, port: u16) -> Self {
        let address = address.into();
        Self { address, packet_address: address, port, aws_service: None }
    }
}

impl Flow {
    /// A few packets that security groups or network ACLs reject; rejected packets have no traffic-path.
    pub fn rejected(direction: Direction, protocol: u8, tcp_flags: u8, src: Endpoint, dst: Endpoint) -> Self {
        Self {
            src,
            dst,
            protocol,
            tcp_flags,
            packets: 1,
            bytes: 44,
            action: Action::Reject,
            direction,
            traffic_path: None,
        }
    }
}
