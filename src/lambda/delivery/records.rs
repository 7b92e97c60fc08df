//! Receipts that are stored beside a summary, and the findings of a summary that is stored already.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::summary::json::line;
use crate::summary::{ObjectIdentity, SCHEMA};

/// The findings of an object's stored summary, byte for byte as [`render_findings`] writes them.
///
/// # Errors
/// Where it is not a summary, or one of another object.
pub fn stored_findings(summary: &[u8], object: &ObjectIdentity) -> Result<Vec<u8>, NotASummary> {
    let stored: StoredSummary<'_> = serde_json::from_slice(summary)?;
    let of_object = stored.sources.first().is_some_and(|source| *source == StoredSource::of(object));
    if stored.schema != SCHEMA || !of_object {
        return Err(NotASummary::OfAnotherObject);
    }
    Ok(stored.findings.iter().flat_map(|finding| finding.get().bytes().chain(*b"\n")).collect())
}

/// Why something that is stored is not an object's summary.
#[derive(Debug, Error)]
pub enum NotASummary {
    /// It is not JSON, or not such JSON.
    #[error("{0}")]
    NotJson(#[from] serde_json::Error),
    /// It says that it is about something else.
    #[error("it describes another object")]
    OfAnotherObject,
}

/// What is written when an object is quarantined.
pub fn render_quarantine(receipt: &Quarantine<'_>) -> Vec<u8> {
    line(receipt)
}

/// What is written when alerts were sent.
pub fn render_receipt(receipt: &Receipt<'_>) -> Vec<u8> {
    line(receipt)
}

/// Why an object can never be read.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Quarantine<'a> {
    /// `s3://bucket/key`.
    pub uri: &'a str,
    /// Version, where the bucket is versioned.
    pub version_id: Option<&'a str>,
    /// Entity tag, without quotes.
    pub etag: Option<&'a str>,
    /// A code that stays.
    pub error: &'a str,
    /// What is wrong, where, and what to do.
    pub message: &'a str,
}

/// Which alerts were sent.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Receipt<'a> {
    /// `s3://bucket/key`.
    pub uri: &'a str,
    /// Version, where the bucket is versioned.
    pub version_id: Option<&'a str>,
    /// Entity tag, without quotes.
    pub etag: Option<&'a str>,
    /// Their ids.
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

impl StoredSource {
    fn of(object: &ObjectIdentity) -> StoredSource {
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
    fn findings_of_a_stored_summary_are_the_bytes_that_were_written() {
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
        let summary = build::build_summary(analysis, &SummaryOptions::default(), None);
        assert_eq!(summary.findings.len(), 2);
        let stored = stored_findings(&render(&summary), &object("x.log")).expect("a summary");
        assert_eq!(stored, render_findings(&summary.findings));
        let error = stored_findings(&render(&summary), &object("y.log")).expect_err("of x.log");
        assert_eq!(error.to_string(), "it describes another object");
        assert!(stored_findings(b"{}", &object("x.log")).is_err());
    }
}
