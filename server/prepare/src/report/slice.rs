//! Slices of an image at their physical proportions, with the structures' outlines.

use image::{Rgb, RgbImage};
use spinor_volume::query::sdf_mm;
use spinor_volume::{BrickState, Patient, Source, Structure, TissueClass, VoxelIndex};

use super::marks;
use crate::palette;

/// Directions of a picture in patient LPS: its right and its lower edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axes {
    pub(super) right: [f64; 3],
    pub(super) down: [f64; 3],
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

impl Plane {
    /// Pixels across and down.
    pub(super) fn pixels(&self) -> [u32; 2] {
        self.size_mm.map(|mm| (mm / self.mm_per_pixel).round().clamp(16.0, 2000.0) as u32)
    }

    /// The middle of a pixel, counted from the left and from above, LPS mm.
    pub(super) fn at(&self, pixel: [u32; 2]) -> [f64; 3] {
        let sizes = self.pixels();
        let [across, below] = [0, 1].map(|k| (f64::from(pixel[k]) + 0.5 - f64::from(sizes[k]) / 2.0) * self.mm_per_pixel);
        [0, 1, 2].map(|k| self.centre[k] + self.axes.right[k] * across + self.axes.down[k] * below)
    }
}

/// Lower end and width of the grey scale, HU.
const WINDOW: [f64; 2] = [-160.0, 1000.0];
/// Half-width of an outline in pixels.
const LINE: f64 = 0.75;

/// Whether a pixel lies in a stripe of the hatch, or a dash of the outline, that proposed structures have.
fn is_hatch(x: u32, y: u32) -> bool {
    (x + y) % 7 < 2
}

fn is_dash(x: u32, y: u32) -> bool {
    // Two frequencies, so that neither horizontals, verticals nor diagonals run along a dash.
    (5 * x + 8 * y) % 40 < 22
}

/// How bright a CT value is drawn, 0-255.
pub(super) fn grey(hu: f64) -> f64 {
    12.0 + 235.0 * ((hu - WINDOW[0]) / WINDOW[1]).clamp(0.0, 1.0).powf(0.8)
}

