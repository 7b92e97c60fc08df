//! Reads objects from S3 as streams, and stores outputs only if the key does not exist yet.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::operation::head_object::{HeadObjectError, HeadObjectOutput};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::ServerSideEncryption;
use bytes::{Bytes, BytesMut};
use tokio::time;

pub(crate) use super::error::S3Error;
use crate::lambda::event::ObjectReference;
use crate::summary::ObjectIdentity;

/// Status of a response to `If-None-Match`: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
const NOT_MODIFIED: u16 = 304;
/// Status of `ConditionalRequestConflict`.
const CONFLICT: u16 = 409;

/// Retry limit for `ConditionalRequestConflict`. The competing write usually finishes within milliseconds:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>
const CONFLICT_RETRIES: u32 = 5;
const CONFLICT_BACKOFF: Duration = Duration::from_millis(100);

/// Name of the metadata that marks an object as an output of flowsentry, independent of its key.
const OUTPUT_METADATA: &str = "flowsentry-output";

/// An object whose body is not read yet.
#[derive(Debug)]
pub struct Object {
    /// Bucket, key and version of the object.
    pub identity: ObjectIdentity,
    /// Whether a flowsentry function stored it, this one or another.
    pub is_output: bool,
    pub(super) bytes: Option<u64>,
    pub(super) body: ByteStream,
}

/// Requests an object: the version that the reference names, or else the latest, and only if it has the reference's ETag.
///
/// # Errors
/// If S3 returns an error or can't be reached.
pub async fn get(client: &Client, object: &ObjectReference) -> Result<Object, S3Error> {
    let request = get_object(client, object).set_if_match(object.etag.as_deref().map(quoted));
    send_in_bucket_region(client, object, request).await.map(|response| Object::new(object, response))
}

/// Requests an object. Returns `None` if its ETag is still this one.
///
/// # Errors
/// If S3 returns an error or can't be reached.
pub async fn get_if_changed(client: &Client, object: &ObjectReference, etag: &str) -> Result<Option<Object>, S3Error> {
    let request = get_object(client, object).if_none_match(quoted(etag));
    match send_in_bucket_region(client, object, request).await {
        Ok(response) => Ok(Some(Object::new(object, response))),
        Err(error) if error.status == Some(NOT_MODIFIED) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Requests an object's body from this byte to its end, if the object still has this ETag.
pub(super) async fn get_from(
    client: &Client,
    object: &ObjectReference,
    etag: &str,
    from: u64,
) -> Result<GetObjectOutput, S3Error> {
    let request = get_object(client, object).if_match(quoted(etag)).range(format!("bytes={from}-"));
    send_in_bucket_region(client, object, request).await
}

fn get_object(client: &Client, object: &ObjectReference) -> GetObjectFluentBuilder {
    let ObjectReference { bucket, key, version_id, .. } = object;
    client.get_object().bucket(bucket).key(key).set_version_id(version_id.clone())
}

/// Sends a request to the bucket's region, if the event names one that differs from the client's.
async fn send_in_bucket_region(
    client: &Client,
    object: &ObjectReference,
    request: GetObjectFluentBuilder,
) -> Result<GetObjectOutput, S3Error> {
    let result: Result<GetObjectOutput, SdkError<GetObjectError>> = match bucket_region(client, object) {
        Some(config) => request.customize().config_override(config).send().await,
        None => request.send().await,
    };
    result.map_err(|error| S3Error::new("GetObject", &object.bucket, &object.key, error))
}

/// Returns the configuration of requests to the bucket's region, or `None` if it is the client's, or unknown.
fn bucket_region(client: &Client, object: &ObjectReference) -> Option<aws_sdk_s3::config::Builder> {
    let client_region = client.config().region().map(Region::as_ref);
    let region = object.region.as_deref().filter(|region| Some(*region) != client_region)?;
    Some(aws_sdk_s3::config::Builder::new().region(Region::new(region.to_owned())))
}

/// Returns the identity of the latest version of an object.
///
/// # Errors
/// If S3 returns an error or can't be reached.
pub async fn current_identity(client: &Client, object: &ObjectReference) -> Result<ObjectIdentity, S3Error> {
    let request = client.head_object().bucket(&object.bucket).key(&object.key);
    let result: Result<HeadObjectOutput, SdkError<HeadObjectError>> = match bucket_region(client, object) {
        Some(config) => request.customize().config_override(config).send().await,
        None => request.send().await,
    };
    let response = result.map_err(|error| S3Error::new("HeadObject", &object.bucket, &object.key, error))?;
    Ok(ObjectIdentity {
        bucket: object.bucket.clone(),
        key: object.key.clone(),
        version_id: response.version_id.filter(|version| is_version(version)),
        etag: response.e_tag.as_deref().map(unquoted),
    })
}

/// An object in a bucket's listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Key.
    pub key: String,
    /// ETag, without the quotes.
    pub etag: Option<String>,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was stored, in seconds since the Unix epoch.
    pub modified: i64,
}

impl From<&aws_sdk_s3::types::Object> for ListedObject {
    fn from(object: &aws_sdk_s3::types::Object) -> ListedObject {
        ListedObject {
            key: object.key().unwrap_or_default().to_owned(),
            etag: object.e_tag().map(unquoted),
            bytes: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
            modified: object.last_modified().map(DateTime::secs).unwrap_or_default(),
        }
    }
}

/// Lists the objects with this key prefix, page by page and in the order of their keys. Calls `take` for each of them, and
/// stops at its first error.
///
/// # Errors
/// If S3 returns an error or can't be reached, or if `take` returns an error.
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
            take(ListedObject::from(object))?;
        }
    }
    Ok(())
}

