//! Findings as alerts: OCSF Detection Findings, class 2004, each to be the detail of one event on an event bus.
//!
//! <https://schema.ocsf.io/1.5.0/classes/detection_finding>
//!
//! They are made of the findings as they are stored, so that whoever completes an interrupted delivery sends what was
//! found then. An alert's `metadata.uid` stays the same however often it is sent; `finding_info.uid` is the finding's id,
//! which is that of the same trouble in every other file.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::findings::types::{self, Finding, Severity};
use crate::lambda::delivery::output_keys::OutputKeys;
use crate::sanitize::escape_truncated;
use crate::summary::ObjectIdentity;

/// So many findings of an object are told one by one. The others are told in one more alert.
pub const MAX_ALERTS: usize = 20;

/// The version of OCSF.
const OCSF_VERSION: &str = "1.5.0";
/// Interner of resources and the like are shorter; what strangers make longer is cut.
const MAX_TEXT_CHARACTERS: usize = 128;
const MAX_TITLE_CHARACTERS: usize = 512;
const MAX_LIST_ITEMS: usize = 20;

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The same however often it is sent: `metadata.uid` of the detail.
    pub id: String,
    /// The Detection Finding as JSON, at most some 100 KB of it.
    pub detail: String,
}

/// Of which object, by which names, and how bad a finding has to be.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The object that was analysed.
    pub object: &'a ObjectIdentity,
    /// The names of its outputs.
    pub keys: &'a OutputKeys,
    /// Where these are.
    pub output_bucket: &'a str,
    /// The least severity that is told.
    pub min_severity: Severity,
    /// For findings whose records have no time: milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// How many alerts these findings make.
pub fn count(findings: &[Finding], min_severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity >= min_severity).count().min(MAX_ALERTS + 1)
}

/// The alerts of an object's findings, which are lines of JSON, the worst first.
///
/// # Errors
/// Where a line is no finding.
pub fn render(findings: &[u8], context: &Context<'_>) -> Result<Vec<Alert>, serde_json::Error> {
    let mut bad_enough = parse(findings)?;
    bad_enough.retain(|finding| finding.severity >= context.min_severity);
    let rest = bad_enough.split_off(bad_enough.len().min(MAX_ALERTS));
    let mut alerts: Vec<Alert> = bad_enough.iter().map(|finding| context.alert(finding)).collect();
    if !rest.is_empty() {
        alerts.push(context.digest_alert(&rest));
    }
    Ok(alerts)
}

/// How many alerts stored findings make, which are lines of JSON.
///
/// # Errors
/// Where a line is no finding.
pub fn count_stored(findings: &[u8], min_severity: Severity) -> Result<usize, serde_json::Error> {
    let bad_enough = parse(findings)?.into_iter().filter(|finding| finding.severity >= min_severity).count();
    Ok(bad_enough.min(MAX_ALERTS + 1))
}

fn parse(findings: &[u8]) -> Result<Vec<StoredFinding>, serde_json::Error> {
    findings.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(serde_json::from_slice).collect()
}

/// A finding as it is stored.
#[derive(Debug, Deserialize)]
struct StoredFinding {
    id: String,
    #[serde(rename = "type")]
    finding_type: String,
    severity: Severity,
    confidence: String,
    title: String,
    subject: Map<String, Value>,
    details: Map<String, Value>,
    evidence: BTreeSet<String>,
    flows: u64,
    packets: u64,
    bytes: u64,
    first_seen: Option<String>,
    last_seen: Option<String>,
    exact: bool,
    examples: Vec<StoredExample>,
}

#[derive(Debug, Deserialize)]
struct StoredExample {
    interface_id: Option<String>,
    srcaddr: Option<String>,
    dstaddr: Option<String>,
    srcport: Option<u16>,
    dstport: Option<u16>,
    protocol: Option<u8>,
    action: String,
}

