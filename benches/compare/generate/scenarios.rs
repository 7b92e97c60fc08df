//! Plants scenarios in every log with at least [`MIN_RECORDS`] records (malformed ones not counted), at positions that
//! depend on the seed.
//!
//! Their content depends neither on the seed nor on the number of records. Apart from the interface addresses, their
//! addresses occur in no other record, so the counts below are exact. Ports are fixed: the nth connection of a scenario
//! has client port 40000 + n, starting with n = 0.
//!
//! | scenario | src → dst | records | interface |
//! | --- | --- | --- | --- |
//! | port scan | 22.0.1.10 → 10.0.1.36, TCP | each of the 24 [`SCANNED_PORTS`] rejected once | 24: `eni-0964c4ce2111bf2ec` |
//! | port scan from inside VPC B | 10.1.200.20 → 10.1.1.36, TCP | the same | 25: `eni-02795860bfd706979` |
//! | host sweep | 22.0.2.10 → 40 interfaces, TCP 22 | each rejected once | 60 to 99 |
//! | repeated rejects | 10.3.200.30 → 10.3.1.36, TCP 9093 | 120 rejected | 27: `eni-03470db09551a69fa` |
//! | blocked egress | 10.2.2.36 → 22.0.3.10 to .13, TCP 443 | 2 rejected to each | 30: `eni-0f6c4657904f9c103` |
//! | reply blocked by a network ACL | 22.0.4.10 → 10.0.2.36, TCP 443 | 3 accepted requests, 3 rejected replies | 28: `eni-0776aaef8f158cc2f` |
//! | late packets, which are not a scan | 10.1.3.36 → 22.0.5.10, TCP 443 | of each of 20 connections the request and the reply accepted, and another packet of the server rejected, without SYN | 33: `eni-0d8fc758c30563aa8` |
//! | transit from VPC A over B to C | 10.0.1.49 → 10.2.200.40, TCP 5432 | 20 accepted, without reply | 36: `eni-0cecc0b5facf21ada` |
//! | skipped data | | 3 SKIPDATA, and in long logs more | 0: `eni-04fad8879896d31fb` |
//!
//! Malformed lines are added as requested, also to shorter logs. They alternate between destination port 70000, a missing
//! destination port column, and a source address of the bytes FF FE. Their other values are 22.0.6.10 → 10.1.1.49, TCP 443, on interface 37: `eni-00db63d4c1b559a2a`.

use std::cmp::Reverse;
use std::net::Ipv4Addr;
use std::ops::Range;

use super::network::{Interface, SCENARIO_OCTET};
use super::record::{Action, Content, Damage, Direction, Endpoint, Flow, Run, TCP, flags, path};
use super::rng::RandomStream;

/// Shorter logs have no scenarios except malformed lines.
pub const MIN_RECORDS: u64 = 4_000;

pub const SCANNED_PORTS: [u16; 24] = [
    21, 22, 23, 25, 53, 80, 110, 111, 135, 139, 143, 443, 445, 993, 995, 1433, 1723, 3306, 3389, 5432, 5900, 6379,
    8080, 9200,
];

const PORT_SCAN: usize = 24;
const INNER_PORT_SCAN: usize = 25;
const REPEATED_REJECTS: usize = 27;
const BLOCKED_REPLY: usize = 28;
const BLOCKED_EGRESS: usize = 30;
const LATE_PACKETS: usize = 33;
const TRANSIT: usize = 36;
const MALFORMED: usize = 37;
const SKIPPED_DATA: usize = 0;
const SWEPT: Range<usize> = 60..100;

/// The port of the nth client.
const FIRST_CLIENT_PORT: u16 = 40_000;

pub struct Planting {
    /// Number of background records before it.
    pub place: u64,
    pub run: Run,
}

/// Returns the number of records in runs.
pub fn records(runs: &[Run]) -> u64 {
    runs.iter().map(|run| run.contents.len() as u64).sum()
}

