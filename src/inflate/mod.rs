//! DEFLATE data (RFC 1951) → the bytes that were compressed.
//!
//! Decompression by zlib-rs was a third of an analysis. What is here takes seven tenths of its time on flow logs
//! (`benches/stages.rs`):
//!
//! - a literal and the match behind it are looked up at once, as most of what flow logs are compressed to is matches behind
//!   one literal or none, and a branch for that is one that no processor foresees;
//! - the text is written where it is to be read, right behind the text before it, so that a match is a copy within it;
//! - an input that may end anywhere is not asked for each bit whether it is there: see [`Input`].
//!
//! What zlib accepts is accepted, and nothing else, and what comes out is the same: `tests/bodies/decompression.rs` holds it
//! against zlib-rs for any bytes. All places are checked: bad data is an error, never a panic.

mod bits;
mod codes;
mod decode;

use crate::cpu::{Cpu, Simd, Work};
use bits::Bits;
pub use bits::{Input, PADDING_BYTES};
use codes::{DISTANCE_BITS, Entry, LENGTH_BITS, SYMBOL_BITS, Table};
use decode::{Stop, decode};

/// A match is not farther back.
pub const WINDOW_BYTES: usize = 32 << 10;
/// What may be written behind the limit, some of it in vain.
pub const OVERRUN_BYTES: usize = decode::OVERRUN_BYTES;
/// What follows DEFLATE data in gzip: where less is left, damage can't be told from a cut.
const TRAILER_BYTES: usize = 8;
const LONGEST_MATCH: usize = 258;
const MOST_SYMBOLS: usize = 286;
const MOST_DISTANCES: usize = 30;
/// A block's codes take fewer bytes.
const CODES_BYTES: usize = 1 << 10;
/// A block with less text is done before its tables could be made better.
const SHORT_BLOCK_BYTES: usize = 2 << 10;
/// The order in which the lengths of the codes of code lengths stand.
const LENGTH_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Decompresses.
pub struct Inflate {
    cpu: Cpu,
    bits: Bits,
    block: Block,
    is_last_block: bool,
    /// Of blocks that do not tell their codes.
    fixed: Tables,
    /// Of the block that told its codes last.
    told: Tables,
    /// By which codes' lengths are told.
    lengths: Table<{ 1 << LENGTH_BITS }>,
}

enum Block {
    /// It begins here.
    Header,
    /// So many bytes of it are left, as they stand.
    Stored(usize),
    /// In codes that are fixed.
    Fixed,
    /// In codes that it told, with tables that are made better after so many bytes of text, if they are not yet.
    Told(Option<usize>),
    End,
}

/// Of a block's codes.
struct Tables {
    symbols: Table<{ 1 << SYMBOL_BITS }>,
    distances: Table<{ 1 << DISTANCE_BITS }>,
}

/// Where to write.
pub struct Output<'a, const BYTES: usize> {
    /// With room for [`OVERRUN_BYTES`] behind `limit`.
    pub bytes: &'a mut [u8; BYTES],
    /// Where what was decompressed begins, or the last [`WINDOW_BYTES`] of it.
    pub first: usize,
    /// Where to go on, or where it ends.
    pub at: usize,
    /// Up to where, a match's length more or less.
    pub limit: usize,
}

/// Why it went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The limit is reached.
    Full,
    /// More input is needed than there is.
    Starved,
    /// The data is at its end, and the input right behind it.
    End,
}

/// What is wrong with the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It has no end, or ends where a check sum should stand.
    CutOff,
    /// It is no DEFLATE data.
    Corrupt(&'static str),
}

impl Inflate {
    /// At the start of some data.
    pub fn new() -> Inflate {
        Inflate {
            cpu: Cpu::detect(),
            bits: Bits::default(),
            block: Block::Header,
            is_last_block: false,
            fixed: Tables::fixed(),
            told: Tables::new(),
            lengths: Table::new(),
        }
    }

    /// Starts at further data.
    pub fn restart(&mut self) {
        (self.bits, self.block) = (Bits::default(), Block::Header);
    }

