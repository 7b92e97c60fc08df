//! Traffic by time.

use serde::{Deserialize, Serialize};

use super::Traffic;
use crate::record::timestamp::Timestamp;

/// Traffic of the records whose `start` lies in one interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TimeBucket {
    /// Start of the interval.
    pub start: Timestamp,
    /// Length of the interval, in seconds: 60, or 60 times a power of two. All intervals of a summary have the same length.
    pub seconds: u64,
    /// Accepted and rejected traffic.
    #[serde(flatten)]
    pub traffic: Traffic,
}
