//! Other sessions' figures as multiples of this one's.

use maud::{Markup, html};

use super::{RIGHT, WIDTH, n, svg};
use crate::figures::FIGURES;
use crate::metrics::Metrics;

const ROW: f64 = 18.0;
const LABELS: f64 = 270.0;
/// From an eighth to eight times.
const OCTAVES: f64 = 3.0;
/// Marks of the sessions that are compared with.
const COLOURS: [&str; 6] = ["#1a4d8f", "#b0561a", "#3c8a3c", "#7a4fa3", "#a83c6e", "#5a5a5a"];

/// Colour of a session that is compared with.
pub(crate) fn colour(k: usize) -> &'static str {
    COLOURS[k % COLOURS.len()]
}

/// One row a figure: this session stands at 1, each other one at its ratio, on a logarithmic axis. Figures that are missing or zero on
/// either side have no ratio and are left to the table.
pub(crate) fn ratios(metrics: &Metrics, against: &[(String, Metrics)]) -> Markup {
    let mut rows = Vec::new();
    for figure in FIGURES {
        let own = metrics.figures.get(figure.key).copied().flatten().filter(|v| *v > 0.0);
        let ratio = |other: &Metrics| Some(other.figures.get(figure.key).copied().flatten().filter(|v| *v > 0.0)? / own?);
        let ratios: Vec<Option<f64>> = against.iter().map(|(_, other)| ratio(other)).collect();
        if ratios.iter().any(Option::is_some) {
            rows.push((figure.label, ratios));
        }
    }
    let x = |ratio: f64| {
        let part = (ratio.log2().clamp(-OCTAVES, OCTAVES) + OCTAVES) / (2.0 * OCTAVES);
        LABELS + (WIDTH - RIGHT - LABELS - 8.0) * part
    };
    let bottom = rows.len() as f64 * ROW + 4.0;
    svg(
        "Figures of other sessions as multiples of this session's",
        bottom + 20.0,
        html! {
            @for power in -3..=3 {
                @let at = x(2_f64.powi(power));
                line x1=(n(at)) x2=(n(at)) y1="0" y2=(n(bottom)) stroke=(if power == 0 { "#444" } else { "#ddd" }) stroke-width="1" {}
                text x=(n(at)) y=(n(bottom + 14.0)) text-anchor="middle" { (if power < 0 { format!("1/{}", 1 << -power) } else { format!("{}×", 1 << power) }) }
            }
            @for (k, (label, ratios)) in rows.iter().enumerate() {
                @let y = k as f64 * ROW + ROW / 2.0;
                text x="0" y=(n(y + 4.0)) { (label) }
                @for (j, ratio) in ratios.iter().enumerate() {
                    @if let Some(ratio) = ratio {
                        circle cx=(n(x(*ratio))) cy=(n(y)) r="4.5" fill=(colour(j)) fill-opacity="0.85" { title { (format!("{} × {ratio:.2}", against[j].0)) } }
                    }
                }
            }
        },
    )
}
