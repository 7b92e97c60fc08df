//! The accepted flows of closed parts from sources that were rejected, by host and by port: they raise the severity of scans.
//!
//! A closed part has no accepted records. Before they are dropped, those are counted that have source and destination, or source, port, and
//! protocol, of rejected attempts of the same part. So there are at most as many entries as rejected groups. A merge adds the counts. In a
//! report of several parts they are lower bounds: a part in which a source was only accepted has no count for it.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use crate::aggregate::accepted::{AcceptedFlows, AddressFilter};
use crate::aggregate::invalid_row::InvalidRow;
use crate::aggregate::rejected::RejectedFlows;

/// Source and destination.
pub type HostTarget = (IpAddr, IpAddr);
/// Source, destination port, and protocol.
pub type PortTarget = (IpAddr, u16, u8);

/// Accepted flows of closed parts, by what the same source was rejected at.
#[derive(Debug, Clone)]
pub struct LetThrough {
    to_hosts: BTreeMap<HostTarget, u64>,
    to_ports: BTreeMap<PortTarget, u64>,
    /// Maximum entries of each map.
    limit: u64,
    complete: bool,
}

/// A row: accepted flows from a source to a destination.
pub type LetThroughToHostRow = (HostTarget, u64);
/// A row: accepted flows from a source to a port and protocol.
pub type LetThroughToPortRow = (PortTarget, u64);

/// What is known besides the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetThroughState {
    complete: bool,
}

impl LetThrough {
    /// Creates an empty collection of at most `limit` entries of each kind.
    pub fn new(limit: u64) -> LetThrough {
        LetThrough { to_hosts: BTreeMap::new(), to_ports: BTreeMap::new(), limit, complete: true }
    }

    /// Returns whether no limit dropped an entry.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Returns the accepted flows from a source to a destination, as far as they are known.
    pub fn to_host(&self, target: HostTarget) -> u64 {
        self.to_hosts.get(&target).copied().unwrap_or(0)
    }

    /// Returns the accepted flows from a source to a port and protocol, as far as they are known.
    pub fn to_port(&self, target: PortTarget) -> u64 {
        self.to_ports.get(&target).copied().unwrap_or(0)
    }

    /// Returns the greatest number of flows that are counted by one kind of target.
    pub fn kept_flows(&self) -> u64 {
        let sum = |flows: u64, more: &u64| flows.saturating_add(*more);
        self.to_hosts.values().fold(0, sum).max(self.to_ports.values().fold(0, sum))
    }

    /// Counts the accepted flows from the sources of rejected attempts. Call it before they are dropped, and after they decided causes.
    pub fn close(&mut self, accepted: &AcceptedFlows, rejects: &RejectedFlows) {
        let mut hosts = Targets::new(rejects.attempts().map(|(src, dst, ..)| (src, dst)));
        let mut ports = Targets::new(rejects.attempts().map(|(src, _, dstport, protocol)| (src, dstport, protocol)));
        let sources = AddressFilter::new(rejects.attempts().map(|(src, ..)| src));
        accepted.for_each_from(&sources, |row| {
            if !sources.may_contain(row.tuple.src) {
                return;
            }
            if let Some((_, src, dst)) = row.ends() {
                hosts.count((src, dst));
            }
            if let Some(port) = row.port_target() {
                ports.count(port);
            }
        });
        self.add(hosts.sorted(), ports.sorted());
    }

    /// Adds the counts of another part.
    pub fn merge(&mut self, other: &LetThrough) {
        self.complete &= other.complete;
        self.add(other.to_host_rows(), other.to_port_rows());
    }

    fn add(
        &mut self,
        hosts: impl IntoIterator<Item = LetThroughToHostRow>,
        ports: impl IntoIterator<Item = LetThroughToPortRow>,
    ) {
        let LetThrough { to_hosts, to_ports, limit, complete } = self;
        hosts.into_iter().for_each(|row| *complete &= add_row(to_hosts, *limit, row));
        ports.into_iter().for_each(|row| *complete &= add_row(to_ports, *limit, row));
    }

    /// Returns what is known besides the rows.
    pub fn state(&self) -> LetThroughState {
        LetThroughState { complete: self.complete }
    }

