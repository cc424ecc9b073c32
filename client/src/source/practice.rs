//! A case on one's own: the simulation runs here, nobody else sees it, nothing is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bevy::app::AppExit;
use bevy::prelude::*;
use spinor_shared::case::Case;
use spinor_shared::room::Role;
use spinor_sim::{Event, Hand, Settings, Simulation, Tick, UserId};
use spinor_volume::{ClassMask, CutOp, CutState, Label, TissueClass};

use super::{empty_hands, input_of, now};
use crate::hud::words::event_words;
use crate::marks::Marks;
use crate::room::{Mode, OwnBody, Person, Room, ShownTool};
use crate::scene::anatomy::Anatomy;
use crate::scene::fragments::Fragments;
use crate::wish::{Granted, Wish};
use crate::{Gather, hud};

/// The one person.
const ME: UserId = UserId(1);

/// A capsule to be cut before the case is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PreCut {
    a_mm: [f64; 3],
    b_mm: [f64; 3],
    radius_mm: f64,
    classes: ClassMask,
}

impl std::str::FromStr for PreCut {
    type Err = String;

    /// `x,y,z:x,y,z:radius[:classes]`, LPS mm; classes are letters of b(one), f(lavum), d(isc), n(eural); bone when absent.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not x,y,z:x,y,z:radius[:bfdn] in patient LPS mm");
        let point = |text: &str| -> Option<[f64; 3]> {
            let values: Option<Vec<f64>> =
                text.split(',').map(|v| v.trim().parse().ok().filter(|v: &f64| v.is_finite())).collect();
            values?.try_into().ok()
        };
        let parts: Vec<&str> = text.split(':').collect();
        let (&[a, b, radius], classes) = match parts.as_slice() {
            [a, b, radius] => (&[*a, *b, *radius], "b"),
            [a, b, radius, classes] => (&[*a, *b, *radius], *classes),
            _ => return Err(wrong()),
        };
        let class = |letter| match letter {
            'b' => Some(TissueClass::Bone),
            'f' => Some(TissueClass::Flavum),
            'd' => Some(TissueClass::Disc),
            'n' => Some(TissueClass::Neural),
            _ => None,
        };
        let classes: Option<Vec<TissueClass>> = classes.chars().map(class).collect();
        Ok(Self {
            a_mm: point(a).ok_or_else(wrong)?,
            b_mm: point(b).ok_or_else(wrong)?,
            radius_mm: radius.parse().ok().filter(|r: &f64| r.is_finite() && *r > 0.0).ok_or_else(wrong)?,
            classes: ClassMask::of(&classes.ok_or_else(wrong)?),
        })
    }
}

/// The simulation and what it has been fed.
#[derive(Resource)]
struct Practice {
    simulation: Simulation,
    tick: u32,
    seq: BTreeMap<Hand, u32>,
    removed_mm3: f64,
    name: String,
}

/// Runs a case.
pub(crate) struct PracticePlugin {
    case: Arc<Case>,
    cuts: Vec<PreCut>,
    name: String,
}

impl PracticePlugin {
    /// Shows `case` after `cuts`.
    pub(crate) fn new(case: Case, cuts: Vec<PreCut>, name: String) -> Self {
        Self { case: Arc::new(case), cuts, name }
    }
}

impl Plugin for PracticePlugin {
    fn build(&self, app: &mut App) {
        let patient = Arc::new(self.case.patient.clone());
        let mut cut = CutState::new(patient.grid());
        for pre in &self.cuts {
            match CutOp::sweep_mm(patient.grid(), pre.a_mm, pre.b_mm, pre.radius_mm, pre.classes) {
                Ok(ops) => {
                    for op in ops {
                        cut.apply(&patient, &op);
                    }
                }
                Err(wrong) => eprintln!("a cut is left out: {wrong}"),
            }
        }
        for warning in &self.case.meta.warnings {
            eprintln!("{}: {warning}", self.name);
        }
        let settings = Settings::default();
        let mut simulation = Simulation::new(Arc::clone(&patient), settings);
        simulation.restore(cut.clone());
        let (name, role) = ("You".to_owned(), Role::Attending);
        let me = Person { user: ME, name, role, has_tool: true, online: true, head: None };
        let mut room = Room {
            mode: Mode::Practice,
            people: [(ME, me)].into(),
            me: Some(ME),
            status: self.name.clone(),
            thresholds_mm: [settings.caution_mm as f32, settings.danger_mm as f32],
            message: Some((hud::NOT_A_DEVICE.to_owned(), 0.0)),
            ..default()
        };
        room.know(&patient, &self.case.meta.warnings);
        let name = self.name.clone();
        app.insert_resource(room)
            .insert_resource(Practice { simulation, tick: 0, seq: BTreeMap::new(), removed_mm3: 0.0, name })
            .insert_resource(Anatomy::new(patient, cut, [self.case.ct.clone(), self.case.mr.clone()]))
            .add_systems(FixedUpdate, step)
            .add_systems(Update, answer.in_set(Gather))
            .add_systems(Last, sum_up);
    }
}

