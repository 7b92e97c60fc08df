//! Aggregates records by network interface.

mod rows;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

pub use self::rows::InterfaceRow;
use crate::aggregate::consensus::ReportedId;
use crate::aggregate::counters::{Counters, TimeRange};
use crate::aggregate::interner::{Interner, Symbol, SymbolRemap, bytes_eq, index};
use crate::config::Limits;
use crate::record::{Action, Flow, SkipDataRecord};

/// All interfaces. Records without an interface are counted as interface `None`.
#[derive(Debug, Clone)]
pub struct Interfaces {
    names: Interner,
    /// By index of the symbol; index 0 is `None`.
    all: Vec<Interface>,
    /// Interface of the last record: records of one interface come in runs.
    last: Option<Symbol>,
}

/// The interface of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceRef {
    /// The interface, if the record has one and it is tracked.
    pub id: Option<Symbol>,
    /// The VPC that the record reports, if there was room for it.
    pub vpc: Option<Symbol>,
    /// Whether the interface is tracked, or the record has none. Untracked interfaces share the "no interface" entry, so nothing that
    /// needs several records can be concluded about them.
    pub is_tracked: bool,
}

/// The records of one interface.
#[derive(Debug, Clone, Default)]
pub struct Interface {
    /// VPC of its analyzed records.
    pub vpc: ReportedId,
    /// Subnet of its analyzed records.
    pub subnet: ReportedId,
    /// Accepted records.
    pub accepted: Counters,
    /// Rejected records.
    pub rejected: Counters,
    /// Addresses that all its analyzed records share.
    pub shared_addresses: SharedAddresses,
    /// SKIPDATA records, each counted as a flow.
    pub skipped: Counters,
    /// Time range of the SKIPDATA records.
    pub skipped_seen: TimeRange,
    /// First 64 bits of the hash of its name; 0 for none. Computed on demand, which is rare.
    fingerprint: OnceLock<u64>,
}

impl Default for Interfaces {
    fn default() -> Interfaces {
        Interfaces::new(Limits::default().max_interfaces)
    }
}

impl Interfaces {
    /// Creates an empty collection of at most `limit` interfaces. Records of further ones are counted as "no interface".
    pub fn new(limit: u64) -> Interfaces {
        Interfaces { names: Interner::new(limit), all: vec![Interface::default()], last: None }
    }

    /// Returns whether all interfaces are tracked.
    pub fn is_complete(&self) -> bool {
        self.names.is_complete()
    }

