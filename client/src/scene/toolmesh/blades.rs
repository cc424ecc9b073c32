//! Hand tools with a cup, a blade or a foot.

use bevy::prelude::*;
use spinor_sim::Settings;

use super::builder::{Builder, ball, still};
use super::rods::handle;
use super::{Finish, Motion, Part, metres};

/// A cup, straight or on a neck that leaves sideways, on a shaft with a handle.
pub(super) fn curette(cup: f32, angled: bool, settings: &Settings) -> Vec<Part> {
    let radius = cup * 0.5;
    let thin = metres(settings.hand_shaft_radius_mm).min(0.7 * radius);
    let neck = metres(settings.curette_neck_mm);
    // The cup: a ball's outer shell, and its hollow seen from the front of +y.
    let hollow: Vec<[f32; 2]> = ball(radius * 0.78, radius * 0.78);
    let hollow_at =
        Transform::from_xyz(0.0, radius * 0.42, 0.0).with_rotation(Quat::from_rotation_x(-std::f32::consts::FRAC_PI_2));
    let head = Builder::default().lathe(&ball(radius, thin), still).part(Finish::Steel, Motion::Still);
    let dark = Builder::default().lathe_at(hollow_at, &hollow, still).part(Finish::Grip, Motion::Still);
    let shaft = if angled {
        let bend = Vec3::new(0.0, -neck, neck);
        Builder::default().rod(Vec3::ZERO, bend, thin).rod(bend, Vec3::new(0.0, -neck, 0.085), thin)
    } else {
        Builder::default().rod(Vec3::ZERO, Vec3::Z * 0.085, thin)
    };
    let mut parts = vec![head, dark, shaft.part(Finish::Steel, Motion::Still)];
    parts.extend(shifted_handle(if angled { -neck } else { 0.0 }, thin));
    parts
}

/// A handle whose axis lies at a distance along y.
fn shifted_handle(y: f32, neck: f32) -> Vec<Part> {
    if y == 0.0 {
        return vec![handle(0.082, neck.max(0.0024))];
    }
    let profile = [[0.0, neck], [0.004, 0.0042], [0.068, 0.0040], [0.090, 0.0030], [0.092, 0.0]];
    let at = Transform::from_xyz(0.0, y, 0.082);
    vec![Builder::default().lathe_at(at, &profile, still).part(Finish::Grip, Motion::Still)]
}

/// A thin rounded blade on a round shaft.
pub(super) fn penfield(width: f32, settings: &Settings) -> Vec<Part> {
    let (length, thick) = (metres(settings.penfield_blade_mm), metres(settings.penfield_thick_mm));
    let shaft = metres(settings.hand_shaft_radius_mm);
    let edge = thick * 0.5;
    let side = (width * 0.5 - edge).max(0.0);
    let blade = Builder::default()
        .rod(Vec3::new(-side, 0.0, 0.0), Vec3::new(side, 0.0, 0.0), edge)
        .slab(
            Transform::from_xyz(0.0, 0.0, length * 0.5),
            [Vec2::new(width * 0.5, edge), Vec2::new(width * 0.5, edge)],
            length * 0.5,
        )
        .slab(Transform::from_xyz(0.0, 0.0, length + 0.003), [Vec2::new(width * 0.5, edge), Vec2::new(shaft, shaft)], 0.003);
    let rod = Builder::default().rod(Vec3::Z * (length + 0.004), Vec3::Z * 0.085, shaft);
    vec![blade.part(Finish::Steel, Motion::Still), rod.part(Finish::Steel, Motion::Still), handle(0.082, 0.0026)]
}

/// A foot at a right angle to the shaft, its edges rounded, that holds a root aside.
pub(super) fn retractor(width: f32, settings: &Settings) -> Vec<Part> {
    let (foot, thick) = (metres(settings.retractor_foot_mm), metres(settings.retractor_thick_mm));
    let shaft = metres(settings.hand_shaft_radius_mm);
    let edge = thick * 0.5;
    let side = (width * 0.5 - edge).max(0.0);
    let middle = -edge;
    let plate = Builder::default()
        .cuboid(Vec3::new(-side, 0.0, -thick), Vec3::new(side, foot - edge, 0.0))
        .rod(Vec3::new(-side, edge, middle), Vec3::new(-side, foot - edge, middle), edge)
        .rod(Vec3::new(side, edge, middle), Vec3::new(side, foot - edge, middle), edge)
        .rod(Vec3::new(-side, foot - edge, middle), Vec3::new(side, foot - edge, middle), edge);
    let blade = Builder::default().slab(
        Transform::from_xyz(0.0, -shaft, 0.03),
        [Vec2::new(side.max(shaft), edge), Vec2::new(shaft, edge)],
        0.03 + thick,
    );
    let rod = Builder::default().rod(Vec3::new(0.0, -shaft, shaft - thick), Vec3::new(0.0, -shaft, 0.09), shaft);
    let mut parts = vec![
        plate.part(Finish::Steel, Motion::Still),
        blade.part(Finish::Steel, Motion::Still),
        rod.part(Finish::Steel, Motion::Still),
    ];
    parts.extend(shifted_handle(-shaft, 0.0026));
    parts
}

/// A chisel: an edge along x that widens to a blade, and a stout handle with a head for the mallet.
pub(super) fn osteotome(width: f32, settings: &Settings) -> Vec<Part> {
    const BEVEL: f32 = 0.004;
    let (length, thick) = (metres(settings.osteotome_blade_mm), metres(settings.osteotome_thick_mm) * 0.5);
    let edge = metres(settings.osteotome_edge_mm) * 0.5;
    let shaft = metres(settings.heavy_shaft_radius_mm);
    let side = |half: f32| Vec2::new(width * 0.5, half);
    let blade = Builder::default()
        .slab(Transform::from_xyz(0.0, 0.0, (BEVEL - edge) * 0.5), [side(edge * 0.2), side(thick)], (BEVEL + edge) * 0.5)
        .slab(Transform::from_xyz(0.0, 0.0, (BEVEL + length) * 0.5), [side(thick), side(thick)], (length - BEVEL) * 0.5)
        .slab(Transform::from_xyz(0.0, 0.0, length + 0.008), [side(thick), Vec2::splat(shaft)], 0.008);
    let rod = Builder::default().rod(Vec3::Z * length, Vec3::Z * 0.09, shaft);
    let grip = [[0.085, shaft], [0.09, 0.0075], [0.150, 0.0085], [0.158, 0.0060]];
    let head = [[0.158, 0.0060], [0.160, 0.011], [0.170, 0.011], [0.171, 0.0]];
    vec![
        blade.part(Finish::Steel, Motion::Still),
        rod.part(Finish::Steel, Motion::Still),
        Builder::default().lathe(&grip, |angle, _| 0.02 * (6.0 * angle).cos()).part(Finish::Grip, Motion::Still),
        Builder::default().lathe(&head, still).part(Finish::Steel, Motion::Still),
    ]
}
