//! Parses the payload of an invocation: finds the objects that it names, and the log events that it contains.
//!
//! The structure decides the format, not the sender's name. Envelopes may be nested up to [`MAX_ENVELOPES`] deep: SNS in
//! SQS, Lambda's record of a failed invocation in a dead-letter queue, and so on. Each event of an input, and each message of a
//! queue, is parsed independently: an invalid one does not affect the others.

mod cloudwatch_logs;
mod data_time;
mod object_key;
mod own_task;
mod s3_batch;
mod s3_notification;
mod window;

use serde_json::Value;
use thiserror::Error;

pub use self::cloudwatch_logs::LogEvents;
pub use self::data_time::data_time;
pub use self::object_key::{decode_form_key, is_beside_logs};
pub use self::own_task::OwnTask;
pub use self::s3_batch::{BatchJob, Task};
pub use self::window::{EarlierRun, PartItem, PlanRequest, RunReference, StepError, WindowStep};
use crate::sanitize::{NAME_CHARACTERS, quoted};

/// Maximum nesting depth of envelopes.
pub const MAX_ENVELOPES: usize = 4;

/// Maximum number of top-level keys of an unknown event in an error message.
const MAX_SHOWN_KEYS: usize = 10;

/// The content of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Messages of a queue. Each of them succeeds or fails by itself.
    Queue(Vec<Message>),
    /// Tasks of S3 Batch Operations. Each of them has its own result.
    BatchJob(BatchJob),
    /// A step of a window's report.
    Window(WindowStep),
    /// A task of the function's own schedules.
    OwnTask(OwnTask),
    /// Any other event. It succeeds or fails as a whole.
    Direct(InputEvents),
}

/// The events of inputs in one event, each parsed independently.
pub type InputEvents = Vec<Result<InputEvent, EventError>>;

/// A message of an SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// `messageId`, which identifies a failed message in the response.
    pub id: String,
    /// The events of inputs in its body.
    pub events: InputEvents,
}

/// An event of an object, or log events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputEvent {
    /// The object was created.
    Created(ObjectReference),
    /// Another event: the object was deleted, restored, tagged …
    OtherEvent {
        /// S3's name of the event.
        event_name: String,
        /// The object.
        object: ObjectReference,
    },
    /// CloudWatch Logs sent log events.
    LogEvents(LogEvents),
    /// CloudWatch Logs checked whether it can reach the function.
    ControlMessage,
}

impl InputEvent {
    /// Returns the URI of the object or of the log events.
    pub fn uri(&self) -> Option<String> {
        match self {
            InputEvent::Created(object) | InputEvent::OtherEvent { object, .. } => Some(object.uri()),
            InputEvent::LogEvents(events) => Some(events.identity.uri()),
            InputEvent::ControlMessage => None,
        }
    }
}

/// The location and version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectReference {
    /// Name of the bucket.
    pub bucket: String,
    /// Key, decoded if the source encodes it.
    pub key: String,
    /// The decoded key, if the source may have encoded it although AWS does not, and if it differs.
    pub decoded_key: Option<String>,
    /// Version id, if the event has it.
    pub version_id: Option<String>,
    /// ETag without quotes, if the event has it.
    pub etag: Option<String>,
    /// Region of the bucket, if the event has it.
    pub region: Option<String>,
}

impl ObjectReference {
    /// Creates a reference to the latest version of an object.
    pub fn latest(bucket: &str, key: &str) -> ObjectReference {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        ObjectReference { bucket, key, decoded_key: None, version_id: None, etag: None, region: None }
    }

    /// Returns `s3://bucket/key`.
    pub fn uri(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }

    /// Returns the reference with the decoded key, if there is one.
    pub fn decoded(&self) -> Option<ObjectReference> {
        let key = self.decoded_key.clone()?;
        Some(ObjectReference { key, decoded_key: None, ..self.clone() })
    }
}

/// Why an event can't be parsed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EventError {
    /// The structure of the event is unknown.
    #[error(
        "unsupported event (supported: S3 notifications, EventBridge Object Created events, and CloudWatch Logs \
         subscriptions, direct or in SNS messages, SQS messages, EventBridge Pipes or Lambda's records of failed \
         invocations; S3 Batch Operations): {0}"
    )]
    UnknownShape(String),
    /// The content of an envelope is not JSON.
    #[error("the message body is not JSON: {0}")]
    NotJson(String),
    /// The message of CloudWatch Logs can't be read, or nothing identifies it.
    #[error("the log events of CloudWatch Logs cannot be read: {0}")]
    InvalidLogEvents(String),
    /// The event has records of a Kinesis data stream.
    #[error(
        "records of Kinesis Data Streams are not supported; deliver the logs to S3, by Firehose for example, or subscribe \
         the function to the log group"
    )]
    Kinesis,
    /// A message has no id, so that its failure could not be reported.
    #[error("an SQS record has no messageId: {0}")]
    MissingMessageId(String),
    /// A task of S3 Batch Operations has no id, so that its result could not be reported.
    #[error("a task of S3 Batch Operations has no taskId: {0}")]
    MissingTaskId(String),
    /// A step of a window's report is incomplete, or unknown.
    #[error("invalid step of a window's report: {0}")]
    InvalidWindowStep(String),
    /// Envelopes are nested too deep.
    #[error("event is nested more than {MAX_ENVELOPES} levels deep")]
    TooDeep,
}

