//! How close registration comes on phantoms whose motion is known: target registration error in bone and on soft tissue.
//!
//! ```text
//! cargo run --release -p spinor-prepare --example registration -- 1000-1019 --own [--json ROWS] [--files DIR] [--labels PATTERN] \
//!     [--ct-mm X Y Z] [--mr-mm X Y Z] [--stranger]
//! ```
//!
//! Registers bent phantoms of those seeds (scoliosis and stenosis vary with the seed), each with its true label map of the CT, and prints one
//! line each and a summary. In bone, errors are those of the bone's own motion, and "shown" those of the blend that a case's MR is resampled by: at a
//! bone's surface, where its landmarks lie, the two differ. Elsewhere they are the blend's.
//! - `--own` registers each a second time, on the label map that the built-in model makes of its CT (needs ONNX Runtime).
//! - `--json ROWS` adds one line of JSON per seed and label map to that file.
//! - `--files DIR` takes the phantoms from `DIR/SEED` as `spinor phantom` writes them, and makes what is missing: other programs can
//!   read the same. With `--own` the label map is kept beside them as `own.nii.gz`.
//! - `--labels PATTERN` registers with another label map of the CT than the truth, in the case's numbers: a NIfTI file whose path holds
//!   `{seed}`.
//! - `--ct-mm X Y Z` makes the CTs with that voxel instead of 0.6 × 0.6 × 1 mm; larger ones are made faster. `--mr-mm` likewise.
//! - `--stranger` looks for each CT's bones in the MR of the next seed: what is said of another patient's MR.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Map, Value, json};
use spinor_prepare::bake::{BakeOptions, Baked, bake};
use spinor_prepare::evaluate::Landmarks;
use spinor_prepare::nifti_io::{read_nifti_f32, read_nifti_i16, read_nifti_u16, write_nifti};
use spinor_prepare::phantom::{Motion, Options, generate, write};
use spinor_prepare::register::{Registration, Rigid, Warp, register};
use spinor_prepare::segment::{self, Modality, built_in, segment_for_case};
use spinor_prepare::volume3d::Image;
use spinor_volume::{Label, Patient, TissueClass};

type Failure = Box<dyn std::error::Error>;
type P3 = [f64; 3];

/// A bone whose landmarks are this far off on average lies on another level, mm.
const OTHER_LEVEL_MM: f64 = 15.0;

fn main() -> Result<(), Failure> {
    let asked = Asked::read()?;
    let mut sums: BTreeMap<&str, Sums> = BTreeMap::new();
    let mut next: Option<Scan> = None;
    for seed in asked.seeds.0..=asked.seeds.1 {
        let scan = match next.take() {
            Some(scan) => scan,
            None => Scan::of(seed, &asked)?,
        };
        if asked.stranger {
            next = Some(Scan::of(seed + 1, &asked)?);
        }
        let mr = &next.as_ref().unwrap_or(&scan).mr;
        let given = match &asked.labels {
            Some(pattern) => Some(read_nifti_u16(&seeded(pattern, seed))?),
            None => None,
        };
        let own = if asked.own { Some(scan.own_labels(seed, &asked)?) } else { None };
        let maps = [("truth", Some(given.as_ref().unwrap_or(&scan.labels))), ("own", own.as_ref())];
        for (kind, labels) in maps.into_iter().filter_map(|(kind, labels)| Some((kind, labels?))) {
            let kind = if kind == "truth" && given.is_some() { "given" } else { kind };
            let (start, before) = (Instant::now(), cpu_seconds());
            let found = register(&scan.ct, labels, mr, None);
            let seconds = [start.elapsed().as_secs_f64(), cpu_seconds() - before];
            let mut row = json!({ "seed": seed, "labels": kind, "wall_s": round(seconds[0]), "cpu_s": round(seconds[1]) });
            match found {
                Err(why) => {
                    println!("{seed} {kind}: refused: {why}");
                    row["refused"] = why.to_string().into();
                    sums.entry(kind).or_default().refused += 1;
                }
                Ok(found) => {
                    let judged = Judged::of(&scan, labels, &found)?;
                    judged.tell(&mut row, &found);
                    println!("{seed} {kind}: {}", judged.line(&found, seconds));
                    sums.entry(kind).or_default().add(judged, &found, seconds[1]);
                }
            }
            if let Some(path) = &asked.json {
                use std::io::Write;
                writeln!(std::fs::OpenOptions::new().create(true).append(true).open(path)?, "{row}")?;
            }
        }
    }
    for (kind, all) in sums {
        println!("== labels: {kind}");
        all.print();
    }
    Ok(())
}

