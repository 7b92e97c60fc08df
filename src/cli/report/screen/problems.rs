//! The problems of a screen, the most urgent first: those of the user's own network before scans from the internet, as in the full report.

use std::net::IpAddr;

use crate::aggregate::counters::TimeRange;
use crate::cli::report::findings::{Section, sections};
use crate::cli::report::format::{approximate, escape_unprintable, plural};
use crate::cli::report::names::Names;
use crate::cli::report::scans::{self, Scans};
use crate::findings;
use crate::findings::types::{Confidence, Finding, FindingType, Severity};
use crate::record::timestamp::Timestamp;
use crate::summary::{Summary, Window};
use crate::topology::Topology;

use crate::cli::report::short_names::ShortNames;

/// A problem: a finding, or the scans of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) severity: Severity,
    /// Whether it is a scan from a public address.
    pub(super) is_from_outside: bool,
    /// Types of its findings, such as `host-sweep, port-scan`.
    pub(super) types: String,
    /// Address of the source of its scans.
    pub(super) source: Option<IpAddr>,
    /// Number of its findings.
    pub(super) findings: usize,
    /// What is wrong, and by which rule or route.
    pub(super) title: String,
    /// How much, since when, and how sure.
    pub(super) extent: String,
    /// What to do.
    pub(super) next_step: String,
}

/// Returns the problems of a summary in order. Findings that the configuration suppresses are none.
pub(super) fn problems(summary: &Summary, topology: Option<&Topology>, names: &ShortNames<'_>) -> Vec<Problem> {
    let findings: Vec<&Finding> = summary.findings.iter().filter(|finding| finding.suppressed.is_none()).collect();
    let sections = sections(&findings, Names { summary: Some(names), topology });
    sections.iter().flat_map(|section| of_section(section, summary.window, names)).collect()
}

fn of_section(section: &Section<'_>, window: Option<Window>, names: &ShortNames<'_>) -> Vec<Problem> {
    let new = |findings: &[&Finding], title: &str, extent: String| Problem {
        severity: section.key.severity,
        is_from_outside: section.key.is_from_outside,
        types: type_names(findings),
        source: findings.first().and_then(|finding| scans::source(finding)),
        findings: findings.len(),
        title: names.shorten(&escape_unprintable(title)),
        extent,
        next_step: names.shorten(&escape_unprintable(next_step(findings))),
    };
    let scans = Scans::by_source(&section.findings);
    if scans.is_empty() {
        let findings = section.findings.iter();
        return findings.map(|finding| new(&[finding], &finding.title, finding_extent(finding, window))).collect();
    }
    scans.iter().map(|scans| new(scans.findings(), &scans.title(), scans_extent(scans, window))).collect()
}

fn type_names(findings: &[&Finding]) -> String {
    let mut types: Vec<FindingType> = findings.iter().map(|finding| finding.finding_type).collect();
    types.sort_unstable();
    types.dedup();
    types.iter().map(|finding_type| finding_type.name()).collect::<Vec<_>>().join(", ")
}

/// Returns the step of the first finding, or that of its type.
fn next_step<'a>(findings: &[&'a Finding]) -> &'a str {
    findings
        .first()
        .map_or("", |finding| finding.next_step.as_deref().unwrap_or_else(|| findings::next_step(finding.finding_type)))
}

fn finding_extent(finding: &Finding, window: Option<Window>) -> String {
    let unit = if finding.finding_type == FindingType::SkippedData { "record" } else { "flow" };
    extent(&plural(finding.tally.flows, unit), finding.seen, finding.confidence, window) + approximate(finding.exact)
}

fn scans_extent(scans: &Scans<'_>, window: Option<Window>) -> String {
    let at_least = if scans.flows_overlap() { "at least " } else { "" };
    let flows = format!("{at_least}{}", plural(scans.flows(), "flow"));
    extent(&flows, scans.seen(), scans.confidence(), window) + approximate(scans.is_exact())
}

/// Formats an amount, a time range, and a confidence that is not high: `20 flows since 05:59:11Z, last 06:04:11Z, low confidence`.
fn extent(amount: &str, seen: TimeRange, confidence: Confidence, window: Option<Window>) -> String {
    let mut text = amount.to_owned();
    if let Some(first) = seen.first_seen {
        text += &format!(" since {}", short_time(first, window));
    }
    if let Some(last) = seen.last_seen.filter(|last| Some(*last) != seen.first_seen) {
        text += &format!(", last {}", short_time(last, window));
    }
    if confidence != Confidence::High {
        text += &format!(", {} confidence", confidence.name());
    }
    text
}

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Formats a time, without its date if the window has this time of the day once.
pub(super) fn short_time(time: Timestamp, window: Option<Window>) -> String {
    let text = time.to_string();
    let Some(Window { start: Some(start), end: Some(end) }) = window else { return text };
    let is_in = |seconds: Option<u64>| seconds.is_some_and(|time| start.seconds() <= time && time <= end.seconds());
    let is_unique = !is_in(time.seconds().checked_sub(DAY)) && !is_in(time.seconds().checked_add(DAY));
    match text.split_once('T') {
        Some((_, time)) if is_unique => time.to_owned(),
        _ => text,
    }
}
