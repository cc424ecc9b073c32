//! `report.html`: one file that needs nothing else.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::gather::Session;
use crate::metrics::Metrics;
use crate::plot;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;width:100%;font-size:.9rem}\
th,td{border-bottom:1px solid #ddd;padding:.3rem .5rem;text-align:left;vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}\
svg{width:100%;height:auto;font-size:11px}.note{background:#f4f4f4;padding:.6rem .9rem;border-left:4px solid #888}.warn{border-color:#b00020}";

/// The report of a session, beside the figures of others on which it is compared.
pub fn html(session: &Session, metrics: &Metrics, against: &[(String, Metrics)]) -> String {
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
                h1 { "Session report" }
                p.note { "For education and rehearsal. Not a medical device: no figure here is a measure of clinical skill or a basis for treatment." }
                (about(session, metrics))
                h2 { "Distance to the nearest neural structure" }
                p { "Least distance of any tool's surface, as far as bone let it come. Bands: caution within " (session.thresholds_mm[0])
                    " mm, danger within " (session.thresholds_mm[1]) " mm, below 0 inside; each structure's own uncertainty widens its thresholds. \
                    Marks: a level that rose." }
                (plot::distance(session))
                h2 { "Removed volume" }
                (plot::removed(session))
                (outcome(metrics))
                (safety(metrics))
                (efficiency(metrics))
                (team(metrics))
                (motion(metrics))
                @if !against.is_empty() { (comparison(metrics, against)) }
                (definitions(metrics))
                h2 { "What is not measured" }
                ul { @for line in &metrics.not_measured { li { (line) } } }
            }
        }
    };
    page.into_string()
}

fn f(value: f64, digits: usize) -> String {
    // A rounded zero has no sign.
    let text = format!("{value:.digits$}");
    if text.trim_start_matches(['-', '0', '.']).is_empty() { text.trim_start_matches('-').to_owned() } else { text }
}

fn about(session: &Session, metrics: &Metrics) -> Markup {
    let info = &metrics.session;
    html! {
        p { "Room " b { (info.room) } ", case " code { (info.case.chars().take(16).collect::<String>()) } ", "
            (f(metrics.duration_s, 1)) " s, recorded by " (info.software) "." }
        @if info.simulated_again_differing_ticks > 0 {
            p.note.warn { "Run again from the inputs, " (info.simulated_again_differing_ticks) " of " (info.simulated_again_ticks)
                " ticks cut differently from the recording: distances and paths are those of this program, not exactly those of the session." }
        }
        @if info.torn_tail { p.note.warn { "The recording ends in the middle of a record: its writer was stopped. What came before is whole." } }
        @if session.patient.structures().iter().any(|s| s.source.word() == "proposed") {
            p.note.warn { "Some structures were proposed from the anatomy around them and seen in no image; the table below names them." }
        }
    }
}

fn outcome(metrics: &Metrics) -> Markup {
    html! {
        h2 { "Outcome" }
        table {
            tr { th { "Structure" } th { "Removed, mm³" } th { "Left, mm³" } }
            @for (name, removed) in &metrics.removed_mm3 {
                tr { td { (name) } td.n { (f(*removed, 1)) } td.n { (f(metrics.left_mm3.get(name).copied().unwrap_or(0.0), 1)) } }
            }
        }
        table {
            tr { th { "Level" } th { "Bone, mm³" } th { "Flavum, mm³" } th { "Disc, mm³" } }
            @for (level, removed) in &metrics.levels {
                tr { td { (level) } @for class in ["bone", "flavum", "disc"] { td.n { (removed.get(class).map_or("–".to_owned(), |v| f(*v, 1))) } } }
            }
        }
    }
}

