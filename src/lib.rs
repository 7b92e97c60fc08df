//! flowsentry reads AWS VPC Flow Logs and says who was refused, where, and why, and what goes wrong between peered VPCs.
//!
//! The map, in the order in which a record travels:
//!
//! | module | turns | into |
//! | --- | --- | --- |
//! | [`pipeline`] | a reader | an analysis: the loop, read this first |
//! | [`text`] | an object's bytes | text: gzip members, limits, truncation |
//! | [`lines`], [`buffer`], [`cpu`] | text | numbered lines, and where their columns are |
//! | [`field`], [`mod@format`], [`parse`], [`record`] | a line | a record, by ONE table of the fields |
//! | [`analysis`] | records | counts, and what is kept for the end: |
//! | [`interfaces`], [`let_through`], [`rejects`], [`keyed`], [`limits`] | records | by interface, by 5-tuple, by rejected group |
//! | [`topology`], [`peering`] | records | located at both ends; those that are noteworthy by it |
//! | [`report`], [`cause`] | an analysis | the summary |
//! | [`detect`], [`finding`] | rejected groups, noteworthy records | findings |
//! | [`summary`] | | the types that are the JSON contract |
//! | [`sink`] | a summary | bytes: JSON, text for people, metrics, alerts |
//!
//! and for the function:
//!
//! | module | turns | into |
//! | --- | --- | --- |
//! | [`event`] | an invocation's payload | the objects that it tells of |
//! | [`settings`], [`topology_uri`] | environment variables | what they mean |
//! | [`config`], [`counts`], [`thresholds`] | a configuration file | the same, for the command |
//! | [`keys`] | an object's identity | names of its outputs |
//! | [`delivery`] | what an object came to | the steps in which it is stored and told, and their order |
//!
//! All of these are pure functions of their input: no clock, environment, file or network. Around them stand the
//! shells of the two programs: [`cli`]; `handler` with `aws` and `log`.

#[cfg(not(panic = "unwind"))]
compile_error!(
    "one object's bug must not be the others', so panics have to unwind: say panic = \"unwind\" in the profile"
);

pub mod aggregate;
#[cfg(feature = "aws")]
pub mod aws;
pub mod cli;
pub mod config;
pub mod delivery;
pub mod error;
pub mod event;
pub mod findings;
#[cfg(feature = "aws")]
pub mod handler;
pub mod input;
pub mod keys;
#[cfg(feature = "aws")]
pub mod log;
pub mod pipeline;
pub mod record;
pub mod report;
pub mod sanitize;
pub mod settings;
pub mod sink;
pub mod summary;
pub mod topology;
pub mod topology_uri;
