//! The alarm against the truth, for every tool of the rack in many poses, half of them within 3 mm of a threshold.
//!
//! The nerves are two capsules, a sac and a root, so that the true distance between a tool's rounded part and a nerve is that of two
//! segments less two radii: a reference that knows no field, no mesh and no step along a shaft. Always run with some hundred poses a tool;
//! in full, with the time a query takes:
//!
//! ```text
//! cargo test --release -p spinor-sim --test alarm_at_scale -- --ignored --nocapture
//! ```
#![allow(clippy::unwrap_used, reason = "a test stops at the first thing that is not as expected")]
#![allow(unsafe_code, reason = "the thread's CPU time has no safe call")]

use std::sync::Arc;

use spinor_sim::pose::Rotation;
use spinor_sim::tool::{Shape, size_range};
use spinor_sim::{AlarmLevel, Hand, NeuralFields, Pose, Settings, Simulation, Tick, ToolInput, ToolKind, UserId};
use spinor_volume::proximity::ProximityField;
use spinor_volume::query::volume_mm3;
use spinor_volume::{DensityField, Grid, Label, Patient, Source, SparseField, Structure};

type V3 = [f64; 3];

/// A nerve: its ends, its radius and the uncertainty that widens its thresholds, mm.
struct Nerve {
    label: Label,
    a: V3,
    b: V3,
    radius: f64,
    uncertainty: f32,
}

fn nerves() -> [Nerve; 2] {
    [
        Nerve { label: Label::DURAL_SAC, a: [0.0, 0.0, -12.0], b: [0.5, 1.0, 12.0], radius: 6.0, uncertainty: 0.7 },
        Nerve { label: Label::root(4, true), a: [9.0, 1.0, 4.0], b: [22.0, -4.0, -8.0], radius: 2.2, uncertainty: 0.0 },
    ]
}

fn minus(a: V3, b: V3) -> V3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn dot(a: V3, b: V3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn along(a: V3, b: V3, t: f64) -> V3 {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

fn to_segment(p: V3, a: V3, b: V3) -> f64 {
    let ab = minus(b, a);
    let long = dot(ab, ab);
    let t = if long > 0.0 { (dot(minus(p, a), ab) / long).clamp(0.0, 1.0) } else { 0.0 };
    let d = minus(p, along(a, b, t));
    dot(d, d).sqrt()
}

/// Distance between two segments: that to a segment is convex along another, so thirds close in on the least.
fn between(p: V3, q: V3, a: V3, b: V3) -> f64 {
    let at = |t: f64| to_segment(along(p, q, t), a, b);
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..42 {
        let (s, t) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if at(s) <= at(t) { high = t } else { low = s }
    }
    at((low + high) / 2.0).min(at(0.0)).min(at(1.0))
}

fn patient() -> Patient {
    let grid = Grid::covering([-20.0, -20.0, -26.0], [32.0, 20.0, 26.0], 0.4).unwrap();
    let structure = |n: &Nerve| {
        let sdf = SparseField::sampled(&grid, |at_mm| to_segment(at_mm, n.a, n.b) - n.radius);
        let (class, volume_mm3) = (n.label.class().unwrap(), volume_mm3(&grid, &sdf));
        Structure { label: n.label, class, source: Source::Phantom, uncertainty_mm: n.uncertainty, volume_mm3, sdf }
    };
    Patient::new(grid, nerves().iter().map(structure).collect(), DensityField::default()).unwrap()
}

fn place(rotation: &Rotation, tip: V3, v: V3) -> V3 {
    [0, 1, 2].map(|k| tip[k] + dot(rotation[k], v))
}

/// True distances of a tool's surface to each nerve.
fn truth(shape: &Shape, rotation: &Rotation, tip: V3) -> [f64; 2] {
    let ends: Vec<(V3, V3, f64)> =
        shape.parts.iter().map(|p| (place(rotation, tip, p.a_mm), place(rotation, tip, p.b_mm), p.radius_mm)).collect();
    nerves().map(|n| ends.iter().map(|(p, q, r)| between(*p, *q, n.a, n.b) - r - n.radius).fold(f64::INFINITY, f64::min))
}

/// Whether a nerve is within 3 mm of one of its thresholds.
fn is_near(settings: &Settings, distances: [f64; 2]) -> bool {
    nerves().iter().zip(distances).any(|(n, d)| {
        [settings.caution_mm, settings.danger_mm].iter().any(|edge| (d - edge - f64::from(n.uncertainty)).abs() <= 3.0)
    })
}

/// The level that true distances ask for.
fn wanted(settings: &Settings, distances: [f64; 2], slack_mm: f64) -> AlarmLevel {
    let level = |(n, d): (&Nerve, f64)| {
        let widened = f64::from(n.uncertainty);
        if d < settings.danger_mm + widened - slack_mm {
            AlarmLevel::Danger
        } else if d < settings.caution_mm + widened - slack_mm {
            AlarmLevel::Caution
        } else {
            AlarmLevel::Clear
        }
    };
    nerves().iter().zip(distances).map(level).max().unwrap()
}

/// A generator of numbers from 0 to 1: a 64-bit linear congruence (Knuth), its upper bits.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1_u64 << 24) as f64
    }

    fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.next()
    }
}

