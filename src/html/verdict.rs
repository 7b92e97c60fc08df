//! The first screen: the verdict, the first steps, the totals, and the limits of the result.

use maud::{Markup, html};

use super::findings::{MAX_PROBLEMS, anchor, next_step};
use super::list::Bounds;
use super::page::{self, Column::Text};
use super::rank::Ranking;
use super::text::{
    MAX_SENTENCE_CHARS, are, bytes, clean, count, name, noun, percent, plural, reasons, time, time_range,
};
use crate::aggregate::counters::TimeRange;
use crate::findings::types::{Finding, Severity};
use crate::summary::doubt::Doubt;
use crate::summary::{Filters, InputFailure, Summary, VpcPair};

const FAILURES: Bounds = Bounds { entries: 20, bytes: 20_000 };

/// Says in one line what the summary found. Also the title of the page.
pub(super) fn headline(summary: &Summary, ranking: &Ranking<'_>) -> String {
    let own = |severity| ranking.own().filter(|finding| finding.severity == severity).count() as u64;
    let urgent: Vec<String> = [Severity::High, Severity::Medium]
        .into_iter()
        .map(|severity| (own(severity), severity.name()))
        .filter(|(number, _)| *number > 0)
        .map(|(number, severity)| format!("{} {severity}", count(number)))
        .collect();
    let remarks = remarks(ranking);
    let doubts = summary.doubts();
    let low = own(Severity::Low);
    if summary.sources.is_empty() && summary.unknown.is_empty() {
        "No input could be read".to_owned()
    } else if !urgent.is_empty() {
        let number = own(Severity::High) + own(Severity::Medium);
        format!("{} in your network: {}{remarks}", plural(number, "problem"), urgent.join(", "))
    } else if doubts.first().is_some_and(Doubt::is_of_everything) {
        format!("Unknown: {}", reasons(&doubts))
    } else if low > 0 {
        let low = plural(low, "finding");
        format!("No urgent problem, {low} of low severity{}{remarks}", in_part(summary, &doubts))
    } else if doubts.is_empty() {
        format!("No problem found in your network{}{remarks}", in_part(summary, &doubts))
    } else {
        format!("Unknown: no problem listed in your network{}{remarks}", in_part(summary, &doubts))
    }
}

/// Limits a verdict without an urgent problem, or returns nothing.
fn in_part(summary: &Summary, doubts: &[Doubt]) -> String {
    if !doubts.is_empty() {
        format!(", but {}", reasons(doubts))
    } else if !summary.unknown.is_empty() {
        ", as far as this version knows".to_owned()
    } else if summary.records.malformed > 0 {
        ", as far as it was read".to_owned()
    } else {
        String::new()
    }
}

/// Returns the findings that are no problem of the network, or nothing.
fn remarks(ranking: &Ranking<'_>) -> String {
    let scans = match ranking.scanners() {
        0 => String::new(),
        1 => "; 1 source on the internet scans it".to_owned(),
        sources => format!("; {} sources on the internet scan it", count(sources)),
    };
    match ranking.suppressed.len() as u64 {
        0 => scans,
        number => format!("{scans}; {} {} suppressed", plural(number, "finding"), are(number)),
    }
}

/// Returns the least severity of the listed findings, and how many are left out below it. `None` if there are none below it.
fn left_out(filters: &Filters) -> Option<(Severity, u64)> {
    Some((filters.min_severity?, filters.findings_left_out)).filter(|(_, number)| *number > 0)
}

/// Renders the head of the page with the verdict.
pub(super) fn header(summary: &Summary, ranking: &Ranking<'_>) -> Markup {
    let window = summary.window.map(|window| TimeRange { first_seen: window.start, last_seen: window.end });
    html! {
        header {
            p.brand { "flowsentry" }
            h1 { (headline(summary, ranking)) }
            p.muted {
                (inputs(summary)) ", " (plural(summary.records.total, "record"))
                @if let Some(window) = window { ", " (time_range(window)) }
            }
        }
    }
}

fn inputs(summary: &Summary) -> Markup {
    let window = summary.sources.iter().find_map(|source| source.window.as_ref());
    html! {
        @match (window, summary.sources.as_slice()) {
            (Some(window), _) => {
                "Report " bdi { (name(&window.name)) } " of " (plural(window.objects, "object"))
            }
            (None, [only]) => { code { (clean(only.uri.rsplit('/').next().unwrap_or(&only.uri), 100)) } }
            (None, sources) => { (plural(sources.len() as u64, "input")) }
        }
    }
}

