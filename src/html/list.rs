//! Lists of bounded length: a page stays below 1 MB for any summary, and names each omission.
//!
//! The bounds of all lists together are 450 kB, and 90 kB for findings that are linked. The matrix has at most 210 kB, the timeline 110 kB, the graph 100 kB.

use maud::{Markup, PreEscaped, html};

use super::page::{self, Column};
use super::text::count;

/// Bounds of one list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Maximum number of entries.
    pub entries: usize,
    /// Maximum bytes of all entries together.
    pub bytes: usize,
}

/// The entries of a list that fit its bounds.
pub(super) struct Bounded {
    /// The entries, one after another.
    pub markup: Markup,
    /// Number of entries that are left out.
    pub left_out: usize,
}

impl Bounds {
    /// Renders the first entries. Leaves out those that do not fit.
    pub(super) fn render<T>(self, entries: &[T], render: impl Fn(&T) -> Markup) -> Bounded {
        self.render_or(entries, render, |_| None)
    }

    /// Renders the first entries. One that does not fit is replaced, without regard to the bounds, or left out.
    pub(super) fn render_or<T>(
        self,
        entries: &[T],
        render: impl Fn(&T) -> Markup,
        replace: impl Fn(&T) -> Option<Markup>,
    ) -> Bounded {
        let (mut html, mut shown) = (String::new(), 0);
        for entry in entries.iter().take(self.entries) {
            let PreEscaped(next) = render(entry);
            let next = if html.len() + next.len() <= self.bytes {
                Some(next)
            } else {
                replace(entry).map(PreEscaped::into_string)
            };
            if let Some(next) = next {
                html.push_str(&next);
                shown += 1;
            }
        }
        Bounded { markup: PreEscaped(html), left_out: entries.len() - shown }
    }
}

impl Bounded {
    /// Renders the entries, which are rows, as a table, and says how many are left out of which member of the summary.
    pub(super) fn table(&self, caption: &str, columns: &[Column], member: &str) -> Markup {
        html! { (page::table(caption, columns, &self.markup)) (self.note(member)) }
    }

    /// Says how many entries are left out, and which member of the summary has them. Nothing if all are shown.
    pub(super) fn note(&self, member: &str) -> Markup {
        self.note_of(member, "the JSON summary")
    }

    /// Says how many entries are left out, and which member of which document has them. Nothing if all are shown.
    pub(super) fn note_of(&self, member: &str, document: &str) -> Markup {
        html! {
            @if self.left_out > 0 {
                p.note { "and " (count(self.left_out as u64)) " more, in " code { (member) } " of " (document) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_end_at_either_bound_and_say_so() {
        let shown = |entries, bytes| {
            let bounded = Bounds { entries, bytes }.render(&["ab", "cd", "ef"], |text| html! { (text) });
            (bounded.note("list").into_string().contains("and "), bounded.markup.into_string(), bounded.left_out)
        };
        assert_eq!(shown(3, 6), (false, "abcdef".to_owned(), 0));
        assert_eq!(shown(2, 6), (true, "abcd".to_owned(), 1));
        assert_eq!(shown(3, 5), (true, "abcd".to_owned(), 1));
        let long = Bounds { entries: 3, bytes: 5 }.render(&["ab", "long entry", "cd"], |text| html! { (text) });
        assert_eq!((long.markup.into_string().as_str(), long.left_out), ("abcd", 1));
        let bounds = Bounds { entries: 3, bytes: 7 };
        let short = bounds.render_or(&["ab", "long entry", "cd"], |text| html! { (text) }, |_| Some(html! { "…" }));
        assert_eq!((short.markup.into_string().as_str(), short.left_out), ("ab…cd", 0));
        let none = Bounds { entries: 0, bytes: 9 }.render(&["ab"], |text| html! { (text) });
        assert_eq!(
            none.note("findings").into_string(),
            "<p class=\"note\">and 1 more, in <code>findings</code> of the JSON summary</p>"
        );
    }
}
