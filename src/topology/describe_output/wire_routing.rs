//! JSON of the route tables and prefix lists, and its conversion.

use serde::Deserialize;

use super::routing::{Destination, PrefixList, Route, RouteState, RouteTable, Target};
use super::wire::{CidrReader, Converted, State, Tag, is_associated, name_tag};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireRouteTable {
    route_table_id: String,
    vpc_id: String,
    associations: Option<Vec<WireTableAssociation>>,
    routes: Option<Vec<WireRoute>>,
    tags: Option<Vec<Tag>>,
}

/// Association of a table with a subnet or a gateway, or with the VPC as its main table.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireTableAssociation {
    main: Option<bool>,
    subnet_id: Option<String>,
    gateway_id: Option<String>,
    association_state: Option<State>,
}

/// A route, without the many fields that it lacks: a document may have some 100,000 routes at once.
#[derive(Deserialize)]
#[serde(from = "WireRouteFields")]
struct WireRoute {
    destination: Option<WireDestination>,
    target: Target,
    state: RouteState,
}

enum WireDestination {
    Block(String),
    PrefixList(String),
}

/// A route has one destination and one target. For an instance, AWS lists the instance and its interface.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireRouteFields {
    destination_cidr_block: Option<String>,
    destination_ipv6_cidr_block: Option<String>,
    destination_prefix_list_id: Option<String>,
    vpc_peering_connection_id: Option<String>,
    gateway_id: Option<String>,
    nat_gateway_id: Option<String>,
    transit_gateway_id: Option<String>,
    egress_only_internet_gateway_id: Option<String>,
    network_interface_id: Option<String>,
    instance_id: Option<String>,
    local_gateway_id: Option<String>,
    carrier_gateway_id: Option<String>,
    core_network_arn: Option<String>,
    odb_network_arn: Option<String>,
    ip_address: Option<String>,
    state: Option<String>,
}

impl From<WireRouteFields> for WireRoute {
    fn from(mut fields: WireRouteFields) -> WireRoute {
        let block = fields.destination_cidr_block.take().or(fields.destination_ipv6_cidr_block.take());
        let list = fields.destination_prefix_list_id.take().map(WireDestination::PrefixList);
        let state = match fields.state.as_deref() {
            None | Some("active") => RouteState::Active,
            Some("blackhole") => RouteState::Blackhole,
            Some(_) => RouteState::Unused,
        };
        WireRoute { destination: block.map(WireDestination::Block).or(list), target: target(fields), state }
    }
}

pub(super) fn route_table(reader: &mut CidrReader<'_>, wire: WireRouteTable) -> Converted<RouteTable> {
    let mut associations = wire.associations.unwrap_or_default();
    associations.retain(|association| is_associated(association.association_state.as_ref()));
    let is_main = associations.iter().any(|association| association.main == Some(true));
    let routes = wire.routes.unwrap_or_default().into_iter().filter_map(|wire| route(reader, wire)).collect();
    let table = RouteTable {
        vpc_id: wire.vpc_id,
        name: name_tag(wire.tags),
        is_main,
        subnet_ids: sorted(associations.iter_mut().filter_map(|association| association.subnet_id.take())),
        gateway_ids: sorted(associations.iter_mut().filter_map(|association| association.gateway_id.take())),
        routes,
    };
    Converted { id: wire.route_table_id, resource: Ok(table) }
}

fn sorted(ids: impl Iterator<Item = String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn route(reader: &mut CidrReader<'_>, WireRoute { destination, target, state }: WireRoute) -> Option<Route> {
    let destination = match destination {
        Some(WireDestination::Block(block)) => Destination::Block(reader.block(&block)?),
        Some(WireDestination::PrefixList(id)) => Destination::PrefixList(id),
        None => {
            reader.errors.push(format!("the route to {} has no destination", target.id()));
            return None;
        }
    };
    Some(Route { destination, target, state })
}

fn target(fields: WireRouteFields) -> Target {
    let targets = [
        fields.vpc_peering_connection_id.map(Target::PeeringConnection),
        fields.gateway_id.map(gateway),
        fields.nat_gateway_id.map(Target::NatGateway),
        fields.transit_gateway_id.map(Target::TransitGateway),
        fields.egress_only_internet_gateway_id.map(Target::EgressOnlyInternetGateway),
        fields.network_interface_id.map(Target::Interface),
        fields.instance_id.map(Target::Other),
        fields.local_gateway_id.map(Target::Other),
        fields.carrier_gateway_id.map(Target::Other),
        fields.core_network_arn.map(Target::Other),
        fields.odb_network_arn.map(Target::Other),
        fields.ip_address.map(Target::Other),
    ];
    targets.into_iter().flatten().next().unwrap_or_else(|| Target::Other(String::new()))
}

/// Returns the target of a `GatewayId`, whose kind only its prefix shows.
fn gateway(id: String) -> Target {
    match id.split_once('-').map_or(id.as_str(), |(kind, _)| kind) {
        "local" => Target::Local,
        "igw" => Target::InternetGateway(id),
        "vgw" => Target::VirtualPrivateGateway(id),
        "vpce" => Target::VpcEndpoint(id),
        _ => Target::Other(id),
    }
}

/// A prefix list of `describe-prefix-lists`. `describe-managed-prefix-lists` has the same key, but no blocks.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WirePrefixList {
    prefix_list_id: String,
    cidrs: Option<Vec<String>>,
}

impl WirePrefixList {
    /// Reports whether the document lists the blocks.
    pub(super) fn has_blocks(&self) -> bool {
        self.cidrs.is_some()
    }
}

pub(super) fn prefix_list(reader: &mut CidrReader<'_>, wire: WirePrefixList) -> Converted<PrefixList> {
    let errors_before = reader.errors.len();
    let blocks = reader.blocks(wire.cidrs.iter().flatten());
    let is_incomplete = reader.errors.len() > errors_before;
    Converted { id: wire.prefix_list_id, resource: Ok(PrefixList { blocks, is_incomplete }) }
}

/// An entry of a managed prefix list.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireEntry {
    cidr: String,
}

/// The entries of one managed prefix list, with the id of the list.
pub(super) struct ListEntries {
    pub(super) id: String,
    pub(super) entries: Vec<WireEntry>,
    /// Whether an entry could not be parsed.
    pub(super) is_incomplete: bool,
}

pub(super) fn managed_prefix_list(reader: &mut CidrReader<'_>, list: ListEntries) -> Converted<PrefixList> {
    let errors_before = reader.errors.len();
    let blocks = reader.blocks(list.entries.iter().map(|entry| &entry.cidr));
    let is_incomplete = list.is_incomplete || reader.errors.len() > errors_before;
    Converted { id: list.id, resource: Ok(PrefixList { blocks, is_incomplete }) }
}
