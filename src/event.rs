//! What an invocation asks for: a payload of any shape → the objects that it tells of.
//!
//! The shape decides, not what the sender says of itself. Each notice, and each message of a queue, is judged alone:
//! one that is not understood takes no other with it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::quote::{NAME_CHARACTERS, quoted};

/// So many top-level keys of an unknown event are named.
const SHOWN_KEYS: usize = 10;

/// What an invocation asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// From a queue, to which each message is answered by itself.
    Queue(Vec<Message>),
    /// From anywhere else: it succeeds or fails as a whole.
    Direct(Notices),
}

/// What one event tells, each judged alone.
pub type Notices = Vec<Result<Notice, EventError>>;

/// A message of an SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// By which a failure is told to the queue.
    pub id: String,
    /// What its body tells.
    pub notices: Result<Notices, EventError>,
}

/// Something that happened to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It was created.
    Created(ObjectReference),
    /// It is not new: it was deleted, restored, tagged …
    NotCreated {
        /// What happened, as S3 names it.
        event_name: String,
        /// To what.
        object: ObjectReference,
    },
}

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectReference {
    /// Name of the bucket.
    pub bucket: String,
    /// Key, decoded.
    pub key: String,
    /// Version, if the event has it.
    pub version_id: Option<String>,
}

impl ObjectReference {
    /// `s3://bucket/key`.
    pub fn uri(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }
}

/// Why an event can't be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EventError {
    /// No event that is known looks so.
    #[error("this is no event that flowsentry knows (S3 notifications, directly or in SQS messages): {0}")]
    UnknownShape(String),
    /// The body of a message is not JSON.
    #[error("the message's body is not JSON: {0}")]
    NotJson(String),
    /// Nothing can be answered to a message without an id.
    #[error("a message of the queue has no messageId: {0}")]
    NotAMessage(String),
}

/// Reads an invocation's payload.
///
/// # Errors
/// Where nothing in it is understood, or a queue's message has no id by which it could be told to have failed.
pub fn read(payload: &Value) -> Result<Invocation, EventError> {
    match payload.get("Records").and_then(Value::as_array) {
        Some(records) if records.iter().any(is_of_queue) => {
            records.iter().map(message).collect::<Result<_, _>>().map(Invocation::Queue)
        }
        _ => notices(payload).map(Invocation::Direct),
    }
}

/// What an event that is no queue's tells.
fn notices(event: &Value) -> Result<Notices, EventError> {
    if let Some(records) = event.get("Records").and_then(Value::as_array) {
        return Ok(records.iter().map(s3_notice).collect());
    }
    // Sent once, when notifications are set up: "s3:TestEvent" in
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    if event.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Ok(Vec::new());
    }
    Err(EventError::UnknownShape(shape(event)))
}

fn is_of_queue(record: &Value) -> bool {
    record.get("eventSource").and_then(Value::as_str) == Some("aws:sqs")
}

/// The two members of an SQS message that matter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SqsRecord {
    message_id: String,
    #[serde(default)]
    body: Value,
}

fn message(record: &Value) -> Result<Message, EventError> {
    let record = SqsRecord::deserialize(record)
        .ok()
        .filter(|record| !record.message_id.is_empty())
        .ok_or_else(|| EventError::NotAMessage(shape(record)))?;
    let body = match record.body.as_str() {
        Some(text) => serde_json::from_str(text).map_err(|error| EventError::NotJson(error.to_string())),
        None => Err(EventError::NotJson(format!("it is {}", shape(&record.body)))),
    };
    Ok(Message { id: record.message_id, notices: body.and_then(|body: Value| notices(&body)) })
}

/// The members of an S3 notification that matter. Of the others, some are missing in every older version and in
/// every other implementation of S3.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct S3Record {
    event_name: Option<String>,
    s3: S3Entity,
}

#[derive(Deserialize)]
struct S3Entity {
    bucket: S3Bucket,
    object: S3Object,
}

