//! Dependencies between the modules run one way. This is the table of those that are allowed: a new one is a decision,
//! and is made here.

#![expect(clippy::disallowed_methods, reason = "the test reads the sources")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with all that it uses. What stands further down knows nothing of what stands further up.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "cli",
        &["analysis", "config", "finding", "format", "limits", "pipeline", "report", "sink", "summary", "topology"],
    ),
    (
        "handler",
        &[
            "aws", "delivery", "error", "event", "finding", "keys", "pipeline", "quote", "report", "settings", "sink",
            "summary",
        ],
    ),
    ("log", &["settings"]),
    ("aws", &["event", "quote", "sink", "summary", "topology", "topology_uri"]),
    ("delivery", &[]),
    (
        "settings",
        &["counts", "finding", "format", "limits", "pipeline", "quote", "report", "thresholds", "topology_uri"],
    ),
    ("topology_uri", &[]),
    ("event", &["quote"]),
    ("sink", &["cause", "detect", "finding", "iana", "keys", "quote", "summary", "tally", "time", "topology"]),
    ("keys", &["summary"]),
    (
        "report",
        &[
            "analysis",
            "detect",
            "iana",
            "interfaces",
            "let_through",
            "limits",
            "names",
            "peering",
            "record",
            "rejects",
            "scope",
            "summary",
            "tally",
            "thresholds",
            "topology",
        ],
    ),
    (
        "detect",
        &[
            "address",
            "cause",
            "finding",
            "iana",
            "interfaces",
            "names",
            "peering",
            "record",
            "rejects",
            "tally",
            "thresholds",
            "topology",
        ],
    ),
    (
        "pipeline",
        &["analysis", "cpu", "error", "format", "limits", "lines", "parse", "record", "summary", "text", "topology"],
    ),
    (
        "analysis",
        &[
            "format",
            "interfaces",
            "let_through",
            "limits",
            "names",
            "parse",
            "peering",
            "record",
            "rejects",
            "summary",
            "tally",
            "topology",
        ],
    ),
    ("peering", &["address", "interfaces", "keyed", "names", "record", "scope", "tally", "topology"]),
    ("topology", &["address", "finding", "quote", "scope", "summary"]),
    ("parse", &["address", "buffer", "cpu", "field", "format", "lines", "record", "time"]),
    ("summary", &["cause", "finding", "record", "scope", "tally", "time"]),
    ("finding", &["cause", "record", "scope", "tally"]),
    ("rejects", &["cause", "interfaces", "keyed", "let_through", "limits", "names", "record", "tally"]),
    ("cause", &["let_through", "names", "record"]),
    ("let_through", &["limits", "names", "record"]),
    ("interfaces", &["limits", "names", "record", "tally"]),
    ("tally", &["record", "time"]),
    ("record", &["time"]),
    ("format", &["field"]),
    ("lines", &["buffer", "cpu", "error", "text"]),
    ("text", &["error", "inflate"]),
    ("inflate", &["cpu"]),
    ("names", &["limits"]),
    ("config", &["counts", "limits", "thresholds"]),
    ("thresholds", &["counts"]),
    ("limits", &["counts"]),
    ("counts", &[]),
    ("keyed", &[]),
    ("iana", &[]),
    ("quote", &[]),
    ("address", &["buffer", "cpu"]),
    ("buffer", &[]),
    ("cpu", &[]),
    ("scope", &[]),
    ("field", &[]),
    ("time", &[]),
    ("error", &[]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the sources").map(|entry| entry.expect("a source").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let rust = files.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let rust = rust.filter(|path| !path.ends_with("tests.rs"));
    rust.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
}

/// The module below `src`, and what its code uses of the others; tests and docs may use anything.
fn uses(root: &Path, source: &Path) -> (String, BTreeSet<String>) {
    let below = source.strip_prefix(root).expect("below src");
    let module = below.iter().next().expect("a name").to_string_lossy().trim_end_matches(".rs").to_owned();
    let text = fs::read_to_string(source).expect("a source");
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    let used = code.split("crate::").skip(1).map(name).filter(|used| *used != module && !used.is_empty()).collect();
    (module, used)
}

#[test]
fn modules_use_what_the_table_allows_and_nothing_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut met: Vec<(String, BTreeSet<String>)> = Vec::new();
    for (module, used) in sources(&root).iter().map(|source| uses(&root, source)) {
        match met.iter_mut().find(|(known, _)| *known == module) {
            Some((_, all)) => all.extend(used),
            None => met.push((module, used)),
        }
    }
    met.retain(|(module, _)| !["lib", "bin"].contains(&module.as_str()));
    met.sort();
    let mut allowed: Vec<(String, BTreeSet<String>)> = ALLOWED
        .iter()
        .map(|(module, used)| ((*module).to_owned(), used.iter().map(|&used| used.to_owned()).collect()))
        .collect();
    allowed.sort();
    assert_eq!(met, allowed, "left is what the sources use, right what the table allows");
}

#[test]
fn the_table_runs_one_way() {
    for (place, (module, used)) in ALLOWED.iter().enumerate() {
        for used in *used {
            let below = ALLOWED[place..].iter().any(|(other, _)| other == used);
            assert!(below, "{module} uses {used}, which does not stand further down");
        }
    }
}
