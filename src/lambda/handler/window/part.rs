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
use crate::lambda::event::{ObjectReference, PartItem, RunReference, StepError};
use crate::lambda::handler::error::ProcessingError;
use crate::lambda::handler::object::body_error;
use crate::lambda::handler::options::AnalysisOptions;
use crate::lambda::handler::{escape, response::HandlerResponse};
use crate::lambda::window::keys::{self, RunFolder};
use crate::partial;
use crate::pipeline;
use crate::plan::{Batch, LogObject};
use crate::sanitize::escape_truncated;
use crate::summary::InputIdentity;

/// What became of an object.
enum ObjectAnalysis {
    Complete(Box<Analysis>),
    Failed(ObjectFailure),
}

/// Why an object is not part of the report.
struct ObjectFailure {
    reason: String,
    /// Whether it may be read later.
    may_be_read_later: bool,
}

impl ObjectFailure {
    fn for_now(reason: impl Into<String>) -> ObjectFailure {
        ObjectFailure { reason: reason.into(), may_be_read_later: true }
    }

    fn for_good(reason: impl Into<String>) -> ObjectFailure {
        ObjectFailure { reason: reason.into(), may_be_read_later: false }
    }
}

/// A part that failed in all attempts.
pub(super) struct GivenUp<'a> {
    pub(super) item: PartItem,
    pub(super) error: &'a StepError,
    pub(super) all: bool,
}

/// The analysis of a batch, and the first failure that another run may not have.
struct BatchAnalysis {
    analysis: Analysis,
    retry: Option<String>,
}

