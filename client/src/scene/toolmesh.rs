//! The tools' shapes, modelled here: no files.
//!
//! A tool's own frame: the tip (a burr's centre) at the origin, the shaft along +z; here in metres.

use bevy::asset::RenderAssetUsages;
use bevy::mesh::{Indices, PrimitiveTopology};
use bevy::prelude::*;
use spinor_sim::ToolKind;

/// What a part of a tool is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Finish {
    /// Polished steel.
    Steel,
    /// Tungsten carbide or diamond grit.
    Head,
    /// Dark anodised or rubber grip.
    Grip,
    /// Clear plastic.
    Plastic,
}

/// A part of a tool.
pub(crate) struct Part {
    /// Its shape in the tool's frame, m.
    pub(crate) mesh: Mesh,
    /// What it is made of.
    pub(crate) finish: Finish,
    /// Whether it turns with the spindle.
    pub(crate) spins: bool,
}

/// Segments around an axis.
const AROUND: u32 = 28;

/// Triangles under construction.
#[derive(Default)]
struct Builder {
    positions: Vec<[f32; 3]>,
    normals: Vec<[f32; 3]>,
    indices: Vec<u32>,
}

impl Builder {
    /// A surface of revolution about z, through points (z, radius); `wave` shifts the radius by angle and place.
    fn lathe(mut self, profile: &[[f32; 2]], wave: impl Fn(f32, usize) -> f32) -> Self {
        let point = |k: usize, a: u32| {
            let angle = a as f32 / AROUND as f32 * std::f32::consts::TAU;
            let [z, r] = profile[k];
            let r = r * (1.0 + wave(angle, k));
            Vec3::new(r * angle.cos(), r * angle.sin(), z)
        };
        for k in 1..profile.len() {
            for a in 0..AROUND {
                self.quad([point(k - 1, a), point(k - 1, a + 1), point(k, a + 1), point(k, a)]);
            }
        }
        self
    }

    /// A box between two corners.
    fn cuboid(mut self, low: Vec3, high: Vec3) -> Self {
        let c = |x: bool, y: bool, z: bool| {
            Vec3::new(if x { high.x } else { low.x }, if y { high.y } else { low.y }, if z { high.z } else { low.z })
        };
        let [f, t] = [false, true];
        for face in [
            [c(f, f, f), c(f, t, f), c(t, t, f), c(t, f, f)],
            [c(f, f, t), c(t, f, t), c(t, t, t), c(f, t, t)],
            [c(f, f, f), c(t, f, f), c(t, f, t), c(f, f, t)],
            [c(f, t, f), c(f, t, t), c(t, t, t), c(t, t, f)],
            [c(f, f, f), c(f, f, t), c(f, t, t), c(f, t, f)],
            [c(t, f, f), c(t, t, f), c(t, t, t), c(t, f, t)],
        ] {
            self.quad(face);
        }
        self
    }

    /// All of it turned about the origin.
    fn turned(mut self, by: Quat) -> Self {
        for v in self.positions.iter_mut().chain(&mut self.normals) {
            *v = (by * Vec3::from(*v)).to_array();
        }
        self
    }

    /// A flat four-cornered face, counter-clockwise from outside; corners that coincide are fine.
    fn quad(&mut self, corners: [Vec3; 4]) {
        let normal = (corners[2] - corners[0]).cross(corners[3] - corners[1]).normalize_or(Vec3::Z).to_array();
        let first = self.positions.len() as u32;
        for corner in corners {
            self.positions.push(corner.to_array());
            self.normals.push(normal);
        }
        self.indices.extend([0, 1, 2, 0, 2, 3].map(|k| first + k));
    }

    fn part(self, finish: Finish, spins: bool) -> Part {
        let mesh = Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::RENDER_WORLD)
            .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, self.positions)
            .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, self.normals)
            .with_inserted_indices(Indices::U32(self.indices));
        Part { mesh, finish, spins }
    }
}

fn still(_: f32, _: usize) -> f32 {
    0.0
}

/// A ball's profile from its tip to where a neck of radius `neck` meets it.
fn ball(radius: f32, neck: f32) -> Vec<[f32; 2]> {
    const STEPS: usize = 14;
    let end = (neck / radius).clamp(0.0, 1.0).asin();
    let angle = |k: usize| std::f32::consts::PI - (std::f32::consts::PI - end) * k as f32 / STEPS as f32;
    (0..=STEPS).map(|k| [radius * angle(k).cos(), radius * angle(k).sin()]).collect()
}

