//! A model's folder: its files, what they say, and whether they fit together.

use super::json::{At, Json, parse, read};
use super::spine::Part;
use super::{Dataset, JsonError, Plan, SegmentError};
use crate::schemes::{Scheme, label_from_name};
use spinor_volume::Label;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// What kind of image a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modality {
    /// Computed tomography, in HU.
    Ct,
    /// Magnetic resonance.
    Mr,
}

/// `spinor.json`, all of it optional: what a plan does not say.
///
/// `{"scheme": "verse", "modality": "ct", "configuration": "3d_fullres", "tile_step": 0.5, "orientation": "RAS", "shrink": "mean",
/// "quality": "Dice 0.90 on 20 scans it never saw.", "uncertainty_mm": 1.5}`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// What the model's label numbers mean; otherwise its labels are known by their names.
    pub scheme: Option<Scheme>,
    /// Kind of image; otherwise CT if the first channel is called so, else MR.
    pub modality: Option<Modality>,
    /// Configuration of the plan.
    pub configuration: Option<String>,
    /// Step between tiles as a fraction of the patch.
    pub tile_step: Option<f64>,
    /// Whether the image is turned to the closest right-anterior-superior orientation first (`"orientation": "RAS"`), as
    /// TotalSegmentator does before it calls nnU-Net.
    pub reorient: bool,
    /// Whether an image of smaller voxels is brought to the plan's by the mean of what each covers (`"shrink": "mean"`), not by
    /// interpolation, which is nnU-Net's way.
    pub shrink_by_mean: bool,
    /// What the model was measured to do, in a sentence that every case made with it carries as a warning.
    pub quality: Option<String>,
    /// How far its surfaces were measured to be off, mm; no case claims less.
    pub uncertainty_mm: Option<f64>,
}

/// What stands in a model's folder.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFolder {
    /// The folder.
    pub path: PathBuf,
    /// From `plans.json`.
    pub plan: Plan,
    /// From `dataset.json`.
    pub dataset: Dataset,
    /// From `spinor.json`.
    pub settings: Settings,
    /// The networks, one a fold.
    pub networks: Vec<PathBuf>,
    /// A network that is part of the program, instead of files.
    pub embedded: Option<&'static [u8]>,
    /// From `mirroring.json`; none when there is no such file.
    pub mirroring: Option<Vec<usize>>,
}

/// Longest sentence on a model's quality, bytes.
const MOST_QUALITY: usize = 600;

impl ModelFolder {
    /// Reads the small files of a folder and finds the networks; none is loaded.
    ///
    /// # Errors
    /// When a file is missing or wrong, or the files contradict each other.
    pub fn open(path: &Path) -> Result<Self, SegmentError> {
        let settings = optional(&path.join("spinor.json"), settings)?.unwrap_or_default();
        let plan = Plan::read(&path.join("plans.json"), settings.configuration.as_deref())?;
        let dataset = Dataset::read(&path.join("dataset.json"))?;
        if plan.channels.len() != dataset.channels.len() {
            let (plans, dataset) = (plan.channels.len(), dataset.channels.len());
            return Err(SegmentError::ChannelsDisagree { folder: path.to_owned(), plans, dataset });
        }
        let networks = networks(path);
        if networks.is_empty() {
            return Err(SegmentError::NoNetwork { folder: path.to_owned() });
        }
        let mirroring = optional(&path.join("mirroring.json"), mirroring)?;
        Ok(Self { path: path.to_owned(), plan, dataset, settings, networks, embedded: None, mirroring })
    }

    /// A model that is part of the program: its small files as text, its network as bytes. `name` stands for its folder.
    pub(super) fn from_parts(
        name: &str,
        plans: &str,
        dataset: &str,
        spinor: &str,
        network: &'static [u8],
    ) -> Result<Self, SegmentError> {
        let json = parse("spinor.json", spinor.as_bytes())?;
        let settings = settings(&At::root("spinor.json", &json))?;
        let plan = Plan::parse("plans.json", plans.as_bytes(), settings.configuration.as_deref())?;
        let dataset = Dataset::parse("dataset.json", dataset.as_bytes())?;
        let path = PathBuf::from(name);
        Ok(Self { path, plan, dataset, settings, networks: Vec::new(), embedded: Some(network), mirroring: Some(Vec::new()) })
    }

    /// What each of the model's numbers is, if it is a model of parts ([`Part`]) without levels: one whose labels tell bodies from arches.
    pub fn parts(&self) -> Option<BTreeMap<u16, Part>> {
        let parts: BTreeMap<u16, Part> =
            self.dataset.names.iter().filter_map(|(value, name)| Some((*value, Part::from_name(name)?))).collect();
        let has = |part| parts.values().any(|p| *p == part);
        (has(Part::Body) && has(Part::Arch) && has(Part::Canal)).then_some(parts)
    }

    /// Axes the network may be mirrored along: what `mirroring.json` says, or all three, which is what nnU-Net trains by default.
    pub fn mirror_axes(&self) -> &[usize] {
        self.mirroring.as_deref().unwrap_or(&[0, 1, 2])
    }

    /// Whether images are turned to right-anterior-superior first.
    pub fn reorients(&self) -> bool {
        self.plan.reorient || self.settings.reorient
    }

    /// The kind of image the model takes.
    pub fn modality(&self) -> Modality {
        let ct = self.dataset.channels.first().is_some_and(|name| name.eq_ignore_ascii_case("ct"));
        self.settings.modality.unwrap_or(if ct { Modality::Ct } else { Modality::Mr })
    }

