//! How close registration comes on phantoms whose motion is known: target registration error in bone and on soft tissue.
//!
//! `cargo run --release -p spinor-prepare --example registration -- 1000-1019` registers bent phantoms of those seeds (scoliosis,
//! stenosis and levels vary with the seed) and prints one line each and a summary.

use std::collections::BTreeMap;
use std::time::Instant;

use spinor_prepare::phantom::{Motion, Options, anatomy, generate, patient};
use spinor_prepare::register::{Warp, register};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let range = arguments.iter().find(|a| !a.starts_with('-')).map_or("1000-1019", String::as_str);
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (mut bone, mut soft, mut within, mut count) = (Vec::new(), Vec::new(), 0, 0);
    for seed in first.parse::<u64>()?..=last.parse()? {
        let options = Options {
            seed,
            motion: Motion::Bent,
            scoliosis_deg: [0.0, 8.0, 0.0, -15.0][(seed % 4) as usize],
            stenosis: [None, Some("mild".parse()?), Some("severe".parse()?)][(seed % 3) as usize],
            ..Options::default()
        };
        let made = generate(&options)?;
        let start = Instant::now();
        let found = register(&made.ct, &made.labels, &made.mr, None)?;
        let seconds = start.elapsed().as_secs_f64();
        let body = patient(&anatomy(&options)?, options.levels, 1.0)?;
        let warp = Warp::new(&body, &found.motions(), found.mr_from_ct);
        let (mut own_bone, mut own_soft) = (Vec::new(), Vec::new());
        let mut per_bone: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let mut kinds: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let l = &made.landmarks;
        for ((ct, mr), name) in l.ct.iter().zip(&l.mr).zip(&l.structure) {
            let there = match found.bones.iter().find(|b| b.label.name() == *name) {
                Some(b) => b.mr_from_ct.map(|[x, y, z, t]| x * ct[0] + y * ct[1] + z * ct[2] + t),
                None => warp.mr_from_ct(*ct),
            };
            let error = (0..3).map(|k| (there[k] - mr[k]).powi(2)).sum::<f64>().sqrt();
            let is_bone = found.bones.iter().any(|b| b.label.name() == *name);
            if is_bone {
                own_bone.push(error);
                per_bone.entry(name).or_default().push(error);
            } else {
                own_soft.push(error);
                let kind = if name.contains("disc") {
                    "disc"
                } else if name.contains("root") {
                    "root"
                } else {
                    "sac"
                };
                kinds.entry(kind).or_default().push(error);
            }
        }
        for b in &found.bones {
            let name = b.label.name();
            let mean = per_bone.get(name.as_str()).map_or(f64::NAN, |v| v.iter().sum::<f64>() / v.len() as f64);
            count += 1;
            within += u32::from(mean <= b.uncertainty_mm);
            println!("    {name:<16} {mean:.2} mm, said {:.2}, cost {:.3}, seen {:.2}", b.uncertainty_mm, b.cost, b.coverage);
        }
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
        let by_kind: Vec<String> = kinds.iter().map(|(k, v)| format!("{k} {:.2}", mean(v))).collect();
        println!(
            "{seed}: bone {:.2} (p95 {:.2}), soft {:.2} (p95 {:.2}; {}), margin {:.2}, {}, {seconds:.1} s {}",
            mean(&own_bone),
            p95(&mut own_bone.clone()),
            mean(&own_soft),
            p95(&mut own_soft.clone()),
            by_kind.join(", "),
            found.level_margin,
            if found.verified { "verified" } else { "NOT verified" },
            found.warnings.join(" | ")
        );
        bone.append(&mut own_bone);
        soft.append(&mut own_soft);
    }
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len().max(1) as f64;
    println!(
        "all: bone mean {:.2} p95 {:.2} max {:.2} (n {}), soft mean {:.2} p95 {:.2} max {:.2} (n {}); {within} of {count} bones within what was said",
        mean(&bone),
        p95(&mut bone),
        bone.last().copied().unwrap_or(f64::NAN),
        bone.len(),
        mean(&soft),
        p95(&mut soft),
        soft.last().copied().unwrap_or(f64::NAN),
        soft.len(),
    );
    Ok(())
}

/// The 95th percentile (nearest rank); sorts.
fn p95(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (0.95 * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
