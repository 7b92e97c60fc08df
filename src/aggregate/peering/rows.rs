//! The rows of the traffic between VPCs.
//!
//! Rows have the indexes of VPCs and blocks in the topology, so they have a meaning only with the same topology.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::classes::{ClassPair, ClassTotals};
use super::pairs::{ACTIONS, FlowStats, Pair, SumKey};
use super::{AddressPair, ExternalScope, InterVpcTraffic, ReplyScope, TrafficClass};
use crate::aggregate::counters::Counters;
use crate::aggregate::interner::Interner;
use crate::aggregate::recorder::VpcRef;
use crate::aggregate::rows::{InvalidRow, SeenRow, number};
use crate::record::Action;
use crate::topology::{Tie, Topology, VpcIndex};

/// A VPC: in the topology, or one that only records name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum VpcRow {
    Known(u32),
    Named(u32),
    Unknown,
}

/// Where a reply is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeRow(ScopeKind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum ScopeKind {
    Vpc(VpcRow),
    Interface(u32),
}

/// A traffic class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum ClassKind {
    Between(u32, u32),
    Path(u32, u32, u64),
    External(VpcRow, bool),
    Ambiguous { block: u32, peers_of: Option<u32> },
}

/// The class of records, their second class if they have one, and their sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassRow {
    first: ClassKind,
    second: Option<ClassKind>,
    totals: ClassTotals,
}

/// The records of both directions between two addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairRow {
    scope: ScopeRow,
    protocol: Option<u8>,
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    max_undercount: u32,
    may_be_reply: [bool; 2],
    has_rejected: [bool; 2],
    sums: Vec<SumRow>,
}

/// The records of one direction, action, and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct SumRow {
    is_turned: bool,
    action: Action,
    class: u32,
    interface: u32,
    shows_answer: bool,
    tally: Counters,
    seen: SeenRow,
    least_ports: Option<(Option<u16>, Option<u16>)>,
    some_without_peering_path: bool,
    some_without_flags: bool,
}

/// What is known besides the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeeringState {
    evicted_weight: u64,
    complete: bool,
    replies_incomplete: bool,
    all_interfaces_kept: bool,
}

impl InterVpcTraffic {
    /// Returns what is known besides the rows.
    pub fn state(&self) -> PeeringState {
        PeeringState {
            evicted_weight: self.evicted_weight,
            complete: self.complete,
            replies_incomplete: self.replies_incomplete,
            all_interfaces_kept: self.all_interfaces_kept,
        }
    }

    /// Restores what is known besides the rows. Call it before the first row.
    pub fn restore_state(&mut self, state: PeeringState) {
        self.evicted_weight = state.evicted_weight;
        self.complete = state.complete;
        self.replies_incomplete = state.replies_incomplete;
        self.all_interfaces_kept = state.all_interfaces_kept;
    }

    /// Returns the rows of all classes in the order of their ids.
    pub fn class_rows(&self) -> impl Iterator<Item = ClassRow> {
        self.classes.all.iter().map(|((first, second), totals)| ClassRow {
            first: (*first).into(),
            second: second.map(ClassKind::from),
            totals: *totals,
        })
    }

    /// Adds the class with the next id.
    ///
    /// # Errors
    /// If records cannot have the class, it occurs twice, is above the limit, or names what does not exist.
    pub fn restore_class(&mut self, row: ClassRow, topology: &Topology, places: &Interner) -> Result<(), InvalidRow> {
        let class = |kind: ClassKind| kind.restore(topology, places);
        let pair: ClassPair = (class(row.first)?, row.second.map(class).transpose()?);
        let is_possible = match pair {
            (TrafficClass::Between(..) | TrafficClass::External(..) | TrafficClass::Ambiguous(_), None) => true,
            (TrafficClass::Between(a, b), Some(TrafficClass::Path(c, d, _))) => (a, b) == (c, d),
            (TrafficClass::Ambiguous(_), Some(TrafficClass::Ambiguous(_))) => true,
            _ => false,
        };
        let next = self.classes.all.len();
        if !is_possible || self.classes.id_of(pair, self.limit).id as usize != next {
            return Err(InvalidRow("a traffic class is impossible, occurs twice, or is above the limit"));
        }
        if let Some((_, totals)) = self.classes.all.get_mut(next) {
            *totals = row.totals;
        }
        Ok(())
    }

    /// Returns the rows of all pairs in their order.
    pub fn pair_rows(&self) -> impl Iterator<Item = PairRow> {
        self.pairs.iter().map(|(key, pair)| PairRow {
            scope: key.scope.into(),
            protocol: key.protocol,
            src: key.src,
            dst: key.dst,
            max_undercount: pair.max_undercount,
            may_be_reply: pair.may_be_reply,
            has_rejected: pair.has_rejected,
            sums: pair.sum_rows(),
        })
    }

    /// Adds a pair.
    ///
    /// # Errors
    /// If it names what does not exist, or occurs twice.
    pub fn restore_pair(
        &mut self,
        row: &PairRow,
        topology: &Topology,
        (interfaces, places): (&Interner, &Interner),
    ) -> Result<(), InvalidRow> {
        let scope = row.scope.restore((interfaces, places), topology.vpcs().len())?;
        let key = AddressPair { scope, protocol: row.protocol, src: row.src, dst: row.dst };
        if key.pair() != (key, 0) || self.pairs.get_mut(key).is_some() {
            return Err(InvalidRow("a pair of addresses occurs twice, or the wrong way round"));
        }
        let mut pair = Pair::new(row.max_undercount);
        (pair.may_be_reply, pair.has_rejected) = (row.may_be_reply, row.has_rejected);
        for sum in &row.sums {
            if sum.class as usize >= self.classes.all.len() {
                return Err(InvalidRow("a pair of addresses has an undefined traffic class"));
            }
            let key = SumKey {
                class: sum.class,
                interface: interfaces.symbol(sum.interface)?,
                shows_answer: sum.shows_answer,
            };
            let ends = (usize::from(sum.is_turned), sum.action);
            pair.add((&mut self.further_sums, &mut self.classes), ends, key, &sum.restore()?);
        }
        self.pairs.entry(key, || pair);
        self.enforce_limit();
        Ok(())
    }
}

