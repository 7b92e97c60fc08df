//! The settings `TOPOLOGY_URI` and `CONFIG_URI`: where the documents that the function reads are in S3.
//!
//! ```
//! use flowsentry::lambda::document_uri::{DocumentLocation, DocumentUri};
//!
//! let document = DocumentUri::parse_topology("s3://inventory/vpc/all.json")?;
//! assert_eq!(document.location, DocumentLocation::Document("vpc/all.json".to_owned()));
//! let folder = DocumentUri::parse_topology("s3://inventory/vpc")?;
//! assert_eq!(folder.location, DocumentLocation::Folder("vpc/".to_owned()));
//! let config = DocumentUri::parse_config("s3://inventory/flowsentry.toml")?;
//! assert_eq!(config.location, DocumentLocation::Document("flowsentry.toml".to_owned()));
//! # Ok::<(), flowsentry::lambda::document_uri::ParseDocumentUriError>(())
//! ```

use std::fmt;

use thiserror::Error;

use crate::discovery::snapshot::SnapshotId;

/// The suffix of the keys of topology documents.
const TOPOLOGY_EXTENSION: &str = ".json";
/// Name of a folder with snapshots.
const SNAPSHOTS: &str = "snapshots";
/// "Object key naming guidelines" in <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
const MAX_KEY_BYTES: usize = 1024;

/// The location of documents. Displayed as `s3://bucket/key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentUri {
    /// Name of the bucket, or alias of an access point.
    pub bucket: String,
    /// The document or folder in the bucket.
    pub location: DocumentLocation,
}

/// One document or a folder. The URI decides which, so that no call to S3 is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DocumentLocation {
    /// The object with this key.
    Document(String),
    /// Every `*.json` object whose key has this prefix. The prefix is empty for the whole bucket, or ends in a slash, so
    /// that `vpc` does not include `vpc-old`.
    Folder(String),
}

/// The text is not such a URI. The message lists the allowed forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ParseDocumentUriError {
    /// The text is not the location of a topology.
    #[error("s3://bucket/key.json for one document or s3://bucket/prefix/ for every *.json under it")]
    Topology,
    /// The text is not the location of a configuration.
    #[error("s3://bucket/key of one TOML file")]
    Config,
}

impl DocumentUri {
    /// Parses the location of a topology: a document if the key ends in `.json`, otherwise a folder.
    ///
    /// # Errors
    /// If the text is not an S3 URI.
    pub fn parse_topology(uri: &str) -> Result<DocumentUri, ParseDocumentUriError> {
        let (bucket, key) = split(uri).ok_or(ParseDocumentUriError::Topology)?;
        let location = match key {
            _ if key.ends_with(TOPOLOGY_EXTENSION) => DocumentLocation::Document(key.to_owned()),
            _ if key.is_empty() || key.ends_with('/') => DocumentLocation::Folder(key.to_owned()),
            _ => DocumentLocation::Folder(format!("{key}/")),
        };
        Ok(DocumentUri { bucket: bucket.to_owned(), location })
    }

    /// Parses the location of a configuration: one object with any key.
    ///
    /// # Errors
    /// If the text is not the S3 URI of an object.
    pub fn parse_config(uri: &str) -> Result<DocumentUri, ParseDocumentUriError> {
        let is_object = |key: &str| !key.is_empty() && !key.ends_with('/');
        let parts = split(uri).filter(|(_, key)| is_object(key));
        let (bucket, key) = parts.ok_or(ParseDocumentUriError::Config)?;
        Ok(DocumentUri { bucket: bucket.to_owned(), location: DocumentLocation::Document(key.to_owned()) })
    }

    /// Returns the URI of an object in the bucket.
    pub(crate) fn object_uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    /// Returns the folder, if it is one of snapshots: if its name is `snapshots/`.
    pub fn snapshots_folder(&self) -> Option<&str> {
        match &self.location {
            DocumentLocation::Folder(folder) if folder.rsplit('/').nth(1) == Some(SNAPSHOTS) => Some(folder),
            _ => None,
        }
    }

    /// Reports whether the object with this key is one of the documents. A snapshot in the folder is none: it has the network of
    /// another time.
    pub fn matches(&self, key: &str) -> bool {
        match &self.location {
            DocumentLocation::Document(document) => document == key,
            DocumentLocation::Folder(folder) => {
                let name = key.strip_prefix(folder.as_str());
                name.is_some_and(|name| name.ends_with(TOPOLOGY_EXTENSION) && !is_in_snapshot(name))
            }
        }
    }
}

