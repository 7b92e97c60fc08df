//! Parses the events of the state machine that makes the reports of windows.

use std::num::NonZero;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::EventError;
use crate::plan::FanIn;
use crate::sanitize::escape_truncated;

/// Maximum length of an error, which quotes the event.
const MAX_ERROR_CHARACTERS: usize = 300;

/// A step of a window's report.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
pub enum WindowStep {
    /// List the objects of the window, and divide them into parts.
    Plan {
        /// The input of the state machine.
        request: PlanRequest,
        /// Pattern of the keys of flow logs, with asterisks. Without it, all keys.
        #[serde(default)]
        key_pattern: Option<String>,
    },
    /// Make one part: analyze objects, or merge parts.
    Part {
        /// The run, as the plan returned it.
        run: RunReference,
        /// Which part.
        item: PartItem,
    },
    /// Make a part of objects that failed in all attempts: objects that cannot be read now count as failed.
    GiveUp {
        /// The run.
        run: RunReference,
        /// Which part.
        item: PartItem,
        /// Why it failed, in the form of Step Functions.
        error: StepError,
        /// Whether all of its objects count as failed.
        #[serde(default)]
        all: bool,
    },
    /// Make the report from the last part.
    Report {
        /// The run.
        run: RunReference,
    },
}

/// A run, as the plan returns it and the state machine passes it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReference {
    /// Key of the manifest.
    pub manifest: String,
    /// The folder of the run.
    pub folder: String,
    /// Name of the topology and the configuration of all parts.
    pub context: String,
    /// Begin of the window, RFC 3339.
    pub from: String,
    /// Number of levels.
    pub levels: u32,
    /// The run that this one makes again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<EarlierRun>,
}

/// A run of the same objects that lacks some of them. The parts that lack none are taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierRun {
    /// Key of the manifest.
    pub manifest: String,
    /// The folder of the run.
    pub folder: String,
}

/// Which window to report: a range of time with a name, or what is due by a schedule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlanRequest {
    /// Name of the report.
    pub name: Option<String>,
    /// Begin of the window, RFC 3339.
    pub from: Option<String>,
    /// End of the window, exclusive.
    pub to: Option<String>,
    /// `hourly` or `daily`.
    pub schedule: Option<String>,
    /// When the schedule fired, RFC 3339.
    pub time: Option<String>,
    /// Where the objects are, `bucket/prefix`. Without it, all allowed sources.
    pub sources: Option<Vec<String>>,
    /// Maximum bytes of a batch, as stored.
    pub batch_bytes: Option<NonZero<u64>>,
    /// Maximum objects of a batch.
    pub batch_objects: Option<NonZero<usize>>,
    /// Maximum parts of one merge, at least 2.
    pub fan_in: Option<FanIn>,
}

/// A part of a run. Parts of level 0 are made from objects, those of a higher level from the parts of the level below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartItem {
    /// The level.
    pub level: u32,
    /// Number of the part in its level, from 0.
    pub part: u32,
    /// First part of the level below, above level 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u32>,
    /// The part of the level below after the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u32>,
}

/// An error as Step Functions passes it on: <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StepError {
    /// Name of the error.
    #[serde(rename = "Error")]
    pub error: String,
    /// The message.
    #[serde(rename = "Cause", default)]
    pub cause: String,
}

/// Returns the step, if the payload is an event of the state machine.
pub(super) fn window_step(payload: &Value) -> Option<Result<WindowStep, EventError>> {
    let step = payload.get("window")?;
    let invalid = |error: serde_json::Error| {
        EventError::InvalidWindowStep(escape_truncated(&error.to_string(), MAX_ERROR_CHARACTERS))
    };
    Some(WindowStep::deserialize(step).map_err(invalid))
}
