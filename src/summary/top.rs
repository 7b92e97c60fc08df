//! The sources and ports with the most rejected flows, and the pairs of addresses with the most accepted bytes.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use super::Keyword;
use super::build::{SummaryBuilder, traffic};
use super::stored::names_of;
use crate::aggregate::Analysis;
use crate::aggregate::counters::Counters;
use crate::aggregate::interner::Symbol;
use crate::aggregate::rejected::Groups;
use crate::aggregate::talkers::TalkerKey;
use crate::findings::Completeness;
use crate::findings::stored::known;
use crate::topology::endpoint::Endpoint;

/// Maximum number of rows of each list.
const ROWS: usize = 10;

/// Maximum number of sums to reserve memory for.
const MAX_CAPACITY: usize = 4096;

/// The heaviest sources, ports, and pairs of addresses: at most ten of each.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Top {
    /// False if a memory limit made `rejected_sources` or `rejected_ports` approximate.
    pub exact: bool,
    /// Sources with the most rejected flows.
    #[serde(deserialize_with = "known")]
    pub rejected_sources: Vec<SourceRejects>,
    /// Destination ports with the most rejected flows.
    #[serde(deserialize_with = "super::stored::ports")]
    pub rejected_ports: Vec<PortRejects>,
    /// Pairs of source and destination with the most accepted bytes. A pair that several interfaces record counts once: at the interface
    /// with the most bytes.
    #[serde(deserialize_with = "known")]
    pub talkers: Vec<Talker>,
    /// False if there are too many pairs to count all of their records. The sums of `talkers` are then lower bounds.
    pub talkers_exact: bool,
    /// Maximum undercount of a pair, in bytes. A listed pair has at most this many more bytes than reported. A pair that is not listed has
    /// at most this many more bytes than the last listed one.
    #[serde(default)]
    pub talkers_error_bound: u64,
}

/// Rejected traffic of one source, over all interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SourceRejects {
    /// Source address. Null for records without one.
    pub srcaddr: Option<IpAddr>,
    /// What is known of the source. Null where its records lead to different results.
    pub src: Endpoint,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Counters,
}

/// Rejected traffic to one port, over all interfaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PortRejects {
    /// IANA protocol number. Null for records without one.
    pub protocol: Option<u8>,
    /// IANA keyword of the protocol.
    #[serde(deserialize_with = "super::stored::derived")]
    pub protocol_name: Option<Keyword>,
    /// Destination port. Null for records without one.
    pub dstport: Option<u16>,
    /// Name of the service that usually uses the port.
    #[serde(deserialize_with = "super::stored::derived")]
    pub service_name: Option<Keyword>,
    /// Flows, packets and bytes.
    #[serde(flatten)]
    pub tally: Counters,
}

/// Accepted traffic from one address to another, as one interface recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Talker {
    /// Interface that recorded the traffic.
    pub interface_id: Option<String>,
    /// Name tag of the interface.
    pub interface_name: Option<String>,
    /// Source: `pkt-srcaddr` if present, otherwise `srcaddr`.
    pub srcaddr: IpAddr,
    /// Destination: `pkt-dstaddr` if present, otherwise `dstaddr`.
    pub dstaddr: IpAddr,
    /// Scope, VPC, and other known facts of the source.
    pub src: Endpoint,
    /// Scope, VPC, and other known facts of the destination.
    pub dst: Endpoint,
    /// Accepted traffic.
    pub accepted: Counters,
}

