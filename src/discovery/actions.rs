//! The calls of EC2's Query API that describe a network.
//!
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Operations.html>

use super::shapes::{self, Shape};

/// Version of the API that the shapes belong to.
pub const API_VERSION: &str = "2016-11-15";

/// An action whose response has a list of resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// Name, such as `DescribeVpcs`.
    pub name: &'static str,
    /// Maximum number of resources in a page. AWS rejects a higher number. `None` if the action documents none.
    pub max_results: Option<u32>,
    /// Key of the list in a topology document.
    pub key: &'static str,
    /// Element of the list in the response.
    pub(super) list: &'static str,
    pub(super) item: &'static Shape,
}

/// The actions whose resources go into a document as they are.
pub const RESOURCES: [Action; 7] = [
    Action { max_results: Some(1000), ..action("DescribeVpcs", "Vpcs", "vpcSet", &shapes::VPC) },
    Action { max_results: Some(1000), ..action("DescribeSubnets", "Subnets", "subnetSet", &shapes::SUBNET) },
    Action {
        max_results: Some(1000),
        ..action(
            "DescribeVpcPeeringConnections",
            "VpcPeeringConnections",
            "vpcPeeringConnectionSet",
            &shapes::PEERING_CONNECTION,
        )
    },
    Action {
        max_results: Some(1000),
        ..action("DescribeNetworkInterfaces", "NetworkInterfaces", "networkInterfaceSet", &shapes::INTERFACE)
    },
    Action {
        max_results: Some(100),
        ..action("DescribeRouteTables", "RouteTables", "routeTableSet", &shapes::ROUTE_TABLE)
    },
    Action {
        max_results: Some(1000),
        ..action("DescribeSecurityGroups", "SecurityGroups", "securityGroupInfo", &shapes::SECURITY_GROUP)
    },
    Action {
        max_results: Some(1000),
        ..action("DescribeNetworkAcls", "NetworkAcls", "networkAclSet", &shapes::NETWORK_ACL)
    },
];

/// Prefix lists of AWS's services, with their blocks.
pub const PREFIX_LISTS: Action = action("DescribePrefixLists", PREFIX_LISTS_KEY, "prefixListSet", &shapes::PREFIX_LIST);

/// All prefix lists, without their blocks.
pub const MANAGED_PREFIX_LISTS: Action = Action {
    max_results: Some(100),
    ..action("DescribeManagedPrefixLists", PREFIX_LISTS_KEY, "prefixListSet", &shapes::MANAGED_PREFIX_LIST)
};

/// The blocks of one prefix list, which the parameter `PrefixListId` names.
pub const PREFIX_LIST_ENTRIES: Action = Action {
    max_results: Some(100),
    ..action("GetManagedPrefixListEntries", "Entries", "entrySet", &shapes::PREFIX_LIST_ENTRY)
};

/// Key of the prefix lists in a topology document.
pub(super) const PREFIX_LISTS_KEY: &str = "PrefixLists";

const fn action(name: &'static str, key: &'static str, list: &'static str, item: &'static Shape) -> Action {
    Action { name, max_results: None, key, list, item }
}

impl Action {
    /// Returns the body of a request, as an HTML form. `parameters` are further ones of this action.
    pub fn form(&self, parameters: &[(&str, &str)], next_token: Option<&str>) -> String {
        let mut form = format!("Action={}&Version={API_VERSION}", self.name);
        let max_results = self.max_results.map(|number| number.to_string());
        let paging = [("MaxResults", max_results.as_deref()), ("NextToken", next_token)];
        let given = parameters.iter().map(|(name, value)| (*name, Some(*value)));
        for (name, value) in given.chain(paging).filter_map(|(name, value)| Some((name, value?))) {
            form += &format!("&{name}={}", percent_encoding::utf8_percent_encode(value, UNRESERVED));
        }
        form
    }
}

/// Everything but the unreserved characters of RFC 3986.
const UNRESERVED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_the_parameters_and_the_page() {
        assert_eq!(PREFIX_LISTS.form(&[], None), "Action=DescribePrefixLists&Version=2016-11-15");
        let form = PREFIX_LIST_ENTRIES.form(&[("PrefixListId", "pl-1")], Some("a+b/c=&d"));
        let expected = "Action=GetManagedPrefixListEntries&Version=2016-11-15&PrefixListId=pl-1&MaxResults=100\
                        &NextToken=a%2Bb%2Fc%3D%26d";
        assert_eq!(form, expected);
    }
}
