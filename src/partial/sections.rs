//! The sections of a partial, in their order: rows refer to names of earlier sections.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use super::block::{Block, BlockWriter};
use super::error::PartialError;
use crate::aggregate::accepted::AcceptedState;
use crate::aggregate::closing::Closing;
use crate::aggregate::inputs::{InputSource, LogEventsIdentity, ObjectIdentity, RecordCounts};
use crate::aggregate::let_through::LetThroughState;
use crate::aggregate::peering::PeeringState;
use crate::aggregate::rejected::RejectedState;
use crate::aggregate::rows::{InvalidRow, SeenRow};
use crate::aggregate::talkers::TalkersState;
use crate::aggregate::timeline::TimelineState;
use crate::aggregate::unanswered::OpeningState;
use crate::aggregate::{Analysis, MALFORMED_SAMPLES};
use crate::config::Limits;
use crate::input::shape::Shape;
use crate::topology::Topology;

pub(super) const HEADER: u8 = 1;
const STATE: u8 = 2;
const SOURCES: u8 = 3;
const FAILED: u8 = 4;
const FORMATS: u8 = 5;
const MALFORMED: u8 = 6;
const PLACES: u8 = 7;
const INTERFACES: u8 = 8;
const PLACEMENTS: u8 = 9;
const REJECTED: u8 = 10;
const OPENINGS: u8 = 11;
const LOSS_NAMES: u8 = 12;
const LOSSES: u8 = 13;
const CLASSES: u8 = 14;
const PAIRS: u8 = 15;
const ACCEPTED: u8 = 16;
const LET_THROUGH_TO_HOSTS: u8 = 17;
const LET_THROUGH_TO_PORTS: u8 = 18;
const TIMELINE: u8 = 19;
const TALKERS: u8 = 20;

/// What is known besides the rows of other sections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    records: RecordCounts,
    window: SeenRow,
    formats_overflowed: bool,
    places_complete: bool,
    interfaces_complete: bool,
    losses_complete: bool,
    rejected: RejectedState,
    openings: OpeningState,
    peering: PeeringState,
    accepted: AcceptedState,
    closing: Closing,
    let_through: LetThroughState,
    timeline: TimelineState,
    talkers: TalkersState,
}

/// An input that was read completely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SourceRow {
    uri: String,
    shape: Shape,
    compressed_bytes: u64,
    bytes: u64,
    records: u64,
    object: Option<ObjectIdentity>,
    log_events: Option<LogEventsIdentity>,
}

impl From<&InputSource> for SourceRow {
    fn from(source: &InputSource) -> SourceRow {
        // Parts have objects; only the report of a window stands for the window.
        let InputSource { uri, shape, compressed_bytes, bytes, records, object, log_events, window: _ } =
            source.clone();
        SourceRow { uri, shape, compressed_bytes, bytes, records, object, log_events }
    }
}

impl From<SourceRow> for InputSource {
    fn from(row: SourceRow) -> InputSource {
        let SourceRow { uri, shape, compressed_bytes, bytes, records, object, log_events } = row;
        InputSource { uri, shape, compressed_bytes, bytes, records, object, log_events, window: None }
    }
}

