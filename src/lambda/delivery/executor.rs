//! Executes the actions of a delivery: calls S3 and EventBridge, and writes metrics.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use tokio::task;
use uuid::Uuid;

use crate::lambda::aws::Clients;
use crate::lambda::aws::eventbridge;
use crate::lambda::aws::s3::{self, Kind, Output, PutOutcome};
use crate::lambda::delivery::alerts::stored::{self, Selection};
use crate::lambda::delivery::alerts::{self, Alert, Notification};
use crate::lambda::delivery::notify::{self, Claims, MAX_REMEMBERED, Notifier};
use crate::lambda::delivery::output_keys::OutputKeys;
use crate::lambda::delivery::records;
use crate::lambda::delivery::state::{
    Action, ActionOutcome, Completion, DeliveryState, ObjectResult, PendingOutputs, Step,
};
use crate::lambda::handler::deadline::Deadline;
use crate::lambda::handler::error::ProcessingError;
use crate::lambda::logging::write_metrics;
use crate::lambda::metrics;
use crate::lambda::settings::{OnPermanentFailure, Settings};
use crate::summary::json;
use crate::summary::{InputIdentity, Summary};

/// Metadata of findings and receipts: the token of their summary.
const SUMMARY_TOKEN: &str = "flowsentry-summary";
/// Metadata of a summary or quarantine receipt: the token of the delivery that stored it.
const TOKEN: &str = "flowsentry-token";
/// Metadata of a summary: the number of its findings.
const FINDINGS: &str = "flowsentry-findings";
/// Metadata of a summary: the number of its alerts.
const ALERTS: &str = "flowsentry-alerts";

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// Minimum remaining time to start storing a summary, so that the same invocation can emit its metrics.
const MIN_STORE_TIME: Duration = Duration::from_secs(1);

/// The result of analyzing an object, ready to be delivered.
pub(crate) enum ObjectOutput {
    /// The object was read to its end.
    Summary(Box<RenderedSummary>),
    /// The object can never be read.
    Quarantine {
        /// Stable error code.
        code: &'static str,
        /// The problem, its position and the remedy.
        message: String,
    },
}

/// A summary with its JSON.
pub(crate) struct RenderedSummary {
    pub(crate) summary: Summary,
    summary_bytes: Bytes,
    findings_bytes: Bytes,
}

impl RenderedSummary {
    /// Renders a summary. Large ones take long, so call it on a thread that may block.
    pub(crate) fn new(summary: Summary) -> RenderedSummary {
        let summary_bytes = json::render(&summary).into();
        let findings_bytes = json::render_findings(&summary.findings).into();
        RenderedSummary { summary, summary_bytes, findings_bytes }
    }
}

/// The inputs of one delivery.
pub(crate) struct Delivery<'a> {
    pub(crate) clients: &'a Clients,
    pub(crate) settings: &'a Settings,
    pub(crate) identity: &'a InputIdentity,
    pub(crate) keys: &'a OutputKeys,
    pub(crate) output: &'a ObjectOutput,
    /// Which findings are sent, if there is an event bus.
    pub(crate) selection: Option<Selection>,
    /// When the object was requested.
    pub(crate) started: Instant,
    pub(crate) deadline: Deadline,
}

/// One delivery of an object's outputs.
pub(crate) struct DeliveryExecutor<'a> {
    delivery: Delivery<'a>,
    /// Unique to this delivery: it marks the objects that this delivery stored.
    token: String,
    /// Token of the delivery that stored the summary, if known.
    summary_token: Option<String>,
    /// Findings of the stored summary, as lines of JSON.
    findings: Bytes,
    /// The ids of the alerts of the stored summary, once they are sent.
    alerts: Vec<String>,
}

