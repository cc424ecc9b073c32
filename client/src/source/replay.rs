//! A recording on the screen.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use bevy::prelude::*;
use spinor_client_core::Film;
use spinor_client_core::film::{Change, Drawing};
use spinor_sim::{UserId, input::TICKS_PER_SECOND};
use spinor_volume::{Label, TissueClass};
use std::sync::Arc;

use super::now;
use crate::Gather;
use crate::camera::{Eye, View};
use crate::frames::WorldFrame;
use crate::hud::Help;
use crate::hud::words::{clock, spoken};
use crate::marks::{Marks, POINTER_SECONDS};
use crate::room::{Mode, Person, Room, ShownTool};
use crate::scene::anatomy::Anatomy;
use crate::scene::fragments::Fragments;
use crate::wish::{Granted, Wish};

/// Ticks per second.
const HZ: f64 = TICKS_PER_SECOND as f64;
/// Slowest and fastest.
const SPEEDS: (f64, f64) = (0.125, 16.0);
/// A moment that is sought is shown from so long before, s.
const BEFORE_MOMENT: f64 = 1.5;

/// A place in a recording: `HH:MM:SS`, `MM:SS` or seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct At(pub(crate) f64);

impl std::str::FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let within = |first: bool| move |v: &f64| v.is_finite() && *v >= 0.0 && (first || *v < 60.0);
        let parts: Option<Vec<f64>> = text.split(':').enumerate().map(|(k, p)| p.parse().ok().filter(within(k == 0))).collect();
        match parts.as_deref() {
            Some(parts @ ([_] | [_, _] | [_, _, _])) => Ok(Self(parts.iter().fold(0.0, |sum, p| sum * 60.0 + p))),
            _ => Err(format!("'{text}' is no time: HH:MM:SS")),
        }
    }
}

/// A recording being played.
#[derive(Resource)]
struct Player {
    film: Film,
    name: String,
    /// Where the play head stands, ticks.
    head: f64,
    speed: f64,
    playing: bool,
}

impl Player {
    /// Lets time pass.
    fn pass(&mut self, seconds: f64) {
        let end = f64::from(self.film.end());
        if self.playing {
            self.head += seconds * self.speed * HZ;
        }
        self.head = self.head.clamp(0.0, end);
        self.playing &= self.head < end;
    }

