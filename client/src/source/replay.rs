//! A recording, played like a film: cuts as recorded, tools by the simulation from the recorded inputs.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use bevy::prelude::*;
use spinor_shared::session::{Control, Part, Record, Replay, ReplayState};
use spinor_shared::wire::hand_from_number;
use spinor_sim::{Pose, Settings, Simulation, Tick, ToolInput, UserId, input::TICKS_PER_SECOND};
use spinor_volume::Dirty;

use super::now;
use crate::camera::{Eye, View};
use crate::hud::Help;
use crate::room::{Person, Room, ShownTool};
use crate::scene::anatomy::Anatomy;
use crate::{Gather, Steer};

/// Ticks before the place sought from which the simulation runs, so that tools and alarms are as they were.
const WARM_UP: u32 = 90;
/// Lines of the help.
const HELP: &str = "\
Space            stop, go on
Left / Right     10 seconds back, forward
[ / ]            slower, faster
V                next person's eyes
right drag       turn the camera     wheel  nearer, farther
C   CT slices    H   this help";

/// A place in a recording: `HH:MM:SS`, `MM:SS` or seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct At(pub(crate) f64);

impl std::str::FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Option<Vec<f64>> =
            text.split(':').map(|p| p.parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0)).collect();
        match parts.as_deref() {
            Some(parts @ ([_] | [_, _] | [_, _, _])) => Ok(Self(parts.iter().fold(0.0, |sum, p| sum * 60.0 + p))),
            _ => Err(format!("'{text}' is no time: HH:MM:SS")),
        }
    }
}

/// A recording being played.
#[derive(Resource)]
struct Film {
    path: PathBuf,
    records: Replay<BufReader<File>>,
    state: ReplayState,
    simulation: Simulation,
    /// The next record, read already.
    next: Option<Record>,
    /// The last tick that has been played.
    tick: u32,
    /// Where the play head stands, ticks.
    head: f64,
    speed: f64,
    playing: bool,
    ended: bool,
    seen_inputs: bool,
}

fn open(path: &Path) -> Result<Replay<BufReader<File>>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Replay::open(BufReader::new(file)).with_context(|| path.display().to_string())
}

impl Film {
    fn open(path: &Path) -> Result<Self> {
        let records = open(path)?;
        let case = Arc::clone(records.case());
        let simulation = Simulation::new(Arc::new(case.patient.clone()), Settings::default());
        let mut film = Self {
            path: path.to_owned(),
            state: ReplayState::new(case, Part::WHOLE),
            records,
            simulation,
            next: None,
            tick: 0,
            head: 0.0,
            speed: 1.0,
            playing: true,
            ended: false,
            seen_inputs: false,
        };
        film.next = film.records.next_record()?;
        Ok(film)
    }

    /// Starts again from the first record.
    fn rewind(&mut self) -> Result<()> {
        self.records = open(&self.path)?;
        self.state = ReplayState::new(Arc::clone(self.records.case()), Part::WHOLE);
        self.simulation.restore(self.state.cut().clone());
        (self.tick, self.ended) = (0, false);
        self.next = self.records.next_record()?;
        Ok(())
    }

