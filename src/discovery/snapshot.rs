//! Snapshots of a network: a document for each account and Region, and a manifest that is written last.
//!
//! Invariants:
//! - A folder without a manifest is no snapshot, so no reader ever uses a part of one.
//! - A snapshot is never changed. Its id is the time at which the describe calls began.
//! - An account and Region that could not be described keeps its last document, and the manifest says since when it is stale.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::document::Document;
use super::target::{self, MAX_PAIRS, Pair};
use crate::record::timestamp::Timestamp;
use crate::topology::describe_output::SNAPSHOT_SCHEMA;

/// Name of the manifest in the folder of a snapshot.
pub const MANIFEST: &str = "manifest.json";
/// Maximum size of a manifest, in bytes.
pub const MAX_MANIFEST_BYTES: u64 = 1 << 20;
/// Age after which an unchanged network gets a new snapshot, so that a lifecycle rule never deletes the only one.
const MAX_AGE_SECONDS: u64 = 7 * 24 * 60 * 60;

/// Id of a snapshot, which is the name of its folder: `2026-11-23T06-00-00Z`. Ids sort by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(pub Timestamp);

/// The text is not the id of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not the id of a snapshot, such as 2026-11-23T06-00-00Z")]
pub struct ParseSnapshotIdError;

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string().replace(':', "-"))
    }
}

impl FromStr for SnapshotId {
    type Err = ParseSnapshotIdError;

    fn from_str(text: &str) -> Result<SnapshotId, ParseSnapshotIdError> {
        let parsed = DateTime::strptime("%Y-%m-%dT%H-%M-%SZ", text).ok().and_then(Timestamp::from_utc).map(SnapshotId);
        // Only the form that `Display` writes: an id is part of a key.
        parsed.filter(|id| id.to_string() == text).ok_or(ParseSnapshotIdError)
    }
}

/// Returns the snapshots in the order in which to use them for data of this time: the last one that began until then, and those
/// before it. If there is none, the earliest one after it. `ids` must be sorted.
pub fn in_force(ids: &[SnapshotId], time: Timestamp) -> impl Iterator<Item = SnapshotId> {
    let later = ids.partition_point(|id| id.0 <= time);
    let (until, after) = ids.split_at(later);
    until.iter().rev().chain(after).copied()
}

/// Content of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always [`SNAPSHOT_SCHEMA`].
    pub schema: String,
    /// Time at which the describe calls began, in RFC 3339.
    pub created_at: String,
    /// Whether each account and Region was described at that time.
    pub complete: bool,
    /// Accounts and Regions, sorted.
    pub pairs: Vec<Entry>,
}

/// An account and Region in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Account id.
    pub account_id: String,
    /// Name of the Region.
    pub region: String,
    /// The document. Null if the account and Region could never be described.
    pub file: Option<FileEntry>,
    /// Time of the first check that failed since the document was read. Null if the last one succeeded.
    pub stale_since: Option<String>,
    /// Code of the error of the last check, if it failed: AWS's, or one in snake_case.
    pub error: Option<String>,
    /// Ids of prefix lists whose blocks AWS did not return.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable_prefix_lists: Vec<String>,
}

/// A document in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Name in the folder of the snapshot.
    pub name: String,
    /// SHA-256 in hexadecimal digits.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// Why a snapshot can't be used.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// The manifest is not JSON, or lacks a field.
    #[error("not a manifest: {0}")]
    NotAManifest(#[from] serde_json::Error),
    /// The manifest has an unknown schema, a wrong name, or too many entries.
    #[error("invalid manifest: {0}")]
    Invalid(String),
    /// A document is not the one that the manifest lists.
    #[error("{name} is not the document of the manifest: its size or SHA-256 differs")]
    OtherDocument {
        /// Name of the document.
        name: String,
    },
}

impl Entry {
    /// Returns the account and Region.
    pub fn pair(&self) -> Pair {
        Pair { account_id: self.account_id.clone(), region: self.region.clone() }
    }
}

impl FileEntry {
    /// Describes a document.
    pub fn new(name: String, json: &[u8]) -> FileEntry {
        FileEntry { name, sha256: sha256(json), bytes: json.len() as u64 }
    }

    /// Checks that these bytes are the document.
    ///
    /// # Errors
    /// If they are not.
    pub fn verify(&self, json: &[u8]) -> Result<(), SnapshotError> {
        let is_same = self.bytes == json.len() as u64 && self.sha256 == sha256(json);
        if is_same { Ok(()) } else { Err(SnapshotError::OtherDocument { name: self.name.clone() }) }
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Manifest {
    /// Parses a manifest, and checks the names in it: they become parts of keys and paths.
    ///
    /// # Errors
    /// If it is not a valid manifest.
    pub fn parse(json: &[u8]) -> Result<Manifest, SnapshotError> {
        let manifest: Manifest = serde_json::from_slice(json)?;
        let invalid = |message: String| Err(SnapshotError::Invalid(message));
        if manifest.schema != SNAPSHOT_SCHEMA {
            return invalid(format!("schema is not {SNAPSHOT_SCHEMA}"));
        }
        if manifest.pairs.len() > MAX_PAIRS {
            return invalid(format!("more than {MAX_PAIRS} accounts and Regions"));
        }
        for entry in &manifest.pairs {
            if let Err(message) = target::account_id(&entry.account_id).and(target::region(&entry.region)) {
                return invalid(message);
            }
            if entry.file.as_ref().is_some_and(|file| file.name != entry.pair().file_name()) {
                return invalid(format!("the document of {} has another name", entry.pair()));
            }
        }
        Ok(manifest)
    }

    /// Returns the manifest as indented JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let value = serde_json::to_string_pretty(self);
        value.map_or_else(|_| Vec::new(), |json| (json + "\n").into_bytes())
    }

    /// Returns the documents.
    pub fn files(&self) -> impl Iterator<Item = &FileEntry> {
        self.pairs.iter().filter_map(|entry| entry.file.as_ref())
    }

    /// Removes a document that can't be read any more. Its account and Region stay, without one.
    pub fn leave_out(&mut self, name: &str) {
        for entry in &mut self.pairs {
            entry.file = entry.file.take().filter(|file| file.name != name);
        }
    }

    /// Returns the accounts and Regions whose last check failed.
    pub fn stale(&self) -> impl Iterator<Item = &Entry> {
        self.pairs.iter().filter(|entry| entry.stale_since.is_some())
    }
}

/// Why an account and Region could not be described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairError {
    /// AWS's code, or one in snake_case.
    pub code: String,
    /// The call, and what AWS says.
    pub message: String,
}

