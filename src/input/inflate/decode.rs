//! The loop: codes in, bytes out.

use super::bits::{Bits, Input};
use super::codes::{DISTANCE_BITS, SYMBOL_BITS, Special};
use super::{LONGEST_MATCH, Output, Tables};

/// Bytes that are copied at once.
const CHUNK_BYTES: usize = 32;
/// What is written behind the place up to which was to be: a match and the rest of its last chunk, behind a literal.
pub(super) const OVERRUN_BYTES: usize = 2 + LONGEST_MATCH + CHUNK_BYTES;
/// So many bytes are read by a turn of the loop at most: it reads on twice where a symbol is long.
const INPUT_BYTES: usize = 16;

/// Where the loop stopped.
pub(super) enum Stop {
    /// There is as much as was wanted.
    Full,
    /// There is more to read than is there.
    Starved,
    EndOfBlock,
}

/// Reads on in a block, up to a limit that is not beyond that of the output, and says what is wrong, if something is.
#[inline(always)]
pub(super) fn decode<const I: usize, const O: usize>(
    tables: &Tables,
    saved: &mut Bits,
    input: &mut Input<'_, I>,
    output: &mut Output<'_, O>,
    limit: usize,
) -> Result<Stop, &'static str> {
    let starved_at = input.starved_at(INPUT_BYTES);
    if input.at >= starved_at {
        return Ok(Stop::Starved);
    }
    let (bytes, out) = (input.bytes, &mut *output.bytes);
    // So it is known where what is written is within bounds.
    let limit = limit.min(O - OVERRUN_BYTES);
    let first = output.first;
    // What the loop changes stays in registers.
    let (mut bits, mut at, mut to) = (*saved, input.at, output.at);
    bits.refill(bytes, &mut at);
    let mut entry = tables.symbols.entry(bits.place::<SYMBOL_BITS>());
    let stop = loop {
        if to >= limit {
            break Ok(Stop::Full);
        }
        if at >= starved_at {
            break Ok(Stop::Starved);
        }
        // Here are 56 bits at least, and the entry for the first of them. A turn takes 44 of them at most (11 + 5 of a length,
        // 15 + 13 of a distance), and reads on first where a symbol is longer: so there are enough for the next entry before
        // more are read, and nothing waits for these.
        if !entry.is_length() {
            if !entry.is_special() {
                let (literals, count) = entry.literals();
                out[to..to + 2].copy_from_slice(&literals);
                to += count;
                bits.skip(entry.bits());
                entry = tables.symbols.entry(bits.place::<SYMBOL_BITS>());
                bits.refill(bytes, &mut at);
                continue;
            }
            entry = match entry.special() {
                Special::Table { start, bits: count } => {
                    bits.skip(u64::from(SYMBOL_BITS));
                    tables.symbols.further(start + bits.peek(count) as usize)
                }
                _ => entry,
            };
            if !entry.is_length() {
                bits.skip(entry.bits());
                if entry.is_special() {
                    break match entry.special() {
                        Special::EndOfBlock => Ok(Stop::EndOfBlock),
                        _ => Err("invalid literal/length code"),
                    };
                }
                let ([literal, _], count) = entry.literals();
                out[to] = literal;
                to += count;
                bits.refill(bytes, &mut at);
                entry = tables.symbols.entry(bits.place::<SYMBOL_BITS>());
                continue;
            }
            bits.refill(bytes, &mut at);
        }
        let (literal, count) = entry.literal_before();
        out[to] = literal;
        to += count;
        let length = entry.length(bits.take(entry.bits()));
        let mut far = tables.distances.entry(bits.place::<DISTANCE_BITS>());
        if far.is_special() {
            if let Special::Table { start, bits: count } = far.special() {
                bits.skip(u64::from(DISTANCE_BITS));
                far = tables.distances.further(start + bits.peek(count) as usize);
            }
            if far.is_special() {
                break Err("invalid distance code");
            }
        }
        let distance = far.distance(bits.take(far.bits()));
        entry = tables.symbols.entry(bits.place::<SYMBOL_BITS>());
        bits.refill(bytes, &mut at);
        if distance > to - first {
            break Err("invalid distance too far back");
        }
        let from = to - distance;
        copy(out, from, to, length);
        to += length;
    };
    bits.trim();
    (*saved, input.at, output.at) = (bits, at, to);
    stop
}

/// Copies a match, and what is behind it up to two chunks or to whole ones. Hardly a match is longer than two, and of shorter ones
/// nobody can foresee whether they are longer than one.
#[inline(always)]
fn copy<const O: usize>(out: &mut [u8; O], from: usize, to: usize, length: usize) {
    if to - from < CHUNK_BYTES {
        return repeat(out, from, to, length);
    }
    copy_chunk(out, from, to);
    copy_chunk(out, from + CHUNK_BYTES, to + CHUNK_BYTES);
    if length > 2 * CHUNK_BYTES {
        let mut done = 2 * CHUNK_BYTES;
        while done < length {
            copy_chunk(out, from + done, to + done);
            done += CHUNK_BYTES;
        }
    }
}

#[inline(always)]
fn copy_chunk<const O: usize>(out: &mut [u8; O], from: usize, to: usize) {
    let mut chunk = [0; CHUNK_BYTES];
    chunk.copy_from_slice(&out[from..from + CHUNK_BYTES]);
    out[to..to + CHUNK_BYTES].copy_from_slice(&chunk);
}

/// Copies a match that overlaps itself, or may.
#[cold]
fn repeat(out: &mut [u8], from: usize, to: usize, length: usize) {
    if from + 1 == to {
        let byte = out[from];
        return out[to..to + length].fill(byte);
    }
    for at in 0..length {
        out[to + at] = out[from + at];
    }
}
