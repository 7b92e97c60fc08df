//! Bytes that are read in words, wherever a word begins.

/// A word may begin at so many places.
pub const CAPACITY: usize = 1 << 18;
/// The longest word.
const LONGEST: usize = 64;

/// A buffer in which every place may be read, so that no read has to be checked.
pub struct Buffer {
    /// Its bytes.
    pub bytes: Box<[u8; BYTES]>,
}

const BYTES: usize = CAPACITY + LONGEST;

/// Of zeros.
impl Default for Buffer {
    fn default() -> Buffer {
        let bytes: Box<[u8]> = vec![0; BYTES].into();
        Buffer { bytes: bytes.try_into().unwrap_or_else(|_| Box::new([0; BYTES])) }
    }
}

impl Buffer {
    /// The bytes that begin there.
    #[inline(always)]
    pub fn word<const N: usize>(&self, at: u32) -> &[u8; N] {
        const { assert!(N <= LONGEST) };
        let at = at as usize % CAPACITY;
        self.bytes[at..].first_chunk().unwrap_or(&[0; N])
    }
}
