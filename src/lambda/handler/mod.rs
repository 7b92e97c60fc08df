//! One invocation: which objects it tells of, what becomes of each, and what is answered.
//!
//! Whatever happens to one object, all others are looked at, as long as there is time. What fails is reported as failed,
//! so that its event comes again; nothing else is. Outputs are named and stored so that a second time changes nothing.

pub(super) mod deadline;
pub(super) mod error;
mod object;
mod response;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt;
use lambda_runtime::LambdaEvent;
use serde_json::Value;
use tokio::sync::{OnceCell, Semaphore};
use tracing::{error, info, warn};

use self::deadline::Deadline;
use self::error::{BatchFailure, ProcessingError};
use self::object::{ObjectProcessor, Outcome, Quarantined, Summarized};
pub use self::response::{HandlerResponse, InvocationError, ItemFailure};
use crate::lambda::aws::Clients;
use crate::lambda::event::{self, EventError, Invocation, Message, ObjectEvent, ObjectEvents};
use crate::lambda::logging::write_metrics;
use crate::lambda::metrics::{self, IgnoreReason};
use crate::lambda::settings::Settings;
use crate::lambda::topology_cache::{RefreshFailed, TopologyCache};
use crate::pipeline;
use crate::sanitize::escape_truncated;

/// So much of a stranger's text stands in a log line or an error.
const SHOWN_CHARACTERS: usize = 1500;
/// Lambda gives a function ten seconds to start.
const INIT_TIMEOUT: Duration = Duration::from_secs(8);

/// So many objects that there was no time for are named.
const SHOWN_OBJECTS: usize = 10;

/// The function between two invocations.
#[derive(Debug)]
pub struct Handler {
    clients: Clients,
    settings: Arc<Settings>,
    topology: Option<TopologyCache>,
    /// One analysis at a time: one that was given up may still be at work.
    analyses: Arc<Semaphore>,
}

/// One invocation.
struct InvocationContext {
    deadline: Deadline,
    /// How to read objects: all by the same topology, which is looked for when the first is read. The reason if there is
    /// none.
    options: OnceCell<Result<pipeline::Options, String>>,
}

impl Handler {
    /// A function that reads and writes through these clients.
    pub fn new(clients: Clients, settings: Settings) -> Handler {
        let uri = settings.topology_uri.clone();
        let topology = uri.map(|uri| TopologyCache::new(clients.s3.clone(), uri, settings.topology_ttl));
        Handler { clients, settings: Arc::new(settings), topology, analyses: Arc::new(Semaphore::new(1)) }
    }

    /// Does what needs no event. What fails is tried again with the first one.
    pub async fn prepare(&self) {
        if self.options(INIT_TIMEOUT).await.is_err() {
            info!("topology not loaded at start; the first invocation will retry");
        }
    }

