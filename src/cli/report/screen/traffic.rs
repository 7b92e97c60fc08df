//! The first rows of a screen, and the sums of its traffic.

use indicatif::DecimalBytes;

use super::list::wrap;
use crate::aggregate::counters::Counters;
use crate::cli::report::format::{
    cause_label, escape_unprintable, format_count, format_percent, label_of_rule, plural,
};
use crate::cli::report::malformed::warn_of_majority;
use crate::cli::report::short_names::ShortNames;
use crate::cli::report::{BOLD, RED, Renderer, YELLOW, reached_limits};
use crate::summary::{DeniedBy, Summary};

/// Maximum number of unreadable inputs that are named.
const MAX_FAILED: usize = 3;
/// Maximum number of causes and of rules that are named.
const MAX_NAMED: usize = 3;

/// Returns the inputs and the time range, and everything that makes the report incomplete or approximate.
pub(super) fn head(summary: &Summary, width: usize) -> Vec<String> {
    let mut renderer = Renderer::new(width);
    renderer.header(summary);
    if !summary.failed.is_empty() {
        renderer.wrapped(&format!("{RED}UNREADABLE INPUTS{RED:#}  "), "  ", &failed(summary));
    }
    if !summary.limits_reached.is_empty() {
        renderer.wrapped(&format!("{YELLOW}APPROXIMATE{YELLOW:#}  "), "  ", &reached_limits(summary));
    }
    if let Some(warning) = warn_of_majority(summary) {
        renderer.wrapped(&format!("{YELLOW}MOSTLY MALFORMED{YELLOW:#}  "), "  ", &warning);
    }
    renderer.text.lines().map(str::to_owned).collect()
}

fn failed(summary: &Summary) -> String {
    let names = summary.failed.iter().take(MAX_FAILED).map(|failure| escape_unprintable(&failure.uri));
    let names = names.collect::<Vec<_>>().join(", ");
    let more = match summary.failed.len().saturating_sub(MAX_FAILED) {
        0 => String::new(),
        more => format!(", and {} more", format_count(more as u64)),
    };
    let count = format_count(summary.failed.len() as u64);
    format!("{count}, whose records are excluded: {names}{more}; the reasons are on stderr, and in --format json")
}

/// Returns the totals by action, the number of other records, and the causes and rules of rejected traffic.
pub(super) fn traffic(summary: &Summary, names: &ShortNames<'_>, width: usize) -> Vec<String> {
    let traffic = &summary.traffic;
    let all = traffic.flows();
    let sum = |name: &str, Counters { flows, bytes, .. }: Counters| {
        let share = format_percent(flows, all);
        let share = if share.is_empty() { share } else { format!(" ({share})") };
        format!("{name} {}{share}, {}", plural(flows, "flow"), DecimalBytes(bytes))
    };
    let mut parts = vec![sum("accepted", traffic.accepted), sum("rejected", traffic.rejected)];
    parts.extend(others(summary));
    let mut rows = wrap(&format!("{BOLD}TRAFFIC{BOLD:#}  "), 2, &parts.join("; "), width);
    for text in [causes(summary), rules(summary, names)].into_iter().flatten() {
        rows.extend(wrap("  ", 4, &text, width));
    }
    rows
}

/// Describes the records that are neither accepted nor rejected.
fn others(summary: &Summary) -> Option<String> {
    let records = &summary.records;
    let others = [
        (records.no_data, "no data"),
        (records.skip_data, "skipped by AWS"),
        (records.other, "without action"),
        (records.malformed, "malformed"),
    ];
    let others = others.iter().filter(|(count, _)| *count > 0);
    let others: Vec<String> = others.map(|(count, label)| format!("{} {label}", format_count(*count))).collect();
    (!others.is_empty()).then(|| format!("other records: {}", others.join(", ")))
}

fn causes(summary: &Summary) -> Option<String> {
    let rows = &summary.rejected.by_cause;
    let all = rows.iter().map(|row| row.tally.flows).fold(0, u64::saturating_add);
    let about = if summary.rejected.by_cause_exact { "" } else { " (approximate)" };
    let causes = rows.iter().map(|row| format!("{} {}", cause_label(row.cause), format_percent(row.tally.flows, all)));
    (!rows.is_empty()).then(|| format!("rejected by{about}: {}", first_of(causes)))
}

fn rules(summary: &Summary, names: &ShortNames<'_>) -> Option<String> {
    let rows = &summary.rejected.by_rule;
    let all = summary.traffic.rejected.flows;
    let label = |rule: &DeniedBy| label_of_rule(rule, |id| names.get(id));
    let rules = rows.iter().map(|row| format!("{} {}", label(&row.rule), format_percent(row.tally.flows, all)));
    (!rows.is_empty()).then(|| format!("rejected by rule: {}", first_of(rules)))
}

/// Joins the first labels, and the number of the others.
fn first_of(mut labels: impl Iterator<Item = String>) -> String {
    let mut first: Vec<String> = labels.by_ref().take(MAX_NAMED).collect();
    match labels.count() {
        0 => {}
        more => first.push(format!("and {} more", format_count(more as u64))),
    }
    first.join(", ")
}
