//! Keys of the objects of a run.

use jiff::Timestamp;

use crate::lambda::event::PartItem;
use crate::plan::Window;

/// The folders of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowFolder {
    /// That of the manifests.
    manifests: String,
    /// That of the runs.
    runs: String,
}

/// The folder of a run. It ends in a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder(String);

/// Returns the folder of all manifests. `prefix` is that of the outputs. They are kept as long as the reports.
fn manifests(prefix: &str) -> String {
    format!("{prefix}reports/manifests/")
}

/// Returns the folder of all runs, which may expire early.
fn windows(prefix: &str) -> String {
    format!("{prefix}windows/")
}

/// Returns `<from>-<to>`, to the second in UTC.
pub fn range_name(window: Window) -> String {
    let compact = |time: Timestamp| time.to_string().replace(['-', ':'], "");
    format!("{}-{}", compact(window.from), compact(window.to))
}

impl WindowFolder {
    /// Returns the folder of a window. The name is checked: see [`request`](super::request).
    pub fn new(prefix: &str, name: &str, window: Window) -> WindowFolder {
        let range = range_name(window);
        WindowFolder {
            manifests: format!("{}{name}/{range}/", manifests(prefix)),
            runs: format!("{}{name}/{range}/", windows(prefix)),
        }
    }

    /// Returns the folder of all manifests.
    pub fn manifests(&self) -> &str {
        &self.manifests
    }

    /// Returns the key of the manifest of a revision.
    pub fn manifest(&self, revision: u32) -> String {
        format!("{}r{revision:04}.json", self.manifests)
    }

    /// Returns the revision of a key of a manifest.
    pub fn revision(&self, key: &str) -> Option<u32> {
        let number = key.strip_prefix(&self.manifests)?.strip_prefix('r')?.strip_suffix(".json")?.parse().ok()?;
        (self.manifest(number) == key).then_some(number)
    }

    /// Returns the folder of a run, whose id is hexadecimal.
    pub fn run(&self, id: &str) -> RunFolder {
        RunFolder(format!("{}{id}/", self.runs))
    }
}

impl RunFolder {
    /// Takes the folder from an event. Returns `None` unless it is a folder below the windows of this output prefix.
    pub fn from_event(prefix: &str, folder: &str) -> Option<RunFolder> {
        let below = folder.strip_prefix(&windows(prefix))?;
        let is_folder = below.ends_with('/') && !below.split('/').any(|part| part == "..");
        is_folder.then(|| RunFolder(folder.to_owned()))
    }

    /// Returns the folder.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key of the list of a part's objects.
    pub fn batch(&self, part: u32) -> String {
        format!("{}batches/{part:05}.json", self.0)
    }

    /// Returns the key of the list of a level's parts.
    pub fn level(&self, level: u32) -> String {
        format!("{}level-{level}.json", self.0)
    }

    /// Returns the key of a part.
    pub fn part(&self, level: u32, part: u32) -> String {
        format!("{}parts/{level}-{part:05}.fspart", self.0)
    }
}

/// Returns the folder of the parts with objects that may be read later, of the revision with this manifest.
pub fn retry_folder(manifest: &str) -> String {
    format!("{}-retry/", manifest.strip_suffix(".json").unwrap_or(manifest))
}

/// Returns the key of the reason why a part lacks objects that may be read later.
pub fn retry(manifest: &str, item: PartItem) -> String {
    format!("{}{:05}.json", retry_folder(manifest), item.part)
}

/// Reports whether a key may be that of a manifest below this output prefix.
pub fn is_manifest(prefix: &str, key: &str) -> bool {
    key.strip_prefix(&manifests(prefix))
        .is_some_and(|below| below.ends_with(".json") && below.matches('/').count() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Window {
        let time = |text: &str| text.parse().expect("a time");
        Window { from: time("2026-11-23T06:00:00Z"), to: time("2026-11-23T07:00:00Z") }
    }

    #[test]
    fn keys_are_stable() {
        let folder = WindowFolder::new("flowsentry/", "hourly", window());
        let manifest = "flowsentry/reports/manifests/hourly/20261123T060000Z-20261123T070000Z/r0012.json";
        assert_eq!(folder.manifest(12), manifest);
        assert_eq!((folder.revision(manifest), folder.revision("r0012.json")), (Some(12), None));
        for other in ["r12.json", "r+0012.json", "r00012.json", "r0012.txt"] {
            assert_eq!(folder.revision(&format!("{}{other}", folder.manifests())), None, "{other}");
        }
        assert!(is_manifest("flowsentry/", manifest) && !is_manifest("other/", manifest));
        let run = folder.run("ab");
        assert_eq!(run.as_str(), "flowsentry/windows/hourly/20261123T060000Z-20261123T070000Z/ab/");
        let relative = |key: String| key.strip_prefix(run.as_str()).map(str::to_owned);
        assert_eq!(relative(run.batch(7)).as_deref(), Some("batches/00007.json"));
        assert_eq!(relative(run.level(1)).as_deref(), Some("level-1.json"));
        assert_eq!(relative(run.part(1, 7)).as_deref(), Some("parts/1-00007.fspart"));
        let item = PartItem { level: 0, part: 7, first: None, end: None };
        let retry = retry(manifest, item);
        assert_eq!(
            retry,
            "flowsentry/reports/manifests/hourly/20261123T060000Z-20261123T070000Z/r0012-retry/00007.json"
        );
        assert!(folder.revision(&retry).is_none() && !is_manifest("flowsentry/", &retry));
    }

    #[test]
    fn events_lead_to_runs_below_the_outputs_only() {
        let run = WindowFolder::new("f/", "hourly", window()).run("ab");
        assert_eq!(RunFolder::from_event("f/", run.as_str()).as_ref(), Some(&run));
        for other in ["f/windows/x", "f/summaries/x/", "windows/x/", "f/windows/../summaries/", ""] {
            assert_eq!(RunFolder::from_event("f/", other), None, "{other}");
        }
        assert!(!is_manifest("f/", "f/reports/manifests/r0001.json") && !is_manifest("f/", "f/summaries/a/b/c.json"));
    }
}
