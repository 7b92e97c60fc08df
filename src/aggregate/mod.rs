//! Records to state.
//!
//! In come records one by one, with the topology. [`Analysis`] counts all of them and keeps what has to be decided at the end:
//! [`rejected`] groups, [`accepted`] 5-tuples by which causes are decided, traffic between VPCs ([`peering`]), and the sums by
//! [`interfaces`]. Interner are interned ([`interner`]), and what records say of one thing is held against each other
//! ([`consensus`]). Out goes an `Analysis`, which merges with those of other inputs.
//!
//! Each collection that grows with the cardinality of a log has a limit in [`Limits`]. Totals stay exact past it. The order
//! of records within an input does not matter; the order of inputs matters only for lists that are given in it.

pub mod accepted;
pub mod consensus;
pub mod counters;
pub mod inputs;
pub mod interfaces;
pub mod interner;
pub mod packed_map;
pub mod peering;
pub mod rejected;

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::aggregate::accepted::{AcceptedFlows, FiveTuple};
use crate::aggregate::counters::TimeRange;
use crate::aggregate::inputs::{InputFailure, InputSource, MalformedSample, ObjectIdentity, RecordCounts};
use crate::aggregate::interfaces::{InterfaceRef, Interfaces};
use crate::aggregate::interner::{Interner, Symbol, index};
use crate::aggregate::peering::InterVpcTraffic;
use crate::aggregate::rejected::RejectedFlows;
use crate::config::Limits;
use crate::record::format::Format;
use crate::record::parser::ParseError;
use crate::record::{Action, Flow, Record};
use crate::topology::{Topology, VpcIndex};

/// So many malformed records are shown.
const MALFORMED_SAMPLES: usize = 10;
/// And so many characters of each.
const SAMPLE_CHARACTERS: usize = 200;

/// What the records of a report say, before anything is concluded from it.
#[derive(Debug, Clone)]
pub struct Analysis {
    pub(crate) sources: Vec<InputSource>,
    pub(crate) failed: Vec<InputFailure>,
    pub(crate) formats: FormatSet,
    pub(crate) records: RecordCounts,
    pub(crate) malformed: Vec<MalformedSample>,
    pub(crate) window: TimeRange,
    /// Interner of VPCs and subnets.
    pub(crate) places: Interner,
    pub(crate) interfaces: Interfaces,
    own_vpcs: VpcCache,
    pub(crate) accepted: AcceptedFlows,
    pub(crate) rejects: RejectedFlows,
    pub(crate) peering: InterVpcTraffic,
}

impl Default for Analysis {
    fn default() -> Analysis {
        Analysis::new(&Limits::default())
    }
}

impl Analysis {
    /// Of nothing yet, which is to keep no more than that.
    pub fn new(limits: &Limits) -> Analysis {
        Analysis {
            sources: Vec::new(),
            failed: Vec::new(),
            formats: FormatSet { limit: limits.max_formats, ..FormatSet::default() },
            records: RecordCounts::default(),
            malformed: Vec::new(),
            window: TimeRange::default(),
            places: Interner::new(limits.max_interfaces),
            interfaces: Interfaces::new(limits.max_interfaces),
            own_vpcs: VpcCache::default(),
            accepted: AcceptedFlows::new(limits.max_accepted_tuples),
            rejects: RejectedFlows::new(limits),
            peering: InterVpcTraffic::new(limits.max_address_pairs),
        }
    }

    /// Takes in one record that parses.
    pub fn observe(&mut self, record: &Record<'_>, topology: Option<&Topology>) {
        match record {
            Record::Flow(flow) => return self.observe_flow(flow, topology),
            Record::NoData => self.records.no_data += 1,
            Record::SkipData(gap) => {
                self.records.skip_data += 1;
                self.interfaces.observe_gap(*gap);
            }
            Record::Other => self.records.other += 1,
        }
        self.records.total += 1;
    }

    /// Takes in one accepted or rejected record. The topology has to be the same for all.
    #[inline(always)]
    pub fn observe_flow(&mut self, flow: &Flow<'_>, topology: Option<&Topology>) {
        self.records.total += 1;
        self.window.observe(flow.start, flow.end);
        let interface = self.interfaces.observe(flow, &mut self.places);
        if let Some(topology) = topology {
            let (vpc_id, interface_id) = (flow.vpc_id, flow.interface_id);
            let own_vpcs = &mut self.own_vpcs;
            // Of nearly all records nobody asks.
            let own = || match vpc_id {
                Some(vpc_id) => (own_vpcs.named(vpc_id, interface.vpc, topology), interface.vpc),
                None => (own_vpcs.of(interface, interface_id, topology), None),
            };
            self.peering.observe(interface, flow, topology, own);
        }
        match flow.action {
            Action::Accept => {
                self.records.accepted += 1;
                if let Some(tuple) = FiveTuple::from_flow(interface.id, flow).filter(|_| interface.is_tracked) {
                    self.accepted.observe(tuple);
                }
            }
            Action::Reject => {
                self.records.rejected += 1;
                self.rejects.observe(interface, &self.interfaces, *flow, &mut self.places);
            }
        }
    }