/// What to write after a check.
#[derive(Debug, PartialEq, Eq)]
pub enum Plan {
    /// The network and its stale parts are those of the previous snapshot.
    Unchanged,
    /// A new snapshot.
    Write(NewSnapshot),
    /// Nothing could be described, now or before.
    Nothing,
}

/// A snapshot to write.
#[derive(Debug, PartialEq, Eq)]
pub struct NewSnapshot {
    /// Id.
    pub id: SnapshotId,
    /// The manifest, to write last.
    pub manifest: Manifest,
    /// New documents by name.
    pub documents: BTreeMap<String, Vec<u8>>,
    /// Documents to take from the previous snapshot.
    pub kept: Vec<FileEntry>,
}

/// How much a pair needs to be described, the most urgent first: it has no document, an old one, or that of the last check.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// There is no document.
    Missing,
    /// The time since when the document is stale.
    Stale(String),
    /// The last check succeeded.
    Current,
}

/// Returns a function that says how much a pair needs to be described, if this is the last snapshot.
pub fn needs(previous: Option<&Manifest>) -> impl Fn(&Pair) -> Need {
    let known: BTreeMap<Pair, Need> = previous.map_or_else(BTreeMap::new, |manifest| {
        let entries = manifest.pairs.iter().filter(|entry| entry.file.is_some());
        let need = |entry: &Entry| entry.stale_since.clone().map_or(Need::Current, Need::Stale);
        entries.map(|entry| (entry.pair(), need(entry))).collect()
    });
    move |pair| known.get(pair).cloned().unwrap_or(Need::Missing)
}

/// Decides what to write. `previous` is the newest snapshot, and `results` are those of all accounts and Regions that are
/// configured now: others drop out.
pub fn plan(
    now: Timestamp,
    previous: Option<(SnapshotId, &Manifest)>,
    results: Vec<(Pair, Result<Document, PairError>)>,
) -> Plan {
    let mut before: BTreeMap<Pair, &Entry> = BTreeMap::new();
    if let Some((_, manifest)) = previous {
        before.extend(manifest.pairs.iter().map(|entry| (entry.pair(), entry)));
    }
    let mut results = results;
    results.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut snapshot = NewSnapshot {
        id: SnapshotId(now),
        manifest: Manifest {
            schema: SNAPSHOT_SCHEMA.to_owned(),
            created_at: now.to_string(),
            complete: true,
            pairs: Vec::new(),
        },
        documents: BTreeMap::new(),
        kept: Vec::new(),
    };
    for (pair, result) in results {
        snapshot.add(now, before.get(&pair).copied(), &pair, result);
    }
    let is_complete = snapshot.manifest.stale().next().is_none();
    snapshot.manifest.complete = is_complete;
    match previous {
        Some((id, manifest)) if manifest.pairs == snapshot.manifest.pairs && is_recent(id, now) => Plan::Unchanged,
        None if snapshot.manifest.files().next().is_none() => Plan::Nothing,
        _ => Plan::Write(snapshot),
    }
}

fn is_recent(id: SnapshotId, now: Timestamp) -> bool {
    now.seconds().saturating_sub(id.0.seconds()) < MAX_AGE_SECONDS
}

impl NewSnapshot {
    fn add(&mut self, now: Timestamp, before: Option<&Entry>, pair: &Pair, result: Result<Document, PairError>) {
        let mut entry = Entry {
            file: None,
            stale_since: None,
            error: None,
            unreadable_prefix_lists: Vec::new(),
            account_id: pair.account_id.clone(),
            region: pair.region.clone(),
        };
        match result {
            Ok(document) => {
                let file = FileEntry::new(pair.file_name(), &document.json);
                self.documents.insert(file.name.clone(), document.json);
                entry.unreadable_prefix_lists = document.unreadable_prefix_lists;
                entry.file = Some(file);
            }
            Err(error) => {
                entry.file = before.and_then(|before| before.file.clone());
                entry.unreadable_prefix_lists =
                    before.map(|before| before.unreadable_prefix_lists.clone()).unwrap_or_default();
                let first_failure = before.and_then(|before| before.stale_since.clone());
                entry.stale_since = Some(first_failure.unwrap_or_else(|| now.to_string()));
                entry.error = Some(error.code);
                self.kept.extend(entry.file.clone());
            }
        }
        self.manifest.pairs.push(entry);
    }
}

#[cfg(test)]
mod tests;
