//! The command line: arguments in; the report on stdout, everything else on stderr, and an exit status out.
//!
//! - `args`: the arguments and their help texts.
//! - `diff`: runs `diff`.
//! - `csv`: renders the rejected groups as CSV.
//! - `help`: the examples of `--help`; `shell`: completions and man pages.
//! - `explain`: runs `explain`: resolves the ends, reads the evidence of logs.
//! - `filters`: the arguments that select records and findings.
//! - `inputs`: finds the input files, analyzes several at once and merges the results in order.
//! - `wrong_input`: opens files, and says what to do about those of another kind.
//! - `partials`: reads and merges partials, and writes one.
//! - `plan`: lists objects and writes the batches of a report.
//! - `stored`: runs `report`, `top`, and `timeline`: reads summaries.
//! - `topology`: reads the topology documents; runs `topology check` and `topology fetch`.
//! - [`report`]: renders a summary, a diff, or an explanation as text.
//! - `output`: writes reports and warnings.
//! - `progress`: the progress bar.
//!
//! Only this room opens files and reads the size of the terminal.

mod args;
mod csv;
mod diff;
mod explain;
mod filters;
mod help;
mod inputs;
mod output;
mod partials;
mod plan;
mod progress;
pub mod report;
mod shell;
mod stored;
mod topology;
mod wrong_input;

use std::fmt::Display;
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use clap::Parser;

use self::args::{Analyze, Arguments, Command, Merge, ReportArguments, SummaryFormat, TopologyCommand};
use self::filters::FindingArguments;
use self::output::warn;
use self::wrong_input::Expected;
use crate::aggregate::Analysis;
use crate::config::Config;
use crate::html;
use crate::partial::{self, Context};
use crate::pipeline;
use crate::record::timestamp::Timestamp;
use crate::summary::build::{self, DEFAULT_MAX_LISTED_GROUPS, SummaryOptions};
use crate::summary::doubt;
use crate::summary::json;
use crate::summary::{Filters, Summary};
use crate::topology::Topology;

/// Exit status: all inputs were read completely, or the destination is reachable.
const EXIT_SUCCESS: u8 = 0;
/// Exit status: an input was not read completely, the report could not be written, or `topology check` found a problem.
const EXIT_PARTIAL: u8 = 1;
/// Exit status of `explain`: a hop blocks.
const EXIT_BLOCKED: u8 = 1;
/// Exit status: invalid usage, or an unreadable topology. clap uses the same number.
const EXIT_USAGE: u8 = 2;
/// Exit status: a finding has the severity of `--fail-on`. An input that was not read is worse: it may hide findings.
const EXIT_FINDING: u8 = 4;
/// Exit status of `explain`: the topology does not have everything that decides.
const EXIT_UNKNOWN: u8 = 3;

/// Maximum length of a configuration. The longest useful ones have a thousand scanners, of 100 bytes each.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Reason why there is no report.
struct CliError {
    message: String,
    status: u8,
}

/// Runs the program with the arguments of the process.
pub fn run() -> ExitCode {
    let status = match Arguments::parse().command {
        Command::Analyze(arguments) => analyze(&arguments),
        Command::Merge(arguments) => merge(&arguments),
        Command::Report(arguments) => stored::report(&arguments),
        Command::Diff(arguments) => diff::diff(&arguments),
        Command::Top(arguments) => stored::top(&arguments),
        Command::Timeline(arguments) => stored::timeline(&arguments),
        Command::Plan(arguments) => plan::plan(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Topology(TopologyCommand::Check(arguments)) => topology::check(&arguments),
        #[cfg(feature = "aws")]
        Command::Topology(TopologyCommand::Fetch(arguments)) => topology::fetch::fetch(&arguments),
        Command::Completions { shell } => shell::completions(shell),
        Command::Man { to } => shell::man(to.as_deref()),
    };
    let status = status.unwrap_or_else(|error| {
        warn(&error.message);
        error.status
    });
    ExitCode::from(status)
}

/// Runs `analyze`. Returns the exit status.
fn analyze(arguments: &Analyze) -> Result<u8, CliError> {
    partials::check_target(arguments.partial.as_deref())?;
    let topology = topology::read(&arguments.topology)?;
    let config = read_config(arguments.config.as_deref())?;
    let mut options = pipeline::Options {
        topology: topology.clone(),
        limits: config.limits,
        log_formats: config.log_formats.clone(),
        ..pipeline::Options::default()
    };
    if let Some(format) = &arguments.log_format {
        options.format = format.clone();
    }
    let threads = arguments.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let filter = arguments.filters.filter()?;
    filters::warn_of_ids(&arguments.filters, topology.as_deref());
    let listed = inputs::list(arguments)?;
    let analysis = inputs::analyze(&listed, &options, filter.as_ref(), threads);
    if let Some(filter) = &filter {
        inputs::warn_if_none_passes(&analysis.records, filter, &listed, &options);
    }
    let Analyze { partial, close, report, .. } = arguments;
    let filters = filter.as_ref().map(Filters::from);
    let target = Target { partial: partial.as_deref(), close: *close, filters, report };
    let status = finish(analysis, &target, topology.as_deref(), config)?;
    // The process ends here and its memory is freed as a whole. Freeing each allocation would take longer.
    std::mem::forget((options, topology));
    Ok(status)
}

/// Runs `merge`. Returns the exit status.
fn merge(arguments: &Merge) -> Result<u8, CliError> {
    partials::check_target(arguments.partial.as_deref())?;
    let topology = topology::read(&arguments.topology)?;
    let config = read_config(arguments.config.as_deref())?;
    let context = Context::new(topology.as_deref(), &config);
    let analysis = partials::merge(&arguments.partials, &context, &config.limits)?;
    let Merge { partial, close, report, .. } = arguments;
    let filters = None;
    let target = Target { partial: partial.as_deref(), close: *close, filters, report };
    finish(analysis, &target, topology.as_deref(), config)
}

/// What becomes of an analysis.
struct Target<'a> {
    /// A partial at this path. Otherwise a report.
    partial: Option<&'a Path>,
    /// Whether the partial is closed.
    close: bool,
    /// The filter of the records, if there is one.
    filters: Option<Filters>,
    report: &'a ReportArguments,
}

