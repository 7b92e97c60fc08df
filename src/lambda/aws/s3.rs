//! Objects in S3: read as streams, stored once.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use tokio::time;

use super::error::S3Error;
use crate::lambda::event::ObjectReference;
use crate::summary::ObjectIdentity;

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>, of `If-None-Match`.
const NOT_MODIFIED: u16 = 304;
const CONFLICT: u16 = 409;

/// Whoever writes to the same name at the same time is done soon:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>
const CONFLICT_RETRIES: u32 = 5;
const CONFLICT_PAUSE: Duration = Duration::from_millis(100);

/// The metadata by which flowsentry knows what it stored, whatever the name.
const OUTPUT_METADATA: &str = "flowsentry-output";

/// An object whose body is still to be read.
#[derive(Debug)]
pub struct Object {
    /// Which version it is.
    pub identity: ObjectIdentity,
    /// Whether flowsentry stored it, this one or another.
    pub is_output: bool,
    pub(super) bytes: Option<u64>,
    pub(super) body: ByteStream,
}

/// Begins to read an object: the version that the reference names, else the latest, and only what has its entity tag.
///
/// # Errors
/// Where S3 refuses, or can't be reached.
pub async fn get(client: &Client, object: &ObjectReference) -> Result<Object, S3Error> {
    let request = get_object(client, object).set_if_match(object.etag.as_deref().map(quoted));
    sent(client, object, request).await.map(|answer| Object::new(object, answer))
}

/// Begins to read an object, unless its ETag is still this one.
///
/// # Errors
/// Where S3 refuses, or can't be reached.
pub async fn get_if_changed(client: &Client, object: &ObjectReference, etag: &str) -> Result<Option<Object>, S3Error> {
    match sent(client, object, get_object(client, object).if_none_match(quoted(etag))).await {
        Ok(answer) => Ok(Some(Object::new(object, answer))),
        Err(error) if error.status == Some(NOT_MODIFIED) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The rest of an object's body, from this byte on, if the object still has this entity tag.
pub(super) async fn get_rest(
    client: &Client,
    object: &ObjectReference,
    etag: &str,
    from: u64,
) -> Result<GetObjectOutput, S3Error> {
    let request = get_object(client, object).if_match(quoted(etag)).range(format!("bytes={from}-"));
    sent(client, object, request).await
}

fn get_object(client: &Client, object: &ObjectReference) -> GetObjectFluentBuilder {
    let ObjectReference { bucket, key, version_id, .. } = object;
    client.get_object().bucket(bucket).key(key).set_version_id(version_id.clone())
}

/// Asks the region of the bucket, where the event tells it and it is another one.
async fn sent(
    client: &Client,
    object: &ObjectReference,
    request: GetObjectFluentBuilder,
) -> Result<GetObjectOutput, S3Error> {
    let own = client.config().region().map(Region::as_ref);
    let answer: Result<GetObjectOutput, SdkError<GetObjectError>> = match object.region.as_deref() {
        Some(region) if Some(region) != own => {
            let there = aws_sdk_s3::config::Builder::new().region(Region::new(region.to_owned()));
            request.customize().config_override(there).send().await
        }
        _ => request.send().await,
    };
    answer.map_err(|error| S3Error::new("GetObject", &object.bucket, &object.key, error))
}

/// An object as a list of a bucket tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// Its ETag, without the quotes.
    pub etag: Option<String>,
    /// How long it is.
    pub bytes: u64,
}

/// Hands over the objects whose keys begin so, page by page, in the order of their keys, until `take` refuses one.
///
/// # Errors
/// Where S3 refuses, or can't be reached; and what `take` gives.
pub async fn list<E: From<S3Error>>(
    client: &Client,
    bucket: &str,
    prefix: &str,
    mut take: impl FnMut(ListedObject) -> Result<(), E>,
) -> Result<(), E> {
    let mut pages = client.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| S3Error::new("ListObjectsV2", bucket, prefix, error))?;
        for object in page.contents() {
            take(ListedObject {
                key: object.key().unwrap_or_default().to_owned(),
                etag: object.e_tag().map(unquoted),
                bytes: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
            })?;
        }
    }
    Ok(())
}

fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

