//! Partials: the state of an analysis as a file, so that parts of a report are made by themselves and merged.
//!
//! In: an [`Analysis`], and out: a file; and back. [`write()`] and [`read()`] are inverse: what [`Analysis::merge`] makes of read partials, in
//! the order of the inputs, is what it makes of the inputs themselves.
//!
//! A part may be [closed](close()) before it is written: without its accepted records it is small.
//!
//! A file is a row of `sections`, in blocks (`block`). It is untrusted: lengths are bounded before memory is reserved, and
//! each row is checked before it is added, under the limits of the configuration ([`crate::aggregate::rows`]). The checksum finds damage; it
//! does not show who made the file.
//!
//! Rows are serialized by postcard, a documented format with numbers of variable length that serde's derive covers. A change of any row is
//! another [`FORMAT_VERSION`]: `tests/partial.rs` compares a stored file.

mod block;
mod close;
mod error;
mod fingerprint;
mod sections;

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use self::block::{BlockReader, BlockWriter};
pub use self::close::close;
pub use self::error::PartialError;
pub use self::fingerprint::Fingerprint;
use self::sections::{HEADER, Restorer};
use crate::aggregate::Analysis;
use crate::config::{Config, Limits};
use crate::topology::Topology;

/// Version of the format. Other versions are not read.
pub const FORMAT_VERSION: u16 = 3;

/// The first bytes of a partial. A conversion of line ends damages them.
const MAGIC: [u8; 8] = *b"FSPART\r\n";

/// What all parts of a report have in common.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    topology: Option<&'a Topology>,
    limits: Limits,
    header: Header,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    topology: Option<Fingerprint>,
    configuration: Fingerprint,
}

impl<'a> Context<'a> {
    /// Creates the context of a run with this topology and configuration.
    pub fn new(topology: Option<&'a Topology>, config: &Config) -> Context<'a> {
        let header = Header {
            topology: topology.map(Fingerprint::of_topology),
            configuration: Fingerprint::of_configuration(config),
        };
        Context { topology, limits: config.limits, header }
    }

    /// Returns the name of what all parts have in common: the first digits of the fingerprints of topology and configuration.
    pub fn name(&self) -> String {
        let Header { topology, configuration } = self.header;
        let topology = topology.map_or_else(|| "none".to_owned(), |fingerprint| fingerprint.to_string());
        format!("topology-{topology}-configuration-{configuration}")
    }
}

/// Writes a partial of an analysis, which was made with the topology and the limits of the context.
///
/// # Errors
/// If the output fails.
pub fn write(mut analysis: Analysis, context: &Context<'_>, output: impl Write) -> io::Result<()> {
    let mut writer = BlockWriter::new(output)?;
    writer.rows(HEADER, [context.header])?;
    sections::write(&mut analysis, &mut writer)?;
    writer.finish()
}

/// Reads a partial. Memory is bounded by the limits of the context, apart from what grows with the number of inputs.
///
/// # Errors
/// If the input fails, is not a partial, is damaged, or was made with another version, topology, or configuration.
pub fn read(input: impl Read, context: &Context<'_>) -> Result<Analysis, PartialError> {
    let mut blocks = BlockReader::open(input)?;
    let first = blocks.next_block()?.filter(|block| block.tag == HEADER);
    let header: Header = first.ok_or(PartialError::Corrupt("it has no header"))?.only_row()?;
    let expected = context.header;
    if header.topology != expected.topology {
        return Err(PartialError::Topology { made_with: header.topology, expected: expected.topology });
    }
    if header.configuration != expected.configuration {
        let (made_with, expected) = (header.configuration, expected.configuration);
        return Err(PartialError::Configuration { made_with, expected });
    }
    let mut restorer = Restorer::new(context.topology, &context.limits);
    while let Some(block) = blocks.next_block()? {
        restorer.add(&block)?;
    }
    restorer.finish()
}
