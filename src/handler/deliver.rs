//! Makes the calls that a delivery asks for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use uuid::Uuid;

use super::failure::Failure;
use super::write_metrics;
use crate::aws::s3::{self, Output, Put};
use crate::aws::{Clients, bus};
use crate::delivery::{Answer, Call, Delivery, End, Step, Verdict, Work};
use crate::keys::OutputKeys;
use crate::settings::{OnPermanentFailure, Settings};
use crate::sink::alert::{self, Alert};
use crate::sink::{emf, json};
use crate::summary::{ObjectIdentity, Summary};

/// Metadata of a summary: who stored it, and how many findings and alerts it asks for.
const TOKEN: &str = "flowsentry-token";
const FINDINGS: &str = "flowsentry-findings";
const ALERTS: &str = "flowsentry-alerts";

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// What an object came to.
pub(super) enum Product {
    /// It was read whole.
    Summary(Box<Summary>),
    /// It can never be read.
    Quarantine {
        /// A code that stays.
        code: &'static str,
        /// What is wrong, where, and what to do.
        message: String,
    },
}

/// One delivery of what an object came to.
pub(super) struct Deliverer<'a> {
    clients: &'a Clients,
    settings: &'a Settings,
    object: &'a ObjectIdentity,
    keys: &'a OutputKeys,
    product: &'a Product,
    /// When the object was asked for.
    started: Instant,
    /// No other delivery has it: by it this one knows what it stored.
    token: String,
    /// Findings of the stored summary, as lines of JSON.
    findings: Vec<u8>,
    /// Its alerts, once they are made.
    alerts: Vec<Alert>,
}

