//! The topology document of one account and Region: AWS's describe output, as far as the topology uses it.
//!
//! The document is the same whenever the network is, although AWS returns resources and their parts in any order: all lists are
//! sorted. No list of AWS that the topology reads has a meaning in its order.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::actions::PREFIX_LISTS_KEY;

/// Collects the resources of one account and Region.
#[derive(Debug, Clone, Default)]
pub struct DocumentBuilder {
    lists: BTreeMap<&'static str, Vec<Value>>,
    /// Blocks of the prefix lists, by id.
    prefix_lists: BTreeMap<String, Vec<Value>>,
    /// Ids of prefix lists whose blocks AWS did not return.
    unreadable: Vec<String>,
}

/// A topology document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// JSON, which ends in a line end.
    pub json: Vec<u8>,
    /// Ids of the prefix lists whose blocks AWS did not return. Rules that name them stay undecided.
    pub unreadable_prefix_lists: Vec<String>,
    /// Number of resources by key, such as `Vpcs`.
    pub counts: BTreeMap<&'static str, usize>,
}

impl DocumentBuilder {
    /// Adds resources under this key. An empty list is added too: it says that there are none.
    pub fn add(&mut self, key: &'static str, items: Vec<Value>) {
        self.lists.entry(key).or_default().extend(items);
    }

    /// Adds prefix lists with their blocks, as `DescribePrefixLists` returns them.
    pub fn add_prefix_lists(&mut self, lists: Vec<Value>) {
        for mut list in lists {
            let blocks = match list.get_mut("Cidrs").map(Value::take) {
                Some(Value::Array(blocks)) => blocks,
                _ => Vec::new(),
            };
            if let Some(id) = prefix_list_id(&list) {
                self.prefix_lists.entry(id.to_owned()).or_default().extend(blocks);
            }
        }
    }

    /// Reports whether the blocks of this prefix list are known.
    pub fn has_prefix_list(&self, id: &str) -> bool {
        self.prefix_lists.contains_key(id)
    }

    /// Adds a prefix list from entries of `GetManagedPrefixListEntries`.
    pub fn add_entries(&mut self, id: &str, entries: Vec<Value>) {
        let blocks = entries.into_iter().filter_map(|mut entry| entry.get_mut("Cidr").map(Value::take));
        self.prefix_lists.entry(id.to_owned()).or_default().extend(blocks);
    }

    /// Records that AWS does not return the blocks of this prefix list.
    pub fn add_unreadable(&mut self, id: &str) {
        self.unreadable.push(id.to_owned());
    }

    /// Builds the document.
    pub fn build(mut self) -> Document {
        let list =
            |(id, blocks)| Value::from_iter([("PrefixListId", Value::String(id)), ("Cidrs", Value::Array(blocks))]);
        self.lists.insert(PREFIX_LISTS_KEY, self.prefix_lists.into_iter().map(list).collect());
        let lists: BTreeMap<_, _> = self.lists.into_iter().map(|(key, items)| (key, sorted(items))).collect();
        let counts = lists.iter().map(|(key, items)| (*key, items.len())).collect();
        let members: Map<String, Value> =
            lists.into_iter().map(|(key, items)| (key.to_owned(), Value::Array(items))).collect();
        self.unreadable.sort_unstable();
        self.unreadable.dedup();
        let json = format!("{}\n", Value::Object(members)).into_bytes();
        Document { json, unreadable_prefix_lists: self.unreadable, counts }
    }
}

/// Returns the id of a prefix list in a response.
pub fn prefix_list_id(list: &Value) -> Option<&str> {
    list.get("PrefixListId").and_then(Value::as_str)
}

/// Sorts a list and all lists in it, and removes duplicates: a resource that moves to another page is returned twice.
fn sorted(items: Vec<Value>) -> Vec<Value> {
    let mut items: Vec<Value> = items.into_iter().map(canonical).collect();
    items.sort_by_cached_key(Value::to_string);
    items.dedup();
    items
}

/// Sorts all lists in a value. serde_json sorts the members of objects.
fn canonical(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(sorted(items)),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, canonical(value))).collect(),
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(vpcs: Vec<Value>) -> String {
        let mut builder = DocumentBuilder::default();
        builder.add("Vpcs", vpcs);
        String::from_utf8(builder.build().json).expect("JSON is UTF-8")
    }

    #[test]
    fn order_and_pages_do_not_change_a_document() {
        let tags = |order: [&str; 2]| order.map(|key| json!({"Key": key}));
        let a = |order| json!({"VpcId": "vpc-a", "Tags": tags(order)});
        let b = json!({"VpcId": "vpc-b"});
        let expected = "{\"PrefixLists\":[],\"Vpcs\":[{\"Tags\":[{\"Key\":\"1\"},{\"Key\":\"2\"}],\"VpcId\":\"vpc-a\"},\
                        {\"VpcId\":\"vpc-b\"}]}\n";
        assert_eq!(document(vec![a(["1", "2"]), b.clone()]), expected);
        assert_eq!(document(vec![b.clone(), a(["2", "1"]), b]), expected);
    }

    #[test]
    fn prefix_lists_have_their_blocks() {
        let mut builder = DocumentBuilder::default();
        builder.add_prefix_lists(vec![json!({"PrefixListId": "pl-s3", "Cidrs": ["10.2.0.0/16", "10.1.0.0/16"]})]);
        assert!(builder.has_prefix_list("pl-s3") && !builder.has_prefix_list("pl-own"));
        builder.add_entries("pl-own", vec![json!({"Cidr": "10.4.0.0/16"}), json!({"Cidr": "10.3.0.0/16"})]);
        builder.add_entries("pl-empty", Vec::new());
        builder.add_unreadable("pl-other");
        let document = builder.build();
        let expected = json!({"PrefixLists": [
            {"PrefixListId": "pl-s3", "Cidrs": ["10.1.0.0/16", "10.2.0.0/16"]},
            {"PrefixListId": "pl-own", "Cidrs": ["10.3.0.0/16", "10.4.0.0/16"]},
            {"PrefixListId": "pl-empty", "Cidrs": []},
        ]});
        assert_eq!(serde_json::from_slice::<Value>(&document.json).expect("JSON"), expected);
        assert_eq!(document.unreadable_prefix_lists, ["pl-other"]);
        assert_eq!(document.counts, BTreeMap::from([("PrefixLists", 3)]));
    }
}
