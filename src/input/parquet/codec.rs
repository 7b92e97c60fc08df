//! Decompresses pages.
//!
//! The size of a page after decompression is a claim of its header. At most this size is decompressed, and the result must have
//! it exactly. Memory is reserved only for as much as the stored bytes can expand to.

use std::io::Read;

use ruzstd::decoding::StreamingDecoder;

use super::thrift::{Damage, Decoded};

/// A compression codec that is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    Uncompressed,
    Snappy,
    Gzip,
    Zstd,
}

/// Maximum expansion of Snappy: a copy has 3 bytes and makes 64.
const SNAPPY_EXPANSION: usize = 22;
/// Maximum expansion of DEFLATE: a match has 2 bits and makes 258 bytes.
const DEFLATE_EXPANSION: usize = 1032;

impl Codec {
    /// Returns the codec with this number in Parquet's Thrift definition, or the name of one that is not supported.
    pub(super) fn from_number(number: i64) -> Result<Codec, String> {
        Ok(match number {
            0 => Codec::Uncompressed,
            1 => Codec::Snappy,
            2 => Codec::Gzip,
            6 => Codec::Zstd,
            3 => return Err("LZO".to_owned()),
            4 => return Err("BROTLI".to_owned()),
            5 => return Err("LZ4".to_owned()),
            7 => return Err("LZ4_RAW".to_owned()),
            other => return Err(format!("codec {other}")),
        })
    }

    /// Decompresses `stored` and appends the result, which must have `length` bytes, to `out`.
    pub(super) fn decompress(self, stored: &[u8], length: usize, out: &mut Vec<u8>) -> Decoded<()> {
        let start = out.len();
        match self {
            Codec::Uncompressed if stored.len() == length => out.extend_from_slice(stored),
            // Writers leave out the data of a page without values.
            Codec::Uncompressed => {}
            _ if length == 0 => {}
            Codec::Snappy => snappy(stored, length, out)?,
            Codec::Gzip => gzip(stored, length, out)?,
            Codec::Zstd => zstd(stored, length, out)?,
        }
        if out.len() - start == length { Ok(()) } else { Err(WRONG_SIZE) }
    }
}

const WRONG_SIZE: Damage = Damage::Invalid("the page has another size than its header claims");

fn snappy(stored: &[u8], length: usize, out: &mut Vec<u8>) -> Decoded<()> {
    let is_plausible = length <= stored.len().saturating_mul(SNAPPY_EXPANSION);
    if !is_plausible || snap::raw::decompress_len(stored) != Ok(length) {
        return Err(WRONG_SIZE);
    }
    let start = out.len();
    out.resize(start + length, 0);
    let room = out.get_mut(start..).unwrap_or_default();
    snap::raw::Decoder::new().decompress(stored, room).map_err(|_| Damage::Invalid("its Snappy data is corrupt"))?;
    Ok(())
}

#[expect(clippy::disallowed_types, reason = "a page is never empty or padded, and its size is checked")]
fn gzip(stored: &[u8], length: usize, out: &mut Vec<u8>) -> Decoded<()> {
    out.reserve(length.min(stored.len().saturating_mul(DEFLATE_EXPANSION)));
    // One byte more than claimed shows that there are more.
    let mut text = flate2::bufread::MultiGzDecoder::new(stored).take(length as u64 + 1);
    text.read_to_end(out).map_err(|_| Damage::Invalid("its gzip data is corrupt"))?;
    Ok(())
}

fn zstd(mut stored: &[u8], length: usize, out: &mut Vec<u8>) -> Decoded<()> {
    const CORRUPT: Damage = Damage::Invalid("its zstd data is corrupt");
    let start = out.len();
    while !stored.is_empty() && out.len() - start <= length {
        let window = super::MAX_PAGE_BYTES as u64;
        let mut frame = StreamingDecoder::new_with_max_window_size(&mut stored, window).map_err(|_| CORRUPT)?;
        let left = length - (out.len() - start);
        frame.by_ref().take(left as u64 + 1).read_to_end(out).map_err(|_| CORRUPT)?;
        let decoder = frame.into_frame_decoder();
        let found = decoder.get_checksum_from_data();
        if found.is_some() && found != decoder.get_calculated_checksum() {
            return Err(CORRUPT);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).and_then(|()| encoder.finish()).expect("a Vec takes every byte")
    }

    fn snappy(text: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(text).expect("a short text")
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn decompressed(codec: Codec, stored: &[u8], length: usize) -> Decoded<Vec<u8>> {
        let mut out = b"levels".to_vec();
        codec.decompress(stored, length, &mut out)?;
        Ok(out.split_off(6))
    }

    #[test]
    fn a_page_has_exactly_the_claimed_size() {
        let text = b"10.0.0.1 10.0.0.2 ".repeat(100);
        for (codec, stored) in [
            (Codec::Uncompressed, text.clone()),
            (Codec::Snappy, snappy(&text)),
            (Codec::Gzip, gzip(&text)),
            (Codec::Gzip, [gzip(&text[..50]), gzip(&text[50..])].concat()),
            (Codec::Zstd, zstd(&text)),
            (Codec::Zstd, [zstd(&text[..50]), zstd(&text[50..])].concat()),
        ] {
            assert_eq!(decompressed(codec, &stored, text.len()).as_deref(), Ok(&text[..]), "{codec:?}");
            for wrong in [text.len() - 1, text.len() + 1, 1 << 26] {
                assert!(decompressed(codec, &stored, wrong).is_err(), "{codec:?} {wrong}");
            }
            assert!(decompressed(codec, &stored[..stored.len() - 1], text.len()).is_err(), "{codec:?}");
        }
    }

    #[test]
    fn a_page_without_data_is_empty_in_every_codec() {
        for codec in [Codec::Uncompressed, Codec::Snappy, Codec::Gzip, Codec::Zstd] {
            assert_eq!(decompressed(codec, b"", 0), Ok(Vec::new()));
        }
    }

    #[test]
    fn a_claim_reserves_no_memory() {
        for codec in [Codec::Snappy, Codec::Gzip, Codec::Zstd] {
            let mut out = Vec::new();
            // Snappy's own length, too, claims 64 MiB.
            assert!(codec.decompress(&[0x80, 0x80, 0x80, 0x20, 0, 0], 1 << 26, &mut out).is_err());
            assert!(out.capacity() < 1 << 16, "{codec:?} {}", out.capacity());
        }
    }

    #[test]
    fn other_codecs_are_named() {
        assert_eq!(Codec::from_number(6), Ok(Codec::Zstd));
        for (number, name) in
            [(3, "LZO"), (4, "BROTLI"), (5, "LZ4"), (7, "LZ4_RAW"), (-1, "codec -1"), (99, "codec 99")]
        {
            assert_eq!(Codec::from_number(number), Err(name.to_owned()));
        }
    }
}
