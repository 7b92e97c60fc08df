//! The names of resources: their Name tags.

use super::Topology;

impl Topology {
    /// Returns the Name tag of the VPC, subnet, interface, peering connection, or route table with this id.
    pub fn name_of(&self, id: &str) -> Option<&str> {
        let resources = self.resources();
        let kind = id.split_once('-').map_or(id, |(kind, _)| kind);
        let name = match kind {
            "vpc" => &resources.vpcs.get(id)?.name,
            "subnet" => &resources.subnets.get(id)?.name,
            "eni" => &resources.interfaces.get(id)?.name,
            "pcx" => &resources.peering_connections.get(id)?.name,
            "rtb" => &resources.route_tables.get(id)?.name,
            _ => &None,
        };
        name.as_deref()
    }

    /// Returns the id with its Name tag, as people read it: `prod (vpc-0123)`, or the id alone.
    pub fn label(&self, id: &str) -> String {
        self.name_of(id).map_or_else(|| id.to_owned(), |name| format!("{name} ({id})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::describe_output::Resources;

    #[test]
    fn name_is_the_name_tag_of_any_kind_of_resource() {
        let mut resources = Resources::default();
        let tags = |name: &str| format!(r#"[{{"Key": "Name", "Value": "{name}"}}]"#);
        let document = format!(
            r#"{{"Vpcs": [{{"VpcId": "vpc-1", "Tags": {}}}, {{"VpcId": "vpc-2"}}],
            "Subnets": [{{"SubnetId": "subnet-1", "VpcId": "vpc-1", "Tags": {}}}],
            "NetworkInterfaces": [{{"NetworkInterfaceId": "eni-1", "TagSet": {}, "Attachment": {{"InstanceId": "i-1"}}}},
                                  {{"NetworkInterfaceId": "eni-2", "Description": "text"}}],
            "VpcPeeringConnections": [{{"VpcPeeringConnectionId": "pcx-1", "Status": {{"Code": "active"}}, "Tags": {},
                "RequesterVpcInfo": {{"VpcId": "vpc-1"}}, "AccepterVpcInfo": {{"VpcId": "vpc-2"}}}}],
            "RouteTables": [{{"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Tags": {}}}]}}"#,
            tags("prod"),
            tags("prod-a"),
            tags("web"),
            tags("prod-shared"),
            tags("main"),
        );
        resources.read("1", document.as_bytes()).expect("JSON");
        let topology = Topology::new(resources);
        for (id, expected) in [
            ("vpc-1", Some("prod")),
            ("vpc-2", None),
            ("vpc-9", None),
            ("subnet-1", Some("prod-a")),
            ("eni-1", Some("web")),
            ("eni-2", None),
            // The name of an interface is not that of its instance.
            ("i-1", None),
            ("pcx-1", Some("prod-shared")),
            ("rtb-1", Some("main")),
            ("", None),
        ] {
            assert_eq!(topology.name_of(id), expected, "{id}");
        }
        assert_eq!([topology.label("vpc-1"), topology.label("vpc-2")], ["prod (vpc-1)", "vpc-2"]);
    }
}
