//! Collects the records that support a finding, and builds the finding from them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Context;
use super::rule_share::RuleShares;
use super::types::{self, Confidence, Details, Evidence, Example, Finding, FindingType, Severity, Subject};
use crate::aggregate::counters::{Counters, TimeRange};
use crate::aggregate::interner::Symbol;
use crate::aggregate::peering::{ClassView, ClassifiedFlows};
use crate::aggregate::rejected::cause::Cause;
use crate::aggregate::rejected::{GroupKey, Subgroup};
use crate::aggregate::unanswered::{UnansweredGroup, UnansweredSource};
use crate::record::{Action, TCP};
use crate::topology::path::{Hop, HopDirection};

/// Maximum number of example records of a finding.
const MAX_EXAMPLES: usize = 5;
/// Maximum number of interfaces for which an address is looked up for a title.
const MAX_LABELED_INTERFACES: usize = 64;

/// The records that support a finding: their sums, interfaces, and first examples.
#[derive(Default)]
pub(super) struct MatchedFlows {
    pub(super) tally: Counters,
    pub(super) seen: TimeRange,
    pub(super) interfaces: BTreeSet<Option<Symbol>>,
    /// Whether a record may belong to a connection that was opened earlier: its `tcp-flags` do not show a SYN.
    syn_unconfirmed: bool,
    /// Whether a record may belong to a connection that another input shows: neither `tcp-flags` nor a reject reason tell.
    is_unproven: bool,
    /// Which answers are among rejected records.
    pub(super) answers: SeenAnswers,
    /// The rules that reject the records.
    pub(super) rules: RuleShares,
    pub(super) examples: BTreeSet<Example>,
}

/// Kinds of answers among rejected records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SeenAnswers {
    /// `tcp-flags` of a record show SYN and ACK.
    pub(super) syn_acks: bool,
    /// A record is not a SYN-ACK.
    pub(super) others: bool,
}

/// An example record, before its interface id is copied.
struct ExampleRef<'a> {
    interface_id: Option<&'a str>,
    srcaddr: Option<IpAddr>,
    dstaddr: Option<IpAddr>,
    srcport: Option<u16>,
    dstport: Option<u16>,
    protocol: Option<u8>,
    action: Action,
}

impl MatchedFlows {
    /// Creates a collection from sums that have no records to show.
    pub(super) fn from_sums(tally: Counters, seen: TimeRange) -> MatchedFlows {
        MatchedFlows { tally, seen, ..MatchedFlows::default() }
    }

    /// Formats an address for titles, with its name if all interfaces of the records locate it alike.
    pub(super) fn address_label(&self, context: &Context<'_>, address: IpAddr) -> String {
        let label =
            |id: &Option<Symbol>| context.network.address_label(address, context.network.interface_recorder(*id));
        let labels: BTreeSet<String> = self.interfaces.iter().take(MAX_LABELED_INTERFACES).map(label).collect();
        let is_sure = labels.len() == 1 && self.interfaces.len() <= MAX_LABELED_INTERFACES;
        labels.into_iter().next().filter(|_| is_sure).unwrap_or_else(|| address.to_string())
    }

    /// Adds the records of a subgroup of rejected records.
    pub(super) fn add(&mut self, context: &Context<'_>, key: GroupKey, subgroup: &Subgroup) {
        self.tally.merge(subgroup.tally);
        self.seen.merge(subgroup.seen);
        self.interfaces.insert(key.interface);
        let has_reason = matches!(subgroup.cause, Cause::BlockPublicAccess | Cause::EncryptionControls);
        self.syn_unconfirmed |= !subgroup.is_syn;
        self.is_unproven |= !subgroup.is_syn && !has_reason;
        self.rules.add(context, &key, subgroup);
        self.answers.syn_acks |= subgroup.is_syn_ack;
        self.answers.others |= !subgroup.is_syn_ack;
        self.add_example(&ExampleRef {
            interface_id: context.network.interface_name(key.interface),
            srcaddr: key.src,
            dstaddr: key.dst,
            srcport: subgroup.srcport,
            dstport: key.dstport,
            protocol: key.protocol,
            action: Action::Reject,
        });
    }

    /// Adds accepted records of one source that got no answer.
    pub(super) fn add_opening(&mut self, context: &Context<'_>, group: &UnansweredGroup, source: &UnansweredSource) {
        self.tally.merge(source.tally);
        self.seen.merge(source.seen);
        self.interfaces.insert(group.interface);
        self.add_example(&ExampleRef {
            interface_id: context.network.interface_name(group.interface),
            srcaddr: source.src,
            dstaddr: Some(group.dst),
            srcport: source.srcport,
            dstport: Some(group.dstport),
            protocol: Some(TCP),
            action: Action::Accept,
        });
    }

