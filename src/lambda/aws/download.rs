//! An object's body on its way: fetched while it is read, resumed where it breaks off, and as long as announced.

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

/// A body that breaks off is asked for again from there on, so often in all.
const MAX_RESUMPTIONS: u32 = 5;
const INITIAL_BACKOFF: Duration = Duration::from_millis(100);
/// Pieces that wait to be read, each as large as the network gives them: some 100 KiB at most.
const WAITING_PIECES: usize = 8;

/// Why a body ends before its end.
#[derive(Debug, Error)]
pub enum BodyError {
    /// The object was replaced while it was read.
    #[error("the object was replaced during the download")]
    Replaced,
    /// It was deleted while it was read.
    #[error("the object was deleted during the download")]
    Deleted,
    /// It broke off, once too often.
    #[error("{reason} after {received} of {} bytes and {resumptions} resumption(s)", shown(*announced))]
    BrokenOff {
        /// What went wrong last.
        reason: String,
        /// Bytes that came.
        received: u64,
        /// Bytes that S3 announced.
        announced: Option<u64>,
        /// How often the rest was asked for.
        resumptions: u32,
    },
    /// Nobody wants it any more: there is no time left.
    #[error("the download was cancelled")]
    Cancelled,
}

fn shown(announced: Option<u64>) -> String {
    announced.map_or_else(|| "an unknown number of".to_owned(), |bytes| bytes.to_string())
}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> io::Error {
        io::Error::other(error)
    }
}

/// A body for a thread that may block.
#[derive(Debug)]
pub struct Body {
    pieces: Receiver<Result<Bytes, BodyError>>,
    piece: Bytes,
    ended: bool,
    given_up: Arc<AtomicBool>,
    download: AbortHandle,
}

impl Body {
    /// Starts to download an object's body, for a thread that may block. Call it within the runtime that the client runs on.
    pub fn download(object: Object, client: Client, reference: ObjectReference) -> Body {
        let (sender, pieces) = mpsc::channel(WAITING_PIECES);
        let download = Download {
            etag: object.identity.etag,
            announced: object.bytes,
            received: 0,
            resumptions: 0,
            client,
            reference,
        };
        let task: JoinHandle<()> = tokio::spawn(download.run(object.body, sender));
        Body::new(pieces, task.abort_handle())
    }

    fn new(pieces: Receiver<Result<Bytes, BodyError>>, download: AbortHandle) -> Body {
        Body { pieces, piece: Bytes::new(), ended: false, given_up: Arc::default(), download }
    }

    /// By which the download ends when nobody waits for what is made of it any more.
    pub fn guard(&self) -> DownloadGuard {
        DownloadGuard { download: self.download.clone(), given_up: Arc::clone(&self.given_up) }
    }
}

/// Ends a download with itself; who reads the body gets an error then.
#[derive(Debug)]
pub struct DownloadGuard {
    download: AbortHandle,
    given_up: Arc<AtomicBool>,
}

impl Drop for DownloadGuard {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
        self.download.abort();
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // What came already may be much to work on.
        if self.given_up.load(Ordering::Relaxed) {
            return Err(BodyError::Cancelled.into());
        }
        while self.piece.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                // An empty piece is the end: without one, the download did not come to it.
                Some(Ok(piece)) => (self.ended, self.piece) = (piece.is_empty(), piece),
                Some(Err(error)) => return Err(error.into()),
                None => return Err(BodyError::Cancelled.into()),
            }
        }
        let count = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

struct Download {
    client: Client,
    reference: ObjectReference,
    etag: Option<String>,
    announced: Option<u64>,
    received: u64,
    resumptions: u32,
}

impl Download {
    /// Hands on what comes, an empty piece last. Whoever reads may stop to.
    async fn run(mut self, mut body: ByteStream, sender: Sender<Result<Bytes, BodyError>>) {
        loop {
            let piece = match body.next().await {
                Some(Ok(piece)) if piece.is_empty() => continue,
                Some(Ok(piece)) => {
                    self.received += piece.len() as u64;
                    piece
                }
                None if self.is_whole() => Bytes::new(),
                broken => match self.rest(broken.and_then(Result::err).map(|error| error_chain(&error))).await {
                    Ok(rest) => {
                        body = rest;
                        continue;
                    }
                    Err(error) => {
                        drop(sender.send(Err(error)).await);
                        return;
                    }
                },
            };
            let is_end = piece.is_empty();
            if sender.send(Ok(piece)).await.is_err() || is_end {
                return;
            }
        }
    }

    /// Without an announcement, the end of the body is all that tells.
    fn is_whole(&self) -> bool {
        self.announced.is_none_or(|announced| self.received == announced)
    }

    /// What is still to come after the body broke off: of the same version, from the byte where it did.
    async fn rest(&mut self, reason: Option<String>) -> Result<ByteStream, BodyError> {
        let mut reason = reason.unwrap_or_else(|| "the body ended".to_owned());
        let more_to_come = self.announced.is_some_and(|announced| self.received < announced);
        // A body that came whole and is refused does not match its check sum: all of it is in doubt.
        let Some(etag) = self.etag.clone().filter(|_| more_to_come) else { return Err(self.broken_off(reason)) };
        while self.resumptions < MAX_RESUMPTIONS {
            time::sleep(INITIAL_BACKOFF * 2_u32.pow(self.resumptions)).await;
            self.resumptions += 1;
            match s3::get_rest(&self.client, &self.reference, &etag, self.received).await {
                Ok(answer) if is_from(answer.content_range.as_deref(), self.received) => return Ok(answer.body),
                Ok(_) => reason = "S3 did not return the requested range".to_owned(),
                Err(error) => reason = refused(&error)?,
            }
        }
        Err(self.broken_off(reason))
    }

    fn broken_off(&self, reason: String) -> BodyError {
        let &Download { received, announced, resumptions, .. } = self;
        BodyError::BrokenOff { reason, received, announced, resumptions }
    }
}

/// Whether an answer begins at this byte, as its `Content-Range` tells.
fn is_from(content_range: Option<&str>, from: u64) -> bool {
    content_range.is_some_and(|range| range.starts_with(&format!("bytes {from}-")))
}

fn refused(error: &S3Error) -> Result<String, BodyError> {
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
    fn the_rest_begins_where_it_was_asked_for() {
        assert!(is_from(Some("bytes 10-99/100"), 10));
        for other in [None, Some("bytes 0-99/100"), Some("bytes 100-199/200"), Some("10-99/100"), Some("")] {
            assert!(!is_from(other, 10), "{other:?}");
        }
    }

    #[tokio::test]
    async fn a_download_that_is_given_up_is_no_end() {
        let (sender, pieces) = mpsc::channel(1);
        let task: JoinHandle<()> = tokio::spawn(async move {
            drop(sender.send(Ok(Bytes::from_static(b"abc"))).await);
            time::sleep(Duration::from_secs(3600)).await;
        });
        let mut body = Body::new(pieces, task.abort_handle());
        let guard = body.guard();
        let read = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            (body.read_to_end(&mut all).map_err(|error| error.to_string()), all)
        });
        time::sleep(Duration::from_millis(20)).await;
        drop(guard);
        assert_eq!(read.await.expect("no panic"), (Err("the download was cancelled".to_owned()), b"abc".to_vec()));
    }
}
