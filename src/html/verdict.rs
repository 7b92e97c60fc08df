//! The first screen: the verdict, the first steps, the totals, and the limits of the result.

use maud::{Markup, html};

use super::findings::{anchor, next_step};
use super::list::Bounds;
use super::page::{self, Column::Text};
use super::rank::Ranking;
use super::text::{MAX_SENTENCE_CHARS, are, bytes, clean, count, name, noun, percent, plural, time, time_range};
use crate::aggregate::counters::TimeRange;
use crate::findings::types::{Finding, Severity};
use crate::summary::{Filters, InputFailure, Summary, VpcPair};

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
    let (in_part, remarks) = (in_part(summary), remarks(ranking));
    let left_out = summary.filters.as_ref().and_then(left_out);
    if summary.sources.is_empty() && summary.unknown.is_empty() {
        "No input could be read".to_owned()
    } else if records.total == 0 {
        "Unknown: no records were read".to_owned()
    } else if !urgent.is_empty() {
        let number = own(Severity::High) + own(Severity::Medium);
        format!("{} in your network: {}{remarks}", plural(number, "problem"), urgent.join(", "))
    } else if records.malformed > records.total / 2 {
        "Unknown: most records are malformed".to_owned()
    } else if records.accepted == 0 && records.rejected == 0 {
        "Unknown: no record is of accepted or rejected traffic".to_owned()
    } else if summary.unknown_findings() > 0 {
        let number = summary.unknown_findings();
        format!("Unknown: {} {} of a later version", plural(number, "finding"), are(number))
    } else if let Some((severity, number)) = left_out {
        let (severity, verb) = (severity.name(), are(number));
        format!("No problem of at least {severity} severity; {} below {verb} left out", plural(number, "finding"))
    } else if own(Severity::Low) > 0 {
        format!("No urgent problem, {} of low severity{in_part}{remarks}", plural(own(Severity::Low), "finding"))
    } else {
        format!("No problem found in your network{in_part}{remarks}")
    }
}

/// Returns what a verdict without a problem does not cover, or nothing.
fn in_part(summary: &Summary) -> &'static str {
    let is_whole = summary.limits_reached.is_empty() && summary.records.malformed == 0;
    match (&summary.filters, summary.failed.as_slice()) {
        (Some(_), _) => ", as far as it was selected",
        (None, _) if !summary.unknown.is_empty() => ", as far as this version knows",
        (None, []) if is_whole => "",
        (None, []) => ", as far as it was read",
        (None, _) => " in the inputs that were read",
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
    let Some(filters) = &summary.filters else { return html! {} };
    let options = filters.record_options();
    html! {
        div.notice role="note" {
            p {
                strong { "This is a selection." }
                @if !options.is_empty() {
                    " " (count(summary.records.filtered)) " of " (plural(summary.records.total, "record")) " "
                    (are(summary.records.filtered)) " left out by "
                    code { (clean(&options, MAX_SENTENCE_CHARS)) } "."
                }
                @if let Some(severity) = filters.min_severity {
                    " " (plural(filters.findings_left_out, "finding")) " below " (severity.name()) " "
                    (are(filters.findings_left_out)) " not listed."
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
                    strong { "The summary is of a later version." } " This page leaves out what it does not know: "
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