impl<'a> DeliveryExecutor<'a> {
    /// Prepares a delivery.
    pub(crate) fn new(delivery: Delivery<'a>) -> DeliveryExecutor<'a> {
        let findings = match delivery.output {
            ObjectOutput::Summary(rendered) => rendered.findings_bytes.clone(),
            ObjectOutput::Quarantine { .. } => Bytes::new(),
        };
        let token = Uuid::new_v4().to_string();
        let summary_token = Some(token.clone());
        DeliveryExecutor { delivery, token, summary_token, findings, alerts: Vec::new() }
    }

    /// Executes one action after another until the delivery is complete.
    ///
    /// # Errors
    /// If an action fails; the following actions are not executed.
    pub(crate) async fn deliver(mut self) -> Result<Completion, ProcessingError> {
        let (mut state, mut action) = DeliveryState::start(self.result());
        loop {
            let outcome = self.execute_before_deadline(action).await?;
            match state.advance(outcome) {
                Step::Execute(next) => action = next,
                Step::Complete(Completion::Conflict) => {
                    return Err(ProcessingError::Conflict { key: self.delivery.keys.summary.clone() });
                }
                Step::Complete(completion) => return Ok(completion),
            }
        }
    }

    /// Executes an action within the time left. Storing a summary gets some grace time, because only the delivery that
    /// stored it emits its metrics.
    async fn execute_before_deadline(&mut self, action: Action) -> Result<ActionOutcome, ProcessingError> {
        let deadline = self.delivery.deadline;
        let outcome = match action {
            Action::PutSummary if deadline.remaining_with_grace() < MIN_STORE_TIME => None,
            Action::PutSummary | Action::HeadSummary => deadline.with_grace(self.execute(action)).await,
            _ => deadline.with_deadline(self.execute(action)).await,
        };
        outcome.unwrap_or(Err(ProcessingError::OutOfTime))
    }

    fn result(&self) -> ObjectResult {
        match self.delivery.output {
            ObjectOutput::Summary(rendered) => {
                let summary = &rendered.summary;
                let (findings, alerts) = (!summary.findings.is_empty(), self.alert_count(summary) > 0);
                ObjectResult::Summary(PendingOutputs { findings, alerts })
            }
            ObjectOutput::Quarantine { .. } => ObjectResult::Quarantine,
        }
    }

    fn alert_count(&self, summary: &Summary) -> usize {
        self.delivery.selection.map_or(0, |selection| alerts::count(&summary.findings, selection))
    }

    async fn execute(&mut self, action: Action) -> Result<ActionOutcome, ProcessingError> {
        match action {
            Action::PutSummary => self.put_summary().await,
            Action::HeadSummary => self.head_summary().await,
            Action::EmitMetrics => Ok(self.emit_metrics()),
            Action::PutFindings => {
                self.put_linked(Kind::Findings, &self.delivery.keys.findings, NDJSON, self.findings.clone()).await
            }
            Action::HeadFindings => self.head_linked(&self.delivery.keys.findings).await,
            Action::HeadReceipt => self.head_linked(&self.delivery.keys.receipt).await,
            Action::ReadSummary => self.read_summary().await,
            Action::SendAlerts => self.send_alerts().await,
            Action::PutReceipt => {
                self.put_linked(Kind::Receipt, &self.delivery.keys.receipt, JSON, self.receipt()).await
            }
            Action::PutQuarantine => self.put_quarantine().await,
            Action::HeadQuarantine => self.head_quarantine().await,
            Action::EmitQuarantineMetrics => Ok(self.emit_quarantine_metrics()),
        }
    }

    async fn put_summary(&self) -> Result<ActionOutcome, ProcessingError> {
        let ObjectOutput::Summary(rendered) = self.delivery.output else { return Ok(ActionOutcome::Missing) };
        let RenderedSummary { summary, summary_bytes, .. } = &**rendered;
        let metadata = vec![
            (TOKEN, self.token.clone()),
            (FINDINGS, summary.findings.len().to_string()),
            (ALERTS, self.alert_count(summary).to_string()),
        ];
        self.put(Kind::Summary, &self.delivery.keys.summary, JSON, metadata, summary_bytes.clone()).await
    }

    async fn put_quarantine(&self) -> Result<ActionOutcome, ProcessingError> {
        let ObjectOutput::Quarantine { code, message } = self.delivery.output else {
            return Ok(ActionOutcome::Missing);
        };
        if self.delivery.settings.on_permanent_failure == OnPermanentFailure::Fail {
            return Err(ProcessingError::Permanent { uri: self.uri(), code, message: message.clone() });
        }
        let receipt = records::Quarantine {
            uri: &self.uri(),
            version_id: self.delivery.identity.version_id(),
            etag: self.delivery.identity.etag(),
            error: code,
            message,
        };
        let metadata = vec![(TOKEN, self.token.clone())];
        self.put(
            Kind::Quarantine,
            &self.delivery.keys.quarantine,
            JSON,
            metadata,
            records::render_quarantine(&receipt).into(),
        )
        .await
    }

    /// Stores an output that belongs to the summary. If it exists, checks that it belongs to the same summary.
    async fn put_linked(
        &self,
        kind: Kind,
        key: &str,
        content_type: &'static str,
        bytes: Bytes,
    ) -> Result<ActionOutcome, ProcessingError> {
        let token = self.summary_token.clone().unwrap_or_default();
        match self.put(kind, key, content_type, vec![(SUMMARY_TOKEN, token)], bytes).await? {
            ActionOutcome::Exists => self.head_linked(key).await,
            outcome => Ok(outcome),
        }
    }

    async fn put(
        &self,
        kind: Kind,
        key: &str,
        content_type: &'static str,
        metadata: Vec<(&'static str, String)>,
        bytes: Bytes,
    ) -> Result<ActionOutcome, ProcessingError> {
        let settings = self.delivery.settings;
        let (bucket, kms_key_arn) = (settings.output_bucket.as_str(), settings.output_kms_key_arn.as_deref());
        let kind = kind.name();
        let output = Output { bucket, key, kms_key_arn, kind, content_type, metadata, bytes };
        Ok(match s3::put_if_absent(&self.delivery.clients.s3, &output).await? {
            PutOutcome::Stored => ActionOutcome::Done,
            PutOutcome::Exists => ActionOutcome::Exists,
        })
    }

    async fn head(&self, key: &str) -> Result<Option<HashMap<String, String>>, ProcessingError> {
        let Delivery { clients, settings, .. } = self.delivery;
        Ok(s3::head_object(&clients.s3, &settings.output_bucket, key).await?)
    }

    async fn head_summary(&mut self) -> Result<ActionOutcome, ProcessingError> {
        let Some(metadata) = self.head(&self.delivery.keys.summary).await? else { return Ok(ActionOutcome::Missing) };
        self.summary_token = metadata.get(TOKEN).cloned();
        let is_ours = self.summary_token.as_ref() == Some(&self.token);
        Ok(if is_ours { ActionOutcome::Ours } else { ActionOutcome::Theirs(self.pending_outputs(&metadata)) })
    }

    /// Checks whether an output of the summary exists. If an operator removed only the summary, the output may belong to
    /// the removed one, which is an error.
    async fn head_linked(&self, key: &str) -> Result<ActionOutcome, ProcessingError> {
        let Some(metadata) = self.head(key).await? else { return Ok(ActionOutcome::Missing) };
        match (&self.summary_token, metadata.get(SUMMARY_TOKEN)) {
            (Some(expected), Some(actual)) if expected != actual => {
                Err(ProcessingError::SummaryMismatch { key: key.to_owned() })
            }
            _ => Ok(ActionOutcome::Theirs(PendingOutputs::NONE)),
        }
    }

    async fn head_quarantine(&self) -> Result<ActionOutcome, ProcessingError> {
        Ok(match self.head(&self.delivery.keys.quarantine).await? {
            None => ActionOutcome::Missing,
            Some(metadata) if metadata.get(TOKEN) == Some(&self.token) => ActionOutcome::Ours,
            Some(_) => ActionOutcome::Theirs(PendingOutputs::NONE),
        })
    }

    /// Returns the outputs that a summary of another delivery needs. Without metadata, as after a copy, it may need all of
    /// them: outputs that exist are not stored again.
    fn pending_outputs(&self, metadata: &HashMap<String, String>) -> PendingOutputs {
        let has_some = |name: &str| metadata.get(name).is_none_or(|count| count != "0");
        let alerts = has_some(ALERTS) && self.delivery.selection.is_some();
        PendingOutputs { findings: has_some(FINDINGS), alerts }
    }

    /// Reads the stored summary. It must be valid to its end before anything is derived from it.
    async fn read_summary(&mut self) -> Result<ActionOutcome, ProcessingError> {
        let Delivery { clients, settings, identity, keys, selection, .. } = self.delivery;
        let summary = s3::read(&clients.s3, &settings.output_bucket, &keys.summary).await?;
        let identity = identity.clone();
        let parse = move || {
            let findings = records::stored_findings(&summary, &identity)?;
            let alerts = selection.map_or(Ok(0), |selection| alerts::count_stored(&findings, selection))?;
            Ok((Bytes::from(findings), alerts))
        };
        let not_a_summary = |source| ProcessingError::NotASummary { key: keys.summary.clone(), source };
        let (findings, alerts) = task::spawn_blocking(parse).await?.map_err(not_a_summary)?;
        let pending = PendingOutputs { findings: !findings.is_empty(), alerts: alerts > 0 };
        self.findings = findings;
        Ok(ActionOutcome::Theirs(pending))
    }

    async fn send_alerts(&mut self) -> Result<ActionOutcome, ProcessingError> {
        let Delivery { clients, settings, keys, selection, .. } = self.delivery;
        let (Some(alerting), Some(selection)) = (&settings.alerts, selection) else { return Ok(ActionOutcome::Done) };
        let findings = self.findings.clone();
        let select = move || stored::select(&findings, selection);
        let not_a_summary = |source| ProcessingError::NotASummary { key: keys.summary.clone(), source };
        let mut selected = task::spawn_blocking(select).await?.map_err(|error| not_a_summary(error.into()))?;
        let suppressed: Vec<_> = selected.extract_if(.., |finding| finding.is_suppressed()).collect();
        let notifier = self.notifier(alerting.repeat_hours);
        if let Some(notifier) = &notifier {
            notifier.refresh(suppressed).await?;
        }
        let mut others = Vec::new();
        let Claims { mut notifications, sent } = match &notifier {
            Some(notifier) => {
                others = selected.split_off(selected.len().min(MAX_REMEMBERED));
                notifier.claim(selected).await?
            }
            None => Claims { notifications: selected.into_iter().map(without_memory).collect(), sent: Vec::new() },
        };
        let alerts = self.render(&mut notifications, others).await?;
        eventbridge::send(&clients.events, &alerting.event_bus, &alerts).await?;
        if let Some(notifier) = notifier {
            notifier.confirm(&notifications).await?;
        }
        self.alerts = sent.into_iter().chain(alerts.into_iter().map(|alert| alert.id)).collect();
        Ok(ActionOutcome::Done)
    }

    fn notifier(&self, repeat_hours: u32) -> Option<Notifier<'_>> {
        let Delivery { clients, settings, keys, .. } = self.delivery;
        let token = &self.token;
        (repeat_hours > 0).then_some(Notifier { s3: &clients.s3, settings, keys, token, repeat_hours })
    }

    /// Renders the alerts, on a thread that may block: each may be large. Leaves the notifications in place.
    async fn render(
        &self,
        notifications: &mut Vec<Notification>,
        others: Vec<stored::StoredFinding>,
    ) -> Result<Vec<Alert>, ProcessingError> {
        let Delivery { settings, identity, keys, .. } = self.delivery;
        let (identity, keys, taken) = (identity.clone(), keys.clone(), std::mem::take(notifications));
        let (output_bucket, region) = (settings.output_bucket.clone(), settings.region.clone());
        let render = move || {
            let context = alerts::Context {
                identity: &identity,
                keys: &keys,
                output_bucket: &output_bucket,
                console_region: region.as_deref(),
                now_ms: notify::now().saturating_mul(1000),
            };
            (alerts::render(&taken, &others, &context), taken)
        };
        let (alerts, taken) = task::spawn_blocking(render).await?;
        *notifications = taken;
        Ok(alerts)
    }

    fn receipt(&self) -> Bytes {
        let alerts: Vec<&str> = self.alerts.iter().map(String::as_str).collect();
        let receipt = records::Receipt {
            uri: &self.uri(),
            version_id: self.delivery.identity.version_id(),
            etag: self.delivery.identity.etag(),
            alerts: &alerts,
        };
        records::render_receipt(&receipt).into()
    }

    #[expect(clippy::disallowed_methods, reason = "the metrics contain the delay of the data")]
    fn emit_metrics(&self) -> ActionOutcome {
        let Delivery { settings, identity, output, started, .. } = self.delivery;
        if let ObjectOutput::Summary(rendered) = output {
            let (namespace, now) = (&settings.metrics_namespace, SystemTime::now());
            let (summary, duration) = (&rendered.summary, started.elapsed());
            write_metrics(&match identity {
                InputIdentity::Object(_) | InputIdentity::LogEvents(_) => {
                    metrics::processed(namespace, summary, duration, now)
                }
                InputIdentity::Window(window) => metrics::window_reported(namespace, &window.name, summary, now),
            });
        }
        ActionOutcome::Done
    }

    #[expect(clippy::disallowed_methods, reason = "the metrics contain the time of the quarantine")]
    fn emit_quarantine_metrics(&self) -> ActionOutcome {
        if let ObjectOutput::Quarantine { code, .. } = self.delivery.output {
            write_metrics(&metrics::quarantined(&self.delivery.settings.metrics_namespace, code, SystemTime::now()));
        }
        ActionOutcome::Done
    }

    fn uri(&self) -> String {
        self.delivery.identity.uri()
    }
}

fn without_memory(finding: stored::StoredFinding) -> Notification {
    Notification { finding, memory: None }
}
