//! Packets that transit gateways lost, by gateway, both VPCs, and reason.

mod rows;

pub use self::rows::LossRow;
use crate::aggregate::counters::{Counters, TimeRange};
use crate::aggregate::interner::{Interner, Symbol};
use crate::aggregate::packed_map::OrderedMap;
use crate::record::{LossReason, TransitGatewayLoss};

/// Where and why packets were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LossKey {
    /// `tgw-id`.
    pub gateway: Option<Symbol>,
    /// `tgw-src-vpc-id`.
    pub src_vpc: Option<Symbol>,
    /// `tgw-dst-vpc-id`.
    pub dst_vpc: Option<Symbol>,
    /// The reason.
    pub reason: LossReason,
}

/// Records with lost packets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Loss {
    /// Records, and lost packets. Transit gateways report no lost bytes.
    pub tally: Counters,
    /// Time range of the records.
    pub seen: TimeRange,
}

/// All losses. The number of names is limited, so that untrusted ids cannot fill the memory.
#[derive(Debug, Clone)]
pub struct TransitGatewayLosses {
    names: Interner,
    losses: OrderedMap<LossKey, Loss>,
    limit: u64,
    complete: bool,
}

impl TransitGatewayLosses {
    /// Creates an empty collection of at most `limit` names, and as many keys.
    pub fn new(limit: u64) -> TransitGatewayLosses {
        TransitGatewayLosses { names: Interner::new(limit), losses: OrderedMap::default(), limit, complete: true }
    }

    /// Returns whether every record is under its own key.
    pub fn is_complete(&self) -> bool {
        self.complete && self.names.is_complete()
    }

    /// Adds a record.
    pub fn observe(&mut self, record: &TransitGatewayLoss<'_>) {
        let mut symbol = |name: Option<&[u8]>| name.and_then(|name| self.names.intern(name));
        let (gateway, src_vpc) = (symbol(record.tgw_id), symbol(record.tgw_src_vpc_id));
        let dst_vpc = symbol(record.tgw_dst_vpc_id);
        for (reason, packets) in record.losses() {
            let mut loss = Loss { tally: Counters { flows: 1, packets, bytes: 0 }, ..Loss::default() };
            loss.seen.observe(record.start, record.end);
            self.add(LossKey { gateway, src_vpc, dst_vpc, reason }, &loss);
        }
    }

    /// Adds the losses of another analysis.
    pub fn merge(&mut self, other: &TransitGatewayLosses) {
        let names = self.names.merge(&other.names);
        let symbol_here = |name: Option<Symbol>| name.and_then(|name| names.get(name));
        for (key, loss) in &other.losses {
            let (gateway, src_vpc) = (symbol_here(key.gateway), symbol_here(key.src_vpc));
            self.add(LossKey { gateway, src_vpc, dst_vpc: symbol_here(key.dst_vpc), reason: key.reason }, loss);
        }
        self.complete &= other.complete;
    }

    /// Adds records. Above the limit they count without their VPCs.
    fn add(&mut self, key: LossKey, loss: &Loss) {
        let has_room = (self.losses.len() as u64) < self.limit || self.losses.contains_key(&key);
        self.complete &= has_room;
        // Keys without VPCs are bounded by the names.
        let key = if has_room { key } else { LossKey { src_vpc: None, dst_vpc: None, ..key } };
        let ours = self.losses.entry(key).or_default();
        ours.tally.merge(loss.tally);
        ours.seen.merge(loss.seen);
    }

    /// Returns all losses, in the order of the first record.
    pub fn iter(&self) -> impl Iterator<Item = (LossKey, &Loss)> {
        self.losses.iter().map(|(key, loss)| (*key, loss))
    }

    /// Returns the id of a resource.
    pub fn name(&self, id: Symbol) -> &str {
        self.names.name(id)
    }
}
