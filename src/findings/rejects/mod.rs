//! Findings about rejected connections. The detectors read only the rejected groups and need no topology. A topology makes
//! directions and public addresses more exact.

pub(super) mod egress_blocked;
pub(crate) mod health_checks_rejected;
pub(super) mod host_sweep;
pub(super) mod port_scan;
mod probes;
pub(super) mod repeated_rejects;
pub(super) mod reply_blocked;
pub(super) mod scans;