    /// Adds an analyzed record and returns its interface. `places` interns VPC and subnet ids.
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "every symbol that `names` gave out has an entry, and so has index 0")]
    pub fn observe(&mut self, flow: &Flow<'_>, places: &mut Interner) -> InterfaceRef {
        let id = self.id(flow.interface_id);
        let interface = &mut self.all[index(id)];
        let vpc = interface.vpc.observe(flow.vpc_id, places);
        interface.subnet.observe(flow.subnet_id, places);
        interface.shared_addresses.observe(flow.src, flow.dst);
        match flow.action {
            Action::Accept => interface.accepted.observe(flow),
            Action::Reject => interface.rejected.observe(flow),
        }
        InterfaceRef { id, vpc, is_tracked: id.is_some() || flow.interface_id.is_none() }
    }

    /// Adds an analyzed record that a filter left out: to what the records of the interface share, but to no sum.
    #[expect(clippy::indexing_slicing, reason = "every symbol that `names` gave out has an entry, and so has index 0")]
    pub fn observe_left_out(&mut self, flow: &Flow<'_>, places: &mut Interner) -> InterfaceRef {
        let id = self.id(flow.interface_id);
        let interface = &mut self.all[index(id)];
        let vpc = interface.vpc.observe(flow.vpc_id, places);
        interface.subnet.observe(flow.subnet_id, places);
        interface.shared_addresses.observe(flow.src, flow.dst);
        InterfaceRef { id, vpc, is_tracked: id.is_some() || flow.interface_id.is_none() }
    }

    /// Returns the symbol of an interface whose records a filter left out.
    pub fn id_left_out(&mut self, name: Option<&[u8]>) -> Option<Symbol> {
        self.id(name)
    }

    /// Adds a SKIPDATA record.
    #[expect(clippy::indexing_slicing, reason = "every symbol that `names` gave out has an entry, and so has index 0")]
    pub fn observe_gap(&mut self, gap: SkipDataRecord<'_>) {
        let id = self.id(gap.origin.interface_id);
        let interface = &mut self.all[index(id)];
        interface.skipped.merge(Counters { flows: 1, packets: gap.packets, bytes: gap.bytes });
        interface.skipped_seen.observe(gap.origin.start, gap.origin.end);
    }

    /// Merges the interfaces of another analysis. `places` maps its VPC and subnet symbols. Returns the map of its interface symbols.
    pub fn merge(&mut self, other: &Interfaces, places: &SymbolRemap) -> SymbolRemap {
        let ids = self.names.merge(&other.names);
        for (id, theirs) in other.iter() {
            let ours = self.get_mut(id.and_then(|id| ids.get(id)));
            ours.vpc.merge(theirs.vpc, places);
            ours.subnet.merge(theirs.subnet, places);
            ours.accepted.merge(theirs.accepted);
            ours.rejected.merge(theirs.rejected);
            ours.shared_addresses.merge(theirs.shared_addresses);
            ours.skipped.merge(theirs.skipped);
            ours.skipped_seen.merge(theirs.skipped_seen);
        }
        ids
    }

    /// Returns the id of an interface.
    pub fn name(&self, id: Symbol) -> &str {
        self.names.name(id)
    }

    /// Returns a hash of the interface's id, which is the same in every analysis.
    #[expect(clippy::indexing_slicing, reason = "every symbol that `names` gave out has an entry, and so has index 0")]
    pub fn fingerprint(&self, id: Option<Symbol>) -> u64 {
        let of_name = |id: Symbol| {
            let hash = Sha256::digest(self.names.name(id));
            hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
        };
        *self.all[index(id)].fingerprint.get_or_init(|| id.map_or(0, of_name))
    }

    /// Returns the records of an interface.
    #[expect(clippy::indexing_slicing, reason = "every symbol that `names` gave out has an entry, and so has index 0")]
    pub fn get(&self, id: Option<Symbol>) -> &Interface {
        &self.all[index(id)]
    }

    /// Returns all interfaces. The first one is "no interface".
    pub fn iter(&self) -> impl Iterator<Item = (Option<Symbol>, &Interface)> {
        std::iter::once(None).chain(self.names.ids().map(Some)).zip(&self.all)
    }

    /// Returns the symbol of an interface.
    #[inline(always)]
    fn id(&mut self, name: Option<&[u8]>) -> Option<Symbol> {
        let name = name?;
        if let Some(last) = self.last
            && bytes_eq(self.names.name(last).as_bytes(), name)
        {
            return self.last;
        }
        self.switch_to(name)
    }

    #[cold]
    fn switch_to(&mut self, name: &[u8]) -> Option<Symbol> {
        self.last = self.names.intern(name);
        self.get_mut(self.last);
        self.last
    }

    #[expect(clippy::indexing_slicing, reason = "every symbol that `names` gave out has an entry, and so has index 0")]
    fn get_mut(&mut self, id: Option<Symbol>) -> &mut Interface {
        if self.all.len() <= index(id) {
            self.all.resize_with(index(id) + 1, Interface::default);
        }
        &mut self.all[index(id)]
    }
}

/// The addresses that occur, as src or dst, in every record of a set: at most two, because the first record has no more. The address
/// of the interface is among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SharedAddresses {
    /// There is no record yet.
    #[default]
    NoRecord,
    /// The remaining addresses. Absent ones are `None` and come last.
    Remaining(Option<IpAddr>, Option<IpAddr>),
}

impl SharedAddresses {
    /// Adds the addresses of one record.
    #[inline(always)]
    pub fn observe(&mut self, src: Option<IpAddr>, dst: Option<IpAddr>) {
        match *self {
            SharedAddresses::Remaining(None, None) => return,
            SharedAddresses::Remaining(Some(own), None) if is_one_of(own, src, dst) => return,
            _ => {}
        }
        self.merge(SharedAddresses::new(src, dst.filter(|_| src != dst)));
    }

    /// Creates the value of up to two addresses.
    fn new(a: Option<IpAddr>, b: Option<IpAddr>) -> SharedAddresses {
        if a.is_none() { SharedAddresses::Remaining(b, None) } else { SharedAddresses::Remaining(a, b) }
    }

    /// Adds the shared addresses of other records.
    pub fn merge(&mut self, other: SharedAddresses) {
        use SharedAddresses::{NoRecord, Remaining};
        *self = match (*self, other) {
            (addresses, NoRecord) | (NoRecord, addresses) => addresses,
            (Remaining(a, b), Remaining(c, d)) => {
                let kept = |address: Option<IpAddr>| address.filter(|_| address == c || address == d);
                SharedAddresses::new(kept(a), kept(b))
            }
        };
    }

    /// Returns the shared address if there is exactly one, or if exactly one of two is not public.
    pub fn sole_or_not_public(self, is_public: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
        match self {
            SharedAddresses::NoRecord => None,
            SharedAddresses::Remaining(one, None) => one,
            SharedAddresses::Remaining(one, other) => {
                let mut not_public = [one, other].into_iter().flatten().filter(|address| !is_public(*address));
                not_public.next().filter(|_| not_public.next().is_none())
            }
        }
    }
}

