//! Finds the AWS service that owns a network interface, by the interface's type, requester and description.
//!
//! AWS documents `RequesterManaged`, `RequesterId` and `Description` for this purpose:
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/requester-managed-eni.html>. It does not document the descriptions;
//! the tables list observed ones. Users may write any description for their interfaces. A description therefore counts only
//! if AWS manages the interface, or if users are unlikely to write it by chance.

/// The service of load balancers.
pub const LOAD_BALANCER: &str = "elb";
/// The service of NAT gateways.
pub const NAT_GATEWAY: &str = "nat-gateway";
/// The service of VPC endpoints that have interfaces.
pub const VPC_ENDPOINT: &str = "vpc-endpoint";

/// Properties of an interface that identify its owner. A missing property is empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct InterfaceTraits<'a> {
    /// `InterfaceType`.
    pub interface_type: &'a str,
    /// `RequesterId`.
    pub requester_id: &'a str,
    /// `RequesterManaged`.
    pub requester_managed: bool,
    /// `Description`.
    pub description: &'a str,
    /// `Operator.Principal`.
    pub operator: &'a str,
}

/// Interface types that identify the owner. AWS's API model has `natGateway`, but its responses contain `nat_gateway`.
const BY_TYPE: &[(&str, &str)] = &[
    ("nat_gateway", "nat-gateway"),
    ("natGateway", "nat-gateway"),
    ("regional_nat_gateway", "nat-gateway"),
    ("network_load_balancer", "elb"),
    ("load_balancer", "elb"),
    ("gateway_load_balancer", "elb"),
    ("gateway_load_balancer_endpoint", "vpc-endpoint"),
    ("vpc_endpoint", "vpc-endpoint"),
    ("transit_gateway", "transit-gateway"),
    ("lambda", "lambda"),
    ("efs", "efs"),
    ("quicksight", "quicksight"),
    ("global_accelerator_managed", "global-accelerator"),
    ("api_gateway_managed", "api-gateway"),
    ("iot_rules_managed", "iot"),
    ("aws_codestar_connections_managed", "codestar-connections"),
];

/// Requesters that identify the owner. Aurora, DocumentDB and Neptune also use `amazon-rds`, and cannot be distinguished
/// from RDS.
const BY_REQUESTER: &[(&str, &str)] = &[
    ("amazon-elb", "elb"),
    ("amazon-rds", "rds"),
    ("amazon-elasticache", "elasticache"),
    ("amazon-redshift", "redshift"),
];

/// Prefixes of descriptions that count if AWS manages the interface.
const BY_MANAGED_DESCRIPTION: &[(&str, &str)] = &[
    ("ELB ", "elb"),
    ("Interface for NAT Gateway ", "nat-gateway"),
    ("VPC Endpoint Interface", "vpc-endpoint"),
    ("Resource Gateway Interface ", "vpc-lattice"),
    ("RDSNetworkInterface", "rds"),
    ("RedshiftNetworkInterface", "redshift"),
    ("ElastiCache ", "elasticache"),
    ("ElastiCache+", "elasticache"),
    ("EFS mount target for ", "efs"),
    ("Network Interface for Transit Gateway Attachment ", "transit-gateway"),
    ("Route 53 Resolver: ", "route53-resolver"),
    ("AWS created network interface for directory ", "directory-service"),
    ("AWS ElasticMapReduce", "emr"),
    ("CloudHSM Managed Interface", "cloudhsm"),
    ("Amazon EKS ", "eks"),
];

/// Prefixes of descriptions that always count, because AWS does not mark all of their interfaces as managed.
const BY_DESCRIPTION: &[(&str, &str)] = &[
    ("AWS Lambda VPC ENI", "lambda"),
    ("arn:aws:ecs:", "ecs"),
    ("arn:aws-cn:ecs:", "ecs"),
    ("arn:aws-us-gov:ecs:", "ecs"),
    ("aws-K8S-", "eks"),
];

/// Owner of an interface of an instance or a container of the account.
const DEFAULT: &str = "ec2";
/// Owner of an interface that AWS manages for an unknown service.
const UNKNOWN: &str = "aws";

