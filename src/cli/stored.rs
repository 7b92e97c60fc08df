//! Commands on stored summaries: `report` renders one, `top` and `timeline` show a part of one, or of the logs that they analyze.
//!
//! A summary is an untrusted file. What cannot be understood of it is warned about, and the rest is shown.

use std::fmt::Display;
use std::io::{self, Read};
use std::num::NonZero;
use std::path::Path;
use std::thread;

use super::args::{Report, ReportFormat, Timeline, View};
use super::inputs::{self, Input};
use super::output::{self, warn};
use super::wrong_input::{self, Expected, STDIN};
use super::{
    CliError, EXIT_PARTIAL, EXIT_SUCCESS, EXIT_USAGE, read_config, report, report_failures, topology, write_report,
};
use crate::aggregate::inputs::InputFailure;
use crate::pipeline::Options;
use crate::sanitize::truncate_chars;
use crate::summary::build::{self, SummaryOptions};
use crate::summary::json;
use crate::summary::{Summary, TimeBucket};

/// Rows of a timeline for people: two screens of 24 rows.
const DEFAULT_TIMELINE_ROWS: usize = 48;
/// Maximum number of failed inputs of a summary on stderr.
const MAX_FAILURES: usize = 10;
/// Maximum length of the name of one, and of its error.
const FAILURE_CHARACTERS: usize = 500;

/// Runs `report`. Returns the exit status, which is 1 if findings may be missing from the summary.
pub(super) fn report(arguments: &Report) -> Result<u8, CliError> {
    let mut summary = read(&arguments.summary)?;
    let status = if summary.unknown.is_empty() { EXIT_SUCCESS } else { EXIT_PARTIAL };
    if let Some(top) = arguments.report.top {
        summary.rejected.groups.truncate(top);
    }
    write_report(&arguments.report, &mut summary, status, None)
}

/// Runs `top`. Returns the exit status.
pub(super) fn top(view: &View) -> Result<u8, CliError> {
    let (summary, status) = view.summary()?;
    match view.format {
        ReportFormat::Json => output::write_json(&json::line(&summary.top))?,
        ReportFormat::Text => output::write_text(&report::render_top(&summary, output::width()))?,
    }
    Ok(status)
}

/// Runs `timeline`. Returns the exit status.
pub(super) fn timeline(arguments: &Timeline) -> Result<u8, CliError> {
    let Timeline { view, rows } = arguments;
    let (summary, status) = view.summary()?;
    let joined = |rows: Option<NonZero<usize>>| match rows {
        Some(rows) => TimeBucket::join(&summary.timeline, rows),
        None => summary.timeline.clone(),
    };
    match view.format {
        ReportFormat::Json => output::write_json(&json::line(&joined(*rows)))?,
        ReportFormat::Text => {
            let buckets = joined(rows.or(NonZero::new(DEFAULT_TIMELINE_ROWS)));
            output::write_text(&report::render_timeline(&summary, &buckets, output::width()))?;
        }
    }
    Ok(status)
}

impl View {
    /// Returns the summary, which is read or made, and the exit status.
    fn summary(&self) -> Result<(Summary, u8), CliError> {
        match &self.inputs[..] {
            [path] if path.as_os_str() == STDIN => self.of_stdin(),
            [path] if is_summary(path) => self.stored(path, read(path)?),
            paths => self.analyze(&inputs::expand(paths)),
        }
    }

    /// Returns the summary of stdin, which has a summary or a flow log.
    fn of_stdin(&self) -> Result<(Summary, u8), CliError> {
        let mut head = Recorder { input: io::stdin(), read: Vec::new() };
        let is_summary = json::is_summary(&mut head);
        if is_summary {
            let path = Path::new(STDIN);
            return self.stored(path, parse(path, head.read.as_slice().chain(io::stdin()))?);
        }
        self.analyze(&[Input::stdin_after(head.read)])
    }

