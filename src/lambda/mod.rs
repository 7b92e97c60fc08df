//! The Lambda function: turns object-created events into stored summaries, metrics and alerts.
//!
//! The input is the payload of an invocation. [`event`] extracts the objects that it names, from any envelope. `handler`
//! analyzes each object with the pipeline, within the time left. [`delivery`] decides the order of the steps that store the
//! outputs, emit the metrics and send the alerts, so that a redelivered event changes nothing. `aws` contains all calls to
//! S3 and EventBridge. The output is a response that lists the messages to retry.
//!
//! [`discovery`] is another function, of the program `flowsentry-topology`: it stores snapshots of the network, which
//! [`snapshot_cache`] reads for the analysis.
//!
//! The logic is free of AWS calls, clocks and the environment, and compiles without the feature `aws`: [`settings`],
//! [`event`], and the state machine, keys and alerts of [`delivery`].

#[cfg(feature = "aws")]
pub mod aws;
pub mod delivery;
pub mod digest;
#[cfg(feature = "aws")]
pub mod discovery;
#[cfg(feature = "aws")]
pub mod document_cache;
pub mod document_uri;
pub mod event;
#[cfg(feature = "aws")]
pub mod handler;
#[cfg(feature = "aws")]
pub mod logging;
#[cfg(feature = "aws")]
pub mod metrics;
pub mod settings;
#[cfg(feature = "aws")]
pub mod snapshot_cache;
pub mod window;
