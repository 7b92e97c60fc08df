//! One object, from the request for it to what becomes of it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task;

use super::deadline::Deadline;
use super::error::ProcessingError;
use crate::error::ObjectError;
use crate::lambda::aws::Clients;
use crate::lambda::aws::download::{Body, BodyError};
use crate::lambda::aws::error::S3Error;
use crate::lambda::aws::s3::{self, Object};
use crate::lambda::delivery::executor::{DeliveryExecutor, ObjectOutput, RenderedSummary};
use crate::lambda::delivery::output_keys::OutputKeys;
use crate::lambda::delivery::state::Completion;
use crate::lambda::event::ObjectReference;
use crate::lambda::metrics::IgnoreReason;
use crate::lambda::settings::Settings;
use crate::pipeline;
use crate::summary::ObjectIdentity;
use crate::summary::build;

/// What became of an object whose event is done.
pub(super) enum Outcome {
    /// It has a summary.
    Summarized(Summarized),
    /// It can never be read, and a receipt says why.
    Quarantined(Quarantined),
    /// It was not ours to read.
    Ignored {
        reason: IgnoreReason,
        /// What happened to it, where that is why.
        event_name: Option<String>,
    },
}

/// An object whose summary is stored.
pub(super) struct Summarized {
    /// Whether this delivery stored it; else it was there already.
    pub first: bool,
    /// Not known of an object that is gone since another delivery stored its summary.
    pub records: Option<u64>,
    pub findings: Option<usize>,
    /// The summary's key.
    pub key: String,
    /// From the request for the object to its last output.
    pub duration: Duration,
}

/// An object that can never be read.
pub(super) struct Quarantined {
    /// Whether this delivery stored the receipt; else it was there already.
    pub first: bool,
    pub code: &'static str,
    pub message: String,
    /// The receipt's key.
    pub key: String,
}

/// What a look at an object gives.
enum ObjectLookup {
    /// It is there, by this name.
    Object(Box<Object>, ObjectReference),
    /// It was replaced by a newer version, whose own event comes.
    Superseded,
    /// It is not there any more.
    Gone,
    /// It has to be restored first.
    Archived,
}

/// Reads objects of one invocation.
pub(super) struct ObjectProcessor<'a> {
    pub clients: &'a Clients,
    pub settings: &'a Arc<Settings>,
    /// One analysis at a time: one that was given up may still be at work.
    pub analyses: &'a Arc<Semaphore>,
    pub deadline: Deadline,
}

impl ObjectProcessor<'_> {
    /// Reads an object, and stores and tells what it comes to.
    ///
    /// # Errors
    /// Where any of that is not done.
    #[expect(clippy::disallowed_methods, reason = "metrics tell how long it took; outputs don't")]
    pub(super) async fn settle(
        &self,
        reference: &ObjectReference,
        options: &pipeline::Options,
    ) -> Result<Outcome, ProcessingError> {
        let started = Instant::now();
        let came_to = self.deadline.bound(self.read(reference, options)).await;
        let (identity, product) = match came_to.unwrap_or(Err(ProcessingError::OutOfTime))? {
            Ok(came_to) => came_to,
            Err(reason) => return Ok(Outcome::ignored(reason)),
        };
        let keys = OutputKeys::of(&self.settings.output_prefix, &identity);
        let names = (&identity, &keys);
        let deliverer = DeliveryExecutor::new(self.clients, self.settings, names, &product, started, self.deadline);
        let end = deliverer.deliver().await?;
        Ok(Outcome::of(end, product, keys, started.elapsed()))
    }

    /// Which version of an object there is and what it comes to, or why it is ignored.
    async fn read(
        &self,
        reference: &ObjectReference,
        options: &pipeline::Options,
    ) -> Result<Result<(ObjectIdentity, ObjectOutput), IgnoreReason>, ProcessingError> {
        Ok(match self.find(reference).await? {
            ObjectLookup::Superseded => Err(IgnoreReason::Superseded),
            ObjectLookup::Object(object, _) if object.is_output => Err(IgnoreReason::FlowsentryOutput),
            ObjectLookup::Object(object, reference) => {
                let identity = object.identity.clone();
                let product = self.analyze(*object, &reference, options).await?;
                product.map(|product| (identity, product)).ok_or(IgnoreReason::Superseded)
            }
            ObjectLookup::Gone => Ok((s3::identity(reference), gone())),
            ObjectLookup::Archived => Ok((s3::identity(reference), archived())),
        })
    }

    /// Why the object is none of ours, as its name alone tells: nothing is asked of S3 then.
    pub(super) fn refused(&self, object: &ObjectReference) -> Option<IgnoreReason> {
        let Settings { output_bucket, output_prefix, allowed_sources, .. } = &**self.settings;
        let allowed = || {
            let in_source = |bucket: &str, prefix: &str| object.bucket == bucket && object.key.starts_with(prefix);
            allowed_sources.is_empty() || allowed_sources.iter().any(|it| in_source(&it.bucket, &it.prefix))
        };
        // An output that is read as an input gives an output, and so on for ever.
        if object.bucket == *output_bucket && object.key.starts_with(output_prefix) {
            Some(IgnoreReason::OwnOutput)
        } else if allowed() {
            None
        } else {
            Some(IgnoreReason::NotAllowed)
        }
    }

    /// Looks for the object by its key, else by the other reading of its key, if that has the entity tag of the event.
    async fn find(&self, reference: &ObjectReference) -> Result<ObjectLookup, ProcessingError> {
        let error = match s3::get(&self.clients.s3, reference).await {
            Ok(object) => return Ok(ObjectLookup::Object(Box::new(object), reference.clone())),
            Err(error) => error,
        };
        if error.is_missing() {
            if let Some(object) = self.find_by_decoded_key(reference).await? {
                return Ok(object);
            }
        } else if error.is_precondition_failed()
            // By this name there is another object: whatever the second look meets, that stands.
            && let Ok(Some(object)) = self.find_by_decoded_key(reference).await
        {
            return Ok(object);
        }
        classify_s3_error(error)
    }

    async fn find_by_decoded_key(&self, reference: &ObjectReference) -> Result<Option<ObjectLookup>, ProcessingError> {
        let decoded = reference.decoded().filter(|decoded| decoded.etag.is_some() && self.refused(decoded).is_none());
        let Some(decoded) = decoded else { return Ok(None) };
        // The entity tag is what makes sure, whether or not there is a version too.
        let by_etag = ObjectReference { version_id: None, ..decoded.clone() };
        match s3::get(&self.clients.s3, &by_etag).await {
            Ok(object) => Ok(Some(ObjectLookup::Object(Box::new(object), by_etag))),
            Err(error) if error.is_missing() || error.is_precondition_failed() => Ok(None),
            Err(error) if error.is_archived() => Ok(Some(ObjectLookup::Archived)),
            Err(error) => Err(error.into()),
        }
    }

    /// What an object comes to; none if it was replaced meanwhile.
    async fn analyze(
        &self,
        object: Object,
        reference: &ObjectReference,
        options: &pipeline::Options,
    ) -> Result<Option<ObjectOutput>, ProcessingError> {
        let turn = Arc::clone(self.analyses).acquire_owned().await;
        let (uri, identity) = (reference.uri(), object.identity.clone());
        let body = Body::download(object, self.clients.s3.clone(), reference.clone());
        let _download = body.guard();
        let (settings, options) = (Arc::clone(self.settings), options.clone());
        let work_uri = uri.clone();
        let work = move || {
            let _turn = turn;
            summarize(&work_uri, identity, body, &settings, &options)
        };
        let result = task::spawn_blocking(work).await?;
        match result {
            Ok(product) => Ok(Some(product)),
            Err(ObjectError::Read(error)) => match body_error(&error) {
                Some(BodyError::Replaced) => Ok(None),
                Some(BodyError::Deleted) => Ok(Some(gone())),
                _ => Err(ProcessingError::Object { uri, source: ObjectError::Read(error) }),
            },
            Err(error) => Ok(Some(ObjectOutput::Quarantine { code: error.code(), message: error.to_string() })),
        }
    }
}

