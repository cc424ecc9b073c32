//! Whole simulations on small analytic patients.

mod alarm;
mod body;
mod cutting;
mod determinism;
mod garbage;
mod instruments;
mod pre_alarm;
mod prediction;
mod punch;
mod rules;
mod tissue;
mod yielding;

use std::sync::Arc;

use spinor_volume::Patient;

use crate::{Hand, Pose, Settings, Simulation, StepOutput, Tick, ToolInput, ToolKind, UserId};

/// Shaft pointing along +y, to the back: the way tools come from.
pub(super) const FROM_BEHIND: [i16; 4] = [-23_170, 0, 0, 23_170];

/// An input of user 1's right hand with a tool of 3 mm.
pub(super) fn input(seq: u32, tool: ToolKind, tip_mm: [f64; 3], trigger: u8) -> ToolInput {
    let pose = Pose { tip_um: crate::pose::um_from_mm(tip_mm), turn: FROM_BEHIND };
    ToolInput { user: UserId(1), hand: Hand::Right, seq, tool, size_tenth_mm: 30, pose, trigger }
}

/// A room around a patient.
pub(super) fn room(patient: Patient) -> Simulation {
    Simulation::new(Arc::new(patient), Settings::default())
}

/// One person's tool, driven tick by tick.
pub(super) struct Driver {
    pub(super) sim: Simulation,
    pub(super) tick: u32,
    pub(super) tool: ToolKind,
}

impl Driver {
    pub(super) fn new(patient: Patient, tool: ToolKind) -> Self {
        Self { sim: room(patient), tick: 0, tool }
    }

    /// One tick with the hand somewhere.
    pub(super) fn go(&mut self, tip_mm: [f64; 3], trigger: u8) -> StepOutput {
        self.tick += 1;
        self.sim.step(Tick(self.tick), &[input(self.tick, self.tool, tip_mm, trigger)])
    }

    /// Where the tool is, mm.
    pub(super) fn at(&self) -> [f64; 3] {
        self.state().proxy.tip_mm()
    }

    pub(super) fn state(&self) -> crate::ToolState {
        *self.sim.tool(UserId(1), Hand::Right).unwrap()
    }
}
