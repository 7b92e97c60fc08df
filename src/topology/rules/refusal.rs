//! The rule that rejects traffic, and its words.

use super::{AclVerdict, GroupsVerdict, InterfaceRules, RuleDirection, Traffic, Verdict};
use crate::record::names;
use crate::sanitize::{NAME_CHARACTERS, escape_truncated};
use crate::topology::Topology;
use crate::topology::describe_output::own_rule_number;

/// Maximum number of security groups in a text.
const MAX_GROUPS: usize = 5;

/// What rejects traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal<'a> {
    /// A network ACL.
    NetworkAcl {
        /// Id of the ACL.
        acl_id: &'a str,
        /// Number of the entry. `None` if no entry matches.
        rule_number: Option<u32>,
    },
    /// Security groups, none of which allows the traffic.
    SecurityGroups {
        /// Ids of the groups, in order.
        group_ids: &'a [String],
    },
}

/// The verdicts on traffic at one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement<'a> {
    /// Direction of the traffic.
    pub direction: RuleDirection,
    /// What the network ACL refuses, if it does.
    pub acl: Option<Refusal<'a>>,
    /// What the security groups refuse, if they do.
    pub groups: Option<Refusal<'a>>,
    /// Whether both let the traffic pass.
    pub both_allow: bool,
}

impl<'a> Judgement<'a> {
    /// Returns what refuses the traffic, in the order in which a packet meets it.
    pub fn denied_by(&self) -> impl Iterator<Item = Refusal<'a>> + use<'a> {
        let in_order = match self.direction {
            RuleDirection::Ingress => [self.acl, self.groups],
            RuleDirection::Egress => [self.groups, self.acl],
        };
        in_order.into_iter().flatten()
    }
}

impl<'a> AclVerdict<'a> {
    /// Returns the refusal of a verdict that denies.
    pub fn refusal(&self) -> Option<Refusal<'a>> {
        match *self {
            AclVerdict::Entry { acl_id, entry } if !entry.allows => {
                Some(Refusal::NetworkAcl { acl_id, rule_number: Some(entry.rule_number) })
            }
            AclVerdict::NoEntry { acl_id } => Some(Refusal::NetworkAcl { acl_id, rule_number: None }),
            AclVerdict::Entry { .. } | AclVerdict::SameSubnet { .. } | AclVerdict::Undecided(_) => None,
        }
    }
}

impl<'a> InterfaceRules<'a> {
    /// Evaluates the network ACL, and the security groups unless the traffic consists of answers only, which they always let pass.
    pub fn judge(&self, traffic: &Traffic, are_answers: bool) -> Judgement<'a> {
        let acl = self.network_acl(traffic);
        let groups = (!are_answers).then(|| self.security_groups(traffic));
        let group_ids = &self.interface.group_ids;
        Judgement {
            direction: traffic.direction,
            acl: acl.refusal(),
            groups: (groups == Some(GroupsVerdict::Denied)).then_some(Refusal::SecurityGroups { group_ids }),
            both_allow: acl.verdict() == Verdict::Allows
                && groups.is_some_and(|groups| groups.verdict() == Verdict::Allows),
        }
    }
}

impl Topology {
    /// Describes a refusal, such as `network ACL acl-1 rule 100 denies`.
    pub fn describe_refusal(&self, refusal: &Refusal<'_>, traffic: &Traffic) -> String {
        match *refusal {
            Refusal::NetworkAcl { .. } => format!("{} denies", self.describe_rule(refusal)),
            Refusal::SecurityGroups { group_ids } => {
                format!("no rule of {} lets {}", self.list_groups(group_ids, " or "), describe_traffic(traffic))
            }
        }
    }

    /// Describes a refusal of different traffic, such as `no rule of sg-1 (web) allows it`.
    pub fn describe_refusal_of_any(&self, refusal: &Refusal<'_>) -> String {
        match *refusal {
            Refusal::NetworkAcl { .. } => format!("{} denies", self.describe_rule(refusal)),
            Refusal::SecurityGroups { group_ids } => {
                format!("no rule of {} allows it", self.list_groups(group_ids, " or "))
            }
        }
    }