    /// Plays up to and with a tick. Returns what changed, none where everything may have.
    fn play_to(&mut self, to: u32, room: &mut Room, frame: &crate::frames::WorldFrame) -> Result<Option<Vec<Dirty>>> {
        let mut dirty = Some(Vec::new());
        let warm_from = to.saturating_sub(WARM_UP);
        let skipping = warm_from > self.tick;
        while let Some(record) = self.next.take() {
            let tick = record.tick().unwrap_or(0);
            if tick > to {
                self.next = Some(record);
                break;
            }
            if tick >= warm_from && self.tick < warm_from && skipping {
                self.simulation.restore(self.state.cut().clone());
                self.tick = warm_from;
            }
            if tick >= warm_from {
                self.idle_until(tick);
            }
            match (self.state.advance(&record)?, &mut dirty) {
                (Some(more), Some(all)) => all.extend(more),
                _ => {
                    dirty = None;
                    self.simulation.restore(self.state.cut().clone());
                }
            }
            match record {
                Record::Tick(record) => {
                    if tick >= warm_from {
                        let inputs: Vec<ToolInput> =
                            record.inputs.iter().filter_map(|(user, input)| input.of(UserId(*user)).ok()).collect();
                        self.simulation.step(Tick(tick), &inputs);
                    }
                    self.seen_inputs |= !record.inputs.is_empty();
                }
                Record::Joined { user, name, role, .. } => {
                    let user = UserId(user);
                    let has_tool = role.may_operate();
                    room.people.insert(user, Person { user, name, role, has_tool, online: true, head: None });
                }
                Record::Left { user, .. } => {
                    if let Some(person) = room.people.get_mut(&UserId(user)) {
                        (person.online, person.head) = (false, None);
                    }
                    for hand in (0..2).filter_map(|n| hand_from_number(n).ok()) {
                        self.simulation.remove_tool(UserId(user), hand);
                    }
                }
                Record::Heads { heads, .. } => {
                    for head in heads {
                        if let Some(person) = room.people.get_mut(&UserId(head.user)) {
                            person.head = Some(frame.world_from_pose(&Pose { tip_um: head.at_um, turn: head.turn }));
                        }
                    }
                }
                Record::Control { control, user, .. } => direct(room, &mut self.simulation, UserId(user), &control),
                _ => {}
            }
            self.tick = self.tick.max(tick);
            self.next = self.records.next_record()?;
        }
        self.idle_until(to + 1);
        self.tick = self.tick.max(to);
        self.ended = self.next.is_none();
        Ok(dirty)
    }

    /// Lets the simulation live through ticks without a record, before `tick`.
    fn idle_until(&mut self, tick: u32) {
        let from = (self.tick + 1).max(tick.saturating_sub(WARM_UP));
        for n in from..tick {
            self.simulation.step(Tick(n), &[]);
        }
    }
}

/// What somebody who directs the room did.
fn direct(room: &mut Room, simulation: &mut Simulation, by: UserId, control: &Control) {
    match control {
        Control::Freeze(on) => room.frozen = *on,
        Control::Pause(on) => room.paused = *on,
        Control::Tool { user, given } => {
            if let Some(person) = room.people.get_mut(&UserId(*user)) {
                person.has_tool = *given;
            }
        }
        Control::Alarm { caution_um, danger_um } => {
            room.thresholds_mm = [caution_um, danger_um].map(|um| *um as f32 * 1e-3);
            simulation.set_thresholds(f64::from(*caution_um) * 1e-3, f64::from(*danger_um) * 1e-3);
        }
        Control::Note(words) => {
            let name = room.people.get(&by).map_or("", |p| p.name.as_str());
            room.message = Some((format!("{name}: {words}"), f64::INFINITY));
        }
        Control::Pass { .. } => {}
    }
}

/// Plays a recording.
pub(crate) struct ReplayPlugin {
    path: PathBuf,
    at: At,
    view: String,
    still: bool,
}

impl ReplayPlugin {
    /// Plays `path` from `at` through the eyes named in `view` (`free` for the free camera); `still` stops there.
    pub(crate) fn new(path: PathBuf, at: At, view: String, still: bool) -> Self {
        Self { path, at, view, still }
    }

    /// Opens the recording and goes to its place.
    fn start(&self) -> Result<(Film, Anatomy, Room)> {
        let mut film = Film::open(&self.path)?;
        let settings = Settings::default();
        let file = self.path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
        let mut room = Room {
            status: format!("replay of {file}"),
            thresholds_mm: [settings.caution_mm as f32, settings.danger_mm as f32],
            ..default()
        };
        let case = Arc::clone(film.records.case());
        let frame = crate::frames::WorldFrame::of(case.patient.grid());
        film.head = self.at.0 * f64::from(TICKS_PER_SECOND);
        film.play_to(film.head as u32, &mut room, &frame)?;
        film.playing = !self.still;
        let anatomy = Anatomy::new(Arc::new(case.patient.clone()), film.state.cut().clone(), case.ct.clone());
        Ok((film, anatomy, room))
    }
}

