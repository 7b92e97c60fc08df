//! Results as HTML pages for people who do not use a terminal.
//!
//! Input: a `Summary`, and nothing else: a stored summary gives the same page; a `Diff` of two summaries (`diff`); or an
//! `Explanation` with its evidence (`explain`). Output: one file. Invariants, which the tests check:
//!
//! - It makes no request and has no script. Its Content-Security-Policy allows only its own style sheet, by a hash, so there are no
//!   `style` attributes.
//! - It is below 1 MB. Every list is bounded, and says what it leaves out.
//! - Text from logs, topologies and configurations is untrusted: `text` bounds it, and `maud` escapes it. No address is made of it.
//! - Every picture has a table with the same numbers. Nothing is said by color alone.
//!
//! For the page of a summary, `rank` decides the order of the findings. `verdict`, `timeline`, `peering` (`vpcs`, `graph`, `matrix`),
//! `rejects`, `top`, `findings` and `inputs` render one section each, of parts of `page`.

mod diff;
mod explain;
mod facts;
mod findings;
mod graph;
mod inputs;
mod list;
mod matrix;
mod page;
mod peering;
mod rank;
mod rejects;
mod text;
mod timeline;
mod top;
mod verdict;
mod vpcs;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

pub use self::diff::render_diff;
pub use self::explain::render_explanation;
use self::rank::Ranking;
use crate::summary::Summary;

/// Media type of a page.
pub const CONTENT_TYPE: &str = "text/html; charset=utf-8";

const STYLE: &str = include_str!("style.css");

/// The parts in which pages differ.
struct Page<'a> {
    title: &'a str,
    header: Markup,
    /// Links to the sections, with their labels.
    sections: &'a [(&'a str, &'a str)],
    main: Markup,
    /// Says where all of the data is.
    data: &'a str,
}

/// Renders a summary as a page.
pub fn render(summary: &Summary) -> String {
    const SECTIONS: [(&str, &str); 7] = [
        ("#verdict", "Verdict"),
        ("#timeline", "Timeline"),
        ("#vpcs", "VPCs"),
        ("#rejects", "Rejects"),
        ("#top", "Top"),
        ("#findings", "Findings"),
        ("#inputs", "Inputs"),
    ];
    let ranking = Ranking::new(summary);
    let main = html! {
        (verdict::section(summary, &ranking))
        (timeline::section(summary))
        (peering::section(summary))
        (rejects::section(summary))
        (top::section(summary))
        (findings::section(summary, &ranking))
        (inputs::section(summary))
    };
    Page {
        title: &verdict::headline(summary, &ranking),
        header: verdict::header(summary, &ranking),
        sections: &SECTIONS,
        main,
        data: "A list that is cut names the member of the JSON summary that has more.",
    }
    .render()
}

impl Page<'_> {
    fn render(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                (head(self.title))
                body {
                    (self.header)
                    (self.navigation())
                    main { (self.main) }
                    footer { p { "flowsentry " (env!("CARGO_PKG_VERSION")) ". Times are in UTC. " (self.data) } }
                }
            }
        };
        page.into_string()
    }

    fn navigation(&self) -> Markup {
        html! {
            nav aria-label="Sections" { @for (target, label) in self.sections { a href=(target) { (label) } " " } }
        }
    }
}

fn head(title: &str) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy());
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            title { (title) " – flowsentry" }
            style { (PreEscaped(STYLE)) }
        }
    }
}

/// Returns the policy: nothing but the style sheet of the page.
fn policy() -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}