    /// Decompresses as much as there is room or input for.
    ///
    /// # Errors
    /// What is wrong with the data; what was written is not to be used then, and no more to be read.
    ///
    /// # Panics
    /// If there is less room than there has to be behind the limit or the input, or a place stands before another that is to come
    /// first.
    pub fn inflate<const I: usize, const O: usize>(
        &mut self,
        input: &mut Input<'_, I>,
        output: &mut Output<'_, O>,
    ) -> Result<Status, Fault> {
        assert!(input.at <= input.end && input.end + PADDING_BYTES <= I, "the input lies before its padding");
        assert!(output.first <= output.at && output.limit + OVERRUN_BYTES <= O, "behind the limit is room");
        let outcome = self.cpu.run(Run { inflate: self, input, output });
        input.at -= self.bits.give_back();
        let behind = if outcome.is_err() { TRAILER_BYTES } else { 0 };
        if input.is_last && input.at + behind > input.end {
            return Err(Fault::CutOff);
        }
        outcome.map_err(Fault::Corrupt)
    }

    #[inline(always)]
    fn run<const I: usize, const O: usize>(
        &mut self,
        input: &mut Input<'_, I>,
        output: &mut Output<'_, O>,
    ) -> Result<Status, &'static str> {
        loop {
            if input.is_overrun() {
                return Err("no end");
            }
            match &mut self.block {
                Block::Header if !input.has(CODES_BYTES) => return Ok(Status::Starved),
                Block::Header => self.begin_block(input)?,
                Block::Stored(left) => {
                    let count = store(*left, input, output);
                    *left -= count;
                    match (*left, count) {
                        (0, _) => self.end_block(input),
                        (_, 0) if output.at >= output.limit => return Ok(Status::Full),
                        (_, 0) if input.is_last => return Err("no end"),
                        (_, 0) => return Ok(Status::Starved),
                        _ => {}
                    }
                }
                Block::Fixed | Block::Told(_) => match self.read_coded(input, output)? {
                    Stop::Full if output.at >= output.limit => return Ok(Status::Full),
                    // It goes on, so that is worth it.
                    Stop::Full => {
                        self.told.symbols.combine();
                        self.block = Block::Told(None);
                    }
                    Stop::Starved if input.is_last => return Err("no end"),
                    Stop::Starved => return Ok(Status::Starved),
                    Stop::EndOfBlock => self.end_block(input),
                },
                Block::End => return Ok(Status::End),
            }
        }
    }

    /// Reads on in a block of codes: up to the output's limit, or to where its tables are to be made better. Most of the work for
    /// tables is putting two symbols into one entry: blocks of a few bytes, of which a hostile object may have millions, are not
    /// worth that.
    #[inline(always)]
    fn read_coded<const I: usize, const O: usize>(
        &mut self,
        input: &mut Input<'_, I>,
        output: &mut Output<'_, O>,
    ) -> Result<Stop, &'static str> {
        let (tables, short) = match self.block {
            Block::Told(short) => (&self.told, short),
            _ => (&self.fixed, None),
        };
        let begun = output.at;
        let limit = short.map_or(output.limit, |short| output.limit.min(begun + short));
        let stop = decode(tables, &mut self.bits, input, output, limit)?;
        if let Block::Told(Some(short)) = &mut self.block {
            *short = short.saturating_sub(output.at - begun);
        }
        Ok(stop)
    }

    fn end_block<const I: usize>(&mut self, input: &mut Input<'_, I>) {
        self.block = Block::Header;
        if self.is_last_block {
            self.block = Block::End;
            input.at -= self.bits.give_back();
            self.bits = Bits::default();
        }
    }

    fn begin_block<const I: usize>(&mut self, input: &mut Input<'_, I>) -> Result<(), &'static str> {
        self.bits.refill(input.bytes, &mut input.at);
        self.is_last_block = self.bits.take(1) == 1;
        match self.bits.take(2) {
            0 => {
                self.bits.skip(self.bits.count() % 8);
                let (length, inverse) = (self.bits.take(16), self.bits.take(16));
                if length ^ inverse != 0xffff {
                    return Err("invalid stored block lengths");
                }
                input.at -= self.bits.give_back();
                self.block = Block::Stored(length as usize);
            }
            1 => self.block = Block::Fixed,
            2 => {
                self.told.read(&mut self.lengths, &mut self.bits, input)?;
                self.block = Block::Told(Some(SHORT_BLOCK_BYTES));
            }
            _ => return Err("invalid block type"),
        }
        Ok(())
    }
}

