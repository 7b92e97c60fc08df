//! Reads and stores snapshots of the network in S3.

use aws_sdk_s3::Client;
use bytes::Bytes;
use serde::Serialize;
use thiserror::Error;
use tracing::error;

use super::documents::DocumentKind;
use super::documents::error::DocumentsError;
use super::error::S3Error;
use super::s3::{self, Output, PutOutcome};
use crate::discovery::snapshot::{
    FileEntry, MANIFEST, MAX_MANIFEST_BYTES, Manifest, NewSnapshot, SnapshotError, SnapshotId,
};
use crate::record::timestamp::Timestamp;
use crate::topology::Topology;
use crate::topology::describe_output::{Resources, SNAPSHOT_SCHEMA};

/// Name of the object that says when the network was last checked. It is beside the folder of the snapshots, and is the only one
/// that is replaced.
const CHECKED: &str = "checked.json";
/// Maximum age of a snapshot that appears in the list after a newer one, because its writer took longer.
const MAX_WRITING_SECONDS: u64 = 60 * 60;
const JSON: &str = "application/json";

/// The folder of the snapshots.
#[derive(Debug, Clone)]
pub struct SnapshotFolder {
    /// Client.
    pub client: Client,
    /// Name of the bucket.
    pub bucket: String,
    /// Prefix of the keys, which ends in a slash.
    pub folder: String,
}

/// A snapshot could not be stored.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A call to S3 failed.
    #[error(transparent)]
    S3(#[from] Box<S3Error>),
    /// A document to keep can't be read now. Without it, the snapshot would lose the document for good.
    #[error("the last document {name} can't be read, so the last snapshot stays: {source}")]
    Kept {
        /// Name of the document.
        name: String,
        /// Why.
        source: Box<DocumentsError>,
    },
    /// Another object has the key.
    #[error(
        "{key} exists with other content: another function writes a snapshot at the same time; the next check writes a new one"
    )]
    Conflict {
        /// The key.
        key: String,
    },
}

impl From<S3Error> for StoreError {
    fn from(error: S3Error) -> StoreError {
        StoreError::S3(Box::new(error))
    }
}

/// The last check of the network.
#[derive(Debug, Serialize)]
struct Checked<'a> {
    schema: &'static str,
    checked_at: String,
    /// Snapshot that has the network as it was found.
    snapshot: String,
    stale: Vec<Stale<'a>>,
}

/// An account and Region that could not be described.
#[derive(Debug, Serialize)]
struct Stale<'a> {
    account_id: &'a str,
    region: &'a str,
    since: Option<&'a str>,
    error: Option<&'a str>,
}

