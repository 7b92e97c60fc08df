//! Renders a digest: the event, and in it the lines of the email. The text is of limited size, and untrusted parts are escaped.
//!
//! EventBridge can insert single values into an email, but no lists. So each line has a member of its own, and the number of lines is fixed.

use jiff::civil::{Date, Weekday};
use serde_json::{Map, Value, json};

use super::{AllProgress, Item, Section};
use crate::findings::types::Severity;
use crate::lambda::delivery::alerts::text::{console_url, time};
use crate::lambda::delivery::alerts::{Alert, DIGEST};
use crate::sanitize::escape_truncated;

/// Number of lines of the email.
pub const LINES: usize = 24;
/// Lines that are no findings: the first one, a header and a remainder for each section, and the last one.
const OTHER_LINES: usize = 8;
/// Lines that are kept for findings that last, and for those that have ended, if there are any.
const KEPT_LASTING: usize = 4;
const KEPT_ENDED: usize = 3;
/// Maximum number of findings of a section in the event.
const MAX_ITEMS: usize = 25;
/// Maximum length of a line.
const MAX_LINE_CHARACTERS: usize = 1_000;
/// Maximum length of a text of a finding.
const MAX_TEXT_CHARACTERS: usize = 300;

/// A digest to render.
#[derive(Debug, Clone)]
pub struct Digest<'a> {
    /// Its day, in UTC.
    pub day: Date,
    /// The findings, in any order.
    pub items: Vec<Item>,
    /// Number of memories that were not read, because there are too many.
    pub not_read: usize,
    /// How far the records have come.
    pub progress: &'a AllProgress,
    /// The bucket of the outputs.
    pub output_bucket: &'a str,
    /// The function's Region, for links to the console.
    pub console_region: Option<&'a str>,
}

impl Digest<'_> {
    /// Renders the event. Returns `None` if there is nothing to report. On Mondays that is reported too, so that a digest that does not
    /// arrive is noticed.
    pub fn render(mut self) -> Option<Alert> {
        self.items.sort_by(|a, b| {
            (a.section, b.severity, b.last_seen, &a.id).cmp(&(b.section, a.severity, a.last_seen, &b.id))
        });
        let is_quiet = self.items.is_empty();
        if is_quiet && self.day.weekday() != Weekday::Monday {
            return None;
        }
        let id = format!("digest-{}", self.day);
        let detail = json!({
            "metadata": {"uid": id, "event_code": "digest"},
            "day": self.day.to_string(),
            "counts": {
                "new": self.count(Section::New),
                "lasting": self.count(Section::Lasting),
                "ended": self.count(Section::Ended),
                "not_read": self.not_read,
            },
            "data_until": self.progress.latest().map(|latest| time(Some(latest))),
            "new": self.list(Section::New),
            "lasting": self.list(Section::Lasting),
            "ended": self.list(Section::Ended),
            "mail": self.mail(is_quiet),
        });
        Some(Alert { id, detail_type: DIGEST, detail: detail.to_string() })
    }

    fn of(&self, section: Section) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| item.section == section)
    }

    fn count(&self, section: Section) -> usize {
        self.of(section).count()
    }

    fn list(&self, section: Section) -> Vec<Value> {
        self.of(section).take(MAX_ITEMS).map(|item| self.item(item)).collect()
    }

    fn item(&self, item: &Item) -> Value {
        let about = &item.about;
        json!({
            "id": text(&item.id), "type": text(&about.finding_type), "severity": severity(item.severity),
            "title": text(&about.title), "where": text(&about.subject), "next_step": text(&about.next_step),
            "account_id": about.account_id.as_deref().map(text), "region": about.region.as_deref().map(text),
            "since": time(Some(item.first_seen)), "last_seen": time(Some(item.last_seen)),
            "console_url": self.link(item),
        })
    }

    fn link(&self, item: &Item) -> String {
        console_url(self.console_region, self.output_bucket, &text(&item.about.summary))
    }

    /// Returns the lines by their names, `line_01` and so on.
    fn mail(&self, is_quiet: bool) -> Map<String, Value> {
        let mut lines = if is_quiet { self.quiet() } else { self.lines() };
        lines.resize(LINES, String::new());
        let named = |(index, line): (usize, &String)| {
            (format!("line_{:02}", index + 1), json!(escape_truncated(line, MAX_LINE_CHARACTERS)))
        };
        lines.iter().enumerate().map(named).collect()
    }

    fn quiet(&self) -> Vec<String> {
        vec![
            format!("flowsentry, {}: all quiet. No finding is new, lasts, or has ended.", self.day),
            self.last_line(),
            "This message comes on Mondays; on other days without findings there is none.".to_owned(),
        ]
    }

    fn lines(&self) -> Vec<String> {
        let [new, lasting, ended] = [Section::New, Section::Lasting, Section::Ended].map(|section| self.count(section));
        let mut lines =
            vec![format!("flowsentry, {}: {new} new, {lasting} lasting, {ended} ended finding(s)", self.day)];
        let mut free = LINES - OTHER_LINES;
        for (section, name, kept) in [
            (Section::New, "NEW", lasting.min(KEPT_LASTING) + ended.min(KEPT_ENDED)),
            (Section::Lasting, "LASTING", ended.min(KEPT_ENDED)),
            (Section::Ended, "ENDED", 0),
        ] {
            let count = self.count(section);
            if count == 0 {
                continue;
            }
            let shown = count.min(free.saturating_sub(kept));
            free -= shown;
            lines.push(format!("{name} ({count})"));
            lines.extend(self.of(section).take(shown).map(|item| self.line(item)));
            if shown < count {
                lines.push(format!("... and {} more, which the tables of findings have", count - shown));
            }
        }
        lines.push(self.last_line());
        lines
    }

    fn line(&self, item: &Item) -> String {
        let about = &item.about;
        let place = [&about.account_id, &about.region].map(|part| part.as_deref().map_or_else(String::new, text));
        let next = match item.section {
            Section::Ended => format!("Last seen {}.", time(Some(item.last_seen))),
            Section::New | Section::Lasting => format!("Next: {}", text(&about.next_step)),
        };
        format!(
            "- {} {}: {}. Where: {} ({}). Since {}. {next} Summary: {}",
            severity(item.severity),
            text(&about.finding_type),
            text(&about.title).trim_end_matches('.'),
            text(&about.subject),
            place.join(" ").trim(),
            time(Some(item.first_seen)),
            self.link(item)
        )
    }

    fn last_line(&self) -> String {
        let not_read = match self.not_read {
            0 => String::new(),
            count => format!(" {count} older memories were not read."),
        };
        let (places, reports) = self.progress.counts();
        let reports = if reports > 0 { format!(", and reports of {reports} name(s) made") } else { String::new() };
        match self.progress.latest() {
            Some(latest) => {
                let latest = time(Some(latest));
                format!(
                    "Flow logs of {places} account(s) and Region(s) were read{reports}, the latest of {latest}.{not_read}"
                )
            }
            None => format!("No flow log was read.{not_read}"),
        }
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
    }
}

/// Escapes and truncates untrusted text: what is stored may have been changed by others.
fn text(text: &str) -> String {
    let escaped = escape_truncated(text, MAX_TEXT_CHARACTERS);
    escaped.chars().take(MAX_TEXT_CHARACTERS).collect()
}
