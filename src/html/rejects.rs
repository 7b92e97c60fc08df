//! Rejected traffic: by cause, by rule, and where.

use maud::{Markup, html};

use super::list::Bounds;
use super::page::{
    self,
    Column::{Number, Text},
    RejectedShares,
};
use super::text::{address, bytes, count, if_filtered, plural, resource};
use crate::aggregate::rejected::cause::Cause;
use crate::summary::{CauseRejects, DeniedBy, InterfaceRejects, RejectedGroup, RuleRejects, Summary};
use crate::topology::describe_output::own_rule_number;

const CAUSES: Bounds = Bounds { entries: 10, bytes: 5_000 };
const RULES: Bounds = Bounds { entries: 10, bytes: 20_000 };
const INTERFACES: Bounds = Bounds { entries: 10, bytes: 20_000 };
const CONNECTIONS: Bounds = Bounds { entries: 25, bytes: 40_000 };
/// Maximum number of security groups that a rule lists.
const MAX_GROUPS: usize = 5;

/// Renders the section of rejected traffic.
pub(super) fn section(summary: &Summary) -> Markup {
    html! {
        section #rejects aria-labelledby="rejects-title" {
            h2 #rejects-title { "Rejected traffic" }
            @if summary.traffic.rejected.flows == 0 {
                p.empty { "No record" (if_filtered(summary)) " is of rejected traffic." }
            } @else {
                @if let Some(why) = approximate(summary) { p.note { (why) } }
                (by_cause(summary))
                (by_rule(summary))
                (by_interface(summary))
                (connections(summary))
            }
        }
    }
}

/// Names the approximate parts and the reason. `None` if all parts of the summary are exact.
fn approximate(summary: &Summary) -> Option<&'static str> {
    let rejected = &summary.rejected;
    if !rejected.exact {
        Some("A memory limit was reached: connections, causes and rules are approximate, and totals are exact.")
    } else if rejected.by_cause_exact || rejected.by_cause.is_empty() {
        None
    } else if !summary.has_member("rejected.by_cause_exact") {
        Some(
            "Causes and rules may be approximate: the summary is of an earlier version, and does not say whether they are.",
        )
    } else {
        Some("Closed partials were merged: causes and rules are approximate. Connections and totals are exact.")
    }
}

fn by_cause(summary: &Summary) -> Markup {
    let rows = &summary.rejected.by_cause;
    let shares = RejectedShares::new(summary, rows.iter().map(|row| row.tally.flows));
    let row = |row: &CauseRejects| {
        html! {
            tr {
                th scope="row" { (cause(row.cause)) }
                (shares.cells(row.tally.flows))
                td.number { (bytes(row.tally.bytes)) }
            }
        }
    };
    let rows = CAUSES.render(rows, row);
    html! {
        h3 { "By cause" }
        @if !summary.has_member("rejected.by_cause") {
            p.empty { "The summary is of an earlier version, and does not have the causes." }
        } @else {
            (rows.table("Rejected flows by cause", &[Text("Cause"), Number("Flows"), Text("Share"), Number("Bytes")], "rejected.by_cause"))
        }
    }
}

fn by_rule(summary: &Summary) -> Markup {
    let rows = &summary.rejected.by_rule;
    let shares = RejectedShares::new(summary, rows.iter().map(|row| row.tally.flows));
    let row = |row: &RuleRejects| {
        html! {
            tr {
                th scope="row" { (rule(&row.rule)) }
                td { (row.direction.name()) }
                (shares.cells(row.tally.flows))
                td.number { (count(row.group_count)) }
            }
        }
    };
    let bounded = RULES.render(rows, row);
    let columns = [Text("Rule"), Text("Direction"), Number("Flows"), Text("Share"), Number("Connections")];
    html! {
        h3 { "By rule" }
        @if rows.is_empty() {
            p.empty { (no_rule(summary)) }
        } @else {
            (bounded.table("Rejected flows by the rule that rejects them", &columns, "rejected.by_rule"))
        }
    }
}

/// Returns why there is no rule.
fn no_rule(summary: &Summary) -> &'static str {
    if !summary.has_member("rejected.by_rule") {
        "The summary is of an earlier version, and does not have the rules."
    } else if summary.unknown_of("rejected.by_rule") > 0 {
        "No rule that this version knows."
    } else if summary.peering.is_none() {
        "No rule is known: the analysis had no topology (--topology)."
    } else {
        "No rule is known to reject this traffic: the topology has no security groups or network ACLs that decide."
    }
}