/// Writes the partial or the report of an analysis. Returns the exit status.
fn finish(
    mut analysis: Analysis,
    target: &Target<'_>,
    topology: Option<&Topology>,
    config: Config,
) -> Result<u8, CliError> {
    let status = if analysis.failed.is_empty() { EXIT_SUCCESS } else { EXIT_PARTIAL };
    report_failures(&analysis);
    if let Some(path) = target.partial {
        if target.close {
            partial::close(&mut analysis, topology);
        }
        partials::write(analysis, &Context::new(topology, &config), path)?;
        return Ok(status);
    }
    let Config { thresholds, trusted_scanners, exceptions, .. } = config;
    let latest = analysis.window.last_seen.or(analysis.window.first_seen).map(Timestamp::seconds);
    for expired in exceptions.expired_at(latest) {
        warn(&format!("--config: {expired}"));
    }
    let max_listed_groups = target.report.top.unwrap_or(DEFAULT_MAX_LISTED_GROUPS);
    let options =
        SummaryOptions { thresholds, trusted_scanners, exceptions, max_listed_groups, ..SummaryOptions::default() };
    let mut summary = build::build_summary(analysis, &options, topology);
    summary.filters.clone_from(&target.filters);
    let status = write_report(target.report, &mut summary, status, topology)?;
    // As above: the process ends.
    std::mem::forget((summary, options));
    Ok(status)
}

fn read_config(path: Option<&Path>) -> Result<Config, CliError> {
    let Some(path) = path else { return Ok(Config::default()) };
    let usage_error =
        |error: &dyn Display| CliError { message: format!("--config {}: {error}", path.display()), status: EXIT_USAGE };
    // The advice for a file of another kind says more than the error of the parser.
    let or_advice = |error: &dyn Display| match wrong_input::advice(path, Expected::Config) {
        Some(advice) => usage_error(&advice),
        None => usage_error(error),
    };
    let bytes = wrong_input::read(path, Expected::Config, MAX_CONFIG_BYTES).map_err(|reason| or_advice(&reason))?;
    let text = String::from_utf8(bytes).map_err(|error| or_advice(&error))?;
    Config::from_toml(&text).map_err(|error| or_advice(&error))
}

/// Prints each input that failed on stderr.
fn report_failures(analysis: &Analysis) {
    for failure in &analysis.failed {
        warn(&format!("{}: {}", failure.uri, failure.error));
    }
}

/// Writes the report of a summary. Returns the exit status, which is `status` unless `--fail-on` applies.
fn write_report(
    options: &ReportArguments,
    summary: &mut Summary,
    status: u8,
    topology: Option<&Topology>,
) -> Result<u8, CliError> {
    let ReportArguments { format, top, verbose, findings: FindingArguments { min_severity, fail_on } } = options;
    let has_finding = fail_on.is_some_and(|severity| summary.has_finding(severity));
    let undecided = fail_on.map(|severity| summary.undecided(severity)).unwrap_or_default();
    let status = if undecided.is_empty() { status } else { EXIT_PARTIAL };
    if !undecided.is_empty() {
        warn(&format!("--fail-on cannot be decided: {}", doubt::join(&undecided)));
    }
    min_severity.iter().copied().for_each(|severity| summary.keep_findings(severity));
    match format {
        SummaryFormat::Json => {
            // The text report has the warning itself.
            if let Some(warning) = report::warn_of_majority(summary) {
                warn(&warning);
            }
            output::write_json(&json::render(summary))?;
        }
        SummaryFormat::Text => {
            let options = report::RenderOptions { width: output::width(), groups: *top, topology };
            let render = if *verbose { report::render_all } else { report::render };
            output::write_text(&render(summary, options))?;
        }
        SummaryFormat::Csv => {
            let notes = report::warn_of_majority(summary).into_iter().chain(csv::note_of_others(summary));
            notes.for_each(|note| warn(&note));
            output::write_csv(&csv::render(summary))?;
        }
        SummaryFormat::Html => output::write_html(&html::render(summary))?,
    }
    Ok(if status == EXIT_SUCCESS && has_finding { EXIT_FINDING } else { status })
}
