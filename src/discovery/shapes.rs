//! The parts of EC2's XML that the topology uses, by resource, with their names in AWS's JSON.
//!
//! Element names and types are those of the EC2 API:
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Types.html>. What is not listed here is left out. A field that
//! `topology::describe_output` reads must be listed here; a test compares both.

/// What an element contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Integer,
    Flag,
    Struct(&'static [Field]),
    /// A list of `item` elements, each of this shape.
    List(&'static Shape),
}

/// An element, and its name in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) xml: &'static str,
    /// The name in JSON, unless it is the name in XML with a capital first letter.
    json: Option<&'static str>,
    pub(super) shape: Shape,
}

impl Field {
    const fn new(xml: &'static str, shape: Shape) -> Field {
        Field { xml, json: None, shape }
    }

    pub(super) const fn renamed(xml: &'static str, json: &'static str, shape: Shape) -> Field {
        Field { xml, json: Some(json), shape }
    }

    /// Returns the name in JSON.
    pub(super) fn json_name(&self) -> String {
        let capitalized = || {
            let mut letters = self.xml.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).collect()
        };
        self.json.map_or_else(capitalized, str::to_owned)
    }
}

const fn text(xml: &'static str) -> Field {
    Field::new(xml, Shape::Text)
}

const TAG: Shape = Shape::Struct(&[text("key"), text("value")]);
const TAGS: Field = Field::renamed("tagSet", "Tags", Shape::List(&TAG));
const STATE: Shape = Shape::Struct(&[text("state")]);

const IPV4_ASSOCIATION: Shape = Shape::Struct(&[text("cidrBlock"), Field::new("cidrBlockState", STATE)]);
const IPV6_ASSOCIATION: Shape = Shape::Struct(&[text("ipv6CidrBlock"), Field::new("ipv6CidrBlockState", STATE)]);
const IPV6_ASSOCIATIONS: Field = Field::new("ipv6CidrBlockAssociationSet", Shape::List(&IPV6_ASSOCIATION));

pub(super) const VPC: Shape = Shape::Struct(&[
    text("vpcId"),
    text("ownerId"),
    text("cidrBlock"),
    Field::new("cidrBlockAssociationSet", Shape::List(&IPV4_ASSOCIATION)),
    IPV6_ASSOCIATIONS,
    TAGS,
]);

pub(super) const SUBNET: Shape =
    Shape::Struct(&[text("subnetId"), text("vpcId"), text("cidrBlock"), IPV6_ASSOCIATIONS, TAGS]);

const IPV4_BLOCK: Shape = Shape::Struct(&[text("cidrBlock")]);
const IPV6_BLOCK: Shape = Shape::Struct(&[text("ipv6CidrBlock")]);
const SIDE: Shape = Shape::Struct(&[
    text("vpcId"),
    text("ownerId"),
    text("region"),
    text("cidrBlock"),
    Field::new("cidrBlockSet", Shape::List(&IPV4_BLOCK)),
    Field::new("ipv6CidrBlockSet", Shape::List(&IPV6_BLOCK)),
]);

pub(super) const PEERING_CONNECTION: Shape = Shape::Struct(&[
    text("vpcPeeringConnectionId"),
    Field::new("status", Shape::Struct(&[text("code")])),
    Field::new("requesterVpcInfo", SIDE),
    Field::new("accepterVpcInfo", SIDE),
    TAGS,
]);

const PUBLIC_ADDRESS: Field = Field::new("association", Shape::Struct(&[text("publicIp")]));
const PRIVATE_ADDRESS: Shape = Shape::Struct(&[text("privateIpAddress"), PUBLIC_ADDRESS]);
const IPV6_ADDRESS: Shape = Shape::Struct(&[text("ipv6Address")]);
const IPV4_PREFIX: Shape = Shape::Struct(&[text("ipv4Prefix")]);
const IPV6_PREFIX: Shape = Shape::Struct(&[text("ipv6Prefix")]);
const GROUP: Shape = Shape::Struct(&[text("groupId")]);

