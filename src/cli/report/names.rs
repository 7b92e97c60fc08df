//! Names beside ids, for the tables and the findings of the full report.

use std::net::IpAddr;

use super::format::{display_id, display_name, format_address};
use super::short_names::ShortNames;
use super::table::Cell;
use crate::record::ip;
use crate::topology::Topology;
use crate::topology::endpoint::{Endpoint, Scope};

/// Names of resources: those that a summary has, so that its report is the same with and without the topology. A report that has no summary
/// has the Name tags of the topology.
#[derive(Clone, Copy, Default)]
pub(super) struct Names<'a> {
    pub(super) summary: Option<&'a ShortNames<'a>>,
    /// Tells which public addresses are those of a VPC.
    pub(super) topology: Option<&'a Topology>,
}

impl<'a> Names<'a> {
    /// Returns the name of a resource.
    fn name(self, id: &str) -> Option<&'a str> {
        match self.summary {
            Some(summary) => summary.name(id),
            None => self.topology?.name_of(id),
        }
    }

    /// Formats an id with its name, `web-1 (eni-0a1b…)`, or `-` if there is none. Both are escaped and truncated.
    pub(super) fn id(self, id: Option<&str>) -> String {
        let name = id.and_then(|id| self.name(id));
        name.map_or_else(|| display_id(id), |name| format!("{} ({})", display_name(name), display_id(id)))
    }

    /// Formats an id for a table: with its name if there is room.
    pub(super) fn cell(self, id: Option<&str>) -> Cell {
        Cell { full: self.id(id), short: display_id(id) }
    }

    /// Formats an address for a table: with its name if there is room.
    pub(super) fn address_cell(self, address: Option<IpAddr>, endpoint: &Endpoint) -> Cell {
        Cell { full: self.address(address, endpoint), short: format_address(address) }
    }

    /// Formats an address with the name of the interface that has it: `10.0.1.5 (web-1)`. An interface whose Name tag is unknown has the
    /// service that owns it, `10.0.1.5 (rds)`, because descriptions are long. The interface of a public address is shown as well: nothing
    /// else shows that the address is the user's own.
    fn address(self, address: Option<IpAddr>, endpoint: &Endpoint) -> String {
        let text = format_address(address);
        let Some(id) = endpoint.interface_id.as_deref() else { return text };
        let service = endpoint.service.as_deref().filter(|service| *service != "ec2");
        let name = self.name(id).or(service).or(endpoint.name.as_deref());
        let interface = (endpoint.scope == Some(Scope::Public)).then(|| display_id(Some(id)));
        let known: Vec<String> = name.map(display_name).into_iter().chain(interface).collect();
        if known.is_empty() { text } else { format!("{text} ({})", known.join(", ")) }
    }

    /// Reports whether an address is on the public internet. A VPC may use a public block.
    pub(super) fn is_public(self, address: IpAddr) -> bool {
        match self.topology {
            Some(topology) => topology.is_public(address),
            None => ip::is_public(address) && !self.summary.is_some_and(|summary| summary.is_in_vpc(address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::KnownRecorder;
    use crate::topology::describe_output::Resources;

    #[test]
    fn ids_and_addresses_have_their_names() {
        let tags = |name: &str| serde_json::json!([{"Key": "Name", "Value": name}]);
        let document = serde_json::json!({
            "Vpcs": [{"VpcId": "vpc-a", "CidrBlock": "10.1.0.0/16", "Tags": tags("prod")}, {"VpcId": "vpc-b"}],
            "NetworkInterfaces": [
                {"NetworkInterfaceId": "eni-1", "VpcId": "vpc-a", "PrivateIpAddress": "10.1.0.5", "TagSet": tags("web\u{1b}[2J"),
                 "Association": {"PublicIp": "52.0.0.1"}},
                {"NetworkInterfaceId": "eni-2", "VpcId": "vpc-a", "PrivateIpAddress": "10.1.0.6", "TagSet": tags(&"x".repeat(40))},
                {"NetworkInterfaceId": "eni-3", "VpcId": "vpc-a", "PrivateIpAddress": "10.1.0.7",
                 "Association": {"PublicIp": "52.0.0.3"}},
                {"NetworkInterfaceId": "eni-4", "VpcId": "vpc-a", "PrivateIpAddress": "10.1.0.8", "RequesterId": "amazon-rds",
                 "Description": "RDSNetworkInterface"},
            ],
        });
        let mut resources = Resources::default();
        resources.read("case.json", document.to_string().as_bytes()).expect("JSON");
        let topology = Topology::new(resources);
        let names = Names { summary: None, topology: Some(&topology) };
        assert_eq!(names.id(Some("vpc-a")), "prod (vpc-a)");
        assert_eq!(names.id(Some("eni-1")), "web\\u{1b}[2J (eni-1)");
        assert_eq!(names.id(Some("eni-2")), format!("{}…{} (eni-2)", "x".repeat(16), "x".repeat(15)));
        assert_eq!(
            [names.id(Some("vpc-b")), names.id(None), Names::default().id(Some("vpc-a"))],
            ["vpc-b", "-", "vpc-a"]
        );
        let address = |text: &str| {
            let address: IpAddr = text.parse().expect("an address");
            let place = topology.locate(address, &mut KnownRecorder::default());
            names.address(Some(address), &topology.endpoint(address, place))
        };
        assert_eq!(address("10.1.0.5"), "10.1.0.5 (web\\u{1b}[2J)");
        assert_eq!(address("52.0.0.1"), "52.0.0.1 (web\\u{1b}[2J, eni-1)");
        assert_eq!(address("52.0.0.3"), "52.0.0.3 (eni-3)");
        assert_eq!([address("10.1.0.7"), address("8.8.8.8")], ["10.1.0.7", "8.8.8.8"]);
        assert_eq!(address("10.1.0.8"), "10.1.0.8 (rds)");
    }
}
