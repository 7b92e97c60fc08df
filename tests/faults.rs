//! The table of faults in the docs names tests: each of them has to exist.

#![expect(clippy::disallowed_methods, reason = "the test reads the sources")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use walkdir::WalkDir;

/// So many faults of each kind.
const FAULTS: [(char, usize); 6] = [('I', 21), ('E', 15), ('A', 16), ('R', 11), ('C', 8), ('S', 13)];

struct Row {
    number: String,
    tests: Vec<String>,
    held_by: String,
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string("docs/faults.md").expect("the table");
    let cells = |line: &str| line.split(" | ").map(|cell| cell.trim_matches(['|', ' ']).to_owned()).collect();
    let rows = text.lines().map(cells).filter(|cells: &Vec<String>| cells.len() == 4);
    let rows = rows.filter(|cells| cells[0].len() < 4 && cells[0].ends_with(|last: char| last.is_ascii_digit()));
    rows.map(|cells| {
        let quoted = cells[3].split('`').skip(1).step_by(2).map(str::to_owned);
        let tests = quoted.filter(|name| name.contains('_') && *name == name.to_lowercase()).collect();
        Row { number: cells[0].clone(), tests, held_by: cells[3].clone() }
    })
    .collect()
}

/// The names of all tests: functions after an attribute of a test, or in a test's `proptest!`, and those of pytest.
fn tests() -> BTreeSet<String> {
    let files = ["src", "tests"].iter().flat_map(|folder| WalkDir::new(Path::new(folder)));
    let mut tests = BTreeSet::new();
    for file in files.map(|file| file.expect("a file").into_path()) {
        let is = |extension: &str| file.extension().is_some_and(|it| it == extension);
        if !is("rs") && !is("py") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("text");
        let mut is_test = false;
        for line in text.lines().map(str::trim_start) {
            if is("py") {
                tests.extend(line.strip_prefix("def test_").and_then(name).map(|name| format!("test_{name}")));
            } else if line == "#[test]" || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(rest) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ") {
                tests.extend(name(rest).filter(|_| is_test).map(str::to_owned));
                is_test = false;
            }
        }
    }
    tests
}

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
    assert!(missing.is_empty(), "there are no such tests: {missing:#?}");
    for Row { number, tests, held_by } in &rows {
        let reason = held_by.strip_prefix("none: ").is_some_and(|reason| reason.len() > 10);
        assert!(tests.is_empty() == reason, "{number} names tests or says why there are none: {held_by}");
    }
}
