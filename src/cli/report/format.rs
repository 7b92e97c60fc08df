//! Formats numbers, times and names for the text report.

use std::net::IpAddr;

use indicatif::HumanCount;
use textwrap::core::display_width;

use crate::aggregate::counters::TimeRange;
use crate::aggregate::rejected::cause::Cause;
use crate::record::names;
use crate::record::timestamp::Timestamp;
use crate::sanitize::{NAME_CHARACTERS, escape_truncated, shorten};
use crate::summary::{DeniedBy, Window};
use crate::topology::describe_output::own_rule_number;

const MAX_TEXT_CHARS: usize = 1000;
const MAX_ID_CHARS: usize = 120;
/// Maximum number of security groups in a cell.
const MAX_LISTED_GROUPS: usize = 5;
/// Names must leave room for the ids in a table.
const MAX_NAME_CHARS: usize = 32;

/// Escapes the characters of untrusted text that could move the cursor or mislead a reader, and truncates it to 1,000
/// characters.
pub fn escape_unprintable(text: &str) -> String {
    let mut escaped = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == MAX_TEXT_CHARS {
            escaped.push('…');
            break;
        }
        if is_printable(character) {
            escaped.push(character);
        } else {
            escaped.extend(character.escape_unicode());
        }
    }
    escaped
}

/// Reports whether a character has a visible shape. `escape_debug` escapes those that have none: control, bidirectional,
/// zero-width, private-use and unassigned characters.
fn is_printable(character: char) -> bool {
    matches!(character, '"' | '\'' | '\\') || character.escape_debug().eq([character])
}

/// Formats a Name tag as escaped and shortened text.
pub(super) fn display_name(name: &str) -> String {
    shorten(&escape_unprintable(name), MAX_NAME_CHARS)
}

/// Formats an id as escaped and shortened text, or `-` if there is none.
pub(super) fn display_id(id: Option<&str>) -> String {
    id.map_or_else(|| "-".to_owned(), |id| shorten(&escape_unprintable(id), MAX_ID_CHARS))
}

/// Shortens the names after addresses, `10.0.1.5 (name)`.
pub(super) fn shorten_names_of_addresses(text: &str) -> String {
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(" (") {
        let word = before.rsplit(' ').next().unwrap_or_default();
        let name = after.split_once(')').filter(|_| word.parse::<IpAddr>().is_ok());
        short.extend([before, " ("]);
        rest = after;
        if let Some((name, after)) = name {
            short.extend([shorten(name, MAX_NAME_CHARS).as_str(), ")"]);
            rest = after;
        }
    }
    short + rest
}

/// Truncates text to this number of columns, of which the last is an ellipsis.
pub(super) fn truncate(text: &str, columns: usize) -> String {
    if display_width(text) <= columns {
        return text.to_owned();
    }
    let fits = |end: &usize| display_width(text.get(..*end).unwrap_or_default()) < columns;
    let end = text.char_indices().map(|(index, _)| index).take_while(fits).last().unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

pub(super) fn format_address(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "-".to_owned(), |address| address.to_string())
}

/// Formats a port and its protocol, or the protocol alone.
pub(super) fn format_port(port: Option<u16>, protocol: Option<u8>) -> String {
    port.map_or_else(|| names::protocol(protocol), |port| names::port(port, protocol))
}

/// Formats a number with thousands separators.
pub(super) fn format_count(count: u64) -> String {
    HumanCount(count).to_string()
}

/// Formats a number and its noun, in the plural except for 1.
pub(super) fn plural(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", format_count(count), if count == 1 { "" } else { "s" })
}

/// Returns what is added to the extent of a finding whose numbers may be wrong.
pub(super) fn approximate(is_exact: bool) -> &'static str {
    if is_exact { "" } else { ", approximate" }
}

/// Formats a share of a total. Returns an empty string if the total is 0.
pub(super) fn format_percent(part: u64, whole: u64) -> String {
    if whole == 0 { String::new() } else { format!("{:.1} %", part as f64 * 100.0 / whole as f64) }
}

/// Returns a label of the cause that fits a table column.
pub(super) fn cause_label(cause: Cause) -> &'static str {
    match cause {
        Cause::BlockPublicAccess => "block public access",
        Cause::EncryptionControls => "encryption controls",
        Cause::OutOfState => "late packets",
        Cause::NetworkAcl => "network ACL",
        Cause::SecurityGroup => "security group",
        Cause::RulesAllow => "rules allow it now",
        Cause::SecurityGroupOrNetworkAcl => "SG or network ACL",
    }
}

/// Names a rule for a table column: `acl-1 (public) rule 100`, `no rule of sg-1 (web)`.
pub(super) fn rule_label(rule: &DeniedBy) -> String {
    let with_name = |id: &str, name: Option<&String>| match name {
        Some(name) => format!("{} ({})", display_id(Some(id)), escape_truncated(name, NAME_CHARACTERS)),
        None => display_id(Some(id)),
    };
    match rule {
        DeniedBy::NetworkAcl { id, name, rule_number } => match own_rule_number(*rule_number) {
            Some(number) => format!("{} rule {number}", with_name(id, name.as_ref())),
            None => format!("{} default rule (*)", with_name(id, name.as_ref())),
        },
        DeniedBy::SecurityGroup { ids, names } => {
            format!("no rule of {}", join_first(ids, |id| with_name(id, names.get(id)), " or "))
        }
    }
}