fn seeded(pattern: &str, seed: u64) -> PathBuf {
    pattern.replace("{seed}", &seed.to_string()).into()
}

/// What the command line asks for.
struct Asked {
    seeds: (u64, u64),
    json: Option<PathBuf>,
    files: Option<PathBuf>,
    labels: Option<String>,
    own: bool,
    stranger: bool,
    ct_mm: P3,
    mr_mm: P3,
}

impl Asked {
    fn read() -> Result<Self, Failure> {
        let Options { spacing_mm: ct_mm, mr_spacing_mm: mr_mm, .. } = Options::default();
        let mut asked =
            Self { seeds: (1000, 1019), json: None, files: None, labels: None, own: false, stranger: false, ct_mm, mr_mm };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--json" => asked.json = Some(value()?.into()),
                "--files" => asked.files = Some(value()?.into()),
                "--labels" => asked.labels = Some(value()?),
                "--ct-mm" => asked.ct_mm = [value()?.parse()?, value()?.parse()?, value()?.parse()?],
                "--mr-mm" => asked.mr_mm = [value()?.parse()?, value()?.parse()?, value()?.parse()?],
                "--own" => asked.own = true,
                "--stranger" => asked.stranger = true,
                _ => {
                    let (first, last) = word.split_once('-').unwrap_or((&word, &word));
                    asked.seeds = (first.parse()?, last.parse()?);
                }
            }
        }
        Ok(asked)
    }
}

/// A patient's two scans and what is true of them.
struct Scan {
    ct: Image<i16>,
    labels: Image<u16>,
    mr: Image<f32>,
    landmarks: Landmarks,
}

impl Scan {
    fn of(seed: u64, asked: &Asked) -> Result<Self, Failure> {
        let options = Options {
            seed,
            motion: Motion::Bent,
            scoliosis_deg: [0.0, 8.0, 0.0, -15.0][(seed % 4) as usize],
            stenosis: [None, Some("mild".parse()?), Some("severe".parse()?)][(seed % 3) as usize],
            spacing_mm: asked.ct_mm,
            mr_spacing_mm: asked.mr_mm,
            ..Options::default()
        };
        if let Some(dir) = &asked.files {
            let dir = dir.join(seed.to_string());
            if !dir.join("landmarks.json").is_file() {
                write(&generate(&options)?, &dir)?;
            }
            return Self::read(&dir);
        }
        let made = generate(&options)?;
        let l = made.landmarks;
        let landmarks = Landmarks { ct: l.ct, mr: l.mr, structure: l.structure };
        Ok(Self { ct: made.ct, labels: made.labels, mr: made.mr, landmarks })
    }

    fn read(dir: &Path) -> Result<Self, Failure> {
        Ok(Self {
            ct: read_nifti_i16(&dir.join("ct.nii.gz"))?,
            labels: read_nifti_u16(&dir.join("labels.nii.gz"))?,
            mr: read_nifti_f32(&dir.join("mr.nii.gz"))?,
            landmarks: serde_json::from_slice(&std::fs::read(dir.join("landmarks.json"))?)?,
        })
    }

