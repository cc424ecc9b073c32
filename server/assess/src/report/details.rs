//! The tables behind the figures.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{f, opt, together, told, who};
use crate::gather::Session;
use crate::metrics::{AlarmRise, Contact, Metrics, SideOutcome, StructureSafety};
use crate::plot::{self, clock};

/// Most rows of a list of single moments; metrics.json and events.csv hold the rest.
const MOST_ROWS: usize = 12;

fn more(count: usize) -> Markup {
    html! { @if count > MOST_ROWS { p.small { "The first " (MOST_ROWS) " of " (count) "; all are in metrics.json." } } }
}

/// Why a rise to danger has no time of reaction.
fn unanswered(rise: &AlarmRise) -> &'static str {
    match rise {
        AlarmRise { heard: false, .. } => "colour alone",
        AlarmRise { stalled: true, .. } => "server stood still",
        AlarmRise { under_way: true, .. } => "under way before",
        _ => "not within 10",
    }
}

/// Contacts by depth.
fn deepest(contacts: &[Contact]) -> Vec<&Contact> {
    let mut all: Vec<&Contact> = contacts.iter().collect();
    all.sort_by(|a, b| b.deepest_mm.total_cmp(&a.deepest_mm));
    all
}

pub(super) fn safety(metrics: &Metrics) -> Markup {
    let safety = &metrics.safety;
    let near = |s: &StructureSafety| s.least_distance_mm.is_some();
    let far: Vec<&str> = safety.structures.iter().filter(|(_, s)| !near(s)).map(|(name, _)| name.as_str()).collect();
    html! {
        section {
            h2 { "Safety in detail" }
            table {
                tr { th { "Structure" } th { "Seen in" } th.n { "± mm" } th.n { "Alarm within, mm" } th.n { "Least distance, mm" } th.n { "Caution, s" } th.n { "Danger, s" } th.n { "Contacts" }
                     th.n { "running" } th.n { "Contact, s" } th.n { "Deepest, mm" } th.n { "Pinches" } }
                @for (name, s) in safety.structures.iter().filter(|(_, s)| near(s)) {
                    tr { td { (told(metrics, name)) } td { (s.source) } td.n { (f(s.uncertainty_mm, 1)) } td.n { (f(s.caution_mm, 1)) " / " (f(s.danger_mm, 1)) } td.n { (opt(s.least_distance_mm, 2)) }
                         td.n { (f(s.caution_s, 1)) } td.n { (f(s.danger_s, 1)) } td.n { (s.contacts) } td.n { (s.active_contacts) } td.n { (f(s.contact_s, 2)) }
                         td.n { (f(s.greatest_depth_mm, 2)) } td.n { (s.pinches) } }
                }
            }
            @if !far.is_empty() { p.small { "No tool came near: " (together(far.iter().copied())) "." } }
            @if !safety.contacts.is_empty() {
                h3 { "Contacts, deepest first" }
                table.long {
                    tr { th.n { "At" } th { "Structure" } th { "Who" } th { "Tool" } th.n { "Seconds" } th.n { "running, s" } th.n { "Deepest, mm" } }
                    @for c in deepest(&safety.contacts).into_iter().take(MOST_ROWS) {
                        tr { td.n { (clock(c.start_s)) } td { (told(metrics, &c.structure)) } td { (who(metrics, &c.user)) } td { (c.tool) }
                             td.n { (f(c.seconds, 2)) @if c.open { " (open at the end)" } } td.n { (f(c.active_s, 2)) } td.n { (f(c.deepest_mm, 2)) } }
                    }
                }
                (more(safety.contacts.len()))
            }
            @if !safety.plunges.is_empty() {
                h3 { "Breakthroughs" }
                table {
                    tr { th.n { "At" } th { "Who" } th { "Tool" } th.n { "In the first tick, mm" } th.n { "Then at most, mm" } th.n { "Nearest nerve then, mm" } }
                    @for p in safety.plunges.iter().take(MOST_ROWS) {
                        tr { td.n { (clock(p.at_s)) } td { (who(metrics, &p.user)) } td { (p.tool) } td.n { (f(p.first_mm, 2)) } td.n { (opt(p.reach_mm, 2)) } td.n { (opt(p.least_distance_mm, 2)) } }
                    }
                }
                (more(safety.plunges.len()))
            }
            @if !safety.alarms.rises.is_empty() {
                h3 { "Rises to danger" }
                table.long {
                    tr { th.n { "At" } th { "Who" } th { "Tool" } th { "Structure" } th.n { "Distance, mm" } th.n { "Threshold, mm" } th { "Heard" } th.n { "Answered after, s" } }
                    @for r in safety.alarms.rises.iter().take(MOST_ROWS) {
                        tr { td.n { (clock(r.at_s)) } td { (who(metrics, &r.user)) } td { (r.tool) } td { (told(metrics, &r.structure)) } td.n { (opt(r.distance_mm, 2)) } td.n { (f(r.threshold_mm, 1)) }
                             td { (if r.heard { "yes" } else { "no" }) } td.n { (r.reaction_s.map_or_else(|| unanswered(r).to_owned(), |s| f(s, 2))) } }
                    }
                }
                (more(safety.alarms.rises.len()))
            }
        }
    }
}

