//! The function: events to stored summaries, metrics and alerts.
//!
//! In comes the payload of an invocation. [`event`] finds the objects it names, in any envelope. `handler` reads each one
//! through the pipeline, within the time that is left. [`delivery`] decides the order of the steps that store its outputs,
//! emit its metrics and send its alerts, so that a second delivery of the same event changes nothing. `aws` holds all calls to
//! S3 and EventBridge. Out goes a response that names the messages that failed.
//!
//! What decides is free of AWS, time and the environment, and compiles without the feature `aws`: [`settings`], [`event`],
//! [`delivery`]'s state machine, keys and alerts.

#[cfg(feature = "aws")]
pub mod aws;
pub mod delivery;
pub mod event;
#[cfg(feature = "aws")]
pub mod handler;
#[cfg(feature = "aws")]
pub mod logging;
#[cfg(feature = "aws")]
pub mod metrics;
pub mod settings;
#[cfg(feature = "aws")]
pub mod topology_cache;
pub mod topology_uri;
