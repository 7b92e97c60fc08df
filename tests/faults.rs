//! Checks the table in `docs/faults.md`: it has a row for each fault, and every test that a row names exists.

#![expect(clippy::disallowed_methods, reason = "the test reads the sources")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use walkdir::WalkDir;

/// The number of faults of each origin.
const FAULTS: [(char, usize); 6] = [('I', 34), ('E', 22), ('A', 25), ('R', 12), ('C', 22), ('S', 15)];

struct Row {
    number: String,
    tests: Vec<String>,
    verified_by: String,
}

/// Returns the rows of the table.
fn rows() -> Vec<Row> {
    let text = fs::read_to_string("docs/faults.md").expect("the table");
    let cells = |line: &str| line.split(" | ").map(|cell| cell.trim_matches(['|', ' ']).to_owned()).collect();
    let rows = text.lines().map(cells).filter(|cells: &Vec<String>| cells.len() == 4);
    let rows = rows.filter(|cells| cells[0].len() < 4 && cells[0].ends_with(|last: char| last.is_ascii_digit()));
    rows.map(|cells| {
        let quoted = cells[3].split('`').skip(1).step_by(2).map(str::to_owned);
        let tests = quoted.filter(|name| name.contains('_') && *name == name.to_lowercase()).collect();
        Row { number: cells[0].clone(), tests, verified_by: cells[3].clone() }
    })
    .collect()
}

/// Returns the names of all tests: Rust functions below a test attribute, also in `proptest!`, and functions of pytest.
fn tests() -> BTreeSet<String> {
    let files = ["src", "tests"].iter().flat_map(|folder| WalkDir::new(Path::new(folder)));
    let mut tests = BTreeSet::new();
    for file in files.map(|file| file.expect("a file").into_path()) {
        let has_extension = |extension: &str| file.extension().is_some_and(|found| found == extension);
        if !has_extension("rs") && !has_extension("py") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("text");
        let mut after_attribute = false;
        for line in text.lines().map(str::trim_start) {
            if has_extension("py") {
                tests.extend(line.strip_prefix("def test_").and_then(name).map(|name| format!("test_{name}")));
            } else if line == "#[test]" || line.starts_with("#[tokio::test") {
                after_attribute = true;
            } else if let Some(function) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ") {
                tests.extend(name(function).filter(|_| after_attribute).map(str::to_owned));
                after_attribute = false;
            }
        }
    }
    tests
}

/// Returns the name of a function, from the text after `fn` or `def`.
fn name(text: &str) -> Option<&str> {
    text.split_once('(').map(|(name, _)| name)
}

#[test]
fn each_fault_has_a_row_and_its_named_tests_exist() {
    let (rows, tests) = (rows(), tests());
    let expected: Vec<String> =
        FAULTS.iter().flat_map(|(kind, count)| (1..=*count).map(move |n| format!("{kind}{n}"))).collect();
    let numbers: Vec<&String> = rows.iter().map(|row| &row.number).collect();
    assert_eq!(numbers, expected.iter().collect::<Vec<_>>());
    let missing: Vec<&String> = rows.iter().flat_map(|row| &row.tests).filter(|test| !tests.contains(*test)).collect();
    assert!(missing.is_empty(), "these tests do not exist: {missing:#?}");
    for Row { number, tests, verified_by } in &rows {
        let has_reason = verified_by.strip_prefix("none: ").is_some_and(|reason| reason.len() > 10);
        assert!(
            tests.is_empty() == has_reason,
            "{number} needs names of tests, or a reason why there are none: {verified_by}"
        );
    }
}
