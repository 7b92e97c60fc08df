//! What was let through: the accepted 5-tuples of each interface, kept so that a rejected record can be judged by
//! them, wherever in the report they stand.
//!
//! Nearly all records are accepted, hardly any of their tuples occurs twice, and the rejected ones that ask come in between:
//! so accepted tuples are only written down, one after another, in eight bytes each, and read in one go when the report
//! ends.

mod bloom;
mod encoding;

use std::net::IpAddr;

pub use self::bloom::Asked;
use self::encoding::{
    BLOCK_BYTES, Block, Contexts, FIRST_BLOCK_BYTES, MOST_AT_ONCE, Usual, read, write, write_turn, write_usual,
};
use crate::aggregate::interner::{NameId, Renumbered};
use crate::config::Limits;
use crate::record::Flow;

/// Interface, protocol, addresses and ports of a record, all but the interface present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple {
    /// Interface, if the record names one.
    pub interface: Option<NameId>,
    /// IANA protocol number.
    pub protocol: u8,
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Source port.
    pub srcport: u16,
    /// Destination port.
    pub dstport: u16,
}

impl Tuple {
    /// The tuple of a record, unless a part is absent.
    pub fn of(interface: Option<NameId>, flow: &Flow<'_>) -> Option<Tuple> {
        Some(Tuple {
            interface,
            protocol: flow.protocol?,
            src: flow.src?,
            dst: flow.dst?,
            srcport: flow.srcport?,
            dstport: flow.dstport?,
        })
    }

    /// The tuple of an answer.
    pub fn reversed(self) -> Tuple {
        Tuple { src: self.dst, dst: self.src, srcport: self.dstport, dstport: self.srcport, ..self }
    }
}

/// The accepted tuples of a report.
#[derive(Debug, Clone)]
pub struct LetThrough {
    /// Each but the last is full.
    blocks: Vec<Block>,
    contexts: Contexts,
    count: u64,
    limit: u64,
    complete: bool,
    /// Whether that is for their number.
    limit_reached: bool,
}

/// One of IPv6 takes the room of so many.
const LIKE_TUPLES: u64 = 3;

impl Default for LetThrough {
    fn default() -> LetThrough {
        LetThrough::new(Limits::default().max_accepted_tuples)
    }
}

impl LetThrough {
    /// For at most so many tuples.
    pub fn new(limit: u64) -> LetThrough {
        LetThrough {
            blocks: Vec::new(),
            contexts: Contexts::default(),
            count: 0,
            limit,
            complete: true,
            limit_reached: false,
        }
    }

    /// Whether there was room for all; else there are none.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether there were more than are kept.
    pub fn limit_reached(&self) -> bool {
        self.limit_reached
    }

    /// Takes in the tuple of an accepted record.
    #[inline(always)]
    pub fn observe(&mut self, tuple: Tuple) {
        if self.count >= self.limit {
            self.limit_reached |= self.complete;
            self.give_up();
            return;
        }
        self.count += if tuple.src.is_ipv4() && tuple.dst.is_ipv4() { 1 } else { LIKE_TUPLES };
        if self.blocks.last().is_none_or(|block| block.length + MOST_AT_ONCE > block.bytes.len()) {
            self.add_block();
        }
        let last = self.blocks.len() - 1;
        let block = &mut self.blocks[last];
        if self.contexts.interface() != tuple.interface {
            write_turn(block, &mut self.contexts, tuple.interface);
        }
        if !write_usual(block, &mut self.contexts, &tuple) {
            write(block, &mut self.contexts, tuple);
        }
    }

    #[cold]
    fn add_block(&mut self) {
        let bytes = self.blocks.last().map_or(FIRST_BLOCK_BYTES, |last| (4 * last.bytes.len()).min(BLOCK_BYTES));
        self.blocks.push(Block { bytes: vec![0; bytes].into(), length: 0 });
    }

