//! What an MR beside the CT adds to a case: Dice against a phantom's truth of the case that the CT alone gives and of the one that CT and MR give.
//!
//! `cargo run --release -p spinor-prepare --example sac_from_mr -- 1000-1004 [--files DIR] [--json ROWS] [--cases DIR]`
//!
//! Both are prepared without labels, with the built-in models, on bent phantoms (scoliosis and stenosis vary with the seed as in the
//! example `registration`, whose `--files DIR` this shares: phantoms are taken from `DIR/SEED` and made where missing). "neural" is the mean over
//! sac, cord and twelve roots, as `spinor evaluate` gives it; the sac with the cord in it stands beside it. `--json ROWS` adds a line of JSON per seed
//! and case to that file; `--cases DIR` keeps the cases.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;
use spinor_prepare::evaluate::{Frame, Landmarks, Score, evaluate, target_error};
use spinor_prepare::nifti_io::read_nifti_u16;
use spinor_prepare::phantom::{Motion, Options, generate, write};
use spinor_prepare::pipeline::{PrepareOptions, Prepared, prepare};
use spinor_prepare::schemes::Scheme;
use spinor_volume::{Label, TissueClass};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let (mut seeds, mut files, mut rows, mut cases) = ((1000, 1004), None, None, None);
    while let Some(word) = words.next() {
        let mut value = || words.next().map(PathBuf::from).ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--files" => files = Some(value()?),
            "--json" => rows = Some(value()?),
            "--cases" => cases = Some(value()?),
            _ => {
                let (first, last) = word.split_once('-').unwrap_or((&word, &word));
                seeds = (first.parse()?, last.parse()?);
            }
        }
    }
    let (stages, made) = (tempfile::tempdir()?, tempfile::tempdir()?);
    for seed in seeds.0..=seeds.1 {
        let folder = files.as_deref().unwrap_or(made.path()).join(seed.to_string());
        if !folder.is_dir() {
            write(&generate(&options(seed))?, &folder)?;
        }
        for (what, with_mr) in [("CT", false), ("CT and MR", true)] {
            let prepared = prepare(
                &PrepareOptions {
                    ct: Some(folder.join("ct.nii.gz")),
                    mr: with_mr.then(|| folder.join("mr.nii.gz")),
                    registry: Some(made.path().join("none")),
                    stages: Some(stages.path().to_owned()),
                    ..PrepareOptions::default()
                },
                &mut |_, _| {},
            )?;
            if let Some(cases) = &cases {
                std::fs::create_dir_all(cases)?;
                std::fs::write(cases.join(format!("{seed}-{}.spinor", if with_mr { "mr" } else { "ct" })), &prepared.bytes)?;
            }
            let row = judge(&prepared, &folder, seed, what)?;
            if let Some(path) = &rows {
                writeln!(std::fs::OpenOptions::new().create(true).append(true).open(path)?, "{row}")?;
            }
        }
    }
    Ok(())
}

fn options(seed: u64) -> Options {
    Options {
        seed,
        motion: Motion::Bent,
        scoliosis_deg: [0.0, 8.0, 0.0, -15.0][(seed % 4) as usize],
        stenosis: [None, Some("mild"), Some("severe")][(seed % 3) as usize].and_then(|s| s.parse().ok()),
        ..Options::default()
    }
}

fn judge(prepared: &Prepared, folder: &Path, seed: u64, what: &str) -> Result<serde_json::Value, Failure> {
    let found = evaluate(&prepared.case, read_nifti_u16(&folder.join("labels.nii.gz"))?, Scheme::TotalSpineSeg, Frame::Ct)?;
    let of = |wanted: &dyn Fn(Label) -> bool| -> Vec<f64> {
        found.structures.values().filter(|(label, _)| wanted(*label)).map(|(_, s)| s.dsc).collect()
    };
    let mean = |of: Vec<f64>| if of.is_empty() { f64::NAN } else { of.iter().sum::<f64>() / of.len() as f64 };
    let root = |l: Label| l.class() == Some(TissueClass::Neural) && l != Label::DURAL_SAC && l != Label::SPINAL_CORD;
    let roots = of(&root);
    let kinds = ["vertebra", "disc", "neural"].map(|kind| found.mean_dsc(kind).unwrap_or(f64::NAN));
    let sac = prepared.case.patient.structure(Label::DURAL_SAC);
    let with_cord = found.sac_with_cord;
    let off = |s: Option<Score>| s.map_or([f64::NAN; 4], |s| [s.dsc, s.assd_mm, s.hd95_mm, s.volume_ratio]);
    let [dsc, assd, hd95, ratio] = off(with_cord);
    let tre = if prepared.case.mr.is_some() {
        let marks: Landmarks = serde_json::from_slice(&std::fs::read(folder.join("landmarks.json"))?)?;
        Some(target_error(&prepared.case, &marks)?.tre_mm)
    } else {
        None
    };
    let absent = roots.iter().filter(|d| **d == 0.0).count();
    let [vertebra, disc, neural] = kinds;
    println!(
        "{seed} {what}: vertebrae {vertebra:.3}, discs {disc:.3}, neural {neural:.3} = sac {:.3}, cord {:.3}, roots {:.3} ({absent} of {} \
         without overlap); sac with cord {dsc:.3}, mean surface distance {assd:.2} mm, p95 {hd95:.2} mm, volume {ratio:.2}; {}; TRE {}; {:.1} s",
        mean(of(&|l| l == Label::DURAL_SAC)),
        mean(of(&|l| l == Label::SPINAL_CORD)),
        mean(roots.clone()),
        roots.len(),
        sac.map_or("no sac".to_owned(), |s| format!("sac {} ± {:.1} mm", s.source.word(), s.uncertainty_mm)),
        tre.as_ref().map_or("-".to_owned(), |t| format!("{:.2} / {:.2} mm", t.mean, t.p95)),
        prepared.seconds.total,
    );
    prepared.case.meta.warnings.iter().filter(|w| w.contains("sac")).for_each(|w| println!("  ! {w}"));
    let json = prepared.json("");
    Ok(json!({
        "seed": seed, "from": what, "evaluation": found.json(), "tre_mm": tre, "roots": mean(roots),
        "sac": json["structures"]["dural_sac"], "seconds": json["seconds"], "warnings": json["warnings"],
    }))
}
