//! Causes of rejections: the evidence of a record itself, of accepted flows, and of the rules of the topology.

use serde::{Deserialize, Serialize};

use crate::aggregate::accepted::FiveTuple;
use crate::aggregate::interner::Symbol;
use crate::record::{Flow, RejectReason, TCP, UDP};

/// Cause of a rejection. The order decides ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// VPC Block Public Access.
    BlockPublicAccess,
    /// VPC Encryption Controls.
    EncryptionControls,
    /// Packets of no open connection: late ones, or answers that nobody asked for.
    OutOfState,
    /// A network ACL: it is the answer to accepted packets, which only a stateless ACL rejects, or the rules of the ACL reject it.
    NetworkAcl,
    /// The security groups of the interface: none of their rules allows it.
    SecurityGroup,
    /// The rules allow it: they were changed since, or something else rejects it.
    RulesAllow,
    /// Either of the two: a flow log does not distinguish them, and the rules are unknown or undecided.
    SecurityGroupOrNetworkAcl,
}

impl Cause {
    /// Returns the word used in JSON and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Cause::BlockPublicAccess => "block-public-access",
            Cause::EncryptionControls => "encryption-controls",
            Cause::OutOfState => "out-of-state",
            Cause::NetworkAcl => "network-acl",
            Cause::SecurityGroup => "security-group",
            Cause::RulesAllow => "rules-allow",
            Cause::SecurityGroupOrNetworkAcl => "security-group-or-network-acl",
        }
    }
}

/// The cause of a rejected record, as far as the record itself shows it. Records of a group with the same hint get the same cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CauseHint {
    kind: HintKind,
    /// Whether the record looks like an answer, whose request another input may have.
    pub has_answer_shape: bool,
}

/// What decides the cause of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum HintKind {
    /// The cause is decided.
    Known(Cause),
    /// The traffic does not show the cause.
    Open,
    /// Accepted records would have shown the cause, but a memory limit dropped the source port.
    PortDropped,
    /// No `tcp-flags` show what the record is: accepted records with the same or the reverse 5-tuple do. It has this source port.
    Unflagged(u16),
    /// A SYN-ACK from this source port: the direction, and accepted records with the reverse 5-tuple.
    SynAck(u16),
    /// A SYN-ACK without a complete 5-tuple: only the direction.
    LoneSynAck,
    /// A SYN-ACK whose source port was dropped by a memory limit: only the direction; otherwise it stays open.
    UndecidedSynAck,
    /// Accepted records showed that it is an answer.
    Answer,
    /// Accepted records showed that it is an answer. It is a SYN-ACK.
    SynAckAnswer,
}

/// The cause of a rejected record, as far as the traffic shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrafficCause {
    /// The cause is decided.
    Known(Cause),
    /// It is an answer, which a stateful security group would have let pass. So a network ACL rejected it.
    Answer,
    /// The traffic does not show it. The rules of the topology may.
    Open,
    /// The traffic may have shown it, but a memory limit dropped what is needed. The rules must not decide, because it may be an answer.
    Dropped,
}

impl TrafficCause {
    /// Returns the cause, given what the rules say.
    fn decide(self, by_rules: Option<RuleOutcome>) -> Cause {
        match (self, by_rules) {
            (TrafficCause::Known(cause), _) => cause,
            (TrafficCause::Answer, _) => Cause::NetworkAcl,
            (TrafficCause::Open, Some(RuleOutcome::Allowed)) => Cause::RulesAllow,
            (TrafficCause::Open, Some(RuleOutcome::RejectedBy { cause, .. })) => cause,
            (TrafficCause::Open, None) | (TrafficCause::Dropped, _) => Cause::SecurityGroupOrNetworkAcl,
        }
    }
}

/// Number of a rule in the table of those who evaluate the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// What the rules of the topology say about rejected records. Nothing if they are unknown or undecided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleOutcome {
    /// All rules allow the traffic.
    Allowed,
    /// This rule rejects it.
    RejectedBy {
        /// Cause that the rule stands for.
        cause: Cause,
        /// The rule.
        rule: RuleId,
    },
}