fn safety(metrics: &Metrics) -> Markup {
    let safety = &metrics.safety;
    html! {
        h2 { "Safety" }
        table {
            tr { th { "Structure" } th { "Seen in" } th { "Uncertainty, mm" } th { "Least distance, mm" } th { "Caution, s" } th { "Danger, s" } th { "Contacts" }
                 th { "Contact, s" } th { "Deepest, mm" } th { "Pinches" } }
            @for (name, s) in &safety.structures {
                tr { td { (name) } td { (s.source) } td.n { (f(s.uncertainty_mm, 1)) }
                     td.n { (s.least_distance_mm.map_or("never near".to_owned(), |d| f(d, 2))) }
                     td.n { (f(s.caution_s, 1)) } td.n { (f(s.danger_s, 1)) } td.n { (s.contacts) } td.n { (f(s.contact_s, 2)) }
                     td.n { (f(s.greatest_depth_mm, 2)) } td.n { (s.pinches) } }
            }
        }
        p { (safety.breakthroughs) " breakthroughs, greatest plunge " (f(safety.greatest_plunge_mm, 2)) " mm." }
        @if !safety.contacts.is_empty() {
            table {
                tr { th { "Contact at, s" } th { "Structure" } th { "Who" } th { "Tool" } th { "Seconds" } th { "Active, s" } th { "Deepest, mm" } }
                @for c in &safety.contacts {
                    tr { td.n { (f(c.start_s, 2)) } td { (c.structure) } td { (c.user) } td { (c.tool) }
                         td.n { (f(c.seconds, 2)) @if c.open { " (open at the end)" } } td.n { (f(c.active_s, 2)) } td.n { (f(c.deepest_mm, 2)) } }
                }
            }
        }
    }
}

fn efficiency(metrics: &Metrics) -> Markup {
    html! {
        h2 { "Efficiency" }
        table {
            tr { th { "Total, s" } th { "Removing, s" } th { "Share removing" } th { "Idle, s" } }
            tr { td.n { (f(metrics.duration_s, 1)) } td.n { (f(metrics.time.removing_s, 1)) }
                 td.n { (f(100.0 * metrics.time.share_removing, 1)) " %" } td.n { (f(metrics.time.idle_s, 1)) } }
        }
    }
}

fn team(metrics: &Metrics) -> Markup {
    html! {
        h2 { "Team: who removed what" }
        table {
            tr { th { "Who" } th { "Role" } th { "Removed" } th { "Removing, s" } th { "Neural contacts" } th { "Pinches" } th { "Bites refused" } }
            @for (name, user) in &metrics.users {
                tr { td { (name) } td { (user.role) }
                     td { @for (structure, mm3) in &user.removed_mm3 { (structure) ": " (f(*mm3, 1)) " mm³" br; } }
                     td.n { (f(user.removing_s, 1)) } td.n { (user.neural_contacts) } td.n { (user.pinches) } td.n { (user.bites_refused) } }
            }
        }
    }
}

fn motion(metrics: &Metrics) -> Markup {
    html! {
        h2 { "Motion" }
        table {
            tr { th { "Who" } th { "Tool" } th { "Held, s" } th { "Path, mm" } th { "Mean, mm/s" } th { "Peak, mm/s" } }
            @for (name, tools) in &metrics.motion {
                @for (tool, m) in tools {
                    tr { td { (name) } td { (tool) } td.n { (f(m.held_s, 1)) } td.n { (f(m.path_mm, 1)) } td.n { (f(m.mean_mm_per_s, 1)) } td.n { (f(m.peak_mm_per_s, 1)) } }
                }
            }
        }
    }
}

/// One figure of a session.
type Figure = fn(&Metrics) -> f64;

fn comparison(metrics: &Metrics, against: &[(String, Metrics)]) -> Markup {
    let figures: [(&str, Figure); 6] = [
        ("Total, s", |m| m.duration_s),
        ("Removed, mm³", |m| m.removed_mm3.values().sum()),
        ("Share removing, %", |m| 100.0 * m.time.share_removing),
        ("In danger, s (sum over structures)", |m| m.safety.structures.values().map(|s| s.danger_s).sum()),
        ("Neural contacts", |m| m.safety.contacts.len() as f64),
        ("Idle, s", |m| m.time.idle_s),
    ];
    html! {
        h2 { "Compared" }
        table {
            tr { th { "" } th { "This session" } @for (name, _) in against { th { (name) } } }
            @for (label, figure) in figures {
                tr { td { (label) } td.n { (f(figure(metrics), 1)) } @for (_, other) in against { td.n { (f(figure(other), 1)) } } }
            }
            @for (structure, removed) in &metrics.removed_mm3 {
                tr { td { "Removed from " (structure) ", mm³" } td.n { (f(*removed, 1)) }
                     @for (_, other) in against { td.n { (other.removed_mm3.get(structure).map_or("–".to_owned(), |v| f(*v, 1))) } } }
            }
        }
    }
}

fn definitions(metrics: &Metrics) -> Markup {
    html! {
        h2 { "Definitions" }
        table {
            tr { th { "Category" } th { "Metric" } th { "Unit" } th { "Definition" } th { "Source" } }
            @for d in &metrics.definitions {
                tr { td { (d.category) } td { code { (d.name) } } td { (d.unit) } td { (d.definition) } td { (d.source) } }
            }
        }
    }
}
