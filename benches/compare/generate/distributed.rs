//! Connections whose records are not in one place, as in real logs: AWS delivers a flow log in many objects, and a packet passes several
//! interfaces. A program that reads each object by itself, or each interface, takes them for unanswered.
//!
//! Each object of `--objects` and `--day` has these records, which depend neither on the seed nor on the number of records. Object n
//! has the connections that begin in it, and the rest of those that began in the three objects before:
//!
//! | connections in each object | src → dst | records |
//! | --- | --- | --- |
//! | 4 that are split over four objects | interface 12 (VPC A) → 10.1.200.10 (VPC B), TCP 8443, by peering | object n: the request with SYN. n + 1: the reply with SYN and ACK. n + 2: packets of the middle, without flags, of the client if the connection's number is even, else of the server. n + 3: both directions with FIN |
//! | 3 whose replies come in by another interface | 10.0.200.50 (VPC A) → 10.3.200.60 (VPC D), TCP 443, by transit gateway | the request at the attachment in one zone (interface 200), the reply at that in another (201) |
//! | 2 of each pair of peered VPCs, logged at both ends | 12 → 41 (A to B), 13 → 42 (B to C), 14 → 43 (C to D), TCP 5432 | request and reply at the client's interface, and both at the server's |
//!
//! Each connection has a client port of its own, except after 10,000 connections of a kind: see [`client_port`].

use std::net::Ipv4Addr;

use super::network::{FIRST_ATTACHMENT, Interface, VPCS};
use super::record::{Content, Direction, Endpoint, Flow, Run, flags, path};
use super::scenarios::accepted;

pub const SPLIT_CONNECTIONS: u64 = 4;
const SPLIT_CLIENT: usize = 12;
const SPLIT_SERVER: Ipv4Addr = Ipv4Addr::new(10, 1, 200, 10);
/// Objects over which a connection is split.
const STAGES: u64 = 4;

const DETOURS: u64 = 3;
const DETOUR_CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 200, 50);
const DETOUR_SERVER: Ipv4Addr = Ipv4Addr::new(10, 3, 200, 60);

const LOGGED_TWICE: u64 = 2;
/// Interfaces of the client and of the server, in peered VPCs.
const LOGGED_PAIRS: [(usize, usize); 3] = [(12, 41), (13, 42), (14, 43)];

/// Returns the runs of an object, given its position among all objects.
pub fn runs(interfaces: &[Interface], object: u64) -> Vec<Run> {
    let mut runs = split(interfaces, object);
    runs.extend(detours(object));
    runs.extend(LOGGED_PAIRS.iter().flat_map(|pair| logged_twice(interfaces, *pair, object)));
    runs
}

/// Returns the port of the nth client of a kind.
fn client_port(number: u64) -> u16 {
    50_000 + (number % 10_000) as u16
}

fn split(interfaces: &[Interface], object: u64) -> Vec<Run> {
    let mut flows = Vec::new();
    for stage in (0..STAGES).filter(|stage| *stage <= object) {
        for nth in 0..SPLIT_CONNECTIONS {
            let number = (object - stage) * SPLIT_CONNECTIONS + nth;
            let client = Endpoint::new(interfaces[SPLIT_CLIENT].address, client_port(number));
            let server = Endpoint::new(SPLIT_SERVER, 8443);
            let request = |tcp_flags| by_peering(accepted(Direction::Egress, tcp_flags, client, server));
            let reply = |tcp_flags| accepted(Direction::Ingress, tcp_flags, server, client);
            match stage {
                0 => flows.push(request(flags::SYN)),
                1 => flows.push(reply(flags::SYN_ACK)),
                2 if number.is_multiple_of(2) => flows.push(request(0)),
                2 => flows.push(reply(0)),
                _ => flows.extend([request(flags::FIN), reply(flags::FIN)]),
            }
        }
    }
    flows.into_iter().map(|flow| one(SPLIT_CLIENT, flow)).collect()
}

/// The attachment of a transit gateway receives what leaves the VPC: a request is ingress there, and a reply egress.
fn detours(object: u64) -> Vec<Run> {
    let flows = (0..DETOURS).flat_map(|nth| {
        let client = Endpoint::new(DETOUR_CLIENT, client_port(object * DETOURS + nth));
        let server = Endpoint::new(DETOUR_SERVER, 443);
        let request = accepted(Direction::Ingress, flags::SYN | flags::FIN, client, server);
        // Records have no traffic-path for transit gateways.
        let reply = accepted(Direction::Egress, flags::SYN_ACK | flags::FIN, server, client);
        [(FIRST_ATTACHMENT, request), (FIRST_ATTACHMENT + 1, Flow { traffic_path: None, ..reply })]
    });
    flows.map(|(interface, flow)| one(interface, flow)).collect()
}

