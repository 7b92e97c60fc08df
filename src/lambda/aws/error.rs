//! Errors of S3 calls, with advice for the operator.

use std::error::Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;
use thiserror::Error;

const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 412;

/// A failed call to S3.
#[derive(Debug, Error)]
#[error(
    "{operation} of s3://{bucket}/{key} failed: {code}: {message}{}{}",
    format_request_id(request_id.as_deref()), advice(operation, code)
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
    /// Returns AWS's error code, such as `NoSuchKey`, or `RequestFailed` if there was no response.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Reports whether S3 says that the object does not exist. A 404 status alone is not enough: the bucket may be
    /// missing, or a proxy may have sent it. Only for `HeadObject` it counts, because its response has no body with a code.
    pub fn is_missing(&self) -> bool {
        let has_missing_code = matches!(self.code.as_str(), "NoSuchKey" | "NoSuchVersion");
        has_missing_code || (self.status == Some(NOT_FOUND) && self.operation == "HeadObject")
    }

    /// Reports whether a condition failed: the object has another ETag, or it exists and should not.
    pub fn is_precondition_failed(&self) -> bool {
        self.status == Some(PRECONDITION_FAILED)
    }

    /// Reports whether the object must be restored from an archive before it can be read.
    pub fn is_archived(&self) -> bool {
        self.code == "InvalidObjectState"
    }

    /// Creates the error of a body that could not be read to its end.
    pub(super) fn read_failed(
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

    /// Creates the error of a failed call.
    pub(super) fn new<E>(operation: &'static str, bucket: &str, key: &str, error: SdkError<E>) -> S3Error
    where
        E: Error + ProvideErrorMetadata + Send + Sync + 'static,
        SdkError<E>: RequestId,
    {
        let (code, message) = match &error {
            SdkError::ServiceError(response) => {
                let metadata = response.err().meta();
                let status = response.raw().status().as_u16();
                // A proxy may respond instead of S3, with any text as the code.
                let code = metadata.code().filter(|code| is_code(code)).unwrap_or_else(|| code_for_status(status));
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

/// Returns the code for a response without a body, such as `HeadObject`'s.
fn code_for_status(status: u16) -> &'static str {
    match status {
        403 => "AccessDenied",
        NOT_FOUND => "NotFound",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        _ => "Unknown",
    }
}

fn format_request_id(request_id: Option<&str>) -> String {
    request_id.map_or_else(String::new, |id| format!(" (request id {id})"))
}

/// Returns advice for the operator, or an empty string.
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

/// Joins the messages of an error and its causes: the SDK's top-level messages are too general.
pub(super) fn error_chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message += &format!(": {error}");
        cause = error.source();
    }
    message
}
