//! Makes the report from the last part, and delivers it as the summary of an object is delivered.

use std::time::Instant;

use super::{WindowError, WindowRun, blocking, log_done, shared};
use crate::aggregate::Analysis;
use crate::html;
use crate::lambda::delivery::executor::{Delivery, DeliveryExecutor, ObjectOutput, RenderedSummary};
use crate::lambda::delivery::output_keys::OutputKeys;
use crate::lambda::event::RunReference;
use crate::lambda::handler::error::ProcessingError;
use crate::lambda::handler::response::HandlerResponse;
use crate::lambda::handler::{Handler, escape, progress};
use crate::lambda::settings::Alerting;
use crate::lambda::window::keys::is_manifest;
use crate::lambda::window::manifest::{Manifest, SCHEMA};
use crate::summary::build::{self, SummaryOptions};
use crate::summary::{InputIdentity, InputSource, TopologySource, WindowIdentity};

impl WindowRun<'_> {
    /// Makes the report of a run, unless it exists.
    #[expect(clippy::disallowed_methods, reason = "deliveries take the time of their start")]
    pub(super) async fn report(&self, reference: &RunReference) -> Result<HandlerResponse, WindowError> {
        let started = Instant::now();
        let manifest = self.manifest(&reference.manifest).await?;
        let identity = self.identity(&reference.manifest, &manifest);
        let prefix = &self.handler.settings.output_prefix;
        let keys = OutputKeys::for_window(prefix, &identity);
        let run = self.folder(&manifest.run)?;
        let analysis = match u32::try_from(manifest.parts.len()).ok().and_then(|levels| levels.checked_sub(1)) {
            Some(last) => self.read_part(&run.part(last, 0)).await?,
            None => Analysis::new(&self.options.pipeline.limits),
        };
        let (options, window) = (shared(self.options), identity.clone());
        let settings = SummaryOptions { covers_window: true, ..options.summary.clone() };
        let build = move || {
            let mut summary = build::build_summary(analysis, &settings, options.pipeline.topology.as_deref());
            summary.topology = options.snapshot.map(|id| TopologySource { snapshot: id.to_string() });
            summary.sources = by_shape(std::mem::take(&mut summary.sources), &window);
            let page = html::render(&summary);
            (RenderedSummary::new(summary), page)
        };
        let (rendered, page) = blocking(build).await?;
        self.put_page(&keys, page).await?;
        self.handler.logged_expiries.log(&self.options.summary.exceptions, &rendered.summary);
        let progress = progress::of_window(&identity, &rendered.summary);
        let output = ObjectOutput::Summary(Box::new(rendered));
        let identity = InputIdentity::Window(identity);
        let delivery = Delivery {
            clients: &self.handler.clients,
            settings: &self.handler.settings,
            identity: &identity,
            keys: &keys,
            output: &output,
            selection: self.handler.settings.alerts.as_ref().map(Alerting::of_windows),
            started,
            deadline: self.invocation.deadline,
        };
        DeliveryExecutor::new(delivery).deliver().await?;
        let Handler { clients, settings, known_progress, .. } = self.handler;
        // The report is complete: without time, the next one notes it.
        self.invocation.deadline.with_deadline(known_progress.note(&clients.s3, settings, progress)).await;
        log_done("report", "reported", &keys.summary);
        Ok(HandlerResponse::Done)
    }

    /// Stores the page. It comes before the summary, because alerts link to it. All attempts make the same page: the identity has the
    /// objects, the topology, the configuration and the version of the program.
    async fn put_page(&self, keys: &OutputKeys, page: String) -> Result<(), WindowError> {
        let Some(key) = &keys.page else { return Ok(()) };
        let put = self.put(key, html::CONTENT_TYPE, page);
        let stored = self.invocation.deadline.with_deadline(put).await;
        stored.unwrap_or(Err(WindowError::Failed(ProcessingError::OutOfTime))).map(|_| ())
    }

    /// Checks that a key of an event may be that of a manifest.
    pub(super) fn check_manifest(&self, key: &str) -> Result<(), WindowError> {
        let is_valid = is_manifest(&self.handler.settings.output_prefix, key);
        let invalid = || WindowError::Invalid(format!("{} is not the key of a manifest", escape(key)));
        if is_valid { Ok(()) } else { Err(invalid()) }
    }

    async fn manifest(&self, key: &str) -> Result<Manifest, WindowError> {
        self.check_manifest(key)?;
        let manifest: Manifest = self.read_json(key).await?;
        if manifest.schema != SCHEMA {
            let uri = self.output_uri(key);
            return Err(WindowError::Invalid(format!("{uri} has schema {}, not {SCHEMA}", escape(&manifest.schema))));
        }
        Ok(manifest)
    }

    fn identity(&self, key: &str, manifest: &Manifest) -> WindowIdentity {
        let Manifest { name, from, to, revision, inputs, objects, .. } = manifest.clone();
        WindowIdentity { name, from, to, revision, inputs, objects, manifest: self.output_uri(key) }
    }
}

