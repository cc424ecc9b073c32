//! What the names of ROIs and segments mean: a table of words, and a file of the user's that goes before it.

use std::collections::BTreeMap;
use std::path::Path;

use spinor_volume::Label;
use thiserror::Error;

use crate::schemes::label_from_name;

/// Largest file of names, bytes.
const MAX_BYTES: u64 = 1 << 20;
/// Words that say nothing about which structure it is.
const DECORATION: [&str; 15] = [
    // As our own exports name what no image shows.
    "proposed",
    "corrected",
    "edited",
    "manual",
    "final",
    "contour",
    "contours",
    "mask",
    "seg",
    "segment",
    "segmentation",
    "roi",
    "structure",
    "the",
    "of",
];
/// Words that may be shown: anatomy, never whatever else somebody typed.
const ANATOMY: [&str; 31] = [
    "vertebra",
    "vertebrae",
    "vert",
    "vb",
    "body",
    "lamina",
    "pedicle",
    "disc",
    "disk",
    "ivd",
    "intervertebral",
    "root",
    "roots",
    "nerve",
    "flavum",
    "ligamentum",
    "lf",
    "yellow",
    "ligament",
    "spinal",
    "cord",
    "canal",
    "dural",
    "thecal",
    "sac",
    "cauda",
    "equina",
    "sacrum",
    "left",
    "right",
    "spine",
];

/// The user's own table of numbers and names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    table: BTreeMap<String, Label>,
}

/// Why a file of names cannot be used.
#[derive(Debug, Error)]
pub enum NamesError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is too large.
    #[error("has {0} bytes; a file of names has at most {MAX_BYTES}")]
    Size(u64),
    /// It is no JSON object of texts.
    #[error("is not a JSON object like {{\"3\": \"vertebrae_L4\", \"Root L5 li\": \"nerve_root_L5_left\"}}: {0}")]
    Json(#[from] serde_json::Error),
    /// A value that is no structure.
    #[error(
        "gives {0:?}, which is no structure of a case; docs/FORMATS.md lists them (vertebrae_L4, dural_sac, nerve_root_L5_left ...)"
    )]
    Unknown(String),
}

impl Names {
    /// Reads a file: a JSON object whose keys are numbers (of labels, ROIs or segments) or names, and whose values are our names.
    ///
    /// # Errors
    /// When it cannot be read or names a structure that a case does not have.
    pub fn read(path: &Path) -> Result<Self, NamesError> {
        let length = std::fs::metadata(path)?.len();
        if length > MAX_BYTES {
            return Err(NamesError::Size(length));
        }
        Self::from_json(&std::fs::read(path)?)
    }

    /// The table of a file's bytes.
    ///
    /// # Errors
    /// As [`Names::read`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, NamesError> {
        let given: BTreeMap<String, String> = serde_json::from_slice(bytes)?;
        let read = |(key, name): (String, String)| match structure_of_name(&name) {
            Some(label) => Ok((key.trim().to_lowercase(), label)),
            None => Err(NamesError::Unknown(name)),
        };
        Ok(Self { table: given.into_iter().map(read).collect::<Result<_, _>>()? })
    }

    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// What the user said a structure is, by its name or else its number.
    pub fn find(&self, number: u32, name: &str) -> Option<Label> {
        let name = name.trim().to_lowercase();
        self.table.get(&name).or_else(|| self.table.get(&number.to_string())).copied()
    }
}

