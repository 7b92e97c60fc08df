//! Makes one part of a run: analyzes a batch of objects, or merges parts.

use std::io::Cursor;
use std::sync::Arc;

use bytes::Bytes;
use tokio::task;
use tracing::warn;

use super::{BINARY, WindowError, WindowRun, blocking, context, log_done, shared};
use crate::aggregate::Analysis;
use crate::error::ObjectError;
use crate::lambda::aws::download::{Body, BodyError};
use crate::lambda::aws::s3;
use crate::lambda::event::{ObjectReference, PartItem, StepError};
use crate::lambda::handler::error::ProcessingError;
use crate::lambda::handler::object::body_error;
use crate::lambda::handler::options::AnalysisOptions;
use crate::lambda::handler::{escape, response::HandlerResponse};
use crate::lambda::window::keys::RunFolder;
use crate::partial;
use crate::pipeline;
use crate::plan::{Batch, LogObject};
use crate::summary::InputIdentity;

/// What became of an object.
enum ObjectAnalysis {
    Complete(Box<Analysis>),
    /// It can never be read, for this reason.
    Failed(String),
}

impl WindowRun<'_> {
    /// Makes a part, unless it exists.
    pub(super) async fn make_part(&self, run: &RunFolder, item: PartItem) -> Result<HandlerResponse, WindowError> {
        let key = run.part(item.level, item.part);
        if self.exists(&key).await? {
            log_done("part", "already_made", &key);
            return Ok(HandlerResponse::Done);
        }
        let analysis = match (item.first, item.end) {
            (None, None) => self.analyze_batch(run, item).await?,
            (Some(first), Some(end)) if item.level > 0 && first < end => {
                self.merge(run, item.level - 1, first..end).await?
            }
            _ => return Err(WindowError::Invalid(format!("not a part: {item:?}"))),
        };
        self.put_part(&key, analysis).await?;
        log_done("part", "made", &key);
        Ok(HandlerResponse::Done)
    }

    /// Stores a part whose objects all failed, and why. The reason is stored first: with it, the next run makes a new revision.
    pub(super) async fn give_up(
        &self,
        run: &RunFolder,
        item: PartItem,
        error: &StepError,
    ) -> Result<HandlerResponse, WindowError> {
        if item.level > 0 {
            let StepError { error, cause } = error;
            return Err(WindowError::Invalid(format!(
                "parts could not be merged: {}: {}",
                escape(error),
                escape(cause)
            )));
        }
        let (name, cause) = (escape(&error.error), escape(&error.cause));
        let key = run.failed_part(item);
        self.put_json(&key, &serde_json::json!({"error": name, "cause": cause})).await?;
        let reason =
            format!("its part failed in all attempts: {name}: {cause}; run the window again once the cause is removed");
        let mut analysis = Analysis::new(&self.options.pipeline.limits);
        for object in self.batch(run, item).await? {
            analysis.observe_failure(reference(&object).uri(), reason.clone());
        }
        self.put_part(&run.part(item.level, item.part), analysis).await?;
        log_done("give-up", "given_up", &key);
        Ok(HandlerResponse::Done)
    }

    async fn batch(&self, run: &RunFolder, item: PartItem) -> Result<Vec<LogObject>, WindowError> {
        let Batch { objects, .. } = self.read_json(&run.batch(item.part)).await?;
        Ok(objects)
    }

    /// Analyzes the objects of a batch one after another, merges them, and closes the result.
    async fn analyze_batch(&self, run: &RunFolder, item: PartItem) -> Result<Analysis, WindowError> {
        let options = shared(self.options);
        let mut merged = Analysis::new(&options.pipeline.limits);
        for object in self.batch(run, item).await? {
            if self.invocation.deadline.is_over() {
                return Err(ProcessingError::OutOfTime.into());
            }
            let reference = reference(&object);
            match self.analyze(&reference, &options).await? {
                ObjectAnalysis::Complete(analysis) => {
                    merged = blocking(move || {
                        merged.merge(*analysis);
                        merged
                    })
                    .await?;
                }
                ObjectAnalysis::Failed(reason) => {
                    let uri = reference.uri();
                    warn!(
                        outcome = "failed",
                        uri = escape(&uri),
                        error = escape(&reason),
                        "object of a window not read"
                    );
                    merged.observe_failure(uri, reason);
                }
            }
        }
        let topology = options.pipeline.topology.clone();
        let close = move || {
            partial::close(&mut merged, topology.as_deref());
            merged
        };
        blocking(close).await
    }

    async fn analyze(
        &self,
        reference: &ObjectReference,
        options: &Arc<AnalysisOptions>,
    ) -> Result<ObjectAnalysis, WindowError> {
        let analysis = self.invocation.deadline.with_deadline(self.analyze_object(reference, options));
        Ok(analysis.await.unwrap_or(Err(ProcessingError::OutOfTime))?)
    }

    async fn analyze_object(
        &self,
        reference: &ObjectReference,
        options: &Arc<AnalysisOptions>,
    ) -> Result<ObjectAnalysis, ProcessingError> {
        let failed = |reason: &str| Ok(ObjectAnalysis::Failed(reason.to_owned()));
        let client = &self.handler.clients.s3;
        let object = match s3::get(client, reference).await {
            Ok(object) => object,
            Err(error) if error.is_precondition_failed() => return failed(REPLACED),
            Err(error) if error.is_missing() => return failed(DELETED),
            Err(error) if error.is_archived() => {
                return failed("the object is archived; restore it and run the window again");
            }
            Err(error) => return Err(error.into()),
        };
        let permit = Arc::clone(&self.handler.analyses).acquire_owned().await;
        let (uri, identity, options) = (reference.uri(), object.identity.clone(), Arc::clone(options));
        let body = Body::download(object, client.clone(), reference.clone());
        let _guard = body.cancel_on_drop();
        let work_uri = uri.clone();
        let work = move || {
            let _permit = permit;
            analyze_body(&work_uri, InputIdentity::Object(identity), body, &options)
        };
        match task::spawn_blocking(work).await? {
            Ok(analysis) => Ok(ObjectAnalysis::Complete(Box::new(analysis))),
            Err(ObjectError::Read(error)) => match body_error(&error) {
                Some(BodyError::Replaced) => failed(REPLACED),
                Some(BodyError::Deleted) => failed(DELETED),
                _ => Err(ProcessingError::Object { uri, source: ObjectError::Read(error) }),
            },
            Err(error) => Ok(ObjectAnalysis::Failed(error.to_string())),
        }
    }

    /// Merges parts of the level below, in their order.
    async fn merge(&self, run: &RunFolder, level: u32, parts: std::ops::Range<u32>) -> Result<Analysis, WindowError> {
        let mut merged = Analysis::new(&self.options.pipeline.limits);
        for part in parts {
            if self.invocation.deadline.is_over() {
                return Err(ProcessingError::OutOfTime.into());
            }
            let next = self.read_part(&run.part(level, part)).await?;
            merged = blocking(move || {
                merged.merge(next);
                merged
            })
            .await?;
        }
        Ok(merged)
    }

    /// Reads a part.
    pub(super) async fn read_part(&self, key: &str) -> Result<Analysis, WindowError> {
        let bytes: Bytes = s3::read(&self.handler.clients.s3, &self.handler.settings.output_bucket, key).await?;
        let options = shared(self.options);
        let read = blocking(move || partial::read(Cursor::new(bytes), &context(&options))).await?;
        read.map_err(|error| WindowError::of_partial(&self.output_uri(key), &error))
    }

    async fn put_part(&self, key: &str, analysis: Analysis) -> Result<(), WindowError> {
        let options = shared(self.options);
        let write = move || {
            let mut bytes = Vec::new();
            partial::write(analysis, &context(&options), &mut bytes).map(|()| bytes)
        };
        let invalid = |error| WindowError::Invalid(format!("{}: {error}", self.output_uri(key)));
        let bytes = blocking(write).await?.map_err(invalid)?;
        self.put(key, BINARY, bytes).await?;
        Ok(())
    }
}

const REPLACED: &str = "the object was replaced after the run was planned; run the window again";
const DELETED: &str = "the object was deleted after the run was planned";

/// Returns the version of the object that was planned.
fn reference(object: &LogObject) -> ObjectReference {
    let LogObject { bucket, key, etag, .. } = object;
    ObjectReference { etag: etag.clone(), ..ObjectReference::latest(bucket.as_deref().unwrap_or_default(), key) }
}

/// Analyzes a body. This blocks, so it needs its own thread.
fn analyze_body(
    uri: &str,
    identity: InputIdentity,
    mut body: Body,
    options: &AnalysisOptions,
) -> Result<Analysis, ObjectError> {
    match pipeline::analyze(uri, &mut body, &options.pipeline) {
        Ok(mut analysis) => {
            analysis.identify(identity);
            Ok(analysis)
        }
        Err(error) => {
            // As for a single object: it is damaged only if the whole body arrived as stored.
            if error.is_damage() {
                std::io::copy(&mut body, &mut std::io::sink()).map_err(ObjectError::Read)?;
            }
            Err(error)
        }
    }
}
