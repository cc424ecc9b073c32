//! Loose fragments: where they lie, which jaw holds them, when they are out.

use std::collections::BTreeMap;

use spinor_volume::{Grid, SDF_PER_VOXEL, VoxelIndex};

use super::output::{FragmentId, FragmentState, Shape};
use super::standing::Standing;
use super::{HandTool, ToolOfHand};
use crate::events::Event;
use crate::input::ToolKind;
use crate::pose::{IDENTITY, Rotation, place, turn, um_from_mm};
use crate::settings::Settings;
use crate::vector::{Vec3, norm, sub};

/// A piece that came loose, with its own form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Where it is.
    pub state: FragmentState,
    /// Its samples where it came loose, 1/32 voxel, negative inside, by brick of the patient's grid.
    pub shape: Shape,
}

/// A hand's jaw: whether it is closed, and how what it holds lies in it.
#[derive(Clone, Copy, Debug)]
struct Jaw {
    /// The tool that it is of.
    of: Option<ToolKind>,
    closed: bool,
    holds: Option<(FragmentId, Vec3, Rotation)>,
}

/// All fragments of a room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fragments {
    all: BTreeMap<FragmentId, Fragment>,
    jaws: BTreeMap<ToolOfHand, Jaw>,
    last: u32,
}

impl Fragments {
    /// Fragments that lay about before; those that were held have been let go.
    pub(crate) fn standing(standing: &Standing) -> Self {
        let mut all = standing.fragments.clone();
        all.values_mut().for_each(|fragment| fragment.state.held = None);
        Self { all, jaws: BTreeMap::new(), last: standing.last }
    }

