//! Where the texts stand: columns that share the width, so that they never lie over each other, and a scale that follows the picture.
//!
//! ```text
//! people   | band          | slices
//! guidance | message       |
//! menu     |               |
//!          (the wound)
//! tools, typing            | notes, status
//! ```

use bevy::prelude::*;
use bevy::text::{FontSize, LineHeight};

use super::HudCamera;

/// The picture's size at which a pixel of the layout is a pixel of the picture.
const AT_SCALE_ONE: Vec2 = Vec2::new(1280.0, 720.0);
/// Smaller pictures do not shrink the texts below this: they wrap instead.
const SMALLEST: f32 = 0.8;
/// Larger ones do not blow them up beyond this.
const LARGEST: f32 = 4.0;
/// Guidance wraps at this, so that it leaves the wound free.
const GUIDE_WIDTH: f32 = 330.0;
/// Columns of the help.
pub(super) const HELP_COLUMNS: usize = 4;

/// What a text is about; its box carries the same mark.
#[derive(Component, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Alarm,
    Tool,
    People,
    Guide,
    Status,
    Notes,
    Message,
    Typing,
}

/// Where others hang their own boxes.
#[derive(Resource)]
pub(crate) struct Places {
    /// The left column, below the people.
    pub(crate) left: Entity,
    /// The right column.
    pub(crate) right: Entity,
}

/// The help over everything.
#[derive(Component)]
pub(super) struct HelpBox;

/// A column of the help.
#[derive(Component)]
pub(super) struct HelpColumn(pub(super) usize);

/// How much larger than designed the layout is drawn onto a picture of `size`.
pub(crate) fn scale(size: Vec2) -> f32 {
    (size / AT_SCALE_ONE).min_element().clamp(SMALLEST, LARGEST)
}

/// Keeps the scale with the picture's size.
pub(super) fn fit(hud: Option<Res<HudCamera>>, cameras: Query<&Camera>, mut ui: ResMut<UiScale>) {
    let camera = hud.and_then(|hud| cameras.get(hud.0).ok());
    let Some(size) = camera.and_then(Camera::logical_viewport_size) else { return };
    let now = scale(size);
    if (ui.0 - now).abs() > 1e-3 {
        ui.0 = now;
    }
}

/// Builds the tree.
pub(crate) fn lay_out(mut commands: Commands, camera: Option<Res<HudCamera>>) {
    let px = Val::Px;
    let panel = Color::srgba(0.015, 0.03, 0.04, 0.72);
    let (bright, soft) = (Color::srgb(0.95, 0.97, 0.97), Color::srgb(0.72, 0.80, 0.82));
    let full = Node {
        width: Val::Percent(100.0),
        height: Val::Percent(100.0),
        position_type: PositionType::Absolute,
        flex_direction: FlexDirection::Column,
        justify_content: JustifyContent::SpaceBetween,
        padding: UiRect::all(px(14.0)),
        ..default()
    };
    let root = commands.spawn(full.clone()).id();
    let over = commands
        .spawn((Node { justify_content: JustifyContent::Center, align_items: AlignItems::Center, ..full }, GlobalZIndex(5)))
        .id();
    for root in [root, over] {
        if let Some(camera) = &camera {
            commands.entity(root).insert(UiTargetCamera(camera.0));
        }
    }
    let row = |align_items| Node {
        flex_direction: FlexDirection::Row,
        justify_content: JustifyContent::SpaceBetween,
        column_gap: px(12.0),
        align_items,
        ..default()
    };
    let column = |align_items, grow: f32| Node {
        flex_direction: FlexDirection::Column,
        row_gap: px(8.0),
        flex_grow: grow,
        flex_basis: if grow > 0.0 { px(0.0) } else { Val::Auto },
        min_width: px(0.0),
        align_items,
        ..default()
    };
    let mut child = |node: Node, parent: Entity| commands.spawn((node, ChildOf(parent))).id();
    let top = child(row(AlignItems::FlexStart), root);
    let bottom = child(row(AlignItems::FlexEnd), root);
    let left = child(Node { max_width: Val::Percent(42.0), ..column(AlignItems::FlexStart, 0.0) }, top);
    let middle = child(column(AlignItems::Center, 1.0), top);
    let right = child(column(AlignItems::FlexEnd, 0.0), top);
    let low_left = child(column(AlignItems::FlexStart, 1.0), bottom);
    let low_right = child(column(AlignItems::FlexEnd, 1.0), bottom);
    let mut boxed = |slot: Slot, parent: Entity, size: f32, colour: Color, fill: Color| {
        let node = Node {
            padding: UiRect::axes(px(14.0), px(7.0)),
            border_radius: BorderRadius::all(px(7.0)),
            max_width: if slot == Slot::Guide { px(GUIDE_WIDTH) } else { Val::Percent(100.0) },
            ..default()
        };
        let boxed = commands.spawn((slot, node, BackgroundColor(fill), ChildOf(parent))).id();
        commands.spawn((
            Text::default(),
            TextFont { font_size: FontSize::Px(size), ..default() },
            TextColor(colour),
            LineHeight::RelativeToFont(1.35),
            slot,
            ChildOf(boxed),
        ));
    };
    boxed(Slot::People, left, 15.0, bright, panel);
    // Names of directions in the scene may stand behind it.
    boxed(Slot::Guide, left, 14.0, bright, panel.with_alpha(0.9));
    boxed(Slot::Alarm, middle, 20.0, bright, Color::NONE);
    boxed(Slot::Message, middle, 17.0, bright, panel);
    boxed(Slot::Typing, low_left, 16.0, bright, panel);
    boxed(Slot::Tool, low_left, 17.0, bright, panel);
    boxed(Slot::Notes, low_right, 13.0, Color::srgb(0.98, 0.85, 0.55), panel);
    boxed(Slot::Status, low_right, 15.0, soft, panel);
    let help = commands
        .spawn((
            HelpBox,
            Node {
                display: Display::None,
                flex_wrap: FlexWrap::Wrap,
                column_gap: px(34.0),
                row_gap: px(14.0),
                padding: UiRect::axes(px(26.0), px(20.0)),
                border_radius: BorderRadius::all(px(10.0)),
                max_width: Val::Percent(100.0),
                justify_content: JustifyContent::Center,
                ..default()
            },
            BackgroundColor(Color::srgba(0.01, 0.02, 0.03, 0.92)),
            ChildOf(over),
        ))
        .id();
    for n in 0..HELP_COLUMNS {
        commands.spawn((
            HelpColumn(n),
            Text::default(),
            TextFont { font_size: FontSize::Px(14.0), ..default() },
            TextColor(soft),
            LineHeight::RelativeToFont(1.4),
            ChildOf(help),
        ));
    }
    commands.insert_resource(Places { left, right });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From 800 × 600 to 4K: texts grow with the picture, are never tiny, and the layout keeps room for its columns.
    #[test]
    fn the_layout_follows_the_picture() {
        assert_eq!(scale(Vec2::new(1280.0, 720.0)), 1.0);
        assert_eq!(scale(Vec2::new(3840.0, 2160.0)), 3.0);
        for size in [[800.0, 600.0], [960.0, 540.0], [1280.0, 720.0], [1920.0, 1080.0], [3440.0, 1440.0], [3840.0, 2160.0]] {
            let size = Vec2::from(size);
            let logical = size / scale(size);
            assert!(logical.x >= 990.0 && logical.y >= 670.0, "{size}: {logical}");
            assert!(14.0 * scale(size) >= 11.0, "{size}");
        }
    }
}
