//! What the operation left behind.

use std::collections::BTreeMap;

use serde::Serialize;
use spinor_volume::measure::{Amount, LevelMeasures, SideMeasures};
use spinor_volume::query::{remaining_volume_mm3, volume_mm3};
use spinor_volume::{Label, TissueClass};

use crate::gather::Session;

/// What the operation left behind, beyond volumes.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Outcome {
    pub flavum_left_share: BTreeMap<String, f64>,
    pub disc_left_share: BTreeMap<String, f64>,
    pub target_level: Option<String>,
    pub levels: BTreeMap<String, LevelOutcome>,
}

/// What was left at one level, between an upper and a lower vertebra.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct LevelOutcome {
    pub canal_before_mm2: Option<f64>,
    pub canal_mm2: Option<f64>,
    /// Where the sac's surface comes from.
    pub canal_source: Option<&'static str>,
    pub canal_slices: Vec<CanalSlice>,
    pub left: SideOutcome,
    pub right: SideOutcome,
}

/// The sac in one slice across the canal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct CanalSlice {
    pub along_mm: f64,
    pub before_mm2: f64,
    pub free_mm2: f64,
}

/// One side of a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct SideOutcome {
    pub facet_kept_share: Option<f64>,
    pub lamina_left_share: Option<f64>,
    pub flavum_left_share: Option<f64>,
    pub disc_left_share: Option<f64>,
    pub pars_before_mm: Option<f64>,
    pub pars_mm: Option<f64>,
    pub foramen_probe_before_mm: Option<f64>,
    pub foramen_probe_mm: Option<f64>,
}

impl Outcome {
    /// What was left at the level that was operated.
    pub fn target(&self) -> Option<&LevelOutcome> {
        self.levels.get(self.target_level.as_ref()?)
    }
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
    outcome.target_level = target_level(session, volumes);
    if outcome.target_level.is_none() {
        absent.insert("outcome.target_level".to_owned(), "less than 1 mm³ was taken from any level".to_owned());
    }
    match &session.measured {
        Some(Ok(live)) => {
            let sac = session.patient.structure(Label::DURAL_SAC).map(|s| s.source.word());
            let named = |level: &LevelMeasures| Some((level.upper.level()?, level_outcome(level, sac)));
            outcome.levels = live.levels.iter().filter_map(named).collect();
        }
        other => {
            let why = if let Some(Err(why)) = other { why.as_str() } else { "measures of the anatomy were not asked for" };
            absent.insert("outcome.levels".to_owned(), why.to_owned());
        }
    }
    outcome
}

/// The procedure's level, else that from which most bone, flavum and disc was taken, if that was 1 mm³ or more.
fn target_level(session: &Session, volumes: &Volumes) -> Option<String> {
    if let Some(Ok(followed)) = &session.procedure {
        return followed.tracker.target().upper().level();
    }
    let taken = |classes: &BTreeMap<String, f64>| classes.values().sum::<f64>();
    let most = volumes.levels.iter().max_by(|a, b| taken(a.1).total_cmp(&taken(b.1)))?;
    (taken(most.1) >= 1.0).then(|| most.0.clone())
}

fn level_outcome(level: &LevelMeasures, sac: Option<&'static str>) -> LevelOutcome {
    let mm2 = |um2: i64| um2 as f64 / 1e6;
    let slice = |s: &spinor_volume::measure::CanalSlice| CanalSlice {
        along_mm: f64::from(s.along_um) / 1_000.0,
        before_mm2: mm2(s.imaged_um2),
        free_mm2: mm2(s.free_um2),
    };
    LevelOutcome {
        canal_before_mm2: level.least_before_um2().map(mm2),
        canal_mm2: level.least_free_um2().map(mm2),
        canal_source: sac.filter(|_| !level.canal.is_empty()),
        canal_slices: level.canal.iter().map(slice).collect(),
        left: side_outcome(&level.sides[0]),
        right: side_outcome(&level.sides[1]),
    }
}

fn side_outcome(side: &SideMeasures) -> SideOutcome {
    let share = |amount: Option<Amount>| amount.filter(|a| a.before > 0).map(|a| a.left as f64 / a.before as f64);
    let mm = |um: i32| f64::from(um) / 1_000.0;
    SideOutcome {
        facet_kept_share: share(side.facet),
        lamina_left_share: share(side.lamina),
        flavum_left_share: share(side.flavum),
        disc_left_share: share(side.disc),
        pars_before_mm: side.pars.map(|p| mm(p.before_um)),
        pars_mm: side.pars.map(|p| mm(p.now_um)),
        foramen_probe_before_mm: side.foramen.map(|p| f64::from(p.before_tenth_mm) / 10.0),
        foramen_probe_mm: side.foramen.map(|p| f64::from(p.now_tenth_mm) / 10.0),
    }
}
