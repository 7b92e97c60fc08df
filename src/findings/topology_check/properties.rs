//! Compares the check with a slow reading of its definitions, which treats a block as the set of its addresses.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use serde_json::{Value, json};

use super::tests::{connection, routes_found};
use super::*;
use crate::topology::describe_output::Resources;
use crate::topology::routes::Reach;

type Addresses = BTreeSet<u8>;

/// The last octets of a block of 10.0.0.0/27: a block is all addresses that equal the first one after a right shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Block {
    first: u8,
    shift: u8,
}

impl Block {
    fn addresses(self) -> Addresses {
        (0..32).filter(|address| address >> self.shift == self.first >> self.shift).collect()
    }

    fn text(self) -> String {
        format!("10.0.0.{}/{}", self.first, 32 - self.shift)
    }
}

/// A route: to a block, or to the prefix list 0, which is known, or 1, which is not.
#[derive(Debug, Clone)]
struct PlainRoute {
    destination: Result<Block, usize>,
    target: &'static str,
    state: &'static str,
}

#[derive(Debug, Clone)]
struct PlainTable {
    /// Subnets that are associated with it.
    subnets: Vec<u8>,
    routes: Vec<PlainRoute>,
}

#[derive(Debug, Clone)]
struct World {
    /// Disjoint blocks of vpc-b.
    blocks: Vec<Block>,
    /// Tables of vpc-a. The first may be its main table.
    tables: Vec<PlainTable>,
    has_main: bool,
    /// Known subnets of vpc-a.
    subnets: Vec<u8>,
    /// Blocks of the known prefix list.
    list: Vec<Block>,
}

fn block() -> impl Strategy<Value = Block> {
    (0_u8..32, 0_u8..5).prop_map(|(address, shift)| Block { first: address >> shift << shift, shift })
}

fn route() -> impl Strategy<Value = PlainRoute> {
    let destination = prop_oneof![8 => block().prop_map(Ok), 1 => (0_usize..2).prop_map(Err)];
    let target = prop::sample::select(vec!["pcx-ab", "pcx-ab", "pcx-gone", "tgw-1"]);
    let state = prop::sample::select(vec!["active", "active", "active", "blackhole", "filtered"]);
    (destination, target, state).prop_map(|(destination, target, state)| PlainRoute { destination, target, state })
}

fn world() -> impl Strategy<Value = World> {
    let blocks = prop::collection::vec(block(), 1..3).prop_filter("blocks of a VPC are disjoint", |blocks| {
        blocks.len() < 2 || blocks[0].addresses().is_disjoint(&blocks[1].addresses())
    });
    let owners = prop::collection::vec(any::<Index>(), 3);
    let tables = prop::collection::vec(prop::collection::vec(route(), 0..5), 1..4);
    let subnets = subsequence(vec![0_u8, 1, 2], 0..=3);
    let list = prop::collection::vec(block(), 0..3);
    let parts = (blocks, tables, owners, any::<bool>(), subnets, list);
    parts.prop_map(|(blocks, routes, owners, has_main, subnets, list)| {
        let mut tables: Vec<PlainTable> =
            routes.into_iter().map(|routes| PlainTable { subnets: Vec::new(), routes }).collect();
        for (subnet, owner) in (0..).zip(owners) {
            // The last index stands for a subnet without a table of its own.
            if let Some(table) = tables.get_mut(owner.index(4)) {
                table.subnets.push(subnet);
            }
        }
        World { blocks, tables, has_main, subnets, list }
    })
}