impl Plugin for ReplayPlugin {
    fn build(&self, app: &mut App) {
        let (film, anatomy, room) = match self.start() {
            Ok(started) => started,
            Err(wrong) => {
                eprintln!("cannot replay: {wrong:#}");
                std::process::exit(1);
            }
        };
        if self.view != "free" {
            match room.people.values().find(|p| p.name.eq_ignore_ascii_case(&self.view)) {
                Some(person) => {
                    app.insert_resource(Eye { view: View::Through(person.user), ..default() });
                }
                None => {
                    let names: Vec<&str> = room.people.values().map(|p| p.name.as_str()).collect();
                    eprintln!("nobody named '{}' has come in by then; there are: free {}", self.view, names.join(" "));
                    std::process::exit(1);
                }
            }
        }
        app.insert_resource(film)
            .insert_resource(anatomy)
            .insert_resource(room)
            .insert_resource(Help { open: !self.still, lines: HELP })
            .add_systems(Update, keys.in_set(Steer))
            .add_systems(Update, play.in_set(Gather));
    }
}

fn keys(
    keys: Option<Res<ButtonInput<KeyCode>>>,
    mut film: ResMut<Film>,
    mut eye: ResMut<Eye>,
    mut help: ResMut<Help>,
    mut slices: ResMut<crate::slices::Slices>,
    room: Res<Room>,
) {
    let Some(keys) = keys else { return };
    let ten = 10.0 * f64::from(TICKS_PER_SECOND);
    for (key, action) in [
        (KeyCode::Space, 0),
        (KeyCode::ArrowLeft, 1),
        (KeyCode::ArrowRight, 2),
        (KeyCode::BracketLeft, 3),
        (KeyCode::BracketRight, 4),
        (KeyCode::KeyV, 5),
        (KeyCode::KeyH, 6),
        (KeyCode::KeyC, 7),
    ] {
        if !keys.just_pressed(key) {
            continue;
        }
        match action {
            0 => film.playing = !film.playing,
            1 => film.head = (film.head - ten).max(0.0),
            2 => film.head += ten,
            3 => film.speed = (film.speed * 0.5).max(0.125),
            4 => film.speed = (film.speed * 2.0).min(16.0),
            5 => eye.next_view(&room),
            6 => help.open = !help.open,
            _ => slices.shown = !slices.shown,
        }
    }
}

fn play(mut film: ResMut<Film>, mut anatomy: ResMut<Anatomy>, mut room: ResMut<Room>, time: Res<Time<Real>>) {
    let film = &mut *film;
    if film.playing && !film.ended {
        film.head += time.delta_secs_f64().min(0.25) * film.speed * f64::from(TICKS_PER_SECOND);
    }
    let to = film.head as u32;
    let frame = anatomy.frame;
    let back = to < film.tick;
    if back && let Err(wrong) = film.rewind() {
        room.message = Some((format!("cannot go back: {wrong:#}"), now(&time)));
        film.head = f64::from(film.tick);
        return;
    }
    if back || to > film.tick {
        match film.play_to(to, &mut room, &frame) {
            Ok(Some(dirty)) if !back => anatomy.follow(film.state.cut(), dirty),
            Ok(_) => {
                let (patient, ct) = (Arc::clone(&anatomy.patient), anatomy.ct.take());
                *anatomy = Anatomy::new(patient, film.state.cut().clone(), ct);
            }
            Err(wrong) => {
                film.playing = false;
                room.message = Some((format!("the recording stops here: {wrong:#}"), now(&time)));
            }
        }
    }
    room.tools = film.simulation.tools().map(|t| ((t.input.user, t.input.hand), ShownTool::of(t, &frame))).collect();
    room.clock_secs = Some(film.head / f64::from(TICKS_PER_SECOND));
    let speed = if film.speed == 1.0 { String::new() } else { format!(" at {} x", film.speed) };
    let stands = if film.ended {
        "   end"
    } else if film.playing {
        ""
    } else {
        "   stopped"
    };
    let name = film.path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
    room.status = format!("replay of {name}{speed}{stands}");
    if room.message.as_ref().is_some_and(|(_, said)| *said == f64::INFINITY) {
        let words = room.message.take().map(|(words, _)| words).unwrap_or_default();
        room.message = Some((words, now(&time)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let at = |text: &str| text.parse::<At>().map(|at| at.0);
        assert_eq!(at("00:04:12"), Ok(252.0));
        assert_eq!(at("04:12.5"), Ok(252.5));
        assert_eq!(at("7"), Ok(7.0));
        assert!(at("").is_err() && at("1:2:3:4").is_err() && at("-1").is_err() && at("x:1").is_err());
    }
}
