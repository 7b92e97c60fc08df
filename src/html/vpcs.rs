//! The VPCs of a page, in the order of their traffic, and their labels.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;

use super::text::{name, short_name};
use crate::summary::Peering;

/// Maximum characters of a label in a picture or of a column.
const MAX_LABEL_CHARS: usize = 22;
/// Characters of an id after a name that several VPCs have: the first number that makes the labels distinct.
const ID_CHARS: [usize; 3] = [4, 8, 17];
/// Maximum characters of a name before an id.
const MAX_NAME_CHARS: usize = 14;

/// Maximum characters of an id that is a label.
const MAX_ID_CHARS: usize = 36;

/// A VPC that has traffic with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vpc<'a> {
    pub id: &'a str,
    /// The name, or the id if there is none, as far as a picture has room. No other VPC of the page has this label.
    pub label: String,
    /// The name, or the id if there is none.
    pub name: String,
}

/// Returns the VPCs of all pairs. That with the most flows is first.
pub(super) fn by_traffic(peering: &Peering) -> Vec<Vpc<'_>> {
    let mut flows: IndexMap<&str, (Option<&str>, u64)> = IndexMap::new();
    for pair in &peering.vpc_pairs {
        let ends = [(&pair.src_vpc_id, &pair.src_vpc_name), (&pair.dst_vpc_id, &pair.dst_vpc_name)];
        for (id, tag) in ends {
            let (_, sum) = flows.entry(id).or_insert((tag.as_deref(), 0));
            *sum = sum.saturating_add(pair.traffic.flows());
        }
    }
    flows.sort_by_key(|id, (_, flows)| (Reverse(*flows), *id));
    let vpcs: Vec<(&str, Option<&str>)> = flows.into_iter().map(|(id, (tag, _))| (id, tag)).collect();
    let labels = labels(&vpcs);
    let named = vpcs.iter().zip(labels);
    named.map(|((id, tag), label)| Vpc { id, label, name: name(tag.unwrap_or(id)) }).collect()
}

/// Returns the label of each VPC: its name, and the end of its id where several names look alike.
fn labels(vpcs: &[(&str, Option<&str>)]) -> Vec<String> {
    let label = |(id, tag): &(&str, Option<&str>)| short_name(tag.unwrap_or(id), MAX_LABEL_CHARS);
    let labels: Vec<String> = vpcs.iter().map(label).collect();
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    labels.iter().for_each(|label| *numbers.entry(label).or_default() += 1);
    let is_shared = |label: &str| numbers.get(label).is_some_and(|number| *number > 1);
    let with_id = |chars: usize| {
        vpcs.iter().zip(&labels).map(move |((id, tag), label)| match tag {
            Some(tag) if is_shared(label) => {
                let end = id.chars().count().saturating_sub(chars);
                let end: String = id.chars().skip(end).collect();
                format!("{} (…{})", short_name(tag, MAX_NAME_CHARS), short_name(&end, MAX_ID_CHARS))
            }
            None if is_shared(label) => short_name(id, MAX_ID_CHARS),
            _ => label.clone(),
        })
    };
    let is_distinct = |chars: &usize| {
        let mut known = HashSet::new();
        with_id(*chars).all(|label| known.insert(label))
    };
    match ID_CHARS.into_iter().find(is_distinct) {
        Some(chars) => with_id(chars).collect(),
        // Not the ids of AWS.
        None => vpcs.iter().map(|(id, _)| short_name(id, MAX_ID_CHARS)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_vpcs_differ() {
        let shown = |vpcs: &[(&str, Option<&str>)]| labels(vpcs);
        let long = ["acme-production-eu-west-1-shared", "acme-production-eu-west-1-shop"].map(Some);
        assert_eq!(
            shown(&[("vpc-1", long[0]), ("vpc-2", long[1])]),
            ["acme-produc…t-1-shared", "acme-produc…est-1-shop"]
        );
        let (a, b) = ("vpc-0ca201b4f6d8e5973", "vpc-0ca201b4f6d8e1111");
        assert_eq!(
            shown(&[(a, Some("prod")), (b, Some("prod")), ("vpc-3", Some("data"))]),
            ["prod (…5973)", "prod (…1111)", "data"]
        );
        let other = "vpc-1111111111111e5973";
        assert_eq!(shown(&[(a, Some("prod")), (other, Some("prod"))]), ["prod (…6d8e5973)", "prod (…111e5973)"]);
        assert_eq!(shown(&[(a, None), (b, None)]), [a, b]);
        // The middle that differs is not shown.
        let alike = ["acme-production-1-private-vpc", "acme-production-2-private-vpc"].map(Some);
        assert_eq!(shown(&[(a, alike[0]), (b, alike[1])]), ["acme-pr…te-vpc (…5973)", "acme-pr…te-vpc (…1111)"]);
    }
}
