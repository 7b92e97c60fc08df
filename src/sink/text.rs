//! The summary as people read it, in ten seconds: what was read, what was refused and where, the findings with the
//! worst first.
//!
//! Names from the log are shown with control characters escaped and cut to a bounded length. Styles are ANSI
//! sequences; whoever writes the report strips them where they are not wanted.

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{DecimalBytes, HumanCount};

use crate::cause::Cause;
use crate::detect;
use crate::finding::{Finding, FindingType, Severity};
use crate::iana;
use crate::summary::{RejectedGroup, Summary, Window};
use crate::tally::{Seen, Tally};
use crate::time::Timestamp;

/// How the report is to look.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Columns of the terminal.
    pub width: usize,
    /// Rejected groups to show; 10 if not said.
    pub groups: Option<usize>,
}

const GROUPS: usize = 10;
const INTERFACES: usize = 5;
const FINDINGS_OF_A_KIND: usize = 5;
const MALFORMED: usize = 3;
const NAME_CHARACTERS: usize = 120;
const MAX_CHARACTERS: usize = 1000;
const MIN_WIDTH: usize = 40;

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const BLUE: Style = AnsiColor::Blue.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// Renders the report.
pub fn render(summary: &Summary, look: Look) -> String {
    let mut report = Report { text: String::new(), width: look.width.max(MIN_WIDTH) };
    report.read(summary);
    report.failures(summary);
    report.traffic(summary);
    report.findings(summary);
    report.refused(summary, look.groups.unwrap_or(GROUPS));
    report.places(summary);
    report.malformed(summary);
    report.text
}

