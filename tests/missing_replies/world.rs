//! Random traffic in a random network, of which every connection has its reply.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::network::{Block, INTERFACES, Network, interface_id, network, subnet_id, vpc_id};
use crate::records::{Columns, Record, log};

pub const TCP: u8 = 6;
/// FIN, SYN, RST, and ACK.
const EVALUATED_FLAGS: u8 = 0b1_0111;
const SYN: u8 = 2;

/// One end of a connection.
#[derive(Debug, Clone)]
enum End {
    Vpc {
        vpc: Index,
        block: Block,
        net: u8,
    },
    Public,
    /// In no known VPC.
    Private,
}

/// Where and how a record is logged.
#[derive(Debug, Clone)]
struct Entry {
    interface: Index,
    input: Index,
    flags: Option<u8>,
    path: Option<u8>,
    has_direction: bool,
}

/// What one VPC records of a connection.
#[derive(Debug, Clone)]
struct Side {
    requests: Vec<Entry>,
    replies: Vec<Entry>,
    /// Rejected records in the direction of the requests, or of the replies.
    rejected: Vec<(Entry, bool)>,
}

/// Which VPCs record a connection.
#[derive(Debug, Clone)]
enum Recorders {
    Client,
    Server,
    Both,
    /// Any one, also the VPC that the topology does not have.
    Any(Index),
}

#[derive(Debug, Clone)]
struct Connection {
    client: End,
    server: End,
    is_ipv6: bool,
    protocol: u8,
    dstport: u16,
    recorders: Recorders,
    sides: [Side; 2],
    /// Whether only flags show the replies. They can if the protocol and the inputs have flags.
    is_shown_by_flags: bool,
}

/// Which replies of the lost connection are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    Nothing,
    /// Those that the client's VPC would record.
    AtClient,
    Everywhere,
}

/// Connections in a network, and the inputs that have their records.
#[derive(Clone)]
pub struct World {
    pub network: Network,
    pub inputs: Vec<Columns>,
    connections: Vec<Connection>,
    /// A connection from an address that is in one VPC alone, whose requests show no reply. It can lose its replies.
    lost: Connection,
}

/// A record, its input, and where it was recorded.
#[derive(Debug, Clone)]
pub struct Logged {
    pub input: usize,
    pub record: Record,
    pub vpc: usize,
    pub interface: usize,
    /// The address that the interface has.
    pub local: IpAddr,
    pub is_reply: bool,
    /// Whether it is a request of the lost connection without a reply.
    pub is_lost: bool,
}

fn entry(flags: impl Strategy<Value = Option<u8>>) -> impl Strategy<Value = Entry> {
    let path = prop_oneof![3 => Just(None), 2 => (1u8..=8).prop_map(Some)];
    (any::<(Index, Index)>(), flags, path, prop::bool::weighted(0.8)).prop_map(
        |((interface, input), flags, path, has_direction)| Entry { interface, input, flags, path, has_direction },
    )
}

fn any_flags() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![Just(None), Just(Some(SYN)), (0u8..64).prop_map(Some)]
}

/// Generates flags that show no reply: SYN, with bits that are not evaluated.
fn syn_flags() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![1 => Just(None), 4 => any::<u8>().prop_map(|bits| Some(bits & !EVALUATED_FLAGS | SYN))]
}

fn side() -> impl Strategy<Value = Side> {
    let entries = || prop::collection::vec(entry(any_flags()), 1..=3);
    let rejected = prop::collection::vec((entry(any_flags()), any::<bool>()), 0..=1);
    (entries(), entries(), rejected).prop_map(|(requests, replies, rejected)| Side { requests, replies, rejected })
}

fn end() -> impl Strategy<Value = End> {
    let block = select(&[Block::Main, Block::Second, Block::Second, Block::Unique][..]);
    let in_vpc = (any::<Index>(), block, 0u8..4).prop_map(|(vpc, block, net)| End::Vpc { vpc, block, net });
    prop_oneof![8 => in_vpc, 1 => Just(End::Public), 1 => Just(End::Private)]
}

fn connection() -> impl Strategy<Value = Connection> {
    let recorders = prop_oneof![
        3 => Just(Recorders::Client),
        2 => Just(Recorders::Server),
        3 => Just(Recorders::Both),
        1 => any::<Index>().prop_map(Recorders::Any),
    ];
    let protocol = select(&[TCP, TCP, TCP, 17, 1][..]);
    let dstport = select(&[22u16, 443, 5432, 40_000][..]);
    let ends = (end(), end(), prop::bool::weighted(0.2));
    (ends, protocol, dstport, recorders, [side(), side()], any::<bool>()).prop_map(
        |((client, server, is_ipv6), protocol, dstport, recorders, sides, is_shown_by_flags)| {
            let dstport = if protocol == 1 { 0 } else { dstport };
            Connection { client, server, is_ipv6, protocol, dstport, recorders, sides, is_shown_by_flags }
        },
    )
}

