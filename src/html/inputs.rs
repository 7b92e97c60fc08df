//! The inputs, their columns, the records by class, and lines that do not parse.

use maud::{Markup, html};

use super::list::Bounds;
use super::page::{
    self,
    Column::{Number, Text},
};
use super::text::{MAX_SENTENCE_CHARS, bytes, clean, count, name, plural};
use crate::summary::{InputSource, MalformedSample, ObservedFormat, Summary};

const SOURCES: Bounds = Bounds { entries: 20, bytes: 20_000 };
const FORMATS: Bounds = Bounds { entries: 5, bytes: 10_000 };
const MALFORMED: Bounds = Bounds { entries: 10, bytes: 20_000 };
/// The class of records that a filter leaves out. Only some summaries have a filter.
const FILTERED: &str = "Left out by the filter";
/// Maximum number of columns of a format.
const MAX_FIELDS: usize = 60;

/// Renders the section of the inputs.
pub(super) fn section(summary: &Summary) -> Markup {
    html! {
        section #inputs aria-labelledby="inputs-title" {
            h2 #inputs-title { "Inputs" }
            (records(summary))
            (sources(&summary.sources))
            (formats(&summary.formats))
            (malformed(&summary.malformed))
        }
    }
}

fn records(summary: &Summary) -> Markup {
    let records = &summary.records;
    let classes = [
        ("Accepted", records.accepted),
        ("Rejected", records.rejected),
        ("No data in the interval", records.no_data),
        ("Skipped by AWS", records.skip_data),
        ("Without an action", records.other),
        ("Malformed", records.malformed),
        (FILTERED, records.filtered),
        ("All", records.total),
    ];
    html! {
        (page::table("Records by class", &[Text("Class"), Number("Records")], &html! {
            @for (class, number) in classes.into_iter().filter(|(class, number)| *class != FILTERED || *number > 0) { tr { th scope="row" { (class) } td.number { (count(number)) } } }
        }))
        @if let Some(topology) = &summary.topology { p.muted { "Topology: snapshot " code { (name(&topology.snapshot)) } } }
    }
}

fn sources(sources: &[InputSource]) -> Markup {
    let rows = SOURCES.render(sources, |source| {
        html! {
            tr {
                th.text scope="row" { code { (clean(&source.uri, MAX_SENTENCE_CHARS)) } }
                td.number { (count(source.records)) }
                td.number { (bytes(source.bytes)) }
            }
        }
    });
    html! {
        details.data {
            summary { (plural(sources.len() as u64, "input")) }
            (rows.table("Inputs that were read completely", &[Text("Input"), Number("Records"), Number("Text")], "sources"))
        }
    }
}

fn formats(formats: &[ObservedFormat]) -> Markup {
    let rows = FORMATS.render(formats, |format| {
        let fields: Vec<String> = format.fields.iter().take(MAX_FIELDS).map(|field| name(field)).collect();
        let more = format.fields.len() - fields.len();
        html! {
            tr {
                th scope="row" { @match format.version { Some(version) => { "version " (version) } None => { "unknown" } } }
                td.text { code { (fields.join(" ")) } @if more > 0 { " and " (more) " more, in " code { "formats" } " of the JSON summary" } }
            }
        }
    });
    html! {
        @if !formats.is_empty() {
            details.data {
                summary { (plural(formats.len() as u64, "format")) }
                (rows.table("Columns of the records", &[Text("Format"), Text("Columns")], "formats"))
            }
        }
    }
}

fn malformed(samples: &[MalformedSample]) -> Markup {
    let rows = MALFORMED.render(samples, |sample| {
        html! {
            tr {
                td.text { code { (clean(&sample.uri, MAX_SENTENCE_CHARS)) } }
                td.number { (count(sample.line)) }
                td.text { (clean(&sample.reason, MAX_SENTENCE_CHARS)) }
                td.text { code { (clean(&sample.text, MAX_SENTENCE_CHARS)) } }
            }
        }
    });
    html! {
        @if !samples.is_empty() {
            h3 { "Malformed records" }
            (rows.table("The first lines that do not parse", &[Text("Input"), Number("Line"), Text("Reason"), Text("Text")], "malformed"))
        }
    }
}
