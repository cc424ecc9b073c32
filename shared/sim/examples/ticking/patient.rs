//! The patient of the measurement, and a window in it through which tools reach dura, root, disc and a thinned edge.

use spinor_sim::{Hand, ResolvedOp, Simulation, ToolKind, UserId};
use spinor_volume::{
    BRICK_VOXELS, ClassMask, CutOp, DensityField, Grid, Label, Patient, Source, SparseField, Structure, TissueClass,
    query::volume_mm3,
};

/// Upper face of the lamina, mm.
pub(crate) const TOP_MM: f64 = 16.0;

fn structure(grid: &Grid, label: Label, sdf_mm: impl Fn([f64; 3]) -> f64) -> Structure {
    let sdf = SparseField::sampled(grid, sdf_mm);
    let volume_mm3 = volume_mm3(grid, &sdf);
    Structure { label, class: label.class().unwrap(), source: Source::Phantom, uncertainty_mm: 0.5, volume_mm3, sdf }
}

fn plate(p: [f64; 3], centre: [f64; 3], half: [f64; 3]) -> f64 {
    let q: [f64; 3] = std::array::from_fn(|k| (p[k] - centre[k]).abs() - half[k]);
    let m = q.map(|v| v.max(0.0));
    (m[0] * m[0] + m[1] * m[1] + m[2] * m[2]).sqrt() + q[0].max(q[1]).max(q[2]).min(0.0)
}

/// A lamina with a spinous process, one vertebra above and one below, flavum, sac, a root and a disc, at 0.4 mm.
pub(crate) fn patient() -> Patient {
    let grid = Grid::covering([-30.0, -20.0, -40.0], [30.0, 50.0, 40.0], 0.4).unwrap();
    let vertebra = |z: f64| {
        move |p: [f64; 3]| {
            let lamina = plate(p, [0.0, TOP_MM - 3.0, z], [20.0, 3.0, 10.0]);
            lamina.min(plate(p, [0.0, TOP_MM + 10.0, z], [3.0, 12.0, 8.0]))
        }
    };
    let round = |p: [f64; 3], x: f64, y: f64| ((p[0] - x) * (p[0] - x) + (p[1] - y) * (p[1] - y)).sqrt();
    let structures = vec![
        structure(&grid, Label::lumbar(3), vertebra(25.0)),
        structure(&grid, Label::lumbar(4), vertebra(0.0)),
        structure(&grid, Label::lumbar(5), vertebra(-25.0)),
        structure(&grid, Label::flavum_below(4), |p| plate(p, [0.0, TOP_MM - 7.0, -12.0], [10.0, 1.5, 6.0])),
        structure(&grid, Label::disc_below(4), |p| plate(p, [0.0, -14.0, -12.0], [18.0, 4.5, 4.0])),
        structure(&grid, Label::DURAL_SAC, |p| round(p, 0.0, 0.0) - 7.0),
        structure(&grid, Label::root(4, true), |p| round(p, 11.0, -2.0) - 2.2),
    ];
    let mut density = DensityField::default();
    for structure in &structures[..3] {
        for (brick, _) in structure.sdf.stored() {
            density.insert(brick, Box::new([150; BRICK_VOXELS]));
        }
    }
    Patient::new(grid, structures, density).unwrap()
}

/// Takes the left lower half of the lamina, with its flavum and some of the spinous process, and thins what then is its edge to 2 mm.
pub(crate) fn open(sim: &mut Simulation) {
    take(sim, [-7.5, 1.5, -19.5], [17.5, 43.5, 1.5]);
    take(sim, [4.0, TOP_MM - 4.0, 1.0], [17.5, 43.5, 9.0]);
}

/// Takes a box out of bone and flavum, in parts that an operation can hold.
fn take(sim: &mut Simulation, low: [f64; 3], high: [f64; 3]) {
    const AXES: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let grid = *sim.patient().grid();
    let classes = ClassMask::of(&[TissueClass::Bone, TissueClass::Flavum]);
    let counts = [0, 1, 2].map(|k| ((high[k] - low[k]) / 16.0).ceil() as i32);
    for n in 0..counts.iter().product() {
        let part = [n % counts[0], n / counts[0] % counts[1], n / (counts[0] * counts[1])].map(f64::from);
        let step: [f64; 3] = std::array::from_fn(|k| (high[k] - low[k]) / f64::from(counts[k]));
        // Parts overlap, so that nothing stays between them; at the rim they end where the box does.
        let from: [f64; 3] = std::array::from_fn(|k| (low[k] + step[k] * part[k] - 1.0).max(low[k]));
        let to: [f64; 3] = std::array::from_fn(|k| (low[k] + step[k] * (part[k] + 1.0) + 1.0).min(high[k]));
        let centre = std::array::from_fn(|k| (from[k] + to[k]) / 2.0);
        let half = std::array::from_fn(|k| (to[k] - from[k]) / 2.0);
        let op = CutOp::box_mm(&grid, centre, half, AXES, 0.0, classes).unwrap();
        let op = ResolvedOp { user: UserId(0), hand: Hand::Left, tool: ToolKind::Osteotome, input_seq: 0, op };
        sim.apply_ops(&[op]).unwrap();
    }
}
