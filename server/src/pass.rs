//! Handing a tool from one person to another.

use std::time::{Duration, Instant};

use spinor_shared::net::control::Notice;
use spinor_shared::net::handshake::Refusal;
use spinor_shared::session::Control;
use spinor_shared::wire::hand_from_number;
use spinor_sim::{Hand, ToolInput, ToolKind, UserId};

use crate::room::Room;

/// For so long inputs with the tool that was just given away are those of a client that has not heard of it.
const LATE: Duration = Duration::from_secs(1);

/// A tool that left a hand.
pub(crate) struct Given {
    tool: ToolKind,
    size_tenth_mm: u8,
    at: Instant,
}

impl Room {
    /// Hands the tool in a hand of `from` over to `to`, or says why not.
    pub(crate) fn pass(&mut self, from: u32, from_hand: u8, to: u32) -> Result<(), Refusal> {
        let hand = hand_from_number(from_hand).map_err(|_| Refusal::Garbage)?;
        let giver = self.members.get(&from).ok_or(Refusal::Nothing)?;
        let receiver = self.members.get(&to).filter(|m| m.peer.is_some() && from != to).ok_or(Refusal::Nothing)?;
        if !receiver.role.may_operate() {
            return Err(Refusal::Role(receiver.role));
        }
        if !giver.has_tool || !(receiver.has_tool || giver.role.may_direct()) {
            return Err(Refusal::NoTool);
        }
        let held = self.hands.get(&(UserId(from), hand)).ok_or(Refusal::Nothing)?.input;
        let is_empty = |hand: &Hand| !self.hands.contains_key(&(UserId(to), *hand));
        let into = [Hand::Right, Hand::Left].into_iter().find(is_empty).unwrap_or(Hand::Right);
        let (hand_to, tool, size_tenth_mm) = (into as u8, held.tool as u8, held.size_tenth_mm);
        self.decide(from, Control::Pass { from_hand, to, hand: hand_to, tool, size_tenth_mm })?;
        self.sim.remove_tool(UserId(from), hand);
        self.hands.remove(&(UserId(from), hand));
        let given = Given { tool: held.tool, size_tenth_mm: held.size_tenth_mm, at: Instant::now() };
        self.given.insert((UserId(from), hand), given);
        if let Some(receiver) = self.members.get_mut(&to) {
            receiver.has_tool = true;
        }
        self.tell_all(&Notice::Passed { from, from_hand, to, hand: hand_to, tool, size_tenth_mm });
        self.tell_view();
        Ok(())
    }

    /// Whether an input comes from a hand whose tool has just been given away.
    pub(crate) fn is_late(&mut self, input: &ToolInput) -> bool {
        let hand = (input.user, input.hand);
        let Some(given) = self.given.get(&hand) else { return false };
        let late = given.at.elapsed() < LATE && (given.tool, given.size_tenth_mm) == (input.tool, input.size_tenth_mm);
        if !late {
            self.given.remove(&hand);
        }
        late
    }
}
