//! The frame of a partial: a head, blocks of rows, and a checksum.
//!
//! ```text
//! head      magic (8 bytes), format version (2), length of the program's version (1), that version
//! block     tag (1), number of rows (4), length (4), stored length (4), the rows, which are compressed by deflate
//! …
//! end       a block whose head is 0
//! checksum  SHA-256 of all bytes before it (32)
//! ```
//!
//! Numbers are little-endian. A block whose two lengths are equal is not compressed.

use std::io::{self, ErrorKind, Read, Write};
use std::marker::PhantomData;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::PartialError;
use super::{FORMAT_VERSION, MAGIC};
use crate::sanitize::{NAME_CHARACTERS, quoted};

/// A block is written when its rows have this length.
const BLOCK_BYTES: usize = 1 << 16;
/// Maximum length of a block. A single row may be longer than [`BLOCK_BYTES`], such as a format with thousands of names.
const MAX_BLOCK_BYTES: usize = 1 << 24;
/// Maximum ratio of the two lengths. The writer does not compress what would exceed it, so a file bounds the memory to read it.
const MAX_RATIO: usize = 128;
/// Bytes before the rows of a block.
const BLOCK_HEAD_BYTES: usize = 13;
const CHECKSUM_BYTES: usize = 32;
/// Tag of the end.
const END: u8 = 0;

/// Writes a partial.
pub(super) struct BlockWriter<W> {
    output: W,
    hash: Sha256,
    tag: u8,
    rows: u32,
    bytes: Vec<u8>,
    deflate: Compress,
    compressed: Vec<u8>,
}

impl<W: Write> BlockWriter<W> {
    /// Writes the head.
    pub(super) fn new(output: W) -> io::Result<BlockWriter<W>> {
        let mut writer = BlockWriter {
            output,
            hash: Sha256::new(),
            tag: END,
            rows: 0,
            bytes: Vec::new(),
            deflate: Compress::new(Compression::fast(), false),
            compressed: Vec::new(),
        };
        let program = env!("CARGO_PKG_VERSION");
        writer.put(&MAGIC)?;
        writer.put(&FORMAT_VERSION.to_le_bytes())?;
        writer.put(&[program.len() as u8])?;
        writer.put(program.as_bytes())?;
        Ok(writer)
    }

    /// Adds rows with this tag.
    pub(super) fn rows<T: Serialize>(&mut self, tag: u8, rows: impl IntoIterator<Item = T>) -> io::Result<()> {
        for row in rows {
            if self.tag != tag || self.bytes.len() >= BLOCK_BYTES {
                self.end_block()?;
                self.tag = tag;
            }
            self.bytes = postcard::to_extend(&row, std::mem::take(&mut self.bytes)).map_err(io::Error::other)?;
            self.rows += 1;
        }
        Ok(())
    }

    /// Writes the end and the checksum.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.end_block()?;
        self.put(&[END; BLOCK_HEAD_BYTES])?;
        self.output.write_all(&self.hash.finalize())?;
        self.output.flush()
    }

    /// Writes the block, if it has rows.
    fn end_block(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.bytes);
        if bytes.len() > MAX_BLOCK_BYTES {
            return Err(io::Error::other("a row is longer than 16 MiB"));
        }
        let mut compressed = std::mem::take(&mut self.compressed);
        compressed.clear();
        compressed.reserve(bytes.len());
        self.deflate.reset();
        let status =
            self.deflate.compress_vec(&bytes, &mut compressed, FlushCompress::Finish).map_err(io::Error::other)?;
        let is_smaller = status == Status::StreamEnd && compressed.len() < bytes.len();
        let stored = if is_smaller && compressed.len() * MAX_RATIO >= bytes.len() { &compressed } else { &bytes };
        self.put(&[self.tag])?;
        self.put(&self.rows.to_le_bytes())?;
        self.put(&(bytes.len() as u32).to_le_bytes())?;
        self.put(&(stored.len() as u32).to_le_bytes())?;
        self.put(stored)?;
        (self.rows, self.bytes, self.compressed) = (0, bytes, compressed);
        self.bytes.clear();
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.output.write_all(bytes)
    }
}

/// Reads a partial, which is untrusted.
pub(super) struct BlockReader<R> {
    input: R,
    hash: Sha256,
    inflate: Decompress,
}

/// Rows with one tag.
pub(super) struct Block {
    pub(super) tag: u8,
    rows: u32,
    bytes: Vec<u8>,
}

