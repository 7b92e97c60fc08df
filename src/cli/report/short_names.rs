//! Short names: a resource is called by its Name tag alone.
//!
//! Titles and next steps have ids beside names, so that programs and tickets can find the resource. A screen for people has no room for both.
//! An id remains where there is no name, and where two resources of a kind share one.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::format::{display_id, display_name, shorten_names_of_addresses};
use crate::sanitize::{NAME_CHARACTERS, escape_truncated};
use crate::summary::{DeniedBy, Summary};
use crate::topology::endpoint::{Endpoint, Scope};

/// Names of the resources that occur in a summary.
pub(super) struct ShortNames<'a> {
    by_id: HashMap<&'a str, &'a str>,
    /// Kinds and names, as they are shown, that several resources have.
    shared: HashSet<(&'a str, String)>,
    /// Addresses in VPCs.
    in_vpcs: HashSet<IpAddr>,
}

impl<'a> ShortNames<'a> {
    /// Collects the names of a summary.
    pub(super) fn new(summary: &'a Summary) -> ShortNames<'a> {
        let findings = summary.findings.iter().flat_map(|finding| &finding.names);
        let findings = findings.map(|(id, name)| (id.as_str(), name.as_str()));
        let rules = summary.rejected.by_rule.iter().flat_map(|row| rule_names(&row.rule));
        let in_summary = scope_names(summary).chain(peering_names(summary)).chain(findings).chain(rules);
        let names = ShortNames::from_pairs(end_names(summary).chain(row_names(summary)).chain(in_summary));
        let in_vpcs = ends(summary).filter(|(_, end)| end.scope == Some(Scope::Vpc));
        ShortNames { in_vpcs: in_vpcs.map(|(address, _)| address).collect(), ..names }
    }

    /// Creates the table from ids and their names.
    pub(super) fn from_pairs(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> ShortNames<'a> {
        let by_id: HashMap<&str, &str> = pairs.collect();
        let mut known = HashSet::new();
        let shown = by_id.iter().map(|(id, name)| (kind(id), display_name(name)));
        let shared = shown.filter(|key| !known.insert(key.clone())).collect();
        ShortNames { by_id, shared, in_vpcs: HashSet::new() }
    }

    /// Returns the name of a resource.
    pub(super) fn name(&self, id: &str) -> Option<&'a str> {
        self.by_id.get(id).copied()
    }

    /// Reports whether an address is known to be that of a VPC.
    pub(super) fn is_in_vpc(&self, address: IpAddr) -> bool {
        self.in_vpcs.contains(&address)
    }

    /// Returns the name of a resource, or its id if it has none, or both if another resource of its kind has the same name.
    pub(super) fn get(&self, id: &str) -> String {
        let Some(name) = self.by_id.get(id) else { return display_id(Some(id)) };
        let key = (kind(id), display_name(name));
        let is_shared = self.shared.contains(&key);
        let (_, name) = key;
        if is_shared { format!("{name} ({})", display_id(Some(id))) } else { name }
    }

    /// Replaces ids in a text of ours by names. `sg-1 (web)`, `web (sg-1)`, and `web 10.0.0.0/16 (vpc-1)` become `web`. Shortens the names
    /// behind addresses.
    pub(super) fn shorten(&self, text: &str) -> String {
        self.relabel(text, |id| self.get(id))
    }

    /// As [`ShortNames::shorten`], but with the ids: `sg-1` and `sg-1 (web)` become `web (sg-1)`.
    pub(super) fn with_ids(&self, text: &str) -> String {
        self.relabel(text, |id| {
            format!("{} ({})", self.name(id).map_or_else(String::new, display_name), display_id(Some(id)))
        })
    }

    /// Replaces the ids that have names by labels.
    fn relabel(&self, text: &str, label: impl Fn(&str) -> String) -> String {
        let mut short = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, word, after)) = split_at_word(rest) {
            short.push_str(before);
            rest = after;
            let Some(name) = self.by_id.get(word) else {
                short.push_str(word);
                continue;
            };
            let tag = escape_truncated(name, NAME_CHARACTERS);
            if let Some(after) = after.strip_prefix(&format!(" ({tag})")) {
                rest = after;
            } else if let (Some(start), Some(after)) = (start_of_name(&short, &tag), after.strip_prefix(')')) {
                short.truncate(start);
                rest = after;
            }
            short.push_str(&label(word));
        }
        shorten_names_of_addresses(&(short + rest))
    }
}

