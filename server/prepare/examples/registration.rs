//! How close registration comes on phantoms whose motion is known: target registration error in bone and on soft tissue.
//!
//! ```text
//! cargo run --release -p spinor-prepare --example registration -- 1000-1019 [--json ROWS] [--files DIR] [--labels PATTERN] \
//!     [--ct-mm X Y Z] [--stranger]
//! ```
//!
//! Registers bent phantoms of those seeds (scoliosis and stenosis vary with the seed) and prints one line each and a summary.
//! - `--json ROWS` adds one line of JSON per seed to that file.
//! - `--files DIR` takes the phantoms from `DIR/SEED` as `spinor phantom` writes them, and makes what is missing: other programs can
//!   read the same.
//! - `--labels PATTERN` registers with another label map of the CT than the truth, in the case's numbers: a NIfTI file whose path holds
//!   `{seed}`.
//! - `--ct-mm X Y Z` makes the CTs with that voxel instead of 0.6 × 0.6 × 1 mm; larger ones are made faster.
//! - `--stranger` looks for each CT's bones in the MR of the next seed: what is said of another patient's MR.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use spinor_prepare::bake::{BakeOptions, Baked, bake};
use spinor_prepare::evaluate::Landmarks;
use spinor_prepare::nifti_io::{read_nifti_f32, read_nifti_i16, read_nifti_u16};
use spinor_prepare::phantom::{Motion, Options, generate, write};
use spinor_prepare::register::{Registration, Rigid, Warp, register};
use spinor_prepare::volume3d::Image;
use spinor_volume::{Label, Patient, TissueClass};

type Failure = Box<dyn std::error::Error>;

/// A bone whose landmarks are this far off on average lies on another level, mm.
const OTHER_LEVEL_MM: f64 = 15.0;

fn main() -> Result<(), Failure> {
    let asked = Asked::read()?;
    let mut all = Sums::default();
    for seed in asked.seeds.0..=asked.seeds.1 {
        let scan = scan(seed, &asked)?;
        let other = if asked.stranger { Some(self::scan(seed + 1, &asked)?) } else { None };
        let mr = &other.as_ref().unwrap_or(&scan).mr;
        let (start, before) = (Instant::now(), cpu_seconds());
        let found = register(&scan.ct, &scan.labels, mr, None);
        let seconds = [start.elapsed().as_secs_f64(), cpu_seconds() - before];
        let mut row = json!({ "seed": seed, "wall_s": round(seconds[0]), "cpu_s": round(seconds[1]) });
        match found {
            Err(why) => {
                println!("{seed}: refused: {why}");
                row["refused"] = why.to_string().into();
            }
            Ok(found) => judge(&mut row, &scan, &found, &mut all)?,
        }
        if let Some(path) = &asked.json {
            use std::io::Write;
            writeln!(std::fs::OpenOptions::new().create(true).append(true).open(path)?, "{row}")?;
        }
    }
    if !asked.stranger {
        all.print();
    }
    Ok(())
}

/// What the command line asks for.
struct Asked {
    seeds: (u64, u64),
    json: Option<PathBuf>,
    files: Option<PathBuf>,
    labels: Option<String>,
    stranger: bool,
    spacing_mm: [f64; 3],
}

