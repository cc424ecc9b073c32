//! Distances read fast: the eight samples around a position at once, where they lie in one brick.
//!
//! The numbers are those of [`spinor_volume::query::effective_sdf_mm`]; only the way to them is shorter. Seven of eight cells lie within one
//! brick, and most bricks around a tool hold nothing of a structure: then no sample is read at all.

use spinor_volume::query::effective_sdf_mm;
use spinor_volume::sample::carve;
use spinor_volume::{BRICK, BrickIndex, BrickState, CutState, Grid, Patient, SDF_PER_VOXEL, VoxelIndex};

use crate::vector::Vec3;

/// Offsets of a cell's corners in a brick's samples, x fastest.
const CORNERS: [usize; 8] = {
    let (y, z) = (BRICK, BRICK * BRICK);
    [0, 1, y, y + 1, z, z + 1, z + y, z + y + 1]
};

/// A position's place among the samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    at: Vec3,
    /// The brick that holds all eight samples and the first one's place in it; none where they lie in several bricks or outside.
    home: Option<(BrickIndex, usize)>,
    /// Place between the samples, 0-1 along each axis.
    part: Vec3,
}

impl Cell {
    pub(super) fn new(grid: &Grid, at: Vec3) -> Self {
        let index = grid.index_from_patient(at);
        let floor = index.map(f64::floor);
        let low = floor.map(|v| (v as i32).clamp(i32::MIN / 2, i32::MAX / 2));
        let part = [0, 1, 2].map(|k| (index[k] - floor[k]).clamp(0.0, 1.0));
        let edge = BRICK as i32;
        let within = low.iter().all(|v| v.rem_euclid(edge) < edge - 1);
        let home = if within { grid.locate(VoxelIndex(low)) } else { None };
        Self { at, home, part }
    }

    /// Signed distance to what is left of a structure, mm; none where the structure comes nowhere near.
    pub(super) fn sdf_mm(&self, patient: &Patient, cut: &CutState, structure: usize) -> Option<f64> {
        let Some((brick, first)) = self.home else { return Some(effective_sdf_mm(patient, cut, structure, self.at)) };
        let s = patient.structures().get(structure)?;
        let corner: [f64; 8] = match (s.sdf.brick(brick), cut.field(s.class).brick(brick)) {
            (BrickState::Outside, _) => return None,
            (BrickState::Samples(sdf), BrickState::Samples(cut)) => CORNERS.map(|c| value(carve(sdf[first + c], cut[first + c]))),
            (BrickState::Samples(sdf), BrickState::Outside) => CORNERS.map(|c| value(carve(sdf[first + c], 127))),
            (BrickState::Inside, BrickState::Samples(cut)) => CORNERS.map(|c| value(carve(-127, cut[first + c]))),
            (BrickState::Inside, BrickState::Outside) => [value(-127); 8],
            (_, BrickState::Inside) => [value(127); 8],
        };
        let step_mm = patient.grid().spacing_mm() / f64::from(SDF_PER_VOXEL);
        let corner = corner.map(|v| v * step_mm);
        let mix = |a: f64, b: f64, t: f64| a + (b - a) * t;
        let x = |k: usize| mix(corner[k], corner[k + 1], self.part[0]);
        Some(mix(mix(x(0), x(2), self.part[1]), mix(x(4), x(6), self.part[1]), self.part[2]))
    }
}

fn value(sample: i8) -> f64 {
    f64::from(sample) + 0.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{PLATE_TOP_MM, plate_with_flavum};
    use spinor_volume::query::clamp_mm;
    use spinor_volume::{ClassMask, CutOp, TissueClass};

    /// The short way gives the very numbers of the query, inside, outside, across bricks, beyond the grid, and after cuts.
    #[test]
    fn the_short_way_gives_the_same_numbers() {
        let patient = plate_with_flavum(5.0);
        let grid = *patient.grid();
        let mut cut = CutState::new(&grid);
        let op = CutOp::capsule_mm(
            &grid,
            [0.0, PLATE_TOP_MM, 0.0],
            [1.0, PLATE_TOP_MM - 2.0, 0.5],
            2.0,
            ClassMask::of(&[TissueClass::Bone]),
        );
        cut.apply(&patient, &op.unwrap());
        let mut near = 0;
        for k in 0..20_000_u32 {
            let spread = |n: u32, span: f64| f64::from(k.wrapping_mul(n) % 9_973) / 9_973.0 * span;
            let at = [spread(7_919, 56.0) - 28.0, spread(6_101, 24.0) + 2.0, spread(3_571, 28.0) - 14.0];
            for structure in 0..patient.structures().len() {
                let wanted = effective_sdf_mm(&patient, &cut, structure, at);
                let got = Cell::new(&grid, at).sdf_mm(&patient, &cut, structure);
                near += u32::from(wanted.abs() < 1.0);
                match got {
                    Some(got) => assert_eq!(got.to_bits(), wanted.to_bits(), "{at:?}"),
                    None => assert!((wanted - clamp_mm(&grid)).abs() < 1e-9, "{at:?}: {wanted}"),
                }
            }
        }
        assert!(near > 2_000, "{near}");
    }
}
