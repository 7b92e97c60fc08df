//! The VPCs as a graph on an ellipse, with an arrow for each direction that has traffic.
//!
//! What an arrow says it says twice: by color, and by its line and mark. The picture is as wide as its labels need.

use std::f64::consts::TAU;

use maud::{Markup, html};

use super::text::{are, bytes, count, name, plural};
use super::vpcs::Vpc;
use crate::summary::{Peering, VpcPair};

/// VPCs of the picture. Those with the most flows come first.
const MAX_VPCS: usize = 12;
/// Greatest distance of a node from the middle, to the left and to the right.
const RADIUS: f64 = 165.0;
/// Room for the nodes and the arrows around them.
const MARGIN: f64 = 24.0;
const NODE_RADIUS: f64 = 8.0;
/// Distance between a node and the tip of an arrow.
const GAP: f64 = 6.0;
/// How far an arrow bends from the straight line, as a share of its length: so both directions can be seen.
const BEND: f64 = 0.14;
/// Distance between a node and its label at the side.
const LABEL_GAP: f64 = 15.0;
/// Wider pictures scroll where the page is narrow, and others shrink.
const MAX_SHRINKING: f64 = 560.0;
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

/// Renders the picture and its legend. `of_matrix` is the number of VPCs that the matrix has.
pub(super) fn figure(peering: &Peering, vpcs: &[Vpc<'_>], of_matrix: usize) -> Markup {
    let shown = vpcs.get(..MAX_VPCS).unwrap_or(vpcs);
    let height = if shown.len() > 2 { 380.0 } else { 150.0 };
    let left_out = (vpcs.len() - shown.len()) as u64;
    let index = |id: &str| shown.iter().position(|vpc| vpc.id == id);
    let edges: Vec<(usize, usize, &VpcPair)> = peering
        .vpc_pairs
        .iter()
        .filter_map(|pair| Some((index(&pair.src_vpc_id)?, index(&pair.dst_vpc_id)?, pair)))
        .collect();
    let label_of = |index: usize| shown.get(index).map_or("", |vpc| &vpc.label);
    let largest = edges.iter().map(|(_, _, pair)| pair.traffic.accepted.flows).max().unwrap_or(0);
    let nodes: Vec<Node<'_>> =
        (0..).zip(shown).map(|(index, vpc)| Node::new(vpc, position(index, shown.len(), height), height)).collect();
    let (left, right) = nodes.iter().fold((-RADIUS - MARGIN, RADIUS + MARGIN), |(left, right), node| {
        let (from, to) = node.extent();
        (left.min(from), right.max(to))
    });
    let view = format!("{left:.0} 0 {:.0} {height}", right - left);
    let label =
        format!("Graph of {} with {}", plural(shown.len() as u64, "VPC"), plural(edges.len() as u64, "direction"));
    html! {
        figure {
            div.scroll role="region" aria-label="Graph of VPCs" tabindex="0" {
                svg.graph.shrinks[right - left <= MAX_SHRINKING] width=(format!("{:.0}", right - left)) height=(height) viewBox=(view) role="img" aria-label=(label) {
                    @for (from, to, pair) in &edges {
                        @let curve = Curve::between(position(*from, shown.len(), height), position(*to, shown.len(), height));
                        (edge(curve, (label_of(*from), label_of(*to)), pair, largest))
                    }
                    @for node in &nodes { (node.render()) }
                }
            }
            figcaption { (legend()) }
            @if left_out > 0 {
                p.note {
                    (plural(left_out, "VPC")) " with less traffic " (are(left_out)) " left out. "
                    @if vpcs.len() <= of_matrix { "The matrix has them." } @else { code { "peering.vpc_pairs" } " of the JSON summary has all pairs." }
                }
            }
        }
    }
}

/// Returns the position of a node: two are side by side, more are on an ellipse.
fn position(index: usize, nodes: usize, height: f64) -> Point {
    let start = if nodes > 2 { -TAU / 4.0 } else { TAU / 2.0 };
    let angle = start + TAU * index as f64 / nodes as f64;
    Point { x: RADIUS * angle.cos(), y: height / 2.0 + (height / 2.0 - 50.0) * angle.sin() }
}

/// A VPC in the picture, with its label outside of the ellipse.
struct Node<'a> {
    vpc: &'a Vpc<'a>,
    at: Point,
    label: &'a str,
    label_at: Point,
    /// Which part of the label is at its point.
    anchor: &'static str,
}