    /// Takes in one record that does not parse.
    pub fn observe_malformed(&mut self, uri: &str, line: u64, text: &[u8], reason: &ParseError) {
        self.records.total += 1;
        self.records.malformed += 1;
        if self.malformed.len() < MALFORMED_SAMPLES {
            // A character has at most four bytes.
            let beginning = &text[..text.len().min(4 * SAMPLE_CHARACTERS)];
            self.malformed.push(MalformedSample {
                uri: uri.to_owned(),
                line,
                reason: reason.to_string(),
                text: String::from_utf8_lossy(beginning).chars().take(SAMPLE_CHARACTERS).collect(),
            });
        }
    }

    /// Notes that records of this format were met.
    pub fn observe_format(&mut self, format: &Arc<Format>) {
        self.formats.observe(format);
    }

    /// Notes which object of S3 the last input is.
    pub fn identify(&mut self, object: ObjectIdentity) {
        if let Some(source) = self.sources.last_mut() {
            source.object = Some(object);
        }
    }

    /// Notes an input that can't be read whole. None of its records may be in this analysis.
    pub fn observe_failure(&mut self, uri: String, error: String) {
        self.failed.push(InputFailure { uri, error });
    }

    /// Takes in the analysis of the next input.
    pub fn merge(&mut self, mut next: Analysis) {
        if self.sources.is_empty() {
            // No input has been read whole before: as a rule there is but one, and much to move.
            next.failed.splice(..0, std::mem::take(&mut self.failed));
            *self = next;
            return;
        }
        self.sources.extend(next.sources);
        self.failed.extend(next.failed);
        next.formats.list.iter().for_each(|format| self.formats.observe(format));
        self.formats.overflowed |= next.formats.overflowed;
        self.records.merge(next.records);
        self.malformed.extend(next.malformed);
        self.malformed.truncate(MALFORMED_SAMPLES);
        self.window.merge(next.window);
        let places = self.places.merge(&next.places);
        let interfaces = self.interfaces.merge(&next.interfaces, &places);
        if !next.interfaces.is_complete() {
            // Interfaces that have records here may have more there, which are not known as theirs.
            self.accepted.discard_all();
            self.peering.mark_replies_incomplete();
            self.rejects.mark_interfaces_split();
        }
        self.accepted.merge(&next.accepted, &interfaces);
        self.rejects.merge(&next.rejects, (&self.interfaces, &interfaces), &places);
        self.peering.merge(&next.peering, &interfaces, &places);
    }
}

/// The VPCs in the topology that records are of, so that names are not looked up for each.
#[derive(Debug, Clone, Default)]
struct VpcCache {
    /// Those of interfaces, by the interfaces' numbers.
    of_interfaces: Vec<Option<Option<VpcIndex>>>,
    /// Those of names, by the names' numbers.
    of_names: Vec<Option<Option<VpcIndex>>>,
}

impl VpcCache {
    /// The VPC with this id, which as a name has that number.
    #[inline(always)]
    fn named(&mut self, id: &[u8], name: Option<Symbol>, topology: &Topology) -> Option<VpcIndex> {
        match self.of_names.get(index(name)) {
            Some(Some(known)) => *known,
            _ => keep(&mut self.of_names, name, topology.vpc_index(&String::from_utf8_lossy(id))),
        }
    }

    /// The VPC of an interface.
    #[inline(always)]
    fn of(&mut self, interface: InterfaceRef, id: Option<&[u8]>, topology: &Topology) -> Option<VpcIndex> {
        let id = id?;
        match self.of_interfaces.get(index(interface.id)) {
            Some(Some(known)) => *known,
            _ => {
                let vpc = topology.vpc_of_interface(&String::from_utf8_lossy(id));
                keep(&mut self.of_interfaces, interface.id, vpc)
            }
        }
    }
}

/// Keeps it, if the name has a number of its own: what there was no room for has none.
#[cold]
fn keep(known: &mut Vec<Option<Option<VpcIndex>>>, name: Option<Symbol>, vpc: Option<VpcIndex>) -> Option<VpcIndex> {
    if name.is_some() {
        known.resize(known.len().max(index(name) + 1), None);
        known[index(name)] = Some(vpc);
    }
    vpc
}

/// AWS has some hundred fields.
const NAMES_PER_FORMAT: u64 = 1000;

/// Distinct formats in the order in which they were met.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormatSet {
    met: HashSet<Arc<Format>, RandomState>,
    pub(crate) list: Vec<Arc<Format>>,
    limit: u64,
    /// How many columns they have.
    names: u64,
    /// Whether one more was met than are kept.
    pub(crate) overflowed: bool,
}

impl FormatSet {
    fn observe(&mut self, format: &Arc<Format>) {
        if self.met.contains(format) {
            return;
        }
        // A stranger's header may have 32,000 names.
        self.names += format.names().len() as u64;
        let room = self.limit.saturating_mul(NAMES_PER_FORMAT);
        self.overflowed |= self.list.len() as u64 >= self.limit || (self.names > room && !self.list.is_empty());
        if !self.overflowed {
            self.met.insert(Arc::clone(format));
            self.list.push(Arc::clone(format));
        }
    }
}

impl RecordCounts {
    fn merge(&mut self, other: RecordCounts) {
        self.total += other.total;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.no_data += other.no_data;
        self.skip_data += other.skip_data;
        self.other += other.other;
        self.malformed += other.malformed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_number_of_its_own_is_not_kept() {
        let mut known = Vec::new();
        assert_eq!(keep(&mut known, None, None), None);
        assert_eq!(known, []);
        assert_eq!(keep(&mut known, Symbol::new(2), None), None);
        assert_eq!(known, [None, None, Some(None)]);
    }
}
