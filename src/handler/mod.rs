//! One invocation: which objects it tells of, what becomes of each, and what is answered.
//!
//! Whatever happens to one object, all others are looked at, as long as there is time. What fails is reported as failed,
//! so that its event comes again; nothing else is. Outputs are named and stored so that a second time changes nothing.

mod answer;
mod deadline;
mod deliver;
mod failure;
mod object;

use std::io::{self, Write};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::FutureExt;
use lambda_runtime::LambdaEvent;
use serde_json::Value;
use tracing::{error, info, warn};

pub use self::answer::{Answer, InvocationError, ItemFailure};
use self::deadline::Deadline;
use self::failure::Failure;
use self::object::{Objects, Outcome, Quarantined, Summarized};
use crate::aws::Clients;
use crate::aws::topology::{KeptTopology, RefreshFailed};
use crate::event::{self, EventError, Invocation, Message, Notice, Notices};
use crate::pipeline;
use crate::quote::visible;
use crate::settings::Settings;
use crate::sink::emf::{self, Reason};

/// So much of a stranger's text stands in a log line or an error.
const SHOWN_CHARACTERS: usize = 1500;

/// The function between two invocations.
#[derive(Debug)]
pub struct Handler {
    clients: Clients,
    settings: Arc<Settings>,
    topology: Option<KeptTopology>,
}

impl Handler {
    /// A function that reads and writes through these clients.
    pub fn new(clients: Clients, settings: Settings) -> Handler {
        let uri = settings.topology_uri.clone();
        let topology = uri.map(|uri| KeptTopology::new(clients.s3.clone(), uri, settings.topology_ttl));
        Handler { clients, settings: Arc::new(settings), topology }
    }

    /// Does what needs no event. What fails is tried again with the first one.
    pub async fn prepare(&self) {
        if self.options().await.is_err() {
            info!("the first invocation will try again");
        }
    }

