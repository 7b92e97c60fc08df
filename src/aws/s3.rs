//! Objects in S3: read as a stream, written whole.

use std::error::Error;
use std::io::{self, Read};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use thiserror::Error;
use tokio_util::io::SyncIoBridge;

use crate::event::ObjectReference;
use crate::summary::ObjectIdentity;

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>, of `If-None-Match`.
const NOT_MODIFIED: u16 = 304;

/// An object whose body is still to be read.
#[derive(Debug)]
pub struct Object {
    /// Which version it is.
    pub identity: ObjectIdentity,
    bytes: Option<u64>,
    body: ByteStream,
}

/// A call that S3 did not answer as hoped.
#[derive(Debug, Error)]
#[error("{operation} of s3://{bucket}/{key} failed: {code}: {message}{}", shown_request_id(request_id.as_deref()))]
pub struct S3Error {
    operation: &'static str,
    bucket: String,
    key: String,
    code: String,
    message: String,
    request_id: Option<String>,
    source: Box<dyn Error + Send + Sync>,
}

impl S3Error {
    /// AWS's code, such as `NoSuchKey`; else `RequestFailed`, where there was no answer.
    pub fn code(&self) -> &str {
        &self.code
    }

    fn new<E>(operation: &'static str, bucket: &str, key: &str, error: SdkError<E>) -> S3Error
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
        SdkError<E>: RequestId,
    {
        let (code, message) = match &error {
            SdkError::ServiceError(answer) => {
                let metadata = answer.err().meta();
                let status = || format!("HTTP status {}: {}", answer.raw().status().as_u16(), chain(answer.err()));
                (metadata.code().unwrap_or("Unknown").to_owned(), metadata.message().map_or_else(status, str::to_owned))
            }
            _ => ("RequestFailed".to_owned(), chain(&error)),
        };
        S3Error {
            operation,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            code,
            message,
            request_id: error.request_id().map(str::to_owned),
            source: Box::new(error),
        }
    }
}

fn shown_request_id(request_id: Option<&str>) -> String {
    request_id.map_or_else(String::new, |id| format!(" (request id {id})"))
}

/// What an error and its causes say: the SDK's own errors say little without them.
fn chain(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told += &format!(": {error}");
        cause = error.source();
    }
    told
}

/// Begins to read an object: the version that the reference names, else the latest.
///
/// # Errors
/// Where S3 refuses, or can't be reached.
pub async fn get(client: &Client, object: &ObjectReference) -> Result<Object, S3Error> {
    let ObjectReference { bucket, key, .. } = object;
    let answer = get_object(client, object).send().await;
    answer.map(|answer| Object::new(object, answer)).map_err(|error| S3Error::new("GetObject", bucket, key, error))
}

/// Begins to read an object, unless its ETag is still this one.
///
/// # Errors
/// Where S3 refuses, or can't be reached.
pub async fn get_if_changed(client: &Client, object: &ObjectReference, etag: &str) -> Result<Option<Object>, S3Error> {
    let ObjectReference { bucket, key, .. } = object;
    match get_object(client, object).if_none_match(format!("\"{etag}\"")).send().await {
        Ok(answer) => Ok(Some(Object::new(object, answer))),
        Err(error) if error.raw_response().is_some_and(|raw| raw.status().as_u16() == NOT_MODIFIED) => Ok(None),
        Err(error) => Err(S3Error::new("GetObject", bucket, key, error)),
    }
}

fn get_object(client: &Client, object: &ObjectReference) -> GetObjectFluentBuilder {
    let ObjectReference { bucket, key, version_id } = object;
    client.get_object().bucket(bucket).key(key).set_version_id(version_id.clone())
}

/// An object as a list of a bucket tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
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
    mut take: impl FnMut(Listed) -> Result<(), E>,
) -> Result<(), E> {
    let mut pages = client.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| S3Error::new("ListObjectsV2", bucket, prefix, error))?;
        for object in page.contents() {
            take(Listed {
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

impl Object {
    fn new(reference: &ObjectReference, answer: GetObjectOutput) -> Object {
        let identity = ObjectIdentity {
            bucket: reference.bucket.clone(),
            key: reference.key.clone(),
            // Of a bucket whose versioning is suspended, all objects have the version "null".
            version_id: answer.version_id.filter(|version| version != "null"),
            etag: answer.e_tag.as_deref().map(unquoted),
        };
        let bytes = answer.content_length.and_then(|length| u64::try_from(length).ok());
        Object { identity, bytes, body: answer.body }
    }

    /// The body, for a thread that may block. To be called within the runtime that the client runs on.
    pub fn into_reader(self) -> impl Read + Send + 'static {
        Body { inner: SyncIoBridge::new(Box::pin(self.body.into_async_read())), read: 0, announced: self.bytes }
    }
}

/// Writes an object.
///
/// # Errors
/// Where S3 refuses, or can't be reached.
pub async fn put(client: &Client, bucket: &str, key: &str, content_type: &str, bytes: Vec<u8>) -> Result<(), S3Error> {
    let request = client.put_object().bucket(bucket).key(key).content_type(content_type).body(bytes.into());
    request.send().await.map_err(|error| S3Error::new("PutObject", bucket, key, error))?;
    Ok(())
}

/// A body that must be as long as S3 announced.
struct Body<R> {
    inner: R,
    read: u64,
    announced: Option<u64>,
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer).map_err(|error| io::Error::new(error.kind(), chain(&error)))?;
        self.read += count as u64;
        match self.announced {
            Some(announced) if count == 0 && !buffer.is_empty() && self.read != announced => {
                let message = format!("the body ended after {} of {announced} bytes", self.read);
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, message))
            }
            _ => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], announced: Option<u64>) -> Result<Vec<u8>, String> {
        let mut read = Vec::new();
        let mut body = Body { inner: bytes, read: 0, announced };
        body.read_to_end(&mut read).map(|_| read).map_err(|error| error.to_string())
    }

    #[test]
    fn a_body_must_be_as_long_as_announced() {
        assert_eq!(read(b"abc", Some(3)), Ok(b"abc".to_vec()));
        assert_eq!(read(b"abc", None), Ok(b"abc".to_vec()));
        assert_eq!(read(b"", Some(0)), Ok(vec![]));
        assert_eq!(read(b"abc", Some(4)), Err("the body ended after 3 of 4 bytes".to_owned()));
        assert_eq!(read(b"abc", Some(2)), Err("the body ended after 3 of 2 bytes".to_owned()));
    }
}