/// Returns the words of a text that may be ids.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, word, after) = split_at_word(rest)?;
        rest = after;
        Some(word)
    })
}

/// Splits a text before and after its first word of letters, digits, and hyphens.
fn split_at_word(text: &str) -> Option<(&str, &str, &str)> {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '-';
    let (before, rest) = text.split_at(text.find(is_word)?);
    let (word, after) = rest.split_at(rest.find(|character| !is_word(character)).unwrap_or(rest.len()));
    Some((before, word, after))
}

/// Returns where the name in front of an id begins, if a text ends with `web (`, `web 10.0.0.0/16 (`, or `web 10.0.0.0/16 and 2 more (`.
fn start_of_name(text: &str, name: &str) -> Option<usize> {
    let text = text.strip_suffix(" (")?;
    let start = text.rfind(name)?;
    let between = text.get(start + name.len()..)?;
    let mut words = between.split_ascii_whitespace();
    let is_block = words.next().is_none_or(|word| word.parse::<IpNet>().is_ok());
    let rest: Vec<&str> = words.collect();
    let is_count = matches!(rest[..], [] | ["and", _, "more"]);
    (is_block && is_count).then_some(start)
}

/// Returns the kind of a resource: `vpc` of `vpc-1`.
fn kind(id: &str) -> &str {
    id.split_once('-').map_or(id, |(kind, _)| kind)
}

fn pair<'a>(id: Option<&'a String>, name: Option<&'a String>) -> Option<(&'a str, &'a str)> {
    Some((id?.as_str(), name?.as_str()))
}

fn scope_names(summary: &Summary) -> impl Iterator<Item = (&str, &str)> {
    let rejected = &summary.rejected;
    let interfaces = rejected.by_interface.iter().flat_map(|row| {
        [
            pair(row.interface_id.as_ref(), row.name.as_ref()),
            pair(row.subnet_id.as_ref(), row.subnet_name.as_ref()),
            pair(row.vpc_id.as_ref(), row.vpc_name.as_ref()),
        ]
    });
    let vpcs = rejected.by_vpc.iter().map(|row| pair(row.vpc_id.as_ref(), row.name.as_ref()));
    interfaces.chain(vpcs).flatten()
}

fn peering_names(summary: &Summary) -> impl Iterator<Item = (&str, &str)> {
    let pairs = summary.peering.iter().flat_map(|peering| &peering.vpc_pairs).flat_map(|row| {
        [
            pair(Some(&row.src_vpc_id), row.src_vpc_name.as_ref()),
            pair(Some(&row.dst_vpc_id), row.dst_vpc_name.as_ref()),
            pair(row.peering_connection_id.as_ref(), row.peering_connection_name.as_ref()),
        ]
    });
    pairs.flatten()
}

/// Returns the addresses of the rejected connections and of the heaviest sources and pairs.
fn ends(summary: &Summary) -> impl Iterator<Item = (IpAddr, &Endpoint)> {
    let (groups, top) = (&summary.rejected.groups, &summary.top);
    let groups = groups.iter().flat_map(|row| [(row.srcaddr, &row.src), (row.dstaddr, &row.dst)]);
    let sources = top.rejected_sources.iter().map(|row| (row.srcaddr, &row.src));
    let talkers = top.talkers.iter().flat_map(|row| [(Some(row.srcaddr), &row.src), (Some(row.dstaddr), &row.dst)]);
    groups.chain(sources).chain(talkers).filter_map(|(address, end)| Some((address?, end)))
}

/// Returns the names of the VPCs and subnets of addresses. That of an interface may be its description.
fn end_names(summary: &Summary) -> impl Iterator<Item = (&str, &str)> {
    let names = ends(summary).flat_map(|(_, end)| {
        [pair(end.vpc_id.as_ref(), end.vpc_name.as_ref()), pair(end.subnet_id.as_ref(), end.subnet_name.as_ref())]
    });
    names.flatten()
}

/// Returns the names of the interfaces of rejected connections, of the heaviest pairs, and of the rules of connections.
fn row_names(summary: &Summary) -> impl Iterator<Item = (&str, &str)> {
    let groups = &summary.rejected.groups;
    let interfaces = groups.iter().map(|row| pair(row.interface_id.as_ref(), row.interface_name.as_ref()));
    let talkers = summary.top.talkers.iter().map(|row| pair(row.interface_id.as_ref(), row.interface_name.as_ref()));
    interfaces.chain(talkers).flatten().chain(groups.iter().flat_map(|row| &row.denied_by).flat_map(rule_names))
}

