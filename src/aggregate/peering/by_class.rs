//! Views of the classified records by traffic class, for the detectors.

use std::collections::{BTreeMap, HashMap, HashSet};

use foldhash::fast::RandomState;

use super::pairs::ACTIONS;
use super::{
    AddressPair, ClassTotals, Ends, FlowStats, InterVpcTraffic, InterfaceFacts, ReplyScope, Side, TrafficClass,
};
use crate::aggregate::accepted::{AcceptedFlows, AcceptedRow};
use crate::aggregate::interner::Symbol;
use crate::record::{Action, TCP};

/// All classified records, by class.
pub type FlowsByClass<'a> = BTreeMap<TrafficClass, ClassView<'a>>;

/// Whether the own VPC is known, interface, and ends of records that wait for a reply.
type Waiting = (bool, Option<Symbol>, Ends);

/// Returns whether the own VPC of records is known.
fn is_known(scope: ReplyScope) -> bool {
    matches!(scope, ReplyScope::Vpc(_))
}

/// The records of one traffic class.
#[derive(Debug, Clone)]
pub struct ClassView<'a> {
    /// Sums of all records. Limits do not affect them.
    pub totals: ClassTotals,
    peering: &'a InterVpcTraffic,
    entries: Vec<Entry<'a>>,
}

/// The sums of one pair, direction, action, and key.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    sums: &'a FlowStats,
    /// Index of the pair.
    pair: u32,
    ends: (u8, Action),
    interface: Option<Symbol>,
    side: Side,
    /// Whether there is a reply, `tcp-flags` show one, or a memory limit may have dropped one.
    is_answered: bool,
}

impl<'a> ClassView<'a> {
    /// Returns the records by addresses, as far as these are kept, in no particular order.
    pub fn flows(&self) -> impl Iterator<Item = ClassifiedFlows> {
        self.flows_if(|_| true)
    }

    /// Returns the rejected records.
    pub fn rejected(&self) -> impl Iterator<Item = ClassifiedFlows> {
        self.flows_if(|entry| entry.ends.1 == Action::Reject)
    }

    /// Returns the records without a reply.
    pub fn unanswered(&self) -> impl Iterator<Item = ClassifiedFlows> {
        self.flows_if(|entry| !entry.is_answered)
    }

    /// Returns the records that match. Does not read the others.
    fn flows_if(&self, which: impl Fn(&Entry<'a>) -> bool) -> impl Iterator<Item = ClassifiedFlows> {
        let peering = self.peering;
        self.entries.iter().filter(move |entry| which(entry)).map(|entry| peering.flows(entry))
    }
}

/// Classified records of one interface with the same addresses and action.
#[derive(Debug, Clone, Copy)]
pub struct ClassifiedFlows {
    /// Their addresses.
    pub addresses: AddressPair,
    /// Interface that recorded them.
    pub interface: Option<Symbol>,
    /// Accepted or rejected.
    pub action: Action,
    /// Where they were recorded, if they are between two VPCs.
    pub side: Side,
    /// Their sums.
    pub sums: FlowStats,
    /// Whether a record of the other direction, a reply, was rejected.
    pub reply_was_rejected: bool,
}

impl ClassifiedFlows {
    /// Returns whether these are accepted TCP records, which should have replies.
    pub fn is_accepted_tcp(&self) -> bool {
        self.action == Action::Accept && self.addresses.protocol == Some(TCP)
    }
}

impl InterVpcTraffic {
    /// Returns all classified records by class. `accepted` is `None` if accepted records were dropped.
    #[expect(clippy::indexing_slicing, reason = "a label has an entry in the table, and a direction is 0 or 1")]
    pub fn by_class(&self, accepted: Option<&AcceptedFlows>, facts: &impl InterfaceFacts) -> FlowsByClass<'_> {
        let answered = self.answered_at_interfaces(accepted, facts);
        let mut ids: HashMap<TrafficClass, usize, RandomState> = HashMap::default();
        let mut views: Vec<(TrafficClass, ClassView<'_>)> = Vec::new();
        let mut id = |class: TrafficClass, totals: &ClassTotals| {
            let id = *ids.entry(class).or_insert_with(|| {
                views.push((class, ClassView { totals: ClassTotals::default(), peering: self, entries: Vec::new() }));
                views.len() - 1
            });
            views[id].1.totals.merge(totals);
            id
        };
        let view_ids: Vec<(usize, Option<usize>)> = (self.classes.all.iter())
            .map(|((first, second), totals)| (id(*first, totals), second.map(|second| id(second, totals))))
            .collect();
        for (pair, (addresses, both)) in (0..).zip(self.pairs.iter()) {
            for direction in [0, 1] {
                let has_reply =
                    both.may_be_reply[usize::from(1 - direction)] || both.max_undercount > 0 || self.replies_incomplete;
                for action in ACTIONS {
                    for (key, sums) in both.sums(usize::from(direction), action) {
                        let (first, second) = view_ids[key.class as usize];
                        let ends = addresses.direction(usize::from(direction));
                        let is_answered = has_reply
                            || key.shows_answer
                            || answered.contains(&(is_known(addresses.scope), key.interface, ends.ends()));
                        for id in std::iter::once(first).chain(second) {
                            let (class, view) = &mut views[id];
                            let side = Side::of(*class, addresses.scope.own());
                            let interface = key.interface;
                            let ends = (direction, action);
                            view.entries.push(Entry { sums, pair, ends, interface, side, is_answered });
                        }
                    }
                }
            }
        }
        views.into_iter().collect()
    }

