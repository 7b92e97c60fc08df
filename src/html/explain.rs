//! The page of `explain`: the verdict and the first hop in the way, all hops, and the evidence of the log.

use maud::{Markup, html};

use super::Page;
use super::list::Bounds;
use super::page::{
    self,
    Column::{Number, Text},
};
use super::text::{MAX_SENTENCE_CHARS, bytes, clean, count, name, plural, resource, time_range};
use crate::aggregate::counters::Counters;
use crate::summary::explain::{DirectionEvidence, Evidence};
use crate::topology::Topology;
use crate::topology::describe_output::own_rule_number;
use crate::topology::path::{
    Explanation, Hop, HopDirection, HopRule, HopVerdict, NOTHING_IN_THE_WAY, PathEnd, PathVerdict,
};

const HOPS: Bounds = Bounds { entries: 100, bytes: 200_000 };
const INTERFACES: Bounds = Bounds { entries: 20, bytes: 10_000 };
const CONTRADICTIONS: Bounds = Bounds { entries: 20, bytes: 50_000 };
const FAILURES: Bounds = Bounds { entries: 20, bytes: 50_000 };
/// Maximum characters of a reason, as in the text report. It may name many security groups.
const MAX_REASON_CHARS: usize = 1000;
/// Maximum number of security groups that a rule lists.
const MAX_GROUPS: usize = 5;
/// The document that has all of a list.
const DOCUMENT: &str = "the output of --format json";

/// Renders an explanation as a page, with the evidence of logs if there is any. The names are those of the topology.
pub fn render_explanation(explanation: &Explanation, evidence: Option<&Evidence>, topology: &Topology) -> String {
    const SECTIONS: [(&str, &str); 4] =
        [("#verdict", "Verdict"), ("#hops", "Hops"), ("#evidence", "Evidence"), ("#ends", "Ends")];
    let Explanation { source, destination, protocol, port, .. } = explanation;
    let (source, destination) = (describe_end(source), describe_end(destination));
    let port = page::port(*port, Some(*protocol));
    let word = words(explanation.verdict());
    let header = html! {
        header {
            p.brand { "flowsentry" }
            h1 { (word) ": " bdi { (source) } " to " bdi { (destination) } ", " (port) }
            p.muted { "Can " bdi { (source) } " reach " bdi { (destination) } " with " (port) ", and can the replies come back?" }
        }
    };
    let view = View { explanation, topology };
    let main = html! {
        (view.verdict())
        (view.hops())
        (view.evidence(evidence))
        (view.ends())
    };
    let title = format!("{word}: {source} to {destination}, {port}");
    Page { title: &title, header, sections: &SECTIONS, main, data: "--format json has all of the data." }.render()
}

fn words(verdict: PathVerdict) -> &'static str {
    match verdict {
        PathVerdict::Reachable => "REACHABLE",
        PathVerdict::Blocked => "BLOCKED",
        PathVerdict::Unknown => "UNKNOWN",
    }
}

/// Describes an end: `10.0.1.5 (web-1, eni-0a1b…)`.
fn describe_end(end: &PathEnd) -> String {
    let Some(address) = end.address else { return "the internet".to_owned() };
    let known: Vec<String> = [&end.name, &end.interface_id].into_iter().flatten().map(|text| name(text)).collect();
    if known.is_empty() { address.to_string() } else { format!("{address} ({})", known.join(", ")) }
}

/// The data of the sections.
struct View<'a> {
    explanation: &'a Explanation,
    topology: &'a Topology,
}

