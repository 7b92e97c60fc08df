//! Renders findings as alerts: OCSF Detection Findings (class 2004), each of them the detail of one event on an event bus.
//!
//! <https://schema.ocsf.io/1.5.0/classes/detection_finding>
//!
//! Alerts are rendered from the stored findings, so that a delivery that completes an interrupted one sends the same alerts.
//! An alert's `metadata.uid` is the same each time it is sent. `finding_info.uid` is the finding's id, which the same problem
//! has in every file.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::findings;
use crate::findings::types::{self, Finding, FindingType, Severity};
use crate::lambda::delivery::output_keys::OutputKeys;
use crate::sanitize::escape_truncated;
use crate::summary::InputIdentity;

/// Maximum number of findings of an object that have their own alert. The others share one digest alert.
pub const MAX_ALERTS: usize = 20;

/// The version of OCSF.
const OCSF_VERSION: &str = "1.5.0";
/// Longer than ids of resources and similar texts. Untrusted text is truncated to this length.
const MAX_TEXT_CHARACTERS: usize = 128;
const MAX_TITLE_CHARACTERS: usize = 512;
const MAX_LIST_ITEMS: usize = 20;

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// `metadata.uid` of the detail, the same each time the alert is sent.
    pub id: String,
    /// The Detection Finding as JSON, of about 100 KB at most.
    pub detail: String,
}

/// The input of the findings, and which findings become alerts.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The input that was analyzed.
    pub identity: &'a InputIdentity,
    /// The keys of its outputs.
    pub keys: &'a OutputKeys,
    /// The bucket of its outputs.
    pub output_bucket: &'a str,
    /// The minimum severity of alerts.
    pub min_severity: Severity,
    /// The time of findings whose records have none, in milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// Returns the number of alerts for these findings.
pub fn count(findings: &[Finding], min_severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity >= min_severity).count().min(MAX_ALERTS + 1)
}

/// Renders the alerts for an object's findings, which are lines of JSON with the most severe first.
///
/// # Errors
/// If a line is not a finding.
pub fn render(findings: &[u8], context: &Context<'_>) -> Result<Vec<Alert>, serde_json::Error> {
    let mut selected = parse(findings)?;
    selected.retain(|finding| finding.severity >= context.min_severity);
    let remaining = selected.split_off(selected.len().min(MAX_ALERTS));
    let mut alerts: Vec<Alert> = selected.iter().map(|finding| context.alert(finding)).collect();
    if !remaining.is_empty() {
        alerts.push(context.digest_alert(&remaining));
    }
    Ok(alerts)
}

/// Returns the number of alerts for stored findings, which are lines of JSON.
///
/// # Errors
/// If a line is not a finding.
pub fn count_stored(findings: &[u8], min_severity: Severity) -> Result<usize, serde_json::Error> {
    let selected = parse(findings)?.into_iter().filter(|finding| finding.severity >= min_severity).count();
    Ok(selected.min(MAX_ALERTS + 1))
}

fn parse(findings: &[u8]) -> Result<Vec<StoredFinding>, serde_json::Error> {
    findings.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(serde_json::from_slice).collect()
}

