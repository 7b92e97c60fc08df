//! Streams an object's body to a blocking reader: fetches ahead, resumes after an interruption, and checks the length.
//!
//! A task on the runtime sends chunks through a bounded channel; [`Body`] reads them on a thread that may block. An empty
//! chunk marks the end. If the channel closes without one, the download was cancelled, and the reader gets an error instead
//! of an early end of file. [`DownloadGuard`] cancels both sides when it is dropped.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Buf, Bytes};
use thiserror::Error;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time;

use super::error::{S3Error, error_chain};
use super::s3::{self, Object};
use crate::lambda::event::ObjectReference;

/// Maximum number of requests for the rest of an interrupted body.
const MAX_RESUMPTIONS: u32 = 5;
const INITIAL_BACKOFF: Duration = Duration::from_millis(100);
/// Maximum number of chunks that wait to be read. The network decides their size, which is about 100 KiB at most.
const MAX_WAITING_CHUNKS: usize = 8;

/// Why a body ended early.
#[derive(Debug, Error)]
pub enum BodyError {
    /// The object was replaced during the download.
    #[error("the object was replaced during the download")]
    Replaced,
    /// The object was deleted during the download.
    #[error("the object was deleted during the download")]
    Deleted,
    /// The download was interrupted too often, or could not be resumed.
    #[error("{reason} after {received} of {} bytes and {resumptions} resumption(s)", format_length(*content_length))]
    Interrupted {
        /// The cause of the last interruption.
        reason: String,
        /// Number of bytes received.
        received: u64,
        /// The length that S3 announced, in bytes.
        content_length: Option<u64>,
        /// Number of requests for the rest.
        resumptions: u32,
    },
    /// The result is not needed any more, because no time is left.
    #[error("the download was cancelled")]
    Cancelled,
}

fn format_length(content_length: Option<u64>) -> String {
    content_length.map_or_else(|| "an unknown number of".to_owned(), |bytes| bytes.to_string())
}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> io::Error {
        io::Error::other(error)
    }
}

/// The body of an object, for a thread that may block.
#[derive(Debug)]
pub struct Body {
    chunks: Receiver<Result<Bytes, BodyError>>,
    chunk: Bytes,
    ended: bool,
    cancelled: Arc<AtomicBool>,
    download: AbortHandle,
}

impl Body {
    /// Starts to download an object's body. Call it within the runtime that the client uses, and read the body on a thread
    /// that may block.
    pub fn download(object: Object, client: Client, reference: ObjectReference) -> Body {
        let (sender, chunks) = mpsc::channel(MAX_WAITING_CHUNKS);
        let download = Download {
            etag: object.identity.etag,
            content_length: object.bytes,
            received: 0,
            resumptions: 0,
            client,
            reference,
        };
        let task: JoinHandle<()> = tokio::spawn(download.run(object.body, sender));
        Body::new(chunks, task.abort_handle())
    }

    fn new(chunks: Receiver<Result<Bytes, BodyError>>, download: AbortHandle) -> Body {
        Body { chunks, chunk: Bytes::new(), ended: false, cancelled: Arc::default(), download }
    }

    /// Returns a guard that cancels the download when it is dropped.
    pub fn cancel_on_drop(&self) -> DownloadGuard {
        DownloadGuard { download: self.download.clone(), cancelled: Arc::clone(&self.cancelled) }
    }
}

/// Cancels a download when it is dropped. The reader of the body then gets an error.
#[derive(Debug)]
pub struct DownloadGuard {
    download: AbortHandle,
    cancelled: Arc<AtomicBool>,
}

impl Drop for DownloadGuard {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.download.abort();
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Chunks that already arrived would otherwise still be processed, which can take long.
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(BodyError::Cancelled.into());
        }
        while self.chunk.is_empty() && !self.ended {
            match self.chunks.blocking_recv() {
                // Only an empty chunk marks a complete download.
                Some(Ok(chunk)) => (self.ended, self.chunk) = (chunk.is_empty(), chunk),
                Some(Err(error)) => return Err(error.into()),
                None => return Err(BodyError::Cancelled.into()),
            }
        }
        let count = self.chunk.len().min(buffer.len());
        let (target, _) = buffer.split_at_mut(count);
        self.chunk.copy_to_slice(target);
        Ok(count)
    }
}

