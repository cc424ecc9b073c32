//! Heat under a burr: bone tends to a temperature that grows with speed and load, slowly when dry, and is held down by irrigation.
//!
//! The rise is that of one heat capacity with one loss: dT/dt = s · (T_dry − T_body)/τ_dry − (T − T_body)/τ, where s is speed times load
//! over those of the measurement while the burr cuts, and τ the dry or the wet time.

use crate::events::{Event, Holder};
use crate::input::{TICKS_PER_SECOND, ToolKind};
use crate::settings::Settings;
use crate::tools::work::Bench;

/// Bone's temperature at one burr, and how long it has been drilled dry.
#[derive(Clone, Debug)]
pub(crate) struct Heat {
    celsius: f64,
    /// Ticks above the harmful temperature, since it was last told.
    harmful: u32,
    /// The same since it rose above it.
    above: u32,
    /// A spell of dry drilling: ticks that cut, ticks since the last of them, highest temperature.
    dry: Option<(u32, u32, f64)>,
}

/// Power over that of the measurement.
fn share(settings: &Settings, rpm: f64, load_newton: f64) -> f64 {
    rpm / settings.tools.heat_rpm * load_newton / settings.tools.heat_newton
}

impl Heat {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self { celsius: settings.tools.body_celsius, harmful: 0, above: 0, dry: None }
    }

    /// Temperature, 1/10 °C.
    pub(crate) fn tenth_celsius(&self) -> i32 {
        (self.celsius * 10.0 + 0.5).floor() as i32
    }

    /// One tick.
    pub(crate) fn advance(&mut self, bench: &Bench<'_>, events: &mut Vec<Event>) {
        let (settings, numbers, motion) = (bench.settings, &bench.settings.tools, bench.motion);
        let cuts = motion.swept.is_some();
        let power = if cuts { share(settings, motion.rpm, motion.load_newton) } else { 0.0 };
        self.warm(settings, bench.by.tool, power, bench.wet);
        if self.celsius >= numbers.harmful_celsius {
            (self.harmful, self.above) = (self.harmful + 1, self.above.saturating_add(1));
            if self.harmful >= numbers.harmful_ticks {
                self.harmful = 0;
                events.push(Event::Overheated { by: bench.by, tenth_celsius: self.tenth_celsius(), ticks: self.above });
            }
        } else {
            (self.harmful, self.above) = (0, 0);
        }
        if cuts && !bench.wet {
            let (ticks, _, peak) = self.dry.unwrap_or((0, 0, 0.0));
            self.dry = Some((ticks.saturating_add(1), 0, peak.max(self.celsius)));
        } else if let Some((_, since, _)) = &mut self.dry {
            *since += 1;
            if *since >= numbers.dry_pause_ticks || bench.wet {
                self.put_down(bench.by, events);
            }
        }
    }

    fn warm(&mut self, settings: &Settings, tool: ToolKind, power: f64, wet: bool) {
        let numbers = &settings.tools;
        let dry = if tool == ToolKind::DiamondBurr { numbers.diamond_dry_celsius } else { numbers.fluted_dry_celsius };
        let gain = power * (dry - numbers.body_celsius) / numbers.dry_seconds;
        let loss = (self.celsius - numbers.body_celsius) / if wet { numbers.wet_seconds } else { numbers.dry_seconds };
        self.celsius = (self.celsius + (gain - loss) / f64::from(TICKS_PER_SECOND)).clamp(numbers.body_celsius, 1_000.0);
    }

    /// Ends a spell of dry drilling.
    pub(crate) fn put_down(&mut self, by: Holder, events: &mut Vec<Event>) {
        if let Some((ticks, _, peak)) = self.dry.take() {
            events.push(Event::DryDrilling { by, ticks, tenth_celsius: (peak * 10.0 + 0.5).floor() as i32 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(tool: ToolKind, rpm: f64, load_newton: f64, seconds: u32, wet: bool) -> f64 {
        let settings = Settings::default();
        let mut heat = Heat::new(&settings);
        for _ in 0..seconds * TICKS_PER_SECOND {
            heat.warm(&settings, tool, share(&settings, rpm, load_newton), wet);
        }
        heat.celsius
    }

    /// The measured facts: dry at 45,000/min 47 °C after 10 s, 141 °C (steel) and 177 °C (diamond) in the end; irrigation keeps even the
    /// fastest, hardest pressed burr of either kind under 41 °C.
    #[test]
    fn dry_bone_heats_as_measured_and_irrigation_cools() {
        assert!((after(ToolKind::FlutedBurr, 45_000.0, 1.2, 10, false) - 47.0).abs() < 0.2);
        assert!((after(ToolKind::FlutedBurr, 45_000.0, 1.2, 900, false) - 141.0).abs() < 0.5);
        assert!((after(ToolKind::DiamondBurr, 45_000.0, 1.2, 900, false) - 177.0).abs() < 0.5);
        assert!(after(ToolKind::FlutedBurr, 60_000.0, 2.4, 60, true) < 41.0);
        assert!(after(ToolKind::DiamondBurr, 60_000.0, 2.4, 60, true) < 41.0);
        assert!(after(ToolKind::DiamondBurr, 45_000.0, 1.2, 10, false) > after(ToolKind::FlutedBurr, 45_000.0, 1.2, 10, false));
    }
}
