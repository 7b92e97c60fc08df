//! Reads AWS's describe output: the JSON documents of `aws ec2 describe-vpcs`, `describe-subnets`,
//! `describe-vpc-peering-connections`, `describe-network-interfaces`, `describe-route-tables`, `describe-security-groups`,
//! `describe-network-acls`, `describe-prefix-lists` and `get-managed-prefix-list-entries`.
//!
//! Field names and meanings are those of the EC2 API:
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Types.html>. Unknown keys are ignored. An unusable resource
//! becomes a [`Problem`]; the other resources are used.
//!
//! A document is first parsed strictly in one pass (`wire`). If anything in it has an unexpected form, it is read leniently,
//! resource by resource. Both paths must give the same result for a document that both accept.

mod document;
mod problem;
mod resources;
mod routing;
mod rules;
mod wire;
mod wire_interface;
mod wire_routing;
mod wire_rules;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::Serialize;
use serde_json::value::RawValue;

pub use self::problem::{DocumentError, Problem};
pub use self::resources::{Interface, PeeringConnection, Side, Subnet, Vpc};
pub use self::routing::{Destination, PrefixList, Route, RouteState, RouteTable, Target};
pub use self::rules::{
    AclEntry, Fit, NetworkAcl, Permission, RulePorts, RuleProtocol, SecurityGroup, TrafficKind, own_rule_number,
};

use document::{DescribeOutput, DocumentReader, Lost, RawList, parse_lenient};
use wire::{peering_connection, subnet, vpc};
use wire_interface::interface;
use wire_routing::{WirePrefixList, managed_prefix_list, prefix_list, route_table};
use wire_rules::{network_acl, security_group};

/// Resources of all documents. If a resource appears twice, the last one wins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
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
    /// By id.
    pub security_groups: BTreeMap<String, SecurityGroup>,
    /// By id.
    pub network_acls: BTreeMap<String, NetworkAcl>,
    /// Prefix lists whose blocks are known, by id.
    pub prefix_lists: BTreeMap<String, PrefixList>,
    /// Whether an interface could not be read, so that the members of security groups are incomplete.
    pub has_unreadable_interface: bool,
    /// Document that contained each resource, by id.
    #[serde(skip)]
    pub origins: HashMap<String, Arc<str>, RandomState>,
    /// Problems, in the order of the documents.
    #[serde(skip)]
    pub problems: Vec<Problem>,
}

/// Keys of the lists that are read. A document with the entries of one prefix list may also have its `PrefixListId`.
pub const KEYS: [&str; 9] = [
    "Vpcs",
    "Subnets",
    "VpcPeeringConnections",
    "NetworkInterfaces",
    "RouteTables",
    "SecurityGroups",
    "NetworkAcls",
    "PrefixLists",
    "Entries",
];

