//! Contacts with bone and neural tissue as events with a start and an end.

use spinor_volume::Label;

use crate::events::{Event, Holder};
use crate::motion::Motion;
use crate::pose::um;
use crate::settings::Settings;

/// Ticks without bone after which a bone contact has ended.
const BONE_RELEASE_TICKS: u32 = 6;

/// A contact with bone that goes on.
#[derive(Clone, Copy, Debug)]
struct Bone {
    ticks: u32,
    since: u32,
    peak_millinewton: u32,
}

/// A contact with a neural structure that goes on.
#[derive(Clone, Copy, Debug)]
struct Neural {
    structure: Label,
    ticks: u32,
    active_ticks: u32,
    deepest_um: i32,
}

/// A tool's contacts.
#[derive(Clone, Debug, Default)]
pub(crate) struct TouchMemory {
    bone: Option<Bone>,
    neural: Vec<Neural>,
}

impl TouchMemory {
    /// Follows the contact with bone.
    pub(crate) fn bone(&mut self, settings: &Settings, by: Holder, motion: &Motion, events: &mut Vec<Event>) {
        let load_millinewton = (motion.load_newton * 1_000.0 + 0.5) as u32;
        let touches = motion.swept.is_some() || (motion.touched && motion.load_newton >= settings.bone_contact_newton);
        match &mut self.bone {
            None if touches => {
                self.bone = Some(Bone { ticks: 1, since: 0, peak_millinewton: load_millinewton });
                events.push(Event::BoneTouch { by, load_millinewton });
            }
            Some(bone) => {
                bone.since = if touches { 0 } else { bone.since + 1 };
                bone.ticks = bone.ticks.saturating_add(1);
                bone.peak_millinewton = bone.peak_millinewton.max(load_millinewton);
                if bone.since >= BONE_RELEASE_TICKS {
                    self.leave_bone(by, events);
                }
            }
            None => {}
        }
    }

    /// Follows the contacts with neural structures by the distances of the tool's surface.
    pub(crate) fn neural(
        &mut self,
        settings: &Settings,
        by: Holder,
        distances: &[(Label, Option<i32>)],
        active: bool,
        events: &mut Vec<Event>,
    ) {
        let release = um(settings.contact_release_mm);
        for (structure, distance) in distances {
            let distance_um = distance.unwrap_or(i32::MAX);
            let depth_um = distance_um.saturating_neg().max(0);
            let held = self.neural.iter().position(|n| n.structure == *structure);
            match held {
                None if distance_um < 0 => {
                    let active_ticks = u32::from(active);
                    self.neural.push(Neural { structure: *structure, ticks: 1, active_ticks, deepest_um: depth_um });
                    events.push(Event::NeuralTouch { by, structure: *structure, active, depth_um });
                }
                Some(k) if distance_um > release => leave_neural(by, self.neural.remove(k), events),
                Some(k) => {
                    let touch = &mut self.neural[k];
                    touch.ticks = touch.ticks.saturating_add(1);
                    touch.deepest_um = touch.deepest_um.max(depth_um);
                    if active && touch.active_ticks == 0 {
                        events.push(Event::NeuralTouch { by, structure: *structure, active, depth_um });
                    }
                    touch.active_ticks = touch.active_ticks.saturating_add(u32::from(active));
                }
                None => {}
            }
        }
    }

    /// Ends all contacts: the tool is put down.
    pub(crate) fn put_down(&mut self, by: Holder, events: &mut Vec<Event>) {
        if self.bone.is_some() {
            self.leave_bone(by, events);
        }
        for touch in self.neural.drain(..) {
            leave_neural(by, touch, events);
        }
    }

    fn leave_bone(&mut self, by: Holder, events: &mut Vec<Event>) {
        if let Some(bone) = self.bone.take() {
            let ticks = bone.ticks.saturating_sub(bone.since);
            events.push(Event::BoneLeave { by, ticks, peak_millinewton: bone.peak_millinewton });
        }
    }
}

fn leave_neural(by: Holder, touch: Neural, events: &mut Vec<Event>) {
    let Neural { structure, ticks, active_ticks, deepest_um } = touch;
    events.push(Event::NeuralLeave { by, structure, ticks, deepest_um, active_ticks });
}
