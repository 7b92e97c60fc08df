//! Commands on stored summaries: `report` renders one, `top` and `timeline` show a part of one, or of the logs that they analyze.
//!
//! A summary is an untrusted file. What cannot be understood of it is warned about, and the rest is shown.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::num::NonZero;
use std::path::Path;
use std::thread;

use super::args::{Report, ReportFormat, Timeline, View};
use super::inputs;
use super::output::{self, warn};
use super::{
    CliError, EXIT_PARTIAL, EXIT_SUCCESS, EXIT_USAGE, read_config, report, report_failures, topology, write_report,
};
use crate::pipeline::Options;
use crate::summary::build::{self, SummaryOptions};
use crate::summary::json;
use crate::summary::{Summary, TimeBucket};

/// The name of stdin.
const STDIN: &str = "-";

/// Runs `report`. Returns the exit status.
pub(super) fn report(arguments: &Report) -> Result<u8, CliError> {
    let mut summary = read(&arguments.summary)?;
    if let Some(top) = arguments.report.top {
        summary.rejected.groups.truncate(top);
    }
    write_report(&arguments.report, &mut summary, EXIT_SUCCESS, None)
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
    let buckets = TimeBucket::join(&summary.timeline, *rows);
    match view.format {
        ReportFormat::Json => output::write_json(&json::line(&buckets))?,
        ReportFormat::Text => output::write_text(&report::render_timeline(&summary, &buckets, output::width()))?,
    }
    Ok(status)
}

impl View {
    /// Returns the summary, which is read or made, and the exit status.
    fn summary(&self) -> Result<(Summary, u8), CliError> {
        match &self.inputs[..] {
            [path] if is_summary(path) => Ok((read(path)?, EXIT_SUCCESS)),
            _ => self.analyze(),
        }
    }

    /// Analyzes logs.
    fn analyze(&self) -> Result<(Summary, u8), CliError> {
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
        let analysis = inputs::analyze(&inputs::expand(&self.inputs), &options, None, threads);
        report_failures(&analysis);
        let status = if analysis.failed.is_empty() { EXIT_SUCCESS } else { EXIT_PARTIAL };
        Ok((build::build_summary(analysis, &SummaryOptions::default(), topology.as_deref()), status))
    }
}

/// Reads a summary. Warns of what is not understood.
pub(super) fn read(path: &Path) -> Result<Summary, CliError> {
    let error = |problem: String| CliError { message: format!("{}: {problem}", path.display()), status: EXIT_USAGE };
    let summary = open(path)
        .map_err(|reason| error(format!("cannot be read: {reason}")))
        .and_then(|file| json::read(file).map_err(|reason| error(reason.to_string())))?;
    for (list, count) in &summary.unknown {
        let path = path.display();
        warn(&format!(
            "{path}: {count} of {list} are unknown to this version and left out; use the version that wrote it"
        ));
    }
    Ok(summary)
}

#[expect(clippy::disallowed_methods, reason = "the command line reads files")]
fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    if path.as_os_str() == STDIN {
        return Ok(Box::new(io::stdin()));
    }
    Ok(Box::new(BufReader::new(File::open(path)?)))
}

/// Returns whether an input is a summary. Stdin is never one, because what was read of it would be lost.
fn is_summary(path: &Path) -> bool {
    path.as_os_str() != STDIN && path.is_file() && open(path).is_ok_and(json::is_summary)
}
