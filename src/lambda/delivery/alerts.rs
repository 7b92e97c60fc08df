//! Renders findings as alerts: OCSF Detection Findings (class 2004), each of them the detail of one event on an event bus.
//!
//! <https://schema.ocsf.io/1.5.0/classes/detection_finding>
//!
//! Alerts are rendered from the stored findings, so that a delivery that completes an interrupted one sends the same alerts.
//! An alert's `metadata.uid` is the same each time it is sent. `finding_info.uid` is the finding's id, which the same problem
//! has in every file. `unmapped.notice` says why it is sent: the memory of alerts decides that. [`stored`] reads the findings, and [`text`]
//! writes times and links for people.

pub mod stored;
pub mod text;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use self::stored::{Selection, StoredExample, StoredFinding};
use crate::findings::types::{self, Finding, Severity};
use crate::lambda::delivery::memory::{Memory, Notice, Sent};
use crate::lambda::delivery::output_keys::OutputKeys;
use crate::sanitize::escape_truncated;
use crate::summary::InputIdentity;

/// `detail-type` of the event of a finding.
pub const FINDING: &str = "VPC Flow Finding";
/// `detail-type` of the event of a daily digest.
pub const DIGEST: &str = "VPC Flow Digest";

/// Maximum number of findings of an object that have their own alert. The others share one digest alert.
pub const MAX_ALERTS: usize = 20;

/// The version of OCSF.
pub(crate) const OCSF_VERSION: &str = "1.5.0";
/// Longer than ids of resources and similar texts. Untrusted text is truncated to this length.
const MAX_TEXT_CHARACTERS: usize = 128;
pub(crate) const MAX_TITLE_CHARACTERS: usize = 512;
const MAX_LIST_ITEMS: usize = 20;

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// `metadata.uid` of the detail, the same each time the alert is sent.
    pub id: String,
    /// `detail-type` of the event.
    pub detail_type: &'static str,
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
    /// The function's Region, for links to the console.
    pub console_region: Option<&'a str>,
    /// The time of findings whose records have none, in milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// A finding to send, and what the memory says about it.
#[derive(Debug, Clone)]
pub struct Notification {
    /// The finding.
    pub finding: StoredFinding,
    /// Its notice. Without a memory, each finding is sent as new.
    pub memory: Option<Memory>,
}

/// Returns the number of alerts for these findings, if nothing is remembered.
pub fn count(findings: &[Finding], selection: Selection) -> usize {
    findings.iter().filter(|finding| selection.includes(finding)).count().min(MAX_ALERTS + 1)
}

/// Returns the number of alerts for stored findings, which are lines of JSON, if nothing is remembered.
///
/// # Errors
/// If a line is not a finding.
pub fn count_stored(findings: &[u8], selection: Selection) -> Result<usize, serde_json::Error> {
    Ok(stored::select(findings, selection)?.len().min(MAX_ALERTS + 1))
}

/// Renders the alerts for an input's findings, with the most severe first. The first ones have their own, the others share one. That one
/// has all findings that are too many to remember, too: they would have an alert of their own for each input.
pub fn render(notifications: &[Notification], not_remembered: &[StoredFinding], context: &Context<'_>) -> Vec<Alert> {
    let (selected, remaining) = notifications.split_at(notifications.len().min(MAX_ALERTS));
    let mut alerts: Vec<Alert> = selected.iter().map(|notification| context.alert(notification)).collect();
    let remaining = remaining.iter().map(|notification| &notification.finding);
    let remaining: Vec<&StoredFinding> = remaining.chain(not_remembered).collect();
    if !remaining.is_empty() {
        alerts.push(context.digest_alert(&remaining));
    }
    alerts
}

impl Notification {
    /// Returns the notice that is sent, if the finding has a memory.
    fn sent(&self) -> Option<&Sent> {
        let memory = self.memory.as_ref()?;
        memory.claim.as_ref().map(|claim| &claim.sent).or(memory.sent.as_ref())
    }
}

