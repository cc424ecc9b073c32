//! What matters, in sentences, worst first.

use spinor_sim::procedure::Sentinel;

use super::{f, together, told, who};
use crate::figures::by_key;
use crate::metrics::{Contact, LACKING, Metrics};
use crate::plot::clock;
use crate::proposed::{NO_AIM, NOT_JUDGED, UNCHANGED, Verdict};

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// As it should be.
    Good,
    /// Worth a look.
    Notice,
    /// Measured against proposed anatomy, or not what the procedure aims at: neither good nor bad.
    Unjudged,
    /// Could have done harm.
    Danger,
    /// Would have done harm.
    Harm,
}

impl Gravity {
    /// The word before the sentence.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Notice => "look at",
            Self::Unjudged => "not judged",
            Self::Danger => "danger",
            Self::Harm => "harm",
        }
    }

    /// The class in the page's style.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Notice => "notice",
            Self::Unjudged => "unjudged",
            Self::Danger => "danger",
            Self::Harm => "harm",
        }
    }
}

/// A sentence about the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How grave.
    pub gravity: Gravity,
    /// What.
    pub text: String,
}

/// The findings of a session, worst first.
pub fn findings(metrics: &Metrics) -> Vec<Finding> {
    let mut all = Vec::new();
    let mut say = |gravity, text: String| all.push(Finding { gravity, text });
    pinches(metrics, &mut say);
    procedure(metrics, &mut say);
    contacts(metrics, &mut say);
    motion(metrics, &mut say);
    work(metrics, &mut say);
    all.sort_by_key(|finding| std::cmp::Reverse(finding.gravity));
    all
}

fn times(n: usize) -> String {
    match n {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        n => format!("{n} times"),
    }
}

/// Says something of a structure: without a verdict where no image shows it.
fn tell(metrics: &Metrics, structure: Option<&str>, gravity: Gravity, text: String, say: &mut impl FnMut(Gravity, String)) {
    if structure.is_some_and(|name| metrics.is_proposed(name)) {
        say(Gravity::Unjudged, format!("{text}: {NOT_JUDGED}."));
    } else {
        say(gravity, format!("{text}."));
    }
}

fn pinches(metrics: &Metrics, say: &mut impl FnMut(Gravity, String)) {
    for (name, s) in metrics.safety.structures.iter().filter(|(_, s)| s.pinches > 0) {
        let text = format!("A punch closed on the {} {}", told(metrics, name), times(s.pinches as usize));
        tell(metrics, Some(name), Gravity::Harm, text, say);
    }
}

/// Sentinel errors that no other finding tells, and steps left out.
fn procedure(metrics: &Metrics, say: &mut impl FnMut(Gravity, String)) {
    let elsewhere = [Sentinel::BurrOnNerve, Sentinel::PinchedNerve, Sentinel::Plunge].map(Sentinel::words);
    for error in metrics.process.sentinels.iter().filter(|s| !elsewhere.contains(&s.what)) {
        let at = error.structure.as_ref().map(|name| format!(" ({})", told(metrics, name))).unwrap_or_default();
        let text = format!("Sentinel error at {}: {}{at}", clock(error.at_s), error.what);
        tell(metrics, error.structure.as_deref(), Gravity::Harm, text, say);
    }
    let named = |status: &str| {
        let titles = metrics.process.steps.iter().filter(|s| s.status == status).map(|s| s.title.clone());
        titles.collect::<Vec<_>>().join("; ")
    };
    let (open, early, lacking) = (named("open"), named("out of order"), named(LACKING));
    // Steps find and free structures: where those are proposed, how far the procedure came is a fact and no merit.
    let proposed = metrics.rests_on_proposed("figures.steps_share");
    let mut steps = |gravity, text: String| match proposed {
        true => say(Gravity::Unjudged, format!("{text}: {NOT_JUDGED}.")),
        false => say(gravity, format!("{text}.")),
    };
    if !open.is_empty() {
        steps(Gravity::Notice, format!("Steps not done: {open}"));
    }
    if !early.is_empty() {
        steps(Gravity::Notice, format!("Steps done before an earlier one: {early}"));
    }
    if metrics.process.completed == Some(true) && early.is_empty() && lacking.is_empty() {
        steps(Gravity::Good, "All steps of the procedure were done, in their order".to_owned());
    }
    if !lacking.is_empty() {
        say(Gravity::Notice, format!("Steps with nothing to do, since the case has no such tissue: {lacking}."));
    }
    canal(metrics, say);
    if let Some((share, _)) = missed(metrics, "facet_kept_share") {
        say(Gravity::Danger, format!("Only {} % of a facet joint is left at the operated level.", f(100.0 * share, 0)));
    }
    if let Some((mm, _)) = missed(metrics, "pars_mm") {
        say(Gravity::Danger, format!("The pars is {} mm wide at its narrowest: it may break.", f(mm, 1)));
    }
    let harm = &metrics.safety.harm;
    if let Some(n) = harm.disc_breaches.filter(|n| *n > 0) {
        let text = format!("A tip came out of the front of a disc {}", times(n as usize));
        match metrics.rests_on_proposed("figures.disc_breaches") {
            true => say(Gravity::Unjudged, format!("{text}: {NOT_JUDGED}.")),
            false => say(Gravity::Harm, format!("{text}.")),
        }
    }
    if let Some((newton, target)) = missed(metrics, "retraction_peak_newton") {
        say(Gravity::Danger, format!("A nerve was held with up to {} N; {target} N is the limit.", f(newton, 1)));
    }
    if let Some((s, _)) = missed(metrics, "dry_drilling_s") {
        let told = format!("The burr drilled dry for {} s in all", f(s, 0));
        let peak = harm.peak_celsius.map(|celsius| format!(" ({} °C at most)", f(celsius, 0))).unwrap_or_default();
        match harm.overheated_s.filter(|hot| *hot > 0.0) {
            Some(hot) => {
                say(Gravity::Danger, format!("{told}, and bone was at 47 °C or more for {} s{peak}: it dies.", f(hot, 1)))
            }
            None => {
                say(Gravity::Notice, format!("{told}; by the model of its heat no bone reached the 47 °C that kill it{peak}."))
            }
        }
    }
    if let Some(n) = harm.kicks.filter(|n| *n > 0) {
        let most = harm.greatest_kick_mm.map_or_else(String::new, |mm| format!(" and jumped, by {} mm at most", f(mm, 1)));
        say(Gravity::Notice, format!("A burr grabbed soft tissue {}{most}.", times(n as usize)));
    }
}

