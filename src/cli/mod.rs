//! The command line: arguments in, report on stdout, everything else on stderr, exit status out.

mod inputs;
mod progress;
pub mod report;
mod topology;

use std::io::{self, IsTerminal, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Config;
use crate::pipeline;
use crate::record::format::Format;
use crate::summary::Summary;
use crate::summary::build::{self, DEFAULT_MAX_LISTED_GROUPS, SummaryOptions};
use crate::summary::json;

/// FieldRanges of the text report where stdout is no terminal.
const DEFAULT_WIDTH: usize = 120;

/// Exit status: every input was read whole.
const EXIT_SUCCESS: u8 = 0;
/// Exit status: an input was not read whole, or the report could not be written.
const EXIT_PARTIAL: u8 = 1;
/// Exit status: wrong usage, or a topology that can't be read. It is clap's own as well.
const EXIT_USAGE: u8 = 2;

/// Finds rejected connections and VPC peering problems in AWS VPC Flow Logs.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Analyze flow logs from files, folders or stdin
    #[command(
        after_help = "Exit status: 0: all inputs were read; 1: at least one input failed (it is reported on stderr and \
                            excluded); 2: invalid usage or unreadable topology."
    )]
    Analyze(Analyze),
    /// Check a topology
    #[command(subcommand)]
    Topology(TopologyCommand),
}

#[derive(Debug, Subcommand)]
enum TopologyCommand {
    /// Find overlapping CIDR blocks, missing routes and unusable routes
    #[command(
        after_help = "Exit status: 0: no finding of medium or high severity; 1: at least one; 2: invalid usage or \
                            unreadable topology."
    )]
    Check(topology::Check),
}

#[derive(Debug, Args)]
struct Analyze {
    /// A file, a folder (its *.log, *.gz and *.parquet files) or - for stdin; gzip or plain text
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,

    /// Output of aws ec2 describe-…: a file or a folder of *.json; repeatable
    #[arg(long, value_name = "PATH")]
    topology: Vec<PathBuf>,

    /// text for people, json for programs (one summary of all inputs)
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,

    /// FieldRanges of files without a header, such as "${version} ${srcaddr} ${dstaddr}" [default: version 2]
    #[arg(long, value_parser = Format::from_setting)]
    log_format: Option<Format>,

    /// Maximum number of rejected groups to list [default: 100; text shows 10]
    #[arg(long, value_name = "N")]
    top: Option<usize>,

    /// TOML file with thresholds and limits, such as `port_scan_ports = 15`; an unknown name lists the valid ones
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Number of threads [default: number of cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    Text,
    Json,
}

/// Does what the arguments say.
pub fn run() -> ExitCode {
    let status = match Arguments::parse().command {
        Command::Analyze(arguments) => analyze(&arguments),
        Command::Topology(TopologyCommand::Check(arguments)) => topology::check(&arguments),
    };
    let status = status.unwrap_or_else(|error| {
        complain(&error.message);
        error.status
    });
    ExitCode::from(status)
}

/// Why there is no report.
struct CliError {
    message: String,
    status: u8,
}

fn analyze(arguments: &Analyze) -> Result<u8, CliError> {
    let topology = topology::read(&arguments.topology)?;
    let Config { thresholds, limits } = config(arguments)?;
    let max_listed_groups = arguments.top.unwrap_or(DEFAULT_MAX_LISTED_GROUPS);
    let settings = SummaryOptions { thresholds, max_listed_groups };
    let mut options = pipeline::Options { topology: topology.clone(), limits, ..pipeline::Options::default() };
    if let Some(format) = &arguments.log_format {
        format.unknown_names().for_each(|name| complain(&format!("--log-format: unknown field {name:?}")));
        options.format = format.clone();
    }
    let threads = arguments.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let analysis = inputs::analyze(&inputs::expand(&arguments.inputs), &options, threads);
    let summary = build::build_summary(analysis, &settings, topology.as_deref());
    report_failures(&summary);
    written(write(arguments, &summary))?;
    let status = if summary.failed.is_empty() { EXIT_SUCCESS } else { EXIT_PARTIAL };
    // The program ends: its memory is given back at once, not piece by piece.
    std::mem::forget((summary, options, topology));
    Ok(status)
}

#[expect(clippy::disallowed_methods, reason = "the command line reads its configuration from a file")]
fn config(arguments: &Analyze) -> Result<Config, CliError> {
    let Some(path) = &arguments.config else { return Ok(Config::default()) };
    let wrong = |path: &Path, error: &dyn std::fmt::Display| CliError {
        message: format!("--config {}: {error}", path.display()),
        status: EXIT_USAGE,
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(path, &error))?;
    Config::from_toml(&text).map_err(|error| wrong(path, &error))
}

fn report_failures(summary: &Summary) {
    for failure in &summary.failed {
        complain(&format!("{}: {}", failure.uri, failure.error));
    }
}

fn write(arguments: &Analyze, summary: &Summary) -> io::Result<()> {
    match arguments.format {
        // As it is: what strips styles strips a name's control characters too.
        ReportFormat::Json => write_all(io::stdout(), &json::render(summary)),
        ReportFormat::Text => {
            let look = report::RenderOptions { width: width(), groups: arguments.top };
            write_all(anstream::stdout(), report::render(summary, look).as_bytes())
        }
    }
}

fn written(result: io::Result<()>) -> Result<(), CliError> {
    match result {
        // Whoever reads the report, `head` say, has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(CliError { message: format!("cannot write the report: {error}"), status: EXIT_PARTIAL }),
        Ok(()) => Ok(()),
    }
}

fn write_all(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}

fn width() -> usize {
    let terminal = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
    terminal.map_or(DEFAULT_WIDTH, |(width, _)| width.0.into())
}

/// One line on stderr. What it quotes may come from strangers. That nobody can read it stops nothing.
fn complain(message: &str) {
    drop(writeln!(anstream::stderr(), "flowsentry: {}", report::printable(message)));
}
