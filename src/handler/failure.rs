//! Why an event must come again.

use std::any::Any;

use thiserror::Error;
use tokio::task::JoinError;

use crate::aws::bus::BusError;
use crate::aws::s3::S3Error;
use crate::error::ObjectError;
use crate::event::EventError;

/// Why an object's event must come again.
#[derive(Debug, Error)]
pub(super) enum Failure {
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
    #[error("{key} is no summary of flowsentry's: {source}; remove it, and the object is analysed anew")]
    NotASummary { key: String, source: serde_json::Error },
    #[error("{key} comes and goes: somebody else writes and removes it")]
    Unsettled { key: String },
    #[error("there was not enough time left; if it happens again and again, raise the function's timeout or memory")]
    OutOfTime,
    #[error("flowsentry has a mistake, and this object's turn ended: {message}")]
    Panicked { message: String },
}

impl Failure {
    /// AWS's code, or one in snake_case. Both stay.
    pub(super) fn code(&self) -> &str {
        match self {
            Failure::NotUnderstood(_) => "unknown_event",
            Failure::S3(error) => error.code(),
            Failure::Object { source, .. } => source.code(),
            Failure::Permanent { code, .. } => code,
            Failure::Bus(error) => error.code(),
            Failure::NotASummary { .. } => "not_a_summary",
            Failure::Unsettled { .. } => "unsettled",
            Failure::OutOfTime => "out_of_time",
            Failure::Panicked { .. } => "panicked",
        }
    }

    /// What a panic says, if it is text.
    pub(super) fn of_panic(panic: &(dyn Any + Send)) -> Failure {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Failure::Panicked { message: text.unwrap_or_else(|| "a panic without a message".to_owned()) }
    }
}

impl From<S3Error> for Failure {
    fn from(error: S3Error) -> Failure {
        Failure::S3(Box::new(error))
    }
}

/// Of work on another thread, which nothing but a panic can end.
impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Failure {
        match error.try_into_panic() {
            Ok(panic) => Failure::of_panic(&*panic),
            Err(error) => Failure::Panicked { message: error.to_string() },
        }
    }
}
