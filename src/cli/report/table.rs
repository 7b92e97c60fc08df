//! Tables that fit the terminal. An address that cannot be copied is useless, so cells are never broken: the least
//! important columns are hidden instead. Before that, ids lose the names beside them.

use textwrap::core::display_width;

use super::wrap;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// Empty for all columns of a table without a heading line.
    pub heading: &'static str,
    /// Alignment of its cells.
    pub align: Align,
    /// 0: never hidden. Otherwise the column with the greatest number is shortened first, and then hidden.
    pub drop_priority: u8,
}

/// Text of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    /// Text in a table that is wide enough.
    pub full: String,
    /// Text in a narrow table. It may equal the full text.
    pub short: String,
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell { short: text.clone(), full: text }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

impl Column {
    /// Creates a column of words.
    pub(super) const fn text(heading: &'static str, drop_priority: u8) -> Column {
        Column { heading, align: Align::Left, drop_priority }
    }

    /// Creates a column of numbers.
    pub(super) const fn number(heading: &'static str, drop_priority: u8) -> Column {
        Column { heading, align: Align::Right, drop_priority }
    }
}

/// A table that fits the terminal.
pub(super) struct FittedTable {
    /// The heading line, if any, and one line per row, or more if even the columns that remain do not fit.
    pub lines: Vec<String>,
    /// Headings of the hidden columns that have one.
    pub hidden: Vec<&'static str>,
}

/// Columns of space before each cell.
const GAP: usize = 2;

/// A column with its cells.
struct Cells<'a> {
    column: &'a Column,
    cells: Vec<&'a Cell>,
    width: usize,
    is_short: bool,
    is_hidden: bool,
}

impl<'a> Cells<'a> {
    fn new(column: &'a Column, index: usize, rows: &'a [Vec<Cell>]) -> Cells<'a> {
        let cells = rows.iter().filter_map(|row| row.get(index)).collect();
        let mut cells = Cells { column, cells, width: 0, is_short: false, is_hidden: false };
        cells.width = cells.max_width();
        cells
    }

    fn max_width(&self) -> usize {
        let widths = self.cells.iter().map(|cell| display_width(self.text(cell)));
        widths.chain([display_width(self.column.heading)]).max().unwrap_or(0)
    }

    fn text<'c>(&self, cell: &'c Cell) -> &'c str {
        if self.is_short { &cell.short } else { &cell.full }
    }

    fn can_be_reduced(&self) -> bool {
        !self.is_hidden && (self.column.drop_priority > 0 || !self.is_short)
    }

    /// Shortens the cells. If that does not make the column narrower, hides it if it may be hidden.
    fn reduce(&mut self) {
        let width = self.width;
        self.is_short = true;
        self.width = self.max_width();
        self.is_hidden = self.width == width && self.column.drop_priority > 0;
    }

    fn pad(&self, cell: &str) -> String {
        let (gap, padding) = (" ".repeat(GAP), " ".repeat(self.width.saturating_sub(display_width(cell))));
        match self.column.align {
            Align::Left => format!("{gap}{cell}{padding}"),
            Align::Right => format!("{gap}{padding}{cell}"),
        }
    }
}

/// Lays out a table, and shortens and hides columns until it fits the width or no column may be hidden.
pub(super) fn fit(columns: &[Column], rows: &[Vec<Cell>], width: usize) -> FittedTable {
    let mut columns: Vec<Cells<'_>> =
        columns.iter().enumerate().map(|(index, column)| Cells::new(column, index, rows)).collect();
    while columns.iter().filter(|column| !column.is_hidden).map(|column| GAP + column.width).sum::<usize>() > width {
        let candidates = columns.iter_mut().filter(|column| column.can_be_reduced());
        // Of columns that are never hidden, the last: it is the least important one.
        let Some(column) = candidates.max_by_key(|column| column.column.drop_priority) else { break };
        column.reduce();
    }
    let (hidden, visible): (Vec<_>, Vec<_>) = columns.iter().partition(|column| column.is_hidden);
    let has_headings = columns.iter().any(|column| !column.column.heading.is_empty());
    let headings: Option<Vec<&str>> =
        has_headings.then(|| visible.iter().map(|column| column.column.heading).collect());
    let cells = |index: usize| -> Vec<&str> {
        visible.iter().map(|column| column.cells.get(index).map_or("", |cell| column.text(cell))).collect()
    };
    let fits = visible.iter().map(|column| GAP + column.width).sum::<usize>() <= width;
    let line = |cells: Vec<&str>| {
        if fits {
            visible.iter().zip(cells).map(|(column, cell)| column.pad(cell)).collect::<String>().trim_end().to_owned()
        } else {
            // Whole cells in several lines are of more use than columns that the terminal cuts.
            let cells: Vec<&str> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
            wrap::fill("  ", "      ", &cells.join("  "), width)
        }
    };
    FittedTable {
        lines: headings.into_iter().chain((0..rows.len()).map(cells)).map(line).collect(),
        hidden: hidden.iter().map(|column| column.column.heading).filter(|heading| !heading.is_empty()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [Column::number("FLOWS", 0), Column::text("SOURCE", 0), Column::text("INTERFACE", 1)];

    fn rows() -> Vec<Vec<Cell>> {
        let cells = [["7", "10.0.0.1", "eni-1"], ["12345678", "日本", "eni-22"]];
        cells.map(|row| row.map(|text| Cell::from(text.to_owned())).into()).into()
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
        let unnamed = [COLUMNS[0], COLUMNS[1], Column::text("", 1)];
        assert!(fit(&unnamed, &rows(), 17).hidden.is_empty());
    }

    #[test]
    fn a_row_has_several_lines_if_the_last_columns_do_not_fit() {
        let FittedTable { lines, .. } = fit(&COLUMNS, &rows(), 14);
        assert_eq!(lines, ["  FLOWS\n      SOURCE", "  7  10.0.0.1", "  12345678\n      日本"]);
    }

    #[test]
    fn a_column_is_shortened_before_it_is_hidden() {
        let mut rows = rows();
        rows[0][2].full = "web (eni-1)".to_owned();
        let line = |width| fit(&COLUMNS, &rows, width).lines[1].clone();
        assert_eq!(line(33), "         7  10.0.0.1  web (eni-1)");
        assert_eq!(line(32), "         7  10.0.0.1  eni-1");
        assert_eq!(line(31), "         7  10.0.0.1  eni-1");
        assert_eq!(line(30), "         7  10.0.0.1");
    }
}