impl<R: Read> BlockReader<R> {
    /// Reads the head.
    pub(super) fn open(input: R) -> Result<BlockReader<R>, PartialError> {
        let mut reader = BlockReader { input, hash: Sha256::new(), inflate: Decompress::new(false) };
        match reader.take_array::<{ MAGIC.len() }>() {
            Ok(magic) if magic == MAGIC => {}
            Ok(_) | Err(PartialError::Truncated) => return Err(PartialError::NotAPartial),
            Err(error) => return Err(error),
        }
        let version = u16::from_le_bytes(reader.take_array()?);
        let [length] = reader.take_array()?;
        let program = reader.take(length.into())?;
        if version != FORMAT_VERSION {
            let program = quoted(&String::from_utf8_lossy(&program), NAME_CHARACTERS);
            return Err(PartialError::Version { version, program });
        }
        Ok(reader)
    }

    /// Reads the next block. Returns `None` at the verified end.
    pub(super) fn next_block(&mut self) -> Result<Option<Block>, PartialError> {
        let [tag] = self.take_array()?;
        let mut number = || self.take_array().map(u32::from_le_bytes);
        let (rows, length, stored) = (number()?, number()? as usize, number()? as usize);
        if tag == END {
            return self.end(rows == 0 && length == 0 && stored == 0).map(|()| None);
        }
        let is_possible = rows > 0 && length <= MAX_BLOCK_BYTES && stored <= length && stored * MAX_RATIO >= length;
        if !is_possible {
            return Err(PartialError::Corrupt("the head of a block is impossible"));
        }
        let stored = self.take(stored)?;
        let bytes = if stored.len() == length { stored } else { self.inflate(&stored, length)? };
        Ok(Some(Block { tag, rows, bytes }))
    }

    /// Verifies the checksum and the end of the file.
    fn end(&mut self, is_valid: bool) -> Result<(), PartialError> {
        let checksum: [u8; CHECKSUM_BYTES] = self.hash.clone().finalize().into();
        if !is_valid || self.take_array()? != checksum {
            return Err(PartialError::Corrupt("its checksum does not match"));
        }
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(PartialError::Corrupt("data follows its end")),
            Err(error) => Err(PartialError::Read(error)),
        }
    }

    /// Decompresses a block to exactly this length.
    fn inflate(&mut self, stored: &[u8], length: usize) -> Result<Vec<u8>, PartialError> {
        let mut bytes = Vec::with_capacity(length);
        self.inflate.reset(false);
        let status = self.inflate.decompress_vec(stored, &mut bytes, FlushDecompress::Finish);
        let is_whole = self.inflate.total_in() == stored.len() as u64 && bytes.len() == length;
        match status {
            Ok(Status::StreamEnd) if is_whole => Ok(bytes),
            _ => Err(PartialError::Corrupt("a block does not decompress")),
        }
    }

    fn take_array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], PartialError> {
        let mut bytes = [0; LENGTH];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads this many bytes, at most [`MAX_BLOCK_BYTES`].
    fn take(&mut self, length: usize) -> Result<Vec<u8>, PartialError> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), PartialError> {
        self.input.read_exact(bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => PartialError::Truncated,
            _ => PartialError::Read(error),
        })?;
        self.hash.update(bytes);
        Ok(())
    }
}

impl Block {
    /// Returns the rows.
    pub(super) fn rows<'a, T: Deserialize<'a>>(&'a self) -> Rows<'a, T> {
        Rows { remaining: self.rows, bytes: &self.bytes, row: PhantomData }
    }

    /// Returns the only row.
    pub(super) fn only_row<'a, T: Deserialize<'a>>(&'a self) -> Result<T, PartialError> {
        let mut rows = self.rows();
        match (rows.next(), rows.next()) {
            (Some(row), None) => row,
            _ => Err(PartialError::Corrupt("a section does not have one row")),
        }
    }
}

/// The rows of a block.
pub(super) struct Rows<'a, T> {
    remaining: u32,
    bytes: &'a [u8],
    row: PhantomData<T>,
}

impl<'a, T: Deserialize<'a>> Iterator for Rows<'a, T> {
    type Item = Result<T, PartialError>;

    fn next(&mut self) -> Option<Result<T, PartialError>> {
        if self.remaining == 0 {
            let is_end = std::mem::take(&mut self.bytes).is_empty();
            return (!is_end).then_some(Err(PartialError::Corrupt("data follows the rows of a block")));
        }
        self.remaining -= 1;
        match postcard::take_from_bytes(self.bytes) {
            Ok((row, rest)) => {
                self.bytes = rest;
                Some(Ok(row))
            }
            Err(_) => {
                (self.remaining, self.bytes) = (0, &[]);
                Some(Err(PartialError::Corrupt("a row does not parse")))
            }
        }
    }
}
