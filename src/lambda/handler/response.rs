//! What an invocation is answered: what failed, in the form that its sender understands.

use std::fmt;

use lambda_runtime::Diagnostic;
use serde::Serialize;
use thiserror::Error;

use crate::lambda::event::EventError;

/// What is answered to an invocation that succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum HandlerResponse {
    /// To a queue: the messages that failed. See "Implementing partial batch responses" in
    /// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>.
    #[serde(rename_all = "camelCase")]
    Queue {
        /// Empty if none did.
        batch_item_failures: Vec<ItemFailure>,
    },
    /// To anyone else: nothing.
    Done,
}

/// A message that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemFailure {
    /// Its `messageId`.
    pub item_identifier: String,
}

/// Why an invocation fails. Alarms may rest on the names.
#[derive(Error)]
pub enum InvocationError {
    /// The payload is not understood.
    #[error(transparent)]
    UnknownEvent(#[from] EventError),
    /// ObjectProcessor must come again. The message says how many of how many, and what is wrong with the first.
    #[error("{0}")]
    ObjectsFailed(String),
    /// There is no topology to judge by, none that was read before either. Nothing was done, so all of the event must
    /// come again.
    #[error("topology unavailable: {reason}")]
    TopologyUnavailable {
        /// What is wrong with it.
        reason: String,
    },
}

impl InvocationError {
    /// The name under which Lambda reports the error.
    pub fn name(&self) -> &'static str {
        match self {
            InvocationError::UnknownEvent(_) => "UnknownEvent",
            InvocationError::ObjectsFailed(_) => "ObjectsFailed",
            InvocationError::TopologyUnavailable { .. } => "TopologyUnavailable",
        }
    }
}

/// For the runtime's log, which shows errors so.
impl fmt::Debug for InvocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.name())
    }
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Diagnostic {
        Diagnostic { error_type: error.name().to_owned(), error_message: error.to_string() }
    }
}