fn step(
    mut practice: ResMut<Practice>,
    mut anatomy: ResMut<Anatomy>,
    mut room: ResMut<Room>,
    mut fragments: ResMut<Fragments>,
    body: Res<OwnBody>,
    time: Res<Time<Real>>,
) {
    if room.paused {
        return;
    }
    let Practice { simulation, tick, seq, removed_mm3, .. } = &mut *practice;
    *tick += 1;
    let mut inputs = Vec::new();
    for (hand, held) in &body.hands {
        let count = seq.entry(*hand).or_default();
        *count += 1;
        let mut input = input_of(ME, *hand, held, *count, &anatomy.frame);
        if room.frozen {
            input.trigger = 0;
        }
        inputs.push(input);
    }
    for hand in empty_hands(&body) {
        simulation.remove_tool(ME, hand);
    }
    let out = simulation.step(Tick(*tick), &inputs);
    if !out.dirty.is_empty() {
        anatomy.follow(simulation.cut(), out.dirty);
    }
    let moved: BTreeSet<Label> = out.tissue.nodes.iter().map(|patch| patch.structure).collect();
    for label in moved {
        let patches: Vec<_> = simulation.awake_patches().filter(|patch| patch.structure == label).collect();
        anatomy.dent(label, patches.iter().map(|patch| (patch.patch, patch.offsets_um.as_slice())));
    }
    if !out.tissue.veil.is_empty() {
        anatomy.veil(simulation.veil().map(|cell| (cell.brick, [cell.dust, cell.blood])).collect());
    }
    if !out.tissue.fragments.is_empty() {
        fragments.0 = simulation.fragments().map(|f| (f.state.id.0, (f.state, f.shape.clone()))).collect();
    }
    room.tools = simulation.tools().map(|t| ((t.input.user, t.input.hand), ShownTool::of(t, &anatomy.frame))).collect();
    room.clock_secs = Some(f64::from(*tick) / f64::from(spinor_sim::input::TICKS_PER_SECOND));
    let voxel_mm3 = anatomy.patient.grid().voxel_mm3();
    for event in &out.events {
        match event {
            Event::Removed { occupancy, .. } => *removed_mm3 += *occupancy as f64 / 32.0 * voxel_mm3,
            event => {
                if let Some(words) = event_words(event) {
                    room.message = Some((words, now(&time)));
                }
            }
        }
    }
}

/// Alone one is answered at once.
fn answer(
    mut granted: MessageReader<Granted>,
    mut practice: ResMut<Practice>,
    mut room: ResMut<Room>,
    mut marks: ResMut<Marks>,
    time: Res<Time<Real>>,
) {
    for Granted(wish) in granted.read() {
        match wish {
            Wish::Freeze => room.frozen = !room.frozen,
            Wish::Pause => room.paused = !room.paused,
            Wish::Alarm([caution, danger]) => {
                practice.simulation.set_thresholds(f64::from(*caution), f64::from(*danger));
                room.thresholds_mm = [*caution, *danger];
            }
            Wish::Point(at) => marks.draw(ME, vec![*at], now(&time)),
            Wish::Draw(line) => marks.draw(ME, line.clone(), now(&time)),
            Wish::ClearMarks => marks.clear(ME),
            Wish::Say(words) => room.message = Some((words.clone(), now(&time))),
            _ => {}
        }
    }
    if practice.removed_mm3 > 0.0 && practice.tick.is_multiple_of(15) {
        room.status = format!("{}   removed {:.2} ml", practice.name, practice.removed_mm3 / 1000.0);
    }
}

/// Says at the end what was taken.
fn sum_up(mut exits: MessageReader<AppExit>, practice: Res<Practice>) {
    if exits.read().next().is_some() {
        println!("removed {:.1} mm³ in {} ticks", practice.removed_mm3, practice.tick);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_on_the_command_line_are_read_or_refused() {
        let cut: PreCut = "1,2,-3.5:4,5,6:2.5".parse().unwrap();
        assert_eq!((cut.a_mm, cut.b_mm, cut.radius_mm), ([1.0, 2.0, -3.5], [4.0, 5.0, 6.0], 2.5));
        assert_eq!(cut.classes, ClassMask::of(&[TissueClass::Bone]));
        let cut: PreCut = "0,0,0:0,0,1:1:bf".parse().unwrap();
        assert_eq!(cut.classes, ClassMask::of(&[TissueClass::Bone, TissueClass::Flavum]));
        for wrong in ["", "0,0,0:0,0,1", "0,0:0,0,1:1", "0,0,0:0,0,1:-1", "0,0,nan:0,0,1:1", "0,0,0:0,0,1:1:x"] {
            assert!(wrong.parse::<PreCut>().is_err(), "{wrong}");
        }
    }
}
