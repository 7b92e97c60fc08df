//! JSON of the EC2 API, and its conversion to the resources of the topology.
//!
//! The `Wire…` structs have the used fields of the API types. A conversion returns the id of the resource even if the
//! resource is unusable, so that the error can name it.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use super::resources::{PeeringConnection, Side, Subnet, Vpc};
use crate::record::ip;
use crate::sanitize::{NAME_CHARACTERS, quoted, truncate_chars};

/// Parses CIDR blocks and addresses. Collects an error for each invalid one.
pub(super) struct CidrReader<'a> {
    pub(super) errors: &'a mut Vec<String>,
}

impl CidrReader<'_> {
    pub(super) fn block(&mut self, text: &str) -> Option<IpNet> {
        let block = text.parse::<IpNet>().ok().filter(|block| block.network() == block.addr());
        if block.is_none() {
            self.errors.push(format!("{} is not a CIDR block", quoted(text, NAME_CHARACTERS)));
        }
        block
    }

    pub(super) fn blocks<'t>(&mut self, texts: impl IntoIterator<Item = &'t String>) -> Vec<IpNet> {
        let mut blocks: Vec<IpNet> = texts.into_iter().filter_map(|text| self.block(text)).collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }

    pub(super) fn address(&mut self, text: &str) -> Option<IpAddr> {
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
pub(super) struct State {
    state: String,
}

/// Reports whether a block, a subnet or a gateway is associated. It is if it has no state.
pub(super) fn is_associated(state: Option<&State>) -> bool {
    state.is_none_or(|state| state.state == "associated")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    key: String,
    value: Option<String>,
}

/// Maximum number of characters of a name. AWS allows as many in a tag, and fewer in the description of an interface and in the name of
/// a security group. A summary repeats a name often, so a longer one would make it large.
const MAX_NAME_CHARACTERS: usize = 256;

/// Returns the value of the Name tag, unless it is empty.
pub(super) fn name_tag(tags: Option<Vec<Tag>>) -> Option<String> {
    let tags = tags.unwrap_or_default().into_iter();
    bounded_name(tags.filter(|tag| tag.key == "Name").find_map(|tag| tag.value))
}

/// Truncates a name that AWS would not allow, with an ellipsis at its end. An empty name is none.
pub(super) fn bounded_name(name: Option<String>) -> Option<String> {
    let name = name.filter(|name| !name.is_empty())?;
    if truncate_chars(&name, MAX_NAME_CHARACTERS).len() == name.len() {
        return Some(name);
    }
    Some(format!("{}…", truncate_chars(&name, MAX_NAME_CHARACTERS - 1)))
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
    tags: Option<Vec<Tag>>,
}

pub(super) fn subnet(reader: &mut CidrReader<'_>, wire: WireSubnet) -> Converted<Subnet> {
    let ipv6 = ipv6_texts(wire.ipv6_cidr_block_association_set.as_ref());
    let errors_before = reader.errors.len();
    let blocks = reader.blocks(wire.cidr_block.iter().chain(ipv6));
    let is_incomplete = reader.errors.len() > errors_before;
    let subnet = Subnet { vpc_id: wire.vpc_id, blocks, is_incomplete, name: name_tag(wire.tags) };
    Converted { id: wire.subnet_id, resource: Ok(subnet) }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireConnection {
    vpc_peering_connection_id: String,
    status: Option<WireStatus>,
    requester_vpc_info: Option<WireSide>,
    accepter_vpc_info: Option<WireSide>,
    tags: Option<Vec<Tag>>,
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
            Ok(PeeringConnection { status: status.code, requester, accepter, name: name_tag(wire.tags) })
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
