//! The logged network and the external addresses. Nothing here depends on the seed.
//!
//! Account 123456789012 has four VPCs in us-east-1, peered in a row, A with B, B with C, C with D:
//!
//! | VPC | id | name | IPv4 | IPv6 |
//! | --- | --- | --- | --- | --- |
//! | A | `vpc-0a11ce5f3d7b90246` | shop | 10.0.0.0/16 | 2600:1f18:abcd::/56 |
//! | B | `vpc-0b0b5e1d97c3a8642` | shared | 10.1.0.0/16 | 2600:1f18:abcd:100::/56 |
//! | C | `vpc-0ca201b4f6d8e5973` | data | 10.2.0.0/16 | 2600:1f18:abcd:200::/56 |
//! | D | `vpc-0dada7c2e4f618b35` | platform | 10.3.0.0/16 | 2600:1f18:abcd:300::/56 |
//!
//! `--objects` and `--day` add two attachments of a transit gateway, in two zones of VPC A: A and D are not peered.
//!
//! In each VPC v the flow log covers three subnets, 10.v.1.0/24 to 10.v.3.0/24, with the 200 interfaces. The other
//! hosts, in 10.v.128.0/17, have no records of their own and occur only as peers of the interfaces.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::rng::{mix, pick_by};

pub const ACCOUNT_ID: &str = "123456789012";
pub const REGION: &str = "us-east-1";

pub const INTERFACES: u32 = 200;
/// Unlogged hosts of each VPC: 3,000 in the four VPCs.
pub const HOSTS_PER_VPC: u32 = 750;
pub const INTERNET_SERVERS: u32 = 20_000;
pub const INTERNET_CLIENTS: u32 = 300_000;
pub const SCANNERS: u32 = 40_000;

/// First octet of the public addresses of planted scenarios. Background traffic never uses it.
pub const SCENARIO_OCTET: u8 = 22;

pub struct Vpc {
    pub id: &'static str,
    pub name: &'static str,
    /// Indexes of its peers.
    pub peers: &'static [usize],
}

pub const VPCS: [Vpc; 4] = [
    Vpc { id: "vpc-0a11ce5f3d7b90246", name: "shop", peers: &[1] },
    Vpc { id: "vpc-0b0b5e1d97c3a8642", name: "shared", peers: &[0, 2] },
    Vpc { id: "vpc-0ca201b4f6d8e5973", name: "data", peers: &[1, 3] },
    Vpc { id: "vpc-0dada7c2e4f618b35", name: "platform", peers: &[2] },
];

/// The subnets of each VPC that are logged.
pub const SUBNETS_PER_VPC: usize = 3;

const AZ_IDS: [&str; SUBNETS_PER_VPC] = ["use1-az1", "use1-az2", "use1-az4"];

/// One of the network interfaces that the flow log covers.
pub struct Interface {
    pub id: String,
    /// Index of its VPC.
    pub vpc: usize,
    pub subnet_id: String,
    /// None for AWS services, such as NAT gateways and load balancers.
    pub instance_id: Option<String>,
    pub az_id: &'static str,
    pub address: Ipv4Addr,
    /// A third of the interfaces are dual-stack.
    pub ipv6_address: Option<Ipv6Addr>,
    pub is_nat_gateway: bool,
}

/// The interfaces, the busiest first.
pub fn interfaces() -> Vec<Interface> {
    (0..INTERFACES).map(interface).collect()
}

/// Index of the first attachment of the transit gateway.
pub const FIRST_ATTACHMENT: usize = INTERFACES as usize;

/// Returns the interfaces, followed by the attachments of the transit gateway.
pub fn interfaces_with_attachments() -> Vec<Interface> {
    let attachments = (0..2).map(|subnet| Interface {
        id: resource_id("eni", INTERFACES + subnet),
        vpc: 0,
        subnet_id: subnet_id(0, subnet as usize),
        instance_id: None,
        az_id: AZ_IDS[subnet as usize],
        address: Ipv4Addr::new(10, 0, octet(1 + subnet), 250),
        ipv6_address: None,
        is_nat_gateway: false,
    });
    interfaces().into_iter().chain(attachments).collect()
}

/// Interface n is the (n / 12)th in subnet n / 4 % 3 of VPC n % 4.
fn interface(number: u32) -> Interface {
    let vpc = number % 4;
    let subnet = number / 4 % 3;
    let is_nat_gateway = (4..8).contains(&number);
    let is_requester_managed = is_nat_gateway || number % 8 == 7;
    Interface {
        id: resource_id("eni", number),
        vpc: vpc as usize,
        subnet_id: subnet_id(vpc as usize, subnet as usize),
        instance_id: (!is_requester_managed).then(|| resource_id("i", number)),
        az_id: AZ_IDS[subnet as usize],
        address: Ipv4Addr::new(10, octet(vpc), octet(1 + subnet), octet(10 + number / 12 * 13)),
        ipv6_address: (number % 3 == 2 && !is_nat_gateway).then(|| interface_ipv6(vpc, subnet, number)),
        is_nat_gateway,
    }
}

