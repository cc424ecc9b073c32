//! Costs on the tick's path: a burr operation, remeshing what it made dirty, encoding the deltas, and taking a join's snapshot.
//!
//! `cargo bench -p spinor-tests --bench core`. The patient is an analytic lamina over a dural sac at 0.4 mm, the stroke that of
//! the measured workload: a 3 mm burr at 20 mm/s, 60 operations a second.

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use spinor_shared::session::{keyframe_of, restore_keyframe};
use spinor_volume::mesh::{BrickMesh, Mesher};
use spinor_volume::{
    BRICK, BrickIndex, ClassMask, CutOp, CutState, DensityField, Dirty, Grid, Label, Patient, Source, SparseField, Structure,
    TissueClass, query,
};

/// A field from an analytic signed distance, mm.
fn field(grid: &Grid, sdf_mm: impl Fn([f64; 3]) -> f64) -> SparseField {
    let mut field = SparseField::outside(grid);
    let steps_per_mm = 32.0 / grid.spacing_mm();
    for n in 0..grid.brick_count() as u32 {
        let brick = BrickIndex(n);
        let from = grid.brick_coords(brick);
        let mut samples = [0_i8; BRICK * BRICK * BRICK];
        for (at, sample) in samples.iter_mut().enumerate() {
            let local = [at % BRICK, at / BRICK % BRICK, at / BRICK / BRICK];
            let index = std::array::from_fn(|k| f64::from(from[k]) * BRICK as f64 + local[k] as f64);
            *sample = (sdf_mm(grid.patient_from_index(index)) * steps_per_mm).round().clamp(-127.0, 127.0) as i8;
        }
        if samples.iter().all(|s| *s == -127) {
            field.set_inside(brick);
        } else if samples.iter().any(|s| *s < 127)
            && let Some(stored) = field.brick_mut(brick)
        {
            *stored = samples;
        }
    }
    field
}

/// A lamina of 6 mm, gently curved, over a sac of 9 mm radius.
fn patient() -> Patient {
    let grid = Grid::covering([-25.0, -20.0, -20.0], [25.0, 20.0, 20.0], 0.4).expect("a small grid");
    let structure = |label: Label, class, sdf: SparseField| Structure {
        label,
        class,
        source: Source::Phantom,
        uncertainty_mm: 0.0,
        volume_mm3: query::volume_mm3(&grid, &sdf),
        sdf,
    };
    let lamina = field(&grid, |[x, y, z]| ((y - 10.0 + x * x * 0.004).abs() - 3.0).max(z.abs() - 15.0).max(x.abs() - 20.0));
    let sac = field(&grid, |[x, y, _]| (x * x + (y + 4.0) * (y + 4.0)).sqrt() - 9.0);
    let structures =
        vec![structure(Label::lumbar(4), TissueClass::Bone, lamina), structure(Label::DURAL_SAC, TissueClass::Neural, sac)];
    Patient::new(grid, structures, DensityField::default()).expect("two structures")
}

/// Five seconds of a zigzag over the lamina.
fn stroke(patient: &Patient) -> Vec<CutOp> {
    let at = |tick: i32| {
        let s = f64::from(tick) * 20.0 / 60.0;
        let sweep = s % 24.0;
        let x = if sweep < 12.0 { sweep - 6.0 } else { 18.0 - sweep };
        [x, 12.4, s * 0.08 - 4.0]
    };
    let classes = ClassMask::of(&[TissueClass::Bone]);
    (0..300).map(|t| CutOp::capsule_mm(patient.grid(), at(t), at(t + 1), 1.5, classes).expect("inside the grid")).collect()
}

fn tick_path(c: &mut Criterion) {
    let patient = patient();
    let ops = stroke(&patient);
    let mut cut = CutState::new(patient.grid());
    let mut dirty: Vec<Vec<Dirty>> = Vec::new();
    for op in &ops {
        dirty.push(cut.apply(&patient, op).dirty);
    }
    let mut group = c.benchmark_group("tick");
    group.bench_function("burr stroke of 300 operations", |b| {
        b.iter_batched(
            || CutState::new(patient.grid()),
            |mut cut| {
                for op in &ops {
                    cut.apply(&patient, op);
                }
                cut
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("remesh of the stroke's dirty bricks", |b| {
        let (mut mesher, mut mesh) = (Mesher::new(), BrickMesh::default());
        b.iter(|| {
            for d in dirty.iter().flatten() {
                mesher.mesh(&patient, Some(&cut), usize::from(d.structure), d.brick, &mut mesh);
            }
        });
    });
    group.finish();
    let mut group = c.benchmark_group("join");
    group.bench_function("snapshot of the cut fields", |b| b.iter(|| keyframe_of(&cut, 300, 0, 300)));
    let keyframe = keyframe_of(&cut, 300, 0, 300).expect("a keyframe");
    group.bench_function("restoring that snapshot", |b| b.iter(|| restore_keyframe(&patient, &keyframe)));
    group.bench_function("digest", |b| b.iter(|| cut.digest()));
    group.finish();
}

criterion_group!(benches, tick_path);
criterion_main!(benches);