/// Names a rule in few words, by its name rather than its id: `ACL public rule 100`, `SG web`.
pub(super) fn short_rule_label(rule: &DeniedBy) -> String {
    let name = |id: &str| {
        let name = match rule {
            DeniedBy::NetworkAcl { name, .. } => name.as_ref(),
            DeniedBy::SecurityGroup { names, .. } => names.get(id),
        };
        name.map_or_else(|| display_id(Some(id)), |name| escape_truncated(name, NAME_CHARACTERS))
    };
    label_of_rule(rule, name)
}

/// Names a rule by the names of its network ACL or security groups.
pub(super) fn label_of_rule(rule: &DeniedBy, name: impl Fn(&str) -> String) -> String {
    match rule {
        DeniedBy::NetworkAcl { id, rule_number, .. } => {
            let number = own_rule_number(*rule_number);
            let number = number.map_or_else(|| "*".to_owned(), |number| number.to_string());
            format!("ACL {} rule {number}", name(id))
        }
        DeniedBy::SecurityGroup { ids, .. } => format!("SG {}", join_first(ids, name, ", ")),
    }
}

/// Joins the labels of ids. Lists only the first of many.
fn join_first(ids: &[String], label: impl Fn(&str) -> String, word: &str) -> String {
    let mut labels: Vec<String> = ids.iter().take(MAX_LISTED_GROUPS).map(|id| label(id)).collect();
    if ids.len() > MAX_LISTED_GROUPS {
        labels.push(format!("{} more", ids.len() - MAX_LISTED_GROUPS));
    }
    labels.join(word)
}

pub(super) fn format_window(window: Option<Window>) -> String {
    window.map_or_else(String::new, |Window { start, end }| {
        format_time_range(TimeRange { first_seen: start, last_seen: end })
    })
}

/// Formats a time range as `, 2026-11-23T06:00:00Z to 06:05:00Z`. Omits the second date if it equals the first.
pub(super) fn format_time_range(range: TimeRange) -> String {
    let format_time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    match (format_time(range.first_seen), format_time(range.last_seen)) {
        (Some(first), Some(last)) => {
            let (date, time) = last.split_at(last.find('T').map_or(0, |index| index + 1));
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
    fn control_and_bidirectional_characters_are_escaped() {
        for (text, expected) in [
            ("eni-0a 1\"'\\é日", "eni-0a 1\"'\\é日"),
            ("a\u{1b}[2J\r\n\u{7f}", "a\\u{1b}[2J\\u{d}\\u{a}\\u{7f}"),
            ("\u{202e}\u{61c}\u{2066}", "\\u{202e}\\u{61c}\\u{2066}"),
            ("\u{ad}\u{200b}\u{feff}\u{e0001}", "\\u{ad}\\u{200b}\\u{feff}\\u{e0001}"),
        ] {
            assert_eq!(escape_unprintable(text), expected);
        }
        assert_eq!(escape_unprintable(&"x".repeat(2000)).chars().count(), MAX_TEXT_CHARS + 1);
    }

    #[test]
    fn a_long_name_keeps_its_beginning_and_its_end() {
        let names = ["production-eu-west-1-private-subnet-a", "production-eu-west-1-private-subnet-b"];
        let expected = ["production-eu-we…rivate-subnet-a", "production-eu-we…rivate-subnet-b"];
        assert_eq!(names.map(display_name), expected);
        assert_eq!(display_name(&"日".repeat(33)).chars().count(), MAX_NAME_CHARS);
        assert_eq!(display_name("web-1"), "web-1");
    }

    #[test]
    fn rules_are_named_with_and_without_ids() {
        let acl = |rule_number| DeniedBy::NetworkAcl {
            id: "acl-1".to_owned(),
            name: Some("public\u{1b}[2J".to_owned()),
            rule_number,
        };
        let groups = |count: usize| DeniedBy::SecurityGroup {
            ids: (1..=count).map(|number| format!("sg-{number}")).collect(),
            names: [("sg-1".to_owned(), "web".to_owned())].into(),
        };
        for (rule, long, short) in [
            (acl(Some(100)), "acl-1 (public\\u{1b}[2J) rule 100", "ACL public\\u{1b}[2J rule 100"),
            (acl(Some(32_768)), "acl-1 (public\\u{1b}[2J) default rule (*)", "ACL public\\u{1b}[2J rule *"),
            (acl(None), "acl-1 (public\\u{1b}[2J) default rule (*)", "ACL public\\u{1b}[2J rule *"),
            (groups(2), "no rule of sg-1 (web) or sg-2", "SG web, sg-2"),
            (
                groups(7),
                "no rule of sg-1 (web) or sg-2 or sg-3 or sg-4 or sg-5 or 2 more",
                "SG web, sg-2, sg-3, sg-4, sg-5, 2 more",
            ),
        ] {
            assert_eq!((rule_label(&rule).as_str(), short_rule_label(&rule).as_str()), (long, short));
        }
    }

    #[test]
    fn time_range_of_one_day_shows_the_date_once() {
        let time = Timestamp::from_seconds;
        let format = |first, last| format_time_range(TimeRange { first_seen: first, last_seen: last });
        assert_eq!(format(time(0), time(60)), ", 1970-01-01T00:00:00Z to 00:01:00Z");
        assert_eq!(format(time(0), time(86_400)), ", 1970-01-01T00:00:00Z to 1970-01-02T00:00:00Z");
        assert_eq!(format(time(0), None), ", from 1970-01-01T00:00:00Z");
        assert_eq!(format(None, time(0)), ", until 1970-01-01T00:00:00Z");
        assert_eq!(format(None, None), "");
    }
}
