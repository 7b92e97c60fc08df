//! Random networks: VPCs with overlapping blocks, peering connections of any status, interfaces, and routes.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use flowsentry::topology::Topology;
use flowsentry::topology::describe_output::Resources;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// Number of interfaces of each VPC.
pub const INTERFACES: usize = 3;

const STATUSES: &[&str] = &["active", "active", "active", "pending-acceptance", "deleted", "rejected", "provisioning"];

/// A block of a VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    /// Of this VPC. Others may have a part of it.
    Main,
    /// Of this VPC alone.
    Unique,
    /// The second block, which overlaps with another VPC's. Without one, the main block.
    Second,
}

/// The second block of a VPC.
#[derive(Debug, Clone)]
enum Overlap {
    None,
    /// A block that all such VPCs have.
    Shared,
    /// A part of another VPC's main block.
    Inside(Index),
}

#[derive(Debug, Clone)]
struct Vpc {
    overlap: Overlap,
    /// Which interfaces the topology has.
    known: [bool; INTERFACES],
    /// The route table of each interface's subnet.
    tables: [Table; INTERFACES],
}

/// The route table of a subnet.
#[derive(Debug, Clone, Copy)]
enum Table {
    Main,
    /// A table without routes to peers.
    Empty,
    /// A table in which other peers come first than in the main table.
    Reversed,
}

#[derive(Debug, Clone)]
struct Link {
    ends: (Index, Index),
    status: &'static str,
}

/// VPCs and the connections between them. One further VPC records traffic, too, but the topology does not have it.
#[derive(Debug, Clone)]
pub struct Network {
    vpcs: Vec<Vpc>,
    links: Vec<Link>,
    has_routes: bool,
    /// Whether the first VPC is peered with the second and the third, which have the same block: only routes tell them apart.
    is_hub: bool,
}

/// Relation between two VPCs, by a direct reading of the connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relation {
    /// Active connection with the least id.
    Peered(String),
    Inactive,
    CommonPeer,
    None,
}

/// Generates networks of two to four VPCs.
pub fn network() -> impl Strategy<Value = Network> {
    let overlap = prop_oneof![Just(Overlap::None), Just(Overlap::Shared), any::<Index>().prop_map(Overlap::Inside)];
    let table = || select(&[Table::Main, Table::Empty, Table::Reversed][..]);
    let vpc = (overlap, any::<[bool; INTERFACES]>(), [table(), table(), table()]);
    let vpc = vpc.prop_map(|(overlap, known, tables)| Vpc { overlap, known, tables }).boxed();
    let link = (any::<(Index, Index)>(), select(STATUSES)).prop_map(|(ends, status)| Link { ends, status });
    let counts = prop_oneof![1 => Just(2usize), 3 => Just(3), 3 => Just(4)];
    let vpcs = counts.prop_flat_map(move |count| prop::collection::vec(vpc.clone(), count));
    let chance = prop::bool::weighted;
    (vpcs, prop::collection::vec(link, 0..=5), chance(0.75), chance(0.5)).prop_map(
        |(mut vpcs, links, has_routes, is_hub)| {
            if let ([_, left, right, ..], true) = (&mut vpcs[..], is_hub) {
                (left.overlap, right.overlap) = (Overlap::Shared, Overlap::Shared);
            }
            Network { vpcs, links, has_routes, is_hub }
        },
    )
}

impl Network {
    /// Returns the number of VPCs in the topology. A VPC is a number below it; the number itself is the further VPC.
    pub fn len(&self) -> usize {
        self.vpcs.len()
    }

    /// Returns whether the topology has an interface of a VPC.
    pub fn knows_interface(&self, vpc: usize, interface: usize) -> bool {
        self.vpcs.get(vpc).is_some_and(|vpc| vpc.known[interface])
    }

