//! `TOPOLOGY_URI`: where in S3 the topology's documents are.
//!
//! ```
//! use flowsentry::lambda::topology_uri::{TopologyLocation, TopologyUri};
//!
//! let one: TopologyUri = "s3://inventory/vpc/all.json".parse()?;
//! assert_eq!(one.place, TopologyLocation::Document("vpc/all.json".to_owned()));
//! let many: TopologyUri = "s3://inventory/vpc".parse()?;
//! assert_eq!(many.place, TopologyLocation::Folder("vpc/".to_owned()));
//! # Ok::<(), flowsentry::lambda::topology_uri::ParseTopologyUriError>(())
//! ```

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// What a document's key ends in.
const EXTENSION: &str = ".json";
/// "Object key naming guidelines" in <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
const MAX_KEY_BYTES: usize = 1024;

/// Where the topology's documents are. Shown as `s3://bucket/key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopologyUri {
    /// Name of the bucket, or an access point's alias.
    pub bucket: String,
    /// What of the bucket.
    pub place: TopologyLocation,
}

/// What of a bucket is meant. The last characters of the URI decide, so that no call has to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopologyLocation {
    /// The object with this key, which ends in `.json`.
    Document(String),
    /// Every `*.json` whose key begins so: all keys, or a folder with the slash at its end, so that `vpc` is not also
    /// `vpc-old`.
    Folder(String),
}

/// Text that is no such URI. Says what is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("s3://bucket/key.json for one document or s3://bucket/prefix/ for every *.json under it")]
pub struct ParseTopologyUriError;

impl TopologyUri {
    /// The URI of an object in its bucket.
    pub fn uri_of(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    /// Whether an object is one of the documents.
    pub fn holds(&self, key: &str) -> bool {
        match &self.place {
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
        let named = bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        let possible = key.len() <= MAX_KEY_BYTES && !key.chars().any(char::is_control);
        if !named || !(3..=255).contains(&bucket.len()) || !possible {
            return Err(ParseTopologyUriError);
        }
        let place = match key {
            _ if key.ends_with(EXTENSION) => TopologyLocation::Document(key.to_owned()),
            _ if key.is_empty() || key.ends_with('/') => TopologyLocation::Folder(key.to_owned()),
            _ => TopologyLocation::Folder(format!("{key}/")),
        };
        Ok(TopologyUri { bucket: bucket.to_owned(), place })
    }
}

impl fmt::Display for TopologyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (TopologyLocation::Document(key) | TopologyLocation::Folder(key)) = &self.place;
        f.write_str(&self.uri_of(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(uri: &str) -> Option<TopologyLocation> {
        uri.parse::<TopologyUri>().ok().map(|uri| uri.place)
    }

    #[test]
    fn the_end_tells_a_document_from_a_folder() {
        let document = |key: &str| Some(TopologyLocation::Document(key.to_owned()));
        let folder = |key: &str| Some(TopologyLocation::Folder(key.to_owned()));
        assert_eq!(place("s3://inventory/a b/vpcs.json"), document("a b/vpcs.json"));
        assert_eq!(place("s3://inventory/vpcs.json/"), folder("vpcs.json/"));
        assert_eq!(place("s3://inventory/vpcs.JSON"), folder("vpcs.JSON/"));
        assert_eq!(place("s3://inventory/a/b"), folder("a/b/"));
        assert_eq!(place("s3://inventory"), folder(""));
        assert_eq!(place("s3://inventory/"), folder(""));
        assert_eq!(
            "s3://inventory/a".parse::<TopologyUri>().map(|uri| uri.to_string()),
            Ok("s3://inventory/a/".into())
        );
    }

    #[test]
    fn what_is_no_uri_of_s3_is_refused() {
        for wrong in ["inventory/a.json", "https://inventory/a.json", "s3://", "s3://ab/k", "s3://a:b/k", "s3://abc/\n"]
        {
            assert_eq!(place(wrong), None, "{wrong}");
        }
        assert_eq!(place(&format!("s3://inventory/{}", "x".repeat(1025))), None);
    }

    #[test]
    fn a_folder_holds_the_documents_below_it() {
        let folder: TopologyUri = "s3://inventory/vpc".parse().expect("a URI");
        assert!(folder.holds("vpc/a.json") && folder.holds("vpc/eu/a.json"));
        assert!(!folder.holds("vpc-old/a.json") && !folder.holds("vpc.json") && !folder.holds("vpc/a.txt"));
    }
}
