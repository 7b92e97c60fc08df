//! The setting `TOPOLOGY_URI`: where the topology's documents are in S3.
//!
//! ```
//! use flowsentry::lambda::topology_uri::{TopologyLocation, TopologyUri};
//!
//! let document: TopologyUri = "s3://inventory/vpc/all.json".parse()?;
//! assert_eq!(document.location, TopologyLocation::Document("vpc/all.json".to_owned()));
//! let folder: TopologyUri = "s3://inventory/vpc".parse()?;
//! assert_eq!(folder.location, TopologyLocation::Folder("vpc/".to_owned()));
//! # Ok::<(), flowsentry::lambda::topology_uri::ParseTopologyUriError>(())
//! ```

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The suffix of document keys.
const EXTENSION: &str = ".json";
/// "Object key naming guidelines" in <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
const MAX_KEY_BYTES: usize = 1024;

/// The location of the topology's documents. Displayed as `s3://bucket/key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyUri {
    /// Name of the bucket, or alias of an access point.
    pub bucket: String,
    /// The document or folder in the bucket.
    pub location: TopologyLocation,
}

/// One document or a folder. The end of the URI decides which, so that no call to S3 is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopologyLocation {
    /// The object with this key, which ends in `.json`.
    Document(String),
    /// Every `*.json` object whose key has this prefix. The prefix is empty for the whole bucket, or ends in a slash, so
    /// that `vpc` does not include `vpc-old`.
    Folder(String),
}

/// The text is not such a URI. The message lists the allowed forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("s3://bucket/key.json for one document or s3://bucket/prefix/ for every *.json under it")]
pub struct ParseTopologyUriError;

impl TopologyUri {
    /// Returns the URI of an object in the bucket.
    pub(crate) fn object_uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    /// Reports whether the object with this key is one of the documents.
    pub fn matches(&self, key: &str) -> bool {
        match &self.location {
            TopologyLocation::Document(document) => document == key,
            TopologyLocation::Folder(folder) => key.starts_with(folder) && key.ends_with(EXTENSION),
        }
    }
}

impl FromStr for TopologyUri {
    type Err = ParseTopologyUriError;

    fn from_str(uri: &str) -> Result<TopologyUri, ParseTopologyUriError> {
        let path = uri.strip_prefix("s3://").ok_or(ParseTopologyUriError)?;
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let is_name = bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        let is_key = key.len() <= MAX_KEY_BYTES && !key.chars().any(char::is_control);
        if !is_name || !(3..=255).contains(&bucket.len()) || !is_key {
            return Err(ParseTopologyUriError);
        }
        let location = match key {
            _ if key.ends_with(EXTENSION) => TopologyLocation::Document(key.to_owned()),
            _ if key.is_empty() || key.ends_with('/') => TopologyLocation::Folder(key.to_owned()),
            _ => TopologyLocation::Folder(format!("{key}/")),
        };
        Ok(TopologyUri { bucket: bucket.to_owned(), location })
    }
}

impl fmt::Display for TopologyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (TopologyLocation::Document(key) | TopologyLocation::Folder(key)) = &self.location;
        f.write_str(&self.object_uri(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(uri: &str) -> Option<TopologyLocation> {
        uri.parse::<TopologyUri>().ok().map(|uri| uri.location)
    }

    #[test]
    fn the_suffix_distinguishes_a_document_from_a_folder() {
        let document = |key: &str| Some(TopologyLocation::Document(key.to_owned()));
        let folder = |key: &str| Some(TopologyLocation::Folder(key.to_owned()));
        assert_eq!(location("s3://inventory/a b/vpcs.json"), document("a b/vpcs.json"));
        assert_eq!(location("s3://inventory/vpcs.json/"), folder("vpcs.json/"));
        assert_eq!(location("s3://inventory/vpcs.JSON"), folder("vpcs.JSON/"));
        assert_eq!(location("s3://inventory/a/b"), folder("a/b/"));
        assert_eq!(location("s3://inventory"), folder(""));
        assert_eq!(location("s3://inventory/"), folder(""));
        assert_eq!(
            "s3://inventory/a".parse::<TopologyUri>().map(|uri| uri.to_string()),
            Ok("s3://inventory/a/".into())
        );
    }

    #[test]
    fn other_uris_are_rejected() {
        for invalid in
            ["inventory/a.json", "https://inventory/a.json", "s3://", "s3://ab/k", "s3://a:b/k", "s3://abc/\n"]
        {
            assert_eq!(location(invalid), None, "{invalid}");
        }
        assert_eq!(location(&format!("s3://inventory/{}", "x".repeat(1025))), None);
    }

    #[test]
    fn a_folder_matches_the_documents_below_it() {
        let folder: TopologyUri = "s3://inventory/vpc".parse().expect("a URI");
        assert!(folder.matches("vpc/a.json") && folder.matches("vpc/eu/a.json"));
        assert!(!folder.matches("vpc-old/a.json") && !folder.matches("vpc.json") && !folder.matches("vpc/a.txt"));
    }
}