    /// Returns an address in a VPC. Different `net` and `host` give different addresses.
    pub fn address(&self, vpc: usize, block: Block, is_ipv6: bool, (net, host): (u8, u8)) -> IpAddr {
        let number = vpc as u8;
        let (first, second, net) = match (block, &self.vpcs[vpc].overlap) {
            (Block::Unique, _) => (172, 16 + number, net),
            (Block::Second, Overlap::Shared) => (10, 50, net),
            (Block::Second, Overlap::Inside(other)) => (10, 100 + self.other(vpc, other) as u8, number),
            (Block::Main | Block::Second, _) => (10, 100 + number, net),
        };
        if is_ipv6 {
            let [first, second, net, host] = [first, second, net, host].map(u16::from);
            IpAddr::from(Ipv6Addr::from([0xfd00 | first, second, 0, net, 0, 0, 0, host]))
        } else {
            IpAddr::from(Ipv4Addr::from([first, second, net, host]))
        }
    }

    /// Returns a VPC other than this one.
    pub fn other(&self, vpc: usize, choice: &Index) -> usize {
        (vpc + 1 + choice.index(self.len() - 1)) % self.len()
    }

    /// Returns the relation between two VPCs.
    pub fn relation(&self, a: usize, b: usize) -> Relation {
        let links: Vec<_> = self.links().filter(|(_, ends, _)| [(a, b), (b, a)].contains(ends)).collect();
        let active = links.iter().find(|(_, _, status)| *status == "active");
        let has_active =
            |a, b| self.links().any(|(_, ends, status)| status == "active" && [(a, b), (b, a)].contains(&ends));
        match active {
            Some((id, ..)) => Relation::Peered(id.clone()),
            None if !links.is_empty() => Relation::Inactive,
            None if (0..self.len()).any(|via| has_active(a, via) && has_active(via, b)) => Relation::CommonPeer,
            None => Relation::None,
        }
    }

    /// Returns id, ends, and status of the connections, ordered by id.
    fn links(&self) -> impl Iterator<Item = (String, (usize, usize), &'static str)> {
        let spokes = (1..self.len().min(3)).filter(|_| self.is_hub);
        let spokes = spokes.map(|spoke| (format!("pcx-hub-{spoke}"), (0, spoke), "active"));
        let others = self.links.iter().enumerate().map(|(number, link)| {
            let a = link.ends.0.index(self.len());
            (format!("pcx-{number}"), (a, self.other(a, &link.ends.1)), link.status)
        });
        others.chain(spokes)
    }

    /// Returns the blocks of a VPC.
    fn blocks(&self, vpc: usize) -> Vec<String> {
        let inside = matches!(self.vpcs[vpc].overlap, Overlap::Inside(_));
        let block = |block, is_ipv6| {
            let prefix = match (is_ipv6, block == Block::Second && inside) {
                (false, false) => 16,
                (false, true) => 24,
                (true, false) => 48,
                (true, true) => 64,
            };
            let address = self.address(vpc, block, is_ipv6, (0, 0));
            format!("{address}/{prefix}")
        };
        let blocks = [Block::Main, Block::Unique, Block::Second].map(|kind| [block(kind, false), block(kind, true)]);
        let mut blocks = blocks.concat();
        blocks.dedup();
        blocks
    }

    /// Builds the topology. `owned` has the addresses of the interfaces, as VPC, interface, and address.
    pub fn topology(&self, owned: &BTreeSet<(usize, usize, IpAddr)>) -> Arc<Topology> {
        let mut resources = Resources::default();
        resources.read("network.json", self.document(owned).to_string().as_bytes()).expect("JSON");
        Arc::new(Topology::new(resources))
    }

    /// Returns the topology in the format of the describe calls.
    pub fn document(&self, owned: &BTreeSet<(usize, usize, IpAddr)>) -> Value {
        let mut interfaces = Vec::new();
        for vpc in 0..self.len() {
            for interface in (0..INTERFACES).filter(|interface| self.knows_interface(vpc, *interface)) {
                let addresses = owned.iter().filter(|(of, at, _)| (*of, *at) == (vpc, interface)).map(|(_, _, it)| it);
                let (ipv6, ipv4): (Vec<&IpAddr>, Vec<&IpAddr>) = addresses.partition(|address| address.is_ipv6());
                interfaces.push(json!({
                    "NetworkInterfaceId": interface_id(vpc, interface), "VpcId": vpc_id(vpc),
                    "SubnetId": subnet_id(vpc, interface),
                    "PrivateIpAddresses": ipv4.iter().map(|it| json!({"PrivateIpAddress": it})).collect::<Vec<_>>(),
                    "Ipv6Addresses": ipv6.iter().map(|it| json!({"Ipv6Address": it})).collect::<Vec<_>>(),
                }));
            }
        }
        let tables = (0..self.len()).filter(|_| self.has_routes).flat_map(|vpc| self.table_documents(vpc));
        json!({
            "Vpcs": (0..self.len()).map(|vpc| self.vpc_document(vpc)).collect::<Vec<_>>(),
            "VpcPeeringConnections": self.links().map(connection_document).collect::<Vec<_>>(),
            "NetworkInterfaces": interfaces,
            "RouteTables": tables.collect::<Vec<_>>(),
        })
    }