#[derive(Deserialize)]
struct S3Bucket {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct S3Object {
    key: String,
    version_id: Option<String>,
}

fn s3_notice(record: &Value) -> Result<Notice, EventError> {
    let S3Record { event_name, s3: S3Entity { bucket, object } } = S3Record::deserialize(record)
        .ok()
        .filter(|record| !record.s3.bucket.name.is_empty() && !record.s3.object.key.is_empty())
        .ok_or_else(|| EventError::UnknownShape(format!("a record that is {}", shape(record))))?;
    let object = ObjectReference {
        bucket: bucket.name,
        key: form_decoded(&object.key),
        version_id: object.version_id.filter(|version| !version.is_empty()),
    };
    Ok(match event_name {
        Some(event_name) if !event_name.trim_start_matches("s3:").starts_with("ObjectCreated") => {
            Notice::NotCreated { event_name, object }
        }
        _ => Notice::Created(object),
    })
}

/// The key that a notification tells in the encoding of HTML forms: `+` is a space, `%3D` is `=`.
///
/// AWS leaves `/` as it is, others encode it; some encode nothing. So an invalid escape stands for itself, and a key
/// whose escapes make no UTF-8 was not encoded at all.
pub fn form_decoded(key: &str) -> String {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map_or_else(|_| key.to_owned(), Cow::into_owned)
}

/// What a value looks like, without showing what it holds.
fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(_) => "a text".to_owned(),
        Value::Array(values) => format!("an array of {}", values.len()),
        Value::Object(members) if members.is_empty() => "an object without keys".to_owned(),
        Value::Object(members) => {
            let names: Vec<String> =
                members.keys().take(SHOWN_KEYS).map(|name| quoted(name, NAME_CHARACTERS)).collect();
            let more = if members.len() > names.len() { ", …" } else { "" };
            format!("an object with the keys {}{more}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn created(bucket: &str, key: &str) -> Result<Notice, EventError> {
        let object = ObjectReference { bucket: bucket.to_owned(), key: key.to_owned(), version_id: None };
        Ok(Notice::Created(object))
    }

    fn s3_record(bucket: &str, key: &str) -> Value {
        json!({"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": {"key": key}}})
    }

    fn fixture(text: &str) -> Invocation {
        read(&serde_json::from_str(text).expect("JSON")).expect("understood")
    }

    #[test]
    fn a_notification_as_aws_documents_it() {
        let Invocation::Direct(notices) = fixture(include_str!("../events/s3-put.json")) else {
            panic!("not a queue's");
        };
        let key = "AWSLogs/123456789012/vpcflowlogs/us-east-1/2018/06/20/\
                   123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz";
        let version_id = Some("096fKKXTRTtl3on89fVO.nfljtsv6qko".to_owned());
        let object = ObjectReference { bucket: "amzn-s3-demo-bucket".to_owned(), key: key.to_owned(), version_id };
        assert_eq!(notices, [Ok(Notice::Created(object))]);
    }

    #[test]
    fn hive_keys_are_decoded() {
        let Invocation::Direct(notices) = fixture(include_str!("../events/s3-put-hive.json")) else {
            panic!("not a queue's");
        };
        let key = "team a/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2018/\
                   month=06/day=20/123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz";
        assert_eq!(notices, [created("amzn-s3-demo-bucket", key)]);
    }

    #[test]
    fn a_test_event_asks_for_nothing() {
        assert_eq!(fixture(include_str!("../events/s3-test-event.json")), Invocation::Direct(vec![]));
    }

    #[test]
    fn a_queue_s_messages_stand_alone() {
        let Invocation::Queue(messages) = fixture(include_str!("../events/sqs-s3.json")) else {
            panic!("a queue's");
        };
        assert_eq!(messages[0].id, "059f36b4-87a3-44ab-83d2-661975830a7d");
        assert_eq!(messages[0].notices.as_ref().map(Vec::len), Ok(1));
        assert_eq!(messages[1].id, "2e1424d4-f796-459a-8184-9c92662be6da");
        assert_eq!(messages[1].notices, Ok(vec![]));
    }

    #[test]
    fn a_message_that_is_not_understood_fails_alone() {
        let good = json!({"Records": [s3_record("b", "k")]}).to_string();
        let record = |id: &str, body: &str| json!({"eventSource": "aws:sqs", "messageId": id, "body": body});
        let payload = json!({"Records": [record("1", "hello"), record("2", &good), record("3", "{\"foo\":1}"),
            {"eventSource": "aws:sqs", "messageId": "4"}]});
        let Ok(Invocation::Queue(messages)) = read(&payload) else { panic!("a queue's") };
        assert!(matches!(&messages[0].notices, Err(EventError::NotJson(_))));
        assert_eq!(messages[1].notices, Ok(vec![created("b", "k")]));
        assert_eq!(messages[3].notices, Err(EventError::NotJson("it is null".to_owned())));
        assert_eq!(messages[2].notices, Err(EventError::UnknownShape("an object with the keys \"foo\"".to_owned())));
    }