    /// Keeps none: what rests on some of them alone would be told of some records, and not of others that are alike.
    #[cold]
    pub fn give_up(&mut self) {
        self.count = self.limit;
        self.complete = false;
        self.blocks = Vec::new();
    }

    /// Takes in another report's tuples, whose interfaces have those numbers here.
    pub fn merge(&mut self, other: &LetThrough, interfaces: &Renumbered) {
        other.each(|tuple| {
            let interface = tuple.interface.and_then(|id| interfaces.of(id));
            if interface.is_some() || tuple.interface.is_none() {
                self.observe(Tuple { interface, ..tuple });
            }
        });
        self.limit_reached |= other.limit_reached;
        if !other.complete {
            self.give_up();
        }
    }

    /// Does something with each tuple, in the order in which they came.
    pub fn each(&self, with: impl FnMut(Tuple)) {
        self.each_if(|_, _| true, |_| true, with);
    }

    /// The same with those that may be asked for alone.
    #[inline(always)]
    pub fn each_asked(&self, asked: &Asked, with: impl FnMut(Tuple)) {
        let is_usual_asked = |interface, usual: &Usual| {
            let (addresses, ports) = usual.differences();
            asked.may_hold_of(interface, usual.protocol, addresses, ports)
        };
        self.each_if(is_usual_asked, |tuple| asked.may_hold(tuple), with);
    }

