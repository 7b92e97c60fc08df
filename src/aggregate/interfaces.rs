//! What a report's records say of each network interface.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::OnceLock;

use sha2::{Digest, Sha256};

use crate::aggregate::consensus::ReportedId;
use crate::aggregate::counters::{Counters, TimeRange};
use crate::aggregate::interner::{Interner, Symbol, SymbolRemap, index, same};
use crate::config::Limits;
use crate::record::{Action, Flow, SkipDataRecord};

/// All interfaces met. Records that name none are kept together, as interface `None`.
#[derive(Debug, Clone)]
pub struct Interfaces {
    names: Interner,
    /// By the number of the name; 0 is `None`.
    all: Vec<Interface>,
    /// Records of one interface come in runs.
    last: Option<Symbol>,
}

/// Which interface a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceRef {
    /// The interface, if the record names one that is kept.
    pub id: Option<Symbol>,
    /// The VPC that the record itself names, if there was room for that.
    pub vpc: Option<Symbol>,
    /// Whether there was room for it. Of an interface beyond the limit nothing can be said that rests on several records.
    pub is_tracked: bool,
}

/// What the records of one interface say.
#[derive(Debug, Clone, Default)]
pub struct Interface {
    /// The VPC of its analysed records.
    pub vpc: ReportedId,
    /// The subnet of its analysed records.
    pub subnet: ReportedId,
    /// Its accepted records.
    pub accepted: Counters,
    /// Its rejected records.
    pub rejected: Counters,
    /// The addresses of its analysed records.
    pub constant: SharedAddresses,
    /// Its records of class `skip_data`: their number as flows.
    pub skipped: Counters,
    /// When those were seen.
    pub skipped_seen: TimeRange,
    /// The beginning of a hash of its name; 0 of none. Hardly ever asked for.
    fingerprint: OnceLock<u64>,
}

impl Default for Interfaces {
    fn default() -> Interfaces {
        Interfaces::new(Limits::default().max_interfaces)
    }
}

impl Interfaces {
    /// For at most so many. Records of those that come later are kept with those that name none.
    pub fn new(limit: u64) -> Interfaces {
        Interfaces { names: Interner::new(limit), all: vec![Interface::default()], last: None }
    }

    /// Whether no interface came later.
    pub fn is_complete(&self) -> bool {
        self.names.is_complete()
    }

    /// Takes in an analysed record, and says which interface it is of. `places` holds the names of VPCs and subnets.
    #[inline(always)]
    pub fn observe(&mut self, flow: &Flow<'_>, places: &mut Interner) -> InterfaceRef {
        let id = self.id(flow.interface_id);
        let interface = &mut self.all[index(id)];
        let vpc = interface.vpc.observe(flow.vpc_id, places);
        interface.subnet.observe(flow.subnet_id, places);
        interface.constant.observe(flow.src, flow.dst);
        match flow.action {
            Action::Accept => interface.accepted.observe(flow),
            Action::Reject => interface.rejected.observe(flow),
        }
        InterfaceRef { id, vpc, is_tracked: id.is_some() || flow.interface_id.is_none() }
    }

    /// Takes in a hole in the log.
    pub fn observe_gap(&mut self, gap: SkipDataRecord<'_>) {
        let id = self.id(gap.interface_id);
        let interface = &mut self.all[index(id)];
        interface.skipped.merge(Counters { flows: 1, packets: gap.packets, bytes: gap.bytes });
        interface.skipped_seen.observe(gap.start, gap.end);
    }

    /// Takes in another report's interfaces, whose VPCs and subnets have those numbers here. Says which number each
    /// of its interfaces has here.
    pub fn merge(&mut self, other: &Interfaces, places: &SymbolRemap) -> SymbolRemap {
        let ids = self.names.merge(&other.names);
        for (number, theirs) in other.iter() {
            let ours = self.get_mut(number.and_then(|number| ids.of(number)));
            ours.vpc.merge(theirs.vpc, places);
            ours.subnet.merge(theirs.subnet, places);
            ours.accepted.merge(theirs.accepted);
            ours.rejected.merge(theirs.rejected);
            ours.constant.merge(theirs.constant);
            ours.skipped.merge(theirs.skipped);
            ours.skipped_seen.merge(theirs.skipped_seen);
        }
        ids
    }

    /// The name of an interface.
    pub fn name(&self, id: Symbol) -> &str {
        self.names.name(id)
    }

    /// A number that the interface has in every report.
    pub fn fingerprint(&self, id: Option<Symbol>) -> u64 {
        let of_name = |id: Symbol| {
            let hash = Sha256::digest(self.names.name(id));
            hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
        };
        *self.all[index(id)].fingerprint.get_or_init(|| id.map_or(0, of_name))
    }

    /// What is known of an interface.
    pub fn get(&self, id: Option<Symbol>) -> &Interface {
        &self.all[index(id)]
    }

    /// All interfaces, and first what stands for none.
    pub fn iter(&self) -> impl Iterator<Item = (Option<Symbol>, &Interface)> {
        std::iter::once(None).chain(self.names.ids().map(Some)).zip(&self.all)
    }

