//! Windows of time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A span of time, half open: it has `from`, and does not have `to`. An object belongs to a window if the time in its key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after the window.
    pub to: Timestamp,
}

impl Window {
    /// The window of every object, also of those without a time in their keys.
    pub const ALL: Window = Window { from: Timestamp::MIN, to: Timestamp::MAX };

    /// Returns whether the window has this moment.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.from <= time && time < self.to
    }

    /// Returns whether the window has no moment at all.
    pub fn is_empty(&self) -> bool {
        self.to <= self.from
    }
}