/// Facts about the accepted records, the direction, and the rules, from which a hint becomes a cause.
#[derive(Debug, Clone, Copy, Default)]
pub struct CauseFacts {
    /// Whether the group's direction is egress.
    pub is_egress: bool,
    /// Whether an accepted record has the same 5-tuple.
    pub same_tuple_accepted: bool,
    /// Whether an accepted record has the reverse 5-tuple.
    pub reverse_tuple_accepted: bool,
    /// What the rules of the topology say.
    pub by_rules: Option<RuleOutcome>,
}

impl CauseFacts {
    /// Returns the cause of records whose traffic shows this.
    pub fn cause(self, by_traffic: TrafficCause) -> Cause {
        by_traffic.decide(self.by_rules)
    }

    /// Returns the rule that rejects records whose traffic shows this.
    pub fn rule(self, by_traffic: TrafficCause) -> Option<RuleId> {
        match (by_traffic, self.by_rules) {
            (TrafficCause::Answer | TrafficCause::Open, Some(RuleOutcome::RejectedBy { rule, .. })) => Some(rule),
            _ => None,
        }
    }
}

/// Ports from 1024 on at which servers answer.
const SERVER_PORTS: [u16; 17] =
    [1433, 1521, 2049, 3306, 3389, 5432, 5671, 5672, 5900, 6379, 8080, 8443, 9042, 9092, 9200, 11211, 27017];

/// Returns whether a record looks like an answer from a server to a client: its `tcp-flags` do not show which it is, and the ports are those of
/// an answer.
fn has_answer_shape(flow: &Flow<'_>) -> bool {
    let lacks_flags = match flow.protocol {
        Some(TCP) => !flow.tcp_flags.are_present(),
        protocol => protocol == Some(UDP),
    };
    lacks_flags && flow.srcport.zip(flow.dstport).is_some_and(|(srcport, dstport)| is_from_server(srcport, dstport))
}

/// Returns whether these ports are those of a reply: from the port of a server to the port of a client.
pub fn is_from_server(srcport: u16, dstport: u16) -> bool {
    let is_server = |port: u16| port < 1024 || SERVER_PORTS.contains(&port);
    is_server(srcport) && !is_server(dstport)
}

impl CauseHint {
    /// Returns the hint of a rejected record of this interface.
    pub fn from_flow(interface: Option<Symbol>, flow: &Flow<'_>) -> CauseHint {
        CauseHint { kind: HintKind::from_flow(interface, flow), has_answer_shape: has_answer_shape(flow) }
    }

    /// Returns the source port, if the cause depends on it.
    pub fn srcport(self) -> Option<u16> {
        match self.kind {
            HintKind::Unflagged(srcport) | HintKind::SynAck(srcport) => Some(srcport),
            _ => None,
        }
    }

    /// Returns the hints that a record with this source port may have, if its cause depends on it.
    pub fn with_port(srcport: u16) -> [CauseHint; 3] {
        let hint = |kind, has_answer_shape| CauseHint { kind, has_answer_shape };
        let (unflagged, syn_ack) = (HintKind::Unflagged(srcport), HintKind::SynAck(srcport));
        [hint(unflagged, false), hint(unflagged, true), hint(syn_ack, false)]
    }

    /// Returns the hint without source port. What accepted records would decide is then not guessed.
    pub fn without_port(self) -> CauseHint {
        let kind = match self.kind {
            HintKind::Unflagged(_) => HintKind::PortDropped,
            HintKind::SynAck(_) => HintKind::UndecidedSynAck,
            kind => kind,
        };
        CauseHint { kind, ..self }
    }

