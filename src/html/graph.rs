//! The VPCs as a graph on an ellipse, with an arrow for each direction that has traffic.
//!
//! What an arrow says it says twice: by color, and by its line and mark. The labels have a fixed size, so the picture scrolls
//! where the page is narrow.

use std::f64::consts::TAU;

use maud::{Markup, html};

use super::text::{bytes, clean, count, name, plural};
use super::vpcs::Vpc;
use crate::summary::{Peering, VpcPair};

/// VPCs of the picture. Those with the most flows come first.
const MAX_VPCS: usize = 12;
const WIDTH: f64 = 620.0;
/// Distance of the nodes from the middle, which leaves room for their names.
const RADIUS: f64 = 165.0;
const NODE_RADIUS: f64 = 8.0;
/// Distance between a node and the tip of an arrow.
const GAP: f64 = 6.0;
/// How far an arrow bends from the straight line, as a share of its length: so both directions can be seen.
const BEND: f64 = 0.14;
/// Maximum characters of a label.
const MAX_LABEL_CHARS: usize = 22;
const ARROW: f64 = 8.0;

/// A point in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    x: f64,
    y: f64,
}

impl Point {
    /// Returns the point at this share of the way to another.
    fn towards(self, other: Point, share: f64) -> Point {
        Point { x: self.x + (other.x - self.x) * share, y: self.y + (other.y - self.y) * share }
    }

    fn distance(self, other: Point) -> f64 {
        (other.x - self.x).hypot(other.y - self.y)
    }
}

/// A quadratic curve.
#[derive(Debug, Clone, Copy)]
struct Curve {
    from: Point,
    control: Point,
    to: Point,
}

impl Curve {
    /// Returns the curve of an arrow between two nodes. The arrow back bends to the other side.
    fn between(from: Point, to: Point) -> Curve {
        let (middle, length) = (from.towards(to, 0.5), from.distance(to).max(1.0));
        let (normal_x, normal_y) = ((to.y - from.y) / length, (from.x - to.x) / length);
        let bend = length * BEND + 6.0;
        let control = Point { x: middle.x + normal_x * bend, y: middle.y + normal_y * bend };
        let trim = |node: Point| node.towards(control, (NODE_RADIUS + GAP) / node.distance(control).max(1.0));
        Curve { from: trim(from), control, to: trim(to) }
    }

    /// Returns the point at this share of the curve.
    fn at(self, share: f64) -> Point {
        self.from.towards(self.control, share).towards(self.control.towards(self.to, share), share)
    }

    /// Returns the path of the curve, which ends where the tip begins, and the corners of the tip.
    fn path(self) -> (String, String) {
        let length = self.control.distance(self.to).max(1.0);
        let (x, y) = ((self.to.x - self.control.x) / length, (self.to.y - self.control.y) / length);
        let base = Point { x: self.to.x - x * ARROW, y: self.to.y - y * ARROW };
        let half = ARROW * 0.5;
        let Curve { from, control, to } = self;
        let path =
            format!("M{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}", from.x, from.y, control.x, control.y, base.x, base.y);
        let tip = format!(
            "{:.1},{:.1} {:.1},{:.1} {:.1},{:.1}",
            to.x,
            to.y,
            base.x - y * half,
            base.y + x * half,
            base.x + y * half,
            base.y - x * half
        );
        (path, tip)
    }
}

