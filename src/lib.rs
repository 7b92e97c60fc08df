//! flowsentry reads AWS VPC Flow Logs. It reports which connections were rejected, where, and why, and finds VPC peering
//! problems.
//!
//! The rooms are the top-level modules, in the order in which a record passes through them:
//!
//! | room | turns | into |
//! | --- | --- | --- |
//! | [`pipeline`] | a reader | an analysis. It has the main loop: start reading here |
//! | [`plan`] | a listing of objects | batches, and the order of merging them |
//! | [`input`] | bytes | numbered lines |
//! | [`record`] | a line | a record |
//! | [`topology`] | AWS's describe output, an address | the VPC, subnet and interface of the address |
//! | [`aggregate`] | records | state: counts, rejected groups, traffic between VPCs |
//! | [`findings`] | state | findings |
//! | [`partial`] | state | a file, and back: parts of one report |
//! | [`summary`] | findings and state | the types of the JSON output |
//! | [`html`] | a summary, a diff, or an explanation | a page |
//! | [`discovery`] | EC2's responses | topology documents, and snapshots of a network |
//! | [`cli`] | arguments | a report; the command `flowsentry` |
//! | [`lambda`] | an event | stored summaries, metrics and alerts; the Lambda function |
//!
//! A room uses only rooms above it in this table, except for `pipeline`, which uses `input` to `aggregate`.
//! `tests/rooms.rs` checks the order. Every room may use [`error`] and [`sanitize`], and every room after [`record`] may use
//! [`config`]. All rooms except [`cli`] and [`lambda`] are pure functions of their input: they use no clock, environment, file
//! or network. Only the module `discovery::aws`, which is built with the feature `aws`, makes calls.

#![warn(clippy::expect_used, clippy::indexing_slicing)]

#[cfg(not(panic = "unwind"))]
compile_error!(
    "panics must unwind, so that a bug that one object triggers does not stop the others: set panic = \"unwind\""
);

pub mod aggregate;
pub mod cli;
pub mod config;
pub mod discovery;
pub mod error;
pub mod findings;
pub mod html;
pub mod input;
pub mod lambda;
pub mod partial;
pub mod pipeline;
pub mod plan;
pub mod record;
pub mod sanitize;
pub mod summary;
pub mod topology;
