//! `events.csv`: one line per recorded event.

use spinor_sim::Event;

use crate::gather::Session;
use crate::metrics::volume_mm3;

/// The header line.
pub const HEADER: &str = "tick,time_s,user,hand,tool,event,structure,value,unit,detail,source";

/// All events as comma-separated values, in the order of the recording. Text fields are quoted where they must be; one that a spreadsheet
/// would take for a formula gets an apostrophe before it. The last column says where the event's structure comes from: `proposed` is in no image.
pub fn events(session: &Session) -> String {
    let mut out = format!("{HEADER}\n");
    for (tick, event) in &session.events {
        let by = event.by();
        let (kind, value, unit, detail) = describe(session, event);
        let structure = event.structure().map(|label| label.name()).unwrap_or_default();
        let hand = format!("{:?}", by.hand).to_lowercase();
        let fields = [
            tick.to_string(),
            format!("{:.3}", session.seconds(*tick)),
            quoted(&session.name(by.user)),
            hand,
            by.tool.word().to_owned(),
            kind,
            structure,
            value,
            unit.to_owned(),
            quoted(&detail),
            event.structure().and_then(|label| session.patient.structure(label)).map_or("", |s| s.source.word()).to_owned(),
        ];
        out.push_str(&fields.join(","));
        out.push('\n');
    }
    out
}

/// Kind, value, unit and details of an event.
fn describe(session: &Session, event: &Event) -> (String, String, &'static str, String) {
    let known = known(session, event).map(|(kind, value, unit, detail)| (kind.to_owned(), value, unit, detail));
    known.unwrap_or_else(|| plain(&format!("{event:?}")))
}

