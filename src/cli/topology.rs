//! Reads the topology of a run from files and folders; runs `topology check`.

#[cfg(feature = "aws")]
pub(super) mod fetch;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::WalkDir;

use super::args::{CheckTopology, ReportFormat};
use super::output::{self, warn};
use super::report;
use super::wrong_input::{self, Expected};
use super::{CliError, EXIT_PARTIAL, EXIT_SUCCESS, EXIT_USAGE};
use crate::findings::topology_check;
use crate::findings::types::Severity;
use crate::summary::json;
use crate::topology::Topology;
use crate::topology::describe_output::Resources;

/// Maximum length of a document, as that of the function.
const MAX_DOCUMENT_BYTES: u64 = 256 << 20;

/// What the documents of a topology are.
const DOCUMENTS: &str = "a topology is the output of aws ec2 describe-…, with --output json";

/// Runs `topology check`. Returns the exit status, which is 1 if a finding has medium severity or above.
pub(super) fn check(arguments: &CheckTopology) -> Result<u8, CliError> {
    let Some(topology) = read(&arguments.paths)? else { return Ok(EXIT_SUCCESS) };
    let check = topology_check::check(&topology);
    match arguments.format {
        ReportFormat::Json => output::write_json(&json::render_check(&check))?,
        ReportFormat::Text => output::write_text(&report::render_check(&check, output::width()))?,
    }
    let has_problem = check.findings.iter().any(|finding| finding.severity >= Severity::Medium);
    Ok(if has_problem { EXIT_PARTIAL } else { EXIT_SUCCESS })
}

/// Reads all documents. Returns `None` if there are no paths. Reports on stderr each part of a document that cannot be
/// used.
pub(super) fn read(paths: &[PathBuf]) -> Result<Option<Arc<Topology>>, CliError> {
    if paths.is_empty() {
        return Ok(None);
    }
    let mut resources = Resources::default();
    for document in list_documents(paths)? {
        let json = read_document(&document)?;
        if let Some(advice) = wrong_input::of_other_kind(&json, Expected::Topology) {
            return Err(CliError { message: format!("{}: {advice}", document.display()), status: EXIT_USAGE });
        }
        resources
            .read(&document.display().to_string(), &json)
            .map_err(|error| CliError { message: format!("{error}; {DOCUMENTS}"), status: EXIT_USAGE })?;
    }
    let topology = Topology::new(resources);
    for problem in topology.problems() {
        warn(&problem.to_string());
    }
    if topology.resources().is_empty() && !topology.problems().is_empty() {
        let message = "no usable resources in the topology; pass the output of aws ec2 describe-…".to_owned();
        return Err(CliError { message, status: EXIT_USAGE });
    }
    Ok(Some(Arc::new(topology)))
}

/// Lists the documents: files in the given order, and the `*.json` files of each folder by name.
fn list_documents(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut documents = Vec::new();
    for path in paths {
        if !path.is_dir() {
            documents.push(path.clone());
            continue;
        }
        let count_before = documents.len();
        for entry in WalkDir::new(path).max_depth(1).follow_links(true).sort_by_file_name() {
            let entry = entry.map_err(|error| unreadable(path, &error))?;
            if entry.file_type().is_file() && entry.path().extension().is_some_and(|extension| extension == "json") {
                documents.push(entry.into_path());
            }
        }
        if documents.len() == count_before {
            return Err(unreadable(path, &"no *.json in this folder"));
        }
    }
    Ok(documents)
}

fn read_document(path: &Path) -> Result<Vec<u8>, CliError> {
    let error = |reason: String| CliError { message: format!("{}: {reason}", path.display()), status: EXIT_USAGE };
    wrong_input::read(path, Expected::Topology, MAX_DOCUMENT_BYTES).map_err(error)
}

fn unreadable(path: &Path, error: &dyn Display) -> CliError {
    CliError { message: format!("cannot read the topology {}: {error}", path.display()), status: EXIT_USAGE }
}
