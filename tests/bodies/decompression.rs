//! DEFLATE data and gzip are read as zlib-rs reads them.

use flate2::{Decompress, FlushDecompress, Status};
use flowsentry::input::decoder::{self, Text};
use flowsentry::input::inflate::{self, Fault, Inflate, Input, OVERRUN_BYTES, Output, PADDING_BYTES, WINDOW_BYTES};

/// More text is not compared.
const MOST_BYTES: usize = 1 << 20;

/// What became of some data: the text, and its end in the data, or what is wrong.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    End(Vec<u8>, usize),
    Corrupt(Vec<u8>, String),
    CutOff(Vec<u8>),
}
use Outcome::{Corrupt, CutOff, End};

/// The first two bytes say in which pieces the data comes, and is wanted.
pub fn compare(bytes: &[u8]) {
    let (sizes, data) = bytes.split_at(bytes.len().min(2));
    let Some(expected) = by_zlib(Decompress::new(false), data) else { return };
    let size = |at: usize| sizes.get(at).map_or(1, |size| 1 + usize::from(*size));
    for (piece, slice) in [(BUFFER_BYTES, ROOM_BYTES), (size(0), size(1))] {
        let found = by_inflate(data, piece, slice);
        match (&expected, &found) {
            // So near the end it can't be told whether bytes are missing or wrong, and some may have been made of none.
            (Corrupt(text, _) | CutOff(text), CutOff(read)) => {
                assert!(read.starts_with(text), "{found:?} for {expected:?}");
            }
            // That there is no code at all zlib tells later, if the data does not end before.
            (Corrupt(text, _) | CutOff(text), Corrupt(read, reason)) if reason == "invalid code lengths set" => {
                assert_eq!(read, text);
            }
            // zlib-rs has handed out the text before a fault, and forgotten what that was.
            (Corrupt(text, again), Corrupt(read, _)) if again == "repeated call with bad state" => {
                assert_eq!(read, text);
            }
            _ => assert_eq!(found, expected),
        }
    }
    match (by_zlib(Decompress::new_gzip(15), data), by_text(data)) {
        (Some(End(text, end)), _) => assert_eq!(by_text(&data[..end]), Some(text)),
        (_, Some(_)) => assert!(!data.starts_with(&[0x1f, 0x8b]), "what zlib does not read is read"),
        _ => {}
    }
}

fn by_zlib(mut zlib: Decompress, data: &[u8]) -> Option<Outcome> {
    let mut text = vec![0; MOST_BYTES];
    loop {
        let (used, done) = (zlib.total_in() as usize, zlib.total_out() as usize);
        let status = zlib.decompress(&data[used..], &mut text[done..], FlushDecompress::None);
        let (end, length) = (zlib.total_in() as usize, zlib.total_out() as usize);
        let text = text[..length].to_vec();
        match status {
            Ok(_) if length == MOST_BYTES => return None,
            Ok(Status::StreamEnd) => return Some(End(text, end)),
            Ok(_) if (end, length) == (used, done) => return Some(CutOff(text)),
            Ok(_) => {}
            Err(error) => return Some(Corrupt(text, error.message().unwrap_or_default().to_owned())),
        }
    }
}

const BUFFER_BYTES: usize = 1 << 14;
const ROOM_BYTES: usize = 1 << 16;

fn by_inflate(data: &[u8], piece: usize, slice: usize) -> Outcome {
    let mut inflate = Inflate::new();
    let mut room = Box::new([0; WINDOW_BYTES + ROOM_BYTES + OVERRUN_BYTES]);
    let (mut bytes, mut start, mut end, mut rest) = ([0; BUFFER_BYTES + PADDING_BYTES], 0, 0, data);
    let (mut text, mut at) = (Vec::new(), 0);
    loop {
        let mut input = Input { bytes: &bytes, at: start, end, is_last: rest.is_empty() };
        let limit = (at + slice).min(WINDOW_BYTES + ROOM_BYTES);
        let mut output = Output { bytes: &mut room, first: 0, at, limit };
        let status = inflate.inflate(&mut input, &mut output);
        start = input.at;
        text.extend_from_slice(&output.bytes[at..output.at]);
        at = output.at;
        match status {
            Ok(inflate::Status::End) => return End(text, data.len() - rest.len() - (end - start)),
            Ok(inflate::Status::Full) if at < WINDOW_BYTES + ROOM_BYTES => {}
            Ok(inflate::Status::Full) => {
                room.copy_within(at - WINDOW_BYTES..at, 0);
                at = WINDOW_BYTES;
            }
            Ok(inflate::Status::Starved) => {
                bytes.copy_within(start..end, 0);
                (start, end) = (0, end - start);
                let (more, others) = rest.split_at(rest.len().min(piece).min(BUFFER_BYTES - end));
                bytes[end..end + more.len()].copy_from_slice(more);
                (end, rest) = (end + more.len(), others);
            }
            Err(Fault::Corrupt(reason)) => return Corrupt(text, reason.to_owned()),
            Err(Fault::CutOff) => return CutOff(text),
        }
    }
}

/// All of the text of a gzip object.
fn by_text(object: &[u8]) -> Option<Vec<u8>> {
    const BEFORE: usize = decoder::BEFORE_BYTES;
    let mut read = Text::open(object, MOST_BYTES as u64).ok()?;
    let (mut all, mut bytes) = (Vec::new(), Box::new([0; BEFORE + ROOM_BYTES + decoder::BEHIND_BYTES]));
    loop {
        let end = read.read(&mut bytes, BEFORE, BEFORE + ROOM_BYTES).ok()?;
        if end == BEFORE {
            return Some(all);
        }
        all.extend_from_slice(&bytes[BEFORE..end]);
        bytes.copy_within(end - BEFORE..end, 0);
    }
}
