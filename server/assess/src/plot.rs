//! Plots as inline SVG.

use maud::{Markup, html};
use spinor_sim::{AlarmLevel, Event};
use spinor_volume::TissueClass;

use crate::gather::Session;
use crate::metrics::volume_mm3;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 48.0;
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
        LEFT + (WIDTH - LEFT - 8.0) * (seconds / self.seconds.max(1e-9)).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        let part = (value - self.low) / (self.high - self.low).max(1e-9);
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - part.clamp(0.0, 1.0))
    }

    fn band(&self, low: f64, high: f64, colour: &str) -> Markup {
        let (top, bottom) = (self.y(high), self.y(low));
        html! { rect x=(LEFT) y=(n(top)) width=(n(WIDTH - LEFT - 8.0)) height=(n((bottom - top).max(0.0))) fill=(colour) {} }
    }

    fn axes(&self, unit: &str, step: f64) -> Markup {
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        let every = self.seconds / 6.0;
        html! {
            @for k in first..=last.min(first + 12) {
                @let y = self.y(k as f64 * step);
                line x1=(LEFT) x2=(n(WIDTH - 8.0)) y1=(n(y)) y2=(n(y)) stroke="#ccc" stroke-width="0.5" {}
                text x=(n(LEFT - 6.0)) y=(n(y + 4.0)) text-anchor="end" { (format!("{}", k as f64 * step)) }
            }
            @for k in 0..=6 {
                @let s = f64::from(k) * every;
                text x=(n(self.x(s))) y=(n(HEIGHT - 12.0)) text-anchor="middle" { (format!("{s:.0} s")) }
            }
            text x="4" y="12" { (unit) }
        }
    }
}

fn n(v: f64) -> String {
    format!("{v:.1}")
}

fn svg(label: &str, content: Markup) -> Markup {
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(label) xmlns="http://www.w3.org/2000/svg" { (content) }
    }
}

/// Distance of the nearest tool to the nearest neural structure over time, with the thresholds as bands and alarms as marks.
pub(crate) fn distance(session: &Session) -> Markup {
    let [caution, danger] = session.thresholds_mm;
    let seconds = session.duration_s();
    let mut bins = vec![None::<f64>; BINS];
    for sample in &session.samples {
        let bin = ((session.seconds(sample.tick) / seconds.max(1e-9)) * BINS as f64) as usize;
        if let (Some(bin), Some(distance)) = (bins.get_mut(bin.min(BINS - 1)), sample.nearest_mm) {
            *bin = Some(bin.map_or(distance, |least| least.min(distance)));
        }
    }
    let low = bins.iter().flatten().copied().fold(-1.0, f64::min).floor();
    let frame = Frame { seconds, low, high: (2.0 * caution).max(6.0) };
    let mut path = String::new();
    let mut pen_down = false;
    for (k, bin) in bins.iter().enumerate() {
        if let Some(value) = bin {
            let at = (k as f64 + 0.5) / BINS as f64 * seconds;
            path.push_str(&format!("{}{} {} ", if pen_down { "L" } else { "M" }, n(frame.x(at)), n(frame.y(*value))));
        }
        // A second of silence is a gap; a bin without a sample in a short session is not.
        pen_down = bin.is_some() || (pen_down && seconds < 30.0);
    }
    let marks = session.events.iter().filter_map(|(tick, event)| match event {
        Event::Alarm { was, warning, .. } if warning.level > *was => {
            let colour = if warning.level == AlarmLevel::Danger { "#b00020" } else { "#c77700" };
            Some((frame.x(session.seconds(*tick)), colour, warning.to_string()))
        }
        _ => None,
    });
    svg(
        "Distance to the nearest neural structure over time",
        html! {
            (frame.band(frame.low, 0.0, "#e7a1a8"))
            (frame.band(0.0, danger, "#f6cdd1"))
            (frame.band(danger, caution, "#fdecc8"))
            (frame.axes("mm", 2.0))
            path d=(path) fill="none" stroke="#1a4d8f" stroke-width="1.4" {}
            @for (x, colour, text) in marks.take(2_000) {
                path d=(format!("M{} {} l-4 -8 h8 z", n(x), n(TOP + 10.0))) fill=(colour) { title { (text) } }
            }
        },
    )
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
        html! {
            (frame.axes("mm³", step))
            @for (k, (name, colour, points)) in lines.iter().enumerate() {
                path d=(path(points)) fill="none" stroke=(colour) stroke-width="1.6" {}
                text x=(n(LEFT + 10.0 + 70.0 * k as f64)) y=(n(TOP + 12.0)) fill=(colour) { (name) }
            }
        },
    )
}
