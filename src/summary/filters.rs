//! Which records and findings a summary has, if the user selected some.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Summary;
use crate::aggregate::filter::RecordFilter;
use crate::findings::types::Severity;
use crate::record::Action;
use crate::record::timestamp::Timestamp;

/// The filters of a summary. A record passes if each kind that is not empty or null has a value that holds. Records that do not pass are
/// in `records.filtered` and in no other number, but causes, replies, and directions are decided by all records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Filters {
    /// Records end at this time or later.
    pub since: Option<Timestamp>,
    /// Records start before this time.
    pub until: Option<Timestamp>,
    /// Interfaces that recorded the traffic.
    pub interface_ids: Vec<String>,
    /// VPCs of the interfaces.
    pub vpc_ids: Vec<String>,
    /// Blocks with the source or the destination.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub addresses: Vec<IpNet>,
    /// Source or destination ports.
    pub ports: Vec<u16>,
    /// Actions of the records.
    pub actions: Vec<Action>,
    /// Least severity of the listed findings.
    pub min_severity: Option<Severity>,
    /// Findings of a lower severity, which are not listed.
    pub findings_left_out: u64,
}

impl From<&RecordFilter> for Filters {
    fn from(filter: &RecordFilter) -> Filters {
        let RecordFilter { since, until, interfaces, vpcs, addresses, ports, actions } = filter.clone();
        let (interface_ids, vpc_ids) = (interfaces, vpcs);
        Filters { since, until, interface_ids, vpc_ids, addresses, ports, actions, ..Filters::default() }
    }
}

impl Filters {
    /// Returns the filters of records as options of the command. It may be empty. The ids are as given.
    pub fn record_options(&self) -> String {
        let Filters { since, until, interface_ids, vpc_ids, addresses, ports, actions, .. } = self;
        let mut options = Vec::new();
        let mut add = |name: &str, value: String| options.push(format!("--{name} {value}"));
        since.iter().for_each(|time| add("since", time.to_string()));
        until.iter().for_each(|time| add("until", time.to_string()));
        interface_ids.iter().for_each(|id| add("interface", id.clone()));
        vpc_ids.iter().for_each(|id| add("vpc", id.clone()));
        addresses.iter().for_each(|block| add("address", block.to_string()));
        ports.iter().for_each(|port| add("port", port.to_string()));
        actions.iter().for_each(|action| {
            let name = match action {
                Action::Accept => "ACCEPT",
                Action::Reject => "REJECT",
            };
            add("action", name.to_owned());
        });
        options.join(" ")
    }
}

impl Summary {
    /// Keeps the findings of at least this severity, and counts the others.
    pub fn keep_findings(&mut self, min_severity: Severity) {
        let before = self.findings.len();
        self.findings.retain(|finding| finding.severity >= min_severity);
        let filters = self.filters.get_or_insert_default();
        filters.min_severity = filters.min_severity.max(Some(min_severity));
        let left_out = (before - self.findings.len()) as u64;
        // A stored summary may have any number.
        filters.findings_left_out = filters.findings_left_out.saturating_add(left_out);
    }

    /// Returns whether a finding that is not suppressed has at least this severity.
    pub fn has_finding(&self, severity: Severity) -> bool {
        self.findings.iter().any(|finding| finding.severity >= severity && finding.suppressed.is_none())
    }
}
