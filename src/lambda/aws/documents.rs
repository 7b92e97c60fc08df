//! Reads the topology's documents from S3, and skips them if their ETags did not change.

use std::collections::BTreeMap;
use std::io::{self, Read};

use aws_sdk_s3::Client;
use thiserror::Error;

use super::download::Body;
use super::error::S3Error;
use super::s3::{self, ListedObject, Object};
use crate::lambda::event::ObjectReference;
use crate::lambda::topology_uri::{TopologyLocation, TopologyUri};
use crate::topology::describe_output::{DocumentError, Resources};

/// Maximum size of all documents together: ten times the describe output of about 10,000 interfaces.
pub const MAX_BYTES: u64 = 256 << 20;
/// Maximum number of documents. Each of them is one request.
pub const MAX_DOCUMENTS: usize = 1000;

/// The ETags of the documents, by key. Equal ETags mean that the documents did not change.
pub type Etags = BTreeMap<String, Option<String>>;

/// The contents of the documents.
#[derive(Debug, Default)]
pub struct Documents {
    /// The resources of all documents.
    pub resources: Resources,
    /// The ETags of the versions that were read.
    pub etags: Etags,
    /// Total size of the documents so far.
    bytes: u64,
}

/// Why the documents can't be used.
#[derive(Debug, Error)]
pub enum DocumentsError {
    /// A call to S3 failed.
    #[error(transparent)]
    S3(Box<S3Error>),
    /// There are no documents.
    #[error("no *.json documents in {uri}")]
    Missing {
        /// The configured location.
        uri: String,
    },
    /// There are too many documents.
    #[error("more than {MAX_DOCUMENTS} documents in {uri}")]
    TooMany {
        /// The configured location.
        uri: String,
    },
    /// The documents are too large in total.
    #[error("the documents in {uri} exceed {MAX_BYTES} bytes in total")]
    TooLarge {
        /// The configured location.
        uri: String,
    },
    /// The body of a document could not be read to its end.
    #[error("{uri}: read failed: {source}")]
    ReadFailed {
        /// The document.
        uri: String,
        /// The cause.
        source: io::Error,
    },
    /// A document is not JSON.
    #[error(transparent)]
    NotJson(#[from] DocumentError),
    /// The documents are JSON, but have no usable resource.
    #[error("no usable resources in {uri}: {problem}")]
    Unusable {
        /// The configured location.
        uri: String,
        /// The first problem found.
        problem: String,
    },
    /// The documents could not be read in time.
    #[error("timed out reading {uri}")]
    TimedOut {
        /// The configured location.
        uri: String,
    },
    /// Reading a document panicked.
    #[error("{uri}: internal error while reading (panic): {source}")]
    Panicked {
        /// The document.
        uri: String,
        /// The cause.
        source: tokio::task::JoinError,
    },
}

impl From<S3Error> for DocumentsError {
    fn from(error: S3Error) -> DocumentsError {
        DocumentsError::S3(Box::new(error))
    }
}

impl DocumentsError {
    /// Returns a stable code: AWS's, or one in snake_case.
    pub fn code(&self) -> &str {
        match self {
            DocumentsError::S3(error) => error.code(),
            DocumentsError::Missing { .. } => "topology_missing",
            DocumentsError::TooMany { .. } => "topology_too_many_documents",
            DocumentsError::TooLarge { .. } => "topology_too_large",
            DocumentsError::ReadFailed { .. } => "read_failed",
            DocumentsError::NotJson(_) => "topology_not_json",
            DocumentsError::Unusable { .. } => "topology_unusable",
            DocumentsError::TimedOut { .. } => "topology_timeout",
            DocumentsError::Panicked { .. } => "internal_error",
        }
    }
}

/// Reads the documents.
///
/// # Errors
/// If a document can't be read, or no document has a usable resource.
pub async fn read(client: &Client, uri: &TopologyUri) -> Result<Documents, DocumentsError> {
    match &uri.location {
        TopologyLocation::Document(key) => read_all(client, uri, [key]).await,
        TopologyLocation::Folder(folder) => read_all(client, uri, list(client, uri, folder).await?.keys()).await,
    }
}

/// Reads the documents. Returns `None` if their ETags are the known ones. If one document of a folder changed, this reads
/// all of them.
///
/// # Errors
/// The same as of [`read`].
pub async fn read_if_changed(
    client: &Client,
    uri: &TopologyUri,
    known: &Etags,
) -> Result<Option<Documents>, DocumentsError> {
    match &uri.location {
        TopologyLocation::Document(key) => {
            let Some(Some(etag)) = known.get(key) else { return read(client, uri).await.map(Some) };
            match s3::get_if_changed(client, &reference(uri, key), etag).await? {
                Some(object) => {
                    Documents::default().add_object(client, uri, object).await?.require_usable(uri).map(Some)
                }
                None => Ok(None),
            }
        }
        TopologyLocation::Folder(folder) => {
            let listed = list(client, uri, folder).await?;
            let is_known = listed == *known && listed.values().all(Option::is_some);
            if is_known { Ok(None) } else { read_all(client, uri, listed.keys()).await.map(Some) }
        }
    }
}

async fn read_all(
    client: &Client,
    uri: &TopologyUri,
    keys: impl IntoIterator<Item = &String>,
) -> Result<Documents, DocumentsError> {
    let mut documents = Documents::default();
    for key in keys {
        let object = s3::get(client, &reference(uri, key)).await?;
        documents = documents.add_object(client, uri, object).await?;
    }
    documents.require_usable(uri)
}

/// Lists the documents of a folder.
async fn list(client: &Client, uri: &TopologyUri, folder: &str) -> Result<Etags, DocumentsError> {
    let mut etags = Etags::new();
    let mut total = 0;
    s3::list(client, &uri.bucket, folder, |ListedObject { key, etag, bytes }| {
        if uri.matches(&key) {
            total = checked_total(uri, total, bytes)?;
            etags.insert(key, etag);
        }
        if etags.len() > MAX_DOCUMENTS { Err(DocumentsError::TooMany { uri: uri.to_string() }) } else { Ok(()) }
    })
    .await?;
    if etags.is_empty() { Err(DocumentsError::Missing { uri: uri.to_string() }) } else { Ok(etags) }
}

impl Documents {
    /// Adds a document, and parses it on a blocking thread. Keeps the ETag of the response, because the document may have
    /// been replaced since it was listed.
    async fn add_object(
        mut self,
        client: &Client,
        uri: &TopologyUri,
        object: Object,
    ) -> Result<Documents, DocumentsError> {
        let key = object.identity.key.clone();
        self.etags.insert(key.clone(), object.identity.etag.clone());
        let (document, location) = (uri.object_uri(&key), uri.clone());
        let reader = Body::download(object, client.clone(), reference(uri, &key));
        let _guard = reader.cancel_on_drop();
        match tokio::task::spawn_blocking(move || self.read(&location, &key, reader)).await {
            Ok(result) => result,
            Err(source) => Err(DocumentsError::Panicked { uri: document, source }),
        }
    }

