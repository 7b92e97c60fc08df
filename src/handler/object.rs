//! One object, from the request for it to its stored outputs.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_s3::Client;
use thiserror::Error;
use tokio::task::{self, JoinError};

use crate::aws::s3::{self, S3Error};
use crate::error::ObjectError;
use crate::event::{EventError, ObjectReference};
use crate::keys::OutputKeys;
use crate::pipeline;
use crate::report;
use crate::settings::Settings;
use crate::sink::emf::{self, Reason};
use crate::sink::json;
use crate::summary::{ObjectIdentity, Summary};

/// What became of an object whose event is done.
pub(super) enum Outcome {
    Summarized(Summarized),
    Ignored {
        reason: Reason,
        /// What happened to it, where that is why.
        event_name: Option<String>,
    },
}

/// An object whose summary is stored.
pub(super) struct Summarized {
    pub records: u64,
    pub findings: usize,
    /// The summary's key.
    pub key: String,
    /// From the request for the object to the stored summary.
    pub duration: Duration,
    /// Lines for stdout.
    pub metrics: Vec<u8>,
}

/// Why an object's event must come again.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error(transparent)]
    NotUnderstood(#[from] EventError),
    #[error(transparent)]
    S3(#[from] S3Error),
    #[error("{uri}: {source}")]
    Object { uri: String, source: ObjectError },
    #[error("{uri}: the analysis stopped, which is a mistake in flowsentry: {source}")]
    Panicked { uri: String, source: JoinError },
}

impl Failure {
    pub(super) fn code(&self) -> &str {
        match self {
            Failure::NotUnderstood(_) => "unknown_event",
            Failure::S3(error) => error.code(),
            Failure::Object { source, .. } => source.code(),
            Failure::Panicked { .. } => "panicked",
        }
    }
}

/// Reads an object and stores its summary and its findings.
///
/// # Errors
/// Where any of that is not done.
#[expect(clippy::disallowed_methods, reason = "metrics tell how long it took and how late it is; outputs don't")]
pub(super) async fn summarize(
    client: &Client,
    settings: &Arc<Settings>,
    reference: &ObjectReference,
    options: &pipeline::Options,
) -> Result<Summarized, Failure> {
    let started = Instant::now();
    let object = s3::get(client, reference).await?;
    let (uri, identity, reader) = (reference.uri(), object.identity.clone(), object.into_reader());
    let (settings_of_work, options) = (Arc::clone(settings), options.clone());
    let work = move || Outputs::of(identity, reader, &settings_of_work, &options);
    let outputs = isolated(&uri, work).await?.map_err(|source| Failure::Object { uri: uri.clone(), source })?;

    let Outputs { keys, summary, summary_bytes, findings_bytes } = outputs;
    // The summary comes last: where it stands, the findings do.
    if let Some(bytes) = findings_bytes {
        s3::put(client, &settings.output_bucket, &keys.findings, "application/x-ndjson", bytes).await?;
    }
    s3::put(client, &settings.output_bucket, &keys.summary, "application/json", summary_bytes).await?;

    let (duration, now) = (started.elapsed(), SystemTime::now());
    let (records, findings) = (summary.records.total, summary.findings.len());
    let namespace = settings.metrics_namespace.clone();
    let metrics = isolated(&uri, move || emf::processed(&namespace, &summary, duration, now)).await?;
    Ok(Summarized { records, findings, key: keys.summary, duration, metrics })
}

/// What an object comes to, ready to be stored.
struct Outputs {
    keys: OutputKeys,
    /// For the metrics.
    summary: Summary,
    summary_bytes: Vec<u8>,
    /// None if there are no findings.
    findings_bytes: Option<Vec<u8>>,
}

impl Outputs {
    fn of(
        identity: ObjectIdentity,
        reader: impl Read,
        settings: &Settings,
        options: &pipeline::Options,
    ) -> Result<Outputs, ObjectError> {
        let uri = format!("s3://{}/{}", identity.bucket, identity.key);
        let mut analysis = pipeline::analyze(&uri, reader, options)?;
        let keys = OutputKeys::of(&settings.output_prefix, &identity);
        analysis.identify(identity);
        let summary = report::finish(&analysis, &settings.report, options.topology.as_deref());
        let summary_bytes = json::render(&summary);
        let findings_bytes = (!summary.findings.is_empty()).then(|| json::render_findings(&summary.findings));
        Ok(Outputs { keys, summary, summary_bytes, findings_bytes })
    }
}

/// Works on a stranger's data where blocking hurts nobody, so that the runtime goes on fetching a body, and where a
/// panic is the end of this object's turn only.
async fn isolated<T, W>(uri: &str, work: W) -> Result<T, Failure>
where
    T: Send + 'static,
    W: FnOnce() -> T + Send + 'static,
{
    task::spawn_blocking(work).await.map_err(|source| Failure::Panicked { uri: uri.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_failure_of_its_object() {
        let lines = |log: &'static str| move || log.lines().nth(1).expect("two lines").to_owned();
        assert_eq!(isolated("s3://in/good.log", lines("one\ntwo")).await.ok().as_deref(), Some("two"));
        let failure = isolated("s3://in/bad.log", lines("one")).await.expect_err("it panics");
        assert_eq!(failure.code(), "panicked");
        let message = failure.to_string();
        assert!(message.starts_with("s3://in/bad.log: the analysis stopped, which is a mistake"), "{message}");
        assert!(message.contains("two lines"), "{message}");
    }
}
