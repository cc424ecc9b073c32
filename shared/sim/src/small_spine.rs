//! A small analytic spine: two vertebrae and what lies between them, made of boxes, rods and balls.
//!
//! It is for tests, examples and rehearsals of the program itself that cannot wait for a phantom: it takes a fraction of a second to make
//! and its measures are known by construction. It resembles no patient.
//!
//! Patient LPS, mm, the midline at x = 0, the disc's middle at z = 0. The canal's middle lies at y = 22; the dural sac is a cylinder of
//! radius 5 (78.5 mm²) there. The lamina of the upper vertebra (`vertebrae_L4`) is 6 mm thick, from y = 30.5 to 36.5, and reaches from
//! z = 4 up to z = 22.

use spinor_volume::query::volume_mm3;
use spinor_volume::{
    BRICK, BRICK_VOXELS, BrickIndex, DensityField, Grid, Label, Patient, PatientError, Source, SparseField, Structure,
    TissueClass, sample,
};
use thiserror::Error;

/// y of the canal's middle, mm.
pub const CANAL_Y_MM: f64 = 22.0;
/// Radius of the dural sac, mm.
pub const SAC_RADIUS_MM: f64 = 5.0;
/// Radius of the stenosed dural sac at the disc, mm: 66 mm², where 80 counts as stenosed (Medicine 2017).
pub const STENOSED_RADIUS_MM: f64 = 4.6;
/// Radius of the stenosed dural sac beside the pedicles, where it is not narrowed, mm: 125 mm².
pub const WIDE_RADIUS_MM: f64 = 6.3;
/// Up to which distance from the disc the stenosed sac is narrowest, and from which it is wide, mm.
const NARROW_MM: [f64; 2] = [7.0, 12.0];
/// y of the deep surface of the laminae, mm.
pub const LAMINA_DEEP_MM: f64 = 30.5;
/// Thickness of the laminae, mm. Source: 6.0-6.3 (Wang 2024).
pub const LAMINA_THICK_MM: f64 = 6.0;
/// z of the lower edge of the upper lamina, mm.
pub const LAMINA_EDGE_MM: f64 = 4.0;
/// Radius of the circle that the lordotic spine lies on, mm: 34° from one vertebra's middle to the next, more than the 20-25° of L4 to S1.
pub const LORDOSIS_MM: f64 = 60.0;
/// Distance from one vertebra to the next, mm.
pub const PITCH_MM: f64 = 36.0;

