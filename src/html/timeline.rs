//! Accepted and rejected flows by time, as two pictures with one axis. Each has its own scale: rejected flows are often too few to be
//! seen on that of the accepted ones.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::page::{
    self,
    Column::{Number, Text},
};
use super::text::{are, bytes, count, if_filtered, plural, time, time_range};
use crate::aggregate::counters::TimeRange;
use crate::record::timestamp::Timestamp;
use crate::summary::{Summary, TimeBucket};

/// Intervals of a page. A summary has as many.
const MAX_BUCKETS: usize = 240;
/// Width of an interval in pixels, where the picture is narrower than the page.
const BUCKET_WIDTH: usize = 24;
/// Pictures of more intervals are as wide as the page.
const MAX_NARROW: usize = 36;
/// Height of a bar of the largest value, in units of the picture.
const HEIGHT: f64 = 100.0;
/// Height of a bar of the least value, so that it can be seen.
const MIN_HEIGHT: f64 = 2.0;

/// Renders the section of the timeline.
pub(super) fn section(summary: &Summary) -> Markup {
    let all = &summary.timeline;
    let buckets = all.get(..MAX_BUCKETS).unwrap_or(all);
    html! {
        section #timeline aria-labelledby="timeline-title" {
            h2 #timeline-title { "Timeline" }
            @match buckets {
                [] => { p.empty { (no_interval(summary)) } }
                [first, .., last] => { (figure(buckets, first, last)) }
                [only] => { (figure(buckets, only, only)) }
            }
            @if all.len() > buckets.len() {
                @let more = (all.len() - buckets.len()) as u64;
                p.note { (plural(more, "later interval")) " " (are(more)) " in " code { "timeline" } " of the JSON summary" }
            }
        }
    }
}

/// Returns why there is no interval.
fn no_interval(summary: &Summary) -> String {
    let selected = if_filtered(summary);
    if !summary.has_member("timeline") {
        "The summary is of an earlier version, and does not have the timeline.".to_owned()
    } else if summary.unknown_of("timeline") > 0 {
        "No interval that this version knows.".to_owned()
    } else if summary.records.total == 0 {
        "There are no records.".to_owned()
    } else if summary.traffic.flows() == 0 {
        format!("No record{selected} is of accepted or rejected traffic.")
    } else {
        format!("No record{selected} of accepted or rejected traffic has a start.")
    }
}

fn figure(buckets: &[TimeBucket], first: &TimeBucket, last: &TimeBucket) -> Markup {
    let interval = interval(first.seconds);
    html! {
        figure.chart.wide[buckets.len() > MAX_NARROW] {
            (series("Accepted", "accepted", buckets, |bucket| bucket.traffic.accepted.flows, &interval))
            (series("Rejected", "rejected", buckets, |bucket| bucket.traffic.rejected.flows, &interval))
            @let end = Timestamp::from_seconds(last.start.seconds().saturating_add(last.seconds));
            figcaption {
                @if buckets.len() > MAX_NARROW {
                    span { (time(first.start)) }
                    span { @if let Some(end) = end { (time(end)) " UTC" } }
                } @else {
                    span { (time_range(TimeRange { first_seen: Some(first.start), last_seen: end })) }
                }
            }
        }
        (table(buckets))
    }
}

/// Returns the length of an interval in words.
fn interval(seconds: u64) -> String {
    if seconds > 0 && seconds.is_multiple_of(60) { plural(seconds / 60, "minute") } else { plural(seconds, "second") }
}

/// Renders one series of bars, with the largest value as its scale.
fn series(
    label: &str,
    class: &str,
    buckets: &[TimeBucket],
    value: impl Fn(&TimeBucket) -> u64,
    interval: &str,
) -> Markup {
    let largest = buckets.iter().map(&value).max().unwrap_or(0);
    let units = buckets.len();
    let width = if buckets.len() > MAX_NARROW { "100%".to_owned() } else { (units * BUCKET_WIDTH).to_string() };
    let most = format!("at most {} in {interval}", plural(largest, "flow"));
    let title = format!("{label} flows by time, {most}");
    html! {
        p.series { span.swatch.(class) aria-hidden="true" {} " " strong { (label) } " " span.muted { (most) } }
        svg.bars width=(width) height="72" viewBox={ "0 0 " (units) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(title) {
            path.(class) d=(bars(buckets, &value, largest)) {}
            @for (index, bucket) in buckets.iter().enumerate() {
                rect.hit x=(index) width="1" height=(HEIGHT) { title { (bucket.start) ": " (count(value(bucket))) } }
            }
        }
    }
}

/// Returns the outline of all bars. A value above 0 has a bar that can be seen.
fn bars(buckets: &[TimeBucket], value: impl Fn(&TimeBucket) -> u64, largest: u64) -> String {
    let mut path = String::new();
    for (index, bucket) in buckets.iter().enumerate() {
        let value = value(bucket);
        if value > 0 {
            let height = (HEIGHT * value as f64 / largest.max(1) as f64).max(MIN_HEIGHT);
            let written = write!(path, "M{:.1} {HEIGHT}v-{height:.1}h.8v{height:.1}z", index as f64 + 0.1);
            // Writing to a string does not fail.
            debug_assert!(written.is_ok(), "{path}");
        }
    }
    path
}

fn table(buckets: &[TimeBucket]) -> Markup {
    let columns =
        [Text("Start (UTC)"), Number("Accepted flows"), Number("Bytes"), Number("Rejected flows"), Number("Bytes")];
    page::as_table(&page::table(
        "Flows by time",
        &columns,
        &html! {
            @for bucket in buckets {
                tr {
                    th scope="row" { (time(bucket.start)) }
                    td.number { (count(bucket.traffic.accepted.flows)) }
                    td.number { (bytes(bucket.traffic.accepted.bytes)) }
                    td.number { (count(bucket.traffic.rejected.flows)) }
                    td.number { (bytes(bucket.traffic.rejected.bytes)) }
                }
            }
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::counters::Counters;
    use crate::summary::Traffic;

    fn bucket(minute: u64, accepted: u64) -> TimeBucket {
        let start = Timestamp::from_seconds(60 * minute).expect("a time");
        let accepted = Counters { flows: accepted, ..Counters::default() };
        TimeBucket { start, seconds: 60, traffic: Traffic { accepted, ..Traffic::default() } }
    }

    #[test]
    fn bars_are_proportional_and_visible() {
        let buckets = [bucket(0, 1000), bucket(1, 0), bucket(2, 500), bucket(3, 1)];
        let path = bars(&buckets, |bucket| bucket.traffic.accepted.flows, 1000);
        assert_eq!(path, "M0.1 100v-100.0h.8v100.0zM2.1 100v-50.0h.8v50.0zM3.1 100v-2.0h.8v2.0z");
    }

    #[test]
    fn intervals_are_in_minutes() {
        assert_eq!([60, 128 * 60, 90, 0].map(interval), ["1 minute", "128 minutes", "90 seconds", "0 seconds"]);
    }
}
