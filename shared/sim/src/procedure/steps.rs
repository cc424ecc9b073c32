//! The steps of each procedure, with what each asks for and when it counts as done.

use spinor_volume::measure::Side;

use super::kind::{Procedure, Target};
use super::zone::Zone;

/// Free area of the canal that a decompression aims at, mm². Source: 111 mm² is the cut-off between stenotic and normal, 100-111 the
/// target (Medicine 2017).
pub(super) const CANAL_TARGET_MM2: f64 = 100.0;
/// The ball that passes a freed foramen, 1/10 mm (K): the least that probes are made with.
const FREE_TENTH_MM: u32 = 20;

/// When a step counts as done. A step may have several rules; all must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A probe or dissector touched the bone of the upper vertebra: the level was identified.
    LevelChecked,
    /// At most this share of a zone is left, percent. A zone that the patient has no tissue of holds from the start; a step of such zones
    /// alone is [`StepStatus::Lacking`](super::StepStatus::Lacking).
    Taken {
        /// The zone.
        zone: Zone,
        /// Most that may be left, percent.
        left_pct: u8,
    },
    /// A probe's or dissector's surface came within 1.5 mm of the traversing or exiting root in the lateral recess of a side, nearer than to
    /// anything else neural. Where the patient's roots are not known: it was in the recess.
    RootFound(Side),
    /// The root retractor touched the traversing root of a side.
    RootRetracted(Side),
    /// A ball probe with its trigger pressed was led into the entrance of the foramen of a side, and a ball passes bone, flavum and disc where
    /// it went.
    ForamenProbed {
        /// The side.
        side: Side,
        /// The least diameter of the ball, 1/10 mm; 0 where it is enough to have looked.
        least_tenth_mm: u32,
    },
    /// The canal's free area is what a decompression aims at, everywhere; needs the live measure.
    CanalFree,
}

/// One step of a procedure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// A short name, the same in every recording.
    pub id: &'static str,
    /// What is to be done, in a few words.
    pub title: String,
    /// How, in a sentence or two: guidance that a trainee can switch off.
    pub guidance: &'static str,
    /// What must hold for the step to be done.
    pub rules: Vec<Rule>,
}

fn step(id: &'static str, title: impl Into<String>, guidance: &'static str, rules: &[Rule]) -> Step {
    Step { id, title: title.into(), guidance, rules: rules.to_vec() }
}

fn taken(zone: Zone, left_pct: u8) -> Rule {
    Rule::Taken { zone, left_pct }
}

const LEVEL: &str = "Put a probe on the lamina and confirm the level on the image before anything is cut: about half of all surgeons asked \
     had once begun at a wrong lumbar level. The touch is what counts here; whether you looked at the image nobody sees.";

fn level_check() -> Step {
    step("level_check", "Check the level", LEVEL, &[Rule::LevelChecked])
}

/// The steps of a procedure in their order.
pub fn steps(target: &Target) -> Vec<Step> {
    match target.procedure {
        Procedure::Laminectomy => laminectomy(target.side),
        Procedure::Ulbd => ulbd(target.side),
        Procedure::Foraminotomy => foraminotomy(target.side),
        Procedure::Microdiscectomy => microdiscectomy(target.side),
    }
}

fn laminectomy(first: Side) -> Vec<Step> {
    let second = first.other();
    vec![
        level_check(),
        step(
            "spinous_process",
            "Take off the spinous process over the window",
            "With the rongeur, from the tip forwards, down to its base. Only from the outer surface.",
            &[taken(Zone::SpinousProcess, 45)],
        ),
        step(
            "lamina",
            "Burr both laminae from the lower edge up",
            "From the lower edge upwards until the upper attachment of the flavum, about half-way up the lamina. The flavum stays: it \
             shields the dura while drilling goes on. Leave a shell and take it with the punch.",
            &[taken(Zone::Lamina(first), 35), taken(Zone::Lamina(second), 35)],
        ),
        step(
            "flavum",
            "Detach and remove the flavum",
            "Free it from the lamina and the superior articular process, then remove it; in the middle the punch lies parallel to the dura, \
             at the side parallel to the root.",
            &[taken(Zone::Flavum(first), 45), taken(Zone::Flavum(second), 45)],
        ),
        step(
            "recess",
            "Open both lateral recesses",
            "Take the medial part of the facet joint and undercut the superior articular process. Keep at least half of each facet and the \
             pars.",
            &[taken(Zone::Recess(first), 70), taken(Zone::Recess(second), 70)],
        ),
        step(
            "probe",
            "Follow both roots with the probe, check the sac",
            "The ball probe passes along both roots without resistance; the sac is free from one recess to the other: its canal measures 100 mm² \
             and more where it is narrowest (page measures).",
            &[Rule::RootFound(first), Rule::RootFound(second), Rule::CanalFree],
        ),
    ]
}