impl SummaryBuilder<'_> {
    /// Returns the heaviest sources, ports, and pairs of addresses.
    pub(super) fn top(&self, groups: &Groups, completeness: Completeness) -> Top {
        // Growing would take as long as counting, but few sources may have many groups.
        let capacity = groups.len().min(MAX_CAPACITY);
        let mut sources: Sums<Option<IpAddr>> = Sums::with_capacity_and_hasher(capacity, RandomState::default());
        let mut ports: Sums<(Option<u8>, Option<u16>)> =
            Sums::with_capacity_and_hasher(capacity, RandomState::default());
        for (index, tally) in groups.tallies().iter().enumerate() {
            let key = groups.key(index);
            sources.entry(key.src).or_default().merge(*tally);
            ports.entry((key.protocol, key.dstport)).or_default().merge(*tally);
        }
        Top {
            exact: completeness.rejected,
            rejected_sources: self.rejected_sources(groups, heaviest(sources)),
            rejected_ports: heaviest(ports).into_iter().map(port).collect(),
            talkers: self.talkers(),
            talkers_exact: self.analysis.talkers.is_exact() && completeness.names,
            talkers_error_bound: self.talkers_error_bound(completeness),
        }
    }

    fn rejected_sources(&self, groups: &Groups, sources: Vec<(Option<IpAddr>, Counters)>) -> Vec<SourceRejects> {
        let mut interfaces: Vec<(Option<IpAddr>, BTreeSet<Option<Symbol>>)> =
            sources.iter().map(|(src, _)| (*src, BTreeSet::new())).collect();
        interfaces.sort_unstable();
        for index in 0..groups.len() {
            let key = groups.key(index);
            if let Ok(found) = interfaces.binary_search_by_key(&key.src, |(src, _)| *src)
                && let Some((_, seen_at)) = interfaces.get_mut(found)
            {
                seen_at.insert(key.interface);
            }
        }
        let row = |(srcaddr, tally): (Option<IpAddr>, Counters)| {
            let seen_at = interfaces.iter().find(|(src, _)| *src == srcaddr).into_iter().flat_map(|(_, ids)| ids);
            let endpoints = seen_at.map(|id| self.network.endpoint(srcaddr, self.network.interface_recorder(*id)));
            SourceRejects { srcaddr, src: endpoints.reduce(|a, b| agreed(a, &b)).unwrap_or_default(), tally }
        };
        sources.into_iter().map(row).collect()
    }

    /// Returns the pairs of addresses with the most bytes. Both ends of a flow may record it: only the interface with the most bytes counts.
    fn talkers(&self) -> Vec<Talker> {
        let mut rows: Vec<RankedTalker<'_>> = Vec::new();
        for (key, sums) in self.analysis.talkers.iter() {
            if rows.get(ROWS - 1).is_some_and(|(Reverse(least), ..)| by_bytes(sums) < *least) {
                continue;
            }
            let pair = (key.src, key.dst);
            let row = (Reverse(by_bytes(sums)), pair, self.network.interface_name(key.interface), key.interface);
            offer(&mut rows, row, |known| known.1 == pair);
        }
        let talker = |(Reverse((bytes, packets, flows)), (src, dst), _, interface)| {
            self.talker(TalkerKey { interface, src, dst }, Counters { flows, packets, bytes })
        };
        rows.into_iter().map(talker).collect()
    }

    /// Returns the maximum undercount of a pair. Interfaces without room share the entry "no interface": what it has, and what is not
    /// counted, may be of one pair.
    fn talkers_error_bound(&self, completeness: Completeness) -> u64 {
        let Analysis { talkers, interfaces, .. } = self.analysis;
        let all = traffic(interfaces).accepted.bytes;
        let bound = if completeness.names {
            talkers.error_bound()
        } else {
            all.saturating_sub(talkers.counted().bytes).saturating_add(interfaces.get(None).accepted.bytes)
        };
        bound.min(all)
    }

    fn talker(&self, key: TalkerKey, accepted: Counters) -> Talker {
        let recorder = self.network.interface_recorder(key.interface);
        let interface_id = self.network.interface_name(key.interface);
        Talker {
            interface_id: interface_id.map(str::to_owned),
            interface_name: self.name_of(interface_id),
            srcaddr: key.src,
            dstaddr: key.dst,
            src: self.network.endpoint(Some(key.src), recorder),
            dst: self.network.endpoint(Some(key.dst), recorder),
            accepted,
        }
    }
}

/// Bytes, packets, and flows of a pair, its addresses, and the interface with its symbol, so that rows can be compared.
type RankedTalker<'a> = (Reverse<(u64, u64, u64)>, (IpAddr, IpAddr), Option<&'a str>, Option<Symbol>);

/// Sums by a part of the keys of groups.
type Sums<K> = HashMap<K, Counters, RandomState>;

fn port(((protocol, dstport), tally): ((Option<u8>, Option<u16>), Counters)) -> PortRejects {
    let (protocol_name, service_name) = names_of(protocol, dstport);
    PortRejects { protocol, protocol_name, dstport, service_name, tally }
}

/// Returns the sums with the most flows.
fn heaviest<K: Copy + Ord>(sums: Sums<K>) -> Vec<(K, Counters)> {
    let mut rows = Vec::new();
    for (key, tally) in sums {
        offer(&mut rows, (Reverse(tally), key), |_| false);
    }
    rows.into_iter().map(|(Reverse(tally), key)| (key, tally)).collect()
}

/// Adds a row to the first ones in their order. It replaces one that is the same, unless it comes after it.
fn offer<R: Ord>(rows: &mut Vec<R>, row: R, is_same: impl Fn(&R) -> bool) {
    if rows.len() == ROWS && rows.last() < Some(&row) {
        return;
    }
    if let Some(index) = rows.iter().position(is_same) {
        if rows.get(index) < Some(&row) {
            return;
        }
        rows.remove(index);
    }
    rows.insert(rows.partition_point(|known| *known < row), row);
    rows.truncate(ROWS);
}

/// Returns the order of talkers: by bytes, then by packets and flows.
fn by_bytes(sums: Counters) -> (u64, u64, u64) {
    (sums.bytes, sums.packets, sums.flows)
}

/// Returns the facts on which two descriptions of an address agree.
fn agreed(a: Endpoint, b: &Endpoint) -> Endpoint {
    fn same<T: PartialEq>(a: Option<T>, b: &Option<T>) -> Option<T> {
        a.filter(|a| b.as_ref() == Some(a))
    }
    Endpoint {
        scope: same(a.scope, &b.scope),
        vpc_id: same(a.vpc_id, &b.vpc_id),
        vpc_name: same(a.vpc_name, &b.vpc_name),
        subnet_id: same(a.subnet_id, &b.subnet_id),
        subnet_name: same(a.subnet_name, &b.subnet_name),
        interface_id: same(a.interface_id, &b.interface_id),
        service: same(a.service, &b.service),
        name: same(a.name, &b.name),
    }
}

#[cfg(test)]
mod tests;
