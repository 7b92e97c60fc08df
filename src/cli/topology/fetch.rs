//! Runs `topology fetch`: describes accounts and Regions, and writes their documents to a folder.
//!
//! The folder is one snapshot, which each run replaces. A document is replaced as a whole, and the manifest is written last.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::super::args::FetchTopology;
use super::super::output::{self, warn};
use super::super::{CliError, EXIT_PARTIAL, EXIT_SUCCESS, EXIT_USAGE};
use crate::discovery::aws::{self, OtherAccounts, Results, Targets};
use crate::discovery::document::Document;
use crate::discovery::snapshot::{self, FileEntry, MANIFEST, Manifest, NewSnapshot, Plan, SnapshotId};
use crate::discovery::target::{self, Pair};
use crate::record::timestamp::Timestamp;

/// Time limit of all calls.
const TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Runs `topology fetch`. Returns the exit status, which is 1 if an account and Region could not be described.
pub(in crate::cli) fn fetch(arguments: &FetchTopology) -> Result<u8, CliError> {
    target::check_pairs(&arguments.regions, &arguments.accounts)
        .map_err(|message| CliError { message, status: EXIT_USAGE })?;
    let folder = Folder::open(&arguments.to)?;
    let now = now();
    let results = describe(arguments, folder.previous.as_ref().map(|(_, manifest)| manifest))?;
    let mut summary = String::new();
    for (pair, result) in &results {
        match result {
            Ok(document) => summary += &described(pair, document),
            Err(error) => warn(&format!("{pair}: {}: {}", error.code, error.message)),
        }
    }
    let is_complete = results.iter().all(|(_, result)| result.is_ok());
    let previous = folder.previous.as_ref().map(|(id, manifest)| (*id, manifest));
    match snapshot::plan(now, previous, results) {
        Plan::Unchanged => {
            folder.tidy()?;
            summary += "unchanged\n";
        }
        Plan::Write(new) => folder.write(&new)?,
        Plan::Nothing => {
            let message = "nothing could be described, so nothing was written".to_owned();
            return Err(CliError { message, status: EXIT_PARTIAL });
        }
    }
    output::write_text(&summary)?;
    Ok(if is_complete { EXIT_SUCCESS } else { EXIT_PARTIAL })
}

#[expect(clippy::disallowed_methods, reason = "a snapshot is named after the time of its calls")]
fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_seconds(since_epoch.as_secs()).unwrap_or(Timestamp::EPOCH)
}

fn describe(arguments: &FetchTopology, previous: Option<&Manifest>) -> Result<Results, CliError> {
    let FetchTopology { regions, accounts, role_name, external_id, .. } = arguments;
    let others = role_name.clone().map(|role_name| OtherAccounts {
        account_ids: accounts.clone(),
        role_name,
        external_id: external_id.clone(),
    });
    let targets = Targets { regions: regions.clone(), others };
    let usage = |error: &dyn Display| CliError { message: error.to_string(), status: EXIT_USAGE };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| usage(&error))?.block_on(async {
        let config = aws::load_config(regions.first().map_or("", String::as_str)).await;
        aws::describe(&config, &targets, previous, Instant::now() + TIMEOUT).await.map_err(|error| usage(&error))
    })
}

/// Returns a line about a document.
fn described(pair: &Pair, document: &Document) -> String {
    let count = |(key, count): (&&str, &usize)| format!("{key} {count}");
    let counts: Vec<String> = document.counts.iter().map(count).collect();
    let unreadable = match document.unreadable_prefix_lists.len() {
        0 => String::new(),
        number => format!(" ({number} more without blocks: {})", document.unreadable_prefix_lists.join(", ")),
    };
    format!("{pair}: {}{unreadable}\n", counts.join(", "))
}

/// Returns the names of the JSON files in a folder, but the manifest.
#[expect(clippy::disallowed_methods, reason = "the command line reads and writes files")]
fn documents(folder: &Path) -> std::io::Result<Vec<String>> {
    let names = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let is_document = |name: &String| name.ends_with(".json") && name != MANIFEST;
    Ok(names.collect::<std::io::Result<Vec<String>>>()?.into_iter().filter(is_document).collect())
}

fn remove(path: &Path) -> std::io::Result<()> {
    std::fs::remove_file(path)
}

