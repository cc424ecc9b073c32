//! Points and lines that people draw for each other.

use std::collections::BTreeMap;

use bevy::prelude::*;
use spinor_sim::UserId;

use crate::Draw;
use crate::room::Room;
use crate::scene::people::role_colour;

/// A single point is a pointer and fades; a line stays until it is taken away.
const POINTER_SECONDS: f64 = 3.0;
/// Lines of one person that are kept.
const MOST_LINES: usize = 40;
/// Radius of a drawn point, m.
const DOT_M: f32 = 0.0009;

/// What has been drawn.
#[derive(Resource, Default)]
pub(crate) struct Marks {
    lines: BTreeMap<UserId, Vec<(Vec<Vec3>, f64)>>,
    own: Vec<Vec<Vec3>>,
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

    /// Points at a place oneself: everybody else is told.
    pub(crate) fn point(&mut self, at: Vec3) {
        self.own.push(vec![at]);
    }

    /// What oneself has drawn and nobody has been told yet.
    pub(crate) fn take_own(&mut self) -> Vec<Vec<Vec3>> {
        std::mem::take(&mut self.own)
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

/// A drawn dot.
#[derive(Component)]
struct Dot;

fn show(
    mut commands: Commands,
    mut marks: ResMut<Marks>,
    room: Res<Room>,
    time: Res<Time<Real>>,
    dots: Query<Entity, With<Dot>>,
    mut meshes: ResMut<Assets<Mesh>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    mut shown: Local<u32>,
    mut ball: Local<Option<Handle<Mesh>>>,
) {
    marks.forget_pointers(time.elapsed_secs_f64());
    if *shown == marks.version {
        return;
    }
    *shown = marks.version;
    dots.iter().for_each(|dot| commands.entity(dot).despawn());
    let ball = ball.get_or_insert_with(|| meshes.add(Sphere::new(1.0).mesh().uv(12, 8))).clone();
    for (user, lines) in &marks.lines {
        let colour = room.people.get(user).map_or(Color::WHITE, |p| role_colour(p.role));
        let material = materials.add(StandardMaterial { base_color: colour, emissive: colour.to_linear() * 600.0, ..default() });
        for (line, _) in lines {
            let radius = if line.len() == 1 { 2.2 * DOT_M } else { DOT_M };
            for at in line {
                let at = Transform::from_translation(*at).with_scale(Vec3::splat(radius));
                commands.spawn((Dot, Mesh3d(ball.clone()), MeshMaterial3d(material.clone()), at));
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
}
