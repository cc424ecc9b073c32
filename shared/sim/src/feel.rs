//! What a hand feels and an ear hears of a tool, in integers that any client can render: sound, vibration, force.

use crate::input::ToolKind;
use crate::motion::Motion;
use crate::settings::Settings;
use crate::vector::{norm, scale};

/// Sound, vibration and force of one tool in one tick.
///
/// A spindle's pitch falls and its loudness rises with load; vibration is coarser in hard bone. Hardness can be felt that way without a
/// force arm (Kiyofuji 2022: cancellous bone felt 70 % as hard as compact bone).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Feel {
    /// Pitch of what is heard, Hz; 0 is silence.
    pub pitch_hertz: u32,
    /// Loudness, 0-1000.
    pub loudness: u16,
    /// Amplitude of the vibration in the hand, 0-1000.
    pub vibration: u16,
    /// Its frequency, Hz.
    pub vibration_hertz: u16,
    /// Force of the tool on the hand in patient LPS, mN.
    pub force_millinewton: [i32; 3],
}

impl Feel {
    /// What a tick's motion feels like.
    pub(crate) fn of(settings: &Settings, tool: ToolKind, motion: &Motion) -> Self {
        let load = (motion.load_newton / settings.load_limit_newton).clamp(0.0, 1.0);
        let force_millinewton = scale(motion.force_newton, 1_000.0).map(|v| (v + 0.5).floor() as i32);
        if tool.is_burr() && motion.rpm > 0.0 {
            let cutting = if motion.swept.is_some() { 0.1 + 0.25 * motion.hardness } else { 0.0 };
            return Self {
                pitch_hertz: (motion.rpm / 60.0 + 0.5) as u32,
                loudness: per_mille(0.2 + 0.45 * load + cutting),
                vibration: per_mille(0.06 + 0.5 * load + cutting),
                vibration_hertz: (170.0 - 70.0 * load) as u16,
                force_millinewton,
            };
        }
        // A tool without a motor scrapes where it slides under load, and knocks where it is stopped.
        let full = (motion.load_newton / settings.tools.feel_full_newton).clamp(0.0, 1.0);
        let speed = (motion.slid_mm / 2.0).clamp(0.0, 1.0);
        if !motion.touched || full <= 0.0 {
            return Self { force_millinewton, ..Self::default() };
        }
        Self {
            pitch_hertz: if speed > 0.0 { (200.0 + 600.0 * speed) as u32 } else { 0 },
            loudness: per_mille(full * speed),
            vibration: per_mille(0.15 + 0.35 * full + 0.3 * full * speed),
            vibration_hertz: 90,
            force_millinewton,
        }
    }

    /// The load that the force stands for, mN.
    pub fn load_millinewton(&self) -> u32 {
        (norm(self.force_millinewton.map(f64::from)) + 0.5) as u32
    }
}

fn per_mille(share: f64) -> u16 {
    (share.clamp(0.0, 1.0) * 1_000.0 + 0.5) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With load a spindle's pitch falls and its loudness rises; hard bone shakes more than soft; a tool that touches nothing is still.
    #[test]
    fn load_and_hardness_are_heard_and_felt() {
        let settings = Settings::default();
        let burr = |load_newton: f64, hardness: f64| {
            let rpm = 60_000.0 * (1.0 - settings.spindle_droop * load_newton / settings.load_limit_newton);
            let sweep = crate::Sweep { a_mm: [0.0; 3], b_mm: [0.0; 3], radius_mm: 1.0 };
            let motion = Motion {
                swept: Some(sweep),
                touched: true,
                load_newton,
                rpm,
                hardness,
                force_newton: [0.0, load_newton, 0.0],
                ..Motion::default()
            };
            Feel::of(&settings, ToolKind::FlutedBurr, &motion)
        };
        let (light, heavy, soft) = (burr(0.3, 0.8), burr(2.4, 0.8), burr(0.3, 0.1));
        assert!(heavy.pitch_hertz < light.pitch_hertz && heavy.loudness > light.loudness && heavy.vibration > light.vibration);
        assert!(soft.vibration < light.vibration && soft.loudness < light.loudness);
        assert_eq!(heavy.load_millinewton(), 2_400);
        assert_eq!(Feel::of(&settings, ToolKind::Probe, &Motion::default()), Feel::default());
    }
}
