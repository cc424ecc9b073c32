//! The simulation's tools as they are sent.

use spinor_shared::net::protocol::ToolView;
use spinor_sim::ToolState;

/// A tool's state in its wire form.
pub(crate) fn tool_view(tool: &ToolState) -> ToolView {
    ToolView {
        user: tool.input.user.0,
        hand: tool.input.hand as u8,
        tool: tool.input.tool as u8,
        size_tenth_mm: tool.input.size_tenth_mm,
        input_seq: tool.input.seq,
        trigger: tool.input.trigger,
        proxy: tool.proxy.into(),
        load_millinewton: tool.load_millinewton,
        spindle_rpm: tool.spindle_rpm,
        in_bone: tool.in_bone,
        removed: u32::try_from(tool.removed.max(0)).unwrap_or(u32::MAX),
        nearest: tool.nearest.map(|nearest| (nearest.distance_um, nearest.structure.0)),
        alarm: tool.level as u8,
        warning: tool.warning.map(|warning| (warning.structure.0, warning.threshold_um)),
        sounding: tool.sounding,
        contact_ms: tool.contact_ms,
        bone_left_um: tool.bone_left.map(|bone| bone.left_um.unsigned_abs()),
    }
}
