//! A client's prediction of its own tool: the server's contact code on the client's mirror.
//!
//! The picture of one's own tool must not sink into bone for a round trip. The prediction moves the tool at once; what a burr is
//! expected to take is kept beside the mirror until the server's cut arrives there. When the server says where the tool was after an
//! input, [`OwnTool::acknowledge`] starts from there again and repeats the inputs since.

use std::collections::VecDeque;

use spinor_volume::{CutState, Patient};

use crate::input::{Pose, ToolInput};
use crate::motion::Body;
use crate::settings::Settings;
use crate::sweep::Sweep;
use crate::tools::burr;

/// Most inputs that wait for the server: two seconds. Older ones are forgotten.
const MOST_WAITING: usize = 120;
/// A prediction nearer than this to the server's place needs no correction, µm.
const GOOD_UM: i64 = 30;

/// Where one's own tool is expected to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnPose {
    /// The tool's pose.
    pub proxy: Pose,
    /// Load between hand and tool.
    pub load_millinewton: u32,
    /// Spindle speed, 1/min.
    pub spindle_rpm: u32,
    /// Whether it is stopped by bone, or cutting.
    pub in_bone: bool,
}

/// An input that the server has not answered yet, and what it was predicted to do.
#[derive(Clone, Debug)]
struct Waiting {
    input: ToolInput,
    end: Pose,
    swept: Option<Sweep>,
}

/// The prediction of one hand's tool.
#[derive(Clone, Debug)]
pub struct OwnTool {
    settings: Settings,
    body: Option<(ToolInput, Body)>,
    waiting: VecDeque<Waiting>,
}

impl OwnTool {
    /// A hand that holds nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings: settings.checked(), body: None, waiting: VecDeque::new() }
    }

    /// Follows one input on the mirror. Call once per tick, with the input that is sent.
    pub fn advance(&mut self, patient: &Patient, cut: &CutState, input: &ToolInput) -> OwnPose {
        let pending: Vec<Sweep> = self.predicted_cuts().copied().collect();
        let same = |held: &ToolInput| (held.tool, held.size_tenth_mm) == (input.tool, input.size_tenth_mm);
        let body = match self.body.take() {
            Some((held, body)) if same(&held) => body,
            _ => Body::new(patient, cut, &pending, &self.settings, input),
        };
        let (_, body) = self.body.insert((*input, body));
        let motion = body.advance(patient, cut, &pending, &self.settings, input, input.trigger);
        let proxy = body.proxy;
        self.waiting.push_back(Waiting { input: *input, end: proxy, swept: motion.swept });
        if self.waiting.len() > MOST_WAITING {
            self.waiting.pop_front();
        }
        OwnPose {
            proxy,
            load_millinewton: (motion.load_newton * 1_000.0 + 0.5) as u32,
            spindle_rpm: if burr::rpm(&self.settings, input.trigger) > 0.0 { (motion.rpm + 0.5) as u32 } else { 0 },
            in_bone: motion.touched,
        }
    }

    /// Takes in where the server says that the tool was after the input `seq`, its cuts being in the mirror already. Inputs up to it
    /// are done with; when the prediction was wrong, the later ones are followed again from the server's place.
    pub fn acknowledge(&mut self, patient: &Patient, cut: &CutState, seq: u32, proxy: Pose) {
        let mut predicted = None;
        while self.waiting.front().is_some_and(|w| w.input.seq <= seq) {
            predicted = self.waiting.pop_front().filter(|w| w.input.seq == seq).map(|w| w.end);
        }
        let off = |end: Pose| (0..3).map(|k| (i64::from(end.tip_um[k]) - i64::from(proxy.tip_um[k])).abs()).max().unwrap_or(0);
        if predicted.is_none_or(|end| off(end) <= GOOD_UM) {
            return;
        }
        let Some((_, body)) = &mut self.body else { return };
        body.correct(proxy);
        let again: Vec<ToolInput> = self.waiting.drain(..).map(|w| w.input).collect();
        for input in &again {
            self.advance(patient, cut, input);
        }
    }

    /// What the burr is expected to have taken and the server has not confirmed yet, oldest first.
    pub fn predicted_cuts(&self) -> impl Iterator<Item = &Sweep> {
        self.waiting.iter().filter_map(|w| w.swept.as_ref())
    }
}
