//! Renders receipts, and reads the findings of a stored summary.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::summary::json::line;
use crate::summary::{ObjectIdentity, SCHEMA};

/// Returns the findings of an object's stored summary, byte for byte as [`render_findings`] writes them.
///
/// # Errors
/// If the text is not a summary, or if it is the summary of another object.
///
/// [`render_findings`]: crate::summary::json::render_findings
pub fn stored_findings(summary: &[u8], object: &ObjectIdentity) -> Result<Vec<u8>, NotASummary> {
    let stored: StoredSummary<'_> = serde_json::from_slice(summary)?;
    let is_same_object = stored.sources.first().is_some_and(|source| *source == StoredSource::from(object));
    if stored.schema != SCHEMA || !is_same_object {
        return Err(NotASummary::OtherObject);
    }
    Ok(stored.findings.iter().flat_map(|finding| finding.get().bytes().chain(*b"\n")).collect())
}

/// Why a stored object is not the summary of an object.
#[derive(Debug, Error)]
pub enum NotASummary {
    /// It is not JSON, or the JSON has another structure.
    #[error("{0}")]
    NotJson(#[from] serde_json::Error),
    /// It has another schema or describes another object.
    #[error("it describes another object")]
    OtherObject,
}

/// Renders the receipt of a quarantined object.
pub fn render_quarantine(receipt: &Quarantine<'_>) -> Vec<u8> {
    line(receipt)
}

/// Renders the receipt of sent alerts.
pub fn render_receipt(receipt: &Receipt<'_>) -> Vec<u8> {
    line(receipt)
}

/// Why an object can never be read.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Quarantine<'a> {
    /// `s3://bucket/key`.
    pub uri: &'a str,
    /// Version id, if the bucket is versioned.
    pub version_id: Option<&'a str>,
    /// ETag, without quotes.
    pub etag: Option<&'a str>,
    /// Stable error code.
    pub error: &'a str,
    /// The problem, its position and the remedy.
    pub message: &'a str,
}

/// Lists the alerts that were sent for an object.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Receipt<'a> {
    /// `s3://bucket/key`.
    pub uri: &'a str,
    /// Version id, if the bucket is versioned.
    pub version_id: Option<&'a str>,
    /// ETag, without quotes.
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

#[derive(Deserialize, PartialEq)]
struct StoredSource {
    bucket: Option<String>,
    key: Option<String>,
    version_id: Option<String>,
}

impl From<&ObjectIdentity> for StoredSource {
    fn from(object: &ObjectIdentity) -> StoredSource {
        let ObjectIdentity { bucket, key, version_id, .. } = object.clone();
        StoredSource { bucket: Some(bucket), key: Some(key), version_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{self, Options};
    use crate::summary::build::{self, SummaryOptions};
    use crate::summary::json::{render, render_findings};

    #[test]
    fn stored_findings_are_the_bytes_that_were_written() {
        let record = |port: u16| format!("2 1 eni-1\u{1}\\ 10.9.0.1 10.0.0.2 40000 {port} 6 1 40 9 9 REJECT OK\n");
        let log: String = (1..=20).map(record).collect::<String>() + "2 1 eni-2 - - - - - - - 8 9 - SKIPDATA\n";
        let mut analysis = pipeline::analyze("x.log", log.as_bytes(), &Options::default()).expect("a flow log");
        let object = |key: &str| ObjectIdentity {
            bucket: "b".to_owned(),
            key: key.to_owned(),
            version_id: None,
            etag: Some("e".to_owned()),
        };
        analysis.identify(object("x.log"));
        let summary = build::finish(analysis, &SummaryOptions::default(), None);
        assert_eq!(summary.findings.len(), 2);
        let stored = stored_findings(&render(&summary), &object("x.log")).expect("a summary");
        assert_eq!(stored, render_findings(&summary.findings));
        let error = stored_findings(&render(&summary), &object("y.log")).expect_err("the summary of x.log");
        assert_eq!(error.to_string(), "it describes another object");
        assert!(stored_findings(b"{}", &object("x.log")).is_err());
    }
}
