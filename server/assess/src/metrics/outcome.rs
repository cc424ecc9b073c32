//! What the operation left behind.

use std::collections::BTreeMap;

use serde::Serialize;
use spinor_volume::TissueClass;
use spinor_volume::query::{remaining_volume_mm3, volume_mm3};

use crate::gather::Session;

/// What the operation left behind, beyond volumes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Outcome {
    pub flavum_left_share: BTreeMap<String, f64>,
    pub disc_left_share: BTreeMap<String, f64>,
    pub target_level: Option<String>,
}

/// Volumes by structure and level.
pub(crate) struct Volumes {
    pub(crate) removed_mm3: BTreeMap<String, f64>,
    pub(crate) left_mm3: BTreeMap<String, f64>,
    pub(crate) levels: BTreeMap<String, BTreeMap<String, f64>>,
}

/// The class's key in `levels`.
pub(crate) fn class_word(class: TissueClass) -> &'static str {
    match class {
        TissueClass::Bone => "bone",
        TissueClass::Flavum => "flavum",
        TissueClass::Disc => "disc",
        TissueClass::Neural => "neural",
    }
}

pub(crate) fn volumes(session: &Session) -> Volumes {
    let patient = &session.patient;
    let mut volumes = Volumes { removed_mm3: BTreeMap::new(), left_mm3: BTreeMap::new(), levels: BTreeMap::new() };
    for (k, structure) in patient.structures().iter().enumerate() {
        let left = remaining_volume_mm3(patient, &session.cut, k);
        let whole = volume_mm3(patient.grid(), &structure.sdf);
        let (name, removed) = (structure.label.name(), whole - left);
        volumes.left_mm3.insert(name.clone(), left);
        if let Some(level) = structure.label.level() {
            *volumes.levels.entry(level).or_default().entry(class_word(structure.class).to_owned()).or_default() += removed;
        }
        volumes.removed_mm3.insert(name, removed);
    }
    volumes
}

pub(crate) fn outcome(session: &Session, volumes: &Volumes, absent: &mut BTreeMap<String, String>) -> Outcome {
    let mut outcome = Outcome::default();
    for structure in session.patient.structures() {
        let name = structure.label.name();
        let (Some(left), Some(removed)) = (volumes.left_mm3.get(&name), volumes.removed_mm3.get(&name)) else { continue };
        let shares = match structure.class {
            TissueClass::Flavum => &mut outcome.flavum_left_share,
            TissueClass::Disc => &mut outcome.disc_left_share,
            _ => continue,
        };
        if left + removed > 0.0 {
            shares.insert(name, left / (left + removed));
        }
    }
    // The level at which most bone was taken, if any was.
    let bone = |classes: &BTreeMap<String, f64>| classes.get("bone").copied().unwrap_or(0.0);
    let most = volumes.levels.iter().max_by(|a, b| bone(a.1).total_cmp(&bone(b.1)));
    outcome.target_level = most.filter(|(_, classes)| bone(classes) > 1.0).map(|(level, _)| level.clone());
    if outcome.target_level.is_none() {
        absent.insert("outcome.target_level".to_owned(), "less than 1 mm³ of bone was taken from any level".to_owned());
    }
    outcome
}
