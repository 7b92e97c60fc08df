//! JSON of the network interfaces, and its conversion.

use std::net::IpAddr;

use serde::Deserialize;

use super::resources::Interface;
use super::wire::{CidrReader, Converted, Tag, bounded_name, name_tag};
use crate::record::ip;
use crate::topology::service;

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
    association: Option<WireAddressAssociation>,
    attachment: Option<WireAttachment>,
    groups: Option<Vec<WireGroup>>,
    operator: Option<WireOperator>,
    /// Tags. Other resources name this field `Tags`.
    tag_set: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WirePrivateAddress {
    private_ip_address: Option<String>,
    association: Option<WireAddressAssociation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireAddressAssociation {
    public_ip: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireAttachment {
    instance_id: Option<String>,
}

/// A security group of the interface.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireGroup {
    group_id: String,
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
    let service = service(&wire);
    let private = wire.private_ip_addresses.unwrap_or_default();
    let ipv6 = wire.ipv6_addresses.unwrap_or_default();
    let texts = wire.private_ip_address.iter().chain(private.iter().filter_map(|a| a.private_ip_address.as_ref()));
    let texts = texts.chain(&wire.ipv6_address).chain(ipv6.iter().filter_map(|a| a.ipv6_address.as_ref()));
    let addresses = addresses(reader, texts);
    let associations = wire.association.iter().chain(private.iter().filter_map(|a| a.association.as_ref()));
    let public_addresses = addresses_of_associations(reader, associations);
    // AWS lists the primary address first.
    let primary = wire.private_ip_address.as_ref().or_else(|| private.first()?.private_ip_address.as_ref());
    let translations = translations(primary, wire.association.as_ref(), &private);
    let primary_address = primary.and_then(|text| ip::parse(text.as_bytes()));
    let (ipv4_prefixes, ipv6_prefixes) =
        (wire.ipv4_prefixes.unwrap_or_default(), wire.ipv6_prefixes.unwrap_or_default());
    let prefixes = ipv4_prefixes.iter().filter_map(|p| p.ipv4_prefix.as_ref());
    let prefixes = reader.blocks(prefixes.chain(ipv6_prefixes.iter().filter_map(|p| p.ipv6_prefix.as_ref())));
    let mut group_ids: Vec<String> = wire.groups.into_iter().flatten().map(|group| group.group_id).collect();
    group_ids.sort_unstable();
    group_ids.dedup();
    let description = bounded_name(wire.description);
    let gateway_id = gateway_id(service, description.as_deref().unwrap_or_default());
    let name = name_tag(wire.tag_set);
    let description = description.filter(|_| name.is_none());
    let interface = Interface {
        vpc_id: wire.vpc_id,
        subnet_id: wire.subnet_id,
        instance_id: wire.attachment.and_then(|attachment| attachment.instance_id),
        addresses,
        primary_address,
        public_addresses,
        translations,
        prefixes,
        group_ids,
        gateway_id,
        service,
        name,
        description,
    };
    Converted { id: wire.network_interface_id, resource: Ok(interface) }
}

fn service(wire: &WireInterface) -> &'static str {
    let operator = wire.operator.as_ref().filter(|operator| operator.managed != Some(false));
    service::owner(&service::InterfaceTraits {
        interface_type: wire.interface_type.as_deref().unwrap_or_default(),
        requester_id: wire.requester_id.as_deref().unwrap_or_default(),
        requester_managed: wire.requester_managed.unwrap_or_default(),
        description: wire.description.as_deref().unwrap_or_default(),
        operator: operator.and_then(|operator| operator.principal.as_deref()).unwrap_or_default(),
    })
}

/// Returns the NAT gateway or VPC endpoint that AWS names in the description of its interfaces, such as
/// `Interface for NAT Gateway nat-0123`.
fn gateway_id(service: &str, description: &str) -> Option<String> {
    let prefix = match service {
        service::NAT_GATEWAY => "nat-",
        service::VPC_ENDPOINT => "vpce-",
        _ => return None,
    };
    description.split_ascii_whitespace().find(|word| word.starts_with(prefix)).map(str::to_owned)
}

/// Returns the private addresses that have a public one. Invalid addresses are reported by `addresses`.
fn translations(
    primary: Option<&String>,
    association: Option<&WireAddressAssociation>,
    private: &[WirePrivateAddress],
) -> Vec<(IpAddr, IpAddr)> {
    let of_primary = std::iter::once((primary, association));
    let all = of_primary.chain(private.iter().map(|a| (a.private_ip_address.as_ref(), a.association.as_ref())));
    let address = |text: &String| ip::parse(text.as_bytes());
    let pair = |(private, association): (Option<&String>, Option<&WireAddressAssociation>)| {
        Some((address(private?)?, address(association?.public_ip.as_ref()?)?))
    };
    let mut translations: Vec<(IpAddr, IpAddr)> = all.filter_map(pair).collect();
    translations.sort_unstable();
    translations.dedup();
    translations
}

fn addresses_of_associations<'w>(
    reader: &mut CidrReader<'_>,
    associations: impl Iterator<Item = &'w WireAddressAssociation>,
) -> Vec<IpAddr> {
    addresses(reader, associations.filter_map(|association| association.public_ip.as_ref()))
}

/// Parses addresses, sorts them, and removes duplicates.
fn addresses<'t>(reader: &mut CidrReader<'_>, texts: impl Iterator<Item = &'t String>) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = texts.filter_map(|text| reader.address(text)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
