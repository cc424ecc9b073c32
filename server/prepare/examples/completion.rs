//! What completion proposes, against phantoms whose truth is known: `cargo run --release -p spinor-prepare --example completion -- SEED...`
//!
//! Every phantom is given as its vertebrae's labels alone. A seed with `m` or `s` behind it is of mild or severe stenosis, which no bone
//! shows. Prints for each phantom the Dice of the canal (sac with cord) and of the discs, the mean distance of the flava's surfaces, and how
//! far the truth's centre lines of the roots lie from the proposed ones; then the means over all.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use spinor_prepare::bake::{BakeOptions, bake};
use spinor_prepare::complete::complete;
use spinor_prepare::evaluate::{Frame, evaluate};
use spinor_prepare::phantom::{self, Options};
use spinor_prepare::schemes::Scheme;
use spinor_shared::case::{Case, CaseMeta};
use spinor_volume::{DensityField, Label, Patient, TissueClass};

fn main() -> Result<(), Box<dyn Error>> {
    let mut all: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for word in std::env::args().skip(1) {
        let (number, stenosis) = match word.strip_suffix(['m', 's']) {
            Some(number) => (number, Some(if word.ends_with('m') { "mild" } else { "severe" }.parse()?)),
            None => (word.as_str(), None),
        };
        let options = Options { seed: number.parse()?, stenosis, mr_spacing_mm: [3.0; 3], ..Options::default() };
        let phantom = phantom::generate(&options)?;
        let mut bones = phantom.labels.clone();
        bones.voxels.iter_mut().filter(|n| Label(**n).class() != Some(TissueClass::Bone)).for_each(|n| *n = 0);
        let baked = bake(&bones, None, &BakeOptions::default())?;
        let start = Instant::now();
        let made = complete(&baked.grid, &baked.structures, Some(&phantom.ct));
        let seconds = start.elapsed().as_secs_f64();
        let mut structures = baked.structures;
        structures.extend(made.structures);
        structures.sort_by_key(|s| s.label);
        let patient = Patient::new(baked.grid, structures, DensityField::default())?;
        let case = Case { patient, ct: None, mr: None, meta: CaseMeta::default() };
        let mut truth = phantom.labels.clone();
        truth.voxels.iter_mut().filter(|n| **n == Label::SPINAL_CORD.0).for_each(|n| *n = Label::DURAL_SAC.0);
        let scores = evaluate(&case, truth, Scheme::TotalSpineSeg, Frame::Ct)?;

        let mut own: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (name, (label, score)) in &scores.structures {
            match label.class() {
                Some(TissueClass::Disc) => own.entry("disc DSC").or_default().push(score.dsc),
                Some(TissueClass::Flavum) => {
                    println!("    {name}: {:.2} mm (p95 {:.2}), DSC {:.2}", score.assd_mm, score.hd95_mm, score.dsc);
                    own.entry("flavum mean mm").or_default().push(score.assd_mm);
                    own.entry("flavum p95 mm").or_default().push(score.hd95_mm);
                }
                _ if *label == Label::DURAL_SAC => own.entry("canal DSC").or_default().push(score.dsc),
                _ => {}
            }
        }
        for (label, line) in &made.root_lines {
            let name = label.name();
            let off: Vec<f64> = phantom
                .landmarks
                .ct
                .iter()
                .zip(&phantom.landmarks.structure)
                .filter(|(_, structure)| **structure == name)
                .map(|(p, _)| to_line(*p, line))
                .collect();
            let mean = off.iter().sum::<f64>() / off.len().max(1) as f64;
            let most = off.iter().copied().fold(0.0, f64::max);
            println!("    {name}: mean {mean:.2}, at most {most:.2} mm over {} points", off.len());
            own.entry("root mean mm").or_default().push(mean);
            own.entry("root points mm").or_default().extend(off);
        }
        println!("{word}: {} of 12 roots, {seconds:.1} s; {}", made.root_lines.len(), line(&own));
        made.warnings.iter().for_each(|w| println!("    ! {w}"));
        for (name, mut values) in own {
            all.entry(name).or_default().append(&mut values);
        }
    }
    println!("all: {}", line(&all));
    if let Some(points) = all.get("root points mm") {
        let within = points.iter().filter(|d| **d <= 3.0).count();
        println!("root points within 3 mm: {within} of {}", points.len());
    }
    Ok(())
}

fn line(values: &BTreeMap<&str, Vec<f64>>) -> String {
    let one = |(name, v): (&&str, &Vec<f64>)| {
        let mut sorted = v.clone();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (sorted.first().copied().unwrap_or(f64::NAN), sorted.last().copied().unwrap_or(f64::NAN));
        format!("{name} {:.3} ({least:.2} to {most:.2}, n {})", v.iter().sum::<f64>() / v.len().max(1) as f64, v.len())
    };
    values.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Distance from a point to a line of points, mm.
fn to_line(p: [f64; 3], line: &[[f64; 3]]) -> f64 {
    let sub = |a: [f64; 3], b: [f64; 3]| [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    line.windows(2)
        .map(|pair| {
            let (axis, d) = (sub(pair[1], pair[0]), sub(p, pair[0]));
            let t = (dot(d, axis) / dot(axis, axis).max(1e-12)).clamp(0.0, 1.0);
            let off = [0, 1, 2].map(|k| d[k] - t * axis[k]);
            dot(off, off).sqrt()
        })
        .fold(f64::INFINITY, f64::min)
}