fn cpu_secs() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec to a pointer that is valid for it.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// What many poses of one tool gave.
#[derive(Default)]
struct Result {
    near: u32,
    inside: u32,
    misses: u32,
    false_alarms: u32,
    worst_mm: f64,
    seconds: Vec<f64>,
}

fn try_tool(tool: ToolKind, poses: u32, patient: &Arc<Patient>, fields: &Arc<NeuralFields>) -> Result {
    let settings = Settings::default();
    let mut numbers = Numbers(0x5eed + tool as u64);
    let mut result = Result::default();
    let mut sim = Simulation::with_fields(Arc::clone(patient), Arc::clone(fields), settings);
    let (low, high) = size_range(tool);
    let mut shapes: Vec<(u8, Shape)> = Vec::new();
    for k in 0..poses {
        let size = low + (numbers.next() * f64::from(high - low + 1)) as u8;
        if !shapes.iter().any(|(s, _)| *s == size) {
            shapes.push((size, Shape::new(tool, size, &settings)));
        }
        let shape = &shapes.iter().find(|(s, _)| *s == size).unwrap().1;
        // Every second pose is drawn until it lies within 3 mm of a threshold of a nerve.
        let (pose, rotation) = loop {
            let turn: [i16; 4] = std::array::from_fn(|_| numbers.within(-32_767.0, 32_767.0) as i16);
            let span = if k % 2 == 0 { 16.0 } else { 40.0 };
            let tip: V3 = [numbers.within(-span, span + 12.0), numbers.within(-span, span), numbers.within(-span, span)];
            let pose = Pose { tip_um: tip.map(|v| (v * 1_000.0) as i32), turn };
            let Some(rotation) = pose.rotation() else { continue };
            if k % 2 == 1 {
                break (pose, rotation);
            }
            let near = is_near(&settings, truth(shape, &rotation, pose.tip_mm()));
            if near {
                break (pose, rotation);
            }
        };
        let input = ToolInput { user: UserId(1), hand: Hand::Right, seq: k + 1, tool, size_tenth_mm: size, pose, trigger: 0 };
        sim.remove_tool(UserId(1), Hand::Right);
        sim.step(Tick(k + 1), &[input]);
        let state = *sim.tool(UserId(1), Hand::Right).unwrap();
        let distances = truth(shape, &rotation, state.proxy.tip_mm());
        let nearest = distances[0].min(distances[1]);
        result.near += u32::from(is_near(&settings, distances));
        result.inside += u32::from(nearest < 0.0);
        // Not one tool may be nearer than a threshold with a lesser level, not even by a micrometre's fraction.
        result.misses += u32::from(state.level < wanted(&settings, distances, 0.0));
        result.false_alarms += u32::from(state.level > wanted(&settings, distances, -0.2));
        match state.nearest {
            Some(n) => result.worst_mm = result.worst_mm.max((f64::from(n.distance_um) / 1_000.0 - nearest).abs()),
            // Silence is an error where the alarm has to look.
            None => assert!(nearest > settings.caution_mm + 0.7, "{tool:?}: nothing near, yet {nearest} mm"),
        }
        let before = cpu_secs();
        std::hint::black_box(fields.distances_um(patient.grid(), shape, &rotation, state.proxy.tip_mm()));
        result.seconds.push(cpu_secs() - before);
    }
    result
}

