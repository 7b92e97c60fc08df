//! The background of rejected packets: scanners, and misconfigured peers that try again and again.

use std::net::Ipv4Addr;

use super::dice::{Dice, Zipf, mix, pick_by};
use super::network::{self, HOSTS_PER_VPC, Interface, Population};
use super::record::{Direction, Endpoint, Flow, Service, TCP, UDP, flags};

/// Of 100 scans, those from a source that is never seen again.
const PASSING_SCANS: u32 = 30;
const MISCONFIGURED_PEERS: u32 = 60;

/// What the misconfigured peers ask for, and no one serves.
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

pub struct Rejects {
    scanners: Zipf,
    misconfigured_peers: Zipf,
}

impl Rejects {
    pub fn new() -> Self {
        Self { scanners: Zipf::new(network::SCANNERS), misconfigured_peers: Zipf::new(MISCONFIGURED_PEERS) }
    }

    pub fn scan(&self, dice: &mut Dice, interface: &Interface) -> Flow {
        let rank = self.scanners.rank(dice);
        let source = if dice.chance(PASSING_SCANS, 100) {
            network::public_address(Population::Passers, dice.bits())
        } else {
            network::public_address(Population::Scanners, rank)
        };
        let (protocol, port) = scanned_service(dice, rank);
        let src = Endpoint::new(source, dice.port(1024, 65_535));
        let dst = Endpoint::new(interface.address, port);
        let packets = dice.weighted(&[(80, 1), (15, 2), (5, 3)]);
        let bytes_per_packet = dice.pick(&[40, 40, 44, 52, 60]);
        refused(protocol, src, dst, packets, bytes_per_packet)
    }

    pub fn misconfigured_peer(&self, dice: &mut Dice, interfaces: &[Interface]) -> MisconfiguredPeer {
        MisconfiguredPeer::of_rank(self.misconfigured_peers.rank(dice), interfaces)
    }
}

/// What the scanner looks for always, or a well-known service, or anything.
fn scanned_service(dice: &mut Dice, scanner: u64) -> Service {
    match dice.below(100) {
        0..20 => pick_by(mix(scanner), &SCANNED),
        20..60 => dice.pick(&SCANNED),
        _ => (TCP, dice.port(1, 65_535)),
    }
}

/// A host of the interface's VPC, or for every sixth a stranger, that wants a service of the interface which is closed.
pub struct MisconfiguredPeer {
    /// The number of the interface.
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

    pub fn try_again(&self, dice: &mut Dice) -> Flow {
        let src = Endpoint::new(self.address, dice.ephemeral_port());
        refused(self.protocol, src, self.target, dice.between(1, 6), 60)
    }
}

/// The first packets of a connection that an interface does not let in.
fn refused(protocol: u8, src: Endpoint, dst: Endpoint, packets: u32, bytes_per_packet: u64) -> Flow {
    let tcp_flags = if protocol == TCP { flags::SYN } else { 0 };
    let refused = Flow::rejected(Direction::Ingress, protocol, tcp_flags, src, dst);
    Flow { packets, bytes: u64::from(packets) * bytes_per_packet, ..refused }
}
