//! The steps of a window's report: plan, make parts, report.
//!
//! All outputs have deterministic keys and are stored only if they do not exist, so each step may run again, at any time and several times
//! at once. A step whose output exists does nothing.

mod part;
mod plan;
mod report;

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task;
use tracing::{error, info};

use self::part::GivenUp;
use super::error::ProcessingError;
use super::options::AnalysisOptions;
use super::response::{HandlerResponse, InvocationError};
use super::{Handler, InvocationContext, catch_panic, escape};
use crate::config::Config;
use crate::lambda::aws::s3::{self, Output, PutOutcome};
use crate::lambda::event::{ObjectReference, RunReference, WindowStep};
use crate::lambda::window::keys::RunFolder;
use crate::lambda::window::manifest::hash;
use crate::lambda::window::request::{NamedWindow, RequestError};
use crate::partial::{Context, PartialError};
use crate::record::timestamp::Timestamp;
use crate::summary::json;

const JSON: &str = "application/json";
const BINARY: &str = "application/octet-stream";

/// Why a step fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum WindowError {
    /// The same input fails again.
    #[error("{0}")]
    Invalid(String),
    /// The topology or the configuration changed after the plan was made.
    #[error("{0}; start the run again: it makes a new revision")]
    Changed(String),
    /// Another attempt may succeed.
    #[error(transparent)]
    Failed(#[from] ProcessingError),
}

impl From<RequestError> for WindowError {
    fn from(error: RequestError) -> WindowError {
        WindowError::Invalid(error.to_string())
    }
}

impl From<s3::S3Error> for WindowError {
    fn from(error: s3::S3Error) -> WindowError {
        WindowError::Failed(error.into())
    }
}

impl From<super::DocumentsUnavailable> for WindowError {
    fn from(error: super::DocumentsUnavailable) -> WindowError {
        WindowError::Failed(error.into())
    }
}

/// What a step works with.
struct WindowRun<'a> {
    handler: &'a Handler,
    invocation: &'a InvocationContext,
    /// With the topology in force at the begin of the window.
    options: &'a AnalysisOptions,
}

impl Handler {
    /// Executes a step. Its log line has the outcome.
    pub(super) async fn handle_window(
        &self,
        step: WindowStep,
        invocation: &InvocationContext,
    ) -> Result<HandlerResponse, InvocationError> {
        let name = match &step {
            WindowStep::Plan { .. } => "plan",
            WindowStep::Part { .. } => "part",
            WindowStep::GiveUp { .. } => "give-up",
            WindowStep::Report { .. } => "report",
        };
        let work = async { Ok(self.execute_window_step(step, invocation).await) };
        let result = invocation.deadline.with_grace(catch_panic(work)).await;
        let result = result.unwrap_or(Err(ProcessingError::OutOfTime)).unwrap_or_else(|error| Err(error.into()));
        result.map_err(|failure| {
            let error = escape(&failure.to_string());
            error!(outcome = "failed", step = name, error, "window step failed");
            InvocationError::from(failure)
        })
    }

    async fn execute_window_step(
        &self,
        step: WindowStep,
        invocation: &InvocationContext,
    ) -> Result<HandlerResponse, WindowError> {
        let options = invocation.options(self, invocation.deadline).await?;
        let begin = Some(begin(&step)?);
        let options = self.options_at(options, begin, invocation.deadline.remaining()).await?;
        let run = WindowRun { handler: self, invocation, options: &options };
        match step {
            WindowStep::Plan { request, key_pattern } => run.plan(&request, key_pattern.as_deref()).await,
            WindowStep::Part { run: of, item } => run.make_part(&of, &run.checked_folder(&of)?, item).await,
            WindowStep::GiveUp { run: of, item, error, all } => {
                run.give_up(&of, &run.checked_folder(&of)?, GivenUp { item, error: &error, all }).await
            }
            WindowStep::Report { run: of } => {
                run.checked_folder(&of)?;
                run.report(&of).await
            }
        }
    }
}

