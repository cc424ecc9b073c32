//! Whether the safety score ranks steady over careless, on scripted recordings: not on human surgeons, and no statement about them.
//!
//! `cargo run --release -p spinor-assess --example rank -- DIR` takes every `PROCEDURE-SKILL-SEED.spinrec` in DIR, scores it by the rule of
//! `spinor_assess::score`, which was fixed beforehand and trained on nothing, and prints one line a recording, then one JSON object:
//!
//! - `auc`: probability that a steady recording scores above a careless one, ties counting half;
//! - `auc_steady_over_hurried`, `auc_hurried_over_careless`: whether hurried ones lie in between;
//! - `shuffled`: `auc` with skills shuffled among the recordings, as mean, standard deviation, and 2.5 and 97.5 percentiles of 1,000
//!   shuffles: chance.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use spinor_assess::filter::quantile;
use spinor_assess::score::auc;
use spinor_assess::{Options, gather_with, measure};

const SHUFFLES: usize = 1_000;

struct Scored {
    procedure: String,
    skill: String,
    score: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args().nth(1).ok_or("usage: rank DIR with PROCEDURE-SKILL-SEED.spinrec in it")?;
    let mut paths: Vec<_> = fs::read_dir(&dir)?.collect::<Result<Vec<_>, _>>()?.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "spinrec"));
    paths.sort();
    let mut all = Vec::new();
    for path in &paths {
        match scored(path)? {
            Some(scored) => all.push(scored),
            None => eprintln!("{}: not named PROCEDURE-SKILL-SEED.spinrec, or nothing to score; left out", path.display()),
        }
    }
    let scores = |skill: &str| all.iter().filter(|s| s.skill == skill).map(|s| s.score).collect::<Vec<f64>>();
    let (steady, careless) = (scores("steady"), scores("careless"));
    let auc_all = auc(&steady, &careless).ok_or("no steady and careless recordings to compare")?;
    let mut shuffled = shuffles(&[steady.clone(), careless.clone()].concat(), steady.len());
    let mean = shuffled.iter().sum::<f64>() / shuffled.len() as f64;
    let deviation = (shuffled.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / shuffled.len() as f64).sqrt();
    let hurried = scores("hurried");
    let procedures: std::collections::BTreeSet<&str> = all.iter().map(|s| s.procedure.as_str()).collect();
    let of = |procedure: &str, skill: &str| {
        all.iter().filter(|s| s.procedure == procedure && s.skill == skill).map(|s| s.score).collect::<Vec<f64>>()
    };
    let per: serde_json::Map<String, serde_json::Value> =
        procedures.into_iter().map(|p| (p.to_owned(), serde_json::json!(auc(&of(p, "steady"), &of(p, "careless"))))).collect();
    let report = serde_json::json!({
        "data": "scripted recordings, not human",
        "recordings": all.len(),
        "steady": steady.len(),
        "careless": careless.len(),
        "auc": auc_all,
        "auc_by_procedure": per,
        "auc_steady_over_hurried": auc(&steady, &hurried),
        "auc_hurried_over_careless": auc(&hurried, &careless),
        "shuffled": { "mean": mean, "sd": deviation, "p2.5": quantile(&mut shuffled, 0.025), "p97.5": quantile(&mut shuffled, 0.975), "of": SHUFFLES },
    });
    println!("{report:#}");
    Ok(())
}

fn scored(path: &Path) -> Result<Option<Scored>, Box<dyn std::error::Error>> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut parts = stem.rsplitn(3, '-').map(str::to_owned);
    let (Some(seed), Some(skill), Some(procedure)) = (parts.next(), parts.next(), parts.next()) else { return Ok(None) };
    let session = gather_with(BufReader::new(File::open(path)?), &Options { anatomy: false, target: None })
        .map_err(|e| format!("{}: {e}", path.display()))?;
    let metrics = measure(&session);
    let Some(score) = metrics.score.safety else { return Ok(None) };
    let items: Vec<String> = metrics
        .score
        .items
        .iter()
        .map(|i| format!("{} {}", i.figure, i.value.map_or("–".to_owned(), |v| format!("{v:.2}"))))
        .collect();
    eprintln!("{procedure:<16} {skill:<9} {seed:>4} {score:6.1}  {}", items.join(", "));
    Ok(Some(Scored { procedure, skill, score }))
}

/// The area under the curve with the scores dealt out at random, by a fixed sequence.
fn shuffles(scores: &[f64], first: usize) -> Vec<f64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        // SplitMix64 (Steele 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    };
    (0..SHUFFLES)
        .filter_map(|_| {
            let mut dealt = scores.to_vec();
            for k in (1..dealt.len()).rev() {
                dealt.swap(k, next(k + 1));
            }
            auc(&dealt[..first], &dealt[first..])
        })
        .collect()
}