impl WindowRun<'_> {
    /// Makes a part, unless it exists.
    pub(super) async fn make_part(
        &self,
        reference: &RunReference,
        run: &RunFolder,
        item: PartItem,
    ) -> Result<HandlerResponse, WindowError> {
        let key = run.part(item.level, item.part);
        if self.exists(&key).await? {
            log_done("part", "already_made", &key);
            return Ok(HandlerResponse::Done);
        }
        if let Some(bytes) = self.earlier_part(reference, item).await? {
            self.put(&key, BINARY, bytes).await?;
            log_done("part", "taken_over", &key);
            return Ok(HandlerResponse::Done);
        }
        let analysis = match (item.first, item.end) {
            (None, None) => {
                let batch = self.analyze_batch(run, item, false).await?;
                self.put_retry(reference, item, batch.retry.as_deref()).await?;
                batch.analysis
            }
            (Some(first), Some(end)) if item.level > 0 && first < end => {
                self.merge(run, item.level - 1, first..end).await?
            }
            _ => return Err(WindowError::Invalid(format!("not a part: {item:?}"))),
        };
        self.put_part(&key, analysis).await?;
        log_done("part", "made", &key);
        Ok(HandlerResponse::Done)
    }

    /// Returns a part of the run that is made again, if it lacks no object that may be read now. It has expired if it is missing.
    async fn earlier_part(&self, reference: &RunReference, item: PartItem) -> Result<Option<Bytes>, WindowError> {
        let Some(earlier) = reference.again.as_ref().filter(|_| item.level == 0) else { return Ok(None) };
        self.check_manifest(&earlier.manifest)?;
        let key = self.folder(&earlier.folder)?.part(item.level, item.part);
        if self.exists(&keys::retry(&earlier.manifest, item)).await? {
            return Ok(None);
        }
        let bytes = match s3::read(&self.handler.clients.s3, &self.handler.settings.output_bucket, &key).await {
            Ok(bytes) => bytes,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if let Err(error) = self.parse_part(&key, bytes.clone()).await {
            let error = escape(&error.to_string());
            warn!(error, "part of an earlier run is not valid; it is made again");
            return Ok(None);
        }
        Ok(Some(bytes))
    }

    /// Makes a part that failed in all attempts, of the objects that can be read, or of none of them. Objects that cannot count as failed.
    pub(super) async fn give_up(
        &self,
        reference: &RunReference,
        run: &RunFolder,
        part: GivenUp<'_>,
    ) -> Result<HandlerResponse, WindowError> {
        let GivenUp { item, error: StepError { error, cause }, all } = part;
        let (name, cause) = (escape(error), escape(cause));
        if item.level > 0 {
            return Err(WindowError::Invalid(format!("parts could not be merged: {name}: {cause}")));
        }
        let key = run.part(item.level, item.part);
        if self.exists(&key).await? {
            log_done("give-up", "already_made", &key);
            return Ok(HandlerResponse::Done);
        }
        let batch = if all {
            self.without_objects(run, item, &format!("its part failed in all attempts: {name}: {cause}")).await?
        } else {
            self.analyze_batch(run, item, true).await?
        };
        self.put_retry(reference, item, batch.retry.as_deref()).await?;
        self.put_part(&key, batch.analysis).await?;
        log_done("give-up", "given_up", &key);
        Ok(HandlerResponse::Done)
    }

    /// Stores why another run of the window may have more objects: with it, the next start makes a new revision.
    async fn put_retry(&self, run: &RunReference, item: PartItem, reason: Option<&str>) -> Result<(), WindowError> {
        let Some(reason) = reason else { return Ok(()) };
        self.check_manifest(&run.manifest)?;
        self.put_json(&keys::retry(&run.manifest, item), &serde_json::json!({ "reason": escape(reason) })).await?;
        Ok(())
    }

    /// Returns the part of a batch none of whose objects was read.
    async fn without_objects(
        &self,
        run: &RunFolder,
        item: PartItem,
        reason: &str,
    ) -> Result<BatchAnalysis, WindowError> {
        let mut analysis = Analysis::new(&self.options.pipeline.limits);
        for object in self.batch(run, item).await? {
            analysis.observe_failure(reference(&object).uri(), shortened(reason));
        }
        Ok(BatchAnalysis { analysis, retry: Some(reason.to_owned()) })
    }

    async fn batch(&self, run: &RunFolder, item: PartItem) -> Result<Vec<LogObject>, WindowError> {
        let Batch { objects, .. } = self.read_json(&run.batch(item.part)).await?;
        Ok(objects)
    }

    /// Analyzes the objects of a batch one after another, merges them, and closes the result. With `is_last`, an object that cannot be read
    /// now counts as failed; otherwise it fails the batch, which is retried.
    async fn analyze_batch(
        &self,
        run: &RunFolder,
        item: PartItem,
        is_last: bool,
    ) -> Result<BatchAnalysis, WindowError> {
        let options = shared(self.options);
        let mut merged = Analysis::new(&options.pipeline.limits);
        let mut retry = None;
        for object in self.batch(run, item).await? {
            if self.invocation.deadline.is_over() {
                return Err(ProcessingError::OutOfTime.into());
            }
            let reference = reference(&object);
            let result = match self.analyze(&reference, &options).await {
                Err(WindowError::Failed(error)) if is_last && !matches!(error, ProcessingError::OutOfTime) => {
                    ObjectAnalysis::Failed(ObjectFailure::for_now(error.to_string()))
                }
                result => result?,
            };
            match result {
                ObjectAnalysis::Complete(analysis) => {
                    merged = blocking(move || {
                        merged.merge(*analysis);
                        merged
                    })
                    .await?;
                }
                ObjectAnalysis::Failed(ObjectFailure { reason, may_be_read_later }) => {
                    let uri = reference.uri();
                    warn!(
                        outcome = "failed",
                        uri = escape(&uri),
                        error = escape(&reason),
                        "object of a window not read"
                    );
                    if may_be_read_later {
                        retry.get_or_insert_with(|| format!("{uri}: {reason}"));
                    }
                    merged.observe_failure(uri, shortened(&reason));
                }
            }
        }
        let topology = options.pipeline.topology.clone();
        let close = move || {
            partial::close(&mut merged, topology.as_deref());
            merged
        };
        Ok(BatchAnalysis { analysis: blocking(close).await?, retry })
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
        let failed = |failure| Ok(ObjectAnalysis::Failed(failure));
        let client = &self.handler.clients.s3;
        let object = match s3::get(client, reference).await {
            Ok(object) => object,
            Err(error) if error.is_precondition_failed() => return failed(ObjectFailure::for_now(REPLACED)),
            Err(error) if error.is_missing() => return failed(ObjectFailure::for_good(DELETED)),
            Err(error) if error.is_archived() => return failed(ObjectFailure::for_now(ARCHIVED)),
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
                Some(BodyError::Replaced) => failed(ObjectFailure::for_now(REPLACED)),
                Some(BodyError::Deleted) => failed(ObjectFailure::for_good(DELETED)),
                _ => Err(ProcessingError::Object { uri, source: ObjectError::Read(error) }),
            },
            Err(error) => failed(ObjectFailure::for_good(error.to_string())),
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
        let bytes = s3::read(&self.handler.clients.s3, &self.handler.settings.output_bucket, key).await?;
        self.parse_part(key, bytes).await
    }

    async fn parse_part(&self, key: &str, bytes: Bytes) -> Result<Analysis, WindowError> {
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

/// Maximum length of the reason why an object was not read, in characters. A report may have one for each object of the window.
const MAX_REASON_CHARACTERS: usize = 400;

fn shortened(reason: &str) -> String {
    escape_truncated(reason, MAX_REASON_CHARACTERS)
}

const REPLACED: &str = "the object was replaced after the run was planned; run the window again";
const ARCHIVED: &str = "the object is archived; restore it and run the window again";
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
