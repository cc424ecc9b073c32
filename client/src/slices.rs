//! CT at the tool's tip: three planes through it, with what has been cut marked.

use bevy::asset::RenderAssetUsages;
use bevy::prelude::*;
use bevy::render::render_resource::{Extent3d, TextureDimension, TextureFormat};
use bevy::text::FontSize;
use spinor_shared::case::ImageBricks;
use spinor_volume::{CutState, Grid, SDF_PER_VOXEL, TissueClass, VoxelIndex};

use crate::Draw;
use crate::hud::HudCamera;
use crate::room::{OwnBody, Room};
use crate::scene::anatomy::Anatomy;

/// Pixels along a slice's edge.
const PIXELS: usize = 176;
/// What a slice shows from edge to edge, mm.
const FIELD_MM: f64 = 72.0;
/// Window for bone: level and width, HU.
const LEVEL_HU: f32 = 400.0;
const WIDTH_HU: f32 = 1_800.0;
/// A slice is drawn anew when the tip has moved this far, mm.
const STEP_MM: f64 = 0.25;

/// A plane through the tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plane {
    Axial,
    Sagittal,
    Coronal,
}

impl Plane {
    const ALL: [Self; 3] = [Self::Axial, Self::Sagittal, Self::Coronal];

    const fn name(self) -> &'static str {
        match self {
            Self::Axial => "axial",
            Self::Sagittal => "sagittal",
            Self::Coronal => "coronal",
        }
    }

    /// LPS directions of a slice's right and down, as radiologists hang them: axial seen from the feet, sagittal from the left with the
    /// belly to the left, coronal from the front.
    const fn right_down(self) -> ([f64; 3], [f64; 3]) {
        match self {
            Self::Axial => ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]),
            Self::Sagittal => ([0.0, 1.0, 0.0], [0.0, 0.0, -1.0]),
            Self::Coronal => ([1.0, 0.0, 0.0], [0.0, 0.0, -1.0]),
        }
    }
}

/// Whether the slices are shown.
#[derive(Resource)]
pub(crate) struct Slices {
    /// Shown or hidden.
    pub(crate) shown: bool,
}

/// Draws the slices.
pub(crate) struct SlicesPlugin;

impl Plugin for SlicesPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(Slices { shown: true })
            .add_systems(PostStartup, build)
            .add_systems(Update, (toggle, draw).in_set(Draw));
    }
}

/// The images and the box they hang in.
#[derive(Resource)]
struct Panel {
    node: Entity,
    images: [Handle<Image>; 3],
    drawn_at: [Option<[f64; 3]>; 3],
    next: usize,
}

fn build(mut commands: Commands, mut images: ResMut<Assets<Image>>, hud: Option<Res<HudCamera>>) {
    let blank = || {
        let size = Extent3d { width: PIXELS as u32, height: PIXELS as u32, depth_or_array_layers: 1 };
        let usage = RenderAssetUsages::MAIN_WORLD | RenderAssetUsages::RENDER_WORLD;
        Image::new_fill(size, TextureDimension::D2, &[4, 5, 6, 255], TextureFormat::Rgba8UnormSrgb, usage)
    };
    let handles = [images.add(blank()), images.add(blank()), images.add(blank())];
    let node = commands
        .spawn((
            Node {
                position_type: PositionType::Absolute,
                top: Val::Px(14.0),
                right: Val::Px(14.0),
                flex_direction: FlexDirection::Column,
                row_gap: Val::Px(8.0),
                display: Display::None,
                ..default()
            },
            GlobalZIndex(1),
        ))
        .id();
    if let Some(hud) = hud {
        commands.entity(node).insert(UiTargetCamera(hud.0));
    }
    for (plane, image) in Plane::ALL.into_iter().zip(&handles) {
        let edge = Val::Px(PIXELS as f32);
        let slice = commands
            .spawn((
                ImageNode::new(image.clone()),
                Node { width: edge, height: edge, border: UiRect::all(Val::Px(1.0)), ..default() },
                BorderColor::all(Color::srgba(0.5, 0.6, 0.62, 0.5)),
                ChildOf(node),
            ))
            .id();
        commands.spawn((
            Text::new(format!("CT {}", plane.name())),
            TextFont { font_size: FontSize::Px(12.0), ..default() },
            TextColor(Color::srgb(0.85, 0.9, 0.9)),
            Node { position_type: PositionType::Absolute, top: Val::Px(4.0), left: Val::Px(6.0), ..default() },
            ChildOf(slice),
        ));
    }
    commands.insert_resource(Panel { node, images: handles, drawn_at: [None; 3], next: 0 });
}