/// Renders the picture and its legend.
pub(super) fn figure(peering: &Peering, vpcs: &[Vpc<'_>]) -> Markup {
    let shown = vpcs.get(..MAX_VPCS).unwrap_or(vpcs);
    let height = if shown.len() > 2 { 380.0 } else { 150.0 };
    let left_out = (vpcs.len() - shown.len()) as u64;
    let index = |id: &str| shown.iter().position(|vpc| vpc.id == id);
    let edges: Vec<(usize, usize, &VpcPair)> = peering
        .vpc_pairs
        .iter()
        .filter_map(|pair| Some((index(&pair.src_vpc_id)?, index(&pair.dst_vpc_id)?, pair)))
        .collect();
    let largest = edges.iter().map(|(_, _, pair)| pair.traffic.accepted.flows).max().unwrap_or(0);
    let label =
        format!("Graph of {} with {}", plural(shown.len() as u64, "VPC"), plural(edges.len() as u64, "direction"));
    html! {
        figure {
            div.scroll role="region" aria-label="Graph of VPCs" tabindex="0" {
                svg.graph width=(WIDTH) height=(height) viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(label) {
                    @for (from, to, pair) in &edges {
                        (edge(Curve::between(position(*from, shown.len(), height), position(*to, shown.len(), height)), pair, largest))
                    }
                    @for (index, vpc) in shown.iter().enumerate() { (node(vpc, position(index, shown.len(), height), height)) }
                }
            }
            figcaption { (legend()) }
            @if left_out > 0 { p.note { (plural(left_out, "VPC")) " with less traffic are left out. The table and the matrix have them." } }
        }
    }
}

/// Returns the position of a node: two are side by side, more are on an ellipse.
fn position(index: usize, nodes: usize, height: f64) -> Point {
    let start = if nodes > 2 { -TAU / 4.0 } else { TAU / 2.0 };
    let angle = start + TAU * index as f64 / nodes as f64;
    Point { x: WIDTH / 2.0 + RADIUS * angle.cos(), y: height / 2.0 + (height / 2.0 - 50.0) * angle.sin() }
}

/// Renders a node with its name outside of the ellipse.
fn node(vpc: &Vpc<'_>, at: Point, height: f64) -> Markup {
    let (dx, dy) = ((at.x - WIDTH / 2.0) / RADIUS, (at.y - height / 2.0) / (height / 2.0 - 50.0));
    let (anchor, x) = match dx {
        dx if dx > 0.3 => ("start", at.x + 15.0),
        dx if dx < -0.3 => ("end", at.x - 15.0),
        _ => ("middle", at.x),
    };
    let y = if anchor == "middle" { at.y + if dy > 0.0 { 25.0 } else { -16.0 } } else { at.y + 4.0 };
    html! {
        circle.node cx=(px(at.x)) cy=(px(at.y)) r=(NODE_RADIUS) { title { (vpc.label()) " " (name(vpc.id)) } }
        text x=(px(x)) y=(px(y)) text-anchor=(anchor) { (short_name(vpc.id, vpc.tag)) }
    }
}

/// Renders an arrow, with a mark for rejected flows and one for flows without a reply.
fn edge(curve: Curve, pair: &VpcPair, largest: u64) -> Markup {
    let (accepted, rejected, silent) = (pair.traffic.accepted, pair.traffic.rejected, pair.unanswered);
    let class = if accepted.flows == 0 {
        "refused"
    } else if silent.flows == accepted.flows {
        "unanswered"
    } else {
        "answered"
    };
    let share = if largest == 0 { 0.0 } else { (accepted.flows as f64).ln_1p() / (largest as f64).ln_1p() };
    let (path, tip) = curve.path();
    let marks = [(rejected.flows, "✕", "refused", 0.42), (silent.flows, "?", "unanswered", 0.58)];
    html! {
        g.edge.(class) {
            title {
                (short_name(&pair.src_vpc_id, pair.src_vpc_name.as_deref())) " to "
                (short_name(&pair.dst_vpc_id, pair.dst_vpc_name.as_deref())) ": "
                (count(accepted.flows)) " flows, " (bytes(accepted.bytes)) "; " (count(rejected.flows)) " rejected; "
                (count(silent.flows)) " without a reply"
            }
            path d=(path) stroke-width=(format!("{:.1}", 1.25 + 2.25 * share)) {}
            polygon points=(tip) {}
            @for (flows, sign, class, share) in marks {
                @if flows > 0 { (mark(curve.at(share), sign, class)) }
            }
        }
    }
}

fn mark(at: Point, sign: &str, class: &str) -> Markup {
    html! {
        g.mark.(class) {
            circle cx=(px(at.x)) cy=(px(at.y)) r="8" {}
            text x=(px(at.x)) y=(px(at.y + 4.0)) text-anchor="middle" { (sign) }
        }
    }
}

fn legend() -> Markup {
    let sample = |class: &str, sign: Option<(&str, &str)>| {
        html! {
            svg.graph width="44" height="18" aria-hidden="true" {
                g.edge.(class) { path d="M2 9H40" stroke-width="2" {} }
                @if let Some((sign, class)) = sign { (mark(Point { x: 21.0, y: 9.0 }, sign, class)) }
            }
        }
    };
    html! {
        ul.legend {
            li { (sample("answered", None)) " flows, wider with more" }
            li { (sample("unanswered", Some(("?", "unanswered")))) " some get no reply; dashed if none does" }
            li { (sample("refused", Some(("✕", "refused")))) " some are rejected; dotted if all are" }
        }
    }
}

/// Returns the name, or the id if there is none, as far as the picture has room.
fn short_name(id: &str, tag: Option<&str>) -> String {
    clean(tag.unwrap_or(id), MAX_LABEL_CHARS)
}

fn px(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_apart_and_inside_the_picture() {
        for nodes in 2..=MAX_VPCS {
            let height = if nodes > 2 { 380.0 } else { 150.0 };
            let points: Vec<Point> = (0..nodes).map(|index| position(index, nodes, height)).collect();
            for (index, point) in points.iter().enumerate() {
                assert!(
                    (20.0..=WIDTH - 20.0).contains(&point.x) && (20.0..=height - 20.0).contains(&point.y),
                    "{point:?}"
                );
                assert!(points.iter().skip(index + 1).all(|other| point.distance(*other) > 60.0), "{nodes} nodes");
            }
        }
    }

    #[test]
    fn both_directions_of_a_pair_are_apart() {
        let (a, b) = (Point { x: 100.0, y: 100.0 }, Point { x: 300.0, y: 100.0 });
        let (there, back) = (Curve::between(a, b).at(0.5), Curve::between(b, a).at(0.5));
        assert!(there.distance(back) > 30.0, "{there:?} {back:?}");
        let (path, tip) = Curve::between(a, b).path();
        assert!(path.starts_with("M113.3 95.5Q") && tip.starts_with("286.7,95.5"), "{path} {tip}");
    }
}
