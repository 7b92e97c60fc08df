//! Text of a page: numbers, times, and untrusted names. Markup is escaped by `maud`, where the text is used.

use std::net::IpAddr;

use indicatif::{DecimalBytes, HumanCount};
use maud::{Markup, html};

use crate::aggregate::counters::TimeRange;
use crate::record::timestamp::Timestamp;
use crate::sanitize::{escape_truncated, shorten};
use crate::summary::Summary;
use crate::summary::doubt::{self, Doubt};
use crate::topology::endpoint::Endpoint;

/// Maximum characters of a name or an id.
const MAX_NAME_CHARS: usize = 48;
/// Characters of a name that are read. AWS allows as many.
const MAX_READ_CHARS: usize = 256;
/// Maximum characters of a sentence that quotes names.
pub(super) const MAX_SENTENCE_CHARS: usize = 400;

/// Makes untrusted text readable: escapes control, bidirectional and invisible characters, and truncates it to this number of
/// characters.
pub(super) fn clean(text: &str, max_chars: usize) -> String {
    // One character more than fits shows that the text is truncated.
    let escaped = escape_truncated(text, max_chars + 1);
    if escaped.chars().count() <= max_chars {
        return escaped;
    }
    escaped.chars().take(max_chars.saturating_sub(1)).chain(['…']).collect()
}

/// Cleans a name or an id.
pub(super) fn name(text: &str) -> String {
    short_name(text, MAX_NAME_CHARS)
}

/// Cleans a name or an id, and shortens it in its middle.
pub(super) fn short_name(text: &str, max_chars: usize) -> String {
    shorten(&escape_truncated(text, MAX_READ_CHARS), max_chars)
}

/// Renders a sentence, with the words between backticks as code.
pub(super) fn prose(text: &str) -> Markup {
    let text = clean(text, MAX_SENTENCE_CHARS);
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// Joins the reasons why findings may be missing.
pub(super) fn reasons(doubts: &[Doubt]) -> String {
    clean(&doubt::join(doubts), MAX_SENTENCE_CHARS)
}

/// Limits a sentence about records to those that the filters leave. Returns nothing without filters.
pub(super) fn if_filtered(summary: &Summary) -> &'static str {
    if summary.records.filtered > 0 { " that the filters leave" } else { "" }
}

/// Renders a resource: its name, and its id beside it.
pub(super) fn resource(id: Option<&str>, tag: Option<&str>) -> Markup {
    html! {
        @match (id, tag) {
            (Some(id), Some(tag)) => { bdi { (name(tag)) } " " code.id.aside { (name(id)) } }
            (Some(id), None) => { code { (name(id)) } }
            (None, _) => { span.muted { "unknown" } }
        }
    }
}

/// Renders an address, with the name or the service of its interface.
pub(super) fn address(address: Option<IpAddr>, endpoint: &Endpoint) -> Markup {
    let service = || endpoint.service.as_deref().filter(|service| *service != "ec2");
    html! {
        @match address {
            Some(address) => { code { (address) } }
            None => { span.muted { "unknown" } }
        }
        @if let Some(known) = endpoint.name.as_deref().or_else(service) { " " bdi.muted.aside { (name(known)) } }
    }
}

/// Formats a number with thousands separators.
pub(super) fn count(count: u64) -> String {
    HumanCount(count).to_string()
}

/// Formats a number of bytes in decimal units.
pub(super) fn bytes(bytes: u64) -> String {
    DecimalBytes(bytes).to_string()
}

/// Formats a number and its noun, in the plural except for 1.
pub(super) fn plural(number: u64, noun: &str) -> String {
    format!("{} {}", count(number), self::noun(number, noun))
}

/// Returns a noun, in the plural except for 1.
pub(super) fn noun(number: u64, noun: &str) -> String {
    if number == 1 { noun.to_owned() } else { format!("{noun}s") }
}

/// Returns `is` for 1, and `are` for other numbers.
pub(super) fn are(number: u64) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

/// Formats a share of a total, or nothing if the total is 0. A small share is not 0.
pub(super) fn percent(part: u64, whole: u64) -> String {
    let percent = part as f64 * 100.0 / whole as f64;
    match part {
        _ if whole == 0 => String::new(),
        1.. if percent < 0.1 => "< 0.1 %".to_owned(),
        _ => format!("{percent:.1} %"),
    }
}

