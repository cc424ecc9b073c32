//! One slice as pixels.

use spinor_shared::case::ImageBricks;
use spinor_volume::{CutState, Patient, SDF_PER_VOXEL, VoxelIndex};

/// Pixels along a slice's edge.
pub(super) const PIXELS: usize = 176;
/// What a slice shows from edge to edge, mm.
const FIELD_MM: f64 = 72.0;

/// A plane through the tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plane {
    Axial,
    Sagittal,
    Coronal,
}

impl Plane {
    pub(super) const ALL: [Self; 3] = [Self::Axial, Self::Sagittal, Self::Coronal];

    pub(super) const fn name(self) -> &'static str {
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

    /// The letters at a slice's left, right, top and bottom edge: left and right, anterior and posterior, superior and inferior.
    pub(super) fn edges(self) -> [&'static str; 4] {
        let letter = |direction: [f64; 3]| match direction {
            [x, _, _] if x != 0.0 => ["R", "L"][usize::from(x > 0.0)],
            [_, y, _] if y != 0.0 => ["A", "P"][usize::from(y > 0.0)],
            [_, _, z] => ["I", "S"][usize::from(z > 0.0)],
        };
        let (right, down) = self.right_down();
        let back = |direction: [f64; 3]| direction.map(|v| -v);
        [back(right), right, back(down), down].map(letter)
    }
}

/// Which values become black and white: the middle of the greys, and how far they reach, in the image's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    pub(super) level: f32,
    pub(super) width: f32,
}

impl Window {
    /// Grey of a value.
    fn grey(self, value: f32) -> u8 {
        (((value - self.level) / self.width + 0.5) * 255.0).clamp(0.0, 255.0) as u8
    }
}

/// A window that holds all but the lowest and the highest hundredth of an image's values: MR has no unit to name one in.
pub(super) fn common_values(image: &ImageBricks) -> Window {
    const ALONG: u32 = 24;
    let size = image.geometry().size;
    let mut values = Vec::new();
    for n in 0..ALONG.pow(3) {
        let cell = [n % ALONG, n / ALONG % ALONG, n / (ALONG * ALONG)];
        let index = [0, 1, 2].map(|k| f64::from(size[k] - 1) * (f64::from(cell[k]) + 0.5) / f64::from(ALONG));
        values.extend(image.sample_hu(image.geometry().patient_from_index(index)));
    }
    values.sort_by(f32::total_cmp);
    let at = |share: f32| values.get((values.len() as f32 * share) as usize).copied().unwrap_or(0.0);
    let (low, high) = (at(0.01), at(0.99));
    Window { level: (low + high) * 0.5, width: (high - low).max(1.0) }
}

/// What work did at a voxel: whether tissue was there that is gone, and whether there is tissue at the wall of what is gone.
fn worked(patient: &Patient, cut: &CutState, voxel: VoxelIndex) -> (bool, bool) {
    let grid = patient.grid();
    let (mut gone, mut wall) = (false, false);
    for structure in patient.structures() {
        let depth = i32::from(cut.field(structure.class).sample(grid, voxel));
        if depth < SDF_PER_VOXEL && structure.sdf.sample(grid, voxel) < 0 {
            gone |= depth < 0;
            wall |= depth >= 0;
        }
    }
    (gone, wall && !gone)
}

