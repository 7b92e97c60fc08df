//! Causes of rejections: the evidence of a record itself, and of accepted flows.

use serde::Serialize;

use crate::aggregate::accepted::FiveTuple;
use crate::aggregate::interner::Symbol;
use crate::record::{Flow, RejectReason, TCP};

/// Cause of a rejection. The order decides ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// VPC Block Public Access.
    BlockPublicAccess,
    /// VPC Encryption Controls.
    EncryptionControls,
    /// TCP packets after their connection was closed.
    OutOfState,
    /// The reply to accepted packets: only a stateless network ACL rejects it.
    NetworkAcl,
    /// Either: a flow log does not distinguish the two.
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
            Cause::SecurityGroupOrNetworkAcl => "security-group-or-network-acl",
        }
    }
}

/// The cause of a rejected record, as far as the record itself shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CauseHint {
    /// The cause is decided.
    Known(Cause),
    /// The record may be a reply to accepted packets, from this source port.
    PossibleReply(u16),
    /// TCP without flags: the record may also be a late packet.
    PossibleLateOrReply(u16),
}

impl CauseHint {
    /// Returns the hint of a rejected record of this interface.
    pub fn from_flow(interface: Option<Symbol>, flow: &Flow<'_>) -> CauseHint {
        match flow.reject_reason {
            RejectReason::BlockPublicAccess => return CauseHint::Known(Cause::BlockPublicAccess),
            RejectReason::EncryptionControls => return CauseHint::Known(Cause::EncryptionControls),
            RejectReason::Unspecified => {}
        }
        let tcp = flow.protocol == Some(TCP);
        if tcp && flow.tcp_flags.are_present() && !flow.tcp_flags.may_open() && !flow.tcp_flags.is_syn_ack() {
            return CauseHint::Known(Cause::OutOfState);
        }
        match FiveTuple::from_flow(interface, flow) {
            Some(tuple) if tcp && !flow.tcp_flags.are_present() => CauseHint::PossibleLateOrReply(tuple.srcport),
            Some(tuple) if tuple.srcport <= tuple.dstport => CauseHint::PossibleReply(tuple.srcport),
            _ => CauseHint::Known(Cause::SecurityGroupOrNetworkAcl),
        }
    }

    /// Returns the source port, if the cause depends on it.
    pub fn srcport(self) -> Option<u16> {
        match self {
            CauseHint::Known(_) => None,
            CauseHint::PossibleReply(srcport) | CauseHint::PossibleLateOrReply(srcport) => Some(srcport),
        }
    }

    /// Returns the hint without source port. An open cause becomes [`Cause::SecurityGroupOrNetworkAcl`]: it is not guessed.
    pub fn without_port(self) -> CauseHint {
        match self {
            CauseHint::Known(cause) => CauseHint::Known(cause),
            CauseHint::PossibleReply(_) | CauseHint::PossibleLateOrReply(_) => {
                CauseHint::Known(Cause::SecurityGroupOrNetworkAcl)
            }
        }
    }

    /// Decides the cause of records to this port. The two flags are true if an accepted record has the same or the reverse 5-tuple; they
    /// must cover all accepted records.
    pub fn decide(self, dstport: Option<u16>, same_tuple_accepted: bool, reverse_tuple_accepted: bool) -> Cause {
        let (srcport, may_be_late) = match self {
            CauseHint::Known(cause) => return cause,
            CauseHint::PossibleReply(srcport) => (srcport, false),
            CauseHint::PossibleLateOrReply(srcport) => (srcport, true),
        };
        match (same_tuple_accepted, reverse_tuple_accepted) {
            (true, _) if may_be_late => Cause::OutOfState,
            (false, true) if Some(srcport) <= dstport => Cause::NetworkAcl,
            _ => Cause::SecurityGroupOrNetworkAcl,
        }
    }

    /// Number of bits of [`CauseHint::pack`].
    pub const BITS: u32 = 3 + 16;

    /// Packs the hint into [`CauseHint::BITS`] bits.
    pub fn pack(self) -> u32 {
        u32::from(self.kind()) << 16 | u32::from(self.srcport().unwrap_or(0))
    }

    /// Returns the hint that [`CauseHint::pack`] packed.
    pub fn unpack(packed: u32) -> CauseHint {
        let srcport = packed as u16;
        match packed >> 16 {
            0 => CauseHint::Known(Cause::BlockPublicAccess),
            1 => CauseHint::Known(Cause::EncryptionControls),
            2 => CauseHint::Known(Cause::OutOfState),
            3 => CauseHint::Known(Cause::NetworkAcl),
            4 => CauseHint::Known(Cause::SecurityGroupOrNetworkAcl),
            5 => CauseHint::PossibleReply(srcport),
            _ => CauseHint::PossibleLateOrReply(srcport),
        }
    }