/// The sac's least area at the operated level.
fn canal(metrics: &Metrics, say: &mut impl FnMut(Gravity, String)) {
    let shown = |key: &str| metrics.figures.get(key).copied().flatten().map(|mm2| f(mm2, 0));
    let Some(now) = shown("canal_mm2") else { return };
    let before = shown("canal_before_mm2").unwrap_or_else(|| "–".to_owned());
    let text =
        format!("The {} has {now} mm² at its narrowest at the operated level, {before} before", told(metrics, "dural_sac"));
    let verdict = by_key("canal_mm2").map_or(Verdict::None, |figure| metrics.verdict(figure));
    match verdict {
        Verdict::None => {}
        Verdict::Met => say(Gravity::Good, format!("{text}.")),
        Verdict::Missed => {
            let target = by_key("canal_mm2").and_then(|figure| figure.target).map_or(0.0, |target| target.value);
            say(Gravity::Notice, format!("{text}; {target} mm² is the aim."));
        }
        Verdict::Proposed => say(Gravity::Unjudged, format!("{text}: {NOT_JUDGED}.")),
        Verdict::Unchanged => say(Gravity::Notice, format!("{text}: {UNCHANGED}.")),
        Verdict::NoAim => say(Gravity::Unjudged, format!("{text}: {NO_AIM}.")),
    }
}

/// Contacts by structure, those of running tools apart, each with its deepest.
fn contacts(metrics: &Metrics, say: &mut impl FnMut(Gravity, String)) {
    let contacts = &metrics.safety.contacts;
    for (active, gravity, how) in [(true, Gravity::Harm, "A running or closing tool"), (false, Gravity::Danger, "A tool at rest")]
    {
        for name in metrics.safety.structures.keys() {
            let own: Vec<&Contact> = contacts.iter().filter(|c| c.structure == *name && c.active == active).collect();
            let Some(deepest) = own.iter().max_by(|a, b| a.deepest_mm.total_cmp(&b.deepest_mm)) else { continue };
            let sure = deepest.deepest_mm > metrics.safety.structures.get(name).map_or(0.0, |s| s.uncertainty_mm);
            // What lies within the surface's own uncertainty could have been a miss.
            let (gravity, but) = match sure {
                true => (gravity, String::new()),
                false => (gravity.min(Gravity::Danger), off_by(metrics, name)),
            };
            let text = format!(
                "{how} touched the {} {}, at deepest {} mm{but} ({} of {}, at {})",
                told(metrics, name),
                times(own.len()),
                f(deepest.deepest_mm, 2),
                deepest.tool,
                who(metrics, &deepest.user),
                clock(deepest.start_s)
            );
            tell(metrics, Some(name), gravity, text, say);
        }
    }
    if contacts.is_empty() {
        let least = metrics.figures.get("least_distance_mm").copied().flatten();
        let near = least.map_or_else(String::new, |mm| format!("; the nearest came to {} mm", f(mm, 1)));
        let (proposed, seen): (Vec<&String>, Vec<&String>) =
            metrics.safety.structures.keys().partition(|name| metrics.is_proposed(name));
        match (proposed.is_empty(), seen.is_empty()) {
            (true, _) => say(Gravity::Good, format!("No tool touched dura or roots{near}.")),
            (false, true) => {
                say(
                    Gravity::Unjudged,
                    format!("No tool touched dura or roots where they are proposed to lie{near}: {NOT_JUDGED}."),
                );
            }
            (false, false) => {
                let seen = together(seen.into_iter().map(String::as_str));
                say(Gravity::Good, format!("No tool touched what was seen of dura and roots ({seen})."));
            }
        }
    }
}

