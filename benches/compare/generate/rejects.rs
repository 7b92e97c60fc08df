//! Background of rejected packets: scanners and misconfigured peers that keep retrying.

use std::net::Ipv4Addr;

use super::network::{self, HOSTS_PER_VPC, Interface, Population};
use super::record::{Direction, Endpoint, Flow, Service, TCP, UDP, flags};
use super::rng::{RandomStream, Zipf, mix, pick_by};

/// Percentage of scans from a source that occurs only once.
const PASSING_SCANS: u32 = 30;
const MISCONFIGURED_PEERS: u32 = 60;

/// Closed services that misconfigured peers request.
const UNSERVED: [Service; 8] =
    [(TCP, 3389), (TCP, 445), (TCP, 1433), (TCP, 9200), (TCP, 5671), (UDP, 161), (UDP, 514), (TCP, 27_017)];

const SCANNED: [Service; 20] = [
    (TCP, 22),
    (TCP, 23),
    (TCP, 2323),
    (TCP, 80),
    (TCP, 8080),
    (TCP, 3389),
    (TCP, 445),
    (TCP, 5555),
    (TCP, 81),
    (TCP, 8443),
    (TCP, 6379),
    (TCP, 1433),
    (TCP, 3306),
    (TCP, 5900),
    (TCP, 2375),
    (TCP, 9200),
    (UDP, 123),
    (UDP, 161),
    (UDP, 1900),
    (UDP, 5060),
];

pub struct RejectedFlows {
    scanners: Zipf,
    misconfigured_peers: Zipf,
}

impl RejectedFlows {
    pub fn new() -> Self {
        Self { scanners: Zipf::new(network::SCANNERS), misconfigured_peers: Zipf::new(MISCONFIGURED_PEERS) }
    }

    pub fn scan(&self, rng: &mut RandomStream, interface: &Interface) -> Flow {
        let rank = self.scanners.rank(rng);
        let source = if rng.chance(PASSING_SCANS, 100) {
            network::public_address(Population::Passers, rng.bits())
        } else {
            network::public_address(Population::Scanners, rank)
        };
        let (protocol, port) = scanned_service(rng, rank);
        let src = Endpoint::new(source, rng.port(1024, 65_535));
        let dst = Endpoint::new(interface.address, port);
        let packets = rng.weighted(&[(80, 1), (15, 2), (5, 3)]);
        let bytes_per_packet = rng.pick(&[40, 40, 44, 52, 60]);
        rejected(protocol, src, dst, packets, bytes_per_packet)
    }

    pub fn misconfigured_peer(&self, rng: &mut RandomStream, interfaces: &[Interface]) -> MisconfiguredPeer {
        MisconfiguredPeer::of_rank(self.misconfigured_peers.rank(rng), interfaces)
    }
}

/// Returns the scanner's favorite port, a well-known port, or any port.
fn scanned_service(rng: &mut RandomStream, scanner: u64) -> Service {
    match rng.below(100) {
        0..20 => pick_by(mix(scanner), &SCANNED),
        20..60 => rng.pick(&SCANNED),
        _ => (TCP, rng.port(1, 65_535)),
    }
}

/// A peer that requests a closed service of the interface: a host of its VPC or, one in six, an external host.
pub struct MisconfiguredPeer {
    /// Index of the interface.
    pub interface: usize,
    address: Ipv4Addr,
    protocol: u8,
    target: Endpoint,
}

impl MisconfiguredPeer {
    fn of_rank(rank: u64, interfaces: &[Interface]) -> Self {
        let scattered = mix(rank);
        let number = (scattered % interfaces.len() as u64) as usize;
        let interface = &interfaces[number];
        let address = if rank % 6 == 5 {
            network::public_address(Population::Clients, scattered)
        } else {
            network::vpc_host(interface.vpc, (scattered >> 40) % u64::from(HOSTS_PER_VPC))
        };
        let (protocol, port) = pick_by(scattered >> 32, &UNSERVED);
        Self { interface: number, address, protocol, target: Endpoint::new(interface.address, port) }
    }

    pub fn try_again(&self, rng: &mut RandomStream) -> Flow {
        let src = Endpoint::new(self.address, rng.ephemeral_port());
        rejected(self.protocol, src, self.target, rng.between(1, 6), 60)
    }
}

/// Returns the first packets of a connection that an interface rejects.
fn rejected(protocol: u8, src: Endpoint, dst: Endpoint, packets: u32, bytes_per_packet: u64) -> Flow {
    let tcp_flags = if protocol == TCP { flags::SYN } else { 0 };
    let refused = Flow::rejected(Direction::Ingress, protocol, tcp_flags, src, dst);
    Flow { packets, bytes: u64::from(packets) * bytes_per_packet, ..refused }
}
