//! Handles one invocation: processes each object that the event names and the log events that it contains, and builds the response.
//! Below, an object is one or the other.
//!
//! A failure of one object does not affect the others, as long as time is left. Everything that fails is reported as failed,
//! so that its event is redelivered; everything else is not. Outputs have deterministic keys and are stored only once, so
//! that a redelivered event changes nothing.
//!
//! `deadline` divides the time among the objects, `options` combines settings, configuration, and topology, `object` processes
//! one object and `log_events` those of CloudWatch Logs, `batch_job` answers S3 Batch Operations, `digest` sends the daily digest, for
//! which `progress` remembers how far the records have come, `error` has the errors after which an
//! event is retried, and `response` the responses.

mod batch_job;
pub(super) mod deadline;
mod digest;
pub(super) mod error;
mod log_events;
mod object;
mod options;
mod progress;
mod response;
mod window;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt;
use lambda_runtime::LambdaEvent;
use serde_json::Value;
use tokio::sync::{OnceCell, Semaphore};
use tracing::{error, info, warn};

use self::deadline::Deadline;
use self::error::{BatchFailure, DocumentsUnavailable, ProcessingError};
use self::object::{Ignored, ObjectProcessor, Outcome, Quarantined, Summarized, Superseded};
use self::options::{AnalysisOptions, LoggedExpiries};
use self::progress::KnownProgress;
pub use self::response::{HandlerResponse, InvocationError, ItemFailure, ResultCode, TaskResult};
use crate::config::Config;
use crate::lambda::aws::Clients;
use crate::lambda::aws::documents::DocumentKind;
use crate::lambda::aws::documents::content::Content;
use crate::lambda::aws::documents::error::DocumentsError;
use crate::lambda::document_cache::{DocumentCache, RefreshFailed};
use crate::lambda::document_uri::DocumentUri;
use crate::lambda::event::{self, EventError, InputEvent, InputEvents, Invocation, Message, OwnTask};
use crate::lambda::logging::write_metrics;
use crate::lambda::metrics;
use crate::lambda::settings::Settings;
use crate::lambda::snapshot_cache::SnapshotCache;
use crate::record::timestamp::Timestamp;
use crate::sanitize::escape_truncated;
use crate::topology::Topology;

/// Maximum length of untrusted text in a log line or an error, in characters.
const MAX_SHOWN_CHARACTERS: usize = 1500;
/// Time limit for loading the topology and the configuration at start. Lambda gives a function ten seconds to start.
const INIT_TIMEOUT: Duration = Duration::from_secs(8);

/// Maximum number of objects without enough time that are listed in the log.
const MAX_SHOWN_OBJECTS: usize = 10;

/// The state of the function between invocations.
#[derive(Debug)]
pub struct Handler {
    clients: Clients,
    settings: Arc<Settings>,
    topology: Option<TopologyCache>,
    config: Option<DocumentCache<Config>>,
    /// Allows one analysis at a time: one that was cancelled may still be running.
    analyses: Arc<Semaphore>,
    known_progress: KnownProgress,
    logged_expiries: LoggedExpiries,
}

/// Where the topology comes from.
#[derive(Debug)]
enum TopologyCache {
    /// Documents, which are used for all objects.
    Documents(DocumentCache<Topology>),
    /// Snapshots of the network. The time of the data decides which one is used.
    Snapshots(SnapshotCache),
}

impl TopologyCache {
    fn new(clients: &Clients, settings: &Settings) -> Option<TopologyCache> {
        let uri = settings.topology_uri.as_ref()?;
        let (s3, ttl) = (clients.s3.clone(), settings.topology_ttl);
        Some(match uri.snapshots_folder() {
            Some(folder) => {
                TopologyCache::Snapshots(SnapshotCache::new(s3, uri.bucket.clone(), folder.to_owned(), ttl))
            }
            None => TopologyCache::Documents(DocumentCache::new(s3, uri.clone(), ttl)),
        })
    }