fn logged_twice(interfaces: &[Interface], (client, server): (usize, usize), object: u64) -> Vec<Run> {
    assert!(VPCS[interfaces[client].vpc].peers.contains(&interfaces[server].vpc), "the pairs are of peered VPCs");
    let connections = (0..LOGGED_TWICE).flat_map(|nth| {
        let port = client_port(object * LOGGED_TWICE + nth);
        let ends = (Endpoint::new(interfaces[client].address, port), Endpoint::new(interfaces[server].address, 5432));
        both_ends((client, ends.0), (server, ends.1), flags::SYN | flags::FIN, flags::SYN_ACK | flags::FIN)
    });
    connections.collect()
}

/// Returns the four runs of a connection over a peering connection: request and reply, at both ends. An end is an interface and its
/// endpoint.
pub fn both_ends(client: (usize, Endpoint), server: (usize, Endpoint), request: u8, reply: u8) -> [Run; 4] {
    let flow = |direction, tcp_flags, src, dst| by_peering(accepted(direction, tcp_flags, src, dst));
    [
        one(client.0, flow(Direction::Egress, request, client.1, server.1)),
        one(server.0, flow(Direction::Ingress, request, client.1, server.1)),
        one(server.0, flow(Direction::Egress, reply, server.1, client.1)),
        one(client.0, flow(Direction::Ingress, reply, server.1, client.1)),
    ]
}

/// Returns a flow with the traffic-path of a peering connection, if it leaves the interface.
pub fn by_peering(flow: Flow) -> Flow {
    Flow { traffic_path: flow.traffic_path.map(|_| path::PEERING), ..flow }
}

/// Returns a run of one record.
pub fn one(interface: usize, flow: Flow) -> Run {
    Run { interface, contents: vec![Content::Flow(flow)] }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::IpAddr;

    use super::super::network;
    use super::*;

    type Ends = ((IpAddr, u16), (IpAddr, u16));

    /// A record, with its source and its destination.
    struct Sent {
        interface: usize,
        ends: Ends,
        tcp_flags: u8,
    }

    fn records(object: u64) -> Vec<Sent> {
        let interfaces = network::interfaces_with_attachments();
        let flows = runs(&interfaces, object).into_iter().map(|run| {
            let [Content::Flow(flow)] = run.contents[..] else { panic!("a run of one flow") };
            let ends = ((flow.src.address, flow.src.port), (flow.dst.address, flow.dst.port));
            Sent { interface: run.interface, ends, tcp_flags: flow.tcp_flags }
        });
        flows.collect()
    }

    fn reversed((src, dst): Ends) -> Ends {
        (dst, src)
    }

    #[test]
    fn a_split_connection_continues_in_the_next_objects() {
        let is_opened = |sent: &Sent| sent.ends.1 == (SPLIT_SERVER.into(), 8443) && sent.tcp_flags == flags::SYN;
        let opened: Vec<Ends> = records(7).into_iter().filter(is_opened).map(|sent| sent.ends).collect();
        assert_eq!(opened.len() as u64, SPLIT_CONNECTIONS);
        for request in opened {
            let stage = |object| -> Vec<(bool, u8)> {
                let sent =
                    records(object).into_iter().filter(|sent| [sent.ends, reversed(sent.ends)].contains(&request));
                sent.map(|sent| (sent.ends == request, sent.tcp_flags)).collect()
            };
            let (_, client_port) = request.0;
            assert_eq!(stage(8), [(false, flags::SYN_ACK)]);
            assert_eq!(stage(9), [(client_port.is_multiple_of(2), 0)]);
            assert_eq!(stage(10), [(true, flags::FIN), (false, flags::FIN)]);
            assert_eq!((stage(6), stage(11)), (vec![], vec![]));
        }
    }

    #[test]
    fn a_detour_is_answered_at_another_interface() {
        let interfaces = network::interfaces_with_attachments();
        let (request, reply) = (&interfaces[FIRST_ATTACHMENT], &interfaces[FIRST_ATTACHMENT + 1]);
        assert_eq!(request.vpc, reply.vpc);
        assert_ne!(request.az_id, reply.az_id);
        let records = records(3);
        let requests: Vec<&Sent> = records.iter().filter(|sent| sent.ends.1.0 == IpAddr::from(DETOUR_SERVER)).collect();
        assert_eq!(requests.len() as u64, DETOURS);
        for request in requests {
            let replies = records.iter().filter(|reply| reply.ends == reversed(request.ends));
            let at: Vec<usize> = replies.map(|reply| reply.interface).collect();
            assert_eq!((request.interface, &at[..]), (FIRST_ATTACHMENT, &[FIRST_ATTACHMENT + 1][..]));
        }
    }

    #[test]
    fn flows_between_vpcs_are_logged_at_both_ends() {
        let mut interfaces: HashMap<Ends, Vec<usize>> = HashMap::new();
        for sent in records(5).into_iter().filter(|sent| sent.ends.0.1 == 5432 || sent.ends.1.1 == 5432) {
            interfaces.entry(sent.ends).or_default().push(sent.interface);
        }
        assert_eq!(interfaces.len() as u64, 2 * LOGGED_TWICE * LOGGED_PAIRS.len() as u64);
        assert!(interfaces.values().all(|at| at.len() == 2 && at[0] != at[1]), "{interfaces:?}");
    }
}
