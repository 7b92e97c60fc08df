//! Reads AWS's describe output: the JSON documents of `aws ec2 describe-vpcs`, `describe-subnets`,
//! `describe-vpc-peering-connections`, `describe-network-interfaces` and `describe-route-tables`.
//!
//! Field names and meanings are those of the EC2 API:
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Types.html>. Unknown keys are ignored. An unusable resource
//! becomes a [`Problem`]; the other resources are used.
//!
//! A document is first parsed strictly in one pass (`wire`). If anything in it has an unexpected form, it is read leniently,
//! resource by resource. Both paths must give the same result for a document that both accept.

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

use wire::{CidrReader, Converted, DescribeOutput, interface, peering_connection, route_table, subnet, vpc};

/// Error of a document that is not JSON.
#[derive(Debug, Error)]
#[error("{document}: not JSON: {source}")]
pub struct DocumentError {
    document: String,
    source: serde_json::Error,
}

/// Problem with a resource of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Name of the document.
    pub document: String,
    /// Id of the resource, or its position in the document.
    pub resource: String,
    /// Description of the problem.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.document, self.resource, self.message)
    }
}

/// Resources of all documents. If a resource appears twice, the last one wins.
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
    /// Document that contained each resource, by id.
    pub origins: HashMap<String, Arc<str>, RandomState>,
    /// Problems, in the order of the documents.
    pub problems: Vec<Problem>,
}

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vpc {
    /// Associated CIDR blocks.
    pub blocks: Vec<IpNet>,
    /// Account that owns it.
    pub owner_id: Option<String>,
    /// Name tag.
    pub name: Option<String>,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// VPC id.
    pub vpc_id: String,
    /// Associated CIDR blocks.
    pub blocks: Vec<IpNet>,
}

/// A VPC peering connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeeringConnection {
    /// Status code, such as `active`.
    pub status: String,
    /// VPC that requested the connection.
    pub requester: Side,
    /// VPC that accepts the connection.
    pub accepter: Side,
}

impl PeeringConnection {
    /// Reports whether the connection is active, so that it can carry traffic.
    pub fn is_active(&self) -> bool {
        self.status == "active"
    }
}

/// One side of a peering connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// VPC id.
    pub vpc_id: String,
    /// Account that owns the VPC.
    pub owner_id: Option<String>,
    /// Region of the VPC.
    pub region: Option<String>,
    /// CIDR blocks of the VPC. AWS lists the blocks of the peer only while the connection is active.
    pub blocks: Vec<IpNet>,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// VPC id.
    pub vpc_id: Option<String>,
    /// Subnet id.
    pub subnet_id: Option<String>,
    /// Private IPv4 addresses and IPv6 addresses.
    pub addresses: Vec<IpAddr>,
    /// Prefixes that are delegated to the interface.
    pub prefixes: Vec<IpNet>,
    /// AWS service that owns the interface.
    pub service: &'static str,
    /// Name tag, or the description.
    pub name: Option<String>,
}

impl Interface {
    /// Reports whether an address belongs to the interface.
    pub fn owns(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address) || self.prefixes.iter().any(|prefix| prefix.contains(&address))
    }
}

/// A route table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTable {
    /// VPC id.
    pub vpc_id: String,
    /// Routes to peering connections.
    pub routes: Vec<PeeringRoute>,
}

/// A route whose target is a peering connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeeringRoute {
    /// Destination of the traffic.
    pub destination: Destination,
    /// Id of the target.
    pub peering_connection_id: String,
    /// Whether the target is unavailable, so that the traffic is dropped.
    pub blackhole: bool,
}

/// Destination of a route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    /// An IPv4 or IPv6 CIDR block.
    Block(IpNet),
    /// Id of a prefix list, whose blocks are not part of the describe output.
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

