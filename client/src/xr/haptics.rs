//! Vibration: the spindle's load in the hand that feels it, and the alarm above all.

use bevy::prelude::*;
use bevy_mod_openxr::openxr_session_running;
use bevy_mod_openxr::session::OxrSession;
use spinor_sim::AlarmLevel;

use super::controllers::Actions;
use crate::Draw;
use crate::room::{Room, ShownTool};

/// How often vibration is renewed, s; each lasts a little longer, so that it does not stutter.
const EVERY_SECS: f32 = 0.05;
const LASTS_NANOS: i64 = 70_000_000;
/// Load at which vibration is strongest, N.
const STRONG_NEWTON: f32 = 2.4;

/// A vibration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Buzz {
    /// 0-1.
    pub(super) amplitude: f32,
    /// Hz.
    pub(super) frequency: f32,
}

/// What a hand feels of its tool at a moment (seconds); none when nothing.
pub(super) fn feel(tool: &ShownTool, seconds: f64) -> Option<Buzz> {
    // An alarm that sounds comes in pulses, so that it is not taken for the spindle.
    if tool.sounding && tool.level == AlarmLevel::Danger {
        return Some(Buzz { amplitude: if (seconds * 7.0).fract() < 0.55 { 1.0 } else { 0.15 }, frequency: 220.0 });
    }
    let load = (tool.load_newton / STRONG_NEWTON).clamp(0.0, 1.0);
    match tool.kind {
        kind if kind.is_burr() && tool.spindle_rpm > 0.0 => {
            // Coarse and strong in hard bone, fine and faint in the air.
            let amplitude = 0.06 + 0.55 * load + if tool.cutting { 0.12 } else { 0.0 };
            Some(Buzz { amplitude: amplitude.min(0.9), frequency: 170.0 - 70.0 * load })
        }
        _ if tool.in_bone && load > 0.02 => Some(Buzz { amplitude: 0.15 + 0.35 * load, frequency: 90.0 }),
        _ => None,
    }
}

/// Vibrates the controllers.
pub(super) struct HapticsPlugin;

impl Plugin for HapticsPlugin {
    fn build(&self, app: &mut App) {
        app.add_systems(Update, vibrate.in_set(Draw).run_if(openxr_session_running).run_if(resource_exists::<Actions>));
    }
}

fn vibrate(
    actions: Res<Actions>,
    session: Res<OxrSession>,
    room: Res<Room>,
    time: Res<Time<Real>>,
    mut since: Local<f32>,
    mut told: Local<bool>,
) {
    *since += time.delta_secs();
    if *since < EVERY_SECS {
        return;
    }
    *since = 0.0;
    for ((user, hand), tool) in &room.tools {
        if Some(*user) != room.me {
            continue;
        }
        let Some(buzz) = feel(tool, time.elapsed_secs_f64()) else { continue };
        let vibration = openxr::HapticVibration::new()
            .amplitude(buzz.amplitude)
            .frequency(buzz.frequency)
            .duration(openxr::Duration::from_nanos(LASTS_NANOS));
        if let Err(wrong) = actions.haptic.apply_feedback(&session, actions.path(*hand), &vibration)
            && !std::mem::replace(&mut *told, true)
        {
            eprintln!("no vibration: {wrong}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinor_sim::ToolKind;
    use spinor_volume::Label;

    fn burr(load_newton: f32, rpm: f32) -> ShownTool {
        ShownTool {
            kind: ToolKind::FlutedBurr,
            size_tenth_mm: 40,
            at: Transform::IDENTITY,
            trigger: 1.0,
            load_newton,
            nearest: Some((5.0, Label::DURAL_SAC)),
            level: AlarmLevel::Clear,
            warning: None,
            sounding: false,
            contact_s: None,
            bone_left_mm: None,
            spindle_rpm: rpm,
            in_bone: load_newton > 0.0,
            cutting: load_newton > 0.0,
        }
    }

    /// More load feels stronger and coarser; a resting burr feels like nothing; the alarm pulses above everything.
    #[test]
    fn load_is_felt_and_the_alarm_above_it() {
        let feels: Vec<Buzz> = (0..6).map(|n| feel(&burr(n as f32 * 0.4, 60_000.0), 0.0).unwrap()).collect();
        assert!(feels.windows(2).all(|p| p[1].amplitude > p[0].amplitude && p[1].frequency < p[0].frequency));
        assert_eq!(feel(&burr(0.0, 0.0), 0.0), None);
        let alarmed = ShownTool { level: AlarmLevel::Danger, sounding: true, ..burr(0.5, 60_000.0) };
        // Four looks a pulse: two would both fall into its strong part.
        let pulses: Vec<f32> = (0..28).map(|n| feel(&alarmed, f64::from(n) / 28.0).unwrap().amplitude).collect();
        assert!(pulses.contains(&1.0) && pulses.iter().any(|a| *a < 0.2));
    }
}
