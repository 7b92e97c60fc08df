//! The page of `diff`: new elements are first, then those that changed and those that are gone.

use std::net::IpAddr;

use maud::{Markup, html};

use super::Page;
use super::list::{Bounded, Bounds};
use super::page::{
    self,
    Column::{self, Number, Text},
};
use super::rejects::cause;
use super::text::{MAX_SENTENCE_CHARS, bytes, clean, count, name, plural, resource, time_range};
use super::verdict::tile;
use crate::aggregate::counters::{Counters, TimeRange};
use crate::summary::diff::{
    Change, DIFFERENT_WINDOWS, Diff, DiffVerdict, FindingFacts, FindingRow, GroupRow, NOT_GONE, NOT_NEW, PairRow, Side,
};

/// Bounds of each list. There are at most nine lists.
const ROWS: Bounds = Bounds { entries: 100, bytes: 60_000 };
const LACKS: Bounds = Bounds { entries: 20, bytes: 20_000 };
/// Maximum characters of the reasons of a doubt, as in the text report.
const MAX_DOUBT_CHARS: usize = 1000;
/// The document that has all of a list.
const DOCUMENT: &str = "the output of --format json";

/// Renders the differences of two summaries as a page.
pub fn render_diff(diff: &Diff) -> String {
    const SECTIONS: [(&str, &str); 4] =
        [("#verdict", "Verdict"), ("#findings", "Findings"), ("#rejects", "Rejects"), ("#vpcs", "VPCs")];
    let headline = headline(diff);
    let main = html! {
        (verdict(diff))
        (findings(diff))
        (groups(diff))
        (pairs(diff.vpc_pairs.as_deref()))
    };
    let page = Page {
        title: &headline,
        header: header(&headline, diff),
        sections: &SECTIONS,
        main,
        data: "--format json has all of the data.",
    };
    page.render()
}

/// Returns the verdict and the numbers of findings.
fn headline(diff: &Diff) -> String {
    let counts = diff.findings.counts().map(|(number, word)| format!("{} {word}", count(number as u64)));
    format!("{}. Findings: {}", diff.verdict().words(), counts.join(", "))
}

fn header(headline: &str, diff: &Diff) -> Markup {
    html! {
        header {
            p.brand { "flowsentry" }
            h1 { (headline) }
            p.muted { "What is new in " (file(&diff.after)) " since " (file(&diff.before)) }
        }
    }
}

/// Renders the name of a file without its folder.
fn file(side: &Side) -> Markup {
    html! { code { (clean(side.file.rsplit('/').next().unwrap_or(&side.file), 100)) } }
}

fn verdict(diff: &Diff) -> Markup {
    let groups = &diff.rejected_groups;
    let listed = |number: usize| count(number as u64);
    html! {
        section #verdict aria-labelledby="verdict-title" {
            h2 #verdict-title.hidden { "Verdict" }
            div.notice role="note" { p { (meaning(diff)) } }
            @if diff.has_comparable_windows() == Some(false) { div.notice role="note" { p { (DIFFERENT_WINDOWS) } } }
            dl.tiles {
                @for (number, word) in diff.findings.counts() {
                    (tile(&format!("Findings, {word}"), &listed(number), &html! {}))
                }
                (tile("Rejected connections, new", &listed(groups.new.len()), &html! {}))
                (tile("Rejected connections, gone", &listed(groups.gone.len()), &html! {}))
            }
            h3 { "The two summaries" }
            (sides(&diff.before, &diff.after))
        }
    }
}

/// Explains the verdict, or why it is unknown.
fn meaning(diff: &Diff) -> String {
    let known = match diff.verdict() {
        DiffVerdict::Worse => "A finding is new, has a higher severity, or is no longer suppressed.",
        DiffVerdict::NoWorse => {
            "No finding is new, has a higher severity, or is no longer suppressed. Suppressed ones do not count."
        }
        DiffVerdict::Unknown => "",
    };
    diff.doubt().map_or_else(|| known.to_owned(), |doubt| clean(&doubt, MAX_DOUBT_CHARS))
}

