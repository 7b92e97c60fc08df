//! AWS's describe output, document by document: `aws ec2 describe-vpcs` and its siblings.
//!
//! Field names and meanings are those of the EC2 API:
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Types.html>. Unknown keys are ignored. A resource that
//! can't be used is named, and the others are used.

mod wire;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ipnet::IpNet;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

use wire::{CidrReader, interface, peering_connection, route_table, subnet, vpc};

/// A document that is of no use at all.
#[derive(Debug, Error)]
#[error("{document}: not JSON: {source}")]
pub struct DocumentError {
    document: String,
    source: serde_json::Error,
}

/// Something in a document that could not be used, or should not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The document.
    pub document: String,
    /// The resource, by its id, or by its place in the document.
    pub resource: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.document, self.resource, self.message)
    }
}

/// All resources of all documents. Of one that is read twice the last holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resources {
    /// By id.
    pub vpcs: BTreeMap<String, Vpc>,
    /// By id.
    pub subnets: BTreeMap<String, Subnet>,
    /// By id.
    pub peering_connections: BTreeMap<String, PeeringConnection>,
    /// By id.
    pub interfaces: BTreeMap<String, Interface>,
    /// By id.
    pub route_tables: BTreeMap<String, RouteTable>,
    /// The document that each resource was read from, by id.
    pub origins: HashMap<String, Arc<str>, RandomState>,
    /// What could not be used, in the order met.
    pub problems: Vec<Problem>,
}

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vpc {
    /// Its associated blocks.
    pub blocks: Vec<IpNet>,
    /// Account that owns it.
    pub owner_id: Option<String>,
    /// Its Name tag.
    pub name: Option<String>,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// Its VPC.
    pub vpc_id: String,
    /// Its associated blocks.
    pub blocks: Vec<IpNet>,
}

/// A VPC peering connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeeringConnection {
    /// Such as `active`.
    pub status: String,
    /// Who asked for it.
    pub requester: Side,
    /// Who was asked.
    pub accepter: Side,
}

impl PeeringConnection {
    /// Whether traffic can flow.
    pub fn is_active(&self) -> bool {
        self.status == "active"
    }
}

/// One side of a peering connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// Its VPC.
    pub vpc_id: String,
    /// Account that owns the VPC.
    pub owner_id: Option<String>,
    /// Region of the VPC.
    pub region: Option<String>,
    /// CidrReader of the VPC. AWS gives those of the peer only while the connection is active.
    pub blocks: Vec<IpNet>,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its VPC.
    pub vpc_id: Option<String>,
    /// Its subnet.
    pub subnet_id: Option<String>,
    /// Its private IPv4 and its IPv6 addresses.
    pub addresses: Vec<IpAddr>,
    /// PrefixTable delegated to it.
    pub prefixes: Vec<IpNet>,
    /// AWS service that owns it.
    pub service: &'static str,
    /// Its Name tag, or its description.
    pub name: Option<String>,
}

impl Interface {
    /// Whether the address is one of the interface's.
    pub fn owns(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address) || self.prefixes.iter().any(|prefix| prefix.contains(&address))
    }
}

/// A route table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTable {
    /// Its VPC.
    pub vpc_id: String,
    /// Its routes to peering connections.
    pub routes: Vec<PeeringRoute>,
}

/// A route whose target is a peering connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeeringRoute {
    /// A block, or the id of a prefix list.
    pub destination: Destination,
    /// The target.
    pub peering_connection_id: String,
    /// Whether it leads nowhere.
    pub blackhole: bool,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    /// An IPv4 or IPv6 block.
    Block(IpNet),
    /// CidrReader that are listed elsewhere.
    PrefixList(String),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Block(block) => block.fmt(f),
            Destination::PrefixList(id) => id.fmt(f),
        }
    }
}