/// Generates a connection that is unanswered without its replies.
fn lost_connection() -> impl Strategy<Value = Connection> {
    let unique = || any::<Index>().prop_map(|vpc| End::Vpc { vpc, block: Block::Unique, net: 7 });
    let server = prop_oneof![6 => unique(), 1 => Just(End::Public), 1 => Just(End::Private)];
    let requests = || prop::collection::vec(entry(syn_flags()), 1..=4);
    (connection(), unique(), server, requests(), requests(), any::<bool>()).prop_map(
        |(connection, client, server, here, there, is_logged_twice)| {
            let [mut first, mut second] = connection.sides;
            (first.requests, second.requests) = (here, there);
            (first.rejected, second.rejected) = (Vec::new(), Vec::new());
            let recorders = if is_logged_twice { Recorders::Both } else { Recorders::Client };
            let (protocol, dstport, is_shown_by_flags) = (TCP, 8443, false);
            let sides = [first, second];
            Connection { client, server, protocol, dstport, recorders, sides, is_shown_by_flags, ..connection }
        },
    )
}

/// Generates networks with up to eight connections, logged into one to four inputs.
pub fn world() -> impl Strategy<Value = World> {
    let columns = select(&[Columns::Version2, Columns::Version5, Columns::WithoutVpc][..]);
    let inputs = prop::collection::vec(columns, 1..=4);
    (network(), inputs, prop::collection::vec(connection(), 0..=7), lost_connection())
        .prop_map(|(network, inputs, connections, lost)| World { network, inputs, connections, lost })
}

impl fmt::Debug for World {
    /// Writes the topology and the logs, which show a failure better than the random choices.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.network.document(&self.owned_addresses()))?;
        for missing in [Missing::Nothing, Missing::AtClient] {
            writeln!(f, "Missing replies: {missing:?}")?;
            let records = self.records(missing);
            for (number, columns) in self.inputs.iter().enumerate() {
                let records = records.iter().filter(|logged| logged.input == number).map(|logged| &logged.record);
                writeln!(f, "{}", String::from_utf8_lossy(&log(*columns, records)))?;
            }
        }
        Ok(())
    }
}

impl World {
    /// Returns the records of all connections.
    pub fn records(&self, missing: Missing) -> Vec<Logged> {
        let mut records = Vec::new();
        for (number, connection) in (0..).zip(&self.connections) {
            self.log_connection(connection, number, Missing::Nothing, &mut records);
        }
        self.log_connection(&self.lost, 100, missing, &mut records);
        records
    }

    /// Returns client and server of the lost connection: VPC and address.
    pub fn lost_ends(&self) -> [(Option<usize>, IpAddr); 2] {
        self.ends(&self.lost, 100)
    }

    /// Returns the addresses of the interfaces: the local ends of the records.
    pub fn owned_addresses(&self) -> BTreeSet<(usize, usize, IpAddr)> {
        let mut owned = BTreeSet::new();
        for Logged { vpc, interface, local, .. } in self.records(Missing::Nothing) {
            owned.insert((vpc, interface, local));
        }
        owned
    }

    /// Returns the VPC, if it is one, and the address of both ends.
    fn ends(&self, connection: &Connection, number: u8) -> [(Option<usize>, IpAddr); 2] {
        let client_vpc = match &connection.client {
            End::Vpc { vpc, .. } => Some(vpc.index(self.network.len())),
            End::Public | End::Private => None,
        };
        let end = |end: &End, host: u8| match (end, connection.is_ipv6) {
            (End::Vpc { vpc, block, net }, is_ipv6) => {
                // The lost connection goes to another VPC.
                let vpc = match (number, client_vpc) {
                    (100, Some(client)) if host > 200 => self.network.other(client, vpc),
                    _ => vpc.index(self.network.len()),
                };
                (Some(vpc), self.network.address(vpc, *block, is_ipv6, (*net, host)))
            }
            (End::Public, false) => (None, IpAddr::from([81, 2, 69, host])),
            (End::Public, true) => (None, IpAddr::from([0x2600, 0, 0, 0, 0, 0, 0, u16::from(host)])),
            (End::Private, false) => (None, IpAddr::from([192, 168, 7, host])),
            (End::Private, true) => (None, IpAddr::from([0xfd99, 0, 0, 0, 0, 0, 0, u16::from(host)])),
        };
        [end(&connection.client, 1 + number), end(&connection.server, 201 + number % 50)]
    }

