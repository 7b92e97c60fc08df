//! Troubles of the day of `--day`. Each lasts for an hour (UTC), and most are too slow to be seen in one object.
//!
//! Their records depend neither on the seed nor on the number of records. Client ports begin with 40000 in each trouble and grow by 1.
//!
//! | hour | trouble | src → dst | records in each of the twelve objects |
//! | --- | --- | --- | --- |
//! | 01 | slow port scan from the internet | 22.0.11.10 → 10.0.1.36, TCP | 2 of the 24 [`SCANNED_PORTS`] rejected |
//! | 02 | port scans of twelve hosts | 22.0.12.10 → one host in each object, TCP | all 24 ports rejected |
//! | 04 | host sweep from inside VPC B | 10.1.200.21 → 60 interfaces, TCP 445 | 5 interfaces, rejected once |
//! | 06 | health checks rejected | load balancer (interface 31) → 10.3.1.36 and 10.3.3.36, TCP 8080 | 10 to each, rejected |
//! | 09 | the route from VPC B back to A is missing | 10.0.1.49 → 10.1.2.49, TCP 9092 | of each of 5 connections the request at both ends and the reply at the server's |
//! | 11 | transit from VPC A over B to C | 10.0.1.49 → 10.2.200.40, TCP 5432 | 3 accepted requests, without reply |
//! | 13 | blocked egress | 10.2.2.36 → 22.0.13.10 to .13, TCP 443 | 2 rejected |
//! | 14 | replies blocked by a network ACL | 22.0.14.10 → 10.0.2.36, TCP 443 | 2 accepted requests, 2 rejected replies |
//! | 16 | a peer's security group lacks a rule | 10.1.3.36 → 10.2.1.49, TCP 27017 | 4 requests, accepted at the client's end and rejected at the server's |
//! | 18 | a cache does not answer | 10.0.1.49 → 10.0.200.80, TCP 6379 | 3 accepted requests, without reply |
//! | 20 | skipped data | | 2 SKIPDATA of interface 0 |
//! | 22 | repeated rejects | 10.3.200.30 → 10.3.1.36, TCP 9093 | 12 rejected |
//!
//! Some troubles show in more than one way: the sweep from inside also crosses VPCs that are not peered.
//!
//! The topology is that of the other hours: it has the route that is missing at 09, and the route of A to C via B.

use std::net::Ipv4Addr;

use super::distributed::{both_ends, by_peering, one};
use super::network::Interface;
use super::record::{Content, Direction, Endpoint, Flow, Run, flags, path};
use super::scenarios::{SCANNED_PORTS, accepted, client, rejected, scenario_address};

/// Objects of an hour.
pub const OBJECTS_PER_HOUR: u64 = 12;

const HEALTH_CHECKER: usize = 31;
const HEALTH_CHECKED: [usize; 2] = [27, 35];
const SCANNED: usize = 24;
const SWEPT: usize = 60;
const SWEPT_PER_OBJECT: u64 = 5;
/// In VPC A.
const CLIENT: usize = 36;
/// In VPC B.
const SERVER: usize = 41;
const BLOCKED_EGRESS: usize = 30;
const BLOCKED_REPLY: usize = 28;
/// In VPC B, and in VPC C.
const REJECTED_BY_PEER: (usize, usize) = (33, 38);
const REPEATED_REJECTS: usize = 27;
const OVERLOADED: usize = 0;

/// Maximum number of records in one object.
#[cfg(test)]
pub const MAX_RECORDS: u64 = SCANNED_PORTS.len() as u64;

/// Returns the runs of an object, given its position in the day.
pub fn runs(interfaces: &[Interface], object: u64) -> Vec<Run> {
    let troubles = Troubles { interfaces, nth: object % OBJECTS_PER_HOUR };
    match object / OBJECTS_PER_HOUR {
        1 => troubles.slow_scan(),
        2 => troubles.scan_of_hosts(),
        4 => troubles.sweep_from_inside(),
        6 => troubles.health_checks(),
        9 => troubles.missing_route(),
        11 => troubles.transit(),
        13 => troubles.blocked_egress(),
        14 => troubles.blocked_replies(),
        16 => troubles.rejected_by_peer(),
        18 => troubles.no_answer(),
        20 => (0..2).map(|_| Run { interface: OVERLOADED, contents: vec![Content::SkipData] }).collect(),
        22 => troubles.repeated_rejects(),
        _ => Vec::new(),
    }
}

