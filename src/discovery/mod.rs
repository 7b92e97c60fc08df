//! Discovery of the network: describes accounts and Regions by EC2's API, and keeps snapshots of what it finds.
//!
//! Input: responses of EC2. Output: topology documents, which [`topology::describe_output`](crate::topology::describe_output)
//! reads, and the manifest of a snapshot.
//!
//! - [`target`]: accounts, Regions, and the URLs of their API.
//! - [`actions`] and `shapes`: the calls, and which parts of their responses are used.
//! - [`xml`]: a response to the values of AWS's JSON.
//! - [`document`]: all responses of an account and Region to one document.
//! - [`snapshot`]: documents to a snapshot: what to write, and which snapshot is in force at a time.
//! - [`retry`]: which calls to repeat, and when.
//! - `aws`: makes the calls. Only this module needs the feature `aws`; all others are pure functions.

pub mod actions;
#[cfg(feature = "aws")]
pub mod aws;
pub mod document;
pub mod retry;
mod shapes;
pub mod snapshot;
pub mod target;
pub mod xml;
