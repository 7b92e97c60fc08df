//! Objects that a plan leaves out.

use serde::{Deserialize, Serialize};

/// Number of skipped objects that are named, of each reason.
const MAX_EXAMPLES: usize = 5;

/// Reason why an object is in no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its name is not that of a flow log.
    NotAFlowLog,
    /// It has no bytes.
    Empty,
    /// Its key has no time, so that it is in no window.
    NoTime,
    /// The time of its key is outside the window.
    OutsideWindow,
    /// It was added before.
    Duplicate,
}

impl SkipReason {
    /// Returns the reason in words.
    pub fn words(self) -> &'static str {
        match self {
            SkipReason::NotAFlowLog => "not a flow log",
            SkipReason::Empty => "empty",
            SkipReason::NoTime => "no time in the key",
            SkipReason::OutsideWindow => "outside the window",
            SkipReason::Duplicate => "given twice",
        }
    }
}

/// Objects that were skipped for the same reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Number of objects.
    pub objects: u64,
    /// The first of their names, in alphabetical order.
    pub examples: Vec<String>,
}

impl Skipped {
    pub(super) fn add(&mut self, name: String) {
        self.objects += 1;
        let position = self.examples.partition_point(|example| *example <= name);
        if position < MAX_EXAMPLES {
            self.examples.insert(position, name);
            self.examples.truncate(MAX_EXAMPLES);
        }
    }
}