    fn vpc_document(&self, vpc: usize) -> Value {
        let (ipv6, ipv4): (Vec<String>, Vec<String>) =
            self.blocks(vpc).into_iter().partition(|block| block.contains(':'));
        json!({
            "VpcId": vpc_id(vpc),
            "CidrBlockAssociationSet": ipv4.iter().map(|block| json!({"CidrBlock": block})).collect::<Vec<_>>(),
            "Ipv6CidrBlockAssociationSet": ipv6.iter().map(|block| json!({"Ipv6CidrBlock": block})).collect::<Vec<_>>(),
        })
    }

    /// Returns the route tables of a VPC.
    fn table_documents(&self, vpc: usize) -> Vec<Value> {
        let subnets_with = |wanted: fn(&Table) -> bool| {
            let tables = self.vpcs[vpc].tables.iter().enumerate().filter(move |(_, table)| wanted(table));
            tables.map(|(interface, _)| json!({"SubnetId": subnet_id(vpc, interface)})).collect::<Vec<_>>()
        };
        let mut links: Vec<_> =
            self.links().filter(|(_, (a, b), status)| *status == "active" && (*a == vpc || *b == vpc)).collect();
        let main = self.routes(vpc, &links);
        links.reverse();
        let tables = [
            (vec![json!({"Main": true})], main),
            (subnets_with(|table| matches!(table, Table::Empty)), Vec::new()),
            (subnets_with(|table| matches!(table, Table::Reversed)), self.routes(vpc, &links)),
        ];
        let document = |(number, (associations, routes)): (usize, (Vec<Value>, Vec<Value>))| {
            json!({
                "RouteTableId": format!("rtb-{vpc}-{number}"), "VpcId": vpc_id(vpc),
                "Associations": associations, "Routes": routes,
            })
        };
        tables.into_iter().enumerate().map(document).collect()
    }

    /// Returns a route to each block of each peer. A destination has only one route.
    fn routes(&self, vpc: usize, links: &[(String, (usize, usize), &str)]) -> Vec<Value> {
        let mut destinations = BTreeSet::new();
        let mut routes = Vec::new();
        for (id, (a, b), _) in links {
            for block in self.blocks(if *a == vpc { *b } else { *a }) {
                let key = if block.contains(':') { "DestinationIpv6CidrBlock" } else { "DestinationCidrBlock" };
                if destinations.insert(block.clone()) {
                    routes.push(json!({key: block, "VpcPeeringConnectionId": id, "State": "active"}));
                }
            }
        }
        routes
    }
}

fn connection_document((id, (a, b), status): (String, (usize, usize), &str)) -> Value {
    json!({
        "VpcPeeringConnectionId": id, "Status": {"Code": status},
        "RequesterVpcInfo": {"VpcId": vpc_id(a)}, "AccepterVpcInfo": {"VpcId": vpc_id(b)},
    })
}

/// Returns the id of a VPC.
pub fn vpc_id(vpc: usize) -> String {
    format!("vpc-{vpc}")
}

/// Returns the id of an interface.
pub fn interface_id(vpc: usize, interface: usize) -> String {
    format!("eni-{vpc}-{interface}")
}

/// Returns the id of the subnet of an interface.
pub fn subnet_id(vpc: usize, interface: usize) -> String {
    format!("subnet-{vpc}-{interface}")
}
