//! What the assessment says of scripted surgeons whose skill is known. They are scripts: nothing here is about people.

#![expect(clippy::unwrap_used, reason = "a test's own helpers may fail where they stand")]

use spinor_assess::{Metrics, Options, gather_with, measure};
use spinor_shared::case::{Case, CaseMeta, case_hash};
use spinor_sim::procedure::{Procedure, Side, Target};
use spinor_sim::small_spine;
use spinor_surgeon::Skill;
use spinor_surgeon::rehearsal::Rehearsal;

/// The first minute and a half of a foraminotomy.
fn assessed(skill: Skill) -> Metrics {
    let case = Case { patient: small_spine::patient(0.8).unwrap(), ct: None, mr: None, meta: CaseMeta::default() };
    let bytes = case.encode();
    let hash = case_hash(&bytes).unwrap();
    let target = Target { procedure: Procedure::Foraminotomy, level: 4, side: Side::Left };
    let rehearsal = Rehearsal { target, skill, seed: 1, started_unix_s: 0, tissues: spinor_sim::Settings::default().tissues() };
    let mut recording = Vec::new();
    let outcome = rehearsal.perform_watched(&case, bytes, hash, &mut recording, &mut |at| at.tick < 90 * 60).unwrap();
    assert!(outcome.stopped.is_some() && outcome.ticks > 90 * 60, "{:?}", outcome.phases);
    let session = gather_with(&recording[..], &Options { anatomy: false, target: None }).unwrap();
    assert_eq!((session.torn, session.differing), (false, 0), "a stopped rehearsal leaves a whole recording");
    measure(&session)
}

/// The tremor that is measured is the one that was set, whatever the hand does on purpose, and a loose hand scores below a quiet one.
#[test]
fn a_skill_comes_out_of_its_recording() {
    let [steady, careless] = [Skill::Steady, Skill::Careless].map(|skill| {
        let metrics = assessed(skill);
        // Two thirds of a hand's deviation along each of three axes are shaking, the rest is drift.
        let set = skill.habits().tremor_mm * (2.0_f64 / 3.0).sqrt() * 3.0_f64.sqrt();
        let measured = metrics.figures["tremor_mm"].unwrap();
        assert!((measured / set - 1.0).abs() < 0.3, "{skill:?}: set {set:.3} mm, measured {measured:.3} mm");
        metrics.score.safety.unwrap()
    });
    assert!(steady > careless, "steady {steady:.1}, careless {careless:.1}");
}