    /// Returns a stored summary. Options of an analysis would change nothing.
    fn stored(&self, path: &Path, summary: Summary) -> Result<(Summary, u8), CliError> {
        let View { topology, log_format, config, .. } = self;
        let given =
            [("topology", !topology.is_empty()), ("log-format", log_format.is_some()), ("config", config.is_some())];
        match given.iter().find(|(_, is_given)| *is_given) {
            None => Ok((warned(summary), EXIT_SUCCESS)),
            Some((option, _)) => {
                let reason = format!("is a summary, and --{option} is for flow logs: leave it out");
                Err(unreadable(path, &reason))
            }
        }
    }

    /// Analyzes logs.
    fn analyze(&self, logs: &[Input]) -> Result<(Summary, u8), CliError> {
        let topology = topology::read(&self.topology)?;
        let config = read_config(self.config.as_deref())?;
        let mut options = Options {
            topology: topology.clone(),
            limits: config.limits,
            log_formats: config.log_formats.clone(),
            ..Options::default()
        };
        if let Some(format) = &self.log_format {
            options.format = format.clone();
        }
        let threads = thread::available_parallelism().map_or(1, NonZero::get);
        let analysis = inputs::analyze(logs, &options, None, threads);
        report_failures(&analysis);
        let status = if analysis.failed.is_empty() { EXIT_SUCCESS } else { EXIT_PARTIAL };
        let summary = build::build_summary(analysis, &SummaryOptions::default(), topology.as_deref());
        Ok((warned(summary), status))
    }
}

/// Returns a summary of which a part is shown, after a warning if more than half of its records are malformed.
fn warned(summary: Summary) -> Summary {
    report::warn_of_majority(&summary).into_iter().for_each(|warning| warn(&warning));
    summary
}

/// Reads a summary. Warns of what is not understood.
pub(super) fn read(path: &Path) -> Result<Summary, CliError> {
    let input = wrong_input::open(path, Expected::Summary).map_err(|reason| unreadable(path, &reason))?;
    parse(path, input)
}

fn parse(path: &Path, input: impl Read) -> Result<Summary, CliError> {
    let summary = json::read(input).map_err(|error| match wrong_input::advice(path, Expected::Summary) {
        Some(advice) => unreadable(path, &advice),
        None => unreadable(path, &error),
    })?;
    for (list, count) in &summary.unknown {
        let path = path.display();
        warn(&format!(
            "{path}: {count} of {list} are unknown to this version or damaged, and left out; use the version that wrote it"
        ));
    }
    warn_of_failures(&summary.failed);
    Ok(summary)
}

/// Prints the first inputs that failed on stderr, and why. Reports have only their names.
fn warn_of_failures(failed: &[InputFailure]) {
    for InputFailure { uri, error } in failed.iter().take(MAX_FAILURES) {
        let (uri, error) = (truncate_chars(uri, FAILURE_CHARACTERS), truncate_chars(error, FAILURE_CHARACTERS));
        warn(&format!("{uri}: {error}"));
    }
    let more = failed.len().saturating_sub(MAX_FAILURES);
    if more > 0 {
        warn(&format!("{more} more of the inputs of the summary could not be read; \"failed\" in it has all"));
    }
}

fn unreadable(path: &Path, reason: &dyn Display) -> CliError {
    CliError { message: format!("{}: {reason}", path.display()), status: EXIT_USAGE }
}

/// Returns whether an input is a summary. A pipe is never one, because what was read of it would be lost.
fn is_summary(path: &Path) -> bool {
    path.is_file() && wrong_input::open(path, Expected::Summary).is_ok_and(json::is_summary)
}

/// Keeps what is read of an input, so that it can be read again.
struct Recorder<R> {
    input: R,
    read: Vec<u8>,
}

impl<R: Read> Read for Recorder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(out)?;
        self.read.extend_from_slice(out.get(..count).unwrap_or_default());
        Ok(count)
    }
}
