//! Values by CIDR block, for look-ups by address.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

/// Values by CIDR block. A look-up tries each distinct prefix length once, however many blocks there are.
#[derive(Debug, Clone)]
pub(super) struct PrefixIndex<V> {
    /// The host bits of the keys are zero.
    values: HashMap<IpNet, V, RandomState>,
    ipv4_lengths: BTreeSet<u8>,
    ipv6_lengths: BTreeSet<u8>,
}

/// The only id of a block, or the fact that there are several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OnlyId {
    /// All entries of the block have this id.
    One(String),
    /// The entries of the block have several ids.
    Several,
}

impl<V> Default for PrefixIndex<V> {
    fn default() -> PrefixIndex<V> {
        PrefixIndex { values: HashMap::default(), ipv4_lengths: BTreeSet::new(), ipv6_lengths: BTreeSet::new() }
    }
}

impl<V> PrefixIndex<V> {
    /// Inserts the value of a block. Returns the old one if the block has one.
    pub(super) fn insert(&mut self, block: IpNet, value: V) -> Option<V> {
        self.add_length(block);
        self.values.insert(block.trunc(), value)
    }

    /// Returns the value of a block. Inserts the default if it has none.
    pub(super) fn get_or_default(&mut self, block: IpNet) -> &mut V
    where
        V: Default,
    {
        self.add_length(block);
        self.values.entry(block.trunc()).or_default()
    }

    fn add_length(&mut self, block: IpNet) {
        match block {
            IpNet::V4(_) => self.ipv4_lengths.insert(block.prefix_len()),
            IpNet::V6(_) => self.ipv6_lengths.insert(block.prefix_len()),
        };
    }

    /// Returns the values of the blocks that contain an address, the longest block first.
    pub(super) fn matches(&self, address: IpAddr) -> impl Iterator<Item = &V> {
        let lengths = if address.is_ipv4() { &self.ipv4_lengths } else { &self.ipv6_lengths };
        lengths.iter().rev().filter_map(move |length| self.values.get(&IpNet::new(address, *length).ok()?.trunc()))
    }
}

impl PrefixIndex<OnlyId> {
    /// Adds an id to a block.
    pub(super) fn add(&mut self, block: IpNet, id: &str) {
        let old = self.insert(block, OnlyId::One(id.to_owned()));
        if old.is_some_and(|old| old != OnlyId::One(id.to_owned())) {
            self.insert(block, OnlyId::Several);
        }
    }

    /// Returns the only id of all blocks that contain an address. Returns `None` if there is none or if there are several.
    pub(super) fn only_id(&self, address: IpAddr) -> Option<&str> {
        let mut matches = self.matches(address);
        let first = matches.next()?;
        match first {
            OnlyId::One(id) if matches.all(|other| other == first) => Some(id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> IpNet {
        text.parse().expect("a block")
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn blocks_with_the_address_match_longest_first() {
        let mut index = PrefixIndex::default();
        for (text, value) in [
            ("10.1.0.0/16", 1),
            // Host bits do not matter.
            ("10.1.2.3/24", 2),
            ("0.0.0.0/0", 3),
            ("10.1.2.4/32", 4),
            ("2600:1f18::/56", 5),
            ("2600:1f18:0:1::/64", 6),
        ] {
            assert_eq!(index.insert(block(text), value), None, "{text}");
        }
        assert_eq!(index.insert(block("10.1.2.0/24"), 7), Some(2));
        let expected: [(&str, &[i32]); 7] = [
            ("10.1.2.4", &[4, 7, 1, 3]),
            ("10.1.2.5", &[7, 1, 3]),
            ("10.1.3.0", &[1, 3]),
            ("10.2.0.0", &[3]),
            ("2600:1f18:0:1::9", &[6, 5]),
            ("2600:1f18:0:2::9", &[5]),
            ("2600:1f18:0:100::9", &[]),
        ];
        for (text, values) in expected {
            assert_eq!(index.matches(address(text)).copied().collect::<Vec<_>>(), values, "{text}");
        }
    }

    #[test]
    fn only_id_is_none_if_blocks_with_it_have_several() {
        let mut index = PrefixIndex::default();
        for (text, id) in [
            ("10.1.0.0/28", "eni-1"),
            ("10.1.0.0/28", "eni-1"),
            ("10.1.0.16/28", "eni-1"),
            ("10.1.0.16/28", "eni-2"),
            ("10.1.0.16/28", "eni-2"),
            ("10.1.0.32/27", "eni-3"),
            ("10.1.0.32/28", "eni-4"),
            ("10.1.0.64/27", "eni-5"),
            ("10.1.0.64/28", "eni-5"),
        ] {
            index.add(block(text), id);
        }
        for (text, expected) in [
            ("10.1.0.15", Some("eni-1")),
            ("10.1.0.16", None),
            ("10.1.0.47", None),
            ("10.1.0.48", Some("eni-3")),
            ("10.1.0.64", Some("eni-5")),
            ("10.1.0.95", Some("eni-5")),
            ("10.1.0.96", None),
        ] {
            assert_eq!(index.only_id(address(text)), expected, "{text}");
        }
    }
}
