//! What a decompression can come to on phantoms of severe stenosis: `cargo run --release -p spinor-prepare --example decompression -- SEED...`
//! With `SEED=OUT.spinor` the phantom's CT is prepared with its labels as `spinor prepare` does and the case is written; without, the
//! anatomy is sampled directly.
//!
//! Prints the least area of L4/L5's canal as imaged and once all flavum between the pedicles is gone with the lamina above it, the latter
//! slice by slice from the lower pedicles up: sac as imaged, unstenosed outline, sac then.

use std::error::Error;
use std::path::Path;

use spinor_prepare::nifti_io::write_nifti;
use spinor_prepare::phantom::{self, Options};
use spinor_prepare::pipeline::{PrepareOptions, prepare};
use spinor_prepare::schemes::Scheme;
use spinor_volume::measure::Reference;
use spinor_volume::{ClassMask, CutOp, CutState, Label, Patient, TissueClass};

/// Half the width that is unroofed, mm.
const HALF_WIDTH_MM: f64 = 11.5;

fn main() -> Result<(), Box<dyn Error>> {
    for word in std::env::args().skip(1) {
        let (seed, out) = word.split_once('=').map_or((word.as_str(), None), |(seed, out)| (seed, Some(out)));
        let options =
            Options { seed: seed.parse()?, stenosis: Some("severe".parse()?), levels: "L3-S1".parse()?, ..Options::default() };
        let patient = match out {
            None => phantom::patient(&phantom::anatomy(&options)?, options.levels, 0.8)?,
            Some(out) => case(&options, Path::new(out))?,
        };
        let reference = Reference::build(&patient)?;
        let levels = reference.anatomy().levels();
        let level = levels.iter().position(|l| reference.anatomy().upper(l).label == Label::lumbar(4)).ok_or("no L4")?;
        let cut = unroofed(&patient, &reference, level)?;
        let mm2 = |um2: i64| um2 as f64 / 1e6;
        let measures = reference.measure_level(&patient, &cut, level).ok_or("no measures")?;
        let [before, free] = [measures.least_before_um2(), measures.least_free_um2()].map(|v| v.map_or(f64::NAN, mm2));
        println!("seed {seed}: {before:.1} mm2 as imaged, {free:.1} mm2 once free");
        for s in &measures.canal {
            let [imaged, whole, free] = [s.imaged_um2, s.unstenosed_um2, s.free_um2].map(mm2);
            println!("  {:6.1} mm  {imaged:6.1} {whole:6.1} {free:6.1}", f64::from(s.along_um) / 1e3);
        }
    }
    Ok(())
}

/// The phantom's CT prepared with its labels.
fn case(options: &Options, out: &Path) -> Result<Patient, Box<dyn Error>> {
    let dir = out.with_extension("images");
    std::fs::create_dir_all(&dir)?;
    // The MR is not looked at: it may be coarse.
    let phantom = phantom::generate(&Options { mr_spacing_mm: [3.0; 3], ..*options })?;
    write_nifti(&dir.join("ct.nii.gz"), &phantom.ct)?;
    write_nifti(&dir.join("labels.nii.gz"), &phantom.labels)?;
    let labels = Some((dir.join("labels.nii.gz"), Scheme::TotalSpineSeg));
    let prepared =
        prepare(&PrepareOptions { ct: Some(dir.join("ct.nii.gz")), labels, ..PrepareOptions::default() }, &mut |_, _| {})?;
    std::fs::write(out, &prepared.bytes)?;
    Ok(prepared.case.patient)
}

/// All flavum behind the sac taken between the pedicles, and the lamina above the disc.
fn unroofed(patient: &Patient, reference: &Reference, level: usize) -> Result<CutState, Box<dyn Error>> {
    let (grid, anatomy) = (patient.grid(), reference.anatomy());
    let mut cut = CutState::new(grid);
    let level = anatomy.levels().get(level).ok_or("no such level")?;
    let measured = reference.measure(patient, &cut);
    let slices = &measured.levels.iter().find(|l| l.upper == Label::lumbar(4)).ok_or("no L4")?.canal;
    let middle = slices.len() / 2;
    for (k, slice) in slices.iter().enumerate() {
        let Some(frame) = anatomy.axis().section(f64::from(slice.along_um) / 1e3, level.joint.frame.left) else { continue };
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(|axis| frame.direction(axis));
        let mut classes = vec![TissueClass::Flavum];
        if k >= middle {
            classes.push(TissueClass::Bone);
        }
        let op =
            CutOp::box_mm(grid, frame.patient([0.0, 9.0, 0.0]), [HALF_WIDTH_MM, 9.0, 0.7], axes, 0.0, ClassMask::of(&classes))?;
        cut.apply(patient, &op);
    }
    Ok(cut)
}