/// Chooses positions among this number of background records; sorted from last to first.
pub fn places(runs: Vec<Run>, background_records: u64, rng: &mut RandomStream) -> Vec<Planting> {
    let runs = runs.into_iter();
    let mut plantings: Vec<_> = runs.map(|run| Planting { place: rng.below_u64(background_records), run }).collect();
    plantings.sort_by_key(|planting| Reverse(planting.place));
    plantings
}

/// Builds the runs of scenarios.
pub struct Planter<'a> {
    interfaces: &'a [Interface],
    runs: Vec<Run>,
}

impl<'a> Planter<'a> {
    pub fn new(interfaces: &'a [Interface]) -> Self {
        Self { interfaces, runs: Vec::new() }
    }

    pub fn plant_scenarios(&mut self) {
        self.port_scan(PORT_SCAN, scenario_address(1, 10));
        self.port_scan(INNER_PORT_SCAN, Ipv4Addr::new(10, 1, 200, 20));
        self.host_sweep();
        self.repeated_rejects();
        self.blocked_egress();
        self.blocked_reply();
        self.late_packets();
        self.transit();
        self.plant(SKIPPED_DATA, 1, [Content::SkipData; 3]);
    }

    pub fn plant_malformed(&mut self, lines: u64) {
        let kinds = [Damage::PortTooLarge, Damage::MissingColumn, Damage::NotUtf8];
        let client = client(scenario_address(6, 10), 0);
        let flow = accepted(Direction::Ingress, flags::SYN, client, self.end(MALFORMED, 443));
        for (_, damage) in (0..lines).zip(kinds.into_iter().cycle()) {
            self.plant(MALFORMED, 1, [Content::Malformed(damage, flow)]);
        }
    }

    pub fn into_runs(self) -> Vec<Run> {
        self.runs
    }

    fn port_scan(&mut self, target: usize, scanner: Ipv4Addr) {
        let tries = numbered(SCANNED_PORTS)
            .map(|(n, port)| Content::Flow(rejected(Direction::Ingress, client(scanner, n), self.end(target, port))));
        self.plant(target, SCANNED_PORTS.len(), tries.collect::<Vec<_>>());
    }

    fn host_sweep(&mut self) {
        for (n, target) in numbered(SWEPT) {
            let scanner = client(scenario_address(2, 10), n);
            let flow = rejected(Direction::Ingress, scanner, self.end(target, 22));
            self.plant(target, 1, [Content::Flow(flow)]);
        }
    }

    fn repeated_rejects(&mut self) {
        let source = Ipv4Addr::new(10, 3, 200, 30);
        let server = self.end(REPEATED_REJECTS, 9093);
        let tries = (0..120).map(|n| Content::Flow(rejected(Direction::Ingress, client(source, n), server)));
        self.plant(REPEATED_REJECTS, 4, tries);
    }

    fn blocked_egress(&mut self) {
        let own = self.interfaces[BLOCKED_EGRESS].address;
        let tries = numbered([10, 11, 12, 13, 10, 11, 12, 13]).map(|(n, host)| {
            let server = Endpoint::new(scenario_address(3, host), 443);
            Content::Flow(rejected(Direction::Egress, client(own, n), server))
        });
        self.plant(BLOCKED_EGRESS, 2, tries);
    }

    fn blocked_reply(&mut self) {
        let server = self.end(BLOCKED_REPLY, 443);
        let flows = (0..3).flat_map(|n| {
            let client = client(scenario_address(4, 10), n);
            let request = accepted(Direction::Ingress, flags::SYN, client, server);
            let reply = Flow { tcp_flags: flags::SYN_ACK, ..rejected(Direction::Egress, server, client) };
            [request, reply].map(Content::Flow)
        });
        self.plant(BLOCKED_REPLY, 2, flows);
    }

