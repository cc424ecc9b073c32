//! Words in the theatre: names and roles above heads, distances at the tips of tools that warn, the patient's sides beside the wound. The
//! same on a screen and in a headset.
//!
//! Each label is a small image that a camera of its own draws when the words change, on a board that faces whoever looks.

use std::collections::BTreeMap;

use bevy::camera::RenderTarget;
use bevy::prelude::*;
use bevy::render::render_resource::TextureFormat;
use bevy::text::FontSize;
use spinor_sim::{AlarmLevel, Hand, UserId};

use super::anatomy::Anatomy;
use super::people::role_colour;
use crate::Draw;
use crate::frames::{ISOCENTRE_M, world_from_patient_direction};
use crate::hud::alarm::{level_colour, tip_words};
use crate::room::Room;

/// Pixels of a label: the longest, a distance inside a proposed root, has 32 letters.
const PIXELS: UVec2 = UVec2::new(900, 80);
/// Height of the letters, pixels.
const LETTERS: f32 = 46.0;
/// Height of a board as a share of its distance.
const SHARE: f32 = 0.034;
/// Height of a board, m: at least and at most.
const HEIGHT_M: (f32, f32) = (0.002, 0.075);
/// A name stands so far above the middle of the head, m.
const ABOVE_HEAD_M: f32 = 0.21;
/// A distance stands so far up the shaft, and so far beside it, m.
const ALONG_SHAFT_M: f32 = 0.02;
const BESIDE_M: f32 = 0.010;
/// Where on the way from the eye to its place a distance hangs, as large as it would look there: bone around the wound, which lies deep,
/// does not cover it.
const ON_THE_WAY: f32 = 0.7;
/// The patient's sides by their directions (LPS), and how far from the middle each stands, m. A spine looks much the same from left and
/// right, and a wrong side is an operation on the wrong root.
const SIDES: [(&str, [f32; 3], f32); 4] = [
    ("L", [1.0, 0.0, 0.0], 0.12),
    ("R", [-1.0, 0.0, 0.0], 0.12),
    ("head", [0.0, 0.0, 1.0], 0.17),
    ("feet", [0.0, 0.0, -1.0], 0.17),
];
/// The sides stand so far below the isocentre, m: beside the spine, above the drapes.
const SIDES_BELOW_M: f32 = 0.02;
/// Frames that a label's camera draws after the words changed: the layout of a text takes one or two.
const FRAMES: u8 = 4;

/// What a label belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Head(UserId),
    Tip(UserId, Hand),
    Side(usize),
}

/// A label that is to be seen.
#[derive(Clone, Debug, PartialEq)]
struct Wanted {
    at: Vec3,
    words: String,
    colour: Color,
}

/// All labels that are to be seen: everybody else's name above a head that is known, and the distance at every tool that warns.
fn wanted(room: &Room) -> BTreeMap<Of, Wanted> {
    let mut labels = BTreeMap::new();
    for person in room.people.values().filter(|p| p.online && Some(p.user) != room.me) {
        let Some(head) = person.head else { continue };
        let at = head.translation + Vec3::Y * ABOVE_HEAD_M;
        let words = format!("{}  {}", person.name, person.role);
        labels.insert(Of::Head(person.user), Wanted { at, words, colour: role_colour(person.role).with_alpha(0.85) });
    }
    for ((user, hand), tool) in &room.tools {
        let Some(words) = tip_words(tool, room) else { continue };
        let at = tool.at.translation + tool.at.rotation * Vec3::Z * ALONG_SHAFT_M;
        labels.insert(Of::Tip(*user, *hand), Wanted { at, words, colour: level_colour(tool.level.max(AlarmLevel::Caution)) });
    }
    labels
}

/// The patient's sides.
fn sides() -> impl Iterator<Item = (Of, Wanted)> {
    SIDES.iter().enumerate().map(|(n, (words, towards, metres))| {
        let at = ISOCENTRE_M + world_from_patient_direction(*towards) * *metres - Vec3::Y * SIDES_BELOW_M;
        (Of::Side(n), Wanted { at, words: (*words).to_owned(), colour: Color::NONE })
    })
}