/// Builds the runs of one object.
struct Troubles<'a> {
    interfaces: &'a [Interface],
    /// Position of the object in its hour.
    nth: u64,
}

impl Troubles<'_> {
    fn end(&self, interface: usize, port: u16) -> Endpoint {
        Endpoint::new(self.interfaces[interface].address, port)
    }

    /// Returns the numbers of this object's records, if each object of the hour has this many.
    fn numbers(&self, per_object: u64) -> impl Iterator<Item = u16> + use<> {
        let first = self.nth * per_object;
        (first..first + per_object).map(|number| number as u16)
    }

    fn rejected(&self, source: impl Into<Ipv4Addr>, n: u16, interface: usize, port: u16) -> Run {
        one(interface, rejected(Direction::Ingress, client(source.into(), n), self.end(interface, port)))
    }

    fn slow_scan(&self) -> Vec<Run> {
        let probe = |n: u16| self.rejected(scenario_address(11, 10), n, SCANNED, SCANNED_PORTS[usize::from(n)]);
        self.numbers(2).map(probe).collect()
    }

    fn scan_of_hosts(&self) -> Vec<Run> {
        let interface = SCANNED + 12 * self.nth as usize;
        let ports = (0..).zip(SCANNED_PORTS);
        ports.map(|(n, port)| self.rejected(scenario_address(12, 10), n, interface, port)).collect()
    }

    fn sweep_from_inside(&self) -> Vec<Run> {
        let probe = |n: u16| self.rejected(Ipv4Addr::new(10, 1, 200, 21), n, SWEPT + usize::from(n), 445);
        self.numbers(SWEPT_PER_OBJECT).map(probe).collect()
    }

    fn health_checks(&self) -> Vec<Run> {
        let checker = self.interfaces[HEALTH_CHECKER].address;
        let checks =
            self.numbers(10).flat_map(|n| HEALTH_CHECKED.map(|target| self.rejected(checker, n, target, 8080)));
        checks.collect()
    }

    /// The last of the four records of a connection never occurs: the reply leaves VPC B's host and finds no route.
    fn missing_route(&self) -> Vec<Run> {
        let connections = self.numbers(5).flat_map(|n| {
            let client = (CLIENT, client(self.interfaces[CLIENT].address, n));
            both_ends(client, (SERVER, self.end(SERVER, 9092)), flags::SYN, flags::SYN_ACK).into_iter().take(3)
        });
        connections.collect()
    }

    fn transit(&self) -> Vec<Run> {
        let server = Endpoint::new(Ipv4Addr::new(10, 2, 200, 40), 5432);
        self.numbers(3).map(|n| one(CLIENT, by_peering(self.request(CLIENT, n, server)))).collect()
    }

    fn blocked_egress(&self) -> Vec<Run> {
        let tries = self.numbers(2).map(|n| {
            let server = Endpoint::new(scenario_address(13, 10 + n as u8 % 4), 443);
            let own = client(self.interfaces[BLOCKED_EGRESS].address, n);
            one(BLOCKED_EGRESS, rejected(Direction::Egress, own, server))
        });
        tries.collect()
    }

    fn blocked_replies(&self) -> Vec<Run> {
        let server = self.end(BLOCKED_REPLY, 443);
        let flows = self.numbers(2).flat_map(|n| {
            let client = client(scenario_address(14, 10), n);
            let request = accepted(Direction::Ingress, flags::SYN, client, server);
            let reply = Flow { tcp_flags: flags::SYN_ACK, ..rejected(Direction::Egress, server, client) };
            [request, reply]
        });
        flows.map(|flow| one(BLOCKED_REPLY, flow)).collect()
    }

    fn rejected_by_peer(&self) -> Vec<Run> {
        let (client_interface, server_interface) = REJECTED_BY_PEER;
        let server = self.end(server_interface, 27_017);
        let requests = self.numbers(4).flat_map(|n| {
            let own = client(self.interfaces[client_interface].address, n);
            let sent = by_peering(self.request(client_interface, n, server));
            [one(client_interface, sent), one(server_interface, rejected(Direction::Ingress, own, server))]
        });
        requests.collect()
    }

    fn no_answer(&self) -> Vec<Run> {
        let server = Endpoint::new(Ipv4Addr::new(10, 0, 200, 80), 6379);
        let request = |n| Flow { traffic_path: Some(path::SAME_VPC), ..self.request(CLIENT, n, server) };
        self.numbers(3).map(|n| one(CLIENT, request(n))).collect()
    }

    fn repeated_rejects(&self) -> Vec<Run> {
        let source = Ipv4Addr::new(10, 3, 200, 30);
        self.numbers(12).map(|n| self.rejected(source, n, REPEATED_REJECTS, 9093)).collect()
    }

    /// Returns a request that leaves the interface, and is lost on its way.
    fn request(&self, interface: usize, n: u16, server: Endpoint) -> Flow {
        let own = client(self.interfaces[interface].address, n);
        accepted(Direction::Egress, flags::SYN, own, server)
    }
}

