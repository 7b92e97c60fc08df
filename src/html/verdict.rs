//! The first screen: the verdict, the first steps, the totals, and the limits of the result.

use maud::{Markup, html};

use super::findings::{anchor, next_step};
use super::list::Bounds;
use super::page::{self, Column::Text};
use super::rank::Ranking;
use super::text::{MAX_SENTENCE_CHARS, bytes, clean, count, name, percent, plural, time, time_range};
use crate::aggregate::counters::TimeRange;
use crate::findings::types::{Finding, Severity};
use crate::summary::{InputFailure, Summary};

/// Problems of the first screen.
const MAX_PROBLEMS: usize = 4;
const FAILURES: Bounds = Bounds { entries: 20, bytes: 20_000 };

/// Says in one line what the summary found. Also the title of the page.
pub(super) fn headline(summary: &Summary, ranking: &Ranking<'_>) -> String {
    let records = &summary.records;
    let own = |severity| ranking.own().filter(|finding| finding.severity == severity).count() as u64;
    let urgent: Vec<String> = [Severity::High, Severity::Medium]
        .into_iter()
        .map(|severity| (own(severity), severity.name()))
        .filter(|(number, _)| *number > 0)
        .map(|(number, severity)| format!("{} {severity}", count(number)))
        .collect();
    let is_whole = summary.limits_reached.is_empty() && records.malformed == 0;
    let in_part = match (&summary.filters, summary.failed.as_slice()) {
        (Some(_), _) => ", as far as it was selected",
        (None, []) if is_whole => "",
        (None, []) => ", as far as it was read",
        (None, _) => " in the inputs that were read",
    };
    let scans = match ranking.scanners() {
        0 => String::new(),
        1 => "; 1 source on the internet scans it".to_owned(),
        sources => format!("; {} sources on the internet scan it", count(sources)),
    };
    if summary.sources.is_empty() {
        "No input could be read".to_owned()
    } else if records.total == 0 {
        "Unknown: no records were read".to_owned()
    } else if !urgent.is_empty() {
        let number = own(Severity::High) + own(Severity::Medium);
        format!("{} in your network: {}{scans}", plural(number, "problem"), urgent.join(", "))
    } else if records.malformed > records.total / 2 {
        "Unknown: most records are malformed".to_owned()
    } else if records.accepted == 0 && records.rejected == 0 {
        "Unknown: no record is of accepted or rejected traffic".to_owned()
    } else if own(Severity::Low) > 0 {
        format!("No urgent problem, {} of low severity{in_part}{scans}", plural(own(Severity::Low), "finding"))
    } else {
        format!("No problem found in your network{in_part}{scans}")
    }
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
            (failures(&summary.failed))
            (malformed(summary))
            (limits(summary))
            (tiles(summary, ranking))
            (problems(ranking))
        }
    }
}

fn filters(summary: &Summary) -> Markup {
    let Some(filters) = &summary.filters else { return html! {} };
    let options = filters.record_options();
    html! {
        div.notice role="note" {
            p {
                strong { "This is a selection." }
                @if !options.is_empty() {
                    " " (count(summary.records.filtered)) " of " (plural(summary.records.total, "record")) " are left out by "
                    code { (clean(&options, MAX_SENTENCE_CHARS)) } "."
                }
                @if let Some(severity) = filters.min_severity {
                    " " (plural(filters.findings_left_out, "finding")) " below " (severity.name()) " are not listed."
                }
            }
        }
    }
}

fn failures(failed: &[InputFailure]) -> Markup {
    let rows = FAILURES.render(failed, |failure| {
        html! {
            tr {
                td { code { (clean(&failure.uri, MAX_SENTENCE_CHARS)) } }
                td { (clean(&failure.error, MAX_SENTENCE_CHARS)) }
            }
        }
    });
    html! {
        @if !failed.is_empty() {
            div.notice role="note" {
                p { strong { (plural(failed.len() as u64, "input")) " could not be read." } " Their records are excluded." }
                (page::as_table(&page::table("Inputs that could not be read", &[Text("Input"), Text("Error")], &rows.markup), &rows.note("failed")))
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
    html! {
        @if !limits.is_empty() {
            div.notice role="note" {
                p {
                    strong { "Results are approximate." } " Memory limits were reached: " (limits.join(", ")) ". Totals are exact."
                    @if bound > 0 { " Flows of rejected connections may be up to " (count(bound)) " too low." }
                }
            }
        }
    }
}

fn tiles(summary: &Summary, ranking: &Ranking<'_>) -> Markup {
    let (accepted, rejected) = (summary.traffic.accepted, summary.traffic.rejected);
    let findings = || summary.findings.iter().filter(|finding| finding.suppressed.is_none());
    let of_severity = |severity| findings().filter(|finding| finding.severity == severity).count() as u64;
    let suppressed = ranking.suppressed.len() as u64;
    html! {
        dl.tiles {
            (tile("Findings", &count(findings().count() as u64), &html! {
                @for severity in Severity::ALL.into_iter().rev() { span { (count(of_severity(severity))) " " (severity.name()) } " " }
                @if suppressed > 0 { span { (count(suppressed)) " suppressed" } }
            }))
            (tile("Accepted", &count(accepted.flows), &html! { "flows, " (bytes(accepted.bytes)) }))
            (tile("Rejected", &count(rejected.flows), &html! { "flows, " (percent(rejected.flows, summary.traffic.flows())) " of all" }))
            @match &summary.peering {
                Some(peering) => {
                    @let refused = peering.vpc_pairs.iter().filter(|pair| pair.traffic.rejected.flows > 0).count() as u64;
                    @let silent = peering.vpc_pairs.iter().filter(|pair| pair.unanswered.flows > 0).count() as u64;
                    (tile("VPC pairs", &count(peering.vpc_pairs.len() as u64), &html! { (count(refused)) " with rejects, " (count(silent)) " without replies" }))
                }
                None => { (tile("VPC pairs", "-", &html! { "not judged without a topology" })) }
            }
            (tile("Internet scanners", &count(ranking.scanners()), &html! { "sources that were rejected" }))
        }
    }
}

fn tile(label: &str, value: &str, remark: &Markup) -> Markup {
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
