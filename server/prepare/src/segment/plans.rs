//! `plans.json`: how nnU-Net prepares an image for one of its networks, and how it brings the result back.
//!
//! What would make the result differ from nnU-Net's own (another resampling, a cascade, a 2-D configuration) is refused here,
//! never guessed.

use super::json::{At, Json, JsonError, parse, read};
use std::path::Path;

/// Largest patch, voxels: 512³.
const MOST_PATCH_VOXELS: usize = 1 << 27;

/// One 3-D configuration of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The dataset's name.
    pub dataset: String,
    /// The configuration's name (`3d_fullres`).
    pub configuration: String,
    /// Axis k of the transposed image is axis `transpose_forward[k]` of the image (z, y, x).
    pub transpose_forward: [usize; 3],
    /// The inverse.
    pub transpose_backward: [usize; 3],
    /// Voxel spacing the network works at, mm, transposed axes.
    pub spacing_mm: [f64; 3],
    /// Voxels the network sees at a time, transposed axes.
    pub patch: [usize; 3],
    /// How each channel is normalised.
    pub channels: Vec<Channel>,
    /// How the image is resampled.
    pub data: Resampling,
    /// How the network's output is resampled.
    pub logits: Resampling,
    /// Whether the image is first turned to the closest right-anterior-superior orientation (`NibabelIOWithReorient`).
    pub reorient: bool,
}

/// How one channel is normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Channel {
    /// The scheme with its constants.
    pub scheme: Normalisation,
    /// Whether only what lies inside the non-zero region counts.
    pub masked: bool,
}

/// nnU-Net's normalisation schemes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Normalisation {
    /// Clip to percentiles of the training set's foreground, subtract its mean, divide by its deviation.
    Ct {
        /// 0.5th percentile.
        low: f64,
        /// 99.5th percentile.
        high: f64,
        /// Mean.
        mean: f64,
        /// Standard deviation.
        std: f64,
    },
    /// Subtract the image's mean, divide by its deviation.
    ZScore,
    /// Leave as it is.
    None,
    /// Minimum to 0, maximum to 1.
    ZeroToOne,
    /// 0-255 to 0-1.
    Rgb,
}

/// nnU-Net's `resample_data_or_seg_to_shape` with its arguments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resampling {
    /// Spline order in the plane or in space: 0, 1 or 3.
    pub order: usize,
    /// Spline order along the axis of low resolution: 0, 1 or 3.
    pub order_z: usize,
    /// Whether that axis is treated apart; decided from the spacings when none.
    pub force_separate_z: Option<bool>,
    /// Ratio of spacings above which it is.
    pub threshold: f64,
}

impl Plan {
    /// Reads a configuration of a plans file: `configuration`, or `3d_fullres` when none is given, or the only 3-D one.
    ///
    /// # Errors
    /// When the file cannot be read, a value is missing or wrong, or the configuration is one this engine does not run.
    pub fn read(path: &Path, configuration: Option<&str>) -> Result<Self, JsonError> {
        let json = read(path)?;
        Self::from_json(&At::root(&path.display().to_string(), &json), configuration)
    }

    /// As [`Self::read`], from bytes; `file` is the name used in messages.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(file: &str, bytes: &[u8], configuration: Option<&str>) -> Result<Self, JsonError> {
        let json = parse(file, bytes)?;
        Self::from_json(&At::root(file, &json), configuration)
    }

    fn from_json(root: &At<'_>, configuration: Option<&str>) -> Result<Self, JsonError> {
        let configurations = root.need("configurations")?;
        let name = choose(&configurations, configuration)?;
        let config = Inherited::new(&configurations, &name)?;
        if let Some(previous) = config.find("previous_stage")? {
            return Err(previous.unsupported("a cascade, which needs the result of another network"));
        }
        if let Some(preprocessor) = config.find("preprocessor_name")?
            && preprocessor.text()? != "DefaultPreprocessor"
        {
            return Err(preprocessor.unsupported(format!("preprocessor {:?}", preprocessor.text()?)));
        }
        let patch_at = config.need("patch_size")?;
        let patch = patch_at.three(|n| n.whole(4096))?;
        let voxels: usize = patch.iter().product();
        if voxels == 0 || voxels > MOST_PATCH_VOXELS {
            return Err(patch_at.wrong(format!("a patch of {patch:?} voxels is empty or larger than 512³")));
        }
        let spacing_at = config.need("spacing")?;
        let spacing_mm = spacing_at.three(At::number)?;
        if spacing_mm.iter().any(|s| !(0.01..=1000.0).contains(s)) {
            return Err(spacing_at.wrong(format!("spacing {spacing_mm:?} mm is not within 0.01-1000 mm")));
        }
        let (transpose_forward, transpose_backward) = transposes(root)?;
        Ok(Self {
            dataset: root.find("dataset_name")?.map_or(Ok(""), |n| n.text())?.to_owned(),
            configuration: name,
            transpose_forward,
            transpose_backward,
            spacing_mm,
            patch,
            channels: channels(root, &config)?,
            data: resampling(&config, "resampling_fn_data")?,
            logits: resampling(&config, "resampling_fn_probabilities")?,
            reorient: reorients(root)?,
        })
    }
}