/// The parts of a tool of a size in 1/10 mm.
pub(crate) fn parts(kind: ToolKind, size_tenth_mm: u8) -> Vec<Part> {
    let size = f32::from(size_tenth_mm.max(5)) * 1e-4;
    match kind {
        ToolKind::FlutedBurr | ToolKind::DiamondBurr => burr(size * 0.5, kind == ToolKind::FlutedBurr),
        ToolKind::Kerrison => kerrison(size, 0.0),
        ToolKind::Kerrison40 => kerrison(size, 40.0),
        ToolKind::Probe => probe(size * 0.5),
        ToolKind::Suction | ToolKind::Irrigation => suction(size * 0.5),
        ToolKind::Leksell => leksell(size),
        ToolKind::Pituitary => pituitary(size),
        ToolKind::Curette => probe(size * 0.5),
        ToolKind::AngledCurette => angled_curette(size * 0.5),
        ToolKind::Penfield => penfield(size),
        ToolKind::Retractor => retractor(size),
        ToolKind::Osteotome => osteotome(size),
    }
}

/// The grip of a hand instrument that begins at a height.
fn grip(from: f32) -> Part {
    let handle =
        [[from, 0.0], [from, 0.0032], [from + 0.004, 0.0042], [from + 0.068, 0.0040], [from + 0.09, 0.0030], [from + 0.092, 0.0]];
    let rings = |angle: f32, k: usize| if k == 2 { 0.015 * (10.0 * angle).cos() } else { 0.0 };
    Builder::default().lathe(&handle, rings).part(Finish::Grip, false)
}

/// The crossed handles of a rongeur.
fn scissors(from: f32) -> Part {
    Builder::default()
        .cuboid(Vec3::new(-0.003, -0.006, from), Vec3::new(0.003, 0.006, from + 0.014))
        .cuboid(Vec3::new(-0.003, -0.030, from + 0.012), Vec3::new(0.003, -0.022, from + 0.090))
        .cuboid(Vec3::new(-0.003, 0.022, from + 0.012), Vec3::new(0.003, 0.030, from + 0.090))
        .cuboid(Vec3::new(-0.003, -0.026, from + 0.010), Vec3::new(0.003, 0.026, from + 0.016))
        .part(Finish::Grip, false)
}

fn leksell(width: f32) -> Vec<Part> {
    let half = width * 0.5;
    let jaws = Builder::default()
        .cuboid(Vec3::new(-half, -0.006, 0.0), Vec3::new(half, -0.004, 0.012))
        .cuboid(Vec3::new(-half, 0.004, 0.0), Vec3::new(half, 0.006, 0.012))
        .cuboid(Vec3::new(-half, -0.006, 0.008), Vec3::new(half, 0.006, 0.014));
    let shaft = Builder::default().lathe(&[[0.012, 0.0], [0.012, 0.0035], [0.100, 0.0035], [0.100, 0.0]], still);
    vec![jaws.part(Finish::Steel, false), shaft.part(Finish::Steel, false), scissors(0.098)]
}

fn pituitary(width: f32) -> Vec<Part> {
    let half = width * 0.5;
    let jaws =
        Builder::default().lathe(&[[-half, 0.0], [-half * 0.5, half * 0.85], [0.0, half], [0.012, half], [0.013, 0.0015]], still);
    let shaft = Builder::default().lathe(&[[0.012, 0.0015], [0.140, 0.0015]], still);
    vec![jaws.part(Finish::Steel, false), shaft.part(Finish::Steel, false), scissors(0.138)]
}

fn angled_curette(radius: f32) -> Vec<Part> {
    let thin = radius.min(0.0015) * 0.7;
    // The neck rises as far as it goes aside: 4 mm each.
    let neck = Builder::default()
        .cuboid(Vec3::new(-thin, -0.004 - thin, 0.0034), Vec3::new(thin, -0.0025, 0.0046))
        .cuboid(Vec3::new(-thin, -0.003, 0.0018), Vec3::new(thin, -0.001, 0.0036))
        .cuboid(Vec3::new(-thin, -0.0016, 0.0), Vec3::new(thin, 0.0, 0.0020))
        .cuboid(Vec3::new(-thin, -0.004 - thin, 0.004), Vec3::new(thin, -0.004 + thin, 0.090));
    vec![
        Builder::default().lathe(&ball(radius, thin), still).part(Finish::Steel, false),
        neck.part(Finish::Steel, false),
        grip(0.082),
    ]
}

