//! A buffer that can be read in words at any position.
//!
//! Invariant: it has `LONGEST` more bytes than [`CAPACITY`], and positions are taken modulo `CAPACITY`. So a word at any position lies
//! within the buffer, and the bounds check compiles away.

/// Number of positions at which a word may begin.
pub const CAPACITY: usize = 1 << 18;
/// Bytes of the longest word.
const LONGEST: usize = 64;

/// A buffer in which a word can be read at any position.
pub struct Buffer {
    /// The bytes, padding included.
    pub bytes: Box<[u8; BYTES]>,
}

const BYTES: usize = CAPACITY + LONGEST;

/// Creates a buffer of zeros.
impl Default for Buffer {
    fn default() -> Buffer {
        let bytes: Box<[u8]> = vec![0; BYTES].into();
        Buffer { bytes: bytes.try_into().unwrap_or_else(|_| Box::new([0; BYTES])) }
    }
}

impl Buffer {
    /// Returns the `N` bytes at this position.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "the position is below CAPACITY, the length of the buffer without its padding"
    )]
    pub fn read_at<const N: usize>(&self, at: u32) -> &[u8; N] {
        const { assert!(N <= LONGEST) };
        let at = at as usize % CAPACITY;
        self.bytes[at..].first_chunk().unwrap_or(&[0; N])
    }
}
