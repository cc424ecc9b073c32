//! Measures what a tick costs at 0.4 mm: four people with two tools each at their work in one opened patient, the tissues answering, with
//! dura that yields and with tissues that stand still, tick by tick in turn; eight other tools; every tool by itself; and eight tools
//! pressed on whole bone.
//!
//! ```text
//! cargo run --release -p spinor-sim --example ticking
//! cargo run --release -p spinor-sim --example ticking -- "Leksell rongeur"
//! ```
//! With words only the runs whose names hold them, for a profiler.
//! Under each time stands what every tool did. A run in which a tool that cuts took nothing stops the measurement.
//! Times are the thread's own CPU time (`CLOCK_THREAD_CPUTIME_ID`, so Unix), so other work on the machine counts little.
#![expect(clippy::unwrap_used, reason = "a measurement stops at the first error")]
#![expect(unsafe_code, reason = "the thread's CPU time has no safe call")]

mod hands;
mod patient;

use std::collections::BTreeMap;
use std::sync::Arc;

use hands::{at_work, pressed};
use patient::{open, patient};
use spinor_sim::{Event, Holder, Settings, Simulation, StepOutput, Tick, TissueModels, ToolInput, ToolKind, taken_by};
use spinor_volume::cut::OCCUPANCY_PER_VOXEL;
use spinor_volume::{BrickMesh, Mesher, TissueClass};

const TICKS: u32 = 600;

fn cpu_secs() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec to a pointer that is valid for it.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

fn report(what: &str, mut times: Vec<f64>) {
    let mut slowest: Vec<usize> = (0..times.len()).collect();
    slowest.sort_by(|a, b| times[*b].total_cmp(&times[*a]));
    let slowest: Vec<usize> = slowest.into_iter().take(7).map(|n| n + 1).collect();
    times.sort_by(f64::total_cmp);
    let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize] * 1e6;
    let mean = times.iter().sum::<f64>() / times.len() as f64 * 1e6;
    println!(
        "{what:24} mean {mean:8.1} us  p50 {:8.1}  p99 {:8.1}  max {:8.1}  slowest ticks {slowest:?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// What one tool did.
#[derive(Default)]
struct Done {
    /// Operations, mm³ taken by class, bites that took something, bites refused, blows.
    ops: u32,
    mm3: BTreeMap<TissueClass, f64>,
    bites: u32,
    refused: u32,
    blows: u32,
}

fn word(class: TissueClass) -> &'static str {
    match class {
        TissueClass::Bone => "bone",
        TissueClass::Flavum => "flavum",
        TissueClass::Disc => "disc",
        TissueClass::Neural => "nerve",
    }
}

/// What a room's tools did, and a digest of all of it (FNV-1a over the derived text, which names every field in integers): two builds that
/// do the same print the same.
struct Log {
    done: BTreeMap<Holder, Done>,
    digest: u64,
}

impl Log {
    fn new() -> Self {
        Self { done: BTreeMap::new(), digest: 0xcbf2_9ce4_8422_2325 }
    }

    fn add(&mut self, sim: &Simulation, output: &StepOutput) {
        let tools: Vec<_> =
            sim.tools().map(|t| (t.proxy, t.load_millinewton, t.spindle_rpm, t.nearest, t.neural_millinewton)).collect();
        for byte in format!("{tools:?} {:?} {:?} {:?}", output.ops, output.events, output.tissue.nodes).bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        for op in &output.ops {
            let by = Holder { user: op.user, hand: op.hand, tool: op.tool };
            let done = self.done.entry(by).or_default();
            done.ops += 1;
            done.bites += u32::from(op.tool.has_jaws());
        }
        for event in &output.events {
            match event {
                Event::Removed { by, structure, occupancy } => {
                    let mm3 = *occupancy as f64 / OCCUPANCY_PER_VOXEL as f64 * sim.patient().grid().voxel_mm3();
                    *self.done.entry(*by).or_default().mm3.entry(structure.class().unwrap()).or_default() += mm3;
                }
                Event::BiteRefused { by, .. } => self.done.entry(*by).or_default().refused += 1,
                Event::Blow { by, .. } => self.done.entry(*by).or_default().blows += 1,
                _ => {}
            }
        }
    }