/// A finding in a stored summary.
#[derive(Debug, Deserialize)]
struct StoredFinding {
    id: String,
    #[serde(rename = "type")]
    finding_type: String,
    severity: Severity,
    confidence: String,
    title: String,
    /// What to change, if the topology shows it. Summaries of older versions do not have it.
    #[serde(default)]
    next_step: Option<String>,
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
    /// Name tags of resources, by id. Summaries without a topology have none.
    #[serde(default)]
    names: BTreeMap<String, String>,
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

impl StoredFinding {
    /// Returns what to do: what the finding says, else what applies to all findings of its type.
    fn remediation(&self) -> Option<&str> {
        let known = FindingType::ALL.iter().find(|known| known.name() == self.finding_type);
        self.next_step.as_deref().or_else(|| known.map(|known| findings::next_step(*known)))
    }
}

impl Context<'_> {
    fn alert(&self, finding: &StoredFinding) -> Alert {
        let (confidence_id, confidence) = confidence(&finding.confidence);
        let mut detail = self.detail(&AlertFields {
            finding_id: &finding.id,
            title: &finding.title,
            severity: finding.severity,
            count: finding.flows,
            first_seen_ms: milliseconds(finding.first_seen.as_deref()),
            last_seen_ms: milliseconds(finding.last_seen.as_deref()),
            finding_type: &finding.finding_type,
            unmapped: vec![
                ("subject", bounded(&Value::Object(finding.subject.clone()))),
                ("details", bounded(&Value::Object(finding.details.clone()))),
                ("evidence", bounded(&json!(finding.evidence))),
                ("flows", json!(finding.flows)),
                ("packets", json!(finding.packets)),
                ("bytes", json!(finding.bytes)),
                ("exact", json!(finding.exact)),
            ],
        });
        detail.insert("confidence_id".to_owned(), json!(confidence_id));
        detail.insert("confidence".to_owned(), json!(confidence));
        if let Some(next_step) = finding.remediation() {
            let desc = escape_truncated(next_step, MAX_TITLE_CHARACTERS);
            detail.insert("remediation".to_owned(), json!({"desc": desc}));
        }
        let lists = [
            ("evidences", finding.examples.iter().filter_map(evidence).collect()),
            ("observables", observables(&finding.examples)),
            ("resources", resources(finding)),
        ];
        let lists = lists.into_iter().filter(|(_, values): &(&str, Vec<Value>)| !values.is_empty());
        detail.extend(lists.map(|(name, values)| (name.to_owned(), Value::Array(values))));
        self.finish(&finding.id, detail)
    }

