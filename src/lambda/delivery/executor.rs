//! Makes the calls that a delivery asks for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use tokio::task;
use uuid::Uuid;

use crate::findings::types::Severity;
use crate::lambda::aws::Clients;
use crate::lambda::aws::eventbridge;
use crate::lambda::aws::s3::{self, Kind, Output, PutOutcome};
use crate::lambda::delivery::alerts::{self, Alert};
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
use crate::summary::{ObjectIdentity, Summary};

/// Metadata of what belongs to a summary: the token of that summary.
const SUMMARY_TOKEN: &str = "flowsentry-summary";
/// Metadata of a summary: who stored it, and how many findings and alerts it asks for.
const TOKEN: &str = "flowsentry-token";
const FINDINGS: &str = "flowsentry-findings";
const ALERTS: &str = "flowsentry-alerts";

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// A summary is not begun to be stored with less time left: whoever stores it should live to tell its metrics.
const MIN_STORE_TIME: Duration = Duration::from_secs(1);

/// What an object came to.
pub(in crate::lambda) enum ObjectOutput {
    /// It was read whole.
    Summary(Box<RenderedSummary>),
    /// It can never be read.
    Quarantine {
        /// A code that stays.
        code: &'static str,
        /// What is wrong, where, and what to do.
        message: String,
    },
}

/// A summary, ready to be stored.
pub(in crate::lambda) struct RenderedSummary {
    pub summary: Summary,
    summary_bytes: Bytes,
    findings_bytes: Bytes,
}

impl RenderedSummary {
    /// Large ones take their time.
    pub(in crate::lambda) fn of(summary: Summary) -> RenderedSummary {
        let (summary_bytes, findings_bytes) =
            (json::render(&summary).into(), json::render_findings(&summary.findings).into());
        RenderedSummary { summary, summary_bytes, findings_bytes }
    }
}

/// One delivery of what an object came to.
pub(in crate::lambda) struct DeliveryExecutor<'a> {
    clients: &'a Clients,
    settings: &'a Settings,
    object: &'a ObjectIdentity,
    keys: &'a OutputKeys,
    product: &'a ObjectOutput,
    /// When the object was asked for.
    started: Instant,
    deadline: Deadline,
    /// No other delivery has it: by it this one knows what it stored.
    token: String,
    /// That of the delivery which stored the summary, if that is known.
    token_of_summary: Option<String>,
    /// Findings of the stored summary, as lines of JSON.
    findings: Bytes,
    /// Its alerts, once they are made.
    alerts: Vec<Alert>,
}

