//! Slices of the CT at their physical proportions, with the structures' outlines.

use image::{Rgb, RgbImage};
use spinor_volume::query::sdf_mm;
use spinor_volume::{BrickState, Patient, Structure, TissueClass, VoxelIndex};

use crate::palette;
use crate::volume3d::Image;

/// Directions of a picture in patient LPS: its right and its lower edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axes {
    right: [f64; 3],
    down: [f64; 3],
}

impl Axes {
    /// Front to the left of the picture, head up.
    pub(super) const SAGITTAL: Self = Self { right: [0.0, 1.0, 0.0], down: [0.0, 0.0, -1.0] };
    /// The patient's right on the left of the picture, head up.
    pub(super) const CORONAL: Self = Self { right: [1.0, 0.0, 0.0], down: [0.0, 0.0, -1.0] };

    /// Across the spine, whose axis is `up` here: the patient's right on the left of the picture, front up.
    pub(super) fn axial(up: [f64; 3]) -> Self {
        let dot = up[0];
        let right = unit([1.0 - dot * up[0], -dot * up[1], -dot * up[2]]);
        let down =
            [up[1] * right[2] - up[2] * right[1], up[2] * right[0] - up[0] * right[2], up[0] * right[1] - up[1] * right[0]];
        Self { right, down }
    }
}

fn unit(a: [f64; 3]) -> [f64; 3] {
    let n = (a[0] * a[0] + a[1] * a[1] + a[2] * a[2]).sqrt().max(1e-12);
    a.map(|v| v / n)
}

/// A rectangle in space to be drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane {
    pub centre: [f64; 3],
    pub axes: Axes,
    pub size_mm: [f64; 2],
    pub mm_per_pixel: f64,
}

/// Lower end and width of the grey scale, HU.
const WINDOW: [f64; 2] = [-160.0, 1000.0];
/// Half-width of an outline in pixels.
const LINE: f64 = 0.75;

/// The slice with the outlines of all structures; black where the image ends.
pub(super) fn draw(patient: &Patient, ct: Option<&Image<i16>>, plane: &Plane) -> RgbImage {
    let [w, h] = plane.size_mm.map(|mm| (mm / plane.mm_per_pixel).round().clamp(16.0, 2000.0) as u32);
    let grid = patient.grid();
    let mut out = RgbImage::new(w, h);
    // Larger structures first, so that roots and flava stand on top.
    let mut order: Vec<&Structure> = patient.structures().iter().collect();
    order.sort_by(|a, b| b.volume_mm3.total_cmp(&a.volume_mm3));
    for (x, y, pixel) in out.enumerate_pixels_mut() {
        let across = (f64::from(x) + 0.5 - f64::from(w) / 2.0) * plane.mm_per_pixel;
        let below = (f64::from(y) + 0.5 - f64::from(h) / 2.0) * plane.mm_per_pixel;
        let at = [0, 1, 2].map(|k| plane.centre[k] + plane.axes.right[k] * across + plane.axes.down[k] * below);
        let hu = ct.and_then(|ct| ct.trilinear_at_mm(at));
        let grey = hu.map_or(0.0, |hu| 12.0 + 235.0 * ((hu - WINDOW[0]) / WINDOW[1]).clamp(0.0, 1.0).powf(0.8));
        let mut colour = [grey; 3];
        let voxel = grid.index_from_patient(at).map(|v| v.floor() as i32);
        for s in &order {
            let near =
                grid.locate(VoxelIndex(voxel)).is_some_and(|(brick, _)| matches!(s.sdf.brick(brick), BrickState::Samples(_)));
            if !near {
                continue;
            }
            let d = sdf_mm(grid, &s.sdf, at) / plane.mm_per_pixel;
            let line = (LINE + 0.5 - d.abs()).clamp(0.0, 1.0);
            let wash = if d < 0.0 && s.class != TissueClass::Bone { 0.10 } else { 0.0 };
            let alpha = (0.92 * line).max(wash);
            let own = palette::outline(s.label);
            for k in 0..3 {
                colour[k] += (f64::from(own[k]) - colour[k]) * alpha;
            }
        }
        *pixel = Rgb(colour.map(|v| v.round().clamp(0.0, 255.0) as u8));
    }
    out
}