    fn late_packets(&mut self) {
        let server = Endpoint::new(scenario_address(5, 10), 443);
        let own = self.interfaces[LATE_PACKETS].address;
        let late_flags = [0, flags::FIN, flags::RST];
        let flows = numbered(late_flags.into_iter().cycle().take(20)).flat_map(|(n, tcp_flags)| {
            let client = client(own, n);
            let request = accepted(Direction::Egress, flags::SYN | flags::FIN, client, server);
            let reply = accepted(Direction::Ingress, flags::SYN_ACK | flags::FIN, server, client);
            let late = Flow { tcp_flags, ..rejected(Direction::Ingress, server, client) };
            [request, reply, late].map(Content::Flow)
        });
        self.plant(LATE_PACKETS, 15, flows);
    }

    /// The route out of A leads into its peering with B, so the traffic-path is that of a peering.
    fn transit(&mut self) {
        let own = self.interfaces[TRANSIT].address;
        let server = Endpoint::new(Ipv4Addr::new(10, 2, 200, 40), 5432);
        let tries = (0..20).map(|n| {
            let request = accepted(Direction::Egress, flags::SYN, client(own, n), server);
            Content::Flow(Flow { traffic_path: Some(path::PEERING), ..request })
        });
        self.plant(TRANSIT, 2, tries);
    }

    fn end(&self, interface: usize, port: u16) -> Endpoint {
        Endpoint::new(self.interfaces[interface].address, port)
    }

    /// Plants the contents in bursts of this many.
    fn plant(&mut self, interface: usize, burst: usize, contents: impl IntoIterator<Item = Content>) {
        let contents: Vec<_> = contents.into_iter().collect();
        let bursts = contents.chunks(burst);
        self.runs.extend(bursts.map(|burst| Run { interface, contents: burst.to_vec() }));
    }
}

fn numbered<T>(items: impl IntoIterator<Item = T>) -> impl Iterator<Item = (u16, T)> {
    (0..).zip(items)
}

/// Returns a public address that only scenarios use.
pub fn scenario_address(third_octet: u8, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(SCENARIO_OCTET, 0, third_octet, host)
}

pub fn client(address: Ipv4Addr, n: u16) -> Endpoint {
    Endpoint::new(address, FIRST_CLIENT_PORT + n)
}

pub fn rejected(direction: Direction, src: Endpoint, dst: Endpoint) -> Flow {
    Flow::rejected(direction, TCP, flags::SYN, src, dst)
}

/// Returns an accepted flow from or to the internet.
pub fn accepted(direction: Direction, tcp_flags: u8, src: Endpoint, dst: Endpoint) -> Flow {
    Flow {
        src,
        dst,
        protocol: TCP,
        tcp_flags,
        packets: 3,
        bytes: 180,
        action: Action::Accept,
        direction,
        traffic_path: (direction == Direction::Egress).then_some(path::INTERNET_GATEWAY),
    }
}

#[cfg(test)]
mod tests {
    use super::super::network;
    use super::*;

    #[test]
    fn the_documented_interfaces_are_those_of_the_network() {
        let interfaces = network::interfaces();
        for number in [
            PORT_SCAN,
            INNER_PORT_SCAN,
            REPEATED_REJECTS,
            BLOCKED_REPLY,
            BLOCKED_EGRESS,
            LATE_PACKETS,
            TRANSIT,
            MALFORMED,
            SKIPPED_DATA,
        ] {
            let documented = format!("{number}: `{}`", interfaces[number].id);
            assert!(include_str!("scenarios.rs").contains(&documented), "{documented}");
        }
    }

    #[test]
    fn scenarios_are_on_interfaces_that_record_one_address_only() {
        let interfaces = network::interfaces();
        for number in [PORT_SCAN, BLOCKED_EGRESS, BLOCKED_REPLY, LATE_PACKETS, TRANSIT] {
            let interface = &interfaces[number];
            assert_eq!(interface.ipv6_address, None);
            assert!(!interface.is_nat_gateway);
        }
    }
}
