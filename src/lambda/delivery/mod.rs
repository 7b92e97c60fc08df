//! Delivery of one object's outputs: summary, findings, metrics, alerts, receipts.
//!
//! [`state`] decides which step comes next and how to react to its outcome; it makes no calls. `executor` makes the calls.
//! [`output_keys`] derives the keys of the outputs from the object's identity alone, [`alerts`] turns findings into events,
//! and [`records`] renders receipts and reads back stored summaries. [`memory`] decides which findings are news, and `notify` reads and
//! stores what it remembers.
//!
//! The summary is stored before anything that is derived from it. Everything derived comes from the stored summary, so that
//! two deliveries of one object cannot contradict each other.

pub mod alerts;
#[cfg(feature = "aws")]
pub(crate) mod executor;
pub mod memory;
#[cfg(feature = "aws")]
pub(crate) mod notify;
pub mod output_keys;
pub mod records;
pub mod state;
