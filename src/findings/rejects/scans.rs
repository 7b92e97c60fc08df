//! Scans: port scans and host sweeps, which have the same probes.

use super::super::Context;
use super::probes::{Probe, probes};
use super::{host_sweep, port_scan};
use crate::findings::types::Finding;

/// Runs both detectors.
pub(in crate::findings) fn detect(context: &Context<'_>) -> Vec<Finding> {
    let probes: Vec<Probe> = probes(context).collect();
    [host_sweep::detect(context, &probes), port_scan::detect(context, &probes)].concat()
}