fn rule_names(rule: &DeniedBy) -> Vec<(&str, &str)> {
    match rule {
        DeniedBy::NetworkAcl { id, name, .. } => pair(Some(id), name.as_ref()).into_iter().collect(),
        DeniedBy::SecurityGroup { names, .. } => names.iter().map(|(id, name)| (id.as_str(), name.as_str())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<'a>(pairs: &[(&'a str, &'a str)]) -> ShortNames<'a> {
        ShortNames::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn ids_in_text_become_names() {
        let names = names(&[
            ("vpc-1", "shop"),
            ("vpc-2", "data"),
            ("sg-1", "web"),
            ("sg-2", "web"),
            ("acl-1", "x\u{1b}[2J"),
            ("eni-1", "long name, with (parts)"),
        ]);
        for (text, expected) in [
            ("shop 10.0.0.0/16 (vpc-1) to data 10.2.0.0/16 and 1 more (vpc-2)", "shop to data"),
            ("shop (vpc-1), data (vpc-2)", "shop, data"),
            ("in vpc-1 (shop): vpc-2", "in shop: data"),
            // Two groups have the name.
            ("no rule of sg-1 (web) or sg-2 (web)", "no rule of web (sg-1) or web (sg-2)"),
            ("network ACL acl-1 (x\\u{1b}[2J) rule 80", "network ACL x\\u{1b}[2J rule 80"),
            ("at long name, with (parts) (eni-1)", "at long name, with (parts)"),
            // Not a name of ours: a remark, an unknown id, a longer word.
            ("acl-9 (outbound) sg-1 (inbound)", "acl-9 (outbound) web (sg-1) (inbound)"),
            ("vpc-11 vpc-1x (vpc-1)", "vpc-11 vpc-1x (shop)"),
            ("shop of 3 (vpc-1)", "shop of 3 (shop)"),
            (
                "10.1.1.36 (web-server-production-autoscaling-group-0025-blue) to 10.0.0.7 (web) 443/TCP (https) at vpc-1 (shop)",
                "10.1.1.36 (web-server-produ…group-0025-blue) to 10.0.0.7 (web) 443/TCP (https) at shop",
            ),
            ("fd00::1 (a-name-that-is-longer-than-32-characters", "fd00::1 (a-name-that-is-longer-than-32-characters"),
            ("", ""),
        ] {
            assert_eq!(names.shorten(text), expected, "{text}");
        }
    }

    #[test]
    fn ids_in_text_are_beside_names() {
        let names = names(&[("vpc-1", "shop"), ("sg-1", "web")]);
        for (text, expected) in [
            ("it leads only to vpc-1, by sg-1", "it leads only to shop (vpc-1), by web (sg-1)"),
            ("sg-1 (web) and shop (vpc-1)", "web (sg-1) and shop (vpc-1)"),
            ("vpc-2", "vpc-2"),
        ] {
            assert_eq!(names.with_ids(text), expected);
        }
    }

    #[test]
    fn an_id_remains_without_a_name_or_with_a_shared_one() {
        let names = names(&[("vpc-1", "shop"), ("sg-1", "web"), ("sg-2", "web"), ("eni-1", "web")]);
        let shown = ["vpc-1", "sg-1", "eni-1", "vpc-9"].map(|id| names.get(id));
        assert_eq!(shown, ["shop", "web (sg-1)", "web", "vpc-9"]);
    }

    #[test]
    fn long_names_are_distinct_where_the_resources_are() {
        let long = |middle: &str, end: &str| format!("production-eu-west-1-{middle}-private-subnet-{end}");
        let (a, b, c) = (long("shop", "a"), long("shop", "b"), long("data", "a"));
        let names = names(&[("subnet-1", &a), ("subnet-2", &b), ("subnet-3", &c), ("vpc-1", &a)]);
        let shown = ["subnet-1", "subnet-2", "subnet-3", "vpc-1"].map(|id| names.get(id));
        let short = |end: &str| format!("production-eu-we…rivate-subnet-{end}");
        let expected = [
            // The middle that differs is not shown.
            format!("{} (subnet-1)", short("a")),
            short("b"),
            format!("{} (subnet-3)", short("a")),
            short("a"),
        ];
        assert_eq!(shown, expected);
    }
}