    /// Names the rule of a refusal, such as `network ACL acl-1 rule 100` or `sg-1 (web)`.
    pub fn describe_rule(&self, refusal: &Refusal<'_>) -> String {
        match *refusal {
            Refusal::NetworkAcl { acl_id, rule_number } => {
                let rule = match own_rule_number(rule_number) {
                    Some(number) => format!("rule {number}"),
                    None => "default rule (*)".to_owned(),
                };
                format!("network ACL {} {rule}", self.id_with_name(acl_id))
            }
            Refusal::SecurityGroups { group_ids } => self.list_groups(group_ids, " and "),
        }
    }

    /// Names the rules that need another one, so that the traffic passes: `sg-1 (web) (inbound)`, or
    /// `network ACL acl-1 (public) (inbound, with a number below 100)`. The direction is left out if it is unknown.
    pub fn describe_rule_to_add(&self, refusal: &Refusal<'_>, direction: Option<RuleDirection>) -> String {
        let direction = direction.map(|direction| match direction {
            RuleDirection::Ingress => "inbound".to_owned(),
            RuleDirection::Egress => "outbound".to_owned(),
        });
        let (rules, number) = match *refusal {
            Refusal::NetworkAcl { acl_id, rule_number } => {
                let number = own_rule_number(rule_number).map(|number| match number {
                    // There is no lesser number.
                    0 | 1 => "before rule 1, which needs another number".to_owned(),
                    number => format!("with a number below {number}"),
                });
                (format!("network ACL {}", self.id_with_name(acl_id)), number)
            }
            Refusal::SecurityGroups { group_ids: [only] } => (self.id_with_name(only), None),
            Refusal::SecurityGroups { .. } => (format!("one of {}", self.describe_rule(refusal)), None),
        };
        let which: Vec<String> = direction.into_iter().chain(number).collect();
        if which.is_empty() { rules } else { format!("{rules} ({})", which.join(", ")) }
    }

    /// Lists security groups. Lists only the first of many.
    fn list_groups(&self, group_ids: &[String], word: &str) -> String {
        let mut groups: Vec<String> = group_ids.iter().take(MAX_GROUPS).map(|id| self.id_with_name(id)).collect();
        if group_ids.len() > MAX_GROUPS {
            groups.push(format!("{} more", group_ids.len() - MAX_GROUPS));
        }
        groups.join(word)
    }

    /// Returns the id with its name after it: `sg-0123 (web)`. The name is escaped and truncated.
    pub fn id_with_name(&self, id: &str) -> String {
        match self.name_of(id) {
            Some(name) => format!("{id} ({})", escape_truncated(name, NAME_CHARACTERS)),
            None => id.to_owned(),
        }
    }
}

/// Describes traffic as the object of "lets": `10.0.1.5 in at 5432/TCP (postgresql)`.
fn describe_traffic(traffic: &Traffic) -> String {
    let Traffic { direction, remote, protocol, dstport } = *traffic;
    let service = match dstport {
        Some(port) => names::port(port, Some(protocol)),
        None => names::protocol(Some(protocol)),
    };
    describe_passing(direction, &remote.to_string(), &service)
}

/// Describes what passes a rule: `10.0.1.5 in at 5432/TCP (postgresql)`, `10.0.1.5 in over ICMP`.
pub fn describe_passing(direction: RuleDirection, remote: &str, service: &str) -> String {
    // A service begins with a port, if there is one.
    let preposition = if service.starts_with(|first: char| first.is_ascii_digit()) { "at" } else { "over" };
    match direction {
        RuleDirection::Ingress => format!("{remote} in {preposition} {service}"),
        RuleDirection::Egress => format!("traffic out to {remote} {preposition} {service}"),
    }
}