impl Pair {
    /// Returns the rows of all sums. For each direction and action, they are in the order of their first record.
    fn sum_rows(&self) -> Vec<SumRow> {
        let mut rows = Vec::new();
        for direction in [0, 1] {
            for action in ACTIONS {
                rows.extend(self.sums(direction, action).map(|(key, sums)| SumRow::new(direction, action, key, sums)));
            }
        }
        rows
    }
}

impl SumRow {
    fn new(direction: usize, action: Action, key: SumKey, sums: &FlowStats) -> SumRow {
        SumRow {
            is_turned: direction != 0,
            action,
            class: key.class,
            interface: number(key.interface),
            shows_answer: key.shows_answer,
            tally: sums.tally,
            seen: sums.seen.into(),
            least_ports: sums.least_ports,
            some_without_peering_path: sums.some_without_peering_path,
            some_without_flags: sums.some_without_flags,
        }
    }

    fn restore(&self) -> Result<FlowStats, InvalidRow> {
        Ok(FlowStats {
            tally: self.tally,
            seen: self.seen.restore()?,
            least_ports: self.least_ports,
            some_without_peering_path: self.some_without_peering_path,
            some_without_flags: self.some_without_flags,
        })
    }
}

impl From<VpcRef> for VpcRow {
    fn from(vpc: VpcRef) -> VpcRow {
        match vpc {
            VpcRef::Known(vpc) => VpcRow::Known(vpc.number()),
            VpcRef::Named(name) => VpcRow::Named(name.get()),
            VpcRef::Unknown => VpcRow::Unknown,
        }
    }
}

impl VpcRow {
    fn restore(self, places: &Interner, vpcs: usize) -> Result<VpcRef, InvalidRow> {
        Ok(match self {
            VpcRow::Known(number) => VpcRef::Known(vpc_index(number, vpcs)?),
            VpcRow::Named(number) => places.symbol(number)?.map_or(VpcRef::Unknown, VpcRef::Named),
            VpcRow::Unknown => VpcRef::Unknown,
        })
    }
}

/// Returns the index of a VPC.
fn vpc_index(number: u32, vpcs: usize) -> Result<VpcIndex, InvalidRow> {
    if number as usize >= vpcs {
        return Err(InvalidRow("a VPC is not in the topology"));
    }
    Ok(VpcIndex::new(number))
}

impl From<ReplyScope> for ScopeRow {
    fn from(scope: ReplyScope) -> ScopeRow {
        ScopeRow(match scope {
            ReplyScope::Vpc(vpc) => ScopeKind::Vpc(vpc.into()),
            ReplyScope::Interface(interface) => ScopeKind::Interface(number(interface)),
        })
    }
}

impl ScopeRow {
    /// Returns the scope. `vpcs` is the number of VPCs in the topology.
    ///
    /// # Errors
    /// If it names what does not exist.
    pub fn restore(self, (interfaces, places): (&Interner, &Interner), vpcs: usize) -> Result<ReplyScope, InvalidRow> {
        Ok(match self.0 {
            ScopeKind::Vpc(vpc) => ReplyScope::Vpc(vpc.restore(places, vpcs)?),
            ScopeKind::Interface(number) => ReplyScope::Interface(interfaces.symbol(number)?),
        })
    }
}

impl From<TrafficClass> for ClassKind {
    fn from(class: TrafficClass) -> ClassKind {
        match class {
            TrafficClass::Between(a, b) => ClassKind::Between(a.number(), b.number()),
            TrafficClass::Path(a, b, path) => ClassKind::Path(a.number(), b.number(), path),
            TrafficClass::External(vpc, scope) => ClassKind::External(vpc.into(), scope == ExternalScope::Public),
            TrafficClass::Ambiguous(Tie { block, peers_of }) => {
                ClassKind::Ambiguous { block, peers_of: peers_of.map(VpcIndex::number) }
            }
        }
    }
}

impl ClassKind {
    fn restore(self, topology: &Topology, places: &Interner) -> Result<TrafficClass, InvalidRow> {
        let vpcs = topology.vpcs().len();
        let vpc = |number| vpc_index(number, vpcs);
        Ok(match self {
            ClassKind::Between(a, b) if a != b => TrafficClass::Between(vpc(a)?, vpc(b)?),
            ClassKind::Between(..) => return Err(InvalidRow("traffic between VPCs stays in one")),
            ClassKind::Path(a, b, path) => TrafficClass::Path(vpc(a)?, vpc(b)?, path),
            ClassKind::External(origin, is_public) => {
                let scope = if is_public { ExternalScope::Public } else { ExternalScope::Private };
                TrafficClass::External(origin.restore(places, vpcs)?, scope)
            }
            ClassKind::Ambiguous { block, peers_of } => {
                if block as usize >= topology.block_count() {
                    return Err(InvalidRow("a CIDR block is not in the topology"));
                }
                TrafficClass::Ambiguous(Tie { block, peers_of: peers_of.map(vpc).transpose()? })
            }
        })
    }
}
