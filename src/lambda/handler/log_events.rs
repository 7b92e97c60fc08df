//! Processes log events of CloudWatch Logs: analyzes the content of the event and delivers its outputs.
//!
//! The outputs and their promises are those of an object. Only the identity differs, and there is nothing to download.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Instant;

use tokio::task;

use super::error::ProcessingError;
use super::object::{Ignored, ObjectProcessor, Outcome, summarize};
use super::options::AnalysisOptions;
use crate::lambda::delivery::executor::ObjectOutput;
use crate::lambda::delivery::output_keys::OutputKeys;
use crate::lambda::event::LogEvents;
use crate::summary::{InputIdentity, LogEventsIdentity};

impl ObjectProcessor<'_> {
    /// Returns why log events must not be processed.
    pub(super) fn ignore_reason_of_log_events(&self, identity: &LogEventsIdentity) -> Option<Ignored> {
        let allowed = &self.settings.allowed_sources;
        let is_allowed = allowed.is_empty() || allowed.iter().any(|source| source.has_log_events(identity));
        (!is_allowed).then_some(Ignored::NotAllowed)
    }

    /// Analyzes log events and delivers their outputs.
    ///
    /// # Errors
    /// If a step fails or there is not enough time.
    #[expect(clippy::disallowed_methods, reason = "measures the duration for metrics; outputs don't contain it")]
    pub(super) async fn process_log_events(
        &self,
        events: LogEvents,
        options: &AnalysisOptions,
    ) -> Result<Outcome, ProcessingError> {
        let started = Instant::now();
        let LogEvents { identity, timestamp_ms, data } = events;
        let (prefix, region) = (&self.settings.output_prefix, self.settings.region.as_deref());
        let keys = OutputKeys::for_log_events(prefix, &identity, region, timestamp_ms);
        let identity = InputIdentity::LogEvents(identity);
        let analysis = self.analyze_log_events(identity.clone(), data, options.clone());
        let output = self.deadline.with_deadline(analysis).await.unwrap_or(Err(ProcessingError::OutOfTime))?;
        self.deliver(&identity, keys, output, started, options).await
    }

    /// Analyzes the data on a thread that may block. An event is small, so an analysis without enough time is not stopped; the
    /// permit makes the next one wait for it.
    async fn analyze_log_events(
        &self,
        identity: InputIdentity,
        data: Vec<u8>,
        options: AnalysisOptions,
    ) -> Result<ObjectOutput, ProcessingError> {
        let permit = Arc::clone(self.analyses).acquire_owned().await;
        let uri = identity.uri();
        let work_uri = uri.clone();
        let work = move || {
            let _permit = permit;
            summarize(&work_uri, identity, Cursor::new(data), &options)
        };
        match task::spawn_blocking(work).await? {
            Ok(output) => Ok(output),
            Err(error) => ObjectOutput::from_error(uri, error),
        }
    }
}
