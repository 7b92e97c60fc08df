//! One invocation: which objects it tells of, what becomes of each, and what is answered.
//!
//! Whatever happens to one object, all others are looked at. What fails is reported as failed, so that its event comes
//! again; nothing else is. Outputs are named and written so that a second time changes nothing.

use std::fmt;
use std::io::{self, Write};
use std::time::{Instant, SystemTime};

use aws_sdk_s3::Client;
use lambda_runtime::{Diagnostic, LambdaEvent};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;
use tracing::{error, info};

use crate::analysis::Analysis;
use crate::aws::s3::{self, S3Error};
use crate::aws::topology::{KeptTopology, RefreshFailed};
use crate::error::ObjectError;
use crate::event::{self, EventError, Invocation, Message, Notice, Notices, ObjectReference};
use crate::keys::OutputKeys;
use crate::pipeline;
use crate::quote::beginning;
use crate::report;
use crate::settings::Settings;
use crate::sink::{emf, json};
use crate::summary::Summary;

/// So much of a stranger's text stands in a log line or an error.
const SHOWN_CHARACTERS: usize = 1500;

/// The function between two invocations.
#[derive(Debug)]
pub struct Handler {
    client: Client,
    settings: Settings,
    topology: Option<KeptTopology>,
}

/// What is answered to an invocation that succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
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
    /// Objects must come again.
    #[error("{failed} of {total} object(s) failed; the first: {first}")]
    ObjectsFailed {
        /// So many of them.
        failed: usize,
        /// So many the event tells of.
        total: usize,
        /// What is wrong with the first.
        first: String,
    },
    /// There is no topology to judge by, none that was read before either. Nothing was done, so all of the event must
    /// come again.
    #[error("the topology can't be read: {reason}")]
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
            InvocationError::ObjectsFailed { .. } => "ObjectsFailed",
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

/// What became of an object whose event is done.
enum Outcome {
    Summarized { summary: Box<Summary>, keys: OutputKeys },
    Ignored { reason: String },
}

/// Why an object's event must come again.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    NotUnderstood(#[from] EventError),
    #[error(transparent)]
    S3(#[from] S3Error),
    #[error("{uri}: {source}")]
    Object { uri: String, source: ObjectError },
    #[error("{uri}: the analysis stopped, which is a mistake in flowsentry: {source}")]
    Panicked { uri: String, source: tokio::task::JoinError },
}

impl Failure {
    fn code(&self) -> &str {
        match self {
            Failure::NotUnderstood(_) => "unknown_event",
            Failure::S3(error) => error.code(),
            Failure::Object { source, .. } => source.code(),
            Failure::Panicked { .. } => "panicked",
        }
    }
}

impl Handler {
    /// A function that reads and writes through this client.
    pub fn new(client: Client, settings: Settings) -> Handler {
        let uri = settings.topology_uri.clone();
        let topology = uri.map(|uri| KeptTopology::new(client.clone(), uri, settings.topology_ttl));
        Handler { client, settings, topology }
    }

    /// Does what needs no event. What fails is tried again with the first one.
    pub async fn prepare(&self) {
        if self.options().await.is_err() {
            info!("the first invocation will try again");
        }
    }