/// A board at a place, upright across the direction `ahead` in which an eye looks, as large as it has to be to be read from there. One
/// that stands beside its place begins a little to its right and nearer to the eye, so that the tool that it is about does not cover it.
fn board(at: Vec3, eye: Vec3, ahead: Vec3, beside: bool) -> Transform {
    let height = (at.distance(eye) * SHARE).clamp(HEIGHT_M.0, HEIGHT_M.1);
    let size = Vec3::new(height * PIXELS.x as f32 / PIXELS.y as f32, height, 1.0);
    // A board's front is +Z: it looks back along the line of sight.
    let place = Transform::from_translation(at).looking_to(ahead.normalize_or(Vec3::NEG_Z), Vec3::Y).with_scale(size);
    if !beside {
        return place;
    }
    let aside = place.rotation * Vec3::X * (size.x * 0.5 + BESIDE_M);
    place.with_translation(eye + (at + aside - eye) * ON_THE_WAY).with_scale(size * ON_THE_WAY)
}

/// The entities of a label.
struct Label {
    board: Entity,
    camera: Entity,
    root: Entity,
    text: Entity,
    shown: (String, Color),
    frames: u8,
}

#[derive(Resource, Default)]
struct Labels(BTreeMap<Of, Label>);

/// What all boards are made of.
#[derive(Resource)]
struct Blank(Handle<Mesh>);

/// Draws the labels.
pub(crate) struct LabelsPlugin;

impl Plugin for LabelsPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Labels>().add_systems(Startup, make_blank).add_systems(Update, show.in_set(Draw));
    }
}

fn make_blank(mut commands: Commands, mut meshes: ResMut<Assets<Mesh>>) {
    commands.insert_resource(Blank(meshes.add(Rectangle::new(1.0, 1.0))));
}

fn show(
    mut commands: Commands,
    room: Res<Room>,
    blank: Res<Blank>,
    ui: Res<UiScale>,
    anatomy: Option<Res<Anatomy>>,
    mut labels: ResMut<Labels>,
    mut images: ResMut<Assets<Image>>,
    mut materials: ResMut<Assets<StandardMaterial>>,
    eyes: Query<(&Camera, &GlobalTransform), With<Camera3d>>,
    mut boards: Query<&mut Transform>,
    mut cameras: Query<&mut Camera, Without<Camera3d>>,
    mut texts: Query<(&mut Text, &mut TextFont)>,
    mut fills: Query<&mut BackgroundColor>,
) {
    let mut wanted = wanted(&room);
    wanted.extend(sides().filter(|_| anatomy.is_some()));
    labels.0.retain(|of, label| {
        let kept = wanted.contains_key(of);
        if !kept {
            for entity in [label.board, label.camera, label.root] {
                commands.entity(entity).despawn();
            }
        }
        kept
    });
    let any = eyes.iter().any(|(camera, _)| camera.is_active);
    let active: Vec<&GlobalTransform> = eyes.iter().filter(|(camera, _)| camera.is_active || !any).map(|(_, at)| at).collect();
    if active.is_empty() {
        return;
    }
    // Of two eyes the middle.
    let eye = active.iter().map(|at| at.translation()).sum::<Vec3>() / active.len() as f32;
    let ahead = active.iter().map(|at| *at.forward()).sum::<Vec3>();
    for (of, want) in wanted {
        let place = board(want.at, eye, ahead, matches!(of, Of::Tip(..)));
        let Some(label) = labels.0.get_mut(&of) else {
            let label = spawn(&mut commands, &mut images, &mut materials, blank.0.clone(), place, &want, ui.0);
            labels.0.insert(of, label);
            continue;
        };
        if let Ok(mut transform) = boards.get_mut(label.board) {
            *transform = place;
        }
        let now = (want.words, want.colour);
        if label.shown != now {
            if let Ok((mut text, mut font)) = texts.get_mut(label.text) {
                text.0.clone_from(&now.0);
                font.font_size = FontSize::Px(LETTERS / ui.0);
            }
            if let Ok(mut fill) = fills.get_mut(label.root) {
                fill.0 = now.1;
            }
            (label.shown, label.frames) = (now, FRAMES);
        }
        if let Ok(mut camera) = cameras.get_mut(label.camera) {
            let draws = label.frames > 0;
            label.frames = label.frames.saturating_sub(1);
            if camera.is_active != draws {
                camera.is_active = draws;
            }
        }
    }
}

