//! The accepted 5-tuples of each interface, which decide the causes of rejected flows, and what was accepted from a scanner or
//! answered.
//!
//! Nearly all flows are accepted and few 5-tuples repeat, so accepted tuples are appended to rows of fixed size and scanned at
//! the end. A rejected flow may precede the accepted one that explains it, so no row can be dropped before.
//!
//! Invariants: either every accepted record of a tracked interface with a source has a row, unless it has no destination and no port, or none has. `IPV6_COST` rows of IPv4 take at least the memory of one
//! wide row, so that the limit on tuples is a limit on memory.

mod address_filter;
mod bloom;
mod encoding;
mod rows;

use std::net::{IpAddr, Ipv4Addr};

pub use self::address_filter::AddressFilter;
pub use self::bloom::BloomFilter;
use self::encoding::Ipv4Row;
pub use self::rows::{AcceptedFlowsRow, AcceptedState};
use crate::aggregate::connection_stage::ConnectionStage;
use crate::aggregate::interfaces::InterfaceRef;
use crate::aggregate::interner::{Symbol, SymbolRemap};
use crate::config::Limits;
use crate::record::Flow;

/// Interface, protocol, addresses and ports of a record, all but the interface present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FiveTuple {
    /// Interface, if the record names one.
    pub interface: Option<Symbol>,
    /// IANA protocol number.
    pub protocol: u8,
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Source port.
    pub srcport: u16,
    /// Destination port.
    pub dstport: u16,
}

impl FiveTuple {
    /// Returns the tuple of a record, or `None` if a part is absent.
    pub fn from_flow(interface: Option<Symbol>, flow: &Flow<'_>) -> Option<FiveTuple> {
        Some(FiveTuple {
            interface,
            protocol: flow.protocol?,
            src: flow.src?,
            dst: flow.dst?,
            srcport: flow.srcport?,
            dstport: flow.dstport?,
        })
    }

    /// Returns the tuple of a reply.
    pub fn reversed(self) -> FiveTuple {
        FiveTuple { src: self.dst, dst: self.src, srcport: self.dstport, dstport: self.srcport, ..self }
    }
}

/// The parts of its 5-tuple that an accepted record has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TupleParts {
    /// All.
    All,
    /// All but the source port.
    NoSourcePort,
    /// No destination port.
    NoDestinationPort,
    /// No protocol.
    NoProtocol,
    /// No destination address.
    NoDestination,
}

impl TupleParts {
    /// All values, in the order of their numbers.
    const ALL: [TupleParts; 5] = [
        TupleParts::All,
        TupleParts::NoSourcePort,
        TupleParts::NoDestinationPort,
        TupleParts::NoProtocol,
        TupleParts::NoDestination,
    ];
}

/// An accepted record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AcceptedRow {
    /// Interface, protocol, addresses, and ports. An absent protocol, port, or destination is 0.
    pub tuple: FiveTuple,
    /// The parts that are present.
    pub parts: TupleParts,
    /// What it shows of a connection from its interface.
    pub stage: ConnectionStage,
    /// Whether it has a `vpc-id`.
    pub has_vpc_id: bool,
}

impl AcceptedRow {
    /// Returns protocol, source, and destination, or `None` if there is no destination.
    pub fn ends(&self) -> Option<(Option<u8>, IpAddr, IpAddr)> {
        let protocol = Some(self.tuple.protocol).filter(|_| self.parts != TupleParts::NoProtocol);
        (self.parts != TupleParts::NoDestination).then_some((protocol, self.tuple.src, self.tuple.dst))
    }

    /// Returns source, destination port, and protocol, or `None` if there is no port or protocol.
    pub fn port_target(&self) -> Option<(IpAddr, u16, u8)> {
        let has_port = !matches!(self.parts, TupleParts::NoDestinationPort | TupleParts::NoProtocol);
        has_port.then_some((self.tuple.src, self.tuple.dstport, self.tuple.protocol))
    }