    /// Adds records that the topology classified.
    pub(super) fn add_classified(&mut self, context: &Context<'_>, flows: &ClassifiedFlows) {
        let ClassifiedFlows { addresses, interface, action, sums, .. } = *flows;
        let (srcport, dstport) = sums.least_ports.unwrap_or_default();
        self.tally.merge(sums.tally);
        self.seen.merge(sums.seen);
        self.interfaces.insert(interface);
        self.add_example(&ExampleRef {
            interface_id: context.network.interface_name(interface),
            srcaddr: addresses.src,
            dstaddr: addresses.dst,
            srcport,
            dstport,
            protocol: addresses.protocol,
            action,
        });
    }

    /// Adds all records of a traffic class. The tally comes from the totals of the class, which include the records that a
    /// memory limit dropped.
    pub(super) fn add_class(&mut self, context: &Context<'_>, class: &ClassView<'_>) {
        let mut tally = self.tally;
        for flows in class.flows() {
            self.add_classified(context, &flows);
        }
        tally.merge(class.totals.records());
        self.tally = tally;
    }

    /// Keeps the example if it is among the first [`MAX_EXAMPLES`] in order. Most are not: they are skipped before their
    /// interface id is copied.
    fn add_example(&mut self, example: &ExampleRef<'_>) {
        let ends = (example.interface_id, example.srcaddr, example.dstaddr);
        let sorts_last = |last: &Example| (last.interface_id.as_deref(), last.srcaddr, last.dstaddr) < ends;
        if self.examples.len() == MAX_EXAMPLES && self.examples.last().is_some_and(sorts_last) {
            return;
        }
        let ExampleRef { interface_id, srcaddr, dstaddr, srcport, dstport, protocol, action } = *example;
        let interface_id = interface_id.map(str::to_owned);
        self.examples.insert(Example { interface_id, srcaddr, dstaddr, srcport, dstport, protocol, action });
        if self.examples.len() > MAX_EXAMPLES {
            self.examples.pop_last();
        }
    }

    /// Returns the confidence that the rejected records are attempts to open connections, and its evidence. It is high if `tcp-flags` or
    /// the reject reason of every record show it. Otherwise they may belong to connections whose accepted records another input has.
    pub(super) fn attempt_confidence(&self, context: &Context<'_>) -> (Confidence, Option<Evidence>) {
        let confidence = if self.is_unproven { context.confidence_in_absence() } else { Confidence::High };
        (confidence, (!self.syn_unconfirmed).then_some(Evidence::TcpFlags))
    }

    /// Builds the finding. Its confidence is at most medium if AWS skipped records of one of the interfaces.
    pub(super) fn into_finding(self, context: &Context<'_>, draft: FindingDraft) -> Finding {
        let mut evidence = draft.evidence;
        let mut confidence = draft.confidence;
        if self.interfaces.iter().any(|id| context.has_gaps(*id)) {
            confidence = confidence.min(Confidence::Medium);
            evidence.insert(Evidence::SkipData);
        }
        let next_step = remedy_of(draft.finding_type).and_then(|prefix| self.rules.remedy(context, prefix));
        let examples: Vec<Example> = self.examples.into_iter().collect();
        Finding {
            names: context.network.names_in((&draft.subject, &draft.details, &examples)),
            suppressed: None,
            id: types::id(draft.finding_type.name(), &draft.subject),
            finding_type: draft.finding_type,
            severity: draft.severity,
            confidence,
            title: draft.title,
            next_step,
            subject: draft.subject,
            details: draft.details,
            evidence,
            tally: self.tally,
            seen: self.seen,
            exact: context.completeness.covers(draft.finding_type),
            examples,
        }
    }
}

/// Names the hop that blocks, for the end of a title: `; on the way back, network ACL acl-1 (db): rule 90 denies …`. Empty without one.
pub(super) fn describe_obstacle(context: &Context<'_>, hop: Option<&Hop>) -> String {
    let Some((hop, topology)) = hop.zip(context.network.topology) else { return String::new() };
    let way = match hop.direction {
        HopDirection::Forward => "",
        HopDirection::Return => "on the way back, ",
    };
    let id = hop.id.as_deref().map_or_else(String::new, |id| format!(" {}", topology.id_with_name(id)));
    format!("; {way}{}{id}: {}", hop.kind.words(), hop.reason)
}

/// Returns the start of the sentence that says which rule to add, if such a rule solves the problem. Scans are rejected rightly.
fn remedy_of(finding_type: FindingType) -> Option<&'static str> {
    match finding_type {
        FindingType::HealthChecksRejected | FindingType::ReplyBlocked => Some("Allow"),
        FindingType::EgressBlocked | FindingType::RejectedPeering | FindingType::RepeatedRejects => {
            Some("If it is intended, allow")
        }
        _ => None,
    }
}

/// The conclusion of a detector about its matched records.
pub(super) struct FindingDraft {
    pub(super) finding_type: FindingType,
    pub(super) severity: Severity,
    pub(super) confidence: Confidence,
    pub(super) title: String,
    pub(super) subject: Subject,
    pub(super) details: Details,
    pub(super) evidence: BTreeSet<Evidence>,
}
