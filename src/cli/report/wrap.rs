//! Wraps text to the width of the terminal.

use textwrap::{Options, WordSeparator, WordSplitter};

/// Wraps text. The indents may have styles. A word is broken only if it is longer than a line: addresses, names and dates stay whole so that
/// they can be copied.
pub(super) fn fill(first_indent: &str, indent: &str, text: &str, width: usize) -> String {
    let options = Options::new(width)
        .initial_indent(first_indent)
        .subsequent_indent(indent)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .break_words(true);
    let with_units =
        UNITS.iter().fold(text.to_owned(), |text, unit| text.replace(&format!(" {unit}"), &format!("{GLUE}{unit}")));
    textwrap::fill(&with_units, options).replace(GLUE, " ")
}

/// A space that ends no line.
const GLUE: &str = "\u{a0}";
/// Units that stay on the line of their number.
const UNITS: [&str; 5] = ["%", "kB", "MB", "GB", "TB"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_word_that_is_longer_than_a_line_is_broken() {
        assert_eq!(fill("- ", "  ", "at 10.0.0.1 port", 14), "- at 10.0.0.1\n  port");
        assert_eq!(fill("- ", "  ", "logs/2026/11/23.log.gz", 14), "- logs/2026/11\n  /23.log.gz");
        assert_eq!(fill("", "", "rejected 6.0 % of all", 12), "rejected\n6.0 % of all");
        assert_eq!(fill("\u{1b}[1mA\u{1b}[0m ", "", "bb cc", 7), "\u{1b}[1mA\u{1b}[0m bb cc");
    }
}
