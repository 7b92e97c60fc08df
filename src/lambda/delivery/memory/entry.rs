//! The stored object of a finding: its memory, and the texts that a digest needs. Its key and its bytes.
//!
//! A stored object is untrusted: others may write to the bucket. It is limited in size, and an object that is not valid counts as missing, so
//! that the finding is new again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Memory;
use crate::summary::json::line;

/// Maximum size of a stored object, in bytes. The largest that is written has about 4 KB.
pub const MAX_ENTRY_BYTES: u64 = 32 << 10;
/// The schema of stored objects.
const SCHEMA: &str = "flowsentry/state/v1";
/// Length of a finding's id: 128 bits in hexadecimal digits.
const ID_DIGITS: usize = 32;

/// What is stored of one finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    schema: String,
    /// The finding's id.
    pub id: String,
    /// What the finding says.
    pub about: About,
    /// When it was seen and sent.
    pub memory: Memory,
}

/// What a finding said when it was last sent, for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Type of the problem.
    #[serde(rename = "type")]
    pub finding_type: String,
    /// Description in one line.
    pub title: String,
    /// Its subject, with the names of its resources.
    pub subject: String,
    /// The members of its subject that are one value, as text: by these the configuration may suppress it.
    #[serde(default)]
    pub members: BTreeMap<String, String>,
    /// What to do.
    pub next_step: String,
    /// Account id of the log, if it is known.
    pub account_id: Option<String>,
    /// Region of the log, if it is known.
    pub region: Option<String>,
    /// Name of the report, if only reports of windows have the finding.
    #[serde(default)]
    pub window: Option<String>,
    /// The key of the summary.
    pub summary: String,
}

impl About {
    /// Keeps the account and Region that are known, if a report or an unknown log has the finding too: only their records tell whether it
    /// lasts.
    #[must_use]
    pub fn with_known_place(self, known: &About) -> About {
        let is_known = |about: &About| about.account_id.is_some() || about.region.is_some();
        if is_known(&self) || !is_known(known) {
            return self;
        }
        About { account_id: known.account_id.clone(), region: known.region.clone(), window: None, ..self }
    }
}

impl Entry {
    /// Creates the entry of a finding.
    pub fn new(id: &str, about: About, memory: Memory) -> Entry {
        Entry { schema: SCHEMA.to_owned(), id: id.to_owned(), about, memory }
    }

    /// Parses a stored object.
    ///
    /// # Errors
    /// If it is not the entry of the finding with this id. The text is for the log.
    pub fn parse(bytes: &[u8], id: &str) -> Result<Entry, String> {
        let entry: Entry = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if entry.schema != SCHEMA {
            return Err(format!("its schema is not {SCHEMA}"));
        }
        if entry.id == id { Ok(entry) } else { Err("it is of another finding".to_owned()) }
    }

    /// Renders the object to store.
    pub fn render(&self) -> Vec<u8> {
        line(self)
    }
}

/// Returns the prefix of the keys of all entries. The prefix of the outputs is empty or ends in a slash.
pub fn prefix(output_prefix: &str) -> String {
    format!("{output_prefix}state/findings/")
}

/// Returns the key of a finding's entry, or `None` if the text is not the id of a finding.
pub fn key(output_prefix: &str, id: &str) -> Option<String> {
    is_id(id).then(|| format!("{}{id}.json", prefix(output_prefix)))
}

/// Returns the id of the finding whose entry has this key.
pub fn id_of<'a>(output_prefix: &str, key: &'a str) -> Option<&'a str> {
    let id = key.strip_prefix(&prefix(output_prefix))?.strip_suffix(".json")?;
    is_id(id).then_some(id)
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "2e68d639fc923aaa0ad239fcda548f24";

    fn entry() -> Entry {
        let (sent, claim, ended, digest) = (None, None, None, None);
        let memory = Memory { first_seen: 7, last_seen: 9, first_sent: None, sent, claim, ended, digest };
        Entry::new(ID, About { title: "a".to_owned(), ..About::default() }, memory)
    }

    #[test]
    fn a_stored_entry_is_read_back() {
        assert_eq!(Entry::parse(&entry().render(), ID), Ok(entry()));
        let stored = String::from_utf8(entry().render()).expect("text");
        for damaged in ["", "{}", &stored.replace("/v1", "/v2"), &stored.replace(ID, "0"), &stored[1..]] {
            assert!(Entry::parse(damaged.as_bytes(), ID).is_err(), "{damaged}");
        }
    }

    #[test]
    fn a_report_does_not_replace_a_known_account_and_region() {
        let about = |account: Option<&str>, window: Option<&str>, title: &str| About {
            account_id: account.map(str::to_owned),
            window: window.map(str::to_owned),
            title: title.to_owned(),
            ..About::default()
        };
        let (object, report) = (about(Some("1"), None, "object"), about(None, Some("daily"), "report"));
        assert_eq!(report.clone().with_known_place(&object), about(Some("1"), None, "report"));
        assert_eq!(object.clone().with_known_place(&report), object);
        assert_eq!(report.clone().with_known_place(&about(None, Some("hourly"), "")), report);
        assert_eq!(about(Some("2"), None, "").with_known_place(&object), about(Some("2"), None, ""));
    }

    #[test]
    fn only_the_id_of_a_finding_has_a_key() {
        let stored = key("flowsentry/", ID);
        assert_eq!(stored.as_deref(), Some("flowsentry/state/findings/2e68d639fc923aaa0ad239fcda548f24.json"));
        assert_eq!(stored.as_deref().and_then(|key| id_of("flowsentry/", key)), Some(ID));
        for invalid in ["", "../x", &ID[1..], &ID.to_uppercase(), "2e68d639fc923aaa0ad239fcda548f2/"] {
            assert_eq!(key("", invalid), None, "{invalid}");
        }
        for other in ["flowsentry/state/data/x.json", "flowsentry/state/findings/x.json", "state/findings/x.json"] {
            assert_eq!(id_of("flowsentry/", other), None, "{other}");
        }
    }
}
