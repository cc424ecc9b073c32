//! How close the built-in model for CT comes to a reference: Dice and surface distance of every structure, and the time it took.
//!
//! `cargo run --release -p spinor-prepare --example segmentation -- CT LABELS SCHEME [LOWEST]` compares with a label map on the CT's own
//! voxels, `... -- phantom 1000-1004` with phantoms of those seeds (scoliosis and stenosis vary with the seed). A further argument
//! `--write FILE` keeps the last label map. Another model is run when `SPINOR_MODEL` names its folder. In the place of a model, `SPINOR_PARTS`
//! names an image of parts on the CT's voxels (`python -m spineseg.parts`), which tells what is lost after the network.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use spinor_prepare::evaluate::score;
use spinor_prepare::nifti_io::{read_nifti_i16, read_nifti_u16, write_nifti};
use spinor_prepare::phantom::{Options, generate};
use spinor_prepare::schemes::Scheme;
use spinor_prepare::segment::spine::{Guide, spine_from_parts, vertebra};
use spinor_prepare::segment::{Modality, ModelFolder, Scan, built_in, segment_for_case};
use spinor_prepare::surface::Mask;
use spinor_prepare::volume3d::Image;
use spinor_volume::{Label, TissueClass};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut write = None;
    if let Some(at) = arguments.iter().position(|a| a == "--write") {
        write = arguments.get(at + 1).map(PathBuf::from);
        arguments.truncate(at);
    }
    match arguments.as_slice() {
        [kind, range] if kind == "phantom" => {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            for seed in first.parse::<u64>()?..=last.parse()? {
                let options = Options {
                    seed,
                    scoliosis_deg: [0.0, 8.0, 0.0, -15.0][(seed % 4) as usize],
                    stenosis: [None, Some("mild".parse()?), Some("severe".parse()?)][(seed % 3) as usize],
                    ..Options::default()
                };
                let made = generate(&options)?;
                println!("phantom {seed}");
                compare(&made.ct, &made.labels, None, write.as_deref())?;
            }
        }
        [ct, labels, scheme, rest @ ..] => {
            let lowest = rest.first().map(|level| vertebra(level)).transpose()?;
            let ct = read_nifti_i16(Path::new(ct))?;
            let mut reference = read_nifti_u16(Path::new(labels))?;
            scheme.parse::<Scheme>()?.relabel(&mut reference.voxels);
            compare(&ct, &reference, lowest, write.as_deref())?;
        }
        _ => return Err("give CT LABELS SCHEME [LOWEST], or phantom FIRST-LAST".into()),
    }
    Ok(())
}

fn compare(ct: &Image<i16>, reference: &Image<u16>, lowest: Option<Label>, write: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let (found, notes) = match std::env::var_os("SPINOR_PARTS") {
        Some(parts) => {
            let spine = spine_from_parts(&read_nifti_u16(Path::new(&parts))?, Guide::Ct(ct), lowest)?;
            (spine.labels, spine.notes)
        }
        None => {
            let model = match std::env::var_os("SPINOR_MODEL") {
                Some(folder) => ModelFolder::open(Path::new(&folder))?,
                None => built_in(Modality::Ct)?,
            };
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            let found = segment_for_case(model, Scan::Ct(ct), lowest, threads, &mut |_| {})?;
            (found.labels, found.notes)
        }
    };
    println!("  {:.1} s", start.elapsed().as_secs_f64());
    if reference.geometry.size != ct.geometry.size {
        return Err("the reference does not lie on the CT's voxels".into());
    }
    notes.iter().for_each(|note| println!("  ! {note}"));
    let is = |image: &Image<u16>, wanted: &dyn Fn(u16) -> bool| Mask {
        // The reference's own may differ by rounding.
        size: ct.geometry.size,
        spacing_mm: ct.geometry.spacing_mm,
        inside: image.voxels.iter().map(|v| wanted(*v)).collect(),
    };
    let line = |name: &str, wanted: &dyn Fn(u16) -> bool| {
        let s = score(&is(&found, wanted), &is(reference, wanted));
        println!("  {name:<34} Dice {:.3}  HD95 {:6.2}  ASSD {:5.2}  volume {:.2}", s.dsc, s.hd95_mm, s.assd_mm, s.volume_ratio);
        s.dsc
    };
    let labels: BTreeSet<u16> = reference.voxels.iter().copied().filter(|v| *v != 0).collect();
    let of_class = |class: TissueClass| {
        let all: Vec<f64> = labels
            .iter()
            .filter(|v| Label(**v).class() == Some(class) && **v != Label::SACRUM.0)
            .map(|label| line(&Label(*label).name(), &|v| v == *label))
            .collect();
        if all.is_empty() { f64::NAN } else { all.iter().sum::<f64>() / all.len() as f64 }
    };
    let vertebrae = of_class(TissueClass::Bone);
    let discs = of_class(TissueClass::Disc);
    let is_vertebra = |v: u16| Label(v).class() == Some(TissueClass::Bone) && v != Label::SACRUM.0;
    line("all vertebrae together", &is_vertebra);
    // A vertebra that the reference leaves out, above or below those it has, is not held against the model here.
    line("all that the reference names", &|v| is_vertebra(v) && labels.contains(&v));
    for label in [Label::SACRUM, Label::DURAL_SAC].into_iter().filter(|l| labels.contains(&l.0)) {
        line(&label.name(), &|v| v == label.0);
    }
    println!("  mean Dice: vertebrae {vertebrae:.3}, discs {discs:.3}");
    let extra: BTreeSet<u16> = found.voxels.iter().copied().filter(|v| *v != 0 && !labels.contains(v)).collect();
    println!("  found beyond the reference: {}", extra.iter().map(|v| Label(*v).name()).collect::<Vec<_>>().join(", "));
    if let Some(path) = write {
        write_nifti(path, &found)?;
    }
    Ok(())
}
