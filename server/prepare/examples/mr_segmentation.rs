//! How close the built-in model for MR comes to references of one structure: vertebral bodies alone, discs alone, or phantoms whose truth is
//! known whole. The whole chain of `prepare` (parts, vertebrae, levels), on the image's own voxels.
//!
//! `cargo run --release -p spinor-prepare --example mr_segmentation -- bodies IMAGE LABELS` (numbers 1-5 are L1-L5),
//! `... -- discs IMAGE LABELS` (numbers 1-5 are L5/S1 to L1/L2), `... -- phantom 1000-1001`, `... -- none IMAGE`. A further argument
//! `--write FILE` keeps the last label map. Another model is run when `SPINOR_MODEL` names its folder.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use spinor_prepare::evaluate::score;
use spinor_prepare::nifti_io::{read_nifti_f32, read_nifti_u16, write_nifti};
use spinor_prepare::phantom::{Options, generate};
use spinor_prepare::segment::spine::Part;
use spinor_prepare::segment::{self, Modality, Model, ModelFolder, Scan, built_in, segment_for_case};
use spinor_prepare::surface::Mask;
use spinor_prepare::volume3d::Image;
use spinor_volume::Label;

/// What the reference labels.
#[derive(Clone, Copy, PartialEq)]
enum Says {
    Bodies,
    Discs,
    All,
    Nothing,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut write = None;
    if let Some(at) = arguments.iter().position(|a| a == "--write") {
        write = arguments.get(at + 1).map(PathBuf::from);
        arguments.truncate(at);
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["phantom", range] => {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            for seed in first.parse::<u64>()?..=last.parse()? {
                let made = generate(&Options { seed, ..Options::default() })?;
                println!("phantom {seed}");
                compare(&made.mr, Some(&made.mr_labels), Says::All, write.as_deref())?;
            }
        }
        [kind @ ("bodies" | "discs"), image, labels] => {
            println!("{image}");
            let mut reference = read_nifti_u16(Path::new(labels))?;
            let bodies = *kind == "bodies";
            for voxel in &mut reference.voxels {
                *voxel = match *voxel {
                    n @ 1..=5 if bodies => 40 + n,
                    1 => 100,
                    n @ 2..=5 => 97 - n,
                    _ => 0,
                };
            }
            let says = if bodies { Says::Bodies } else { Says::Discs };
            compare(&read_nifti_f32(Path::new(image))?, Some(&reference), says, write.as_deref())?;
        }
        ["none", image] => compare(&read_nifti_f32(Path::new(image))?, None, Says::Nothing, write.as_deref())?,
        _ => return Err("give bodies IMAGE LABELS, discs IMAGE LABELS, phantom FIRST-LAST, or none IMAGE".into()),
    }
    Ok(())
}

fn model() -> Result<ModelFolder, segment::SegmentError> {
    match std::env::var_os("SPINOR_MODEL") {
        Some(folder) => ModelFolder::open(Path::new(&folder)),
        None => built_in(Modality::Mr),
    }
}

fn compare(mr: &Image<f32>, reference: Option<&Image<u16>>, says: Says, write: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let folder = model()?;
    let parts = folder.parts().ok_or("the model is none of parts")?;
    let found = segment_for_case(folder, Scan::Mr(mr), None, threads, &mut |_| {})?;
    println!("  {:.1} s", start.elapsed().as_secs_f64());
    found.notes.iter().for_each(|note| println!("  ! {note}"));
    if let Some(path) = write {
        write_nifti(path, &found.labels)?;
    }
    let own: BTreeSet<u16> = found.labels.voxels.iter().copied().filter(|v| *v != 0).collect();
    for label in &own {
        println!("  found {:<30} confidence {:?}", Label(*label).name(), found.confidence.get(label));
    }
    let Some(reference) = reference else { return Ok(()) };
    if reference.geometry.size != mr.geometry.size {
        return Err("the reference does not lie on the image's voxels".into());
    }
    // What the network called body, for a reference of bodies alone: arches are not in it.
    let called =
        Model::from_folder(model()?, threads)?.segment(std::slice::from_ref(mr), &segment::Options::default(), &mut |_| {})?;
    let body = |at: usize| says != Says::Bodies || parts.get(&called.voxels[at]) == Some(&Part::Body);
    let mask = |inside: Vec<bool>| Mask { size: mr.geometry.size, spacing_mm: mr.geometry.spacing_mm, inside };
    let line = |name: &str, wanted: &dyn Fn(u16) -> bool| {
        let a = mask(found.labels.voxels.iter().enumerate().map(|(at, v)| wanted(*v) && body(at)).collect());
        let b = mask(reference.voxels.iter().map(|v| wanted(*v)).collect());
        let s = score(&a, &b);
        println!("  {name:<34} Dice {:.3}  HD95 {:6.2}  ASSD {:5.2}  volume {:.2}", s.dsc, s.hd95_mm, s.assd_mm, s.volume_ratio);
        s.dsc
    };
    let bone = |v: u16| (41..=46).contains(&v);
    let disc = |v: u16| (91..=100).contains(&v);
    let labels: BTreeSet<u16> = reference.voxels.iter().copied().filter(|v| *v != 0).collect();
    for (what, of) in [("bones", &bone as &dyn Fn(u16) -> bool), ("discs", &disc)] {
        let each: Vec<f64> = labels.iter().filter(|v| of(**v)).map(|l| line(&Label(*l).name(), &|v| v == *l)).collect();
        if !each.is_empty() {
            // Right or wrong names, where the reference has such structures; one beyond it is not held against the model here.
            let named = |v: u16| of(v) && labels.contains(&v);
            line(&format!("all {what} that the reference names"), &named);
            println!("  mean of {} {what}: Dice {:.3}", each.len(), each.iter().sum::<f64>() / each.len() as f64);
        }
    }
    if says == Says::All {
        line("sacrum", &|v| v == Label::SACRUM.0);
        // The cord lies in the sac.
        line("dural sac with cord", &|v| v == Label::DURAL_SAC.0 || v == Label::SPINAL_CORD.0);
    }
    Ok(())
}
