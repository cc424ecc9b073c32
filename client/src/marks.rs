//! Points and lines that people draw for each other.

use std::collections::BTreeMap;

use bevy::prelude::*;
use spinor_client_core::film::MOST_LINES;
use spinor_sim::UserId;

use crate::Draw;
use crate::room::Room;
use crate::scene::people::role_colour;

/// A single point is a pointer and fades; a line stays until it is taken away.
pub(crate) const POINTER_SECONDS: f64 = 3.0;
/// Radius of a line, m; a pointer is a ball of twice that.
const LINE_M: f32 = 0.0009;

/// What has been drawn.
#[derive(Resource, Default)]
pub(crate) struct Marks {
    lines: BTreeMap<UserId, Vec<(Vec<Vec3>, f64)>>,
    /// The line that oneself is drawing and nobody has been told yet.
    own: Vec<Vec3>,
    version: u32,
}

impl Marks {
    /// Somebody drew a line (theatre, m) at a time.
    pub(crate) fn draw(&mut self, user: UserId, line: Vec<Vec3>, at: f64) {
        let lines = self.lines.entry(user).or_default();
        if line.len() == 1 {
            lines.retain(|(line, _)| line.len() > 1);
        }
        lines.push((line, at));
        if lines.len() > MOST_LINES {
            lines.remove(0);
        }
        self.version += 1;
    }

    /// Somebody took back what they drew.
    pub(crate) fn clear(&mut self, user: UserId) {
        self.lines.remove(&user);
        self.version += 1;
    }

    /// Shows these lines (theatre, m) and no others; pointers among them stay until the next call.
    pub(crate) fn show_only(&mut self, lines: BTreeMap<UserId, Vec<Vec<Vec3>>>) {
        let lines = lines.into_iter().map(|(user, lines)| (user, lines.into_iter().map(|line| (line, f64::INFINITY)).collect()));
        let lines: BTreeMap<UserId, Vec<(Vec<Vec3>, f64)>> = lines.collect();
        if self.lines != lines {
            self.lines = lines;
            self.version += 1;
        }
    }

    /// Shows the line that oneself is drawing; an empty one when it is done.
    pub(crate) fn sketch(&mut self, line: &[Vec3]) {
        if self.own != line {
            self.own = line.to_vec();
            self.version += 1;
        }
    }

    fn forget_pointers(&mut self, now: f64) {
        let mut gone = false;
        for lines in self.lines.values_mut() {
            let before = lines.len();
            lines.retain(|(line, at)| line.len() > 1 || now - at < POINTER_SECONDS);
            gone |= lines.len() != before;
        }
        self.version += u32::from(gone);
    }
}

/// Draws [`Marks`].
pub(crate) struct MarksPlugin;

impl Plugin for MarksPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Marks>().add_systems(Update, show.in_set(Draw));
    }
}

/// A drawn thing.
#[derive(Component)]
struct Drawn;

/// Where a unit cylinder along Y lies as a line's piece.
fn piece(from: Vec3, to: Vec3) -> Transform {
    let along = to - from;
    let turn = Quat::from_rotation_arc(Vec3::Y, along.normalize_or(Vec3::Y));
    Transform::from_translation((from + to) * 0.5).with_rotation(turn).with_scale(Vec3::new(LINE_M, along.length(), LINE_M))
}

fn show(
    mut commands: Commands,
    mut marks: ResMut<Marks>,
    room: Res<Room>,
    time: Res<Time<Real>>,
    drawn: Query<Entity, With<Drawn>>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut shown: Local<u32>,
    mut shapes: Local<Option<[Handle<Mesh>; 2]>>,
) {
    marks.forget_pointers(time.elapsed_secs_f64());
    if *shown == marks.version {
        return;
    }
    *shown = marks.version;
    drawn.iter().for_each(|entity| commands.entity(entity).despawn());
    let [ball, rod] = shapes
        .get_or_insert_with(|| {
            [meshes.add(Sphere::new(1.0).mesh().uv(12, 8)), meshes.add(Cylinder::new(1.0, 1.0).mesh().resolution(8))]
        })
        .clone();
    let own = marks.own.as_slice();
    let mine = room.me.filter(|_| !own.is_empty()).map(|me| (me, own));
    let others = marks.lines.iter().flat_map(|(user, lines)| lines.iter().map(|(line, _)| (*user, line.as_slice())));
    let mut by_user: BTreeMap<UserId, Vec<&[Vec3]>> = BTreeMap::new();
    others.chain(mine).for_each(|(user, line)| by_user.entry(user).or_default().push(line));
    for (user, lines) in by_user {
        let colour = room.people.get(&user).map_or(Color::WHITE, |p| role_colour(p.role));
        let material = materials.add(StandardMaterial { base_color: colour, emissive: colour.to_linear() * 600.0, ..default() });
        let mut put = |mesh: &Handle<Mesh>, at: Transform| {
            commands.spawn((Drawn, Mesh3d(mesh.clone()), MeshMaterial3d(material.clone()), at));
        };
        for line in lines {
            let radius = if line.len() == 1 { 2.2 * LINE_M } else { LINE_M };
            for at in line {
                put(&ball, Transform::from_translation(*at).with_scale(Vec3::splat(radius)));
            }
            for pair in line.windows(2) {
                put(&rod, piece(pair[0], pair[1]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pointer is one at a time and fades; lines stay until they are taken away.
    #[test]
    fn pointers_fade_and_lines_stay() {
        let (ada, mut marks) = (UserId(1), Marks::default());
        marks.draw(ada, vec![Vec3::ZERO, Vec3::X], 0.0);
        marks.draw(ada, vec![Vec3::ZERO], 0.0);
        marks.draw(ada, vec![Vec3::Y], 1.0);
        assert_eq!(marks.lines[&ada].len(), 2);
        marks.forget_pointers(1.0 + POINTER_SECONDS);
        assert_eq!(marks.lines[&ada].len(), 1);
        marks.clear(ada);
        assert!(marks.lines.is_empty());
    }

    /// What a replay shows replaces what was there, does not fade by itself, and is drawn anew only when it changes.
    #[test]
    fn a_replays_lines_replace_the_others() {
        let (ada, mut marks) = (UserId(1), Marks::default());
        marks.draw(ada, vec![Vec3::ZERO, Vec3::X], 0.0);
        let shown = || BTreeMap::from([(ada, vec![vec![Vec3::Y]])]);
        marks.show_only(shown());
        let version = marks.version;
        marks.show_only(shown());
        marks.forget_pointers(1e6);
        assert_eq!((marks.version, marks.lines[&ada].len()), (version, 1));
        marks.show_only(BTreeMap::new());
        assert!(marks.lines.is_empty() && marks.version > version);
    }

    /// A piece of a line reaches from one point to the next.
    #[test]
    fn a_piece_joins_two_points() {
        let (from, to) = (Vec3::new(0.1, 1.0, -0.3), Vec3::new(0.12, 1.01, -0.28));
        let at = piece(from, to);
        assert!((at.transform_point(Vec3::Y * 0.5) - to).length() < 1e-6);
        assert!((at.transform_point(Vec3::NEG_Y * 0.5) - from).length() < 1e-6);
    }
}