    /// Usual ones are asked by what they are read of: hardly any has to be put together.
    #[inline(always)]
    fn each_if(
        &self,
        which_usual: impl Fn(Option<NameId>, &Usual) -> bool,
        which: impl Fn(&Tuple) -> bool,
        mut with: impl FnMut(Tuple),
    ) {
        let mut contexts = Contexts::default();
        for block in &self.blocks {
            let mut at = 0;
            while at < block.length {
                let bytes = block.bytes[at..].first_chunk().expect("behind what is written is room for a copy");
                if let Some(usual) = Usual::read(bytes, &mut contexts) {
                    if which_usual(contexts.interface(), &usual) {
                        with(usual.tuple(contexts.interface()));
                    }
                    at += usual.length;
                    continue;
                }
                let (tuple, length) = read(bytes, &mut contexts).expect("what was written can be read");
                tuple.filter(&which).into_iter().for_each(&mut with);
                at += length;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::encoding::of_full;
    use super::*;
    use crate::aggregate::interner::Names;

    fn all(let_through: &LetThrough) -> Vec<Tuple> {
        let mut all = Vec::new();
        let_through.each(|tuple| all.push(tuple));
        all
    }

    fn tuple(interface: Option<NameId>, src: &str, srcport: u16) -> Tuple {
        let address = |text: &str| crate::record::ip::parse(text.as_bytes()).expect("an address");
        Tuple { interface, protocol: 6, src: address(src), dst: address("10.0.0.9"), srcport, dstport: 443 }
    }

    #[test]
    fn merged_tuples_have_the_numbers_of_the_report_they_came_to() {
        let (mut ours, mut theirs) = (Names::default(), Names::default());
        ours.intern(b"eni-a");
        let b_there = theirs.intern(b"eni-b");
        let b_there = b_there.expect("there is room");
        let mut other = LetThrough::new(9);
        other.observe(tuple(Some(b_there), "10.0.0.1", 1));
        other.observe(tuple(Some(b_there), "2001:db8::1", 1));
        let mut merged = LetThrough::new(9);
        merged.merge(&other, &ours.merge(&theirs));
        let b_here = ours.intern(b"eni-b");
        assert_ne!(b_here, Some(b_there));
        let expected = [tuple(b_here, "10.0.0.1", 1), tuple(b_here, "2001:db8::1", 1)];
        assert_eq!(all(&merged), expected);
    }

    #[test]
    fn beyond_the_limit_none_is_kept_and_that_is_known() {
        let mut let_through = LetThrough::new(2);
        for srcport in 1..=2 {
            let_through.observe(tuple(None, "10.0.0.1", srcport));
        }
        assert!(let_through.is_complete());
        let mut merged = let_through.clone();
        let_through.observe(tuple(None, "10.0.0.1", 3));
        assert!(!let_through.is_complete());
        assert_eq!(all(&let_through), []);
        merged.merge(&LetThrough::new(2), &Names::default().merge(&Names::default()));
        assert!(merged.is_complete());
        merged.merge(&let_through, &Names::default().merge(&Names::default()));
        merged.observe(tuple(None, "10.0.0.1", 4));
        assert!(!merged.is_complete() && all(&merged).is_empty());
    }

    #[test]
    fn the_records_of_an_interface_take_eight_bytes_each_and_of_ipv6_three_times_as_many() {
        let bytes = |host: &dyn Fn(u32) -> String, own: &str| {
            let own = crate::record::ip::parse(own.as_bytes()).expect("an address");
            let mut let_through = LetThrough::new(u64::MAX);
            for n in 0..10_000_u32 {
                let asked = Tuple { dst: own, ..tuple(NameId::new(1), &host(n), 50_000 + (n % 10_000) as u16) };
                let_through.observe(if n % 2 == 0 { asked } else { asked.reversed() });
            }
            let_through.blocks.iter().map(|block| block.length).sum::<usize>()
        };
        let v4 = bytes(&|n| format!("10.0.{}.{}", n / 256, n % 256), "10.0.0.9");
        assert!(v4 < 75_000, "{v4}");
        let v6 = bytes(&|n| format!("2001:db8::{n:x}"), "2001:db8:1::9");
        assert!(v6 < 200_000, "{v6}");
    }

    /// 75 MB of gzip are some 3,260,000 records of version 2, of which 93 % are accepted; 5 % of IPv6 is more than most have.
    #[test]
    fn the_default_holds_the_largest_objects_that_aws_writes() {
        let mut let_through = LetThrough::default();
        let (v4, v6) = (tuple(None, "10.0.0.1", 50_000), tuple(None, "2001:db8::1", 50_000));
        (0..3_040_000).for_each(|n| let_through.observe(if n % 20 == 0 { v6 } else { v4 }));
        assert!(let_through.is_complete());
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        let v4 = prop::sample::select(vec![[10, 0, 0, 1], [10, 0, 0, 2], [8, 8, 8, 8]]).prop_map(IpAddr::from);
        let v6 = any::<[u8; 16]>().prop_map(|octets| of_full(octets.into()));
        let own_v6 =
            prop::sample::select(vec!["2001:db8::1", "2001:db8::2"]).prop_map(|text| text.parse().expect("an address"));
        prop_oneof![6 => v4, 1 => v6, 3 => own_v6, 2 => any::<[u8; 4]>().prop_map(IpAddr::from)]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(tuples in prop::collection::vec(
            (0u32..4, prop::sample::select(vec![6u8, 17, 1, 0, 47, 255]), address(), address(), 0u16..5, any::<u16>())
                .prop_map(|(interface, protocol, src, dst, srcport, dstport)| Tuple {
                    interface: NameId::new(interface), protocol, src, dst, srcport, dstport }), 0..200)) {
            let mut let_through = LetThrough::new(u64::MAX);
            tuples.iter().for_each(|tuple| let_through.observe(*tuple));
            prop_assert_eq!(all(&let_through), tuples);
        }

        #[test]
        fn whoever_asks_for_a_tuple_meets_it_and_its_answer(src in address(), dst in address(), srcport: u16, dstport: u16) {
            let tuple = Tuple { interface: None, protocol: 6, src, dst, srcport, dstport };
            let asked = Asked::of([tuple].into_iter(), 1);
            let mut let_through = LetThrough::new(u64::MAX);
            let_through.observe(tuple.reversed());
            let_through.observe(tuple);
            let mut met = Vec::new();
            let_through.each_asked(&asked, |tuple| met.push(tuple));
            prop_assert_eq!(met, [tuple.reversed(), tuple]);
        }
    }
}
