//! Decodes the values of a page.

use super::delta::{DeltaIntegers, DeltaLengths, DeltaStrings};
use super::rle::Runs;
use super::schema::ColumnKind;
use super::thrift::{Damage, Decoded};
use crate::input::spool::free;

/// Values of one column. Only one of the lists is used.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) integers: Vec<i64>,
    /// The start and the end of each text in the bytes of its page.
    pub(super) texts: Vec<(u32, u32)>,
    /// Texts that do not lie in the page as they are.
    pub(super) composed: Vec<u8>,
}

impl Values {
    pub(super) fn clear(&mut self) {
        self.integers.clear();
        self.texts.clear();
        self.composed.clear();
    }

    pub(super) fn free(&mut self) {
        free(&mut self.integers);
        free(&mut self.texts);
        free(&mut self.composed);
    }

    pub(super) fn len(&self) -> usize {
        self.integers.len().max(self.texts.len())
    }

    /// Returns the bytes of memory.
    pub(super) fn memory(&self) -> usize {
        8 * (self.integers.capacity() + self.texts.capacity()) + self.composed.capacity()
    }
}

/// Most bytes of texts that are composed for a batch: 16 MiB. A text of few bytes can share many with the one before.
const MAX_COMPOSED_BYTES: usize = 16 << 20;

/// The position in the values of a data page, by their encoding.
#[derive(Debug)]
pub(super) enum Decoder {
    /// Indexes of the dictionary's entries.
    Dictionary(Runs),
    Plain {
        at: usize,
    },
    /// The first bytes of all values, then the second bytes, and so on.
    Split {
        start: usize,
        count: usize,
        next: usize,
    },
    DeltaIntegers(DeltaIntegers),
    DeltaLengths(DeltaLengths),
    DeltaStrings(Box<DeltaStrings>),
}

pub(super) const PLAIN: i64 = 0;
pub(super) const PLAIN_DICTIONARY: i64 = 2;
/// The only encoding of definition levels.
pub(super) const RLE: i64 = 3;
const DELTA_BINARY_PACKED: i64 = 5;
const DELTA_LENGTH_BYTE_ARRAY: i64 = 6;
const DELTA_BYTE_ARRAY: i64 = 7;
pub(super) const RLE_DICTIONARY: i64 = 8;
const BYTE_STREAM_SPLIT: i64 = 9;

/// The names of the encodings, by number.
const ENCODINGS: [&str; 10] = [
    "PLAIN",
    "GROUP_VAR_INT",
    "PLAIN_DICTIONARY",
    "RLE",
    "BIT_PACKED",
    "DELTA_BINARY_PACKED",
    "DELTA_LENGTH_BYTE_ARRAY",
    "DELTA_BYTE_ARRAY",
    "RLE_DICTIONARY",
    "BYTE_STREAM_SPLIT",
];

/// Returns the name of an encoding for messages.
pub(super) fn encoding_name(encoding: i64) -> String {
    let name = usize::try_from(encoding).ok().and_then(|index| ENCODINGS.get(index));
    name.map_or_else(|| format!("encoding {encoding}"), |name| (*name).to_owned())
}

impl Decoder {
    /// Starts at `at` in the page, which has `count` values at most. Returns `None` if the encoding is not one for this kind of
    /// values.
    pub(super) fn new(
        kind: &ColumnKind,
        encoding: i64,
        page: &[u8],
        at: usize,
        count: usize,
    ) -> Decoded<Option<Decoder>> {
        let end = page.len();
        Ok(Some(match (encoding, kind) {
            (PLAIN_DICTIONARY | RLE_DICTIONARY, _) => {
                // A page without values may lack the width.
                let width = page.get(at).copied().unwrap_or(0);
                Decoder::Dictionary(Runs::new((at + 1).min(end), end, width.into(), count)?)
            }
            (PLAIN, _) => Decoder::Plain { at },
            (DELTA_BINARY_PACKED, ColumnKind::Integers { .. }) => {
                Decoder::DeltaIntegers(DeltaIntegers::new(page, at, end, count)?)
            }
            (BYTE_STREAM_SPLIT, ColumnKind::Integers { bytes, .. }) => {
                let length = end.checked_sub(at).ok_or(Damage::Truncated)?;
                if !length.is_multiple_of(*bytes) {
                    return Err(Damage::Truncated);
                }
                Decoder::Split { start: at, count: length / bytes, next: 0 }
            }
            (DELTA_LENGTH_BYTE_ARRAY, ColumnKind::Texts) => {
                Decoder::DeltaLengths(DeltaLengths::new(page, at, end, count)?)
            }
            (DELTA_BYTE_ARRAY, ColumnKind::Texts) => {
                Decoder::DeltaStrings(Box::new(DeltaStrings::new(page, at, end, count)?))
            }
            _ => return Ok(None),
        }))
    }

