//! DeliveryState of one object's outputs: summary, findings, metrics, alerts, receipts.
//!
//! [`state`] decides which step comes next and what an outcome means; it makes no call. `executor` makes the calls.
//! [`output_keys`] names the outputs by the object's identity alone, [`alerts`] makes events of findings, [`records`] has the
//! receipts that are stored beside a summary.
//!
//! The summary is stored before anything that is derived from it. Everything derived is made from the stored summary, so
//! that two deliveries of one object cannot contradict each other.

pub mod alerts;
#[cfg(feature = "aws")]
pub mod executor;
pub mod output_keys;
pub mod records;
pub mod state;
