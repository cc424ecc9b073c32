//! This session beside others.

use maud::{Markup, html};

use super::{opt, shown};
use crate::figures::FIGURES;
use crate::metrics::Metrics;
use crate::plot;

/// Figures side by side with their ratios, and a plot of the ratios.
pub(super) fn compared(metrics: &Metrics, against: &[(String, Metrics)]) -> Markup {
    let of = |m: &Metrics, key: &str| m.figures.get(key).copied().flatten();
    let ratio = |own: Option<f64>, other: Option<f64>| match (own, other) {
        (Some(own), Some(other)) if own > 0.0 && other >= 0.0 => format!("× {:.2}", other / own),
        _ => String::new(),
    };
    html! {
        section {
            h2 { "Compared with other sessions" }
            @for (k, (name, other)) in against.iter().enumerate() {
                @if other.session.case != metrics.session.case { p.note.warn { (name) " is of another case: volumes and times are not of the same work." } }
                p.legend { span { i style=(format!("background:{}", plot::colour(k))) {} (name) } }
            }
            (plot::ratios(metrics, against))
            p.small { "Each mark is the other session's figure as a multiple of this session's; this session stands at 1×. Figures that are zero or missing on either \
                side are only in the table." }
            table.long {
                tr { th { "Figure" } th { "Unit" } th.n { "This session" } @for (name, _) in against { th.n { (name) } th.n { "ratio" } } }
                tr { td { "Safety score" } td { "of 100" } td.n { (opt(metrics.score.safety, 0)) }
                     @for (_, other) in against { td.n { (opt(other.score.safety, 0)) } td.n { (ratio(metrics.score.safety, other.score.safety)) } } }
                @for figure in FIGURES {
                    @let own = of(metrics, figure.key);
                    @if own.is_some() || against.iter().any(|(_, other)| of(other, figure.key).is_some()) {
                        @let proposed = metrics.rests_on_proposed(figure.definition.path) || against.iter().any(|(_, other)| other.rests_on_proposed(figure.definition.path));
                        tr { td { (figure.label) @if proposed { " " span.proposed { "proposed" } } } td { (figure.definition.unit) } td.n { (shown(figure, own)) }
                             @for (_, other) in against {
                                 @let value = of(other, figure.key);
                                 td.n { (shown(figure, value)) } td.n { (ratio(own, value)) }
                             } }
                    }
                }
            }
        }
    }
}
