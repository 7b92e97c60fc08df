//! Traffic between VPCs, as a report's records have it: by interface, protocol and both addresses, so that replies can
//! be looked up when the report ends, wherever they stand.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::names::{NameId, Renumbered};
use crate::record::{Action, Flow, TCP, TcpFlags};
use crate::scope::Scope;
use crate::tally::{Seen, Tally, least};
use crate::topology::{Location, TieNumber, Topology, VpcNumber};

/// Values of `traffic-path` that are a peering connection: in one region, and between two.
pub const PEERING_PATHS: [u64; 2] = [4, 5];
/// The value of `traffic-path` that is another resource in the same VPC.
pub const SAME_VPC_PATH: u64 = 1;

/// Interface, protocol and addresses: what a record and its reply have in common, the addresses the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Addresses {
    /// Interface, if the records name one.
    pub interface: Option<NameId>,
    /// IANA protocol number.
    pub protocol: Option<u8>,
    /// Source.
    pub src: Option<IpAddr>,
    /// Destination.
    pub dst: Option<IpAddr>,
}

impl Addresses {
    /// Those of a reply.
    pub fn reversed(self) -> Addresses {
        Addresses { src: self.dst, dst: self.src, ..self }
    }
}

/// What is noteworthy of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Note {
    /// It goes from one known VPC to another.
    Between(VpcNumber, VpcNumber),
    /// So it does, and says to have taken this path.
    Path(VpcNumber, VpcNumber, u64),
    /// It left through a peering connection, for an address in no known VPC.
    Beyond(Origin, Beyond),
    /// One of its addresses is in a block that VPCs tie on.
    Ambiguous(TieNumber),
}

/// Where a record comes from: the VPC of its source, else its own VPC, else it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A VPC of the topology.
    Known(VpcNumber),
    /// A VPC that only the record names.
    Named(NameId),
    /// Not known.
    Unknown,
}

/// What is outside all known VPCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Beyond {
    /// The public internet.
    Public,
    /// Anything else.
    Private,
}

impl Beyond {
    /// The same in the words of the summary.
    pub fn scope(self) -> Scope {
        match self {
            Beyond::Public => Scope::Public,
            Beyond::Private => Scope::Private,
        }
    }
}

/// Noteworthy records with the same addresses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    /// Flows, packets and bytes.
    pub tally: Tally,
    /// When they were seen.
    pub seen: Seen,
    /// The least ports among them, as an example.
    pub least_ports: Option<(Option<u16>, Option<u16>)>,
    /// Whether one says to have left through a peering connection.
    pub through_peering: bool,
    /// Whether one says to have taken another path.
    pub by_another_path: bool,
    /// Whether one was seen in the VPC of its destination: it arrived.
    pub arrived: bool,
    /// Whether one has `tcp-flags`.
    pub has_flags: bool,
}

impl Sums {
    fn observe(&mut self, flow: &Flow<'_>) {
        self.tally.observe(flow);
        self.seen.observe(flow.start, flow.end);
        self.least_ports = least(self.least_ports, Some((flow.srcport, flow.dstport)));
        let path = flow.traffic_path.filter(|path| *path != SAME_VPC_PATH);
        let through_peering = path.map(|path| PEERING_PATHS.contains(&path));
        self.through_peering |= through_peering == Some(true);
        self.by_another_path |= through_peering == Some(false);
        self.has_flags |= flow.tcp_flags != TcpFlags::Absent;
    }

    /// Adds what others are.
    pub fn merge(&mut self, other: &Sums) {
        self.tally.merge(other.tally);
        self.seen.merge(other.seen);
        self.least_ports = least(self.least_ports, other.least_ports);
        self.through_peering |= other.through_peering;
        self.by_another_path |= other.by_another_path;
        self.arrived |= other.arrived;
        self.has_flags |= other.has_flags;
    }
}

/// The noteworthy records of a report.
#[derive(Debug, Clone, Default)]
pub struct Peering {
    noted: HashMap<(Note, Addresses, Action), Sums, RandomState>,
    /// Accepted records that may be replies though they are not between two VPCs: one of their addresses is in a block
    /// that VPCs tie on, so that it may be located elsewhere than the same address of another record.
    other_replies: HashSet<Addresses, RandomState>,
}

/// Some noteworthy records.
#[derive(Debug, Clone, Copy)]
pub struct Noted<'a> {
    /// Their addresses.
    pub addresses: Addresses,
    /// Let through or refused.
    pub action: Action,
    /// Their sums.
    pub sums: &'a Sums,
    /// Whether the report has a reply to them.
    pub has_reply: bool,
    /// Whether it has a rejected record the other way round: an answer that was refused.
    pub reply_was_rejected: bool,
}

