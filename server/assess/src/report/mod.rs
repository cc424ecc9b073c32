//! `report.html`: one file that needs nothing else, for the screen and for paper.

mod compare;
mod details;
mod findings;
mod page;
mod process;
mod rating;

use maud::{DOCTYPE, PreEscaped, html};

pub use findings::{Finding, Gravity, findings};

use crate::figures::Figure;
use crate::gather::Session;
use crate::metrics::Metrics;
use crate::picture::pictures;
use crate::plot;

const STYLE: &str = include_str!("report.css");

/// The report of a session, beside the figures of others with which it is compared.
pub fn html(session: &Session, metrics: &Metrics, against: &[(String, Metrics)]) -> String {
    let pictures = pictures(session);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width,initial-scale=1";
                title { "Session report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (page::head(session, metrics))
                (page::summary(metrics))
                @if let Some(pictures) = &pictures { (page::pictures(pictures, metrics)) }
                section {
                    h2 { "Timeline" }
                    (page::legend(metrics))
                    (plot::timeline(session, metrics))
                    h3 { "Distance to the nearest neural structure" }
                    (plot::distance(session))
                    p.small { "Least distance of any tool's surface, as far as bone let it come; below 0 it is inside. Bands: the thresholds in force for the \
                        structure that was nearest at the moment. Gaps: no tool within reach of the measurement."
                        @if session.tissues.yields { " Dura and roots gave way in this session: the curve is the distance to them as they stood, which the alarm \
                            followed; the tables' contacts and least distances are to where they lie at rest, so they may differ." } }
                    ul.small { @for line in plot::in_force(session, metrics) { li { (line) } } }
                    h3 { "Removed volume" }
                    (plot::removed(session))
                }
                (page::figures(metrics))
                @if !against.is_empty() { (compare::compared(metrics, against)) }
                (rating::rating(metrics))
                (details::safety(metrics))
                (details::outcome(metrics))
                (process::process(metrics))
                (details::phases(metrics))
                (details::motion(metrics))
                (details::team(session, metrics))
                (page::register(metrics))
            }
        }
    };
    page.into_string()
}

/// A number with so many digits; a rounded zero has no sign.
pub(crate) fn f(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if text.trim_start_matches(['-', '0', '.']).is_empty() { text.trim_start_matches('-').to_owned() } else { text }
}

/// A number, or a dash where there is none.
pub(crate) fn opt(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |v| f(v, digits))
}

/// A figure's value as a report shows it: shares in percent.
pub(crate) fn shown(figure: &Figure, value: Option<f64>) -> String {
    match value {
        Some(value) if figure.key.contains("share") => format!("{} %", f(100.0 * value, 0)),
        value => opt(value, figure.digits),
    }
}

/// A person's name without the number, where nobody else has the same name.
pub(crate) fn who<'a>(metrics: &Metrics, full: &'a str) -> &'a str {
    let bare = |name: &'a str| name.rsplit_once(" (#").map_or(name, |(bare, _)| bare);
    let alike =
        metrics.users.keys().filter(|name| name.rsplit_once(" (#").map_or(name.as_str(), |(b, _)| b) == bare(full)).count();
    if alike > 1 { full } else { bare(full) }
}

/// A structure's name as people say it: `vertebrae_L4` is L4, `nerve_root_L5_left` the left L5 root.
pub(crate) fn said(name: &str) -> String {
    let parts: Vec<&str> = name.split('_').collect();
    match parts.as_slice() {
        ["vertebrae", level] => format!("{level} vertebra"),
        ["dural", "sac"] => "dural sac".to_owned(),
        ["spinal", "cord"] => "spinal cord".to_owned(),
        ["nerve", "root", level, side] => format!("{side} {level} root"),
        ["intervertebral", "disc", upper, lower] => format!("disc {upper}/{lower}"),
        ["ligamentum", "flavum", upper, lower] => format!("flavum {upper}/{lower}"),
        _ => name.replace('_', " "),
    }
}

/// The same, with what it is where no image shows it.
pub(crate) fn told(metrics: &Metrics, name: &str) -> String {
    if metrics.is_proposed(name) { format!("{} (proposed)", said(name)) } else { said(name) }
}

/// Several structures' names together: what is of one kind is named once, and roots of both sides by their level.
pub(crate) fn together<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let (mut single, mut kinds) = (Vec::new(), std::collections::BTreeMap::<&str, Vec<String>>::new());
    let mut roots: Vec<(&str, Vec<&str>)> = Vec::new();
    for name in names {
        let parts: Vec<&str> = name.split('_').collect();
        match parts.as_slice() {
            ["nerve", "root", level, side] => match roots.iter_mut().find(|(known, _)| known == level) {
                Some((_, sides)) => sides.push(*side),
                None => roots.push((*level, vec![*side])),
            },
            ["intervertebral", "disc", upper, lower] => kinds.entry("discs").or_default().push(format!("{upper}/{lower}")),
            ["ligamentum", "flavum", upper, lower] => kinds.entry("flava").or_default().push(format!("{upper}/{lower}")),
            _ => single.push(said(name)),
        }
    }
    for (level, sides) in roots {
        let place = if let [one] = sides.as_slice() { format!("{one} {level}") } else { format!("{level} (both)") };
        kinds.entry("roots").or_default().push(place);
    }
    single.extend(kinds.into_iter().map(|(kind, places)| format!("{kind} {}", places.join(", "))));
    single.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_of_one_kind_are_named_together() {
        let names =
            ["dural_sac", "nerve_root_L4_left", "nerve_root_L4_right", "nerve_root_L5_right", "intervertebral_disc_L4_L5"];
        assert_eq!(together(names), "dural sac; discs L4/L5; roots L4 (both), right L5");
        assert_eq!(together([]), "");
    }

    #[test]
    fn numbers_and_names_read_well() {
        assert_eq!((f(-0.001, 1), f(-0.06, 1), opt(None, 2)), ("0.0".into(), "-0.1".into(), "–".into()));
        assert_eq!(said("nerve_root_L5_left"), "left L5 root");
        assert_eq!(said("intervertebral_disc_L5_S1"), "disc L5/S1");
        assert_eq!(said("sacrum"), "sacrum");
    }
}