/// Replaces the sources by one for each shape, so that a report does not grow with the number of its objects: the manifest leads to their
/// list. There is at least one.
fn by_shape(sources: Vec<InputSource>, window: &WindowIdentity) -> Vec<InputSource> {
    let empty = |shape| InputSource {
        uri: window.manifest.clone(),
        shape,
        compressed_bytes: 0,
        bytes: 0,
        records: 0,
        object: None,
        log_events: None,
        window: Some(window.clone()),
    };
    let mut merged: Vec<InputSource> = Vec::new();
    for source in sources {
        let index = merged.iter().position(|it| it.shape == source.shape).unwrap_or_else(|| {
            merged.push(empty(source.shape));
            merged.len() - 1
        });
        if let Some(sum) = merged.get_mut(index) {
            sum.compressed_bytes = sum.compressed_bytes.saturating_add(source.compressed_bytes);
            sum.bytes = sum.bytes.saturating_add(source.bytes);
            sum.records = sum.records.saturating_add(source.records);
        }
    }
    if merged.is_empty() { vec![empty(crate::input::shape::Shape::Text)] } else { merged }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::shape::Shape;

    fn window() -> WindowIdentity {
        WindowIdentity {
            name: "daily".into(),
            from: "2026-11-28T00:00:00Z".into(),
            to: "2026-11-29T00:00:00Z".into(),
            revision: 1,
            inputs: "0".repeat(64),
            objects: 3,
            manifest: "s3://out/manifest.json".into(),
        }
    }

    fn source(shape: Shape, compressed_bytes: u64, bytes: u64, records: u64) -> InputSource {
        let uri = "s3://logs/a.log.gz".into();
        InputSource { uri, shape, compressed_bytes, bytes, records, object: None, log_events: None, window: None }
    }

    #[test]
    fn sources_of_a_shape_have_sums_that_saturate() {
        let sources = vec![
            source(Shape::Text, 1, u64::MAX - 1, 10),
            source(Shape::Parquet, 7, 70, 700),
            source(Shape::Text, u64::MAX, 2, 20),
        ];
        let expected = [(Shape::Text, u64::MAX, u64::MAX, 30), (Shape::Parquet, 7, 70, 700)].map(
            |(shape, compressed_bytes, bytes, records)| InputSource {
                uri: "s3://out/manifest.json".into(),
                window: Some(window()),
                ..source(shape, compressed_bytes, bytes, records)
            },
        );
        assert_eq!(by_shape(sources, &window()), expected);
    }

    #[test]
    fn a_window_without_objects_has_one_empty_source() {
        let sources = by_shape(Vec::new(), &window());
        let source = sources.first().expect("a source");
        assert_eq!((sources.len(), source.shape, source.records), (1, Shape::Text, 0));
        assert_eq!(source.window, Some(window()));
    }
}