/// Canal, facets, pars and foramina of the levels at which something changed, and of the one that was operated.
fn anatomy(metrics: &Metrics) -> Markup {
    let outcome = &metrics.outcome;
    let changed = |side: &SideOutcome| {
        let shares = [side.facet_kept_share, side.lamina_left_share, side.flavum_left_share, side.disc_left_share];
        shares.into_iter().flatten().any(|share| share < 0.999)
    };
    let target = outcome.target_level.as_deref();
    let levels =
        || outcome.levels.iter().filter(|(name, l)| Some(name.as_str()) == target || changed(&l.left) || changed(&l.right));
    let percent = |share: Option<f64>| share.map_or_else(|| "–".to_owned(), |share| format!("{} %", f(100.0 * share, 0)));
    let change = |before: Option<f64>, now: Option<f64>, digits: usize| format!("{} → {}", opt(before, digits), opt(now, digits));
    // Which of a level's soft structures no image shows.
    let mark = |kind: &str, level: &str| {
        let own = |name: &&String| name.strip_prefix(kind).is_some_and(|rest| rest.split('_').nth(1) == Some(level));
        let proposed = metrics.sources.keys().filter(own).any(|name| metrics.is_proposed(name));
        html! { @if proposed { br; span.proposed { "proposed" } } }
    };
    html! {
        @if levels().next().is_some() {
            table {
                tr { th { "Below" } th.n { "Least area of the sac, mm²" } th { "Side" } th.n { "Facet kept" } th.n { "Lamina left" } th.n { "Flavum left" }
                     th.n { "Disc left" } th.n { "Narrowest pars, mm" } th.n { "Probe through the foramen, mm" } }
                @for (name, level) in levels() {
                    @for (k, (word, side)) in [("left", &level.left), ("right", &level.right)].into_iter().enumerate() {
                        tr {
                            td { @if k == 0 { (name) } }
                            td.n { @if k == 0 { (change(level.canal_before_mm2, level.canal_mm2, 0)) @if level.canal_source == Some("proposed") { br; span.proposed { "proposed" } } } }
                            td { (word) } td.n { (percent(side.facet_kept_share)) } td.n { (percent(side.lamina_left_share)) } td.n { (percent(side.flavum_left_share)) (mark("ligamentum_flavum", name)) }
                            td.n { (percent(side.disc_left_share)) (mark("intervertebral_disc", name)) } td.n { (change(side.pars_before_mm, side.pars_mm, 1)) }
                            td.n { (change(side.foramen_probe_before_mm, side.foramen_probe_mm, 1)) }
                        }
                    }
                }
            }
            @if let Some(level) = outcome.target().filter(|level| level.canal_slices.len() > 1) {
                h3 { "Area of the " (told(metrics, "dural_sac")) " along the canal below " (target.unwrap_or_default()) }
                (plot::canal(level))
                p.small { "Where bone and flavum were taken, the sac is re-expanded into the room up to its unstenosed outline; it is a measure of room, not of fluid."
                    @if level.canal_source == Some("proposed") { " No image shows this sac: its area is that of the room between healthy bones, and stenosis by soft tissue is not in it." } }
            }
        } @else if let Some(why) = metrics.absent.get("outcome.levels") {
            p.small { "Canal, facets and pars: " (why) "." }
        }
    }
}

pub(super) fn outcome(metrics: &Metrics) -> Markup {
    let touched = |name: &&String| metrics.removed_mm3.get(*name).copied().unwrap_or(0.0) > 0.05;
    let names: Vec<&String> = metrics.removed_mm3.keys().filter(touched).collect();
    html! {
        section {
            h2 { "Outcome in detail" }
            (anatomy(metrics))
            @if names.is_empty() { p { "Nothing was taken from any structure." } } @else {
                table {
                    tr { th { "Structure" } th.n { "Removed, mm³" } th.n { "Left, mm³" } th.n { "Left, %" } }
                    @for name in names {
                        @let (removed, left) = (metrics.removed_mm3.get(name).copied().unwrap_or(0.0), metrics.left_mm3.get(name).copied().unwrap_or(0.0));
                        tr { td { (told(metrics, name)) } td.n { (f(removed, 1)) } td.n { (f(left, 1)) } td.n { (f(100.0 * left / (left + removed).max(1e-9), 1)) } }
                    }
                }
                p.small { "Structures of which less than 0.05 mm³ was taken are left out." }
            }
        }
    }
}

