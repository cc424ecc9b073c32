//! What is written: alarm, tools, people, state of the connection, help.
//!
//! The texts are made by functions without an engine, so that a test can read them. On a screen they lie over the picture; in a headset
//! the same tree of nodes is drawn onto a panel beyond the table.

pub(crate) mod alarm;
pub(crate) mod help;
pub(crate) mod layout;
pub(crate) mod words;

use bevy::prelude::*;
use spinor_sim::AlarmLevel;

use crate::Draw;
use crate::guide::{Guide, paragraph};
use crate::menu::Menu;
use crate::room::Room;
use alarm::{alarm_line, level_colour};
use layout::{Slot, fit, lay_out};
use words::{notes, person_line, status_line, tool_line};

/// How long a message stays, s.
const MESSAGE_SECONDS: f64 = 6.0;
/// Shown on start and beside every report.
pub(crate) const NOT_A_DEVICE: &str = "For education and rehearsal. Not a medical device.";

/// Which camera the texts lie over; the one that is marked as default when absent.
#[derive(Resource)]
pub(crate) struct HudCamera(pub(crate) Entity);

/// Whether the help is open.
#[derive(Resource, Default)]
pub(crate) struct Help {
    /// Shown or hidden.
    pub(crate) open: bool,
    /// How the program is steered: what the help tells.
    pub(crate) by: help::By,
}

/// Whose eyes the picture is seen through, for the line that says so.
#[derive(Resource, Default)]
pub(crate) struct ViewName(pub(crate) String);

/// Words that are being typed, for the line that shows them.
#[derive(Resource, Default)]
pub(crate) struct Typing(pub(crate) Option<String>);

/// Draws the texts.
pub(crate) struct HudPlugin;

impl Plugin for HudPlugin {
    fn build(&self, app: &mut App) {
        // The engine's own font knows ASCII alone: neither the names of people nor a degree sign.
        let font = Font::from_bytes(epaint_default_fonts::HACK_REGULAR.to_vec());
        if let Err(wrong) = app.world_mut().resource_mut::<Assets<Font>>().insert(AssetId::default(), font) {
            eprintln!("letters beyond ASCII stay blank: {wrong}");
        }
        app.init_resource::<Help>()
            .init_resource::<ViewName>()
            .init_resource::<Typing>()
            .add_systems(PostStartup, lay_out)
            .add_systems(Update, (fit, write, write_help).in_set(Draw));
    }
}

fn write(
    room: Res<Room>,
    view: Res<ViewName>,
    typing: Res<Typing>,
    (guide, menu): (Res<Guide>, Res<Menu>),
    time: Res<Time<Real>>,
    mut texts: Query<(&Slot, &mut Text)>,
    mut boxes: Query<(&Slot, &mut BackgroundColor, &mut Node), Without<Text>>,
) {
    let band = alarm_line(&room);
    let fresh = room.message.as_ref().filter(|(_, said)| time.elapsed_secs_f64() - said < MESSAGE_SECONDS);
    let text_of = |slot: Slot| match slot {
        Slot::Alarm => band.as_ref().map_or(String::new(), |(_, line)| line.clone()),
        Slot::Tool => {
            let mine = room.tools.iter().filter(|((user, _), _)| room.me.is_none_or(|me| *user == me));
            let lines: Vec<String> = mine.map(|(_, tool)| tool_line(tool)).collect();
            if lines.is_empty() { NOT_A_DEVICE.to_owned() } else { lines.join("\n") }
        }
        Slot::People if room.people.is_empty() => "Spinor".to_owned(),
        Slot::People => {
            let lines: Vec<String> = room.people.values().map(|p| person_line(p, Some(p.user) == room.me)).collect();
            lines.join("\n")
        }
        // The menu has a page of the same.
        Slot::Guide if menu.open => String::new(),
        Slot::Guide => paragraph(&guide, &room),
        Slot::Status => status_line(&room, &view.0),
        Slot::Notes => notes(&room).join("\n"),
        Slot::Message => fresh.map_or(String::new(), |(message, _)| message.clone()),
        Slot::Typing => typing.0.as_ref().map_or(String::new(), |words| format!("to everybody: {words}_")),
    };
    for (slot, mut text) in &mut texts {
        let now = text_of(*slot);
        if text.0 != now {
            text.0 = now;
        }
    }
    for (slot, mut colour, mut node) in &mut boxes {
        if *slot == Slot::Alarm {
            let level = band.as_ref().map_or(AlarmLevel::Clear, |(level, _)| *level);
            colour.set_if_neq(BackgroundColor(level_colour(level)));
        }
        // A box with nothing in it is not drawn.
        let display = if text_of(*slot).is_empty() { Display::None } else { Display::Flex };
        if node.display != display {
            node.display = display;
        }
    }
}

fn write_help(
    help: Res<Help>,
    room: Res<Room>,
    mut boxes: Query<&mut Node, With<layout::HelpBox>>,
    mut columns: Query<(&layout::HelpColumn, &mut Text)>,
) {
    for mut node in &mut boxes {
        let display = if help.open { Display::Flex } else { Display::None };
        if node.display != display {
            node.display = display;
        }
    }
    if !help.open {
        return;
    }
    let groups = help::groups(help.by, &room);
    for (column, mut text) in &mut columns {
        let now = groups.get(column.0).cloned().unwrap_or_default();
        if text.0 != now {
            text.0 = now;
        }
    }
}
