//! The summary as people read it, in ten seconds: what was read, what was refused and where, the findings with the
//! worst first.
//!
//! Interner from the log are shown with control characters escaped and cut to a bounded length. Styles are ANSI
//! sequences; whoever writes the report strips them where they are not wanted.

mod format;
mod table;
mod topology;

use anstyle::{AnsiColor, Style};
use indicatif::DecimalBytes;
use textwrap::{Options, WordSeparator, WordSplitter};

pub use format::printable;

use format::{cause, count, cut, name, percent, plural, span, window};
use table::Column;

use crate::aggregate::counters::Counters;
use crate::findings;
use crate::findings::topology_check::Check;
use crate::findings::types::{Example, Finding, FindingType, Severity};
use crate::record::iana;
use crate::summary::{RejectedGroup, Summary, VpcPair};

/// How the report is to look.
#[derive(Debug, Clone, Copy)]
pub struct RenderOptions {
    /// FieldRanges of the terminal.
    pub width: usize,
    /// Rejected groups to show; 10 if not said.
    pub groups: Option<usize>,
}

const GROUPS: usize = 10;
const INTERFACES: usize = 5;
const FINDINGS_OF_A_KIND: usize = 5;
const MALFORMED: usize = 3;
const PAIRS: usize = 12;
const SERVICES: usize = 8;
const MIN_WIDTH: usize = 40;

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const BLUE: Style = AnsiColor::Blue.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// Renders the report.
pub fn render(summary: &Summary, look: RenderOptions) -> String {
    let mut report = SummaryBuilder { text: String::new(), width: look.width.max(MIN_WIDTH) };
    report.read(summary);
    report.failures(summary);
    report.limits(summary);
    report.traffic(summary);
    report.findings(summary);
    report.refused(summary, look.groups.unwrap_or(GROUPS));
    report.places(summary);
    report.peering(summary);
    report.services(summary);
    report.malformed(summary);
    report.text
}

/// Renders what is wrong with a topology, for a terminal of so many columns.
pub fn render_check(check: &Check, width: usize) -> String {
    let mut report = SummaryBuilder { text: String::new(), width: width.max(MIN_WIDTH) };
    report.check(check);
    report.text
}

fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::High => RED,
        Severity::Medium => YELLOW,
        Severity::Low => BLUE,
    }
}

struct SummaryBuilder {
    text: String,
    width: usize,
}