impl Noted<'_> {
    /// Whether they are accepted TCP records, of which replies are to be expected.
    pub fn is_accepted_tcp(&self) -> bool {
        self.action == Action::Accept && self.addresses.protocol == Some(TCP)
    }
}

impl Peering {
    /// Takes in a record of this interface. `own` gives the record's own VPC, in the topology's terms and by its name.
    pub fn observe(
        &mut self,
        interface: Option<NameId>,
        flow: &Flow<'_>,
        topology: &Topology,
        own: impl Fn() -> (Option<VpcNumber>, Option<NameId>),
    ) {
        let locate =
            |address: Option<IpAddr>| address.map_or(Location::Outside, |address| topology.locate(address, || own().0));
        let (src, dst) = (locate(flow.src), locate(flow.dst));
        let addresses = Addresses { interface, protocol: flow.protocol, src: flow.src, dst: flow.dst };
        let arrived = matches!((src, dst), (Location::In(a), Location::In(b)) if a != b && own().0 == Some(b));
        let mut note = |note: Note| {
            let sums = self.noted.entry((note, addresses, flow.action)).or_default();
            sums.observe(flow);
            sums.arrived |= arrived;
        };
        match (src, dst) {
            (Location::Ambiguous(a), Location::Ambiguous(b)) => {
                note(Note::Ambiguous(a));
                if a != b {
                    note(Note::Ambiguous(b));
                }
            }
            (Location::Ambiguous(tie), _) | (_, Location::Ambiguous(tie)) => {
                note(Note::Ambiguous(tie));
            }
            (Location::In(a), Location::In(b)) if a != b => {
                note(Note::Between(a, b));
                if let Some(path) = flow.traffic_path {
                    note(Note::Path(a, b, path));
                }
                return;
            }
            (src, Location::Outside) => {
                if let Some(dst) = flow.dst
                    && flow.traffic_path.is_some_and(|path| PEERING_PATHS.contains(&path))
                {
                    let beyond = if crate::address::is_public(dst) { Beyond::Public } else { Beyond::Private };
                    note(Note::Beyond(origin(src, own()), beyond));
                }
            }
            _ => {}
        }
        let tied = [flow.src, flow.dst].into_iter().flatten().any(|address| topology.is_tied(address));
        if flow.action == Action::Accept && tied {
            self.other_replies.insert(addresses);
        }
    }

    /// Takes in another report's records, whose interfaces and VPCs have those numbers here.
    pub fn merge(&mut self, other: &Peering, interfaces: &Renumbered, places: &Renumbered) {
        let here = |addresses: Addresses| Addresses {
            interface: addresses.interface.map(|id| interfaces.of(id)),
            ..addresses
        };
        for ((note, addresses, action), sums) in &other.noted {
            let note = match *note {
                Note::Beyond(Origin::Named(name), beyond) => Note::Beyond(Origin::Named(places.of(name)), beyond),
                note => note,
            };
            self.noted.entry((note, here(*addresses), *action)).or_default().merge(sums);
        }
        self.other_replies.extend(other.other_replies.iter().map(|addresses| here(*addresses)));
    }

    /// All noteworthy records by what is noteworthy of them; those of one note in no order.
    pub fn by_note(&self) -> BTreeMap<Note, Vec<Noted<'_>>> {
        let between = |of: Action| {
            let keys = self.noted.keys().filter(move |key| matches!(key.0, Note::Between(..)) && key.2 == of);
            keys.map(|key| key.1)
        };
        let replies: HashSet<Addresses, RandomState> =
            between(Action::Accept).chain(self.other_replies.iter().copied()).collect();
        let refused: HashSet<Addresses, RandomState> = between(Action::Reject).collect();
        let mut by_note: BTreeMap<Note, Vec<Noted<'_>>> = BTreeMap::new();
        for ((note, addresses, action), sums) in &self.noted {
            by_note.entry(*note).or_default().push(Noted {
                addresses: *addresses,
                action: *action,
                sums,
                has_reply: replies.contains(&addresses.reversed()),
                reply_was_rejected: refused.contains(&addresses.reversed()),
            });
        }
        by_note
    }
}

fn origin(src: Location, own: (Option<VpcNumber>, Option<NameId>)) -> Origin {
    match (src, own) {
        (Location::In(vpc), _) | (_, (Some(vpc), _)) => Origin::Known(vpc),
        (_, (None, Some(name))) => Origin::Named(name),
        (_, (None, None)) => Origin::Unknown,
    }
}