/// A configuration and those it inherits from, nearest first.
struct Inherited<'a> {
    own: At<'a>,
    parents: Vec<At<'a>>,
}

impl<'a> Inherited<'a> {
    fn new(configurations: &At<'a>, name: &str) -> Result<Self, JsonError> {
        let own = configurations.need(name)?;
        let mut parents: Vec<At<'a>> = Vec::new();
        while let Some(parent) = parents.last().unwrap_or(&own).find("inherits_from")? {
            if parents.len() > 16 {
                return Err(parent.wrong("configurations inherit from each other in a circle"));
            }
            parents.push(configurations.need(parent.text()?)?);
        }
        Ok(Self { own, parents })
    }

    fn find(&self, key: &str) -> Result<Option<At<'a>>, JsonError> {
        for config in std::iter::once(&self.own).chain(&self.parents) {
            if config.object()?.iter().any(|(k, _)| k == key) {
                return config.find(key);
            }
        }
        Ok(None)
    }

    fn need(&self, key: &str) -> Result<At<'a>, JsonError> {
        match self.find(key)? {
            Some(at) => Ok(at),
            None => self.own.need(key),
        }
    }
}

fn choose(configurations: &At<'_>, wanted: Option<&str>) -> Result<String, JsonError> {
    let entries = configurations.entries()?;
    let names: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
    if let Some(wanted) = wanted {
        return if names.contains(&wanted) {
            Ok(wanted.to_owned())
        } else {
            Err(configurations.wrong(format!("has no configuration {wanted:?}, only {}", names.join(", "))))
        };
    }
    if names.contains(&"3d_fullres") {
        return Ok("3d_fullres".to_owned());
    }
    let spatial: Vec<&str> = names.iter().copied().filter(|n| n.starts_with("3d") && !n.contains("cascade")).collect();
    match spatial.as_slice() {
        [one] => Ok((*one).to_owned()),
        [] => Err(configurations.unsupported(format!("no 3-D configuration among {}", names.join(", ")))),
        _ => Err(configurations.wrong(format!("name one configuration of {} in spinor.json", spatial.join(", ")))),
    }
}

fn transposes(root: &At<'_>) -> Result<([usize; 3], [usize; 3]), JsonError> {
    let forward_at = root.need("transpose_forward")?;
    let backward_at = root.need("transpose_backward")?;
    let forward = forward_at.three(|n| n.whole(2))?;
    let backward = backward_at.three(|n| n.whole(2))?;
    let mut sorted = forward;
    sorted.sort_unstable();
    if sorted != [0, 1, 2] {
        return Err(forward_at.wrong(format!("{forward:?} is no order of the axes 0, 1, 2")));
    }
    if (0..3).any(|k| backward[forward[k]] != k) {
        return Err(backward_at.wrong(format!("{backward:?} does not undo transpose_forward {forward:?}")));
    }
    Ok((forward, backward))
}

