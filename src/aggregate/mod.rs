//! Records to state.
//!
//! In come records one by one, with the topology. [`Analysis`] counts them all. It keeps [`rejected`] groups, the [`accepted`] 5-tuples
//! that decide causes, traffic between VPCs ([`peering`]), and the sums by interface ([`interfaces`]). Names are interned ([`interner`]);
//! values on which records should agree have a [`consensus`]. Out goes an `Analysis`, which merges with those of other inputs.
//!
//! Each collection that grows with the cardinality of a log has a limit in [`Limits`]. Totals stay exact above it. The order of records
//! within an input does not matter. The order of inputs matters only for lists in input order.

pub mod accepted;
pub mod closing;
pub mod connection_stage;
pub mod consensus;
mod consistency;
pub mod counters;
pub mod filter;
pub mod inputs;
pub mod interfaces;
pub mod interner;
pub mod invalid_row;
pub mod left_out;
pub mod let_through;
pub mod packed_map;
pub mod peering;
pub mod recorder;
pub mod rejected;
pub mod rows;
pub mod talkers;
pub mod timeline;
pub mod transit_gateway;
pub mod unanswered;

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::aggregate::accepted::AcceptedFlows;
use crate::aggregate::closing::Closing;
use crate::aggregate::connection_stage::ConnectionStage;
use crate::aggregate::counters::TimeRange;
use crate::aggregate::inputs::{InputFailure, InputIdentity, InputSource, MalformedSample, RecordCounts};
use crate::aggregate::interfaces::{InterfaceRef, Interfaces};
use crate::aggregate::interner::Interner;
use crate::aggregate::invalid_row::InvalidRow;
use crate::aggregate::left_out::LeftOut;
use crate::aggregate::let_through::LetThrough;
use crate::aggregate::peering::{InterVpcTraffic, ReplyScope};
use crate::aggregate::recorder::{FlowRecorder, VpcCache};
use crate::aggregate::rejected::RejectedFlows;
use crate::aggregate::talkers::Talkers;
use crate::aggregate::timeline::Timeline;
use crate::aggregate::transit_gateway::TransitGatewayLosses;
use crate::aggregate::unanswered::OpeningFlows;
use crate::config::Limits;
use crate::record::format::Format;
use crate::record::parser::ParseError;
use crate::record::{Action, Flow, Record};
use crate::topology::Topology;