    /// The label map that the built-in model makes of the CT.
    fn own_labels(&self, seed: u64, asked: &Asked) -> Result<Image<u16>, Failure> {
        let kept = asked.files.as_ref().map(|dir| dir.join(seed.to_string()).join("own.nii.gz"));
        if let Some(path) = kept.as_ref().filter(|path| path.is_file()) {
            return Ok(read_nifti_u16(path)?);
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let labels = segment_for_case(built_in(Modality::Ct)?, segment::Scan::Ct(&self.ct), None, threads, &mut |_| {})?.labels;
        if let Some(path) = &kept {
            write_nifti(path, &labels)?;
        }
        Ok(labels)
    }

    /// Which bone each bone of a label map really is: the one that most of its voxels lie in. None for one that is not there.
    fn truths(&self, labels: &Image<u16>) -> BTreeMap<u16, Option<u16>> {
        let mut counts: BTreeMap<u16, BTreeMap<u16, u64>> = BTreeMap::new();
        for (at, number) in labels.voxels.iter().enumerate().filter(|(_, n)| is_bone(**n)) {
            let place = labels.geometry.patient_from_index(labels.geometry.index_of(at).map(|v| v as f64));
            let truth = self.labels.nearest(place).filter(|n| is_bone(*n)).unwrap_or(0);
            *counts.entry(*number).or_default().entry(truth).or_default() += 1;
        }
        let most =
            |shares: BTreeMap<u16, u64>| shares.into_iter().max_by_key(|(_, n)| *n).map(|(truth, _)| truth).filter(|n| *n > 0);
        counts.into_iter().map(|(number, shares)| (number, most(shares))).collect()
    }

    /// How far the bones really moved against the lowest: turns in degrees and shifts of their middles in mm, least and largest.
    fn motion(&self) -> [[f64; 2]; 2] {
        let l = &self.landmarks;
        let names: BTreeSet<&String> = l.structure.iter().filter(|name| name.starts_with("vert") || *name == "sacrum").collect();
        // By name the sacrum comes first, then L1 to L5.
        let frames: Vec<[(P3, [P3; 3]); 2]> = names
            .into_iter()
            .filter_map(|name| {
                let own: Vec<usize> = (0..l.ct.len()).filter(|n| l.structure[*n] == *name).collect();
                // The same one in both: mirrored landmarks lie equally far off.
                let other = farthest_off(&l.ct, &own)?;
                Some([frame(&l.ct, &own, other)?, frame(&l.mr, &own, other)?])
            })
            .collect();
        let Some(lowest) = frames.first() else { return [[f64::NAN; 2]; 2] };
        let (mut turns, mut shifts) = (Vec::new(), Vec::new());
        for bone in frames.iter().skip(1) {
            let seen = |k: usize| bone[k].1.map(|axis| lowest[k].1.map(|other| dot(axis, other)));
            let (a, b) = (seen(0), seen(1));
            let trace: f64 = (0..3).map(|r| dot(a[r], b[r])).sum();
            turns.push(((trace - 1.0) / 2.0).clamp(-1.0, 1.0).acos().to_degrees());
            let from = |k: usize| lowest[k].1.map(|axis| dot(axis, sub(bone[k].0, lowest[k].0)));
            shifts.push(apart(from(0), from(1)));
        }
        [turns, shifts].map(|v| [v.iter().copied().fold(f64::INFINITY, f64::min), v.iter().copied().fold(0.0, f64::max)])
    }
}

fn is_bone(n: u16) -> bool {
    Label(n).class() == Some(TissueClass::Bone)
}

/// The landmark that lies farthest off the line from the middle of a bone's landmarks to the first of them.
fn farthest_off(places: &[P3], own: &[usize]) -> Option<usize> {
    let (middle, x) = first_axis(places, own)?;
    let off = |n: &usize| {
        let arm = sub(places[*n], middle);
        dot(arm, arm) - dot(arm, x).powi(2)
    };
    own.iter().copied().max_by(|a, b| off(a).total_cmp(&off(b)))
}

fn first_axis(places: &[P3], own: &[usize]) -> Option<(P3, P3)> {
    let middle = [0, 1, 2].map(|k| own.iter().map(|n| places[*n][k]).sum::<f64>() / own.len().max(1) as f64);
    Some((middle, unit(sub(places[*own.first()?], middle))))
}

/// Middle of a bone's landmarks, and axes that move with them: to the first one, and to that of number `other`.
fn frame(places: &[P3], own: &[usize], other: usize) -> Option<(P3, [P3; 3])> {
    let (middle, x) = first_axis(places, own)?;
    let arm = sub(places[other], middle);
    let y = unit([0, 1, 2].map(|k| arm[k] - dot(arm, x) * x[k]));
    Some((middle, [x, y, [x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]]]))
}

/// The bones of a label map as a case holds them, for blending between them.
fn bones(labels: &Image<u16>) -> Result<Patient, Failure> {
    let options = BakeOptions { spacing_mm: 1.0, ..BakeOptions::default() };
    let Baked { grid, structures, density, .. } = bake(&labels.map(|n| if is_bone(n) { n } else { 0 }), None, &options)?;
    Ok(Patient::new(grid, structures, density)?)
}

/// One registered bone against what is true of it.
struct Bone {
    name: String,
    /// What it really is; none where nothing is.
    truth: Option<String>,
    /// Errors of its own motion at its landmarks, mm.
    errors: Vec<f64>,
    said_mm: f64,
    spread_mm: f64,
}

/// One registration measured against the truth.
struct Judged {
    /// Errors at landmarks in bone, by the bone's own motion and as a case shows it, and elsewhere, mm.
    in_bone: Vec<f64>,
    shown: Vec<f64>,
    soft: BTreeMap<&'static str, Vec<f64>>,
    bones: Vec<Bone>,
    /// Bones of the truth that the label map lacks; their landmarks count in what is shown.
    missing: Vec<String>,
    motion: [[f64; 2]; 2],
}