    /// Returns the hint after accepted records decided what they can. The facts must cover all of them, and not the direction.
    pub fn decide(self, protocol: Option<u8>, dstport: Option<u16>, facts: CauseFacts) -> CauseHint {
        let is_syn_ack = match self.kind {
            HintKind::Unflagged(_) => false,
            HintKind::SynAck(_) => true,
            _ => return self,
        };
        let kind = match (self.by_traffic(protocol, dstport, facts), is_syn_ack) {
            (TrafficCause::Answer, false) => HintKind::Answer,
            (TrafficCause::Answer, true) => HintKind::SynAckAnswer,
            // The direction may show that it is an answer.
            (_, true) => HintKind::LoneSynAck,
            (TrafficCause::Known(cause), false) => HintKind::Known(cause),
            (TrafficCause::Open | TrafficCause::Dropped, false) => HintKind::Open,
        };
        CauseHint { kind, ..self }
    }

    /// Returns whether the record may be an attempt to open a connection, after accepted records decided what they can.
    pub fn may_be_attempt(self) -> bool {
        let is_decided = matches!(
            self.kind,
            HintKind::Known(Cause::OutOfState)
                | HintKind::SynAck(_)
                | HintKind::LoneSynAck
                | HintKind::Answer
                | HintKind::SynAckAnswer
        );
        !is_decided && !self.has_answer_shape
    }

    /// Returns the masks of the hints with a source port, whose cause accepted records decide.
    pub fn masks_of_ports() -> u32 {
        CauseHint::with_port(0).into_iter().fold(0, |masks, hint| masks | hint.mask())
    }

    /// Returns whether the record is a SYN-ACK.
    pub fn is_syn_ack(self) -> bool {
        self.needs_direction() || self.kind == HintKind::SynAckAnswer
    }

    /// Returns whether the cause depends on the group's direction.
    pub fn needs_direction(self) -> bool {
        matches!(self.kind, HintKind::SynAck(_) | HintKind::LoneSynAck | HintKind::UndecidedSynAck)
    }

    /// Returns the cause of records of this protocol to this port, as far as the traffic shows it. The facts must cover all accepted
    /// records.
    pub fn by_traffic(self, protocol: Option<u8>, dstport: Option<u16>, facts: CauseFacts) -> TrafficCause {
        let is_answer = facts.is_egress || facts.reverse_tuple_accepted;
        match self.kind {
            HintKind::Known(cause) => TrafficCause::Known(cause),
            HintKind::SynAck(_) | HintKind::LoneSynAck if is_answer => TrafficCause::Answer,
            HintKind::SynAck(_) | HintKind::LoneSynAck => TrafficCause::Known(Cause::OutOfState),
            HintKind::UndecidedSynAck if facts.is_egress => TrafficCause::Answer,
            HintKind::Answer | HintKind::SynAckAnswer => TrafficCause::Answer,
            HintKind::UndecidedSynAck | HintKind::PortDropped => TrafficCause::Dropped,
            HintKind::Unflagged(_) if facts.same_tuple_accepted && matches!(protocol, Some(TCP | UDP)) => {
                TrafficCause::Known(Cause::OutOfState)
            }
            // With equal ports, as of ICMP, NTP, or IKE, either side may have asked.
            HintKind::Unflagged(srcport)
                if facts.reverse_tuple_accepted && !facts.same_tuple_accepted && Some(srcport) != dstport =>
            {
                TrafficCause::Answer
            }
            HintKind::Unflagged(_) | HintKind::Open => TrafficCause::Open,
        }
    }

    /// Number of bits of [`CauseHint::pack`].
    pub const BITS: u32 = 4 + 1 + 16;

    /// Packs the hint into [`CauseHint::BITS`] bits.
    pub fn pack(self) -> u32 {
        u32::from(self.kind.number()) << 17
            | u32::from(self.has_answer_shape) << 16
            | u32::from(self.srcport().unwrap_or(0))
    }

    /// Returns the hint that [`CauseHint::pack`] packed.
    pub fn unpack(packed: u32) -> CauseHint {
        // The cast keeps the lowest 16 bits.
        let srcport = packed as u16;
        let kind = match packed >> 17 {
            0 => HintKind::Known(Cause::BlockPublicAccess),
            1 => HintKind::Known(Cause::EncryptionControls),
            2 => HintKind::Known(Cause::OutOfState),
            3 => HintKind::Open,
            4 => HintKind::PortDropped,
            5 => HintKind::Unflagged(srcport),
            6 => HintKind::SynAck(srcport),
            7 => HintKind::LoneSynAck,
            9 => HintKind::Answer,
            10 => HintKind::SynAckAnswer,
            _ => HintKind::UndecidedSynAck,
        };
        CauseHint { kind, has_answer_shape: packed >> 16 & 1 != 0 }
    }

