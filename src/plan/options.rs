//! Limits of a plan.

use std::fmt;
use std::num::NonZero;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Limits of the batches, and of the merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanOptions {
    /// Maximum bytes of a batch, as they are stored. A single object may have more.
    ///
    /// The default is the size of the largest objects that AWS writes: about 3.3 million records of version 2, whose accepted 5-tuples the
    /// default `max_accepted_tuples` holds. A batch beyond that limit loses them, and with them causes and answers.
    pub max_batch_bytes: NonZero<u64>,
    /// Maximum objects of a batch.
    ///
    /// A small object costs a request of about 50 ms, so the default is about 10 seconds of requests, one after another.
    pub max_batch_objects: NonZero<usize>,
    /// Maximum parts of one merge.
    pub fan_in: FanIn,
}

impl Default for PlanOptions {
    fn default() -> PlanOptions {
        PlanOptions { max_batch_bytes: MAX_BATCH_BYTES, max_batch_objects: MAX_BATCH_OBJECTS, fan_in: FanIn::DEFAULT }
    }
}

const MAX_BATCH_BYTES: NonZero<u64> = NonZero::new(75_000_000).expect("not 0");
const MAX_BATCH_OBJECTS: NonZero<usize> = NonZero::new(200).expect("not 0");

/// Number of parts that one merge takes, at least 2: fewer would never leave one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub struct FanIn(usize);

impl FanIn {
    /// 64: a tree of three levels has a quarter of a million batches.
    pub const DEFAULT: FanIn = FanIn(64);

    /// Returns the number of parts.
    pub fn get(self) -> usize {
        self.0
    }
}

/// Error for a merge of fewer than 2 parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an integer of at least 2")]
pub struct InvalidFanIn;

impl TryFrom<usize> for FanIn {
    type Error = InvalidFanIn;

    fn try_from(parts: usize) -> Result<FanIn, InvalidFanIn> {
        if parts < 2 { Err(InvalidFanIn) } else { Ok(FanIn(parts)) }
    }
}

impl From<FanIn> for usize {
    fn from(fan_in: FanIn) -> usize {
        fan_in.0
    }
}

impl fmt::Display for FanIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for FanIn {
    type Err = InvalidFanIn;

    fn from_str(text: &str) -> Result<FanIn, InvalidFanIn> {
        text.parse::<usize>().map_err(|_| InvalidFanIn)?.try_into()
    }
}
