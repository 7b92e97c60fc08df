//! Why a record was rejected: what it says by itself, and what follows from what was let through.

use std::collections::HashSet;

use foldhash::fast::RandomState;
use serde::Serialize;

use crate::let_through::Tuple;
use crate::names::NameId;
use crate::record::{Flow, RejectReason, TCP, TcpFlags};

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
pub enum Basis {
    /// All that is to be known.
    Decided(Cause),
    /// It may be an answer to what was let through, with this source port.
    MayBeAnswer(u16),
    /// TCP without flags: besides, it may be late.
    MayBeLateOrAnswer(u16),
}

impl Basis {
    /// What a rejected record of this interface says.
    pub fn of(interface: Option<NameId>, flow: &Flow<'_>) -> Basis {
        match flow.reject_reason {
            RejectReason::BlockPublicAccess => return Basis::Decided(Cause::BlockPublicAccess),
            RejectReason::EncryptionControls => return Basis::Decided(Cause::EncryptionControls),
            RejectReason::Unstated => {}
        }
        let tcp = flow.protocol == Some(TCP);
        if tcp && flow.tcp_flags == TcpFlags::WithoutSyn {
            return Basis::Decided(Cause::OutOfState);
        }
        match Tuple::of(interface, flow) {
            Some(tuple) if tcp && flow.tcp_flags == TcpFlags::Absent => Basis::MayBeLateOrAnswer(tuple.srcport),
            Some(tuple) if tuple.srcport <= tuple.dstport => Basis::MayBeAnswer(tuple.srcport),
            _ => Basis::Decided(Cause::SecurityGroupOrNetworkAcl),
        }
    }

    /// The source port, where the cause hangs on it.
    pub fn srcport(self) -> Option<u16> {
        match self {
            Basis::Decided(_) => None,
            Basis::MayBeAnswer(srcport) | Basis::MayBeLateOrAnswer(srcport) => Some(srcport),
        }
    }

    /// The cause of records with this tuple, `None` where a part of it is absent. `accepted` holds all tuples that
    /// were let through of those that matter.
    pub fn decide(self, tuple: Option<Tuple>, accepted: &HashSet<Tuple, RandomState>) -> Cause {
        let may_be_late = match self {
            Basis::Decided(cause) => return cause,
            Basis::MayBeAnswer(_) => false,
            Basis::MayBeLateOrAnswer(_) => true,
        };
        let Some(tuple) = tuple else { return Cause::SecurityGroupOrNetworkAcl };
        if accepted.contains(&tuple) {
            if may_be_late { Cause::OutOfState } else { Cause::SecurityGroupOrNetworkAcl }
        } else if tuple.srcport <= tuple.dstport && accepted.contains(&tuple.reversed()) {
            Cause::NetworkAcl
        } else {
            Cause::SecurityGroupOrNetworkAcl
        }
    }
}
