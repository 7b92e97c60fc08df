//! The frame of partials, taken apart and made again with a right checksum: so tests reach what is behind it.

use flate2::{Decompress, FlushDecompress};
use sha2::{Digest, Sha256};

/// A block: its tag, its number of rows, and the rows.
#[derive(Debug, Clone)]
pub struct Frame {
    pub tag: u8,
    pub rows: u32,
    pub bytes: Vec<u8>,
}

/// Bytes before the first block: magic, version, and the program's version.
fn head_length(file: &[u8]) -> usize {
    11 + usize::from(file[10])
}

/// Returns the blocks of a valid partial.
pub fn frames(file: &[u8]) -> Vec<Frame> {
    let (mut frames, mut rest) = (Vec::new(), &file[head_length(file)..]);
    loop {
        let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("four bytes"));
        let (tag, rows, length, stored) = (rest[0], number(1), number(5) as usize, number(9) as usize);
        if tag == 0 {
            return frames;
        }
        let body = &rest[13..13 + stored];
        let mut bytes = Vec::with_capacity(length);
        if stored == length {
            bytes.extend(body);
        } else {
            Decompress::new(false).decompress_vec(body, &mut bytes, FlushDecompress::Finish).expect("a valid block");
        }
        frames.push(Frame { tag, rows, bytes });
        rest = &rest[13 + stored..];
    }
}

/// Returns a partial with the head of a valid one, and these blocks.
pub fn reframe(valid: &[u8], frames: &[Frame]) -> Vec<u8> {
    let mut file = valid[..head_length(valid)].to_vec();
    for Frame { tag, rows, bytes } in frames {
        let length = (bytes.len() as u32).to_le_bytes();
        file.extend([&[*tag], &rows.to_le_bytes()[..], &length, &length, bytes].concat());
    }
    file.extend([0; 13]);
    let checksum = Sha256::digest(&file);
    file.extend(checksum);
    file
}
