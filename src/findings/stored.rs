//! Reads the findings of stored summaries, which earlier and later versions may have written.
//!
//! The type of a finding decides which members its subject and details have. Unknown members are ignored, and absent ones are null:
//! members may be added, none is removed. A finding of an unknown type is an error, which the reader of a list counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use serde::de::{DeserializeOwned, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::types::{Confidence, Details, Evidence, Example, Finding, FindingType, Severity, Subject, Suppressed};
use crate::aggregate::counters::{Counters, TimeRange};

/// A finding whose subject and details are not decided yet.
#[derive(Deserialize)]
struct StoredFinding {
    id: String,
    #[serde(rename = "type")]
    finding_type: FindingType,
    severity: Severity,
    confidence: Confidence,
    title: String,
    next_step: Option<String>,
    subject: Members,
    details: Members,
    #[serde(deserialize_with = "known")]
    evidence: BTreeSet<Evidence>,
    #[serde(flatten)]
    tally: Counters,
    #[serde(flatten)]
    seen: TimeRange,
    exact: bool,
    examples: Vec<Example>,
    #[serde(default)]
    names: BTreeMap<String, String>,
    suppressed: Option<Suppressed>,
}

impl<'de> Deserialize<'de> for Finding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Finding, D::Error> {
        let stored = StoredFinding::deserialize(deserializer)?;
        Ok(Finding {
            subject: subject(stored.finding_type, stored.subject).map_err(D::Error::custom)?,
            details: details(stored.finding_type, stored.details).map_err(D::Error::custom)?,
            id: stored.id,
            finding_type: stored.finding_type,
            severity: stored.severity,
            confidence: stored.confidence,
            title: stored.title,
            next_step: stored.next_step,
            evidence: stored.evidence,
            tally: stored.tally,
            seen: stored.seen,
            exact: stored.exact,
            examples: stored.examples,
            names: stored.names,
            suppressed: stored.suppressed,
        })
    }
}

/// The members of a subject or of details.
#[derive(Deserialize)]
struct Members(Map<String, Value>);

impl Members {
    /// Removes and returns a member. An absent one is null.
    fn take<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T, String> {
        let value = self.0.remove(name).unwrap_or(Value::Null);
        serde_json::from_value(value).map_err(|error| with_name(name, &error))
    }

    /// Removes and returns a list. An absent one is empty.
    fn take_list<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Vec<T>, String> {
        self.take(name).map(Option::unwrap_or_default)
    }

    /// Removes and returns an addition that the finding can do without: a later version may have hops of other kinds.
    fn take_if_known<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        serde_json::from_value(self.0.remove(name)?).ok()
    }
}

fn with_name(name: &str, error: &dyn Display) -> String {
    format!("{name}: {error}")
}

fn subject(finding_type: FindingType, mut of: Members) -> Result<Subject, String> {
    Ok(match finding_type {
        FindingType::RepeatedRejects => Subject::Group {
            interface_id: of.take("interface_id")?,
            srcaddr: of.take("srcaddr")?,
            dstaddr: of.take("dstaddr")?,
            dstport: of.take("dstport")?,
            protocol: of.take("protocol")?,
        },
        FindingType::ReplyBlocked => Subject::ReplyFlow {
            interface_id: of.take("interface_id")?,
            srcaddr: of.take("srcaddr")?,
            dstaddr: of.take("dstaddr")?,
            protocol: of.take("protocol")?,
        },
        FindingType::HostSweep => Subject::SourceAndPort {
            srcaddr: of.take("srcaddr")?,
            dstport: of.take("dstport")?,
            protocol: of.take("protocol")?,
        },
        FindingType::PortScan => {
            Subject::SourceAndDestination { srcaddr: of.take("srcaddr")?, dstaddr: of.take("dstaddr")? }
        }
        FindingType::NoAnswer => Subject::Target {
            interface_id: of.take("interface_id")?,
            dstaddr: of.take("dstaddr")?,
            dstport: of.take("dstport")?,
        },
        FindingType::HealthChecksRejected => Subject::Service {
            dstaddr: of.take("dstaddr")?,
            dstport: of.take("dstport")?,
            protocol: of.take("protocol")?,
        },
        FindingType::TransitGatewayLoss => Subject::TransitGateway {
            tgw_id: of.take("tgw_id")?,
            tgw_src_vpc_id: of.take("tgw_src_vpc_id")?,
            tgw_dst_vpc_id: of.take("tgw_dst_vpc_id")?,
            reason: of.take("reason")?,
        },
        FindingType::AmbiguousAddress => Subject::CidrBlock { cidr_block: of.take("cidr_block")? },
        FindingType::TransitivePeering | FindingType::UnpeeredVpc | FindingType::InactivePeering => {
            Subject::Vpcs { src_vpc_id: of.take("src_vpc_id")?, dst_vpc_id: of.take("dst_vpc_id")? }
        }
        FindingType::OneWayPeering | FindingType::RejectedPeering | FindingType::PeeringPathMismatch => {
            Subject::Peers {
                src_vpc_id: of.take("src_vpc_id")?,
                dst_vpc_id: of.take("dst_vpc_id")?,
                peering_connection_id: of.take("peering_connection_id")?,
            }
        }
        FindingType::EdgeToEdgeRouting => {
            Subject::Edge { src_vpc_id: of.take("src_vpc_id")?, dst_scope: of.take("dst_scope")? }
        }
        FindingType::EgressBlocked | FindingType::SkippedData => {
            Subject::Interface { interface_id: of.take("interface_id")? }
        }
    })
}

