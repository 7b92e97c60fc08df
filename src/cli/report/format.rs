//! Numbers, times and names as a report shows them.

use indicatif::HumanCount;

use crate::aggregate::counters::TimeRange;
use crate::aggregate::rejected::cause::Cause;
use crate::record::timestamp::Timestamp;
use crate::summary::Window;

const MAX_CHARACTERS: usize = 1000;
const NAME_CHARACTERS: usize = 120;

/// Text from a log without what would move the cursor or deceive the eye, and not too long.
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == MAX_CHARACTERS {
            shown.push('…');
            break;
        }
        if is_plain(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_unicode());
        }
    }
    shown
}

/// Whether a character has a shape of its own. `escape_debug` knows those that have none: controls, what turns the
/// direction of writing, what has no width, private and unassigned ones.
fn is_plain(character: char) -> bool {
    matches!(character, '"' | '\'' | '\\') || character.escape_debug().eq([character])
}

pub(super) fn name(id: Option<&str>) -> String {
    id.map_or_else(|| "-".to_owned(), |id| cut(&printable(id), NAME_CHARACTERS))
}

pub(super) fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters.saturating_sub(1)).chain(['…']).collect()
}

pub(super) fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

pub(super) fn plural(number: u64, what: &str) -> String {
    format!("{} {what}{}", count(number), if number == 1 { "" } else { "s" })
}

pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { String::new() } else { format!("{:.1} %", part as f64 * 100.0 / whole as f64) }
}

/// The cause in the width of a column.
pub(super) fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::BlockPublicAccess => "block public access",
        Cause::EncryptionControls => "encryption controls",
        Cause::OutOfState => "late packets",
        Cause::NetworkAcl => "network ACL",
        Cause::SecurityGroupOrNetworkAcl => "SG or network ACL",
    }
}

pub(super) fn window(window: Option<Window>) -> String {
    window.map_or_else(String::new, |Window { start, end }| span(TimeRange { first_seen: start, last_seen: end }))
}

/// `, 2026-11-23T06:00:00Z to 06:05:00Z`; the second date is left out where it is the first.
pub(super) fn span(seen: TimeRange) -> String {
    let shown = |time: Option<Timestamp>| time.map(|time| time.to_string());
    match (shown(seen.first_seen), shown(seen.last_seen)) {
        (Some(first), Some(last)) => {
            let (date, time) = last.split_at(last.find('T').map_or(0, |t| t + 1));
            let last = if first.starts_with(date) { time } else { &last };
            format!(", {first} to {last}")
        }
        (Some(first), None) => format!(", from {first}"),
        (None, Some(last)) => format!(", until {last}"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_or_deceives_is_escaped() {
        for (text, shown) in [
            ("eni-0a 1\"'\\é日", "eni-0a 1\"'\\é日"),
            ("a\u{1b}[2J\r\n\u{7f}", "a\\u{1b}[2J\\u{d}\\u{a}\\u{7f}"),
            ("\u{202e}\u{61c}\u{2066}", "\\u{202e}\\u{61c}\\u{2066}"),
            ("\u{ad}\u{200b}\u{feff}\u{e0001}", "\\u{ad}\\u{200b}\\u{feff}\\u{e0001}"),
        ] {
            assert_eq!(printable(text), shown);
        }
        assert_eq!(printable(&"x".repeat(2000)).chars().count(), MAX_CHARACTERS + 1);
    }

    #[test]
    fn a_span_names_a_date_once() {
        let at = Timestamp::from_seconds;
        let shown = |first, last| span(TimeRange { first_seen: first, last_seen: last });
        assert_eq!(shown(at(0), at(60)), ", 1970-01-01T00:00:00Z to 00:01:00Z");
        assert_eq!(shown(at(0), at(86_400)), ", 1970-01-01T00:00:00Z to 1970-01-02T00:00:00Z");
        assert_eq!(shown(at(0), None), ", from 1970-01-01T00:00:00Z");
        assert_eq!(shown(None, at(0)), ", until 1970-01-01T00:00:00Z");
        assert_eq!(shown(None, None), "");
    }
}