    #[test]
    fn a_message_without_an_id_fails_all() {
        for id in [json!(null), json!(""), json!(7)] {
            let payload = json!({"Records": [{"eventSource": "aws:sqs", "messageId": id, "body": "{}"}]});
            assert!(matches!(read(&payload), Err(EventError::NotAMessage(_))), "{id}");
        }
    }

    #[test]
    fn every_record_counts_and_a_bad_one_stands_alone() {
        let payload =
            json!({"Records": [s3_record("b", "one"), {"s3": {}}, s3_record("b", "two"), s3_record("b", "")]});
        let Ok(Invocation::Direct(notices)) = read(&payload) else { panic!("not a queue's") };
        assert_eq!(notices[0], created("b", "one"));
        assert_eq!(
            notices[1],
            Err(EventError::UnknownShape("a record that is an object with the keys \"s3\"".to_owned()))
        );
        assert_eq!(notices[2], created("b", "two"));
        assert!(notices[3].is_err());
        assert_eq!(read(&json!({"Records": []})), Ok(Invocation::Direct(vec![])));
    }

    #[test]
    fn what_creates_no_object_is_told_apart() {
        let of = |name: &str| {
            let payload = json!({"eventName": name, "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}});
            matches!(s3_notice(&payload), Ok(Notice::Created(_)))
        };
        assert!(of("ObjectCreated:CompleteMultipartUpload"));
        assert!(of("s3:ObjectCreated:Put"));
        assert!(!of("ObjectRemoved:Delete"));
        assert!(!of("ObjectRestore:Completed"));
        let unnamed = json!({"s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}});
        assert_eq!(s3_notice(&unnamed), created("b", "k"));
    }

    #[test]
    fn an_unknown_shape_is_named_and_bounded() {
        let shown = |payload: Value| read(&payload).expect_err("unknown").to_string();
        assert!(shown(json!({})).ends_with("an object without keys"));
        assert!(shown(json!(null)).ends_with(": null"));
        assert!(shown(json!([1, 2])).ends_with("an array of 2"));
        assert!(shown(json!({"a\u{1b}[31m": 1, "b": 2})).ends_with(r#"an object with the keys "a\u{1b}[31m", "b""#));
        let many: serde_json::Map<String, Value> = (0..1000).map(|n| (format!("{n:0>500}"), Value::Null)).collect();
        assert!(shown(Value::Object(many)).len() < 1200);
    }

    #[test]
    fn keys_are_decoded_as_forms_are() {
        assert_eq!(form_decoded("red+flower%2B.jpg"), "red flower+.jpg");
        assert_eq!(form_decoded("a%2Fb%3Dc/d"), "a/b=c/d");
        assert_eq!(form_decoded("%C3%A9t%c3%a9"), "été");
        assert_eq!(form_decoded("100%"), "100%");
        assert_eq!(form_decoded("100%zz%4"), "100%zz%4");
        assert_eq!(form_decoded("a+b%FF"), "a+b%FF");
        assert_eq!(form_decoded("%252B"), "%2B");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let name = prop_oneof![
            Just("Records"),
            Just("eventSource"),
            Just("eventName"),
            Just("messageId"),
            Just("body"),
            Just("s3"),
            Just("bucket"),
            Just("object"),
            Just("name"),
            Just("key"),
            Just("Event"),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            Just(json!("aws:sqs")),
            ".{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name.clone(), inner), 0..5)
                    .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_read_or_refused(payload in any_json()) {
            if let Err(error) = read(&payload) {
                prop_assert!(error.to_string().len() < 6000);
            }
        }

        #[test]
        fn encoded_keys_come_back(key in "\\PC{0,60}") {
            let encoded = utf8_percent_encode(&key, NON_ALPHANUMERIC).to_string().replace("%20", "+");
            prop_assert_eq!(form_decoded(&encoded), key);
        }
    }
}