fn penfield(width: f32) -> Vec<Part> {
    let half = width * 0.5;
    let blade = Builder::default().cuboid(Vec3::new(-half, -0.0006, -0.0006), Vec3::new(half, 0.0006, 0.010));
    let shaft = Builder::default().lathe(&[[0.009, 0.0], [0.011, 0.0015], [0.085, 0.0015]], still);
    vec![blade.part(Finish::Steel, false), shaft.part(Finish::Steel, false), grip(0.082)]
}

fn retractor(width: f32) -> Vec<Part> {
    let half = width * 0.5;
    let foot = Builder::default()
        .cuboid(Vec3::new(-half, 0.0, -0.0016), Vec3::new(half, 0.008, 0.0))
        .cuboid(Vec3::new(-half * 0.6, -0.003, -0.0016), Vec3::new(half * 0.6, 0.0, 0.090));
    vec![foot.part(Finish::Steel, false), grip(0.084)]
}

fn osteotome(width: f32) -> Vec<Part> {
    let half = width * 0.5;
    let blade = Builder::default()
        .cuboid(Vec3::new(-half, -0.0004, -0.0004), Vec3::new(half, 0.0004, 0.003))
        .cuboid(Vec3::new(-half, -0.0010, 0.002), Vec3::new(half, 0.0010, 0.030));
    let shaft = Builder::default().lathe(&[[0.029, 0.0], [0.029, 0.0035], [0.085, 0.0035]], still);
    let head = Builder::default().lathe(&[[0.172, 0.0], [0.172, 0.007], [0.178, 0.007], [0.178, 0.0]], still);
    vec![blade.part(Finish::Steel, false), shaft.part(Finish::Steel, false), grip(0.082), head.part(Finish::Steel, false)]
}

fn burr(radius: f32, fluted: bool) -> Vec<Part> {
    let neck = radius.min(0.0012) * 0.7;
    let flutes = move |angle: f32, k: usize| match fluted {
        // Eight blades that wind around the head.
        true => -0.11 * (0.5 + 0.5 * (8.0 * (angle + 0.16 * k as f32)).cos()),
        false => 0.02 * ((angle * 37.0 + k as f32 * 5.3).sin() * (angle * 23.0 - k as f32 * 3.1).cos()),
    };
    let shank = [[radius * 0.9, neck], [0.012, neck], [0.014, 0.0012], [0.052, 0.0012]];
    let sleeve = [[0.030, 0.0], [0.030, 0.0021], [0.058, 0.0023], [0.066, 0.0046], [0.072, 0.0052]];
    let body = [
        [0.072, 0.0052],
        [0.075, 0.0068],
        [0.082, 0.0080],
        [0.105, 0.0074],
        [0.125, 0.0084],
        [0.168, 0.0088],
        [0.176, 0.0070],
        [0.178, 0.0],
    ];
    let hose = [[0.176, 0.0036], [0.24, 0.0034], [0.24, 0.0]];
    let knurl = |angle: f32, k: usize| if (2..4).contains(&k) { 0.02 * (14.0 * angle).cos() } else { 0.0 };
    vec![
        Builder::default().lathe(&ball(radius, neck), flutes).part(Finish::Head, true),
        Builder::default().lathe(&shank, still).part(Finish::Steel, true),
        Builder::default().lathe(&sleeve, still).part(Finish::Steel, false),
        Builder::default().lathe(&body, knurl).part(Finish::Grip, false),
        Builder::default().lathe(&hose, still).part(Finish::Grip, false),
    ]
}

