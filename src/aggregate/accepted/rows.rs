//! The rows of the accepted flows. Their order has no meaning, so they are sorted: equal rows become one, and similar ones compress well.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{AcceptedFlows, AcceptedRow, FiveTuple, TupleParts};
use crate::aggregate::connection_stage::ConnectionStage;
use crate::aggregate::interner::Interner;
use crate::aggregate::rows::{InvalidRow, number};

/// Equal accepted records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedFlowsRow {
    interface: u32,
    protocol: u8,
    src: IpAddr,
    dst: IpAddr,
    srcport: u16,
    dstport: u16,
    /// The parts (3 bits), the stage (3 bits), and whether there is a `vpc-id`.
    kind: u8,
    /// Number of records.
    count: u32,
}

/// Whether the accepted flows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedState {
    complete: bool,
    limit_reached: bool,
}

impl AcceptedFlows {
    /// Returns what is known besides the rows.
    pub fn state(&self) -> AcceptedState {
        AcceptedState { complete: self.complete, limit_reached: self.limit_reached }
    }

    /// Sorts the records, and returns a row for equal ones.
    pub fn rows(&mut self) -> impl Iterator<Item = AcceptedFlowsRow> {
        self.ipv4.sort_unstable();
        self.wide.sort_unstable();
        let ipv4 = self.ipv4.chunk_by(|a, b| a == b).filter_map(|rows| Some((rows.first()?.record(), rows.len())));
        let wide = self.wide.chunk_by(|a, b| a == b).filter_map(|rows| Some((*rows.first()?, rows.len())));
        ipv4.chain(wide).map(|(record, count)| AcceptedFlowsRow::new(&record, count))
    }

    /// Adds the records of a row.
    ///
    /// # Errors
    /// If it names an interface that does not exist, or a kind that is not defined.
    pub fn restore(&mut self, row: AcceptedFlowsRow, interfaces: &Interner) -> Result<(), InvalidRow> {
        let record = row.record(interfaces)?;
        for _ in 0..row.count {
            if !self.complete {
                break;
            }
            self.push(record);
        }
        Ok(())
    }

    /// Restores what is known besides the rows. Call it after all rows.
    pub fn restore_state(&mut self, state: AcceptedState) {
        self.limit_reached |= state.limit_reached;
        if !state.complete {
            self.discard_all();
        }
    }
}

impl AcceptedFlowsRow {
    #[expect(clippy::cast_possible_truncation, reason = "the limit of tuples in memory is below 2^32 rows")]
    fn new(record: &AcceptedRow, count: usize) -> AcceptedFlowsRow {
        let AcceptedRow { tuple, parts, stage, has_vpc_id } = record;
        AcceptedFlowsRow {
            interface: number(tuple.interface),
            protocol: tuple.protocol,
            src: tuple.src,
            dst: tuple.dst,
            srcport: tuple.srcport,
            dstport: tuple.dstport,
            kind: *parts as u8 | (*stage as u8) << 3 | u8::from(*has_vpc_id) << 6,
            count: count as u32,
        }
    }

    fn record(&self, interfaces: &Interner) -> Result<AcceptedRow, InvalidRow> {
        let stage = ConnectionStage::ALL.get(usize::from(self.kind >> 3 & 7)).copied();
        let parts = TupleParts::ALL.get(usize::from(self.kind & 7)).copied();
        let (Some(stage), Some(parts), 0) = (stage, parts, self.kind >> 7) else {
            return Err(InvalidRow("an accepted record has an undefined kind"));
        };
        let tuple = FiveTuple {
            interface: interfaces.symbol(self.interface)?,
            protocol: self.protocol,
            src: self.src,
            dst: self.dst,
            srcport: self.srcport,
            dstport: self.dstport,
        };
        Ok(AcceptedRow { tuple, parts, stage, has_vpc_id: self.kind >> 6 & 1 != 0 })
    }
}
