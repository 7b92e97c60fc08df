//! Responses of invocations: the failures, in the format that the event source expects.

use std::fmt;

use lambda_runtime::Diagnostic;
use serde::Serialize;
use thiserror::Error;

use crate::lambda::aws::documents::DocumentKind;
use crate::lambda::event::{EventError, RunReference};

/// The response of an invocation that succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum HandlerResponse {
    /// The response to a queue, with the messages that failed. See "Implementing partial batch responses" in
    /// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>.
    #[serde(rename_all = "camelCase")]
    Queue {
        /// The failed messages.
        batch_item_failures: Vec<ItemFailure>,
    },
    /// The response to S3 Batch Operations, with the result of each task. See
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html>.
    #[serde(rename_all = "camelCase")]
    BatchJob {
        /// The version of the request.
        invocation_schema_version: String,
        /// The result of tasks that have none in `results`.
        treat_missing_keys_as: ResultCode,
        /// The id of the request.
        invocation_id: String,
        /// The results, in the order of the tasks.
        results: Vec<TaskResult>,
    },
    /// The response to the first step of a window's report: the run, for the steps that follow.
    Window(RunReference),
    /// The empty response to any other source.
    Done,
}

/// The result of a task: "Response and result codes" in
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-invoke-lambda.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ResultCode {
    /// The task is done.
    Succeeded,
    /// The task is started again before the job completes.
    TemporaryFailure,
    /// The task has failed.
    PermanentFailure,
}

/// The result of a task of S3 Batch Operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskResult {
    /// The task's `taskId`.
    pub task_id: String,
    /// Whether the task succeeded.
    pub result_code: ResultCode,
    /// What became of the object, escaped and truncated.
    pub result_string: String,
}

/// A message that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemFailure {
    /// The message's `messageId`.
    pub item_identifier: String,
}

/// Why an invocation fails. The names are stable, because alarms may use them.
#[derive(Error)]
pub enum InvocationError {
    /// The payload has an unknown format.
    #[error(transparent)]
    UnknownEvent(#[from] EventError),
    /// Objects failed and must be retried. The message contains their number and the first error.
    #[error("{0}")]
    ObjectsFailed(String),
    /// A step of a window's report failed, and may be retried.
    #[error("{0}")]
    WindowFailed(String),
    /// A step of a window's report cannot succeed with this input.
    #[error("{0}")]
    WindowInvalid(String),
    /// The topology or the configuration can't be read or used, and no older version is cached. No object was processed, so
    /// the whole event must be retried.
    #[error("{} unavailable: {reason}", kind.name())]
    DocumentsUnavailable {
        /// Which of the two.
        kind: DocumentKind,
        /// The cause.
        reason: String,
    },
    /// The daily digest was not sent. Lambda repeats the invocation.
    #[error("digest not sent: {0}")]
    DigestFailed(String),
}

impl InvocationError {
    /// Returns the name of the error in Lambda's reports.
    pub fn name(&self) -> &'static str {
        match self {
            InvocationError::UnknownEvent(_) => "UnknownEvent",
            InvocationError::ObjectsFailed(_) => "ObjectsFailed",
            InvocationError::WindowFailed(_) => "WindowFailed",
            InvocationError::WindowInvalid(_) => "WindowInvalid",
            InvocationError::DigestFailed(_) => "DigestFailed",
            InvocationError::DocumentsUnavailable { kind: DocumentKind::Topology, .. } => "TopologyUnavailable",
            InvocationError::DocumentsUnavailable { kind: DocumentKind::Config, .. } => "ConfigUnavailable",
        }
    }
}

/// The runtime logs errors in this format.
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