/// Renders what limits the result, the totals, and the worst problems.
pub(super) fn section(summary: &Summary, ranking: &Ranking<'_>) -> Markup {
    html! {
        section #verdict aria-labelledby="verdict-title" {
            h2 #verdict-title.hidden { "Verdict" }
            (filters(summary))
            (unknown(summary))
            (failures(&summary.failed))
            (malformed(summary))
            (limits(summary))
            (tiles(summary, ranking))
            (problems(ranking))
        }
    }
}

fn filters(summary: &Summary) -> Markup {
    let filters = summary.filters.clone().unwrap_or_default();
    let (options, has_unknown) = (filters.record_options(), summary.has_unknown_filters());
    let is_by_records = has_unknown || !options.is_empty();
    html! {
        @if is_by_records || filters.min_severity.is_some() {
            div.notice role="note" {
                p {
                    strong { "This is a selection." }
                    @if is_by_records {
                        " " (count(summary.records.filtered)) " of " (plural(summary.records.total, "record")) " "
                        (are(summary.records.filtered)) " left out by "
                        @if !options.is_empty() { code { (clean(&options, MAX_SENTENCE_CHARS)) } }
                        @if has_unknown && !options.is_empty() { " and " }
                        @if has_unknown { "filters that this version does not know" }
                        "."
                    }
                    @if let Some(severity) = filters.min_severity {
                        " " (plural(filters.findings_left_out, "finding")) " below " (severity.name()) " "
                        (are(filters.findings_left_out)) " not listed."
                    }
                }
            }
        }
    }
}

fn unknown(summary: &Summary) -> Markup {
    let lists = summary.unknown.iter().map(|(list, number)| format!("{} of {list}", count(*number)));
    let lists: Vec<String> = lists.collect();
    html! {
        @if !lists.is_empty() {
            div.notice role="note" {
                p {
                    strong { "The summary is of a later version, or damaged." } " This page leaves out what it does not know: "
                    (lists.join(", ")) ". Use the version that wrote the summary."
                }
            }
        }
    }
}

fn failures(failed: &[InputFailure]) -> Markup {
    let rows = FAILURES.render(failed, |failure| {
        html! {
            tr {
                td.text { code { (clean(&failure.uri, MAX_SENTENCE_CHARS)) } }
                td.text { (clean(&failure.error, MAX_SENTENCE_CHARS)) }
            }
        }
    });
    html! {
        @if !failed.is_empty() {
            div.notice role="note" {
                p {
                    strong { (plural(failed.len() as u64, "input")) " could not be read." }
                    " " (if failed.len() == 1 { "Its" } else { "Their" }) " records are excluded."
                }
                (page::as_table(&rows.table("Inputs that could not be read", &[Text("Input"), Text("Error")], "failed")))
            }
        }
    }
}

fn malformed(summary: &Summary) -> Markup {
    let (malformed, total) = (summary.records.malformed, summary.records.total);
    html! {
        @if malformed > 0 {
            div.notice role="note" {
                p {
                    strong {
                        (if malformed > total / 2 { "Most records are malformed: " } else { "Malformed records: " })
                        (count(malformed)) " of " (count(total)) "."
                    }
                    " The page covers only the others. " a href="#inputs" { "The first malformed lines" }
                }
            }
        }
    }
}

fn limits(summary: &Summary) -> Markup {
    let limits: Vec<String> = summary.limits_reached.iter().map(|limit| name(limit)).collect();
    let bound = summary.rejected.error_bound;
    let hides_findings = summary.doubts().iter().any(|doubt| matches!(doubt, Doubt::Limits(_)));
    html! {
        @if !limits.is_empty() {
            div.notice role="note" {
                p {
                    strong { "Results are approximate." } " Memory limits were reached: " (limits.join(", ")) ". Totals are exact."
                    @if hides_findings { " Findings may be missing." }
                    @if bound > 0 { " Flows of rejected connections may be up to " (count(bound)) " too low." }
                }
            }
        }
    }
}

