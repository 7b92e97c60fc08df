//! The topology's documents in S3 → resources, unless they are those that were read before.

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

/// What describe calls say of some ten thousand interfaces is a tenth of it.
pub const MAX_BYTES: u64 = 256 << 20;
/// Each is a request.
pub const MAX_DOCUMENTS: usize = 1000;

/// The ETags of documents by key: as long as they are the same, the documents are.
pub type Etags = BTreeMap<String, Option<String>>;

/// What was read.
#[derive(Debug, Default)]
pub struct Documents {
    /// All resources of all documents.
    pub resources: Resources,
    /// Those of the documents as they were read.
    pub etags: Etags,
    bytes: u64,
}

/// Why the documents are of no use.
#[derive(Debug, Error)]
pub enum DocumentsError {
    /// S3 did not give them.
    #[error(transparent)]
    S3(Box<S3Error>),
    /// There is none.
    #[error("no *.json documents in {uri}")]
    Missing {
        /// Where they should be.
        uri: String,
    },
    /// There are more than anyone has.
    #[error("more than {MAX_DOCUMENTS} documents in {uri}")]
    TooMany {
        /// Where they are.
        uri: String,
    },
    /// They are longer than anyone's.
    #[error("the documents in {uri} exceed {MAX_BYTES} bytes in total")]
    TooLarge {
        /// Where they are.
        uri: String,
    },
    /// The body of one could not be read to its end.
    #[error("{uri}: read failed: {source}")]
    ReadFailed {
        /// The document.
        uri: String,
        /// Why.
        source: io::Error,
    },
    /// One is not JSON.
    #[error(transparent)]
    NotJson(#[from] DocumentError),
    /// They are JSON, but there is no resource in them that could be used.
    #[error("no usable resources in {uri}: {problem}")]
    Unusable {
        /// Where they are.
        uri: String,
        /// The first thing that is wrong.
        problem: String,
    },
    /// They did not come in time.
    #[error("timed out reading {uri}")]
    TimedOut {
        /// Where they are.
        uri: String,
    },
    /// Reading them stopped.
    #[error("{uri}: internal error while reading (panic): {source}")]
    Panicked {
        /// The document.
        uri: String,
        /// Why.
        source: tokio::task::JoinError,
    },
}

impl From<S3Error> for DocumentsError {
    fn from(error: S3Error) -> DocumentsError {
        DocumentsError::S3(Box::new(error))
    }
}

impl DocumentsError {
    /// A short name, which stays: AWS's, or one in snake_case.
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
/// Where one can't be read, or nothing in them can be used.
pub async fn read(client: &Client, uri: &TopologyUri) -> Result<Documents, DocumentsError> {
    match &uri.place {
        TopologyLocation::Document(key) => read_all(client, uri, [key]).await,
        TopologyLocation::Folder(folder) => read_all(client, uri, list(client, uri, folder).await?.keys()).await,
    }
}

/// Reads the documents, unless their ETags are those that are known. Of a folder, all are read if one changed.
///
/// # Errors
/// As [`read`] has them.
pub async fn read_if_changed(
    client: &Client,
    uri: &TopologyUri,
    known: &Etags,
) -> Result<Option<Documents>, DocumentsError> {
    match &uri.place {
        TopologyLocation::Document(key) => {
            let Some(Some(etag)) = known.get(key) else { return read(client, uri).await.map(Some) };
            match s3::get_if_changed(client, &reference(uri, key), etag).await? {
                Some(object) => Documents::default().take(client, uri, object).await?.useful(uri).map(Some),
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
        documents = documents.take(client, uri, object).await?;
    }
    documents.useful(uri)
}

/// The documents in a folder, by key.
async fn list(client: &Client, uri: &TopologyUri, folder: &str) -> Result<Etags, DocumentsError> {
    let mut etags = Etags::new();
    let mut together = 0;
    s3::list(client, &uri.bucket, folder, |ListedObject { key, etag, bytes }| {
        if uri.holds(&key) {
            together = grown(uri, together, bytes)?;
            etags.insert(key, etag);
        }
        if etags.len() > MAX_DOCUMENTS { Err(DocumentsError::TooMany { uri: uri.to_string() }) } else { Ok(()) }
    })
    .await?;
    if etags.is_empty() { Err(DocumentsError::Missing { uri: uri.to_string() }) } else { Ok(etags) }
}

impl Documents {
    /// Reads a document where blocking hurts nobody. Its ETag is the one that came with it: it may have been replaced
    /// since it was listed.
    async fn take(mut self, client: &Client, uri: &TopologyUri, object: Object) -> Result<Documents, DocumentsError> {
        let key = object.identity.key.clone();
        self.etags.insert(key.clone(), object.identity.etag.clone());
        let (document, place) = (uri.uri_of(&key), uri.clone());
        let reader = Body::download(object, client.clone(), reference(uri, &key));
        let _download = reader.guard();
        match tokio::task::spawn_blocking(move || self.read(&place, &key, reader)).await {
            Ok(result) => result,
            Err(source) => Err(DocumentsError::Panicked { uri: document, source }),
        }
    }

    fn read(mut self, uri: &TopologyUri, key: &str, reader: impl Read) -> Result<Documents, DocumentsError> {
        let document = uri.uri_of(key);
        let mut json = Vec::new();
        let read = reader.take(MAX_BYTES - self.bytes + 1).read_to_end(&mut json);
        read.map_err(|source| DocumentsError::ReadFailed { uri: document.clone(), source })?;
        self.bytes = grown(uri, self.bytes, json.len() as u64)?;
        self.resources.read(&document, &json)?;
        Ok(self)
    }

    /// A resource that is wrong leaves the others in use; but if there is no other, what was read before is better.
    fn useful(self, uri: &TopologyUri) -> Result<Documents, DocumentsError> {
        match self.resources.problems.first() {
            Some(problem) if self.resources.origins.is_empty() => {
                Err(DocumentsError::Unusable { uri: uri.to_string(), problem: problem.to_string() })
            }
            _ => Ok(self),
        }
    }
}

fn grown(uri: &TopologyUri, bytes: u64, by: u64) -> Result<u64, DocumentsError> {
    let sum = bytes.saturating_add(by);
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
        read.and_then(|documents| documents.useful(&uri)).map_err(|error| format!("{}: {error}", error.code()))
    }

    #[test]
    fn what_can_be_used_is_used() {
        let vpc = r#"{"Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"}]}"#;
        let documents = read(&[("vpc/a.json", vpc), ("vpc/b.json", "{}")]).expect("a VPC");
        assert_eq!(&*documents.resources.origins["vpc-a"], "s3://inventory/vpc/a.json");
        assert_eq!(documents.resources.problems.len(), 1);
        assert!(read(&[("vpc/a.json", r#"{"Vpcs": []}"#)]).is_ok(), "an account may have no VPC");
    }

    #[test]
    fn what_is_of_no_use_is_an_error() {
        let error = |documents| read(documents).expect_err("of no use");
        let not_json = error(&[("vpc/a.json", r#"{"Vpcs": []}"#), ("vpc/b.json", "")]);
        assert!(not_json.starts_with("topology_not_json: s3://inventory/vpc/b.json: not JSON: "), "{not_json}");
        let useless = error(&[("vpc/a.json", "{}")]);
        assert!(useless.starts_with("topology_unusable: no usable resources in s3://inventory/vpc/: "), "{useless}");
    }

    #[test]
    fn documents_have_a_limit_together() {
        let uri: TopologyUri = "s3://inventory/vpc/".parse().expect("a URI");
        let almost_full = || Documents { bytes: MAX_BYTES - 2, ..Documents::default() };
        assert_eq!(almost_full().read(&uri, "a", &b"{}"[..]).expect("it fits").bytes, MAX_BYTES);
        let error = almost_full().read(&uri, "a", &b"{} "[..]).expect_err("too large");
        assert_eq!(error.to_string(), "the documents in s3://inventory/vpc/ exceed 268435456 bytes in total");
    }
}
