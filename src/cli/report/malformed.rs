//! Malformed records: a warning if they are the majority, and the first of them.

use super::format::{escape_unprintable, format_count, format_percent, plural, truncate};
use super::{DIM, Renderer, YELLOW};
use crate::input::other_format::OtherFormat;
use crate::summary::{MalformedSample, Summary};

const MAX_MALFORMED: usize = 3;

/// Returns a warning if more than half of the records are malformed: their number, the first of them, and the likely cause.
pub fn warn_of_majority(summary: &Summary) -> Option<String> {
    let (malformed, total) = (summary.records.malformed, summary.records.total);
    let first = summary.malformed.first()?;
    majority((malformed, total), first, unit(first, summary))
}

/// Returns the warning of [`warn_of_majority`] for a number of malformed records of all, and the unit of the number of the first.
pub(in crate::cli) fn majority((malformed, total): (u64, u64), first: &MalformedSample, unit: &str) -> Option<String> {
    if malformed <= total / 2 {
        return None;
    }
    let cause = OtherFormat::from_text(first.text.as_bytes()).map_or_else(
        || {
            "The columns of these records are probably not those of their header or, in files without one, of --log-format."
                .to_owned()
        },
        |other| format!("The text looks like {}; {}.", other.name, other.next_step),
    );
    Some(format!(
        "{} of {} ({}) are malformed and do not count. First: {}. {cause}",
        format_count(malformed),
        plural(total, "record"),
        format_percent(malformed, total),
        location(first, unit),
    ))
}

/// Returns what the number of a malformed record counts.
fn unit(sample: &MalformedSample, summary: &Summary) -> &'static str {
    let source = summary.sources.iter().find(|source| source.uri == sample.uri);
    source.map_or("line", |source| source.shape.unit())
}

/// Returns the input, the place in it, and the reason.
fn location(sample: &MalformedSample, unit: &str) -> String {
    let (uri, reason) = (escape_unprintable(&sample.uri), escape_unprintable(&sample.reason));
    format!("{uri} {unit} {}: {reason}", format_count(sample.line))
}

impl Renderer<'_> {
    /// Appends the warning if more than half of the records are malformed.
    pub(super) fn malformed_majority(&mut self, summary: &Summary) {
        if let Some(warning) = warn_of_majority(summary) {
            let text = "the numbers below cover the smaller part of the records";
            self.line("");
            self.wrapped("", "  ", &format!("{YELLOW}MOSTLY MALFORMED{YELLOW:#}  {text}"));
            self.wrapped("  ", "  ", &warning);
        }
    }

    /// Appends the first malformed records.
    pub(super) fn malformed(&mut self, summary: &Summary) {
        if summary.malformed.is_empty() {
            return;
        }
        self.heading("MALFORMED", &plural(summary.records.malformed, "record"));
        let more = summary.records.malformed.saturating_sub(MAX_MALFORMED as u64);
        for sample in summary.malformed.iter().take(MAX_MALFORMED) {
            self.wrapped("  ", "    ", &location(sample, unit(sample, summary)));
            self.line(format!(
                "    {DIM}{}{DIM:#}",
                truncate(&escape_unprintable(&sample.text), self.width.saturating_sub(4))
            ));
        }
        if more > 0 {
            self.wrapped("  ", "    ", &format!("and {} more (--format json has the first ten)", format_count(more)));
        }
    }
}
