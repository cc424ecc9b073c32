//! Triangles of tools under construction, in the tool's frame, m.

use bevy::asset::RenderAssetUsages;
use bevy::mesh::{Indices, PrimitiveTopology};
use bevy::prelude::*;

use super::{Finish, Motion, Part};

/// Segments around an axis.
const AROUND: u32 = 28;
/// Points along a rounded end.
const ROUND: usize = 14;

/// Triangles under construction.
#[derive(Default)]
pub(super) struct Builder {
    positions: Vec<[f32; 3]>,
    normals: Vec<[f32; 3]>,
    indices: Vec<u32>,
}

/// No wave on a surface of revolution.
pub(super) fn still(_: f32, _: usize) -> f32 {
    0.0
}

/// A ball's profile from its tip to where a neck of radius `neck` meets it.
pub(super) fn ball(radius: f32, neck: f32) -> Vec<[f32; 2]> {
    let end = (neck / radius).clamp(0.0, 1.0).asin();
    let angle = |k: usize| std::f32::consts::PI - (std::f32::consts::PI - end) * k as f32 / ROUND as f32;
    (0..=ROUND).map(|k| [radius * angle(k).cos(), radius * angle(k).sin()]).collect()
}

impl Builder {
    /// A surface of revolution about z, through points (z, radius); `wave` shifts the radius by angle and place.
    pub(super) fn lathe(self, profile: &[[f32; 2]], wave: impl Fn(f32, usize) -> f32) -> Self {
        self.lathe_at(Transform::IDENTITY, profile, wave)
    }

    /// As [`Self::lathe`], about the z of a place of its own.
    pub(super) fn lathe_at(mut self, at: Transform, profile: &[[f32; 2]], wave: impl Fn(f32, usize) -> f32) -> Self {
        let point = |k: usize, a: u32| {
            let angle = a as f32 / AROUND as f32 * std::f32::consts::TAU;
            let [z, r] = profile[k];
            let r = r * (1.0 + wave(angle, k));
            at.transform_point(Vec3::new(r * angle.cos(), r * angle.sin(), z))
        };
        for k in 1..profile.len() {
            for a in 0..AROUND {
                self.quad([point(k - 1, a), point(k - 1, a + 1), point(k, a + 1), point(k, a)]);
            }
        }
        self
    }

    /// A rod with round ends between two points.
    pub(super) fn rod(self, from: Vec3, to: Vec3, radius: f32) -> Self {
        let along = to - from;
        let turn = Quat::from_rotation_arc(Vec3::Z, along.normalize_or(Vec3::Z));
        let mut profile = ball(radius, radius);
        profile.extend(ball(radius, radius).into_iter().rev().map(|[z, r]| [along.length() - z, r]));
        self.lathe_at(Transform::from_translation(from).with_rotation(turn), &profile, still)
    }

    /// A box between two corners.
    pub(super) fn cuboid(self, low: Vec3, high: Vec3) -> Self {
        let (middle, half) = ((low + high) * 0.5, (high - low) * 0.5);
        self.slab(Transform::from_translation(middle), [half.truncate(), half.truncate()], half.z)
    }

    /// A prism along the z of a place: a rectangle of one half size at its lower end and of another at its upper end.
    pub(super) fn slab(mut self, at: Transform, [low, high]: [Vec2; 2], half_length: f32) -> Self {
        let c = |x: f32, y: f32, upper: bool| {
            let (half, z) = if upper { (high, half_length) } else { (low, -half_length) };
            at.transform_point(Vec3::new(x * half.x, y * half.y, z))
        };
        for face in [
            [c(-1.0, -1.0, false), c(-1.0, 1.0, false), c(1.0, 1.0, false), c(1.0, -1.0, false)],
            [c(-1.0, -1.0, true), c(1.0, -1.0, true), c(1.0, 1.0, true), c(-1.0, 1.0, true)],
            [c(-1.0, -1.0, false), c(1.0, -1.0, false), c(1.0, -1.0, true), c(-1.0, -1.0, true)],
            [c(-1.0, 1.0, false), c(-1.0, 1.0, true), c(1.0, 1.0, true), c(1.0, 1.0, false)],
            [c(-1.0, -1.0, false), c(-1.0, -1.0, true), c(-1.0, 1.0, true), c(-1.0, 1.0, false)],
            [c(1.0, -1.0, false), c(1.0, 1.0, false), c(1.0, 1.0, true), c(1.0, -1.0, true)],
        ] {
            self.quad(face);
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

    /// The part, ready.
    pub(super) fn part(self, finish: Finish, motion: Motion) -> Part {
        let mesh = Mesh::new(PrimitiveTopology::TriangleList, RenderAssetUsages::RENDER_WORLD)
            .with_inserted_attribute(Mesh::ATTRIBUTE_POSITION, self.positions)
            .with_inserted_attribute(Mesh::ATTRIBUTE_NORMAL, self.normals)
            .with_inserted_indices(Indices::U32(self.indices));
        Part { mesh, finish, motion }
    }
}
