//! flowsentry reads AWS VPC Flow Logs. It reports which connections were rejected, where, and why, and finds VPC peering
//! problems.
//!
//! The rooms, in the order in which a record passes through them:
//!
//! | room | turns | into |
//! | --- | --- | --- |
//! | [`pipeline`] | a reader | an analysis: the loop, read this first |
//! | [`input`] | bytes | numbered lines |
//! | [`record`] | a line | a record |
//! | [`topology`] | AWS's describe output, an address | the VPC, subnet and interface of the address |
//! | [`aggregate`] | records | state: counts, rejected groups, traffic between VPCs |
//! | [`findings`] | state | findings |
//! | [`summary`] | findings and state | the types of the JSON contract |
//! | [`cli`] | arguments | a report: the command `flowsentry` |
//! | [`lambda`] | an event | stored summaries, metrics, alerts: the function |
//!
//! A room uses the rooms above it in this table, and none below it; `tests/rooms.rs` holds that order. Every room may use
//! [`error`], [`config`] and [`sanitize`]. All rooms but the programs' are pure functions of their input: no clock,
//! environment, file or network.

#[cfg(not(panic = "unwind"))]
compile_error!(
    "one object's bug must not be the others', so panics have to unwind: say panic = \"unwind\" in the profile"
);

pub mod aggregate;
pub mod cli;
pub mod config;
pub mod error;
pub mod findings;
pub mod input;
pub mod lambda;
pub mod pipeline;
pub mod record;
pub mod sanitize;
pub mod summary;
pub mod topology;