    /// Returns whether the own VPC is known for some records and not for others. Their replies are among all accepted records.
    pub fn has_mixed_scopes(&self) -> bool {
        let has = |known: bool| self.pairs.iter().any(|(key, _)| is_known(key.scope) == known);
        has(true) && has(false)
    }

    /// Returns the records that have a reply at the same interface, where the own VPC of only one of the two is known. Such records occur
    /// only if inputs have different columns.
    fn answered_at_interfaces(
        &self,
        accepted: Option<&AcceptedFlows>,
        facts: &impl InterfaceFacts,
    ) -> HashSet<Waiting, RandomState> {
        if !self.has_mixed_scopes() {
            return HashSet::default();
        }
        let mut waiting: HashSet<Waiting, RandomState> = HashSet::default();
        let mut answered = HashSet::default();
        for (key, pair) in self.pairs.iter() {
            let known = is_known(key.scope);
            for direction in [0, 1] {
                let (ends, reverse) = (key.direction(direction).ends(), key.direction(1 - direction).ends());
                for action in ACTIONS {
                    waiting.extend(pair.sums(direction, action).map(|(sum, _)| (known, sum.interface, ends)));
                }
                answered.extend(pair.sums(direction, Action::Accept).map(|(sum, _)| (!known, sum.interface, reverse)));
            }
        }
        let Some(accepted) = accepted.filter(|accepted| accepted.is_complete()) else {
            // A dropped record may be the reply to any of them.
            return waiting;
        };
        accepted.for_each(|row| {
            let AcceptedRow { tuple, has_vpc_id, .. } = row;
            let Some((protocol, src, dst)) = row.ends() else { return };
            let ends = (protocol, Some(dst), Some(src));
            for known in [true, false] {
                let request = (known, tuple.interface, ends);
                // Records without an interface may be of any VPC.
                if tuple.interface.is_some()
                    && waiting.contains(&request)
                    && facts.reply_scope(tuple.interface, has_vpc_id).is_none_or(|scope| is_known(scope) != known)
                {
                    answered.insert(request);
                }
            }
        });
        answered
    }

    /// Returns the records of an entry.
    #[expect(clippy::indexing_slicing, reason = "a direction is 0 or 1")]
    fn flows(&self, entry: &Entry<'_>) -> ClassifiedFlows {
        let (key, pair) = self.pairs.at(entry.pair as usize);
        let (direction, action) = entry.ends;
        let direction = usize::from(direction);
        ClassifiedFlows {
            addresses: key.direction(direction),
            interface: entry.interface,
            action,
            side: entry.side,
            sums: *entry.sums,
            reply_was_rejected: pair.has_rejected[1 - direction],
        }
    }
}
