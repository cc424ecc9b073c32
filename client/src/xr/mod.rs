//! The headset: the only place that knows bevy_mod_openxr.
//!
//! Controllers hold tools, triggers run them, vibration tells load and alarm. Two known faults of the crate are cured here: losing the
//! session (`LOSS_PENDING`) and a session that cannot be created would each end the program. Without a runtime or headset the desktop
//! stays.

mod controllers;
mod haptics;
mod panel;
mod session;

use bevy::app::PluginGroupBuilder;
use bevy::prelude::*;
use bevy_mod_openxr::add_xr_plugins;
use spinor_sim::{Hand, ToolKind};

use crate::rack::Rack;

pub(crate) use panel::panel_camera;

/// The plugins of the engine with OpenXR among them.
pub(crate) fn with_openxr(plugins: PluginGroupBuilder) -> PluginGroupBuilder {
    add_xr_plugins(plugins)
}

/// Everything of the headset on our side.
pub(crate) struct XrPlugin;

impl Plugin for XrPlugin {
    fn build(&self, app: &mut App) {
        // Both hands are there from the start.
        app.world_mut().resource_mut::<Rack>().take(Hand::Left, ToolKind::Suction);
        app.add_plugins((session::SessionPlugin, controllers::ControllersPlugin, haptics::HapticsPlugin, panel::PanelPlugin));
    }
}
