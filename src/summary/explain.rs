//! The evidence of `explain`: the flows between the ends of a path in flow logs. It serializes to JSON.

use std::collections::BTreeSet;

use serde::Serialize;

use super::InputFailure;
use crate::aggregate::counters::{Counters, TimeRange};

/// The evidence of logs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Flows from the source to the destination.
    pub forward: DirectionEvidence,
    /// Flows from the destination to the source.
    #[serde(rename = "return")]
    pub back: DirectionEvidence,
    /// Where the log contradicts the rules, in words.
    pub contradictions: Vec<String>,
    /// Inputs that could not be read. None of their records counts.
    pub failed: Vec<InputFailure>,
}

/// The evidence of one direction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DirectionEvidence {
    /// Accepted flows.
    pub accepted: Counters,
    /// Rejected flows.
    pub rejected: Counters,
    /// Accepted flows without a reply. Null if there were too many addresses to look for replies.
    pub unanswered: Option<Counters>,
    /// Times of the first and the last flow.
    #[serde(flatten)]
    pub seen: TimeRange,
    /// Interfaces that recorded the flows, at most 100.
    pub interface_ids: BTreeSet<String>,
}
