//! Tables that fit the terminal: rather than break an address that someone wants to copy, the columns that matter least
//! are left out.

use textwrap::core::display_width;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// What stands above it; nothing if no column has a heading.
    pub heading: &'static str,
    /// Whether its cells are numbers.
    pub right: bool,
    /// 0 never leaves; of the others the greatest leaves first.
    pub leaves: u8,
}

const GAP: usize = 2;

/// The lines of a table, and the headings of the columns that were left out.
pub(super) fn fit(columns: &[Column], rows: &[Vec<String>], width: usize) -> (Vec<String>, Vec<&'static str>) {
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| display_width(cell));
            cells.chain([display_width(column.heading)]).max().unwrap_or(0)
        })
        .collect();
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let mut left_out = Vec::new();
    while shown.iter().map(|&at| GAP + widths[at]).sum::<usize>() > width {
        let next = shown.iter().copied().filter(|&at| columns[at].leaves > 0).max_by_key(|&at| columns[at].leaves);
        let Some(next) = next else { break };
        shown.retain(|&at| at != next);
        left_out.push(next);
    }
    left_out.sort_unstable();
    let headings: Vec<String> = columns.iter().map(|column| column.heading.to_owned()).collect();
    let headed = headings.iter().any(|heading| !heading.is_empty()).then_some(&headings);
    let line = |row: &Vec<String>| {
        let cells = shown.iter().map(|&at| pad(row.get(at).map_or("", String::as_str), widths[at], columns[at].right));
        cells.collect::<String>().trim_end().to_owned()
    };
    let lines = headed.into_iter().chain(rows).map(line).collect();
    (lines, left_out.into_iter().map(|at| columns[at].heading).collect())
}

fn pad(cell: &str, width: usize, right: bool) -> String {
    let room = " ".repeat(width.saturating_sub(display_width(cell)));
    let (before, behind) = if right { (room.as_str(), "") } else { ("", room.as_str()) };
    format!("{}{before}{cell}{behind}", " ".repeat(GAP))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { heading: "FLOWS", right: true, leaves: 0 },
        Column { heading: "SOURCE", right: false, leaves: 0 },
        Column { heading: "INTERFACE", right: false, leaves: 1 },
    ];

    fn rows() -> Vec<Vec<String>> {
        [["7", "10.0.0.1", "eni-1"], ["12345678", "日本", "eni-22"]].map(|row| row.map(str::to_owned).into()).into()
    }

    #[test]
    fn columns_are_aligned_by_the_width_that_is_seen() {
        let (lines, left_out) = fit(&COLUMNS, &rows(), 80);
        let expected =
            ["     FLOWS  SOURCE    INTERFACE", "         7  10.0.0.1  eni-1", "  12345678  日本      eni-22"];
        assert_eq!((lines.as_slice(), left_out.len()), (&expected.map(str::to_owned)[..], 0));
    }

    #[test]
    fn what_matters_least_leaves_first_and_the_rest_stays_whole() {
        let (lines, left_out) = fit(&COLUMNS, &rows(), 25);
        assert_eq!((lines[1].as_str(), left_out), ("         7  10.0.0.1", vec!["INTERFACE"]));
        let (lines, _) = fit(&COLUMNS, &rows(), 5);
        assert_eq!(lines[2], "  12345678  日本");
    }
}
