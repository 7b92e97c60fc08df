//! Stores the text of an object, for formats that are not read from front to end.
//!
//! Small objects stay in memory. Larger ones go to a file in the temporary folder that has no name, so that it disappears with the
//! process.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::decoder::Decoder;
use crate::error::ObjectError;

/// Bytes that are kept in memory: 1 MiB. A larger limit saves no time, because the system caches the file.
const MEMORY_BYTES: usize = 1 << 20;
/// Bytes per read.
const PIECE_BYTES: usize = 256 << 10;

/// The complete text of an object.
#[derive(Debug)]
pub struct Spool {
    storage: Storage,
    bytes: u64,
}

#[derive(Debug)]
enum Storage {
    Memory(Vec<u8>),
    File(File),
}

impl Spool {
    /// Reads the text to its verified end.
    ///
    /// # Errors
    /// If it cannot be read, or the temporary folder has no room.
    #[expect(clippy::indexing_slicing, reason = "a read returns at most the length of the piece")]
    pub fn read_all(text: &mut Decoder<impl Read>) -> Result<Spool, ObjectError> {
        let mut spool = Spool { storage: Storage::Memory(Vec::new()), bytes: 0 };
        let mut piece = vec![0; PIECE_BYTES];
        while let count @ 1.. = text.read(&mut piece)? {
            spool.append(&piece[..count]).map_err(|error| storage_error(&error))?;
        }
        Ok(spool)
    }

    /// Returns the number of bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.bytes += piece.len() as u64;
        match &mut self.storage {
            Storage::Memory(bytes) if bytes.len() + piece.len() <= MEMORY_BYTES => bytes.extend_from_slice(piece),
            Storage::Memory(bytes) => {
                let mut file = tempfile::tempfile()?;
                file.write_all(bytes)?;
                file.write_all(piece)?;
                free(bytes);
                self.storage = Storage::File(file);
            }
            Storage::File(file) => file.write_all(piece)?,
        }
        Ok(())
    }

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// # Errors
    /// If they cannot be read, or the text ends before.
    pub fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), ObjectError> {
        self.try_read_at(offset, out).map_err(|error| storage_error(&error))
    }

    fn try_read_at(&mut self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match &mut self.storage {
            Storage::Memory(bytes) => {
                let start = usize::try_from(offset).map_err(io::Error::other)?;
                let found = start.checked_add(out.len()).and_then(|end| bytes.get(start..end));
                out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Storage::File(file) => {
                file.seek(SeekFrom::Start(offset))?;
                file.read_exact(out)
            }
        }
    }
}

/// Frees the memory of a large list, but for a page, by shrinking it.
///
/// When glibc frees a large block, it keeps blocks of this size in the heap from then on, where they cannot grow in place. The
/// tables of the analysis do grow: with a freed block of 4 MiB, a file of 57 MB needs 22 MB more at the peak.
pub(super) fn free<T>(list: &mut Vec<T>) {
    const PAGE_BYTES: usize = 4096;
    list.clear();
    list.shrink_to(PAGE_BYTES / size_of::<T>().max(1));
}

/// Names the temporary folder, because the system's message does not.
fn storage_error(error: &io::Error) -> ObjectError {
    let folder = std::env::temp_dir();
    let message = format!(
        "the temporary folder {} failed while it stored the object, which needs as much free space as its size: {error}",
        folder.display()
    );
    ObjectError::Read(io::Error::new(error.kind(), message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spool(bytes: &[u8]) -> Spool {
        Spool::read_all(&mut Decoder::open(bytes, u64::MAX).expect("an object")).expect("a spool")
    }

    #[test]
    fn all_bytes_are_found_in_memory_and_in_a_file() {
        for length in [0, 1, MEMORY_BYTES, MEMORY_BYTES + 1, 2 * MEMORY_BYTES + 12_345] {
            let bytes: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
            let mut spool = spool(&bytes);
            assert_eq!(matches!(spool.storage, Storage::Memory(_)), length <= MEMORY_BYTES);
            assert_eq!(spool.bytes(), length as u64);
            for (start, end) in [(0, length), (length / 2, length), (length / 3, length / 2)] {
                let mut found = vec![0; end - start];
                spool.read_at(start as u64, &mut found).expect("within the text");
                assert_eq!(found, bytes[start..end]);
            }
            let beyond = spool.read_at(length as u64, &mut [0]).expect_err("beyond the end");
            assert_eq!(beyond.code(), "read_failed");
        }
    }

    #[test]
    fn a_full_disk_is_a_read_error_that_names_the_folder() {
        let error = storage_error(&io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(error.code(), "read_failed");
        let message = error.to_string();
        let folder = std::env::temp_dir();
        assert!(message.contains(&*folder.to_string_lossy()) && message.contains("no storage space"), "{message}");
    }
}
