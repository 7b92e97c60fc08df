//! Baseline: decompresses gzip (any number of members, checksums verified) in slices of 128 KiB and does nothing else.
//! `benches/compare/run.py` compares all programs with it.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a benchmark reads files and prints")]

use std::fs::File;
use std::io::{self, BufReader, Read, Write};

use flate2::read::MultiGzDecoder;

const INPUT_BYTES: usize = 64 << 10;
const SLICE_BYTES: usize = 128 << 10;

fn main() -> io::Result<()> {
    let mut bytes = 0;
    for path in std::env::args_os().skip(1) {
        let mut decoder = MultiGzDecoder::new(BufReader::with_capacity(INPUT_BYTES, File::open(path)?));
        let mut slice = vec![0; SLICE_BYTES];
        loop {
            match decoder.read(&mut slice)? {
                0 => break,
                count => bytes += count as u64,
            }
        }
    }
    writeln!(io::stdout(), "{bytes}")
}