    fn documents(&self) -> Option<&DocumentCache<Topology>> {
        match self {
            TopologyCache::Documents(documents) => Some(documents),
            TopologyCache::Snapshots(_) => None,
        }
    }
}

/// The state of one invocation.
struct InvocationContext {
    deadline: Deadline,
    /// Options of the analysis, or which documents are unavailable. Topology and configuration are requested for the first
    /// object and used for all, so that each object is analyzed with one version of both.
    options: OnceCell<Result<AnalysisOptions, DocumentsUnavailable>>,
}

impl InvocationContext {
    /// Returns the options of the analysis. The first call loads the topology and the configuration.
    async fn options(&self, handler: &Handler, deadline: Deadline) -> Result<&AnalysisOptions, DocumentsUnavailable> {
        let options = self.options.get_or_init(|| handler.options(deadline.remaining())).await;
        options.as_ref().map_err(DocumentsUnavailable::clone)
    }
}

/// A message that is reported as failed. Without a failure there was no time to start it.
struct FailedMessage {
    id: String,
    failure: Option<BatchFailure>,
}

impl Handler {
    /// Creates a handler that uses these clients.
    pub fn new(clients: Clients, settings: Settings) -> Handler {
        let topology = TopologyCache::new(&clients, &settings);
        let cache = |uri: &DocumentUri| DocumentCache::new(clients.s3.clone(), uri.clone(), settings.topology_ttl);
        let config = settings.config_uri.as_ref().map(cache);
        let settings = Arc::new(settings);
        Handler {
            clients,
            settings,
            topology,
            config,
            analyses: Arc::new(Semaphore::new(1)),
            known_progress: KnownProgress::default(),
            logged_expiries: LoggedExpiries::default(),
        }
    }

    /// Loads the topology and the configuration before the first event. If that fails, the first invocation retries.
    pub async fn warm_up(&self) {
        let loaded = match self.options(INIT_TIMEOUT).await {
            Ok(options) => self.options_at(&options, None, INIT_TIMEOUT).await,
            Err(unavailable) => Err(unavailable),
        };
        if let Err(unavailable) = loaded {
            let document = unavailable.kind.name();
            info!(document, "document not loaded at start; the first invocation will retry");
        }
    }

