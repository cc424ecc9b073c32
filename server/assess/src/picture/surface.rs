//! The surfaces from behind, with a z-buffer.

use spinor_volume::cut::CutState;
use spinor_volume::{BRICK, BrickMesh, Label, Mesher, Patient, Source, TissueClass, surface_bricks};

use super::canvas::Canvas;
use super::{colour, is_stripe};

const PIXELS_PER_MM: f64 = 6.0;
const WIDE_MM: f64 = 76.0;
const HIGH_MM: f64 = 66.0;
/// Drawn at twice the size and halved.
const FINER: f64 = 2.0;
/// Faces that a cut made.
const CUT_BONE: [f64; 3] = [214.0, 118.0, 104.0];
/// Towards the lamp: over the viewer's left shoulder and above, the viewer standing behind the patient.
const LAMP: [f64; 3] = [0.35, 0.80, 0.48];

/// The structures around a position, seen from behind with parallel rays.
pub(super) fn behind(patient: &Patient, cut: &CutState, centre: [f64; 3]) -> Canvas {
    let scale = PIXELS_PER_MM * FINER;
    let (width, height) = ((WIDE_MM * scale) as usize, (HIGH_MM * scale) as usize);
    let mut view = View {
        canvas: Canvas::new(width, height, [250, 249, 246]),
        depth: vec![f64::NEG_INFINITY; width * height],
        scale,
        centre,
    };
    let grid = patient.grid();
    let reach = HIGH_MM / 2.0 + BRICK as f64 * grid.spacing_mm();
    let (mut mesher, mut mesh) = (Mesher::new(), BrickMesh::default());
    for (k, structure) in patient.structures().iter().enumerate() {
        let base = colour(structure.label).map(f64::from);
        for brick in surface_bricks(patient, Some(cut), k) {
            let low = grid.brick_coords(brick).map(|v| f64::from(v * BRICK as i32));
            if (grid.patient_from_index(low)[2] - centre[2]).abs() > reach {
                continue;
            }
            mesher.mesh(patient, Some(cut), k, brick, &mut mesh);
            let corner = |n: u16| -> Option<Corner> {
                let n = usize::from(n);
                let at = BrickMesh::position_mm(grid, brick, *mesh.positions.get(n)?);
                let tint = if *mesh.cut.get(n)? { cut_colour(structure.label, base) } else { base };
                let proposed = structure.source == Source::Proposed;
                Some(Corner { at, normal: mesh.normals.get(n)?.map(f64::from), tint, proposed })
            };
            for [a, b, c] in &mesh.triangles {
                if let (Some(a), Some(b), Some(c)) = (corner(*a), corner(*b), corner(*c)) {
                    view.triangle([a, b, c]);
                }
            }
        }
    }
    let mut canvas = view.canvas.halved();
    canvas.scale_bar(PIXELS_PER_MM);
    canvas.sides([-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]);
    canvas
}

fn cut_colour(label: Label, base: [f64; 3]) -> [f64; 3] {
    if label.class() == Some(TissueClass::Bone) { CUT_BONE } else { base.map(|v| 0.8 * v) }
}

#[derive(Clone, Copy)]
struct Corner {
    at: [f64; 3],
    normal: [f64; 3],
    tint: [f64; 3],
    proposed: bool,
}

struct View {
    canvas: Canvas,
    depth: Vec<f64>,
    scale: f64,
    centre: [f64; 3],
}

impl View {
    /// Pixel coordinates of a position: the patient's left on the left, the head at the top.
    fn project(&self, at: [f64; 3]) -> [f64; 2] {
        let x = self.canvas.width as f64 / 2.0 - (at[0] - self.centre[0]) * self.scale;
        [x, self.canvas.height as f64 / 2.0 - (at[2] - self.centre[2]) * self.scale]
    }

    fn triangle(&mut self, corners: [Corner; 3]) {
        let p = corners.map(|c| self.project(c.at));
        let area = (p[1][0] - p[0][0]) * (p[2][1] - p[0][1]) - (p[2][0] - p[0][0]) * (p[1][1] - p[0][1]);
        if area == 0.0 {
            return;
        }
        let most = [self.canvas.width, self.canvas.height];
        let range = |k: usize| {
            let (low, high) =
                (p.iter().map(|q| q[k]).fold(f64::INFINITY, f64::min), p.iter().map(|q| q[k]).fold(f64::NEG_INFINITY, f64::max));
            (low - 0.5).ceil().max(0.0) as usize..((high + 0.5).floor().max(0.0) as usize).min(most[k])
        };
        for y in range(1) {
            for x in range(0) {
                let (px, py) = (x as f64 + 0.5, y as f64 + 0.5);
                let edge = |a: usize, b: usize| (p[b][0] - p[a][0]) * (py - p[a][1]) - (p[b][1] - p[a][1]) * (px - p[a][0]);
                let w = [edge(1, 2) / area, edge(2, 0) / area, edge(0, 1) / area];
                if w.iter().any(|w| *w < 0.0) {
                    continue;
                }
                let mix = |of: fn(&Corner) -> [f64; 3]| -> [f64; 3] {
                    std::array::from_fn(|k| (0..3).map(|c| w[c] * of(&corners[c])[k]).sum())
                };
                // Nearer the viewer is farther to the back.
                let place = mix(|c| c.at);
                let depth = place[1];
                let at = y * self.canvas.width + x;
                if depth > self.depth[at] {
                    self.depth[at] = depth;
                    let stripe = corners[0].proposed && is_stripe(place[0] + place[2]);
                    let tint = mix(|c| c.tint).map(|v| if stripe { 0.62 * v } else { v });
                    self.canvas.pixels[at] = shade(mix(|c| c.normal), tint, depth - self.centre[1]);
                }
            }
        }
    }
}

/// Light from the lamp and from everywhere; what lies deep is darker.
fn shade(normal: [f64; 3], tint: [f64; 3], height_mm: f64) -> [f32; 3] {
    let long = (normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]).sqrt().max(1e-9);
    let facing: f64 = (0..3).map(|k| normal[k] * LAMP[k]).sum::<f64>() / long;
    let deep = (1.0 + height_mm / 45.0).clamp(0.45, 1.0);
    let light = (0.34 + 0.72 * facing.max(0.0)) * deep;
    tint.map(|v| (v * light).min(255.0) as f32)
}
