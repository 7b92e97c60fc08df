//! Rows: the contents of the stores as plain values, for files.
//!
//! A store lists its rows, and another one is rebuilt from them. Rows come from untrusted files, so each is checked when it is restored:
//! symbols against the names, indexes against the topology, times against their range. Restoring a row enforces the limits as a record
//! does. Rows have the numbers of symbols; 0 stands for "no name".
//!
//! The order of the fields and variants is a part of the file format ([`crate::partial`]): a change needs another version.

use serde::{Deserialize, Serialize};

use crate::aggregate::consensus::{Consensus, ReportedId};
use crate::aggregate::counters::TimeRange;
use crate::aggregate::interner::{Interner, Symbol};
pub use crate::aggregate::invalid_row::InvalidRow;
use crate::record::timestamp::Timestamp;

/// A time range: seconds since the epoch plus 1, or 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenRow {
    first: u64,
    last: u64,
}

impl From<TimeRange> for SeenRow {
    fn from(seen: TimeRange) -> SeenRow {
        let number = |time: Option<Timestamp>| time.map_or(0, |time| time.seconds() + 1);
        SeenRow { first: number(seen.first_seen), last: number(seen.last_seen) }
    }
}

impl SeenRow {
    /// Returns the time range.
    ///
    /// # Errors
    /// If a time is after the year 9999.
    pub fn restore(self) -> Result<TimeRange, InvalidRow> {
        let time = |number: u64| match number.checked_sub(1) {
            None => Ok(None),
            Some(seconds) => Timestamp::from_seconds(seconds).map(Some).ok_or(InvalidRow("a time is out of range")),
        };
        Ok(TimeRange { first_seen: time(self.first)?, last_seen: time(self.last)? })
    }
}

/// A value on which records should agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgreedRow<T> {
    /// No record has a value.
    Unknown,
    /// Every record with a value has this one.
    One(T),
    /// Records have different values.
    Conflict,
}

impl<T: Copy + PartialEq> From<Consensus<T>> for AgreedRow<T> {
    fn from(agreed: Consensus<T>) -> AgreedRow<T> {
        match agreed {
            Consensus::Unknown => AgreedRow::Unknown,
            Consensus::One(one) => AgreedRow::One(one),
            Consensus::Conflict => AgreedRow::Conflict,
        }
    }
}

impl<T: Copy + PartialEq> From<AgreedRow<T>> for Consensus<T> {
    fn from(agreed: AgreedRow<T>) -> Consensus<T> {
        match agreed {
            AgreedRow::Unknown => Consensus::Unknown,
            AgreedRow::One(one) => Consensus::One(one),
            AgreedRow::Conflict => Consensus::Conflict,
        }
    }
}

/// The VPC or subnet that records report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedRow {
    id: AgreedRow<u32>,
    unreported: bool,
}

impl From<ReportedId> for ReportedRow {
    fn from(reported: ReportedId) -> ReportedRow {
        ReportedRow { id: reported.id.map(Symbol::get).into(), unreported: reported.unreported }
    }
}

impl ReportedRow {
    /// Returns the reported id.
    ///
    /// # Errors
    /// If the id is not among the places.
    pub fn restore(self, places: &Interner) -> Result<ReportedId, InvalidRow> {
        let id = match self.id {
            AgreedRow::Unknown => Consensus::Unknown,
            AgreedRow::Conflict => Consensus::Conflict,
            AgreedRow::One(number) => {
                Consensus::One(places.symbol(number)?.ok_or(InvalidRow("a reported id has no name"))?)
            }
        };
        Ok(ReportedId { id, unreported: self.unreported })
    }
}

/// Returns the number of a symbol, or 0 for none.
pub fn number(symbol: Option<Symbol>) -> u32 {
    symbol.map_or(0, Symbol::get)
}