/// Formats a number for a small cell: 3 digits and a unit, such as `1.2k`. Numbers below 1,000 are exact.
pub(super) fn short_count(number: u64) -> String {
    const UNITS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    let (mut value, mut units) = (number as f64, UNITS.into_iter());
    let mut unit = units.next().unwrap_or_default();
    while value >= 999.5
        && let Some(next) = units.next()
    {
        value /= 1000.0;
        unit = next;
    }
    if unit.is_empty() || value >= 99.95 { format!("{value:.0}{unit}") } else { format!("{value:.1}{unit}") }
}

/// Renders a time to the second.
pub(super) fn time(time: Timestamp) -> Markup {
    let rfc = time.to_string();
    html! { time datetime=(rfc) { (rfc.replace('T', " ").trim_end_matches('Z')) } }
}

/// Renders a time range in UTC, without the second date if both are of one day. Nothing if no time is known.
pub(super) fn time_range(range: TimeRange) -> Markup {
    let TimeRange { first_seen, last_seen } = range;
    html! {
        @match (first_seen, last_seen) {
            (Some(first), Some(last)) => { (time(first)) " to " (later(first, last)) " UTC" }
            (Some(first), None) => { "from " (time(first)) " UTC" }
            (None, Some(last)) => { "until " (time(last)) " UTC" }
            (None, None) => {}
        }
    }
}

/// Renders the second time of a range: without its date, if it is that of the first.
fn later(first: Timestamp, last: Timestamp) -> Markup {
    let (from, to) = (first.to_string(), last.to_string());
    match (from.split_once('T'), to.split_once('T')) {
        (Some((day, _)), Some((same, clock))) if day == same => {
            html! { time datetime=(to) { (clock.trim_end_matches('Z')) } }
        }
        _ => time(last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_text_is_escaped_and_truncated() {
        assert_eq!(clean("prod \"a\" é日", 20), "prod \"a\" é日");
        assert_eq!(clean("a\u{202e}b\u{1b}[2J", 40), "a\\u{202e}b\\u{1b}[2J");
        assert_eq!([clean("abcd", 4), clean("abcde", 4)], ["abcd", "abc…"]);
        assert_eq!(clean("\u{202e}\u{202e}", 10), "\\u{202e}\\…");
    }

    #[test]
    fn long_names_keep_their_ends() {
        assert_eq!(short_name("acme-production-shop", 12), "acme-p…-shop");
        assert_eq!(name("\u{202e}web"), "\\u{202e}web");
        assert_eq!(name(&"x".repeat(300)).chars().count(), 48);
    }

    #[test]
    fn words_between_backticks_are_code() {
        assert_eq!(prose("add it to `a<b`, `c`.").into_string(), "add it to <code>a&lt;b</code>, <code>c</code>.");
        assert_eq!(prose("open `end").into_string(), "open <code>end</code>");
    }

    #[test]
    fn nouns_and_verbs_agree_with_their_numbers() {
        let words = |number| format!("{} {}", plural(number, "flow"), are(number));
        assert_eq!([0, 1, 1000].map(words), ["0 flows are", "1 flow is", "1,000 flows are"]);
    }

    #[test]
    fn a_share_is_0_only_of_nothing() {
        let shares =
            [(0, 0), (0, 5), (1, 100_000), (1, 1000), (1, 3), (5, 5)].map(|(part, whole)| percent(part, whole));
        assert_eq!(shares, ["", "0.0 %", "< 0.1 %", "0.1 %", "33.3 %", "100.0 %"]);
    }

    #[test]
    fn short_counts_have_three_digits() {
        let shown = [0, 999, 1000, 1250, 12_345, 99_949, 99_950, 999_499, 999_500, u64::MAX].map(short_count);
        assert_eq!(shown, ["0", "999", "1.0k", "1.2k", "12.3k", "99.9k", "100k", "999k", "1.0M", "18.4E"]);
    }

    #[test]
    fn a_range_of_one_day_shows_the_date_once() {
        let range = |first, last| {
            let time = |seconds: Option<u64>| seconds.and_then(Timestamp::from_seconds);
            time_range(TimeRange { first_seen: time(first), last_seen: time(last) }).into_string()
        };
        let midnight = "<time datetime=\"1970-01-01T00:00:00Z\">1970-01-01 00:00:00</time>";
        let later = "<time datetime=\"1970-01-01T00:01:00Z\">00:01:00</time>";
        assert_eq!(range(Some(0), Some(60)), format!("{midnight} to {later} UTC"));
        assert_eq!(range(Some(0), None), format!("from {midnight} UTC"));
        assert_eq!(range(None, None), "");
        assert!(range(Some(0), Some(86_400)).ends_with("1970-01-02 00:00:00</time> UTC"));
    }
}