fn channels(root: &At<'_>, config: &Inherited<'_>) -> Result<Vec<Channel>, JsonError> {
    let schemes_at = config.need("normalization_schemes")?;
    let masks_at = config.need("use_mask_for_norm")?;
    let (schemes, masks) = (schemes_at.items()?, masks_at.items()?);
    if schemes.is_empty() || schemes.len() > 64 {
        return Err(schemes_at.wrong(format!("must name 1-64 channels, names {}", schemes.len())));
    }
    if schemes.len() != masks.len() {
        return Err(masks_at.wrong(format!("has {} items for {} normalisation schemes", masks.len(), schemes.len())));
    }
    let mut out = Vec::with_capacity(schemes.len());
    for (k, (scheme_at, mask_at)) in schemes.iter().zip(&masks).enumerate() {
        let scheme = match scheme_at.text()? {
            "CTNormalization" => ct(root, k)?,
            "ZScoreNormalization" => Normalisation::ZScore,
            "NoNormalization" => Normalisation::None,
            "RescaleTo01Normalization" => Normalisation::ZeroToOne,
            "RGBTo01Normalization" => Normalisation::Rgb,
            other => return Err(scheme_at.unsupported(format!("normalisation {other:?}"))),
        };
        out.push(Channel { scheme, masked: *mask_at.json == Json::Bool(true) });
    }
    Ok(out)
}

fn ct(root: &At<'_>, channel: usize) -> Result<Normalisation, JsonError> {
    let values = root.need("foreground_intensity_properties_per_channel")?.need(&channel.to_string())?;
    let value = |key: &str| values.need(key)?.number();
    let (low, high) = (value("percentile_00_5")?, value("percentile_99_5")?);
    if low > high {
        return Err(values.wrong(format!("percentile_00_5 {low} is above percentile_99_5 {high}")));
    }
    Ok(Normalisation::Ct { low, high, mean: value("mean")?, std: value("std")? })
}

fn resampling(config: &Inherited<'_>, function: &str) -> Result<Resampling, JsonError> {
    let name = config.need(function)?;
    if name.text()? != "resample_data_or_seg_to_shape" {
        return Err(name.unsupported(format!("resampling function {:?}", name.text()?)));
    }
    let arguments = config.need(&format!("{function}_kwargs"))?;
    let mut out = Resampling { order: 3, order_z: 0, force_separate_z: None, threshold: 3.0 };
    for (key, at) in arguments.entries()? {
        match key {
            "is_seg" => {
                if at.boolean()? {
                    return Err(at.unsupported("resampling as a label map"));
                }
            }
            "order" => out.order = order(&at)?,
            "order_z" => out.order_z = order(&at)?,
            "force_separate_z" => out.force_separate_z = if *at.json == Json::Null { None } else { Some(at.boolean()?) },
            "separate_z_anisotropy_threshold" => out.threshold = at.number()?,
            _ => return Err(at.unsupported("this argument of the resampling")),
        }
    }
    Ok(out)
}

fn order(at: &At<'_>) -> Result<usize, JsonError> {
    match at.whole(5)? {
        n @ (0 | 1 | 3) => Ok(n),
        n => Err(at.unsupported(format!("spline order {n} (0, 1 and 3 are)"))),
    }
}

