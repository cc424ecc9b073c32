//! The top of the report, its table of figures, and its register.

use maud::{Markup, html};

use super::findings::{Gravity, findings};
use super::{f, opt, shown, together, who};
use spinor_sim::UserId;

use crate::definitions::Better;
use crate::figures::{FIGURES, Figure};
use crate::gather::Session;
use crate::metrics::Metrics;
use crate::phases::Activity;
use crate::picture::Pictures;
use crate::plot::{activity_colour, clock};
use crate::proposed::Verdict;
use crate::score::{SAFE_WITH_DANGER, SAFE_WITH_HARM};

/// Title, session, and what limits what follows.
pub(super) fn head(session: &Session, metrics: &Metrics) -> Markup {
    let info = &metrics.session;
    let date = crate::xapi::timestamp(info.started_unix_s, 0.0);
    let people: Vec<String> =
        session.people.iter().map(|(n, p)| format!("{}, {}", who(metrics, &session.name(UserId(*n))), p.role)).collect();
    let proposed: Vec<&str> = metrics.sources.keys().map(String::as_str).filter(|name| metrics.is_proposed(name)).collect();
    html! {
        h1 { "Session report" }
        p { b { (info.room) } ", " @if info.started_unix_s > 0 { (date.get(..10).unwrap_or_default()) " " (date.get(11..16).unwrap_or_default()) " UTC, " } (clock(metrics.duration_s)) " min"
            @if !people.is_empty() { ". " (people.join("; ")) }
            ". " span.small { "Case " code { (info.case.chars().take(12).collect::<String>()) } ", recorded by " (info.software) "." } }
        p.note { "For education and rehearsal. Not a medical device: no figure here is a measure of clinical skill or a basis for treatment." }
        @if info.empty_before_s.max(info.empty_after_s) > 1.0 {
            p.small { "The recording ran for " (clock(info.empty_before_s)) " min before any hand held a tool and for " (clock(info.empty_after_s))
                " min after the last: neither counts. Times begin with the first hand." }
        }
        @if info.digests_differing > 0 {
            p.note.warn { "The recording is damaged: at " (info.digests_differing) " of " (info.digests) " moments its operations do not lead to the state \
                that the room had. No figure here can be trusted." }
        }
        @if info.simulated_again_differing_ticks > 0 {
            p.note.warn { "Run again from the inputs, " (info.simulated_again_differing_ticks) " of " (info.simulated_again_ticks)
                " ticks cut differently from the recording: distances and paths are those of this program, not exactly those of the session." }
        }
        @if info.stalls > 0 {
            p.note.warn { "The server stood still " (info.stalls) (if info.stalls == 1 { " time" } else { " times" }) " while tools were held, for "
                (f(info.stalled_s, 1)) " s in all (the longest " (f(info.longest_stall_s, 2)) " s), as the hands' own count of their inputs shows. No time here \
                holds these pauses, and no speed, tremor, plunge or reaction over one is charged to anybody." }
        }
        @if metrics.time.unseen_s > 0.5 {
            p.note.warn { "For " (f(metrics.time.unseen_s, 1)) " s tools were held and no new input of any hand reached the server: that counts neither as idle nor \
                as moved." }
        }
        @if info.torn_tail { p.note.warn { "The recording ends in the middle of a record: its writer was stopped. What came before is whole." } }
        @if !proposed.is_empty() {
            p.note.warn { "Proposed from the anatomy around them and seen in no image: " (together(proposed.iter().copied())) ". What was measured against them \
                says \"proposed\" and is judged by nothing." }
        }
    }
}

