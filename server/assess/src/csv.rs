//! `events.csv`: one line per recorded event.

use spinor_sim::Event;

use crate::gather::Session;
use crate::metrics::volume_mm3;

/// The header line.
pub const HEADER: &str = "tick,time_s,user,hand,tool,event,structure,value,unit,detail";

/// All events as comma-separated values, in the order of the recording. Text fields are quoted where they must be; one that a spreadsheet
/// would take for a formula gets an apostrophe before it.
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
            kind.to_owned(),
            structure,
            value,
            unit.to_owned(),
            quoted(&detail),
        ];
        out.push_str(&fields.join(","));
        out.push('\n');
    }
    out
}

fn describe(session: &Session, event: &Event) -> (&'static str, String, &'static str, String) {
    let mm = |um: i32| format!("{:.3}", f64::from(um) / 1_000.0);
    let seconds = |ticks: u32| f64::from(ticks) / f64::from(session.tick_hz.max(1));
    let celsius = |tenth: i32| format!("{:.1}", f64::from(tenth) / 10.0);
    match event {
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
    }
}

fn quoted(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_a_line_or_become_a_formula() {
        assert_eq!(quoted("Ada (#1)"), "Ada (#1)");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=1+1"), "'=1+1");
    }
}
