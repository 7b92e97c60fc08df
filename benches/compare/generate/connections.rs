//! Background of accepted traffic: connections, each with a request and a reply.
//!
//! A NAT gateway records a connection twice, once per side. All cross-VPC traffic is between peered VPCs.

use std::net::{IpAddr, Ipv6Addr};

use super::network::{self, Interface, Population, VPCS};
use super::record::{Action, Direction, Endpoint, Flow, ICMP, ICMPV6, Service, TCP, UDP, flags, path};
use super::rng::{RandomStream, Zipf};

/// Two for each side of a NAT gateway.
pub const MAX_RECORDS_PER_CONNECTION: usize = 4;

/// IPv6 connections per 1,000 internet connections of a dual-stack interface; 5 % of the records.
const IPV6_CONNECTIONS: u32 = 260;

const INTERNET_SERVICES: [(u32, Service); 7] = [
    (66, (TCP, 443)),
    (14, (TCP, 80)),
    (6, (UDP, 443)),
    (5, (UDP, 53)),
    (3, (UDP, 123)),
    (4, (TCP, 22)),
    (2, (ICMP, 0)),
];

const INTERNAL_SERVICES: [(u32, Service); 9] = [
    (28, (TCP, 443)),
    (18, (TCP, 5432)),
    (12, (TCP, 3306)),
    (14, (TCP, 6379)),
    (10, (TCP, 8080)),
    (6, (TCP, 9092)),
    (4, (TCP, 2049)),
    (5, (UDP, 53)),
    (3, (ICMP, 0)),
];

/// Returns the service that clients on the internet get instead: hosts offer them HTTPS and nothing else, except for ICMP.
fn offered_to_internet((protocol, port): Service) -> Service {
    if protocol == ICMP { (protocol, port) } else { (protocol, 443) }
}

/// tcp-flags of the requests and of the replies of a connection within one capture window.
const TCP_STAGES: [(u32, (u8, u8)); 5] = [
    (48, (flags::SYN | flags::FIN, flags::SYN_ACK | flags::FIN)),
    (30, (0, 0)),
    (11, (flags::SYN, flags::SYN_ACK)),
    (8, (flags::FIN, flags::FIN)),
    (3, (flags::RST, 0)),
];

/// The peers of connections.
pub struct Connections {
    servers: Zipf,
    clients: Zipf,
    hosts: Zipf,
}

impl Connections {
    pub fn new() -> Self {
        Self {
            servers: Zipf::new(network::INTERNET_SERVERS),
            clients: Zipf::new(network::INTERNET_CLIENTS),
            hosts: Zipf::new(network::HOSTS_PER_VPC),
        }
    }

    /// Returns the records of one more connection at the interface.
    pub fn connection(&self, rng: &mut RandomStream, interface: &Interface) -> Vec<Flow> {
        if interface.is_nat_gateway {
            return self.through_nat_gateway(rng, interface);
        }
        match rng.below(100) {
            0..35 => self.with_internet_server(rng, interface),
            35..75 => self.with_internet_client(rng, interface),
            75..90 => {
                let peer = rng.pick(VPCS[interface.vpc].peers);
                self.with_vpc_host(rng, interface, peer, path::PEERING)
            }
            _ => self.with_vpc_host(rng, interface, interface.vpc, path::SAME_VPC),
        }
    }

    fn with_internet_server(&self, rng: &mut RandomStream, interface: &Interface) -> Vec<Flow> {
        let rank = self.servers.rank(rng);
        let service = rng.weighted(&INTERNET_SERVICES);
        if let Some(own) = ipv6_of(rng, interface) {
            let (client, server) = endpoints(rng, own, network::server_ipv6(rank), service);
            let connection = Connection::new(rng, ipv6_protocol(service.0));
            return connection.flows(client, server, Logged::Client, path::INTERNET_GATEWAY).into();
        }
        let (client, server) = endpoints(rng, interface.address, network::server_address(rank), service);
        let server = Endpoint { aws_service: network::aws_service(rank), ..server };
        let connection = Connection::new(rng, service.0);
        connection.flows(client, server, Logged::Client, path_to(server)).into()
    }

    fn with_internet_client(&self, rng: &mut RandomStream, interface: &Interface) -> Vec<Flow> {
        let rank = self.clients.rank(rng);
        let service = offered_to_internet(rng.weighted(&INTERNET_SERVICES));
        let (ends, protocol) = if let Some(own) = ipv6_of(rng, interface) {
            let ends = endpoints(rng, network::client_ipv6(rank), own, service);
            (ends, ipv6_protocol(service.0))
        } else {
            let client = network::public_address(Population::Clients, rank);
            (endpoints(rng, client, interface.address, service), service.0)
        };
        let connection = Connection::new(rng, protocol);
        connection.flows(ends.0, ends.1, Logged::Server, path::INTERNET_GATEWAY).into()
    }