    /// Does what an invocation asks for, and answers some seconds before Lambda would end it.
    ///
    /// # Errors
    /// Where the event is not understood, where there is something to read and no topology, or, unless the event comes
    /// from a queue, where an object failed.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<HandlerResponse, InvocationError> {
        let turn = InvocationContext { deadline: Deadline::of(&event.context), options: OnceCell::new() };
        match event::read(&event.payload)? {
            Invocation::Queue(messages) => self.handle_messages(messages, &turn).await,
            Invocation::Direct(notices) => self
                .handle_notices(notices, 0, &turn)
                .await
                .map(|()| HandlerResponse::Done)
                .map_err(InvocationError::from),
        }
    }

    /// How to read objects, by a topology that is looked for no longer than this.
    #[expect(clippy::disallowed_methods, reason = "here the topology gets old")]
    async fn options(&self, patience: Duration) -> Result<pipeline::Options, String> {
        let mut options = self.settings.pipeline.clone();
        let Some(topology) = &self.topology else { return Ok(options) };
        options.topology = match topology.current(Instant::now(), patience).await {
            Ok(topology) => Some(topology),
            Err(RefreshFailed { last_good, error }) => {
                let reason = shown(&error.to_string());
                error!(
                    code = error.code(),
                    error = reason,
                    last_good_in_use = last_good.is_some(),
                    "topology refresh failed"
                );
                write_metrics(&metrics::topology_refresh_failed(&self.settings.metrics_namespace, SystemTime::now()));
                Some(last_good.ok_or(reason)?)
            }
        };
        Ok(options)
    }

    async fn handle_messages(
        &self,
        messages: Vec<Message>,
        turn: &InvocationContext,
    ) -> Result<HandlerResponse, InvocationError> {
        let total = messages.len();
        let mut waiting: usize = messages.iter().map(|message| message.notices.len()).sum();
        let mut failures = Vec::new();
        let mut not_begun = Vec::new();
        for Message { id, notices } in messages {
            waiting -= notices.len();
            if turn.deadline.is_over() && !notices.is_empty() {
                not_begun.extend(notices);
                failures.push((id, None));
            } else if let Err(failed) = self.handle_notices(notices, waiting, turn).await {
                error!(message_id = shown(&id), error = %failed, "message failed, will be retried");
                failures.push((id, Some(failed)));
            }
        }
        if !not_begun.is_empty() {
            self.log_not_started(&not_begun);
        }
        // Where nothing at all could be done for want of a topology, the invocation itself says so.
        let for_want_of_topology =
            |failed: &Option<BatchFailure>| failed.as_ref().is_some_and(BatchFailure::is_topology_unavailable);
        if failures.len() == total
            && failures.iter().all(|(_, failed)| for_want_of_topology(failed))
            && let Some((_, Some(failed))) = failures.pop()
        {
            return Err(failed.into());
        }
        let item = |(id, _)| ItemFailure { item_identifier: id };
        Ok(HandlerResponse::Queue { batch_item_failures: failures.into_iter().map(item).collect() })
    }

    /// Every notice gets its turn, whatever becomes of the others, until the time is over. So many others wait besides.
    async fn handle_notices(
        &self,
        notices: ObjectEvents,
        others: usize,
        turn: &InvocationContext,
    ) -> Result<(), BatchFailure> {
        let total = notices.len();
        let mut failures = Vec::new();
        let mut notices = notices.into_iter();
        while let Some(notice) = notices.next() {
            if turn.deadline.is_over() {
                let rest: ObjectEvents = std::iter::once(notice).chain(notices).collect();
                self.log_not_started(&rest);
                failures.extend(rest.iter().map(|_| ProcessingError::OutOfTime));
                break;
            }
            let deadline = turn.deadline.share(others + notices.len() > 0);
            failures.extend(self.handle_notice(notice, deadline, turn).await.err());
        }
        if failures.is_empty() { Ok(()) } else { Err(BatchFailure { failures, total }) }
    }

    /// Settles what a notice asks for, and tells of it. A panic is the end of this notice's turn only.
    #[expect(clippy::disallowed_methods, reason = "how long it takes is measured here")]
    async fn handle_notice(
        &self,
        notice: Result<ObjectEvent, EventError>,
        deadline: Deadline,
        turn: &InvocationContext,
    ) -> Result<(), ProcessingError> {
        let uri = notice.as_ref().ok().map(uri);
        let started = Instant::now();
        let settled = deadline.with_grace(caught(self.settle(notice, deadline, turn))).await;
        let result = settled.unwrap_or(Err(ProcessingError::OutOfTime));
        self.tell(uri.as_deref(), &result, started.elapsed());
        result.map(|_| ())
    }

    async fn settle(
        &self,
        notice: Result<ObjectEvent, EventError>,
        deadline: Deadline,
        turn: &InvocationContext,
    ) -> Result<Outcome, ProcessingError> {
        let object = match notice? {
            ObjectEvent::OtherEvent { event_name, .. } => {
                return Ok(Outcome::Ignored { reason: IgnoreReason::CreatesNoObject, event_name: Some(event_name) });
            }
            ObjectEvent::Created(object) => object,
        };
        let (clients, settings, analyses) = (&self.clients, &self.settings, &self.analyses);
        let objects = ObjectProcessor { clients, settings, analyses, deadline };
        if let Some(reason) = objects.refused(&object) {
            return Ok(Outcome::ignored(reason));
        }
        let options = turn.options.get_or_init(|| self.options(deadline.left())).await;
        let unavailable = |reason: &String| ProcessingError::TopologyUnavailable { reason: reason.clone() };
        objects.settle(&object, options.as_ref().map_err(unavailable)?).await
    }

    /// One log line of a notice, and the metrics that are not told with its outputs.
    #[expect(clippy::disallowed_methods, reason = "metrics tell when an object was ignored or failed")]
    fn tell(&self, uri: Option<&str>, result: &Result<Outcome, ProcessingError>, duration: Duration) {
        let (namespace, now) = (&self.settings.metrics_namespace, SystemTime::now());
        let duration_ms = milliseconds(duration);
        let uri = uri.map(shown);
        match result {
            Ok(Outcome::Summarized(Summarized { first, records, findings, key, duration })) => {
                let outcome = if *first { "summarized" } else { "already_summarized" };
                let duration_ms = milliseconds(*duration);
                info!(outcome, uri, records, findings, duration_ms, summary = key, "object processed");
            }
            Ok(Outcome::Quarantined(Quarantined { first, code, message, key })) => {
                let outcome = if *first { "quarantined" } else { "already_quarantined" };
                warn!(outcome, uri, duration_ms, code, error = shown(message), receipt = key, "object processed");
            }
            Ok(Outcome::Ignored { reason, event_name }) => {
                let event_name = event_name.as_deref().map(shown);
                info!(outcome = "ignored", uri, duration_ms, reason = reason.name(), event_name, "object processed");
                write_metrics(&metrics::ignored(namespace, *reason, now));
            }
            Err(failure) => {
                let (code, error) = (shown(failure.code()), shown(&failure.to_string()));
                error!(outcome = "failed", uri, duration_ms, code, error, "object failed");
                write_metrics(&metrics::failed(namespace, 1, now));
            }
        }
    }

    /// One log line and one metric of all objects that there was no time for: a batch may have thousands.
    #[expect(clippy::disallowed_methods, reason = "metrics tell when objects failed")]
    fn log_not_started(&self, notices: &[Result<ObjectEvent, EventError>]) {
        let failure = ProcessingError::OutOfTime;
        let uris = notices.iter().flatten().take(SHOWN_OBJECTS).map(|notice| shown(&uri(notice)));
        let (objects, first) = (notices.len(), uris.collect::<Vec<_>>().join(" "));
        error!(outcome = "failed", objects, first, code = failure.code(), error = %failure, "object not started");
        write_metrics(&metrics::failed(&self.settings.metrics_namespace, objects as u64, SystemTime::now()));
    }
}

/// What the work gives; a panic in it is a failure.
async fn caught<T>(work: impl Future<Output = Result<T, ProcessingError>>) -> Result<T, ProcessingError> {
    let result = AssertUnwindSafe(work).catch_unwind().await;
    result.unwrap_or_else(|panic| Err(ProcessingError::from_panic(&*panic)))
}

fn uri(notice: &ObjectEvent) -> String {
    let (ObjectEvent::Created(object) | ObjectEvent::OtherEvent { object, .. }) = notice;
    object.uri()
}

fn shown(text: &str) -> String {
    escape_truncated(text, SHOWN_CHARACTERS)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_in_a_notice_s_turn_is_its_failure_and_has_a_name() {
        assert_eq!(caught(async { Ok(7) }).await.ok(), Some(7));
        for (panic, message) in [(true, "no such thing"), (false, "no 5 such thing")] {
            let failure =
                caught::<()>(async { if panic { panic!("no such thing") } else { panic!("no {} such thing", 5) } });
            let failure = failure.await.expect_err("it panics");
            assert_eq!(failure.code(), "internal_error");
            let expected = format!("internal error while processing this object (panic): {message}");
            assert_eq!(failure.to_string(), expected);
        }
    }
}