/// How far a structure's surface may be off, after a depth that is no greater.
fn off_by(metrics: &Metrics, structure: &str) -> String {
    let mm = metrics.safety.structures.get(structure).map_or(0.0, |s| s.uncertainty_mm);
    if mm > 0.0 { format!(", no more than its surface may be off ({} mm)", f(mm, 1)) } else { String::new() }
}

/// A figure as it is judged.
fn value(metrics: &Metrics, key: &str) -> Option<f64> {
    metrics.judged.get(key).copied().flatten()
}

/// A figure's value and target where the target is missed.
fn missed(metrics: &Metrics, key: &str) -> Option<(f64, f64)> {
    let (figure, value) = (by_key(key)?, value(metrics, key)?);
    (metrics.verdict(figure) == Verdict::Missed).then_some((value, figure.target?.value))
}

fn motion(metrics: &Metrics, say: &mut impl FnMut(Gravity, String)) {
    if let Some((mm, target)) = missed(metrics, "plunge_mm") {
        let worst = metrics.safety.plunges.iter().find(|p| p.reach_mm == Some(mm));
        let at = worst.map_or_else(String::new, |p| format!(" ({} of {}, at {})", p.tool, who(metrics, &p.user), clock(p.at_s)));
        say(
            Gravity::Danger,
            format!("A burr that came through bone went on for {} mm{at}; less than {target} mm is the aim.", f(mm, 1)),
        );
    }
    if let Some((speed, target)) = missed(metrics, "danger_speed_p95_mm_per_s") {
        say(
            Gravity::Danger,
            format!(
                "Within danger of nerves tools moved faster than {} mm/s for a twentieth of the time; {target} mm/s is the aim.",
                f(speed, 0)
            ),
        );
    }
    if let Some((s, target)) = missed(metrics, "reaction_s") {
        say(Gravity::Notice, format!("A danger alarm was answered after {} s (median); {target} s is the aim.", f(s, 1)));
    }
    if let Some(n) = value(metrics, "unanswered_alarms").filter(|n| *n > 0.0) {
        say(Gravity::Notice, format!("{} danger alarms went unanswered for 10 s.", f(n, 0)));
    }
    if let Some((mm, target)) = missed(metrics, "tremor_mm") {
        say(Gravity::Notice, format!("The hand shook by {} mm with the worst tool; {target} mm is the aim.", f(mm, 2)));
    }
}

fn work(metrics: &Metrics, say: &mut impl FnMut(Gravity, String)) {
    if let Some(share) = metrics.figures.get("alarm_share_heard").copied().flatten().filter(|share| *share > 0.25) {
        let text = format!("The alarm sounded for {} % of the time; one that never stops is not heeded", f(100.0 * share, 0));
        match value(metrics, "alarm_share_heard") {
            Some(_) => say(Gravity::Notice, format!("{text}.")),
            None => say(Gravity::Unjudged, format!("{text}; it guarded {NOT_JUDGED}.")),
        }
    }
    if let Some((share, target)) = missed(metrics, "share_removing") {
        let text = format!(
            "Tissue was taken in {} % of the time; surgeons and residents reach {} % and more.",
            f(100.0 * share, 0),
            f(100.0 * target, 0)
        );
        say(Gravity::Notice, text);
    }
    let refused = value(metrics, "bites_refused").unwrap_or(0.0);
    if refused > value(metrics, "bites").unwrap_or(0.0) {
        say(Gravity::Notice, format!("{} closings of a punch took nothing, more than took something.", f(refused, 0)));
    }
    if let Some(sum) = value(metrics, "osats_total") {
        say(Gravity::Good, format!("The mentor's rating is {} of 35.", f(sum, 0)));
    }
}