    /// Returns a mask for the hint without its port.
    pub fn mask(self) -> u32 {
        1 << (self.without_port().pack() >> 16)
    }
}

impl HintKind {
    fn from_flow(interface: Option<Symbol>, flow: &Flow<'_>) -> HintKind {
        match flow.reject_reason {
            RejectReason::BlockPublicAccess => return HintKind::Known(Cause::BlockPublicAccess),
            RejectReason::EncryptionControls => return HintKind::Known(Cause::EncryptionControls),
            RejectReason::Unspecified => {}
        }
        let tuple = FiveTuple::from_flow(interface, flow);
        if flow.protocol == Some(TCP) && flow.tcp_flags.are_present() {
            return if flow.tcp_flags.is_syn_ack() {
                tuple.map_or(HintKind::LoneSynAck, |tuple| HintKind::SynAck(tuple.srcport))
            } else if flow.tcp_flags.may_open() {
                HintKind::Open
            } else {
                HintKind::Known(Cause::OutOfState)
            };
        }
        tuple.map_or(HintKind::Open, |tuple| HintKind::Unflagged(tuple.srcport))
    }

    /// Returns the number of the kind.
    fn number(self) -> u8 {
        match self {
            // A record itself shows one of the first three causes.
            HintKind::Known(cause) => cause as u8,
            HintKind::Open => 3,
            HintKind::PortDropped => 4,
            HintKind::Unflagged(_) => 5,
            HintKind::SynAck(_) => 6,
            HintKind::LoneSynAck => 7,
            HintKind::UndecidedSynAck => 8,
            HintKind::Answer => 9,
            HintKind::SynAckAnswer => 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{self, Options};
    use crate::record::{Action, TcpFlags};
    use crate::summary::build::{self, SummaryOptions};

    const FLOW: Flow<'static> = Flow {
        action: Action::Reject,
        interface_id: None,
        vpc_id: None,
        subnet_id: None,
        src: None,
        dst: None,
        srcport: None,
        dstport: None,
        protocol: None,
        packets: 0,
        bytes: 0,
        start: None,
        end: None,
        direction: None,
        tcp_flags: TcpFlags::ABSENT,
        traffic_path: None,
        reject_reason: RejectReason::Unspecified,
    };

    /// The cause of the one rejected record among these.
    fn cause(records: &[&str]) -> &'static str {
        let header = "interface-id srcaddr dstaddr srcport dstport protocol action tcp-flags reject-reason";
        let log = format!("{header}\n{}", records.join("\n"));
        let analysis = pipeline::analyze("case", log.as_bytes(), &Options::default()).expect("a flow log");
        assert_eq!((analysis.records.rejected, analysis.records.malformed), (1, 0), "{:?}", analysis.malformed);
        build::build_summary(analysis, &SummaryOptions::default(), None).rejected.groups[0].cause.name()
    }

    #[test]
    fn the_reject_reason_comes_first() {
        let accepted = "eni-1 8.8.8.8 10.0.0.1 50000 443 6 ACCEPT - -";
        assert_eq!(cause(&["eni-1 8.8.8.8 10.0.0.1 50000 443 6 REJECT 0 BPA", accepted]), "block-public-access");
        assert_eq!(cause(&["eni-1 8.8.8.8 10.0.0.1 50000 443 6 REJECT - EC", accepted]), "encryption-controls");
        let unknown = "eni-1 8.8.8.8 10.0.0.1 50000 443 6 REJECT 2 NEW";
        assert_eq!(cause(&[unknown]), "security-group-or-network-acl");
    }

