//! The area of the sac along the canal, before and now.

use maud::{Markup, html};

use super::{LEFT, RIGHT, WIDTH, n, svg};
use crate::metrics::LevelOutcome;

const HEIGHT: f64 = 190.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 34.0;
/// Areas that are drawn as lines, mm²: stenotic, target, normal (Medicine 2017).
const MARKS: [(f64, &str); 3] = [(80.0, "stenotic 80"), (100.0, "target 100"), (152.0, "normal 152")];

/// One level's slices from the lowest to the highest.
pub(crate) fn canal(level: &LevelOutcome) -> Markup {
    let slices = &level.canal_slices;
    let most = slices.iter().map(|s| s.before_mm2.max(s.free_mm2)).fold(160.0, f64::max);
    let (first, last) = (slices.first().map_or(0.0, |s| s.along_mm), slices.last().map_or(1.0, |s| s.along_mm));
    let x = |mm: f64| LEFT + (WIDTH - LEFT - RIGHT) * (mm - first) / (last - first).max(1e-9);
    let y = |mm2: f64| TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - mm2 / (1.05 * most));
    let path = |of: fn(&crate::metrics::CanalSlice) -> f64| {
        let step = |(k, s): (usize, &crate::metrics::CanalSlice)| {
            format!("{}{} {}", if k == 0 { "M" } else { "L" }, n(x(s.along_mm)), n(y(of(s))))
        };
        slices.iter().enumerate().map(step).collect::<Vec<_>>().join(" ")
    };
    svg(
        "Area of the dural sac along the canal before and now",
        HEIGHT,
        html! {
            line x1=(LEFT) x2=(n(WIDTH - RIGHT)) y1=(n(y(0.0))) y2=(n(y(0.0))) stroke="#888" stroke-width="0.8" {}
            @for (mm2, name) in MARKS {
                line x1=(LEFT) x2=(n(WIDTH - RIGHT)) y1=(n(y(mm2))) y2=(n(y(mm2))) stroke="#bbb" stroke-width="0.8" stroke-dasharray="4 3" {}
                text x=(n(LEFT - 6.0)) y=(n(y(mm2) + 4.0)) text-anchor="end" { (name) }
            }
            path d=(path(|s| s.before_mm2)) fill="none" stroke="#8a949e" stroke-width="1.6" {}
            path d=(path(|s| s.free_mm2)) fill="none" stroke="#1a4d8f" stroke-width="2.2" {}
            text x=(n(LEFT + 8.0)) y=(n(TOP + 12.0)) fill="#8a949e" { "before" }
            text x=(n(LEFT + 60.0)) y=(n(TOP + 12.0)) fill="#1a4d8f" { "now" }
            text x=(LEFT) y=(n(HEIGHT - 16.0)) { "towards the feet" }
            text x=(n(WIDTH - RIGHT)) y=(n(HEIGHT - 16.0)) text-anchor="end" { "towards the head" }
            text x="0" y=(n(TOP + 8.0)) { "mm²" }
        },
    )
}