impl<'a> Deliverer<'a> {
    pub(super) fn new(
        clients: &'a Clients,
        settings: &'a Arc<Settings>,
        object: &'a ObjectIdentity,
        keys: &'a OutputKeys,
        product: &'a Product,
        started: Instant,
    ) -> Deliverer<'a> {
        let findings = match product {
            Product::Summary(summary) => json::render_findings(&summary.findings),
            Product::Quarantine { .. } => Vec::new(),
        };
        let token = Uuid::new_v4().to_string();
        Deliverer { clients, settings, object, keys, product, started, token, findings, alerts: Vec::new() }
    }

    /// Makes one call after another until nothing is left to do.
    ///
    /// # Errors
    /// As soon as a call fails.
    pub(super) async fn deliver(mut self) -> Result<End, Failure> {
        let (mut delivery, mut call) = Delivery::start(self.verdict());
        loop {
            let answer = self.make(call).await?;
            match delivery.answered(answer) {
                Step::Ask(next) => call = next,
                Step::End(End::Unsettled) => return Err(Failure::Unsettled { key: self.keys.summary.clone() }),
                Step::End(end) => return Ok(end),
            }
        }
    }

    fn verdict(&self) -> Verdict {
        match self.product {
            Product::Summary(summary) => {
                let (findings, alerts) = (summary.findings.len(), self.alerts_of(summary));
                Verdict::Summary(Work { findings: findings > 0, alerts: alerts > 0 })
            }
            Product::Quarantine { .. } => Verdict::Quarantine,
        }
    }

    fn alerts_of(&self, summary: &Summary) -> usize {
        self.settings.alerts.as_ref().map_or(0, |alerts| alert::count(&summary.findings, alerts.min_severity))
    }

    async fn make(&mut self, call: Call) -> Result<Answer, Failure> {
        match call {
            Call::PutSummary => self.put_summary().await,
            Call::LookAtSummary => self.look(&self.keys.summary).await,
            Call::TellMetrics => Ok(self.tell_metrics()),
            Call::PutFindings => {
                self.put(&self.keys.findings, "findings", NDJSON, Bytes::copy_from_slice(&self.findings)).await
            }
            Call::LookAtFindings => self.look(&self.keys.findings).await,
            Call::LookAtReceipt => self.look(&self.keys.receipt).await,
            Call::ReadSummary => self.read_summary().await,
            Call::SendAlerts => self.send_alerts().await,
            Call::PutReceipt => self.put(&self.keys.receipt, "receipt", JSON, self.receipt()).await,
            Call::PutQuarantine => self.put_quarantine().await,
            Call::LookAtQuarantine => self.look(&self.keys.quarantine).await,
            Call::TellQuarantined => Ok(self.tell_quarantined()),
        }
    }

    async fn put_summary(&self) -> Result<Answer, Failure> {
        let Product::Summary(summary) = self.product else { return Ok(Answer::Missing) };
        let metadata = vec![
            (TOKEN, self.token.clone()),
            (FINDINGS, summary.findings.len().to_string()),
            (ALERTS, self.alerts_of(summary).to_string()),
        ];
        let output = Output {
            bucket: &self.settings.output_bucket,
            key: &self.keys.summary,
            kind: "summary",
            content_type: JSON,
            metadata,
            bytes: json::render(summary).into(),
        };
        Ok(answer(s3::put_new(&self.clients.s3, &output).await?))
    }

    async fn put_quarantine(&self) -> Result<Answer, Failure> {
        let Product::Quarantine { code, message } = self.product else { return Ok(Answer::Missing) };
        if self.settings.on_permanent_failure == OnPermanentFailure::Fail {
            return Err(Failure::Permanent { uri: self.uri(), code, message: message.clone() });
        }
        let receipt = json::Quarantine {
            uri: &self.uri(),
            version_id: self.object.version_id.as_deref(),
            etag: self.object.etag.as_deref(),
            error: code,
            message,
        };
        self.put(&self.keys.quarantine, "quarantine", JSON, json::render_quarantine(&receipt).into()).await
    }

    async fn put(
        &self,
        key: &str,
        kind: &'static str,
        content_type: &'static str,
        bytes: Bytes,
    ) -> Result<Answer, Failure> {
        let metadata = vec![(TOKEN, self.token.clone())];
        let bucket = &self.settings.output_bucket;
        Ok(answer(s3::put_new(&self.clients.s3, &Output { bucket, key, kind, content_type, metadata, bytes }).await?))
    }

    async fn look(&self, key: &str) -> Result<Answer, Failure> {
        let metadata = s3::look(&self.clients.s3, &self.settings.output_bucket, key).await?;
        Ok(match metadata {
            None => Answer::Missing,
            Some(metadata) if metadata.get(TOKEN) == Some(&self.token) => Answer::Ours,
            Some(metadata) => Answer::Theirs(self.work(&metadata)),
        })
    }

    /// What a summary asks for that another delivery stored. One that does not say, as somebody copied it there, is
    /// taken to ask for everything: what is done already is not done twice.
    fn work(&self, metadata: &HashMap<String, String>) -> Work {
        let any = |name: &str| metadata.get(name).is_none_or(|count| count != "0");
        let alerts = any(ALERTS) && self.settings.alerts.is_some();
        Work { findings: any(FINDINGS), alerts }
    }

    async fn read_summary(&mut self) -> Result<Answer, Failure> {
        let (bucket, key) = (&self.settings.output_bucket, &self.keys.summary);
        let summary = s3::read(&self.clients.s3, bucket, key).await?;
        let not_a_summary = |source| Failure::NotASummary { key: key.clone(), source };
        self.findings = json::stored_findings(&summary).map_err(not_a_summary)?;
        Ok(Answer::Done)
    }

    async fn send_alerts(&mut self) -> Result<Answer, Failure> {
        let Some(alerting) = &self.settings.alerts else { return Ok(Answer::Done) };
        let context = alert::Context {
            object: self.object,
            keys: self.keys,
            output_bucket: &self.settings.output_bucket,
            min_severity: alerting.min_severity,
            now_ms: now_ms(),
        };
        let not_a_summary = |source| Failure::NotASummary { key: self.keys.summary.clone(), source };
        self.alerts = alert::render(&self.findings, &context).map_err(not_a_summary)?;
        bus::send(&self.clients.events, &alerting.event_bus, &self.alerts).await?;
        Ok(Answer::Done)
    }

    fn receipt(&self) -> Bytes {
        let alerts: Vec<&str> = self.alerts.iter().map(|alert| alert.id.as_str()).collect();
        let receipt = json::Receipt {
            uri: &self.uri(),
            version_id: self.object.version_id.as_deref(),
            etag: self.object.etag.as_deref(),
            alerts: &alerts,
        };
        json::render_receipt(&receipt).into()
    }

    #[expect(clippy::disallowed_methods, reason = "metrics tell how late the data is")]
    fn tell_metrics(&self) -> Answer {
        if let Product::Summary(summary) = self.product {
            let namespace = &self.settings.metrics_namespace;
            write_metrics(&emf::processed(namespace, summary, self.started.elapsed(), SystemTime::now()));
        }
        Answer::Done
    }

    #[expect(clippy::disallowed_methods, reason = "metrics tell when an object was quarantined")]
    fn tell_quarantined(&self) -> Answer {
        if let Product::Quarantine { code, .. } = self.product {
            write_metrics(&emf::quarantined(&self.settings.metrics_namespace, code, SystemTime::now()));
        }
        Answer::Done
    }

    fn uri(&self) -> String {
        format!("s3://{}/{}", self.object.bucket, self.object.key)
    }
}

fn answer(put: Put) -> Answer {
    match put {
        Put::Stored => Answer::Done,
        Put::Exists => Answer::Exists,
    }
}

#[expect(clippy::disallowed_methods, reason = "the time of alerts whose records have none")]
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
