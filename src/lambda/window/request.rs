//! Decides which window a run reports.

use jiff::civil::{DateTime, Time};
use jiff::tz::Offset;
use jiff::{Span, Timestamp};
use thiserror::Error;

use crate::lambda::event::PlanRequest;
use crate::plan::{PlanOptions, Window};
use crate::sanitize::{NAME_CHARACTERS, quoted};

/// Maximum length of a report's name.
const MAX_NAME_BYTES: usize = 64;

/// A window, and the name of its report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedWindow {
    /// Name of the report: letters, digits, `-`, `_`, and `.`, beginning with a letter or a digit.
    pub name: String,
    /// The window.
    pub window: Window,
}

/// Why a request names no window.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Neither a range nor a schedule, or both.
    #[error("the input must have name, from, and to, or schedule and time; it has {0}")]
    Incomplete(String),
    /// The name would not be safe in keys.
    #[error(
        "name is {0}, but must be up to {MAX_NAME_BYTES} letters, digits, - _ or ., and begin with a letter or digit"
    )]
    Name(String),
    /// A time is not RFC 3339.
    #[error("{name} is {value}, but must be a time such as 2026-11-23T06:00:00Z")]
    Time {
        /// Name of the member.
        name: &'static str,
        /// Its value, escaped.
        value: String,
    },
    /// The end is not after the begin.
    #[error("the window ends at {to}, but begins at {from}")]
    Empty {
        /// Begin.
        from: Timestamp,
        /// End.
        to: Timestamp,
    },
    /// An unknown schedule.
    #[error("schedule is {0}, but must be hourly or daily")]
    Schedule(String),
}

impl NamedWindow {
    /// Returns the window that a request names.
    ///
    /// # Errors
    /// If the request is incomplete or has an invalid value.
    pub fn from_request(request: &PlanRequest) -> Result<NamedWindow, RequestError> {
        let PlanRequest { name, from, to, schedule, time, .. } = request;
        match (name, from, to, schedule, time) {
            (Some(name), Some(from), Some(to), None, None) => {
                let window = Window { from: parse_time("from", from)?, to: parse_time("to", to)? };
                check_name(name)?;
                if window.from >= window.to {
                    return Err(RequestError::Empty { from: window.from, to: window.to });
                }
                Ok(NamedWindow { name: name.clone(), window })
            }
            (None, None, None, Some(schedule), Some(time)) => due(schedule, parse_time("time", time)?),
            _ => Err(RequestError::Incomplete(members(request))),
        }
    }
}

/// Returns the limits of a request. What it does not name has its default.
pub fn plan_options(request: &PlanRequest) -> PlanOptions {
    let default = PlanOptions::default();
    PlanOptions {
        max_batch_bytes: request.batch_bytes.unwrap_or(default.max_batch_bytes),
        max_batch_objects: request.batch_objects.unwrap_or(default.max_batch_objects),
        fan_in: request.fan_in.unwrap_or(default.fan_in),
    }
}

/// Returns the window that is due when a schedule fires: the hour before the last whole one, or the last whole day. AWS stores objects up
/// to ten minutes after the time in their keys, and later if delivery is delayed.
fn due(schedule: &str, fired: Timestamp) -> Result<NamedWindow, RequestError> {
    let now = Offset::UTC.to_datetime(fired);
    let hour = now.date().to_datetime(Time::constant(now.hour(), 0, 0, 0));
    let (end, length) = match schedule {
        "hourly" => (before(hour, Span::new().hours(1)), Span::new().hours(1)),
        "daily" => (Some(now.date().to_datetime(Time::midnight())), Span::new().hours(24)),
        other => return Err(RequestError::Schedule(quoted(other, NAME_CHARACTERS))),
    };
    let window = end.and_then(|end| Some(Window { from: utc(before(end, length)?)?, to: utc(end)? }));
    let out_of_range = || RequestError::Time { name: "time", value: fired.to_string() };
    Ok(NamedWindow { name: schedule.to_owned(), window: window.ok_or_else(out_of_range)? })
}

