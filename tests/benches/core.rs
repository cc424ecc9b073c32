//! Costs on the tick's path and of joining: a burr operation, remeshing what it made dirty, encoding the deltas; packing a snapshot for a
//! newcomer, taking it into the newcomer's mirror, the recording's keyframe, and the digest of it all.
//!
//! `cargo bench -p spinor-tests --bench core`. The patient is an analytic lamina over a dural sac at 0.4 mm, the stroke that of
//! the measured workload: a 3 mm burr at 20 mm/s, 60 operations a second.

use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use spinor_client_core::Mirror;
use spinor_shared::codec;
use spinor_shared::delta::{BrickDelta, Packer, SnapshotEnd, SnapshotFrame, UNTOUCHED};
use spinor_shared::net::frame::kind;
use spinor_shared::session::{keyframe_of, restore_keyframe};
use spinor_volume::mesh::{BrickMesh, Mesher};
use spinor_volume::{
    BRICK, BrickIndex, BrickSamples, BrickState, ClassMask, CutOp, CutState, DensityField, Dirty, Grid, Label, Patient, Source,
    SparseField, Structure, TissueClass, query,
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

/// A brick before and after an operation, each with its version.
struct Change {
    class: TissueClass,
    brick: BrickIndex,
    old: (u32, BrickSamples),
    new: (u32, BrickSamples),
}

/// A brick's version and samples.
fn state_of(cut: &CutState, class: TissueClass, brick: BrickIndex) -> (u32, BrickSamples) {
    let samples = match cut.field(class).brick(brick) {
        BrickState::Samples(samples) => *samples,
        _ => UNTOUCHED,
    };
    (cut.version(class, brick), samples)
}

/// The frames of a snapshot and its end, as a server packs them for a newcomer.
fn snapshot(cut: &CutState) -> (Vec<u8>, Vec<u8>) {
    let mut packer = Packer::new().expect("memory");
    let whole = |(class, brick, version, samples)| packer.whole(class, brick, version, samples).expect("packed");
    let bricks: Vec<BrickDelta> = cut.cut_bricks().map(whole).collect();
    let end = SnapshotEnd { epoch: 0, tick: 300, bricks: bricks.len() as u32 };
    (codec::encode(&SnapshotFrame { epoch: 0, bricks }).expect("encoded"), codec::encode(&end).expect("encoded"))
}

fn tick_path(c: &mut Criterion) {
    let patient = Arc::new(patient());
    let ops = stroke(&patient);
    let mut cut = CutState::new(patient.grid());
    let mut dirty: Vec<Vec<Dirty>> = Vec::new();
    let mut changes: Vec<Change> = Vec::new();
    for op in &ops {
        let before = cut.clone();
        let outcome = cut.apply(&patient, op);
        changes.extend(outcome.touched.iter().map(|(class, brick)| Change {
            class: *class,
            brick: *brick,
            old: state_of(&before, *class, *brick),
            new: state_of(&cut, *class, *brick),
        }));
        dirty.push(outcome.dirty);
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
    group.bench_function("encoding the stroke's deltas", |b| {
        let mut packer = Packer::new().expect("memory");
        b.iter(|| {
            for Change { class, brick, old, new } in &changes {
                let delta = packer.difference(*class, *brick, (old.0, &old.1), (new.0, &new.1));
                assert!(delta.is_ok());
            }
        });
    });
    group.finish();
    let mut group = c.benchmark_group("join");
    group.bench_function("packing a newcomer's snapshot", |b| b.iter(|| snapshot(&cut)));
    let (frame, end) = snapshot(&cut);
    group.bench_function("taking it into the mirror", |b| {
        let newcomer = || {
            let mut mirror = Mirror::new().expect("memory");
            mirror.preload(patient.clone(), [1; 32]);
            assert!(mirror.begin([1; 32], 0, 0).expect("a short patient"));
            mirror
        };
        b.iter_batched(
            newcomer,
            |mut mirror| {
                mirror.take(kind::SNAPSHOT, &frame).expect("a snapshot");
                mirror.take(kind::SNAPSHOT_END, &end).expect("its end");
                mirror
            },
            BatchSize::LargeInput,
        );
        let mut mirror = newcomer();
        mirror.take(kind::SNAPSHOT, &frame).expect("a snapshot");
        mirror.take(kind::SNAPSHOT_END, &end).expect("its end");
        assert_eq!(mirror.digest(), Some(cut.digest()), "the mirror is what was cut");
    });
    group.finish();
    let mut group = c.benchmark_group("recording");
    group.bench_function("keyframe of the cut fields", |b| b.iter(|| keyframe_of(&cut, 300, 0, 300)));
    let keyframe = keyframe_of(&cut, 300, 0, 300).expect("a keyframe");
    group.bench_function("restoring that keyframe", |b| b.iter(|| restore_keyframe(&patient, &keyframe)));
    group.bench_function("digest", |b| b.iter(|| cut.digest()));
    group.finish();
}

criterion_group!(benches, tick_path);
criterion_main!(benches);