/// Why a small spine cannot be made.
#[derive(Debug, Error)]
pub enum SmallSpineError {
    /// The spacing makes no grid.
    #[error("laying the grid")]
    Grid(#[from] spinor_volume::GridError),
    /// The structures make no patient.
    #[error("putting the structures together")]
    Patient(#[from] PatientError),
}

type P = [f64; 3];

/// Signed distance to a box.
fn block(at: P, low: P, high: P) -> f64 {
    let (mut outside, mut inside) = (0.0, f64::NEG_INFINITY);
    for k in 0..3 {
        let q = (at[k] - (low[k] + high[k]) / 2.0).abs() - (high[k] - low[k]) / 2.0;
        outside += q.max(0.0) * q.max(0.0);
        inside = q.max(inside);
    }
    outside.sqrt() + inside.min(0.0)
}

/// Signed distance to a rod with round ends.
fn rod(at: P, a: P, b: P, radius: f64) -> f64 {
    crate::vector::segment_distance(at, a, b) - radius
}

/// One vertebra whose disc below has its middle at z = 0; the same left and right.
fn vertebra(at: P) -> f64 {
    let p = [at[0].abs(), at[1], at[2]];
    let (deep, outer) = (LAMINA_DEEP_MM, LAMINA_DEEP_MM + LAMINA_THICK_MM);
    [
        block(p, [-1.0, -15.0, 5.0], [21.0, 15.0, 31.0]),
        // Pedicle, and the isthmus behind it.
        block(p, [13.0, 13.0, 16.0], [20.0, 33.0, 27.0]),
        block(p, [12.0, deep - 1.0, 2.0], [19.0, outer, 24.0]),
        block(p, [-1.0, deep, LAMINA_EDGE_MM], [15.0, outer, 22.0]),
        // Inferior process, spinous process.
        block(p, [14.5, 32.0, -9.0], [22.0, 38.0, 6.0]),
        block(p, [-3.0, deep + 2.0, 2.0], [3.0, 60.0, 20.0]),
        // Superior process, which meets the vertebra above in front of its inferior one.
        block(p, [14.0, 20.5, 24.0], [22.0, 30.5, 42.0]),
    ]
    .into_iter()
    .fold(f64::INFINITY, f64::min)
}

/// Makes the spine at a voxel size: `vertebrae_L4`, `vertebrae_L5`, disc and flavum between them, dural sac and four roots.
///
/// ```
/// # use spinor_sim::small_spine;
/// # use spinor_volume::Label;
/// let patient = small_spine::patient(0.8)?;
/// assert!(patient.structure(Label::lumbar(4)).is_some() && patient.structure(Label::flavum_below(4)).is_some());
/// # Ok::<(), small_spine::SmallSpineError>(())
/// ```
///
/// # Errors
/// When the spacing is outside what a grid may have.
pub fn patient(spacing_mm: f64) -> Result<Patient, SmallSpineError> {
    spine(spacing_mm, |_| SAC_RADIUS_MM, |_| LAMINA_DEEP_MM - 3.4, |_| 0.0)
}

/// The same spine with a central stenosis: a thick flavum at the disc, and a sac that is wide beside the pedicles and narrow between them.
///
/// # Errors
/// When the spacing is outside what a grid may have.
pub fn stenosed(spacing_mm: f64) -> Result<Patient, SmallSpineError> {
    let sac = |z: f64| {
        let [narrow, wide] = NARROW_MM;
        let share = ((z.abs() - narrow) / (wide - narrow)).clamp(0.0, 1.0);
        STENOSED_RADIUS_MM + share * (WIDE_RADIUS_MM - STENOSED_RADIUS_MM)
    };
    let front = |z: f64| if z.abs() < NARROW_MM[0] - 1.0 { CANAL_Y_MM + STENOSED_RADIUS_MM + 0.2 } else { LAMINA_DEEP_MM - 2.0 };
    spine(spacing_mm, sac, front, |_| 0.0)
}

/// The same spine as [`patient`] in lordosis: above and below the disc all of it lies farther back, on a circle of [`LORDOSIS_MM`].
///
/// # Errors
/// When the spacing is outside what a grid may have.
pub fn lordotic(spacing_mm: f64) -> Result<Patient, SmallSpineError> {
    spine(spacing_mm, |_| SAC_RADIUS_MM, |_| LAMINA_DEEP_MM - 3.4, |z| z * z / (2.0 * LORDOSIS_MM))
}

/// A spine whose sac has a radius, whose flavum a front, and whose whole course leads so far back, by height.
fn spine(
    spacing_mm: f64,
    sac_radius: impl Fn(f64) -> f64,
    flavum_front: impl Fn(f64) -> f64,
    course: impl Fn(f64) -> f64,
) -> Result<Patient, SmallSpineError> {
    let grid = Grid::covering([-28.0, -20.0, -40.0], [28.0, 64.0, 36.0], spacing_mm)?;
    let y = CANAL_Y_MM;
    let mirror = |at: P| [-at[0], at[1], at[2]];
    // The exiting root of L4 leaves under its pedicle, the traversing one of L5 runs down beside the sac.
    let exiting = |at: P| {
        rod(at, [4.0, y, 24.0], [11.0, y - 1.0, 12.0], 2.0).min(rod(at, [11.0, y - 1.0, 12.0], [26.0, y - 6.0, 3.0], 2.0))
    };
    let traversing = |at: P| rod(at, [5.0, y, 14.0], [9.0, y - 1.0, -24.0], 2.0);
    let flavum = |at: P| {
        // From the upper edge of the lower lamina up to under the lower half of the upper one.
        block(at, [-11.0, flavum_front(at[2]), -15.0], [11.0, LAMINA_DEEP_MM - 0.1, 12.0])
    };
    let straight = |at: P| [at[0], at[1] - course(at[2]), at[2]];
    let made = |label: Label, sdf_mm: &dyn Fn(P) -> f64| structure(&grid, label, |at| sdf_mm(straight(at)));
    let structures = vec![
        made(Label::lumbar(4), &vertebra),
        made(Label::lumbar(5), &|at| vertebra([at[0], at[1], at[2] + PITCH_MM])),
        made(Label::disc_below(4), &|at| block(at, [-20.0, -15.0, -4.6], [20.0, 15.4, 4.6])),
        made(Label::flavum_below(4), &flavum),
        made(Label::DURAL_SAC, &|at| {
            let (x, y) = (at[0], at[1] - y);
            (x * x + y * y).sqrt() - sac_radius(at[2])
        }),
        made(Label::root(4, true), &exiting),
        made(Label::root(4, false), &|at| exiting(mirror(at))),
        made(Label::root(5, true), &traversing),
        made(Label::root(5, false), &|at| traversing(mirror(at))),
    ];
    let structures: Vec<Structure> = structures.into_iter().flatten().collect();
    let mut density = DensityField::default();
    for bone in structures.iter().filter(|s| s.class == TissueClass::Bone) {
        for (brick, samples) in bone.sdf.stored() {
            // A shell of one millimetre of 1,200 HU around 400 HU.
            let shell = -(f64::from(spinor_volume::SDF_PER_VOXEL) / spacing_mm) as i32;
            density.insert(brick, Box::new(samples.map(|s| if i32::from(s) < shell { 50 } else { 150 })));
        }
    }
    Ok(Patient::new(grid, structures, density)?)
}

/// A structure from a function of position; none for a label without a class.
fn structure(grid: &Grid, label: Label, sdf_mm: impl Fn(P) -> f64) -> Option<Structure> {
    let class = label.class()?;
    let mut sdf = SparseField::outside(grid);
    // A brick whose middle is farther from the surface than its corners is uniform.
    let reach = grid.spacing_mm() * (BRICK as f64 * 0.9 + 4.0);
    for n in 0..grid.brick_count() as u32 {
        let brick = BrickIndex(n);
        let first = grid.brick_coords(brick).map(|b| f64::from(b) * BRICK as f64);
        let middle = sdf_mm(grid.patient_from_index(first.map(|v| v + 7.5)));
        if middle > reach {
            continue;
        }
        let mut samples = [127_i8; BRICK_VOXELS];
        for (k, sample) in samples.iter_mut().enumerate() {
            let at =
                [first[0] + (k % BRICK) as f64, first[1] + (k / BRICK % BRICK) as f64, first[2] + (k / (BRICK * BRICK)) as f64];
            *sample = sample::encode(sdf_mm(grid.patient_from_index(at)) / grid.spacing_mm());
        }
        if samples.iter().all(|s| *s == -127) {
            sdf.set_inside(brick);
        } else if samples.iter().any(|s| *s < 127) {
            *sdf.brick_mut(brick)? = samples;
        }
    }
    let volume_mm3 = volume_mm3(grid, &sdf);
    Some(Structure { label, class, source: Source::Phantom, uncertainty_mm: 0.0, volume_mm3, sdf })
}