    /// Handles an invocation. Responds some seconds before Lambda's timeout.
    ///
    /// # Errors
    /// If the event has an unknown format, or if the topology or the configuration is unavailable for all objects. If the
    /// event does not come from a queue, also if an object failed.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<HandlerResponse, InvocationError> {
        let deadline = Deadline::from_context(&event.context);
        let invocation = InvocationContext { deadline, options: OnceCell::new() };
        match event::read(&event.payload)? {
            Invocation::Queue(messages) => self.handle_messages(messages, &invocation).await,
            Invocation::BatchJob(job) => Ok(self.handle_batch_job(job, &invocation).await),
            Invocation::Window(step) => self.handle_window(step, &invocation).await,
            Invocation::OwnTask(OwnTask::Digest { time }) => {
                let sent = self.send_digest(time.as_deref(), &event.context.request_id, deadline).await;
                sent.map(|()| HandlerResponse::Done).map_err(|error| {
                    let (code, reason) = (escape(error.code()), escape(&error.to_string()));
                    error!(code, error = reason, "digest failed");
                    InvocationError::DigestFailed(reason)
                })
            }
            Invocation::Direct(events) => self
                .handle_events(events, 0, &invocation)
                .await
                .map(|()| HandlerResponse::Done)
                .map_err(InvocationError::from),
        }
    }

    /// Returns the options of the analysis, with the configuration and the topology. Loading them takes at most `timeout`.
    async fn options(&self, timeout: Duration) -> Result<AnalysisOptions, DocumentsUnavailable> {
        let documents = self.topology.as_ref().and_then(TopologyCache::documents);
        let (config, topology) =
            tokio::join!(self.current(self.config.as_ref(), timeout), self.current(documents, timeout));
        Ok(AnalysisOptions::new(&self.settings, config?.as_deref(), topology?))
    }

    /// Returns the options for data of this time: with the snapshot in force, if the topology is one of snapshots. Without any
    /// snapshot there is no topology yet, and peering is not judged.
    #[expect(clippy::disallowed_methods, reason = "the cache compares its age with the current time")]
    async fn options_at(
        &self,
        options: &AnalysisOptions,
        data_time: Option<Timestamp>,
        timeout: Duration,
    ) -> Result<AnalysisOptions, DocumentsUnavailable> {
        let Some(TopologyCache::Snapshots(snapshots)) = &self.topology else { return Ok(options.clone()) };
        match snapshots.in_force(data_time, Instant::now(), timeout).await {
            Ok(Some(snapshot)) => Ok(options.with_snapshot(snapshot)),
            Ok(None) => Ok(options.clone()),
            Err(error) => Err(self.refresh_failed(DocumentKind::Topology, &error, false)),
        }
    }

    /// Logs and counts that documents could not be read.
    #[expect(clippy::disallowed_methods, reason = "the metrics contain the time of the failure")]
    fn refresh_failed(
        &self,
        kind: DocumentKind,
        error: &DocumentsError,
        last_good_in_use: bool,
    ) -> DocumentsUnavailable {
        let (document, reason) = (kind.name(), escape(&error.to_string()));
        error!(document, code = error.code(), error = reason, last_good_in_use, "document refresh failed");
        let refresh_failed = match kind {
            DocumentKind::Topology => metrics::topology_refresh_failed,
            DocumentKind::Config => metrics::config_refresh_failed,
        };
        write_metrics(&refresh_failed(&self.settings.metrics_namespace, SystemTime::now()));
        DocumentsUnavailable { kind, reason }
    }

    /// Returns the current content of documents, or `None` if the settings have no location. If a refresh failed, logs and
    /// counts that, and returns the last good content.
    #[expect(clippy::disallowed_methods, reason = "the cache compares its age with the current time")]
    async fn current<C: Content>(
        &self,
        cache: Option<&DocumentCache<C>>,
        timeout: Duration,
    ) -> Result<Option<Arc<C>>, DocumentsUnavailable> {
        let Some(cache) = cache else { return Ok(None) };
        let RefreshFailed { last_good, error } = match cache.current(Instant::now(), timeout).await {
            Ok(content) => return Ok(Some(content)),
            Err(failed) => failed,
        };
        let unavailable = self.refresh_failed(C::KIND, &error, last_good.is_some());
        last_good.map(Some).ok_or(unavailable)
    }

    async fn handle_messages(
        &self,
        messages: Vec<Message>,
        invocation: &InvocationContext,
    ) -> Result<HandlerResponse, InvocationError> {
        let total = messages.len();
        let mut waiting: usize = messages.iter().map(|message| message.events.len()).sum();
        let mut failed = Vec::new();
        let mut not_started = Vec::new();
        for Message { id, events } in messages {
            waiting -= events.len();
            if invocation.deadline.is_over() && !events.is_empty() {
                not_started.extend(events);
                failed.push(FailedMessage { id, failure: None });
            } else if let Err(failure) = self.handle_events(events, waiting, invocation).await {
                error!(message_id = escape(&id), error = %failure, "message failed, will be retried");
                failed.push(FailedMessage { id, failure: Some(failure) });
            }
        }
        if !not_started.is_empty() {
            self.log_not_started(&not_started);
        }
        queue_response(failed, total)
    }

    /// Processes every event, even if others fail, until the time is over. `others` is the number of events that wait in
    /// other messages.
    async fn handle_events(
        &self,
        events: InputEvents,
        others: usize,
        invocation: &InvocationContext,
    ) -> Result<(), BatchFailure> {
        let total = events.len();
        let mut failures = Vec::new();
        let mut events = events.into_iter();
        while let Some(event) = events.next() {
            if invocation.deadline.is_over() {
                let remaining: InputEvents = std::iter::once(event).chain(events).collect();
                self.log_not_started(&remaining);
                failures.extend(remaining.iter().map(|_| ProcessingError::OutOfTime));
                break;
            }
            let deadline = invocation.deadline.split(others + events.len() > 0);
            failures.extend(self.handle_event(event, deadline, invocation).await.err());
        }
        if failures.is_empty() { Ok(()) } else { Err(BatchFailure { failures, total }) }
    }

    /// Processes one event and logs the outcome. A panic fails only this event.
    #[expect(clippy::disallowed_methods, reason = "measures the duration")]
    async fn handle_event(
        &self,
        event: Result<InputEvent, EventError>,
        deadline: Deadline,
        invocation: &InvocationContext,
    ) -> Result<Outcome, ProcessingError> {
        let uri = event.as_ref().ok().and_then(InputEvent::uri);
        let started = Instant::now();
        let processed = deadline.with_grace(catch_panic(self.process(event, deadline, invocation))).await;
        let result = processed.unwrap_or(Err(ProcessingError::OutOfTime));
        self.log_outcome(uri.as_deref(), &result, started.elapsed());
        result
    }

    async fn process(
        &self,
        event: Result<InputEvent, EventError>,
        deadline: Deadline,
        invocation: &InvocationContext,
    ) -> Result<Outcome, ProcessingError> {
        let (clients, settings, analyses) = (&self.clients, &self.settings, &self.analyses);
        let processor = ObjectProcessor {
            clients,
            settings,
            analyses,
            known_progress: &self.known_progress,
            logged_expiries: &self.logged_expiries,
            deadline,
        };
        match event? {
            InputEvent::OtherEvent { event_name, .. } => {
                Ok(Outcome::Ignored(Ignored::NotACreationEvent { event_name }))
            }
            InputEvent::ControlMessage => Ok(Outcome::Ignored(Ignored::ControlMessage)),
            InputEvent::Created(object) => match processor.ignore_reason(&object) {
                Some(reason) => Ok(Outcome::Ignored(reason)),
                None => {
                    let options = invocation.options(self, deadline).await?;
                    let data_time = event::data_time(&object.key);
                    let options = self.options_at(options, data_time, deadline.remaining()).await?;
                    processor.process(&object, &options).await
                }
            },
            InputEvent::LogEvents(events) => match processor.ignore_reason_of_log_events(&events.identity) {
                Some(reason) => Ok(Outcome::Ignored(reason)),
                None => {
                    let options = invocation.options(self, deadline).await?;
                    let options = self.options_at(options, events.data_time(), deadline.remaining()).await?;
                    processor.process_log_events(events, &options).await
                }
            },
        }
    }

    /// Logs the outcome of an event, and writes the metrics that the delivery of outputs does not write.
    #[expect(clippy::disallowed_methods, reason = "the metrics contain the time of the event")]
    fn log_outcome(&self, uri: Option<&str>, result: &Result<Outcome, ProcessingError>, duration: Duration) {
        let (namespace, now) = (&self.settings.metrics_namespace, SystemTime::now());
        let duration_ms = milliseconds(duration);
        let uri = uri.map(escape);
        match result {
            Ok(Outcome::Summarized(Summarized { first, records, findings, key, duration })) => {
                let outcome = if *first { "summarized" } else { "already_summarized" };
                let duration_ms = milliseconds(*duration);
                info!(outcome, uri, records, findings, duration_ms, summary = key, "object processed");
            }
            Ok(Outcome::Quarantined(Quarantined { first, code, message, key })) => {
                let outcome = if *first { "quarantined" } else { "already_quarantined" };
                warn!(outcome, uri, duration_ms, code, error = escape(message), receipt = key, "object processed");
            }
            Ok(Outcome::Ignored(ignored)) => {
                log_ignored(uri.as_deref(), ignored, duration_ms);
                write_metrics(&metrics::ignored(namespace, ignored.reason(), now));
            }
            Err(failure) => {
                let (code, error) = (escape(failure.code()), escape(&failure.to_string()));
                error!(outcome = "failed", uri, duration_ms, code, error, "object failed");
                write_metrics(&metrics::failed(namespace, 1, now));
            }
        }
    }

    /// Logs all objects without enough time in one line and one metric: a batch may have thousands of them.
    #[expect(clippy::disallowed_methods, reason = "the metrics contain the time of the failure")]
    fn log_not_started(&self, events: &[Result<InputEvent, EventError>]) {
        let failure = ProcessingError::OutOfTime;
        let uris = events.iter().flatten().filter_map(InputEvent::uri).take(MAX_SHOWN_OBJECTS).map(|uri| escape(&uri));
        let (objects, first) = (events.len(), uris.collect::<Vec<_>>().join(" "));
        error!(outcome = "failed", objects, first, code = failure.code(), error = %failure, "object not started");
        write_metrics(&metrics::failed(&self.settings.metrics_namespace, objects as u64, SystemTime::now()));
    }
}