/// The keys of a document that are read.
pub const KEYS: [&str; 5] = ["Vpcs", "Subnets", "VpcPeeringConnections", "NetworkInterfaces", "RouteTables"];

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Resources {
    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.vpcs.is_empty()
            && self.subnets.is_empty()
            && self.peering_connections.is_empty()
            && self.interfaces.is_empty()
            && self.route_tables.is_empty()
    }

    /// Takes in a document of this name.
    ///
    /// # Errors
    /// Where it is not JSON.
    pub fn read(&mut self, document: &str, json: &[u8]) -> Result<(), DocumentError> {
        let json = json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json);
        self.take(document, json, wire::DescribeOutput::of(json))
    }

    fn take(&mut self, document: &str, json: &[u8], lists: Option<wire::DescribeOutput>) -> Result<(), DocumentError> {
        let mut reader = Reader { document, origins: Vec::new(), problems: Vec::new() };
        match lists {
            Some(lists) => self.take_all(lists, &mut reader),
            None => self.read_lenient(json, &mut reader)?,
        }
        let origin: Arc<str> = document.into();
        self.origins.extend(reader.origins.into_iter().map(|id| (id, Arc::clone(&origin))));
        self.problems.append(&mut reader.problems);
        Ok(())
    }

    /// Takes in a document in which nothing is wrong, as nearly all are.
    fn take_all(&mut self, lists: wire::DescribeOutput, reader: &mut Reader<'_>) {
        let wire::DescribeOutput { vpcs, subnets, vpc_peering_connections, network_interfaces, route_tables } = lists;
        reader.take_all(vpcs, &mut self.vpcs, vpc);
        reader.take_all(subnets, &mut self.subnets, subnet);
        reader.take_all(vpc_peering_connections, &mut self.peering_connections, peering_connection);
        reader.take_all(network_interfaces, &mut self.interfaces, interface);
        reader.take_all(route_tables, &mut self.route_tables, route_table);
    }

    /// Takes in any document: what is wrong with one resource takes no other along.
    fn read_lenient(&mut self, json: &[u8], reader: &mut Reader<'_>) -> Result<(), DocumentError> {
        let lists: Option<BTreeMap<String, &RawValue>> = match serde_json::from_slice(json) {
            Ok(lists) => Some(lists),
            Err(_) => {
                let is_json: Result<IgnoredAny, _> = serde_json::from_slice(json);
                is_json.map_err(|source| DocumentError { document: reader.document.to_owned(), source })?;
                None
            }
        };
        let Some(lists) = lists.filter(|lists| KEYS.iter().any(|key| lists.contains_key(*key))) else {
            reader.problem("the document", format!("has none of the keys {}", KEYS.join(", ")));
            return Ok(());
        };
        let [vpcs, subnets, connections, interfaces, tables] = KEYS.map(|key| (key, lists.get(key).copied()));
        reader.take(vpcs, "VpcId", &mut self.vpcs, vpc);
        reader.take(subnets, "SubnetId", &mut self.subnets, subnet);
        reader.take(connections, "VpcPeeringConnectionId", &mut self.peering_connections, peering_connection);
        reader.take(interfaces, "NetworkInterfaceId", &mut self.interfaces, interface);
        reader.take(tables, "RouteTableId", &mut self.route_tables, route_table);
        Ok(())
    }
}

/// A resource as AWS writes it; else all that is there, and what is wrong with it.
fn wire<W: DeserializeOwned>(json: &RawValue) -> Result<W, (Value, serde_json::Error)> {
    if let Ok(wire) = serde_json::from_str(json.get()) {
        return Ok(wire);
    }
    // Of a key that stands twice the last one holds.
    let value: Value = serde_json::from_str(json.get()).map_err(|error| (Value::Null, error))?;
    W::deserialize(&value).map_err(|error| (value, error))
}

/// What reads one document.
struct Reader<'a> {
    document: &'a str,
    origins: Vec<String>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, resource: &str, message: String) {
        let resource = resource.to_owned();
        self.problems.push(Problem { document: self.document.to_owned(), resource, message });
    }

    /// Adds the resources of one kind; each is judged by itself.
    fn take<W: DeserializeOwned, T: PartialEq>(
        &mut self,
        (key, list): (&str, Option<&RawValue>),
        id_key: &str,
        known: &mut BTreeMap<String, T>,
        convert: impl Fn(&mut CidrReader<'_>, W) -> (String, Result<T, String>),
    ) {
        let list = match list.map(|list| serde_json::from_str::<Option<Vec<&RawValue>>>(list.get())) {
            Some(Ok(Some(list))) => list,
            None | Some(Ok(None)) => return,
            Some(Err(_)) => return self.problem(key, "not a list".to_owned()),
        };
        for (place, json) in list.into_iter().enumerate() {
            let wire = match wire(json) {
                Ok(wire) => wire,
                Err((value, error)) => {
                    let name = value.get(id_key).and_then(Value::as_str);
                    let name = name.map_or_else(|| format!("{key}[{place}]"), str::to_owned);
                    self.problem(&name, error.to_string());
                    continue;
                }
            };
            self.convert(wire, known, &convert);
        }
    }

    /// The same of a list in which each is as AWS writes it.
    fn take_all<W, T: PartialEq>(
        &mut self,
        list: Option<Vec<W>>,
        known: &mut BTreeMap<String, T>,
        convert: impl Fn(&mut CidrReader<'_>, W) -> (String, Result<T, String>),
    ) {
        list.into_iter().flatten().for_each(|wire| self.convert(wire, known, &convert));
    }

    fn convert<W, T: PartialEq>(
        &mut self,
        wire: W,
        known: &mut BTreeMap<String, T>,
        convert: impl Fn(&mut CidrReader<'_>, W) -> (String, Result<T, String>),
    ) {
        let mut wrong = Vec::new();
        let (id, resource) = convert(&mut CidrReader { wrong: &mut wrong }, wire);
        wrong.into_iter().for_each(|message| self.problem(&id, message));
        match resource {
            Ok(resource) => self.add(id, resource, known),
            Err(message) => self.problem(&id, message),
        }
    }

    fn add<T: PartialEq>(&mut self, id: String, resource: T, known: &mut BTreeMap<String, T>) {
        self.origins.push(id.clone());
        match known.entry(id) {
            Entry::Vacant(place) => {
                place.insert(resource);
            }
            Entry::Occupied(mut place) => {
                if *place.get() != resource {
                    let message = "duplicate with different content; the last one is used".to_owned();
                    self.problem(place.key(), message);
                }
                place.insert(resource);
            }
        }
    }
}

#[cfg(test)]
mod tests;
