//! Random records with few different values, and a topology that matches them.

use std::sync::{Arc, LazyLock};

use flowsentry::topology::Topology;
use flowsentry::topology::describe_output::Resources;
use proptest::prelude::*;

/// The columns of a record.
pub const FIELDS: [&str; 19] = [
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
    "vpc-id",
    "subnet-id",
    "tcp-flags",
    "flow-direction",
    "traffic-path",
];

/// A topology that matches the generated records: several VPCs with the same CIDR block (one, both, or none of them peered
/// with a third VPC), blocks within blocks, and connections in every state.
const DESCRIBE_OUTPUT: &str = r#"{
  "Vpcs": [
    {"VpcId": "vpc-0", "CidrBlock": "10.0.0.0/16"},
    {"VpcId": "vpc-1", "CidrBlock": "10.1.0.0/16"},
    {"VpcId": "vpc-2", "CidrBlock": "10.2.0.0/16"}, {"VpcId": "vpc-2b", "CidrBlock": "10.2.0.0/16"},
    {"VpcId": "vpc-3", "CidrBlock": "10.3.0.0/16"}, {"VpcId": "vpc-3b", "CidrBlock": "10.3.0.0/16"},
    {"VpcId": "vpc-4", "CidrBlock": "10.0.0.4/32"},
    {"VpcId": "vpc-5", "CidrBlock": "10.1.0.4/32"}
  ],
  "VpcPeeringConnections": [
    {"VpcPeeringConnectionId": "pcx-01", "Status": {"Code": "active"},
     "RequesterVpcInfo": {"VpcId": "vpc-0", "Region": "r1"}, "AccepterVpcInfo": {"VpcId": "vpc-1", "Region": "r1"}},
    {"VpcPeeringConnectionId": "pcx-12", "Status": {"Code": "active"},
     "RequesterVpcInfo": {"VpcId": "vpc-1", "Region": "r1"}, "AccepterVpcInfo": {"VpcId": "vpc-2", "Region": "r2"}},
    {"VpcPeeringConnectionId": "pcx-13", "Status": {"Code": "active"},
     "RequesterVpcInfo": {"VpcId": "vpc-1"}, "AccepterVpcInfo": {"VpcId": "vpc-3"}},
    {"VpcPeeringConnectionId": "pcx-13b", "Status": {"Code": "active"},
     "RequesterVpcInfo": {"VpcId": "vpc-3b"}, "AccepterVpcInfo": {"VpcId": "vpc-1"}},
    {"VpcPeeringConnectionId": "pcx-05", "Status": {"Code": "deleted"},
     "RequesterVpcInfo": {"VpcId": "vpc-0"}, "AccepterVpcInfo": {"VpcId": "vpc-5"}}
  ],
  "NetworkInterfaces": [
    {"NetworkInterfaceId": "eni-0", "VpcId": "vpc-0", "PrivateIpAddress": "10.0.0.1"},
    {"NetworkInterfaceId": "eni-1", "VpcId": "vpc-2", "PrivateIpAddress": "10.2.0.1", "InterfaceType": "lambda"},
    {"NetworkInterfaceId": "eni-2", "VpcId": "vpc-nowhere"}
  ]}"#;

/// The topology of the records.
pub static TOPOLOGY: LazyLock<Arc<Topology>> = LazyLock::new(|| {
    let mut resources = Resources::default();
    resources.read("topology.json", DESCRIBE_OUTPUT.as_bytes()).expect("JSON");
    Arc::new(Topology::new(resources))
});

/// Generates records with few different values, so that tuples, groups, and subjects repeat.
pub fn record() -> impl Strategy<Value = [String; 19]> {
    let address = prop_oneof![
        8 => (0..4u8, 1..5u8).prop_map(|(net, host)| format!("10.{net}.0.{host}")),
        2 => (1..4u8).prop_map(|host| format!("8.8.8.{host}")),
        1 => (1..4u8).prop_map(|host| format!("2001:db8::{host}")),
    ];
    let port =
        || prop_oneof![Just("22".to_owned()), Just("443".to_owned()), (50_000..50_020u32).prop_map(|p| p.to_string())];
    let ends = (address.clone(), address, port(), port());
    let kind = (
        prop_oneof![Just("6"), Just("17"), Just("1")],
        prop_oneof![4 => Just(("ACCEPT", "OK")), 4 => Just(("REJECT", "OK")), 1 => Just(("-", "NODATA")), 1 => Just(("-", "SKIPDATA"))],
        prop_oneof![Just("-"), Just("0"), Just("2"), Just("18")],
        prop_oneof![Just("-"), Just("ingress"), Just("egress")],
    );
    let vpc_and_path = (
        prop_oneof![Just("-"), Just("vpc-0"), Just("vpc-1"), Just("vpc-2b"), Just("vpc-elsewhere")],
        prop_oneof![4 => Just("-"), 1 => Just("1"), 2 => Just("4"), 2 => Just("5"), 1 => Just("8")],
    );
    let sums = (0..5u8, 0..100u64, 0..9000u64, 0..300u64);
    (ends, kind, vpc_and_path, sums).prop_map(
        |(ends, (protocol, (action, status), flags, direction), (vpc, path), sums)| {
            let (src, dst, srcport, dstport) = ends;
            let (interface, packets, bytes, start) = sums;
            [
                "5".to_owned(),
                "123456789012".to_owned(),
                format!("eni-{interface}"),
                src,
                dst,
                srcport,
                dstport,
                protocol.to_owned(),
                packets.to_string(),
                bytes.to_string(),
                (1_795_413_600 + start).to_string(),
                (1_795_413_660 + start).to_string(),
                action.to_owned(),
                status.to_owned(),
                vpc.to_owned(),
                format!("subnet-{}", bytes % 3),
                flags.to_owned(),
                direction.to_owned(),
                path.to_owned(),
            ]
        },
    )
}

/// Formats a log with these columns of the records, below a header.
pub fn log(records: &[[String; 19]], columns: &[usize]) -> Vec<u8> {
    let line = |values: &[&str]| columns.iter().map(|&column| values[column]).collect::<Vec<_>>().join(" ") + "\n";
    let mut text = line(&FIELDS);
    for record in records {
        text += &line(&record.each_ref().map(String::as_str));
    }
    text.into_bytes()
}

/// Every column, in order.
pub const ALL_COLUMNS: [usize; 19] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];