    /// Returns the row of a record, or `None` if it lacks what other records are compared with.
    fn from_flow(interface: Option<Symbol>, flow: &Flow<'_>, stage: ConnectionStage) -> Option<AcceptedRow> {
        let src = flow.src?;
        let parts = match (flow.dst, flow.protocol, flow.srcport, flow.dstport) {
            (Some(_), Some(_), Some(_), Some(_)) => TupleParts::All,
            (Some(_), Some(_), None, Some(_)) => TupleParts::NoSourcePort,
            (Some(_), Some(_), _, None) => TupleParts::NoDestinationPort,
            (Some(_), None, ..) => TupleParts::NoProtocol,
            (None, Some(_), _, Some(_)) => TupleParts::NoDestination,
            (None, ..) => return None,
        };
        let dst = flow.dst.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let protocol = flow.protocol.unwrap_or(0);
        let (srcport, dstport) = (flow.srcport.unwrap_or(0), flow.dstport.unwrap_or(0));
        let tuple = FiveTuple { interface, protocol, src, dst, srcport, dstport };
        Some(AcceptedRow { tuple, parts, stage, has_vpc_id: flow.vpc_id.is_some() })
    }
}

/// The accepted tuples of a run, up to a limit.
#[derive(Debug, Clone)]
pub struct AcceptedFlows {
    ipv4: Vec<Ipv4Row>,
    /// Tuples that do not fit in an [`Ipv4Row`]: those of IPv6, above all.
    wide: Vec<AcceptedRow>,
    /// The cost of all rows, in IPv4 tuples.
    cost: u64,
    limit: u64,
    complete: bool,
    limit_reached: bool,
}

/// Cost of an IPv6 tuple, in IPv4 tuples.
const IPV6_COST: u64 = 3;

const _: () = assert!(size_of::<Ipv4Row>() == 16);
const _: () = assert!(size_of::<AcceptedRow>() <= IPV6_COST as usize * size_of::<Ipv4Row>());

impl Default for AcceptedFlows {
    fn default() -> AcceptedFlows {
        AcceptedFlows::new(Limits::default().max_accepted_tuples)
    }
}

impl AcceptedFlows {
    /// Creates an empty collection of at most `limit` IPv4 tuples.
    pub fn new(limit: u64) -> AcceptedFlows {
        AcceptedFlows { ipv4: Vec::new(), wide: Vec::new(), cost: 0, limit, complete: true, limit_reached: false }
    }

    /// Returns whether all accepted tuples are kept; otherwise none is.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Returns the number of flows that are kept.
    pub fn kept_flows(&self) -> u64 {
        (self.ipv4.len() + self.wide.len()) as u64
    }

    /// Returns whether there were more tuples than the limit allows.
    pub fn limit_reached(&self) -> bool {
        self.limit_reached
    }

    /// Adds an accepted record of this interface. Records of untracked interfaces cannot be attributed, and those without a source match
    /// no other record.
    #[inline(always)]
    pub fn observe(&mut self, interface: InterfaceRef, flow: &Flow<'_>, stage: ConnectionStage) {
        if !interface.is_tracked {
            return;
        }
        // Nearly all records are of IPv4 and complete.
        if let (Some(IpAddr::V4(src)), Some(IpAddr::V4(dst))) = (flow.src, flow.dst)
            && let (Some(protocol), Some(srcport), Some(dstport)) = (flow.protocol, flow.srcport, flow.dstport)
            && let Some(row) = Ipv4Row::complete(
                interface.id,
                (src, dst),
                (srcport, dstport),
                (protocol, stage, flow.vpc_id.is_some()),
            )
            && self.cost < self.limit
        {
            self.cost += 1;
            self.ipv4.push(row);
        } else {
            self.observe_slow(interface.id, *flow, stage);
        }
    }

    /// Adds any other record. Takes it by value: a reference would force every record out of registers.
    #[inline(never)]
    fn observe_slow(&mut self, interface: Option<Symbol>, flow: Flow<'_>, stage: ConnectionStage) {
        if let Some(row) = AcceptedRow::from_flow(interface, &flow, stage) {
            self.push(row);
        }
    }

    fn push(&mut self, record: AcceptedRow) {
        if self.cost >= self.limit {
            self.limit_reached |= self.complete;
            self.discard_all();
        } else if let Some(row) = Ipv4Row::new(&record) {
            self.cost += 1;
            self.ipv4.push(row);
        } else {
            self.cost += IPV6_COST;
            self.wide.push(record);
        }
    }

    /// Discards all tuples: with a partial set, identical records could be assigned different causes.
    #[cold]
    pub fn discard_all(&mut self) {
        self.cost = self.limit;
        self.complete = false;
        (self.ipv4, self.wide) = (Vec::new(), Vec::new());
    }

    /// Drops all tuples, after they decided what they can.
    pub fn close(&mut self) {
        (self.ipv4, self.wide) = (Vec::new(), Vec::new());
        self.cost = if self.complete { 0 } else { self.limit };
    }