/// Returns whether `own` is one of the two. For IPv4 there is no branch on which one it is, because that is unpredictable.
#[inline(always)]
fn is_one_of(own: IpAddr, src: Option<IpAddr>, dst: Option<IpAddr>) -> bool {
    match (own, src, dst) {
        (IpAddr::V4(own), Some(IpAddr::V4(src)), Some(IpAddr::V4(dst))) => {
            let differ = |other: Ipv4Addr| other.to_bits() ^ own.to_bits();
            differ(src).min(differ(dst)) == 0
        }
        _ => src == Some(own) || dst == Some(own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(records: &[(&str, &str)]) -> Option<String> {
        let address = |text: &str| crate::record::ip::parse(text.as_bytes());
        let mut shared_addresses = SharedAddresses::default();
        for (src, dst) in records {
            shared_addresses.observe(address(src), address(dst));
        }
        shared_addresses.sole_or_not_public(crate::record::ip::is_public).map(|one| one.to_string())
    }

    #[test]
    fn the_address_in_every_record_is_shared() {
        assert_eq!(shared(&[("10.0.0.5", "1.1.1.1"), ("2.2.2.2", "10.0.0.5")]).as_deref(), Some("10.0.0.5"));
        assert_eq!(shared(&[("10.0.0.5", "10.0.0.5")]).as_deref(), Some("10.0.0.5"));
        assert_eq!(
            shared(&[("10.0.0.5", "::1"), ("10.0.0.5", "::2"), ("::3", "10.0.0.5")]).as_deref(),
            Some("10.0.0.5")
        );
        assert_eq!(shared(&[("::5", "1.1.1.1"), ("2.2.2.2", "::5"), ("::5", "::2")]).as_deref(), Some("::5"));
        assert_eq!(shared(&[("10.0.0.5", "1.1.1.1"), ("10.0.0.5", "::2"), ("::5", "::2")]), None);
        assert_eq!(shared(&[("10.0.0.5", "1.1.1.1"), ("10.0.0.5", "2.2.2.2"), ("10.0.0.4", "10.0.0.6")]), None);
    }

    #[test]
    fn two_or_no_shared_addresses_are_none() {
        assert_eq!(shared(&[]), None);
        assert_eq!(shared(&[("8.8.8.8", "1.1.1.1")]), None);
        assert_eq!(shared(&[("10.0.0.5", "10.0.0.6"), ("10.0.0.6", "10.0.0.5")]), None);
        assert_eq!(shared(&[("10.0.0.5", "1.1.1.1"), ("10.0.0.5", "2.2.2.2"), ("3.3.3.3", "4.4.4.4")]), None);
    }

    #[test]
    fn of_two_shared_addresses_the_one_is_not_public() {
        assert_eq!(shared(&[("10.0.0.5", "1.1.1.1"), ("1.1.1.1", "10.0.0.5")]).as_deref(), Some("10.0.0.5"));
        assert_eq!(shared(&[("1.1.1.1", "fd00::1")]).as_deref(), Some("fd00::1"));
    }

    #[test]
    fn fingerprints_do_not_depend_on_the_order() {
        let fingerprints = |names: [&'static str; 3]| {
            let mut interfaces = Interfaces::default();
            let ids = names.map(|name| interfaces.id(Some(name.as_bytes())));
            let mut all: Vec<_> = names.into_iter().zip(ids.map(|id| interfaces.fingerprint(id))).collect();
            assert_eq!(interfaces.fingerprint(None), 0);
            all.sort_unstable();
            all
        };
        let hashes = fingerprints(["eni-1", "eni-2", "eni-3"]);
        assert_eq!(hashes, fingerprints(["eni-3", "eni-1", "eni-2"]));
        // The first 64 bits of `printf eni-1 | sha256sum`.
        assert_eq!(hashes[0], ("eni-1", 0xd3c6_2384_8a30_4995));
        assert!(hashes[0].1 != hashes[1].1 && hashes[1].1 != hashes[2].1 && hashes[2].1 != hashes[0].1);
    }

    #[test]
    fn a_record_without_addresses_shares_none() {
        assert_eq!(shared(&[("10.0.0.5", "1.1.1.1"), ("2.2.2.2", "10.0.0.5"), ("-", "-")]), None);
        assert_eq!(shared(&[("10.0.0.5", "-")]).as_deref(), Some("10.0.0.5"));
        assert_eq!(shared(&[("-", "10.0.0.5"), ("-", "10.0.0.5")]).as_deref(), Some("10.0.0.5"));
    }
}
