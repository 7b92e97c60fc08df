//! One invocation: which objects it tells of, what becomes of each, and what is answered.
//!
//! Whatever happens to one object, all others are looked at. What fails is reported as failed, so that its event comes
//! again; nothing else is. Outputs are named and written so that a second time changes nothing.

mod answer;
mod object;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_s3::Client;
use lambda_runtime::LambdaEvent;
use serde_json::Value;
use tracing::{error, info};

pub use self::answer::{Answer, InvocationError, ItemFailure};
use self::object::{Failure, Outcome};
use crate::aws::topology::{KeptTopology, RefreshFailed};
use crate::event::{self, EventError, Invocation, Message, Notice, Notices, ObjectReference};
use crate::pipeline;
use crate::quote::beginning;
use crate::settings::Settings;
use crate::sink::emf::{self, Reason};

/// So much of a stranger's text stands in a log line or an error.
const SHOWN_CHARACTERS: usize = 1500;

/// The function between two invocations.
#[derive(Debug)]
pub struct Handler {
    client: Client,
    settings: Arc<Settings>,
    topology: Option<KeptTopology>,
}

impl Handler {
    /// A function that reads and writes through this client.
    pub fn new(client: Client, settings: Settings) -> Handler {
        let uri = settings.topology_uri.clone();
        let topology = uri.map(|uri| KeptTopology::new(client.clone(), uri, settings.topology_ttl));
        Handler { client, settings: Arc::new(settings), topology }
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
            self.tell(uri.as_deref(), &result, started.elapsed());
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
                Ok(Outcome::Ignored { reason: Reason::CreatesNoObject, event_name: Some(event_name) })
            }
            Notice::Created(object) if self.is_own_output(&object) => {
                Ok(Outcome::Ignored { reason: Reason::OwnOutput, event_name: None })
            }
            Notice::Created(object) => {
                object::summarize(&self.client, &self.settings, &object, options).await.map(Outcome::Summarized)
            }
        }
    }

    /// An output that is read as an input gives an output, and so on for ever.
    fn is_own_output(&self, object: &ObjectReference) -> bool {
        object.bucket == self.settings.output_bucket && object.key.starts_with(&self.settings.output_prefix)
    }

    /// One log line and the metrics of a notice.
    #[expect(clippy::disallowed_methods, reason = "metrics tell when an object was ignored or failed")]
    fn tell(&self, uri: Option<&str>, result: &Result<Outcome, Failure>, duration: Duration) {
        let (namespace, now) = (&self.settings.metrics_namespace, SystemTime::now());
        let duration_ms = milliseconds(duration);
        let uri = uri.map(|uri| beginning(uri, SHOWN_CHARACTERS));
        match result {
            Ok(Outcome::Summarized(object)) => {
                let (records, findings, summary) = (object.records, object.findings, &object.key);
                let duration_ms = milliseconds(object.duration);
                info!(outcome = "summarized", uri, records, findings, duration_ms, summary, "object");
                write_metrics(&object.metrics);
            }
            Ok(Outcome::Ignored { reason, event_name }) => {
                let event_name = event_name.as_deref().map(|name| beginning(name, SHOWN_CHARACTERS));
                info!(outcome = "ignored", uri, duration_ms, reason = reason.name(), event_name, "object");
                write_metrics(&emf::ignored(namespace, *reason, now));
            }
            Err(failure) => {
                let error = failure.to_string();
                let error = beginning(&error, SHOWN_CHARACTERS);
                error!(outcome = "failed", uri, duration_ms, code = failure.code(), error, "object");
                write_metrics(&emf::failed(namespace, now));
            }
        }
    }
}

fn uri(notice: &Notice) -> String {
    let (Notice::Created(object) | Notice::NotCreated { object, .. }) = notice;
    object.uri()
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
