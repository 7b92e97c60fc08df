//! Renders receipts, and reads the findings of a stored summary.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::summary::json::line;
use crate::summary::{InputIdentity, LogEventsIdentity, ObjectIdentity, SCHEMA, WindowIdentity};

/// Returns the findings of an input's stored summary, byte for byte as [`render_findings`] writes them.
///
/// # Errors
/// If the text is not a summary, or if it is the summary of another input.
///
/// [`render_findings`]: crate::summary::json::render_findings
pub fn stored_findings(summary: &[u8], identity: &InputIdentity) -> Result<Vec<u8>, NotASummary> {
    let stored: StoredSummary<'_> = serde_json::from_slice(summary)?;
    let is_same_input = stored.sources.first().is_some_and(|source| *source == StoredSource::from(identity));
    if stored.schema != SCHEMA || !is_same_input {
        return Err(NotASummary::OtherInput);
    }
    Ok(stored.findings.iter().flat_map(|finding| finding.get().bytes().chain(*b"\n")).collect())
}

/// Why a stored object is not the summary of an object.
#[derive(Debug, Error)]
pub enum NotASummary {
    /// It is not JSON, or the JSON has another structure.
    #[error("{0}")]
    NotJson(#[from] serde_json::Error),
    /// It has another schema or describes another input.
    #[error("it describes another input")]
    OtherInput,
}

/// Renders the receipt of a quarantined input.
pub fn render_quarantine(receipt: &Quarantine<'_>) -> Vec<u8> {
    line(receipt)
}

/// Renders the receipt of sent alerts.
pub fn render_receipt(receipt: &Receipt<'_>) -> Vec<u8> {
    line(receipt)
}

/// Why an input can never be read.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Quarantine<'a> {
    /// URI of the input.
    pub uri: &'a str,
    /// Version id, for an object of a bucket with versioning.
    pub version_id: Option<&'a str>,
    /// ETag of an object, without quotes.
    pub etag: Option<&'a str>,
    /// Stable error code.
    pub error: &'a str,
    /// The problem, its position and the remedy.
    pub message: &'a str,
}

/// Lists the alerts that were sent for an input.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Receipt<'a> {
    /// URI of the input.
    pub uri: &'a str,
    /// Version id, for an object of a bucket with versioning.
    pub version_id: Option<&'a str>,
    /// ETag of an object, without quotes.
    pub etag: Option<&'a str>,
    /// Ids of the alerts.
    pub alerts: &'a [&'a str],
}

#[derive(Deserialize)]
struct StoredSummary<'a> {
    schema: String,
    sources: Vec<StoredSource>,
    #[serde(borrow)]
    findings: Vec<&'a RawValue>,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(default)]
struct StoredSource {
    bucket: Option<String>,
    key: Option<String>,
    version_id: Option<String>,
    owner: Option<String>,
    log_group: Option<String>,
    log_stream: Option<String>,
    first_event_id: Option<String>,
    last_event_id: Option<String>,
    window: Option<WindowIdentity>,
}

impl From<&InputIdentity> for StoredSource {
    fn from(identity: &InputIdentity) -> StoredSource {
        match identity.clone() {
            InputIdentity::Object(ObjectIdentity { bucket, key, version_id, .. }) => {
                StoredSource { bucket: Some(bucket), key: Some(key), version_id, ..StoredSource::default() }
            }
            InputIdentity::LogEvents(events) => {
                let LogEventsIdentity { owner, log_group, log_stream, first_event_id, last_event_id } = events;
                StoredSource {
                    owner: Some(owner),
                    log_group: Some(log_group),
                    log_stream: Some(log_stream),
                    first_event_id: Some(first_event_id),
                    last_event_id: Some(last_event_id),
                    ..StoredSource::default()
                }
            }
            InputIdentity::Window(window) => StoredSource { window: Some(window), ..StoredSource::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{self, Options};
    use crate::summary::build::{self, SummaryOptions};
    use crate::summary::json::{render, render_findings};

    fn object(key: &str) -> InputIdentity {
        let (bucket, key, etag) = ("b".to_owned(), key.to_owned(), Some("e".to_owned()));
        InputIdentity::Object(ObjectIdentity { bucket, key, version_id: None, etag })
    }

    fn log_events(last_event_id: &str) -> InputIdentity {
        InputIdentity::LogEvents(LogEventsIdentity {
            owner: "123456789012".to_owned(),
            log_group: "g".to_owned(),
            log_stream: "s".to_owned(),
            first_event_id: "1".to_owned(),
            last_event_id: last_event_id.to_owned(),
        })
    }

    #[test]
    fn stored_findings_are_the_bytes_that_were_written() {
        let record = |port: u16| format!("2 1 eni-1\u{1}\\ 10.9.0.1 10.0.0.2 40000 {port} 6 1 40 9 9 REJECT OK\n");
        let log: String = (1..=20).map(record).collect::<String>() + "2 1 eni-2 - - - - - - - 8 9 - SKIPDATA\n";
        let mut analysis = pipeline::analyze("x.log", log.as_bytes(), &Options::default()).expect("a flow log");
        analysis.identify(object("x.log"));
        let mut summary = build::build_summary(analysis, &SummaryOptions::default(), None);
        assert_eq!(summary.findings.len(), 2);
        let log_events = [log_events("1"), log_events("2")];
        for [identity, other] in
            [[object("x.log"), object("y.log")], log_events.clone(), [object("x.log"), log_events[0].clone()]]
        {
            summary.sources[0].identify(identity.clone());
            let stored = stored_findings(&render(&summary), &identity).expect("a summary");
            assert_eq!(stored, render_findings(&summary.findings));
            let error = stored_findings(&render(&summary), &other).expect_err("the summary of another input");
            assert_eq!(error.to_string(), "it describes another input");
        }
        assert!(stored_findings(b"{}", &object("x.log")).is_err());
    }
}