impl Judged {
    fn of(scan: &Scan, labels: &Image<u16>, found: &Registration) -> Result<Self, Failure> {
        let body = bones(labels)?;
        let warp = Warp::new(&body, &found.motions(), found.mr_from_ct);
        let l = &scan.landmarks;
        let (mut shown, mut soft) = (Vec::new(), BTreeMap::<_, Vec<f64>>::new());
        for ((ct, mr), name) in l.ct.iter().zip(&l.mr).zip(&l.structure) {
            let error = apart(warp.mr_from_ct(*ct), *mr);
            match ["disc", "root", "sac"].into_iter().find(|kind| name.contains(kind) && name != "sacrum") {
                Some(kind) => soft.entry(kind).or_default().push(error),
                None => shown.push(error),
            }
        }
        let truths = scan.truths(labels);
        let bones: Vec<Bone> = found
            .bones
            .iter()
            .map(|b| {
                let truth = truths.get(&b.label.0).copied().flatten().map(|n| Label(n).name());
                let own = (0..l.ct.len()).filter(|n| truth.as_ref() == Some(&l.structure[*n]));
                let errors = own.map(|n| apart(moved(&b.mr_from_ct, l.ct[n]), l.mr[n])).collect();
                Bone { name: b.label.name(), truth, errors, said_mm: b.uncertainty_mm, spread_mm: b.spread_mm }
            })
            .collect();
        let known: BTreeSet<String> = truths.values().flatten().map(|n| Label(*n).name()).collect();
        let all: BTreeSet<u16> = scan.labels.voxels.iter().copied().filter(|n| is_bone(*n)).collect();
        let in_bone = bones.iter().flat_map(|b| b.errors.iter().copied()).collect();
        let missing = all.into_iter().map(|n| Label(n).name()).filter(|name| !known.contains(name)).collect();
        Ok(Self { in_bone, shown, soft, bones, missing, motion: scan.motion() })
    }

    fn misnamed(&self) -> usize {
        self.bones.iter().filter(|b| b.truth.as_ref().is_some_and(|truth| *truth != b.name)).count()
    }

    /// What a line of JSON says of it.
    fn tell(&self, row: &mut Value, found: &Registration) {
        let list = |v: &[f64]| Value::from(v.iter().map(|e| round(*e)).collect::<Vec<f64>>());
        let bones = self.bones.iter().zip(&found.bones).map(|(b, said)| {
            json!({
                "bone": b.name, "truth": b.truth, "mean_mm": round(mean(&b.errors)), "errors_mm": list(&b.errors),
                "said_mm": round(b.said_mm), "spread_mm": round(b.spread_mm), "cost": round(said.cost),
                "coverage": round(said.coverage), "found": said.found,
            })
        });
        row["bones"] = bones.collect();
        row["missing"] = json!(self.missing);
        row["bone_mm"] = list(&self.in_bone);
        row["shown_mm"] = list(&self.shown);
        row["soft_mm"] = self.soft.iter().map(|(kind, v)| ((*kind).to_owned(), list(v))).collect::<Map<_, _>>().into();
        row["turn_deg"] = list(&self.motion[0]);
        row["shift_mm"] = list(&self.motion[1]);
        row["cost"] = round(mean(&found.bones.iter().map(|b| b.cost).collect::<Vec<_>>())).into();
        row["margin"] = round(found.level_margin).into();
        row["verified"] = found.verified.into();
        row["warnings"] = json!(found.warnings);
    }

    fn line(&self, found: &Registration, [wall, cpu]: [f64; 2]) -> String {
        let mut soft: Vec<f64> = self.soft.values().flatten().copied().collect();
        let cost = mean(&found.bones.iter().map(|b| b.cost).collect::<Vec<_>>());
        let absent = if self.missing.is_empty() { String::new() } else { format!(", without {}", self.missing.join(" ")) };
        format!(
            "bone {}; shown {}; soft {}; cost {cost:.3}, margin {:.2}, {}, {} misnamed{absent}; {wall:.1} s wall, {cpu:.1} s CPU {}",
            stated(&mut self.in_bone.clone()),
            stated(&mut self.shown.clone()),
            stated(&mut soft),
            found.level_margin,
            if found.verified { "verified" } else { "NOT verified" },
            self.misnamed(),
            found.warnings.join(" | ")
        )
    }
}