impl Default for Inflate {
    fn default() -> Inflate {
        Inflate::new()
    }
}

struct Run<'r, 'i, 'o, const I: usize, const O: usize> {
    inflate: &'r mut Inflate,
    input: &'r mut Input<'i, I>,
    output: &'r mut Output<'o, O>,
}

impl<const I: usize, const O: usize> Work for Run<'_, '_, '_, I, O> {
    type Output = Result<Status, &'static str>;

    #[inline(always)]
    fn run(self, _: impl Simd) -> Self::Output {
        self.inflate.run(self.input, self.output)
    }
}

/// Copies what is there of a stored block, and says how much that was.
fn store<const I: usize, const O: usize>(left: usize, input: &mut Input<'_, I>, output: &mut Output<'_, O>) -> usize {
    let count = left.min(input.end.saturating_sub(input.at)).min(output.limit.saturating_sub(output.at));
    output.bytes[output.at..output.at + count].copy_from_slice(&input.bytes[input.at..input.at + count]);
    input.at += count;
    output.at += count;
    count
}

impl Tables {
    fn new() -> Tables {
        Tables { symbols: Table::new(), distances: Table::new() }
    }

    /// Those of blocks that tell none.
    fn fixed() -> Tables {
        let mut lengths = [8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        let mut fixed = Tables::new();
        fixed.symbols.fill(&lengths, false, Entry::of_symbol);
        fixed.symbols.combine();
        fixed.distances.fill(&[5; 32], false, Entry::of_distance);
        fixed
    }

    /// Those that stand here.
    fn read<const I: usize>(
        &mut self,
        by: &mut Table<{ 1 << LENGTH_BITS }>,
        bits: &mut Bits,
        input: &mut Input<'_, I>,
    ) -> Result<(), &'static str> {
        let mut refill = |bits: &mut Bits| bits.refill(input.bytes, &mut input.at);
        refill(bits);
        let symbols = bits.take(5) as usize + 257;
        let distances = bits.take(5) as usize + 1;
        let count = bits.take(4) as usize + 4;
        if symbols > MOST_SYMBOLS || distances > MOST_DISTANCES {
            return Err("too many length or distance symbols");
        }
        let mut lengths = [0; LENGTH_ORDER.len()];
        for place in &LENGTH_ORDER[..count] {
            refill(bits);
            lengths[*place] = bits.take(3) as u8;
        }
        if !by.fill(&lengths, false, Entry::of_code_length) {
            return Err("invalid code lengths set");
        }
        let mut lengths = [0; MOST_SYMBOLS + MOST_DISTANCES];
        let (lengths, _) = lengths.split_at_mut(symbols + distances);
        let mut done = 0;
        while done < lengths.len() {
            refill(bits);
            let entry = by.entry(bits.place::<LENGTH_BITS>());
            bits.skip(entry.bits());
            let ([symbol, _], _) = entry.literals();
            let last = done.checked_sub(1).map(|last| lengths[last]);
            let (length, count) = match (symbol, last) {
                (..16, _) => (symbol, 1),
                (16, Some(last)) => (last, 3 + bits.take(2)),
                (16, None) => return Err("invalid bit length repeat"),
                (17, _) => (0, 3 + bits.take(3)),
                (18.., _) => (0, 11 + bits.take(7)),
            };
            let alike = lengths.get_mut(done..done + count as usize).ok_or("invalid bit length repeat")?;
            alike.fill(length);
            done += count as usize;
        }
        let (symbols, distances) = lengths.split_at(symbols);
        if symbols[256] == 0 {
            return Err("invalid code -- missing end-of-block");
        }
        if !self.symbols.fill(symbols, true, Entry::of_symbol) {
            return Err("invalid literal/lengths set");
        }
        if !self.distances.fill(distances, true, Entry::of_distance) {
            return Err("invalid distances set");
        }
        Ok(())
    }
}