    /// Appends the next `count` values to `values`. Indexes of dictionary entries are not values.
    pub(super) fn read(&mut self, kind: &ColumnKind, page: &[u8], count: usize, values: &mut Values) -> Decoded<()> {
        match (self, kind) {
            (_, ColumnKind::Nulls) if count > 0 => return Err(Damage::Invalid("a column of nulls has values")),
            (Decoder::Plain { at }, ColumnKind::Integers { bytes, is_signed }) => {
                let end =
                    count.checked_mul(*bytes).and_then(|length| at.checked_add(length)).ok_or(Damage::Truncated)?;
                let plain = page.get(*at..end).ok_or(Damage::Truncated)?;
                *at = end;
                plain_integers(plain, *bytes, *is_signed, &mut values.integers);
            }
            (Decoder::Plain { at }, _) => plain_texts(page, at, count, &mut values.texts)?,
            (Decoder::Split { start, count: all, next }, ColumnKind::Integers { bytes, is_signed }) => {
                if count > *all - *next {
                    return Err(Damage::Truncated);
                }
                for index in *next..*next + count {
                    let byte = |part: usize| page.get(*start + part * *all + index).copied().ok_or(Damage::Truncated);
                    let value = (0..*bytes)
                        .rev()
                        .try_fold(0_u64, |value, part| byte(part).map(|byte| value << 8 | u64::from(byte)))?;
                    values.integers.push(extend(value.cast_signed(), *bytes, *is_signed));
                }
                *next += count;
            }
            (Decoder::DeltaIntegers(integers), ColumnKind::Integers { bytes, is_signed }) => {
                for _ in 0..count {
                    values.integers.push(extend(integers.next(page)?, *bytes, *is_signed));
                }
            }
            (Decoder::DeltaLengths(texts), _) => {
                for _ in 0..count {
                    let (start, end) = texts.next(page)?;
                    values.texts.push((start as u32, end as u32));
                }
            }
            (Decoder::DeltaStrings(texts), _) => {
                for _ in 0..count {
                    let start = values.composed.len();
                    values.composed.extend_from_slice(texts.next(page)?);
                    let end = values.composed.len();
                    if end > MAX_COMPOSED_BYTES {
                        return Err(Damage::Invalid("its texts are too long"));
                    }
                    values.texts.push((start as u32, end as u32));
                }
            }
            (Decoder::Dictionary(_) | Decoder::Split { .. } | Decoder::DeltaIntegers(_), _) => {}
        }
        Ok(())
    }
}

/// Returns the value that the lower bytes have as an integer of this size. Unsigned ones of eight bytes keep their bits.
fn extend(value: i64, bytes: usize, is_signed: bool) -> i64 {
    match (bytes, is_signed) {
        (4, true) => i64::from(value as i32),
        (4, false) => i64::from(value.cast_unsigned() as u32),
        _ => value,
    }
}

fn plain_integers(plain: &[u8], bytes: usize, is_signed: bool, out: &mut Vec<i64>) {
    if bytes == 8 {
        let (words, _) = plain.as_chunks::<8>();
        out.extend(words.iter().map(|word| i64::from_le_bytes(*word)));
        return;
    }
    let (words, _) = plain.as_chunks::<4>();
    if is_signed {
        out.extend(words.iter().map(|word| i64::from(i32::from_le_bytes(*word))));
    } else {
        out.extend(words.iter().map(|word| i64::from(u32::from_le_bytes(*word))));
    }
}

/// Reads texts, each after its length in four bytes.
fn plain_texts(page: &[u8], at: &mut usize, count: usize, out: &mut Vec<(u32, u32)>) -> Decoded<()> {
    for _ in 0..count {
        let rest = page.get(*at..).ok_or(Damage::Truncated)?;
        let length = u32::from_le_bytes(*rest.first_chunk().ok_or(Damage::Truncated)?);
        let start = *at + 4;
        let end = start.checked_add(length as usize).filter(|end| *end <= page.len()).ok_or(Damage::Truncated)?;
        out.push((start as u32, end as u32));
        *at = end;
    }
    Ok(())
}