pub(super) const INTERFACE: Shape = Shape::Struct(&[
    text("networkInterfaceId"),
    text("vpcId"),
    text("subnetId"),
    text("interfaceType"),
    text("requesterId"),
    Field::new("requesterManaged", Shape::Flag),
    text("description"),
    text("privateIpAddress"),
    Field::renamed("privateIpAddressesSet", "PrivateIpAddresses", Shape::List(&PRIVATE_ADDRESS)),
    text("ipv6Address"),
    Field::renamed("ipv6AddressesSet", "Ipv6Addresses", Shape::List(&IPV6_ADDRESS)),
    Field::renamed("ipv4PrefixSet", "Ipv4Prefixes", Shape::List(&IPV4_PREFIX)),
    Field::renamed("ipv6PrefixSet", "Ipv6Prefixes", Shape::List(&IPV6_PREFIX)),
    PUBLIC_ADDRESS,
    Field::new("attachment", Shape::Struct(&[text("instanceId")])),
    Field::renamed("groupSet", "Groups", Shape::List(&GROUP)),
    Field::new("operator", Shape::Struct(&[Field::new("managed", Shape::Flag), text("principal")])),
    // An interface has its tags under the name that other resources have only in XML.
    Field::new("tagSet", Shape::List(&TAG)),
]);

const TABLE_ASSOCIATION: Shape = Shape::Struct(&[
    Field::new("main", Shape::Flag),
    text("subnetId"),
    text("gatewayId"),
    Field::new("associationState", STATE),
]);
const ROUTE: Shape = Shape::Struct(&[
    text("destinationCidrBlock"),
    text("destinationIpv6CidrBlock"),
    text("destinationPrefixListId"),
    text("vpcPeeringConnectionId"),
    text("gatewayId"),
    text("natGatewayId"),
    text("transitGatewayId"),
    text("egressOnlyInternetGatewayId"),
    text("networkInterfaceId"),
    text("instanceId"),
    text("localGatewayId"),
    text("carrierGatewayId"),
    text("coreNetworkArn"),
    text("odbNetworkArn"),
    text("ipAddress"),
    text("state"),
]);

pub(super) const ROUTE_TABLE: Shape = Shape::Struct(&[
    text("routeTableId"),
    text("vpcId"),
    Field::renamed("associationSet", "Associations", Shape::List(&TABLE_ASSOCIATION)),
    Field::renamed("routeSet", "Routes", Shape::List(&ROUTE)),
    TAGS,
]);

const IPV4_RANGE: Shape = Shape::Struct(&[text("cidrIp")]);
const IPV6_RANGE: Shape = Shape::Struct(&[text("cidrIpv6")]);
const LIST_ID: Shape = Shape::Struct(&[text("prefixListId")]);
const PERMISSION: Shape = Shape::Struct(&[
    text("ipProtocol"),
    Field::new("fromPort", Shape::Integer),
    Field::new("toPort", Shape::Integer),
    Field::new("ipRanges", Shape::List(&IPV4_RANGE)),
    Field::new("ipv6Ranges", Shape::List(&IPV6_RANGE)),
    Field::new("prefixListIds", Shape::List(&LIST_ID)),
    Field::renamed("groups", "UserIdGroupPairs", Shape::List(&GROUP)),
]);

pub(super) const SECURITY_GROUP: Shape = Shape::Struct(&[
    text("groupId"),
    text("groupName"),
    text("vpcId"),
    Field::new("ipPermissions", Shape::List(&PERMISSION)),
    Field::new("ipPermissionsEgress", Shape::List(&PERMISSION)),
    TAGS,
]);

