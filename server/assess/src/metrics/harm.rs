//! Heat, kicks, retraction, and disc: what the tools' own models told.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use spinor_sim::{Event, ToolKind};

use super::efficiency::spells;
use super::safety::Of;
use crate::gather::Session;

/// What the tools' own models told.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Harm {
    pub kicks: Option<u32>,
    pub greatest_kick_mm: Option<f64>,
    pub dry_drilling_s: Option<f64>,
    pub overheated_s: Option<f64>,
    pub peak_celsius: Option<f64>,
    pub retraction: BTreeMap<String, Retraction>,
    pub retraction_peak_newton: Option<f64>,
    pub retraction_s: Option<f64>,
    pub retraction_impulse_newton_s: Option<f64>,
    pub retraction_over_limit: Option<u32>,
    pub disc_depth_marks: Option<u32>,
    pub disc_breaches: Option<u32>,
}

/// How a retractor held one nerve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Retraction {
    pub times: u32,
    pub seconds: f64,
    pub peak_newton: f64,
    pub impulse_newton_s: f64,
}

/// A kind of event by its name in the code, as debug text begins with it.
pub(crate) fn kind(event: &Event) -> String {
    let text = format!("{event:?}");
    text.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

pub(crate) fn harm(session: &Session, of: Of, absent: &mut BTreeMap<String, String>) -> Harm {
    let hz = f64::from(session.tick_hz.max(1));
    let used: BTreeSet<ToolKind> =
        session.samples.iter().filter(|s| s.active || s.in_bone || s.level as u8 > 0).map(|s| s.by.tool).collect();
    let burr = used.iter().any(|tool| tool.is_burr());
    let mut look = Look { session, absent, at: "safety.harm" };
    let mut harm = Harm::default();
    let events = || session.events.iter().map(|(_, event)| event);
    if look.has(burr, "no burr was used", &["Kick"], &["kicks", "greatest_kick_mm"]) {
        let ways = events().filter_map(|e| if let Event::Kick { way_um, .. } = e { Some(*way_um) } else { None });
        harm.greatest_kick_mm = Some(f64::from(ways.max().unwrap_or(0)) / 1_000.0);
        let mut ticks: BTreeMap<_, Vec<u32>> = BTreeMap::new();
        for (tick, event) in session.events.iter().filter(|(_, event)| matches!(event, Event::Kick { .. })) {
            let by = event.by();
            ticks.entry((by.user, by.hand)).or_default().push(*tick);
        }
        harm.kicks = Some(ticks.values().map(|ticks| spells(ticks)).sum());
    }
    if look.has(burr, "no burr was used", &["DryDrilling", "Overheated"], &["dry_drilling_s", "overheated_s", "peak_celsius"]) {
        let (mut dry, mut hot, mut peak) = (0_u32, 0_u32, None::<i32>);
        for event in events() {
            match event {
                Event::DryDrilling { ticks, tenth_celsius, .. } => (dry, peak) = (dry + ticks, peak.max(Some(*tenth_celsius))),
                Event::Overheated { ticks, tenth_celsius, .. } => (hot, peak) = (hot.max(*ticks), peak.max(Some(*tenth_celsius))),
                _ => {}
            }
        }
        harm.dry_drilling_s = Some(f64::from(dry) / hz);
        harm.overheated_s = Some(f64::from(hot) / hz);
        harm.peak_celsius = peak.map(|tenth| f64::from(tenth) / 10.0);
        if peak.is_none() {
            look.absent.insert("safety.harm.peak_celsius".to_owned(), "no dry drilling and no heat was recorded".to_owned());
        }
    }
    let held = used.contains(&ToolKind::Retractor);
    let keys = ["retraction_peak_newton", "retraction_s", "retraction_impulse_newton_s", "retraction_over_limit"];
    if look.has(held, "no retractor was used", &["Retraction", "RetractionHigh"], &keys) {
        retraction(session, of, hz, &mut harm);
    }
    let enters = [ToolKind::Pituitary, ToolKind::Curette, ToolKind::AngledCurette].iter().any(|tool| used.contains(tool));
    if look.has(
        enters,
        "nothing that goes into a disc was used",
        &["DepthMark", "DiscBreached"],
        &["disc_depth_marks", "disc_breaches"],
    ) {
        harm.disc_depth_marks = Some(events().filter(|e| matches!(e, Event::DepthMark { .. })).count() as u32);
        harm.disc_breaches = Some(events().filter(|e| matches!(e, Event::DiscBreached { .. })).count() as u32);
    }
    harm
}

fn retraction(session: &Session, of: Of, hz: f64, harm: &mut Harm) {
    let mut high = 0;
    let held = |e: &&(u32, Event)| e.1.structure().is_none_or(|label| of.holds(session, label));
    for (_, event) in session.events.iter().filter(held) {
        match event {
            Event::Retraction { structure, ticks, peak_millinewton, impulse_millinewton_seconds, .. } => {
                let entry = harm.retraction.entry(structure.name()).or_default();
                entry.times += 1;
                entry.seconds += f64::from(*ticks) / hz;
                entry.peak_newton = entry.peak_newton.max(f64::from(*peak_millinewton) / 1_000.0);
                entry.impulse_newton_s += f64::from(*impulse_millinewton_seconds) / 1_000.0;
            }
            Event::RetractionHigh { .. } => high += 1,
            _ => {}
        }
    }
    let all = || harm.retraction.values();
    let (peak, seconds, impulse) = (
        all().map(|r| r.peak_newton).fold(0.0, f64::max),
        all().map(|r| r.seconds).sum(),
        all().map(|r| r.impulse_newton_s).sum(),
    );
    harm.retraction_peak_newton = Some(peak);
    harm.retraction_s = Some(seconds);
    harm.retraction_impulse_newton_s = Some(impulse);
    harm.retraction_over_limit = Some(high);
}

/// Whether a recording can say something at all.
pub(super) struct Look<'a> {
    pub(super) session: &'a Session,
    pub(super) absent: &'a mut BTreeMap<String, String>,
    /// Path of the figures.
    pub(super) at: &'static str,
}

impl Look<'_> {
    /// Whether figures may be taken: their tool was used, and the program that recorded knew the events they are counted from. It did
    /// not before version 2 of the format, nor where today's simulation, run again, makes such events and the recording holds none.
    pub(super) fn has(&mut self, used: bool, unused: &str, kinds: &[&str], keys: &[&str]) -> bool {
        let old = self.session.version < 2;
        let recorded = |k: &str| self.session.events.iter().any(|(_, event)| kind(event) == k);
        let unknown = old || kinds.iter().any(|k| self.session.simulated_kinds.contains(*k) && !recorded(k));
        let why = match (used, unknown) {
            (false, _) => unused,
            (true, true) => "the program that recorded did not model it yet",
            _ => return true,
        };
        for key in keys {
            self.absent.insert(format!("{}.{key}", self.at), why.to_owned());
        }
        false
    }
}
