//! The summary of a plan as text.

use indicatif::DecimalBytes;

use super::Renderer;
use super::format::{escape_unprintable, format_count, plural};
use crate::plan::{Plan, Window};

/// Renders the size of a plan, and the objects that it leaves out by reason, for a terminal with this number of columns.
pub fn render_plan(plan: &Plan, width: usize) -> String {
    let mut renderer = Renderer::new(width);
    let mut line = |label: &str, value: &str| {
        renderer.wrapped(&format!("{label:<9}"), "         ", &escape_unprintable(value));
    };
    if plan.window != Window::ALL {
        line("window", &format_window(plan.window));
    }
    line("objects", &format!("{}, {}", format_count(plan.objects() as u64), DecimalBytes(plan.bytes())));
    let heaviest = plan.batches.iter().map(|batch| batch.bytes).max().unwrap_or(0);
    let longest = plan.batches.iter().map(|batch| batch.objects.len()).max().unwrap_or(0);
    let batches = format_count(plan.batches.len() as u64);
    match plan.batches.len() {
        0 => line("batches", &batches),
        _ => line(
            "batches",
            &format!("{batches}, of at most {} and {}", DecimalBytes(heaviest), plural(longest as u64, "object")),
        ),
    }
    for (reason, skipped) in &plan.skipped {
        let example = skipped.examples.first().map_or("", String::as_str);
        line("skipped", &format!("{} {}, such as {example}", format_count(skipped.objects), reason.words()));
    }
    renderer.text
}

fn format_window(Window { from, to }: Window) -> String {
    match (from == Window::ALL.from, to == Window::ALL.to) {
        (true, _) => format!("before {to}"),
        (_, true) => format!("from {from}"),
        _ => format!("{from} to {to}"),
    }
}
