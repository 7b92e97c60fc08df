//! Parses the events of a CloudWatch Logs subscription, which contain the log itself: gzip in base64.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-cloudwatchlogs.html>
//!
//! Only what identifies the log events is read here; the analysis reads their content. The text is streamed, so memory does not
//! grow with it.

use std::fmt;
use std::io::{self, BufReader, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{EventError, InputEvent, describe_shape};
use crate::input::decoder::Decoder;
use crate::record::timestamp::Timestamp;
use crate::sanitize::{NAME_CHARACTERS, escape_truncated, quoted};
use crate::summary::LogEventsIdentity;

/// Limit of the text of one event. AWS sends at most 1 MB of gzip in base64, and flow logs have a ratio of about 10.
const MAX_TEXT_BYTES: u64 = 64 << 20;
/// "logGroupName" and "logStreamName" in
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogStream.html>. Ids of events have 56 digits.
const MAX_NAME_CHARACTERS: usize = 512;
/// Maximum length of the cause in an error, in characters.
const MAX_CAUSE_CHARACTERS: usize = 200;

/// Log events of one stream, with their content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvents {
    /// What identifies them.
    pub identity: LogEventsIdentity,
    /// Time of the first event, in milliseconds since the Unix epoch.
    pub timestamp_ms: Option<i64>,
    /// The message of CloudWatch Logs as it sent it: gzip of JSON.
    pub data: Vec<u8>,
}

impl LogEvents {
    /// Returns the time of the first event, to the second.
    pub fn data_time(&self) -> Option<Timestamp> {
        Timestamp::from_seconds(u64::try_from(self.timestamp_ms?).ok()? / 1000)
    }
}

/// Parses the member `awslogs` of an event.
pub(super) fn from_awslogs(awslogs: &Value) -> Result<InputEvent, EventError> {
    let Some(text) = awslogs.get("data").and_then(Value::as_str) else {
        return Err(EventError::UnknownShape(format!("awslogs that is {}", describe_shape(awslogs))));
    };
    let data = STANDARD.decode(text).map_err(|error| EventError::InvalidLogEvents(error.to_string()))?;
    let message = read_message(&data)
        .map_err(|error| EventError::InvalidLogEvents(escape_truncated(&error.to_string(), MAX_CAUSE_CHARACTERS)))?;
    match message.message_type.as_str() {
        // CloudWatch Logs checks whether it can reach the function.
        "CONTROL_MESSAGE" => Ok(InputEvent::ControlMessage),
        "DATA_MESSAGE" => message.log_events(data),
        other => Err(EventError::InvalidLogEvents(format!("the messageType is {}", quoted(other, NAME_CHARACTERS)))),
    }
}

fn read_message(data: &[u8]) -> Result<Message, serde_json::Error> {
    let text = Decoder::open(data, MAX_TEXT_BYTES).map_err(io::Error::other).map_err(serde_json::Error::io)?;
    serde_json::from_reader(BufReader::new(Text(text)))
}

/// The text of an event, as a reader.
struct Text<R>(Decoder<R>);

impl<R: Read> Read for Text<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(io::Error::other)
    }
}

/// The message in an event, without its content.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    message_type: String,
    owner: Option<String>,
    log_group: Option<String>,
    log_stream: Option<String>,
    #[serde(default)]
    log_events: Ends,
}

/// The first and the last of a list of log events.
#[derive(Default)]
struct Ends {
    first: Option<LogEvent>,
    last: Option<LogEvent>,
}

#[derive(Clone, Deserialize)]
struct LogEvent {
    id: Option<String>,
    timestamp: Option<i64>,
}

impl Message {
    fn log_events(self, data: Vec<u8>) -> Result<InputEvent, EventError> {
        let Ends { first, last } = self.log_events;
        let timestamp_ms = first.as_ref().and_then(|first| first.timestamp);
        let identity = LogEventsIdentity {
            owner: checked("owner", self.owner)?,
            log_group: checked("logGroup", self.log_group)?,
            log_stream: checked("logStream", self.log_stream)?,
            first_event_id: checked("id of the first log event", first.and_then(|first| first.id))?,
            last_event_id: checked("id of the last log event", last.and_then(|last| last.id))?,
        };
        Ok(InputEvent::LogEvents(LogEvents { identity, timestamp_ms, data }))
    }
}

/// Returns a name that is present and not longer than AWS allows.
fn checked(member: &str, name: Option<String>) -> Result<String, EventError> {
    match name {
        Some(name) if !name.is_empty() && name.chars().nth(MAX_NAME_CHARACTERS).is_none() => Ok(name),
        Some(_) => Err(EventError::InvalidLogEvents(format!(
            "the {member} is empty or has more than {MAX_NAME_CHARACTERS} characters"
        ))),
        None => Err(EventError::InvalidLogEvents(format!("there is no {member}"))),
    }
}

impl<'de> Deserialize<'de> for Ends {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ends, D::Error> {
        deserializer.deserialize_seq(EndsVisitor)
    }
}

/// Visits log events one by one, and keeps the first and the last.
struct EndsVisitor;

