//! The VPCs of a page, in the order of their traffic.

use std::cmp::Reverse;

use indexmap::IndexMap;

use super::text::{clean, name};
use crate::summary::Peering;

/// Maximum characters of a label in a picture or of a column.
const MAX_LABEL_CHARS: usize = 22;

/// A VPC that has traffic with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vpc<'a> {
    pub id: &'a str,
    pub tag: Option<&'a str>,
}

impl Vpc<'_> {
    /// Returns the name, or the id if there is none.
    pub(super) fn label(&self) -> String {
        name(self.tag.unwrap_or(self.id))
    }
}

/// Returns the name, or the id if there is none, as far as a picture has room.
pub(super) fn short_name(id: &str, tag: Option<&str>) -> String {
    clean(tag.unwrap_or(id), MAX_LABEL_CHARS)
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
    flows.into_iter().map(|(id, (tag, _))| Vpc { id, tag }).collect()
}