    /// Adds the tuples of another input. `interfaces` maps its interface ids to those of this collection.
    pub fn merge(&mut self, other: &AcceptedFlows, interfaces: &SymbolRemap) {
        other.for_each(|row| {
            let interface = row.tuple.interface.and_then(|id| interfaces.get(id));
            if interface.is_some() || row.tuple.interface.is_none() {
                self.push(AcceptedRow { tuple: FiveTuple { interface, ..row.tuple }, ..row });
            }
        });
        self.limit_reached |= other.limit_reached;
        if !other.complete {
            self.discard_all();
        }
    }

    /// Calls `f` with every record, those of IPv4 first.
    pub fn for_each(&self, mut f: impl FnMut(AcceptedRow)) {
        self.ipv4.iter().for_each(|row| f(row.record()));
        self.wide.iter().for_each(|row| f(*row));
    }

    /// Calls `f` with every complete tuple that the filter may contain, or its reverse.
    pub fn for_each_candidate(&self, filter: &BloomFilter, mut f: impl FnMut(FiveTuple)) {
        for row in self.ipv4.iter().filter(|row| filter.may_contain_ipv4(row)) {
            let AcceptedRow { tuple, parts, .. } = row.record();
            if parts == TupleParts::All {
                f(tuple);
            }
        }
        let wide = self.wide.iter().filter(|row| row.parts == TupleParts::All);
        wide.filter(|row| filter.may_contain(&row.tuple)).for_each(|row| f(row.tuple));
    }

    /// Calls `f` with every record whose source or destination the filter may contain, and some others.
    pub fn for_each_at(&self, addresses: &AddressFilter, mut f: impl FnMut(AcceptedRow)) {
        let at = |row: &&Ipv4Row| addresses.may_contain_ipv4(row.src) || addresses.may_contain_ipv4(row.dst);
        self.ipv4.iter().filter(at).for_each(|row| f(row.record()));
        self.wide.iter().for_each(|row| f(*row));
    }

