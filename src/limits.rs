//! How much of a log's variety is kept: what grows with it has a limit, so that memory has one.

use crate::counts::counts;

counts! {
    /// So many of each are kept at most. The totals, and the sums by interface, by place and by pair of VPCs, hold every
    /// record whatever the limits are. The defaults are such that the largest objects that AWS writes, of 75 MB of gzip,
    /// are summarised exactly if no more of their records are rejected than of most.
    Limits:
    /// Rejected groups. Until the limit is reached, a group whose cause hangs on source ports takes one for each of them.
    max_rejected_groups = 196_608;
    /// Accepted 5-tuples, by which causes are decided; one of IPv6 counts as three, as it takes the room of three. Beyond it
    /// none is kept.
    max_accepted_tuples = 3_407_872;
    /// Pairs of addresses with traffic that is noteworthy by the topology, both directions together.
    max_address_pairs = 98_304;
    /// Network interfaces; as many VPCs and subnets that records name, and as many combinations of the three.
    max_interfaces = 65_535;
    /// Distinct column lists.
    max_formats = 64;
}
