//! The findings of a run, in the order in which an engineer on call needs them.
//!
//! Within a severity, problems of the user's own network come before scans from the internet, which never end. JSON has the order of
//! [`Summary::findings`](crate::summary::Summary::findings) instead.

use std::cmp::Reverse;

use super::format::{
    approximate, escape_unprintable, format_address, format_count, format_port, format_time_range, plural,
};
use super::names::Names;
use super::scans::{self, Scanner, Scans};
use super::{BOLD, Renderer, severity_style};
use crate::findings;
use crate::findings::types::{Example, Finding, FindingType, Severity, Suppressed};
use crate::summary::{Summary, doubt};

/// More findings of a section are counted.
const MAX_LINES_PER_SECTION: usize = 100;

/// Findings that are shown together.
pub(super) struct Section<'a> {
    pub(super) key: SectionKey,
    /// Sorted by flows, highest first.
    pub(super) findings: Vec<&'a Finding>,
}

/// Identifies a section. Sections are sorted by severity and by `is_from_outside`, then by their first finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SectionKey {
    pub(super) severity: Severity,
    /// Whether the findings are scans from public addresses.
    pub(super) is_from_outside: bool,
    /// `None` for scans of sources that have port scans and host sweeps, which share a line.
    pub(super) finding_type: Option<FindingType>,
}

impl Renderer<'_> {
    /// Appends the findings, grouped by type and severity.
    pub(super) fn findings(&mut self, summary: &Summary) {
        if summary.findings.is_empty() {
            self.heading("FINDINGS", &no_findings(summary));
            return;
        }
        let findings: Vec<&Finding> = summary.findings.iter().filter(|finding| finding.suppressed.is_none()).collect();
        let mut by_severity: Vec<String> = [Severity::High, Severity::Medium, Severity::Low]
            .into_iter()
            .map(|severity| (severity, findings.iter().filter(|f| f.severity == severity).count()))
            .filter(|(_, count)| *count > 0)
            .map(|(severity, count)| format!("{} {}", format_count(count as u64), severity.name()))
            .collect();
        let suppressed = summary.findings.len() - findings.len();
        if suppressed > 0 {
            by_severity.push(format!("{} suppressed", format_count(suppressed as u64)));
        }
        self.heading("FINDINGS", &by_severity.join(", "));
        for section in sections(&findings, self.names) {
            self.section(&section);
        }
        self.suppressed(&summary.findings);
    }

    /// Appends the findings that the configuration suppresses, with the reasons. They are in no other section.
    fn suppressed(&mut self, findings: &[Finding]) {
        let suppressed = findings.iter().filter_map(|finding| Some((finding, finding.suppressed.as_ref()?)));
        let lines: Vec<String> = suppressed.map(|(finding, why)| suppressed_line(finding, why, self.names)).collect();
        if lines.is_empty() {
            return;
        }
        self.line(format!("\n{BOLD}suppressed{BOLD:#}"));
        for line in lines.iter().take(MAX_LINES_PER_SECTION) {
            self.wrapped("  - ", "    ", line);
        }
        self.more_findings(lines.len());
    }

    /// Appends how many findings of a section are not shown.
    fn more_findings(&mut self, count: usize) {
        let more = count.saturating_sub(MAX_LINES_PER_SECTION) as u64;
        if more > 0 {
            self.wrapped("  - ", "    ", &format!("and {} more (--format json lists all)", format_count(more)));
        }
    }

    /// Appends a section: its meaning once, then a line for each finding.
    fn section(&mut self, section: &Section<'_>) {
        let mut types: Vec<FindingType> = section.findings.iter().map(|finding| finding.finding_type).collect();
        types.sort_unstable();
        types.dedup();
        let names: Vec<&str> = types.iter().map(|finding_type| finding_type.name()).collect();
        let (style, severity) = (severity_style(section.key.severity), section.key.severity.name().to_uppercase());
        self.line("");
        self.wrapped("", "  ", &format!("{style}{severity}{style:#} {BOLD}{}{BOLD:#}", names.join(", ")));
        for finding_type in &types {
            self.wrapped("  ", "  ", findings::meaning(*finding_type));
        }
        let scans = Scans::by_source(&section.findings);
        let lines: Vec<Line<'_>> = if scans.is_empty() {
            section.findings.iter().map(|finding| Line::of_finding(finding, self.names)).collect()
        } else {
            scans.iter().map(|scans| Line::of_scans(scans, self.names)).collect()
        };
        for line in lines.iter().take(MAX_LINES_PER_SECTION) {
            self.wrapped("  - ", "    ", &line.text);
            if !line.examples.is_empty() {
                self.wrapped("    Also: ", "    ", &line.examples.join("; "));
            }
            if let Some(next_step) = line.next_step {
                self.wrapped("    Next: ", "    ", &escape_unprintable(next_step));
            }
        }
        self.more_findings(lines.len());
        if lines.iter().take(MAX_LINES_PER_SECTION).all(|line| line.next_step.is_some()) {
            return;
        }
        let mut next_steps: Vec<&str> = types.iter().map(|finding_type| findings::next_step(*finding_type)).collect();
        next_steps.dedup();
        for next_step in next_steps {
            self.wrapped("  Next: ", "  ", next_step);
        }
    }
}