    /// Renders one alert for all findings that don't have their own.
    fn digest_alert(&self, findings: &[StoredFinding]) -> Alert {
        let mut by_type: BTreeMap<&str, u64> = BTreeMap::new();
        for finding in findings {
            *by_type.entry(&finding.finding_type).or_default() += 1;
        }
        let types: Vec<String> = by_type.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let (count, types) = (findings.len(), types.join(", "));
        let title = format!("{count} more findings in this object, not sent individually: {types}");
        let id = types::id("roll-up", &self.keys.fingerprint);
        let mut detail = self.detail(&AlertFields {
            finding_id: &id,
            title: &title,
            severity: findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Low),
            count: count as u64,
            first_seen_ms: findings.iter().filter_map(|finding| milliseconds(finding.first_seen.as_deref())).min(),
            last_seen_ms: findings.iter().filter_map(|finding| milliseconds(finding.last_seen.as_deref())).max(),
            finding_type: "roll-up",
            unmapped: vec![("findings", json!(count)), ("findings_by_type", json!(by_type))],
        });
        detail.insert("remediation".to_owned(), json!({"desc": "Read the findings in the summary of the object."}));
        self.finish(&id, detail)
    }

    /// Renders the fields that all alerts have.
    fn detail(&self, fields: &AlertFields<'_>) -> Map<String, Value> {
        let title = escape_truncated(fields.title, MAX_TITLE_CHARACTERS);
        let (severity_id, severity) = severity(fields.severity);
        let detail = json!({
            "activity_id": 1, "activity_name": "Create",
            "category_uid": 2, "category_name": "Findings",
            "class_uid": 2004, "class_name": "Detection Finding",
            "type_uid": 200_401, "type_name": "Detection Finding: Create",
            "time": fields.last_seen_ms.or(fields.first_seen_ms).unwrap_or(self.now_ms),
            "severity_id": severity_id, "severity": severity,
            "status_id": 1, "status": "New",
            "is_alert": true,
            "count": fields.count,
            "message": title,
            "metadata": self.metadata(fields),
            "cloud": self.cloud(),
            "finding_info": self.finding_info(fields, &title),
            "unmapped": self.unmapped(fields),
        });
        let mut detail = into_members(detail);
        let times = [("start_time", fields.first_seen_ms), ("end_time", fields.last_seen_ms)];
        detail.extend(times.into_iter().filter_map(|(name, time)| Some((name.to_owned(), json!(time?)))));
        detail
    }

    fn metadata(&self, fields: &AlertFields<'_>) -> Value {
        json!({
            "version": OCSF_VERSION,
            "uid": self.alert_id(fields.finding_id),
            "event_code": truncate(fields.finding_type),
            "product": {
                "name": "flowsentry", "vendor_name": "flowsentry", "version": env!("CARGO_PKG_VERSION"),
            },
            "profiles": ["cloud"],
        })
    }

    /// Returns the account and region of the log, if they are known.
    fn cloud(&self) -> Value {
        let account = |id| json!({"uid": id, "name": id, "type_id": 10, "type": "AWS Account"});
        let optional = [
            ("account", self.keys.account_id.as_ref().map(account)),
            ("region", self.keys.region.as_ref().map(|region| json!(region))),
        ];
        with_optional(json!({"provider": "AWS"}), optional)
    }

    fn finding_info(&self, fields: &AlertFields<'_>, title: &str) -> Value {
        let finding_type = truncate(fields.finding_type);
        let uri = self.identity.uri();
        let info = json!({
            "uid": truncate(fields.finding_id), "title": title, "types": [finding_type],
            "analytic": {"name": finding_type, "uid": finding_type, "type_id": 1, "type": "Rule"},
            "data_sources": [escape_truncated(&uri, MAX_TITLE_CHARACTERS)],
        });
        let times = [("first_seen_time", fields.first_seen_ms), ("last_seen_time", fields.last_seen_ms)];
        with_optional(info, times.map(|(name, time)| (name, time.map(|time| json!(time)))))
    }

    fn unmapped(&self, fields: &AlertFields<'_>) -> Value {
        let (name, identity) = self.input();
        let unmapped = json!({
            name: identity,
            "summary": format!("s3://{}/{}", self.output_bucket, self.keys.summary),
        });
        with_optional(unmapped, fields.unmapped.iter().map(|(name, value)| (*name, Some(value.clone()))))
    }

    /// Returns the identity of the input, and the name of its member in the alert.
    fn input(&self) -> (&'static str, Value) {
        match self.identity {
            InputIdentity::Object(object) => {
                let identity = json!({
                    "bucket": truncate(&object.bucket),
                    "key": escape_truncated(&object.key, MAX_TITLE_CHARACTERS),
                    "version_id": object.version_id.as_deref().map(truncate),
                    "etag": object.etag.as_deref().map(truncate),
                });
                ("object", identity)
            }
            InputIdentity::LogEvents(events) => {
                let identity = json!({
                    "owner": truncate(&events.owner),
                    "log_group": escape_truncated(&events.log_group, MAX_TITLE_CHARACTERS),
                    "log_stream": escape_truncated(&events.log_stream, MAX_TITLE_CHARACTERS),
                    "first_event_id": truncate(&events.first_event_id),
                    "last_event_id": truncate(&events.last_event_id),
                });
                ("log_events", identity)
            }
            InputIdentity::Window(window) => {
                let identity = json!({
                    "name": truncate(&window.name),
                    "from": window.from,
                    "to": window.to,
                    "revision": window.revision,
                    "objects": window.objects,
                });
                ("window", identity)
            }
        }
    }

    fn alert_id(&self, finding_id: &str) -> String {
        format!("{}-{}", self.keys.fingerprint, truncate(finding_id))
    }

    fn finish(&self, finding_id: &str, detail: Map<String, Value>) -> Alert {
        Alert { id: self.alert_id(finding_id), detail: Value::Object(detail).to_string() }
    }
}

/// The fields in which alerts differ.
struct AlertFields<'a> {
    finding_id: &'a str,
    title: &'a str,
    severity: Severity,
    count: u64,
    first_seen_ms: Option<i64>,
    last_seen_ms: Option<i64>,
    finding_type: &'a str,
    /// Members of `unmapped`, which OCSF has no field for.
    unmapped: Vec<(&'static str, Value)>,
}

