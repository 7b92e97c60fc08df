//! Writes lines to files: targets, file names, compression.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::AddAssign;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::network::{ACCOUNT_ID, REGION};
use super::rng::mix;

const FLOW_LOG_ID: &str = "fl-0123456789abcdef0";
/// The five minutes of a log that is not of several objects.
pub const FILE_TIME: &str = "20261123T0600Z";
const GZIP_LEVEL: u32 = 6;
const BUFFER_BYTES: usize = 128 * 1024;

/// Returns the AWS file name of the `number`th file of five minutes, such as those from [`FILE_TIME`] on.
pub fn aws_file_name(seed: u64, time: &str, number: u64, encoding: Encoding) -> String {
    let hash = mix(mix(seed) ^ number) >> 32;
    let extension = match encoding {
        Encoding::Gzip => "log.gz",
        Encoding::Plain => "log",
    };
    format!("{ACCOUNT_ID}_vpcflowlogs_{REGION}_{FLOW_LOG_ID}_{time}_{hash:08x}.{extension}")
}

/// Returns the folder of the day's objects in a bucket.
pub fn aws_folder() -> String {
    let (year, month, day) = (&FILE_TIME[..4], &FILE_TIME[4..6], &FILE_TIME[6..8]);
    format!("AWSLogs/{ACCOUNT_ID}/vpcflowlogs/{REGION}/{year}/{month}/{day}")
}

#[derive(Clone, Copy, PartialEq)]
pub enum Encoding {
    /// One member without name or time, so that the bytes depend only on the text and the compressor.
    Gzip,
    Plain,
}

pub enum Target {
    Stdout,
    File(PathBuf),
}

impl Target {
    /// Creates missing folders.
    fn open(&self, encoding: Encoding) -> io::Result<Box<dyn Write>> {
        match self {
            Self::Stdout if encoding == Encoding::Gzip && io::stdout().is_terminal() => {
                Err(io::Error::other("gzip is not for a terminal; see --out and --plain"))
            }
            Self::Stdout => Ok(Box::new(io::stdout().lock())),
            Self::File(path) => {
                fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
                Ok(Box::new(File::create(path)?))
            }
        }
    }

    fn failed(&self, cause: io::Error) -> Error {
        Error::new(self, cause)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("stdout"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// A target that could not be written.
#[derive(Debug)]
pub struct Error {
    target: String,
    cause: io::Error,
}

impl Error {
    pub fn new(target: &impl fmt::Display, cause: io::Error) -> Self {
        Self { target: target.to_string(), cause }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "cannot write {}: {}", self.target, self.cause)
    }
}

/// Sizes of the output.
#[derive(Default)]
pub struct Sizes {
    /// Before compression.
    pub text_bytes: u64,
    pub file_bytes: u64,
}

impl AddAssign for Sizes {
    fn add_assign(&mut self, other: Self) {
        self.text_bytes += other.text_bytes;
        self.file_bytes += other.file_bytes;
    }
}

/// A log file being written.
pub struct LogFile {
    target: Target,
    encoder: Encoder,
    text_bytes: u64,
}

impl LogFile {
    pub fn create(target: Target, encoding: Encoding) -> Result<Self, Error> {
        let sink = target.open(encoding).map_err(|cause| target.failed(cause))?;
        let encoder = Encoder::new(sink, encoding);
        Ok(Self { target, encoder, text_bytes: 0 })
    }

    pub fn write(&mut self, text: &[u8]) -> Result<(), Error> {
        self.text_bytes += text.len() as u64;
        self.encoder.write(text).map_err(|cause| self.target.failed(cause))
    }

    pub fn finish(self) -> Result<Sizes, Error> {
        let file_bytes = self.encoder.finish().map_err(|cause| self.target.failed(cause))?;
        Ok(Sizes { text_bytes: self.text_bytes, file_bytes })
    }
}

enum Encoder {
    Gzip(Box<BufWriter<GzEncoder<Counted>>>),
    Plain(BufWriter<Counted>),
}

impl Encoder {
    fn new(sink: Box<dyn Write>, encoding: Encoding) -> Self {
        let sink = Counted { sink, bytes: 0 };
        match encoding {
            Encoding::Gzip => {
                let gzip = GzEncoder::new(sink, Compression::new(GZIP_LEVEL));
                Self::Gzip(Box::new(BufWriter::with_capacity(BUFFER_BYTES, gzip)))
            }
            Encoding::Plain => Self::Plain(BufWriter::with_capacity(BUFFER_BYTES, sink)),
        }
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(writer) => writer.write_all(text),
            Self::Plain(writer) => writer.write_all(text),
        }
    }

    /// Flushes the output and returns its total size in bytes.
    fn finish(self) -> io::Result<u64> {
        let mut counted = match self {
            Self::Gzip(writer) => writer.into_inner()?.finish()?,
            Self::Plain(writer) => writer.into_inner()?,
        };
        counted.flush()?;
        Ok(counted.bytes)
    }
}

struct Counted {
    sink: Box<dyn Write>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
