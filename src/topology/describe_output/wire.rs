//! JSON of the EC2 API, and its conversion to the resources of the topology.
//!
//! The `Wire…` structs have the used fields of the API types. A conversion returns the id of the resource even if the
//! resource is unusable, so that the error can name it.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use super::{Destination, Interface, PeeringConnection, PeeringRoute, RouteTable, Side, Subnet, Vpc};
use crate::record::ip;
use crate::sanitize::{NAME_CHARACTERS, quoted};
use crate::topology::service;

/// Parses CIDR blocks and addresses. Collects an error for each invalid one.
pub(super) struct CidrReader<'a> {
    pub(super) errors: &'a mut Vec<String>,
}

impl CidrReader<'_> {
    fn block(&mut self, text: &str) -> Option<IpNet> {
        let block = text.parse::<IpNet>().ok().filter(|block| block.network() == block.addr());
        if block.is_none() {
            self.errors.push(format!("{} is not a CIDR block", quoted(text, NAME_CHARACTERS)));
        }
        block
    }

    fn blocks<'t>(&mut self, texts: impl IntoIterator<Item = &'t String>) -> Vec<IpNet> {
        let mut blocks: Vec<IpNet> = texts.into_iter().filter_map(|text| self.block(text)).collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }

    fn address(&mut self, text: &str) -> Option<IpAddr> {
        let address = ip::parse(text.as_bytes());
        if address.is_none() {
            self.errors.push(format!("{} is not an address", quoted(text, NAME_CHARACTERS)));
        }
        address
    }
}

/// A resource, or the reason why it cannot be used.
pub(super) struct Converted<T> {
    pub(super) id: String,
    pub(super) resource: Result<T, String>,
}

/// The lists of a document that are used. serde skips other keys without building their values, which are most of the
/// description of an interface.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DescribeOutput {
    pub(super) vpcs: Option<Vec<WireVpc>>,
    pub(super) subnets: Option<Vec<WireSubnet>>,
    pub(super) vpc_peering_connections: Option<Vec<WireConnection>>,
    pub(super) network_interfaces: Option<Vec<WireInterface>>,
    pub(super) route_tables: Option<Vec<WireRouteTable>>,
}

