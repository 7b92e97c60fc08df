//! Renders a summary as text for people: the inputs, the totals, the findings with the worst first, and the rejected
//! connections and where they occurred. A reader should have the essence in ten seconds.
//!
//! Text from the log is shown with control characters escaped and truncated to a bounded length. Styles are ANSI
//! sequences; the caller strips them if the output does not support them.
//!
//! This file holds the sections of a summary; `findings`, `malformed`, `tables` and `topology` hold longer ones. `plan` and
//! `explanation` are reports of their own.

mod diff;
mod explanation;
mod filters;
mod findings;
mod format;
mod heaviest;
mod histogram;
mod malformed;
mod names;
mod plan;
mod scans;
mod screen;
mod short_names;
mod table;
mod tables;
mod topology;
mod wrap;

use anstyle::{AnsiColor, Color, Style};
use indicatif::DecimalBytes;

pub(in crate::cli) use diff::render_diff;
pub(in crate::cli) use explanation::render_explanation;
pub use format::escape_unprintable;
pub(in crate::cli) use heaviest::render_top;
pub(in crate::cli) use histogram::render_timeline;
pub(super) use malformed::majority;
pub use malformed::warn_of_majority;
pub use plan::render_plan;
pub use screen::render;

use format::{format_count, format_percent, format_window, plural};
use names::Names;
use screen::Verdict;
use short_names::ShortNames;
use table::{Cell, Column, FittedTable};

use crate::aggregate::counters::Counters;
use crate::findings::topology_check::Check;
use crate::findings::types::Severity;
use crate::summary::Summary;
use crate::topology::Topology;

/// Options of the text report.
#[derive(Debug, Clone, Copy)]
pub struct RenderOptions<'a> {
    /// Width of the terminal, in columns.
    pub width: usize,
    /// Maximum number of rejected groups to list; 10 by default.
    pub groups: Option<usize>,
    /// The topology of the analysis, if any. It tells which public addresses are those of a VPC; names are those of the summary.
    pub topology: Option<&'a Topology>,
}

const DEFAULT_GROUPS: usize = 10;
const MIN_WIDTH: usize = 40;

const BOLD: Style = Style::new().bold();
const RED: Style = badge(AnsiColor::BrightWhite, AnsiColor::Red);
const YELLOW: Style = badge(AnsiColor::Black, AnsiColor::Yellow);
const BLUE: Style = badge(AnsiColor::BrightWhite, AnsiColor::Blue);
const GREEN: Style = badge(AnsiColor::Black, AnsiColor::Green);
const DIM: Style = Style::new().dimmed();

/// Returns a style of bold words. Both of its colors are set, so that they are readable on black and on white.
const fn badge(text: AnsiColor, background: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(text))).bg_color(Some(Color::Ansi(background))).bold()
}

/// Renders everything that a report for people has.
pub fn render_all(summary: &Summary, options: RenderOptions<'_>) -> String {
    let names = ShortNames::new(summary);
    let all_names = Names { summary: Some(&names), topology: options.topology };
    let mut renderer = Renderer { names: all_names, ..Renderer::new(options.width) };
    renderer.header(summary);
    renderer.failures(summary);
    if summary.sources.is_empty() {
        // Empty sections would look like an all-clear.
        renderer.line("");
        renderer.lines(&Verdict::new(summary, options.topology, &names).first(renderer.width));
        return renderer.text;
    }
    renderer.filters(summary);
    renderer.limits(summary);
    renderer.malformed_majority(summary);
    let verdict = Verdict::new(summary, options.topology, &names);
    renderer.line("");
    renderer.lines(&verdict.first(renderer.width));
    renderer.traffic(summary);
    renderer.findings(summary);
    renderer.rejected_by_cause(summary);
    renderer.rejected_by_rule(summary);
    renderer.top_rejected(summary, options.groups.unwrap_or(DEFAULT_GROUPS));
    renderer.heaviest(summary);
    renderer.rejected_by_interface(summary);
    renderer.inter_vpc_traffic(summary);
    renderer.services(summary);
    renderer.malformed(summary);
    renderer.line("");
    renderer.lines(&verdict.last("", renderer.width));
    renderer.text
}

/// Renders the problems of a topology, for a terminal with this number of columns.
pub fn render_check(check: &Check, width: usize) -> String {
    let mut renderer = Renderer::new(width);
    renderer.check(check);
    renderer.text
}

/// Describes the memory limits that were reached, and their effect.
fn reached_limits(summary: &Summary) -> String {
    let bound = summary.rejected.error_bound;
    let groups = if bound > 0 {
        format!(" Flow counts of rejected connections may be up to {} too low.", format_count(bound))
    } else {
        String::new()
    };
    let limits = summary.limits_reached.join(", ");
    format!("Totals are exact.{groups} Limits reached: {limits}. Raise them with --config.")
}

fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::High => RED,
        Severity::Medium => YELLOW,
        Severity::Low => BLUE,
    }
}

/// The text so far. Each method appends one section, or nothing if the section would be empty.
struct Renderer<'a> {
    text: String,
    width: usize,
    names: Names<'a>,
}

impl<'a> Renderer<'a> {
    fn new(width: usize) -> Renderer<'a> {
        Renderer { text: String::new(), width: width.max(MIN_WIDTH), names: Names::default() }
    }

    /// Appends a line.
    fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// Appends lines.
    fn lines(&mut self, lines: &[String]) {
        lines.iter().for_each(|line| self.line(line));
    }

    /// Appends an empty line and a section heading, followed by a remark.
    fn heading(&mut self, heading: &str, remark: &str) {
        let gap = if remark.is_empty() { "" } else { "  " };
        self.line("");
        self.wrapped("", "  ", &format!("{BOLD}{heading}{BOLD:#}{gap}{remark}"));
    }

    /// Appends text wrapped to the width.
    fn wrapped(&mut self, first_indent: &str, indent: &str, text: &str) {
        self.line(wrap::fill(first_indent, indent, text, self.width));
    }

    /// Appends a table without the columns that do not fit, and names those.
    fn table(&mut self, columns: &[Column], rows: &[Vec<Cell>]) {
        let FittedTable { lines, hidden } = table::fit(columns, rows, self.width);
        for line in &lines {
            self.line(line);
        }
        if !hidden.is_empty() {
            let text = format!("{DIM}hidden columns (terminal too narrow): {}{DIM:#}", hidden.join(", "));
            self.wrapped("  ", "    ", &text);
        }
    }

    /// Appends the inputs, the number of records and the time range.
    fn header(&mut self, summary: &Summary) {
        let inputs = match &summary.sources[..] {
            [source] => escape_unprintable(&source.uri),
            sources => format!("{} inputs", format_count(sources.len() as u64)),
        };
        let bytes = summary.sources.iter().map(|source| source.bytes).fold(0, u64::saturating_add);
        let records = plural(summary.records.total, "record");
        let (bytes, window) = (DecimalBytes(bytes), format_window(summary.window));
        self.wrapped("", "  ", &format!("{BOLD}{inputs}{BOLD:#}: {records}, {bytes} of text{window}"));
    }

    /// Appends the names of the inputs that could not be read. The program prints the reasons on stderr, once.
    fn failures(&mut self, summary: &Summary) {
        if summary.failed.is_empty() {
            return;
        }
        let inputs = format_count(summary.failed.len() as u64);
        self.line("");
        let about = "their records are excluded; the reasons are on stderr, and in --format json";
        self.wrapped("", "  ", &format!("{RED}UNREADABLE INPUTS{RED:#}  {inputs} ({about})"));
        for failure in &summary.failed {
            self.wrapped("  ", "    ", &escape_unprintable(&failure.uri));
        }
    }

    /// Appends the memory limits that were reached, and their effect on the results.
    fn limits(&mut self, summary: &Summary) {
        if summary.limits_reached.is_empty() {
            return;
        }
        self.line("");
        let text = "results are approximate: memory limits were reached";
        self.wrapped("", "  ", &format!("{YELLOW}APPROXIMATE{YELLOW:#}  {text}"));
        self.wrapped("  ", "  ", &reached_limits(summary));
    }

    /// Appends the totals by action, and the number of other records.
    fn traffic(&mut self, summary: &Summary) {
        let Summary { traffic, records, .. } = summary;
        let all_flows = traffic.accepted.flows.saturating_add(traffic.rejected.flows);
        self.line("");
        let rows = [("accepted", traffic.accepted), ("rejected", traffic.rejected)];
        let rows = rows.map(|(name, counters): (&str, Counters)| {
            [
                name.to_owned(),
                plural(counters.flows, "flow"),
                format_percent(counters.flows, all_flows),
                plural(counters.packets, "packet"),
                DecimalBytes(counters.bytes).to_string(),
            ]
            .map(Cell::from)
            .into()
        });
        let number = Column::number("", 0);
        self.table(&[Column::text("", 0), number, number, number, number], &rows);
        let others = [
            (records.no_data, "no data"),
            (records.skip_data, "skipped by AWS"),
            (records.other, "without action"),
            (records.malformed, "malformed"),
        ];
        let others: Vec<String> = others
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, label)| format!("{} {label}", format_count(*count)))
            .collect();
        if !others.is_empty() {
            self.wrapped("  ", "    ", &format!("other records: {}", others.join(", ")));
        }
    }
}