/// Returns the service that owns an interface.
pub fn owner(traits: &InterfaceTraits<'_>) -> &'static str {
    let exact = |table: &[(&str, &'static str)], key: &str| table.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
    let prefix =
        |table: &[(&str, &'static str)], text: &str| table.iter().find(|(k, _)| text.starts_with(k)).map(|(_, v)| *v);
    exact(BY_TYPE, traits.interface_type)
        .or_else(|| exact(BY_REQUESTER, traits.requester_id))
        .or_else(|| prefix(BY_DESCRIPTION, traits.description))
        .or_else(|| prefix(BY_MANAGED_DESCRIPTION, traits.description).filter(|_| traits.requester_managed))
        .or_else(|| sagemaker(traits).filter(|_| traits.requester_managed))
        .unwrap_or(if traits.requester_managed || !traits.operator.is_empty() { UNKNOWN } else { DEFAULT })
}

fn sagemaker(traits: &InterfaceTraits<'_>) -> Option<&'static str> {
    let is_notebook = traits.description.contains(":sagemaker:") && traits.description.contains("arn:aws");
    is_notebook.then_some("sagemaker")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the owner of an interface that AWS manages.
    fn managed(interface_type: &str, requester_id: &str, description: &str) -> &'static str {
        owner(&InterfaceTraits { interface_type, requester_id, requester_managed: true, description, operator: "" })
    }

    /// Returns the owner of an interface that is not marked as managed by AWS.
    fn unmanaged(interface_type: &str, requester_id: &str, description: &str) -> &'static str {
        owner(&InterfaceTraits { interface_type, requester_id, requester_managed: false, description, operator: "" })
    }

    const ACCOUNT: &str = "123456789012";

    #[test]
    fn managed_interfaces_have_the_expected_owner() {
        for (interface_type, requester_id, description, expected) in [
            ("interface", "amazon-elb", "ELB app/web/50dc6c495c0c9188", "elb"),
            ("load_balancer", "amazon-elb", "ELB app/web/50dc6c495c0c9188", "elb"),
            ("network_load_balancer", "amazon-elb", "ELB net/web/50dc6c495c0c9188", "elb"),
            ("gateway_load_balancer", "amazon-elb", "ELB gwy/fw/50dc6c495c0c9188", "elb"),
            ("interface", "amazon-elb", "ELB classic", "elb"),
            ("interface", ACCOUNT, "ELB classic", "elb"),
            ("nat_gateway", ACCOUNT, "Interface for NAT Gateway nat-0123456789abcdef0", "nat-gateway"),
            ("natGateway", "amazon", "", "nat-gateway"),
            ("interface", ACCOUNT, "Interface for NAT Gateway nat-0123456789abcdef0", "nat-gateway"),
            ("vpc_endpoint", ACCOUNT, "VPC Endpoint Interface vpce-0123456789abcdef0", "vpc-endpoint"),
            ("interface", ACCOUNT, "VPC Endpoint Interface: vpce-0123456789abcdef0", "vpc-endpoint"),
            ("gateway_load_balancer_endpoint", ACCOUNT, "VPC Endpoint Interface vpce-0123", "vpc-endpoint"),
            ("interface", ACCOUNT, "Resource Gateway Interface rgw-0123456789abcdef0", "vpc-lattice"),
            ("lambda", "AROAEXAMPLE:fn", "AWS Lambda VPC ENI-fn-b2e4d1a0-0000-4000-8000-000000000000", "lambda"),
            ("interface", "AROAEXAMPLE:fn", "AWS Lambda VPC ENI: b2e4d1a0", "lambda"),
            ("interface", "amazon-rds", "RDSNetworkInterface", "rds"),
            ("interface", ACCOUNT, "RDSNetworkInterface", "rds"),
            ("interface", "amazon-redshift", "RedshiftNetworkInterface", "redshift"),
            ("interface", ACCOUNT, "RedshiftNetworkInterface", "redshift"),
            ("interface", "amazon-elasticache", "ElastiCache redis-001", "elasticache"),
            ("interface", ACCOUNT, "ElastiCache+redis-001", "elasticache"),
            ("efs", ACCOUNT, "EFS mount target for fs-0123 (fsmt-4567)", "efs"),
            ("interface", ACCOUNT, "EFS mount target for fs-0123 (fsmt-4567)", "efs"),
            ("interface", "", "arn:aws:ecs:us-east-1:123456789012:attachment/b2e4d1a0", "ecs"),
            ("branch", "", "arn:aws:ecs:us-east-1:123456789012:attachment/b2e4d1a0", "ecs"),
            ("interface", ACCOUNT, "Amazon EKS production", "eks"),
            ("interface", ACCOUNT, "aws-K8S-i-0123456789abcdef0", "eks"),
            (
                "transit_gateway",
                ACCOUNT,
                "Network Interface for Transit Gateway Attachment tgw-attach-0",
                "transit-gateway",
            ),
            ("interface", ACCOUNT, "Network Interface for Transit Gateway Attachment tgw-attach-0", "transit-gateway"),
            ("interface", ACCOUNT, "Route 53 Resolver: rslvr-in-0123:rni-4567", "route53-resolver"),
            ("interface", ACCOUNT, "AWS created network interface for directory d-0123456789", "directory-service"),
            ("interface", ACCOUNT, "AWS ElasticMapReduce j-0123456789", "emr"),
            ("interface", ACCOUNT, "CloudHSM Managed Interface", "cloudhsm"),
            ("interface", ACCOUNT, "For arn:aws:sagemaker:us-east-1:1:notebook-instance/n", "sagemaker"),
            ("quicksight", "", "", "quicksight"),
            ("global_accelerator_managed", "", "", "global-accelerator"),
            ("api_gateway_managed", "", "", "api-gateway"),
            ("iot_rules_managed", "", "", "iot"),
            ("aws_codestar_connections_managed", "", "", "codestar-connections"),
            ("interface", ACCOUNT, "a service of tomorrow", "aws"),
        ] {
            assert_eq!(
                managed(interface_type, requester_id, description),
                expected,
                "{interface_type} {description:?}"
            );
        }
    }

    #[test]
    fn ordinary_interfaces_belong_to_ec2() {
        for interface_type in ["interface", "efa", "efa-only", "trunk", "branch", ""] {
            assert_eq!(unmanaged(interface_type, "", ""), "ec2", "{interface_type}");
        }
        assert_eq!(unmanaged("interface", ACCOUNT, "Primary network interface"), "ec2");
    }

    #[test]
    fn managed_description_on_an_unmanaged_interface_is_ignored() {
        for description in [
            "ELB app/web/50dc6c495c0c9188",
            "Interface for NAT Gateway nat-0123456789abcdef0",
            "VPC Endpoint Interface vpce-0123456789abcdef0",
            "Resource Gateway Interface rgw-0123456789abcdef0",
            "RDSNetworkInterface",
            "RedshiftNetworkInterface",
            "ElastiCache redis-001",
            "EFS mount target for fs-0123 (fsmt-4567)",
            "Amazon EKS production",
            "Network Interface for Transit Gateway Attachment tgw-attach-0",
            "Route 53 Resolver: rslvr-in-0123:rni-4567",
            "AWS created network interface for directory d-0123456789",
            "AWS ElasticMapReduce j-0123456789",
            "CloudHSM Managed Interface",
            "For arn:aws:sagemaker:us-east-1:1:notebook-instance/n",
        ] {
            assert_eq!(unmanaged("interface", ACCOUNT, description), "ec2", "{description}");
        }
    }

    #[test]
    fn some_descriptions_count_on_unmanaged_interfaces() {
        assert_eq!(unmanaged("interface", "AROAEXAMPLE:fn", "AWS Lambda VPC ENI-fn-b2e4d1a0"), "lambda");
        assert_eq!(unmanaged("interface", "", "arn:aws:ecs:us-east-1:123456789012:attachment/b2e4d1a0"), "ecs");
        assert_eq!(unmanaged("interface", "", "arn:aws-cn:ecs:cn-north-1:123456789012:attachment/b2e4d1a0"), "ecs");
        assert_eq!(unmanaged("interface", "", "aws-K8S-i-0123456789abcdef0"), "eks");
    }

    #[test]
    fn description_matches_only_as_a_prefix() {
        assert_eq!(managed("interface", "", "my ELB app/web"), "aws");
        assert_eq!(unmanaged("interface", "", "for AWS Lambda VPC ENI-fn"), "ec2");
        assert_eq!(unmanaged("interface", "", "elb app/web"), "ec2");
    }

    #[test]
    fn operator_implies_an_unknown_aws_service() {
        let operated =
            |operator| owner(&InterfaceTraits { interface_type: "interface", operator, ..InterfaceTraits::default() });
        assert_eq!((operated("eks.amazonaws.com"), operated("")), ("aws", "ec2"));
    }
}