    fn status(&self) -> String {
        let end = clock(f64::from(self.film.end()) / HZ);
        let speed = if self.speed == 1.0 { String::new() } else { format!("   at {} x", self.speed) };
        let stands = match (self.playing, self.head >= f64::from(self.film.end())) {
            (true, _) => "",
            (false, true) => "   end",
            (false, false) => "   stopped",
        };
        format!("replay of {} ({end}){speed}{stands}", self.name)
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
    fn start(&self) -> Result<(Player, Anatomy, Room)> {
        let mut film = Film::open(&self.path)?;
        let head = (self.at.0 * HZ).min(f64::from(film.end()));
        film.go_to(head as u32)?;
        let case = Arc::clone(film.case());
        let name = self.path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
        let player = Player { film, name, head, speed: 1.0, playing: !self.still };
        let mut room = Room { mode: Mode::Film, ..default() };
        room.know(&case.patient, &case.meta.warnings);
        let images = [case.ct.clone(), case.mr.clone()];
        let anatomy = Anatomy::new(Arc::new(case.patient.clone()), player.film.cut().clone(), images);
        show(&player, &anatomy, &mut room);
        Ok((player, anatomy, room))
    }
}

impl Plugin for ReplayPlugin {
    fn build(&self, app: &mut App) {
        let (player, anatomy, room) = match self.start() {
            Ok(started) => started,
            Err(wrong) => {
                eprintln!("cannot replay: {wrong:#}");
                std::process::exit(1);
            }
        };
        if self.view != "free" {
            match room.people.values().find(|p| p.name.eq_ignore_ascii_case(&self.view)) {
                Some(person) => {
                    if person.head.is_none() {
                        eprintln!("{}'s head was not recorded by then: the free camera shows the place", person.name);
                    }
                    app.insert_resource(Eye { view: View::Through(person.user), ..default() });
                }
                None => {
                    let names: Vec<&str> = player.film.cast().values().map(String::as_str).collect();
                    eprintln!(
                        "nobody named '{}' has come in by then; in the recording there are: {}",
                        self.view,
                        names.join(", ")
                    );
                    std::process::exit(1);
                }
            }
        }
        app.insert_resource(player)
            .insert_resource(anatomy)
            .insert_resource(room)
            .insert_resource(Help { open: !self.still, ..default() })
            .add_systems(Update, (steer, play).chain().in_set(Gather));
    }
}

/// Carries out what is asked of the player.
fn steer(mut granted: MessageReader<Granted>, mut player: ResMut<Player>, mut room: ResMut<Room>, time: Res<Time<Real>>) {
    let player = &mut *player;
    for Granted(wish) in granted.read() {
        match wish {
            Wish::Play => {
                if !player.playing && player.head >= f64::from(player.film.end()) {
                    player.head = 0.0;
                }
                player.playing = !player.playing;
            }
            Wish::Skip(seconds) => player.head += seconds * HZ,
            Wish::Ends(end) => player.head = if *end { f64::from(player.film.end()) } else { 0.0 },
            Wish::Speed(steps) => {
                let factor = if *steps > 0 { 2.0 } else { 0.5 };
                player.speed = (player.speed * factor).clamp(SPEEDS.0, SPEEDS.1);
            }
            Wish::Moment(forward) => {
                // From where a moment is shown to the moment itself is not another one's way.
                let from = if *forward { player.head + BEFORE_MOMENT * HZ } else { player.head };
                let words = match player.film.moment(from as u32, *forward) {
                    Some(moment) => {
                        player.head = f64::from(moment.tick) - BEFORE_MOMENT * HZ;
                        let who = player.film.cast().get(&moment.user).map_or("somebody", String::as_str);
                        format!("{who}: {}, {}", spoken(moment.structure), moment.what)
                    }
                    None => "no alarm and no injury there".to_owned(),
                };
                room.message = Some((words, now(&time)));
            }
            _ => {}
        }
    }
}

/// What the room looks like where the film stands.
fn show(player: &Player, anatomy: &Anatomy, room: &mut Room) {
    let (film, frame) = (&player.film, anatomy.frame);
    let seats = film.seats();
    room.people = seats
        .people
        .iter()
        .map(|(user, seat)| {
            let user = UserId(*user);
            let head = seat.head(player.head).map(|pose| frame.world_from_pose(&pose));
            let (name, role) = (seat.name.clone(), seat.role);
            (user, Person { user, name, role, has_tool: seat.has_tool, online: seat.online, head })
        })
        .collect();
    (room.frozen, room.paused) = (seats.frozen, seats.paused);
    room.thresholds_mm = seats.alarm_um.map(|um| um as f32 * 1e-3);
    room.tools = film.tools().map(|t| ((t.input.user, t.input.hand), ShownTool::of(t, &frame))).collect();
    room.clock_secs = Some(player.head / HZ);
    room.status = player.status();
}

/// Fragments, dents and veil where the film stands.
fn show_tissues(film: &Film, anatomy: &mut Anatomy, fragments: &mut Fragments) {
    let standing = film.standing();
    anatomy.veil(standing.veil().map(|cell| (cell.brick, [cell.dust, cell.blood])).collect());
    fragments.0 = standing.fragments().map(|f| (f.state.id.0, (f.state, f.shape.clone()))).collect();
    let patches: Vec<_> = film.awake_patches().collect();
    let neural: Vec<Label> =
        anatomy.patient.structures().iter().filter(|s| s.class == TissueClass::Neural).map(|s| s.label).collect();
    for label in neural {
        let own = patches.iter().filter(|patch| patch.structure == label);
        anatomy.dent(label, own.map(|patch| (patch.patch, patch.offsets_um.as_slice())));
    }
}

/// What people have drawn where the film stands: all lines, and what was pointed at within the last seconds.
fn drawn(player: &Player, frame: &WorldFrame) -> BTreeMap<UserId, Vec<Vec<Vec3>>> {
    let place = |um: &[i32; 3]| frame.world_from_patient(um.map(|v| f64::from(v) * 1e-3));
    let lines = |drawing: &Drawing| {
        let pointer = drawing.pointer.filter(|(tick, _)| player.head - f64::from(*tick) < POINTER_SECONDS * HZ);
        let lines = drawing.lines.iter().map(|line| line.iter().map(place).collect());
        lines.chain(pointer.map(|(_, at)| vec![place(&at)])).collect()
    };
    player.film.seats().drawings().iter().map(|(user, drawing)| (UserId(*user), lines(drawing))).collect()
}

fn play(
    mut player: ResMut<Player>,
    mut anatomy: ResMut<Anatomy>,
    mut room: ResMut<Room>,
    mut marks: ResMut<Marks>,
    mut fragments: ResMut<Fragments>,
    mut shown_at: Local<Option<u32>>,
    time: Res<Time<Real>>,
) {
    let player = &mut *player;
    player.pass(time.delta_secs_f64().min(0.25));
    match player.film.go_to(player.head as u32) {
        Ok(Change::Bricks(bricks)) if bricks.is_empty() => {}
        Ok(Change::Bricks(bricks)) => anatomy.follow(player.film.cut(), bricks),
        Ok(Change::Anything) => anatomy.go_to(player.film.cut()),
        Err(wrong) => {
            player.playing = false;
            room.message = Some((format!("the recording stops here: {wrong:#}"), now(&time)));
        }
    }
    for (user, words) in player.film.take_notes() {
        let who = player.film.cast().get(&user).map_or("somebody", String::as_str);
        room.message = Some((format!("{who}: {words}"), now(&time)));
    }
    if shown_at.replace(player.head as u32) != Some(player.head as u32) {
        show_tissues(&player.film, &mut anatomy, &mut fragments);
    }
    marks.show_only(drawn(player, &anatomy.frame));
    show(player, &anatomy, &mut room);
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