impl SummaryBuilder {
    fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str, rest: &str) {
        self.line(format!("\n{BOLD}{heading}{BOLD:#}{}{rest}", if rest.is_empty() { "" } else { "  " }));
    }

    fn wrapped(&mut self, first_indent: &str, indent: &str, text: &str) {
        // Addresses, names and dates are for copying: they stay whole.
        let options = Options::new(self.width)
            .initial_indent(first_indent)
            .subsequent_indent(indent)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation)
            .break_words(false);
        self.line(textwrap::fill(text, options));
    }

    fn table(&mut self, columns: &[Column], rows: &[Vec<String>]) {
        let (lines, left_out) = table::fit(columns, rows, self.width);
        lines.iter().for_each(|line| self.line(line));
        if !left_out.is_empty() {
            self.line(format!("  {DIM}hidden columns (terminal too narrow): {}{DIM:#}", left_out.join(", ")));
        }
    }

    fn read(&mut self, summary: &Summary) {
        let inputs = match &summary.sources[..] {
            [one] => printable(&one.uri),
            several => format!("{} inputs", count(several.len() as u64)),
        };
        let bytes = summary.sources.iter().map(|source| source.bytes).sum();
        let records = plural(summary.records.total, "record");
        self.line(format!(
            "{BOLD}{inputs}{BOLD:#}: {records}, {} of text{}",
            DecimalBytes(bytes),
            window(summary.window)
        ));
    }

    fn failures(&mut self, summary: &Summary) {
        if summary.failed.is_empty() {
            return;
        }
        let inputs = count(summary.failed.len() as u64);
        self.line(format!("\n{RED}UNREADABLE INPUTS{RED:#}  {inputs} (their records are excluded)"));
        for failure in &summary.failed {
            self.wrapped("  ", "    ", &format!("{}: {}", printable(&failure.uri), printable(&failure.error)));
        }
    }

    fn limits(&mut self, summary: &Summary) {
        if summary.limits_reached.is_empty() {
            return;
        }
        self.line(format!("\n{YELLOW}APPROXIMATE{YELLOW:#}  results are approximate: memory limits were reached"));
        let bound = summary.rejected.error_bound;
        let groups = if bound > 0 {
            format!(" Flow counts of rejected connections may be up to {} too low.", count(bound))
        } else {
            String::new()
        };
        let limits = summary.limits_reached.join(", ");
        let text = format!("Totals are exact.{groups} Limits reached: {limits}. Raise them with --config.");
        self.wrapped("  ", "  ", &text);
    }

    fn traffic(&mut self, summary: &Summary) {
        let Summary { traffic, records, .. } = summary;
        let all = traffic.accepted.flows.saturating_add(traffic.rejected.flows);
        self.line("");
        let rows = [("accepted", traffic.accepted), ("rejected", traffic.rejected)];
        let rows = rows.map(|(name, tally): (&str, Counters)| {
            vec![
                name.to_owned(),
                plural(tally.flows, "flow"),
                percent(tally.flows, all),
                plural(tally.packets, "packet"),
                DecimalBytes(tally.bytes).to_string(),
            ]
        });
        let number = Column { heading: "", right: true, leaves: 0 };
        self.table(&[Column { right: false, ..number }, number, number, number, number], &rows);
        let others = [
            (records.no_data, "no data"),
            (records.skip_data, "skipped by AWS"),
            (records.other, "without action"),
            (records.malformed, "malformed"),
        ];
        let others: Vec<String> =
            others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", count(*n))).collect();
        if !others.is_empty() {
            self.wrapped("  ", "    ", &format!("other records: {}", others.join(", ")));
        }
    }

    fn findings(&mut self, summary: &Summary) {
        if summary.findings.is_empty() {
            self.heading("FINDINGS", "none");
            return;
        }
        let by_severity: Vec<String> = [Severity::High, Severity::Medium, Severity::Low]
            .into_iter()
            .map(|severity| (severity, summary.findings.iter().filter(|f| f.severity == severity).count()))
            .filter(|(_, number)| *number > 0)
            .map(|(severity, number)| format!("{} {}", count(number as u64), severity.name()))
            .collect();
        self.heading("FINDINGS", &by_severity.join(", "));
        for kind in kinds(&summary.findings) {
            self.kind(&kind);
        }
    }

    /// Findings of one type and severity: what it means once, then each.
    fn kind(&mut self, findings: &[&Finding]) {
        let Some(first) = findings.first() else { return };
        let style = severity_style(first.severity);
        let (severity, name) = (first.severity.name().to_uppercase(), first.finding_type.name());
        self.line(format!("\n{style}{severity}{style:#} {BOLD}{name}{BOLD:#}"));
        self.wrapped("  ", "  ", findings::meaning(first.finding_type));
        for finding in findings.iter().take(FINDINGS_OF_A_KIND) {
            self.finding(finding);
        }
        if let Some(more) = findings.len().checked_sub(FINDINGS_OF_A_KIND).filter(|more| *more > 0) {
            self.line(format!("  - and {} more (--format json lists all)", count(more as u64)));
        }
        self.wrapped("  Next: ", "  ", findings::next_step(first.finding_type));
    }

    fn finding(&mut self, finding: &Finding) {
        let flows = plural(
            finding.tally.flows,
            if finding.finding_type == FindingType::SkippedData { "record" } else { "flow" },
        );
        let example = finding.examples.first().map_or_else(String::new, |example| format!("; e.g. {}", shown(example)));
        let rest = format!("({flows}{}, {} confidence{example})", span(finding.seen), finding.confidence.name());
        self.wrapped("  - ", "    ", &format!("{} {rest}", printable(&finding.title)));
    }

    fn refused(&mut self, summary: &Summary, top: usize) {
        let rejected = &summary.rejected;
        if rejected.group_count == 0 {
            return;
        }
        let rows: Vec<Vec<String>> = rejected.groups.iter().take(top).map(group_row).collect();
        let about = if rejected.error_bound > 0 { "about " } else { "" };
        let all = plural(rejected.group_count, "rejected connection");
        let of = format!("{} of {about}{all}", count(rows.len() as u64));
        self.heading("TOP REJECTED CONNECTIONS", &of);
        if !rows.is_empty() {
            self.table(&GROUP_COLUMNS, &rows);
        }
    }

    fn places(&mut self, summary: &Summary) {
        let rows = &summary.rejected.by_interface;
        if rows.is_empty() {
            return;
        }
        let of = format!("{} of {}", rows.len().min(INTERFACES), plural(rows.len() as u64, "interface"));
        self.heading("REJECTED BY INTERFACE", &of);
        let rows: Vec<Vec<String>> = rows
            .iter()
            .take(INTERFACES)
            .map(|row| {
                let Counters { flows, packets, bytes } = row.tally;
                let [interface, subnet, vpc] =
                    [&row.interface_id, &row.subnet_id, &row.vpc_id].map(|id| name(id.as_deref()));
                vec![count(flows), count(packets), DecimalBytes(bytes).to_string(), interface, subnet, vpc]
            })
            .collect();
        self.table(&INTERFACE_COLUMNS, &rows);
    }

    /// What flows between VPCs, what is refused, what gets no answer.
    fn peering(&mut self, summary: &Summary) {
        let Some(peering) = &summary.peering else { return };
        let pairs = &peering.vpc_pairs;
        let of = format!("{} of {}", pairs.len().min(PAIRS), plural(pairs.len() as u64, "pair"));
        self.heading("INTER-VPC TRAFFIC", if pairs.is_empty() { "no traffic" } else { &of });
        let rows: Vec<Vec<String>> = pairs.iter().take(PAIRS).map(|pair| pair_row(summary, pair)).collect();
        if !rows.is_empty() {
            self.table(&PAIR_COLUMNS, &rows);
        }
    }

    fn services(&mut self, summary: &Summary) {
        if summary.services.is_empty() {
            return;
        }
        self.heading("TRAFFIC BY SERVICE", "service that owns the interface");
        let rows: Vec<Vec<String>> = summary
            .services
            .iter()
            .take(SERVICES)
            .map(|row| {
                let (accepted, rejected) = (row.traffic.accepted, row.traffic.rejected);
                let service = row.service.clone().unwrap_or_else(|| "not in the topology".to_owned());
                let bytes = DecimalBytes(accepted.bytes).to_string();
                vec![service, count(row.interfaces), count(accepted.flows), bytes, count(rejected.flows)]
            })
            .collect();
        self.table(&SERVICE_COLUMNS, &rows);
    }

    fn malformed(&mut self, summary: &Summary) {
        if summary.malformed.is_empty() {
            return;
        }
        self.heading("MALFORMED", &plural(summary.records.malformed, "record"));
        let more = summary.records.malformed.saturating_sub(MALFORMED as u64);
        for sample in summary.malformed.iter().take(MALFORMED) {
            let at = format!("{} line {}: {}", printable(&sample.uri), count(sample.line), sample.reason);
            self.wrapped("  ", "    ", &at);
            self.line(format!("    {DIM}{}{DIM:#}", cut(&printable(&sample.text), self.width.saturating_sub(4))));
        }
        if more > 0 {
            self.line(format!("  and {} more (--format json has the first ten)", count(more)));
        }
    }
}