    fn log_connection(&self, connection: &Connection, number: u8, missing: Missing, records: &mut Vec<Logged>) {
        let [client, server] = self.ends(connection, number);
        let elsewhere = self.network.len();
        let sides = match &connection.recorders {
            Recorders::Client => vec![client.0.or(server.0).unwrap_or(elsewhere)],
            Recorders::Server => vec![server.0.or(client.0).unwrap_or(elsewhere)],
            Recorders::Both if client.0 == server.0 => vec![client.0.unwrap_or(elsewhere)],
            Recorders::Both => client.0.into_iter().chain(server.0).collect(),
            Recorders::Any(vpc) => vec![vpc.index(elsewhere + 1)],
        };
        for (index, (vpc, side)) in sides.into_iter().zip(&connection.sides).enumerate() {
            let is_lost = missing == Missing::Everywhere || missing == Missing::AtClient && index == 0;
            let first = records.len();
            let of_client = client.0 == Some(vpc);
            self.log_side(connection, side, (vpc, of_client, [client.1, server.1], number), records);
            self.use_one_interface_if_needed(&mut records[first..]);
            if is_lost {
                // Removed at the end, so that the other records are the same with and without them.
                let replies = records.split_off(first).into_iter().filter(|logged| !logged.is_reply);
                records.extend(replies.map(|request| Logged { is_lost, ..request }));
            }
        }
    }

    /// Adds the records of one VPC. Each record has a reply there.
    fn log_side(
        &self,
        connection: &Connection,
        side: &Side,
        (vpc, of_client, [client, server], number): (usize, bool, [IpAddr; 2], u8),
        records: &mut Vec<Logged>,
    ) {
        let srcport = if connection.protocol == 1 { 0 } else { 50_000 + u16::from(number) };
        let ends = [SocketAddr::new(client, srcport), SocketAddr::new(server, connection.dstport)];
        let has_flags = |entry: &Entry| self.inputs[entry.input.index(self.inputs.len())].has_flags();
        let by_flags =
            connection.is_shown_by_flags && connection.protocol == TCP && side.requests.iter().all(has_flags);
        let mut log = |entry: &Entry, is_reply: bool, action| {
            let [src, dst] = if is_reply { [ends[1], ends[0]] } else { ends };
            let direction = if of_client == is_reply { "ingress" } else { "egress" };
            let interface = entry.interface.index(INTERFACES);
            let flags = entry.flags.filter(|_| connection.protocol == TCP);
            records.push(Logged {
                input: entry.input.index(self.inputs.len()),
                record: Record {
                    src,
                    dst,
                    protocol: connection.protocol,
                    action,
                    flags: if by_flags { Some(answered_flags(flags.unwrap_or_default())) } else { flags },
                    direction: entry.has_direction.then_some(direction),
                    path: entry.path.filter(|_| !is_reply),
                    vpc: Some(vpc_id(vpc)),
                    subnet: Some(subnet_id(vpc, interface)),
                    ..Record::new(&interface_id(vpc, interface), "0.0.0.0:0", "0.0.0.0:0")
                },
                vpc,
                interface,
                local: if of_client { client } else { server },
                is_reply,
                is_lost: false,
            });
        };
        side.requests.iter().for_each(|entry| log(entry, false, "ACCEPT"));
        if !by_flags {
            side.replies.iter().for_each(|entry| log(entry, true, "ACCEPT"));
            side.rejected.iter().for_each(|(entry, is_reply)| log(entry, *is_reply, "REJECT"));
        }
    }

    /// Moves the records to the interface of the first one if the own VPC of one is unknown: then only a record at the same
    /// interface is a reply.
    fn use_one_interface_if_needed(&self, records: &mut [Logged]) {
        let is_known = |logged: &Logged| {
            let has_vpc_id = self.inputs[logged.input] == Columns::Version5;
            has_vpc_id || self.network.knows_interface(logged.vpc, logged.interface)
        };
        let Some(interface) = records.first().map(|logged| logged.interface) else { return };
        if !records.iter().all(is_known) {
            for logged in records {
                logged.interface = interface;
                logged.record.interface = interface_id(logged.vpc, interface);
                logged.record.subnet = Some(subnet_id(logged.vpc, interface));
            }
        }
    }
}

/// Changes flags that show a SYN and nothing else.
fn answered_flags(flags: u8) -> u8 {
    if flags & EVALUATED_FLAGS == SYN { flags | 1 } else { flags }
}
