//! Processes one object: requests it, analyzes it and delivers its outputs.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::{task, time};

use super::deadline::Deadline;
use super::error::ProcessingError;
use super::options::{AnalysisOptions, LoggedExpiries};
use super::progress::{self, KnownProgress};
use crate::error::ObjectError;
use crate::lambda::aws::Clients;
use crate::lambda::aws::download::{Body, BodyError};
use crate::lambda::aws::error::S3Error;
use crate::lambda::aws::s3::{self, Object};
use crate::lambda::delivery::executor::{Delivery, DeliveryExecutor, ObjectOutput, RenderedSummary};
use crate::lambda::delivery::output_keys::OutputKeys;
use crate::lambda::delivery::state::Completion;
use crate::lambda::event::{self, ObjectReference};
use crate::lambda::metrics::IgnoreReason;
use crate::lambda::settings::{Alerting, Settings};
use crate::pipeline;
use crate::summary::build;
use crate::summary::{InputIdentity, ObjectIdentity, TopologySource};

/// Time limit for looking up the object that replaced another one.
const SUPERSEDED_LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);

/// The outcome of processing an object.
pub(super) enum Outcome {
    /// The object has a summary.
    Summarized(Summarized),
    /// The object can never be read, and a receipt records why.
    Quarantined(Quarantined),
    /// The object was not processed.
    Ignored(Ignored),
}

/// Why an object was not processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ignored {
    /// The object is in the output prefix.
    OwnOutput,
    /// A flowsentry function stored the object.
    FlowsentryOutput,
    /// The event is not a creation.
    NotACreationEvent {
        /// S3's name of the event.
        event_name: String,
    },
    /// The object or the log group is outside the allowed sources.
    NotAllowed,
    /// AWS stores the object beside logs, and it is none.
    NotALog,
    /// CloudWatch Logs checks whether it can reach the function.
    ControlMessage,
    /// A newer version, which has its own event, replaced the object.
    Superseded(Superseded),
}

/// The versions of an object that was replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Superseded {
    /// The ETag of the event, or of the body that was being read.
    pub(super) etag: Option<String>,
    pub(super) version_id: Option<String>,
    /// The ETag of the object that replaced it. Unknown if the object was deleted by now, or S3 does not answer quickly.
    pub(super) current_etag: Option<String>,
    pub(super) current_version_id: Option<String>,
}

impl Ignored {
    /// Returns the reason in metrics and logs.
    pub(super) fn reason(&self) -> IgnoreReason {
        match self {
            Ignored::OwnOutput => IgnoreReason::OwnOutput,
            Ignored::FlowsentryOutput => IgnoreReason::FlowsentryOutput,
            Ignored::NotACreationEvent { .. } => IgnoreReason::NotACreationEvent,
            Ignored::NotAllowed => IgnoreReason::NotAllowed,
            Ignored::NotALog => IgnoreReason::NotALog,
            Ignored::ControlMessage => IgnoreReason::ControlMessage,
            Ignored::Superseded(_) => IgnoreReason::Superseded,
        }
    }
}

/// An object whose summary is stored.
pub(super) struct Summarized {
    /// Whether this delivery stored the summary, and not an earlier one.
    pub(super) first: bool,
    /// Number of records. Unknown if the object was deleted after another delivery stored its summary.
    pub(super) records: Option<u64>,
    /// Number of findings, likewise.
    pub(super) findings: Option<usize>,
    /// The summary's key.
    pub(super) key: String,
    /// Time from the request for the object to its last output.
    pub(super) duration: Duration,
}

/// An object that can never be read.
pub(super) struct Quarantined {
    /// Whether this delivery stored the receipt, and not an earlier one.
    pub(super) first: bool,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// The receipt's key.
    pub(super) key: String,
}

/// The result of looking up an object.
enum ObjectLookup {
    /// The object exists. The reference has the key that was found.
    Found(Box<Object>, ObjectReference),
    /// A newer version, which has its own event, replaced the object.
    Superseded,
    /// The object does not exist any more.
    Deleted,
    /// The object must be restored from an archive first.
    Archived,
}

