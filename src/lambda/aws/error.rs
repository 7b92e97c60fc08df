//! Errors of calls to AWS, with what an operator can do about them.

use std::error::Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use thiserror::Error;

const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 412;

/// A call that S3 did not answer as hoped.
#[derive(Debug, Error)]
#[error(
    "{operation} of s3://{bucket}/{key} failed: {code}: {message}{}{}",
    shown_request_id(request_id.as_deref()), advice(operation, code)
)]
pub struct S3Error {
    operation: &'static str,
    bucket: String,
    key: String,
    code: String,
    pub(super) status: Option<u16>,
    message: String,
    request_id: Option<String>,
    source: Box<dyn Error + Send + Sync>,
}

impl S3Error {
    /// AWS's code, such as `NoSuchKey`; else `RequestFailed`, where there was no answer.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// S3 says that the object is not there. A missing bucket is for an operator to make; and who else may answer 404
    /// on the way says nothing of the object. HeadObject's answer has no body that could tell more.
    pub fn is_missing(&self) -> bool {
        let said = matches!(self.code.as_str(), "NoSuchKey" | "NoSuchVersion");
        said || (self.status == Some(NOT_FOUND) && self.operation == "HeadObject")
    }

    /// The object is another one than was asked for, or there is one where none should be.
    pub fn is_precondition_failed(&self) -> bool {
        self.status == Some(PRECONDITION_FAILED)
    }

    /// The object has to be restored from an archive before it can be read.
    pub fn is_archived(&self) -> bool {
        self.code == "InvalidObjectState"
    }

    pub(super) fn broken_off(
        operation: &'static str,
        bucket: &str,
        key: &str,
        source: impl Error + Send + Sync + 'static,
    ) -> S3Error {
        S3Error {
            operation,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            code: "read_failed".to_owned(),
            status: None,
            message: error_chain(&source),
            request_id: None,
            source: Box::new(source),
        }
    }

    pub(super) fn new<E>(operation: &'static str, bucket: &str, key: &str, error: SdkError<E>) -> S3Error
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
        SdkError<E>: RequestId,
    {
        let (code, message) = match &error {
            SdkError::ServiceError(answer) => {
                let metadata = answer.err().meta();
                let status = answer.raw().status().as_u16();
                // Whoever answers in S3's stead says what he likes.
                let code = metadata.code().filter(|code| is_code(code)).unwrap_or_else(|| code_of(status));
                let message = || format!("HTTP status {status}");
                (code.to_owned(), metadata.message().map_or_else(message, str::to_owned))
            }
            _ => ("RequestFailed".to_owned(), error_chain(&error)),
        };
        S3Error {
            operation,
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            code,
            status: error.raw_response().map(|raw| raw.status().as_u16()),
            message,
            request_id: error.request_id().map(str::to_owned),
            source: Box::new(error),
        }
    }
}

fn is_code(text: &str) -> bool {
    (1..=80).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

/// The code of an answer without a body, such as HeadObject's.
fn code_of(status: u16) -> &'static str {
    match status {
        403 => "AccessDenied",
        NOT_FOUND => "NotFound",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        _ => "Unknown",
    }
}

fn shown_request_id(request_id: Option<&str>) -> String {
    request_id.map_or_else(String::new, |id| format!(" (request id {id})"))
}

/// What an operator can do about a refusal.
fn advice(operation: &str, code: &str) -> &'static str {
    match (code, operation) {
        ("AccessDenied" | "Forbidden", "PutObject") => {
            "; the function's role needs s3:PutObject there, and kms:GenerateDataKey if the bucket is encrypted with KMS"
        }
        ("AccessDenied" | "Forbidden", _) => {
            "; the function's role needs s3:GetObject there (s3:GetObjectVersion for a version), s3:ListBucket to detect \
             missing objects, and kms:Decrypt if the bucket is encrypted with KMS"
        }
        ("NoSuchBucket" | "PermanentRedirect", _) => "; check the name and the region of the bucket",
        _ => "",
    }
}

/// What an error and its causes say: the SDK's own errors say little without them.
pub(super) fn error_chain(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told += &format!(": {error}");
        cause = error.source();
    }
    told
}