/// Lists the objects and the folders that are directly below this key prefix, which is empty or ends in a slash. The folders are prefixes
/// of keys and end in a slash.
///
/// # Errors
/// If S3 returns an error or can't be reached.
pub async fn list_folder(
    client: &Client,
    bucket: &str,
    prefix: &str,
) -> Result<(Vec<ListedObject>, Vec<String>), S3Error> {
    let request = client.list_objects_v2().bucket(bucket).prefix(prefix).delimiter("/");
    let mut pages = request.into_paginator().send();
    let (mut objects, mut folders) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| S3Error::new("ListObjectsV2", bucket, prefix, error))?;
        objects.extend(page.contents().iter().map(ListedObject::from));
        folders.extend(page.common_prefixes().iter().filter_map(|folder| folder.prefix().map(str::to_owned)));
    }
    Ok((objects, folders))
}

/// Lists the folders in a folder, in the order of their keys: those whose key is greater than `after`.
///
/// # Errors
/// If S3 returns an error or can't be reached.
pub async fn list_folders(
    client: &Client,
    bucket: &str,
    folder: &str,
    after: Option<String>,
) -> Result<Vec<String>, S3Error> {
    let request = client.list_objects_v2().bucket(bucket).prefix(folder).delimiter("/").set_start_after(after);
    let mut pages = request.into_paginator().send();
    let mut folders = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| S3Error::new("ListObjectsV2", bucket, folder, error))?;
        folders.extend(page.common_prefixes().iter().filter_map(|found| found.prefix()).map(str::to_owned));
    }
    Ok(folders)
}

fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

impl Object {
    fn new(reference: &ObjectReference, response: GetObjectOutput) -> Object {
        let identity = ObjectIdentity {
            bucket: reference.bucket.clone(),
            key: reference.key.clone(),
            version_id: response.version_id.filter(|version| is_version(version)),
            etag: response.e_tag.as_deref().map(unquoted),
        };
        let bytes = response.content_length.and_then(|length| u64::try_from(length).ok());
        let is_output = response
            .metadata
            .is_some_and(|metadata| metadata.get(OUTPUT_METADATA).is_some_and(|kind| is_output_kind(kind)));
        Object { identity, is_output, bytes, body: response.body }
    }
}