impl Context<'_> {
    fn alert(&self, notification: &Notification) -> Alert {
        let finding = &notification.finding;
        let sent = notification.sent();
        let memory = notification.memory.as_ref();
        let (confidence_id, confidence) = confidence(&finding.confidence);
        let first_seen_ms = milliseconds(finding.first_seen.as_deref());
        let mut unmapped = vec![
            ("subject", bounded(&Value::Object(finding.subject.clone()))),
            ("details", bounded(&Value::Object(finding.details.clone()))),
            ("evidence", bounded(&json!(finding.evidence))),
            ("flows", json!(finding.flows)),
            ("packets", json!(finding.packets)),
            ("bytes", json!(finding.bytes)),
            ("exact", json!(finding.exact)),
            ("where", json!(finding.subject_text())),
        ];
        let first_sent = memory.and_then(|memory| memory.first_sent);
        unmapped.extend(first_sent.map(|time| ("first_sent", json!(text::time(Some(time))))));
        let uid = sent.map_or_else(|| self.alert_id(&finding.id), |sent| truncate(&sent.uid));
        let mut detail = self.detail(&AlertFields {
            uid: &uid,
            notice: sent.map_or(Notice::New, |sent| sent.notice),
            finding_id: &finding.id,
            title: &finding.title,
            severity: finding.severity,
            count: finding.flows,
            first_seen_ms,
            last_seen_ms: milliseconds(finding.last_seen.as_deref()),
            since_ms: memory.map(|memory| memory.first_seen.saturating_mul(1000)).or(first_seen_ms),
            finding_type: &finding.finding_type,
            unmapped,
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
        finish(uid, detail)
    }

    /// Renders one alert for all findings that don't have their own.
    fn digest_alert(&self, findings: &[&StoredFinding]) -> Alert {
        let mut by_type: BTreeMap<&str, u64> = BTreeMap::new();
        for finding in findings {
            *by_type.entry(&finding.finding_type).or_default() += 1;
        }
        let types: Vec<String> = by_type.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let (count, types) = (findings.len(), types.join(", "));
        let title = format!("{count} more findings in this object, not sent individually: {types}");
        let id = types::id("roll-up", &self.keys.fingerprint);
        let uid = self.alert_id(&id);
        let first_seen_ms = findings.iter().filter_map(|finding| milliseconds(finding.first_seen.as_deref())).min();
        let mut detail = self.detail(&AlertFields {
            uid: &uid,
            notice: Notice::New,
            finding_id: &id,
            title: &title,
            severity: findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Low),
            count: count as u64,
            first_seen_ms,
            since_ms: first_seen_ms,
            last_seen_ms: findings.iter().filter_map(|finding| milliseconds(finding.last_seen.as_deref())).max(),
            finding_type: "roll-up",
            unmapped: vec![
                ("findings", json!(count)),
                ("findings_by_type", json!(by_type)),
                ("where", json!(format!("{count} findings"))),
            ],
        });
        detail.insert("remediation".to_owned(), json!({"desc": "Read the findings in the summary of the object."}));
        finish(uid, detail)
    }

    /// Renders the fields that all alerts have.
    fn detail(&self, fields: &AlertFields<'_>) -> Map<String, Value> {
        let title = escape_truncated(fields.title, MAX_TITLE_CHARACTERS);
        let (severity_id, severity) = severity(fields.severity);
        let ((activity_id, activity), (status_id, status)) = (activity(fields.notice), status(fields.notice));
        let detail = json!({
            "activity_id": activity_id, "activity_name": activity,
            "category_uid": 2, "category_name": "Findings",
            "class_uid": 2004, "class_name": "Detection Finding",
            "type_uid": 200_400 + u32::from(activity_id), "type_name": format!("Detection Finding: {activity}"),
            "time": fields.last_seen_ms.or(fields.first_seen_ms).unwrap_or(self.now_ms),
            "severity_id": severity_id, "severity": severity,
            "status_id": status_id, "status": status,
            "is_alert": true,
            "count": fields.count,
            "message": title,
            "metadata": Self::metadata(fields),
            "cloud": cloud(self.keys.account_id.clone(), self.keys.region.clone()),
            "finding_info": self.finding_info(fields, &title),
            "unmapped": self.unmapped(fields),
        });
        let mut detail = into_members(detail);
        let times = [("start_time", fields.first_seen_ms), ("end_time", fields.last_seen_ms)];
        detail.extend(times.into_iter().filter_map(|(name, time)| Some((name.to_owned(), json!(time?)))));
        detail
    }

    fn metadata(fields: &AlertFields<'_>) -> Value {
        json!({
            "version": OCSF_VERSION,
            "uid": fields.uid,
            "event_code": truncate(fields.finding_type),
            "product": product(),
            "profiles": ["cloud"],
        })
    }

    fn finding_info(&self, fields: &AlertFields<'_>, title: &str) -> Value {
        let finding_type = truncate(fields.finding_type);
        let uri = self.identity.uri();
        let info = json!({
            "uid": truncate(fields.finding_id), "title": title, "types": [finding_type],
            "analytic": {"name": finding_type, "uid": finding_type, "type_id": 1, "type": "Rule"},
            "data_sources": [escape_truncated(&uri, MAX_TITLE_CHARACTERS)],
        });
        let times = [("first_seen_time", fields.since_ms), ("last_seen_time", fields.last_seen_ms)];
        with_optional(info, times.map(|(name, time)| (name, time.map(|time| json!(time)))))
    }

    fn unmapped(&self, fields: &AlertFields<'_>) -> Value {
        let (name, identity) = self.input();
        let page = self.keys.page.as_ref();
        let unmapped = json!({
            name: identity,
            "summary": format!("s3://{}/{}", self.output_bucket, self.keys.summary),
            "console_url": text::console_url(self.console_region, self.output_bucket, page.unwrap_or(&self.keys.summary)),
            "notice": fields.notice.name(),
            "since": text::time(fields.since_ms.map(|time| time.div_euclid(1000))),
        });
        let page = page.map(|key| json!(format!("s3://{}/{key}", self.output_bucket)));
        let unmapped = with_optional(unmapped, [("page", page)]);
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
}

/// Returns the account and region of the log, if they are known.
pub(crate) fn cloud(account_id: Option<String>, region: Option<String>) -> Value {
    let account = |id: String| json!({"uid": id, "name": id, "type_id": 10, "type": "AWS Account"});
    let optional = [("account", account_id.map(account)), ("region", region.map(Value::String))];
    with_optional(json!({"provider": "AWS"}), optional)
}

pub(crate) fn product() -> Value {
    json!({"name": "flowsentry", "vendor_name": "flowsentry", "version": env!("CARGO_PKG_VERSION")})
}

pub(crate) fn finish(id: String, detail: Map<String, Value>) -> Alert {
    Alert { id, detail_type: FINDING, detail: Value::Object(detail).to_string() }
}

/// The fields in which alerts differ.
struct AlertFields<'a> {
    uid: &'a str,
    notice: Notice,
    finding_id: &'a str,
    title: &'a str,
    severity: Severity,
    count: u64,
    first_seen_ms: Option<i64>,
    last_seen_ms: Option<i64>,
    /// When the problem began, which may be before the records of this input.
    since_ms: Option<i64>,
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

pub(crate) fn into_members(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

pub(crate) fn activity(notice: Notice) -> (u8, &'static str) {
    match notice {
        Notice::New => (1, "Create"),
        Notice::Worse | Notice::Lasting => (2, "Update"),
        Notice::Resolved => (3, "Close"),
    }
}

pub(crate) fn status(notice: Notice) -> (u8, &'static str) {
    match notice {
        Notice::New => (1, "New"),
        Notice::Worse | Notice::Lasting => (2, "In Progress"),
        Notice::Resolved => (4, "Resolved"),
    }
}

pub(crate) fn severity(severity: Severity) -> (u8, &'static str) {
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
pub(crate) fn truncate(text: &str) -> String {
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