impl Object {
    fn new(reference: &ObjectReference, answer: GetObjectOutput) -> Object {
        let identity = ObjectIdentity {
            bucket: reference.bucket.clone(),
            key: reference.key.clone(),
            version_id: answer.version_id.filter(|version| is_version(version)),
            etag: answer.e_tag.as_deref().map(unquoted),
        };
        let bytes = answer.content_length.and_then(|length| u64::try_from(length).ok());
        let is_output = answer.metadata.is_some_and(|metadata| {
            metadata.get(OUTPUT_METADATA).is_some_and(|kind| Kind::ALL.iter().any(|known| known.name() == kind))
        });
        Object { identity, is_output, bytes, body: answer.body }
    }
}

/// Of a bucket whose versioning is suspended, all objects have the version "null".
fn is_version(version_id: &str) -> bool {
    version_id != "null"
}

/// Which version of an object an event tells of, as [`get`] would name it.
pub fn identity(reference: &ObjectReference) -> ObjectIdentity {
    ObjectIdentity {
        bucket: reference.bucket.clone(),
        key: reference.key.clone(),
        version_id: reference.version_id.clone().filter(|version| is_version(version)),
        etag: reference.etag.clone(),
    }
}

/// What kind of output something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A summary.
    Summary,
    /// Its findings.
    Findings,
    /// A receipt for its alerts.
    Receipt,
    /// A quarantine receipt.
    Quarantine,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Summary, Kind::Findings, Kind::Receipt, Kind::Quarantine];

    fn name(self) -> &'static str {
        match self {
            Kind::Summary => "summary",
            Kind::Findings => "findings",
            Kind::Receipt => "receipt",
            Kind::Quarantine => "quarantine",
        }
    }
}

/// Something to store.
#[derive(Debug, Clone)]
pub struct Output<'a> {
    /// Name of the bucket.
    pub bucket: &'a str,
    /// Key.
    pub key: &'a str,
    /// What it is, for its metadata.
    pub kind: Kind,
    /// Media type.
    pub content_type: &'static str,
    /// What else its metadata say.
    pub metadata: Vec<(&'static str, String)>,
    /// The content.
    pub bytes: Bytes,
}

/// Whether something was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// It was.
    Stored,
    /// There is something of that name already. An answer that was lost on its way may be why: S3 stored it, and the
    /// client asked once more.
    Exists,
}

/// Stores something, unless there is something of that name.
///
/// # Errors
/// Where S3 refuses, or can't be reached.
pub async fn put_if_absent(client: &Client, output: &Output<'_>) -> Result<PutOutcome, S3Error> {
    let Output { bucket, key, kind, content_type, metadata, bytes } = output;
    let mut retries = 0;
    loop {
        let mut request = client.put_object().bucket(*bucket).key(*key).content_type(*content_type).if_none_match("*");
        request = request.metadata(OUTPUT_METADATA, kind.name()).body(bytes.clone().into());
        for (name, value) in metadata {
            request = request.metadata(*name, value);
        }
        match request.send().await.map_err(|error| S3Error::new("PutObject", bucket, key, error)) {
            Ok(_) => return Ok(PutOutcome::Stored),
            Err(error) if error.is_precondition_failed() => return Ok(PutOutcome::Exists),
            Err(error) if error.status == Some(CONFLICT) && retries < CONFLICT_RETRIES => {
                time::sleep(CONFLICT_PAUSE * 2_u32.pow(retries)).await;
                retries += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The metadata of an object, if it is there.
///
/// # Errors
/// Where S3 refuses, or can't be reached.
pub async fn look(client: &Client, bucket: &str, key: &str) -> Result<Option<HashMap<String, String>>, S3Error> {
    let answer = client.head_object().bucket(bucket).key(key).send().await;
    match answer.map_err(|error| S3Error::new("HeadObject", bucket, key, error)) {
        Ok(answer) => Ok(Some(answer.metadata.unwrap_or_default())),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A whole object, which is one of our own.
///
/// # Errors
/// Where S3 refuses, or can't be reached, or breaks off.
pub async fn read(client: &Client, bucket: &str, key: &str) -> Result<Bytes, S3Error> {
    let answer = client.get_object().bucket(bucket).key(key).send().await;
    let answer = answer.map_err(|error| S3Error::new("GetObject", bucket, key, error))?;
    let body = answer.body.collect().await.map_err(|error| S3Error::broken_off("GetObject", bucket, key, error))?;
    Ok(body.into_bytes())
}