impl<'a> Node<'a> {
    fn new(vpc: &'a Vpc<'a>, at: Point, height: f64) -> Node<'a> {
        let (anchor, x) = match at.x / RADIUS {
            dx if dx > 0.3 => ("start", at.x + LABEL_GAP),
            dx if dx < -0.3 => ("end", at.x - LABEL_GAP),
            _ => ("middle", at.x),
        };
        let y = match anchor {
            "middle" if at.y > height / 2.0 => at.y + 25.0,
            "middle" => at.y - 16.0,
            _ => at.y + 4.0,
        };
        Node { vpc, at, label: &vpc.label, label_at: Point { x, y }, anchor }
    }

    /// Returns where the label begins and ends.
    fn extent(&self) -> (f64, f64) {
        let (x, width) = (self.label_at.x, width(self.label));
        match self.anchor {
            "start" => (x, x + width),
            "end" => (x - width, x),
            _ => (x - width / 2.0, x + width / 2.0),
        }
    }

    fn render(&self) -> Markup {
        let Node { vpc, at, label, label_at, anchor } = self;
        html! {
            circle.node cx=(px(at.x)) cy=(px(at.y)) r=(NODE_RADIUS) { title { (vpc.name) " " (name(vpc.id)) } }
            text x=(px(label_at.x)) y=(px(label_at.y)) text-anchor=(anchor) { (label) }
        }
    }
}

/// Returns the width that a text of 14 pixels has in a wide font, at most. The fonts of readers differ.
fn width(text: &str) -> f64 {
    let of = |character: char| match character {
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 14.0,
        'A'..='Z' => 11.0,
        ' '..='~' => 9.0,
        _ => 15.0,
    };
    text.chars().map(of).sum()
}

/// Renders an arrow between the VPCs with these labels, with a mark for rejected flows and one for flows without a reply.
fn edge(curve: Curve, (src, dst): (&str, &str), pair: &VpcPair, largest: u64) -> Markup {
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
                (src) " to " (dst) ": "
                (plural(accepted.flows, "flow")) ", " (bytes(accepted.bytes)) "; " (count(rejected.flows)) " rejected; "
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

fn px(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::super::text::short_name;
    use super::*;

    #[test]
    fn nodes_are_apart_and_inside_the_picture() {
        for nodes in 2..=MAX_VPCS {
            let height = if nodes > 2 { 380.0 } else { 150.0 };
            let points: Vec<Point> = (0..nodes).map(|index| position(index, nodes, height)).collect();
            for (index, point) in points.iter().enumerate() {
                assert!(
                    (-RADIUS..=RADIUS).contains(&point.x) && (20.0..=height - 20.0).contains(&point.y),
                    "{point:?}"
                );
                assert!(points.iter().skip(index + 1).all(|other| point.distance(*other) > 60.0), "{nodes} nodes");
            }
        }
    }

    #[test]
    fn labels_are_inside_the_picture() {
        let pair = |src: &str, dst: &str| {
            serde_json::json!({"src_vpc_id": src, "dst_vpc_id": dst, "peering_connection_id": null,
                "accepted": {"flows": 1, "packets": 1, "bytes": 1}, "rejected": {"flows": 0, "packets": 0, "bytes": 0},
                "unanswered": {"flows": 0, "packets": 0, "bytes": 0}})
        };
        let view = |left: &str, right: &str| {
            let pairs = serde_json::json!([pair(left, right)]);
            let peering = serde_json::json!({"exact": true, "connections": [], "vpc_pairs": pairs});
            let peering: Peering = serde_json::from_value(peering).expect("peering");
            let vpcs = [left, right].map(|id| Vpc { id, label: short_name(id, 22), name: id.to_owned() });
            let page = figure(&peering, &vpcs, 40).into_string();
            let (_, view) = page.split_once("viewBox=\"").expect("a picture");
            view.split_once('"').map(|(view, _)| view.to_owned()).expect("a quote")
        };
        assert_eq!(view("a", "b"), "-189 0 378 150");
        // 15 pixels from the node, and 22 characters: one is an ellipsis.
        assert_eq!(view(&"i".repeat(30), "b"), "-384 0 573 150");
        assert_eq!(view("a", &"日".repeat(22)), "-189 0 699 150");
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
