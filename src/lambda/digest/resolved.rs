//! Renders the end of a finding, from what is stored about it. No input has it, so the alert has none.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::json;

use super::{Item, Section};
use crate::findings::types;
use crate::lambda::delivery::alerts::{
    Alert, MAX_ALERTS, MAX_TITLE_CHARACTERS, OCSF_VERSION, activity, cloud, finish, into_members, product, severity,
    status, text, truncate,
};
use crate::lambda::delivery::memory::Notice;
use crate::lambda::delivery::memory::entry::About;
use crate::sanitize::escape_truncated;

/// Renders the ends of findings, the most severe and latest first. The first ones have their own alert, the others share one.
pub fn render_all(ended: &[&Item], day: Date, output_bucket: &str, console_region: Option<&str>) -> Vec<Alert> {
    let mut ended = ended.to_vec();
    ended.sort_by(|a, b| (b.severity, b.last_seen, &a.id).cmp(&(a.severity, a.last_seen, &b.id)));
    let (first, others) = ended.split_at(ended.len().min(MAX_ALERTS));
    let others = roll_up(others, day);
    first.iter().copied().chain(&others).map(|item| render(item, output_bucket, console_region)).collect()
}

/// Returns one item for many findings that have ended, the most severe first.
fn roll_up(items: &[&Item], day: Date) -> Option<Item> {
    let worst = items.first()?;
    let mut by_type: BTreeMap<&str, usize> = BTreeMap::new();
    for item in items {
        *by_type.entry(&item.about.finding_type).or_default() += 1;
    }
    let types: Vec<String> = by_type.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let about = About {
        finding_type: "roll-up".to_owned(),
        title: format!("{} more findings have ended: {}", items.len(), types.join(", ")),
        subject: format!("{} findings", items.len()),
        summary: worst.about.summary.clone(),
        ..About::default()
    };
    let (id, severity) = (types::id("roll-up", &format!("resolved-{day}")), worst.severity);
    let first_seen = items.iter().map(|item| item.first_seen).min().unwrap_or(worst.first_seen);
    let last_seen = items.iter().map(|item| item.last_seen).max().unwrap_or(worst.last_seen);
    Some(Item { section: Section::Ended, id, about, severity, first_seen, last_seen, data_until: worst.data_until })
}

/// Renders the alert that a finding has ended. Its id depends on the finding and its last record, so that a repeated one has the same.
pub fn render(item: &Item, output_bucket: &str, console_region: Option<&str>) -> Alert {
    let about = &item.about;
    let (finding_type, title) = (truncate(&about.finding_type), escape_truncated(&about.title, MAX_TITLE_CHARACTERS));
    let (activity_id, activity) = activity(Notice::Resolved);
    let (status_id, status) = status(Notice::Resolved);
    let (severity_id, severity) = severity(item.severity);
    let id = format!("{}-resolved-{}", truncate(&item.id), item.last_seen);
    let summary = escape_truncated(&about.summary, MAX_TITLE_CHARACTERS);
    let [first_seen_ms, last_seen_ms] = [item.first_seen, item.last_seen].map(|time| time.saturating_mul(1000));
    let detail = json!({
        "activity_id": activity_id, "activity_name": activity,
        "category_uid": 2, "category_name": "Findings",
        "class_uid": 2004, "class_name": "Detection Finding",
        "type_uid": 200_400 + u32::from(activity_id), "type_name": format!("Detection Finding: {activity}"),
        "time": last_seen_ms, "start_time": first_seen_ms, "end_time": last_seen_ms,
        "severity_id": severity_id, "severity": severity,
        "status_id": status_id, "status": status,
        "is_alert": true,
        "count": 1,
        "message": title,
        "metadata": {
            "version": OCSF_VERSION, "uid": id, "event_code": finding_type, "product": product(), "profiles": ["cloud"],
        },
        "cloud": cloud(about.account_id.as_deref().map(truncate), about.region.as_deref().map(truncate)),
        "finding_info": {
            "uid": truncate(&item.id), "title": title, "types": [finding_type],
            "analytic": {"name": finding_type, "uid": finding_type, "type_id": 1, "type": "Rule"},
            "first_seen_time": first_seen_ms, "last_seen_time": last_seen_ms,
        },
        "remediation": {"desc": "Nothing: no record has shown it for a day."},
        "unmapped": {
            "notice": Notice::Resolved.name(),
            "where": escape_truncated(&about.subject, MAX_TITLE_CHARACTERS),
            "since": text::time(Some(item.first_seen)),
            "summary": format!("s3://{output_bucket}/{summary}"),
            "console_url": text::console_url(console_region, output_bucket, &summary),
        },
    });
    finish(id, into_members(detail))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::findings::types::Severity;

    fn ended(number: u32) -> Item {
        let about = About { finding_type: "port-scan".to_owned(), ..About::default() };
        let severity = if number == 30 { Severity::High } else { Severity::Low };
        let (first_seen, last_seen, data_until) = (1_795_932_000, 1_795_935_600, 1_796_025_600);
        let (section, id) = (Section::Ended, format!("{number:032x}"));
        Item { section, id, about, severity, first_seen, last_seen, data_until }
    }

    #[test]
    fn many_ends_share_an_alert_after_the_first_20() {
        let items: Vec<Item> = (1..=30).map(ended).collect();
        let day = jiff::civil::date(2026, 11, 30);
        let alerts = render_all(&items.iter().collect::<Vec<_>>(), day, "out", None);
        let detail = |index: usize| serde_json::from_str::<Value>(&alerts[index].detail).expect("JSON");
        assert_eq!((alerts.len(), &detail(0)["severity"]), (21, &json!("High")));
        let last = detail(20);
        assert_eq!(last["message"], "10 more findings have ended: 10 port-scan");
        assert_eq!((&last["unmapped"]["notice"], &last["severity"]), (&json!("resolved"), &json!("Low")));
        let again = render_all(&items.iter().rev().collect::<Vec<_>>(), day, "out", None);
        assert_eq!(again, alerts, "a repetition");
        assert_eq!(render_all(&[&items[0]], day, "out", None).len(), 1);
    }

    #[test]
    fn the_end_of_a_finding_closes_it() {
        let about = About { finding_type: "port-scan".to_owned(), title: "a scan".to_owned(), ..About::default() };
        let (id, severity) = ("f".to_owned(), Severity::High);
        let item = Item { id, about, severity, ..ended(1) };
        let alert = render(&item, "out", None);
        let detail: Value = serde_json::from_str(&alert.detail).expect("JSON");
        assert_eq!((alert.id.as_str(), &detail["metadata"]["uid"]), ("f-resolved-1795935600", &json!(alert.id)));
        let fields = ["activity_name", "type_uid", "status", "severity", "end_time"].map(|name| detail[name].clone());
        let expected = [json!("Close"), json!(200_403), json!("Resolved"), json!("High"), json!(1_795_935_600_000_u64)];
        assert_eq!(fields, expected);
        assert_eq!(detail["unmapped"]["since"], "2026-11-29 06:00 UTC");
    }
}
