//! What is known of one tool after a tick.

use spinor_volume::Label;

use crate::alarm::BoneLeft;
use crate::events::{AlarmLevel, Holder, Warning};
use crate::feel::Feel;
use crate::input::{Pose, ToolInput};

/// The neural structure nearest to a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Nearest {
    /// Which one; of two at the same distance the one with the lower label.
    pub structure: Label,
    /// Distance from the tool's surface to the structure's, micrometres; negative inside it.
    pub distance_um: i32,
}

/// One tool after a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolState {
    /// The input in force.
    pub input: ToolInput,
    /// Where the tool really is: the hand's pose, stopped by bone.
    pub proxy: Pose,
    /// Load between hand and stopped tool.
    pub load_millinewton: u32,
    /// Speed of a burr's spindle, 1/min; falls with load. 0 for other tools.
    pub spindle_rpm: u32,
    /// Whether the tool is stopped by bone, or cutting it.
    pub in_bone: bool,
    /// Greatest load on a nerve that the tool is in.
    pub neural_millinewton: u32,
    /// Temperature of the bone under a burr, 1/10 °C; the patient's for other tools.
    pub tenth_celsius: i32,
    /// What the hand feels and the ear hears of it.
    pub feel: Feel,
    /// Tissue taken in this tick, 1/32 voxel of occupancy.
    pub removed: i64,
    /// The nearest neural structure, none when all are farther than the alarm looks.
    pub nearest: Option<Nearest>,
    /// The gravest alarm level of all structures.
    pub level: AlarmLevel,
    /// The structure that makes this level, with the threshold in force; none when clear.
    pub warning: Option<Warning>,
    /// Whether the alarm is heard, and not only shown.
    pub sounding: bool,
    /// Time until the tool's surface is at a neural surface when it goes on as it does, ms; 0 in contact; none when it does not come
    /// nearer, or takes longer than a second.
    pub contact_ms: Option<u16>,
    /// Bone left between the tool's ball and the nearest neural structure while the tool is in bone or active; none without bone between.
    pub bone_left: Option<BoneLeft>,
}

impl ToolState {
    /// A tool that has just been taken up.
    pub(crate) fn new(input: ToolInput, proxy: Pose) -> Self {
        Self {
            input,
            proxy,
            load_millinewton: 0,
            spindle_rpm: 0,
            in_bone: false,
            neural_millinewton: 0,
            tenth_celsius: 0,
            feel: Feel::default(),
            removed: 0,
            nearest: None,
            level: AlarmLevel::Clear,
            warning: None,
            sounding: false,
            contact_ms: None,
            bone_left: None,
        }
    }

    /// Which tool in whose hand.
    pub fn holder(&self) -> Holder {
        Holder { user: self.input.user, hand: self.input.hand, tool: self.input.tool }
    }
}
