//! A mentor's rating.

use maud::{Markup, html};

use crate::metrics::Metrics;
use crate::osats::ITEMS;

/// The form as filled in, or how to merge one in.
pub(super) fn rating(metrics: &Metrics) -> Markup {
    html! {
        section {
            h2 { "Mentor's rating" }
            @match &metrics.osats {
                None => p { "No form was merged in. Fill in " code { "osats-template.json" } " beside this report and call " code { "spinor assess --osats FILE" } "." }
                Some(osats) => {
                    p { b { (osats.total) " of 35" } " on the OSATS global rating scale, by the " (osats.rater_role)
                        @if let Some(user) = osats.rated_user { ", of #" (user) } @else { ", of the team" } "." }
                    table {
                        tr { th { "Item" } th.n { "Rating" } th { "1 · 3 · 5 stand for" } }
                        @for item in &ITEMS {
                            tr { td { (item.name) } td.n { (osats.items.get(item.key).map_or("–".to_owned(), u8::to_string)) } td.small { (item.anchors.join(" · ")) } }
                        }
                    }
                    @if !osats.comment.is_empty() { p.note { (osats.comment) } }
                }
            }
        }
    }
}
