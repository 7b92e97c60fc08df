//! The rows of losses.

use serde::{Deserialize, Serialize};

use super::{Loss, LossKey, TransitGatewayLosses};
use crate::aggregate::counters::Counters;
use crate::aggregate::rows::{InvalidRow, SeenRow, number};
use crate::record::LossReason;

/// The losses of one gateway, pair of VPCs, and reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossRow {
    gateway: u32,
    src_vpc: u32,
    dst_vpc: u32,
    reason: LossReason,
    tally: Counters,
    seen: SeenRow,
}

impl TransitGatewayLosses {
    /// Returns the ids of gateways and VPCs in the order of their symbols.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.names()
    }

    /// Returns all rows.
    pub fn rows(&self) -> impl Iterator<Item = LossRow> {
        self.iter().map(|(key, loss)| LossRow {
            gateway: number(key.gateway),
            src_vpc: number(key.src_vpc),
            dst_vpc: number(key.dst_vpc),
            reason: key.reason,
            tally: loss.tally,
            seen: loss.seen.into(),
        })
    }

    /// Adds the name of the next symbol.
    ///
    /// # Errors
    /// If the name has a symbol already, or is above the limit.
    pub fn restore_name(&mut self, name: &str) -> Result<(), InvalidRow> {
        let is_new = self.names.restore(name);
        is_new.then_some(()).ok_or(InvalidRow("a name of a transit gateway occurs twice, or is above the limit"))
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If it names a resource that does not exist.
    pub fn restore(&mut self, row: LossRow) -> Result<(), InvalidRow> {
        let symbol = |number| self.names.symbol(number);
        let (gateway, src_vpc, dst_vpc) = (symbol(row.gateway)?, symbol(row.src_vpc)?, symbol(row.dst_vpc)?);
        let key = LossKey { gateway, src_vpc, dst_vpc, reason: row.reason };
        self.add(key, &Loss { tally: row.tally, seen: row.seen.restore()? });
        Ok(())
    }

    /// Marks that a record is not under its own key.
    pub fn mark_incomplete(&mut self) {
        self.complete = false;
    }
}
