//! Plots as inline SVG, one below the other on one axis of time.

mod canal;
mod compare;
mod distance;
mod timeline;

pub(crate) use canal::canal;
pub(crate) use compare::{colour, ratios};
#[cfg(test)]
pub(crate) use distance::bands;
pub(crate) use distance::{distance, in_force};
pub(crate) use timeline::{activity_colour, timeline};

use maud::{Markup, html};
use spinor_sim::Event;
use spinor_volume::TissueClass;

use crate::gather::Session;
use crate::metrics::volume_mm3;

pub(super) const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 230.0;
pub(super) const LEFT: f64 = 104.0;
pub(super) const RIGHT: f64 = 8.0;
const BOTTOM: f64 = 30.0;
const TOP: f64 = 10.0;
/// Most points of a line.
const BINS: usize = 800;

/// A plot's frame: seconds along x, values along y.
struct Frame {
    seconds: f64,
    low: f64,
    high: f64,
}

impl Frame {
    fn x(&self, seconds: f64) -> f64 {
        x_of(seconds, self.seconds)
    }

    fn y(&self, value: f64) -> f64 {
        let part = (value - self.low) / (self.high - self.low).max(1e-9);
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - part.clamp(0.0, 1.0))
    }

    fn axes(&self, unit: &str, step: f64) -> Markup {
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        html! {
            @for k in first..=last.min(first + 12) {
                @let y = self.y(k as f64 * step);
                line x1=(LEFT) x2=(n(WIDTH - RIGHT)) y1=(n(y)) y2=(n(y)) stroke="#ccc" stroke-width="0.5" {}
                text x=(n(LEFT - 6.0)) y=(n(y + 4.0)) text-anchor="end" { (format!("{:.*}", usize::from(step < 1.0), k as f64 * step)) }
            }
            (seconds_axis(self.seconds, HEIGHT - 12.0))
            text x="0" y=(n(TOP + 8.0)) { (unit) }
        }
    }
}

/// Where a moment stands along x.
pub(super) fn x_of(seconds: f64, of: f64) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * (seconds / of.max(1e-9)).clamp(0.0, 1.0)
}

/// Labels of the axis of time at whole steps.
pub(super) fn seconds_axis(seconds: f64, y: f64) -> Markup {
    let steps = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0];
    let step = steps.into_iter().find(|s| seconds / s <= 10.0).unwrap_or(28_800.0);
    let count = (seconds / step).floor() as u32;
    html! {
        @for k in 0..=count {
            @let s = f64::from(k) * step;
            @let x = x_of(s, seconds);
            @let anchor = if x > WIDTH - RIGHT - 16.0 { "end" } else { "middle" };
            text x=(n(x)) y=(n(y)) text-anchor=(anchor) { (clock(s)) }
        }
    }
}

/// Minutes and seconds, or hours and minutes from an hour on.
pub(crate) fn clock(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    if whole >= 3_600 {
        format!("{}:{:02}:{:02}", whole / 3_600, whole / 60 % 60, whole % 60)
    } else {
        format!("{}:{:02}", whole / 60, whole % 60)
    }
}

pub(super) fn n(v: f64) -> String {
    format!("{v:.1}")
}

pub(super) fn svg(label: &str, height: f64, content: Markup) -> Markup {
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-label=(label) xmlns="http://www.w3.org/2000/svg" { (content) }
    }
}

/// Removed volume by class over time.
pub(crate) fn removed(session: &Session) -> Markup {
    let classes = [
        (TissueClass::Bone, "bone", "#8a6d3b"),
        (TissueClass::Flavum, "flavum", "#c9a400"),
        (TissueClass::Disc, "disc", "#3b7d8a"),
    ];
    let mut lines = Vec::new();
    let mut most = 0.0_f64;
    for (class, name, colour) in classes {
        let mut sum = 0.0;
        let mut points = vec![(0.0, 0.0)];
        for (tick, event) in &session.events {
            if let Event::Removed { structure, occupancy, .. } = event
                && structure.class() == Some(class)
            {
                let at = session.seconds(*tick);
                points.push((at, sum));
                sum += volume_mm3(session, *occupancy);
                points.push((at, sum));
            }
        }
        points.push((session.duration_s(), sum));
        most = most.max(sum);
        let every = points.len().div_ceil(2 * BINS).max(1);
        let last = points.len() - 1;
        let thin: Vec<(f64, f64)> =
            points.into_iter().enumerate().filter(|(k, _)| k % every == 0 || *k == last).map(|(_, p)| p).collect();
        lines.push((name, colour, thin));
    }
    let frame = Frame { seconds: session.duration_s(), low: 0.0, high: most.max(1.0) };
    let step = [0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0];
    let step = step.into_iter().find(|s| frame.high / s <= 6.0).unwrap_or(5_000.0);
    let path = |points: &[(f64, f64)]| {
        let mut d = String::new();
        for (k, (s, v)) in points.iter().enumerate() {
            d.push_str(&format!("{}{} {} ", if k == 0 { "M" } else { "L" }, n(frame.x(*s)), n(frame.y(*v))));
        }
        d
    };
    svg(
        "Removed volume over time",
        HEIGHT,
        html! {
            (frame.axes("mm³", step))
            @for (k, (name, colour, points)) in lines.iter().enumerate() {
                path d=(path(points)) fill="none" stroke=(colour) stroke-width="1.6" {}
                text x=(n(LEFT + 10.0 + 70.0 * k as f64)) y=(n(TOP + 12.0)) fill=(colour) { (name) }
            }
        },
    )
}
