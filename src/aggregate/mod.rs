//! Records to state.
//!
//! In come records one by one, with the topology. [`Analysis`] counts them all. It keeps [`rejected`] groups, the [`accepted`] 5-tuples
//! that decide causes, traffic between VPCs ([`peering`]), and the sums by interface ([`interfaces`]). Names are interned ([`interner`]);
//! values on which records should agree have a [`consensus`]. Out goes an `Analysis`, which merges with those of other inputs.
//!
//! Each collection that grows with the cardinality of a log has a limit in [`Limits`]. Totals stay exact above it. The order of records
//! within an input does not matter. The order of inputs matters only for lists in input order.

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

/// Malformed records that are listed.
const MALFORMED_SAMPLES: usize = 10;
/// Characters that are listed of each.
const SAMPLE_CHARACTERS: usize = 200;

/// The aggregated records of one input or of several merged inputs.
#[derive(Debug, Clone)]
pub struct Analysis {
    pub(crate) sources: Vec<InputSource>,
    pub(crate) failed: Vec<InputFailure>,
    pub(crate) formats: FormatSet,
    pub(crate) records: RecordCounts,
    pub(crate) malformed: Vec<MalformedSample>,
    pub(crate) window: TimeRange,
    /// The ids of VPCs and subnets.
    pub(crate) places: Interner,
    pub(crate) interfaces: Interfaces,
    vpc_cache: VpcCache,
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
    /// Creates an empty analysis with these limits.
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
            vpc_cache: VpcCache::default(),
            accepted: AcceptedFlows::new(limits.max_accepted_tuples),
            rejects: RejectedFlows::new(limits),
            peering: InterVpcTraffic::new(limits.max_address_pairs),
        }
    }

    /// Adds one parsed record.
    pub fn observe(&mut self, record: &Record<'_>, topology: Option<&Topology>) {
        match record {
            Record::Flow(flow) => return self.observe_flow(flow, topology),
            Record::NoData => self.records.no_data += 1,
            Record::SkipData(gap) => {
                self.records.skip_data += 1;
                self.interfaces.observe_gap(*gap);
            }
            Record::Other(_) => self.records.other += 1,
        }
        self.records.total += 1;
    }

    /// Adds one accepted or rejected record. The topology must be the same for all records.
    #[inline(always)]
    pub fn observe_flow(&mut self, flow: &Flow<'_>, topology: Option<&Topology>) {
        self.records.total += 1;
        self.window.observe(flow.start, flow.end);
        let interface = self.interfaces.observe(flow, &mut self.places);
        if let Some(topology) = topology {
            let (vpc_id, interface_id) = (flow.vpc_id, flow.interface_id);
            let vpc_cache = &mut self.vpc_cache;
            // Only few records need it.
            let own = || match vpc_id {
                Some(vpc_id) => (vpc_cache.by_id(vpc_id, interface.vpc, topology), interface.vpc),
                None => (vpc_cache.by_interface(interface, interface_id, topology), None),
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

    /// Adds one malformed record.
    #[expect(clippy::indexing_slicing, reason = "the range ends at the length at most")]
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

    /// Adds the format of records that follow.
    pub fn observe_format(&mut self, format: &Arc<Format>) {
        self.formats.observe(format);
    }

    /// Sets the S3 object of the last input.
    pub fn identify(&mut self, object: ObjectIdentity) {
        if let Some(source) = self.sources.last_mut() {
            source.object = Some(object);
        }
    }

    /// Adds an input that cannot be read completely. None of its records may be in this analysis.
    pub fn observe_failure(&mut self, uri: String, error: String) {
        self.failed.push(InputFailure { uri, error });
    }

    /// Merges the analysis of the next input into this one.
    pub fn merge(&mut self, mut next: Analysis) {
        if self.sources.is_empty() {
            // The first complete input is moved, not merged: usually there is only one, and it is large.
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
            // Interfaces that are tracked here may have records there that are counted under "no interface".
            self.accepted.discard_all();
            self.peering.mark_replies_incomplete();
            self.rejects.mark_interfaces_split();
        }
        self.accepted.merge(&next.accepted, &interfaces);
        self.rejects.merge(&next.rejects, (&self.interfaces, &interfaces), &places);
        self.peering.merge(&next.peering, &interfaces, &places);
    }
}

/// An entry of [`VpcCache`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CachedVpc {
    /// Not looked up yet.
    NotLookedUp,
    /// The VPC, or `None` if the topology does not know it.
    Known(Option<VpcIndex>),
}

/// Caches the own VPCs of records, so that ids are not looked up in the topology for each record.
#[derive(Debug, Clone, Default)]
struct VpcCache {
    /// By interface symbol.
    by_interface: Vec<CachedVpc>,
    /// By VPC symbol.
    by_id: Vec<CachedVpc>,
}

impl VpcCache {
    /// Returns the VPC with this id, whose symbol is `name`.
    #[inline(always)]
    fn by_id(&mut self, id: &[u8], name: Option<Symbol>, topology: &Topology) -> Option<VpcIndex> {
        match self.by_id.get(index(name)) {
            Some(CachedVpc::Known(vpc)) => *vpc,
            _ => cache(&mut self.by_id, name, topology.vpc_index(&String::from_utf8_lossy(id))),
        }
    }

    /// Returns the VPC of an interface.
    #[inline(always)]
    fn by_interface(&mut self, interface: InterfaceRef, id: Option<&[u8]>, topology: &Topology) -> Option<VpcIndex> {
        let id = id?;
        match self.by_interface.get(index(interface.id)) {
            Some(CachedVpc::Known(vpc)) => *vpc,
            _ => {
                let vpc = topology.vpc_of_interface(&String::from_utf8_lossy(id));
                cache(&mut self.by_interface, interface.id, vpc)
            }
        }
    }
}

/// Caches a VPC, if the name has a symbol. Names above the limit have none.
#[cold]
#[expect(clippy::indexing_slicing, reason = "the vector was resized to hold this index")]
fn cache(known: &mut Vec<CachedVpc>, name: Option<Symbol>, vpc: Option<VpcIndex>) -> Option<VpcIndex> {
    if name.is_some() {
        known.resize(known.len().max(index(name) + 1), CachedVpc::NotLookedUp);
        known[index(name)] = CachedVpc::Known(vpc);
    }
    vpc
}

/// Room for the names of one format. AWS has about 100 fields.
const NAMES_PER_FORMAT: u64 = 1000;

/// Distinct formats in the order of their first record.
#[derive(Debug, Clone, Default)]
pub(crate) struct FormatSet {
    seen: HashSet<Arc<Format>, RandomState>,
    pub(crate) list: Vec<Arc<Format>>,
    limit: u64,
    /// Number of their columns.
    names: u64,
    /// Whether a format was left out.
    pub(crate) overflowed: bool,
}

impl FormatSet {
    /// Adds a format, if it is new and there is room.
    fn observe(&mut self, format: &Arc<Format>) {
        if self.seen.contains(format) {
            return;
        }
        // An untrusted header may have 32,000 names.
        self.names += format.names().len() as u64;
        let room = self.limit.saturating_mul(NAMES_PER_FORMAT);
        self.overflowed |= self.list.len() as u64 >= self.limit || (self.names > room && !self.list.is_empty());
        if !self.overflowed {
            self.seen.insert(Arc::clone(format));
            self.list.push(Arc::clone(format));
        }
    }
}

impl RecordCounts {
    /// Adds the counts of other records.
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
    fn a_name_without_a_symbol_is_not_cached() {
        let mut known = Vec::new();
        assert_eq!(cache(&mut known, None, None), None);
        assert_eq!(known, []);
        assert_eq!(cache(&mut known, Symbol::new(2), None), None);
        assert_eq!(known, [CachedVpc::NotLookedUp, CachedVpc::NotLookedUp, CachedVpc::Known(None)]);
    }
}
