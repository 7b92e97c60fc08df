//! The command-line arguments, as clap parses them. The doc comments are the help texts of the program.

use std::num::NonZero;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::Timestamp;

use super::explain::target::{Destination, ProtocolName};
use super::filters::{FindingArguments, RecordArguments, absolute_time};
use super::help;
#[cfg(feature = "aws")]
use crate::discovery::target;
use crate::plan::{FanIn, PlanOptions};
use crate::record::format::Format;

/// Finds rejected connections and VPC peering problems in AWS VPC Flow Logs.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = help::MORE, after_long_help = help::PROGRAM)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Analyze flow logs from files, folders or stdin
    #[command(after_help = help::MORE, after_long_help = help::ANALYZE)]
    Analyze(Analyze),
    /// Merge partials, which analyze --partial made, into one summary
    #[command(after_help = help::MORE, after_long_help = help::MERGE)]
    Merge(Merge),
    /// Render a stored summary
    #[command(after_help = help::MORE, after_long_help = help::REPORT)]
    Report(Report),
    /// Compare two summaries: new, changed and gone findings and rejected connections, and the traffic between VPCs
    #[command(after_help = help::MORE, after_long_help = help::DIFF)]
    Diff(Diff),
    /// Show the sources and ports that are rejected most, and who exchanges the most bytes
    #[command(after_help = help::MORE, after_long_help = help::TOP)]
    Top(View),
    /// Show accepted and rejected flows by time, as bars
    #[command(after_help = help::MORE, after_long_help = help::TIMELINE)]
    Timeline(Timeline),
    /// Plan a report over many objects: write which are analyzed together, for a batch system or a shell loop
    #[command(after_help = help::MORE, after_long_help = help::PLAN)]
    Plan(Plan),
    /// Explain whether one end can reach another, hop by hop
    #[command(after_help = help::MORE, after_long_help = help::EXPLAIN)]
    Explain(Explain),
    #[cfg_attr(feature = "aws", doc = "Check a topology, or describe that of AWS accounts")]
    #[cfg_attr(not(feature = "aws"), doc = "Check a topology")]
    #[command(subcommand)]
    Topology(TopologyCommand),
    /// Write the completions of a shell to stdout
    #[command(after_help = help::MORE, after_long_help = help::COMPLETIONS)]
    Completions {
        /// The shell
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Write the man page to stdout, or the pages of all commands to a folder
    #[command(after_help = help::MORE, after_long_help = help::MAN)]
    Man {
        /// Folder to write to
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum TopologyCommand {
    /// Find overlapping CIDR blocks, missing routes and unusable routes
    #[command(after_help = help::MORE, after_long_help = help::CHECK)]
    Check(CheckTopology),
    /// Describe the network of AWS accounts, and write a topology to a folder
    #[cfg(feature = "aws")]
    #[command(after_help = help::MORE, after_long_help = help::FETCH)]
    Fetch(FetchTopology),
}

#[derive(Debug, Args)]
pub(super) struct Analyze {
    /// A file, a folder (its *.log, *.gz and *.parquet files) or - for stdin; plain or gzip: text, Parquet, JSON,
    /// CSV, or an export of CloudWatch Logs
    #[arg(required_unless_present = "inputs_from", value_name = "INPUT")]
    pub(super) inputs: Vec<PathBuf>,

    /// File with an input on each line, such as a batch of flowsentry plan; - for stdin
    #[arg(long, value_name = "FILE")]
    pub(super) inputs_from: Option<PathBuf>,

    /// Output of aws ec2 describe-…: a file or a folder of *.json; repeatable
    #[arg(long, value_name = "PATH")]
    pub(super) topology: Vec<PathBuf>,

    /// Columns of files without a header, such as "${version} ${srcaddr} ${dstaddr}" [default: version 2]
    #[arg(long, value_name = "COLUMNS", value_parser = log_format)]
    pub(super) log_format: Option<Format>,

    /// TOML file with thresholds, limits, trusted scanners and columns by prefix of the input, such as `port_scan_ports = 15`; an unknown name lists the valid ones
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Number of threads [default: number of cores]
    #[arg(long, value_name = "N", value_parser = positive::<NonZero<usize>>)]
    pub(super) threads: Option<NonZero<usize>>,

    /// Write a partial for flowsentry merge, instead of a report; - for stdout
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "top", "verbose", "min_severity", "fail_on"])]
    pub(super) partial: Option<PathBuf>,

    /// Decide causes and answers now, and leave the accepted records out of the partial: it is small, and less exact once merged
    #[arg(long, requires = "partial")]
    pub(super) close: bool,

    // The heading of the last ones holds for all that follow.
    #[command(flatten)]
    pub(super) report: ReportArguments,

    #[command(flatten)]
    pub(super) filters: RecordArguments,
}

