//! The figures of a session: `metrics.json`.
//!
//! A figure that a recording cannot give is `null`, and `absent` says why; it is never 0.

mod contacts;
mod efficiency;
mod harm;
mod motion;
mod outcome;
mod process;
mod safety;
mod team;
mod tissue;

use std::collections::BTreeMap;

use serde::Serialize;
use spinor_volume::cut::OCCUPANCY_PER_VOXEL;

pub use contacts::{Contact, ToolContacts};
pub use efficiency::Times;
pub(crate) use efficiency::step_mm;
pub(crate) use harm::kind;
pub use harm::{Harm, Retraction};
pub use motion::Motion;
pub(crate) use outcome::class_word;
pub use outcome::{CanalSlice, LevelOutcome, Outcome, SideOutcome};
pub use process::{Process, SentinelError, Step, target_of};
pub use safety::{AlarmRise, Alarms, Plunge, Safety, StructureSafety};
pub use team::{Intervention, Team, User};
pub use tissue::Tissues;

use crate::definitions::{self, Definition, NOT_MEASURED};
use crate::figures;
use crate::gather::Session;
use crate::osats::Osats;
use crate::phases::{self, Phase};
use crate::score::{self, Score};

/// All figures. Field names are the keys of `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "every figure is defined in `definitions`, which travels with it")]
pub struct Metrics {
    pub session: SessionInfo,
    pub duration_s: f64,
    pub removed_mm3: BTreeMap<String, f64>,
    pub left_mm3: BTreeMap<String, f64>,
    pub levels: BTreeMap<String, BTreeMap<String, f64>>,
    pub outcome: Outcome,
    pub time: Times,
    pub users: BTreeMap<String, User>,
    pub safety: Safety,
    pub motion: BTreeMap<String, BTreeMap<String, Motion>>,
    pub team: Team,
    pub process: Process,
    pub phases: Vec<Phase>,
    pub phase_s: BTreeMap<&'static str, f64>,
    /// The figures that a report puts first, one number each; `null` where the recording lacks what it takes.
    pub figures: BTreeMap<&'static str, Option<f64>>,
    pub score: Score,
    /// A mentor's rating, if one was merged in.
    pub osats: Option<Osats>,
    /// Why figures are `null`: by the path of the figure.
    pub absent: BTreeMap<String, String>,
    pub definitions: Vec<Definition>,
    pub not_measured: Vec<&'static str>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SessionInfo {
    pub case: String,
    pub room: String,
    pub software: String,
    pub started_unix_s: u64,
    pub ticks: u32,
    pub tick_hz: u32,
    pub torn_tail: bool,
    /// Ticks whose operations the simulation, run again, did not make as recorded: 0 means that distances and paths are exact.
    pub simulated_again_differing_ticks: u32,
    pub simulated_again_ticks: u32,
}

/// Measures a session.
pub fn measure(session: &Session) -> Metrics {
    let mut absent = BTreeMap::new();
    let volumes = outcome::volumes(session);
    let phases = phases::find(session);
    let outcome = outcome::outcome(session, &volumes, &mut absent);
    let contacts = contacts::contacts(session);
    let motion = motion::motion(session, &mut absent);
    let safety = safety::safety(session, contacts, &mut absent);
    let mut metrics = Metrics {
        session: SessionInfo {
            case: session.case.clone(),
            room: session.room.clone(),
            software: session.software.clone(),
            started_unix_s: session.started_unix_s,
            ticks: session.ticks[1].saturating_sub(session.ticks[0]),
            tick_hz: session.tick_hz,
            torn_tail: session.torn,
            simulated_again_differing_ticks: session.differing,
            simulated_again_ticks: session.simulated,
        },
        duration_s: session.duration_s(),
        time: efficiency::times(session, &mut absent),
        users: team::users(session, &safety.contacts),
        team: team::team(session),
        process: process::process(session, &mut absent),
        phase_s: phases::seconds(&phases),
        removed_mm3: volumes.removed_mm3,
        left_mm3: volumes.left_mm3,
        levels: volumes.levels,
        outcome,
        safety,
        motion,
        phases,
        figures: BTreeMap::new(),
        score: Score::default(),
        osats: None,
        absent,
        definitions: definitions::all(),
        not_measured: NOT_MEASURED.to_vec(),
    };
    figures::fill(&mut metrics);
    metrics.score = score::score(&metrics.figures);
    metrics
}

/// Volume of an occupancy, mm³.
pub(crate) fn volume_mm3(session: &Session, occupancy: i64) -> f64 {
    occupancy as f64 / OCCUPANCY_PER_VOXEL as f64 * session.patient.grid().voxel_mm3()
}

impl Metrics {
    /// Merges in a mentor's rating.
    pub fn rate(&mut self, osats: Osats) {
        self.osats = Some(osats);
        self.absent.remove("figures.osats_total");
        figures::fill(self);
    }
}