impl View<'_> {
    /// Returns the first hop in the way: one that blocks, or else one that is unknown.
    fn first_in_the_way(&self) -> Option<&Hop> {
        self.explanation.blocked_by().or_else(|| self.explanation.unknown_at())
    }

    fn verdict(&self) -> Markup {
        let answer = match self.explanation.verdict() {
            PathVerdict::Reachable => "Yes: every hop lets the traffic pass, there and back.".to_owned(),
            PathVerdict::Blocked => {
                let blocks = self.explanation.hops.iter().filter(|hop| hop.verdict == HopVerdict::Block).count() as u64;
                format!("No: {} {}.", plural(blocks, "hop"), if blocks == 1 { "blocks" } else { "block" })
            }
            PathVerdict::Unknown => "Unknown: the topology does not have everything that decides.".to_owned(),
        };
        html! {
            section #verdict aria-labelledby="verdict-title" {
                h2 #verdict-title.hidden { "Verdict" }
                div.notice role="note" { p { strong { (answer) } } }
                @match self.first_in_the_way() {
                    Some(hop) => { (self.obstacle(hop)) }
                    None => { p.todo { strong { "What to do: " } (clean(NOTHING_IN_THE_WAY, MAX_REASON_CHARS)) } }
                }
            }
        }
    }

    /// Renders the first hop in the way, the rule or route that decides, and the next step.
    fn obstacle(&self, hop: &Hop) -> Markup {
        let way = if hop.direction == HopDirection::Return { "on the way back, " } else { "" };
        html! {
            h3 { "The first hop in the way" }
            div.card {
                p { (way) (self.hop_in_words(hop)) ": " (clean(&hop.reason, MAX_REASON_CHARS)) }
                dl.facts {
                    div { dt { "Way" } dd { (hop.direction.name()) } }
                    div { dt { "Verdict" } dd { (hop.verdict.label()) } }
                    div { dt { "Rule or route that decides" } dd { (self.rule(hop.rule.as_ref())) } }
                }
                p.todo { strong { "What to do: " } (clean(&self.topology.remedy(hop), MAX_REASON_CHARS)) }
            }
        }
    }

    /// Renders the resource of a hop as a part of a sentence: `network ACL public (acl-1)`.
    fn hop_in_words(&self, hop: &Hop) -> Markup {
        let id = hop.id.as_deref();
        html! {
            (hop.kind.words())
            @match (id, id.and_then(|id| self.topology.name_of(id))) {
                (Some(id), Some(tag)) => { " " bdi { (name(tag)) } " (" code { (name(id)) } ")" }
                (Some(id), None) => { " " code { (name(id)) } }
                (None, _) => {}
            }
        }
    }

    /// Renders the resource of a hop, with its name.
    fn hop(&self, hop: &Hop) -> Markup {
        html! { (hop.kind.words()) @if let Some(id) = &hop.id { " " (self.id(id)) } }
    }

    fn id(&self, id: &str) -> Markup {
        resource(Some(id), self.topology.name_of(id))
    }

    fn rule(&self, rule: Option<&HopRule>) -> Markup {
        let traffic = |traffic: &Option<String>| html! { @if let Some(traffic) = traffic { code { (name(traffic)) } } };
        html! {
            @match rule {
                None => { "none" }
                Some(HopRule::SecurityGroups { group_id: Some(group), traffic: permission, .. }) => {
                    (traffic(permission)) " of " (self.id(group))
                }
                Some(HopRule::SecurityGroups { group_id: None, group_ids, .. }) => { "no rule of " (self.groups(group_ids)) }
                Some(HopRule::Route { destination, target }) => { code { (name(destination)) } " to " (self.id(target)) }
                Some(HopRule::NetworkAcl { rule_number, cidr_block, traffic: entry }) => {
                    @match own_rule_number(*rule_number) {
                        Some(number) => { "rule " (number) }
                        None => { "default rule (*)" }
                    }
                    @if entry.is_some() { ": " (traffic(entry)) }
                    @if let Some(block) = cidr_block { ", " code { (name(block)) } }
                }
            }
        }
    }

    fn groups(&self, ids: &[String]) -> Markup {
        html! {
            @for (index, id) in ids.iter().take(MAX_GROUPS).enumerate() {
                @if index > 0 { " or " }
                (self.id(id))
            }
            @if ids.len() > MAX_GROUPS { " or " (count((ids.len() - MAX_GROUPS) as u64)) " more" }
        }
    }

    fn hops(&self) -> Markup {
        let first = self.first_in_the_way();
        let numbered: Vec<(u64, &Hop)> = (1..).zip(&self.explanation.hops).collect();
        let rows = HOPS.render(&numbered, |(number, hop)| {
            let is_first = first.is_some_and(|first| std::ptr::eq(first, *hop));
            html! {
                tr {
                    td.number { (number) }
                    td { (hop.direction.name()) }
                    td { @if is_first { strong { (hop.verdict.label()) ", first in the way" } } @else { (hop.verdict.label()) } }
                    th.text scope="row" { (self.hop(hop)) }
                    td.text { (clean(&hop.reason, MAX_REASON_CHARS)) }
                    td.text { (self.rule(hop.rule.as_ref())) }
                }
            }
        });
        let columns =
            [Number("Hop"), Text("Way"), Text("Verdict"), Text("Resource"), Text("Reason"), Text("Rule or route")];
        html! {
            section #hops aria-labelledby="hops-title" {
                h2 #hops-title { "Hops" }
                @if numbered.is_empty() {
                    p.empty { "No hop is known." }
                } @else {
                    (page::table("The hops to the destination, and back", &columns, &rows.markup))
                    (rows.note_of("hops", DOCUMENT))
                }
            }
        }
    }

    fn ends(&self) -> Markup {
        let Explanation { source, destination, .. } = self.explanation;
        let row = |label: &str, cell: &dyn Fn(&PathEnd) -> Markup| {
            html! { tr { th scope="row" { (label) } td { (cell(source)) } td { (cell(destination)) } } }
        };
        let text =
            |text: Option<String>| html! { @match text { Some(text) => { code { (name(&text)) } } None => { "-" } } };
        let known = |id: &Option<String>, tag: &Option<String>| match id {
            Some(id) => resource(Some(id), tag.as_deref()),
            None => html! { "-" },
        };
        html! {
            section #ends aria-labelledby="ends-title" {
                h2 #ends-title { "The two ends" }
                (page::table("The two ends, as the topology has them", &[Text("Property"), Text("Source"), Text("Destination")], &html! {
                    (row("Network", &|end| html! { (end.scope) }))
                    (row("Address", &|end| text(end.address.map(|address| address.to_string()))))
                    (row("Public address", &|end| text(end.public_address.map(|address| address.to_string()))))
                    (row("Interface", &|end| known(&end.interface_id, &end.name)))
                    (row("Service", &|end| text(end.service.map(str::to_owned))))
                    (row("Instance", &|end| text(end.instance_id.clone())))
                    (row("Subnet", &|end| known(&end.subnet_id, &end.subnet_name)))
                    (row("VPC", &|end| known(&end.vpc_id, &end.vpc_name)))
                }))
            }
        }
    }

    fn evidence(&self, evidence: Option<&Evidence>) -> Markup {
        html! {
            section #evidence aria-labelledby="evidence-title" {
                h2 #evidence-title { "What the log has" }
                @match evidence {
                    None => { p.empty { "No flow logs were given. Give some to see the flows between the two." } }
                    Some(evidence) => {
                        (failed(evidence))
                        (contradictions(&evidence.contradictions))
                        (flows(evidence))
                        (self.recorders("forward", "evidence.forward.interface_ids", &evidence.forward))
                        (self.recorders("return", "evidence.return.interface_ids", &evidence.back))
                    }
                }
            }
        }
    }

    /// Renders the times of the flows of a direction, and the interfaces that recorded them.
    fn recorders(&self, way: &str, member: &str, direction: &DirectionEvidence) -> Markup {
        let DirectionEvidence { accepted, rejected, seen, interface_ids, .. } = direction;
        let ids: Vec<&String> = interface_ids.iter().collect();
        let listed = INTERFACES.render(&ids, |id| html! { li { (self.id(id)) } });
        html! {
            h3 { "When and where: " (way) }
            @if (accepted.flows, rejected.flows) == (0, 0) {
                p { "no flows" }
            } @else {
                p { (time_range(*seen)) }
            }
            @if !ids.is_empty() {
                p { "At " (plural(ids.len() as u64, "interface")) ":" }
                ul { (listed.markup) }
                (listed.note_of(member, DOCUMENT))
            }
        }
    }
}