#[derive(Debug, Args)]
pub(super) struct Merge {
    /// A file that --partial wrote, or - for stdin
    #[arg(required = true, value_name = "PARTIAL")]
    pub(super) partials: Vec<PathBuf>,

    /// The topology of the partials: a file or a folder of *.json; repeatable
    #[arg(long, value_name = "PATH")]
    pub(super) topology: Vec<PathBuf>,

    /// TOML file with the thresholds, limits and trusted scanners of the partials
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Write a partial of all partials, instead of a report; - for stdout
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "top", "verbose", "min_severity", "fail_on"])]
    pub(super) partial: Option<PathBuf>,

    /// Decide causes and answers now, and leave the accepted records out of the partial
    #[arg(long, requires = "partial")]
    pub(super) close: bool,

    #[command(flatten)]
    pub(super) report: ReportArguments,
}

#[derive(Debug, Args)]
pub(super) struct Report {
    /// A summary: the output of --format json, or an object of the function; plain or gzip, - for stdin
    #[arg(value_name = "SUMMARY")]
    pub(super) summary: PathBuf,

    #[command(flatten)]
    pub(super) report: ReportArguments,
}

/// How a summary becomes a report.
#[derive(Debug, Args)]
pub(super) struct ReportArguments {
    /// text or html (one page without scripts) for people, json for programs, csv for spreadsheets (the rejected connections)
    #[arg(long, value_enum, default_value_t = SummaryFormat::Text)]
    pub(super) format: SummaryFormat,

    /// Maximum number of rejected groups to list [default: 100; text shows 10 with --verbose, else none]
    #[arg(long, value_name = "N")]
    pub(super) top: Option<usize>,

    /// Text with everything, instead of the essence on one screen
    #[arg(short, long)]
    pub(super) verbose: bool,

    #[command(flatten)]
    pub(super) findings: FindingArguments,
}

/// What `top` and `timeline` show a part of.
#[derive(Debug, Args)]
pub(super) struct View {
    /// A summary, or flow logs: files, folders, or - for stdin, which may have either
    #[arg(required = true, value_name = "INPUT")]
    pub(super) inputs: Vec<PathBuf>,

    /// Output of aws ec2 describe-…, for the names in logs: a file or a folder of *.json; repeatable
    #[arg(long, value_name = "PATH")]
    pub(super) topology: Vec<PathBuf>,

    /// text for people, json for programs
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(super) format: ReportFormat,

    /// Columns of logs without a header [default: version 2]
    #[arg(long, value_name = "COLUMNS", value_parser = log_format)]
    pub(super) log_format: Option<Format>,

    /// TOML file with limits, and columns by prefix of the input
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Timeline {
    #[command(flatten)]
    pub(super) view: View,

    /// Maximum number of rows: neighbors are joined until there are no more [default: 48; with --format json, all]
    #[arg(long, value_name = "N", value_parser = positive::<NonZero<usize>>)]
    pub(super) rows: Option<NonZero<usize>>,
}

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The summary before, such as that of yesterday; plain or gzip, - for stdin (one of the two)
    #[arg(value_name = "A")]
    pub(super) before: PathBuf,

    /// The summary after
    #[arg(value_name = "B")]
    pub(super) after: PathBuf,

    /// text or html (one page without scripts) for people, json for programs
    #[arg(long, value_enum, default_value_t = PageFormat::Text)]
    pub(super) format: PageFormat,
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    /// A file, or a folder (its *.log, *.gz and *.parquet files)
    #[arg(required_unless_present = "listing", conflicts_with = "listing", value_name = "INPUT")]
    pub(super) inputs: Vec<PathBuf>,

    /// Output of aws s3api list-objects-v2, or - for stdin; repeatable
    #[arg(long, value_name = "FILE")]
    pub(super) listing: Vec<PathBuf>,

    /// The bucket of the listing, if the listing does not name it
    #[arg(long, value_name = "BUCKET", requires = "listing")]
    pub(super) bucket: Option<String>,

