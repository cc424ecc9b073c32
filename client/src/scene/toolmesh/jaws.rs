//! Tools with jaws: punches and rongeurs. Their moving parts follow the trigger.

use bevy::prelude::*;
use spinor_sim::Settings;

use super::builder::Builder;
use super::{Finish, Motion, Part, metres};

/// Cosine and sine of the 40° by which a leaning footplate departs from the right angle.
const LEAN_40: (f32, f32) = (0.766_044_4, 0.642_787_6);

/// Footplate at the tip, upright or leaning 40° forward; the slide above it comes down; handles far outside.
pub(super) fn kerrison(width: f32, leaning: bool, settings: &Settings) -> Vec<Part> {
    let half = width * 0.5;
    let (c, s) = if leaning { LEAN_40 } else { (1.0, 0.0) };
    let thick = metres(settings.kerrison_footplate_mm);
    let reach = width + metres(settings.kerrison_plate_extra_mm);
    let opening = metres(settings.kerrison_opening_mm);
    let shaft = metres(settings.kerrison_shaft_radius_mm);
    // The plate's own axes: along its reach z, out of its upper face y.
    let (along, out) = (Vec3::new(0.0, c, -s), Vec3::new(0.0, s, c));
    let turn = Quat::from_mat3(&Mat3::from_cols(out.cross(along), out, along));
    let plate_at = Transform::from_translation(along * (reach * 0.5) - out * (thick * 0.5)).with_rotation(turn);
    let plate = Builder::default()
        .slab(plate_at, [Vec2::new(half, thick * 0.5), Vec2::new(half, thick * 0.28)], reach * 0.5)
        .cuboid(Vec3::new(-half.min(shaft), -2.0 * shaft, -thick), Vec3::new(half.min(shaft), -0.6 * shaft, 0.145));
    let slide_low = opening + s * reach * 0.5;
    let slide = Builder::default()
        .cuboid(Vec3::new(-half, -0.6 * shaft, slide_low), Vec3::new(half, reach * 0.75, slide_low + 0.004))
        .cuboid(Vec3::new(-half.min(shaft), -0.6 * shaft, slide_low), Vec3::new(half.min(shaft), 0.6 * shaft, 0.150));
    let closes = Motion::Slides(Vec3::NEG_Z * (opening - 0.0002));
    let mut parts = vec![plate.part(Finish::Steel, Motion::Still), slide.part(Finish::Steel, closes)];
    parts.extend(pistol_grip(0.142));
    parts
}

/// A fixed and a moving handle that leave the shaft sideways at a height.
fn pistol_grip(at: f32) -> Vec<Part> {
    let fixed = Builder::default()
        .cuboid(Vec3::new(-0.004, -0.008, at), Vec3::new(0.004, 0.008, at + 0.016))
        .cuboid(Vec3::new(-0.0035, -0.085, at + 0.004), Vec3::new(0.0035, -0.006, at + 0.014));
    let moving = Builder::default().cuboid(Vec3::new(-0.0035, -0.078, at - 0.006), Vec3::new(0.0035, -0.004, at + 0.001));
    let about = Vec3::new(0.0, -0.004, at);
    vec![
        fixed.part(Finish::Grip, Motion::Still),
        moving.part(Finish::Grip, Motion::Opens { about, axis: Vec3::NEG_X, angle: -0.28 }),
    ]
}

/// Two stout cups on a double-action joint, and two long handles.
pub(super) fn leksell(width: f32, settings: &Settings) -> Vec<Part> {
    let (opening, cup) = (metres(settings.leksell_opening_mm), metres(settings.leksell_cup_mm));
    let shaft = metres(settings.heavy_shaft_radius_mm);
    let thick = 0.002;
    let hinge = 0.045;
    // Open by the settings' gap at the tips, half of it on each side.
    let angle = (opening * 0.5 / hinge).atan();
    let jaw = |side: f32| {
        let tip = Transform::from_xyz(0.0, side * thick * 0.5, cup * 0.5);
        let neck = Transform::from_xyz(0.0, side * (thick * 0.5 + shaft * 0.25), (cup + hinge) * 0.5);
        let motion = Motion::Opens { about: Vec3::Z * hinge, axis: Vec3::X, angle: side * angle };
        Builder::default()
            .slab(tip, [Vec2::new(width * 0.5, thick * 0.35), Vec2::new(width * 0.5, thick * 0.5)], cup * 0.5)
            .slab(neck, [Vec2::new(width * 0.5, thick * 0.5), Vec2::new(shaft * 0.9, shaft * 0.55)], (hinge - cup) * 0.5)
            .part(Finish::Steel, motion)
    };
    let joint = Builder::default()
        .cuboid(Vec3::new(-0.0065, -0.0065, hinge - 0.006), Vec3::new(0.0065, 0.0065, hinge + 0.022))
        .part(Finish::Steel, Motion::Still);
    let handle = |side: f32| {
        let foot = Vec3::new(0.0, side * 0.005, hinge + 0.015);
        let middle = Vec3::new(0.0, side * 0.021, hinge + 0.070);
        let end = Vec3::new(0.0, side * 0.019, hinge + 0.150);
        let motion = Motion::Opens { about: Vec3::Z * (hinge + 0.015), axis: Vec3::X, angle: -side * 0.10 };
        Builder::default().rod(foot, middle, 0.0042).rod(middle, end, 0.0050).part(Finish::Steel, motion)
    };
    vec![jaw(-1.0), jaw(1.0), joint, handle(-1.0), handle(1.0)]
}

/// A thin shaft with one jaw that opens; finger rings.
pub(super) fn pituitary(width: f32, settings: &Settings) -> Vec<Part> {
    let (length, opening) = (metres(settings.pituitary_jaw_mm), metres(settings.pituitary_opening_mm));
    let shaft = metres(settings.hand_shaft_radius_mm);
    let half = width * 0.5;
    let jaw = |side: f32, motion: Motion| {
        let at = Transform::from_xyz(0.0, side * half * 0.5, (length - half) * 0.5);
        Builder::default()
            .slab(at, [Vec2::new(half * 0.7, half * 0.32), Vec2::new(half, half * 0.5)], (length + half) * 0.5)
            .part(Finish::Steel, motion)
    };
    let opens = Motion::Opens { about: Vec3::Z * length, axis: Vec3::X, angle: (opening / length).atan() };
    let tube = Builder::default().rod(Vec3::Z * length, Vec3::Z * 0.15, shaft);
    let mut parts = vec![jaw(-1.0, Motion::Still), jaw(1.0, opens), tube.part(Finish::Steel, Motion::Still)];
    parts.extend(pistol_grip(0.142));
    parts
}