    /// Calls `f` with every record whose source the filter may contain, and some others.
    pub fn for_each_from(&self, sources: &AddressFilter, mut f: impl FnMut(AcceptedRow)) {
        self.ipv4.iter().filter(|row| sources.may_contain_ipv4(row.src)).for_each(|row| f(row.record()));
        self.wide.iter().for_each(|row| f(*row));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::interner::Interner;

    fn all(accepted: &AcceptedFlows) -> Vec<AcceptedRow> {
        let mut all = Vec::new();
        accepted.for_each(|row| all.push(row));
        all
    }

    fn row(interface: Option<Symbol>, src: &str, srcport: u16) -> AcceptedRow {
        let address = |text: &str| crate::record::ip::parse(text.as_bytes()).expect("an address");
        let (src, dst) = (address(src), address("10.0.0.9"));
        let tuple = FiveTuple { interface, protocol: 6, src, dst, srcport, dstport: 443 };
        AcceptedRow { tuple, parts: TupleParts::All, stage: ConnectionStage::Answered, has_vpc_id: true }
    }

    #[test]
    fn merged_tuples_have_the_new_interface_ids() {
        let (mut ours, mut theirs) = (Interner::default(), Interner::default());
        ours.intern(b"eni-a");
        let b_there = theirs.intern(b"eni-b");
        let b_there = b_there.expect("there is room");
        let mut other = AcceptedFlows::new(9);
        other.push(row(Some(b_there), "10.0.0.1", 1));
        other.push(row(Some(b_there), "2001:db8::1", 1));
        let mut merged = AcceptedFlows::new(9);
        merged.merge(&other, &ours.merge(&theirs));
        let b_here = ours.intern(b"eni-b");
        assert_ne!(b_here, Some(b_there));
        let expected = [row(b_here, "10.0.0.1", 1), row(b_here, "2001:db8::1", 1)];
        assert_eq!(all(&merged), expected);
    }

    #[test]
    fn above_the_limit_no_tuple_is_kept() {
        let mut accepted = AcceptedFlows::new(2);
        for srcport in 1..=2 {
            accepted.push(row(None, "10.0.0.1", srcport));
        }
        assert!(accepted.is_complete() && !accepted.limit_reached());
        let mut merged = accepted.clone();
        accepted.push(row(None, "10.0.0.1", 3));
        assert!(!accepted.is_complete() && accepted.limit_reached());
        assert_eq!(all(&accepted), []);
        merged.merge(&AcceptedFlows::new(2), &Interner::default().merge(&Interner::default()));
        assert!(merged.is_complete());
        merged.merge(&accepted, &Interner::default().merge(&Interner::default()));
        merged.push(row(None, "10.0.0.1", 4));
        assert!(!merged.is_complete() && all(&merged).is_empty());
    }

    #[test]
    fn a_tuple_that_fits_no_ipv4_row_costs_as_much_as_three() {
        for (first, room) in [
            (row(Symbol::new((1 << 19) - 1), "10.0.0.1", 1), 3),
            (row(Symbol::new(1 << 19), "10.0.0.1", 1), 1),
            (row(None, "2001:db8::1", 1), 1),
        ] {
            let mut accepted = AcceptedFlows::new(4);
            accepted.push(first);
            (0..room).for_each(|srcport| accepted.push(row(None, "10.0.0.1", srcport)));
            assert!(accepted.is_complete());
            accepted.push(row(None, "10.0.0.1", room));
            assert!(!accepted.is_complete());
        }
    }

    /// 75 MB of gzip are some 3,260,000 records of version 2, of which 93 % are accepted; 5 % of IPv6 is more than most have.
    #[test]
    fn the_default_holds_the_largest_objects_that_aws_writes() {
        let mut accepted = AcceptedFlows::default();
        let (v4, v6) = (row(None, "10.0.0.1", 50_000), row(None, "2001:db8::1", 50_000));
        (0..3_040_000).for_each(|n| accepted.push(if n % 20 == 0 { v6 } else { v4 }));
        assert!(accepted.is_complete());
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        let v4 = any::<[u8; 4]>().prop_map(IpAddr::from);
        let v6 = any::<[u8; 16]>().prop_map(IpAddr::from);
        prop_oneof![3 => v4, 1 => v6]
    }

    fn any_row() -> impl Strategy<Value = AcceptedRow> {
        use TupleParts::{All, NoDestination, NoDestinationPort, NoProtocol, NoSourcePort};
        let parts = prop::sample::select(vec![All, NoSourcePort, NoDestinationPort, NoProtocol, NoDestination]);
        let stage = prop::sample::select(ConnectionStage::ALL.to_vec());
        (any_tuple(), parts, stage, any::<bool>()).prop_map(|(tuple, parts, stage, has_vpc_id)| {
            let has_stage = matches!(parts, All | NoSourcePort);
            let stage = if has_stage { stage } else { ConnectionStage::Irrelevant };
            AcceptedRow { tuple, parts, stage, has_vpc_id }
        })
    }

    fn any_tuple() -> impl Strategy<Value = FiveTuple> {
        let interface = prop_oneof![0u32..4, (1 << 19) - 2..(1u32 << 19) + 2, any::<u32>()].prop_map(Symbol::new);
        (interface, any::<u8>(), [address(), address()], any::<[u16; 2]>()).prop_map(
            |(interface, protocol, [src, dst], [srcport, dstport])| FiveTuple {
                interface,
                protocol,
                src,
                dst,
                srcport,
                dstport,
            },
        )
    }

    proptest! {
        #[test]
        fn every_pushed_row_is_returned(rows in prop::collection::vec(any_row(), 0..50)) {
            let mut accepted = AcceptedFlows::new(u64::MAX);
            rows.iter().for_each(|row| accepted.push(*row));
            let (mut ipv4, wide): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| Ipv4Row::new(row).is_some());
            ipv4.extend(wide);
            prop_assert_eq!(all(&accepted), ipv4);
        }

        #[test]
        fn a_tuple_and_its_reverse_are_candidates_of_its_filter(tuple in any_tuple()) {
            let filter = BloomFilter::new([tuple].into_iter(), 1);
            let mut accepted = AcceptedFlows::new(u64::MAX);
            for (tuple, parts) in [
                (tuple.reversed(), TupleParts::All),
                (tuple, TupleParts::All),
                (tuple, TupleParts::NoSourcePort),
            ] {
                accepted.push(AcceptedRow { tuple, parts, stage: ConnectionStage::Irrelevant, has_vpc_id: false });
            }
            let mut candidates = Vec::new();
            accepted.for_each_candidate(&filter, |tuple| candidates.push(tuple));
            prop_assert_eq!(candidates, [tuple.reversed(), tuple]);
        }
    }
}
