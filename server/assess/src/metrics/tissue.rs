//! What tissues did: tears, leaks, a broken pars, loose pieces, a field that nobody saw through.

use std::collections::BTreeMap;

use serde::Serialize;
use spinor_sim::Event;

use super::safety::Of;
use super::volume_mm3;
use crate::gather::Session;

/// What tissues did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[expect(missing_docs, reason = "defined in `definitions`")]
pub struct Tissues {
    pub tears: Option<u32>,
    pub longest_tear_mm: Option<f64>,
    pub csf_leaks: Option<u32>,
    pub pars_fractures: Option<u32>,
    pub fragments: Option<u32>,
    pub fragments_left: Option<u32>,
    pub fragments_left_mm3: Option<f64>,
    pub veiled_s: Option<f64>,
}

/// Figures where the recording's tissues answered. Where dura and roots stood still, no load tears them, and what a closing jaw tore is
/// all there is.
pub(super) fn tissues(session: &Session, of: Of, absent: &mut BTreeMap<String, String>) -> Tissues {
    let mut without = |why: &str, keys: &[&str]| {
        for key in keys {
            absent.insert(format!("safety.tissues.{key}"), why.to_owned());
        }
    };
    let mut found = Tissues::default();
    if !session.tissues.answers {
        let keys = ["pars_fractures", "fragments", "fragments_left", "fragments_left_mm3", "veiled_s"];
        without("tissues stood still in this session", &keys);
        without("tissues stood still in this session", &["tears", "longest_tear_mm", "csf_leaks"]);
        return found;
    }
    let count = |of: fn(&Event) -> bool| session.events.iter().filter(|(_, event)| of(event)).count() as u32;
    found.pars_fractures = Some(count(|event| matches!(event, Event::ParsFracture { .. })));
    found.fragments = Some(count(|event| matches!(event, Event::Detached { fragment, .. } if *fragment > 0)));
    let left = || session.standing.fragments();
    found.fragments_left = Some(left().count() as u32);
    found.fragments_left_mm3 = Some(left().map(|fragment| volume_mm3(session, fragment.state.occupancy)).sum::<f64>() + 0.0);
    let hz = f64::from(session.tick_hz.max(1));
    let veiled = session.events.iter().filter_map(|(_, event)| match event {
        Event::FieldCleared { ticks, .. } => Some(f64::from(*ticks) / hz),
        _ => None,
    });
    found.veiled_s = Some(veiled.sum::<f64>() + 0.0);
    let tears = || session.standing.tears().filter(|tear| of.holds(session, tear.structure));
    found.tears = Some(tears().count() as u32);
    found.longest_tear_mm = tears().map(|tear| f64::from(tear.length_um) / 1_000.0).reduce(f64::max);
    if found.longest_tear_mm.is_none() {
        without("nothing tore", &["longest_tear_mm"]);
    }
    found.csf_leaks = Some(tears().filter(|tear| tear.leaks).count() as u32);
    found
}