    #[test]
    fn flags_that_open_no_connection_are_out_of_state() {
        for (flags, expected) in [
            ("0", "out-of-state"),
            ("1", "out-of-state"),
            ("4", "out-of-state"),
            ("16", "out-of-state"),
            ("18", "out-of-state"),
            ("19", "out-of-state"),
            ("2", "security-group-or-network-acl"),
            ("3", "security-group-or-network-acl"),
            ("-", "security-group-or-network-acl"),
        ] {
            assert_eq!(cause(&[&format!("eni-1 8.8.8.8 10.0.0.1 50000 443 6 REJECT {flags} -")]), expected, "{flags}");
        }
        // Only TCP has flags.
        assert_eq!(cause(&["eni-1 8.8.8.8 10.0.0.1 50000 443 17 REJECT 0 -"]), "security-group-or-network-acl");
    }

    #[test]
    fn the_same_accepted_tuple_is_out_of_state() {
        for (protocol, flags, expected) in [
            ("6", "-", "out-of-state"),
            ("17", "-", "out-of-state"),
            // A SYN opens a connection, also where one with the same ports was accepted before.
            ("6", "2", "security-group-or-network-acl"),
        ] {
            let rejected = format!("eni-1 8.8.8.8 10.0.0.1 50000 443 {protocol} REJECT {flags} -");
            let accepted = format!("eni-1 8.8.8.8 10.0.0.1 50000 443 {protocol} ACCEPT - -");
            assert_eq!(cause(&[&rejected, &accepted]), expected, "{rejected}");
        }
        let rejected = "eni-1 8.8.8.8 10.0.0.1 50000 443 6 REJECT - -";
        for not_alike in [
            "eni-2 8.8.8.8 10.0.0.1 50000 443 6 ACCEPT - -",
            "- 8.8.8.8 10.0.0.1 50000 443 6 ACCEPT - -",
            "eni-1 8.8.4.4 10.0.0.1 50000 443 6 ACCEPT - -",
            "eni-1 8.8.8.8 10.0.0.2 50000 443 6 ACCEPT - -",
            "eni-1 8.8.8.8 10.0.0.1 50001 443 6 ACCEPT - -",
            "eni-1 8.8.8.8 10.0.0.1 50000 444 6 ACCEPT - -",
            "eni-1 8.8.8.8 10.0.0.1 50000 443 17 ACCEPT - -",
            "eni-1 8.8.8.8 10.0.0.1 - 443 6 ACCEPT - -",
        ] {
            assert_eq!(cause(&[rejected, not_alike]), "security-group-or-network-acl", "{not_alike}");
        }
    }

    #[test]
    fn other_protocols_are_never_out_of_state() {
        // SCTP has ports, but no state that a flow log would show.
        let accepted = "eni-1 8.8.8.8 10.0.0.1 50000 443 132 ACCEPT - -";
        let again = "eni-1 8.8.8.8 10.0.0.1 50000 443 132 REJECT - -";
        assert_eq!(cause(&[again, accepted]), "security-group-or-network-acl");
        assert_eq!(cause(&["eni-1 10.0.0.1 8.8.8.8 443 50000 132 REJECT - -", accepted]), "network-acl");
    }

    #[test]
    fn tuples_match_without_interface_but_not_without_a_port() {
        let accepted = "- 8.8.8.8 10.0.0.1 50000 443 6 ACCEPT - -";
        assert_eq!(cause(&["- 8.8.8.8 10.0.0.1 50000 443 6 REJECT - -", accepted]), "out-of-state");
        let (rejected, accepted) = ("- 8.8.8.8 10.0.0.1 - 443 6 REJECT - -", "- 8.8.8.8 10.0.0.1 - 443 6 ACCEPT - -");
        assert_eq!(cause(&[rejected, accepted]), "security-group-or-network-acl");
    }

