//! The picture of one's own tool, a round trip ahead of the server's answer.
//!
//! The server decides where a tool is and what it takes. Until its answer comes, the same contact code runs here against the mirror, so that
//! one's own burr neither sinks into bone nor lags behind the hand.

use spinor_sim::{Hand, OwnPose, OwnTool, Pose, Settings, ToolInput, ToolKind, UserId};

use crate::session::Session;

/// One hand of this person, with the prediction of its tool.
pub struct OwnHand {
    hand: Hand,
    tool: OwnTool,
    acknowledged: u32,
}

impl OwnHand {
    /// A hand that holds nothing yet.
    pub fn new(hand: Hand, settings: Settings) -> Self {
        Self { hand, tool: OwnTool::new(settings), acknowledged: 0 }
    }

    /// Sends what the hand does, and returns where its tool is expected to be; none while patient or connection are missing. Call it once
    /// per tick (60 times a second) while the hand holds a tool.
    pub fn drive(
        &mut self,
        session: &mut Session,
        tool: ToolKind,
        size_tenth_mm: u8,
        pose: Pose,
        trigger: u8,
    ) -> Option<OwnPose> {
        let user = session.me()?.user;
        let seq = session.send_input(self.hand, tool, size_tenth_mm, pose, trigger);
        let input = ToolInput { user: UserId(user), hand: self.hand, seq, tool, size_tenth_mm, pose, trigger };
        let answer = session.tool(user, self.hand).map(|view| (view.input_seq, Pose::from(view.proxy)));
        let (patient, cut) = (session.mirror().patient()?, session.mirror().cut()?);
        if let Some((seq, proxy)) = answer.filter(|(seq, _)| *seq > self.acknowledged) {
            self.tool.acknowledge(patient, cut, seq, proxy);
            self.acknowledged = seq;
        }
        Some(self.tool.advance(patient, cut, &input))
    }

    /// The prediction itself, for what it expects to have taken.
    pub fn tool(&self) -> &OwnTool {
        &self.tool
    }
}
