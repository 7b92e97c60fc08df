//! The table of flow log fields: name, version, and type of every field of VPC flow logs (versions 2 to 11) and of Transit
//! Gateway flow logs. All other knowledge about fields derives from it.
//!
//! Names, order and types are those of AWS:
//! <https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html> and
//! <https://docs.aws.amazon.com/vpc/latest/tgw/tgw-flow-logs.html>. The integer types are those of AWS's Parquet
//! files; every other field is text. `account-id` is text because it has leading zeros and may be `unknown`.

/// Type of the values of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// Decimal digits up to this maximum.
    Integer(u64),
    /// An IPv4 or IPv6 address without a zone.
    Address,
    /// Any text without spaces.
    Text,
}

const PORT: FieldType = FieldType::Integer(u16::MAX as u64);
const PROTOCOL: FieldType = FieldType::Integer(u8::MAX as u64);
const INTEGER: FieldType = FieldType::Integer(u64::MAX);
const ADDRESS: FieldType = FieldType::Address;
const TEXT: FieldType = FieldType::Text;

macro_rules! fields {
    ($($field:ident $name:literal $version:literal $kind:ident;)*) => {
        /// A field that flowsentry knows by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Field {
            $(#[doc = concat!("`", $name, "`, version ", $version)] $field,)*
        }

        impl Field {
            /// Every field, in AWS's order.
            pub const ALL: &[Field] = &[$(Field::$field,)*];

            /// Returns AWS's name, with hyphens.
            pub const fn name(self) -> &'static str {
                match self { $(Field::$field => $name,)* }
            }

            /// Returns the flow log version that introduced the field.
            pub const fn version(self) -> u8 {
                match self { $(Field::$field => $version,)* }
            }

            /// Returns the type of its values.
            #[inline]
            pub const fn kind(self) -> FieldType {
                match self { $(Field::$field => $kind,)* }
            }

            /// Returns the field with this name of a column, which may be written in any case and with any separators. CloudWatch Logs
            /// Insights calls the fields that it discovers `srcAddr`, `interfaceId`, `startTime` and so on:
            /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html>
            pub fn from_column_name(name: &[u8]) -> Option<Field> {
                Field::from_name(name).or_else(|| {
                    let is_letter = |byte: &&u8| byte.is_ascii_alphanumeric();
                    let letters = || name.iter().filter(is_letter).map(u8::to_ascii_lowercase);
                    let is = |known: &str| letters().eq(known.bytes().filter(|byte| byte.is_ascii_alphanumeric()));
                    if name.len() > LONGEST_NAME {
                        return None;
                    }
                    match Field::ALL.iter().find(|field| is(field.name())) {
                        Some(field) => Some(*field),
                        None if is("starttime") => Some(Field::Start),
                        None if is("endtime") => Some(Field::End),
                        None => None,
                    }
                })
            }

            /// Returns the field with this name, written with hyphens or underscores.
            pub fn from_name(name: &[u8]) -> Option<Field> {
                let mut hyphens = [0; LONGEST_NAME];
                let hyphens = hyphens.get_mut(..name.len())?;
                for (to, from) in hyphens.iter_mut().zip(name) {
                    *to = if *from == b'_' { b'-' } else { *from };
                }
                match std::str::from_utf8(hyphens).ok()? {
                    $($name => Some(Field::$field),)*
                    _ => None,
                }
            }
        }
    };
}

