//! `dataset.json`: the channels a model wants and the labels it gives.

use super::json::{At, Json, JsonError, parse, read};
use std::{collections::BTreeMap, path::Path};

/// What `dataset.json` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Names of the input channels, in their order.
    pub channels: Vec<String>,
    /// What the network's outputs mean.
    pub outputs: Outputs,
    /// Name of each value that a label map of this model can hold.
    pub names: BTreeMap<u16, String>,
}

/// What a network's output channels mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// One channel a label, 0 the background: the highest wins.
    Labels(usize),
    /// One channel a region, which may overlap: written one after the other with these values, so that later ones win.
    Regions(Vec<u16>),
}

impl Outputs {
    /// Channels the network must have.
    pub fn heads(&self) -> usize {
        match self {
            Self::Labels(n) => *n,
            Self::Regions(values) => values.len(),
        }
    }
}

impl Dataset {
    /// Reads a dataset file.
    ///
    /// # Errors
    /// When it cannot be read, or a value is missing or wrong.
    pub fn read(path: &Path) -> Result<Self, JsonError> {
        let json = read(path)?;
        Self::from_json(&At::root(&path.display().to_string(), &json))
    }

    /// As [`Self::read`], from bytes; `file` is the name used in messages.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, JsonError> {
        let json = parse(file, bytes)?;
        Self::from_json(&At::root(file, &json))
    }

    fn from_json(root: &At<'_>) -> Result<Self, JsonError> {
        let channels_at = match root.find("channel_names")? {
            Some(at) => at,
            None => root.find("modality")?.map_or_else(|| root.need("channel_names"), Ok)?,
        };
        let mut channels = Vec::new();
        for k in 0..channels_at.object()?.len() {
            channels.push(channels_at.need(&k.to_string())?.text()?.to_owned());
        }
        if channels.is_empty() || channels.len() > 64 {
            return Err(channels_at.wrong(format!("must name 1-64 channels, names {}", channels.len())));
        }
        let labels_at = root.need("labels")?;
        let labels = labels(&labels_at)?;
        let has_regions = labels.iter().any(|(_, values)| values.len() > 1);
        let (outputs, names) = if has_regions { regions(root, &labels_at, &labels)? } else { plain(&labels_at, &labels)? };
        Ok(Self { channels, outputs, names })
    }
}

/// A label's name and the values that make it up.
type Named = (String, Vec<u16>);

/// Names and values in the file's order, without nnU-Net's `ignore`.
fn labels(at: &At<'_>) -> Result<Vec<Named>, JsonError> {
    let mut out = Vec::new();
    for (name, value) in at.entries()? {
        let values = match value.json {
            Json::List(_) => value.items()?.iter().map(|v| label(v)).collect::<Result<Vec<u16>, _>>()?,
            _ => vec![label(&value)?],
        };
        if values.is_empty() {
            return Err(value.wrong("a region of no labels"));
        }
        if name != "ignore" {
            out.push((name.to_owned(), values));
        }
    }
    if out.len() < 2 || out.len() > 4096 {
        return Err(at.wrong(format!("must name 2-4096 labels, names {}", out.len())));
    }
    Ok(out)
}

fn label(at: &At<'_>) -> Result<u16, JsonError> {
    // Older files write numbers as text.
    if let Json::Text(text) = at.json {
        return text.parse().map_err(|_| at.wrong(format!("{text:?} is no label number")));
    }
    Ok(at.whole(usize::from(u16::MAX))? as u16)
}

fn plain(at: &At<'_>, labels: &[Named]) -> Result<(Outputs, BTreeMap<u16, String>), JsonError> {
    let mut names = BTreeMap::new();
    for (name, values) in labels {
        if let Some(other) = values.first().and_then(|v| names.insert(*v, name.clone())) {
            return Err(at.wrong(format!("{other:?} and {name:?} have the same number")));
        }
    }
    if let Some((gap, _)) = (0..).zip(names.keys()).find(|(k, v)| k != *v) {
        return Err(at.wrong(format!("numbers must run from 0 without a gap; {gap} is missing")));
    }
    Ok((Outputs::Labels(names.len()), names))
}