fn is_output_kind(kind: &str) -> bool {
    [TOPOLOGY, WINDOW].contains(&kind) || Kind::ALL.iter().any(|known| known.name() == kind)
}

/// Reports whether the id names a version. Buckets with suspended versioning use "null" for every object.
fn is_version(version_id: &str) -> bool {
    version_id != "null"
}

/// Returns the identity of the object in an event, in the form that [`get`] returns.
pub fn identity(reference: &ObjectReference) -> ObjectIdentity {
    ObjectIdentity {
        bucket: reference.bucket.clone(),
        key: reference.key.clone(),
        version_id: reference.version_id.clone().filter(|version| is_version(version)),
        etag: reference.etag.clone(),
    }
}

/// Kind of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A summary.
    Summary,
    /// The findings of a summary.
    Findings,
    /// A receipt for the alerts of a summary.
    Receipt,
    /// A quarantine receipt.
    Quarantine,
    /// What the function remembers between objects. It is the only kind that changes.
    State,
}

/// Value of the metadata for a part of a snapshot of the network.
pub const TOPOLOGY: &str = "topology";
/// Value of the metadata for a part of a window's report, or a list of parts or objects.
pub const WINDOW: &str = "window";

impl Kind {
    const ALL: [Kind; 5] = [Kind::Summary, Kind::Findings, Kind::Receipt, Kind::Quarantine, Kind::State];

    /// Returns the value of the metadata.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Summary => "summary",
            Kind::Findings => "findings",
            Kind::Receipt => "receipt",
            Kind::Quarantine => "quarantine",
            Kind::State => "state",
        }
    }
}

/// An output to store.
#[derive(Debug, Clone)]
pub struct Output<'a> {
    /// Name of the bucket.
    pub bucket: &'a str,
    /// Key.
    pub key: &'a str,
    /// ARN of the KMS key that encrypts it. Without it, the bucket's default encryption applies.
    pub kms_key_arn: Option<&'a str>,
    /// Name of the kind, which is stored in the metadata.
    pub kind: &'static str,
    /// Media type.
    pub content_type: &'static str,
    /// Other metadata.
    pub metadata: Vec<(&'static str, String)>,
    /// The content.
    pub bytes: Bytes,
}

/// Outcome of [`put_if_absent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// The output was stored.
    Stored,
    /// An object with this key exists. It may be this very output: if S3 stores it and the response is lost, the client
    /// retries and gets this outcome.
    Exists,
}

/// Stores an output unless its key exists.
///
/// # Errors
/// If S3 returns an error or can't be reached.
pub async fn put_if_absent(client: &Client, output: &Output<'_>) -> Result<PutOutcome, S3Error> {
    Ok(match put_if(client, output, None).await? {
        Some(_) => PutOutcome::Stored,
        None => PutOutcome::Exists,
    })
}