    /// Folder to write plan.json and batches/ to; it must be empty, or not exist
    #[arg(long, value_name = "DIR")]
    pub(super) output: PathBuf,

    /// Start of the window, such as 2026-11-23T06:00:00Z; an object belongs to it if the time in its name does
    #[arg(long, value_name = "TIME", value_parser = absolute_time)]
    pub(super) from: Option<Timestamp>,

    /// End of the window, which does not belong to it
    #[arg(long, value_name = "TIME", value_parser = absolute_time)]
    pub(super) to: Option<Timestamp>,

    /// Maximum bytes of a batch, as they are stored; a single object may have more
    #[arg(long, value_name = "N", default_value_t = PlanOptions::default().max_batch_bytes, value_parser = positive::<NonZero<u64>>)]
    pub(super) max_batch_bytes: NonZero<u64>,

    /// Maximum objects of a batch
    #[arg(long, value_name = "N", default_value_t = PlanOptions::default().max_batch_objects, value_parser = positive::<NonZero<usize>>)]
    pub(super) max_batch_objects: NonZero<usize>,

    /// Maximum parts of one merge in the merge tree of plan.json
    #[arg(long, value_name = "N", default_value_t = FanIn::DEFAULT)]
    pub(super) fan_in: FanIn,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The end that opens the connection: an address, the id of an interface or instance, or a Name tag that only one interface has
    #[arg(value_name = "SRC")]
    pub(super) source: String,

    /// The other end, and its port: as SRC, or internet for any public address; an IPv6 address with a port needs brackets
    #[arg(value_name = "DST[:PORT]")]
    pub(super) destination: Destination,

    /// Flow logs to look for traffic between the ends: files, folders, or - for stdin
    #[arg(value_name = "INPUT")]
    pub(super) inputs: Vec<PathBuf>,

    /// Output of aws ec2 describe-…: a file or a folder of *.json; repeatable
    #[arg(long, required = true, value_name = "PATH")]
    pub(super) topology: Vec<PathBuf>,

    /// tcp, udp, icmp, or a protocol number
    #[arg(long, default_value = "tcp", value_name = "PROTOCOL")]
    pub(super) protocol: ProtocolName,

    /// text or html (one page without scripts) for people, json for programs
    #[arg(long, value_enum, default_value_t = PageFormat::Text)]
    pub(super) format: PageFormat,

    /// Columns of inputs without a header [default: version 2]
    #[arg(long, value_name = "COLUMNS", value_parser = log_format)]
    pub(super) log_format: Option<Format>,
}

#[derive(Debug, Args)]
pub(super) struct CheckTopology {
    /// Output of aws ec2 describe-…: a file or a folder of *.json
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,

    /// text for people, json for programs
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub(super) format: ReportFormat,
}

#[cfg(feature = "aws")]
#[derive(Debug, Args)]
pub(super) struct FetchTopology {
    /// Regions, separated by commas
    #[arg(long, required = true, value_delimiter = ',', value_name = "REGIONS", value_parser = target::region)]
    pub(super) regions: Vec<String>,

    /// Accounts besides that of the credentials, separated by commas; needs --role-name
    #[arg(long, value_delimiter = ',', value_name = "IDS", value_parser = target::account_id, requires = "role_name")]
    pub(super) accounts: Vec<String>,

    /// Role to assume in the other accounts: its name, with its path if it has one
    #[arg(long, value_name = "NAME", value_parser = target::role_name, requires = "accounts")]
    pub(super) role_name: Option<String>,

    /// External id that the trust policy of the role asks for
    #[arg(long, value_name = "ID", value_parser = target::external_id, requires = "role_name")]
    pub(super) external_id: Option<String>,

    /// Folder to write the documents to; a later run replaces them
    #[arg(long, value_name = "DIR")]
    pub(super) to: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    Text,
    Json,
}

/// The formats of a result that has a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PageFormat {
    Text,
    Json,
    Html,
}

/// The formats of a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SummaryFormat {
    Text,
    Json,
    Html,
    Csv,
}

/// Parses a number that is not 0.
fn positive<T: FromStr>(given: &str) -> Result<T, String> {
    given.parse().map_err(|_| "must be a whole number from 1".to_owned())
}

/// Parses `--log-format`.
fn log_format(given: &str) -> Result<Format, String> {
    Format::from_setting(given).map_err(|error| format!("must be {error}"))
}