fn regions(root: &At<'_>, at: &At<'_>, labels: &[Named]) -> Result<(Outputs, BTreeMap<u16, String>), JsonError> {
    let order_at = root.need("regions_class_order")?;
    let order: Vec<u16> = order_at.items()?.iter().map(label).collect::<Result<_, _>>()?;
    let foreground: Vec<&Named> = labels.iter().filter(|(_, values)| values.iter().any(|v| *v != 0)).collect();
    if order.len() != foreground.len() {
        return Err(order_at.wrong(format!("has {} items for {} regions", order.len(), foreground.len())));
    }
    let mut names: BTreeMap<u16, String> = BTreeMap::from([(0, "background".to_owned())]);
    for (value, (name, _)) in order.iter().zip(&foreground) {
        if *value == 0 {
            return Err(at.wrong("a region would be written as background"));
        }
        names.insert(*value, name.clone());
    }
    Ok((Outputs::Regions(order), names))
}

#[cfg(test)]
mod tests {
    //! Labels and regions are read as nnU-Net reads them, and every hostile variant is refused with its reason.

    use super::*;

    fn dataset(channels: &str, labels: &str, more: &str) -> Result<Dataset, JsonError> {
        let text = format!(r#"{{"channel_names":{channels},"labels":{labels}{more},"file_ending":".nii.gz"}}"#);
        Dataset::parse("dataset.json", text.as_bytes())
    }

    #[test]
    fn labels_are_read() {
        let read =
            dataset(r#"{"1":"noNorm","0":"CT"}"#, r#"{"background":0,"disc":2,"vertebra":1,"ignore":3}"#, "").expect("good");
        assert_eq!(read.channels, ["CT", "noNorm"]);
        assert_eq!(read.outputs, Outputs::Labels(3));
        assert_eq!(read.names[&2], "disc");
    }

    #[test]
    fn regions_take_the_files_order() {
        let labels = r#"{"background":0,"spine":[1,2],"disc":2}"#;
        let read = dataset(r#"{"0":"MRI"}"#, labels, r#","regions_class_order":[1,2]"#).expect("good");
        assert_eq!(read.outputs, Outputs::Regions(vec![1, 2]));
        assert_eq!(read.names.values().collect::<Vec<_>>(), ["background", "spine", "disc"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = r#"{"background":0,"a":1}"#;
        let cases = [
            ("{}", good, "", "1-64 channels"),
            (r#"{"1":"CT"}"#, good, "", "\"0\" is missing"),
            (r#"{"0":7}"#, good, "", "must be a string"),
            ("[]", good, "", "must be an object"),
            (r#"{"0":"CT"}"#, r#"{"background":0}"#, "", "2-4096"),
            (r#"{"0":"CT"}"#, r#"{"background":0,"a":2}"#, "", "1 is missing"),
            (r#"{"0":"CT"}"#, r#"{"background":0,"a":1,"b":1}"#, "", "same number"),
            (r#"{"0":"CT"}"#, r#"{"background":0,"a":-1}"#, "", "whole number"),
            (r#"{"0":"CT"}"#, r#"{"background":0,"a":70000}"#, "", "whole number"),
            (r#"{"0":"CT"}"#, r#"{"background":0,"a":[]}"#, "", "no labels"),
            (r#"{"0":"CT"}"#, r#"{"background":0,"a":[1,2],"b":2}"#, "", "regions_class_order"),
            (r#"{"0":"CT"}"#, r#"{"background":0,"a":[1,2],"b":2}"#, r#","regions_class_order":[1]"#, "1 items for 2"),
            (r#"{"0":"CT"}"#, r#"{"background":0,"a":[1,2],"b":2}"#, r#","regions_class_order":[1,0]"#, "background"),
        ];
        for (channels, labels, more, expected) in cases {
            let error = dataset(channels, labels, more).expect_err(expected).to_string();
            assert!(error.contains(expected) && error.contains("dataset.json"), "{error}");
        }
    }
}