    #[inline(always)]
    fn id(&mut self, name: Option<&[u8]>) -> Option<Symbol> {
        let name = name?;
        if let Some(last) = self.last
            && same(self.names.name(last).as_bytes(), name)
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

    fn get_mut(&mut self, id: Option<Symbol>) -> &mut Interface {
        if self.all.len() <= index(id) {
            self.all.resize_with(index(id) + 1, Interface::default);
        }
        &mut self.all[index(id)]
    }
}

/// The addresses that occur, as src or dst, in every record of some records: at most two, as the first record has no
/// more. An interface's own address is among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SharedAddresses {
    /// No record yet.
    #[default]
    NoRecord,
    /// These; `None` where there are fewer, and last.
    Remaining(Option<IpAddr>, Option<IpAddr>),
}

impl SharedAddresses {
    /// Takes in the addresses of one more record.
    #[inline(always)]
    pub fn observe(&mut self, src: Option<IpAddr>, dst: Option<IpAddr>) {
        match *self {
            SharedAddresses::Remaining(None, None) => return,
            SharedAddresses::Remaining(Some(own), None) if is_one_of(own, src, dst) => return,
            _ => {}
        }
        self.merge(SharedAddresses::of(src, dst.filter(|_| src != dst)));
    }

    fn of(a: Option<IpAddr>, b: Option<IpAddr>) -> SharedAddresses {
        if a.is_none() { SharedAddresses::Remaining(b, None) } else { SharedAddresses::Remaining(a, b) }
    }

    /// Takes in what is left of other records' addresses.
    pub fn merge(&mut self, other: SharedAddresses) {
        use SharedAddresses::{NoRecord, Remaining};
        *self = match (*self, other) {
            (left, NoRecord) | (NoRecord, left) => left,
            (Remaining(a, b), Remaining(c, d)) => {
                let kept = |address: Option<IpAddr>| address.filter(|_| address == c || address == d);
                SharedAddresses::of(kept(a), kept(b))
            }
        };
    }

    /// The one address that is left, if it is one.
    pub fn one(self) -> Option<IpAddr> {
        match self {
            SharedAddresses::Remaining(one, None) => one,
            _ => None,
        }
    }
}

/// Whether one of the two is it, as of nearly every record. Which of them nobody can foresee: of IPv4 there is no branch.
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

    fn left(records: &[(&str, &str)]) -> Option<String> {
        let address = |text: &str| crate::record::ip::parse(text.as_bytes());
        let mut constant = SharedAddresses::default();
        for (src, dst) in records {
            constant.observe(address(src), address(dst));
        }
        constant.one().map(|one| one.to_string())
    }

    #[test]
    fn the_one_address_in_every_record_is_the_interfaces() {
        assert_eq!(left(&[("10.0.0.5", "1.1.1.1"), ("2.2.2.2", "10.0.0.5")]).as_deref(), Some("10.0.0.5"));
        assert_eq!(left(&[("10.0.0.5", "10.0.0.5")]).as_deref(), Some("10.0.0.5"));
        assert_eq!(left(&[("10.0.0.5", "::1"), ("10.0.0.5", "::2"), ("::3", "10.0.0.5")]).as_deref(), Some("10.0.0.5"));
        assert_eq!(left(&[("::5", "1.1.1.1"), ("2.2.2.2", "::5"), ("::5", "::2")]).as_deref(), Some("::5"));
        assert_eq!(left(&[("10.0.0.5", "1.1.1.1"), ("10.0.0.5", "::2"), ("::5", "::2")]), None);
        assert_eq!(left(&[("10.0.0.5", "1.1.1.1"), ("10.0.0.5", "2.2.2.2"), ("10.0.0.4", "10.0.0.6")]), None);
    }

    #[test]
    fn two_or_none_are_not_one() {
        assert_eq!(left(&[]), None);
        assert_eq!(left(&[("10.0.0.5", "1.1.1.1")]), None);
        assert_eq!(left(&[("10.0.0.5", "1.1.1.1"), ("1.1.1.1", "10.0.0.5")]), None);
        assert_eq!(left(&[("10.0.0.5", "1.1.1.1"), ("10.0.0.5", "2.2.2.2"), ("3.3.3.3", "4.4.4.4")]), None);
    }

    #[test]
    fn an_interface_has_its_own_fingerprint_in_every_report() {
        let fingerprints = |names: [&'static str; 3]| {
            let mut interfaces = Interfaces::default();
            let ids = names.map(|name| interfaces.id(Some(name.as_bytes())));
            let mut all: Vec<_> = names.into_iter().zip(ids.map(|id| interfaces.fingerprint(id))).collect();
            assert_eq!(interfaces.fingerprint(None), 0);
            all.sort_unstable();
            all
        };
        let told = fingerprints(["eni-1", "eni-2", "eni-3"]);
        assert_eq!(told, fingerprints(["eni-3", "eni-1", "eni-2"]));
        // As `printf eni-1 | sha256sum` begins.
        assert_eq!(told[0], ("eni-1", 0xd3c6_2384_8a30_4995));
        assert!(told[0].1 != told[1].1 && told[1].1 != told[2].1 && told[2].1 != told[0].1);
    }

    #[test]
    fn a_record_without_addresses_leaves_none() {
        assert_eq!(left(&[("10.0.0.5", "1.1.1.1"), ("2.2.2.2", "10.0.0.5"), ("-", "-")]), None);
        assert_eq!(left(&[("10.0.0.5", "-")]).as_deref(), Some("10.0.0.5"));
        assert_eq!(left(&[("-", "10.0.0.5"), ("-", "10.0.0.5")]).as_deref(), Some("10.0.0.5"));
    }
}