    /// Either end may be the client.
    fn with_vpc_host(&self, rng: &mut RandomStream, interface: &Interface, vpc: usize, path: u8) -> Vec<Flow> {
        let host = network::vpc_host(vpc, self.hosts.rank(rng));
        let own = interface.address;
        let service = rng.weighted(&INTERNAL_SERVICES);
        let (client, server, logged) =
            if rng.chance(1, 2) { (own, host, Logged::Client) } else { (host, own, Logged::Server) };
        let (client, server) = endpoints(rng, client, server, service);
        Connection::new(rng, service.0).flows(client, server, logged, path).into()
    }

    /// A host sends a request through the gateway, which uses its own port towards the server; both directions have replies.
    fn through_nat_gateway(&self, rng: &mut RandomStream, gateway: &Interface) -> Vec<Flow> {
        let rank = self.servers.rank(rng);
        let service = rng.weighted(&INTERNET_SERVICES);
        let host = network::vpc_host(gateway.vpc, self.hosts.rank(rng));
        let server = network::server_address(rank);
        let aws_service = network::aws_service(rank);

        let (inner_client, inner_server) = endpoints(rng, host, gateway.address, service);
        let inner_server = Endpoint { packet_address: server.into(), aws_service, ..inner_server };
        let (outer_client, outer_server) = endpoints(rng, gateway.address, server, service);
        let outer_server = Endpoint { aws_service, ..outer_server };

        let connection = Connection::new(rng, service.0);
        let inner = connection.flows(inner_client, inner_server, Logged::Server, path::SAME_VPC);
        let outer = connection.flows(outer_client, outer_server, Logged::Client, path_to(outer_server));
        [inner, outer].concat()
    }
}

/// Returns the interface's IPv6 address, if it has one and this connection uses it.
fn ipv6_of(rng: &mut RandomStream, interface: &Interface) -> Option<Ipv6Addr> {
    interface.ipv6_address.filter(|_| rng.chance(IPV6_CONNECTIONS, 1000))
}

fn ipv6_protocol(protocol: u8) -> u8 {
    if protocol == ICMP { ICMPV6 } else { protocol }
}

/// Returns both endpoints with their ports; flow logs write port 0 for ICMP.
fn endpoints<A: Into<IpAddr>>(rng: &mut RandomStream, client: A, server: A, service: Service) -> (Endpoint, Endpoint) {
    let (protocol, port) = service;
    let client_port = if protocol == ICMP { 0 } else { rng.ephemeral_port() };
    (Endpoint::new(client, client_port), Endpoint::new(server, port))
}

fn path_to(server: Endpoint) -> u8 {
    match server.aws_service {
        Some("S3" | "DYNAMODB") => path::GATEWAY_ENDPOINT,
        _ => path::INTERNET_GATEWAY,
    }
}

/// The volume of a connection within one capture window.
struct Connection {
    protocol: u8,
    requests: Volume,
    replies: Volume,
}

struct Volume {
    tcp_flags: u8,
    packets: u32,
    bytes: u64,
}

/// The end of a connection whose interface records it.
#[derive(Clone, Copy)]
enum Logged {
    Client,
    Server,
}

impl Connection {
    fn new(rng: &mut RandomStream, protocol: u8) -> Self {
        let (max_exponent, (request_flags, reply_flags)) = match protocol {
            TCP => (14, rng.weighted(&TCP_STAGES)),
            _ => (6, (0, 0)),
        };
        // A new connection has at least a SYN, an ACK and a request.
        let opening = if request_flags & flags::SYN == 0 { 0 } else { 3 };
        let requests = opening + rng.heavy_tailed(max_exponent);
        let replies = requests + rng.below(requests);
        Self {
            protocol,
            requests: Volume::new(rng, request_flags, requests, 200),
            replies: Volume::new(rng, reply_flags, replies, 1400),
        }
    }

    /// Returns the request and the reply; `traffic_path` belongs to the one that leaves the interface.
    fn flows(&self, client: Endpoint, server: Endpoint, logged: Logged, traffic_path: u8) -> [Flow; 2] {
        let (request_path, reply_path) = match logged {
            Logged::Client => (Some(traffic_path), None),
            Logged::Server => (None, Some(traffic_path)),
        };
        [
            self.requests.flow(self.protocol, client, server, request_path),
            self.replies.flow(self.protocol, server, client, reply_path),
        ]
    }
}

impl Volume {
    /// Draws a volume; the average packet size is between 40 bytes (a bare ACK) and `most_bytes`.
    fn new(rng: &mut RandomStream, tcp_flags: u8, packets: u32, most_bytes: u32) -> Self {
        let headers = u64::from(packets) * 40;
        let most_payload = u64::from(packets) * u64::from(most_bytes - 40);
        Self { tcp_flags, packets, bytes: headers + rng.below_u64(most_payload) }
    }

    fn flow(&self, protocol: u8, src: Endpoint, dst: Endpoint, egress_path: Option<u8>) -> Flow {
        Flow {
            src,
            dst,
            protocol,
            tcp_flags: self.tcp_flags,
            packets: self.packets,
            bytes: self.bytes,
            action: Action::Accept,
            direction: egress_path.map_or(Direction::Ingress, |_| Direction::Egress),
            traffic_path: egress_path,
        }
    }
}