fn failed(evidence: &Evidence) -> Markup {
    let failed = &evidence.failed;
    let rows = FAILURES.render(failed, |failure| {
        html! {
            tr {
                th.text scope="row" { code { (clean(&failure.uri, MAX_SENTENCE_CHARS)) } }
                td.text { (clean(&failure.error, MAX_SENTENCE_CHARS)) }
            }
        }
    });
    html! {
        @if !failed.is_empty() {
            div.notice role="note" {
                p { (plural(failed.len() as u64, "input")) " could not be read, so the evidence is incomplete" }
                (page::table("Inputs that could not be read", &[Text("Input"), Text("Error")], &rows.markup))
                (rows.note_of("evidence.failed", DOCUMENT))
            }
        }
    }
}

fn contradictions(contradictions: &[String]) -> Markup {
    let listed = CONTRADICTIONS.render(contradictions, |text| html! { li { (clean(text, MAX_REASON_CHARS)) } });
    html! {
        @if !contradictions.is_empty() {
            h3 { "Where the log and the rules differ" }
            ul { (listed.markup) }
            (listed.note_of("evidence.contradictions", DOCUMENT))
        }
    }
}

fn flows(evidence: &Evidence) -> Markup {
    let row = |way: &str, what: &str, tally: Option<Counters>| {
        html! {
            tr {
                th scope="row" { (way) }
                td { (what) }
                @match tally {
                    Some(tally) => {
                        td.number { (count(tally.flows)) }
                        td.number { (count(tally.packets)) }
                        td.number { (bytes(tally.bytes)) }
                    }
                    None => { td.number { "unknown" } td.number { "unknown" } td.number { "unknown" } }
                }
            }
        }
    };
    let columns = [Text("Way"), Text("Flows that were"), Number("Flows"), Number("Packets"), Number("Bytes")];
    html! {
        h3 { "Flows between the two" }
        (page::table("Flows between the two in the logs", &columns, &html! {
            @for (way, direction) in [("forward", &evidence.forward), ("return", &evidence.back)] {
                (row(way, "accepted", Some(direction.accepted)))
                (row(way, "accepted and unanswered", direction.unanswered))
                (row(way, "rejected", Some(direction.rejected)))
            }
        }))
    }
}