/// Writes all sections. Sorts the accepted records, whose order has no meaning.
pub(super) fn write<W: Write>(analysis: &mut Analysis, writer: &mut BlockWriter<W>) -> io::Result<()> {
    writer.rows(STATE, [State::of(analysis)])?;
    writer.rows(SOURCES, analysis.sources.iter().map(SourceRow::from))?;
    writer.rows(FAILED, &analysis.failed)?;
    writer.rows(FORMATS, analysis.formats.list.iter().map(|format| format.names()))?;
    writer.rows(MALFORMED, &analysis.malformed)?;
    writer.rows(PLACES, analysis.places.names())?;
    writer.rows(INTERFACES, analysis.interfaces.rows())?;
    writer.rows(PLACEMENTS, analysis.rejects.placement_rows())?;
    writer.rows(REJECTED, analysis.rejects.rows())?;
    writer.rows(OPENINGS, analysis.openings.rows())?;
    writer.rows(LOSS_NAMES, analysis.losses.names())?;
    writer.rows(LOSSES, analysis.losses.rows())?;
    writer.rows(CLASSES, analysis.peering.class_rows())?;
    writer.rows(PAIRS, analysis.peering.pair_rows())?;
    writer.rows(ACCEPTED, analysis.accepted.rows())?;
    writer.rows(LET_THROUGH_TO_HOSTS, analysis.let_through.to_host_rows())?;
    writer.rows(LET_THROUGH_TO_PORTS, analysis.let_through.to_port_rows())?;
    writer.rows(TIMELINE, analysis.timeline.rows())?;
    writer.rows(TALKERS, analysis.talkers.rows())
}

impl State {
    fn of(analysis: &Analysis) -> State {
        State {
            records: analysis.records,
            window: analysis.window.into(),
            formats_overflowed: analysis.formats.overflowed,
            places_complete: analysis.places.is_complete(),
            interfaces_complete: analysis.interfaces.is_complete(),
            losses_complete: analysis.losses.is_complete(),
            rejected: analysis.rejects.state(),
            openings: analysis.openings.state(),
            peering: analysis.peering.state(),
            accepted: analysis.accepted.state(),
            closing: analysis.closing,
            let_through: analysis.let_through.state(),
            timeline: analysis.timeline.state(),
            talkers: analysis.talkers.state(),
        }
    }
}

/// Rebuilds an analysis from blocks.
pub(super) struct Restorer<'a> {
    analysis: Analysis,
    topology: Option<&'a Topology>,
    /// Tag of the last block.
    last: u8,
    /// Restored at the end: until then the records are added.
    accepted: Option<AcceptedState>,
    losses_complete: bool,
}