fn spawn(
    commands: &mut Commands,
    images: &mut Assets<Image>,
    materials: &mut Assets<StandardMaterial>,
    blank: Handle<Mesh>,
    place: Transform,
    want: &Wanted,
    ui_scale: f32,
) -> Label {
    let image = images.add(Image::new_target_texture(PIXELS.x, PIXELS.y, TextureFormat::Rgba8UnormSrgb, None));
    let camera = commands
        .spawn((
            Camera2d,
            Camera { order: -2, clear_color: ClearColorConfig::Custom(Color::NONE), ..default() },
            RenderTarget::Image(image.clone().into()),
            Msaa::Off,
        ))
        .id();
    let root = commands
        .spawn((
            UiTargetCamera(camera),
            Node {
                width: Val::Percent(100.0),
                height: Val::Percent(100.0),
                justify_content: JustifyContent::Center,
                align_items: AlignItems::Center,
                ..default()
            },
            BackgroundColor(want.colour),
        ))
        .id();
    let font = TextFont { font_size: FontSize::Px(LETTERS / ui_scale), ..default() };
    let text = commands.spawn((Text::new(want.words.clone()), font, TextColor(Color::WHITE), ChildOf(root))).id();
    let material = materials.add(StandardMaterial {
        base_color_texture: Some(image),
        unlit: true,
        alpha_mode: AlphaMode::Blend,
        cull_mode: None,
        ..default()
    });
    let board = commands.spawn((Mesh3d(blank), MeshMaterial3d(material), place, bevy::light::NotShadowCaster)).id();
    Label { board, camera, root, text, shown: (want.words.clone(), want.colour), frames: FRAMES }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hud::words::tests::{room, tool};

    /// Everybody else who can be seen has a name and a role; oneself has none, and neither has somebody who is away.
    #[test]
    fn names_stand_above_heads() {
        let mut room = room(&[]);
        for person in room.people.values_mut() {
            person.head = Some(Transform::from_xyz(1.0, 2.0, 3.0));
        }
        let labels = wanted(&room);
        assert_eq!(labels.len(), 1);
        let ben = &labels[&Of::Head(UserId(2))];
        assert_eq!(ben.words, "Ben  resident");
        assert!((ben.at - Vec3::new(1.0, 2.0 + ABOVE_HEAD_M, 3.0)).length() < 1e-6);
        room.people.get_mut(&UserId(2)).unwrap().online = false;
        assert!(wanted(&room).is_empty());
    }

    /// A tool that warns says how far and of what, whoever holds it; one that does not is silent.
    #[test]
    fn tips_that_warn_speak() {
        let room = room(&[(1, tool(1.8, AlarmLevel::Danger)), (2, tool(9.0, AlarmLevel::Clear))]);
        let labels = wanted(&room);
        assert_eq!(labels.len(), 1);
        assert_eq!(labels[&Of::Tip(UserId(1), Hand::Right)].words, "1.8 mm  dural sac");
    }

    /// The letter L stands at the patient's left, R at the right, and the head where the head is: as the place of a tool there is reckoned.
    #[test]
    fn sides_are_the_patients() {
        let frame = crate::frames::WorldFrame { centre_mm: [10.0, 20.0, 30.0] };
        for (_, side) in sides() {
            let [x, _, z] = frame.patient_from_world(side.at);
            let expected = match side.words.as_str() {
                "L" => x > 60.0,
                "R" => x < -60.0,
                "head" => z > 100.0,
                "feet" => z < -100.0,
                _ => false,
            };
            assert!(expected, "{} at {x} {z}", side.words);
        }
    }

    /// A board stands across the line of sight, upright, and is read from near and far; one beside its place leaves it free.
    #[test]
    fn boards_face_the_eye() {
        let at = Vec3::new(0.0, 1.1, -0.4);
        for eye in [Vec3::new(0.0, 1.6, 1.0), Vec3::new(-2.0, 1.2, 0.5), Vec3::new(0.1, 3.0, -0.2)] {
            let ahead = (at - eye).normalize();
            let place = board(at, eye, ahead, false);
            assert!((place.rotation * Vec3::NEG_Z).dot(ahead) > 0.999 && place.translation == at);
            assert!((place.rotation * Vec3::Y).y > 0.0);
            assert!((HEIGHT_M.0..=HEIGHT_M.1).contains(&place.scale.y));
            let beside = board(at, eye, ahead, true);
            let left_edge = beside.transform_point(Vec3::NEG_X * 0.5);
            // It hangs nearer, and looks as if it began right beside the place.
            assert!(left_edge.distance(eye) < 0.75 * at.distance(eye));
            let looks = eye + (left_edge - eye) / ON_THE_WAY;
            assert!(((looks - at) - place.rotation * Vec3::X * BESIDE_M).length() < 1e-4);
            assert!((beside.scale.y / left_edge.distance(eye) / (place.scale.y / looks.distance(eye)) - 1.0).abs() < 1e-3);
        }
    }
}
