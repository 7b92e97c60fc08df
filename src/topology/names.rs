//! The names of resources: their Name tags.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::Topology;
use crate::sanitize::{NAME_CHARACTERS, escape_truncated};

impl Topology {
    /// Returns the Name tag of the VPC, subnet, interface, peering connection, route table, security group, or network
    /// ACL with this id. A security group without a tag has the name of the group.
    pub fn name_of(&self, id: &str) -> Option<&str> {
        let resources = self.resources();
        let kind = id.split_once('-').map_or(id, |(kind, _)| kind);
        let name = match kind {
            "vpc" => &resources.vpcs.get(id)?.name,
            "subnet" => &resources.subnets.get(id)?.name,
            "eni" => &resources.interfaces.get(id)?.name,
            "pcx" => &resources.peering_connections.get(id)?.name,
            "sg" => &resources.security_groups.get(id)?.name,
            "acl" => &resources.network_acls.get(id)?.name,
            "rtb" => &resources.route_tables.get(id)?.name,
            _ => &None,
        };
        name.as_deref()
    }

    /// Returns the id with its Name tag, as people read it: `prod (vpc-0123)`, or the id alone. The name is escaped and truncated.
    pub fn label(&self, id: &str) -> String {
        match self.name_of(id) {
            Some(name) => format!("{} ({id})", escape_truncated(name, NAME_CHARACTERS)),
            None => id.to_owned(),
        }
    }

    /// Returns the Name tags of the resources whose ids occur in a value, by id. They are not escaped, because JSON quotes them.
    pub fn names_in(&self, value: impl Serialize) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        if let Ok(value) = serde_json::to_value(value) {
            self.collect_names(&value, &mut names);
        }
        names
    }

    fn collect_names(&self, value: &Value, names: &mut BTreeMap<String, String>) {
        match value {
            Value::String(id) => names.extend(self.name_of(id).map(|name| (id.clone(), name.to_owned()))),
            Value::Array(values) => values.iter().for_each(|value| self.collect_names(value, names)),
            Value::Object(fields) => fields.values().for_each(|value| self.collect_names(value, names)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
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

    fn with_vpc_name(name: &str) -> Topology {
        let tags = serde_json::json!([{"Key": "Name", "Value": name}]);
        let document = serde_json::json!({"Vpcs": [{"VpcId": "vpc-1", "Tags": tags}, {"VpcId": "vpc-2"}]});
        let mut resources = Resources::default();
        resources.read("1", document.to_string().as_bytes()).expect("JSON");
        Topology::new(resources)
    }

    #[test]
    fn label_escapes_and_truncates_the_name() {
        let label = |name: &str| with_vpc_name(name).label("vpc-1");
        assert_eq!(label("a\u{1b}[31m\u{202e}\n\"b\""), r#"a\u{1b}[31m\u{202e}\n"b" (vpc-1)"#);
        assert_eq!(label(&"é".repeat(80)), format!("{} (vpc-1)", "é".repeat(80)));
        assert_eq!(label(&"é".repeat(81)), format!("{} (vpc-1)", "é".repeat(80)));
    }

    #[test]
    fn names_in_a_value_are_those_of_all_its_ids() {
        let topology = with_vpc_name("prod\u{202e}");
        let names = |value: Value| topology.names_in(value);
        let expected = BTreeMap::from([("vpc-1".to_owned(), "prod\u{202e}".to_owned())]);
        assert_eq!(names(serde_json::json!({"a": [{"b": "vpc-1"}, "vpc-2", 1, null]})), expected);
        // Keys do not count, nor does text that contains an id.
        assert_eq!(names(serde_json::json!({"vpc-1": ["vpc-2", "to vpc-1", true]})), BTreeMap::new());
    }
}