fields! {
    Version "version" 2 INTEGER;
    AccountId "account-id" 2 TEXT;
    InterfaceId "interface-id" 2 TEXT;
    Srcaddr "srcaddr" 2 ADDRESS;
    Dstaddr "dstaddr" 2 ADDRESS;
    Srcport "srcport" 2 PORT;
    Dstport "dstport" 2 PORT;
    Protocol "protocol" 2 PROTOCOL;
    Packets "packets" 2 INTEGER;
    Bytes "bytes" 2 INTEGER;
    Start "start" 2 INTEGER;
    End "end" 2 INTEGER;
    Action "action" 2 TEXT;
    LogStatus "log-status" 2 TEXT;
    VpcId "vpc-id" 3 TEXT;
    SubnetId "subnet-id" 3 TEXT;
    InstanceId "instance-id" 3 TEXT;
    TcpFlags "tcp-flags" 3 INTEGER;
    Type "type" 3 TEXT;
    PktSrcaddr "pkt-srcaddr" 3 ADDRESS;
    PktDstaddr "pkt-dstaddr" 3 ADDRESS;
    Region "region" 4 TEXT;
    AzId "az-id" 4 TEXT;
    SublocationType "sublocation-type" 4 TEXT;
    SublocationId "sublocation-id" 4 TEXT;
    PktSrcAwsService "pkt-src-aws-service" 5 TEXT;
    PktDstAwsService "pkt-dst-aws-service" 5 TEXT;
    FlowDirection "flow-direction" 5 TEXT;
    TrafficPath "traffic-path" 5 INTEGER;
    ResourceType "resource-type" 6 TEXT;
    TgwId "tgw-id" 6 TEXT;
    TgwAttachmentId "tgw-attachment-id" 6 TEXT;
    TgwSrcVpcAccountId "tgw-src-vpc-account-id" 6 TEXT;
    TgwDstVpcAccountId "tgw-dst-vpc-account-id" 6 TEXT;
    TgwSrcVpcId "tgw-src-vpc-id" 6 TEXT;
    TgwDstVpcId "tgw-dst-vpc-id" 6 TEXT;
    TgwSrcSubnetId "tgw-src-subnet-id" 6 TEXT;
    TgwDstSubnetId "tgw-dst-subnet-id" 6 TEXT;
    TgwSrcEni "tgw-src-eni" 6 TEXT;
    TgwDstEni "tgw-dst-eni" 6 TEXT;
    TgwSrcAzId "tgw-src-az-id" 6 TEXT;
    TgwDstAzId "tgw-dst-az-id" 6 TEXT;
    TgwPairAttachmentId "tgw-pair-attachment-id" 6 TEXT;
    PacketsLostNoRoute "packets-lost-no-route" 6 INTEGER;
    PacketsLostBlackhole "packets-lost-blackhole" 6 INTEGER;
    PacketsLostMtuExceeded "packets-lost-mtu-exceeded" 6 INTEGER;
    PacketsLostTtlExpired "packets-lost-ttl-expired" 6 INTEGER;
    EcsClusterArn "ecs-cluster-arn" 7 TEXT;
    EcsClusterName "ecs-cluster-name" 7 TEXT;
    EcsContainerInstanceArn "ecs-container-instance-arn" 7 TEXT;
    EcsContainerInstanceId "ecs-container-instance-id" 7 TEXT;
    EcsContainerId "ecs-container-id" 7 TEXT;
    EcsSecondContainerId "ecs-second-container-id" 7 TEXT;
    EcsServiceName "ecs-service-name" 7 TEXT;
    EcsTaskDefinitionArn "ecs-task-definition-arn" 7 TEXT;
    EcsTaskArn "ecs-task-arn" 7 TEXT;
    EcsTaskId "ecs-task-id" 7 TEXT;
    RejectReason "reject-reason" 8 TEXT;
    ResourceId "resource-id" 9 TEXT;
    EncryptionStatus "encryption-status" 10 INTEGER;
    InstanceTag "instance-tag" 11 TEXT;
    InstanceTag2 "instance-tag-2" 11 TEXT;
    InterfaceTag "interface-tag" 11 TEXT;
    InterfaceTag2 "interface-tag-2" 11 TEXT;
    AsgTag "asg-tag" 11 TEXT;
    AsgTag2 "asg-tag-2" 11 TEXT;
    InterfaceType "interface-type" 11 TEXT;
    NextHopInterfaceId "next-hop-interface-id" 11 TEXT;
    NextHopSubnetId "next-hop-subnet-id" 11 TEXT;
    NextHopAzId "next-hop-az-id" 11 TEXT;
    NextHopVpcId "next-hop-vpc-id" 11 TEXT;
    NextHopInterfaceType "next-hop-interface-type" 11 TEXT;
}