/// The structure that a name of a ROI or segment stands for; none unless every word of it is understood.
///
/// Understood are the names of TotalSegmentator, TotalSpineSeg and of our own cases, and free order of a kind (vertebra, disc, flavum,
/// root, sac, cord, sacrum), its level or levels, and for roots a side. A name that says more ("L4 screw", "VB_L4", "L4 lamina") is
/// something else and stands for nothing.
///
/// ```
/// use spinor_prepare::contours::structure_of_name;
/// use spinor_volume::Label;
/// assert_eq!(structure_of_name("L5 nerve root (left)"), Some(Label::root(5, true)));
/// assert_eq!(structure_of_name("Flavum L4/5"), Some(Label::flavum_below(4)));
/// assert_eq!(structure_of_name("L4 screw"), None);
/// ```
pub fn structure_of_name(name: &str) -> Option<Label> {
    if let Some(label) = label_from_name(name) {
        return Some(label);
    }
    let words: Vec<String> = words(name).into_iter().filter(|w| !DECORATION.contains(&w.as_str())).collect();
    let (mut levels, mut kinds, mut side): (Vec<String>, Vec<&str>, Option<bool>) = (Vec::new(), Vec::new(), None);
    for word in &words {
        match word.as_str() {
            "left" | "l" | "lt" | "links" | "li" if side.is_none() => side = Some(true),
            "right" | "r" | "rt" | "rechts" | "re" if side.is_none() => side = Some(false),
            "vertebra" | "vertebrae" | "vert" | "disc" | "disk" | "ivd" | "intervertebral" | "root" | "roots" | "nerve"
            | "flavum" | "ligamentum" | "lf" | "yellow" | "ligament" | "spinal" | "cord" | "canal" | "dural" | "thecal"
            | "sac" | "cauda" | "equina" | "sacrum" => kinds.push(word),
            level => levels.push(as_level(level, levels.last())?),
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    let joined = kinds.join(" ");
    let of = |text: String| label_from_name(&text);
    match (joined.as_str(), levels.as_slice(), side) {
        ("" | "sacrum" | "vert" | "vertebra" | "vertebrae", [level], None) if level == "s1" => Some(Label::SACRUM),
        ("" | "vert" | "vertebra" | "vertebrae", [level], None) => of(level.clone()),
        ("sacrum", [], None) => Some(Label::SACRUM),
        ("cord" | "cord spinal", [], None) => Some(Label::SPINAL_CORD),
        ("canal" | "canal spinal" | "dural sac" | "sac thecal" | "cauda equina" | "sac", [], None) => Some(Label::DURAL_SAC),
        ("disc" | "disk" | "ivd" | "disc intervertebral" | "disk intervertebral", [upper, lower], None) => {
            of(format!("disc_{upper}_{lower}"))
        }
        // A half of it is a part of the whole.
        ("flavum" | "flavum ligamentum" | "lf" | "ligament yellow", [upper, lower], _) => {
            of(format!("ligamentum_flavum_{upper}_{lower}"))
        }
        ("root" | "roots" | "nerve" | "nerve root" | "nerve roots", [level], Some(left)) => {
            of(format!("nerve_root_{level}_{}", if left { "left" } else { "right" }))
        }
        _ => None,
    }
}

/// A level's word as `l4`; a bare number takes the region of the level before it (`L4/5`), and what follows L5 is S1.
fn as_level(word: &str, before: Option<&String>) -> Option<String> {
    let bytes = word.as_bytes();
    let digits = |b: &[u8]| (1..=2).contains(&b.len()) && b.iter().all(u8::is_ascii_digit);
    match bytes {
        [b'c' | b't' | b'l' | b's', rest @ ..] if digits(rest) => Some(word.to_owned()),
        rest if digits(rest) => {
            let region = before?.get(..1)?;
            Some(if word == "1" && before.is_some_and(|b| b == "l5") { "s1".to_owned() } else { format!("{region}{word}") })
        }
        _ => None,
    }
}

/// Lower-case words; `SpinalCord` is two, `L4L5` is two, `L4` is one.
fn words(name: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut last = ' ';
    for c in name.chars().take(256) {
        let starts = (c.is_ascii_uppercase() && last.is_ascii_lowercase()) || (c.is_ascii_alphabetic() && last.is_ascii_digit());
        if (!c.is_alphanumeric() || starts) && !word.is_empty() {
            out.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        last = c;
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

/// How a structure of a file is called in errors and warnings: by its number, and by those words of its name that are anatomy.
pub(super) fn shown(kind: &str, number: u32, name: &str) -> String {
    let known: Vec<String> = words(name)
        .into_iter()
        .filter(|w| {
            ANATOMY.contains(&w.as_str()) || (w.len() <= 3 && w.starts_with(['c', 't', 'l', 's']) && as_level(w, None).is_some())
        })
        .take(6)
        .collect();
    if known.is_empty() { format!("{kind} {number}") } else { format!("{kind} {number} ({})", known.join(" ")) }
}

#[cfg(test)]
mod tests {
    //! Names that planning systems, 3D Slicer and people write mean what they say, and nothing else means anything.

    use super::*;

    #[test]
    fn names_mean_structures() {
        let cases = [
            ("L4", 44),
            ("Vertebra L4 corrected", 44),
            ("L4_vertebra", 44),
            ("vertebrae_T12", 32),
            ("SpinalCord", 1),
            ("Spinal_Canal", 2),
            ("CaudaEquina", 2),
            ("thecal sac (edited)", 2),
            ("S1", 50),
            ("Sacrum", 50),
            ("L4/L5 disc", 95),
            ("IVD L4-5", 95),
            ("disc L5/S1", 100),
            ("Disc_L5_1", 100),
            ("Flavum L4/5", 114),
            ("ligamentum flavum L5 S1", 115),
            ("LF_L3_L4", 113),
            ("Flavum L4/5 left", 114),
            ("L5 nerve root left", 130),
            ("NerveRoot_S1_R", 133),
            ("left L4 root", 128),
        ];
        for (name, number) in cases {
            assert_eq!(structure_of_name(name), Some(Label(number)), "{name}");
        }
    }

    /// A vertebral body is no vertebra: taking it for one would take the arch away.
    #[test]
    fn what_is_not_wholly_understood_means_nothing() {
        for name in [
            "",
            "VB_L4",
            "L4 body",
            "L4 screw left",
            "L4 lamina",
            "L4 left",
            "root L5",
            "root left",
            "disc L4",
            "disc L3 L5",
            "flavum L4",
            "L4 L5",
            "cord L4",
            "Cord_PRV",
            "PTV",
            "Miller",
            "5",
            "L9",
            "T13",
            "bone",
        ] {
            assert_eq!(structure_of_name(name), None, "{name}");
        }
    }

    /// The user's table goes before the names, by name and by number.
    #[test]
    fn the_users_table_is_read() {
        let names = Names::from_json(br#"{"3": "vertebrae_L4", " Tumour ": "dural_sac"}"#).unwrap();
        assert_eq!((names.find(3, "x"), names.find(9, "TUMOUR")), (Some(Label(44)), Some(Label(2))));
        assert_eq!(names.find(9, "x"), None);
        assert!(matches!(Names::from_json(b"[1]"), Err(NamesError::Json(_))));
        let error = Names::from_json(br#"{"3": "liver"}"#).unwrap_err();
        assert!(matches!(&error, NamesError::Unknown(name) if name == "liver"), "{error}");
    }

    /// Of a name only anatomy is ever shown.
    #[test]
    fn shown_names_hold_anatomy_only() {
        assert_eq!(shown("ROI", 4, "Miller 19470311 L4 screw left"), "ROI 4 (l4 left)");
        assert_eq!(shown("ROI", 5, "Miller^John"), "ROI 5");
    }
}