fn tiles(summary: &Summary, ranking: &Ranking<'_>) -> Markup {
    let (accepted, rejected) = (summary.traffic.accepted, summary.traffic.rejected);
    let flows = |flows: u64, remark: &str| html! { (noun(flows, "flow")) @if !remark.is_empty() { ", " (remark) } };
    let share = match percent(rejected.flows, summary.traffic.flows()) {
        // There are no flows.
        share if share.is_empty() => share,
        share => share + " of all",
    };
    html! {
        dl.tiles {
            (findings(summary, ranking))
            (tile("Accepted", &count(accepted.flows), &flows(accepted.flows, &bytes(accepted.bytes))))
            (tile("Rejected", &count(rejected.flows), &flows(rejected.flows, &share)))
            (pairs(summary))
            (scanners(summary, ranking))
        }
    }
}

/// Renders the number of findings. Severities that are left out have none.
fn findings(summary: &Summary, ranking: &Ranking<'_>) -> Markup {
    let left_out = summary.filters.as_ref().and_then(left_out);
    let active = || summary.findings.iter().filter(|finding| finding.suppressed.is_none());
    let listed =
        Severity::ALL.into_iter().rev().filter(|severity| left_out.is_none_or(|(least, _)| *severity >= least));
    let of_severity = |severity| active().filter(|finding| finding.severity == severity).count() as u64;
    let numbers = listed.map(|severity| (of_severity(severity), severity.name()));
    let others = [
        (ranking.suppressed.len() as u64, "suppressed"),
        (left_out.map_or(0, |(_, number)| number), "left out"),
        (summary.unknown_findings(), "unknown"),
    ];
    let others = others.into_iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = numbers.chain(others).map(|(number, word)| format!("{} {word}", count(number))).collect();
    tile("Findings", &count(active().count() as u64), &html! { (parts.join(", ")) })
}

fn pairs(summary: &Summary) -> Markup {
    let Some(peering) = &summary.peering else {
        return tile("VPC pairs", "-", &html! { "not judged without a topology" });
    };
    let of = |has: fn(&VpcPair) -> bool| peering.vpc_pairs.iter().filter(|pair| has(pair)).count() as u64;
    let (refused, silent) = (of(|pair| pair.traffic.rejected.flows > 0), of(|pair| pair.unanswered.flows > 0));
    let remark = html! { (count(refused)) " with rejects, " (count(silent)) " without replies" };
    tile("VPC pairs", &count(peering.vpc_pairs.len() as u64), &remark)
}

/// Renders the number of scanners. Scans that are left out do not look like none.
fn scanners(summary: &Summary, ranking: &Ranking<'_>) -> Markup {
    let number = ranking.scanners();
    let left_out = summary.filters.as_ref().and_then(left_out);
    let (value, remark) = match left_out {
        Some((severity, _)) if number == 0 => ("-".to_owned(), format!("scans below {} are left out", severity.name())),
        Some((severity, _)) => (count(number), format!("with scans of at least {} severity", severity.name())),
        None => (count(number), format!("rejected {}", noun(number, "source"))),
    };
    tile("Internet scanners", &value, &html! { (remark) })
}

pub(super) fn tile(label: &str, value: &str, remark: &Markup) -> Markup {
    html! { div { dt { (label) } dd { span.value { (value) } " " span.muted { (remark) } } } }
}

/// Renders the worst problems, with links to their evidence.
fn problems(ranking: &Ranking<'_>) -> Markup {
    let numbered = ranking.levels.iter().flat_map(|level| (1..).zip(level.own.iter().copied()));
    let worst: Vec<(usize, &Finding)> = numbered.take(MAX_PROBLEMS).collect();
    let more = ranking.own().count() - worst.len();
    html! {
        @if !worst.is_empty() {
            h3 { "What to do first" }
            ol.problems {
                @for (number, finding) in worst {
                    li {
                        p.meta {
                            (page::severity(finding.severity)) " " span { (finding.finding_type.name()) }
                            @if let Some(first) = finding.seen.first_seen { " " span { "since " (time(first)) " UTC" } }
                        }
                        p { a href={ "#" (anchor(finding.severity, number)) } { (clean(&finding.title, MAX_SENTENCE_CHARS)) } }
                        p.todo { (next_step(finding)) }
                    }
                }
            }
            @if more > 0 { p.note { a href="#findings" { (plural(more as u64, "more finding")) } } }
        }
    }
}