fn details(finding_type: FindingType, mut of: Members) -> Result<Details, String> {
    Ok(match finding_type {
        FindingType::PortScan => {
            Details::Ports { distinct_ports: of.take("distinct_ports")?, accepted_flows: of.take("accepted_flows")? }
        }
        FindingType::HostSweep => Details::SweptHosts {
            distinct_hosts: of.take("distinct_hosts")?,
            accepted_flows: of.take("accepted_flows")?,
        },
        FindingType::EgressBlocked => {
            Details::Hosts { distinct_hosts: of.take("distinct_hosts")?, explanation: of.take_if_known("explanation") }
        }
        FindingType::RejectedPeering => Details::Explained { explanation: of.take_if_known("explanation") },
        FindingType::RepeatedRejects => Details::Group { direction: of.take("direction")?, cause: of.take("cause")? },
        FindingType::TransitivePeering => Details::Via {
            via_vpc_ids: of.take_list("via_vpc_ids")?,
            route_table_ids: of.take_list("route_table_ids")?,
            explanation: of.take_if_known("explanation"),
        },
        FindingType::EdgeToEdgeRouting => Details::RouteTables { route_table_ids: of.take_list("route_table_ids")? },
        FindingType::OneWayPeering => Details::NoReturnRoute {
            route_table_ids: of.take_list("route_table_ids")?,
            explanation: of.take_if_known("explanation"),
        },
        FindingType::NoAnswer => Details::Answerer {
            dst_interface_id: of.take("dst_interface_id")?,
            explanation: of.take_if_known("explanation"),
        },
        FindingType::HealthChecksRejected => Details::LoadBalancers { interface_ids: of.take_list("interface_ids")? },
        FindingType::InactivePeering => Details::Inactive {
            peering_connection_ids: of.take_list("peering_connection_ids")?,
            statuses: of.take_list("statuses")?,
            route_table_ids: of.take_list("route_table_ids")?,
        },
        FindingType::PeeringPathMismatch => Details::Paths {
            traffic_paths: of.take_list("traffic_paths")?,
            route_table_ids: of.take_list("route_table_ids")?,
        },
        FindingType::AmbiguousAddress => Details::CandidateVpcs { vpc_ids: of.take_list("vpc_ids")? },
        FindingType::ReplyBlocked
        | FindingType::SkippedData
        | FindingType::TransitGatewayLoss
        | FindingType::UnpeeredVpc => Details::None {},
    })
}

/// Maximum text of an element of a list, in bytes. Members that this version does not know are in memory while it is parsed, at up to 48
/// times their text. Elements that this program writes are far shorter.
pub(crate) const MAX_ELEMENT_BYTES: usize = 1 << 20;

/// Deserializes a list without the elements that this version does not know. These are never in memory together.
pub(crate) fn known<'de, D, T, C>(deserializer: D) -> Result<C, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
    C: Default + IntoIterator<Item = T> + Extend<T>,
{
    let mut list = C::default();
    each_element(deserializer, |text| list.extend(parse::<T>(text)))?;
    Ok(list)
}

/// Calls a function with the text of each element of a list.
pub(crate) fn each_element<'de, D: Deserializer<'de>>(
    deserializer: D,
    each: impl FnMut(&RawValue),
) -> Result<(), D::Error> {
    struct Elements<F>(F);

    impl<'de, F: FnMut(&RawValue)> Visitor<'de> for Elements<F> {
        type Value = ();

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
            while let Some(text) = list.next_element::<Box<RawValue>>()? {
                (self.0)(&text);
            }
            Ok(())
        }
    }

    deserializer.deserialize_seq(Elements(each))
}

/// Parses an element. Returns `None` if this version does not know it.
pub(crate) fn parse<T: DeserializeOwned>(element: &RawValue) -> Option<T> {
    let text = Some(element.get()).filter(|text| text.len() <= MAX_ELEMENT_BYTES)?;
    serde_json::from_str(text).ok()
}

/// Returns the number of words of evidence that a finding has and this version does not know.
pub(crate) fn unknown_evidence(finding: &RawValue) -> u64 {
    #[derive(Deserialize)]
    struct Words {
        #[serde(deserialize_with = "unknown")]
        evidence: u64,
    }

    fn unknown<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let mut unknown = 0;
        each_element(deserializer, |word| unknown += u64::from(parse::<Evidence>(word).is_none()))?;
        Ok(unknown)
    }

    parse::<Words>(finding).map_or(0, |words| words.evidence)
}