impl<'a> Restorer<'a> {
    /// Creates an empty analysis.
    pub(super) fn new(topology: Option<&'a Topology>, limits: &Limits) -> Restorer<'a> {
        Restorer { analysis: Analysis::new(limits), topology, last: HEADER, accepted: None, losses_complete: true }
    }

    /// Adds the rows of a block.
    pub(super) fn add(&mut self, block: &Block) -> Result<(), PartialError> {
        let is_in_order = block.tag > self.last || (block.tag == self.last && block.tag != STATE);
        if !is_in_order || (self.last == HEADER) != (block.tag == STATE) {
            return Err(PartialError::Corrupt("its sections are out of order"));
        }
        self.last = block.tag;
        match block.tag {
            STATE => self.add_state(&block.only_row()?),
            SOURCES..=MALFORMED => self.add_input(block),
            PLACES..=LOSSES => self.add_records(block),
            CLASSES | PAIRS => self.add_peering(block),
            ACCEPTED => {
                let Analysis { accepted, interfaces, .. } = &mut self.analysis;
                each(block, |row| accepted.restore(row, interfaces.names()))
            }
            LET_THROUGH_TO_HOSTS => each(block, |row| self.analysis.let_through.restore_to_host(row)),
            LET_THROUGH_TO_PORTS => each(block, |row| self.analysis.let_through.restore_to_port(row)),
            TIMELINE => each(block, |row| self.analysis.timeline.restore(row)),
            TALKERS => {
                let Analysis { talkers, interfaces, .. } = &mut self.analysis;
                each(block, |row| talkers.restore(row, interfaces.names()))
            }
            _ => Err(PartialError::Corrupt("it has an undefined section")),
        }
    }

    fn add_state(&mut self, state: &State) -> Result<(), PartialError> {
        let analysis = &mut self.analysis;
        analysis.records = state.records;
        analysis.window = state.window.restore()?;
        analysis.formats.overflowed = state.formats_overflowed;
        if !state.places_complete {
            analysis.places.mark_incomplete();
        }
        if !state.interfaces_complete {
            analysis.interfaces.mark_incomplete();
        }
        self.losses_complete = state.losses_complete;
        analysis.rejects.restore_state(&state.rejected)?;
        analysis.openings.restore_state(state.openings);
        analysis.peering.restore_state(state.peering);
        analysis.closing = state.closing;
        analysis.let_through.restore_state(state.let_through);
        analysis.timeline.restore_state(state.timeline)?;
        analysis.talkers.restore_state(state.talkers);
        self.accepted = Some(state.accepted);
        Ok(())
    }

    /// Adds rows about the inputs.
    fn add_input(&mut self, block: &Block) -> Result<(), PartialError> {
        let analysis = &mut self.analysis;
        match block.tag {
            SOURCES => each(block, |row: SourceRow| {
                analysis.sources.push(row.into());
                Ok(())
            }),
            FAILED => each(block, |row| {
                analysis.failed.push(row);
                Ok(())
            }),
            FORMATS => {
                let overflowed = std::mem::take(&mut analysis.formats.overflowed);
                each(block, |names: Vec<&str>| analysis.formats.restore(&names))?;
                analysis.formats.overflowed = overflowed;
                Ok(())
            }
            _ => each(block, |row| {
                analysis.malformed.push(row);
                let has_room = analysis.malformed.len() <= MALFORMED_SAMPLES;
                has_room.then_some(()).ok_or(InvalidRow("it lists too many malformed records"))
            }),
        }
    }

    /// Adds rows about records, other than those of accepted flows and of traffic between VPCs.
    fn add_records(&mut self, block: &Block) -> Result<(), PartialError> {
        let vpcs = self.topology.map_or(0, |topology| topology.vpcs().len());
        let Analysis { places, interfaces, rejects, openings, losses, .. } = &mut self.analysis;
        match block.tag {
            PLACES => each(block, |name: &str| {
                let is_new = places.restore(name);
                is_new.then_some(()).ok_or(InvalidRow("the id of a place occurs twice, or is above the limit"))
            }),
            INTERFACES => each(block, |row| interfaces.restore(row, places)),
            PLACEMENTS => each(block, |row| rejects.restore_placement(row, interfaces, places)),
            REJECTED => each(block, |row| rejects.restore(row, interfaces, places)),
            OPENINGS => each(block, |row| openings.restore(row, (interfaces.names(), places), vpcs)),
            LOSS_NAMES => each(block, |name| losses.restore_name(name)),
            _ => each(block, |row| losses.restore(row)),
        }
    }

    /// Adds rows about traffic between VPCs.
    fn add_peering(&mut self, block: &Block) -> Result<(), PartialError> {
        let Some(topology) = self.topology else {
            return Err(PartialError::Corrupt("it has traffic between VPCs, but no topology"));
        };
        let Analysis { places, interfaces, peering, .. } = &mut self.analysis;
        let interfaces = interfaces.names();
        match block.tag {
            CLASSES => each(block, |row| peering.restore_class(row, topology, places)),
            _ => each(block, |row| peering.restore_pair(&row, topology, (interfaces, places))),
        }
    }

    /// Returns the analysis, if its sums agree.
    pub(super) fn finish(mut self) -> Result<Analysis, PartialError> {
        let accepted = self.accepted.ok_or(PartialError::Corrupt("it has no state"))?;
        self.analysis.accepted.restore_state(accepted);
        if !self.losses_complete {
            self.analysis.losses.mark_incomplete();
        }
        self.analysis.check_sums()?;
        Ok(self.analysis)
    }
}

/// Restores each row of a block.
fn each<'a, T: Deserialize<'a>>(
    block: &'a Block,
    mut restore: impl FnMut(T) -> Result<(), InvalidRow>,
) -> Result<(), PartialError> {
    for row in block.rows() {
        restore(row?)?;
    }
    Ok(())
}

impl From<InvalidRow> for PartialError {
    fn from(error: InvalidRow) -> PartialError {
        PartialError::Corrupt(error.0)
    }
}