impl Context<'_> {
    fn alert(&self, finding: &StoredFinding) -> Alert {
        let mut detail = self.event(&AlertFields {
            finding_id: &finding.id,
            title: &finding.title,
            severity: finding.severity,
            count: finding.flows,
            seen: (milliseconds(finding.first_seen.as_deref()), milliseconds(finding.last_seen.as_deref())),
            kind: &finding.finding_type,
        });
        let (confidence_id, confidence) = confidence(&finding.confidence);
        detail["confidence_id"] = json!(confidence_id);
        detail["confidence"] = json!(confidence);
        let evidences: Vec<Value> = finding.examples.iter().filter_map(evidence).collect();
        if !evidences.is_empty() {
            detail["evidences"] = json!(evidences);
        }
        let observables = observables(&finding.examples);
        if !observables.is_empty() {
            detail["observables"] = json!(observables);
        }
        let resources = resources(finding);
        if !resources.is_empty() {
            detail["resources"] = json!(resources);
        }
        detail["unmapped"]["subject"] = bounded(&Value::Object(finding.subject.clone()));
        detail["unmapped"]["details"] = bounded(&Value::Object(finding.details.clone()));
        detail["unmapped"]["evidence"] = bounded(&json!(finding.evidence));
        detail["unmapped"]["flows"] = json!(finding.flows);
        detail["unmapped"]["packets"] = json!(finding.packets);
        detail["unmapped"]["bytes"] = json!(finding.bytes);
        detail["unmapped"]["exact"] = json!(finding.exact);
        self.finished(&finding.id, &detail)
    }

    /// One alert for all findings that are not told one by one.
    fn digest_alert(&self, rest: &[StoredFinding]) -> Alert {
        let mut by_type: BTreeMap<&str, u64> = BTreeMap::new();
        for finding in rest {
            *by_type.entry(&finding.finding_type).or_default() += 1;
        }
        let types: Vec<String> = by_type.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let title = format!("{} more findings in this object, not sent individually: {}", rest.len(), types.join(", "));
        let severity = rest.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Low);
        let times = |of: fn(&StoredFinding) -> Option<&str>| rest.iter().filter_map(move |it| milliseconds(of(it)));
        let first_seen = times(|finding| finding.first_seen.as_deref()).min();
        let last_seen = times(|finding| finding.last_seen.as_deref()).max();
        let id = types::id("roll-up", &self.keys.fingerprint);
        let mut detail = self.event(&AlertFields {
            finding_id: &id,
            title: &title,
            severity,
            count: rest.len() as u64,
            seen: (first_seen, last_seen),
            kind: "roll-up",
        });
        detail["unmapped"]["findings"] = json!(rest.len());
        detail["unmapped"]["findings_by_type"] = json!(by_type);
        self.finished(&id, &detail)
    }

    /// What all alerts have.
    fn event(&self, told: &AlertFields<'_>) -> Value {
        let title = escape_truncated(told.title, MAX_TITLE_CHARACTERS);
        let kind = cut(told.kind);
        let (severity_id, severity) = severity(told.severity);
        let object = self.object;
        let uri = format!("s3://{}/{}", object.bucket, object.key);
        let mut event = json!({
            "activity_id": 1, "activity_name": "Create",
            "category_uid": 2, "category_name": "Findings",
            "class_uid": 2004, "class_name": "Detection Finding",
            "type_uid": 200_401, "type_name": "Detection Finding: Create",
            "time": told.seen.1.or(told.seen.0).unwrap_or(self.now_ms),
            "severity_id": severity_id, "severity": severity,
            "status_id": 1, "status": "New",
            "is_alert": true,
            "count": told.count,
            "message": title,
            "metadata": {
                "version": OCSF_VERSION,
                "uid": self.id(told.finding_id),
                "event_code": kind,
                "product": {
                    "name": "flowsentry", "vendor_name": "flowsentry", "version": env!("CARGO_PKG_VERSION"),
                },
                "profiles": ["cloud"],
            },
            "cloud": self.cloud(),
            "finding_info": {
                "uid": cut(told.finding_id), "title": title, "types": [kind],
                "analytic": {"name": kind, "uid": kind, "type_id": 1, "type": "Rule"},
                "data_sources": [escape_truncated(&uri, MAX_TITLE_CHARACTERS)],
            },
            "unmapped": {
                "object": {
                    "bucket": cut(&object.bucket),
                    "key": escape_truncated(&object.key, MAX_TITLE_CHARACTERS),
                    "version_id": object.version_id.as_deref().map(cut),
                    "etag": object.etag.as_deref().map(cut),
                },
                "summary": format!("s3://{}/{}", self.output_bucket, self.keys.summary),
            },
        });
        if let Some(first_seen) = told.seen.0 {
            event["start_time"] = json!(first_seen);
            event["finding_info"]["first_seen_time"] = json!(first_seen);
        }
        if let Some(last_seen) = told.seen.1 {
            event["end_time"] = json!(last_seen);
            event["finding_info"]["last_seen_time"] = json!(last_seen);
        }
        event
    }

    /// Account and region of the log, where its key tells them.
    fn cloud(&self) -> Value {
        let mut cloud = json!({"provider": "AWS"});
        if let Some(account) = &self.keys.account_id {
            cloud["account"] = json!({"uid": account, "name": account, "type_id": 10, "type": "AWS Account"});
        }
        if let Some(region) = &self.keys.region {
            cloud["region"] = json!(region);
        }
        cloud
    }

    fn id(&self, finding_id: &str) -> String {
        format!("{}-{}", self.keys.fingerprint, cut(finding_id))
    }

    fn finished(&self, finding_id: &str, detail: &Value) -> Alert {
        Alert { id: self.id(finding_id), detail: detail.to_string() }
    }
}