/// The result of reading an object.
enum ReadResult {
    /// The object was analyzed, or can never be read.
    Output(ObjectIdentity, ObjectOutput),
    /// The object is not to be processed.
    Ignored(Ignored),
}

/// Processes the objects of one invocation.
pub(super) struct ObjectProcessor<'a> {
    pub(super) clients: &'a Clients,
    pub(super) settings: &'a Arc<Settings>,
    /// Allows one analysis at a time: one that was cancelled may still be running.
    pub(super) analyses: &'a Arc<Semaphore>,
    pub(super) known_progress: &'a KnownProgress,
    pub(super) logged_expiries: &'a LoggedExpiries,
    pub(super) deadline: Deadline,
}

impl ObjectProcessor<'_> {
    /// Reads an object and delivers its outputs.
    ///
    /// # Errors
    /// If a step fails or there is not enough time.
    #[expect(clippy::disallowed_methods, reason = "measures the duration for metrics; outputs don't contain it")]
    pub(super) async fn process(
        &self,
        reference: &ObjectReference,
        options: &AnalysisOptions,
    ) -> Result<Outcome, ProcessingError> {
        let started = Instant::now();
        let result = self.deadline.with_deadline(self.read(reference, options)).await;
        let (identity, output) = match result.unwrap_or(Err(ProcessingError::OutOfTime))? {
            ReadResult::Output(identity, output) => (identity, output),
            ReadResult::Ignored(ignored) => return Ok(Outcome::Ignored(ignored)),
        };
        let keys = OutputKeys::for_object(&self.settings.output_prefix, &identity);
        self.deliver(&InputIdentity::Object(identity), keys, output, started, options).await
    }

    /// Delivers the outputs of an object or of log events.
    pub(super) async fn deliver(
        &self,
        identity: &InputIdentity,
        keys: OutputKeys,
        output: ObjectOutput,
        started: Instant,
        options: &AnalysisOptions,
    ) -> Result<Outcome, ProcessingError> {
        let delivery = Delivery {
            clients: self.clients,
            settings: self.settings,
            identity,
            keys: &keys,
            output: &output,
            selection: self.settings.alerts.as_ref().map(Alerting::of_objects),
            started,
            deadline: self.deadline,
        };
        let completion = DeliveryExecutor::new(delivery).deliver().await?;
        if let ObjectOutput::Summary(rendered) = &output {
            self.logged_expiries.log(&options.summary.exceptions, &rendered.summary);
            let progress = progress::of_object(&keys, &rendered.summary);
            let noted = self.known_progress.note(&self.clients.s3, self.settings, progress);
            // The outputs are complete: without time, the next object notes it.
            self.deadline.with_deadline(noted).await;
        }
        Ok(Outcome::new(completion, output, keys, started.elapsed()))
    }

    async fn read(
        &self,
        reference: &ObjectReference,
        options: &AnalysisOptions,
    ) -> Result<ReadResult, ProcessingError> {
        Ok(match self.find(reference).await? {
            ObjectLookup::Superseded => self.superseded(reference, s3::identity(reference)).await,
            ObjectLookup::Found(object, _) if object.is_output => ReadResult::Ignored(Ignored::FlowsentryOutput),
            ObjectLookup::Found(object, reference) => {
                let identity = object.identity.clone();
                match self.analyze(*object, &reference, options).await? {
                    Some(output) => ReadResult::Output(identity, output),
                    None => self.superseded(&reference, identity).await,
                }
            }
            ObjectLookup::Deleted => ReadResult::Output(s3::identity(reference), deleted()),
            ObjectLookup::Archived => ReadResult::Output(s3::identity(reference), archived()),
        })
    }

    /// Describes which object replaced this one. The lookup serves the log only, so its failure changes nothing.
    async fn superseded(&self, reference: &ObjectReference, replaced: ObjectIdentity) -> ReadResult {
        let lookup = time::timeout(SUPERSEDED_LOOKUP_TIMEOUT, s3::current_identity(&self.clients.s3, reference)).await;
        let current = lookup.ok().and_then(Result::ok);
        let (current_etag, current_version_id) = current.map(|it| (it.etag, it.version_id)).unwrap_or_default();
        ReadResult::Ignored(Ignored::Superseded(Superseded {
            etag: replaced.etag,
            version_id: replaced.version_id,
            current_etag,
            current_version_id,
        }))
    }

    /// Returns why the object must not be processed, as far as its name shows it. This makes no call.
    pub(super) fn ignore_reason(&self, object: &ObjectReference) -> Option<Ignored> {
        let Settings { output_bucket, output_prefix, allowed_sources, .. } = &**self.settings;
        // Reading outputs as inputs would never end, because each of them creates another output.
        if object.bucket == *output_bucket && object.key.starts_with(output_prefix) {
            Some(Ignored::OwnOutput)
        } else if !allowed_sources.is_empty() && !allowed_sources.iter().any(|source| source.has_object(object)) {
            Some(Ignored::NotAllowed)
        } else if event::is_beside_logs(&object.key) {
            Some(Ignored::NotALog)
        } else {
            None
        }
    }

    /// Looks up the object by its key. If that fails, tries the decoded key, which must have the ETag of the event.
    async fn find(&self, reference: &ObjectReference) -> Result<ObjectLookup, ProcessingError> {
        let error = match s3::get(&self.clients.s3, reference).await {
            Ok(object) => return Ok(ObjectLookup::Found(Box::new(object), reference.clone())),
            Err(error) => error,
        };
        if error.is_missing() {
            if let Some(object) = self.find_by_decoded_key(reference).await? {
                return Ok(object);
            }
        } else if error.is_precondition_failed()
            // The key has another object: that result remains, even if the second lookup fails.
            && let Ok(Some(object)) = self.find_by_decoded_key(reference).await
        {
            return Ok(object);
        }
        classify_s3_error(error)
    }

    async fn find_by_decoded_key(&self, reference: &ObjectReference) -> Result<Option<ObjectLookup>, ProcessingError> {
        let decoded =
            reference.decoded().filter(|decoded| decoded.etag.is_some() && self.ignore_reason(decoded).is_none());
        let Some(decoded) = decoded else { return Ok(None) };
        // The ETag alone identifies the object, with or without a version.
        let by_etag = ObjectReference { version_id: None, ..decoded.clone() };
        match s3::get(&self.clients.s3, &by_etag).await {
            Ok(object) => Ok(Some(ObjectLookup::Found(Box::new(object), by_etag))),
            Err(error) if error.is_missing() || error.is_precondition_failed() => Ok(None),
            Err(error) if error.is_archived() => Ok(Some(ObjectLookup::Archived)),
            Err(error) => Err(error.into()),
        }
    }

    /// Downloads and analyzes an object. Returns `None` if it was replaced during the download.
    async fn analyze(
        &self,
        object: Object,
        reference: &ObjectReference,
        options: &AnalysisOptions,
    ) -> Result<Option<ObjectOutput>, ProcessingError> {
        let permit = Arc::clone(self.analyses).acquire_owned().await;
        let (uri, identity) = (reference.uri(), object.identity.clone());
        let body = Body::download(object, self.clients.s3.clone(), reference.clone());
        let _guard = body.cancel_on_drop();
        let (work_uri, options) = (uri.clone(), options.clone());
        let work = move || {
            let _permit = permit;
            summarize(&work_uri, InputIdentity::Object(identity), body, &options)
        };
        let result = task::spawn_blocking(work).await?;
        match result {
            Ok(output) => Ok(Some(output)),
            Err(ObjectError::Read(error)) => match body_error(&error) {
                Some(BodyError::Replaced) => Ok(None),
                Some(BodyError::Deleted) => Ok(Some(deleted())),
                _ => ObjectOutput::from_error(uri, ObjectError::Read(error)).map(Some),
            },
            Err(error) => ObjectOutput::from_error(uri, error).map(Some),
        }
    }
}