/// Paints a plane through a place (LPS mm) as RGBA rows: the image in its window, tissue that was taken in red, a cross-hair at the place.
/// Where a tool ran through nothing, nothing is marked.
pub(super) fn paint(
    pixels: &mut [u8],
    plane: Plane,
    tip_mm: [f64; 3],
    (image, window): (&ImageBricks, Window),
    patient: &Patient,
    cut: &CutState,
) {
    let grid = patient.grid();
    let (right, down) = plane.right_down();
    let middle = PIXELS as f64 / 2.0;
    for (n, pixel) in pixels.chunks_exact_mut(4).enumerate() {
        let (i, j) = (n % PIXELS, n / PIXELS);
        let (u, v) = ((i as f64 + 0.5 - middle) * FIELD_MM / PIXELS as f64, (j as f64 + 0.5 - middle) * FIELD_MM / PIXELS as f64);
        let at_mm = [0, 1, 2].map(|k| tip_mm[k] + u * right[k] + v * down[k]);
        let grey = image.sample_hu(at_mm).map_or(6, |value| window.grey(value));
        let mut colour = [grey, grey, grey];
        let voxel = VoxelIndex(grid.index_from_patient(at_mm).map(|v| v.round() as i32));
        match worked(patient, cut, voxel) {
            // Removed: the tissue that was there, tinted.
            (true, _) => colour = [grey / 2 + 70, grey / 3, grey / 3 + 14],
            (_, true) => colour = [230, 70, 60],
            _ => {}
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
    use spinor_client_core::testing::two_balls;
    use spinor_shared::case::ImageGeometry;
    use spinor_volume::{ClassMask, CutOp, TissueClass};

    /// Bone is bright, soft tissue dark grey, air black in the bone window.
    #[test]
    fn the_window_shows_bone() {
        let bone = Window { level: 400.0, width: 1_800.0 };
        assert_eq!(bone.grey(-1_000.0), 0);
        assert!(bone.grey(40.0) > 40 && bone.grey(40.0) < 100 && bone.grey(1_200.0) > 220);
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

    /// The letters are those of the directions: the patient's left is at the right of an axial and a coronal slice.
    #[test]
    fn edges_are_named_as_they_hang() {
        assert_eq!(Plane::Axial.edges(), ["R", "L", "A", "P"]);
        assert_eq!(Plane::Sagittal.edges(), ["A", "P", "S", "I"]);
        assert_eq!(Plane::Coronal.edges(), ["R", "L", "S", "I"]);
    }

    /// Only tissue that was taken is marked: a burr that ran from the air into the ball of bone marks the bone, not the air, and not the
    /// dura that it may not cut; the bone beside the hole is its wall.
    #[test]
    fn what_was_never_tissue_is_not_marked() {
        let patient = two_balls();
        let mut cut = CutState::new(patient.grid());
        let bone = ClassMask::of(&[TissueClass::Bone]);
        for op in CutOp::sweep_mm(patient.grid(), [-2.0, 14.0, 0.0], [-2.0, 4.0, 0.0], 2.0, bone).unwrap() {
            cut.apply(&patient, &op);
        }
        let at = |at_mm: [f64; 3]| {
            worked(&patient, &cut, VoxelIndex(patient.grid().index_from_patient(at_mm).map(|v| v.round() as i32)))
        };
        assert_eq!(at([-2.0, 6.0, 0.0]), (true, false), "bone in the burr's way");
        assert_eq!(at([-2.0, 12.0, 0.0]), (false, false), "air in the burr's way");
        let walls = (0..8).filter(|n| at([-2.0, 3.0 - 0.25 * f64::from(*n), 0.0]) == (false, true)).count();
        assert!((1..=3).contains(&walls), "a voxel of bone that was left beside it: {walls}");
        assert_eq!(at([-2.0, -4.0, 0.0]), (false, false), "bone far from it");
    }

    /// A slice shows each place where it lies: a ramp along the left is a ramp along an axial slice's right, and the cross-hair marks
    /// the middle without covering it.
    #[test]
    fn a_slice_shows_places_where_they_are() {
        let geometry = ImageGeometry {
            size: [80; 3],
            spacing_mm: [1.0; 3],
            origin_mm: [-40.0; 3],
            direction: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            patient_from_image: [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]],
            slope: 1.0,
            intercept: 0.0,
        };
        let image = ImageBricks::pack(geometry, |[x, _, _]| x as i16 * 10).unwrap();
        let patient = two_balls();
        let mut pixels = vec![0; PIXELS * PIXELS * 4];
        let window = common_values(&image);
        assert!((window.level - 395.0).abs() < 30.0 && window.width > 600.0, "{window:?}");
        paint(&mut pixels, Plane::Axial, [0.0; 3], (&image, window), &patient, &CutState::new(patient.grid()));
        let grey = |i: usize, j: usize| pixels[(j * PIXELS + i) * 4];
        assert!(grey(20, 40) + 20 < grey(88, 40) && grey(88, 40) + 20 < grey(150, 40));
        assert_eq!(grey(60, 30), grey(60, 140), "nothing changes downwards");
        assert!(grey(88, 88) != 90, "the tip itself stays visible");
    }
}
