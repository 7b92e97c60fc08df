//! The rows of the rejected flows.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::cause::{CauseFacts, CauseHint};
use super::distinct;
use super::keys::{GroupKey, Placement, SubgroupKey};
use super::{RejectedFlows, SubgroupStats};
use crate::aggregate::counters::Counters;
use crate::aggregate::interfaces::Interfaces;
use crate::aggregate::interner::Interner;
use crate::aggregate::rows::{AgreedRow, InvalidRow, ReportedRow, SeenRow, number};
use crate::record::Direction;

/// Rejected records of one group with the same hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRow {
    interface: u32,
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    dstport: Option<u16>,
    protocol: Option<u8>,
    hint: u32,
    tally: Counters,
    seen: SeenRow,
    max_undercount: u32,
    vpc: ReportedRow,
    subnet: ReportedRow,
    direction: AgreedRow<Direction>,
    least_srcport: Option<u16>,
    syn_unconfirmed: bool,
}

/// Rejected traffic of one interface, VPC, and subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementRow {
    interface: u32,
    vpc: u32,
    subnet: u32,
    is_complete: bool,
    tally: Counters,
}

/// What is known besides the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedState {
    split_by_port: bool,
    evicted_weight: u64,
    merged_after_eviction: bool,
    interfaces_split: bool,
    causes: u32,
    places_are_complete: bool,
    /// Registers of the estimate of the number of groups.
    distinct: Option<Vec<u8>>,
}

impl RejectedFlows {
    /// Returns what is known besides the rows.
    pub fn state(&self) -> RejectedState {
        RejectedState {
            split_by_port: self.split_by_port,
            evicted_weight: self.evicted_weight,
            merged_after_eviction: self.merged_after_eviction,
            interfaces_split: self.interfaces_split,
            causes: self.causes,
            places_are_complete: self.places_are_complete,
            distinct: self.distinct.as_ref().map(distinct::registers),
        }
    }

    /// Restores what is known besides the rows. Call it before the first row.
    ///
    /// # Errors
    /// If the estimate of the number of groups is none.
    pub fn restore_state(&mut self, state: &RejectedState) -> Result<(), InvalidRow> {
        self.split_by_port = state.split_by_port;
        self.evicted_weight = state.evicted_weight;
        self.merged_after_eviction = state.merged_after_eviction;
        self.interfaces_split = state.interfaces_split;
        self.causes = state.causes;
        self.places_are_complete = state.places_are_complete;
        self.distinct = state.distinct.as_deref().map(distinct::restore).transpose()?;
        Ok(())
    }

    /// Returns all rows in their order.
    pub fn rows(&self) -> impl Iterator<Item = RejectedRow> {
        self.subgroups.iter().map(|(SubgroupKey { group, hint }, sums)| RejectedRow {
            interface: number(group.interface),
            src: group.src,
            dst: group.dst,
            dstport: group.dstport,
            protocol: group.protocol,
            hint: hint.pack(),
            tally: sums.tally,
            seen: sums.seen.into(),
            max_undercount: sums.max_undercount,
            vpc: sums.vpc.into(),
            subnet: sums.subnet.into(),
            direction: sums.direction.into(),
            least_srcport: sums.least_srcport,
            syn_unconfirmed: sums.syn_unconfirmed,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If it names what does not exist, or its key is that of another row.
    pub fn restore(&mut self, row: RejectedRow, interfaces: &Interfaces, places: &Interner) -> Result<(), InvalidRow> {
        let group = GroupKey {
            interface: interfaces.names().symbol(row.interface)?,
            src: row.src,
            dst: row.dst,
            dstport: row.dstport,
            protocol: row.protocol,
        };
        let hint = CauseHint::unpack(row.hint);
        if hint.pack() != row.hint {
            return Err(InvalidRow("a rejected group has an undefined cause hint"));
        }
        let sums = SubgroupStats {
            tally: row.tally,
            seen: row.seen.restore()?,
            max_undercount: row.max_undercount,
            vpc: row.vpc.restore(places)?,
            subnet: row.subnet.restore(places)?,
            direction: row.direction.into(),
            least_srcport: row.least_srcport,
            syn_unconfirmed: row.syn_unconfirmed,
            facts: CauseFacts::default(),
        };
        let ours = self.entry(SubgroupKey { group, hint }, row.max_undercount, interfaces);
        if ours.tally.flows > 0 || sums.tally.flows == 0 {
            return Err(InvalidRow("a rejected group occurs twice, or has no records"));
        }
        *ours = sums;
        self.enforce_limit(interfaces);
        Ok(())
    }

    /// Returns the rows of rejected traffic by placement.
    pub fn placement_rows(&self) -> impl Iterator<Item = PlacementRow> {
        self.places.iter().map(|(place, tally)| PlacementRow {
            interface: number(place.interface),
            vpc: number(place.vpc),
            subnet: number(place.subnet),
            is_complete: place.is_complete,
            tally: *tally,
        })
    }

    /// Adds rejected traffic of a placement.
    ///
    /// # Errors
    /// If it names what does not exist.
    pub fn restore_placement(
        &mut self,
        row: PlacementRow,
        interfaces: &Interfaces,
        places: &Interner,
    ) -> Result<(), InvalidRow> {
        let place = Placement {
            interface: interfaces.names().symbol(row.interface)?,
            vpc: places.symbol(row.vpc)?,
            subnet: places.symbol(row.subnet)?,
            is_complete: row.is_complete,
        };
        self.counters_of(place).merge(row.tally);
        Ok(())
    }
}