/// Value of `schema` in the manifest of a snapshot. The manifest is beside the documents, and is not one of them.
pub const SNAPSHOT_SCHEMA: &str = "flowsentry/topology-snapshot/v1";

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Resources {
    /// Reports whether there are no resources.
    pub fn is_empty(&self) -> bool {
        self.vpcs.is_empty()
            && self.subnets.is_empty()
            && self.peering_connections.is_empty()
            && self.interfaces.is_empty()
            && self.route_tables.is_empty()
            && self.security_groups.is_empty()
            && self.network_acls.is_empty()
            && self.prefix_lists.is_empty()
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
        let mut reader = DocumentReader { document, origins: Vec::new(), problems: Vec::new(), unreadable: 0 };
        match lists {
            // Nearly all documents are parsed strictly.
            Some(lists) => self.add_lists(lists, &mut reader),
            None => self.read_lenient(json, &mut reader)?,
        }
        let origin: Arc<str> = document.into();
        self.origins.extend(reader.origins.into_iter().map(|id| (id, Arc::clone(&origin))));
        self.problems.append(&mut reader.problems);
        Ok(())
    }

    fn add_lists(&mut self, lists: DescribeOutput, reader: &mut DocumentReader<'_>) {
        reader.read_all(lists.vpcs.into_iter().flatten(), &mut self.vpcs, vpc);
        reader.read_all(lists.subnets.into_iter().flatten(), &mut self.subnets, subnet);
        let connections = lists.vpc_peering_connections.into_iter().flatten();
        reader.read_all(connections, &mut self.peering_connections, peering_connection);
        let unreadable = reader.unreadable;
        reader.read_all(lists.network_interfaces.into_iter().flatten(), &mut self.interfaces, interface);
        self.has_unreadable_interface |= lists.lost.interfaces || reader.unreadable > unreadable;
        reader.read_all(lists.route_tables.into_iter().flatten(), &mut self.route_tables, route_table);
        reader.read_all(lists.security_groups.into_iter().flatten(), &mut self.security_groups, security_group);
        reader.read_all(lists.network_acls.into_iter().flatten(), &mut self.network_acls, network_acl);
        let prefix_lists = lists.prefix_lists.into_iter().flatten().filter(WirePrefixList::has_blocks);
        reader.read_all(prefix_lists, &mut self.prefix_lists, prefix_list);
        let entries = reader.list_entries(lists.entries, lists.prefix_list_id, lists.lost.entries);
        reader.read_all(entries, &mut self.prefix_lists, managed_prefix_list);
    }

    /// Reads any document. An invalid resource does not affect the others.
    fn read_lenient(&mut self, json: &[u8], reader: &mut DocumentReader<'_>) -> Result<(), DocumentError> {
        let lists = parse_lenient(reader.document, json)?;
        if lists.as_ref().is_some_and(is_manifest) {
            return Ok(());
        }
        let Some(lists) = lists.filter(|lists| KEYS.iter().any(|key| lists.contains_key(*key))) else {
            reader.problem("the document", format!("has none of the keys {}", KEYS.join(", ")));
            return Ok(());
        };
        let list = |key| RawList { key, json: lists.get(key).copied() };
        // Whether a list has less than the document: the permissions that need the rest are then undecided.
        let mut lost = Lost::default();
        let id = lists.get("PrefixListId").and_then(|json| serde_json::from_str(json.get()).ok());
        let vpcs = reader.parse_each(list("Vpcs"), "VpcId");
        let subnets = reader.parse_each(list("Subnets"), "SubnetId");
        let vpc_peering_connections = reader.parse_each(list("VpcPeeringConnections"), "VpcPeeringConnectionId");
        let before = reader.unreadable;
        let network_interfaces = reader.parse_each(list("NetworkInterfaces"), "NetworkInterfaceId");
        lost.interfaces = reader.unreadable > before;
        let route_tables = reader.parse_each(list("RouteTables"), "RouteTableId");
        let security_groups = reader.parse_each(list("SecurityGroups"), "GroupId");
        let network_acls = reader.parse_each(list("NetworkAcls"), "NetworkAclId");
        let prefix_lists = reader.parse_each(list("PrefixLists"), "PrefixListId");
        let before = reader.unreadable;
        let entries = reader.parse_each(list("Entries"), "Cidr");
        lost.entries = reader.unreadable > before;
        let lists = DescribeOutput {
            vpcs,
            subnets,
            vpc_peering_connections,
            network_interfaces,
            route_tables,
            security_groups,
            network_acls,
            prefix_lists,
            entries,
            prefix_list_id: id,
            lost,
        };
        self.add_lists(lists, reader);
        Ok(())
    }
}

/// Reports whether a document is the manifest of a snapshot.
fn is_manifest(members: &BTreeMap<String, &RawValue>) -> bool {
    let schema = members.get("schema").and_then(|json| serde_json::from_str::<String>(json.get()).ok());
    schema.as_deref() == Some(SNAPSHOT_SCHEMA)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod routing_tests;
#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod tests;