/// A finding, or the scans of one source.
struct Line<'a> {
    text: String,
    /// Examples after the first one, which is in the text.
    examples: Vec<String>,
    /// What to do about this finding, rather than about all of its type.
    next_step: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of_finding(finding: &'a Finding, names: Names<'_>) -> Line<'a> {
        Line {
            text: finding_line(finding, names),
            examples: more_examples(finding, names),
            next_step: finding.next_step.as_deref(),
        }
    }

    fn of_scans(scans: &Scans<'a>, names: Names<'_>) -> Line<'a> {
        let examples = scans.first().map_or_else(Vec::new, |finding| more_examples(finding, names));
        Line { text: scans_line(scans, names), examples, next_step: None }
    }
}

fn more_examples(finding: &Finding, names: Names<'_>) -> Vec<String> {
    finding.examples.iter().skip(1).map(|example| format_example(example, names)).collect()
}

/// Returns the line of a suppressed finding.
fn suppressed_line(finding: &Finding, why: &Suppressed, names: Names<'_>) -> String {
    let [reason, expires] = [&why.reason, &why.expires].map(|text| escape_unprintable(text));
    format!("{} [suppressed until {expires}: {reason}]", finding_line(finding, names))
}

/// Returns the remark of an empty list.
fn no_findings(summary: &Summary) -> String {
    match &summary.doubts()[..] {
        [] => "none".to_owned(),
        doubts => format!("unknown: {}", escape_unprintable(&doubt::join(doubts))),
    }
}

/// Returns the sections in order.
pub(super) fn sections<'a>(findings: &[&'a Finding], names: Names<'_>) -> Vec<Section<'a>> {
    let scanners = Scanner::by_source(findings, names);
    let mut sections: Vec<Section<'a>> = Vec::new();
    for &finding in findings {
        let scanner = scans::source(finding).and_then(|source| scanners.get(&source));
        let key = scanner.map_or_else(
            || SectionKey {
                severity: finding.severity,
                is_from_outside: false,
                finding_type: Some(finding.finding_type),
            },
            |scanner| SectionKey {
                severity: scanner.severity,
                is_from_outside: scanner.is_from_outside,
                finding_type: scanner.finding_type,
            },
        );
        match sections.iter_mut().find(|section| section.key == key) {
            Some(section) => section.findings.push(finding),
            None => sections.push(Section { key, findings: vec![finding] }),
        }
    }
    // A stable sort keeps the section with the most flows first.
    sections.sort_by_key(|section| (Reverse(section.key.severity), section.key.is_from_outside));
    sections
}

