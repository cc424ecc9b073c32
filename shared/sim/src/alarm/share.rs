//! How much of a time the alarm was up and heard: an alarm that never stops is switched off.

use crate::events::AlarmLevel;
use crate::state::ToolState;

/// Ticks of tools, counted; one tool in one tick is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlarmShare {
    /// All.
    pub ticks: u64,
    /// Of these, with a spinning burr or tissue taken.
    pub working: u64,
    /// At caution.
    pub caution: u64,
    /// At danger.
    pub danger: u64,
    /// Heard.
    pub sounding: u64,
}

impl AlarmShare {
    /// Counts the tools of a room after a tick.
    pub fn count<'a>(&mut self, tools: impl Iterator<Item = &'a ToolState>) {
        for tool in tools {
            self.ticks += 1;
            self.working += u64::from(tool.spindle_rpm > 0 || tool.removed > 0);
            self.caution += u64::from(tool.level == AlarmLevel::Caution);
            self.danger += u64::from(tool.level == AlarmLevel::Danger);
            self.sounding += u64::from(tool.sounding);
        }
    }

    /// Share of all ticks in which the alarm was heard, thousandths; 0 of none.
    pub const fn sounding_per_mille(&self) -> u64 {
        match (self.sounding * 1_000).checked_div(self.ticks) {
            Some(share) => share,
            None => 0,
        }
    }
}
