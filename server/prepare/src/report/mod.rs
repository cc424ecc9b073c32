//! The quality report: pages by which a clinician judges a prepared case by looking, before anybody operates on it.
//!
//! `report.html` holds everything it shows (pictures as PNG inside); `report.json` holds the same numbers for scripts. Neither
//! holds the patient's identity, which is not in a case.

mod canal;
mod facts;
mod fusion;
mod marks;
mod page;
mod slice;

use std::path::{Path, PathBuf};

use spinor_shared::case::{Case, ImageBricks};
use spinor_volume::Label;
use thiserror::Error;

use crate::files::write_whole;
use crate::render3d::{Camera, Direction, Style, render};
use crate::volume3d::Image;
use facts::Facts;
use slice::{Axes, Plane};

/// Why a report could not be written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The folder or a file could not be written.
    #[error("writing the report to {path}: {source}")]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A picture could not be encoded.
    #[error("encoding a picture of the report: {0}")]
    Picture(#[from] image::ImageError),
    /// The numbers could not be encoded.
    #[error("encoding the report's numbers: {0}")]
    Json(#[from] serde_json::Error),
}

/// A picture with what it shows.
struct Picture {
    caption: String,
    png: Vec<u8>,
    width: u32,
}

/// Writes `report.html` and `report.json` into `dir` (made if missing).
///
/// `ct` is the image that the case was made from; without it the slices show the case's MR behind the outlines, or nothing. Where the case
/// was made from a CT and the case holds an MR, it is shown over
/// the CT, and before that as it lay before it was registered if `mr`, the image that was read, is given. `hash` is the case's, for the title.
/// Takes some seconds, most of them for the pictures in space.
///
/// # Errors
/// When a file cannot be written or encoded.
pub fn write_report(
    dir: &Path,
    case: &Case,
    ct: Option<&Image<i16>>,
    mr: Option<&Image<f32>>,
    hash: &str,
) -> Result<(), ReportError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| ReportError::Io { path, source }
    };
    std::fs::create_dir_all(dir).map_err(io(dir))?;
    let facts = Facts::of(case, ct, hash);
    let views = views(case)?;
    let behind = Behind::of(case, ct);
    let overview = overview(case, &behind, &facts)?;
    let levels = levels(case, &behind, &facts)?;
    let fused = fusion::pictures(case, ct, mr, &facts)?;
    let html = page::page(&facts, &views, &overview, &fused, &levels);
    let path = dir.join("report.html");
    write_whole(&path, html.as_bytes()).map_err(io(&path))?;
    let path = dir.join("report.json");
    let mut numbers = serde_json::to_value(&facts)?;
    round(&mut numbers);
    write_whole(&path, (serde_json::to_string_pretty(&numbers)? + "\n").as_bytes()).map_err(io(&path))
}

/// Rounds fractions to four places: a tenth of a micrometre, and no digits that only binary numbers have.
fn round(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Number(number) if number.is_f64() => {
            let short = number.as_f64().map(|v| (v * 1e4).round() / 1e4 + 0.0);
            if let Some(short) = short.and_then(serde_json::Number::from_f64) {
                *number = short;
            }
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(round),
        serde_json::Value::Object(map) => map.values_mut().for_each(round),
        _ => {}
    }
}

fn png(picture: &image::RgbImage) -> Result<Vec<u8>, ReportError> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

fn views(case: &Case) -> Result<Vec<Picture>, ReportError> {
    let patient = &case.patient;
    let size = [440, 640];
    let aspect = f64::from(size[0]) / f64::from(size[1]);
    let bone = |label: Label| label.class() == Some(spinor_volume::TissueClass::Bone);
    let all = |_: Label| false;
    let soft = patient.structures().iter().any(|s| !bone(s.label));
    let mut out = Vec::new();
    for (caption, from, only_soft) in [
        ("From behind", Direction::Posterior, false),
        ("From the left", Direction::Left, false),
        ("From behind, left and above", Direction::Oblique, false),
        ("From behind, bone taken away", Direction::Posterior, true),
    ] {
        if only_soft && !soft {
            continue;
        }
        let hide: &(dyn Fn(Label) -> bool + Sync) = if only_soft { &bone } else { &all };
        let camera = Camera::of(patient, from, aspect);
        let mut picture = render(patient, &camera, &Style { size, hide, ..Style::default() });
        marks::draw(&mut picture, camera.right(), camera.down());
        out.push(Picture { caption: caption.to_owned(), png: png(&picture)?, width: size[0] });
    }
    Ok(out)
}

