//! The tools at hand: which one each of one's own hands holds, and in which size.

use std::collections::BTreeMap;

use bevy::prelude::*;
use spinor_sim::tool::size_range;
use spinor_sim::{Hand, ToolKind};

use crate::Allow;
use crate::wish::{Granted, Wish};

/// The size a tool is taken in first, 1/10 mm.
const fn first_size(kind: ToolKind) -> u8 {
    match kind {
        ToolKind::FlutedBurr => 40,
        ToolKind::Probe => 20,
        ToolKind::Leksell | ToolKind::Penfield => 50,
        ToolKind::Retractor => 60,
        ToolKind::Osteotome => 100,
        ToolKind::Curette | ToolKind::AngledCurette => 40,
        _ => 30,
    }
}

/// One step of size, 1/10 mm: foramen probes come in halves of a millimetre, blades in whole ones.
const fn step(kind: ToolKind) -> i16 {
    match kind {
        ToolKind::Retractor | ToolKind::Osteotome => 10,
        _ => 5,
    }
}

/// The rack and one's own hands.
#[derive(Resource, Debug)]
pub(crate) struct Rack {
    held: [Option<ToolKind>; 2],
    sizes: BTreeMap<ToolKind, u8>,
    /// The hand that a mouse moves and that the menu is about.
    pub(crate) active: Hand,
}

impl Default for Rack {
    fn default() -> Self {
        Self { held: [None, Some(ToolKind::FlutedBurr)], sizes: BTreeMap::new(), active: Hand::Right }
    }
}

/// The hand that `hand` is not.
pub(crate) const fn other(hand: Hand) -> Hand {
    match hand {
        Hand::Left => Hand::Right,
        Hand::Right => Hand::Left,
    }
}

impl Rack {
    /// The tool of a hand with its size in 1/10 mm.
    pub(crate) fn held(&self, hand: Hand) -> Option<(ToolKind, u8)> {
        self.held[hand as usize].map(|kind| (kind, self.size(kind)))
    }

    /// The size in which a tool is or would be held, 1/10 mm.
    pub(crate) fn size(&self, kind: ToolKind) -> u8 {
        let (low, high) = size_range(kind);
        self.sizes.get(&kind).copied().unwrap_or_else(|| first_size(kind)).clamp(low, high)
    }

    /// Takes a tool in a hand.
    pub(crate) fn take(&mut self, hand: Hand, kind: ToolKind) {
        self.held[hand as usize] = Some(kind);
    }

    /// Takes a tool in a hand, in the size in which it was handed over.
    pub(crate) fn receive(&mut self, hand: Hand, kind: ToolKind, size_tenth_mm: u8) {
        self.sizes.insert(kind, size_tenth_mm);
        self.take(hand, kind);
    }

    /// Empties a hand.
    pub(crate) fn put_away(&mut self, hand: Hand) {
        self.held[hand as usize] = None;
    }

    /// Takes the tool `steps` further along the rack; from an empty hand the first or the last.
    fn next(&mut self, hand: Hand, steps: i8) {
        let count = ToolKind::ALL.len() as i32;
        let at = self.held[hand as usize].and_then(|kind| ToolKind::ALL.iter().position(|k| *k == kind));
        let to = match at {
            Some(at) => (at as i32 + i32::from(steps)).rem_euclid(count),
            None if steps < 0 => count - 1,
            None => 0,
        };
        self.held[hand as usize] = ToolKind::ALL.get(to as usize).copied();
    }

    fn resize(&mut self, hand: Hand, steps: i8) {
        let Some((kind, size)) = self.held(hand) else { return };
        let (low, high) = size_range(kind);
        let size = i16::from(size) + i16::from(steps) * step(kind);
        self.sizes.insert(kind, size.clamp(i16::from(low), i16::from(high)) as u8);
    }
}

/// Serves the rack.
pub(crate) struct RackPlugin;

impl Plugin for RackPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Rack>().add_systems(Update, serve.in_set(Allow));
    }
}

fn serve(mut granted: MessageReader<Granted>, mut rack: ResMut<Rack>) {
    for Granted(wish) in granted.read() {
        match wish {
            Wish::Take(hand, kind) => rack.take(*hand, *kind),
            Wish::NextTool(hand, steps) => rack.next(*hand, *steps),
            Wish::PutAway(hand) => rack.put_away(*hand),
            Wish::Resize(hand, steps) => rack.resize(*hand, *steps),
            Wish::OtherHand => rack.active = other(rack.active),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Going along the rack comes by every tool once and back, and every first size is one that the tool comes in.
    #[test]
    fn the_rack_goes_round() {
        let mut rack = Rack::default();
        let mut seen = Vec::new();
        for _ in ToolKind::ALL {
            let (kind, size) = rack.held(Hand::Right).unwrap();
            let (low, high) = size_range(kind);
            assert!((low..=high).contains(&first_size(kind)) && size == first_size(kind), "{kind:?}");
            seen.push(kind);
            rack.next(Hand::Right, 1);
        }
        assert_eq!(seen, ToolKind::ALL);
        assert_eq!(rack.held(Hand::Right).unwrap().0, ToolKind::FlutedBurr);
        rack.next(Hand::Left, -1);
        assert_eq!(rack.held(Hand::Left).unwrap().0, ToolKind::ALL[ToolKind::ALL.len() - 1]);
    }

    /// A size stays within what the tool comes in, and is found again when the tool is.
    #[test]
    fn sizes_have_ends_and_are_kept() {
        let mut rack = Rack::default();
        rack.resize(Hand::Right, 100);
        assert_eq!(rack.held(Hand::Right), Some((ToolKind::FlutedBurr, size_range(ToolKind::FlutedBurr).1)));
        rack.take(Hand::Right, ToolKind::Kerrison);
        rack.resize(Hand::Right, -100);
        rack.take(Hand::Right, ToolKind::FlutedBurr);
        assert_eq!(rack.size(ToolKind::FlutedBurr), 60);
        assert_eq!(rack.size(ToolKind::Kerrison), 10);
    }
}
