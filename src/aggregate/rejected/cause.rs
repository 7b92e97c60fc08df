//! Why a record was rejected: what it says by itself, and what follows from what was let through.

use serde::Serialize;

use crate::aggregate::accepted::FiveTuple;
use crate::aggregate::interner::Symbol;
use crate::record::{Flow, RejectReason, SynFlag, TCP};

/// Why a record was rejected. The order decides ties.
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
    /// The answer to packets that were let through: only a stateless network ACL refuses it.
    NetworkAcl,
    /// A flow log does not tell these two apart.
    SecurityGroupOrNetworkAcl,
}

impl Cause {
    /// The word in JSON and in reports.
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

/// What a rejected record says of its cause by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CauseHint {
    /// All that is to be known.
    Known(Cause),
    /// It may be an answer to what was let through, with this source port.
    PossibleReply(u16),
    /// TCP without flags: besides, it may be late.
    PossibleLateOrReply(u16),
}

impl CauseHint {
    /// What a rejected record of this interface says.
    pub fn of(interface: Option<Symbol>, flow: &Flow<'_>) -> CauseHint {
        match flow.reject_reason {
            RejectReason::BlockPublicAccess => return CauseHint::Known(Cause::BlockPublicAccess),
            RejectReason::EncryptionControls => return CauseHint::Known(Cause::EncryptionControls),
            RejectReason::Unspecified => {}
        }
        let tcp = flow.protocol == Some(TCP);
        if tcp && flow.tcp_flags == SynFlag::WithoutSyn {
            return CauseHint::Known(Cause::OutOfState);
        }
        match FiveTuple::from_flow(interface, flow) {
            Some(tuple) if tcp && flow.tcp_flags == SynFlag::Absent => CauseHint::PossibleLateOrReply(tuple.srcport),
            Some(tuple) if tuple.srcport <= tuple.dstport => CauseHint::PossibleReply(tuple.srcport),
            _ => CauseHint::Known(Cause::SecurityGroupOrNetworkAcl),
        }
    }

    /// The source port, where the cause hangs on it.
    pub fn srcport(self) -> Option<u16> {
        match self {
            CauseHint::Known(_) => None,
            CauseHint::PossibleReply(srcport) | CauseHint::PossibleLateOrReply(srcport) => Some(srcport),
        }
    }

    /// The same where it hangs on nothing any more: what is not known is not guessed.
    pub fn closed(self) -> CauseHint {
        match self {
            CauseHint::Known(cause) => CauseHint::Known(cause),
            CauseHint::PossibleReply(_) | CauseHint::PossibleLateOrReply(_) => {
                CauseHint::Known(Cause::SecurityGroupOrNetworkAcl)
            }
        }
    }

    /// The cause of records to this port. `alike` says whether an accepted record is alike, `reverse_tuple_accepted` whether one is
    /// alike the other way round, and no other accepted record can be alike.
    pub fn decide(self, dstport: Option<u16>, alike: bool, reverse_tuple_accepted: bool) -> Cause {
        let (srcport, may_be_late) = match self {
            CauseHint::Known(cause) => return cause,
            CauseHint::PossibleReply(srcport) => (srcport, false),
            CauseHint::PossibleLateOrReply(srcport) => (srcport, true),
        };
        match (alike, reverse_tuple_accepted) {
            (true, _) if may_be_late => Cause::OutOfState,
            (false, true) if Some(srcport) <= dstport => Cause::NetworkAcl,
            _ => Cause::SecurityGroupOrNetworkAcl,
        }
    }

    /// Bits that [`CauseHint::pack`] takes.
    pub const BITS: u32 = 3 + 16;

    /// In a small number.
    pub fn pack(self) -> u32 {
        u32::from(self.kind()) << 16 | u32::from(self.srcport().unwrap_or(0))
    }

    /// What [`CauseHint::pack`] packed.
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

    /// A bit for each kind.
    pub fn bit(self) -> u8 {
        1 << self.closed().kind()
    }

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
        build::finish(analysis, &SummaryOptions::default(), None).rejected.groups[0].cause.name()
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
    fn tcp_without_syn_is_late() {
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
        // Only TCP has flags that say so.
        assert_eq!(cause(&["eni-1 8.8.8.8 10.0.0.1 50000 443 17 REJECT 0 -"]), "security-group-or-network-acl");
    }

    #[test]
    fn without_flags_an_accepted_record_that_is_alike_tells_it() {
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
    fn records_without_an_interface_are_alike_too_but_not_with_a_part_absent() {
        let accepted = "- 8.8.8.8 10.0.0.1 50000 443 6 ACCEPT - -";
        assert_eq!(cause(&["- 8.8.8.8 10.0.0.1 50000 443 6 REJECT - -", accepted]), "out-of-state");
        let (rejected, accepted) = ("- 8.8.8.8 10.0.0.1 - 443 6 REJECT - -", "- 8.8.8.8 10.0.0.1 - 443 6 ACCEPT - -");
        assert_eq!(cause(&[rejected, accepted]), "security-group-or-network-acl");
    }

    #[test]
    fn an_answer_is_a_network_acls() {
        let request = "eni-1 8.8.8.8 10.0.0.1 50000 443 6 ACCEPT 2 -";
        let answer = |flags: &str| format!("eni-1 10.0.0.1 8.8.8.8 443 50000 6 REJECT {flags} -");
        assert_eq!(cause(&[&answer("18"), request]), "network-acl");
        assert_eq!(cause(&[&answer("-"), request]), "network-acl");
        assert_eq!(cause(&[&answer("1"), request]), "out-of-state");
        // An answer that was let through as well: with flags it stays open, without it is late.
        let accepted = "eni-1 10.0.0.1 8.8.8.8 443 50000 6 ACCEPT 18 -";
        assert_eq!(cause(&[&answer("18"), request, accepted]), "security-group-or-network-acl");
        assert_eq!(cause(&[&answer("-"), request, accepted]), "out-of-state");
    }

    #[test]
    fn without_flags_the_higher_port_asks_too() {
        let other_way = "eni-1 8.8.8.8 10.0.0.1 443 50000 6 ACCEPT - -";
        assert_eq!(
            cause(&["eni-1 10.0.0.1 8.8.8.8 50000 443 6 REJECT - -", other_way]),
            "security-group-or-network-acl"
        );
    }

    #[test]
    fn the_higher_port_asks() {
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
