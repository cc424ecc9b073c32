//! Pictures of the operated level before and after, drawn in software: the same bytes on every machine of one kind.

mod canvas;
mod section;
mod surface;

use base64::Engine;
use spinor_volume::cut::CutState;
use spinor_volume::{BRICK, Label, Patient, TissueClass};

use canvas::Canvas;

use crate::gather::Session;

/// A picture before and after, as addresses that hold the PNG themselves (`data:image/png;base64,...`).
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// Nothing cut.
    pub(crate) before: String,
    /// As the session left it.
    pub(crate) after: String,
}

/// The pictures of a report.
#[derive(Clone, Debug)]
pub(crate) struct Pictures {
    /// Height of the section, patient LPS, mm.
    pub(crate) height_mm: f64,
    /// Name of the level there.
    pub(crate) level: Option<String>,
    /// From behind, as a surgeon sees a prone patient: the patient's left is on the left.
    pub(crate) behind: Pair,
    /// Axial section, seen from below: front at the top, the patient's right on the left.
    pub(crate) section: Pair,
}

/// Draws the pictures; none where no bone was taken and there is no dural sac, or they cannot be encoded.
pub(crate) fn pictures(session: &Session) -> Option<Pictures> {
    let patient = &session.patient;
    let centre = work_centre(patient, &session.cut)?;
    let untouched = CutState::new(patient.grid());
    let data = |canvas: Canvas| {
        let png = canvas.png().ok()?;
        Some(format!("data:image/png;base64,{}", base64::engine::general_purpose::STANDARD.encode(png)))
    };
    let behind = |cut: &CutState| data(surface::behind(patient, cut, centre));
    let section = |cut: &CutState| data(section::axial(patient, cut, centre));
    let places = crate::place::Places::of(patient);
    Some(Pictures {
        height_mm: centre[2],
        level: places.level(centre[2]).map(str::to_owned),
        behind: Pair { before: behind(&untouched)?, after: behind(&session.cut)? },
        section: Pair { before: section(&untouched)?, after: section(&session.cut)? },
    })
}

/// Colour of a structure (sRGB). Neighbouring vertebrae alternate between two shades of bone.
pub(crate) fn colour(label: Label) -> [u8; 3] {
    match (label.class(), label.0) {
        (_, 1) => [236, 232, 246],
        (_, 2) => [122, 164, 214],
        (Some(TissueClass::Bone), n) if n.is_multiple_of(2) => [222, 206, 176],
        (Some(TissueClass::Bone), _) => [236, 224, 200],
        (Some(TissueClass::Flavum), _) => [214, 140, 52],
        (Some(TissueClass::Disc), _) => [110, 166, 160],
        (Some(TissueClass::Neural), _) => [240, 205, 60],
        (None, _) => [160, 160, 160],
    }
}

/// Period of the stripes on what is proposed, mm.
const STRIPES_MM: f64 = 2.0;

/// Whether a place lies in a stripe of the hatch that proposed structures have.
fn is_stripe(across_mm: f64) -> bool {
    (across_mm / STRIPES_MM).rem_euclid(1.0) < 0.4
}

/// Number of voxels, and the sums of their x and y, by z.
type Planes = std::collections::BTreeMap<i32, [f64; 3]>;

fn add(planes: &mut Planes, voxel: [i32; 3]) {
    let plane = planes.entry(voxel[2]).or_default();
    plane[0] += 1.0;
    plane[1] += f64::from(voxel[0]);
    plane[2] += f64::from(voxel[1]);
}

/// Where most was taken: the height of the grid's plane that lost most, and the middle of what it lost; without any cut the middle of the
/// dural sac. Patient LPS, mm.
fn work_centre(patient: &Patient, cut: &CutState) -> Option<[f64; 3]> {
    let grid = patient.grid();
    let mut planes = Planes::new();
    let voxel = |at: [i32; 3], k: usize| {
        let edge = BRICK as i32;
        [at[0] * edge + (k % BRICK) as i32, at[1] * edge + (k / BRICK % BRICK) as i32, at[2] * edge + (k / BRICK / BRICK) as i32]
    };
    for class in [TissueClass::Bone, TissueClass::Flavum, TissueClass::Disc] {
        for (brick, samples) in cut.field(class).stored() {
            let at = grid.brick_coords(brick);
            for s in patient.structures().iter().filter(|s| s.class == class) {
                let inside = |k: usize| s.sdf.sample(grid, spinor_volume::VoxelIndex(voxel(at, k))) < 0;
                if s.sdf.brick(brick) != spinor_volume::BrickState::Outside {
                    (0..samples.len()).filter(|k| samples[*k] < 0 && inside(*k)).for_each(|k| add(&mut planes, voxel(at, k)));
                }
            }
        }
    }
    if planes.is_empty() {
        let sac = patient.structure(Label::DURAL_SAC)?;
        for (brick, samples) in sac.sdf.stored() {
            let at = grid.brick_coords(brick);
            (0..samples.len()).filter(|k| samples[*k] < 0).for_each(|k| add(&mut planes, voxel(at, k)));
        }
        let middle = planes.keys().copied().nth(planes.len() / 2)?;
        planes.retain(|z, _| *z == middle);
    }
    let (z, [n, x, y]) = planes.into_iter().max_by(|a, b| a.1[0].total_cmp(&b.1[0]))?;
    Some(grid.patient_from_index([x / n, y / n, f64::from(z)]))
}

