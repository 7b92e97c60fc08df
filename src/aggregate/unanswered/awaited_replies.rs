//! The services that wait for a reply, by where the reply may be recorded.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::{Service, UnansweredSource};
use crate::aggregate::interner::Symbol;
use crate::aggregate::peering::ReplyScope;
use crate::aggregate::recorder::VpcRef;

/// Indices of the services that wait at each place.
type ServicesByPlace = HashMap<Place, Vec<u32>, RandomState>;

/// The services that wait for a reply, by the source and destination of the reply. A reply takes out those that it answers, so
/// no later reply visits them.
#[derive(Debug, Default)]
pub(super) struct AwaitedReplies {
    services: Vec<Service>,
    by_pair: HashMap<(IpAddr, IpAddr), ServicesByPlace, RandomState>,
}

/// Where a reply is awaited. A service whose own VPC is known waits in its VPC and at its interface, because the own VPC of the reply
/// may be unknown. Together the places that [`AwaitedReplies::take`] visits are those of `ReplyScope::is_same_place`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    /// In this own VPC.
    ByVpc(VpcRef),
    /// At this interface, for a service whose own VPC is known.
    AtKnown(Option<Symbol>),
    /// At this interface, for a service whose own VPC is unknown.
    AtUnknown(Option<Symbol>),
}

impl AwaitedReplies {
    /// Adds a service that waits for a reply to any of its sources.
    pub(super) fn add(&mut self, service: Service, sources: &[UnansweredSource]) {
        let Ok(id) = u32::try_from(self.services.len()) else { return };
        self.services.push(service);
        let (interface, dst, _) = service;
        for source in sources {
            // Records without a source have no reply.
            let Some(src) = source.src else { continue };
            let by_place = self.by_pair.entry((dst, src)).or_default();
            let mut add_at = |place| by_place.entry(place).or_default().push(id);
            match source.scope {
                ReplyScope::Vpc(own) => {
                    add_at(Place::ByVpc(own));
                    add_at(Place::AtKnown(interface));
                }
                ReplyScope::Interface(_) => add_at(Place::AtUnknown(interface)),
            }
        }
    }

    /// Takes out the services that a reply answers, and calls `f` with each. `here` returns the scope of the reply, or `None` if
    /// it may be recorded anywhere. `f` may get a service again that it already had.
    pub(super) fn take(
        &mut self,
        ends: (IpAddr, IpAddr),
        interface: Option<Symbol>,
        here: impl FnOnce() -> Option<ReplyScope>,
        f: impl FnMut(Service),
    ) {
        let Some(by_place) = self.by_pair.get_mut(&ends) else { return };
        let ids: Vec<u32> = match here() {
            Some(scope) => {
                let known = match scope {
                    ReplyScope::Vpc(own) => Place::ByVpc(own),
                    ReplyScope::Interface(_) => Place::AtKnown(interface),
                };
                [known, Place::AtUnknown(interface)]
                    .iter()
                    .filter_map(|place| by_place.remove(place))
                    .flatten()
                    .collect()
            }
            None => by_place.drain().flat_map(|(_, ids)| ids).collect(),
        };
        if by_place.is_empty() {
            self.by_pair.remove(&ends);
        }
        ids.iter().filter_map(|id| self.services.get(*id as usize).copied()).for_each(f);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::counters::{Counters, TimeRange};
    use crate::topology::VpcIndex;

    proptest! {
        #[test]
        fn a_reply_takes_the_services_of_the_same_place(waiting in vec((few_scopes(), 0_u32..3), 1..9),
                                                        replies in vec((option::of(few_scopes()), 0_u32..3), 1..4)) {
            let mut awaited = AwaitedReplies::default();
            let mut expected: Vec<(ReplyScope, Service)> = Vec::new();
            for (dstport, (scope, interface)) in (1..).zip(waiting) {
                let service = (Symbol::new(interface), address(6), dstport);
                awaited.add(service, &[source(Some(address(5)), scope)]);
                expected.push((scope, service));
            }
            for (here, interface) in replies {
                let interface = Symbol::new(interface);
                let is_answered = |(scope, service): &mut (ReplyScope, Service)| {
                    here.is_none_or(|here| scope.is_same_place(service.0, (here, interface)))
                };
                let mut expected_now: Vec<u16> = expected.extract_if(.., is_answered).map(|(_, service)| service.2).collect();
                let taken = taken_at(&mut awaited, [6, 5], interface, here);
                // A service may be taken a second time, from its other place, but none before its reply.
                expected_now.retain(|port| !taken.contains(port));
                prop_assert_eq!(expected_now, [0_u16; 0]);
                prop_assert!(!expected.iter().any(|(_, service)| taken.contains(&service.2)));
            }
        }
    }

    #[test]
    fn a_service_is_taken_once_from_a_place() {
        let in_vpc = |number| ReplyScope::Vpc(VpcRef::Known(VpcIndex::new(number)));
        let (own, other) = (Symbol::new(1), Symbol::new(2));
        let mut awaited = AwaitedReplies::default();
        awaited.add((own, address(6), 443), &[source(Some(address(5)), in_vpc(1)), source(None, in_vpc(1))]);
        awaited.add((own, address(6), 444), &[source(Some(address(5)), in_vpc(2))]);
        // The same direction, another source, another VPC.
        assert_eq!(taken_at(&mut awaited, [5, 6], own, Some(in_vpc(1))), [0; 0]);
        assert_eq!(taken_at(&mut awaited, [6, 4], own, Some(in_vpc(1))), [0; 0]);
        assert_eq!(taken_at(&mut awaited, [6, 5], own, Some(in_vpc(3))), [0; 0]);
        assert_eq!(taken_at(&mut awaited, [6, 5], other, Some(in_vpc(1))), [443]);
        assert_eq!(taken_at(&mut awaited, [6, 5], other, Some(in_vpc(1))), [0; 0]);
        assert_eq!(taken_at(&mut awaited, [6, 5], other, Some(ReplyScope::Interface(other))), [0; 0]);
        assert_eq!(taken_at(&mut awaited, [6, 5], own, None), [443, 444]);
        assert!(awaited.by_pair.is_empty());
    }

    fn address(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn source(src: Option<IpAddr>, scope: ReplyScope) -> UnansweredSource {
        UnansweredSource { src, srcport: None, tally: Counters::default(), seen: TimeRange::default(), scope }
    }

    fn few_scopes() -> impl Strategy<Value = ReplyScope> {
        prop_oneof![
            (0_u32..3).prop_map(|vpc| ReplyScope::Vpc(VpcRef::Known(VpcIndex::new(vpc)))),
            (1_u32..3).prop_map(|name| ReplyScope::Vpc(Symbol::new(name).map_or(VpcRef::Unknown, VpcRef::Named))),
            (0_u32..3).prop_map(|id| ReplyScope::Interface(Symbol::new(id))),
        ]
    }

    /// Returns the ports of the services that a reply takes, sorted and without duplicates.
    fn taken_at(
        awaited: &mut AwaitedReplies,
        [src, dst]: [u8; 2],
        interface: Option<Symbol>,
        here: Option<ReplyScope>,
    ) -> Vec<u16> {
        let mut ports = std::collections::BTreeSet::new();
        awaited.take(
            (address(src), address(dst)),
            interface,
            || here,
            |(_, _, dstport)| {
                ports.insert(dstport);
            },
        );
        ports.into_iter().collect()
    }
}