fn volumes(removed: &BTreeMap<&'static str, f64>) -> String {
    removed.iter().map(|(class, mm3)| format!("{class} {}", f(*mm3, 1))).collect::<Vec<_>>().join(", ")
}

pub(super) fn phases(metrics: &Metrics) -> Markup {
    html! {
        section {
            h2 { "Phases" }
            table.long {
                tr { th.n { "From" } th.n { "Seconds" } th { "Activity" } th { "Level" } th { "Side" } th { "Removed, mm³" } }
                @for p in &metrics.phases {
                    tr { td.n { (clock(p.start_s)) } td.n { (f(p.seconds, 0)) } td { (p.activity.word()) } td { (p.level.as_deref().unwrap_or("")) }
                         td { (p.side.map_or("", |s| s.word())) } td { (volumes(&p.removed_mm3)) } }
                }
            }
            p.small { "Found from what was taken, with what and where, second by second; pauses up to 5 s belong to the work around them." }
        }
    }
}

pub(super) fn motion(metrics: &Metrics) -> Markup {
    html! {
        section {
            h2 { "Motion" }
            table {
                tr { th { "Who" } th { "Tool" } th.n { "Held, s" } th.n { "Tip's path, mm" } th.n { "Hand's path, mm" } th.n { "Mean, mm/s" } th.n { "Peak, mm/s" }
                     th.n { "Acceleration, mm/s²" } th.n { "Jerk, mm/s³" } th.n { "Tremor, mm" } th.n { "Angle, °" } }
                @for (name, tools) in &metrics.motion {
                    @for (tool, m) in tools {
                        tr { td { (who(metrics, name)) } td { (tool) } td.n { (f(m.held_s, 1)) } td.n { (f(m.path_mm, 0)) } td.n { (f(m.hand_path_mm, 0)) } td.n { (opt(m.hand_mean_mm_per_s, 1)) }
                             td.n { (opt(m.hand_peak_mm_per_s, 0)) } td.n { (opt(m.mean_acceleration_mm_per_s2, 0)) } td.n { (opt(m.mean_jerk_mm_per_s3, 0)) }
                             td.n { (opt(m.tremor_mm, 3)) } td.n { (opt(m.surface_degrees, 0)) } }
                    }
                }
            }
            p.small { "Speed, acceleration and jerk are means (peak: the greatest) of the hand's recorded way, smoothed over 13 ticks; tremor is its shaking \
                between 6 and 12 Hz while it was slow. Angle: between a burr's shaft and the bone's normal." }
        }
    }
}

pub(super) fn team(session: &Session, metrics: &Metrics) -> Markup {
    html! {
        section {
            h2 { "Team" }
            table {
                tr { th { "Who" } th { "Role" } th { "Removed" } th.n { "Removing, s" } th.n { "Both hands at work, s" } th.n { "Contacts" } th.n { "Pinches" } th.n { "Bites refused" } }
                @for (name, user) in &metrics.users {
                    tr { td { (who(metrics, name)) } td { (user.role) }
                         td { @for (structure, mm3) in &user.removed_mm3 { (told(metrics, structure)) ": " (f(*mm3, 1)) " mm³" br; } }
                         td.n { (f(user.removing_s, 1)) } td.n { (f(user.both_hands_loaded_s, 1)) } td.n { (user.neural_contacts) } td.n { (user.pinches) } td.n { (user.bites_refused) } }
                }
            }
            p { "Two people at work at once: " (f(metrics.team.two_people_loaded_s, 1)) " s. Tools handed over: " (metrics.team.hand_overs)
                ". Rights to operate given: " (metrics.team.rights_given)
                ". Turns between people who remove: " (metrics.team.turns) "." }
            @if !metrics.team.interventions.is_empty() {
                table {
                    tr { th.n { "At" } th { "Who" } th { "Role" } th { "Intervention" } }
                    @for i in &metrics.team.interventions {
                        tr { td.n { (clock(session.seconds(i.at_tick))) } td { (who(metrics, &i.user)) } td { (i.role) } td { (i.what) } }
                    }
                }
            }
        }
    }
}
