//! Partials as files: reads and merges them in their order, and writes one.
//!
//! A partial that is damaged is a failed input, as a damaged flow log is. One of another version, topology, or configuration is wrong usage:
//! nothing is merged.

use std::collections::HashSet;
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use super::output::{self, warn};
use super::wrong_input::{self, Expected};
use super::{CliError, EXIT_PARTIAL, EXIT_USAGE};
use crate::aggregate::Analysis;
use crate::config::Limits;
use crate::partial::{self, Context, PartialError};

/// The name of stdin and stdout.
const STANDARD_STREAM: &str = "-";

/// Merges partials in their order. Holds one of them in memory besides the result.
pub(super) fn merge(paths: &[PathBuf], context: &Context<'_>, limits: &Limits) -> Result<Analysis, CliError> {
    let mut merged = Analysis::new(limits);
    let mut known = HashSet::new();
    for path in paths {
        if path.as_os_str() != STANDARD_STREAM && path.canonicalize().is_ok_and(|path| !known.insert(path)) {
            warn(&format!("{}: given twice, merged once", path.display()));
            continue;
        }
        let input = match wrong_input::open(path, Expected::Partial) {
            Ok(input) => input,
            Err(reason) => {
                merged.observe_failure(path.display().to_string(), reason);
                continue;
            }
        };
        match partial::read(BufReader::new(input), context) {
            Ok(analysis) => merged.merge(analysis),
            Err(error @ (PartialError::Read(_) | PartialError::Truncated | PartialError::Corrupt(_))) => {
                merged.observe_failure(path.display().to_string(), error.to_string());
            }
            Err(error) => {
                let advice = match error {
                    PartialError::NotAPartial => wrong_input::advice(path, Expected::Partial),
                    _ => None,
                };
                let reason = advice.map_or_else(|| error.to_string(), str::to_owned);
                return Err(CliError { message: format!("{}: {reason}", path.display()), status: EXIT_USAGE });
            }
        }
    }
    warn_of_repeated_inputs(&merged);
    Ok(merged)
}

/// Warns of inputs that several partials have.
fn warn_of_repeated_inputs(merged: &Analysis) {
    let mut known = HashSet::new();
    for source in &merged.sources {
        if source.uri != STANDARD_STREAM && !known.insert((&source.uri, &source.object)) {
            warn(&format!("{}: in several partials, so its records count several times", source.uri));
        }
    }
}

/// Returns an error if a partial cannot be written to this path. Nothing was read yet.
pub(super) fn check_target(path: Option<&Path>) -> Result<(), CliError> {
    let reason = path.and_then(|path| Some((path, wrong_input::cannot_write(path)?)));
    reason.map_or(Ok(()), |(path, reason)| {
        Err(CliError { message: format!("--partial {}: {reason}", path.display()), status: EXIT_USAGE })
    })
}

/// Writes a partial.
pub(super) fn write(analysis: Analysis, context: &Context<'_>, path: &Path) -> Result<(), CliError> {
    let written = if path.as_os_str() == STANDARD_STREAM {
        partial::write(analysis, context, BufWriter::new(io::stdout()))
    } else {
        output::write_file(path, |file| partial::write(analysis, context, file))
    };
    written.map_err(|error| CliError {
        message: format!("cannot write the partial {}: {error}", path.display()),
        status: EXIT_PARTIAL,
    })
}