impl<'a> DeliveryExecutor<'a> {
    pub(in crate::lambda) fn new(
        clients: &'a Clients,
        settings: &'a Arc<Settings>,
        (object, keys): (&'a ObjectIdentity, &'a OutputKeys),
        product: &'a ObjectOutput,
        started: Instant,
        deadline: Deadline,
    ) -> DeliveryExecutor<'a> {
        let findings = match product {
            ObjectOutput::Summary(rendered) => rendered.findings_bytes.clone(),
            ObjectOutput::Quarantine { .. } => Bytes::new(),
        };
        let token = Uuid::new_v4().to_string();
        let (token_of_summary, alerts) = (Some(token.clone()), Vec::new());
        DeliveryExecutor {
            clients,
            settings,
            object,
            keys,
            product,
            started,
            deadline,
            token,
            token_of_summary,
            findings,
            alerts,
        }
    }

    /// Makes one call after another until nothing is left to do.
    ///
    /// # Errors
    /// As soon as a call fails.
    pub(in crate::lambda) async fn deliver(mut self) -> Result<Completion, ProcessingError> {
        let (mut delivery, mut call) = DeliveryState::start(self.verdict());
        loop {
            let answer = self.execute_before_deadline(call).await?;
            match delivery.answered(answer) {
                Step::Ask(next) => call = next,
                Step::Completion(Completion::Conflict) => {
                    return Err(ProcessingError::Conflict { key: self.keys.summary.clone() });
                }
                Step::Completion(end) => return Ok(end),
            }
        }
    }

    /// Between the summary and its metrics nothing should be cut off: nobody else would tell them.
    async fn execute_before_deadline(&mut self, call: Action) -> Result<ActionOutcome, ProcessingError> {
        let deadline = self.deadline;
        let answer = match call {
            Action::PutSummary if deadline.remaining_with_grace() < MIN_STORE_TIME => None,
            Action::PutSummary | Action::HeadSummary => deadline.with_grace(self.make(call)).await,
            _ => deadline.bound(self.make(call)).await,
        };
        answer.unwrap_or(Err(ProcessingError::OutOfTime))
    }

    fn verdict(&self) -> ObjectResult {
        match self.product {
            ObjectOutput::Summary(rendered) => {
                let RenderedSummary { summary, .. } = &**rendered;
                let (findings, alerts) = (summary.findings.len(), self.alerts_of(summary));
                ObjectResult::Summary(PendingOutputs { findings: findings > 0, alerts: alerts > 0 })
            }
            ObjectOutput::Quarantine { .. } => ObjectResult::Quarantine,
        }
    }

    fn alerts_of(&self, summary: &Summary) -> usize {
        self.settings.alerts.as_ref().map_or(0, |alerts| alerts::count(&summary.findings, alerts.min_severity))
    }

    async fn make(&mut self, call: Action) -> Result<ActionOutcome, ProcessingError> {
        match call {
            Action::PutSummary => self.put_summary().await,
            Action::HeadSummary => self.look_at_summary().await,
            Action::EmitMetrics => Ok(self.emit_metrics()),
            Action::PutFindings => self.put_linked(Kind::Findings, NDJSON, self.findings.clone()).await,
            Action::LookAtFindings => self.head_linked(&self.keys.findings).await,
            Action::LookAtReceipt => self.head_linked(&self.keys.receipt).await,
            Action::ReadSummary => self.read_summary().await,
            Action::SendAlerts => self.send_alerts().await,
            Action::PutReceipt => self.put_linked(Kind::Receipt, JSON, self.receipt()).await,
            Action::PutQuarantine => self.put_quarantine().await,
            Action::LookAtQuarantine => self.look(&self.keys.quarantine).await,
            Action::EmitQuarantineMetrics => Ok(self.tell_quarantined()),
        }
    }

    async fn put_summary(&self) -> Result<ActionOutcome, ProcessingError> {
        let ObjectOutput::Summary(rendered) = self.product else { return Ok(ActionOutcome::Missing) };
        let RenderedSummary { summary, summary_bytes, .. } = &**rendered;
        let metadata = vec![
            (TOKEN, self.token.clone()),
            (FINDINGS, summary.findings.len().to_string()),
            (ALERTS, self.alerts_of(summary).to_string()),
        ];
        let output = Output {
            bucket: &self.settings.output_bucket,
            key: &self.keys.summary,
            kind: Kind::Summary,
            content_type: JSON,
            metadata,
            bytes: summary_bytes.clone(),
        };
        Ok(answer(s3::put_if_absent(&self.clients.s3, &output).await?))
    }

    async fn put_quarantine(&self) -> Result<ActionOutcome, ProcessingError> {
        let ObjectOutput::Quarantine { code, message } = self.product else { return Ok(ActionOutcome::Missing) };
        if self.settings.on_permanent_failure == OnPermanentFailure::Fail {
            return Err(ProcessingError::Permanent { uri: self.uri(), code, message: message.clone() });
        }
        let receipt = records::Quarantine {
            uri: &self.uri(),
            version_id: self.object.version_id.as_deref(),
            etag: self.object.etag.as_deref(),
            error: code,
            message,
        };
        let (key, bytes) = (&self.keys.quarantine, records::render_quarantine(&receipt).into());
        let metadata = vec![(TOKEN, self.token.clone())];
        self.put(key, Kind::Quarantine, JSON, metadata, bytes).await
    }

    /// Stores what belongs to the summary. What is there already must belong to it too.
    async fn put_linked(
        &self,
        kind: Kind,
        content_type: &'static str,
        bytes: Bytes,
    ) -> Result<ActionOutcome, ProcessingError> {
        let key = if kind == Kind::Findings { &self.keys.findings } else { &self.keys.receipt };
        let token = self.token_of_summary.clone().unwrap_or_default();
        match self.put(key, kind, content_type, vec![(SUMMARY_TOKEN, token)], bytes).await? {
            ActionOutcome::Exists => self.head_linked(key).await,
            answer => Ok(answer),
        }
    }

    async fn put(
        &self,
        key: &str,
        kind: Kind,
        content_type: &'static str,
        metadata: Vec<(&'static str, String)>,
        bytes: Bytes,
    ) -> Result<ActionOutcome, ProcessingError> {
        let bucket = &self.settings.output_bucket;
        Ok(answer(
            s3::put_if_absent(&self.clients.s3, &Output { bucket, key, kind, content_type, metadata, bytes }).await?,
        ))
    }

    async fn look_at_summary(&mut self) -> Result<ActionOutcome, ProcessingError> {
        let metadata = s3::look(&self.clients.s3, &self.settings.output_bucket, &self.keys.summary).await?;
        let Some(metadata) = metadata else { return Ok(ActionOutcome::Missing) };
        self.token_of_summary = metadata.get(TOKEN).cloned();
        let ours = self.token_of_summary.as_ref() == Some(&self.token);
        Ok(if ours { ActionOutcome::Ours } else { ActionOutcome::Theirs(self.work(&metadata)) })
    }

    /// Looks at what belongs to the summary, if it does. Somebody may have removed the summary alone: then it is of the
    /// one before, and must not pass for this one's.
    async fn head_linked(&self, key: &str) -> Result<ActionOutcome, ProcessingError> {
        let metadata = s3::look(&self.clients.s3, &self.settings.output_bucket, key).await?;
        let Some(metadata) = metadata else { return Ok(ActionOutcome::Missing) };
        match (&self.token_of_summary, metadata.get(SUMMARY_TOKEN)) {
            (Some(ours), Some(its)) if ours != its => Err(ProcessingError::SummaryMismatch { key: key.to_owned() }),
            _ => Ok(ActionOutcome::Theirs(PendingOutputs { findings: false, alerts: false })),
        }
    }

    async fn look(&self, key: &str) -> Result<ActionOutcome, ProcessingError> {
        let metadata = s3::look(&self.clients.s3, &self.settings.output_bucket, key).await?;
        Ok(match metadata {
            None => ActionOutcome::Missing,
            Some(metadata) if metadata.get(TOKEN) == Some(&self.token) => ActionOutcome::Ours,
            Some(_) => ActionOutcome::Theirs(PendingOutputs { findings: false, alerts: false }),
        })
    }

    /// What a summary asks for that another delivery stored. One that does not say, as somebody copied it there, is
    /// taken to ask for everything: what is done already is not done twice.
    fn work(&self, metadata: &HashMap<String, String>) -> PendingOutputs {
        let any = |name: &str| metadata.get(name).is_none_or(|count| count != "0");
        let alerts = any(ALERTS) && self.settings.alerts.is_some();
        PendingOutputs { findings: any(FINDINGS), alerts }
    }

    /// Nothing is made of a summary that is not understood to its end.
    async fn read_summary(&mut self) -> Result<ActionOutcome, ProcessingError> {
        let (bucket, key) = (&self.settings.output_bucket, &self.keys.summary);
        let summary = s3::read(&self.clients.s3, bucket, key).await?;
        let min_severity = self.settings.alerts.as_ref().map(|alerts| alerts.min_severity);
        let object = self.object.clone();
        let read = move || {
            let findings = records::stored_findings(&summary, &object)?;
            let alerts = alerts::count_stored(&findings, min_severity.unwrap_or(Severity::High))?;
            Ok((Bytes::from(findings), alerts))
        };
        let not_a_summary = |source| ProcessingError::NotASummary { key: key.clone(), source };
        let (findings, alerts) = task::spawn_blocking(read).await?.map_err(not_a_summary)?;
        let work = PendingOutputs { findings: !findings.is_empty(), alerts: alerts > 0 && min_severity.is_some() };
        self.findings = findings;
        Ok(ActionOutcome::Theirs(work))
    }

    async fn send_alerts(&mut self) -> Result<ActionOutcome, ProcessingError> {
        let Some(alerting) = &self.settings.alerts else { return Ok(ActionOutcome::Done) };
        let (object, keys, findings) = (self.object.clone(), self.keys.clone(), self.findings.clone());
        let (output_bucket, min_severity) = (self.settings.output_bucket.clone(), alerting.min_severity);
        let render = move || {
            let (object, keys, output_bucket) = (&object, &keys, &output_bucket);
            alerts::render(&findings, &alerts::Context { object, keys, output_bucket, min_severity, now_ms: now_ms() })
        };
        let not_a_summary = |source| ProcessingError::NotASummary { key: self.keys.summary.clone(), source };
        let alerts = task::spawn_blocking(render).await?.map_err(|error| not_a_summary(error.into()))?;
        eventbridge::send(&self.clients.events, &alerting.event_bus, &alerts).await?;
        self.alerts = alerts;
        Ok(ActionOutcome::Done)
    }

    fn receipt(&self) -> Bytes {
        let alerts: Vec<&str> = self.alerts.iter().map(|alert| alert.id.as_str()).collect();
        let receipt = records::Receipt {
            uri: &self.uri(),
            version_id: self.object.version_id.as_deref(),
            etag: self.object.etag.as_deref(),
            alerts: &alerts,
        };
        records::render_receipt(&receipt).into()
    }

    #[expect(clippy::disallowed_methods, reason = "metrics tell how late the data is")]
    fn emit_metrics(&self) -> ActionOutcome {
        if let ObjectOutput::Summary(rendered) = self.product {
            let namespace = &self.settings.metrics_namespace;
            write_metrics(&metrics::processed(namespace, &rendered.summary, self.started.elapsed(), SystemTime::now()));
        }
        ActionOutcome::Done
    }

    #[expect(clippy::disallowed_methods, reason = "metrics tell when an object was quarantined")]
    fn tell_quarantined(&self) -> ActionOutcome {
        if let ObjectOutput::Quarantine { code, .. } = self.product {
            write_metrics(&metrics::quarantined(&self.settings.metrics_namespace, code, SystemTime::now()));
        }
        ActionOutcome::Done
    }

    fn uri(&self) -> String {
        format!("s3://{}/{}", self.object.bucket, self.object.key)
    }
}

fn answer(put: PutOutcome) -> ActionOutcome {
    match put {
        PutOutcome::Stored => ActionOutcome::Done,
        PutOutcome::Exists => ActionOutcome::Exists,
    }
}

#[expect(clippy::disallowed_methods, reason = "the time of alerts whose records have none")]
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