/// Analyzes the body and renders the summary. This blocks, so it needs its own thread; the runtime continues the download.
pub(super) fn summarize(
    uri: &str,
    identity: InputIdentity,
    mut body: impl Read + Send,
    options: &AnalysisOptions,
) -> Result<ObjectOutput, ObjectError> {
    match pipeline::analyze(uri, &mut body, &options.pipeline) {
        Ok(mut analysis) => {
            analysis.identify(identity);
            let mut summary = build::build_summary(analysis, &options.summary, options.pipeline.topology.as_deref());
            summary.topology = options.snapshot.map(|id| TopologySource { snapshot: id.to_string() });
            Ok(ObjectOutput::Summary(Box::new(RenderedSummary::new(summary))))
        }
        Err(error) => {
            // The object itself is damaged only if the whole body arrived as stored. Its length and checksum are verified at
            // the end of the download.
            if error.is_damage() {
                io::copy(&mut body, &mut io::sink()).map_err(ObjectError::Read)?;
            }
            Err(error)
        }
    }
}

impl ObjectOutput {
    /// Returns the output of an input that can never be read.
    ///
    /// # Errors
    /// If only reading failed, so that another attempt may succeed.
    pub(super) fn from_error(uri: String, error: ObjectError) -> Result<ObjectOutput, ProcessingError> {
        match error {
            ObjectError::Read(_) => Err(ProcessingError::Object { uri, source: error }),
            error => Ok(ObjectOutput::Quarantine { code: error.code(), message: error.to_string() }),
        }
    }
}

