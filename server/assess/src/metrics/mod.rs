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

use serde::ser::Error;
use serde::{Serialize, Serializer};
use spinor_volume::cut::OCCUPANCY_PER_VOXEL;

pub use contacts::{Contact, ToolContacts};
pub use efficiency::Times;
pub(crate) use efficiency::step_mm;
pub(crate) use harm::kind;
pub use harm::{Harm, Retraction};
pub use motion::Motion;
pub(crate) use outcome::class_word;
pub use outcome::{CanalSlice, LevelOutcome, Outcome, SideOutcome};
pub(crate) use process::LACKING;
pub use process::{Process, SentinelError, Step};
pub(crate) use safety::Of;
pub use safety::{AlarmRise, Alarms, Plunge, Safety, StructureSafety};
pub use team::{Intervention, Team, User};
pub use tissue::Tissues;

use crate::again::Sample;
use crate::definitions::{self, Definition, NOT_MEASURED};
use crate::figures;
use crate::gather::Session;
use crate::number::round_all;
use crate::osats::Osats;
use crate::phases::{self, Phase};
use crate::proposed::{self, Judged, NOT_JUDGED, NOTHING_DONE};
use crate::report::{Gravity, findings};
use crate::score::{self, Score};

/// All figures. Field names are the keys of `metrics.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(remote = "Self")]
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
    /// The figures as targets and score judge them: of structures that were seen. `null` where there is nothing to judge.
    pub judged: BTreeMap<&'static str, Option<f64>>,
    /// Why figures that have a value are not judged: by the path of the figure.
    pub unjudged: BTreeMap<String, String>,
    /// What was measured against proposed structures, and which: by the path of the figure.
    pub proposed: BTreeMap<String, Vec<String>>,
    /// Where each structure's surface comes from.
    pub sources: BTreeMap<String, &'static str>,
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
    /// How long the recording ran before any hand held a tool: all times count from the end of that.
    pub empty_before_s: f64,
    /// How long it ran on after the last hand held one.
    pub empty_after_s: f64,
    pub torn_tail: bool,
    /// States of the patient that the room recorded as a digest, and how many of them the recording's own operations do not lead to: any is
    /// damage, and no figure here can be trusted.
    pub digests: u32,
    /// How many of them differ.
    pub digests_differing: u32,
    /// Ticks whose operations the simulation, run again, did not make as recorded: 0 means that distances and paths are exact.
    pub simulated_again_differing_ticks: u32,
    pub simulated_again_ticks: u32,
    /// Times that the server stood still while tools were held, by the hands' own count of their inputs. No tick counts that time.
    pub stalls: u32,
    /// How long in all, s.
    pub stalled_s: f64,
    /// The longest, s.
    pub longest_stall_s: f64,
}

impl Serialize for Metrics {
    /// As written to `metrics.json`: with the digits that mean something.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Not a call of itself: the derived function goes before the trait's.
        let mut value = Self::serialize(self, serde_json::value::Serializer).map_err(S::Error::custom)?;
        round_all(&mut value);
        value.serialize(serializer)
    }
}

/// Measures a session.
pub fn measure(session: &Session) -> Metrics {
    let hz = f64::from(session.tick_hz.max(1));
    let mut absent = BTreeMap::new();
    let volumes = outcome::volumes(session);
    let phases = phases::find(session);
    let outcome = outcome::outcome(session, &volumes, &mut absent);
    let contacts = contacts::contacts(session);
    let motion = motion::motion(session, &mut absent);
    let seen = safety::safety(session, &contacts, Of::Seen, &mut BTreeMap::new());
    let safety = safety::safety(session, &contacts, Of::All, &mut absent);
    let mut metrics = Metrics {
        session: SessionInfo {
            case: session.case.clone(),
            room: session.room.clone(),
            software: session.software.clone(),
            started_unix_s: session.started_unix_s,
            ticks: session.ticks[1].saturating_sub(session.ticks[0]),
            tick_hz: session.tick_hz,
            empty_before_s: session.empty_s()[0],
            empty_after_s: session.empty_s()[1],
            torn_tail: session.torn,
            digests: session.digests,
            digests_differing: session.digests_differing,
            simulated_again_differing_ticks: session.differing,
            simulated_again_ticks: session.simulated,
            stalls: session.stalls.len() as u32,
            stalled_s: session.stalls.iter().map(|s| s.ticks).sum::<f64>() / hz,
            longest_stall_s: session.stalls.iter().map(|s| s.ticks).fold(0.0, f64::max) / hz,
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
        judged: BTreeMap::new(),
        unjudged: BTreeMap::new(),
        proposed: BTreeMap::new(),
        sources: session.patient.structures().iter().map(|s| (s.label.name(), s.source.word())).collect(),
        score: Score::default(),
        osats: None,
        absent,
        definitions: definitions::all(),
        not_measured: NOT_MEASURED.to_vec(),
    };
    figures::fill(&mut metrics);
    let Judged { values, why_not, proposed } = proposed::judged(&metrics, &seen);
    (metrics.judged, metrics.unjudged, metrics.proposed) = (values, why_not, proposed);
    let gravest = findings(&metrics).into_iter().map(|finding| finding.gravity).max();
    metrics.score = score::score(&metrics.judged, gravest.unwrap_or(Gravity::Good));
    // What is left without dura and roots says nothing of how safely tools were moved near them.
    if metrics.unjudged.contains_key("figures.neural_contacts") {
        metrics.score.safety = None;
        metrics.absent.insert("score.safety".to_owned(), NOT_JUDGED.to_owned());
    }
    // Nothing went wrong where nothing was done: that is no safe operation.
    let near = |sample: &Sample| sample.taken > 0 || sample.level > spinor_sim::AlarmLevel::Clear;
    if !session.samples.iter().any(near) {
        metrics.score.safety = None;
        metrics.absent.insert("score.safety".to_owned(), NOTHING_DONE.to_owned());
    }
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
        self.judged.insert("osats_total", self.figures.get("osats_total").copied().flatten());
    }
}
