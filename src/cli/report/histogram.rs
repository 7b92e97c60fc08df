//! The report of `timeline`: a row for each interval, with bars of its accepted and its rejected flows.
//!
//! The two kinds of bars have scales of their own: rejected flows are few, and would not be visible next to accepted ones.

use super::format::format_count;
use super::table::{Cell, Column};
use super::{MIN_WIDTH, Renderer};
use crate::summary::{Summary, TimeBucket};

const COLUMNS: [Column; 5] = [
    Column::text("START", 0),
    Column::number("ACCEPTED", 0),
    Column::text("", 2),
    Column::number("REJECTED", 0),
    Column::text("", 1),
];

/// Columns of a row besides the bars: a time, two numbers, and gaps.
const OTHER_COLUMNS: usize = 56;
const MAX_BAR: usize = 60;

/// Renders intervals of a summary, for a terminal with this number of columns.
pub(in crate::cli) fn render_timeline(summary: &Summary, buckets: &[TimeBucket], width: usize) -> String {
    let mut renderer = Renderer::new(width);
    renderer.header(summary);
    renderer.failures(summary);
    renderer.filters(summary);
    let Some(first) = buckets.first() else {
        let text = "No timeline: no accepted or rejected record has a start, or an earlier version made the summary.";
        renderer.wrapped("\n", "", text);
        return renderer.text;
    };
    let most = |flows: fn(&TimeBucket) -> u64| buckets.iter().map(flows).max().unwrap_or(0);
    let (accepted, rejected) = (|b: &TimeBucket| b.traffic.accepted.flows, |b: &TimeBucket| b.traffic.rejected.flows);
    let (most_accepted, most_rejected) = (most(accepted), most(rejected));
    let length = (width.max(MIN_WIDTH).saturating_sub(OTHER_COLUMNS) / 2).clamp(4, MAX_BAR);
    let row = |bucket: &TimeBucket| {
        let (accepted, rejected) = (accepted(bucket), rejected(bucket));
        vec![
            start(bucket),
            format_count(accepted).into(),
            bar(accepted, most_accepted, length, '█').into(),
            format_count(rejected).into(),
            bar(rejected, most_rejected, length, '▒').into(),
        ]
    };
    let remark = format!("flows in intervals of {}; each bar has its own scale", format_seconds(first.seconds));
    renderer.heading("TIMELINE", &remark);
    renderer.table(&COLUMNS, &buckets.iter().map(row).collect::<Vec<_>>());
    let in_rows = buckets.iter().fold(0, |sum: u64, bucket| sum.saturating_add(bucket.traffic.flows()));
    let missing = summary.traffic.flows().saturating_sub(in_rows);
    if missing > 0 {
        renderer.wrapped("  ", "  ", &format!("{} more flows have no start", format_count(missing)));
    }
    renderer.text
}

/// Formats a start: in a narrow table `11-23 06:00Z`, because the window above has the year, and buckets start with a minute.
fn start(bucket: &TimeBucket) -> Cell {
    let full = bucket.start.to_string();
    let short = full.get("2026-".len().."2026-11-23T06:00".len()).map(|time| format!("{}Z", time.replace('T', " ")));
    Cell { short: short.unwrap_or_else(|| full.clone()), full }
}

/// Returns a bar. One that is not empty has at least one character.
fn bar(flows: u64, most: u64, length: usize, character: char) -> String {
    if flows == 0 || most == 0 {
        return String::new();
    }
    let characters = u128::from(flows) * length as u128 / u128::from(most);
    std::iter::repeat_n(character, usize::try_from(characters).unwrap_or(length).max(1)).collect()
}

/// Formats a length: `1 min`, `8 min`, `1 h 4 min`.
fn format_seconds(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds % 60, "s")];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count} {unit}")).collect();
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_proportional_and_never_vanish() {
        let length = |flows, most| bar(flows, most, 10, '#').len();
        assert_eq!([length(0, 10), length(1, 1000), length(5, 10), length(10, 10)], [0, 1, 5, 10]);
        assert_eq!([length(u64::MAX, u64::MAX), length(0, 0)], [10, 0]);
    }

    #[test]
    fn lengths_are_short() {
        let expected = ["1 min", "2 min", "1 h 4 min", "1 d 10 h 8 min", "7 s", "0 s"];
        assert_eq!([60, 120, 3840, 122_880, 7, 0].map(format_seconds), expected);
    }
}