fn ulbd(side: Side) -> Vec<Step> {
    let far = side.other();
    vec![
        level_check(),
        step(
            "near_lamina",
            format!("Burr the {} lamina from its lower edge up", side.word()),
            "From the lower edge upwards until the flavum's upper attachment ends. The flavum stays as a shield.",
            &[taken(Zone::Lamina(side), 40)],
        ),
        step(
            "far_lamina",
            format!("Undercut the base of the spinous process and the {} lamina", far.word()),
            "Tilt to the other side and take the deep layer only: the outer table and the spinous process stay. The flavum still shields the \
             dura.",
            &[taken(Zone::Undercut(far), 55)],
        ),
        step(
            "flavum",
            "Detach and remove the flavum of both sides",
            "Only now, when all drilling is done. The far side is where most tears happen.",
            &[taken(Zone::Flavum(side), 45), taken(Zone::Flavum(far), 55)],
        ),
        step(
            "recess",
            format!("Open the {} lateral recess", side.word()),
            "Take the medial part of the facet joint, undercut the superior articular process, keep at least half of the facet.",
            &[taken(Zone::Recess(side), 70)],
        ),
        step(
            "probe",
            "Follow both roots with the probe, check the sac",
            "The ball probe passes along both roots without resistance, and the canal measures 100 mm² and more where it is narrowest (page \
             measures).",
            &[Rule::RootFound(side), Rule::RootFound(far), Rule::CanalFree],
        ),
    ]
}

fn foraminotomy(side: Side) -> Vec<Step> {
    vec![
        level_check(),
        step(
            "laminotomy",
            format!("Make a window at the edge of the {} lamina and the facet joint", side.word()),
            "Take the lower edge of the lamina and the medial part of the facet joint; the pars stays.",
            &[taken(Zone::Lamina(side), 65), taken(Zone::Recess(side), 75)],
        ),
        step(
            "flavum",
            "Open the flavum at the side",
            "Detach it from the superior articular process and take its lateral part.",
            &[taken(Zone::Flavum(side), 75)],
        ),
        step(
            "root",
            "Find the root in the lateral recess",
            "Follow it with the probe from the recess outwards.",
            &[Rule::RootFound(side)],
        ),
        step(
            "undercut",
            "Undercut the tip of the superior articular process",
            "With an angled punch of 2-3 mm along the root, 5-6 mm past the middle of the facet. Keep the pars.",
            &[taken(Zone::SuperiorTip(side), 75)],
        ),
        step(
            "probe",
            "Pass the probe through the foramen",
            "A graded probe passes freely beside the root: keep its pedal down on the way, a ball of 2 mm has to pass bone, flavum and disc.",
            &[Rule::ForamenProbed { side, least_tenth_mm: FREE_TENTH_MM }],
        ),
    ]
}

fn microdiscectomy(side: Side) -> Vec<Step> {
    vec![
        level_check(),
        step(
            "laminotomy",
            format!("Make a window at the lower edge of the {} lamina", side.word()),
            "Small: the lower edge of the lamina and as much of the facet as the root needs.",
            &[taken(Zone::Lamina(side), 70)],
        ),
        step(
            "flavum",
            "Open the flavum",
            "Detach it from below and take what covers the root.",
            &[taken(Zone::Flavum(side), 60)],
        ),
        step(
            "root",
            "Find the lateral edge of the root",
            "With a dissector, from the side: never onto the axilla.",
            &[Rule::RootFound(side)],
        ),
        step(
            "retract",
            "Retract the root to the middle",
            "Gently and in turns: less than 3.5 N, and let go from time to time.",
            &[Rule::RootRetracted(side)],
        ),
        step(
            "annulus",
            "Open the annulus",
            "Lateral to the retracted root; keep the opening under 6 mm, larger ones herniate again.",
            &[taken(Zone::Annulus(side), 93)],
        ),
        step(
            "nucleus",
            "Take the loose nucleus",
            "With the pituitary rongeur, never past the front of the annulus.",
            &[taken(Zone::Nucleus(side), 94)],
        ),
        step(
            "probe",
            "Check axilla and foramen",
            "The root moves freely, and the probe passes along it.",
            &[Rule::ForamenProbed { side, least_tenth_mm: 0 }],
        ),
    ]
}