impl DescribeOutput {
    /// Parses a document without errors and with at least one list. Returns `None` for any other document, which must be
    /// read leniently.
    pub(super) fn parse_strict(json: &[u8]) -> Option<DescribeOutput> {
        // serde does not check skipped values for UTF-8, and accepts a list in place of an object.
        let json = std::str::from_utf8(json).ok().filter(|json| json.trim_start().starts_with('{'))?;
        let lists: DescribeOutput = serde_json::from_str(json).ok()?;
        let has_list = lists.vpcs.is_some()
            || lists.subnets.is_some()
            || lists.vpc_peering_connections.is_some()
            || lists.network_interfaces.is_some()
            || lists.route_tables.is_some();
        has_list.then_some(lists)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireVpc {
    vpc_id: String,
    owner_id: Option<String>,
    cidr_block: Option<String>,
    cidr_block_association_set: Option<Vec<Association>>,
    ipv6_cidr_block_association_set: Option<Vec<Ipv6Association>>,
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Association {
    cidr_block: String,
    cidr_block_state: Option<State>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ipv6Association {
    ipv6_cidr_block: String,
    ipv6_cidr_block_state: Option<State>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    state: String,
}

/// Reports whether a block is associated. A block without a state counts as associated.
fn is_associated(state: Option<&State>) -> bool {
    state.is_none_or(|state| state.state == "associated")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: Option<String>,
}

/// Returns the value of the Name tag, unless it is empty.
fn name_tag(tags: Option<Vec<Tag>>) -> Option<String> {
    let tags = tags.unwrap_or_default().into_iter();
    tags.filter(|tag| tag.key == "Name").find_map(|tag| tag.value).filter(|name| !name.is_empty())
}

/// Returns the associated IPv6 blocks.
fn ipv6_texts(associations: Option<&Vec<Ipv6Association>>) -> impl Iterator<Item = &String> {
    let associated = associations.into_iter().flatten().filter(|a| is_associated(a.ipv6_cidr_block_state.as_ref()));
    associated.map(|association| &association.ipv6_cidr_block)
}

pub(super) fn vpc(reader: &mut CidrReader<'_>, wire: WireVpc) -> Converted<Vpc> {
    let ipv4: Vec<&String> = match &wire.cidr_block_association_set {
        Some(set) => set.iter().filter(|a| is_associated(a.cidr_block_state.as_ref())).map(|a| &a.cidr_block).collect(),
        None => wire.cidr_block.iter().collect(),
    };
    let blocks = reader.blocks(ipv4.into_iter().chain(ipv6_texts(wire.ipv6_cidr_block_association_set.as_ref())));
    let vpc = Vpc { blocks, owner_id: wire.owner_id, name: name_tag(wire.tags) };
    Converted { id: wire.vpc_id, resource: Ok(vpc) }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireSubnet {
    subnet_id: String,
    vpc_id: String,
    cidr_block: Option<String>,
    ipv6_cidr_block_association_set: Option<Vec<Ipv6Association>>,
}

pub(super) fn subnet(reader: &mut CidrReader<'_>, wire: WireSubnet) -> Converted<Subnet> {
    let ipv6 = ipv6_texts(wire.ipv6_cidr_block_association_set.as_ref());
    let blocks = reader.blocks(wire.cidr_block.iter().chain(ipv6));
    Converted { id: wire.subnet_id, resource: Ok(Subnet { vpc_id: wire.vpc_id, blocks }) }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireConnection {
    vpc_peering_connection_id: String,
    status: Option<WireStatus>,
    requester_vpc_info: Option<WireSide>,
    accepter_vpc_info: Option<WireSide>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireStatus {
    code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireSide {
    vpc_id: Option<String>,
    owner_id: Option<String>,
    region: Option<String>,
    cidr_block: Option<String>,
    cidr_block_set: Option<Vec<WireBlock>>,
    ipv6_cidr_block_set: Option<Vec<WireIpv6Block>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireBlock {
    cidr_block: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireIpv6Block {
    ipv6_cidr_block: String,
}

pub(super) fn peering_connection(reader: &mut CidrReader<'_>, wire: WireConnection) -> Converted<PeeringConnection> {
    let id = wire.vpc_peering_connection_id;
    let side = |reader: &mut CidrReader<'_>, wire: Option<WireSide>| wire.and_then(|wire| side(reader, wire));
    let requester = side(reader, wire.requester_vpc_info);
    let accepter = side(reader, wire.accepter_vpc_info);
    let connection = match (wire.status, requester, accepter) {
        (None, _, _) => Err("has no Status.Code".to_owned()),
        (_, None, _) => Err("RequesterVpcInfo has no VpcId".to_owned()),
        (_, _, None) => Err("AccepterVpcInfo has no VpcId".to_owned()),
        (Some(_), Some(requester), Some(accepter)) if requester.vpc_id == accepter.vpc_id => {
            Err(format!("requester and accepter are both {}", requester.vpc_id))
        }
        (Some(status), Some(requester), Some(accepter)) => {
            Ok(PeeringConnection { status: status.code, requester, accepter })
        }
    };
    Converted { id, resource: connection }
}

fn side(reader: &mut CidrReader<'_>, wire: WireSide) -> Option<Side> {
    let set = wire.cidr_block_set.unwrap_or_default();
    let ipv6 = wire.ipv6_cidr_block_set.unwrap_or_default();
    let texts = wire.cidr_block.iter().chain(set.iter().map(|block| &block.cidr_block));
    let blocks = reader.blocks(texts.chain(ipv6.iter().map(|block| &block.ipv6_cidr_block)));
    Some(Side { vpc_id: wire.vpc_id?, owner_id: wire.owner_id, region: wire.region, blocks })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireInterface {
    network_interface_id: String,
    vpc_id: Option<String>,
    subnet_id: Option<String>,
    interface_type: Option<String>,
    requester_id: Option<String>,
    requester_managed: Option<bool>,
    description: Option<String>,
    private_ip_address: Option<String>,
    private_ip_addresses: Option<Vec<WirePrivateAddress>>,
    ipv6_address: Option<String>,
    ipv6_addresses: Option<Vec<WireIpv6Address>>,
    ipv4_prefixes: Option<Vec<WireIpv4Prefix>>,
    ipv6_prefixes: Option<Vec<WireIpv6Prefix>>,
    operator: Option<WireOperator>,
    /// Tags. Other resources name this field `Tags`.
    tag_set: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WirePrivateAddress {
    private_ip_address: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireIpv6Address {
    ipv6_address: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireIpv4Prefix {
    ipv4_prefix: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireIpv6Prefix {
    ipv6_prefix: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireOperator {
    managed: Option<bool>,
    principal: Option<String>,
}

pub(super) fn interface(reader: &mut CidrReader<'_>, wire: WireInterface) -> Converted<Interface> {
    let operator = wire.operator.as_ref().filter(|operator| operator.managed != Some(false));
    let service = service::owner(&service::InterfaceTraits {
        interface_type: wire.interface_type.as_deref().unwrap_or_default(),
        requester_id: wire.requester_id.as_deref().unwrap_or_default(),
        requester_managed: wire.requester_managed.unwrap_or_default(),
        description: wire.description.as_deref().unwrap_or_default(),
        operator: operator.and_then(|operator| operator.principal.as_deref()).unwrap_or_default(),
    });
    let private = wire.private_ip_addresses.unwrap_or_default();
    let ipv6 = wire.ipv6_addresses.unwrap_or_default();
    let texts = wire.private_ip_address.iter().chain(private.iter().filter_map(|a| a.private_ip_address.as_ref()));
    let texts = texts.chain(&wire.ipv6_address).chain(ipv6.iter().filter_map(|a| a.ipv6_address.as_ref()));
    let mut addresses: Vec<IpAddr> = texts.filter_map(|text| reader.address(text)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let (ipv4_prefixes, ipv6_prefixes) =
        (wire.ipv4_prefixes.unwrap_or_default(), wire.ipv6_prefixes.unwrap_or_default());
    let prefixes = ipv4_prefixes.iter().filter_map(|p| p.ipv4_prefix.as_ref());
    let prefixes = reader.blocks(prefixes.chain(ipv6_prefixes.iter().filter_map(|p| p.ipv6_prefix.as_ref())));
    let description = wire.description.filter(|description| !description.is_empty());
    let interface = Interface {
        vpc_id: wire.vpc_id,
        subnet_id: wire.subnet_id,
        addresses,
        prefixes,
        service,
        name: name_tag(wire.tag_set).or(description),
    };
    Converted { id: wire.network_interface_id, resource: Ok(interface) }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireRouteTable {
    route_table_id: String,
    vpc_id: String,
    routes: Option<Vec<WireRoute>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireRoute {
    destination_cidr_block: Option<String>,
    destination_ipv6_cidr_block: Option<String>,
    destination_prefix_list_id: Option<String>,
    vpc_peering_connection_id: Option<String>,
    state: Option<String>,
}

pub(super) fn route_table(reader: &mut CidrReader<'_>, wire: WireRouteTable) -> Converted<RouteTable> {
    let routes = wire.routes.unwrap_or_default().into_iter().filter_map(|wire| route(reader, wire)).collect();
    Converted { id: wire.route_table_id, resource: Ok(RouteTable { vpc_id: wire.vpc_id, routes }) }
}

fn route(reader: &mut CidrReader<'_>, wire: WireRoute) -> Option<PeeringRoute> {
    let peering_connection_id = wire.vpc_peering_connection_id?;
    let block = wire.destination_cidr_block.or(wire.destination_ipv6_cidr_block);
    let destination = match (block, wire.destination_prefix_list_id) {
        (Some(block), _) => Destination::Block(reader.block(&block)?),
        (None, Some(id)) => Destination::PrefixList(id),
        (None, None) => {
            reader.errors.push(format!("the route to {peering_connection_id} has no destination"));
            return None;
        }
    };
    let blackhole = wire.state.as_deref() == Some("blackhole");
    Some(PeeringRoute { destination, peering_connection_id, blackhole })
}