impl Field {
    /// Returns the field whose name is most similar to this one, if a typing error may explain the difference.
    pub fn similar_to(name: &str) -> Option<Field> {
        if name.len() > 2 * LONGEST_NAME {
            return None;
        }
        let name = name.to_ascii_lowercase().replace('_', "-");
        let distance = |field: &Field| strsim::damerau_levenshtein(&name, field.name());
        let nearest = Field::ALL.iter().copied().min_by_key(distance)?;
        (distance(&nearest) <= nearest.name().len().div_ceil(4)).then_some(nearest)
    }
}

#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
const LONGEST_NAME: usize = {
    let mut longest = 0;
    let mut i = 0;
    while i < Field::ALL.len() {
        let length = Field::ALL[i].name().len();
        if length > longest {
            longest = length;
        }
        i += 1;
    }
    longest
};

/// Number of version 2 fields. AWS's default format has all of them, in the order of the table.
const VERSION_2_FIELDS: usize = 14;

/// Returns the columns of AWS's default format, which cannot be customized: the 14 fields of version 2 in AWS's order.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
pub fn v2_fields() -> &'static [Field] {
    &Field::ALL[..VERSION_2_FIELDS]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_as_many_fields_as_aws_documents() {
        let up_to = |version| Field::ALL.iter().filter(|f| f.version() != 6 && f.version() <= version).count();
        let counts: Vec<_> = [2, 3, 4, 5, 7, 8, 9, 10, 11].map(up_to).into();
        assert_eq!(counts, [14, 21, 25, 29, 39, 40, 41, 42, 54]);
        assert_eq!(Field::ALL.iter().filter(|f| f.version() == 6).count(), 18);
    }

    #[test]
    fn the_default_order_is_awss() {
        let names: Vec<_> = v2_fields().iter().map(|f| f.name()).collect();
        assert_eq!(
            names.join(" "),
            "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
             log-status"
        );
    }

    #[test]
    fn every_name_is_found_with_hyphens_and_with_underscores() {
        for field in Field::ALL {
            assert_eq!(Field::from_name(field.name().as_bytes()), Some(*field));
            assert_eq!(Field::from_name(field.name().replace('-', "_").as_bytes()), Some(*field));
        }
    }

    #[test]
    fn other_words_are_not_names() {
        for name in ["", "-", "2", "Version", "srcaddr ", "next-hop-interface-type-2", "interface id", "action\u{e9}"] {
            assert_eq!(Field::from_name(name.as_bytes()), None, "{name}");
        }
        assert_eq!(Field::from_name(b"\xff\xfe"), None);
    }

    #[test]
    fn a_typing_error_has_a_similar_name() {
        let similar = |name| Field::similar_to(name).map(Field::name);
        for (name, expected) in [
            ("srcadr", "srcaddr"),
            ("dst-port", "dstport"),
            ("srcAddr", "srcaddr"),
            ("LOG_STATUS", "log-status"),
            ("interfaceid", "interface-id"),
            ("packet", "packets"),
            ("pkt-src-addr", "pkt-srcaddr"),
            ("next-hop-vpcid", "next-hop-vpc-id"),
            ("ned", "end"),
        ] {
            assert_eq!(similar(name), Some(expected));
        }
        for name in ["", "-", "password", "a", "version,account-id,interface-id"] {
            assert_eq!(similar(name), None, "{name}");
        }
    }

    #[test]
    fn types_are_awss() {
        assert_eq!(Field::Dstport.kind(), FieldType::Integer(65_535));
        assert_eq!(Field::Protocol.kind(), FieldType::Integer(255));
        assert_eq!(Field::PacketsLostTtlExpired.kind(), FieldType::Integer(u64::MAX));
        assert_eq!(Field::PktDstaddr.kind(), FieldType::Address);
        assert_eq!(Field::AccountId.kind(), FieldType::Text);
        let integers = Field::ALL.iter().filter(|f| matches!(f.kind(), FieldType::Integer(_))).count();
        assert_eq!(integers, 8 + 1 + 1 + 4 + 1);
    }
}
