//! Reports of time windows: one report over all objects of a window, made in parts by a state machine of Step Functions.
//!
//! [`request`] decides which window is to be reported, [`folders`] tells accounts and Regions from folders, [`keys`] names the
//! objects of a run, [`manifest`] has what a run consists of, and [`pattern`] matches keys. The
//! steps themselves, with their calls to S3, are those of the function's handler.
//!
//! ```text
//! reports/manifests/<name>/<from>-<to>/r0001.json      manifest of the first revision, written last
//! reports/manifests/<name>/<from>-<to>/r0001-retry/00000.json  a part with objects that may be read later
//! windows/<name>/<from>-<to>/<run>/batches/00000.json  the objects of a part
//! windows/<name>/<from>-<to>/<run>/level-0.json      the parts of a level: input of the state machine's map
//! windows/<name>/<from>-<to>/<run>/parts/0-00000.fspart
//! ```
//!
//! The run's name is a hash of all that its parts depend on, so each of these objects has the same content whoever writes it, and is
//! written only once. So a second start makes only what is missing.

pub mod folders;
pub mod keys;
pub mod manifest;
pub mod pattern;
pub mod request;