    /// Returns a mask for the kind of the hint without its port.
    pub fn mask(self) -> u8 {
        1 << self.without_port().kind()
    }

    /// Returns the number of the kind.
    fn kind(self) -> u8 {
        match self {
            CauseHint::Known(cause) => cause as u8,
            CauseHint::PossibleReply(_) => 5,
            CauseHint::PossibleLateOrReply(_) => 6,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::pipeline::{self, Options};
    use crate::summary::build::{self, SummaryOptions};

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
    fn tcp_without_syn_is_out_of_state() {
        for (flags, expected) in [
            ("0", "out-of-state"),
            ("1", "out-of-state"),
            ("4", "out-of-state"),
            ("16", "out-of-state"),
            ("2", "security-group-or-network-acl"),
            ("3", "security-group-or-network-acl"),
            ("18", "security-group-or-network-acl"),
            ("-", "security-group-or-network-acl"),
        ] {
            assert_eq!(cause(&[&format!("eni-1 8.8.8.8 10.0.0.1 50000 443 6 REJECT {flags} -")]), expected, "{flags}");
        }
        // Only TCP has flags.
        assert_eq!(cause(&["eni-1 8.8.8.8 10.0.0.1 50000 443 17 REJECT 0 -"]), "security-group-or-network-acl");
    }

    #[test]
    fn without_flags_the_same_accepted_tuple_is_out_of_state() {
        let rejected = "eni-1 8.8.8.8 10.0.0.1 50000 443 6 REJECT - -";
        assert_eq!(cause(&[rejected, "eni-1 8.8.8.8 10.0.0.1 50000 443 6 ACCEPT 2 -"]), "out-of-state");
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
    fn tuples_match_without_interface_but_not_without_a_port() {
        let accepted = "- 8.8.8.8 10.0.0.1 50000 443 6 ACCEPT - -";
        assert_eq!(cause(&["- 8.8.8.8 10.0.0.1 50000 443 6 REJECT - -", accepted]), "out-of-state");
        let (rejected, accepted) = ("- 8.8.8.8 10.0.0.1 - 443 6 REJECT - -", "- 8.8.8.8 10.0.0.1 - 443 6 ACCEPT - -");
        assert_eq!(cause(&[rejected, accepted]), "security-group-or-network-acl");
    }

    #[test]
    fn a_rejected_reply_is_by_a_network_acl() {
        let request = "eni-1 8.8.8.8 10.0.0.1 50000 443 6 ACCEPT 2 -";
        let answer = |flags: &str| format!("eni-1 10.0.0.1 8.8.8.8 443 50000 6 REJECT {flags} -");
        assert_eq!(cause(&[&answer("18"), request]), "network-acl");
        assert_eq!(cause(&[&answer("-"), request]), "network-acl");
        assert_eq!(cause(&[&answer("1"), request]), "out-of-state");
        // A reply that was accepted as well: with flags it stays open, without it is late.
        let accepted = "eni-1 10.0.0.1 8.8.8.8 443 50000 6 ACCEPT 18 -";
        assert_eq!(cause(&[&answer("18"), request, accepted]), "security-group-or-network-acl");
        assert_eq!(cause(&[&answer("-"), request, accepted]), "out-of-state");
    }

    #[test]
    fn without_flags_the_higher_port_is_the_client() {
        let other_way = "eni-1 8.8.8.8 10.0.0.1 443 50000 6 ACCEPT - -";
        assert_eq!(
            cause(&["eni-1 10.0.0.1 8.8.8.8 50000 443 6 REJECT - -", other_way]),
            "security-group-or-network-acl"
        );
    }

    #[test]
    fn the_higher_port_is_the_client() {
        let other_way = "eni-1 8.8.8.8 10.0.0.1 443 50000 6 ACCEPT 18 -";
        assert_eq!(
            cause(&["eni-1 10.0.0.1 8.8.8.8 50000 443 6 REJECT 2 -", other_way]),
            "security-group-or-network-acl"
        );
        // Equal ports, as of ICMP and of NTP, may be either.
        let ntp = "eni-1 8.8.8.8 10.0.0.1 123 123 17 ACCEPT - -";
        assert_eq!(cause(&["eni-1 10.0.0.1 8.8.8.8 123 123 17 REJECT - -", ntp]), "network-acl");
    }
}