/// Malformed records that are listed.
pub(crate) const MALFORMED_SAMPLES: usize = 10;
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
    pub(crate) timeline: Timeline,
    pub(crate) talkers: Talkers,
    /// The ids of VPCs and subnets.
    pub(crate) places: Interner,
    pub(crate) interfaces: Interfaces,
    vpc_cache: VpcCache,
    pub(crate) accepted: AcceptedFlows,
    pub(crate) openings: OpeningFlows,
    pub(crate) rejects: RejectedFlows,
    pub(crate) losses: TransitGatewayLosses,
    pub(crate) peering: InterVpcTraffic,
    pub(crate) closing: Closing,
    pub(crate) let_through: LetThrough,
    pub(crate) left_out: LeftOut,
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
            timeline: Timeline::default(),
            talkers: Talkers::default(),
            places: Interner::new(limits.max_interfaces),
            interfaces: Interfaces::new(limits.max_interfaces),
            vpc_cache: VpcCache::default(),
            accepted: AcceptedFlows::new(limits.max_accepted_tuples),
            openings: OpeningFlows::new(limits.max_unanswered_groups),
            rejects: RejectedFlows::new(limits),
            losses: TransitGatewayLosses::new(limits.max_interfaces),
            peering: InterVpcTraffic::new(limits.max_address_pairs),
            closing: Closing::Open,
            let_through: LetThrough::new(limits.max_rejected_groups),
            left_out: LeftOut::default(),
        }
    }

    /// Adds one parsed record.
    pub fn observe(&mut self, record: &Record<'_>, topology: Option<&Topology>) {
        match record {
            Record::Flow(flow) => return self.observe_flow(flow, topology),
            Record::NoData(_) => self.records.no_data += 1,
            Record::SkipData(gap) => {
                self.records.skip_data += 1;
                self.interfaces.observe_gap(*gap);
            }
            Record::Other(other) => {
                self.records.other += 1;
                other.loss.iter().for_each(|loss| self.losses.observe(loss));
            }
        }
        self.records.total += 1;
    }

    /// Adds one accepted or rejected record. The topology must be the same for all records.
    #[inline(always)]
    pub fn observe_flow(&mut self, flow: &Flow<'_>, topology: Option<&Topology>) {
        self.records.total += 1;
        self.window.observe(flow.start, flow.end);
        let interface = self.interfaces.observe(flow, &mut self.places);
        // Compilers do not always inline a closure here.
        let leaves_vpc = match topology {
            Some(topology) => self.peering.observe::<true>(interface, flow, topology, &mut self.vpc_cache),
            None => false,
        };
        match flow.action {
            Action::Accept => {
                self.records.accepted += 1;
                self.timeline.observe_accepted(flow);
                self.talkers.observe(interface, flow);
                let stage = ConnectionStage::from_flow(flow, leaves_vpc);
                if let Some(topology) = topology.filter(|_| stage.opens()) {
                    self.observe_opening(interface, *flow, topology);
                }
                self.accepted.observe(interface, flow, stage);
            }
            Action::Reject => {
                self.records.rejected += 1;
                self.timeline.observe_rejected(flow);
                self.rejects.observe(interface, &self.interfaces, *flow, &mut self.places);
            }
        }
    }

    /// Adds an accepted record that opens a connection. Takes it by value, as [`InterVpcTraffic::observe`] does.
    #[inline(never)]
    fn observe_opening(&mut self, interface: InterfaceRef, flow: Flow<'_>, topology: &Topology) {
        let flow = &flow;
        if !interface.is_tracked {
            return;
        }
        let own = FlowRecorder { flow, interface, topology, cache: &mut self.vpc_cache }.own_vpc();
        self.openings.observe(own.map(|own| ReplyScope::new(own, interface.id)), interface.id, flow);
    }

    /// Adds a record of any class that a filter left out. It is counted as such only, but decides about the others.
    pub fn observe_left_out(&mut self, record: &Record<'_>, topology: Option<&Topology>) {
        match record {
            Record::Flow(flow) => return self.observe_left_out_flow(flow, topology),
            Record::SkipData(gap) => {
                let interface = self.interfaces.id_left_out(gap.origin.interface_id);
                self.left_out.observe_gap(interface);
            }
            Record::NoData(_) | Record::Other(_) => {}
        }
        self.records.total += 1;
        self.records.filtered += 1;
    }

    /// Adds an accepted or rejected record that a filter left out: as the reply, the answer, or the cause that it may be for the records
    /// that passed, and to what the records of its interface and of its group share.
    #[inline(never)]
    pub fn observe_left_out_flow(&mut self, flow: &Flow<'_>, topology: Option<&Topology>) {
        self.records.total += 1;
        self.records.filtered += 1;
        let interface = self.interfaces.observe_left_out(flow, &mut self.places);
        let leaves_vpc = topology
            .is_some_and(|topology| self.peering.observe::<false>(interface, flow, topology, &mut self.vpc_cache));
        match flow.action {
            Action::Accept => {
                self.left_out.has_accepted = true;
                let stage = ConnectionStage::from_flow(flow, leaves_vpc);
                if let Some(topology) = topology.filter(|_| stage.opens() && interface.is_tracked) {
                    let own = FlowRecorder { flow, interface, topology, cache: &mut self.vpc_cache }.own_vpc();
                    let scope = own.map(|own| ReplyScope::new(own, interface.id));
                    self.openings.observe_left_out(scope, interface.id, flow);
                }
                self.accepted.observe(interface, flow, stage);
            }
            Action::Reject => {
                self.rejects.observe_left_out(interface, flow, &mut self.places);
                topology.into_iter().for_each(|topology| self.peering.observe_refused(flow, topology));
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

    /// Returns whether it has accepted or rejected records.
    fn is_analyzed(&self) -> bool {
        self.records.accepted > 0 || self.records.rejected > 0
    }

    /// Returns the number of records by class.
    pub fn records(&self) -> RecordCounts {
        self.records
    }

    /// Adds the format of records that follow.
    pub fn observe_format(&mut self, format: &Arc<Format>) {
        self.formats.observe(format);
    }

    /// Sets the identity of the last input.
    pub fn identify(&mut self, identity: InputIdentity) {
        if let Some(source) = self.sources.last_mut() {
            source.identify(identity);
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
        self.closing = match (self.is_analyzed(), next.is_analyzed()) {
            (true, true) => self.closing.join(next.closing),
            (false, true) => next.closing,
            (_, false) => self.closing,
        };
        self.sources.extend(next.sources);
        self.failed.extend(next.failed);
        next.formats.list.iter().for_each(|format| self.formats.observe(format));
        self.formats.overflowed |= next.formats.overflowed;
        self.records.merge(next.records);
        self.malformed.extend(next.malformed);
        self.malformed.truncate(MALFORMED_SAMPLES);
        self.window.merge(next.window);
        self.timeline.merge(&next.timeline);
        let places = self.places.merge(&next.places);
        let interfaces = self.interfaces.merge(&next.interfaces, &places);
        if !next.interfaces.is_complete() {
            // Interfaces that are tracked here may have records there that are counted under "no interface".
            self.accepted.discard_all();
            self.peering.mark_replies_incomplete();
            self.rejects.mark_interfaces_split();
        }
        self.talkers.merge(&next.talkers, &interfaces);
        self.accepted.merge(&next.accepted, &interfaces);
        self.openings.merge(&next.openings, &interfaces, &places);
        self.rejects.merge(&next.rejects, (&self.interfaces, &interfaces), &places);
        self.let_through.merge(&next.let_through);
        self.losses.merge(&next.losses);
        self.peering.merge(&next.peering, &interfaces, &places);
        self.left_out.merge(&next.left_out, &interfaces);
    }
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

impl FormatSet {
    /// Adds the next format, by its shown names.
    ///
    /// # Errors
    /// If it occurs twice, or is above the limit.
    pub(crate) fn restore(&mut self, names: &[&str]) -> Result<(), InvalidRow> {
        let known = self.list.len();
        self.observe(&Arc::new(Format::from_shown_names(names)));
        if self.list.len() == known { Err(InvalidRow("a format occurs twice, or is above the limit")) } else { Ok(()) }
    }
}

impl RecordCounts {
    /// Adds the counts of other records.
    fn merge(&mut self, other: RecordCounts) {
        self.total = self.total.saturating_add(other.total);
        self.accepted = self.accepted.saturating_add(other.accepted);
        self.rejected = self.rejected.saturating_add(other.rejected);
        self.no_data = self.no_data.saturating_add(other.no_data);
        self.skip_data = self.skip_data.saturating_add(other.skip_data);
        self.other = self.other.saturating_add(other.other);
        self.malformed = self.malformed.saturating_add(other.malformed);
        self.filtered = self.filtered.saturating_add(other.filtered);
    }
}
