//! What travels as lightyear messages in datagrams: poses, tool input, tool states, avatars.
//!
//! All of it is state that the next message replaces, so nothing here is resent. Messages from several people share a channel to a
//! client, and lightyear's sequenced channels keep only the newest message of the channel: hence those are unordered, and
//! every message carries a count of its own by which receivers drop what is older than what they have.

use bevy_app::{App, Plugin};
use bevy_ecs::prelude::Component;
use lightyear::prelude::*;
use serde::{Deserialize, Serialize};

use crate::room::Role;
use crate::wire::{WireInput, WirePose};

/// Poses and inputs from a client: newest only.
pub struct UpChannel;
/// Poses from a client: newest only, apart from inputs so that neither hides the other.
pub struct UpPoseChannel;
/// Other people's poses and all tools' states.
pub struct DownChannel;

/// Where a person's head and hands are, in patient LPS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BodyPose {
    /// Head: looks along its −z, +y is up.
    pub head: WirePose,
    /// Hands, left and right, where tracked.
    pub hands: [Option<WirePose>; 2],
}

/// A client's pose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoseMsg {
    /// Counts this client's poses.
    pub seq: u32,
    /// The client's clock, milliseconds since an arbitrary moment: spaces the poses out in time.
    pub at_ms: u32,
    /// The pose.
    pub body: BodyPose,
}

/// Somebody else's pose, forwarded when it arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerPoseMsg {
    /// Whose.
    pub user: u32,
    /// As sent.
    pub pose: PoseMsg,
}

/// A client's newest inputs of both hands, with a few older ones in case those were lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputMsg {
    /// Inputs, oldest first; at most [`super::limit::INPUTS`].
    pub inputs: Vec<WireInput>,
}

/// A tool as the server moved it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolView {
    /// Whose.
    pub user: u32,
    /// In which hand.
    pub hand: u8,
    /// Which tool.
    pub tool: u8,
    /// Size of its head, 1/10 mm.
    pub size_tenth_mm: u8,
    /// Newest input it follows.
    pub input_seq: u32,
    /// Trigger, 0-255.
    pub trigger: u8,
    /// Where the tool really is: tissue stops it.
    pub proxy: WirePose,
    /// Load between hand and tool, millinewton.
    pub load_millinewton: u32,
    /// Speed of a burr's spindle, 1/min.
    pub spindle_rpm: u32,
    /// Whether bone stops the tool, or is being cut.
    pub in_bone: bool,
    /// Tissue taken in the tick, 1/32 voxel of occupancy.
    pub removed: u32,
    /// Distance from the tool's surface to the nearest neural structure, micrometres (negative inside), where within reach, and that
    /// structure's label.
    pub nearest: Option<(i32, u16)>,
    /// Alarm level: 0 none, 1 caution, 2 danger.
    pub alarm: u8,
    /// Label of the structure that makes the level, and the threshold in force, micrometres.
    pub warning: Option<(u16, i32)>,
    /// Whether the alarm sounds.
    pub sounding: bool,
    /// Time until contact with a neural surface if the tool goes on as it does, ms; 0 in contact, none beyond a second.
    pub contact_ms: Option<u16>,
    /// Bone left between the tool and the nearest neural structure while the tool is in bone or active, micrometres; none without.
    pub bone_left_um: Option<u32>,
}

/// All tools of a room at a tick.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolsMsg {
    /// The tick.
    pub tick: u32,
    /// Which part of the tools this is, and of how many: a message must fit a datagram.
    pub part: [u8; 2],
    /// The tools.
    pub tools: Vec<ToolView>,
}

/// Most tools in one [`ToolsMsg`].
pub const TOOLS_PER_MESSAGE: usize = 12;

/// A person as a replicated entity: engines that follow entities get the roster without reading messages.
#[derive(Component, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Avatar {
    /// Number.
    pub user: u32,
    /// Name.
    pub name: String,
    /// Role.
    pub role: Role,
}

/// Registers channels, messages and components. Client and server add it after lightyear's plugins and before anything connects.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProtocolPlugin;

impl Plugin for ProtocolPlugin {
    fn build(&self, app: &mut App) {
        let newest = |mode| ChannelSettings { mode, priority: f32::INFINITY, retry_unsent_messages: false, ..Default::default() };
        app.add_channel::<UpChannel>(newest(ChannelMode::SequencedUnreliable)).add_direction(NetworkDirection::ClientToServer);
        app.add_channel::<UpPoseChannel>(newest(ChannelMode::SequencedUnreliable))
            .add_direction(NetworkDirection::ClientToServer);
        app.add_channel::<DownChannel>(newest(ChannelMode::UnorderedUnreliable)).add_direction(NetworkDirection::ServerToClient);
        app.register_message::<PoseMsg>().add_direction(NetworkDirection::ClientToServer);
        app.register_message::<InputMsg>().add_direction(NetworkDirection::ClientToServer);
        app.register_message::<PeerPoseMsg>().add_direction(NetworkDirection::ServerToClient);
        app.register_message::<ToolsMsg>().add_direction(NetworkDirection::ServerToClient);
        app.component::<Avatar>().replicate();
    }
}