fn finding_line(finding: &Finding, names: Names<'_>) -> String {
    let unit = if finding.finding_type == FindingType::SkippedData { "record" } else { "flow" };
    let flows = plural(finding.tally.flows, unit);
    let seen = format_time_range(finding.seen);
    let details = format!(
        "({flows}{seen}, {} confidence{}{})",
        finding.confidence.name(),
        approximate(finding.exact),
        example(finding.examples.first(), names)
    );
    format!("{} {details}", escape_unprintable(&finding.title))
}

fn scans_line(scans: &Scans<'_>, names: Names<'_>) -> String {
    let at_least = if scans.flows_overlap() { "at least " } else { "" };
    let flows = plural(scans.flows(), "flow");
    let seen = format_time_range(scans.seen());
    let count = match scans.findings().len() {
        1 => String::new(),
        count => format!("{}, ", plural(count as u64, "finding")),
    };
    let details = format!(
        "({count}{at_least}{flows}{seen}, {} confidence{}{})",
        scans.confidence().name(),
        approximate(scans.is_exact()),
        example(scans.first().and_then(|finding| finding.examples.first()), names)
    );
    format!("{} {details}", escape_unprintable(&scans.title()))
}

/// Formats the first example for the end of a line.
fn example(example: Option<&Example>, names: Names<'_>) -> String {
    example.map_or_else(String::new, |example| format!("; e.g. {}", format_example(example, names)))
}

/// Formats an example as `10.0.0.1 to 10.0.0.2 443/TCP (https) at eni-…`.
fn format_example(example: &Example, names: Names<'_>) -> String {
    let port = format_port(example.dstport, example.protocol);
    let interface = names.id(example.interface_id.as_deref());
    format!("{} to {} {port} at {interface}", format_address(example.srcaddr), format_address(example.dstaddr))
}

#[cfg(test)]
mod tests {
    use crate::cli::report::{RenderOptions, render_all};
    use crate::pipeline::{self, Options};
    use crate::summary::Summary;
    use crate::summary::build::{SummaryOptions, build_summary};

    const HEADER: &str =
        "interface-id srcaddr dstaddr srcport dstport protocol tcp-flags action flow-direction log-status";

    fn summary(records: &[String]) -> Summary {
        let log = format!("{HEADER}\n{}\n", records.join("\n"));
        let analysis = pipeline::analyze("case", log.as_bytes(), &Options::default()).expect("a flow log");
        assert_eq!(analysis.records.malformed, 0);
        build_summary(analysis, &SummaryOptions::default(), None)
    }

    fn report(summary: &Summary) -> String {
        let report = render_all(summary, RenderOptions { width: 1000, groups: None, topology: None });
        anstream::adapter::strip_str(&report).to_string()
    }

    /// Returns the headings of the sections, such as `HIGH port-scan`, and the lines of findings without the part in parentheses.
    fn lines(records: &[String]) -> Vec<String> {
        let report = report(&summary(records));
        let is_shown = |line: &&str| ["HIGH ", "MEDIUM ", "LOW ", "  - "].iter().any(|start| line.starts_with(start));
        let text = |line: &str| line.trim_start_matches("  - ").split(" (").next().unwrap_or_default().to_owned();
        report.lines().filter(is_shown).map(text).collect()
    }

    fn rejected(ends: &str, direction: &str) -> String {
        format!("eni-1 {ends} 6 2 REJECT {direction} OK")
    }

    /// Returns the probes of a port scan.
    fn port_scan(src: &str, dst: &str, ports: u16) -> Vec<String> {
        (1..=ports).map(|port| rejected(&format!("{src} {dst} 50000 {port}"), "ingress")).collect()
    }

    /// Returns the probes of a host sweep.
    fn host_sweep(src: &str, port: u16, hosts: u16) -> Vec<String> {
        (1..=hosts).map(|host| rejected(&format!("{src} 10.0.9.{host} 50000 {port}"), "ingress")).collect()
    }

