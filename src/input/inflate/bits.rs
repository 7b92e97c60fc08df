//! Compressed bytes, bit by bit.

/// So many bytes have to be there behind the last one.
pub const PADDING_BYTES: usize = 64;
/// Bytes that may be read ahead.
const AHEAD_BYTES: usize = 8;

/// Bytes to read: those from `at` up to `end`.
pub struct Input<'a, const BYTES: usize> {
    /// A power of two of them, and [`PADDING_BYTES`], of which all that are behind `end` may be read and mean nothing.
    pub bytes: &'a [u8; BYTES],
    /// The next one.
    pub at: usize,
    /// Behind the last one.
    pub end: usize,
    /// Whether nothing comes after them.
    pub is_last: bool,
}

impl<const BYTES: usize> Input<'_, BYTES> {
    /// How many bytes there may be: a power of two.
    const PLACES: usize = {
        assert!(BYTES > PADDING_BYTES && (BYTES - PADDING_BYTES).is_power_of_two());
        BYTES - PADDING_BYTES
    };

    /// Whether there are so many bytes, or all that will ever come.
    pub(super) fn has(&self, bytes: usize) -> bool {
        self.is_last || self.end.saturating_sub(self.at) >= bytes
    }

    /// From where on there are no `bytes` more to read; of the last input, from where on it is certain that it was cut off.
    pub(super) fn starved_at(&self, bytes: usize) -> usize {
        if self.is_last { self.end + AHEAD_BYTES } else { self.end.saturating_sub(bytes) }
    }

    /// Whether more was used than there is, however much is read ahead.
    pub(super) fn is_overrun(&self) -> bool {
        self.at > self.end + AHEAD_BYTES
    }
}

/// Bits that were read and not used yet, the first one lowest.
#[derive(Clone, Copy, Default)]
pub(super) struct Bits {
    /// Above the lowest `count` may stand some of those that follow.
    word: u64,
    /// At most 63, and what stands above its lowest six bits means nothing: so an entry need not be parted before it is taken off.
    count: u64,
}

impl Bits {
    /// So many there are after a refill, at least.
    pub(super) const LEAST: u64 = 56;

    /// Reads on.
    #[inline(always)]
    pub(super) fn refill<const BYTES: usize>(&mut self, bytes: &[u8; BYTES], at: &mut usize) {
        // A place that is within bounds whatever it is, and the right one where there is input.
        let place = *at % const { Input::<BYTES>::PLACES };
        let mut eight = [0; 8];
        eight.copy_from_slice(&bytes[place..place + 8]);
        let next = u64::from_le_bytes(eight);
        self.word |= next << (self.count & 63);
        *at += (!self.count >> 3 & 7) as usize;
        self.count |= Self::LEAST;
    }

    /// The next bits, as a place in a table of 2^`BITS` entries.
    #[inline(always)]
    pub(super) fn place<const BITS: u32>(self) -> usize {
        (self.word & ((1 << BITS) - 1)) as usize
    }

    /// The next bits, as many as the lowest six bits tell.
    #[inline(always)]
    pub(super) fn peek(self, count: u64) -> u64 {
        self.word & !(u64::MAX << (count & 63))
    }

    /// Of what is given the lowest six bits tell how many.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u64) {
        self.word >>= count & 63;
        self.count = self.count.wrapping_sub(count);
    }

    #[inline(always)]
    pub(super) fn take(&mut self, count: u64) -> u64 {
        let taken = self.peek(count);
        self.skip(count);
        taken
    }

    /// How many bits there are.
    pub(super) fn count(self) -> u64 {
        self.count & 63
    }

    /// Forgets the whole bytes, which are to be read again, and says how many they are.
    pub(super) fn give_back(&mut self) -> usize {
        let bytes = self.count() / 8;
        self.count %= 8;
        self.trim();
        bytes as usize
    }

    /// Forgets the bits that may stand above.
    pub(super) fn trim(&mut self) {
        self.word = self.peek(self.count);
    }
}