/// Score, targets, and what matters, worst first.
pub(super) fn summary(metrics: &Metrics) -> Markup {
    let count = |verdicts: &[Verdict]| FIGURES.iter().filter(|fig| verdicts.contains(&metrics.verdict(fig))).count();
    let (met, judged) = (count(&[Verdict::Met]), count(&[Verdict::Met, Verdict::Missed]));
    let not_judged = count(&[Verdict::Proposed, Verdict::Unchanged, Verdict::NoAim]);
    let findings = findings(metrics);
    let score = &metrics.score;
    html! {
        section {
            h2 { "Summary" }
            div.summary {
                div {
                    div.score {
                        "Safety score" b { (score.safety.map_or("–".to_owned(), |s| f(s, 0))) } span.small { "of 100, by a fixed rule" }
                        @if let Some(why) = metrics.absent.get("score.safety") { br; span.small { (why) } }
                        @else if score.of_weight < 1.0 { br; span.small { "judged on " (f(100.0 * score.of_weight, 0)) " % of the rule" } }
                        @if let (Some(most), Some(points)) = (score.most, score.points.filter(|p| score.safety.is_some() && score.most.is_some_and(|most| *p > most))) {
                            br; span.small { (f(points, 0)) " by its items, but no more than " (f(most, 0)) " with what was found" }
                        }
                    }
                    p.small { (met) " of " (judged) " targets met" @if not_judged > 0 { ", " (not_judged) " not judged" } "." }
                }
                ul.findings {
                    @for finding in &findings {
                        li class=(finding.gravity.class()) { span.tag { (finding.gravity.word()) } (finding.text) }
                    }
                    @if findings.iter().all(|finding| finding.gravity == Gravity::Good) {
                        li.good { "Nothing that this report measures stands out." }
                    }
                }
            }
        }
    }
}

/// Pictures before and after.
pub(super) fn pictures(pictures: &Pictures, metrics: &Metrics) -> Markup {
    let level = pictures.level.as_ref().map(|l| format!(" at {l}")).unwrap_or_default();
    let taken: f64 = metrics.removed_mm3.values().sum();
    html! {
        section {
            h2 { "Before and after" }
            div.pictures {
                figure { img src=(pictures.behind.before) alt="from behind, before"; figcaption { "From behind, before" } }
                figure { img src=(pictures.behind.after) alt="from behind, after"; figcaption { "From behind, after (" (f(taken, 0)) " mm³ taken)" } }
                figure { img src=(pictures.section.before) alt="section, before"; figcaption { "Section" (level) ", before" } }
                figure { img src=(pictures.section.after) alt="section, after"; figcaption { "Section" (level) ", after; what was taken is tinted red" } }
            }
            p.small { "L and R are the patient's left and right, A front, P back, S head, I feet. From behind: the patient's left is on the left; faces that a tool cut are red. Section through the plane that lost most (z "
                (f(pictures.height_mm, 1)) " mm), in the radiological convention, seen from below: front at the top, the patient's right on the left. Bone pale, flavum orange, dural \
                sac blue, roots yellow, disc green. Bar: 10 mm." @if metrics.sources.values().any(|source| *source == "proposed") { " Hatched: proposed, seen in no image." } }
        }
    }
}

/// What the colours of the timeline mean.
pub(super) fn legend(metrics: &Metrics) -> Markup {
    let seen = |activity: &Activity| metrics.phases.iter().any(|p| p.activity == *activity);
    html! {
        div.legend {
            @for activity in Activity::ALL.iter().filter(|a| seen(a)) { span { i style=(format!("background:{}", activity_colour(*activity))) {} (activity.word()) } }
            span { i style="background:#f0b64c" {} "caution" } span { i style="background:#d4374c" {} "danger" }
            span { i style="background:#b00020" {} "contact, tool running" } span { i style="background:#6d4c8f" {} "contact, tool at rest" }
            span { i style="background:#dfe6ef" {} "held" } span { i style="background:#9db4d3" {} "running" } span { i style="background:#2f5d95" {} "taking tissue" }
        }
    }
}

fn target(figure: &Figure) -> String {
    let Some(target) = figure.target else { return String::new() };
    let sign = match figure.definition.better {
        Better::Lower if target.value == 0.0 => return "none".to_owned(),
        Better::Lower => "≤",
        Better::Higher => "≥",
        Better::Neither => "",
    };
    let value = if figure.key.contains("share") { format!("{} %", f(100.0 * target.value, 0)) } else { target.value.to_string() };
    format!("{sign} {value}")
}