pub fn subnet_id(vpc: usize, place: usize) -> String {
    resource_id("subnet", (vpc * SUBNETS_PER_VPC + place) as u32)
}

/// Returns the nth /64 of a VPC.
pub fn vpc_ipv6_network(vpc: usize, number: usize) -> Ipv6Addr {
    ipv6(ipv6_network(vpc as u32, number as u32), 0)
}

fn ipv6_network(vpc: u32, number: u32) -> u64 {
    0x2600_1f18_abcd_0000 | u64::from(vpc << 8 | number)
}

/// Returns an AWS resource id: a prefix and 17 hexadecimal digits. Resource types whose prefixes have the same length must
/// use different numbers.
pub fn resource_id(prefix: &str, number: u32) -> String {
    let kind = prefix.len() as u64;
    format!("{prefix}-0{:016x}", mix(kind << 32 | u64::from(number)))
}

fn octet(value: u32) -> u8 {
    u8::try_from(value).expect("the address plan keeps every octet below 256")
}

fn interface_ipv6(vpc: u32, subnet: u32, number: u32) -> Ipv6Addr {
    ipv6(ipv6_network(vpc, 1 + subnet), mix(u64::from(number)))
}

/// Returns an unlogged host of a VPC; ranks below [`HOSTS_PER_VPC`] give distinct addresses in 10.v.128.0/18.
pub fn vpc_host(vpc: usize, rank: u64) -> Ipv4Addr {
    let scattered = (rank * 7919 % (64 * 250)) as u32;
    let vpc = octet(vpc as u32);
    Ipv4Addr::new(10, vpc, octet(128 + scattered / 250), octet(4 + scattered % 250))
}

/// Populations of public addresses.
#[derive(Clone, Copy)]
pub enum Population {
    Servers,
    Clients,
    Scanners,
    /// Sources that occur once.
    Passers,
}

/// Returns the address with this rank in a population.
pub fn public_address(population: Population, rank: u64) -> Ipv4Addr {
    let mut bits = mix(rank ^ (population as u64) << 60);
    while !is_usable(bits as u32) {
        bits = mix(bits);
    }
    Ipv4Addr::from_bits(bits as u32)
}

/// Whether the block has only public addresses and does not belong to the scenarios.
fn is_usable(address: u32) -> bool {
    let first_octet = (address >> 24) as u8;
    !matches!(first_octet, 0 | 10 | 100 | 127 | 169 | 172 | 192 | 198 | 203 | SCENARIO_OCTET | 224..)
}

/// First octets of typical AWS addresses.
const AWS_OCTETS: [u8; 5] = [3, 18, 44, 52, 54];

/// Returns the AWS service of an internet server (the field's value), or None for two of three servers.
pub fn aws_service(rank: u64) -> Option<&'static str> {
    const SERVICES: [&str; 6] = ["AMAZON", "AMAZON", "S3", "EC2", "DYNAMODB", "CLOUDFRONT"];
    let index = mix(rank) % 18;
    SERVICES.get(index as usize).copied()
}

/// Returns the address of an internet server; servers of AWS services have AWS addresses.
pub fn server_address(rank: u64) -> Ipv4Addr {
    let address = public_address(Population::Servers, rank);
    if aws_service(rank).is_none() {
        return address;
    }
    let [first, second, third, fourth] = address.octets();
    Ipv4Addr::new(AWS_OCTETS[usize::from(first) % AWS_OCTETS.len()], second, third, fourth)
}

/// The first 32 bits of the IPv6 networks of servers and of clients.
const SERVER_IPV6_BLOCKS: [u32; 4] = [0x2a00_1450, 0x2606_4700, 0x2607_f8b0, 0x2a03_2880];
const CLIENT_IPV6_BLOCKS: [u32; 4] = [0x2409_8a00, 0x2a02_8108, 0x2804_14c0, 0x2601_0640];

pub fn server_ipv6(rank: u64) -> Ipv6Addr {
    // Servers have short addresses, such as 2606:4700:812::3c2.
    let bits = mix(rank);
    let network = u64::from(pick_by(bits, &SERVER_IPV6_BLOCKS)) << 32 | (bits >> 8 & 0xfff) << 16;
    ipv6(network, bits >> 20 & 0xfff)
}

pub fn client_ipv6(rank: u64) -> Ipv6Addr {
    let bits = mix(rank);
    let network = u64::from(pick_by(bits, &CLIENT_IPV6_BLOCKS)) << 32 | bits >> 32;
    ipv6(network, mix(bits))
}

fn ipv6(network: u64, host: u64) -> Ipv6Addr {
    Ipv6Addr::from_bits(u128::from(network) << 64 | u128::from(host))
}