/// A Kerrison punch whose footplate leans forward from the right angle by some degrees.
fn kerrison(width: f32, lean_degrees: f32) -> Vec<Part> {
    let half = width * 0.5;
    // Footplate at the tip; jaw above it; two rails; the handles far outside.
    let lean = Quat::from_rotation_x(-lean_degrees.to_radians());
    let foot = Builder::default()
        .cuboid(Vec3::new(-half, -0.0005, -0.0014), Vec3::new(half, width + 0.001, 0.0))
        .cuboid(Vec3::new(-half, -0.0004, 0.0041), Vec3::new(half, width + 0.0005, 0.0052))
        .turned(lean);
    let rail = Builder::default().cuboid(Vec3::new(-half, -0.0022, -0.0005), Vec3::new(half, -0.0005, 0.145));
    let slide = Builder::default().cuboid(Vec3::new(-half, -0.0004, 0.0052), Vec3::new(half, 0.0034, 0.150));
    let handles = Builder::default()
        .cuboid(Vec3::new(-0.004, -0.008, 0.142), Vec3::new(0.004, 0.008, 0.158))
        .cuboid(Vec3::new(-0.0035, -0.085, 0.146), Vec3::new(0.0035, -0.006, 0.156))
        .cuboid(Vec3::new(-0.0035, -0.078, 0.120), Vec3::new(0.0035, -0.004, 0.128));
    vec![
        foot.part(Finish::Steel, false),
        rail.part(Finish::Steel, false),
        slide.part(Finish::Steel, false),
        handles.part(Finish::Grip, false),
    ]
}

fn probe(radius: f32) -> Vec<Part> {
    let thin = radius.min(0.0007);
    let shaft = [[radius * 0.8, thin], [0.05, 0.0009], [0.075, 0.0012], [0.082, 0.0032]];
    let handle = [[0.082, 0.0032], [0.086, 0.0042], [0.15, 0.0040], [0.172, 0.0030], [0.174, 0.0]];
    let rings = |angle: f32, k: usize| if k == 1 { 0.015 * (10.0 * angle).cos() } else { 0.0 };
    vec![
        Builder::default().lathe(&ball(radius, thin), still).part(Finish::Steel, false),
        Builder::default().lathe(&shaft, still).part(Finish::Steel, false),
        Builder::default().lathe(&handle, rings).part(Finish::Grip, false),
    ]
}

fn suction(radius: f32) -> Vec<Part> {
    let tube = [[0.0, radius * 0.55], [0.0, radius], [0.095, radius * 1.05], [0.10, 0.0034], [0.112, 0.0042]];
    let grip = [[0.112, 0.0042], [0.118, 0.0058], [0.150, 0.0054], [0.158, 0.0042], [0.158, 0.0]];
    let hose = [[0.156, 0.0048], [0.25, 0.0048], [0.25, 0.0]];
    vec![
        Builder::default().lathe(&tube, still).part(Finish::Steel, false),
        Builder::default().lathe(&grip, still).part(Finish::Grip, false),
        Builder::default().lathe(&hose, still).part(Finish::Plastic, false),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use bevy::mesh::VertexAttributeValues;

    /// Every tool is drawn, with finite corners, and reaches into the hand along +z.
    #[test]
    fn every_tool_has_a_shape() {
        for kind in ToolKind::ALL {
            let mut highest = 0.0_f32;
            for part in parts(kind, 40) {
                let Some(VertexAttributeValues::Float32x3(points)) = part.mesh.attribute(Mesh::ATTRIBUTE_POSITION) else {
                    panic!()
                };
                assert!(points.iter().flatten().all(|v| v.is_finite()), "{kind:?}");
                highest = points.iter().fold(highest, |high, p| high.max(p[2]));
            }
            assert!(highest > 0.08, "{kind:?}: {highest}");
        }
    }

    /// A drawn burr is as large as the one that cuts, reaches outward along +z, and its faces look outward.
    #[test]
    fn a_burrs_head_has_its_size() {
        for (kind, size) in [(ToolKind::FlutedBurr, 40), (ToolKind::DiamondBurr, 30), (ToolKind::Probe, 20)] {
            let parts = parts(kind, size);
            let Some(VertexAttributeValues::Float32x3(head)) = parts[0].mesh.attribute(Mesh::ATTRIBUTE_POSITION) else {
                panic!()
            };
            let Some(VertexAttributeValues::Float32x3(normals)) = parts[0].mesh.attribute(Mesh::ATTRIBUTE_NORMAL) else {
                panic!()
            };
            let radius = f32::from(size) * 0.5e-4;
            let largest = head.iter().map(|p| Vec3::from(*p).length()).fold(0.0, f32::max);
            assert!((largest / radius - 1.0).abs() < 0.03, "{kind:?}: {largest} for {radius}");
            let outward = head.iter().zip(normals).filter(|(p, n)| Vec3::from(**p).dot(Vec3::from(**n)) > 0.0).count();
            assert!(outward * 100 > head.len() * 95, "{kind:?}: {outward} of {}", head.len());
            assert_eq!(parts[0].spins, kind != ToolKind::Probe);
        }
    }
}
