//! Parses S3's events: its own notifications, and its events on EventBridge.

use serde_json::Value;

use super::object_key::{alternate_key, decode_form_key};
use super::{EventError, InputEvent, ObjectReference, describe_shape};

/// Parses a record of an S3 notification. Its key is encoded like an HTML form:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
pub(super) fn from_s3_record(record: &Value) -> Result<InputEvent, EventError> {
    let entity = entity(record, record.get("s3"))?;
    let object = ObjectReference { key: decode_form_key(entity.key), ..entity.reference(text(record, &["awsRegion"])) };
    let is_created = |name: &str| name.trim_start_matches("s3:").starts_with("ObjectCreated");
    Ok(object_event(object, text(record, &["eventName"]), is_created))
}

/// Parses an event of EventBridge. AWS does not encode its key:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>. Other senders do, so the reference has both
/// keys, and the lookup of the object decides.
pub(super) fn from_eventbridge(event: &Value) -> Result<InputEvent, EventError> {
    let entity = entity(event, event.get("detail"))?;
    let decoded_key = alternate_key(entity.key);
    let object = ObjectReference { decoded_key, ..entity.reference(text(event, &["region"])) };
    Ok(object_event(object, text(event, &["detail-type"]), |name| name == "Object Created"))
}

/// Classifies an event by its name. An event without a name counts as a creation.
fn object_event(object: ObjectReference, event_name: Option<&str>, is_created: impl Fn(&str) -> bool) -> InputEvent {
    match event_name {
        Some(name) if !is_created(name) => InputEvent::OtherEvent { event_name: name.to_owned(), object },
        _ => InputEvent::Created(object),
    }
}

/// Bucket and object, which both formats have. Other members are optional: older versions and other implementations of S3
/// omit some of them.
struct Entity<'a> {
    bucket: &'a str,
    key: &'a str,
    object: &'a Value,
}

fn entity<'a>(event: &Value, entity: Option<&'a Value>) -> Result<Entity<'a>, EventError> {
    let parse = || {
        let object = entity?.get("object")?;
        let bucket = text(entity?.get("bucket")?, &["name"])?;
        Some(Entity { bucket, key: text(object, &["key"])?, object })
    };
    parse().ok_or_else(|| EventError::UnknownShape(format!("a record that is {}", describe_shape(event))))
}

impl Entity<'_> {
    fn reference(&self, region: Option<&str>) -> ObjectReference {
        let etag = text(self.object, &["eTag", "etag"]).map(|etag| etag.trim_matches('"'));
        ObjectReference {
            bucket: self.bucket.to_owned(),
            key: self.key.to_owned(),
            decoded_key: None,
            version_id: text(self.object, &["versionId", "version-id"]).map(str::to_owned),
            etag: etag.filter(|etag| !etag.is_empty()).map(str::to_owned),
            region: region.filter(|region| is_region(region)).map(str::to_owned),
        }
    }
}

/// Returns the first of these members that is a non-empty string.
fn text<'a>(value: &'a Value, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| value.get(name)?.as_str().filter(|text| !text.is_empty()))
}

/// Reports whether the text can be a region. It becomes part of a host name, so other characters are dangerous.
fn is_region(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(is_allowed) && !text.starts_with('-') && !text.ends_with('-')
}