fn reorients(root: &At<'_>) -> Result<bool, JsonError> {
    let Some(reader) = root.find("image_reader_writer")? else { return Ok(false) };
    match reader.text()? {
        "SimpleITKIO" | "NibabelIO" => Ok(false),
        "NibabelIOWithReorient" => Ok(true),
        other => Err(reader.unsupported(format!("image reader {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    //! A plan as nnU-Net writes it is read, and every hostile or unsupported variant is refused with its place and reason.

    use super::*;

    /// A complete plan with one piece of text replaced.
    fn plan(from: &str, to: &str) -> Result<Plan, JsonError> {
        let whole = r#"{"dataset_name":"Dataset001_x","image_reader_writer":"SimpleITKIO","transpose_forward":[2,0,1],
            "transpose_backward":[1,2,0],"foreground_intensity_properties_per_channel":{"0":{"mean":1.5,"std":2,
            "percentile_00_5":-3,"percentile_99_5":4}},"configurations":{"2d":{"patch_size":[8,8]},"3d_fullres":{
            "preprocessor_name":"DefaultPreprocessor","patch_size":[16,24,32],"spacing":[3,1,1.5],
            "normalization_schemes":["CTNormalization","ZScoreNormalization"],"use_mask_for_norm":[false,true],
            "resampling_fn_data":"resample_data_or_seg_to_shape","resampling_fn_data_kwargs":{"is_seg":false,"order":3,
            "order_z":0,"force_separate_z":null},"resampling_fn_probabilities":"resample_data_or_seg_to_shape",
            "resampling_fn_probabilities_kwargs":{"is_seg":false,"order":1,"order_z":0,"force_separate_z":null}},
            "3d_small":{"inherits_from":"3d_fullres","patch_size":[8,8,8]}}}"#;
        assert!(whole.contains(from), "{from}");
        Plan::parse("plans.json", whole.replacen(from, to, 1).as_bytes(), None)
    }

    #[test]
    fn a_plan_is_read() {
        let read = plan("x", "x").expect("a good plan");
        assert_eq!((read.patch, read.spacing_mm, read.transpose_forward), ([16, 24, 32], [3.0, 1.0, 1.5], [2, 0, 1]));
        assert_eq!(read.channels[0].scheme, Normalisation::Ct { low: -3.0, high: 4.0, mean: 1.5, std: 2.0 });
        assert_eq!(read.channels[1], Channel { scheme: Normalisation::ZScore, masked: true });
        assert_eq!((read.data.order, read.logits.order), (3, 1));
        assert!(!read.reorient);
        assert!(plan("SimpleITKIO", "NibabelIOWithReorient").expect("a good plan").reorient);
    }

    #[test]
    fn configurations_inherit() {
        let small = plan("\"3d_fullres\":{\n", "\"3d_base\":{\n").expect_err("the parent is gone").to_string();
        assert!(small.contains("name one configuration"), "{small}");
        let json = r#"{"transpose_forward":[0,1,2],"transpose_backward":[0,1,2],"configurations":{"3d_a":{"inherits_from":"3d_b"},
            "3d_b":{"inherits_from":"3d_a"}}}"#;
        let error = Plan::parse("plans.json", json.as_bytes(), Some("3d_a")).expect_err("a circle").to_string();
        assert!(error.contains("circle"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("\"configurations\"", "\"x\"", "\"configurations\" is missing"),
            ("[16,24,32]", "[16,24]", "2-D"),
            ("[16,24,32]", "[0,24,32]", "empty"),
            ("[16,24,32]", "[4096,4096,4096]", "larger than 512"),
            ("[16,24,32]", "[1e300,24,32]", "whole number"),
            ("[16,24,32]", "[16,24,32,1]", "3 items"),
            ("[16,24,32]", "\"big\"", "must be a list"),
            ("[3,1,1.5]", "[3,0,1.5]", "spacing"),
            ("[3,1,1.5]", "[3,-1,1.5]", "spacing"),
            ("[2,0,1]", "[2,0,0]", "no order of the axes"),
            ("[1,2,0]", "[2,1,0]", "does not undo"),
            ("\"CTNormalization\"", "\"HistogramNormalization\"", "HistogramNormalization"),
            ("[false,true]", "[false]", "1 items for 2"),
            ("\"0\":{\"mean\"", "\"7\":{\"mean\"", "\"0\" is missing"),
            ("\"percentile_00_5\":-3", "\"percentile_00_5\":30", "above"),
            ("resample_data_or_seg_to_shape", "resample_torch_fornnunet", "resample_torch_fornnunet"),
            ("\"order\":3", "\"order\":2", "spline order 2"),
            ("\"order\":3", "\"memefficient_seg_resampling\":3", "memefficient_seg_resampling"),
            ("DefaultPreprocessor", "ResEncPreprocessor", "ResEncPreprocessor"),
            ("SimpleITKIO", "NaturalImage2DIO", "NaturalImage2DIO"),
            ("\"preprocessor_name\"", "\"previous_stage\":\"3d_lowres\",\"preprocessor_name\"", "cascade"),
            ("{\"dataset_name\"", "\"dataset_name\"", "not valid JSON"),
        ];
        for (from, to, expected) in cases {
            let error = plan(from, to).expect_err(to).to_string();
            assert!(error.contains(expected) && error.contains("plans.json"), "{to}: {error}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_overflow() {
        let deep = "[".repeat(100_000);
        assert!(Plan::parse("plans.json", deep.as_bytes(), None).is_err());
    }
}