    #[test]
    fn own_problems_come_before_scans_from_the_internet() {
        let egress = (0..5).map(|port| rejected(&format!("10.0.0.5 8.8.4.4 {} 443", 40_000 + port), "egress"));
        let records = [port_scan("8.8.8.8", "10.0.0.1", 30), egress.collect(), port_scan("10.0.7.7", "10.0.0.1", 15)];
        let expected = [
            "HIGH port-scan",
            "10.0.7.7 was rejected at 15 ports of 10.0.0.1",
            "MEDIUM egress-blocked",
            "eni-1 was blocked from reaching 1 public address",
            "MEDIUM port-scan",
            "8.8.8.8 was rejected at 30 ports of 10.0.0.1",
        ];
        assert_eq!(lines(&records.concat()), expected);
    }

    #[test]
    fn scans_of_one_source_are_one_line() {
        let records = [port_scan("8.8.8.8", "10.0.0.1", 15), port_scan("8.8.8.8", "10.0.0.2", 40)].concat();
        assert_eq!(lines(&records), ["MEDIUM port-scan", "8.8.8.8 was rejected at 15 to 40 ports of 2 hosts"]);
        // All flows of the log are rejected: it may be limited to these.
        let unrelated = "eni-1 9.9.9.9 10.0.0.1 50000 443 6 2 ACCEPT ingress OK".to_owned();
        let line = "8.8.8.8 was rejected at 15 to 40 ports of 2 hosts; nothing was accepted from it there";
        assert_eq!(lines(&[&records[..], &[unrelated]].concat()), ["MEDIUM port-scan", line]);
        let accepted = "eni-1 8.8.8.8 10.0.0.2 50000 443 6 2 ACCEPT ingress OK".to_owned();
        let line = "8.8.8.8 was rejected at 15 to 40 ports of 2 hosts; 1 flow from it was accepted";
        assert_eq!(lines(&[&records[..], &[accepted]].concat()), ["HIGH port-scan", line]);
        let other = [records, host_sweep("8.8.8.8", 22, 25), host_sweep("8.8.8.8", 23, 25)].concat();
        let line = "8.8.8.8 was rejected at 15 to 40 ports of 2 hosts, and at 22/TCP";
        assert_eq!(lines(&other), ["MEDIUM host-sweep, port-scan", line]);
        let text = report(&summary(&other));
        assert!(
            text.contains("of 2 hosts, and at 22/TCP (ssh) and 1 more port of 26 hosts (4 findings, at least 55 flows"),
            "{text}"
        );
    }

    #[test]
    fn the_source_with_the_most_flows_is_the_first_line() {
        let records = [port_scan("8.8.8.8", "10.0.0.1", 15), port_scan("8.8.4.4", "10.0.0.1", 16)].concat();
        let (more, less) =
            ("8.8.4.4 was rejected at 16 ports of 10.0.0.1", "8.8.8.8 was rejected at 15 ports of 10.0.0.1");
        assert_eq!(lines(&records), ["MEDIUM port-scan", more, less]);
        let again = [records, port_scan("8.8.8.8", "10.0.0.2", 15)].concat();
        assert_eq!(lines(&again), ["MEDIUM port-scan", "8.8.8.8 was rejected at 15 ports of 2 hosts", more]);
    }

    #[test]
    fn an_empty_list_is_good_news_only_if_records_were_read() {
        let heading = |records: &[String]| {
            let report = report(&summary(records));
            report.lines().find(|line| line.starts_with("FINDINGS")).map(str::to_owned)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(heading(&[]), some("FINDINGS  unknown: no records were read"));
        assert_eq!(heading(&port_scan("8.8.8.8", "10.0.0.1", 1)), some("FINDINGS  none"));
        let no_data = "eni-1 - - - - - - - - NODATA".to_owned();
        assert_eq!(heading(&[no_data]), some("FINDINGS  unknown: no record is of accepted or rejected traffic"));
        let mut partial = summary(&port_scan("8.8.8.8", "10.0.0.1", 1));
        let failure = crate::summary::InputFailure { uri: "b".to_owned(), error: "not gzip".to_owned() };
        partial.failed.push(failure);
        assert!(report(&partial).contains("FINDINGS  unknown: 1 input could not be read"));
    }
}