fn before(time: DateTime, span: Span) -> Option<DateTime> {
    time.checked_sub(span).ok()
}

fn utc(time: DateTime) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(time).ok()
}

fn parse_time(name: &'static str, text: &str) -> Result<Timestamp, RequestError> {
    let time = text.parse::<Timestamp>().ok().filter(|time| time.subsec_nanosecond() == 0);
    time.ok_or_else(|| RequestError::Time { name, value: quoted(text, NAME_CHARACTERS) })
}

fn check_name(name: &str) -> Result<(), RequestError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let is_valid = begins && name.len() <= MAX_NAME_BYTES && name.bytes().all(is_plain);
    if is_valid { Ok(()) } else { Err(RequestError::Name(quoted(name, NAME_CHARACTERS))) }
}

/// Returns the names of the members that a request has.
fn members(request: &PlanRequest) -> String {
    let PlanRequest { name, from, to, schedule, time, sources, .. } = request;
    let has = [
        ("name", name.is_some()),
        ("from", from.is_some()),
        ("to", to.is_some()),
        ("schedule", schedule.is_some()),
        ("time", time.is_some()),
        ("sources", sources.is_some()),
    ];
    let names: Vec<&str> = has.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect();
    if names.is_empty() { "none of them".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(json: &str) -> Result<String, String> {
        let request = serde_json::from_str(json).expect("a request");
        let named = NamedWindow::from_request(&request).map_err(|error| error.to_string())?;
        Ok(format!("{} {} {}", named.name, named.window.from, named.window.to))
    }

    #[test]
    fn a_schedule_reports_what_is_complete() {
        let due = |schedule: &str, time: &str| window(&format!(r#"{{"schedule": "{schedule}", "time": "{time}"}}"#));
        let hour = "hourly 2026-11-23T06:00:00Z 2026-11-23T07:00:00Z";
        for time in ["2026-11-23T08:00:00Z", "2026-11-23T08:05:59Z", "2026-11-23T09:59:59+01:00"] {
            assert_eq!(due("hourly", time).as_deref(), Ok(hour), "{time}");
        }
        assert_eq!(
            due("hourly", "2027-01-01T00:20:00Z").as_deref(),
            Ok("hourly 2026-12-31T22:00:00Z 2026-12-31T23:00:00Z")
        );
        assert_eq!(
            due("daily", "2026-03-01T02:30:00Z").as_deref(),
            Ok("daily 2026-02-28T00:00:00Z 2026-03-01T00:00:00Z")
        );
        assert_eq!(
            due("weekly", "2026-03-01T02:30:00Z"),
            Err("schedule is \"weekly\", but must be hourly or daily".to_owned())
        );
    }

    #[test]
    fn a_range_has_a_name_and_two_times() {
        let range = |name: &str, from: &str, to: &str| {
            window(&serde_json::json!({"name": name, "from": from, "to": to}).to_string())
        };
        let (from, to) = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
        assert_eq!(range("year-2026", from, to).as_deref(), Ok("year-2026 2026-01-01T00:00:00Z 2027-01-01T00:00:00Z"));
        assert!(range("x", to, from).is_err_and(|error| error.starts_with("the window ends at 2026")));
        assert!(range("x", from, from).is_err());
        for name in ["", ".x", "a/b", "a b", &"n".repeat(65)] {
            assert!(range(name, from, to).is_err_and(|error| error.starts_with("name is ")), "{name}");
        }
        let error = range("x", "yesterday", to).expect_err("not a time");
        assert_eq!(error, "from is \"yesterday\", but must be a time such as 2026-11-23T06:00:00Z");
        assert!(range("x", "2026-01-01T00:00:00.5Z", to).is_err());
        let error = window(r#"{"name": "x", "schedule": "daily"}"#).expect_err("mixed");
        assert_eq!(error, "the input must have name, from, and to, or schedule and time; it has name, schedule");
        assert!(window("{}").is_err_and(|error| error.ends_with("it has none of them")));
    }
}