/// Keys of the lists that are read.
pub const KEYS: [&str; 5] = ["Vpcs", "Subnets", "VpcPeeringConnections", "NetworkInterfaces", "RouteTables"];

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Resources {
    /// Reports whether there are no resources.
    pub fn is_empty(&self) -> bool {
        self.vpcs.is_empty()
            && self.subnets.is_empty()
            && self.peering_connections.is_empty()
            && self.interfaces.is_empty()
            && self.route_tables.is_empty()
    }

    /// Adds the resources of a document, which has this name.
    ///
    /// # Errors
    /// If the document is not JSON.
    pub fn read(&mut self, document: &str, json: &[u8]) -> Result<(), DocumentError> {
        let json = json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(json);
        self.add_document(document, json, DescribeOutput::parse_strict(json))
    }

    /// Adds a document. `lists` is the result of the strict parse.
    fn add_document(
        &mut self,
        document: &str,
        json: &[u8],
        lists: Option<DescribeOutput>,
    ) -> Result<(), DocumentError> {
        let mut reader = DocumentReader { document, origins: Vec::new(), problems: Vec::new() };
        match lists {
            Some(lists) => self.read_strict(lists, &mut reader),
            None => self.read_lenient(json, &mut reader)?,
        }
        let origin: Arc<str> = document.into();
        self.origins.extend(reader.origins.into_iter().map(|id| (id, Arc::clone(&origin))));
        self.problems.append(&mut reader.problems);
        Ok(())
    }

    /// Reads a document that was parsed strictly, as nearly all are.
    fn read_strict(&mut self, lists: DescribeOutput, reader: &mut DocumentReader<'_>) {
        let DescribeOutput { vpcs, subnets, vpc_peering_connections, network_interfaces, route_tables } = lists;
        reader.read_all(vpcs, &mut self.vpcs, vpc);
        reader.read_all(subnets, &mut self.subnets, subnet);
        reader.read_all(vpc_peering_connections, &mut self.peering_connections, peering_connection);
        reader.read_all(network_interfaces, &mut self.interfaces, interface);
        reader.read_all(route_tables, &mut self.route_tables, route_table);
    }

    /// Reads any document. An invalid resource does not affect the others.
    fn read_lenient(&mut self, json: &[u8], reader: &mut DocumentReader<'_>) -> Result<(), DocumentError> {
        let lists: Option<BTreeMap<String, &RawValue>> = match serde_json::from_slice(json) {
            Ok(lists) => Some(lists),
            Err(_) => {
                let syntax: Result<IgnoredAny, _> = serde_json::from_slice(json);
                syntax.map_err(|source| DocumentError { document: reader.document.to_owned(), source })?;
                None
            }
        };
        let Some(lists) = lists.filter(|lists| KEYS.iter().any(|key| lists.contains_key(*key))) else {
            reader.problem("the document", format!("has none of the keys {}", KEYS.join(", ")));
            return Ok(());
        };
        let [vpcs, subnets, connections, interfaces, tables] =
            KEYS.map(|key| RawList { key, json: lists.get(key).copied() });
        reader.read_each(vpcs, "VpcId", &mut self.vpcs, vpc);
        reader.read_each(subnets, "SubnetId", &mut self.subnets, subnet);
        reader.read_each(connections, "VpcPeeringConnectionId", &mut self.peering_connections, peering_connection);
        reader.read_each(interfaces, "NetworkInterfaceId", &mut self.interfaces, interface);
        reader.read_each(tables, "RouteTableId", &mut self.route_tables, route_table);
        Ok(())
    }
}

/// Parses a resource. On failure, returns its JSON value as well, which may contain the id.
fn parse_wire<W: DeserializeOwned>(json: &RawValue) -> Result<W, (Value, serde_json::Error)> {
    if let Ok(wire) = serde_json::from_str(json.get()) {
        return Ok(wire);
    }
    // serde rejects a duplicate key in a struct. In a `Value`, the last one wins.
    let value: Value = serde_json::from_str(json.get()).map_err(|error| (Value::Null, error))?;
    W::deserialize(&value).map_err(|error| (value, error))
}

/// A list of a document, not yet parsed.
struct RawList<'a> {
    key: &'a str,
    json: Option<&'a RawValue>,
}

/// State of reading one document.
struct DocumentReader<'a> {
    document: &'a str,
    origins: Vec<String>,
    problems: Vec<Problem>,
}

impl DocumentReader<'_> {
    fn problem(&mut self, resource: &str, message: String) {
        let resource = resource.to_owned();
        self.problems.push(Problem { document: self.document.to_owned(), resource, message });
    }

    /// Parses and adds the resources of a list, each separately.
    fn read_each<W: DeserializeOwned, T: PartialEq>(
        &mut self,
        RawList { key, json }: RawList<'_>,
        id_key: &str,
        known: &mut BTreeMap<String, T>,
        convert: impl Fn(&mut CidrReader<'_>, W) -> Converted<T>,
    ) {
        let list = match json.map(|json| serde_json::from_str::<Option<Vec<&RawValue>>>(json.get())) {
            Some(Ok(Some(list))) => list,
            None | Some(Ok(None)) => return,
            Some(Err(_)) => return self.problem(key, "not a list".to_owned()),
        };
        for (index, json) in list.into_iter().enumerate() {
            let wire = match parse_wire(json) {
                Ok(wire) => wire,
                Err((value, error)) => {
                    let name = value.get(id_key).and_then(Value::as_str);
                    let name = name.map_or_else(|| format!("{key}[{index}]"), str::to_owned);
                    self.problem(&name, error.to_string());
                    continue;
                }
            };
            self.convert(wire, known, &convert);
        }
    }

    /// Adds the resources of a list that was parsed strictly.
    fn read_all<W, T: PartialEq>(
        &mut self,
        list: Option<Vec<W>>,
        known: &mut BTreeMap<String, T>,
        convert: impl Fn(&mut CidrReader<'_>, W) -> Converted<T>,
    ) {
        for wire in list.into_iter().flatten() {
            self.convert(wire, known, &convert);
        }
    }

    /// Converts and adds a resource. Records its invalid blocks and addresses.
    fn convert<W, T: PartialEq>(
        &mut self,
        wire: W,
        known: &mut BTreeMap<String, T>,
        convert: impl Fn(&mut CidrReader<'_>, W) -> Converted<T>,
    ) {
        let mut errors = Vec::new();
        let Converted { id, resource } = convert(&mut CidrReader { errors: &mut errors }, wire);
        for message in errors {
            self.problem(&id, message);
        }
        match resource {
            Ok(resource) => self.add(id, resource, known),
            Err(message) => self.problem(&id, message),
        }
    }

    /// Adds a resource. Replaces one with the same id, and records a problem if they differ.
    fn add<T: PartialEq>(&mut self, id: String, resource: T, known: &mut BTreeMap<String, T>) {
        self.origins.push(id.clone());
        match known.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(resource);
            }
            Entry::Occupied(mut entry) => {
                if *entry.get() != resource {
                    let message = "duplicate with different content; the last one is used".to_owned();
                    self.problem(entry.key(), message);
                }
                entry.insert(resource);
            }
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
