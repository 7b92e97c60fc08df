//! Decoder, slice by slice: decompressed, and its separators found, here or ahead on another thread.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::MAX_LINE_BYTES;
use super::delimiters::{BLOCK_BYTES, DelimiterIndex};
use crate::error::ObjectError;
use crate::input::decoder::Decoder;
use crate::input::padded_buffer::{Buffer, CAPACITY};

/// Half as many take as long, and so do half as many more.
pub(super) const SLICE_BYTES: usize = 128 << 10;
/// Where in a buffer a slice begins: before it is room for the line that it continues, which is not longer than a line may
/// be and its end, and for what is read with a value.
pub(super) const HEADROOM: usize = MAX_LINE_BYTES + 2 * BLOCK_BYTES;
const _: () =
    assert!(HEADROOM + SLICE_BYTES + BLOCK_BYTES <= CAPACITY, "a block that begins in a slice ends in the buffer");
/// So many slices are decompressed ahead: each side works on one, and one waits for each.
const BUFFERS: usize = 4;

/// The slices of an object's text.
pub enum ChunkReader<R> {
    /// Each decompressed when it is asked for.
    Inline(Decoder<R>),
    /// Decompressed ahead.
    Prefetched(Prefetched),
}

/// ChunkReader that another thread decompresses.
pub struct Prefetched {
    full: Receiver<Result<FilledChunk, ObjectError>>,
    empty: SyncSender<Slice>,
    compressed_bytes: u64,
    bytes: u64,
}

/// What the other thread does.
pub struct DecompressWorker<R> {
    text: Decoder<R>,
    full: SyncSender<Result<FilledChunk, ObjectError>>,
    empty: Receiver<Slice>,
}

struct FilledChunk {
    slice: Slice,
    count: usize,
    /// Bytes of the input that were used up to its end.
    compressed_bytes: u64,
}

/// Some text, from [`HEADROOM`] on, and where its separators are.
#[derive(Default)]
pub(super) struct Slice {
    pub(super) buffer: Buffer,
    pub(super) separators: DelimiterIndex,
}

impl Slice {
    /// Reads the next bytes of the text. Returns their number; 0 is the verified end.
    fn read(&mut self, text: &mut Decoder<impl Read>) -> Result<usize, ObjectError> {
        let count = text.read(&mut self.buffer.bytes[HEADROOM..HEADROOM + SLICE_BYTES])?;
        self.separators.find(&self.buffer, HEADROOM, HEADROOM + count);
        Ok(count)
    }
}

impl<R: Read> ChunkReader<R> {
    /// Decompressed when they are asked for.
    pub fn here(text: Decoder<R>) -> ChunkReader<R> {
        ChunkReader::Inline(text)
    }

    /// Decompressed ahead, by what is to be run on another thread.
    pub fn ahead(text: Decoder<R>) -> (ChunkReader<R>, DecompressWorker<R>) {
        let (full_in, full) = sync_channel(BUFFERS);
        let (empty, empty_out) = sync_channel(BUFFERS);
        let decompression = DecompressWorker { text, full: full_in, empty: empty_out };
        for _ in 1..BUFFERS {
            // There is room for all of them.
            empty.try_send(Slice::default()).ok();
        }
        (ChunkReader::Prefetched(Prefetched { full, empty, compressed_bytes: 0, bytes: 0 }), decompression)
    }

    /// Gives the next slice in place of one, and right before its text what stood there at `kept`, the end of its text. Says how
    /// long the text is; 0 is the verified end.
    ///
    /// # Errors
    /// Where the text can't be read to its end.
    pub(super) fn next(&mut self, slice: &mut Slice, kept: Range<usize>) -> Result<usize, ObjectError> {
        let room = HEADROOM - kept.len()..HEADROOM;
        match self {
            ChunkReader::Inline(text) => {
                slice.buffer.bytes.copy_within(kept, room.start);
                slice.read(text)
            }
            ChunkReader::Prefetched(ahead) => {
                let full = ahead.full.recv().unwrap_or_else(|_| Err(worker_gone()));
                let FilledChunk { slice: mut next, count, compressed_bytes } = full?;
                next.buffer.bytes[room].copy_from_slice(&slice.buffer.bytes[kept]);
                (ahead.compressed_bytes, ahead.bytes) = (compressed_bytes, ahead.bytes + count as u64);
                let spent = std::mem::replace(slice, next);
                // Nobody takes it after the end.
                ahead.empty.try_send(spent).ok();
                Ok(count)
            }
        }
    }

    /// Bytes of the input that were used up so far.
    pub(super) fn compressed_bytes(&self) -> u64 {
        match self {
            ChunkReader::Inline(text) => text.compressed_bytes(),
            ChunkReader::Prefetched(ahead) => ahead.compressed_bytes,
        }
    }

    /// Bytes of text so far.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            ChunkReader::Inline(text) => text.bytes(),
            ChunkReader::Prefetched(ahead) => ahead.bytes,
        }
    }
}

#[cfg(test)]
impl ChunkReader<&[u8]> {
    /// Those of text that comes in these pieces.
    pub(super) fn of(pieces: &[&[u8]]) -> ChunkReader<&'static [u8]> {
        let (full_in, full) = sync_channel(pieces.len() + 1);
        for piece in pieces.iter().filter(|piece| !piece.is_empty()).chain([&&b""[..]]) {
            let mut slice = Slice::default();
            let end = HEADROOM + piece.len();
            slice.buffer.bytes[HEADROOM..end].copy_from_slice(piece);
            slice.separators.find(&slice.buffer, HEADROOM, end);
            full_in.send(Ok(FilledChunk { slice, count: piece.len(), compressed_bytes: 0 })).expect("there is room");
        }
        let (empty, _) = sync_channel(1);
        ChunkReader::Prefetched(Prefetched { full, empty, compressed_bytes: 0, bytes: 0 })
    }
}

/// A slice is asked for after the last one, or the other thread is no more.
fn worker_gone() -> ObjectError {
    ObjectError::Read(io::Error::other("decompression ended before the text"))
}

impl<R: Read> DecompressWorker<R> {
    /// Decompresses to the end or to an error, or until nobody wants more.
    pub fn run(mut self) {
        while let Ok(mut slice) = self.empty.recv() {
            let read = slice.read(&mut self.text);
            let ended = !matches!(read, Ok(1..));
            let compressed_bytes = self.text.compressed_bytes();
            let full = read.map(|count| FilledChunk { slice, count, compressed_bytes });
            if self.full.send(full).is_err() || ended {
                return;
            }
        }
    }
}
