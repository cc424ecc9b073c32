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
