//! The command `diff`: what differs between two stored summaries.

use std::path::Path;

use super::args::{Diff, PageFormat};
use super::output;
use super::wrong_input::STDIN;
use super::{CliError, EXIT_SUCCESS, EXIT_USAGE, report, stored};
use crate::html;
use crate::summary::diff::{DiffVerdict, compare};
use crate::summary::json;

/// Exit status of `diff`: a finding is new, or got worse, or the summary after may hide one that did.
const EXIT_WORSE: u8 = 1;

/// Runs `diff`. Returns the exit status.
pub(super) fn diff(arguments: &Diff) -> Result<u8, CliError> {
    let Diff { before, after, format } = arguments;
    if [before, after].iter().all(|path| path.as_os_str() == STDIN) {
        let message = "stdin cannot be both summaries: give at least one file".to_owned();
        return Err(CliError { message, status: EXIT_USAGE });
    }
    let name = |path: &Path| path.display().to_string();
    let (before, after) = ((name(before), stored::read(before)?), (name(after), stored::read(after)?));
    let diff = compare((&before.0, &before.1), (&after.0, &after.1));
    match format {
        PageFormat::Json => output::write_json(&json::line(&diff))?,
        PageFormat::Text => output::write_text(&report::render_diff(&diff, output::width()))?,
        PageFormat::Html => output::write_html(&html::render_diff(&diff))?,
    }
    Ok(if diff.verdict() == DiffVerdict::NoWorse { EXIT_SUCCESS } else { EXIT_WORSE })
}