#[cfg(test)]
mod tests {
    use super::canvas::tests::letters;
    use super::*;
    use spinor_volume::{BRICK_VOXELS, BrickIndex, DensityField, Grid, Source, SparseField, Structure};

    /// A sac that is a bar on the patient's left and at the front: x from 6 to 12, y from -12 to -6 mm.
    fn patient(source: Source) -> Patient {
        let grid = Grid::covering([-16.0, -16.0, -16.0], [16.0, 16.0, 16.0], 1.0).unwrap();
        let mut sdf = SparseField::outside(&grid);
        for n in 0..grid.brick_count() as u32 {
            let corner = grid.brick_coords(BrickIndex(n)).map(|v| v * BRICK as i32);
            let mut samples = [0_i8; BRICK_VOXELS];
            for (k, sample) in samples.iter_mut().enumerate() {
                let voxel = [corner[0] + (k % 16) as i32, corner[1] + (k / 16 % 16) as i32, corner[2] + (k / 256) as i32];
                let [x, y, _] = grid.patient_from_index(voxel.map(f64::from));
                let mm = ((x - 9.0).abs() - 3.0).max((y + 9.0).abs() - 3.0);
                *sample = (mm * 32.0).clamp(-127.0, 127.0) as i8;
            }
            *sdf.brick_mut(BrickIndex(n)).unwrap() = samples;
        }
        let label = Label::DURAL_SAC;
        let sac = Structure { label, class: label.class().unwrap(), source, uncertainty_mm: 0.0, volume_mm3: 1.0, sdf };
        Patient::new(grid, vec![sac], DensityField::default()).unwrap()
    }

    /// The mean place of bluish pixels, from the picture's middle, in pixels.
    fn blue(canvas: &Canvas) -> [f64; 2] {
        let (mut sum, mut n) = ([0.0; 2], 0.0);
        for (k, [r, _, b]) in canvas.pixels.iter().enumerate().filter(|(_, [r, _, b])| b - r > 25.0 && *b > 60.0) {
            assert!(b > r);
            sum[0] += (k % canvas.width) as f64 - canvas.width as f64 / 2.0;
            sum[1] += (k / canvas.width) as f64 - canvas.height as f64 / 2.0;
            n += 1.0;
        }
        assert!(n > 300.0, "{n} pixels of the sac");
        sum.map(|v| v / n)
    }

    /// What lies on the patient's left (+x) is drawn beside the letter L, what lies in front beside A: in the radiological convention the axial
    /// section has the patient's left on the right; from behind the left is on the left.
    #[test]
    fn letters_stand_on_the_patients_sides() {
        let patient = patient(Source::Segmented);
        let cut = CutState::new(patient.grid());
        let section = section::axial_about(&patient, &cut, 0.0, [0.0, 0.0]);
        assert_eq!(letters(&section), [Some('R'), Some('L'), Some('A'), Some('P')]);
        let [x, y] = blue(&section);
        assert!(x > 10.0 && y < -10.0, "left of the patient at {x}, front at {y}");
        let behind = surface::behind(&patient, &cut, [0.0; 3]);
        assert_eq!(letters(&behind), [Some('L'), Some('R'), Some('S'), Some('I')]);
        let [x, _] = blue(&behind);
        assert!(x < -10.0, "left of the patient at {x}");
    }

    /// What nobody saw is hatched, in both pictures; what was seen is not.
    #[test]
    fn proposed_structures_are_hatched() {
        let drawn = |source: Source| {
            let patient = patient(source);
            let cut = CutState::new(patient.grid());
            [section::axial_about(&patient, &cut, 0.0, [0.0, 0.0]), surface::behind(&patient, &cut, [0.0; 3])]
        };
        for (seen, proposed) in drawn(Source::Segmented).iter().zip(&drawn(Source::Proposed)) {
            let other = seen.pixels.iter().zip(&proposed.pixels).filter(|(a, b)| a != b).count();
            let own = blue(seen);
            assert!(other > 200 && own[0].abs() > 10.0, "{other} pixels differ");
        }
    }
}
