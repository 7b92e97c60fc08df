//! What an invocation asks for: a payload of any shape → the objects that it tells of.
//!
//! The shape decides, not what the sender says of itself. Envelopes may lie in one another, up to [`MAX_ENVELOPES`]:
//! SNS in SQS, the record that Lambda leaves of a failed invocation in the dead-letter queue, and so on. Each notice, and
//! each message of a queue, is judged alone: one that is not understood takes no other with it.

mod object_key;
mod s3_notification;

use serde_json::Value;
use thiserror::Error;

pub use self::object_key::decode_form_key;
use crate::sanitize::{NAME_CHARACTERS, quoted};

/// Envelopes may lie in one another so deep.
pub const MAX_ENVELOPES: usize = 4;

/// So many top-level keys of an unknown event are named.
const SHOWN_KEYS: usize = 10;

/// What an invocation asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// From a queue, to which each message is answered by itself.
    Queue(Vec<Message>),
    /// From anywhere else: it succeeds or fails as a whole.
    Direct(ObjectEvents),
}

/// What one event tells, each judged alone.
pub type ObjectEvents = Vec<Result<ObjectEvent, EventError>>;

/// A message of an SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// By which a failure is told to the queue.
    pub id: String,
    /// What its body tells.
    pub notices: ObjectEvents,
}

/// Something that happened to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectEvent {
    /// It was created.
    Created(ObjectReference),
    /// It is not new: it was deleted, restored, tagged …
    OtherEvent {
        /// What happened, as S3 names it.
        event_name: String,
        /// To what.
        object: ObjectReference,
    },
}

/// Where an object is, and which version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectReference {
    /// Name of the bucket.
    pub bucket: String,
    /// Key, decoded where the source encodes it.
    pub key: String,
    /// What the key is if the source encoded it although AWS does not, where that is another one.
    pub decoded_key: Option<String>,
    /// Version, if the event has it.
    pub version_id: Option<String>,
    /// Entity tag without quotes, if the event has it.
    pub etag: Option<String>,
    /// Region of the bucket, if the event has it.
    pub region: Option<String>,
}

impl ObjectReference {
    /// Whatever is the latest version of an object.
    pub fn latest(bucket: &str, key: &str) -> ObjectReference {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        ObjectReference { bucket, key, decoded_key: None, version_id: None, etag: None, region: None }
    }

    /// `s3://bucket/key`.
    pub fn uri(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// The same object by the other reading of its key.
    pub fn decoded(&self) -> Option<ObjectReference> {
        let key = self.decoded_key.clone()?;
        Some(ObjectReference { key, decoded_key: None, ..self.clone() })
    }
}

/// Why an event can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EventError {
    /// No event that is known looks so.
    #[error(
        "unsupported event (supported: S3 notifications and EventBridge Object Created events, direct or in SNS messages, \
         SQS messages or Lambda's records of failed invocations): {0}"
    )]
    UnknownShape(String),
    /// What an envelope holds is not JSON.
    #[error("the message body is not JSON: {0}")]
    NotJson(String),
    /// Nothing can be answered to a message without an id.
    #[error("an SQS record has no messageId: {0}")]
    NotAMessage(String),
    /// Envelopes lie in one another too deep.
    #[error("event is nested more than {MAX_ENVELOPES} levels deep")]
    TooDeep,
}

/// Reads an invocation's payload.
///
/// # Errors
/// Where it is no event at all, or a queue's message has no id by which it could be told to have failed.
pub fn read(payload: &Value) -> Result<Invocation, EventError> {
    match payload.get("Records").and_then(Value::as_array) {
        Some(records) if records.iter().any(is_of_queue) => {
            records.iter().map(message).collect::<Result<_, _>>().map(Invocation::Queue)
        }
        _ => match &notices(payload, 0)[..] {
            // Nothing is understood: that is no event with a bad record, but something else.
            [Err(error)] if payload.get("Records").is_none() => Err(error.clone()),
            notices => Ok(Invocation::Direct(notices.to_vec())),
        },
    }
}

fn message(record: &Value) -> Result<Message, EventError> {
    match record.get("messageId").and_then(Value::as_str) {
        Some(id) if !id.is_empty() => Ok(Message { id: id.to_owned(), notices: of_body(record, 0) }),
        _ => Err(EventError::NotAMessage(shape(record))),
    }
}

/// What an event tells that lies in so many envelopes.
fn notices(event: &Value, envelopes: usize) -> ObjectEvents {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    if let Some(records) = event.get("Records").and_then(Value::as_array) {
        return records.iter().flat_map(|record| of_record(record, envelopes)).collect();
    }
    // Sent once, when notifications are set up: "s3:TestEvent" in
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    if text("Event") == Some("s3:TestEvent") {
        return Vec::new();
    }
    // A message of SNS in a queue, unless the subscription delivers raw messages:
    // https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html
    if text("Type") == Some("Notification") {
        return from_text(event.get("Message"), envelopes);
    }
    // What Lambda sends to the destination of failed invocations, directly or through EventBridge:
    // https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    if let Some(payload) = event.get("requestPayload").or_else(|| event.get("detail")?.get("requestPayload")) {
        return opened(payload, envelopes);
    }
    match event.get("detail") {
        Some(_) => vec![s3_notification::of_event_bridge(event)],
        None => vec![Err(EventError::UnknownShape(shape(event)))],
    }
}

fn of_record(record: &Value, envelopes: usize) -> ObjectEvents {
    match record.get("Sns") {
        Some(message) => from_text(message.get("Message"), envelopes),
        None if is_of_queue(record) => of_body(record, envelopes),
        None => vec![s3_notification::of_s3(record)],
    }
}

fn is_of_queue(record: &Value) -> bool {
    record.get("eventSource").and_then(Value::as_str) == Some("aws:sqs")
        || (record.get("body").is_some() && record.get("s3").is_none())
}

fn of_body(record: &Value, envelopes: usize) -> ObjectEvents {
    from_text(record.get("body"), envelopes)
}

/// What an envelope holds as text.
fn from_text(text: Option<&Value>, envelopes: usize) -> ObjectEvents {
    let not_json = |reason: String| vec![Err(EventError::NotJson(reason))];
    match text.unwrap_or(&Value::Null) {
        Value::String(text) => match serde_json::from_str(text) {
            Ok(event) => opened(&event, envelopes),
            Err(error) => not_json(error.to_string()),
        },
        other => not_json(format!("it is {}", shape(other))),
    }
}

/// What one more envelope holds.
fn opened(event: &Value, envelopes: usize) -> ObjectEvents {
    match envelopes + 1 {
        envelopes if envelopes > MAX_ENVELOPES => vec![Err(EventError::TooDeep)],
        envelopes => notices(event, envelopes),
    }
}

/// What a value looks like, without showing what it holds.
fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(values) => format!("an array of {}", values.len()),
        Value::Object(members) if members.is_empty() => "an empty object".to_owned(),
        Value::Object(members) => {
            let names: Vec<String> =
                members.keys().take(SHOWN_KEYS).map(|name| quoted(name, NAME_CHARACTERS)).collect();
            let more = if members.len() > names.len() { ", …" } else { "" };
            format!("an object with the keys {}{more}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests;
