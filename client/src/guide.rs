//! The procedure that the room follows and what was measured: told as far as somebody wants to be told.

use bevy::prelude::*;
use spinor_shared::following::{Following, Stand};
use spinor_sim::procedure::{Procedure, Side, Step, StepStatus, Target, steps};
use spinor_volume::measure::{LevelMeasures, LiveMeasures};

use crate::Allow;
use crate::hud::words::spoken;
use crate::room::Room;
use crate::wish::{Granted, Wish};

/// What a procedure is called by people.
pub(crate) const fn procedure_word(procedure: Procedure) -> &'static str {
    match procedure {
        Procedure::Laminectomy => "laminectomy",
        Procedure::Ulbd => "unilateral laminotomy for both sides",
        Procedure::Foraminotomy => "foraminotomy",
        Procedure::Microdiscectomy => "microdiscectomy",
    }
}

/// How one's own client guides, and where a procedure would be begun from the menu.
#[derive(Resource, Clone, Copy, Debug)]
pub(crate) struct Guide {
    /// Whether guidance is shown.
    pub(crate) shown: bool,
    /// The vertebra above the disc.
    pub(crate) level: u16,
    /// The side.
    pub(crate) side: Side,
}

impl Default for Guide {
    fn default() -> Self {
        Self { shown: true, level: 4, side: Side::Left }
    }
}

/// How far a procedure is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Course {
    /// Its place is being looked for.
    Looking,
    /// The patient has no such place.
    Impossible(String),
    /// Its steps with where each stands, and its sentinel errors in words, each kind once.
    Steps(Vec<(Step, StepStatus)>, Vec<&'static str>),
}

/// The procedure that the room follows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Followed {
    /// What is done where.
    pub(crate) target: Target,
    /// How far it is.
    pub(crate) course: Course,
}

impl Followed {
    /// From what the server told; none where it names what this program does not know.
    pub(crate) fn of(told: &Following) -> Option<Self> {
        let target = told.target.target()?;
        let course = match &told.stand {
            Stand::Looking => Course::Looking,
            Stand::Impossible(why) => Course::Impossible(why.clone()),
            Stand::Steps { status, errors } => {
                let mut words: Vec<&'static str> = Vec::new();
                for error in errors.iter().filter_map(|error| error.record()).map(|record| record.sentinel.words()) {
                    if !words.contains(&error) {
                        words.push(error);
                    }
                }
                Course::Steps(steps(&target).into_iter().zip(status.iter().map(|s| (*s).into())).collect(), words)
            }
        };
        Some(Self { target, course })
    }

    /// Its name and place.
    pub(crate) fn title(&self) -> String {
        let Target { procedure, level, side } = self.target;
        format!("{}, L{level}, {}", procedure_word(procedure), side.word())
    }

    /// What is to be done now, how, and what went wrong: the paragraph on the screen.
    fn words(&self) -> String {
        let title = self.title();
        let (steps, errors) = match &self.course {
            Course::Looking => return format!("{title}\nlooking for its place"),
            Course::Impossible(why) => return format!("{title}\ncannot be followed: {why}"),
            Course::Steps(steps, errors) => (steps, errors),
        };
        let mut lines = match steps.iter().position(|(_, status)| status.is_open()) {
            Some(k) => {
                let (step, _) = &steps[k];
                vec![format!("{title}: step {} of {}", k + 1, steps.len()), step.title.clone(), step.guidance.to_owned()]
            }
            None => vec![title, "All steps are done.".to_owned()],
        };
        lines.extend(errors.iter().map(|error| format!("! {error}")));
        lines.join("\n")
    }

    /// What has changed since it was told last, in words for a message; none where that is nothing that is said.
    pub(crate) fn news(&self, before: Option<&Self>) -> Option<String> {
        let (Course::Steps(now, errors), Some(before)) = (&self.course, before) else { return None };
        let Course::Steps(then, known) = before.course.clone() else { return None };
        if before.target != self.target {
            return None;
        }
        if let Some(error) = errors.iter().find(|error| !known.contains(*error)) {
            return Some(format!("sentinel error: {error}"));
        }
        let fresh = now.iter().zip(then).find(|((_, now), (_, then))| now.is_done() && then.is_open());
        let ((step, status), _) = fresh?;
        let early = if matches!(status, StepStatus::OutOfOrder { .. }) { " (before an earlier one)" } else { "" };
        Some(format!("step done: {}{early}", step.title))
    }
}

/// The paragraph on the screen; empty where nothing is followed or guidance is switched off.
pub(crate) fn paragraph(guide: &Guide, room: &Room) -> String {
    room.procedure.as_ref().filter(|_| guide.shown).map(Followed::words).unwrap_or_default()
}

