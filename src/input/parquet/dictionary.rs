//! The dictionary of a column: its distinct values, to which the rows of a data page refer by index.

use super::footer::PageRange;
use super::rle::Runs;
use super::schema::ColumnKind;
use super::thrift::{Damage, Decoded};
use super::values::{Decoder, Values};
use crate::input::spool::free;

/// Maximum size of a dictionary: 16 MiB. Writers stop at 1 MiB.
pub(super) const MAX_DICTIONARY_BYTES: usize = 16 << 20;

/// The distinct values of a chunk.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    pub(super) bytes: Vec<u8>,
    pub(super) values: Values,
    /// Length of the longest text.
    pub(super) longest: usize,
    /// Number of this dictionary among those that were read.
    pub(super) number: u64,
    /// Its page, and the number of its entries. `None` if the chunk has no dictionary.
    pub(super) page: Option<(PageRange, usize)>,
    pub(super) is_loaded: bool,
}

impl Dictionary {
    /// Decodes this number of entries.
    pub(super) fn load(&mut self, kind: &ColumnKind, count: usize) -> Decoded<()> {
        self.values.clear();
        // Each entry has at least four bytes, so the count is bounded by the bytes.
        Decoder::Plain { at: 0 }.read(kind, &self.bytes, count, &mut self.values)?;
        self.longest = longest(&self.values.texts);
        self.number += 1;
        self.is_loaded = true;
        Ok(())
    }

    /// Frees its memory.
    pub(super) fn release(&mut self) {
        free(&mut self.bytes);
        self.values.free();
        self.is_loaded = false;
    }
}

fn longest(texts: &[(u32, u32)]) -> usize {
    texts.iter().map(|(start, end)| (end - start) as usize).max().unwrap_or(0)
}

/// Reads indexes of dictionary entries, and adds 1 to each.
pub(super) fn read_indexes(runs: &mut Runs, page: &[u8], entries: usize, out: &mut [u32]) -> Decoded<()> {
    const OUTSIDE: Damage = Damage::Invalid("it refers to an entry that its dictionary does not have");
    if let Some(index) = runs.next_repeated(page, out.len())? {
        if index as usize >= entries {
            return Err(OUTSIDE);
        }
        out.fill(index + 1);
        return Ok(());
    }
    runs.read(page, out)?;
    let mut greatest = 0;
    for index in out.iter_mut() {
        greatest = greatest.max(*index);
        *index = index.wrapping_add(1);
    }
    if out.is_empty() || (greatest as usize) < entries { Ok(()) } else { Err(OUTSIDE) }
}