    #[test]
    fn a_rejected_answer_is_by_a_network_acl() {
        let request = "eni-1 8.8.8.8 10.0.0.1 50000 443 6 ACCEPT 2 -";
        let answer = |flags: &str| format!("eni-1 10.0.0.1 8.8.8.8 443 50000 6 REJECT {flags} -");
        assert_eq!(cause(&[&answer("18"), request]), "network-acl");
        assert_eq!(cause(&[&answer("-"), request]), "network-acl");
        assert_eq!(cause(&[&answer("1"), request]), "out-of-state");
        // An answer that was accepted as well: a SYN-ACK was asked for all the same, without flags it is late.
        let accepted = "eni-1 10.0.0.1 8.8.8.8 443 50000 6 ACCEPT 18 -";
        assert_eq!(cause(&[&answer("18"), request, accepted]), "network-acl");
        assert_eq!(cause(&[&answer("-"), request, accepted]), "out-of-state");
    }

    #[test]
    fn a_syn_ack_that_leaves_the_interface_is_an_answer() {
        let direction = |direction: &str| {
            let header = "interface-id srcaddr dstaddr srcport dstport protocol action tcp-flags flow-direction";
            let log = format!("{header}\neni-1 9.9.9.9 8.8.8.8 443 50000 6 REJECT 18 {direction}\n");
            let analysis = pipeline::analyze("case", log.as_bytes(), &Options::default()).expect("a flow log");
            build::build_summary(analysis, &SummaryOptions::default(), None).rejected.groups[0].cause.name()
        };
        assert_eq!(direction("egress"), "network-acl");
        assert_eq!(direction("ingress"), "out-of-state");
        assert_eq!(direction("-"), "out-of-state");
    }

    #[test]
    fn an_answer_to_a_client_with_a_low_port_is_one_too() {
        // The client has the lower port.
        let request = "eni-1 10.0.0.1 10.0.0.2 1024 27017 6 ACCEPT - -";
        assert_eq!(cause(&["eni-1 10.0.0.2 10.0.0.1 27017 1024 6 REJECT - -", request]), "network-acl");
    }

    #[test]
    fn with_equal_ports_either_side_may_have_asked() {
        let ntp = "eni-1 8.8.8.8 10.0.0.1 123 123 17 ACCEPT - -";
        assert_eq!(cause(&["eni-1 10.0.0.1 8.8.8.8 123 123 17 REJECT - -", ntp]), "security-group-or-network-acl");
        let icmp = "eni-1 8.8.8.8 10.0.0.1 0 0 1 ACCEPT - -";
        assert_eq!(cause(&["eni-1 10.0.0.1 8.8.8.8 0 0 1 REJECT - -", icmp]), "security-group-or-network-acl");
    }

    #[test]
    fn the_shape_of_an_answer_is_a_server_port_to_a_client_port() {
        let shape = |srcport, dstport, protocol, tcp_flags| {
            let flow = Flow { srcport, dstport, protocol: Some(protocol), tcp_flags, ..FLOW };
            has_answer_shape(&flow)
        };
        let absent = TcpFlags::ABSENT;
        assert!(shape(Some(443), Some(1024), 6, absent) && shape(Some(27017), Some(50_000), 17, TcpFlags::new(2)));
        assert!(!shape(Some(443), Some(1024), 6, TcpFlags::new(2)) && !shape(Some(443), Some(1024), 1, absent));
        assert!(!shape(Some(443), Some(1023), 6, absent) && !shape(Some(443), Some(8080), 6, absent));
        assert!(!shape(Some(1024), Some(50_000), 6, absent) && !shape(None, Some(50_000), 6, absent));
    }

    #[test]
    fn a_packed_hint_unpacks_to_itself() {
        let hint = |kind, has_answer_shape| CauseHint { kind, has_answer_shape };
        let known = [Cause::BlockPublicAccess, Cause::EncryptionControls, Cause::OutOfState];
        let kinds = known.map(HintKind::Known).into_iter().chain([
            HintKind::Open,
            HintKind::PortDropped,
            HintKind::Unflagged(65_535),
            HintKind::SynAck(1),
            HintKind::LoneSynAck,
            HintKind::UndecidedSynAck,
        ]);
        for hint in kinds.flat_map(|kind| [hint(kind, false), hint(kind, true)]) {
            assert_eq!(CauseHint::unpack(hint.pack()), hint);
            assert!(hint.pack() >> CauseHint::BITS == 0);
        }
    }
}