impl<'de> Visitor<'de> for EndsVisitor {
    type Value = Ends;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of log events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<Ends, A::Error> {
        let first: Option<LogEvent> = events.next_element()?;
        let mut last = first.clone();
        while let Some(event) = events.next_element()? {
            last = Some(event);
        }
        Ok(Ends { first, last })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).expect("a Vec takes every byte")
    }

    fn parse(data: &[u8]) -> Result<InputEvent, EventError> {
        from_awslogs(&json!({"data": STANDARD.encode(data)}))
    }

    fn message(log_events: &Value) -> Value {
        json!({
            "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "/vpc/flow-logs", "logStream": "eni-0a1b-all",
            "subscriptionFilters": ["all"], "logEvents": log_events,
        })
    }

    fn event(id: &str, timestamp: i64) -> Value {
        json!({"id": id, "timestamp": timestamp, "message": "2 1 eni-1 …", "extractedFields": {"a": "b"}})
    }

    fn error(message: &Value) -> String {
        parse(&gzip(&message.to_string())).expect_err("invalid").to_string()
    }

    #[test]
    fn the_first_and_the_last_event_identify_them_all() {
        let identity = |first: &str, last: &str| LogEventsIdentity {
            owner: "123456789012".to_owned(),
            log_group: "/vpc/flow-logs".to_owned(),
            log_stream: "eni-0a1b-all".to_owned(),
            first_event_id: first.to_owned(),
            last_event_id: last.to_owned(),
        };
        for (log_events, first, last) in
            [(json!([event("1", 7), event("3", 6), event("2", 9)]), "1", "2"), (json!([event("1", 7)]), "1", "1")]
        {
            let data = gzip(&message(&log_events).to_string());
            let expected = LogEvents { identity: identity(first, last), timestamp_ms: Some(7), data: data.clone() };
            assert_eq!(parse(&data), Ok(InputEvent::LogEvents(expected)));
        }
        let plain = message(&json!([event("1", 7)])).to_string();
        assert!(matches!(parse(plain.as_bytes()), Ok(InputEvent::LogEvents(_))), "gzip is not required");
    }

    #[test]
    fn a_control_message_needs_no_names() {
        let control = json!({
            "messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "logStream": "",
            "subscriptionFilters": [], "logEvents": [{"id": "", "timestamp": 1_510_254_469_274_u64,
                "message": "CWL CONTROL MESSAGE: Checking health of destination Firehose."}],
        });
        assert_eq!(parse(&gzip(&control.to_string())), Ok(InputEvent::ControlMessage));
        assert_eq!(parse(&gzip("{\"messageType\": \"CONTROL_MESSAGE\"}")), Ok(InputEvent::ControlMessage));
    }

    #[test]
    fn what_cannot_be_identified_is_an_error() {
        let prefix = "the log events of CloudWatch Logs cannot be read: ";
        let mut other = message(&json!([event("1", 7)]));
        other["messageType"] = json!("NEW\u{1b}");
        assert_eq!(error(&other), format!("{prefix}the messageType is \"NEW\\u{{1b}}\""));
        assert_eq!(error(&message(&json!([]))), format!("{prefix}there is no id of the first log event"));
        assert_eq!(
            error(&message(&json!([event("1", 7), {"timestamp": 8}]))),
            format!("{prefix}there is no id of the last log event")
        );
        for name in ["owner", "logGroup", "logStream"] {
            let mut without = message(&json!([event("1", 7)]));
            without[name] = Value::Null;
            assert_eq!(error(&without), format!("{prefix}there is no {name}"));
            for (length, is_valid) in [(0, false), (1, true), (512, true), (513, false)] {
                without[name] = json!("é".repeat(length));
                assert_eq!(parse(&gzip(&without.to_string())).is_ok(), is_valid, "{name} {length}");
            }
        }
        assert!(error(&message(&json!("x".repeat(10_000)))).len() < 400);
        assert!(error(&json!([1])).starts_with(prefix));
    }

    #[test]
    fn damaged_data_is_an_error() {
        let data = gzip(&message(&json!([event("1", 7), event("2", 8)])).to_string());
        for end in 0..data.len() {
            assert!(parse(&data[..end]).is_err(), "{end}");
        }
        for byte in 0..data.len() {
            let mut flipped = data.clone();
            flipped[byte] ^= 1;
            // Only bytes of the header that nothing depends on may differ.
            assert!(parse(&flipped).is_err() || byte < 10, "{byte}");
        }
        for awslogs in [json!({}), json!({"data": 7}), json!("x"), json!({"data": "é"}), json!({"data": "AAA"})] {
            assert!(from_awslogs(&awslogs).is_err(), "{awslogs}");
        }
    }

    #[test]
    fn a_bomb_is_an_error() {
        let spaces = format!("{}{{}}", " ".repeat(70 << 20));
        let error = parse(&gzip(&spaces)).expect_err("too large").to_string();
        assert!(error.contains("exceeds 67108864 bytes"), "{error}");
    }

    proptest! {
        #[test]
        fn any_data_is_parsed_or_rejected(text in "\\PC{0,200}", data: Vec<u8>) {
            for data in [&data[..], &gzip(&text), text.as_bytes()] {
                if let Err(error) = parse(data) {
                    prop_assert!(error.to_string().len() < 3000);
                }
            }
        }
    }
}