/// The same of the events that this file knows.
fn known(session: &Session, event: &Event) -> Option<(&'static str, String, &'static str, String)> {
    let mm = |um: i32| format!("{:.3}", f64::from(um) / 1_000.0);
    let seconds = |ticks: u32| f64::from(ticks) / f64::from(session.tick_hz.max(1));
    let celsius = |tenth: i32| format!("{:.1}", f64::from(tenth) / 10.0);
    Some(match event {
        Event::Alarm { was, warning, sounding, .. } => {
            let heard = if *sounding { ", heard" } else { "" };
            let far = warning.distance_um == i32::MAX;
            let value = if far { String::new() } else { mm(warning.distance_um) };
            let text = format!("{} -> {}, threshold {} mm{heard}", was.word(), warning.level.word(), mm(warning.threshold_um));
            ("alarm", value, "mm", text)
        }
        Event::NeuralTouch { active, depth_um, .. } => {
            ("neural_touch", mm(*depth_um), "mm", if *active { "tool active" } else { "" }.to_owned())
        }
        Event::NeuralLeave { ticks, deepest_um, active_ticks, .. } => {
            let text = format!("after {:.3} s, active {:.3} s", seconds(*ticks), seconds(*active_ticks));
            ("neural_leave", mm(*deepest_um), "mm", text)
        }
        Event::NeuralPinch { depth_um, .. } => ("neural_pinch", mm(*depth_um), "mm", String::new()),
        Event::BoneTouch { load_millinewton, .. } => ("bone_touch", load_millinewton.to_string(), "mN", String::new()),
        Event::BoneLeave { ticks, peak_millinewton, .. } => {
            ("bone_leave", peak_millinewton.to_string(), "mN", format!("after {:.3} s", seconds(*ticks)))
        }
        Event::Removed { occupancy, .. } => ("removed", format!("{:.5}", volume_mm3(session, *occupancy)), "mm3", String::new()),
        Event::Breakthrough { plunge_um, .. } => ("breakthrough", mm(*plunge_um), "mm", String::new()),
        Event::BiteRefused { reason, .. } => ("bite_refused", String::new(), "", format!("{reason:?}").to_lowercase()),
        Event::Kick { way_um, .. } => ("kick", mm(*way_um), "mm", String::new()),
        Event::Overheated { tenth_celsius, ticks, .. } => {
            ("overheated", celsius(*tenth_celsius), "C", format!("for {:.3} s", seconds(*ticks)))
        }
        Event::DryDrilling { ticks, tenth_celsius, .. } => {
            ("dry_drilling", format!("{:.3}", seconds(*ticks)), "s", format!("up to {} C", celsius(*tenth_celsius)))
        }
        Event::Blow { advance_um, .. } => ("blow", mm(*advance_um), "mm", String::new()),
        Event::DepthMark { depth_um, .. } => ("depth_mark", mm(*depth_um), "mm", String::new()),
        Event::DiscBreached { depth_um, .. } => ("disc_breached", mm(*depth_um), "mm", String::new()),
        Event::Retraction { ticks, peak_millinewton, impulse_millinewton_seconds, .. } => {
            let text = format!("after {:.3} s, {impulse_millinewton_seconds} mN s", seconds(*ticks));
            ("retraction", peak_millinewton.to_string(), "mN", text)
        }
        Event::RetractionHigh { load_millinewton, .. } => ("retraction_high", load_millinewton.to_string(), "mN", String::new()),
        Event::Passage { diameter_tenth_mm, way_um, .. } => {
            let text = format!("over {} mm", mm(*way_um));
            ("passage", format!("{:.1}", f64::from(*diameter_tenth_mm) / 10.0), "mm", text)
        }
        Event::ThinBone { left_um, distance_um, .. } => {
            ("thin_bone", mm(*left_um), "mm", format!("structure at {} mm", mm(*distance_um)))
        }
        Event::Detached { fragment, occupancy, .. } => {
            ("detached", format!("{:.5}", volume_mm3(session, *occupancy)), "mm3", format!("fragment {fragment}"))
        }
        Event::FragmentTaken { fragment, .. } => ("fragment_taken", fragment.to_string(), "", String::new()),
        Event::ParsFracture { left, area_centi_mm2, .. } => {
            let side = if *left { "left" } else { "right" };
            ("pars_fracture", format!("{:.2}", f64::from(*area_centi_mm2) / 100.0), "mm2", side.to_owned())
        }
        Event::NeuralTear { length_um, size, .. } => {
            ("neural_tear", format!("{:.3}", f64::from(*length_um) / 1_000.0), "mm", format!("{size:?}").to_lowercase())
        }
        Event::CsfLeak { .. } => ("csf_leak", String::new(), "", String::new()),
        Event::AnnulusClosed { .. } => ("annulus_closed", String::new(), "", String::new()),
        Event::FieldVeiled { .. } => ("field_veiled", String::new(), "", String::new()),
        Event::FieldCleared { ticks, .. } => ("field_cleared", format!("{:.3}", seconds(*ticks)), "s", String::new()),
        #[allow(unreachable_patterns, reason = "kinds of events that are newer than this file are named by their own words")]
        _ => return None,
    })
}

/// An event by its debug text, `Kind { by: Holder { .. }, field: value, .. }`: its kind in snake case, and its own fields as they are.
fn plain(debug: &str) -> (String, String, &'static str, String) {
    let (name, fields) = debug.split_once(" {").unwrap_or((debug, ""));
    let mut kind = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !kind.is_empty() {
            kind.push('_');
        }
        kind.extend(c.to_lowercase());
    }
    let own = fields.split_once("}, ").map_or("", |(_, own)| own);
    (kind, String::new(), "", own.trim_end_matches([' ', '}']).to_owned())
}

fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event that this file does not know is still a line with a name and its values.
    #[test]
    fn unknown_events_are_named_by_their_own_words() {
        let by =
            spinor_sim::Holder { user: spinor_sim::UserId(1), hand: spinor_sim::Hand::Left, tool: spinor_sim::ToolKind::Probe };
        let event = Event::BoneLeave { by, ticks: 3, peak_millinewton: 9 };
        let expected = ("bone_leave".to_owned(), String::new(), "", "ticks: 3, peak_millinewton: 9".to_owned());
        assert_eq!(plain(&format!("{event:?}")), expected);
    }

    #[test]
    fn names_cannot_break_a_line_or_become_a_formula() {
        assert_eq!(quoted("Ada (#1)"), "Ada (#1)");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=1+1"), "'=1+1");
    }
}