/// A level's measures as rows of words and value; what the case does not show is left out.
pub(crate) fn measured_rows(level: &LevelMeasures) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mm2 = |um2: i64| format!("{:.0}", um2 as f64 * 1e-6);
    if let (Some(before), Some(now)) = (level.least_before_um2(), level.least_free_um2()) {
        rows.push(("sac at its narrowest".to_owned(), format!("{} → {} mm²", mm2(before), mm2(now))));
    }
    for side in Side::BOTH {
        let measures = &level.sides[side as usize];
        let mut row = |what: &str, value: Option<String>| {
            rows.extend(value.map(|value| (format!("{what}, {}", side.word()), value)));
        };
        let percent = |amount: Option<spinor_volume::measure::Amount>| {
            amount.map(|amount| format!("{:.0} %", amount.left_per_mille() as f64 / 10.0))
        };
        row("facet joint kept", percent(measures.facet));
        row("flavum remaining", percent(measures.flavum));
        row("pars at its narrowest", measures.pars.map(|pars| format!("{:.1} mm", f64::from(pars.now_um) * 1e-3)));
        let probe = measures.foramen.map(|f| format!("{:.1} mm", f64::from(f.now_tenth_mm) / 10.0));
        row("probe that passes the foramen", probe);
    }
    rows
}

/// The levels to tell of: the procedure's, or all where none is followed.
pub(crate) fn levels<'a>(measures: &'a LiveMeasures, room: &Room) -> Vec<(String, &'a LevelMeasures)> {
    let target = room.procedure.as_ref().map(|followed| followed.target.upper());
    let name = |level: &LevelMeasures| format!("{}/{}", spoken(level.upper), spoken(level.lower));
    measures.levels.iter().filter(|l| target.is_none_or(|upper| l.upper == upper)).map(|l| (name(l), l)).collect()
}

/// Keeps what one's own client is asked about guidance.
pub(crate) struct GuidePlugin;

impl Plugin for GuidePlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Guide>().add_systems(Update, serve.in_set(Allow));
    }
}

fn serve(mut granted: MessageReader<Granted>, mut guide: ResMut<Guide>) {
    for Granted(wish) in granted.read() {
        match wish {
            Wish::Guidance => guide.shown = !guide.shown,
            Wish::NextLevel => guide.level = guide.level % 5 + 1,
            Wish::NextSide => guide.side = guide.side.other(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_shared::following::{WireSentinel, WireStatus};

    fn told(status: &[WireStatus], errors: &[u8]) -> Followed {
        let target = Target { procedure: Procedure::Laminectomy, level: 4, side: Side::Left };
        let errors = errors.iter().map(|n| WireSentinel { sentinel: *n, structure: None, tick: 5, times: 1 }).collect();
        let mut status = status.to_vec();
        status.resize(steps(&target).len(), WireStatus::Open);
        let stand = Stand::Steps { status, errors };
        Followed::of(&Following { target: target.into(), stand }).unwrap()
    }

    /// The first open step is told with its guidance, errors once a kind; switched off, nothing is.
    #[test]
    fn the_current_step_is_told_as_long_as_it_is_wanted() {
        let followed = told(&[WireStatus::Done { tick: 3 }], &[4, 4, 6]);
        let room = Room { procedure: Some(followed), ..default() };
        let words = paragraph(&Guide::default(), &room);
        let lines: Vec<&str> = words.lines().collect();
        assert_eq!(lines[0], "laminectomy, L4, left: step 2 of 6");
        assert_eq!(lines[1], "Take off the spinous process over the window");
        assert_eq!(lines.iter().filter(|line| line.starts_with("! ")).count(), 2, "{words}");
        assert_eq!(paragraph(&Guide { shown: false, ..Guide::default() }, &room), "");
        assert_eq!(paragraph(&Guide::default(), &Room::default()), "");
        let done = told(&[WireStatus::Done { tick: 3 }; 6], &[]);
        assert!(done.words().ends_with("All steps are done."));
    }

    /// What is new is said once: an error before a step, and nothing where nothing changed or another procedure began.
    #[test]
    fn what_is_new_is_said() {
        let (begun, step) = (told(&[], &[]), told(&[WireStatus::Done { tick: 3 }], &[]));
        assert_eq!(step.news(Some(&begun)).as_deref(), Some("step done: Check the level"));
        assert_eq!(step.news(Some(&step)), None);
        assert_eq!(step.news(None), None);
        let both = told(&[WireStatus::OutOfOrder { tick: 3, before: 0 }], &[0]);
        assert!(both.news(Some(&begun)).unwrap().starts_with("sentinel error: bone was cut"));
        let early = told(&[WireStatus::OutOfOrder { tick: 3, before: 0 }], &[]);
        assert!(early.news(Some(&begun)).unwrap().ends_with("(before an earlier one)"));
    }
}