fn overview(case: &Case, behind: &Behind<'_>, facts: &Facts) -> Result<Vec<Picture>, ReportError> {
    let (low, high) = (facts.low_mm, facts.high_mm);
    let middle = facts.middle_mm;
    let tall = high[2] - low[2] + 16.0;
    let deep = high[1] - low[1] + 24.0;
    let wide = high[0] - low[0] + 16.0;
    let centre_z = (low[2] + high[2]) / 2.0;
    let sagittal = Plane {
        centre: [middle[0], (low[1] + high[1]) / 2.0, centre_z],
        axes: Axes::SAGITTAL,
        size_mm: [deep, tall],
        mm_per_pixel: 0.4,
    };
    // Through the vertebral bodies, and through the arches behind them.
    let front = middle[1] - 16.0;
    let coronal = Plane { centre: [middle[0], front, centre_z], axes: Axes::CORONAL, size_mm: [wide, tall], mm_per_pixel: 0.4 };
    let arches = Plane { centre: [middle[0], middle[1] + 14.0, centre_z], ..coronal };
    let named =
        [("Sagittal, through the middle", sagittal), ("Coronal, in front", coronal), ("Coronal, through the arches", arches)];
    named.into_iter().map(|(caption, plane)| picture(case, behind, caption.to_owned(), &plane)).collect()
}

fn levels(case: &Case, behind: &Behind<'_>, facts: &Facts) -> Result<Vec<Picture>, ReportError> {
    let cut = |caption: String, centre: [f64; 3], up: [f64; 3]| {
        let plane = Plane { centre, axes: Axes::axial(up), size_mm: [108.0, 96.0], mm_per_pixel: 0.36 };
        picture(case, behind, caption, &plane)
    };
    facts.planes.iter().map(|p| cut(p.caption.clone(), p.centre, p.up)).collect()
}

fn picture(case: &Case, behind: &Behind<'_>, caption: String, plane: &Plane) -> Result<Picture, ReportError> {
    let drawn = slice::draw(&case.patient, plane, |_| true, |_, at| behind.grey(at));
    Ok(Picture { caption, png: png(&drawn)?, width: drawn.width() })
}

/// The image behind the outlines of a slice.
enum Behind<'a> {
    Ct(&'a Image<i16>),
    /// With the values that are drawn black and white.
    Mr(&'a ImageBricks, [f64; 2]),
    Nothing,
}

impl<'a> Behind<'a> {
    fn of(case: &'a Case, ct: Option<&'a Image<i16>>) -> Self {
        match (ct, &case.mr) {
            (Some(ct), _) => Self::Ct(ct),
            (None, Some(mr)) if case.ct.is_none() => Self::Mr(mr, fusion::window(fusion::values(mr))),
            _ => Self::Nothing,
        }
    }

    fn grey(&self, at: [f64; 3]) -> f64 {
        match self {
            Self::Ct(ct) => ct.trilinear_at_mm(at).map_or(0.0, slice::grey),
            Self::Mr(mr, window) => mr.sample_hu(at).map_or(0.0, |v| fusion::grey(f64::from(v), *window)),
            Self::Nothing => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phantom;

    /// L4 and L5 in coarse images, and the anatomy as a patient.
    pub(super) fn small_phantom() -> (phantom::Phantom, spinor_volume::Patient) {
        let options = phantom::Options {
            levels: "L4-L5".parse().unwrap(),
            spacing_mm: [1.5; 3],
            mr_spacing_mm: [3.0; 3],
            ..Default::default()
        };
        let patient = phantom::patient(&phantom::anatomy(&options).unwrap(), options.levels, 1.0).unwrap();
        (phantom::generate(&options).unwrap(), patient)
    }
    use spinor_shared::case::CaseMeta;

    /// A case's report is written whole: warnings come first, every structure has its row and its outline's colour, the pictures
    /// are inside, the numbers are those of the case, and nothing else lies beside the two files.
    #[test]
    fn a_phantoms_report_is_whole() {
        let (made, patient) = small_phantom();
        let meta = CaseMeta { warnings: vec!["Something <b>odd</b>.".to_owned()], ..CaseMeta::default() };
        let case = Case { patient, ct: None, mr: None, meta };
        let dir = tempfile::tempdir().unwrap();
        write_report(dir.path(), &case, Some(&made.ct), None, "0123abcd").unwrap();
        let html = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
        assert!(html.contains("not a medical device") && html.contains("Something &lt;b&gt;odd&lt;/b&gt;."));
        assert!(html.find("Something").unwrap() < html.find("<img").unwrap(), "warnings stand before the pictures");
        assert!(html.matches("data:image/png;base64,").count() >= 9);
        for s in case.patient.structures() {
            assert!(html.contains(&s.label.name()), "{}", s.label);
        }
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(dir.path().join("report.json")).unwrap()).unwrap();
        let l4 = &json["structures"]["vertebrae_L4"];
        let truth = case.patient.structure(Label::lumbar(4)).unwrap().volume_mm3;
        assert!((l4["volume_mm3"].as_f64().unwrap() - truth).abs() < 1.0 && l4["source"] == "phantom");
        let hu = l4["mean_hu"].as_f64().unwrap();
        assert!((150.0..700.0).contains(&hu), "mean HU of a vertebra: {hu}");
        assert_eq!(json["sources"]["phantom"], case.patient.structures().len());
        // L4 and L5 at their pedicles and the disc between them: a sac of about 150 mm².
        let canal = json["canal"].as_array().unwrap();
        assert_eq!(canal.len(), 3, "{canal:?}");
        assert!(canal.iter().all(|c| (60.0..260.0).contains(&c["area_mm2"].as_f64().unwrap())), "{canal:?}");
        assert!(html.contains("Area of the canal") && html.contains("L4/L5, through the disc"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
