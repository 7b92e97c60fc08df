//! Findings about rejected connections. Each detector looks at the rejected groups alone: it needs no topology.

pub(super) mod egress_blocked;
pub(super) mod host_sweep;
pub(super) mod port_scan;
pub(super) mod repeated_rejects;
pub(super) mod reply_blocked;