/// `10.0.0.1 to 10.0.0.2 443/TCP (https) at eni-…`
fn shown(example: &Example) -> String {
    let address = |address: Option<std::net::IpAddr>| address.map_or_else(|| "-".to_owned(), |known| known.to_string());
    let port =
        example.dstport.map_or_else(|| iana::protocol(example.protocol), |port| iana::port(port, example.protocol));
    let at = name(example.interface_id.as_deref());
    format!("{} to {} {port} at {at}", address(example.srcaddr), address(example.dstaddr))
}

/// Findings by type and severity, in the order of the worst of each.
fn kinds(findings: &[Finding]) -> Vec<Vec<&Finding>> {
    let mut kinds: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        let same = |kind: &&mut Vec<&Finding>| {
            kind[0].finding_type == finding.finding_type && kind[0].severity == finding.severity
        };
        match kinds.iter_mut().find(same) {
            Some(kind) => kind.push(finding),
            None => kinds.push(vec![finding]),
        }
    }
    kinds
}

const fn column(heading: &'static str, leaves: u8) -> Column {
    Column { heading, right: false, leaves }
}

const fn number(heading: &'static str, leaves: u8) -> Column {
    Column { heading, right: true, leaves }
}

const GROUP_COLUMNS: [Column; 8] = [
    number("FLOWS", 0),
    number("BYTES", 4),
    column("SOURCE", 0),
    column("DESTINATION", 0),
    column("PORT", 0),
    column("DIRECTION", 3),
    column("CAUSE", 1),
    column("INTERFACE", 2),
];