fn sides(before: &Side, after: &Side) -> Markup {
    let row = |label: &str, cell: &dyn Fn(&Side) -> Markup| {
        html! { tr { th scope="row" { (label) } td.text { (cell(before)) } td.text { (cell(after)) } } }
    };
    let window = |side: &Side| match side.window {
        Some(window) => time_range(TimeRange { first_seen: window.start, last_seen: window.end }),
        None => html! { span.muted { "unknown" } },
    };
    let lacks = |side: &Side| {
        let reasons = LACKS.render(&side.lacks, |reason| html! { li { (clean(reason, MAX_SENTENCE_CHARS)) } });
        html! {
            @if side.lacks.is_empty() { "nothing" } @else { ul { (reasons.markup) } (reasons.note_of("lacks", DOCUMENT)) }
        }
    };
    html! {
        (page::table("The two summaries", &[Text("Property"), Text("Before"), Text("After")], &html! {
            (row("File", &|side| html! { code { (clean(&side.file, MAX_SENTENCE_CHARS)) } }))
            (row("Window", &window))
            (row("Accepted", &|side| tally(side.traffic.accepted)))
            (row("Rejected", &|side| tally(side.traffic.rejected)))
            (row("What it lacks", &lacks))
        }))
    }
}

/// Renders sums as a list of words.
fn tally(tally: Counters) -> Markup {
    html! { (plural(tally.flows, "flow")) ", " (plural(tally.packets, "packet")) ", " (bytes(tally.bytes)) }
}

/// Renders sums as three cells.
fn sums(tally: Counters) -> Markup {
    html! { td.number { (count(tally.flows)) } td.number { (count(tally.packets)) } td.number { (bytes(tally.bytes)) } }
}

/// Renders sums of both summaries as six cells.
fn both_sums(before: Counters, after: Counters) -> Markup {
    html! {
        @for (before, after) in [(before.flows, after.flows), (before.packets, after.packets)] {
            td.number { (count(before)) }
            td.number { (count(after)) }
        }
        td.number { (bytes(before.bytes)) }
        td.number { (bytes(after.bytes)) }
    }
}

/// Renders sums of both summaries as three cells.
fn changed_sums(before: Counters, after: Counters) -> Markup {
    html! {
        td.number { (count(before.flows)) " → " (count(after.flows)) }
        td.number { (count(before.packets)) " → " (count(after.packets)) }
        td.number { (bytes(before.bytes)) " → " (bytes(after.bytes)) }
    }
}

/// One list of the result.
struct List<'a> {
    heading: &'a str,
    caption: &'a str,
    columns: &'a [Column],
    member: &'a str,
    /// Why the list may be too long, unless it is certain.
    remark: Option<&'a str>,
    /// Whether the list may be empty because a summary does not have everything.
    may_be_more: bool,
}

impl List<'_> {
    /// Renders the heading and the rows.
    fn render(&self, length: usize, rows: &Bounded) -> Markup {
        html! {
            h3 { (self.heading) ": " (count(length as u64)) }
            @match (length, self.may_be_more) {
                (0, false) => { p.empty { "None." } }
                (0, true) => { p.empty { "None is listed, but a summary does not have everything." } }
                _ => {
                    @if let Some(remark) = self.remark { p.note { "The list is " (remark) "." } }
                    (page::table(self.caption, self.columns, &rows.markup))
                    (rows.note_of(self.member, DOCUMENT))
                }
            }
        }
    }
}

