//! The topology of a run, from files and folders.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use walkdir::WalkDir;

use super::report;
use super::{CliError, EXIT_PARTIAL, EXIT_SUCCESS, EXIT_USAGE, ReportFormat, complain, width, write_all, written};
use crate::findings::topology_check;
use crate::findings::types::Severity;
use crate::summary::json;
use crate::topology::Topology;
use crate::topology::describe_output::Resources;

/// `topology check`.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Output of aws ec2 describe-…: a file or a folder of *.json
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// text for people, json for programs
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

/// Looks for what is wrong with a topology. Exit status 1 says that something of at least medium severity is.
pub(super) fn check(arguments: &Check) -> Result<u8, CliError> {
    let Some(topology) = read(&arguments.paths)? else { return Ok(EXIT_SUCCESS) };
    let check = topology_check::check(&topology);
    written(match arguments.format {
        ReportFormat::Json => write_all(std::io::stdout(), &json::render_check(&check)),
        ReportFormat::Text => write_all(anstream::stdout(), report::render_check(&check, width()).as_bytes()),
    })?;
    let bad = check.findings.iter().any(|finding| finding.severity >= Severity::Medium);
    Ok(if bad { EXIT_PARTIAL } else { EXIT_SUCCESS })
}

/// Reads all documents; none without any path. What in them can't be used is named on stderr.
pub(super) fn read(paths: &[PathBuf]) -> Result<Option<Arc<Topology>>, CliError> {
    if paths.is_empty() {
        return Ok(None);
    }
    let mut resources = Resources::default();
    for document in documents(paths)? {
        let json = contents(&document)?;
        resources
            .read(&document.display().to_string(), &json)
            .map_err(|error| CliError { message: error.to_string(), status: EXIT_USAGE })?;
    }
    let topology = Topology::new(resources);
    topology.problems().iter().for_each(|problem| complain(&problem.to_string()));
    if topology.resources().is_empty() && !topology.problems().is_empty() {
        let message = "no usable resources in the topology; pass the output of aws ec2 describe-…".to_owned();
        return Err(CliError { message, status: EXIT_USAGE });
    }
    Ok(Some(Arc::new(topology)))
}

/// Files as given, and of folders the `*.json` in them, by name.
fn documents(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut documents = Vec::new();
    for path in paths {
        if !path.is_dir() {
            documents.push(path.clone());
            continue;
        }
        let before = documents.len();
        for entry in WalkDir::new(path).max_depth(1).follow_links(true).sort_by_file_name() {
            let entry = entry.map_err(|error| unreadable(path, &error))?;
            if entry.file_type().is_file() && entry.path().extension().is_some_and(|extension| extension == "json") {
                documents.push(entry.into_path());
            }
        }
        if documents.len() == before {
            return Err(unreadable(path, &"no *.json in this folder"));
        }
    }
    Ok(documents)
}

#[expect(clippy::disallowed_methods, reason = "the command line reads the topology from files")]
fn contents(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError { message: format!("cannot read the topology {}: {error}", path.display()), status: EXIT_USAGE }
}