const INTERFACE_COLUMNS: [Column; 6] = [
    number("FLOWS", 0),
    number("PACKETS", 3),
    number("BYTES", 4),
    column("INTERFACE", 0),
    column("SUBNET", 2),
    column("VPC", 1),
];

const PAIR_COLUMNS: [Column; 7] = [
    column("FROM", 0),
    column("TO", 0),
    column("VIA", 1),
    number("FLOWS", 0),
    number("BYTES", 2),
    number("REJECTED", 0),
    number("UNANSWERED", 0),
];

const SERVICE_COLUMNS: [Column; 5] =
    [column("SERVICE", 0), number("INTERFACES", 0), number("FLOWS", 0), number("BYTES", 1), number("REJECTED", 0)];

fn pair_row(summary: &Summary, pair: &VpcPair) -> Vec<String> {
    let connections = summary.peering.iter().flat_map(|peering| &peering.connections);
    let over = pair.peering_connection_id.as_ref().map_or_else(
        || "no connection".to_owned(),
        |id| match connections.into_iter().find(|connection| connection.peering_connection_id == *id) {
            Some(connection) if connection.status != "active" => format!("{id} ({})", connection.status),
            _ => id.clone(),
        },
    );
    let (accepted, rejected) = (pair.traffic.accepted, pair.traffic.rejected);
    vec![
        name(Some(&pair.src_vpc_id)),
        name(Some(&pair.dst_vpc_id)),
        name(Some(&over)),
        count(accepted.flows),
        DecimalBytes(accepted.bytes).to_string(),
        count(rejected.flows),
        count(pair.unanswered.flows),
    ]
}

fn group_row(group: &RejectedGroup) -> Vec<String> {
    let address = |address: Option<std::net::IpAddr>| address.map_or_else(|| "-".to_owned(), |known| known.to_string());
    vec![
        count(group.tally.flows),
        DecimalBytes(group.tally.bytes).to_string(),
        address(group.srcaddr),
        address(group.dstaddr),
        group.dstport.map_or_else(|| iana::protocol(group.protocol), |port| iana::port(port, group.protocol)),
        group.direction.name().to_owned(),
        cause(group.cause).to_owned(),
        name(group.interface_id.as_deref()),
    ]
}