impl SnapshotFolder {
    /// Returns the URI of the folder.
    pub fn uri(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.folder)
    }

    fn key(&self, id: SnapshotId, name: &str) -> String {
        format!("{}{id}/{name}", self.folder)
    }

    /// Lists the snapshots, complete or not. If `known` is the newest one that is known, this lists only those that may be new.
    ///
    /// # Errors
    /// If S3 returns an error or can't be reached.
    pub async fn list(&self, known: Option<SnapshotId>) -> Result<Vec<SnapshotId>, DocumentsError> {
        let after = known.and_then(|id| Timestamp::from_seconds(id.0.seconds().saturating_sub(MAX_WRITING_SECONDS)));
        let after = after.map(|time| format!("{}{}", self.folder, SnapshotId(time)));
        let folders = s3::list_folders(&self.client, &self.bucket, &self.folder, after).await?;
        let name = |folder: &String| folder.strip_prefix(&self.folder)?.strip_suffix('/')?.parse().ok();
        Ok(folders.iter().filter_map(name).collect())
    }

    /// Reads the manifest of a snapshot. Returns `None` if there is none.
    ///
    /// # Errors
    /// If S3 returns an error, or the manifest is invalid.
    pub async fn manifest(&self, id: SnapshotId) -> Result<Option<Manifest>, DocumentsError> {
        let key = self.key(id, MANIFEST);
        match self.read(&key, MAX_MANIFEST_BYTES).await {
            Ok(json) => Manifest::parse(&json).map(Some).map_err(|source| self.invalid(id, source)),
            Err(DocumentsError::S3(error)) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads the topology of a snapshot.
    ///
    /// # Errors
    /// If S3 returns an error, or a document is not that of the manifest.
    pub async fn topology(&self, id: SnapshotId, manifest: &Manifest) -> Result<Topology, DocumentsError> {
        let total = manifest.files().fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
        if total > DocumentKind::Topology.max_bytes() {
            return Err(DocumentsError::TooLarge { kind: DocumentKind::Topology, uri: self.uri() });
        }
        let mut resources = Resources::default();
        for file in manifest.files() {
            let json = self.document(id, file).await?;
            let uri = format!("s3://{}/{}", self.bucket, self.key(id, &file.name));
            let read = move || resources.read(&uri, &json).map(|()| resources);
            resources = join(tokio::task::spawn_blocking(read).await, self)??;
        }
        join(tokio::task::spawn_blocking(move || Topology::new(resources)).await, self)
    }

    /// Reads a document of a snapshot.
    async fn document(&self, id: SnapshotId, file: &FileEntry) -> Result<Bytes, DocumentsError> {
        let json = self.read(&self.key(id, &file.name), file.bytes).await.map_err(|error| match error {
            DocumentsError::S3(error) if error.is_missing() => {
                self.invalid(id, SnapshotError::OtherDocument { name: file.name.clone() })
            }
            error => error,
        })?;
        file.verify(&json).map_err(|source| self.invalid(id, source))?;
        Ok(json)
    }

    async fn read(&self, key: &str, max_bytes: u64) -> Result<Bytes, DocumentsError> {
        match s3::read_bounded(&self.client, &self.bucket, key, max_bytes).await? {
            Some(bytes) => Ok(bytes),
            None => {
                let uri = format!("s3://{}/{key}", self.bucket);
                let source = SnapshotError::Invalid(format!("the object has more than {max_bytes} bytes"));
                Err(DocumentsError::InvalidSnapshot { uri, source })
            }
        }
    }

    fn invalid(&self, id: SnapshotId, source: SnapshotError) -> DocumentsError {
        DocumentsError::InvalidSnapshot { uri: format!("{}{id}/", self.uri()), source }
    }

    /// Returns the newest snapshot with a valid manifest.
    ///
    /// # Errors
    /// If S3 returns an error or can't be reached.
    pub async fn newest(&self) -> Result<Option<(SnapshotId, Manifest)>, DocumentsError> {
        let mut ids = self.list(None).await?;
        ids.sort_unstable();
        for id in ids.into_iter().rev() {
            match self.manifest(id).await {
                Ok(Some(manifest)) => return Ok(Some((id, manifest))),
                Ok(None) => {}
                Err(failure) if failure.is_permanent() => {
                    error!(snapshot = %id, code = failure.code(), error = %failure, "snapshot not usable");
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(None)
    }

    /// Stores a snapshot: its documents, and then its manifest. Documents that are kept come from `previous`. One that is
    /// missing or damaged is left out.
    ///
    /// # Errors
    /// If S3 returns an error, also for a document to keep, or another function writes the same snapshot.
    pub async fn write(
        &self,
        new: &mut NewSnapshot,
        previous: Option<SnapshotId>,
        kms_key_arn: Option<&str>,
    ) -> Result<(), StoreError> {
        for file in std::mem::take(&mut new.kept) {
            match self.kept(previous, &file).await? {
                Some(json) => self.put(&self.key(new.id, &file.name), json, kms_key_arn).await?,
                None => new.manifest.leave_out(&file.name),
            }
        }
        for (name, json) in std::mem::take(&mut new.documents) {
            self.put(&self.key(new.id, &name), json.into(), kms_key_arn).await?;
        }
        self.put(&self.key(new.id, MANIFEST), new.manifest.to_json().into(), kms_key_arn).await
    }

    /// Returns a document of the previous snapshot, or `None` if it is missing or damaged.
    async fn kept(&self, previous: Option<SnapshotId>, file: &FileEntry) -> Result<Option<Bytes>, StoreError> {
        let Some(previous) = previous else { return Ok(None) };
        match self.document(previous, file).await {
            Ok(json) => Ok(Some(json)),
            Err(failure) if failure.is_permanent() => {
                error!(document = file.name, code = failure.code(), error = %failure, "last document not readable");
                Ok(None)
            }
            Err(source) => Err(StoreError::Kept { name: file.name.clone(), source: Box::new(source) }),
        }
    }

    /// Stores an object if there is none with its key. If there is one, it must be the same: the response to an earlier attempt may
    /// have been lost.
    async fn put(&self, key: &str, bytes: Bytes, kms_key_arn: Option<&str>) -> Result<(), StoreError> {
        let output = self.output(key, bytes.clone(), kms_key_arn);
        if s3::put_if_absent(&self.client, &output).await? == PutOutcome::Stored {
            return Ok(());
        }
        let stored = s3::read_bounded(&self.client, &self.bucket, key, bytes.len() as u64).await?;
        if stored == Some(bytes) { Ok(()) } else { Err(StoreError::Conflict { key: key.to_owned() }) }
    }

    fn output<'a>(&'a self, key: &'a str, bytes: Bytes, kms_key_arn: Option<&'a str>) -> Output<'a> {
        let (bucket, kind) = (self.bucket.as_str(), s3::TOPOLOGY);
        Output { bucket, key, kms_key_arn, kind, content_type: JSON, metadata: Vec::new(), bytes }
    }

    /// Records that the network was checked, and found to be that of a snapshot.
    ///
    /// # Errors
    /// If S3 returns an error or can't be reached.
    pub async fn record_check(
        &self,
        now: Timestamp,
        id: SnapshotId,
        manifest: &Manifest,
        kms_key_arn: Option<&str>,
    ) -> Result<(), StoreError> {
        let stale = manifest.stale().map(|entry| Stale {
            account_id: &entry.account_id,
            region: &entry.region,
            since: entry.stale_since.as_deref(),
            error: entry.error.as_deref(),
        });
        let checked = Checked {
            schema: SNAPSHOT_SCHEMA,
            checked_at: now.to_string(),
            snapshot: id.to_string(),
            stale: stale.collect(),
        };
        let json = crate::summary::json::line(&checked);
        let parent = self.folder.strip_suffix("snapshots/").unwrap_or_default();
        s3::replace(&self.client, &self.output(&format!("{parent}{CHECKED}"), json.into(), kms_key_arn)).await?;
        Ok(())
    }
}

fn join<T>(result: Result<T, tokio::task::JoinError>, folder: &SnapshotFolder) -> Result<T, DocumentsError> {
    result.map_err(|source| DocumentsError::Panicked { uri: folder.uri(), source })
}
