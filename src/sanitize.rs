//! Text of strangers as messages and logs show it: cut to a length, and with nothing in it that acts.

/// So much of a name or a value is shown.
pub const NAME_CHARACTERS: usize = 80;

/// The text between quotes, control characters escaped; what is beyond `characters` is cut, and that shows.
///
/// ```
/// assert_eq!(flowsentry::sanitize::quoted("a\n\"b\"", 10), r#""a\n\"b\"""#);
/// assert_eq!(flowsentry::sanitize::quoted("abcdef", 3), "\"abc\"…");
/// ```
pub fn quoted(text: &str, characters: usize) -> String {
    let beginning = beginning(text, characters);
    let cut = if beginning.len() < text.len() { "…" } else { "" };
    format!("{beginning:?}{cut}")
}

/// The first `characters` of a text, for where JSON quotes it.
pub fn beginning(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}

/// The first `characters` of a text, for lines that people read: JSON quotes them, but does not disarm what acts in a
/// terminal or turns the direction of writing. That is shown as an escape.
///
/// ```
/// assert_eq!(flowsentry::sanitize::visible("a\"b \u{1b}[31m \u{202e}x", 9), r#"a"b \u{1b}[31m"#);
/// ```
pub fn visible(text: &str, characters: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(4 * characters));
    for character in text.chars().take(characters) {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            other => shown.extend(other.escape_debug()),
        }
    }
    shown
}