fn classify_s3_error(error: S3Error) -> Result<ObjectLookup, ProcessingError> {
    if error.is_precondition_failed() {
        Ok(ObjectLookup::Superseded)
    } else if error.is_missing() {
        Ok(ObjectLookup::Deleted)
    } else if error.is_archived() {
        Ok(ObjectLookup::Archived)
    } else {
        Err(error.into())
    }
}

pub(super) fn body_error(error: &io::Error) -> Option<&BodyError> {
    error.get_ref()?.downcast_ref()
}

fn deleted() -> ObjectOutput {
    let message = "the object was deleted before it was read; if this was not intended, restore it, send its event again \
                   and check what deletes objects so early (this receipt is kept; the summary takes precedence)";
    ObjectOutput::Quarantine { code: "object_deleted", message: message.to_owned() }
}

fn archived() -> ObjectOutput {
    let message = "the object is archived; restore it and send its event again (this receipt is kept; the summary takes \
                   precedence)";
    ObjectOutput::Quarantine { code: "archived", message: message.to_owned() }
}

impl Outcome {
    fn new(completion: Completion, output: ObjectOutput, keys: OutputKeys, duration: Duration) -> Outcome {
        let summary = match (completion, output) {
            (Completion::Quarantined | Completion::AlreadyQuarantined, ObjectOutput::Quarantine { code, message }) => {
                let first = completion == Completion::Quarantined;
                return Outcome::Quarantined(Quarantined { first, code, message, key: keys.quarantine });
            }
            (_, ObjectOutput::Summary(rendered)) => Some(rendered.summary),
            (_, ObjectOutput::Quarantine { .. }) => None,
        };
        Outcome::Summarized(Summarized {
            first: completion == Completion::Summarized,
            records: summary.as_ref().map(|summary| summary.records.total),
            findings: summary.as_ref().map(|summary| summary.findings.len()),
            key: keys.summary,
            duration,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_of_the_analysis_is_a_retryable_error() {
        let lines = |log: &'static str| move || log.lines().nth(1).expect("two lines").to_owned();
        let on_another_thread = async |log| Ok::<_, ProcessingError>(task::spawn_blocking(lines(log)).await?);
        assert_eq!(on_another_thread("one\ntwo").await.ok().as_deref(), Some("two"));
        let failure = on_another_thread("one").await.expect_err("it panics");
        assert_eq!(failure.code(), "internal_error");
        assert_eq!(failure.to_string(), "internal error while processing this object (panic): two lines");
    }
}