fn findings(diff: &Diff) -> Markup {
    const FINDINGS: [Column; 7] = [
        Text("Severity"),
        Text("Finding"),
        Text("Type"),
        Text("Confidence"),
        Number("Flows"),
        Number("Packets"),
        Number("Bytes"),
    ];
    let findings = &diff.findings;
    let (new, gone) = (ROWS.render(&findings.new, finding), ROWS.render(&findings.gone, finding));
    html! {
        section #findings aria-labelledby="findings-title" {
            h2 #findings-title { "Findings" }
            (List {
                heading: "New findings",
                caption: "Findings of the summary after only",
                columns: &FINDINGS,
                member: "findings.new",
                remark: (!findings.new_certain).then_some(NOT_NEW),
                may_be_more: !findings.gone_certain,
            }.render(findings.new.len(), &new))
            (changed(&findings.changed))
            (List {
                heading: "Gone findings",
                caption: "Findings of the summary before only",
                columns: &FINDINGS,
                member: "findings.gone",
                remark: (!findings.gone_certain).then_some(NOT_GONE),
                may_be_more: !findings.new_certain,
            }.render(findings.gone.len(), &gone))
            (ongoing(&findings.ongoing))
        }
    }
}

fn finding(row: &FindingRow) -> Markup {
    html! {
        tr {
            td { (page::severity(row.facts.severity)) }
            (title(&row.title, row.facts))
            td { (row.finding_type.name()) }
            td { (row.facts.confidence.name()) }
            (sums(row.facts.tally))
        }
    }
}

/// Renders the findings of both summaries that changed, with their severity in the second one.
fn changed(changes: &[Change]) -> Markup {
    const COLUMNS: [Column; 7] = [
        Text("Severity"),
        Text("Finding"),
        Text("Type"),
        Text("Change"),
        Number("Flows"),
        Number("Packets"),
        Number("Bytes"),
    ];
    let rows = ROWS.render(changes, |change| change_row(change, &html! { td.text { (change.in_words()) } }));
    List {
        heading: "Changed findings",
        caption: "Findings of both summaries that changed",
        columns: &COLUMNS,
        member: "findings.changed",
        remark: None,
        may_be_more: false,
    }
    .render(changes.len(), &rows)
}

/// Renders the findings of both summaries that did not change, apart from their sums, as a table that opens on demand.
fn ongoing(changes: &[Change]) -> Markup {
    const COLUMNS: [Column; 6] =
        [Text("Severity"), Text("Finding"), Text("Type"), Number("Flows"), Number("Packets"), Number("Bytes")];
    let rows = ROWS.render(changes, |change| change_row(change, &html! {}));
    html! {
        h3 { "Ongoing findings: " (count(changes.len() as u64)) }
        @if !changes.is_empty() {
            details.data {
                summary { "Show the ongoing findings" }
                (page::table("Findings of both summaries that did not change", &COLUMNS, &rows.markup))
                (rows.note_of("findings.ongoing", DOCUMENT))
            }
        }
    }
}

fn change_row(change: &Change, words: &Markup) -> Markup {
    html! {
        tr {
            td { (page::severity(change.after.severity)) }
            (title(&change.title, change.after))
            td { (change.finding_type.name()) }
            (words)
            (changed_sums(change.before.tally, change.after.tally))
        }
    }
}

fn title(title: &str, facts: FindingFacts) -> Markup {
    html! {
        th.text scope="row" {
            (clean(title, MAX_SENTENCE_CHARS))
            @if facts.suppressed { " (suppressed)" }
        }
    }
}

fn groups(diff: &Diff) -> Markup {
    const COLUMNS: [Column; 8] = [
        Text("Source"),
        Text("Destination"),
        Text("Port"),
        Text("Cause"),
        Text("Interface"),
        Number("Flows"),
        Number("Packets"),
        Number("Bytes"),
    ];
    let groups = &diff.rejected_groups;
    let (new, gone) = (ROWS.render(&groups.new, group), ROWS.render(&groups.gone, group));
    html! {
        section #rejects aria-labelledby="rejects-title" {
            h2 #rejects-title { "Rejected connections" }
            (List {
                heading: "New rejected connections",
                caption: "Rejected connections of the summary after only",
                columns: &COLUMNS,
                member: "rejected_groups.new",
                remark: (!groups.new_certain).then_some(NOT_NEW),
                may_be_more: !groups.gone_certain,
            }.render(groups.new.len(), &new))
            (List {
                heading: "Gone rejected connections",
                caption: "Rejected connections of the summary before only",
                columns: &COLUMNS,
                member: "rejected_groups.gone",
                remark: (!groups.gone_certain).then_some(NOT_GONE),
                may_be_more: !groups.new_certain,
            }.render(groups.gone.len(), &gone))
        }
    }
}