    /// Restores what is known besides the rows.
    pub fn restore_state(&mut self, state: LetThroughState) {
        self.complete = state.complete;
    }

    /// Returns the flows to hosts, in their order.
    pub fn to_host_rows(&self) -> impl Iterator<Item = LetThroughToHostRow> {
        self.to_hosts.iter().map(|(target, flows)| (*target, *flows))
    }

    /// Returns the flows to ports, in their order.
    pub fn to_port_rows(&self) -> impl Iterator<Item = LetThroughToPortRow> {
        self.to_ports.iter().map(|(target, flows)| (*target, *flows))
    }

    /// Adds flows to a host.
    ///
    /// # Errors
    /// If the host occurs twice, is above the limit, or has no flows.
    pub fn restore_to_host(&mut self, row: LetThroughToHostRow) -> Result<(), InvalidRow> {
        restore_row(&mut self.to_hosts, self.limit, row)
    }

    /// Adds flows to a port.
    ///
    /// # Errors
    /// If the port occurs twice, is above the limit, or has no flows.
    pub fn restore_to_port(&mut self, row: LetThroughToPortRow) -> Result<(), InvalidRow> {
        restore_row(&mut self.to_ports, self.limit, row)
    }
}

/// The targets of rejected attempts, with the number of accepted flows. Most accepted flows have other targets: a bit for each hash excludes
/// them without a look-up.
struct Targets<T> {
    flows: HashMap<T, u64, RandomState>,
    /// The length is a power of two.
    bits: Vec<u64>,
}

#[expect(clippy::indexing_slicing, reason = "`bit` masks the index with the length, which is a power of two")]
impl<T: Copy + Ord + Hash> Targets<T> {
    /// Number of bits for each target: one in eight other targets passes.
    const BITS_OF_TARGET: usize = 8;

    fn new(targets: impl Iterator<Item = T>) -> Targets<T> {
        let flows: HashMap<T, u64, RandomState> = targets.map(|target| (target, 0)).collect();
        let words = (flows.len() * Targets::<T>::BITS_OF_TARGET / 64 + 1).next_power_of_two();
        let mut targets = Targets { flows: HashMap::default(), bits: vec![0; words] };
        for target in flows.keys() {
            let (word, bit) = targets.bit(flows.hasher(), target);
            targets.bits[word] |= bit;
        }
        targets.flows = flows;
        targets
    }

    /// Counts an accepted flow, if it has one of the targets.
    fn count(&mut self, target: T) {
        let (word, bit) = self.bit(self.flows.hasher(), &target);
        if self.bits[word] & bit != 0
            && let Some(flows) = self.flows.get_mut(&target)
        {
            *flows += 1;
        }
    }

    /// Returns the index of a word, and the bit of a target in there.
    fn bit(&self, hasher: &RandomState, target: &T) -> (usize, u64) {
        let hash = hasher.hash_one(target);
        ((hash >> 6) as usize & (self.bits.len() - 1), 1 << (hash & 63))
    }

    /// Returns the targets with flows, in their order: which ones a limit drops must not depend on hashing.
    fn sorted(self) -> Vec<(T, u64)> {
        let mut flows: Vec<(T, u64)> = self.flows.into_iter().filter(|(_, flows)| *flows > 0).collect();
        flows.sort_unstable();
        flows
    }
}

/// Adds flows. Returns `false` if there is no room.
fn add_row<T: Ord>(flows: &mut BTreeMap<T, u64>, limit: u64, (target, more): (T, u64)) -> bool {
    let has_room = (flows.len() as u64) < limit || flows.contains_key(&target);
    if has_room {
        let sum = flows.entry(target).or_default();
        *sum = sum.saturating_add(more);
    }
    has_room
}

fn restore_row<T: Ord>(flows: &mut BTreeMap<T, u64>, limit: u64, (target, more): (T, u64)) -> Result<(), InvalidRow> {
    if more == 0 || flows.contains_key(&target) || !add_row(flows, limit, (target, more)) {
        return Err(InvalidRow("accepted flows of a source occur twice, are above the limit, or are none"));
    }
    Ok(())
}