fn by_interface(summary: &Summary) -> Markup {
    let rows = &summary.rejected.by_interface;
    let shares = RejectedShares::new(summary, rows.iter().map(|row| row.tally.flows));
    let row = |row: &InterfaceRejects| {
        html! {
            tr {
                th scope="row" { (resource(row.interface_id.as_deref(), row.name.as_deref())) }
                td { (resource(row.subnet_id.as_deref(), row.subnet_name.as_deref())) }
                td { (resource(row.vpc_id.as_deref(), row.vpc_name.as_deref())) }
                (shares.cells(row.tally.flows))
            }
        }
    };
    let bounded = INTERFACES.render(rows, row);
    let columns = [Text("Interface"), Text("Subnet"), Text("VPC"), Number("Flows"), Text("Share")];
    html! {
        h3 { "By interface" }
        (bounded.table("Rejected flows by the interface that recorded them", &columns, "rejected.by_interface"))
    }
}

fn connections(summary: &Summary) -> Markup {
    let rejected = &summary.rejected;
    let row = |group: &RejectedGroup| {
        html! {
            tr {
                td.number { (count(group.tally.flows)) }
                td { (address(group.srcaddr, &group.src)) }
                td { (address(group.dstaddr, &group.dst)) }
                td { (page::port(group.dstport, group.protocol)) }
                td { (group.direction.name()) }
                td { (cause_of(group)) }
                td { (resource(group.interface_id.as_deref(), group.interface_name.as_deref())) }
            }
        }
    };
    let bounded = CONNECTIONS.render(&rejected.groups, row);
    let columns = [
        Number("Flows"),
        Text("Source"),
        Text("Destination"),
        Text("Port"),
        Text("Direction"),
        Text("Cause"),
        Text("Interface"),
    ];
    let about = if rejected.error_bound > 0 { "about " } else { "" };
    let listed = rejected.groups.len() as u64 + summary.unknown_of("rejected.groups");
    let shown = rejected.groups.len() - bounded.left_out;
    html! {
        h3 { "Connections" }
        p.muted { (count(shown as u64)) " of " (about) (plural(rejected.group_count, "rejected connection")) }
        (page::table("Rejected connections with the most flows", &columns, &bounded.markup))
        @if listed < rejected.group_count {
            p.note {
                code { "rejected.groups" } " of the JSON summary has " (count(listed)) " of them, and "
                (if rejected.exact { "has" } else { "may have" }) " more with a higher " code { "--top" } "."
            }
        } @else {
            (bounded.note("rejected.groups"))
        }
    }
}

/// Renders the cause of a connection: the first rule that rejects it, if the cause is that of a rule.
fn cause_of(group: &RejectedGroup) -> Markup {
    match (group.cause, group.denied_by.first()) {
        (Cause::NetworkAcl | Cause::SecurityGroup, Some(denied_by)) => rule(denied_by),
        _ => html! { (cause(group.cause)) },
    }
}

/// Returns a cause in words.
pub(super) fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::BlockPublicAccess => "Block Public Access",
        Cause::EncryptionControls => "Encryption Controls",
        Cause::OutOfState => "late packets of no open connection",
        Cause::NetworkAcl => "network ACL",
        Cause::SecurityGroup => "security group",
        Cause::RulesAllow => "the rules allow it now",
        Cause::SecurityGroupOrNetworkAcl => "security group or network ACL",
    }
}

/// Renders a rule: `rule 100 of network ACL public acl-1`, or `no rule of web sg-1 or sg-2`.
pub(super) fn rule(rule: &DeniedBy) -> Markup {
    html! {
        @match rule {
            DeniedBy::NetworkAcl { id, name, rule_number } => {
                @match own_rule_number(*rule_number) {
                    Some(number) => { "rule " (number) }
                    None => { "default rule (*)" }
                }
                " of network ACL " (resource(Some(id), name.as_deref()))
            }
            DeniedBy::SecurityGroup { ids, names } => {
                "no rule of "
                @for (index, id) in ids.iter().take(MAX_GROUPS).enumerate() {
                    @if index > 0 { " or " }
                    (resource(Some(id), names.get(id).map(String::as_str)))
                }
                @if ids.len() > MAX_GROUPS { " or " (count((ids.len() - MAX_GROUPS) as u64)) " more" }
            }
        }
    }
}