    /// A fragment where it came loose.
    pub(crate) fn add(&mut self, rest: FragmentState, shape: Shape) -> FragmentState {
        self.last = self.last.saturating_add(1);
        let state = FragmentState { id: FragmentId(self.last), ..rest };
        self.all.insert(state.id, Fragment { state, shape });
        state
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Fragment> {
        self.all.values()
    }

    /// The fragment nearest to a position, if within reach; of several as near the first.
    pub(crate) fn grasp_at(&self, grid: &Grid, at_mm: Vec3, reach_mm: f64) -> Option<FragmentId> {
        let mut nearest: Option<(f64, FragmentId)> = None;
        for fragment in self.all.values() {
            let distance = fragment.distance_mm(grid, at_mm);
            if distance <= reach_mm && nearest.is_none_or(|(least, _)| distance < least) {
                nearest = Some((distance, fragment.state.id));
            }
        }
        nearest.map(|(_, id)| id)
    }

    /// Jaws close on fragments, carry them, let them go. Fragments that moved or were taken go into `moved`.
    pub(crate) fn follow(
        &mut self,
        grid: &Grid,
        settings: &Settings,
        tools: &[HandTool<'_>],
        moved: &mut Vec<FragmentState>,
        events: &mut Vec<Event>,
    ) {
        // A tool that was exchanged for one without jaws, or with others, lets go as one that was put down does.
        let grasping = |tool: &&HandTool<'_>| self.jaws.get(&tool.key()).is_none_or(|jaw| jaw.of == Some(tool.state.input.tool));
        let hands: Vec<ToolOfHand> = tools.iter().filter(grasping).map(HandTool::key).collect();
        let gone: Vec<ToolOfHand> = self.jaws.keys().filter(|hand| !hands.contains(hand)).copied().collect();
        for hand in gone {
            if let Some(jaw) = self.jaws.remove(&hand) {
                self.let_go(jaw, moved);
            }
        }
        for tool in tools.iter().filter(|tool| grasps(tool.state.input.tool)) {
            let mut jaw =
                self.jaws.get(&tool.key()).copied().unwrap_or(Jaw { of: Some(tool.state.input.tool), closed: true, holds: None });
            let tip = tool.tip_mm();
            if tool.trigger >= settings.kerrison_closed && !jaw.closed {
                jaw.closed = true;
                let mouth = tool.shape.jaw.map_or(tool.shape.ball_mm, |jaw| jaw.centre_mm);
                let at = place(tool.rotation, tip, mouth);
                jaw.holds = self.grasp_at(grid, at, settings.tissue.grasp_reach_mm).and_then(|id| self.grip(id, tool));
            } else if tool.trigger <= settings.kerrison_open && jaw.closed {
                self.let_go(jaw, moved);
                (jaw.closed, jaw.holds) = (false, None);
            }
            if let Some((id, offset, turned)) = jaw.holds
                && let Some(fragment) = self.all.get_mut(&id)
            {
                let state = &mut fragment.state;
                let before = *state;
                let centre = place(tool.rotation, tip, offset);
                state.at_um = um_from_mm(centre);
                state.turn = quaternion(&product(tool.rotation, &turned));
                state.held = Some((tool.state.input.user, tool.state.input.hand));
                if norm(sub(centre, before.rest_um.map(|v| f64::from(v) / 1_000.0))) > settings.tissue.taken_out_mm {
                    state.taken = true;
                    jaw.holds = None;
                    events.push(Event::FragmentTaken {
                        by: tool.state.holder(),
                        structure: state.structure,
                        fragment: state.id.0,
                    });
                }
                if *state != before {
                    moved.push(*state);
                }
                if state.taken {
                    self.all.remove(&id);
                }
            }
            self.jaws.insert(tool.key(), jaw);
        }
    }

    /// How a fragment lies in a tool that has just closed on it; none for one that another tool holds.
    fn grip(&self, id: FragmentId, tool: &HandTool<'_>) -> Option<(FragmentId, Vec3, Rotation)> {
        let state = &self.all.get(&id)?.state;
        if state.held.is_some() {
            return None;
        }
        let back = transposed(tool.rotation);
        let offset = turn(&back, sub(state.at_um.map(|v| f64::from(v) / 1_000.0), tool.tip_mm()));
        Some((id, offset, product(&back, &state.rotation())))
    }

    fn let_go(&mut self, jaw: Jaw, moved: &mut Vec<FragmentState>) {
        if let Some((id, _, _)) = jaw.holds
            && let Some(fragment) = self.all.get_mut(&id)
        {
            fragment.state.held = None;
            moved.push(fragment.state);
        }
    }
}

impl FragmentState {
    /// The rotation since it came loose.
    pub fn rotation(&self) -> Rotation {
        crate::input::Pose { tip_um: self.at_um, turn: self.turn }.rotation().unwrap_or(IDENTITY)
    }

    /// Where a position of the fragment at rest is now, mm.
    pub fn place_mm(&self, rest_mm: [f64; 3]) -> [f64; 3] {
        let mm = |um: [i32; 3]| um.map(|v| f64::from(v) / 1_000.0);
        place(&self.rotation(), mm(self.at_um), sub(rest_mm, mm(self.rest_um)))
    }
}

impl Fragment {
    /// Distance from a position to the fragment where it is now, mm: 0 inside, in steps of a voxel, infinite beyond its samples.
    pub fn distance_mm(&self, grid: &Grid, at_mm: [f64; 3]) -> f64 {
        let mm = |um: [i32; 3]| um.map(|v| f64::from(v) / 1_000.0);
        let back = transposed(&self.state.rotation());
        let rest = place(&back, mm(self.state.rest_um), sub(at_mm, mm(self.state.at_um)));
        let index = grid.index_from_patient(rest).map(|v| v.round());
        let spacing = grid.spacing_mm();
        let mut least = f64::INFINITY;
        // The samples end at the fragment's skin, so the voxels around are asked for theirs.
        for n in 0..125 {
            let d = [n % 5 - 2, n / 5 % 5 - 2, n / 25 - 2].map(f64::from);
            let voxel = VoxelIndex([0, 1, 2].map(|k| (index[k] + d[k]) as i32));
            let Some((brick, place)) = grid.locate(voxel) else { continue };
            let Ok(n) = self.shape.binary_search_by_key(&brick, |(brick, _)| *brick) else { continue };
            let sample = self.shape[n].1[place];
            if sample < 0 {
                let depth = (f64::from(sample) + 0.5) / f64::from(SDF_PER_VOXEL) * spacing;
                least = least.min((norm(d) * spacing + depth.max(-spacing)).max(0.0));
            }
        }
        least
    }
}

/// Tools whose closing jaw gets hold of a fragment.
fn grasps(tool: ToolKind) -> bool {
    matches!(tool, ToolKind::Pituitary | ToolKind::Leksell)
}

fn transposed(r: &Rotation) -> Rotation {
    [[r[0][0], r[1][0], r[2][0]], [r[0][1], r[1][1], r[2][1]], [r[0][2], r[1][2], r[2][2]]]
}

fn product(a: &Rotation, b: &Rotation) -> Rotation {
    let columns = transposed(b);
    let dot = |row: Vec3, column: Vec3| row[0] * column[0] + row[1] * column[1] + row[2] * column[2];
    [0, 1, 2].map(|k| [0, 1, 2].map(|j| dot(a[k], columns[j])))
}

/// The quaternion of a rotation, x, y, z, w in 1/32,767, by `+ - * / sqrt`: from the largest of its parts, so that nothing cancels.
fn quaternion(r: &Rotation) -> [i16; 4] {
    let squares = [
        1.0 + r[0][0] - r[1][1] - r[2][2],
        1.0 - r[0][0] + r[1][1] - r[2][2],
        1.0 - r[0][0] - r[1][1] + r[2][2],
        1.0 + r[0][0] + r[1][1] + r[2][2],
    ];
    let largest = (1..4).fold(0, |best, k| if squares[k] > squares[best] { k } else { best });
    let s = squares[largest].max(1e-12).sqrt();
    let (xy, xz, yz) = (r[1][0] + r[0][1], r[0][2] + r[2][0], r[2][1] + r[1][2]);
    let (xw, yw, zw) = (r[2][1] - r[1][2], r[0][2] - r[2][0], r[1][0] - r[0][1]);
    let all = match largest {
        0 => [s, xy / s, xz / s, xw / s],
        1 => [xy / s, s, yz / s, yw / s],
        2 => [xz / s, yz / s, s, zw / s],
        _ => [xw / s, yw / s, zw / s, s],
    };
    all.map(|v| (v * 0.5 * 32_767.0 + 0.5).floor() as i16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Pose;

    /// A quaternion made of a rotation turns as the rotation does, to the rounding of 1/32,767.
    #[test]
    fn quaternions_come_back() {
        let turns =
            [[0, 0, 0, 32_767], [32_767, 0, 0, 0], [-23_170, 0, 0, 23_170], [11_000, -20_000, 5_000, 3_000], [1, 30_000, 2, -9]];
        for given in turns {
            let rotation = Pose { tip_um: [0; 3], turn: given }.rotation().unwrap();
            let again = Pose { tip_um: [0; 3], turn: quaternion(&rotation) }.rotation().unwrap();
            for (a, b) in rotation.iter().flatten().zip(again.iter().flatten()) {
                assert!((a - b).abs() < 2e-4, "{given:?}");
            }
        }
    }
}