fn toggle(slices: Res<Slices>, anatomy: Option<Res<Anatomy>>, panel: Res<Panel>, mut nodes: Query<&mut Node>) {
    let shown = slices.shown && anatomy.is_some_and(|anatomy| anatomy.ct.is_some());
    let display = if shown { Display::Flex } else { Display::None };
    if let Ok(mut node) = nodes.get_mut(panel.node)
        && node.display != display
    {
        node.display = display;
    }
}

/// One plane a frame: three in turn follow a moving tip fast enough, and no frame pays for all of them.
fn draw(
    slices: Res<Slices>,
    anatomy: Option<Res<Anatomy>>,
    room: Res<Room>,
    body: Res<OwnBody>,
    mut panel: ResMut<Panel>,
    mut images: ResMut<Assets<Image>>,
) {
    let Some(anatomy) = anatomy.filter(|_| slices.shown) else { return };
    let Some(ct) = &anatomy.ct else { return };
    let tip = room.my_tool().or_else(|| room.tools.values().next()).map(|tool| tool.at.translation);
    let tip = tip.or_else(|| body.hands.values().next().map(|hand| hand.at.translation));
    let tip_mm = tip.map_or(anatomy.frame.centre_mm, |tip| anatomy.frame.patient_from_world(tip));
    for _ in 0..3 {
        let k = panel.next;
        panel.next = (k + 1) % 3;
        let moved = panel.drawn_at[k].is_none_or(|at| (0..3).any(|a| (at[a] - tip_mm[a]).abs() > STEP_MM));
        // While something is being cut, the plane under the tool changes although the tool may stand still.
        if !moved && !room.tools.values().any(|tool| tool.cutting) {
            continue;
        }
        panel.drawn_at[k] = Some(tip_mm);
        if let Some(mut image) = images.get_mut(&panel.images[k])
            && let Some(data) = &mut image.data
        {
            paint(data, Plane::ALL[k], tip_mm, ct, anatomy.patient.grid(), &anatomy.cut);
        }
        break;
    }
}

/// Grey of a density in the bone window.
fn grey(hu: f32) -> u8 {
    (((hu - LEVEL_HU) / WIDTH_HU + 0.5) * 255.0).clamp(0.0, 255.0) as u8
}

fn paint(pixels: &mut [u8], plane: Plane, tip_mm: [f64; 3], ct: &ImageBricks, grid: &Grid, cut: &CutState) {
    let (right, down) = plane.right_down();
    let middle = PIXELS as f64 / 2.0;
    for (n, pixel) in pixels.chunks_exact_mut(4).enumerate() {
        let (i, j) = (n % PIXELS, n / PIXELS);
        let (u, v) = ((i as f64 + 0.5 - middle) * FIELD_MM / PIXELS as f64, (j as f64 + 0.5 - middle) * FIELD_MM / PIXELS as f64);
        let at_mm = [0, 1, 2].map(|k| tip_mm[k] + u * right[k] + v * down[k]);
        let grey = ct.sample_hu(at_mm).map_or(6, grey);
        let mut colour = [grey, grey, grey];
        let voxel = VoxelIndex(grid.index_from_patient(at_mm).map(|v| v.round() as i32));
        let depth = TissueClass::ALL.iter().map(|class| i32::from(cut.field(*class).sample(grid, voxel))).min().unwrap_or(127);
        if depth < 0 {
            // Removed: the tissue that was there, tinted.
            colour = [grey / 2 + 70, grey / 3, grey / 3 + 14];
        } else if depth < SDF_PER_VOXEL {
            colour = [230, 70, 60];
        }
        // Cross-hair with a gap, so that the tip itself stays visible.
        let (du, dv) = (u.abs(), v.abs());
        let line = FIELD_MM / PIXELS as f64;
        if (du < line * 0.6 && dv > 4.0 && dv < 14.0) || (dv < line * 0.6 && du > 4.0 && du < 14.0) {
            colour = [90, 220, 210];
        }
        pixel.copy_from_slice(&[colour[0], colour[1], colour[2], 255]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bone is bright, soft tissue dark grey, air black.
    #[test]
    fn the_window_shows_bone() {
        assert_eq!(grey(-1_000.0), 0);
        assert!(grey(40.0) > 40 && grey(40.0) < 100 && grey(1_200.0) > 220);
    }

    /// Right and down of every plane are perpendicular, and the plane's third direction is the one it is named after.
    #[test]
    fn planes_are_what_they_are_called() {
        for (plane, axis) in [(Plane::Axial, 2), (Plane::Sagittal, 0), (Plane::Coronal, 1)] {
            let (right, down) = plane.right_down();
            assert_eq!((0..3).map(|k| right[k] * down[k]).sum::<f64>(), 0.0);
            assert_eq!((right[axis], down[axis]), (0.0, 0.0));
        }
    }
}