/// Stores an output if its key still has the object with this ETag, or, without an ETag, if its key does not exist. Returns the ETag of the
/// stored object, or `None` if the key has another one. That may be this very output, if S3 stored it and its response was lost.
///
/// # Errors
/// If S3 returns an error or can't be reached.
pub async fn put_if(client: &Client, output: &Output<'_>, etag: Option<&str>) -> Result<Option<String>, S3Error> {
    let Output { bucket, key, .. } = output;
    let mut retries = 0;
    loop {
        let request = put_object(client, output);
        let request = match etag {
            Some(etag) => request.if_match(quoted(etag)),
            None => request.if_none_match("*"),
        };
        match request.send().await.map_err(|error| S3Error::new("PutObject", bucket, key, error)) {
            Ok(response) => return Ok(Some(response.e_tag().map(unquoted).unwrap_or_default())),
            Err(error) if error.is_precondition_failed() => return Ok(None),
            // The object with the ETag was removed.
            Err(error) if etag.is_some() && error.is_missing() => return Ok(None),
            Err(error) if error.status == Some(CONFLICT) && retries < CONFLICT_RETRIES => {
                time::sleep(CONFLICT_BACKOFF * 2_u32.pow(retries)).await;
                retries += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Stores an output, and replaces an earlier one.
///
/// # Errors
/// If S3 returns an error or can't be reached.
pub async fn replace(client: &Client, output: &Output<'_>) -> Result<(), S3Error> {
    let result = put_object(client, output).send().await;
    result.map(drop).map_err(|error| S3Error::new("PutObject", output.bucket, output.key, error))
}

fn put_object(client: &Client, output: &Output<'_>) -> PutObjectFluentBuilder {
    let Output { bucket, key, kms_key_arn, kind, content_type, metadata, bytes } = output;
    let mut request = client.put_object().bucket(*bucket).key(*key).content_type(*content_type);
    request = request.metadata(OUTPUT_METADATA, *kind).body(bytes.clone().into());
    for (name, value) in metadata {
        request = request.metadata(*name, value);
    }
    if let Some(arn) = kms_key_arn {
        request = request.server_side_encryption(ServerSideEncryption::AwsKms).ssekms_key_id(*arn);
    }
    request
}

/// Returns the metadata of an object, or `None` if it does not exist.
///
/// # Errors
/// If S3 returns an error or can't be reached.
pub async fn head_object(client: &Client, bucket: &str, key: &str) -> Result<Option<HashMap<String, String>>, S3Error> {
    let result = client.head_object().bucket(bucket).key(key).send().await;
    match result.map_err(|error| S3Error::new("HeadObject", bucket, key, error)) {
        Ok(response) => Ok(Some(response.metadata.unwrap_or_default())),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// An object that is small enough to be read into memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmallObject {
    /// ETag, without quotes.
    pub etag: String,
    /// The content. It is empty if the object is larger than allowed.
    pub bytes: Bytes,
}

/// Reads a small object into memory. Returns `None` if it does not exist.
///
/// # Errors
/// If S3 returns an error or can't be reached, or if the body ends early.
pub async fn read_small(
    client: &Client,
    bucket: &str,
    key: &str,
    max_bytes: u64,
) -> Result<Option<SmallObject>, S3Error> {
    let result = client.get_object().bucket(bucket).key(key).send().await;
    let response = match result.map_err(|error| S3Error::new("GetObject", bucket, key, error)) {
        Ok(response) => response,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
    };
    let etag = response.e_tag().map(unquoted).unwrap_or_default();
    let length = response.content_length().and_then(|length| u64::try_from(length).ok());
    if length.is_none_or(|length| length > max_bytes) {
        return Ok(Some(SmallObject { etag, bytes: Bytes::new() }));
    }
    let body = response.body.collect().await.map_err(|error| S3Error::read_failed("GetObject", bucket, key, error))?;
    Ok(Some(SmallObject { etag, bytes: body.into_bytes() }))
}

/// Reads one of flowsentry's outputs into memory.
///
/// # Errors
/// If S3 returns an error or can't be reached, or if the body ends early.
pub async fn read(client: &Client, bucket: &str, key: &str) -> Result<Bytes, S3Error> {
    let result = client.get_object().bucket(bucket).key(key).send().await;
    let response = result.map_err(|error| S3Error::new("GetObject", bucket, key, error))?;
    let body = response.body.collect().await.map_err(|error| S3Error::read_failed("GetObject", bucket, key, error))?;
    Ok(body.into_bytes())
}

/// Reads an object into memory. Returns `None` if it has more than this number of bytes.
///
/// # Errors
/// If S3 returns an error or can't be reached, or if the body ends early.
pub async fn read_bounded(client: &Client, bucket: &str, key: &str, max_bytes: u64) -> Result<Option<Bytes>, S3Error> {
    let result = client.get_object().bucket(bucket).key(key).send().await;
    let mut body = result.map_err(|error| S3Error::new("GetObject", bucket, key, error))?.body;
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk.map_err(|error| S3Error::read_failed("GetObject", bucket, key, error))?);
        if bytes.len() as u64 > max_bytes {
            return Ok(None);
        }
    }
    Ok(Some(bytes.freeze()))
}
