//! Reads the lists of one document: strictly in one pass, or leniently, resource by resource.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use serde_json::value::RawValue;

use super::problem::{DocumentError, Problem};
use super::wire::{CidrReader, Converted, WireConnection, WireSubnet, WireVpc};
use super::wire_interface::WireInterface;
use super::wire_routing::{ListEntries, WireEntry, WirePrefixList, WireRouteTable};
use super::wire_rules::{WireNetworkAcl, WireSecurityGroup};

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
    pub(super) security_groups: Option<Vec<WireSecurityGroup>>,
    pub(super) network_acls: Option<Vec<WireNetworkAcl>>,
    pub(super) prefix_lists: Option<Vec<WirePrefixList>>,
    /// Entries of one managed prefix list.
    pub(super) entries: Option<Vec<WireEntry>>,
    /// Id of that list, which AWS's answer lacks.
    pub(super) prefix_list_id: Option<String>,
    /// Which lists have a part that could not be parsed.
    #[serde(skip)]
    pub(super) lost: Lost,
}

/// Lists of a document with a part that could not be parsed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lost {
    pub(super) entries: bool,
    pub(super) interfaces: bool,
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
            || lists.route_tables.is_some()
            || lists.security_groups.is_some()
            || lists.network_acls.is_some()
            || lists.prefix_lists.is_some()
            || lists.entries.is_some();
        has_list.then_some(lists)
    }
}

/// Parses a document as a map of lists. Returns `None` if it is another JSON value.
pub(super) fn parse_lenient<'a>(
    document: &str,
    json: &'a [u8],
) -> Result<Option<BTreeMap<String, &'a RawValue>>, DocumentError> {
    if let Ok(lists) = serde_json::from_slice(json) {
        return Ok(Some(lists));
    }
    let syntax: Result<IgnoredAny, _> = serde_json::from_slice(json);
    syntax.map_err(|source| DocumentError { document: document.to_owned(), source })?;
    Ok(None)
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
pub(super) struct RawList<'a> {
    pub(super) key: &'a str,
    pub(super) json: Option<&'a RawValue>,
}

/// State of reading one document.
pub(super) struct DocumentReader<'a> {
    pub(super) document: &'a str,
    pub(super) origins: Vec<String>,
    pub(super) problems: Vec<Problem>,
    /// Number of parts that cannot be read.
    pub(super) unreadable: usize,
}

impl DocumentReader<'_> {
    pub(super) fn problem(&mut self, resource: &str, message: String) {
        let resource = resource.to_owned();
        self.problems.push(Problem { document: self.document.to_owned(), resource, message });
    }

    /// Parses the resources of a list, each separately.
    pub(super) fn parse_each<W: DeserializeOwned>(
        &mut self,
        RawList { key, json }: RawList<'_>,
        id_key: &str,
    ) -> Option<Vec<W>> {
        let list = match json.map(|json| serde_json::from_str::<Option<Vec<&RawValue>>>(json.get())) {
            Some(Ok(Some(list))) => list,
            None | Some(Ok(None)) => return None,
            Some(Err(_)) => {
                self.unreadable += 1;
                self.problem(key, "not a list".to_owned());
                return None;
            }
        };
        let mut parsed = Vec::with_capacity(list.len());
        for (index, json) in list.into_iter().enumerate() {
            match parse_wire(json) {
                Ok(wire) => parsed.push(wire),
                Err((value, error)) => {
                    self.unreadable += 1;
                    let name = value.get(id_key).and_then(Value::as_str);
                    let name = name.map_or_else(|| format!("{key}[{index}]"), str::to_owned);
                    self.problem(&name, error.to_string());
                }
            }
        }
        Some(parsed)
    }

    /// Converts and adds the resources of a list.
    pub(super) fn read_all<W, T: PartialEq>(
        &mut self,
        list: impl IntoIterator<Item = W>,
        known: &mut BTreeMap<String, T>,
        convert: impl Fn(&mut CidrReader<'_>, W) -> Converted<T>,
    ) {
        for wire in list {
            self.convert(wire, known, &convert);
        }
    }

    /// Returns the entries of a managed prefix list with its id: the id of the document, else the document's name.
    pub(super) fn list_entries(
        &mut self,
        entries: Option<Vec<WireEntry>>,
        id: Option<String>,
        is_incomplete: bool,
    ) -> Option<ListEntries> {
        let entries = entries?;
        let name = self.document.rsplit(['/', '\\']).next().unwrap_or_default();
        let from_name = || name.strip_suffix(".json").filter(|name| name.starts_with("pl-")).map(str::to_owned);
        let Some(id) = id.or_else(from_name) else {
            let message = "no PrefixListId; add it, or name the document after the list: pl-….json";
            self.problem("Entries", message.to_owned());
            return None;
        };
        Some(ListEntries { id, entries, is_incomplete })
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
        self.unreadable += errors.len() + usize::from(resource.is_err());
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
