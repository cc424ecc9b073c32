//! Measures what cutting costs: a burr of 3 mm at 20 mm/s over a lamina at 0.4 mm and 60 Hz, each tick's cut and the meshes of all
//! bricks it names, and the proximity field of a dural sac.
//!
//! ```text
//! cargo run --release -p spinor-volume --example cutting
//! ```
//! Times are the thread's own CPU time (`CLOCK_THREAD_CPUTIME_ID`, so Unix), so other work on the machine counts little.
#![expect(clippy::unwrap_used, reason = "a measurement stops at the first error")]
#![allow(clippy::disallowed_methods, reason = "the rough surface is made of sines")]
#![expect(unsafe_code, reason = "the thread's CPU time has no safe call")]

use spinor_volume::{
    BrickMesh, ClassMask, CutOp, CutState, DensityField, Grid, Label, Mesher, Patient, ProximityField, Source, SparseField,
    Structure, TissueClass, surface_bricks,
};

fn cpu_secs() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec to a pointer that is valid for it.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn plate(p: [f64; 3], centre: [f64; 3], half: [f64; 3]) -> f64 {
    let q: [f64; 3] = std::array::from_fn(|k| (p[k] - centre[k]).abs() - half[k]);
    let m = q.map(|v| v.max(0.0));
    (m[0] * m[0] + m[1] * m[1] + m[2] * m[2]).sqrt() + q[0].max(q[1]).max(q[2]).min(0.0)
}

fn sac(p: [f64; 3]) -> f64 {
    let z = p[2] - p[2].clamp(-80.0, 80.0);
    let y = p[1] - 0.001 * (p[2] - z) * (p[2] - z);
    (p[0] * p[0] + y * y + z * z).sqrt() - 10.0
}

fn report(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize] * 1e6;
    let mean = times.iter().sum::<f64>() / times.len() as f64 * 1e6;
    println!("{what}: mean {mean:.1} us, p50 {:.1}, p99 {:.1}, max {:.1}", at(0.5), at(0.99), at(1.0));
}

fn main() {
    let grid = Grid::new([-25.0, -30.0, -100.0], 0.4, [8, 12, 32]).unwrap();
    let structure = |label: Label, sdf: SparseField| Structure {
        label,
        class: label.class().unwrap(),
        source: Source::Phantom,
        uncertainty_mm: 0.0,
        volume_mm3: 0.0,
        sdf,
    };
    // A rough lamina, the flavum below it, and vertebrae elsewhere that only cost the search for what lives in a brick.
    let lamina = |p: [f64; 3]| {
        let rough = ((p[0] * 2.1).sin() + (p[2] * 1.7).sin()) * 0.15;
        plate(p, [0.0, 20.0, 0.0], [14.0, 3.0, 10.0]) - 1.0 + rough
    };
    let mut structures = vec![
        structure(Label::lumbar(4), SparseField::sampled(&grid, lamina)),
        structure(Label::flavum_below(4), SparseField::sampled(&grid, |p| plate(p, [0.0, 15.0, -4.0], [12.0, 2.0, 9.0]))),
        structure(Label::DURAL_SAC, SparseField::sampled(&grid, sac)),
    ];
    for level in [1, 2, 3, 5] {
        let z = f64::from(level) * 30.0 - 100.0;
        structures
            .push(structure(Label::lumbar(level), SparseField::sampled(&grid, |p| plate(p, [0.0, 20.0, z], [8.0, 4.0, 6.0]))));
    }
    let patient = Patient::new(grid, structures, DensityField::default()).unwrap();
    let classes = ClassMask::of(&[TissueClass::Bone, TissueClass::Flavum]);

    for round in 0..2 {
        let mut cut = CutState::new(&grid);
        let (mut mesher, mut mesh) = (Mesher::new(), BrickMesh::default());
        let (mut ops, mut meshes, mut ticks, mut bricks) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let tip = |n: i32| {
            // Zigzag of 16 mm along x, a lane 0.8 mm further along z each time, half a millimetre deeper each pass of ten lanes.
            let along = f64::from(n) / 3.0;
            let lane = (along / 16.0).floor();
            let x = if lane % 2.0 == 0.0 { along - lane * 16.0 } else { 16.0 - (along - lane * 16.0) };
            let turn = lane % 20.0;
            [x - 8.0, 24.5 - (lane / 10.0).floor() * 0.5, turn.min(19.0 - turn) * 0.8 - 4.0]
        };
        for n in 0..1800 {
            let start = cpu_secs();
            let op = CutOp::capsule_mm(&grid, tip(n), tip(n + 1), 1.5, classes).unwrap();
            let outcome = cut.apply(&patient, &op);
            let cut_end = cpu_secs();
            for dirty in &outcome.dirty {
                mesher.mesh(&patient, Some(&cut), dirty.structure.into(), dirty.brick, &mut mesh);
            }
            let end = cpu_secs();
            ops.push(cut_end - start);
            if !outcome.dirty.is_empty() {
                meshes.push((end - cut_end) / outcome.dirty.len() as f64);
                bricks += outcome.dirty.len();
            }
            ticks.push(end - start);
        }
        if round == 1 {
            println!("{:.2} bricks meshed a tick, digest {:016x}", bricks as f64 / 1800.0, cut.digest());
            report("cut", ops);
            report("mesh of a brick", meshes);
            report("tick", ticks);
            let start = cpu_secs();
            let listed = surface_bricks(&patient, None, 0).len();
            println!("surface_bricks: {:.2} ms for {listed} bricks", (cpu_secs() - start) * 1e3);
        }
    }

    let start = cpu_secs();
    let proximity = ProximityField::build(&grid, &patient.structure(Label::DURAL_SAC).unwrap().sdf, 10.0);
    println!("proximity of the sac: {:.3} s", cpu_secs() - start);
    let mut seed = 1_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    };
    let far: Vec<[f64; 3]> =
        (0..200_000).map(|_| [random() * 40.0 - 20.0, random() * 40.0 - 20.0, random() * 160.0 - 80.0]).collect();
    let near: Vec<[f64; 3]> =
        (0..200_000).map(|n| [f64::from(n) * 1e-4 - 10.0 + random(), 14.0 + random(), 3.0 * random()]).collect();
    for (what, positions) in [("all over", far), ("along a tool's path", near)] {
        let start = cpu_secs();
        let hits = positions.iter().filter(|at| proximity.distance_mm(&grid, **at).is_some()).count();
        println!("query {what}: {:.3} us, {hits} within reach", (cpu_secs() - start) / 200_000.0 * 1e6);
    }
}