#[cfg(test)]
mod tests {
    use super::super::network;
    use super::*;

    #[test]
    fn the_documented_addresses_are_those_of_the_interfaces() {
        let interfaces = network::interfaces();
        for (hour, interface) in [
            ("01", SCANNED),
            ("06", HEALTH_CHECKED[0]),
            ("06", HEALTH_CHECKED[1]),
            ("09", CLIENT),
            ("09", SERVER),
            ("13", BLOCKED_EGRESS),
            ("14", BLOCKED_REPLY),
            ("16", REJECTED_BY_PEER.0),
            ("16", REJECTED_BY_PEER.1),
            ("22", REPEATED_REJECTS),
        ] {
            let row = include_str!("troubles.rs").lines().find(|line| line.starts_with(&format!("//! | {hour} |")));
            let address = interfaces[interface].address.to_string();
            assert!(row.is_some_and(|row| row.contains(&address)), "{hour}: {address}");
        }
    }

    #[test]
    fn each_trouble_has_its_hour() {
        let interfaces = network::interfaces();
        let records = |hour: u64| -> Vec<u64> {
            let objects = hour * OBJECTS_PER_HOUR..(hour + 1) * OBJECTS_PER_HOUR;
            objects.map(|object| runs(&interfaces, object).iter().map(|run| run.contents.len() as u64).sum()).collect()
        };
        let per_object: Vec<u64> = (0..24)
            .map(|hour| {
                let records = records(hour);
                assert!(
                    records.iter().all(|count| *count == records[0] && *count <= MAX_RECORDS),
                    "{hour}: {records:?}"
                );
                records[0]
            })
            .collect();
        let expected = [0, 2, 24, 0, 5, 0, 20, 0, 0, 15, 0, 3, 0, 2, 4, 0, 8, 0, 3, 0, 2, 0, 12, 0];
        assert_eq!(per_object, expected);
    }

    #[test]
    fn no_object_shows_the_slow_scan() {
        let interfaces = network::interfaces();
        let mut ports = Vec::new();
        for object in OBJECTS_PER_HOUR..2 * OBJECTS_PER_HOUR {
            let probed = runs(&interfaces, object).into_iter().map(|run| match run.contents[..] {
                [Content::Flow(flow)] => flow.dst.port,
                _ => panic!("a run of one flow"),
            });
            ports.push(probed.collect::<Vec<u16>>());
        }
        assert!(ports.iter().all(|ports| ports.len() == 2));
        assert_eq!(ports.concat(), SCANNED_PORTS);
    }
}
