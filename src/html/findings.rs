//! The findings, worst first: each with the next step, and its evidence on demand.

use maud::{Markup, html};

use super::facts;
use super::list::Bounds;
use super::page::{
    self,
    Column::{Number, Text},
};
use super::rank::{Level, Ranking, Scanner};
use super::text::{MAX_SENTENCE_CHARS, clean, count, name, plural, prose, reasons, time, time_range};
use crate::findings;
use crate::findings::types::{Example, Finding, FindingType, Severity};
use crate::record::Action;
use crate::summary::Summary;

const SCANNERS: Bounds = Bounds { entries: 20, bytes: 10_000 };
const SUPPRESSED: Bounds = Bounds { entries: 20, bytes: 20_000 };
/// Problems of the first screen, which link to the findings.
pub(super) const MAX_PROBLEMS: usize = 4;
/// Maximum number of examples of a finding. A summary of this program has as many.
const MAX_EXAMPLES: usize = 5;

/// Returns the bounds of the cards of a severity. The summary has the findings that do not fit.
fn cards(severity: Severity) -> Bounds {
    match severity {
        Severity::High => Bounds { entries: 30, bytes: 80_000 },
        Severity::Medium => Bounds { entries: 20, bytes: 50_000 },
        Severity::Low => Bounds { entries: 10, bytes: 30_000 },
    }
}

/// Renders the section of all findings.
pub(super) fn section(summary: &Summary, ranking: &Ranking<'_>) -> Markup {
    let doubts = summary.doubts();
    html! {
        section #findings aria-labelledby="findings-title" {
            h2 #findings-title { "Findings" }
            @if ranking.levels.is_empty() {
                p.empty {
                    @if doubts.is_empty() { "No findings." } @else { "No findings are listed, but " (reasons(&doubts)) "." }
                }
            }
            @for level in &ranking.levels { (self::level(level)) }
            (suppressed(ranking))
        }
    }
}

fn level(level: &Level<'_>) -> Markup {
    let numbered: Vec<(usize, &Finding)> = (1..).zip(level.own.iter().copied()).collect();
    let linked =
        |(number, finding): &(usize, &Finding)| (*number <= MAX_PROBLEMS).then(|| card(*number, finding, false));
    let cards = cards(level.severity).render_or(&numbered, |(number, finding)| card(*number, finding, true), linked);
    html! {
        h3 { (page::severity(level.severity)) " " (plural((level.own.len() + scans(level)) as u64, "finding")) }
        (cards.markup)
        (cards.note("findings"))
        (scanners(level))
    }
}

/// Returns the anchor of the finding with this number among those of its severity, from 1.
pub(super) fn anchor(severity: Severity, number: usize) -> String {
    format!("{}-{number}", severity.name())
}

fn scans(level: &Level<'_>) -> usize {
    level.scanners.iter().map(|scanner| scanner.scans.len()).sum()
}

/// Renders one finding, with its evidence or without.
fn card(number: usize, finding: &Finding, has_evidence: bool) -> Markup {
    let id = anchor(finding.severity, number);
    let title = format!("{id}-title");
    html! {
        article.card.(finding.severity.name()) id=(&id) aria-labelledby=(title) {
            p.meta {
                (page::severity(finding.severity)) " "
                span { (finding.finding_type.name()) } " "
                span { (flows(finding)) }
                @if let Some(first) = finding.seen.first_seen { " " span { "since " (time(first)) " UTC" } }
                " " span { (finding.confidence.name()) " confidence" }
                @if !finding.exact { " " span { "approximate" } }
            }
            h4 id=(title) { (clean(&finding.title, MAX_SENTENCE_CHARS)) }
            p.todo { strong { "What to do: " } (next_step(finding)) }
            @if has_evidence {
                details {
                    summary { "Evidence" }
                    (evidence(&id, finding))
                }
            } @else {
                p.note { "The evidence is too long for this page. It is in " code { "findings" } " of the JSON summary." }
            }
        }
    }
}

/// Returns what to change: the rule of this finding if it is known, otherwise the advice for its type.
pub(super) fn next_step(finding: &Finding) -> Markup {
    let general = || findings::next_step(finding.finding_type);
    prose(finding.next_step.as_deref().unwrap_or_else(general))
}

fn flows(finding: &Finding) -> String {
    let unit = if finding.finding_type == FindingType::SkippedData { "record" } else { "flow" };
    plural(finding.tally.flows, unit)
}

