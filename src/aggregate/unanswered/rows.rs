//! The rows of accepted records that only open connections.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{OpeningFlows, OpeningKey, OpeningStats};
use crate::aggregate::counters::Counters;
use crate::aggregate::interner::Interner;
use crate::aggregate::peering::ScopeRow;
use crate::aggregate::rows::{InvalidRow, SeenRow, number};

/// Records with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpeningRow {
    scope: ScopeRow,
    interface: u32,
    src: Option<IpAddr>,
    dst: IpAddr,
    dstport: u16,
    is_directed: bool,
    tally: Counters,
    seen: SeenRow,
    least_srcport: Option<u16>,
    max_undercount: u32,
}

/// What is known besides the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpeningState {
    evicted_weight: u64,
    all_attributed: bool,
}

impl OpeningFlows {
    /// Returns what is known besides the rows.
    pub fn state(&self) -> OpeningState {
        OpeningState { evicted_weight: self.evicted_weight, all_attributed: self.all_attributed }
    }

    /// Restores what is known besides the rows. Call it before the first row.
    pub fn restore_state(&mut self, state: OpeningState) {
        OpeningState { evicted_weight: self.evicted_weight, all_attributed: self.all_attributed } = state;
    }

    /// Returns all rows.
    pub fn rows(&self) -> impl Iterator<Item = OpeningRow> {
        self.openings.iter().map(|(key, stats)| OpeningRow {
            scope: key.scope.into(),
            interface: number(key.interface),
            src: key.src,
            dst: key.dst,
            dstport: key.dstport,
            is_directed: key.is_directed,
            tally: stats.tally,
            seen: stats.seen.into(),
            least_srcport: stats.least_srcport,
            max_undercount: stats.max_undercount,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If it names what does not exist. `vpcs` is the number of VPCs in the topology.
    pub fn restore(
        &mut self,
        row: OpeningRow,
        (interfaces, places): (&Interner, &Interner),
        vpcs: usize,
    ) -> Result<(), InvalidRow> {
        let key = OpeningKey {
            scope: row.scope.restore((interfaces, places), vpcs)?,
            interface: interfaces.symbol(row.interface)?,
            src: row.src,
            dst: row.dst,
            dstport: row.dstport,
            is_directed: row.is_directed,
        };
        let stats = OpeningStats {
            tally: row.tally,
            seen: row.seen.restore()?,
            least_srcport: row.least_srcport,
            max_undercount: row.max_undercount,
        };
        let evicted_weight = u32::try_from(self.evicted_weight).unwrap_or(u32::MAX);
        self.add(key, &stats, evicted_weight);
        Ok(())
    }
}