/// Logs that an object was ignored, and why.
fn log_ignored(uri: Option<&str>, ignored: &Ignored, duration_ms: u64) {
    let reason = ignored.reason().name();
    match ignored {
        Ignored::Superseded(Superseded { etag, version_id, current_etag, current_version_id }) => {
            let [etag, version_id, current_etag, current_version_id] =
                [etag, version_id, current_etag, current_version_id].map(|id| id.as_deref().map(escape));
            info!(
                outcome = "ignored",
                uri, duration_ms, reason, etag, version_id, current_etag, current_version_id, "object processed"
            );
        }
        Ignored::NotACreationEvent { event_name } => {
            info!(outcome = "ignored", uri, duration_ms, reason, event_name = escape(event_name), "object processed");
        }
        Ignored::OwnOutput
        | Ignored::FlowsentryOutput
        | Ignored::NotAllowed
        | Ignored::NotALog
        | Ignored::ControlMessage => {
            info!(outcome = "ignored", uri, duration_ms, reason, "object processed");
        }
    }
}

/// Builds the response to a queue. If all messages failed because the topology or the configuration is unavailable, the
/// invocation itself fails with this error.
fn queue_response(mut failed: Vec<FailedMessage>, total: usize) -> Result<HandlerResponse, InvocationError> {
    let is_unavailable =
        |message: &FailedMessage| message.failure.as_ref().is_some_and(BatchFailure::is_documents_unavailable);
    if failed.len() == total
        && failed.iter().all(is_unavailable)
        && let Some(FailedMessage { failure: Some(failure), .. }) = failed.pop()
    {
        return Err(failure.into());
    }
    let item = |message: FailedMessage| ItemFailure { item_identifier: message.id };
    Ok(HandlerResponse::Queue { batch_item_failures: failed.into_iter().map(item).collect() })
}

/// Turns a panic of the work into an error.
async fn catch_panic<T>(work: impl Future<Output = Result<T, ProcessingError>>) -> Result<T, ProcessingError> {
    let result = AssertUnwindSafe(work).catch_unwind().await;
    result.unwrap_or_else(|panic| Err(ProcessingError::from_panic(&*panic)))
}

/// Escapes and truncates untrusted text.
fn escape(text: &str) -> String {
    escape_truncated(text, MAX_SHOWN_CHARACTERS)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_while_processing_an_event_fails_the_event() {
        assert_eq!(catch_panic(async { Ok(7) }).await.ok(), Some(7));
        for (panic, message) in [(true, "no such thing"), (false, "no 5 such thing")] {
            let failure = catch_panic::<()>(async {
                if panic { panic!("no such thing") } else { panic!("no {} such thing", 5) }
            });
            let failure = failure.await.expect_err("it panics");
            assert_eq!(failure.code(), "internal_error");
            let expected = format!("internal error while processing this object (panic): {message}");
            assert_eq!(failure.to_string(), expected);
        }
    }
}
