//! Tables that fit the terminal. An address that cannot be copied is useless, so cells are never broken: the least
//! important columns are hidden instead.

use textwrap::core::display_width;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Empty for all columns of a table without a heading line.
    pub heading: &'static str,
    /// Alignment of its cells.
    pub align: Align,
    /// 0: never hidden. Otherwise the column with the greatest number is hidden first.
    pub drop_priority: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// A table that fits the terminal.
pub(super) struct FittedTable {
    /// The heading line, if any, and one line per row.
    pub lines: Vec<String>,
    /// Headings of the hidden columns.
    pub hidden: Vec<&'static str>,
}

/// Columns of space before each cell.
const GAP: usize = 2;

/// A column with its cells.
struct Cells<'a> {
    column: &'a Column,
    cells: Vec<&'a str>,
    width: usize,
    is_hidden: bool,
}

impl<'a> Cells<'a> {
    fn new(column: &'a Column, index: usize, rows: &'a [Vec<String>]) -> Cells<'a> {
        let cells: Vec<&str> = rows.iter().map(|row| row.get(index).map_or("", String::as_str)).collect();
        let widths = cells.iter().map(|cell| display_width(cell));
        let width = widths.chain([display_width(column.heading)]).max().unwrap_or(0);
        Cells { column, cells, width, is_hidden: false }
    }

    fn pad(&self, cell: &str) -> String {
        let (gap, padding) = (" ".repeat(GAP), " ".repeat(self.width.saturating_sub(display_width(cell))));
        match self.column.align {
            Align::Left => format!("{gap}{cell}{padding}"),
            Align::Right => format!("{gap}{padding}{cell}"),
        }
    }
}

/// Lays out a table, and hides columns until it fits the width or no column may be hidden.
pub(super) fn fit(columns: &[Column], rows: &[Vec<String>], width: usize) -> FittedTable {
    let mut columns: Vec<Cells<'_>> =
        columns.iter().enumerate().map(|(index, column)| Cells::new(column, index, rows)).collect();
    while columns.iter().filter(|column| !column.is_hidden).map(|column| GAP + column.width).sum::<usize>() > width {
        let candidates = columns.iter_mut().filter(|column| !column.is_hidden && column.column.drop_priority > 0);
        let Some(column) = candidates.max_by_key(|column| column.column.drop_priority) else { break };
        column.is_hidden = true;
    }
    let (hidden, visible): (Vec<_>, Vec<_>) = columns.iter().partition(|column| column.is_hidden);
    let has_headings = columns.iter().any(|column| !column.column.heading.is_empty());
    let headings = has_headings.then(|| visible.iter().map(|column| column.pad(column.column.heading)).collect());
    let row = |index: usize| {
        let cells = visible.iter().map(|column| column.pad(column.cells.get(index).copied().unwrap_or_default()));
        cells.collect::<String>()
    };
    let lines = headings.into_iter().chain((0..rows.len()).map(row));
    FittedTable {
        lines: lines.map(|line| line.trim_end().to_owned()).collect(),
        hidden: hidden.into_iter().map(|column| column.column.heading).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { heading: "FLOWS", align: Align::Right, drop_priority: 0 },
        Column { heading: "SOURCE", align: Align::Left, drop_priority: 0 },
        Column { heading: "INTERFACE", align: Align::Left, drop_priority: 1 },
    ];

    fn rows() -> Vec<Vec<String>> {
        [["7", "10.0.0.1", "eni-1"], ["12345678", "日本", "eni-22"]].map(|row| row.map(str::to_owned).into()).into()
    }

    #[test]
    fn columns_are_aligned_by_display_width() {
        let FittedTable { lines, hidden } = fit(&COLUMNS, &rows(), 80);
        let expected =
            ["     FLOWS  SOURCE    INTERFACE", "         7  10.0.0.1  eni-1", "  12345678  日本      eni-22"];
        assert_eq!((lines.as_slice(), hidden.len()), (&expected.map(str::to_owned)[..], 0));
    }

    #[test]
    fn narrow_table_hides_the_least_important_column() {
        let FittedTable { lines, hidden } = fit(&COLUMNS, &rows(), 25);
        assert_eq!((lines[1].as_str(), hidden), ("         7  10.0.0.1", vec!["INTERFACE"]));
        let FittedTable { lines, .. } = fit(&COLUMNS, &rows(), 5);
        assert_eq!(lines[2], "  12345678  日本");
    }
}
