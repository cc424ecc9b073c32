//! What tools do to dura and roots that give way: load, tears, leaks.
//!
//! How long and how hard a nerve is held is told by the tool's own model ([`Event::Retraction`]); this says what the load is, and what tears.

use std::collections::BTreeMap;

use spinor_volume::Label;

use super::output::TearState;
use super::patches::Press;
use super::{HandTool, ToolOfHand};
use crate::events::{Event, Holder, TearSize};
use crate::input::ToolKind;
use crate::pose::um_from_mm;
use crate::settings::TissueSettings;
use crate::vector::{Vec3, norm, sub};

/// Longest tear that is told, µm.
const LONGEST_UM: u32 = 100_000;

/// All loads on neural structures, and all tears.
#[derive(Clone, Debug, Default)]
pub(crate) struct Loads {
    /// Of the last tick, mN.
    last: BTreeMap<(ToolOfHand, Label), u32>,
    tears: Vec<TearState>,
}

impl Loads {
    /// Tears that were there before.
    pub(crate) fn with_tears(tears: Vec<TearState>) -> Self {
        Self { last: BTreeMap::new(), tears }
    }

    pub(crate) fn tears(&self) -> &[TearState] {
        &self.tears
    }

    /// Load of a hand's tool on a structure in the last tick, mN.
    pub(crate) fn of(&self, hand: ToolOfHand, structure: Label) -> u32 {
        self.last.get(&(hand, structure)).copied().unwrap_or(0)
    }

    /// Follows the loads of a tick, with the events of the tick so far. Tears that are new or grew go into `torn`.
    pub(crate) fn follow(
        &mut self,
        settings: &TissueSettings,
        tools: &[HandTool<'_>],
        presses: &[Press],
        torn: &mut Vec<TearState>,
        events: &mut Vec<Event>,
    ) {
        self.last.clear();
        let before = self.tears.clone();
        for press in presses {
            let Some(tool) = tools.get(press.tool) else { continue };
            self.last.insert((tool.key(), press.structure), (press.load_newton * 1_000.0 + 0.5) as u32);
            let by = tool.state.holder();
            let tears_at = settings.tear_newton_per_mm * press.radius_mm;
            let mut growth =
                if press.load_newton > tears_at { settings.load_tear_mm * press.load_newton / tears_at } else { 0.0 };
            if tool.active {
                growth += match tool.state.input.tool {
                    ToolKind::FlutedBurr => settings.fluted_tear_mm,
                    ToolKind::DiamondBurr => settings.diamond_tear_mm,
                    _ => 0.0,
                };
            }
            self.tear(settings, by, press.structure, press.at, growth, events);
        }
        // What a closing jaw caught is torn as far as it reached in.
        let pinches: Vec<(Holder, Label, i32)> = events
            .iter()
            .filter_map(|e| match *e {
                Event::NeuralPinch { by, structure, depth_um } => Some((by, structure, depth_um)),
                _ => None,
            })
            .collect();
        for (by, structure, depth_um) in pinches {
            let Some(tool) = tools.iter().find(|tool| tool.state.holder() == by) else { continue };
            self.tear(settings, by, structure, tool.tip_mm(), 2.0 * f64::from(depth_um.max(0)) / 1_000.0, events);
        }
        let changed = self.tears.iter().enumerate().filter(|(n, tear)| before.get(*n) != Some(tear));
        torn.extend(changed.map(|(_, tear)| *tear));
    }

    fn tear(
        &mut self,
        settings: &TissueSettings,
        by: Holder,
        structure: Label,
        at_mm: Vec3,
        growth_mm: f64,
        events: &mut Vec<Event>,
    ) {
        let growth_um = (growth_mm.clamp(0.0, 100.0) * 1_000.0 + 0.5) as u32;
        if growth_um == 0 {
            return;
        }
        let near = |tear: &TearState| {
            let reach = settings.tear_joins_mm + f64::from(tear.length_um) / 1_000.0;
            tear.structure == structure && norm(sub(tear.at_um.map(|v| f64::from(v) / 1_000.0), at_mm)) <= reach
        };
        let known = self.tears.iter().position(near);
        let n = known.unwrap_or_else(|| {
            let (number, at_um) = (self.tears.len() as u32, um_from_mm(at_mm));
            self.tears.push(TearState { number, structure, at_um, length_um: 0, leaks: false });
            self.tears.len() - 1
        });
        let tear = &mut self.tears[n];
        let before = TearSize::of_um(tear.length_um);
        tear.length_um = tear.length_um.saturating_add(growth_um).min(LONGEST_UM);
        let (length_um, size) = (tear.length_um, TearSize::of_um(tear.length_um));
        if known.is_none() || size > before {
            events.push(Event::NeuralTear { by, structure, length_um, size });
        }
        // A root's sleeve is dura too, but what leaks is the sac.
        if structure == Label::DURAL_SAC && !tear.leaks && f64::from(length_um) >= settings.leak_from_mm * 1_000.0 {
            tear.leaks = true;
            events.push(Event::CsfLeak { by, structure });
        }
    }
}
