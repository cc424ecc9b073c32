//! How near tools came over time, on the thresholds that were in force.

use std::collections::BTreeMap;

use maud::{Markup, html};
use spinor_volume::Label;

use super::{BINS, Frame, HEIGHT, LEFT, RIGHT, WIDTH, n, svg};
use crate::gather::Session;
use crate::metrics::Metrics;
use crate::report::together;

/// Thresholds for a while: those of the structure that was nearest to any tool then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Band {
    pub(crate) from_s: f64,
    pub(crate) to_s: f64,
    /// Caution and danger, mm, widened by the structure's uncertainty.
    pub(crate) thresholds_mm: [f64; 2],
}

/// The least distance in each of the plot's steps of time, with the structure and the tick it was measured at.
fn nearest(session: &Session) -> Vec<Option<(f64, Label, u32)>> {
    let seconds = session.duration_s();
    let mut bins = vec![None::<(f64, Label, u32)>; BINS];
    for sample in &session.samples {
        let bin = ((session.seconds(sample.tick) / seconds.max(1e-9)) * BINS as f64) as usize;
        if let (Some(bin), Some(near)) = (bins.get_mut(bin.min(BINS - 1)), sample.nearest) {
            let mm = f64::from(near.distance_um) / 1_000.0;
            if bin.is_none_or(|(least, ..)| mm < least) {
                *bin = Some((mm, near.structure, sample.tick));
            }
        }
    }
    bins
}

/// The thresholds through the session. Where no tool is near anything, those before go on; before the first, the first ones hold.
pub(crate) fn bands(session: &Session) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    let step = session.duration_s() / BINS as f64;
    for (k, bin) in nearest(session).into_iter().enumerate() {
        let end = (k + 1) as f64 * step;
        let found = bin.map(|(_, structure, tick)| session.thresholds_of(structure, tick));
        match (bands.last_mut(), found) {
            (Some(last), None) => last.to_s = end,
            (Some(last), Some(now)) if last.thresholds_mm == now => last.to_s = end,
            (Some(last), Some(now)) => {
                let from_s = last.to_s;
                bands.push(Band { from_s, to_s: end, thresholds_mm: now });
            }
            (None, Some(now)) => bands.push(Band { from_s: 0.0, to_s: end, thresholds_mm: now }),
            (None, None) => {}
        }
    }
    bands
}

/// A length without zeros that say nothing.
fn mm(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// The thresholds in force at the end of the structures that tools came near, and why they are wider than the room's.
pub(crate) fn in_force(session: &Session, metrics: &Metrics) -> Vec<String> {
    let [caution, danger] = session.thresholds_mm;
    let mut groups: BTreeMap<(String, bool), Vec<String>> = BTreeMap::new();
    for (name, s) in metrics.safety.structures.iter().filter(|(_, s)| s.least_distance_mm.is_some()) {
        let widened = s.danger_mm - danger;
        let why = if widened > 0.0 { format!(", wider by {} mm", mm(widened)) } else { String::new() };
        let key = format!("caution within {} mm, danger within {} mm{why}", mm(s.caution_mm), mm(s.danger_mm));
        groups.entry((key, metrics.is_proposed(name))).or_default().push(name.clone());
    }
    let line = |((thresholds, proposed), names): ((String, bool), Vec<String>)| {
        let because = match (thresholds.contains("wider"), proposed) {
            (false, _) => "",
            (true, true) => ", because no image shows where these surfaces are: they may lie that much nearer than drawn",
            (true, false) => ", because these surfaces may lie that far off (segmentation and registration)",
        };
        let word = if proposed { " (proposed)" } else { "" };
        format!("{}{word}: {thresholds}{because}.", together(names.iter().map(String::as_str)))
    };
    let mut lines: Vec<String> = groups.into_iter().map(line).collect();
    if lines.is_empty() {
        lines.push(format!(
            "The room's thresholds, for surfaces that are certain: caution {} mm, danger {} mm.",
            mm(caution),
            mm(danger)
        ));
    }
    lines
}

/// Distance of the nearest tool to the nearest neural structure over time, with the thresholds in force as bands.
pub(crate) fn distance(session: &Session) -> Markup {
    let seconds = session.duration_s();
    let bins = nearest(session);
    let mut bands = bands(session);
    if bands.is_empty() {
        bands.push(Band { from_s: 0.0, to_s: seconds, thresholds_mm: session.thresholds_mm });
    }
    let low = bins.iter().flatten().map(|(mm, ..)| *mm).fold(-1.0, f64::min).floor();
    let widest = bands.iter().map(|b| b.thresholds_mm[0]).fold(0.0, f64::max);
    let frame = Frame { seconds, low, high: (1.6 * widest).max(6.0) };
    let mut path = String::new();
    let mut pen_down = false;
    for (k, bin) in bins.iter().enumerate() {
        if let Some((value, ..)) = bin {
            let at = (k as f64 + 0.5) / BINS as f64 * seconds;
            path.push_str(&format!("{}{} {} ", if pen_down { "L" } else { "M" }, n(frame.x(at)), n(frame.y(*value))));
        }
        // A second of silence is a gap; a bin without a sample in a short session is not.
        pen_down = bin.is_some() || (pen_down && seconds < 30.0);
    }
    let [caution, danger] = bands.last().map_or(session.thresholds_mm, |b| b.thresholds_mm);
    let right = n(WIDTH - RIGHT - 4.0);
    svg(
        "Distance to the nearest neural structure over time",
        HEIGHT,
        html! {
            rect x=(LEFT) y=(n(frame.y(0.0))) width=(n(WIDTH - LEFT - RIGHT)) height=(n(frame.y(frame.low) - frame.y(0.0))) fill="#e7a1a8" {}
            @for band in &bands {
                (frame.part(band, 0.0, band.thresholds_mm[1], "#f6cdd1"))
                (frame.part(band, band.thresholds_mm[1], band.thresholds_mm[0], "#fdecc8"))
            }
            (frame.axes("mm", 2.0))
            path d=(path) fill="none" stroke="#1a4d8f" stroke-width="1.4" {}
            text x=(right) y=(n(frame.y(caution) + 12.0)) text-anchor="end" paint-order="stroke" stroke="#fff" stroke-width="3" fill="#8a5a00" { "caution " (mm(caution)) " mm" }
            text x=(right) y=(n(frame.y(danger) + 12.0)) text-anchor="end" paint-order="stroke" stroke="#fff" stroke-width="3" fill="#b00020" { "danger " (mm(danger)) " mm" }
            text x=(right) y=(n(frame.y(0.0) + 12.0)) text-anchor="end" paint-order="stroke" stroke="#fff" stroke-width="3" fill="#b00020" { "inside" }
        },
    )
}

impl Frame {
    /// A band's part between two values.
    fn part(&self, band: &Band, low: f64, high: f64, colour: &str) -> Markup {
        let (left, right) = (self.x(band.from_s), self.x(band.to_s));
        let (top, bottom) = (self.y(high), self.y(low));
        html! { rect x=(n(left)) y=(n(top)) width=(n((right - left).max(0.0))) height=(n((bottom - top).max(0.0))) fill=(colour) {} }
    }
}
