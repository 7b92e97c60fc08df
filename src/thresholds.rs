//! From when on a pattern is a finding.

use crate::counts::counts;

counts! {
    /// Thresholds of the detectors, each at least 1.
    Thresholds:
    /// `port-scan`: distinct (protocol, port) that one source is refused at one destination.
    port_scan_ports = 15;
    /// `host-sweep`: distinct destinations at which one source is refused the same port.
    host_sweep_hosts = 25;
    /// `repeated-rejects`: flows of one rejected group.
    repeated_reject_flows = 100;
    /// `egress-blocked`: flows of one interface to public addresses that are refused.
    egress_blocked_flows = 5;
    /// `one-way-peering`: accepted TCP flows from one VPC to another that get no answer.
    one_way_min_flows = 5;
}
