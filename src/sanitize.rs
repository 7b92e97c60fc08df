//! Sanitizes untrusted text for logs and messages: truncates it, and escapes control and bidirectional characters.

/// Maximum number of characters of a name or value in a message.
pub const NAME_CHARACTERS: usize = 80;

/// Quotes text, with control characters escaped. Appends `…` if the text has more than `max_chars` characters and was
/// truncated.
///
/// ```
/// assert_eq!(flowsentry::sanitize::quoted("a\n\"b\"", 10), r#""a\n\"b\"""#);
/// assert_eq!(flowsentry::sanitize::quoted("abcdef", 3), "\"abc\"…");
/// ```
pub fn quoted(text: &str, max_chars: usize) -> String {
    let truncated = truncate_chars(text, max_chars);
    let ellipsis = if truncated.len() < text.len() { "…" } else { "" };
    format!("{truncated:?}{ellipsis}")
}

/// Returns the first `max_chars` characters of a text, unescaped. Use it where JSON quotes the text.
pub fn truncate_chars(text: &str, max_chars: usize) -> &str {
    text.char_indices().nth(max_chars).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// Returns a hint with the known name that is most similar to one that is not known, or an empty string if none is similar.
///
/// ```
/// let known = ["port_scan_ports", "host_sweep_hosts"];
/// assert_eq!(flowsentry::sanitize::did_you_mean("port_scan_port", known), ", did you mean \"port_scan_ports\"?");
/// assert_eq!(flowsentry::sanitize::did_you_mean("password", known), "");
/// ```
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // Distances take time and memory by both lengths.
    let name = truncate_chars(name, NAME_CHARACTERS);
    let known = known.into_iter().filter(|known| known.chars().count() <= 2 * NAME_CHARACTERS);
    let distances = known.map(|known| (strsim::damerau_levenshtein(name, known), known));
    let similar = distances.filter(|(distance, _)| *distance <= name.chars().count() / 3).min();
    similar.map_or_else(String::new, |(_, known)| {
        format!(", did you mean \"{}\"?", escape_truncated(known, NAME_CHARACTERS))
    })
}

/// Returns the first `max_chars` characters of a text, for lines that people read. Escapes control and bidirectional
/// characters, because JSON quoting does not: they could act on a terminal or reorder the text.
///
/// ```
/// assert_eq!(flowsentry::sanitize::escape_truncated("a\"b \u{1b}[31m \u{202e}x", 9), r#"a"b \u{1b}[31m"#);
/// ```
pub fn escape_truncated(text: &str, max_chars: usize) -> String {
    let mut escaped = String::with_capacity(text.len().min(4 * max_chars));
    for character in text.chars().take(max_chars) {
        match character {
            '"' | '\'' | '\\' => escaped.push(character),
            other => escaped.extend(other.escape_debug()),
        }
    }
    escaped
}

/// Shortens text to this number of characters, with an ellipsis in its middle: names that differ often have the same beginning.
///
/// ```
/// assert_eq!(flowsentry::sanitize::shorten("production-shop", 9), "prod…shop");
/// ```
pub fn shorten(text: &str, max_chars: usize) -> String {
    let count = text.chars().count();
    if count <= max_chars {
        return text.to_owned();
    }
    let kept = max_chars.saturating_sub(1);
    let end = kept / 2;
    text.chars().take(kept - end).chain(['…']).chain(text.chars().skip(count - end)).collect()
}
