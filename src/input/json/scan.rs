//! Finds the end of a JSON value, without a look at what is in it. Memory and the stack do not grow with its depth.

use memchr::memchr3;

/// What a scan has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// The value ends after this many bytes.
    End(usize),
    /// The value does not end in these bytes.
    More,
    /// It is not JSON before this position, where the next value may begin: a string has a line end and lacks its quote, or an object
    /// begins where none can, and a bracket is missing.
    Broken(usize),
}

/// The state of a scan between two pieces of a value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scan {
    depth: u64,
    in_string: bool,
    is_escaped: bool,
    /// Whether an object may begin here: at the start, or after one of `[`, `,` and `:`.
    follows_value: bool,
}

impl Scan {
    /// Creates a scan that begins within this many objects and arrays, and ends with the outermost.
    pub(super) fn within(depth: u64) -> Scan {
        Scan { depth, follows_value: true, ..Scan::default() }
    }

    /// Scans the next bytes of a value, which begins with a bracket or a quote.
    #[expect(clippy::indexing_slicing, reason = "`at` never exceeds the length")]
    pub(super) fn advance(&mut self, bytes: &[u8]) -> Scanned {
        let mut at = 0;
        while at < bytes.len() {
            if self.in_string {
                if std::mem::take(&mut self.is_escaped) {
                    at += 1;
                    continue;
                }
                let Some(found) = memchr3(b'"', b'\\', b'\n', &bytes[at..]) else { return Scanned::More };
                at += found;
                match bytes[at] {
                    b'\n' => return Scanned::Broken(at),
                    b'\\' => self.is_escaped = true,
                    _ => {
                        self.in_string = false;
                        self.follows_value = true;
                        if self.depth == 0 {
                            return Scanned::End(at + 1);
                        }
                    }
                }
                at += 1;
                continue;
            }
            match bytes[at] {
                b'"' => self.in_string = true,
                b'{' if self.follows_value => return Scanned::Broken(at),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Scanned::End(at + 1);
                    }
                }
                _ => {}
            }
            let separates = matches!(bytes[at], b'[' | b',' | b':');
            self.follows_value = !separates && (self.follows_value || !bytes[at].is_ascii_whitespace());
            at += 1;
        }
        Scanned::More
    }
}

/// Returns the position after the `[` of the first member of an object, among these names, whose value is an array. `object` is an object or
/// its beginning.
#[expect(clippy::indexing_slicing, reason = "positions come from scans of these bytes")]
pub(super) fn find_array(object: &[u8], names: &[&str]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += object[at..].iter().position(|byte| *byte == b'"')?;
        let Scanned::End(length) = Scan::default().advance(&object[at..]) else { return None };
        let name = &object[at + 1..at + length - 1];
        at += length;
        at += object[at..]
            .iter()
            .position(|byte| !byte.is_ascii_whitespace())
            .filter(|skip| object[at + skip] == b':')?
            + 1;
        at += object[at..].iter().position(|byte| !byte.is_ascii_whitespace())?;
        let is_named = names.iter().any(|wanted| wanted.as_bytes() == name);
        match object[at] {
            b'[' if is_named => return Some(at + 1),
            b'[' | b'{' | b'"' => match Scan::default().advance(&object[at..]) {
                Scanned::End(length) => at += length,
                _ => return None,
            },
            // A number or a word ends before the next quote.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_with_its_last_bracket_or_quote() {
        for value in [r#"{}"#, r#"[[],{"a":[1]}]"#, r#"{"a}":"\"}\\"}"#, r#""a\"b""#, r#"{"a":"\\"}"#] {
            for rest in ["", "x", "}]\"\n"] {
                let bytes = format!("{value}{rest}");
                assert_eq!(Scan::default().advance(bytes.as_bytes()), Scanned::End(value.len()), "{bytes}");
                for cut in 1..value.len() {
                    let mut scan = Scan::default();
                    assert_eq!(scan.advance(&bytes.as_bytes()[..cut]), Scanned::More, "{value} {cut}");
                    assert_eq!(
                        scan.advance(&bytes.as_bytes()[cut..]),
                        Scanned::End(value.len() - cut),
                        "{value} {cut}"
                    );
                }
            }
        }
        assert_eq!(Scan::within(2).advance(b"1]}]"), Scanned::End(3));
    }

    #[test]
    fn a_line_end_in_a_string_or_a_misplaced_object_is_broken() {
        assert_eq!(Scan::default().advance(b"{\n\"a\":\n\"b\n"), Scanned::Broken(9));
        assert_eq!(Scan::default().advance(b"{\"a\":1 {"), Scanned::Broken(7));
        assert_eq!(Scan::default().advance(b"[{},{\"a\": {}} {"), Scanned::Broken(14));
        assert_eq!(Scan::within(1).advance(b" {"), Scanned::Broken(1));
        assert_eq!(Scan::default().advance(b"{\n\"a\"\n}"), Scanned::End(7));
    }

    #[test]
    fn depth_costs_no_memory() {
        let deep = [vec![b'['; 1 << 20], vec![b']'; 1 << 20]].concat();
        assert_eq!(Scan::default().advance(&deep), Scanned::End(2 << 20));
    }

    #[test]
    fn the_array_of_a_member_is_found() {
        let find = |object: &str| find_array(object.as_bytes(), &["logEvents", "events"]);
        let found = |object: &str| find(object).map(|at| object[at..].to_owned());
        assert_eq!(found(r#"{"a":1,"b":[2],"events" : [3, 4"#).as_deref(), Some("3, 4"));
        assert_eq!(found(r#"{"events":7,"x":"\"events\":[","logEvents":[8"#).as_deref(), Some("8"));
        assert_eq!(found(r#"{"a":{"events":[1]},"b":true}"#), None);
        for cut in [r#"{"#, r#"{"events"#, r#"{"events""#, r#"{"events":"#, r#"{"a":[1"#, r#"{"a" 1"#, r#"{"a":"b"#] {
            assert_eq!(find(cut), None, "{cut}");
        }
    }
}