/// Parses the payload of an invocation.
///
/// # Errors
/// If the payload is not an event at all, or if a message of a queue or a task has no id.
pub fn read(payload: &Value) -> Result<Invocation, EventError> {
    if let Some(step) = window::window_step(payload) {
        return step.map(Invocation::Window);
    }
    if let Some(task) = own_task::own_task(payload) {
        return task.map(Invocation::OwnTask);
    }
    if let Some(job) = s3_batch::batch_job(payload) {
        return job.map(Invocation::BatchJob);
    }
    if let Some(records) = queue_records(payload) {
        return records.iter().map(message).collect::<Result<_, _>>().map(Invocation::Queue);
    }
    let is_one_event = payload.get("Records").is_none() && !payload.is_array();
    let events = input_events(payload, 0);
    match events.first() {
        // A single error then means that the whole payload is unknown.
        Some(Err(error)) if is_one_event && events.len() == 1 => Err(error.clone()),
        _ => Ok(Invocation::Direct(events)),
    }
}

/// Returns the messages of a queue: the records of an event source mapping, or the array of EventBridge Pipes:
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-sqs.html>. An array without ids is not one of a queue.
fn queue_records(payload: &Value) -> Option<&Vec<Value>> {
    match payload {
        Value::Array(records) => Some(records).filter(|records| records.iter().any(|it| it.get("messageId").is_some())),
        _ => payload.get("Records")?.as_array().filter(|records| records.iter().any(is_sqs_record)),
    }
}

fn message(record: &Value) -> Result<Message, EventError> {
    match record.get("messageId").and_then(Value::as_str) {
        Some(id) if !id.is_empty() => Ok(Message { id: id.to_owned(), events: events_in_body(record, 0) }),
        _ => Err(EventError::MissingMessageId(describe_shape(record))),
    }
}

/// Parses an event that is inside this number of envelopes.
fn input_events(event: &Value, envelopes: usize) -> InputEvents {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    if let Value::Array(elements) = event {
        return elements.iter().flat_map(|element| events_in_element(element, envelopes)).collect();
    }
    if let Some(awslogs) = event.get("awslogs") {
        return vec![cloudwatch_logs::from_awslogs(awslogs)];
    }
    if let Some(records) = event.get("Records").and_then(Value::as_array) {
        return records.iter().flat_map(|record| events_in_record(record, envelopes)).collect();
    }
    // S3 sends it once, when notifications are set up: "s3:TestEvent" in
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    if text("Event") == Some("s3:TestEvent") {
        return Vec::new();
    }
    // An SNS message in a queue, unless the subscription uses raw message delivery:
    // https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html
    if text("Type") == Some("Notification") {
        return from_text(event.get("Message"), envelopes);
    }
    // Lambda's record of a failed invocation, sent directly or through EventBridge:
    // https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    if let Some(payload) = event.get("requestPayload").or_else(|| event.get("detail")?.get("requestPayload")) {
        return unwrap_envelope(payload, envelopes);
    }
    match event.get("detail") {
        Some(_) => vec![s3_notification::from_eventbridge(event)],
        None => vec![Err(EventError::UnknownShape(describe_shape(event)))],
    }
}

fn events_in_record(record: &Value, envelopes: usize) -> InputEvents {
    match record.get("Sns") {
        Some(message) => from_text(message.get("Message"), envelopes),
        None if is_sqs_record(record) => events_in_body(record, envelopes),
        None if is_kinesis_record(record) => vec![Err(EventError::Kinesis)],
        None => vec![s3_notification::from_s3_record(record)],
    }
}

/// Parses an element of an array, as EventBridge Pipes sends it: a record, or an event that its input transformer made of one.
fn events_in_element(element: &Value, envelopes: usize) -> InputEvents {
    let is_record = ["Sns", "s3", "body"].iter().any(|name| element.get(name).is_some()) || is_kinesis_record(element);
    if is_record { events_in_record(element, envelopes) } else { unwrap_envelope(element, envelopes) }
}

/// Reports whether a record comes from a Kinesis data stream, by an event source mapping or EventBridge Pipes:
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-kinesis.html>
fn is_kinesis_record(record: &Value) -> bool {
    record.get("kinesis").is_some() || record.get("eventSource").and_then(Value::as_str) == Some("aws:kinesis")
}

fn is_sqs_record(record: &Value) -> bool {
    record.get("eventSource").and_then(Value::as_str) == Some("aws:sqs")
        || (record.get("body").is_some() && record.get("s3").is_none())
}

fn events_in_body(record: &Value, envelopes: usize) -> InputEvents {
    from_text(record.get("body"), envelopes)
}

/// Parses the JSON text in an envelope. An input transformer of EventBridge Pipes has parsed it already.
fn from_text(text: Option<&Value>, envelopes: usize) -> InputEvents {
    let not_json = |reason: String| vec![Err(EventError::NotJson(reason))];
    match text.unwrap_or(&Value::Null) {
        Value::String(text) => match serde_json::from_str(text) {
            Ok(event) => unwrap_envelope(&event, envelopes),
            Err(error) => not_json(error.to_string()),
        },
        event @ Value::Object(_) => unwrap_envelope(event, envelopes),
        other => not_json(format!("it is {}", describe_shape(other))),
    }
}

/// Parses the content of one more envelope.
fn unwrap_envelope(event: &Value, envelopes: usize) -> InputEvents {
    if envelopes < MAX_ENVELOPES { input_events(event, envelopes + 1) } else { vec![Err(EventError::TooDeep)] }
}

/// Describes the structure of a value without its content.
fn describe_shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(values) => format!("an array of {}", values.len()),
        Value::Object(members) if members.is_empty() => "an empty object".to_owned(),
        Value::Object(members) => {
            let names: Vec<String> =
                members.keys().take(MAX_SHOWN_KEYS).map(|name| quoted(name, NAME_CHARACTERS)).collect();
            let more = if members.len() > names.len() { ", …" } else { "" };
            format!("an object with the keys {}{more}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests;
