//! Bytes of small records, which are not looked up among the pairs.

/// Base-2 logarithm of the number of cells: 32 KiB.
const CELL_BITS: u32 = 12;

/// An odd number without a pattern, 2^64 divided by the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Bytes of records that are counted for no pair, in cells by hash of the addresses. No pair has more in it than its cell.
///
/// The hash has no seed, so that results do not vary. If a cell is filled on purpose, its records are counted by pair.
///
/// Invariant: each cell has less than `room`, or nothing.
#[derive(Debug, Clone)]
pub(super) struct SmallRecords {
    cells: Box<[u64; 1 << CELL_BITS]>,
    room: u64,
}

impl Default for SmallRecords {
    fn default() -> SmallRecords {
        SmallRecords { cells: Box::new([0; 1 << CELL_BITS]), room: 0 }
    }
}

impl SmallRecords {
    /// Adds a record of at least a byte, if its cell has room. Returns whether it has.
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "the shift leaves as many bits as the number of a cell has")]
    pub(super) fn take(&mut self, addresses: u64, bytes: u64) -> bool {
        let cell = &mut self.cells[(addresses.wrapping_mul(MULTIPLIER) >> (u64::BITS - CELL_BITS)) as usize];
        let has_room = bytes < self.room - *cell;
        if has_room {
            *cell += bytes;
        }
        has_room
    }

    /// Allows each cell this many bytes more.
    pub(super) fn allow(&mut self, bytes: u64) {
        self.room = self.room.saturating_add(bytes);
    }

    /// Returns the maximum number of bytes that a pair has here.
    pub(super) fn max_lost(&self) -> u64 {
        self.cells.iter().copied().max().unwrap_or(0)
    }
}