struct Download {
    client: Client,
    reference: ObjectReference,
    etag: Option<String>,
    content_length: Option<u64>,
    received: u64,
    resumptions: u32,
}

impl Download {
    /// Sends the chunks of the body, then an empty one. Stops early if the reader is gone.
    async fn run(mut self, mut body: ByteStream, sender: Sender<Result<Bytes, BodyError>>) {
        loop {
            let chunk = match body.next().await {
                Some(Ok(chunk)) if chunk.is_empty() => continue,
                Some(Ok(chunk)) => {
                    self.received += chunk.len() as u64;
                    chunk
                }
                None if self.is_complete() => Bytes::new(),
                interrupted => {
                    let reason = interrupted.and_then(Result::err).map(|error| error_chain(&error));
                    match self.resume(reason).await {
                        Ok(remaining) => {
                            body = remaining;
                            continue;
                        }
                        Err(error) => {
                            drop(sender.send(Err(error)).await);
                            return;
                        }
                    }
                }
            };
            let is_end = chunk.is_empty();
            if sender.send(Ok(chunk)).await.is_err() || is_end {
                return;
            }
        }
    }

    /// Reports whether the announced length was received. Without an announced length every end counts as complete.
    fn is_complete(&self) -> bool {
        self.content_length.is_none_or(|length| self.received == length)
    }

    /// Requests the rest of the body, from the same version of the object.
    async fn resume(&mut self, reason: Option<String>) -> Result<ByteStream, BodyError> {
        let mut reason = reason.unwrap_or_else(|| "the body ended".to_owned());
        let is_incomplete = self.content_length.is_some_and(|length| self.received < length);
        // An error after all bytes is a checksum mismatch: every byte is in doubt, so there is nothing to resume.
        let Some(etag) = self.etag.clone().filter(|_| is_incomplete) else { return Err(self.interrupted(reason)) };
        while self.resumptions < MAX_RESUMPTIONS {
            time::sleep(INITIAL_BACKOFF * 2_u32.pow(self.resumptions)).await;
            self.resumptions += 1;
            match s3::get_from(&self.client, &self.reference, &etag, self.received).await {
                Ok(response) if starts_at(response.content_range.as_deref(), self.received) => return Ok(response.body),
                Ok(_) => reason = "S3 did not return the requested range".to_owned(),
                Err(error) => reason = retry_reason(&error)?,
            }
        }
        Err(self.interrupted(reason))
    }

    fn interrupted(&self, reason: String) -> BodyError {
        let &Download { received, content_length, resumptions, .. } = self;
        BodyError::Interrupted { reason, received, content_length, resumptions }
    }
}

/// Reports whether a response with this `Content-Range` starts at this byte.
fn starts_at(content_range: Option<&str>, from: u64) -> bool {
    content_range.is_some_and(|range| range.starts_with(&format!("bytes {from}-")))
}

/// Returns the message of an error that may pass, or the final error of the body.
fn retry_reason(error: &S3Error) -> Result<String, BodyError> {
    if error.is_precondition_failed() {
        Err(BodyError::Replaced)
    } else if error.is_missing() {
        Err(BodyError::Deleted)
    } else {
        Ok(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_body_must_start_at_the_requested_byte() {
        assert!(starts_at(Some("bytes 10-99/100"), 10));
        for other in [None, Some("bytes 0-99/100"), Some("bytes 100-199/200"), Some("10-99/100"), Some("")] {
            assert!(!starts_at(other, 10), "{other:?}");
        }
    }

    #[tokio::test]
    async fn a_cancelled_download_is_an_error_for_the_reader() {
        let (sender, chunks) = mpsc::channel(1);
        let task: JoinHandle<()> = tokio::spawn(async move {
            drop(sender.send(Ok(Bytes::from_static(b"abc"))).await);
            time::sleep(Duration::from_secs(3600)).await;
        });
        let mut body = Body::new(chunks, task.abort_handle());
        let guard = body.cancel_on_drop();
        let read = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            (body.read_to_end(&mut all).map_err(|error| error.to_string()), all)
        });
        time::sleep(Duration::from_millis(20)).await;
        drop(guard);
        assert_eq!(read.await.expect("no panic"), (Err("the download was cancelled".to_owned()), b"abc".to_vec()));
    }
}