impl Asked {
    fn read() -> Result<Self, Failure> {
        let mut asked = Self {
            seeds: (1000, 1019),
            json: None,
            files: None,
            labels: None,
            stranger: false,
            spacing_mm: Options::default().spacing_mm,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                "--json" => asked.json = Some(value()?.into()),
                "--files" => asked.files = Some(value()?.into()),
                "--labels" => asked.labels = Some(value()?),
                "--ct-mm" => asked.spacing_mm = [value()?.parse()?, value()?.parse()?, value()?.parse()?],
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

fn scan(seed: u64, asked: &Asked) -> Result<Scan, Failure> {
    let options = Options {
        seed,
        motion: Motion::Bent,
        scoliosis_deg: [0.0, 8.0, 0.0, -15.0][(seed % 4) as usize],
        stenosis: [None, Some("mild".parse()?), Some("severe".parse()?)][(seed % 3) as usize],
        spacing_mm: asked.spacing_mm,
        ..Options::default()
    };
    let mut scan = match &asked.files {
        Some(dir) => {
            let dir = dir.join(seed.to_string());
            if !dir.join("landmarks.json").is_file() {
                write(&generate(&options)?, &dir)?;
            }
            from_files(&dir)?
        }
        None => {
            let made = generate(&options)?;
            let l = made.landmarks;
            let landmarks = Landmarks { ct: l.ct, mr: l.mr, structure: l.structure };
            Scan { ct: made.ct, labels: made.labels, mr: made.mr, landmarks }
        }
    };
    if let Some(pattern) = &asked.labels {
        scan.labels = read_nifti_u16(Path::new(&pattern.replace("{seed}", &seed.to_string())))?;
    }
    Ok(scan)
}

fn from_files(dir: &Path) -> Result<Scan, Failure> {
    Ok(Scan {
        ct: read_nifti_i16(&dir.join("ct.nii.gz"))?,
        labels: read_nifti_u16(&dir.join("labels.nii.gz"))?,
        mr: read_nifti_f32(&dir.join("mr.nii.gz"))?,
        landmarks: serde_json::from_slice(&std::fs::read(dir.join("landmarks.json"))?)?,
    })
}

/// The bones of a label map as a case holds them, for blending between them.
fn bones(labels: &Image<u16>) -> Result<Patient, Failure> {
    let bone = |n: u16| if Label(n).class() == Some(TissueClass::Bone) { n } else { 0 };
    let options = BakeOptions { spacing_mm: 1.0, ..BakeOptions::default() };
    let Baked { grid, structures, density, .. } = bake(&labels.map(bone), None, &options)?;
    Ok(Patient::new(grid, structures, density)?)
}

/// Errors of all seeds.
#[derive(Default)]
struct Sums {
    bone: Vec<f64>,
    soft: BTreeMap<&'static str, Vec<f64>>,
    bones: usize,
    /// Bones whose mean error is below what was said, and below the fit's own share of that.
    within: [usize; 2],
    other_level: usize,
    verified: [usize; 2],
    wall_s: Vec<f64>,
}

impl Sums {
    fn print(mut self) {
        let mut soft: Vec<f64> = self.soft.values().flatten().copied().collect();
        println!("bone: {}", stated(&mut self.bone));
        println!("soft: {}", stated(&mut soft));
        for (kind, errors) in &mut self.soft {
            println!("  {kind}: {}", stated(errors));
        }
        println!(
            "{} bones: {} on another level, {} within the uncertainty, {} within twice the fit's spread; {} of {} phantoms verified; \
             wall {}",
            self.bones,
            self.other_level,
            self.within[0],
            self.within[1],
            self.verified[0],
            self.verified[1],
            stated(&mut self.wall_s)
        );
    }
}

fn stated(values: &mut [f64]) -> String {
    values.sort_by(f64::total_cmp);
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let last = values.last().copied().unwrap_or(f64::NAN);
    format!("mean {mean:.2}, p95 {:.2}, most {last:.2} (n {})", p95(values), values.len())
}

/// The 95th percentile (nearest rank) of sorted values.
fn p95(values: &[f64]) -> f64 {
    let rank = (0.95 * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// Measures one registration against the truth, and prints it.
fn judge(row: &mut Value, scan: &Scan, found: &Registration, all: &mut Sums) -> Result<(), Failure> {
    let body = bones(&scan.labels)?;
    let warp = Warp::new(&body, &found.motions(), found.mr_from_ct);
    let mut in_bone: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut soft: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    let l = &scan.landmarks;
    for ((ct, mr), name) in l.ct.iter().zip(&l.mr).zip(&l.structure) {
        let kind = ["disc", "root", "sac"].into_iter().find(|kind| name.contains(kind) && name != "sacrum");
        let bone = found.bones.iter().find(|b| b.label.name() == *name);
        match (bone, kind) {
            (Some(bone), _) => in_bone.entry(name).or_default().push(apart(moved(&bone.mr_from_ct, *ct), *mr)),
            (None, Some(kind)) => soft.entry(kind).or_default().push(apart(warp.mr_from_ct(*ct), *mr)),
            // A bone that the label map lacks is not registered; the row's `missing` names it.
            (None, None) => {}
        }
    }
    let missing: Vec<&String> = l
        .structure
        .iter()
        .filter(|name| (name.starts_with("vert") || *name == "sacrum") && !in_bone.contains_key(name.as_str()))
        .collect();
    let missing: std::collections::BTreeSet<&String> = missing.into_iter().collect();
    let mut rows = Vec::new();
    for b in &found.bones {
        let name = b.label.name();
        let errors = in_bone.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
        let mean = errors.iter().sum::<f64>() / errors.len().max(1) as f64;
        all.bones += 1;
        all.within[0] += usize::from(mean <= b.uncertainty_mm);
        all.within[1] += usize::from(mean <= 2.0 * b.spread_mm);
        all.other_level += usize::from(mean > OTHER_LEVEL_MM);
        rows.push(json!({
            "bone": name, "mean_mm": round(mean), "most_mm": round(errors.iter().copied().fold(0.0, f64::max)),
            "said_mm": round(b.uncertainty_mm), "spread_mm": round(b.spread_mm), "cost": round(b.cost), "coverage": round(b.coverage),
            "found": b.found,
        }));
    }
    let mut bone: Vec<f64> = in_bone.values().flatten().copied().collect();
    let mut any: Vec<f64> = soft.values().flatten().copied().collect();
    let cost = found.bones.iter().map(|b| b.cost).sum::<f64>() / found.bones.len().max(1) as f64;
    println!(
        "{}: bone {}; soft {}; cost {cost:.3}, margin {:.2}, {}, {} s wall, {} s CPU {}",
        row["seed"],
        stated(&mut bone),
        stated(&mut any),
        found.level_margin,
        if found.verified { "verified" } else { "NOT verified" },
        row["wall_s"],
        row["cpu_s"],
        found.warnings.join(" | ")
    );
    let list = |v: &[f64]| v.iter().map(|e| round(*e)).collect::<Vec<f64>>();
    row["bones"] = rows.into();
    row["missing"] = json!(missing);
    row["bone_mm"] = json!(list(&bone));
    row["soft_mm"] = soft.iter().map(|(kind, v)| ((*kind).to_owned(), json!(list(v)))).collect::<serde_json::Map<_, _>>().into();
    row["cost"] = round(cost).into();
    row["margin"] = round(found.level_margin).into();
    row["verified"] = found.verified.into();
    row["warnings"] = json!(found.warnings);
    all.verified[0] += usize::from(found.verified);
    all.verified[1] += 1;
    all.wall_s.push(row["wall_s"].as_f64().unwrap_or(f64::NAN));
    all.bone.append(&mut bone);
    for (kind, mut errors) in soft {
        all.soft.entry(kind).or_default().append(&mut errors);
    }
    Ok(())
}

fn moved(m: &Rigid, p: [f64; 3]) -> [f64; 3] {
    m.map(|[x, y, z, t]| x * p[0] + y * p[1] + z * p[2] + t)
}

fn apart(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt()
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