const ACL_ASSOCIATION: Shape = Shape::Struct(&[text("subnetId")]);
const PORT_RANGE: Shape = Shape::Struct(&[Field::new("from", Shape::Integer), Field::new("to", Shape::Integer)]);
const ACL_ENTRY: Shape = Shape::Struct(&[
    Field::new("ruleNumber", Shape::Integer),
    Field::new("egress", Shape::Flag),
    text("ruleAction"),
    text("protocol"),
    Field::new("portRange", PORT_RANGE),
    Field::new("icmpTypeCode", Shape::Struct(&[Field::new("type", Shape::Integer)])),
    text("cidrBlock"),
    text("ipv6CidrBlock"),
]);

pub(super) const NETWORK_ACL: Shape = Shape::Struct(&[
    text("networkAclId"),
    text("vpcId"),
    Field::renamed("associationSet", "Associations", Shape::List(&ACL_ASSOCIATION)),
    Field::renamed("entrySet", "Entries", Shape::List(&ACL_ENTRY)),
    TAGS,
]);

/// A list of `DescribePrefixLists`, which has the blocks.
pub(super) const PREFIX_LIST: Shape =
    Shape::Struct(&[text("prefixListId"), Field::renamed("cidrSet", "Cidrs", Shape::List(&Shape::Text))]);

/// A list of `DescribeManagedPrefixLists`, whose blocks need another call.
pub(super) const MANAGED_PREFIX_LIST: Shape = Shape::Struct(&[text("prefixListId")]);

pub(super) const PREFIX_LIST_ENTRY: Shape = Shape::Struct(&[text("cidr")]);

/// An error of EC2 (`Response`, `Errors`).
pub(super) const ERROR: Shape = Shape::Struct(&[text("Code"), text("Message")]);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Adds the names in JSON, at any depth.
    fn collect(shape: &Shape, names: &mut BTreeSet<String>) {
        match shape {
            Shape::Struct(fields) => {
                for field in *fields {
                    names.insert(field.json_name());
                    collect(&field.shape, names);
                }
            }
            Shape::List(item) => collect(item, names),
            Shape::Text | Shape::Integer | Shape::Flag => {}
        }
    }

    /// Returns the names in JSON of the fields of all structs in these sources that serde reads.
    fn read(sources: &[&str]) -> BTreeSet<String> {
        let structs = sources.iter().flat_map(|source| source.split("#[derive(Deserialize)]").skip(1));
        let bodies = structs.filter_map(|text| text.split_once("struct ")?.1.split_once("{\n")?.1.split_once("\n}"));
        let fields = bodies.flat_map(|(body, _)| body.lines().filter_map(|line| line.trim().split_once(": ")));
        let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
        let name = |name: &str| name.trim_start_matches("pub(super) ").trim_start_matches("r#").to_owned();
        fields.map(|(field, _)| name(field).split('_').map(word).collect()).collect()
    }

    #[test]
    fn every_field_that_the_topology_reads_is_kept() {
        let mut kept = BTreeSet::new();
        for shape in [VPC, SUBNET, PEERING_CONNECTION, INTERFACE, ROUTE_TABLE, SECURITY_GROUP, NETWORK_ACL, PREFIX_LIST]
        {
            collect(&shape, &mut kept);
        }
        collect(&PREFIX_LIST_ENTRY, &mut kept);
        let sources = [
            include_str!("../topology/describe_output/wire.rs"),
            include_str!("../topology/describe_output/wire_interface.rs"),
            include_str!("../topology/describe_output/wire_routing.rs"),
            include_str!("../topology/describe_output/wire_rules.rs"),
        ];
        let mut read = read(&sources);
        // A route between the two, which serde makes of the fields.
        for name in ["Destination", "Target"] {
            assert!(read.remove(name), "{name}");
        }
        assert!(read.contains("CidrIpv6") && read.contains("OdbNetworkArn") && read.len() > 60, "{read:?}");
        assert_eq!(read.difference(&kept).collect::<Vec<_>>(), Vec::<&String>::new());
        assert_eq!(kept.difference(&read).collect::<Vec<_>>(), Vec::<&String>::new(), "no field is kept for nothing");
    }
}
