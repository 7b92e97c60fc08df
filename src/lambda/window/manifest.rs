//! The manifest of a revision: what its run consists of, and what was left out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::lambda::event::{EarlierRun, PartItem};
use crate::plan::{Plan, SkipReason, Skipped};

/// The value of [`Manifest::schema`].
pub const SCHEMA: &str = "flowsentry/window/v1";
/// Length of the id of a run: 128 bits.
const RUN_ID_BYTES: usize = 16;

/// What the report of a window is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always `flowsentry/window/v1`.
    pub schema: String,
    /// Name of the report.
    pub name: String,
    /// Begin of the window, RFC 3339 in UTC.
    pub from: String,
    /// End of the window, exclusive.
    pub to: String,
    /// Number of the revision, from 1.
    pub revision: u32,
    /// Where the objects are: `bucket/prefix`.
    pub sources: Vec<String>,
    /// Number of objects.
    pub objects: u64,
    /// Their size in bytes, as stored.
    pub bytes: u64,
    /// Objects below the sources that are in no part, by reason. Those of other times are not counted.
    pub skipped: BTreeMap<SkipReason, Skipped>,
    /// Folders below the sources that were not listed, because they are not those of an account.
    pub unlisted_folders: Vec<String>,
    /// Hash of the objects, the topology, the configuration, and the version of the program.
    pub inputs: String,
    /// The folder of the run.
    pub run: String,
    /// Number of parts by level.
    pub parts: Vec<u32>,
    /// The run that this one makes again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<EarlierRun>,
}

/// The revision of a window that a run makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revision {
    /// The latest one: nothing has changed since it was planned.
    Latest,
    /// A new one.
    New {
        /// Its number.
        number: u32,
        /// The id of its run.
        run_id: String,
        /// Whether the latest run is made again, because some of its objects may be read now.
        is_again: bool,
    },
}

impl Revision {
    /// Decides by the latest revision, and by whether objects that it lacks may be read now. A new revision has a run of its own, also
    /// for inputs that an earlier one had: the parts of that one may lack objects.
    pub fn choose(latest: Option<&Manifest>, may_have_more: bool, inputs: &str) -> Revision {
        match latest {
            Some(latest) if latest.inputs == inputs && !may_have_more => Revision::Latest,
            Some(latest) => {
                let run_id = hash(&[inputs, &latest.run]);
                Revision::New { number: latest.revision.saturating_add(1), run_id, is_again: latest.inputs == inputs }
            }
            None => Revision::New { number: 1, run_id: hash(&[inputs, ""]), is_again: false },
        }
    }
}

/// Returns the parts of each level of a plan, from the bottom up. Level 0 analyzes batches; the last level has one part, unless there are no objects.
pub fn levels(plan: &Plan) -> Vec<Vec<PartItem>> {
    let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    let batches = (0..number(plan.batches.len())).map(|part| PartItem { level: 0, part, first: None, end: None });
    let mut levels: Vec<Vec<PartItem>> = Vec::new();
    if !plan.batches.is_empty() {
        levels.push(batches.collect());
    }
    for (level, merges) in (1..).zip(&plan.levels) {
        let item = |(part, merged): (usize, &std::ops::Range<usize>)| PartItem {
            level,
            part: number(part),
            first: Some(number(merged.start)),
            end: Some(number(merged.end)),
        };
        levels.push(merges.iter().enumerate().map(item).collect());
    }
    levels
}

/// Returns 128 bits of a SHA-256 over the parts, in hexadecimal digits. A length precedes each part.
pub fn hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(RUN_ID_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(revision: u32, inputs: &str, run: &str) -> Manifest {
        Manifest {
            schema: SCHEMA.to_owned(),
            name: "hourly".to_owned(),
            from: "2026-11-23T06:00:00Z".to_owned(),
            to: "2026-11-23T07:00:00Z".to_owned(),
            revision,
            sources: Vec::new(),
            objects: 0,
            bytes: 0,
            skipped: BTreeMap::new(),
            unlisted_folders: Vec::new(),
            inputs: inputs.to_owned(),
            run: run.to_owned(),
            parts: Vec::new(),
            again: None,
        }
    }

    fn new(revision: Revision) -> (u32, String) {
        match revision {
            Revision::New { number, run_id, .. } => (number, run_id),
            Revision::Latest => panic!("the latest"),
        }
    }

    #[test]
    fn a_revision_follows_a_change_or_a_failed_part() {
        let (first, run) = new(Revision::choose(None, false, "a"));
        assert_eq!((first, run.len()), (1, 32));
        let latest = manifest(3, "a", "f/windows/x/a/");
        assert_eq!(Revision::choose(Some(&latest), false, "a"), Revision::Latest);
        let (changed, changed_run) = new(Revision::choose(Some(&latest), false, "b"));
        assert_eq!((changed, &changed_run), (4, &hash(&["b", "f/windows/x/a/"])));
        let (again, again_run) = new(Revision::choose(Some(&latest), true, "a"));
        assert!(again == 4 && again_run != run, "parts that lack objects are not those of the new run");
        let is_again = |inputs: &str, latest| match Revision::choose(latest, true, inputs) {
            Revision::New { is_again, .. } => is_again,
            Revision::Latest => panic!("the latest"),
        };
        assert!(is_again("a", Some(&latest)) && !is_again("b", Some(&latest)) && !is_again("a", None));
    }

    #[test]
    fn inputs_that_return_have_a_run_of_their_own() {
        // An object came and went. The first revision may have lacked objects that can be read now.
        let (_, first) = new(Revision::choose(None, false, "a"));
        let (third, run) = new(Revision::choose(Some(&manifest(2, "b", "other")), false, "a"));
        assert!(third == 3 && run != first);
        let (same, same_run) = new(Revision::choose(Some(&manifest(2, "b", "other")), false, "a"));
        assert_eq!((same, same_run), (third, run), "two starts at once make the same parts");
    }
}