/// Reports whether a key below a folder is that of a snapshot: `snapshots/{id}/{name}`.
fn is_in_snapshot(name: &str) -> bool {
    let parts = name.strip_prefix(SNAPSHOTS).and_then(|rest| rest.strip_prefix('/')?.split_once('/'));
    parts.is_some_and(|(id, _)| id.parse::<SnapshotId>().is_ok())
}

/// Splits an S3 URI into the bucket and the key, which may be empty.
fn split(uri: &str) -> Option<(&str, &str)> {
    let path = uri.strip_prefix("s3://")?;
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let is_name = bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let is_key = key.len() <= MAX_KEY_BYTES && !key.chars().any(char::is_control);
    (is_name && (3..=255).contains(&bucket.len()) && is_key).then_some((bucket, key))
}

impl fmt::Display for DocumentUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (DocumentLocation::Document(key) | DocumentLocation::Folder(key)) = &self.location;
        f.write_str(&self.object_uri(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(uri: &str) -> Option<DocumentLocation> {
        DocumentUri::parse_topology(uri).ok().map(|uri| uri.location)
    }

    fn document(key: &str) -> Option<DocumentLocation> {
        Some(DocumentLocation::Document(key.to_owned()))
    }

    #[test]
    fn the_suffix_distinguishes_a_document_from_a_folder() {
        let folder = |key: &str| Some(DocumentLocation::Folder(key.to_owned()));
        assert_eq!(location("s3://inventory/a b/vpcs.json"), document("a b/vpcs.json"));
        assert_eq!(location("s3://inventory/vpcs.json/"), folder("vpcs.json/"));
        assert_eq!(location("s3://inventory/vpcs.JSON"), folder("vpcs.JSON/"));
        assert_eq!(location("s3://inventory/a/b"), folder("a/b/"));
        assert_eq!(location("s3://inventory"), folder(""));
        assert_eq!(location("s3://inventory/"), folder(""));
        let uri = DocumentUri::parse_topology("s3://inventory/a");
        assert_eq!(uri.map(|uri| uri.to_string()), Ok("s3://inventory/a/".into()));
    }

    #[test]
    fn a_configuration_is_one_object_with_any_key() {
        let location = |uri: &str| DocumentUri::parse_config(uri).ok().map(|uri| uri.location);
        assert_eq!(location("s3://inventory/a b/flowsentry.toml"), document("a b/flowsentry.toml"));
        assert_eq!(location("s3://inventory/settings"), document("settings"));
        for invalid in ["s3://inventory", "s3://inventory/", "s3://inventory/a/", "inventory/a.toml", "s3://ab/a.toml"]
        {
            assert_eq!(location(invalid), None, "{invalid}");
        }
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
        let folder = DocumentUri::parse_topology("s3://inventory/vpc").expect("a URI");
        assert!(folder.matches("vpc/a.json") && folder.matches("vpc/eu/a.json"));
        assert!(!folder.matches("vpc-old/a.json") && !folder.matches("vpc.json") && !folder.matches("vpc/a.txt"));
    }

    #[test]
    fn a_folder_of_snapshots_is_known_by_its_name() {
        let folder =
            |uri: &str| DocumentUri::parse_topology(uri).ok().and_then(|uri| uri.snapshots_folder().map(str::to_owned));
        assert_eq!(folder("s3://out/topology/snapshots/").as_deref(), Some("topology/snapshots/"));
        assert_eq!(folder("s3://out/snapshots").as_deref(), Some("snapshots/"));
        for uri in [
            "s3://out/topology/",
            "s3://out",
            "s3://out/my-snapshots/",
            "s3://out/snapshots/a/",
            "s3://out/snapshots.json",
        ] {
            assert_eq!(folder(uri), None, "{uri}");
        }
    }

    #[test]
    fn a_folder_of_documents_excludes_snapshots_in_it() {
        let folder = DocumentUri::parse_topology("s3://out/topology/").expect("a URI");
        assert!(folder.matches("topology/vpcs.json") && folder.matches("topology/snapshots/vpcs.json"));
        assert!(folder.matches("topology/snapshots/eu/vpcs.json"));
        assert!(!folder.matches("topology/snapshots/2026-11-23T06-00-00Z/123456789012-eu-west-1.json"));
        let snapshot = DocumentUri::parse_topology("s3://out/topology/snapshots/2026-11-23T06-00-00Z/").expect("a URI");
        assert!(snapshot.matches("topology/snapshots/2026-11-23T06-00-00Z/123456789012-eu-west-1.json"));
    }
}
