//! Errors after which an event is retried.

use std::any::Any;
use std::fmt;

use thiserror::Error;
use tokio::task::JoinError;

use super::{InvocationError, escape};
use crate::error::ObjectError;
use crate::lambda::aws::documents::DocumentKind;
use crate::lambda::aws::error::S3Error;
use crate::lambda::aws::eventbridge::BusError;
use crate::lambda::delivery::records::NotASummary;
use crate::lambda::event::EventError;

/// Why an object's event must be redelivered.
#[derive(Debug, Error)]
pub(crate) enum ProcessingError {
    #[error(transparent)]
    UnknownEvent(#[from] EventError),
    #[error(transparent)]
    S3(Box<S3Error>),
    #[error("{uri}: {source}")]
    Object { uri: String, source: ObjectError },
    /// The object can never be read, and the settings treat that as a failure.
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
    #[error(transparent)]
    DocumentsUnavailable(#[from] DocumentsUnavailable),
    #[error("output key changed concurrently: {key}; make sure that nothing else writes or removes outputs")]
    Conflict { key: String },
    #[error(
        "not enough time left before the function's timeout; if this happens repeatedly, raise its memory or timeout"
    )]
    OutOfTime,
    /// The time in an event of a schedule can't be parsed.
    #[error("{time:?} is not a time such as 2026-11-29T06:00:00Z")]
    NotATime { time: String },
    #[error("internal error while processing this object (panic): {message}")]
    Panicked { message: String },
}

/// The topology or the configuration can't be read or used, and no older version is cached.
#[derive(Debug, Clone, Error)]
#[error("{} unavailable: {reason}", kind.name())]
pub(crate) struct DocumentsUnavailable {
    pub(crate) kind: DocumentKind,
    /// The cause, escaped.
    pub(crate) reason: String,
}

/// Objects of one message or invocation that failed.
#[derive(Debug)]
pub(crate) struct BatchFailure {
    /// The errors, at least one.
    pub(crate) failures: Vec<ProcessingError>,
    /// Number of all objects, failed or not.
    pub(crate) total: usize,
}

impl BatchFailure {
    /// Reports whether every object failed because the topology or the configuration is unavailable.
    pub(crate) fn is_documents_unavailable(&self) -> bool {
        let is_unavailable = |failure: &ProcessingError| matches!(failure, ProcessingError::DocumentsUnavailable(_));
        self.failures.len() == self.total && self.failures.iter().all(is_unavailable)
    }
}

impl fmt::Display for BatchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BatchFailure { failures, total } = self;
        let first = failures.first().map_or_else(String::new, |failure| escape(&failure.to_string()));
        write!(f, "{} of {total} object(s) failed; first: {first}", failures.len())
    }
}

impl From<BatchFailure> for InvocationError {
    fn from(failed: BatchFailure) -> InvocationError {
        match failed.failures.first() {
            Some(ProcessingError::DocumentsUnavailable(unavailable)) if failed.is_documents_unavailable() => {
                let DocumentsUnavailable { kind, reason } = unavailable.clone();
                InvocationError::DocumentsUnavailable { kind, reason }
            }
            _ => InvocationError::ObjectsFailed(failed.to_string()),
        }
    }
}

impl ProcessingError {
    /// Returns a stable code: AWS's, or one in snake_case.
    pub(crate) fn code(&self) -> &str {
        match self {
            ProcessingError::UnknownEvent(_) => "unknown_event",
            ProcessingError::S3(error) => error.code(),
            ProcessingError::Object { source, .. } => source.code(),
            ProcessingError::Permanent { code, .. } => code,
            ProcessingError::Bus(error) => error.code(),
            ProcessingError::NotASummary { .. } => "not_a_summary",
            ProcessingError::SummaryMismatch { .. } => "summary_mismatch",
            ProcessingError::DocumentsUnavailable(DocumentsUnavailable { kind, .. }) => match kind {
                DocumentKind::Topology => "topology_unavailable",
                DocumentKind::Config => "config_unavailable",
            },
            ProcessingError::Conflict { .. } => "output_conflict",
            ProcessingError::OutOfTime => "deadline_exceeded",
            ProcessingError::NotATime { .. } => "not_a_time",
            ProcessingError::Panicked { .. } => "internal_error",
        }
    }

    /// Creates the error of a panic, with its message if that is text.
    pub(crate) fn from_panic(panic: &(dyn Any + Send)) -> ProcessingError {
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

/// The error of work on another thread, which only a panic can end early.
impl From<JoinError> for ProcessingError {
    fn from(error: JoinError) -> ProcessingError {
        match error.try_into_panic() {
            Ok(panic) => ProcessingError::from_panic(&*panic),
            Err(error) => ProcessingError::Panicked { message: error.to_string() },
        }
    }
}