fn evidence(id: &str, finding: &Finding) -> Markup {
    let kinds: Vec<&str> = finding.evidence.iter().map(|evidence| facts::evidence(*evidence)).collect();
    html! {
        p { (prose(findings::meaning(finding.finding_type))) }
        (facts::facts(finding))
        p {
            @if !kinds.is_empty() { "It rests on: " (kinds.join("; ")) ". " }
            "Seen " (time_range(finding.seen)) "."
        }
        @if !finding.examples.is_empty() { (examples(id, &finding.examples)) }
        p.muted { "Id " code { (name(&finding.id)) } }
    }
}

fn examples(id: &str, examples: &[Example]) -> Markup {
    let caption = format!("Example records of {id}");
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    html! {
        (page::table(&caption, &[Text("Source"), Text("From port"), Text("Destination"), Text("To port"), Text("Interface"), Text("Action")], &html! {
            @for example in examples.iter().take(MAX_EXAMPLES) {
                tr {
                    td { code { (optional(example.srcaddr.map(|address| address.to_string()))) } }
                    td { (optional(example.srcport.map(|port| port.to_string()))) }
                    td { code { (optional(example.dstaddr.map(|address| address.to_string()))) } }
                    td { (page::port(example.dstport, example.protocol)) }
                    td { code { (optional(example.interface_id.as_deref().map(name))) } }
                    td { (action(example.action)) }
                }
            }
        }))
        @if examples.len() > MAX_EXAMPLES {
            p.note { "and " (count((examples.len() - MAX_EXAMPLES) as u64)) " more, in " code { "examples" } " of the finding" }
        }
    }
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Accept => "accepted",
        Action::Reject => "rejected",
    }
}

/// Renders the scans from the internet as one table, and what to do about them once.
fn scanners(level: &Level<'_>) -> Markup {
    let sources = level.scanners.len() as u64;
    let has = |finding_type| level.scanners.iter().any(|scanner| scanner.count(finding_type) > 0);
    let caption = format!("Sources of scans, {}", level.severity.name());
    let rows = SCANNERS.render(&level.scanners, scanner);
    html! {
        @if sources > 0 {
            div.card.(level.severity.name()) {
                p.meta { (page::severity(level.severity)) " " span { "scans from the internet" } }
                h4 { (plural(sources, "source")) " scanned from the internet" }
                @for finding_type in [FindingType::PortScan, FindingType::HostSweep].into_iter().filter(|it| has(*it)) {
                    p { strong { (finding_type.name()) ": " } (prose(findings::meaning(finding_type))) }
                    p.todo { strong { "What to do: " } (prose(findings::next_step(finding_type))) }
                }
                (rows.table(&caption, &[Text("Source"), Text("Scans"), Number("Flows"), Text("Seen")], "findings"))
            }
        }
    }
}

fn scanner(scanner: &Scanner<'_>) -> Markup {
    let parts = [(FindingType::PortScan, "port scan"), (FindingType::HostSweep, "host sweep")];
    let parts = parts.map(|(finding_type, noun)| (scanner.count(finding_type) as u64, noun));
    let parts: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, noun)| plural(*number, noun)).collect();
    let mut seen = crate::aggregate::counters::TimeRange::default();
    scanner.scans.iter().for_each(|scan| seen.merge(scan.seen));
    html! {
        tr {
            td { code { (scanner.source) } }
            td.text {
                @match scanner.scans.as_slice() {
                    [only] => { (clean(&only.title, MAX_SENTENCE_CHARS)) }
                    _ => { (parts.join(", ")) }
                }
            }
            td.number { @if scanner.flows_overlap() { "at least " } (count(scanner.flows())) }
            td { (time_range(seen)) }
        }
    }
}

/// Renders the findings that the configuration suppresses, with the reasons.
fn suppressed(ranking: &Ranking<'_>) -> Markup {
    let rows = SUPPRESSED.render(&ranking.suppressed, |finding| {
        html! {
            tr {
                td { (page::severity(finding.severity)) }
                td.text { (clean(&finding.title, MAX_SENTENCE_CHARS)) }
                @if let Some(why) = &finding.suppressed {
                    td.text { (clean(&why.reason, MAX_SENTENCE_CHARS)) }
                    td { (name(&why.expires)) }
                }
            }
        }
    });
    html! {
        @if !ranking.suppressed.is_empty() {
            h3 { "Suppressed: " (plural(ranking.suppressed.len() as u64, "finding")) }
            (rows.table("Findings that the configuration suppresses", &[Text("Severity"), Text("Finding"), Text("Reason"), Text("Until")], "findings"))
        }
    }
}
