//! Where the picture comes from: a case on one's own, a room on a server, or a recording.

pub(crate) mod device;
pub(crate) mod join;
pub(crate) mod practice;
pub(crate) mod replay;

use bevy::prelude::*;
use spinor_sim::{Hand, ToolInput, UserId};

use crate::frames::WorldFrame;
use crate::room::{Grasp, OwnBody};

/// The input of one's own hand at a tick.
fn input_of(user: UserId, hand: Hand, held: &Grasp, seq: u32, frame: &WorldFrame) -> ToolInput {
    ToolInput {
        user,
        hand,
        seq,
        tool: held.kind,
        size_tenth_mm: held.size_tenth_mm,
        pose: frame.pose_from_world(&held.at),
        trigger: trigger_of(held),
    }
}

/// A hand's trigger as it is sent.
fn trigger_of(held: &Grasp) -> u8 {
    (held.trigger.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// The hands that hold nothing.
fn empty_hands(body: &OwnBody) -> impl Iterator<Item = Hand> {
    [Hand::Left, Hand::Right].into_iter().filter(|hand| !body.hands.contains_key(hand))
}

/// Seconds since the program began, for messages.
pub(crate) fn now(time: &Time<Real>) -> f64 {
    time.elapsed_secs_f64()
}