/// What stands beside a figure: why it has no value or verdict, by which part it is judged, or where its target comes from.
fn beside(metrics: &Metrics, figure: &Figure, value: Option<f64>) -> String {
    let judged = metrics.judged.get(figure.key).copied().flatten();
    let source = figure.target.map_or("", |target| target.source);
    match (metrics.verdict(figure), value) {
        (_, None) => figure.absent.to_owned(),
        (Verdict::Proposed | Verdict::Unchanged | Verdict::NoAim, _) => {
            metrics.unjudged.get(figure.definition.path).cloned().unwrap_or_default()
        }
        (Verdict::Met | Verdict::Missed, Some(_)) if metrics.rests_on_proposed(figure.definition.path) => {
            format!("judged without the proposed structures: {}; {source}", shown(figure, judged))
        }
        _ => source.to_owned(),
    }
}

/// The figures by category with their targets.
pub(super) fn figures(metrics: &Metrics) -> Markup {
    let categories = ["safety", "outcome", "process", "efficiency", "motion", "team"];
    let of = |category: &'static str| FIGURES.iter().filter(move |fig| fig.definition.category == category);
    html! {
        section {
            h2 { "Figures and targets" }
            table.long {
                tr { th { "Figure" } th.n { "Value" } th { "Unit" } th.n { "Target" } th { "" } th { "Target's source, or why there is no value" } }
                @for category in categories {
                    tr.group { td colspan="6" { (category) } }
                    @for figure in of(category) {
                        @let value = metrics.figures.get(figure.key).copied().flatten();
                        tr.sub[figure.label.starts_with("of th")] {
                            td { (figure.label) @if metrics.rests_on_proposed(figure.definition.path) && value.is_some() { " " span.proposed { "proposed" } } }
                            td.n { (shown(figure, value)) } td { (figure.definition.unit) } td.n { (target(figure)) }
                            @let verdict = metrics.verdict(figure);
                            td { span class=(match verdict { Verdict::Met => "met", Verdict::Missed => "missed", _ => "unjudged" }) { (verdict.word()) } }
                            td.small { (beside(metrics, figure, value)) }
                        }
                    }
                }
            }
            details {
                summary { "How the safety score comes about" }
                p.small { "Each item has full points at \"good\" or better, none at \"bad\" or worse, in proportion between; items without a value are left out. With a \
                    finding of danger the score is at most " (SAFE_WITH_DANGER) ", with one of harm at most " (SAFE_WITH_HARM) ": no score speaks against the findings. The \
                    bounds are teaching values; nothing was trained. Only structures that were seen are judged: contacts with \
                    proposed ones, and distances to them, count neither for nor against anybody." }
                table {
                    tr { th { "Item" } th.n { "Value" } th.n { "Good" } th.n { "Bad" } th.n { "Points" } th.n { "of" } }
                    @for item in &metrics.score.items {
                        tr { td { (crate::figures::by_key(item.figure).map_or(item.figure, |fig| fig.label)) } td.n { (opt(item.value, 2)) } td.n { (item.good) }
                             td.n { (item.bad) } td.n { (opt(item.points, 1)) } td.n { (item.weight) } }
                    }
                }
            }
        }
    }
}

/// Definitions, and what is not measured.
pub(super) fn register(metrics: &Metrics) -> Markup {
    html! {
        section {
            h2 { "What is not measured" }
            ul { @for line in &metrics.not_measured { li { (line) } } }
            details {
                summary { "Definitions of all " (metrics.definitions.len()) " metrics" }
                table.long {
                    tr { th { "Category" } th { "Path in metrics.json" } th { "Unit" } th { "Better" } th { "Definition" } th { "Source" } }
                    @for d in &metrics.definitions {
                        tr { td { (d.category) } td { code { (d.path) } } td { (d.unit) } td { (d.better.word()) } td { (d.definition) } td { (d.source) } }
                    }
                }
            }
        }
    }
}