impl World {
    fn document(&self) -> Value {
        let associated = |set: &[Block]| set.iter().map(|block| json!({"CidrBlock": block.text()})).collect::<Value>();
        let route = |route: &PlainRoute| {
            let target = if route.target.starts_with("pcx-") { "VpcPeeringConnectionId" } else { "TransitGatewayId" };
            let destination = match route.destination {
                Ok(block) => ("DestinationCidrBlock", block.text()),
                Err(list) => ("DestinationPrefixListId", format!("pl-{list}")),
            };
            json!({destination.0: destination.1, target: route.target, "State": route.state})
        };
        let table = |(number, table): (usize, &PlainTable)| {
            let own = table.subnets.iter().map(|subnet| json!({"SubnetId": format!("subnet-{subnet}")}));
            let main = (number == 0 && self.has_main).then(|| json!({"Main": true}));
            json!({"RouteTableId": format!("rtb-{number}"), "VpcId": "vpc-a",
                   "Associations": own.chain(main).collect::<Value>(), "Routes": table.routes.iter().map(route).collect::<Value>()})
        };
        json!({
            "Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16"},
                     {"VpcId": "vpc-b", "CidrBlockAssociationSet": associated(&self.blocks)}],
            "Subnets": self.subnets.iter().map(|subnet| json!({"SubnetId": format!("subnet-{subnet}"), "VpcId": "vpc-a"})).collect::<Value>(),
            "VpcPeeringConnections": [connection("pcx-ab", "active", "vpc-a", "vpc-b")],
            "RouteTables": self.tables.iter().enumerate().map(table).collect::<Value>(),
            "PrefixLists": [{"PrefixListId": "pl-0", "Cidrs": self.list.iter().map(|block| block.text()).collect::<Value>()}],
        })
    }

    /// Returns the blocks of a destination, or `None` for the unknown prefix list.
    fn destinations(&self, route: &PlainRoute) -> Option<Vec<Addresses>> {
        match route.destination {
            Ok(block) => Some(vec![block.addresses()]),
            Err(0) => Some(self.list.iter().map(|block| block.addresses()).collect()),
            Err(_) => None,
        }
    }

    /// Reports whether a longer destination of the other routes takes the whole block.
    fn is_taken<'a>(
        &self,
        block: &Addresses,
        destination: &Addresses,
        mut others: impl Iterator<Item = &'a PlainRoute>,
    ) -> bool {
        others.any(|route| {
            let longer = |other: &Addresses| other.len() < destination.len() && other.is_superset(block);
            route.state != "filtered" && self.destinations(route).unwrap_or_default().iter().any(longer)
        })
    }

    fn reaches(&self, table: &PlainTable, block: &Addresses) -> bool {
        let others = || table.routes.iter().filter(|route| route.target != "pcx-ab");
        table.routes.iter().filter(|route| route.target == "pcx-ab" && route.state == "active").any(|route| {
            let Some(destinations) = self.destinations(route) else { return true };
            destinations.iter().any(|destination| {
                let fits = destination.is_superset(block) || destination.is_subset(block);
                fits && !self.is_taken(block, destination, others())
            })
        })
    }

    fn is_useless(&self, table: &PlainTable, route: &PlainRoute) -> bool {
        let Some(destinations) = self.destinations(route) else { return false };
        let has_common = |destination: &Addresses| {
            self.blocks.iter().map(|block| block.addresses()).any(|block| {
                !destination.is_disjoint(&block) && !self.is_taken(&block, destination, table.routes.iter())
            })
        };
        route.target == "pcx-ab" && !destinations.iter().any(has_common)
    }

    /// Returns the numbers of the tables in use. `None` if a subnet uses a main table that is not known.
    fn tables_in_use(&self) -> (BTreeSet<usize>, bool) {
        let owner = |subnet: &u8| self.tables.iter().position(|table| table.subnets.contains(subnet));
        let mut in_use: BTreeSet<usize> =
            (0..self.tables.len()).filter(|number| !self.tables[*number].subnets.is_empty()).collect();
        let needs_main = self.subnets.is_empty() || self.subnets.iter().any(|subnet| owner(subnet).is_none());
        if needs_main && self.has_main {
            in_use.insert(0);
        }
        (in_use, self.has_main || !needs_main)
    }

    fn expected(&self) -> BTreeSet<String> {
        let mut expected = BTreeSet::new();
        let (in_use, is_complete) = self.tables_in_use();
        for block in &self.blocks {
            let reaching =
                in_use.iter().filter(|number| self.reaches(&self.tables[**number], &block.addresses())).count();
            if reaching > 0 && reaching < in_use.len() {
                expected.insert(format!("partial-route vpc-a {}", block.text()));
            } else if reaching == 0 && is_complete {
                expected.insert(format!("missing-route vpc-a {}", block.text()));
            }
        }
        for (number, table) in self.tables.iter().enumerate() {
            for route in &table.routes {
                let destination = match route.destination {
                    Ok(block) => block.text(),
                    Err(list) => format!("pl-{list}"),
                };
                if self.is_useless(table, route) {
                    expected.insert(format!("useless-route rtb-{number} {destination}"));
                }
                if route.state == "blackhole" {
                    expected.insert(format!("blackhole-route rtb-{number} {destination}"));
                }
            }
        }
        expected
    }
}

proptest! {
    #[test]
    fn check_agrees_with_a_plain_reading(world in world()) {
        let found: BTreeSet<String> = routes_found(&world.document()).into_iter().collect();
        prop_assert_eq!(found, world.expected());
    }

    /// For one address, a route reaches it if AWS picks the route: the longest one.
    #[test]
    fn one_address_is_reached_by_the_longest_route(mut world in world(), address in 0_u8..32) {
        for table in &mut world.tables {
            // In AWS, a table has one route to each destination, and the routes to one connection have the same state.
            let mut seen = BTreeSet::new();
            table.routes.retain(|route| route.destination.is_ok_and(|block| seen.insert(block)));
            table.routes.iter_mut().filter(|route| route.target == "pcx-ab").for_each(|route| route.state = "active");
        }
        let mut resources = Resources::default();
        resources.read("case.json", world.document().to_string().as_bytes()).expect("JSON");
        let topology = Topology::new(resources);
        let block = format!("10.0.0.{address}/32").parse().expect("a block");
        for (number, table) in world.tables.iter().enumerate() {
            let installed = table.routes.iter().filter(|route| route.state != "filtered");
            let shift = |route: &PlainRoute| {
                route.destination.ok().filter(|block| block.addresses().contains(&address)).map(|block| block.shift)
            };
            let longest = installed.filter_map(|route| Some((shift(route)?, route))).min_by_key(|(shift, _)| *shift);
            let expected = longest.is_some_and(|(_, route)| route.target == "pcx-ab");
            let known = &topology.resources().route_tables[&format!("rtb-{number}")];
            prop_assert_eq!(topology.reach(known, "pcx-ab", &block) == Reach::Yes, expected);
        }
    }
}