/// A slice with the outlines of the structures that are `shown`, dashed and hatched where they are proposed, and the letters of the patient's
/// sides, over what `behind` says of each pixel and its place (0 black to 255 white).
pub(super) fn draw(
    patient: &Patient,
    plane: &Plane,
    shown: impl Fn(&Structure) -> bool,
    behind: impl Fn([u32; 2], [f64; 3]) -> f64,
) -> RgbImage {
    let [w, h] = plane.pixels();
    let grid = patient.grid();
    let mut out = RgbImage::new(w, h);
    // Larger structures first, so that roots and flava stand on top.
    let mut order: Vec<&Structure> = patient.structures().iter().filter(|s| shown(s)).collect();
    order.sort_by(|a, b| b.volume_mm3.total_cmp(&a.volume_mm3));
    for (x, y, pixel) in out.enumerate_pixels_mut() {
        let at = plane.at([x, y]);
        let mut colour = [behind([x, y], at); 3];
        let voxel = grid.index_from_patient(at).map(|v| v.floor() as i32);
        for s in &order {
            let near =
                grid.locate(VoxelIndex(voxel)).is_some_and(|(brick, _)| matches!(s.sdf.brick(brick), BrickState::Samples(_)));
            if !near {
                continue;
            }
            let d = sdf_mm(grid, &s.sdf, at) / plane.mm_per_pixel;
            let proposed = s.source == Source::Proposed;
            let line = if proposed && !is_dash(x, y) { 0.0 } else { (LINE + 0.5 - d.abs()).clamp(0.0, 1.0) };
            let wash = match (d < 0.0, proposed) {
                (true, true) if is_hatch(x, y) => 0.30,
                (true, _) if s.class != TissueClass::Bone => 0.10,
                _ => 0.0,
            };
            let alpha = (0.92 * line).max(wash);
            let own = palette::outline(s.label);
            for k in 0..3 {
                colour[k] += (f64::from(own[k]) - colour[k]) * alpha;
            }
        }
        *pixel = Rgb(colour.map(|v| v.round().clamp(0.0, 255.0) as u8));
    }
    marks::draw(&mut out, plane.axes.right, plane.axes.down);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render3d::{Camera, Direction, Style, render};
    use spinor_volume::{BRICK, BRICK_VOXELS, BrickIndex, DensityField, Grid, Label, SparseField};

    /// A bone that is a ball of 7 mm on the patient's left, at the front, towards the head.
    fn patient(source: Source) -> Patient {
        let grid = Grid::new([-24.0; 3], 1.0, [3, 3, 3]).unwrap();
        let mut sdf = SparseField::outside(&grid);
        for n in 0..grid.brick_count() as u32 {
            let first = grid.brick_coords(BrickIndex(n)).map(|c| f64::from(c) * BRICK as f64);
            let mut samples = [0_i8; BRICK_VOXELS];
            for (at, s) in samples.iter_mut().enumerate() {
                let local = [at % 16, at / 16 % 16, at / 256];
                let p = grid.patient_from_index([0, 1, 2].map(|k| first[k] + local[k] as f64));
                let from = [12.0, -12.0, 12.0];
                let d = (0..3).map(|k| (p[k] - from[k]).powi(2)).sum::<f64>().sqrt() - 7.0;
                *s = (d * 32.0).round().clamp(-127.0, 127.0) as i8;
            }
            *sdf.brick_mut(BrickIndex(n)).unwrap() = samples;
        }
        let bone =
            Structure { label: Label::lumbar(3), class: TissueClass::Bone, source, uncertainty_mm: 0.0, volume_mm3: 1.0, sdf };
        Patient::new(grid, vec![bone], DensityField::default()).unwrap()
    }

    fn slice(patient: &Patient, axes: Axes, through: [f64; 3]) -> RgbImage {
        draw(patient, &Plane { centre: through, axes, size_mm: [60.0, 60.0], mm_per_pixel: 0.25 }, |_| true, |_, _| 0.0)
    }

    /// Where the ball lies in a picture: its letter at the edge that it is nearer to, across and along.
    fn beside(picture: &RgbImage, other: &RgbImage) -> [String; 2] {
        let (mut sum, mut n) = ([0.0; 2], 0.0);
        for (x, y, _) in picture.enumerate_pixels().filter(|(x, y, p)| *p != other.get_pixel(*x, *y)) {
            (sum[0], sum[1], n) = (sum[0] + f64::from(x), sum[1] + f64::from(y), n + 1.0);
        }
        assert!(n > 100.0, "{n} pixels of the ball");
        let [left, right, top, bottom] = marks::tests::words(picture).map(Option::unwrap);
        let (w, h) = picture.dimensions();
        let off = [sum[0] / n - f64::from(w) / 2.0, sum[1] / n - f64::from(h) / 2.0];
        assert!(off.iter().all(|v| v.abs() > 8.0), "{off:?}");
        [if off[0] < 0.0 { left } else { right }, if off[1] < 0.0 { top } else { bottom }]
    }

    /// What lies on the patient's left (+x), in front (-y) and towards the head (+z) is drawn beside the letters L, A and S, in every slice and
    /// every view; axial and coronal slices follow the radiological convention: the patient's left is on the right.
    #[test]
    fn letters_stand_on_the_patients_sides() {
        let (patient, at) = (patient(Source::Segmented), [12.0, -12.0, 12.0]);
        let through = |k: usize| std::array::from_fn(|n| if n == k { at[n] } else { 0.0 });
        let nothing = |k: usize| std::array::from_fn(|n| if n == k { -20.0 } else { 0.0 });
        let up = [0.0, 0.0, 1.0];
        for (axes, k, expected, right) in
            [(Axes::axial(up), 2, ["L", "A"], "L"), (Axes::CORONAL, 1, ["L", "S"], "L"), (Axes::SAGITTAL, 0, ["A", "S"], "P")]
        {
            let drawn = slice(&patient, axes, through(k));
            assert_eq!(beside(&drawn, &slice(&patient, axes, nothing(k))), expected, "axis {k}");
            assert_eq!(marks::tests::words(&drawn)[1].as_deref(), Some(right), "axis {k}");
        }
        for (from, expected, right) in [
            (Direction::Posterior, ["L", "S"], "R"),
            (Direction::Anterior, ["L", "S"], "L"),
            (Direction::Left, ["A", "S"], "P"),
            (Direction::Right, ["A", "S"], "A"),
            (Direction::Superior, ["L", "A"], "R"),
        ] {
            let (forward, up) = from.axes();
            let camera = Camera::parallel([0.0; 3], forward, up, 60.0);
            let view = |hide: bool| {
                let mut picture = render(&patient, &camera, &Style { size: [240, 240], hide: &|_| hide, ..Style::default() });
                marks::draw(&mut picture, camera.right(), camera.down());
                picture
            };
            let drawn = view(false);
            assert_eq!(beside(&drawn, &view(true)), expected, "{from:?}");
            assert_eq!(marks::tests::words(&drawn)[1].as_deref(), Some(right), "{from:?}");
        }
    }

    /// A proposed outline is broken and its inside hatched; a seen one is whole and, of bone, empty.
    #[test]
    fn proposed_outlines_are_dashed_and_hatched() {
        let drawn = |source: Source| slice(&patient(source), Axes::axial([0.0, 0.0, 1.0]), [12.0, -12.0, 12.0]);
        let (seen, proposed) = (drawn(Source::Segmented), drawn(Source::Proposed));
        // In pixels from the ball's middle, which is the picture's.
        let count = |picture: &RgbImage, from: f64, to: f64| {
            let off = |v: u32| f64::from(v) + 0.5 - 120.0;
            let ring = picture.enumerate_pixels().filter(|(x, y, _)| {
                let r = off(*x).hypot(off(*y));
                r >= from && r <= to
            });
            let (mut lit, mut all) = (0.0, 0.0);
            ring.for_each(|(_, _, p)| (lit, all) = (lit + f64::from(u8::from(p.0[0] > 40)), all + 1.0));
            lit / all
        };
        assert!(count(&seen, 27.5, 28.5) > 0.97 && count(&seen, 5.0, 22.0) < 0.01);
        let (line, inside) = (count(&proposed, 27.5, 28.5), count(&proposed, 5.0, 22.0));
        assert!((0.4..0.75).contains(&line) && (0.2..0.4).contains(&inside), "{line} {inside}");
    }
}
