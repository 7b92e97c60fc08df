//! Why findings may be missing from a summary. Then an empty list is no all-clear: its verdict is unknown instead of OK.
//!
//! Texts, pages, `--fail-on`, and comparisons ask here. A new reason belongs here and nowhere else.

use std::fmt::{self, Display, Formatter};

use indicatif::HumanCount;

use super::{Filters, Keyword, Summary};
use crate::findings::types::Severity;

/// A limit beyond which no finding is missing: only column lists are.
const HARMLESS_LIMIT: &str = "max_formats";

/// A reason why findings may be missing. It is displayed as a clause. Its text is untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// There are no records.
    NoRecords,
    /// More than half of the records are malformed.
    MostlyMalformed {
        /// Malformed records.
        malformed: u64,
        /// All records.
        total: u64,
    },
    /// No record that counts is accepted or rejected.
    NoTraffic {
        /// Records without an action. Those of a transit gateway have findings nevertheless.
        other: u64,
    },
    /// Inputs could not be read.
    FailedInputs(u64),
    /// The summary has findings that this version does not know.
    UnknownFindings(u64),
    /// Findings below a severity are not listed.
    LeftOut {
        /// The least severity that is listed.
        least: Option<Severity>,
        /// Findings that are not listed.
        findings: u64,
    },
    /// The user selected records.
    Filtered {
        /// Records that are left out.
        filtered: u64,
        /// All records.
        total: u64,
        /// The filters, as options of the command.
        options: String,
    },
    /// Filters that this version does not know left out records.
    UnknownFilters {
        /// Records that are left out.
        filtered: u64,
        /// All records.
        total: u64,
    },
    /// Memory limits were reached.
    Limits(Vec<Keyword>),
}

impl Doubt {
    /// Returns whether nothing was there to find.
    pub fn is_of_everything(&self) -> bool {
        matches!(self, Doubt::NoRecords | Doubt::MostlyMalformed { .. } | Doubt::NoTraffic { .. })
    }

    /// Returns whether a finding of at least this severity may be missing from the selected records.
    fn may_hide(&self, severity: Severity) -> bool {
        match self {
            Doubt::NoTraffic { other } => *other == 0,
            Doubt::Filtered { .. } => false,
            Doubt::LeftOut { least, .. } => least.is_none_or(|least| least > severity),
            _ => true,
        }
    }
}

impl Display for Doubt {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let of = |part: u64, all: u64| format!("{} of {} records", HumanCount(part), HumanCount(all));
        let some =
            |count: u64, noun: &str| format!("{} {noun}{}", HumanCount(count), if count == 1 { "" } else { "s" });
        let are = |count: u64| if count == 1 { "is" } else { "are" };
        match self {
            Doubt::NoRecords => write!(f, "no records were read"),
            Doubt::MostlyMalformed { malformed, total } => write!(f, "{} are malformed", of(*malformed, *total)),
            Doubt::NoTraffic { .. } => write!(f, "no record is of accepted or rejected traffic"),
            Doubt::FailedInputs(inputs) => write!(f, "{} could not be read", some(*inputs, "input")),
            Doubt::UnknownFindings(count) => {
                write!(f, "{} {} unknown to this version", some(*count, "finding"), are(*count))
            }
            Doubt::LeftOut { least, findings } => {
                let below = least.map_or_else(String::new, |least| format!(" below {}", least.name()));
                write!(f, "{}{below} {} not listed", some(*findings, "finding"), are(*findings))
            }
            Doubt::Filtered { filtered, total, options } => {
                write!(f, "{} are left out by {options}", of(*filtered, *total))
            }
            Doubt::UnknownFilters { filtered, total } => {
                write!(f, "{} are left out by filters that this version does not know", of(*filtered, *total))
            }
            Doubt::Limits(limits) => write!(f, "memory limits were reached: {}", limits.join(", ")),
        }
    }
}

/// Joins doubts to one text.
pub fn join<'a>(doubts: impl IntoIterator<Item = &'a Doubt>) -> String {
    doubts.into_iter().map(Doubt::to_string).collect::<Vec<_>>().join("; ")
}

impl Summary {
    /// Returns why findings may be missing. An empty list of findings is an all-clear only if there is no reason.
    pub fn doubts(&self) -> Vec<Doubt> {
        let Summary { records, filters, .. } = self;
        let total = records.total;
        let mut doubts = Vec::new();
        if total == 0 {
            doubts.push(Doubt::NoRecords);
        } else if records.malformed > total / 2 {
            doubts.push(Doubt::MostlyMalformed { malformed: records.malformed, total });
        } else if records.accepted == 0 && records.rejected == 0 {
            doubts.push(Doubt::NoTraffic { other: records.other });
        }
        if !self.failed.is_empty() {
            doubts.push(Doubt::FailedInputs(self.failed.len() as u64));
        }
        if self.unknown_findings() > 0 {
            doubts.push(Doubt::UnknownFindings(self.unknown_findings()));
        }
        if let Some(Filters { min_severity, findings_left_out: findings @ 1.., .. }) = filters {
            doubts.push(Doubt::LeftOut { least: *min_severity, findings: *findings });
        }
        let options = filters.as_ref().map(Filters::record_options).unwrap_or_default();
        if self.has_unknown_filters() {
            doubts.push(Doubt::UnknownFilters { filtered: records.filtered, total });
        } else if !options.is_empty() {
            doubts.push(Doubt::Filtered { filtered: records.filtered, total, options });
        }
        let limits: Vec<Keyword> = self.limits_reached.iter().copied().filter(|name| *name != HARMLESS_LIMIT).collect();
        if !limits.is_empty() {
            doubts.push(Doubt::Limits(limits));
        }
        doubts
    }

    /// Returns why it is unknown whether the selected records have a finding of at least this severity. Empty if it is known. A listed
    /// finding decides, unless an input failed: it may hide a worse one.
    pub fn undecided(&self, severity: Severity) -> Vec<Doubt> {
        let is_found = self.has_finding(severity);
        let decides = |doubt: &Doubt| match doubt {
            Doubt::NoRecords | Doubt::FailedInputs(_) => true,
            other => !is_found && other.may_hide(severity),
        };
        self.doubts().into_iter().filter(decides).collect()
    }
}