fn group(row: &GroupRow) -> Markup {
    let end = |address: Option<IpAddr>, tag: Option<&str>| {
        html! {
            @match address {
                Some(address) => { code { (address) } }
                None => { span.muted { "unknown" } }
            }
            @if let Some(tag) = tag { " " bdi.muted.aside { (name(tag)) } }
        }
    };
    html! {
        tr {
            td { (end(row.srcaddr, row.src_name.as_deref())) }
            td { (end(row.dstaddr, row.dst_name.as_deref())) }
            td { (page::port(row.dstport, row.protocol)) }
            td { (cause(row.cause)) }
            td { (resource(row.interface_id.as_deref(), row.interface_name.as_deref())) }
            (sums(row.tally))
        }
    }
}

fn pairs(pairs: Option<&[PairRow]>) -> Markup {
    html! {
        section #vpcs aria-labelledby="vpcs-title" {
            h2 #vpcs-title { "Traffic between VPCs" }
            @match pairs {
                None => { p.empty { "Not compared: at least one summary was made without a topology (--topology)." } }
                Some([]) => { p.empty { "No traffic between known VPCs." } }
                Some(pairs) => { (main_sums(pairs)) (all_sums(pairs)) }
            }
        }
    }
}

/// Renders the accepted bytes and the rejected flows of pairs.
fn main_sums(pairs: &[PairRow]) -> Markup {
    const COLUMNS: [Column; 7] = [
        Text("From"),
        Text("To"),
        Text("Connection"),
        Number("Bytes before"),
        Number("Bytes after"),
        Number("Rejected before"),
        Number("Rejected after"),
    ];
    let rows = ROWS.render(pairs, |pair| {
        let (before, after) = (pair.change.before, pair.change.after);
        html! {
            tr {
                (ends(pair))
                td {
                    @match &pair.peering_connection_id {
                        Some(id) => { (resource(Some(id), pair.peering_connection_name.as_deref())) }
                        None => { "no connection" }
                    }
                }
                td.number { (bytes(before.accepted.bytes)) }
                td.number { (bytes(after.accepted.bytes)) }
                td.number { (count(before.rejected.flows)) }
                td.number { (count(after.rejected.flows)) }
            }
        }
    });
    html! {
        (page::table("Accepted bytes and rejected flows, the greatest change first", &COLUMNS, &rows.markup))
        (rows.note_of("vpc_pairs", DOCUMENT))
    }
}

/// Renders all sums of pairs, in a table that opens on demand.
fn all_sums(pairs: &[PairRow]) -> Markup {
    const COLUMNS: [Column; 9] = [
        Text("From"),
        Text("To"),
        Text("Action"),
        Number("Flows before"),
        Number("Flows after"),
        Number("Packets before"),
        Number("Packets after"),
        Number("Bytes before"),
        Number("Bytes after"),
    ];
    let rows = ROWS.render(pairs, |pair| {
        let (before, after) = (pair.change.before, pair.change.after);
        html! {
            tr { (ends(pair)) td { "accepted" } (both_sums(before.accepted, after.accepted)) }
            tr { (ends(pair)) td { "rejected" } (both_sums(before.rejected, after.rejected)) }
        }
    });
    html! {
        details.data {
            summary { "All sums" }
            (page::table("Flows, packets and bytes between VPCs", &COLUMNS, &rows.markup))
            (rows.note_of("vpc_pairs", DOCUMENT))
        }
    }
}

fn ends(pair: &PairRow) -> Markup {
    html! {
        th scope="row" { (resource(Some(&pair.src_vpc_id), pair.src_vpc_name.as_deref())) }
        td { (resource(Some(&pair.dst_vpc_id), pair.dst_vpc_name.as_deref())) }
    }
}