/// Lists the documents that a run writes, while it does. If it is there, a run was killed.
const STARTED: &str = "fetch-started.txt";

/// The folder of a snapshot.
struct Folder {
    path: PathBuf,
    /// The manifest of the last run, without the documents that are missing or changed.
    previous: Option<(SnapshotId, Manifest)>,
}

impl Folder {
    /// Reads the manifest of the last run. A folder with other documents is rejected: they would be read together.
    #[expect(clippy::disallowed_methods, reason = "the command line reads and writes files")]
    fn open(path: &Path) -> Result<Folder, CliError> {
        let error = |error: &dyn Display| CliError {
            message: format!("cannot use the folder {}: {error}", path.display()),
            status: EXIT_USAGE,
        };
        std::fs::create_dir_all(path).map_err(|cause| error(&cause))?;
        let previous = match std::fs::read(path.join(MANIFEST)) {
            Ok(json) => Some(Manifest::parse(&json).map_err(|cause| error(&format!("{MANIFEST}: {cause}")))?),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
            Err(cause) => return Err(error(&cause)),
        };
        let started = match std::fs::read_to_string(path.join(STARTED)) {
            Ok(names) => names,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(cause) => return Err(error(&cause)),
        };
        let written = previous.iter().flat_map(Manifest::files).map(|file| file.name.as_str());
        let written: BTreeSet<&str> = written.chain(started.lines()).collect();
        let present = documents(path).map_err(|cause| error(&cause))?;
        if let Some(name) = present.iter().find(|name| !written.contains(name.as_str())) {
            return Err(error(&format!("it has {name}, which no run wrote; name an empty folder")));
        }
        let is_present = |file: &FileEntry| {
            let json = std::fs::read(path.join(&file.name));
            json.is_ok_and(|json| file.verify(&json).is_ok())
        };
        let with_id = |mut manifest: Manifest| {
            manifest.pairs.retain(|entry| entry.file.as_ref().is_none_or(is_present));
            Some((manifest.created_at.replace(':', "-").parse().ok()?, manifest))
        };
        Ok(Folder { path: path.to_owned(), previous: previous.and_then(with_id) })
    }

    /// Writes the documents, then the manifest, and removes the documents that it does not name.
    fn write(&self, new: &NewSnapshot) -> Result<(), CliError> {
        // With those of a run that was killed, which are still there.
        let mut started = documents(&self.path).map_err(|error| self.not_written(STARTED, &error))?;
        started.extend(new.documents.keys().cloned());
        self.replace(STARTED, started.join("\n").as_bytes())?;
        for (name, json) in &new.documents {
            self.replace(name, json)?;
        }
        self.replace(MANIFEST, &new.manifest.to_json())?;
        self.keep_only(&new.manifest)
    }

    /// Removes what a run left that was killed.
    fn tidy(&self) -> Result<(), CliError> {
        self.previous.as_ref().map_or(Ok(()), |(_, manifest)| self.keep_only(manifest))
    }

    /// Removes the documents that a manifest does not name.
    fn keep_only(&self, manifest: &Manifest) -> Result<(), CliError> {
        let named: BTreeSet<&str> = manifest.files().map(|file| file.name.as_str()).collect();
        let names = documents(&self.path).map_err(|error| self.not_written(MANIFEST, &error))?;
        for name in names.iter().filter(|name| !named.contains(name.as_str())) {
            warn(&format!("{name}: removed, because it is not of the accounts and Regions that this run described"));
            remove(&self.path.join(name)).map_err(|error| self.not_written(name, &error))?;
        }
        match remove(&self.path.join(STARTED)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.not_written(STARTED, &error)),
            _ => Ok(()),
        }
    }

    /// Replaces a file as a whole.
    fn replace(&self, name: &str, content: &[u8]) -> Result<(), CliError> {
        let written = tempfile::NamedTempFile::new_in(&self.path).and_then(|mut file| {
            file.write_all(content)?;
            file.persist(self.path.join(name)).map_err(|error| error.error)
        });
        written.map(drop).map_err(|error| self.not_written(name, &error))
    }

    fn not_written(&self, name: &str, error: &dyn Display) -> CliError {
        let path = self.path.join(name);
        CliError { message: format!("cannot write {}: {error}", path.display()), status: EXIT_PARTIAL }
    }
}