/// Text from a log without what would move the cursor or deceive the eye, and not too long.
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == MAX_CHARACTERS {
            shown.push('…');
            break;
        }
        if character.is_control() || deceives(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Characters without a width, and those that turn the direction of writing.
fn deceives(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

struct Report {
    text: String,
    width: usize,
}

impl Report {
    fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str, rest: &str) {
        self.line(format!("\n{BOLD}{heading}{BOLD:#}{}{rest}", if rest.is_empty() { "" } else { "  " }));
    }

    fn wrapped(&mut self, first_indent: &str, indent: &str, text: &str) {
        let options = textwrap::Options::new(self.width).initial_indent(first_indent).subsequent_indent(indent);
        self.line(textwrap::fill(text, options));
    }

    fn table(&mut self, header: &[&str], right_aligned: &[usize], rows: impl Iterator<Item = Vec<String>>) {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(u16::try_from(self.width).unwrap_or(u16::MAX));
        if !header.is_empty() {
            table.set_header(header);
        }
        table.add_rows(rows);
        for &column in right_aligned {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(comfy_table::CellAlignment::Right);
            }
        }
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        lines.iter().for_each(|line| self.line(line));
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
        let inputs = plural(summary.failed.len() as u64, "input");
        self.line(format!("\n{RED}NOT READ{RED:#}  {inputs}; nothing of them is counted below"));
        for failure in &summary.failed {
            self.wrapped("  ", "    ", &format!("{}: {}", printable(&failure.uri), printable(&failure.error)));
        }
    }

    fn traffic(&mut self, summary: &Summary) {
        let Summary { traffic, records, .. } = summary;
        let all = traffic.accepted.flows.saturating_add(traffic.rejected.flows);
        self.line("");
        let rows = [("accepted", traffic.accepted), ("rejected", traffic.rejected)];
        let row = |(name, tally): (&str, Tally)| {
            vec![
                name.to_owned(),
                plural(tally.flows, "flow"),
                percent(tally.flows, all),
                plural(tally.packets, "packet"),
                DecimalBytes(tally.bytes).to_string(),
            ]
        };
        self.table(&[], &[1, 2, 3, 4], rows.into_iter().map(row));
        let others = [
            (records.no_data, "without data"),
            (records.skip_data, "left out by AWS"),
            (records.other, "without an action"),
            (records.malformed, "malformed"),
        ];
        let others: Vec<String> =
            others.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", count(*n))).collect();
        if !others.is_empty() {
            self.line(format!(" besides: {}", others.join(", ")));
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
        let style = match first.severity {
            Severity::High => RED,
            Severity::Medium => YELLOW,
            Severity::Low => BLUE,
        };
        let (severity, name) = (first.severity.name().to_uppercase(), first.finding_type.name());
        self.line(format!("\n{style}{severity}{style:#} {BOLD}{name}{BOLD:#}"));
        self.wrapped("  ", "  ", detect::meaning(first.finding_type));
        for finding in findings.iter().take(FINDINGS_OF_A_KIND) {
            self.finding(finding);
        }
        if let Some(more) = findings.len().checked_sub(FINDINGS_OF_A_KIND).filter(|more| *more > 0) {
            self.line(format!("  - and {} more (--format json lists all)", count(more as u64)));
        }
        self.wrapped("  Next: ", "  ", detect::next_step(first.finding_type));
    }

    fn finding(&mut self, finding: &Finding) {
        let flows = plural(
            finding.tally.flows,
            if finding.finding_type == FindingType::SkippedData { "record" } else { "flow" },
        );
        let rest = format!("({flows}{}, {} confidence)", span(finding.seen), finding.confidence.name());
        self.wrapped("  - ", "    ", &format!("{} {rest}", printable(&finding.title)));
    }

    fn refused(&mut self, summary: &Summary, top: usize) {
        let rejected = &summary.rejected;
        if rejected.group_count == 0 {
            return;
        }
        let shown = rejected.groups.len().min(top);
        let of = format!("{} of {}", count(shown as u64), plural(rejected.group_count, "rejected connection"));
        self.heading("REFUSED MOST", &of);
        let header = ["FLOWS", "BYTES", "SOURCE", "DESTINATION", "PORT", "WAY", "CAUSE", "INTERFACE"];
        self.table(&header, &[0, 1], rejected.groups.iter().take(top).map(group_row));
    }

    fn places(&mut self, summary: &Summary) {
        let rows = &summary.rejected.by_interface;
        if rows.is_empty() {
            return;
        }
        let of = format!("{} of {}", rows.len().min(INTERFACES), plural(rows.len() as u64, "interface"));
        self.heading("REFUSED WHERE", &of);
        let header = ["FLOWS", "PACKETS", "BYTES", "INTERFACE", "SUBNET", "VPC"];
        let rows = rows.iter().take(INTERFACES).map(|row| {
            let Tally { flows, packets, bytes } = row.tally;
            let [interface, subnet, vpc] =
                [&row.interface_id, &row.subnet_id, &row.vpc_id].map(|id| name(id.as_deref()));
            vec![count(flows), count(packets), DecimalBytes(bytes).to_string(), interface, subnet, vpc]
        });
        self.table(&header, &[0, 1, 2], rows);
    }

    fn malformed(&mut self, summary: &Summary) {
        if summary.malformed.is_empty() {
            return;
        }
        self.heading("MALFORMED", &plural(summary.records.malformed, "record"));
        for sample in summary.malformed.iter().take(MALFORMED) {
            let at = format!("{} line {}: {}", printable(&sample.uri), count(sample.line), sample.reason);
            self.wrapped("  ", "    ", &at);
            self.line(format!("    {DIM}{}{DIM:#}", cut(&printable(&sample.text), self.width.saturating_sub(4))));
        }
    }
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

/// The cause in the width of a column.
fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::BlockPublicAccess => "block public access",
        Cause::EncryptionControls => "encryption controls",
        Cause::OutOfState => "late packets",
        Cause::NetworkAcl => "network ACL",
        Cause::SecurityGroupOrNetworkAcl => "SG or network ACL",
    }
}

fn name(id: Option<&str>) -> String {
    id.map_or_else(|| "-".to_owned(), |id| cut(&printable(id), NAME_CHARACTERS))
}

fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

fn plural(number: u64, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { String::new() } else { format!("{:.1} %", part as f64 * 100.0 / whole as f64) }
}

fn window(window: Option<Window>) -> String {
    window.map_or_else(String::new, |Window { start, end }| span(Seen { first_seen: start, last_seen: end }))
}

/// `, 2026-11-23T06:00:00Z to 06:05:00Z`; the second date is left out where it is the first.
fn span(seen: Seen) -> String {
    let shown = |time: Option<Timestamp>| time.map(|time| time.to_string());
    match (shown(seen.first_seen), shown(seen.last_seen)) {
        (Some(first), Some(last)) => {
            let (date, time) = last.split_at(last.find('T').map_or(0, |t| t + 1));
            let last = if first.starts_with(date) { time } else { &last };
            format!(", {first} to {last}")
        }
        (Some(first), None) => format!(", from {first}"),
        (None, Some(last)) => format!(", until {last}"),
        (None, None) => String::new(),
    }
}