    fn read(mut self, uri: &TopologyUri, key: &str, reader: impl Read) -> Result<Documents, DocumentsError> {
        let document = uri.object_uri(key);
        let mut json = Vec::new();
        let read = reader.take(MAX_BYTES - self.bytes + 1).read_to_end(&mut json);
        read.map_err(|source| DocumentsError::ReadFailed { uri: document.clone(), source })?;
        self.bytes = checked_total(uri, self.bytes, json.len() as u64)?;
        self.resources.read(&document, &json)?;
        Ok(self)
    }

    /// Returns an error if there are problems and no usable resource: an older topology is better then. Invalid resources
    /// next to valid ones are only reported.
    fn require_usable(self, uri: &TopologyUri) -> Result<Documents, DocumentsError> {
        match self.resources.problems.first() {
            Some(problem) if self.resources.origins.is_empty() => {
                Err(DocumentsError::Unusable { uri: uri.to_string(), problem: problem.to_string() })
            }
            _ => Ok(self),
        }
    }
}

/// Adds to the total size, within the limit.
fn checked_total(uri: &TopologyUri, total: u64, bytes: u64) -> Result<u64, DocumentsError> {
    let sum = total.saturating_add(bytes);
    if sum > MAX_BYTES { Err(DocumentsError::TooLarge { uri: uri.to_string() }) } else { Ok(sum) }
}

fn reference(uri: &TopologyUri, key: &str) -> ObjectReference {
    ObjectReference::latest(&uri.bucket, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(documents: &[(&str, &str)]) -> Result<Documents, String> {
        let uri: TopologyUri = "s3://inventory/vpc/".parse().expect("a URI");
        let read =
            documents.iter().try_fold(Documents::default(), |all, (key, json)| all.read(&uri, key, json.as_bytes()));
        read.and_then(|documents| documents.require_usable(&uri)).map_err(|error| format!("{}: {error}", error.code()))
    }

    #[test]
    fn usable_documents_are_read() {
        let vpc = r#"{"Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"}]}"#;
        let documents = read(&[("vpc/a.json", vpc), ("vpc/b.json", "{}")]).expect("a VPC");
        assert_eq!(&*documents.resources.origins["vpc-a"], "s3://inventory/vpc/a.json");
        assert_eq!(documents.resources.problems.len(), 1);
        assert!(read(&[("vpc/a.json", r#"{"Vpcs": []}"#)]).is_ok(), "an account may have no VPC");
    }

    #[test]
    fn unusable_documents_are_an_error() {
        let error = |documents| read(documents).expect_err("unusable");
        let not_json = error(&[("vpc/a.json", r#"{"Vpcs": []}"#), ("vpc/b.json", "")]);
        assert!(not_json.starts_with("topology_not_json: s3://inventory/vpc/b.json: not JSON: "), "{not_json}");
        let unusable = error(&[("vpc/a.json", "{}")]);
        assert!(unusable.starts_with("topology_unusable: no usable resources in s3://inventory/vpc/: "), "{unusable}");
    }

    #[test]
    fn documents_have_a_total_size_limit() {
        let uri: TopologyUri = "s3://inventory/vpc/".parse().expect("a URI");
        let almost_full = || Documents { bytes: MAX_BYTES - 2, ..Documents::default() };
        assert_eq!(almost_full().read(&uri, "a", &b"{}"[..]).expect("it fits").bytes, MAX_BYTES);
        let error = almost_full().read(&uri, "a", &b"{} "[..]).expect_err("too large");
        assert_eq!(error.to_string(), "the documents in s3://inventory/vpc/ exceed 268435456 bytes in total");
    }
}
