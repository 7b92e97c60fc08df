//! Which AWS service owns a network interface: by its type, who requested it, and its description.
//!
//! `RequesterManaged`, `RequesterId` and `Description` are what AWS names for it:
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/requester-managed-eni.html>. The descriptions themselves are
//! not documented, but seen. People may write what they like into those of their own interfaces: so a description
//! counts only where AWS manages the interface, or where it has a form that no one writes by chance.

/// What tells the owner of an interface; empty where it does not say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traits<'a> {
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

/// Types that tell the owner by themselves. AWS's API model writes `natGateway`, its answers `nat_gateway`.
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

/// Requesters that tell the owner. `amazon-rds` is that of Aurora, DocumentDB and Neptune too: nothing tells them apart.
const BY_REQUESTER: &[(&str, &str)] = &[
    ("amazon-elb", "elb"),
    ("amazon-rds", "rds"),
    ("amazon-elasticache", "elasticache"),
    ("amazon-redshift", "redshift"),
];

/// Beginnings of descriptions that AWS gives to interfaces which it manages.
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

/// Beginnings of descriptions whose interfaces AWS does not always mark as managed.
const BY_DESCRIPTION: &[(&str, &str)] = &[
    ("AWS Lambda VPC ENI", "lambda"),
    ("arn:aws:ecs:", "ecs"),
    ("arn:aws-cn:ecs:", "ecs"),
    ("arn:aws-us-gov:ecs:", "ecs"),
    ("aws-K8S-", "eks"),
    ("Amazon EKS ", "eks"),
];

/// What an interface is that no other service owns: one of your instances' or containers'.
const DEFAULT: &str = "ec2";
/// What an interface is that AWS manages for a service that is not known here.
const UNKNOWN: &str = "aws";

/// The owner of an interface.
pub fn owner(traits: &Traits<'_>) -> &'static str {
    let exact = |table: &[(&str, &'static str)], key: &str| table.iter().find(|(k, _)| *k == key).map(|(_, v)| *v);
    let prefix =
        |table: &[(&str, &'static str)], text: &str| table.iter().find(|(k, _)| text.starts_with(k)).map(|(_, v)| *v);
    exact(BY_TYPE, traits.interface_type)
        .or_else(|| exact(BY_REQUESTER, traits.requester_id))
        .or_else(|| prefix(BY_DESCRIPTION, traits.description))
        .or_else(|| prefix(BY_MANAGED_DESCRIPTION, traits.description).filter(|_| traits.requester_managed))
        .or_else(|| sagemaker(traits))
        .unwrap_or(if traits.requester_managed || !traits.operator.is_empty() { UNKNOWN } else { DEFAULT })
}

fn sagemaker(traits: &Traits<'_>) -> Option<&'static str> {
    let notebook = traits.description.contains(":sagemaker:") && traits.description.contains("arn:aws");
    notebook.then_some("sagemaker")
}