fn try_all(poses: u32) {
    let patient = Arc::new(patient());
    let fields = NeuralFields::build(&patient, &Settings::default());
    let (mut slowest, mut all, mut sum) = (0.0_f64, 0_usize, 0.0);
    for tool in ToolKind::ALL {
        let mut r = try_tool(tool, poses, &patient, &fields);
        r.seconds.sort_by(f64::total_cmp);
        let mean = r.seconds.iter().sum::<f64>() / r.seconds.len() as f64 * 1e6 / 2.0;
        let p99 = r.seconds[(r.seconds.len() - 1) * 99 / 100] * 1e6 / 2.0;
        println!(
            "{:<22} {poses} poses, {} within 3 mm of a threshold, {} inside: {} misses, {} false, error {:.3} mm; a structure: mean {mean:.2} us, p99 {p99:.2} us",
            tool.word(),
            r.near,
            r.inside,
            r.misses,
            r.false_alarms,
            r.worst_mm
        );
        assert!(r.near >= poses / 2 - 1, "{tool:?}: {} near", r.near);
        assert!(r.inside > poses / 100, "{tool:?}: {} inside", r.inside);
        assert_eq!((r.misses, r.false_alarms), (0, 0), "{tool:?}");
        assert!(r.worst_mm <= 0.2, "{tool:?}: {} mm", r.worst_mm);
        slowest = slowest.max(mean);
        sum += mean;
        all += 1;
    }
    println!(
        "a query (one tool to one structure): mean over tools {:.2} us, slowest tool's mean {slowest:.2} us",
        sum / all as f64
    );
}

/// Proves on some hundred poses a tool that no tool is nearer than a threshold without its level, that distances are right to 0.2 mm
/// outside and inside, and that nothing alarms from afar.
#[test]
fn no_pose_of_any_tool_is_missed() {
    try_all(400);
}

/// Proves that a walk over a surface does not end in a dent a voxel wide beside the nearest place: along this line, which grazes the sac's round
/// end, one place in two hundred was 0.3 mm off.
#[test]
fn a_dent_hides_no_nearer_place() {
    let patient = patient();
    let sac = ProximityField::build(patient.grid(), &patient.structures()[0].sdf, 12.0);
    let nerve = &nerves()[0];
    let (a, b) = ([1.842_573_466_220_750_7, 6.598_382_772_958_852, 13.439_598_364_908_932], [4.9, 6.25, 13.25]);
    for n in 0..2_000 {
        let at = along(a, b, f64::from(n) / 2_000.0);
        let (got, wanted) = (sac.distance_mm(patient.grid(), at).unwrap(), to_segment(at, nerve.a, nerve.b) - nerve.radius);
        assert!((got - wanted).abs() < 0.06, "{at:?}: {got}, not {wanted}");
    }
}

/// The same on 100,000 poses a tool.
#[test]
#[ignore = "takes 10 minutes; docs/PERFORMANCE.md says for which tools and code it last passed"]
fn no_pose_of_any_tool_is_missed_in_full() {
    try_all(100_000);
}