/// Adds the members that have a value to a JSON object.
fn with_optional<'a>(object: Value, members: impl IntoIterator<Item = (&'a str, Option<Value>)>) -> Value {
    let mut object = into_members(object);
    object.extend(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    Value::Object(object)
}

fn into_members(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
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

/// Returns the endpoints of an example, or `None` if it has no address.
fn evidence(example: &StoredExample) -> Option<Value> {
    let src = endpoint(example.srcaddr.as_deref(), example.srcport);
    let dst = endpoint(example.dstaddr.as_deref(), example.dstport);
    if src.is_none() && dst.is_none() {
        return None;
    }
    let interface_id = example.interface_id.as_deref().map(|id| json!(truncate(id)));
    let data = with_optional(json!({"action": truncate(&example.action)}), [("interface_id", interface_id)]);
    let connection = |protocol: u8| json!({"protocol_num": protocol, "direction_id": 0});
    let optional =
        [("src_endpoint", src), ("dst_endpoint", dst), ("connection_info", example.protocol.map(connection))];
    Some(with_optional(json!({"data": data}), optional))
}

fn endpoint(ip: Option<&str>, port: Option<u16>) -> Option<Value> {
    let endpoint = json!({"ip": truncate(ip?)});
    Some(with_optional(endpoint, [("port", port.map(|port| json!(port)))]))
}

/// Returns the distinct addresses of the evidence.
fn observables(examples: &[StoredExample]) -> Vec<Value> {
    let mut addresses = BTreeSet::new();
    for example in examples {
        addresses.extend(example.srcaddr.as_deref().map(|ip| ("evidences.src_endpoint.ip", ip)));
        addresses.extend(example.dstaddr.as_deref().map(|ip| ("evidences.dst_endpoint.ip", ip)));
    }
    let observable =
        |(name, ip): &(&str, &str)| json!({"name": name, "type_id": 2, "type": "IP Address", "value": truncate(ip)});
    addresses.iter().map(observable).collect()
}

/// Returns the AWS resources of a finding, with CloudFormation's names of their types.
fn resources(finding: &StoredFinding) -> Vec<Value> {
    let members = finding.subject.iter().chain(&finding.details);
    let ids = members.flat_map(|(name, value)| {
        let resource_type = resource_type(name);
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        values.iter().filter_map(move |id| Some((id.as_str()?, resource_type?)))
    });
    let distinct: BTreeSet<(&str, &str)> = ids.collect();
    let resource = |(id, resource_type): &(&str, &str)| {
        let name = finding.names.get(*id).map(|name| json!(truncate(name)));
        with_optional(json!({"uid": truncate(id), "type": resource_type}), [("name", name)])
    };
    distinct.iter().take(MAX_LIST_ITEMS).map(resource).collect()
}

/// Returns the type of the resources in a member with this name, such as `src_vpc_id` or `via_vpc_ids`.
fn resource_type(name: &str) -> Option<&'static str> {
    const TYPES: [(&str, &str); 6] = [
        ("vpc_id", "AWS::EC2::VPC"),
        ("subnet_id", "AWS::EC2::Subnet"),
        ("interface_id", "AWS::EC2::NetworkInterface"),
        ("peering_connection_id", "AWS::EC2::VPCPeeringConnection"),
        ("route_table_id", "AWS::EC2::RouteTable"),
        ("tgw_id", "AWS::EC2::TransitGateway"),
    ];
    let name = name.strip_suffix('s').unwrap_or(name);
    let is_named = |suffix: &str| name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'));
    TYPES.iter().find(|(suffix, _)| is_named(suffix)).map(|(_, resource_type)| *resource_type)
}

/// Escapes and truncates untrusted text.
fn truncate(text: &str) -> String {
    escape_truncated(text, MAX_TEXT_CHARACTERS)
}

/// Returns a copy of the value with long texts and lists truncated.
fn bounded(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(truncate(text)),
        Value::Array(values) => values.iter().take(MAX_LIST_ITEMS).map(bounded).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), bounded(value))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
