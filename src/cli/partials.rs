//! Partials as files: reads and merges them in their order, and writes one.
//!
//! A partial that is damaged is a failed input, as a damaged flow log is. One of another version, topology, or configuration is wrong usage:
//! nothing is merged.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};

use super::output::{self, warn};
use super::wrong_input::{self, Expected};
use super::{CliError, EXIT_PARTIAL, EXIT_USAGE};
use crate::aggregate::Analysis;
use crate::config::Limits;
use crate::input::other_format::HEAD_BYTES;
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
        match read(path, context) {
            Ok(analysis) => merged.merge(analysis),
            Err(error @ (PartialError::Read(_) | PartialError::Truncated | PartialError::Corrupt(_))) => {
                merged.observe_failure(path.display().to_string(), error.to_string());
            }
            Err(error) => {
                let advice = match error {
                    PartialError::NotAPartial => advice(path),
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

/// Returns what to do about a file that is not a partial, if it is recognized.
#[expect(clippy::disallowed_methods, reason = "the command line reads files")]
fn advice(path: &Path) -> Option<&'static str> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    File::open(path).ok()?.take(HEAD_BYTES as u64).read_to_end(&mut head).ok()?;
    wrong_input::of_other_kind(&head, Expected::Partial)
}

/// Returns an error whose message says what to do.
fn cannot_open(path: &Path, error: &io::Error) -> PartialError {
    PartialError::Read(io::Error::new(error.kind(), wrong_input::cannot_open(path, error, Expected::Partial)))
}

#[expect(clippy::disallowed_methods, reason = "the command line reads files")]
fn read(path: &Path, context: &Context<'_>) -> Result<Analysis, PartialError> {
    let input: Box<dyn Read> = if path.as_os_str() == STANDARD_STREAM {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| cannot_open(path, &error))?)
    };
    partial::read(BufReader::new(input), context)
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