    /// Tells what each tool did. Where tools are at their work, one that cuts has to have cut.
    fn tell(&self, sim: &Simulation, at_work: bool) {
        let nodes: usize = sim.awake_patches().map(|patch| patch.offsets_um.len()).sum();
        let (pieces, tears) = (sim.fragments().count(), sim.tears().len());
        println!(
            "  digest {:016x}, cut {:016x}; at the end {nodes} nodes awake, {pieces} pieces, {tears} tears",
            self.digest,
            sim.cut().digest()
        );
        for state in sim.tools() {
            let (by, none) = (state.holder(), Done::default());
            let done = self.done.get(&by).unwrap_or(&none);
            let taken: Vec<String> = done.mm3.iter().map(|(class, mm3)| format!("{mm3:.1} mm3 of {}", word(*class))).collect();
            let mut words = vec![if taken.is_empty() { "nothing".to_owned() } else { taken.join(", ") }];
            if done.ops > 0 {
                words.push(format!("{} operations", done.ops));
            }
            for (count, what) in [(done.bites, "bites"), (done.refused, "refused"), (done.blows, "blows")] {
                if count > 0 {
                    words.push(format!("{count} {what}"));
                }
            }
            println!("  {:22} took {}", by.tool.word(), words.join("; "));
            let cuts = taken_by(by.tool).iter().next().is_some();
            assert!(!at_work || !cuts || !taken.is_empty(), "a {} that takes nothing measures nothing", by.tool.word());
        }
    }
}

/// A room's times of the steps, and of the steps with the meshes of all bricks that they name.
#[derive(Default)]
struct Times {
    steps: Vec<f64>,
    meshed: Vec<f64>,
}

/// Runs the same tools in several rooms, tick by tick in turn, another one first every tick.
fn run(rooms: &mut [Simulation], tools: &[ToolKind], hand: fn(u32, ToolKind, u32) -> ToolInput, at_work: bool) -> Vec<Times> {
    let (mut mesher, mut mesh) = (Mesher::new(), BrickMesh::default());
    let mut all: Vec<(Times, Log)> = rooms.iter().map(|_| (Times::default(), Log::new())).collect();
    for tick in 1..=TICKS {
        let inputs: Vec<ToolInput> = tools.iter().enumerate().map(|(n, tool)| hand(n as u32, *tool, tick)).collect();
        for n in 0..rooms.len() {
            let k = (n + tick as usize) % rooms.len();
            let (room, (times, log)) = (&mut rooms[k], &mut all[k]);
            let start = cpu_secs();
            let output = room.step(Tick(tick), &inputs);
            let stepped = cpu_secs();
            for dirty in &output.dirty {
                mesher.mesh(room.patient(), Some(room.cut()), dirty.structure.into(), dirty.brick, &mut mesh);
            }
            times.steps.push(stepped - start);
            times.meshed.push(cpu_secs() - start);
            log.add(room, &output);
        }
    }
    for (room, (_, log)) in rooms.iter().zip(&all) {
        log.tell(room, at_work);
    }
    all.into_iter().map(|(times, _)| times).collect()
}

fn main() {
    use ToolKind::*;
    let words = std::env::args().nth(1).unwrap_or_default();
    let is_wanted = |run: &str| run.contains(words.as_str());
    let whole = Simulation::new(Arc::new(patient()), Settings::default());
    let mut opened = whole.clone();
    open(&mut opened);
    // What the opening left behind is looked at before anything is timed.
    opened.step(Tick(0), &[]);
    let room = |models: TissueModels| {
        let mut room = opened.clone();
        room.set_tissues(models);
        room
    };

    let eight = [FlutedBurr, Probe, DiamondBurr, Suction, Kerrison, Retractor, Curette, Penfield];
    let models = [
        ("8 at work, dura yields", TissueModels::ALL),
        ("8 at work, tissues answer", TissueModels { answers: true, yields: false }),
        ("8 at work, still", TissueModels::STILL),
    ];
    let wanted: Vec<_> = models.into_iter().filter(|(what, _)| is_wanted(what)).collect();
    let mut rooms: Vec<Simulation> = wanted.iter().map(|(_, models)| room(*models)).collect();
    for ((what, _), times) in wanted.iter().zip(run(&mut rooms, &eight, at_work, true)) {
        report(what, times.steps);
    }
    let others = [Leksell, Suction, Osteotome, Irrigation, Pituitary, Retractor, AngledCurette, Penfield];
    if is_wanted("8 others, dura yields") {
        let times = run(&mut [room(TissueModels::ALL)], &others, at_work, true).remove(0);
        report("8 others, dura yields", times.steps);
    }
    for tool in ToolKind::ALL.into_iter().filter(|tool| is_wanted(tool.word())) {
        let models = TissueModels { answers: true, yields: false };
        let times = run(&mut [room(models)], &[tool], at_work, true).remove(0);
        report(tool.word(), times.steps);
        if tool.is_burr() {
            report("  with meshes", times.meshed);
        }
    }
    if is_wanted("8 pressed on bone") {
        let tools = [FlutedBurr, Suction, DiamondBurr, Probe, Kerrison, Retractor, Curette, Penfield];
        let times = run(&mut [whole.clone()], &tools, pressed, false).remove(0);
        report("8 pressed on bone", times.steps);
        report("  with meshes", times.meshed);
    }
}
