//! Closing: makes a partial small.

use crate::aggregate::Analysis;
use crate::findings::{NetworkContext, known_interfaces};
use crate::topology::Topology;

/// Decides causes and answers by the accepted records, and drops these. What remains is small, and merges in time that is linear in the
/// number of rejected groups, address pairs, and interfaces.
///
/// Of accepted records that open connections, those remain that nothing answered; of those from sources of rejected attempts, their number
/// remains, by host and by port. `topology` must be the one that was used to analyze the
/// records. A merge does not compare the records of a closed part with accepted records of other parts; the summary has `exact` false
/// where that matters.
pub fn close(analysis: &mut Analysis, topology: Option<&Topology>) {
    let Analysis { interfaces, places, rejects, openings, accepted, closing, let_through, .. } = analysis;
    let known_interfaces = &known_interfaces(interfaces, topology);
    let network = NetworkContext { interfaces, places, topology, known_interfaces };
    rejects.close(accepted);
    openings.close(accepted, &network);
    let_through.close(accepted, rejects);
    accepted.close();
    *closing = closing.close();
}