    /// Our label of each of the model's numbers that is a structure of the spine.
    pub fn labels(&self) -> BTreeMap<u16, Label> {
        let known = |(value, name): (&u16, &String)| {
            let label = match self.settings.scheme {
                Some(scheme) => scheme.map(*value),
                None => label_from_name(name),
            };
            Some((*value, label?))
        };
        self.dataset.names.iter().filter(|(value, _)| **value != 0).filter_map(known).collect()
    }
}

/// `model.onnx`, or else `model_fold0.onnx` and so on.
fn networks(folder: &Path) -> Vec<PathBuf> {
    let one = folder.join("model.onnx");
    if one.is_file() {
        return vec![one];
    }
    (0..100).map(|k| folder.join(format!("model_fold{k}.onnx"))).filter(|path| path.is_file()).collect()
}

fn optional<T>(path: &Path, from: impl Fn(&At<'_>) -> Result<T, JsonError>) -> Result<Option<T>, JsonError> {
    if !path.exists() {
        return Ok(None);
    }
    let json = read(path)?;
    from(&At::root(&path.display().to_string(), &json)).map(Some)
}

fn mirroring(root: &At<'_>) -> Result<Vec<usize>, JsonError> {
    let Some(axes) = root.find("inference_allowed_mirroring_axes")? else { return Ok(Vec::new()) };
    let mut out: Vec<usize> = axes.items()?.iter().map(|n| n.whole(2)).collect::<Result<_, _>>()?;
    out.sort_unstable();
    out.dedup();
    Ok(out)
}

fn settings(root: &At<'_>) -> Result<Settings, JsonError> {
    let mut out = Settings::default();
    for (key, at) in root.entries()? {
        if *at.json == Json::Null {
            continue;
        }
        match key {
            "scheme" => {
                out.scheme = Some(at.text()?.parse().map_err(|e: crate::schemes::UnknownScheme| at.wrong(e.to_string()))?)
            }
            "modality" => {
                out.modality = Some(match at.text()? {
                    "ct" => Modality::Ct,
                    "mr" => Modality::Mr,
                    other => return Err(at.wrong(format!("must be \"ct\" or \"mr\", is {other:?}"))),
                });
            }
            "configuration" => out.configuration = Some(at.text()?.to_owned()),
            "tile_step" => {
                let step = at.number()?;
                if !(step > 0.0 && step <= 1.0) {
                    return Err(at.wrong(format!("must be above 0 and at most 1, is {step}")));
                }
                out.tile_step = Some(step);
            }
            "orientation" => {
                out.reorient = match at.text()? {
                    "RAS" => true,
                    "as stored" => false,
                    other => return Err(at.wrong(format!("must be \"RAS\" or \"as stored\", is {other:?}"))),
                };
            }
            "shrink" => {
                out.shrink_by_mean = match at.text()? {
                    "mean" => true,
                    "interpolate" => false,
                    other => return Err(at.wrong(format!("must be \"mean\" or \"interpolate\", is {other:?}"))),
                };
            }
            "quality" => {
                let text = at.text()?;
                if text.len() > MOST_QUALITY {
                    return Err(at.wrong(format!("must have at most {MOST_QUALITY} bytes, has {}", text.len())));
                }
                out.quality = Some(text.to_owned());
            }
            "uncertainty_mm" => {
                let mm = at.number()?;
                if !(0.0..=20.0).contains(&mm) {
                    return Err(at.wrong(format!("must be within 0-20 mm, is {mm}")));
                }
                out.uncertainty_mm = Some(mm);
            }
            _ => {
                return Err(at.wrong(
                    "is no setting; known are scheme, modality, configuration, tile_step, orientation, shrink, quality and uncertainty_mm",
                ));
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    //! Settings are read, and wrong ones refused with their reason.

    use super::*;

    fn read(text: &str) -> Result<Settings, JsonError> {
        let json = parse("spinor.json", text.as_bytes())?;
        settings(&At::root("spinor.json", &json))
    }

    #[test]
    fn settings_are_read() {
        let all = r#"{"scheme":"VerSe","modality":"mr","configuration":"3d_lowres","tile_step":0.8,"orientation":"RAS","shrink":"mean",
            "quality":"Never measured.","uncertainty_mm":2.5}"#;
        let expected = Settings {
            scheme: Some(Scheme::Verse),
            modality: Some(Modality::Mr),
            configuration: Some("3d_lowres".to_owned()),
            tile_step: Some(0.8),
            reorient: true,
            shrink_by_mean: true,
            quality: Some("Never measured.".to_owned()),
            uncertainty_mm: Some(2.5),
        };
        assert_eq!(read(all).expect("good"), expected);
        assert_eq!(read("{}").expect("good"), Settings::default());
        let wrong = [
            (r#"{"scheme":"mine"}"#, "verse"),
            (r#"{"schema":"verse"}"#, "no setting"),
            (r#"{"tile_step":0}"#, "above 0"),
            (r#"{"modality":"us"}"#, "us"),
            (r#"{"orientation":"LPI"}"#, "LPI"),
            (r#"{"shrink":"most"}"#, "most"),
            (r#"{"uncertainty_mm":-1}"#, "0-20 mm"),
            ("[]", "object"),
        ];
        for (text, expected) in wrong {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(expected) && error.contains("spinor.json"), "{error}");
        }
    }

    #[test]
    fn mirroring_axes_are_read() {
        let axes = |text: &str| parse("m", text.as_bytes()).and_then(|json| mirroring(&At::root("m", &json)));
        assert_eq!(axes(r#"{"inference_allowed_mirroring_axes":[2,0]}"#).expect("good"), [0, 2]);
        assert!(axes(r#"{"inference_allowed_mirroring_axes":null}"#).expect("good").is_empty());
        assert!(axes(r#"{"inference_allowed_mirroring_axes":[3]}"#).is_err());
    }
}
