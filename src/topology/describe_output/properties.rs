//! Property tests of reading describe output.

use std::net::IpAddr;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::topology::rules::{RuleDirection, Traffic};
use crate::topology::{KnownRecorder, Topology};

/// Generates JSON with the keys and values of the describe output.
fn any_json() -> impl Strategy<Value = Value> {
    let fields = "VpcId SubnetId NetworkInterfaceId RouteTableId CidrBlock CidrBlockAssociationSet CidrBlockState State \
                  Ipv6CidrBlockAssociationSet Ipv6CidrBlock Ipv6CidrBlockState Tags Key Value Status Code Routes \
                  RequesterVpcInfo AccepterVpcInfo CidrBlockSet Ipv6CidrBlockSet Region PrivateIpAddress TagSet \
                  PrivateIpAddresses Ipv6Addresses Ipv4Prefixes Ipv6Prefixes Operator Principal Description \
                  Association PublicIp Attachment InstanceId Associations Main AssociationState DestinationCidrBlock \
                  DestinationPrefixListId GatewayId VpcPeeringConnectionId PrefixListId Cidrs Cidr GroupId Groups IpPermissions \
                  IpPermissionsEgress IpProtocol FromPort ToPort IpRanges CidrIp PrefixListIds UserIdGroupPairs NetworkAclId \
                  RuleNumber Egress RuleAction Protocol PortRange From To IcmpTypeCode Type";
    let keys: Vec<&str> = fields.split_whitespace().chain(KEYS).collect();
    let words =
        ["vpc-a", "vpc-b", "pcx-1", "eni-1", "active", "associated", "10.1.0.0/16", "10.1.0.5", "::/0", "Name", ""];
    let leaf = prop_oneof![
        1 => Just(json!(null)),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        6 => prop::sample::select(words.to_vec()).prop_map(Value::from),
        1 => "\\PC{0,9}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 96, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(prop::sample::select(keys.clone()), inner, 0..6)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>()),
        ]
    })
}

/// Builds consistent resources, each in a document of its own.
fn documents() -> Vec<String> {
    let vpc = |id: u8| json!({"Vpcs": [{"VpcId": format!("vpc-{id}"), "CidrBlock": format!("10.{}.0.0/16", id % 3)}]});
    let subnet = |id: u8| json!({"Subnets": [{"SubnetId": format!("subnet-{id}"), "VpcId": format!("vpc-{id}")}]});
    let connection = |id: u8| {
        let side = |id: u8| {
            json!({"VpcId": format!("vpc-{id}"), "CidrBlock": format!("10.{}.0.0/16", 100 + id),
                                   "Region": format!("region-{id}")})
        };
        json!({"VpcPeeringConnections": [{"VpcPeeringConnectionId": format!("pcx-{id}"), "Status": {"Code": "active"},
               "RequesterVpcInfo": side(id), "AccepterVpcInfo": side(id + 1)}]})
    };
    let interface = |id: u8| {
        json!({"NetworkInterfaces": [{"NetworkInterfaceId": format!("eni-{id}"),
                                    "VpcId": format!("vpc-{id}"), "PrivateIpAddress": "10.1.0.5"}]})
    };
    let all = (0..5).flat_map(|id| [vpc(id), subnet(id), connection(id + 2), interface(id)]);
    all.map(|document| document.to_string()).collect()
}

proptest! {
    #[test]
    fn any_json_is_read_without_a_panic(list in prop::collection::vec(any_json(), 0..6), key in 0..KEYS.len(),
                                        other in any_json(), address: IpAddr) {
        let mut resources = Resources::default();
        for document in [json!({ KEYS[key]: list }), other] {
            resources.read("any", document.to_string().as_bytes()).expect("it is JSON");
        }
        let topology = Topology::new(resources);
        for interface in topology.resources().interfaces.values() {
            for direction in [RuleDirection::Ingress, RuleDirection::Egress] {
                let traffic = Traffic { direction, remote: address, protocol: 6, dstport: Some(22) };
                let judgement = topology.rules_of(interface).judge(&traffic, false);
                prop_assert!(!judgement.both_allow || judgement.denied_by().next().is_none());
            }
        }
        for (index, vpc) in topology.vpcs() {
            prop_assert_eq!(topology.vpc_index(&vpc.id), Some(index));
            topology.route_tables_in_use(index);
        }
        for address in [address, IpAddr::from([10, 1, 0, 5])] {
            topology.endpoint(address, topology.locate(address, &mut KnownRecorder { vpc: topology.vpc_index("vpc-a"), subnet: None }));
        }
    }

    #[test]
    fn only_json_is_accepted(bytes: Vec<u8>) {
        let mut resources = Resources::default();
        let is_accepted = resources.read("any", &bytes).is_ok();
        prop_assert_eq!(is_accepted, serde_json::from_slice::<Value>(&bytes).is_ok());
    }

    #[test]
    fn order_of_documents_does_not_matter(shuffled in Just(documents()).prop_shuffle()) {
        let read_all = |documents: &[String]| {
            let mut resources = Resources::default();
            for document in documents {
                resources.read("one", document.as_bytes()).expect("JSON");
            }
            let vpcs: Vec<_> = Topology::new(resources.clone()).vpcs().map(|(_, vpc)| vpc.clone()).collect();
            (vpcs, resources)
        };
        prop_assert_eq!(read_all(&shuffled), read_all(&documents()));
    }
}