impl WindowRun<'_> {
    /// Takes the folder of a run from an event.
    fn folder(&self, folder: &str) -> Result<RunFolder, WindowError> {
        let prefix = &self.handler.settings.output_prefix;
        let invalid = || WindowError::Invalid(format!("{} is not a run below {prefix}windows/", escape(folder)));
        RunFolder::from_event(prefix, folder).ok_or_else(invalid)
    }

    /// Names the topology, the configuration, and how objects are read: all parts of a run have the same.
    fn settings_name(&self) -> String {
        let pipeline = &self.options.pipeline;
        let reading = format!(
            "{:?} {:?} {} {}",
            pipeline.format, pipeline.log_formats, pipeline.max_object_bytes, pipeline.max_lines
        );
        format!("{}-reading-{}", context(self.options).name(), hash(&[&reading]))
    }

    /// Takes the folder of a run from an event, if this invocation has the settings of the run.
    fn checked_folder(&self, run: &RunReference) -> Result<RunFolder, WindowError> {
        let settings = self.settings_name();
        if run.context != settings {
            let planned = escape(&run.context);
            return Err(WindowError::Changed(format!(
                "the run was planned with {planned}, but now there is {settings}"
            )));
        }
        self.folder(&run.folder)
    }

    /// Stores an object unless it exists.
    async fn put(
        &self,
        key: &str,
        content_type: &'static str,
        bytes: impl Into<Bytes>,
    ) -> Result<PutOutcome, WindowError> {
        let settings = &self.handler.settings;
        let output = Output {
            bucket: &settings.output_bucket,
            key,
            kms_key_arn: settings.output_kms_key_arn.as_deref(),
            kind: s3::WINDOW,
            content_type,
            metadata: Vec::new(),
            bytes: bytes.into(),
        };
        Ok(s3::put_if_absent(&self.handler.clients.s3, &output).await?)
    }

    async fn put_json(&self, key: &str, value: &impl Serialize) -> Result<PutOutcome, WindowError> {
        self.put(key, JSON, json::line(value)).await
    }

    /// Reads an object of a run.
    async fn read_json<T: DeserializeOwned>(&self, key: &str) -> Result<T, WindowError> {
        let bytes = s3::read(&self.handler.clients.s3, &self.handler.settings.output_bucket, key).await?;
        let invalid = |error| WindowError::Invalid(format!("{}: {error}", self.output_uri(key)));
        serde_json::from_slice(&bytes).map_err(invalid)
    }

    async fn exists(&self, key: &str) -> Result<bool, WindowError> {
        let (client, bucket) = (&self.handler.clients.s3, &self.handler.settings.output_bucket);
        Ok(s3::head_object(client, bucket, key).await?.is_some())
    }

    fn output_uri(&self, key: &str) -> String {
        ObjectReference::latest(&self.handler.settings.output_bucket, key).uri()
    }
}

impl WindowError {
    /// Creates the error of a partial of the run.
    fn of_partial(uri: &str, error: &PartialError) -> WindowError {
        let message = format!("{uri}: {error}");
        match error {
            PartialError::Topology { .. } | PartialError::Configuration { .. } => WindowError::Changed(message),
            _ => WindowError::Invalid(message),
        }
    }
}

impl From<WindowError> for InvocationError {
    fn from(error: WindowError) -> InvocationError {
        match error {
            WindowError::Failed(ProcessingError::DocumentsUnavailable(unavailable)) => {
                let super::DocumentsUnavailable { kind, reason } = unavailable;
                InvocationError::DocumentsUnavailable { kind, reason }
            }
            WindowError::Failed(error) => {
                InvocationError::WindowFailed(format!("{}: {}", error.code(), escape(&error.to_string())))
            }
            other => InvocationError::WindowInvalid(escape(&other.to_string())),
        }
    }
}

/// Returns the begin of the window of a step.
fn begin(step: &WindowStep) -> Result<Timestamp, WindowError> {
    let begin = match step {
        WindowStep::Plan { request, .. } => NamedWindow::from_request(request)?.window.from,
        WindowStep::Part { run, .. } | WindowStep::GiveUp { run, .. } | WindowStep::Report { run } => {
            let invalid = |_| WindowError::Invalid(format!("from is {}, but must be a time", escape(&run.from)));
            run.from.parse::<jiff::Timestamp>().map_err(invalid)?
        }
    };
    let seconds = u64::try_from(begin.as_second()).ok().and_then(Timestamp::from_seconds);
    seconds.ok_or_else(|| WindowError::Invalid(format!("the window begins in {begin}, before 1970")))
}

/// Returns the context of the partials of a run.
fn context(options: &AnalysisOptions) -> Context<'_> {
    let AnalysisOptions { pipeline, summary, .. } = options;
    let config = Config {
        thresholds: summary.thresholds,
        limits: pipeline.limits,
        trusted_scanners: summary.trusted_scanners.clone(),
        exceptions: summary.exceptions.clone(),
        log_formats: pipeline.log_formats.clone(),
    };
    Context::new(pipeline.topology.as_deref(), &config)
}

/// Does work that takes long on a thread that may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, WindowError> {
    Ok(task::spawn_blocking(work).await.map_err(ProcessingError::from)?)
}

/// Logs that a step is done.
fn log_done(step: &str, outcome: &str, key: &str) {
    info!(outcome, step, key, "window step done");
}

/// Shares the permit and the options with a thread that may block.
fn shared(options: &AnalysisOptions) -> Arc<AnalysisOptions> {
    Arc::new(options.clone())
}
