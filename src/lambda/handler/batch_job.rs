//! Processes the tasks of S3 Batch Operations. Every task gets a result.

use super::error::ProcessingError;
use super::object::{Outcome, Quarantined, Summarized};
use super::response::{HandlerResponse, ResultCode, TaskResult};
use super::{Handler, InvocationContext, escape_truncated};
use crate::lambda::event::{BatchJob, Task};

/// Maximum length of a result's text, in characters. AWS documents no limit; the completion report has the text in a CSV column.
const MAX_RESULT_CHARACTERS: usize = 1000;

impl Handler {
    /// Processes the tasks one after another. A task without enough time is a temporary failure.
    pub(super) async fn handle_batch_job(&self, job: BatchJob, invocation: &InvocationContext) -> HandlerResponse {
        let BatchJob { schema_version, invocation_id, tasks } = job;
        let mut results = Vec::new();
        let mut tasks = tasks.into_iter();
        while let Some(Task { id, event }) = tasks.next() {
            let result = if invocation.deadline.is_over() {
                self.log_not_started(&[event]);
                Err(ProcessingError::OutOfTime)
            } else {
                let deadline = invocation.deadline.split(tasks.len() > 0);
                self.handle_event(event, deadline, invocation).await
            };
            let (result_code, text) = task_result(&result);
            let result_string = escape_truncated(&text, MAX_RESULT_CHARACTERS);
            results.push(TaskResult { task_id: id, result_code, result_string });
        }
        HandlerResponse::BatchJob {
            invocation_schema_version: schema_version,
            // Every task has a result. If one were missing, nobody would know whether its object was read: the job must show it.
            treat_missing_keys_as: ResultCode::PermanentFailure,
            invocation_id,
            results,
        }
    }
}

/// Returns the result of a task and its text. A quarantined object has succeeded: a receipt has the reason, and another attempt would
/// have the same outcome.
fn task_result(result: &Result<Outcome, ProcessingError>) -> (ResultCode, String) {
    match result {
        Ok(Outcome::Summarized(Summarized { key, .. })) => (ResultCode::Succeeded, format!("summarized: {key}")),
        Ok(Outcome::Quarantined(Quarantined { code, message, key, .. })) => {
            (ResultCode::Succeeded, format!("quarantined: {code}: {key}: {message}"))
        }
        Ok(Outcome::Ignored(ignored)) => (ResultCode::Succeeded, format!("ignored: {}", ignored.reason().name())),
        Err(error @ (ProcessingError::Permanent { .. } | ProcessingError::UnknownEvent(_))) => {
            (ResultCode::PermanentFailure, format!("failed: {}: {error}", error.code()))
        }
        Err(error) => (ResultCode::TemporaryFailure, format!("failed: {}: {error}", error.code())),
    }
}