    /// Does what an invocation asks for, and answers some seconds before Lambda would end it.
    ///
    /// # Errors
    /// Where the event is not understood, where there is something to do and no topology, or, unless the event comes
    /// from a queue, where an object failed.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Answer, InvocationError> {
        let deadline = Deadline::of(&event.context);
        match event::read(&event.payload)? {
            Invocation::Queue(messages) => {
                let options = self.options_before(deadline).await?;
                Ok(self.handle_messages(messages, &options, deadline).await)
            }
            Invocation::Direct(notices) if notices.is_empty() => Ok(Answer::Done),
            Invocation::Direct(notices) => {
                let options = self.options_before(deadline).await?;
                self.handle_notices(notices, &options, deadline).await.map(|()| Answer::Done)
            }
        }
    }

    async fn options_before(&self, deadline: Deadline) -> Result<pipeline::Options, InvocationError> {
        let out_of_time =
            || InvocationError::TopologyUnavailable { reason: "there was not enough time left to read it".to_owned() };
        deadline.bound(self.options()).await.unwrap_or_else(|| Err(out_of_time()))
    }

    /// How to read the objects of one invocation: all by the same topology.
    #[expect(clippy::disallowed_methods, reason = "here the topology gets old")]
    async fn options(&self) -> Result<pipeline::Options, InvocationError> {
        let mut options = self.settings.pipeline.clone();
        let Some(topology) = &self.topology else { return Ok(options) };
        options.topology = match topology.current(Instant::now()).await {
            Ok(topology) => Some(topology),
            Err(RefreshFailed { last_good, error }) => {
                let reason = shown(&error.to_string());
                error!(code = error.code(), error = reason, last_good_in_use = last_good.is_some(), "topology");
                write_metrics(&emf::topology_refresh_failed(&self.settings.metrics_namespace, SystemTime::now()));
                Some(last_good.ok_or(InvocationError::TopologyUnavailable { reason })?)
            }
        };
        Ok(options)
    }

    async fn handle_messages(&self, messages: Vec<Message>, options: &pipeline::Options, deadline: Deadline) -> Answer {
        let mut batch_item_failures = Vec::new();
        for Message { id, notices } in messages {
            if let Err(error) = self.handle_notices(notices, options, deadline).await {
                error!(message_id = shown(&id), %error, "the message must come again");
                batch_item_failures.push(ItemFailure { item_identifier: id });
            }
        }
        Answer::Queue { batch_item_failures }
    }

    /// Every notice gets its turn, whatever becomes of the others, until the time is over.
    async fn handle_notices(
        &self,
        notices: Notices,
        options: &pipeline::Options,
        deadline: Deadline,
    ) -> Result<(), InvocationError> {
        let total = notices.len();
        let mut failures = Vec::new();
        for (done, notice) in notices.into_iter().enumerate() {
            if deadline.is_over() {
                failures.push(self.tell_not_begun(total - done));
                return Err(failed(&failures, failures.len() - 1 + total - done, total));
            }
            failures.extend(self.handle_notice(notice, options, deadline).await.err());
        }
        if failures.is_empty() { Ok(()) } else { Err(failed(&failures, failures.len(), total)) }
    }

    /// Settles what a notice asks for, and tells of it. A panic is the end of this notice's turn only.
    #[expect(clippy::disallowed_methods, reason = "how long it takes is measured here")]
    async fn handle_notice(
        &self,
        notice: Result<Notice, EventError>,
        options: &pipeline::Options,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let uri = notice.as_ref().ok().map(uri);
        let started = Instant::now();
        let settled = deadline.bound(caught(self.settle(notice, options))).await;
        let result = settled.unwrap_or(Err(Failure::OutOfTime));
        self.tell(uri.as_deref(), &result, started.elapsed());
        result.map(|_| ())
    }

    async fn settle(
        &self,
        notice: Result<Notice, EventError>,
        options: &pipeline::Options,
    ) -> Result<Outcome, Failure> {
        match notice? {
            Notice::NotCreated { event_name, .. } => {
                Ok(Outcome::Ignored { reason: Reason::CreatesNoObject, event_name: Some(event_name) })
            }
            Notice::Created(object) => {
                Objects { clients: &self.clients, settings: &self.settings, options }.settle(&object).await
            }
        }
    }

    /// One log line of a notice, and the metrics that are not told with its outputs.
    #[expect(clippy::disallowed_methods, reason = "metrics tell when an object was ignored or failed")]
    fn tell(&self, uri: Option<&str>, result: &Result<Outcome, Failure>, duration: Duration) {
        let (namespace, now) = (&self.settings.metrics_namespace, SystemTime::now());
        let duration_ms = milliseconds(duration);
        let uri = uri.map(shown);
        match result {
            Ok(Outcome::Summarized(Summarized { first, records, findings, key, duration })) => {
                let outcome = if *first { "summarized" } else { "already_summarized" };
                let duration_ms = milliseconds(*duration);
                info!(outcome, uri, records, findings, duration_ms, summary = key, "object");
            }
            Ok(Outcome::Quarantined(Quarantined { first, code, message, key })) => {
                let outcome = if *first { "quarantined" } else { "already_quarantined" };
                warn!(outcome, uri, duration_ms, code, error = shown(message), receipt = key, "object");
            }
            Ok(Outcome::Ignored { reason, event_name }) => {
                let event_name = event_name.as_deref().map(shown);
                info!(outcome = "ignored", uri, duration_ms, reason = reason.name(), event_name, "object");
                write_metrics(&emf::ignored(namespace, *reason, now));
            }
            Err(failure) => {
                let error = shown(&failure.to_string());
                error!(outcome = "failed", uri, duration_ms, code = failure.code(), error, "object");
                write_metrics(&emf::failed(namespace, 1, now));
            }
        }
    }

    /// One log line and one metric of all objects of a message that there was no time for.
    #[expect(clippy::disallowed_methods, reason = "metrics tell when objects failed")]
    fn tell_not_begun(&self, objects: usize) -> Failure {
        let failure = Failure::OutOfTime;
        error!(outcome = "failed", objects, code = failure.code(), error = %failure, "not begun");
        write_metrics(&emf::failed(&self.settings.metrics_namespace, objects as u64, SystemTime::now()));
        failure
    }
}

fn failed(failures: &[Failure], failed: usize, total: usize) -> InvocationError {
    let first = failures.first().map_or_else(String::new, |failure| shown(&failure.to_string()));
    InvocationError::ObjectsFailed { failed, total, first }
}

/// What the work gives; a panic in it is a failure.
async fn caught<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let result = AssertUnwindSafe(work).catch_unwind().await;
    result.unwrap_or_else(|panic| Err(Failure::of_panic(&*panic)))
}

fn uri(notice: &Notice) -> String {
    let (Notice::Created(object) | Notice::NotCreated { object, .. }) = notice;
    object.uri()
}

fn shown(text: &str) -> String {
    visible(text, SHOWN_CHARACTERS)
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Metrics that can't be written are no reason to read the object again.
fn write_metrics(lines: &[u8]) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = stdout.write_all(lines).and_then(|()| stdout.flush()) {
        error!(%error, "metrics are lost");
    }
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
            assert_eq!(failure.code(), "panicked");
            let expected = format!("flowsentry has a mistake, and this object's turn ended: {message}");
            assert_eq!(failure.to_string(), expected);
        }
    }
}
