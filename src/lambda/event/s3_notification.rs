//! What S3 says happened to an object: in its own notifications, and by way of EventBridge.

use serde_json::Value;

use super::object_key::{alternate_key, decode_form_key};
use super::{EventError, ObjectEvent, ObjectReference, shape};

/// A record of an S3 notification, in which keys are encoded as forms are:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
pub(super) fn of_s3(record: &Value) -> Result<ObjectEvent, EventError> {
    let entity = entity(record, record.get("s3"))?;
    let object = ObjectReference { key: decode_form_key(entity.key), ..entity.reference(text(record, &["awsRegion"])) };
    let is_created = |name: &str| name.trim_start_matches("s3:").starts_with("ObjectCreated");
    Ok(notice(object, text(record, &["eventName"]), is_created))
}

/// An event of EventBridge, in which AWS leaves keys as they are:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>. Others encode them; which it is shows where
/// the object is.
pub(super) fn of_event_bridge(event: &Value) -> Result<ObjectEvent, EventError> {
    let entity = entity(event, event.get("detail"))?;
    let decoded_key = alternate_key(entity.key);
    let object = ObjectReference { decoded_key, ..entity.reference(text(event, &["region"])) };
    Ok(notice(object, text(event, &["detail-type"]), |name| name == "Object Created"))
}

/// What has no name is taken for the creation that notifications are sent for.
fn notice(object: ObjectReference, event_name: Option<&str>, is_created: impl Fn(&str) -> bool) -> ObjectEvent {
    match event_name {
        Some(name) if !is_created(name) => ObjectEvent::OtherEvent { event_name: name.to_owned(), object },
        _ => ObjectEvent::Created(object),
    }
}

/// Bucket and object as both forms have them. Nothing else is needed: of the other members, some are missing in every
/// older version and in every other implementation of S3.
struct Entity<'a> {
    bucket: &'a str,
    key: &'a str,
    object: &'a Value,
}

fn entity<'a>(event: &Value, entity: Option<&'a Value>) -> Result<Entity<'a>, EventError> {
    let named = || {
        let object = entity?.get("object")?;
        let bucket = text(entity?.get("bucket")?, &["name"])?;
        Some(Entity { bucket, key: text(object, &["key"])?, object })
    };
    named().ok_or_else(|| EventError::UnknownShape(format!("a record that is {}", shape(event))))
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

/// The first of these members that is a text with something in it.
fn text<'a>(value: &'a Value, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| value.get(name)?.as_str().filter(|text| !text.is_empty()))
}

/// A region becomes part of a host's name: nothing else may.
fn is_region(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-') && !text.ends_with('-')
}