    /// Does what an invocation asks for.
    ///
    /// # Errors
    /// Where the event is not understood, where there is something to do and no topology, or, unless the event comes
    /// from a queue, where an object failed.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Answer, InvocationError> {
        match event::read(&event.payload)? {
            Invocation::Queue(messages) => Ok(self.handle_messages(messages, &self.options().await?).await),
            Invocation::Direct(notices) if notices.is_empty() => Ok(Answer::Done),
            Invocation::Direct(notices) => {
                self.handle_notices(notices, &self.options().await?).await.map(|()| Answer::Done)
            }
        }
    }

    /// How to read the objects of one invocation: all by the same topology.
    #[expect(clippy::disallowed_methods, reason = "here the topology gets old")]
    async fn options(&self) -> Result<pipeline::Options, InvocationError> {
        let mut options = self.settings.pipeline.clone();
        let Some(topology) = &self.topology else { return Ok(options) };
        options.topology = match topology.current(Instant::now()).await {
            Ok(topology) => Some(topology),
            Err(RefreshFailed { last_good, error }) => {
                let reason = beginning(&error.to_string(), SHOWN_CHARACTERS).to_owned();
                error!(code = error.code(), error = reason, last_good_in_use = last_good.is_some(), "topology");
                write_metrics(&emf::topology_refresh_failed(&self.settings.metrics_namespace, SystemTime::now()));
                Some(last_good.ok_or(InvocationError::TopologyUnavailable { reason })?)
            }
        };
        Ok(options)
    }

    async fn handle_messages(&self, messages: Vec<Message>, options: &pipeline::Options) -> Answer {
        let mut batch_item_failures = Vec::new();
        for Message { id, notices } in messages {
            let notices = notices.unwrap_or_else(|error| vec![Err(error)]);
            if let Err(error) = self.handle_notices(notices, options).await {
                error!(message_id = beginning(&id, SHOWN_CHARACTERS), %error, "the message must come again");
                batch_item_failures.push(ItemFailure { item_identifier: id });
            }
        }
        Answer::Queue { batch_item_failures }
    }

    /// Every notice gets its turn, whatever becomes of the others.
    #[expect(clippy::disallowed_methods, reason = "how long it takes is measured here")]
    async fn handle_notices(&self, notices: Notices, options: &pipeline::Options) -> Result<(), InvocationError> {
        let total = notices.len();
        let mut failures = Vec::new();
        for notice in notices {
            let uri = notice.as_ref().ok().map(uri);
            let started = Instant::now();
            let result = self.settle(notice, options).await;
            self.tell(uri.as_deref(), &result, started);
            failures.extend(result.err());
        }
        match failures.first() {
            None => Ok(()),
            Some(first) => {
                let first = beginning(&first.to_string(), SHOWN_CHARACTERS).to_owned();
                Err(InvocationError::ObjectsFailed { failed: failures.len(), total, first })
            }
        }
    }

    /// Decides what a notice asks for, and does it.
    async fn settle(
        &self,
        notice: Result<Notice, EventError>,
        options: &pipeline::Options,
    ) -> Result<Outcome, Failure> {
        match notice? {
            Notice::NotCreated { event_name, .. } => {
                Ok(Outcome::Ignored { reason: format!("{event_name} creates no object") })
            }
            Notice::Created(object) if self.is_own_output(&object) => {
                Ok(Outcome::Ignored { reason: "it lies among flowsentry's own outputs".to_owned() })
            }
            Notice::Created(object) => self.summarize(&object, options).await,
        }
    }

    /// An output that is read as an input gives an output, and so on for ever.
    fn is_own_output(&self, object: &ObjectReference) -> bool {
        object.bucket == self.settings.output_bucket && object.key.starts_with(&self.settings.output_prefix)
    }

    async fn summarize(&self, reference: &ObjectReference, options: &pipeline::Options) -> Result<Outcome, Failure> {
        let object = s3::get(&self.client, reference).await?;
        let identity = object.identity.clone();
        let mut analysis = analyze(reference.uri(), object, options.clone()).await?;
        let keys = OutputKeys::of(&self.settings.output_prefix, &identity);
        analysis.identify(identity);
        let summary = Box::new(report::finish(&analysis, &self.settings.report, options.topology.as_deref()));
        self.put(&keys, &summary).await?;
        Ok(Outcome::Summarized { summary, keys })
    }

    /// The summary comes last: where it stands, the findings do.
    async fn put(&self, keys: &OutputKeys, summary: &Summary) -> Result<(), S3Error> {
        let bucket = &self.settings.output_bucket;
        if !summary.findings.is_empty() {
            let findings = json::render_findings(&summary.findings);
            s3::put(&self.client, bucket, &keys.findings, "application/x-ndjson", findings).await?;
        }
        s3::put(&self.client, bucket, &keys.summary, "application/json", json::render(summary)).await
    }

    /// One log line and the metrics of a notice.
    #[expect(clippy::disallowed_methods, reason = "metrics tell how late they are; outputs don't")]
    fn tell(&self, uri: Option<&str>, result: &Result<Outcome, Failure>, started: Instant) {
        let (duration, now) = (started.elapsed(), SystemTime::now());
        let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let namespace = &self.settings.metrics_namespace;
        let uri = uri.map(|uri| beginning(uri, SHOWN_CHARACTERS));
        write_metrics(&match result {
            Ok(Outcome::Summarized { summary, keys }) => {
                let (records, findings) = (summary.records.total, summary.findings.len());
                let key = &keys.summary;
                info!(outcome = "summarized", uri, records, findings, duration_ms, summary = key, "object");
                emf::processed(namespace, summary, duration, now)
            }
            Ok(Outcome::Ignored { reason }) => {
                info!(outcome = "ignored", uri, duration_ms, reason = beginning(reason, SHOWN_CHARACTERS), "object");
                emf::ignored(namespace, now)
            }
            Err(failure) => {
                let error = failure.to_string();
                let error = beginning(&error, SHOWN_CHARACTERS);
                error!(outcome = "failed", uri, duration_ms, code = failure.code(), error, "object");
                emf::failed(namespace, now)
            }
        });
    }
}

/// Reads the object where blocking hurts nobody: the runtime goes on fetching its body.
async fn analyze(uri: String, object: s3::Object, options: pipeline::Options) -> Result<Analysis, Failure> {
    let reader = object.into_reader();
    let name = uri.clone();
    match tokio::task::spawn_blocking(move || pipeline::analyze(&name, reader, &options)).await {
        Ok(result) => result.map_err(|source| Failure::Object { uri, source }),
        Err(source) => Err(Failure::Panicked { uri, source }),
    }
}

fn uri(notice: &Notice) -> String {
    let (Notice::Created(object) | Notice::NotCreated { object, .. }) = notice;
    object.uri()
}

/// Metrics that can't be written are no reason to read the object again.
fn write_metrics(lines: &[u8]) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(lines).and_then(|()| stdout.flush()) {
        error!(%error, "metrics are lost");
    }
}