/// All registrations on one kind of label map.
#[derive(Default)]
struct Sums {
    bone: Vec<f64>,
    shown: Vec<f64>,
    soft: BTreeMap<&'static str, Vec<f64>>,
    /// Each registered bone's mean and largest error, what was said of it, and the fit's own spread, mm.
    bones: Vec<[f64; 4]>,
    other_level: usize,
    misnamed: usize,
    missing: usize,
    invented: usize,
    verified: usize,
    refused: usize,
    phantoms: usize,
    motion: [Vec<f64>; 2],
    cpu_s: Vec<f64>,
}

impl Sums {
    fn add(&mut self, mut judged: Judged, found: &Registration, cpu_s: f64) {
        self.misnamed += judged.misnamed();
        self.missing += judged.missing.len();
        self.bone.append(&mut judged.in_bone);
        self.shown.append(&mut judged.shown);
        for (kind, mut errors) in judged.soft {
            self.soft.entry(kind).or_default().append(&mut errors);
        }
        for b in judged.bones {
            if b.errors.is_empty() {
                self.invented += 1;
                continue;
            }
            let most = b.errors.iter().copied().fold(0.0, f64::max);
            self.other_level += usize::from(mean(&b.errors) > OTHER_LEVEL_MM);
            self.bones.push([mean(&b.errors), most, b.said_mm, b.spread_mm]);
        }
        for (all, range) in self.motion.iter_mut().zip(judged.motion) {
            all.extend(range);
        }
        self.verified += usize::from(found.verified);
        self.phantoms += 1;
        self.cpu_s.push(cpu_s);
    }

    fn print(mut self) {
        let mut soft: Vec<f64> = self.soft.values().flatten().copied().collect();
        println!("bone: {}; as shown: {}", stated(&mut self.bone), stated(&mut self.shown));
        println!("soft: {}", stated(&mut soft));
        for (kind, errors) in &mut self.soft {
            println!("  {kind}: {}", stated(errors));
        }
        let within = |of: &dyn Fn(&[f64; 4]) -> bool| self.bones.iter().filter(|b| of(b)).count();
        println!(
            "{} bones: {} on another level, {} misnamed by the label map; {} that the map lacks, {} that are not there",
            self.bones.len(),
            self.other_level,
            self.misnamed,
            self.missing,
            self.invented
        );
        println!(
            "uncertainty: mean error within what is said {}, largest error of a landmark within it {}; mean error within twice the fit's \
             spread {}; said {}",
            within(&|b| b[0] <= b[2]),
            within(&|b| b[1] <= b[2]),
            within(&|b| b[0] <= 2.0 * b[3]),
            stated(&mut self.bones.iter().map(|b| b[2]).collect::<Vec<_>>())
        );
        let [turns, shifts] = self.motion.map(|mut v| {
            v.sort_by(f64::total_cmp);
            format!("{:.1} to {:.1}", v.first().unwrap_or(&f64::NAN), v.last().unwrap_or(&f64::NAN))
        });
        println!("moved against the lowest bone: turned by {turns} degrees, shifted by {shifts} mm");
        println!("{} of {} verified, {} refused; CPU s {}", self.verified, self.phantoms, self.refused, stated(&mut self.cpu_s));
    }
}

fn stated(values: &mut [f64]) -> String {
    values.sort_by(f64::total_cmp);
    let last = values.last().copied().unwrap_or(f64::NAN);
    format!("mean {:.2}, p95 {:.2}, most {last:.2} (n {})", mean(values), p95(values), values.len())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The 95th percentile (nearest rank) of sorted values.
fn p95(values: &[f64]) -> f64 {
    let rank = (0.95 * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn moved(m: &Rigid, p: P3) -> P3 {
    m.map(|[x, y, z, t]| x * p[0] + y * p[1] + z * p[2] + t)
}

fn sub(a: P3, b: P3) -> P3 {
    [0, 1, 2].map(|k| a[k] - b[k])
}

fn unit(v: P3) -> P3 {
    v.map(|x| x / dot(v, v).sqrt())
}

fn dot(a: P3, b: P3) -> f64 {
    (0..3).map(|k| a[k] * b[k]).sum()
}

fn apart(a: P3, b: P3) -> f64 {
    dot(sub(a, b), sub(a, b)).sqrt()
}

fn round(v: f64) -> f64 {
    (v * 1e4).round() / 1e4
}

/// CPU time of all threads so far; NaN where the system does not tell (its files count in hundredths of a second).
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = text.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> = after.split_whitespace().skip(11).take(2).filter_map(|v| v.parse().ok()).collect();
    if ticks.len() == 2 { (ticks[0] + ticks[1]) / 100.0 } else { f64::NAN }
}