struct AlertFields<'a> {
    finding_id: &'a str,
    title: &'a str,
    severity: Severity,
    count: u64,
    /// First and last, in milliseconds.
    seen: (Option<i64>, Option<i64>),
    kind: &'a str,
}

fn severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
    }
}

fn confidence(name: &str) -> (u8, &'static str) {
    match name {
        "low" => (1, "Low"),
        "medium" => (2, "Medium"),
        "high" => (3, "High"),
        _ => (0, "Unknown"),
    }
}

fn milliseconds(time: Option<&str>) -> Option<i64> {
    time?.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// The two ends of a record. One that names none is no evidence.
fn evidence(example: &StoredExample) -> Option<Value> {
    let endpoint = |ip: Option<&String>, port: Option<u16>| {
        let mut endpoint = json!({"ip": ip.map(|ip| cut(ip))?});
        if let Some(port) = port {
            endpoint["port"] = json!(port);
        }
        Some(endpoint)
    };
    let src = endpoint(example.srcaddr.as_ref(), example.srcport);
    let dst = endpoint(example.dstaddr.as_ref(), example.dstport);
    if src.is_none() && dst.is_none() {
        return None;
    }
    let mut evidence = json!({"data": {"action": cut(&example.action)}});
    if let Some(interface_id) = &example.interface_id {
        evidence["data"]["interface_id"] = json!(cut(interface_id));
    }
    for (name, endpoint) in [("src_endpoint", src), ("dst_endpoint", dst)] {
        if let Some(endpoint) = endpoint {
            evidence[name] = endpoint;
        }
    }
    if let Some(protocol) = example.protocol {
        evidence["connection_info"] = json!({"protocol_num": protocol, "direction_id": 0});
    }
    Some(evidence)
}

/// The addresses of the evidence, each once.
fn observables(examples: &[StoredExample]) -> Vec<Value> {
    let mut met = BTreeSet::new();
    for example in examples {
        met.extend(example.srcaddr.as_deref().map(|ip| ("evidences.src_endpoint.ip", ip)));
        met.extend(example.dstaddr.as_deref().map(|ip| ("evidences.dst_endpoint.ip", ip)));
    }
    let observable =
        |(name, ip): &(&str, &str)| json!({"name": name, "type_id": 2, "type": "IP Address", "value": cut(ip)});
    met.iter().map(observable).collect()
}

/// What of AWS's a finding is about, by CloudFormation's names of types.
fn resources(finding: &StoredFinding) -> Vec<Value> {
    let members = finding.subject.iter().chain(&finding.details);
    let ids = members.flat_map(|(name, value)| {
        let kind = resource_type(name);
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        values.iter().filter_map(move |id| Some((id.as_str()?, kind?)))
    });
    let distinct: BTreeSet<(&str, &str)> = ids.collect();
    distinct.iter().take(MAX_LIST_ITEMS).map(|(id, kind)| json!({"uid": cut(id), "type": kind})).collect()
}

fn resource_type(name: &str) -> Option<&'static str> {
    match name {
        "vpc_id" | "vpc_ids" | "src_vpc_id" | "dst_vpc_id" | "via_vpc_ids" => Some("AWS::EC2::VPC"),
        "interface_id" => Some("AWS::EC2::NetworkInterface"),
        "peering_connection_id" | "peering_connection_ids" => Some("AWS::EC2::VPCPeeringConnection"),
        _ => None,
    }
}

fn cut(text: &str) -> String {
    escape_truncated(text, MAX_TEXT_CHARACTERS)
}

/// The same with long texts and long lists cut.
fn bounded(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(cut(text)),
        Value::Array(values) => values.iter().take(MAX_LIST_ITEMS).map(bounded).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), bounded(value))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
