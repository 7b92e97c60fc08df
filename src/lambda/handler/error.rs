//! Why an event must come again.

use std::any::Any;
use std::fmt;

use thiserror::Error;
use tokio::task::JoinError;

use super::{InvocationError, shown};
use crate::error::ObjectError;
use crate::lambda::aws::error::S3Error;
use crate::lambda::aws::eventbridge::BusError;
use crate::lambda::delivery::records::NotASummary;
use crate::lambda::event::EventError;

/// Why an object's event must come again.
#[derive(Debug, Error)]
pub(in crate::lambda) enum ProcessingError {
    #[error(transparent)]
    NotUnderstood(#[from] EventError),
    #[error(transparent)]
    S3(Box<S3Error>),
    #[error("{uri}: {source}")]
    Object { uri: String, source: ObjectError },
    /// An object that can never be read, where that is to be a failure.
    #[error("{uri}: {message}")]
    Permanent { uri: String, code: &'static str, message: String },
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(
        "{key} is not the summary of this object: {source}; remove it, with its findings and receipt, to have the object \
         analyzed again"
    )]
    NotASummary { key: String, source: NotASummary },
    #[error(
        "{key} belongs to a summary that was removed; remove it and the other outputs of this object to have the object \
         analyzed again"
    )]
    SummaryMismatch { key: String },
    #[error("topology unavailable: {reason}")]
    TopologyUnavailable { reason: String },
    #[error("output key changed concurrently: {key}; make sure that nothing else writes or removes outputs")]
    Conflict { key: String },
    #[error(
        "not enough time left before the function's timeout; if this happens repeatedly, raise its memory or timeout"
    )]
    OutOfTime,
    #[error("internal error while processing this object (panic): {message}")]
    Panicked { message: String },
}

/// ObjectProcessor of one message, or of an invocation, that must come again.
#[derive(Debug)]
pub(in crate::lambda) struct BatchFailure {
    /// At least one.
    pub failures: Vec<ProcessingError>,
    /// So many there were in all.
    pub total: usize,
}

impl BatchFailure {
    /// Whether nothing but a topology was missing.
    pub(in crate::lambda) fn is_topology_unavailable(&self) -> bool {
        let missing = |failure: &ProcessingError| matches!(failure, ProcessingError::TopologyUnavailable { .. });
        self.failures.len() == self.total && self.failures.iter().all(missing)
    }
}

impl fmt::Display for BatchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BatchFailure { failures, total } = self;
        let first = failures.first().map_or_else(String::new, |failure| shown(&failure.to_string()));
        write!(f, "{} of {total} object(s) failed; first: {first}", failures.len())
    }
}

impl From<BatchFailure> for InvocationError {
    fn from(failed: BatchFailure) -> InvocationError {
        match failed.failures.first() {
            Some(ProcessingError::TopologyUnavailable { reason }) if failed.is_topology_unavailable() => {
                InvocationError::TopologyUnavailable { reason: reason.clone() }
            }
            _ => InvocationError::ObjectsFailed(failed.to_string()),
        }
    }
}

impl ProcessingError {
    /// AWS's code, or one in snake_case. Both stay.
    pub(in crate::lambda) fn code(&self) -> &str {
        match self {
            ProcessingError::NotUnderstood(_) => "unknown_event",
            ProcessingError::S3(error) => error.code(),
            ProcessingError::Object { source, .. } => source.code(),
            ProcessingError::Permanent { code, .. } => code,
            ProcessingError::Bus(error) => error.code(),
            ProcessingError::NotASummary { .. } => "not_a_summary",
            ProcessingError::SummaryMismatch { .. } => "summary_mismatch",
            ProcessingError::TopologyUnavailable { .. } => "topology_unavailable",
            ProcessingError::Conflict { .. } => "output_conflict",
            ProcessingError::OutOfTime => "deadline_exceeded",
            ProcessingError::Panicked { .. } => "internal_error",
        }
    }

    /// What a panic says, if it is text.
    pub(in crate::lambda) fn from_panic(panic: &(dyn Any + Send)) -> ProcessingError {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        ProcessingError::Panicked { message: text.unwrap_or_else(|| "a panic without a message".to_owned()) }
    }
}

impl From<S3Error> for ProcessingError {
    fn from(error: S3Error) -> ProcessingError {
        ProcessingError::S3(Box::new(error))
    }
}

/// Of work on another thread, which nothing but a panic can end.
impl From<JoinError> for ProcessingError {
    fn from(error: JoinError) -> ProcessingError {
        match error.try_into_panic() {
            Ok(panic) => ProcessingError::from_panic(&*panic),
            Err(error) => ProcessingError::Panicked { message: error.to_string() },
        }
    }
}