/// Works on a stranger's data where blocking hurts nobody, so that the runtime goes on fetching the body.
fn summarize(
    uri: &str,
    identity: ObjectIdentity,
    mut body: Body,
    settings: &Settings,
    options: &pipeline::Options,
) -> Result<ObjectOutput, ObjectError> {
    match pipeline::analyze(uri, &mut body, options) {
        Ok(mut analysis) => {
            analysis.identify(identity);
            let summary = build::build_summary(analysis, &settings.report, options.topology.as_deref());
            Ok(ObjectOutput::Summary(Box::new(RenderedSummary::of(summary))))
        }
        Err(error) => {
            // Damage is the object's own only if the whole body came as S3 has it: its length and its check sum are
            // known at its end.
            if error.is_damage() {
                io::copy(&mut body, &mut io::sink()).map_err(ObjectError::Read)?;
            }
            Err(error)
        }
    }
}

fn classify_s3_error(error: S3Error) -> Result<ObjectLookup, ProcessingError> {
    if error.is_precondition_failed() {
        Ok(ObjectLookup::Superseded)
    } else if error.is_missing() {
        Ok(ObjectLookup::Gone)
    } else if error.is_archived() {
        Ok(ObjectLookup::Archived)
    } else {
        Err(error.into())
    }
}

fn body_error(error: &io::Error) -> Option<&BodyError> {
    error.get_ref()?.downcast_ref()
}

fn gone() -> ObjectOutput {
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
    pub(super) fn ignored(reason: IgnoreReason) -> Outcome {
        Outcome::Ignored { reason, event_name: None }
    }

    fn of(end: Completion, product: ObjectOutput, keys: OutputKeys, duration: Duration) -> Outcome {
        match (end, product) {
            (Completion::Quarantined | Completion::AlreadyQuarantined, ObjectOutput::Quarantine { code, message }) => {
                let first = end == Completion::Quarantined;
                Outcome::Quarantined(Quarantined { first, code, message, key: keys.quarantine })
            }
            (_, product) => {
                let summary = match &product {
                    ObjectOutput::Summary(rendered) => Some(&rendered.summary),
                    ObjectOutput::Quarantine { .. } => None,
                };
                Outcome::Summarized(Summarized {
                    first: end == Completion::Summarized,
                    records: summary.map(|summary| summary.records.total),
                    findings: summary.map(|summary| summary.findings.len()),
                    key: keys.summary,
                    duration,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_of_the_analysis_is_a_failure_that_passes() {
        let lines = |log: &'static str| move || log.lines().nth(1).expect("two lines").to_owned();
        let on_another_thread = async |log| Ok::<_, ProcessingError>(task::spawn_blocking(lines(log)).await?);
        assert_eq!(on_another_thread("one\ntwo").await.ok().as_deref(), Some("two"));
        let failure = on_another_thread("one").await.expect_err("it panics");
        assert_eq!(failure.code(), "internal_error");
        assert_eq!(failure.to_string(), "internal error while processing this object (panic): two lines");
    }
}
