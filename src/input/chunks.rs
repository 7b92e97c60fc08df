//! Reads text in chunks and indexes their delimiters, inline or on a background thread.
//!
//! A chunk starts at `HEADROOM` in its buffer, so that the unfinished line of the chunk before fits in front of it. With a
//! background thread, `BUFFERS` buffers travel between the two threads over bounded channels: memory stays constant.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::MAX_LINE_BYTES;
use super::delimiters::{BLOCK_BYTES, DelimiterIndex};
use crate::error::ObjectError;
use crate::input::decoder::Decoder;
use crate::input::padded_buffer::{Buffer, CAPACITY};

/// Text bytes per chunk. Half and one and a half times as many take the same time.
pub(super) const CHUNK_BYTES: usize = 128 << 10;
/// Start of a chunk in its buffer. The room before it fits the longest unfinished line with its line end, and the bytes that a word
/// reads before a value.
pub(super) const HEADROOM: usize = MAX_LINE_BYTES + 2 * BLOCK_BYTES;
const _: () =
    assert!(HEADROOM + CHUNK_BYTES + BLOCK_BYTES <= CAPACITY, "a block that begins in a chunk ends in the buffer");
/// Buffers in use with a background thread: each thread works on one, and one waits for each.
const BUFFERS: usize = 4;

/// Source of chunks.
pub enum ChunkReader<R> {
    /// Decompresses each chunk on request.
    Inline(Decoder<R>),
    /// Receives chunks from a background thread.
    Prefetched(Prefetched),
}

/// The receiving side of a background thread.
pub struct Prefetched {
    full: Receiver<Result<FilledChunk, ObjectError>>,
    empty: SyncSender<Chunk>,
    compressed_bytes: u64,
    bytes: u64,
}

/// The work of the background thread.
pub struct DecompressWorker<R> {
    text: Decoder<R>,
    full: SyncSender<Result<FilledChunk, ObjectError>>,
    empty: Receiver<Chunk>,
}

struct FilledChunk {
    chunk: Chunk,
    count: usize,
    /// Input bytes used up to the end of this chunk.
    compressed_bytes: u64,
}

/// A buffer with text from [`HEADROOM`] on, and the index of its delimiters.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) buffer: Buffer,
    pub(super) delimiters: DelimiterIndex,
}

impl Chunk {
    /// Reads the next bytes of the text. Returns their number; 0 is the verified end.
    #[expect(clippy::indexing_slicing, reason = "a buffer has room for the headroom and a chunk")]
    fn read(&mut self, text: &mut Decoder<impl Read>) -> Result<usize, ObjectError> {
        let count = text.read(&mut self.buffer.bytes[HEADROOM..HEADROOM + CHUNK_BYTES])?;
        self.delimiters.find(&self.buffer, HEADROOM, HEADROOM + count);
        Ok(count)
    }
}

impl<R: Read> ChunkReader<R> {
    /// Creates a reader that decompresses on request.
    pub fn here(text: Decoder<R>) -> ChunkReader<R> {
        ChunkReader::Inline(text)
    }

    /// Creates a reader and the worker that decompresses for it. Run the worker on another thread.
    pub fn ahead(text: Decoder<R>) -> (ChunkReader<R>, DecompressWorker<R>) {
        let (full_in, full) = sync_channel(BUFFERS);
        let (empty, empty_out) = sync_channel(BUFFERS);
        let decompression = DecompressWorker { text, full: full_in, empty: empty_out };
        for _ in 1..BUFFERS {
            // The channel has room for all buffers.
            drop(empty.try_send(Chunk::default()));
        }
        (ChunkReader::Prefetched(Prefetched { full, empty, compressed_bytes: 0, bytes: 0 }), decompression)
    }

    /// Replaces `chunk` by the next one, and copies the bytes at `kept`, the unfinished line, right before its text. Returns the
    /// length of the text; 0 is the verified end.
    ///
    /// # Errors
    /// If the text cannot be read to its end.
    #[expect(clippy::indexing_slicing, reason = "an unfinished line fits into the headroom, and lies in the buffer")]
    pub(super) fn next(&mut self, chunk: &mut Chunk, kept: Range<usize>) -> Result<usize, ObjectError> {
        let room = HEADROOM - kept.len()..HEADROOM;
        match self {
            ChunkReader::Inline(text) => {
                chunk.buffer.bytes.copy_within(kept, room.start);
                chunk.read(text)
            }
            ChunkReader::Prefetched(ahead) => {
                let full = ahead.full.recv().unwrap_or_else(|_| Err(worker_gone()));
                let FilledChunk { chunk: mut next, count, compressed_bytes } = full?;
                next.buffer.bytes[room].copy_from_slice(&chunk.buffer.bytes[kept]);
                (ahead.compressed_bytes, ahead.bytes) = (compressed_bytes, ahead.bytes + count as u64);
                let used = std::mem::replace(chunk, next);
                // After the end, the worker is gone and takes no buffer.
                drop(ahead.empty.try_send(used));
                Ok(count)
            }
        }
    }

    /// Returns the number of input bytes used so far.
    pub(super) fn compressed_bytes(&self) -> u64 {
        match self {
            ChunkReader::Inline(text) => text.compressed_bytes(),
            ChunkReader::Prefetched(ahead) => ahead.compressed_bytes,
        }
    }

    /// Returns the number of text bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            ChunkReader::Inline(text) => text.bytes(),
            ChunkReader::Prefetched(ahead) => ahead.bytes,
        }
    }
}

#[cfg(test)]
impl ChunkReader<&[u8]> {
    /// Creates a reader whose chunks are these pieces.
    pub(super) fn from_pieces(pieces: &[&[u8]]) -> ChunkReader<&'static [u8]> {
        let (full_in, full) = sync_channel(pieces.len() + 1);
        for piece in pieces.iter().filter(|piece| !piece.is_empty()).chain([&&b""[..]]) {
            let mut chunk = Chunk::default();
            let end = HEADROOM + piece.len();
            chunk.buffer.bytes[HEADROOM..end].copy_from_slice(piece);
            chunk.delimiters.find(&chunk.buffer, HEADROOM, end);
            full_in.send(Ok(FilledChunk { chunk, count: piece.len(), compressed_bytes: 0 })).expect("there is room");
        }
        let (empty, _) = sync_channel(1);
        ChunkReader::Prefetched(Prefetched { full, empty, compressed_bytes: 0, bytes: 0 })
    }
}

/// Returns the error for a request after the last chunk, or after the worker ended.
fn worker_gone() -> ObjectError {
    ObjectError::Read(io::Error::other("decompression ended before the text"))
}

impl<R: Read> DecompressWorker<R> {
    /// Decompresses until the end, an error, or until the reader is dropped.
    pub fn run(mut self) {
        while let Ok(mut chunk) = self.empty.recv() {
            let read = chunk.read(&mut self.text);
            let ended = !matches!(read, Ok(1..));
            let compressed_bytes = self.text.compressed_bytes();
            let full = read.map(|count| FilledChunk { chunk, count, compressed_bytes });
            if self.full.send(full).is_err() || ended {
                return;
            }
        }
    }
}
